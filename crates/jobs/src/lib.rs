//! **Jobs: a TOML file that says what is read, what is done with it and where it goes.**
//!
//! - [`Job::load`] reads and checks the file and reports every problem at once, with file, line, key and the nearest right word;
//!   [`Job::validate`] goes on to queries, columns, checks, policy and sinks, still without opening a source.
//! - [`Job::plan`] says what a run would do and what changed since the last one.
//! - [`Job::run`] reads every source once for all tables, stages every sink, decides the gates, and publishes all or nothing.
//! - [`Job::replay`] reads the rejects of the last run again.
//!
//! What it is not: it knows no format and no file format of its own; reading, writing and SQL are the engine's.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod build;
pub mod config;
mod conversion;
mod documents;
pub mod error;
pub mod events;
pub mod functions;
pub mod manifest;
pub mod model;
mod openlineage;
mod persons;
mod plan;
mod privacy;
mod private;
mod publish;
mod quality;
pub mod record;
pub mod reference;
mod rejects;
pub mod replay;
pub mod report;
pub mod run;
mod setup;
mod sourcefacts;
mod sourcenames;
pub mod summary;

pub use config::{ConfigProblem, Job, LoadOptions};
pub use documents::text_finder;
pub use error::{JobError, Result};
pub use events::{EventHandler, JobEvent};
pub use plan::JobPlan;
pub use record::{RunReport, RunStatus};
pub use replay::ReplayReport;
pub use run::RunOptions;
