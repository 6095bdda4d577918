//! Packages of definitions: `.tgz` archives as registries give them, folders, single files.
//!
//! An archive is read as a stream: no more than one of its files is in memory at a time, and every size is checked against
//! [`PackageLimits`] before it is used. Only the files of the archive's folder `package/` are read (others hold examples and
//! documents). Nothing is written to disk, so a name cannot lead anywhere; names that try are refused all the same.

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use serde_json::Value as Json;
use thiserror::Error;

use super::{PackageProblem, ProfileStore};
use crate::validate::IssueCode;

/// Why a package could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A file or folder could not be read, or its compression is damaged.
    #[error("{file} could not be read: {reason}")]
    Io {
        /// The file or folder.
        file: String,
        /// Why.
        reason: io::Error,
    },
    /// A file is no JSON.
    #[error("{file} is not JSON (line {line}, column {column}); take it out of the package or mend it")]
    Json {
        /// Its name in the package.
        file: String,
        /// Where reading ended, from 1.
        line: usize,
        /// Where reading ended, from 1.
        column: usize,
    },
    /// A file is nested deeper than is read.
    #[error("{file} is nested deeper than 128 levels, more than is read; take it out of the package or make it flatter")]
    TooDeep {
        /// Its name in the package.
        file: String,
    },
    /// The archive is no tar file, or was cut.
    #[error("{file} is not a whole tar archive (at byte {offset} of its unpacked content); get the package again")]
    Archive {
        /// The archive.
        file: String,
        /// Where in its unpacked content.
        offset: u64,
    },
    /// Something is larger than allowed: a file, all files, or their number.
    #[error("{file} is larger than allowed ({what}); raise the limit if the package is trusted")]
    TooLarge {
        /// The file, archive or folder.
        file: String,
        /// Which limit: `bytes of a file`, `values of a file`, `bytes in all`, `files`.
        what: &'static str,
    },
    /// A name in the archive is absolute or has `..` in it.
    #[error("{file} has a name that leads out of the package; do not trust this package")]
    Name {
        /// The archive.
        file: String,
    },
}

/// The most that a package may hold, unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageLimits {
    /// Bytes of one file. Default 32 MiB.
    pub file_bytes: u64,
    /// Values of one file, an object counted eight times: what it takes in memory goes by these more than by its bytes. Default 4,194,304.
    pub values: usize,
    /// Bytes of all files that are read or passed over. Default 2 GiB.
    pub bytes: u64,
    /// The number of files. Default 100,000.
    pub files: usize,
}

impl Default for PackageLimits {
    fn default() -> Self {
        Self { file_bytes: 32 << 20, values: 4 << 20, bytes: 2 << 30, files: 100_000 }
    }
}

/// What a package says of itself in its `package.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Its name: `hl7.fhir.us.core`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The packages it builds on: name and version.
    pub dependencies: Vec<(String, String)>,
    /// The versions of FHIR it is for: `4.0.1`.
    pub fhir_versions: Vec<String>,
}

impl Package {
    /// From `package.json`; none where it has no name.
    fn of(json: &Json) -> Option<Self> {
        let texts = |name: &str| json[name].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned);
        let dependencies = json["dependencies"].as_object().into_iter().flatten();
        Some(Self {
            name: json["name"].as_str()?.to_owned(),
            version: json["version"].as_str().unwrap_or_default().to_owned(),
            dependencies: dependencies.map(|(name, version)| (name.clone(), version.as_str().unwrap_or_default().to_owned())).collect(),
            fhir_versions: texts("fhirVersions").chain(texts("fhir-version-list")).collect(),
        })
    }
}

/// What is left of the limits.
struct Loader<'s> {
    store: &'s mut ProfileStore,
    limits: PackageLimits,
    bytes: u64,
    files: usize,
}

pub(super) fn load(store: &mut ProfileStore, path: &Path, limits: PackageLimits) -> Result<(), PackageError> {
    let mut loader = Loader::new(store, limits);
    if path.is_dir() { loader.folder(path) } else { loader.path(path) }
}

pub(super) fn load_archive(store: &mut ProfileStore, archive: impl Read, limits: PackageLimits) -> Result<(), PackageError> {
    Loader::new(store, limits).archive("the package", archive)
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn is_json(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn unreadable(name: &str, error: &serde_json::Error) -> PackageError {
    let file = name.to_owned();
    // The library says this by its text only.
    if error.to_string().starts_with("recursion limit exceeded") {
        return PackageError::TooDeep { file };
    }
    PackageError::Json { file, line: error.line(), column: error.column() }
}

impl<'s> Loader<'s> {
    fn new(store: &'s mut ProfileStore, limits: PackageLimits) -> Self {
        Self { store, limits, bytes: limits.bytes, files: limits.files }
    }

    /// One file: an archive, JSON, or JSON in gzip.
    fn path(&mut self, path: &Path) -> Result<(), PackageError> {
        let name = name_of(path);
        let failed = |reason| PackageError::Io { file: name.clone(), reason };
        let file = BufReader::new(File::open(path).map_err(failed)?);
        let lower = name.to_ascii_lowercase();
        if [".tgz", ".tar.gz"].iter().any(|ending| lower.ends_with(ending)) {
            return self.archive(&name, file);
        }
        self.one_more(&name)?;
        let packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let text = if packed { self.content(&name, MultiGzDecoder::new(file))? } else { self.content(&name, file)? };
        self.add(&name, &text)
    }

    fn folder(&mut self, root: &Path) -> Result<(), PackageError> {
        let failed = |path: &Path, reason| PackageError::Io { file: path.display().to_string(), reason };
        let mut open = vec![root.to_owned()];
        let mut links = 0;
        while let Some(folder) = open.pop() {
            let mut entries: Vec<PathBuf> = Vec::new();
            for entry in std::fs::read_dir(&folder).map_err(|reason| failed(&folder, reason))? {
                let entry = entry.map_err(|reason| failed(&folder, reason))?;
                // Links are not followed: they may lead anywhere, in circles too.
                let kind = entry.file_type().map_err(|reason| failed(&entry.path(), reason))?;
                links += usize::from(kind.is_symlink());
                if kind.is_dir() {
                    open.push(entry.path());
                } else if kind.is_file() && is_json(&entry.file_name().to_string_lossy()) {
                    entries.push(entry.path());
                }
                if open.len() + entries.len() > self.limits.files {
                    return Err(PackageError::TooLarge { file: name_of(root), what: "files" });
                }
            }
            // The order of a folder is the file system's; of two definitions of one URL the last counts.
            entries.sort();
            for path in entries {
                self.path(&path)?;
            }
        }
        self.note_links(&name_of(root), links);
        Ok(())
    }

    fn note_links(&mut self, package: &str, links: usize) {
        if links > 0 {
            let what = format!("links are not followed ({links} of them): what they stand for is not loaded");
            let place = package.to_owned();
            self.store.passed_over.push(PackageProblem { place, element: String::new(), code: IssueCode::NotFound, what });
        }
    }

    fn one_more(&mut self, name: &str) -> Result<(), PackageError> {
        self.files = self.files.checked_sub(1).ok_or_else(|| PackageError::TooLarge { file: name.to_owned(), what: "files" })?;
        Ok(())
    }

    fn take_bytes(&mut self, name: &str, count: u64) -> Result<(), PackageError> {
        self.bytes = self.bytes.checked_sub(count).ok_or_else(|| PackageError::TooLarge { file: name.to_owned(), what: "bytes in all" })?;
        Ok(())
    }

    /// All of a file whose size is not known before.
    fn content(&mut self, name: &str, from: impl Read) -> Result<Vec<u8>, PackageError> {
        let most = self.limits.file_bytes.min(self.bytes);
        let mut text = Vec::new();
        from.take(most + 1).read_to_end(&mut text).map_err(|reason| PackageError::Io { file: name.to_owned(), reason })?;
        if text.len() as u64 > most {
            return Err(PackageError::TooLarge { file: name.to_owned(), what: "bytes of a file" });
        }
        self.take_bytes(name, text.len() as u64)?;
        Ok(text)
    }

    fn add(&mut self, name: &str, text: &[u8]) -> Result<(), PackageError> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        if values_of(text) > self.limits.values {
            return Err(PackageError::TooLarge { file: name.to_owned(), what: "values of a file" });
        }
        let json: Json = serde_json::from_slice(text).map_err(|error| unreadable(name, &error))?;
        if name == "package.json" {
            self.store.packages.extend(Package::of(&json));
        } else {
            self.store.add(json);
        }
        Ok(())
    }

    /// A tar archive in gzip: headers of 512 bytes, each before its file's content.
    fn archive(&mut self, archive: &str, from: impl Read) -> Result<(), PackageError> {
        let mut tar = Tar { file: archive, from: MultiGzDecoder::new(from), offset: 0 };
        let mut long_name: Option<String> = None;
        let mut links = 0;
        while let Some(header) = tar.header()? {
            self.one_more(archive)?;
            self.take_bytes(archive, header.size)?;
            let name = long_name.take().unwrap_or(header.name);
            match header.kind {
                // A name too long for a header stands in a file of its own, before the one it is for.
                b'L' | b'x' => {
                    let text = tar.content(header.size, 1 << 20)?;
                    long_name = if header.kind == b'x' { pax_path(&text) } else { Some(up_to_zero(&text)) };
                }
                b'0' | 0 => {
                    if name.starts_with('/') || name.split(['/', '\\']).any(|part| part == "..") {
                        return Err(PackageError::Name { file: archive.to_owned() });
                    }
                    let inside = name.strip_prefix("./").unwrap_or(&name);
                    let file =
                        inside.strip_prefix("package/").filter(|file| !file.contains('/') && !file.starts_with('.') && is_json(file));
                    match file {
                        Some(file) if header.size > self.limits.file_bytes => {
                            return Err(PackageError::TooLarge { file: file.to_owned(), what: "bytes of a file" });
                        }
                        Some(file) => {
                            let text = tar.content(header.size, self.limits.file_bytes)?;
                            self.add(file, &text)?;
                        }
                        None => tar.pass_over(header.size)?,
                    }
                }
                b'1' | b'2' => {
                    links += 1;
                    tar.pass_over(header.size)?;
                }
                _ => tar.pass_over(header.size)?,
            }
        }
        self.note_links(archive, links);
        Ok(())
    }
}

/// At least as many values as the text has, if it is JSON; objects eight times.
fn values_of(text: &[u8]) -> usize {
    let (mut count, mut at) = (1, 0);
    let mut in_string = false;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'{' if !in_string => count += 8,
            b'[' | b',' if !in_string => count += 1,
            _ => {}
        }
        at += 1;
    }
    count
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

/// A tar archive as it is read.
struct Tar<'n, R> {
    file: &'n str,
    from: R,
    offset: u64,
}

impl<R: Read> Tar<'_, R> {
    fn damaged(&self) -> PackageError {
        PackageError::Archive { file: self.file.to_owned(), offset: self.offset }
    }

    fn failed(&self, reason: io::Error) -> PackageError {
        match reason.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged(),
            _ => PackageError::Io { file: self.file.to_owned(), reason },
        }
    }

    /// The next header; none at the end, which is a block of zeros (or nothing at all: some writers leave it out).
    fn header(&mut self) -> Result<Option<Header>, PackageError> {
        let mut block = Vec::with_capacity(512);
        self.from.by_ref().take(512).read_to_end(&mut block).map_err(|reason| self.failed(reason))?;
        if block.is_empty() && self.offset > 0 || block.len() == 512 && block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if block.len() < 512 || !sum_fits(&block) {
            return Err(self.damaged());
        }
        let size = number(&block[124..136]).ok_or_else(|| self.damaged())?;
        let mut name = up_to_zero(&block[..100]);
        if &block[257..262] == b"ustar" && block[262] == 0 {
            let prefix = up_to_zero(&block[345..500]);
            if !prefix.is_empty() {
                name = format!("{prefix}/{name}");
            }
        }
        self.offset += 512;
        Ok(Some(Header { name, size, kind: block[156] }))
    }

    /// The content of a file, and the rest of its last block.
    fn content(&mut self, size: u64, most: u64) -> Result<Vec<u8>, PackageError> {
        if size > most {
            return Err(PackageError::TooLarge { file: self.file.to_owned(), what: "bytes of a file" });
        }
        // Not as much as the header says, but as much as there is.
        let mut text = Vec::new();
        self.from.by_ref().take(size).read_to_end(&mut text).map_err(|reason| self.failed(reason))?;
        if text.len() as u64 != size {
            return Err(self.damaged());
        }
        self.offset += size;
        self.skip(padding(size))?;
        Ok(text)
    }

    fn pass_over(&mut self, size: u64) -> Result<(), PackageError> {
        self.skip(size)?;
        self.skip(padding(size))
    }

    fn skip(&mut self, count: u64) -> Result<(), PackageError> {
        let passed = io::copy(&mut self.from.by_ref().take(count), &mut io::sink()).map_err(|reason| self.failed(reason))?;
        if passed != count {
            return Err(self.damaged());
        }
        self.offset += count;
        Ok(())
    }
}

/// From the end of a file to the next block.
fn padding(size: u64) -> u64 {
    (512 - size % 512) % 512
}

/// The header's checksum: the sum of its bytes, those of the checksum itself as blanks.
fn sum_fits(block: &[u8]) -> bool {
    let sum: u64 = block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
    number(&block[148..156]) == Some(sum)
}

/// A number in octal digits, or in binary with the highest bit set.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let (high, low) = field.split_at(field.len().checked_sub(8)?);
        let small = high.iter().enumerate().all(|(at, byte)| *byte == if at == 0 { 0x80 } else { 0 });
        return small.then(|| low.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let text = up_to_zero(field);
    let digits = text.trim();
    u64::from_str_radix(if digits.is_empty() { "0" } else { digits }, 8).ok()
}

fn up_to_zero(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The path in a pax header: lines `length key=value`.
fn pax_path(text: &[u8]) -> Option<String> {
    let mut rest = text;
    while let Some(blank) = rest.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&rest[..blank]).ok()?.parse().ok()?;
        let line = rest.get(blank + 1..length)?;
        if let Some(path) = line.strip_prefix(b"path=") {
            return Some(String::from_utf8_lossy(path.strip_suffix(b"\n").unwrap_or(path)).into_owned());
        }
        rest = &rest[length..];
    }
    None
}

impl From<PackageError> for io::Error {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Io { reason, .. } => reason,
            other => io::Error::other(other),
        }
    }
}
