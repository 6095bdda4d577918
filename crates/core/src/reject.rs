//! Records that could not become rows. Nothing is dropped: a reject names its place, hash and
//! reason, and carries the original bytes so that it can be kept (encrypted) and replayed.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, BinaryBuilder, Int64Builder, RecordBatch, StringViewBuilder},
    datatypes::DataType,
    error::ArrowError,
};
use bytes::Bytes;

use crate::{
    phi::PhiClass,
    record::{RecordId, identity_columns},
    table::{ColumnDef, TableDef},
};

/// A stretch of input that did not become rows.
#[derive(Debug, Clone)]
pub struct Reject {
    /// Where it is.
    pub id: RecordId,
    /// Stable code, documented in `docs/src/reference`.
    pub code: &'static str,
    /// The standard's own path of the cause, if one is known.
    pub location: String,
    /// Why, and what to do, without any field content.
    pub reason: String,
    /// The original bytes; cut at the reader's limit when `truncated`.
    pub bytes: Bytes,
    /// Whether `bytes` is only the beginning (the record was larger than the reader's limit).
    pub truncated: bool,
}

/// The table that `rejects(...)` and the job's reject sink write. `bytes` holds the original and is
/// free text: sinks keep it encrypted or drop it.
pub fn rejects_table() -> &'static TableDef {
    static TABLE: LazyLock<TableDef> = LazyLock::new(|| {
        let mut columns = identity_columns();
        columns.extend([
            ColumnDef::new("code", DataType::Utf8View, "", PhiClass::Operational, "stable code of the reason"),
            ColumnDef::new("location", DataType::Utf8View, "", PhiClass::Operational, "path of the cause in the standard's terms"),
            ColumnDef::new("reason", DataType::Utf8View, "", PhiClass::Operational, "why the record could not be read, and what to do"),
            ColumnDef::new("bytes", DataType::Binary, "", PhiClass::FreeText, "the original bytes (the beginning, if over the size limit)"),
        ]);
        TableDef::new("rejects", "one row for every stretch of input that did not become a record", columns)
    });
    &TABLE
}

/// Collects rejects into batches of [`rejects_table`].
#[derive(Debug, Default)]
pub struct RejectTableBuilder {
    rejects: Vec<Reject>,
}

impl RejectTableBuilder {
    /// Adds one.
    pub fn push(&mut self, reject: Reject) {
        self.rejects.push(reject);
    }

    /// How many are waiting.
    pub fn len(&self) -> usize {
        self.rejects.len()
    }

    /// Whether none is waiting.
    pub fn is_empty(&self) -> bool {
        self.rejects.is_empty()
    }

    /// All columns of the waiting rejects as one batch; the builder is empty after it.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut text: [StringViewBuilder; 5] = std::array::from_fn(|_| StringViewBuilder::new());
        let (mut offset, mut length, mut bytes) = (Int64Builder::new(), Int64Builder::new(), BinaryBuilder::new());
        for reject in self.rejects.drain(..) {
            let [source, sha256, code, location, reason] = &mut text;
            source.append_value(&reject.id.source);
            offset.append_value(i64::try_from(reject.id.offset).unwrap_or(i64::MAX));
            length.append_value(i64::try_from(reject.id.length).unwrap_or(i64::MAX));
            sha256.append_value(reject.id.sha256.to_string());
            code.append_value(reject.code);
            location.append_value(&reject.location);
            reason.append_value(&reject.reason);
            bytes.append_value(&reject.bytes);
        }
        let [source, sha256, code, location, reason] = text.map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
        RecordBatch::try_new(
            rejects_table().schema(),
            vec![source, Arc::new(offset.finish()), Arc::new(length.finish()), sha256, code, location, reason, Arc::new(bytes.finish())],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Sha256Hash;

    #[test]
    fn a_reject_becomes_a_row() {
        let mut builder = RejectTableBuilder::default();
        builder.push(Reject {
            id: RecordId { source: "file:///a.hl7".into(), offset: 7, length: 4, sha256: Sha256Hash::of(b"junk") },
            code: "not-hl7",
            location: String::new(),
            reason: "no MSH segment".into(),
            bytes: Bytes::from_static(b"junk"),
            truncated: false,
        });
        let batch = builder.finish().unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (1, rejects_table().columns.len()));
        assert!(builder.is_empty());
    }
}
