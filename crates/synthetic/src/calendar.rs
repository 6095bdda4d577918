//! Dates and local times as plain numbers, fast enough to write many in each message.

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// The days from 1970-01-01 to a date of the Gregorian calendar.
pub(crate) fn days_from_date(year: i32, month: u32, day: u32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i32 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i32 - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days from 1970-01-01.
#[inline]
pub(crate) fn date_from_days(days: i32) -> (i32, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i32::from(month <= 2), month, day)
}

/// Completed years between two days.
pub(crate) fn whole_years(birth: i32, at: i32) -> i32 {
    let (birth_year, birth_month, birth_day) = date_from_days(birth);
    let (year, month, day) = date_from_days(at);
    year - birth_year - i32::from((month, day) < (birth_month, birth_day))
}

/// A local time: seconds from 1970-01-01T00:00 on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    /// The date, as days from 1970-01-01.
    pub(crate) fn day(self) -> i32 {
        self.0.div_euclid(DAY) as i32
    }

    pub(crate) fn plus(self, seconds: i64) -> Self {
        Self(self.0 + seconds)
    }
}

/// How a sending system writes its timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    Day,
    Minute,
    Second,
    SecondOffset,
    MilliOffset,
}

/// Whether the wall clocks of the United States show daylight saving time on this date: from the
/// second Sunday of March to the first Sunday of November.
fn is_summer_time(day: i32) -> bool {
    let (year, month, _) = date_from_days(day);
    // 1970-01-01 was a Thursday; days until the next Sunday, 0 on a Sunday.
    let to_sunday = |first: i32| (10 - first.rem_euclid(7)) % 7;
    match month {
        4..=10 => true,
        3 => {
            let first = days_from_date(year, 3, 1);
            day >= first + to_sunday(first) + 7
        }
        11 => {
            let first = days_from_date(year, 11, 1);
            day < first + to_sunday(first)
        }
        _ => false,
    }
}

/// A timestamp in HL7 notation, without allocation.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    bytes: [u8; 24],
    length: usize,
}

impl Stamp {
    /// `hours` is the zone's standard offset from UTC, used when the precision writes an offset.
    pub(crate) fn new(at: Moment, precision: Precision, hours: i32) -> Self {
        let mut stamp = Self { bytes: [0; 24], length: 0 };
        let day = at.day();
        let (year, month, date) = date_from_days(day);
        let second = at.0.rem_euclid(DAY) as u32;
        stamp.digits(year as u32, 4);
        stamp.digits(month, 2);
        stamp.digits(date, 2);
        if precision == Precision::Day {
            return stamp;
        }
        stamp.digits(second / 3600, 2);
        stamp.digits(second / 60 % 60, 2);
        if precision == Precision::Minute {
            return stamp;
        }
        stamp.digits(second % 60, 2);
        if precision == Precision::MilliOffset {
            stamp.push(b'.');
            // Any milliseconds will do, as long as the same moment always has the same ones.
            stamp.digits((at.0.unsigned_abs().wrapping_mul(2_654_435_761) >> 7) as u32 % 1000, 3);
        }
        if matches!(precision, Precision::SecondOffset | Precision::MilliOffset) {
            let offset = hours + i32::from(is_summer_time(day));
            stamp.push(if offset < 0 { b'-' } else { b'+' });
            stamp.digits(offset.unsigned_abs(), 2);
            stamp.digits(0, 2);
        }
        stamp
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn digits(&mut self, mut number: u32, width: usize) {
        for at in (self.length..self.length + width).rev() {
            self.bytes[at] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.length += width;
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

fn push_digits(out: &mut String, number: u32, width: u32) {
    for place in (0..width).rev() {
        out.push(char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8));
    }
}

/// Appends a date as `YYYY-MM-DD`.
pub(crate) fn push_date(out: &mut String, day: i32) {
    let (year, month, day) = date_from_days(day);
    push_digits(out, year as u32, 4);
    out.push('-');
    push_digits(out, month, 2);
    out.push('-');
    push_digits(out, day, 2);
}

/// Appends a date and time as `YYYY-MM-DDThh:mm:ss-hh:00`. `hours` is the zone's standard offset from UTC.
pub(crate) fn push_date_time(out: &mut String, at: Moment, hours: i32) {
    push_date(out, at.day());
    let second = at.0.rem_euclid(DAY) as u32;
    for (mark, number) in [('T', second / 3600), (':', second / 60 % 60), (':', second % 60)] {
        out.push(mark);
        push_digits(out, number, 2);
    }
    let offset = hours + i32::from(is_summer_time(at.day()));
    out.push(if offset < 0 { '-' } else { '+' });
    push_digits(out, offset.unsigned_abs(), 2);
    out.push_str(":00");
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    #[test]
    fn dates_agree_with_chrono() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for days in (-30_000..30_000).step_by(7) {
            let date = epoch + chrono::Days::new(days.max(0) as u64) - chrono::Days::new((-days).max(0) as u64);
            assert_eq!(date_from_days(days), (date.year(), date.month(), date.day()));
            assert_eq!(days_from_date(date.year(), date.month(), date.day()), days);
        }
    }

    #[test]
    fn stamps_have_the_zone_of_their_season() {
        let text = |year, month, day, precision| {
            let at = Moment(i64::from(days_from_date(year, month, day)) * DAY + 3661 * 10);
            Stamp::new(at, precision, -6).as_str().to_owned()
        };
        assert_eq!(text(2025, 1, 5, Precision::SecondOffset), "20250105101010-0600");
        assert_eq!(text(2025, 3, 8, Precision::SecondOffset), "20250308101010-0600");
        assert_eq!(text(2025, 3, 9, Precision::SecondOffset), "20250309101010-0500");
        assert_eq!(text(2025, 11, 1, Precision::SecondOffset), "20251101101010-0500");
        assert_eq!(text(2025, 11, 2, Precision::SecondOffset), "20251102101010-0600");
        assert_eq!(text(2025, 7, 4, Precision::Minute), "202507041010");
        assert_eq!(text(2025, 7, 4, Precision::Day), "20250704");
        assert_eq!(text(2025, 7, 4, Precision::MilliOffset).len(), 23);
    }

    #[test]
    fn iso_times_say_the_same() {
        let mut text = String::new();
        push_date_time(&mut text, Moment(i64::from(days_from_date(2025, 7, 4)) * DAY + 3661 * 10), -6);
        assert_eq!(text, "2025-07-04T10:10:10-05:00");
        text.clear();
        push_date_time(&mut text, Moment(i64::from(days_from_date(2024, 12, 31)) * DAY), -8);
        assert_eq!(text, "2024-12-31T00:00:00-08:00");
    }

    #[test]
    fn years_are_completed_years() {
        let day = days_from_date;
        assert_eq!(whole_years(day(2000, 2, 29), day(2025, 2, 28)), 24);
        assert_eq!(whole_years(day(2000, 2, 29), day(2025, 3, 1)), 25);
        assert_eq!(whole_years(day(2025, 1, 1), day(2025, 1, 1)), 0);
    }
}
