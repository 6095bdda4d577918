//! The account of a conversion: what became of every populated field and entry, per feed.
//!
//! A place is counted as often as it held something: `mapped`, `dropped` with a reason, or `unmapped`. The three together are all
//! that was populated, so the report says what was lost and not only what was kept. Nothing in it is content of a record; feeds
//! are named by their sending application and facility.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringViewArray},
    datatypes::DataType,
    error::ArrowError,
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};
use sutura_core::{ColumnDef, Finding, PhiClass, TableDef};
use sutura_terminology::Coverage;

/// Name of a place that is counted: `PID-5.1`, `entry:ProblemObservation/value`.
pub type Place = Cow<'static, str>;

/// Places of a feed that are counted one by one. Real documents of ten vendors together have about a thousand.
const MOST_PLACES: usize = 10_000;

/// What the places beyond that are counted as.
const OTHER_PLACES: &str = "other places";

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// Records that came in.
    pub records: u64,
    /// Records that became resources.
    pub converted: u64,
    /// Records that did not, by the code of the reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// What became of each place.
    pub places: Places,
    /// The fields of HL7 v2 among the places; [`Feed::all_places`] has both.
    #[doc(hidden)]
    pub fields: Fields,
    /// Resources by type.
    pub resources: BTreeMap<&'static str, u64>,
    /// Findings by code.
    pub findings: BTreeMap<&'static str, u64>,
    /// Codes that a map of codes does not have, by the name of the map or the system.
    pub unmapped_codes: BTreeMap<Place, u64>,
    /// Codes of the resources by their system, where the user's terminology was asked for them.
    pub codes: Coverage,
}

/// Counts by place.
pub type Places = std::collections::HashMap<Place, Counts>;

/// Places in their natural order, as a map of JSON.
struct Sorted<'p>(&'p Places);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let list = sorted(self.0);
        let mut map = serializer.serialize_map(Some(list.len()))?;
        for (place, counts) in list {
            map.serialize_entry(place, counts)?;
        }
        map.end()
    }
}

impl Serialize for Feed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mapped, dropped, unmapped) = self.totals();
        let mut out = serializer.serialize_struct("Feed", 11)?;
        out.serialize_field("records", &self.records)?;
        out.serialize_field("converted", &self.converted)?;
        out.serialize_field("rejected", &self.rejected)?;
        out.serialize_field("mapped", &mapped)?;
        out.serialize_field("dropped", &dropped)?;
        out.serialize_field("unmapped", &unmapped)?;
        out.serialize_field("places", &Sorted(&self.all_places()))?;
        out.serialize_field("resources", &self.resources)?;
        out.serialize_field("findings", &self.findings)?;
        out.serialize_field("unmapped_codes", &self.unmapped_codes)?;
        if self.codes.is_empty() {
            out.skip_field("codes")?;
        } else {
            out.serialize_field("codes", &self.codes)?;
        }
        out.end()
    }
}

fn sorted(places: &Places) -> Vec<(&Place, &Counts)> {
    let mut list: Vec<_> = places.iter().collect();
    list.sort_unstable_by(|a, b| natural(a.0.as_bytes(), b.0.as_bytes()));
    list
}

/// Orders `PID-5` before `PID-11`.
fn natural(left: &[u8], right: &[u8]) -> Ordering {
    let (mut a, mut b) = (0, 0);
    while a < left.len() && b < right.len() {
        if left[a].is_ascii_digit() && right[b].is_ascii_digit() {
            let (one, other) = (number(left, &mut a), number(right, &mut b));
            if one != other {
                return one.cmp(&other);
            }
        } else if left[a] == right[b] {
            (a, b) = (a + 1, b + 1);
        } else {
            return left[a].cmp(&right[b]);
        }
    }
    // Equal but for zeros in front of numbers: the order still has to be one.
    (left.len() - a).cmp(&(right.len() - b)).then_with(|| left.cmp(right))
}

fn number(text: &[u8], at: &mut usize) -> u64 {
    let mut number = 0u64;
    while let Some(digit) = text.get(*at).filter(|byte| byte.is_ascii_digit()) {
        number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        *at += 1;
    }
    number
}

/// A field or component of HL7 v2, cheap to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FieldPlace {
    pub segment: [u8; 3],
    pub field: u16,
    /// 0 is the field.
    pub component: u8,
}

impl FieldPlace {
    /// Segments and fields that the standard cannot have: their names may be content.
    pub(crate) const OTHER_SEGMENT: Self = Self { segment: *b"???", field: 0, component: 0 };

    fn name(self) -> Place {
        if self == Self::OTHER_SEGMENT {
            return Place::Borrowed("other segment");
        }
        let segment = String::from_utf8_lossy(&self.segment);
        Place::Owned(match self.component {
            0 => format!("{segment}-{}", self.field),
            component => format!("{segment}-{}.{component}", self.field),
        })
    }
}

/// The counts of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldCounts {
    mapped: u64,
    unmapped: u64,
    dropped: Vec<(&'static str, u64)>,
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Mapped,
    Unmapped,
    Dropped(&'static str),
}

impl FieldCounts {
    pub(crate) fn add(&mut self, outcome: Outcome, count: u64) {
        match outcome {
            Outcome::Mapped => self.mapped += count,
            Outcome::Unmapped => self.unmapped += count,
            Outcome::Dropped(reason) => match self.dropped.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, sum)) => *sum += count,
                None => self.dropped.push((reason, count)),
            },
        }
    }
}

/// Counts by field, found by a number that is the place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(std::collections::HashMap<u64, FieldCounts, std::hash::BuildHasherDefault<crate::hash::FastHasher>>);

impl Feed {
    /// The counts of a field of HL7 v2.
    pub(crate) fn field(&mut self, place: FieldPlace) -> &mut FieldCounts {
        let [a, b, c] = place.segment;
        let key = u64::from_be_bytes([0, 0, a, b, c, (place.field >> 8) as u8, place.field as u8, place.component]);
        self.fields.0.entry(key).or_default()
    }

    /// What became of each place, the fields of HL7 v2 among them.
    pub fn all_places(&self) -> Cow<'_, Places> {
        if self.fields.0.is_empty() {
            return Cow::Borrowed(&self.places);
        }
        let mut all = self.places.clone();
        for (key, counts) in &self.fields.0 {
            let [_, _, a, b, c, high, low, component] = key.to_be_bytes();
            let place = FieldPlace { segment: [a, b, c], field: u16::from(high) << 8 | u16::from(low), component };
            let into = all.entry(place.name()).or_default();
            into.mapped += counts.mapped;
            into.unmapped += counts.unmapped;
            for (reason, count) in &counts.dropped {
                *into.dropped.entry(reason).or_default() += count;
            }
        }
        Cow::Owned(all)
    }

    /// Counts the segments of senders as one place: their names may be pieces of text.
    pub fn sum_local_segments(&mut self) {
        let local = |key: &u64| key.to_be_bytes()[2] == b'Z';
        let keys: Vec<u64> = self.fields.0.keys().copied().filter(local).collect();
        for key in keys {
            let Some(counts) = self.fields.0.remove(&key) else { continue };
            let into = self.field(FieldPlace::OTHER_SEGMENT);
            into.mapped += counts.mapped;
            into.unmapped += counts.unmapped;
            for (reason, count) in counts.dropped {
                into.add(Outcome::Dropped(reason), count);
            }
        }
    }

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

    /// Counts at a place whose name depends on the input: once there are [`MOST_PLACES`], new ones are counted together.
    pub(crate) fn count_at(&mut self, place: &str, count: impl FnOnce(&mut Counts)) {
        if let Some(counts) = self.places.get_mut(place) {
            return count(counts);
        }
        let place = if self.places.len() < MOST_PLACES { Cow::Owned(place.to_owned()) } else { Cow::Borrowed(OTHER_PLACES) };
        count(self.places.entry(place).or_default());
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
        let places = self.places.values().map(|counts| (counts.mapped, counts.dropped.values().sum::<u64>(), counts.unmapped));
        let fields =
            self.fields.0.values().map(|counts| (counts.mapped, counts.dropped.iter().map(|(_, count)| count).sum(), counts.unmapped));
        places.chain(fields).fold((0, 0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1, sum.2 + counts.2))
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.converted += other.converted;
        add_all(&mut self.rejected, &other.rejected);
        for (place, counts) in &other.places {
            let fits = self.places.len() < MOST_PLACES || self.places.contains_key(place);
            self.places.entry(if fits { place.clone() } else { Cow::Borrowed(OTHER_PLACES) }).or_default().merge(counts);
        }
        for (key, counts) in &other.fields.0 {
            let into = self.fields.0.entry(*key).or_default();
            into.mapped += counts.mapped;
            into.unmapped += counts.unmapped;
            for (reason, count) in &counts.dropped {
                into.add(Outcome::Dropped(reason), *count);
            }
        }
        add_all(&mut self.resources, &other.resources);
        add_all(&mut self.findings, &other.findings);
        add_all(&mut self.unmapped_codes, &other.unmapped_codes);
        self.codes.merge(&other.codes);
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

/// So many feeds are counted by name, and the others together.
const MOST_FEEDS: usize = 1000;
/// A longer name, in bytes, is none of an application and a facility.
const LONGEST_FEED: usize = 200;
/// What the others are called.
const OTHER_FEEDS: &str = "other feeds";

impl Report {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counts of a feed.
    pub fn feed(&mut self, name: &str) -> &mut Feed {
        let is_known = self.feeds.contains_key(name);
        let name = if is_known || (name.len() <= LONGEST_FEED && self.feeds.len() < MOST_FEEDS) { name } else { OTHER_FEEDS };
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

    /// The codes of all feeds by their system; empty where no terminology of the user was asked.
    pub fn codes(&self) -> Coverage {
        let mut all = Coverage::default();
        self.feeds.values().for_each(|feed| all.merge(&feed.codes));
        all
    }

    /// Whether every record was converted or rejected.
    pub fn balances(&self) -> bool {
        let (records, converted, rejected) = self.records();
        records == converted + rejected
    }

    /// The places as a table: a row for each feed, place, outcome (`mapped`, `dropped`, `unmapped`) and reason.
    pub fn to_batch(&self) -> Result<RecordBatch, ArrowError> {
        let mut text: [Vec<String>; 4] = Default::default();
        let mut counted = Vec::new();
        for (name, feed) in &self.feeds {
            let all = feed.all_places();
            for (place, counts) in sorted(&all) {
                let dropped = counts.dropped.iter().map(|(reason, count)| ("dropped", *reason, *count));
                let rows = [("mapped", "", counts.mapped), ("unmapped", "", counts.unmapped)].into_iter().chain(dropped);
                for (outcome, reason, count) in rows.filter(|(_, _, count)| *count > 0) {
                    for (column, value) in text.iter_mut().zip([name.as_str(), place.as_ref(), outcome, reason]) {
                        column.push(value.to_owned());
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
        let feed = sum.feed("ELSE");
        feed.field(FieldPlace { segment: *b"ZOE", field: 1, component: 0 }).add(Outcome::Unmapped, 2);
        feed.sum_local_segments();
        assert_eq!(
            feed.all_places().iter().map(|(place, counts)| (place.clone(), counts.unmapped)).collect::<Vec<_>>(),
            [("other segment".into(), 2)]
        );
    }
}
