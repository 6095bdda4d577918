//! The account of a conversion: what became of every populated field and entry, per feed.
//!
//! A place is counted as often as it held something: `mapped`, `dropped` with a reason, or `unmapped`. The three together are all
//! that was populated, so the report says what was lost and not only what was kept. Nothing in it is content of a record; feeds
//! are named by their sending application and facility.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringViewArray},
    datatypes::DataType,
    error::ArrowError,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use sutura_core::{ColumnDef, Finding, PhiClass, TableDef};

/// Name of a place that is counted: `PID-5.1`, `entry:ProblemObservation/value`.
pub type Place = Cow<'static, str>;

/// What became of the values of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Values that went into a resource.
    pub mapped: u64,
    /// Values left out on purpose, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<&'static str, u64>,
    /// Values for which no map has a place.
    pub unmapped: u64,
}

impl Counts {
    /// How often the place was populated.
    pub fn populated(&self) -> u64 {
        self.mapped + self.unmapped + self.dropped.values().sum::<u64>()
    }

    fn merge(&mut self, other: &Self) {
        self.mapped += other.mapped;
        self.unmapped += other.unmapped;
        add_all(&mut self.dropped, &other.dropped);
    }
}

/// The counts of one feed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Feed {
    /// Records that came in.
    pub records: u64,
    /// Records that became resources.
    pub converted: u64,
    /// Records that did not, by the code of the reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// What became of each place.
    #[serde(serialize_with = "sorted")]
    pub places: Places,
    /// Resources by type.
    pub resources: BTreeMap<&'static str, u64>,
    /// Findings by code.
    pub findings: BTreeMap<&'static str, u64>,
    /// Codes that a map of codes does not have, by the name of the map or the system.
    pub unmapped_codes: BTreeMap<Place, u64>,
}

/// Counts by place.
pub type Places = std::collections::HashMap<Place, Counts>;

fn sorted<S: Serializer>(places: &Places, serializer: S) -> Result<S::Ok, S::Error> {
    let mut list: Vec<_> = places.iter().collect();
    list.sort_unstable_by(|a, b| natural(a.0).cmp(natural(b.0)));
    let mut map = serializer.serialize_map(Some(list.len()))?;
    for (place, counts) in list {
        map.serialize_entry(place, counts)?;
    }
    map.end()
}

/// Orders `PID-5` before `PID-11`.
fn natural(place: &str) -> impl Iterator<Item = (bool, u64, char)> + '_ {
    let mut chars = place.chars().peekable();
    std::iter::from_fn(move || {
        let first = chars.next()?;
        let Some(mut number) = first.to_digit(10).map(u64::from) else { return Some((true, 0, first)) };
        while let Some(digit) = chars.peek().and_then(|next| next.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(u64::from(digit));
            chars.next();
        }
        Some((false, number, ' '))
    })
}

impl Feed {
    /// Counts a value that went into a resource.
    pub fn mapped(&mut self, place: impl Into<Place>) {
        self.place(place).mapped += 1;
    }

    /// Counts a value left out on purpose.
    pub fn dropped(&mut self, place: impl Into<Place>, reason: &'static str) {
        *self.place(place).dropped.entry(reason).or_default() += 1;
    }

    /// Counts a value for which no map has a place.
    pub fn unmapped(&mut self, place: impl Into<Place>) {
        self.place(place).unmapped += 1;
    }

    /// The counts of a place.
    pub fn place(&mut self, place: impl Into<Place>) -> &mut Counts {
        self.places.entry(place.into()).or_default()
    }

    /// Counts a resource.
    pub fn resource(&mut self, resource_type: &'static str) {
        *self.resources.entry(resource_type).or_default() += 1;
    }

    /// Counts a finding.
    pub fn finding(&mut self, finding: &Finding) {
        *self.findings.entry(finding.code).or_default() += 1;
    }

    /// Counts a code that a map does not have.
    pub fn unmapped_code(&mut self, map: impl Into<Place>) {
        *self.unmapped_codes.entry(map.into()).or_default() += 1;
    }

    /// Mapped, dropped and unmapped values over all places.
    pub fn totals(&self) -> (u64, u64, u64) {
        self.places.values().fold((0, 0, 0), |(mapped, dropped, unmapped), counts| {
            (mapped + counts.mapped, dropped + counts.dropped.values().sum::<u64>(), unmapped + counts.unmapped)
        })
    }

    fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.converted += other.converted;
        add_all(&mut self.rejected, &other.rejected);
        for (place, counts) in &other.places {
            self.places.entry(place.clone()).or_default().merge(counts);
        }
        add_all(&mut self.resources, &other.resources);
        add_all(&mut self.findings, &other.findings);
        add_all(&mut self.unmapped_codes, &other.unmapped_codes);
    }
}

fn add_all<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}

/// The account of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The feeds by name.
    pub feeds: BTreeMap<String, Feed>,
}

impl Report {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counts of a feed.
    pub fn feed(&mut self, name: &str) -> &mut Feed {
        if !self.feeds.contains_key(name) {
            self.feeds.insert(name.to_owned(), Feed::default());
        }
        self.feeds.entry(name.to_owned()).or_default()
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        for (name, feed) in &other.feeds {
            self.feed(name).merge(feed);
        }
    }

    /// Records that came in, became resources, and did not.
    pub fn records(&self) -> (u64, u64, u64) {
        self.feeds.values().fold((0, 0, 0), |(records, converted, rejected), feed| {
            (records + feed.records, converted + feed.converted, rejected + feed.rejected.values().sum::<u64>())
        })
    }

    /// Whether every record was converted or rejected.
    pub fn balances(&self) -> bool {
        let (records, converted, rejected) = self.records();
        records == converted + rejected
    }

    /// The places as a table: a row for each feed, place, outcome (`mapped`, `dropped`, `unmapped`) and reason.
    pub fn to_batch(&self) -> Result<RecordBatch, ArrowError> {
        let mut text: [Vec<&str>; 4] = Default::default();
        let mut counted = Vec::new();
        for (name, feed) in &self.feeds {
            let mut places: Vec<_> = feed.places.iter().collect();
            places.sort_unstable_by(|a, b| natural(a.0).cmp(natural(b.0)));
            for (place, counts) in places {
                let dropped = counts.dropped.iter().map(|(reason, count)| ("dropped", *reason, *count));
                let rows = [("mapped", "", counts.mapped), ("unmapped", "", counts.unmapped)].into_iter().chain(dropped);
                for (outcome, reason, count) in rows.filter(|(_, _, count)| *count > 0) {
                    for (column, value) in text.iter_mut().zip([name.as_str(), place, outcome, reason]) {
                        column.push(value);
                    }
                    counted.push(i64::try_from(count).unwrap_or(i64::MAX));
                }
            }
        }
        let mut columns: Vec<ArrayRef> =
            text.into_iter().map(|column| Arc::new(StringViewArray::from_iter_values(column)) as ArrayRef).collect();
        columns.push(Arc::new(Int64Array::from(counted)));
        RecordBatch::try_new(report_table().schema(), columns)
    }
}

/// The table of [`Report::to_batch`].
pub fn report_table() -> TableDef {
    let text = |name, meaning| ColumnDef::new(name, DataType::Utf8View, "", PhiClass::Operational, meaning);
    TableDef::new(
        "conversion_report",
        "what became of the values of each place",
        vec![
            text("feed", "sending application and facility"),
            text("place", "path in the standard's terms"),
            text("outcome", "mapped, dropped or unmapped"),
            text("reason", "why it was dropped"),
            ColumnDef::new("count", DataType::Int64, "", PhiClass::Operational, "how many values"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_add_up_and_are_written_in_order() {
        let mut report = Report::new();
        let feed = report.feed("LAB/HOSP");
        feed.records = 2;
        feed.converted = 1;
        feed.rejected.insert("convert-nothing", 1);
        for place in ["PID-11.1", "PID-5.1", "PID-5.1", "OBX-3.1"] {
            feed.mapped(place);
        }
        feed.dropped("PID-5.1", "null");
        feed.unmapped("ZPI-1");
        let mut sum = report.clone();
        sum.merge(&report);
        assert!(sum.balances());
        assert_eq!(sum.feed("LAB/HOSP").totals(), (8, 2, 2));
        assert_eq!(sum.feed("LAB/HOSP").place("PID-5.1").populated(), 6);
        let json = serde_json::to_string(&sum).unwrap();
        let at = |text: &str| json.find(text).unwrap();
        assert!(at("PID-5.1") < at("PID-11.1") && at("OBX-3.1") < at("PID-5.1"));
        assert_eq!(report.to_batch().unwrap().num_rows(), 5);
    }
}
