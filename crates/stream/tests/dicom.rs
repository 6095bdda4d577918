//! The receiver and the sender over real sockets: with one another, and with peers that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use common::*;
use sha2::{Digest, Sha256};
use sutura_dicom::dimse::{AcceptPolicy, Association, Command, DimseError, Identity, Incoming, Rejection, Request, Status, Titles};
use sutura_stream::{
    ClientTls, ServerTls, StopToken, StreamError,
    dicom::{
        listener::{Listener, ListenerConfig, OnStored, Outcome, Received},
        sender::{SendOutcome, Sender, SenderConfig},
    },
};

fn connect(port: u16, calling: &str, contexts: Vec<(&'static str, &'static [&'static str])>) -> Result<Association<TcpStream>, DimseError> {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Association::request(socket, &Request { called: "SUTURA", calling, contexts, max_pdu_length: 65536 })
}

fn ct(port: u16) -> Association<TcpStream> {
    connect(port, "SENDER", vec![(CT, &[EXPLICIT])]).unwrap()
}

/// Waits until what was answered has its file and its line: the next message of an association is read behind that.
fn settled(association: &mut Association<TcpStream>) {
    association.send_command(1, &Command::store(10, CT, "no UID")).unwrap();
    association.send_data(1, 0, &[][..]).unwrap();
    assert!(matches!(association.next_message().unwrap(), Incoming::Command(1, answer) if answer.message_id == 10));
}

/// Sends a data set, gives the status of the answer.
fn store(association: &mut Association<TcpStream>, instance: &str, bytes: &[u8]) -> Status {
    association.send_command(1, &Command::store(9, CT, instance)).unwrap();
    association.send_data(1, bytes.len() as u64, bytes).unwrap();
    match association.next_message().unwrap() {
        Incoming::Command(1, answer) if answer.message_id == 9 => answer.status,
        other => panic!("{other:?}"),
    }
}

/// Takes CT images from anyone.
fn anyone() -> AcceptPolicy {
    AcceptPolicy {
        called: Titles::Any,
        calling: Titles::Any,
        sop_classes: [CT.to_owned()].into(),
        transfer_syntaxes: [EXPLICIT.to_owned()].into(),
        max_pdu_length: 65536,
        identity: Identity::Ignore,
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<Received>>);

impl OnStored for Told {
    fn on_stored(&self, received: &Received) {
        self.0.lock().unwrap().push(received.clone());
    }
}

#[test]
fn what_is_sent_is_there_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 40);
    fs::write(outbox.join("readme.txt"), "no image").unwrap();
    let told = Arc::new(Told::default());
    let mut listener = Running::start_with(config(&folder.path().join("in")), |listener| listener.on_stored(told.clone()));
    let sender = SenderConfig { associations: 3, ..listener.sender(&[&outbox]) };
    Sender::new(sender.clone()).unwrap().echo(&StopToken::new()).unwrap();
    let report = send(sender);
    assert!(report.is_complete());
    assert_eq!((report.count(SendOutcome::Sent), report.count(SendOutcome::NotAnInstance), report.associations), (40, 1, 3));
    let counts = listener.stop();
    assert_eq!((counts.stored, counts.echoes, counts.associations, counts.ended_badly), (40, 1, 4, 0));
    let journal = listener.journal();
    assert_eq!((journal.len(), told.0.lock().unwrap().len()), (40, 40));
    for line in journal {
        let bytes = fs::read(listener.folder.join(&line.path)).unwrap();
        let number = line.sop_instance_uid.rsplit('.').next().unwrap().parse::<usize>().unwrap();
        let sent = fs::read(outbox.join(format!("{number:04}.dcm"))).unwrap();
        assert!(behind_meta(&bytes) == behind_meta(&sent), "{number}");
        assert_eq!((line.bytes, line.outcome, line.calling_ae_title.as_str()), (bytes.len() as u64, Outcome::Stored, "SENDER"));
        let sha256: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&line.sha256[at..at + 2], 16).unwrap()).collect();
        assert_eq!(sha256, Sha256::digest(&bytes).to_vec());
        assert!(!line.path.contains(&line.sop_instance_uid), "a UID is in a file name");
        assert_eq!(line.study_instance_uid.as_deref(), Some("1.2.3.4"));
    }
    assert_eq!(fs::read_dir(listener.folder.join("incoming")).unwrap().count(), 0);
}

#[test]
fn nobody_else_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(config(folder.path()));
    let refused = connect(listener.port, "STRANGER", vec![(CT, &[EXPLICIT])]);
    assert!(matches!(refused, Err(DimseError::Rejected(rejection)) if rejection == Rejection::CALLING_TITLE));
    let report = send(SenderConfig { called_ae_title: "OTHER".to_owned(), ..listener.sender(&[]) });
    assert!(report.results.is_empty());
    files(&folder.path().join("out"), 3);
    let report = send(SenderConfig { called_ae_title: "OTHER".to_owned(), ..listener.sender(&[&folder.path().join("out")]) });
    assert_eq!(report.count(SendOutcome::Failed), 3);
    // Refused for good: the first file is tried once, the others not at all.
    assert_eq!(report.results.iter().map(|result| result.attempts).sum::<u32>(), 1);
    assert!(report.results.iter().all(|result| result.reason.as_deref().unwrap().contains("called AE title")));
    assert_eq!(listener.stop().refused, 2);
    assert!(matches!(
        Listener::bind(ListenerConfig { calling_ae_titles: vec![], ..config(folder.path()) }),
        Err(StreamError::Setting { .. })
    ));
}

#[test]
fn duplicates_are_kept_once_and_differing_ones_both() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(config(folder.path()));
    let mut association = ct(listener.port);
    let (one, other) = (data_set("1.2.3", "DOE^JANE", 5000), data_set("1.2.3", "ROE^RICK", 5000));
    for bytes in [&one, &one, &other, &other, &one] {
        assert_eq!(store(&mut association, "1.2.3", bytes), Status::SUCCESS);
    }
    association.release().unwrap();
    let counts = listener.stop();
    assert_eq!((counts.stored, counts.duplicates, counts.differing), (2, 3, 1));
    let journal = listener.journal();
    use Outcome::*;
    assert_eq!(journal.iter().map(|line| line.outcome).collect::<Vec<_>>(), [Stored, Duplicate, Differs, Duplicate, Duplicate]);
    assert_eq!((&journal[1].path, &journal[3].path, &journal[4].path), (&journal[0].path, &journal[2].path, &journal[0].path));
    assert!(journal[2].path.ends_with("-2.dcm"));
    for (line, bytes) in [(0, &one), (2, &other)] {
        assert_eq!(behind_meta(&fs::read(folder.path().join(&journal[line].path)).unwrap()), bytes);
    }
}

#[test]
fn the_same_instance_from_many_at_once_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(config(folder.path()));
    let port = listener.port;
    let threads: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(move || {
                let mut association = ct(port);
                for number in 0..10 {
                    let instance = format!("1.2.{number}");
                    assert_eq!(store(&mut association, &instance, &data_set(&instance, "DOE^JANE", 3000)), Status::SUCCESS);
                }
                association.release().unwrap();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let counts = listener.stop();
    assert_eq!((counts.stored, counts.duplicates, counts.differing), (10, 70, 0));
    assert!(counts.commits <= 80 + 80, "{}", counts.commits);
}

#[test]
fn what_cannot_be_understood_is_kept_as_a_reject() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(config(folder.path()));
    let mut association = ct(listener.port);
    let good = data_set("1.2.3", "DOE^JANE", 1000);
    for (bytes, expected) in [
        (&good[..good.len() - 200], Status::CANNOT_UNDERSTAND),
        (&good[..60], Status::CANNOT_UNDERSTAND),
        (&[][..], Status::CANNOT_UNDERSTAND),
        (b"this is no data set at all", Status::CANNOT_UNDERSTAND),
        (&data_set("1.2.4", "DOE^JANE", 10), Status::DOES_NOT_MATCH),
        (&good, Status::SUCCESS),
    ] {
        assert_eq!(store(&mut association, "1.2.3", bytes), expected, "{}", bytes.len());
    }
    // Nothing of the message itself is a UID.
    assert_eq!(store(&mut association, "../../etc/passwd", &good), Status::INVALID_SOP_INSTANCE);
    association.release().unwrap();
    let counts = listener.stop();
    assert_eq!((counts.stored, counts.rejected, counts.unrecognized), (1, 5, 1));
    let rejects = lines(&folder.path().join("rejects/rejects.ndjson"));
    assert_eq!(rejects.len(), 5);
    let codes: Vec<_> = rejects.iter().map(|line| line.codes[0].as_str()).collect();
    assert_eq!((codes[0], codes[4]), ("pixel-data-cut", "sop-instance-mismatch"));
    let kept = fs::read(folder.path().join(&rejects[0].path)).unwrap();
    assert_eq!(behind_meta(&kept), &good[..good.len() - 200]);
    assert!(rejects.iter().all(|line| line.reason.as_deref().is_some_and(|reason| !reason.contains("DOE"))));
}

#[test]
fn large_instances_go_through_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(ListenerConfig { max_memory_bytes: 1 << 20, max_object_bytes: 8 << 20, ..config(folder.path()) });
    let mut association = ct(listener.port);
    for (number, pixels) in [(1 << 20) - 700, (1 << 20) - 600, 1 << 20, (2 << 20) + 1000, 5_000_000].into_iter().enumerate() {
        let instance = format!("1.2.{number}");
        let bytes = data_set(&instance, "DOE^JANE", pixels);
        assert_eq!(store(&mut association, &instance, &bytes), Status::SUCCESS, "{pixels}");
        settled(&mut association);
        let line = listener.journal().pop().unwrap();
        let stored = fs::read(folder.path().join(&line.path)).unwrap();
        assert!(behind_meta(&stored) == bytes, "{pixels}");
        assert_eq!(line.bytes, stored.len() as u64);
    }
    let cut = data_set("1.3", "DOE^JANE", 3_000_000);
    assert_eq!(store(&mut association, "1.3", &cut[..2_500_000]), Status::CANNOT_UNDERSTAND);
    assert_eq!(store(&mut association, "1.4", &data_set("1.4", "DOE^JANE", 9 << 20)), Status::OUT_OF_RESOURCES);
    assert_eq!(store(&mut association, "1.5", &data_set("1.5", "DOE^JANE", 10)), Status::SUCCESS);
    association.release().unwrap();
    let counts = listener.stop();
    assert_eq!((counts.stored, counts.rejected, counts.out_of_resources), (6, 1, 1));
    assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
}

#[test]
fn a_full_disk_is_said_to_the_sender_who_tries_again() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 2);
    let mut listener = Running::start(ListenerConfig { min_free_bytes: u64::MAX / 2, ..config(&folder.path().join("in")) });
    let report = send(SenderConfig { retries: 2, ..listener.sender(&[&outbox]) });
    assert_eq!(report.count(SendOutcome::Failed), 2);
    assert!(report.results.iter().all(|result| result.attempts == 3 && result.status == Some(0xA700)));
    assert_eq!(listener.stop().out_of_resources, 6);
}

#[test]
fn sending_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 5);
    let mut listener = Running::start(config(&folder.path().join("in")));
    let config = SenderConfig { state_file: Some(folder.path().join("sent.ndjson")), ..listener.sender(&[&outbox]) };
    assert_eq!(send(config.clone()).count(SendOutcome::Sent), 5);
    files(&outbox, 7);
    // What was written again was changed, even to the same.
    let again = send(config.clone());
    assert_eq!((again.count(SendOutcome::Sent), again.count(SendOutcome::SentBefore)), (7, 0));
    fs::OpenOptions::new().append(true).open(folder.path().join("sent.ndjson")).unwrap().write_all(b"{\"path\":\"torn").unwrap();
    fs::write(outbox.join("0007.dcm"), file("1.2.3.4.5.7", "DOE^JANE", 7000)).unwrap();
    let again = send(config.clone());
    assert_eq!((again.count(SendOutcome::Sent), again.count(SendOutcome::SentBefore)), (1, 7));
    assert_eq!(send(config).count(SendOutcome::SentBefore), 8);
    let counts = listener.stop();
    assert_eq!((counts.stored, counts.duplicates), (8, 5));
}

#[test]
fn a_receiver_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 3);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let late = thread::spawn({
        let config = ListenerConfig { address: format!("127.0.0.1:{port}"), ..config(&folder.path().join("in")) };
        move || {
            thread::sleep(Duration::from_millis(1200));
            Running::start(config)
        }
    });
    let sender = SenderConfig {
        host: "127.0.0.1".to_owned(),
        port,
        called_ae_title: "SUTURA".to_owned(),
        calling_ae_title: "SENDER".to_owned(),
        paths: vec![outbox],
        retry_wait_s: 1,
        retries: 6,
        ..SenderConfig::default()
    };
    let report = send(sender);
    assert_eq!(report.count(SendOutcome::Sent), 3);
    assert!(report.results[0].attempts > 1);
    assert_eq!(late.join().unwrap().stop().stored, 3);
}

#[test]
fn too_many_associations_are_refused_for_now() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(ListenerConfig { max_associations: 2, ..config(folder.path()) });
    let (one, other) = (ct(listener.port), ct(listener.port));
    let third = connect(listener.port, "SENDER", vec![(CT, &[EXPLICIT])]);
    assert!(matches!(&third, Err(error) if error.is_transient()), "{third:?}");
    one.release().unwrap();
    let begun = Instant::now();
    while connect(listener.port, "SENDER", vec![(CT, &[EXPLICIT])]).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(20));
    }
    drop(other);
    assert!(listener.stop().refused_busy >= 1);
}

#[test]
fn silent_and_slow_peers_are_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener =
        Running::start(ListenerConfig { idle_timeout_s: 1, association_timeout_s: 1, object_timeout_s: 2, ..config(folder.path()) });
    // Says nothing at all.
    let mut silent = TcpStream::connect(("127.0.0.1", listener.port)).unwrap();
    // Sends a byte of a request now and then: not idle, and never done.
    let mut slow = TcpStream::connect(("127.0.0.1", listener.port)).unwrap();
    let begun = Instant::now();
    let slowly = thread::spawn(move || {
        for byte in [1, 0, 0, 0, 1, 0].into_iter().chain([0; 200]) {
            if slow.write_all(&[byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    // Ends in the middle of an instance.
    let mut half = ct(listener.port);
    half.send_command(1, &Command::store(1, CT, "1.2.3")).unwrap();
    half.stream_mut().write_all(&[4, 0, 0, 0, 0, 20, 0, 0, 0, 100, 1, 0]).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.first(), Some(&7), "an A-ABORT");
    slowly.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(half.next_message().is_err());
    let counts = listener.stop();
    assert_eq!((counts.ended_badly, counts.cut_off, counts.stored), (3, 1, 0));
    assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
}

/// Sends something again and again until the peer is gone; gives how long that took.
fn drip(association: Association<TcpStream>, bytes: &'static [u8], every: Duration) -> thread::JoinHandle<Duration> {
    let mut socket = association.into_stream();
    let begun = Instant::now();
    thread::spawn(move || {
        while begun.elapsed() < Duration::from_secs(30) && socket.write_all(bytes).is_ok() {
            thread::sleep(every);
        }
        begun.elapsed()
    })
}

/// A fragment of a command: one byte, not the last.
const BYTE: &[u8] = &[4, 0, 0, 0, 0, 7, 0, 0, 0, 3, 1, 1, 0];
/// A fragment of a command: nothing, not the last.
const NOTHING: &[u8] = &[4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 1, 1];

#[test]
fn who_drips_does_not_keep_the_program_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(ListenerConfig { stop_grace_s: 1, ..config(folder.path()) });
    let drips = drip(ct(listener.port), BYTE, Duration::from_millis(20));
    // Within a data set too.
    let mut stores = ct(listener.port);
    stores.send_command(1, &Command::store(1, CT, "1.2.3")).unwrap();
    let data = drip(stores, &[4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 1, 0], Duration::from_millis(20));
    thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    listener.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for drips in [drips, data] {
        assert!(drips.join().unwrap() < Duration::from_secs(8));
    }
}

#[test]
fn who_drips_a_command_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(ListenerConfig { association_timeout_s: 2, ..config(folder.path()) });
    // An idle association is not one that drips.
    let mut idle = ct(listener.port);
    let nothing = drip(ct(listener.port), NOTHING, Duration::from_millis(50));
    let byte = drip(ct(listener.port), BYTE, Duration::from_millis(50));
    assert!(nothing.join().unwrap() < Duration::from_secs(2));
    let took = byte.join().unwrap();
    assert!((Duration::from_secs(1)..Duration::from_secs(8)).contains(&took), "{took:?}");
    assert_eq!(store(&mut idle, "1.2.3", &data_set("1.2.3", "DOE^JANE", 10)), Status::SUCCESS);
    idle.release().unwrap();
    assert_eq!(listener.stop().ended_badly, 2);
}

#[test]
fn titles_are_titles_even_where_any_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let any = ListenerConfig { calling_ae_titles: vec![], allow_any_calling: true, ..config(folder.path()) };
    let mut listener = Running::start(any);
    for (calling, is_title) in [("ANY-1 X", true), ("", false), ("A\nB", false), ("\u{1b}[31mX", false), ("A\\B", false), ("\u{fe}", false)]
    {
        let answer = connect(listener.port, calling, vec![(CT, &[EXPLICIT])]);
        match answer {
            Ok(association) => association.release().map(|_| assert!(is_title, "{calling:?}")).unwrap(),
            Err(error) => {
                assert!(matches!(error, DimseError::Rejected(Rejection::CALLING_TITLE)) && !is_title, "{calling:?}: {error}");
            }
        }
    }
    assert_eq!(listener.stop().refused, 5);
}

#[test]
fn a_receiver_that_drips_does_not_hold_the_sender() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), 1);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    // Takes the association, then drips at whatever comes.
    let drips = thread::spawn(move || {
        let association = Association::accept(socket.accept().unwrap().0, &anyone(), |_, _| {}).unwrap();
        drip(association, BYTE, Duration::from_millis(50)).join().unwrap()
    });
    let sender = SenderConfig {
        host: "127.0.0.1".to_owned(),
        port,
        called_ae_title: "SUTURA".to_owned(),
        paths: vec![folder.path().to_owned()],
        retries: 0,
        stop_grace_s: 1,
        ..SenderConfig::default()
    };
    let stop = StopToken::new();
    let stops = thread::spawn({
        let stop = stop.clone();
        move || {
            thread::sleep(Duration::from_millis(700));
            stop.stop();
        }
    });
    let begun = Instant::now();
    let report = Sender::new(sender).unwrap().run(&stop).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(report.count(SendOutcome::Stopped), 1);
    stops.join().unwrap();
    assert!(drips.join().unwrap() < Duration::from_secs(10));
}

#[test]
fn stopping_ends_idle_associations_and_lets_what_is_under_way_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(config(folder.path()));
    let mut idle = ct(listener.port);
    let mut busy = ct(listener.port);
    let bytes = data_set("1.2.3", "DOE^JANE", 1000);
    busy.send_command(1, &Command::store(1, CT, "1.2.3")).unwrap();
    thread::sleep(Duration::from_millis(300));
    let ends = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        busy.send_data(1, bytes.len() as u64, bytes.as_slice()).unwrap();
        matches!(busy.next_message(), Ok(Incoming::Command(_, answer)) if answer.status == Status::SUCCESS)
    });
    let counts = listener.stop();
    assert!(ends.join().unwrap(), "what was under way was answered");
    assert!(matches!(idle.next_message(), Err(DimseError::Aborted(..) | DimseError::Closed | DimseError::Io(_))));
    assert_eq!(counts.stored, 1);
}

#[test]
fn garbage_on_the_port_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Running::start(config(folder.path()));
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[1, 0, 255, 255, 255, 255], &[0; 1000], &[4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 1, 3]] {
        let mut socket = TcpStream::connect(("127.0.0.1", listener.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(garbage).unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    }
    let mut association = ct(listener.port);
    assert_eq!(store(&mut association, "1.2.3", &data_set("1.2.3", "DOE^JANE", 10)), Status::SUCCESS);
    association.release().unwrap();
    let counts = listener.stop();
    assert_eq!((counts.stored, counts.ended_badly), (1, 4));
}

#[test]
fn a_folder_has_one_listener_and_is_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    Running::start(config(folder.path())).stop();
    fs::write(folder.path().join("incoming/7.part"), "half").unwrap();
    let mut listener = Running::start(config(folder.path()));
    assert!(matches!(Listener::bind(config(folder.path())), Err(StreamError::FolderInUse(_))));
    assert_eq!(listener.stop().unfinished, 1);
    let mut again = Running::start(config(folder.path()));
    assert_eq!(again.stop().unfinished, 0);
}

#[test]
fn nothing_of_others_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("elsewhere/7.part");
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    let keeps = |name: &str, wanted: fn(&StreamError) -> bool, kept: &Path| {
        fs::write(kept, "precious").unwrap();
        let refused = Listener::bind(config(&folder.path().join(name))).unwrap_err();
        assert!(wanted(&refused), "{name}: {refused}");
        assert_eq!(fs::read(kept).unwrap(), b"precious", "{name}");
    };
    let of_others: fn(&StreamError) -> bool = |error| matches!(error, StreamError::FolderOfOthers(_));
    let has_others: fn(&StreamError) -> bool = |error| matches!(error, StreamError::FileOfOthers(_));
    // Folders that no receiver made, whatever the names in them are.
    for name in ["incoming", "log"] {
        fs::create_dir_all(folder.path().join("new").join(name)).unwrap();
    }
    for name in ["incoming/mine.txt", "incoming/1.part", "log/0.log", "received.ndjson"] {
        let kept = folder.path().join("new").join(name);
        keeps("new", of_others, &kept);
        assert!(!folder.path().join("new/.lock").exists());
    }
    // A receiver's, and somebody else's file in it.
    Running::start(config(&folder.path().join("ours"))).stop();
    for name in ["incoming/mine.txt", "incoming/.part", "incoming/1.PART", "log/x.log", "log/1"] {
        let kept = folder.path().join("ours").join(name);
        keeps("ours", has_others, &kept);
        fs::remove_file(kept).unwrap();
    }
    #[cfg(unix)]
    for name in ["incoming", "log"] {
        use std::os::unix::fs::symlink;
        let link = folder.path().join("ours").join(name);
        fs::remove_dir(&link).unwrap();
        symlink(folder.path().join("elsewhere"), &link).unwrap();
        keeps("ours", has_others, &precious);
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        symlink(&precious, link.join("8.part")).unwrap();
        keeps("ours", has_others, &precious);
        fs::remove_file(link.join("8.part")).unwrap();
        // What a mark leads to would be written to.
        fs::create_dir_all(folder.path().join("linked")).unwrap();
        let _ = symlink(&precious, folder.path().join("linked/.lock"));
        keeps("linked", of_others, &precious);
    }
    Running::start(config(&folder.path().join("ours"))).stop();
}

#[test]
fn after_a_crash_what_is_not_whole_is_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let (outbox, inbox) = (folder.path().join("out"), folder.path().join("in"));
    files(&outbox, 6);
    let mut listener = Running::start(config(&inbox));
    assert!(send(listener.sender(&[&outbox])).is_complete());
    listener.stop();
    let journal = listener.journal();
    let path = |line: usize| inbox.join(&journal[line].path);
    // As a loss of power could leave it: no file, half a file, a file of zeros, half a line.
    fs::remove_file(path(5)).unwrap();
    fs::write(path(4), &fs::read(path(4)).unwrap()[..1000]).unwrap();
    fs::write(path(3), vec![0; journal[3].bytes as usize]).unwrap();
    fs::OpenOptions::new().append(true).open(inbox.join("received.ndjson")).unwrap().write_all(b"{\"received_at\":\"2026").unwrap();
    // The program was closed, so nothing of that is looked for, but for the line.
    let mut listener = Running::start(config(&inbox));
    assert_eq!(listener.stop().withdrawn, 0);
    // Where there was a log, what is not whole was changed or taken away after it was answered.
    fs::write(inbox.join(".lock"), "open").unwrap();
    let mut listener = Running::start(config(&inbox));
    assert_eq!(listener.stop().withdrawn, 0);
    assert_eq!((listener.journal().len(), fs::read(path(4)).unwrap().len()), (6, 1000));
    // An earlier version had none. What is not there at all may still have been taken away.
    fs::remove_dir(inbox.join("log")).unwrap();
    fs::write(inbox.join(".lock"), "open").unwrap();
    let mut listener = Running::start(config(&inbox));
    assert_eq!(listener.stop().withdrawn, 2);
    let journal = listener.journal();
    assert_eq!(journal.iter().filter(|line| line.outcome == Outcome::Withdrawn).count(), 2);
    // Once is enough, and what is sent again is there.
    fs::write(inbox.join(".lock"), "open").unwrap();
    let mut listener = Running::start(config(&inbox));
    assert!(send(listener.sender(&[&outbox])).is_complete());
    let counts = listener.stop();
    assert_eq!((counts.withdrawn, counts.stored, counts.duplicates, counts.differing), (0, 3, 3, 0));
}

#[test]
fn what_says_that_it_is_dicom_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 1);
    let good = file("1.2.9", "DOE^JANE", 1000);
    // An odd value at the end, as some write it.
    let mut odd = file("1.2.8", "DOE^JANE", 0);
    odd.truncate(odd.len() - 12);
    odd.extend(b"\xE0\x7F\x10\x00OW\x00\x00\x03\x00\x00\x00abc");
    // Deflated, in one block that is stored as it is: an odd number of bytes, which is padded.
    let inner = data_set("1.2.7", "DOE^JANE", 100);
    let mut deflated = sutura_dicom::dimse::meta_information(CT, "1.2.7", "1.2.840.10008.1.2.1.99", "A", "B");
    deflated.push(1);
    deflated.extend((inner.len() as u16).to_le_bytes());
    deflated.extend((!(inner.len() as u16)).to_le_bytes());
    deflated.extend(&inner);
    let others: [(&str, &[u8]); 6] =
        [("cut", &good[..200]), ("a.DCM", b"x"), ("odd.dcm", &odd), ("z.dcm", &deflated), ("readme.txt", b"no image"), ("empty", b"")];
    for (name, bytes) in others {
        fs::write(outbox.join(name), bytes).unwrap();
    }
    let mut listener = Running::start(config(&folder.path().join("in")));
    let report = send(listener.sender(&[&outbox]));
    let of = |outcome: SendOutcome| {
        let of_it = report.results.iter().filter(|result| result.outcome == outcome);
        of_it.map(|result| result.path.file_name().unwrap().to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of(SendOutcome::Sent), ["0000.dcm", "z.dcm"], "{report:?}");
    assert_eq!(of(SendOutcome::Failed), ["a.DCM", "cut", "odd.dcm"]);
    assert_eq!(of(SendOutcome::NotAnInstance), ["empty", "readme.txt"]);
    assert!(!report.is_complete());
    assert_eq!(listener.stop().stored, 2);
    let line = listener.journal().into_iter().find(|line| line.sop_instance_uid == "1.2.7").unwrap();
    let stored = fs::read(listener.folder.join(line.path)).unwrap();
    assert_eq!(behind_meta(&stored), [behind_meta(&deflated), &[0]].concat());
}

#[test]
fn a_file_that_makes_the_receiver_abort_is_not_sent_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), 1);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in socket.incoming() {
            let mut association = Association::accept(stream.unwrap(), &anyone(), |_, _| {}).unwrap();
            association.next_message().unwrap();
            while association.read_data(&mut [0; 4096]).unwrap() > 0 {}
            association.abort();
        }
    });
    let sender = SenderConfig {
        host: "127.0.0.1".to_owned(),
        port,
        called_ae_title: "SUTURA".to_owned(),
        paths: vec![folder.path().to_owned()],
        retries: 5,
        retry_wait_s: 0,
        ..SenderConfig::default()
    };
    let report = send(sender);
    assert_eq!((report.count(SendOutcome::Failed), report.results[0].attempts), (1, 2), "{report:?}");
}

#[test]
fn what_the_receiver_does_not_take_is_said_for_each_file() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 2);
    let mr = "1.2.840.10008.5.1.4.1.1.4";
    let mut other = sutura_dicom::dimse::meta_information(mr, "1.9", EXPLICIT, "A", "B");
    other.extend(element(0x0008_0016, "UI", mr.as_bytes()));
    other.extend(element(0x0008_0018, "UI", b"1.9"));
    fs::write(outbox.join("mr.dcm"), other).unwrap();
    let mut listener = Running::start(ListenerConfig { sop_classes: vec![CT.to_owned()], ..config(&folder.path().join("in")) });
    let report = send(listener.sender(&[&outbox]));
    assert_eq!((report.count(SendOutcome::Sent), report.count(SendOutcome::NotAccepted)), (2, 1));
    assert!(!report.is_complete());
    assert_eq!(listener.stop().stored, 2);
}

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// An authority, a server and a client.
    fn new() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        for (file, name) in [("server", "localhost"), ("client", "modality")] {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
            fs::write(folder.path().join(format!("{file}.pem")), certificate.pem()).unwrap();
            fs::write(folder.path().join(format!("{file}.key")), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn tls_is_spoken_and_certificates_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("out");
    files(&outbox, 20);
    let certificates = Certificates::new();
    let server = ServerTls {
        certificate: certificates.path("server.pem"),
        key: certificates.path("server.key"),
        client_ca: Some(certificates.path("ca.pem")),
    };
    let mut listener = Running::start(ListenerConfig { tls: Some(server), ..config(&folder.path().join("in")) });
    let client = ClientTls {
        ca: certificates.path("ca.pem"),
        certificate: Some(certificates.path("client.pem")),
        key: Some(certificates.path("client.key")),
        server_name: Some("localhost".to_owned()),
    };
    let sender = SenderConfig { tls: Some(client.clone()), retries: 0, ..listener.sender(&[&outbox]) };
    let report = send(sender.clone());
    assert_eq!(report.count(SendOutcome::Sent), 20, "{:?}", report.results.first());
    // Without a certificate of its own, with a name that is not the server's, without TLS.
    let without = ClientTls { certificate: None, key: None, ..client.clone() };
    let elsewhere = ClientTls { server_name: Some("elsewhere".to_owned()), ..client };
    for tls in [Some(without), Some(elsewhere), None] {
        // More tries change nothing: it is said at once what is wrong.
        let report = send(SenderConfig { tls, idle_timeout_s: 2, retries: 5, retry_wait_s: 30, ..sender.clone() });
        assert_eq!(report.count(SendOutcome::Failed), 20);
        assert!(report.results.iter().all(|result| result.reason.as_deref().unwrap().contains("TLS")), "{:?}", report.results.first());
    }
    assert_eq!(listener.stop().stored, 20);
    let missing = ServerTls { certificate: Path::new("none.pem").to_owned(), key: certificates.path("server.key"), client_ca: None };
    assert!(matches!(Listener::bind(ListenerConfig { tls: Some(missing), ..config(folder.path()) }), Err(StreamError::Tls(_))));
}
