//! The methods as SQL functions: on single values, and on whole columns ([`apply`], [`decrypt`]).
//!
//! The keyed ones (pseudonym, shift_date, encrypt, decrypt, vault_code) on single values are methods of
//! [`PrivacyContext`].

pub use crate::{
    ages::{age_band, parse_age, top_coded},
    dates::{YearOrOlder, age_on, shift_iso, year_of_iso, year_shown},
    places::{NO_ZIP3, zip3},
    transform::MASKED,
};

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StringViewArray},
    datatypes::DataType,
};
use chrono::NaiveDate;

use crate::{
    context::PrivacyContext,
    error::PrivacyError,
    method::{AgeScheme, Method},
    transform::{Surroundings, Treatment, as_text, output_type},
};

/// What [`apply`] makes of values of a type; `None` when the method cannot treat it.
pub fn return_type(method: &Method, values: &DataType) -> Option<DataType> {
    if *method == Method::Drop { None } else { output_type(method, values) }
}

/// A method on a whole column, outside of any policy.
///
/// `name` is the kind for pseudonym and vault-code (unless the method names one) and the column for
/// encrypt; other methods do not use it. `patients` are the patients of the rows, for shift-date. Ages
/// and shown years are counted at `reference`. Methods without a key need no `context`.
pub fn apply(
    method: &Method,
    name: &str,
    values: &ArrayRef,
    patients: Option<&ArrayRef>,
    reference: NaiveDate,
    context: Option<&PrivacyContext>,
) -> Result<ArrayRef, PrivacyError> {
    if return_type(method, values.data_type()).is_none() {
        return Err(PrivacyError::Operation { operation: method.word(), reason: "it cannot treat values of this type" });
    }
    let patients = patients.map(|patients| as_text(patients)).transpose()?;
    let around = Surroundings { context, reference, patients: patients.as_ref(), known: &[] };
    Ok(Treatment::of(method, name, name).apply(values, &around)?.0)
}

/// Decrypts a column that [`Method::Encrypt`] made under the name `column`. Fails on the first value that does not decrypt.
pub fn decrypt(column: &str, values: &ArrayRef, context: &PrivacyContext) -> Result<ArrayRef, PrivacyError> {
    let text = as_text(values)?;
    let plain = text.iter().map(|value| value.map(|value| context.decrypt(column, value)).transpose());
    Ok(Arc::new(plain.collect::<Result<StringViewArray, _>>()?))
}

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

    #[test]
    fn whole_columns() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 14).unwrap();
        let column = |values: &[&str]| Arc::new(StringViewArray::from(values.to_vec())) as ArrayRef;
        let method = |word: &str| Method::from_word(word).unwrap();
        let ages = column(&["47", "1980-03-15", "1980", "1900", "-1"]);
        let shown = apply(&Method::AgeBand { scheme: AgeScheme::TopCode }, "", &ages, None, day, None).unwrap();
        assert_eq!(shown.as_ref(), &StringViewArray::from(vec![Some("47"), Some("45"), Some("46"), Some("90+"), None]));
        let ids = column(&["1", "2"]);
        assert!(apply(&method("pseudonym"), "mrn", &ids, None, day, None).unwrap_err().to_string().contains("key"));
        let context = PrivacyContext::new(&crate::KeyRing::generate().unwrap(), crate::Scope::new("p", ""), None).unwrap();
        let sealed = apply(&method("encrypt"), "mrn", &ids, None, day, Some(&context)).unwrap();
        assert_eq!(&decrypt("mrn", &sealed, &context).unwrap(), &ids);
        assert!(decrypt("ssn", &sealed, &context).is_err());
        let made = apply(&method("pseudonym"), "mrn", &ids, None, day, Some(&context)).unwrap();
        assert_eq!(arrow::array::AsArray::as_string_view(&made).value(0), context.pseudonym("mrn", "1").unwrap());
        let flags: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true]));
        assert!(apply(&method("year"), "", &flags, None, day, None).is_err());
    }
}
