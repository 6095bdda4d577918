//! The formats of primitive values (FHIR R4, 2.24.0.1), by hand: no expression engine on the hot path.

use crate::json::{Kind, Value};

/// The primitive types, as the checks tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Base64Binary,
    Boolean,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Uuid,
    Xhtml,
}

impl Primitive {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "base64Binary" => Self::Base64Binary,
            "boolean" => Self::Boolean,
            "code" => Self::Code,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            "id" => Self::Id,
            "instant" => Self::Instant,
            "integer" => Self::Integer,
            "oid" => Self::Oid,
            "positiveInt" => Self::PositiveInt,
            "string" | "markdown" => Self::String,
            "time" => Self::Time,
            "unsignedInt" => Self::UnsignedInt,
            "uri" | "url" | "canonical" => Self::Uri,
            "uuid" => Self::Uuid,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }

    /// What is wrong with a value, if anything.
    pub(crate) fn check(self, value: Value<'_>) -> Result<(), &'static str> {
        match self {
            Self::Boolean => {
                if value.kind() == Kind::Bool {
                    return Ok(());
                }
                Err("must be true or false, without quotes")
            }
            Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => {
                let Some(digits) = value.as_number() else { return Err("must be a JSON number") };
                self.check_number(digits)
            }
            _ => {
                let Some(text) = value.as_str() else { return Err("must be a JSON string") };
                self.check_text(text)
            }
        }
    }

    fn check_number(self, digits: &str) -> Result<(), &'static str> {
        let least = match self {
            Self::PositiveInt => 1,
            Self::UnsignedInt => 0,
            Self::Integer => i64::from(i32::MIN),
            _ => return Ok(()),
        };
        match digits.parse::<i64>() {
            Ok(number) if number >= least && number <= i64::from(i32::MAX) => Ok(()),
            Ok(_) => Err("is out of the range of its type"),
            Err(_) => Err("must be a whole number of 32 bits"),
        }
    }

    fn check_text(self, text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            return Err("must not be empty");
        }
        let fits = match self {
            Self::String => return check_string(text),
            Self::Xhtml => true,
            Self::Code => code(text),
            Self::Id => id(text),
            Self::Uri => return uri(text),
            Self::Oid => oid(text),
            Self::Uuid => uuid(text),
            Self::Base64Binary => base64(text),
            Self::Date => date(text.as_bytes()).is_some_and(<[u8]>::is_empty),
            Self::DateTime => date_time(text.as_bytes(), false),
            Self::Instant => date_time(text.as_bytes(), true),
            Self::Time => time(text.as_bytes()).is_some_and(<[u8]>::is_empty),
            Self::Boolean | Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => true,
        };
        if fits {
            return Ok(());
        }
        Err(match self {
            Self::Code => "is not a code: no blanks at its ends, no two in a row",
            Self::Id => "is not an id: 1 to 64 letters, digits, '-' and '.'",
            Self::Oid => "is not an OID: urn:oid: and numbers with dots",
            Self::Uuid => "is not a UUID: urn:uuid: and 32 lower case hex digits in groups",
            Self::Base64Binary => "is not base64",
            Self::Date => "is not a date: YYYY, YYYY-MM or YYYY-MM-DD",
            Self::DateTime => "is not a dateTime: a date, or a date with time to the second and time zone",
            Self::Instant => "is not an instant: date, time to the second and time zone",
            _ => "is not a time: hh:mm:ss",
        })
    }
}

fn check_string(text: &str) -> Result<(), &'static str> {
    if text.len() > 1 << 20 {
        return Err("is longer than 1 MiB");
    }
    if text.bytes().any(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        return Err("has control characters");
    }
    if text.bytes().all(|byte| byte.is_ascii_whitespace()) {
        return Err("must not be blank");
    }
    Ok(())
}

fn code(text: &str) -> bool {
    let mut blank = true;
    for letter in text.chars() {
        let now = letter.is_whitespace();
        if now && blank {
            return false;
        }
        blank = now;
    }
    !blank
}

pub(crate) fn id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

fn uri(text: &str) -> Result<(), &'static str> {
    if text.chars().any(char::is_whitespace) {
        return Err("has blanks, which no URI may have");
    }
    if text.starts_with("urn:oid:") && !oid(text) {
        return Err("is not an OID: urn:oid: and numbers with dots");
    }
    if text.starts_with("urn:uuid:") && !uuid(&text.to_ascii_lowercase()) {
        return Err("is not a UUID: urn:uuid: and 32 hex digits in groups");
    }
    Ok(())
}

fn oid(text: &str) -> bool {
    let Some(digits) = text.strip_prefix("urn:oid:") else { return false };
    let mut parts = digits.split('.');
    let first = parts.next().is_some_and(|part| matches!(part, "0" | "1" | "2"));
    let mut more = false;
    let rest = parts.all(|part| {
        more = true;
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    });
    first && rest && more
}

fn uuid(text: &str) -> bool {
    let Some(hex) = text.strip_prefix("urn:uuid:") else { return false };
    hex.len() == 36
        && hex.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

fn base64(text: &str) -> bool {
    let mut letters = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'=' => padding += 1,
            _ if padding > 0 => return false,
            _ if byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/' => letters += 1,
            _ => return false,
        }
    }
    padding <= 2 && (letters + padding).is_multiple_of(4)
}

/// How many bytes base64 text stands for.
pub(crate) fn base64_len(text: &str) -> usize {
    text.bytes().filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')).count() * 3 / 4
}

fn number(digits: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = digits.split_at_checked(count)?;
    head.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0'))).map(|sum| (sum, rest))
}

/// The rest behind a date of any precision.
fn date(text: &[u8]) -> Option<&[u8]> {
    let (year, rest) = number(text, 4)?;
    if year == 0 {
        return None;
    }
    let Some(rest) = rest.strip_prefix(b"-") else { return Some(rest) };
    let (month, rest) = number(rest, 2)?;
    if !(1..=12).contains(&month) {
        return None;
    }
    let Some(rest) = rest.strip_prefix(b"-") else { return Some(rest) };
    let (day, rest) = number(rest, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=days).contains(&day).then_some(rest)
}

fn time(text: &[u8]) -> Option<&[u8]> {
    let (hour, rest) = number(text, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = number(rest.strip_prefix(b":")?, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let Some(fraction) = rest.strip_prefix(b".") else { return Some(rest) };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &fraction[digits..])
}

fn date_time(text: &[u8], whole: bool) -> bool {
    let Some(rest) = date(text) else { return false };
    if rest.is_empty() {
        return !whole;
    }
    // A time stands behind a whole date only.
    let Some(rest) = rest.strip_prefix(b"T").filter(|_| text.len() > 10 && text[10] == b'T') else { return false };
    match time(rest) {
        Some(b"Z") => true,
        Some([b'+' | b'-', zone @ ..]) => {
            let Some((hour, rest)) = number(zone, 2) else { return false };
            let Some((minute, rest)) = rest.strip_prefix(b":").and_then(|rest| number(rest, 2)) else { return false };
            rest.is_empty() && minute < 60 && (hour < 14 || (hour == 14 && minute == 0))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(name: &str, text: &str) -> bool {
        Primitive::named(name).unwrap().check_text(text).is_ok()
    }

    #[test]
    fn dates_and_times() {
        for text in ["1905", "2024-02", "2024-02-29"] {
            assert!(fits("date", text) && fits("dateTime", text) && !fits("instant", text), "{text}");
        }
        for text in ["2023-02-29", "2024-13", "2024-1-1", "24-01-01", "2024-01-01T", "0000"] {
            assert!(!fits("date", text), "{text}");
        }
        for text in ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00.123+14:00", "2024-01-01T23:59:60-05:00"] {
            assert!(fits("dateTime", text) && fits("instant", text), "{text}");
        }
        for text in ["2024-01-01T10:00:00", "2024-01-01T10:00Z", "2024-01T10:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T10:00:00+15:00"] {
            assert!(!fits("dateTime", text), "{text}");
        }
        assert!(fits("time", "08:30:00") && !fits("time", "08:30") && !fits("time", "08:30:00Z"));
    }

    #[test]
    fn identifiers_and_texts() {
        assert!(fits("id", "a-1.B") && !fits("id", "a_1") && !fits("id", &"a".repeat(65)));
        assert!(fits("oid", "urn:oid:2.16.840.1") && !fits("oid", "2.16.840.1") && !fits("oid", "urn:oid:3.1"));
        assert!(fits("uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520") && !fits("uuid", "urn:uuid:C757873D"));
        assert!(fits("uri", "http://example.org") && !fits("uri", "http://exa mple.org") && !fits("uri", "urn:oid:x"));
        assert!(fits("code", "a b") && !fits("code", " a") && !fits("code", "a  b") && !fits("code", "a "));
        assert!(
            fits("base64Binary", "QUJD") && fits("base64Binary", "QUI=") && !fits("base64Binary", "QUI") && !fits("base64Binary", "=QUI")
        );
        assert!(fits("string", " a ") && !fits("string", "") && !fits("string", "  ") && !fits("string", "a\u{1}"));
    }

    #[test]
    fn numbers() {
        let fits = |name: &str, digits| Primitive::named(name).unwrap().check_number(digits).is_ok();
        assert!(fits("integer", "-2147483648") && !fits("integer", "2147483648") && !fits("integer", "1.0"));
        assert!(fits("unsignedInt", "0") && !fits("unsignedInt", "-1"));
        assert!(fits("positiveInt", "1") && !fits("positiveInt", "0"));
        assert!(fits("decimal", "1.00e5"));
    }
}
