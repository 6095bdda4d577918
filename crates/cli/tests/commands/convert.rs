//! `sutura convert` and `sutura generate ccda`.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::{expect, run, stderr, stdout};

const LEAVE: [&str; 5] = ["--allow-phi", "--purpose", "a test", "--recorded", "2026-01-01T00:00:00Z"];

fn convert(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = run(folder, &[&["convert", "--to", "fhir"], arguments, &LEAVE].concat());
    expect(&output, code);
    (stdout(&output), stderr(&output))
}

fn generate(folder: &Path, arguments: &[&str]) {
    expect(&run(folder, &[&["generate"], arguments].concat()), 0);
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The files of a folder by name, without the hidden ones.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    entries.map(|path| (name(&path), fs::read(&path).unwrap_or_default())).collect()
}

#[test]
fn a_feed_becomes_valid_bundles_and_the_account_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    generate(
        folder.path(),
        &["hl7v2", "--messages", "300", "--per-file", "120", "--seed", "3", "--malformed-share", "0.02", "--out", "feed"],
    );
    let truth = json(&folder.path().join("feed/truth.json"));
    let (_, said) = convert(folder.path(), &["feed", "out", "--validate"], 3);
    let report = json(&folder.path().join("out/conversion.json"));
    let number = |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {report}"));
    let (records, converted, rejected) = (number("/records/in"), number("/records/converted"), number("/records/rejected"));
    assert_eq!(records, truth["records"].as_u64().unwrap());
    assert_eq!(records, converted + rejected);
    assert!(rejected >= truth["rejected"].as_u64().unwrap() && converted > 250, "{said}");
    assert!(said.contains(&format!("{records} records in = {converted} converted + {rejected} rejected")), "{said}");
    assert_eq!((number("/validated/resources"), number("/validated/invalid")), (converted, 0), "{said}");
    let made = files(&folder.path().join("out"));
    assert_eq!(made.keys().map(String::as_str).collect::<Vec<_>>(), ["bundles.ndjson", "conversion.json", "rejects.ndjson"]);
    let lines = |name: &str| -> Vec<Value> {
        made[name].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
    };
    let bundles = lines("bundles.ndjson");
    assert_eq!(bundles.len() as u64, converted);
    let mut resources: BTreeMap<String, u64> = BTreeMap::new();
    for resource in bundles.iter().flat_map(|bundle| bundle["entry"].as_array().unwrap()) {
        *resources.entry(resource["resource"]["resourceType"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(serde_json::to_value(&resources).unwrap(), report["resources"]);
    assert_eq!(lines("rejects.ndjson").len() as u64, rejected);
    // The feeds add up to the whole.
    let feeds = report["feeds"].as_object().unwrap();
    for place in ["mapped", "dropped", "unmapped"] {
        let of = |feed: &Value| -> u64 {
            let places = feed["places"].as_object().unwrap().values();
            places
                .map(|counts| match &counts[place] {
                    Value::Object(reasons) => reasons.values().filter_map(Value::as_u64).sum(),
                    count => count.as_u64().unwrap_or(0),
                })
                .sum()
        };
        assert_eq!(feeds.values().map(of).sum::<u64>(), number(&format!("/places/{place}")), "{place}");
    }
    assert_eq!(feeds.values().map(|feed| feed["converted"].as_u64().unwrap()).sum::<u64>(), converted);
    // Whoever converts again, with however many threads, gets the same bytes.
    convert(folder.path(), &["feed", "again", "--jobs", "1", "--validate"], 3);
    assert!(files(&folder.path().join("again")) == made);
    #[cfg(unix)]
    for name in made.keys() {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.path().join("out").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} holds identifying data");
    }
}

#[test]
fn documents_and_messages_go_into_files_by_type() {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), &["ccda", "--patients", "12", "--seed", "5", "--out", "docs"]);
    generate(folder.path(), &["hl7v2", "--messages", "40", "--malformed-share", "0", "--out", "feed", "--compress", "gzip"]);
    let truth = json(&folder.path().join("docs/truth.json"));
    assert_eq!(truth["documents"], 12);
    // A document that is none costs itself only.
    fs::write(folder.path().join("docs/documents/0000/broken.xml"), "<ClinicalDocument xmlns='urn:hl7-org:v3'><recordTarget>").unwrap();
    let (said, _) = convert(folder.path(), &["docs", "feed", "-o", "out", "--format", "ndjson", "--json", "--validate"], 3);
    let summary: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(summary["records"]["rejects"], serde_json::json!({ "xml-unbalanced": 1 }), "{summary}");
    assert_eq!(summary["records"]["converted"], 12 + 40, "{summary}");
    assert_eq!(summary["validated"]["invalid"], 0, "{summary}");
    let out = files(&folder.path().join("out"));
    assert!(out.contains_key("export.manifest") && out.contains_key("conversion.json"), "{:?}", out.keys());
    let lines = |name: &str| out[name].split(|byte| *byte == b'\n').count() as u64 - 1;
    for (kind, count) in summary["resources"].as_object().unwrap() {
        assert_eq!(lines(&format!("{kind}.ndjson")), count.as_u64().unwrap(), "{kind}");
    }
    assert_eq!(lines("Composition.ndjson"), 12);
    let rejects = String::from_utf8(out["rejects.ndjson"].clone()).unwrap();
    assert!(rejects.contains("broken.xml") && rejects.contains("\"xml-unbalanced\""), "{rejects}");
    let output = run(folder.path(), &["fhir", "validate", "out"]);
    assert_ne!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn what_is_in_the_way_is_said_before_anything_is_written() {
    let folder = crate::folder();
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let output = run(folder.path(), &[&["convert"], arguments].concat());
        expect(&output, code);
        assert!(stderr(&output).contains(words) && !stderr(&output).contains("CANARY"), "{}", stderr(&output));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is made");
    };
    refused(&["feed.hl7", "out"], 2, "--allow-phi");
    let with_leave = |arguments: &[&str], code: i32, words: &str| refused(&[arguments, &LEAVE].concat(), code, words);
    with_leave(&["feed.hl7"], 2, "IN OUT");
    with_leave(&["feed.hl7", "."], 2, "is read");
    with_leave(&["feed.hl7", "out.ndjson", "--format", "ndjson"], 2, "give a folder");
    with_leave(&["feed.hl7", "out.ndjson", "--zone", "Nowhere"], 2, "--zone");
    with_leave(&["absent.hl7", "out.ndjson"], 2, "absent.hl7");
    with_leave(&["feed.hl7", "out.ndjson", "--max-rejects", "0.1"], 3, "nothing was written");
}

#[test]
fn nothing_identifying_is_said_and_an_earlier_output_stays() {
    let folder = crate::folder();
    let (printed, said) = convert(folder.path(), &["feed.hl7", "out.ndjson"], 3);
    assert!(!said.contains("CANARY") && printed.is_empty(), "{said}");
    assert!(said.contains("3 records in = 2 converted + 1 rejected (not-hl7: 1)"), "{said}");
    let names: Vec<String> = files(folder.path()).into_keys().collect();
    assert_eq!(names, ["feed.hl7", "out.conversion.json", "out.ndjson", "out.rejects.ndjson"]);
    let rejects = fs::read_to_string(folder.path().join("out.rejects.ndjson")).unwrap();
    assert!(!rejects.contains("CANARY"), "{rejects}");
    let before = files(folder.path());
    let (_, said) = convert(folder.path(), &["feed.hl7", "out.ndjson"], 2);
    assert!(said.contains("--overwrite"), "{said}");
    convert(folder.path(), &["feed.hl7", "out.ndjson", "--overwrite"], 3);
    assert!(files(folder.path()) == before);
}

#[test]
fn generated_documents_are_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), &["ccda", "--patients", "3", "--style", "elm", "--out", "a"]);
    generate(folder.path(), &["ccda", "--patients", "3", "--style", "elm", "--out", "b"]);
    let [a, b] = ["a", "b"].map(|name| files(&folder.path().join(name).join("documents/0000")));
    assert!(a == b && a.len() == 3);
    let output = run(folder.path(), &["generate", "ccda", "--patients", "3", "--out", "a"]);
    expect(&output, 2);
    let output = run(folder.path(), &["generate", "ccda", "--odd-percent", "101", "--out", "c"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("--odd-percent"), "{}", stderr(&output));
}

#[test]
fn a_result_of_one_form_does_not_stay_beside_that_of_another() {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), &["hl7v2", "--messages", "20", "--seed", "3", "--out", "feed"]);
    let names = || files(&folder.path().join("out")).into_keys().collect::<Vec<_>>();
    convert(folder.path(), &["feed", "out", "--format", "ndjson"], 0);
    assert!(names().contains(&"Patient.ndjson".to_owned()) && names().contains(&"export.manifest".to_owned()));
    convert(folder.path(), &["feed", "out", "--overwrite"], 0);
    assert_eq!(names(), ["bundles.ndjson", "conversion.json"]);
    convert(folder.path(), &["feed", "out", "--overwrite", "--format", "ndjson"], 0);
    assert!(!names().contains(&"bundles.ndjson".to_owned()));
}

#[test]
fn each_output_needs_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), &["hl7v2", "--messages", "20", "--seed", "3", "--out", "feed"]);
    for arguments in [
        &["feed", "out.ndjson", "--report", "a.json", "--rejects", "./a.json"][..],
        &["feed", "out.ndjson", "--rejects", "out.ndjson"],
        &["feed", "out", "--format", "ndjson", "--rejects", "out/Patient.ndjson"],
    ] {
        convert(folder.path(), arguments, 2);
        assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["feed"]);
    }
}

#[test]
fn terminology_that_is_read_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), &["hl7v2", "--messages", "5", "--seed", "3", "--out", "feed"]);
    let map = folder.path().join("own/map.csv");
    fs::create_dir(folder.path().join("own")).unwrap();
    fs::write(&map, "a map").unwrap();
    for arguments in [
        &["feed", "out.ndjson", "--terminology", "own/map.csv", "--report", "own/map.csv", "--overwrite"][..],
        &["feed", "out.ndjson", "--terminology", "own", "--rejects", "own/map.csv", "--overwrite"],
    ] {
        convert(folder.path(), arguments, 2);
        assert_eq!(fs::read_to_string(&map).unwrap(), "a map");
    }
    let output = run(folder.path(), &["sql", "select 1 as a", "--terminology", "own/map.csv", "-o", "own/map.csv", "--overwrite"]);
    expect(&output, 2);
    assert_eq!(fs::read_to_string(&map).unwrap(), "a map");
}
