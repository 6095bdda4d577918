//! Any bytes, in any blocks and, of lines, any ranges, give the same account, rows and rejects; every byte is in a
//! record, a reject or the envelope, no two of them overlap, and each says rightly where its bytes are. A document is read
//! in parts as strictly as in one.
#![no_main]

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use libfuzzer_sys::fuzz_target;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, Progress, ReadStats, Sha256Hash, TableRequest};
use sutura_fhir::{
    json::{JsonErrorKind, Limits, Parser},
    read::{Decoder, Fhir},
};

/// A table of all resources, one of a type, one of lists in a resource. All forty would make a run a hundred times as long.
const TABLES: [&str; 3] = ["resources", "patients", "group_members"];

#[derive(Debug, Default, PartialEq)]
struct Read {
    stats: ReadStats,
    /// Rows of each table.
    rows: BTreeMap<String, usize>,
    /// Offset and bytes of each record.
    records: Vec<(u64, Vec<u8>)>,
    /// Offset, bytes, length, code and reason of each reject.
    rejects: Vec<(u64, Vec<u8>, u64, &'static str, String)>,
}

impl Read {
    fn merge(mut self, other: Self) -> Self {
        self.stats.merge(&other.stats);
        for (table, rows) in other.rows {
            *self.rows.entry(table).or_default() += rows;
        }
        self.records.extend(other.records);
        self.rejects.extend(other.rejects);
        self
    }
}

fn records(batch: &RecordBatch, into: &mut Vec<(u64, Vec<u8>)>) {
    let offsets = batch.column_by_name("_offset").expect("the column").as_primitive::<Int64Type>();
    let json = batch.column_by_name("json").expect("the column").as_string_view();
    into.extend((0..batch.num_rows()).map(|row| (offsets.value(row) as u64, json.value(row).as_bytes().to_vec())));
}

fn read(stream: &[u8], start: u64, end: Option<u64>, block: usize) -> Read {
    let requests = TABLES.map(TableRequest::whole).to_vec();
    let options = serde_json::json!({ "max_record_bytes": 1024, "max_depth": 20 });
    let spec = DecoderSpec { source: "fuzz:stream".into(), start, end, options, requests: requests.clone(), batch_rows: 7 };
    let mut decoder = Decoder::new(spec).expect("valid options");
    let mut out = Vec::new();
    for part in stream[start.saturating_sub(1) as usize..].chunks(block) {
        if decoder.push(bytes::Bytes::copy_from_slice(part), &mut out).expect("no batch fails") == Progress::Done {
            break;
        }
    }
    let mut read = Read { stats: decoder.finish(&mut out).expect("no batch fails"), ..Read::default() };
    for item in out {
        match item {
            Decoded::Batch { request, batch } => {
                let table = &requests[request].table;
                *read.rows.entry(table.clone()).or_default() += batch.num_rows();
                if table == "resources" {
                    records(&batch, &mut read.records);
                }
            }
            Decoded::Reject(reject) => {
                let from = reject.id.offset as usize;
                let bytes = &stream[from..from + reject.id.length as usize];
                assert_eq!(reject.id.sha256, Sha256Hash::of(bytes));
                assert!(if reject.truncated { bytes.starts_with(&reject.bytes) } else { bytes == reject.bytes });
                read.rejects.push((reject.id.offset, reject.bytes.to_vec(), reject.id.length, reject.code, reject.reason));
            }
        }
    }
    read.records.sort();
    read
}

fuzz_target!(|data: &[u8]| {
    let Some((&[block, cut], stream)) = data.split_first_chunk::<2>() else { return };
    let whole = read(stream, 0, None, 1 << 20);
    assert!(whole.stats.balances() && whole.stats.bytes == stream.len() as u64);
    let mut taken: Vec<_> = whole.rejects.iter().map(|reject| (reject.0, reject.2)).collect();
    for (offset, bytes) in &whole.records {
        assert_eq!(&stream[*offset as usize..][..bytes.len()], bytes);
        taken.push((*offset, bytes.len() as u64));
    }
    taken.sort_unstable();
    assert!(taken.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
    assert_eq!(read(stream, 0, None, usize::from(block) + 1), whole);
    if stream.len() < 256 {
        assert_eq!(read(stream, 0, None, 1), whole);
    }
    if !Fhir.splittable_from(stream) {
        let is_bad = |code: &str| code.starts_with("json-") && code != "json-too-deep";
        match Parser::new(Limits { depth: u16::MAX, ..Limits::default() }).parse(stream) {
            Ok(_) => assert!(!whole.rejects.iter().any(|reject| is_bad(reject.3))),
            // Several documents may stand one after another.
            Err(error) if error.kind == JsonErrorKind::TrailingBytes => {}
            Err(_) => assert!(!whole.rejects.is_empty() || !whole.stats.findings.is_empty()),
        }
    }
    let at = u64::from(cut).min(stream.len() as u64);
    if at > 0 && Fhir.splittable_from(stream) {
        assert_eq!(read(stream, 0, Some(at), usize::from(block) + 1).merge(read(stream, at, None, 64)), whole);
    }
});
