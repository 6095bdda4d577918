//! Ages from dates of any precision: what is not known is a range, never a guess.

use chrono::{Datelike, NaiveDate};

/// A FHIR date or the date of a dateTime, with the precision it was sent in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PartialDate {
    /// The first day it can mean.
    pub(super) low: NaiveDate,
    precision: Precision,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Precision {
    Year,
    Month,
    Day,
}

impl PartialDate {
    /// A whole day.
    pub(super) fn day(low: NaiveDate) -> Self {
        Self { low, precision: Precision::Day }
    }

    /// Reads `1980`, `1980-02`, `1980-02-29`, and the date of `1980-02-29T12:00:00Z` as it is written in its own zone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| {
            bytes.get(from..to)?.iter().try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
        };
        let year = i32::try_from(number(0, 4)?).ok().filter(|year| *year > 0)?;
        let at = |place: usize| bytes.get(place).copied();
        let (month, day, precision) = match (at(4), at(7), at(10)) {
            (None, ..) => (1, 1, Precision::Year),
            (Some(b'-'), None, _) if bytes.len() == 7 => (number(5, 7)?, 1, Precision::Month),
            (Some(b'-'), Some(b'-'), None | Some(b'T')) => (number(5, 7)?, number(8, 10)?, Precision::Day),
            _ => return None,
        };
        Some(Self { low: NaiveDate::from_ymd_opt(year, month, day)?, precision })
    }

    /// The last day it can mean.
    pub(super) fn high(self) -> NaiveDate {
        let (year, month) = (self.low.year(), self.low.month());
        let next = match self.precision {
            Precision::Day => return self.low,
            Precision::Month if month < 12 => NaiveDate::from_ymd_opt(year, month + 1, 1),
            Precision::Month | Precision::Year => NaiveDate::from_ymd_opt(year + 1, 1, 1),
        };
        next.and_then(|next| next.pred_opt()).unwrap_or(self.low)
    }

    /// As it was sent, without a time.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        use std::io::Write;
        // Writing to memory does not fail.
        let _ = match self.precision {
            Precision::Year => write!(out, "{:04}", self.low.year()),
            Precision::Month => write!(out, "{:04}-{:02}", self.low.year(), self.low.month()),
            Precision::Day => write!(out, "{:04}-{:02}-{:02}", self.low.year(), self.low.month(), self.low.day()),
        };
    }
}

/// Beyond any verified human age: such a birth date is a mistake.
pub(super) const OLDEST_YEARS: i32 = 130;

/// An age: the least and the most it can be, in completed years, months and days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Age {
    pub(super) years: (i32, i32),
    pub(super) months: (i32, i32),
    pub(super) days: (i32, i32),
}

/// The age bands of the enrichment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AgeGroup {
    /// Below 18 years.
    Paediatric,
    /// 18 to 64 years.
    Adult,
    /// 65 years and older.
    Elderly,
}

impl AgeGroup {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Paediatric => "paediatric",
            Self::Adult => "adult",
            Self::Elderly => "elderly",
        }
    }

    pub(super) fn display(self) -> &'static str {
        match self {
            Self::Paediatric => "Paediatric (below 18 years)",
            Self::Adult => "Adult (18 to 64 years)",
            Self::Elderly => "Elderly (65 years and older)",
        }
    }

    fn of(years: i32) -> Self {
        match years {
            ..18 => Self::Paediatric,
            18..65 => Self::Adult,
            _ => Self::Elderly,
        }
    }
}

/// Completed months; the birthday of the 29th of February is the 1st of March in other years.
fn completed_months(birth: NaiveDate, on: NaiveDate) -> i32 {
    (on.year() - birth.year()) * 12 + on.month() as i32 - birth.month() as i32 - i32::from(on.day() < birth.day())
}

impl Age {
    /// The age of a person born at `birth` at `on`; none if they were not born yet or would be older than anyone.
    pub(super) fn between(birth: PartialDate, on: PartialDate) -> Option<Self> {
        let (least, most) = ((birth.high(), on.low), (birth.low, on.high()));
        if most.1 < most.0 {
            return None;
        }
        let months = (completed_months(least.0, least.1).max(0), completed_months(most.0, most.1).max(0));
        let days = |(birth, on): (NaiveDate, NaiveDate)| i32::try_from((on - birth).num_days()).unwrap_or(i32::MAX).max(0);
        let age = Self { years: (months.0 / 12, months.1 / 12), months, days: (days(least), days(most)) };
        (age.years.0 <= OLDEST_YEARS).then_some(age)
    }

    /// The band, if it is the same for all ages it can be.
    pub(super) fn group(self) -> Option<AgeGroup> {
        let group = AgeGroup::of(self.years.0);
        (group == AgeGroup::of(self.years.1)).then_some(group)
    }

    /// Completed years; months below two years, days below one month: least, most, UCUM code, unit's name.
    pub(super) fn in_unit(self) -> (i32, i32, &'static str, &'static str) {
        if self.years.1 >= 2 {
            (self.years.0, self.years.1, "a", "years")
        } else if self.months.1 >= 1 {
            (self.months.0, self.months.1, "mo", "months")
        } else {
            (self.days.0, self.days.1, "d", "days")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(birth: &str, on: &str) -> Option<Age> {
        Age::between(PartialDate::parse(birth).unwrap(), PartialDate::parse(on).unwrap())
    }

    fn shown(birth: &str, on: &str) -> (i32, i32, &'static str) {
        let (least, most, unit, _) = age(birth, on).unwrap().in_unit();
        (least, most, unit)
    }

    #[test]
    fn ages_of_every_precision() {
        assert_eq!(shown("1980-06-15", "2024-06-14"), (43, 43, "a"));
        assert_eq!(shown("1980-06-15", "2024-06-15"), (44, 44, "a"));
        assert_eq!(shown("1980", "2024-06-15"), (43, 44, "a"));
        assert_eq!(shown("1980-06", "2024-06-15"), (43, 44, "a"));
        assert_eq!(shown("1980-06", "2024-07-01"), (44, 44, "a"));
        assert_eq!(shown("2000-02-29", "2018-02-28"), (17, 17, "a"));
        assert_eq!(shown("2000-02-29", "2018-03-01"), (18, 18, "a"));
        assert_eq!(shown("2023-01-31", "2023-02-28"), (28, 28, "d"));
        assert_eq!(shown("2023-01-31", "2023-03-01"), (1, 1, "mo"));
        assert_eq!(shown("2022-06-15", "2024-06-14"), (23, 23, "mo"));
        assert_eq!(shown("2024-06-15", "2024-06-15"), (0, 0, "d"));
        assert_eq!(shown("2024", "2024-06-15"), (0, 5, "mo"));
        assert_eq!(age("2024-06-16", "2024-06-15"), None);
        assert_eq!(age("1880", "2024-06-15"), None);
    }

    #[test]
    fn the_group_is_known_only_where_all_ages_are_in_it() {
        assert_eq!(age("2006-06-15", "2024-06-14").unwrap().group(), Some(AgeGroup::Paediatric));
        assert_eq!(age("2006-06-15", "2024-06-15").unwrap().group(), Some(AgeGroup::Adult));
        assert_eq!(age("1959-06-16", "2024-06-15").unwrap().group(), Some(AgeGroup::Adult));
        assert_eq!(age("1959-06-15", "2024-06-15").unwrap().group(), Some(AgeGroup::Elderly));
        assert_eq!(age("2006", "2024-06-15").unwrap().group(), None);
    }

    #[test]
    fn dates_are_written_as_sent() {
        for text in ["1980", "1980-02", "1980-02-29"] {
            let mut out = Vec::new();
            PartialDate::parse(text).unwrap().write(&mut out);
            assert_eq!(out, text.as_bytes());
        }
        for bad in ["", "198", "1980-", "1980-13", "1980-02-30", "0000", "19800101", "1980-01-01 00:00", "\u{663}980"] {
            assert!(PartialDate::parse(bad).is_none(), "{bad}");
        }
        assert!(PartialDate::parse("1980-02-29T23:59:59+14:00").is_some_and(|date| date == PartialDate::parse("1980-02-29").unwrap()));
    }
}
