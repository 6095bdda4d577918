//! NDJSON through a view: rows a second on one core.
//!
//! The file is that of the baselines: Synthea Observations, one a line, named by `SUTURA_BENCH_NDJSON`. Without it a made-up
//! file of the same shape is used, whose numbers are not comparable.
#![allow(missing_docs, clippy::print_stdout)]

use std::{fmt::Write, ops::ControlFlow};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_core::{Comparison, Condition, Constant, Decoded, DecoderSpec, Format, TableRequest, Test, ViewText};
use sutura_fhir::{
    read::Fhir,
    view::{NdjsonOptions, View, read_ndjson},
};

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

/// The rows of tables of the reader, as the engine asks for them.
fn through_reader(feed: &Bytes, format: &dyn Format, requests: Vec<TableRequest>) -> usize {
    let options = serde_json::Value::Null;
    let spec = DecoderSpec { source: "bench".into(), start: 0, end: None, options, requests, batch_rows: 4096 };
    let Ok(mut decoder) = format.decoder(spec) else { return 0 };
    let mut rows = 0;
    let mut sink = |decoded: Decoded| {
        if let Decoded::Batch { batch, .. } = decoded {
            rows += batch.num_rows();
        }
        ControlFlow::Continue(())
    };
    for from in (0..feed.len()).step_by(4 << 20) {
        let _ = decoder.push(feed.slice(from..feed.len().min(from + (4 << 20))), &mut sink);
    }
    let _ = decoder.finish(&mut sink);
    rows
}

fn reader(c: &mut Criterion, bytes: &[u8]) {
    let feed = Bytes::copy_from_slice(bytes);
    let definitions = [OBSERVATIONS, COMPONENTS, OBSERVATIONS, COMPONENTS, OBSERVATIONS];
    let views = definitions.iter().enumerate().map(|(at, text)| {
        let name = Some(format!("view{at}"));
        ViewText { origin: "bench".to_owned(), name, text: text.as_bytes().to_vec() }
    });
    let Ok(format) = Fhir.with_views(&views.collect::<Vec<_>>()) else { return };
    let whole = |at: usize| TableRequest::whole(format!("view{at}"));
    let code = Condition { column: 7, test: Test::Compare(Comparison::Equal, Constant::Text("8302-2".into())) };
    let mut group = c.benchmark_group("reader");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    for (name, requests) in [
        ("one", vec![whole(0)]),
        ("two columns", vec![TableRequest { columns: Some(vec![0, 4]), ..whole(0) }]),
        ("one code", vec![TableRequest { filter: vec![code], ..whole(0) }]),
        ("five", (0..5).map(whole).collect()),
    ] {
        let mut rows = 0;
        group.bench_function(name, |b| b.iter(|| rows = through_reader(&feed, format.as_ref(), requests.clone())));
        println!("reader, {name}: {rows} rows a pass");
    }
    group.finish();
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
    reader(c, &bytes);
}

criterion_group!(all, benches);
criterion_main!(all);
