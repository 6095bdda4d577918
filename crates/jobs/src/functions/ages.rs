//! Ages in completed years, and their groups. A date of less precision than a day gives an age only where it is sure.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, Int64Builder, StringViewBuilder};
use sutura_core::{PartialDateTime, Precision};

use super::as_text;
use crate::model::AgeBands;

/// Oldest age that is taken for an age and not for a wrong date.
const OLDEST: u32 = 130;

/// Completed years from `birth` to `at` (a column), or to a fixed date.
pub fn ages(birth: &ArrayRef, at: Option<&ArrayRef>, on: Option<PartialDateTime>) -> Result<ArrayRef, String> {
    let birth = as_text(birth)?;
    let at = at.map(as_text).transpose()?;
    let mut builder = Int64Builder::with_capacity(birth.len());
    for (row, value) in birth.iter().enumerate() {
        let later = match &at {
            Some(at) => (!at.is_null(row)).then(|| at.value(row)).and_then(PartialDateTime::parse_iso),
            None => on,
        };
        let age = value.and_then(PartialDateTime::parse_iso).zip(later).and_then(|(born, later)| age(&born, &later));
        builder.append_option(age.map(i64::from));
    }
    Ok(Arc::new(builder.finish()))
}

fn age(born: &PartialDateTime, later: &PartialDateTime) -> Option<u32> {
    if born.precision() < Precision::Day || later.precision() < Precision::Day {
        return None;
    }
    born.years_until(later).filter(|age| *age <= OLDEST)
}

/// The group of each age.
pub fn groups(ages: &ArrayRef, bands: AgeBands) -> Result<ArrayRef, String> {
    let ages = ages.as_any().downcast_ref::<Int64Array>().ok_or("ages are not whole numbers")?;
    let mut builder = StringViewBuilder::with_capacity(ages.len());
    for age in ages {
        builder.append_option(age.map(|age| group(age, bands)));
    }
    Ok(Arc::new(builder.finish()))
}

/// The group of one age.
pub fn group(age: i64, bands: AgeBands) -> &'static str {
    const TENS: [&str; 10] = ["0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+"];
    match bands {
        AgeBands::Clinical if age < 18 => "paediatric",
        AgeBands::Clinical if age < 65 => "adult",
        AgeBands::Clinical => "geriatric",
        AgeBands::TenYear => TENS[usize::try_from(age / 10).unwrap_or(0).min(9)],
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{text, values},
        *,
    };

    #[test]
    fn ages_are_completed_years() {
        let birth = text(&[Some("2000-02-29"), Some("2000-02-29"), Some("1930"), Some("2030-01-01"), None, Some("1936-05-01T10:00")]);
        let at = text(&[
            Some("2018-02-28"),
            Some("2018-03-01T09:00-05:00"),
            Some("2018-01-01"),
            Some("2018-01-01"),
            Some("2018-01-01"),
            Some("2026-05-01"),
        ]);
        let found = ages(&birth, Some(&at), None).unwrap();
        let numbers: Vec<Option<i64>> = found.as_any().downcast_ref::<Int64Array>().unwrap().iter().collect();
        assert_eq!(numbers, [Some(17), Some(18), None, None, None, Some(90)]);
        let names = |bands| values(&groups(&found, bands).unwrap());
        assert_eq!(names(AgeBands::Clinical)[..2], [Some("paediatric".into()), Some("adult".into())]);
        assert_eq!(names(AgeBands::TenYear)[5].as_deref(), Some("90+"));
        let fixed = ages(&birth, None, PartialDateTime::parse_iso("2010-03-01")).unwrap();
        assert_eq!(fixed.as_any().downcast_ref::<Int64Array>().unwrap().value(0), 10);
    }
}
