//! The official suites, when the test data is there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub)]

use std::path::{Path, PathBuf};

use sutura_fhir::view::suite;

#[path = "suites/fhirpath.rs"]
mod fhirpath;
#[path = "suites/xml.rs"]
mod xml;

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

#[test]
fn fhirpath_cases_pass_or_are_listed() {
    let Some(data) = data() else { return };
    let results = fhirpath::run(&data).unwrap();
    assert!(results.len() > 600);
    let mut wrong = Vec::new();
    for (name, reasons) in &results {
        let known = fhirpath::KNOWN.iter().any(|(known, _)| known == name);
        if reasons.is_empty() == known {
            wrong.push(format!("{name}: {}", reasons.join("; ")));
        }
    }
    println!("{} of {} passed", results.iter().filter(|(_, reasons)| reasons.is_empty()).count(), results.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn sql_on_fhir_cases_pass() {
    let Some(data) = data() else { return };
    let folder = std::fs::read_dir(data.join("fhir/sql-on-fhir-v2/tests")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let cases = suite::run(&files).unwrap();
    assert!(cases.len() > 90);
    let wrong: Vec<String> = cases
        .iter()
        .filter(|case| !case.reasons.is_empty())
        .map(|case| format!("{}: {}: {}", case.file, case.title, case.reasons.join("; ")))
        .collect();
    println!("{} of {} passed", cases.len() - wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(suite::report(&cases).is_object());
}
