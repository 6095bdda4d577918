//! What can go wrong between a path and a table.

use std::{fmt, io};

use datafusion::error::DataFusionError;
use sutura_core::FormatError;

use crate::error_text::{any_text, arrow_text, datafusion_text, io_words, is_about_the_query, store_text};

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
    #[error("reading {uri}: {}", io_words(source))]
    Io {
        /// The source.
        uri: String,
        /// The cause.
        source: io::Error,
    },
    /// An object store refused.
    #[error("object store, {uri}: {}", store_text(source))]
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
    #[error("{}", datafusion_text(.0))]
    DataFusion(Box<DataFusionError>),
    /// Arrow refused a batch.
    #[error("{}", arrow_text(.0))]
    Arrow(arrow::error::ArrowError),
    /// A consumer of a pass failed.
    #[error("{name}: {}", any_text(source.as_ref()))]
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
    /// A sink would hold identifying columns, and no purpose was stated.
    #[error(
        "{location}: the output would hold identifying columns: {}; de-identify them (a policy, or pseudonym(), age_band(), ...), leave them out, or state a purpose with allow_phi",
        crate::error::list(columns)
    )]
    IdentifyingColumns {
        /// The output's location.
        location: String,
        /// All such columns with their classes.
        columns: Vec<crate::sink::RefusedColumn>,
    },
    /// A sink's settings do not fit, or its location cannot be written.
    #[error("output {location}: {reason}")]
    BadOutput {
        /// The output's location.
        location: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The output is already there.
    #[error("output {location} exists; give another location or allow overwriting")]
    OutputExists {
        /// The output's location.
        location: String,
    },
    /// Writing failed (disk full, permission, network).
    #[error("writing {}; what was there before is unchanged", storage_text(location, source))]
    Write {
        /// The file or folder.
        location: String,
        /// The cause.
        source: io::Error,
    },
    /// Encoding failed, or the bytes could not be written.
    #[error("writing output: {}", any_text(.0.as_ref()))]
    Encode(Box<dyn std::error::Error + Send + Sync>),
    /// One of our own functions could not work with a value.
    #[error("{name}: {reason}")]
    Function {
        /// The function's name.
        name: String,
        /// Why, without the value.
        reason: String,
    },
    /// A background task died: a defect of ours. What it said may hold anything and is not shown.
    #[error("a background task failed; this is a defect of sutura")]
    Task(String),
}

impl EngineError {
    /// Whether what was asked for is wrong (a path, a query, an option, an output), rather than that it failed while running.
    pub fn is_configuration(&self) -> bool {
        match self {
            EngineError::DataFusion(inner) => is_about_the_query(inner),
            EngineError::NotFound { .. }
            | EngineError::NoFiles { .. }
            | EngineError::BadLocation { .. }
            | EngineError::UnknownFormat { .. }
            | EngineError::BadCall { .. }
            | EngineError::Format(
                FormatError::UnknownTable { .. }
                | FormatError::BadOption { .. }
                | FormatError::NoViews { .. }
                | FormatError::BadView { .. },
            )
            | EngineError::IdentifyingColumns { .. }
            | EngineError::BadOutput { .. }
            | EngineError::OutputExists { .. } => true,
            EngineError::Consumer { source, .. } => source.downcast_ref::<EngineError>().is_some_and(EngineError::is_configuration),
            _ => false,
        }
    }
}

impl From<arrow::error::ArrowError> for EngineError {
    fn from(error: arrow::error::ArrowError) -> Self {
        EngineError::Arrow(error)
    }
}

impl From<io::Error> for EngineError {
    fn from(error: io::Error) -> Self {
        EngineError::Encode(Box::new(error))
    }
}

impl From<parquet::errors::ParquetError> for EngineError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        EngineError::Encode(Box::new(error))
    }
}

/// A place and why it could not be written. A full disk is said in words that tell what to do.
pub fn storage_text(place: impl fmt::Display, error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::StorageFull => "the disk that holds it is full: free some space there, or give another place",
        io::ErrorKind::QuotaExceeded => "the disk quota there is used up: free some space, or give another place",
        io::ErrorKind::FileTooLarge => "a file may not grow so large there (ulimit -f, or a limit of the file system)",
        io::ErrorKind::ReadOnlyFilesystem => "the file system there can only be read: give another place",
        _ => return format!("{place}: {}", io_words(error)),
    };
    format!("{place}: {words}")
}

fn list(columns: &[crate::sink::RefusedColumn]) -> String {
    columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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
