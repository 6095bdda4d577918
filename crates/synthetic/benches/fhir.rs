//! How fast records are made and written.
#![allow(missing_docs)]

use std::ops::ControlFlow;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_synthetic::{FhirExport, FhirOptions, Layout};

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("generate fhir");
    group.sample_size(10);
    for layout in [Layout::Ndjson, Layout::Bundles] {
        let Ok(export) = FhirExport::new(FhirOptions { patients: 400, layout, ..FhirOptions::default() }) else { return };
        let write = || {
            let folder = tempfile::tempdir().ok()?;
            export.write_to(folder.path(), &|_| ControlFlow::Continue(())).ok()
        };
        group.throughput(Throughput::Elements(write().map_or(0, |truth| truth.resources)));
        group.bench_function(format!("{layout:?}"), |b| b.iter(write));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
