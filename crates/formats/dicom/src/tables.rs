//! Files as tables: what each table has rows of, and what each column reads.

mod columns;
mod elements;
mod frames;
mod instances;
mod plan;
mod spec;
mod structured;

pub(crate) use plan::{Plan, Record};
pub use spec::definitions;
