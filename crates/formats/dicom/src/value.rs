//! Values: numbers, dates, times, names (PS3.5 section 6.2).

use std::{borrow::Cow, fmt::Write as _};

use chrono::{NaiveDate, NaiveTime};
use sutura_core::{PartialDateTime, Precision, time::fraction_nanos};

use crate::{tag::Tag, vr::Vr};

/// Text without its padding: spaces and NULs behind it, spaces before it where they mean nothing.
pub(crate) fn trimmed(text: Cow<'_, str>, vr: Vr) -> Cow<'_, str> {
    let inner = trimmed_text(&text, vr);
    if inner.len() == text.len() {
        return text;
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(trimmed_text(text, vr)),
        Cow::Owned(text) => Cow::Owned(trimmed_text(&text, vr).to_owned()),
    }
}

/// Byte by byte: all padding is ASCII.
#[inline]
fn trimmed_text(text: &str, vr: Vr) -> &str {
    let bytes = text.as_bytes();
    let (mut start, mut end) = (0, bytes.len());
    // Empty groups behind a name say nothing.
    while end > 0 && (matches!(bytes[end - 1], b' ' | 0) || (vr == Vr::PN && bytes[end - 1] == b'=')) {
        end -= 1;
    }
    if !matches!(vr, Vr::LT | Vr::ST | Vr::UT | Vr::UC | Vr::UR | Vr::PN) {
        while start < end && bytes[start] == b' ' {
            start += 1;
        }
    }
    &text[start..end]
}

fn ascii_trimmed(bytes: &[u8]) -> &[u8] {
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = bytes.iter().position(|byte| !is_padding(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_padding(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// A decimal string as a number.
pub fn decimal(bytes: &[u8]) -> Option<f64> {
    std::str::from_utf8(ascii_trimmed(bytes)).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// An integer string. Writers that put `1.0` there mean 1.
pub fn integer_string(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(ascii_trimmed(bytes)).ok()?;
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
    })
}

/// One binary number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Single(f32),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Unsigned(number) => number as f64,
            Self::Signed(number) => number as f64,
            Self::Float(number) => number,
            Self::Single(number) => f64::from(number),
        }
    }
}

/// The binary numbers of a value.
pub(crate) fn binary(vr: Vr, bytes: &[u8], big: bool) -> impl Iterator<Item = Number> {
    let size = vr.number_bytes().unwrap_or(usize::MAX);
    bytes.chunks_exact(size).map(move |chunk| one(vr, chunk, big))
}

#[inline]
fn one(vr: Vr, chunk: &[u8], big: bool) -> Number {
    let two = || {
        let pair = <[u8; 2]>::try_from(chunk).unwrap_or_default();
        if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    let four = || {
        let bytes = <[u8; 4]>::try_from(chunk).unwrap_or_default();
        if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    let eight = || {
        let bytes = <[u8; 8]>::try_from(chunk).unwrap_or_default();
        if big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
    };
    match vr {
        Vr::US | Vr::OW => Number::Unsigned(u64::from(two())),
        Vr::SS => Number::Signed(i64::from(two() as i16)),
        Vr::UL | Vr::OL => Number::Unsigned(u64::from(four())),
        Vr::SL => Number::Signed(i64::from(four() as i32)),
        Vr::FL | Vr::OF => Number::Single(f32::from_bits(four())),
        Vr::FD | Vr::OD => Number::Float(f64::from_bits(eight())),
        Vr::SV => Number::Signed(eight() as i64),
        Vr::AT => Number::Unsigned(u64::from(attribute_tag(chunk, big).0)),
        _ => Number::Unsigned(eight()),
    }
}

/// A tag as a value: group and element are numbers of two bytes each.
pub(crate) fn attribute_tag(chunk: &[u8], big: bool) -> Tag {
    let half = |at: usize| {
        let pair = chunk.get(at..at + 2).and_then(|pair| <[u8; 2]>::try_from(pair).ok()).unwrap_or_default();
        if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    Tag::new(half(0), half(2))
}

fn first_value(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == b'\\').next().unwrap_or_default()
}

/// The first value as a whole number.
pub(crate) fn integer(vr: Vr, bytes: &[u8], big: bool) -> Option<i64> {
    match vr {
        _ if vr.is_text() => integer_string(first_value(bytes)),
        _ => match binary(vr, bytes, big).next()? {
            Number::Unsigned(number) => i64::try_from(number).ok(),
            Number::Signed(number) => Some(number),
            other => Some(other.float()).filter(|number| number.fract() == 0.0 && number.abs() < 9e15).map(|number| number as i64),
        },
    }
}

/// The first value as a number.
pub(crate) fn number(vr: Vr, bytes: &[u8], big: bool) -> Option<f64> {
    if vr.is_text() { decimal(first_value(bytes)) } else { binary(vr, bytes, big).next().map(Number::float) }
}

/// The value at a place among several, as a number.
pub(crate) fn number_at(vr: Vr, bytes: &[u8], big: bool, place: usize) -> Option<f64> {
    if vr.is_text() {
        bytes.split(|byte| *byte == b'\\').nth(place).and_then(decimal)
    } else {
        binary(vr, bytes, big).nth(place).map(Number::float)
    }
}

/// All values as numbers; what is none is left out.
pub(crate) fn numbers(vr: Vr, bytes: &[u8], big: bool) -> Vec<f64> {
    if vr.is_text() {
        bytes.split(|byte| *byte == b'\\').filter_map(decimal).collect()
    } else {
        binary(vr, bytes, big).map(Number::float).collect()
    }
}

/// Most numbers that are written out as text.
const MOST_NUMBERS: usize = 64;

/// Writes binary numbers as text, a backslash between them; `None` for opaque bytes and long rows of numbers.
pub(crate) fn write_numbers(vr: Vr, bytes: &[u8], big: bool, text: &mut String) -> Option<()> {
    let size = vr.number_bytes().filter(|_| !vr.is_bulk())?;
    if bytes.len() / size > MOST_NUMBERS {
        return None;
    }
    for (position, number) in binary(vr, bytes, big).enumerate() {
        if position > 0 {
            text.push('\\');
        }
        // Writing to a string does not fail.
        let _ = match number {
            Number::Unsigned(tag) if vr == Vr::AT => write!(text, "{}", Tag(tag as u32)),
            Number::Unsigned(number) => {
                write_digits(number, text);
                Ok(())
            }
            Number::Signed(number) => {
                if number < 0 {
                    text.push('-');
                }
                write_digits(number.unsigned_abs(), text);
                Ok(())
            }
            Number::Float(number) => write!(text, "{number}"),
            Number::Single(number) => write!(text, "{number}"),
        };
    }
    Some(())
}

/// Without the machinery of formatting: most of a header's numbers are small.
fn write_digits(mut number: u64, text: &mut String) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

fn digits(bytes: &[u8]) -> Option<u32> {
    (!bytes.is_empty()).then_some(())?;
    bytes.iter().try_fold(0u32, |sum, byte| byte.is_ascii_digit().then(|| sum.checked_mul(10)?.checked_add(u32::from(byte - b'0')))?)
}

/// A date (`DA`): `YYYYMMDD`, or the older `YYYY.MM.DD`. `YYYY-MM-DD`, which some write, too.
pub fn date(bytes: &[u8]) -> Option<NaiveDate> {
    let bytes = ascii_trimmed(first_value(bytes));
    let (year, month, day) = match bytes.len() {
        8 => (&bytes[..4], &bytes[4..6], &bytes[6..8]),
        10 if bytes[4] == bytes[7] && matches!(bytes[4], b'.' | b'-') => (&bytes[..4], &bytes[5..7], &bytes[8..10]),
        _ => return None,
    };
    NaiveDate::from_ymd_opt(i32::try_from(digits(year)?).ok()?, digits(month)?, digits(day)?)
}

/// A time of day (`TM`) with its precision: `HH[MM[SS[.F...]]]`, or the older `HH:MM:SS`.
pub fn time(bytes: &[u8]) -> Option<(NaiveTime, Precision)> {
    clock(ascii_trimmed(first_value(bytes)))
}

fn clock(bytes: &[u8]) -> Option<(NaiveTime, Precision)> {
    let (whole, fraction) = match bytes.iter().position(|byte| *byte == b'.') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &bytes[..0]),
    };
    let mut parts = [0u32; 3];
    let step = if whole.get(2) == Some(&b':') { 3 } else { 2 };
    let count = (whole.len() + step - 2) / step;
    if !(1..=3).contains(&count) || whole.len() != count * step - (step - 2) {
        return None;
    }
    for (position, part) in parts.iter_mut().take(count).enumerate() {
        let at = position * step;
        if position > 0 && step == 3 && whole[at - 1] != b':' {
            return None;
        }
        *part = digits(&whole[at..at + 2])?;
    }
    // A leap second is the second before it here.
    let second = parts[2].min(59);
    let digits_kept = fraction.len().min(6);
    let nanos = if fraction.is_empty() || count < 3 { 0 } else { fraction_nanos(&fraction[..digits_kept])? };
    let precision = match (count, digits_kept) {
        (1, _) => Precision::Hour,
        (2, _) => Precision::Minute,
        (_, 0) => Precision::Second,
        (_, digits) => Precision::Fraction(digits as u8),
    };
    (parts[2] <= 60).then_some(())?;
    Some((NaiveTime::from_hms_nano_opt(parts[0], parts[1], second, nanos)?, precision))
}

/// A time as ISO 8601: `hh:mm:ss.f`, as much of it as was stated.
pub fn time_text(time: NaiveTime, precision: Precision) -> String {
    use chrono::Timelike as _;
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    match precision {
        Precision::Minute => format!("{hour:02}:{minute:02}"),
        Precision::Second => format!("{hour:02}:{minute:02}:{second:02}"),
        Precision::Fraction(count @ 1..=9) => {
            let scale = 10u32.pow(9 - u32::from(count));
            format!("{hour:02}:{minute:02}:{second:02}.{:0width$}", time.nanosecond() / scale, width = usize::from(count))
        }
        _ => format!("{hour:02}"),
    }
}

/// A date and time (`DT`): `YYYY[MM[DD[HH[MM[SS[.F...]]]]]][+ZZZZ]`.
pub fn date_time(bytes: &[u8]) -> Option<PartialDateTime> {
    let bytes = ascii_trimmed(first_value(bytes));
    let (local, offset) = match bytes.iter().skip(4).position(|byte| matches!(byte, b'+' | b'-')) {
        Some(at) => (&bytes[..at + 4], Some(offset_minutes(&bytes[at + 4..])?)),
        None => (bytes, None),
    };
    let part = |from: usize| local.get(from..from + 2).map(digits);
    let year = i32::try_from(digits(local.get(..4)?)?).ok()?;
    let month = part(4).unwrap_or(Some(1))?;
    let day = part(6).unwrap_or(Some(1))?;
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    let (time, precision) = match local.len() {
        4 => (NaiveTime::MIN, Precision::Year),
        6 => (NaiveTime::MIN, Precision::Month),
        8 => (NaiveTime::MIN, Precision::Day),
        _ => clock(local.get(8..)?)?,
    };
    PartialDateTime::new(date.and_time(time), precision, offset)
}

/// An offset from UTC in minutes: `+HHMM`.
pub fn offset_minutes(bytes: &[u8]) -> Option<i16> {
    let bytes = ascii_trimmed(bytes);
    let (sign, rest) = match bytes {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = (digits(rest.get(..2)?)?, digits(rest.get(2..4)?)?);
    (rest.len() == 4 && hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes) as i16)
}

/// A date and a time of two elements as one, with an offset if one is known.
pub fn joined(date: NaiveDate, time: Option<(NaiveTime, Precision)>, offset: Option<i16>) -> Option<PartialDateTime> {
    match time {
        Some((time, precision)) => PartialDateTime::new(date.and_time(time), precision, offset),
        None => PartialDateTime::from_date(date),
    }
}

/// An age (`AS`) in years: `018M`, `045Y`.
pub fn age_years(bytes: &[u8]) -> Option<f64> {
    let bytes = ascii_trimmed(first_value(bytes));
    let (count, unit) = bytes.split_at_checked(bytes.len().checked_sub(1)?)?;
    let count = f64::from(digits(count)?);
    Some(match unit {
        b"Y" => count,
        b"M" => count / 12.0,
        b"W" => count * 7.0 / 365.25,
        b"D" => count / 365.25,
        _ => return None,
    })
}

/// A person's name (`PN`): up to three groups of up to five components.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PersonName<'t> {
    /// In a single-byte character set: `Yamada^Tarou`.
    pub alphabetic: &'t str,
    /// In ideographs.
    pub ideographic: &'t str,
    /// As it is spoken.
    pub phonetic: &'t str,
}

impl std::fmt::Debug for PersonName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonName(..)")
    }
}

impl<'t> PersonName<'t> {
    /// Splits one name into its groups.
    pub fn of(text: &'t str) -> Self {
        let mut groups = text.split('=').map(|group| group.trim_end_matches([' ', '^', '\0']));
        let mut next = || groups.next().unwrap_or_default();
        Self { alphabetic: next(), ideographic: next(), phonetic: next() }
    }

    /// Family name, given name, middle name, prefix and suffix of a group.
    pub fn components(group: &'t str) -> [&'t str; 5] {
        let mut parts = group.splitn(5, '^').map(str::trim);
        std::array::from_fn(|_| parts.next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read() {
        let text = |bytes: &[u8]| date(bytes).map(|date| date.to_string());
        assert_eq!(text(b"20040826").as_deref(), Some("2004-08-26"));
        assert_eq!(text(b"2004.08.26").as_deref(), Some("2004-08-26"));
        for bad in [&b""[..], b"2004", b"20041301", b"2004082", b"abcdefgh", b"2004.08-26"] {
            assert_eq!(text(bad), None);
        }
        let text = |bytes: &[u8]| time(bytes).map(|(time, precision)| time_text(time, precision));
        assert_eq!(text(b"185434.700000 ").as_deref(), Some("18:54:34.700000"));
        assert_eq!(text(b"1854").as_deref(), Some("18:54"));
        assert_eq!(text(b"18").as_deref(), Some("18"));
        assert_eq!(text(b"18:54:34").as_deref(), Some("18:54:34"));
        assert_eq!(text(b"235960").as_deref(), Some("23:59:59"));
        for bad in [&b""[..], b"24", b"185", b"1861", b"18:5434", b"185434.x", b"18543", b"185434:"] {
            assert_eq!(text(bad), None, "{bad:?}");
        }
        let text = |bytes: &[u8]| date_time(bytes).map(|time| time.to_string());
        assert_eq!(text(b"20040826185434.25-0500").as_deref(), Some("2004-08-26T18:54:34.25-05:00"));
        assert_eq!(text(b"2004").as_deref(), Some("2004"));
        assert_eq!(text(b"200408261854+0000").as_deref(), Some("2004-08-26T18:54+00:00"));
        for bad in [&b""[..], b"20", b"20040826+5", b"200408261", b"2004082625"] {
            assert_eq!(text(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(decimal(b" 1.5e3 "), Some(1500.0));
        assert_eq!((decimal(b""), decimal(b"1,5"), decimal(b"inf")), (None, None, None));
        assert_eq!((integer_string(b"+12 "), integer_string(b"7.0"), integer_string(b"7.5")), (Some(12), Some(7), None));
        assert_eq!(numbers(Vr::DS, b"1\\2.5\\x", false), [1.0, 2.5]);
        assert_eq!(numbers(Vr::SS, &[0xFF, 0xFF, 1, 0, 9], false), [-1.0, 1.0]);
        assert_eq!(integer(Vr::US, &[1, 2], true), Some(0x0102));
        let written = |vr, bytes: &[u8]| {
            let mut text = String::new();
            write_numbers(vr, bytes, false, &mut text).map(|()| text)
        };
        assert_eq!(written(Vr::AT, &[0x10, 0, 0x20, 0]).as_deref(), Some("(0010,0020)"));
        assert_eq!(written(Vr::OB, &[1]), None);
        assert_eq!(written(Vr::SS, &[0, 0x80, 0, 0, 9, 0]).as_deref(), Some("-32768\\0\\9"));
        assert_eq!(written(Vr::UV, &[0xFF; 8]).as_deref(), Some("18446744073709551615"));
        assert_eq!(age_years(b"018M"), Some(1.5));
        assert_eq!((age_years(b"Y"), age_years(b""), age_years(b"12")), (None, None, None));
    }

    #[test]
    fn names_are_split() {
        let name = PersonName::of("Yamada^Tarou=山田^太郎=");
        assert_eq!((name.alphabetic, name.ideographic, name.phonetic), ("Yamada^Tarou", "山田^太郎", ""));
        assert_eq!(PersonName::components("Doe^Jane^^Dr"), ["Doe", "Jane", "", "Dr", ""]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_some_value_or_none(bytes: Vec<u8>, big: bool) {
            let _ = (date(&bytes), time(&bytes), date_time(&bytes), age_years(&bytes), decimal(&bytes), integer_string(&bytes), offset_minutes(&bytes));
            for vr in Vr::ALL {
                let _ = (integer(vr, &bytes, big), number(vr, &bytes, big), numbers(vr, &bytes, big), write_numbers(vr, &bytes, big, &mut String::new()));
            }
        }
    }
}
