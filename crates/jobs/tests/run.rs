//! Whole runs over small feeds: what is published, what is not, and what the account says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod views;

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use arrow::array::{AsArray, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sutura_core::Sha256Hash;
use sutura_jobs::{EventHandler, Job, JobError, JobEvent, LoadOptions, RunOptions, RunReport, RunStatus};

/// Two patients, three laboratory results, one piece of junk.
fn feed(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let message = |id: usize, kind: &str, patient: &str, birth: &str, body: &str| {
        format!(
            "MSH|^~\\&|LAB|St. Mary|EHR|Town|2026031415{:02}00-0500||{kind}|MSG{id:05}|P|2.5.1\rPID|1||{patient}^^^MARY^MR||Testperson^Anna^^^^^L||{birth}|F|||1 Long Road^^Springfield^IL^62701^USA||555-0100\r{body}",
            id % 60
        )
    };
    let result =
        |set: usize, code: &str, name: &str, value: &str, unit: &str| format!("OBX|{set}|NM|{code}^{name}^LN||{value}|{unit}|||||F\r");
    let mut text = String::new();
    for id in 0..40 {
        let patient = if id % 2 == 0 { "P100" } else { "P200" };
        let birth = if id % 2 == 0 { "19800101" } else { "20150615" };
        let results =
            [result(1, "2345-7", "Glucose", &format!("{}", 80 + id), "mg/dL"), result(2, "2823-3", "Potassium", "4.1", "mmol/L")].concat();
        let body = format!("PV1|1|I|WARD^1^2||||1234^House^Gregory\rOBR|1||F{id}|24323-8^Panel^LN\r{results}");
        let _ = write!(text, "{}", message(id, "ORU^R01^ORU_R01", patient, birth, &body));
    }
    for id in 40..50 {
        let _ = write!(text, "{}", message(id, "ADT^A01^ADT_A01", "", "19300101", "EVN|A01|20260314\rPV1|1|E\r"));
    }
    fs::write(folder.join("a.hl7"), text).unwrap();
    fs::write(folder.join("b.hl7"), "this is no message at all\r").unwrap();
}

fn job_text(extra: &str) -> String {
    format!(
        r#"[job]
name = "test"
project = "test"
output = "out"

[[source]]
name = "feed"
format = "hl7v2"
path = "data"

[privacy]
policy = "hipaa-safe-harbor"
key = {{ file = "test.key" }}
vault = "test.vault"

[rejects]

[[step]]
type = "age"
name = "aged"
input = "feed.messages"
birth_date = "patient_birth_date"
at = "message_datetime"
group = "age_group"

[[step]]
type = "deidentify"
name = "messages"
input = "aged"

[[sink]]
input = "messages"

[[step]]
type = "sql"
name = "by_type"
query = "select message_type, count(*) as n from messages group by message_type order by message_type"

[[sink]]
input = "by_type"
format = "csv"
{extra}"#
    )
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        feed(&folder.path().join("data"));
        sutura_privacy::KeyRing::generate().unwrap().save_new(&folder.path().join("test.key")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn job(&self, text: &str) -> Job {
        let file = self.path("job.toml");
        fs::write(&file, text).unwrap();
        Job::load_with(&file, &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    async fn run(&self, text: &str) -> Result<RunReport, JobError> {
        self.job(text).run(RunOptions::default()).await
    }

    fn rows(&self, sink: &str) -> Vec<RecordBatch> {
        let mut batches = Vec::new();
        for entry in fs::read_dir(self.path("out").join(sink)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "parquet") {
                let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
                batches.extend(reader.map(Result::unwrap));
            }
        }
        batches
    }

    fn column(&self, sink: &str, column: &str) -> Vec<Option<String>> {
        let text = |batch: &RecordBatch| {
            let column = arrow::compute::cast(batch.column_by_name(column).unwrap(), &arrow::datatypes::DataType::Utf8).unwrap();
            column.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>()
        };
        self.rows(sink).iter().flat_map(text).collect()
    }

    /// Everything below `out`, apart from the lock.
    fn listing(&self) -> BTreeSet<String> {
        fn walk(folder: &Path, base: &Path, found: &mut BTreeSet<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, base, found);
                } else if path.file_name().is_some_and(|name| name != ".lock") {
                    found.insert(path.strip_prefix(base).unwrap().display().to_string());
                }
            }
        }
        let mut found = BTreeSet::new();
        walk(&self.path("out"), &self.path("out"), &mut found);
        found
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_publishes_everything_and_balances() {
    let place = Place::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let handler = EventHandler::new(move |event: &JobEvent| seen.lock().unwrap().push(event.clone()));
    let job = place.job(&job_text(""));
    job.validate().await.unwrap();
    let report = job.run(RunOptions { events: handler, force: false }).await.unwrap();

    assert_eq!(report.status, RunStatus::Clean);
    assert_eq!(report.equation, "51 records in = 50 accepted + 1 rejected");
    assert!(report.sources.iter().all(|source| source.account.balances()));
    assert_eq!(report.totals.bytes, report.sources[0].files.iter().map(|file| file.size).sum::<u64>());

    // One row a message; the same patient has the same code; nothing identifying is left.
    let patients: BTreeSet<_> = place.column("messages", "patient_id").into_iter().flatten().collect();
    assert_eq!(place.rows("messages").iter().map(RecordBatch::num_rows).sum::<usize>(), 50);
    assert_eq!(patients.len(), 2);
    assert!(patients.iter().all(|code| !code.contains("P100") && !code.contains("P200")));
    let groups: BTreeSet<_> = place.column("messages", "age_group").into_iter().flatten().collect();
    assert_eq!(groups, ["adult", "geriatric", "paediatric"].map(str::to_owned).into());
    let csv = fs::read_to_string(place.path("out/by_type").join(first_file(&place.path("out/by_type")))).unwrap();
    assert_eq!(csv, "message_type,n\nADT,10\nORU,40\n");

    for file in ["manifest.json", "run.json", "report.html", "openlineage.ndjson"] {
        let text = fs::read_to_string(place.path("out").join(file)).unwrap();
        for secret in ["Testperson", "P100", "P200", "St. Mary", "Long Road", "555-0100", "House"] {
            assert!(!text.contains(secret), "{file} holds {secret}");
        }
    }
    let bytes: Vec<u8> = place.listing().iter().flat_map(|file| fs::read(place.path("out").join(file)).unwrap()).collect();
    assert!(!bytes.windows(10).any(|window| window == b"Testperson"), "an output holds a name");

    let lineage = fs::read_to_string(place.path("out/openlineage.ndjson")).unwrap();
    let kinds: Vec<serde_json::Value> = lineage.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kinds.iter().map(|event| event["eventType"].as_str().unwrap()).collect::<Vec<_>>(), ["START", "COMPLETE"]);
    let origin = &kinds[1]["outputs"][0]["facets"]["columnLineage"]["fields"]["age_group"]["inputFields"];
    let fields: BTreeSet<&str> = origin.as_array().unwrap().iter().map(|input| input["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["message_datetime", "patient_birth_date"].into());

    let events = events.lock().unwrap();
    assert!(matches!(events.first(), Some(JobEvent::Started { files: 2, .. })));
    assert!(matches!(events.last(), Some(JobEvent::Finished { status: RunStatus::Clean, .. })));
    assert!(events.iter().any(|event| matches!(event, JobEvent::SinkWritten { rows: 50, .. })));

    // The footer says under which policy the file was made.
    let path = place.path("out/messages").join(first_file(&place.path("out/messages")));
    let footer = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let pairs = footer.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let value = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()).unwrap_or_default();
    assert_eq!(value("sutura.policy"), "hipaa-safe-harbor/1");
    assert_eq!(value("sutura.classification"), "de-identified");
    assert!(!value("sutura.key_id").is_empty() && !value("sutura.export_time").is_empty());
    // And of what: counts and hashes of the sources, without names of files.
    let counts = ["in", "accepted", "rejected"].map(|name| value(&format!("sutura.records.{name}")));
    assert_eq!(counts, ["51", "50", "1"]);
    assert_eq!(value("sutura.source.feed.files"), "2");
    let mut hashes = ["a.hl7", "b.hl7"].map(|name| Sha256Hash::of(&fs::read(place.path("data").join(name)).unwrap()).to_string());
    hashes.sort();
    assert_eq!(value("sutura.source.feed.file_sha256"), hashes.join(" "));
    assert_eq!(value("sutura.source.feed.sha256"), Sha256Hash::of(format!("{}\n{}\n", hashes[0], hashes[1]).as_bytes()).to_string());
    assert!(!pairs.iter().any(|pair| pair.value.as_deref().is_some_and(|value| value.contains("a.hl7"))));
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(place.path("out/messages/_manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["metadata"]["sutura.records.rejected"], "1");
}

fn first_file(folder: &Path) -> String {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("part-")).min().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_use_the_key_of_the_policy() {
    let place = Place::new();
    let text = job_text("").replace("hipaa-safe-harbor", "gdpr-pseudonymised").replace("project = ", "domain = \"ward\"\nproject = ")
        + "\n[[step]]\ntype = \"sql\"\nname = \"keyed\"\nquery = \"select pseudonym(patient_id) as code, encrypt(family_name, 'name') as sealed from feed.patients\"\n\n[[sink]]\ninput = \"keyed\"\n";
    let job = place.job(&text);
    job.validate().await.unwrap();
    job.run(RunOptions::default()).await.unwrap();
    let codes: BTreeSet<_> = place.column("keyed", "code").into_iter().flatten().collect();
    assert_eq!(codes.len(), 2, "a pseudonym a patient");
    let treated: BTreeSet<_> = place.column("messages", "patient_id").into_iter().flatten().collect();
    assert_eq!(codes, treated, "a query makes what the policy makes");
    assert_eq!(place.column("keyed", "sealed").into_iter().flatten().collect::<BTreeSet<_>>().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_run_again_has_nothing_to_do_until_something_changes() {
    let place = Place::new();
    let text = job_text("");
    place.run(&text).await.unwrap();
    let codes = place.column("messages", "patient_id");
    let dead = place.path("out/.staging-messages-01a1fe6a-f60d-761c-9078-4c59675b3139");
    fs::create_dir(&dead).unwrap();
    let again = place.run(&text).await.unwrap();
    assert_eq!(again.status, RunStatus::NothingToDo);
    assert!(!dead.exists(), "what a killed run left is swept, though there is nothing to do");
    assert_eq!(again.totals.records, 51);
    let plan = place.job(&text).plan().await.unwrap();
    assert_eq!(plan.changes.as_deref(), Some(&[][..]), "{}", plan.text());

    // With the same vault the same patients have the same codes.
    let forced = place.job(&text).run(RunOptions { force: true, ..RunOptions::default() }).await.unwrap();
    assert_eq!(forced.status, RunStatus::Clean);
    let set = |codes: &[Option<String>]| codes.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(set(&place.column("messages", "patient_id")), set(&codes));

    fs::write(place.path("data/c.hl7"), "MSH|^~\\&|A|B|C|D|20260314||ADT^A08|X|P|2.3\rPID|1||P300\r").unwrap();
    let changed = place.run(&text).await.unwrap();
    assert_eq!((changed.status, changed.totals.accepted), (RunStatus::Clean, 51));
    fs::remove_dir_all(place.path("out/by_type")).unwrap();
    assert_eq!(place.run(&text).await.unwrap().status, RunStatus::Clean, "a missing output is made again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_policy_under_the_same_name_is_a_change() {
    let place = Place::new();
    let text = job_text("").replace("policy = \"hipaa-safe-harbor\"", "policy = \"own.toml\"");
    let policy = |rule: &str| format!("name = \"own\"\nversion = \"1\"\nextends = \"hipaa-safe-harbor\"\n[columns]\n{rule}\n");
    fs::write(place.path("own.toml"), policy("sending_facility = \"vault-code\"")).unwrap();
    assert_eq!(place.run(&text).await.unwrap().status, RunStatus::Clean);
    assert_eq!(place.run(&text).await.unwrap().status, RunStatus::NothingToDo);
    fs::write(place.path("own.toml"), policy("sending_facility = \"drop\"")).unwrap();
    assert_eq!(place.run(&text).await.unwrap().status, RunStatus::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sink_names_the_hashes_of_what_it_was_made_from() {
    let place = Place::new();
    place.run(&job_text("")).await.unwrap();
    for sink in ["messages", "by_type"] {
        let manifest = fs::read_to_string(place.path("out").join(sink).join("_manifest.json")).unwrap();
        for file in ["data/a.hl7", "data/b.hl7"] {
            let hash = sutura_core::Sha256Hash::of(&fs::read(place.path(file)).unwrap()).to_string();
            assert!(manifest.contains(&hash), "{sink} does not name {file}: {manifest}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_while_it_is_read_publishes_nothing() {
    let place = Place::new();
    let file = place.path("data/b.hl7");
    let events = EventHandler::new(move |event| {
        if matches!(event, JobEvent::Started { .. }) {
            fs::write(&file, "this is no message at all\rnor is this\r").unwrap();
        }
    });
    let error = place.job(&job_text("")).run(RunOptions { events, ..RunOptions::default() }).await.unwrap_err();
    assert!(matches!(&error, JobError::SourceChanged { uri } if uri == "feed/000002"), "{error}");
    assert!(!place.listing().iter().any(|file| file.contains("part-")), "{:?}", place.listing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_engine_says_of_a_value_stands_nowhere() {
    for expression in ["regexp_like('a', patient_name || '(')", "cast(patient_name as bigint)", "to_timestamp(patient_name)"] {
        let place = Place::new();
        let query = format!("select {expression} as n from (select family_name as patient_name from feed.patients)");
        let text = job_text(&format!(
            "\n[[step]]\ntype = \"sql\"\nname = \"broken\"\nquery = \"{query}\"\n\n[[sink]]\ninput = \"broken\"\nallow_phi = true\npurpose = \"test\"\n"
        ));
        let error = place.run(&text).await.unwrap_err().to_string();
        let lineage = fs::read_to_string(place.path("out/openlineage.ndjson")).unwrap();
        assert!(lineage.contains("FAIL") && !lineage.contains("Testperson") && !error.contains("Testperson"), "{error}\n{lineage}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_refuses_identifying_columns_unless_it_has_a_purpose() {
    let place = Place::new();
    let job = place.job(&job_text("\n[[sink]]\ninput = \"feed.patients\"\n"));
    let problems = job.validate().await.unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].key == "sink[3]" && problems[0].line.is_some() && problems[0].message.contains("family_name"), "{problems:#?}");
    assert!(matches!(job.run(RunOptions::default()).await, Err(JobError::Problems(_))));
    assert!(!place.listing().iter().any(|file| file.contains("part-")), "nothing is published: {:?}", place.listing());

    let allowed = "\n[[sink]]\ninput = \"feed.patients\"\nallow_phi = true\npurpose = \"treatment\"\n";
    let report = place.run(&job_text(allowed)).await.unwrap();
    let sink = report.sinks.iter().find(|sink| sink.name == "feed_patients").unwrap();
    assert_eq!((sink.classification.as_str(), sink.purpose.as_deref()), ("identifiable", Some("treatment")));
    assert!(place.column("feed_patients", "family_name").contains(&Some("Testperson".into())));
    let legal_status = |folder: &str| {
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(place.path("out").join(folder).join("_manifest.json")).unwrap()).unwrap();
        manifest["metadata"]["sutura.legal_status"].as_str().unwrap().to_owned()
    };
    assert!(legal_status("messages").contains("not PHI"));
    for folder in ["feed_patients", "rejects/feed"] {
        assert!(legal_status(folder).starts_with("holds identifying columns"), "{folder}: {}", legal_status(folder));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_fail_go_to_quarantine_and_every_row_goes_somewhere() {
    let place = Place::new();
    let extra = r#"
[[step]]
type = "quality"
name = "good"
input = "messages"
gate = { action = "quarantine" }
quarantine = "bad"

[[step.check]]
kind = "required"
column = "patient_id"

[[sink]]
input = "good"

[[sink]]
input = "bad"
"#;
    let report = place.run(&job_text(extra)).await.unwrap();
    let rows = |name: &str| report.sinks.iter().find(|sink| sink.name == name).unwrap().rows;
    assert_eq!((rows("good"), rows("bad")), (40, 10));
    assert!(place.column("bad", "_quarantine_reasons").iter().all(|reason| reason.as_deref() == Some("required:patient_id")));
    assert!(report.quality[0].report.rows == 50 && report.quality[0].report.checks[0].numerator == 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_stops_leaves_the_last_output_in_place() {
    let place = Place::new();
    place.run(&job_text("")).await.unwrap();
    let before: BTreeSet<_> = place.listing().into_iter().filter(|file| file.contains('/')).collect();
    let extra = r#"
[[step]]
type = "quality"
name = "good"
input = "messages"
gate = { action = "stop", measure = "check", check = "required:patient_id" }

[[step.check]]
kind = "required"
column = "patient_id"

[[sink]]
input = "good"
"#;
    let report = place.run(&job_text(extra)).await.unwrap();
    assert_eq!((report.status, report.status.exit_code()), (RunStatus::GateStopped, 1));
    assert!(report.reason.as_deref().unwrap_or_default().contains("good"));
    let mut after: BTreeSet<_> = place.listing().into_iter().filter(|file| file.contains('/')).collect();
    assert!(after.remove("rejects/quality-failures.ndjson"), "which records failed is what the operator needs now");
    assert_eq!(before, after, "nothing was published, nothing half written is left");

    let report = place.run(&job_text("\n[gates]\nrejects_max_share = 0.01\n")).await.unwrap();
    assert_eq!((report.status, report.status.exit_code()), (RunStatus::RejectsAboveThreshold, 3));
    let report = place.run(&job_text("\n[gates]\nmin_records = 1000\n")).await.unwrap();
    assert_eq!((report.status, report.status.exit_code()), (RunStatus::TooFewRecords, 1));
}

#[tokio::test]
async fn validation_finds_columns_that_no_table_has() {
    let place = Place::new();
    let text = job_text("")
        .replace("birth_date = \"patient_birth_date\"", "birth_date = \"patient_birthdate\"")
        .replace("select message_type, count", "select mesage_type, count");
    let problems = place.job(&text).validate().await.unwrap_err();
    let age = problems.iter().find(|problem| problem.key == "step[1].birth_date").unwrap_or_else(|| panic!("{problems:#?}"));
    assert_eq!(age.suggestion.as_deref(), Some("patient_birth_date"));
    assert!(age.line.is_some());
}

#[tokio::test]
async fn the_examples_are_right() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for name in ["hospital.toml", "shared-hl7v2.toml"] {
        let job = Job::load(&examples.join(name)).unwrap_or_else(|problems| panic!("{problems:#?}"));
        job.validate().await.unwrap_or_else(|problems| panic!("{problems:#?}"));
    }
}

/// The demo job over a generated feed: the account, the aggregates and the report agree with what the feed is known to hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hospital_job_agrees_with_the_truth_of_its_feed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // `SUTURA_KEEP_DEMO=folder` keeps the result, to look at the report.
    let kept = std::env::var_os("SUTURA_KEEP_DEMO").map(PathBuf::from);
    let output = kept.clone().unwrap_or_else(|| at("out"));
    let messages = std::env::var("SUTURA_DEMO_MESSAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(600);
    let options = sutura_synthetic::FeedOptions { messages, per_file: 500, seed: 42, ..sutura_synthetic::FeedOptions::default() };
    let truth = sutura_synthetic::Feed::new(options).unwrap().write_to(&at("data"), &|_| {}).unwrap();
    sutura_privacy::KeyRing::generate().unwrap().save_new(&at("job.key")).unwrap();
    let set = [
        format!("source.feed.path={}", at("data").display()),
        format!("job.output={}", output.display()),
        format!("privacy.key.file={}", at("job.key").display()),
        format!("privacy.vault={}", at("job.vault").display()),
    ];
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hospital.toml");
    let job = Job::load_with(&example, &LoadOptions { set: set.to_vec(), ..LoadOptions::default() })
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let report = job.run(RunOptions::default()).await.unwrap();

    assert_eq!(report.status, RunStatus::Clean, "{:?}", report.reason);
    assert_eq!((report.totals.records, report.totals.accepted, report.totals.rejected), (truth.records, truth.accepted, truth.rejected));
    let csv = |name: &str| fs::read_to_string(output.join(name).join(first_file(&output.join(name)))).unwrap();
    let by_type: BTreeSet<(String, u64)> = csv("by_message_type")
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|fields| (fields[0].to_owned(), fields[1].parse().unwrap()))
        .collect();
    let wanted: u64 = by_type.iter().map(|(_, count)| count).sum();
    assert_eq!(wanted, truth.accepted);
    assert_eq!(csv("by_facility").lines().skip(1).filter(|line| !line.starts_with(',')).count(), truth.by_facility.len());
    let run = fs::read_to_string(output.join("run.json")).unwrap() + &fs::read_to_string(output.join("report.html")).unwrap();
    for facility in truth.by_facility.keys() {
        assert!(!run.contains(&format!(">{facility}<")) && !run.contains(&format!("\"{facility}\"")), "the report names {facility}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_are_sealed_and_read_again_with_the_key() {
    let place = Place::new();
    let strict = job_text("").replace("path = \"data\"", "path = \"data\"\noptions = { strict = true, validate = true }");
    // A message without PID-3: a finding of severity error, so that a strict reader rejects it.
    let bad = "MSH|^~\\&|LAB|St. Mary|EHR|Town|20260314150900-0500||ADT^A01^ADT_A01|BAD1|P|2.5.1\rEVN|A01|notadate\rPID|1||||Secretname^Ada||19700101|F\rPV1|1|I\r";
    fs::write(place.path("data/c.hl7"), bad).unwrap();
    let report = place.run(&strict).await.unwrap();
    assert!(report.totals.rejected > 1, "{}", report.equation);
    let bytes: Vec<u8> = place.listing().iter().flat_map(|file| fs::read(place.path("out").join(file)).unwrap()).collect();
    assert!(!bytes.windows(10).any(|window| window == b"Secretname"), "an original is not sealed");

    // Read again without strictness, all but the junk is accepted; the published outputs stay as they are.
    let before = place.rows("messages").iter().map(RecordBatch::num_rows).sum::<usize>();
    let replayed = place.job(&job_text("")).replay(RunOptions::default()).await.unwrap();
    assert_eq!(replayed.rejects, report.totals.rejected);
    assert_eq!(replayed.replayed, report.totals.rejected);
    assert_eq!((replayed.run.totals.accepted, replayed.run.totals.rejected), (report.totals.rejected - 1, 1));
    assert_eq!(place.rows("messages").iter().map(RecordBatch::num_rows).sum::<usize>(), before);
    assert!(replayed.output.join("messages").is_dir());

    // What is missing or was cut is an error that names it, not a replay of nothing.
    let kept = place.path("out/rejects/feed");
    let part = kept.join(first_file(&kept));
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, b"").unwrap();
    let error = place.job(&job_text("")).replay(RunOptions::default()).await.unwrap_err();
    assert!(error.exit_code() == 1 && error.to_string().contains("part-"), "{error}");
    fs::remove_dir_all(&kept).unwrap();
    let error = place.job(&job_text("")).replay(RunOptions::default()).await.unwrap_err();
    assert!(error.exit_code() == 1 && error.to_string().contains("rejects/feed"), "{error}");
    fs::create_dir_all(&kept).unwrap();
    fs::write(&part, bytes).unwrap();

    // Another key opens nothing.
    fs::remove_file(place.path("test.key")).unwrap();
    sutura_privacy::KeyRing::generate().unwrap().save_new(&place.path("test.key")).unwrap();
    fs::remove_file(place.path("test.vault")).unwrap();
    assert!(matches!(place.job(&job_text("")).replay(RunOptions::default()).await, Err(JobError::Privacy(_))));
}

/// What leads back to persons is for its owner alone, whatever the umask; what is de-identified follows the umask.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identifying_outputs_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let sinks = r#"
[[sink]]
name = "raw"
input = "feed.patients"
allow_phi = true
purpose = "treatment"

[[sink]]
name = "split"
input = "feed.patients"
partition_by = ["sex"]
format = "csv"
allow_phi = true
purpose = "treatment"
"#;
    let text = job_text(sinks).replace("vault = \"test.vault\"", "vault = \"keep/test.vault\"");
    place.run(&text).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    fn walk(path: &Path, look: &mut dyn FnMut(&Path)) {
        look(path);
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            walk(&entry.path(), look);
        }
    }
    let mut seen = 0;
    for private in ["out/raw", "out/split", "out/rejects", "keep"] {
        walk(&place.path(private), &mut |path| {
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(path), wanted, "{}", path.display());
            seen += 1;
        });
    }
    assert!(seen > 12, "{seen} private files and folders");
    // A file made without asking for a mode shows the umask.
    let usual = place.path("usual");
    fs::write(&usual, b"").unwrap();
    walk(&place.path("out/messages"), &mut |path| {
        if path.is_file() {
            assert_eq!(mode(path), mode(&usual), "{}", path.display());
        }
    });
    assert_eq!(mode(&place.path("out/run.json")), mode(&usual));
}

/// A sink that was taken out of the job leaves its folder; every run says so until it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_of_sinks_that_are_gone_are_named() {
    let place = Place::new();
    assert!(place.run(&job_text("\n[[sink]]\nname = \"extra\"\ninput = \"messages\"\n")).await.unwrap().warnings.is_empty());
    let extra = place.path("out/extra");
    for force in [false, true, false] {
        let report = place.job(&job_text("")).run(RunOptions { force, ..RunOptions::default() }).await.unwrap();
        assert_eq!(report.left_over, [extra.display().to_string()], "{:?}", report.status);
        assert!(report.warnings[0].contains("extra was written by an earlier run of this job and is no longer a sink"));
        assert!(extra.join("_manifest.json").is_file(), "nothing is deleted");
    }
    assert!(fs::read_to_string(place.path("out/run.json")).unwrap().contains("no longer a sink"));
    fs::remove_dir_all(&extra).unwrap();
    assert!(place.run(&job_text("")).await.unwrap().warnings.is_empty());
}

/// The failed records of each check are named: in `run.json` without a policy, in a private file with one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_records_are_named_where_the_operator_alone_looks() {
    let place = Place::new();
    let step = "\n[[step]]\ntype = \"quality\"\nname = \"checked\"\ninput = \"feed.messages\"\n\n[[step.check]]\nkind = \"required\"\ncolumn = \"patient_id\"\n";
    let report = place.run(&job_text(step)).await.unwrap();
    let failed = &report.quality[0].report.checks[0].failed;
    assert_eq!((failed.total, failed.sample.len()), (10, 0));
    let file = place.path("out/rejects/quality-failures.ndjson");
    assert_eq!(report.quality_failures.as_deref(), file.to_str());
    let lines: Vec<serde_json::Value> =
        fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    let feed = fs::read(place.path("data/a.hl7")).unwrap();
    for line in &lines {
        assert_eq!((line["step"].as_str(), line["check"].as_str()), (Some("checked"), Some("required:patient_id")));
        assert_eq!(line["source"], "feed/000001");
        let (offset, length) = (line["offset"].as_u64().unwrap() as usize, line["length"].as_u64().unwrap() as usize);
        assert_eq!(line["sha256"], Sha256Hash::of(&feed[offset..offset + length]).to_string(), "it leads to the record");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let open = format!(
        "[job]\nname = \"open\"\nproject = \"p\"\noutput = \"open\"\n[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"data\"\n{step}\n\
         [[step]]\ntype = \"sql\"\nname = \"n\"\nquery = \"select count(*) as n from checked\"\n\n[[sink]]\ninput = \"n\"\n"
    );
    let report = place.run(&open).await.unwrap();
    let failed = &report.quality[0].report.checks[0].failed;
    assert_eq!((failed.total, failed.sample.len(), report.quality_failures), (10, 10, None));
    assert!(failed.sample[0].source.ends_with("a.hl7") && failed.sample[0].sha256.is_some());
}

/// A file name can identify: what travels calls files by number, and only a private file says which is which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_source_files_stand_only_in_a_private_file() {
    let place = Place::new();
    fs::rename(place.path("data/a.hl7"), place.path("data/SMITH JOHN 4711.hl7")).unwrap();
    let report = place.run(&job_text("")).await.unwrap();
    let names = "rejects/source-files.ndjson";
    assert!(report.source_files.as_deref().is_some_and(|table| table.ends_with(names)));
    let files: BTreeSet<&str> = report.sources[0].files.iter().map(|file| file.uri.as_str()).collect();
    assert_eq!(files, ["feed/000001", "feed/000002"].into());
    let table = fs::read_to_string(place.path("out").join(names)).unwrap();
    assert!(table.contains("SMITH%20JOHN%204711.hl7") && table.contains("feed/000001"), "{table}");
    for file in place.listing().iter().filter(|file| !file.starts_with("rejects/")) {
        let bytes = fs::read(place.path("out").join(file)).unwrap();
        let data = place.path("data").display().to_string();
        for secret in ["SMITH", "4711", "b.hl7", data.as_str()] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file} holds {secret}");
        }
    }
    // The numbers stay, so that nothing looks new; another file gets the next one.
    assert_eq!(place.run(&job_text("")).await.unwrap().status, RunStatus::NothingToDo);
    fs::copy(place.path("data/b.hl7"), place.path("data/B.hl7")).unwrap();
    let report = place.run(&job_text("")).await.unwrap();
    assert!(report.sources[0].files.iter().any(|file| file.uri == "feed/000003"));
    // A failure names the number too.
    let gone = place.path("data/SMITH JOHN 4711.hl7");
    let events = EventHandler::new(move |event| {
        if matches!(event, JobEvent::Started { .. }) {
            fs::remove_file(&gone).unwrap();
        }
    });
    let error = place.job(&job_text("")).run(RunOptions { events, force: true }).await.unwrap_err();
    assert!(error.to_string().contains("feed/000001") && !error.to_string().contains("SMITH"), "{error}");
    let lineage = fs::read_to_string(place.path("out/openlineage.ndjson")).unwrap();
    assert!(lineage.contains("FAIL") && !lineage.contains("SMITH"), "{lineage}");
}

/// Every file of the shared test data: no byte outside a record, a reject or the envelope.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shared_data_balances() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("SUTURA_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from).join("hl7v2");
    if !data.is_dir() {
        println!("SKIPPED: test data not found at {}", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let set = vec![format!("source.shared.path={}", data.display()), format!("job.output={}", folder.path().join("out").display())];
    let job = Job::load_with(&root.join("examples/shared-hl7v2.toml"), &LoadOptions { set, ..LoadOptions::default() }).unwrap();
    let report = job.run(RunOptions::default()).await.unwrap();
    println!("{} files: {}", report.sources[0].files.len(), report.equation);
    assert!(report.status == RunStatus::Clean && report.totals.balances() && report.totals.accepted > 0);
    assert_eq!(report.totals.records, report.totals.accepted + report.totals.rejected);
}

/// A reader that loses a record.
#[derive(Debug)]
struct Forgetful(Vec<sutura_core::TableDef>);

struct ForgetfulDecoder;

impl sutura_core::Format for Forgetful {
    fn name(&self) -> &'static str {
        "forgetful"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["txt"]
    }
    fn tables(&self) -> &[sutura_core::TableDef] {
        &self.0
    }
    fn splittable(&self) -> bool {
        false
    }
    fn check_options(&self, _: &serde_json::Value) -> Result<(), sutura_core::FormatError> {
        Ok(())
    }
    fn decoder(&self, _: sutura_core::DecoderSpec) -> Result<Box<dyn sutura_core::BlockDecoder>, sutura_core::FormatError> {
        Ok(Box::new(ForgetfulDecoder))
    }
}

impl sutura_core::BlockDecoder for ForgetfulDecoder {
    fn push(&mut self, _: bytes::Bytes, _: &mut dyn sutura_core::DecodedSink) -> Result<sutura_core::Progress, sutura_core::FormatError> {
        Ok(sutura_core::Progress::More)
    }
    fn finish(&mut self, _: &mut dyn sutura_core::DecodedSink) -> Result<sutura_core::ReadStats, sutura_core::FormatError> {
        Ok(sutura_core::ReadStats { records: 3, accepted: 1, rejected: 1, ..Default::default() })
    }
}

#[tokio::test]
async fn an_account_that_does_not_balance_publishes_nothing() {
    let place = Place::new();
    fs::write(place.path("data/x.txt"), "x").unwrap();
    let column =
        sutura_core::ColumnDef::new("id", arrow::datatypes::DataType::Utf8View, "", sutura_core::PhiClass::Operational, "a column");
    let table = sutura_core::TableDef::new("things", "a table", vec![column]);
    let text = "[job]\nname = \"account\"\noutput = \"out\"\n[[source]]\nname = \"feed\"\nformat = \"forgetful\"\npath = \"data\"\n\
                [[sink]]\ninput = \"feed.things\"\nallow_phi = true\npurpose = \"test\"\n";
    let options = LoadOptions { formats: vec![Arc::new(Forgetful(vec![table]))], ..LoadOptions::default() };
    let job = Job::parse(&place.path("job.toml"), text, &options).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let error = job.run(RunOptions::default()).await.unwrap_err();
    assert!(matches!(&error, JobError::NotBalanced { records: 3, accepted: 1, rejected: 1, .. }), "{error}");
    assert!(error.to_string().contains("does not balance") && error.exit_code() == 1, "{error}");
    assert!(!place.path("out/feed_things").exists() && !place.path("out/manifest.json").exists());
}
