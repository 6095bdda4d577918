//! Speed of reading documents on one core, in documents and bytes per second.
//!
//! `cargo bench -p sutura-ccda`; with `SUTURA_BENCH_CORPUS=FOLDER` on the `.xml` and `.ccda` files of a folder, else on a document
//! that is made here.
#![allow(missing_docs, clippy::expect_used)]

use std::{fmt::Write as _, fs, hint::black_box, ops::ControlFlow, path::Path};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_ccda::{Ccda, Decoder, Document, Limits};
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest};

/// A made-up document of results and problems.
fn generated() -> Vec<Bytes> {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ClinicalDocument xmlns=\"urn:hl7-org:v3\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
         <templateId root=\"2.16.840.1.113883.10.20.22.1.2\" extension=\"2015-08-01\"/><id root=\"1.2\" extension=\"1\"/>\n\
         <recordTarget><patientRole><id root=\"1.2.3\" extension=\"7\"/></patientRole></recordTarget>\n<component><structuredBody>\n",
    );
    for section in 0..8 {
        let _ = write!(
            text,
            "<component><section><templateId root=\"2.16.840.1.113883.10.20.22.2.3.1\" extension=\"2015-08-01\"/><code code=\"30954-2\"/><title>Results {section}</title>\n<text><table><tbody>"
        );
        for row in 0..20 {
            let _ = writeln!(text, "<tr><td ID=\"r{section}.{row}\">Glucose</td><td>{row} mg/dL &amp; more</td></tr>");
        }
        text.push_str("</tbody></table></text>\n<entry><organizer classCode=\"BATTERY\" moodCode=\"EVN\"><templateId root=\"2.16.840.1.113883.10.20.22.4.1\"/>\n");
        for row in 0..20 {
            let _ = writeln!(
                text,
                "  <component>\n    <observation classCode=\"OBS\" moodCode=\"EVN\">\n      <templateId root=\"2.16.840.1.113883.10.20.22.4.2\"/>\n      <id root=\"1.2\" extension=\"{row}\"/>\n      \
                 <code code=\"2345-7\" codeSystem=\"2.16.840.1.113883.6.1\" displayName=\"Glucose\"/>\n      <text><reference value=\"#r{section}.{row}\"/></text>\n      <statusCode code=\"completed\"/>\n      \
                 <effectiveTime value=\"20240430\"/>\n      <value xsi:type=\"PQ\" value=\"{row}.5\" unit=\"mg/dL\"/>\n    </observation>\n  </component>"
            );
        }
        text.push_str("</organizer></entry></section></component>\n");
    }
    text.push_str("</structuredBody></component></ClinicalDocument>\n");
    vec![text.into()]
}

fn collect(folder: &Path, found: &mut Vec<Bytes>) {
    let mut paths: Vec<_> = fs::read_dir(folder).expect("a readable folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "xml" || ending == "ccda") {
            let bytes: Bytes = fs::read(&path).expect("a readable file").into();
            if Document::parse(bytes.clone(), &Limits::default()).is_ok() {
                found.push(bytes);
            }
        }
    }
}

fn tables(document: &Bytes, requests: &[TableRequest]) {
    let spec = DecoderSpec {
        source: "bench:document".into(),
        start: 0,
        end: None,
        options: serde_json::Value::Null,
        requests: requests.to_vec(),
        batch_rows: 8192,
    };
    let mut decoder = Decoder::new(spec).expect("tables that exist");
    let mut sink = |decoded: Decoded| {
        black_box(decoded);
        ControlFlow::Continue(())
    };
    decoder.push(document.clone(), &mut sink).expect("no batch fails");
    decoder.finish(&mut sink).expect("no batch fails");
}

fn documents(criterion: &mut Criterion) {
    let corpus = std::env::var_os("SUTURA_BENCH_CORPUS").map_or_else(generated, |folder| {
        let mut found = Vec::new();
        collect(Path::new(&folder), &mut found);
        found
    });
    let bytes: usize = corpus.iter().map(Bytes::len).sum();
    let all: Vec<_> = Ccda.tables().iter().map(|table| TableRequest::whole(table.name.clone())).collect();
    let entries = vec![TableRequest::whole("entries")];
    for (unit, throughput) in [("bytes", Throughput::Bytes(bytes as u64)), ("documents", Throughput::Elements(corpus.len() as u64))] {
        let mut group = criterion.benchmark_group(format!("ccda_{unit}"));
        group.throughput(throughput).sample_size(10);
        group.bench_function("parse", |bencher| {
            bencher.iter(|| corpus.iter().for_each(|document| drop(black_box(Document::parse(document.clone(), &Limits::default())))));
        });
        group.bench_function("entries", |bencher| bencher.iter(|| corpus.iter().for_each(|document| tables(document, &entries))));
        group.bench_function("all_tables", |bencher| bencher.iter(|| corpus.iter().for_each(|document| tables(document, &all))));
        group.finish();
    }
}

criterion_group!(benches, documents);
criterion_main!(benches);
