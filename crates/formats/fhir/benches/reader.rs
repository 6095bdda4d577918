//! The whole reader: NDJSON to record batches.
//!
//! `SUTURA_BENCH_NDJSON` names a file of Observations, one a line; without it a few made-up ones are read.
#![allow(missing_docs, clippy::unwrap_used)]

mod feed;

use std::ops::ControlFlow;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest};
use sutura_fhir::read::{Decoder, Fhir};

/// The columns of the view in SQL that other engines are measured with.
const VIEW: [&str; 9] =
    ["id", "patient_reference", "code_system", "code_code", "code_display", "effective_datetime", "value_number", "value_unit", "status"];

fn read(feed: &Bytes, table: &str, columns: Option<&[&str]>) -> usize {
    let definition = Fhir.table(table).unwrap();
    let columns = columns.map(|names| names.iter().map(|name| definition.index_of(name).unwrap()).collect());
    let spec = DecoderSpec {
        source: "bench".into(),
        start: 0,
        end: None,
        options: serde_json::Value::Null,
        requests: vec![TableRequest { table: table.to_owned(), columns, filter: Vec::new() }],
        batch_rows: 8192,
    };
    let mut decoder = Decoder::new(spec).unwrap();
    let mut rows = 0;
    let mut sink = |decoded: Decoded| {
        if let Decoded::Batch { batch, .. } = decoded {
            rows += batch.num_rows();
        }
        ControlFlow::Continue(())
    };
    for from in (0..feed.len()).step_by(4 << 20) {
        decoder.push(feed.slice(from..feed.len().min(from + (4 << 20))), &mut sink).unwrap();
    }
    decoder.finish(&mut sink).unwrap();
    rows
}

fn benches(c: &mut Criterion) {
    let feed = Bytes::from(feed::ndjson());
    let mut group = c.benchmark_group("reader");
    group.sample_size(10);
    for (name, table, columns) in [
        ("no column", "observations", Some(&[][..])),
        ("view of 9 columns", "observations", Some(&VIEW[..])),
        ("all columns", "observations", None),
        ("components", "observation_components", Some(&["observation_id", "code_code", "value_number", "value_unit"][..])),
        ("resources with JSON", "resources", Some(&["resource_type", "id", "json"][..])),
    ] {
        let rows = read(&feed, table, columns);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new(name, rows), |b| b.iter(|| read(&feed, table, columns)));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
