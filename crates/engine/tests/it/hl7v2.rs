//! The HL7 v2 reader through the engine, over real and synthetic files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sutura_core::Format;
use sutura_engine::{
    Engine, EngineOptions,
    pass::{PassOptions, SharedPass, SourceSpec},
};

use crate::{
    pass::consumer,
    read::{text, tiny},
};

/// The shared test data: `SUTURA_TEST_DATA`, else beside the repository.
fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SUTURA_TEST_DATA").map_or(beside, PathBuf::from).join("hl7v2");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

/// Rows of text, sorted: ranges are read side by side, in no order.
fn sorted(table: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = table.lines().collect();
    lines.sort_unstable();
    lines
}

fn add(feed: &mut String, text: std::fmt::Arguments<'_>) {
    std::fmt::Write::write_fmt(feed, text).unwrap();
}

pub(crate) fn feed(messages: usize) -> String {
    let mut feed = String::from("FHS|^~\\&|A|B\rBHS|^~\\&|A|B\r");
    for number in 0..messages {
        let (day, results) = (number % 28 + 1, number % 5);
        add(&mut feed, format_args!("MSH|^~\\&|APP|FAC{}|R|RF|202601{day:02}120000-0500||ORU^R01^ORU_R01|M{number}|P|2.5.1\r", number % 3));
        add(&mut feed, format_args!("PID|1||P{}^^^AUTH^MR||Doe^Jane||19800101|F\r", number % 100));
        for result in 0..results {
            add(&mut feed, format_args!("OBX|{}|NM|718-7^Hemoglobin^LN||{}.5|g/dL|12-16|N|||F\r", result + 1, 10 + result));
        }
        if number % 50 == 49 {
            feed += "THIS IS NOT|A MESSAGE\r\n\r\n";
        }
    }
    feed + &format!("BTS|{messages}\rFTS|1\r")
}

#[tokio::test(flavor = "multi_thread")]
async fn any_cut_gives_the_same_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.hl7");
    fs::write(&path, feed(400)).unwrap();
    let whole = Engine::new(tiny(1, 1 << 30, 1 << 20)).unwrap();
    let queries = sutura_hl7v2::Hl7v2
        .tables()
        .iter()
        .map(|table| table.name.clone())
        .map(|table| (format!("select * from read_hl7v2('{}', '{table}')", path.display()), table));
    for (query, table) in queries {
        let expected = text(&whole, &query).await;
        let expected = sorted(&expected);
        for (workers, range, block) in [(3, 700, 333), (4, 5000, 64), (2, 1 << 14, 1 << 12)] {
            let cut = Engine::new(tiny(workers, range, block)).unwrap();
            assert!(sorted(&text(&cut, &query).await) == expected, "table {table}, ranges of {range}, blocks of {block}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_over_messages_and_results() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.hl7");
    fs::write(&path, feed(1000)).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let from = path.display();
    let counts = text(
        &engine,
        &format!("select sending_facility, count(*) n, sum(observation_count) o from read_hl7v2('{from}') group by 1 order by 1"),
    )
    .await;
    assert!(counts.contains("| FAC0             | 334 | 666 |") || counts.contains("334"), "{counts}");
    let results = text(
        &engine,
        &format!("select observation_code, count(*) n, avg(value_number) a from read_hl7v2('{from}', 'observations') group by 1"),
    )
    .await;
    assert!(results.contains("718-7") && results.contains("2000"), "{results}");

    let pass = SharedPass::new(&engine, vec![SourceSpec::new("feed", "hl7v2", from.to_string())]).await.unwrap();
    let report = pass.run::<()>(Vec::new(), PassOptions::default()).await.unwrap();
    assert!(report.balances(), "{:?}", report.files);
    assert_eq!(report.totals().accepted, 1000);
    assert!(report.files[0].findings.is_empty(), "{:?}", report.files[0].findings);
}

/// A range inside a UTF-16 file does not take two bytes of one character for the beginning of a message.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_hides_in_the_characters_of_utf16() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.hl7");
    let hidden = b"\rMSH|^~\\&|A|B|||2026||ADT^A01|9|P|2.5\rPID|1||666\r\r";
    for (mark, is_little) in [("\u{FEFF}", true), ("", false)] {
        let word = |pair: &[u8]| if is_little { u16::from_le_bytes([pair[0], pair[1]]) } else { u16::from_be_bytes([pair[0], pair[1]]) };
        let forged = String::from_utf16(&hidden.chunks(2).map(word).collect::<Vec<_>>()).unwrap();
        let message = format!("MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\rPID|1||7\rNTE|1||{forged}\r");
        let characters = format!("{mark}{}", message.repeat(50));
        let bytes = |unit: u16| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        fs::write(&path, characters.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()).unwrap();
        for options in [tiny(1, 1 << 30, 1 << 20), tiny(3, 700, 333)] {
            let engine = Engine::new(options).unwrap();
            let rows = text(&engine, &format!("select patient_id, count(*) n from read_hl7v2('{}') group by 1", path.display())).await;
            assert!(rows.lines().count() == 5 && rows.contains("| 7          | 50 |"), "{rows}");
            let pass = SharedPass::new(&engine, vec![SourceSpec::new("feed", "hl7v2", path.display().to_string())]).await.unwrap();
            let report = pass.run::<()>(Vec::new(), PassOptions::default()).await.unwrap();
            assert!(report.balances());
            assert_eq!((report.totals().accepted, report.totals().rejected), (50, 0));
            assert!(report.files[0].sha256.is_some());
        }
    }
}

/// What batch trailers declare is checked over the whole file, wherever it was cut and whoever asks, and is counted once.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_batch_counts_are_rows_of_the_findings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.hl7");
    let second = "BHS|^~\\&|A\rBTS|99999999999999999999999\rBHS|^~\\&|A\rMSH|^~\\&|A|B|R|RF|20260101||ADT^A01^ADT_A01|1|P|2.5.1\rPID|1||7^^^A^MR||Doe^Jane\rBTS|7\rBHS|^~\\&|open\r";
    let feed = feed(60).replace("BTS|60", "BTS|61") + second;
    fs::write(&path, &feed).unwrap();
    let place = |what: &str| feed.find(what).unwrap();
    let expected = [
        (place("BTS|61"), "batch-count-mismatch", "BTS-1"),
        (place("BTS|9999"), "batch-count-mismatch", "BTS-1"),
        (place("BTS|7\r"), "batch-count-mismatch", "BTS-1"),
        (place("BHS|^~\\&|open"), "batch-trailer-missing", "BTS"),
    ];
    let of_batches = "code like 'batch-%'";
    for (workers, range, block) in [(1, 1 << 30, 1 << 20), (3, 700, 333), (4, 5000, 64)] {
        let engine = Engine::new(tiny(workers, range, block)).unwrap();
        let read = format!("read_hl7v2('{}', 'findings')", path.display());
        let rows = text(&engine, &format!("select _offset, code, location, severity from {read} where {of_batches} order by 1")).await;
        let lines: Vec<Vec<&str>> = rows.lines().skip(3).map(|line| line.split('|').map(str::trim).collect()).collect();
        for (line, (offset, code, location)) in lines.iter().zip(expected) {
            assert_eq!(line[1..5], [offset.to_string().as_str(), code, location, "warning"], "{rows}");
        }
        assert_eq!(lines.iter().filter(|line| line.len() > 4).count(), expected.len(), "{rows}");
        let all = text(&engine, &format!("select count(*) n from {read}")).await;

        let pass = SharedPass::new(&engine, vec![SourceSpec::new("feed", "hl7v2", path.display().to_string())]).await.unwrap();
        let consumers = vec![
            consumer(&engine, "batches", &format!("select _offset from feed.findings where {of_batches}")).await,
            consumer(&engine, "findings", "select code, severity from feed.findings").await,
        ];
        let report = pass.run(consumers, PassOptions::default()).await.unwrap();
        let [batches, findings] = &report.consumers[..] else { unreachable!() };
        assert!(!batches.own_scan && !findings.own_scan);
        assert_eq!(batches.output.num_rows(), expected.len());
        let counted: u64 = report.files[0].stats.findings.values().sum();
        assert_eq!(counted, findings.output.num_rows() as u64, "every finding is counted once and is one row");
        assert!(all.contains(&format!(" {counted} ")), "{all}");
        assert_eq!(report.files[0].findings.len(), expected.len());
    }
}

/// Every real file reads, whole and cut, with the same account, and no byte outside of a record, reject or envelope.
#[tokio::test(flavor = "multi_thread")]
async fn every_shared_file_balances_whole_and_cut() {
    let Some(data) = data() else { return };
    let location = format!("{}/**/*.{{hl7,txt,msg,dat,bin}}", data.display());
    let mut accounts = Vec::new();
    for options in [tiny(1, 1 << 30, 1 << 20), tiny(3, 512, 300)] {
        let engine = Engine::new(options).unwrap();
        let pass = SharedPass::new(&engine, vec![SourceSpec::new("feed", "hl7v2", location.clone())]).await.unwrap();
        let report = pass.run::<()>(Vec::new(), PassOptions::default()).await.unwrap();
        for file in &report.files {
            assert!(file.stats.balances(), "{}: {:?}", file.uri, file.stats);
            // UTF-16 is accounted in the bytes of its UTF-8 form.
            assert!(file.stats.bytes == file.size || file.uri.contains("utf16"), "{}: {} of {}", file.uri, file.stats.bytes, file.size);
        }
        println!("hl7v2 files {}: {:?}", report.files.len(), report.totals());
        accounts.push(report.files.into_iter().map(|file| (file.uri, file.stats, file.findings)).collect::<Vec<_>>());
    }
    let [whole, cut] = &accounts[..] else { unreachable!() };
    assert!(whole.len() > 100, "only {} files", whole.len());
    for (whole, cut) in whole.iter().zip(cut) {
        assert_eq!(whole, cut);
    }
    let wrong = whole.iter().find(|(uri, ..)| uri.ends_with("batch-wrong-count.hl7")).unwrap();
    assert_eq!(wrong.2.iter().map(|finding| finding.location.as_str()).collect::<Vec<_>>(), ["BTS-1"]);
    let right = whole.iter().find(|(uri, ..)| uri.ends_with("batch-ok.hl7")).unwrap();
    assert!(right.2.is_empty());
}
