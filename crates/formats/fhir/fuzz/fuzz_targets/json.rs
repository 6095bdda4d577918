//! What is accepted, serde_json accepts too, with the same text and shape; every handle can be walked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_fhir::json::{Kind, Parser, Value};

fn same(ours: Value<'_>, theirs: &serde_json::Value) {
    assert_eq!(ours.as_str(), theirs.as_str());
    assert_eq!(ours.as_bool(), theirs.as_bool());
    match ours.kind() {
        Kind::Array => {
            let items = theirs.as_array().expect("an array");
            assert_eq!(ours.len(), items.len());
            ours.items().zip(items).for_each(|(ours, theirs)| same(ours, theirs));
        }
        Kind::Object => {
            let members = theirs.as_object().expect("an object");
            assert_eq!(ours.len(), members.len());
            for (name, value) in ours.entries() {
                assert_eq!(ours.get(name).map(|found| found.index()), Some(value.index()));
                same(value, &members[name]);
            }
        }
        _ => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let mut parser = Parser::default();
    let Ok(document) = parser.parse(data) else { return };
    let text = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    match serde_json::from_slice(text) {
        Ok(theirs) => same(document.root(), &theirs),
        Err(error) => assert!(error.to_string().contains("out of range"), "{error}"),
    }
});
