//! Exit codes, and how an error becomes words.
//!
//! A message names places and codes, never field content. Messages of the query engine can hold a value
//! (`cannot cast 'DOE' to Int64`), so those that are made while rows flow are replaced by what they are about.

use std::{error::Error, fmt};

use sutura_engine::{EngineError, arrow::error::ArrowError, datafusion::error::DataFusionError};
use sutura_jobs::{ConfigProblem, JobError};
use sutura_privacy::PrivacyError;

/// Exit code: the work is done and clean.
pub(crate) const CLEAN: u8 = 0;
/// Exit code: it failed while running.
pub(crate) const FAILED: u8 = 1;
/// Exit code: what was asked for is wrong: arguments, job file, policy, key, query, or an output that would hold identifying columns.
pub(crate) const BAD_CONFIGURATION: u8 = 2;
/// Exit code: interrupted from the keyboard; nothing half written stays.
pub(crate) const INTERRUPTED: u8 = 130;

/// A command that did not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What to say, one paragraph a line; empty when everything is said.
    pub(crate) message: String,
}

/// A command's result: its exit code, or why it failed.
pub(crate) type Outcome<T = u8> = Result<T, Failure>;

impl Failure {
    /// Wrong input by the user: exit code 2.
    pub(crate) fn configuration(message: impl fmt::Display) -> Self {
        Self { code: BAD_CONFIGURATION, message: message.to_string() }
    }

    /// It failed while running: exit code 1.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self { code: FAILED, message: message.to_string() }
    }

    /// Interrupted from the keyboard.
    pub(crate) fn interrupted() -> Self {
        Self { code: INTERRUPTED, message: "interrupted; nothing half written was left behind".to_owned() }
    }

    /// A file that cannot be read or written.
    pub(crate) fn io(path: &str, error: &std::io::Error) -> Self {
        Self::failed(format!("{path}: {error}"))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self { code: engine_code(&error), message: engine_message(&error) }
    }
}

impl From<PrivacyError> for Failure {
    fn from(error: PrivacyError) -> Self {
        Self::configuration(chain(&error))
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Engine(error) => error.into(),
            JobError::Privacy(PrivacyError::Arrow(error)) => Self::failed(arrow_message(&error)),
            other => Self { code: other.exit_code(), message: chain(&other) },
        }
    }
}

impl From<Vec<ConfigProblem>> for Failure {
    fn from(problems: Vec<ConfigProblem>) -> Self {
        JobError::Problems(problems).into()
    }
}

/// The error and its causes, each once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

fn engine_code(error: &EngineError) -> u8 {
    match error {
        EngineError::DataFusion(inner) => match root(inner) {
            DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::Diagnostic(..) => BAD_CONFIGURATION,
            _ => FAILED,
        },
        EngineError::NotFound { .. }
        | EngineError::NoFiles { .. }
        | EngineError::BadLocation { .. }
        | EngineError::UnknownFormat { .. }
        | EngineError::BadCall { .. }
        | EngineError::Format(sutura_core::FormatError::UnknownTable { .. } | sutura_core::FormatError::BadOption { .. })
        | EngineError::IdentifyingColumns { .. }
        | EngineError::BadOutput { .. }
        | EngineError::OutputExists { .. } => BAD_CONFIGURATION,
        EngineError::Consumer { source, .. } => source.downcast_ref::<EngineError>().map_or(FAILED, engine_code),
        _ => FAILED,
    }
}

/// The engine's error in words without field content.
pub(crate) fn engine_message(error: &EngineError) -> String {
    match error {
        EngineError::DataFusion(inner) => datafusion_message(inner),
        EngineError::Arrow(inner) => arrow_message(inner),
        EngineError::Task(_) => "a background task failed; this is a defect of sutura".to_owned(),
        EngineError::Consumer { name, source } => format!("{name}: {}", any_message(source.as_ref())),
        EngineError::Encode(source) => format!("writing output: {}", any_message(source.as_ref())),
        other => chain(other),
    }
}

fn any_message(error: &(dyn Error + Send + Sync + 'static)) -> String {
    if let Some(engine) = error.downcast_ref::<EngineError>() {
        return engine_message(engine);
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return datafusion_message(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return arrow_message(inner);
    }
    if let Some(io) = error.downcast_ref::<std::io::Error>() {
        return io.to_string();
    }
    // Of an error that is not known it is not known what it says.
    running("the query engine stopped")
}

/// The error below contexts and shared wrappers.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        other => other,
    }
}

fn datafusion_message(error: &DataFusionError) -> String {
    match root(error) {
        // These speak of the query and its names, not of rows.
        found @ (DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_)) => without_noise(&found.strip_backtrace()),
        found @ DataFusionError::ResourcesExhausted(_) => {
            format!("{}; raise the memory limit or ask for less at once", without_noise(&found.strip_backtrace()))
        }
        DataFusionError::ArrowError(inner, _) => arrow_message(inner),
        DataFusionError::External(inner) => any_message(inner.as_ref()),
        DataFusionError::IoError(inner) => inner.to_string(),
        DataFusionError::ObjectStore(inner) => chain(inner.as_ref()),
        DataFusionError::Execution(_) => running("a function could not work with a value"),
        _ => running("the query engine stopped"),
    }
}

fn arrow_message(error: &ArrowError) -> String {
    let about = match error {
        ArrowError::CastError(_) | ArrowError::ParseError(_) => {
            "a value cannot be converted to the type asked for; try_cast() gives null instead"
        }
        ArrowError::DivideByZero => return "division by zero; use nullif(x, 0)".to_owned(),
        ArrowError::ArithmeticOverflow(_) => "a number is too large for its type",
        ArrowError::IoError(_, inner) => return inner.to_string(),
        ArrowError::ExternalError(inner) => return any_message(inner.as_ref()),
        _ => "a value does not fit",
    };
    running(about)
}

fn running(about: &str) -> String {
    format!("the query failed on its rows: {about} (the engine's own message is withheld, since it can hold field content)")
}

/// The engine's message in our style: no prefix, no backtrace hint.
fn without_noise(text: &str) -> String {
    let text = text.trim();
    let text = ["Error during planning: ", "SQL error: ", "Schema error: ", "This feature is not implemented: ", "Resources exhausted: "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let text = text.strip_prefix("ParserError(\"").and_then(|inner| inner.strip_suffix("\")")).unwrap_or(text);
    let text = text.replace("\"read_hl7v2()\".", "").replace("datafusion.public.", "");
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rows_say_is_withheld() {
        let cast = || ArrowError::CastError("Cannot cast string 'CANARY' to value of Int64 type".to_owned());
        let errors = [
            EngineError::Arrow(cast()),
            EngineError::from(DataFusionError::ArrowError(Box::new(cast()), None)),
            EngineError::from(DataFusionError::Execution("bad value CANARY".to_owned())),
            EngineError::Consumer { name: "sink".to_owned(), source: Box::new(EngineError::Arrow(cast())) },
            EngineError::Encode(Box::new(ArrowError::ExternalError(Box::new(cast())))),
            EngineError::Arrow(ArrowError::ExternalError("pattern CANARY( is wrong".into())),
            EngineError::Task("task 7 panicked with CANARY".to_owned()),
            EngineError::from(DataFusionError::Execution("CANARY".to_owned()).context("while reading")),
        ];
        for error in errors {
            let failure = Failure::from(error);
            assert!(!failure.message.contains("CANARY"), "{}", failure.message);
            assert_eq!(failure.code, FAILED);
        }
    }

    #[test]
    fn what_the_query_says_is_told() {
        let failure = Failure::from(EngineError::from(DataFusionError::Plan("table 'x' not found".to_owned())));
        assert_eq!((failure.code, failure.message.as_str()), (BAD_CONFIGURATION, "table 'x' not found"));
    }
}
