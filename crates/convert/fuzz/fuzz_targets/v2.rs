//! Any message becomes a Bundle without an error of validation, the same one each time, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_convert::{
    report::Report,
    v2::{Converter, Options, Source},
};
use sutura_core::Sha256Hash;
use sutura_fhir::{
    json::Parser,
    validate::{IssueSeverity, Validator},
};
use sutura_hl7v2::Message;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(message) = Message::parse(text) else { return };
    let options = Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() };
    let mut converter = Converter::new(&options).expect("these options");
    let source = Source { uri: "file:///fuzz", offset: 0, length: text.len() as u64, sha256: Sha256Hash::of(data) };
    let (mut report, mut first, mut second) = (Report::new(), Vec::new(), Vec::new());
    if converter.convert(&message, &source, &mut report, &mut first).is_err() {
        assert!(first.is_empty());
        return;
    }
    converter.convert(&message, &source, &mut report, &mut second).expect("as before");
    assert_eq!(first, second);
    let mut parser = Parser::default();
    let document = parser.parse(&first).expect("strict JSON");
    for issue in Validator::default().validate(document.root()) {
        assert!(issue.severity < IssueSeverity::Error, "{issue:?}");
    }
});
