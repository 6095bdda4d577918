//! How fast NDJSON becomes a tape or the Arrow batches of views, in CPU time of this thread (Linux), the file in memory.
//!
//! `cargo run --release -p sutura-fhir --example fhir_throughput -- FILE tape|views|reader REPETITIONS [VIEW.json ...]`
//!
//! `reader` is the way of the commands and of SQL: blocks through the decoder that also keeps account of every byte. `SUTURA_BLOCK`: bytes of a block.
//!
//! The best repetition counts. Prints one JSON line.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, ops::ControlFlow};

use sutura_core::{BlockDecoder, Decoded, DecodedSink, DecoderSpec, Format, Progress, TableRequest, ViewText};
use sutura_fhir::{
    json::Parser,
    read::Fhir,
    view::{NdjsonOptions, Output, View, read_ndjson},
};

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

/// Counts what a decoder gives.
#[derive(Default)]
struct Count {
    rows: usize,
    lost: u64,
}

impl DecodedSink for Count {
    fn take(&mut self, decoded: Decoded) -> ControlFlow<()> {
        match decoded {
            Decoded::Batch { batch, .. } => self.rows += batch.num_rows(),
            Decoded::Reject(_) => self.lost += 1,
        }
        ControlFlow::Continue(())
    }
}

/// Resources, and rows of all views.
fn reader(feed: &[u8], views: &[ViewText]) -> Result<(u64, usize), Box<dyn Error>> {
    let block = std::env::var("SUTURA_BLOCK").ok().map_or(Ok(4 << 20), |text| text.parse::<usize>())?;
    let format = Fhir.with_views(views)?;
    let requests =
        (0..views.len()).map(|view| TableRequest { table: format!("view_{view}"), columns: None, filter: Vec::default() }).collect();
    let spec = DecoderSpec { source: "feed".into(), start: 0, end: None, options: serde_json::Value::Null, requests, batch_rows: 8192 };
    let mut decoder: Box<dyn BlockDecoder> = format.decoder(spec)?;
    let mut count = Count::default();
    for block in feed.chunks(block.max(1)) {
        // As a file is read: into a block of its own.
        if decoder.push(bytes::Bytes::copy_from_slice(block), &mut count)? == Progress::Done {
            break;
        }
    }
    let stats = decoder.finish(&mut count)?;
    if count.lost > 0 {
        return Err(format!("{} resources were refused", count.lost).into());
    }
    Ok((stats.accepted, count.rows))
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
    let feed = fs::read(file)?;
    let (mut best, mut lines, mut made) = (u64::MAX, 0, 0);
    for _ in 0..repetitions {
        let start = cpu_nanos();
        (lines, made) = match which.as_str() {
            "tape" => tape(&feed)?,
            "views" => rows(&feed, &views)?,
            "reader" => reader(&feed, &texts)?,
            _ => return Err("the second argument is tape, views or reader".into()),
        };
        best = best.min(cpu_nanos() - start);
    }
    let seconds = best as f64 / 1e9;
    println!(
        "{{\"what\":\"sutura {which}\",\"lines\":{lines},\"{}\":{made},\"bytes\":{},\"cpu_s\":{seconds:.4},\"mb_per_s\":{:.1}}}",
        if which == "tape" { "nodes" } else { "rows" },
        feed.len(),
        feed.len() as f64 / 1e6 / seconds
    );
    Ok(())
}
