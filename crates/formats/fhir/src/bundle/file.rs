//! Files that are whole or not there.

use std::{
    fs::{self, File, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Parts, export::is_of_export};

/// What the names of stages begin with.
const STAGE: &str = ".sutura-";
/// So long a stage may be without its lock: it is being made.
const STARTING: Duration = Duration::from_mins(1);

/// A hidden folder inside the one that files are for. They are written there and moved out when they are whole. A lock in it says that its
/// run is alive; without one, the next run into the same folder removes it. It goes with the last of its files.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    /// Held as long as it is open.
    _lock: File,
}

impl Stage {
    /// A stage inside `target`, which is made when it is not there. What killed runs left in it goes.
    ///
    /// # Errors
    /// When a folder or its lock cannot be made.
    pub fn open(target: &Path) -> io::Result<Arc<Self>> {
        Self::make(target).map_err(at(target))
    }

    fn make(target: &Path) -> io::Result<Arc<Self>> {
        make_folder(target)?;
        sweep(target)?;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let folder = target.join(format!("{STAGE}{}-{since_epoch}", std::process::id()));
        make_folder(&folder)?;
        let lock = File::create_new(folder.join("lock.new"))?;
        // On a file system without locks nobody can hold it, so nobody takes the stage for abandoned.
        let _ = lock.try_lock();
        fs::rename(folder.join("lock.new"), folder.join("lock"))?;
        Ok(Arc::new(Self { folder, _lock: lock }))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the stages of runs that are no more. One that cannot be removed is no reason not to write.
fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_stage_name(&entry.file_name().to_string_lossy()) && entry.file_type()?.is_dir() && is_abandoned(&entry.path()) {
            let _ = remove_stage(&entry.path());
        }
    }
    Ok(())
}

/// `.sutura-PROCESS-NANOSECONDS`. A folder of the user's may begin with the same letters.
fn is_stage_name(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix(STAGE).and_then(|rest| rest.split_once('-')).is_some_and(|(process, time)| is_number(process) && is_number(time))
}

/// Removes a stage file by file, and nothing if it holds what no run puts there.
fn remove_stage(stage: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(stage)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() || !is_ours(&entry.file_name().to_string_lossy()) {
            return Ok(());
        }
        files.push(entry.path());
    }
    files.iter().try_for_each(fs::remove_file)?;
    fs::remove_dir(stage)
}

/// Whether a run puts a file of that name on its stage.
fn is_ours(name: &str) -> bool {
    let is_json = Path::new(name).extension().is_some_and(|end| end == "json" || end == "ndjson");
    matches!(name, "lock" | "lock.new") || is_json || is_of_export(name)
}

fn is_abandoned(stage: &Path) -> bool {
    match File::open(stage.join("lock")) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
        Err(_) => fs::metadata(stage).and_then(|found| found.modified()).is_ok_and(|made| made.elapsed().is_ok_and(|age| age > STARTING)),
    }
}

/// A file on a stage, which [`Staged::publish`] gives its place. Only its owner can read it. Dropped, it is removed.
#[derive(Debug)]
pub struct Staged {
    file: Option<File>,
    staged: PathBuf,
    path: PathBuf,
    published: bool,
    _stage: Arc<Stage>,
}

impl Staged {
    /// A file that is going to be `path`, which lies in the folder of the stage.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(stage: &Arc<Stage>, path: &Path) -> io::Result<Self> {
        let staged = stage.folder.join(path.file_name().unwrap_or_default());
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&staged).map_err(at(path))?;
        Ok(Self { file: Some(file), staged, path: path.to_owned(), published: false, _stage: Arc::clone(stage) })
    }

    /// On disk and closed, still on its stage.
    ///
    /// # Errors
    /// When it cannot be brought to the disk.
    pub fn seal(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), |file| file.sync_all()).map_err(at(&self.path))
    }

    /// On disk, then in its place. Without `overwrite` a file of that name that came meanwhile is an error. The caller syncs the folder.
    ///
    /// # Errors
    /// When it cannot be given its place.
    pub fn publish(mut self, overwrite: bool) -> io::Result<()> {
        self.seal()?;
        if overwrite {
            fs::rename(&self.staged, &self.path).map_err(at(&self.path))?;
            self.published = true;
            return Ok(());
        }
        match fs::hard_link(&self.staged, &self.path) {
            // Dropped, the name on the stage goes.
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            // A file system without links.
            Err(_) if self.path.exists() => Err(exists(&self.path)),
            Err(_) => {
                fs::rename(&self.staged, &self.path).map_err(at(&self.path))?;
                self.published = true;
                Ok(())
            }
        }
    }
}

fn exists(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("{} exists; give another folder, or allow overwriting", path.display()))
}

/// The error with its file, and what to do.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| {
        let words = match error.kind() {
            io::ErrorKind::StorageFull => "the disk that holds it is full: free some space there, or give another folder".to_owned(),
            io::ErrorKind::QuotaExceeded => "the disk quota there is used up: free some space, or give another folder".to_owned(),
            io::ErrorKind::FileTooLarge => {
                "a file may not grow so large there (ulimit -f, or a limit of the file system): allow it, or give another folder".to_owned()
            }
            io::ErrorKind::PermissionDenied => format!("{error}: give the right to write there, or another folder"),
            _ => format!("{error}: see to it there, or give another folder"),
        };
        io::Error::new(error.kind(), format!("{}: {words}", path.display()))
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(bytes.len()), |file| file.write(bytes)).map_err(at(&self.path))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush).map_err(at(&self.path))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.file = None;
        if !self.published {
            let _ = fs::remove_file(&self.staged);
        }
    }
}

/// Makes a folder that only its owner can enter, unless it is there.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(at(folder))?;
    Ok(())
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Stands in a folder while the Bundles of a set get their names. It is no name that a reader reads.
const INCOMPLETE: &str = "bundles.incomplete";
const INCOMPLETE_TEXT: &str = "\
The Bundles in this folder are no whole set: a run was putting them in their places when it ended. Each file is whole, but some may be missing or
be of an earlier set. Run it again with --overwrite; that takes this note away.
";

/// Bundles as files `bundle-00001.json`, `bundle-00002.json`, ... of a folder. They get their names when the last one is whole; what fails before
/// leaves the folder as it was. Several files cannot get their names at once: `bundles.incomplete` stands beside them while they do, and stays if
/// the run ends there. With `overwrite` the Bundles of an earlier set go.
#[derive(Debug)]
pub struct BundleFolder {
    folder: PathBuf,
    overwrite: bool,
    whole: Vec<Staged>,
    stage: Arc<Stage>,
}

impl BundleFolder {
    /// The folder is made when it is not there. With `overwrite` an earlier set is replaced; without it files of the same names are an error.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: &Path, overwrite: bool) -> io::Result<Self> {
        let stage = Stage::open(folder)?;
        Ok(Self { folder: folder.to_owned(), overwrite, whole: Vec::new(), stage })
    }

    /// The file of a part, counted from 0.
    pub fn path(&self, part: u64) -> PathBuf {
        self.folder.join(format!("bundle-{:05}.json", part + 1))
    }

    /// Bundles of an earlier, longer set.
    fn remove_from(&self, part: u64) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder).map_err(at(&self.folder))? {
            let entry = entry.map_err(at(&self.folder))?;
            if bundle_number(&entry.file_name().to_string_lossy()).is_some_and(|number| number > part) {
                remove_if_there(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// The number in `bundle-00001.json`.
fn bundle_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("bundle-")?.strip_suffix(".json")?;
    if number.len() < 5 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse().ok()
}

/// A Bundle's file that is not whole yet.
pub struct BundleFile(BufWriter<Staged>);

impl Write for BundleFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl std::fmt::Debug for BundleFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BundleFile")
    }
}

impl Parts for BundleFolder {
    type Out = BundleFile;

    fn open(&mut self, part: u64) -> io::Result<BundleFile> {
        let path = self.path(part);
        if !self.overwrite && path.exists() {
            return Err(exists(&path));
        }
        Ok(BundleFile(BufWriter::with_capacity(1 << 18, Staged::create(&self.stage, &path)?)))
    }

    fn close(&mut self, _part: u64, out: BundleFile) -> io::Result<()> {
        let mut staged = out.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        staged.seal()?;
        self.whole.push(staged);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let whole = std::mem::take(&mut self.whole);
        let parts = whole.len() as u64;
        let note = self.folder.join(INCOMPLETE);
        write_note(&note)?;
        sync_folder(&self.folder)?;
        for file in whole {
            file.publish(self.overwrite)?;
        }
        if self.overwrite {
            self.remove_from(parts)?;
        }
        sync_folder(&self.folder)?;
        remove_if_there(&note)?;
        sync_folder(&self.folder)
    }
}

fn write_note(note: &Path) -> io::Result<()> {
    // Never through a link that has the name.
    remove_if_there(note)?;
    let write = |mut file: File| file.write_all(INCOMPLETE_TEXT.as_bytes()).and_then(|()| file.sync_all());
    File::create_new(note).and_then(write).map_err(at(note))
}
