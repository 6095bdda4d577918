//! The account of each file: what its ranges counted, added up, and the batch counts checked across them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sutura_core::{Finding, ReadStats, Severity, Sha256Hash, format::BatchEvent};

/// Code of the finding: BTS-1 or FTS-1 does not say what the file holds.
pub const CODE_BATCH_COUNT: &str = "batch-count-mismatch";
/// Code of the finding: a batch or file header without its trailer.
pub const CODE_BATCH_OPEN: &str = "batch-trailer-missing";
/// Most findings listed per file; all are counted.
const LISTED_FINDINGS: usize = 100;

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

/// One range's account as it waits for the others of its file. Of the batch events only what a neighbour can change is kept.
#[derive(Debug)]
pub(crate) struct RangePart {
    pub(crate) start: u64,
    pub(crate) stats: ReadStats,
    steps: Vec<BatchStep>,
}

/// Batch events, closed and right batches folded into their number: a file with a batch around each message stays small.
#[derive(Debug, PartialEq, Eq)]
enum BatchStep {
    Event(BatchEvent),
    RightBatches(u64),
}

impl RangePart {
    pub(crate) fn new(start: u64, mut stats: ReadStats) -> Self {
        let mut steps: Vec<BatchStep> = Vec::new();
        for event in std::mem::take(&mut stats.batch_events) {
            let right = event.kind == "BTS"
                && event.declared.is_none_or(|declared| declared == event.messages)
                && matches!(steps.last(), Some(BatchStep::Event(before)) if before.kind == "BHS" && !expects_trailer(&steps));
            if !right {
                steps.push(BatchStep::Event(event));
                continue;
            }
            steps.pop();
            match steps.last_mut() {
                Some(BatchStep::RightBatches(count)) => *count += 1,
                _ => steps.push(BatchStep::RightBatches(1)),
            }
        }
        Self { start, stats, steps }
    }
}

/// Whether the step before the last one left a batch open that the last one (a BHS) would end without trailer. Such a BHS
/// must stay, to be found.
fn expects_trailer(steps: &[BatchStep]) -> bool {
    match steps.len().checked_sub(2).map(|before| &steps[before]) {
        Some(BatchStep::Event(event)) => event.kind == "BHS",
        Some(BatchStep::RightBatches(_)) => false,
        // The range before may have left one open.
        None => true,
    }
}

/// Adds up the ranges of one file.
pub(crate) fn join(mut parts: Vec<RangePart>) -> (ReadStats, Vec<Finding>) {
    parts.sort_by_key(|part| part.start);
    let mut stats = ReadStats::default();
    let mut findings = Vec::new();
    let mut found = |stats: &mut ReadStats, finding: Finding| {
        stats.count_finding(&finding);
        if findings.len() < LISTED_FINDINGS {
            findings.push(finding);
        }
    };
    let mut messages = 0;
    let mut batches = 0;
    let (mut batch_open, mut file_open) = (false, false);
    for part in parts {
        stats.merge(&part.stats);
        for step in part.steps {
            let event = match step {
                BatchStep::RightBatches(count) => {
                    batches += count;
                    (messages, batch_open) = (0, false);
                    continue;
                }
                BatchStep::Event(event) => event,
            };
            messages += event.messages;
            match event.kind {
                "FHS" => (messages, batches, file_open) = (0, 0, true),
                "BHS" => {
                    if batch_open {
                        found(&mut stats, open_finding("BTS", "batch", event.offset));
                    }
                    (messages, batch_open) = (0, true);
                }
                "BTS" => {
                    if let Some(declared) = event.declared.filter(|&declared| declared != messages) {
                        found(&mut stats, count_finding("BTS-1", "messages", declared, messages, event.offset));
                    }
                    batches += 1;
                    (messages, batch_open) = (0, false);
                }
                "FTS" => {
                    // A batch without trailer is a batch, and so are messages in a file without batch segments.
                    let seen = batches + u64::from(batch_open || (batches == 0 && messages > 0));
                    if let Some(declared) = event.declared.filter(|&declared| declared != seen) {
                        found(&mut stats, count_finding("FTS-1", "batches", declared, seen, event.offset));
                    }
                    if batch_open {
                        found(&mut stats, open_finding("BTS", "batch", event.offset));
                    }
                    (messages, batches, batch_open, file_open) = (0, 0, false, false);
                }
                _ => {}
            }
        }
    }
    let end = stats.bytes;
    if batch_open {
        found(&mut stats, open_finding("BTS", "batch", end));
    }
    if file_open {
        found(&mut stats, open_finding("FTS", "file", end));
    }
    (stats, findings)
}

fn count_finding(location: &str, what: &str, declared: u64, seen: u64, offset: u64) -> Finding {
    let message = format!("declares {declared} {what}, the file has {seen} (at byte {offset}); ask the sender whether the file is whole");
    Finding::new(CODE_BATCH_COUNT, Severity::Warning, location, message)
}

fn open_finding(location: &str, what: &str, offset: u64) -> Finding {
    let message = format!("the {what} has no trailer (at byte {offset}); ask the sender whether the file is whole");
    Finding::new(CODE_BATCH_OPEN, Severity::Warning, location, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &'static str, declared: Option<u64>, messages: u64) -> BatchEvent {
        BatchEvent { offset: if kind == "END" { u64::MAX } else { 5 }, kind, declared, messages }
    }

    fn codes(events: &[BatchEvent], cuts: &[usize]) -> Vec<(String, &'static str)> {
        let mut bounds = vec![0];
        bounds.extend_from_slice(cuts);
        bounds.push(events.len());
        let parts = bounds.windows(2).enumerate().map(|(number, cut)| {
            let mut batch_events = events[cut[0]..cut[1]].to_vec();
            batch_events.push(event("END", None, 0));
            RangePart::new(number as u64, ReadStats { batch_events, ..ReadStats::default() })
        });
        let mut parts: Vec<RangePart> = parts.collect();
        parts.reverse();
        let (stats, findings) = join(parts);
        assert_eq!(stats.findings.values().sum::<u64>(), findings.len() as u64);
        findings.into_iter().map(|finding| (finding.location, finding.code)).collect()
    }

    #[test]
    fn counts_are_checked_across_ranges() {
        let right = [
            event("FHS", None, 0),
            event("BHS", None, 0),
            event("BTS", Some(2), 2),
            event("BHS", None, 0),
            event("BTS", Some(1), 1),
            event("BHS", None, 0),
            event("BTS", None, 4),
            event("FTS", Some(3), 0),
        ];
        let wrong = [
            event("FHS", None, 0),
            event("BHS", None, 0),
            event("BTS", Some(3), 1),
            event("BHS", None, 0),
            event("FTS", Some(1), 2),
            event("FHS", None, 0),
        ];
        let wrong_codes = [("BTS-1", CODE_BATCH_COUNT), ("FTS-1", CODE_BATCH_COUNT), ("BTS", CODE_BATCH_OPEN), ("FTS", CODE_BATCH_OPEN)];
        for cut in 0..=8 {
            for second in cut..=8 {
                assert!(codes(&right, &[cut, second]).is_empty(), "{cut} {second}");
                let found = codes(&wrong, &[cut.min(6), second.min(6)]);
                let found: Vec<(&str, &str)> = found.iter().map(|(location, code)| (location.as_str(), *code)).collect();
                assert_eq!(found, wrong_codes, "{cut} {second}");
            }
        }
        assert!(codes(&[event("FHS", None, 0), event("FTS", Some(1), 3)], &[1]).is_empty(), "a file is one batch");
    }

    #[test]
    fn many_right_batches_take_no_memory() {
        let batch_events = (0..10_000).flat_map(|_| [event("BHS", None, 0), event("BTS", Some(1), 1)]).collect();
        let part = RangePart::new(0, ReadStats { batch_events, ..ReadStats::default() });
        assert!(part.steps.len() < 5, "{}", part.steps.len());
    }
}
