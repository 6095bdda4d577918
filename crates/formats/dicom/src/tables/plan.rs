//! From requested columns to a plan, and from a file to rows.

use std::{cell::OnceCell, sync::Arc};

use arrow::datatypes::Schema;
use sutura_core::{Decoded, DecodedSink, FormatError, Sha256Hash, TableRequest};

use super::{
    columns::Columns,
    spec::{self, Column, Read, Row, Rows},
};
use crate::{
    element::{DataSet, Element},
    file::DicomFile,
    tag::Tag,
};

/// A file and where it came from.
pub(crate) struct Record<'d> {
    /// URI of the source.
    pub(crate) source: &'d str,
    /// Bytes of the whole file, read or not.
    pub(crate) length: u64,
    /// Its hash, once somebody asks.
    pub(crate) sha256: OnceCell<String>,
    /// What is held of the file.
    pub(crate) bytes: &'d [u8],
    /// What is in it.
    pub(crate) file: &'d DicomFile,
    /// Its data set.
    pub(crate) data_set: DataSet<'d>,
}

impl<'d> Record<'d> {
    /// A file that is held as a whole.
    pub(crate) fn new(source: &'d str, bytes: &'d [u8], file: &'d DicomFile) -> Self {
        Self { source, length: bytes.len() as u64, sha256: OnceCell::new(), bytes, file, data_set: file.data_set() }
    }

    pub(super) fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| Sha256Hash::of(self.bytes).to_string())
    }
}

/// All requested tables.
#[derive(Debug)]
pub(crate) struct Plan {
    tables: Vec<TablePlan>,
    wants_hash: bool,
}

/// One requested table.
struct TablePlan {
    request: usize,
    rows: Rows,
    /// The columns that differ from row to row, each with its position and the place of its element among those of `tags`.
    of_rows: Vec<Wanted>,
    /// Those that say the same in all rows of a file.
    of_file: Vec<Wanted>,
    /// Elements of the file's data set that columns ask for, in order.
    tags: Vec<Tag>,
    columns: Columns,
}

/// One requested column: its position, the column, the place of its element.
type Wanted = (usize, &'static Column, usize);

impl std::fmt::Debug for TablePlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TablePlan")
            .field("rows", &self.rows)
            .field("columns", &(self.of_rows.len() + self.of_file.len()))
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Compiles requests. `is_one`: whether one file is to be read.
    pub(crate) fn compile(requests: &[TableRequest], batch_rows: usize, is_one: bool) -> Result<Self, FormatError> {
        let tables = requests.iter().enumerate().map(|(request, wanted)| TablePlan::compile(request, wanted, batch_rows, is_one));
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        let is_hash = |column: &Column| column.name == sutura_core::record::COL_SHA256;
        let wants_hash = tables.iter().any(|table| table.of_file.iter().any(|(_, column, _)| is_hash(column)));
        Ok(Self { tables, wants_hash })
    }

    /// Whether the hash of the file is asked for.
    pub(crate) fn wants_hash(&self) -> bool {
        self.wants_hash
    }

    /// Adds the rows of a file. Batches that are full go out at once.
    pub(crate) fn record(&mut self, record: &Record<'_>, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let mut elements = Vec::new();
        for table in &mut self.tables {
            let TablePlan { request, rows, of_rows, of_file, tags, columns } = table;
            find(record.data_set, tags, &mut elements);
            let file = Row::of(record, &elements);
            // What is the same in all rows is looked up once, and written for all rows of the file that a batch has.
            let mut same = None;
            let mut end = |columns: &mut Columns, count: usize| {
                let cells =
                    || of_file.iter().map(|(position, column, place)| (*position, column.read.cell(&file, *place))).collect::<Vec<_>>();
                if count > 0 {
                    same.get_or_insert_with(cells).iter().for_each(|(position, cell)| columns.append_rows(*position, cell, count));
                }
            };
            let mut count = 0;
            rows.each(&file, &mut |row| {
                for (position, column, place) in of_rows.iter() {
                    columns.append(*position, column.read.cell(row, *place));
                }
                count += 1;
                if columns.end_row() {
                    end(columns, std::mem::take(&mut count));
                    out.emit(Decoded::Batch { request: *request, batch: columns.finish()? })?;
                }
                Ok(())
            })?;
            end(columns, count);
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

/// Finds the elements of some tags in one walk. Both are in order, mostly.
fn find<'d>(data_set: DataSet<'d>, tags: &[Tag], found: &mut Vec<Option<Element<'d>>>) {
    found.clear();
    found.resize(tags.len(), None);
    if tags.is_empty() {
        return;
    }
    let (mut at, mut before) = (0, Tag(0));
    for element in data_set {
        let tag = element.tag();
        if tag < before {
            at = tags.partition_point(|wanted| *wanted < tag);
        }
        before = tag;
        while tags.get(at).is_some_and(|wanted| *wanted < tag) {
            at += 1;
        }
        // The first of several counts.
        if tags.get(at) == Some(&tag) && found[at].is_none() {
            found[at] = Some(element);
        }
    }
}

impl TablePlan {
    fn compile(request: usize, wanted: &TableRequest, batch_rows: usize, is_one: bool) -> Result<Self, FormatError> {
        let at = spec::tables().iter().position(|table| table.name == wanted.table).ok_or_else(|| FormatError::UnknownTable {
            format: "dicom",
            table: wanted.table.clone(),
            known: spec::tables().iter().map(|table| table.name).collect::<Vec<_>>().join(", "),
        })?;
        // Most often a decoder reads one file: fields with their metadata are shared, not made again.
        let (table, whole) = (&spec::tables()[at], spec::definitions()[at].schema());
        let (schema, columns) = match &wanted.columns {
            None => (whole, table.columns.iter().collect::<Vec<_>>()),
            Some(indexes) => {
                let (mut fields, mut columns) = (Vec::with_capacity(indexes.len()), Vec::with_capacity(indexes.len()));
                for index in indexes {
                    let Some(column) = table.columns.get(*index) else {
                        return Err(FormatError::BadOption {
                            format: "dicom",
                            option: "columns".into(),
                            reason: format!("table {} has no column {index}", table.name),
                        });
                    };
                    fields.push(Arc::clone(&whole.fields()[*index]));
                    columns.push(column);
                }
                (Arc::new(Schema::new(fields)), columns)
            }
        };
        let tag_of = |column: &Column| if let Read::File(tag, _) = column.read { Some(tag) } else { None };
        let mut tags: Vec<Tag> = columns.iter().filter_map(|column| tag_of(column)).collect();
        tags.sort_unstable();
        tags.dedup();
        let place = |column: &Column| tag_of(column).and_then(|tag| tags.binary_search(&tag).ok()).unwrap_or(usize::MAX);
        let wanted = columns.into_iter().enumerate().map(|(position, column)| (position, column, place(column)));
        let (of_file, of_rows) = wanted.partition(|(_, column, _)| column.read.is_of_file());
        let columns = Columns::new(schema, batch_rows.clamp(1, 8192), is_one && table.rows.is_one());
        Ok(Self { request, rows: table.rows, of_rows, of_file, tags, columns })
    }
}
