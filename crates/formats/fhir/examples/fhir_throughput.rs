//! How fast NDJSON becomes a tape or the Arrow batches of views, in CPU time of this thread (Linux), the file in memory.
//!
//! `cargo run --release -p sutura-fhir --example fhir_throughput -- FILE tape|views REPETITIONS [VIEW.json ...]`
//!
//! The best repetition counts. Prints one JSON line.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, ops::ControlFlow};

use sutura_fhir::{
    json::Parser,
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

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a file of FHIR resources, one a line")?;
    let which = arguments.next().ok_or("the second argument is tape or views")?;
    let repetitions: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let views = arguments.map(|path| Ok(View::from_json(&fs::read(path)?)?)).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let feed = fs::read(file)?;
    let (mut best, mut lines, mut made) = (u64::MAX, 0, 0);
    for _ in 0..repetitions {
        let start = cpu_nanos();
        (lines, made) = match which.as_str() {
            "tape" => tape(&feed)?,
            "views" => rows(&feed, &views)?,
            _ => return Err("the second argument is tape or views".into()),
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
