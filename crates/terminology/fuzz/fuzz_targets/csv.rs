//! Any bytes are loaded whole or not at all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_terminology::{Limits, Terminology};

fuzz_target!(|data: &[u8]| {
    let mut all = Terminology::empty();
    if all.load_csv("name", data, &Limits { concepts: 1_000, mappings: 1_000, ..Limits::default() }).is_err() {
        assert_eq!(all.code_systems().count() + all.value_sets().count() + all.concept_maps().count(), 0);
    }
});
