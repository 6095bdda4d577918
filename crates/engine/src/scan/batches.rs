//! The ranges of one file, joined: their accounts added up, and what batch trailers declare checked across them.
//!
//! The range that holds a trailer may have seen neither the header nor all the messages. So each range only notes its
//! batch segments and the messages between them ([`BatchEvent`]), and whoever has all the ranges joins them here.

use arrow::array::RecordBatch;
use sutura_core::{
    Finding, Format, ReadStats, Severity,
    finding::{FINDINGS_TABLE, SourceFinding, source_findings},
    format::BatchEvent,
};

use crate::error::Result;

/// Code of the finding: BTS-1 or FTS-1 does not say what the file holds.
pub const CODE_BATCH_COUNT: &str = "batch-count-mismatch";
/// Code of the finding: a batch or file header without its trailer.
pub const CODE_BATCH_OPEN: &str = "batch-trailer-missing";

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
                && !event.unreadable
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

/// Adds up the ranges of one file. `found` takes each finding, in order of the place where it showed.
pub(crate) fn join(mut parts: Vec<RangePart>, found: &mut dyn FnMut(SourceFinding) -> Result<()>) -> Result<ReadStats> {
    parts.sort_by_key(|part| part.start);
    let mut stats = ReadStats::default();
    let mut found = |stats: &mut ReadStats, finding: SourceFinding| {
        stats.count_finding(&finding.finding);
        found(finding)
    };
    let mut messages = 0;
    let mut batches = 0;
    // Where the header stands of what is open.
    let (mut batch_open, mut file_open) = (None, None);
    for part in parts {
        stats.merge(&part.stats);
        for step in part.steps {
            let event = match step {
                BatchStep::RightBatches(count) => {
                    batches += count;
                    (messages, batch_open) = (0, None);
                    continue;
                }
                BatchStep::Event(event) => event,
            };
            messages += event.messages;
            match event.kind {
                "FHS" => (messages, batches, file_open) = (0, 0, Some(event.offset)),
                "BHS" => {
                    if let Some(header) = batch_open {
                        found(&mut stats, open_finding("BTS", "batch", header, event.offset))?;
                    }
                    (messages, batch_open) = (0, Some(event.offset));
                }
                "BTS" => {
                    if let Some(finding) = count_finding(&event, "messages", messages) {
                        found(&mut stats, finding)?;
                    }
                    batches += 1;
                    (messages, batch_open) = (0, None);
                }
                "FTS" => {
                    // A batch without trailer is a batch, and so are messages in a file without batch segments.
                    let seen = batches + u64::from(batch_open.is_some() || (batches == 0 && messages > 0));
                    if let Some(finding) = count_finding(&event, "batches", seen) {
                        found(&mut stats, finding)?;
                    }
                    if let Some(header) = batch_open {
                        found(&mut stats, open_finding("BTS", "batch", header, event.offset))?;
                    }
                    (messages, batches, batch_open, file_open) = (0, 0, None, None);
                }
                _ => {}
            }
        }
    }
    let end = stats.bytes;
    if let Some(header) = batch_open {
        found(&mut stats, open_finding("BTS", "batch", header, end))?;
    }
    if let Some(header) = file_open {
        found(&mut stats, open_finding("FTS", "file", header, end))?;
    }
    Ok(stats)
}

/// The finding about a trailer whose count is not what was seen, or no number.
fn count_finding(trailer: &BatchEvent, what: &str, seen: u64) -> Option<SourceFinding> {
    let says = match trailer.declared {
        _ if trailer.unreadable => format!("does not hold a number of {what}"),
        Some(declared) if declared != seen => format!("declares {declared} {what}"),
        _ => return None,
    };
    let offset = trailer.offset;
    let message = format!("{says}, the file has {seen} (at byte {offset}); ask the sender whether the file is whole");
    let location = if trailer.kind == "FTS" { "FTS-1" } else { "BTS-1" };
    Some(SourceFinding { offset, finding: Finding::new(CODE_BATCH_COUNT, Severity::Warning, location, message) })
}

fn open_finding(location: &str, what: &str, header: u64, end: u64) -> SourceFinding {
    let message =
        format!("the {what} that begins at byte {header} has no trailer before byte {end}; ask the sender whether the file is whole");
    SourceFinding { offset: header, finding: Finding::new(CODE_BATCH_OPEN, Severity::Warning, location, message) }
}

/// Findings about one file on their way into the format's table of findings.
pub(crate) struct FindingRows<'a> {
    format: &'a dyn Format,
    uri: &'a str,
    batch_rows: usize,
    waiting: Vec<SourceFinding>,
}

impl<'a> FindingRows<'a> {
    pub(crate) fn new(format: &'a dyn Format, uri: &'a str, batch_rows: usize) -> Self {
        Self { format, uri, batch_rows: batch_rows.max(1), waiting: Vec::new() }
    }

    /// Adds one; gives a batch with all columns of the table when enough have gathered.
    pub(crate) fn push(&mut self, finding: SourceFinding) -> Result<Option<RecordBatch>> {
        self.waiting.push(finding);
        if self.waiting.len() >= self.batch_rows { self.finish() } else { Ok(None) }
    }

    /// What is left. Nothing, where the format has no table of findings.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let findings = std::mem::take(&mut self.waiting);
        match self.format.table(FINDINGS_TABLE).filter(|_| !findings.is_empty()) {
            Some(table) => Ok(Some(source_findings(table, self.uri, &findings)?)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &'static str, declared: Option<u64>, messages: u64) -> BatchEvent {
        BatchEvent { offset: if kind == "END" { u64::MAX } else { 5 }, kind, declared, unreadable: false, messages }
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
        let mut findings = Vec::new();
        let stats = join(parts, &mut |found| {
            findings.push(found.finding);
            Ok(())
        });
        assert_eq!(stats.unwrap().findings.values().sum::<u64>(), findings.len() as u64);
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
    fn a_count_that_is_no_number_is_found() {
        let unreadable = |kind, messages| BatchEvent { unreadable: true, ..event(kind, None, messages) };
        let events = [event("FHS", None, 0), event("BHS", None, 0), unreadable("BTS", 1), unreadable("FTS", 0)];
        for cut in 0..=4 {
            let expected = [("BTS-1".to_owned(), CODE_BATCH_COUNT), ("FTS-1".to_owned(), CODE_BATCH_COUNT)];
            assert_eq!(codes(&events, &[cut]), expected, "{cut}");
        }
    }

    #[test]
    fn many_right_batches_take_no_memory() {
        let batch_events = (0..10_000).flat_map(|_| [event("BHS", None, 0), event("BTS", Some(1), 1)]).collect();
        let part = RangePart::new(0, ReadStats { batch_events, ..ReadStats::default() });
        assert!(part.steps.len() < 5, "{}", part.steps.len());
    }
}
