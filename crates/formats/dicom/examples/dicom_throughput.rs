//! How fast the headers of a folder are read on one core, in CPU time of this thread (Linux).
//!
//! `cargo run --release -p sutura-dicom --example dicom_throughput -- FOLDER [parse|elements|instances|json|decoder|pixels] [ROUNDS]`
//!
//! `elements`: every element of every data set as a row; `instances`: every typed column; `json`: the whole data set as JSON, with the UIDs; each into
//! shared batches ([`Reader`]). `decoder`: `instances`, a decoder for each file, as the engine reads. `pixels`: every frame decoded to samples.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, hint::black_box, ops::ControlFlow, path::Path, sync::Arc};

use bytes::Bytes;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest};
use sutura_dicom::{
    Decoder, Dicom, DicomFile, Limits, Options, Reader,
    pixels::{FrameMap, PixelDescription, decode},
};

/// That of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        } else {
            let bytes: Bytes = fs::read(&path)?.into();
            if DicomFile::parse(bytes.clone(), &Limits::default()).is_ok() {
                found.push(bytes);
            }
        }
    }
    Ok(())
}

fn request(what: &str) -> Vec<TableRequest> {
    let columns = |table: &str, wanted: &dyn Fn(&str) -> bool| {
        let definition = Dicom.table(table);
        let columns = definition.map(|table| (0..table.columns.len()).filter(|at| wanted(&table.columns[*at].name)).collect());
        TableRequest { table: table.to_owned(), columns, filter: Vec::new() }
    };
    // The hash of a file is of its pixels, not of its header.
    match what {
        "elements" => vec![columns("elements", &|name| name != "_sha256")],
        "json" => vec![columns("instances", &|name| name == "data_set" || name.ends_with("_uid"))],
        _ => vec![columns("instances", &|name| name != "data_set" && name != "_sha256")],
    }
}

/// CPU time of one round.
const ROUND_NANOS: u64 = 300_000_000;

/// Reads all files once. Gives the number of rows, or of samples.
fn pass(what: &str, files: &[Bytes], requests: &[TableRequest]) -> Result<usize, Box<dyn Error>> {
    let source: Arc<str> = Arc::from("file:///study/series/instance.dcm");
    let (mut rows, mut samples) = (0, 0);
    let mut sink = |decoded: Decoded| {
        if let Decoded::Batch { batch, .. } = &decoded {
            rows += batch.num_rows();
        }
        black_box(decoded);
        ControlFlow::Continue(())
    };
    match what {
        "parse" => {
            for file in files {
                drop(black_box(DicomFile::parse(file.clone(), &Limits::default())?));
            }
        }
        "pixels" => {
            for file in files {
                let file = DicomFile::parse(file.clone(), &Limits::default())?;
                let description = PixelDescription::of(&file)?;
                let map = FrameMap::with(&file, &description)?;
                for frame in 0..map.len() {
                    samples += black_box(decode::frame(&file, &description, &map, frame)?).data.len();
                }
            }
        }
        "decoder" => {
            for file in files {
                let (source, requests) = (Arc::clone(&source), requests.to_vec());
                let options = serde_json::Value::Null;
                let mut decoder = Decoder::new(DecoderSpec { source, start: 0, end: None, options, requests, batch_rows: 8192 })?;
                decoder.push(file.clone(), &mut sink)?;
                decoder.finish(&mut sink)?;
            }
        }
        _ => {
            let mut reader = Reader::new(requests, 8192, &Options::default())?;
            for file in files {
                reader.file(&source, file, &mut sink)?;
            }
            reader.finish(&mut sink)?;
        }
    }
    Ok(rows + samples)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name a folder of DICOM files")?;
    let what = arguments.next().unwrap_or_else(|| "elements".to_owned());
    let times: u32 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files)?;
    let requests = request(&what);
    let mut rows = 0;
    let mut best = f64::MAX;
    for _ in 0..times {
        // The kernel counts CPU time by the tick: a round is many passes.
        let (start, mut passes) = (cpu_nanos(), 0u32);
        while passes == 0 || cpu_nanos() - start < ROUND_NANOS {
            rows = pass(&what, &files, &requests)?;
            passes += 1;
        }
        best = best.min((cpu_nanos() - start) as f64 / f64::from(passes));
    }
    let seconds = best / 1e9;
    let count = files.len();
    println!(
        "{{\"what\":\"sutura {what}\",\"files\":{count},\"rows\":{rows},\"cpu_s\":{seconds:.4},\"files_per_s\":{:.0},\"us_per_file\":{:.1}}}",
        count as f64 / seconds,
        seconds * 1e6 / count as f64
    );
    Ok(())
}
