//! The numbers behind the page's pictures: bars as shares of the longest, positions on a scale. The template draws them.

use serde::Serialize;

use crate::{
    record::grouped,
    summary::{AgeBand, Count, LabTest, NOT_STATED},
};

/// Most bars of one list; the rest is added up.
const MOST_BARS: usize = 12;

/// One bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bar {
    label: String,
    /// The count in words; `not shown` when it is kept back.
    text: String,
    /// Length in percent of the longest.
    percent: f64,
    /// Share of the whole in percent, where it makes sense.
    share: Option<f64>,
}

/// Bars for counts, the longest list cut and added up.
pub(super) fn bars(counts: &[Count], total: u64) -> Vec<Bar> {
    // What is added up may be longer than every bar; it is cut at full length, so that the others stay readable.
    let longest = counts.iter().filter_map(|count| count.count).max().unwrap_or(0).max(1);
    let mut counts = counts.to_vec();
    if counts.len() > MOST_BARS {
        let rest = counts.split_off(MOST_BARS - 1);
        let sum = rest.iter().filter_map(|count| count.count).sum();
        counts.push(Count { label: format!("{} more", rest.len()), count: Some(sum) });
    }
    counts
        .into_iter()
        .map(|Count { label, count }| Bar {
            label,
            text: count.map_or_else(|| KEPT_BACK.to_owned(), grouped),
            percent: round(count.unwrap_or(0) as f64 / longest as f64 * 100.0).min(100.0),
            share: count.filter(|_| total > 0).map(|count| round(count as f64 / total as f64 * 100.0)),
        })
        .collect()
}

/// Not `fewer than 11`: a count is also kept back so that a small one cannot be worked out from it.
const KEPT_BACK: &str = "not shown";

/// A column of the hours' picture, in a drawing 480 by 160.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Column {
    label: String,
    text: String,
    x: f64,
    y: f64,
    height: f64,
    /// Whether the label stands below.
    labelled: bool,
}

/// The columns of the day; `None` when no message has an hour.
pub(super) fn hours(counts: &[Count]) -> Option<Vec<Column>> {
    let highest = counts.iter().filter_map(|count| count.count).max().filter(|highest| *highest > 0)?;
    let columns = counts.iter().enumerate().map(|(hour, count)| {
        let height = round(count.count.unwrap_or(0) as f64 / highest as f64 * 128.0);
        Column {
            label: count.label.clone(),
            text: count.count.map_or_else(|| KEPT_BACK.to_owned(), grouped),
            x: hour as f64 * 20.0,
            y: 132.0 - height,
            height,
            labelled: hour % 3 == 0,
        }
    });
    Some(columns.collect())
}

/// An age group with a bar for each sex.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct AgeRow {
    band: String,
    parts: Vec<AgePart>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct AgePart {
    sex: String,
    text: String,
    percent: f64,
}

/// Age groups, youngest first, each bar cut by sex.
pub(super) fn ages(bands: &[AgeBand]) -> Vec<AgeRow> {
    let sum = |band: &AgeBand| band.counts.iter().filter_map(|count| count.count).sum::<u64>();
    let longest = bands.iter().map(sum).max().unwrap_or(0).max(1);
    let mut rows: Vec<AgeRow> = bands
        .iter()
        .map(|band| {
            let mut parts: Vec<AgePart> = band
                .counts
                .iter()
                .map(|count| AgePart {
                    sex: count.label.clone(),
                    text: count.count.map_or_else(|| KEPT_BACK.to_owned(), grouped),
                    percent: round(count.count.unwrap_or(0) as f64 / longest as f64 * 100.0),
                })
                .collect();
            let rank = |sex: &str| ["female", "male", "other", NOT_STATED].iter().position(|known| *known == sex);
            parts.sort_by_key(|part| rank(&part.sex));
            // What is kept back must not look like nothing.
            let hidden = band.counts.iter().any(|count| count.count.is_none());
            let text = match (sum(band), hidden) {
                (0, true) => KEPT_BACK.to_owned(),
                (sum, true) => format!("over {}", grouped(sum)),
                (sum, false) => grouped(sum),
            };
            AgeRow { band: band.band.clone(), parts, text }
        })
        .collect();
    // `not stated` last; the bands sort by their first digit, with 0-9 and 90+ at the ends.
    rows.sort_by_key(|row| (row.band == NOT_STATED, row.band.split(['-', '+']).next().and_then(|first| first.parse::<u32>().ok())));
    rows
}

/// A test's results as a box on a scale of its own, in percent of the width.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct LabRow {
    name: String,
    code: String,
    unit: String,
    count: String,
    low: String,
    median: String,
    high: String,
    quartiles: String,
    low_at: f64,
    box_at: f64,
    box_width: f64,
    median_at: f64,
    high_at: f64,
}

/// The boxes of the most frequent tests.
pub(super) fn labs(tests: &[LabTest]) -> Vec<LabRow> {
    tests
        .iter()
        .map(|test| {
            let span = (test.high - test.low).max(f64::MIN_POSITIVE);
            // A test whose results are all alike has its box in the middle.
            let at = |value: f64| if test.high > test.low { round(4.0 + (value - test.low) / span * 92.0) } else { 50.0 };
            LabRow {
                name: if test.name.is_empty() { test.code.clone() } else { test.name.clone() },
                code: test.code.clone(),
                unit: test.unit.clone(),
                count: grouped(test.count),
                low: short(test.low),
                median: short(test.median),
                high: short(test.high),
                quartiles: format!("{} to {}", short(test.first_quartile), short(test.third_quartile)),
                low_at: at(test.low),
                box_at: at(test.first_quartile),
                box_width: (at(test.third_quartile) - at(test.first_quartile)).max(0.6),
                median_at: at(test.median),
                high_at: at(test.high),
            }
        })
        .collect()
}

/// Three significant digits: the sketch is not better than that.
fn short(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude >= 100.0 {
        format!("{number:.0}")
    } else if magnitude >= 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(label: &str, count: u64) -> Count {
        Count { label: label.into(), count: Some(count) }
    }

    #[test]
    fn long_lists_are_cut_and_small_counts_stay_hidden() {
        let counts: Vec<Count> = (0..20).map(|index| count(&index.to_string(), 100 - index)).collect();
        let bars = bars(&counts, 1000);
        assert_eq!((bars.len(), bars[0].percent, bars[11].label.as_str()), (12, 100.0, "9 more"));
        let hidden = super::bars(&[Count { label: "x".into(), count: None }], 10);
        assert_eq!((hidden[0].text.as_str(), hidden[0].percent), ("not shown", 0.0));
    }

    #[test]
    fn boxes_stay_on_their_scale() {
        let test = |low, high| LabTest {
            code: "c".into(),
            name: String::new(),
            unit: String::new(),
            count: 20,
            low,
            first_quartile: low,
            median: f64::midpoint(low, high),
            third_quartile: high,
            high,
        };
        for row in labs(&[test(1.0, 2.0), test(5.0, 5.0), test(-3.0, 0.0)]) {
            assert!([row.low_at, row.box_at, row.median_at, row.high_at].iter().all(|at| (0.0..=100.0).contains(at)), "{row:?}");
            assert_eq!(row.name, "c");
        }
    }

    #[test]
    fn age_groups_are_in_order() {
        let bands = ["90+", "not stated", "0-9", "10-19"]
            .map(|band| AgeBand { band: band.into(), counts: vec![count("male", 5), count("female", 5)] });
        let rows = ages(&bands);
        assert_eq!(rows.iter().map(|row| row.band.as_str()).collect::<Vec<_>>(), ["0-9", "10-19", "90+", "not stated"]);
        assert_eq!(rows[0].parts[0].sex, "female");
        let hidden = AgeBand { band: "0-9".into(), counts: vec![Count { label: "male".into(), count: None }] };
        assert_eq!(ages(&[hidden])[0].text, "not shown");
    }
}
