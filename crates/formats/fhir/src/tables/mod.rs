//! The default flat tables, one for each resource type that people use.
//!
//! What they hold is data (`spec` and the files beside it, by area); which parts of a resource a request
//! needs is compiled once (`plan`, `path`); one walk over each resource finds them, and `columns` grow.
//! A column that nobody asked for is not looked for. Views of one's own are in [`crate::view`].

mod administrative;
mod clinical;
mod columns;
mod financial;
mod medication;
mod path;
mod plan;
mod research;
mod spec;

pub use plan::{Plan, Record, pushes};
pub use spec::{definitions, of_resource};
