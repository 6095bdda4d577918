//! C-CDA to FHIR over the documents of vendors, where the test data are; else over a small document made here.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

use std::{fs, hint::black_box, path::PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_ccda::{Document, Limits};
use sutura_convert::{
    ccda::{Converter, Options},
    fhir::Source,
    report::Report,
};
use sutura_core::Sha256Hash;

fn files(folder: &PathBuf, found: &mut Vec<Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            found.push(bytes);
        }
    }
}

/// The documents of vendors.
fn documents() -> Vec<Vec<u8>> {
    let data = std::env::var_os("SUTURA_TEST_DATA").map_or_else(|| PathBuf::from("../../../shared/data"), PathBuf::from);
    let mut found = Vec::new();
    files(&data.join("ccda/sample_ccdas"), &mut found);
    files(&data.join("ccda/msft-fhir-converter/documents"), &mut found);
    found.retain(|bytes| Document::parse(bytes.clone(), &Limits::default()).is_ok());
    if found.is_empty() {
        eprintln!("SKIPPED: test data not found; a small document is used");
        let section = r#"<component><section><code code="29762-2" codeSystem="2.16.840.1.113883.6.1"/><title>S</title><text>T</text></section></component>"#;
        found.push(
            format!(
                r#"<ClinicalDocument xmlns="urn:hl7-org:v3"><component><structuredBody>{}</structuredBody></component></ClinicalDocument>"#,
                section.repeat(20)
            )
            .into_bytes(),
        );
    }
    found
}

fn convert(criterion: &mut Criterion) {
    let documents = documents();
    let mut group = criterion.benchmark_group("ccda");
    group.throughput(Throughput::Elements(documents.len() as u64));
    for (name, check) in [("convert", true), ("convert-unchecked", false)] {
        let converter = Converter::new(Options { check, ..Options::default() });
        group.bench_function(name, |bencher| {
            let mut out = Vec::new();
            bencher.iter(|| {
                let mut report = Report::new();
                for bytes in &documents {
                    let document = Document::parse(bytes.clone(), &Limits::default()).unwrap();
                    let source = Source { uri: "file:///a.xml", offset: 0, length: bytes.len() as u64, sha256: Sha256Hash::of(bytes) };
                    out.clear();
                    converter.convert(&document, &source, &mut report, &mut out).unwrap();
                    black_box(&out);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, convert);
criterion_main!(benches);
