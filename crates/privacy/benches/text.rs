//! Megabytes a second of free text: finding in notes, in prose without identifiers and with a known patient, and replacing.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_privacy::text::{KnownPatient, Replacement, Replacements, Rules, Scrubber, TextClass};

const NOTE: &str = "DISCHARGE SUMMARY\nName: Shea, Rhonda   MRN: 257475\nDOB: 03/14/2018  Admit: June 1st  Discharge: 2021-06-08\n\
HPI: Ms. Shea is a 95 year old woman seen at St. Bell Medical Center by Dr. Stevens. Strength 5/5 bilaterally, grade 2/6 systolic murmur. \
Lives at 852 Derek Camp Suite 238, Christophermouth, CA 95251. History of Hodgkin lymphoma, Bell palsy in 2009. Started metoprolol 25 mg PO BID. \
Call 508-747-7104 or write to linda51@yahoo.com. Specimen S21-44053 collected 14 Aug 2017. SSN 555-74-1318.\nSigned by Michael Stevens, MD\n";
const PROSE: &str = "The patient was started on a beta blocker and an ACE inhibitor with good effect; blood pressure fell to 120/80 and the ejection \
fraction was 55-60%. Echo showed moderate LA enlargement without thrombus. She denies chest pain, nausea or vomiting and will follow up in clinic.\n";

fn benches(criterion: &mut Criterion) {
    let scrubber = Scrubber::new(Rules::builtin(&["en"]).unwrap());
    let mut known = KnownPatient::new();
    known.add_name("Shea, Rhonda");
    known.add_identifier("257475", TextClass::Mrn);
    known.add_address("852 Derek Camp Suite 238, Christophermouth, CA 95251");
    let mut group = criterion.benchmark_group("text");
    for (name, unit, known) in [("notes", NOTE, None), ("prose", PROSE, None), ("notes of a known patient", NOTE, Some(&known))] {
        let text = unit.repeat((1 << 20) / unit.len());
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut spans = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                spans.clear();
                scrubber.spans(black_box(&text), known, &mut spans).unwrap();
                spans.len()
            });
        });
    }
    let text = NOTE.repeat((1 << 20) / NOTE.len());
    let mut spans = Vec::new();
    scrubber.spans(&text, None, &mut spans).unwrap();
    let replacements = Replacements::all(Replacement::Tag);
    let mut out = String::new();
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("replace by tags", |bencher| {
        bencher.iter(|| {
            out.clear();
            scrubber.replace(&text, black_box(&spans), &replacements, &mut out);
            out.len()
        });
    });
    group.finish();
}

criterion_group! {
    name = text;
    config = Criterion::default().sample_size(20);
    targets = benches
}
criterion_main!(text);
