//! Files as tables: what each table has rows of, and what each column reads.

mod columns;
mod elements;
mod frames;
mod grouped;
mod instances;
mod plan;
mod spec;
mod structured;
mod text;

pub use grouped::GROUPINGS;
pub(crate) use plan::{Plan, Record};
pub use spec::definitions;
