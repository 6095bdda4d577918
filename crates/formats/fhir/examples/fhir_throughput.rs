//! How fast NDJSON becomes a tape or the Arrow batches of views, in CPU time of this thread (Linux), the file in memory.
//!
//! `cargo run --release -p sutura-fhir --example fhir_throughput -- FILE tape|views|reader REPETITIONS [VIEW.json ...]`
//!
//! `reader` is the way of the commands and of SQL: byte ranges of the file through the decoder that keeps account of every byte, on
//! `SUTURA_THREADS` threads (default 1), to Arrow batches in memory. Its time, `wall_s`, is that of the clock, with reading the file.
//!
//! The best repetition counts. Prints one JSON line.
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    ops::ControlFlow,
    thread,
    time::Instant,
};

use arrow::array::RecordBatch;
use bytes::Bytes;

use sutura_core::{Decoded, DecodedSink, DecoderSpec, Format, Progress, TableRequest, ViewText};
use sutura_fhir::{
    json::Parser,
    read::Fhir,
    view::{NdjsonOptions, Output, View, read_ndjson},
};

/// Bytes of a block, as the engine reads them.
const BLOCK: u64 = 4 << 20;

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Lines, and nodes of all tapes.
fn tape(feed: &[u8]) -> Result<(u64, usize), Box<dyn Error>> {
    let mut parser = Parser::default();
    let (mut lines, mut nodes) = (0, 0);
    for line in feed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        nodes += parser.parse(line)?.node_count();
        lines += 1;
    }
    Ok((lines, nodes))
}

/// Lines, and rows of all views.
fn rows(feed: &[u8], views: &[View]) -> Result<(u64, usize), Box<dyn Error>> {
    let (mut rows, mut lost) = (0, 0_u64);
    let account = read_ndjson(feed, views, NdjsonOptions::default(), &mut |output| {
        match output {
            Output::Batch { batch, .. } => rows += batch.num_rows(),
            _ => lost += 1,
        }
        ControlFlow::Continue(())
    })?;
    if lost > 0 {
        return Err(format!("{lost} lines or resources were refused").into());
    }
    Ok((account.lines, rows))
}

/// Keeps the rows, as a table in memory would.
#[derive(Default)]
struct Kept {
    batches: Vec<RecordBatch>,
    lost: u64,
}

impl DecodedSink for Kept {
    fn take(&mut self, decoded: Decoded) -> ControlFlow<()> {
        match decoded {
            Decoded::Batch { batch, .. } => self.batches.push(batch),
            Decoded::Reject(_) => self.lost += 1,
        }
        ControlFlow::Continue(())
    }
}

/// Reads the resources that begin in a range of the file.
fn range(format: &dyn Format, path: &str, start: u64, end: Option<u64>, views: usize) -> Result<(u64, Kept), String> {
    let requests = (0..views).map(|view| TableRequest::whole(format!("view_{view}"))).collect();
    let spec = DecoderSpec { source: "feed".into(), start, end, options: serde_json::Value::Null, requests, batch_rows: 8192 };
    let mut decoder = format.decoder(spec).map_err(|error| error.to_string())?;
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    file.seek(SeekFrom::Start(start.saturating_sub(1))).map_err(|error| error.to_string())?;
    let mut kept = Kept::default();
    let mut block = Vec::new();
    loop {
        block.clear();
        if (&mut file).take(BLOCK).read_to_end(&mut block).map_err(|error| error.to_string())? == 0 {
            break;
        }
        let bytes = Bytes::from(block);
        let progress = decoder.push(bytes.clone(), &mut kept).map_err(|error| error.to_string())?;
        block = bytes.try_into_mut().map(Vec::from).unwrap_or_default();
        if progress == Progress::Done {
            break;
        }
    }
    let stats = decoder.finish(&mut kept).map_err(|error| error.to_string())?;
    Ok((stats.accepted, kept))
}

/// Resources, and rows of all views: the file in as many ranges as there are threads, the rows in memory at the end.
fn reader(path: &str, views: &[ViewText], threads: u64) -> Result<(u64, usize), Box<dyn Error>> {
    let format = Fhir.with_views(views)?;
    let bytes = fs::metadata(path)?.len();
    let cut = |part: u64| bytes * part / threads;
    let parts: Vec<Result<(u64, Kept), String>> = thread::scope(|scope| {
        let format = &*format;
        let started: Vec<_> = (0..threads)
            .map(|part| scope.spawn(move || range(format, path, cut(part), (part + 1 < threads).then(|| cut(part + 1)), views.len())))
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread died".to_owned()))).collect()
    });
    let (mut resources, mut rows, mut lost) = (0, 0, 0);
    for part in parts {
        let (accepted, kept) = part?;
        resources += accepted;
        lost += kept.lost;
        rows += kept.batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    if lost > 0 {
        return Err(format!("{lost} resources were refused").into());
    }
    Ok((resources, rows))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a file of FHIR resources, one a line")?;
    let which = arguments.next().ok_or("the second argument is tape, views or reader")?;
    let repetitions: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let texts = arguments.map(fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    let views = texts.iter().map(|text| View::from_json(text.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let texts: Vec<_> = (0..)
        .zip(texts)
        .map(|(view, text)| ViewText { name: Some(format!("view_{view}")), origin: String::new(), text: text.into() })
        .collect();
    let (mut best, mut read, mut made) = (f64::MAX, 0, 0);
    let (clock, bytes) = if which == "reader" {
        let threads = std::env::var("SUTURA_THREADS").ok().map_or(Ok(1), |text| text.parse::<u64>())?.max(1);
        for _ in 0..repetitions {
            let start = Instant::now();
            (read, made) = reader(&file, &texts, threads)?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        ("wall_s", fs::metadata(&file)?.len())
    } else {
        let feed = fs::read(&file)?;
        for _ in 0..repetitions {
            let start = cpu_nanos();
            (read, made) = match which.as_str() {
                "tape" => tape(&feed)?,
                "views" => rows(&feed, &views)?,
                _ => return Err("the second argument is tape, views or reader".into()),
            };
            best = best.min((cpu_nanos() - start) as f64 / 1e9);
        }
        ("cpu_s", feed.len() as u64)
    };
    println!(
        "{{\"what\":\"sutura {which}\",\"lines\":{read},\"{}\":{made},\"bytes\":{bytes},\"{clock}\":{best:.4},\"mb_per_s\":{:.1}}}",
        if which == "tape" { "nodes" } else { "rows" },
        bytes as f64 / 1e6 / best
    );
    Ok(())
}
