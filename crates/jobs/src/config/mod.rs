//! From a job file to a checked [`crate::Job`], or to the list of everything that is wrong with it.

pub mod document;
pub mod problem;
pub mod sql;

mod check;
pub(crate) mod files;
mod formats;
pub(crate) mod load;
mod place;
mod shape;

pub(crate) use check::step_inputs;
pub use load::{Job, LoadOptions};
pub use problem::{ConfigProblem, nearest};
