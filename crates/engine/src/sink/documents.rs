//! Rows as files of their own: the column `file` names them below the output's folder, `content` is what is in them.

use std::{
    collections::HashMap,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Schema},
};
use sutura_core::{ColumnMeta, Sha256Hash};
use tokio::sync::mpsc;

use super::{Shared, WrittenFile, file::FileSink, part::Message};
use crate::{EngineError, Result};

/// The column with the names.
pub const FILE_COLUMN: &str = "file";
/// The column with the bytes or text.
pub const CONTENT_COLUMN: &str = "content";
/// Files that are made durable together: a disk takes several flushes in little more time than one.
const FLUSHED_TOGETHER: usize = 32;
/// Or files with so many bytes, which a store may want to hold until then.
const FLUSHED_BYTES: usize = 64 << 20;
/// A name may have so many bytes, and each of its parts what file systems allow.
const LONGEST_NAME: usize = 1024;
const LONGEST_PART: usize = 255;

/// The names that were given, with what is in the files.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<String, [u8; 32]>>);

impl Names {
    /// Whether the name is to be written: `false` where a file with the same content has it already, an error where that content is another.
    fn take(&self, name: &str, hash: [u8; 32]) -> Result<bool, &'static str> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get(name) {
            Some(known) if *known == hash => Ok(false),
            Some(_) => Err("two rows with different content have the same name; select one of them, or put more into the names"),
            None => {
                names.insert(name.to_owned(), hash);
                Ok(true)
            }
        }
    }
}

/// Checks that a table can be written as files.
pub(super) fn check(schema: &Schema) -> Result<(), String> {
    let field = |name: &str| {
        schema
            .field_with_name(name)
            .map_err(|_| format!("no column {name:?}; the format files needs the columns {FILE_COLUMN:?} and {CONTENT_COLUMN:?}"))
    };
    let (name, content) = (field(FILE_COLUMN)?, field(CONTENT_COLUMN)?);
    if ColumnMeta::from_field(name).must_refuse() {
        return Err(format!(
            "the column {FILE_COLUMN:?} cannot name files: identifying values never become file names, whatever the purpose; give it treated values"
        ));
    }
    let is_text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_bytes = |kind: &DataType| matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    match (is_text(name.data_type()), is_text(content.data_type()) || is_bytes(content.data_type())) {
        (false, _) => Err(format!("the column {FILE_COLUMN:?} is no text")),
        (_, false) => Err(format!("the column {CONTENT_COLUMN:?} is neither text nor bytes")),
        _ => Ok(()),
    }
}

/// Turns what comes through the queue into files.
pub(super) fn encode(shared: &Arc<Shared>, mut receiver: mpsc::Receiver<Message>) -> Result<Vec<WrittenFile>> {
    let mut writer = Writer { shared, waiting: Vec::new(), waiting_bytes: 0, done: Vec::new() };
    while let Some(message) = receiver.blocking_recv() {
        match message {
            Message::Batch(batch) => writer.write(&batch)?,
            Message::LastRow => {}
            Message::End => {
                writer.flush()?;
                return Ok(writer.done);
            }
        }
    }
    Ok(Vec::new())
}

struct Writer<'s> {
    shared: &'s Arc<Shared>,
    /// Written, and not durable yet.
    waiting: Vec<(String, FileSink)>,
    waiting_bytes: usize,
    done: Vec<WrittenFile>,
}

impl Writer<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let column = |name: &str, as_type: DataType| -> Result<ArrayRef> {
            let column = batch.column_by_name(name).ok_or_else(|| self.bad("a column is missing"))?;
            Ok(cast(column, &as_type)?)
        };
        let (names, contents) = (column(FILE_COLUMN, DataType::Utf8View)?, column(CONTENT_COLUMN, DataType::BinaryView)?);
        let (names, contents) = (names.as_string_view(), contents.as_binary_view());
        for row in 0..batch.num_rows() {
            // The name is not said: it may be anything.
            if names.is_null(row) || contents.is_null(row) {
                return Err(self.bad("a row has no file name or no content; filter such rows out, or give them one"));
            }
            let (name, content) = (names.value(row), contents.value(row));
            check_name(name).map_err(|why| self.bad(why))?;
            if !self.shared.names.take(name, Sha256Hash::of(content).0).map_err(|why| self.bad(why))? {
                continue;
            }
            let mut file = self.shared.place.create(name)?;
            let written = file.write_all(content);
            written.map_err(|source| EngineError::Write { location: name.to_owned(), source })?;
            self.waiting.push((name.to_owned(), file));
            self.waiting_bytes += content.len();
            if self.waiting.len() >= FLUSHED_TOGETHER || self.waiting_bytes >= FLUSHED_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Makes the waiting files durable.
    fn flush(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let committed: Vec<_> = std::thread::scope(|scope| {
            let commits: Vec<_> = waiting.into_iter().map(|(name, file)| scope.spawn(move || (name, file.commit()))).collect();
            commits.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        for joined in committed {
            let (name, committed) = joined.map_err(|_| EngineError::Task("a thread that writes files panicked".to_owned()))?;
            let (bytes, hash) = committed.map_err(|source| EngineError::Write { location: name.clone(), source })?;
            self.done.push(WrittenFile { path: name, rows: 1, bytes, sha256: hash.to_string() });
        }
        Ok(())
    }

    fn bad(&self, reason: &str) -> EngineError {
        EngineError::BadOutput { location: self.shared.spec.location.clone(), reason: reason.to_owned() }
    }
}

/// A name that stays below the folder, and is no file of ours.
fn check_name(name: &str) -> Result<(), &'static str> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.len() <= LONGEST_PART
            && !part.starts_with(['.', '_'])
            && !part.contains(|letter: char| letter.is_control() || matches!(letter, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%'))
    };
    if name.len() <= LONGEST_NAME && name.split('/').all(is_plain) {
        return Ok(());
    }
    Err("a file name is no relative path of plain parts: letters and digits, none empty, none beginning with a point or an underscore")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        for good in ["a.dcm", "patient-1/2.25.17/x.dcm", "é/b c.json"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(256);
        for bad in ["", "/etc/x", "a//b", "../x", "a/..", ".hidden", "a\\b", "C:x", "_manifest.json", "a\nb", "a%2e", long.as_str()] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_taken_once() {
        let names = Names::default();
        assert_eq!(names.take("a", [1; 32]), Ok(true));
        assert_eq!(names.take("a", [1; 32]), Ok(false));
        assert!(names.take("a", [2; 32]).is_err());
    }
}
