//! FHIR: every real file is read with a balanced account, and every resource is its bytes in the source.

use std::{
    fs,
    io::{Error, Read},
    path::Path,
};

use arrow::array::{Array, Int64Array, RecordBatch, StringViewArray};
use bytes::Bytes;
use serde_json::Value as Json;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, ReadStats, TableRequest};
use sutura_fhir::{
    json::{Kind, Parser, Value},
    read::{Decoder, Fhir},
};

use crate::{Suite, files};

/// The folders that hold resources, and how many there are where that is stated.
const FOLDERS: [(&str, Option<u64>); 5] =
    [("spec-examples", None), ("synthea", Some(10_856)), ("bulk-ndjson", Some(7_160)), ("bulk-ndjson-small", None), ("us-core", None)];

fn bytes_of(path: &Path) -> Result<Vec<u8>, Error> {
    let raw = fs::read(path)?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        return Ok(raw);
    }
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(raw.as_slice()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Resources, one a file or a line: what else stands in these folders (a log, a read-me) is none.
fn is_resources(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bare = name.trim_end_matches(".gz");
    let is_json = Path::new(bare).extension().is_some_and(|extension| extension == "json" || extension == "ndjson");
    is_json && !bare.starts_with("log.")
}

/// Reads every table; gives the account, the rejects' reasons and the rows of `resources`.
fn read(bytes: &[u8], block: usize) -> Result<(ReadStats, Vec<String>, Vec<RecordBatch>), Error> {
    let requests: Vec<TableRequest> = Fhir.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
    let spec = DecoderSpec { source: "conformance:file".into(), start: 0, end: None, options: Json::Null, requests, batch_rows: 1000 };
    let mut decoder = Decoder::new(spec).map_err(Error::other)?;
    let mut out: Vec<Decoded> = Vec::new();
    for part in bytes.chunks(block) {
        decoder.push(Bytes::copy_from_slice(part), &mut out).map_err(Error::other)?;
    }
    let stats = decoder.finish(&mut out).map_err(Error::other)?;
    let (mut rejects, mut resources) = (Vec::new(), Vec::new());
    for item in out {
        match item {
            Decoded::Batch { request: 0, batch } => resources.push(batch),
            Decoded::Batch { .. } => {}
            Decoded::Reject(reject) => rejects.push(format!("{} at {}: {}", reject.code, reject.id.offset, reject.reason)),
        }
    }
    Ok((stats, rejects, resources))
}

/// Whether the `json` of every row is what stands at its offset.
fn rows_are_their_bytes(rows: &[RecordBatch], bytes: &[u8]) -> bool {
    rows.iter().all(|batch| {
        let integers = |name: &str| batch.column_by_name(name).and_then(|array| array.as_any().downcast_ref::<Int64Array>()).cloned();
        let json = batch.column_by_name("json").and_then(|array| array.as_any().downcast_ref::<StringViewArray>()).cloned();
        let (Some(offsets), Some(lengths), Some(json)) = (integers("_offset"), integers("_length"), json) else { return false };
        (0..batch.num_rows()).all(|row| {
            let (from, length) = (offsets.value(row) as usize, lengths.value(row) as usize);
            json.is_valid(row) && bytes.get(from..from + length) == Some(json.value(row).as_bytes())
        })
    })
}

/// Every file of resources: nothing rejected, every byte accounted for, the same in small blocks.
pub(crate) fn reading(data: &Path) -> Result<Suite, Error> {
    let mut suite = Suite::default();
    for (folder, stated) in FOLDERS {
        let mut resources = 0;
        for path in files(&data.join("fhir").join(folder))?.iter().filter(|path| is_resources(path)) {
            let bytes = bytes_of(path)?;
            let (stats, rejects, rows) = read(&bytes, 1 << 20)?;
            let mut reasons = rejects.clone();
            if !stats.balances() || stats.bytes != bytes.len() as u64 {
                reasons.push("the account does not balance".to_owned());
            }
            if !stats.findings.is_empty() {
                reasons.push(format!("findings: {:?}", stats.findings));
            }
            if !rows_are_their_bytes(&rows, &bytes) {
                reasons.push("a resource is not what stands at its offset".to_owned());
            }
            if (stats, rejects, rows) != read(&bytes, 997)? {
                reasons.push("small blocks give something else".to_owned());
            }
            resources += reasons.is_empty().then(|| read(&bytes, 1 << 20).map(|(stats, _, _)| stats.accepted)).transpose()?.unwrap_or(0);
            suite.case(&path.strip_prefix(data).unwrap_or(path).display().to_string(), &reasons);
        }
        if let Some(stated) = stated {
            let wrong = (resources != stated).then(|| format!("{resources} resources, {stated} expected"));
            suite.case(&format!("{folder}: number of resources"), &wrong.into_iter().collect::<Vec<_>>());
        }
    }
    Ok(suite)
}

/// Every example, parsed and put together again from the tape: the bytes that were sent.
pub(crate) fn round_trip(data: &Path) -> Result<Suite, Error> {
    let mut suite = Suite::default();
    let mut parser = Parser::default();
    for path in files(&data.join("fhir/spec-examples"))?.iter().filter(|path| is_resources(path)) {
        let bytes = bytes_of(path)?;
        let mut reasons = Vec::new();
        match parser.parse(&bytes) {
            Err(error) => reasons.push(error.to_string()),
            Ok(document) => {
                let root = document.root();
                if root.raw() != bytes.trim_ascii() {
                    reasons.push("the bytes of the outermost value are not those sent".to_owned());
                }
                if !same(root, &serde_json::from_slice(&bytes)?) {
                    reasons.push("serde_json reads something else".to_owned());
                }
                if !parts_are_the_whole(root) {
                    reasons.push("the parts are not the bytes of the whole".to_owned());
                }
            }
        }
        suite.case(&path.strip_prefix(data).unwrap_or(path).display().to_string(), &reasons);
    }
    Ok(suite)
}

fn same(ours: Value<'_>, theirs: &Json) -> bool {
    match (ours.kind(), theirs) {
        (Kind::Null, Json::Null) => true,
        (Kind::Bool, Json::Bool(truth)) => ours.as_bool() == Some(*truth),
        (Kind::Number, Json::Number(number)) => ours.as_number().and_then(|digits| digits.parse().ok()) == number.as_f64(),
        (Kind::String, Json::String(text)) => ours.as_str() == Some(text),
        (Kind::Array, Json::Array(items)) => ours.len() == items.len() && ours.items().zip(items).all(|(ours, theirs)| same(ours, theirs)),
        (Kind::Object, Json::Object(members)) => {
            ours.len() == members.len() && ours.entries().all(|(name, value)| members.get(name).is_some_and(|theirs| same(value, theirs)))
        }
        _ => false,
    }
}

/// Whether the values inside stand in the whole where they say, and nothing but names, blanks and punctuation is between them.
fn parts_are_the_whole(value: Value<'_>) -> bool {
    let children: Vec<Value<'_>> = value.items().chain(value.entries().map(|(_, member)| member)).collect();
    let (raw, base) = (value.raw(), value.offset());
    children.iter().all(|child| {
        let from = child.offset() - base;
        raw.get(from..from + child.raw().len()) == Some(child.raw()) && parts_are_the_whole(*child)
    })
}
