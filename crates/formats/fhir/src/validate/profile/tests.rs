// Fixtures are written where they are used.
#![allow(clippy::needless_pass_by_value)]

mod extensions;
mod slices;

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
fn what_cannot_be_used_of_a_profile_is_told() {
    let rule =
        |key: &str, severity: &str, expression: &str| json!({"key": key, "severity": severity, "human": "x", "expression": expression});
    let structure = profile(&json!([
        {"id": "Observation", "path": "Observation", "constraint": [
            rule("bad-1", "error", "status.noSuchFunction()"), rule("good-1", "error", "status.exists()"),
            rule("bad-2", "warning", "(component | component.code) > 3")]},
        {"id": "Observation.component", "path": "Observation.component", "constraint": [rule("bad-3", "error", "code.coding > 'a' and (1 > 'a')")]},
        {"id": "Observation.colour", "path": "Observation.colour", "min": 1}
    ]));
    let mut store = ProfileStore::new();
    store.add(structure);
    store.add(json!({"resourceType": "StructureDefinition", "url": "http://q", "type": "Observation", "derivation": "constraint",
        "baseDefinition": "http://not-loaded|1.0", "differential": {"element": [{"path": "Observation.subject", "min": 1}]}}));
    store.add(json!({"resourceType": "StructureDefinition", "url": "http://r", "type": "Spaceship", "derivation": "constraint",
        "baseDefinition": "http://not-loaded", "differential": {"element": [{"path": "Spaceship"}]}}));
    store.add(json!({"resourceType": "StructureDefinition", "url": "http://s", "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://s", "differential": {"element": [{"path": "Patient.name", "min": 1}]}}));
    let slicing = json!({"discriminator": [{"type": "value", "path": "use"}], "rules": "open"});
    store.add(json!({"resourceType": "StructureDefinition", "url": "http://t", "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": [
            {"id": "Patient.name:official", "path": "Patient.name", "sliceName": "official", "min": 1},
            {"id": "Patient.extension:e", "path": "Patient.extension", "sliceName": "e"},
            {"id": "Patient.deceased[x]:deceasedBoolean", "path": "Patient.deceased[x]", "sliceName": "deceasedBoolean"},
            {"id": "Patient.address:home", "path": "Patient.address", "sliceName": "home"},
            {"id": "Patient.address", "path": "Patient.address", "slicing": slicing.clone()},
            {"id": "Patient.telecom", "path": "Patient.telecom", "slicing": slicing}]}}));
    store.add(json!({"resourceType": "StructureDefinition", "url": "http://u", "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://t", "differential": {"element": [{"id": "Patient.telecom:work", "path": "Patient.telecom", "sliceName": "work"}]}}));
    let told: Vec<String> = ProfileStore::over(std::sync::Arc::new(store)).problems().iter().map(ToString::to_string).collect();
    let has = |start: &str, what: &str| assert!(told.iter().any(|one| one.starts_with(start) && one.contains(what)), "{start}: {told:#?}");
    has("http://p Observation: ", "the rule bad-1 cannot be evaluated (unknown function `noSuchFunction`");
    has("http://p Observation.colour: ", "no element of that path");
    has("http://q: ", "the profile http://not-loaded|1.0 is not loaded");
    has("http://r: ", "does not have the type");
    has("http://s: ", "derives from itself");
    has("http://t Patient.name:official: ", "nothing says how the slice is told from other values");
    assert_eq!(told.iter().filter(|one| one.contains("slice is told")).count(), 1, "{told:#?}");
    assert!(!told.iter().any(|one| one.contains("good-1") || one.contains("bad-2")), "{told:#?}");
}

#[test]
fn what_means_nothing_is_told() {
    let sliced = |path: &str| json!({"id": "Observation.component", "path": "Observation.component", "slicing": {"discriminator": [{"type": "value", "path": path}], "rules": "closed"}});
    let slice = json!({"id": "Observation.component:a", "path": "Observation.component", "sliceName": "a", "min": 1});
    let code = json!({"id": "Observation.component:a.code", "path": "Observation.component.code", "patternCodeableConcept": {"coding": [{"code": "a"}]}});
    let told = |elements: serde_json::Value| {
        let mut store = ProfileStore::new();
        store.add(profile(&elements));
        store.problems().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let one = |elements: serde_json::Value, place: &str, what: &str| {
        let told = told(elements);
        assert!(told.iter().any(|one| one.starts_with(&format!("http://p {place}: ")) && one.contains(what)), "{what}: {told:#?}");
    };
    assert_eq!(told(json!([sliced("code"), slice, code])), Vec::<String>::new());
    one(json!([sliced("code"), slice]), "Observation.component:a", "'code' is in this slice: every value is taken for it");
    one(json!([sliced("cod"), slice, code]), "Observation.component", "the path 'cod' of the discriminator leads to no element");
    one(json!([slice, code]), "Observation.component:a", "no slicing, here");
    one(json!([{"path": "Observation.note", "max": "zz"}]), "Observation.note", "max is neither");
    one(json!([{"path": "Observation.note", "max": 1}]), "Observation.note", "max is neither");
    one(json!([{"path": "Observation.note", "min": -1}]), "Observation.note", "min is no number");
    one(json!([{"path": "Observation.note", "type": [{"code": "Foo"}]}]), "Observation.note", "no type 'Foo'");
    one(json!([{"path": "Observation.status", "binding": {"strength": "zz"}}]), "Observation.status", "strength of the binding");
    let types = ["Element", "BackboneElement", "Resource", "xhtml", "canonical", "http://hl7.org/fhirpath/System.String"];
    let types: Vec<_> = types.iter().map(|code| json!({"code": code})).collect();
    let good = json!([{"path": "Observation.component", "type": types, "min": 0, "max": "*", "binding": {"strength": "example"}},
        {"path": "Observation.note", "max": "99999999999"}, {"path": "Observation.extension", "sliceName": "e"}]);
    assert_eq!(told(good), Vec::<String>::new());
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_an_issue_once() {
    let rule =
        |key: &str, severity: &str, expression: &str| json!({"key": key, "severity": severity, "human": "x", "expression": expression});
    let structure = profile(&json!([
        {"id": "Observation", "path": "Observation", "constraint": [rule("bad-1", "error", "status.noSuchFunction()")]},
        {"id": "Observation.component", "path": "Observation.component", "constraint": [rule("bad-2", "warning", "code.text > 3")]}
    ]));
    let mut store = ProfileStore::new();
    store.add(structure);
    let validator = Validator::new(Options::default()).with_profiles(store);
    let component = json!({"code": {"text": "a"}});
    let text = observation(&json!({"component": [component, component]})).to_string();
    let mut parser = Parser::default();
    let issues = validator.validate_against(parser.parse(text.as_bytes()).unwrap().root(), &["http://p"]);
    let found: Vec<_> = issues.iter().filter(|issue| issue.diagnostics.contains("could not be evaluated")).collect();
    let severities: Vec<_> = found.iter().map(|issue| (issue.severity, issue.code, issue.expression.as_str())).collect();
    let code = crate::validate::IssueCode::Invariant;
    assert_eq!(
        severities,
        [(IssueSeverity::Warning, code, "Observation"), (IssueSeverity::Information, code, "Observation.component[0]")],
        "{issues:?}"
    );
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

#[test]
fn fixed_values_patterns_and_bounds() {
    let one = |element: serde_json::Value, resource: serde_json::Value, what: &str| {
        let found = errors(vec![profile(&json!([element]))], &observation(&resource), "http://p");
        assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
    };
    let valid = |element: serde_json::Value, resource: serde_json::Value| {
        assert_eq!(errors(vec![profile(&json!([element]))], &observation(&resource), "http://p"), Vec::<String>::new());
    };
    let fixed = json!({"path": "Observation.method", "fixedCodeableConcept": {"coding": [{"code": "a"}]}});
    valid(fixed.clone(), json!({"method": {"coding": [{"code": "a"}]}}));
    one(fixed.clone(), json!({"method": {"coding": [{"code": "b"}]}}), "not the fixed one");
    // Fixed is the whole of it, a pattern a part.
    one(fixed, json!({"method": {"coding": [{"code": "a"}], "text": "x"}}), "not the fixed one");
    let pattern = json!({"path": "Observation.method", "patternCodeableConcept": {"coding": [{"code": "a"}]}});
    valid(pattern.clone(), json!({"method": {"coding": [{"code": "z"}, {"code": "a", "system": "http://s"}], "text": "x"}}));
    one(pattern, json!({"method": {"coding": [{"code": "b"}]}}), "does not fit the pattern");
    one(json!({"path": "Observation.valueInteger", "maxValueInteger": 9}), json!({"valueInteger": 10}), "out of the profile's bounds");
    one(json!({"path": "Observation.valueInteger", "minValueInteger": 9}), json!({"valueInteger": 8}), "out of the profile's bounds");
    let weight = json!({"path": "Observation.valueQuantity", "maxValueQuantity": {"value": 9, "code": "kg"}});
    one(weight.clone(), json!({"valueQuantity": {"value": 9.5, "code": "kg", "system": "http://u"}}), "out of the profile's bounds");
    valid(weight, json!({"valueQuantity": {"value": 9.5, "code": "g", "system": "http://u"}}));
    one(json!({"path": "Observation.valueString", "maxLength": 3}), json!({"valueString": "four"}), "longer than the profile allows");
    let least = json!([{"url": "http://hl7.org/fhir/StructureDefinition/minLength", "valueInteger": 3}]);
    one(json!({"path": "Observation.valueString", "extension": least}), json!({"valueString": "ab"}), "shorter than the profile allows");
    let bound = json!({"path": "Observation.method", "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"}});
    one(bound, json!({"method": {"coding": [{"system": "http://x", "code": "y"}]}}), "required value set");
    let rule = json!({"path": "Observation", "constraint": [{"key": "t-1", "severity": "error", "expression": "issued.exists()"}]});
    one(rule.clone(), json!({}), "the rule t-1 is broken");
    valid(rule, json!({"issued": "2024-01-01T00:00:00Z"}));
    let targets = json!({"path": "Observation.subject", "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}]});
    one(targets.clone(), json!({"subject": {"reference": "Group/1"}}), "a type that the profile does not allow");
    valid(targets, json!({"subject": {"reference": "Patient/1"}}));
}

#[test]
fn targets_must_conform_where_they_are_at_hand() {
    let patient = json!({"resourceType": "StructureDefinition", "url": "http://patient", "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]}});
    let structure = |aggregation: serde_json::Value| {
        profile(&json!([{"path": "Observation.subject",
            "type": [{"code": "Reference", "targetProfile": ["http://patient"], "aggregation": aggregation}]}]))
    };
    let with = |patient: serde_json::Value| observation(&json!({"subject": {"reference": "#p"}, "contained": [patient]}));
    let named = json!({"resourceType": "Patient", "id": "p", "name": [{"text": "x"}]});
    let nameless = json!({"resourceType": "Patient", "id": "p"});
    assert_eq!(errors(vec![structure(json!([])), patient.clone()], &with(named.clone()), "http://p"), Vec::<String>::new());
    let found = errors(vec![structure(json!([])), patient.clone()], &with(nameless), "http://p");
    assert!(found.len() == 1 && found[0].contains("conforms to none of the profiles"), "{found:?}");
    // Where it may be.
    assert_eq!(errors(vec![structure(json!(["contained"])), patient.clone()], &with(named.clone()), "http://p"), Vec::<String>::new());
    let found = errors(vec![structure(json!(["bundled"])), patient.clone()], &with(named), "http://p");
    assert!(found.len() == 1 && found[0].contains("to be bundled, it is contained"), "{found:?}");
    let elsewhere = observation(&json!({"subject": {"reference": "Patient/1"}}));
    assert_eq!(errors(vec![structure(json!(["referenced"])), patient.clone()], &elsewhere, "http://p"), Vec::<String>::new());
    let found = errors(vec![structure(json!(["contained", "bundled"])), patient], &elsewhere, "http://p");
    assert!(found.len() == 1 && found[0].contains("contained or bundled, it is referenced"), "{found:?}");
}

#[test]
fn values_and_what_may_stand_for_them() {
    let patient = |element: serde_json::Value| {
        json!({"resourceType": "StructureDefinition", "url": "http://p", "type": "Patient", "derivation": "constraint",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": [element]}})
    };
    let r5 = |name: &str| format!("http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.{name}");
    let absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    let without = |url: &str| json!({"resourceType": "Patient", "_active": {"extension": [{"url": url, "valueCode": "unknown"}]}});
    let found = |structure: &serde_json::Value, resource: &serde_json::Value| errors(vec![structure.clone()], resource, "http://p");
    let must = patient(json!({"path": "Patient.active", "extension": [{"url": r5("mustHaveValue"), "valueBoolean": true}]}));
    assert_eq!(found(&must, &json!({"resourceType": "Patient", "active": true})), Vec::<String>::new());
    assert_eq!(found(&must, &json!({"resourceType": "Patient"})), Vec::<String>::new());
    assert!(found(&must, &without(absent))[0].contains("there must be a value"));
    let alternatives =
        patient(json!({"path": "Patient.active", "extension": [{"url": r5("valueAlternatives"), "valueCanonical": absent}]}));
    assert_eq!(found(&alternatives, &without(absent)), Vec::<String>::new());
    assert!(found(&alternatives, &without("http://other"))[0].contains("one of the profile's extensions"));
}

#[test]
fn languages_of_narratives() {
    let found = |wanted: &str, language: Option<&str>, sections: &[&str]| {
        let structure = json!({"resourceType": "StructureDefinition", "url": "http://p", "type": "Patient", "derivation": "constraint",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": [{"path": "Patient.text",
            "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/narrative-language-control", "valueCode": wanted}]}]}});
        let sections: Vec<String> = sections.iter().map(|code| format!("<div lang=\"{code}\" xml:lang=\"{code}\">a</div>")).collect();
        let sections = sections.concat();
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{sections}x</div>");
        let mut patient = json!({"resourceType": "Patient", "text": {"status": "additional", "div": div}});
        if let Some(language) = language {
            patient["language"] = json!(language);
        }
        errors(vec![structure], &patient, "http://p").len()
    };
    assert_eq!((found("_no", None, &[]), found("_no", None, &["en"])), (0, 1));
    assert_eq!((found("_yes", None, &["en"]), found("_yes", None, &[])), (0, 1));
    assert_eq!((found("_resource", Some("de"), &["en", "de"]), found("_resource", Some("de"), &["en"])), (0, 1));
    assert_eq!((found("fr", None, &["fr"]), found("fr", None, &["en"])), (0, 1));
}

#[test]
fn codes_of_loaded_value_sets() {
    let system = json!({"resourceType": "CodeSystem", "url": "http://s", "content": "complete", "concept": [
        {"code": "animal", "concept": [{"code": "dog", "concept": [{"code": "poodle"}]}, {"code": "cat"}]}, {"code": "plant"}]});
    let set = |compose: serde_json::Value| json!({"resourceType": "ValueSet", "url": "http://vs", "compose": compose});
    let bound = || profile(&json!([{"path": "Observation.method", "binding": {"strength": "required", "valueSet": "http://vs|1.0"}}]));
    let rule = || {
        profile(
            &json!([{"path": "Observation", "constraint": [{"key": "t-1", "severity": "error", "expression": "method.memberOf('http://vs')"}]}]),
        )
    };
    let accepted = |compose: &serde_json::Value| {
        let fits = |structure: serde_json::Value, code: &str| {
            let resource = observation(&json!({"method": {"coding": [{"system": "http://s", "code": code}]}}));
            errors(vec![structure, system.clone(), set(compose.clone())], &resource, "http://p").is_empty()
        };
        let codes = ["animal", "dog", "poodle", "cat", "plant", "stone"];
        let by_binding: Vec<&str> = codes.into_iter().filter(|code| fits(bound(), code)).collect();
        let by_rule: Vec<&str> = codes.into_iter().filter(|code| fits(rule(), code)).collect();
        assert_eq!(by_binding, by_rule);
        by_binding
    };
    let filter = |op: &str, value: &str| json!({"system": "http://s", "filter": [{"property": "concept", "op": op, "value": value}]});
    assert_eq!(accepted(&json!({"include": [{"system": "http://s"}]})), ["animal", "dog", "poodle", "cat", "plant"]);
    assert_eq!(accepted(&json!({"include": [{"system": "http://s", "concept": [{"code": "cat"}]}]})), ["cat"]);
    assert_eq!(accepted(&json!({"include": [filter("is-a", "dog")]})), ["dog", "poodle"]);
    assert_eq!(accepted(&json!({"include": [filter("descendent-of", "dog")]})), ["poodle"]);
    assert_eq!(accepted(&json!({"include": [{"system": "http://s"}], "exclude": [filter("is-a", "animal")]})), ["plant"]);
    // A filter that is not known: nothing is said of the set.
    let unknown = set(json!({"include": [filter("regex", "d.*")]}));
    let resource = observation(&json!({"method": {"coding": [{"system": "http://s", "code": "stone"}]}}));
    assert_eq!(errors(vec![bound(), system.clone(), unknown], &resource, "http://p"), Vec::<String>::new());
}

#[test]
fn profiles_in_circles_end() {
    let circle = |url: &str, base: &str| {
        json!({"resourceType": "StructureDefinition", "url": url, "type": "Observation", "derivation": "constraint", "baseDefinition": base,
            "differential": {"element": [{"path": "Observation.issued", "min": 1}]}})
    };
    let found = errors(vec![circle("http://a", "http://b"), circle("http://b", "http://a")], &observation(&json!({})), "http://a");
    assert_eq!(found.len(), 1, "{found:?}");
    // A contained resource that must conform to the profile which it is contained by, and to itself.
    let own = profile(&json!([{"path": "Observation.hasMember",
        "type": [{"code": "Reference", "targetProfile": ["http://p"]}]}]));
    let resource = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "hasMember": [{"reference": "#a"}, {"reference": "#b"}],
        "contained": [
            {"resourceType": "Observation", "id": "a", "status": "final", "code": {"text": "x"}, "hasMember": [{"reference": "#b"}, {"reference": "#a"}]},
            {"resourceType": "Observation", "id": "b", "status": "final", "code": {"text": "x"}, "hasMember": [{"reference": "#a"}, {"reference": "#b"}]}]});
    assert_eq!(errors(vec![own], &resource, "http://p"), Vec::<String>::new());
}

/// Resources that all refer to one another, and a profile that wants all of them to conform: not every way through them is gone.
#[test]
fn dense_references_end() {
    let own = profile(&json!([{"path": "Observation.hasMember", "type": [{"code": "Reference", "targetProfile": ["http://p"]}]}]));
    let members: Vec<serde_json::Value> = (0..40).map(|number| json!({"reference": format!("#o{number}")})).collect();
    let one = |id: usize| json!({"resourceType": "Observation", "id": format!("o{id}"), "status": "final", "code": {"text": "x"}, "hasMember": members});
    let contained: Vec<serde_json::Value> = (0..40).map(one).collect();
    let resource = observation(&json!({"contained": contained, "hasMember": members}));
    assert_eq!(errors(vec![own], &resource, "http://p"), Vec::<String>::new());
}

/// The contained resources of an entry of a Bundle are its own.
#[test]
fn targets_in_bundles_have_their_own_contained_resources() {
    let patient = json!({"resourceType": "StructureDefinition", "url": "http://patient", "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": [
        {"path": "Patient.managingOrganization", "type": [{"code": "Reference", "targetProfile": ["http://organization"]}]}]}});
    let organization = json!({"resourceType": "StructureDefinition", "url": "http://organization", "type": "Organization", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Organization", "differential": {"element": [{"path": "Organization.name", "min": 1}]}});
    let subject = profile(&json!([{"path": "Observation.subject", "type": [{"code": "Reference", "targetProfile": ["http://patient"]}]}]));
    let bundle = |organization: serde_json::Value| {
        json!({"resourceType": "Bundle", "type": "collection", "entry": [
            {"fullUrl": "http://a/Patient/1", "resource": {"resourceType": "Patient", "id": "1", "contained": [organization],
             "managingOrganization": {"reference": "#o"}}},
            {"fullUrl": "http://a/Observation/1", "resource": observation(&json!({"id": "1", "meta": {"profile": ["http://p"]},
             "subject": {"reference": "Patient/1"}}))}]})
    };
    let structures = vec![patient, organization, subject];
    let core = "http://hl7.org/fhir/StructureDefinition/Bundle";
    let named = bundle(json!({"resourceType": "Organization", "id": "o", "name": "x"}));
    assert_eq!(errors(structures.clone(), &named, core), Vec::<String>::new());
    let nameless = bundle(json!({"resourceType": "Organization", "id": "o", "identifier": [{"value": "x"}]}));
    let found = errors(structures, &nameless, core);
    assert!(found.len() == 1 && found[0].starts_with("Bundle.entry[1].resource.subject: "), "{found:?}");
}

/// `conformsTo()` and `memberOf()` of an expression whose context has a validator.
#[test]
fn a_validator_answers_expressions() {
    use crate::fhirpath::{Context, Expression, Item};

    let mut store = ProfileStore::new();
    store.add(profile(&json!([{"id": "Observation.subject", "path": "Observation.subject", "min": 1}])));
    store.add(json!({"resourceType": "StructureDefinition", "url": "http://q", "type": "Quantity", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Quantity",
        "differential": {"element": [{"id": "Quantity.code", "path": "Quantity.code", "min": 1}]}}));
    store.add(json!({"resourceType": "ValueSet", "url": "http://v",
        "compose": {"include": [{"system": "http://s", "concept": [{"code": "a"}]}]}}));
    let known = Validator::new(Options { meta_profiles: false, ..Options::default() }).with_profiles(store);
    let answer = |resource: &serde_json::Value, expression: &str| {
        let text = resource.to_string();
        let mut parser = Parser::default();
        let document = parser.parse(text.as_bytes()).unwrap();
        let expression = Expression::parse(expression).unwrap();
        let mut context = Context::new().terminology(&known).profiles(&known);
        let found = expression.evaluate(Item::resource(document.root()), &mut context);
        found.map(|found| found.first().and_then(Item::to_text).map(std::borrow::Cow::into_owned))
    };
    let said = |answer: &str| Ok(Some(answer.to_owned()));
    let without = observation(&json!({"valueQuantity": {"value": 1, "unit": "g"}}));
    let with = observation(
        &json!({"subject": {"display": "x"}, "valueQuantity": {"value": 1, "code": "g", "system": "http://unitsofmeasure.org"}}),
    );
    let broken = observation(&json!({"subject": {"display": "x"}, "status": 7}));
    assert_eq!(answer(&with, "conformsTo('http://p')"), said("true"));
    assert_eq!(answer(&without, "conformsTo('http://p')"), said("false"));
    assert_eq!(answer(&broken, "conformsTo('http://p')"), said("false"), "the base counts");
    assert_eq!(answer(&with, "value.conformsTo('http://q')"), said("true"));
    assert_eq!(answer(&without, "value.conformsTo('http://q')"), said("false"));
    assert_eq!(answer(&with, "status.conformsTo('http://q')"), said("false"));
    assert!(answer(&with, "conformsTo('http://unknown')").is_err());
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:uuid:1", "resource": with}]});
    assert_eq!(answer(&bundle, "entry.resource.conformsTo('http://p')"), said("true"));
    assert_eq!(answer(&with, "'a'.memberOf('http://v')"), said("true"));
    assert_eq!(answer(&with, "'b'.memberOf('http://v')"), said("false"));
    assert_eq!(answer(&with, "status.memberOf('http://hl7.org/fhir/ValueSet/observation-status')"), said("true"));
    assert_eq!(answer(&with, "status.memberOf('http://unknown')"), Ok(None));
}
