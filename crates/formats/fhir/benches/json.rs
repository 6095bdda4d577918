//! Bytes to tape, beside serde_json.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_fhir::json::Parser;

fn benches(c: &mut Criterion) {
    let line = br#"{"resourceType":"Observation","id":"bd1f7b4f-9c2e-4dd5-a6a8-b86a9d2a12fd","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}],"text":"Body Height"},"subject":{"reference":"urn:uuid:a1"},"encounter":{"reference":"urn:uuid:b2"},"effectiveDateTime":"2012-04-03T10:12:01-04:00","issued":"2012-04-03T10:12:01.512-04:00","valueQuantity":{"value":170.4,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}"#;
    let mut group = c.benchmark_group("json");
    group.throughput(Throughput::Bytes(line.len() as u64));
    let mut parser = Parser::default();
    group.bench_function("tape", |b| b.iter(|| parser.parse(line).map(|document| document.node_count())));
    group.bench_function("serde_json", |b| b.iter(|| serde_json::from_slice::<serde_json::Value>(line)));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
