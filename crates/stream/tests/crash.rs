//! What was answered survives: a process that is killed, a loss of power that leaves nothing but the log, a log that is damaged at its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    thread,
    time::Duration,
};

use common::*;
use sutura_dicom::dimse::{Association, Command, Incoming, Request, Status};
use sutura_stream::{
    StopToken,
    dicom::listener::{Listener, ListenerConfig, Outcome},
};

const FOLDER: &str = "SUTURA_TEST_CRASH_FOLDER";

/// Not a test: what is killed by one.
#[test]
fn receiver_to_be_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let listener = Listener::bind(config(Path::new(&folder))).unwrap();
    println!("port {}", listener.address().port());
    listener.run(&StopToken::new()).unwrap();
}

/// A receiver in a process of its own.
fn receiver(folder: &Path) -> (Child, u16) {
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "receiver_to_be_killed", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| line.unwrap().split("port ").nth(1).map(|port| port.trim().parse().unwrap())).unwrap();
    (child, port)
}

fn associate(port: u16) -> Association<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let contexts = vec![(CT, &[EXPLICIT][..])];
    Association::request(socket, &Request { called: "SUTURA", calling: "SENDER", contexts, max_pdu_length: 65536 }).unwrap()
}

/// Sends instances until that fails; gives those that were answered with success.
fn send_until_killed(port: u16, sender: usize, first: usize) -> BTreeMap<String, Vec<u8>> {
    let mut association = associate(port);
    let mut answered = BTreeMap::new();
    for number in first..first + 100_000 {
        let instance = format!("1.2.{sender}.{number}");
        let bytes = data_set(&instance, "DOE^JANE", 500 * (number % 40));
        if association.send_command(1, &Command::store(1, CT, &instance)).is_err()
            || association.send_data(1, bytes.len() as u64, bytes.as_slice()).is_err()
        {
            break;
        }
        match association.next_message() {
            Ok(Incoming::Command(_, answer)) if answer.status == Status::SUCCESS => answered.insert(instance, bytes),
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        };
    }
    answered
}

/// Everything that was answered is in the folder and in the journal, and nothing else than whole files and lines is.
fn has_all(folder: &Path, answered: &BTreeMap<String, Vec<u8>>) {
    let mut found = BTreeMap::new();
    for line in lines(&folder.join("received.ndjson")) {
        let bytes = fs::read(folder.join(&line.path)).unwrap();
        assert_eq!(bytes.len() as u64, line.bytes);
        assert!(
            found.insert(line.sop_instance_uid.clone(), bytes).is_none() || line.outcome == Outcome::Duplicate,
            "a line is there twice"
        );
    }
    for (instance, bytes) in answered {
        assert!(behind_meta(found.get(instance).expect("an answered instance is lost")) == bytes);
    }
    let lined: BTreeSet<PathBuf> = lines(&folder.join("received.ndjson")).iter().map(|line| folder.join(&line.path)).collect();
    let filed: BTreeSet<PathBuf> = instances(folder).into_iter().collect();
    assert!(lined == filed, "files and lines differ");
}

fn instances(folder: &Path) -> Vec<PathBuf> {
    let files = (0..4096).flat_map(|number| fs::read_dir(folder.join(format!("{number:03x}"))).into_iter().flatten());
    files.map(|entry| entry.unwrap().path()).collect()
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn a_killed_receiver_loses_nothing_that_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered = BTreeMap::new();
    for round in 0..3 {
        let (mut child, port) = receiver(folder.path());
        let senders: Vec<_> = (0..3).map(|sender| thread::spawn(move || send_until_killed(port, sender, 100_000 * round))).collect();
        thread::sleep(Duration::from_millis(700 + 400 * round as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let before = answered.len();
        for sender in senders {
            answered.extend(sender.join().unwrap());
        }
        assert!(answered.len() > before, "nothing was sent");
        // A reader of the folder sees whole files only, also before the next start.
        for path in instances(folder.path()) {
            let file = sutura_dicom::DicomFile::parse(fs::read(&path).unwrap(), &sutura_dicom::Limits::default()).unwrap();
            assert!(file.findings().iter().all(|finding| finding.severity != sutura_core::Severity::Error));
        }
    }
    let mut listener = Running::start(config(folder.path()));
    has_all(folder.path(), &answered);
    assert_eq!(listener.stop().withdrawn, 0);
    assert!(segments(folder.path()).is_empty());
    has_all(folder.path(), &answered);
}

/// Names and bytes of segments.
type Log = Vec<(String, Vec<u8>)>;

/// Takes away what was received; the folders stay, since making them takes long.
fn empty(folder: &Path) {
    for path in instances(folder).into_iter().chain(segments(folder)) {
        fs::remove_file(path).unwrap();
    }
    fs::remove_file(folder.join("received.ndjson")).unwrap();
}

/// Sends some instances to a running receiver and gives its log as it is before anything is settled.
fn logged(config: &ListenerConfig, count: usize) -> (BTreeMap<String, Vec<u8>>, Log) {
    loop {
        let mut listener = Running::start(config.clone());
        let mut association = associate(listener.port);
        let mut answered = BTreeMap::new();
        for number in 0..count {
            let instance = format!("1.2.3.{number}");
            let bytes = data_set(&instance, "DOE^JANE", 900 * number);
            association.send_command(1, &Command::store(1, CT, &instance)).unwrap();
            association.send_data(1, bytes.len() as u64, bytes.as_slice()).unwrap();
            assert!(matches!(association.next_message(), Ok(Incoming::Command(_, answer)) if answer.status == Status::SUCCESS));
            answered.insert(instance, bytes);
        }
        let log = segments(&config.folder);
        let log: Vec<_> =
            log.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect();
        association.release().unwrap();
        // On a slow machine some of it may be settled already.
        if log.len() == 1 && listener.stop().commits <= 1 {
            return (answered, log);
        }
        drop(listener);
        empty(&config.folder);
    }
}

/// Makes a folder what it is when all that reached the disk is the log.
fn lose_power(folder: &Path, log: &[(String, Vec<u8>)]) {
    fs::create_dir_all(folder.join("log")).unwrap();
    fs::write(folder.join(".lock"), "open\n").unwrap();
    for (name, bytes) in log {
        fs::write(folder.join("log").join(name), bytes).unwrap();
    }
}

#[test]
fn the_log_alone_has_everything_and_what_is_torn_was_not_answered() {
    let after = tempfile::tempdir().unwrap();
    let (answered, log) = logged(&config(after.path()), 12);
    empty(after.path());
    lose_power(after.path(), &log);
    let mut listener = Running::start(config(after.path()));
    has_all(after.path(), &answered);
    let counts = listener.stop();
    assert_eq!((counts.replayed, counts.withdrawn), (12, 0));
    assert!(segments(after.path()).is_empty());

    // Once more, over what is there: half a file, a file of zeros, a file that is gone, a journal with zeros and half a line at its end.
    let journal = lines(&after.path().join("received.ndjson"));
    let path = |line: usize| after.path().join(&journal[line].path);
    fs::write(path(3), &fs::read(path(3)).unwrap()[..500]).unwrap();
    fs::write(path(5), vec![0; journal[5].bytes as usize]).unwrap();
    fs::remove_file(path(7)).unwrap();
    let mut text = fs::read(after.path().join("received.ndjson")).unwrap();
    let end = text.len();
    text[end - 1500..end - 200].fill(0);
    text.truncate(end - 10);
    fs::write(after.path().join("received.ndjson"), text).unwrap();
    lose_power(after.path(), &log);
    let mut listener = Running::start(config(after.path()));
    has_all(after.path(), &answered);
    let counts = listener.stop();
    assert!((5..=7).contains(&counts.replayed) && counts.withdrawn == 0, "{counts:?}");

    // The write that was under way when the power went: the record is not whole, and those before it are.
    let (name, bytes) = &log[0];
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for (torn, least) in [(used - 5000, 11), (used / 2, 3), (10, 0)] {
        let mut cut = bytes.clone();
        cut[torn..].fill(0x5A);
        for cut in [cut, bytes[..torn].to_vec()] {
            empty(after.path());
            lose_power(after.path(), &[(name.clone(), cut)]);
            let mut listener = Running::start(config(after.path()));
            let journal = listener.journal();
            assert!(journal.len() >= least && journal.len() < 12, "{torn}: {}", journal.len());
            let first: BTreeMap<_, _> =
                journal.iter().map(|line| (line.sop_instance_uid.clone(), answered[&line.sop_instance_uid].clone())).collect();
            has_all(after.path(), &first);
            assert_eq!(listener.stop().replayed, first.len() as u64);
        }
    }
}

#[test]
fn a_log_that_leads_elsewhere_or_is_none_harms_nobody() {
    let garbage: Vec<u8> = (0..100_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let after = tempfile::tempdir().unwrap();
    let log = [("0.log".to_owned(), garbage), ("1.log".to_owned(), b"SUTLOG1\n".repeat(600)), ("2.log".to_owned(), Vec::new())];
    lose_power(after.path(), &log);
    let mut listener = Running::start(config(after.path()));
    assert_eq!((listener.journal().len(), listener.stop().replayed), (0, 0));
    assert!(segments(after.path()).is_empty() && instances(after.path()).is_empty());
}
