//! Dates and times that keep the precision and the offset they were sent with.
//!
//! Healthcare timestamps are often partial ("1980", "2026-03") and often local without a stated
//! zone. Nothing here ever guesses: an instant comes out only when an offset is known.

use std::fmt;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

/// How much of a timestamp was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    /// Year only.
    Year,
    /// Year and month.
    Month,
    /// A whole date.
    Day,
    /// To the hour.
    Hour,
    /// To the minute.
    Minute,
    /// To the second.
    Second,
    /// With this many digits of a second's fraction (1 to 9).
    Fraction(u8),
}

/// A date or time as it was stated. Parts below the precision are at their lowest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartialDateTime {
    local: NaiveDateTime,
    precision: Precision,
    offset_minutes: Option<i16>,
}

impl PartialDateTime {
    /// From parts; `None` when they are no valid date, time or offset (leap seconds and hour 24 are
    /// not valid in HL7 v2 or FHIR).
    pub fn new(local: NaiveDateTime, precision: Precision, offset_minutes: Option<i16>) -> Option<Self> {
        let digits_fit = !matches!(precision, Precision::Fraction(digits) if digits == 0 || digits > 9);
        let year_fits = (1..=9999).contains(&local.year());
        let offset_fits = offset_minutes.is_none_or(|minutes| minutes.abs() <= 14 * 60);
        (digits_fit && year_fits && offset_fits).then_some(Self { local, precision, offset_minutes })
    }

    /// A whole date.
    pub fn from_date(date: NaiveDate) -> Option<Self> {
        Self::new(date.and_time(NaiveTime::MIN), Precision::Day, None)
    }

    /// Reads the ISO 8601 forms that [`fmt::Display`] writes: `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, then
    /// `Thh`, `Thh:mm`, `Thh:mm:ss`, `Thh:mm:ss.f...`, then `Z` or `+hh:mm`. A space may stand for `T`.
    pub fn parse_iso(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (date, rest) = match bytes.iter().position(|b| matches!(b, b'T' | b' ')) {
            Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
            None => (bytes, None),
        };
        let year = number(date.get(..4)?)?;
        let (month, day, mut precision) = match date.len() {
            4 => (1, 1, Precision::Year),
            7 if date[4] == b'-' => (number(&date[5..7])?, 1, Precision::Month),
            10 if date[4] == b'-' && date[7] == b'-' => (number(&date[5..7])?, number(&date[8..10])?, Precision::Day),
            _ => return None,
        };
        let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        let Some(rest) = rest else {
            return Self::new(day.and_time(NaiveTime::MIN), precision, None);
        };
        if precision != Precision::Day {
            return None;
        }
        let (time, offset) = match rest.iter().position(|b| matches!(b, b'Z' | b'+' | b'-')) {
            Some(at) => (&rest[..at], Some(parse_offset(&rest[at..])?)),
            None => (rest, None),
        };
        let hour = number(time.get(..2)?)?;
        precision = Precision::Hour;
        let (mut minute, mut second, mut nanos) = (0, 0, 0);
        if time.len() > 2 {
            minute = (time[2] == b':').then(|| number(time.get(3..5)?))??;
            precision = Precision::Minute;
        }
        if time.len() > 5 {
            second = (time[5] == b':').then(|| number(time.get(6..8)?))??;
            precision = Precision::Second;
        }
        if time.len() > 8 {
            let digits = (time[8] == b'.').then_some(&time[9..])?;
            nanos = fraction_nanos(digits)?;
            precision = Precision::Fraction(u8::try_from(digits.len()).ok()?);
        }
        let clock = NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?;
        Self::new(day.and_time(clock), precision, offset)
    }

    /// How much was stated.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The stated offset in minutes east of UTC.
    pub fn offset_minutes(&self) -> Option<i16> {
        self.offset_minutes
    }

    /// The local date and time, unstated parts at their lowest.
    pub fn local(&self) -> NaiveDateTime {
        self.local
    }

    /// The date, if stated to the day.
    pub fn date(&self) -> Option<NaiveDate> {
        (self.precision >= Precision::Day).then(|| self.local.date())
    }

    /// The year.
    pub fn year(&self) -> i32 {
        self.local.year()
    }

    /// The local hour, if stated.
    pub fn hour(&self) -> Option<u32> {
        (self.precision >= Precision::Hour).then(|| self.local.hour())
    }

    /// The instant, when stated to the minute at least and an offset is known (its own, else `assumed_minutes`).
    pub fn instant(&self, assumed_minutes: Option<i16>) -> Option<DateTime<Utc>> {
        if self.precision < Precision::Minute {
            return None;
        }
        let minutes = self.offset_minutes.or(assumed_minutes)?;
        let offset = FixedOffset::east_opt(i32::from(minutes) * 60)?;
        Some(self.local.and_local_timezone(offset).single()?.with_timezone(&Utc))
    }

    /// Moved by whole days. The clock time, offset and precision stay; `None` when it was not
    /// stated to the day or leaves the years 1 to 9999.
    pub fn shift_days(&self, days: i64) -> Option<Self> {
        if self.precision < Precision::Day {
            return None;
        }
        let step = Days::new(days.unsigned_abs());
        let local = if days < 0 { self.local.checked_sub_days(step) } else { self.local.checked_add_days(step) }?;
        Self::new(local, self.precision, self.offset_minutes)
    }

    /// Whole years from this date to `later`, as an age is counted; `None` when it would be
    /// negative. Partial dates count from their lowest value.
    pub fn years_until(&self, later: &PartialDateTime) -> Option<u32> {
        later.local.date().years_since(self.local.date())
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

/// Nanoseconds of a fraction's digits (1 to 9 of them).
pub fn fraction_nanos(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let scale = 10u32.pow(9 - u32::try_from(digits.len()).ok()?);
    Some(number(digits)? * scale)
}

fn parse_offset(text: &[u8]) -> Option<i16> {
    if text == b"Z" {
        return Some(0);
    }
    if text.len() != 6 || text[3] != b':' {
        return None;
    }
    let (hours, minutes) = (number(&text[1..3])?, number(&text[4..6])?);
    if minutes > 59 {
        return None;
    }
    let total = i16::try_from(hours * 60 + minutes).ok()?;
    Some(if text[0] == b'-' { -total } else { total })
}

impl fmt::Display for PartialDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.local.date(), self.local.time());
        write!(f, "{:04}", date.year())?;
        if self.precision >= Precision::Month {
            write!(f, "-{:02}", date.month())?;
        }
        if self.precision >= Precision::Day {
            write!(f, "-{:02}", date.day())?;
        }
        if self.precision >= Precision::Hour {
            write!(f, "T{:02}", time.hour())?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", time.minute())?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", time.second())?;
        }
        if let Precision::Fraction(digits) = self.precision {
            let scale = 10u32.pow(9 - u32::from(digits.min(9)));
            write!(f, ".{:0width$}", time.nanosecond() / scale, width = usize::from(digits))?;
        }
        if let Some(minutes) = self.offset_minutes {
            let sign = if minutes < 0 { '-' } else { '+' };
            write!(f, "{sign}{:02}:{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_precision_reads_back() {
        for text in [
            "2026",
            "2026-03",
            "2026-03-14",
            "2026-03-14T15",
            "2026-03-14T15:09",
            "2026-03-14T15:09:26",
            "2026-03-14T15:09:26.5",
            "2026-03-14T15:09:26.0000-05:00",
            "2026-03-14T15:09:26+05:30",
        ] {
            assert_eq!(PartialDateTime::parse_iso(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "20",
            "2026-",
            "2026-13",
            "2026-02-29",
            "2026-03-14T24",
            "2026-03-14T15:09:60",
            "2026T10",
            "2026-03-14T15:09:26+5",
            "0000",
            "2026-03-14T15:09:26.",
            "２０２６",
        ] {
            assert_eq!(PartialDateTime::parse_iso(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn no_instant_without_an_offset() {
        let local = PartialDateTime::parse_iso("2026-03-14T15:09").unwrap();
        assert_eq!(local.instant(None), None);
        assert_eq!(local.instant(Some(-300)).unwrap().to_rfc3339(), "2026-03-14T20:09:00+00:00");
        assert_eq!(PartialDateTime::parse_iso("2026-03-14").unwrap().instant(Some(0)), None);
    }

    #[test]
    fn shifting_keeps_intervals_and_precision() {
        let a = PartialDateTime::parse_iso("2024-02-28T10:00").unwrap();
        let b = PartialDateTime::parse_iso("2024-03-02").unwrap();
        let (a2, b2) = (a.shift_days(-59).unwrap(), b.shift_days(-59).unwrap());
        assert_eq!(b.date().unwrap() - a.date().unwrap(), b2.date().unwrap() - a2.date().unwrap());
        assert_eq!(a2.to_string(), "2023-12-31T10:00");
        assert_eq!(PartialDateTime::parse_iso("2024").unwrap().shift_days(1), None);
    }
}
