//! Reads the files that belong to a job, none of them without bound: a device or the wrong file must not fill the memory.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use sutura_core::Sha256Hash;

/// Most bytes of a job file or a query.
pub(crate) const TEXT_LIMIT: u64 = 4 << 20;
/// Most bytes of a code map or a list of allowed values, which are held in memory.
pub(crate) const LIST_LIMIT: u64 = 256 << 20;

/// The bytes of a file, or why they cannot be had.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("it is larger than {} MiB, the most such a file may have", limit >> 20));
    }
    Ok(bytes)
}

/// The text of a file, or why it cannot be had.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, String> {
    String::from_utf8(read_bytes(path, limit)?).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// Most bytes of a package of profiles.
const PACKAGE_LIMIT: u64 = 1 << 30;

/// Adds the hash of a package to a digest: of the file, or of every JSON file below the folder.
pub(crate) fn package_digest(path: &Path, digest: &mut Vec<u8>) -> Result<(), String> {
    if !path.is_dir() {
        digest.extend(Sha256Hash::of(&read_bytes(path, PACKAGE_LIMIT)?).to_string().into_bytes());
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(|error| error.to_string())?;
    let mut entries: Vec<_> = entries.into_iter().map(|entry| (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir()))).collect();
    entries.sort();
    for (entry, folder) in entries {
        if folder || entry.extension().is_some_and(|extension| extension == "json") {
            package_digest(&entry, digest)?;
        }
    }
    Ok(())
}
