//! **Synthetic patients and feeds with known truth.**
//!
//! [`Feed`] writes HL7 v2 files as a group of hospitals would send them, and `truth.json`, which says
//! what is in them: a reader, a query or a privacy filter can be checked against it to the last
//! message. [`FhirExport`] writes the records of the same people as FHIR R4, as NDJSON and as Bundles.
//! [`CcdaExport`] writes them as Continuity of Care Documents of several vendors, [`DicomExport`] makes images of them. [`people`] is the population of all. Nobody in it
//! exists.
//!
//! ```
//! use sutura_synthetic::{Feed, FeedOptions};
//!
//! let folder = std::env::temp_dir().join("sutura-synthetic-example");
//! let feed = Feed::new(FeedOptions { messages: 200, per_file: 100, seed: 7, ..FeedOptions::default() })?;
//! let truth = feed.write_to(&folder, &|_| {})?;
//! assert_eq!((truth.messages, truth.files.len()), (200, 2));
//! # std::fs::remove_dir_all(&folder).ok();
//! # Ok::<(), sutura_synthetic::SyntheticError>(())
//! ```
//!
//! ```
//! use std::ops::ControlFlow;
//! use sutura_synthetic::{FhirExport, FhirOptions};
//!
//! let folder = std::env::temp_dir().join("sutura-synthetic-example-fhir");
//! let export = FhirExport::new(FhirOptions { patients: 5, seed: 7, ..FhirOptions::default() })?;
//! let truth = export.write_to(&folder, &|_| ControlFlow::Continue(()))?;
//! assert_eq!((truth.by_type["Patient"], truth.bundles), (5, 6));
//! # std::fs::remove_dir_all(&folder).ok();
//! # Ok::<(), sutura_synthetic::SyntheticError>(())
//! ```
//!
//! Everything follows from the seed and the options: the same ones give the same bytes on every
//! machine. This crate reads nothing and checks nothing.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod calendar;
mod ccda;
mod clinical;
mod dicom;
mod fhir;
mod files;
mod hl7v2;
mod lists;
pub mod people;
mod rng;

use std::{io, path::PathBuf};

pub use ccda::{CcdaExport, CcdaOptions, CcdaStyle, CcdaTruth, OddEntry, SectionTruth};
pub use dicom::{ArtifactKind, BoxTruth, DicomDetail, DicomExport, DicomOptions, DicomTruth, InstanceTruth};
pub use fhir::{CLINICIAN_SYSTEM, FhirExport, FhirFileTruth, FhirOptions, FhirTruth, Layout, mrn_system};
pub use hl7v2::{AbnormalCounts, Compression, Expected, Feed, FeedOptions, FileTruth, LabTruth, LineEnd, MalformedTruth, Shape, Truth};
pub use lists::Place;

/// Why a feed or records were not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// An option has a value that cannot be.
    #[error("option {option}: {reason}")]
    BadOption {
        /// The option's name.
        option: &'static str,
        /// What would be right.
        reason: &'static str,
    },
    /// The folder holds feed files that this feed would not write over; they would be read with it.
    #[error("{} holds files of another feed; choose an empty folder", .path.display())]
    OtherFeed {
        /// The folder.
        path: PathBuf,
    },
    /// Whoever watched the progress ended the work.
    #[error("stopped before the records were whole")]
    Stopped,
    /// An image could not be encoded.
    #[error("an image could not be encoded; this is a fault of the program")]
    Image,
    /// A file could not be written.
    #[error("cannot write {}; check that the folder is writable and has space", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
