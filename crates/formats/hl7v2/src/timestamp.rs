//! Dates and times of HL7 v2 (DT, TM, TS, DTM; v2.9 §2A.3.21, §2A.3.22, §2A.3.81).
//!
//! `YYYY[MM[DD[HH[MM[SS[.S..]]]]]][+/-ZZZZ]` is read as it stands: the precision and the offset are
//! what was sent, nothing is filled in. Any other shape is invalid; nothing is repaired by guess.
//! Two leniencies: up to nine digits of fraction (the standard has four) are taken, and an offset
//! behind a date without a time is dropped, because it says nothing and ISO 8601 has no form for it.
//!
//! The old TS had a second component (degree of precision): the caller passes the first only.

use std::fmt;

use chrono::{NaiveDate, NaiveTime, Timelike};
use sutura_core::{PartialDateTime, Precision};

/// A date or timestamp field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampValue {
    /// Empty: nothing was said.
    Absent,
    /// `""`: delete the stored value.
    Delete,
    /// A date or time.
    Value(PartialDateTime),
    /// Not a date or time of HL7 v2.
    Invalid,
}

impl TimestampValue {
    /// The date or time, if there is a valid one.
    pub fn value(self) -> Option<PartialDateTime> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// A time of day (TM) as it was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartialTime {
    /// The local time, unstated parts at 0.
    pub time: NaiveTime,
    /// How much was stated: hour, minute, second or fraction.
    pub precision: Precision,
    /// Stated offset in minutes east of UTC.
    pub offset_minutes: Option<i16>,
}

impl fmt::Display for PartialTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.time.hour())?;
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.time.minute())?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.time.second())?;
        }
        if let Precision::Fraction(digits) = self.precision {
            let scale = 10u32.pow(9 - u32::from(digits.min(9)));
            write!(f, ".{:0width$}", self.time.nanosecond() / scale, width = usize::from(digits))?;
        }
        if let Some(minutes) = self.offset_minutes {
            let sign = if minutes < 0 { '-' } else { '+' };
            write!(f, "{sign}{:02}:{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60)?;
        }
        Ok(())
    }
}

/// A time-of-day field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeValue {
    /// Empty: nothing was said.
    Absent,
    /// `""`: delete the stored value.
    Delete,
    /// A time.
    Value(PartialTime),
    /// Not a time of HL7 v2.
    Invalid,
}

/// Reads TS, DTM or DT.
pub fn parse(raw: &str) -> TimestampValue {
    match raw {
        "" => TimestampValue::Absent,
        "\"\"" => TimestampValue::Delete,
        _ => date_time(raw.as_bytes()).map_or(TimestampValue::Invalid, TimestampValue::Value),
    }
}

/// Reads DT: a date (or month, or year) without time.
pub fn parse_date(raw: &str) -> TimestampValue {
    match parse(raw) {
        TimestampValue::Value(value) if value.precision() > Precision::Day || raw.len() > 8 => TimestampValue::Invalid,
        other => other,
    }
}

/// Reads TM: `HH[MM[SS[.S..]]][+/-ZZZZ]`.
pub fn parse_time(raw: &str) -> TimeValue {
    match raw {
        "" => TimeValue::Absent,
        "\"\"" => TimeValue::Delete,
        _ => time(raw.as_bytes()).map_or(TimeValue::Invalid, TimeValue::Value),
    }
}

/// Writes TS, DTM or DT digits as ISO 8601 text, straight from bytes to bytes: the same text as
/// [`parse`] and `to_string`, without building a value. `false` (and nothing written) when the bytes
/// are empty, `""` or invalid.
pub fn write_iso(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(parts) = Parts::split(raw) else { return false };
    // Longest: 10 date + 9 clock + 10 fraction + 6 offset.
    let mut text = [0u8; 40];
    let digits = parts.digits;
    text[..4].copy_from_slice(&digits[..4]);
    let mut length = 4;
    // Each further pair of digits and what stands before it in ISO 8601.
    for (pair, before) in digits[4..].chunks_exact(2).zip(*b"--T::") {
        text[length] = before;
        text[length + 1] = pair[0];
        text[length + 2] = pair[1];
        length += 3;
    }
    if !parts.fraction.is_empty() {
        text[length] = b'.';
        text[length + 1..=length + parts.fraction.len()].copy_from_slice(parts.fraction);
        length += 1 + parts.fraction.len();
    }
    if let ([sign, h1, h2, m1, m2], true) = (parts.offset, digits.len() > 8) {
        // "-0000" is the offset zero; one way to write it.
        let sign = if parts.offset == b"-0000" { b'+' } else { *sign };
        text[length..length + 6].copy_from_slice(&[sign, *h1, *h2, b':', *m1, *m2]);
        length += 6;
    }
    out.extend_from_slice(&text[..length]);
    true
}

/// A timestamp whose every part has been checked.
struct Parts<'a> {
    /// 4, 6, 8, 10, 12 or 14 digits.
    digits: &'a [u8],
    /// 0 to 9 digits.
    fraction: &'a [u8],
    /// Empty, or a sign and four digits.
    offset: &'a [u8],
}

impl<'a> Parts<'a> {
    #[inline]
    fn split(raw: &'a [u8]) -> Option<Self> {
        let (digits, fraction, offset) = split_parts(raw)?;
        if !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) || (!fraction.is_empty() && digits.len() != 14) {
            return None;
        }
        let pair = |at: usize| if at < digits.len() { two(digits[at], digits[at + 1]) } else { 0 };
        let year = two(digits[0], digits[1]) * 100 + two(digits[2], digits[3]);
        let month_fits = digits.len() < 6 || (1..=12).contains(&pair(4));
        let day_fits = digits.len() < 8 || (month_fits && (1..=days_in_month(year, pair(4))).contains(&pair(6)));
        let time_fits = pair(8) < 24 && pair(10) < 60 && pair(12) < 60;
        (year > 0 && month_fits && day_fits && time_fits).then_some(Self { digits, fraction, offset })
    }
}

/// Leading digits, digits of the fraction, offset; each checked for its own shape.
#[inline]
fn split_parts(raw: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let end = digits_at_start(raw);
    let (digits, rest) = raw.split_at(end);
    let (fraction, offset) = match rest {
        [b'.', after @ ..] => {
            let end = digits_at_start(after);
            if end == 0 || end > 9 {
                return None;
            }
            after.split_at(end)
        }
        _ => (&[][..], rest),
    };
    match offset {
        [] => {}
        [b'+' | b'-', h1, h2, m1, m2] if offset[1..].iter().all(u8::is_ascii_digit) => {
            let (hours, minutes) = (two(*h1, *h2), two(*m1, *m2));
            if minutes > 59 || hours * 60 + minutes > 14 * 60 {
                return None;
            }
        }
        _ => return None,
    }
    Some((digits, fraction, offset))
}

#[inline]
fn digits_at_start(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len())
}

#[inline]
fn two(tens: u8, ones: u8) -> u32 {
    u32::from(tens - b'0') * 10 + u32::from(ones - b'0')
}

#[inline]
fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn offset_minutes(offset: &[u8]) -> Option<i16> {
    let [sign, h1, h2, m1, m2] = offset else { return None };
    let minutes = i16::try_from(two(*h1, *h2) * 60 + two(*m1, *m2)).ok()?;
    Some(if *sign == b'-' { -minutes } else { minutes })
}

fn date_time(raw: &[u8]) -> Option<PartialDateTime> {
    let Parts { digits, fraction, offset } = Parts::split(raw)?;
    let pair = |at: usize, unstated: u32| if at < digits.len() { two(digits[at], digits[at + 1]) } else { unstated };
    let year = i32::try_from(two(digits[0], digits[1]) * 100 + two(digits[2], digits[3])).ok()?;
    let date = NaiveDate::from_ymd_opt(year, pair(4, 1), pair(6, 1))?;
    let clock = NaiveTime::from_hms_nano_opt(pair(8, 0), pair(10, 0), pair(12, 0), nanos(fraction)?)?;
    let precision = match digits.len() {
        4 => Precision::Year,
        6 => Precision::Month,
        8 => Precision::Day,
        10 => Precision::Hour,
        12 => Precision::Minute,
        _ => second_or_fraction(fraction),
    };
    let offset = if precision >= Precision::Hour { offset_minutes(offset) } else { None };
    PartialDateTime::new(date.and_time(clock), precision, offset)
}

fn time(raw: &[u8]) -> Option<PartialTime> {
    let (digits, fraction, offset) = split_parts(raw)?;
    if !matches!(digits.len(), 2 | 4 | 6) || (!fraction.is_empty() && digits.len() != 6) {
        return None;
    }
    let pair = |at: usize| if at < digits.len() { two(digits[at], digits[at + 1]) } else { 0 };
    if pair(0) > 23 || pair(2) > 59 || pair(4) > 59 {
        return None;
    }
    let precision = match digits.len() {
        2 => Precision::Hour,
        4 => Precision::Minute,
        _ => second_or_fraction(fraction),
    };
    let time = NaiveTime::from_hms_nano_opt(pair(0), pair(2), pair(4), nanos(fraction)?)?;
    Some(PartialTime { time, precision, offset_minutes: offset_minutes(offset) })
}

fn nanos(fraction: &[u8]) -> Option<u32> {
    if fraction.is_empty() { Some(0) } else { sutura_core::time::fraction_nanos(fraction) }
}

fn second_or_fraction(fraction: &[u8]) -> Precision {
    if fraction.is_empty() { Precision::Second } else { Precision::Fraction(fraction.len() as u8) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn iso(raw: &str) -> String {
        match parse(raw) {
            TimestampValue::Absent => "ABSENT".into(),
            TimestampValue::Delete => "DELETE".into(),
            TimestampValue::Invalid => "INVALID".into(),
            TimestampValue::Value(value) => value.to_string(),
        }
    }

    #[test]
    fn precision_and_offset_stay_as_sent() {
        for (raw, text) in [
            ("2026", "2026"),
            ("202603", "2026-03"),
            ("20260314", "2026-03-14"),
            ("2026031415", "2026-03-14T15"),
            ("202603141509", "2026-03-14T15:09"),
            ("20260314150926", "2026-03-14T15:09:26"),
            ("20260314150926.5", "2026-03-14T15:09:26.5"),
            ("20260314150926.1234-0500", "2026-03-14T15:09:26.1234-05:00"),
            ("202603141509+0530", "2026-03-14T15:09+05:30"),
            ("2026031415-0000", "2026-03-14T15+00:00"),
            ("20260314-0500", "2026-03-14"),
            ("20240229", "2024-02-29"),
            ("", "ABSENT"),
            ("\"\"", "DELETE"),
        ] {
            assert_eq!(iso(raw), text, "{raw:?}");
        }
    }

    #[test]
    fn wrong_shapes_are_invalid() {
        for raw in [
            "0",
            "20",
            "202",
            "20261",
            "2026031",
            "00000000",
            "0000",
            "20260229",
            "19000229",
            "20261301",
            "20260300",
            "20260431",
            "20260314240000",
            "20260314150960",
            "202603141560",
            "2026-03-14",
            "20260314150926-05",
            "20260314150926.",
            "20260314150926.1234567890",
            "202603141509.5",
            "20260314150926+1500",
            "20260314150926+0560",
            "20260314150926Z",
            " 20260314",
            "20260314 ",
            "20260314T10",
            "２０２６",
            "202603141509260",
        ] {
            assert_eq!(iso(raw), "INVALID", "{raw:?}");
            assert!(!write_iso(raw.as_bytes(), &mut Vec::new()), "{raw:?}");
        }
        assert!(!write_iso(b"", &mut Vec::new()) && !write_iso(b"\"\"", &mut Vec::new()));
    }

    #[test]
    fn dates_and_times_of_day() {
        assert_eq!(parse_date("202603").value().unwrap().to_string(), "2026-03");
        for raw in ["2026031415", "20260314-0500", "x"] {
            assert_eq!(parse_date(raw), TimestampValue::Invalid, "{raw:?}");
        }
        for (raw, text) in [("15", "15"), ("1509", "15:09"), ("150926", "15:09:26"), ("150926.05-0500", "15:09:26.05-05:00")] {
            let TimeValue::Value(value) = parse_time(raw) else { panic!("{raw:?}") };
            assert_eq!(value.to_string(), text);
        }
        for raw in ["1", "24", "1560", "150960", "1509.5", "15:09", "15092"] {
            assert_eq!(parse_time(raw), TimeValue::Invalid, "{raw:?}");
        }
        assert_eq!((parse_time(""), parse_time("\"\"")), (TimeValue::Absent, TimeValue::Delete));
    }

    proptest! {
        #[test]
        fn the_fast_path_writes_what_the_value_prints(raw in r"[0-2][0-9]{3}([01][0-9]([0-3][0-9]([0-2][0-9]([0-6][0-9]([0-6][0-9](\.[0-9]{1,10})?)?)?)?)?)?([+-][0-1][0-9]{3})?") {
            let mut out = b"kept".to_vec();
            match parse(&raw) {
                TimestampValue::Value(value) => {
                    prop_assert!(write_iso(raw.as_bytes(), &mut out));
                    let text = std::str::from_utf8(&out[4..]).unwrap();
                    prop_assert_eq!(text, value.to_string());
                    prop_assert_eq!(PartialDateTime::parse_iso(text), Some(value));
                }
                _ => prop_assert!(!write_iso(raw.as_bytes(), &mut out) && out == b"kept"),
            }
        }

        #[test]
        fn any_bytes_are_answered(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut out = Vec::new();
            let text = std::str::from_utf8(&raw).unwrap_or_default();
            prop_assert_eq!(write_iso(text.as_bytes(), &mut out), parse(text).value().is_some());
            write_iso(&raw, &mut out);
            parse_time(text);
        }
    }
}
