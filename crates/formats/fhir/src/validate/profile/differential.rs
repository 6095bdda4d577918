//! A StructureDefinition under validation: does its differential contradict what it derives from?
//!
//! Each element is held against the definitions, and against the profile it derives from where that is loaded: its path must
//! exist, its cardinality, types and binding may only get narrower, fixed values may not change, and the paths of discriminators
//! must lead to elements. What needs more than that (obligations, snapshots that differ) is not checked.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value as Json;

use super::{
    Profile, core_type,
    slice::split,
    tree::{Node, Step, exists, node_at, steps},
};
use crate::{
    defs::{ElementDef, Strength, TypeId},
    json::Value,
    validate::{Check, IssueCode, IssueSeverity, r4},
};

/// Paths with more steps are not followed: no resource is read that is nested so deep.
const DEEPEST: usize = 64;

/// What the element had before: of the definitions, and of the profile it derives from.
struct Before<'n> {
    element: Option<&'static ElementDef>,
    node: Option<&'n Node>,
}

fn text<'j>(json: &'j Json, name: &str) -> &'j str {
    json[name].as_str().unwrap_or("")
}

/// The element of the definitions that the steps lead to; none where they leave what is known.
pub(super) fn element_at(ty: TypeId, steps: &[Step]) -> Option<&'static ElementDef> {
    let mut at = Some(ty);
    let mut found = None;
    for step in steps {
        let element = at?.def().element_named(&step.name)?;
        found = Some(element);
        at = match (&step.code, element.types) {
            (Some(code), _) => r4().type_named(code),
            (None, [only]) => Some(only.ty),
            _ => None,
        };
    }
    found
}

pub(super) fn strength(name: &str) -> Option<Strength> {
    Some(match name {
        "required" => Strength::Required,
        "extensible" => Strength::Extensible,
        "preferred" => Strength::Preferred,
        "example" => Strength::Example,
        _ => return None,
    })
}

/// Whether a value has all that a pattern has; wholly the same if it is fixed.
fn fits(value: &Json, expected: &Json, whole: bool) -> bool {
    match (value, expected) {
        (Json::Object(have), Json::Object(wanted)) => {
            (!whole || have.len() == wanted.len())
                && wanted.iter().all(|(name, wanted)| have.get(name).is_some_and(|have| fits(have, wanted, whole)))
        }
        (Json::Array(have), Json::Array(wanted)) if !whole => wanted.iter().all(|wanted| have.iter().any(|have| fits(have, wanted, false))),
        _ => value == expected,
    }
}

impl<'d> Check<'_, 'd> {
    /// A StructureDefinition that constrains a type of R4.
    pub(in crate::validate) fn structure_definition(&mut self, definition: Value<'d>) {
        if definition.get("derivation").and_then(|text| text.as_str()) != Some("constraint") {
            return;
        }
        let Ok(json) = serde_json::from_slice::<Json>(definition.raw()) else { return };
        let Some(ty) = r4().type_named(text(&json, "type")) else { return };
        let base = text(&json, "baseDefinition");
        let base: Option<Arc<Profile>> = if core_type(base).is_some() { None } else { self.validator.profiles.profile(base) };
        let Some(differential) = definition.get("differential") else { return };
        let elements = differential.get("element").into_iter().flat_map(|list| list.items());
        let mut current = HashMap::new();
        self.path.push("differential");
        self.path.push("element");
        for (number, (json, at)) in json["differential"]["element"].as_array().into_iter().flatten().zip(elements).enumerate() {
            self.path.push_index(number);
            self.differential_element(json, at, ty, base.as_deref(), &mut current);
            self.path.pop();
        }
        self.path.pop();
        self.path.pop();
    }

    fn differential_element(
        &mut self,
        json: &Json,
        at: Value<'d>,
        ty: TypeId,
        base: Option<&Profile>,
        current: &mut HashMap<String, Vec<Step>>,
    ) {
        let path = text(json, "path");
        if path.split('.').count() > DEEPEST {
            return self.error(IssueCode::Structure, at, "the path is deeper than resources are");
        }
        if path.split('.').next() != Some(ty.name()) {
            return self.error(IssueCode::Structure, at, "the path does not begin with the type that is constrained");
        }
        let steps = steps(json, path, ty, current);
        current.insert(path.to_owned(), steps.clone());
        if !exists(ty, &steps) {
            return self.error(IssueCode::Structure, at, "the type that is constrained has no element of that path");
        }
        let before = Before { element: element_at(ty, &steps), node: base.and_then(|base| node_at(&base.root, &steps)) };
        let slice = steps.last().is_some_and(|step| step.slice.is_some());
        self.narrower_cardinality(json, at, &before, slice);
        if let Some(element) = before.element {
            self.narrower_types(json, at, element);
        }
        self.narrower_binding(json, at, &before, slice);
        self.fixed_stays(json, at, &before);
        for discriminator in json["slicing"]["discriminator"].as_array().into_iter().flatten() {
            if let Some(element) = before.element
                && !leads_somewhere(element, json, text(discriminator, "path"))
            {
                self.error(IssueCode::Value, at, "the path of the discriminator leads to no element of what is sliced");
            }
        }
    }

    fn narrower_cardinality(&mut self, json: &Json, at: Value<'d>, before: &Before<'_>, slice: bool) {
        let (min, max) = (json["min"].as_u64(), json["max"].as_str().map(|max| max.parse::<u64>().unwrap_or(u64::MAX)));
        let node_max = before.node.and_then(|node| node.max).map(|max| if max == u32::MAX { u64::MAX } else { u64::from(max) });
        let element_max = before.element.map(|element| element.max.map_or(u64::MAX, u64::from));
        let most = node_max.into_iter().chain(element_max).min();
        if let (Some(max), Some(most)) = (max, most)
            && max > most
        {
            self.error(IssueCode::Structure, at, "the greatest cardinality is greater than that of what is derived from");
        }
        // A slice may be left out although the element itself may not; a slice of the base may not be loosened.
        let node_min = before.node.and_then(|node| node.min).map(u64::from);
        let element_min = before.element.filter(|_| !slice).map(|element| u64::from(element.min));
        let least = node_min.into_iter().chain(element_min).max();
        if let (Some(min), Some(least)) = (min, least)
            && min < least
        {
            self.error(IssueCode::Structure, at, "the least cardinality is less than that of what is derived from");
        }
    }

    fn narrower_types(&mut self, json: &Json, at: Value<'d>, element: &ElementDef) {
        for code in json["type"].as_array().into_iter().flatten().filter_map(|one| one["code"].as_str()) {
            let Some(ty) = r4().type_named(code) else { continue };
            let backbone = matches!(code, "BackboneElement" | "Element");
            let known = backbone || element.types.is_empty() || element.types.iter().any(|one| r4().subtype_of(ty, one.ty));
            if !known {
                self.error(IssueCode::Structure, at, format!("the element cannot be of type {}", ty.name()));
            }
        }
    }

    fn narrower_binding(&mut self, json: &Json, at: Value<'d>, before: &Before<'_>, slice: bool) {
        let Some(own) = strength(text(&json["binding"], "strength")) else { return };
        let of_profile = before.node.and_then(|node| node.binding.as_ref()).map(|(strength, _)| *strength);
        let of_type = before.element.and_then(|element| element.binding).map(|binding| binding.strength);
        if slice || own == Strength::Required || of_profile.max(of_type) != Some(Strength::Required) {
            return;
        }
        // US Core loosens the vital signs of the specification: what conforms to both is still possible.
        let severity = if of_type == Some(Strength::Required) { IssueSeverity::Error } else { IssueSeverity::Warning };
        self.issue(severity, IssueCode::Structure, at, "the binding is weaker than the required one of what is derived from");
    }

    fn fixed_stays(&mut self, json: &Json, at: Value<'d>, before: &Before<'_>) {
        let Some(node) = before.node else { return };
        for (name, value) in json.as_object().into_iter().flatten() {
            let fixed = name.starts_with("fixed");
            if !fixed && !name.starts_with("pattern") {
                continue;
            }
            let kept_fixed = node.fixed.as_ref().is_none_or(|known| if fixed { value == known } else { fits(known, value, false) });
            let kept_pattern = node.pattern.as_ref().is_none_or(|known| fits(value, known, false));
            if !kept_fixed || !kept_pattern {
                self.error(IssueCode::Value, at, "the value is fixed to another one by what is derived from");
            }
        }
    }
}

/// Whether the path of a discriminator leads to an element, as far as it can be followed.
pub(super) fn leads_somewhere(element: &ElementDef, json: &Json, path: &str) -> bool {
    let codes: Vec<&str> = json["type"].as_array().into_iter().flatten().filter_map(|one| one["code"].as_str()).collect();
    let mut at = match (codes.as_slice(), element.types) {
        ([code], _) if !matches!(*code, "BackboneElement" | "Element") => r4().type_named(code),
        (_, [only]) => Some(only.ty),
        _ => None,
    };
    for step in split(path) {
        if step.contains('(') {
            // resolve(), ofType() and extension() lead to what is not known here.
            return true;
        }
        let Some(def) = at.map(TypeId::def).filter(|def| !def.is_abstract) else { return true };
        let Some(element) = def.element_named(step) else { return def.element(step).is_some() };
        at = match element.types {
            [only] => Some(only.ty),
            _ => None,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    // Fixtures are written where they are used.
    #![allow(clippy::needless_pass_by_value)]

    use serde_json::json;

    use crate::{
        json::Parser,
        validate::{IssueCode, IssueSeverity, ProfileStore, Validator},
    };

    fn errors(elements: serde_json::Value, base: Option<serde_json::Value>) -> Vec<String> {
        let of = |url: &str, base: &str, elements: serde_json::Value| {
            json!({"resourceType": "StructureDefinition", "url": url, "name": "Test", "status": "draft", "kind": "resource",
                "abstract": false, "type": "Observation", "baseDefinition": base, "derivation": "constraint",
                "differential": {"element": elements}})
        };
        let core = "http://hl7.org/fhir/StructureDefinition/Observation";
        let mut store = ProfileStore::new();
        let has_base = base.is_some();
        if let Some(base) = base {
            store.add(of("http://example.org/base", core, base));
        }
        let own = of("http://example.org/own", if has_base { "http://example.org/base" } else { core }, elements).to_string();
        let mut parser = Parser::default();
        let document = parser.parse(own.as_bytes()).unwrap();
        let issues = Validator::default().with_profiles(store).validate(document.root());
        // Not the rules that every element has an id: the fixtures are shorter without.
        let errors = issues.into_iter().filter(|issue| issue.severity >= IssueSeverity::Error && issue.code != IssueCode::Invariant);
        errors.map(|issue| format!("{}: {}", issue.expression, issue.diagnostics)).collect()
    }

    fn one(elements: serde_json::Value, base: Option<serde_json::Value>, what: &str) {
        let found = errors(elements, base);
        assert!(found.len() == 1 && found[0].contains(what) && found[0].contains("differential.element["), "{what}: {found:?}");
    }

    #[test]
    fn what_only_narrows_is_valid() {
        let good = json!([
            {"id": "Observation", "path": "Observation"},
            {"id": "Observation.category", "path": "Observation.category", "min": 1,
             "slicing": {"discriminator": [{"type": "value", "path": "coding.code"}, {"type": "value", "path": "$this"}], "rules": "open"}},
            {"id": "Observation.category:lab", "path": "Observation.category", "sliceName": "lab", "min": 0, "max": "1"},
            {"id": "Observation.valueQuantity.code", "path": "Observation.valueQuantity.code", "min": 1, "fixedCode": "mg"},
            {"id": "Observation.value[x]", "path": "Observation.value[x]", "type": [{"code": "Quantity"}]}
        ]);
        assert_eq!(errors(good, None), Vec::<String>::new());
    }

    #[test]
    fn contradictions() {
        one(json!([{"path": "Observation.valueBla"}]), None, "no element of that path");
        one(json!([{"path": "Patient.name"}]), None, "does not begin with");
        one(json!([{"path": format!("Observation{}", ".component".repeat(100_000))}]), None, "deeper than");
        one(json!([{"path": "Observation.status", "min": 0}]), None, "least cardinality");
        one(json!([{"path": "Observation.status", "max": "2"}]), None, "greatest cardinality");
        one(json!([{"path": "Observation.subject", "type": [{"code": "Quantity"}]}]), None, "cannot be of type Quantity");
        let weak = json!({"strength": "preferred", "valueSet": "http://example.org/vs"});
        one(json!([{"path": "Observation.status", "binding": weak}]), None, "weaker");
        let slicing = json!({"discriminator": [{"type": "value", "path": "kind"}], "rules": "open"});
        one(json!([{"path": "Observation.component", "slicing": slicing}]), None, "discriminator leads to no element");
    }

    #[test]
    fn contradictions_to_a_profile() {
        let code = |code: &str| json!({"coding": [{"code": code}]});
        let base = json!([
            {"id": "Observation.code", "path": "Observation.code", "patternCodeableConcept": code("1")},
            {"id": "Observation.subject", "path": "Observation.subject", "min": 1},
            {"id": "Observation.note", "path": "Observation.note", "max": "1"},
            {"id": "Observation.status", "path": "Observation.status", "fixedCode": "final"}
        ]);
        let base = || Some(base.clone());
        one(json!([{"path": "Observation.subject", "min": 0}]), base(), "least cardinality");
        one(json!([{"path": "Observation.note", "max": "*"}]), base(), "greatest cardinality");
        one(json!([{"path": "Observation.code", "patternCodeableConcept": code("2")}]), base(), "fixed to another");
        one(json!([{"path": "Observation.status", "fixedCode": "amended"}]), base(), "fixed to another");
        assert!(errors(json!([{"path": "Observation.code", "fixedCodeableConcept": code("1")}]), base()).is_empty());
    }
}
