//! Any bytes are FHIR XML or an error with its place; what is read is strict JSON, of bounded size, and the same each time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_fhir::{
    json::{Limits, Parser},
    xml::to_json,
};

fuzz_target!(|data: &[u8]| {
    let read = match to_json(data) {
        Ok(read) => read,
        Err(error) => return assert!(error.offset <= data.len()),
    };
    // An element takes four bytes at least, and of each no more is written than its names, brackets and escapes.
    assert!(read.json.len() <= 64 * data.len() + 64);
    let mut parser = Parser::new(Limits { depth: 1024, ..Limits::default() });
    let document = parser.parse(read.json.as_bytes()).expect("JSON");
    assert!(document.root().get("resourceType").is_some());
    assert_eq!(to_json(data), Ok(read));
});
