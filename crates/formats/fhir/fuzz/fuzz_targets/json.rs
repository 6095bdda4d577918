//! What is accepted, serde_json accepts too, with the same text and shape; every handle can be walked; the bytes of a
//! value are that value again, and without blanks too; what is cut is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_fhir::{
    bundle::compact_into,
    json::{Kind, Limits, Parser, Value},
};

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

/// Two values with the same tokens.
fn same_tokens(left: Value<'_>, right: Value<'_>) {
    assert_eq!((left.kind(), left.len(), left.as_str(), left.as_number()), (right.kind(), right.len(), right.as_str(), right.as_number()));
    left.items().zip(right.items()).for_each(|(left, right)| same_tokens(left, right));
    for ((left_name, left), (right_name, right)) in left.entries().zip(right.entries()) {
        assert_eq!(left_name, right_name);
        same_tokens(left, right);
    }
}

fn refused(parser: &mut Parser, bytes: &[u8]) {
    if let Err(error) = parser.parse(bytes) {
        assert!(error.offset <= bytes.len());
        assert!(!error.to_string().is_empty());
    }
}

fuzz_target!(|data: &[u8]| {
    let (mut parser, mut other) = (Parser::default(), Parser::default());
    refused(&mut Parser::new(Limits { depth: 3, nodes: 7, bytes: 40 }), data);
    let text = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let document = match parser.parse(data) {
        Ok(document) => document,
        Err(error) => return assert!(error.offset <= data.len()),
    };
    let root = document.root();
    match serde_json::from_slice(text) {
        Ok(theirs) => same(root, &theirs),
        Err(error) => assert!(error.to_string().contains("out of range"), "{error}"),
    }
    assert_eq!(root.raw(), text.trim_ascii());
    for value in root.items().chain(root.entries().map(|(_, value)| value)) {
        assert_eq!(&data[value.offset()..value.offset() + value.raw().len()], value.raw());
        same_tokens(value, other.parse(value.raw()).expect("a value by itself").root());
    }
    let mut compact = Vec::new();
    compact_into(&mut compact, root.raw());
    same_tokens(root, other.parse(&compact).expect("compact JSON").root());
    let mut again = Vec::new();
    compact_into(&mut again, &compact);
    assert_eq!(again, compact);
    if matches!(root.kind(), Kind::Object | Kind::Array | Kind::String) {
        for end in 0..compact.len().min(64) {
            assert!(other.parse(&compact[..end]).is_err());
        }
    }
});
