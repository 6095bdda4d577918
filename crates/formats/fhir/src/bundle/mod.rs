//! **Bundles and NDJSON exports written as a stream.**
//!
//! ```
//! use sutura_fhir::bundle::{BundleKind, BundleWriter, Options};
//!
//! let mut writer = BundleWriter::new(Vec::new(), BundleKind::Transaction, Options::default())?;
//! writer.push(br#"{ "resourceType": "Patient", "id": "1", "multipleBirthInteger": 2 }"#)?;
//! let (bytes, summary) = writer.finish()?;
//! let text = String::from_utf8_lossy(&bytes);
//! assert!(text.contains(r#""resource":{"resourceType":"Patient","id":"1","multipleBirthInteger":2}"#));
//! assert!(text.contains(r#""request":{"method":"PUT","url":"Patient/1"}"#));
//! assert_eq!(summary.entries, 1);
//! # Ok::<(), sutura_fhir::bundle::BundleError>(())
//! ```
//!
//! - [`BundleWriter`]: one Bundle of type collection, transaction, batch or searchset over any [`std::io::Write`],
//! - [`BundleParts`]: the same in Bundles of at most [`Options::max_entries`] entries,
//! - [`ReferenceIndex`]: the first pass of two, for references between resources that a transaction creates,
//! - [`NdjsonExport`]: one `Type.ndjson` for each type, as a Bulk Data export is,
//! - [`write_bundles`], [`export_ndjson`], [`read_resources`]: the whole way, from files to files.
//!
//! Resources go through as they were sent: numbers keep their digits, text its escapes, members their order. Only blanks
//! outside of strings are left out, and the references that the index rewrites.

mod compact;
mod convenience;
mod entry;
mod error;
mod export;
mod file;
mod index;
mod options;
mod parts;
mod seen;
#[cfg(test)]
mod tests;
mod urn;
mod writer;

pub use compact::compact_into;
pub use convenience::{Report, Take, export_ndjson, read_resources, write_bundles};
pub use entry::{Entry, SearchMode};
pub use error::BundleError;
pub use export::{ExportOptions, Manifest, ManifestFile, NdjsonExport, remove_export};
pub use file::{BundleFolder, Stage, Staged};
pub use index::ReferenceIndex;
pub use options::{BundleKind, Options, Requests};
pub use parts::{BundleParts, Parts};
pub use writer::{BundleWriter, Summary};
