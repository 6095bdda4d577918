//! Whatever is sent comes out again, and a second run changes nothing.

use std::collections::HashSet;

use chrono::NaiveDate;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::json::Parser;

/// Our extensions taken away again, and an array of theirs alone with them.
fn stripped(json: &mut Json) {
    match json {
        Json::Object(members) => {
            if members.contains_key("resourceType")
                && let Some(Json::Array(extensions)) = members.get_mut("extension")
            {
                let before = extensions.len();
                extensions.retain(|one| !EXTENSIONS.iter().any(|name| one["url"] == format!("{BASE}{name}").as_str()));
                if extensions.is_empty() && before > 0 {
                    members.remove("extension");
                }
            }
            members.values_mut().for_each(stripped);
        }
        Json::Array(items) => items.iter_mut().for_each(stripped),
        _ => {}
    }
}

/// Every value in order, with the bytes of the simple ones as sent.
fn tape(value: Value<'_>, out: &mut Vec<String>) {
    match value.kind() {
        Kind::Object => {
            out.push("{".to_owned());
            for (name, member) in value.entries() {
                out.push(name.to_owned());
                tape(member, out);
            }
        }
        Kind::Array => {
            out.push("[".to_owned());
            value.items().for_each(|item| tape(item, out));
        }
        _ => out.push(value.raw_text().to_owned()),
    }
    out.push(";".to_owned());
}

/// The same without our extensions at the root of the resource or of those in a Bundle.
fn tape_without(value: Value<'_>, out: &mut Vec<String>) {
    out.push("{".to_owned());
    for (name, member) in value.entries() {
        if name == "extension" && member.kind() == Kind::Array && !member.is_empty() {
            let kept: Vec<_> = member.items().filter(|item| !ours(*item)).collect();
            if kept.is_empty() {
                continue;
            }
            out.push(name.to_owned());
            out.push("[".to_owned());
            for item in kept {
                tape(item, out);
            }
            out.push(";".to_owned());
            continue;
        }
        out.push(name.to_owned());
        tape(member, out);
    }
    out.push(";".to_owned());
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[1-9][0-9]{0,4}(\\.[0-9]{1,5})?([eE][+-]?[0-9])?",
        "\"[a-zA-Z0-9 :/.\\-]{0,12}\"",
        Just("\"1980-02-29\"".to_owned()),
        Just("\"\\u0065\\n\"".to_owned()),
        Just("\"http://loinc.org\"".to_owned()),
        Just(format!("{{\"url\":\"{BASE}age\", \"valueString\" :\"old\"}}")),
        Just("{\"url\": \"http://example.org\", \"valueCode\":\"x\" }".to_owned()),
    ]
}

fn any_json() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![proptest::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[ {} ]", items.join(" , "))), members(inner),]
    })
}

fn members(inner: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("extension"),
        Just("birthDate"),
        Just("gender"),
        Just("deceasedDateTime"),
        Just("address"),
        Just("code"),
        Just("coding"),
        Just("valueQuantity"),
        Just("value"),
        Just("system"),
        Just("component"),
        Just("subject"),
        Just("reference"),
        Just("status"),
        Just("effectiveDateTime"),
        Just("contained"),
        Just("category"),
        Just("entry"),
        Just("resource"),
        Just("id"),
        Just("\\u0065xtension"),
    ];
    proptest::collection::vec((name, inner), 0..7).prop_map(|mut members| {
        let mut seen = HashSet::new();
        members.retain(|(name, _)| seen.insert(name.replace("\\u0065", "e")));
        let members: Vec<_> = members.into_iter().map(|(name, value)| format!("\"{name}\" :{value}")).collect();
        format!("{{{}}}", members.join("\n, "))
    })
}

fn resource() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        Just("Patient"),
        Just("Observation"),
        Just("Condition"),
        Just("Location"),
        Just("Slot"),
        Just("Binary"),
        Just("MeasureReport"),
        Just("Bundle"),
    ];
    (kind, members(any_json())).prop_map(|(kind, members)| match members.strip_prefix('{') {
        Some("}") | None => format!("{{ \"resourceType\":\"{kind}\"\t}}"),
        Some(rest) => format!("{{ \"resourceType\":\"{kind}\",\r\n{rest}"),
    })
}

proptest! {
    #[test]
    fn all_that_was_sent_is_there_and_a_second_run_changes_nothing(text in resource()) {
        let mut options = Options::new(NaiveDate::from_ymd_opt(2024, 7, 1).unwrap());
        options.validate = text.len() % 3 == 0;
        let enricher = Enricher::new(options);
        let (mut first, mut second) = (Parser::default(), Parser::default());
        let before = first.parse(text.as_bytes()).unwrap().root();
        let mut out = Vec::new();
        let outcome = enricher.enrich(before, &mut out).unwrap();
        let after = second.parse(&out).unwrap().root();
        if kind_of(before) != Some("Bundle") {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            tape_without(before, &mut left);
            tape_without(after, &mut right);
            prop_assert_eq!(left, right);
        }
        let (mut left, mut right): (Json, Json) = (serde_json::from_str(&text).unwrap(), serde_json::from_slice(&out).unwrap());
        stripped(&mut left);
        stripped(&mut right);
        prop_assert_eq!(left, right);
        let mut again = Vec::new();
        prop_assert_eq!(enricher.enrich(after, &mut again).unwrap(), outcome);
        prop_assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(out).unwrap());
    }

    #[test]
    fn the_index_takes_anything(text in resource()) {
        let mut parser = Parser::default();
        let mut index = PatientIndex::new();
        prop_assert_eq!(index.add(parser.parse(text.as_bytes()).unwrap().root()), Ok(()));
    }
}
