//! FHIR R4: the same people as in the feeds, with their records.
//!
//! [`chart`] makes one person's record as JSON text, in one pass; [`export`] writes it as NDJSON and as
//! transaction Bundles, whose only difference is how references are written.

mod body;
mod chart;
mod drugs;
mod encounters;
mod export;
mod json;
mod laboratory;
mod options;
mod page;
mod patient;
mod prevention;
mod problems;
pub(crate) mod shared;
mod social;
mod systems;
mod truth;
mod visits;
mod vitals;

pub(crate) use chart::{Frame, write as write_chart};
pub use export::FhirExport;
pub use options::{FhirOptions, Layout};
pub(crate) use page::Page;
pub use systems::{CLINICIAN_SYSTEM, mrn_system};
pub(crate) use truth::Tally;
pub use truth::{FhirFileTruth, FhirTruth};
