//! What can go wrong between a path and a table.

use std::io;

use datafusion::error::DataFusionError;
use sutura_core::FormatError;

/// Why the engine could not do what was asked. Messages name places, never field content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No file, folder or object of that name.
    #[error("{location}: nothing there; check the path (globs and s3://bucket/prefix are allowed)")]
    NotFound {
        /// The path as it was given.
        location: String,
    },
    /// A folder, prefix or glob without a file of the format.
    #[error(
        "{location}: no file with an extension of the format ({extensions}, each also with .gz, .zst or .zstd); name the file itself or use a glob"
    )]
    NoFiles {
        /// The path as it was given.
        location: String,
        /// The extensions that were looked for.
        extensions: String,
    },
    /// A path that cannot be read as one.
    #[error("{location}: {reason}")]
    BadLocation {
        /// The path as it was given.
        location: String,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// No reader of that name.
    #[error("no format {name:?}; the engine knows {known}")]
    UnknownFormat {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A table function was called wrongly.
    #[error("{function}: {reason}")]
    BadCall {
        /// Function name.
        function: String,
        /// What is wrong, and how to call it.
        reason: String,
    },
    /// Reading failed (disk, network, permission).
    #[error("reading {uri}: {source}")]
    Io {
        /// The source.
        uri: String,
        /// The cause.
        source: io::Error,
    },
    /// An object store refused.
    #[error("object store, {uri}: {source}")]
    ObjectStore {
        /// The source.
        uri: String,
        /// The cause.
        source: Box<object_store::Error>,
    },
    /// A reader could not be made or could not go on.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// DataFusion refused a plan or failed in running it.
    #[error(transparent)]
    DataFusion(Box<DataFusionError>),
    /// Arrow refused a batch.
    #[error("arrow: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A consumer of a pass failed.
    #[error("{name}: {source}")]
    Consumer {
        /// The consumer's name.
        name: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A pass was stopped because one of its parts failed.
    #[error("the pass was stopped: {reason}")]
    Stopped {
        /// Which part, and why.
        reason: String,
    },
    /// A background task died: a defect of ours.
    #[error("a background task failed: {0}")]
    Task(String),
}

impl From<DataFusionError> for EngineError {
    /// An engine error that travelled through DataFusion comes out as itself.
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<EngineError>() {
                Ok(engine) => *engine,
                Err(inner) => EngineError::DataFusion(Box::new(DataFusionError::External(inner))),
            },
            other => EngineError::DataFusion(Box::new(other)),
        }
    }
}

impl From<EngineError> for DataFusionError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::DataFusion(inner) => *inner,
            other => DataFusionError::External(Box::new(other)),
        }
    }
}

/// The engine's result.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;
