//! The validation suites, when the test data is there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub)]

use std::path::{Path, PathBuf};

#[path = "suites/validation.rs"]
mod validation;

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

/// Every case passes or is listed with its reason, and what is listed does not pass.
fn report(name: &str, results: &[validation::Outcome], known: &[(&str, &str)]) {
    println!("{name}: {} of {} passed", results.iter().filter(|(_, reasons)| reasons.is_empty()).count(), results.len());
    for (case, reasons) in results.iter().filter(|(_, reasons)| !reasons.is_empty()) {
        println!("  {case}: {}", reasons.join("; "));
    }
    let wrong: Vec<_> = results.iter().filter(|(case, reasons)| reasons.is_empty() == known.iter().any(|(name, _)| name == case)).collect();
    assert!(!results.is_empty() && wrong.is_empty(), "{name}: {wrong:#?}");
}

#[test]
fn the_official_cases() {
    let Some(data) = data() else { return };
    let results = validation::validator(&data).unwrap();
    assert_eq!(results.len(), 193);
    report("fhir-validator", &results, validation::KNOWN_CASES);
}

#[test]
fn the_examples_of_the_specification() {
    let Some(data) = data() else { return };
    let results = validation::spec_examples(&data).unwrap();
    report("fhir-spec-examples", &results, validation::KNOWN_EXAMPLES);
}

#[test]
fn the_examples_of_us_core() {
    let Some(data) = data() else { return };
    let results = validation::us_core(&data).unwrap();
    report("fhir-us-core", &results, &[]);
}
