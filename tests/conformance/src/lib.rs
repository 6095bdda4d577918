//! **Every suite over the shared test material, case by case.**
//!
//! The data is not part of the repository: it is looked for at `SUTURA_TEST_DATA`, else at
//! `../shared/data` beside it. `make conformance` writes `target/conformance.json`; the test of this
//! crate asserts that no case fails but those listed as known.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod deid;
mod dicom;
mod fhir_read;
mod fhir_validate;
mod fhirpath;
mod hl7v2;
mod privacy;
mod quality;
mod sql_on_fhir;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// One case that failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The case: a file or an entry of the expected answers.
    pub case: String,
    /// What differed.
    pub reason: String,
}

/// The outcome of one suite.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Suite {
    /// Cases that gave the expected answer.
    pub passed: u64,
    /// All cases.
    pub total: u64,
    /// Those that did not.
    pub failures: Vec<Failure>,
}

impl Suite {
    /// Adds a case; an empty list of reasons is a pass.
    pub fn case(&mut self, name: &str, reasons: &[String]) {
        self.total += 1;
        if reasons.is_empty() {
            self.passed += 1;
        } else {
            self.failures.push(Failure { case: name.to_owned(), reason: reasons.join("; ") });
        }
    }
}

/// A suite by name: what it reads is below the data folder.
type Run = fn(&Path) -> Result<Suite, std::io::Error>;

/// All suites, in the order of the report.
pub const SUITES: [(&str, Run); 18] = [
    ("hl7v2-edge", hl7v2::edge),
    ("hl7v2-timestamps", hl7v2::timestamps),
    ("hl7v2-accounting", hl7v2::accounting),
    ("hl7v2-round-trip", hl7v2::round_trip),
    ("hl7v2-ranges", hl7v2::ranges),
    ("fhir-json", fhir_read::round_trip),
    ("fhir-read", fhir_read::reading),
    ("fhir-validator", fhir_validate::validator),
    ("fhir-spec-examples", fhir_validate::spec_examples),
    ("fhir-us-core", fhir_validate::us_core),
    ("dicom-tags", dicom::tags),
    ("dicom-pixels", dicom::pixels),
    ("dicom-broken", dicom::broken),
    ("deid-msft-fhir", deid::msft_fhir),
    ("privacy-zip3", privacy::zip3),
    ("quality-wilson", quality::wilson),
    ("fhirpath", fhirpath::fhirpath),
    ("sql-on-fhir", sql_on_fhir::sql_on_fhir),
];

/// The folder of the test material, if it is there.
pub fn data() -> Result<PathBuf, PathBuf> {
    let folder = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if folder.is_dir() { Ok(folder) } else { Err(folder) }
}

/// Runs every suite.
pub fn run_all(data: &Path) -> Result<BTreeMap<&'static str, Suite>, std::io::Error> {
    SUITES.iter().map(|(name, run)| Ok((*name, run(data)?))).collect()
}

/// Reads a JSON file.
fn json(path: &Path) -> Result<serde_json::Value, std::io::Error> {
    serde_json::from_slice(&fs::read(path)?).map_err(std::io::Error::other)
}

/// All files below a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_passes() {
        let folder = match data() {
            Ok(folder) => folder,
            Err(missing) => {
                println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", missing.display());
                return;
            }
        };
        for (name, suite) in run_all(&folder).unwrap() {
            assert!(suite.total > 0, "{name} found no case");
            // Disagreements that are listed with their reason in the docs count as failures in the report only.
            let unknown: Vec<_> = suite.failures.iter().filter(|failure| !failure.reason.contains("known: ")).collect();
            assert!(unknown.is_empty(), "{name}: {unknown:#?}");
        }
    }
}
