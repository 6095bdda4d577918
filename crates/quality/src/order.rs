//! How far two times lie apart, when they were stated with different precision and maybe without an offset.

use chrono::{Datelike, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use sutura_core::{PartialDateTime, Precision};

/// No place on earth is farther from UTC than this.
const LARGEST_OFFSET_MICROS: i64 = 14 * 3_600 * 1_000_000;

/// The least and the greatest that `later - earlier` can be, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) least: i64,
    pub(crate) greatest: i64,
    /// The precision both sides were cut to.
    pub(crate) precision: Precision,
}

/// The gap at the precision that both times have. When only one side states an offset, the gap is
/// a range: the other side's zone is unknown and is not guessed.
pub(crate) fn gap(earlier: &PartialDateTime, later: &PartialDateTime) -> Gap {
    let precision = earlier.precision().min(later.precision());
    let (from, to) = (cut(earlier.local(), precision), cut(later.local(), precision));
    let local = micros(to - from);
    let exactly = |micros: i64| Gap { least: micros, greatest: micros, precision };
    // Above the hour a date is a date: it is compared as it was stated on both sides.
    if precision < Precision::Hour {
        return exactly(local);
    }
    match (earlier.offset_minutes(), later.offset_minutes()) {
        (None, None) => exactly(local),
        (Some(from), Some(to)) => exactly(local + offset_micros(from) - offset_micros(to)),
        (Some(from), None) => around(local + offset_micros(from), precision),
        (None, Some(to)) => around(local - offset_micros(to), precision),
    }
}

fn around(micros: i64, precision: Precision) -> Gap {
    Gap { least: micros - LARGEST_OFFSET_MICROS, greatest: micros + LARGEST_OFFSET_MICROS, precision }
}

fn offset_micros(minutes: i16) -> i64 {
    i64::from(minutes) * 60 * 1_000_000
}

/// Sets the parts below the precision to their lowest.
fn cut(moment: NaiveDateTime, precision: Precision) -> NaiveDateTime {
    let (date, time) = (moment.date(), moment.time());
    let date = match precision {
        Precision::Year => date.with_ordinal(1).unwrap_or(date),
        Precision::Month => date.with_day(1).unwrap_or(date),
        _ => date,
    };
    let nanosecond = match precision {
        Precision::Fraction(digits) => {
            let step = 10u32.pow(9 - u32::from(digits.min(9)));
            time.nanosecond() / step * step
        }
        _ => 0,
    };
    let part = |stated_from: Precision, value: u32| if precision >= stated_from { value } else { 0 };
    let (hour, minute, second) =
        (part(Precision::Hour, time.hour()), part(Precision::Minute, time.minute()), part(Precision::Second, time.second()));
    date.and_time(NaiveTime::from_hms_nano_opt(hour, minute, second, nanosecond).unwrap_or(time))
}

fn micros(delta: TimeDelta) -> i64 {
    delta.num_microseconds().unwrap_or(if delta < TimeDelta::zero() { i64::MIN / 2 } else { i64::MAX / 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(earlier: &str, later: &str) -> Gap {
        gap(&PartialDateTime::parse_iso(earlier).unwrap(), &PartialDateTime::parse_iso(later).unwrap())
    }

    fn hours(earlier: &str, later: &str) -> (f64, f64) {
        let gap = between(earlier, later);
        (gap.least as f64 / 3.6e9, gap.greatest as f64 / 3.6e9)
    }

    #[test]
    fn compares_at_the_common_precision() {
        assert_eq!(hours("2026-03-14", "2026-03-14T01:00"), (0.0, 0.0));
        assert_eq!(hours("2026-03-14T23:59", "2026-03-14"), (0.0, 0.0));
        assert_eq!(hours("2026", "1999-12-31T10:00").0, -24.0 * 9862.0);
        assert_eq!(hours("2026-03-31", "2026-03"), (0.0, 0.0));
        assert_eq!(hours("2026-03-14T10:00", "2026-03-14T12:30"), (2.5, 2.5));
        assert_eq!(hours("2026-03-14T10:00:59", "2026-03-14T10:00"), (0.0, 0.0));
        assert_eq!(between("1960-01-01T00:00:00.75", "1960-01-01T00:00:00.50").least, -250_000, "before 1970 too");
    }

    #[test]
    fn offsets_are_used_when_both_are_known_and_never_guessed() {
        assert_eq!(hours("2026-03-14T10:00+01:00", "2026-03-14T10:00Z"), (1.0, 1.0));
        assert_eq!(hours("2026-03-14T10:00+01:00", "2026-03-14T10:00"), (-13.0, 15.0));
        assert_eq!(hours("2026-03-14T10:00", "2026-03-14T10:00-05:00"), (-9.0, 19.0));
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let gap = between("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999999-14:00");
        assert!(gap.least > 0 && gap.least == gap.greatest);
    }
}
