//! What records are wanted.

use serde::{Deserialize, Serialize};

use crate::{Compression, SyntheticError, hl7v2::options::parse_day};

use super::chart::Frame;

/// How the records are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Both of the others: the same resources twice, with the same ids.
    #[default]
    Both,
    /// `ndjson/Patient.ndjson` and so on: one file a type, as Bulk Data exports are. References are `Type/id`.
    Ndjson,
    /// `bundles/shared.json` and one transaction Bundle a patient, a thousand in a folder
    /// (`bundles/0000/patient_00000000.json`). References within a Bundle are `urn:uuid:id`.
    Bundles,
}

impl Layout {
    pub(crate) fn ndjson(self) -> bool {
        self != Layout::Bundles
    }

    pub(crate) fn bundles(self) -> bool {
        self != Layout::Ndjson
    }
}

/// Options of the records. All have defaults. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FhirOptions {
    /// How many patients: the people 0 to `patients` - 1 of the seed. Default 100.
    pub patients: u64,
    /// The same seed and options give the same bytes; the same seed gives the same people as in HL7 v2 feeds.
    /// Default 1.
    pub seed: u64,
    /// The first day of the HL7 v2 feed that the records go with (`YYYY-MM-DD`). Ages are drawn for it; the
    /// records end 395 days later, as the feed does. Default 2025-01-01.
    pub first_day: String,
    /// How many years a record covers (1 to 20), fewer for who is younger. Default 3.
    pub years: u32,
    /// How the records are laid out. Default `both`.
    pub layout: Layout,
    /// How the files are stored. Default `none`.
    pub compression: Compression,
}

impl Default for FhirOptions {
    fn default() -> Self {
        Self {
            patients: 100,
            seed: 1,
            first_day: "2025-01-01".to_owned(),
            years: 3,
            layout: Layout::default(),
            compression: Compression::default(),
        }
    }
}

/// Medical record numbers differ up to here.
const MAX_PATIENTS: u64 = 90_000_000;
/// Days from the first day of a feed to its last visits.
const FEED_DAYS: i32 = 395;

impl FhirOptions {
    pub(crate) fn frame(&self) -> Result<Frame, SyntheticError> {
        let bad = |option, reason| Err(SyntheticError::BadOption { option, reason });
        if !(1..=MAX_PATIENTS).contains(&self.patients) {
            return bad("patients", "must be between 1 and 90000000");
        }
        if !(1..=20).contains(&self.years) {
            return bad("years", "must be between 1 and 20");
        }
        let Some(first_day) = parse_day(&self.first_day) else {
            return bad("first_day", "must be a date from 1950-01-01 to 2199-12-31, written YYYY-MM-DD");
        };
        let end = first_day + FEED_DAYS;
        Ok(Frame { seed: self.seed, first_day, start: end - 365 * self.years as i32, end })
    }
}
