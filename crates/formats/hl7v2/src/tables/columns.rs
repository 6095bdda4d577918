//! Growing columns: cells in, one record batch out.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, NullBufferBuilder, RecordBatch, RecordBatchOptions, StringViewArray,
        TimestampMicrosecondBuilder, make_view,
    },
    buffer::{Buffer, ScalarBuffer},
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

/// A text column. A value that stands in the row before too (the message's id in every one of its
/// rows) is stored once.
#[derive(Debug)]
struct TextColumn {
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    full: Vec<Buffer>,
    data: Vec<u8>,
    last: (Cell, u128),
}

/// Text bytes a buffer of a column holds before the next one is begun.
const BUFFER_BYTES: usize = 1 << 20;
/// A batch with so much text in completed buffers is full, however few its rows: ten thousand scanned documents must not wait for one another.
const BATCH_BYTES: usize = 16 << 20;

impl TextColumn {
    fn new(capacity: usize) -> Self {
        Self {
            views: Vec::with_capacity(capacity),
            nulls: NullBufferBuilder::new(capacity),
            full: Vec::new(),
            data: Vec::new(),
            last: (Cell::Null, 0),
        }
    }

    /// Adds a value; says how many bytes of text that completed.
    fn append(&mut self, cell: Cell, text: &str, scratch: &str) -> usize {
        let value = match cell {
            _ if cell == self.last.0 && cell != Cell::Null => {
                self.views.push(self.last.1);
                self.nulls.append_non_null();
                return 0;
            }
            Cell::Text(from, to) => text.get(from as usize..to as usize),
            Cell::Scratch(from, to) => scratch.get(from as usize..to as usize),
            Cell::Static(word) => Some(word),
            _ => None,
        };
        let Some(value) = value else {
            self.views.push(0);
            self.nulls.append_null();
            return 0;
        };
        let (view, completed) = self.store(value.as_bytes());
        self.views.push(view);
        self.nulls.append_non_null();
        self.last = (cell, view);
        completed
    }

    fn store(&mut self, value: &[u8]) -> (u128, usize) {
        if value.len() <= 12 {
            return (make_view(value, 0, 0), 0);
        }
        let mut completed = 0;
        if self.data.len() + value.len() > BUFFER_BYTES && !self.data.is_empty() {
            completed = self.data.len();
            self.full.push(std::mem::take(&mut self.data).into());
        }
        let view = make_view(value, self.full.len() as u32, self.data.len() as u32);
        self.data.extend_from_slice(value);
        (view, completed)
    }

    #[allow(unsafe_code)]
    fn finish(&mut self) -> StringViewArray {
        self.last = (Cell::Null, 0);
        let mut buffers = std::mem::take(&mut self.full);
        if !self.data.is_empty() {
            buffers.push(std::mem::take(&mut self.data).into());
        }
        let capacity = self.views.len();
        let views = ScalarBuffer::from(std::mem::replace(&mut self.views, Vec::with_capacity(capacity)));
        let nulls = self.nulls.finish();
        debug_assert!(StringViewArray::try_new(views.clone(), buffers.clone(), nulls.clone()).is_ok());
        // SAFETY: every view was made by `store` from a whole `&str` that is in the buffer it names.
        unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }
    }
}

#[derive(Debug)]
enum Builder {
    Text(TextColumn),
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
    /// Text in completed buffers.
    bytes: usize,
    /// Rows of a batch.
    capacity: usize,
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
                _ => Builder::Text(TextColumn::new(capacity)),
            })
            .collect();
        Self { schema, builders, rows: 0, bytes: 0, capacity: capacity.max(1) }
    }

    /// Rows waiting in the batch that is not full yet.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Forgets the values of the row before: the text they point into is about to change.
    pub(crate) fn forget(&mut self) {
        for builder in &mut self.builders {
            if let Builder::Text(column) = builder {
                column.last.0 = Cell::Null;
            }
        }
    }

    /// Forgets the value of the row before in one column.
    pub(crate) fn forget_column(&mut self, column: usize) {
        if let Some(Builder::Text(column)) = self.builders.get_mut(column) {
            column.last.0 = Cell::Null;
        }
    }

    /// Adds a row: one cell a column. True when the batch is full: [`Columns::finish`] is due before the next row.
    pub(crate) fn append(&mut self, cells: &[Cell], text: &str, scratch: &str) -> bool {
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            match (builder, *cell) {
                (Builder::Text(column), cell) => self.bytes += column.append(cell, text, scratch),
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
        self.rows >= self.capacity || self.bytes >= BATCH_BYTES
    }

    /// The waiting rows as a batch; the columns are empty after it.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
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
