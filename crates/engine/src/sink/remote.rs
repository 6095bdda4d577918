//! All-or-nothing output in an object store.
//!
//! There is no rename, so nothing that is there is written over:
//!
//! 1. every file is a multipart upload under a name that no other run has; parts of an upload cannot be seen;
//! 2. when all is written (and, in a job, when the gates have passed) the uploads are completed;
//! 3. `_manifest.json` is put, in one request: it names exactly the objects of this run, and from here on they are the output;
//! 4. the objects of the run before are deleted.
//!
//! Who reads by the manifest sees the old output or the new one, at any time. Who only lists the prefix can see both
//! between 2 and 4. What a run that died between 2 and 3 left behind is known by its name, and deleted by the next run.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{StreamExt, TryStreamExt};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, path::Path};
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    Layout, SinkSpec, WrittenFile,
    file::{FileSink, WriteFailure},
    local, manifest,
};
use crate::{Engine, EngineError, Result};

/// Size of an upload's parts; S3 allows 10,000 of them, so a file can have 80 GB.
const CHUNK: usize = 8 << 20;
/// Parts of one file under way at once.
const UPLOADS: usize = 4;
/// Stands between a file's name and the run that wrote it.
const RUN_MARK: &str = "-sutura-";

/// A whole upload that is not completed, so that nobody sees it.
type Upload = (Path, Box<dyn MultipartUpload>);

/// The objects of one run.
pub(super) struct RemoteStage {
    store: Arc<dyn ObjectStore>,
    location: String,
    prefix: Path,
    layout: Layout,
    run: String,
    /// Objects of the output that is replaced, and what dead runs left.
    earlier: Vec<Path>,
    uploads: Arc<Mutex<Vec<Upload>>>,
    /// Objects of this run that can be seen.
    completed: Mutex<Vec<Path>>,
    published: AtomicBool,
    failure: WriteFailure,
}

impl fmt::Debug for RemoteStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStage").field("location", &self.location).field("run", &self.run).finish_non_exhaustive()
    }
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
            run: run_name(spec),
            earlier,
            uploads: Arc::default(),
            completed: Mutex::default(),
            published: false.into(),
            failure: WriteFailure::default(),
        };
        stage.check_earlier(spec.overwrite).await?;
        Ok(stage)
    }

    /// Existing objects: refused, or ours and to be replaced.
    async fn check_earlier(&self, overwrite: bool) -> Result<()> {
        let leftover = |object: &Path| object.filename().is_some_and(is_of_a_run);
        if self.earlier.iter().all(leftover) && self.layout != Layout::File {
            return Ok(());
        }
        if !overwrite {
            return if self.earlier.is_empty() { Ok(()) } else { Err(EngineError::OutputExists { location: self.location.clone() }) };
        }
        if self.layout == Layout::File {
            return Ok(());
        }
        let at = self.manifest();
        let listed = match self.store.get(&at).await {
            Ok(object) => manifest::listed_files(&object.bytes().await.map_err(|source| failed(&self.location, source))?),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => return Err(failed(&self.location, error)),
        };
        let known: Vec<Path> = listed.unwrap_or_default().iter().map(|file| self.object(file)).chain([at]).collect();
        match self.earlier.iter().find(|object| !known.contains(object) && !leftover(object)) {
            None => Ok(()),
            Some(foreign) => Err(EngineError::BadOutput {
                location: self.location.clone(),
                reason: format!(
                    "is not replaced: {foreign} was not written by a Sutura sink; remove the objects yourself or give another prefix"
                ),
            }),
        }
    }

    fn manifest(&self) -> Path {
        self.prefix.clone().join(manifest::MANIFEST)
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

    /// The name of a file with the run in it: `kind=a/part-00000-sutura-<run>.parquet`. A single file has the name it was given.
    pub(super) fn fresh_name(&self, relative: String) -> String {
        if self.layout == Layout::File {
            return relative;
        }
        let file = relative.rfind('/').map_or(0, |slash| slash + 1);
        let stem = relative[file..].find('.').map_or(relative.len(), |dot| file + dot);
        format!("{}{RUN_MARK}{}{}", &relative[..stem], self.run, &relative[stem..])
    }

    /// Begins an object. The upload starts with the first bytes.
    pub(super) fn create(&self, relative: &str) -> FileSink {
        let file = RemoteFile {
            store: Arc::clone(&self.store),
            object: self.object(relative),
            upload: None,
            buffer: Vec::new(),
            parts: JoinSet::new(),
            runtime: Handle::current(),
            whole: Arc::clone(&self.uploads),
        };
        FileSink::remote(file, self.failure.clone())
    }

    /// Why an object could not be written, if that is so.
    pub(super) fn failure(&self) -> Option<EngineError> {
        self.failure.found().map(|source| EngineError::Write { location: self.location.clone(), source })
    }

    /// Makes the output visible: all of the above from step 2.
    pub(super) async fn publish(&self, files: &[WrittenFile], manifest: Option<Vec<u8>>) -> Result<()> {
        self.complete().await?;
        self.put_manifest(manifest).await?;
        self.delete_earlier(files).await
    }

    /// Completes the uploads. After a failure none of the run's objects is left.
    async fn complete(&self) -> Result<()> {
        let mut uploads = std::mem::take(&mut *locked(&self.uploads));
        while let Some((object, mut upload)) = uploads.pop() {
            if let Err(error) = upload.complete().await {
                uploads.push((object, upload));
                *locked(&self.uploads) = uploads;
                self.abandon().await;
                return Err(failed(&self.location, error));
            }
            locked(&self.completed).push(object);
        }
        Ok(())
    }

    /// The commit: one request.
    async fn put_manifest(&self, manifest: Option<Vec<u8>>) -> Result<()> {
        if let Some(bytes) = manifest {
            self.store.put(&self.manifest(), PutPayload::from(bytes)).await.map_err(|source| failed(&self.location, source))?;
        }
        self.published.store(true, Ordering::Release);
        Ok(())
    }

    /// Deletes what the manifest no longer names.
    async fn delete_earlier(&self, files: &[WrittenFile]) -> Result<()> {
        let mut current: Vec<Path> = files.iter().map(|file| self.object(&file.path)).collect();
        current.push(self.manifest());
        let old = self.earlier.iter().filter(|object| !current.contains(object)).cloned().map(Ok);
        self.store
            .delete_stream(futures::stream::iter(old.collect::<Vec<_>>()).boxed())
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .map_err(|source| failed(&self.location, source))
    }

    /// Takes back all that was written.
    async fn abandon(&self) {
        self.published.store(true, Ordering::Release);
        let uploads = std::mem::take(&mut *locked(&self.uploads));
        let completed = std::mem::take(&mut *locked(&self.completed));
        take_back(Arc::clone(&self.store), self.location.clone(), uploads, completed).await;
    }
}

impl Drop for RemoteStage {
    fn drop(&mut self) {
        if self.published.load(Ordering::Acquire) {
            return;
        }
        let uploads = std::mem::take(&mut *locked(&self.uploads));
        let completed = std::mem::take(&mut *locked(&self.completed));
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(take_back(Arc::clone(&self.store), self.location.clone(), uploads, completed));
    }
}

async fn take_back(store: Arc<dyn ObjectStore>, location: String, uploads: Vec<Upload>, completed: Vec<Path>) {
    for (_, mut upload) in uploads {
        if let Err(error) = upload.abort().await {
            let error = crate::error_text::store_text(&error);
            tracing::warn!(%location, %error, "an upload of a failed run could not be taken back; it cannot be seen, but takes up space");
        }
    }
    let paths = futures::stream::iter(completed.into_iter().map(Ok)).boxed();
    if let Err(error) = store.delete_stream(paths).try_collect::<Vec<_>>().await {
        let error = crate::error_text::store_text(&error);
        tracing::warn!(%location, %error, "objects of a failed run could not be removed; no manifest names them");
    }
}

/// Outputs in object stores that are whole but not published: their owner says when, and whether.
///
/// A sink whose [`SinkSpec::hold`] is set leaves its output here. What is neither published nor abandoned is taken back when
/// the last clone of this is dropped.
#[derive(Debug, Clone, Default)]
pub struct HeldOutputs(Arc<Mutex<Vec<HeldOutput>>>);

#[derive(Debug)]
struct HeldOutput {
    stage: Arc<RemoteStage>,
    files: Vec<WrittenFile>,
    manifest: Option<Vec<u8>>,
}

impl HeldOutputs {
    pub(super) fn add(&self, stage: Arc<RemoteStage>, files: Vec<WrittenFile>, manifest: Option<Vec<u8>>) {
        locked(&self.0).push(HeldOutput { stage, files, manifest });
    }

    /// Publishes all of them; `amend` may add to each manifest. Nothing is visible unless every upload could be completed.
    pub async fn publish(&self, amend: impl Fn(&mut serde_json::Value) + Send) -> Result<()> {
        let mut outputs = std::mem::take(&mut *locked(&self.0));
        for output in &mut outputs {
            if let Some(bytes) = &mut output.manifest
                && let Ok(mut manifest) = serde_json::from_slice(bytes)
            {
                amend(&mut manifest);
                *bytes = serde_json::to_vec_pretty(&manifest).unwrap_or_else(|_| bytes.clone());
            }
        }
        for done in 0..outputs.len() {
            if let Err(error) = outputs[done].stage.complete().await {
                for output in outputs {
                    output.stage.abandon().await;
                }
                return Err(error);
            }
        }
        for output in &mut outputs {
            output.stage.put_manifest(output.manifest.take()).await?;
        }
        for output in outputs {
            // The output is published; what could not be deleted is known by its name and goes with the next run.
            if let Err(error) = output.stage.delete_earlier(&output.files).await {
                tracing::warn!(%error, "objects of an earlier run could not be removed; no manifest names them any more");
            }
        }
        Ok(())
    }

    /// Takes all of them back.
    pub async fn abandon(&self) {
        let outputs = std::mem::take(&mut *locked(&self.0));
        for output in outputs {
            output.stage.abandon().await;
        }
    }
}

/// One object being uploaded, written to from a blocking thread.
pub(super) struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    object: Path,
    upload: Option<Box<dyn MultipartUpload>>,
    buffer: Vec<u8>,
    parts: JoinSet<object_store::Result<()>>,
    runtime: Handle,
    whole: Arc<Mutex<Vec<Upload>>>,
}

impl RemoteFile {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.send()?;
        }
        Ok(taken)
    }

    /// Sends what is left and waits until the store has every part. The object is not there before the stage completes it.
    pub(super) fn commit(mut self) -> io::Result<()> {
        self.send()?;
        while !self.parts.is_empty() {
            self.wait_for_part()?;
        }
        if let Some(upload) = self.upload.take() {
            locked(&self.whole).push((self.object.clone(), upload));
        }
        Ok(())
    }

    /// Sends the buffer as a part, if there is something in it, and begins the upload, if that is not done yet.
    fn send(&mut self) -> io::Result<()> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(self.runtime.block_on(self.store.put_multipart(&self.object))?),
        };
        if self.buffer.is_empty() {
            return Ok(());
        }
        let part = upload.put_part(PutPayload::from(std::mem::take(&mut self.buffer)));
        self.parts.spawn_on(part, &self.runtime);
        while self.parts.len() >= UPLOADS {
            self.wait_for_part()?;
        }
        Ok(())
    }

    fn wait_for_part(&mut self) -> io::Result<()> {
        match self.runtime.block_on(self.parts.join_next()) {
            None => Ok(()),
            Some(done) => Ok(done.map_err(io::Error::other)??),
        }
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        if let Some(mut upload) = self.upload.take() {
            let mut parts = std::mem::take(&mut self.parts);
            self.runtime.spawn(async move {
                parts.shutdown().await;
                let _ = upload.abort().await;
            });
        }
    }
}

/// The run in the names of its objects: that of the job, else one of its own.
fn run_name(spec: &SinkSpec) -> String {
    let plain = |run: &&String| !run.is_empty() && run.len() <= 64 && run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    spec.metadata.get("sutura.run_id").filter(plain).cloned().unwrap_or_else(local::run_id)
}

/// Whether a file name is one that a run gives: `part-00000-sutura-<run>.parquet`.
fn is_of_a_run(name: &str) -> bool {
    let Some((part, rest)) = name.strip_prefix("part-").and_then(|rest| rest.split_once(RUN_MARK)) else { return false };
    part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') && rest.contains('.')
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs_are_known_and_those_of_other_programs_are_not() {
        assert!(is_of_a_run("part-00000-sutura-0190.parquet") && is_of_a_run("part-00000_00001-sutura-1-2-3.csv.gz"));
        for foreign in
            ["part-00000.parquet", "part-00000-0e0fe2d4-c000.snappy.parquet", "_manifest.json", "x-sutura-1.csv", "part-a-sutura-1.csv"]
        {
            assert!(!is_of_a_run(foreign), "{foreign}");
        }
        let mut spec = SinkSpec::new(super::super::SinkFormat::Csv, "s3://b/p");
        assert_eq!(run_name(&spec).split('-').count(), 3);
        spec.metadata.insert("sutura.run_id".into(), "0190-7".into());
        assert_eq!(run_name(&spec), "0190-7");
        spec.metadata.insert("sutura.run_id".into(), "../x".into());
        assert_ne!(run_name(&spec), "../x");
    }
}
