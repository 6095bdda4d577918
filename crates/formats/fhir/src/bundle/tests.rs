//! Bundles of every kind against the validator and the reader, and resources byte for byte.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    sync::Arc,
};

use proptest::prelude::*;

use super::*;
use crate::{
    json::{OwnedDocument, Parser},
    read,
    validate::{IssueSeverity, Validator},
};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:oid:1.2","value":"A 1|b"}],"active":true,"extension":[{"url":"http://x/y","valueDecimal":1.50}]}"#;
const OBSERVATION: &str = r#"{ "resourceType" : "Observation",
   "id": "o1", "status": "final", "code": {"text": "a  \"b\" \\ {"}, "subject": {"reference": "Patient\/p1"},
   "derivedFrom": [{"reference":"Observation/elsewhere"}, {"reference": "Observation/o2"}], "valueQuantity": {"value": 1.00e-3} }"#;
const SECOND: &str =
    r#"{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"x"},"subject":{"reference":"http://a/fhir/Patient/p1"}}"#;
const NO_ID: &str = r#"{"resourceType":"Basic","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}"#;

fn parsed(bytes: &[u8]) -> OwnedDocument {
    Parser::default().parse_owned(bytes.to_vec()).unwrap()
}

/// The errors of our validator.
fn errors(bytes: &[u8]) -> Vec<String> {
    let document = parsed(bytes);
    let issues = Validator::default().validate(document.document().root());
    let bad = issues.into_iter().filter(|issue| matches!(issue.severity, IssueSeverity::Error | IssueSeverity::Fatal));
    bad.map(|issue| format!("{}: {}", issue.expression, issue.diagnostics)).collect()
}

fn bundle(kind: BundleKind, options: &Options, resources: &[&str]) -> (String, Summary) {
    let index = options.needs_index(kind).then(|| {
        let mut index = ReferenceIndex::new(kind, options).unwrap();
        for resource in resources {
            index.add(resource.as_bytes()).unwrap();
        }
        Arc::new(index)
    });
    let mut writer = match index {
        Some(index) => BundleWriter::with_index(Vec::new(), kind, options.clone(), index).unwrap(),
        None => BundleWriter::new(Vec::new(), kind, options.clone()).unwrap(),
    };
    for resource in resources {
        writer.push(resource.as_bytes()).unwrap();
    }
    let (bytes, summary) = writer.finish().unwrap();
    assert_eq!(bytes.len() as u64, summary.bytes);
    assert_eq!(errors(&bytes), Vec::<String>::new());
    (String::from_utf8(bytes).unwrap(), summary)
}

/// What the reader makes of it: fullUrl and JSON of each resource.
fn read_back(bytes: &[u8]) -> Vec<(Option<String>, String)> {
    let mut found = Vec::new();
    let mut take = |entry: Entry<'_>| {
        found.push((entry.full_url.map(str::to_owned), String::from_utf8(entry.resource.to_vec()).unwrap()));
        Ok(())
    };
    let stats = read_resources(bytes, "test:bundle", &read::Options::default(), &mut take, &mut |bad| panic!("{bad:?}")).unwrap();
    assert!(stats.balances() && stats.findings.is_empty());
    found
}

fn compacted(text: &str) -> String {
    let mut out = Vec::new();
    compact_into(&mut out, text.as_bytes());
    String::from_utf8(out).unwrap()
}

#[test]
fn resources_go_through_byte_for_byte() {
    let all = [PATIENT, OBSERVATION, SECOND, NO_ID];
    for kind in [BundleKind::Collection, BundleKind::Transaction, BundleKind::Batch] {
        let (text, summary) = bundle(kind, &Options::default(), &all);
        let found: Vec<_> = read_back(text.as_bytes()).into_iter().map(|(_, json)| json).collect();
        assert_eq!(found, all.map(compacted), "{kind:?}");
        assert_eq!((summary.entries, summary.references_rewritten), (4, 0));
        assert_eq!(bundle(kind, &Options::default(), &all).0, text, "the same input gives the same bytes");
    }
    assert!(compacted(OBSERVATION).contains(r#""code":{"text":"a  \"b\" \\ {"},"subject":{"reference":"Patient\/p1"}"#));
    assert!(compacted(OBSERVATION).ends_with(r#""valueQuantity":{"value":1.00e-3}}"#));
}

#[test]
fn an_empty_bundle_has_no_entry() {
    for kind in [BundleKind::Collection, BundleKind::Transaction, BundleKind::Batch, BundleKind::Searchset] {
        let (text, _) = bundle(kind, &Options { timestamp: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() }, &[]);
        assert!(!text.contains("entry") && text.contains(kind.code()), "{text}");
    }
}

#[test]
fn a_transaction_by_id_needs_no_index() {
    let options = Options { base: Some("https://server/fhir/".to_owned()), ..Options::default() };
    let (text, summary) = bundle(BundleKind::Transaction, &options, &[PATIENT, NO_ID]);
    assert!(text.contains(r#"{"fullUrl":"https://server/fhir/Patient/p1","resource":{"resourceType":"Patient""#));
    assert!(
        text.contains(r#""request":{"method":"PUT","url":"Patient/p1"}}"#)
            && text.contains(r#""request":{"method":"POST","url":"Basic"}}"#)
    );
    assert!(text.contains(r#""subject":{"reference":"Patient/p1"}"#) && text.contains("\"fullUrl\":\"urn:uuid:"));
    assert_eq!((summary.puts, summary.posts), (1, 1));
}

#[test]
fn references_to_created_resources_mean_their_full_urls() {
    let options = Options { requests: Requests::Create, ..Options::default() };
    // The reference stands before its target, and with an escape.
    let (text, summary) = bundle(BundleKind::Transaction, &options, &[OBSERVATION, PATIENT, NO_ID, SECOND]);
    let found = read_back(text.as_bytes());
    let url = |at: usize| found[at].0.clone().unwrap();
    assert!(found[0].1.contains(&format!("\"subject\":{{\"reference\":\"{}\"}}", url(1))), "{}", found[0].1);
    assert!(found[0].1.contains(&format!("{{\"reference\":\"{}\"}}],\"valueQuantity\":{{\"value\":1.00e-3}}", url(3))));
    assert!(found[0].1.contains("{\"reference\":\"Observation/elsewhere\"}"), "what is not in the Bundle stays");
    assert!(found[2].1.contains(&url(1)));
    assert!(found[3].1.contains("http://a/fhir/Patient/p1"), "a URL of another server is not this resource");
    assert_eq!((summary.posts, summary.puts, summary.references_rewritten), (4, 0, 3));
    // In a batch no entry may depend on another.
    let (text, summary) = bundle(BundleKind::Batch, &options, &[OBSERVATION, PATIENT]);
    assert!(text.contains("Patient\\/p1") && summary.references_rewritten == 0);
}

#[test]
fn a_full_url_that_references_use_is_kept() {
    let options = Options { requests: Requests::Create, ..Options::default() };
    let (urn, url) = ("urn:uuid:0b5c3f8e-1f0a-4c7e-9a53-0c4f8b1f2d11", "http://a/fhir/Patient/p1");
    for given in [urn, url] {
        let entries = [
            Entry { full_url: Some(given), ..Entry::from(PATIENT.as_bytes()) },
            Entry::from(SECOND.as_bytes()),
            Entry::from(NO_ID.as_bytes()),
        ];
        let mut index = ReferenceIndex::new(BundleKind::Transaction, &options).unwrap();
        for entry in entries {
            index.add(entry).unwrap();
        }
        let mut writer = BundleWriter::with_index(Vec::new(), BundleKind::Transaction, options.clone(), Arc::new(index)).unwrap();
        for entry in entries {
            writer.push(entry).unwrap();
        }
        let (bytes, summary) = writer.finish().unwrap();
        assert!(errors(&bytes).is_empty());
        let found = read_back(&bytes);
        let full_url = found[0].0.clone().unwrap();
        assert_eq!(full_url == urn, given == urn);
        assert!(full_url.starts_with("urn:uuid:") && found[2].1.contains(&full_url));
        // By its absolute URL too, if that is what it was called where it comes from.
        assert_eq!(found[1].1.contains(&full_url), given == url);
        assert_eq!(summary.references_rewritten, if given == url { 2 } else { 1 });
    }
    // Without new ids the URL stays.
    let mut writer = BundleWriter::new(Vec::new(), BundleKind::Collection, Options::default()).unwrap();
    writer.push(Entry { full_url: Some(url), ..Entry::from(PATIENT.as_bytes()) }).unwrap();
    writer.push(Entry { full_url: Some("http://a/fhir/Patient/other"), ..Entry::from(OBSERVATION.as_bytes()) }).unwrap();
    let (bytes, _) = writer.finish().unwrap();
    assert!(errors(&bytes).is_empty());
    let found = read_back(&bytes);
    assert_eq!(found[0].0.as_deref(), Some(url));
    assert!(found[1].0.as_deref().unwrap().starts_with("urn:uuid:"));
}

#[test]
fn conditional_creates_search_by_identifier() {
    let options = Options { requests: Requests::ConditionalCreate, ..Options::default() };
    let (text, summary) = bundle(BundleKind::Transaction, &options, &[PATIENT, OBSERVATION]);
    assert!(
        text.contains(r#""request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:oid:1.2%7CA%201%5C%7Cb"}"#),
        "{text}"
    );
    assert!(text.contains(r#""request":{"method":"PUT","url":"Observation/o1"}"#));
    assert_eq!((summary.posts, summary.puts, summary.references_rewritten), (1, 1, 1));
}

#[test]
fn a_searchset_has_total_modes_and_links() {
    let options = Options {
        base: Some("https://s/fhir".to_owned()),
        search_url: Some("https://s/fhir/Observation?_include=Observation:subject".to_owned()),
        ..Options::default()
    };
    let mut writer = BundleWriter::new(Vec::new(), BundleKind::Searchset, options).unwrap();
    writer.push(OBSERVATION.as_bytes()).unwrap();
    writer.push(Entry { search: SearchMode::Include, ..Entry::from(PATIENT.as_bytes()) }).unwrap();
    let outcome = br#"{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"value"}]}"#;
    writer.push(Entry { search: SearchMode::Outcome, ..Entry::from(outcome) }).unwrap();
    assert!(matches!(writer.push(NO_ID.as_bytes()), Err(BundleError::IdMissing { .. })));
    let (bytes, summary) = writer.finish().unwrap();
    assert_eq!(errors(&bytes), Vec::<String>::new());
    let text = String::from_utf8(bytes).unwrap();
    for (mode, count) in [("match", 1), ("include", 1), ("outcome", 1)] {
        assert_eq!(text.matches(&format!("\"search\":{{\"mode\":\"{mode}\"}}")).count(), count);
    }
    assert!(text.ends_with(
        "],\"total\":1,\"link\":[{\"relation\":\"self\",\"url\":\"https://s/fhir/Observation?_include=Observation:subject\"}]}\n"
    ));
    assert_eq!((summary.entries, summary.matches), (3, 1));
}

#[test]
fn what_is_refused_is_not_written() {
    let mut writer = BundleWriter::new(Vec::new(), BundleKind::Transaction, Options::default()).unwrap();
    writer.push(PATIENT.as_bytes()).unwrap();
    let code = |result: Result<(), BundleError>| {
        let error = result.unwrap_err();
        assert!(error.is_refusal());
        error.code()
    };
    assert_eq!(code(writer.push(PATIENT.as_bytes())), "bundle-duplicate");
    assert_eq!(code(writer.push(b"{\"resourceType\":\"Patient\",\"id\":\"a b\"}")), "resource-id-invalid");
    assert_eq!(code(writer.push(b"{\"resourceType\":\"Patient\",\"id\":7}")), "resource-id-invalid");
    assert_eq!(code(writer.push(b"{\"resourceType\":\"Pet\"}")), "not-a-resource");
    assert_eq!(code(writer.push(b"[]")), "not-a-resource");
    assert_eq!(code(writer.push(b"{\"resourceType\":\"Patient\"")), "json-unterminated");
    assert_eq!(code(writer.push(b"{\"resourceType\":\"Patient\",\"id\":\"1\",\"id\":\"2\"}")), "json-duplicate-key");
    writer.push(NO_ID.as_bytes()).unwrap();
    writer.push(NO_ID.as_bytes()).unwrap();
    let (bytes, summary) = writer.finish().unwrap();
    assert_eq!(summary.entries, 3);
    assert_eq!(errors(&bytes), Vec::<String>::new());
    // The versions of a resource may stand in one collection.
    let version = |number: u8| format!("{{\"resourceType\":\"Patient\",\"id\":\"1\",\"meta\":{{\"versionId\":\"{number}\"}}}}");
    let mut writer = BundleWriter::new(Vec::new(), BundleKind::Collection, Options::default()).unwrap();
    writer.push(version(1).as_bytes()).unwrap();
    writer.push(version(2).as_bytes()).unwrap();
    assert_eq!(code(writer.push(version(2).as_bytes())), "bundle-duplicate");
    assert_eq!(errors(&writer.finish().unwrap().0), Vec::<String>::new());
}

#[test]
fn options_are_checked() {
    for (options, option) in [
        (Options { base: Some("server/fhir".to_owned()), ..Options::default() }, "base"),
        (Options { base: Some("http://a b".to_owned()), ..Options::default() }, "base"),
        (Options { search_url: Some("x".to_owned()), ..Options::default() }, "search_url"),
        (Options { max_entries: Some(0), ..Options::default() }, "max_entries"),
        (Options { timestamp: Some("2026".to_owned()), ..Options::default() }, "timestamp"),
    ] {
        let error = BundleWriter::new(Vec::new(), BundleKind::Batch, options).unwrap_err();
        assert!(matches!(error, BundleError::BadOption { option: found, .. } if found == option), "{error}");
    }
    assert!(serde_json::from_str::<Options>("{\"requests\":\"conditional-create\",\"max_entries\":10}").is_ok());
    assert!(serde_json::from_str::<Options>("{\"reqests\":\"create\"}").is_err());
}

/// Bundles in memory.
#[derive(Default)]
struct Pages(BTreeMap<u64, Vec<u8>>);

impl Parts for &mut Pages {
    type Out = Vec<u8>;

    fn open(&mut self, _part: u64) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn close(&mut self, part: u64, out: Vec<u8>) -> std::io::Result<()> {
        self.0.insert(part, out);
        Ok(())
    }
}

#[test]
fn many_entries_become_many_bundles() {
    let resources: Vec<String> = (0..7)
        .map(|number| {
            let other = (number + 1) % 7;
            format!("{{\"resourceType\":\"Basic\",\"id\":\"b{number}\",\"code\":{{\"text\":\"x\"}},\"subject\":{{\"reference\":\"Basic/b{other}\"}}}}")
        })
        .collect();
    let mut source = |take: &mut Take<'_>| {
        take(Entry::from(b"{}".as_slice()))?;
        resources.iter().try_for_each(|resource| take(resource.as_bytes().into()))
    };
    let mut pages = Pages::default();
    let options = Options { max_entries: Some(3), search_url: Some("http://s/Basic?a=b".to_owned()), ..Options::default() };
    let mut refused = 0;
    let report = write_bundles(&mut pages, BundleKind::Searchset, options.clone(), &mut source, &mut |_, _| refused += 1).unwrap();
    assert_eq!((report.parts, report.summary.entries, refused, report.refused["not-a-resource"]), (3, 7, 1, 1));
    let pages: Vec<_> = pages.0.into_values().map(|page| String::from_utf8(page).unwrap()).collect();
    for page in &pages {
        assert_eq!(errors(page.as_bytes()), Vec::<String>::new());
    }
    assert!(
        pages[0].contains("\"url\":\"http://s/Basic?a=b\"")
            && pages[0].contains("http://s/Basic?a=b&_page=2")
            && !pages[0].contains("total")
    );
    assert!(pages[1].contains("{\"relation\":\"next\",\"url\":\"http://s/Basic?a=b&_page=3\"}"));
    assert!(!pages[2].contains("next") && pages[2].contains("_page=3"));

    // References from one transaction to what another one creates are counted and left.
    let mut pages = Pages::default();
    let options = Options { requests: Requests::Create, search_url: None, ..options };
    let report = write_bundles(&mut pages, BundleKind::Transaction, options, &mut source, &mut |_, _| {}).unwrap();
    assert_eq!((report.parts, report.summary.references_rewritten, report.summary.references_across_parts), (3, 4, 3));
    for page in pages.0.values() {
        assert_eq!(errors(page), Vec::<String>::new());
    }
    let mut pages = Pages::default();
    let report = write_bundles(&mut pages, BundleKind::Collection, Options::default(), &mut |_| Ok(()), &mut |_, _| {}).unwrap();
    assert_eq!((report.parts, pages.0.len()), (1, 1));
}

#[test]
fn the_second_pass_must_see_what_the_first_saw() {
    let options = Options { requests: Requests::Create, ..Options::default() };
    let index = ReferenceIndex::new(BundleKind::Transaction, &options).unwrap();
    let mut writer = BundleWriter::with_index(Vec::new(), BundleKind::Transaction, options, Arc::new(index)).unwrap();
    assert!(matches!(writer.push(PATIENT.as_bytes()), Err(BundleError::IndexMismatch)));
}

/// A sink that keeps nothing.
struct Nothing;

impl std::io::Write for Nothing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn collections_can_refer_by_full_url() {
    let options = Options { rewrite_references: true, ..Options::default() };
    let (text, summary) = bundle(BundleKind::Collection, &options, &[OBSERVATION, PATIENT]);
    let found = read_back(text.as_bytes());
    assert!(found[0].1.contains(found[1].0.as_deref().unwrap()) && summary.references_rewritten == 1);
}

/// A million entries: what is remembered of them is bounded, and a duplicate among the first is still found.
#[test]
fn memory_does_not_grow() {
    let options = Options { remembered_entries: 1000, ..Options::default() };
    let mut writer = BundleWriter::new(Nothing, BundleKind::Transaction, options).unwrap();
    for number in 0..200_000 {
        writer.push(format!("{{\"resourceType\":\"Basic\",\"id\":\"{number}\"}}").as_bytes()).unwrap();
    }
    assert!(matches!(writer.push(b"{\"resourceType\":\"Basic\",\"id\":\"999\"}"), Err(BundleError::Duplicate { .. })));
    assert!(writer.held_bytes() < 256 << 10, "{}", writer.held_bytes());
    assert_eq!(writer.finish().unwrap().1.entries, 200_000);
}

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sutura-fhir-bundle-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Self(folder)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(&self.0).unwrap().map(|found| found.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_export_is_one_file_a_type() {
    for gzip in [false, true] {
        let folder = Folder::new(if gzip { "packed" } else { "plain" });
        let options = ExportOptions { gzip, ..ExportOptions::default() };
        let mut source = |take: &mut Take<'_>| {
            [OBSERVATION, PATIENT, "{\"resourceType\":\"Pet\"}", SECOND].iter().try_for_each(|resource| take(resource.as_bytes().into()))
        };
        let (manifest, report) = export_ndjson(&folder.0, options.clone(), &mut source, &mut |_, _| {}).unwrap();
        assert_eq!((manifest.resources, report.refused["not-a-resource"]), (3, 1));
        let end = if gzip { ".gz" } else { "" };
        assert_eq!(folder.names(), [format!("Observation.ndjson{end}"), format!("Patient.ndjson{end}"), "export.manifest".to_owned()]);
        for (file, (count, text)) in
            manifest.output.iter().zip([(2, format!("{}\n{SECOND}\n", compacted(OBSERVATION))), (1, format!("{PATIENT}\n"))])
        {
            let bytes = std::fs::read(folder.0.join(&file.url)).unwrap();
            assert_eq!((file.count, file.bytes), (count, bytes.len() as u64));
            assert_eq!(file.sha256, sutura_core::Sha256Hash::of(&bytes).to_string());
            let mut plain = String::new();
            if gzip {
                flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut plain).unwrap();
            } else {
                plain = String::from_utf8(bytes).unwrap();
            }
            assert_eq!(plain, text);
        }
        let kept: Manifest = serde_json::from_slice(&std::fs::read(folder.0.join("export.manifest")).unwrap()).unwrap();
        assert_eq!(kept, manifest);
        // Neither kind of file is written over by mistake.
        assert!(matches!(NdjsonExport::create(&folder.0, ExportOptions::default()), Err(BundleError::Exists(_))));
        assert!(NdjsonExport::create(&folder.0, ExportOptions { overwrite: true, ..options }).is_ok());
    }
}

#[test]
fn what_is_not_finished_is_not_there() {
    let folder = Folder::new("dropped");
    let mut export = NdjsonExport::create(&folder.0, ExportOptions::default()).unwrap();
    export.push(PATIENT.as_bytes()).unwrap();
    assert!(matches!(folder.names().as_slice(), [name] if name.starts_with(".sutura-")));
    drop(export);
    assert!(folder.names().is_empty());
    let mut parts = BundleFolder::new(&folder.0, false).unwrap();
    drop(parts.open(0).unwrap());
    assert!(matches!(folder.names().as_slice(), [name] if name.starts_with(".sutura-")));
    let report =
        write_bundles(parts, BundleKind::Collection, Options::default(), &mut |take| take(PATIENT.as_bytes().into()), &mut |_, _| {});
    assert_eq!((report.unwrap().parts, folder.names()), (1, vec!["bundle-00001.json".to_owned()]));
    assert!(BundleFolder::new(&folder.0, false).unwrap().open(0).is_err());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&folder.0.join("bundle-00001.json"))), (0o700, 0o600));
    }
}

#[test]
fn what_a_killed_run_left_goes_with_the_next_one() {
    let folder = Folder::new("killed");
    let stage = |name: &str, has_lock: bool| {
        let stage = folder.0.join(name);
        std::fs::create_dir_all(&stage).unwrap();
        std::fs::write(stage.join("Patient.ndjson"), "{").unwrap();
        has_lock.then(|| std::fs::File::create(stage.join("lock")).unwrap())
    };
    drop(stage(".sutura-1-1", true));
    let live = stage(".sutura-2-2", true).unwrap();
    live.lock().unwrap();
    stage(".sutura-3-3", false);
    std::fs::write(folder.0.join(".sutura-note"), "no folder").unwrap();
    let left = [".sutura-2-2", ".sutura-3-3", ".sutura-note"];
    let mut export = NdjsonExport::create(&folder.0, ExportOptions::default()).unwrap();
    export.push(PATIENT.as_bytes()).unwrap();
    export.finish().unwrap();
    assert_eq!(folder.names(), [&left[..], &["Patient.ndjson", "export.manifest"]].concat(), "the dead one goes, and its own");
    drop(live);
    drop(BundleFolder::new(&folder.0, false).unwrap());
    assert_eq!(folder.names(), [&left[1..], &["Patient.ndjson", "export.manifest"]].concat());
}

#[test]
fn the_result_of_a_search_keeps_its_modes() {
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"value","details":{"text":"x"}}]}"#;
    let entries = [(PATIENT, SearchMode::Match), (SECOND, SearchMode::Include), (outcome, SearchMode::Outcome)];
    let written = |source: &mut dyn FnMut(&mut Take<'_>) -> Result<(), BundleError>| {
        let mut writer = BundleWriter::new(Vec::new(), BundleKind::Searchset, Options::default()).unwrap();
        source(&mut |entry| writer.push(entry)).unwrap();
        let (bytes, summary) = writer.finish().unwrap();
        assert_eq!((summary.entries, summary.matches), (3, 1));
        String::from_utf8(bytes).unwrap()
    };
    let first = written(&mut |take| {
        entries.iter().try_for_each(|(resource, search)| take(Entry { search: *search, ..Entry::from(resource.as_bytes()) }))
    });
    assert!(first.contains("\"total\":1") && entries.iter().all(|(_, mode)| first.contains(mode.code())), "{first}");
    let again = written(&mut |take| {
        read_resources(first.as_bytes(), "test:search", &read::Options::default(), take, &mut |bad| panic!("{bad:?}")).map(|_| ())
    });
    assert_eq!(first, again);
}

#[test]
fn errors_name_the_file_and_what_to_do() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge, io::ErrorKind::PermissionDenied] {
        let error = super::file::at(std::path::Path::new("out/Patient.ndjson"))(kind.into());
        let words = error.to_string();
        assert!(error.kind() == kind && words.starts_with("out/Patient.ndjson: ") && words.ends_with("another folder"), "{words}");
    }
    let folder = Folder::new("no-folder");
    std::fs::write(&folder.0, "").unwrap();
    let error = NdjsonExport::create(&folder.0, ExportOptions::default()).unwrap_err().to_string();
    std::fs::remove_file(&folder.0).unwrap();
    assert!(error.contains(&folder.0.display().to_string()), "{error}");
}

/// A folder cannot be replaced by a file: so the publishing of the second file fails, and only that.
#[test]
fn what_breaks_off_in_the_middle_says_so() {
    let folder = Folder::new("middle");
    let mut all = |take: &mut Take<'_>| [OBSERVATION, PATIENT].iter().try_for_each(|resource| take(resource.as_bytes().into()));
    let options = ExportOptions { overwrite: true, ..ExportOptions::default() };
    export_ndjson(&folder.0, options.clone(), &mut all, &mut |_, _| {}).unwrap();
    let export = || {
        let mut export = NdjsonExport::create(&folder.0, options.clone()).unwrap();
        export.push(SECOND.as_bytes()).unwrap();
        export.push(PATIENT.as_bytes()).unwrap();
        export
    };
    let blocked = folder.0.join("Patient.ndjson");
    std::fs::remove_file(&blocked).unwrap();
    std::fs::create_dir(&blocked).unwrap();
    drop(export());
    assert_eq!(folder.names(), ["Observation.ndjson", "Patient.ndjson", "export.manifest"], "what fails before leaves the old one");
    let error = export().finish().unwrap_err().to_string();
    assert!(error.contains(&blocked.display().to_string()) && error.contains("give another folder"), "{error}");
    assert_eq!(folder.names(), ["Observation.ndjson", "Patient.ndjson"], "a mix has no manifest");
    assert_eq!(std::fs::read_to_string(folder.0.join("Observation.ndjson")).unwrap(), format!("{SECOND}\n"));
    std::fs::remove_dir(&blocked).unwrap();
    assert_eq!(export().finish().unwrap().resources, 2);
    assert_eq!(folder.names(), ["Observation.ndjson", "Patient.ndjson", "export.manifest"]);

    let folder = Folder::new("middle-bundles");
    let blocked = folder.0.join("bundle-00002.json");
    let mut bundles = || {
        let options = Options { max_entries: Some(1), ..Options::default() };
        write_bundles(BundleFolder::new(&folder.0, true).unwrap(), BundleKind::Collection, options, &mut all, &mut |_, _| {})
    };
    std::fs::create_dir_all(&blocked).unwrap();
    let error = bundles().unwrap_err().to_string();
    assert!(error.contains(&blocked.display().to_string()), "{error}");
    assert_eq!(folder.names(), ["bundle-00001.json", "bundle-00002.json", "bundles.incomplete"]);
    std::fs::remove_dir(&blocked).unwrap();
    assert_eq!(bundles().unwrap().parts, 2);
    assert_eq!(folder.names(), ["bundle-00001.json", "bundle-00002.json"]);
}

/// Folders of the user's that look like stages stay, with what is in them.
#[test]
fn a_sweep_takes_stages_only() {
    let folder = Folder::new("sweep");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let made = |name: &str, files: &[&str]| {
        let made = folder.0.join(name);
        std::fs::create_dir_all(&made).unwrap();
        for file in files {
            std::fs::write(made.join(file), "{").unwrap();
        }
        std::fs::File::open(&made).unwrap().set_modified(old).unwrap();
    };
    made(".sutura-7-9", &["lock.new", "Patient.ndjson.gz", "bundle-00001.json", "export.manifest"]);
    made(".sutura-7-8", &[]);
    let kept = [".sutura-1-1", ".sutura-1-2", ".sutura-2026", ".sutura-cache", ".sutura-x-1"];
    made(kept[0], &["notes.txt", "Patient.ndjson"]);
    made(kept[1], &["lock", "important.csv"]);
    std::fs::create_dir_all(folder.0.join(kept[1]).join("below")).unwrap();
    made(kept[2], &["Patient.ndjson"]);
    made(kept[3], &["Patient.ndjson"]);
    made(kept[4], &["lock"]);
    drop(BundleFolder::new(&folder.0, false).unwrap());
    assert_eq!(folder.names(), kept);
    for (name, files) in kept.iter().zip([2, 3, 1, 1, 1]) {
        assert_eq!(std::fs::read_dir(folder.0.join(name)).unwrap().count(), files, "{name}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[ \\\\\"a-z\u{1}\n]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::vec(("[ \"a-z]{0,4}", inner), 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn compact_json_is_the_same_json(value in json()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(compacted(&pretty), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn whatever_is_written_reads_back(members in prop::collection::vec(("[a-h]{1,3}", json()), 0..6), kind in 0..3_usize, pretty in any::<bool>()) {
        let mut object = serde_json::json!({ "resourceType": "Basic", "id": "x" });
        for (name, value) in members {
            object[name] = value;
        }
        let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
        let kind = [BundleKind::Collection, BundleKind::Transaction, BundleKind::Batch][kind];
        let mut writer = BundleWriter::new(Vec::new(), kind, Options::default()).unwrap();
        writer.push(text.as_bytes()).unwrap();
        writer.push(PATIENT.as_bytes()).unwrap();
        let found = read_back(&writer.finish().unwrap().0);
        prop_assert_eq!(&found[0].1, &serde_json::to_string(&object).unwrap());
        prop_assert_eq!(&found[1].1, PATIENT);
    }
}

#[test]
fn two_exports_do_not_share_a_folder() {
    let folder = Folder::new("shared");
    let options = ExportOptions { overwrite: true, ..ExportOptions::default() };
    let first = NdjsonExport::create(&folder.0, options.clone()).unwrap();
    let busy = NdjsonExport::create(&folder.0, options.clone()).unwrap_err();
    assert!(matches!(busy, BundleError::Busy(_)), "{busy}");
    drop(first);
    NdjsonExport::create(&folder.0, options).unwrap();
}
