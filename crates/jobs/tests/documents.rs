//! The step `deidentify_documents`: whole files in, released files out, and the account of both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use sutura_dicom::{
    DicomFile, Limits, Tag, Vr,
    write::{OwnedDataSet, OwnedFile},
};
use sutura_jobs::{Job, JobError, LoadOptions, RunOptions, RunReport, RunStatus};

/// An image of a patient; the markers are looked for in what is released.
fn image(number: u32) -> OwnedDataSet {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.2");
    data_set.set_uid(Tag(0x0008_0018), &format!("1.2.3.{number}"));
    data_set.set_uid(Tag(0x0020_000D), "1.2.3");
    data_set.set_uid(Tag(0x0020_000E), "1.2.3.1");
    data_set.set_text(Tag(0x0008_0020), Vr::DA, "20240105");
    data_set.set_text(Tag(0x0008_0060), Vr::CS, "CT");
    data_set.set_text(Tag(0x0010_0010), Vr::PN, "Zebraname^Marker");
    data_set.set_text(Tag(0x0010_0020), Vr::LO, "MARKER-4711");
    data_set.set_text(Tag(0x0028_0004), Vr::CS, "MONOCHROME2");
    for (tag, value) in [(0x0002, 1), (0x0010, 16), (0x0011, 16), (0x0100, 8), (0x0101, 8), (0x0102, 7), (0x0103, 0)] {
        data_set.set_u16(Tag(0x0028_0000 | tag), &[value]);
    }
    data_set.set_bytes(Tag(0x7FE0_0010), Vr::OB, (0..=255u8).collect::<Vec<u8>>());
    data_set
}

/// Five images, one of them twice, one whose pixels are cut off, and a text that is called DICOM.
fn sources(folder: &Path) {
    let images = folder.join("images");
    fs::create_dir_all(&images).unwrap();
    for number in 1..=5 {
        fs::write(images.join(format!("{number}.dcm")), OwnedFile::new(image(number)).to_bytes().unwrap()).unwrap();
    }
    fs::copy(images.join("1.dcm"), images.join("again.dcm")).unwrap();
    let mut short = image(6);
    short.set_bytes(Tag(0x7FE0_0010), Vr::OB, vec![1; 10]);
    short.set_text(Tag(0x0028_0301), Vr::CS, "YES");
    fs::write(images.join("6.dcm"), OwnedFile::new(short).to_bytes().unwrap()).unwrap();
    fs::write(images.join("text.dcm"), "no image at all").unwrap();
}

const HEAD: &str = r#"[job]
name = "release"
project = "lung"
domain = "research"
output = "out"
[privacy]
policy = "gdpr-pseudonymised"
key = { env = "DOCUMENTS_TEST_KEY" }
legal = { quasi_identifiers = "kept; see the assessment" }
[[source]]
name = "scans"
format = "dicom"
path = "images"
[rejects]
"#;

const STEP: &str = r#"
[[step]]
type = "deidentify_documents"
name = "released"
input = "scans.raw"
"#;

const SINKS: &str = r#"
[[sink]]
input = "released"
format = "files"
path = "files"
"#;

fn load(folder: &Path, text: &str) -> Result<Job, Vec<String>> {
    let file = folder.join("job.toml");
    fs::write(&file, text).unwrap();
    Job::load_with(&file, &LoadOptions::default()).map_err(|problems| problems.iter().map(|problem| problem.message.clone()).collect())
}

async fn run(folder: &Path, text: &str) -> Result<RunReport, JobError> {
    load(folder, text).unwrap().run(RunOptions { force: true, ..RunOptions::default() }).await
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The job with a key of its own.
fn key(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap().keep();
    let file = folder.join("a.key");
    sutura_privacy::KeyRing::generate().unwrap().save_new(&file).unwrap();
    text.replace(r#"key = { env = "DOCUMENTS_TEST_KEY" }"#, &format!("key = {{ file = \"{}\" }}", file.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_released_under_their_new_identifiers_and_every_one_is_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    let step = format!("{STEP}pixels = \"detect\"\nencode = \"jpeg-ls\"\n");
    let table = "[[step]]\ntype = \"sql\"\nname = \"what\"\nquery = \"select patient, sop_instance_uid, actions, warnings from released\"\n\
                 [[sink]]\ninput = \"what\"\nformat = \"ndjson\"\n[report]\ntables = [\"what\"]\n";
    let report = run(folder.path(), &key(&format!("{HEAD}{step}{table}{SINKS}"))).await.unwrap();
    assert_eq!(report.status, RunStatus::Clean);
    // Eight files: one is no DICOM (a reject of the source), one has pixels that cannot be looked at (refused), one is there twice (one file).
    assert_eq!((report.totals.records, report.totals.rejected), (8, 1));
    let [documents] = &report.documents[..] else { panic!("{:?}", report.documents) };
    assert_eq!((documents.documents, documents.released), (7, 6));
    assert_eq!(documents.refused.get("pixels-not-decoded"), Some(&1), "{:?}", documents.refused);
    assert_eq!(documents.encoded_anew, 6);
    assert!(report.warnings.iter().any(|warning| warning.contains("pixels-not-decoded (1)")), "{:?}", report.warnings);
    let sink = report.sinks.iter().find(|sink| sink.format == "files").unwrap();
    assert_eq!((sink.rows, sink.classification.as_str()), (5, "pseudonymised"));

    let out = folder.path().join("out");
    let released: Vec<PathBuf> =
        files(&out.join("files")).into_iter().filter(|path| path.extension().is_some_and(|end| end == "dcm")).collect();
    assert_eq!(released.len(), 5);
    let mut patients = BTreeSet::new();
    for path in &released {
        let file = DicomFile::parse(fs::read(path).unwrap(), &Limits::default()).unwrap();
        assert_eq!(file.transfer_syntax().uid, "1.2.840.10008.1.2.4.80");
        assert_eq!(file.data_set().text(Tag(0x0012_0062)).as_deref(), Some("YES"));
        let text = |tag| file.data_set().text(Tag(tag)).unwrap().into_owned();
        patients.insert(text(0x0010_0020));
        assert!(path.ends_with(format!("{}/{}/{}/{}.dcm", text(0x0010_0020), text(0x0020_000D), text(0x0020_000E), text(0x0008_0018))));
    }
    assert_eq!(patients.len(), 1);
    // Nothing of the patient is anywhere in what the run left, but in the rejects and private files, which are sealed or name inputs only.
    for path in files(&out) {
        let bytes = fs::read(&path).unwrap();
        for marker in ["Zebraname", "MARKER-4711"] {
            let is_there = bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
            assert!(!is_there && !path.to_string_lossy().contains(marker), "{marker} in {}", path.display());
        }
    }
    let refused = documents.refused_documents.as_ref().unwrap();
    assert!(fs::read_to_string(refused).unwrap().contains("6.dcm"));
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Documents de-identified whole") && page.contains("6 of 6 rows"));
    assert!(patients.iter().all(|patient| page.contains(patient.as_str())), "the table that the job names is shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_for_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    let wrong = [
        (format!("{STEP}options = [\"clean-recognizable-features\"]\n"), "whole series"),
        (format!("{STEP}pattern = \"../{{sop}}\"\n"), "begin with a point"),
        (STEP.replace("scans.raw", "scans.nothing"), "scans.nothing"),
    ];
    for (step, why) in wrong {
        let problems = load(folder.path(), &key(&format!("{HEAD}{step}{SINKS}"))).map(|_| ()).unwrap_err();
        assert!(problems.iter().any(|problem| problem.contains(why)), "{why}: {problems:?}");
    }
    let without_policy = format!(
        "{}{STEP}{SINKS}",
        HEAD.split("[privacy]").next().unwrap().to_owned() + "[[source]]\nname = \"scans\"\nformat = \"dicom\"\npath = \"images\"\n"
    );
    let problems = load(folder.path(), &without_policy).map(|_| ()).unwrap_err();
    assert!(problems.iter().any(|problem| problem.contains("[privacy]")), "{problems:?}");
    for (step, why) in [(format!("{STEP}options = [\"keep-all\"]\n"), "no option"), (format!("{STEP}column = \"nothing\"\n"), "no column")]
    {
        let job = load(folder.path(), &key(&format!("{HEAD}{step}{SINKS}"))).unwrap();
        let problems = job.validate().await.unwrap_err();
        assert!(problems.iter().any(|problem| problem.message.contains(why)), "{why}: {problems:?}");
    }
    // Whole files are identifying: without the step no sink takes them.
    let untreated = format!("{HEAD}[[sink]]\ninput = \"scans.raw\"\n");
    let problems = load(folder.path(), &key(&untreated)).unwrap().validate().await.unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("content")), "{problems:?}");
}
