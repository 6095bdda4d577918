//! Which files are looked at, and that nothing is written where they are.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use crate::failure::{Failure, Outcome};

/// The files behind some paths, each real one once, in the order of their paths. Names that begin with a point are passed over in folders.
pub(super) fn files(paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let mut found = Found::default();
    for path in paths {
        let before = found.files.len();
        let at = path.display();
        if path.to_string_lossy().contains("://") {
            return Err(Failure::configuration(format!("{at}: this command reads local files; copy them from the store first")));
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => found.walk(path, &|_| true),
            Ok(metadata) if metadata.is_file() => found.take(path),
            Ok(_) => return Err(Failure::configuration(format!("{at}: is neither a file nor a folder"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A path that exists is that path, whatever characters it has; only then is it a glob.
                let Some((base, matcher)) = glob(path)? else {
                    return Err(Failure::configuration(format!("{at}: there is no such file or folder")));
                };
                if base.is_dir() {
                    found.walk(&base, &|file| file.strip_prefix(&base).is_ok_and(|rest| matcher.is_match(rest)));
                }
                if found.files.len() == before {
                    return Err(Failure::configuration(format!("{at}: no file fits")));
                }
            }
            Err(error) => return Err(Failure::io(&at.to_string(), &error)),
        }
    }
    let mut files: Vec<PathBuf> = found.files.into_values().collect();
    files.sort_unstable();
    Ok(files)
}

/// What is read is not written to: OUT is no input, in no folder that is read, and holds nothing that is.
pub(super) fn refuse_output_in_input(paths: &[PathBuf], files: &[PathBuf], out: &Path) -> Outcome<()> {
    let out = real(out);
    for folder in paths.iter().filter(|path| path.is_dir()) {
        if out.starts_with(real(folder)) {
            let message = format!("{}: lies in {}, which is read; give a folder outside of it", out.display(), folder.display());
            return Err(Failure::configuration(message));
        }
    }
    match files.iter().find(|file| real(file).starts_with(&out)) {
        Some(file) => Err(Failure::configuration(format!(
            "{}: is read, so {} cannot be written to; give another folder",
            file.display(),
            out.display()
        ))),
        None => Ok(()),
    }
}

/// A path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut tail = Vec::new();
    let mut at = path.as_path();
    loop {
        if let Ok(mut real) = fs::canonicalize(at) {
            tail.iter().rev().for_each(|part| real.push(part));
            return real;
        }
        match (at.parent(), at.file_name()) {
            (Some(parent), Some(name)) => {
                tail.push(name.to_owned());
                at = parent;
            }
            _ => return path,
        }
    }
}

/// The folder before the first wildcard, and what fits behind it; `None` without a wildcard.
fn glob(path: &Path) -> Outcome<Option<(PathBuf, GlobMatcher)>> {
    let Some(text) = path.to_str() else { return Ok(None) };
    let Some(wildcard) = text.find(['*', '?', '[', '{']) else { return Ok(None) };
    let (base, pattern) = match text[..wildcard].rfind('/') {
        Some(0) => ("/", &text[1..]),
        Some(slash) => (&text[..slash], &text[slash + 1..]),
        None => (".", text),
    };
    let built = GlobBuilder::new(pattern).literal_separator(true).build();
    let built = built.map_err(|error| Failure::configuration(format!("{text}: not a glob: {}", error.kind())))?;
    Ok(Some((PathBuf::from(base), built.compile_matcher())))
}

#[derive(Default)]
struct Found {
    folders: HashSet<PathBuf>,
    /// Real path to the path by which it was found, the first in order.
    files: BTreeMap<PathBuf, PathBuf>,
}

impl Found {
    /// What cannot be looked at (no permission, a ring of links) is taken by its own name: it is a reject when its turn comes.
    fn take(&mut self, path: &Path) {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let path = path.strip_prefix(".").unwrap_or(path).to_owned();
        let known = self.files.entry(real).or_insert_with(|| path.clone());
        if path < *known {
            *known = path;
        }
    }

    fn walk(&mut self, folder: &Path, wanted: &dyn Fn(&Path) -> bool) {
        let mut pending = vec![folder.to_owned()];
        // A folder that two paths lead to may be wanted by one of them only.
        self.folders.clear();
        while let Some(folder) = pending.pop() {
            if !self.folders.insert(fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone())) {
                continue;
            }
            let Ok(entries) = fs::read_dir(&folder) else {
                self.take(&folder);
                continue;
            };
            for entry in entries {
                let Ok(entry) = entry else {
                    self.take(&folder);
                    break;
                };
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let path = entry.path();
                match fs::metadata(&path) {
                    Ok(metadata) if metadata.is_dir() => pending.push(path),
                    Ok(metadata) if metadata.is_file() && wanted(&path) => self.take(&path),
                    Ok(_) => {}
                    // A link to nowhere is no file.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(_) if wanted(&path) => self.take(&path),
                    Err(_) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_globs_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        for name in ["a/IM0001", "a/b/two.dcm", "a/.hidden.dcm", "a/odd [1].dcm"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let count = |paths: &[&str]| files(&paths.iter().map(|path| root.join(path)).collect::<Vec<_>>()).map(|files| files.len());
        assert_eq!(count(&["a"]).unwrap(), 3);
        assert_eq!(count(&["a", "a/b", "a/IM0001"]).unwrap(), 3);
        assert_eq!(count(&["a/odd [1].dcm"]).unwrap(), 1);
        assert_eq!(count(&["a/*.dcm"]).unwrap(), 1);
        assert_eq!(count(&["a/**/*.dcm"]).unwrap(), 2);
        assert_eq!(count(&["nowhere"]).unwrap_err().code, 2);
        assert_eq!(count(&["a/*.txt"]).unwrap_err().code, 2);
        let found = files(&[root.join("a")]).unwrap();
        let refuse = |out: &str| refuse_output_in_input(&[root.join("a")], &found, &root.join(out)).is_err();
        assert!(refuse("a") && refuse("a/new/deep") && refuse("."));
        assert!(!refuse("out") && !refuse("a b"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("a/ring"), root.join("a/ring")).unwrap();
            assert_eq!(count(&["a"]).unwrap(), 4, "a ring of links is looked at, and refused later");
            fs::remove_file(root.join("a/ring")).unwrap();
            std::os::unix::fs::symlink(root.join("a"), root.join("link")).unwrap();
            assert!(refuse("link/new"));
            assert_eq!(count(&["a", "link"]).unwrap(), 3);
        }
    }
}
