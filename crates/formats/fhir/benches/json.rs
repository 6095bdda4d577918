//! Bytes to a value that can be walked, line by line: the tape beside other parsers.
//!
//! `SUTURA_BENCH_NDJSON` names a file of resources, one a line; without it a few made-up Observations are read.
#![allow(missing_docs, clippy::unwrap_used)]

mod feed;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sutura_fhir::json::Parser;

fn benches(c: &mut Criterion) {
    let feed = feed::ndjson();
    let lines: Vec<&[u8]> = feed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut group = c.benchmark_group("json");
    group.throughput(Throughput::Bytes(lines.iter().map(|line| line.len() as u64).sum()));
    group.sample_size(10);
    let mut parser = Parser::default();
    group.bench_function(BenchmarkId::new("sutura", "tape"), |b| {
        b.iter(|| lines.iter().map(|line| parser.parse(line).unwrap().node_count()).sum::<usize>());
    });
    group.bench_function(BenchmarkId::new("sonic-rs", "value"), |b| {
        b.iter(|| lines.iter().for_each(|line| drop(black_box(sonic_rs::from_slice::<sonic_rs::Value>(line).unwrap()))));
    });
    // It parses in place: the copy is part of reading a line that is wanted afterwards too.
    let (mut copy, mut buffers) = (Vec::new(), simd_json::Buffers::default());
    group.bench_function(BenchmarkId::new("simd-json", "tape"), |b| {
        b.iter(|| {
            for line in &lines {
                copy.clear();
                copy.extend_from_slice(line);
                black_box(simd_json::to_tape_with_buffers(&mut copy, &mut buffers).unwrap());
            }
        });
    });
    group.bench_function(BenchmarkId::new("serde_json", "value"), |b| {
        b.iter(|| lines.iter().for_each(|line| drop(black_box(serde_json::from_slice::<serde_json::Value>(line).unwrap()))));
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
