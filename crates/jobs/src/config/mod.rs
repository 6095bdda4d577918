//! From a job file to a checked [`crate::Job`], or to the list of everything that is wrong with it.

pub mod document;
pub mod problem;
pub mod sql;

mod check;
mod load;
mod shape;

pub use load::{Job, LoadOptions};
pub use problem::{ConfigProblem, nearest};
