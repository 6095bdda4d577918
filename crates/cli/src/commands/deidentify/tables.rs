//! Tables, released in their own format: CSV, Parquet and Arrow. Columns of which nobody says what they hold are left out.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use csv::ByteRecord;
use sutura_core::{ColumnMeta, PhiClass};
use sutura_deid::{Ledger, Outcome as Ending};
use sutura_engine::arrow::{
    array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringViewArray, StringViewBuilder},
    compute::{cast, is_not_null, kernels::zip::zip},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use sutura_jobs::{functions::dates, model::DateFormat};
use sutura_privacy::{Deidentifier, PrivacyError, SchemaPlan};

use super::{
    super::whole,
    account::Rejected,
    arrow_files,
    columns::{ColumnFile, Known},
    documents::{Kind, Released},
    out::PartWriter,
};
use crate::failure::{Failure, Outcome};

/// Rows of a batch.
pub(super) const ROWS: usize = 8192;
/// Bytes of text after which a batch is ended.
const TEXT: usize = 16 << 20;
/// Rows of a file that are refused one by one; a file with more is no table.
const MOST_REJECTS: usize = 100_000;
/// Columns of a table.
const MOST_COLUMNS: usize = 10_000;
/// So much of a file says what stands between its fields.
const HEAD: usize = 64 << 10;

/// How dates are read of which nothing is said: what can be mistaken for nothing else.
const PLAIN: [DateFormat; 2] = [DateFormat::Iso, DateFormat::Hl7];

/// The policy for tables, and what their columns hold.
pub(super) struct Tables {
    privacy: Deidentifier,
    columns: ColumnFile,
    /// Facts of the run for the files that have a place for them.
    metadata: BTreeMap<String, String>,
}

/// Why a whole table is not released.
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Refused {
    pub(super) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    fn unreadable(error: &io::Error) -> Self {
        // The kind of the error only: the words of the system may hold anything.
        Self::new("not-readable", format!("the file cannot be read: {}", error.kind()))
    }
}

/// A table that is not released, or a failure that no other file would be spared.
pub(super) enum Not {
    Refused(Refused),
    Failed(Failure),
}

impl From<Refused> for Not {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<PrivacyError> for Not {
    fn from(error: PrivacyError) -> Self {
        match error {
            PrivacyError::Plan { .. } => Self::Refused(Refused::new("columns-refused", error.to_string())),
            error => Self::Failed(Failure::failed(error)),
        }
    }
}

/// What is known of a table that is being released.
pub(super) struct Table {
    pub(super) plan: SchemaPlan,
    pub(super) known: Known,
    /// Values, or rows, of columns without a class.
    pub(super) unknown: u64,
    /// Of each known column the dates that have none of the forms.
    formless: Vec<u64>,
}

impl Tables {
    pub(super) fn new(privacy: Deidentifier, columns: ColumnFile, metadata: BTreeMap<String, String>) -> Self {
        Self { privacy, columns, metadata }
    }

    /// Releases a table, batch by batch.
    ///
    /// # Errors
    /// When nothing more can be written, or keys or vault fail.
    pub(super) fn release(&self, path: &Path, kind: Kind, most: usize, mut out: PartWriter) -> Outcome<(Released, PartWriter)> {
        let mut released =
            Released { kind, table: None, records: 0, rejected: Vec::new(), ledger: Ledger::new(), has_notice: false, bytes_in: 0 };
        let done = match kind {
            Kind::Csv => self.csv(path, most, &mut released, &mut out),
            _ => arrow_files::release(self, path, kind, &mut released, &mut out),
        };
        // The first failure of the output is the cause of whatever else went wrong.
        if let Some(failure) = out.take_failure() {
            return Err(failure);
        }
        match done {
            Ok(table) => {
                let word = table.known.table.as_deref().unwrap_or(kind.word());
                released.ledger.columns(word, &table.plan);
                for ((_, field), count) in table.known.columns.iter().zip(&table.formless) {
                    released.ledger.values(&format!("{word}.{}", field.name()), &PhiClass::Date, Ending::Suppressed, *count);
                }
                // Names of unknown columns may be anything.
                released.ledger.values(&format!("{word}.(column without class)"), &PhiClass::FreeText, Ending::Unknown, table.unknown);
                released.ledger.document(usize::try_from(released.bytes_in).unwrap_or(usize::MAX), out.bytes() as usize);
                released.table.clone_from(&table.known.table);
                released.has_notice = table.plan.output_schema().metadata().contains_key("sutura.notice");
                Ok((released, out))
            }
            Err(Not::Failed(failure)) => Err(failure),
            Err(Not::Refused(Refused { code, reason })) => {
                let rejected = Rejected { path: path.to_owned(), offset: 0, code, location: String::new(), reason };
                // Nothing of it is released, whatever was read before.
                Ok((Released { records: 1, rejected: vec![rejected], ledger: Ledger::new(), ..released }, out))
            }
        }
    }

    /// The plan of a table.
    pub(super) fn table(&self, path: &Path, schema: &Schema) -> Result<Table, Not> {
        let known = self.columns.known(&stem(path), schema);
        if known.columns.is_empty() {
            let reason = "nothing says what the columns of the table hold; say it in a file, and give that with --columns";
            return Err(Refused::new("columns-unknown", reason).into());
        }
        let fields: Vec<Field> = known.columns.iter().map(|(_, field)| field.clone()).collect();
        let plan = self.privacy.plan_table(known.table.as_deref(), &Schema::new(fields))?;
        if plan.output_schema().fields().is_empty() {
            return Err(Refused::new("columns-refused", "the policy leaves no column of the table").into());
        }
        Ok(Table { plan, formless: vec![0; known.columns.len()], known, unknown: 0 })
    }

    /// The schema of the file that is written: plain types, and the facts of the run.
    pub(super) fn stored(&self, table: &Table) -> SchemaRef {
        let schema = table.plan.output_schema();
        let mut metadata = schema.metadata().clone();
        metadata.extend(self.metadata.iter().map(|(key, fact)| (key.clone(), fact.clone())));
        let fields: Vec<Field> = schema.fields().iter().map(|field| arrow_files::plain_field(field)).collect();
        Arc::new(Schema::new_with_metadata(fields, metadata))
    }

    fn csv(&self, path: &Path, most: usize, released: &mut Released, out: &mut PartWriter) -> Result<Table, Not> {
        let input = whole::open(path).map_err(|error| Refused::unreadable(&error))?;
        let (room, read) = (Arc::new(AtomicUsize::new(most)), Arc::new(AtomicUsize::new(0)));
        let mut input = BufReader::with_capacity(HEAD, Bounded { input, room: Arc::clone(&room), read: Arc::clone(&read) });
        let head = input.fill_buf().map_err(|error| Refused::unreadable(&error))?;
        let is_utf_16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
        let (form, mark) = (Form::of(head), usize::from(head.starts_with(b"\xef\xbb\xbf")) * 3);
        if is_utf_16 {
            return Err(Refused::new("not-utf-8", "the file is UTF-16; save it as UTF-8").into());
        }
        input.consume(mark);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(form.delimiter).from_reader(input);
        let mut row = ByteRecord::new();
        let not_table = || Refused::new("not-a-table", "the file has no header line of a table in UTF-8");
        if !matches!(reader.read_byte_record(&mut row), Ok(true)) || row.len() > MOST_COLUMNS {
            return Err(not_table().into());
        }
        let names: Option<Vec<String>> = row.iter().map(|name| Some(std::str::from_utf8(name).ok()?.trim().to_owned())).collect();
        let names = names.ok_or_else(not_table)?;
        let width = names.len();
        let schema = Schema::new(names.into_iter().map(|name| Field::new(name, DataType::Utf8View, true)).collect::<Vec<_>>());
        let mut table = self.table(path, &schema)?;
        let mut is_known = vec![false; width];
        table.known.columns.iter().for_each(|(place, _)| is_known[*place] = true);

        let terminator = if form.has_returns { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().delimiter(form.delimiter).terminator(terminator).from_writer(&mut *out);
        let no_room = |_: csv::Error| Not::Failed(Failure::failed("the table cannot be written"));
        let output = table.plan.output_schema();
        writer.write_record(output.fields().iter().map(|field| field.name())).map_err(no_room)?;
        let mut builders: Vec<StringViewBuilder> = table.known.columns.iter().map(|_| StringViewBuilder::new()).collect();
        let (mut rows, mut bytes) = (0, 0);
        loop {
            room.store(most, Ordering::Relaxed);
            // Of two characters at the end of a line the reader leaves the second for later.
            let offset = reader.position().byte() + mark as u64 + u64::from(form.has_returns);
            let mut reject = |code, reason: &str| {
                released.records += 1;
                released.rejected.push(Rejected {
                    path: path.to_owned(),
                    offset,
                    code,
                    location: String::new(),
                    reason: reason.to_owned(),
                });
            };
            let is_end = match reader.read_byte_record(&mut row) {
                Ok(is_there) => !is_there,
                Err(_) if room.load(Ordering::Relaxed) == 0 => {
                    reject("too-large", "a row is longer than --max-file allows; what follows it was not read");
                    true
                }
                Err(_) => {
                    reject("not-readable", "the file cannot be read on; what follows was not read");
                    true
                }
            };
            if !is_end {
                let texts: Option<Vec<&str>> =
                    table.known.columns.iter().map(|(place, _)| std::str::from_utf8(row.get(*place).unwrap_or_default()).ok()).collect();
                match texts {
                    _ if row.len() != width => reject("ragged-row", "the row has another number of fields than the header"),
                    None => reject("not-utf-8", "a field of the row is not UTF-8"),
                    Some(texts) => {
                        released.records += 1;
                        rows += 1;
                        for (builder, text) in builders.iter_mut().zip(texts) {
                            bytes += text.len();
                            builder.append_option((!text.is_empty()).then_some(text));
                        }
                        table.unknown +=
                            row.iter().zip(&is_known).filter(|(field, is_known)| !**is_known && !field.is_empty()).count() as u64;
                    }
                }
                if released.rejected.len() > MOST_REJECTS {
                    let reason = format!("more than {MOST_REJECTS} of its rows cannot be read");
                    return Err(Refused::new("not-a-table", reason).into());
                }
            }
            if rows == ROWS || bytes >= TEXT || is_end && rows > 0 {
                let columns = builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
                let treated = table.treat(columns, rows)?;
                write_rows(&treated, &mut writer).map_err(no_room)?;
                (rows, bytes) = (0, 0);
            }
            if is_end {
                break;
            }
        }
        writer.flush().map_err(|_| Not::Failed(Failure::failed("the table cannot be written")))?;
        released.bytes_in = read.load(Ordering::Relaxed) as u64;
        Ok(table)
    }
}

impl Table {
    /// Treats the known columns of some rows.
    pub(super) fn treat(&mut self, mut columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Not> {
        for (at, column) in columns.iter_mut().enumerate() {
            let is_date = ColumnMeta::from_field(&self.known.columns[at].1).phi == Some(PhiClass::Date);
            let is_text = matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
            if is_date && is_text {
                self.formless[at] += iso_dates(column, self.known.formats[at].as_deref())?;
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.plan.input_schema(), columns, &options).map_err(defect)?;
        Ok(self.plan.apply(&batch)?)
    }
}

fn defect(_: ArrowError) -> Not {
    Refused::new("not-a-table", "its columns have not the types that it states").into()
}

/// Writes the dates of a column in ISO 8601. Of stated forms one must fit, else the value goes; where none are stated, what has another form
/// is left to the policy's method. How many went.
fn iso_dates(column: &mut ArrayRef, formats: Option<&[DateFormat]>) -> Result<u64, Not> {
    let failed = |_: String| Not::from(Refused::new("not-a-table", "a column of dates cannot be read as text"));
    let dates = dates::standardise(column, formats.unwrap_or(&PLAIN)).map_err(failed)?;
    let gone = (dates.null_count() - column.null_count().min(dates.null_count())) as u64;
    let dates = if gone == 0 || formats.is_some() {
        dates
    } else {
        zip(&is_not_null(&dates).map_err(defect)?, &dates, &cast(column, &DataType::Utf8View).map_err(defect)?).map_err(defect)?
    };
    *column = cast(&dates, column.data_type()).map_err(defect)?;
    Ok(if formats.is_some() { gone } else { 0 })
}

/// Rows as text.
fn write_rows<W: io::Write>(batch: &RecordBatch, writer: &mut csv::Writer<W>) -> Result<(), csv::Error> {
    let texts: Vec<Option<StringViewArray>> = batch
        .columns()
        .iter()
        .map(|column| cast(column, &DataType::Utf8View).ok()?.as_any().downcast_ref::<StringViewArray>().cloned())
        .collect();
    for row in 0..batch.num_rows() {
        for column in &texts {
            let value = column.as_ref().filter(|column| column.is_valid(row)).map_or("", |column| column.value(row));
            writer.write_field(value)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

/// The name of a file up to its first point: that of the table.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// How the fields and lines of a file are kept apart.
struct Form {
    delimiter: u8,
    has_returns: bool,
}

impl Form {
    /// By the first line: of commas, semicolons, tabs and bars the one that it has most of.
    fn of(head: &[u8]) -> Self {
        let (mut counts, mut is_quoted, mut end) = ([0usize; 4], false, head.len());
        let known = [b',', b';', b'\t', b'|'];
        for (at, byte) in head.iter().enumerate() {
            match byte {
                b'"' => is_quoted = !is_quoted,
                b'\n' if !is_quoted => {
                    end = at;
                    break;
                }
                byte if !is_quoted => {
                    if let Some(place) = known.iter().position(|known| known == byte) {
                        counts[place] += 1;
                    }
                }
                _ => {}
            }
        }
        // The first of equals is the comma.
        let most = (0..known.len()).rev().max_by_key(|place| counts[*place]).unwrap_or_default();
        Self { delimiter: known[most], has_returns: head[..end].ends_with(b"\r") }
    }
}

/// An input of which no row is longer than there is room for.
struct Bounded<R> {
    input: R,
    room: Arc<AtomicUsize>,
    read: Arc<AtomicUsize>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room.load(Ordering::Relaxed);
        if room == 0 {
            return Err(io::Error::other("a row is too long"));
        }
        let length = buffer.len().min(room);
        let read = self.input.read(&mut buffer[..length])?;
        self.room.fetch_sub(read, Ordering::Relaxed);
        self.read.fetch_add(read, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells_what_stands_between_fields() {
        let of = |head: &[u8]| {
            let form = Form::of(head);
            (char::from(form.delimiter), form.has_returns)
        };
        assert_eq!(of(b"a,b\n1;2;3;4\n"), (',', false));
        assert_eq!(of(b"a;b;c,d\r\n"), (';', true));
        assert_eq!(of(b"\"a;b;c\"\tb\n"), ('\t', false));
        assert_eq!(of(b"alone"), (',', false));
    }

    #[test]
    fn dates_are_written_as_iso() {
        let column = || Arc::new(StringViewArray::from(vec![Some("19400317"), Some("1940-03-17"), Some("03/17/1940"), None])) as ArrayRef;
        let texts = |column: &ArrayRef| -> Vec<Option<String>> {
            column.as_any().downcast_ref::<StringViewArray>().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
        };
        let iso = Some("1940-03-17".to_owned());
        let mut plain = column();
        assert!(matches!(iso_dates(&mut plain, None), Ok(0)));
        assert_eq!(texts(&plain), [iso.clone(), iso.clone(), Some("03/17/1940".to_owned()), None]);
        let mut stated = column();
        assert!(matches!(iso_dates(&mut stated, Some(&[DateFormat::MonthDayYear])), Ok(2)));
        assert_eq!(texts(&stated), [None, None, iso, None]);
    }
}
