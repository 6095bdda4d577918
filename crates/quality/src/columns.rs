//! The columns of a batch in the forms that checks read: text, numbers, times. Each column is brought
//! into a form once per batch, however many checks look at it.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringViewArray},
    buffer::NullBuffer,
    compute::{can_cast_types, cast},
    datatypes::{DataType, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
};
use chrono::DateTime;
use sutura_core::{PartialDateTime, Precision};

use crate::format::parse_number;

/// How a check reads a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Only whether there is a value; of any type.
    Presence,
    Text,
    Number,
    Moment,
}

/// A column in a form; its position in the list of a plan is the checks' handle to it.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) column: usize,
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) form: Form,
}

/// The slots a plan needs, each once.
#[derive(Debug, Default)]
pub(crate) struct Slots(Vec<Slot>);

impl Slots {
    /// The handle of a column in a form; an error says why the column cannot be read so.
    pub(crate) fn add(&mut self, schema: &Schema, name: &str, form: Form) -> Result<usize, String> {
        let Some((column, field)) = schema.column_with_name(name) else {
            return Err(format!("the table has no column {name}; name one of its columns or drop the check"));
        };
        let data_type = field.data_type();
        let textual = can_cast_types(data_type, &DataType::Utf8View) && !data_type.is_nested() && !is_binary(data_type);
        // Blank text counts as missing, so presence needs the text where there is text.
        let form = if form == Form::Presence && is_text(data_type) { Form::Text } else { form };
        let readable = match form {
            Form::Presence => true,
            Form::Text => textual,
            Form::Number => data_type.is_numeric() || is_text(data_type),
            Form::Moment => is_text(data_type) || matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64),
        };
        if !readable {
            let word = match form {
                Form::Presence | Form::Text => "text",
                Form::Number => "a number",
                Form::Moment => "a date or time",
            };
            return Err(format!("column {name} has type {data_type} and cannot be read as {word}"));
        }
        if let Some(at) = self.0.iter().position(|slot| slot.column == column && slot.form == form) {
            return Ok(at);
        }
        self.0.push(Slot { column, name: name.to_owned(), data_type: data_type.clone(), form });
        Ok(self.0.len() - 1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter()
    }

    /// Brings the columns of a batch into their forms.
    pub(crate) fn read(&self, batch: &RecordBatch) -> Result<Columns, ArrowError> {
        self.0.iter().map(|slot| read_slot(batch.column(slot.column), slot.form)).collect::<Result<Vec<_>, _>>().map(Columns)
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_binary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => true,
        DataType::Dictionary(_, values) => is_binary(values),
        _ => false,
    }
}

enum Values {
    Presence(Option<NullBuffer>),
    Text(StringViewArray),
    Numbers(Float64Array),
    /// Numbers of a text column: missing, no number, or the number.
    ParsedNumbers(Vec<Cell<f64>>),
    Moments(Vec<Cell<PartialDateTime>>),
}

/// A value as a check sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<T> {
    /// Null or blank.
    Missing,
    /// There is text, but it cannot be read in the wanted form.
    Unreadable,
    /// The value.
    Value(T),
}

/// The columns of one batch, by slot.
pub(crate) struct Columns(Vec<Values>);

impl Columns {
    /// Whether a row has a value.
    pub(crate) fn is_present(&self, slot: usize, row: usize, empty_is_missing: bool) -> bool {
        match &self.0[slot] {
            Values::Presence(nulls) => nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)),
            _ => self.text(slot, row, empty_is_missing).is_some(),
        }
    }

    /// The text of a row; `None` when null, or blank and `empty_is_missing`.
    pub(crate) fn text(&self, slot: usize, row: usize, empty_is_missing: bool) -> Option<&str> {
        let Values::Text(array) = &self.0[slot] else { return None };
        if array.is_null(row) {
            return None;
        }
        let text = array.value(row);
        (!empty_is_missing || !is_blank(text)).then_some(text)
    }

    /// The number of a row.
    pub(crate) fn number(&self, slot: usize, row: usize) -> Cell<f64> {
        match &self.0[slot] {
            Values::Numbers(array) if array.is_null(row) => Cell::Missing,
            // NaN is no measured number; it has no place in a range.
            Values::Numbers(array) if array.value(row).is_nan() => Cell::Unreadable,
            Values::Numbers(array) => Cell::Value(array.value(row)),
            Values::ParsedNumbers(cells) => cells[row],
            _ => Cell::Missing,
        }
    }

    /// The date or time of a row.
    pub(crate) fn moment(&self, slot: usize, row: usize) -> Cell<PartialDateTime> {
        match &self.0[slot] {
            Values::Moments(cells) => cells[row],
            _ => Cell::Missing,
        }
    }
}

/// Empty, or nothing but white space.
pub(crate) fn is_blank(text: &str) -> bool {
    text.is_empty() || text.as_bytes()[0] <= b' ' && text.trim().is_empty() || !text.is_ascii() && text.trim().is_empty()
}

/// A column as text; the array itself when it is text already.
pub(crate) fn as_text(array: &ArrayRef) -> Result<StringViewArray, ArrowError> {
    if let Some(views) = array.as_string_view_opt() {
        return Ok(views.clone());
    }
    // An instant is written in UTC; Arrow would want a table of zones to write it in its own.
    if let DataType::Timestamp(_, Some(zone)) = array.data_type() {
        let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone))))?;
        let local: ArrayRef = Arc::new(micros.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>));
        return Ok(cast(&local, &DataType::Utf8View)?.as_string_view().clone());
    }
    Ok(cast(array, &DataType::Utf8View)?.as_string_view().clone())
}

fn read_slot(array: &ArrayRef, form: Form) -> Result<Values, ArrowError> {
    match form {
        Form::Presence => Ok(Values::Presence(array.logical_nulls())),
        Form::Text => Ok(Values::Text(as_text(array)?)),
        Form::Number if is_text(array.data_type()) => {
            let number = |text: &str| parse_number(text).map_or(Cell::Unreadable, Cell::Value);
            Ok(Values::ParsedNumbers(cells(&as_text(array)?, number)))
        }
        Form::Number => Ok(Values::Numbers(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())),
        Form::Moment if is_text(array.data_type()) => {
            let moment = |text: &str| PartialDateTime::parse_iso(text.trim()).map_or(Cell::Unreadable, Cell::Value);
            Ok(Values::Moments(cells(&as_text(array)?, moment)))
        }
        Form::Moment => Ok(Values::Moments(moments(array)?)),
    }
}

fn cells<T>(texts: &StringViewArray, read: impl Fn(&str) -> Cell<T>) -> Vec<Cell<T>> {
    texts
        .iter()
        .map(|text| match text {
            Some(text) if !is_blank(text) => read(text),
            _ => Cell::Missing,
        })
        .collect()
}

/// Timestamps with a zone are instants (offset 0); without one they are local. Dates are whole days.
fn moments(array: &ArrayRef) -> Result<Vec<Cell<PartialDateTime>>, ArrowError> {
    let (precision, offset) = match array.data_type() {
        DataType::Timestamp(_, zone) => (Precision::Fraction(6), zone.as_ref().map(|_| 0i16)),
        _ => (Precision::Day, None),
    };
    let zone = match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
    let moment = |micros: i64| {
        DateTime::from_timestamp_micros(micros).and_then(|instant| PartialDateTime::new(instant.naive_utc(), precision, offset))
    };
    Ok(micros
        .as_primitive::<TimestampMicrosecondType>()
        .iter()
        .map(|micros| match micros {
            None => Cell::Missing,
            Some(micros) => moment(micros).map_or(Cell::Unreadable, Cell::Value),
        })
        .collect())
}

/// An `Int64` column, or nothing.
pub(crate) fn as_integers(array: &ArrayRef) -> Option<arrow::array::Int64Array> {
    array.as_primitive_opt::<Int64Type>().cloned()
}
