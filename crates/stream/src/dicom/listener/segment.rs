//! A segment of the log: a file of fixed size, written to once with zeros, so that a record costs one write to the disk and nothing of the file system.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use super::{
    buffer::{BLOCK, Buffer},
    filing::Name,
    record,
    store::private,
};

/// Segments have this extension; no reader of images looks at it.
pub(super) const EXTENSION: &str = "log";
/// Bytes of zeros that are written at once.
const ZEROS: usize = 1 << 20;

/// A file that records are added to until it is full.
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    /// Whether a write is durable when it is done.
    is_synchronous: bool,
    size: usize,
    /// Where the next record goes.
    at: usize,
    epoch: u64,
    /// When its first record was written.
    since: Option<Instant>,
    /// Files on the disk that records of it are about.
    pub(super) placed: Vec<String>,
    /// Names of files that should be there and could not be written; of rejects, nothing.
    pub(super) unplaced: Vec<Option<Name>>,
    /// Whether a write failed, so that nothing may be added.
    is_spoilt: bool,
}

impl Segment {
    /// Makes one of `size` bytes, a multiple of a block. It is on the disk, its name included only once the folder is synced.
    pub(super) fn create(path: &Path, size: usize) -> io::Result<Self> {
        match Self::create_with(open(path, true), path, size) {
            // Memory of another alignment, or a file system that has its files in memory.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Self::create_with(open(path, false), path, size),
            segment => segment,
        }
    }

    fn create_with(opened: io::Result<(File, bool)>, path: &Path, size: usize) -> io::Result<Self> {
        let (mut file, is_synchronous) = opened?;
        let mut zeros = Buffer::with_room(ZEROS);
        zeros.advance(ZEROS);
        let mut left = size;
        while left > 0 {
            let now = left.min(ZEROS);
            let zeros = zeros.as_ref().get(..now).unwrap_or_default();
            if let Err(error) = file.write_all(zeros) {
                let _ = fs::remove_file(path);
                return Err(error);
            }
            left -= now;
        }
        file.sync_all()?;
        Ok(Self {
            path: path.to_owned(),
            file,
            is_synchronous,
            size,
            at: 0,
            epoch: new_epoch(),
            since: None,
            placed: Vec::new(),
            unplaced: Vec::new(),
            is_spoilt: false,
        })
    }

    /// Whether so many more bytes fit.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        !self.is_spoilt && self.size - self.at >= bytes
    }

    /// Whether it has no record.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Whether its first record was written so long ago.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= age)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a record. It is durable when this comes back.
    pub(super) fn append(&mut self, sequence: u64, line: &[u8], file: Option<&mut Buffer>) -> io::Result<()> {
        let length = file.as_ref().map_or(0, |file| file.len());
        let size = record::size_of(line.len(), length);
        if !self.has_room(size) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let bytes = record::head(self.epoch, sequence, line, length);
        let mut head = Buffer::with_room(bytes.len());
        head.push(&bytes);
        let file: &[u8] = match file {
            Some(file) => file.padded(),
            None => &[],
        };
        self.since.get_or_insert_with(Instant::now);
        // A record that is not written whole is where reading ends: nothing may follow it.
        self.is_spoilt = true;
        self.file.seek(SeekFrom::Start(self.at as u64))?;
        let written = self.file.write_vectored(&[IoSlice::new(head.padded()), IoSlice::new(file)])?;
        if written < size {
            // Whole blocks were written, so that what is left is aligned too; anything else is an error.
            let head = head.padded();
            self.file.write_all(head.get(written..).unwrap_or_default())?;
            self.file.write_all(file.get(written.saturating_sub(head.len())..).unwrap_or_default())?;
        }
        if !self.is_synchronous {
            self.file.sync_data()?;
        }
        self.is_spoilt = false;
        self.at += size;
        Ok(())
    }

    /// Forgets its records, durably.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        let mut zeros = Buffer::with_room(BLOCK);
        zeros.advance(BLOCK);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(zeros.padded())?;
        self.file.sync_data()?;
        (self.at, self.epoch, self.since) = (0, new_epoch(), None);
        self.is_spoilt = false;
        self.placed.clear();
        self.unplaced.clear();
        Ok(())
    }

    /// Removes it from the disk.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// The bytes of a segment.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One that no other round has.
fn new_epoch() -> u64 {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    now.wrapping_add(ROUNDS.fetch_add(1, Ordering::Relaxed))
}

/// A file to write to, past the page cache if `direct`, and whether what is written is durable.
#[cfg(target_os = "linux")]
fn open(path: &Path, direct: bool) -> io::Result<(File, bool)> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let flags = if direct { OFlags::DIRECT | OFlags::DSYNC } else { OFlags::DSYNC };
    let file = private(OpenOptions::new().write(true).create(true).truncate(true)).custom_flags(flags.bits() as i32).open(path)?;
    Ok((file, true))
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path, _direct: bool) -> io::Result<(File, bool)> {
    Ok((private(OpenOptions::new().write(true).create(true).truncate(true)).open(path)?, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_there_until_it_is_reset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        let mut segment = Segment::create(&path, 64 << 10).unwrap();
        let sizes = || record::records(&read(&path).unwrap()).map(|(_, record)| record.line.len()).collect::<Vec<_>>();
        for round in 0..3 {
            assert!(segment.is_empty() && sizes().is_empty());
            for length in 1..=10usize {
                segment.append(round * 100 + length as u64, &vec![b'x'; length * 500], None).unwrap();
            }
            assert_eq!(sizes(), (1..=10).map(|length| length * 500).collect::<Vec<_>>());
            let mut file = Buffer::with_room(60 << 10);
            file.advance(60 << 10);
            assert!(segment.append(round * 100 + 50, b"x", Some(&mut file)).is_err());
            assert_eq!(sizes().len(), 10);
            segment.reset().unwrap();
        }
        segment.remove().unwrap();
        assert!(!path.exists());
    }
}
