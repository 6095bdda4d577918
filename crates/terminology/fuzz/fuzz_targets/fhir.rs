//! Any bytes are loaded whole or not at all; what is loaded can be asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_terminology::{ExpandOptions, Limits, Terminology};

fuzz_target!(|data: &[u8]| {
    let mut all = Terminology::empty();
    if all.load_fhir(data, &Limits { concepts: 1_000, mappings: 1_000, ..Limits::default() }).is_err() {
        assert_eq!(all.code_systems().count() + all.value_sets().count() + all.concept_maps().count(), 0);
        return;
    }
    let options = ExpandOptions { limit: 500, ..ExpandOptions::default() };
    for set in all.value_sets() {
        if let Ok(found) = all.expand_definition(set, &options) {
            assert!(found.total <= options.limit);
            for member in &found.members {
                let system = member.version.as_ref().map_or_else(|| member.system.clone(), |version| format!("{}|{version}", member.system));
                let _ = all.contains(&set.url, &system, &member.code);
            }
        }
    }
    for map in all.concept_maps() {
        for (system, code, _) in map.rows() {
            assert!(all.translate(map.key(), system, code).is_ok());
        }
    }
});
