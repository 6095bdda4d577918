//! Documents as tables: what each table has rows of, and what each column reads.

mod clinical;
mod columns;
mod documents;
mod parts;
mod plan;
mod spec;

pub(crate) use plan::{Plan, Record};
pub use spec::definitions;
