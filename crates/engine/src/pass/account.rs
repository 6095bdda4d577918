//! The account of each file: what its ranges counted, added up ([`crate::scan::batches`]).

use chrono::{DateTime, Utc};
use serde::Serialize;
use sutura_core::{Finding, ReadStats, Sha256Hash};

/// Most findings listed per file; all are counted, and all are rows of the table of findings.
pub(crate) const LISTED_FINDINGS: usize = 100;

/// What became of one file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileAccount {
    /// Name of the source in the pass.
    pub source: String,
    /// `file:///...` or `s3://...`.
    pub uri: String,
    /// Stored bytes (packed, if compressed).
    pub size: u64,
    /// When the file was last changed.
    pub modified: DateTime<Utc>,
    /// The object store's version mark.
    pub etag: Option<String>,
    /// `none`, `gzip` or `zstd`.
    pub compression: &'static str,
    /// SHA-256 of the stored bytes. Files read whole are hashed as they are read; local files that were cut
    /// into ranges are read once more for it. Absent for cut S3 objects (their `etag` stands for it) and for damaged archives.
    pub sha256: Option<Sha256Hash>,
    /// Stored bytes read for rows (a little more than `size` for a file that was cut).
    pub bytes_read: u64,
    /// How many ranges it was cut into.
    pub ranges: usize,
    /// Records, rejects, bytes, findings by code. `batch_events` is empty: they are checked and folded into `findings`.
    pub stats: ReadStats,
    /// Findings about the file as a whole (the first hundred).
    pub findings: Vec<Finding>,
}

/// The sums over files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files.
    pub files: u64,
    /// Records seen.
    pub records: u64,
    /// Records that became rows.
    pub accepted: u64,
    /// Records that became rejects.
    pub rejected: u64,
    /// Bytes after decompression.
    pub bytes: u64,
}

impl Totals {
    /// Adds one file.
    pub fn add(&mut self, file: &FileAccount) {
        self.files += 1;
        self.records += file.stats.records;
        self.accepted += file.stats.accepted;
        self.rejected += file.stats.rejected;
        self.bytes += file.stats.bytes;
    }
}
