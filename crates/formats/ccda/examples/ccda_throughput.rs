//! How fast the documents of a folder are read on one core, in CPU time of this thread (Linux).
//!
//! `cargo run --release -p sutura-ccda --example ccda_throughput -- FOLDER [parse|entries|all] [REPETITIONS]`
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, hint::black_box, ops::ControlFlow, path::Path};

use bytes::Bytes;
use sutura_ccda::{Ccda, Decoder, Document, Limits};
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest};

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn collect(folder: &Path, found: &mut Vec<Bytes>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "xml" || ending == "ccda") {
            let bytes: Bytes = fs::read(&path)?.into();
            if Document::parse(bytes.clone(), &Limits::default()).is_ok() {
                found.push(bytes);
            }
        }
    }
    Ok(())
}

fn tables(document: &Bytes, requests: &[TableRequest]) -> Result<(), Box<dyn Error>> {
    let options = serde_json::Value::Null;
    let spec = DecoderSpec { source: "file".into(), start: 0, end: None, options, requests: requests.to_vec(), batch_rows: 8192 };
    let mut decoder = Decoder::new(spec)?;
    let mut sink = |decoded: Decoded| {
        black_box(decoded);
        ControlFlow::Continue(())
    };
    decoder.push(document.clone(), &mut sink)?;
    decoder.finish(&mut sink)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name a folder of documents")?;
    let what = arguments.next().unwrap_or_else(|| "all".to_owned());
    let times: u32 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let mut documents = Vec::new();
    collect(Path::new(&folder), &mut documents)?;
    let requests: Vec<_> = match what.as_str() {
        "entries" => vec![TableRequest::whole("entries")],
        _ => Ccda.tables().iter().map(|table| TableRequest::whole(table.name.clone())).collect(),
    };
    let mut best = u64::MAX;
    for _ in 0..times {
        let start = cpu_nanos();
        for document in &documents {
            if what == "parse" {
                drop(black_box(Document::parse(document.clone(), &Limits::default())?));
            } else {
                tables(document, &requests)?;
            }
        }
        best = best.min(cpu_nanos() - start);
    }
    let seconds = best as f64 / 1e9;
    let (count, bytes) = (documents.len(), documents.iter().map(Bytes::len).sum::<usize>());
    println!(
        "{{\"what\":\"sutura {what}\",\"documents\":{count},\"bytes\":{bytes},\"cpu_s\":{seconds:.4},\"documents_per_s\":{:.0},\"mb_per_s\":{:.1}}}",
        count as f64 / seconds,
        bytes as f64 / seconds / 1e6
    );
    Ok(())
}
