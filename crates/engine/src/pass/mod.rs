//! One pass over the input for many plans.
//!
//! A job wants a dozen tables of the same files. Reading the files once for each would parse every message a dozen
//! times. A [`SharedPass`] reads each file once, decodes the union of what all plans ask for, and feeds every plan its own
//! columns, with back-pressure and bounded memory. It also keeps the account: every byte of every file, whether or
//! not a plan wants it.
//!
//! ```no_run
//! # use sutura_engine::{Engine, EngineOptions, pass::{Consumer, PassOptions, SharedPass, SourceSpec}};
//! # async fn example(engine: Engine) -> sutura_engine::Result<()> {
//! let pass = SharedPass::new(&engine, vec![SourceSpec::new("feed", "hl7v2", "/data/incoming")]).await?;
//! // The tables of the source, and `rejects`, are in the schema of its name until the pass is dropped.
//! let visits = engine.sql("select visit_number, patient_class from feed.visits").await?;
//! let rejects = engine.sql("select code, count(*) from feed.rejects group by code").await?;
//! let consumers = vec![
//!     Consumer::new("visits", visits, |stream| async move { /* write the stream */ drop(stream); Ok(()) }),
//!     Consumer::new("rejects", rejects, |stream| async move { drop(stream); Ok(()) }),
//! ];
//! let report = pass.run(consumers, PassOptions::default()).await?;
//! assert!(report.balances());
//! # Ok(()) }
//! ```
//!
//! - A plan that reads exactly one table of the pass, once, is fed by the pass. A plan that reads several, or one twice
//!   (joins, unions), reads the files on its own: fed by the pass it could wait for one stream while the pass waits for it
//!   to take from another. Its rows are the same; only the work is done again ([`ConsumerReport::own_scan`]).
//! - Rows come in no particular order. A plan that needs one says `order by`.
//! - The first failure (a file that cannot be read, a plan, a sink) stops everything: every stream ends with an
//!   error, so that no sink takes a part for the whole.
//! - A plan that has enough (`limit`) no longer takes part; the account goes on to the end.
//! - Without consumers the pass only counts: that is how a folder is checked.

mod account;
mod queue;
mod run;
mod tap;

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use datafusion::{
    catalog::{CatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider},
    dataframe::DataFrame,
    execution::SendableRecordBatchStream,
};
use futures::{FutureExt, future::BoxFuture};
use sutura_core::{Format, ReadStats, Reject};

pub use account::{FileAccount, Totals};

pub use crate::scan::batches::{CODE_BATCH_COUNT, CODE_BATCH_OPEN};

use crate::{
    engine::Engine,
    error::{EngineError, Result},
    files::{SourceFile, each_once},
    pass::tap::PassTable,
    scan::{FormatTable, source::ScanTable, source::unknown_table},
};

/// A source of a pass.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// The schema its tables are in.
    pub name: String,
    /// Format name.
    pub format: String,
    /// Paths, globs, folders, `s3://` prefixes. A file that several of them name is read once.
    pub locations: Vec<String>,
    /// The format's options; `Null` for none.
    pub options: serde_json::Value,
    /// The format itself, where it is not the session's of that name: one with views.
    pub instance: Option<Arc<dyn Format>>,
}

impl SourceSpec {
    /// A source at one location, without options.
    pub fn new(name: impl Into<String>, format: impl Into<String>, location: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            format: format.into(),
            locations: vec![location.into()],
            options: serde_json::Value::Null,
            instance: None,
        }
    }
}

/// Any error of a sink.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;
/// What a consumer does with its rows.
pub type Sink<T> = Box<dyn FnOnce(SendableRecordBatchStream) -> BoxFuture<'static, Result<T, SinkError>> + Send>;

/// A plan that takes part in a pass, and what to do with its rows.
pub struct Consumer<T> {
    /// Name for reports and errors.
    pub name: String,
    /// The plan.
    pub frame: DataFrame,
    /// Takes the rows. Its task runs beside those of the other consumers; it must not wait for another one. When its stream has
    /// ended it may wait for [`PassOptions::on_accounted`]: files are read to their ends whether it goes on or not.
    pub sink: Sink<T>,
}

impl<T> Consumer<T> {
    /// A consumer from a closure.
    pub fn new<F, R>(name: impl Into<String>, frame: DataFrame, sink: F) -> Self
    where
        F: FnOnce(SendableRecordBatchStream) -> R + Send + 'static,
        R: Future<Output = Result<T, SinkError>> + Send + 'static,
    {
        Self { name: name.into(), frame, sink: Box::new(move |stream| sink(stream).boxed()) }
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Sees each reject on the decoder's thread: be quick, or be bounded. `Err` stops the pass.
pub type RejectHandler = Arc<dyn Fn(&str, &Reject) -> Result<(), SinkError> + Send + Sync>;

/// Sees the account of every file once all are read and hashed, before the streams' sinks are done: what a sink says
/// about its sources is known only then. Dropped uncalled when the pass stops early, so that whoever waits for it learns that.
#[derive(Clone)]
pub struct AccountsHandler(Arc<Mutex<Option<AccountsFunction>>>);

type AccountsFunction = Box<dyn FnOnce(&[FileAccount]) + Send>;

impl AccountsHandler {
    /// A handler from a closure; it is called once at most, and should be quick.
    pub fn new(handler: impl FnOnce(&[FileAccount]) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(handler)))))
    }

    fn take(&self) -> Option<AccountsFunction> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How a pass runs.
#[derive(Clone, Default)]
pub struct PassOptions {
    /// Called with the source's name and each reject. The table `rejects` of the source is the other way to them.
    pub on_reject: Option<RejectHandler>,
    /// Counted up while the pass runs.
    pub progress: Option<Arc<PassProgress>>,
    /// Called once with the accounts of all files.
    pub on_accounted: Option<AccountsHandler>,
    /// Do not hash the files: for who does not name them to others by their SHA-256. Files that were cut into ranges are not read
    /// once more then.
    pub skip_hashes: bool,
}

impl fmt::Debug for PassOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassOptions").field("skip_hashes", &self.skip_hashes).finish_non_exhaustive()
    }
}

/// How far a pass has come. Read it at any time.
#[derive(Debug, Default)]
pub struct PassProgress {
    /// Stored bytes of all files.
    pub bytes_total: AtomicU64,
    /// Stored bytes read.
    pub bytes_read: Arc<AtomicU64>,
    /// Files.
    pub files_total: AtomicU64,
    /// Files read to the end.
    pub files_done: AtomicU64,
    /// Records of finished ranges.
    pub records: AtomicU64,
    /// Rejects of finished ranges.
    pub rejected: AtomicU64,
}

/// What became of a consumer.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConsumerReport<T> {
    /// Its name.
    pub name: String,
    /// What its sink gave back.
    pub output: T,
    /// Whether it read the files on its own.
    pub own_scan: bool,
}

/// What became of a pass.
#[derive(Debug)]
#[non_exhaustive]
pub struct PassReport<T> {
    /// One account per file, by source and URI.
    pub files: Vec<FileAccount>,
    /// The consumers, in the order given.
    pub consumers: Vec<ConsumerReport<T>>,
}

impl<T> PassReport<T> {
    /// The sums over files.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.files.iter().for_each(|file| totals.add(file));
        totals
    }

    /// The accounts of one source added up.
    pub fn stats(&self, source: &str) -> ReadStats {
        let mut stats = ReadStats::default();
        self.files.iter().filter(|file| file.source == source).for_each(|file| stats.merge(&file.stats));
        stats
    }

    /// Whether `records = accepted + rejected`, and every byte is accounted for, in every file.
    pub fn balances(&self) -> bool {
        self.files.iter().all(|file| file.stats.balances())
    }
}

struct PassSource {
    name: String,
    format: Arc<dyn Format>,
    options: serde_json::Value,
    files: Arc<[Arc<SourceFile>]>,
}

/// One pass over a set of sources. See the module.
pub struct SharedPass {
    id: u64,
    engine: Engine,
    sources: Vec<PassSource>,
    catalog: Arc<dyn CatalogProvider>,
    /// Schemas to take away again.
    registered: Vec<String>,
}

impl fmt::Debug for SharedPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPass").field("sources", &self.registered).finish_non_exhaustive()
    }
}

impl SharedPass {
    /// Finds the files, checks formats and options, and makes the tables known to the engine's session as `<source>.<table>`.
    pub async fn new(engine: &Engine, sources: Vec<SourceSpec>) -> Result<Self> {
        static PASSES: AtomicU64 = AtomicU64::new(1);
        let session = engine.session();
        let catalog_name = session.state().config_options().catalog.default_catalog.clone();
        let catalog =
            session.catalog(&catalog_name).ok_or_else(|| EngineError::Task(format!("the session has no catalog {catalog_name}")))?;
        let id = PASSES.fetch_add(1, Ordering::Relaxed);
        let mut pass = Self { id, engine: engine.clone(), sources: Vec::new(), catalog, registered: Vec::new() };
        for spec in sources {
            pass.add(spec).await?;
        }
        Ok(pass)
    }

    async fn add(&mut self, spec: SourceSpec) -> Result<()> {
        let bad = |reason: &str| EngineError::BadLocation { location: format!("source {}", spec.name), reason: reason.to_owned() };
        if self.catalog.schema(&spec.name).is_some() {
            return Err(bad("the session has a schema of that name; give the source another name"));
        }
        let format = match spec.instance {
            Some(format) => format,
            None => self.engine.format(&spec.format)?,
        };
        format.check_options(&spec.options)?;
        let mut files = Vec::new();
        for location in &spec.locations {
            files.extend(self.engine.files(location, format.extensions()).await?);
        }
        files.sort_by(|a, b| a.uri.cmp(&b.uri));
        if spec.locations.len() > 1 {
            files = tokio::task::spawn_blocking(move || each_once(files)).await.map_err(|error| EngineError::Task(error.to_string()))?;
        }
        if files.is_empty() {
            return Err(bad("it names no location"));
        }
        self.sources.push(PassSource {
            name: spec.name.clone(),
            format: Arc::clone(&format),
            options: spec.options,
            files: files.into_iter().map(Arc::new).collect(),
        });
        let schema = MemorySchemaProvider::new();
        let tables = format.tables().iter().map(|table| table.name.as_str());
        for table in std::iter::once("rejects").chain(tables) {
            schema.register_table(table.to_owned(), self.provider(&spec.name, table)?)?;
        }
        self.catalog.register_schema(&spec.name, Arc::new(schema))?;
        self.registered.push(spec.name);
        Ok(())
    }

    /// A table of a source; `rejects` is one, unless the format has its own of that name.
    pub fn provider(&self, source: &str, table: &str) -> Result<Arc<dyn TableProvider>> {
        let Some(position) = self.sources.iter().position(|known| known.name == source) else {
            let known = self.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(EngineError::BadLocation { location: format!("source {source}"), reason: format!("the pass has {known}") });
        };
        let of = &self.sources[position];
        let kind = match of.format.table(table) {
            Some(table) => ScanTable::Rows(table.name.clone()),
            None if table == "rejects" => ScanTable::Rejects,
            None => return Err(unknown_table(of.format.as_ref(), table)),
        };
        let name = (kind != ScanTable::Rejects).then(|| kind.name().to_owned());
        let may_refuse = name.as_deref().is_some_and(|table| of.format.may_refuse(table));
        let scan = FormatTable::of_files(self.engine.readers(), Arc::clone(&of.format), kind, of.options.clone(), Arc::clone(&of.files))?;
        Ok(Arc::new(PassTable { pass: self.id, source: position, table: name, scan, may_refuse }))
    }

    /// The files of a source, sorted by URI.
    pub fn files(&self, source: &str) -> &[Arc<SourceFile>] {
        self.sources.iter().find(|known| known.name == source).map_or(&[], |source| &source.files)
    }

    /// Reads everything once and drives all consumers to their ends.
    pub async fn run<T: Send + 'static>(&self, consumers: Vec<Consumer<T>>, options: PassOptions) -> Result<PassReport<T>> {
        run::run(self, consumers, options).await
    }
}

impl Drop for SharedPass {
    fn drop(&mut self) {
        for schema in &self.registered {
            // A schema that is gone already is gone.
            let _ = self.catalog.deregister_schema(schema, true);
        }
    }
}
