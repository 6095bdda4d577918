//! Reading files as tables: one way to read a byte range ([`range`]), used by the table functions
//! (through DataFusion's file scan, [`source`] and [`table`]) and by the shared pass.

pub(crate) mod batches;
pub(crate) mod filter;
pub(crate) mod groups;
pub(crate) mod range;
pub(crate) mod read;
pub(crate) mod source;
pub(crate) mod table;

pub(crate) use table::FormatTable;
