//! Speed of reading headers on one core, in files per second.
//!
//! `cargo bench -p sutura-dicom`; with `SUTURA_BENCH_CORPUS=FOLDER` on the files of a folder, else on a file that is made here.
#![allow(missing_docs, clippy::expect_used)]

use std::{fs, hint::black_box, ops::ControlFlow, path::Path, sync::Arc};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_core::{Decoded, TableRequest};
use sutura_dicom::{DicomFile, Limits, Options, Reader};

/// A made-up CT header with its pixels.
fn generated() -> Vec<Bytes> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut text = |group: u16, element: u16, vr: &[u8; 2], value: &str| {
        let value = if value.len().is_multiple_of(2) { value.to_owned() } else { format!("{value} ") };
        bytes.extend(group.to_le_bytes());
        bytes.extend(element.to_le_bytes());
        bytes.extend(vr);
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value.as_bytes());
    };
    text(2, 0x10, b"UI", "1.2.840.10008.1.2.1\0");
    text(8, 5, b"CS", "ISO_IR 100");
    text(8, 0x16, b"UI", "1.2.840.10008.5.1.4.1.1.2\0");
    text(8, 0x60, b"CS", "CT");
    text(0x10, 0x10, b"PN", "Doe^Jane");
    text(0x10, 0x20, b"LO", "4711");
    for element in 0..120 {
        text(0x18, 0x1000 + element, b"LO", "a value of some length");
    }
    text(0x20, 0x32, b"DS", "-180\\-180\\12.5");
    bytes.extend(b"\xe0\x7f\x10\x00OW\x00\x00\x00\x00\x08\x00");
    bytes.resize(bytes.len() + (512 << 10), 0);
    vec![bytes.into()]
}

fn collect(folder: &Path, found: &mut Vec<Bytes>) {
    let mut paths: Vec<_> = fs::read_dir(folder).expect("a readable folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found);
        } else {
            let bytes: Bytes = fs::read(&path).expect("a readable file").into();
            if DicomFile::parse(bytes.clone(), &Limits::default()).is_ok() {
                found.push(bytes);
            }
        }
    }
}

fn tables(corpus: &[Bytes], table: &str) {
    let mut reader = Reader::new(&[TableRequest::whole(table)], 8192, &Options::default()).expect("a table that exists");
    let source: Arc<str> = Arc::from("bench:file");
    let mut sink = |decoded: Decoded| {
        black_box(decoded);
        ControlFlow::Continue(())
    };
    for file in corpus {
        reader.file(&source, file, &mut sink).expect("no batch fails");
    }
    reader.finish(&mut sink).expect("no batch fails");
}

fn headers(criterion: &mut Criterion) {
    let corpus = std::env::var_os("SUTURA_BENCH_CORPUS").map_or_else(generated, |folder| {
        let mut found = Vec::new();
        collect(Path::new(&folder), &mut found);
        found
    });
    let mut group = criterion.benchmark_group("dicom_files");
    group.throughput(Throughput::Elements(corpus.len() as u64)).sample_size(20);
    group.bench_function("parse", |bencher| {
        bencher.iter(|| corpus.iter().for_each(|file| drop(black_box(DicomFile::parse(file.clone(), &Limits::default())))));
    });
    for table in ["elements", "instances", "frames"] {
        group.bench_function(table, |bencher| bencher.iter(|| tables(&corpus, table)));
    }
    group.finish();
}

criterion_group!(benches, headers);
criterion_main!(benches);
