//! Any bytes are a document or an error with its place; every element lies within its parent, every value can be read, and
//! nothing grows beyond what was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_ccda::{
    Document, Limits, narrative,
    value::{Address, Code, Interval, Name, Telecom, Timing, Value, parse_time, text_of},
};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { depth: 64, nodes: 100_000, ..Limits::default() };
    let document = match Document::parse_fragment(data.to_vec(), &limits) {
        Ok(document) => document,
        Err(error) => return assert!(error.offset <= data.len()),
    };
    let root = document.root();
    // A letter of Windows-1252 takes three bytes of UTF-8.
    assert!(root.text().len() <= 3 * data.len());
    for element in root.descendants() {
        let (span, around) = (element.span(), element.parent().expect("not the outermost").span());
        assert!(span.start <= span.end && around.start <= span.start && span.end <= around.end && span.end <= data.len());
        if element.children().count() > 64 {
            continue;
        }
        let _ = (Value::read(element), Code::read(element).words(), Interval::read(element).any(), Timing::read(element));
        let _ = (Name::read(element).line(), Address::read(element).is_empty(), Telecom::read(element), text_of(element));
        if let Some(value) = element.attr("value") {
            let (time, fault) = parse_time(value);
            assert!(time.is_some() || fault.is_some());
        }
        if let Some(id) = element.id_attr() {
            assert_eq!(document.by_id(id).and_then(|found| found.id_attr()), Some(id));
        }
    }
    for section in document.sections() {
        let _ = (section.title(&document), section.text(&document).and_then(narrative::text));
        assert!(section.parent.is_none_or(|parent| parent < section.position));
        for entry in section.entries(&document) {
            assert_eq!(entry.section, section.position);
        }
    }
    let entries: usize = document.sections().iter().map(|section| section.entries(&document).len()).sum();
    assert_eq!(entries, document.entries().len());
    let header = document.header();
    let _ = (header.patient().map(|patient| patient.languages().count()), header.authors().count(), document.kind(), document.release());
});
