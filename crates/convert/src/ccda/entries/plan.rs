//! What is planned: ServiceRequest, and instructions as Communication requests.

use sutura_ccda::{Element, Section, SectionKind};

use super::{Context, Mapped, Ref, fault};
use crate::ccda::{
    account::Why,
    json::Obj,
    statement,
    types::{absent_concept, attr, coded},
};

impl<'d> Context<'d> {
    /// A planned act, procedure or observation.
    pub(super) fn planned(&mut self, planned: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(planned, &mut body);
        body.extend("identifier", self.identifiers(planned));
        body.put("status", self.status(planned, "RequestStatus").unwrap_or("unknown"));
        body.put(
            "intent",
            match attr(planned, "moodCode") {
                Some("RQO") => "order",
                Some("PRP") => "proposal",
                _ => "plan",
            },
        );
        if planned.attr("negationInd").is_some() {
            self.took(planned);
        }
        if planned.is_negated() {
            body.put("doNotPerform", true);
        }
        let code = planned.child("code");
        let concept = code.and_then(|code| self.concept(code));
        let text = if concept.is_none() {
            planned.child("text").and_then(|text| self.referred_text(text)).map(|text| Obj::of("text", text))
        } else {
            None
        };
        body.put("code", concept.or(text).unwrap_or_else(|| absent_concept(code)));
        body.put("subject", self.patient.clone());
        self.time_or_period(&mut body, planned.child("effectiveTime"), ("occurrenceDateTime", "occurrencePeriod"));
        let author = self.author(planned);
        body.opt("authoredOn", author.time.clone());
        if let Some(person) = author.person_of(&["Practitioner", "Patient", "RelatedPerson", "Device"]) {
            body.put("requester", person.with_display(author.display));
        }
        for actor in self.performers(planned) {
            if let Some(reference) = actor.reference() {
                body.push("performer", reference);
            }
        }
        for participant in planned
            .children_named("participant")
            .filter(|participant| attr(*participant, "typeCode").is_some_and(|code| matches!(code, "LOC" | "DST")))
        {
            if let Some((location, display)) = participant.child("participantRole").and_then(|role| self.location(role)) {
                body.push("locationReference", location.with_display(display));
            }
        }
        self.reasons(planned, &mut body, "reasonCode");
        for site in planned.children_named("targetSiteCode") {
            if let Some(site) = self.concept(site) {
                body.push("bodySite", site);
            }
        }
        self.notes(planned, &mut body);
        let mut about = Vec::new();
        for relation in planned.children_named("entryRelationship").filter(|relation| attr(*relation, "typeCode") != Some("RSON")) {
            for inner in relation.children().filter(|child| statement::is_statement(*child)) {
                about.extend(self.nested(inner));
            }
        }
        for reference in about.into_iter().filter(|reference| reference.is("Condition") || reference.is("Observation")) {
            body.push("reasonReference", reference);
        }
        for part in planned.children().filter(|part| matches!(part.name(), "priorityCode" | "methodCode" | "value")) {
            self.account.dropped_all(part, Why::NoTarget);
        }
        Ok(self.add("ServiceRequest", planned, body))
    }

    /// A section of plans as a CarePlan with the section's narrative: the requests among its entries are its activities.
    pub(in crate::ccda) fn care_plan(&mut self, section: &Section, section_body: &Obj, entries: &[Ref]) -> Option<Ref> {
        if !matches!(section.kind, SectionKind::PlanOfTreatment | SectionKind::AssessmentAndPlan) || section.null_flavor(self.doc).is_some()
        {
            return None;
        }
        const REQUESTS: [&str; 3] = ["ServiceRequest", "MedicationRequest", "CommunicationRequest"];
        let element = section.element(self.doc);
        let narrative = section_body.get("text").filter(|_| element.child("text").is_some_and(|text| self.may_repeat(text))).cloned();
        let requests: Vec<&Ref> = entries.iter().filter(|entry| REQUESTS.iter().any(|kind| entry.is(kind))).collect();
        let goals = entries.iter().filter(|entry| entry.is("Goal"));
        if narrative.is_none() && requests.is_empty() {
            return None;
        }
        let mut body = Obj::new();
        body.opt("text", narrative);
        // The section does not say how far the plan is; its entries do, each for itself.
        body.put("status", "unknown");
        body.put("intent", "plan");
        body.push(
            "category",
            coded("http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan", "Assessment and Plan of Treatment"),
        );
        body.opt("title", section_body.get("title").cloned());
        body.put("subject", self.patient.clone());
        body.opt("author", section_body.get("author").and_then(|authors| authors.items().first()).cloned());
        body.extend("goal", goals.cloned());
        body.extend("activity", requests.into_iter().map(|request| Obj::of("reference", request.clone())));
        let id = self.id_of("CarePlan", element);
        // Sections whose ids were copied are plans of their own.
        Some(if self.has("CarePlan", id) { self.add_at("CarePlan", element, body) } else { self.add_as("CarePlan", id, element, body) })
    }

    /// An instruction of its own: what the patient was or is to be told.
    pub(super) fn instruction(&mut self, instruction: Element<'d>) -> Mapped<Ref> {
        let text = instruction.child("text").and_then(|text| self.referred_text(text));
        let code = instruction.child("code").and_then(|code| self.concept(code));
        if text.is_none() && code.is_none() {
            return Err(fault("ccda-instruction-empty", "text", "the instruction has neither text nor code"));
        }
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(instruction));
        let status = self.status(instruction, "RequestStatus").unwrap_or("unknown");
        body.put("status", status);
        if let Some(code) = code {
            body.push("category", code);
        }
        body.put("subject", self.patient.clone());
        if let Some(text) = text {
            body.push("payload", Obj::of("contentString", text));
        }
        let author = self.author(instruction);
        body.opt("authoredOn", author.time.clone());
        if let Some(person) = author.person_of(&["Practitioner", "Patient", "RelatedPerson", "Device"]) {
            body.put("requester", person.with_display(author.display));
        }
        Ok(self.add("CommunicationRequest", instruction, body))
    }

    /// Who handed the patient over to whom: a Communication.
    pub(super) fn handoff(&mut self, act: Element<'d>) -> Ref {
        let mut body = Obj::new();
        self.narrative(act, &mut body);
        body.extend("identifier", self.identifiers(act));
        body.put("status", self.status(act, "HandoffStatus").unwrap_or("unknown"));
        body.put("subject", self.patient.clone());
        body.opt("topic", act.child("code").and_then(|code| self.concept(code)));
        body.opt("encounter", self.encounter_of(act));
        body.opt("sent", act.child("effectiveTime").and_then(|time| self.one_time(time)));
        for role in act.children_named("participant").filter_map(|participant| participant.child("participantRole")) {
            let actor = self.assigned(role);
            if let Some(reference) = actor.reference() {
                body.push("recipient", reference);
            }
        }
        let author = self.author(act);
        body.opt("sender", author.reference());
        self.add("Communication", act, body)
    }
}
