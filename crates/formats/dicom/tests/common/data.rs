//! The shared test data, and the files below a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder of DICOM files of the shared test data; says so where it is absent.
pub(crate) fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let beside = || {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .find(|above| above.join("ARCHITECTURE.md").is_file())
            .map(|root| root.join("../shared/data"))
    };
    let folder = given.map(PathBuf::from).or_else(beside)?;
    if folder.is_dir() {
        return Some(folder.join("dicom"));
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

/// All files below a folder.
pub(crate) fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}
