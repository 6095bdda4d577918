//! The receiver and the sender with other implementations: DCMTK's tools where they are on the path, pynetdicom where Python has it.
//!
//! `SUTURA_PYTHON` names the Python to use; without it, `python3`. What is not there is skipped, loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::*;
use sutura_dicom::{DicomFile, Limits, Tag};
use sutura_stream::{
    StopToken,
    dicom::{
        listener::{ListenerConfig, Outcome},
        sender::{SendOutcome, Sender, SenderConfig},
    },
};

/// Whether a program is there.
fn has(program: &str, arguments: &[&str]) -> bool {
    let there =
        Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !there {
        eprintln!("SKIPPED: {program} is not there, so nothing was tested with it");
    }
    there
}

fn python() -> String {
    std::env::var("SUTURA_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server and waits until it listens.
fn serve(command: &mut Command, port: u16) -> Server {
    let server = Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the server does not listen");
        thread::sleep(Duration::from_millis(50));
    }
    server
}

/// Runs a client; gives whether it succeeded and what it said.
fn run(command: &mut Command) -> (bool, String) {
    let mut child = command.env("TCP_NODELAY", "1").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().success(), out + &err)
}

/// Instances of the files in a folder, by SOP instance UID: their data sets' patient and pixels.
fn contents(folder: &Path) -> Vec<(String, String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if let Ok(file) = DicomFile::parse(fs::read(&path).unwrap(), &Limits::default()) {
            let text = |tag| file.data_set().text(Tag(tag)).unwrap_or_default().into_owned();
            found.push((text(0x0008_0018), text(0x0010_0010), file.pixel_data().map(|pixels| pixels.bytes().to_vec()).unwrap_or_default()));
        }
    }
    found.sort();
    found
}

#[test]
fn dcmtk_sends_to_us() {
    if !has("storescu", &["--version"]) || !has("echoscu", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 30);
    let mut listener = Running::start(config(&folder.path().join("in")));
    let port = listener.port.to_string();
    let titles = ["-aet", "SENDER", "-aec", "SUTURA", "127.0.0.1", &port];
    assert!(run(Command::new("echoscu").args(titles)).0);
    let (done, said) = run(Command::new("storescu").args(titles).args(["+sd", "+r"]).arg(&outbox));
    assert!(done, "{said}");
    // Implicit VR: the same instances, other bytes.
    let (done, said) = run(Command::new("storescu").args(["-xi"]).args(titles).args(["+sd"]).arg(&outbox));
    assert!(done, "{said}");
    let (done, _) = run(Command::new("storescu").args(["-aet", "STRANGER", "-aec", "SUTURA", "127.0.0.1", &port, "+sd"]).arg(&outbox));
    assert!(!done, "a stranger was let in");
    let counts = listener.stop();
    assert_eq!((counts.echoes, counts.stored, counts.differing, counts.refused), (1, 60, 30, 1));
    let expected = contents(&outbox);
    let mut stored = contents(&listener.folder);
    stored.dedup();
    assert!(stored == expected);
    let syntaxes: Vec<_> = listener.journal().iter().map(|line| line.transfer_syntax_uid.clone()).collect();
    assert_eq!((syntaxes[0].as_str(), syntaxes[59].as_str()), (EXPLICIT, "1.2.840.10008.1.2"));
    assert!(listener.journal()[30..].iter().all(|line| line.outcome == Outcome::Differs));
}

#[test]
fn we_send_to_dcmtk() {
    if !has("storescp", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (outbox, inbox) = (folder.path().join("out"), folder.path().join("in"));
    files(&outbox, 30);
    fs::create_dir(&inbox).unwrap();
    let port = free_port();
    let _server = serve(Command::new("storescp").args(["--fork", "-aet", "DCMTK", "-od"]).arg(&inbox).arg(port.to_string()), port);
    let sender = SenderConfig {
        host: "127.0.0.1".to_owned(),
        port,
        called_ae_title: "DCMTK".to_owned(),
        paths: vec![outbox.clone()],
        associations: 2,
        ..SenderConfig::default()
    };
    Sender::new(sender.clone()).unwrap().echo(&StopToken::new()).unwrap();
    let report = send(sender);
    assert_eq!(report.count(SendOutcome::Sent), 30, "{:?}", report.results.first());
    assert!(contents(&inbox) == contents(&outbox));
}

const PYTHON_SEND: &str = "
import sys, glob
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import Verification, CTImageStorage
ae = AE(ae_title='SENDER')
ae.add_requested_context(Verification)
ae.add_requested_context(CTImageStorage, ['1.2.840.10008.1.2.1'])
a = ae.associate('127.0.0.1', int(sys.argv[1]), ae_title='SUTURA')
assert a.is_established and a.send_c_echo().Status == 0
for path in sorted(glob.glob(sys.argv[2] + '/*.dcm')):
    assert a.send_c_store(dcmread(path)).Status == 0
a.release()
";

const PYTHON_SERVE: &str = "
import sys
from pynetdicom import AE, evt, AllStoragePresentationContexts
from pynetdicom.sop_class import Verification
seen = 0
def store(event):
    global seen
    seen += 1
    # The first answer is that there is no room; it has to be sent again.
    if seen == 1: return 0xA700
    event.dataset.file_meta = event.file_meta
    event.dataset.save_as(f'{sys.argv[2]}/{seen}.dcm', enforce_file_format=True)
    return 0xB000 if seen == 2 else 0
ae = AE(ae_title='PYTHON')
ae.supported_contexts = AllStoragePresentationContexts
ae.add_supported_context(Verification)
ae.start_server(('127.0.0.1', int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, store)])
";

#[test]
fn pynetdicom_sends_to_us() {
    if !has(&python(), &["-c", "import pynetdicom"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 10);
    let mut listener = Running::start(ListenerConfig { max_pdu_bytes: 4096, ..config(&folder.path().join("in")) });
    let (done, said) = run(Command::new(python()).args(["-c", PYTHON_SEND, &listener.port.to_string()]).arg(&outbox));
    assert!(done, "{said}");
    let counts = listener.stop();
    assert_eq!((counts.echoes, counts.stored, counts.ended_badly), (1, 10, 0));
    assert!(contents(&listener.folder) == contents(&outbox));
}

#[test]
fn we_send_to_pynetdicom() {
    if !has(&python(), &["-c", "import pynetdicom"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (outbox, inbox) = (folder.path().join("out"), folder.path().join("in"));
    files(&outbox, 10);
    fs::create_dir(&inbox).unwrap();
    let port = free_port();
    let _server = serve(Command::new(python()).args(["-c", PYTHON_SERVE, &port.to_string()]).arg(&inbox), port);
    let sender = SenderConfig {
        host: "127.0.0.1".to_owned(),
        port,
        called_ae_title: "PYTHON".to_owned(),
        paths: vec![outbox.clone()],
        retry_wait_s: 0,
        ..SenderConfig::default()
    };
    Sender::new(sender.clone()).unwrap().echo(&StopToken::new()).unwrap();
    let report = send(sender);
    assert_eq!((report.count(SendOutcome::Sent), report.count(SendOutcome::SentWithWarning)), (9, 1));
    assert_eq!((report.results[0].attempts, report.results[0].status), (2, Some(0xB000)));
    assert!(contents(&inbox) == contents(&outbox));
}
