//! Messages a second on one core: `v2_throughput FILE [OUT]` converts a file of messages (each behind a line feed) in memory, three times, and says
//! the rate of each time. The first time the Bundles are written to OUT, one a line. The last line is JSON, of the fastest time.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::exit)]

use std::{io::Write, time::Instant};

use sutura_convert::{
    report::Report,
    v2::{Converter, Options, Source},
};
use sutura_core::Sha256Hash;
use sutura_hl7v2::Message;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        println!("usage: v2_throughput FILE [OUT]");
        std::process::exit(2);
    };
    let mut sink = arguments.next().map(|path| std::io::BufWriter::new(std::fs::File::create(path).unwrap()));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut converter = Converter::new(&Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() }).unwrap();
    let mut fastest = String::new();
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let (mut report, mut out) = (Report::new(), Vec::new());
        let (mut count, mut bytes, mut at) = (0u64, 0u64, 0u64);
        let begin = Instant::now();
        for line in text.split_inclusive('\n') {
            let raw = line.trim_end_matches('\n');
            let source = Source { uri: "file:///corpus.hl7", offset: at, length: raw.len() as u64, sha256: Sha256Hash::of(raw.as_bytes()) };
            at += line.len() as u64;
            let Ok(message) = Message::parse(raw) else { continue };
            out.clear();
            if converter.convert(&message, &source, &mut report, &mut out).is_ok() {
                count += 1;
                bytes += out.len() as u64;
                if let Some(sink) = &mut sink {
                    out.push(b'\n');
                    sink.write_all(&out).unwrap();
                }
            }
        }
        let seconds = begin.elapsed().as_secs_f64();
        let (mapped, dropped, unmapped) =
            report.feeds.values().map(sutura_convert::report::Feed::totals).fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        println!(
            "{count} messages in {seconds:.2} s: {:.0} a second, {:.0} MB/s of JSON; fields mapped {mapped}, dropped {dropped}, unmapped {unmapped}",
            count as f64 / seconds,
            bytes as f64 / seconds / 1e6
        );
        if seconds < least {
            least = seconds;
            let resources: u64 = report.feeds.values().flat_map(|feed| feed.resources.values()).sum();
            let failed: u64 = report.feeds.values().flat_map(|feed| feed.rejected.values()).sum();
            fastest = format!(r#"{{"records": {count}, "failed": {failed}, "resources": {resources}, "convert_s": {seconds:.3}}}"#);
        }
        sink = None;
    }
    println!("{fastest}");
}
