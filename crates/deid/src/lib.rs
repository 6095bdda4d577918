//! **Documents de-identified in their own format, with a proof of what was done.**
//!
//! Columns are treated by `sutura-privacy`; a document that has to stay one (an image file that a viewer opens) is treated here, with the same keys, so that
//! a patient has the same pseudonym and the same days of shift in an image, a message and a table.
//!
//! ```
//! use sutura_deid::dicom::{DicomDeidentifier, Options};
//! use sutura_dicom::{DicomFile, Limits, Tag, Vr, write::{OwnedDataSet, OwnedFile}};
//! use sutura_privacy::{Deidentifier, KeyRing, LegalBasis, Policy, Scope};
//!
//! let mut data_set = OwnedDataSet::new();
//! data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.2");
//! data_set.set_uid(Tag(0x0008_0018), "1.2.3.4");
//! data_set.set_text(Tag(0x0010_0010), Vr::PN, "Doe^Jane");
//! data_set.set_text(Tag(0x0010_0020), Vr::LO, "A-17");
//! let file = DicomFile::parse(OwnedFile::new(data_set).to_bytes()?, &Limits::default())?;
//!
//! let policy = Policy::builtin("gdpr-pseudonymised")?;
//! # let policy = policy.with_legal(&LegalBasis { quasi_identifiers: Some("kept".into()), ..LegalBasis::default() });
//! let privacy = Deidentifier::new(policy, &KeyRing::generate()?, Scope::new("demo", "research"), None)?;
//! let deidentifier = DicomDeidentifier::new(Options::default(), &privacy)?;
//! let released = deidentifier.deidentify(&file)?;
//!
//! let released_file = DicomFile::parse(released.bytes, &Limits::default())?;
//! let pseudonym = privacy.context().pseudonym("mrn", "A-17");
//! assert_eq!(released_file.data_set().text(Tag(0x0010_0020)).as_deref(), pseudonym.as_deref());
//! assert_eq!(released_file.data_set().text(Tag(0x0012_0062)).as_deref(), Some("YES"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`dicom`]: DICOM files by the profiles of PS3.15 annex E;
//! - [`reencode`]: their pixels in another lossless coding;
//! - [`hl7v2`]: HL7 v2 messages, every field by its class;
//! - [`anonymizer`]: the configuration of Microsoft's FHIR anonymizer;
//! - [`ccda`]: C-CDA documents, header, entries and narrative;
//! - [`fhir`]: FHIR resources and Bundles, every element by its path and type;
//! - [`plain`]: notes without structure;
//! - [`stream`]: any of them larger than memory;
//! - [`text`]: short texts by an allow-list of words.
//!
//! What it is not: no files, no network; it measures no risk of re-identification.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

pub mod anonymizer;
mod category;
pub mod ccda;
pub mod dicom;
mod document;
mod error;
pub mod fhir;
pub mod hl7v2;
mod ledger;
pub mod plain;
pub mod reencode;
mod scrub;
pub mod stream;
pub mod text;

pub use document::{Cleaned, DocumentDeidentifier, Known, Role, TextStage, Treatment};
pub use error::DeidError;
pub use ledger::{Ledger, LedgerRow, Outcome, Place};
pub use scrub::Scrub;
