//! Any bytes are a rule set or an error, and what a rule set finds lies in order on characters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_privacy::text::{Replacement, Replacements, Rules, Scrubber, Surrogates};
use sutura_privacy_fuzz::document;

const SEEDS: [&str; 2] = [include_str!("../../data/text/es.toml"), RULES];
const RULES: &str = r#"
language = "xx"
day_first = true
months = ["january jan", "february feb", "march mar", "april apr", "may", "june jun", "july", "august", "september", "october", "november", "december"]
[words]
function = "a an the of by on"
title = "dr mr mrs"
"#;
const NOTE: &str = "Seen by Dr. Kim on 03/14/2018 (14 march 2018, 3-14-18), MRN: 257475. Café of Dra. Núñez, calle Mayor 3, 28013 Madrid; tel. 617-555-0100.";

fuzz_target!(|data: &[u8]| {
    let data = document(&SEEDS, data);
    let text = String::from_utf8_lossy(&data);
    let (source, list) = text.split_once('\0').unwrap_or((&text, ""));
    let Ok(rules) = Rules::from_data(&[source], &[list]) else { return };
    let scrubber = Scrubber::new(rules);
    let mut spans = Vec::new();
    scrubber.spans(NOTE, None, &mut spans).expect("no model");
    let mut last = 0;
    for span in &spans {
        assert!(last <= span.start && span.start < span.end && NOTE.get(span.start..span.end).is_some());
        last = span.end;
    }
    let mut out = String::new();
    for replacement in [Replacement::Tag, Replacement::ShiftDate { days: -99 }, Replacement::Surrogate(Surrogates::new(&[1; 32], "p", 7))] {
        scrubber.replace(NOTE, &spans, &Replacements::all(replacement), &mut out);
    }
});
