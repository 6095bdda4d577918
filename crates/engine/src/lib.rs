//! **The engine: files in, SQL over them, files out.**
//!
//! The only crate that names DataFusion. It gives every [`sutura_core::Format`] a table function
//! (`read_<format>(path [, table [, options]])`), reads files in parallel and by byte range, and lets many
//! plans share one pass over the input.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

pub mod column_function;
pub mod column_sources;
pub mod convert;
pub mod deid;
pub mod engine;
pub mod error;
mod error_text;
pub mod files;
pub mod functions;
pub mod lineage;
pub mod pass;
pub mod passed_over;
pub mod policy;
pub mod profiles;
pub mod query;
mod relations;
mod scan;
pub mod sink;
mod spans;
mod table_function;
pub mod terminology;
pub mod views;

pub use column_function::{ColumnFunction, column};
pub use deid::deidentify;
pub use engine::{Engine, EngineOptions, formats};
pub use error::{EngineError, Result};
pub use files::{Compression, SourceFile};
pub use policy::{BoundPolicy, FreeText};
pub use scan::range::CODE_DAMAGED_COMPRESSION;

pub use arrow;
pub use datafusion;
pub use datafusion::{
    dataframe::DataFrame,
    execution::{SendableRecordBatchStream, context::SessionContext},
    logical_expr::{Expr, LogicalPlan},
};
