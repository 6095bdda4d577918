//! Reads the files that belong to a job, none of them without bound: a device or the wrong file must not fill the memory.

use std::{fs::File, io::Read, path::Path};

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
