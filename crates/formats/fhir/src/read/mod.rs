//! The reader: NDJSON, Bundles of every type, arrays and single resources as records for the engine.
//!
//! A file whose first bytes are a whole line of JSON is read line by line ([NDJSON], the form of a Bulk
//! Data export) and can be read by byte range; anything else is read as one document from its beginning,
//! entry by entry, so that a Bundle larger than memory is no matter. Every byte ends in a record, a
//! reject or the envelope: what stands around the resources of a Bundle, commas, blanks, line ends.
//!
//! Bundles are unpacked: each `entry.resource` is a record with its own offset and length. A Bundle that
//! is itself the resource of an entry is unpacked too, once; one inside that is a record. The
//! option `bundles` makes a Bundle one record instead ([`Bundles::Whole`]).
//!
//! [NDJSON]: https://hl7.org/fhir/R4/nd-json.html

mod decoder;
mod format;
mod layout;
mod options;
mod pieces;
mod skeleton;
mod skip;
mod split;
mod types;
mod views;

pub use decoder::Decoder;
pub use format::Fhir;
pub use options::{Bundles, Options};
pub use pieces::{Piece, Pieces};
pub use types::{RESOURCE_TYPES, is_resource_type};
pub use views::{CODE_VIEW_REFUSED, FhirWithViews, view_table_name};
