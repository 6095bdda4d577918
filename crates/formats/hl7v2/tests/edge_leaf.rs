//! Conformance with the edge cases in the shared test data: character sets, escapes, timestamps, MLLP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::{fs, path::PathBuf};

use serde_json::Value;
use sutura_core::Finding;
use sutura_hl7v2::{
    Message, MessageBuf, Path,
    charset::{Charset, DecodedText, Utf16Transcoder, decode_message},
    escape::{EscapeIssueKind, escape, unescape_into},
    mllp::{MllpDecoder, MllpEvent},
    timestamp::{TimestampValue, parse, write_iso},
};

/// The folder of edge cases, or `None` (and a loud line) when the test data is not there.
fn edge_cases() -> Option<PathBuf> {
    let data = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    let folder = data.join("hl7v2/synthetic-edge");
    if !folder.is_dir() {
        eprintln!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
        return None;
    }
    Some(folder)
}

fn expected(folder: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

/// A file's bytes in an eight-bit form, without byte order mark, and an empty list for findings.
fn read(folder: &std::path::Path, name: &str) -> (Vec<u8>, Vec<Finding>) {
    let raw = fs::read(folder.join(name)).unwrap();
    let Some((endian, mark)) = Utf16Transcoder::detect(&raw) else {
        return (raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&raw).to_vec(), Vec::new());
    };
    let (mut transcoder, mut out) = (Utf16Transcoder::new(endian), Vec::new());
    transcoder.push(&raw[mark..], &mut out);
    transcoder.finish(&mut out);
    assert_eq!(transcoder.issue_count(), 0);
    (out, Vec::new())
}

fn value(text: &str, path: &str) -> String {
    let path: Path = path.parse().unwrap();
    Message::parse(text).unwrap().get(&path).unwrap().raw().to_owned()
}

#[test]
fn every_character_set_gives_the_names() {
    let Some(folder) = edge_cases() else { return };
    let expected = expected(&folder);
    let mut checked = 0;
    for (name, answer) in expected.as_object().unwrap() {
        if !(name.starts_with("charset-") || name.starts_with("bom-")) {
            continue;
        }
        let (raw, mut findings) = read(&folder, name);
        let DecodedText { text, .. } = decode_message(&raw, Charset::Windows1252, &mut findings);
        let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert!(!text.contains('\u{FFFD}'), "{name}");
        for (key, path) in [
            ("msh18", "MSH-18"),
            ("family", "PID-5[1].1"),
            ("given", "PID-5[1].2"),
            ("family_rep2", "PID-5[2].1"),
            ("given_rep2", "PID-5[2].2"),
        ] {
            if let Some(wanted) = answer[key].as_str() {
                assert_eq!(value(&text, path), wanted, "{name} {path}");
            }
        }
        if let Some(repetitions) = answer["pid5_reps"].as_u64() {
            let message = Message::parse(&text).unwrap();
            assert_eq!(message.segment("PID").unwrap().field(5).repetitions().count() as u64, repetitions, "{name}");
        }
        let wanted: &[&str] = if name == "charset-declared-ascii-is-latin1.hl7" { &["charset-fallback"] } else { &[] };
        assert_eq!(codes, wanted, "{name}");
        // The bytes come back, and an edit stays readable.
        let mut message = MessageBuf::parse(&raw, Charset::Windows1252).unwrap();
        assert_eq!(message.to_bytes(), raw, "{name}");
        let family: Path = "PID-5[1].1".parse().unwrap();
        let before = message.get(&family).unwrap();
        message.set(&"PID-5[1].3".parse().unwrap(), "Q&A").unwrap();
        assert_eq!(message.get(&family).unwrap(), before, "{name}");
        checked += 1;
    }
    assert!(checked >= 14, "{checked} files");
}

#[test]
fn a_latin1_message_that_declares_nothing_is_read_in_the_default() {
    let Some(folder) = edge_cases() else { return };
    let (raw, mut findings) = read(&folder, "charset-declared-ascii-is-latin1.hl7");
    let text = decode_message(&raw, Charset::Windows1252, &mut findings).text;
    assert_eq!((value(&text, "PID-5.1"), value(&text, "PID-5.2")), ("MÜLLER".into(), "JÖRG".into()));
}

#[test]
fn escapes_become_plain_text() {
    let Some(folder) = edge_cases() else { return };
    let expected = expected(&folder);
    let (raw, _) = read(&folder, "escapes-all.hl7");
    let message = MessageBuf::parse(&raw, Charset::Windows1252).unwrap();
    let path: Path = "OBX-5".parse().unwrap();
    assert_eq!(message.get(&path).as_deref(), expected["escapes-all.hl7"]["obx5_plain"].as_str());
    assert_eq!(message.to_bytes(), raw);

    let (raw, _) = read(&folder, "escapes-unknown-and-open.hl7");
    let text = String::from_utf8(raw).unwrap();
    let (message, field) = (Message::parse(&text).unwrap(), value(&text, "OBX-5"));
    let (mut plain, mut issues) = (String::new(), Vec::new());
    unescape_into(&field, &message.delimiters(), &mut plain, Some(&mut issues));
    assert_eq!(plain, field);
    for kind in [EscapeIssueKind::Unknown, EscapeIssueKind::Local, EscapeIssueKind::CharsetSwitch] {
        assert!(issues.iter().any(|issue| issue.kind == kind), "{kind:?} in {issues:?}");
    }
    // Written again as text, nothing of it is an escape sequence any more, and it reads back.
    let mut back = String::new();
    unescape_into(&escape(&plain, &message.delimiters()), &message.delimiters(), &mut back, None);
    assert_eq!(back, plain);
}

#[test]
fn timestamps_meet_every_answer() {
    let Some(folder) = edge_cases() else { return };
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("timestamps.json")).unwrap()).unwrap();
    assert!(cases.len() >= 17);
    for case in cases {
        let raw = case["v2"].as_str().unwrap();
        let answer = match parse(raw) {
            TimestampValue::Absent => "ABSENT".to_owned(),
            TimestampValue::Delete => "DELETE".to_owned(),
            TimestampValue::Invalid => "INVALID".to_owned(),
            TimestampValue::Value(value) => value.to_string(),
        };
        assert_eq!(answer, case["iso_value_with_precision"].as_str().unwrap(), "{raw}");
        let mut iso = Vec::new();
        let written = write_iso(raw.as_bytes(), &mut iso);
        assert_eq!(written.then(|| String::from_utf8(iso).unwrap()), parse(raw).value().map(|value| value.to_string()), "{raw}");
    }
}

#[test]
fn frames_are_found() {
    let Some(folder) = edge_cases() else { return };
    let expected = expected(&folder);
    let mut checked = 0;
    for (name, answer) in expected.as_object().unwrap() {
        if !name.starts_with("mllp-") {
            continue;
        }
        let bytes = fs::read(folder.join(name)).unwrap();
        let (mut decoder, mut events) = (MllpDecoder::default(), Vec::new());
        decoder.push(&bytes, &mut events);
        decoder.finish(&mut events);
        let frames: Vec<_> =
            events.iter().filter_map(|event| if let MllpEvent::Frame { content, .. } = event { Some(content) } else { None }).collect();
        assert_eq!(frames.len() as u64, answer["frames"].as_u64().unwrap(), "{name}");
        assert!(frames.iter().all(|frame| frame.starts_with(b"MSH|") && frame.ends_with(b"\r")), "{name}");
        let count = |wanted: fn(&MllpEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
        let unterminated = count(|event| matches!(event, MllpEvent::Unterminated { .. }));
        let lenient = count(|event| matches!(event, MllpEvent::MissingCarriageReturn { .. }));
        assert_eq!(unterminated, usize::from(name == "mllp-restart-without-end.bin"), "{name}");
        assert_eq!(lenient, usize::from(name == "mllp-fs-without-cr.bin"), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 4);
}
