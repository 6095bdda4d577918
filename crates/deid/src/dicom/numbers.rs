//! Numbers that are not written as text: whether one of them is an identifier, a birth date or a day of the file.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDate};
use sutura_dicom::{Element, Vr};

use crate::text::Tokens;

/// The least number that is looked for: six digits. Shorter ones are everywhere.
const LEAST: f64 = 100_000.0;
/// Values of an element in which day, month and year are looked for one after the other.
const MOST_IN_A_ROW: usize = 64;

/// What numbers of a file say of the people and days in it.
#[derive(Default)]
pub(super) struct Numbers {
    known: HashSet<u64>,
    days: HashSet<u64>,
    dates: Vec<NaiveDate>,
}

impl Numbers {
    /// Of the identifiers and birth dates that are known, and of the days of the file, unless these stay.
    pub(super) fn new(tokens: &Tokens, days: &[NaiveDate]) -> Self {
        let compact = |date: &NaiveDate| u64::from(date.year().unsigned_abs()) * 10_000 + u64::from(date.month() * 100 + date.day());
        let known = tokens.numbers().collect();
        let dates: Vec<NaiveDate> = days.iter().copied().chain(tokens.birth_dates()).collect();
        Self { known, days: dates.iter().map(compact).collect(), dates }
    }

    /// Whether a whole number is a day of the file.
    pub(super) fn is_a_day(&self, number: u64) -> bool {
        self.days.contains(&number)
    }

    /// Whether one of an element's numbers is an identifier or a day, or three in a row are a day.
    pub(super) fn are_in(&self, element: &Element<'_>, vr: Vr) -> bool {
        let (Some(size), false) = (vr.number_bytes(), self.known.is_empty() && self.days.is_empty()) else { return false };
        let count = element.bytes().len() / size;
        // Two bytes hold no number of six digits.
        if size >= 4 && matches!(vr, Vr::UL | Vr::SL | Vr::FL | Vr::FD | Vr::UV | Vr::SV) {
            let is_it = |number: f64| number.abs() >= LEAST && number.fract() == 0.0 && self.is_known(number.abs(), vr == Vr::FL);
            if (0..count).filter_map(|place| element.number_at(place)).any(is_it) {
                return true;
            }
        }
        (3..=MOST_IN_A_ROW).contains(&count) && {
            let numbers: Vec<f64> = (0..count).filter_map(|place| element.number_at(place)).collect();
            numbers.windows(3).any(|three| self.dates.iter().any(|date| is_the_day(three, *date)))
        }
    }

    #[allow(clippy::float_cmp)] // Whole numbers; of half the precision the same rounding.
    fn is_known(&self, number: f64, is_single: bool) -> bool {
        if is_single {
            let mut all = self.known.iter().chain(&self.days);
            return all.any(|known| (*known as f32) == number as f32);
        }
        // Beyond 53 bits a number is compared as it is rounded.
        if number >= 9e15 {
            return self.known.iter().any(|known| *known as f64 == number);
        }
        self.known.contains(&(number as u64)) || self.days.contains(&(number as u64))
    }
}

#[allow(clippy::float_cmp)] // Whole numbers.
fn is_the_day(three: &[f64], date: NaiveDate) -> bool {
    let (year, month, day) = (f64::from(date.year()), f64::from(date.month()), f64::from(date.day()));
    [[year, month, day], [day, month, year], [month, day, year]].iter().any(|order| three == order)
}
