//! Dates in the forms people write, to ISO 8601 with the precision they were given.

use std::fmt::Write;

use arrow::array::ArrayRef;
use chrono::NaiveDate;
use sutura_core::PartialDateTime;

use super::map_text;
use crate::model::DateFormat;

/// Rewrites a column of dates; what fits none of the forms becomes null.
pub fn standardise(column: &ArrayRef, formats: &[DateFormat]) -> Result<ArrayRef, String> {
    map_text(column, |value, out| {
        let value = value.trim();
        let found = formats.iter().find_map(|format| parse(value, *format));
        found.is_some_and(|date| write!(out, "{date}").is_ok())
    })
}

fn parse(value: &str, format: DateFormat) -> Option<PartialDateTime> {
    match format {
        DateFormat::Iso => PartialDateTime::parse_iso(value),
        DateFormat::Hl7 => sutura_hl7v2::timestamp::parse(value).value(),
        DateFormat::MonthDayYear => {
            let [month, day, year] = numbers(value, &['/'])?;
            whole(year, month, day)
        }
        DateFormat::DayMonthYear => {
            let [day, month, year] = numbers(value, &['/', '.', '-'])?;
            whole(year, month, day)
        }
        DateFormat::DayNameYear => {
            let mut parts = value.split(['-', ' ']).filter(|part| !part.is_empty());
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() || year.len() != 4 {
                return None;
            }
            whole(year.parse().ok()?, month_number(month)?, day.parse().ok()?)
        }
    }
}

fn numbers(value: &str, separators: &[char]) -> Option<[u32; 3]> {
    let separator = value.chars().find(|character| separators.contains(character))?;
    let mut parts = value.split(separator);
    let (a, b, year) = (parts.next()?, parts.next()?, parts.next()?);
    // Two-digit years are guesses: null is honest.
    let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || year.len() != 4 || !digits(year, 4) || !digits(a, 2) || !digits(b, 2) {
        return None;
    }
    Some([a.parse().ok()?, b.parse().ok()?, year.parse().ok()?])
}

fn whole(year: u32, month: u32, day: u32) -> Option<PartialDateTime> {
    PartialDateTime::from_date(NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?)
}

fn month_number(name: &str) -> Option<u32> {
    const MONTHS: [&str; 12] =
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let position = MONTHS.iter().position(|month| name.len() >= 3 && month.starts_with(&name))?;
    u32::try_from(position + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::{super::testing::one, *};

    #[test]
    fn dates_keep_their_precision() {
        use DateFormat::*;
        let all = [Iso, Hl7, MonthDayYear, DayMonthYear, DayNameYear];
        let cases = [
            ("2026-03-14", Some("2026-03-14")),
            ("2026-03", Some("2026-03")),
            ("20260314", Some("2026-03-14")),
            ("202603141509-0500", Some("2026-03-14T15:09-05:00")),
            ("3/14/2026", Some("2026-03-14")),
            ("14.03.2026", Some("2026-03-14")),
            ("14-Mar-2026", Some("2026-03-14")),
            (" 14 March 2026 ", Some("2026-03-14")),
            ("31/31/2026", None),
            ("3/14/26", None),
            ("31-Feb-2026", None),
            ("14 Marz 2026", None),
            ("", None),
            ("tomorrow", None),
        ];
        for (given, wanted) in cases {
            assert_eq!(one(given, |column| standardise(column, &all)).as_deref(), wanted, "{given}");
        }
        assert_eq!(one("02/03/2026", |column| standardise(column, &[MonthDayYear])).as_deref(), Some("2026-02-03"));
        assert_eq!(one("02/03/2026", |column| standardise(column, &[DayMonthYear])).as_deref(), Some("2026-03-02"));
    }
}
