//! Immunizations.

use sutura_ccda::Element;

use super::{Context, EntryFate, Mapped, part, parts, related};
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    types::{absent, absent_concept, absent_reason, attr, coded},
};

const REACTION: &[&str] = &["2.16.840.1.113883.10.20.22.4.9"];
const ADMINISTERED: &[&str] = &["2.16.840.1.113883.10.20.22.4.118"];

impl<'d> Context<'d> {
    /// An immunization that was given, or was not.
    pub(super) fn immunization(&mut self, activity: Element<'d>) -> Mapped<EntryFate> {
        let mut body = Obj::new();
        self.narrative(activity, &mut body);
        body.extend("identifier", self.identifiers(activity));
        let negated = activity.is_negated();
        if activity.attr("negationInd").is_some() {
            self.took(activity);
        }
        match self.status(activity, "ImmunizationStatus") {
            Some("entered-in-error") => body.put("status", "entered-in-error"),
            _ if negated => body.put("status", "not-done"),
            Some(status) => body.put("status", status),
            // FHIR has no code for a vaccine that is being given, nor for "unknown".
            None => self.no_status(&mut body, activity, "_status"),
        }
        if let Some(refusal) = part(activity, &[super::REFUSAL]) {
            let reason = refusal.child("code").and_then(|code| self.concept(code));
            self.left_frame(refusal);
            body.opt("statusReason", reason);
        }
        let product = activity.path(&["consumable", "manufacturedProduct"]);
        let material =
            product.and_then(|product| product.child("manufacturedMaterial").or_else(|| product.child("manufacturedLabeledDrug")));
        let code = material.and_then(|material| material.child("code"));
        let name = material.and_then(|material| material.child("name")).and_then(|name| self.text_of(name));
        let vaccine = code.and_then(|code| self.concept(code)).or_else(|| name.map(|name| Obj::of("text", name)));
        body.put("vaccineCode", vaccine.unwrap_or_else(|| absent_concept(code)));
        body.put("patient", self.patient.clone());
        let time = activity.children_named("effectiveTime").next();
        match time.and_then(|time| self.one_time(time)) {
            Some(time) => body.put("occurrenceDateTime", time),
            None => body.put("_occurrenceDateTime", absent(absent_reason(time))),
        }
        let author = self.author(activity);
        body.opt("recorded", author.time);
        // C-CDA does not say whether the record is the giver's own.
        body.put("_primarySource", absent("unknown"));
        let maker = product.and_then(|product| product.child("manufacturerOrganization")).and_then(|maker| self.organization(maker));
        body.opt("manufacturer", maker);
        body.opt("lotNumber", material.and_then(|material| material.child("lotNumberText")).and_then(|lot| self.text_of(lot)));
        if let Some(expires) = material.and_then(|material| material.sdtc("expirationTime").or_else(|| material.child("expirationTime"))) {
            body.opt("expirationDate", self.date(expires));
        }
        body.opt("site", self.concept_of(activity, "approachSiteCode"));
        body.opt("route", self.concept_of(activity, "routeCode"));
        if let Some(dose) = activity.child("doseQuantity") {
            body.opt("doseQuantity", self.quantity(dose));
        }
        for actor in self.performers(activity) {
            if let Some(reference) = actor.reference() {
                let mut performer = Obj::new();
                performer.put("function", coded("http://terminology.hl7.org/CodeSystem/v2-0443", "AP", "Administering Provider"));
                performer.put("actor", reference);
                body.push("performer", performer);
            }
        }
        self.notes(activity, &mut body);
        self.reasons(activity, &mut body, "reasonCode");
        for reaction in parts(activity, REACTION).collect::<Vec<_>>() {
            self.immunization_reaction(reaction, &mut body)?;
        }
        self.dose_number(activity, &mut body);
        for name in ["code", "administrationUnitCode"] {
            if let Some(child) = activity.child(name) {
                self.account.dropped_all(child, Why::NoTarget);
            }
        }
        let reference = self.add("Immunization", activity, body);
        // Titers and complications stand for themselves.
        let mut found = vec![reference];
        for support in
            related(activity, "SPRT").chain(related(activity, "COMP")).filter(|inner| inner.name() == "observation").collect::<Vec<_>>()
        {
            found.extend(self.nested(support));
        }
        Ok(EntryFate::Mapped(found))
    }

    fn immunization_reaction(&mut self, reaction: Element<'d>, body: &mut Obj) -> Mapped<()> {
        let mut entry = Obj::new();
        if let Some(time) = reaction.child("effectiveTime")
            && let Some(date) = self.one_time(time)
        {
            entry.put("date", date);
        }
        let mut observation = Obj::new();
        observation.extend("identifier", self.identifiers(reaction));
        observation.put("status", self.status(reaction, "ObservationStatus").unwrap_or("unknown"));
        observation.put("code", coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "ASSERTION", "Assertion"));
        observation.put("subject", self.patient.clone());
        observation.opt("effectiveDateTime", entry.get("date").cloned());
        observation.opt("valueCodeableConcept", reaction.child("value").and_then(|value| self.value_concept(value)));
        if observation.has("valueCodeableConcept") {
            let reference = self.add("Observation", reaction, observation);
            entry.put("detail", reference);
        }
        self.left_frame(reaction);
        body.push("reaction", entry);
        Ok(())
    }

    /// Which dose of a series: `repeatNumber`, or the sequence of the substance administered act.
    fn dose_number(&mut self, activity: Element<'d>, body: &mut Obj) {
        let mut numbers: Vec<Element<'d>> = activity.children_named("repeatNumber").collect();
        for relation in activity.children_named("entryRelationship") {
            let is_act = relation.children().any(|inner| inner.templates().any(|(root, _)| ADMINISTERED.contains(&root)));
            if is_act {
                numbers.extend(relation.child("sequenceNumber"));
                if let Some(act) = relation.child("act") {
                    self.account.dropped_all(act, Why::Repeated);
                }
            }
        }
        for number in numbers {
            match attr(number, "value").and_then(|value| value.parse::<u32>().ok()).filter(|number| *number > 0) {
                Some(value) if !body.has("protocolApplied") => {
                    self.took(number);
                    body.push("protocolApplied", Obj::of("doseNumberPositiveInt", Json::Raw(value.to_string().into())));
                }
                _ => self.left(number, Why::Invalid),
            }
        }
    }
}
