//! Every document and fragment of the shared test data is read: whole documents of ten vendors, examples of entries and sections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use sutura_ccda::{Ccda, CcdaErrorKind, Decoder, Document, DocumentKind, EntryKind, Limits, MatchedBy, SectionKind, value::Value};
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest};

/// Examples that no XML reader can read: what is wrong with each.
const NOT_XML: [(&str, CcdaErrorKind); 1] = [("Basic Occupation Observation Example.xml", CcdaErrorKind::Unbalanced)];

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from)
        .join("ccda");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml") || ending == "ccda") {
            found.push(path);
        }
    }
}

fn is_document(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("<ClinicalDocument ") || text.contains("<ClinicalDocument>") || text.contains(":ClinicalDocument ")
}

/// Files, by name.
type Files = Vec<(String, Vec<u8>)>;

/// Documents and fragments, with their names within the test data.
fn all(data: &Path) -> (Files, Files) {
    let mut paths = Vec::new();
    files(data, &mut paths);
    let read = paths.into_iter().map(|path| {
        let name = path.strip_prefix(data).unwrap().display().to_string();
        (name, fs::read(&path).unwrap())
    });
    read.partition(|(_, bytes)| is_document(bytes))
}

fn parsed(data: &Path) -> Vec<(String, Document)> {
    let (documents, _) = all(data);
    let parse = |(name, bytes): (String, Vec<u8>)| {
        let document = Document::parse(bytes, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, document)
    };
    documents.into_iter().map(parse).collect()
}

#[test]
fn all_whole_documents_are_read() {
    let Some(data) = data() else { return };
    let documents = parsed(&data);
    assert!(documents.len() >= 74, "{} documents", documents.len());
    let (mut kinds, mut sections, mut entries, mut findings) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (name, document) in &documents {
        // The guide shows some parts in the form of a document, without a header.
        if document.root().child("recordTarget").is_none() {
            assert!(name.contains("hl7-ccda-examples"), "{name}");
            continue;
        }
        let (kind, _) = document.kind();
        *kinds.entry(kind).or_insert(0) += 1;
        assert!(kind != DocumentKind::Other, "{name}");
        for section in document.sections() {
            *sections.entry(section.kind).or_insert(0) += 1;
        }
        for entry in document.entries() {
            *entries.entry((entry.kind, entry.matched_by == MatchedBy::Template)).or_insert(0) += 1;
        }
        for finding in document.findings() {
            *findings.entry(finding.code).or_insert(0) += 1;
        }
        // The guide shows headers in the form of a document, without a body.
        if name.contains("hl7-ccda-examples/Header") || name.contains("Direct-Address") {
            continue;
        }
        let patient = document.header().patient().unwrap_or_else(|| panic!("{name}: no patient"));
        assert!(patient.names().any(|name| !name.is_empty()), "{name}: no name");
        assert!(document.header().custodian().is_some(), "{name}: no custodian");
        assert!(!document.sections().is_empty() || document.non_xml_body().is_some(), "{name}: no body");
    }
    println!("{kinds:#?}\n{sections:#?}\n{entries:#?}\n{findings:#?}");
    let unknown = sections.get(&SectionKind::Unknown).copied().unwrap_or_default();
    assert_eq!(unknown, 116, "sections of no known kind (all without code and template)");
    for kind in [SectionKind::Allergies, SectionKind::Medications, SectionKind::Problems, SectionKind::Results, SectionKind::VitalSigns] {
        assert!(sections[&kind] >= 40, "{kind:?}");
    }
    let unknown: usize = entries.iter().filter(|((kind, _), _)| *kind == EntryKind::Unknown).map(|(_, count)| count).sum();
    assert_eq!(unknown, 2, "entries of no known kind: those of an example without templates and section codes");
}

/// Each element is where its span says, and has its children within.
#[test]
fn every_element_is_at_its_span() {
    let Some(data) = data() else { return };
    let (documents, _) = all(&data);
    for (name, bytes) in documents {
        let document = Document::parse(bytes.clone(), &Limits::default()).unwrap();
        assert_eq!(document.encoding(), "UTF-8", "{name}");
        for element in document.root().descendants() {
            let span = element.span();
            let around = element.parent().unwrap().span();
            assert!(around.start < span.start && span.end < around.end, "{name}");
            let text = &bytes[span];
            assert!(text.starts_with(b"<") && text.ends_with(b">"), "{name}");
            let tag = std::str::from_utf8(&text[1..text.len().min(200)]).unwrap_or_default();
            let tag = tag.split([' ', '>', '/', '\n', '\r', '\t']).next().unwrap();
            assert_eq!(tag.rsplit(':').next().unwrap(), element.name(), "{name}");
        }
    }
}

/// Values of every kind are read from every document without loss of what is there.
#[test]
fn values_are_read() {
    let Some(data) = data() else { return };
    let mut types = BTreeMap::new();
    for (name, document) in parsed(&data) {
        for element in document.root().descendants().filter(|element| element.is("value") && element.parent().unwrap().is("observation")) {
            let value = Value::read(element);
            *types.entry(value.type_name()).or_insert(0) += 1;
            match value {
                Value::Other(_) => panic!("{name}: {:?}", element.xsi_type()),
                Value::Quantity(quantity) => {
                    assert!(
                        quantity.value.is_some()
                            || quantity.null_flavor.is_some()
                            || quantity.raw.is_none_or(|raw| raw.parse::<f64>().is_err()),
                        "{name}"
                    );
                }
                _ => {}
            }
        }
    }
    println!("{types:?}");
    assert!(types["CD"] > 800 && types["PQ"] > 400);
}

/// Every table over every document: no reject, and rows where there are entries.
#[test]
fn all_tables_are_filled() {
    let Some(data) = data() else { return };
    let requests: Vec<_> = Ccda.tables().iter().map(|table| TableRequest::whole(table.name.clone())).collect();
    let mut rows = BTreeMap::new();
    let (documents, _) = all(&data);
    let count = documents.len();
    for (name, bytes) in documents {
        let options = serde_json::Value::Null;
        let spec = DecoderSpec { source: name.as_str().into(), start: 0, end: None, options, requests: requests.clone(), batch_rows: 8192 };
        let mut decoder = Decoder::new(spec).unwrap();
        let mut out = Vec::new();
        decoder.push(bytes.into(), &mut out).unwrap();
        let stats = decoder.finish(&mut out).unwrap();
        assert!(stats.balances() && stats.accepted == 1, "{name}");
        for item in out {
            match item {
                Decoded::Batch { request, batch } => *rows.entry(requests[request].table.clone()).or_insert(0) += batch.num_rows(),
                Decoded::Reject(reject) => panic!("{name}: {}", reject.reason),
            }
        }
    }
    println!("{rows:?}");
    assert_eq!(rows["documents"], count);
    for (table, least) in [
        ("problems", 187),
        ("allergies", 94),
        ("medications", 120),
        ("immunizations", 99),
        ("results", 190),
        ("vital_signs", 311),
        ("procedures", 95),
        ("encounters", 42),
    ] {
        assert!(rows[table] >= least, "{table}: {}", rows[table]);
    }
}

/// Steps of a sequence that is the same each time.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

/// A document with bytes changed, a piece taken out, doubled or cut off.
fn damaged(bytes: &[u8], state: &mut u64) -> Vec<u8> {
    const PIECES: [&[u8]; 12] =
        [b"<", b">", b"\"", b"&", b"</", b"/>", b"<![CDATA[", b"<!--", b"\xff\xfe", b"\0", b" xmlns='x'", b"<entry><act>"];
    let mut out = bytes.to_vec();
    for _ in 0..=next(state) % 3 {
        let (at, other) = (next(state) % out.len(), next(state) % out.len());
        let (low, high) = (at.min(other), (at.max(other)).min(at.min(other) + 2000));
        match next(state) % 5 {
            0 => out[at] = next(state) as u8,
            1 => drop(out.drain(low..high)),
            2 => {
                let piece = out[low..high].to_vec();
                drop(out.splice(other..other, piece));
            }
            3 => drop(out.splice(at..at, PIECES[next(state) % PIECES.len()].iter().copied())),
            _ => out.truncate(at + 1),
        }
        if out.is_empty() {
            out.push(b' ');
        }
    }
    out
}

/// Damaged documents give an error with its place, or a document whose parts can all be read; never a panic.
#[test]
fn damage_costs_no_more_than_the_document() {
    let Some(data) = data() else { return };
    let (documents, _) = all(&data);
    let (mut state, mut read, mut refused) = (7, 0, 0);
    for (name, bytes) in documents {
        for _ in 0..6 {
            let bytes = damaged(&bytes, &mut state);
            let document = match Document::parse_fragment(bytes.clone(), &Limits::default()) {
                Ok(document) => document,
                Err(error) => {
                    refused += 1;
                    assert!(error.offset <= bytes.len(), "{name}: {error}");
                    continue;
                }
            };
            read += 1;
            for element in document.root().descendants() {
                let (span, around) = (element.span(), element.parent().unwrap().span());
                assert!(around.start <= span.start && span.end <= around.end && span.end <= bytes.len(), "{name}");
            }
            let requests: Vec<_> = Ccda.tables().iter().map(|table| TableRequest::whole(table.name.clone())).collect();
            let options = serde_json::Value::Null;
            let spec = DecoderSpec { source: name.as_str().into(), start: 0, end: None, options, requests, batch_rows: 100 };
            let (mut decoder, mut out) = (Decoder::new(spec).unwrap(), Vec::new());
            decoder.push(bytes.into(), &mut out).unwrap();
            assert!(decoder.finish(&mut out).unwrap().balances(), "{name}");
        }
    }
    println!("{read} damaged documents read, {refused} refused");
    assert!(read > 50 && refused > 100);
}

/// Fragments: as they are, and as the body of a document.
#[test]
fn all_fragments_are_read() {
    let Some(data) = data() else { return };
    let (_, fragments) = all(&data);
    assert!(fragments.len() > 280, "{} fragments", fragments.len());
    let mut wrong = Vec::new();
    for (name, bytes) in fragments {
        let known = NOT_XML.iter().find(|(known, _)| name.ends_with(known)).map(|(_, kind)| *kind);
        let found = Document::parse_fragment(bytes.clone(), &Limits::default());
        if found.as_ref().err().map(|error| error.kind) != known {
            wrong.push(format!("{name}: {found:?}"));
            continue;
        }
        let Ok(fragment) = found else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let body = text.trim_start_matches('\u{feff}').trim_start();
        let body = body.strip_prefix("<?xml").map_or(body, |rest| rest.split_once("?>").unwrap().1);
        let inner = match fragment.root().name() {
            "section" => format!("<component>{body}</component>"),
            "component" => body.to_owned(),
            _ => format!("<component><section><text/><entry>{body}</entry></section></component>"),
        };
        let whole = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:sdtc='urn:hl7-org:sdtc'>\
             <recordTarget/><component><structuredBody>{inner}</structuredBody></component></ClinicalDocument>"
        );
        if let Err(error) = Document::parse(whole, &Limits::default()) {
            wrong.push(format!("{name}, wrapped: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{} fragments:\n{}", wrong.len(), wrong.join("\n"));
}
