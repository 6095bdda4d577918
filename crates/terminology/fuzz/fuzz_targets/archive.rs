//! Any bytes are a package, a download or a release, or an error.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use sutura_terminology::{AthenaOptions, Limits, SnomedOptions, Terminology};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { resource_bytes: 1 << 20, total_bytes: 1 << 22, concepts: 1_000, edges: 1_000, mappings: 1_000 };
    let mut all = Terminology::empty();
    let _ = all.load_fhir_package(data, &limits);
    let _ = all.load_athena(Cursor::new(data), &AthenaOptions { limits, ..AthenaOptions::default() });
    let _ = all.load_snomed(Cursor::new(data), &SnomedOptions { limits, ..SnomedOptions::default() });
    let _ = all.load_loinc(Cursor::new(data), &limits);
});
