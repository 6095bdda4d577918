//! Rows a second of the evaluator: each kind of check alone, then a plan as a hospital job has it.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_quality::{CheckKind, CheckSpec, NumberRange, QualityPlan, RecordScoreSpec, ValueType};

const ROWS: usize = 8_192;
const BATCHES: usize = 16;

/// Batches shaped like the `observations` and `messages` tables, a few percent of the values wrong.
fn batches() -> Vec<RecordBatch> {
    (0..BATCHES)
        .map(|batch| {
            let texts = |value: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
                Arc::new((batch * ROWS..(batch + 1) * ROWS).map(value).collect::<StringViewArray>())
            };
            let rows = || (batch * ROWS..(batch + 1) * ROWS).map(|row| row as i64);
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("_source", texts(&|row| Some(format!("file:///feed/part-{:03}.hl7", row / 50_000)))),
                ("_offset", Arc::new(rows().map(|row| row * 900).collect::<Int64Array>())),
                ("_length", Arc::new(rows().map(|_| 900).collect::<Int64Array>())),
                ("_sha256", texts(&|row| Some(format!("{:064x}", row as u128 * 0x9e37_79b9_7f4a_7c15)))),
                ("patient_id", texts(&|row| (row % 50 != 0).then(|| format!("MRN{:07}", row % 20_000)))),
                ("message_datetime", texts(&|row| Some(format!("2026-03-{:02}T{:02}:{:02}:26-05:00", 1 + row % 28, row % 24, row % 60)))),
                ("received_datetime", texts(&|row| Some(format!("2026-03-{:02}T{:02}:{:02}:59-05:00", 1 + row % 28, row % 24, row % 60)))),
                ("sex", texts(&|row| Some(["F", "M", "F", "M", "U", "X"][row % 6].to_owned()))),
                ("observation_code", texts(&|row| Some(["2823-3", "718-7", "2345-7"][row % 3].to_owned()))),
                ("value_number", Arc::new((0..ROWS).map(|row| Some((row % 97) as f64 / 7.0)).collect::<Float64Array>())),
                ("known_message_type", Arc::new((0..ROWS).map(|row| Some(row % 40 != 0)).collect::<BooleanArray>())),
                ("missing_segments", texts(&|row| (row % 30 == 0).then(|| "PV1".to_owned()))),
            ];
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
        })
        .collect()
}

fn checks() -> Vec<CheckSpec> {
    let range = |min, max| NumberRange { min: Some(min), max: Some(max) };
    vec![
        CheckSpec::of(CheckKind::Required, "patient_id"),
        CheckSpec { value_type: Some(ValueType::Timestamp), ..CheckSpec::of(CheckKind::Type, "message_datetime") },
        CheckSpec { values: vec!["F".into(), "M".into(), "U".into()], ..CheckSpec::of(CheckKind::Allowed, "sex") },
        CheckSpec { pattern: Some("MRN[0-9]{7}".into()), ..CheckSpec::of(CheckKind::Format, "patient_id") },
        CheckSpec {
            code_column: Some("observation_code".into()),
            ranges: BTreeMap::from([("2823-3".to_owned(), range(1.0, 12.0)), ("718-7".to_owned(), range(2.0, 25.0))]),
            ..CheckSpec::of(CheckKind::Range, "value_number")
        },
        CheckSpec::of(CheckKind::Unique, "patient_id"),
        CheckSpec {
            earlier: Some("message_datetime".into()),
            later: Some("received_datetime".into()),
            ..CheckSpec::new(CheckKind::Temporal)
        },
        CheckSpec {
            event: Some("message_datetime".into()),
            received: Some("received_datetime".into()),
            within: Some("24h".into()),
            ..CheckSpec::new(CheckKind::Timeliness)
        },
        CheckSpec::new(CheckKind::Duplicate),
    ]
}

fn evaluate(criterion: &mut Criterion) {
    let batches = batches();
    let mut group = criterion.benchmark_group("quality");
    group.throughput(Throughput::Elements((ROWS * BATCHES) as u64)).sample_size(20);
    let mut run = |name: &str, checks: &[CheckSpec]| {
        let plan = QualityPlan::new(checks, batches[0].schema_ref()).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut evaluator = plan.evaluator();
                for batch in &batches {
                    black_box(evaluator.update(batch).unwrap());
                }
                evaluator.finish()
            });
        });
    };
    for check in checks() {
        run(check.kind.as_str(), std::slice::from_ref(&check));
    }
    run("all nine", &checks());
    group.bench_function("record score", |bencher| {
        let spec = RecordScoreSpec::default();
        bencher.iter(|| batches.iter().map(|batch| spec.score(batch).unwrap().summary.valid).sum::<u64>());
    });
    group.finish();
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
