//! Messages per second of the generator.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_synthetic::{Feed, FeedOptions};

fn feed(criterion: &mut Criterion) {
    const MESSAGES: u64 = 50_000;
    let folder = std::env::temp_dir().join(format!("sutura-synthetic-bench-{}", std::process::id()));
    let feed = Feed::new(FeedOptions { messages: MESSAGES, seed: 1, ..FeedOptions::default() }).unwrap();
    let mut group = criterion.benchmark_group("feed");
    group.throughput(Throughput::Elements(MESSAGES)).sample_size(10);
    group.bench_function("hl7v2", |bencher| bencher.iter(|| feed.write_to(&folder, &|_| {}).unwrap().accepted));
    group.finish();
    std::fs::remove_dir_all(&folder).ok();
}

criterion_group!(benches, feed);
criterion_main!(benches);
