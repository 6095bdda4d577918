//! Any bytes are a view or an error; a view over resources gives the same batches and account however the bytes come, and a part of it
//! (some columns, the rows that fulfil a condition) is that part of the whole. The input is the definition, then, behind a NUL, NDJSON.
#![no_main]

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use libfuzzer_sys::fuzz_target;
use sutura_core::{Condition, Pushed, Test};
use sutura_fhir::{
    json::Parser,
    view::{Account, NdjsonOptions, Output, View, read_ndjson},
};

const PATIENT: &[u8] =
    br#"{"resourceType":"Patient","id":"p1","name":[{"use":"official","family":"a","given":["Peter",null]},{"family":"b"}]}"#;

/// Gives a byte or two at a time.
struct Slow<'b>(&'b [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = (1 + self.0.len() % 2).min(self.0.len()).min(into.len());
        into[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

fn run(from: impl Read, definition: &[u8]) -> Option<(Account, Vec<RecordBatch>, Vec<String>)> {
    let view = View::from_json(definition).ok()?;
    let (mut batches, mut others) = (Vec::new(), Vec::new());
    let mut sink = |output| {
        match output {
            Output::Batch { batch, .. } => batches.push(batch),
            other => others.push(format!("{other:?}")),
        }
        ControlFlow::Continue(())
    };
    let account =
        read_ndjson(from, &[view], NdjsonOptions { batch_rows: 3, ..NdjsonOptions::default() }, &mut sink).expect("memory does not fail");
    Some((account, batches, others))
}

/// Where the whole view takes a resource, a part of it does, and has the same cells.
fn part(lines: &[u8], definition: &[u8]) {
    let Ok(view) = View::from_json(definition) else { return };
    let schema = view.schema();
    let width = schema.fields().len();
    let tested = lines.len() % width;
    let (test, is_null) = if lines.len() % 2 == 0 { (Test::IsNull, true) } else { (Test::IsNotNull, false) };
    if test.exactness(schema.field(tested).data_type()) != Pushed::Exact {
        return;
    }
    let columns: Vec<usize> = (0..width).filter(|column| (column + lines.len()) % 3 != 0).collect();
    let mut parser = Parser::default();
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(document) = parser.parse(line) else { continue };
        let (mut whole, mut some) =
            (view.rows(), view.rows_of(&columns, &[Condition { column: tested, test: test.clone() }]).expect("the condition fits"));
        if whole.append(document.root()).is_err() {
            // What is not evaluated is not met.
            let _ = some.append(document.root());
            continue;
        }
        let whole = whole.finish().expect("cells fit");
        some.append(document.root()).expect("less is asked for");
        let some = some.finish().expect("cells fit");
        let stays: BooleanArray = (0..whole.num_rows()).map(|row| Some(whole.column(tested).is_null(row) == is_null)).collect();
        let expected = filter_record_batch(&whole, &stays).expect("as many rows").project(&columns).expect("columns are there");
        // `now()` is asked twice.
        if !definition.windows(3).any(|word| matches!(word, b"now" | b"Day" | b"oda")) {
            assert_eq!(some, expected);
        }
        assert_eq!(some.num_rows(), expected.num_rows());
    }
}

fuzz_target!(|data: &[u8]| {
    let (definition, lines) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, PATIENT),
    };
    let Some(whole) = run(lines, definition) else { return };
    assert_eq!(whole.0.bytes, lines.len() as u64);
    assert_eq!(run(Slow(lines), definition), Some(whole));
    part(lines, definition);
});
