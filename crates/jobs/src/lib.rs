//! **Jobs: a TOML file that says what is read, what is done with it and where it goes.**
//!
//! [`Job::load`] reads and checks the file and reports every problem at once, with file, line, key and the nearest right word.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

pub mod config;
pub mod model;

pub mod functions;
pub mod reference;

mod privacy;

use std::sync::Arc;

use sutura_core::Format;

pub use config::{ConfigProblem, Job, LoadOptions};

/// The formats this build knows.
pub fn formats() -> Vec<Arc<dyn Format>> {
    Vec::new()
}
