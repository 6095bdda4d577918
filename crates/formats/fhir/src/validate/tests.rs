use super::*;
use crate::json::Parser;

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
    one(r#"{"resourceType":"Patient","nam":[]}"#, "Patient", "'nam' is no element");
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
