//! Tables as data: their columns, and how each is read from a row.

use std::{borrow::Cow, sync::LazyLock};

use arrow::datatypes::{DataType, TimeUnit};
use sutura_core::{ColumnDef, Finding, FormatError, PartialDateTime, PhiClass, TableDef};

use super::{
    clinical,
    columns::Cell,
    documents, parts,
    plan::{Record, Shared},
};
use crate::{
    document::Document,
    element::Element,
    sections::{Entry, Section},
};

/// What a row stands for, with what is around it.
#[derive(Clone, Copy)]
pub(super) struct Row<'d> {
    pub(super) record: &'d Record<'d>,
    pub(super) shared: &'d Shared<'d>,
    pub(super) section: Option<&'d Section>,
    pub(super) entry: Option<&'d Entry>,
    /// The statement that the row is: of an entry, or within one.
    pub(super) statement: Option<Element<'d>>,
    pub(super) finding: Option<&'d Finding>,
}

impl<'d> Row<'d> {
    pub(super) fn document(&self) -> &'d Document {
        self.record.document
    }
}

type Text = for<'d> fn(&Row<'d>) -> Option<Cow<'d, str>>;

/// How a column is read.
#[derive(Clone, Copy)]
pub(super) enum Read {
    Text(Text),
    Integer(for<'d> fn(&Row<'d>) -> Option<i64>),
    Number(for<'d> fn(&Row<'d>) -> Option<f64>),
    Flag(for<'d> fn(&Row<'d>) -> Option<bool>),
    /// A time as text, in ISO 8601, with the precision and offset it was sent with.
    Time(for<'d> fn(&Row<'d>) -> Option<PartialDateTime>),
    /// The same as an instant, where an offset is known.
    Instant(for<'d> fn(&Row<'d>) -> Option<PartialDateTime>),
}

impl Read {
    pub(super) fn cell<'d>(&self, row: &Row<'d>) -> Cell<'d> {
        match self {
            Self::Text(read) => Cell::Text(read(row)),
            Self::Integer(read) => Cell::Integer(read(row)),
            Self::Number(read) => Cell::Number(read(row)),
            Self::Flag(read) => Cell::Flag(read(row)),
            Self::Time(read) => Cell::Text(read(row).map(|time| Cow::Owned(time.to_string()))),
            Self::Instant(read) => Cell::Instant(read(row).and_then(|time| time.instant(None)).map(|instant| instant.timestamp_micros())),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Text(_) | Self::Time(_) => DataType::Utf8View,
            Self::Integer(_) => DataType::Int64,
            Self::Number(_) => DataType::Float64,
            Self::Flag(_) => DataType::Boolean,
            Self::Instant(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// One column.
pub(super) struct Column {
    name: &'static str,
    path: &'static str,
    phi: PhiClass,
    doc: &'static str,
    identifies_patient: bool,
    pub(super) read: Read,
}

/// A column; `path` as in the standard, from the element that the row is of.
pub(super) fn column(name: &'static str, path: &'static str, phi: PhiClass, doc: &'static str, read: Read) -> Column {
    Column { name, path, phi, doc, identifies_patient: false, read }
}

impl Column {
    pub(super) fn of_patient(mut self) -> Self {
        self.identifies_patient = true;
        self
    }
}

/// What a table has rows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    Documents,
    Sections,
    Entries,
    Findings,
    Statements(clinical::Topic),
}

impl Rows {
    /// Calls back with each row of a document.
    pub(super) fn each<'d>(
        self,
        record: &'d Record<'d>,
        shared: &'d Shared<'d>,
        add: &mut dyn FnMut(&Row<'d>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let document = record.document;
        let row = Row { record, shared, section: None, entry: None, statement: None, finding: None };
        let of_entry = |entry: &'d Entry| {
            let section = document.sections().get(entry.section);
            Row { section, entry: Some(entry), statement: Some(entry.element(document)), ..row }
        };
        match self {
            Self::Documents => add(&row),
            Self::Sections => document.sections().iter().try_for_each(|section| add(&Row { section: Some(section), ..row })),
            Self::Entries => document.entries().iter().try_for_each(|entry| add(&of_entry(entry))),
            Self::Findings => document.findings().iter().try_for_each(|finding| add(&Row { finding: Some(finding), ..row })),
            Self::Statements(topic) => document.entries().iter().try_for_each(|entry| {
                let statements = topic.statements(entry, document);
                statements.into_iter().try_for_each(|statement| add(&Row { statement: Some(statement), ..of_entry(entry) }))
            }),
        }
    }
}

/// One table.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) rows: Rows,
    pub(super) columns: Vec<Column>,
}

/// A table with the columns that all have.
pub(super) fn table(name: &'static str, doc: &'static str, rows: Rows, more: Vec<Column>) -> Table {
    let mut columns = documents::common();
    columns.extend(more);
    Table { name, doc, rows, columns }
}

/// The tables, the default one first.
pub(super) fn tables() -> &'static [Table] {
    static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
        let mut tables = vec![documents::documents(), parts::sections(), parts::entries()];
        tables.extend(clinical::tables());
        tables.extend([parts::findings(), documents::raw()]);
        tables
    });
    &TABLES
}

/// The tables as the engine sees them.
pub fn definitions() -> &'static [TableDef] {
    static DEFINITIONS: LazyLock<Vec<TableDef>> = LazyLock::new(|| {
        let definition = |column: &Column| {
            let definition = ColumnDef::new(column.name, column.read.data_type(), column.path, column.phi.clone(), column.doc);
            if column.identifies_patient { definition.identifies_patient() } else { definition }
        };
        tables().iter().map(|table| TableDef::new(table.name, table.doc, table.columns.iter().map(definition).collect())).collect()
    });
    &DEFINITIONS
}
