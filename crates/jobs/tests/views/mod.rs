//! Sources with views, and packages of profiles.

use std::{fs, path::Path};

use sutura_jobs::{ConfigProblem, Job, JobError, LoadOptions, RunOptions, RunStatus};

const LABS: &str = r#"{"name":"Labs","resource":"Observation","select":[{"column":[{"name":"code","path":"code.coding.first().code"},
    {"name":"value","path":"value.ofType(Quantity).value"}]}]}"#;
const PEOPLE: &str =
    r#"{"resource":"Patient","select":[{"column":[{"name":"gender","path":"gender"},{"name":"family","path":"name.family"}]}]}"#;

const JOB: &str = r#"[job]
name = "fhir"
output = "out"

[[source]]
name = "feed"
format = "fhir"
path = "data.ndjson"
views = ["views/labs.json", "views/people.json"]

[fhir]
packages = ["package"]

[[step]]
type = "sql"
name = "means"
query = "select code, avg(value) as mean, count(*) as n from feed.labs where code <> 'x' group by code"

[[step]]
type = "sql"
name = "genders"
query = "select gender, count(family) as n from feed.people group by gender"

[[sink]]
input = "means"
format = "csv"

[[sink]]
input = "genders"
format = "csv"
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for name in ["views", "package"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let observation = |n: u32| {
        format!(r#"{{"resourceType":"Observation","id":"o{n}","code":{{"coding":[{{"code":"718-7"}}]}},"valueQuantity":{{"value":{n}}}}}"#)
    };
    let patient = |names: &str| format!(r#"{{"resourceType":"Patient","gender":"female","name":[{names}]}}"#);
    let lines = [observation(1), observation(3), patient(r#"{"family":"A"}"#), patient(r#"{"family":"A"},{"family":"B"}"#)];
    write("data.ndjson", &lines.join("\n"));
    write("views/labs.json", LABS);
    write("views/people.json", PEOPLE);
    write("package/p.json", r#"{"resourceType":"ValueSet","url":"http://x.org/v"}"#);
    write("job.toml", JOB);
    folder
}

fn load(folder: &tempfile::TempDir) -> Result<Job, Vec<ConfigProblem>> {
    Job::load_with(&folder.path().join("job.toml"), &LoadOptions::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_has_the_tables_of_its_views() {
    let folder = folder();
    let job = load(&folder).unwrap();
    job.validate().await.unwrap();
    assert!(job.plan().await.unwrap().problems.is_empty());
    let report = job.run(RunOptions::default()).await.unwrap();
    assert_eq!(report.status, RunStatus::Clean);
    assert_eq!(report.equation, "4 records in = 3 accepted + 1 rejected");
    assert_eq!(report.totals.rejects["view-refused"], 1);
    let rows = |sink: &str| fs::read_to_string(folder.path().join("out").join(sink).join("part-00000.csv")).unwrap();
    assert_eq!(rows("means"), "code,mean,n\n718-7,2.0,2\n");
    assert_eq!(rows("genders"), "gender,n\nfemale,1\n");
    // What the views and packages say is part of what the job says.
    assert_eq!(load(&folder).unwrap().hash, job.hash);
    fs::write(folder.path().join("views/labs.json"), LABS.replace("first()", "last()")).unwrap();
    let changed = load(&folder).unwrap().hash;
    assert_ne!(changed, job.hash);
    fs::write(folder.path().join("package/p.json"), r#"{"resourceType":"ValueSet","url":"http://x.org/w"}"#).unwrap();
    assert_ne!(load(&folder).unwrap().hash, changed);
}

/// The example runs, here over two patients.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs() {
    let folder = tempfile::tempdir().unwrap();
    let pressure = |patient: u32, value: u32| {
        let part = |code: &str, value: u32| {
            format!(
                r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"valueQuantity":{{"value":{value},"unit":"mmHg","code":"mm[Hg]"}}}}"#
            )
        };
        format!(
            r#"{{"resourceType":"Observation","id":"b{patient}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}]}},"subject":{{"reference":"Patient/{patient}"}},"component":[{},{}]}}"#,
            part("8480-6", value),
            part("8462-4", value - 40)
        )
    };
    let patient = |id: u32, gender: &str| format!(r#"{{"resourceType":"Patient","id":"{id}","gender":"{gender}"}}"#);
    let condition = r#"{"resourceType":"Condition","id":"c","clinicalStatus":{"coding":[{"code":"active"}]},"subject":{"reference":"Patient/1"},"code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003"}]}}"#;
    let lines = [patient(1, "female"), patient(2, "male"), pressure(1, 120), pressure(2, 140), condition.to_owned()];
    fs::write(folder.path().join("export.ndjson"), lines.join("\n")).unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fhir-views.toml");
    let set = [("source.export.path", "export.ndjson"), ("job.output", "out")];
    let set = set.map(|(key, name)| format!("{key}={}", folder.path().join(name).display())).to_vec();
    let job = Job::load_with(&example, &LoadOptions { set, ..LoadOptions::default() }).unwrap();
    job.validate().await.unwrap();
    let report = job.run(RunOptions::default()).await.unwrap();
    assert_eq!(report.equation, "5 records in = 5 accepted + 0 rejected");
    let csv = fs::read_to_string(folder.path().join("out/blood_pressure_by_gender/part-00000.csv")).unwrap();
    assert_eq!(csv, "gender,measurements,systolic,diastolic\nfemale,1,120.0,80.0\nmale,1,140.0,100.0\n");
    assert!(report.sinks.iter().any(|sink| sink.name == "active_conditions" && sink.rows == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_of_a_view_count_at_the_gate() {
    let folder = folder();
    fs::write(folder.path().join("job.toml"), format!("{JOB}\n[gates]\nrejects_max_share = 0.1\n")).unwrap();
    let report = load(&folder).unwrap().run(RunOptions::default()).await.unwrap();
    assert_eq!(report.status, RunStatus::RejectsAboveThreshold);
}

/// What a view refused is kept sealed, and comes in when the view is mended.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_view_refused_is_read_again() {
    let folder = folder();
    sutura_privacy::KeyRing::generate().unwrap().save_new(&folder.path().join("test.key")).unwrap();
    let privacy = "policy = \"hipaa-safe-harbor\"\nkey = { file = \"test.key\" }\nvault = \"test.vault\"";
    fs::write(folder.path().join("job.toml"), format!("{JOB}\n[privacy]\n{privacy}\n\n[rejects]\n")).unwrap();
    let report = load(&folder).unwrap().run(RunOptions::default()).await.unwrap();
    assert_eq!((report.totals.accepted, report.totals.rejected), (3, 1));
    fs::write(folder.path().join("views/people.json"), PEOPLE.replace("name.family", "name.family.first()")).unwrap();
    let replayed = load(&folder).unwrap().replay(RunOptions::default()).await.unwrap();
    assert_eq!((replayed.rejects, replayed.replayed, replayed.run.totals.accepted), (1, 1, 1));
    let genders = fs::read_to_string(replayed.output.join("genders/part-00000.csv")).unwrap();
    assert_eq!(genders, "gender,n\nfemale,1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_a_view_is_named_with_its_place() {
    let folder = folder();
    fs::write(folder.path().join("views/bad.json"), PEOPLE.replace("name.family", "name.(")).unwrap();
    fs::write(folder.path().join("views/taken.json"), LABS.replace("Labs", "Patients")).unwrap();
    fs::write(folder.path().join("package/q.json"), "{").unwrap();
    let views = r#"views = ["views/bad.json", "views/labs.json", "views/absent.json", "views/taken.json", "views/people.json"]"#;
    let text = JOB.replace(r#"views = ["views/labs.json", "views/people.json"]"#, views);
    fs::write(folder.path().join("job.toml"), &text).unwrap();
    let problems = load(&folder).unwrap_err();
    let found: Vec<(Option<usize>, &str)> = problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
    assert_eq!(
        found,
        [(Some(9), "source[1].views[1]"), (Some(9), "source[1].views[3]"), (Some(9), "source[1].views[4]"), (Some(12), "fhir.packages[1]")]
    );
    for (problem, hint) in problems.iter().zip(["syntax error", "cannot be read", "table patients already", "q.json is not JSON"]) {
        assert!(problem.message.contains(hint), "{problem}");
    }
    fs::write(folder.path().join("job.toml"), JOB.replace("format = \"fhir\"", "format = \"hl7v2\"")).unwrap();
    fs::remove_file(folder.path().join("package/q.json")).unwrap();
    let problems = load(&folder).unwrap_err();
    assert!(problems.iter().any(|problem| problem.key == "source[1].views" && problem.message.contains("has no views")), "{problems:#?}");
    // A column that the view does not have is a mistake of the query.
    fs::write(folder.path().join("job.toml"), JOB.replace("avg(value)", "avg(valeu)")).unwrap();
    let problems = load(&folder).unwrap().validate().await.unwrap_err();
    assert!(problems[0].message.contains("valeu"), "{problems:#?}");
    assert!(matches!(load(&folder).unwrap().run(RunOptions::default()).await, Err(JobError::Problems(_))));
}
