//! The session: one DataFusion context with the formats, functions and settings of Sutura.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use datafusion::{
    catalog::TableProvider,
    dataframe::DataFrame,
    execution::{
        context::SessionContext,
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    prelude::SessionConfig,
};
use object_store::ObjectStore;
use sutura_core::Format;
use sutura_privacy::PrivacyContext;
use sutura_terminology::UserTerminology;

use crate::{
    error::{EngineError, Result},
    files::SourceFile,
    passed_over::Ledger,
    policy::BoundPolicy,
    profiles::ProfileStore,
    relations::{self, Relations},
    scan::FormatTable,
    table_function::{ReadFunction, RejectsFunction},
};

/// How the engine runs. The defaults suit one machine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// How many parts of a plan run at once, and how many decoders; default: the cores.
    pub target_partitions: usize,
    /// Rows in a batch.
    pub batch_rows: usize,
    /// Most bytes that sorts, joins and aggregations may hold before they spill to disk; `None`: no limit.
    pub memory_limit: Option<usize>,
    /// Bytes read at a time by each decoder.
    pub block_bytes: usize,
    /// A file is not cut into ranges smaller than this.
    pub min_range_bytes: u64,
    /// Keys, scope and vault of the privacy functions; without them, those that need a key say so.
    pub privacy: Option<Arc<PrivacyContext>>,
    /// The policy of `deidentified`, `scrub` and the functions over documents; the privacy functions have its keys, and refuse what its
    /// law does not permit.
    pub policy: Option<Arc<BoundPolicy>>,
    /// Profiles, value sets and code systems that `fhir_validate`, and `conformsTo()` and `memberOf()` in `fhirpath`, know beside FHIR R4 itself.
    pub profiles: Option<Arc<ProfileStore>>,
    /// Terminology of the user, which the functions over codes and the conversions to FHIR know beside what is compiled in.
    pub terminology: Option<Arc<UserTerminology>>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            target_partitions: std::thread::available_parallelism().map_or(1, usize::from),
            batch_rows: 4096,
            memory_limit: None,
            block_bytes: 4 << 20,
            min_range_bytes: 8 << 20,
            privacy: None,
            policy: None,
            profiles: None,
            terminology: None,
        }
    }
}

impl EngineOptions {
    /// Refuses what could only be a slip, before memory is set aside for it.
    fn check(&self) -> Result<()> {
        let ranges = [
            ("target_partitions", self.target_partitions as u64, 0..=1024),
            ("batch_rows", self.batch_rows as u64, 0..=1 << 20),
            ("memory_limit", self.memory_limit.unwrap_or(1) as u64, 1..=1 << 44),
            ("block_bytes", self.block_bytes as u64, 1..=1 << 30),
        ];
        match ranges.into_iter().find(|(_, value, range)| !range.contains(value)) {
            None => Ok(()),
            Some((option, value, range)) => Err(EngineError::BadCall {
                function: format!("engine option {option}"),
                reason: format!("{value} is out of range; it must be between {} and {}", range.start(), range.end()),
            }),
        }
    }
}

/// The formats that a session can read, by name.
#[derive(Debug, Default)]
pub(crate) struct FormatRegistry(RwLock<BTreeMap<&'static str, Arc<dyn Format>>>);

impl FormatRegistry {
    pub(crate) fn insert(&self, format: Arc<dyn Format>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(format.name(), format);
    }

    pub(crate) fn get(&self, name: &str) -> Result<Arc<dyn Format>> {
        let formats = self.0.read().unwrap_or_else(PoisonError::into_inner);
        formats.get(name).cloned().ok_or_else(|| EngineError::UnknownFormat {
            name: name.to_owned(),
            known: formats.keys().copied().collect::<Vec<_>>().join(", "),
        })
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Format>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// The formats of this build: the one list of them.
pub fn formats() -> Vec<Arc<dyn Format>> {
    vec![Arc::new(sutura_hl7v2::Hl7v2), Arc::new(sutura_fhir::read::Fhir), Arc::new(sutura_ccda::Ccda), Arc::new(sutura_imaging::Images)]
}

/// What reading needs of the engine. Tables and table functions hold this, not the engine: its session holds them.
#[derive(Clone)]
pub(crate) struct Readers {
    pub(crate) runtime: Arc<RuntimeEnv>,
    pub(crate) formats: Arc<FormatRegistry>,
    pub(crate) options: Arc<EngineOptions>,
    pub(crate) passed_over: Arc<Ledger>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("formats", &self.formats).field("options", &self.options).finish_non_exhaustive()
    }
}

/// The engine. Cheap to clone; clones share the session.
#[derive(Clone)]
pub struct Engine {
    session: SessionContext,
    readers: Readers,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("readers", &self.readers).finish_non_exhaustive()
    }
}

impl Engine {
    /// A session with every format and function that Sutura has.
    ///
    /// # Errors
    /// When an option is out of its range.
    pub fn new(options: EngineOptions) -> Result<Self> {
        options.check()?;
        let config = SessionConfig::new()
            .with_target_partitions(options.target_partitions.max(1))
            .with_batch_size(options.batch_rows.max(1))
            .with_information_schema(true);
        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(limit) = options.memory_limit {
            let top = std::num::NonZeroUsize::MIN.saturating_add(4);
            runtime = runtime.with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(limit), top)));
        }
        let runtime = runtime.build_arc()?;
        let session = SessionContext::new_with_config_rt(config, Arc::clone(&runtime));
        let keys = options.policy.as_ref().map(|policy| policy.deidentifier().context()).or(options.privacy.as_ref());
        crate::functions::register(&session, keys, options.policy.as_ref());
        session.register_relation_planner(Arc::new(Relations::new(options.policy.as_ref())))?;
        crate::functions::register_fhir(&session, options.profiles.as_ref());
        crate::functions::register_terminology(&session, options.terminology.as_ref());
        let readers = Readers { runtime, formats: Arc::default(), options: Arc::new(options), passed_over: Arc::default() };
        session.register_udtf("rejects", Arc::new(RejectsFunction { readers: readers.clone() }));
        let engine = Self { session, readers };
        for format in formats() {
            engine.register_format(format);
        }
        Ok(engine)
    }

    /// The DataFusion session.
    pub fn session(&self) -> &SessionContext {
        &self.session
    }

    /// Gives the privacy functions keys, scope and vault, in place of any they had.
    pub fn set_privacy(&self, context: &Arc<PrivacyContext>) {
        crate::functions::register(&self.session, Some(context), self.options().policy.as_ref());
    }

    /// The options it was made with.
    pub fn options(&self) -> &EngineOptions {
        &self.readers.options
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Plans a query. Statements that write or copy data are refused: only sinks do that, which check for identifying columns.
    pub async fn sql(&self, query: &str) -> Result<DataFrame> {
        let state = self.session.state();
        let dialect = state.config_options().sql_parser.dialect;
        let mut statement = state.sql_to_statement(query, &dialect)?;
        relations::name_queries(&mut statement);
        let plan = state.statement_to_plan(statement).await?;
        if let Some(reason) = crate::lineage::refused_statement(&plan) {
            return Err(EngineError::BadCall { function: "sql".to_owned(), reason: reason.to_owned() });
        }
        Ok(self.session.execute_logical_plan(plan).await?)
    }

    /// Adds a format: its table function `read_<name>`.
    pub fn register_format(&self, format: Arc<dyn Format>) {
        let function = ReadFunction { readers: self.readers.clone(), format: Arc::clone(&format) };
        self.session.register_udtf(&format!("read_{}", format.name()), Arc::new(function));
        self.readers.formats.insert(format);
    }

    /// The files behind a location, sorted by URI: a path, a glob, a folder (searched to any depth for the extensions),
    /// `file://...` or `s3://bucket/prefix`. S3 takes its settings from the environment (`AWS_*`, `AWS_ENDPOINT_URL`).
    pub async fn files(&self, location: &str, extensions: &[&str]) -> Result<Vec<SourceFile>> {
        self.readers.files(location, extensions).await
    }

    /// The object store of a bucket, registered with the session: the one known, else one from the environment. Plain
    /// HTTP is allowed only to this machine (a test server), unless `AWS_ALLOW_HTTP` says otherwise.
    pub fn s3_store(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        self.readers.s3_store(bucket).map(|(_, store)| store)
    }

    /// A table of a format (`None`: its first) over the files behind a location. `options` are the format's, `Null` for none.
    pub fn table(&self, format: &str, table: Option<&str>, location: &str, options: serde_json::Value) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(FormatTable::at(&self.readers, self.format(format)?, table, location, options)?))
    }

    /// The format of that name.
    pub fn format(&self, name: &str) -> Result<Arc<dyn Format>> {
        self.readers.formats.get(name)
    }

    /// All formats, by name.
    pub fn formats(&self) -> Vec<Arc<dyn Format>> {
        self.readers.formats.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_ranges() {
        let good = EngineOptions::default;
        for (name, options) in [
            ("target_partitions", EngineOptions { target_partitions: 1 << 20, ..good() }),
            ("batch_rows", EngineOptions { batch_rows: usize::MAX, ..good() }),
            ("memory_limit", EngineOptions { memory_limit: Some(usize::MAX), ..good() }),
            ("block_bytes", EngineOptions { block_bytes: 0, ..good() }),
        ] {
            let error = Engine::new(options).unwrap_err();
            assert!(error.is_configuration() && error.to_string().contains(name) && error.to_string().contains("between"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_session_answers_sql() {
        let engine = Engine::new(EngineOptions { memory_limit: Some(64 << 20), ..EngineOptions::default() }).unwrap();
        let rows = engine.sql("select 1 + 1 as two").await.unwrap().count().await.unwrap();
        assert_eq!(rows, 1);
        let error = engine.format("hl8").unwrap_err();
        assert!(error.to_string().contains("hl8"), "{error}");
    }
}
