//! A line format, small enough to be right at a glance, with everything the contract has: rejects, envelope lines,
//! batch counts, ranges with one byte of look-back, projection.
//!
//! `key=number` is a record, a line with `!` in front a reject, `#BHS`, `#BTS n`, `#FTS n` and empty lines are envelope.

use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use sutura_core::{
    BlockDecoder, ColumnDef, Decoded, DecodedSink, DecoderSpec, Format, FormatError, PhiClass, Progress, ReadStats, RecordId, Reject,
    Sha256Hash, TableDef, format::BatchEvent, record::identity_columns,
};
use sutura_engine::arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray},
    datatypes::DataType,
};

#[derive(Debug)]
pub(crate) struct Toy;

fn tables() -> &'static [TableDef; 2] {
    static TABLES: LazyLock<[TableDef; 2]> = LazyLock::new(|| {
        let mut columns = identity_columns();
        columns.push(ColumnDef::new("key", DataType::Utf8View, "1", PhiClass::Mrn, "the key").identifies_patient());
        columns.push(ColumnDef::new("number", DataType::Int64, "2", PhiClass::Clinical, "the number"));
        let sizes = vec![ColumnDef::new("size", DataType::Int64, "", PhiClass::Operational, "length of the line")];
        [TableDef::new("lines", "one row a line", columns), TableDef::new("sizes", "one row a line", sizes)]
    });
    &TABLES
}

impl Format for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["toy"]
    }

    fn tables(&self) -> &[TableDef] {
        tables()
    }

    fn splittable(&self) -> bool {
        true
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        match options {
            serde_json::Value::Null => Ok(()),
            serde_json::Value::Object(map) if map.keys().all(|key| key == "shout") => Ok(()),
            _ => Err(FormatError::BadOption { format: "toy", option: "?".into(), reason: "only shout is known".into() }),
        }
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        let waiting = spec.requests.iter().map(|_| Vec::new()).collect();
        let (position, skipping) = (spec.start.saturating_sub(1), spec.start > 0);
        Ok(Box::new(ToyDecoder { spec, buffer: BytesMut::new(), position, skipping, waiting, stats: ReadStats::default(), since: 0 }))
    }
}

struct ToyDecoder {
    spec: DecoderSpec,
    buffer: BytesMut,
    /// Offset of the buffer's first byte.
    position: u64,
    /// Until the first line end: the line belongs to the range before.
    skipping: bool,
    waiting: Vec<Vec<(u64, Bytes)>>,
    stats: ReadStats,
    /// Records since the last batch event.
    since: u64,
}

impl ToyDecoder {
    fn beyond(&self) -> bool {
        self.spec.end.is_some_and(|end| self.position >= end)
    }

    fn line(&mut self, length: usize, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let bytes = self.buffer.split_to(length).freeze();
        let offset = self.position;
        self.position += length as u64;
        self.stats.bytes += length as u64;
        let line = bytes.slice(..bytes.strip_suffix(b"\n").map_or(bytes.len(), <[u8]>::len));
        if line.is_empty() || line.starts_with(b"#") {
            self.stats.envelope_bytes += length as u64;
            if let Ok(text) = std::str::from_utf8(&line) {
                let declared = text.split_once(' ').and_then(|(_, number)| number.parse().ok());
                let kind = ["BHS", "BTS", "FHS", "FTS"].into_iter().find(|kind| text[1.min(text.len())..].starts_with(kind));
                if let Some(kind) = kind {
                    let messages = std::mem::take(&mut self.since);
                    self.stats.batch_events.push(BatchEvent { offset, kind, declared, unreadable: false, messages });
                }
            }
            return Ok(());
        }
        self.stats.envelope_bytes += (length - line.len()) as u64;
        self.stats.records += 1;
        self.since += 1;
        if line.starts_with(b"!") {
            self.stats.rejected += 1;
            self.stats.rejected_bytes += line.len() as u64;
            *self.stats.rejects_by_code.entry("toy-bad".into()).or_default() += 1;
            let id = RecordId { source: Arc::clone(&self.spec.source), offset, length: line.len() as u64, sha256: Sha256Hash::of(&line) };
            let reject =
                Reject { id, code: "toy-bad", location: String::new(), reason: "marked bad".into(), bytes: line, truncated: false };
            return out.emit(Decoded::Reject(reject));
        }
        self.stats.accepted += 1;
        self.stats.accepted_bytes += line.len() as u64;
        for request in 0..self.waiting.len() {
            self.waiting[request].push((offset, line.clone()));
            if self.waiting[request].len() >= self.spec.batch_rows {
                self.flush(request, out)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, request: usize, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let rows = std::mem::take(&mut self.waiting[request]);
        if rows.is_empty() {
            return Ok(());
        }
        let wanted = &self.spec.requests[request];
        let table = tables().iter().find(|table| table.name == wanted.table).unwrap();
        let columns = wanted.columns.clone().unwrap_or_else(|| (0..table.columns.len()).collect());
        let shout = self.spec.options.get("shout").is_some_and(|value| value == true);
        let split = |line: &Bytes| {
            let text = String::from_utf8_lossy(line).into_owned();
            let (key, number) = text.split_once('=').unwrap_or((&text, ""));
            (if shout { key.to_uppercase() } else { key.to_owned() }, number.parse::<i64>().ok())
        };
        let column = |&column: &usize| -> ArrayRef {
            match table.columns[column].name.as_str() {
                "_source" => Arc::new(StringViewArray::from_iter_values(rows.iter().map(|_| &*self.spec.source))),
                "_offset" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|(offset, _)| *offset as i64))),
                "_length" | "size" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, line)| line.len() as i64))),
                "_sha256" => Arc::new(StringViewArray::from_iter_values(rows.iter().map(|(_, line)| Sha256Hash::of(line).to_string()))),
                "key" => Arc::new(StringViewArray::from_iter_values(rows.iter().map(|(_, line)| split(line).0))),
                _ => Arc::new(rows.iter().map(|(_, line)| split(line).1).collect::<Int64Array>()),
            }
        };
        let arrays = columns.iter().map(column).collect();
        let schema = Arc::new(table.schema().project(&columns).unwrap());
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        out.emit(Decoded::Batch { request, batch: RecordBatch::try_new_with_options(schema, arrays, &options).unwrap() })
    }
}

impl BlockDecoder for ToyDecoder {
    fn push(&mut self, block: Bytes, out: &mut dyn DecodedSink) -> Result<Progress, FormatError> {
        self.buffer.extend_from_slice(&block);
        while let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
            if std::mem::take(&mut self.skipping) {
                let skipped = self.buffer.split_to(end + 1);
                self.position += skipped.len() as u64;
            } else if self.beyond() {
                return Ok(Progress::Done);
            } else {
                self.line(end + 1, out)?;
            }
        }
        Ok(if !self.skipping && self.beyond() { Progress::Done } else { Progress::More })
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        if !self.skipping && !self.beyond() && !self.buffer.is_empty() {
            self.line(self.buffer.len(), out)?;
        }
        for request in 0..self.waiting.len() {
            self.flush(request, out)?;
        }
        self.stats.batch_events.push(BatchEvent { offset: u64::MAX, kind: "END", declared: None, unreadable: false, messages: self.since });
        Ok(self.stats.clone())
    }
}

/// Lines `k0=0`, `k1=1`, ...; every `bad`-th is a reject.
pub(crate) fn lines(count: usize, bad: usize) -> String {
    let line = |number: usize| if number % bad == bad - 1 { format!("!bad {number}\n") } else { format!("k{number}={number}\n") };
    (0..count).map(line).collect()
}
