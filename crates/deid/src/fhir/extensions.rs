//! Extensions: those whose meaning is known stay, with what may stay of them.

use std::sync::Arc;

use sutura_core::PhiClass;
use sutura_fhir::{defs, json::Value};
use sutura_privacy::CodeShape;

use super::{
    json::{Object, push_string},
    marks::Required,
    plan::Node,
    walk::Walk,
};
use crate::{error::DeidError, ledger::Outcome};

/// The extension that says why a value is not there.
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// Extensions whose URL fixes what stands in them.
const KNOWN_EXTENSIONS: [&str; 3] = [
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
];
const KNOWN_PARTS: [&str; 3] = ["ombCategory", "detailed", "text"];

impl<'w> Walk<'w> {
    /// Extensions of an element whose meaning is known; the others go.
    pub(super) fn extensions(&mut self, parent: &Node, list: Value<'w>, out: &mut String) -> Result<(), DeidError> {
        let start = out.len();
        for extension in list.items() {
            let url = extension.get("url").and_then(|url| url.as_str()).unwrap_or_default();
            let known = KNOWN_EXTENSIONS.iter().chain(&KNOWN_PARTS).find(|known| **known == url);
            let is_part = KNOWN_PARTS.contains(&url);
            let before = out.len();
            out.push(if before == start { '[' } else { ',' });
            let content = out.len();
            if url == ABSENT {
                Self::absent(extension, out);
            } else if let Some(known) = known
                && is_part == parent.path.contains("extension(us-core")
                && let Some(node) = self.plans.extension(parent, known)
            {
                self.known_extension(&node, known, extension, out)?;
            }
            if out.len() == content {
                out.truncate(before);
                self.count(&parent.unknown, Outcome::Unknown);
            }
        }
        if out.len() > start {
            out.push(']');
        }
        Ok(())
    }

    pub(super) fn known_extension(&mut self, node: &Arc<Node>, url: &str, extension: Value<'w>, out: &mut String) -> Result<(), DeidError> {
        let mut object = Object::begin(out);
        object.member("url", |out| {
            push_string(out, url);
            Ok::<_, DeidError>(())
        })?;
        let mut any = false;
        let mut required = Required::of(node);
        for (key, value) in extension.entries() {
            match key {
                "url" | "id" => {}
                // The text of a category: one of its words, or nothing.
                "valueString" if url == "text" => {
                    let text = value.as_str().unwrap_or_default();
                    let keeps = node.leaf.plan.as_ref().is_some_and(|plan| !plan.removes_all() || *plan.class() == PhiClass::FreeText);
                    if keeps && CodeShape::RaceCode.fits(text) {
                        any |= object.member(key, |out| {
                            push_string(out, text);
                            Ok::<_, DeidError>(())
                        })?;
                    }
                }
                "extension" => any |= object.member(key, |out| self.extensions(node, value, out))?,
                _ => {
                    let before = object.length();
                    self.member(node, extension, key, value, &mut object, &mut required)?;
                    any |= object.length() > before;
                }
            }
        }
        object.end_if(any);
        Ok(())
    }

    /// What stands beside a primitive: only why it is not there.
    pub(super) fn primitive_extensions(beside: Value<'w>, out: &mut String) {
        let extensions = beside.get("extension").into_iter().flat_map(|list| list.items());
        for extension in extensions {
            let is_absent = extension.get("url").and_then(|url| url.as_str()) == Some(ABSENT);
            if is_absent && extension.get("valueCode").is_some() {
                out.push_str("{\"extension\":[");
                Self::absent(extension, out);
                out.push_str("]}");
                return;
            }
        }
    }

    /// Why a value is not there, as it was sent.
    pub(super) fn absent(extension: Value<'_>, out: &mut String) {
        let code = extension.get("valueCode").and_then(|code| code.as_str()).unwrap_or_default();
        let set = defs::r4().value_set("http://hl7.org/fhir/ValueSet/data-absent-reason");
        let code = if set.is_none_or(|set| set.contains_code(code)) && CodeShape::Keyword.fits(code) && !code.is_empty() {
            code
        } else {
            "unknown"
        };
        out.push_str("{\"url\":");
        push_string(out, ABSENT);
        out.push_str(",\"valueCode\":");
        push_string(out, code);
        out.push('}');
    }
}
