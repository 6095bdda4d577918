//! `generate`, `demo`, `validate`, `plan`, `run`, and their exit codes.

use std::{fs, path::Path};

use crate::{expect, folder, run, stderr, stdout};

const JOB: &str = "[job]\nname = \"counts\"\nproject = \"p\"\noutput = \"out\"\n\n\
[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"feed.hl7\"\n\n\
[[step]]\ntype = \"sql\"\nname = \"types\"\nquery = \"select message_type, count(*) as n from feed.messages group by 1\"\n\n\
[[sink]]\ninput = \"types\"\nformat = \"csv\"\n";

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn a_job_is_validated_planned_and_run() {
    let folder = folder();
    write(folder.path(), "job.toml", JOB);
    let output = run(folder.path(), &["validate", "job.toml"]);
    expect(&output, 0);
    assert_eq!(stdout(&output), "job.toml: job counts is valid: 1 source, 1 step, 1 sink\n");
    let output = run(folder.path(), &["plan", "job.toml"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("message_type"), "{}", stdout(&output));
    assert!(!folder.path().join("out").exists(), "a plan writes nothing");

    let output = run(folder.path(), &["run", "job.toml"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("3 records in = 2 accepted + 1 rejected"), "{}", stdout(&output));
    let record: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("out/run.json")).unwrap()).unwrap();
    assert_eq!(record["totals"]["accepted"], 2);

    let output = run(folder.path(), &["run", "job.toml"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("nothing to do"), "{}", stdout(&output));
    let output = run(folder.path(), &["run", "job.toml", "--force", "--json"]);
    expect(&output, 0);
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((record["status"].as_str(), record["equation"].as_str()), (Some("clean"), Some("3 records in = 2 accepted + 1 rejected")));
}

#[test]
fn every_mistake_is_named_at_once() {
    let folder = folder();
    let wrong = JOB
        .replace("path = \"feed.hl7\"", "pth = \"feed.hl7\"")
        .replace("message_type, count", "mesage_type, count")
        .replace("\"csv\"", "\"xls\"");
    write(folder.path(), "job.toml", &wrong);
    let output = run(folder.path(), &["validate", "job.toml"]);
    expect(&output, 2);
    insta::assert_snapshot!(stderr(&output));
    let output = run(folder.path(), &["validate", "job.toml", "--json"]);
    expect(&output, 2);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["valid"], false);
    assert!(found["problems"].as_array().unwrap().len() >= 2, "{found}");
    expect(&run(folder.path(), &["run", "job.toml"]), 2);
    expect(&run(folder.path(), &["run", "absent.toml"]), 2);
}

#[test]
fn a_sink_that_would_hold_identifying_columns_is_refused_before_anything_is_read() {
    let folder = folder();
    write(
        folder.path(),
        "job.toml",
        &JOB.replace("message_type, count(*) as n from feed.messages group by 1", "patient_id from feed.messages"),
    );
    for verb in ["validate", "run"] {
        let output = run(folder.path(), &[verb, "job.toml"]);
        expect(&output, 2);
        assert!(stderr(&output).contains("patient_id (mrn)"), "{}", stderr(&output));
    }
    assert!(!folder.path().join("out/types").exists());
}

#[test]
fn too_many_rejects_are_exit_code_3_and_publish_nothing() {
    let folder = folder();
    write(folder.path(), "job.toml", &format!("{JOB}\n[gates]\nrejects_max_share = 0.01\n"));
    let output = run(folder.path(), &["run", "job.toml"]);
    expect(&output, 3);
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    assert!(!folder.path().join("out/types").exists());
    expect(&run(folder.path(), &["run", "job.toml", "--set", "gates.rejects_max_share=0.5"]), 0);
}

#[test]
fn rejects_are_read_again() {
    let folder = folder();
    expect(&run(folder.path(), &["keys", "new", "my.key"]), 0);
    let job = JOB.replace("path = \"feed.hl7\"\n", "path = \"feed.hl7\"\noptions = { strict = true }\n");
    let privacy = "\n[privacy]\npolicy = \"hipaa-safe-harbor\"\nkey = { file = \"my.key\" }\nvault = \"my.vault\"\n[rejects]\n";
    write(folder.path(), "job.toml", &format!("{job}{privacy}"));
    let output = run(folder.path(), &["replay", "job.toml"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("no complete run"), "{}", stderr(&output));
    let output = run(folder.path(), &["run", "job.toml"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("rejected as strict"), "{}", stdout(&output));
    let output = run(folder.path(), &["replay", "job.toml", "--set", "source.feed.options.strict=false", "--json"]);
    expect(&output, 0);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rejects"], report["replayed"]);
    assert!(report["run"]["totals"]["accepted"].as_u64().unwrap() >= 1, "{report}");
    let said = stdout(&output) + &stderr(&output);
    assert!(!said.contains("CANARY"), "{said}");
}

#[test]
fn paths_on_the_command_line_start_at_the_working_folder() {
    let folder = folder();
    fs::create_dir(folder.path().join("jobs")).unwrap();
    write(folder.path(), "jobs/job.toml", JOB);
    let output = run(folder.path(), &["run", "jobs/job.toml", "--set", "source.feed.path=feed.hl7", "--out", "result"]);
    expect(&output, 0);
    assert!(folder.path().join("result/run.json").exists());
    let output = run(folder.path(), &["run", "jobs/job.toml"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("feed.hl7"), "{}", stderr(&output));
}

#[test]
fn a_feed_is_the_same_for_the_same_seed() {
    let folder = folder();
    let make = |out: &str, seed: &str| {
        let output = run(folder.path(), &["generate", "hl7v2", "--messages", "300", "--per-file", "100", "--seed", seed, "--out", out]);
        expect(&output, 0);
        fs::read(folder.path().join(out).join("feed_0001.hl7")).unwrap()
    };
    let (first, again, other) = (make("a", "1"), make("b", "1"), make("c", "2"));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let truth: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("a/truth.json")).unwrap()).unwrap();
    let output = run(folder.path(), &["sql", "select count(*) as n from read_hl7v2('a')", "--format", "csv"]);
    assert_eq!(stdout(&output), format!("n\n{}\n", truth["accepted"]));
    let output = run(folder.path(), &["generate", "hl7v2", "--messages", "100", "--per-file", "100", "--out", "a"]);
    expect(&output, 1);
    assert!(stderr(&output).contains("another feed"), "{}", stderr(&output));
    expect(&run(folder.path(), &["generate", "hl7v2", "--malformed-share", "7", "--out", "d"]), 2);
    expect(&run(folder.path(), &["generate", "hl7v2", "--shape", "mllp", "--line-end", "lf", "--out", "d"]), 2);
    assert!(!folder.path().join("d").exists());
}

#[test]
fn records_are_the_same_for_the_same_seed() {
    let folder = folder();
    let make = |out: &str, seed: &str| {
        let output = run(folder.path(), &["generate", "fhir", "--patients", "5", "--seed", seed, "--out", out]);
        expect(&output, 0);
        fs::read(folder.path().join(out).join("ndjson/Patient.ndjson")).unwrap()
    };
    let (first, again, other) = (make("a", "1"), make("b", "1"), make("c", "2"));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let truth: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("a/truth.json")).unwrap()).unwrap();
    for part in ["ndjson", "bundles"] {
        let query = format!("select count(*) as n from read_fhir('a/{part}', 'observations')");
        let output = run(folder.path(), &["sql", &query, "--format", "csv"]);
        assert_eq!(stdout(&output), format!("n\n{}\n", truth["by_type"]["Observation"]), "{part}");
    }
    let output = run(folder.path(), &["generate", "fhir", "--patients", "5", "--out", "a"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("another feed"), "{}", stderr(&output));
    expect(&run(folder.path(), &["generate", "fhir", "--years", "0", "--out", "d"]), 2);
    assert!(!folder.path().join("d").exists());
}

#[test]
fn the_demo_runs_the_whole_road() {
    let folder = folder();
    let output = run(folder.path(), &["demo", "--dir", "demo", "--messages", "400"]);
    expect(&output, 0);
    let said = stdout(&output);
    assert!(said.contains("the generator's own count is the same"), "{said}");
    assert!(said.contains("Tables written") && said.contains("Messages by type") && said.contains("Quality"), "{said}");
    assert!(stderr(&output).contains("made a key of its own"), "{}", stderr(&output));
    assert!(folder.path().join("demo/out/manifest.json").exists());
    let images: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("demo/images/run.json")).unwrap()).unwrap();
    let joined = images["sinks"].as_array().unwrap().iter().find(|sink| sink["name"] == "patients_with_images").unwrap();
    assert!(joined["rows"].as_u64().unwrap() > 0, "the images are of patients of the messages: {joined}");
    let rows = run(folder.path(), &["sql", "select 1", "--format", "csv"]);
    expect(&rows, 0);
    let again = run(folder.path(), &["demo", "--dir", "demo", "--messages", "400", "--json"]);
    expect(&again, 0);
    assert!(stderr(&again).contains("that an earlier demo made"), "{}", stderr(&again));
    let record: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(record["status"], "clean");
}
