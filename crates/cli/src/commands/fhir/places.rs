//! Where commands write, and what they read: what stands in the way is said before anything is read or made.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use sutura_engine::files::SourceFile;

use crate::failure::{Failure, Outcome};

/// A folder that files are going to be made in. It may not be there yet.
pub(in crate::commands) fn require_folder(folder: &Path) -> Outcome<()> {
    if folder.to_string_lossy().contains("://") {
        // Files are made whole under a temporary name first, which only a file system can do.
        let message = format!("{}: this command writes into a local folder; copy the folder to the store afterwards", folder.display());
        return Err(Failure::configuration(message));
    }
    let at = nearest(folder)?;
    let bad = |what: &str| Err(Failure::configuration(format!("{}: {what}", at.display())));
    match fs::metadata(&at) {
        Ok(found) if !found.is_dir() => bad("is a file; give a folder"),
        Ok(_) => require_writable(&at),
        Err(error) if error.kind() == ErrorKind::NotFound => bad("is a link that leads nowhere; take it away, or give another folder"),
        Err(error) => bad(&format!("{error}; give another folder")),
    }
}

/// A file that is going to be written: a folder or a link that leads nowhere is no place for it, and its own folder has to be one.
pub(in crate::commands) fn require_file(file: &Path) -> Outcome<()> {
    if file.is_symlink() && !file.exists() {
        let message = format!("{}: is a link that leads nowhere; take it away, or give another file", file.display());
        return Err(Failure::configuration(message));
    }
    if file.is_dir() {
        return Err(Failure::configuration(format!("{}: is a folder; give a file", file.display())));
    }
    match file.parent() {
        Some(parent) if parent != Path::new("") => require_folder(parent),
        _ => require_folder(Path::new(".")),
    }
}

/// The folder, or the nearest one above it that is there, links as they are.
fn nearest(folder: &Path) -> Outcome<PathBuf> {
    let mut at = if folder == Path::new("") { Path::new(".") } else { folder };
    loop {
        match fs::symlink_metadata(at) {
            Ok(_) => return Ok(at.to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => match at.parent() {
                Some(parent) if parent == Path::new("") => at = Path::new("."),
                Some(parent) => at = parent,
                None => return Ok(at.to_owned()),
            },
            Err(error) => return Err(Failure::configuration(format!("{}: {error}; give another folder", at.display()))),
        }
    }
}

/// Whether files can be made there is known only by making one.
fn require_writable(folder: &Path) -> Outcome<()> {
    let probe = folder.join(format!(".sutura-{}.tmp", std::process::id()));
    let made = File::create_new(&probe);
    if made.is_ok() {
        // What could be made can be removed.
        let _ = fs::remove_file(&probe);
    }
    match made {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            let message =
                format!("{}: no file can be written there ({error}); give another folder, or the right to write", folder.display());
            Err(Failure::configuration(message))
        }
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Failure::io(&folder.display().to_string(), &error)),
        _ => Ok(()),
    }
}

/// What is read is never replaced: no file that is written, and nothing that lies in a folder that is.
pub(in crate::commands) fn refuse_own_input(files: &[Arc<SourceFile>], outputs: &[PathBuf]) -> Outcome<()> {
    let outputs: HashSet<PathBuf> = outputs.iter().filter_map(|output| output.canonicalize().ok()).collect();
    if outputs.is_empty() {
        return Ok(());
    }
    for input in files.iter().filter_map(|file| file.local.as_deref()?.canonicalize().ok()) {
        let what = if outputs.contains(&input) {
            "is read, so it cannot be written to as well; give another file"
        } else if input.parent().is_some_and(|folder| outputs.contains(folder)) {
            "is read, so its folder cannot be written to as well; give another folder"
        } else {
            continue;
        };
        return Err(Failure::configuration(format!("{}: {what}", input.display())));
    }
    Ok(())
}

/// The same for files and folders that are read beside the input: no output is one of them or lies in one.
pub(in crate::commands) fn refuse_own_files(read: &[PathBuf], outputs: &[PathBuf]) -> Outcome<()> {
    for path in read {
        let Ok(real) = path.canonicalize() else { continue };
        let outputs = outputs.iter().filter_map(|output| output.canonicalize().ok());
        if outputs.into_iter().any(|output| output.starts_with(&real)) {
            return Err(Failure::configuration(format!(
                "{}: is read, so it cannot be written to as well; give another file",
                path.display()
            )));
        }
    }
    Ok(())
}

/// The pipes among files: what is in them can be read once, and comes when somebody writes it.
pub(in crate::commands) fn pipes(files: &[Arc<SourceFile>]) -> Vec<PathBuf> {
    files.iter().filter_map(|file| file.local.clone()).filter(|path| is_pipe(path).unwrap_or(false)).collect()
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;
    Ok(fs::metadata(path)?.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("file"), "").unwrap();
        let why = |path: &Path| require_folder(path).map_err(|failure| (failure.code, failure.message));
        assert_eq!(why(&place("new/deep/folder")), Ok(()));
        assert!(!place("new").exists());
        for path in [place("file"), place("file/below/it")] {
            let (code, message) = why(&path).unwrap_err();
            assert!(code == 2 && message.contains("is a file") && message.contains("file"), "{message}");
        }
        assert!(require_file(folder.path()).unwrap_err().message.contains("is a folder"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(place("nowhere"), place("link")).unwrap();
            assert!(why(&place("link/below")).unwrap_err().1.contains("leads nowhere"));
            assert!(require_file(&place("link")).unwrap_err().message.contains("leads nowhere"));
        }
        assert!(why(Path::new("s3://bucket/out")).unwrap_err().1.contains("local folder"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), if cfg!(unix) { 2 } else { 1 }, "nothing stays behind");
    }
}
