//! Input that is made to break readers: typed errors, and time in proportion to its size. Each limit of time is many times what is
//! needed, and many times less than what a quadratic step would take.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, ReadStats, Reject, TableRequest};
use sutura_fhir::{
    fhirpath::{Context, Expression, Item, PathError, Resolve},
    json::{JsonErrorKind, Limits, OwnedDocument, Parser, Value},
    read::{Decoder, Fhir},
    validate::{Issue, IssueCode, Validator},
};

/// Debug builds on a busy machine; each case takes a second or two.
const LONG_ENOUGH: Duration = Duration::from_mins(1);

fn in_time<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < LONG_ENOUGH, "{what} took {:?}", start.elapsed());
    result
}

/// All tables, in blocks of 64 KiB.
fn read(bytes: &[u8]) -> (ReadStats, Vec<Reject>) {
    let requests = Fhir.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
    let options = serde_json::Value::Null;
    let spec = DecoderSpec { source: "test:file".into(), start: 0, end: None, options, requests, batch_rows: 1000 };
    let mut decoder = Decoder::new(spec).unwrap();
    let mut out = Vec::new();
    for block in bytes.chunks(1 << 16) {
        decoder.push(Bytes::copy_from_slice(block), &mut out).unwrap();
    }
    let stats = decoder.finish(&mut out).unwrap();
    assert!(stats.balances() && stats.bytes == bytes.len() as u64);
    let rejects = out.into_iter().filter_map(|item| if let Decoded::Reject(reject) = item { Some(reject) } else { None });
    (stats, rejects.collect())
}

fn codes(bytes: &[u8]) -> Vec<&'static str> {
    read(bytes).1.iter().map(|reject| reject.code).collect()
}

fn parse(bytes: impl Into<Vec<u8>>) -> OwnedDocument {
    let limits = Limits { depth: 1024, ..Limits::default() };
    Parser::new(limits).parse_owned(bytes.into()).unwrap()
}

fn validate(bytes: impl Into<Vec<u8>>) -> Vec<Issue> {
    Validator::default().validate(parse(bytes).document().root())
}

#[test]
fn huge_numbers_are_digits_until_they_are_used() {
    let observation = |value: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{value}}},"component":[{{"code":{{"text":"x"}},"valueInteger":{value}}}]}}"#
        )
    };
    let digits = |first: &str, count: usize| format!("{first}{}1", "0".repeat(count));
    let (long, longest) = (1 << 18, 10 << 20);
    let values = [
        "1e999999999".to_owned(),
        "-1E-999999999".to_owned(),
        digits("1", longest),
        digits("0.", long),
        digits("1e", long),
        digits("-9.9e+", long),
    ];
    for value in values {
        let text = observation(&value);
        in_time("reading a number", || assert_eq!(read(text.as_bytes()).0.accepted, 1));
        let document = parse(text);
        let root = document.document().root();
        let issues = in_time("validating a number", || Validator::default().validate(root));
        assert!(issues.iter().any(|issue| issue.code == IssueCode::Value), "an integer has 32 bits");
        assert!(issues.iter().all(|issue| issue.diagnostics.len() < 1000));
        for expression in ["value.value * 2 > 1", "value.value = component.value", "value ~ value", "descendants().distinct().count()"] {
            let expression = Expression::parse(expression).unwrap();
            in_time("evaluating a number", || expression.evaluate(Item::resource(root), &mut Context::new()).map(drop).unwrap_or_default());
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let bad: [(&[u8], JsonErrorKind, usize); 7] = [
        (b"{\"a\":\"\xff\"}", JsonErrorKind::BadUtf8, 6),
        (b"{\"a\":\"\xc3\"}", JsonErrorKind::BadUtf8, 6),
        (b"{\"a\":\"\xed\xa0\x80\"}", JsonErrorKind::BadUtf8, 6),
        (b"{\"a\":\"\xf5\x80\x80\x80\"}", JsonErrorKind::BadUtf8, 6),
        (b"{\"a\":\"\0\"}", JsonErrorKind::ControlCharacter, 6),
        (b"{\"a\"\0:1}", JsonErrorKind::UnexpectedByte, 4),
        (b"\0", JsonErrorKind::UnexpectedByte, 0),
    ];
    let mut file = Vec::new();
    for (bytes, kind, offset) in bad {
        let error = Parser::default().parse(bytes).unwrap_err();
        assert_eq!((error.kind, error.offset), (kind, offset));
        file.extend_from_slice(bytes);
        file.push(b'\n');
    }
    file.extend_from_slice(b"{\"resourceType\":\"Basic\",\"id\":\"good\"}\n");
    let (stats, rejects) = read(&[b"{\"resourceType\":\"Basic\"}\n".as_slice(), &file].concat());
    assert_eq!((stats.accepted, rejects.len()), (2, bad.len()));
    // An escaped NUL is JSON, but no text of FHIR.
    let issues = validate(r#"{"resourceType":"Patient","name":[{"family":"a\u0000b"}]}"#);
    assert!(issues.iter().any(|issue| issue.code == IssueCode::Value && issue.expression == "Patient.name[0].family"), "{issues:?}");
}

#[test]
fn depth_is_bounded_everywhere() {
    for (open, close) in [("[", "]"), ("{\"extension\":[", "]}"), ("{\"a\":", "1}")] {
        let deep = format!("{{\"resourceType\":\"Basic\",\"x\":{}{}}}", open.repeat(1 << 20), close.repeat(1 << 20));
        assert_eq!(codes(deep.as_bytes()), ["json-too-deep"]);
    }
    let most = format!("{{\"resourceType\":\"Basic\",\"extension\":[{}{}]}}", "{\"extension\":[".repeat(500), "]}".repeat(500));
    in_time("validating extensions of extensions", || assert!(!validate(most).is_empty()));
    for text in
        ["(".repeat(1 << 20), "-".repeat(1 << 20), format!("a{}", ".b".repeat(1 << 20)), "not(".repeat(1 << 20), "a[".repeat(1 << 20)]
    {
        assert!(in_time("parsing an expression", || Expression::parse(&text)).is_err());
    }
}

/// Bundles in Bundles: two levels are unpacked, what is inside them is a record.
#[test]
fn bundles_of_bundles_end() {
    let nested = |levels: usize| {
        let open = "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{\"resource\":".repeat(levels);
        format!("{open}{{\"resourceType\":\"Basic\",\"code\":{{\"text\":\"x\"}}}}{}", "}]}".repeat(levels))
    };
    for (levels, accepted, rejected) in
        [(1, 1, &[][..]), (2, 1, &[]), (3, 1, &[]), (20, 1, &[]), (100, 0, &["json-too-deep"]), (10_000, 0, &["json-too-deep"])]
    {
        assert_eq!(
            (read(nested(levels).as_bytes()).0.accepted, codes(nested(levels).as_bytes()).as_slice()),
            (accepted, rejected),
            "{levels}"
        );
    }
    in_time("validating Bundles of Bundles", || assert!(!validate(nested(300)).is_empty()));
}

#[test]
fn cycles_of_contained_resources_end() {
    let text = r##"{"resourceType":"Patient","id":"p","contained":[
        {"resourceType":"Organization","id":"a","name":"a","partOf":{"reference":"#b"}},
        {"resourceType":"Organization","id":"b","name":"b","partOf":{"reference":"#a"}},
        {"resourceType":"Organization","id":"c","name":"c","partOf":{"reference":"#c"}}],
        "managingOrganization":{"reference":"#a"},"link":[{"other":{"reference":"#"},"type":"seealso"}]}"##;
    let document = parse(text);
    let root = document.document().root();
    let evaluate = |text: &'static str| {
        let expression = Expression::parse(text).unwrap();
        in_time(text, || {
            let found = expression.evaluate(Item::resource(root), &mut Context::new())?;
            Ok::<_, PathError>(found.first().and_then(|item| item.to_text().map(std::borrow::Cow::into_owned)))
        })
    };
    assert_eq!(evaluate("managingOrganization.resolve().repeat(partOf.resolve()).count()"), Ok(Some("2".to_owned())));
    assert_eq!(evaluate("repeat(link.other.resolve()).count()"), Ok(Some("1".to_owned())));
    assert!(matches!(evaluate("repeatAll(link.other.resolve())"), Err(PathError::TooManyItems(_) | PathError::Cost(_))));
    assert!(matches!(evaluate("contained.repeatAll($this | %resource.contained)"), Err(PathError::TooManyItems(_) | PathError::Cost(_))));
    assert!(in_time("validating a cycle", || validate(text)).iter().all(|issue| issue.code != IssueCode::TooCostly));
}

/// References between documents that mean one another.
struct Pair<'d>(Value<'d>, Value<'d>);

impl<'d> Resolve<'d> for Pair<'d> {
    fn resolve(&self, reference: &str) -> Option<Item<'d>> {
        match reference {
            "Patient/1" => Some(Item::resource(self.0)),
            "Patient/2" => Some(Item::resource(self.1)),
            _ => None,
        }
    }
}

#[test]
fn cycles_of_documents_end() {
    let patient = |id: u8, other: u8| {
        format!(r#"{{"resourceType":"Patient","id":"{id}","link":[{{"other":{{"reference":"Patient/{other}"}},"type":"seealso"}}]}}"#)
    };
    let (one, two) = (parse(patient(1, 2)), parse(patient(2, 1)));
    let pair = Pair(one.document().root(), two.document().root());
    let expression = Expression::parse("repeat(link.other.resolve()).id").unwrap();
    let mut context = Context::new().resolver(&pair);
    let found = expression.evaluate(Item::resource(pair.0), &mut context).unwrap();
    let ids: Vec<_> = found.iter().map(|item| item.to_text().unwrap().into_owned()).collect();
    // The two roots have the same place in their documents, and are two resources.
    assert_eq!(ids, ["2", "1"]);
}

#[test]
fn many_contained_resources_and_references_take_no_product_of_time() {
    let count = 20_000;
    let mut text = "{\"resourceType\":\"List\",\"status\":\"current\",\"mode\":\"working\",\"contained\":[".to_owned();
    for number in 0..count {
        let comma = if number > 0 { "," } else { "" };
        write!(text, "{comma}{{\"resourceType\":\"Patient\",\"id\":\"p{number}\"}}").unwrap();
    }
    text.push_str("],\"entry\":[");
    for number in 0..count {
        let comma = if number > 0 { "," } else { "" };
        write!(text, "{comma}{{\"item\":{{\"reference\":\"#p{}\"}}}}", count - 1 - number).unwrap();
    }
    text.push_str("]}");
    in_time("reading references", || assert_eq!(read(text.as_bytes()).0.accepted, 1));
    in_time("validating references", || validate(text.as_str()));
    let document = parse(text);
    let expression = Expression::parse("entry.item.resolve().count()").unwrap();
    in_time("resolving references", || {
        assert!(expression.evaluate(Item::resource(document.document().root()), &mut Context::new()).is_err(), "there are too many steps");
    });
}

#[test]
fn names_and_values_without_number_take_no_product_of_time() {
    let members = |name: &str, count: usize| (0..count).map(|number| format!(",\"{name}{number}\":1")).collect::<Vec<_>>().concat();
    let wide = format!("{{\"resourceType\":\"Patient\"{}{}}}", members("_x", 100_000), members("y", 100_000));
    in_time("reading names", || assert_eq!(read(wide.as_bytes()).0.accepted, 1));
    in_time("validating names", || validate(wide.as_str()));
    let codings = |stem: &str| (0..50_000).map(|number| format!(",{{\"code\":\"{stem}{number}\"}}")).collect::<Vec<_>>().concat();
    let coded = format!(
        "{{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{{\"coding\":[{}]}},\"valueInteger\":1,\"component\":[{{\"code\":{{\"coding\":[{}]}}}}]}}",
        &codings("a")[1..],
        &codings("b")[1..]
    );
    in_time("validating codings", || validate(coded.as_str()));
    for text in [wide, coded] {
        let document = parse(text);
        for expression in [
            "children().count()",
            "descendants().count()",
            "descendants().distinct().count()",
            "descendants() ~ descendants()",
            "name | children() | descendants()",
        ] {
            let expression = Expression::parse(expression).unwrap();
            in_time("evaluating many", || {
                expression.evaluate(Item::resource(document.document().root()), &mut Context::new()).map(drop).unwrap_or_default();
            });
        }
    }
}

/// Rules of definitions look at the whole resource for each of its elements: that ends, and says that it did.
#[test]
fn rules_take_steps_in_proportion() {
    let elements = (0..4000)
        .map(|number| format!(",{{\"id\":\"Patient.x{number}\",\"path\":\"Patient.x{number}\",\"min\":0,\"max\":\"1\"}}"))
        .collect::<Vec<_>>()
        .concat();
    let definition = format!(
        "{{\"resourceType\":\"StructureDefinition\",\"url\":\"http://x\",\"name\":\"X\",\"status\":\"draft\",\"kind\":\"resource\",\"abstract\":false,\"type\":\"Patient\",\"snapshot\":{{\"element\":[{}]}},\"differential\":{{\"element\":[{}]}}}}",
        &elements[1..],
        &elements[1..]
    );
    in_time("validating a definition", || validate(definition));
}
