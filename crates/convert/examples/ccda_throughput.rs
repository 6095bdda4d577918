//! How many documents become Bundles in a second on one core, in CPU time of this thread (Linux): read, converted, validated, written to
//! memory. With one repetition nothing is warm. The last line is JSON.
//!
//! `cargo run --release -p sutura-convert --example ccda_throughput -- FOLDER|LIST [REPETITIONS] [unchecked]`; a list has a path a line.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, hint::black_box, path::Path};

use sutura_ccda::{Document, Limits};
use sutura_convert::{
    ccda::{Converter, Options},
    fhir::Source,
    report::Report,
};
use sutura_core::Sha256Hash;

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Every document below a folder, whatever its name ends in.
fn collect(folder: &Path, found: &mut Vec<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else {
            let bytes = fs::read(&path)?;
            if Document::parse(bytes.clone(), &Limits::default()).is_ok() {
                found.push(bytes);
            }
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("name a folder of documents")?;
    let repetitions: u32 = arguments.get(1).map_or(Ok(5), |text| text.parse())?;
    let check = arguments.get(2).is_none_or(|word| word != "unchecked");
    let mut documents = Vec::new();
    if Path::new(folder).is_dir() {
        collect(Path::new(folder), &mut documents)?;
    } else {
        documents = fs::read_to_string(folder)?.lines().map(fs::read).collect::<Result<_, _>>()?;
    }
    let converter = Converter::new(Options { check, ..Options::default() });
    let (mut best, mut written, mut failed, mut resources) = (f64::INFINITY, 0, 0, 0);
    for _ in 0..repetitions {
        let start = cpu_nanos();
        (written, failed) = (0, 0);
        let mut report = Report::new();
        let mut out = Vec::new();
        for bytes in &documents {
            let document = Document::parse(bytes.clone(), &Limits::default())?;
            let source = Source { uri: "file:///a.xml", offset: 0, length: bytes.len() as u64, sha256: Sha256Hash::of(bytes) };
            out.clear();
            failed += usize::from(converter.convert(&document, &source, &mut report, &mut out).is_err());
            written += out.len();
        }
        resources = report.feeds.values().flat_map(|feed| feed.resources.values()).sum::<u64>();
        black_box(&report);
        best = best.min((cpu_nanos() - start) as f64 / 1e9);
    }
    let read: usize = documents.iter().map(Vec::len).sum();
    let rate = documents.len() as f64 / best;
    println!("{} documents, {failed} failed, {read} bytes read, {written} written: {best:.4} s, {rate:.0} documents/s", documents.len());
    println!(r#"{{"records": {}, "failed": {failed}, "resources": {resources}, "convert_s": {best:.4}}}"#, documents.len());
    Ok(())
}
