//! Points and intervals in time, with the precision and offset they were sent with.

use std::fmt;

use chrono::{NaiveDate, NaiveTime};
use sutura_core::{PartialDateTime, Precision};

use super::Quantity;
use crate::element::Element;

/// What is wrong with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeFault {
    /// Written as ISO 8601 writes it (`2015-08-01T10:00`), or with blanks; read.
    Foreign,
    /// Its end cannot be read; the beginning was.
    Truncated,
    /// It cannot be read.
    Malformed,
}

/// A point in time: `TS`.
#[derive(Clone, Copy)]
pub struct TimeStamp<'d> {
    /// As sent.
    pub raw: Option<&'d str>,
    /// What it says, as far as it can be read.
    pub value: Option<PartialDateTime>,
    /// What is wrong with it.
    pub fault: Option<TimeFault>,
    /// For a bound of an interval: whether the point itself belongs to it. Not stated is yes.
    pub inclusive: bool,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

impl fmt::Debug for TimeStamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = self.value.map(|value| value.precision());
        f.debug_struct("TimeStamp")
            .field("precision", &precision)
            .field("fault", &self.fault)
            .field("null_flavor", &self.null_flavor)
            .finish_non_exhaustive()
    }
}

impl<'d> TimeStamp<'d> {
    /// Reads a point in time.
    pub fn read(element: Element<'d>) -> Self {
        let raw = element.attr("value").map(str::trim).filter(|value| !value.is_empty());
        let (value, fault) = raw.map_or((None, None), parse_time);
        let inclusive = element.attr("inclusive").map(str::trim) != Some("false");
        Self { raw, value, fault, inclusive, null_flavor: element.null_flavor() }
    }
}

/// An interval of time: `IVL_TS`. A single point stands in [`Interval::value`].
#[derive(Debug, Clone, Copy)]
pub struct Interval<'d> {
    /// When it begins.
    pub low: Option<TimeStamp<'d>>,
    /// When it ends.
    pub high: Option<TimeStamp<'d>>,
    /// Its middle.
    pub center: Option<TimeStamp<'d>>,
    /// How long it is.
    pub width: Option<Quantity<'d>>,
    /// The point, where it is no interval.
    pub value: Option<TimeStamp<'d>>,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

impl<'d> Interval<'d> {
    /// Reads an interval, or a point.
    pub fn read(element: Element<'d>) -> Self {
        let of = |name| element.child(name).map(TimeStamp::read);
        let own = TimeStamp::read(element);
        Self {
            low: of("low"),
            high: of("high"),
            center: of("center"),
            width: element.child("width").map(Quantity::read),
            value: own.raw.is_some().then_some(own),
            null_flavor: element.null_flavor(),
        }
    }

    /// When it begins: its lower bound, else the point that it is.
    pub fn start(&self) -> Option<PartialDateTime> {
        self.low.and_then(|low| low.value).or_else(|| self.value.and_then(|value| value.value))
    }

    /// When it ends, if that is stated.
    pub fn end(&self) -> Option<PartialDateTime> {
        self.high.and_then(|high| high.value)
    }

    /// The one point that says most about when: the point, its beginning, middle or end.
    pub fn any(&self) -> Option<PartialDateTime> {
        let center = || self.center.and_then(|center| center.value);
        self.value.and_then(|value| value.value).or_else(|| self.start()).or_else(center).or_else(|| self.end())
    }
}

/// Reads a time of HL7 v3: `YYYY[MM[DD[HH[MM[SS[.S...]]]]]][+ZZ[ZZ]]`. Months and days of `00`, as some senders fill up, count as not
/// stated. An offset without an hour is dropped. ISO 8601 is read too.
pub fn parse_time(text: &str) -> (Option<PartialDateTime>, Option<TimeFault>) {
    let trimmed = text.trim();
    let offset_at = trimmed.get(4..).and_then(|rest| rest.find(['+', '-', 'Z', 'z'])).map(|at| at + 4);
    // A date with hyphens has one right behind the year.
    if trimmed.as_bytes().get(4) == Some(&b'-') && trimmed.as_bytes().get(7).is_none_or(|byte| *byte == b'-') {
        return match PartialDateTime::parse_iso(trimmed) {
            Some(value) => (Some(value), Some(TimeFault::Foreign)),
            None => (None, Some(TimeFault::Malformed)),
        };
    }
    let (stated, offset_text) = trimmed.split_at(offset_at.unwrap_or(trimmed.len()));
    let (digits, fraction) = stated.split_once('.').map_or((stated, None), |(digits, fraction)| (digits, Some(fraction)));
    let blank = digits.find(' ');
    let (digits, mut fault) = match blank {
        Some(at) => (&digits[..at], Some(TimeFault::Truncated)),
        None => (digits, None),
    };
    let usable = digits.bytes().take(14).take_while(u8::is_ascii_digit).count();
    if usable != digits.len() {
        fault = Some(TimeFault::Truncated);
    }
    let number = |from: usize, to: usize| digits.get(from..to).filter(|_| to <= usable).and_then(|part| part.parse::<u32>().ok());
    let Some(year) = number(0, 4).filter(|year| (1..=9999).contains(year)) else { return (None, Some(TimeFault::Malformed)) };
    let mut date = NaiveDate::from_ymd_opt(year as i32, 1, 1);
    let mut time = NaiveTime::MIN;
    let mut precision = Precision::Year;
    let month = number(4, 6).and_then(|month| NaiveDate::from_ymd_opt(year as i32, month, 1));
    if let Some(month) = month {
        (date, precision) = (Some(month), Precision::Month);
        let day = number(6, 8).and_then(|day| NaiveDate::from_ymd_opt(year as i32, number(4, 6)?, day));
        if day.is_some() {
            (date, precision) = (day, Precision::Day);
            (time, precision) = clock(&number, precision);
        }
    }
    if precision == Precision::Second
        && let Some(fraction) = fraction
    {
        let kept = &fraction[..fraction.bytes().take(9).take_while(u8::is_ascii_digit).count()];
        match sutura_core::time::fraction_nanos(kept.as_bytes()).and_then(|nanos| {
            use chrono::Timelike;
            time.with_nanosecond(nanos)
        }) {
            Some(exact) => (time, precision) = (exact, Precision::Fraction(kept.len() as u8)),
            None => fault = Some(TimeFault::Truncated),
        }
    }
    let read = match precision {
        Precision::Year => 4,
        Precision::Month => 6,
        Precision::Day => 8,
        Precision::Hour => 10,
        Precision::Minute => 12,
        _ => 14,
    };
    if read != digits.len() || (fraction.is_some() && precision <= Precision::Second) {
        fault = Some(TimeFault::Truncated);
    }
    let offset = if offset_text.is_empty() { None } else { offset(offset_text) };
    if !offset_text.is_empty() && offset.is_none() {
        fault = Some(TimeFault::Truncated);
    }
    // A date has no offset.
    let offset = offset.filter(|_| precision >= Precision::Hour);
    let Some(date) = date else { return (None, Some(TimeFault::Malformed)) };
    match PartialDateTime::new(date.and_time(time), precision, offset) {
        Some(value) => (Some(value), fault),
        None => (PartialDateTime::new(date.and_time(time), precision, None), Some(TimeFault::Truncated)),
    }
}

/// Hour, minute and second, as far as they can be read.
fn clock(number: &dyn Fn(usize, usize) -> Option<u32>, day: Precision) -> (NaiveTime, Precision) {
    let Some(hour) = number(8, 10).and_then(|hour| NaiveTime::from_hms_opt(hour, 0, 0)) else { return (NaiveTime::MIN, day) };
    let part = |from, to| number(from, to);
    let Some(minute) = part(10, 12).and_then(|minute| NaiveTime::from_hms_opt(part(8, 10)?, minute, 0)) else {
        return (hour, Precision::Hour);
    };
    match part(12, 14).and_then(|second| NaiveTime::from_hms_opt(part(8, 10)?, part(10, 12)?, second)) {
        Some(second) => (second, Precision::Second),
        None => (minute, Precision::Minute),
    }
}

/// Minutes east of UTC: `+ZZZZ`, `-ZZ`, `+ZZ:ZZ`, `Z`.
fn offset(text: &str) -> Option<i16> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let digits: String = text[1..].chars().filter(|letter| *letter != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i16 = digits[..2].parse().ok()?;
    let minutes: i16 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 14 * 60).then_some(if text.starts_with('-') { -total } else { total })
}
