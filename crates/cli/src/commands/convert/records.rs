//! Whole records of HL7 v2 and C-CDA files, as a format of one table that the engine can read.
//!
//! One decoder frames the records; what is made of them is made elsewhere, on many threads. A file is told by its beginning.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sutura_ccda::{Ccda, CcdaErrorKind, Limits};
use sutura_core::{
    BlockDecoder, ColumnDef, Decoded, DecodedSink, DecoderSpec, Format, FormatError, PhiClass, Progress, ReadStats, RecordId, Reject,
    Sha256Hash, TableDef,
    record::{COL_LENGTH, COL_OFFSET, COL_SOURCE},
};
use sutura_engine::arrow::{
    array::{
        ArrayRef, BinaryArray, BinaryBuilder, Int64Builder, RecordBatch, RecordBatchOptions, StringViewArray, StringViewBuilder,
        cast::AsArray,
    },
    datatypes::{DataType, Int64Type},
};
use sutura_hl7v2::{Decoder, Hl7v2, MessageTap, RawMessage, Refusal};

use crate::args::convert::ConvertFrom;

/// The one table.
pub(super) const TABLE: &str = "records";
/// A batch is full with so many bytes of records; it is the unit of work of a thread.
const BATCH_BYTES: usize = 256 << 10;
/// And with so many records.
const BATCH_ROWS: usize = 512;
/// Bytes kept of a document that is too large.
const BEGINNING: usize = 4 << 10;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The text of a message.
    Hl7v2,
    /// The bytes of a document.
    Ccda,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7v2",
            Self::Ccda => "ccda",
        }
    }
}

/// One record.
pub(super) struct Record<'r> {
    pub(super) kind: Kind,
    /// URI of the file.
    pub(super) source: &'r str,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) sha256: Sha256Hash,
    /// The text of a message, the bytes of a document.
    pub(super) content: &'r [u8],
}

/// The records of a batch; `None` if it is not one of the table.
pub(super) fn records(batch: &RecordBatch) -> Option<impl Iterator<Item = Record<'_>>> {
    let [source, offset, length, sha256, kind, content] = batch.columns() else { return None };
    let source: &StringViewArray = source.as_string_view_opt()?;
    let (offset, length) = (offset.as_primitive_opt::<Int64Type>()?, length.as_primitive_opt::<Int64Type>()?);
    let (sha256, content): (&BinaryArray, &BinaryArray) = (sha256.as_binary_opt()?, content.as_binary_opt()?);
    let kind = kind.as_string_view_opt()?;
    Some((0..batch.num_rows()).map(move |row| Record {
        kind: if kind.value(row) == Kind::Ccda.name() { Kind::Ccda } else { Kind::Hl7v2 },
        source: source.value(row),
        offset: offset.value(row).cast_unsigned(),
        length: length.value(row).cast_unsigned(),
        sha256: Sha256Hash(sha256.value(row).try_into().unwrap_or_default()),
        content: content.value(row),
    }))
}

fn tables() -> &'static [TableDef] {
    static TABLES: LazyLock<[TableDef; 1]> = LazyLock::new(|| {
        let column = |name, data_type, class| ColumnDef::new(name, data_type, "", class, "");
        let columns = vec![
            column(COL_SOURCE, DataType::Utf8View, PhiClass::OtherId),
            column(COL_OFFSET, DataType::Int64, PhiClass::OtherId),
            column(COL_LENGTH, DataType::Int64, PhiClass::OtherId),
            column("sha256", DataType::Binary, PhiClass::OtherId),
            column("kind", DataType::Utf8View, PhiClass::Operational),
            column("content", DataType::Binary, PhiClass::FreeText),
        ];
        [TableDef::new(TABLE, "whole records", columns)]
    });
    &*TABLES
}

/// The format of whole records.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) from: ConvertFrom,
}

impl Format for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn extensions(&self) -> &'static [&'static str] {
        static BOTH: LazyLock<Vec<&'static str>> = LazyLock::new(|| [Hl7v2.extensions(), Ccda.extensions()].concat());
        match self.from {
            ConvertFrom::Hl7v2 => Hl7v2.extensions(),
            ConvertFrom::Ccda => Ccda.extensions(),
            ConvertFrom::Auto => &BOTH,
        }
    }

    fn tables(&self) -> &[TableDef] {
        tables()
    }

    /// One reader keeps the order, and framing is fast beside converting.
    fn splittable(&self) -> bool {
        false
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        Hl7v2.check_options(options)
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        match self.from {
            ConvertFrom::Auto => Ok(Box::new(ByBeginning { spec, blank: Vec::new(), decoder: None })),
            ConvertFrom::Hl7v2 => decoder(Kind::Hl7v2, spec),
            ConvertFrom::Ccda => decoder(Kind::Ccda, spec),
        }
    }
}

fn decoder(kind: Kind, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
    let rows = Rows::new(kind, &spec);
    Ok(match kind {
        Kind::Hl7v2 => Box::new(Decoder::with_tap(spec, Box::new(Messages(rows)))?),
        Kind::Ccda => {
            let beginning = Vec::new();
            Box::new(Documents { source: spec.source, most: Limits::default().bytes, held: beginning, hash: None, length: 0, rows })
        }
    })
}

/// Decides by the first byte that is not blank.
struct ByBeginning {
    spec: DecoderSpec,
    blank: Vec<Bytes>,
    decoder: Option<Box<dyn BlockDecoder>>,
}

impl ByBeginning {
    fn decide(&mut self, first: Option<u8>, out: &mut dyn DecodedSink) -> Result<&mut Box<dyn BlockDecoder>, FormatError> {
        // A file without content is what its name says.
        let is_document = || Ccda.extensions().iter().any(|end| has_extension(&self.spec.source, end));
        let kind = match first {
            Some(b'<') => Kind::Ccda,
            None if is_document() => Kind::Ccda,
            _ => Kind::Hl7v2,
        };
        let mut decoder = decoder(kind, self.spec.clone())?;
        for block in self.blank.drain(..) {
            decoder.push(block, out)?;
        }
        Ok(self.decoder.insert(decoder))
    }

    fn decided(&mut self, out: &mut dyn DecodedSink) -> Result<&mut Box<dyn BlockDecoder>, FormatError> {
        if self.decoder.is_none() { self.decide(None, out) } else { self.decoder.as_mut().ok_or(FormatError::Stopped) }
    }
}

impl BlockDecoder for ByBeginning {
    fn push(&mut self, block: Bytes, out: &mut dyn DecodedSink) -> Result<Progress, FormatError> {
        if let Some(decoder) = &mut self.decoder {
            return decoder.push(block, out);
        }
        // Marks of byte order, and the zeros of UTF-16, are no content.
        let content = |byte: &&u8| !byte.is_ascii_whitespace() && !matches!(**byte, 0 | 0xEF | 0xBB | 0xBF | 0xFE | 0xFF);
        let first = block.iter().find(content).copied();
        if first.is_none() && self.blank.len() < 4 {
            self.blank.push(block);
            return Ok(Progress::More);
        }
        self.decide(first, out)?.push(block, out)
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        self.decided(out)?.finish(out)
    }

    fn break_off(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        self.decided(out)?.break_off(out)
    }
}

fn has_extension(uri: &str, end: &str) -> bool {
    uri.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(end))
}

/// Rows that wait to be a batch.
struct Rows {
    kind: Kind,
    /// For each request its position and columns.
    requests: Vec<(usize, Option<Vec<usize>>)>,
    source: StringViewBuilder,
    offset: Int64Builder,
    length: Int64Builder,
    sha256: BinaryBuilder,
    kinds: StringViewBuilder,
    content: BinaryBuilder,
    bytes: usize,
    count: usize,
}

impl Rows {
    fn new(kind: Kind, spec: &DecoderSpec) -> Self {
        Self {
            kind,
            requests: spec.requests.iter().enumerate().map(|(at, request)| (at, request.columns.clone())).collect(),
            source: StringViewBuilder::new().with_deduplicate_strings(),
            offset: Int64Builder::new(),
            length: Int64Builder::new(),
            sha256: BinaryBuilder::new(),
            kinds: StringViewBuilder::new(),
            content: BinaryBuilder::new(),
            bytes: 0,
            count: 0,
        }
    }

    fn push(&mut self, id: &RecordId, content: &[u8], out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        if self.requests.is_empty() {
            return Ok(());
        }
        self.source.append_value(&id.source);
        self.offset.append_value(id.offset.cast_signed());
        self.length.append_value(id.length.cast_signed());
        self.sha256.append_value(id.sha256.0);
        self.kinds.append_value(self.kind.name());
        self.content.append_value(content);
        self.bytes += content.len();
        self.count += 1;
        if self.bytes >= BATCH_BYTES || self.count >= BATCH_ROWS { self.flush(out) } else { Ok(()) }
    }

    fn flush(&mut self, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let count = std::mem::take(&mut self.count);
        self.bytes = 0;
        if count == 0 {
            return Ok(());
        }
        let columns: [ArrayRef; 6] = [
            Arc::new(self.source.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.length.finish()),
            Arc::new(self.sha256.finish()),
            Arc::new(self.kinds.finish()),
            Arc::new(self.content.finish()),
        ];
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let whole = RecordBatch::try_new_with_options(tables()[0].schema(), columns.into(), &options)?;
        for (request, columns) in &self.requests {
            let batch = match columns {
                Some(columns) => whole.project(columns)?,
                None => whole.clone(),
            };
            out.emit(Decoded::Batch { request: *request, batch })?;
        }
        Ok(())
    }
}

/// Messages as rows.
struct Messages(Rows);

impl MessageTap for Messages {
    fn take(&mut self, message: &RawMessage<'_>, out: &mut dyn DecodedSink) -> Result<Option<Refusal>, FormatError> {
        let id = RecordId {
            source: Arc::clone(message.source),
            offset: message.offset,
            length: message.raw.len() as u64,
            sha256: Sha256Hash::of(message.raw),
        };
        self.0.push(&id, message.text.as_bytes(), out).map(|()| None)
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        self.0.flush(out)
    }
}

/// A file as one row.
struct Documents {
    source: Arc<str>,
    /// The largest that is held.
    most: usize,
    held: Vec<u8>,
    /// Of a document that is too large: then `held` is its beginning.
    hash: Option<Sha256>,
    length: u64,
    rows: Rows,
}

impl Documents {
    fn id(&self, sha256: Sha256Hash) -> RecordId {
        RecordId { source: Arc::clone(&self.source), offset: 0, length: self.length, sha256 }
    }

    fn reject(&self, code: &'static str, reason: String, id: RecordId, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        let (bytes, truncated) = (Bytes::copy_from_slice(&self.held), self.hash.is_some());
        out.emit(Decoded::Reject(Reject { id, code, location: String::new(), reason, bytes, truncated }))?;
        let by_code = [(code.to_owned(), 1)].into();
        Ok(ReadStats {
            records: 1,
            rejected: 1,
            bytes: self.length,
            rejected_bytes: self.length,
            rejects_by_code: by_code,
            ..ReadStats::default()
        })
    }
}

impl BlockDecoder for Documents {
    fn push(&mut self, block: Bytes, _: &mut dyn DecodedSink) -> Result<Progress, FormatError> {
        self.length += block.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&block);
        } else if self.held.len() + block.len() <= self.most {
            self.held.extend_from_slice(&block);
        } else {
            self.hash = Some(Sha256::new().chain_update(&self.held).chain_update(&block));
            self.held.truncate(BEGINNING);
            self.held.shrink_to_fit();
        }
        Ok(Progress::More)
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        if let Some(hash) = &self.hash {
            let id = self.id(Sha256Hash(hash.clone().finalize().into()));
            let reason = format!("the document is larger than {} MiB, the most that is held in memory", self.most >> 20);
            return self.reject(CcdaErrorKind::TooLarge.code(), reason, id, out);
        }
        if self.held.iter().all(u8::is_ascii_whitespace) {
            let id = self.id(Sha256Hash::of(&self.held));
            return self.reject(CcdaErrorKind::Empty.code(), CcdaErrorKind::Empty.to_string(), id, out);
        }
        let id = self.id(Sha256Hash::of(&self.held));
        self.rows.push(&id, &self.held, out)?;
        self.rows.flush(out)?;
        Ok(ReadStats { records: 1, accepted: 1, bytes: self.length, accepted_bytes: self.length, ..ReadStats::default() })
    }

    fn break_off(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        let id = self.id(Sha256Hash::of(&self.held));
        self.reject("cut-off", "the input breaks off in this document; the sender should send the file again".to_owned(), id, out)
    }
}

#[cfg(test)]
mod tests {
    use sutura_core::TableRequest;

    use super::*;

    fn read(from: ConvertFrom, text: &[u8], block: usize) -> (Vec<(Kind, u64, Vec<u8>)>, ReadStats) {
        read_as("file:///x", from, text, block)
    }

    fn read_as(source: &str, from: ConvertFrom, text: &[u8], block: usize) -> (Vec<(Kind, u64, Vec<u8>)>, ReadStats) {
        let spec = DecoderSpec {
            source: source.into(),
            start: 0,
            end: None,
            options: serde_json::Value::Null,
            requests: vec![TableRequest::whole(TABLE)],
            batch_rows: 10,
        };
        let mut decoder = Records { from }.decoder(spec).unwrap();
        let mut out = Vec::new();
        for block in text.chunks(block) {
            decoder.push(Bytes::copy_from_slice(block), &mut out).unwrap();
        }
        let stats = decoder.finish(&mut out).unwrap();
        let mut found = Vec::new();
        for decoded in out {
            if let Decoded::Batch { batch, .. } = decoded {
                found.extend(records(&batch).unwrap().map(|record| (record.kind, record.offset, record.content.to_vec())));
            }
        }
        (found, stats)
    }

    #[test]
    fn files_are_told_by_their_beginning() {
        let messages = b"\r\nMSH|^~\\&|A|B|||20260101||ADT^A01|1|P|2.5\rPID|1||7\r\rMSH|^~\\&|A|B|||20260101||ADT^A01|2|P|2.5\rPID|1||8\r";
        for block in [1, 7, 1000] {
            let (found, stats) = read(ConvertFrom::Auto, messages, block);
            assert_eq!(found.iter().map(|(kind, offset, _)| (*kind, *offset)).collect::<Vec<_>>(), [(Kind::Hl7v2, 2), (Kind::Hl7v2, 53)]);
            assert!(found[0].2.starts_with(b"MSH") && stats.balances() && stats.accepted == 2, "{stats:?}");
            let document = b"\xEF\xBB\xBF\n<ClinicalDocument/>";
            let (found, stats) = read(ConvertFrom::Auto, document, block);
            assert_eq!(found, [(Kind::Ccda, 0, document.to_vec())]);
            assert!(stats.balances());
        }
        let (found, stats) = read(ConvertFrom::Auto, b" \n ", 1);
        assert!(found.is_empty() && stats.records == 0 && stats.balances(), "{stats:?}");
        for nothing in [&b""[..], b" \n "] {
            let (found, stats) = read_as("file:///x.xml", ConvertFrom::Auto, nothing, 1);
            assert!(found.is_empty() && stats.rejects_by_code["empty"] == 1 && stats.balances(), "{stats:?}");
        }
        assert_eq!(read(ConvertFrom::Hl7v2, b"<ClinicalDocument/>", 100).1.rejected, 1);
        assert_eq!(read(ConvertFrom::Ccda, b"MSH|", 100).1.accepted, 1, "whether it is a document is found when it is converted");
    }
}
