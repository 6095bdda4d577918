//! The parser beside serde_json, and against bytes cut anywhere.

use proptest::prelude::*;

use super::{super::Value, *};

fn parse(text: &str) -> Result<OwnedDocument, JsonError> {
    Parser::default().parse_owned(text.as_bytes().to_vec())
}

fn kind_of(text: &str) -> JsonErrorKind {
    parse(text).unwrap_err().kind
}

/// The same value as serde_json would make; numbers by their digits.
fn as_serde(value: Value<'_>) -> serde_json::Value {
    match value.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool => value.as_bool().unwrap().into(),
        Kind::Number => serde_json::from_str(value.as_number().unwrap()).unwrap_or(serde_json::Value::Null),
        Kind::String => value.as_str().unwrap().into(),
        Kind::Array => value.items().map(as_serde).collect::<Vec<_>>().into(),
        Kind::Object => {
            let members = value.entries().map(|(name, member)| (name.to_owned(), as_serde(member)));
            serde_json::Value::Object(members.collect())
        }
    }
}

#[test]
fn values_are_as_sent() {
    let text = r#" {"a": [1.00, -0, 1E+2, true, null], "b\n": "x\u00e9\ud83d\ude00\/", "c": {}} "#;
    let owned = parse(text).unwrap();
    let root = owned.document().root();
    assert_eq!((root.kind(), root.len(), root.offset()), (Kind::Object, 3, 1));
    let numbers: Vec<_> = root.get("a").unwrap().items().filter_map(|item| item.as_number()).collect();
    assert_eq!(numbers, ["1.00", "-0", "1E+2"]);
    assert_eq!(root.get("b\n").unwrap().as_str(), Some("xé😀/"));
    assert_eq!(root.get("a").unwrap().raw(), b"[1.00, -0, 1E+2, true, null]");
    assert_eq!(root.entries().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b\n", "c"]);
    assert_eq!(root.get("c").unwrap().entries().count(), 0);
    assert!(root.get("d").is_none() && root.get("a").unwrap().get("x").is_none());
    assert_eq!(root.raw(), text.trim().as_bytes());
    assert!(!format!("{root:?} {owned:?}").contains("é"));
}

#[test]
fn errors_have_kind_and_place() {
    use JsonErrorKind as K;
    for (text, offset, kind) in [
        ("", 0, K::Unterminated),
        ("{", 1, K::Unterminated),
        ("[1,", 3, K::Unterminated),
        ("[1,]", 3, K::UnexpectedByte),
        ("{\"a\":1,}", 7, K::UnexpectedByte),
        ("{\"a\" 1}", 5, K::UnexpectedByte),
        ("{a:1}", 1, K::UnexpectedByte),
        ("[1}", 2, K::UnexpectedByte),
        ("// x\n1", 0, K::UnexpectedByte),
        ("01", 1, K::BadNumber),
        ("[01]", 2, K::BadNumber),
        ("-", 1, K::Unterminated),
        ("[-]", 2, K::BadNumber),
        ("[1.]", 3, K::BadNumber),
        ("[.5]", 1, K::UnexpectedByte),
        ("[1e]", 3, K::BadNumber),
        ("+1", 0, K::UnexpectedByte),
        ("\"\n\"", 1, K::ControlCharacter),
        ("\"\\x\"", 1, K::BadEscape),
        ("\"\\ud800\"", 1, K::BadEscape),
        ("\"\\udc00\\ud800\"", 1, K::BadEscape),
        ("\"\\u12g4\"", 5, K::BadEscape),
        ("\"abc", 4, K::Unterminated),
        ("tru", 3, K::Unterminated),
        ("trux", 3, K::UnexpectedByte),
        ("NaN", 0, K::UnexpectedByte),
        ("1 2", 2, K::TrailingBytes),
        ("{\"a\":1,\"b\":2,\"a\":3}", 13, K::DuplicateKey),
        ("{\"a\":1,\"\\u0061\":3}", 7, K::DuplicateKey),
    ] {
        assert_eq!(parse(text).unwrap_err(), JsonError { offset, kind }, "{text:?}");
    }
    let bytes = Parser::default().parse(b"\"a\xff\"").unwrap_err();
    assert_eq!(bytes, JsonError { offset: 2, kind: K::BadUtf8 });
    assert!(Parser::default().parse(b"\xEF\xBB\xBF {}").is_ok());
}

#[test]
fn a_name_may_stand_twice_in_two_objects_but_not_in_one() {
    assert!(parse(r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#).is_ok());
    let many = |extra: &str| {
        let members: Vec<_> = (0..3000).map(|n| format!("\"n{n}\":{{\"x\":1}}")).collect();
        format!("{{{}{extra}}}", members.join(","))
    };
    assert!(parse(&many("")).is_ok());
    assert_eq!(kind_of(&many(",\"n7\":1")), JsonErrorKind::DuplicateKey);
    assert_eq!(kind_of(&many(",\"n2999\":1")), JsonErrorKind::DuplicateKey);
}

#[test]
fn bombs_are_refused() {
    let nested = "[".repeat(1 << 20);
    assert_eq!(kind_of(&nested), JsonErrorKind::TooDeep);
    assert!(parse(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
    assert_eq!(kind_of(&format!("{}{}", "[".repeat(65), "]".repeat(65))), JsonErrorKind::TooDeep);
    let limits = Limits { nodes: 4, bytes: 20, ..Limits::default() };
    assert_eq!(Parser::new(limits).parse(b"[1,2,3,4]").unwrap_err().kind, JsonErrorKind::TooLarge);
    assert_eq!(Parser::new(limits).parse(&[b' '; 21]).unwrap_err(), JsonError { offset: 20, kind: JsonErrorKind::TooLarge });
    assert!(Parser::new(limits).parse(b"[1,2,3]").is_ok());
}

#[test]
fn a_parser_is_good_for_many_documents() {
    let mut parser = Parser::default();
    let large = format!("[{}]", vec!["\"\\n\""; 300_000].join(","));
    assert_eq!(parser.parse(large.as_bytes()).unwrap().root().len(), 300_000);
    assert!(parser.parse(b"{").is_err());
    for _ in 0..3 {
        assert_eq!(parser.parse(br#"{"a":"\n"}"#).unwrap().root().get("a").unwrap().as_str(), Some("\n"));
    }
    assert!(parser.tape.nodes.capacity() <= KEPT_NODES);
}

#[test]
fn plain_text_stops_where_it_must() {
    for length in 0..40 {
        for stop in ["\"", "\\\"", "\u{1}"] {
            let text = format!("\"{}é{stop}\"", "x".repeat(length));
            let result = parse(&text);
            match stop {
                "\"" => assert_eq!(result.unwrap_err().kind, JsonErrorKind::TrailingBytes),
                "\u{1}" => assert_eq!(result.unwrap_err(), JsonError { offset: length + 3, kind: JsonErrorKind::ControlCharacter }),
                _ => assert_eq!(result.unwrap().document().root().as_str().unwrap().chars().count(), length + 2),
            }
        }
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,20}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((".{0,6}", inner), 0..8).prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_what_serde_json_writes(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let owned = parse(&text).unwrap();
        // serde_json does not read every double back as it wrote it: what it reads is compared.
        prop_assert_eq!(as_serde(owned.document().root()), serde_json::from_str::<serde_json::Value>(&text).unwrap());
    }

    #[test]
    fn every_cut_is_an_error_or_the_same_value(value in json()) {
        let text = serde_json::to_vec(&value).unwrap();
        let mut parser = Parser::default();
        for end in 0..text.len() {
            let cut = &text[..end];
            // A bare number that is cut is a number still.
            match parser.parse(cut) {
                Ok(document) => prop_assert_eq!(document.root().kind(), Kind::Number),
                Err(error) => prop_assert!(error.offset <= end),
            }
        }
    }

    #[test]
    fn accepts_what_serde_json_accepts(text in r#"[\[\]{}:,"\\ntrue0-9eE+.\- a]{0,24}"#) {
        let ours = parse(&text);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => match ours {
                Ok(owned) => prop_assert_eq!(as_serde(owned.document().root()), value),
                Err(error) => prop_assert_eq!(error.kind, JsonErrorKind::DuplicateKey),
            },
            // serde_json refuses numbers out of the range of a double; here they are digits.
            Err(error) => prop_assert!(ours.is_err() || error.to_string().contains("number out of range"), "{}", error),
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut parser = Parser::default();
        if let Ok(document) = parser.parse(&bytes) {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() || bytes.starts_with(b"\xEF\xBB\xBF"));
            as_serde(document.root());
        }
    }
}
