//! Files that are whole or not there.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::Parts;

/// A file under a temporary name, which [`Staged::publish`] gives its own. Only its owner can read it. Dropped, it is removed.
pub(super) struct Staged {
    file: Option<File>,
    staged: PathBuf,
    path: PathBuf,
}

impl Staged {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let staged = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: Some(options.open(&staged)?), staged, path: path.to_owned() })
    }

    /// On disk, then under its own name. The caller syncs the folder.
    pub(super) fn publish(mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            let done = file.sync_all().and_then(|()| fs::rename(&self.staged, &self.path));
            if done.is_err() {
                let _ = fs::remove_file(&self.staged);
            }
            return done;
        }
        Ok(())
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(bytes.len()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.staged);
        }
    }
}

/// Makes a folder that only its owner can enter, unless it is there.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Bundles as files `bundle-00001.json`, `bundle-00002.json`, ... of a folder. Each is there when it is whole, and never before.
#[derive(Debug)]
pub struct BundleFolder {
    folder: PathBuf,
    overwrite: bool,
}

impl BundleFolder {
    /// The folder is made when it is not there. With `overwrite` files of the same names are replaced; without it they are an error.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: &Path, overwrite: bool) -> io::Result<Self> {
        make_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), overwrite })
    }

    /// The file of a part, counted from 0.
    pub fn path(&self, part: u64) -> PathBuf {
        self.folder.join(format!("bundle-{:05}.json", part + 1))
    }
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
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} exists", path.display())));
        }
        Ok(BundleFile(BufWriter::with_capacity(1 << 18, Staged::create(&path)?)))
    }

    fn close(&mut self, _part: u64, out: BundleFile) -> io::Result<()> {
        out.0.into_inner().map_err(io::IntoInnerError::into_error)?.publish()?;
        sync_folder(&self.folder)
    }
}
