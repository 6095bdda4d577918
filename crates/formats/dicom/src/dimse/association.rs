//! Both sides of an association, over anything that reads and writes (PS3.8 section 7 and 9.2).

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
};

use super::{
    MOST_COMMAND_BYTES,
    command::Command,
    error::{DimseError, Malformed},
    negotiate::{AcceptPolicy, our_information},
    pdu::{AbortSource, AssociateAccept, AssociateRequest, ContextResult, Pdu, PduHeader, PduType, Rejection, UserInformation},
};

/// Bytes that are read ahead. Most of a data set goes around them into the caller's buffer.
const READ_AHEAD: usize = 16 << 10;
/// Bytes of a P-DATA-TF that are sent at most, whatever the peer allows.
const MOST_SENT: u32 = 1 << 20;
/// Bytes of a P-DATA-TF that have to be taken, whatever was announced: a command has to fit.
const LEAST_SENT: u32 = 1 << 10;

/// What a requestor asks for.
#[derive(Debug, Clone)]
pub struct Request<'t> {
    /// Title of the entity to call.
    pub called: &'t str,
    /// Our title.
    pub calling: &'t str,
    /// SOP class and transfer syntaxes of each presentation context, at most 128.
    pub contexts: Vec<(&'t str, &'t [&'t str])>,
    /// Bytes of a P-DATA-TF that we take at most.
    pub max_pdu_length: u32,
}

/// What came from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A message on a presentation context. If it has a data set, [`Association::read_data`] gives it, and has to before anything else is read.
    Command(u8, Command),
    /// The peer wants to end the association: [`Association::confirm_release`] agrees.
    Release,
}

/// Where in the stream of fragments the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    /// No data set is expected.
    None,
    /// Fragments of this context's data set follow.
    Expected(u8),
}

/// A fragment that is being read.
#[derive(Debug, Clone, Copy)]
struct Fragment {
    context: u8,
    is_command: bool,
    is_last: bool,
    /// Bytes of it that were not read yet.
    left: u32,
}

/// An open association.
pub struct Association<S> {
    stream: BufReader<S>,
    called: String,
    calling: String,
    /// Accepted contexts: identifier, SOP class, transfer syntax.
    contexts: Vec<(u8, String, String)>,
    /// Largest P-DATA-TF that we announced.
    most_received: u32,
    /// Largest P-DATA-TF that we send.
    most_sent: u32,
    peer: UserInformation,
    /// Bytes of the P-DATA-TF that is being read that are not part of a fragment's rest.
    pdu_left: u32,
    fragment: Option<Fragment>,
    data: Data,
    out: Vec<u8>,
}

impl<S: Read + Write> Association<S> {
    /// Waits for a request and answers it. The titles of a refused request are given to `refused`, for a log of who is not let in.
    ///
    /// # Errors
    /// When the request is refused, broken, or does not come.
    pub fn accept(stream: S, policy: &AcceptPolicy, refused: impl FnOnce(&AssociateRequest, Rejection)) -> Result<Self, DimseError> {
        let mut stream = BufReader::with_capacity(READ_AHEAD, stream);
        let request = match read_pdu(&mut stream) {
            Ok(Pdu::AssociateRq(request)) => request,
            Ok(Pdu::Abort(source, reason)) => return Err(DimseError::Aborted(source, reason)),
            Ok(other) => return Err(abort_with(&mut stream, DimseError::Unexpected(kind_of(&other)))),
            Err(error) => return Err(abort_with(&mut stream, error)),
        };
        let accept = match policy.answer(&request) {
            Ok(accept) => accept,
            Err(rejection) => {
                refused(&request, rejection);
                write_pdu(&mut stream, &Pdu::AssociateRj(rejection))?;
                return Err(DimseError::Refused(rejection));
            }
        };
        let contexts = contexts(&request, &accept);
        write_pdu(&mut stream, &Pdu::AssociateAc(accept))?;
        Ok(Self::open(stream, &request, contexts, policy.max_pdu_length, request.user.clone()))
    }

    /// Refuses whatever is asked, without waiting for it: for a receiver that is full.
    ///
    /// # Errors
    /// When the connection failed.
    pub fn refuse(mut stream: S, rejection: Rejection) -> Result<(), DimseError> {
        stream.write_all(&Pdu::AssociateRj(rejection).to_bytes())?;
        Ok(stream.flush()?)
    }

    /// Asks for an association.
    ///
    /// # Errors
    /// When the peer refuses, or the connection fails.
    pub fn request(stream: S, request: &Request<'_>) -> Result<Self, DimseError> {
        let mut stream = BufReader::with_capacity(READ_AHEAD, stream);
        let max_pdu_length = request.max_pdu_length;
        let request =
            AssociateRequest::new(request.called, request.calling, request.contexts.iter().copied(), our_information(max_pdu_length));
        write_pdu(&mut stream, &Pdu::AssociateRq(request.clone()))?;
        match read_pdu(&mut stream) {
            Ok(Pdu::AssociateAc(accept)) => {
                let contexts = contexts(&request, &accept);
                Ok(Self::open(stream, &request, contexts, max_pdu_length, accept.user))
            }
            Ok(Pdu::AssociateRj(rejection)) => Err(DimseError::Rejected(rejection)),
            Ok(Pdu::Abort(source, reason)) => Err(DimseError::Aborted(source, reason)),
            Ok(other) => Err(abort_with(&mut stream, DimseError::Unexpected(kind_of(&other)))),
            Err(error) => Err(abort_with(&mut stream, error)),
        }
    }

    fn open(
        stream: BufReader<S>,
        request: &AssociateRequest,
        contexts: Vec<(u8, String, String)>,
        most_received: u32,
        peer: UserInformation,
    ) -> Self {
        let most_sent = match peer.max_pdu_length {
            0 => MOST_SENT,
            most => most.clamp(LEAST_SENT, MOST_SENT),
        };
        Self {
            stream,
            called: request.called.clone(),
            calling: request.calling.clone(),
            contexts,
            most_received,
            most_sent,
            peer,
            pdu_left: 0,
            fragment: None,
            data: Data::None,
            out: Vec::new(),
        }
    }

    /// Waits for the next message or the wish to end. What is left of the data set before is read and dropped.
    ///
    /// # Errors
    /// When the association was aborted or the connection lost, or the peer does not follow the standard (then it is aborted).
    pub fn next_message(&mut self) -> Result<Incoming, DimseError> {
        let next = self.next_message_unguarded();
        next.map_err(|error| self.abort_for(error))
    }

    fn next_message_unguarded(&mut self) -> Result<Incoming, DimseError> {
        let mut rest = [0; 4096];
        while self.data != Data::None {
            self.read_data_unguarded(&mut rest)?;
        }
        let (mut bytes, mut on) = (Vec::new(), None);
        loop {
            let Some(mut fragment) = self.fragment()? else {
                if !bytes.is_empty() {
                    return Err(DimseError::Unexpected(PduType::ReleaseRq));
                }
                return Ok(Incoming::Release);
            };
            // One that brings nothing and is not the last could go on for ever.
            let is_idle = fragment.left == 0 && !fragment.is_last;
            if !fragment.is_command || is_idle || *on.get_or_insert(fragment.context) != fragment.context {
                return Err(DimseError::Malformed(Malformed::Fragments, bytes.len()));
            }
            if bytes.len() + fragment.left as usize > MOST_COMMAND_BYTES {
                return Err(DimseError::Malformed(Malformed::Command, bytes.len()));
            }
            let begin = bytes.len();
            bytes.resize(begin + fragment.left as usize, 0);
            self.stream.read_exact(&mut bytes[begin..])?;
            self.pdu_left -= fragment.left;
            fragment.left = 0;
            self.fragment = None;
            if !fragment.is_last {
                continue;
            }
            let command = Command::parse(&bytes)?;
            if self.context(fragment.context).is_none() {
                return Err(DimseError::NoContext(fragment.context));
            }
            if command.has_data_set {
                self.data = Data::Expected(fragment.context);
            }
            return Ok(Incoming::Command(fragment.context, command));
        }
    }

    /// Reads of the data set of the message that came last. 0 bytes are its end.
    ///
    /// # Errors
    /// As [`Association::next_message`].
    pub fn read_data(&mut self, into: &mut [u8]) -> Result<usize, DimseError> {
        let read = self.read_data_unguarded(into);
        read.map_err(|error| self.abort_for(error))
    }

    fn read_data_unguarded(&mut self, into: &mut [u8]) -> Result<usize, DimseError> {
        let Data::Expected(context) = self.data else { return Ok(0) };
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(fragment) = self.fragment()? else { return Err(DimseError::Unexpected(PduType::ReleaseRq)) };
            if fragment.is_command || fragment.context != context {
                return Err(DimseError::Malformed(Malformed::Fragments, 0));
            }
            if fragment.left > 0 {
                let wanted = into.len().min(fragment.left as usize);
                let read = self.stream.read(&mut into[..wanted])?;
                if read == 0 {
                    return Err(DimseError::Closed);
                }
                self.pdu_left -= read as u32;
                self.fragment = Some(Fragment { left: fragment.left - read as u32, ..fragment });
                return Ok(read);
            }
            self.fragment = None;
            if fragment.is_last {
                self.data = Data::None;
                return Ok(0);
            }
        }
    }

    /// The fragment that is being read, or the next one. `None` if the peer wants to end instead.
    fn fragment(&mut self) -> Result<Option<Fragment>, DimseError> {
        if let Some(fragment) = self.fragment {
            return Ok(Some(fragment));
        }
        while self.pdu_left == 0 {
            let header = read_header(&mut self.stream, self.most_received)?;
            match header.kind {
                // There is at least one fragment in it (PS3.8 section 9.3.5).
                PduType::Data if header.length == 0 => return Err(DimseError::Malformed(Malformed::Length, 0)),
                PduType::Data => self.pdu_left = header.length,
                PduType::ReleaseRq => {
                    read_body(&mut self.stream, header)?;
                    return Ok(None);
                }
                PduType::Abort => {
                    if let Pdu::Abort(source, reason) = read_body(&mut self.stream, header)? {
                        return Err(DimseError::Aborted(source, reason));
                    }
                }
                other => return Err(DimseError::Unexpected(other)),
            }
        }
        let mut header = [0; 6];
        if self.pdu_left < 6 {
            return Err(DimseError::Malformed(Malformed::Cut, 0));
        }
        self.stream.read_exact(&mut header)?;
        self.pdu_left -= 6;
        let [a, b, c, d, context, control] = header;
        let length = u32::from_be_bytes([a, b, c, d]);
        if length < 2 {
            return Err(DimseError::Malformed(Malformed::Length, 0));
        }
        let left = length - 2;
        if left > self.pdu_left {
            return Err(DimseError::Malformed(Malformed::Cut, 0));
        }
        let fragment = Fragment { context, is_command: control & 1 == 1, is_last: control & 2 == 2, left };
        self.fragment = Some(fragment);
        Ok(Some(fragment))
    }

    /// Sends a command. If it says that a data set follows, [`Association::send_data`] has to be next.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send_command(&mut self, context: u8, command: &Command) -> Result<(), DimseError> {
        let bytes = command.to_bytes();
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            let most = (self.most_sent - 6) as usize & !1;
            let (now, later) = left.split_at(left.len().min(most));
            self.out.clear();
            fragment_header(now.len() as u32, context, true, later.is_empty(), &mut self.out);
            self.out.extend_from_slice(now);
            self.stream.get_mut().write_all(&self.out)?;
            left = later;
        }
        Ok(self.stream.get_mut().flush()?)
    }

    /// Sends a data set of `length` bytes, an even number: every fragment has to have one (PS3.8 section 9.3.5.1).
    ///
    /// # Errors
    /// When the connection fails, or the data set ends early or is odd; in these cases nothing can follow.
    pub fn send_data(&mut self, context: u8, length: u64, mut from: impl Read) -> Result<(), DimseError> {
        if length % 2 == 1 {
            return Err(self.abort_for(DimseError::State("a data set of an odd number of bytes has no even fragments")));
        }
        let most = u64::from(self.most_sent - 6) & !1;
        let mut left = length;
        loop {
            let now = left.min(most);
            left -= now;
            self.out.clear();
            fragment_header(now as u32, context, false, left == 0, &mut self.out);
            let begin = self.out.len();
            self.out.resize(begin + now as usize, 0);
            if from.read_exact(&mut self.out[begin..]).is_err() {
                // The peer waits for the rest, and there is none.
                return Err(self.abort_for(DimseError::State("the data set ended before its length")));
            }
            self.stream.get_mut().write_all(&self.out)?;
            if left == 0 {
                return Ok(self.stream.get_mut().flush()?);
            }
        }
    }

    /// Agrees to end the association.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn confirm_release(&mut self) -> Result<(), DimseError> {
        write_pdu(&mut self.stream, &Pdu::ReleaseRp)
    }

    /// Asks to end the association, and waits until the peer agrees.
    ///
    /// # Errors
    /// When the connection fails before.
    pub fn release(mut self) -> Result<S, DimseError> {
        write_pdu(&mut self.stream, &Pdu::ReleaseRq)?;
        // Data may still be on its way, and the peer may ask for the same at the same time (PS3.8 section 7.2.2).
        loop {
            let header = read_header(&mut self.stream, self.most_received)?;
            match header.kind {
                PduType::Data => skip(&mut self.stream, header.length)?,
                PduType::ReleaseRq => {
                    read_body(&mut self.stream, header)?;
                    write_pdu(&mut self.stream, &Pdu::ReleaseRp)?;
                }
                PduType::ReleaseRp => {
                    read_body(&mut self.stream, header)?;
                    return Ok(self.stream.into_inner());
                }
                PduType::Abort => return Ok(self.stream.into_inner()),
                other => return Err(self.abort_for(DimseError::Unexpected(other))),
            }
        }
    }

    /// Ends the association at once. Whether the peer hears it does not matter.
    pub fn abort(mut self) -> S {
        let _ = write_pdu(&mut self.stream, &Pdu::Abort(AbortSource::User, 0));
        self.stream.into_inner()
    }

    fn abort_for(&mut self, error: DimseError) -> DimseError {
        abort_with(&mut self.stream, error)
    }

    /// SOP class and transfer syntax of an accepted context.
    pub fn context(&self, id: u8) -> Option<(&str, &str)> {
        self.contexts.iter().find(|context| context.0 == id).map(|(_, class, syntax)| (class.as_str(), syntax.as_str()))
    }

    /// The accepted context for that SOP class and transfer syntax; any syntax if none is given.
    pub fn context_for(&self, sop_class: &str, transfer_syntax: Option<&str>) -> Option<u8> {
        let fits = |syntax: &str| transfer_syntax.is_none_or(|wanted| wanted == syntax);
        self.contexts.iter().find(|(_, class, syntax)| class == sop_class && fits(syntax)).map(|context| context.0)
    }

    /// How many contexts were accepted.
    pub fn accepted(&self) -> usize {
        self.contexts.len()
    }

    /// The title that was called.
    pub fn called(&self) -> &str {
        &self.called
    }

    /// The title that calls.
    pub fn calling(&self) -> &str {
        &self.calling
    }

    /// What the peer says of itself.
    pub fn peer(&self) -> &UserInformation {
        &self.peer
    }

    /// What it runs over.
    pub fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    /// What it ran over, once it has ended.
    pub fn into_stream(self) -> S {
        self.stream.into_inner()
    }

    /// What it runs over. Reading or writing here breaks the association.
    pub fn stream_mut(&mut self) -> &mut S {
        self.stream.get_mut()
    }
}

impl<S> fmt::Debug for Association<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association").field("contexts", &self.contexts.len()).field("data", &self.data).finish_non_exhaustive()
    }
}

/// The accepted contexts. Of what was not asked for, and of a syntax that was not proposed, nothing is accepted.
fn contexts(request: &AssociateRequest, accept: &AssociateAccept) -> Vec<(u8, String, String)> {
    let accepted = accept.contexts.iter().filter(|reply| reply.result == ContextResult::Accepted);
    let known = accepted.filter_map(|reply| {
        let proposed = request.contexts.iter().find(|proposed| proposed.id == reply.id)?;
        proposed
            .transfer_syntaxes
            .contains(&reply.transfer_syntax)
            .then(|| (reply.id, proposed.abstract_syntax.clone(), reply.transfer_syntax.clone()))
    });
    known.collect()
}

fn fragment_header(length: u32, context: u8, is_command: bool, is_last: bool, out: &mut Vec<u8>) {
    out.extend([4, 0]);
    out.extend((length + 6).to_be_bytes());
    out.extend((length + 2).to_be_bytes());
    out.extend([context, u8::from(is_command) | u8::from(is_last) << 1]);
}

fn kind_of(pdu: &Pdu) -> PduType {
    match pdu {
        Pdu::AssociateRq(_) => PduType::AssociateRq,
        Pdu::AssociateAc(_) => PduType::AssociateAc,
        Pdu::AssociateRj(_) => PduType::AssociateRj,
        Pdu::ReleaseRq => PduType::ReleaseRq,
        Pdu::ReleaseRp => PduType::ReleaseRp,
        Pdu::Abort(..) => PduType::Abort,
    }
}

fn read_header<S: Read>(stream: &mut BufReader<S>, most_data: u32) -> Result<PduHeader, DimseError> {
    let mut bytes = [0; 6];
    stream.read_exact(&mut bytes)?;
    // The beginning of a record of TLS: a greeting or an alert, of any version.
    if matches!(bytes, [0x15 | 0x16, 3, ..]) {
        return Err(DimseError::PeerSpeaksTls);
    }
    let header = PduHeader::parse(bytes);
    header.check(most_data)?;
    Ok(header)
}

/// What follows the header of a PDU that is held whole. Memory grows with what came, not with what was announced.
fn read_body<S: Read>(stream: &mut BufReader<S>, header: PduHeader) -> Result<Pdu, DimseError> {
    let mut body = Vec::new();
    stream.take(u64::from(header.length)).read_to_end(&mut body)?;
    if body.len() != header.length as usize {
        return Err(DimseError::Closed);
    }
    Pdu::parse(header.kind, &body)
}

fn read_pdu<S: Read>(stream: &mut BufReader<S>) -> Result<Pdu, DimseError> {
    let header = read_header(stream, 0)?;
    read_body(stream, header)
}

fn skip<S: Read>(stream: &mut BufReader<S>, mut length: u32) -> Result<(), DimseError> {
    while length > 0 {
        let there = stream.fill_buf()?.len().min(length as usize);
        if there == 0 {
            return Err(DimseError::Closed);
        }
        stream.consume(there);
        length -= there as u32;
    }
    Ok(())
}

fn write_pdu<S: Read + Write>(stream: &mut BufReader<S>, pdu: &Pdu) -> Result<(), DimseError> {
    stream.get_mut().write_all(&pdu.to_bytes())?;
    Ok(stream.get_mut().flush()?)
}

/// Tells the peer that the association ends because of an error, if there is somebody to tell.
fn abort_with<S: Read + Write>(stream: &mut BufReader<S>, error: DimseError) -> DimseError {
    if let Some(reason) = error.abort_reason() {
        let _ = write_pdu(stream, &Pdu::Abort(AbortSource::Provider, reason));
    }
    error
}
