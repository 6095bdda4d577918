//! Single messages as a program reads them: parse each, take MSH-10, PID-3.1, PID-5.1 and every OBX-5. One core, CPU
//! time of this thread (Linux). The same work as `benches/hl7v2_peers` does with other crates.
//!
//! `cargo run --release -p sutura-hl7v2 --example hl7v2_get -- FILE [REPETITIONS]` (one message a line)
#![allow(clippy::print_stdout)]

use std::{fs, hint::black_box};

use sutura_hl7v2::{Message, Path};

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Length of the values taken, or `None` where the text is no message.
fn take(text: &str, paths: &[Path]) -> Option<usize> {
    let message = Message::parse(text).ok()?;
    let mut length: usize = paths.iter().filter_map(|path| message.get(path)).map(|part| part.raw().len()).sum();
    for segment in message.segments().filter(|segment| segment.name() == "OBX") {
        length += segment.field(5).raw().len();
    }
    Some(length)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a file of HL7 v2 messages, one a line")?;
    let repetitions: u32 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let paths = ["MSH-10", "PID-3.1", "PID-5.1"].map(Path::parse).into_iter().collect::<Result<Vec<_>, _>>()?;
    let feed = fs::read_to_string(file)?;
    let messages: Vec<&str> = feed.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty()).collect();
    let (mut best, mut characters, mut refused) = (u64::MAX, 0, 0);
    for _ in 0..repetitions {
        (characters, refused) = (0, 0);
        let start = cpu_nanos();
        for message in &messages {
            match take(message, &paths) {
                Some(length) => characters += black_box(length),
                None => refused += 1,
            }
        }
        best = best.min(cpu_nanos() - start);
    }
    let seconds = best as f64 / 1e9;
    println!(
        "{{\"what\":\"sutura get\",\"messages\":{},\"bytes\":{},\"refused\":{refused},\"characters\":{characters},\"cpu_s\":{seconds:.4},\"messages_per_s\":{:.0},\"mb_per_s\":{:.1}}}",
        messages.len(),
        feed.len(),
        messages.len() as f64 / seconds,
        feed.len() as f64 / 1e6 / seconds
    );
    Ok(())
}
