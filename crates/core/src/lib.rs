//! **The words every Sutura crate shares.**
//!
//! A format reader turns bytes into Arrow batches; everything that must mean the same thing in
//! every format lives here and nowhere else:
//!
//! - [`phi`]: the classes of identifying information and the Arrow field metadata that carries them,
//! - [`table`]: how a format describes its tables and columns ([`TableDef`], [`ColumnDef`]),
//! - [`record`]: the identity of a record (`_source`, `_offset`, `_length`, `_sha256`),
//! - [`reject`] and [`finding`]: what could not be read, and what was read but is not right,
//! - [`filter`]: conditions on rows that a scan can apply itself,
//! - [`mod@format`]: the contract between a reader and the engine ([`Format`], [`BlockDecoder`]),
//! - [`time`]: dates and times that keep the precision and offset they were sent with,
//! - [`secret`]: bytes that never reach a log line.
//!
//! What it is not: no I/O, no DataFusion, no format knowledge.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod filter;
pub mod finding;
pub mod format;
pub mod phi;
pub mod record;
pub mod reject;
pub mod secret;
pub mod table;
pub mod time;

pub use filter::{Comparison, Condition, Constant, Pushed, Test};
pub use finding::{Finding, Severity};
pub use format::{
    BlockDecoder, Decoded, DecodedSink, DecoderSpec, Format, FormatError, Progress, ReadStats, TableRequest, ViewText, near_table,
};
pub use phi::{ColumnMeta, PhiClass};
pub use record::{RecordId, Sha256Hash};
pub use reject::{Reject, RejectTableBuilder};
pub use secret::SecretBytes;
pub use table::{Aggregate, ColumnDef, Grouping, TableDef};
pub use time::{PartialDateTime, Precision};
