//! Any bytes from the network end: messages and data sets are no more than what came, both as receiver and as sender.
#![no_main]

use std::io::{self, Cursor, Read, Write};

use libfuzzer_sys::fuzz_target;
use sutura_dicom::dimse::{
    AcceptPolicy, Association, AssociateRequest, Command, IMPLICIT_LITTLE, Identity, Incoming, Pdu, PduHeader, Request, Titles, UserInformation,
    VERIFICATION,
};

/// A peer that has said all it will say.
struct Peer(Cursor<Vec<u8>>);

impl Read for Peer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn talk(mut association: Association<Peer>, size: usize) {
    let (mut messages, mut bytes) = (0, 0);
    let mut buffer = [0; 777];
    while let Ok(Incoming::Command(context, command)) = association.next_message() {
        messages += 1;
        while let Ok(read @ 1..) = association.read_data(&mut buffer) {
            bytes += read;
        }
        let _ = association.send_command(context, &command);
    }
    assert!(messages <= size && bytes <= size);
}

fuzz_target!(|bytes: &[u8]| {
    if let Some((header, body)) = bytes.split_first_chunk::<6>() {
        if let Ok(pdu) = Pdu::parse(PduHeader::parse(*header).kind, body) {
            assert!(pdu.to_bytes().len() <= 6 + body.len() + 256);
        }
    }
    let _ = Command::parse(bytes);
    let policy = AcceptPolicy {
        called: Titles::Any,
        calling: Titles::Any,
        sop_classes: [VERIFICATION.to_owned()].into(),
        transfer_syntaxes: [IMPLICIT_LITTLE.to_owned()].into(),
        max_pdu_length: 4096,
        identity: Identity::Ignore,
    };
    // As they are, and behind a request that was accepted.
    let request = AssociateRequest::new("A", "B", [(VERIFICATION, &[IMPLICIT_LITTLE][..])], UserInformation::default());
    let accept = policy.answer(&request).map(Pdu::AssociateAc).unwrap().to_bytes();
    let request = Pdu::AssociateRq(request).to_bytes();
    for says in [bytes.to_vec(), [&request, bytes].concat()] {
        let size = says.len();
        if let Ok(association) = Association::accept(Peer(Cursor::new(says)), &policy, |_, _| {}) {
            talk(association, size);
        }
    }
    let asks = Request { called: "A", calling: "B", contexts: vec![(VERIFICATION, &[IMPLICIT_LITTLE])], max_pdu_length: 4096 };
    for says in [bytes.to_vec(), [&accept, bytes].concat()] {
        let size = says.len();
        if let Ok(association) = Association::request(Peer(Cursor::new(says)), &asks) {
            talk(association, size);
        }
    }
});
