//! How fast the reader is on one core, in CPU time of this thread (Linux).
//!
//! `cargo run --release -p sutura-hl7v2 --example hl7v2_throughput -- FILE [index|columns|messages|tables] [REPETITIONS]`
#![allow(clippy::print_stdout)]

use std::{fs, hint::black_box};

use bytes::Bytes;
use sutura_core::{BlockDecoder, DecoderSpec, Format, TableRequest};
use sutura_hl7v2::{Decoder, Hl7v2};

/// The columns of PID, PV1 and OBX that everybody reads.
const COLUMNS: [(&str, &[&str]); 3] = [
    (
        "patients",
        &[
            "_offset",
            "message_control_id",
            "patient_id",
            "family_name",
            "given_name",
            "birth_date",
            "sex",
            "street",
            "city",
            "state",
            "postal_code",
            "phone_home",
            "account_number",
            "ssn",
        ],
    ),
    (
        "visits",
        &[
            "_offset",
            "message_control_id",
            "patient_class",
            "location_point_of_care",
            "location_room",
            "location_bed",
            "attending_id",
            "visit_number",
            "admit_datetime",
        ],
    ),
    (
        "observations",
        &[
            "_offset",
            "message_control_id",
            "patient_id",
            "set_id",
            "value_type",
            "observation_code",
            "observation_name",
            "value_number",
            "value_text",
            "units",
            "reference_range",
            "abnormal_flags",
            "result_status",
            "observation_datetime",
        ],
    ),
];

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn requests(which: &str) -> Vec<TableRequest> {
    let named = |name: &str, columns: Option<Vec<usize>>| TableRequest { table: name.to_owned(), columns };
    match which {
        "columns" => COLUMNS
            .iter()
            .map(|(table, columns)| {
                let definition = Hl7v2.table(table);
                named(table, definition.map(|definition| columns.iter().filter_map(|name| definition.index_of(name)).collect()))
            })
            .collect(),
        "messages" => vec![named("messages", None)],
        _ => Hl7v2
            .tables()
            .iter()
            .filter(|table| !matches!(table.name.as_str(), "segments" | "findings"))
            .map(|table| named(&table.name, None))
            .collect(),
    }
}

fn read(feed: &Bytes, requests: &[TableRequest]) -> Result<(u64, usize), sutura_core::FormatError> {
    let spec = DecoderSpec {
        source: "bench:feed".into(),
        start: 0,
        end: None,
        options: serde_json::Value::Null,
        requests: requests.to_vec(),
        batch_rows: 8192,
    };
    let mut decoder = Decoder::new(spec)?;
    let (mut out, mut batches, mut at) = (Vec::new(), 0, 0);
    while at < feed.len() {
        let end = (at + (4 << 20)).min(feed.len());
        decoder.push(feed.slice(at..end), &mut out)?;
        batches += black_box(&out).len();
        out.clear();
        at = end;
    }
    let stats = decoder.finish(&mut out)?;
    Ok((stats.accepted, batches + out.len()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a file of HL7 v2 messages")?;
    let which = arguments.next().unwrap_or_else(|| "columns".to_owned());
    let repetitions: u32 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let feed = Bytes::from(fs::read(file)?);
    let wanted = requests(&which);
    let (mut best, mut messages) = (u64::MAX, 0);
    for _ in 0..repetitions {
        let start = cpu_nanos();
        messages = if which == "index" { black_box(Decoder::index_only(&feed)).0 } else { black_box(read(&feed, &wanted)?).0 };
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
