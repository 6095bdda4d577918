//! One association: messages are read and answered one after the other.

use std::{
    io,
    net::TcpStream,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use sutura_core::Severity;
use sutura_dicom::{
    DicomError, DicomFile, Limits, Tag,
    dimse::{AcceptPolicy, Association, Command, CommandField, DimseError, Incoming, Status, VERIFICATION, meta_information},
};

use super::{
    OnStored,
    buffer::Buffer,
    config::ListenerConfig,
    filing::{Content, Filing, Logged},
    journal::{Outcome, Received},
    metrics::Metrics,
    store::{Store, Temporary, hex},
};
use crate::{
    connection::{Connection, Patience},
    dicom::seconds,
};

/// Memory that an association begins with, and keeps between instances.
const ROOM: usize = 1 << 20;
const MOST_KEPT: usize = 8 << 20;
/// Bytes of a large instance between two looks at the space of the disk.
const BETWEEN_LOOKS: u64 = 64 << 20;

/// What an association needs.
pub(super) struct Served {
    pub(super) config: ListenerConfig,
    pub(super) policy: Arc<AcceptPolicy>,
    pub(super) store: Arc<Store>,
    pub(super) filing: Arc<Filing>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) told: Option<Arc<dyn OnStored>>,
    pub(super) patience: Patience,
}

type Peer = Association<Connection>;

/// What to answer, with words for it.
type Answer = (Status, &'static str);

const TOO_LARGE: Answer = (Status::OUT_OF_RESOURCES, "the instance is larger than is taken");

/// A data set that was received to its end.
struct Whole {
    /// All of it, or of a large one the beginning.
    buffer: Buffer,
    /// The file of a large one, where everything but the last bytes is written.
    temporary: Option<Temporary>,
    bytes: u64,
    sha256: String,
}

/// What a data set says of itself.
#[derive(Default)]
struct Said {
    sop_class: Option<String>,
    sop_instance: Option<String>,
    study: Option<String>,
    series: Option<String>,
    codes: Vec<String>,
    /// Code and words of what makes it useless.
    broken: Option<(&'static str, String)>,
}

impl Served {
    /// Serves a connection to its end.
    pub(super) fn serve(self, socket: TcpStream) {
        let peer = socket.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default();
        let connection = match &self.tls {
            Some(config) => Connection::server(socket, Arc::clone(config), self.patience.clone()),
            None => Connection::plain(socket, self.patience.clone()),
        };
        let Ok(mut connection) = connection else { return };
        connection.set_deadline(seconds(self.config.association_timeout_s));
        // Titles that are not allowed are the peer's words: they are not logged.
        let mut association = match Association::accept(connection, &self.policy, |_, _| {}) {
            Ok(association) => association,
            Err(error) => {
                let refused = matches!(error, DimseError::Refused(_));
                Metrics::add(if refused { &self.metrics.refused } else { &self.metrics.ended_badly });
                tracing::warn!(peer, reason = %error, "no association");
                return;
            }
        };
        Metrics::add(&self.metrics.associations);
        tracing::debug!(peer, contexts = association.accepted(), "association");
        let ended = self.messages(&mut association);
        self.metrics.commits.fetch_max(self.filing.settlements(), Ordering::Relaxed);
        match ended {
            Ok(()) => association.into_stream().close(),
            Err(error) => {
                Metrics::add(&self.metrics.ended_badly);
                tracing::warn!(peer, reason = %error, "the association ended badly");
                match &error {
                    // The program stops: the peer hears that nothing follows.
                    DimseError::Io(error) if error.kind() == io::ErrorKind::ConnectionAborted => association.abort().close(),
                    DimseError::Io(_) | DimseError::Closed => {}
                    // It was told already, and should have the time to read it.
                    _ => association.into_stream().close(),
                }
            }
        }
    }

    fn messages(&self, association: &mut Peer) -> Result<(), DimseError> {
        let mut buffer = Buffer::with_room(ROOM);
        loop {
            association.stream_mut().wait_for_next(seconds(self.config.association_timeout_s));
            let incoming = association.next_message()?;
            let (context, command) = match incoming {
                Incoming::Release => return association.confirm_release(),
                Incoming::Command(context, command) => (context, command),
            };
            association.stream_mut().set_deadline(seconds(self.config.object_timeout_s));
            if command.field == CommandField::CStoreRq {
                buffer = self.store(association, context, &command, buffer)?;
                continue;
            }
            drain(association)?;
            // A cancellation of what is already answered has no answer of its own.
            if command.field.is_response() || command.field == CommandField::CCancelRq {
                continue;
            }
            let is_echo =
                command.field == CommandField::CEchoRq && association.context(context).is_some_and(|(class, _)| class == VERIFICATION);
            let (status, comment) =
                if is_echo { (Status::SUCCESS, "") } else { (Status::UNRECOGNIZED_OPERATION, "only C-ECHO and C-STORE are served") };
            Metrics::add(if is_echo { &self.metrics.echoes } else { &self.metrics.unrecognized });
            association.send_command(context, &command.response(status, comment))?;
        }
    }

    /// Receives an instance, makes it durable, answers, gives it its file. Gives the memory back.
    fn store(&self, association: &mut Peer, context: u8, command: &Command, buffer: Buffer) -> Result<Buffer, DimseError> {
        let (mut buffer, (status, comment), logged) = self.take(association, context, command, buffer)?;
        // While the sender goes on.
        let sent = association.send_command(context, &command.response(status, comment));
        if let Some(logged) = logged {
            let received = self.filing.place(logged, &mut buffer);
            self.count(&received);
            if let Some(told) = self.told.as_ref().filter(|_| received.outcome != Outcome::Rejected) {
                told.on_stored(&received);
            }
        }
        if buffer.room() > MOST_KEPT {
            buffer = Buffer::with_room(ROOM);
        }
        sent.map(|()| buffer)
    }

    fn take(
        &self,
        association: &mut Peer,
        context: u8,
        command: &Command,
        buffer: Buffer,
    ) -> Result<(Buffer, Answer, Option<Logged>), DimseError> {
        let Some((sop_class, syntax)) = association.context(context) else { return Err(DimseError::NoContext(context)) };
        let (sop_class, syntax) = (sop_class.to_owned(), syntax.to_owned());
        let refusal = if !command.has_data_set {
            Some((Status::MISTYPED_ARGUMENT, "a data set has to follow"))
        } else if sop_class == VERIFICATION {
            Some((Status::UNRECOGNIZED_OPERATION, "the context is that of verification"))
        } else if command.sop_class != sop_class {
            Some((Status::SOP_CLASS_NOT_SUPPORTED, "the SOP class is not that of the context"))
        } else if !command.has_uids() {
            Some((Status::INVALID_SOP_INSTANCE, "the SOP instance UID is none"))
        } else {
            match self.store.has_space(0) {
                Ok(true) => None,
                Ok(false) => Some((Status::OUT_OF_RESOURCES, "the disk is full")),
                Err(error) => Some(io_answer(&error)),
            }
        };
        if let Some(answer) = refusal {
            self.count_refusal(answer.0);
            drain(association)?;
            return Ok((buffer, answer, None));
        }
        let whole = match self.receive(association, command, &syntax, buffer) {
            Ok(Ok(whole)) => whole,
            Ok(Err(answer)) => {
                self.count_refusal(answer.0);
                drain(association)?;
                return Ok((Buffer::with_room(ROOM), answer, None));
            }
            Err(error) => {
                Metrics::add(&self.metrics.cut_off);
                return Err(error);
            }
        };
        let (whole, said) = understand(whole, command);
        let received = Received {
            received_at: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            outcome: Outcome::Stored,
            path: String::new(),
            bytes: whole.bytes,
            sha256: whole.sha256.clone(),
            sop_class_uid: sop_class,
            sop_instance_uid: command.sop_instance.clone(),
            study_instance_uid: said.study,
            series_instance_uid: said.series,
            transfer_syntax_uid: syntax,
            calling_ae_title: association.calling().to_owned(),
            called_ae_title: association.called().to_owned(),
            codes: said.codes,
            reason: None,
            status: 0,
        };
        let mut content = match whole.temporary {
            Some(temporary) => Content::File(whole.buffer, temporary),
            None => Content::Memory(whole.buffer),
        };
        let (logged, answer) = match said.broken {
            Some((code, reason)) => {
                let answer = reject_answer(code);
                let mut codes = received.codes.clone();
                codes.retain(|other| other != code);
                codes.insert(0, code.to_owned());
                let received = Received { codes, reason: Some(reason), status: answer.0.0, ..received };
                (self.filing.reject(&mut content, received), answer)
            }
            None => (self.filing.file(&mut content, received), (Status::SUCCESS, "")),
        };
        let buffer = content.into_buffer();
        match logged {
            Ok(logged) => Ok((buffer, answer, Some(logged))),
            Err(error) => {
                let answer = io_answer(&error);
                self.count_refusal(answer.0);
                Ok((buffer, answer, None))
            }
        }
    }

    /// Reads a data set into memory, and what is too much for it to disk. The inner error is what to answer.
    fn receive(
        &self,
        association: &mut Peer,
        command: &Command,
        syntax: &str,
        mut buffer: Buffer,
    ) -> Result<Result<Whole, Answer>, DimseError> {
        let mut hash = Sha256::new();
        buffer.clear();
        let meta = meta_information(&command.sop_class, &command.sop_instance, syntax, association.calling(), association.called());
        buffer.push(&meta);
        hash.update(&meta);
        let mut bytes = meta.len() as u64;
        let most = self.config.max_memory_bytes.next_multiple_of(4096);
        loop {
            let spare = buffer.spare(most);
            if spare.is_empty() {
                break;
            }
            let read = association.read_data(spare)?;
            if read == 0 {
                return Ok(Ok(Whole { buffer, temporary: None, bytes, sha256: hex(&hash.finalize()) }));
            }
            hash.update(&spare[..read]);
            buffer.advance(read);
            bytes += read as u64;
            if bytes > self.config.max_object_bytes {
                return Ok(Err(TOO_LARGE));
            }
        }
        let mut temporary = match self.store.create().and_then(|mut temporary| temporary.write(&mut buffer).map(|()| temporary)) {
            Ok(temporary) => temporary,
            Err(error) => return Ok(Err(io_answer(&error))),
        };
        let mut next = Buffer::with_room(ROOM);
        let mut looked_at = bytes;
        loop {
            let spare = next.spare(ROOM);
            let read = if spare.is_empty() { 0 } else { association.read_data(spare)? };
            hash.update(&spare[..read]);
            next.advance(read);
            bytes += read as u64;
            if bytes > self.config.max_object_bytes {
                return Ok(Err(TOO_LARGE));
            }
            if read > 0 {
                continue;
            }
            let is_end = next.len() < ROOM;
            if let Err(error) = temporary.write(&mut next) {
                return Ok(Err(io_answer(&error)));
            }
            next.clear();
            if is_end {
                return Ok(Ok(Whole { buffer, temporary: Some(temporary), bytes, sha256: hex(&hash.finalize()) }));
            }
            if bytes - looked_at >= BETWEEN_LOOKS {
                looked_at = bytes;
                match self.store.has_space(0) {
                    Ok(true) => {}
                    Ok(false) => return Ok(Err((Status::OUT_OF_RESOURCES, "the disk is full"))),
                    Err(error) => return Ok(Err(io_answer(&error))),
                }
            }
        }
    }

    fn count_refusal(&self, status: Status) {
        Metrics::add(match status {
            Status::OUT_OF_RESOURCES => &self.metrics.out_of_resources,
            Status::PROCESSING_FAILURE => &self.metrics.failed,
            _ => &self.metrics.unrecognized,
        });
    }

    fn count(&self, received: &Received) {
        let count = match received.outcome {
            Outcome::Stored => &self.metrics.stored,
            Outcome::Duplicate => &self.metrics.duplicates,
            Outcome::Differs => &self.metrics.differing,
            Outcome::Rejected => &self.metrics.rejected,
            Outcome::Withdrawn => return,
        };
        Metrics::add(count);
        if received.outcome == Outcome::Differs {
            tracing::warn!("another data set came with a SOP instance UID that is there already; both are kept");
            Metrics::add(&self.metrics.stored);
        }
        if matches!(received.outcome, Outcome::Stored | Outcome::Differs) {
            self.metrics.stored_bytes.fetch_add(received.bytes, Ordering::Relaxed);
        }
        if received.outcome == Outcome::Rejected {
            tracing::warn!(
                code = received.codes.first().map_or("", String::as_str),
                "a data set cannot be understood; it is kept in rejects"
            );
        }
    }
}

/// Reads the data set: whether it is one, and which.
fn understand(whole: Whole, command: &Command) -> (Whole, Said) {
    let Whole { buffer, temporary, bytes, sha256 } = whole;
    let shared = Arc::new(buffer);
    let mut said = look_at(Bytes::from_owner(Lent(Arc::clone(&shared))), bytes, temporary.is_some());
    // Nobody else has it any more.
    let buffer = Arc::try_unwrap(shared).unwrap_or_else(|shared| {
        let mut copy = Buffer::with_room(shared.len());
        copy.push((*shared).as_ref());
        copy
    });
    if said.broken.is_none() {
        let differs = |own: &Option<String>, other: &str| own.as_deref() != Some(other);
        if differs(&said.sop_class, &command.sop_class) {
            said.broken = Some(("sop-class-mismatch", "the SOP class of the data set is not that of the message".to_owned()));
        } else if differs(&said.sop_instance, &command.sop_instance) {
            said.broken = Some(("sop-instance-mismatch", "the SOP instance of the data set is not that of the message".to_owned()));
        }
    }
    (Whole { buffer, temporary, bytes, sha256 }, said)
}

fn reject_answer(code: &str) -> Answer {
    match code {
        "sop-class-mismatch" | "sop-instance-mismatch" => (Status::DOES_NOT_MATCH, "the data set is not what the message says"),
        _ => (Status::CANNOT_UNDERSTAND, "the data set cannot be read"),
    }
}

fn io_answer(error: &io::Error) -> Answer {
    tracing::error!(kind = %error.kind(), "an instance could not be written");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (Status::OUT_OF_RESOURCES, "the disk is full"),
        _ => (Status::PROCESSING_FAILURE, "the instance could not be written"),
    }
}

/// Memory lent to the reader of data sets.
struct Lent(Arc<Buffer>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

fn look_at(bytes: Bytes, size: u64, is_large: bool) -> Said {
    let limits = Limits { bytes: bytes.len().max(1), ..Limits::default() };
    let file = if is_large { DicomFile::parse_beginning(bytes, &limits) } else { DicomFile::parse(bytes, &limits).map(Some) };
    match file {
        Ok(Some(file)) => said_in(&file, size),
        Ok(None) => broken("record-too-large", "what stands before the pixel data is larger than max_memory_bytes".to_owned()),
        Err(error) => broken(error.kind.code(), DicomError::to_string(&error)),
    }
}

fn broken(code: &'static str, reason: String) -> Said {
    Said { broken: Some((code, reason)), ..Said::default() }
}

fn said_in(file: &DicomFile, size: u64) -> Said {
    let data_set = file.data_set();
    let uid = |tag| data_set.text(Tag(tag)).map(std::borrow::Cow::into_owned);
    let mut said = Said {
        sop_class: uid(0x0008_0016),
        sop_instance: uid(0x0008_0018),
        study: uid(0x0020_000D),
        series: uid(0x0020_000E),
        ..Said::default()
    };
    for finding in file.findings() {
        if finding.severity == Severity::Error && said.broken.is_none() {
            said.broken = Some((finding.code, finding.message.clone()));
        }
        if !said.codes.iter().any(|code| code == finding.code) {
            said.codes.push(finding.code.to_owned());
        }
    }
    // Of a large one only the beginning is here, but native pixel data says how long it is.
    if said.broken.is_none() && file.pixels_end_behind(size) {
        said.broken = Some(("pixel-data-cut", "the pixel data is longer than what came".to_owned()));
    }
    said
}

/// Reads and drops what is left of a data set.
fn drain(association: &mut Peer) -> Result<(), DimseError> {
    let mut rest = [0; 16 << 10];
    while association.read_data(&mut rest)? > 0 {}
    Ok(())
}
