//! The session: one DataFusion context with the formats, functions and settings of Sutura.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use datafusion::{
    dataframe::DataFrame,
    execution::{
        context::SessionContext,
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::RuntimeEnvBuilder,
    },
    prelude::SessionConfig,
};
use sutura_core::Format;

use crate::error::{EngineError, Result};

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
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            target_partitions: std::thread::available_parallelism().map_or(1, usize::from),
            batch_rows: 8192,
            memory_limit: None,
            block_bytes: 4 << 20,
            min_range_bytes: 8 << 20,
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

/// The engine. Cheap to clone; clones share the session.
#[derive(Clone)]
pub struct Engine {
    session: SessionContext,
    formats: Arc<FormatRegistry>,
    options: Arc<EngineOptions>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// A session with every format and function that Sutura has.
    pub fn new(options: EngineOptions) -> Result<Self> {
        let config = SessionConfig::new()
            .with_target_partitions(options.target_partitions.max(1))
            .with_batch_size(options.batch_rows.max(1))
            .with_information_schema(true);
        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(limit) = options.memory_limit {
            let top = std::num::NonZeroUsize::MIN.saturating_add(4);
            runtime = runtime.with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(limit), top)));
        }
        let session = SessionContext::new_with_config_rt(config, runtime.build_arc()?);
        Ok(Self { session, formats: Arc::default(), options: Arc::new(options) })
    }

    /// The DataFusion session.
    pub fn session(&self) -> &SessionContext {
        &self.session
    }

    /// The options it was made with.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Plans a query.
    pub async fn sql(&self, query: &str) -> Result<DataFrame> {
        Ok(self.session.sql(query).await?)
    }

    /// Adds a format: its table function `read_<name>`.
    pub fn register_format(&self, format: Arc<dyn Format>) {
        self.formats.insert(format);
    }

    /// The format of that name.
    pub fn format(&self, name: &str) -> Result<Arc<dyn Format>> {
        self.formats.get(name)
    }

    /// All formats, by name.
    pub fn formats(&self) -> Vec<Arc<dyn Format>> {
        self.formats.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_answers_sql() {
        let engine = Engine::new(EngineOptions { memory_limit: Some(64 << 20), ..EngineOptions::default() }).unwrap();
        let rows = engine.sql("select 1 + 1 as two").await.unwrap().count().await.unwrap();
        assert_eq!(rows, 1);
        let error = engine.format("hl8").unwrap_err();
        assert!(error.to_string().contains("hl8"), "{error}");
    }
}
