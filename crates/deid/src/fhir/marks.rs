//! What says that something was done: labels of a resource, and why a required element is not there.

use std::sync::Arc;

use sutura_fhir::{
    defs::TypeKind,
    json::{Kind as Json, Value},
};

use super::{
    json::Object,
    plan::{Kind, Node},
    walk::Walk,
};
use crate::{error::DeidError, ledger::Outcome};

/// The extension of what is masked.
pub(super) const MASKED: &str = "{\"url\":\"http://hl7.org/fhir/StructureDefinition/data-absent-reason\",\"valueCode\":\"masked\"}";

/// Elements of which the rules of a type want one, or all where there is a line for each.
const AT_LEAST_ONE: [(&str, &[&str]); 15] = [
    ("Expression", &["expression", "reference"]),
    ("Appointment", &["start"]),
    ("Appointment", &["end"]),
    ("Appointment.participant", &["type", "actor"]),
    ("Organization", &["identifier", "name"]),
    ("InsurancePlan", &["identifier", "name"]),
    ("ImmunizationRecommendation.recommendation", &["vaccineCode", "targetDisease"]),
    ("Immunization.education", &["documentType", "reference"]),
    ("ResearchStudy.objective", &["name"]),
    ("RiskAssessment.prediction", &["probability", "qualitativeRisk"]),
    ("MedicationDispense", &["whenHandedOver"]),
    ("Specimen.collection", &["collected"]),
    ("Consent", &["policy", "policyRule"]),
    ("ResearchSubject", &["individual"]),
    ("MolecularSequence.referenceSeq", &["genomeBuild", "referenceSeqId", "referenceSeqPointer", "referenceSeqString"]),
];

impl<'w> Walk<'w> {
    /// Meta with the labels of what was done.
    pub(super) fn meta(&mut self, node: &Arc<Node>, meta: Option<Value<'w>>, out: &mut Object<'_>) -> Result<(), DeidError> {
        let Some(plan) = self.plans.child(node, "meta") else { return Ok(()) };
        let mut written = String::new();
        let mut object = Object::begin(&mut written);
        let mut required = Required::of(&plan);
        let mut security = String::new();
        for (key, value) in meta.into_iter().flat_map(|meta| meta.entries()) {
            if key == "security" {
                if let Some(child) = self.plans.child(&plan, "security") {
                    self.list(&child, value, &mut security)?;
                }
                continue;
            }
            let Some(whole) = meta else { break };
            self.member(&plan, whole, key, value, &mut object, &mut required)?;
        }
        let labels = [
            (self.done.redacted, "REDACTED", "redacted"),
            (self.done.pseudonymised, "PSEUDED", "pseudonymized"),
            (self.done.abstracted, "ABSTRED", "abstracted"),
            (self.done.masked, "MASKED", "masked"),
        ];
        for (done, code, display) in labels {
            if !done || security.contains(&format!("\"{code}\"")) {
                continue;
            }
            security.pop();
            security.push(if security.is_empty() { '[' } else { ',' });
            security.push_str("{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ObservationValue\",\"code\":\"");
            security.push_str(code);
            security.push_str("\",\"display\":\"");
            security.push_str(display);
            security.push_str("\"}]");
        }
        for label in self.done.categories.iter() {
            push_label(&mut security, label.code(), label.name());
        }
        // The label of what the law lets nobody pass on.
        if self.done.has_notice {
            push_label(&mut security, "NORDSCLCD", "no redisclosure without consent directive");
        }
        object.member("security", |out| {
            out.push_str(&security);
            Ok::<_, DeidError>(())
        })?;
        object.end();
        out.member("meta", |out| {
            out.push_str(&written);
            Ok::<_, DeidError>(())
        })?;
        Ok(())
    }

    /// Says of required elements that went that they are masked.
    pub(super) fn fill(&mut self, node: &Node, before: Value<'_>, required: &Required, out: &mut Object<'_>) -> Result<(), DeidError> {
        let def = node.place.type_id().def();
        let sent =
            |index: usize| before.entries().find(|(key, _)| def.element(key).is_some_and(|(found, _)| usize::from(found.index) == index));
        for (index, element) in def.elements.iter().enumerate() {
            if element.min > 0
                && !required.has(index)
                && let Some((key, value)) = sent(index)
            {
                self.mask(node, key, value, out)?;
            }
        }
        for (_, any_of) in AT_LEAST_ONE.iter().filter(|(name, _)| *name == def.name) {
            let indexes: Vec<usize> =
                any_of.iter().filter_map(|name| def.element_named(name)).map(|element| usize::from(element.index)).collect();
            if indexes.iter().any(|index| required.has(*index)) {
                continue;
            }
            if let Some((key, value)) = indexes.iter().find_map(|index| sent(*index)) {
                self.mask(node, key, value, out)?;
            }
        }
        Ok(())
    }

    /// Writes in the place of an element that it is masked.
    pub(super) fn mask(&mut self, node: &Node, key: &str, value: Value<'_>, out: &mut Object<'_>) -> Result<(), DeidError> {
        let Some(child) = self.plans.child(node, key) else { return Ok(()) };
        // Written by whoever treats it apart.
        if (node.path.as_str(), key) == ("Bundle.entry.request", "url") || child.kind == Kind::Xhtml {
            return Ok(());
        }
        self.run.ledger.record(&child.leaf.place, Outcome::Placeholder);
        let is_primitive = child.place.type_id().def().kind == TypeKind::Primitive;
        let extension = format!("{{\"extension\":[{MASKED}]}}");
        let text = if value.kind() == Json::Array { format!("[{extension}]") } else { extension };
        let name = if is_primitive { format!("_{key}") } else { key.to_owned() };
        out.member(&name, |out| {
            out.push_str(&text);
            Ok::<_, DeidError>(())
        })?;
        Ok(())
    }
}

/// Which elements of an object were written.
pub(super) struct Required(u128);

impl Required {
    pub(super) fn of(_node: &Node) -> Self {
        Self(0)
    }

    pub(super) fn found(&mut self, child: &Node) {
        if let Some(element) = child.element
            && element.index < 128
        {
            self.0 |= 1 << element.index;
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        index < 128 && self.0 >> index & 1 == 1
    }
}

/// A label of HL7 v3 ActCode, at the end of a list of codings.
fn push_label(security: &mut String, code: &str, display: &str) {
    if security.contains(&format!("\"{code}\"")) {
        return;
    }
    security.pop();
    security.push(if security.is_empty() { '[' } else { ',' });
    security.push_str("{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"");
    security.push_str(code);
    security.push_str("\",\"display\":\"");
    security.push_str(display);
    security.push_str("\"}]");
}
