//! Values to named categories: bounds for numbers, lists for text.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, Float64Array, StringViewBuilder},
    compute::cast,
    datatypes::DataType,
};

use super::as_text;

/// The category of each number: `labels[i]` where `i` bounds are at or below it. Text that is no number counts as null.
pub fn by_bounds(column: &ArrayRef, bounds: &[f64], labels: &[String], other: Option<&str>) -> Result<ArrayRef, String> {
    let numbers = cast(column, &DataType::Float64).map_err(|_| format!("a column of type {} has no numbers", column.data_type()))?;
    let numbers = numbers.as_any().downcast_ref::<Float64Array>().ok_or("casting to numbers gave another type")?;
    let mut builder = StringViewBuilder::with_capacity(numbers.len());
    for number in numbers {
        let label = number.filter(|number| !number.is_nan()).map(|number| bounds.partition_point(|bound| *bound <= number));
        builder.append_option(label.and_then(|index| labels.get(index)).map(String::as_str).or(other));
    }
    Ok(Arc::new(builder.finish()))
}

/// The category of each text. `lists` maps a value to its category.
pub(crate) fn by_lists(column: &ArrayRef, lists: &HashMap<String, String>, other: Option<&str>) -> Result<ArrayRef, String> {
    let text = as_text(column)?;
    let mut builder = StringViewBuilder::with_capacity(text.len());
    for value in &text {
        builder.append_option(value.and_then(|value| lists.get(value)).map(String::as_str).or(other));
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{text, values},
        *,
    };

    #[test]
    fn numbers_fall_between_bounds() {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![Some(3.4), Some(3.5), Some(5.1), None, Some(f64::NAN)]));
        let labels = ["low", "normal", "high"].map(str::to_owned);
        let found = values(&by_bounds(&column, &[3.5, 5.1], &labels, Some("unknown")).unwrap());
        let words: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
        assert_eq!(words, ["low", "normal", "high", "unknown", "unknown"]);
    }

    #[test]
    fn text_falls_into_lists() {
        let lists = HashMap::from([("I".to_owned(), "inpatient".to_owned()), ("E".to_owned(), "emergency".to_owned())]);
        let found = values(&by_lists(&text(&[Some("I"), Some("X"), None]), &lists, None).unwrap());
        assert_eq!(found, [Some("inpatient".into()), None, None]);
    }
}
