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
    assert_eq!(
        (report["rejected"][1]["offset"].as_u64(), report["rejected"].as_array().unwrap().len()),
        (Some(place as u64), 2),
        "{report}"
    );
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
    let entry =
        r#"{"fullUrl":"http://example.org/fhir/Patient/other","resource":{"resourceType":"Patient","id":"p1","gender":"CANARYGENDER"}}"#;
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

/// Settings of the validator are flags.
#[test]
fn rules_can_be_made_stricter_and_looser() {
    let observation =
        r#"{"resourceType":"Observation","id":"a","status":"final","code":{"text":"a <b>c</b>"},"subject":{"reference":"Medication/x"},
        "extension":[{"url":"http://example.org/CANARY","valueString":"x"}]}"#
            .replace('\n', "");
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"fullUrl":"http://x.org/Observation/a","resource":{observation}}}]}}"#
    );
    let folder = folder(&[&bundle]);
    let has = |arguments: &[&str], what: &str| {
        let output = run(folder.path(), &[&["fhir", "validate", "feed.ndjson", "--all"], arguments].concat());
        let found = stdout(&output).lines().any(|line| line.contains(what));
        assert!(!stdout(&output).contains("CANARY"), "{}", stdout(&output));
        found
    };
    let extension = "error extension";
    assert!(!has(&[], extension) && has(&["--unknown-extensions", "error"], extension));
    assert!(!has(&["--unknown-extensions", "error", "--trusted-extension", "http://example.org/"], extension));
    assert!(has(&[], "warning value") && has(&["--markup", "error"], "error value"));
    let target = "Observation.subject";
    let named = |severity: &str| {
        let output = run(folder.path(), &["fhir", "validate", "feed.ndjson", "--all", "--unresolved-types", severity]);
        stdout(&output).lines().any(|line| line.contains(target) || line.contains("resource.subject") && line.contains(severity))
    };
    assert!(named("information") && named("error"));
    let count = |arguments: &[&str]| {
        let output = run(folder.path(), &[&["fhir", "validate", "feed.ndjson", "--json"], arguments].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["validated"]["issues"].clone()
    };
    assert_ne!(count(&[]), count(&["--missing-targets", "error"]));
    expect(&run(folder.path(), &["fhir", "validate", "feed.ndjson", "--markup", "fatal"]), 2);
    expect(&run(folder.path(), &["fhir", "validate", "feed.ndjson", "--trusted-extension", "http://example.org/"]), 2);

    let claim = r#"{"resourceType":"Patient","meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]}}"#;
    fs::write(folder.path().join("claim.json"), claim).unwrap();
    let output = run(folder.path(), &["fhir", "validate", "claim.json", "--all", "--no-meta-profiles"]);
    assert!(!stdout(&output).contains("not-found"), "{}", stdout(&output));
}

#[test]
fn what_a_package_has_that_cannot_be_checked_is_said() {
    let folder = folder(&LINES[..1]);
    let profile = r#"{"resourceType":"StructureDefinition","url":"http://example.org/odd","name":"Odd","status":"active","kind":"resource",
        "abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
        "differential":{"element":[{"id":"Patient","path":"Patient","constraint":[{"key":"odd-1","severity":"error","human":"h","expression":"name.unheardOf()"}]},
        {"id":"Patient.shoeSize","path":"Patient.shoeSize","min":1}]}}"#;
    fs::write(folder.path().join("odd.json"), profile).unwrap();
    let command = ["fhir", "validate", "feed.ndjson", "--package", "odd.json", "--profile", "http://example.org/odd"];
    let output = run(folder.path(), &command);
    expect(&output, 0);
    let said = stderr(&output);
    assert!(said.contains("package: http://example.org/odd Patient: the rule odd-1 cannot be evaluated"), "{said}");
    assert!(said.contains("package: http://example.org/odd Patient.shoeSize: the type has no element of that path"), "{said}");
    let all = stdout(&run(folder.path(), &[&command[..], &["--all"]].concat()));
    assert!(all.contains("warning invariant at Patient: the rule odd-1 could not be evaluated"), "{all}");
    let report: serde_json::Value = serde_json::from_slice(&run(folder.path(), &[&command[..], &["--json"]].concat()).stdout).unwrap();
    assert_eq!(report["packages"]["problems"].as_array().unwrap().len(), 2, "{report}");
    let enrich = ["fhir", "enrich", "feed.ndjson", "--package", "odd.json", "--reference-date", "2026-01-01", "-o", "out"];
    assert!(stderr(&run(folder.path(), &[&enrich[..], &LEAVE].concat())).contains("the rule odd-1 cannot be evaluated"));
    let lines = stdout(&run(folder.path(), &[&command[..], &["--outcomes"]].concat()));
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (lines.lines().count(), &first["source"], &first["outcome"]["issue"][0]["severity"]),
        (3, &"http://example.org/odd".into(), &"information".into()),
        "{lines}"
    );
}

#[test]
fn xml_is_validated_and_read_as_json_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let wrong = r#"<?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"><id value="p1"/><name><family value="CANARYNAME"/></name><gender value="CANARYGENDER"/></Patient>"#;
    fs::write(path.join("wrong.xml"), wrong).unwrap();
    fs::write(path.join("clean.xml"), wrong.replace("CANARYGENDER", "female")).unwrap();
    fs::write(path.join("order.xml"), r#"<Patient xmlns="http://hl7.org/fhir"><gender value="female"/><active value="true"/></Patient>"#)
        .unwrap();
    fs::write(path.join("document.xml"), r#"<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="CANARY"/></ClinicalDocument>"#).unwrap();
    let validate = |name: &str, code: i32| {
        let output = run(path, &["fhir", "validate", name]);
        expect(&output, code);
        let said = stdout(&output) + &stderr(&output);
        assert!(!said.contains("CANARY"), "{said}");
        said
    };
    let at = wrong.find("<Patient").unwrap();
    let said = validate("wrong.xml", 1);
    assert!(said.contains(&format!("wrong.xml byte {at}: error code-invalid at Patient.gender")), "{said}");
    validate("clean.xml", 0);
    assert!(validate("order.xml", 1).contains("xml-not-kept"));
    assert!(
        validate("document.xml", 3).contains("fatal resource-type-unknown: byte 0 of the record: the outermost element is no resource")
    );
    let view = r#"{"resource":"Patient","select":[{"column":[{"name":"sex","path":"gender"}]}]}"#;
    fs::write(path.join("view.json"), view).unwrap();
    let output = run(path, &["fhir", "view", "clean.xml", "--view", "view.json", "--format", "ndjson"]);
    expect(&output, 0);
    assert_eq!(stdout(&output), "{\"sex\":\"female\"}\n");
    let output = run(path, &["sql", "select count(*) as n from read_fhir('*.xml', 'patients')", "--format", "csv"]);
    assert_eq!(stdout(&output), "n\n3\n");
    let output = run(path, &[&["fhir", "export", "clean.xml", "-o", "out"], &LEAVE[..]].concat());
    expect(&output, 0);
    assert!(read(path, "out/Patient.ndjson").starts_with(r#"{"resourceType":"Patient","id":"p1","#));
    // A folder may hold XML of any kind: it is read for its JSON only.
    let output = run(path, &["fhir", "validate", "."]);
    assert!(!stdout(&output).contains(".xml"), "{}", stdout(&output));
}

#[test]
fn outputs_that_cannot_be_are_said_before_anything_is_read() {
    let folder = folder(&LINES[..2]);
    let path = folder.path();
    fs::write(path.join("file"), "x").unwrap();
    let mut wrong = vec![("file", "is a file"), ("file/below", "is a file")];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(path.join("nowhere"), path.join("link")).unwrap();
        wrong.push(("link", "leads nowhere"));
        let readonly = path.join("readonly");
        fs::create_dir(&readonly).unwrap();
        fs::set_permissions(&readonly, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
        // Root may write everywhere.
        if fs::write(readonly.join("probe"), "").is_err() {
            wrong.push(("readonly", "no file can be written there"));
            wrong.push(("readonly/below", "no file can be written there"));
        }
    }
    for (output, why) in wrong {
        for command in [
            &["fhir", "export", "feed.ndjson", "-o", output][..],
            &["fhir", "bundle", "feed.ndjson", "--type", "collection", "-o", output],
            &["fhir", "enrich", "feed.ndjson", "--reference-date", "2026-01-01", "-o", output],
        ] {
            let made = run(path, &[command, &LEAVE].concat());
            expect(&made, 2);
            assert!(
                stderr(&made).contains(why) && stderr(&made).contains(output.split('/').next().unwrap()),
                "{command:?}: {}",
                stderr(&made)
            );
        }
    }
}

#[test]
fn a_file_is_read_once_however_it_is_named() {
    let folder = folder(&LINES[..1]);
    let path = folder.path();
    let whole = path.join("feed.ndjson").display().to_string();
    let mut names = vec!["feed.ndjson", "./feed.ndjson", "*.ndjson", ".", whole.as_str()];
    #[cfg(unix)]
    {
        fs::create_dir(path.join("sub")).unwrap();
        std::os::unix::fs::symlink(path.join("feed.ndjson"), path.join("link.ndjson")).unwrap();
        names.extend(["link.ndjson", "sub/../feed.ndjson"]);
    }
    let output = run(path, &[&["fhir", "validate"], &names[..]].concat());
    expect(&output, 0);
    assert!(stderr(&output).contains("1 records in = 1 accepted"), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn pipes_are_announced_and_never_read_twice() {
    let folder = folder(&LINES[..1]);
    let path = folder.path();
    assert!(std::process::Command::new("mkfifo").arg(path.join("pipe")).status().unwrap().success());
    let output = run(path, &[&["fhir", "enrich", "pipe", "--reference-date", "2026-01-01", "-o", "out"], &LEAVE[..]].concat());
    expect(&output, 2);
    assert!(stderr(&output).contains("reads its input twice"), "{}", stderr(&output));
    let pipe = path.join("pipe");
    let writer = std::thread::spawn(move || fs::write(pipe, LINES[0]).unwrap());
    let output = run(path, &["fhir", "validate", "pipe"]);
    writer.join().unwrap();
    expect(&output, 0);
    assert!(stderr(&output).contains("is a pipe; reading until") && stderr(&output).contains("1 records in"), "{}", stderr(&output));
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
fn enrichment_counts_what_is_written() {
    let folder = folder(&[LINES[0], r#"{"resourceType":"Patient","id":"a_b","birthDate":"1950-03-02"}"#]);
    let command = ["fhir", "enrich", "feed.ndjson", "--reference-date", "2026-01-01", "-o", "out"];
    let output = run(folder.path(), &[&command[..], &LEAVE].concat());
    expect(&output, 3);
    assert!(stderr(&output).contains("1 of 2 resources enriched"), "{}", stderr(&output));
    assert!(stderr(&output).contains("not written, resource-id-invalid: 1"), "{}", stderr(&output));
}

#[test]
fn a_searchset_keeps_the_modes_of_its_entries() {
    let folder = tempfile::tempdir().unwrap();
    let search = r#"{"resourceType":"Bundle","type":"searchset","total":9,"entry":[
        {"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1"},"search":{"mode":"match"}},
        {"fullUrl":"http://a/Group/2","resource":{"resourceType":"Group","id":"2"},"search":{"mode":"include"}},
        {"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"informational"}]},"search":{"mode":"outcome"}}]}"#;
    fs::write(folder.path().join("search.json"), search).unwrap();
    let command = ["fhir", "bundle", "--type", "searchset", "search.json", "-o", "out"];
    expect(&run(folder.path(), &[&command[..], &LEAVE].concat()), 0);
    let bundle: serde_json::Value = serde_json::from_str(&read(folder.path(), "out/bundle-00001.json")).unwrap();
    let modes: Vec<_> = bundle["entry"].as_array().unwrap().iter().map(|entry| entry["search"]["mode"].as_str().unwrap()).collect();
    assert_eq!((bundle["total"].as_u64(), modes), (Some(1), vec!["match", "include", "outcome"]));
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
    // The resources may be real ones: no value of them is told.
    fs::write(folder.path().join("ids.json"), file("b").replace(r#""id":"a"}"#, r#""id":"CANARYID"}"#)).unwrap();
    let output = run(folder.path(), &command);
    expect(&output, 2);
    assert!(stderr(&output).contains("--overwrite"), "{}", stderr(&output));
    let command = [&command[..], &["--overwrite"]].concat();
    let output = run(folder.path(), &command);
    expect(&output, 1);
    let report = read(folder.path(), "test_report.json");
    assert!(report.contains("expect[0]") && !report.contains("CANARY"), "{report}");
    assert!(stderr(&output).contains("1 rows are left") && !stderr(&output).contains("CANARY"), "{}", stderr(&output));
    assert!(read(folder.path(), "test_report.json").contains("\"passed\": false"));
    let tests = read(folder.path(), "ids.json");
    let output = run(folder.path(), &["fhir", "test-views", ".", "-o", "./ids.json", "--overwrite"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("is read") && read(folder.path(), "ids.json") == tests, "{}", stderr(&output));
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|found| found.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ids.json", "test_report.json"], "no stage stays");
    let output = run(folder.path(), &["fhir", "test-views", "ids.json", "-o", "."]);
    expect(&output, 2);
    assert!(stderr(&output).contains("is a folder"), "{}", stderr(&output));
    fs::write(folder.path().join("ids.json"), "{}").unwrap();
    expect(&run(folder.path(), &command), 2);
}

/// What is lost without a reject is told, counted in the JSON, and in the exit code.
#[test]
fn what_is_cut_off_or_not_kept_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let entry = r#"{"resource":{"resourceType":"Patient","id":"CANARYID"}}"#;
    fs::write(folder.path().join("cut.json"), format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entry},{entry}"#))
        .unwrap();
    let order = "<Patient xmlns='http://hl7.org/fhir'><birthDate value='1980-02'/><id value='CANARYID'/></Patient>";
    fs::write(folder.path().join("order.xml"), order).unwrap();
    let reference = ["--reference-date", "2026-01-01"];
    for (number, (file, code)) in [("cut.json", "document-unterminated"), ("order.xml", "xml-not-kept")].into_iter().enumerate() {
        for (command, more) in [("export", &[][..]), ("enrich", &reference[..]), ("bundle", &["--type", "collection"][..])] {
            let target = format!("{command}-{number}");
            let arguments = [&["fhir", command, file, "-o", &target, "--overwrite"][..], more, &LEAVE[..]].concat();
            let output = run(folder.path(), &arguments);
            expect(&output, 3);
            assert!(stderr(&output).contains(&format!("error {code}: ")), "{command}: {}", stderr(&output));
            assert!(!stderr(&output).contains("CANARY"), "{}", stderr(&output));
            let output = run(folder.path(), &[&arguments[..], &["--json"]].concat());
            expect(&output, 3);
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let finding = &report["findings"][0];
            assert_eq!((finding["code"].as_str(), finding["severity"].as_str()), (Some(code), Some("error")), "{report}");
            assert_eq!(report["purpose"], "a test", "{report}");
            if command != "bundle" {
                let manifest: serde_json::Value = serde_json::from_str(&read(folder.path(), &format!("{target}/export.manifest"))).unwrap();
                assert_eq!(manifest["purpose"], "a test", "{manifest}");
            }
        }
    }
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
