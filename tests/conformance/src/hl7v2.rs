//! HL7 v2: edge cases with expected answers, timestamps, and every real file accounted for.

use std::{
    collections::BTreeMap,
    fs,
    io::Error,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, RecordBatch, StringViewArray},
    compute::concat_batches,
};
use bytes::Bytes;
use serde_json::Value;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, Progress, ReadStats, Reject, TableRequest};
use sutura_hl7v2::{Decoder, Hl7v2, MessageBuf, charset::Charset, timestamp};

use crate::{Suite, files, json};

/// Everything one read gave.
struct Read {
    tables: BTreeMap<String, RecordBatch>,
    rejects: Vec<Reject>,
    stats: ReadStats,
}

impl Read {
    fn column(&self, table: &str, name: &str) -> Vec<Option<String>> {
        let array = self
            .tables
            .get(table)
            .and_then(|batch| batch.column_by_name(name))
            .and_then(|array| array.as_any().downcast_ref::<StringViewArray>());
        array.map_or_else(Vec::new, |array| array.iter().map(|value| value.map(ToOwned::to_owned)).collect())
    }

    fn first(&self, table: &str, name: &str) -> Option<String> {
        self.column(table, name).into_iter().next().flatten()
    }
}

/// Reads the ranges between `cuts` and joins them.
fn read(bytes: &[u8], cuts: &[u64], block: usize) -> Result<Read, Error> {
    let requests: Vec<TableRequest> = Hl7v2.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
    let mut batches: Vec<Vec<RecordBatch>> = vec![Vec::new(); requests.len()];
    let mut read = Read { tables: BTreeMap::new(), rejects: Vec::new(), stats: ReadStats::default() };
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().map(Some).chain(std::iter::once(None));
    for (start, end) in starts.zip(ends) {
        let spec = DecoderSpec {
            source: "conformance:file".into(),
            start,
            end,
            options: Value::Null,
            requests: requests.clone(),
            batch_rows: 100,
        };
        let mut decoder = Decoder::new(spec).map_err(Error::other)?;
        let mut out = Vec::new();
        for part in bytes.get(start.saturating_sub(1) as usize..).unwrap_or_default().chunks(block) {
            if decoder.push(Bytes::copy_from_slice(part), &mut out).map_err(Error::other)? == Progress::Done {
                break;
            }
        }
        read.stats.merge(&decoder.finish(&mut out).map_err(Error::other)?);
        for item in out {
            match item {
                Decoded::Batch { request, batch } => batches[request].push(batch),
                Decoded::Reject(reject) => read.rejects.push(reject),
            }
        }
    }
    for (table, batches) in Hl7v2.tables().iter().zip(batches) {
        read.tables.insert(table.name.clone(), concat_batches(&table.schema(), &batches).map_err(Error::other)?);
    }
    Ok(read)
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF")
}

/// The account of a file: what is wrong with it.
fn account(bytes: &[u8], read: &Read) -> Vec<String> {
    let mut wrong = Vec::new();
    if !read.stats.balances() {
        wrong.push("the account does not balance".to_owned());
    }
    if !is_utf16(bytes) && read.stats.bytes != bytes.len() as u64 {
        wrong.push(format!("{} of {} bytes accounted for", read.stats.bytes, bytes.len()));
    }
    if read.tables.get("messages").map_or(0, RecordBatch::num_rows) as u64 != read.stats.accepted {
        wrong.push("rows and accepted records differ".to_owned());
    }
    if read.rejects.len() as u64 != read.stats.rejected {
        wrong.push("rejects and rejected records differ".to_owned());
    }
    wrong
}

/// The made edge cases with their expected answers.
pub(crate) fn edge(data: &Path) -> Result<Suite, Error> {
    let folder = data.join("hl7v2/synthetic-edge");
    let expected = json(&folder.join("expected.json"))?;
    let mut suite = Suite::default();
    for (file, expected) in expected.as_object().into_iter().flatten() {
        let bytes = fs::read(folder.join(file))?;
        let got = read(&bytes, &[], 1 << 20)?;
        let mut wrong = account(&bytes, &got);
        compare(file, expected, &got, &mut wrong);
        suite.case(file, &wrong);
    }
    Ok(suite)
}

fn compare(file: &str, expected: &Value, got: &Read, wrong: &mut Vec<String>) {
    let mut check = |what: &str, ok: bool| {
        if !ok {
            wrong.push(format!("{what} differs"));
        }
    };
    let text = |key: &str| expected[key].as_str().map(ToOwned::to_owned);
    if let Some(count) = expected["messages"].as_u64() {
        let messages = got.stats.accepted + got.rejects.iter().filter(|reject| reject.bytes.starts_with(b"MSH")).count() as u64;
        check("messages", messages == count);
    }
    if let Some(frames) = expected["frames"].as_u64() {
        check("frames", got.stats.accepted == frames);
    }
    let rejected = expected["reject"] == true;
    check("reject", got.rejects.is_empty() != rejected || file.starts_with("mllp"));
    for key in ["family", "given"] {
        if let Some(name) = text(key) {
            check(key, got.first("patients", &format!("{key}_name")) == Some(name));
        }
    }
    let (paths, values, states) = (got.column("segments", "path"), got.column("segments", "value"), got.column("segments", "state"));
    let at =
        |wanted: &str| paths.iter().zip(&values).find(|(path, _)| path.as_deref() == Some(wanted)).and_then(|(_, value)| value.clone());
    if let Some(wanted) = expected["segments"].as_array() {
        let mut seen: Vec<String> = got.column("segments", "segment").into_iter().flatten().collect();
        seen.dedup();
        check("segments", seen.iter().map(String::as_str).eq(wanted.iter().filter_map(Value::as_str)));
    }
    for (key, path) in
        [("family_rep2", "PID-5[2]"), ("given_rep2", "PID-5[2].2"), ("obx5_plain", "OBX-5"), ("hd_universal_id", "PID-3.4.2")]
    {
        if let Some(wanted) = text(key) {
            check(key, at(path) == Some(wanted));
        }
    }
    if let Some(ok) = expected["count_ok"].as_bool() {
        check("count_ok", ok == got.stats.batch_events.iter().all(|event| event.kind != "BTS" || event.declared == Some(event.messages)));
    }
    if let Some(batches) = expected["batches"].as_u64() {
        check("batches", got.stats.batch_events.iter().filter(|event| event.kind == "BHS").count() as u64 == batches);
    }
    for (place, id) in expected["pid3"].as_array().into_iter().flatten().enumerate() {
        let path = if place == 0 { "PID-3".to_owned() } else { format!("PID-3[{}]", place + 1) };
        check("pid3", at(&path).as_deref() == id.as_str());
    }
    for deleted in expected["deleted"].as_array().into_iter().flatten() {
        check(
            "deleted",
            paths.iter().zip(&states).any(|(path, state)| path.as_deref() == deleted.as_str() && state.as_deref() == Some("null")),
        );
    }
    for absent in expected["absent"].as_array().into_iter().flatten() {
        check("absent", paths.iter().all(|path| path.as_deref() != absent.as_str()));
    }
    for truncated in expected["truncated_fields"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        check("truncated_fields", at(truncated.strip_suffix(".1").unwrap_or(truncated)).is_some_and(|value| value.ends_with('#')));
    }
    if let Some(repetitions) = expected["pid3_reps"].as_u64() {
        check("pid3_reps", at(&format!("PID-3[{repetitions}]")).is_some() && at(&format!("PID-3[{}]", repetitions + 1)).is_none());
    }
}

/// Timestamps of every shape.
pub(crate) fn timestamps(data: &Path) -> Result<Suite, Error> {
    let cases = json(&data.join("hl7v2/synthetic-edge/timestamps.json"))?;
    let mut suite = Suite::default();
    for case in cases.as_array().into_iter().flatten() {
        let (Some(raw), Some(expected)) = (case["v2"].as_str(), case["iso_value_with_precision"].as_str()) else { continue };
        let ours = match timestamp::parse(raw) {
            timestamp::TimestampValue::Absent => "ABSENT".to_owned(),
            timestamp::TimestampValue::Delete => "DELETE".to_owned(),
            timestamp::TimestampValue::Invalid => "INVALID".to_owned(),
            timestamp::TimestampValue::Value(value) => value.to_string(),
        };
        suite.case(raw, &if ours == expected { Vec::new() } else { vec![format!("{ours} instead of {expected}")] });
    }
    Ok(suite)
}

/// Files of the real feeds.
fn feeds(data: &Path) -> Result<Vec<PathBuf>, Error> {
    let wanted = ["hl7", "txt", "msg", "dat", "bin"];
    let is_feed = |path: &PathBuf| path.extension().is_some_and(|extension| wanted.iter().any(|known| extension == *known));
    Ok(files(&data.join("hl7v2"))?.into_iter().filter(is_feed).collect())
}

/// A suite over the real feeds; a case that answers `None` does not apply to its file.
fn each_feed(data: &Path, mut case: impl FnMut(&[u8]) -> Result<Option<Vec<String>>, Error>) -> Result<Suite, Error> {
    let mut suite = Suite::default();
    for path in feeds(data)? {
        let Some(wrong) = case(&fs::read(&path)?)? else { continue };
        suite.case(&path.strip_prefix(data).unwrap_or(&path).to_string_lossy(), &wrong);
    }
    Ok(suite)
}

/// Every byte of every real file is in a record, a reject or the envelope.
pub(crate) fn accounting(data: &Path) -> Result<Suite, Error> {
    each_feed(data, |bytes| Ok(Some(account(bytes, &read(bytes, &[], 1 << 16)?))))
}

/// Every message of every real file is written back byte for byte.
pub(crate) fn round_trip(data: &Path) -> Result<Suite, Error> {
    each_feed(data, |bytes| {
        // Its offsets count the text it was transcoded to, not the bytes of the file.
        if is_utf16(bytes) {
            return Ok(None);
        }
        let got = read(bytes, &[], 1 << 16)?;
        let messages = got.tables.get("messages");
        let numbers = |name: &str| {
            let array = messages
                .and_then(|batch| batch.column_by_name(name))
                .and_then(|array| array.as_any().downcast_ref::<arrow::array::Int64Array>());
            array.map_or_else(Vec::new, |array| array.values().to_vec())
        };
        let mut wrong = Vec::new();
        for (offset, length) in numbers("_offset").into_iter().zip(numbers("_length")) {
            let record = bytes.get(offset as usize..(offset + length) as usize).unwrap_or_default();
            match MessageBuf::parse(record, Charset::from_name("8859/1").unwrap_or(Charset::Ascii)) {
                Ok(message) if message.to_bytes() == record => {}
                Ok(_) => wrong.push(format!("the message at {offset} is written differently")),
                Err(error) => wrong.push(format!("the message at {offset}: {error}")),
            }
        }
        Ok(Some(wrong))
    })
}

/// Workers that meet inside a file give the rows of one worker, wherever they meet.
pub(crate) fn ranges(data: &Path) -> Result<Suite, Error> {
    each_feed(data, |bytes| {
        let whole = read(bytes, &[], bytes.len().max(1))?;
        let step = (bytes.len() / 7).max(1) as u64;
        let cuts: Vec<u64> = (1..7).map(|at| at * step).filter(|&cut| cut < bytes.len() as u64).collect();
        let cut = read(bytes, &cuts, 97)?;
        let same = whole.tables == cut.tables && whole.stats.records == cut.stats.records && whole.stats.bytes == cut.stats.bytes;
        Ok(Some(if same { Vec::new() } else { vec![format!("cut at {cuts:?} the rows differ")] }))
    })
}
