//! The reader's options, as a job or a table function states them.

use chrono::{DateTime, LocalResult, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sutura_core::{FormatError, PartialDateTime};

use crate::charset::Charset;

/// Options of the HL7 v2 reader. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Character set for bytes that no declaration covers, by its name in HL7 table 0211 (`8859/1`,
    /// `UNICODE UTF-8`, ...). Default `8859/1`, read as Windows-1252. Its use is a finding.
    pub default_charset: String,
    /// Time zone of local timestamps in feeds that state none: an offset (`+01:00`) or an IANA name
    /// (`Europe/Berlin`). Without it local times stay local: there is no default and no guess.
    pub zone: Option<String>,
    /// Records larger than this many bytes are rejected instead of held in memory. Default 64 MiB.
    pub max_record_bytes: usize,
    /// Validate every message and reject those with a finding of severity error. Default false.
    pub strict: bool,
    /// Validate every message and count the findings. Default false: only findings that reading
    /// itself makes are counted (the `findings` table validates in any case).
    pub validate: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { default_charset: "8859/1".to_owned(), zone: None, max_record_bytes: 64 << 20, strict: false, validate: false }
    }
}

/// The names of all options, for suggestions.
const KEYS: [&str; 5] = ["default_charset", "zone", "max_record_bytes", "strict", "validate"];

impl Options {
    /// Reads options from JSON; null means the defaults.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, FormatError> {
        if value.is_null() {
            return Ok(Self::default());
        }
        let unknown = value.as_object().and_then(|map| map.keys().find(|key| !KEYS.contains(&key.as_str())));
        if let Some(key) = unknown {
            return Err(bad(key, format!("unknown option; there are {}", KEYS.join(", "))));
        }
        let options: Self = serde_json::from_value(value.clone()).map_err(|error| bad("(value)", error.to_string()))?;
        options.resolve()?;
        Ok(options)
    }

    /// The options as the reader uses them.
    pub(crate) fn resolve(&self) -> Result<Resolved, FormatError> {
        let default_charset = Charset::from_name(&self.default_charset)
            .ok_or_else(|| bad("default_charset", "not a name of HL7 table 0211; use 8859/1, UNICODE UTF-8 or the like".to_owned()))?;
        if !(1024..=1 << 30).contains(&self.max_record_bytes) {
            return Err(bad("max_record_bytes", "must be between 1024 and 1073741824".to_owned()));
        }
        let zone = self.zone.as_deref().map_or(Ok(Zone::Unknown), Zone::parse)?;
        Ok(Resolved { default_charset, zone, max_record_bytes: self.max_record_bytes, strict: self.strict, validate: self.validate })
    }
}

fn bad(option: &str, reason: String) -> FormatError {
    FormatError::BadOption { format: "hl7v2", option: option.to_owned(), reason }
}

/// Options with their names looked up.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub default_charset: Charset,
    pub zone: Zone,
    pub max_record_bytes: usize,
    pub strict: bool,
    pub validate: bool,
}

/// The zone of a feed's local times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Not stated: local times have no instant.
    Unknown,
    /// A fixed offset in minutes east of UTC.
    Fixed(i16),
    /// An IANA zone.
    Named(Tz),
}

impl Zone {
    fn parse(text: &str) -> Result<Self, FormatError> {
        if let Some(value) = PartialDateTime::parse_iso(&format!("2000-01-01T00:00{text}")) {
            return Ok(value.offset_minutes().map_or(Zone::Unknown, Zone::Fixed));
        }
        let named = text.parse::<Tz>().map(Zone::Named);
        named.map_err(|_| bad("zone", "neither an offset like +01:00 nor an IANA zone like Europe/Berlin".to_owned()))
    }

    /// The instant of a local time; null in the hour that a clock change repeats or skips.
    pub(crate) fn instant(self, value: &PartialDateTime) -> Option<DateTime<Utc>> {
        match self {
            Zone::Unknown => None,
            Zone::Fixed(minutes) => value.instant(Some(minutes)),
            Zone::Named(zone) => {
                value.instant(Some(0))?;
                match zone.from_local_datetime(&value.local()) {
                    LocalResult::Single(instant) => Some(instant.with_timezone(&Utc)),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_and_wrong_options_are_refused() {
        assert_eq!(Options::from_json(&serde_json::Value::Null).unwrap(), Options::default());
        for bad in [json!({"zon": "x"}), json!({"zone": "Mars/Base"}), json!({"default_charset": "EBCDIC"}), json!({"max_record_bytes": 1})]
        {
            assert!(Options::from_json(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_zone_gives_instants_but_never_guesses() {
        let at =
            |zone: &str, text: &str| Zone::parse(zone).unwrap().instant(&PartialDateTime::parse_iso(text).unwrap()).map(|t| t.to_rfc3339());
        assert_eq!(at("+01:00", "2026-03-14T15:09").as_deref(), Some("2026-03-14T14:09:00+00:00"));
        assert_eq!(at("America/New_York", "2026-07-01T12:00:00").as_deref(), Some("2026-07-01T16:00:00+00:00"));
        assert_eq!(at("America/New_York", "2026-11-01T01:30:00"), None, "the repeated hour is ambiguous");
        assert_eq!(at("America/New_York", "2026-07-01"), None, "a date is no instant");
    }
}
