//! **HL7 v2 and C-CDA to FHIR R4: official maps as data, deterministic ids, an account of every field.**
//!
//! A converter takes one record and appends one transaction Bundle to a buffer. What goes wrong in a field or an entry costs that
//! field or entry only and is a finding; a record that gives nothing is a [`ConvertError`]. A [`report::Report`] says what became
//! of everything that was populated.
//!
//! - [`v2`]: HL7 v2 by the v2-to-FHIR tables and our own in the same form,
//! - [`ccda`]: C-CDA documents in the shapes of US Core, by the code maps of the C-CDA on FHIR guide and our own,
//! - [`fhir`]: the tree of elements that v2 is written with, and what both share: strings of JSON, the place of a record and its Provenance
//!   (C-CDA builds each entry apart, so that one that goes wrong is dropped whole),
//! - [`ids`]: ids that are the same in every run,
//! - [`UserCodes`]: the user's code systems and maps, which translate the codes,
//! - [`report`]: the account.
//!
//! What it is not: no reading of files, no validation (that is `sutura_fhir::validate`, which the output passes), no terminology
//! server.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod base64;
pub mod ccda;
mod codes;
mod error;
pub mod fhir;
mod hash;
pub mod ids;
pub mod report;
pub mod v2;
mod zone;

pub use codes::UserCodes;
pub use error::ConvertError;
pub use zone::Zone;
