//! What studies are wanted.

use serde::{Deserialize, Serialize};

use crate::{FhirOptions, SyntheticError, fhir::Frame};

/// How large the images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DicomDetail {
    /// For trying things out: CT 128 x 128 x 12, MR 128 x 128 x 10, radiographs 512 rows, about 0.4 MB a series.
    #[default]
    Small,
    /// As large as real ones: CT 512 x 512 x 40, MR 256 x 256 x 24, radiographs 2048 rows, mammograms 2294 rows.
    Full,
}

/// Options of the studies. All have defaults. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DicomOptions {
    /// How many studies. Default 10. Modalities take turns: CT, MR, US, CR, MG (of women from 40 on; else CR).
    pub studies: u64,
    /// How many patients the studies are of: the people 0 to `patients` - 1 of the seed, in turns. Default 100.
    pub patients: u64,
    /// The same seed and options give the same bytes; the same seed gives the same people as in HL7 v2 feeds, FHIR records and C-CDA documents. Default 1.
    pub seed: u64,
    /// The first day of the HL7 v2 feed that the studies go with (`YYYY-MM-DD`). Default 2025-01-01.
    pub first_day: String,
    /// How large the images are. Default `small`.
    pub detail: DicomDetail,
    /// Of each hundred series so many have an artifact (0 to 100); `truth.json` names each. Default 25.
    pub artifact_percent: u32,
    /// Of each hundred series so many are compressed without loss (0 to 100). Default 50.
    pub compressed_percent: u32,
}

impl Default for DicomOptions {
    fn default() -> Self {
        Self {
            studies: 10,
            patients: 100,
            seed: 1,
            first_day: "2025-01-01".to_owned(),
            detail: DicomDetail::default(),
            artifact_percent: 25,
            compressed_percent: 50,
        }
    }
}

/// So many studies take terabytes.
const MOST_STUDIES: u64 = 10_000_000;

impl DicomOptions {
    pub(super) fn frame(&self) -> Result<Frame, SyntheticError> {
        let bad = |option, reason| Err(SyntheticError::BadOption { option, reason });
        if !(1..=MOST_STUDIES).contains(&self.studies) {
            return bad("studies", "must be between 1 and 10000000");
        }
        if self.artifact_percent > 100 {
            return bad("artifact_percent", "must be between 0 and 100");
        }
        if self.compressed_percent > 100 {
            return bad("compressed_percent", "must be between 0 and 100");
        }
        let same =
            FhirOptions { patients: self.patients, seed: self.seed, first_day: self.first_day.clone(), years: 1, ..FhirOptions::default() };
        same.frame()
    }
}
