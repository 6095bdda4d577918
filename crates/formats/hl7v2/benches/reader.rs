//! Speed of the reader on one core, in bytes of input per second.
//!
//! `cargo bench -p sutura-hl7v2`; with `SUTURA_BENCH_CORPUS=FILE` on a corpus of your own, else on a
//! generated one of 2,000 messages.
#![allow(missing_docs, clippy::expect_used)]

mod feed;

use std::{fmt::Write as _, fs, hint::black_box};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_hl7v2::Decoder;

use feed::{Wanted, read, requests};

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

fn reader(criterion: &mut Criterion) {
    let feed: Bytes =
        std::env::var_os("SUTURA_BENCH_CORPUS").map_or_else(generated, |file| fs::read(file).expect("a readable corpus")).into();
    let mut group = criterion.benchmark_group("hl7v2");
    group.throughput(Throughput::Bytes(feed.len() as u64)).sample_size(10);
    group.bench_function("index", |bencher| bencher.iter(|| Decoder::index_only(black_box(&feed))));
    let names = [
        ("pid_pv1_obx_to_arrow", Wanted::Columns),
        ("messages_table_with_hash", Wanted::Messages),
        ("all_typed_tables", Wanted::Typed),
        ("everything", Wanted::Everything),
    ];
    for (name, wanted) in names {
        let requests = requests(wanted);
        group.bench_function(name, |bencher| bencher.iter(|| read(black_box(&feed), &requests)));
    }
    group.finish();
}

criterion_group!(benches, reader);
criterion_main!(benches);
