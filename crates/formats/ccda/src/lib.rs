//! **C-CDA: whole clinical documents of any vendor, as an arena, as sections and entries, and as tables.**
//!
//! ```
//! use sutura_ccda::{Document, Limits, SectionKind, value::Code};
//!
//! let xml = r##"<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget/><component><structuredBody><component><section>
//!   <templateId root="2.16.840.1.113883.10.20.22.2.6.1" extension="2015-08-01"/>
//!   <title>Allergies</title><text><content ID="a1">Penicillin</content></text>
//!   <entry><act classCode="ACT" moodCode="EVN"><code code="CONC" codeSystem="2.16.840.1.113883.5.6">
//!     <originalText><reference value="#a1"/></originalText></code></act></entry>
//! </section></component></structuredBody></component></ClinicalDocument>"##;
//! let document = Document::parse(xml, &Limits::default())?;
//! let section = &document.sections()[0];
//! assert_eq!(section.kind, SectionKind::Allergies);
//! assert_eq!(section.title(&document).as_deref(), Some("Allergies"));
//! let act = section.entries(&document)[0].element(&document);
//! let code = act.child("code").map(Code::read).unwrap();
//! assert_eq!((code.code, code.original_text.as_deref()), (Some("CONC"), Some("Penicillin")));
//! # Ok::<(), sutura_ccda::CcdaError>(())
//! ```
//!
//! - [`Document`] and [`Element`]: a document over its own text, with the place of everything in the bytes as sent,
//! - [`Section`] and [`Entry`]: what is in it, by template, code or structure ([`SectionKind`], [`EntryKind`]); nothing is dropped,
//! - [`header`]: patient, authors, custodian, encounter,
//! - [`value`]: the data types of HL7 v3; [`narrative`]: what people read, as text,
//! - [`Ccda`], [`Decoder`] and [`tables`]: documents as tables for the engine.
//!
//! What it is not: no validator of C-CDA, no conversion, no I/O. A document type is passed over, a declared entity is never expanded
//! and nothing is ever fetched.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod document;
mod element;
mod encoding;
mod error;
mod format;
pub mod header;
mod kinds;
mod limits;
pub mod narrative;
mod options;
mod read;
mod sections;
pub mod tables;
pub mod value;
mod xml;

pub use document::Document;
pub use element::{Children, Content, Element, NodeId};
pub use error::{CcdaError, CcdaErrorKind};
pub use format::Ccda;
pub use kinds::{DocumentKind, EntryKind, MatchedBy, Release, SectionKind};
pub use limits::Limits;
pub use options::Options;
pub use read::Decoder;
pub use sections::{Entry, Section};
pub use xml::Namespace;
