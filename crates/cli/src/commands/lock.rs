//! One run at a time in a folder of results.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::failure::{Failure, Outcome};

const NAME: &str = ".sutura-lock";

/// Held as long as a run writes into a folder. A killed run's lock is free: it is the lock that counts, not the file.
pub(super) struct FolderLock {
    path: PathBuf,
    /// Whether the folder was made for this.
    is_new: bool,
    _file: File,
}

impl FolderLock {
    /// Takes the folder, which is made when it is not there.
    pub(super) fn take(folder: &Path) -> Outcome<Self> {
        let failed = |error: io::Error| Failure::io(&folder.display().to_string(), &error);
        let is_new = !folder.exists();
        fs::create_dir_all(folder).map_err(failed)?;
        let path = folder.join(NAME);
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        // One that ended just now has taken the name away: then the next run would lock another file.
        match file.try_lock() {
            Ok(()) if path.exists() => Ok(Self { path, is_new, _file: file }),
            Ok(()) | Err(TryLockError::WouldBlock) => {
                let message = format!("{}: another run writes there; wait for it, or give another folder", folder.display());
                Err(Failure::configuration(message))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        // A folder that was made and that nothing was written into goes, too.
        if let Some(folder) = self.path.parent().filter(|_| self.is_new) {
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_run() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("out");
        let lock = FolderLock::take(&folder).unwrap();
        assert!(FolderLock::take(&folder).is_err_and(|failure| failure.code == 2 && failure.message.contains("another run")));
        drop(lock);
        assert!(!folder.exists(), "nothing was written");
        let lock = FolderLock::take(&folder).unwrap();
        fs::write(folder.join("result"), "x").unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
