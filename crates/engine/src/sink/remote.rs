//! All-or-nothing output in an object store.
//!
//! There is no rename; instead every object is a complete upload or not there at all, and
//! `_manifest.json` goes last: an output without it is not complete. Replacing an output takes its
//! manifest away first.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart, path::Path};
use tokio::runtime::Handle;

use super::{
    Layout, SinkSpec, WrittenFile,
    file::{FileSink, WriteFailure},
    manifest,
};
use crate::{Engine, EngineError, Result};

/// Size of an upload's parts; S3 allows 10,000 of them, so a file can have 80 GB.
const CHUNK: usize = 8 << 20;
/// Parts of one file under way at once.
const UPLOADS: usize = 4;

/// The objects of one run.
pub(super) struct RemoteStage {
    store: Arc<dyn ObjectStore>,
    location: String,
    prefix: Path,
    layout: Layout,
    /// Objects of the output that is replaced.
    earlier: Vec<Path>,
    created: Arc<Mutex<Vec<Path>>>,
    published: std::sync::atomic::AtomicBool,
    failure: WriteFailure,
}

impl RemoteStage {
    pub(super) async fn open(engine: &Engine, spec: &SinkSpec) -> Result<Self> {
        let (store, prefix) = store_of(engine, &spec.location)?;
        let failed = |source| failed(&spec.location, source);
        let earlier: Vec<Path> = match spec.layout {
            Layout::File => match store.head(&prefix).await {
                Ok(_) => vec![prefix.clone()],
                Err(object_store::Error::NotFound { .. }) => Vec::new(),
                Err(error) => return Err(failed(error)),
            },
            Layout::Parts | Layout::Single => {
                store.list(Some(&prefix)).map_ok(|object| object.location).try_collect().await.map_err(failed)?
            }
        };
        let stage = Self {
            store,
            location: spec.location.clone(),
            prefix,
            layout: spec.layout,
            earlier,
            created: Arc::default(),
            published: false.into(),
            failure: WriteFailure::default(),
        };
        stage.check_earlier(spec.overwrite).await?;
        Ok(stage)
    }

    /// Existing objects: refused, or ours and to be replaced (their manifest goes first).
    async fn check_earlier(&self, overwrite: bool) -> Result<()> {
        if self.earlier.is_empty() {
            return Ok(());
        }
        if !overwrite {
            return Err(EngineError::OutputExists { location: self.location.clone() });
        }
        if self.layout == Layout::File {
            return Ok(());
        }
        let at = self.prefix.clone().join(manifest::MANIFEST);
        let listed = match self.store.get(&at).await {
            Ok(object) => manifest::listed_files(&object.bytes().await.map_err(|source| failed(&self.location, source))?),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => return Err(failed(&self.location, error)),
        };
        let known: Vec<Path> = listed.unwrap_or_default().iter().map(|file| self.object(file)).chain([at.clone()]).collect();
        if let Some(foreign) = self.earlier.iter().find(|object| !known.contains(object)) {
            return Err(EngineError::BadOutput {
                location: self.location.clone(),
                reason: format!(
                    "is not replaced: {foreign} was not written by a Sutura sink; remove the objects yourself or give another prefix"
                ),
            });
        }
        self.store.delete(&at).await.map_err(|source| failed(&self.location, source))
    }

    /// The object of a relative path; its segments are already percent-encoded, and stay as they are.
    fn object(&self, relative: &str) -> Path {
        match self.layout {
            Layout::File => self.prefix.clone(),
            Layout::Parts | Layout::Single => {
                let joined = format!("{}/{relative}", self.prefix);
                Path::parse(joined.trim_start_matches('/')).unwrap_or_else(|_| Path::from(joined))
            }
        }
    }

    /// Begins an object. The upload starts with the first bytes.
    pub(super) fn create(&self, relative: &str) -> FileSink {
        let object = self.object(relative);
        let file = RemoteFile {
            store: Arc::clone(&self.store),
            object,
            upload: None,
            runtime: Handle::current(),
            created: Arc::clone(&self.created),
        };
        FileSink::remote(file, self.failure.clone())
    }

    /// Why an object could not be written, if that is so.
    pub(super) fn failure(&self) -> Option<EngineError> {
        self.failure.found().map(|source| EngineError::Write { location: self.location.clone(), source })
    }

    /// Removes what is left of the earlier output, then puts the manifest.
    pub(super) async fn publish(&self, files: &[WrittenFile], manifest: Option<Vec<u8>>) -> Result<()> {
        let failed = |source| failed(&self.location, source);
        let current: Vec<Path> = files.iter().map(|file| self.object(&file.path)).collect();
        let at = self.prefix.clone().join(manifest::MANIFEST);
        for object in self.earlier.iter().filter(|object| !current.contains(object) && **object != at) {
            self.store.delete(object).await.map_err(failed)?;
        }
        if let Some(bytes) = manifest {
            self.store.put(&at, PutPayload::from(bytes)).await.map_err(failed)?;
        }
        self.published.store(true, std::sync::atomic::Ordering::Release);
        Ok(())
    }
}

impl Drop for RemoteStage {
    fn drop(&mut self) {
        if self.published.load(std::sync::atomic::Ordering::Acquire) {
            return;
        }
        let created = std::mem::take(&mut *self.created.lock().unwrap_or_else(PoisonError::into_inner));
        let (store, location) = (Arc::clone(&self.store), self.location.clone());
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let paths = futures::stream::iter(created.into_iter().map(Ok)).boxed();
            if let Err(error) = store.delete_stream(paths).try_collect::<Vec<_>>().await {
                tracing::warn!(%location, %error, "objects of a failed run could not be removed; the output has no manifest");
            }
        });
    }
}

/// One object being uploaded, written to from a blocking thread.
pub(super) struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    object: Path,
    upload: Option<WriteMultipart>,
    runtime: Handle,
    created: Arc<Mutex<Vec<Path>>>,
}

impl RemoteFile {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.upload()?;
        let (runtime, Some(upload)) = (&self.runtime, &mut self.upload) else { return Err(io::ErrorKind::NotConnected.into()) };
        runtime.block_on(async {
            upload.wait_for_capacity(UPLOADS).await?;
            upload.write(bytes);
            Ok::<_, object_store::Error>(())
        })?;
        Ok(bytes.len())
    }

    /// Completes the upload; only now is the object there.
    pub(super) fn commit(mut self) -> io::Result<()> {
        self.upload()?;
        let Some(upload) = self.upload.take() else { return Ok(()) };
        self.created.lock().unwrap_or_else(PoisonError::into_inner).push(self.object.clone());
        self.runtime.block_on(upload.finish())?;
        Ok(())
    }

    fn upload(&mut self) -> io::Result<()> {
        if self.upload.is_none() {
            let upload = self.runtime.block_on(self.store.put_multipart(&self.object))?;
            self.upload = Some(WriteMultipart::new_with_chunk_size(upload, CHUNK));
        }
        Ok(())
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.runtime.spawn(async move {
                let _ = upload.abort().await;
            });
        }
    }
}

/// The store of an `s3://bucket/prefix` location, and the prefix.
fn store_of(engine: &Engine, location: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let bad = |reason: &str| EngineError::BadOutput { location: location.to_owned(), reason: reason.to_owned() };
    let rest = location.strip_prefix("s3://").ok_or_else(|| bad("is no place to write to; give a path or s3://bucket/prefix"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || prefix.trim_matches('/').is_empty() {
        return Err(bad("needs a bucket and a prefix: s3://bucket/prefix"));
    }
    let store = engine.s3_store(bucket)?;
    let prefix = Path::parse(prefix.trim_matches('/')).map_err(|_| bad("has a prefix that no object can have"))?;
    Ok((store, prefix))
}

fn failed(location: &str, source: object_store::Error) -> EngineError {
    EngineError::ObjectStore { uri: location.to_owned(), source: Box::new(source) }
}
