//! All documents and fragments of the test data.

use super::*;

/// The folder of the C-CDA data, with a loud word if it is not there.
pub(super) fn data() -> Option<PathBuf> {
    let named = std::env::var_os("SUTURA_TEST_DATA").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")).join("ccda");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: test data not found at {}", folder.display());
    None
}

/// Every file below a folder, in order.
fn files(folder: &std::path::Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// A file and what is in it.
pub(super) type Input = (PathBuf, Vec<u8>);

/// Whole documents, and fragments wrapped into one.
pub(super) fn inputs(data: &std::path::Path) -> (Vec<Input>, Vec<Input>) {
    let mut paths = Vec::new();
    files(data, &mut paths);
    let (mut documents, mut fragments) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.extension().is_some_and(|extension| ["xml", "txt", "ccda"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
            || path.to_string_lossy().contains("/maps/")
        {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        if Document::parse(bytes.clone(), &Limits::default()).is_ok() {
            documents.push((path, bytes));
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some(wrapped) = wrap(&text) {
            fragments.push((path, wrapped.into_bytes()));
        }
    }
    (documents, fragments)
}

/// A fragment in a document: where it goes depends on what it is.
pub(super) fn wrap(text: &str) -> Option<String> {
    let mut body = text.trim_start_matches('\u{feff}').trim();
    while body.starts_with("<?") || body.starts_with("<!--") {
        let end = if body.starts_with("<?") { body.find("?>")? + 2 } else { body.find("-->")? + 3 };
        body = body[end..].trim_start();
    }
    let name: String = body.strip_prefix('<')?.chars().take_while(char::is_ascii_alphanumeric).collect();
    let head = r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="1.2.3.4" extension="doc"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><effectiveTime value="20200101120000+0000"/>"#;
    let patient = r#"<recordTarget><patientRole><id root="1.2.3" extension="7"/><patient><name><given>A</given><family>B</family></name></patient></patientRole></recordTarget>"#;
    let in_body =
        |inner: &str| format!("{head}{patient}<component><structuredBody>{inner}</structuredBody></component></ClinicalDocument>");
    Some(match name.as_str() {
        "recordTarget" => format!("{head}{body}</ClinicalDocument>"),
        "section" => in_body(&format!("<component>{body}</component>")),
        "component" => in_body(body),
        "entry" => in_body(&format!("<component><section><title>S</title><text>T</text>{body}</section></component>")),
        "act" | "observation" | "organizer" | "procedure" | "encounter" | "substanceAdministration" | "supply" => {
            in_body(&format!("<component><section><title>S</title><text>T</text><entry>{body}</entry></section></component>"))
        }
        "author"
        | "custodian"
        | "participant"
        | "documentationOf"
        | "componentOf"
        | "informant"
        | "relatedDocument"
        | "authenticator"
        | "legalAuthenticator"
        | "dataEnterer"
        | "informationRecipient"
        | "inFulfillmentOf"
        | "authorization" => format!("{head}{patient}{body}</ClinicalDocument>"),
        _ => return None,
    })
}

#[derive(Default)]
struct Sums {
    documents: usize,
    failed: usize,
    invalid: Vec<String>,
    converted: Converted,
}

fn run(sums: &mut Sums, path: &std::path::Path, bytes: &[u8]) {
    let converter = &*DEFAULT;
    let document = match Document::parse(bytes.to_vec(), &Limits::default()) {
        Ok(document) => document,
        Err(error) => {
            sums.failed += 1;
            println!("{}: {error}", path.display());
            return;
        }
    };
    let (mut report, mut out) = (Report::new(), Vec::new());
    let converted = converter.convert(&document, &source(bytes), &mut report, &mut out).unwrap();
    sums.documents += 1;
    let bundle: serde_json::Value = serde_json::from_slice(&out).unwrap();
    sums.invalid.extend(errors(&bundle).into_iter().map(|error| format!("{}: {error}", path.display())));
    // Every leaf and every entry is accounted for.
    assert_eq!(converted.leaves, count_leaves(document.root()), "{}", path.display());
    assert_eq!(converted.leaves, converted.mapped + converted.dropped + converted.unmapped);
    let entries = converted.entries_mapped + converted.entries_dropped + converted.entries_unmapped + converted.entries_refused;
    assert_eq!(entries, document.entries().len() as u64, "{}", path.display());
    let (mapped, dropped, unmapped) = report.feeds.values().next().unwrap().totals();
    assert_eq!(mapped + dropped + unmapped, converted.leaves + entries, "{}", path.display());
    for finding in converted
        .findings
        .iter()
        .filter(|finding| finding.code == "ccda-entry-unmapped" || finding.severity == Severity::Error && finding.code.starts_with("ccda-"))
    {
        println!("{}: {} {} {}", path.file_name().unwrap().to_string_lossy(), finding.code, finding.location, finding.message);
    }
    let total = &mut sums.converted;
    total.resources += converted.resources;
    total.entries_mapped += converted.entries_mapped;
    total.entries_dropped += converted.entries_dropped;
    total.entries_unmapped += converted.entries_unmapped;
    total.entries_refused += converted.entries_refused;
    total.leaves += converted.leaves;
    total.mapped += converted.mapped;
    total.dropped += converted.dropped;
    total.unmapped += converted.unmapped;
    MERGED.with_borrow_mut(|merged| merged.merge(&report));
}

thread_local! {
    static MERGED: std::cell::RefCell<Report> = std::cell::RefCell::new(Report::new());
}

fn show(name: &str, sums: &Sums) {
    let total = &sums.converted;
    println!(
        "{name}: {} documents, {} resources; entries: {} mapped, {} dropped, {} unmapped, {} refused; leaves: {} of which {} mapped, {} dropped, {} unmapped",
        sums.documents,
        total.resources,
        total.entries_mapped,
        total.entries_dropped,
        total.entries_unmapped,
        total.entries_refused,
        total.leaves,
        total.mapped,
        total.dropped,
        total.unmapped
    );
    let mut places: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    MERGED.with_borrow(|merged| {
        for feed in merged.feeds.values() {
            for (place, counts) in &feed.places {
                *places.entry(place.to_string()).or_default() += counts.unmapped;
            }
        }
    });
    let mut places: Vec<(String, u64)> = places.into_iter().filter(|(_, count)| *count > 0).collect();
    places.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (place, count) in places.iter().take(60) {
        println!("  unmapped {count:5} {place}");
    }
    let mut kinds: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for error in &sums.invalid {
        *kinds.entry(error.rsplit(": ").next().unwrap_or("").to_owned()).or_default() += 1;
    }
    for error in sums.invalid.iter().take(40) {
        println!("  {error}");
    }
    println!("{kinds:#?}");
}

#[test]
fn every_document_gives_valid_fhir_and_a_whole_account() {
    let Some(data) = data() else { return };
    let (documents, _) = inputs(&data);
    let mut sums = Sums::default();
    for (path, bytes) in &documents {
        run(&mut sums, path, bytes);
    }
    show("documents", &sums);
    assert!(sums.documents >= 74, "{}", sums.documents);
    assert_eq!((sums.failed, sums.invalid.len()), (0, 0));
}

#[test]
fn every_fragment_gives_valid_fhir_and_a_whole_account() {
    let Some(data) = data() else { return };
    let (_, fragments) = inputs(&data);
    let mut sums = Sums::default();
    for (path, text) in &fragments {
        run(&mut sums, path, text);
    }
    show("fragments", &sums);
    assert!(sums.documents >= 280, "{}", sums.documents);
    assert_eq!(sums.invalid.len(), 0);
}

/// Vendors copy the identifiers of entries from one patient's document to the next.
#[test]
fn no_id_is_put_for_two_patients() {
    let Some(data) = data() else { return };
    let (documents, fragments) = inputs(&data);
    let mut owners: std::collections::HashMap<String, String> = std::collections::HashMap::new();
    let (mut patients, mut owned) = (std::collections::BTreeSet::new(), 0);
    for (path, bytes) in documents.iter().chain(&fragments) {
        if Document::parse(bytes.clone(), &Limits::default()).is_err() {
            continue;
        }
        let (bundle, _, _) = convert_with(Options::default(), bytes);
        for entry in bundle["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            let name = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            if name.starts_with("Patient/") {
                patients.insert(name);
                continue;
            }
            let Some(patient) =
                ["subject", "patient", "beneficiary", "deliverTo"].iter().find_map(|key| resource[key]["reference"].as_str())
            else {
                continue;
            };
            owned += 1;
            let owner = owners.entry(name.clone()).or_insert_with(|| patient.to_owned());
            assert_eq!(owner, patient, "{name} in {}", path.display());
        }
    }
    println!("{owned} resources of {} patients, {} ids", patients.len(), owners.len());
    assert!(owned > 1_500 && patients.len() > 30);
}
