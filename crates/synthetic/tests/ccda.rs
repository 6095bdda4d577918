//! Generated documents: read whole, the truth about them, and the same people as in the FHIR records.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use sutura_ccda::{Document, EntryKind, Limits, MatchedBy, Release, SectionKind, value::Value};
use sutura_synthetic::{CcdaExport, CcdaOptions, CcdaStyle, CcdaTruth, Compression, FhirExport, FhirOptions, SyntheticError};

fn write(options: CcdaOptions) -> (tempfile::TempDir, CcdaTruth) {
    let folder = tempfile::tempdir().unwrap();
    let truth = CcdaExport::new(options).unwrap().write_to(folder.path(), &|_| ControlFlow::Continue(())).unwrap();
    (folder, truth)
}

fn options(patients: u64) -> CcdaOptions {
    CcdaOptions { patients, seed: 7, ..CcdaOptions::default() }
}

fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for thousand in fs::read_dir(folder.join("documents")).unwrap() {
        let thousand = thousand.unwrap();
        for file in fs::read_dir(thousand.path()).unwrap() {
            let file = file.unwrap();
            let name = format!("documents/{}/{}", thousand.file_name().to_str().unwrap(), file.file_name().to_str().unwrap());
            found.push((name, file.path()));
        }
    }
    found.sort();
    found
}

fn documents(folder: &Path) -> Vec<(String, Document)> {
    let parse = |(name, path): (String, PathBuf)| {
        let document = Document::parse(fs::read(path).unwrap(), &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, document)
    };
    files(folder).into_iter().map(parse).collect()
}

/// Statements that are facts, of an entry.
fn facts(kind: SectionKind, entry: &sutura_ccda::Entry, document: &Document) -> usize {
    let statement = entry.element(document);
    match kind {
        SectionKind::Results | SectionKind::VitalSigns => statement.children_named("component").count(),
        // One that says that there is none is no fact.
        SectionKind::Allergies => usize::from(!statement.descendants().any(|inner| inner.is_negated())),
        _ => 1,
    }
}

#[test]
fn documents_hold_what_the_truth_says() {
    let (folder, truth) = write(options(60));
    let documents = documents(folder.path());
    assert_eq!((truth.documents, documents.len(), truth.by_style.len()), (60, 60, 6));
    let mut found: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for (name, document) in &documents {
        let patient = document.header().patient().unwrap();
        assert!(patient.names().next().is_some() && patient.birth_time().unwrap().value.is_some(), "{name}");
        assert_eq!(document.kind().0.as_str(), "continuity-of-care", "{name}");
        for section in document.sections() {
            let sum = found.entry(section.kind.as_str()).or_default();
            sum.0 += 1;
            for entry in section.entries(document) {
                sum.1 += 1;
                sum.2 += facts(section.kind, entry, document) as u64;
                assert!(entry.kind != EntryKind::Unknown, "{name} {}", entry.location());
            }
        }
    }
    let said: BTreeMap<&str, (u64, u64, u64)> =
        truth.sections.iter().map(|(kind, section)| (*kind, (section.sections, section.entries, section.facts))).collect();
    assert_eq!(found, said);
    for kind in ["allergies", "problems", "medications", "results", "vital-signs", "encounters", "procedures", "immunizations"] {
        assert!(truth.sections[kind].facts > 20, "{kind}");
    }
}

/// Each finding is about an entry that is odd on purpose, or the habit of a style; each oddity shows.
#[test]
fn what_is_odd_is_meant_to_be() {
    let (folder, truth) = write(CcdaOptions { odd_percent: 10, ..options(36) });
    assert!(truth.odd.len() > 50);
    let documents: BTreeMap<String, Document> = documents(folder.path()).into_iter().collect();
    for odd in &truth.odd {
        let document = &documents[&odd.file];
        let section = document.sections().iter().find(|section| section.kind.as_str() == odd.section).unwrap();
        let entry = &section.entries(document)[odd.entry - 1];
        let statement = entry.element(document);
        let shows = match odd.oddity {
            "template-missing" => entry.matched_by == MatchedBy::Structure && statement.templates().next().is_none(),
            "time-malformed" => statement.descendants().any(|element| element.attr("value") == Some("unknown")),
            "code-missing" => {
                statement.descendants().any(|element| element.null_flavor() == Some("UNK") && element.child("originalText").is_some())
            }
            _ => statement.descendants().any(|element| element.attr("value").is_some_and(|value| value.starts_with("#gone"))),
        };
        assert!(shows, "{odd:?}");
    }
    for (name, document) in &documents {
        let odd = truth.odd.iter().filter(|odd| odd.file == *name).count();
        for finding in document.findings() {
            let is_meant = match finding.code {
                "time-malformed" | "reference-unresolved" | "entry-template-unknown" => odd > 0 || document.release() == Release::Unknown,
                "section-template-unknown" | "document-template-unknown" => document.release() == Release::Unknown,
                "section-unknown" => document.encoding() == "windows-1252",
                _ => false,
            };
            assert!(is_meant, "{name}: {finding:?}");
        }
    }
}

#[test]
fn styles_differ_as_vendors_do() {
    for (style, check) in [
        (CcdaStyle::Alder, (|document: &Document| document.release() == Release::R2_1) as fn(&Document) -> bool),
        (CcdaStyle::Birch, |document| document.root().templates().all(|(_, extension)| extension.is_some())),
        (CcdaStyle::Cedar, |document| document.release() == Release::R1_1),
        (CcdaStyle::Dogwood, |document| document.root().span().start == 0),
        (CcdaStyle::Elm, |document| document.sections().iter().all(|section| section.matched_by == MatchedBy::Loinc)),
        (CcdaStyle::Fir, |document| {
            document.encoding() == "windows-1252" && document.sections().iter().skip(1).all(|section| section.parent == Some(0))
        }),
    ] {
        let (folder, _) = write(CcdaOptions { style, ..options(12) });
        for (name, document) in documents(folder.path()) {
            assert!(check(&document), "{style:?} {name}");
        }
    }
}

/// Codes of problems, drugs and tests are those of the FHIR records of the same people.
#[test]
fn the_facts_are_those_of_the_fhir_records() {
    let (folder, truth) = write(CcdaOptions { odd_percent: 0, ..options(40) });
    let other = tempfile::tempdir().unwrap();
    let fhir = FhirExport::new(FhirOptions { patients: 40, seed: 7, ..FhirOptions::default() }).unwrap();
    let fhir = fhir.write_to(other.path(), &|_| ControlFlow::Continue(())).unwrap();
    let same = |section: &str, records: &BTreeMap<&'static str, u64>| {
        let records: BTreeMap<String, u64> = records.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
        assert_eq!(truth.sections[section].codes, records, "{section}");
    };
    same("problems", &fhir.conditions);
    same("allergies", &fhir.allergies);
    same("medications", &fhir.medication_requests);
    same("immunizations", &fhir.immunizations);
    same("procedures", &fhir.procedures);
    let labs: BTreeMap<String, u64> = fhir.labs.iter().map(|(code, lab)| ((*code).to_owned(), lab.count)).collect();
    assert_eq!(truth.sections["results"].codes, labs);
    assert_eq!(truth.sections["encounters"].entries, fhir.encounters.values().sum::<u64>());
    // Names are readable in every encoding.
    for (number, (name, document)) in documents(folder.path()).into_iter().enumerate() {
        let line = fs::read_to_string(other.path().join("ndjson/Patient.ndjson")).unwrap().lines().nth(number).unwrap().to_owned();
        let patient: serde_json::Value = serde_json::from_str(&line).unwrap();
        let written = document.header().patient().unwrap().names().next().unwrap();
        assert_eq!(written.family[0].text, patient["name"][0]["family"].as_str().unwrap(), "{name}");
        let birth = document.header().patient().unwrap().birth_time().unwrap().value.unwrap();
        assert_eq!(birth.to_string(), patient["birthDate"].as_str().unwrap());
    }
}

#[test]
fn every_number_can_be_read() {
    let (folder, _) = write(options(12));
    for (name, document) in documents(folder.path()) {
        for element in document.root().descendants().filter(|element| element.is("value") && element.xsi_type() == Some("PQ")) {
            let Value::Quantity(quantity) = Value::read(element) else { panic!("{name}: no quantity") };
            assert!(quantity.number().is_some() && quantity.unit.is_some(), "{name} at {:?}", element.span());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let read = |folder: &Path| files(folder).into_iter().map(|(name, path)| (name, fs::read(path).unwrap())).collect::<Vec<_>>();
    let ((one, first), (two, second)) = (write(options(12)), write(options(12)));
    assert_eq!(first, second);
    assert_eq!(read(one.path()), read(two.path()));
    // Packed files hold the same documents.
    let (packed, _) = write(CcdaOptions { compression: Compression::Gzip, ..options(12) });
    for ((_, plain), (name, packed)) in read(one.path()).into_iter().zip(read(packed.path())) {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut text).unwrap();
        assert!(name.ends_with(".xml.gz") && text == plain);
    }
}

#[test]
fn wrong_options_and_other_peoples_folders_are_refused() {
    for bad in
        [CcdaOptions { patients: 0, ..options(1) }, CcdaOptions { odd_percent: 101, ..options(1) }, CcdaOptions { years: 0, ..options(1) }]
    {
        assert!(matches!(CcdaExport::new(bad), Err(SyntheticError::BadOption { .. })));
    }
    let (folder, _) = write(options(2));
    let again = CcdaExport::new(options(2)).unwrap().write_to(folder.path(), &|_| ControlFlow::Continue(()));
    assert!(matches!(again, Err(SyntheticError::OtherFeed { .. })));
    let stopped = tempfile::tempdir().unwrap();
    let result = CcdaExport::new(options(2)).unwrap().write_to(stopped.path(), &|_| ControlFlow::Break(()));
    assert!(matches!(result, Err(SyntheticError::Stopped)) && !stopped.path().join("truth.json").exists());
}
