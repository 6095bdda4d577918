//! The reader: the bytes of one file in, rows or one reject out.

use std::{cell::OnceCell, sync::Arc};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use sutura_core::{
    BlockDecoder, Decoded, DecodedSink, DecoderSpec, FormatError, Progress, ReadStats, RecordId, Reject, Sha256Hash, TableRequest,
};

use crate::{
    error::{DicomError, DicomErrorKind},
    file::DicomFile,
    limits::Limits,
    options::Options,
    tables::{Plan, Record},
};

/// Bytes kept of a file that is rejected for its size.
const BEGINNING: usize = 64 << 10;

/// Reads one file: one instance.
///
/// A file up to the limit is held as a whole. Of a larger one only what stands before the pixel data is held; the rest passes by.
pub struct Decoder {
    source: Arc<str>,
    limits: Limits,
    plan: Plan,
    /// A file is no smaller unit than the instance: a range that does not begin at its beginning has nothing.
    owns_nothing: bool,
    held: Held,
    length: u64,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is held is the patient's.
        f.debug_struct("Decoder").field("plan", &self.plan).field("length", &self.length).finish_non_exhaustive()
    }
}

/// What is held of the file.
enum Held {
    /// One block, as it came.
    One(Bytes),
    /// All blocks so far.
    All(BytesMut),
    /// What stands before the pixel data, or the beginning of what is too large; and the hash of all, if somebody wants it.
    Beginning { bytes: Bytes, file: Option<Box<DicomFile>>, hash: Option<Sha256> },
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
            plan: Plan::compile(&spec.requests, spec.batch_rows, true)?,
            owns_nothing: spec.start > 0,
            held: Held::One(Bytes::new()),
            length: 0,
        })
    }

    fn hold(&mut self, block: Bytes) {
        self.length += block.len() as u64;
        let held = std::mem::replace(&mut self.held, Held::One(Bytes::new()));
        self.held = match held {
            Held::Beginning { bytes, file, mut hash } => {
                if let Some(hash) = &mut hash {
                    hash.update(&block);
                }
                Held::Beginning { bytes, file, hash }
            }
            Held::One(first) if first.is_empty() => Held::One(block),
            Held::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + block.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&block);
                Held::All(all)
            }
            Held::All(mut all) => {
                all.extend_from_slice(&block);
                Held::All(all)
            }
        };
        self.let_go();
    }

    /// Stops holding a file that is too large but for its header.
    fn let_go(&mut self) {
        let size = match &self.held {
            Held::One(bytes) => bytes.len(),
            Held::All(bytes) => bytes.len(),
            Held::Beginning { .. } => return,
        };
        if size <= self.limits.bytes {
            return;
        }
        let all = match std::mem::replace(&mut self.held, Held::One(Bytes::new())) {
            Held::One(bytes) => bytes,
            Held::All(bytes) => bytes.freeze(),
            beginning @ Held::Beginning { .. } => {
                self.held = beginning;
                return;
            }
        };
        let looked_at = all.slice(..size.min(self.limits.bytes));
        let found = DicomFile::parse_beginning(looked_at, &self.limits).ok().flatten();
        // Of a deflated data set the places are those of the unpacked bytes: no beginning of the file can be kept.
        let found = found.filter(|file| file.deflated_bytes().is_none());
        let hash = (self.plan.wants_hash() || found.is_none()).then(|| {
            let mut hash = Sha256::new();
            hash.update(&all);
            hash
        });
        // A copy, so that the blocks are free again.
        let (bytes, file) = match found {
            Some(file) => {
                let end = file.pixel_data().map_or(0, |pixels| pixels.offset());
                let bytes = Bytes::copy_from_slice(&all[..end.min(all.len())]);
                let again = DicomFile::parse_beginning(bytes.clone(), &self.limits).ok().flatten();
                (bytes, again.map(Box::new))
            }
            None => (Bytes::copy_from_slice(&all[..BEGINNING.min(all.len())]), None),
        };
        self.held = Held::Beginning { bytes, file, hash };
    }

    fn record(&mut self, bytes: &Bytes, stats: &mut ReadStats, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        match DicomFile::parse(bytes.clone(), &self.limits) {
            Ok(file) => {
                let record = Record::new(&self.source, bytes, &file);
                account(&file, self.length, stats);
                self.plan.record(&record, out)
            }
            Err(error) => reject(&self.source, error, bytes, stats, out),
        }
    }

    /// A file of which only the beginning is held.
    fn beginning(
        &mut self,
        bytes: &Bytes,
        file: Option<&DicomFile>,
        hash: Option<Sha256>,
        stats: &mut ReadStats,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        let sha256 = hash.map(|hash| Sha256Hash(hash.finalize().into()));
        let Some(file) = file else {
            let kind = DicomErrorKind::TooLarge;
            let id = RecordId {
                source: Arc::clone(&self.source),
                offset: 0,
                length: self.length,
                sha256: sha256.unwrap_or_else(|| Sha256Hash::of(bytes)),
            };
            let reject =
                Reject { id, code: kind.code(), location: String::new(), reason: kind.to_string(), bytes: bytes.clone(), truncated: true };
            return push_reject(reject, stats, out);
        };
        account(file, self.length, stats);
        let known = sha256.map_or_else(OnceCell::new, |hash| OnceCell::from(hash.to_string()));
        let record = Record { source: &self.source, length: self.length, sha256: known, bytes, file, data_set: file.data_set() };
        self.plan.record(&record, out)
    }
}

fn account(file: &DicomFile, length: u64, stats: &mut ReadStats) {
    stats.records += 1;
    stats.accepted += 1;
    stats.accepted_bytes += length;
    for finding in file.findings().iter().chain(file.text_findings()) {
        stats.count_finding(finding);
    }
}

fn reject(
    source: &Arc<str>,
    error: DicomError,
    bytes: &Bytes,
    stats: &mut ReadStats,
    out: &mut dyn DecodedSink,
) -> Result<(), FormatError> {
    let id = RecordId { source: Arc::clone(source), offset: 0, length: bytes.len() as u64, sha256: Sha256Hash::of(bytes) };
    let location = error.tag.map(|tag| tag.to_string()).unwrap_or_default();
    let reason = format!("byte {}: {}", error.offset, error.kind);
    push_reject(Reject { id, code: error.kind.code(), location, reason, bytes: bytes.clone(), truncated: false }, stats, out)
}

fn push_reject(reject: Reject, stats: &mut ReadStats, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
    stats.records += 1;
    stats.rejected += 1;
    stats.rejected_bytes += reject.id.length;
    *stats.rejects_by_code.entry(reject.code.to_owned()).or_default() += 1;
    out.emit(Decoded::Reject(reject))
}

impl BlockDecoder for Decoder {
    fn push(&mut self, block: Bytes, _out: &mut dyn DecodedSink) -> Result<Progress, FormatError> {
        if self.owns_nothing {
            return Ok(Progress::Done);
        }
        if !block.is_empty() {
            self.hold(block);
        }
        // It is a reject whatever comes, and what is packed may be without end.
        let is_hopeless = matches!(self.held, Held::Beginning { file: None, .. });
        Ok(if is_hopeless { Progress::Done } else { Progress::More })
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        let mut stats = ReadStats { bytes: self.length, ..ReadStats::default() };
        match std::mem::replace(&mut self.held, Held::One(Bytes::new())) {
            Held::One(_) if self.owns_nothing => return Ok(stats),
            Held::One(bytes) => self.record(&bytes, &mut stats, out)?,
            Held::All(all) => self.record(&all.freeze(), &mut stats, out)?,
            Held::Beginning { bytes, file, hash } => self.beginning(&bytes, file.as_deref(), hash, &mut stats, out)?,
        }
        self.plan.finish(out)?;
        Ok(stats)
    }
}

/// Reads many files into the same batches: for whoever has the files at hand, not a stream of blocks.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    plan: Plan,
    stats: ReadStats,
}

impl Reader {
    /// A reader for some tables.
    ///
    /// # Errors
    /// When a table or column does not exist.
    pub fn new(requests: &[TableRequest], batch_rows: usize, options: &Options) -> Result<Self, FormatError> {
        Ok(Self { limits: options.limits(), plan: Plan::compile(requests, batch_rows, false)?, stats: ReadStats::default() })
    }

    /// Reads one file.
    ///
    /// # Errors
    /// When the sink wants no more. A broken file is a reject.
    pub fn file(&mut self, source: &Arc<str>, bytes: &Bytes, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        self.stats.bytes += bytes.len() as u64;
        match DicomFile::parse(bytes.clone(), &self.limits) {
            Ok(file) => {
                account(&file, bytes.len() as u64, &mut self.stats);
                self.plan.record(&Record::new(source, bytes, &file), out)
            }
            Err(error) => reject(source, error, bytes, &mut self.stats, out),
        }
    }

    /// Gives out the rows that are left, and the account of all files.
    ///
    /// # Errors
    /// When the sink wants no more.
    pub fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        self.plan.finish(out)?;
        Ok(std::mem::take(&mut self.stats))
    }
}
