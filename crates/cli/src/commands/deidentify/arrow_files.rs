//! Parquet and Arrow files, batch by batch.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read},
    path::Path,
    sync::Arc,
};

use parquet::{
    arrow::{ArrowWriter, ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
};
use sutura_engine::arrow::{
    array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, make_array},
    compute::{cast, take},
    datatypes::{DataType, Field, SchemaRef},
    error::ArrowError,
    ipc::{
        reader::{FileReader, StreamReader},
        writer::{FileWriter, StreamWriter},
    },
};

use super::{
    super::whole,
    documents::{Kind, Released},
    out::PartWriter,
    tables::{Not, ROWS, Refused, Table, Tables},
};
use crate::failure::Failure;

/// Bytes of a row group that is not yet written.
const ROW_GROUP: usize = 64 << 20;

/// Releases a file.
pub(super) fn release(tables: &Tables, path: &Path, kind: Kind, released: &mut Released, out: &mut PartWriter) -> Result<Table, Not> {
    let opened = || File::open(path).map_err(|error| Refused::new("not-readable", format!("the file cannot be read: {}", error.kind())));
    released.bytes_in = opened()?.metadata().map_or(0, |metadata| metadata.len());
    match kind {
        Kind::Parquet => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(opened()?).map_err(damaged)?;
            let mut table = tables.table(path, builder.schema())?;
            let places: Vec<usize> = table.known.columns.iter().map(|(place, _)| *place).collect();
            let unknown = builder.schema().fields().len() - places.len();
            // What is not known is not even read.
            let mask = ProjectionMask::roots(builder.parquet_schema(), places);
            let reader = builder.with_projection(mask).with_batch_size(ROWS).build().map_err(damaged)?;
            copy(tables, &mut table, reader, |batch| Ok(batch.columns().to_vec()), unknown, kind, released, out)?;
            Ok(table)
        }
        Kind::Arrow => {
            let reader = FileReader::try_new(BufReader::new(opened()?), None).map_err(damaged)?;
            let schema = reader.schema();
            let table = tables.table(path, &schema)?;
            projected(tables, table, reader, schema.fields().len(), kind, released, out)
        }
        _ => {
            let input: BufReader<Box<dyn Read>> = BufReader::new(whole::open(path).map_err(|_| damaged(()))?);
            let reader = StreamReader::try_new(input, None).map_err(damaged)?;
            let schema = reader.schema();
            let table = tables.table(path, &schema)?;
            projected(tables, table, reader, schema.fields().len(), kind, released, out)
        }
    }
}

/// The words of a library may quote what it read.
fn damaged<E>(_: E) -> Not {
    Refused::new("not-readable", "the file is damaged, or of a kind that is not read").into()
}

fn projected(
    tables: &Tables,
    mut table: Table,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    columns: usize,
    kind: Kind,
    released: &mut Released,
    out: &mut PartWriter,
) -> Result<Table, Not> {
    let places: Vec<usize> = table.known.columns.iter().map(|(place, _)| *place).collect();
    let unknown = columns - places.len();
    let known = |batch: &RecordBatch| Ok(batch.project(&places)?.columns().to_vec());
    copy(tables, &mut table, batches, known, unknown, kind, released, out)?;
    Ok(table)
}

#[allow(clippy::too_many_arguments)]
fn copy(
    tables: &Tables,
    table: &mut Table,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    known: impl Fn(&RecordBatch) -> Result<Vec<ArrayRef>, ArrowError>,
    unknown: usize,
    kind: Kind,
    released: &mut Released,
    out: &mut PartWriter,
) -> Result<(), Not> {
    let stored = tables.stored(table);
    let mut writer = Writer::new(kind, &stored, out)?;
    for batch in batches {
        let batch = batch.map_err(damaged)?;
        // A stream may have batches of any size.
        let mut start = 0;
        while start < batch.num_rows() {
            let part = batch.slice(start, ROWS.min(batch.num_rows() - start));
            start += part.num_rows();
            released.records += part.num_rows() as u64;
            table.unknown += (part.num_rows() * unknown) as u64;
            let columns = known(&part).map_err(damaged)?;
            let treated = table.treat(columns, part.num_rows())?;
            writer.write(&plain(&treated, &stored).map_err(not_written)?)?;
        }
    }
    writer.finish()
}

fn not_written<E>(_: E) -> Not {
    Not::Failed(Failure::failed("the table cannot be written"))
}

/// The encoder of a format.
enum Writer<'o> {
    Parquet(Box<ArrowWriter<&'o mut PartWriter>>),
    File(Box<FileWriter<BufWriter<&'o mut PartWriter>>>),
    Stream(Box<StreamWriter<BufWriter<&'o mut PartWriter>>>),
}

impl<'o> Writer<'o> {
    fn new(kind: Kind, schema: &SchemaRef, out: &'o mut PartWriter) -> Result<Self, Not> {
        Ok(match kind {
            Kind::Parquet => {
                let mut facts: Vec<KeyValue> =
                    schema.metadata().iter().map(|(key, fact)| KeyValue::new(key.clone(), fact.clone())).collect();
                facts.sort_by(|a, b| a.key.cmp(&b.key));
                let properties = WriterProperties::builder()
                    .set_created_by(format!("sutura {}", env!("CARGO_PKG_VERSION")))
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_statistics_enabled(EnabledStatistics::Chunk)
                    .set_offset_index_disabled(true)
                    .set_key_value_metadata(Some(facts))
                    .build();
                Self::Parquet(Box::new(ArrowWriter::try_new(out, Arc::clone(schema), Some(properties)).map_err(not_written)?))
            }
            Kind::Arrow => Self::File(Box::new(FileWriter::try_new(BufWriter::new(out), schema).map_err(not_written)?)),
            _ => Self::Stream(Box::new(StreamWriter::try_new(BufWriter::new(out), schema).map_err(not_written)?)),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Not> {
        match self {
            Self::Parquet(writer) => {
                writer.write(batch).map_err(not_written)?;
                if writer.in_progress_size() > ROW_GROUP {
                    writer.flush().map_err(not_written)?;
                }
                Ok(())
            }
            Self::File(writer) => writer.write(batch).map_err(not_written),
            Self::Stream(writer) => writer.write(batch).map_err(not_written),
        }
    }

    fn finish(self) -> Result<(), Not> {
        match self {
            Self::Parquet(writer) => writer.close().map(|_| ()).map_err(not_written),
            Self::File(writer) => writer.into_inner().map_err(not_written)?.into_inner().map(|_| ()).map_err(not_written),
            Self::Stream(writer) => writer.into_inner().map_err(not_written)?.into_inner().map(|_| ()).map_err(not_written),
        }
    }
}

/// A field with plain text and bytes in place of views and dictionaries, at every depth.
pub(super) fn plain_field(field: &Field) -> Field {
    field.clone().with_data_type(plain_type(field.data_type()))
}

fn plain_type(data_type: &DataType) -> DataType {
    let plain = |field: &Arc<Field>| Arc::new(plain_field(field));
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::List(field) => DataType::List(plain(field)),
        DataType::LargeList(field) => DataType::LargeList(plain(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(plain(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain).collect()),
        other => other.clone(),
    }
}

/// A batch in its stored types, with nothing in it that no row shows: neither behind views nor below nulls.
fn plain(batch: &RecordBatch, stored: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(stored.fields()).map(|(column, field)| shown(&cast(column, field.data_type())?));
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(stored), columns, &options)
}

/// The array without the values that lie below its nulls.
fn shown(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if array.null_count() == 0 && !array.data_type().is_nested() {
        return Ok(Arc::clone(array));
    }
    let rows: UInt32Array = (0..array.len() as u32).map(|row| array.is_valid(row as usize).then_some(row)).collect();
    let taken = take(array, &rows, None)?;
    if !taken.data_type().is_nested() {
        return Ok(taken);
    }
    let data = taken.to_data();
    let children = data.child_data().iter().map(|child| Ok(shown(&make_array(child.clone()))?.to_data()));
    let children = children.collect::<Result<Vec<_>, ArrowError>>()?;
    Ok(make_array(data.into_builder().child_data(children).build()?))
}
