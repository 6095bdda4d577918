use serde_json::json;

use super::ProfileStore;
use crate::{
    json::Parser,
    validate::{IssueSeverity, Options, Validator},
};

fn errors(structures: Vec<serde_json::Value>, resource: &serde_json::Value, profile: &str) -> Vec<String> {
    let mut store = ProfileStore::new();
    for one in structures {
        store.add(one);
    }
    let validator = Validator::new(Options::default()).with_profiles(store);
    let text = resource.to_string();
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    let issues = validator.validate_against(document.root(), &[profile]);
    issues
        .into_iter()
        .filter(|issue| issue.severity >= IssueSeverity::Error)
        .map(|issue| format!("{}: {}", issue.expression, issue.diagnostics))
        .collect()
}

fn profile(elements: &serde_json::Value) -> serde_json::Value {
    json!({"resourceType": "StructureDefinition", "url": "http://p", "type": "Observation", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation", "differential": {"element": elements}})
}

fn observation(more: &serde_json::Value) -> serde_json::Value {
    let mut out =
        json!({"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}});
    out.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    out
}

#[test]
fn cardinality_patterns_and_types() {
    let structure = profile(&json!([
        {"id": "Observation.subject", "path": "Observation.subject", "min": 1},
        {"id": "Observation.code", "path": "Observation.code", "patternCodeableConcept": {"coding": [{"code": "1-1"}]}},
        {"id": "Observation.value[x]", "path": "Observation.value[x]", "type": [{"code": "Quantity"}]},
        {"id": "Observation.note", "path": "Observation.note", "max": "0"}
    ]));
    let found = errors(vec![structure], &observation(&json!({"valueString": "x", "note": [{"text": "n"}]})), "http://p");
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().any(|one| one.starts_with("Observation.value.ofType(string): the type string is not")), "{found:?}");
}

#[test]
fn slices_by_pattern() {
    let structure = || {
        profile(&json!([
            {"id": "Observation.component", "path": "Observation.component",
             "slicing": {"discriminator": [{"type": "pattern", "path": "code"}], "rules": "closed"}},
            {"id": "Observation.component:systolic", "path": "Observation.component", "sliceName": "systolic", "min": 1, "max": "1"},
            {"id": "Observation.component:systolic.code", "path": "Observation.component.code", "patternCodeableConcept": {"coding": [{"code": "8480-6"}]}},
            {"id": "Observation.component:systolic.value[x]", "path": "Observation.component.value[x]", "min": 1}
        ]))
    };
    let component = |code: &str| json!({"code": {"coding": [{"code": code}]}, "valueInteger": 120});
    let fits = observation(&json!({"component": [component("8480-6")]}));
    assert_eq!(errors(vec![structure()], &fits, "http://p"), Vec::<String>::new());
    let other = observation(&json!({"component": [component("1")]}));
    let found = errors(vec![structure()], &other, "http://p");
    assert!(found.len() == 2 && found[0].contains("belongs to no slice") && found[1].contains("component:systolic"), "{found:?}");
}

#[test]
fn a_profile_of_a_profile_adds_to_it() {
    let base = profile(&json!([{"id": "Observation.subject", "path": "Observation.subject", "min": 1}]));
    let derived = json!({"resourceType": "StructureDefinition", "url": "http://q", "type": "Observation", "derivation": "constraint",
        "baseDefinition": "http://p", "differential": {"element": [{"id": "Observation.issued", "path": "Observation.issued", "min": 1}]}});
    assert_eq!(errors(vec![derived, base], &observation(&json!({})), "http://q").len(), 2);
}

#[test]
fn a_profile_that_is_not_loaded_is_said() {
    assert!(errors(Vec::new(), &observation(&json!({})), "http://none")[0].contains("is not loaded"));
}
