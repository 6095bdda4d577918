//! From requested columns to a plan, and from a document to rows.

use std::{borrow::Cow, cell::OnceCell, sync::Arc};

use arrow::datatypes::Schema;
use sutura_core::{Decoded, DecodedSink, FormatError, Sha256Hash, TableRequest};

use super::{
    columns::Columns,
    documents,
    spec::{self, Column, Rows},
};
use crate::document::Document;

/// A document and where it came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'d> {
    /// URI of the source.
    pub(crate) source: &'d str,
    /// The file.
    pub(crate) bytes: &'d [u8],
    /// The document in it.
    pub(crate) document: &'d Document,
}

/// What every row of a document shows, worked out once, and only if asked for.
pub(super) struct Shared<'d> {
    sha256: OnceCell<String>,
    document_id: OnceCell<Option<Cow<'d, str>>>,
    patient_id: OnceCell<Option<&'d str>>,
    record: &'d Record<'d>,
}

impl<'d> Shared<'d> {
    pub(super) fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| Sha256Hash::of(self.record.bytes).to_string())
    }

    pub(super) fn document_id(&self) -> Option<&str> {
        self.document_id.get_or_init(|| documents::document_id(self.record.document)).as_deref()
    }

    pub(super) fn patient_id(&self) -> Option<&'d str> {
        *self.patient_id.get_or_init(|| documents::patient_id(self.record.document))
    }
}

/// All requested tables.
#[derive(Debug)]
pub(crate) struct Plan {
    tables: Vec<TablePlan>,
}

/// One requested table.
struct TablePlan {
    request: usize,
    rows: Rows,
    wanted: Vec<&'static Column>,
    columns: Columns,
}

impl std::fmt::Debug for TablePlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TablePlan").field("rows", &self.rows).field("columns", &self.wanted.len()).finish_non_exhaustive()
    }
}

impl Plan {
    /// Compiles requests.
    pub(crate) fn compile(requests: &[TableRequest], batch_rows: usize) -> Result<Self, FormatError> {
        let tables = requests.iter().enumerate().map(|(request, wanted)| TablePlan::compile(request, wanted, batch_rows));
        Ok(Self { tables: tables.collect::<Result<_, _>>()? })
    }

    /// Adds the rows of a document. Batches that are full go out at once.
    pub(crate) fn record(&mut self, record: &Record<'_>, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let shared = Shared { sha256: OnceCell::new(), document_id: OnceCell::new(), patient_id: OnceCell::new(), record };
        for table in &mut self.tables {
            let TablePlan { request, rows, wanted, columns } = table;
            rows.each(record, &shared, &mut |row| {
                for (position, column) in wanted.iter().enumerate() {
                    columns.append(position, column.read.cell(row));
                }
                if columns.end_row() {
                    out.emit(Decoded::Batch { request: *request, batch: columns.finish()? })?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Gives out the rows that are left.
    pub(crate) fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        for table in &mut self.tables {
            if table.columns.rows() > 0 {
                out.emit(Decoded::Batch { request: table.request, batch: table.columns.finish()? })?;
            }
        }
        Ok(())
    }
}

impl TablePlan {
    fn compile(request: usize, wanted: &TableRequest, batch_rows: usize) -> Result<Self, FormatError> {
        let at = spec::tables().iter().position(|table| table.name == wanted.table).ok_or_else(|| FormatError::UnknownTable {
            format: "ccda",
            table: wanted.table.clone(),
            known: spec::tables().iter().map(|table| table.name).collect::<Vec<_>>().join(", "),
        })?;
        // A decoder reads one file: fields with their metadata are shared, not made again.
        let (table, schema) = (&spec::tables()[at], spec::definitions()[at].schema());
        let indexes = wanted.columns.clone().unwrap_or_else(|| (0..table.columns.len()).collect());
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for index in indexes {
            let Some(column) = table.columns.get(index) else {
                return Err(FormatError::BadOption {
                    format: "ccda",
                    option: "columns".into(),
                    reason: format!("table {} has no column {index}", table.name),
                });
            };
            fields.push(Arc::clone(&schema.fields()[index]));
            columns.push(column);
        }
        let capacity = batch_rows.clamp(1, 8192);
        Ok(Self { request, rows: table.rows, wanted: columns, columns: Columns::new(Arc::new(Schema::new(fields)), capacity) })
    }
}
