//! The validation suites, when the test data is there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub)]

use std::{
    io::Write,
    path::{Path, PathBuf},
};

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

#[test]
fn the_definitions_of_us_core() {
    let Some(data) = data() else { return };
    let results = validation::us_core_definitions(&data).unwrap();
    report("fhir-us-core (definitions)", &results, &[]);
}

/// A file's header and content as in a tar archive.
fn tar_entry(name: &str, content: &[u8]) -> Vec<u8> {
    assert!(name.len() < 100);
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut entry = [&header, content].concat();
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// US Core as a registry would give it: one archive.
#[test]
fn us_core_as_a_package() {
    let Some(data) = data() else { return };
    let path = std::env::temp_dir().join(format!("sutura-us-core-{}.tgz", std::process::id()));
    let mut archive = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
    for entry in std::fs::read_dir(data.join("fhir/us-core/resources")).unwrap() {
        let file = entry.unwrap().path();
        let number = file.file_name().unwrap().to_string_lossy().bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte));
        archive.write_all(&tar_entry(&format!("package/{number}.json"), &std::fs::read(&file).unwrap())).unwrap();
    }
    archive.write_all(&[0; 1024]).unwrap();
    archive.finish().unwrap();
    let results = validation::us_core_from(&data, &path);
    std::fs::remove_file(&path).unwrap();
    let results = results.unwrap();
    assert_eq!(results.len(), 150);
    report("fhir-us-core (package)", &results, &[]);
}
