//! What a run tells while it goes on. Typed, so that there is one place to see that no content leaves by it.

use std::{fmt, sync::Arc};

use serde::Serialize;

/// One thing that happened. Names, counts and codes only.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobEvent {
    /// The files are found; reading begins.
    Started {
        /// The job's name.
        job: String,
        /// Identifier of the run.
        run_id: String,
        /// Files to read.
        files: u64,
        /// Stored bytes to read.
        bytes: u64,
    },
    /// Reading goes on; sent several times a second.
    Progress {
        /// Stored bytes read.
        bytes_read: u64,
        /// Stored bytes to read.
        bytes_total: u64,
        /// Files read to the end.
        files_done: u64,
        /// Files to read.
        files_total: u64,
        /// Records read.
        records: u64,
        /// Records rejected.
        rejected: u64,
    },
    /// A sink has all its rows (they are not published yet).
    SinkWritten {
        /// The sink's name.
        sink: String,
        /// Rows.
        rows: u64,
        /// Bytes.
        bytes: u64,
    },
    /// A quality step has counted all its rows.
    QualityMeasured {
        /// The step's name.
        step: String,
        /// Overall score, 0 to 1.
        score: Option<f64>,
        /// Whether the gate lets the run go on.
        passed: bool,
    },
    /// Every output is in its place.
    Published {
        /// How many sinks.
        sinks: usize,
    },
    /// The run has ended.
    Finished {
        /// How.
        status: crate::record::RunStatus,
        /// Seconds it took.
        seconds: f64,
    },
}

/// Takes the events of a run.
#[derive(Clone, Default)]
pub struct EventHandler(Option<Arc<Handler>>);

type Handler = dyn Fn(&JobEvent) + Send + Sync;

impl EventHandler {
    /// A handler; it is called from several threads and must be quick.
    pub fn new(handler: impl Fn(&JobEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(handler)))
    }

    pub(crate) fn send(&self, event: &JobEvent) {
        if let Some(handler) = &self.0 {
            handler(event);
        }
    }
}

impl fmt::Debug for EventHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "EventHandler(set)" } else { "EventHandler(none)" })
    }
}
