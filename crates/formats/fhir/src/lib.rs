//! **FHIR R4: resources as they were sent, validated, queried with FHIRPath and turned into tables.**
//!
//! ```
//! use sutura_fhir::json::Parser;
//!
//! let mut parser = Parser::default();
//! let document = parser.parse(br#"{"resourceType":"Patient","name":[{"family":"Doe"}],"multipleBirthInteger":2}"#)?;
//! let patient = document.root();
//! assert_eq!(patient.get("resourceType").and_then(|kind| kind.as_str()), Some("Patient"));
//! assert_eq!(patient.get("multipleBirthInteger").and_then(|value| value.as_number()), Some("2"));
//! # Ok::<(), sutura_fhir::json::JsonError>(())
//! ```
//!
//! - [`json`]: one resource as a tape over its bytes; every other module reads this and nothing else,
//! - [`read`]: NDJSON, Bundles of every type and single resources as records for the engine,
//! - [`bundle`]: Bundles and NDJSON exports written as a stream,
//! - [`tables`]: default flat tables, one for each resource type that people use,
//! - [`xml`]: FHIR XML to FHIR JSON,
//! - [`defs`] and [`validate`]: the R4 definitions, and resources checked against them,
//! - [`enrich`]: quality, age, risk and meaning added to resources as extensions,
//! - [`fhirpath`] and [`view`]: expressions and ViewDefinitions over resources.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

pub mod bundle;
pub mod defs;
pub mod enrich;
pub mod fhirpath;
pub mod json;
pub mod read;
pub mod tables;
pub mod validate;
pub mod view;
pub mod xml;
