//! Speed of the reader on one core, in bytes of input per second.
//!
//! `cargo bench -p sutura-hl7v2`; with `SUTURA_BENCH_CORPUS=FILE` on a corpus of your own, else on a
//! generated one of 2,000 messages.
#![allow(missing_docs, clippy::expect_used)]

use std::{fmt::Write as _, fs, hint::black_box};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_core::{BlockDecoder, DecoderSpec, Format, TableRequest};
use sutura_hl7v2::{Decoder, Hl7v2};

/// A made-up feed: admissions and results with a dozen observations.
fn generated() -> Vec<u8> {
    let mut feed = String::new();
    for number in 0..2000 {
        let _ = write!(
            feed,
            "MSH|^~\\&|APP|FAC{}|SUTURA|DW|20260314150926-0500||ORU^R01^ORU_R01|M{number}|P|2.5.1\rPID|1||{}^^^MRN&1.2&ISO^MR||FAMILY^GIVEN^A||19{}0101|F|||{number} MAIN ST^^BOSTON^MA^02115||(555)555-0100\rPV1|1|O|WARD^{}^A|||||||||||||||||V{number}\rOBR|1|P{number}|F{number}|24323-8^Panel^LN|||20260314\r",
            number % 5,
            10_000 + number,
            10 + number % 90,
            number % 40
        );
        for set in 1..=12 {
            let _ = write!(
                feed,
                "OBX|{set}|NM|2345-7^Glucose [Mass/volume] in Serum or Plasma^LN||{}|mg/dL^mg/dL^UCUM|70-99|N|||F|||20260314150926\r",
                60 + set * 7
            );
        }
        feed.push('\n');
    }
    feed.into_bytes()
}

/// The columns of PID, PV1 and OBX that everybody reads.
const PID_PV1_OBX: [(&str, &[&str]); 3] = [
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

fn requests(wanted: &[(&str, &[&str])]) -> Vec<TableRequest> {
    wanted
        .iter()
        .map(|(table, columns)| {
            let definition = Hl7v2.table(table).expect("a table of the format");
            let columns = (!columns.is_empty())
                .then(|| columns.iter().map(|name| definition.index_of(name).expect("a column of the table")).collect());
            TableRequest { table: (*table).to_owned(), columns }
        })
        .collect()
}

fn read(feed: &Bytes, requests: &[TableRequest]) -> usize {
    let spec = DecoderSpec {
        source: "bench:feed".into(),
        start: 0,
        end: None,
        options: serde_json::Value::Null,
        requests: requests.to_vec(),
        batch_rows: 8192,
    };
    let mut decoder = Decoder::new(spec).expect("valid requests");
    let mut out = Vec::new();
    let mut batches = 0;
    let mut at = 0;
    while at < feed.len() {
        let end = (at + (4 << 20)).min(feed.len());
        decoder.push(feed.slice(at..end), &mut out).expect("a readable feed");
        batches += out.len();
        out.clear();
        at = end;
    }
    decoder.finish(&mut out).expect("a readable feed");
    batches + out.len()
}

fn reader(criterion: &mut Criterion) {
    let feed: Bytes =
        std::env::var_os("SUTURA_BENCH_CORPUS").map_or_else(generated, |file| fs::read(file).expect("a readable corpus")).into();
    let mut group = criterion.benchmark_group("hl7v2");
    group.throughput(Throughput::Bytes(feed.len() as u64)).sample_size(10);
    group.bench_function("index", |bencher| bencher.iter(|| Decoder::index_only(black_box(&feed))));
    let some = requests(&PID_PV1_OBX);
    group.bench_function("pid_pv1_obx_to_arrow", |bencher| bencher.iter(|| read(black_box(&feed), &some)));
    let messages = requests(&[("messages", &[])]);
    group.bench_function("messages_table_with_hash", |bencher| bencher.iter(|| read(black_box(&feed), &messages)));
    let every: Vec<(&str, &[&str])> = Hl7v2
        .tables()
        .iter()
        .map(|table| (table.name.as_str(), &[][..]))
        .filter(|(name, _)| !matches!(*name, "segments" | "findings"))
        .collect();
    let every = requests(&every);
    group.bench_function("all_typed_tables", |bencher| bencher.iter(|| read(black_box(&feed), &every)));
    group.finish();
}

criterion_group!(benches, reader);
criterion_main!(benches);
