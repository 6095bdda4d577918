//! Timestamps of HL7 v2 as FHIR has them: with the precision and the offset that were stated.
//!
//! A FHIR dateTime with a clock time needs an offset, which HL7 v2 often leaves out. It is taken from the value itself, else from MSH-7 (whose
//! offset is the default of its message, HL7 v2.9 §2.13.9.7), else from the zone that the feed states. Without any the time is cut to its date:
//! an instant is never invented.

use sutura_hl7v2::timestamp;

pub(super) use crate::zone::Zone;

/// What the target can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Date,
    DateTime,
    Instant,
}

/// What became of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It is written in full.
    Full,
    /// It is written as a date: the offset of its time is not known.
    WithoutTime,
    /// It is written with minutes that were not stated.
    FilledMinutes,
    /// It is no timestamp.
    Invalid,
    /// It is a date, and the target holds only times.
    TooCoarse,
    /// It is a time whose offset is not known, and the target needs one.
    WithoutOffset,
}

/// Appends a timestamp as FHIR text. Nothing is appended when it is invalid or too coarse.
pub(super) fn write(raw: &str, precision: Precision, zone: Zone, scratch: &mut Vec<u8>, out: &mut String) -> Written {
    scratch.clear();
    if !timestamp::write_iso(raw.trim().as_bytes(), scratch) {
        return Written::Invalid;
    }
    let push = |bytes: &[u8], out: &mut String| out.push_str(std::str::from_utf8(bytes).unwrap_or(""));
    if precision == Precision::Date {
        push(&scratch[..scratch.len().min(10)], out);
        return Written::Full;
    }
    if scratch.len() <= 10 {
        if precision == Precision::Instant {
            return Written::TooCoarse;
        }
        push(scratch, out);
        return Written::Full;
    }
    // Behind the date stands a time, behind it perhaps an offset.
    let clock_end = scratch[11..].iter().position(|byte| matches!(byte, b'+' | b'-')).map_or(scratch.len(), |at| at + 11);
    let own_offset = clock_end < scratch.len();
    let filled = clock_end == 13;
    let mut clock = [0u8; 40];
    let length = clock_end.min(40);
    clock[..length].copy_from_slice(&scratch[..length]);
    let mut clock_length = length;
    while clock_length < 19 {
        clock[clock_length..clock_length + 3].copy_from_slice(b":00");
        clock_length += 3;
    }
    let clock = &clock[..clock_length];
    if own_offset {
        push(clock, out);
        push(&scratch[clock_end..], out);
    } else if let Some(minutes) = zone.offset_at(clock) {
        push(clock, out);
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60);
        for part in [sign, digit(hours / 10), digit(hours % 10), ':', digit(minutes / 10), digit(minutes % 10)] {
            out.push(part);
        }
    } else if precision == Precision::Instant {
        return Written::WithoutOffset;
    } else {
        push(&clock[..10], out);
        return Written::WithoutTime;
    }
    if filled { Written::FilledMinutes } else { Written::Full }
}

fn digit(value: u16) -> char {
    char::from(b'0' + (value % 10) as u8)
}

/// Appends a time of day; FHIR has no offset there, and needs seconds.
pub(super) fn write_time(raw: &str, out: &mut String) -> bool {
    let timestamp::TimeValue::Value(value) = timestamp::parse_time(raw.trim()) else { return false };
    let text = timestamp::PartialTime { offset_minutes: None, ..value }.to_string();
    out.push_str(&text);
    match text.len() {
        2 => out.push_str(":00:00"),
        5 => out.push_str(":00"),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(raw: &str, precision: Precision, zone: Zone) -> (Written, String) {
        let (mut out, mut scratch) = (String::new(), Vec::new());
        (write(raw, precision, zone, &mut scratch, &mut out), out)
    }

    #[test]
    fn precision_and_offset_stay_as_stated() {
        let eastern = Zone::parse("America/New_York").unwrap();
        for (raw, zone, text) in [
            ("2026", Zone::Unknown, "2026"),
            ("202603", Zone::Unknown, "2026-03"),
            ("20260314", Zone::Fixed(60), "2026-03-14"),
            ("20260314150926.5-0500", Zone::Unknown, "2026-03-14T15:09:26.5-05:00"),
            ("202603141509-0500", Zone::Unknown, "2026-03-14T15:09:00-05:00"),
            ("20260314150926", Zone::Fixed(-330), "2026-03-14T15:09:26-05:30"),
            ("20260714150926", eastern, "2026-07-14T15:09:26-04:00"),
            ("20260114150926", eastern, "2026-01-14T15:09:26-05:00"),
        ] {
            assert_eq!(written(raw, Precision::DateTime, zone), (Written::Full, text.to_owned()), "{raw}");
        }
    }

    #[test]
    fn nothing_is_invented() {
        assert_eq!(written("20260314150926", Precision::DateTime, Zone::Unknown), (Written::WithoutTime, "2026-03-14".into()));
        let repeated = Zone::parse("America/New_York").unwrap();
        assert_eq!(written("20261101013000", Precision::DateTime, repeated).0, Written::WithoutTime);
        assert_eq!(written("20260314", Precision::Instant, Zone::Fixed(0)), (Written::TooCoarse, String::new()));
        assert_eq!(written("20260314150926", Precision::Instant, Zone::Unknown), (Written::WithoutOffset, String::new()));
        assert_eq!(
            written("2026031415", Precision::DateTime, Zone::Fixed(0)),
            (Written::FilledMinutes, "2026-03-14T15:00:00+00:00".into())
        );
        assert_eq!(written("20261314", Precision::DateTime, Zone::Fixed(0)), (Written::Invalid, String::new()));
        assert_eq!(written("20260314150926", Precision::Date, Zone::Unknown), (Written::Full, "2026-03-14".into()));
    }

    #[test]
    fn times_of_day_and_zones() {
        for (raw, text) in [("15", "15:00:00"), ("1509", "15:09:00"), ("150926", "15:09:26"), ("150926.25-0500", "15:09:26.25")] {
            let mut out = String::new();
            assert!(write_time(raw, &mut out));
            assert_eq!(out, text);
        }
        assert!(!write_time("25", &mut String::new()));
        assert_eq!(Zone::of_timestamp("20260314150926.1234-0530"), Some(Zone::Fixed(-330)));
        assert_eq!(Zone::of_timestamp("20260314"), None);
        assert_eq!(Zone::parse("Mars/Base"), None);
    }
}
