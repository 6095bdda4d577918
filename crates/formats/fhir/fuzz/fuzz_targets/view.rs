//! Any bytes are a view or an error; a view over resources gives a batch or an error. The input is the definition, then,
//! behind a NUL, NDJSON.
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use sutura_fhir::view::{NdjsonOptions, View, read_ndjson};

const PATIENT: &[u8] = br#"{"resourceType":"Patient","id":"p1","name":[{"use":"official","family":"a","given":["Peter",null]},{"family":"b"}]}"#;

fuzz_target!(|data: &[u8]| {
    let (definition, lines) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, PATIENT),
    };
    let Ok(view) = View::from_json(definition) else { return };
    let account = read_ndjson(lines, &[view], NdjsonOptions::default(), &mut |_| ControlFlow::Continue(())).expect("memory does not fail");
    assert_eq!(account.bytes, lines.len() as u64);
});
