//! The truth of a feed against a plain recount and against the reader; the same seed, the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use bytes::Bytes;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Finding, Severity, TableRequest};
use sutura_hl7v2::{Decoder, Message, validate::validate};
use sutura_synthetic::{Compression, Expected, Feed, FeedOptions, LineEnd, Shape, SyntheticError, Truth};

fn write(options: FeedOptions) -> (tempfile::TempDir, Truth) {
    let folder = tempfile::tempdir().unwrap();
    let truth = Feed::new(options).unwrap().write_to(folder.path(), &|_| {}).unwrap();
    (folder, truth)
}

fn options(messages: u64) -> FeedOptions {
    FeedOptions { messages, per_file: 700, seed: 11, ..FeedOptions::default() }
}

fn damaged(messages: u64) -> FeedOptions {
    FeedOptions { malformed_share: 0.08, duplicate_share: 0.02, per_file: 150, ..options(messages) }
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

/// Every message of a file that is separated by blank lines, cut the plain way.
fn plain_messages(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.split("\r\n\r\n").filter(|message| !message.is_empty()).map(str::to_owned).collect()
}

fn field(segment: &str, number: usize) -> &str {
    let number = if segment.starts_with("MSH") { number - 1 } else { number };
    segment.split('|').nth(number).unwrap_or_default()
}

fn count(map: &mut BTreeMap<String, u64>, key: &str) {
    *map.entry(key.to_owned()).or_default() += 1;
}

fn owned(map: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    map.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let all = |seed| {
        let (folder, truth) = write(FeedOptions { seed, ..damaged(1000) });
        let mut files: Vec<Vec<u8>> = truth.files.iter().map(|file| read(folder.path(), &file.name)).collect();
        files.push(read(folder.path(), "truth.json"));
        files
    };
    let first = all(3);
    assert!(first == all(3));
    assert!(first != all(4));
}

#[test]
fn the_truth_is_what_a_plain_recount_finds() {
    let (folder, truth) = write(FeedOptions { malformed_share: 0.0, duplicate_share: 0.01, ..options(3000) });
    let mut types = BTreeMap::new();
    let mut facilities = BTreeMap::new();
    let mut versions = BTreeMap::new();
    let mut sexes = BTreeMap::new();
    let mut ages = BTreeMap::new();
    let mut stages = BTreeMap::new();
    let mut segments = BTreeMap::new();
    let mut labs: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut records = BTreeSet::new();
    let mut control_ids = BTreeSet::new();
    let (mut messages, mut duplicates, mut abnormal) = (0, 0, 0);
    let mut previous = String::new();
    for file in &truth.files {
        let bytes = read(folder.path(), &file.name);
        assert_eq!(bytes.len() as u64, file.bytes);
        let in_file = plain_messages(&bytes);
        assert_eq!(in_file.len() as u64, file.messages);
        for message in in_file {
            messages += 1;
            let lines: Vec<&str> = message.split('\r').collect();
            let header = lines[0];
            if message == previous {
                duplicates += 1;
            } else {
                assert!(control_ids.insert(field(header, 10).to_owned()), "a control id comes twice");
            }
            let kind: Vec<&str> = field(header, 9).split('^').collect();
            count(&mut types, &kind[..2].join("^"));
            count(&mut facilities, field(header, 4));
            count(&mut versions, field(header, 12));
            for line in &lines {
                count(&mut segments, &line[..3]);
                if line.starts_with("OBX") && field(line, 2) == "NM" {
                    let code = field(line, 3).split('^').next().unwrap().to_owned();
                    let value: f64 = field(line, 5).parse().unwrap();
                    let (low, high) = field(line, 7).split_once('-').unwrap();
                    let (low, high): (f64, f64) = (low.parse().unwrap(), high.parse().unwrap());
                    let flag = field(line, 8);
                    assert_eq!(flag == "N", (low..=high).contains(&value), "{code}");
                    assert!(!flag.starts_with('L') || value < low);
                    assert!(!flag.starts_with('H') || value > high);
                    abnormal += u64::from(flag != "N");
                    labs.entry(code).or_default().push(value);
                }
            }
            let pid = lines.iter().find(|line| line.starts_with("PID")).expect("every message has a PID");
            count(&mut sexes, field(pid, 8));
            let number = |text: &str| text.parse::<i32>().unwrap();
            let (at, birth) = (&field(header, 7)[..8], &field(pid, 7)[..8]);
            let years = number(&at[..4]) - number(&birth[..4]) - i32::from(at[4..] < birth[4..]);
            let group = match years {
                0 => "0",
                1..=17 => "1-17",
                18..=39 => "18-39",
                40..=64 => "40-64",
                65..=89 => "65-89",
                90..=120 => "90+",
                _ => "impossible",
            };
            count(&mut ages, group);
            count(
                &mut stages,
                if years < 18 {
                    "paediatric"
                } else if years < 65 {
                    "adult"
                } else {
                    "geriatric"
                },
            );
            records.insert((field(header, 4).to_owned(), field(pid, 3).split('^').next().unwrap().to_owned()));
            previous = message;
        }
    }
    assert_eq!((messages, duplicates), (3000, truth.duplicates));
    assert!(duplicates > 10);
    assert_eq!((truth.accepted, truth.rejected, truth.records), (3000, 0, 3000));
    assert_eq!(types, owned(&truth.by_message_type));
    assert_eq!(types.len(), 12, "{types:?}");
    assert_eq!(facilities, owned(&truth.by_facility));
    assert_eq!(facilities.len(), 5);
    assert_eq!(versions, owned(&truth.by_version));
    assert_eq!(versions.len(), 3);
    assert_eq!(sexes, owned(&truth.by_sex));
    assert_eq!(ages, owned(&truth.by_age_group));
    assert_eq!(ages.len(), 6);
    assert_eq!(stages, owned(&truth.by_life_stage));
    assert_eq!(segments, owned(&truth.segments));
    assert_eq!(records.len() as u64, truth.patient_records);
    assert!(truth.patients <= truth.patient_records && truth.patients > 100);
    assert_eq!(abnormal, truth.results.abnormal);
    assert_eq!(labs.values().map(|values| values.len() as u64).sum::<u64>(), truth.results.numeric);
    assert_eq!(labs.len(), truth.labs.len());
    for (code, values) in labs {
        let lab = &truth.labs[code.as_str()];
        assert_eq!(values.len() as u64, lab.count);
        assert!((values.iter().sum::<f64>() - lab.sum).abs() < 1e-6, "{code}");
        assert_eq!(values.iter().copied().fold(f64::INFINITY, f64::min).to_bits(), lab.min.to_bits());
        assert_eq!(values.iter().copied().fold(f64::NEG_INFINITY, f64::max).to_bits(), lab.max.to_bits());
    }
}

/// What the reader makes of one file.
fn decode(bytes: Vec<u8>, into: &mut BTreeMap<String, u64>, mismatches: &mut u64) -> (u64, u64, u64) {
    let requests = vec![TableRequest::whole("messages")];
    let spec =
        DecoderSpec { source: "test:feed".into(), start: 0, end: None, options: serde_json::Value::Null, requests, batch_rows: 1000 };
    let mut decoder = Decoder::new(spec).unwrap();
    let mut out = Vec::new();
    decoder.push(Bytes::from(bytes), &mut out).unwrap();
    let stats = decoder.finish(&mut out).unwrap();
    assert!(stats.balances(), "{stats:?}");
    let found = stats.findings.iter().filter(|((code, _), _)| code == "charset-mismatch");
    *mismatches += found.map(|(_, count)| count).sum::<u64>();
    for (code, count) in &stats.rejects_by_code {
        *into.entry(code.clone()).or_default() += count;
    }
    let rows: usize = out.iter().map(|item| if let Decoded::Batch { batch, .. } = item { batch.num_rows() } else { 0 }).sum();
    assert_eq!(rows as u64, stats.accepted);
    (stats.records, stats.accepted, stats.rejected)
}

#[test]
fn the_reader_accepts_and_rejects_what_the_truth_says() {
    let shapes =
        [(Shape::Separated, LineEnd::Cr), (Shape::Separated, LineEnd::Lf), (Shape::Mllp, LineEnd::Cr), (Shape::Batch, LineEnd::Cr)];
    for (shape, line_end) in shapes {
        let (folder, truth) = write(FeedOptions { shape, line_end, ..damaged(3000) });
        let mut rejects = BTreeMap::new();
        let mut mismatches = 0;
        for file in &truth.files {
            let found = decode(read(folder.path(), &file.name), &mut rejects, &mut mismatches);
            let expected = (file.messages + file.junk_records, file.accepted, file.rejected);
            assert_eq!(found, expected, "{shape:?} {line_end:?} {}", file.name);
        }
        assert_eq!(rejects, owned(&truth.rejects_by_code), "{shape:?} {line_end:?}");
        assert_eq!(mismatches, truth.malformed["wrong_charset"].count, "{shape:?} {line_end:?}");
        assert_eq!(truth.messages, 3000);
        assert_eq!(truth.records, truth.messages + truth.junk_records);
        assert_eq!(truth.accepted + truth.rejected, truth.records);
        for (kind, malformed) in &truth.malformed {
            let possible = *kind != "unterminated_frame" || shape != Shape::Batch;
            assert_eq!(malformed.count > 0, possible, "{kind} in {shape:?}");
        }
        let malformed: u64 = truth.malformed.values().map(|kind| kind.count).sum();
        let share = (malformed - truth.junk_records) as f64 / 3000.0;
        assert!((0.06..0.11).contains(&share), "{share}");
        assert!(truth.duplicates > 10);
    }
}

/// The message's findings that are not information.
fn findings(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    validate(&Message::parse(text).unwrap(), &mut found);
    found
}

#[test]
fn well_formed_messages_have_no_findings_that_matter() {
    let (folder, truth) = write(FeedOptions { malformed_share: 0.0, ..options(1500) });
    let mut bad: BTreeMap<String, u64> = BTreeMap::new();
    for file in &truth.files {
        for message in plain_messages(&read(folder.path(), &file.name)) {
            let kind = field(message.split('\r').next().unwrap(), 9).to_owned() + " " + field(message.split('\r').next().unwrap(), 12);
            for finding in findings(&message).iter().filter(|finding| finding.severity != Severity::Info) {
                *bad.entry(format!("{kind} {} {:?} {} {}", finding.code, finding.severity, finding.location, finding.message))
                    .or_default() += 1;
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn malformed_messages_have_the_findings_the_truth_names() {
    let (folder, truth) = write(FeedOptions { malformed_share: 0.1, duplicate_share: 0.0, ..options(5000) });
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for file in &truth.files {
        // Every byte as the character of its number: good enough to cut messages, and to see which one is Latin-1.
        let text: String = read(folder.path(), &file.name).into_iter().map(char::from).collect();
        let starts: Vec<usize> = text.match_indices("MSH|^~\\&").map(|(at, _)| at).collect();
        for (position, start) in starts.iter().enumerate() {
            let whole = &text[*start..starts.get(position + 1).copied().unwrap_or(text.len())];
            let message = whole.split("\r\n\r\n").next().unwrap();
            if message == "MSH|^~\\&|" || text[..*start].ends_with('\x0B') {
                continue;
            }
            let bytes: Vec<u8> = message.chars().map(|byte| byte as u8).collect();
            if String::from_utf8(bytes).is_err() {
                *found.entry("wrong_charset").or_default() += 1;
            }
            let message = message.to_owned();
            let is_cut = !whole.trim_end_matches('\x0B').ends_with(['\r', '\n']);
            assert!(!is_cut || message.split('\r').next_back().unwrap().starts_with("PID|"));
            let codes: BTreeSet<(String, String)> = findings(&message)
                .into_iter()
                .filter(|finding| finding.severity != Severity::Info)
                .map(|finding| (finding.code.to_string(), finding.location))
                .collect();
            for (code, location) in &codes {
                let kind = match (code.as_str(), location.split('[').next().unwrap_or_default()) {
                    _ if is_cut => continue,
                    ("segment-missing", "PID") => "missing_pid",
                    ("datatype-invalid", "PID-7") => "invalid_date",
                    ("datatype-invalid", _) => "text_in_numeric",
                    ("field-missing", "MSH-10") => "missing_control_id",
                    ("version-unknown", _) => "wrong_version",
                    _ => continue,
                };
                *found.entry(kind).or_default() += 1;
                assert_eq!(truth.malformed[kind].code, code);
            }
            if is_cut && codes.iter().any(|(code, _)| code == truth.malformed["cut_message"].code) {
                *found.entry("cut_message").or_default() += 1;
            }
            if message.split(['|', '\r']).any(|field| field.len() > 100_000) {
                assert!(codes.is_empty(), "{codes:?}");
                *found.entry("oversized_field").or_default() += 1;
            }
        }
    }
    for (kind, malformed) in truth.malformed.iter().filter(|(_, malformed)| malformed.expected != Expected::Reject) {
        assert_eq!(found.get(kind).copied().unwrap_or_default(), malformed.count, "{kind}");
        assert!(malformed.count > 10, "{kind}");
    }
}

#[test]
fn messages_of_a_visit_come_in_order_of_time() {
    let (folder, truth) = write(FeedOptions { malformed_share: 0.0, duplicate_share: 0.0, ..options(2000) });
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut visits_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &truth.files {
        for message in plain_messages(&read(folder.path(), &file.name)) {
            let lines: Vec<&str> = message.split('\r').collect();
            let pid = lines.iter().find(|line| line.starts_with("PID")).unwrap();
            let at = field(lines[0], 7)[..12].to_owned();
            let account = field(pid, 18).to_owned();
            if let Some(before) = last.insert(account.clone(), at.clone()) {
                assert!(before <= at, "{before} {at}");
            }
            visits_of.entry(field(pid, 3).split('~').next().unwrap().to_owned()).or_default().insert(account);
        }
    }
    assert!(visits_of.values().filter(|visits| visits.len() > 1).count() > 20, "patients come again");
}

#[test]
fn a_feed_has_what_real_ones_have() {
    let (folder, truth) = write(options(3000));
    let text: String = truth.files.iter().map(|file| String::from_utf8_lossy(&read(folder.path(), &file.name)).into_owned()).collect();
    for wanted in
        ["\\T\\", "\\F\\", "\\.br\\", "|\"\"", "\rZPV|", "ü", "UNICODE UTF-8", "-0600|", "-0800|", "\rNTE|", "~PO Box", "|TX|", "O'"]
    {
        assert!(text.contains(wanted), "no {wanted:?}");
    }
    let ssn = text.split('\r').filter(|line| line.starts_with("PID|")).map(|line| field(line, 19)).filter(|ssn| !ssn.is_empty());
    assert!(ssn.clone().count() > 500);
    for ssn in ssn {
        let digits: String = ssn.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits.len(), 9);
        assert!(digits.starts_with('9') || digits.starts_with("666"), "an area that may be issued");
    }
}

#[test]
fn options_that_cannot_be_are_refused() {
    let refused = |options: FeedOptions| matches!(Feed::new(options), Err(SyntheticError::BadOption { .. }));
    assert!(refused(FeedOptions { per_file: 0, ..options(1) }));
    assert!(refused(FeedOptions { malformed_share: 1.5, ..options(1) }));
    assert!(refused(FeedOptions { malformed_share: f64::NAN, ..options(1) }));
    assert!(refused(FeedOptions { population: Some(0), ..options(1) }));
    assert!(refused(FeedOptions { first_day: "2025-02-30".to_owned(), ..options(1) }));
    assert!(refused(FeedOptions { shape: Shape::Mllp, line_end: LineEnd::Lf, ..options(1) }));
    assert!(!refused(options(0)));
    let parsed: FeedOptions = serde_json::from_str(r#"{"messages": 5, "shape": "mllp"}"#).unwrap();
    assert_eq!(parsed, FeedOptions { messages: 5, shape: Shape::Mllp, ..FeedOptions::default() });
    assert!(serde_json::from_str::<FeedOptions>(r#"{"mesages": 5}"#).is_err());
}

#[test]
fn a_longer_feed_in_the_folder_is_not_mixed_in() {
    let (folder, truth) = write(FeedOptions { per_file: 100, ..options(300) });
    assert_eq!(truth.files.len(), 3);
    let shorter = Feed::new(FeedOptions { per_file: 100, ..options(200) }).unwrap();
    assert!(matches!(shorter.write_to(folder.path(), &|_| {}), Err(SyntheticError::OtherFeed { .. })));
    let again = Feed::new(FeedOptions { per_file: 100, ..options(300) }).unwrap();
    assert!(again.write_to(folder.path(), &|_| {}).unwrap() == truth);
    let names: BTreeSet<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["feed_0001.hl7", "feed_0002.hl7", "feed_0003.hl7", "truth.json"]);
}

#[test]
fn a_folder_with_any_other_feed_file_is_refused() {
    for name in ["feed_0009.hl7", "feed_old.hl7", "feed_0001.hl7.gz", "feed_0001.hl7.zst", "feed_1.hl7"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), "").unwrap();
        let refused = Feed::new(options(10)).unwrap().write_to(folder.path(), &|_| {});
        assert!(matches!(refused, Err(SyntheticError::OtherFeed { .. })), "{name}");
        assert!(!folder.path().join("truth.json").exists());
    }
}

#[test]
fn packed_files_hold_the_same_bytes() {
    use std::io::Read;
    let (plain, truth) = write(damaged(600));
    for (compression, end) in [(Compression::Gzip, "gz"), (Compression::Zstd, "zst")] {
        let (packed, packed_truth) = write(FeedOptions { compression, ..damaged(600) });
        assert_eq!((truth.records, truth.accepted), (packed_truth.records, packed_truth.accepted));
        for file in &truth.files {
            let stored = read(packed.path(), &format!("{}.{end}", file.name));
            assert!((stored.len() as u64) < file.bytes / 2);
            let mut bytes = Vec::new();
            match compression {
                Compression::Zstd => bytes = zstd::stream::decode_all(stored.as_slice()).unwrap(),
                _ => drop(flate2::read::GzDecoder::new(stored.as_slice()).read_to_end(&mut bytes).unwrap()),
            }
            assert!(bytes == read(plain.path(), &file.name), "{}", file.name);
        }
    }
}

#[test]
fn the_readers_tables_have_a_row_for_each_segment() {
    let (folder, truth) = write(damaged(1500));
    let tables = [
        ("observations", "OBX"),
        ("allergies", "AL1"),
        ("diagnoses", "DG1"),
        ("insurance", "IN1"),
        ("next_of_kin", "NK1"),
        ("appointments", "SCH"),
        ("documents", "TXA"),
        ("immunizations", "RXA"),
        ("notes", "NTE"),
    ];
    let mut rows = vec![0_u64; tables.len()];
    for file in &truth.files {
        let requests = tables.iter().map(|(table, _)| TableRequest::whole(*table)).collect();
        let spec =
            DecoderSpec { source: "test:feed".into(), start: 0, end: None, options: serde_json::Value::Null, requests, batch_rows: 1000 };
        let mut decoder = Decoder::new(spec).unwrap();
        let mut out = Vec::new();
        decoder.push(Bytes::from(read(folder.path(), &file.name)), &mut out).unwrap();
        decoder.finish(&mut out).unwrap();
        for item in out {
            if let Decoded::Batch { request, batch } = item {
                rows[request] += batch.num_rows() as u64;
            }
        }
    }
    for ((table, segment), rows) in tables.iter().zip(rows) {
        assert_eq!(rows, truth.segments[segment], "{table}");
    }
}
