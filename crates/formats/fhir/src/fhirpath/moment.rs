//! Dates, times and both, with the precision they were written with.
//!
//! A comparison that the precision or a missing time zone leaves open is `None`, which FHIRPath turns into the empty collection.

use std::{cmp::Ordering, fmt};

/// A date with year, month or day precision. Month and day are 0 where they are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A time of day with hour, minute or second precision; a fraction belongs to the seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Time {
    hour: u8,
    minute: Option<u8>,
    second: Option<u8>,
    nanos: u32,
    fraction_digits: u8,
}

/// A date, perhaps with a time, perhaps with an offset from UTC in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    date: Date,
    time: Option<Time>,
    offset: Option<i16>,
}

/// The units that dates are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calendar {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

const NANOS: i128 = 1_000_000_000;
const DAY_NANOS: i128 = 86_400 * NANOS;

impl Calendar {
    /// The nanoseconds of a unit of fixed length.
    fn nanos(self) -> Option<i128> {
        Some(match self {
            Self::Year | Self::Month => return None,
            Self::Week => 7 * DAY_NANOS,
            Self::Day => DAY_NANOS,
            Self::Hour => 3_600 * NANOS,
            Self::Minute => 60 * NANOS,
            Self::Second => NANOS,
            Self::Millisecond => NANOS / 1_000,
        })
    }
}

/// Days since 1970-01-01 of a civil date (the algorithm of H. Hinnant, proleptic Gregorian).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (years + era * 400 + i64::from(month <= 2), month as u8, day as u8)
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `count` digits at `at`.
fn digits(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    bytes.get(at..at + count)?.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// Compares field by field; `None` where one of them ends first.
fn compare_fields(left: &[Option<i64>], right: &[Option<i64>]) -> Option<Ordering> {
    for (left, right) in left.iter().zip(right) {
        match (left, right) {
            (Some(left), Some(right)) if left == right => {}
            (Some(left), Some(right)) => return Some(left.cmp(right)),
            (None, None) => return Some(Ordering::Equal),
            _ => return None,
        }
    }
    Some(Ordering::Equal)
}

impl Date {
    /// A date that exists; 0 for an unknown month or day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let exists = (1..=9999).contains(&year) && if month == 0 { day == 0 } else { month <= 12 && day <= days_in_month(year, month) };
        exists.then_some(Self { year, month, day })
    }

    /// Reads `2014`, `2014-01` or `2014-01-25`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let part = |at: usize| if bytes.get(at - 1) == Some(&b'-') { digits(bytes, at, 2).filter(|part| *part > 0) } else { None };
        let year = digits(bytes, 0, 4)? as u16;
        let (month, day) = match bytes.len() {
            4 => (0, 0),
            7 => (part(5)?, 0),
            10 => (part(5)?, part(8)?),
            _ => return None,
        };
        Self::new(year, month as u8, day as u8)
    }

    /// Year.
    pub fn year(self) -> u16 {
        self.year
    }

    /// Month, if known.
    pub fn month(self) -> Option<u8> {
        (self.month > 0).then_some(self.month)
    }

    /// Day, if known.
    pub fn day(self) -> Option<u8> {
        (self.day > 0).then_some(self.day)
    }

    fn days(self) -> i64 {
        days_from_civil(i64::from(self.year), i64::from(self.month.max(1)), i64::from(self.day.max(1)))
    }

    fn from_days(days: i64) -> Option<Self> {
        let (year, month, day) = civil_from_days(days);
        Self::new(u16::try_from(year).ok()?, month, day)
    }

    fn fields(self) -> [Option<i64>; 3] {
        [Some(i64::from(self.year)), self.month().map(i64::from), self.day().map(i64::from)]
    }

    /// The order, if the precisions decide it.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        compare_fields(&self.fields(), &other.fields())
    }

    fn add_months(self, months: i64) -> Option<Self> {
        let total = i64::from(self.year) * 12 + i64::from(self.month.max(1)) - 1 + months;
        let (year, month) = (u16::try_from(total.div_euclid(12)).ok()?, total.rem_euclid(12) as u8 + 1);
        if self.month == 0 {
            return Self::new(year, 0, 0);
        }
        Self::new(year, month, self.day.min(days_in_month(year, month)))
    }

    /// Adds whole units; units finer than the precision are counted in it, with 30 days a month and 365 a year.
    pub(crate) fn add(self, amount: i64, unit: Calendar) -> Option<Self> {
        let Some(nanos) = unit.nanos() else {
            let months = amount.checked_mul(if unit == Calendar::Year { 12 } else { 1 })?;
            if months.abs() > 12 * 20_000 {
                return None;
            }
            // With year precision only whole years count.
            return self.add_months(if self.month == 0 { months / 12 * 12 } else { months });
        };
        let days = i64::try_from(i128::from(amount).checked_mul(nanos)? / DAY_NANOS).ok()?;
        if days.abs() > 366 * 20_000 {
            return None;
        }
        match (self.month, self.day) {
            (0, _) => self.add_months(days / 365 * 12),
            (_, 0) => self.add_months(days / 30),
            _ => Self::from_days(self.days() + days),
        }
    }

    /// Digits of the precision: 4, 6 or 8.
    pub(crate) fn precision(self) -> i64 {
        4 + 2 * i64::from(self.month > 0) + 2 * i64::from(self.day > 0)
    }

    /// The first or last date that it may be, to `precision` digits.
    pub(crate) fn boundary(self, high: bool, precision: i64) -> Option<Self> {
        let month = if self.month > 0 {
            self.month
        } else if high {
            12
        } else {
            1
        };
        let day = if self.day > 0 {
            self.day
        } else if high {
            days_in_month(self.year, month)
        } else {
            1
        };
        match precision {
            4 => Self::new(self.year, 0, 0),
            6 => Self::new(self.year, month, 0),
            8 => Self::new(self.year, month, day),
            _ => None,
        }
    }
}

impl Time {
    /// Reads `14`, `14:30`, `14:30:05` or with a fraction.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let part = |at: usize| if bytes.get(at - 1) == Some(&b':') { digits(bytes, at, 2) } else { None };
        let hour = digits(bytes, 0, 2)?;
        let minute = if bytes.len() > 2 { Some(part(3)?) } else { None };
        let second = if bytes.len() > 5 { Some(part(6)?) } else { None };
        let (mut nanos, mut fraction_digits) = (0, 0);
        if bytes.len() > 8 {
            let fraction = bytes.get(9..)?;
            if bytes[8] != b'.' || fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let kept = fraction.len().min(9);
            nanos = digits(fraction, 0, kept)? * 10_u32.pow(9 - kept as u32);
            fraction_digits = kept as u8;
        }
        // 60 is a leap second.
        let exists = hour < 24 && minute.is_none_or(|minute| minute < 60) && second.is_none_or(|second| second <= 60);
        let as_byte = |part: u32| part as u8;
        exists.then_some(Self { hour: hour as u8, minute: minute.map(as_byte), second: second.map(as_byte), nanos, fraction_digits })
    }

    /// Hour.
    pub fn hour(self) -> u8 {
        self.hour
    }

    /// Minute, if known.
    pub fn minute(self) -> Option<u8> {
        self.minute
    }

    /// Second, if known.
    pub fn second(self) -> Option<u8> {
        self.second
    }

    /// Milliseconds, if a fraction was written.
    pub fn millisecond(self) -> Option<u16> {
        (self.fraction_digits > 0).then_some((self.nanos / 1_000_000) as u16)
    }

    fn nanos_of_day(self) -> i128 {
        let seconds = i128::from(self.hour) * 3600 + i128::from(self.minute.unwrap_or(0)) * 60 + i128::from(self.second.unwrap_or(0));
        seconds * NANOS + i128::from(self.nanos)
    }

    /// The time at that many nanoseconds, with the precision of `self`.
    fn at(self, nanos: i128) -> Self {
        let seconds = (nanos / NANOS) as u32;
        Self {
            hour: (seconds / 3600) as u8,
            minute: self.minute.map(|_| (seconds / 60 % 60) as u8),
            second: self.second.map(|_| (seconds % 60) as u8),
            nanos: (nanos % NANOS) as u32,
            fraction_digits: if self.second.is_some() && nanos % NANOS != 0 { self.fraction_digits.max(3) } else { self.fraction_digits },
        }
    }

    fn fields(self) -> [Option<i64>; 3] {
        let second = self.second.map(|second| i64::from(second) * 1_000_000_000 + i64::from(self.nanos));
        [Some(i64::from(self.hour)), self.minute.map(i64::from), second]
    }

    /// The order, if the precisions decide it.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        compare_fields(&self.fields(), &other.fields())
    }

    /// The unit that its precision counts in.
    fn unit_nanos(self) -> i128 {
        match (self.minute, self.second) {
            (None, _) => 3_600 * NANOS,
            (_, None) => 60 * NANOS,
            _ => 1,
        }
    }

    /// Adds whole units, round the clock; `None` for units of a day and more.
    pub(crate) fn add(self, amount: i128, unit: Calendar) -> Option<Self> {
        let nanos = unit.nanos().filter(|nanos| *nanos < DAY_NANOS)?.checked_mul(amount)? / self.unit_nanos() * self.unit_nanos();
        Some(self.at((self.nanos_of_day().checked_add(nanos)?).rem_euclid(DAY_NANOS)))
    }

    /// Digits of the precision: 2, 4, 6 or 9.
    pub(crate) fn precision(self) -> i64 {
        match (self.minute, self.second, self.fraction_digits) {
            (None, ..) => 2,
            (_, None, _) => 4,
            (_, _, 0) => 6,
            _ => 9,
        }
    }

    /// The first or last time that it may be, to `precision` digits. A bare hour is taken as its first minute, as the
    /// specification's examples do.
    pub(crate) fn boundary(self, high: bool, precision: i64) -> Option<Self> {
        let minute = self.minute.unwrap_or(0);
        let second = self.second.unwrap_or(if high { 59 } else { 0 });
        let nanos = if self.fraction_digits == 0 && high { 999_000_000 } else { self.nanos / 1_000_000 * 1_000_000 };
        let (minute, second, nanos, fraction_digits) = match precision {
            2 => (None, None, 0, 0),
            4 => (Some(minute), None, 0, 0),
            6 => (Some(minute), Some(second), 0, 0),
            9 => (Some(minute), Some(second), nanos, 3),
            _ => return None,
        };
        Some(Self { hour: self.hour, minute, second, nanos, fraction_digits })
    }
}

impl DateTime {
    /// Reads FHIR's `dateTime` and `instant` and FHIRPath's literals: a date, then perhaps `T`, a time and an offset.
    pub fn parse(text: &str) -> Option<Self> {
        let Some((date, rest)) = text.split_once('T') else { return Date::parse(text).map(Self::from) };
        let date = Date::parse(date)?;
        if rest.is_empty() {
            return Some(Self::from(date));
        }
        if date.day == 0 {
            return None;
        }
        let (clock, offset) = match rest.find(['Z', '+', '-']) {
            Some(at) => (&rest[..at], Some(Self::parse_offset(&rest[at..])?)),
            None => (rest, None),
        };
        Some(Self { date, time: Some(Time::parse(clock)?), offset })
    }

    fn parse_offset(text: &str) -> Option<i16> {
        let bytes = text.as_bytes();
        if bytes == b"Z" {
            return Some(0);
        }
        if bytes.len() != 6 || bytes[3] != b':' {
            return None;
        }
        let (hours, minutes) = (digits(bytes, 1, 2)?, digits(bytes, 4, 2)?);
        if hours > 14 || minutes > 59 {
            return None;
        }
        let total = (hours * 60 + minutes) as i16;
        Some(if bytes[0] == b'-' { -total } else { total })
    }

    /// The time of the system's clock, in UTC.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self::from_instant(since.as_secs() as i64 * 1_000 + i64::from(since.subsec_millis()), 0).unwrap_or(Self {
            date: Date { year: 1970, month: 1, day: 1 },
            time: None,
            offset: None,
        })
    }

    /// The moment of that many milliseconds since 1970, written at an offset in minutes.
    pub fn from_instant(milliseconds: i64, offset: i16) -> Option<Self> {
        let local = milliseconds.checked_add(i64::from(offset) * 60_000)?;
        let date = Date::from_days(local.div_euclid(86_400_000))?;
        let template = Time { hour: 0, minute: Some(0), second: Some(0), nanos: 0, fraction_digits: 3 };
        Some(Self { date, time: Some(template.at(i128::from(local.rem_euclid(86_400_000)) * 1_000_000)), offset: Some(offset) })
    }

    /// The date part.
    pub fn date(self) -> Date {
        self.date
    }

    /// The time part.
    pub fn time(self) -> Option<Time> {
        self.time
    }

    /// The offset from UTC in minutes.
    pub fn offset_minutes(self) -> Option<i16> {
        self.offset
    }

    /// Nanoseconds since 1970 as if it were UTC.
    fn local_nanos(self) -> i128 {
        i128::from(self.date.days()) * DAY_NANOS + self.time.map_or(0, Time::nanos_of_day)
    }

    fn at_utc(self) -> Option<Self> {
        let (time, offset) = (self.time?, self.offset?);
        let nanos = self.local_nanos() - i128::from(offset) * 60 * NANOS;
        let date = Date::from_days(nanos.div_euclid(DAY_NANOS) as i64)?;
        // An hour with an offset of half an hour needs its minutes.
        let time = Time { minute: time.minute.or((offset % 60 != 0).then_some(0)), ..time };
        Some(Self { date, time: Some(time.at(nanos.rem_euclid(DAY_NANOS))), offset: Some(0) })
    }

    /// The order, if precision and time zones decide it. A time without a zone may be anywhere from -12:00 to +14:00.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let (left, right) = match (self.at_utc(), other.at_utc()) {
            (Some(left), Some(right)) => (left, right),
            (None, None) => (self, other),
            (Some(known), None) if other.time.is_some() => return known.compare_to_local(other),
            (None, Some(known)) if self.time.is_some() => return known.compare_to_local(self).map(Ordering::reverse),
            _ => (self, other),
        };
        match left.date.compare(right.date) {
            Some(Ordering::Equal) => match (left.time, right.time) {
                (Some(left), Some(right)) => left.compare(right),
                (None, None) => Some(Ordering::Equal),
                _ => None,
            },
            decided => decided,
        }
    }

    /// `self` is in UTC, `local` has no zone.
    fn compare_to_local(self, local: Self) -> Option<Ordering> {
        const HOUR: i128 = 3_600 * NANOS;
        let distance = self.local_nanos() - local.local_nanos();
        if distance < -14 * HOUR {
            Some(Ordering::Less)
        } else if distance > 12 * HOUR {
            Some(Ordering::Greater)
        } else {
            None
        }
    }

    /// Adds whole units.
    pub(crate) fn add(self, amount: i128, unit: Calendar) -> Option<Self> {
        let small = || i64::try_from(amount).ok();
        let (Some(nanos), Some(time)) = (unit.nanos(), self.time) else {
            return Some(Self { date: self.date.add(small()?, unit)?, ..self });
        };
        let added = nanos.checked_mul(amount)? / time.unit_nanos() * time.unit_nanos();
        let total = self.local_nanos().checked_add(added)?;
        let date = Date::from_days(i64::try_from(total.div_euclid(DAY_NANOS)).ok()?)?;
        Some(Self { date, time: Some(time.at(total.rem_euclid(DAY_NANOS))), offset: self.offset })
    }

    /// Digits of the precision: 4, 6, 8, then 10, 12, 14 or 17.
    pub(crate) fn precision(self) -> i64 {
        self.date.precision() + self.time.map_or(0, Time::precision)
    }

    /// The first or last moment that it may be, to `precision` digits.
    pub(crate) fn boundary(self, high: bool, precision: i64) -> Option<Self> {
        if precision <= 8 {
            return self.date.boundary(high, precision).map(Self::from);
        }
        let start =
            Time { hour: if high { 23 } else { 0 }, minute: Some(if high { 59 } else { 0 }), second: None, nanos: 0, fraction_digits: 0 };
        let time = self.time.unwrap_or(start).boundary(high, precision - 8)?;
        let offset = self.offset.unwrap_or(if high { -12 * 60 } else { 14 * 60 });
        Some(Self { date: self.date.boundary(high, 8)?, time: Some(time), offset: Some(offset) })
    }

    /// Whole units from `self` to `other`; with `boundaries` the number of unit boundaries crossed instead.
    pub(crate) fn units_until(self, other: Self, unit: Calendar, boundaries: bool) -> Option<i64> {
        let (from, to) = match (self.at_utc(), other.at_utc()) {
            (Some(from), Some(to)) => (from, to),
            _ => (self, other),
        };
        if let Some(nanos) = unit.nanos() {
            let finer_than_day = nanos < DAY_NANOS;
            if (finer_than_day && (from.time.is_none() || to.time.is_none())) || from.date.day == 0 || to.date.day == 0 {
                return None;
            }
            let (from, to) = (from.local_nanos(), to.local_nanos());
            let count = if boundaries { to.div_euclid(nanos) - from.div_euclid(nanos) } else { (to - from) / nanos };
            return i64::try_from(count).ok();
        }
        let month = |moment: Self| moment.date.month().map(|month| i64::from(moment.date.year) * 12 + i64::from(month) - 1);
        if boundaries && unit == Calendar::Year {
            return Some(i64::from(to.date.year) - i64::from(from.date.year));
        }
        let mut months = month(to)? - month(from)?;
        if !boundaries {
            let rest = |moment: Self| (moment.date.day, moment.time.map_or(0, Time::nanos_of_day));
            months -= i64::from(months > 0 && rest(to) < rest(from));
            months += i64::from(months < 0 && rest(to) > rest(from));
        }
        Some(if unit == Calendar::Year { months / 12 } else { months })
    }
}

impl From<Date> for DateTime {
    fn from(date: Date) -> Self {
        Self { date, time: None, offset: None }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if self.month > 0 {
            write!(f, "-{:02}", self.month)?;
        }
        if self.day > 0 {
            write!(f, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.hour)?;
        if let Some(minute) = self.minute {
            write!(f, ":{minute:02}")?;
        }
        if let Some(second) = self.second {
            write!(f, ":{second:02}")?;
        }
        if self.fraction_digits > 0 {
            let width = usize::from(self.fraction_digits);
            write!(f, ".{:0width$}", self.nanos / 10_u32.pow(9 - u32::from(self.fraction_digits)))?;
        }
        Ok(())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date)?;
        if let Some(time) = self.time {
            write!(f, "T{time}")?;
        }
        match self.offset {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime {
        DateTime::parse(text).unwrap()
    }

    #[test]
    fn what_was_written_is_what_comes_back() {
        for text in ["2014", "2014-02", "2014-02-28", "2014-02-28T14:05", "2014-02-28T14:05:09.120+10:30", "2014-02-28T14:05:09Z"] {
            assert_eq!(moment(text).to_string(), text);
        }
        for bad in
            ["2014-13", "2014-02-30", "2014-2", "2014-02-28T25:00", "2014-02T10:00", "2014-02-28T10:00+15:00", "", "2014-02-28T10:00:00."]
        {
            assert!(DateTime::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_precision_decides_what_can_be_compared() {
        assert_eq!(moment("2018-03").compare(moment("2018-03-01")), None);
        assert_eq!(moment("2018-03").compare(moment("2018-04-01")), Some(Ordering::Less));
        assert_eq!(moment("2018-03-01T10:00:00Z").compare(moment("2018-03-01T12:00:00+02:00")), Some(Ordering::Equal));
        assert_eq!(moment("2018-03-01T10:00:00Z").compare(moment("2018-03-01T12:00:00")), None);
        assert_eq!(moment("2018-03-01T10:00:00Z").compare(moment("2018-03-03T12:00:00")), Some(Ordering::Less));
        assert_eq!(moment("2018-03-01T10:00:00").compare(moment("2018-03-01T10:00:00.0")), Some(Ordering::Equal));
    }

    #[test]
    fn arithmetic_keeps_the_calendar() {
        let add = |text: &str, amount, unit| moment(text).add(amount, unit).map(|sum| sum.to_string());
        assert_eq!(add("2016-02-29", 1, Calendar::Year).as_deref(), Some("2017-02-28"));
        assert_eq!(add("2016-01-31", 1, Calendar::Month).as_deref(), Some("2016-02-29"));
        assert_eq!(add("2016-03-01", -1, Calendar::Day).as_deref(), Some("2016-02-29"));
        assert_eq!(add("2016", 25, Calendar::Month).as_deref(), Some("2018"));
        assert_eq!(add("2016-12-31T23:59:59Z", 1, Calendar::Second).as_deref(), Some("2017-01-01T00:00:00Z"));
        assert_eq!(add("9999-12-31", 1, Calendar::Day), None);
        assert_eq!(add("2016-12-31", i128::MAX, Calendar::Day), None);
        assert_eq!(moment("1980-05-10").units_until(moment("2020-05-09"), Calendar::Year, false), Some(39));
    }
}
