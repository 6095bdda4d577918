//! Growing columns: cells in, one record batch out.
//!
//! A column is told of a row only when its value changes: between changes the value before goes on. In a table joined from several
//! segments most columns stay as they are from one row to the next (the patient, the order, what nobody sends), and cost nothing.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, NullBufferBuilder, PrimitiveArray, RecordBatch, RecordBatchOptions, StringViewArray},
    buffer::{Buffer, ScalarBuffer},
    datatypes::{ArrowPrimitiveType, DataType, Float64Type, Int64Type, SchemaRef, TimestampMicrosecondType},
    error::ArrowError,
};

/// One value on its way into a column. Text points into the message or into the scratch buffer. (Two words of the same kinds
/// in every case, so that a cell travels in registers.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    /// A place in the message text: its end in the upper half, its beginning in the lower.
    Text(u64),
    /// A place in the scratch buffer.
    Scratch(u64),
    /// A word that is always the same.
    Static(&'static &'static str),
    /// The bits of a number.
    Number(u64),
    Integer(i64),
    /// One or zero.
    Flag(u64),
}

impl Cell {
    /// Bytes `from..to` of the message text.
    pub(crate) fn text(from: u32, to: u32) -> Self {
        Self::Text(u64::from(to) << 32 | u64::from(from))
    }

    /// Bytes `from..to` of the scratch buffer.
    pub(crate) fn scratch(from: u32, to: u32) -> Self {
        Self::Scratch(u64::from(to) << 32 | u64::from(from))
    }

    pub(crate) fn number(value: f64) -> Self {
        Self::Number(value.to_bits())
    }

    pub(crate) fn flag(value: bool) -> Self {
        Self::Flag(value.into())
    }
}

/// The bytes of a place in a text.
pub(crate) fn place(place: u64) -> Range<usize> {
    place as u32 as usize..(place >> 32) as usize
}

/// Text bytes a buffer of a column holds before the next one is begun.
const BUFFER_BYTES: usize = 1 << 20;
/// A batch with so much text in completed buffers is full, however few its rows: ten thousand scanned documents must not wait for one another.
const BATCH_BYTES: usize = 16 << 20;
/// The longest text that a view holds by itself.
const INLINE: usize = 12;

/// The value that goes on in a text column.
#[derive(Debug)]
enum Current {
    Null,
    Stored(u128),
    /// Not yet in a buffer of this batch: no row may come to have it.
    Waiting(Box<[u8]>),
}

/// A text column. A value that goes on (the message's id in every one of its rows) is stored once.
#[derive(Debug)]
struct TextColumn {
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    full: Vec<Buffer>,
    data: Vec<u8>,
    current: Current,
    /// The cell that `current` was made from, while what it points into lasts.
    cell: Cell,
    generation: u64,
    /// Bytes of completed buffers.
    bytes: usize,
}

impl TextColumn {
    fn new() -> Self {
        Self {
            views: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            full: Vec::new(),
            data: Vec::new(),
            current: Current::Null,
            cell: Cell::Null,
            generation: 0,
            bytes: 0,
        }
    }

    /// The value from row `row` on. True when that completed a buffer.
    #[inline]
    fn set(&mut self, row: usize, cell: Cell, texts: (&str, &str), generation: u64) -> bool {
        if cell == self.cell && (cell == Cell::Null || generation == self.generation) {
            return false;
        }
        self.change(row, cell, texts, generation)
    }

    fn change(&mut self, row: usize, cell: Cell, (text, scratch): (&str, &str), generation: u64) -> bool {
        let buffers = self.full.len();
        self.fill_to(row);
        (self.cell, self.generation) = (cell, generation);
        let (Range { start: from, end: to }, of) = match cell {
            Cell::Text(at) => (place(at), text),
            Cell::Scratch(at) => (place(at), scratch),
            Cell::Static(word) => (0..word.len(), *word),
            _ => {
                self.current = Current::Null;
                return self.full.len() > buffers;
            }
        };
        self.current = match of.get(from..to) {
            None => Current::Null,
            // Short values are most of them: twelve bytes are read at once, and those behind the value masked away.
            Some(value) if value.len() <= INLINE => Current::Stored(match of.as_bytes().get(from..from + INLINE) {
                Some(bytes) => {
                    let mut view = [0; 16];
                    view[4..].copy_from_slice(bytes);
                    let mask = u128::MAX >> (8 * (INLINE - value.len()));
                    (u128::from_le_bytes(view) & mask) | value.len() as u128
                }
                None => inline_view(value.as_bytes()),
            }),
            Some(value) => Current::Stored(self.store(value.as_bytes())),
        };
        self.full.len() > buffers
    }

    fn store(&mut self, value: &[u8]) -> u128 {
        if value.len() <= INLINE {
            return inline_view(value);
        }
        if self.data.len() + value.len() > BUFFER_BYTES && !self.data.is_empty() {
            self.bytes += self.data.len();
            self.full.push(std::mem::take(&mut self.data).into());
        }
        let place = ((self.data.len() as u128) << 96) | ((self.full.len() as u128) << 64);
        let prefix = u32::from_le_bytes([value[0], value[1], value[2], value[3]]);
        self.data.extend_from_slice(value);
        place | (u128::from(prefix) << 32) | value.len() as u128
    }

    /// Gives the rows before `row` that have no value yet the current one.
    fn fill_to(&mut self, row: usize) {
        let rows = row - self.views.len();
        if rows == 0 {
            return;
        }
        if let Current::Waiting(value) = &mut self.current {
            let value = std::mem::take(value);
            self.current = Current::Stored(self.store(&value));
        }
        match self.current {
            Current::Stored(view) => {
                if rows == 1 {
                    self.views.push(view);
                } else {
                    self.views.resize(row, view);
                }
                self.nulls.append_n_non_nulls(rows);
            }
            _ => {
                self.views.resize(row, 0);
                self.nulls.append_n_nulls(rows);
            }
        }
    }

    #[allow(unsafe_code)]
    fn finish(&mut self, rows: usize) -> StringViewArray {
        // A column that changes from row to row will do so in the next batch.
        let next = Vec::with_capacity(self.views.len());
        self.fill_to(rows);
        if let Current::Stored(view) = self.current
            && view as u32 as usize > INLINE
        {
            let (buffer, start, length) = ((view >> 64) as u32 as usize, (view >> 96) as usize, view as u32 as usize);
            let of = self.full.get(buffer).map_or(self.data.as_slice(), Buffer::as_slice);
            self.current = Current::Waiting(of.get(start..start + length).unwrap_or_default().into());
        }
        let mut buffers = std::mem::take(&mut self.full);
        if !self.data.is_empty() {
            buffers.push(std::mem::take(&mut self.data).into());
        }
        self.bytes = 0;
        let views = ScalarBuffer::from(std::mem::replace(&mut self.views, next));
        let nulls = self.nulls.finish();
        debug_assert!(StringViewArray::try_new(views.clone(), buffers.clone(), nulls.clone()).is_ok());
        // SAFETY: every view was made from a whole `&str`: inline, or by `store` in the buffer it names.
        unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }
    }
}

fn inline_view(value: &[u8]) -> u128 {
    let mut view = [0; 16];
    view[4..4 + value.len()].copy_from_slice(value);
    u128::from_le_bytes(view) | value.len() as u128
}

/// A column of numbers.
#[derive(Debug)]
struct NumberColumn<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
    current: Option<T::Native>,
}

impl<T: ArrowPrimitiveType> NumberColumn<T> {
    fn new() -> Self {
        Self { values: Vec::new(), nulls: NullBufferBuilder::new(0), current: None }
    }

    fn set(&mut self, row: usize, value: Option<T::Native>) {
        if value.is_some() || self.current.is_some() {
            self.fill_to(row);
            self.current = value;
        }
    }

    fn fill_to(&mut self, row: usize) {
        let rows = row - self.values.len();
        if rows == 0 {
            return;
        }
        self.values.resize(row, self.current.unwrap_or_default());
        match self.current {
            Some(_) => self.nulls.append_n_non_nulls(rows),
            None => self.nulls.append_n_nulls(rows),
        }
    }

    fn finish(&mut self, rows: usize) -> PrimitiveArray<T> {
        self.fill_to(rows);
        PrimitiveArray::new(std::mem::take(&mut self.values).into(), self.nulls.finish())
    }
}

#[derive(Debug)]
enum Builder {
    Text(TextColumn),
    Number(NumberColumn<Float64Type>),
    Integer(NumberColumn<Int64Type>),
    /// The flag as a number.
    Flag(NumberColumn<Int64Type>),
    Instant(NumberColumn<TimestampMicrosecondType>),
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
    /// Cells of different generations point into different texts.
    generation: u64,
}

impl Columns {
    /// Columns for a schema that only holds the types of [`super::spec`].
    pub(crate) fn new(schema: SchemaRef, capacity: usize) -> Self {
        let builders = schema
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Float64 => Builder::Number(NumberColumn::new()),
                DataType::Int64 => Builder::Integer(NumberColumn::new()),
                DataType::Boolean => Builder::Flag(NumberColumn::new()),
                DataType::Timestamp(_, _) => Builder::Instant(NumberColumn::new()),
                _ => Builder::Text(TextColumn::new()),
            })
            .collect();
        Self { schema, builders, rows: 0, bytes: 0, capacity: capacity.max(1), generation: 0 }
    }

    /// Rows waiting in the batch that is not full yet.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The text that cells point into is about to change.
    pub(crate) fn forget(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// The value of a column in the next row and those after it. `texts` are the message and the scratch buffer.
    #[inline]
    pub(crate) fn set(&mut self, column: usize, cell: Cell, texts: (&str, &str)) {
        let row = self.rows;
        match (&mut self.builders[column], cell) {
            (Builder::Text(column), cell) => {
                if column.set(row, cell, texts, self.generation) {
                    self.bytes = self.text_bytes();
                }
            }
            (Builder::Number(column), Cell::Number(bits)) => column.set(row, Some(f64::from_bits(bits))),
            (Builder::Number(column), _) => column.set(row, None),
            (Builder::Integer(column), Cell::Integer(value)) => column.set(row, Some(value)),
            (Builder::Integer(column), _) => column.set(row, None),
            (Builder::Flag(column), Cell::Flag(flag)) => column.set(row, Some(flag as i64)),
            (Builder::Flag(column), _) => column.set(row, None),
            (Builder::Instant(column), Cell::Integer(micros)) => column.set(row, Some(micros)),
            (Builder::Instant(column), _) => column.set(row, None),
        }
    }

    /// As [`Columns::set`], for a cell at a place of the scratch buffer that another one had before.
    pub(crate) fn set_anew(&mut self, column: usize, cell: Cell, texts: (&str, &str)) {
        match &mut self.builders[column] {
            Builder::Text(text) => {
                if text.change(self.rows, cell, texts, self.generation) {
                    self.bytes = self.text_bytes();
                }
            }
            _ => self.set(column, cell, texts),
        }
    }

    /// Ends the row. True when the batch is full: [`Columns::finish`] is due before the next one.
    pub(crate) fn end_row(&mut self) -> bool {
        self.rows += 1;
        self.rows >= self.capacity || self.bytes >= BATCH_BYTES
    }

    fn text_bytes(&self) -> usize {
        self.builders.iter().map(|builder| if let Builder::Text(column) = builder { column.bytes } else { 0 }).sum()
    }

    /// The waiting rows as a batch; the columns are empty after it.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let arrays = self
            .builders
            .iter_mut()
            .map(|builder| -> ArrayRef {
                match builder {
                    Builder::Text(column) => Arc::new(column.finish(rows)),
                    Builder::Number(column) => Arc::new(column.finish(rows)),
                    Builder::Integer(column) => Arc::new(column.finish(rows)),
                    Builder::Flag(column) => {
                        let flags = column.finish(rows);
                        let values = flags.values().iter().map(|&flag| flag != 0).collect();
                        Arc::new(BooleanArray::new(values, flags.nulls().cloned()))
                    }
                    Builder::Instant(column) => Arc::new(column.finish(rows).with_timezone("UTC")),
                }
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}
