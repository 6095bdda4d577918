//! Sends files to a receiver (Storage SCU).
//!
//! Files are sent as they are: nothing is converted. Each pair of SOP class and transfer syntax gets a presentation context of its own, so that the
//! receiver says of each whether it takes it. What fails for a while (no connection, an aborted association, status A7xx) is tried again, and with a
//! state file a later run skips what was sent.

mod config;
mod files;
mod state;
mod work;

use std::{fmt, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use sutura_dicom::dimse::{Association, Command, CommandField, IMPLICIT_LITTLE, Incoming, Status, VERIFICATION};

pub use config::SenderConfig;

use crate::{error::StreamError, stop::StopToken};
use config::Target;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendOutcome {
    /// The receiver has it.
    Sent,
    /// The receiver has it, and has something to say about it.
    SentWithWarning,
    /// An earlier run sent it.
    SentBefore,
    /// The receiver does not want it, it could not be sent however often it was tried, or it says that it is DICOM and cannot be read or sent.
    Failed,
    /// The receiver takes no instances of that SOP class in that transfer syntax.
    NotAccepted,
    /// It is no DICOM file, or a directory of files.
    NotAnInstance,
    /// The program was stopped before.
    Stopped,
}

impl SendOutcome {
    /// Whether the receiver has it.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::Sent | Self::SentWithWarning | Self::SentBefore)
    }
}

/// What became of one file. Its `Debug` does not show the path: names of files may be names of patients.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileResult {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    pub outcome: SendOutcome,
    /// Bytes of its data set.
    pub bytes: u64,
    /// Status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// How often it was sent.
    pub attempts: u32,
    /// Why it was not sent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl fmt::Debug for FileResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileResult")
            .field("outcome", &self.outcome)
            .field("status", &self.status)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// What became of all files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SendReport {
    /// Each file, in the order of their paths.
    pub results: Vec<FileResult>,
    /// Bytes of the data sets that this run sent.
    pub bytes: u64,
    /// Associations that were opened.
    pub associations: u64,
    /// Seconds from the first connection to the end.
    pub seconds: f64,
}

impl SendReport {
    /// How many files have that outcome.
    pub fn count(&self, outcome: SendOutcome) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }

    /// Whether the receiver has every instance. Files that are none do not count.
    pub fn is_complete(&self) -> bool {
        self.results.iter().all(|result| result.outcome.is_sent() || result.outcome == SendOutcome::NotAnInstance)
    }
}

/// Is told of every file when it is done; for a line of progress.
pub trait OnSent: Send + Sync {
    /// A file is done.
    fn on_sent(&self, result: &FileResult);
}

/// A sender with checked settings.
pub struct Sender {
    config: SenderConfig,
    target: Target,
    told: Option<Arc<dyn OnSent>>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("host", &self.config.host).field("port", &self.config.port).finish_non_exhaustive()
    }
}

impl Sender {
    /// Checks the settings and reads certificates.
    ///
    /// # Errors
    /// When a setting is wrong or missing, or a certificate cannot be read.
    pub fn new(config: SenderConfig) -> Result<Self, StreamError> {
        let target = config.target()?;
        Ok(Self { config, target, told: None })
    }

    /// Has somebody told of every file when it is done.
    #[must_use]
    pub fn on_sent(mut self, told: Arc<dyn OnSent>) -> Self {
        self.told = Some(told);
        self
    }

    /// Asks whether the receiver is there and lets us in (C-ECHO). Tried once.
    ///
    /// # Errors
    /// When it is not, or does not.
    pub fn echo(&self, stop: &StopToken) -> Result<(), StreamError> {
        let connection = self.target.connect(&self.config, stop)?;
        let mut association = Association::request(connection, &self.config.request(vec![(VERIFICATION, &[IMPLICIT_LITTLE])]))?;
        let Some(context) = association.context_for(VERIFICATION, None) else {
            association.abort().close();
            return Err(StreamError::setting("host", "the receiver does not answer C-ECHO"));
        };
        association.send_command(context, &Command::echo(1))?;
        let answer = association.next_message()?;
        let is_answered = matches!(&answer, Incoming::Command(_, command) if command.field == CommandField::CEchoRsp && command.status == Status::SUCCESS);
        association.release()?.close();
        if is_answered { Ok(()) } else { Err(StreamError::setting("host", "the receiver answers C-ECHO with a failure")) }
    }

    /// Sends all files, and gives what became of each.
    ///
    /// # Errors
    /// When a path cannot be read or the state file cannot be used. What goes wrong with a file or the receiver is in the report.
    pub fn run(self, stop: &StopToken) -> Result<SendReport, StreamError> {
        work::run(&self.config, &self.target, self.told.as_deref(), stop)
    }
}
