mod bases;
mod settings;

use proptest::prelude::*;

use super::*;
use crate::json::Parser;

/// JSON of names and values that mean something to the walk, in places where they may not.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        prop::sample::select(vec![
            "",
            "#",
            "#a",
            "Patient/a",
            "urn:uuid:a",
            "2024-01",
            "2024-01-01T00:00:00Z",
            "\u{e4}\u{1}",
            "document",
            "final",
            "constraint",
            "Patient.name",
            "group",
            "exists",
            "<div>a</div>",
            "<div a",
            "http://a"
        ])
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let names = vec![
            "resourceType",
            "id",
            "_id",
            "name",
            "_given",
            "given",
            "contained",
            "entry",
            "resource",
            "fullUrl",
            "type",
            "extension",
            "url",
            "valueString",
            "_valueString",
            "valueQuantity",
            "value",
            "code",
            "coding",
            "system",
            "text",
            "div",
            "period",
            "start",
            "end",
            "reference",
            "component",
            "status",
            "subject",
            "link",
            "relation",
            "birthDate",
            "_birthDate",
            "item",
            "action",
            "meta",
            "profile",
            "questionnaire",
            "linkId",
            "answer",
            "answerOption",
            "enableWhen",
            "question",
            "operator",
            "answerBoolean",
            "valueCoding",
            "measure",
            "group",
            "population",
            "stratifier",
            "derivation",
            "baseDefinition",
            "differential",
            "element",
            "path",
            "slicing",
            "discriminator",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            (
                prop::sample::select(vec![
                    "Patient",
                    "Bundle",
                    "Observation",
                    "Parameters",
                    "Questionnaire",
                    "QuestionnaireResponse",
                    "Measure",
                    "MeasureReport",
                    "StructureDefinition",
                ]),
                prop::collection::btree_map(prop::sample::select(names), inner, 0..6)
            )
                .prop_map(|(kind, members)| {
                    let mut object: serde_json::Map<_, _> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                    object.insert("resourceType".to_owned(), kind.into());
                    object.into()
                }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn nothing_makes_it_panic(json in any_json()) {
        let mut text = json.to_string();
        if !json.is_object() {
            text = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{text}}}],"type":{text}}}"#);
        }
        let mut parser = Parser::default();
        let document = parser.parse(text.as_bytes()).unwrap();
        let found = Validator::default().validate(document.root());
        let outcome = operation_outcome(&found);
        let mut again = Parser::default();
        prop_assert!(again.parse(outcome.as_bytes()).is_ok());
    }
}

/// Items of a response or of a Questionnaire, of few names, so that they meet.
fn any_items() -> impl Strategy<Value = serde_json::Value> {
    let leaf = Just(serde_json::json!([]));
    leaf.prop_recursive(4, 48, 4, |inner| {
        let item = (0..3_u8, 0..6_usize, any::<bool>(), inner.clone(), inner).prop_map(|(link_id, kind, flag, items, below)| {
            let kind = ["group", "boolean", "choice", "open-choice", "display", "integer"][kind];
            serde_json::json!({"linkId": link_id.to_string(), "type": kind, "required": flag, "repeats": !flag, "item": items,
                "answer": [{"valueBoolean": flag, "item": below}, {"valueInteger": link_id}],
                "answerOption": [{"valueInteger": 1}], "enableWhen": [{"question": "1", "operator": "=", "answerBoolean": flag}]})
        });
        prop::collection::vec(item, 0..4).prop_map(Into::into)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn no_answers_make_it_panic(questions in any_items(), answers in any_items()) {
        let response = serde_json::json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "#q", "item": answers,
            "contained": [{"resourceType": "Questionnaire", "id": "q", "status": "active", "item": questions}]});
        let text = response.to_string();
        let mut parser = Parser::new(crate::json::Limits { depth: 128, ..Default::default() });
        let document = parser.parse(text.as_bytes()).unwrap();
        let _ = Validator::default().validate(document.root());
    }
}

fn issues(text: &str) -> Vec<Issue> {
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    Validator::default().validate(document.root())
}

/// The errors as `place: text`.
fn errors(text: &str) -> Vec<String> {
    issues(text)
        .into_iter()
        .filter(|issue| issue.severity >= IssueSeverity::Error)
        .map(|issue| format!("{}: {}", issue.expression, issue.diagnostics))
        .collect()
}

fn one(text: &str, place: &str, what: &str) {
    let found = errors(text);
    assert!(found.len() == 1 && found[0].starts_with(&format!("{place}: ")) && found[0].contains(what), "{found:?}");
}

#[test]
fn a_plain_resource_is_valid() {
    let text = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.0,"unit":"mg"},
        "subject":{"reference":"Patient/1"},"effectiveDateTime":"2024-01-01T10:00:00Z"}"#;
    assert_eq!(errors(text), Vec::<String>::new());
}

#[test]
fn structure() {
    one(r#"{"resourceType":"Patient","component":[]}"#, "Patient", "'component' is no element");
    // A name that R4 does not have anywhere may be data.
    for name in ["nam", "valueCANARYstring", "canary", "valueString2", "Zork", "nameCANARY"] {
        let text = format!(r#"{{"resourceType":"Patient","{name}":[]}}"#);
        one(&text, "Patient", "a property is no element of Patient");
    }
    one(r#"{"resourceType":"Patient","name":{"family":"x"}}"#, "Patient.name", "must be a JSON array");
    one(r#"{"resourceType":"Patient","gender":["male"]}"#, "Patient.gender", "must not be a JSON array");
    one(r#"{"resourceType":"Patient","name":[]}"#, "Patient.name", "array must not be empty");
    one(r#"{"resourceType":"Patient","name":[{}]}"#, "Patient.name[0]", "ele-1");
    one(r#"{"resourceType":"Patients"}"#, "", "not a resource type");
    one(r#"{"resourceType":"Observation","status":"final"}"#, "Observation", "'code' is required");
    one(
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"a","valueInteger":1}"#,
        "Observation",
        "only one type",
    );
    one(r#"{"resourceType":"Patient","name":[{"given":["a",null]}]}"#, "Patient.name[0].given[1]", "null stands only");
}

#[test]
fn primitives() {
    one(r#"{"resourceType":"Patient","birthDate":"1.1.2000"}"#, "Patient.birthDate", "is not a date");
    one(r#"{"resourceType":"Patient","active":"true"}"#, "Patient.active", "without quotes");
    one(r#"{"resourceType":"Patient","gender":"m"}"#, "Patient.gender", "required value set");
    assert!(errors(r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://a","valueDateTime":"2020"}]}}"#).is_empty());
    assert!(errors(r#"{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"x"}]}]}"#).is_empty());
    one(r#"{"resourceType":"Patient","_name":[{"id":"x"}]}"#, "Patient", "beside a primitive");
}

#[test]
fn rules() {
    one(r#"{"resourceType":"Patient","extension":[{"url":"http://a"}]}"#, "Patient.extension[0]", "ext-1");
    one(
        r#"{"resourceType":"Encounter","status":"planned","class":{"code":"AMB"},"period":{"start":"2024-02-01","end":"2024-01-01"}}"#,
        "Encounter.period",
        "per-1",
    );
    one(r##"{"resourceType":"Patient","managingOrganization":{"reference":"#a"}}"##, "Patient.managingOrganization", "ref-1");
    one(r#"{"resourceType":"Patient","managingOrganization":{"reference":"Patient/a"}}"#, "Patient.managingOrganization", "does not allow");
    one(r#"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x"}]}"#, "Patient", "dom-3");
}

#[test]
fn outcomes_are_fhir() {
    let found = issues(r#"{"resourceType":"Patient","gender":"m"}"#);
    let outcome = operation_outcome(&found);
    let mut parser = Parser::default();
    let document = parser.parse(outcome.as_bytes()).unwrap();
    assert!(Validator::default().validate(document.root()).iter().all(|issue| issue.severity < IssueSeverity::Error));
}

#[test]
fn the_rules_written_by_hand_exist() {
    for rule in r4().invariants() {
        let _ = native::is_native(rule);
    }
    assert!(r4().invariants().iter().filter(|rule| native::is_native(rule)).count() > 45);
    assert_eq!((walk::known().resource.name(), walk::known().reference.name()), ("Resource", "Reference"));
}
