//! Rows to their partitions: `column=value` folders as Hive names them.

use std::{collections::HashMap, fmt::Write, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::Schema,
    row::{RowConverter, SortField},
    util::display::{ArrayFormatter, FormatOptions},
};

use super::SinkSpec;
use crate::{EngineError, Result};

/// The folder name of null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Longest folder name; file systems allow 255 bytes.
const LONGEST: usize = 240;

/// Splits batches by the values of the partition columns.
pub(super) struct Partitioner {
    location: String,
    limit: usize,
    /// Positions and names of the partition columns.
    columns: Vec<(usize, String)>,
    /// Positions of the columns that go into the files.
    rest: Vec<usize>,
    converter: RowConverter,
    /// Partition by the encoded values.
    known: HashMap<Box<[u8]>, usize>,
    folders: Vec<Arc<str>>,
}

impl Partitioner {
    pub(super) fn new(schema: &Schema, spec: &SinkSpec) -> Result<Self> {
        let columns = spec.partition_by.iter().map(|name| Ok((schema.index_of(name)?, name.clone()))).collect::<Result<Vec<_>>>()?;
        let rest = (0..schema.fields().len()).filter(|index| columns.iter().all(|(column, _)| column != index)).collect();
        let fields = columns.iter().map(|(index, _)| SortField::new(schema.field(*index).data_type().clone())).collect();
        Ok(Self {
            location: spec.location.clone(),
            limit: spec.limits.partitions,
            columns,
            rest,
            converter: RowConverter::new(fields)?,
            known: HashMap::new(),
            folders: Vec::new(),
        })
    }

    /// The rows of each partition in the batch, without the partition columns. Partitions are numbered in order of appearance.
    pub(super) fn split(&mut self, batch: &RecordBatch) -> Result<Vec<(usize, RecordBatch)>> {
        let arrays: Vec<ArrayRef> = self.columns.iter().map(|(index, _)| Arc::clone(batch.column(*index))).collect();
        let rows = self.converter.convert_columns(&arrays)?;
        let mut order: Vec<usize> = Vec::new();
        let mut members: HashMap<usize, Vec<u32>> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            let partition = match self.known.get(row.data()) {
                Some(&partition) => partition,
                None => self.admit(row.data(), &arrays, index)?,
            };
            let list = members.entry(partition).or_insert_with(|| {
                order.push(partition);
                Vec::new()
            });
            list.push(index as u32);
        }
        let files = batch.project(&self.rest)?;
        if let [only] = order.as_slice() {
            return Ok(vec![(*only, files)]);
        }
        order
            .into_iter()
            .map(|partition| {
                let indices = UInt32Array::from(members.remove(&partition).unwrap_or_default());
                Ok((partition, take_record_batch(&files, &indices)?))
            })
            .collect()
    }

    /// The folder of a partition.
    pub(super) fn folder(&self, partition: usize) -> Arc<str> {
        self.folders.get(partition).cloned().unwrap_or_else(|| Arc::from(""))
    }

    fn admit(&mut self, key: &[u8], arrays: &[ArrayRef], row: usize) -> Result<usize> {
        let bad = |reason: String| EngineError::BadOutput { location: self.location.clone(), reason };
        if self.folders.len() >= self.limit {
            return Err(bad(format!("more than {} partitions; partition by columns with fewer distinct values", self.limit)));
        }
        let options = FormatOptions::default().with_display_error(false);
        let mut folder = String::new();
        for ((_, name), array) in self.columns.iter().zip(arrays) {
            let mut value = String::new();
            if array.is_valid(row) {
                write!(value, "{}", ArrayFormatter::try_new(array, &options)?.value(row))
                    .map_err(|_| bad(format!("a value of partition column {name:?} has no text form")))?;
                value = percent_encode(&value);
            } else {
                value.push_str(NULL);
            }
            let segment = format!("{}={value}", percent_encode(name));
            if segment.len() > LONGEST {
                return Err(bad(format!(
                    "a value of partition column {name:?} is too long for a folder name; partition by shorter values"
                )));
            }
            if !folder.is_empty() {
                folder.push('/');
            }
            folder.push_str(&segment);
        }
        let partition = self.folders.len();
        self.folders.push(Arc::from(folder));
        self.known.insert(Box::from(key), partition);
        Ok(partition)
    }
}

/// Keeps letters, digits and `-_.~ ` without leading dot; everything else becomes `%XX`.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::percent_encode;

    #[test]
    fn values_cannot_leave_their_folder() {
        assert_eq!(percent_encode("ADT A01/../x=1"), "ADT%20A01%2F..%2Fx%3D1");
        assert_eq!(percent_encode("é\n"), "%C3%A9%0A");
    }
}
