//! A model beside the rules of free text: the tiny one of the crate that runs models, through the command and through a job.

#[path = "../../../inference/tests/support/tiny.rs"]
mod tiny;

use std::{fs, path::Path};

use tiny::Tiny;

use crate::{expect, run, stderr, stdout, sutura};

const NOTE: &str = "Dr. Stevens saw quux in cue moon on 03/14/2024. BP 120/80, the 45, the 93.\n";
const MESSAGE: &str = "MSH|^~\\&|LAB|FACILITY|||20240301101500||ORU^R01^ORU_R01|1|P|2.5.1\r\
PID|1||4711^^^HOSP^MR||Zorba^Quux||19400317|F\r\
OBR|1|||718-7^Hemoglobin^LN\r\
NTE|1||Spoke with zorba about quux in cue moon, BP 120/80.\r";

const POLICY: [&str; 10] = [
    "--policy",
    "gdpr-pseudonymised",
    "--legal",
    "quasi_identifiers=kept; see the assessment",
    "--key-file",
    "study.key",
    "--project",
    "lung",
    "--domain",
    "research",
];

fn folder() -> tempfile::TempDir {
    let folder = crate::folder();
    let root = folder.path();
    expect(&run(root, &["keys", "new", "study.key"]), 0);
    fs::create_dir(root.join("in")).unwrap();
    fs::write(root.join("in/note.txt"), NOTE).unwrap();
    fs::write(root.join("in/feed.hl7"), MESSAGE).unwrap();
    Tiny::default().write(&root.join("model"));
    folder
}

/// Runs the command without the variable that says where the library is.
fn deidentify(root: &Path, arguments: &[&str], code: i32) -> String {
    let output = sutura(root).env_remove("ORT_DYLIB_PATH").arg("deidentify").args(POLICY).args(arguments).output().unwrap();
    expect(&output, code);
    stdout(&output) + &stderr(&output)
}

fn released(root: &Path, folder: &str) -> String {
    let mut entries: Vec<_> = fs::read_dir(root.join(folder)).unwrap().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn a_model_joins_in_and_its_failure_releases_nothing() {
    let Some(runtime) = tiny::runtime() else { return };
    let folder = folder();
    let root = folder.path();
    let runtime = runtime.to_str().unwrap();
    // Without the model: what it alone knows stays.
    deidentify(root, &["--free-text", "scrub", "in", "rules"], 0);
    assert!(released(root, "rules/notes").contains("quux in cue moon"));
    let with = ["--free-text", "scrub", "--model", "model", "--onnx-runtime", runtime];
    fs::create_dir(root.join("tables")).unwrap();
    fs::write(root.join("tables/visits.csv"), "note\nDr. Stevens in cue moon\n").unwrap();
    fs::write(root.join("columns.toml"), "[columns]\nnote = \"free-text\"\n").unwrap();
    deidentify(root, &[&with[..], &["--columns", "columns.toml", "in", "tables", "out"]].concat(), 0);
    assert_eq!(released(root, "out/csv"), "note\nDr. [NAME] in cue [HOSPITAL]\n");
    let account = fs::read_to_string(root.join("out/deidentification.json")).unwrap();
    assert!(account.contains("\"model\": \"model\""), "{account}");
    let note = released(root, "out/notes");
    assert!(note.starts_with("Dr. [NAME] saw [NAME] in cue [HOSPITAL] on "), "{note}");
    assert!(note.ends_with("BP 120/80, the 45, the [AGE].\n") && !note.contains("03/14/2024"), "{note}");
    let feed = released(root, "out/hl7v2");
    assert!(feed.contains("|Spoke with [NAME] about [NAME] in cue [HOSPITAL], BP 120/80."), "{feed}");

    // A model that gives what is no number: the documents with free text are refused, and nothing of the texts is said.
    Tiny { bias: f32::NAN, ..Tiny::default() }.write(&root.join("model"));
    let said = deidentify(root, &[&with[..], &["in", "failed"]].concat(), 3);
    let rejects = fs::read_to_string(root.join("failed/rejects.ndjson")).unwrap();
    assert_eq!(rejects.lines().count(), 2, "{rejects}");
    assert!(rejects.contains("model failed") && !(said + &rejects).contains("quux"), "{rejects}");
    assert!(!root.join("failed/notes").exists() && !root.join("failed/hl7v2").exists());
}

#[test]
fn what_is_wrong_with_a_model_is_said_before_anything_is_read() {
    let folder = folder();
    let root = folder.path();
    let said = deidentify(root, &["--model", "model", "in", "out"], 2);
    assert!(said.contains("--free-text scrub"), "{said}");
    let said = deidentify(root, &["--free-text", "scrub", "--model", "model", "in", "out"], 2);
    assert!(said.contains("ORT_DYLIB_PATH"), "{said}");
    let said = deidentify(root, &["--free-text", "scrub", "--model", "none", "in", "out"], 2);
    assert!(said.contains("none: cannot be read"), "{said}");
    Tiny { labels: &["O", "B-PATIENT", "I-PATIENT", "B-HOSP", "B-PLANET"], ..Tiny::default() }.write(&root.join("model"));
    let said = deidentify(root, &["--free-text", "scrub", "--model", "model", "in", "out"], 2);
    assert!(said.contains("\"PLANET\""), "{said}");
    assert!(!root.join("out").exists());
}

#[test]
fn a_job_runs_a_model() {
    let job = |with: &str| {
        format!(
            r#"[job]
name = "release"
project = "lung"
domain = "research"
output = "out"
[privacy]
policy = "gdpr-pseudonymised"
key = {{ file = "study.key" }}
legal = {{ quasi_identifiers = "kept; see the assessment" }}
[[source]]
name = "feed"
format = "hl7v2"
path = "in/feed.hl7"
[[step]]
type = "deidentify_documents"
name = "released"
input = "feed.raw"
{with}
[[sink]]
input = "released"
format = "ndjson"
path = "released"
"#
        )
    };
    let folder = folder();
    let root = folder.path();
    fs::write(root.join("job.toml"), job("model = \"model\"")).unwrap();
    let output = run(root, &["validate", "job.toml"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("free_text"), "{}", stderr(&output));
    let Some(runtime) = tiny::runtime() else { return };
    let with = format!("free_text = \"scrub\"\nmodel = \"model\"\nonnx_runtime = \"{}\"", runtime.display());
    fs::write(root.join("job.toml"), job(&with)).unwrap();
    expect(&run(root, &["run", "job.toml"]), 0);
    let text = released(root, "out/released");
    assert!(text.contains("Spoke with [NAME] about [NAME] in cue [HOSPITAL], BP 120/80."), "{text}");
}
