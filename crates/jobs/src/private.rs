//! Files for the owner's eyes only: what leads back to persons and is kept so that the operator can find the originals.
//!
//! They are in the folder of the rejects, which holds identities of records too, and are made for their owner alone,
//! whatever the umask: files with mode 0600, folders with 0700.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{
    error::{JobError, Result},
    model::JobFile,
};

/// Where the private files of a job are: beside the rejects. A job without rejects has the folder all the same, unless a
/// sink took its name.
pub(crate) fn folder_of(spec: &JobFile, output: &Path) -> PathBuf {
    let folder = match &spec.rejects {
        Some(section) if !section.path.contains("://") => PathBuf::from(&section.path),
        _ => output.join("rejects"),
    };
    let taken = spec.sinks.iter().any(|sink| Path::new(&sink.path()) == folder);
    if taken { output.join(".private") } else { folder }
}

/// Makes a folder that only its owner can enter; one that is there already is closed to others.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    let make = || -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                fs::create_dir_all(parent)?;
            }
            builder.mode(0o700);
            builder.create(folder)?;
            if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            }
        }
        #[cfg(not(unix))]
        builder.create(folder)?;
        Ok(())
    };
    make().map_err(|error| JobError::io(folder, error))
}

/// Writes a file that only its owner can read, whole or not at all. Its folder is made.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(parent)?;
    }
    let write = || -> io::Result<()> {
        let staged = path.with_extension(format!("{}.tmp", path.extension().unwrap_or_default().to_string_lossy()));
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = create(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&staged, path)
    };
    write().map_err(|error| JobError::io(path, error))
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_and_folders_are_the_owners() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("out/rejects");
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let file = folder.join("names.ndjson");
        for content in ["first", "second"] {
            write(&file, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing half written is left");
    }
}
