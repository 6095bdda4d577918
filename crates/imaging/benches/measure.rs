//! Metrics of 512 x 512 images: the ones of the scikit-image baseline, and all.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use sutura_imaging::{Image, MeasureOptions, Measurer, burned};

/// A disk with noise, as whole numbers.
fn image() -> Image {
    let mut state = 1u64;
    let values = (0..512 * 512).map(|place| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (y, x) = (place / 512 - 256, place % 512 - 256);
        let tissue = if y * y + x * x < 190 * 190 { 1000.0 } else { 20.0 };
        tissue + (state >> 59) as f32
    });
    Image::new(512, 512, values.collect()).unwrap()
}

fn measure(criterion: &mut Criterion) {
    let image = image();
    let mut group = criterion.benchmark_group("measure");
    group.throughput(Throughput::Elements(1)).sample_size(30);
    // Laplacian variance, SNR of the middle, deviation of a corner, sum of the Fourier magnitudes: and what comes with them.
    let mut baseline = Measurer::new(MeasureOptions { text: false, artifacts: false, spectrum: true });
    group.bench_function("baseline_512", |bencher| bencher.iter(|| black_box(baseline.measure(black_box(&image), "CT"))));
    let mut all = Measurer::new(MeasureOptions::default());
    group.bench_function("all_512", |bencher| bencher.iter(|| black_box(all.measure(black_box(&image), "MR"))));
    group.bench_function("text_512", |bencher| bencher.iter(|| black_box(burned::text_boxes(&black_box(&image).to_8_bits()))));
    group.finish();
}

criterion_group!(benches, measure);
criterion_main!(benches);
