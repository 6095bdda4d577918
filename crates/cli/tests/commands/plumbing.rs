//! Help, versions, quiet, closed pipes, interrupts.

use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{expect, folder, run, stderr, stdout, sutura};

#[test]
fn help_and_version() {
    let folder = folder();
    let output = run(folder.path(), &["--help"]);
    expect(&output, 0);
    insta::assert_snapshot!(stdout(&output));
    let output = run(folder.path(), &["--version"]);
    assert_eq!(stdout(&output), format!("sutura {}\n", env!("CARGO_PKG_VERSION")));
    expect(&run(folder.path(), &[]), 2);
    expect(&run(folder.path(), &["inspekt"]), 2);
    let output = run(folder.path(), &["run", "--help"]);
    assert!(stdout(&output).contains("more rejects than the job allows"), "{}", stdout(&output));
}

#[test]
fn quiet_says_only_results() {
    let folder = folder();
    let output = run(folder.path(), &["-q", "sql", "select patient_id from read_hl7v2('feed.hl7')"]);
    expect(&output, 0);
    assert_eq!(stderr(&output), "");
    let output = run(folder.path(), &["inspect", "feed.hl7", "--quiet"]);
    assert_eq!(stderr(&output), "");
    let job = "[job]\nname = \"q\"\n[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"feed.hl7\"\n[[sink]]\ninput = \"t\"\n\
               [[step]]\ntype = \"sql\"\nname = \"t\"\nquery = \"select message_type from feed.messages\"\n";
    fs::write(folder.path().join("job.toml"), job).unwrap();
    for arguments in [&["validate", "job.toml"][..], &["run", "job.toml"], &["generate", "hl7v2", "--messages", "5", "--out", "made"]] {
        let output = run(folder.path(), &[arguments, &["--quiet"]].concat());
        expect(&output, 0);
        assert_eq!(stdout(&output) + &stderr(&output), "", "{arguments:?}");
    }
    let output = run(folder.path(), &["run", "job.toml", "--quiet", "--force", "--json"]);
    assert!(stdout(&output).starts_with('{'), "what was asked for is said");
    let output = run(folder.path(), &["run", "job.toml", "--quiet", "--set", "gates.min_records=100"]);
    expect(&output, 1);
    assert!(stdout(&output).is_empty() && stderr(&output).contains("nothing was published"), "{}", stderr(&output));
}

/// What never ends is given up, and nothing is put in the place of a device.
#[cfg(target_os = "linux")]
#[test]
fn devices_are_no_input_and_no_output() {
    let folder = folder();
    for arguments in [
        &["inspect", "/dev/zero"][..],
        &["inspect", "/dev/zero", "--all"],
        &["sql", "select * from read_hl7v2('/dev/zero')"],
        &["sql", "-f", "/dev/zero"],
        &["policy", "check", "/dev/zero"],
        &["validate", "/dev/zero"],
        &["run", "/dev/zero"],
    ] {
        let output = run(folder.path(), arguments);
        expect(&output, 2);
        assert!(output.stdout.len() + output.stderr.len() < 4096, "{arguments:?}");
    }
    let place = folder.path().join("pipe.csv");
    std::process::Command::new("mkfifo").arg(&place).status().unwrap();
    let output = run(folder.path(), &["sql", "select 1 as n", "-o", "pipe.csv", "--overwrite"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("is a device or a pipe"), "{}", stderr(&output));
    assert!(!place.is_file(), "the pipe is still there");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder();
    fs::write(folder.path().join("large.hl7"), crate::FEED.repeat(500)).unwrap();
    for arguments in [
        &["inspect", "large.hl7", "--all"][..],
        &[
            "sql",
            "select _length, message_type, version from read_hl7v2('large.hl7') cross join generate_series(1, 200)",
            "--format",
            "csv",
            "--allow-phi",
            "--purpose",
            "x",
        ],
        &["sql", "select message_type, version from read_hl7v2('large.hl7') cross join generate_series(1, 200)", "--format", "ndjson"],
    ] {
        let mut child = sutura(folder.path()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut start = [0; 20];
        let mut reader = child.stdout.take().unwrap();
        reader.read_exact(&mut start).unwrap();
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_half_written() {
    let folder = folder();
    let place = folder.path().join("made");
    fs::create_dir(&place).unwrap();
    let mut child = sutura(&place)
        .args(["generate", "hl7v2", "--messages", "50000000", "--per-file", "200", "--out", "feed"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while fs::read_dir(&place).unwrap().next().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing was begun");
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(300));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_mins(1) {
            child.kill().unwrap();
            panic!("the interrupt did not end it");
        }
        sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    expect(&output, 130);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "something was left behind");
}

/// A limit on the size of files stands in for a full disk, which needs no rights to make.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_in_words_and_publishes_nothing() {
    let folder = folder();
    fs::write(folder.path().join("large.hl7"), crate::FEED.repeat(2000)).unwrap();
    let job = "[job]\nname = \"full\"\n[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"large.hl7\"\n[[sink]]\ninput = \"t\"\n\
               [[step]]\ntype = \"sql\"\nname = \"t\"\nquery = \"select md5(cast(row_number() over () as varchar)) as n from feed.messages\"\n\
               [report]\nlineage = false\n";
    // A program that is told to ignore the signal gets an error in its place.
    let limited = |arguments: &str| {
        let line = format!("trap '' XFSZ; ulimit -f 8; exec {} {arguments}", env!("CARGO_BIN_EXE_sutura"));
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap()
    };
    for format in ["parquet", "csv", "ndjson", "arrow"] {
        fs::write(folder.path().join("job.toml"), job.replace("input = \"t\"", &format!("input = \"t\"\nformat = \"{format}\""))).unwrap();
        let output = limited("run job.toml");
        expect(&output, 1);
        let said = stderr(&output);
        let place = folder.path().join("out").display().to_string();
        assert!(said.contains(&place) && said.contains("a file may not grow so large") && said.contains("unchanged"), "{format}: {said}");
        let left: Vec<_> = fs::read_dir(folder.path().join("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".lock"], "{format}");
        let output = limited(&format!("sql \"select value from generate_series(1, 90000)\" -o numbers.{format}"));
        expect(&output, 1);
        assert!(stderr(&output).contains("a file may not grow so large"), "{format}: {}", stderr(&output));
        assert!(!folder.path().join(format!("numbers.{format}")).exists());
    }
}
