//! From what a user writes (path, glob, folder, `file://`, `s3://bucket/prefix`) to a sorted list of files.
//!
//! Folders and prefixes are searched to any depth for the format's extensions, each also with `.gz`, `.zst`
//! or `.zstd`. A real file or folder is read once however many symbolic links lead to it.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::TryStreamExt;
use globset::{GlobBuilder, GlobMatcher};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, path::Path as ObjectPath};
use url::Url;

use crate::{
    engine::Readers,
    error::{EngineError, Result},
};

/// How a file's bytes are packed; known from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As they are.
    None,
    /// gzip, any number of members.
    Gzip,
    /// Zstandard, any number of frames.
    Zstd,
}

impl Compression {
    /// From the last extension of a name.
    pub fn of(name: &str) -> Self {
        match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
            Some("gz") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// One file or object to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// `file:///...` or `s3://bucket/key`: the `_source` of its records.
    pub uri: Arc<str>,
    /// The store it is in.
    pub store: ObjectStoreUrl,
    /// The path in the file system; `None` for objects.
    pub local: Option<PathBuf>,
    /// The key in the store (for local files only as good as text can say it).
    pub key: ObjectPath,
    /// Bytes as stored (packed, if compressed).
    pub size: u64,
    /// When it was last changed.
    pub modified: DateTime<Utc>,
    /// The store's version mark, if it gives one.
    pub etag: Option<String>,
    /// How it is packed.
    pub compression: Compression,
}

impl SourceFile {
    fn local(path: &Path, metadata: &fs::Metadata) -> Result<Self> {
        let bad = |reason: &str| EngineError::BadLocation { location: path.display().to_string(), reason: reason.to_owned() };
        let absolute = std::path::absolute(path).map_err(|source| io_error(path, source))?;
        let uri = Url::from_file_path(&absolute).map_err(|()| bad("cannot be written as a file:// URL"))?;
        let modified = metadata.modified().map_or(DateTime::UNIX_EPOCH, DateTime::<Utc>::from);
        Ok(Self {
            compression: Compression::of(&absolute.to_string_lossy()),
            key: ObjectPath::parse(uri.path()).unwrap_or_else(|_| ObjectPath::from(uri.path())),
            uri: String::from(uri).into(),
            store: ObjectStoreUrl::local_filesystem(),
            local: Some(absolute),
            size: metadata.len(),
            modified,
            etag: None,
        })
    }

    fn object(store: &ObjectStoreUrl, meta: ObjectMeta) -> Self {
        Self {
            uri: format!("{}{}", store.as_str(), meta.location).into(),
            store: store.clone(),
            local: None,
            compression: Compression::of(meta.location.as_ref()),
            key: meta.location,
            size: meta.size,
            modified: meta.last_modified,
            etag: meta.e_tag,
        }
    }

    /// The file that a plan node names by store and key (a plan that was sent to another process has
    /// nothing else).
    pub(crate) fn of_plan(store: &ObjectStoreUrl, meta: ObjectMeta) -> Self {
        let mut file = Self::object(store, meta);
        if store.as_str() == ObjectStoreUrl::local_filesystem().as_str()
            && let Ok(path) = Url::parse(&format!("file:///{}", file.key)).map_err(drop).and_then(|url| url.to_file_path())
        {
            file.uri = format!("file:///{}", file.key).into();
            file.local = Some(path);
        }
        file
    }

    /// What DataFusion wants to know of it.
    pub(crate) fn object_meta(&self) -> ObjectMeta {
        ObjectMeta { location: self.key.clone(), last_modified: self.modified, size: self.size, e_tag: self.etag.clone(), version: None }
    }
}

/// Each real file once, under the first of the names by which it was found: paths may be written in several ways, and links lead to one file.
pub(crate) fn each_once(mut files: Vec<SourceFile>) -> Vec<SourceFile> {
    let mut known = HashSet::new();
    files.retain(|file| match file.local.as_deref().map(fs::canonicalize) {
        // What has no real path (the pipe of a process) is what it is called.
        Some(Ok(real)) => known.insert(real.into_os_string()),
        _ => known.insert(file.uri.as_ref().into()),
    });
    files
}

impl Readers {
    /// See [`crate::Engine::files`].
    pub(crate) async fn files(&self, location: &str, extensions: &[&str]) -> Result<Vec<SourceFile>> {
        let mut files = if location.starts_with("s3://") || location.starts_with("s3a://") {
            self.s3_files(location, extensions).await?
        } else {
            let location = location.to_owned();
            let wanted: Vec<String> = extensions.iter().map(|&extension| extension.to_owned()).collect();
            tokio::task::spawn_blocking(move || local_files(&location, &wanted))
                .await
                .map_err(|error| EngineError::Task(error.to_string()))??
        };
        files.sort_by(|a, b| a.uri.cmp(&b.uri));
        Ok(files)
    }

    async fn s3_files(&self, location: &str, extensions: &[&str]) -> Result<Vec<SourceFile>> {
        let bad = |reason: String| EngineError::BadLocation { location: location.to_owned(), reason };
        let (_, rest) = location.split_once("://").unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(bad("no bucket; write s3://bucket/prefix".to_owned()));
        }
        let (url, store) = self.s3_store(bucket)?;
        let failed = |source| EngineError::ObjectStore { uri: location.to_owned(), source: Box::new(source) };

        if let Some((base, pattern)) = split_glob(key) {
            let matcher = glob(pattern).map_err(&bad)?;
            let prefix = ObjectPath::from(base);
            let found: Vec<ObjectMeta> = store.list(Some(&prefix)).try_collect().await.map_err(failed)?;
            let found: Vec<ObjectMeta> = found
                .into_iter()
                .filter(|meta| meta.location.as_ref().strip_prefix(base).is_some_and(|key| matcher.is_match(key.trim_start_matches('/'))))
                .collect();
            if found.is_empty() {
                return Err(EngineError::NotFound { location: location.to_owned() });
            }
            return Ok(found.into_iter().map(|meta| SourceFile::object(&url, meta)).collect());
        }
        let path = ObjectPath::from(key);
        let object = async || match store.head(&path).await {
            Ok(meta) => Ok(Some(SourceFile::object(&url, meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        };
        let may_be_object = !key.is_empty() && !key.ends_with('/');
        // A key that looks like a file is asked for first; servers over a file system dislike being asked for a folder.
        let looks_like_file = may_be_object && path.filename().is_some_and(|name| has_extension(name, extensions));
        if looks_like_file && let Some(file) = object().await? {
            return Ok(vec![file]);
        }
        let found: Vec<ObjectMeta> = store.list(Some(&path)).try_collect().await.map_err(failed)?;
        if found.is_empty() {
            if may_be_object
                && !looks_like_file
                && let Some(file) = object().await?
            {
                return Ok(vec![file]);
            }
            return Err(EngineError::NotFound { location: location.to_owned() });
        }
        let files: Vec<SourceFile> = found
            .into_iter()
            .filter(|meta| meta.location.filename().is_some_and(|name| has_extension(name, extensions)))
            .map(|meta| SourceFile::object(&url, meta))
            .collect();
        if files.is_empty() { Err(no_files(location, extensions)) } else { Ok(files) }
    }

    /// See [`crate::Engine::s3_store`].
    pub(crate) fn s3_store(&self, bucket: &str) -> Result<(ObjectStoreUrl, Arc<dyn ObjectStore>)> {
        let url = ObjectStoreUrl::parse(format!("s3://{bucket}"))?;
        if let Ok(store) = self.runtime.object_store(&url) {
            return Ok((url, store));
        }
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"].into_iter().find_map(|name| std::env::var(name).ok());
        if let Some(endpoint) = endpoint {
            if is_loopback(&endpoint) {
                builder = builder.with_allow_http(true);
            }
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().map_err(|source| EngineError::ObjectStore { uri: url.to_string(), source: Box::new(source) })?;
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        self.runtime.register_object_store(url.as_ref(), Arc::clone(&store));
        Ok((url, store))
    }
}

fn is_loopback(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn local_files(location: &str, extensions: &[String]) -> Result<Vec<SourceFile>> {
    let bad = |reason: String| EngineError::BadLocation { location: location.to_owned(), reason };
    let path = if location.starts_with("file:") {
        let url = Url::parse(location).map_err(|error| bad(format!("not a file:// URL: {error}")))?;
        url.to_file_path().map_err(|()| bad("not a file:// URL of this machine; write file:///path".to_owned()))?
    } else if let Some((scheme, _)) = location.split_once("://") {
        return Err(bad(format!("scheme {scheme:?} is not known; write a path, file:// or s3://")));
    } else if location.is_empty() {
        return Err(bad("the path is empty".to_owned()));
    } else {
        PathBuf::from(location)
    };
    let wanted: Vec<&str> = extensions.iter().map(String::as_str).collect();
    // A path that exists is that path, whatever characters it has; only then is it a glob.
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            let mut found = Found::default();
            // A name that is no UTF-8 (old file servers write Latin-1) is a name all the same.
            found.walk(&path, &|file| file.file_name().is_some_and(|name| has_extension(&name.to_string_lossy(), &wanted)))?;
            let files = found.into_files()?;
            if files.is_empty() { Err(no_files(location, &wanted)) } else { Ok(files) }
        }
        Ok(metadata) if is_device(metadata.file_type()) => Err(bad("is a device; name a file, a folder or a glob".to_owned())),
        Ok(metadata) => Ok(vec![SourceFile::local(&path, &metadata)?]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = path.to_str().unwrap_or(location);
            let Some((base, pattern)) = split_glob(text) else {
                return Err(EngineError::NotFound { location: location.to_owned() });
            };
            let matcher = glob(pattern).map_err(&bad)?;
            let base = PathBuf::from(if base.is_empty() { "." } else { base });
            let mut found = Found::default();
            if base.is_dir() {
                found.walk(&base, &|file| file.strip_prefix(&base).is_ok_and(|rest| matcher.is_match(rest)))?;
            }
            let files = found.into_files()?;
            if files.is_empty() { Err(EngineError::NotFound { location: location.to_owned() }) } else { Ok(files) }
        }
        Err(error) => Err(io_error(&path, error)),
    }
}

/// A device such as /dev/zero never ends.
#[cfg(unix)]
fn is_device(kind: fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_char_device() || kind.is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: fs::FileType) -> bool {
    false
}

/// Files found in a walk, each real file and folder once.
#[derive(Default)]
struct Found {
    folders: HashSet<PathBuf>,
    /// Real path -> the path by which it was found (the first in order).
    files: BTreeMap<PathBuf, PathBuf>,
}

impl Found {
    fn walk(&mut self, folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
        let mut pending = vec![folder.to_owned()];
        while let Some(folder) = pending.pop() {
            let real = fs::canonicalize(&folder).map_err(|error| io_error(&folder, error))?;
            if !self.folders.insert(real) {
                continue;
            }
            for entry in fs::read_dir(&folder).map_err(|error| io_error(&folder, error))? {
                let entry = entry.map_err(|error| io_error(&folder, error))?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let path = entry.path();
                let metadata = match fs::metadata(&path) {
                    Ok(metadata) => metadata,
                    // A link to nowhere is no file.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(io_error(&path, error)),
                };
                if metadata.is_dir() {
                    pending.push(path);
                } else if metadata.is_file() && wanted(&path) {
                    let real = fs::canonicalize(&path).map_err(|error| io_error(&path, error))?;
                    let known = self.files.entry(real).or_insert_with(|| path.clone());
                    if path < *known {
                        *known = path;
                    }
                }
            }
        }
        Ok(())
    }

    fn into_files(self) -> Result<Vec<SourceFile>> {
        let file = |path: PathBuf| SourceFile::local(&path, &fs::metadata(&path).map_err(|error| io_error(&path, error))?);
        self.files.into_values().map(file).collect()
    }
}

/// Whether a name ends in one of the extensions, with or without that of a compression. Case does not count.
/// Whether a name has one of the extensions. An empty extension stands for names without one; a number behind a dot is none, as names may be UIDs.
fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    let bare = [".gz", ".zst", ".zstd"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
    let found = bare.rsplit_once('.').map_or("", |(_, found)| found);
    let is_number = found.bytes().all(|byte| byte.is_ascii_digit());
    let found = if is_number { "" } else { found };
    // A hidden file is nobody's record.
    extensions.iter().any(|extension| extension.eq_ignore_ascii_case(found)) && (!found.is_empty() || !bare.starts_with('.'))
}

/// Whether a local folder has a file of one of the extensions. Files without extension tell nothing.
pub(crate) fn holds_files(folder: &str, extensions: &[&str]) -> bool {
    let extensions: Vec<String> =
        extensions.iter().filter(|extension| !extension.is_empty()).map(|&extension| extension.to_owned()).collect();
    Path::new(folder).is_dir() && local_files(folder, &extensions).is_ok_and(|files| !files.is_empty())
}

/// The folder before the first wildcard, and the pattern after it; `None` without a wildcard.
fn split_glob(path: &str) -> Option<(&str, &str)> {
    let wildcard = path.find(['*', '?', '[', '{'])?;
    Some(match path[..wildcard].rfind('/') {
        Some(0) => ("/", &path[1..]),
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => ("", path),
    })
}

fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("not a glob: {}", error.kind()))
}

fn no_files(location: &str, extensions: &[&str]) -> EngineError {
    let named: Vec<_> = extensions.iter().map(|extension| if extension.is_empty() { "none" } else { extension }).collect();
    EngineError::NoFiles { location: location.to_owned(), extensions: named.join(", ") }
}

fn io_error(path: &Path, source: io::Error) -> EngineError {
    EngineError::Io { uri: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[SourceFile]) -> Vec<String> {
        files.iter().map(|file| file.uri.rsplit('/').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn folders_globs_links_and_mistakes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        for name in ["a/one.hl7", "a/b/two.TXT.gz", "a/b/three.zst", "a/.hidden.hl7", "a/four.pdf", "a/odd [1].hl7"] {
            fs::write(root.join(name), b"x").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("a/b/loop")).unwrap();
        std::os::unix::fs::symlink(root.join("a/one.hl7"), root.join("a/zzz.hl7")).unwrap();
        std::os::unix::fs::symlink(root.join("nowhere"), root.join("a/dangling.hl7")).unwrap();
        let extensions = ["hl7".to_owned(), "txt".to_owned()];
        let find = |path: &str| local_files(&format!("{}/{path}", root.display()), &extensions);

        let mut found = find("a").unwrap();
        found.sort_by(|a, b| a.uri.cmp(&b.uri));
        assert_eq!(names(&found), ["two.TXT.gz", "odd%20[1].hl7", "one.hl7"]);
        assert_eq!(found[0].compression, Compression::Gzip);
        assert_eq!(names(&find("a/*.hl7").unwrap()).len(), 2);
        assert_eq!(names(&find("**/three.z*").unwrap()), ["three.zst"]);
        #[cfg(target_os = "linux")]
        {
            use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
            fs::create_dir(root.join("latin")).unwrap();
            let latin = root.join("latin").join(OsStr::from_bytes(b"M\xfcller.hl7"));
            fs::write(&latin, b"x").unwrap();
            for place in ["latin", "latin/*.hl7"] {
                let found = find(place).unwrap();
                assert_eq!(names(&found), ["M%FCller.hl7"], "a name that is no UTF-8 is not passed over");
                assert_eq!(found[0].local.as_deref(), Some(latin.as_path()));
            }
        }
        assert_eq!(names(&find("a/../a/odd [1].hl7").unwrap()).len(), 1, "an existing path is no glob");
        assert_eq!(names(&find("a/four.pdf").unwrap()), ["four.pdf"], "a named file needs no extension");
        assert!(matches!(find("a/none.hl7").unwrap_err(), EngineError::NotFound { .. }));
        assert!(matches!(find("x/*.hl7").unwrap_err(), EngineError::NotFound { .. }));
        let url = Url::from_file_path(root.join("a/one.hl7")).unwrap();
        assert_eq!(local_files(url.as_str(), &extensions).unwrap().len(), 1);
        fs::create_dir(root.join("empty")).unwrap();
        let error = find("empty").unwrap_err().to_string();
        assert!(error.contains("hl7, txt"), "{error}");
        assert!(matches!(local_files("/dev/zero", &extensions).unwrap_err(), EngineError::BadLocation { .. }), "it never ends");
        assert!(local_files("ftp://x/y", &extensions).unwrap_err().to_string().contains("s3://"));
    }

    #[test]
    fn an_empty_extension_stands_for_none() {
        let dicom = ["dcm", ""];
        for name in ["DICOMDIR", "IM000001", "1.2.840.113619.2.5", "a.dcm", "A.DCM.gz", "1.2.3.gz"] {
            assert!(has_extension(name, &dicom), "{name}");
        }
        for name in ["a.txt", ".DS_Store", ".hidden", "README.md"] {
            assert!(!has_extension(name, &dicom), "{name}");
        }
        assert!(!has_extension("IM000001", &["hl7"]) && !has_extension("1.2.3", &["hl7"]));
    }

    #[test]
    fn plain_http_only_to_this_machine() {
        assert!(is_loopback("http://127.0.0.1:9000") && is_loopback("http://localhost:1") && is_loopback("http://[::1]:2"));
        assert!(!is_loopback("http://10.0.0.1:9000") && !is_loopback("nonsense"));
    }
}
