//! Resources as NDJSON, one file for each type.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{File, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::{Compression, write::GzEncoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;

use super::{
    BundleError,
    compact::compact_into,
    entry::identity,
    file::{Stage, Staged, at, remove_if_there, sync_folder},
};
use crate::{
    json::{Limits, Parser, Value},
    read::{RESOURCE_TYPES, is_resource_type},
};

/// Options of an export. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportOptions {
    /// Pack the files: `Type.ndjson.gz`.
    pub gzip: bool,
    /// Replace files of an earlier export. Default: a folder that holds one is an error.
    pub overwrite: bool,
    /// Largest resource in bytes. Default 64 MiB.
    pub max_resource_bytes: usize,
    /// Objects and arrays inside one another. Default 64.
    pub max_depth: u16,
    /// Why identifying data is written, in the user's words. It stands in the manifest.
    pub purpose: Option<String>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { gzip: false, overwrite: false, max_resource_bytes: 64 << 20, max_depth: 64, purpose: None }
    }
}

/// What an export holds, in the form of the [Bulk Data] manifest's `output`, with sizes and hashes.
///
/// [Bulk Data]: https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Why identifying data was written, in the user's words; none where nothing was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Resources of all files.
    pub resources: u64,
    /// The files, by type.
    pub output: Vec<ManifestFile>,
}

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Resource type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Name of the file, relative to the manifest.
    pub url: String,
    /// Resources in it.
    pub count: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of the file as it lies there, packed or not, hexadecimal.
    pub sha256: String,
}

/// Name of the file that [`NdjsonExport::finish`] writes last. It is JSON; a name in `.json` would make it a resource of the folder.
const MANIFEST: &str = "export.manifest";

/// Writes every resource as one line of the file of its type: `Patient.ndjson`, `Observation.ndjson`, ...
///
/// The files lie in a hidden folder until [`NdjsonExport::finish`] gives them their places, the manifest last; dropped before, they are
/// removed. Several files cannot appear at once: a folder without manifest is no whole export. File names say types and nothing else. Memory is one resource and one buffer a type (64 KiB; packed about 330 KiB).
pub struct NdjsonExport {
    folder: PathBuf,
    options: ExportOptions,
    parser: Parser,
    line: Vec<u8>,
    files: BTreeMap<&'static str, TypeFile>,
    stage: Arc<Stage>,
    _lock: Option<File>,
}

impl NdjsonExport {
    /// An export into a folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made, or holds an export that may not be overwritten.
    pub fn create(folder: &Path, options: ExportOptions) -> Result<Self, BundleError> {
        let stage = Stage::open(folder)?;
        let lock = lock(folder)?;
        if let Some(earlier) = earlier_files(folder).map_err(at(folder))?.into_iter().next().filter(|_| !options.overwrite) {
            return Err(BundleError::Exists(earlier));
        }
        let parser = Parser::new(Limits { depth: options.max_depth, bytes: options.max_resource_bytes, ..Limits::default() });
        Ok(Self { folder: folder.to_owned(), options, parser, line: Vec::new(), files: BTreeMap::new(), stage, _lock: lock })
    }

    /// Writes a resource.
    ///
    /// # Errors
    /// When the resource is refused ([`BundleError::is_refusal`]: nothing is written, the export can go on), or a file fails.
    pub fn push(&mut self, resource: &[u8]) -> Result<(), BundleError> {
        let mut parser = std::mem::take(&mut self.parser);
        let result = match parser.parse(resource) {
            Ok(document) => self.push_value(document.root()),
            Err(error) => Err(error.into()),
        };
        self.parser = parser;
        result
    }

    /// Writes a resource that is parsed already.
    ///
    /// # Errors
    /// As [`NdjsonExport::push`].
    pub fn push_value(&mut self, resource: Value<'_>) -> Result<(), BundleError> {
        let (name, _) = identity(resource)?;
        let found = RESOURCE_TYPES.binary_search(&name).map_err(|_| BundleError::NotAResource)?;
        let name = RESOURCE_TYPES[found];
        self.line.clear();
        self.line.shrink_to(1 << 20);
        compact_into(&mut self.line, resource.raw());
        self.line.push(b'\n');
        if !self.files.contains_key(name) {
            let url = format!("{name}.ndjson{}", if self.options.gzip { ".gz" } else { "" });
            let staged = Staged::create(&self.stage, &self.folder.join(&url))?;
            self.files.insert(name, TypeFile::new(url, staged, self.options.gzip));
        }
        if let Some(file) = self.files.get_mut(name) {
            file.out.write_all(&self.line)?;
            file.count += 1;
        }
        Ok(())
    }

    /// Gives the files their places, then the manifest. The manifest of an earlier export goes before the first file does.
    ///
    /// # Errors
    /// When a file cannot be written: an earlier export is untouched then. When one cannot get its place: then there is no manifest,
    /// and the folder may hold files of both exports, each whole.
    pub fn finish(self) -> Result<Manifest, BundleError> {
        let overwrite = self.options.overwrite;
        let mut output = Vec::with_capacity(self.files.len());
        let mut whole = Vec::with_capacity(self.files.len());
        for (name, file) in self.files {
            let TypeFile { url, out, count } = file;
            let (mut staged, bytes, sha256) = out.end()?;
            staged.seal()?;
            whole.push(staged);
            output.push(ManifestFile { resource_type: name.to_owned(), url, count, bytes, sha256: sha256.to_string() });
        }
        let manifest = Manifest { purpose: self.options.purpose, resources: output.iter().map(|file| file.count).sum(), output };
        let mut text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
        text.push(b'\n');
        let mut staged = Staged::create(&self.stage, &self.folder.join(MANIFEST))?;
        staged.write_all(&text)?;
        staged.seal()?;
        if overwrite {
            // On disk, before anything changes: a manifest never stands beside files that it does not mean.
            remove_if_there(&self.folder.join(MANIFEST))?;
            sync_folder(&self.folder)?;
            // What an earlier export has and this one has not would be read with it.
            let kept = |path: &Path| output_has(&manifest, path);
            for earlier in earlier_files(&self.folder).map_err(at(&self.folder))?.into_iter().filter(|path| !kept(path)) {
                remove_if_there(&earlier)?;
            }
        }
        for file in whole {
            file.publish(overwrite)?;
        }
        sync_folder(&self.folder)?;
        staged.publish(overwrite)?;
        sync_folder(&self.folder)?;
        Ok(manifest)
    }
}

impl fmt::Debug for NdjsonExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NdjsonExport").field("types", &self.files.len()).finish_non_exhaustive()
    }
}

/// Removes the export that a folder holds, if its manifest is there: the manifest first, so that it never stands beside files that it does
/// not mean.
///
/// # Errors
/// What the file system refuses.
pub fn remove_export(folder: &Path) -> Result<(), BundleError> {
    let manifest = folder.join(MANIFEST);
    if !manifest.is_file() {
        return Ok(());
    }
    let _lock = lock(folder)?;
    remove_if_there(&manifest)?;
    sync_folder(folder)?;
    for file in earlier_files(folder).map_err(at(folder))? {
        remove_if_there(&file)?;
    }
    Ok(())
}

/// Files of an export, whole or broken off.
/// Two exports to one folder at once would leave files of both. Held as long as the file is open; a system that locks no folders lets them.
fn lock(folder: &Path) -> Result<Option<File>, BundleError> {
    let Ok(file) = File::open(folder) else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(BundleError::Busy(folder.to_owned())),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

fn earlier_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for found in std::fs::read_dir(folder)? {
        let found = found?;
        if is_of_export(&found.file_name().to_string_lossy()) {
            files.push(found.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether an export has files of that name.
pub(super) fn is_of_export(name: &str) -> bool {
    name == MANIFEST || name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".ndjson").is_some_and(is_resource_type)
}

/// Whether an export has a file of that name.
fn output_has(manifest: &Manifest, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == MANIFEST || manifest.output.iter().any(|file| file.url == name)
}

struct TypeFile {
    url: String,
    out: Out,
    count: u64,
}

impl TypeFile {
    fn new(url: String, staged: Staged, gzip: bool) -> Self {
        let hashed = BufWriter::with_capacity(64 << 10, Hashed { staged, hash: Sha256::new(), bytes: 0 });
        let out = if gzip { Out::Packed(Box::new(GzEncoder::new(hashed, Compression::default()))) } else { Out::Plain(hashed) };
        Self { url, out, count: 0 }
    }
}

enum Out {
    Plain(BufWriter<Hashed>),
    Packed(Box<GzEncoder<BufWriter<Hashed>>>),
}

impl Out {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            Self::Packed(out) => out.write_all(bytes),
        }
    }

    fn end(self) -> io::Result<(Staged, u64, Sha256Hash)> {
        let buffered = match self {
            Self::Plain(out) => out,
            Self::Packed(out) => out.finish()?,
        };
        let Hashed { staged, hash, bytes } = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((staged, bytes, Sha256Hash(hash.finalize().into())))
    }
}

/// What goes to disk, counted and hashed on its way.
struct Hashed {
    staged: Staged,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.staged.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.staged.flush()
    }
}
