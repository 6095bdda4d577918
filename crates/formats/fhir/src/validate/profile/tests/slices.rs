//! Every kind of slicing.

// Fixtures are written where they are used.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value as Json, json};

use super::{errors, observation, profile};

/// The slices `a` and `b` of components.
fn sliced(kind: &str, path: &str, rules: &str, ordered: bool, slices: [Json; 2]) -> Json {
    let mut elements = vec![json!({"id": "Observation.component", "path": "Observation.component",
        "slicing": {"discriminator": [{"type": kind, "path": path}], "rules": rules, "ordered": ordered}})];
    for (name, slice) in ["a", "b"].into_iter().zip(slices) {
        elements
            .push(json!({"id": format!("Observation.component:{name}"), "path": "Observation.component", "sliceName": name, "max": "1"}));
        let id = format!("Observation.component:{name}.{}", slice["path"].as_str().unwrap());
        let path = format!("Observation.component.{}", slice["path"].as_str().unwrap());
        let mut element = slice;
        element["id"] = json!(id);
        element["path"] = json!(path);
        elements.push(element);
        // What tells that a value was taken for the slice: `a` wants an interpretation.
        if name == "a" {
            elements
                .push(json!({"id": "Observation.component:a.interpretation", "path": "Observation.component.interpretation", "min": 1}));
        }
    }
    profile(&json!(elements))
}

fn components(list: &[Json]) -> Json {
    observation(&json!({"component": list}))
}

/// A component of that code and value.
fn component(code: &str, name: &str, value: Json) -> Json {
    json!({"code": {"coding": [{"system": "http://s", "code": code}]}, name: value})
}

/// How many errors, all of which must say that.
fn count(structure: &Json, resource: &Json, what: &str) -> usize {
    let found = errors(vec![structure.clone()], resource, "http://p");
    assert!(found.iter().all(|one| one.contains(what)), "{what}: {found:?}");
    found.len()
}

#[test]
fn by_value_and_pattern() {
    let code = |code: &str| json!({"path": "code", "patternCodeableConcept": {"coding": [{"code": code}]}});
    for kind in ["value", "pattern"] {
        let open = sliced(kind, "code", "open", false, [code("a"), code("b")]);
        let (a, b, c) =
            (component("a", "valueInteger", json!(1)), component("b", "valueInteger", json!(1)), component("c", "valueInteger", json!(1)));
        assert_eq!(count(&open, &components(&[b.clone(), c.clone()]), ""), 0);
        assert_eq!(count(&open, &components(std::slice::from_ref(&a)), "interpretation"), 1);
        assert_eq!(count(&open, &components(&[b.clone(), b.clone()]), "component:b' may be there at most 1"), 1);
        let closed = sliced(kind, "code", "closed", false, [code("a"), code("b")]);
        assert_eq!(count(&closed, &components(&[b.clone(), c]), "belongs to no slice"), 1);
        let mut complete = a;
        complete["interpretation"] = json!([{"text": "x"}]);
        let ordered = sliced(kind, "code", "open", true, [code("a"), code("b")]);
        assert_eq!(count(&ordered, &components(&[complete.clone(), b.clone()]), ""), 0);
        assert_eq!(count(&ordered, &components(&[b, complete]), "out of order"), 1);
    }
    let deep = |code: &str| json!({"path": "code.coding.code", "fixedCode": code});
    let inner = sliced("value", "code.coding.code", "open", false, [deep("a"), deep("b")]);
    assert_eq!(count(&inner, &components(&[component("a", "valueInteger", json!(1))]), "interpretation"), 1);
    assert_eq!(count(&inner, &components(&[component("b", "valueInteger", json!(1))]), ""), 0);
    let bound =
        |set: &str| json!({"path": "code", "binding": {"strength": "required", "valueSet": format!("http://hl7.org/fhir/ValueSet/{set}")}});
    let by_set = sliced("value", "code", "open", false, [bound("administrative-gender"), bound("observation-status")]);
    let gender = json!({"code": {"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}]}, "valueInteger": 1});
    let status = json!({"code": {"coding": [{"system": "http://hl7.org/fhir/observation-status", "code": "final"}]}, "valueInteger": 1});
    assert_eq!(count(&by_set, &components(&[gender]), "interpretation"), 1);
    assert_eq!(count(&by_set, &components(&[status]), ""), 0);
}

#[test]
fn by_type() {
    let of = |code: &str| json!({"path": "value[x]", "type": [{"code": code}]});
    let structure = sliced("type", "value", "closed", false, [of("Quantity"), of("string")]);
    assert_eq!(count(&structure, &components(&[component("x", "valueString", json!("x"))]), ""), 0);
    assert_eq!(count(&structure, &components(&[component("x", "valueQuantity", json!({"value": 1}))]), "interpretation"), 1);
    assert_eq!(count(&structure, &components(&[component("x", "valueInteger", json!(1))]), "belongs to no slice"), 1);
}

#[test]
fn by_existence() {
    let exists = |min: u32, max: &str| json!({"path": "value[x]", "min": min, "max": max});
    let structure = sliced("exists", "value", "open", false, [exists(1, "1"), exists(0, "0")]);
    let without = json!({"code": {"text": "x"}, "dataAbsentReason": {"text": "x"}});
    assert_eq!(count(&structure, &components(std::slice::from_ref(&without)), ""), 0);
    let absent_first = sliced("exists", "value", "open", false, [exists(0, "0"), exists(1, "1")]);
    assert_eq!(count(&absent_first, &components(&[component("x", "valueInteger", json!(1))]), ""), 0);
    assert_eq!(count(&absent_first, &components(&[without]), "interpretation"), 1);
    assert_eq!(count(&structure, &components(&[component("x", "valueInteger", json!(1))]), "interpretation"), 1);
}

/// Slices of `performer` by what the references point at.
fn by_target(kind: &str, targets: [&str; 2], structures: Vec<Json>, resource: &Json) -> Vec<String> {
    let slice = |name: &str, target: &str, max: &str| {
        json!({"id": format!("Observation.performer:{name}"), "path": "Observation.performer", "sliceName": name, "max": max,
            "type": [{"code": "Reference", "targetProfile": [target]}]})
    };
    let structure = profile(&json!([
        {"id": "Observation.performer", "path": "Observation.performer",
         "slicing": {"discriminator": [{"type": kind, "path": "resolve()"}], "rules": "closed"}},
        slice("a", targets[0], "1"), slice("b", targets[1], "*")
    ]));
    errors([vec![structure], structures].concat(), resource, "http://p")
}

#[test]
fn by_the_type_of_a_target() {
    let core = |name: &str| format!("http://hl7.org/fhir/StructureDefinition/{name}");
    let (patient, practitioner) = (core("Patient"), core("Practitioner"));
    let found = |references: &[&str]| {
        let performers: Vec<Json> = references.iter().map(|reference| json!({"reference": reference})).collect();
        by_target("type", [&patient, &practitioner], Vec::new(), &observation(&json!({"performer": performers})))
    };
    // The resources are not at hand: the references say what they are.
    assert_eq!(found(&["Patient/1", "Practitioner/1", "http://x/Practitioner/2"]), Vec::<String>::new());
    let twice = found(&["Patient/1", "Patient/2"]);
    assert!(twice.len() == 1 && twice[0].contains("performer:a' may be there at most 1"), "{twice:?}");
    let other = found(&["Organization/1"]);
    assert!(other.len() == 1 && other[0].contains("belongs to no slice"), "{other:?}");
}

#[test]
fn by_the_profile_of_a_target() {
    let of = |url: &str, element: Json| {
        json!({"resourceType": "StructureDefinition", "url": url, "type": "Patient", "derivation": "constraint",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": [element]}})
    };
    let structures = vec![
        of("http://named", json!({"path": "Patient.name", "min": 1})),
        of("http://nameless", json!({"path": "Patient.name", "max": "0"})),
    ];
    let resource = |patients: Json, references: &[&str]| {
        let performers: Vec<Json> = references.iter().map(|id| json!({"reference": format!("#{id}")})).collect();
        observation(&json!({"performer": performers, "contained": patients}))
    };
    let named = |id: &str| json!({"resourceType": "Patient", "id": id, "name": [{"text": "x"}]});
    let nameless = |id: &str| json!({"resourceType": "Patient", "id": id});
    let run = |resource: &Json| by_target("profile", ["http://named", "http://nameless"], structures.clone(), resource);
    assert_eq!(run(&resource(json!([named("a"), nameless("b"), nameless("c")]), &["a", "b", "c"])), Vec::<String>::new());
    let twice = run(&resource(json!([named("a"), named("b")]), &["a", "b"]));
    assert!(twice.len() == 1 && twice[0].contains("performer:a' may be there at most 1"), "{twice:?}");
}

#[test]
fn an_element_of_another_profile() {
    let library = json!({"resourceType": "StructureDefinition", "url": "http://library", "type": "Observation", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation", "differential": {"element": [
        {"id": "Observation.component", "path": "Observation.component", "slicing": {"discriminator": [{"type": "pattern", "path": "code"}], "rules": "open"}},
        {"id": "Observation.component:x", "path": "Observation.component", "sliceName": "x"},
        {"id": "Observation.component:x.code", "path": "Observation.component.code", "patternCodeableConcept": {"coding": [{"code": "x"}]}},
        {"id": "Observation.component:x.value[x]", "path": "Observation.component.value[x]", "type": [{"code": "Quantity"}]}]}});
    let structure = profile(&json!([
        {"id": "Observation.component", "path": "Observation.component", "slicing": {"discriminator": [{"type": "pattern", "path": "code"}], "rules": "closed"}},
        {"id": "Observation.component:own", "path": "Observation.component", "sliceName": "own", "type": [{"code": "BackboneElement",
         "profile": ["http://library"], "_profile": [{"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element",
         "valueString": "Observation.component:x"}]}]}]}
    ]));
    let run = |one: Json| errors(vec![structure.clone(), library.clone()], &components(&[one]), "http://p");
    assert_eq!(run(component("x", "valueQuantity", json!({"value": 1}))), Vec::<String>::new());
    let wrong = run(component("x", "valueString", json!("1")));
    assert!(wrong.len() == 1 && wrong[0].contains("the type string is not one"), "{wrong:?}");
    let other = run(component("y", "valueQuantity", json!({"value": 1})));
    assert!(other.len() == 1 && other[0].contains("belongs to no slice"), "{other:?}");
}

#[test]
fn slices_of_slices_by_extension() {
    let extension = json!({"resourceType": "StructureDefinition", "url": "http://e", "type": "Extension", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension", "differential": {"element": [
        {"id": "Extension.url", "path": "Extension.url", "fixedUri": "http://e"},
        {"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1, "type": [{"code": "string"}]}]}});
    let structure =
        profile(&json!([{"id": "Observation.extension:e", "path": "Observation.extension", "sliceName": "e", "min": 1, "max": "1",
        "type": [{"code": "Extension", "profile": ["http://e"]}]}]));
    let run =
        |extensions: Json| errors(vec![structure.clone(), extension.clone()], &observation(&json!({"extension": extensions})), "http://p");
    assert_eq!(run(json!([{"url": "http://e", "valueString": "x"}, {"url": "http://f", "valueString": "x"}])), Vec::<String>::new());
    assert!(run(json!([{"url": "http://f", "valueString": "x"}]))[0].contains("extension:e' must be there at least 1"));
    let twice = run(json!([{"url": "http://e", "valueString": "x"}, {"url": "http://e", "valueString": "x"}]));
    assert!(twice.len() == 1 && twice[0].contains("at most 1"), "{twice:?}");
}
