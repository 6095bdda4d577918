//! Growing columns: cells in, one record batch out.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringViewBuilder,
        TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};

/// One value on its way into a column. Text points into the message or into the scratch buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    Null,
    /// Bytes `from..to` of the message text.
    Text(u32, u32),
    /// Bytes `from..to` of the scratch buffer.
    Scratch(u32, u32),
    /// A word that is always the same.
    Static(&'static str),
    Number(f64),
    Integer(i64),
    Flag(bool),
}

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
pub(crate) struct Columns {
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
}

impl Columns {
    /// Columns for a schema that only holds the types of [`super::spec`].
    pub(crate) fn new(schema: SchemaRef, capacity: usize) -> Self {
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
                _ => Builder::Text(StringViewBuilder::with_capacity(capacity)),
            })
            .collect();
        Self { schema, builders, rows: 0 }
    }

    /// Rows waiting.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row: one cell a column.
    pub(crate) fn append(&mut self, cells: &[Cell], text: &str, scratch: &str) {
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            match (builder, *cell) {
                (Builder::Text(column), Cell::Text(from, to)) => column.append_option(text.get(from as usize..to as usize)),
                (Builder::Text(column), Cell::Scratch(from, to)) => column.append_option(scratch.get(from as usize..to as usize)),
                (Builder::Text(column), Cell::Static(word)) => column.append_value(word),
                (Builder::Text(column), _) => column.append_null(),
                (Builder::Number(column), Cell::Number(value)) => column.append_value(value),
                (Builder::Number(column), _) => column.append_null(),
                (Builder::Integer(column), Cell::Integer(value)) => column.append_value(value),
                (Builder::Integer(column), _) => column.append_null(),
                (Builder::Flag(column), Cell::Flag(value)) => column.append_value(value),
                (Builder::Flag(column), _) => column.append_null(),
                (Builder::Instant(column), Cell::Integer(micros)) => column.append_value(micros),
                (Builder::Instant(column), _) => column.append_null(),
            }
        }
        self.rows += 1;
    }

    /// The waiting rows as a batch; the columns are empty after it.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
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
