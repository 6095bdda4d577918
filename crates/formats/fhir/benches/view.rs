//! NDJSON through a view: rows a second on one core.
//!
//! The file is that of the baselines: Synthea Observations, one a line, named by `SUTURA_BENCH_NDJSON`. Without it a made-up
//! file of the same shape is used, whose numbers are not comparable.
#![allow(missing_docs, clippy::print_stdout)]

use std::ops::ControlFlow;

use std::fmt::Write;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_fhir::view::{NdjsonOptions, View, read_ndjson};

const OBSERVATIONS: &str = r#"{"resource":"Observation","select":[{"column":[{"name":"id","path":"getResourceKey()"},{"name":"patient","path":"subject.getReferenceKey()"},{"name":"status","path":"status"},{"name":"effective","path":"effective.ofType(dateTime)"},{"name":"value","path":"value.ofType(Quantity).value"},{"name":"unit","path":"value.ofType(Quantity).unit"}]},{"forEach":"code.coding","column":[{"name":"system","path":"system"},{"name":"code","path":"code"}]}]}"#;
const COMPONENTS: &str = r#"{"resource":"Observation","where":[{"path":"code.coding.exists(system = 'http://loinc.org' and code = '85354-9')"}],"select":[{"column":[{"name":"id","path":"getResourceKey()"}]},{"forEach":"component","column":[{"name":"code","path":"code.coding.first().code"},{"name":"value","path":"value.ofType(Quantity).value"}]}]}"#;

fn made_up() -> Vec<u8> {
    let mut lines = String::new();
    for n in 0..20_000 {
        let _ = writeln!(
            lines,
            r#"{{"resourceType":"Observation","id":"o{n}","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}}],"text":"Body Height"}},"subject":{{"reference":"urn:uuid:p{p}"}},"effectiveDateTime":"2012-04-03T10:12:01-04:00","issued":"2012-04-03T10:12:01.512-04:00","valueQuantity":{{"value":{value}.4,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}}}"#,
            p = n % 97,
            value = 100 + n % 90,
        );
    }
    lines.into_bytes()
}

fn benches(c: &mut Criterion) {
    let bytes = match std::env::var_os("SUTURA_BENCH_NDJSON").map(std::fs::read) {
        Some(Ok(bytes)) => bytes,
        _ => {
            println!("SUTURA_BENCH_NDJSON is not set: a made-up file is used");
            made_up()
        }
    };
    let mut group = c.benchmark_group("view");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    for (name, definitions) in
        [("one", vec![OBSERVATIONS]), ("filtered", vec![COMPONENTS]), ("five", [OBSERVATIONS, COMPONENTS].repeat(3)[..5].to_vec())]
    {
        let views: Vec<View> = definitions.into_iter().filter_map(|text| View::from_json(text.as_bytes()).ok()).collect();
        let mut rows = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                rows = 0;
                read_ndjson(&bytes[..], &views, NdjsonOptions::default(), &mut |output| {
                    if let sutura_fhir::view::Output::Batch { batch, .. } = output {
                        rows += batch.num_rows();
                    }
                    ControlFlow::Continue(())
                })
            });
        });
        println!("{name}: {} views, {rows} rows a pass", views.len());
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
