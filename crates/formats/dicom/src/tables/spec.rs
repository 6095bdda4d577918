//! Tables as data: their columns, and how each is read from a row.

use std::{borrow::Cow, sync::LazyLock};

use arrow::datatypes::{DataType, TimeUnit};
use sutura_core::{ColumnDef, Finding, FormatError, PartialDateTime, PhiClass, TableDef};

use super::{columns::Cell, elements, frames, instances, plan::Record, structured};
use crate::{
    dictionary::{self, Attribute},
    element::{DataSet, Element},
    tag::Tag,
    value,
};

/// What a row stands for, with what is around it.
#[derive(Clone, Copy)]
pub(super) struct Row<'d> {
    pub(super) record: &'d Record<'d>,
    /// The elements of the file's data set that columns of the table ask for, in the order of [`TableTags`](super::plan::TableTags).
    pub(super) wanted: &'d [Option<Element<'d>>],
    /// What the row is of: the data set of the file, or an item in it.
    pub(super) item: DataSet<'d>,
    /// The element that the row is of.
    pub(super) element: Option<Element<'d>>,
    /// What the dictionary knows of it.
    pub(super) attribute: Option<&'static Attribute>,
    /// The element that reserves the block of a private one.
    pub(super) creator: Option<&'d Element<'d>>,
    /// What is around it.
    pub(super) parents: &'d [Option<DataSet<'d>>; 3],
    pub(super) finding: Option<&'d Finding>,
    /// Number of the row in its file or item, from 1.
    pub(super) number: i64,
    /// Number of what is around it, from 1.
    pub(super) outer: i64,
    pub(super) depth: i64,
    /// Where it stands, in words of the standard.
    pub(super) path: &'d str,
    /// Numbers that the rows of a table work out together.
    pub(super) values: &'d [f64],
}

impl<'d> Row<'d> {
    pub(super) fn of(record: &'d Record<'d>, wanted: &'d [Option<Element<'d>>]) -> Self {
        Row {
            record,
            wanted,
            item: record.data_set,
            element: None,
            attribute: None,
            creator: None,
            parents: &[None; 3],
            finding: None,
            number: 1,
            outer: 0,
            depth: 0,
            path: "",
            values: &[],
        }
    }
}

/// How a value becomes a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The text; several values with a backslash between them.
    Text,
    Integer,
    Number,
    /// The number at this place among several.
    At(usize),
    /// `DA` as ISO 8601.
    Date,
    /// `TM` as ISO 8601.
    Time,
    /// `DT` as ISO 8601.
    DateTime,
    /// `AS` in years.
    Years,
    /// Whether the text is this.
    Is(&'static str),
    /// Whether it is there.
    Exists,
}

impl Form {
    #[inline]
    pub(super) fn cell<'d>(self, element: Option<&Element<'d>>) -> Cell<'d> {
        let Some(element) = element else {
            return if self == Self::Exists { Cell::Flag(Some(false)) } else { Cell::None };
        };
        let text = |text: Option<String>| Cell::Text(text.map(Cow::Owned));
        match self {
            Self::Text => Cell::Text(element.text().filter(|text| !text.is_empty())),
            Self::Integer => Cell::Integer(element.integer()),
            Self::Number => Cell::Number(element.number()),
            Self::At(place) => Cell::Number(element.number_at(place)),
            Self::Date => text(value::date(element.bytes()).map(|date| date.to_string())),
            Self::Time => text(value::time(element.bytes()).map(|(time, precision)| value::time_text(time, precision))),
            Self::DateTime => text(value::date_time(element.bytes()).map(|time| time.to_string())),
            Self::Years => Cell::Number(value::age_years(element.bytes())),
            Self::Is(word) => Cell::Flag(element.text().filter(|text| !text.is_empty()).map(|text| text == word)),
            Self::Exists => Cell::Flag(Some(true)),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Text | Self::Date | Self::Time | Self::DateTime => DataType::Utf8View,
            Self::Integer => DataType::Int64,
            Self::Number | Self::At(_) | Self::Years => DataType::Float64,
            Self::Is(_) | Self::Exists => DataType::Boolean,
        }
    }
}

/// Where a column's value is.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// An element of the file's data set.
    File(Tag, Form),
    /// An element of the row's item.
    Item(Tag, Form),
    /// An element of what is around the row's item.
    Parent(usize, Tag, Form),
    Text(for<'d> fn(&Row<'d>) -> Option<Cow<'d, str>>),
    Bytes(for<'d> fn(&Row<'d>) -> Option<&'d [u8]>),
    /// A text that is the same in all rows of a file.
    FileText(for<'d> fn(&Record<'d>) -> Option<Cow<'d, str>>),
    /// A number that is the same in all rows of a file.
    FileInteger(for<'d> fn(&Record<'d>) -> Option<i64>),
    /// A word of the dictionary or of the program.
    Word(fn(&Row<'_>) -> Option<&'static str>),
    /// The value of the row's element as text.
    Value,
    /// Where the row's element stands; outside of sequences that is its tag.
    Path,
    /// A tag as eight hexadecimal digits.
    Tag(fn(&Row<'_>) -> Option<Tag>),
    Integer(for<'d> fn(&Row<'d>) -> Option<i64>),
    Number(for<'d> fn(&Row<'d>) -> Option<f64>),
    Flag(for<'d> fn(&Row<'d>) -> Option<bool>),
    /// An instant, where an offset is known.
    Instant(for<'d> fn(&Row<'d>) -> Option<PartialDateTime>),
}

impl Read {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::File(_, form) | Self::Item(_, form) | Self::Parent(_, _, form) => form.data_type(),
            Self::Text(_) | Self::FileText(_) | Self::Word(_) | Self::Value | Self::Path | Self::Tag(_) => DataType::Utf8View,
            Self::Bytes(_) => DataType::BinaryView,
            Self::Integer(_) | Self::FileInteger(_) => DataType::Int64,
            Self::Number(_) => DataType::Float64,
            Self::Flag(_) => DataType::Boolean,
            Self::Instant(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// Whether it says the same in all rows of a file.
    pub(super) fn is_of_file(self) -> bool {
        matches!(self, Self::File(..) | Self::FileText(_) | Self::FileInteger(_))
    }

    /// The cell of a row. `place` is that of the element in [`Row::wanted`].
    #[inline]
    pub(super) fn cell<'r>(&self, row: &'r Row<'_>, place: usize) -> Cell<'r> {
        match self {
            Self::File(_, form) => form.cell(row.wanted.get(place).and_then(Option::as_ref)),
            Self::Item(tag, form) => form.cell(row.item.get(*tag).as_ref()),
            Self::Parent(which, tag, form) => {
                form.cell(row.parents.get(*which).copied().flatten().and_then(|parent| parent.get(*tag)).as_ref())
            }
            Self::Text(read) => Cell::Text(read(row)),
            Self::Bytes(read) => Cell::Bytes(read(row)),
            Self::FileText(read) => Cell::Text(read(row.record)),
            Self::FileInteger(read) => Cell::Integer(read(row.record)),
            Self::Word(read) => Cell::Word(read(row)),
            Self::Value => Cell::Value(row.element.as_ref()),
            Self::Path if row.path.is_empty() => Cell::Tag(row.element.map(|element| element.tag())),
            Self::Path => Cell::Text(Some(Cow::Borrowed(row.path))),
            Self::Tag(read) => Cell::Tag(read(row)),
            Self::Integer(read) => Cell::Integer(read(row)),
            Self::Number(read) => Cell::Number(read(row)),
            Self::Flag(read) => Cell::Flag(read(row)),
            Self::Instant(read) => Cell::Instant(read(row).and_then(|time| time.instant(None)).map(|instant| instant.timestamp_micros())),
        }
    }
}

/// One column.
pub(super) struct Column {
    pub(super) name: &'static str,
    path: Cow<'static, str>,
    phi: PhiClass,
    doc: Cow<'static, str>,
    unit: Option<&'static str>,
    identifies_patient: bool,
    pub(super) read: Read,
}

impl Column {
    pub(super) fn of_patient(mut self) -> Self {
        self.identifies_patient = true;
        self
    }

    /// With a UCUM unit.
    pub(super) fn in_unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Of another class than the dictionary has, for what is in fact there.
    pub(super) fn class(mut self, phi: PhiClass) -> Self {
        self.phi = phi;
        self
    }

    /// With a path of several tags.
    pub(super) fn within(mut self, tags: &[u32]) -> Self {
        self.path = tags.iter().map(|tag| Tag(*tag).to_string()).collect::<Vec<_>>().join(" > ").into();
        self
    }

    /// With a meaning in place of the attribute's name.
    pub(super) fn meaning(mut self, doc: &'static str) -> Self {
        self.doc = Cow::Borrowed(doc);
        self
    }
}

/// A column that is worked out.
pub(super) fn computed(name: &'static str, path: &'static str, phi: PhiClass, doc: &'static str, read: Read) -> Column {
    Column { name, path: path.into(), phi, doc: doc.into(), unit: None, identifies_patient: false, read }
}

/// A column of one attribute: path, class and meaning are the dictionary's.
fn of_attribute(name: &'static str, keyword: &str, within: &str, read: impl FnOnce(Tag) -> Read) -> Column {
    // Keywords are ours to get right: a test asks for each.
    let known = dictionary::by_keyword(keyword);
    let tag = known.map_or(Tag(0), |known| known.tag);
    let path = if within.is_empty() { tag.to_string() } else { format!("{within} > {tag}") };
    let doc = known.map_or("", |known| known.name);
    Column { name, path: path.into(), phi: dictionary::phi(tag), doc: doc.into(), unit: None, identifies_patient: false, read: read(tag) }
}

/// A column of an attribute of the file's data set.
pub(super) fn file(name: &'static str, keyword: &str, form: Form) -> Column {
    of_attribute(name, keyword, "", |tag| Read::File(tag, form))
}

/// A column of an attribute of the row's item.
pub(super) fn item(name: &'static str, keyword: &str, form: Form) -> Column {
    of_attribute(name, keyword, "", |tag| Read::Item(tag, form))
}

/// A column of an attribute of what is around the row's item.
pub(super) fn parent(which: usize, name: &'static str, keyword: &str, form: Form) -> Column {
    of_attribute(name, keyword, "", |tag| Read::Parent(which, tag, form))
}

/// What a table has rows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    Instances,
    Frames,
    Elements,
    DirectoryRecords,
    ContentItems,
    Segments,
    Structures,
    Contours,
    Beams,
    Doses,
    Channels,
    Samples,
    Findings,
}

/// Takes the rows of a file, one by one.
pub(super) type Add<'a> = dyn for<'r> FnMut(&Row<'r>) -> Result<(), FormatError> + 'a;

impl Rows {
    /// Whether a file has one row.
    pub(super) fn is_one(self) -> bool {
        matches!(self, Self::Instances | Self::Doses)
    }

    /// Calls back with each row of a file.
    pub(super) fn each(self, row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
        match self {
            Self::Instances => {
                if row.record.file.is_directory() {
                    return Ok(());
                }
                add(row)
            }
            Self::Frames => frames::each(row, add),
            Self::Elements => elements::each(row, add),
            Self::DirectoryRecords => structured::directory_records(row, add),
            Self::ContentItems => structured::content_items(row, add),
            Self::Segments => structured::segments(row, add),
            Self::Structures => structured::structures(row, add),
            Self::Contours => structured::contours(row, add),
            Self::Beams => structured::beams(row, add),
            Self::Doses => structured::doses(row, add),
            Self::Channels => structured::channels(row, add),
            Self::Samples => structured::samples(row, add),
            Self::Findings => {
                let file = row.record.file;
                let all = file.findings().iter().chain(file.text_findings());
                for (position, finding) in all.enumerate() {
                    add(&Row { finding: Some(finding), number: position as i64 + 1, ..*row })?;
                }
                Ok(())
            }
        }
    }
}

/// One table.
pub(super) struct Table {
    pub(super) name: &'static str,
    doc: &'static str,
    pub(super) rows: Rows,
    pub(super) columns: Vec<Column>,
}

impl Table {
    pub(super) fn new(name: &'static str, doc: &'static str, rows: Rows, columns: Vec<Column>) -> Self {
        Self { name, doc, rows, columns }
    }
}

/// A table with the columns that all have.
pub(super) fn table(name: &'static str, doc: &'static str, rows: Rows, more: Vec<Column>) -> Table {
    let mut columns = instances::common();
    columns.extend(more);
    Table::new(name, doc, rows, columns)
}

/// The tables, the default one first.
pub(super) fn tables() -> &'static [Table] {
    static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
        let mut tables = vec![instances::instances(), frames::frames(), elements::elements()];
        tables.extend(structured::tables());
        tables.extend([elements::findings(), instances::raw()]);
        tables
    });
    &TABLES
}

/// The tables as the engine sees them.
pub fn definitions() -> &'static [TableDef] {
    static DEFINITIONS: LazyLock<Vec<TableDef>> = LazyLock::new(|| {
        let definition = |column: &Column| {
            let mut definition =
                ColumnDef::new(column.name, column.read.data_type(), column.path.as_ref(), column.phi.clone(), column.doc.as_ref());
            definition.unit = column.unit.map(str::to_owned);
            if column.identifies_patient { definition.identifies_patient() } else { definition }
        };
        tables().iter().map(|table| TableDef::new(table.name, table.doc, table.columns.iter().map(definition).collect())).collect()
    });
    &DEFINITIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_of_known_attributes_and_have_one_name_each() {
        for table in tables() {
            let mut names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
            for column in &table.columns {
                let (Read::File(tag, _) | Read::Item(tag, _) | Read::Parent(_, tag, _)) = column.read else { continue };
                assert_ne!(tag, Tag(0), "{}.{}", table.name, column.name);
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.columns.len(), "{}", table.name);
        }
    }
}
