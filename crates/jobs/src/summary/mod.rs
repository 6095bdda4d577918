//! Counts for the report's pictures, taken while the run reads its sources.
//!
//! Only counts and quantiles are kept, no row. Their order does not depend on the order of the
//! batches, so that the same input gives the same report.

mod sketch;

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringViewArray};
use serde::Serialize;
use sutura_core::{ColumnMeta, PartialDateTime, PhiClass};
use sutura_privacy::CodeShape;

use crate::{functions::ages::group, functions::as_text, model::AgeBands};
pub use sketch::Sketch;

/// Most distinct labels that are counted apart; the rest is counted as [`OTHER`].
const MOST_LABELS: usize = 5_000;
/// Label of what is not counted apart.
pub const OTHER: &str = "other";
/// Label of absent values.
pub const NOT_STATED: &str = "not stated";

/// Counts by label.
#[derive(Debug, Clone, Default)]
struct Labels(HashMap<String, u64>);

impl Labels {
    fn add(&mut self, label: &str) {
        if let Some(count) = self.0.get_mut(label) {
            *count += 1;
            return;
        }
        let label = if self.0.len() < MOST_LABELS { label } else { OTHER };
        *self.0.entry(label.to_owned()).or_default() += 1;
    }
}

/// What is counted of a source's messages and observations.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    messages: u64,
    by_type: Labels,
    by_facility: Labels,
    facility_identifies: bool,
    by_hour: [u64; 24],
    without_hour: u64,
    by_age_and_sex: BTreeMap<(&'static str, String), u64>,
    tests: HashMap<TestKey, Sketch>,
    tests_identify: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct TestKey {
    code: String,
    name: String,
    unit: String,
}

/// Columns of the `messages` table that [`Summary::add_messages`] looks at.
pub const MESSAGE_COLUMNS: [&str; 5] = ["message_type", "sending_facility", "message_datetime", "patient_birth_date", "patient_sex"];
/// Columns of the `observations` table that [`Summary::add_observations`] looks at.
pub const OBSERVATION_COLUMNS: [&str; 4] = ["observation_code", "observation_name", "units", "value_number"];

impl Summary {
    /// Counts messages.
    pub fn add_messages(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let [message_type, facility, time, birth, sex] = MESSAGE_COLUMNS.map(|name| text_column(batch, name));
        let (message_type, facility, time, birth, sex) = (message_type?, facility?, time?, birth?, sex?);
        self.facility_identifies |= identifies(batch, "sending_facility");
        self.messages += batch.num_rows() as u64;
        for row in 0..batch.num_rows() {
            self.by_type.add(value(&message_type, row).unwrap_or(NOT_STATED));
            self.by_facility.add(value(&facility, row).unwrap_or(NOT_STATED));
            let time = value(&time, row).and_then(PartialDateTime::parse_iso);
            match time.as_ref().and_then(PartialDateTime::hour) {
                Some(hour) => self.by_hour[hour as usize % 24] += 1,
                None => self.without_hour += 1,
            }
            let age = value(&birth, row).and_then(PartialDateTime::parse_iso).zip(time).and_then(|(born, now)| born.years_until(&now));
            let band = age.map_or(NOT_STATED, |age| group(i64::from(age), AgeBands::TenYear));
            let sex = match value(&sex, row) {
                Some("F" | "f") => "female",
                Some("M" | "m") => "male",
                Some(_) => OTHER,
                None => NOT_STATED,
            };
            *self.by_age_and_sex.entry((band, sex.to_owned())).or_default() += 1;
        }
        Ok(())
    }

    /// Counts numeric observations.
    pub fn add_observations(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let code = text_column(batch, "observation_code")?;
        let name = text_column(batch, "observation_name")?;
        let unit = text_column(batch, "units")?;
        let number = batch.column_by_name("value_number").and_then(|column| column.as_any().downcast_ref::<Float64Array>());
        let number = number.ok_or("the column value_number is missing or holds no numbers")?;
        self.tests_identify |= ["observation_code", "observation_name", "units"].iter().any(|name| identifies(batch, name));
        let mut key = TestKey { code: String::new(), name: String::new(), unit: String::new() };
        for row in 0..batch.num_rows() {
            if number.is_null(row) {
                continue;
            }
            for (part, column) in [(&mut key.code, &code), (&mut key.name, &name), (&mut key.unit, &unit)] {
                part.clear();
                part.push_str(value(column, row).unwrap_or_default());
            }
            if let Some(sketch) = self.tests.get_mut(&key) {
                sketch.add(number.value(row));
            } else if self.tests.len() < MOST_LABELS {
                let mut sketch = Sketch::default();
                sketch.add(number.value(row));
                self.tests.insert(key.clone(), sketch);
            }
        }
        Ok(())
    }

    /// Adds the counts of another source or part.
    pub fn merge(&mut self, other: &Summary) {
        self.messages += other.messages;
        for (mine, theirs) in [(&mut self.by_type, &other.by_type), (&mut self.by_facility, &other.by_facility)] {
            for (label, count) in &theirs.0 {
                *mine.0.entry(label.clone()).or_default() += count;
            }
        }
        self.facility_identifies |= other.facility_identifies;
        self.tests_identify |= other.tests_identify;
        self.without_hour += other.without_hour;
        for (mine, theirs) in self.by_hour.iter_mut().zip(other.by_hour) {
            *mine += theirs;
        }
        for (key, count) in &other.by_age_and_sex {
            *self.by_age_and_sex.entry(key.clone()).or_default() += count;
        }
        for (key, sketch) in &other.tests {
            self.tests.entry(key.clone()).or_default().merge(sketch);
        }
    }

    /// Messages by type; in a release, what is no message type (text in its place) is not named.
    fn types(&self, release: bool) -> Vec<(String, u64)> {
        let mut types = self.by_type.clone();
        if release {
            let is_type = |label: &str| label == OTHER || label == NOT_STATED || CodeShape::Event.fits(label);
            let odd: Vec<String> = types.0.keys().filter(|label| !is_type(label)).cloned().collect();
            for label in odd {
                let count = types.0.remove(&label).unwrap_or_default();
                *types.0.entry(OTHER.to_owned()).or_default() += count;
            }
        }
        sorted(&types)
    }

    /// The counts as they may be shown.
    pub fn picture(&self, rules: PictureRules) -> Picture {
        let facilities = sorted(&self.by_facility);
        let mask = rules.release && self.facility_identifies;
        let facilities = facilities.into_iter().enumerate().map(|(index, (label, count))| match label.as_str() {
            NOT_STATED | OTHER => (label, count),
            _ if mask => (format!("facility {}", index + 1), count),
            _ => (label, count),
        });
        let mut tests: Vec<(&TestKey, &Sketch)> = self.tests.iter().filter(|(_, sketch)| rules.shows(sketch.count())).collect();
        tests.sort_by(|a, b| b.1.count().cmp(&a.1.count()).then_with(|| a.0.cmp(b.0)));
        let lab_tests = tests.iter().take(rules.lab_tests).enumerate().filter_map(|(index, (key, sketch))| {
            let [low, first, median, third, high] = [0.05, 0.25, 0.5, 0.75, 0.95].map(|share| sketch.quantile(share));
            let masked = rules.release && self.tests_identify;
            let shown = |text: &str, path: &str| {
                let shape = CodeShape::of_column(path, &PhiClass::Clinical);
                let fits = !rules.release || shape.is_some_and(|shape| shape.fits(text));
                (fits && !masked).then(|| text.to_owned())
            };
            Some(LabTest {
                code: shown(&key.code, "OBX-3.1").unwrap_or_default(),
                name: shown(&key.name, "OBX-3.2").unwrap_or_else(|| format!("test {}", index + 1)),
                unit: shown(&key.unit, "OBX-6.1").unwrap_or_default(),
                count: sketch.count(),
                low: low?,
                first_quartile: first?,
                median: median?,
                third_quartile: third?,
                high: high?,
            })
        });
        // The messages of a day and those without an hour make up all messages.
        let mut hours: Vec<Count> =
            self.by_hour.iter().enumerate().map(|(hour, count)| Count { label: format!("{hour:02}"), count: Some(*count) }).collect();
        hours.push(Count { label: NOT_STATED.to_owned(), count: Some(self.without_hour) });
        rules.keep_back(&mut hours.iter_mut().map(|count| &mut count.count).collect::<Vec<_>>());
        let without_hour = hours.pop().and_then(|count| count.count);
        let mut age_and_sex: BTreeMap<String, Vec<Count>> = BTreeMap::new();
        for ((band, sex), count) in &self.by_age_and_sex {
            age_and_sex.entry((*band).to_owned()).or_default().push(Count { label: sex.clone(), count: Some(*count) });
        }
        rules.keep_back(&mut age_and_sex.values_mut().flatten().map(|count| &mut count.count).collect::<Vec<_>>());
        Picture {
            messages: self.messages,
            by_type: rules.group(self.types(rules.release).into_iter()),
            by_facility: rules.group(facilities),
            by_hour: hours,
            without_hour,
            age_and_sex: age_and_sex.into_iter().map(|(band, counts)| AgeBand { band, counts }).collect(),
            lab_tests: lab_tests.collect(),
            lab_tests_in_all: self.tests.len(),
            smallest_cell: rules.release.then_some(rules.smallest_cell),
        }
    }
}

/// What may be shown.
#[derive(Debug, Clone, Copy)]
pub struct PictureRules {
    /// Whether the policy is a release profile: small counts are kept back and identifying labels masked.
    pub release: bool,
    /// The smallest count shown then.
    pub smallest_cell: u64,
    /// How many laboratory tests are shown.
    pub lab_tests: usize,
}

impl PictureRules {
    fn shows(&self, count: u64) -> bool {
        !self.release || count == 0 || count >= self.smallest_cell
    }

    /// Keeps small counts back, and with them so many of the next larger ones that none can be worked out from the total: what is kept back
    /// is two counts at least and not small together. Zero is shown: it is nobody.
    fn keep_back(&self, counts: &mut [&mut Option<u64>]) {
        let (mut kept, mut sum) = (0, 0);
        for count in counts.iter_mut() {
            if let Some(small) = count.filter(|count| !self.shows(*count)) {
                (kept, sum) = (kept + 1, sum + small);
                **count = None;
            }
        }
        while kept > 0 && (kept < 2 || !self.shows(sum)) {
            let next = counts.iter_mut().filter(|count| count.is_some_and(|count| count > 0)).min_by_key(|count| count.unwrap_or_default());
            let Some(next) = next else { break };
            (kept, sum) = (kept + 1, sum + next.take().unwrap_or_default());
        }
    }

    /// Small cells go together into one, and larger ones after them until what is there together is not small: the total of the list is known.
    fn group(&self, counts: impl Iterator<Item = (String, u64)>) -> Vec<Count> {
        let (mut shown, mut small): (Vec<_>, Vec<_>) = counts.partition(|(_, count)| self.shows(*count));
        while !small.is_empty() && !self.shows(small.iter().map(|(_, count)| count).sum()) {
            let Some(next) = (0..shown.len()).filter(|at| shown[*at].1 > 0).min_by_key(|at| shown[*at].1) else { break };
            small.push(shown.remove(next));
        }
        let mut list: Vec<Count> = shown.into_iter().map(|(label, count)| Count { label, count: Some(count) }).collect();
        if !small.is_empty() {
            let sum: u64 = small.iter().map(|(_, count)| count).sum();
            let groups = if small.len() == 1 { "group" } else { "groups" };
            list.push(Count { label: format!("{} small {groups}", small.len()), count: self.shows(sum).then_some(sum) });
        }
        list
    }
}

/// The counts of a run, ready to be drawn. No label in it identifies a person.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Picture {
    /// Messages counted.
    pub messages: u64,
    /// By message type, the most frequent first.
    pub by_type: Vec<Count>,
    /// By sending facility, the most frequent first.
    pub by_facility: Vec<Count>,
    /// By local hour of the message time, `00` to `23`.
    pub by_hour: Vec<Count>,
    /// Messages whose time has no hour; `None` when the count is kept back.
    pub without_hour: Option<u64>,
    /// By age group and sex.
    pub age_and_sex: Vec<AgeBand>,
    /// Numeric results by test, the most frequent first.
    pub lab_tests: Vec<LabTest>,
    /// Tests there are in all.
    pub lab_tests_in_all: usize,
    /// The smallest count shown, when small counts are kept back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest_cell: Option<u64>,
}

/// A label and its count; `None` for a count that is kept back: it is small, or a small one could be worked out from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// What was counted.
    pub label: String,
    /// How often.
    pub count: Option<u64>,
}

/// Counts of one age group by sex.
#[derive(Debug, Clone, Serialize)]
pub struct AgeBand {
    /// `0-9` ... `90+`, or `not stated`.
    pub band: String,
    /// By sex.
    pub counts: Vec<Count>,
}

/// The distribution of one test's results (quantiles within 1 %).
#[derive(Debug, Clone, Serialize)]
pub struct LabTest {
    /// Code of the test.
    pub code: String,
    /// Name of the test.
    pub name: String,
    /// Unit as sent.
    pub unit: String,
    /// Results.
    pub count: u64,
    /// 5th percentile.
    pub low: f64,
    /// 25th percentile.
    pub first_quartile: f64,
    /// Median.
    pub median: f64,
    /// 75th percentile.
    pub third_quartile: f64,
    /// 95th percentile.
    pub high: f64,
}

fn sorted(labels: &Labels) -> Vec<(String, u64)> {
    let mut list: Vec<(String, u64)> = labels.0.iter().map(|(label, count)| (label.clone(), *count)).collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list
}

fn text_column(batch: &RecordBatch, name: &str) -> Result<StringViewArray, String> {
    let column: &ArrayRef = batch.column_by_name(name).ok_or_else(|| format!("the column {name} is missing"))?;
    as_text(column)
}

fn value(column: &StringViewArray, row: usize) -> Option<&str> {
    (!column.is_null(row)).then(|| column.value(row)).filter(|text| !text.is_empty())
}

fn identifies(batch: &RecordBatch, name: &str) -> bool {
    batch.schema_ref().field_with_name(name).is_ok_and(|field| ColumnMeta::from_field(field).must_refuse())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};
    use sutura_core::PhiClass;

    use super::*;
    use crate::functions::testing::text;

    fn messages(rows: &[[&str; 5]]) -> RecordBatch {
        let field = |name: &&str| {
            let class = if *name == "sending_facility" { PhiClass::Name } else { PhiClass::Operational };
            ColumnMeta::of(class).apply(Field::new(*name, DataType::Utf8View, true))
        };
        let schema = Schema::new(MESSAGE_COLUMNS.iter().map(field).collect::<Vec<_>>());
        let columns = (0..5).map(|index| text(&rows.iter().map(|row| (!row[index].is_empty()).then_some(row[index])).collect::<Vec<_>>()));
        RecordBatch::try_new(Arc::new(schema), columns.collect()).unwrap()
    }

    fn rules(release: bool) -> PictureRules {
        PictureRules { release, smallest_cell: 11, lab_tests: 5 }
    }

    #[test]
    fn small_counts_and_identifying_labels_are_kept_back_under_a_release_profile() {
        let mut summary = Summary::default();
        let many = ["ADT", "St. Mary", "2026-03-14T15:09:00-05:00", "1980-01-01", "F"];
        let rows: Vec<_> =
            std::iter::repeat_n(many, 20).chain([["ORU", "Clinic", "2026", "", ""], ["VXU", "Clinic", "", "1930-01-01", "X"]]).collect();
        summary.add_messages(&messages(&rows)).unwrap();

        let open = summary.picture(rules(false));
        assert_eq!(open.by_facility[0], Count { label: "St. Mary".into(), count: Some(20) });
        assert_eq!(open.by_type.len(), 3);
        assert_eq!((open.by_hour[15].count, open.without_hour), (Some(20), Some(2)));

        let release = summary.picture(rules(true));
        assert_eq!(release.by_facility, [Count { label: "2 small groups".into(), count: Some(22) }]);
        assert_eq!((release.by_hour[15].count, release.without_hour), (None, None));
        assert_eq!(
            release.by_type,
            [Count { label: "3 small groups".into(), count: Some(22) }],
            "one group could be worked out from the other"
        );
        let shown = serde_json::to_string(&release).unwrap();
        assert!(!shown.contains("Mary") && !shown.contains("Clinic"), "{shown}");
    }

    #[test]
    fn no_count_that_is_kept_back_can_be_worked_out_from_the_total() {
        let kept_back = |counts: &[u64]| {
            let mut counts: Vec<Option<u64>> = counts.iter().copied().map(Some).collect();
            rules(true).keep_back(&mut counts.iter_mut().collect::<Vec<_>>());
            counts
        };
        assert_eq!(kept_back(&[40, 3, 20, 0]), [Some(40), None, None, Some(0)], "the next larger one goes with it");
        assert_eq!(kept_back(&[40, 3, 3, 20]), [Some(40), None, None, None], "two that are small together do not do");
        assert_eq!(kept_back(&[40, 8, 9, 20]), [Some(40), None, None, Some(20)]);
        assert_eq!(kept_back(&[40, 20]), [Some(40), Some(20)]);
        assert_eq!(kept_back(&[0, 3]), [Some(0), None]);
        let group = |counts: &[u64]| {
            let list = rules(true).group(counts.iter().enumerate().map(|(at, count)| (at.to_string(), *count)));
            list.into_iter().map(|count| count.count).collect::<Vec<_>>()
        };
        assert_eq!(group(&[40, 20, 3]), [Some(40), Some(23)]);
        assert_eq!(group(&[40, 20, 8, 3]), [Some(40), Some(20), Some(11)]);
    }

    #[test]
    fn text_in_the_place_of_a_type_is_not_named_in_a_release() {
        let mut summary = Summary::default();
        let rows = [["JOHN SMITH", "a", "", "", ""]; 20];
        summary.add_messages(&messages(&rows)).unwrap();
        assert_eq!(summary.picture(rules(true)).by_type, [Count { label: OTHER.into(), count: Some(20) }]);
        assert_eq!(summary.picture(rules(false)).by_type[0].label, "JOHN SMITH");
    }

    #[test]
    fn parts_add_up_to_the_whole_in_any_order() {
        let rows = [["ADT", "a", "2026-01-01T01:00", "2000-01-01", "M"], ["ORU", "b", "2026-01-01T02:00", "1990-01-01", "F"]];
        let (mut first, mut second, mut whole) = (Summary::default(), Summary::default(), Summary::default());
        first.add_messages(&messages(&rows[..1])).unwrap();
        second.add_messages(&messages(&rows[1..])).unwrap();
        whole.add_messages(&messages(&rows)).unwrap();
        second.merge(&first);
        let text = |summary: &Summary| serde_json::to_string(&summary.picture(rules(false))).unwrap();
        assert_eq!(text(&second), text(&whole));
    }
}
