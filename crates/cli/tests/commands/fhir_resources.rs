//! `sutura fhir validate`, `bundle`, `export` and `enrich`.

use std::{fs, path::Path};

use crate::{expect, run, stderr, stdout};

const LEAVE: [&str; 3] = ["--allow-phi", "--purpose", "a test"];

/// A patient, an observation with a decimal of its own precision, a patient with a wrong code, and a line that is no JSON.
const LINES: [&str; 4] = [
    r#"{"resourceType":"Patient","id":"p1","birthDate":"1950-03-02","gender":"female","name":[{"family":"CANARYNAME"}]}"#,
    r#"{ "resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":185.00,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}"#,
    r#"{"resourceType":"Patient","id":"p2","gender":"CANARYGENDER"}"#,
    r#"{"resourceType":"Patient","id":"CANARYBROKEN"#,
];

fn folder(lines: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("feed.ndjson"), lines.join("\n")).unwrap();
    folder
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn validation_counts_and_places_what_is_wrong() {
    let all = folder(&LINES);
    let output = run(all.path(), &["fhir", "validate", "feed.ndjson"]);
    expect(&output, 1);
    let text = stdout(&output);
    let place = LINES[..2].iter().map(|line| line.len() + 1).sum::<usize>();
    assert!(text.contains(&format!("feed.ndjson byte {place}: error code-invalid at Patient.gender")), "{text}");
    assert!(text.contains("3 resources, 1 with errors"), "{text}");
    assert!(stderr(&output).contains("4 records in = 3 accepted + 1 rejected"), "{}", stderr(&output));
    assert!(!text.contains("CANARY") && !stderr(&output).contains("CANARY"), "{text}");

    let output = run(all.path(), &["fhir", "validate", "feed.ndjson", "--json"]);
    expect(&output, 1);
    let counts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((counts["read"]["rejected"].as_u64(), counts["validated"]["invalid"].as_u64()), (Some(1), Some(1)), "{counts}");

    let output = run(all.path(), &["fhir", "validate", "feed.ndjson", "--outcomes"]);
    expect(&output, 1);
    let lines: Vec<serde_json::Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[2]["outcome"]["issue"][0]["expression"][0], "Patient.gender", "{}", lines[2]);
    assert_eq!(lines[3]["outcome"]["issue"][0]["severity"], "fatal", "{}", lines[3]);
}

#[test]
fn rejects_are_placed_as_issues_are() {
    let all = folder(&[LINES[3], LINES[2], LINES[3]]);
    let place = LINES[3].len() + LINES[2].len() + 2;
    let run = |more: &[&str]| {
        let output = run(all.path(), &[&["fhir", "validate", "feed.ndjson"], more].concat());
        assert!(!stdout(&output).contains("CANARY") && !stderr(&output).contains("CANARY"), "{}", stdout(&output));
        stdout(&output)
    };
    let text = run(&[]);
    assert!(text.contains("feed.ndjson byte 0: fatal json-") && text.contains(&format!("feed.ndjson byte {place}: fatal json-")), "{text}");
    assert!(text.contains("Patient.gender"), "{text}");
    let text = run(&["--max-issues", "1"]);
    assert!(text.contains("byte 0: fatal") && !text.contains(&format!("byte {place}: ")) && !text.contains("Patient.gender"), "{text}");
    let report: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!((report["rejected"][1]["offset"].as_u64(), report["rejected"].as_array().unwrap().len()), (Some(place as u64), 2), "{report}");
    let lines: Vec<serde_json::Value> = run(&["--outcomes"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[2]["offset"].as_u64()), (3, Some(place as u64)), "{lines:?}");
    assert_eq!(run(&["--outcomes", "--max-issues", "1"]).lines().count(), 2);
}

#[test]
fn exit_codes_tell_errors_from_rejects_and_from_mistakes() {
    let clean = folder(&LINES[..2]);
    expect(&run(clean.path(), &["fhir", "validate", "feed.ndjson"]), 0);
    let broken = folder(&[LINES[0], LINES[3]]);
    expect(&run(broken.path(), &["fhir", "validate", "feed.ndjson"]), 3);
    let output = run(clean.path(), &["fhir", "validate", "feed.ndjson", "--profile", "http://example.org/none"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("--package"), "{}", stderr(&output));
    expect(&run(clean.path(), &["fhir", "validate", "absent.ndjson"]), 2);
}

/// A Bundle is validated itself, whole: what is wrong with it, and in it.
#[test]
fn bundles_are_validated_whole() {
    let entry = r#"{"fullUrl":"http://example.org/fhir/Patient/other","resource":{"resourceType":"Patient","id":"p1","gender":"CANARYGENDER"}}"#;
    let of = |kind: &str, entries: &str| format!(r#"{{"resourceType":"Bundle","type":"{kind}","total":3,"entry":[{entries}]}}"#);
    let text = |content: &str, name: &str, code: i32| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), content).unwrap();
        let output = run(folder.path(), &["fhir", "validate", name]);
        expect(&output, code);
        assert!(!stdout(&output).contains("CANARY"), "{}", stdout(&output));
        stdout(&output)
    };
    let all_wrong = |text: &str| {
        assert!(text.contains("bdl-1"), "total: {text}");
        assert!(text.contains("Bundle.entry[0]: the fullUrl must end"), "{text}");
        assert!(text.contains("Bundle.entry[0].resource.gender"), "{text}");
    };
    let bundle = of("collection", entry);
    let alone = text(&bundle, "bundle.json", 1);
    all_wrong(&alone);
    assert!(alone.contains("1 resources, 1 with errors"), "{alone}");
    all_wrong(&text(&format!("{}\n{bundle}\n", LINES[0]), "feed.ndjson", 1));
    let array = text(&format!("[{bundle},\n{}]", r#"{"resourceType":"Bundle","type":"CANARYTYPE"}"#), "array.json", 1);
    all_wrong(&array);
    assert!(array.contains("Bundle.type") && array.contains("2 resources, 2 with errors"), "{array}");
    assert!(text(r#"{"resourceType":"Bundle"}"#, "empty.json", 1).contains("Bundle"));
    assert!(text(&of("document", entry), "document.json", 1).contains("bdl-11"));
    text(r#"{"resourceType":"Bundle","type":"collection"}"#, "clean.json", 0);
}

#[test]
fn what_was_not_checked_is_said() {
    let claim = r#"{"resourceType":"Patient","meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient","http://example.org/CANARY"]}}"#;
    let folder = folder(&[claim]);
    let output = run(folder.path(), &["fhir", "validate", "feed.ndjson"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("not-found") && stderr(&output).contains("not checked"), "{}{}", stdout(&output), stderr(&output));
    let output = run(folder.path(), &["fhir", "validate", "feed.ndjson", "--all"]);
    let text = stdout(&output);
    assert!(text.contains("us-core-patient (and 1 more) was not checked") && !text.contains("CANARY"), "{text}");
}

#[test]
fn a_profile_of_a_package_is_asked_for() {
    let folder = folder(&LINES[..1]);
    fs::create_dir(folder.path().join("package")).unwrap();
    let profile = r#"{"resourceType":"StructureDefinition","url":"http://example.org/with-phone","name":"WithPhone","status":"active","kind":"resource",
        "abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
        "differential":{"element":[{"id":"Patient","path":"Patient"},{"id":"Patient.telecom","path":"Patient.telecom","min":1}]}}"#;
    fs::write(folder.path().join("package/profile.json"), profile).unwrap();
    let output =
        run(folder.path(), &["fhir", "validate", "feed.ndjson", "--package", "package", "--profile", "http://example.org/with-phone"]);
    expect(&output, 1);
    assert!(stdout(&output).contains("telecom"), "{}", stdout(&output));
}

#[test]
fn bundles_are_valid_and_complete() {
    let folder = folder(&LINES[..2]);
    let base = ["fhir", "bundle", "feed.ndjson", "--type", "transaction", "--requests", "create", "-o", "out"];
    let output = run(folder.path(), &base);
    expect(&output, 2);
    assert!(stderr(&output).contains("--allow-phi") && !folder.path().join("out").exists(), "{}", stderr(&output));

    expect(&run(folder.path(), &[&base[..], &LEAVE].concat()), 0);
    let bundle: serde_json::Value = serde_json::from_str(&read(folder.path(), "out/bundle-00001.json")).unwrap();
    let patient = bundle["entry"][0]["fullUrl"].as_str().unwrap();
    assert!(patient.starts_with("urn:uuid:"));
    assert_eq!(bundle["entry"][1]["resource"]["subject"]["reference"], patient);
    assert_eq!(bundle["entry"][1]["request"]["method"], "POST");
    assert!(read(folder.path(), "out/bundle-00001.json").contains("\"value\":185.00"), "decimals keep their digits");
    expect(&run(folder.path(), &["fhir", "validate", "out"]), 0);

    let output = run(folder.path(), &[&base[..], &LEAVE].concat());
    expect(&output, 2);
    assert!(stderr(&output).contains("--overwrite"), "{}", stderr(&output));
    let single =
        ["fhir", "bundle", "feed.ndjson", "--type", "searchset", "--max-entries", "1", "--base", "https://example.org/fhir", "-o", "pages"];
    expect(&run(folder.path(), &[&single[..], &LEAVE].concat()), 0);
    let second: serde_json::Value = serde_json::from_str(&read(folder.path(), "pages/bundle-00002.json")).unwrap();
    assert_eq!(second["entry"][0]["fullUrl"], "https://example.org/fhir/Observation/o1");
    assert_eq!(second["entry"][0]["search"]["mode"], "match");
}

#[test]
fn an_export_has_one_file_a_type_and_says_what_was_left() {
    let folder = folder(&LINES);
    let output = run(folder.path(), &[&["fhir", "export", "feed.ndjson", "-o", "out", "--json"], &LEAVE[..]].concat());
    expect(&output, 3);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["read"]["rejected"].as_u64(), report["manifest"]["resources"].as_u64()), (Some(1), Some(3)), "{report}");
    assert_eq!(read(folder.path(), "out/Patient.ndjson").lines().count(), 2);
    assert_eq!(read(folder.path(), "out/Observation.ndjson"), format!("{}\n", LINES[1].replacen("{ ", "{", 1)));
    let output = run(folder.path(), &[&["fhir", "export", "feed.ndjson", "-o", "out"], &LEAVE[..]].concat());
    expect(&output, 2);
    expect(&run(folder.path(), &[&["fhir", "export", "out", "-o", "again", "--gzip"], &LEAVE[..]].concat()), 0);
    expect(&run(folder.path(), &["fhir", "validate", "again/Observation.ndjson.gz"]), 0);
}

#[test]
fn enrichment_knows_the_person_of_each_result() {
    let folder = folder(&LINES[..2]);
    let enrich = |from: &str, to: &str| {
        let command = ["fhir", "enrich", from, "-o", to, "--reference-date", "2026-01-01"];
        expect(&run(folder.path(), &[&command[..], &LEAVE].concat()), 0);
    };
    enrich("feed.ndjson", "out");
    let observation = read(folder.path(), "out/Observation.ndjson");
    assert!(observation.contains("\"value\":185.00"), "{observation}");
    assert!(observation.contains("clinical-significance") && !observation.contains("age-unknown"), "{observation}");
    assert!(read(folder.path(), "out/Patient.ndjson").contains("elderly"), "{}", read(folder.path(), "out/Patient.ndjson"));
    enrich("out", "again");
    assert_eq!(observation, read(folder.path(), "again/Observation.ndjson"));
    expect(&run(folder.path(), &["fhir", "validate", "out"]), 0);
}

#[test]
fn a_job_enriches_as_a_step() {
    let folder = folder(&LINES[..2]);
    let job = r#"
[job]
name = "enrich"
output = "out"
[[source]]
name = "feed"
format = "fhir"
path = "feed.ndjson"
[[step]]
type = "fhir_enrich"
name = "enriched"
input = "feed.resources"
reference_date = "2026-01-01"
[[step]]
type = "sql"
name = "meaning"
query = "select resource_type, fhirpath(json, 'extension.where(url.endsWith(''clinical-significance'')).exists()') as judged from enriched"
[[sink]]
input = "meaning"
format = "csv"
allow_phi = true
purpose = "a test"
"#;
    fs::write(folder.path().join("job.toml"), job).unwrap();
    let output = run(folder.path(), &["run", "job.toml"]);
    expect(&output, 0);
    let sink = fs::read_dir(folder.path().join("out/meaning"))
        .unwrap()
        .flatten()
        .find(|file| file.file_name().to_string_lossy().ends_with(".csv"));
    let text = fs::read_to_string(sink.unwrap().path()).unwrap();
    assert!(text.contains("Observation,true") && text.contains("Patient,false"), "{text}");
    fs::write(folder.path().join("job.toml"), job.replace("2026-01-01", "soon")).unwrap();
    expect(&run(folder.path(), &["validate", "job.toml"]), 2);
}

#[test]
fn test_files_of_views_make_the_official_report() {
    let folder = tempfile::tempdir().unwrap();
    let file = |expected: &str| {
        format!(
            r#"{{"title":"t","resources":[{{"resourceType":"Patient","id":"a"}}],"tests":[{{"title":"ids","view":{{"resource":"Patient","select":[{{"column":[{{"name":"id","path":"id"}}]}}]}},"expect":[{{"id":"{expected}"}}]}}]}}"#
        )
    };
    fs::write(folder.path().join("ids.json"), file("a")).unwrap();
    let command = ["fhir", "test-views", "ids.json", "-o", "test_report.json"];
    let output = run(folder.path(), &command);
    expect(&output, 0);
    assert_eq!(stdout(&output), "1 of 1 passed\n");
    let report: serde_json::Value = serde_json::from_str(&read(folder.path(), "test_report.json")).unwrap();
    assert_eq!(report["ids.json"]["tests"][0]["result"]["passed"], true, "{report}");
    fs::write(folder.path().join("ids.json"), file("b")).unwrap();
    expect(&run(folder.path(), &command), 1);
    fs::write(folder.path().join("ids.json"), "{}").unwrap();
    expect(&run(folder.path(), &command), 2);
}

#[test]
fn a_store_is_no_folder() {
    let folder = folder(&LINES[..2]);
    for command in [
        &["fhir", "export", "feed.ndjson", "-o", "s3://bucket/out"][..],
        &["fhir", "bundle", "feed.ndjson", "--type", "collection", "-o", "s3://bucket/out"],
        &["fhir", "enrich", "feed.ndjson", "--reference-date", "2026-01-01", "-o", "s3://bucket/out"],
    ] {
        let output = run(folder.path(), &[command, &LEAVE].concat());
        expect(&output, 2);
        assert!(stderr(&output).contains("local folder") && !folder.path().join("s3:").exists(), "{}", stderr(&output));
    }
}

#[test]
fn a_new_export_takes_the_place_of_the_old_one_and_never_of_its_input() {
    let folder = folder(&LINES[..2]);
    expect(&run(folder.path(), &[&["fhir", "export", "feed.ndjson", "-o", "out"], &LEAVE[..]].concat()), 0);
    fs::write(folder.path().join("one.ndjson"), LINES[0]).unwrap();
    expect(&run(folder.path(), &[&["fhir", "export", "one.ndjson", "-o", "out", "--gzip", "--overwrite"], &LEAVE[..]].concat()), 0);
    let mut names: Vec<String> =
        fs::read_dir(folder.path().join("out")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["Patient.ndjson.gz", "export.manifest"]);
    let output = run(folder.path(), &[&["fhir", "export", "out", "-o", "out", "--overwrite"], &LEAVE[..]].concat());
    expect(&output, 2);
    assert!(stderr(&output).contains("is read"), "{}", stderr(&output));
}
