//! Where an extension may stand, and which parts a complex one has.

use serde_json::Value as Json;

use super::Profile;
use crate::{
    defs::TypeDef,
    fhirpath::{Context, Expression, Item},
    json::Value,
    validate::{Check, IssueCode, r4},
};

/// Defined for `ElementDefinition.type.code`, but the specification itself has it on `ElementDefinition.type`.
const MISPLACED: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";

fn url(value: Value<'_>) -> Option<&str> {
    value.get("url")?.as_str()
}

/// A type and what it specialises.
fn chain(def: &'static TypeDef) -> impl Iterator<Item = &'static TypeDef> {
    std::iter::successors(Some(def), |def| def.base.map(|base| r4().type_of(base)))
}

impl<'d> Check<'_, 'd> {
    /// An extension against what its definition says of its place and its parts.
    pub(in crate::validate) fn extension_use(&mut self, value: Value<'d>, profile: &Profile) {
        let open = profile.context.is_empty() || profile.url == MISPLACED;
        if !open && !profile.context.iter().any(|(kind, expression)| self.may_stand_here(kind, expression)) {
            self.error(IssueCode::Extension, value, format!("the extension {} may not stand here", profile.url));
        }
        let Some(parts) = profile.root.child("extension").filter(|parts| !parts.slices.is_empty()) else { return };
        for part in value.get("extension").into_iter().flat_map(|list| list.items()) {
            let Some(name) = url(part).filter(|name| !name.contains(':')) else { continue };
            let known = parts.slices.iter().any(|slice| {
                slice.slice == name || slice.child("url").and_then(|child| child.fixed.as_ref()).and_then(Json::as_str) == Some(name)
            });
            if !known {
                self.error(IssueCode::Extension, part, format!("the extension {} does not define this part", profile.url));
            }
        }
    }

    fn may_stand_here(&self, kind: &str, expression: &str) -> bool {
        // The last step is `extension` itself; what holds it is the one before.
        let Some((here, before)) = self.trail.split_last() else { return true };
        match kind {
            "element" => {
                let plain = expression.split('#').next_back().unwrap_or(expression);
                let first = plain.split('.').next().unwrap_or(plain);
                if r4().type_named(first).is_none() || plain.contains(':') {
                    return true;
                }
                // `Element` stands for anything that can have extensions.
                if plain == "Element" {
                    return true;
                }
                let plain = plain.trim_end_matches("[x]");
                let is_type = chain(here.owner).any(|def| def.name == plain);
                let is_element = before.last().is_some_and(|holder| {
                    chain(holder.owner)
                        .any(|def| plain.strip_prefix(def.name).and_then(|rest| rest.strip_prefix('.')) == Some(holder.element.name))
                });
                is_type || is_element
            }
            "extension" => {
                let of_extension = here.owner.id == self.known.extension && url(here.parent) == Some(expression);
                let of_value =
                    before.last().is_some_and(|holder| holder.owner.id == self.known.extension && url(holder.parent) == Some(expression));
                of_extension || of_value
            }
            "fhirpath" => {
                let Ok(compiled) = Expression::parse(expression) else { return true };
                let mut context = Context::new();
                let Ok(found) = compiled.evaluate(Item::resource(self.resource), &mut context) else { return true };
                found
                    .iter()
                    .any(|item| matches!(item, Item::Node(node) if node.value.is_some_and(|value| value.index() == here.parent.index())))
            }
            _ => true,
        }
    }
}
