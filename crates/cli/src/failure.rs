//! Exit codes, and how an error becomes words.
//!
//! A message names places and codes, never field content: the errors of our crates keep to that, the engine's
//! by withholding what DataFusion and Arrow say while rows flow.

use std::{error::Error, fmt};

use sutura_engine::{EngineError, error::storage_text};
use sutura_jobs::{ConfigProblem, JobError};
use sutura_privacy::PrivacyError;

/// Exit code: the work is done and clean.
pub(crate) const CLEAN: u8 = 0;
/// Exit code: it failed while running.
pub(crate) const FAILED: u8 = 1;
/// Exit code: what was asked for is wrong: arguments, job file, policy, key, query, or an output that would hold identifying columns.
pub(crate) const BAD_CONFIGURATION: u8 = 2;
/// Exit code: more rejects than allowed.
pub(crate) const TOO_MANY_REJECTS: u8 = 3;
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
        Self::failed(storage_text(path, error))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self { code: if error.is_configuration() { BAD_CONFIGURATION } else { FAILED }, message: error.to_string() }
    }
}

impl From<PrivacyError> for Failure {
    fn from(error: PrivacyError) -> Self {
        Self::configuration(error)
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Engine(error) => error.into(),
            other => Self { code: other.exit_code(), message: other.to_string() },
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
