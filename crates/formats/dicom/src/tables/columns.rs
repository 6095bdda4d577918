//! Growing columns: cells in, one record batch out.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringViewBuilder,
        TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};

/// A batch with so much text is full, however few its rows.
const BATCH_BYTES: usize = 16 << 20;
/// Rows that builders make room for at once, and bytes of a block of long texts, where a table has one row for each file and one file is read.
const ONE: (usize, u32) = (1, 64);
/// Rows that builders make room for at once elsewhere.
const FIRST_ROWS: usize = 256;

/// What a column of a row holds.
pub(super) enum Cell<'d> {
    Text(Option<Cow<'d, str>>),
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
    Text(StringViewBuilder),
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
}

impl Columns {
    /// `is_one`: whether one row is expected, so that room for more would be wasted.
    pub(super) fn new(schema: SchemaRef, capacity: usize, is_one: bool) -> Self {
        let room = if is_one { ONE.0 } else { capacity.min(FIRST_ROWS) };
        let text = || {
            let builder = StringViewBuilder::with_capacity(room);
            if is_one { builder.with_fixed_block_size(ONE.1) } else { builder }
        };
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
                _ => Builder::Text(text()),
            })
            .collect();
        Self { schema, builders, rows: 0, bytes: 0, capacity: capacity.max(1) }
    }

    /// Rows waiting in the batch that is not full yet.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a cell; one of another type than the column's is null.
    pub(super) fn append(&mut self, column: usize, cell: Cell<'_>) {
        match (self.builders.get_mut(column), cell) {
            (Some(Builder::Text(builder)), Cell::Text(text)) => {
                self.bytes += text.as_ref().map_or(0, |text| if text.len() > 12 { text.len() } else { 0 });
                builder.append_option(text);
            }
            (Some(Builder::Integer(builder)), Cell::Integer(value)) => builder.append_option(value),
            (Some(Builder::Number(builder)), Cell::Number(value)) => builder.append_option(value),
            (Some(Builder::Flag(builder)), Cell::Flag(value)) => builder.append_option(value),
            (Some(Builder::Instant(builder)), Cell::Instant(value)) => builder.append_option(value),
            (Some(Builder::Text(builder)), _) => builder.append_null(),
            (Some(Builder::Integer(builder)), _) => builder.append_null(),
            (Some(Builder::Number(builder)), _) => builder.append_null(),
            (Some(Builder::Flag(builder)), _) => builder.append_null(),
            (Some(Builder::Instant(builder)), _) => builder.append_null(),
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
