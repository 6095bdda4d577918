//! **Code systems, value sets, concept maps and units, held in memory and asked as a FHIR terminology service is asked.**
//!
//! ```
//! use sutura_terminology::{Terminology, uri_of_oid};
//!
//! assert_eq!(uri_of_oid("2.16.840.1.113883.6.96"), Some("http://snomed.info/sct"));
//! let found = Terminology::builtin().translate("AdministrativeSex", "", "F")?;
//! assert_eq!(found.targets[0].code, "female");
//! # Ok::<(), sutura_terminology::TerminologyError>(())
//! ```
//!
//! - [`Terminology`]: what is loaded, and the operations over it,
//! - [`CodeSystem`], [`ValueSet`], [`ConceptMap`]: compact stores,
//! - [`load`]: the user's own files, [`UserTerminology`]: what they say of one code after another,
//! - [`oid`], [`v2`]: how CDA and HL7 v2 name systems, and the URIs of FHIR,
//! - [`ucum`]: units of measure, [`lab`]: laboratory results in one unit per analyte.
//!
//! What it is not: no files and no network. Loaders take readers; whoever calls opens them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod builtin;
pub mod code_system;
pub mod concept_map;
mod coverage;
mod error;
mod expand;
pub mod lab;
pub mod load;
pub mod oid;
mod store;
mod terminology;
pub mod ucum;
mod user;
pub mod v2;
mod validate;
pub mod value_set;

pub use code_system::{CodeSystem, CodeSystemBuilder, Concept, Content, HierarchyMeaning, Subsumption};
pub use concept_map::{ConceptMap, ConceptMapBuilder, Equivalence, Target, Unmapped};
pub use coverage::{Coverage, Seen, SystemCoverage};
pub use error::{Result, TerminologyError};
pub use expand::{ExpandOptions, Expansion, Member};
pub use load::{AthenaOptions, FileKind, Limits, Loaded, SnomedOptions};
pub use oid::{oid_of_uri, uri_of_oid};
pub use terminology::{Terminology, Translation};
pub use user::{Answer, Found, SystemName, UserTerminology, system_key};
pub use validate::{Coding, Issue, IssueSeverity, ValidateOptions, Validation};
pub use value_set::{Codes, Filter, FilterOp, ListedCode, Rule, ValueSet};
