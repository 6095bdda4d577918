//! Rows a second of each method on columns as feeds have them: 8,192 rows, each patient four times.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{hint::black_box, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringViewArray},
    datatypes::{Field, Schema},
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sutura_core::{ColumnMeta, PhiClass};
use sutura_privacy::{Deidentifier, FileVault, KeyRing, Policy, Scope, Vault};

const ROWS: usize = 8192;

fn batch(class: PhiClass, values: ArrayRef) -> RecordBatch {
    let patients: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..ROWS).map(|row| format!("MRN{:08}", row / 4))));
    let patient = ColumnMeta { phi: Some(PhiClass::Operational), patient: true, ..ColumnMeta::default() };
    let fields = vec![
        patient.apply(Field::new("patient_id", patients.data_type().clone(), true)),
        ColumnMeta::of(class).apply(Field::new("value", values.data_type().clone(), true)),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![patients, values]).unwrap()
}

fn text(make: impl Fn(usize) -> String) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values((0..ROWS).map(make)))
}

fn methods(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (keys, scope) = (KeyRing::generate().unwrap(), Scope::new("bench", "bench"));
    let vault: Arc<dyn Vault> = Arc::new(FileVault::open(&folder.path().join("vault"), &keys, &scope).unwrap());
    let ids = || text(|row| format!("MRN{:08}", row / 4));
    let dates = || text(|row| format!("20{:02}-03-{:02}T15:09:26-05:00", row % 30, row % 28 + 1));
    let cases: [(&str, PhiClass, ArrayRef); 9] = [
        ("keep", PhiClass::Clinical, text(|row| format!("a longer clinical text {row}"))),
        ("mask", PhiClass::Name, ids()),
        ("pseudonym", PhiClass::Mrn, ids()),
        ("vault-code", PhiClass::Mrn, ids()),
        ("encrypt", PhiClass::Mrn, ids()),
        ("shift-date", PhiClass::Date, dates()),
        ("year", PhiClass::Date, dates()),
        ("age-band", PhiClass::Age, Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|row| row % 100)))),
        ("zip3", PhiClass::Geography, text(|row| format!("{:05}", row * 11 % 100_000))),
    ];
    let mut group = criterion.benchmark_group("methods");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (method, class, values) in cases {
        let rules = format!(
            "name = \"b\"\nversion = \"1\"\nprofile = \"none\"\n[classes]\noperational = \"keep\"\n{}[columns]\nvalue = \"{method}\"\n",
            if class == PhiClass::Clinical { "clinical = \"keep\"\n" } else { "" }
        );
        let policy = Policy::from_toml(&rules, "bench").unwrap();
        let deidentifier = Deidentifier::new(policy, &keys, scope.clone(), Some(Arc::clone(&vault))).unwrap();
        let batch = batch(class, values);
        let plan = deidentifier.plan(&batch.schema()).unwrap();
        let column = &plan.columns()[1];
        let beside: Vec<_> = column.beside().map(|position| Arc::clone(batch.column(position))).collect();
        group.bench_function(method, |bencher| bencher.iter(|| column.transform(black_box(batch.column(1)), &beside).unwrap()));
    }
    group.finish();
}

fn vault(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (keys, scope) = (KeyRing::generate().unwrap(), Scope::new("bench", "bench"));
    let vault = FileVault::open(&folder.path().join("vault"), &keys, &scope).unwrap();
    let mut group = criterion.benchmark_group("vault");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.sample_size(20);
    let known: Vec<String> = (0..ROWS).map(|row| format!("known{row}")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    vault.codes("mrn", &known).unwrap();
    group.bench_function("known", |bencher| bencher.iter(|| vault.codes("mrn", black_box(&known)).unwrap()));
    let mut next = 0;
    let mut fresh = move || {
        next += ROWS;
        (next..next + ROWS).map(|value| value.to_string()).collect::<Vec<String>>()
    };
    group.bench_function("new", |bencher| {
        bencher.iter_batched(
            &mut fresh,
            |values| vault.codes("mrn", &values.iter().map(String::as_str).collect::<Vec<_>>()).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, methods, vault);
criterion_main!(benches);
