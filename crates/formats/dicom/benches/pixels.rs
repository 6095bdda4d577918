//! Speed of decoding and encoding frames of 512x512 samples of 16 bits on one core, in frames per second.
//!
//! `cargo bench -p sutura-dicom --bench pixels`; JPEG and JPEG 2000 need the shared test data (`SUTURA_TEST_DATA`).
#![allow(missing_docs, clippy::expect_used)]

#[path = "../tests/common/one_frame.rs"]
mod one_frame;

use std::{fs, hint::black_box, path::PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use one_frame::Described;
use sutura_dicom::{
    DicomFile, Limits,
    codec::{Lossless, encode},
    pixels::{
        FrameMap, PixelDescription,
        decode::{self, Frame, Samples},
        display,
    },
};

const SIZE: usize = 512;

/// A body of two tissues with eight organs and noise of 12 units, as CT values have it.
fn tomogram() -> Frame {
    let mut state = 7u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let place = |number: usize| 2.0 * number as f64 / (SIZE - 1) as f64 - 1.0;
    let mut samples = Vec::with_capacity(SIZE * SIZE);
    for row in 0..SIZE {
        for column in 0..SIZE {
            let (x, y) = (place(column), place(row));
            let body = (x / 0.8).powi(2) + (y / 0.65).powi(2);
            let mut value = if body < 0.9 {
                0.0
            } else if body < 1.0 {
                40.0
            } else {
                -1000.0
            };
            for organ in 0..8 {
                let organ = f64::from(organ);
                if (x - 0.5 * organ.cos()).powi(2) + (y - 0.4 * organ.sin()).powi(2) < 0.01 + 0.002 * organ {
                    value = 200.0 * organ - 700.0;
                }
            }
            let normal = (-2.0 * random().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * random()).cos();
            samples.push((value + 12.0 * normal + 1024.0).round().clamp(0.0, 4095.0) as i16);
        }
    }
    Frame { rows: SIZE, columns: SIZE, samples: 1, data: Samples::I16(samples) }
}

/// A file of one frame of a tomogram.
fn file(syntax: &str, pixels: &[u8]) -> DicomFile {
    let described = Described { rows: SIZE as u16, columns: SIZE as u16, samples: 1, bits: 16, is_signed: true };
    DicomFile::parse(one_frame::file(syntax, described, pixels), &Limits::default()).expect("a file that is made here")
}

fn first_frame(file: &DicomFile) -> Frame {
    let description = PixelDescription::of(file).expect("pixels");
    let map = FrameMap::with(file, &description).expect("frames");
    decode::frame(file, &description, &map, 0).expect("a frame")
}

fn pixels(criterion: &mut Criterion) {
    let frame = tomogram();
    let mut group = criterion.benchmark_group("pixels");
    group.throughput(Throughput::Elements(1));
    let native = file("1.2.840.10008.1.2.1", &frame.data.to_le_bytes());
    group.bench_function("decode native", |bench| bench.iter(|| black_box(first_frame(&native))));
    let description = PixelDescription::of(&native).expect("pixels");
    let map = FrameMap::with(&native, &description).expect("frames");
    group.bench_function("picture native", |bench| {
        bench.iter(|| black_box(display::picture(&native, &description, &map, 0).expect("a picture")));
    });
    for into in Lossless::ALL {
        group.bench_function(format!("encode {into:?}"), |bench| bench.iter(|| black_box(encode(&frame, 16, into).expect("a frame"))));
        let coded = file(into.uid(), &encode(&frame, 16, into).expect("a frame"));
        group.bench_function(format!("decode {into:?}"), |bench| bench.iter(|| black_box(first_frame(&coded))));
    }
    if let Some(folder) = std::env::var_os("SUTURA_TEST_DATA") {
        for name in ["wg04/JPLL/MR1_JPLL", "wg04/JPLY/MR1_JPLY", "wg04/JLSL/MR1_JLSL", "wg04/J2KR/MR1_J2KR", "wg04/J2KR/CT1_J2KR"] {
            let path = PathBuf::from(&folder).join("dicom").join(name);
            let coded = DicomFile::parse(fs::read(path).expect("the shared test data"), &Limits::default()).expect("a file");
            group.bench_function(format!("decode {name}"), |bench| bench.iter(|| black_box(first_frame(&coded))));
        }
    }
    group.finish();
}

criterion_group!(benches, pixels);
criterion_main!(benches);
