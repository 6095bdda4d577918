//! Extensions against their definitions: value, parts, place, and whether they modify.

// Fixtures are written where they are used.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value as Json, json};

use crate::{
    json::Parser,
    validate::{IssueSeverity, ProfileStore, Validator},
};

fn definition(context: Json, modifier: bool, elements: &[Json]) -> Json {
    let mut all = vec![
        json!({"id": "Extension", "path": "Extension", "isModifier": modifier}),
        json!({"id": "Extension.url", "path": "Extension.url", "fixedUri": "http://example.org/e"}),
    ];
    all.extend(elements.iter().cloned());
    json!({"resourceType": "StructureDefinition", "url": "http://example.org/e", "type": "Extension", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension", "context": context, "differential": {"element": all}})
}

fn errors(definition: &Json, resource: &Json) -> Vec<String> {
    let mut store = ProfileStore::new();
    store.add(definition.clone());
    let text = resource.to_string();
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    let issues = Validator::default().with_profiles(store).validate(document.root());
    let errors = issues.into_iter().filter(|issue| issue.severity >= IssueSeverity::Error);
    errors.map(|issue| format!("{}: {}", issue.expression, issue.diagnostics)).collect()
}

fn one(definition: &Json, resource: &Json, what: &str) {
    let found = errors(definition, resource);
    assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
}

fn valid(definition: &Json, resource: &Json) {
    assert_eq!(errors(definition, resource), Vec::<String>::new(), "{resource}");
}

fn extension() -> Json {
    json!([{"url": "http://example.org/e", "valueString": "x"}])
}

fn anywhere() -> Json {
    json!([{"type": "element", "expression": "Element"}])
}

#[test]
fn values() {
    let text = definition(
        anywhere(),
        false,
        &[json!({"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1, "type": [{"code": "string"}]})],
    );
    valid(&text, &json!({"resourceType": "Patient", "extension": extension()}));
    let number = json!({"resourceType": "Patient", "extension": [{"url": "http://example.org/e", "valueInteger": 1}]});
    one(&text, &number, "the type integer is not one");
    let nested = json!({"resourceType": "Patient", "extension": [{"url": "http://example.org/e", "extension": [{"url": "http://example.org/f", "valueString": "x"}]}]});
    one(&text, &nested, "'value' must be there");
}

#[test]
fn parts() {
    let parts = definition(
        anywhere(),
        false,
        &[
            json!({"id": "Extension.extension:a", "path": "Extension.extension", "sliceName": "a", "min": 1, "max": "1"}),
            json!({"id": "Extension.extension:a.url", "path": "Extension.extension.url", "fixedUri": "a"}),
            json!({"id": "Extension.extension:a.value[x]", "path": "Extension.extension.value[x]", "type": [{"code": "boolean"}]}),
            json!({"id": "Extension.value[x]", "path": "Extension.value[x]", "max": "0"}),
        ],
    );
    let with = |parts: Json| json!({"resourceType": "Patient", "extension": [{"url": "http://example.org/e", "extension": parts}]});
    valid(&parts, &with(json!([{"url": "a", "valueBoolean": true}])));
    one(&parts, &with(json!([{"url": "a", "valueString": "x"}])), "the type string is not one");
    one(&parts, &with(json!([{"url": "a", "valueBoolean": true}, {"url": "b", "valueBoolean": true}])), "does not define this part");
    let missing = errors(&parts, &with(json!([{"url": "b", "valueBoolean": true}])));
    assert!(missing.iter().any(|one| one.contains("extension:a' must be there")), "{missing:?}");
}

#[test]
fn modifiers() {
    let (plain, modifier) = (definition(anywhere(), false, &[]), definition(anywhere(), true, &[]));
    let inside = |name: &str| json!({"resourceType": "Patient", name: extension()});
    valid(&plain, &inside("extension"));
    valid(&modifier, &inside("modifierExtension"));
    one(&plain, &inside("modifierExtension"), "it belongs in extension");
    one(&modifier, &inside("extension"), "belongs in modifierExtension");
}

#[test]
fn elements_of_other_versions() {
    let inside = |resource: &str, path: &str| {
        let url = format!("http://hl7.org/fhir/5.0/StructureDefinition/extension-{path}");
        json!({"resourceType": resource, "status": "current", "mode": "working", "extension": [{"url": url, "valueString": "x"}]})
    };
    let none = definition(anywhere(), false, &[]);
    valid(&none, &inside("List", "List.something"));
    valid(&none, &inside("List", "Attachment.height"));
    valid(&none, &inside("List", "NoTypeOfR4.height"));
    one(&none, &inside("List", "Patient.something"), "an element of another resource type");
}

#[test]
fn places() {
    let at = |kind: &str, expression: &str| definition(json!([{"type": kind, "expression": expression}]), false, &[]);
    let patient = json!({"resourceType": "Patient", "extension": extension()});
    let name = json!({"resourceType": "Patient", "name": [{"family": "x", "extension": extension()}]});
    let family = json!({"resourceType": "Patient", "name": [{"family": "x", "_family": {"extension": extension()}}]});
    let contact = json!({"resourceType": "Patient", "contact": [{"name": {"text": "x"}, "extension": extension()}]});
    let inside = json!({"resourceType": "Patient", "extension": [{"url": "http://example.org/o", "valueString": "x", "_valueString": {"extension": extension()}}]});
    let deep = json!({"resourceType": "Patient", "extension": [{"url": "http://example.org/o", "extension": extension()}]});
    let all = [&patient, &name, &family, &contact, &inside, &deep];
    for (kind, expression, allowed) in [
        ("element", "Element", [true; 6]),
        ("element", "Patient", [true, false, false, false, false, false]),
        ("element", "Resource", [true, false, false, false, false, false]),
        ("element", "DomainResource", [true, false, false, false, false, false]),
        ("element", "Observation", [false; 6]),
        ("element", "HumanName", [false, true, false, false, false, false]),
        ("element", "Patient.name", [false, true, false, false, false, false]),
        ("element", "HumanName.family", [false, false, true, false, false, false]),
        ("element", "Patient.contact", [false, false, false, true, false, false]),
        ("element", "string", [false, false, true, false, true, false]),
        ("extension", "http://example.org/o", [false, false, false, false, true, true]),
        ("fhirpath", "Patient.name", [false, true, false, false, false, false]),
        ("fhirpath", "Patient", [true, false, false, false, false, false]),
    ] {
        let definition = at(kind, expression);
        for (resource, allowed) in all.iter().zip(allowed) {
            if allowed {
                valid(&definition, resource);
            } else {
                one(&definition, resource, "may not stand here");
            }
        }
    }
}
