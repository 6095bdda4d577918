//! The truth about studies: what a correct reader, measure or filter must find in them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::options::DicomOptions;

/// What the files hold. Written as `truth.json` beside the folder of images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DicomTruth {
    /// The options.
    pub options: DicomOptions,
    /// Studies: `options.studies`.
    pub studies: u64,
    /// Series.
    pub series: u64,
    /// Instances: one file each, one frame each.
    pub instances: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Different patients.
    pub patients: u64,
    /// Instances by modality.
    pub by_modality: BTreeMap<&'static str, u64>,
    /// Instances by the UID of their transfer syntax.
    pub by_transfer_syntax: BTreeMap<&'static str, u64>,
    /// Series with an artifact, by its kind.
    pub artifacts: BTreeMap<ArtifactKind, u64>,
    /// Each file.
    pub files: Vec<InstanceTruth>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceTruth {
    /// Its name in the folder.
    pub name: String,
    /// The number of the person.
    pub patient: u64,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Modality.
    pub modality: &'static str,
    /// UID of the transfer syntax.
    pub transfer_syntax: &'static str,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Position of the first pixel in the patient, in millimetres; none of projections.
    pub position: Option<[f64; 3]>,
    /// Standard deviation of the noise that was added, in units of the values; 0 of ultrasound, whose speckle is no noise.
    pub noise: f64,
    /// The artifact, if it has one.
    pub artifact: Option<ArtifactKind>,
    /// How strong it is, in units of its kind.
    pub amount: f64,
    /// Texts in the pixels.
    pub text: Vec<BoxTruth>,
}

/// A text in the pixels of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoxTruth {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// The column behind the last.
    pub right: usize,
    /// The row behind the last.
    pub bottom: usize,
    /// Whether it says who the patient is or when the study was.
    pub identifying: bool,
}

/// What can be wrong with the images of a series. The amount is in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// Much more noise than usual (the factor).
    Noise,
    /// Soft edges (half the width of the blurring box in pixels).
    Blur,
    /// MR: brightness that changes over the image (the share on either side).
    Bias,
    /// MR: a ghost moved by half the image (its share).
    Ghost,
    /// MR: smears along the rows (their share).
    Motion,
    /// CT: rings about the centre (their height in Hounsfield units).
    Ring,
    /// CR and MG: bright parts beyond what can be stored (the gain).
    Saturation,
    /// Nothing in the image (0).
    Blank,
}
