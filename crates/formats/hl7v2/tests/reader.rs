//! The reader on made-up feeds: typed values, nothing lost, the same rows wherever the bytes are cut.
//! (Real files and edge cases are in `tests/conformance`.)
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use arrow::{
    array::{Array, RecordBatch, StringViewArray, TimestampMicrosecondArray},
    compute::concat_batches,
};
use bytes::Bytes;
use proptest::prelude::*;
use sutura_core::{BlockDecoder, ColumnMeta, Decoded, DecoderSpec, Format, Progress, ReadStats, Reject, TableRequest};
use sutura_hl7v2::{Decoder, Hl7v2};

#[derive(Debug, Default)]
struct Read {
    tables: BTreeMap<String, RecordBatch>,
    rejects: Vec<Reject>,
    stats: ReadStats,
}

fn spec(tables: &[&str], start: u64, end: Option<u64>) -> DecoderSpec {
    let requests = tables.iter().map(|table| TableRequest::whole(*table)).collect();
    DecoderSpec { source: "test:feed".into(), start, end, options: serde_json::Value::Null, requests, batch_rows: 3 }
}

fn read_spec(bytes: &[u8], spec: DecoderSpec, block: usize) -> (Vec<Decoded>, ReadStats) {
    let from = spec.start.saturating_sub(1) as usize;
    let mut decoder = Decoder::new(spec).unwrap();
    let mut out = Vec::new();
    for part in bytes[from..].chunks(block.max(1)) {
        if decoder.push(Bytes::copy_from_slice(part), &mut out).unwrap() == Progress::Done {
            break;
        }
    }
    let stats = decoder.finish(&mut out).unwrap();
    (out, stats)
}

fn collect(tables: &[&str], decoded: Vec<Decoded>, stats: ReadStats) -> Read {
    let mut read = Read { stats, ..Read::default() };
    let mut batches: Vec<Vec<RecordBatch>> = vec![Vec::new(); tables.len()];
    for item in decoded {
        match item {
            Decoded::Batch { request, batch } => batches[request].push(batch),
            Decoded::Reject(reject) => read.rejects.push(reject),
        }
    }
    for (table, batches) in tables.iter().zip(batches) {
        let schema = Hl7v2.table(table).unwrap().schema();
        read.tables.insert((*table).to_owned(), concat_batches(&schema, &batches).unwrap());
    }
    read
}

const ALL: [&str; 18] = [
    "messages",
    "patients",
    "visits",
    "observations",
    "orders",
    "medications",
    "immunizations",
    "diagnoses",
    "procedures",
    "allergies",
    "insurance",
    "next_of_kin",
    "appointments",
    "documents",
    "charges",
    "notes",
    "segments",
    "findings",
];

fn read(bytes: &[u8], tables: &[&str], block: usize) -> Read {
    let (decoded, stats) = read_spec(bytes, spec(tables, 0, None), block);
    assert!(stats.balances(), "{stats:?}");
    collect(tables, decoded, stats)
}

fn column(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let array = batch.column_by_name(name).unwrap().as_any().downcast_ref::<StringViewArray>().unwrap().clone();
    (0..array.len()).map(|at| array.is_valid(at).then(|| array.value(at).to_owned())).collect()
}

const FEED: &str = "\u{FEFF}BHS|^~\\&|A\rMSH|^~\\&|EPIC|GENHOSP|||20260314150926-0500||ORU^R01|1|P|2.5\rPID|1||77^^^X^SS~123^^^H^MR||DOE^JANE||19800101|F|||^^^MA^02115\rORC|RE|1\rOBR|1|P1|F1|GLU^Glucose^L\rOBX|1|NM|2345-7^Glucose^LN||95.5|mg/dL|70-99|N|||F|||20260314\rOBX|2|SN|x^y^L||>^100\rOBX|3|CE|z||A^Bee^L\rOBX|4|TX|t||one~two \\T\\ three\rNTE|1||hello\rZPI|1|x&y\r\r\nMSH|^~\\&|B|STMARY|||2026||ADT^A01|2|P|2.3\rPID|1||9||\"\"^X\rPV1|1|I\rjunk||\r\n\r\nMSH|^~\\&|\rMSH$%*?@$C$L$$$20260101$$ADT%A08$3$P$2.5\rPID$1$$5\rBTS|4\r";

#[test]
fn typed_values_and_context() {
    let got = read(FEED.as_bytes(), &ALL, 1 << 16);
    assert_eq!((got.stats.records, got.stats.accepted, got.stats.rejected), (4, 3, 1));
    let observations = &got.tables["observations"];
    let text = |name: &str| column(observations, name);
    assert_eq!(text("value_text")[3].as_deref(), Some("one\ntwo & three"));
    assert_eq!(text("value_code_text")[2].as_deref(), Some("Bee"));
    assert_eq!(text("value_comparator")[1].as_deref(), Some(">"));
    assert_eq!(text("order_code"), vec![Some("GLU".to_owned()); 4]);
    assert_eq!(text("patient_id")[0].as_deref(), Some("123"), "the MR repetition is preferred");
    let numbers =
        observations.column_by_name("value_number").unwrap().as_any().downcast_ref::<arrow::array::Float64Array>().unwrap().clone();
    assert_eq!((numbers.value(0), numbers.value(1), numbers.is_null(2)), (95.5, 100.0, true));
    let messages = &got.tables["messages"];
    assert_eq!(column(messages, "message_datetime")[0].as_deref(), Some("2026-03-14T15:09:26-05:00"));
    assert_eq!(column(messages, "trigger_event"), [Some("R01".to_owned()), Some("A01".to_owned()), Some("A08".to_owned())]);
    assert_eq!(column(&got.tables["notes"], "parent_segment")[0].as_deref(), Some("OBX"));
    assert_eq!(column(&got.tables["patients"], "deleted_fields")[1].as_deref(), Some("PID-5.1"));
    assert_eq!(column(&got.tables["orders"], "placer_order_number"), [Some("P1".to_owned())]);
}

fn instants(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let array = batch.column_by_name(name).unwrap().as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap().clone();
    (0..array.len()).map(|at| array.value_as_datetime(at).filter(|_| array.is_valid(at)).map(|instant| instant.to_string())).collect()
}

fn read_with(bytes: &[u8], tables: &[&str], options: serde_json::Value) -> Read {
    let (decoded, stats) = read_spec(bytes, DecoderSpec { options, ..spec(tables, 0, None) }, 1 << 16);
    assert!(stats.balances(), "{stats:?}");
    collect(tables, decoded, stats)
}

#[test]
fn a_terminator_belongs_to_its_message_and_blank_lines_to_nobody() {
    for (terminator, blank) in [("\r", "\r"), ("\n", "\n"), ("\r\n", "\r\n"), ("\r\n", ""), ("\n", "\n\n")] {
        let message = format!("MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5{terminator}PID|1||9{terminator}");
        let feed = format!("{message}{blank}{message}");
        let got = read(feed.as_bytes(), &["messages"], 1 << 16);
        assert_eq!(got.stats.accepted_bytes, 2 * message.len() as u64, "{terminator:?} {blank:?}");
        assert_eq!(got.stats.envelope_bytes, blank.len() as u64, "{terminator:?} {blank:?}");
    }
}

#[test]
fn undeclared_text_that_is_not_utf8_is_read_in_the_configured_default() {
    let feed = b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\rPID|1||9||DVO\xD8\xC1K\r";
    let family = |options| column(&read_with(feed, &["patients"], options).tables["patients"], "family_name")[0].clone().unwrap();
    assert_eq!(family(serde_json::json!({ "default_charset": "8859/2" })), "DVOŘÁK");
    assert_eq!(family(serde_json::Value::Null), "DVOØÁK");
}

#[test]
fn an_instant_takes_its_own_offset_then_that_of_msh7_then_the_stated_zone_and_is_never_guessed() {
    let feed = |msh7: &str, obr7: &str| {
        format!("MSH|^~\\&|A|B|||{msh7}||ORU^R01|1|P|2.5\rPID|1||9\rOBR|1|P||X|||{obr7}\rOBX|1|ST|y||z||||||F|||{obr7}\r")
    };
    let at = |msh7, obr7, options| {
        instants(&read_with(feed(msh7, obr7).as_bytes(), &["observations"], options).tables["observations"], "observation_datetime_utc")[0]
            .clone()
    };
    let none = || serde_json::Value::Null;
    let zone = || serde_json::json!({ "zone": "Europe/Berlin" });
    assert_eq!(at("202603141509-0500", "202603141000+0100", zone()).as_deref(), Some("2026-03-14 09:00:00"));
    assert_eq!(at("202603141509-0500", "202603141000", zone()).as_deref(), Some("2026-03-14 15:00:00"));
    assert_eq!(at("202603141509", "202607141000", zone()).as_deref(), Some("2026-07-14 08:00:00"));
    assert_eq!(at("202603141509", "202603141000", none()), None);
}

#[test]
fn an_order_without_obr_does_not_take_that_of_the_order_before() {
    let feed =
        "MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1||9\rORC|RE|1\rOBR|1|P1||GLU^Glucose^L\rOBX|1|ST|a||x\rORC|RE|2\rOBX|1|ST|b||y\r";
    let got = read(feed.as_bytes(), &["observations"], 1 << 16);
    assert_eq!(column(&got.tables["observations"], "order_code"), [Some("GLU".to_owned()), None]);
}

#[test]
fn an_mllp_end_block_without_carriage_return_is_a_finding() {
    let message = "MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\rPID|1||9\r";
    let findings =
        |feed: String| read(feed.as_bytes(), &["messages"], 1 << 16).stats.findings.into_keys().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(findings(format!("\x0B{message}\x1C\r")), Vec::<String>::new());
    assert_eq!(findings(format!("\x0B{message}\x1C")), ["mllp-end-incomplete"]);
}

/// The fields that hold one of the 18 identifiers, by what the standard says of them: no column of theirs may be weaker,
/// whatever table it is in.
#[test]
fn columns_of_identifying_fields_carry_an_identifying_class() {
    const IDENTIFYING: [&str; 35] = [
        "PID-3", "PID-5", "PID-6", "PID-7", "PID-9", "PID-11.1", "PID-11.2", "PID-11.3", "PID-11.5", "PID-13", "PID-14", "PID-18",
        "PID-19", "PID-20", "PID-23", "PID-29", "NK1-2", "NK1-4.1", "NK1-4.2", "NK1-4.3", "NK1-4.5", "NK1-5", "IN1-16", "IN1-18",
        "IN1-19.1", "IN1-36", "PV1-7", "PV1-8", "PV1-9", "PV1-19", "PV1-44", "PV1-45", "OBR-7", "OBX-14", "MSH-10",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for table in Hl7v2.tables() {
        for (field, column) in table.schema().fields().iter().zip(&table.columns) {
            let meta = ColumnMeta::from_field(field);
            let holds = |wanted: &&&str| {
                column.path.split(" | ").any(|path| {
                    let path = path.replace("(MR)", "");
                    path.strip_prefix(**wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                })
            };
            let Some(wanted) = IDENTIFYING.iter().find(holds) else { continue };
            seen.insert(*wanted);
            let class = meta.phi.expect("a class");
            // An address use, a name type or an identifier's type code identifies nobody.
            let tells_a_kind = ["_type", "_system", "_authority", "_use"].iter().any(|ending| column.name.ends_with(ending));
            assert!(class.is_identifying() || tells_a_kind, "{}.{} ({}) is {class}", table.name, column.name, column.path);
        }
    }
    assert!(seen.len() >= 20, "{seen:?}");
}

#[test]
fn text_in_the_wrong_place_stays_out_of_columns_that_are_kept() {
    let feed = "MSH|^~\\&|A|B|||20260314||ORU^R01|1|P|2.5.1\rPID|1||7^^^H^MR\rPV1|1|I||||||||||||||||||P&Paid&L&&&&&&Jane\r\
        OBX|1|SN|1||Jane was here\rOBX|2|CF|1||C^Jane^L\rOBX|3|SN|1||>^100\rdué Jane|told us\rNTE|1||x\rZPI|1\rNTE|2||y\r";
    let read = read(feed.as_bytes(), &ALL, 1 << 16);
    let observations = &read.tables["observations"];
    assert_eq!(column(observations, "value_comparator"), [None, None, Some(">".to_owned())]);
    assert_eq!(column(observations, "value_text")[1].as_deref(), Some("Jane"));
    assert_eq!(column(&read.tables["notes"], "parent_segment"), [Some("?".to_owned()), Some("ZPI".to_owned())]);
    let segments = &read.tables["segments"];
    let at = column(segments, "value").iter().position(|value| value.as_deref() == Some("dué Jane")).unwrap();
    assert_eq!(column(segments, "path")[at].as_deref(), Some("?-0"));
    for table in read.tables.values() {
        for field in table.schema().fields() {
            let class = field.metadata().get("sutura.phi").map(String::as_str);
            if matches!(class, Some("operational" | "clinical" | "quasi")) && field.data_type() == &arrow::datatypes::DataType::Utf8View {
                assert!(column(table, field.name()).iter().flatten().all(|text| !text.contains("Jane")), "{} ({class:?})", field.name());
            }
        }
    }
}

#[test]
fn rows_do_not_depend_on_blocks_or_ranges() {
    let bytes = FEED.as_bytes();
    let whole = read(bytes, &ALL, bytes.len());
    for block in [1, 2, 3, 7, 64, 100] {
        let cut = read(bytes, &ALL, block);
        assert_eq!(cut.tables, whole.tables, "blocks of {block}");
        assert_eq!(cut.stats, whole.stats);
    }
    for at in 1..bytes.len() as u64 {
        let (mut decoded, mut stats) = read_spec(bytes, spec(&ALL, 0, Some(at)), 50);
        let (second, second_stats) = read_spec(bytes, spec(&ALL, at, None), 50);
        decoded.extend(second);
        stats.merge(&second_stats);
        assert!(stats.balances());
        let joined = collect(&ALL, decoded, stats);
        assert_eq!(joined.tables, whole.tables, "cut at {at}");
        assert_eq!(
            (joined.stats.bytes, joined.stats.records, joined.stats.rejected),
            (whole.stats.bytes, whole.stats.records, whole.stats.rejected)
        );
    }
}

#[test]
fn what_follows_a_code_in_its_component_is_in_no_column_that_is_kept() {
    let message = "MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1||1\rOBR|1|||80048&CANARY^Panel&CANARY^LN\rOBX|1|CE|1&CANARY^H \\T\\ P&CANARY^LN&CANARY||P&CANARY^Positive&CANARY^L&CANARY\r";
    let read = read(message.as_bytes(), &["observations"], 1 << 16);
    let batch = &read.tables["observations"];
    let cell = |name: &str| column(batch, name).remove(0).unwrap();
    let cells = ["order_code", "observation_code", "observation_name", "value_code", "value_code_text", "value_coding_system"].map(cell);
    assert_eq!(cells, ["80048", "1", "H & P", "P", "Positive", "L"]);
    assert_eq!(cell("value_text"), "Positive&CANARY", "free text is whole");
    for field in batch.schema().fields().iter().filter(|field| *field.data_type() == arrow::datatypes::DataType::Utf8View) {
        let class = field.metadata().get("sutura.phi").map(String::as_str);
        let leaks = column(batch, field.name()).iter().flatten().any(|value| value.contains("CANARY"));
        assert!(!leaks || !matches!(class, Some("operational" | "clinical" | "quasi")), "{} ({class:?})", field.name());
    }
}

#[test]
fn projection_gives_the_same_columns() {
    let bytes = FEED.as_bytes();
    let whole = read(bytes, &["observations"], 1 << 16);
    let table = Hl7v2.table("observations").unwrap();
    for wanted in [vec![], vec![0], vec![table.index_of("value_number").unwrap(), table.index_of("patient_id").unwrap(), 1]] {
        let mut spec = spec(&["observations"], 0, None);
        spec.batch_rows = 100;
        spec.requests[0].columns = Some(wanted.clone());
        let (decoded, _) = read_spec(bytes, spec, 1 << 16);
        let batch = decoded.into_iter().find_map(|d| if let Decoded::Batch { batch, .. } = d { Some(batch) } else { None }).unwrap();
        assert_eq!(batch, whole.tables["observations"].project(&wanted).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_accounted_for(parts in proptest::collection::vec(prop_oneof![
        Just(b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5".to_vec()), Just(b"\r".to_vec()), Just(b"\n".to_vec()), Just(vec![0x0B]), Just(vec![0x1C, b'\r']),
        Just(b"PID|1||1^2~3&4||\"\"".to_vec()), Just(b"OBX|1|NM|x||1".to_vec()), Just(b"BTS|1".to_vec()), Just(b"FHS|^~\\&".to_vec()), Just(b"MSH|".to_vec()),
        Just(b"\\X4".to_vec()), Just("ä".as_bytes().to_vec()), proptest::collection::vec(any::<u8>(), 0..20)
    ], 0..30), block in 1usize..40) {
        let bytes = parts.concat();
        let whole = read(&bytes, &ALL, bytes.len());
        let cut = read(&bytes, &ALL, block);
        prop_assert_eq!(&whole.stats, &cut.stats);
        prop_assert_eq!(&whole.tables, &cut.tables);
        let utf16 = bytes.len() >= 2 && (bytes[..2] == [0xFF, 0xFE] || bytes[..2] == [0xFE, 0xFF] || bytes.starts_with(b"M\0S\0H") || bytes.starts_with(b"\0M\0S\0"));
        prop_assert!(utf16 || whole.stats.bytes == bytes.len() as u64);
        prop_assert_eq!(whole.tables["messages"].num_rows() as u64, whole.stats.accepted);
    }
}
