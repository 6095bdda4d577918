//! How fast the reader is on one core, in CPU time of this thread (Linux).
//!
//! `cargo run --release -p sutura-hl7v2 --example hl7v2_throughput -- FILE [index|columns|messages|tables|everything] [REPETITIONS]`
#![allow(clippy::print_stdout)]

#[path = "../benches/feed/mod.rs"]
mod feed;

use std::{fs, hint::black_box};

use bytes::Bytes;
use sutura_hl7v2::Decoder;

use feed::{Wanted, read, requests};

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a file of HL7 v2 messages")?;
    let which = arguments.next().unwrap_or_else(|| "columns".to_owned());
    let repetitions: u32 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let feed = Bytes::from(fs::read(file)?);
    let wanted = match which.as_str() {
        "index" => None,
        "columns" => Some(Wanted::Columns),
        "messages" => Some(Wanted::Messages),
        "tables" => Some(Wanted::Typed),
        "everything" => Some(Wanted::Everything),
        _ => return Err("the second argument is index, columns, messages, tables or everything".into()),
    };
    let (mut best, mut messages) = (u64::MAX, 0);
    for _ in 0..repetitions {
        let start = cpu_nanos();
        messages = match wanted {
            None => black_box(Decoder::index_only(&feed)).0,
            Some(wanted) => black_box(read(&feed, &requests(wanted))?).accepted,
        };
        best = best.min(cpu_nanos() - start);
    }
    let seconds = best as f64 / 1e9;
    println!(
        "{{\"what\":\"sutura {which}\",\"messages\":{messages},\"bytes\":{},\"cpu_s\":{seconds:.4},\"messages_per_s\":{:.0},\"mb_per_s\":{:.1}}}",
        feed.len(),
        messages as f64 / seconds,
        feed.len() as f64 / 1e6 / seconds
    );
    Ok(())
}
