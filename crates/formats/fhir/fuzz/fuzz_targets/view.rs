//! Any bytes are a view or an error; a view over resources gives the same batches and account however the bytes come. The
//! input is the definition, then, behind a NUL, NDJSON.
#![no_main]

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use arrow::array::RecordBatch;
use libfuzzer_sys::fuzz_target;
use sutura_fhir::view::{Account, NdjsonOptions, Output, View, read_ndjson};

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

fuzz_target!(|data: &[u8]| {
    let (definition, lines) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, PATIENT),
    };
    let Some(whole) = run(lines, definition) else { return };
    assert_eq!(whole.0.bytes, lines.len() as u64);
    assert_eq!(run(Slow(lines), definition), Some(whole));
});
