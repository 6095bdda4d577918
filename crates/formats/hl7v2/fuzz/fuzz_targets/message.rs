//! Any text is parsed, validated and shown without panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_hl7v2::{Message, inspect, validate};

fuzz_target!(|text: &str| {
    // Most texts are no message; what is interesting comes after the header.
    let text = if text.starts_with("MSH") { text.to_owned() } else { format!("MSH|^~\\&|{text}") };
    let Ok(message) = Message::parse(&text) else { return };
    let mut findings = Vec::new();
    validate::validate(&message, &mut findings);
    let masked = inspect::tree(&message, &findings, false);
    let shown = inspect::tree(&message, &findings, true);
    assert!(!masked.is_empty() && !shown.is_empty());
});
