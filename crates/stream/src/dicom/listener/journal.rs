//! The journal: one line of JSON for every instance that was answered.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::store::private;

/// What became of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Stored in a new file.
    Stored,
    /// It was there already, with the same data set: the file is the one that was there.
    Duplicate,
    /// Another data set was there already with the same UID: this one is stored beside it.
    Differs,
    /// It could not be understood, and is kept in `rejects/`.
    Rejected,
    /// What a line before says was never answered, and is not whole: the program ended before. What there is of it is in `rejects/`.
    Withdrawn,
}

/// A line of the journal. UIDs identify: it belongs into the folder and not into a log, and its `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// When it was received to its end, UTC, RFC 3339.
    pub received_at: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The file, from the folder.
    pub path: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file as received; of a duplicate, the file that was there may differ in its meta information.
    pub sha256: String,
    /// SOP class UID.
    pub sop_class_uid: String,
    /// SOP instance UID.
    pub sop_instance_uid: String,
    /// Study instance UID, where the data set has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub study_instance_uid: Option<String>,
    /// Series instance UID, where the data set has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub series_instance_uid: Option<String>,
    /// Transfer syntax UID.
    pub transfer_syntax_uid: String,
    /// Title of the sender.
    pub calling_ae_title: String,
    /// Title that was called.
    pub called_ae_title: String,
    /// Codes of what is odd about it (`docs/src/reference/dicom.md`); of a reject, the first is why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub codes: Vec<String>,
    /// Why it was rejected, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Status that it was answered with.
    pub status: u16,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("outcome", &self.outcome)
            .field("bytes", &self.bytes)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Received {
    /// Adds its line.
    pub(super) fn append_to(&self, lines: &mut Vec<u8>) -> io::Result<()> {
        let begin = lines.len();
        if let Err(error) = serde_json::to_writer(&mut *lines, self) {
            lines.truncate(begin);
            return Err(error.into());
        }
        lines.push(b'\n');
        Ok(())
    }
}

/// A file that lines are added to, all or none at a time.
pub(super) struct Journal {
    file: File,
    /// Bytes that are known to be whole lines.
    whole: u64,
}

impl Journal {
    /// Opens it. A line without end at its end was never answered, and goes.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = private(OpenOptions::new().read(true).write(true).create(true)).open(path)?;
        let whole = whole_lines(&mut file)?;
        file.set_len(whole)?;
        file.sync_all()?;
        Ok(Self { file, whole })
    }

    /// Adds lines; they are not durable before [`Journal::sync`].
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.whole))?;
        if let Err(error) = self.file.write_all(lines) {
            self.file.set_len(self.whole)?;
            return Err(error);
        }
        self.whole += lines.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Bytes up to the last end of line.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut chunk = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(begin))?;
        chunk.clear();
        file.take(end - begin).read_to_end(&mut chunk)?;
        if let Some(last) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for (there, left) in [("", ""), ("{\"a\":1}\n", "{\"a\":1}\n"), ("{\"a\":1}\n{\"b\"", "{\"a\":1}\n"), ("{\"b\"", "")] {
            std::fs::write(&path, there).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left);
            journal.append(b"new\n").unwrap();
            journal.sync().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{left}new\n"));
        }
        let long = format!("first\n{}", "x".repeat(200_000));
        std::fs::write(&path, long).unwrap();
        Journal::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\n");
    }
}
