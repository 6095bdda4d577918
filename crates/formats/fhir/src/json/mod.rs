//! One resource as a tape over the bytes it was sent in.
//!
//! [`Parser`] checks strict JSON (RFC 8259) once and notes where every value begins and ends; nothing
//! is copied but text that has escapes. [`Value`] is a small handle on the tape: numbers keep their
//! digits, text borrows the input, a subtree is passed over in one step, and the bytes of any value
//! can be had back exactly as they were sent. The parser keeps its buffers from one document to the
//! next, so that a file of resources is read without allocation.
//!
//! Stricter than most readers on purpose: a name that stands twice in one object is an error (two
//! readers would disagree about the patient's birth date), and so are invalid UTF-8, lone surrogates,
//! comments and trailing commas. A byte order mark at the beginning is passed over.
//!
//! What it is not: no tree of owned values, no conversion of numbers, no writing.

mod error;
mod parse;
mod value;

pub use error::{JsonError, JsonErrorKind};
pub use parse::{Limits, OwnedDocument, Parser};
pub use value::{Document, Entries, Items, Kind, Value};
