//! Arguments of SQL functions as text, whatever their type; and results that are made once for each
//! distinct value of a batch.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    common::{Result, ScalarValue},
    logical_expr::ColumnarValue,
};

/// Text by row: an array, or one value for all rows.
pub(super) enum TextArg {
    Array(StringViewArray),
    Scalar(Option<String>),
}

impl TextArg {
    /// Text, numbers, dates, timestamps and flags (null of any type too).
    pub(super) fn of(value: &ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Array(array) => Ok(TextArg::Array(as_text(array)?)),
            ColumnarValue::Scalar(scalar) => {
                let text = as_text(&scalar.to_array()?)?;
                Ok(TextArg::Scalar(text.is_valid(0).then(|| text.value(0).to_owned())))
            }
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<&str> {
        match self {
            TextArg::Array(array) => array.is_valid(row).then(|| array.value(row)),
            TextArg::Scalar(value) => value.as_deref(),
        }
    }
}

/// Any array of text, number, date or flag as text.
pub(crate) fn as_text(array: &ArrayRef) -> Result<StringViewArray> {
    // A dictionary of text has no direct way to views.
    let array = match array.data_type() {
        DataType::Dictionary(_, value) => &cast(array, value)?,
        _ => array,
    };
    if let Some(text) = array.as_string_view_opt() {
        return Ok(text.clone());
    }
    Ok(cast(array, &DataType::Utf8View)?.as_string_view().clone())
}

/// An array of results for a column, one result for all rows for a scalar.
pub(super) fn result(array: ArrayRef, scalar: bool) -> Result<ColumnarValue> {
    if scalar && array.len() == 1 {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
    }
    Ok(ColumnarValue::Array(array))
}

/// Text made row by row, by writing into a reused buffer; `false` gives null.
pub(super) fn text_rows(rows: usize, mut make: impl FnMut(usize, &mut String) -> Result<bool>) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(rows);
    let mut buffer = String::new();
    for row in 0..rows {
        buffer.clear();
        if make(row, &mut buffer)? {
            builder.append_value(&buffer);
        } else {
            builder.append_null();
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Rows looked at to tell whether a column repeats itself.
const PROBED_ROWS: usize = 256;

/// Text made once for each distinct value of the rows. `make` gets all of them in order of appearance.
pub(super) fn text_distinct(values: &TextArg, rows: usize, make: impl FnOnce(&[&str]) -> Result<Vec<Option<String>>>) -> Result<ArrayRef> {
    let mut distinct: Vec<&str> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    let positions: Vec<Option<usize>> = (0..rows)
        .map(|row| {
            values.get(row).map(|value| {
                *known.entry(value).or_insert_with(|| {
                    distinct.push(value);
                    distinct.len() - 1
                })
            })
        })
        .collect();
    let made = make(&distinct)?;
    let rows = positions.into_iter().map(|position| position.and_then(|at| made.get(at)).and_then(Option::as_deref));
    Ok(Arc::new(rows.collect::<StringViewArray>()))
}

/// As [`text_distinct`], for results that depend on the value alone: where the first rows are all different (identities, free
/// text) each row is made for itself, because looking every value up would cost more than it saves.
pub(super) fn text_derived(values: &TextArg, rows: usize, make: impl Fn(&str) -> Result<Option<String>>) -> Result<ArrayRef> {
    if !seldom_repeats(values, rows) {
        return text_distinct(values, rows, |distinct| distinct.iter().map(|value| make(value)).collect());
    }
    let mut builder = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        builder.append_option(values.get(row).map(&make).transpose()?.flatten());
    }
    Ok(Arc::new(builder.finish()))
}

fn seldom_repeats(values: &TextArg, rows: usize) -> bool {
    let mut seen = HashSet::new();
    rows >= PROBED_ROWS
        && (0..PROBED_ROWS).filter_map(|row| values.get(row)).all(|value| seen.insert(value))
        && seen.len() > PROBED_ROWS / 2
}
