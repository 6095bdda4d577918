//! What the tests of documents share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::{path::PathBuf, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray},
    compute::concat_batches,
    datatypes::{DataType, Field, Schema},
};
use bytes::Bytes;
use sutura_core::{ColumnMeta, Decoded, DecoderSpec, Format, PhiClass, TableRequest};
use sutura_deid::{DocumentDeidentifier, Ledger, Treatment};
use sutura_privacy::{Deidentifier, KeyRing, LegalBasis, MemoryVault, Policy, Scope};

/// The policies that come with the program, with the facts they need.
pub fn builtin(name: &str) -> Deidentifier {
    let text = |text: &str| Some(text.to_owned());
    let facts = LegalBasis {
        agreement: text("DUA-7"),
        recipient: text("a university"),
        purpose: text("research"),
        expert: text("E"),
        method: text("k"),
        document: text("D"),
        determined_on: text("2026-01-01"),
        expires_on: text("2999-01-01"),
        quasi_identifiers: text("assessed"),
        ..LegalBasis::default()
    };
    with_policy(Policy::builtin(name).unwrap().with_legal(&facts))
}

pub fn with_policy(policy: Policy) -> Deidentifier {
    let vault = Arc::new(MemoryVault::new().unwrap());
    Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("project", "domain"), Some(vault)).unwrap()
}

pub fn treatment(privacy: &Deidentifier) -> Treatment {
    Treatment::new(privacy).unwrap()
}

pub fn run(deidentifier: &dyn DocumentDeidentifier, input: &str) -> (String, Ledger) {
    let (mut out, mut ledger) = (Vec::new(), Ledger::new());
    deidentifier.deidentify(input.as_bytes(), &mut out, &mut ledger).unwrap();
    (String::from_utf8(out).unwrap(), ledger)
}

/// What the column path makes of one value.
pub fn column(privacy: &Deidentifier, table: &str, name: &str, path: &str, class: PhiClass, value: &str, patient: &str) -> Option<String> {
    let whose = ColumnMeta { patient: true, ..ColumnMeta::of(PhiClass::Mrn) };
    let meta = ColumnMeta { path: Some(path.to_owned()), ..ColumnMeta::of(class) };
    let schema = Schema::new(vec![
        whose.apply(Field::new("patient_of_row", DataType::Utf8View, true)),
        meta.apply(Field::new(name, DataType::Utf8View, true)),
    ]);
    let plan = privacy.plan_table(Some(table), &schema).unwrap();
    let text = |value: &str| Arc::new(StringViewArray::from(vec![value])) as ArrayRef;
    let out = plan.apply(&RecordBatch::try_new(plan.input_schema(), vec![text(patient), text(value)]).unwrap()).unwrap();
    let column = out.column_by_name(name)?;
    column.is_valid(0).then(|| column.as_string_view().value(0).to_owned())
}

/// A table of a format over some bytes.
pub fn table(format: &dyn Format, bytes: Vec<u8>, table: &str) -> RecordBatch {
    let spec = DecoderSpec {
        source: "file:///a".into(),
        start: 0,
        end: None,
        options: serde_json::Value::Null,
        requests: vec![TableRequest::whole(table)],
        batch_rows: 8192,
    };
    let mut decoder = format.decoder(spec).unwrap();
    let mut out = Vec::new();
    decoder.push(Bytes::from(bytes), &mut out).unwrap();
    decoder.finish(&mut out).unwrap();
    let batches: Vec<RecordBatch> = out
        .into_iter()
        .filter_map(|piece| match piece {
            Decoded::Batch { batch, .. } => Some(batch),
            Decoded::Reject(_) => None,
        })
        .collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

pub fn cell(batch: &RecordBatch, column: &str) -> String {
    // A column that the policy drops has nothing in it.
    let Some(column) = batch.column_by_name(column) else { return String::new() };
    let column = column.as_string_view();
    if column.is_null(0) { String::new() } else { column.value(0).to_owned() }
}

/// The shared test material, if it is there.
pub fn data() -> Option<PathBuf> {
    let folder = std::env::var("SUTURA_TEST_DATA")
        .map_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: test data not found at {}", folder.display());
    None
}

/// Files below a folder with that end, sorted.
pub fn files(folder: &std::path::Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub const POLICIES: [&str; 4] = ["hipaa-safe-harbor", "limited-data-set", "expert-determination", "gdpr-pseudonymised"];
