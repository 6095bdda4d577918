//! Packages of FHIR profiles that the session validates against.

pub use sutura_fhir::validate::{PackageError, ProfileStore};
