//! A feed in which everything that identifies is a canary, released under Safe Harbor in every format: no canary may be in any output that is
//! not marked as identifying, in the record, the report, the lineage or the events.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fmt::Write,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sutura_core::Format;
use sutura_hl7v2::defs;
use sutura_jobs::{EventHandler, Job, LoadOptions, RunOptions, RunStatus};

const CANARY: &str = "CANARY";
/// A day that nobody may see; its year may stay.
const DAY: &str = "19310723";
const SEGMENTS: [&str; 32] = [
    "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "DB1", "AL1", "IAM", "DG1", "PR1", "GT1", "IN1", "IN2", "IN3", "ACC", "ORC", "OBR", "NTE",
    "RXO", "RXE", "RXD", "RXA", "RXC", "RXR", "SCH", "AIS", "AIL", "AIP", "TXA", "FT1", "SPM",
];

/// Every field with five components: canaries where its class identifies, else a code with a canary behind it in the same component.
fn segment(name: &str, number: &mut usize) -> String {
    let mut text = name.to_owned();
    for field in 1..=45_usize {
        text.push('|');
        for component in 1..=8_usize {
            if component > 1 {
                text.push('^');
            }
            *number += 1;
            let class = defs::phi_class(name, field, component);
            let _ = match class.as_str().as_ref() {
                "date" => write!(text, "{DAY}"),
                _ if class.is_identifying() => write!(text, "{CANARY}{number}&{CANARY}{number}B"),
                // A field of one component has no other; what a sender puts there is in no column.
                _ if component == 1 => write!(text, "A1&{CANARY}{number}"),
                _ => write!(text, "A1"),
            };
        }
        let _ = write!(text, "~{CANARY}{number}^{CANARY}{number}");
    }
    text + "\r"
}

fn feed() -> String {
    let mut number = 0;
    let mut text =
        format!("FHS|^~\\&|{CANARY}F|{CANARY}F|||{DAY}||{CANARY}F|{CANARY}F\rBHS|^~\\&|{CANARY}B|{CANARY}B|||{DAY}||{CANARY}B\r");
    for (kind, event) in
        [("ORU^R01^ORU_R01", "P|2.5.1"), ("ADT^A01^ADT_A01", "P|2.5.1"), ("VXU^V04^VXU_V04", "P|2.5.1"), ("ADT^A08", "CANARY PERSON|2.5.1")]
    {
        number += 1;
        let _ = write!(
            text,
            "MSH|^~\\&|{CANARY}{number}|{CANARY}{number}^{CANARY}|{CANARY}|{CANARY}|{DAY}1200||{kind}|{CANARY}{number}|{event}|||||||CANARY SET\r"
        );
        for name in SEGMENTS {
            text.push_str(&segment(name, &mut number));
            let _ = write!(text, "NTE|1|{CANARY} SAID|{CANARY}{number} said so|{CANARY} KIND\r");
        }
        for (value_type, value) in [
            ("ST", format!("{CANARY}1 said")),
            ("TX", format!("{CANARY}2~{CANARY}3")),
            ("FT", format!("\\.br\\{CANARY}4")),
            ("CWE", format!("P&{CANARY}^Positive&{CANARY}^L&{CANARY}")),
            ("XPN", format!("{CANARY}5^{CANARY}6")),
            ("NM", format!("{CANARY}7")),
            ("SN", format!("{CANARY}^12^{CANARY}")),
            ("ED", format!("{CANARY}^{CANARY} SUBTYPE^{CANARY} X^{CANARY} ENCODING^{CANARY}8")),
            ("TS", format!("{DAY}1200")),
            ("CANARY PERSON", "x".to_owned()),
        ] {
            let _ = write!(
                text,
                "OBX|1|{value_type}|2345-7&{CANARY}^Glucose&{CANARY}^LN&{CANARY}||{value}|mg/dL&{CANARY}||N&{CANARY}|||F|||{DAY}|{CANARY}^{CANARY}|{CANARY}^{CANARY}\r"
            );
        }
        let _ = write!(text, "ZPI|{CANARY}Z|{CANARY}Z^{CANARY}Y&{CANARY}X~{CANARY}W|{DAY}\r");
    }
    let _ = write!(text, "BTS|9|{CANARY}\rFTS|9|{CANARY}\r{CANARY} is no message\r");
    text
}

fn job() -> String {
    let mut text = "[job]\nname = \"canary\"\nproject = \"test\"\noutput = \"out\"\n[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"in\"\n\
                    options = { validate = true }\n[privacy]\npolicy = \"hipaa-safe-harbor\"\nkey = { file = \"test.key\" }\nvault = \"test.vault\"\n[rejects]\n\
                    [[step]]\ntype = \"quality\"\nname = \"checked\"\ninput = \"feed.messages\"\n[[step.check]]\nkind = \"format\"\ncolumn = \"patient_id\"\npattern = \"[0-9]+\"\n"
        .to_owned();
    for format in [sutura_hl7v2::Hl7v2] {
        for table in format.tables() {
            let name = &table.name;
            let _ = write!(text, "[[step]]\ntype = \"deidentify\"\nname = \"safe_{name}\"\ninput = \"feed.{name}\"\n");
            let outputs = [
                ("zstd", "parquet", "compression = \"zstd\""),
                ("snappy", "parquet", "compression = \"snappy\""),
                ("c", "csv", ""),
                ("n", "ndjson", ""),
                ("a", "arrow", ""),
            ];
            for (kind, format, compression) in outputs {
                let _ = write!(text, "[[sink]]\nname = \"{name}_{kind}\"\ninput = \"safe_{name}\"\nformat = \"{format}\"\n{compression}\n");
            }
        }
    }
    text
}

/// Where a canary is in a text.
fn canary_in(text: &str) -> Option<String> {
    let forms = [CANARY, DAY, "1931-07"];
    let at = forms.iter().find_map(|form| text.find(form))?;
    let (mut from, mut to) = (at.saturating_sub(60), (at + 60).min(text.len()));
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    while !text.is_char_boundary(to) {
        to += 1;
    }
    Some(text[from..to].to_owned())
}

fn look_into(path: &Path, leaks: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look_into(&entry.unwrap().path(), leaks);
        }
        return;
    }
    let bytes = fs::read(path).unwrap();
    let mut found = canary_in(&String::from_utf8_lossy(&bytes)).or_else(|| canary_in(&path.file_name().unwrap().to_string_lossy()));
    if path.extension().is_some_and(|extension| extension == "parquet") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
        for batch in reader.build().unwrap().map(Result::unwrap) {
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                let text =
                    arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).map(|text| format!("{text:?}")).unwrap_or_default();
                found = found.or_else(|| canary_in(&text).map(|place| format!("column {}: {place}", field.name())));
            }
        }
    }
    leaks.extend(found.map(|place| format!("{}: {place}", path.display())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_leaves_by_any_output() {
    let folder = tempfile::Builder::new().prefix("leaks").tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("in")).unwrap();
    fs::write(at("in").join("CANARY ANNA 19310723.hl7"), feed()).unwrap();
    sutura_privacy::KeyRing::generate().unwrap().save_new(&at("test.key")).unwrap();
    fs::write(at("job.toml"), job()).unwrap();
    let job = Job::load_with(&at("job.toml"), &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let said = Arc::new(Mutex::new(String::new()));
    let events = {
        let said = Arc::clone(&said);
        EventHandler::new(move |event| write!(said.lock().unwrap(), "{event:?}").unwrap())
    };
    let report = job.run(RunOptions { events, force: false }).await.unwrap();
    assert_eq!((report.status, report.totals.accepted), (RunStatus::Clean, 4), "{:?}", report.totals);
    assert!(report.sinks.iter().filter(|sink| sink.rows > 0).count() > 60, "the tables have rows");

    let mut leaks = Vec::new();
    for entry in fs::read_dir(at("out")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.file_name().is_some_and(|name| name != "rejects") {
            look_into(&entry, &mut leaks);
        }
    }
    look_into(&at("test.vault"), &mut leaks);
    leaks.extend(canary_in(&said.lock().unwrap()).map(|place| format!("events: {place}")));
    leaks.extend(canary_in(&serde_json::to_string(&report).unwrap()).map(|place| format!("the report: {place}")));
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}
