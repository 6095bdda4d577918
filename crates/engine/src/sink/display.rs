//! Results for a person or a pipe: on-screen tables, NDJSON, CSV and JSON to any writer.
//!
//! Whether identifying columns may be shown is the caller's decision; [`mask_identifying`] puts the
//! class in place of every value of such columns.

use std::{
    io::{self, Write},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    csv,
    datatypes::{DataType, Field, Schema, SchemaRef},
    json,
    util::{display::FormatOptions, pretty::pretty_format_batches_with_options},
};
use serde::{Deserialize, Serialize};
use sutura_core::ColumnMeta;

use crate::Result;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisplayFormat {
    /// A table with borders; the only form that is held in memory.
    #[default]
    Table,
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON array.
    Json,
}

/// Prints batches to a writer.
pub struct Printer<W: Write> {
    out: Out<W>,
    schema: SchemaRef,
    shown: usize,
    rows: u64,
}

enum Out<W: Write> {
    Table { writer: W, batches: Vec<RecordBatch>, most: usize },
    Ndjson(json::LineDelimitedWriter<W>),
    Json(json::ArrayWriter<W>),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Printer<W> {
    /// A printer for rows of `schema`. A table shows at most `most_table_rows`; the other forms show all.
    pub fn new(mut writer: W, format: DisplayFormat, schema: SchemaRef, most_table_rows: usize) -> Result<Self> {
        let out = match format {
            DisplayFormat::Table => Out::Table { writer, batches: Vec::new(), most: most_table_rows },
            DisplayFormat::Ndjson => Out::Ndjson(json::WriterBuilder::new().with_explicit_nulls(true).build(writer)),
            DisplayFormat::Json => Out::Json(json::WriterBuilder::new().with_explicit_nulls(true).build(writer)),
            DisplayFormat::Csv => {
                // The header is there even when no row follows.
                csv::WriterBuilder::new().with_header(true).build(&mut writer).write(&RecordBatch::new_empty(Arc::clone(&schema)))?;
                Out::Csv(Box::new(csv::WriterBuilder::new().with_header(false).build(writer)))
            }
        };
        Ok(Self { out, schema, shown: 0, rows: 0 })
    }

    /// Takes the next rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.out {
            Out::Table { batches, most, .. } => {
                let taken = batch.num_rows().min(*most - self.shown);
                if taken > 0 {
                    batches.push(batch.slice(0, taken));
                    self.shown += taken;
                }
            }
            Out::Ndjson(writer) => writer.write(batch)?,
            Out::Json(writer) => writer.write(batch)?,
            Out::Csv(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// Prints what is left; answers the number of rows.
    pub fn finish(self) -> Result<u64> {
        match self.out {
            Out::Table { mut writer, mut batches, .. } => {
                if batches.is_empty() {
                    batches.push(RecordBatch::new_empty(self.schema));
                }
                let options = FormatOptions::default().with_null("").with_display_error(true);
                let batches = batches.iter().map(visible).collect::<Result<Vec<_>>>()?;
                let table = pretty_format_batches_with_options(&batches, &options)?;
                print_table(&mut writer, &table.to_string(), self.rows, self.shown)?;
            }
            Out::Ndjson(mut writer) => {
                writer.finish()?;
                writer.into_inner().flush()?;
            }
            Out::Json(mut writer) => {
                writer.finish()?;
                let mut out = writer.into_inner();
                writeln!(out)?;
                out.flush()?;
            }
            Out::Csv(writer) => writer.into_inner().flush()?,
        }
        Ok(self.rows)
    }
}

/// The batch with signs in place of control characters in texts: a terminal would act on them, and a line break would look like another row.
fn visible(batch: &RecordBatch) -> Result<RecordBatch> {
    let shown = |text: &str| -> String {
        let sign = |letter: char| match letter {
            '\0'..='\u{1F}' => char::from_u32(0x2400 + letter as u32).unwrap_or('?'),
            '\u{7F}'..='\u{9F}' => '?',
            other => other,
        };
        text.chars().map(sign).collect()
    };
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let is_text = matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if !is_text {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
            continue;
        }
        let texts = arrow::compute::cast(column, &DataType::Utf8View)?;
        let texts = texts.as_string_view();
        let is_plain = texts.iter().flatten().all(|text| !text.contains(char::is_control));
        if is_plain {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
        } else {
            fields.push(Field::new(field.name(), DataType::Utf8, true));
            columns.push(Arc::new(texts.iter().map(|text| text.map(shown)).collect::<StringArray>()));
        }
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

fn print_table(out: &mut impl Write, table: &str, rows: u64, shown: usize) -> io::Result<()> {
    writeln!(out, "{table}")?;
    if rows > shown as u64 {
        writeln!(out, "... {} more rows; add a LIMIT, or write them to a file with -o", rows - shown as u64)?;
    }
    out.flush()
}

/// The batch with the class (`‹name›`) in place of every value of an identifying, untreated or
/// unclassified column. `schema` holds the classes, see [`crate::lineage::classified_schema`]. Null stays null.
pub fn mask_identifying(schema: &Schema, batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (position, column) in batch.columns().iter().enumerate() {
        // A column that the schema does not know is not classified.
        let known = schema.fields().get(position);
        let meta = known.map(|field| ColumnMeta::from_field(field)).unwrap_or_default();
        let name = known.map_or_else(|| batch.schema().field(position).name().clone(), |field| field.name().clone());
        if !meta.must_refuse() {
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(Arc::clone(column));
            continue;
        }
        let mark = meta.phi.map_or_else(|| "‹unclassified›".to_owned(), |class| format!("‹{class}›"));
        fields.push(Field::new(name, DataType::Utf8, true));
        columns.push(Arc::new((0..column.len()).map(|row| column.is_valid(row).then_some(mark.as_str())).collect::<StringArray>()));
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}
