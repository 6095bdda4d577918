//! The contract between a format reader and the engine.
//!
//! A reader is a state machine without I/O: the engine pushes blocks of bytes, and the decoder hands
//! each batch and reject to a [`DecodedSink`] the moment it is made, so that no block, however rich,
//! is held as rows. The same code serves files, object stores, sockets and Python, and a large file
//! is read by many decoders, each over its byte range.

use std::{any::Any, collections::BTreeMap, fmt, ops::ControlFlow, sync::Arc};

use arrow::array::RecordBatch;
use bytes::Bytes;

use crate::{
    filter::{Condition, Pushed},
    finding::Finding,
    reject::Reject,
    table::{Grouping, TableDef},
};

/// What a caller wants of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRequest {
    /// Table name.
    pub table: String,
    /// Positions of the wanted columns in [`TableDef::columns`], in output order; `None` for all.
    /// A column that is not asked for is not decoded. An empty list yields batches with a row
    /// count and no columns.
    pub columns: Option<Vec<usize>>,
    /// What every wanted row fulfils, all of it. Only conditions that [`Format::pushes`] answered with more than
    /// [`Pushed::No`] may stand here. A row that is dropped is not decoded further: what is wrong with the rest of it stays unseen.
    pub filter: Vec<Condition>,
}

impl TableRequest {
    /// Every column and row of a table.
    pub fn whole(table: impl Into<String>) -> Self {
        Self { table: table.into(), columns: None, filter: Vec::new() }
    }
}

/// A table that a user describes, in the language that a format has for it (FHIR: a ViewDefinition).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewText {
    /// What messages call it: the file, most often. Where the text has no name of its own, the table is named after it.
    pub origin: String,
    /// The table's name, in place of the one that the text gives it.
    pub name: Option<String>,
    /// The text.
    pub text: Vec<u8>,
}

/// Everything a decoder needs to know before the first byte.
#[derive(Debug, Clone)]
pub struct DecoderSpec {
    /// URI of the source, for record identities.
    pub source: Arc<str>,
    /// First byte of the range this decoder owns. A decoder owns the records that *start* in
    /// `start..end`. When `start > 0`, the first pushed byte is the one at `start - 1` (one byte of
    /// look-back, so that a record starting exactly at `start` is recognised).
    pub start: u64,
    /// End of the range; `None` for the end of the source. The caller goes on pushing past it until
    /// the decoder answers [`Progress::Done`].
    pub end: Option<u64>,
    /// The format's options as JSON (each format documents its own; unknown keys are errors).
    pub options: serde_json::Value,
    /// The wanted tables. [`Decoded::Batch::request`] is a position in this list.
    pub requests: Vec<TableRequest>,
    /// Most rows of a batch; a decoder may make smaller ones.
    pub batch_rows: usize,
}

/// What comes out of a decoder.
#[derive(Debug)]
pub enum Decoded {
    /// Rows of one requested table, with exactly the requested columns.
    Batch {
        /// Position in [`DecoderSpec::requests`].
        request: usize,
        /// The rows.
        batch: RecordBatch,
    },
    /// A stretch of input that did not become rows.
    Reject(Reject),
}

/// Takes what a decoder makes, one piece at a time, in order.
///
/// It may wait, and the decoder waits with it (back-pressure); it may say that it wants no more. A closure
/// `FnMut(Decoded) -> ControlFlow<()>` is a sink, and so is a `Vec<Decoded>`, for inputs that are known to be small.
pub trait DecodedSink {
    /// Takes one piece. [`ControlFlow::Break`] ends the reading.
    fn take(&mut self, decoded: Decoded) -> ControlFlow<()>;

    /// [`DecodedSink::take`] as a decoder calls it: a sink that wants no more is [`FormatError::Stopped`].
    fn emit(&mut self, decoded: Decoded) -> Result<(), FormatError> {
        match self.take(decoded) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(FormatError::Stopped),
        }
    }
}

impl<F: FnMut(Decoded) -> ControlFlow<()>> DecodedSink for F {
    fn take(&mut self, decoded: Decoded) -> ControlFlow<()> {
        self(decoded)
    }
}

impl DecodedSink for Vec<Decoded> {
    fn take(&mut self, decoded: Decoded) -> ControlFlow<()> {
        self.push(decoded);
        ControlFlow::Continue(())
    }
}

/// Whether a decoder wants more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Push the next block.
    More,
    /// Every record of the range is out; stop pushing and call `finish`.
    Done,
}

/// A reader over one byte range: bytes in, batches and rejects out, bounded memory.
///
/// A decoder holds at most the bytes of one record and, for each requested table, the rows of one batch that is not full
/// yet. A full batch goes to the sink at once, also in the middle of a record. After an error
/// ([`FormatError::Stopped`] too) a decoder is of no more use.
pub trait BlockDecoder: Send {
    /// Takes the next block. Blocks follow one another without gap; their size is the caller's
    /// choice (a few MiB is best) and never changes the result.
    fn push(&mut self, block: Bytes, out: &mut dyn DecodedSink) -> Result<Progress, FormatError>;

    /// Ends the input (or the range) and gives out what is left.
    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError>;

    /// Ends an input that broke off (a packed file that is cut): what is left may be the beginning of a record only, and is to be
    /// rejected by formats whose records do not say where they end.
    fn break_off(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        self.finish(out)
    }
}

/// A format: its tables, and decoders for them.
pub trait Format: Any + Send + Sync + fmt::Debug {
    /// The name in SQL (`read_<name>`) and jobs.
    fn name(&self) -> &'static str;
    /// File name extensions without dot, for folders; `.gz` and `.zst` may follow them. An empty one stands for names without extension.
    fn extensions(&self) -> &'static [&'static str];
    /// The tables, the default one first.
    fn tables(&self) -> &[TableDef];
    /// Whether files can be read by byte range.
    fn splittable(&self) -> bool;
    /// Whether a file that begins with these bytes (a few hundred at most) can be. Where it cannot, its first range is
    /// the whole file and the others are empty.
    fn splittable_from(&self, _beginning: &[u8]) -> bool {
        true
    }
    /// Checks options and says what is wrong with them, naming the nearest key.
    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError>;
    /// A decoder for one range.
    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError>;

    /// What a decoder makes of a condition in a request of the table ([`TableRequest::filter`]).
    fn pushes(&self, _table: &str, _condition: &Condition) -> Pushed {
        Pushed::No
    }

    /// Whether a record that can be read may still be refused by this table, so that it is a reject where the table was asked
    /// for, and in no table then. Whoever keeps the account of a file asks for such tables even if another scan takes the rows.
    fn may_refuse(&self, _table: &str) -> bool {
        false
    }

    /// The same format with one more table for each view, behind its own.
    ///
    /// # Errors
    /// When the format has no views, one is wrong, or its name is taken.
    fn with_views(&self, _views: &[ViewText]) -> Result<Arc<dyn Format>, FormatError> {
        Err(FormatError::NoViews { format: self.name() })
    }

    /// Tables of groups over the format's tables.
    fn groupings(&self) -> &[Grouping] {
        &[]
    }

    /// The table of that name, or of another name that the format knows it by.
    fn table(&self, name: &str) -> Option<&TableDef> {
        self.tables().iter().find(|table| table.name == name)
    }

    /// What to ask for instead of a table that is not there, in words.
    fn table_hint(&self, name: &str) -> Option<String> {
        near_table(self.tables(), name)
    }
}

/// The hint of the table whose name differs from `name` only in case, in `_` or in a plural `s`.
pub fn near_table(tables: &[TableDef], name: &str) -> Option<String> {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase().trim_end_matches('s').to_owned();
    let meant = tables.iter().find(|table| plain(&table.name) == plain(name))?;
    Some(format!("did you mean {:?}?", meant.name))
}

/// Why a decoder could not be made or could not go on. Broken records are rejects, not errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No such table.
    #[error("format {format} has no table {table:?}; it has {known}")]
    UnknownTable {
        /// Format name.
        format: &'static str,
        /// What was asked for.
        table: String,
        /// What there is.
        known: String,
    },
    /// A bad option.
    #[error("format {format}: option {option}: {reason}")]
    BadOption {
        /// Format name.
        format: &'static str,
        /// Option key.
        option: String,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// The format has no language for tables of the user's own.
    #[error("format {format} has no views")]
    NoViews {
        /// Format name.
        format: &'static str,
    },
    /// A view that is wrong.
    #[error("view {view}: {reason}")]
    BadView {
        /// Its position among those given.
        position: usize,
        /// [`ViewText::origin`].
        view: String,
        /// What is wrong and where in the view.
        reason: String,
    },
    /// The sink wants no more ([`DecodedSink::take`]): not a failure, the caller asked for it.
    #[error("the reading was stopped by its caller")]
    Stopped,
    /// Arrow refused a batch: a defect of ours.
    #[error("building a batch failed: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// The account of one decoder: `records = accepted + rejected`, and every byte is in a record, a
/// reject or the envelope (separators, batch headers, framing).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Records seen.
    pub records: u64,
    /// Records that became rows.
    pub accepted: u64,
    /// Records that became rejects.
    pub rejected: u64,
    /// Bytes this decoder owned.
    pub bytes: u64,
    /// Bytes inside accepted records.
    pub accepted_bytes: u64,
    /// Bytes inside rejects.
    pub rejected_bytes: u64,
    /// Bytes between records that carry no record: separators, batch envelopes, framing, byte order mark.
    pub envelope_bytes: u64,
    /// Findings by code and severity word (`code`, `severity`) -> count.
    pub findings: BTreeMap<(String, String), u64>,
    /// Rejects by code.
    pub rejects_by_code: BTreeMap<String, u64>,
    /// Batch envelopes seen, in order of offset; the engine joins the ranges of one source and
    /// checks the counts (see [`BatchEvent`]).
    pub batch_events: Vec<BatchEvent>,
}

/// A batch envelope segment and the number of messages seen since the one before it (or since the
/// start of the range).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchEvent {
    /// Offset of the envelope segment; `u64::MAX` for the tail of a range (messages after the last envelope).
    pub offset: u64,
    /// `FHS`, `BHS`, `BTS`, `FTS`, or `END` for the tail.
    pub kind: &'static str,
    /// BTS-1 or FTS-1, where it holds a number.
    pub declared: Option<u64>,
    /// BTS-1 or FTS-1 holds something that is no number.
    pub unreadable: bool,
    /// Messages between the previous event and this one.
    pub messages: u64,
}

impl ReadStats {
    /// Whether `records = accepted + rejected` and no byte is unaccounted for.
    pub fn balances(&self) -> bool {
        self.records == self.accepted + self.rejected && self.bytes == self.accepted_bytes + self.rejected_bytes + self.envelope_bytes
    }

    /// Adds the account of another range of the same or another source.
    pub fn merge(&mut self, other: &ReadStats) {
        self.records += other.records;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.bytes += other.bytes;
        self.accepted_bytes += other.accepted_bytes;
        self.rejected_bytes += other.rejected_bytes;
        self.envelope_bytes += other.envelope_bytes;
        for (key, count) in &other.findings {
            *self.findings.entry(key.clone()).or_default() += count;
        }
        for (code, count) in &other.rejects_by_code {
            *self.rejects_by_code.entry(code.clone()).or_default() += count;
        }
        self.batch_events.extend(other.batch_events.iter().cloned());
    }

    /// Counts a finding.
    pub fn count_finding(&mut self, finding: &Finding) {
        *self.findings.entry((finding.code.to_owned(), finding.severity.to_string())).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_add_up() {
        let part = ReadStats {
            records: 3,
            accepted: 2,
            rejected: 1,
            bytes: 30,
            accepted_bytes: 20,
            rejected_bytes: 8,
            envelope_bytes: 2,
            ..ReadStats::default()
        };
        let mut sum = part.clone();
        sum.merge(&part);
        assert!(part.balances() && sum.balances());
        assert_eq!(sum.bytes, 60);
        sum.bytes += 1;
        assert!(!sum.balances(), "a lost byte must show");
    }
}
