//! Points in time: CDA's `TS` as FHIR's `date`, `dateTime` and `instant`, with precision and offset as sent.

use std::fmt::Write;

use chrono::NaiveDate;

use crate::Zone;

/// A point in time, as precise as it was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stamp<'t> {
    year: u16,
    month: Option<u8>,
    day: Option<u8>,
    /// Hours and minutes.
    clock: Option<(u8, u8)>,
    second: Option<u8>,
    /// Digits of the fraction of a second.
    fraction: &'t str,
    /// Minutes east of Greenwich.
    offset: Option<i16>,
}

impl<'t> Stamp<'t> {
    /// Reads `YYYY[MM[DD[HH[MM[SS[.f]]]]]][+ZZZZ]`, and ISO 8601 text, which some systems send in its place.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let text = text.trim();
        let iso = text.as_bytes().get(4) == Some(&b'-')
            && text.len() >= 7
            && text.as_bytes()[5].is_ascii_digit()
            && text.as_bytes().get(7).is_none_or(|byte| *byte == b'-');
        let (mut rest, offset) = split_offset(text, iso)?;
        let mut fraction = "";
        if let Some((whole, digits)) = rest.split_once('.') {
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (rest, fraction) = (whole, digits);
        }
        let mut digits = [0_u8; 14];
        let mut length = 0;
        for byte in rest.bytes() {
            match byte {
                b'0'..=b'9' if length < 14 => {
                    digits[length] = byte - b'0';
                    length += 1;
                }
                b'-' | b':' | b'T' | b' ' if iso => {}
                _ => return None,
            }
        }
        if length < 4 || length % 2 == 1 {
            return None;
        }
        let two = |at: usize| (at + 2 <= length).then(|| digits[at] * 10 + digits[at + 1]);
        let year = digits[..4].iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(*digit));
        let mut stamp = Self { year, month: two(4), day: two(6), clock: None, second: two(12), fraction, offset };
        stamp.clock = two(8).map(|hour| (hour, two(10).unwrap_or(0)));
        if stamp.second.is_none() {
            stamp.fraction = "";
        }
        stamp.check()
    }

    fn check(mut self) -> Option<Self> {
        if self.year == 0 || self.month.is_some_and(|month| !(1..=12).contains(&month)) {
            // "20120000" stands for a year in some systems.
            if self.year == 0 || self.month != Some(0) {
                return None;
            }
            (self.month, self.day, self.clock, self.second) = (None, None, None, None);
        }
        if let (Some(month), Some(day)) = (self.month, self.day) {
            if day == 0 {
                (self.day, self.clock, self.second) = (None, None, None);
            } else if day > days_of_month(self.year, month) {
                return None;
            }
        }
        if self.clock.is_some_and(|(hour, minute)| hour > 23 || minute > 59) || self.second.is_some_and(|second| second > 60) {
            return None;
        }
        Some(self)
    }

    /// The offset that was sent, else that of the zone at this time.
    fn offset_in(&self, zone: Zone) -> Option<i16> {
        self.offset.or_else(|| {
            let date = NaiveDate::from_ymd_opt(i32::from(self.year), u32::from(self.month?), u32::from(self.day?))?;
            let (hour, minute) = self.clock?;
            zone.offset_of(date.and_hms_opt(u32::from(hour), u32::from(minute), u32::from(self.second.unwrap_or(0).min(59)))?)
        })
    }

    /// Whether a time of day was sent without an offset and without a zone for it, so that FHIR takes only the date.
    pub(super) fn loses_clock(&self, zone: Zone) -> bool {
        self.clock.is_some() && self.offset_in(zone).is_none()
    }

    /// `date`.
    pub(super) fn date(&self) -> String {
        let mut text = format!("{:04}", self.year);
        if let Some(month) = self.month {
            let _ = write!(text, "-{month:02}");
            if let Some(day) = self.day {
                let _ = write!(text, "-{day:02}");
            }
        }
        text
    }

    /// `dateTime`. FHIR has no time of day without an offset: without one the date is left.
    pub(super) fn date_time(&self, zone: Zone) -> String {
        let mut text = self.date();
        if let (Some((hour, minute)), Some(offset)) = (self.clock, self.offset_in(zone)) {
            let _ = write!(text, "T{hour:02}:{minute:02}:{:02}", self.second.unwrap_or(0).min(59));
            if !self.fraction.is_empty() && self.fraction.bytes().any(|digit| digit != b'0') {
                let _ = write!(text, ".{}", &self.fraction[..self.fraction.len().min(9)]);
            }
            push_offset(&mut text, offset);
        }
        text
    }

    /// `instant`: only of what is known to the second, or to the minute.
    pub(super) fn instant(&self, zone: Zone) -> Option<String> {
        self.day?;
        self.clock?;
        self.offset_in(zone)?;
        Some(self.date_time(zone))
    }

    /// Whether it is after the other for sure, whatever the missing digits are.
    pub(super) fn is_after(&self, other: &Stamp<'_>, zone: Zone) -> bool {
        let date = |stamp: &Stamp<'_>| (stamp.year, stamp.month, stamp.day);
        match (self.seconds(zone), other.seconds(zone)) {
            (Some(own), Some(others)) => own > others,
            _ => {
                let (own, others) = (date(self), date(other));
                if own.0 != others.0 {
                    return own.0 > others.0;
                }
                match (own.1, others.1) {
                    (Some(a), Some(b)) if a != b => a > b,
                    (Some(_), Some(_)) => matches!((own.2, others.2), (Some(a), Some(b)) if a > b),
                    _ => false,
                }
            }
        }
    }

    /// Seconds since 1970 of what has a time of day and an offset.
    fn seconds(&self, zone: Zone) -> Option<i64> {
        let (month, day, (hour, minute)) = (self.month?, self.day?, self.clock?);
        let offset = self.offset_in(zone)?;
        let days = days_from_civil(i64::from(self.year), i64::from(month), i64::from(day));
        Some(
            days * 86_400 + i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(self.second.unwrap_or(0)) - i64::from(offset) * 60,
        )
    }
}

/// Splits `+ZZZZ`, `-ZZ`, `+ZZ:ZZ` or `Z` off the end.
fn split_offset(text: &str, iso: bool) -> Option<(&str, Option<i16>)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest, Some(0)));
    }
    let from = if iso { 10 } else { 4 };
    let Some(at) = text.bytes().enumerate().skip(from).find(|(_, byte)| matches!(byte, b'+' | b'-')).map(|(at, _)| at) else {
        return Some((text, None));
    };
    let (rest, zone) = text.split_at(at);
    let digits: Vec<u8> = zone.bytes().skip(1).filter(|byte| *byte != b':').collect();
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |range: &[u8]| range.iter().fold(0_i16, |sum, digit| sum * 10 + i16::from(digit - b'0'));
    let minutes = match digits.len() {
        2 => number(&digits) * 60,
        4 => number(&digits[..2]) * 60 + number(&digits[2..]),
        _ => return None,
    };
    // FHIR's offsets end at 14:00.
    let minutes = (minutes <= 14 * 60 && (digits.len() < 4 || number(&digits[2..]) < 60)).then_some(minutes);
    Some((rest, minutes.map(|minutes| if zone.starts_with('-') { -minutes } else { minutes })))
}

pub(super) fn push_offset(text: &mut String, minutes: i16) {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    let _ = write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
}

fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        Some(Stamp::parse(text)?.date_time(Zone::Unknown))
    }

    #[test]
    fn precision_and_offset_stay() {
        for (sent, expected) in [
            ("2012", "2012"),
            ("201208", "2012-08"),
            ("20120806", "2012-08-06"),
            ("201208061530-0500", "2012-08-06T15:30:00-05:00"),
            ("20120806153007.250+0000", "2012-08-06T15:30:07.250+00:00"),
            ("20120806153007.000+0530", "2012-08-06T15:30:07+05:30"),
            ("20120806153007", "2012-08-06"),
            ("20120806-0500", "2012-08-06"),
            ("20120000", "2012"),
            ("2023-02-14", "2023-02-14"),
            ("2023-02-14T10:11:12Z", "2023-02-14T10:11:12+00:00"),
        ] {
            assert_eq!(shown(sent).as_deref(), Some(expected), "{sent}");
        }
        for sent in ["", "12", "20121301", "20120230", "2012080625+0000", "abc", "0000", "201", "20120806+9x"] {
            assert_eq!(shown(sent), None, "{sent}");
        }
    }

    #[test]
    fn a_zone_by_name_has_the_offset_of_the_day() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        for (sent, expected) in [
            ("201201061530", "2012-01-06T15:30:00+01:00"),
            ("201208061530", "2012-08-06T15:30:00+02:00"),
            ("201208061530-0500", "2012-08-06T15:30:00-05:00"),
            ("201210280230", "2012-10-28"),
        ] {
            assert_eq!(Stamp::parse(sent).unwrap().date_time(berlin), expected, "{sent}");
        }
        assert!(Stamp::parse("201210280230").unwrap().loses_clock(berlin));
    }

    #[test]
    fn order() {
        let at = |text| Stamp::parse(text).unwrap();
        assert!(at("20120806").is_after(&at("20120805"), Zone::Unknown));
        assert!(!at("2012").is_after(&at("20120805"), Zone::Unknown));
        assert!(at("201208061000-0500").is_after(&at("201208061400+0000"), Zone::Unknown));
        assert!(!at("201208060800-0500").is_after(&at("201208061400+0000"), Zone::Unknown));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.:TZ ]{0,24}") {
            if let Some(stamp) = Stamp::parse(&text) {
                let shown = stamp.date_time(Zone::Fixed(0));
                proptest::prop_assert!(Stamp::parse(&shown).is_some());
            }
        }
    }
}
