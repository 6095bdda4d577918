//! Dates: shifting by whole days, and keeping only the year.

use chrono::{Datelike, Days, NaiveDate};
use sutura_core::PartialDateTime;

/// Ages above this become one category (45 CFR 164.514(b)(2)(i)(C)).
pub(crate) const OLDEST_SHOWN_AGE: i32 = 89;

/// Moves a date in ISO text by whole days; clock time, fraction and offset stay as they are. Returns
/// `false` (and writes nothing) when the text is no date or not stated to the day: a month or a year
/// cannot be moved by days, and must not stay unmoved beside dates that were.
pub fn shift_iso(text: &str, days: i32, out: &mut String) -> bool {
    let text = text.trim();
    let bytes = text.as_bytes();
    // The common form, without formatting machinery: the date part is replaced, the rest copied.
    if let Some(date) = plain_date(bytes)
        && (bytes.len() == 10 || PartialDateTime::parse_iso(text).is_some())
    {
        let step = Days::new(u64::from(days.unsigned_abs()));
        let moved = if days < 0 { date.checked_sub_days(step) } else { date.checked_add_days(step) };
        let Some(moved) = moved.filter(|date| (1..=9999).contains(&date.year())) else { return false };
        push_date(moved, out);
        out.push_str(&text[10..]);
        return true;
    }
    false
}

fn plain_date(bytes: &[u8]) -> Option<NaiveDate> {
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().try_fold(0u32, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')));
    NaiveDate::from_ymd_opt(i32::try_from(number(&bytes[..4])?).ok()?, number(&bytes[5..7])?, number(&bytes[8..10])?)
}

fn push_date(date: NaiveDate, out: &mut String) {
    let digit = |number: u32| char::from(b'0' + (number % 10) as u8);
    let year = date.year().unsigned_abs();
    for power in [1000, 100, 10, 1] {
        out.push(digit(year / power));
    }
    for part in [date.month(), date.day()] {
        out.push('-');
        out.push(digit(part / 10));
        out.push(digit(part));
    }
}

/// What is left of a date when only its year may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YearOrOlder {
    /// The year.
    Year(i32),
    /// The year would show an age over 89: only this last year of the category is told.
    OrEarlier(i32),
}

/// The year of a date, as it may be shown: a person alive in a year more than 89 before the
/// reference year is over 89 (or about to be), so all such years become one category.
pub fn year_shown(year: i32, reference_year: i32) -> YearOrOlder {
    let first_shown = reference_year - OLDEST_SHOWN_AGE;
    if year >= first_shown { YearOrOlder::Year(year) } else { YearOrOlder::OrEarlier(first_shown - 1) }
}

/// The year of a date in ISO text: `1980`, or `1936-or-earlier` where the year would show an age over
/// 89 in the reference year. `None` when the text is no date.
pub fn year_of_iso(text: &str, reference_year: i32) -> Option<String> {
    Some(match year_shown(parse_year(text)?, reference_year) {
        YearOrOlder::Year(year) => format!("{year:04}"),
        YearOrOlder::OrEarlier(year) => format!("{year:04}-or-earlier"),
    })
}

/// The year of a valid date of any precision.
pub(crate) fn parse_year(text: &str) -> Option<i32> {
    PartialDateTime::parse_iso(text.trim()).map(|date| date.year())
}

/// Whole years between a birth date of any precision and a day; `None` when it is no date or later than that day.
pub fn age_on(birth: &str, day: NaiveDate) -> Option<u32> {
    PartialDateTime::parse_iso(birth.trim())?.years_until(&PartialDateTime::from_date(day)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifted(text: &str, days: i32) -> Option<String> {
        let mut out = String::new();
        shift_iso(text, days, &mut out).then_some(out)
    }

    #[test]
    fn only_the_date_part_moves() {
        assert_eq!(shifted("2026-03-01T15:09:26.120-05:00", -1).unwrap(), "2026-02-28T15:09:26.120-05:00");
        assert_eq!(shifted("2024-02-28", 2).unwrap(), "2024-03-01");
        assert_eq!(shifted(" 2024-02-28T07 ", 366).unwrap(), "2025-02-28T07");
        for no_date in ["2024", "2024-02", "2024-02-30", "2024-02-28Tnoon", "0001-01-01", "", "unknown", "2024-02-28junk"] {
            assert_eq!(shifted(no_date, -1), None, "{no_date}");
        }
    }

    #[test]
    fn years_over_89_are_one_category() {
        assert_eq!(year_of_iso("1980-05", 2026).unwrap(), "1980");
        assert_eq!(year_of_iso("1937-12-31", 2026).unwrap(), "1937");
        assert_eq!(year_of_iso("1936-12-31", 2026).unwrap(), "1936-or-earlier");
        assert_eq!(year_of_iso("1901", 2026).unwrap(), "1936-or-earlier");
        assert_eq!(year_of_iso("then", 2026), None);
    }

    #[test]
    fn ages_count_birthdays() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 14).unwrap();
        assert_eq!(age_on("1980-03-15", day), Some(45));
        assert_eq!(age_on("1980-03-14", day), Some(46));
        assert_eq!(age_on("1980", day), Some(46));
        assert_eq!(age_on("2027-01-01", day), None);
    }
}
