//! Any bytes are a rule set or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_privacy::text::{Rules, Scrubber};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (source, list) = text.split_once('\0').unwrap_or((&text, ""));
    if let Ok(rules) = Rules::from_data(&[source], &[list]) {
        Scrubber::new(rules).spans("Seen by Dr. Kim on 03/14/2018, MRN: 257475.", None, &mut Vec::new()).expect("no model");
    }
});
