//! What was done to documents, counted by place and free of values.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringViewBuilder, UInt64Builder},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use serde::Serialize;
use sutura_core::{ColumnMeta, PhiClass};
use sutura_privacy::{
    LabelAction, Method, SchemaPlan,
    labels::{Label, Notice},
};

use crate::category::Category;

/// Places that are told apart in one ledger; the rest are counted together.
const MOST_PLACES: usize = 20_000;

/// A place of a format: its path in the standard's own words, never a word of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `PID-5.1`, `Patient.birthDate`, `recordTarget/patientRole/id`.
    pub path: String,
    /// What identifying information it holds.
    pub class: PhiClass,
    /// The policy's method; `none` where the format has no definition of the place.
    pub method: &'static str,
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It stayed.
    Kept,
    /// Something else stands for it: a code, a date, a group.
    Replaced,
    /// Free text of which parts were replaced or nothing had to be.
    Scrubbed,
    /// The policy removes it.
    Removed,
    /// It could not be treated, or had not the shape of what may stay: it went.
    Suppressed,
    /// No definition says what it is: it went.
    Unknown,
    /// The place must have a value: one that says nothing was put there.
    Placeholder,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 7] = [
        Outcome::Kept,
        Outcome::Replaced,
        Outcome::Scrubbed,
        Outcome::Removed,
        Outcome::Suppressed,
        Outcome::Unknown,
        Outcome::Placeholder,
    ];

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Kept => "kept",
            Outcome::Replaced => "replaced",
            Outcome::Scrubbed => "scrubbed",
            Outcome::Removed => "removed",
            Outcome::Suppressed => "suppressed",
            Outcome::Unknown => "unknown",
            Outcome::Placeholder => "placeholder",
        }
    }
}

type Counts = [u64; Outcome::ALL.len()];

/// Counts by place and outcome. No values. Ledgers of several workers can be merged.
#[derive(Clone, Default)]
pub struct Ledger {
    documents: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Places are shared with the plans they come from: found by their address, told apart by what they say when the counts are shown.
    counts: HashMap<usize, (Arc<Place>, Counts)>,
    other: Counts,
    /// Resources, segments and statements by the categories that their codes show, and what was done with them.
    categories: BTreeMap<(Label, LabelAction), u64>,
    notice: Option<Notice>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("documents", &self.documents).field("places", &self.counts.len()).finish_non_exhaustive()
    }
}

/// One line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerRow {
    /// The place.
    pub path: String,
    /// Its class word.
    pub class: String,
    /// The policy's method.
    pub method: &'static str,
    /// What became of the values.
    pub outcome: &'static str,
    /// How many.
    pub count: u64,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one value.
    pub(crate) fn record(&mut self, place: &Arc<Place>, outcome: Outcome) {
        self.add(place, outcome, 1);
    }

    fn add(&mut self, place: &Arc<Place>, outcome: Outcome, count: u64) {
        let address = Arc::as_ptr(place).addr();
        if let Some((_, counts)) = self.counts.get_mut(&address) {
            counts[outcome as usize] += count;
        } else if self.counts.len() < MOST_PLACES {
            let mut counts = Counts::default();
            counts[outcome as usize] = count;
            self.counts.insert(address, (Arc::clone(place), counts));
        } else {
            self.other[outcome as usize] += count;
        }
    }

    /// Counts what a plan did to the columns of a table since it was made. Columns are places by their names, after that of the table.
    pub fn columns(&mut self, table: &str, plan: &SchemaPlan) {
        for column in plan.columns() {
            let (method, counts) = (column.method(), column.statistics());
            let path = format!("{table}.{}", column.name());
            let place = Arc::new(Place { path, class: column.class().clone(), method: method.word() });
            let (changed, gone) = match method {
                Method::Scrub { .. } => (Outcome::Scrubbed, Outcome::Suppressed),
                Method::Drop | Method::Redact => (Outcome::Replaced, Outcome::Removed),
                _ => (Outcome::Replaced, Outcome::Suppressed),
            };
            let left = counts.rows.saturating_sub(counts.nulls + counts.changed + counts.suppressed);
            // A text in which nothing had to be replaced was looked through, too.
            let kept = if changed == Outcome::Scrubbed { changed } else { Outcome::Kept };
            for (outcome, count) in [(kept, left), (changed, counts.changed), (gone, counts.suppressed)] {
                if count > 0 {
                    self.add(&place, outcome, count);
                }
            }
        }
    }

    /// Counts values of one place of a table that no column of a plan is: of columns without a class, of dates in no known form.
    pub fn values(&mut self, path: &str, class: &PhiClass, outcome: Outcome, count: u64) {
        if count > 0 {
            let method = if outcome == Outcome::Unknown { "none" } else { "refused" };
            self.add(&Arc::new(Place { path: path.to_owned(), class: class.clone(), method }), outcome, count);
        }
    }

    /// Counts a resource, segment or statement of some categories.
    pub(crate) fn category(&mut self, category: Category) {
        for label in category.labels.iter() {
            *self.categories.entry((label, category.action)).or_default() += 1;
        }
        self.notice = self.notice.or(category.notice());
    }

    /// Resources, segments and statements whose codes show a sensitive category: which, what was done, and how many.
    pub fn categories(&self) -> impl Iterator<Item = (Label, LabelAction, u64)> + '_ {
        self.categories.iter().map(|((label, action), count)| (*label, *action, *count))
    }

    /// The statement that a law wants beside what stays.
    pub fn notice(&self) -> Option<Notice> {
        self.notice
    }

    /// Counts one document and its size before and after.
    pub fn document(&mut self, bytes_in: usize, bytes_out: usize) {
        self.documents += 1;
        self.bytes_in += bytes_in as u64;
        self.bytes_out += bytes_out as u64;
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Ledger) {
        self.documents += other.documents;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        let add = |into: &mut Counts, from: &Counts| into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
        add(&mut self.other, &other.other);
        self.notice = self.notice.or(other.notice);
        for (category, count) in &other.categories {
            *self.categories.entry(*category).or_default() += count;
        }
        for (address, (place, counts)) in &other.counts {
            if let Some((_, known)) = self.counts.get_mut(address) {
                add(known, counts);
            } else if self.counts.len() < MOST_PLACES {
                self.counts.insert(*address, (Arc::clone(place), *counts));
            } else {
                add(&mut self.other, counts);
            }
        }
    }

    /// Documents that were treated.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Their bytes before and after.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_in, self.bytes_out)
    }

    /// How many values had that outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.other[outcome as usize] + self.counts.values().map(|(_, counts)| counts[outcome as usize]).sum::<u64>()
    }

    /// The lines, by path, class, method and outcome.
    pub fn rows(&self) -> Vec<LedgerRow> {
        let mut sorted: BTreeMap<(&Place, Outcome), u64> = BTreeMap::new();
        for (place, counts) in self.counts.values() {
            for outcome in Outcome::ALL {
                if counts[outcome as usize] > 0 {
                    *sorted.entry((place, outcome)).or_default() += counts[outcome as usize];
                }
            }
        }
        let row = |path: String, class: String, method, outcome: Outcome, count| LedgerRow {
            path,
            class,
            method,
            outcome: outcome.word(),
            count,
        };
        let mut rows: Vec<_> = sorted
            .into_iter()
            .map(|((place, outcome), count)| row(place.path.clone(), place.class.to_string(), place.method, outcome, count))
            .collect();
        for ((label, action), count) in &self.categories {
            let outcome = if *action == LabelAction::Keep { Outcome::Kept } else { Outcome::Removed };
            rows.push(row("(sensitive category)".into(), format!("sensitive:{label}"), action.word(), outcome, *count));
        }
        for outcome in Outcome::ALL {
            if self.other[outcome as usize] > 0 {
                rows.push(row("(other places)".into(), PhiClass::FreeText.to_string(), "none", outcome, self.other[outcome as usize]));
            }
        }
        rows
    }

    /// The schema of the table `deid_ledger`.
    pub fn schema() -> SchemaRef {
        let column = |name: &str, data_type, doc: &str| {
            let meta = ColumnMeta { doc: Some(doc.to_owned()), ..ColumnMeta::of(PhiClass::Operational) };
            meta.apply(Field::new(name, data_type, false))
        };
        Arc::new(Schema::new(vec![
            column("path", DataType::Utf8View, "place in the standard's own words"),
            column("class", DataType::Utf8View, "what identifying information the place holds"),
            column("method", DataType::Utf8View, "the policy's method; none where the place has no definition"),
            column("outcome", DataType::Utf8View, "kept, replaced, scrubbed, removed, suppressed, unknown or placeholder"),
            column("count", DataType::UInt64, "how many values"),
        ]))
    }

    /// The table `deid_ledger`.
    ///
    /// # Errors
    /// Never in practice: when Arrow refuses the columns.
    pub fn table(&self) -> Result<RecordBatch, ArrowError> {
        let mut texts: [StringViewBuilder; 4] = std::array::from_fn(|_| StringViewBuilder::new());
        let mut count = UInt64Builder::new();
        for row in self.rows() {
            let values = [row.path.as_str(), row.class.as_str(), row.method, row.outcome];
            texts.iter_mut().zip(values).for_each(|(builder, value)| builder.append_value(value));
            count.append_value(row.count);
        }
        let mut columns: Vec<ArrayRef> = texts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        columns.push(Arc::new(count.finish()));
        RecordBatch::try_new(Self::schema(), columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_merge_and_equal_places_are_one_line() {
        let place = || Arc::new(Place { path: "PID-5.1".into(), class: PhiClass::Name, method: "drop" });
        let (here, there) = (place(), place());
        let (mut one, mut two) = (Ledger::new(), Ledger::new());
        one.record(&here, Outcome::Removed);
        one.document(10, 5);
        two.record(&there, Outcome::Removed);
        two.record(&here, Outcome::Kept);
        one.merge(&two);
        assert_eq!(one.rows().iter().map(|row| (row.outcome, row.count)).collect::<Vec<_>>(), [("kept", 1), ("removed", 2)]);
        assert_eq!((one.count(Outcome::Removed), one.documents(), one.bytes()), (2, 1, (10, 5)));
        assert_eq!(one.table().unwrap().num_rows(), 2);
    }
}
