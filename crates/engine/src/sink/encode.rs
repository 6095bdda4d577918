//! Batches to bytes, in each format.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::cast,
    csv,
    datatypes::{DataType, Field, Schema, SchemaRef},
    ipc, json,
};
use parquet::{
    arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter, arrow_writer::ArrowWriterOptions, encode_arrow_schema},
    basic::{self, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use sutura_core::ColumnMeta;

use super::{Compression, RefusedColumn, SinkFormat, SinkSpec, file::FileSink};
use crate::{EngineError, Result};

/// What every file of an output has in common.
pub(super) struct Encoding {
    format: SinkFormat,
    compression: Compression,
    /// The columns of the files (without partition columns), as the stream yields them.
    pub(super) columns: SchemaRef,
    /// The same with plain text in place of text views, which more readers know.
    stored: SchemaRef,
    parquet: WriterProperties,
}

impl Encoding {
    pub(super) fn new(schema: &Schema, spec: &SinkSpec, allowed: &[RefusedColumn]) -> Self {
        let fields: Vec<_> = schema.fields().iter().filter(|field| !spec.partition_by.contains(field.name())).cloned().collect();
        let mut facts = spec.metadata.clone();
        if let (Some(purpose), false) = (&spec.allow_phi, allowed.is_empty()) {
            facts.insert("sutura.allow_phi".to_owned(), purpose.text.clone());
        }
        let columns = Arc::new(Schema::new(fields));
        let plain: Vec<Field> = columns.fields().iter().map(|field| plain_field(field)).collect();
        let stored = Arc::new(Schema::new_with_metadata(plain, facts.clone().into_iter().collect()));
        let compression = spec.effective_compression();
        let mut pairs: Vec<KeyValue> = facts.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        pairs.push(KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&stored)));
        let mut parquet = WriterProperties::builder()
            .set_created_by(format!("sutura {}", env!("CARGO_PKG_VERSION")))
            .set_compression(match compression {
                Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
                Compression::Snappy => basic::Compression::SNAPPY,
                Compression::None | Compression::Gzip => basic::Compression::UNCOMPRESSED,
            })
            .set_max_row_group_row_count(Some(spec.limits.row_group_rows.max(1)))
            // No index of pages: a file keeps it for every page until it is closed, and a row group of a few megabytes has few pages.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_key_value_metadata(Some(pairs));
        for field in columns.fields().iter().filter(|field| never_repeats(field)) {
            parquet = parquet.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
        }
        let parquet = parquet.build();
        Self { format: spec.format, compression, columns, stored, parquet }
    }

    /// `part-00000.csv.gz`
    pub(super) fn file_name(&self, part: usize, sequence: usize) -> String {
        let suffix = match (self.format, self.compression) {
            (SinkFormat::Csv | SinkFormat::Ndjson, Compression::Gzip) => ".gz",
            (SinkFormat::Csv | SinkFormat::Ndjson, Compression::Zstd) => ".zst",
            _ => "",
        };
        let extension = self.format.extension();
        match sequence {
            0 => format!("part-{part:05}.{extension}{suffix}"),
            // `_` sorts after `.`: the order of names is the order of rows.
            _ => format!("part-{part:05}_{sequence:05}.{extension}{suffix}"),
        }
    }

    pub(super) fn encoder(&self, file: FileSink) -> Result<Encoder> {
        Ok(match self.format {
            SinkFormat::Parquet => {
                let options = ArrowWriterOptions::new().with_properties(self.parquet.clone()).with_skip_arrow_metadata(true);
                Encoder::Parquet(Box::new(ArrowWriter::try_new_with_options(file, Arc::clone(&self.columns), options)?))
            }
            SinkFormat::Csv => {
                let mut bytes = Compressed::new(file, self.compression)?;
                if !self.columns.fields().is_empty() {
                    // The header is there even when no row follows.
                    csv::WriterBuilder::new()
                        .with_header(true)
                        .build(&mut bytes)
                        .write(&RecordBatch::new_empty(Arc::clone(&self.columns)))?;
                }
                Encoder::Csv(Box::new(csv::WriterBuilder::new().with_header(false).build(bytes)))
            }
            SinkFormat::Ndjson => {
                let bytes = Compressed::new(file, self.compression)?;
                Encoder::Ndjson(Box::new(json::WriterBuilder::new().with_explicit_nulls(true).build(bytes)))
            }
            SinkFormat::Files => return Err(EngineError::Task("files are written one for each row".to_owned())),
            SinkFormat::Arrow => {
                let compression = (self.compression == Compression::Zstd).then_some(ipc::CompressionType::ZSTD);
                let options = ipc::writer::IpcWriteOptions::default().try_with_compression(compression)?;
                let file = BufWriter::with_capacity(BUFFER, file);
                let writer = ipc::writer::FileWriter::try_new_with_options(file, &self.stored, options)?;
                Encoder::Arrow(Box::new(writer), Arc::clone(&self.stored))
            }
        })
    }
}

const BUFFER: usize = 256 * 1024;
/// Half of the usual size: a column's dictionary and open page are held for every column of every output.
const PAGE_BYTES: usize = 512 * 1024;
const DICTIONARY_BYTES: usize = 512 * 1024;

/// Whether the values of a column are all different, so that looking each up in a dictionary is in vain.
fn never_repeats(field: &Field) -> bool {
    ColumnMeta::from_field(field).deid.is_some_and(|treatment| treatment.starts_with("encrypt") || treatment == "sealed")
}

/// An open file and its encoder.
pub(super) enum Encoder {
    Parquet(Box<ArrowWriter<FileSink>>),
    Csv(Box<csv::Writer<Compressed>>),
    Ndjson(Box<json::LineDelimitedWriter<Compressed>>),
    Arrow(Box<ipc::writer::FileWriter<BufWriter<FileSink>>>, SchemaRef),
}

impl Encoder {
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Encoder::Parquet(writer) => writer.write(batch)?,
            Encoder::Csv(writer) => writer.write(batch)?,
            Encoder::Ndjson(writer) => writer.write(batch)?,
            Encoder::Arrow(writer, stored) => writer.write(&store_plain(batch, stored)?)?,
        }
        Ok(())
    }

    /// Bytes held for the unfinished row group.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Encoder::Parquet(writer) => writer.memory_size(),
            _ => 0,
        }
    }

    /// Ends the row group.
    pub(super) fn end_row_group(&mut self) -> Result<()> {
        if let Encoder::Parquet(writer) = self {
            writer.flush()?;
        }
        Ok(())
    }

    /// Puts more facts into the footer, where the format has one.
    pub(super) fn add_facts(&mut self, facts: BTreeMap<String, String>) {
        for (key, value) in facts {
            match self {
                Encoder::Parquet(writer) => writer.append_key_value_metadata(KeyValue::new(key, value)),
                Encoder::Arrow(writer, _) => writer.write_metadata(key, value),
                Encoder::Csv(_) | Encoder::Ndjson(_) => {}
            }
        }
    }

    /// Writes the end of the file and gives the file back for its commit.
    pub(super) fn finish(self) -> Result<FileSink> {
        Ok(match self {
            Encoder::Parquet(writer) => writer.into_inner()?,
            Encoder::Csv(writer) => writer.into_inner().finish()?,
            Encoder::Ndjson(mut writer) => {
                writer.finish()?;
                writer.into_inner().finish()?
            }
            Encoder::Arrow(mut writer, _) => {
                writer.finish()?;
                writer.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?
            }
        })
    }
}

/// Text bytes on their way into a file.
pub(super) enum Compressed {
    Plain(BufWriter<FileSink>),
    Gzip(flate2::write::GzEncoder<BufWriter<FileSink>>),
    Zstd(zstd::Encoder<'static, BufWriter<FileSink>>),
}

impl Compressed {
    fn new(file: FileSink, compression: Compression) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(match compression {
            Compression::Gzip => Compressed::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::fast())),
            Compression::Zstd => Compressed::Zstd(zstd::Encoder::new(file, 1)?),
            Compression::None | Compression::Snappy => Compressed::Plain(file),
        })
    }

    fn finish(self) -> io::Result<FileSink> {
        let buffered = match self {
            Compressed::Plain(file) => file,
            Compressed::Gzip(encoder) => encoder.finish()?,
            Compressed::Zstd(encoder) => encoder.finish()?,
        };
        buffered.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Compressed::Plain(file) => file.write(bytes),
            Compressed::Gzip(encoder) => encoder.write(bytes),
            Compressed::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A field with plain text and bytes in place of views, at every depth.
fn plain_field(field: &Field) -> Field {
    field.clone().with_data_type(plain_type(field.data_type()))
}

fn plain_type(data_type: &DataType) -> DataType {
    let plain = |field: &Arc<Field>| Arc::new(plain_field(field));
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) => DataType::List(plain(field)),
        DataType::LargeList(field) => DataType::LargeList(plain(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(plain(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain).collect()),
        DataType::Map(field, sorted) => DataType::Map(plain(field), *sorted),
        other => other.clone(),
    }
}

/// The batch in its stored types. Views would drag the whole block they look into along.
fn store_plain(batch: &RecordBatch, stored: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(stored.fields())
        .map(
            |(column, field)| {
                if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
            },
        )
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(stored), columns)?)
}
