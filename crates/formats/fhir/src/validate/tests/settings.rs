//! The settings of a validator.

use serde_json::json;

use crate::{
    json::Parser,
    validate::{Focus, InvariantEngine, Issue, IssueCode, IssueSeverity, Options, ProfileStore, Validator},
};

fn run(options: Options, text: &str) -> Vec<Issue> {
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    Validator::new(options).validate(document.root())
}

fn of_code(options: Options, text: &str, code: IssueCode) -> Vec<IssueSeverity> {
    run(options, text).into_iter().filter(|issue| issue.code == code).map(|issue| issue.severity).collect()
}

#[test]
fn unknown_extensions() {
    let plain = r#"{"resourceType":"Patient","extension":[{"url":"http://example.org/a","valueString":"x"}]}"#;
    let modifier = r#"{"resourceType":"Patient","modifierExtension":[{"url":"http://example.org/a","valueString":"x"}]}"#;
    assert_eq!(of_code(Options::default(), plain, IssueCode::Extension), []);
    let warn = || Options { unknown_extensions: Some(IssueSeverity::Warning), ..Options::default() };
    assert_eq!(of_code(warn(), plain, IssueCode::Extension), [IssueSeverity::Warning]);
    // What modifies the meaning and is not known cannot be passed over.
    assert_eq!(of_code(warn(), modifier, IssueCode::Extension), [IssueSeverity::Error]);
    let trusting = || Options { trusted_extensions: vec!["http://example.org/".to_owned()], ..warn() };
    assert_eq!(of_code(trusting(), plain, IssueCode::Extension), []);
    assert_eq!(of_code(trusting(), modifier, IssueCode::Extension), []);
}

#[test]
fn open_bindings_and_markup() {
    let marital = r#"{"resourceType":"Patient","maritalStatus":{"coding":[{"system":"http://x","code":"y"}]}}"#;
    assert_eq!(of_code(Options::default(), marital, IssueCode::CodeInvalid), [IssueSeverity::Warning]);
    assert_eq!(of_code(Options { open_bindings: false, ..Options::default() }, marital, IssueCode::CodeInvalid), []);
    let markup = r#"{"resourceType":"Patient","name":[{"text":"a <b>b</b>"}]}"#;
    assert_eq!(of_code(Options::default(), markup, IssueCode::Value), [IssueSeverity::Warning]);
    let strict = Options { markup: IssueSeverity::Error, ..Options::default() };
    assert_eq!(of_code(strict, markup, IssueCode::Value), [IssueSeverity::Error]);
}

#[test]
fn references_to_what_is_not_at_hand() {
    let alone = r#"{"resourceType":"Patient","managingOrganization":{"reference":"Patient/1"}}"#;
    assert_eq!(of_code(Options::default(), alone, IssueCode::Structure), [IssueSeverity::Error]);
    let lenient = Options { unresolved_types: IssueSeverity::Warning, ..Options::default() };
    assert_eq!(of_code(lenient, alone, IssueCode::Structure), [IssueSeverity::Warning]);
    let bundle = |reference: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[
            {{"fullUrl":"http://a/Organization/1","resource":{{"resourceType":"Organization","id":"1","name":"x"}}}},
            {{"fullUrl":"http://a/Patient/1","resource":{{"resourceType":"Patient","id":"1","managingOrganization":{{"reference":"{reference}"}}}}}}]}}"#
        )
    };
    let strict = || Options { missing_targets: Some(IssueSeverity::Error), ..Options::default() };
    assert_eq!(of_code(Options::default(), &bundle("Organization/2"), IssueCode::NotFound), []);
    assert_eq!(of_code(strict(), &bundle("Organization/2"), IssueCode::NotFound), [IssueSeverity::Error]);
    for good in ["Organization/1", "http://a/Organization/1", "http://elsewhere/Organization/2", "Organization?identifier=x"] {
        assert_eq!(of_code(strict(), &bundle(good), IssueCode::NotFound), [], "{good}");
    }
    let alone = r#"{"resourceType":"Patient","managingOrganization":{"reference":"Organization/1"}}"#;
    assert_eq!(of_code(strict(), alone, IssueCode::NotFound), []);
}

#[test]
fn the_number_of_issues_is_limited() {
    let text = json!({"resourceType": "Patient", "name": vec![json!({"family": 1}); 50]}).to_string();
    let few = run(Options { max_issues: 10, ..Options::default() }, &text);
    assert_eq!(few.len(), 11);
    assert_eq!((few[10].code, few[10].severity), (IssueCode::TooLong, IssueSeverity::Warning));
    // An error behind many warnings is not lost.
    let names: Vec<_> = (0..50).map(|_| json!({"text": "a <b>b</b>"})).collect();
    let text = json!({"resourceType": "Patient", "name": names, "photo": [{"url": 1, "title": 1}]}).to_string();
    let few = run(Options { max_issues: 10, ..Options::default() }, &text);
    let errors: Vec<usize> = few.iter().enumerate().filter(|(_, issue)| issue.severity == IssueSeverity::Error).map(|(at, _)| at).collect();
    assert_eq!((few.len(), errors), (12, vec![11]));
}

#[test]
fn claimed_profiles() {
    let profile = json!({"resourceType": "StructureDefinition", "url": "http://example.org/p", "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]}});
    let found = |claim: bool, options: Options, guide: bool| {
        let mut store = ProfileStore::new();
        store.add(profile.clone());
        if guide {
            store.add(json!({"resourceType": "ImplementationGuide", "url": "http://example.org/ig",
                "global": [{"type": "Patient", "profile": "http://example.org/p"}]}));
        }
        let mut patient = json!({"resourceType": "Patient"});
        if claim {
            patient["meta"] = json!({"profile": ["http://example.org/p"]});
        }
        let text = patient.to_string();
        let mut parser = Parser::default();
        let document = parser.parse(text.as_bytes()).unwrap();
        let issues = Validator::new(options).with_profiles(store).validate(document.root());
        issues.iter().filter(|issue| issue.code == IssueCode::Required).count()
    };
    assert_eq!(found(false, Options::default(), false), 0);
    assert_eq!(found(true, Options::default(), false), 1);
    assert_eq!(found(true, Options { meta_profiles: false, ..Options::default() }, false), 0);
    assert_eq!(found(false, Options::default(), true), 1);
}

/// A claim that cannot be checked is said so, once a resource; what it names is repeated only if it is surely a profile's name.
#[test]
fn profiles_that_are_not_loaded() {
    let found = |claims: serde_json::Value| {
        let text = json!({"resourceType": "Patient", "meta": {"profile": claims}}).to_string();
        let mut parser = Parser::default();
        let document = parser.parse(text.as_bytes()).unwrap();
        let issues = Validator::default().validate(document.root());
        let unknown: Vec<_> = issues.into_iter().filter(|issue| issue.code == IssueCode::NotFound).collect();
        assert!(unknown.iter().all(|issue| issue.severity == IssueSeverity::Information), "{unknown:?}");
        unknown.into_iter().map(|issue| (issue.expression, issue.diagnostics)).collect::<Vec<_>>()
    };
    assert_eq!(found(json!(["http://hl7.org/fhir/StructureDefinition/Patient"])), []);
    let core = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0";
    let said = found(json!([core, "http://example.org/CANARY"]));
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].1, format!("the profile {core} (and 1 more) was not checked: its package is not loaded"));
    for hidden in [
        "http://example.org/CANARY",
        "http://hl7.org/fhir/StructureDefinition/CANARY and more",
        "http://hl7.org/fhir/StructureDefinition/a?CANARY",
        "http://hl7.org/fhir/CANARY",
        "CANARY",
    ] {
        let said = found(json!([hidden]));
        assert!(said.len() == 1 && !said[0].1.contains("CANARY"), "{said:?}");
    }
}

/// A required value set that nothing is known of is said so once, and the code passes.
#[test]
fn value_sets_that_are_not_known() {
    let profile = json!({"resourceType": "StructureDefinition", "url": "http://example.org/p", "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.maritalStatus", "path": "Patient.maritalStatus",
            "binding": {"strength": "required", "valueSet": "http://example.org/unknown-set"}},
            {"id": "Patient.communication.language", "path": "Patient.communication.language",
            "binding": {"strength": "required", "valueSet": "http://example.org/unknown-set"}}]}});
    let mut store = ProfileStore::new();
    store.add(profile);
    let text =
        json!({"resourceType": "Patient", "meta": {"profile": ["http://example.org/p"]}, "maritalStatus": {"coding": [{"code": "x"}]},
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}}]})
        .to_string();
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    let issues = Validator::default().with_profiles(store).validate(document.root());
    let unknown: Vec<_> = issues.iter().filter(|issue| issue.code == IssueCode::NotFound).collect();
    assert_eq!(unknown.len(), 1, "{issues:?}");
    assert_eq!(unknown[0].severity, IssueSeverity::Information);
    assert!(unknown[0].diagnostics.contains("http://example.org/unknown-set"), "{unknown:?}");
}

/// An engine that says no to everything it is asked.
struct No;

impl InvariantEngine for No {
    fn holds(&self, _: &str, _: Focus<'_>) -> Option<bool> {
        Some(false)
    }
}

#[test]
fn another_engine() {
    let text = r#"{"resourceType":"List","status":"current","mode":"working"}"#;
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    let issues = Validator::default().with_engine(Box::new(No)).validate(document.root());
    assert!(issues.iter().any(|issue| issue.diagnostics.contains("lst-1")), "{issues:?}");
}

#[test]
fn validators_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Validator>();
    shared::<ProfileStore>();
}
