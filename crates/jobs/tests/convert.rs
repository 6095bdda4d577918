//! The step `convert`: records in, resources out, and the account of both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{collections::BTreeMap, fs, ops::ControlFlow, path::Path};

use sutura_jobs::{Job, JobError, LoadOptions, RunOptions, RunReport, RunStatus};
use sutura_synthetic::{CcdaExport, CcdaOptions, Feed, FeedOptions};

/// Messages with as many that are none, and documents.
fn sources(folder: &Path) {
    let options = FeedOptions { messages: 60, seed: 3, malformed_share: 0.0, duplicate_share: 0.0, ..FeedOptions::default() };
    Feed::new(options).unwrap().write_to(&folder.join("messages"), &|_| {}).unwrap();
    let options = CcdaOptions { patients: 5, seed: 3, ..CcdaOptions::default() };
    CcdaExport::new(options).unwrap().write_to(&folder.join("records"), &|_| ControlFlow::Continue(())).unwrap();
    // A message whose type is not stated can be read, but not converted.
    fs::write(folder.join("messages/odd.hl7"), "MSH|^~\\&|ODDAPP|ODDFAC|||20260101||||P|2.5\rPID|1||5\r").unwrap();
}

const HEAD: &str = r#"[job]
name = "to_fhir"
project = "test"
output = "out"
[[source]]
name = "feed"
format = "hl7v2"
path = "messages"
[[source]]
name = "records"
format = "ccda"
path = "records/documents"
"#;

const STEPS: &str = r#"
[[step]]
type = "convert"
name = "from_messages"
input = "feed.raw"
zone = "-05:00"
[[step]]
type = "convert"
name = "from_documents"
input = "records.raw"
"#;

const SINK: &str = "allow_phi = true\npurpose = \"a test of conversion\"\nformat = \"ndjson\"\n";

fn job(folder: &Path, text: &str) -> Job {
    let file = folder.join("job.toml");
    fs::write(&file, text).unwrap();
    Job::load_with(&file, &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

async fn run(folder: &Path, text: &str) -> Result<RunReport, JobError> {
    job(folder, text).run(RunOptions { force: true, ..RunOptions::default() }).await
}

/// The rows of a sink of NDJSON.
fn rows(folder: &Path, sink: &str) -> Vec<serde_json::Value> {
    let files = fs::read_dir(folder.join("out").join(sink)).unwrap().map(|entry| entry.unwrap().path());
    let lines = files.filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    lines
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect()
}

fn by_type(rows: &[serde_json::Value]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row["resource_type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_rows_and_every_record_is_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    // The resources of messages go to two places: the account counts each message once.
    let text = format!(
        "{HEAD}{STEPS}\n[[step]]\ntype = \"sql\"\nname = \"counts\"\nquery = \"select resource_type, count(*) as n from from_messages group by 1\"\n\
         [[sink]]\ninput = \"counts\"\nformat = \"csv\"\n[[sink]]\ninput = \"from_messages\"\n{SINK}[[sink]]\ninput = \"from_documents\"\n{SINK}"
    );
    job(folder.path(), &text).validate().await.unwrap();
    let report = run(folder.path(), &text).await.unwrap();
    assert_eq!(report.status, RunStatus::Clean);
    for (step, sink, records, refused) in [("from_messages", "from_messages", 61, 1), ("from_documents", "from_documents", 5, 0)] {
        let record = report.conversion.iter().find(|record| record.step == step).unwrap();
        assert_eq!((record.records, record.converted), (records, records - refused), "{step}");
        assert!(record.mapped > record.records && record.account.balances(), "{step}");
        let rows = rows(folder.path(), sink);
        let counted: BTreeMap<String, u64> = record.resources.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
        let mut found = by_type(&rows);
        // One Provenance of each record says where it came from. Messages give others too; which of them are counted does not matter here.
        let told = |row: &&serde_json::Value| row["json"].as_str().unwrap().contains(row["_source"].as_str().unwrap());
        let of_source = rows.iter().filter(|row| row["resource_type"] == "Provenance").filter(told).count() as u64;
        assert_eq!(of_source, records - refused, "{step}");
        found.remove("Provenance");
        assert_eq!(found, counted.into_iter().filter(|(kind, _)| kind != "Provenance").collect(), "{step}");
        for row in &rows {
            let resource: serde_json::Value = serde_json::from_str(row["json"].as_str().unwrap()).unwrap();
            assert_eq!((&resource["resourceType"], &resource["id"]), (&row["resource_type"], &row["id"]));
            assert!(row["_source"].as_str().unwrap().starts_with("file://") && row["_length"].as_u64().unwrap() > 0);
            assert_eq!(row["_sha256"].as_str().unwrap().len(), 64);
        }
    }
    let odd = &report.conversion[0].refused;
    assert_eq!(odd.get("convert-no-message-type"), Some(&1), "{odd:?}");
    assert!(report.warnings.iter().any(|warning| warning.contains("convert-no-message-type (1)")), "{:?}", report.warnings);
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("Conversion to FHIR") && page.contains("DiagnosticReport"));
    let run: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("out/run.json")).unwrap()).unwrap();
    assert_eq!(run["conversion"][0]["records"], 61);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_gives_the_same_ids() {
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    let text = format!("{HEAD}{STEPS}[[sink]]\ninput = \"from_messages\"\n{SINK}");
    let mut runs = Vec::new();
    for _ in 0..2 {
        run(folder.path(), &text).await.unwrap();
        let mut ids: Vec<String> =
            rows(folder.path(), "from_messages").iter().map(|row| format!("{}/{}", row["resource_type"], row["id"])).collect();
        ids.sort();
        runs.push(ids);
    }
    assert!(runs[0].len() > 100 && runs[0] == runs[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_is_identifying_and_wrong_steps_are_told() {
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    let open = format!("{HEAD}{STEPS}[[sink]]\ninput = \"from_messages\"\n");
    let problems = job(folder.path(), &open).validate().await.unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("json")), "{problems:#?}");
    assert!(run(folder.path(), &open).await.is_err());

    let sink = format!("[[sink]]\ninput = \"made\"\n{SINK}");
    let step = |keys: &str| format!("{HEAD}[[step]]\ntype = \"convert\"\nname = \"made\"\n{keys}\n{sink}");
    let sql = "[[step]]\ntype = \"sql\"\nname = \"texts\"\nquery = \"select text from feed.raw\"";
    for (text, wanted) in [
        (step(&format!("input = \"texts\"\n{sql}")), "say what the texts are"),
        (step("input = \"feed.messages\""), "no column"),
        (step("input = \"records.raw\"\nzone = \"Europe/Nowhere\""), "+01:00"),
        (step("input = \"feed.raw\"\nzone = \"Nowhere/Town\""), "zone"),
    ] {
        let file = folder.path().join("job.toml");
        fs::write(&file, text).unwrap();
        let problems = match Job::load_with(&file, &LoadOptions::default()) {
            Ok(job) => job.validate().await.unwrap_err(),
            Err(problems) => problems,
        };
        assert!(problems.iter().any(|problem| problem.message.contains(wanted)), "{wanted}: {problems:#?}");
    }
    // Texts from anywhere, with their kind said.
    let report = run(folder.path(), &step(&format!("input = \"texts\"\nformat = \"hl7v2\"\n{sql}"))).await.unwrap();
    assert_eq!(report.conversion[0].converted, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_de_identifies_names_no_feed() {
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    sutura_privacy::KeyRing::generate().unwrap().save_new(&folder.path().join("test.key")).unwrap();
    let text = format!(
        "{HEAD}[privacy]\npolicy = \"hipaa-safe-harbor\"\nkey = {{ file = \"test.key\" }}\nvault = \"test.vault\"\n{STEPS}\
         [[step]]\ntype = \"deidentify\"\nname = \"released\"\ninput = \"from_messages\"\n[[sink]]\ninput = \"released\"\nformat = \"ndjson\"\n"
    );
    let report = run(folder.path(), &text).await.unwrap();
    let record = &report.conversion[0];
    assert_eq!(record.account.feeds.keys().collect::<Vec<_>>(), ["all feeds"]);
    assert_eq!(record.records, 61);
    for file in ["run.json", "report.html"] {
        assert!(!fs::read_to_string(folder.path().join("out").join(file)).unwrap().contains("ODDFAC"), "{file}");
    }
    let released = rows(folder.path(), "released");
    assert!(released.iter().all(|row| row.get("json").is_none_or(serde_json::Value::is_null)), "free text is not released");
}
