//! Why a job could not be run.

use std::path::{Path, PathBuf};

use sutura_engine::EngineError;
use sutura_privacy::PrivacyError;
use sutura_quality::QualityError;

use crate::config::ConfigProblem;

/// Why a job could not be planned or run. Messages never hold field content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The job file is wrong.
    #[error("{}", list(.0))]
    Problems(Vec<ConfigProblem>),
    /// The job cannot work as it is configured.
    #[error("{0}")]
    Config(String),
    /// Another run of the job holds its output folder.
    #[error("{output}: another run is writing here; wait for it to end")]
    Busy {
        /// The output folder.
        output: PathBuf,
    },
    /// A folder that the job would replace holds something else.
    #[error("{path}: the folder holds files that no run of Sutura wrote; give the sink another path or empty the folder")]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The account of a source does not add up: a defect of ours, and no output can be trusted.
    #[error(
        "source {source_name}: the account does not balance ({records} records, {accepted} accepted, {rejected} rejected); nothing was published"
    )]
    NotBalanced {
        /// The source.
        source_name: String,
        /// Records seen.
        records: u64,
        /// Records accepted.
        accepted: u64,
        /// Records rejected.
        rejected: u64,
    },
    /// A file changed while it was read.
    #[error("{uri}: the file changed while it was read; nothing was published")]
    SourceChanged {
        /// The file.
        uri: String,
    },
    /// Reading or writing failed.
    #[error("{}", sutura_engine::error::storage_text(path.display(), source))]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Policy, key or vault.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    /// A quality check.
    #[error(transparent)]
    Quality(#[from] QualityError),
    /// A failure whose message would have named a source file of a job that de-identifies.
    #[error("{message}")]
    Failed {
        /// The message; source files are called by their numbers.
        message: String,
        /// The exit code of the failure itself.
        code: u8,
    },
    /// A replay lacks what the last run kept.
    #[error("{0}; restore it from a backup, or run the job again with --force")]
    RejectsMissing(String),
    /// The report could not be made.
    #[error("the report could not be made: {0}")]
    Report(String),
}

impl JobError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        JobError::Io { path: path.to_owned(), source }
    }

    /// The exit code of the program for this error: 2 for bad configuration, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            JobError::Problems(_) | JobError::Config(_) => 2,
            JobError::Failed { code, .. } => *code,
            JobError::Privacy(
                PrivacyError::KeyFile { .. }
                | PrivacyError::KeyFileExposed { .. }
                | PrivacyError::KeyFormat { .. }
                | PrivacyError::KeyVariable(_)
                | PrivacyError::UnknownKey(_)
                | PrivacyError::Policy(_),
            ) => 2,
            _ => 1,
        }
    }
}

fn list(problems: &[ConfigProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The result of this crate.
pub type Result<T, E = JobError> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_used_is_bad_configuration() {
        let absent = sutura_privacy::KeyRing::from_file(Path::new("no-such.key")).unwrap_err();
        let unset = sutura_privacy::KeyRing::from_env("SUTURA_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!((JobError::from(absent).exit_code(), JobError::from(unset).exit_code()), (2, 2));
        assert_eq!(JobError::io(Path::new("out"), std::io::Error::other("full")).exit_code(), 1);
    }
}
