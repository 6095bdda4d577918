//! Where released files go: each is made whole on a hidden stage, brought to the disk, and then given its name.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;
use sutura_deid::dicom::OutputName;

use crate::failure::{Failure, Outcome};

/// The hidden folder in OUT.
const STAGE: &str = ".sutura-deidentify";

/// The hidden folder that files are made in. A lock keeps a second run out; what a killed run left goes with the next one.
pub(super) struct Stage {
    folder: PathBuf,
    next: AtomicU64,
    _lock: File,
}

impl Stage {
    /// A stage in OUT, which is made when it is not there.
    pub(super) fn open(out: &Path) -> Outcome<Arc<Self>> {
        let folder = out.join(STAGE);
        let failed = |error: io::Error| Failure::io(&folder.display().to_string(), &error);
        if fs::symlink_metadata(&folder).is_ok_and(|found| !found.is_dir()) {
            let message = format!("{}: is in the way; take it away, or give another folder", folder.display());
            return Err(Failure::configuration(message));
        }
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        fs::create_dir_all(out).and_then(|()| builder.recursive(true).create(&folder)).map_err(failed)?;
        let lock = File::options().write(true).create(true).truncate(false).open(folder.join("lock")).map_err(failed)?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Failure::configuration(format!(
                "{}: another run writes there; wait for it, or give another folder",
                out.display()
            )));
        }
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // What is not ours stays.
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_part = name.strip_suffix(".part").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
            if is_part && entry.file_type().map_err(failed)?.is_file() {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Arc::new(Self { folder, next: AtomicU64::new(0), _lock: lock }))
    }

    /// Begins a file that has no name yet.
    pub(super) fn begin(self: &Arc<Self>) -> Outcome<PartWriter> {
        let path = self.folder.join(format!("{}.part", self.next.fetch_add(1, Ordering::Relaxed)));
        let part = Part { path, stage: Arc::clone(self), digest: [0; 32] };
        let file = File::create_new(&part.path).map_err(|error| part.failed(&error))?;
        Ok(PartWriter { part, file: BufWriter::new(file), hash: Sha256::new(), bytes: 0, failure: None })
    }

    /// Writes a file that has no name yet, on disk.
    pub(super) fn write(self: &Arc<Self>, bytes: &[u8]) -> Outcome<Part> {
        let path = self.folder.join(format!("{}.part", self.next.fetch_add(1, Ordering::Relaxed)));
        let part = Part { path, stage: Arc::clone(self), digest: Sha256::digest(bytes).into() };
        let write = |mut file: File| file.write_all(bytes).and_then(|()| file.sync_all());
        File::create_new(&part.path).and_then(write).map_err(|error| Failure::io(&part.stage.folder.display().to_string(), &error))?;
        Ok(part)
    }
}

/// A file without a name that is being written.
pub(super) struct PartWriter {
    part: Part,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    /// What went wrong first, for encoders that only say that something did.
    failure: Option<Failure>,
}

/// For encoders.
impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::write(self, bytes).map(|()| bytes.len()).map_err(|failure| {
            self.failure.get_or_insert(failure);
            io::Error::other("the output cannot be written")
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PartWriter {
    /// Bytes that were written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Why an encoder could not write.
    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| self.part.failed(&error))
    }

    /// Brings it to the disk; the file and its bytes.
    pub(super) fn finish(self) -> Outcome<(Part, u64)> {
        let Self { mut part, file, hash, bytes, .. } = self;
        let synced = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        synced.map_err(|error| part.failed(&error))?;
        part.digest = hash.finalize().into();
        Ok((part, bytes))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Parts remove themselves; a folder that holds anything else stays.
        let _ = fs::remove_file(self.folder.join("lock"));
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A whole file without a name. Dropped, it is removed.
pub(super) struct Part {
    path: PathBuf,
    stage: Arc<Stage>,
    digest: [u8; 32],
}

impl Part {
    fn failed(&self, error: &io::Error) -> Failure {
        Failure::io(&self.stage.folder.display().to_string(), error)
    }

    /// SHA-256 of its bytes.
    pub(super) fn sha256(&self) -> String {
        Sha256Hash(self.digest).to_string()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What became of a file that was to be given its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// It is there.
    New,
    /// It is there, in the place of one of before.
    Replaced,
    /// This run has written the very same file already.
    Duplicate,
    /// This run has written another file of that name.
    Taken,
}

/// Gives names.
pub(super) struct Publisher {
    out: PathBuf,
    overwrite: bool,
    /// Beginnings of the hashes of names and contents of this run.
    names: HashMap<[u8; 16], [u8; 16]>,
    folders: BTreeSet<PathBuf>,
}

impl Publisher {
    pub(super) fn new(out: &Path, overwrite: bool) -> Self {
        Self { out: out.to_owned(), overwrite, names: HashMap::new(), folders: BTreeSet::new() }
    }

    /// Gives a file its name below OUT.
    pub(super) fn publish(&mut self, part: &Part, name: &str) -> Outcome<Named> {
        let content = beginning(&part.digest);
        match self.names.get(&beginning(&Sha256::digest(name))) {
            Some(known) if *known == content => return Ok(Named::Duplicate),
            Some(_) => return Ok(Named::Taken),
            None => {}
        }
        let path = self.out.join(name);
        let failed = |error: io::Error| Failure::io(&path.display().to_string(), &error);
        let parent = path.parent().unwrap_or(&self.out);
        if !self.folders.contains(parent) {
            fs::create_dir_all(parent).map_err(failed)?;
            // The folders above it are new, too, as far as nobody knows.
            for folder in parent.ancestors().take_while(|folder| folder.starts_with(&self.out)) {
                self.folders.insert(folder.to_owned());
            }
        }
        let is_there = fs::symlink_metadata(&path).is_ok();
        if is_there && !self.overwrite {
            // OUT was empty when the run began.
            return Ok(Named::Taken);
        }
        fs::rename(&part.path, &path).map_err(failed)?;
        self.names.insert(beginning(&Sha256::digest(name)), content);
        Ok(if is_there { Named::Replaced } else { Named::New })
    }

    /// The names are on the disk, too.
    pub(super) fn sync(&self) -> Outcome<()> {
        #[cfg(unix)]
        for folder in self.folders.iter().chain([&self.out]) {
            File::open(folder).and_then(|opened| opened.sync_all()).map_err(|error| Failure::io(&folder.display().to_string(), &error))?;
        }
        Ok(())
    }
}

fn beginning(digest: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    out
}

/// A pattern that names files apart and below OUT.
pub(super) fn check_pattern(pattern: &str) -> Outcome<()> {
    OutputName::check_pattern(pattern).map_err(|why| Failure::configuration(format!("--pattern {pattern}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let stage = Stage::open(&out).unwrap();
        assert!(Stage::open(&out).is_err_and(|failure| failure.code == 2 && failure.message.contains("another run")));
        let mut publisher = Publisher::new(&out, false);
        let mut put = |bytes: &[u8]| publisher.publish(&stage.write(bytes).unwrap(), "a/b.dcm").unwrap();
        assert_eq!((put(b"one"), put(b"one"), put(b"two")), (Named::New, Named::Duplicate, Named::Taken));
        let mut publisher = Publisher::new(&out, true);
        assert_eq!(publisher.publish(&stage.write(b"two").unwrap(), "a/b.dcm").unwrap(), Named::Replaced);
        publisher.sync().unwrap();
        assert_eq!(fs::read(out.join("a/b.dcm")).unwrap(), b"two");
        drop(stage);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "the stage is gone");
    }
}
