//! All-or-nothing output on a local disk.
//!
//! Everything is written into `<parent>/.tmp-<name>-<run>/data`, whose `lock` file is held as long as
//! the run lives. Publishing syncs files and folders and renames `data` onto the target; where the
//! system can, an existing output is exchanged with the new one in one step. What a killed run left
//! behind is hidden from readers and swept by the next run to the same target, which recognises it by
//! the lock that nobody holds.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Layout, SinkSpec,
    file::{FileSink, WriteFailure},
    manifest,
};
use crate::{EngineError, Result};

/// A stage without a lock is younger than this while its run is starting.
const STARTING: Duration = Duration::from_hours(1);

/// The hidden folder of one run.
pub(super) struct LocalStage {
    stage: PathBuf,
    target: PathBuf,
    layout: Layout,
    overwrite: bool,
    /// The output may hold identifying columns: nobody but the owner may read it, whatever the umask.
    private: bool,
    failure: WriteFailure,
    /// Held as long as the run lives.
    _lock: File,
}

impl LocalStage {
    /// Refuses an existing target unless it may be replaced, sweeps what dead runs left, makes the stage.
    pub(super) fn open(spec: &SinkSpec) -> Result<Self> {
        let path = spec.location.strip_prefix("file://").unwrap_or(&spec.location);
        let target = resolve(Path::new(path)).map_err(|source| failed(&spec.location, source))?;
        let name = target.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let (Some(parent), Some(name)) = (target.parent().map(Path::to_owned), name) else {
            return Err(EngineError::BadOutput {
                location: spec.location.clone(),
                reason: "cannot be an output; give a folder or file with a name".to_owned(),
            });
        };
        check_target(&target, spec.layout, spec.overwrite)?;
        fs::create_dir_all(&parent).map_err(|source| failed(&parent.display().to_string(), source))?;
        sweep(&parent, &name);
        let stage = parent.join(format!(".tmp-{name}-{}", run_id()));
        let lock = make_stage(&stage, spec.allow_phi.is_some()).map_err(|source| failed(&stage.display().to_string(), source))?;
        Ok(Self {
            stage,
            target,
            layout: spec.layout,
            overwrite: spec.overwrite,
            private: spec.allow_phi.is_some(),
            failure: WriteFailure::default(),
            _lock: lock,
        })
    }

    fn data(&self) -> PathBuf {
        self.stage.join("data")
    }

    /// Begins a file; its folders are made as needed.
    pub(super) fn create(&self, relative: &str) -> Result<FileSink> {
        let path = self.data().join(relative);
        let create = || {
            if let Some(folder) = path.parent() {
                make_folder(folder, self.private)?;
            }
            new_file(&path, self.private)
        };
        let file = create().map_err(|source| failed(&self.folder(), source))?;
        Ok(FileSink::local(file, self.failure.clone()))
    }

    /// Why a file could not be written, if that is so.
    pub(super) fn failure(&self) -> Option<EngineError> {
        self.failure.found().map(|source| EngineError::Write { location: self.folder(), source })
    }

    /// The folder in which the output is going to be.
    fn folder(&self) -> String {
        self.target.parent().unwrap_or(&self.target).display().to_string()
    }

    /// Makes the output visible, complete and durable.
    pub(super) fn publish(&self, manifest: Option<&[u8]>) -> Result<()> {
        check_target(&self.target, self.layout, self.overwrite)?;
        let publish = || {
            if let Some(manifest) = manifest {
                let path = self.data().join(manifest::MANIFEST);
                let mut file = new_file(&path, self.private)?;
                file.write_all(manifest)?;
                file.sync_all()?;
            }
            sync_folders(&self.data())?;
            match self.layout {
                Layout::File => self.publish_file()?,
                Layout::Parts | Layout::Single => self.publish_folder()?,
            }
            sync_folder(self.target.parent().unwrap_or(Path::new(".")))
        };
        publish().map_err(|source| failed(&self.target.display().to_string(), source))
    }

    fn publish_file(&self) -> io::Result<()> {
        let Some(name) = self.target.file_name() else { return Err(ErrorKind::InvalidInput.into()) };
        let file = self.data().join(name);
        if self.overwrite {
            return fs::rename(file, &self.target);
        }
        // A hard link never replaces; a rename would replace what appeared meanwhile.
        match fs::hard_link(&file, &self.target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            Err(_) => fs::rename(file, &self.target),
        }
    }

    fn publish_folder(&self) -> io::Result<()> {
        let data = self.data();
        match fs::rename(&data, &self.target) {
            Err(error) if self.overwrite && matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {}
            other => return other,
        }
        if exchange(&data, &self.target).is_ok() {
            return Ok(());
        }
        // Two steps; the earlier output stays under a visible name should the run die between them.
        let name = self.target.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.target.with_file_name(format!("{name}.replaced-{}", run_id()));
        fs::rename(&self.target, &aside)?;
        fs::rename(&data, &self.target)?;
        fs::remove_dir_all(aside)
    }
}

impl Drop for LocalStage {
    fn drop(&mut self) {
        // What is still there is unfinished, or the output that was replaced.
        if let Err(error) = fs::remove_dir_all(&self.stage) {
            tracing::warn!(folder = %self.stage.display(), %error, "a temporary folder could not be removed");
        }
    }
}

/// The absolute target, symbolic links resolved where it or its parent exists.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    if let Ok(real) = absolute.canonicalize() {
        return Ok(real);
    }
    match (absolute.parent().and_then(|parent| parent.canonicalize().ok()), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.join(name)),
        _ => Ok(absolute),
    }
}

/// Whether the target may be written: not there, empty, or ours and to be replaced.
fn check_target(target: &Path, layout: Layout, overwrite: bool) -> Result<()> {
    let location = target.display().to_string();
    let bad = |reason: &str| Err(EngineError::BadOutput { location: location.clone(), reason: reason.to_owned() });
    let Ok(kind) = fs::metadata(target) else { return Ok(()) };
    match layout {
        Layout::File if kind.is_dir() => bad("is a folder; give a file name"),
        // Renaming onto /dev/null would put a file in its place.
        Layout::File if !kind.is_file() => bad("is a device or a pipe; give a file name"),
        Layout::File if !overwrite => Err(EngineError::OutputExists { location }),
        Layout::File => Ok(()),
        Layout::Parts | Layout::Single if !kind.is_dir() => bad("is a file; give a folder"),
        Layout::Parts | Layout::Single => {
            let mut entries = fs::read_dir(target).map_err(|source| failed(&location, source))?;
            if entries.next().is_none() {
                return Ok(());
            }
            if !overwrite {
                return Err(EngineError::OutputExists { location });
            }
            match foreign_file(target) {
                None => Ok(()),
                Some(file) => bad(&format!(
                    "is not replaced: {file} was not written by a Sutura sink; remove the folder yourself or give another one"
                )),
            }
        }
    }
}

/// A file below `folder` that its manifest does not list; a folder without a manifest is foreign as a whole.
fn foreign_file(folder: &Path) -> Option<String> {
    let listed = fs::read(folder.join(manifest::MANIFEST)).ok().and_then(|bytes| manifest::listed_files(&bytes));
    let Some(mut known) = listed else { return Some("its content".to_owned()) };
    known.push(manifest::MANIFEST.to_owned());
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let Ok(entries) = fs::read_dir(&current) else { return Some(current.display().to_string()) };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(folder).ok().and_then(Path::to_str).map(|text| text.replace('\\', "/"));
            if !relative.is_some_and(|relative| known.contains(&relative)) {
                return Some(path.display().to_string());
            }
        }
    }
    None
}

/// Removes the stages of runs that are no longer alive. Failure to sweep is no failure to write.
fn sweep(parent: &Path, name: &str) {
    let prefix = format!(".tmp-{name}-");
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_stage = entry.file_name().to_str().and_then(|file| file.strip_prefix(&prefix)).is_some_and(is_run_id);
        if is_stage && abandoned(&entry.path()) {
            tracing::info!(folder = %entry.path().display(), "removing what an interrupted run left behind");
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn abandoned(stage: &Path) -> bool {
    match File::open(stage.join("lock")) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
        Err(_) => fs::metadata(stage)
            .and_then(|folder| folder.modified())
            .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > STARTING)),
    }
}

/// Makes a folder and those above it; with access for the owner only, if it is private.
fn make_folder(folder: &Path, private: bool) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if private {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    #[cfg(not(unix))]
    let _ = private;
    builder.create(folder)
}

/// Makes a file that was not there; with access for the owner only, if it is private.
fn new_file(path: &Path, private: bool) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    options.open(path)
}

/// Makes the stage; its lock appears under its name only once it is held.
fn make_stage(stage: &Path, private: bool) -> io::Result<File> {
    make_folder(&stage.join("data"), private)?;
    let lock = File::create_new(stage.join("lock.new"))?;
    // On a file system without locks nobody can hold it, so nobody takes the stage for abandoned.
    let _ = lock.try_lock();
    fs::rename(stage.join("lock.new"), stage.join("lock"))?;
    Ok(lock)
}

/// A name that no other run has.
pub(super) fn run_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{}-{nanos}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn is_run_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Syncs a folder and every folder below it.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn exchange(_a: &Path, _b: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn failed(location: &str, source: io::Error) -> EngineError {
    if source.kind() == ErrorKind::AlreadyExists || source.kind() == ErrorKind::DirectoryNotEmpty {
        return EngineError::OutputExists { location: location.to_owned() };
    }
    EngineError::Write { location: location.to_owned(), source }
}
