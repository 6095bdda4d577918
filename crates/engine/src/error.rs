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
    #[error("{}", without_content(.0))]
    DataFusion(Box<DataFusionError>),
    /// Arrow refused a batch.
    #[error("arrow: {}", redact(&.0.to_string()))]
    Arrow(arrow::error::ArrowError),
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
    #[error("writing {location}: {source}")]
    Write {
        /// The file or folder.
        location: String,
        /// The cause.
        source: io::Error,
    },
    /// Encoding failed, or the bytes could not be written.
    #[error("writing output: {0}")]
    Encode(Box<dyn std::error::Error + Send + Sync>),
    /// A background task died: a defect of ours.
    #[error("a background task failed: {0}")]
    Task(String),
}

/// What happened, without the value it happened to: errors of planning speak of the query, errors of
/// running may quote a field ("cannot cast string ...").
fn without_content(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Plan(_)
        | DataFusionError::SQL(..)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::ResourcesExhausted(_) => error.to_string(),
        DataFusionError::Diagnostic(_, inner) => without_content(inner),
        DataFusionError::Context(what, inner) => format!("{what}: {}", without_content(inner)),
        DataFusionError::Collection(errors) => errors.iter().map(without_content).collect::<Vec<_>>().join("; "),
        DataFusionError::Shared(inner) => without_content(inner),
        other => redact(&other.to_string()),
    }
}

/// Replaces quoted text and digits.
fn redact(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(open) = rest.find(['\'', '"', '`']) {
        let quote = &rest[open..=open];
        shown.push_str(&rest[..open]);
        // To the last such quote: the value may hold some itself.
        let Some(close) = rest[open + 1..].rfind(quote) else {
            shown.push_str("...");
            rest = "";
            break;
        };
        shown.push_str("'...'");
        rest = &rest[open + 1 + close + 1..];
    }
    shown.push_str(rest);
    shown.chars().map(|c| if c.is_numeric() { '#' } else { c }).collect()
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
