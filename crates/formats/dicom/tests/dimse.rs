//! Associations between our two sides, and with peers that send anything at all.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeSet,
    io::{self, Cursor, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use proptest::prelude::*;
use sutura_dicom::dimse::{
    AcceptPolicy, AssociateRequest, Association, Command, CommandField, DimseError, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Identity, Incoming,
    Malformed, Pdu, PduHeader, PduType, Rejection, Request, Status, Titles, UserInformation, VERIFICATION,
};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn policy() -> AcceptPolicy {
    AcceptPolicy {
        called: Titles::Only(BTreeSet::from(["SUTURA".to_owned()])),
        calling: Titles::Only(BTreeSet::from(["MODALITY".to_owned()])),
        sop_classes: [VERIFICATION, CT].map(str::to_owned).into(),
        transfer_syntaxes: [IMPLICIT_LITTLE, EXPLICIT_LITTLE].map(str::to_owned).into(),
        max_pdu_length: 4096,
        identity: Identity::Ignore,
    }
}

fn request<'t>(called: &'t str, calling: &'t str) -> Request<'t> {
    let contexts: Vec<(&str, &[&str])> = vec![
        (VERIFICATION, &[IMPLICIT_LITTLE]),
        (CT, &["1.2.840.10008.1.2.4.90", EXPLICIT_LITTLE, IMPLICIT_LITTLE]),
        (CT, &["1.2.840.10008.1.2.4.90"]),
        ("1.2.3", &[IMPLICIT_LITTLE]),
    ];
    Request { called, calling, contexts, max_pdu_length: 2048 }
}

/// Answers everything until the end of the association; gives the data sets.
fn serve(stream: TcpStream, policy: &AcceptPolicy) -> Result<Vec<Vec<u8>>, DimseError> {
    let mut association = Association::accept(stream, policy, |_, _| {})?;
    let mut stored = Vec::new();
    loop {
        match association.next_message()? {
            Incoming::Release => {
                association.confirm_release()?;
                return Ok(stored);
            }
            Incoming::Command(context, command) => {
                let mut bytes = Vec::new();
                let mut buffer = [0; 1000];
                loop {
                    match association.read_data(&mut buffer)? {
                        0 => break,
                        read => bytes.extend(&buffer[..read]),
                    }
                }
                if command.field == CommandField::CStoreRq {
                    stored.push(bytes);
                }
                association.send_command(context, &command.response(Status::SUCCESS, ""))?;
            }
        }
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (ours, listener.accept().unwrap().0)
}

#[test]
fn both_sides_speak() {
    let (ours, theirs) = pair();
    let server = thread::spawn(move || serve(theirs, &policy()));
    let mut association = Association::request(ours, &request("SUTURA", "MODALITY")).unwrap();
    assert_eq!(association.accepted(), 2);
    assert_eq!(association.context(3), Some((CT, EXPLICIT_LITTLE)));
    assert_eq!((association.context(5), association.context(7)), (None, None));
    assert_eq!((association.context_for(CT, None), association.context_for(CT, Some(IMPLICIT_LITTLE))), (Some(3), None));
    assert_eq!(association.peer().max_pdu_length, 4096);
    let answer = |association: &mut Association<TcpStream>| match association.next_message().unwrap() {
        Incoming::Command(_, command) => command,
        Incoming::Release => panic!("released"),
    };
    association.send_command(1, &Command::echo(1)).unwrap();
    let echo = answer(&mut association);
    assert_eq!((echo.field, echo.message_id, echo.status), (CommandField::CEchoRsp, 1, Status::SUCCESS));
    // Around the borders of fragments: 4,090 bytes fit in one.
    let sizes = [0usize, 2, 4088, 4090, 4092, 8180, 100_000];
    for (id, size) in sizes.iter().enumerate() {
        let bytes: Vec<u8> = (0..*size).map(|at| at as u8).collect();
        association.send_command(3, &Command::store(id as u16, CT, "1.2.3")).unwrap();
        association.send_data(3, *size as u64, bytes.as_slice()).unwrap();
        assert_eq!(answer(&mut association).message_id, id as u16);
    }
    association.release().unwrap();
    let stored = server.join().unwrap().unwrap();
    assert_eq!(stored.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
    assert!(stored.iter().all(|bytes| bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8)));
}

#[test]
fn titles_that_are_not_allowed_are_refused() {
    for (called, calling, expected) in [
        ("OTHER", "MODALITY", Rejection::CALLED_TITLE),
        ("SUTURA", "STRANGER", Rejection::CALLING_TITLE),
        ("sutura", "MODALITY", Rejection::CALLED_TITLE),
    ] {
        let (ours, theirs) = pair();
        let server = thread::spawn(move || serve(theirs, &policy()));
        let refused = Association::request(ours, &request(called, calling));
        assert!(matches!(refused, Err(DimseError::Rejected(rejection)) if rejection == expected), "{refused:?}");
        assert!(matches!(server.join().unwrap(), Err(DimseError::Refused(rejection)) if rejection == expected));
    }
}

#[test]
fn version_application_and_identity_are_looked_at() {
    let good = AssociateRequest::new("SUTURA", "MODALITY", [(CT, &[IMPLICIT_LITTLE][..])], UserInformation::default());
    assert!(policy().answer(&good).is_ok());
    let version = AssociateRequest { protocol_version: 2, ..good.clone() };
    assert_eq!(policy().answer(&version), Err(Rejection::PROTOCOL_VERSION));
    let application = AssociateRequest { application_context: "1.2".to_owned(), ..good.clone() };
    assert_eq!(policy().answer(&application), Err(Rejection::APPLICATION_CONTEXT));
    let identity = AssociateRequest { user: UserInformation { has_identity: true, ..good.user.clone() }, ..good };
    assert!(policy().answer(&identity).is_ok());
    assert_eq!(AcceptPolicy { identity: Identity::Refuse, ..policy() }.answer(&identity), Err(Rejection::NO_REASON));
}

/// A peer that has said all it will say.
struct Recorded {
    says: Cursor<Vec<u8>>,
    hears: Vec<u8>,
}

impl Read for Recorded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.says.read(into)
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hears.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a receiver makes of these bytes: how many messages and bytes of data sets, and why it ended.
fn receive(says: Vec<u8>) -> (usize, usize, Option<DimseError>) {
    let peer = Recorded { says: Cursor::new(says), hears: Vec::new() };
    let mut association = match Association::accept(peer, &policy(), |_, _| {}) {
        Ok(association) => association,
        Err(error) => return (0, 0, Some(error)),
    };
    let (mut messages, mut bytes) = (0, 0);
    let mut buffer = [0; 512];
    loop {
        match association.next_message() {
            Ok(Incoming::Release) => return (messages, bytes, None),
            Ok(Incoming::Command(context, command)) => {
                messages += 1;
                loop {
                    match association.read_data(&mut buffer) {
                        Ok(0) => break,
                        Ok(read) => bytes += read,
                        Err(error) => return (messages, bytes, Some(error)),
                    }
                }
                association.send_command(context, &command.response(Status::SUCCESS, "")).unwrap();
            }
            Err(error) => return (messages, bytes, Some(error)),
        }
    }
}

fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &(body.len() as u32).to_be_bytes(), body].concat()
}

fn pdv(context: u8, control: u8, bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32 + 2).to_be_bytes()[..], &[context, control], bytes].concat()
}

/// A whole association: request, echo, store in several fragments, release.
fn conversation() -> Vec<u8> {
    let user = UserInformation { max_pdu_length: 16384, implementation_class: "1.2.3".to_owned(), ..UserInformation::default() };
    let contexts: [(&str, &[&str]); 2] = [(VERIFICATION, &[IMPLICIT_LITTLE]), (CT, &[EXPLICIT_LITTLE, IMPLICIT_LITTLE])];
    let mut out = Pdu::AssociateRq(AssociateRequest::new("SUTURA", "MODALITY", contexts, user)).to_bytes();
    out.extend(pdu(4, &pdv(1, 3, &Command::echo(1).to_bytes())));
    let store = Command::store(2, CT, "1.2.3").to_bytes();
    let (first, second) = store.split_at(40);
    out.extend(pdu(4, &[pdv(3, 1, first), pdv(3, 3, second), pdv(3, 0, &[7; 100])].concat()));
    out.extend(pdu(4, &pdv(3, 0, &[])));
    out.extend(pdu(4, &pdv(3, 2, &[7; 50])));
    out.extend(Pdu::ReleaseRq.to_bytes());
    out
}

#[test]
fn fragments_may_lie_in_any_pdu() {
    let (messages, bytes, error) = receive(conversation());
    assert!(error.is_none(), "{error:?}");
    assert_eq!((messages, bytes), (2, 150));
}

#[test]
fn what_does_not_fit_ends_the_association() {
    let begin = |rest: &[u8]| {
        let user = UserInformation::default();
        let mut out = Pdu::AssociateRq(AssociateRequest::new("SUTURA", "MODALITY", [(CT, &[IMPLICIT_LITTLE][..])], user)).to_bytes();
        out.extend(rest);
        receive(out).2
    };
    let echo = Command::echo(1).to_bytes();
    assert!(matches!(begin(&pdu(4, &vec![0; 4097])), Some(DimseError::TooLong { length: 4097, limit: 4096 })));
    assert!(matches!(begin(&pdu(4, &[0, 0, 0, 1, 1, 3])), Some(DimseError::Malformed(Malformed::Length, _))));
    assert!(matches!(begin(&pdu(4, &[0, 0, 0, 9, 1, 3])), Some(DimseError::Malformed(Malformed::Cut, _))));
    assert!(matches!(begin(&pdu(4, &[0, 0, 0])), Some(DimseError::Malformed(Malformed::Cut, _))));
    assert!(matches!(begin(&pdu(4, &pdv(3, 3, &echo))), Some(DimseError::NoContext(3))));
    assert!(matches!(begin(&pdu(4, &pdv(1, 2, &echo))), Some(DimseError::Malformed(Malformed::Fragments, _))));
    assert!(matches!(
        begin(&pdu(4, &[pdv(1, 1, &echo[..20]), pdv(3, 3, &echo[20..])].concat())),
        Some(DimseError::Malformed(Malformed::Fragments, _))
    ));
    assert!(matches!(begin(&pdu(9, &[])), Some(DimseError::Unexpected(PduType::Other(9)))));
    assert!(matches!(begin(&pdu(2, &[])), Some(DimseError::Unexpected(PduType::AssociateAc))));
    assert!(matches!(begin(&pdu(7, &[0, 0, 0, 0])), Some(DimseError::Aborted(..))));
    assert!(matches!(begin(&pdu(7, &[0, 0])), Some(DimseError::Malformed(Malformed::Length, _))));
    assert!(matches!(begin(&[]), Some(DimseError::Closed)));
    // Nothing, again and again.
    assert!(matches!(begin(&pdu(4, &pdv(1, 1, &[]))), Some(DimseError::Malformed(Malformed::Fragments, _))));
    assert!(matches!(begin(&pdu(4, &[])), Some(DimseError::Malformed(Malformed::Length, _))));
    // More of a command than there ever is.
    let endless: Vec<u8> = (0..20).flat_map(|_| pdu(4, &pdv(1, 1, &[0; 1000]))).collect();
    assert!(matches!(begin(&endless), Some(DimseError::Malformed(Malformed::Command, _))));
    // The data set of one message is not interrupted by another.
    let store = Command::store(2, CT, "1.2.3").to_bytes();
    let interrupted = pdu(4, &[pdv(1, 3, &store), pdv(1, 0, &[1, 2]), pdv(1, 3, &echo)].concat());
    assert!(matches!(begin(&interrupted), Some(DimseError::Malformed(Malformed::Fragments, _))));
}

#[test]
fn lengths_of_requests_are_not_believed() {
    // Says 1 MiB and has nothing: no such memory is taken, and the error is that the peer left.
    assert!(matches!(receive([&[1, 0][..], &(1u32 << 20).to_be_bytes()].concat()).2, Some(DimseError::Closed)));
    assert!(matches!(receive([&[1, 0][..], &u32::MAX.to_be_bytes()].concat()).2, Some(DimseError::TooLong { .. })));
    assert!(matches!(receive(pdu(1, &[0; 20])).2, Some(DimseError::Malformed(Malformed::Cut, 20))));
    assert!(matches!(receive(pdu(1, &[0; 68])).2, Some(DimseError::Malformed(Malformed::Items, 68))));
    assert!(matches!(receive(b"\x16\x03\x01\x02\x00\x01".to_vec()).2, Some(DimseError::PeerSpeaksTls)));
    assert!(matches!(receive(b"GET / HTTP/1.1\r\n\r\n".to_vec()).2, Some(DimseError::Unexpected(PduType::Other(b'G')))));
}

fn uid() -> impl Strategy<Value = String> {
    "[1-9](\\.[0-9]{1,4}){1,8}"
}

prop_compose! {
    fn associate_request()(
        called in "[A-Z]([A-Z_0-9 ]{0,14}[A-Z])?", calling in "[A-Z]([A-Z_0-9]{0,14}[A-Z])?",
        contexts in prop::collection::vec((uid(), prop::collection::vec(uid(), 1..4)), 1..20),
        max_pdu_length in any::<u32>(), class in uid(), version in "[A-Z0-9_]{0,16}",
    ) -> AssociateRequest {
        let syntaxes: Vec<Vec<&str>> = contexts.iter().map(|(_, syntaxes)| syntaxes.iter().map(String::as_str).collect()).collect();
        let user = UserInformation { max_pdu_length, implementation_class: class, implementation_version: version, ..UserInformation::default() };
        AssociateRequest::new(&called, &calling, contexts.iter().zip(&syntaxes).map(|((class, _), syntaxes)| (class.as_str(), syntaxes.as_slice())), user)
    }
}

proptest! {
    #[test]
    fn requests_come_back(request in associate_request()) {
        let bytes = Pdu::AssociateRq(request.clone()).to_bytes();
        let header = PduHeader::parse(bytes[..6].try_into().unwrap());
        prop_assert_eq!(header.length as usize, bytes.len() - 6);
        prop_assert_eq!(Pdu::parse(header.kind, &bytes[6..]).unwrap(), Pdu::AssociateRq(request.clone()));
        let any = AcceptPolicy { called: Titles::Any, calling: Titles::Any, ..policy() };
        let accept = any.answer(&request).unwrap();
        let bytes = Pdu::AssociateAc(accept.clone()).to_bytes();
        let Pdu::AssociateAc(read) = Pdu::parse(PduType::AssociateAc, &bytes[6..]).unwrap() else { panic!() };
        prop_assert_eq!(read.contexts.len(), accept.contexts.len());
        prop_assert_eq!((read.called, read.user), (accept.called, accept.user));
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(receive(bytes).2.is_some());
    }

    #[test]
    fn any_body_is_a_pdu_or_an_error(kind in 0u8..9, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Pdu::parse(PduHeader::parse([kind, 0, 0, 0, 0, 0]).kind, &body);
        let _ = Command::parse(&body);
    }

    #[test]
    fn damaged_conversations_end(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), cuts in any::<bool>()) {
        let mut bytes = conversation();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        let length = bytes.len();
        let (messages, data, _) = receive(bytes);
        prop_assert!(messages <= 64 && data <= length);
    }
}
