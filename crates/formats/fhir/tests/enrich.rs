//! Enrichment of synthetic patients, when the test data is there: valid FHIR, all that was sent, and the same twice.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use chrono::NaiveDate;
use sutura_fhir::{
    enrich::{BASE, DEFINITIONS, EXTENSIONS, Enricher, Options, Outcome, PatientIndex},
    json::{Kind, Parser, Value},
    validate::{IssueSeverity, Options as Validation, ProfileStore, Validator},
};

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

/// The resources of a folder: whole files, or lines of NDJSON.
fn resources(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths.into_iter().filter(|path| !path.display().to_string().contains("log.ndjson")) {
        let (mut bytes, name) = (std::fs::read(&path).unwrap(), path.display().to_string());
        if path.extension().is_some_and(|ending| ending == "gz") {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
            bytes = plain;
        }
        if name.contains(".ndjson") {
            out.extend(bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
        } else {
            out.push(bytes);
        }
    }
    out
}

/// Our definitions are loaded; an extension of ours that they do not define is an error, others are trusted.
fn strict() -> Validator {
    let mut store = ProfileStore::new();
    for text in DEFINITIONS {
        store.add(serde_json::from_str(text).unwrap());
    }
    let options = Validation {
        unknown_extensions: Some(IssueSeverity::Error),
        trusted_extensions: vec!["http://".to_owned()],
        max_issues: usize::MAX - 1,
        ..Validation::default()
    };
    Validator::new(options).with_profiles(store)
}

fn errors(validator: &Validator, resource: Value<'_>) -> Vec<String> {
    let issues = validator.validate(resource);
    issues.into_iter().filter(|issue| issue.severity >= IssueSeverity::Error).map(|issue| issue.diagnostics).collect()
}

/// Every name and simple value in order as sent, without our extensions.
fn tape(value: Value<'_>, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Object => {
            out.push(b'{');
            for (name, member) in value.entries() {
                if name == "extension" && member.items().all(ours) {
                    continue;
                }
                out.extend_from_slice(name.as_bytes());
                tape(member, out);
            }
            out.push(b'}');
        }
        Kind::Array => {
            out.push(b'[');
            value.items().filter(|item| !ours(*item)).for_each(|item| tape(item, out));
            out.push(b']');
        }
        _ => out.extend_from_slice(value.raw()),
    }
}

fn ours(value: Value<'_>) -> bool {
    value.get("url").and_then(|url| url.as_str()).and_then(|url| url.strip_prefix(BASE)).is_some_and(|name| EXTENSIONS.contains(&name))
}

fn check(name: &str, resources: &[Vec<u8>], enricher: &Enricher) -> (Outcome, String) {
    let validator = strict();
    let (mut first, mut second) = (Parser::default(), Parser::default());
    let (mut total, mut all, mut bytes) = (Outcome::default(), String::new(), 0);
    let mut spent = std::time::Duration::ZERO;
    for text in resources {
        let before = first.parse(text).unwrap().root();
        let mut out = Vec::new();
        let began = Instant::now();
        let outcome = enricher.enrich(before, &mut out).unwrap();
        spent += began.elapsed();
        bytes += text.len();
        let after = second.parse(&out).unwrap().root();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        tape(before, &mut left);
        tape(after, &mut right);
        assert!(left == right, "{name}: something sent is not there");
        assert_eq!(errors(&validator, after), errors(&validator, before), "{name}");
        let mut again = Vec::new();
        assert_eq!(enricher.enrich(after, &mut again).unwrap(), outcome);
        assert!(again == out, "{name}: a second run changes something");
        total += outcome;
        all.push_str(std::str::from_utf8(&out).unwrap());
    }
    let rate = total.resources as f64 / spent.as_secs_f64();
    println!("{name}: {total:?}, {:.1} MB, {rate:.0} resources/s in this build", bytes as f64 / 1e6);
    (total, all)
}

fn options() -> Options {
    Options::new(NaiveDate::from_ymd_opt(2024, 7, 1).unwrap())
}

#[test]
fn bundles_of_synthetic_patients() {
    let Some(data) = data() else { return };
    let mut files = resources(&data.join("fhir/synthea"));
    files.truncate(8);
    let (total, all) = check("synthea", &files, &Enricher::new(options()));
    assert!(total.assessed > 100 && total.not_assessed > 0 && total.passed == 0, "{total:?}");
    for name in ["data-quality", "age", "population-group", "geographic-region", "clinical-significance", "risk-stratum"] {
        assert!(all.contains(&format!("{BASE}{name}\"")), "{name}");
    }
}

#[test]
fn ndjson_in_two_passes() {
    let Some(data) = data() else { return };
    let lines = resources(&data.join("fhir/bulk-ndjson-small"));
    let mut index = PatientIndex::new();
    let mut parser = Parser::default();
    for line in &lines {
        index.add(parser.parse(line).unwrap().root()).unwrap();
    }
    println!("{index:?}");
    let (total, all) = check("bulk-ndjson-small", &lines, &Enricher::new(options()).with_patients(Arc::new(index)));
    assert!(total.assessed > 300, "{total:?}");
    assert!(all.contains(&format!("{BASE}risk-stratum\"")));
    // The same without the first pass: no age is known, nothing is judged.
    let (total, _) = check("bulk-ndjson-small, one pass", &lines, &Enricher::new(options()));
    assert_eq!(total.assessed, 0);
}

#[test]
fn examples_of_the_specification() {
    let Some(data) = data() else { return };
    let mut files = Vec::new();
    for kind in ["Patient", "Observation", "Condition", "Bundle", "Location", "Organization", "MeasureReport", "Binary", "Parameters"] {
        files.extend(resources(&data.join("fhir/spec-examples").join(kind)));
    }
    let (total, _) = check("spec-examples", &files, &Enricher::new(options()));
    assert!(total.resources > 50, "{total:?}");
}
