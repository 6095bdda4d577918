//! Where results leave the engine: files, locally or in an object store.
//!
//! [`write()`] takes a data frame, [`write_stream`] the stream of one consumer of a pass. Both
//! - refuse identifying columns that were not treated, and unclassified ones, unless the caller states
//!   the [`Purpose`] for which the output may hold them;
//! - write all or nothing: into a hidden folder beside the target, every file and folder synced, then
//!   renamed into place (object stores: uploads under new names, completed when all is written, `_manifest.json` last);
//! - hash every file while it is written.
//!
//! A folder output holds `part-00000.<ext>`, ... (below `column=value` folders when partitioned; in object stores with the
//! run in the name, `part-00000-sutura-<run>.<ext>`) and `_manifest.json`. It belongs to the sink: replacing it needs `overwrite`, and a folder that holds
//! anything else is never replaced.
//!
//! Null and empty text look the same in CSV; the other formats keep them apart. Text that begins with
//! `=`, `+`, `-` or `@` is written as it is: data is not changed for the sake of spreadsheet programs.

mod budget;
mod display;
mod documents;
mod encode;
mod file;
mod guard;
mod late;
mod local;
mod manifest;
mod part;
mod partition;
mod remote;

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::DataFrame;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{Engine, EngineError, Result, lineage};
pub use budget::RowGroupBudget;
pub use display::{DisplayFormat, Printer, mask_identifying};
pub use documents::{CONTENT_COLUMN, FILE_COLUMN};
pub use guard::RefusedColumn;
pub use late::{LateFacts, LateFactsSender};
pub use manifest::MANIFEST;
pub use remote::HeldOutputs;

/// What a file is encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkFormat {
    /// Apache Parquet; the Arrow schema with its Sutura metadata is in the footer.
    Parquet,
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON object a line, every column present.
    Ndjson,
    /// Arrow IPC file.
    Arrow,
    /// A file for each row: [`FILE_COLUMN`] names it, [`CONTENT_COLUMN`] is what is in it. Other columns are not written. In object stores
    /// the names are as given, without the run in them; of two rows with the same name and content one is written.
    Files,
}

impl SinkFormat {
    /// The file name extension, without compression suffix.
    pub fn extension(self) -> &'static str {
        match self {
            SinkFormat::Parquet => "parquet",
            SinkFormat::Csv => "csv",
            SinkFormat::Ndjson => "ndjson",
            SinkFormat::Arrow => "arrow",
            SinkFormat::Files => "",
        }
    }

    /// The format that a file name asks for, and its compression (`lab.csv.gz`).
    pub fn from_file_name(name: &str) -> Option<(SinkFormat, Option<Compression>)> {
        let lower = name.to_ascii_lowercase();
        let (stem, compression) = match lower.rsplit_once('.') {
            Some((stem, "gz")) => (stem, Some(Compression::Gzip)),
            Some((stem, "zst")) => (stem, Some(Compression::Zstd)),
            _ => (lower.as_str(), None),
        };
        let format = match stem.rsplit_once('.')?.1 {
            "parquet" if compression.is_none() => SinkFormat::Parquet,
            "arrow" | "feather" | "ipc" if compression.is_none() => SinkFormat::Arrow,
            "csv" => SinkFormat::Csv,
            "ndjson" | "jsonl" => SinkFormat::Ndjson,
            _ => return None,
        };
        Some((format, compression))
    }
}

/// How the bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// Snappy (Parquet only).
    Snappy,
    /// Zstandard, level 1 (every format).
    Zstd,
    /// Gzip (CSV and NDJSON).
    Gzip,
}

/// How many files, and what the location names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// A folder with one part file for each part of the plan that has rows.
    #[default]
    Parts,
    /// A folder with one part file (for each partition), in the order of the query.
    Single,
    /// The location is the file itself; no manifest.
    File,
}

/// Why an output may hold identifying columns. It goes into the manifest and the file's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// The stated purpose; must not be empty.
    pub text: String,
}

/// Bounds of a sink; each has a sensible default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkLimits {
    /// Rows in a Parquet row group.
    pub row_group_rows: usize,
    /// Bytes that the unfinished row groups of one stream may hold together.
    pub row_group_bytes: usize,
    /// Rows in a file, after which the next one is begun.
    pub rows_per_file: Option<u64>,
    /// Files that one stream holds open when partitioned; the least recently used is closed.
    pub open_files: usize,
    /// Most distinct partitions in one stream.
    pub partitions: usize,
}

impl Default for SinkLimits {
    fn default() -> Self {
        Self { row_group_rows: 1 << 20, row_group_bytes: 16 << 20, rows_per_file: None, open_files: 256, partitions: 10_000 }
    }
}

/// What to write, where and how.
#[derive(Debug, Clone)]
pub struct SinkSpec {
    /// The encoding.
    pub format: SinkFormat,
    /// A folder or file path, or `s3://bucket/prefix`.
    pub location: String,
    /// How many files.
    pub layout: Layout,
    /// Columns whose values become `column=value` folders; they are left out of the files.
    pub partition_by: Vec<String>,
    /// `None`: zstd for Parquet, nothing for the others.
    pub compression: Option<Compression>,
    /// Facts about the run (policy, key id, source hashes, ...): Parquet footer, Arrow schema, manifest.
    pub metadata: BTreeMap<String, String>,
    /// More of them, known only when the sources were read to their ends: Parquet and Arrow footer, manifest. A file that must be
    /// closed before (`rows_per_file`, `open_files`) is without them; the manifest is not.
    pub late_metadata: Option<LateFacts>,
    /// Object stores: where the output waits to be published. A local output is held back by writing it into a folder of one's own.
    pub hold: Option<HeldOutputs>,
    /// Set when the output may hold identifying columns.
    pub allow_phi: Option<Purpose>,
    /// Whether an existing output is replaced.
    pub overwrite: bool,
    /// Bounds.
    pub limits: SinkLimits,
    /// A bound that this output shares with others.
    pub budget: Option<Arc<RowGroupBudget>>,
}

impl SinkSpec {
    /// A folder of part files with every default.
    pub fn new(format: SinkFormat, location: impl Into<String>) -> Self {
        Self {
            format,
            location: location.into(),
            layout: Layout::default(),
            partition_by: Vec::new(),
            compression: None,
            metadata: BTreeMap::new(),
            late_metadata: None,
            hold: None,
            allow_phi: None,
            overwrite: false,
            limits: SinkLimits::default(),
            budget: None,
        }
    }

    /// The late facts that are known by now.
    fn known_late(&self) -> BTreeMap<String, String> {
        let known = self.late_metadata.as_ref().and_then(LateFacts::known);
        known.map(|facts| (*facts).clone()).unwrap_or_default()
    }

    /// The compression in use.
    pub fn effective_compression(&self) -> Compression {
        self.compression.unwrap_or(match self.format {
            SinkFormat::Parquet => Compression::Zstd,
            _ => Compression::None,
        })
    }
}

/// One file of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenFile {
    /// Path below the output's folder (the file's own path in [`Layout::File`]).
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct SinkReport {
    /// The location as it was given.
    pub location: String,
    /// The encoding.
    pub format: SinkFormat,
    /// The files, by path.
    pub files: Vec<WrittenFile>,
    /// Rows in all files.
    pub rows: u64,
    /// Bytes in all files.
    pub bytes: u64,
    /// The columns of the output with their metadata (partition columns included).
    #[serde(skip)]
    pub schema: SchemaRef,
    /// Untreated identifying columns that the output holds because a purpose was stated.
    pub allowed_columns: Vec<RefusedColumn>,
}

/// Runs a data frame into files. With [`Layout::Parts`] every part of the plan writes its own file, in parallel.
pub async fn write(engine: &Engine, df: DataFrame, spec: SinkSpec) -> Result<SinkReport> {
    let schema = Arc::new(lineage::classified_schema(&df));
    let output = Output::open(engine, schema, spec).await?;
    let streams = match output.shared.spec.layout {
        Layout::Parts => df.execute_stream_partitioned().await?,
        Layout::Single | Layout::File => vec![df.execute_stream().await?],
    };
    output.write(streams).await
}

/// Writes one stream into files. `schema` says the class of each column (from the reader's table or
/// from [`lineage::classified_plan_schema`]); names and types must be those of the stream.
pub async fn write_stream(engine: &Engine, stream: SendableRecordBatchStream, schema: &Schema, spec: SinkSpec) -> Result<SinkReport> {
    let output = Output::open(engine, Arc::new(schema.clone()), spec).await?;
    output.write(vec![stream]).await
}

/// Checks a sink before anything runs: the columns, their classes, the partitioning and the location.
pub fn check(schema: &Schema, spec: &SinkSpec) -> Result<Vec<RefusedColumn>> {
    guard::check(schema, spec)
}

/// What the writers of one output share.
struct Shared {
    spec: SinkSpec,
    /// Every column, classified.
    schema: SchemaRef,
    /// What the encoders need to know.
    encoding: encode::Encoding,
    place: Place,
    /// Of [`SinkFormat::Files`]: the names that were given.
    names: documents::Names,
}

/// Where the bytes go.
enum Place {
    Local(local::LocalStage),
    Remote(Arc<remote::RemoteStage>),
}

impl Place {
    /// The name of a file in this place.
    fn name(&self, name: String) -> String {
        match self {
            Place::Local(_) => name,
            Place::Remote(stage) => stage.fresh_name(name),
        }
    }

    fn create(&self, relative: &str) -> Result<file::FileSink> {
        match self {
            Place::Local(stage) => stage.create(relative),
            Place::Remote(stage) => Ok(stage.create(relative)),
        }
    }

    /// The error, or what is behind it when a file could not be written: encoders have other words for that.
    fn explain(&self, error: EngineError) -> EngineError {
        let failure = match self {
            Place::Local(stage) => stage.failure(),
            Place::Remote(stage) => stage.failure(),
        };
        failure.unwrap_or(error)
    }

    async fn publish(&self, files: &[WrittenFile], manifest: Option<Vec<u8>>, hold: Option<&HeldOutputs>) -> Result<()> {
        match (self, hold) {
            (Place::Local(stage), _) => stage.publish(manifest.as_deref()),
            (Place::Remote(stage), None) => stage.publish(files, manifest).await,
            (Place::Remote(stage), Some(held)) => {
                held.add(Arc::clone(stage), files.to_vec(), manifest);
                Ok(())
            }
        }
    }
}

/// An output that is being written.
struct Output {
    shared: Arc<Shared>,
    allowed: Vec<RefusedColumn>,
}

impl Output {
    async fn open(engine: &Engine, schema: SchemaRef, spec: SinkSpec) -> Result<Self> {
        let allowed = guard::check(&schema, &spec)?;
        let place = if spec.location.contains("://") && !spec.location.starts_with("file://") {
            Place::Remote(Arc::new(remote::RemoteStage::open(engine, &spec).await?))
        } else {
            Place::Local(local::LocalStage::open(&spec)?)
        };
        let encoding = encode::Encoding::new(&schema, &spec, &allowed);
        Ok(Self { shared: Arc::new(Shared { spec, schema, encoding, place, names: documents::Names::default() }), allowed })
    }

    async fn write(self, streams: Vec<SendableRecordBatchStream>) -> Result<SinkReport> {
        let explain = |error| self.shared.place.explain(error);
        let mut files = self.drain(streams).await.map_err(explain)?;
        if files.is_empty() && self.shared.spec.partition_by.is_empty() && self.shared.spec.format != SinkFormat::Files {
            let shared = Arc::clone(&self.shared);
            files = run_blocking(move || part::write_empty(&shared)).await.map_err(explain)?;
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let (rows, bytes) = files.iter().fold((0, 0), |(rows, bytes), file| (rows + file.rows, bytes + file.bytes));
        let spec = &self.shared.spec;
        let report = SinkReport {
            location: spec.location.clone(),
            format: spec.format,
            rows,
            bytes,
            files,
            schema: Arc::clone(&self.shared.schema),
            allowed_columns: self.allowed,
        };
        let manifest = (spec.layout != Layout::File).then(|| manifest::render(spec, &report));
        self.shared.place.publish(&report.files, manifest, spec.hold.as_ref()).await?;
        Ok(report)
    }

    /// Runs every stream into its own encoder. The first failure stops all, and nothing runs any
    /// more when this returns.
    async fn drain(&self, streams: Vec<SendableRecordBatchStream>) -> Result<Vec<WrittenFile>> {
        let (mut pumps, mut encoders) = (JoinSet::new(), JoinSet::new());
        for (index, stream) in streams.into_iter().enumerate() {
            let (sender, receiver) = mpsc::channel(part::QUEUE);
            pumps.spawn(part::pump(stream, sender, self.shared.spec.late_metadata.clone()));
            let shared = Arc::clone(&self.shared);
            encoders.spawn_blocking(move || match shared.spec.format {
                SinkFormat::Files => documents::encode(&shared, receiver),
                _ => part::encode(shared, index, receiver),
            });
        }
        let mut failed: Option<EngineError> = None;
        while let Some(done) = pumps.join_next().await {
            if let Err(error) = flatten(done) {
                failed = Some(error);
                pumps.shutdown().await;
            }
        }
        let mut files = Vec::new();
        while let Some(done) = encoders.join_next().await {
            match flatten(done) {
                Ok(written) => files.extend(written),
                // An encoder's failure is why its pump stopped.
                Err(error) if matches!(failed, None | Some(EngineError::Stopped { .. })) => failed = Some(error),
                Err(_) => {}
            }
        }
        failed.map_or(Ok(files), Err)
    }
}

fn flatten<T>(joined: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    joined.map_err(|error| EngineError::Task(error.to_string()))?
}

async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    flatten(tokio::task::spawn_blocking(work).await)
}

#[cfg(test)]
mod tests;
