//! The reader: the bytes of one file in, rows or one reject out.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use sutura_core::{BlockDecoder, Decoded, DecodedSink, DecoderSpec, FormatError, Progress, ReadStats, RecordId, Reject, Sha256Hash};

use crate::{
    document::Document,
    error::{CcdaError, CcdaErrorKind},
    limits::Limits,
    options::Options,
    tables::{Plan, Record},
};

/// Bytes kept of a document that is too large.
const BEGINNING: usize = 64 << 10;

/// Reads one file: one document.
#[derive(Debug)]
pub struct Decoder {
    source: Arc<str>,
    limits: Limits,
    plan: Plan,
    /// A file is no smaller unit than the document: a range that does not begin at its beginning has nothing.
    owns_nothing: bool,
    held: Held,
    length: u64,
}

/// What is held of the file.
#[derive(Debug)]
enum Held {
    /// One block, as it came.
    One(Bytes),
    /// All blocks so far.
    All(BytesMut),
    /// More than the limit: the beginning, and the hash of all.
    TooLarge { beginning: Bytes, hash: Sha256 },
}

impl Decoder {
    /// A decoder for the tables of `spec`.
    ///
    /// # Errors
    /// When a table or column does not exist, or an option is wrong.
    pub fn new(spec: DecoderSpec) -> Result<Self, FormatError> {
        let options = Options::from_json(&spec.options)?;
        Ok(Self {
            source: spec.source,
            limits: options.limits(),
            plan: Plan::compile(&spec.requests, spec.batch_rows)?,
            owns_nothing: spec.start > 0,
            held: Held::One(Bytes::new()),
            length: 0,
        })
    }

    fn hold(&mut self, block: Bytes) {
        self.length += block.len() as u64;
        let held = std::mem::replace(&mut self.held, Held::One(Bytes::new()));
        let before = match held {
            Held::TooLarge { beginning, mut hash } => {
                hash.update(&block);
                self.held = Held::TooLarge { beginning, hash };
                return;
            }
            Held::One(first) if first.is_empty() => {
                if block.len() <= self.limits.bytes {
                    self.held = Held::One(block);
                    return;
                }
                BytesMut::new()
            }
            Held::One(first) => BytesMut::from(&first[..]),
            Held::All(all) => all,
        };
        if before.len() + block.len() <= self.limits.bytes {
            let mut all = before;
            all.extend_from_slice(&block);
            self.held = Held::All(all);
            return;
        }
        let mut hash = Sha256::new();
        hash.update(&before);
        hash.update(&block);
        let mut beginning = before;
        beginning.truncate(BEGINNING);
        let more = BEGINNING.saturating_sub(beginning.len()).min(block.len());
        beginning.extend_from_slice(&block[..more]);
        self.held = Held::TooLarge { beginning: beginning.freeze(), hash };
    }

    fn document(&mut self, bytes: &Bytes, stats: &mut ReadStats, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        stats.records = 1;
        let document = match Document::parse(bytes.clone(), &self.limits) {
            Ok(document) => document,
            Err(error) => return self.reject(error, bytes, stats, out),
        };
        stats.accepted = 1;
        stats.accepted_bytes = self.length;
        for finding in document.findings() {
            stats.count_finding(finding);
        }
        let record = Record { source: &self.source, bytes, document: &document };
        self.plan.record(&record, out)
    }

    fn reject(&self, error: CcdaError, bytes: &Bytes, stats: &mut ReadStats, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let id = RecordId { source: Arc::clone(&self.source), offset: 0, length: self.length, sha256: Sha256Hash::of(bytes) };
        let reason = format!("byte {}: {}", error.offset, error.kind);
        self.push_reject(
            Reject { id, code: error.kind.code(), location: String::new(), reason, bytes: bytes.clone(), truncated: false },
            stats,
            out,
        )
    }

    fn push_reject(&self, reject: Reject, stats: &mut ReadStats, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        stats.records = 1;
        stats.rejected = 1;
        stats.rejected_bytes = self.length;
        *stats.rejects_by_code.entry(reject.code.to_owned()).or_default() += 1;
        out.emit(Decoded::Reject(reject))
    }
}

impl BlockDecoder for Decoder {
    fn push(&mut self, block: Bytes, _out: &mut dyn DecodedSink) -> Result<Progress, FormatError> {
        if self.owns_nothing {
            return Ok(Progress::Done);
        }
        if !block.is_empty() {
            self.hold(block);
        }
        Ok(Progress::More)
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        let mut stats = ReadStats { bytes: self.length, ..ReadStats::default() };
        let bytes = match std::mem::replace(&mut self.held, Held::One(Bytes::new())) {
            Held::One(bytes) => bytes,
            Held::All(all) => all.freeze(),
            Held::TooLarge { beginning, hash } => {
                let sha256 = Sha256Hash(hash.finalize().into());
                let id = RecordId { source: Arc::clone(&self.source), offset: 0, length: self.length, sha256 };
                let reason = format!("the document is larger than max_record_bytes ({}); raise the option to read it", self.limits.bytes);
                let code = CcdaErrorKind::TooLarge.code();
                let reject = Reject { id, code, location: String::new(), reason, bytes: beginning, truncated: true };
                self.push_reject(reject, &mut stats, out)?;
                return Ok(stats);
            }
        };
        let is_blank = |byte: &u8| byte.is_ascii_whitespace();
        if bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes).iter().all(is_blank) {
            stats.envelope_bytes = self.length;
            return Ok(stats);
        }
        self.document(&bytes, &mut stats, out)?;
        self.plan.finish(out)?;
        Ok(stats)
    }
}
