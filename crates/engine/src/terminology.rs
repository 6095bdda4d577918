//! The user's files of terminology: opened, told apart by their content, and made ready for SQL and conversion.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;
use sutura_terminology::{FileKind, Limits, Loaded, Terminology, TerminologyError, UserTerminology};

/// Code systems, value sets and maps out of the user's files.
#[derive(Debug, Clone)]
pub struct TerminologyFiles {
    /// What they hold, beside what is compiled in.
    pub terminology: Arc<UserTerminology>,
    /// The files, in the order in which they were read.
    pub files: Vec<TerminologyFile>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TerminologyFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// What it held.
    #[serde(flatten)]
    pub loaded: Loaded,
}

impl TerminologyFile {
    /// The hash of the file's bytes.
    ///
    /// # Errors
    /// When it cannot be read again.
    pub fn sha256(&self) -> Result<Sha256Hash, TerminologyFileError> {
        let mut hash = Sha256::new();
        let hashed = File::open(&self.path).and_then(|mut file| {
            let mut block = vec![0; 1 << 18];
            loop {
                match file.read(&mut block)? {
                    0 => return Ok(()),
                    read => hash.update(&block[..read]),
                }
            }
        });
        hashed.map_err(|error| unreadable(&self.path, &error))?;
        Ok(Sha256Hash(hash.finalize().into()))
    }
}

/// Why a file of terminology could not be used. It names the file, and nothing that stands in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TerminologyFileError {
    /// The system does not give it.
    #[error("{path}: {reason}")]
    Unreadable {
        /// Where it is.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// It is none, or it is broken.
    #[error("{path}: {source}")]
    Wrong {
        /// Where it is.
        path: String,
        /// What is wrong.
        source: TerminologyError,
    },
    /// A folder in which there is nothing of it.
    #[error(
        "{path}: the folder has no file of terminology; wanted are .json, .ndjson, .csv, .tgz and .zip files, the first three also with .gz"
    )]
    EmptyFolder {
        /// Where it is.
        path: String,
    },
}

impl TerminologyFileError {
    /// The file or folder.
    pub fn path(&self) -> &str {
        match self {
            Self::Unreadable { path, .. } | Self::Wrong { path, .. } | Self::EmptyFolder { path } => path,
        }
    }
}

/// The names that files of terminology in a folder end with.
const ENDINGS: [&str; 8] = [".json", ".ndjson", ".csv", ".tgz", ".zip", ".json.gz", ".ndjson.gz", ".csv.gz"];

impl TerminologyFiles {
    /// Loads files, and folders to any depth. What a file is its content tells. In a folder JSON files without terminology are passed over (packages
    /// have some); all other files that end like one of terminology have to be one.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn load(paths: &[impl AsRef<Path>]) -> Result<Self, TerminologyFileError> {
        let mut own = Terminology::empty();
        let mut files = Vec::new();
        for path in paths {
            let path = path.as_ref();
            if !path.is_dir() {
                files.push(load_one(&mut own, path)?);
                continue;
            }
            let before = files.len();
            for file in files_below(path)? {
                match load_one(&mut own, &file) {
                    Ok(loaded) => files.push(loaded),
                    Err(TerminologyFileError::Wrong { source: TerminologyError::UnknownKind { .. }, .. }) if is_json(&file) => {}
                    Err(error) => return Err(error),
                }
            }
            if files.len() == before {
                return Err(TerminologyFileError::EmptyFolder { path: path.display().to_string() });
            }
        }
        Ok(Self { terminology: Arc::new(UserTerminology::new(own)), files })
    }

    /// What all files held together.
    pub fn loaded(&self) -> Loaded {
        let mut all = Loaded::default();
        self.files.iter().for_each(|file| all += file.loaded);
        all
    }
}

fn load_one(own: &mut Terminology, path: &Path) -> Result<TerminologyFile, TerminologyFileError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    // A pipe or a device has no end to look for.
    if !file.metadata().map_err(|error| unreadable(path, &error))?.is_file() {
        return Err(TerminologyFileError::Unreadable { path: path.display().to_string(), reason: "it is no plain file".to_owned() });
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.split('.').next().unwrap_or_default();
    let (kind, loaded) = own
        .load_file(name, io::BufReader::new(file), &Limits::default())
        .map_err(|source| TerminologyFileError::Wrong { path: path.display().to_string(), source })?;
    Ok(TerminologyFile { path: path.to_owned(), kind, loaded })
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, TerminologyFileError> {
    const DEEPEST: usize = 32;
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries =
            fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(|error| unreadable(&folder, &error))?;
        for entry in entries {
            let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
            if name.starts_with('.') {
                continue;
            }
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
            if kind.is_dir() && depth < DEEPEST {
                open.push((entry.path(), depth + 1));
            } else if !kind.is_dir() && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn unreadable(path: &Path, error: &io::Error) -> TerminologyFileError {
    TerminologyFileError::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_loaded_and_what_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let codes = write("own/99LAB.csv", "code,display\nGLU,Glucose\n");
        write("own/deep/system.json", r#"{"resourceType":"CodeSystem","url":"urn:x","concept":[{"code":"a"}]}"#);
        write("own/package.json", r#"{"name":"CANARY"}"#);
        write("own/readme.txt", "CANARY");
        let files = TerminologyFiles::load(&[folder.path().join("own")]).unwrap();
        assert_eq!(files.files.iter().map(|file| file.kind).collect::<Vec<_>>(), [FileKind::Csv, FileKind::Fhir]);
        assert_eq!((files.loaded().code_systems, files.loaded().concepts), (2, 2));
        assert!(files.terminology.own().code_system("99LAB").is_some(), "a file's name is that of the system of its codes");
        assert_eq!(TerminologyFiles::load(&[&codes]).unwrap().loaded().concepts, 1);

        let broken = write("broken/x.csv", "CANARY,b\n1,2\n");
        let empty = write("empty/readme.txt", "CANARY");
        let absent = folder.path().join("absent");
        for (path, words) in [
            (broken.as_path(), "not a file of terminology"),
            (broken.parent().unwrap(), "x.csv"),
            (empty.parent().unwrap(), "the folder has no file"),
            (absent.as_path(), "absent"),
        ] {
            let said = TerminologyFiles::load(&[path]).unwrap_err().to_string();
            assert!(said.contains(words) && !said.contains("CANARY"), "{said}");
        }
    }
}
