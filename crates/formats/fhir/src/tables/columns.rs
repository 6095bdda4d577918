//! Growing columns: values of a resource in, one record batch out.

use std::{str::FromStr, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringViewBuilder,
        TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use sutura_core::{PartialDateTime, Test};

use super::{path::elements, spec::Kind};
use crate::json::{Kind as JsonKind, Value};

/// Text bytes of a buffer of a column.
const BUFFER_BYTES: u32 = 1 << 20;
/// A batch with so much text is full, however few its rows.
const BATCH_BYTES: usize = 16 << 20;

#[derive(Debug)]
enum Builder {
    Text(StringViewBuilder),
    Number(Float64Builder),
    Integer(Int64Builder),
    Flag(BooleanBuilder),
    Instant(TimestampMicrosecondBuilder),
}

/// The columns of one requested table.
#[derive(Debug)]
pub(super) struct Columns {
    schema: SchemaRef,
    builders: Vec<Builder>,
    /// Joined text.
    scratch: String,
    rows: usize,
    bytes: usize,
    capacity: usize,
}

impl Columns {
    pub(super) fn new(schema: SchemaRef, capacity: usize) -> Self {
        let builders = schema
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Float64 => Builder::Number(Float64Builder::with_capacity(capacity)),
                DataType::Int64 => Builder::Integer(Int64Builder::with_capacity(capacity)),
                DataType::Boolean => Builder::Flag(BooleanBuilder::with_capacity(capacity)),
                DataType::Timestamp(_, _) => {
                    Builder::Instant(TimestampMicrosecondBuilder::with_capacity(capacity).with_data_type(field.data_type().clone()))
                }
                _ => Builder::Text(StringViewBuilder::with_capacity(capacity).with_fixed_block_size(BUFFER_BYTES)),
            })
            .collect();
        Self { schema, builders, scratch: String::new(), rows: 0, bytes: 0, capacity: capacity.max(1) }
    }

    /// How many columns.
    pub(super) fn width(&self) -> usize {
        self.builders.len()
    }

    /// Rows waiting in the batch that is not full yet.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn append_text(&mut self, column: usize, text: Option<&str>) {
        if let Some(Builder::Text(builder)) = self.builders.get_mut(column) {
            self.bytes += text.map_or(0, |text| if text.len() > 12 { text.len() } else { 0 });
            builder.append_option(text);
        }
    }

    pub(super) fn append_integer(&mut self, column: usize, value: Option<i64>) {
        if let Some(Builder::Integer(builder)) = self.builders.get_mut(column) {
            builder.append_option(value);
        }
    }

    /// Appends a value of the resource as the kind says; what does not fit the kind is null.
    pub(super) fn append(&mut self, column: usize, kind: Kind, value: Option<Value<'_>>) {
        if let Kind::All(between) = kind {
            let text = value.map(|value| self.join(value, between));
            let scratch = std::mem::take(&mut self.scratch);
            self.append_text(column, text.and_then(|()| (!scratch.is_empty()).then_some(scratch.as_str())));
            self.scratch = scratch;
            return;
        }
        if kind == Kind::Json {
            return self.append_text(column, value.map(|value| value.raw_text()));
        }
        let value = value.and_then(|value| elements(value).next());
        match self.builders.get_mut(column) {
            Some(Builder::Number(builder)) => builder.append_option(value.and_then(float)),
            Some(Builder::Integer(builder)) => builder.append_option(value.and_then(number)),
            Some(Builder::Flag(builder)) => builder.append_option(value.and_then(|value| value.as_bool())),
            Some(Builder::Instant(builder)) => builder.append_option(value.and_then(|value| instant(value.as_str()?))),
            Some(Builder::Text(_)) => self.append_text(column, value.and_then(|value| text_as(kind, value))),
            None => {}
        }
    }

    fn join(&mut self, value: Value<'_>, between: &str) {
        self.scratch.clear();
        for text in elements(value).filter_map(scalar) {
            if !self.scratch.is_empty() {
                self.scratch.push_str(between);
            }
            self.scratch.push_str(text);
        }
    }

    /// Ends a row. True when the batch is full: [`Columns::finish`] is due before the next row.
    pub(super) fn end_row(&mut self) -> bool {
        self.rows += 1;
        self.rows >= self.capacity || self.bytes >= BATCH_BYTES
    }

    /// The waiting rows as a batch; the columns are empty after it.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.bytes = 0;
        let arrays = self
            .builders
            .iter_mut()
            .map(|builder| -> ArrayRef {
                match builder {
                    Builder::Text(column) => Arc::new(column.finish()),
                    Builder::Number(column) => Arc::new(column.finish()),
                    Builder::Integer(column) => Arc::new(column.finish()),
                    Builder::Flag(column) => Arc::new(column.finish()),
                    Builder::Instant(column) => Arc::new(column.finish()),
                }
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}

/// Whether the cell that [`Columns::append`] makes of a value stays.
pub(super) fn stays(test: &Test, kind: Kind, value: Option<Value<'_>>) -> bool {
    let value = value.and_then(|value| elements(value).next());
    let decided = match kind {
        Kind::Number => value.and_then(float).map(|number| test.number(number)),
        Kind::Integer => value.and_then(number).map(|number| test.integer(number)),
        Kind::Flag => value.and_then(|value| value.as_bool()).map(|flag| test.flag(flag)),
        Kind::Text | Kind::ReferenceId | Kind::PatientReference => value.and_then(|value| text_as(kind, value)).map(|text| test.text(text)),
        // No condition on such a column gets here.
        Kind::All(_) | Kind::Json | Kind::Instant | Kind::Computed(_) => Some(true),
    };
    decided.unwrap_or_else(|| test.null())
}

/// The text of a value as its kind says.
fn text_as(kind: Kind, value: Value<'_>) -> Option<&str> {
    let text = scalar(value)?;
    match kind {
        Kind::ReferenceId => reference_id(text).map(|(_, id)| id),
        Kind::PatientReference => reference_id(text).filter(|(kind, _)| kind.is_none_or(|kind| kind == "Patient")).map(|(_, id)| id),
        _ => Some(text),
    }
}

/// The nearest 64-bit float; none where the number is out of their range.
fn float(value: Value<'_>) -> Option<f64> {
    number(value).filter(|number: &f64| number.is_finite())
}

fn number<N: FromStr>(value: Value<'_>) -> Option<N> {
    digits(value)?.parse().ok()
}

/// The text of a string, number or truth value, as sent.
fn scalar(value: Value<'_>) -> Option<&str> {
    match value.kind() {
        JsonKind::String => value.as_str(),
        JsonKind::Number | JsonKind::Bool => Some(value.raw_text()),
        _ => None,
    }
}

/// The digits of a number; FHIR never puts them in quotes, some senders do.
fn digits(value: Value<'_>) -> Option<&str> {
    value.as_number().or_else(|| value.as_str())
}

/// Microseconds since 1970 of a FHIR dateTime or instant that states its offset.
fn instant(text: &str) -> Option<i64> {
    if text.len() <= 10 {
        return None;
    }
    PartialDateTime::parse_iso(text)?.instant(None).map(|instant| instant.timestamp_micros())
}

/// The type and id of a reference: `Patient/1`, `http://server/fhir/Patient/1/_history/2`, `urn:uuid:...`.
fn reference_id(reference: &str) -> Option<(Option<&str>, &str)> {
    if reference.starts_with('#') || reference.contains('?') {
        return None;
    }
    if let Some(urn) = reference.strip_prefix("urn:") {
        let (_, id) = urn.split_once(':')?;
        return (!id.is_empty()).then_some((None, id));
    }
    let reference = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
    let mut parts = reference.rsplit('/');
    let id = parts.next().filter(|id| !id.is_empty())?;
    Some((parts.next().filter(|kind| !kind.is_empty()), id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_ends_in_its_id() {
        assert_eq!(reference_id("Patient/1"), Some((Some("Patient"), "1")));
        assert_eq!(reference_id("https://x/fhir/Patient/1/_history/2"), Some((Some("Patient"), "1")));
        assert_eq!(reference_id("urn:uuid:a-b"), Some((None, "a-b")));
        assert_eq!(reference_id("urn:oid:1.2"), Some((None, "1.2")));
        assert_eq!(reference_id("bare"), Some((None, "bare")));
        for none in ["#p1", "Practitioner?identifier=x|1", "", "Patient/", "urn:uuid:", "urn:x"] {
            assert_eq!(reference_id(none), None, "{none}");
        }
    }

    #[test]
    fn an_instant_needs_an_offset() {
        assert_eq!(instant("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(instant("1970-01-01T01:00:00.000001+01:00"), Some(1));
        for none in ["1970-01-01", "1970-01-01T00:00:00", "x", "1970-01-01T25:00:00Z"] {
            assert_eq!(instant(none), None, "{none}");
        }
    }
}
