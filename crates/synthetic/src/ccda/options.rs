//! What documents are wanted.

use serde::{Deserialize, Serialize};

use crate::{Compression, FhirOptions, SyntheticError, fhir::Frame};

use super::style::CcdaStyle;

/// Options of the documents. All have defaults. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CcdaOptions {
    /// How many patients, one document each: the people 0 to `patients` - 1 of the seed. Default 100.
    pub patients: u64,
    /// The same seed and options give the same bytes; the same seed gives the same people, and the same facts about them, as in
    /// HL7 v2 feeds and FHIR records. Default 1.
    pub seed: u64,
    /// The first day of the HL7 v2 feed that the documents go with (`YYYY-MM-DD`). Default 2025-01-01.
    pub first_day: String,
    /// How many years a document covers (1 to 20), fewer for who is younger. Default 3.
    pub years: u32,
    /// Who writes the documents. Default `mixed`: one style after the other.
    pub style: CcdaStyle,
    /// Of each hundred entries so many are odd on purpose (0 to 100); `truth.json` names each. Default 2.
    pub odd_percent: u32,
    /// How the files are stored. Default `none`.
    pub compression: Compression,
}

impl Default for CcdaOptions {
    fn default() -> Self {
        Self {
            patients: 100,
            seed: 1,
            first_day: "2025-01-01".to_owned(),
            years: 3,
            style: CcdaStyle::default(),
            odd_percent: 2,
            compression: Compression::default(),
        }
    }
}

impl CcdaOptions {
    pub(super) fn frame(&self) -> Result<Frame, SyntheticError> {
        if self.odd_percent > 100 {
            return Err(SyntheticError::BadOption { option: "odd_percent", reason: "must be between 0 and 100" });
        }
        let same = FhirOptions {
            patients: self.patients,
            seed: self.seed,
            first_day: self.first_day.clone(),
            years: self.years,
            ..FhirOptions::default()
        };
        same.frame()
    }
}
