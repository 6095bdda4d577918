//! The single-value forms of the methods, as SQL offers them. The keyed ones (pseudonym, shift_date,
//! encrypt, decrypt, vault_code) are methods of [`PrivacyContext`](crate::PrivacyContext).

pub use crate::{
    ages::{age_band, parse_age, top_coded},
    dates::{YearOrOlder, age_on, shift_iso, year_of_iso, year_shown},
    places::{NO_ZIP3, zip3},
    transform::MASKED,
};

use crate::method::AgeScheme;

/// `***` for any value.
pub fn mask(_value: &str) -> &'static str {
    MASKED
}

/// The year that may be shown of a date in ISO text: `1980`, or `1936-or-earlier` (see [`year_of_iso`]).
pub fn year(date: &str, reference_year: i32) -> Option<String> {
    year_of_iso(date, reference_year)
}

/// The group of an age given as text, by the scheme's word (`life-stage`, `ten-year`, `top-code`).
/// `None` when either is not valid.
pub fn age_band_of_text(age: &str, scheme: &str) -> Option<&'static str> {
    age_band(parse_age(age)?, AgeScheme::from_word(scheme)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_values() {
        assert_eq!(mask("x"), "***");
        assert_eq!(year("1980-05-17T08", 2026).unwrap(), "1980");
        assert_eq!(age_band_of_text("17", "life-stage"), Some("paediatric"));
        assert_eq!(age_band_of_text("17", "decades"), None);
        assert_eq!(zip3("02139-1234"), "021");
    }
}
