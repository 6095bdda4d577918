//! What was sent by earlier runs.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::files::Instance;

/// A line of the state file: a file that the receiver has.
#[derive(Serialize, Deserialize)]
struct Line {
    path: PathBuf,
    size: u64,
    modified: u128,
    /// Whom it was sent to: title, host and port.
    to: String,
}

/// Bytes of a line at most: paths end before.
const LONGEST_LINE: u64 = 1 << 20;

/// The state file, or nothing where none is wanted.
pub(super) struct State {
    to: String,
    sent: HashMap<PathBuf, (u64, u128)>,
    file: Option<Mutex<File>>,
}

impl State {
    /// Reads it. Lines that are cut off, and those of other receivers, count for nothing.
    pub(super) fn open(path: Option<&Path>, to: String) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self { to, sent: HashMap::new(), file: None }) };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file"));
        }
        let mut sent = HashMap::new();
        let mut line = Vec::new();
        let mut reader = BufReader::new(&file);
        let mut is_torn = false;
        while reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
            is_torn = !line.ends_with(b"\n");
            if is_torn && line.len() as u64 == LONGEST_LINE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line is longer than any that was written here: not a state file",
                ));
            }
            if let Ok(known) = serde_json::from_slice::<Line>(&line)
                && known.to == to
            {
                sent.insert(known.path, (known.size, known.modified));
            }
            line.clear();
        }
        file.seek(SeekFrom::End(0))?;
        // A line that was cut off stays one of its own.
        if is_torn {
            file.write_all(b"\n")?;
        }
        Ok(Self { to, sent, file: Some(Mutex::new(file)) })
    }

    /// Whether that file, as it is now, was sent before.
    pub(super) fn has(&self, path: &Path, mark: (u64, u128)) -> bool {
        self.sent.get(path) == Some(&mark)
    }

    /// Remembers that it was sent. A line that is lost in a crash means that the file is sent twice, which harms nobody.
    pub(super) fn remember(&self, instance: &Instance) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let line = Line { path: instance.path.clone(), size: instance.size, modified: instance.modified, to: self.to.clone() };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        match &self.file {
            Some(file) => file.lock().unwrap_or_else(PoisonError::into_inner).sync_data(),
            None => Ok(()),
        }
    }
}
