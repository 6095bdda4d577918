//! Other HL7 v2 crates on the same feed: parse each message, take MSH-10, PID-3.1, PID-5.1 and every OBX-5.
//!
//! `hl7v2_peers FILE hl7-parser|rust-hl7|hl7-2 [REPETITIONS]`: one thread, CPU time of the thread (Linux), the file in
//! memory and cut into messages beforehand. Prints one JSON line. `characters` is the length of all values taken: it
//! must be the same for every crate, else they did not do the same work.

use std::{fs, hint::black_box};

/// Length of the four values of one message, or `None` where the crate refuses the message.
type Take = fn(&str) -> Option<usize>;

fn hl7_parser(text: &str) -> Option<usize> {
    let message = hl7_parser::Message::parse(text).ok()?;
    let paths = ["MSH.10", "PID.3.1", "PID.5.1"];
    let mut length: usize = paths.iter().filter_map(|path| message.query(*path)).map(|value| value.raw_value().len()).sum();
    for segment in message.segments().filter(|segment| segment.name == "OBX") {
        length += segment.field(5).map_or(0, |value| value.raw_value().len());
    }
    Some(length)
}

fn rust_hl7(text: &str) -> Option<usize> {
    let message = rusthl7::message::Message::try_from(text).ok()?;
    // This crate does not count the field separator as MSH-1: its F9 is MSH-10.
    let paths = ["MSH.F9", "PID.F3.R1.C1", "PID.F5.R1.C1"];
    let mut length: usize = paths.iter().map(|path| message.query(*path).len()).sum();
    for segment in message.segments_by_name("OBX").ok()? {
        length += segment.query("F5").len();
    }
    Some(length)
}

fn hl7_2(text: &str) -> Option<usize> {
    let message = hl7_2::parse(text).ok()?;
    let paths = ["MSH-10", "PID-3.1", "PID-5.1"];
    let mut length: usize = paths.iter().filter_map(|path| message.get(path).ok().flatten()).map(|value| value.len()).sum();
    length += message.get_all("OBX-5").ok()?.iter().map(String::len).sum::<usize>();
    Some(length)
}

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a file of HL7 v2 messages, one a line")?;
    let which = arguments.next().ok_or("name a crate: hl7-parser, rust-hl7 or hl7-2")?;
    let repetitions: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let take: Take = match which.as_str() {
        "hl7-parser" => hl7_parser,
        "rust-hl7" => rust_hl7,
        "hl7-2" => hl7_2,
        _ => return Err("the crates are hl7-parser, rust-hl7 and hl7-2".into()),
    };
    let feed = fs::read_to_string(file)?;
    let messages: Vec<&str> = feed.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty()).collect();
    let (mut best, mut characters, mut refused) = (u64::MAX, 0, 0);
    for _ in 0..repetitions {
        (characters, refused) = (0, 0);
        let start = cpu_nanos();
        for message in &messages {
            match take(message) {
                Some(length) => characters += black_box(length),
                None => refused += 1,
            }
        }
        best = best.min(cpu_nanos() - start);
    }
    let seconds = best as f64 / 1e9;
    println!(
        "{{\"what\":\"{which}\",\"messages\":{},\"bytes\":{},\"refused\":{refused},\"characters\":{characters},\"cpu_s\":{seconds:.4},\"messages_per_s\":{:.0},\"mb_per_s\":{:.1}}}",
        messages.len(),
        feed.len(),
        messages.len() as f64 / seconds,
        feed.len() as f64 / 1e6 / seconds
    );
    Ok(())
}
