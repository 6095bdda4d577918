//! DICOM studies of the same people: CT, MR, ultrasound, radiographs and mammograms with geometry, noise, known artifacts and burned-in text.
//!
//! Bodies are formulas of the place in the patient, so that every slice, plane and spacing shows the same one. Only roots are taken, no sines: the same bytes
//! come out on every machine.

mod anatomy;
mod artifact;
mod export;
mod header;
mod letters;
mod options;
mod plan;
mod truth;

pub use export::DicomExport;
pub use options::{DicomDetail, DicomOptions};
pub use truth::{ArtifactKind, BoxTruth, DicomTruth, InstanceTruth};
