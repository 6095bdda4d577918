//! What the methods of Microsoft's anonymizer make of a value, as it does.

use std::hash::{BuildHasher, Hasher, RandomState};

use chrono::{Datelike, Days, NaiveDate};
use sutura_privacy::functions::age_on;

/// What became of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    /// It stays.
    Same,
    /// It goes.
    Nothing,
    /// A part of it stays.
    Part(String),
}

/// The year of a date, where parts of dates may stay and it shows no age over 89.
pub(super) fn redact_date(text: &str, partial: bool, today: NaiveDate) -> Made {
    let year = text.get(..4).filter(|year| year.bytes().all(|byte| byte.is_ascii_digit()));
    match year {
        Some(year) if partial && !is_over_89(text, today) => Made::Part(year.to_owned()),
        _ => Made::Nothing,
    }
}

fn is_over_89(text: &str, today: NaiveDate) -> bool {
    age_on(text.get(..10).unwrap_or(text), today).is_some_and(|age| age > 89)
        || text.get(..4).and_then(|year| year.parse::<i32>().ok()).is_some_and(|year| today.year() - year > 89)
}

/// Three digits of a ZIP code, where they may stay; zeros for those of areas where few people live.
pub(super) fn redact_zip(text: &str, partial: bool, restricted: &[String]) -> Made {
    let Some(first) = text.get(..3).filter(|first| partial && first.bytes().all(|byte| byte.is_ascii_digit())) else {
        return Made::Nothing;
    };
    let kept = if restricted.iter().any(|zip| zip == first) { "000" } else { first };
    // The other digits become zeros, signs stay.
    let rest: String = text[3..].chars().map(|sign| if sign.is_ascii_digit() { '0' } else { sign }).collect();
    Made::Part(format!("{kept}{rest}"))
}

/// The days of a shift, from -50 to 50, of the key behind what they are the same for.
pub(super) fn shift_days(scope: &str, key: &str) -> i64 {
    const SEED: i64 = 131;
    const RANGE: i64 = 50;
    scope.bytes().chain(key.bytes()).fold(0, |offset, byte| (offset * SEED + i64::from(byte)) % (2 * RANGE + 1)) - RANGE
}

/// A date moved by days, with the time of day set to zero. What is no full date is redacted.
pub(super) fn shift_date(text: &str, days: i64, partial: bool, today: NaiveDate) -> Made {
    let date = text.get(..10).and_then(|date| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok());
    let Some(date) = date else { return redact_date(text, partial, today) };
    if is_over_89(text, today) {
        return Made::Nothing;
    }
    let step = Days::new(days.unsigned_abs());
    let moved = if days < 0 { date.checked_sub_days(step) } else { date.checked_add_days(step) };
    let Some(moved) = moved.filter(|date| (1..=9999).contains(&date.year())) else { return Made::Nothing };
    let offset = text.get(10..).unwrap_or_default();
    if offset.is_empty() {
        return Made::Part(moved.format("%Y-%m-%d").to_string());
    }
    let zone = offset.find(['Z', '+', '-']).map_or("", |at| &offset[at..]);
    Made::Part(format!("{}T00:00:00{zone}", moved.format("%Y-%m-%d")))
}

/// A reference with only its id hashed.
pub(super) fn hash_reference(reference: &str, hash: impl Fn(&str) -> String) -> String {
    for prefix in ["urn:uuid:", "urn:oid:", "#"] {
        if let Some(id) = reference.strip_prefix(prefix) {
            return format!("{prefix}{}", hash(id));
        }
    }
    let (path, version) = match reference.split_once("/_history/") {
        Some((path, version)) => (path, format!("/_history/{version}")),
        None => (reference, String::new()),
    };
    match path.rsplit_once('/') {
        Some((before, id)) => format!("{before}/{}{version}", hash(id)),
        None => hash(reference),
    }
}

/// A number with noise of the given span around it.
pub(super) fn perturb(text: &str, span: f64, proportional: bool, round_to: u32, is_whole: bool) -> Made {
    let Ok(number) = text.parse::<f64>() else { return Made::Nothing };
    let width = if proportional { number * span } else { span };
    // From the operating system's random bytes, by way of the keys of hash maps.
    let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    let moved = number + width * (random - 0.5);
    let digits = if is_whole { 0 } else { round_to.min(15) as usize };
    Made::Part(format!("{moved:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_are_those_of_the_pairs() {
        assert_eq!(shift_days("example", "123"), 41);
        let today = NaiveDate::from_ymd_opt(2026, 3, 14).unwrap();
        assert_eq!(shift_date("2000-01-01", 41, true, today), Made::Part("2000-02-11".into()));
        assert_eq!(shift_date("2000-01-01T01:01:01-01:00", 41, true, today), Made::Part("2000-02-11T00:00:00-01:00".into()));
        assert_eq!(shift_date("2014", 41, true, today), Made::Part("2014".into()));
        assert_eq!(shift_date("1920-01-01", 41, true, today), Made::Nothing);
        assert_eq!(redact_date("2002-05", false, today), Made::Nothing);
    }

    #[test]
    fn zips_keep_three_digits() {
        let restricted = ["036".to_owned()];
        assert_eq!(redact_zip("12345", true, &restricted), Made::Part("12300".into()));
        assert_eq!(redact_zip("03601-1234", true, &restricted), Made::Part("00000-0000".into()));
        assert_eq!(redact_zip("12345", false, &restricted), Made::Nothing);
        assert_eq!(redact_zip("K1A 0B1", true, &restricted), Made::Nothing);
    }

    #[test]
    fn references_keep_their_form() {
        let hash = |text: &str| format!("<{text}>");
        for (reference, hashed) in [
            ("Patient/23", "Patient/<23>"),
            ("urn:uuid:1", "urn:uuid:<1>"),
            ("#p", "#<p>"),
            ("http://x/Patient/1/_history/2", "http://x/Patient/<1>/_history/2"),
        ] {
            assert_eq!(hash_reference(reference, hash), hashed);
        }
    }

    #[test]
    fn noise_stays_in_its_span() {
        for _ in 0..100 {
            let Made::Part(text) = perturb("100", 0.1, true, 1, false) else { panic!() };
            let number: f64 = text.parse().unwrap();
            assert!((95.0..=105.0).contains(&number));
        }
    }
}
