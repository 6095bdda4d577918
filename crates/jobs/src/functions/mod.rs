//! What steps do to columns: pure functions over Arrow arrays, without files, plans or state.

pub mod ages;
pub mod categories;
pub mod codes;
pub mod dates;
pub mod mapping;
pub mod text;

use arrow::{
    array::{Array, ArrayRef, StringViewArray, StringViewBuilder},
    compute::cast,
    datatypes::DataType,
};
use std::sync::Arc;

/// The column as text; an error names the type only.
pub(crate) fn as_text(column: &ArrayRef) -> Result<StringViewArray, String> {
    let text = cast(column, &DataType::Utf8View).map_err(|_| format!("a column of type {} cannot be read as text", column.data_type()))?;
    text.as_any().downcast_ref::<StringViewArray>().cloned().ok_or_else(|| "casting to text gave another type".to_owned())
}

/// Applies a function to every value; null stays null. The function writes into the buffer and says whether there is a result.
pub(crate) fn map_text(column: &ArrayRef, mut function: impl FnMut(&str, &mut String) -> bool) -> Result<ArrayRef, String> {
    let text = as_text(column)?;
    let mut builder = StringViewBuilder::with_capacity(text.len());
    let mut buffer = String::new();
    for value in &text {
        buffer.clear();
        match value {
            Some(value) if function(value, &mut buffer) => builder.append_value(&buffer),
            _ => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A text column.
    pub(crate) fn text(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<StringViewArray>())
    }

    /// A text column's values.
    pub(crate) fn values(column: &ArrayRef) -> Vec<Option<String>> {
        as_text(column).unwrap().iter().map(|value| value.map(str::to_owned)).collect()
    }

    /// Applies a text function to one value.
    pub(crate) fn one(value: &str, function: impl Fn(&ArrayRef) -> Result<ArrayRef, String>) -> Option<String> {
        values(&function(&text(&[Some(value)])).unwrap()).remove(0)
    }
}
