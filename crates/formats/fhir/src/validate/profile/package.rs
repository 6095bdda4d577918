//! Packages: folders, `.tgz` archives, single files.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{PackageError, ProfileStore};

const MOST_BYTES: u64 = 1 << 30;
const MOST_FILES: usize = 100_000;

pub(super) fn load(store: &mut ProfileStore, path: &Path) -> Result<(), PackageError> {
    if path.is_dir() {
        return folder(store, path);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.to_ascii_lowercase();
    if [".tgz", ".tar.gz"].iter().any(|ending| name.ends_with(ending)) {
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(File::open(path)?).take(MOST_BYTES + 1).read_to_end(&mut archive)?;
        if archive.len() as u64 > MOST_BYTES {
            return Err(PackageError::Archive);
        }
        return tar(store, &archive);
    }
    let mut text = Vec::new();
    let file = File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(file).take(MOST_BYTES).read_to_end(&mut text)?;
    } else {
        file.take(MOST_BYTES).read_to_end(&mut text)?;
    }
    add(store, &name, &text)
}

fn folder(store: &mut ProfileStore, root: &Path) -> Result<(), PackageError> {
    let mut open = vec![root.to_owned()];
    let mut count = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                count += 1;
                if count > MOST_FILES {
                    return Err(PackageError::Archive);
                }
                load(store, &path)?;
            }
        }
    }
    Ok(())
}

fn add(store: &mut ProfileStore, name: &str, text: &[u8]) -> Result<(), PackageError> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    store.add(serde_json::from_slice(text).map_err(|_| PackageError::Json { file: name.to_owned() })?);
    Ok(())
}

/// The JSON files of a tar archive: headers of 512 bytes, name at 0, size in octal at 124, type at 156.
fn tar(store: &mut ProfileStore, archive: &[u8]) -> Result<(), PackageError> {
    let mut rest = archive;
    while let Some((header, after)) = rest.split_at_checked(512) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let field = |from: usize, to: usize| {
            let bytes = &header[from..to];
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
        };
        let name = field(0, 100);
        let size = usize::from_str_radix(&field(124, 136), 8).map_err(|_| PackageError::Archive)?;
        let content = after.get(..size).ok_or(PackageError::Archive)?;
        let plain = matches!(header[156], b'0' | 0);
        // A package keeps its resources in `package/`; other folders hold examples and documents.
        let file = name
            .strip_prefix("package/")
            .filter(|file| !file.contains('/') && Path::new(file).extension().is_some_and(|extension| extension == "json"));
        if let Some(file) = file.filter(|file| plain && *file != "package.json" && !file.starts_with('.')) {
            add(store, file, content)?;
        }
        rest = after.get(size.next_multiple_of(512)..).unwrap_or(&[]);
    }
    Ok(())
}

impl From<PackageError> for io::Error {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}
