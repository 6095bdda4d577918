//! The folder: names, files that are being written, space.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use rustix::fs::statvfs;
use sha2::{Digest, Sha256};

use super::{buffer::Buffer, config::ListenerConfig, segment::EXTENSION};
use crate::error::StreamError;

/// The file that says that a folder is one of a receiver.
const MARK: &str = ".lock";
/// What is in it while the receiver runs.
const OPEN: &[u8] = b"open\n";
/// Files that are being written, from the folder.
const INCOMING: &str = "incoming";
/// Their extension.
const PART: &str = "part";
/// Data sets that could not be understood, from the folder.
pub(super) const REJECTS: &str = "rejects";
/// The log, from the folder.
pub(super) const LOG: &str = "log";
/// The journal, from the folder.
pub(super) const JOURNAL: &str = "received.ndjson";
/// The journal of rejects, from their folder.
pub(super) const REJECTS_JOURNAL: &str = "rejects.ndjson";

/// The folder that instances are filed in.
pub(super) struct Store {
    pub(super) folder: PathBuf,
    incoming: PathBuf,
    min_free: u64,
    next: AtomicU64,
    /// Files of an earlier run that were never finished.
    pub(super) unfinished: u64,
    /// Whether the program ended without closing the store.
    pub(super) crashed: bool,
    /// Whether the program that ended had a log.
    pub(super) has_log: bool,
    /// Whether something is left in the log, so that the next start has to look at it.
    stays_open: AtomicBool,
    /// Held as long as the store is: one listener a folder. It has a word in it as long as the store is open.
    lock: File,
}

impl Store {
    /// Takes the folder, makes what is missing in it and removes what was never finished.
    pub(super) fn open(config: &ListenerConfig) -> Result<Self, StreamError> {
        let failed = |error| StreamError::Folder(config.folder.clone(), error);
        if !config.folder.is_dir() {
            make_folder(&config.folder).map_err(failed)?;
        }
        if !is_ours(&config.folder).map_err(failed)? {
            return Err(StreamError::FolderOfOthers(config.folder.clone()));
        }
        let mut lock = private(OpenOptions::new().write(true).create(true)).open(config.folder.join(MARK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StreamError::FolderInUse(config.folder.clone())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let crashed = lock.metadata().map_err(failed)?.len() > 0;
        lock.write_all(OPEN).and_then(|()| lock.sync_all()).map_err(failed)?;
        let (incoming, log) = (config.folder.join(INCOMING), config.folder.join(LOG));
        let has_log = log.is_dir();
        // What is in these is removed at some time: all of it has to be ours.
        let mut unfinished = Vec::new();
        for (folder, extension, found) in [(&incoming, PART, &mut unfinished), (&log, EXTENSION, &mut Vec::new())] {
            let known = numbered(folder, extension).map_err(failed)?;
            *found = known.ok_or_else(|| StreamError::FileOfOthers(folder.clone()))?;
        }
        make_folder(&incoming).map_err(failed)?;
        make_folder(&config.folder.join(REJECTS)).map_err(failed)?;
        make_folder(&log).map_err(failed)?;
        // All at once, so that no instance waits for its folder to be synced into this one.
        for number in 0..4096 {
            make_folder(&config.folder.join(format!("{number:03x}"))).map_err(failed)?;
        }
        unfinished.iter().try_for_each(fs::remove_file).map_err(failed)?;
        let unfinished = unfinished.len() as u64;
        sync_folder(&config.folder).map_err(failed)?;
        let (folder, min_free, next) = (config.folder.clone(), config.min_free_bytes, AtomicU64::new(0));
        let stays_open = AtomicBool::new(false);
        Ok(Self { folder, incoming, min_free, next, unfinished, crashed, has_log, stays_open, lock })
    }

    /// Whether so many more bytes leave enough space on the disk.
    pub(super) fn has_space(&self, bytes: u64) -> io::Result<bool> {
        let disk = statvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize) >= self.min_free.saturating_add(bytes))
    }

    /// Has the next start do what is in the log.
    pub(super) fn stays_open(&self) {
        self.stays_open.store(true, Ordering::Release);
    }

    /// A file to write to.
    pub(super) fn create(&self) -> io::Result<Temporary> {
        let path = self.incoming.join(format!("{}.{PART}", self.next.fetch_add(1, Ordering::Relaxed)));
        let (file, direct) = open_for_writing(&path)?;
        Ok(Temporary { path: Some(path), file, direct, written: 0 })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.stays_open.load(Ordering::Acquire) {
            // Where this fails, the next start looks at more than it has to.
            let _ = self.lock.set_len(0);
        }
    }
}

/// Folder and beginning of the file name of an instance: UIDs identify, and so are in no name.
pub(super) fn place_of(sop_instance: &str) -> String {
    let name = hex(&Sha256::digest(sop_instance.as_bytes()));
    format!("{}/{name}", &name[..3])
}

/// The file of the first, second, ... data set with that UID, from 1.
pub(super) fn path_of(place: &str, number: u32) -> String {
    if number <= 1 { format!("{place}.dcm") } else { format!("{place}-{number}.dcm") }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// A file that is being written. It is removed if it does not get its name.
pub(super) struct Temporary {
    path: Option<PathBuf>,
    file: File,
    /// Whether writes go past the page cache: whole blocks from aligned memory only.
    direct: bool,
    written: u64,
}

impl Temporary {
    /// Adds what is in the buffer. Only at the end may it be other than whole blocks.
    pub(super) fn write(&mut self, buffer: &mut Buffer) -> io::Result<()> {
        let length = buffer.len() as u64;
        if self.direct {
            match self.file.write_all(buffer.padded()) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.go_through_cache()?,
                Err(error) => return Err(error),
                Ok(()) => {
                    self.written += length;
                    return Ok(());
                }
            }
        }
        self.file.write_all(buffer.as_ref())?;
        self.written += length;
        Ok(())
    }

    /// The disk does not take direct writes of this form.
    fn go_through_cache(&mut self) -> io::Result<()> {
        let Some(path) = &self.path else { return Err(io::ErrorKind::NotFound.into()) };
        self.file = OpenOptions::new().write(true).open(path)?;
        self.file.seek(SeekFrom::Start(self.written))?;
        self.direct = false;
        Ok(())
    }

    /// Ends the writing. Behind it, whoever sees the name of the file sees all of its content, after a loss of power too:
    /// - what went through the page cache is synced here,
    /// - direct writes are on the disk already, and what a log commits comes behind them, so that they are synced together with the name.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if !self.direct {
            return self.file.sync_all();
        }
        if self.written.is_multiple_of(4096) { Ok(()) } else { self.file.set_len(self.written) }
    }

    /// Gives it its name, which must be free. Gives the file if it is still to be synced.
    pub(super) fn rename(&mut self, to: &Path) -> io::Result<Option<File>> {
        let Some(path) = &self.path else { return Ok(None) };
        fs::rename(path, to)?;
        self.path = None;
        if self.direct { self.file.try_clone().map(Some) } else { Ok(None) }
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(target_os = "linux")]
fn open_for_writing(path: &Path) -> io::Result<(File, bool)> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = OpenOptions::new();
    private(options.write(true).create_new(true)).custom_flags(rustix::fs::OFlags::DIRECT.bits() as i32);
    match options.open(path) {
        Ok(file) => Ok((file, true)),
        // A file system in memory, for one.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok((private(OpenOptions::new().write(true).create(true).truncate(true)).open(path)?, false))
        }
        Err(error) => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_for_writing(path: &Path) -> io::Result<(File, bool)> {
    Ok((private(OpenOptions::new().write(true).create_new(true)).open(path)?, false))
}

/// Readable by the owner alone, where the system has such rights.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match path.symlink_metadata() {
        Ok(there) if there.is_dir() => Ok(()),
        // A link would lead out of the folder.
        Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
        Err(_) => builder.recursive(true).create(path),
    }
}

/// Whether a folder is that of a receiver, or nobody's yet.
fn is_ours(folder: &Path) -> io::Result<bool> {
    match folder.join(MARK).symlink_metadata() {
        // Not a link: what it leads to would be written to.
        Ok(mark) => return Ok(mark.is_file() && mark.len() <= OPEN.len() as u64),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for entry in fs::read_dir(folder)? {
        // A disk of its own has it.
        if entry?.file_name() != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The files of a folder, if all of them are called by a number and this extension, and none is a link or a folder.
fn numbered(folder: &Path, extension: &str) -> io::Result<Option<Vec<PathBuf>>> {
    match folder.symlink_metadata() {
        Ok(there) if there.is_dir() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
        Err(error) => return Err(error),
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(extension)?.strip_suffix('.'));
        if !entry.file_type()?.is_file() || number.is_none_or(|number| number.parse::<u64>().is_err()) {
            return Ok(None);
        }
        found.push(entry.path());
    }
    Ok(Some(found))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Whether two files have the same transfer syntax and data set. The rest of the meta information says how the file came here.
pub(super) fn same_data_set(one: impl Read, other: impl Read) -> io::Result<bool> {
    let (mut one, mut other) = (io::BufReader::with_capacity(256 << 10, one), io::BufReader::with_capacity(256 << 10, other));
    if syntax_before_data_set(&mut one)? != syntax_before_data_set(&mut other)? {
        return Ok(false);
    }
    let (mut these, mut those) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let (here, there) = (fill(&mut one, &mut these)?, fill(&mut other, &mut those)?);
        if these[..here] != those[..there] {
            return Ok(false);
        }
        if here == 0 {
            return Ok(true);
        }
    }
}

fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Reads preamble and meta information of a file that we wrote; gives its transfer syntax.
fn syntax_before_data_set(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut begin = [0; 144];
    file.read_exact(&mut begin)?;
    let [.., a, b, c, d] = begin;
    let length = u32::from_le_bytes([a, b, c, d]);
    if &begin[128..132] != b"DICM" || begin[132..140] != *b"\x02\x00\x00\x00UL\x04\x00" || length > 1 << 16 {
        return Err(damaged());
    }
    let mut meta = vec![0; length as usize];
    file.read_exact(&mut meta)?;
    let mut rest = meta.as_slice();
    while let [2, 0, element, 0, v0, v1, l0, l1, after @ ..] = rest {
        let (length, value) = if [*v0, *v1] == *b"OB" {
            let Some((length, value)) = after.split_first_chunk::<4>() else { return Err(damaged()) };
            (u32::from_le_bytes(*length) as usize, value)
        } else {
            (usize::from(u16::from_le_bytes([*l0, *l1])), after)
        };
        let Some((value, after)) = value.split_at_checked(length) else { return Err(damaged()) };
        if *element == 0x10 {
            return Ok(value.to_vec());
        }
        rest = after;
    }
    Err(damaged())
}
