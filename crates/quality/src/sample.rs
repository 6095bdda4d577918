//! Which records failed: an exact total, and a bounded sample that is the same however the rows were
//! split over batches and threads.

use std::collections::BTreeSet;

use arrow::{
    array::{Array, Int64Array, RecordBatch, StringViewArray},
    datatypes::Schema,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sutura_core::record::{COL_LENGTH, COL_OFFSET, COL_SHA256, COL_SOURCE};

use crate::columns::{as_integers, as_text};

/// The identity of a failed record: where it is, never what it holds. PHI class `other-id`: a file
/// name or a hash can lead back to a person, so a report that leaves the house drops the samples
/// ([`crate::QualityReport::without_samples`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct FailedRecord {
    /// URI of the source (`_source`).
    pub source: String,
    /// Byte offset in the source (`_offset`).
    pub offset: i64,
    /// Length in bytes (`_length`); absent where only the place is kept (`unique`, `duplicate`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub length: Option<i64>,
    /// SHA-256 of the record, hexadecimal (`_sha256`); absent like `length`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
}

/// The records that failed a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedRecords {
    /// How many rows failed.
    pub total: u64,
    /// The first of their records in order of source and offset, each once.
    pub sample: Vec<FailedRecord>,
}

/// Where the identity columns are in a schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdentityColumns {
    source: usize,
    offset: usize,
    length: Option<usize>,
    sha256: Option<usize>,
}

impl IdentityColumns {
    /// `None` when the table does not tell the place of its records.
    pub(crate) fn find(schema: &Schema) -> Option<Self> {
        let at = |name: &str| schema.column_with_name(name).map(|(at, _)| at);
        Some(Self { source: at(COL_SOURCE)?, offset: at(COL_OFFSET)?, length: at(COL_LENGTH), sha256: at(COL_SHA256) })
    }

    /// The identities of a batch; `None` when the columns have unexpected types.
    pub(crate) fn read(&self, batch: &RecordBatch) -> Option<Identities> {
        let text = |at: usize| as_text(batch.column(at)).ok();
        Some(Identities {
            source: text(self.source)?,
            offset: as_integers(batch.column(self.offset))?,
            length: self.length.and_then(|at| as_integers(batch.column(at))),
            sha256: self.sha256.and_then(text),
        })
    }
}

/// The identity columns of one batch.
pub(crate) struct Identities {
    source: StringViewArray,
    offset: Int64Array,
    length: Option<Int64Array>,
    sha256: Option<StringViewArray>,
}

impl Identities {
    /// Source and offset of a row.
    pub(crate) fn place(&self, row: usize) -> Option<(&str, i64)> {
        (self.source.is_valid(row) && self.offset.is_valid(row)).then(|| (self.source.value(row), self.offset.value(row)))
    }

    fn record(&self, row: usize) -> Option<FailedRecord> {
        let (source, offset) = self.place(row)?;
        let length = self.length.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row));
        let sha256 = self.sha256.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row).to_owned());
        Some(FailedRecord { source: source.to_owned(), offset, length, sha256 })
    }
}

/// The smallest failed records seen so far, in their natural order. The smallest of a union are the
/// smallest of the smallest, so merging in any order gives the same sample.
#[derive(Debug, Clone)]
pub(crate) struct FailedSample {
    capacity: usize,
    records: BTreeSet<FailedRecord>,
}

impl FailedSample {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, records: BTreeSet::new() }
    }

    /// Takes a failed row; allocates only when the row enters the sample.
    pub(crate) fn add_row(&mut self, identities: &Identities, row: usize) {
        let Some(place) = identities.place(row) else { return };
        if self.records.len() >= self.capacity && self.records.last().is_none_or(|last| (last.source.as_str(), last.offset) < place) {
            return;
        }
        if let Some(record) = identities.record(row) {
            self.add(record);
        }
    }

    pub(crate) fn add(&mut self, record: FailedRecord) {
        self.records.insert(record);
        if self.records.len() > self.capacity {
            self.records.pop_last();
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for record in other.records {
            self.add(record);
        }
    }

    pub(crate) fn into_records(self, total: u64) -> FailedRecords {
        FailedRecords { total, sample: self.records.into_iter().collect() }
    }
}
