//! **HL7 v2: messages, paths, escapes, charsets, MLLP framing, acknowledgements, tables.**
//!
//! ```
//! use sutura_hl7v2::Message;
//!
//! let message = Message::parse("MSH|^~\\&|LAB|GENHOSP|||20260314||ORU^R01|1|P|2.5\rPID|1||123||DOE^JANE")?;
//! assert_eq!(message.segment("PID").map(|pid| pid.field(5).component(2).raw()), Some("JANE"));
//! # Ok::<(), sutura_hl7v2::MessageError>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

pub mod ack;
pub mod charset;
pub mod defs;
pub mod escape;
pub mod format;
pub mod inspect;
pub mod lex;
pub mod message;
pub mod mllp;
pub mod options;
pub mod path;
pub mod read;
mod split;
mod tables;
pub mod timestamp;
pub mod validate;
pub mod write;

pub use format::Hl7v2;
pub use lex::Delimiters;
pub use message::{Field, Message, MessageError, Part, Repetition, Segment, State};
pub use options::Options;
pub use path::{Path, PathError};
pub use read::{Decoder, MessageTap, RawMessage, Refusal};
pub use write::{MessageBuf, MessageBuilder, SegmentWriter, WriteError};
