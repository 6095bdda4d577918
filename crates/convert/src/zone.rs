//! The zone of times that state no offset from UTC.

use chrono::{NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// The zone of local times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Zone {
    /// Nothing is known.
    Unknown,
    /// Minutes east of UTC.
    Fixed(i16),
    /// By its IANA name: the offset depends on the day.
    Named(Tz),
}

impl Zone {
    /// Reads `+01:00`, `Z` or an IANA name such as `Europe/Berlin`.
    pub fn parse(text: &str) -> Option<Self> {
        let time = format!("2000-01-01T00:00{text}");
        if let Some(minutes) = sutura_core::PartialDateTime::parse_iso(&time).and_then(|value| value.offset_minutes()) {
            return Some(Self::Fixed(minutes));
        }
        text.parse().ok().map(Self::Named)
    }

    /// The offset stated in a timestamp of HL7 v2.
    pub(crate) fn of_timestamp(raw: &str) -> Option<Self> {
        let at = raw.rfind(['+', '-'])?;
        let minutes = raw.get(at + 1..at + 5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let (hours, minutes): (i16, i16) = (minutes[..2].parse().ok()?, minutes[2..].parse().ok()?);
        let total = hours * 60 + minutes;
        Some(Self::Fixed(if raw.as_bytes()[at] == b'-' { -total } else { total }))
    }

    /// The offset at a local time written as ISO 8601; none in an hour that a clock change repeats or skips.
    pub(crate) fn offset_at(self, iso: &[u8]) -> Option<i16> {
        match self {
            Self::Unknown => None,
            Self::Fixed(minutes) => Some(minutes),
            Self::Named(_) => {
                let number = |from: usize, to: usize| std::str::from_utf8(iso.get(from..to)?).ok()?.parse::<u32>().ok();
                let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
                self.offset_of(date.and_hms_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?)?)
            }
        }
    }

    /// The offset at a local time; none in an hour that a clock change repeats or skips.
    pub(crate) fn offset_of(self, local: NaiveDateTime) -> Option<i16> {
        match self {
            Self::Unknown => None,
            Self::Fixed(minutes) => Some(minutes),
            Self::Named(zone) => {
                let seconds = zone.from_local_datetime(&local).single()?.offset().fix().local_minus_utc();
                i16::try_from(seconds / 60).ok()
            }
        }
    }
}

impl TryFrom<String> for Zone {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a zone is an offset like +01:00 or a name like Europe/Berlin")
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        match zone {
            Zone::Unknown => String::new(),
            Zone::Fixed(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Zone::Named(zone) => zone.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_offsets_or_names() {
        for text in ["+01:00", "-03:30", "Europe/Berlin", "America/New_York"] {
            assert_eq!(String::from(Zone::parse(text).unwrap()), text);
        }
        assert_eq!(Zone::parse("Z"), Some(Zone::Fixed(0)));
        for text in ["", "1", "+1:00", "+25:00", "Nowhere/Town", "+\u{E9}:00"] {
            assert!(Zone::parse(text).is_none(), "{text}");
        }
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let at = |text: &str| berlin.offset_of(NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap());
        assert_eq!((at("2026-01-15T12:00"), at("2026-07-15T12:00")), (Some(60), Some(120)));
        assert_eq!((at("2026-03-29T02:30"), at("2026-10-25T02:30")), (None, None), "skipped, and repeated");
    }
}
