//! Growing columns: cells in, one record batch out.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryViewBuilder, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions,
        TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};

use super::text::TextColumn;
use crate::{element::Element, tag::Tag};

/// A batch with so much text is full, however few its rows.
const BATCH_BYTES: usize = 16 << 20;
/// Rows that builders make room for at once, unless one is expected.
const FIRST_ROWS: usize = 256;
/// Longest text of a value that is shown; more is in the file.
const MOST_TEXT: usize = 64 << 10;

/// What a column of a row holds.
pub(super) enum Cell<'d> {
    Text(Option<Cow<'d, str>>),
    Bytes(Option<&'d [u8]>),
    /// A word of the dictionary or of the program.
    Word(Option<&'static str>),
    /// The value of an element as text.
    Value(Option<&'d Element<'d>>),
    Tag(Option<Tag>),
    Integer(Option<i64>),
    Number(Option<f64>),
    Flag(Option<bool>),
    /// Microseconds since 1970, UTC.
    Instant(Option<i64>),
    /// Nothing, of any type.
    None,
}

#[derive(Debug)]
enum Builder {
    Text(TextColumn),
    Bytes(BinaryViewBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
    Instant(TimestampMicrosecondBuilder),
}

/// The columns of one requested table.
#[derive(Debug)]
pub(super) struct Columns {
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
    capacity: usize,
    /// Where numbers are written out.
    scratch: String,
}

impl Columns {
    /// `is_one`: whether one row is expected, so that room for more would be wasted.
    pub(super) fn new(schema: SchemaRef, capacity: usize, is_one: bool) -> Self {
        let room = if is_one { 1 } else { capacity.min(FIRST_ROWS) };
        let builders = schema
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Float64 => Builder::Number(Float64Builder::with_capacity(room)),
                DataType::Int64 => Builder::Integer(Int64Builder::with_capacity(room)),
                DataType::Boolean => Builder::Flag(BooleanBuilder::with_capacity(room)),
                DataType::Timestamp(_, _) => {
                    Builder::Instant(TimestampMicrosecondBuilder::with_capacity(room).with_data_type(field.data_type().clone()))
                }
                DataType::BinaryView => Builder::Bytes(BinaryViewBuilder::with_capacity(room)),
                _ => Builder::Text(TextColumn::with_capacity(room)),
            })
            .collect();
        Self { schema, builders, rows: 0, bytes: 0, capacity: capacity.max(1), scratch: String::new() }
    }

    /// Rows waiting in the batch that is not full yet.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a cell; one of another type than the column's is null.
    #[inline]
    pub(super) fn append(&mut self, column: usize, cell: Cell<'_>) {
        match (self.builders.get_mut(column), cell) {
            (Some(Builder::Text(builder)), Cell::Text(Some(text))) => self.bytes += builder.append(&text),
            (Some(Builder::Text(builder)), Cell::Word(Some(word))) => self.bytes += builder.append_word(word),
            (Some(Builder::Text(builder)), Cell::Value(Some(element))) => {
                match element.text_in(&mut self.scratch).filter(|text| !text.is_empty() && text.len() <= MOST_TEXT) {
                    Some(text) => self.bytes += builder.append(&text),
                    None => builder.append_null(),
                }
            }
            (Some(Builder::Bytes(builder)), Cell::Bytes(Some(bytes))) => {
                self.bytes += bytes.len();
                builder.append_value(bytes);
            }
            (Some(Builder::Text(builder)), Cell::Tag(Some(tag))) => builder.append_tag(tag),
            (Some(Builder::Integer(builder)), Cell::Integer(value)) => builder.append_option(value),
            (Some(Builder::Number(builder)), Cell::Number(value)) => builder.append_option(value),
            (Some(Builder::Flag(builder)), Cell::Flag(value)) => builder.append_option(value),
            (Some(Builder::Instant(builder)), Cell::Instant(value)) => builder.append_option(value),
            (Some(Builder::Text(builder)), _) => builder.append_null(),
            (Some(Builder::Bytes(builder)), _) => builder.append_null(),
            (Some(Builder::Integer(builder)), _) => builder.append_null(),
            (Some(Builder::Number(builder)), _) => builder.append_null(),
            (Some(Builder::Flag(builder)), _) => builder.append_null(),
            (Some(Builder::Instant(builder)), _) => builder.append_null(),
            (None, _) => {}
        }
    }

    /// Appends a cell in some rows at once; one of another type than the column's is null.
    pub(super) fn append_rows(&mut self, column: usize, cell: &Cell<'_>, rows: usize) {
        match (self.builders.get_mut(column), cell) {
            (Some(Builder::Text(builder)), Cell::Text(Some(text))) => self.bytes += builder.append_rows(Some(text), rows),
            (Some(Builder::Integer(builder)), Cell::Integer(Some(value))) => builder.append_value_n(*value, rows),
            (Some(Builder::Number(builder)), Cell::Number(Some(value))) => builder.append_value_n(*value, rows),
            (Some(Builder::Flag(builder)), Cell::Flag(Some(value))) => builder.append_n(rows, *value),
            (Some(Builder::Instant(builder)), Cell::Instant(Some(value))) => builder.append_value_n(*value, rows),
            (Some(Builder::Text(builder)), _) => {
                builder.append_rows(None, rows);
            }
            (Some(Builder::Bytes(builder)), Cell::Bytes(Some(bytes))) => (0..rows).for_each(|_| builder.append_value(bytes)),
            (Some(Builder::Bytes(builder)), _) => (0..rows).for_each(|_| builder.append_null()),
            (Some(Builder::Integer(builder)), _) => builder.append_nulls(rows),
            (Some(Builder::Number(builder)), _) => builder.append_nulls(rows),
            (Some(Builder::Flag(builder)), _) => builder.append_nulls(rows),
            (Some(Builder::Instant(builder)), _) => builder.append_nulls(rows),
            (None, _) => {}
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
                    Builder::Bytes(column) => Arc::new(column.finish()),
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
