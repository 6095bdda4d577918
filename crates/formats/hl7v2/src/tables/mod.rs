//! The tables: what they are ([`spec`]), which source each column has ([`plan`]), and how a message
//! becomes rows ([`extract`], [`columns`]). All requested tables are filled in one pass.

pub(crate) mod columns;
pub(crate) mod extract;
pub(crate) mod plan;
pub(crate) mod spec;
