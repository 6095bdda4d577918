//! The fast path and the value agree on any bytes, and what they write is ISO 8601 that reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_hl7v2::timestamp::{parse, parse_date, parse_time, write_iso};

fuzz_target!(|data: &[u8]| {
    let mut iso = Vec::new();
    let written = write_iso(data, &mut iso);
    let Ok(raw) = std::str::from_utf8(data) else {
        assert!(!written);
        return;
    };
    let value = parse(raw).value();
    assert_eq!(written.then(|| String::from_utf8(iso).expect("ASCII")), value.map(|value| value.to_string()));
    assert!(parse_date(raw).value().is_none() || value.is_some());
    parse_time(raw);
});
