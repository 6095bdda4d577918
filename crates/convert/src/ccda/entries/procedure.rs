//! Procedures that were done.

use sutura_ccda::Element;

use super::{Context, Mapped, Ref, parts, related};
use crate::ccda::{
    account::Why,
    json::Obj,
    types::{absent_concept, attr},
};

const REACTION: &[&str] = &["2.16.840.1.113883.10.20.22.4.9"];
const DEVICE: &str = "2.16.840.1.113883.10.20.22.4.37";
/// "Failed attempted procedure": an act within a procedure that did not succeed.
const FAILED: &str = "103709008";
const MEDICATION: &[&str] = &["2.16.840.1.113883.10.20.22.4.16"];

impl<'d> Context<'d> {
    /// A procedure activity of any of its three forms.
    pub(super) fn procedure(&mut self, procedure: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(procedure, &mut body);
        body.extend("identifier", self.identifiers(procedure));
        let negated = procedure.is_negated();
        if procedure.attr("negationInd").is_some() {
            self.took(procedure);
        }
        let status = self.status(procedure, "ProcedureStatus").unwrap_or("unknown");
        let failed = related(procedure, "SUBJ")
            .find(|act| act.child("code").is_some_and(|code| attr(code, "code") == Some(FAILED)))
            .and_then(|act| act.child("code"));
        body.put(
            "status",
            match status {
                _ if negated => "not-done",
                // What was tried and failed is over, not done.
                "completed" if failed.is_some() => "stopped",
                status => status,
            },
        );
        if let Some(outcome) = failed.and_then(|code| self.concept(code)) {
            body.put("outcome", outcome);
        }
        let code = procedure.child("code");
        let concept = code.and_then(|code| self.concept(code));
        let text = if concept.is_none() {
            procedure.child("text").and_then(|text| self.referred_text(text)).map(|text| Obj::of("text", text))
        } else {
            None
        };
        body.put("code", concept.or(text).unwrap_or_else(|| absent_concept(code)));
        body.put("subject", self.patient.clone());
        self.time_or_period(&mut body, procedure.child("effectiveTime"), ("performedDateTime", "performedPeriod"));
        let author = self.author(procedure);
        if let Some(person) = author.person_of(&["Practitioner", "Patient", "RelatedPerson"]) {
            body.put("recorder", person.with_display(author.display));
        }
        for actor in self.performers(procedure) {
            let Some(reference) = actor.reference() else { continue };
            let mut performer = Obj::of("actor", reference);
            if actor.person_of(&["Practitioner"]).is_some() {
                performer.opt("onBehalfOf", actor.organization.clone());
            }
            body.push("performer", performer);
        }
        self.procedure_participants(procedure, &mut body);
        self.reasons(procedure, &mut body, "reasonCode");
        for site in procedure.children_named("targetSiteCode") {
            if let Some(site) = self.concept(site) {
                body.push("bodySite", site);
            }
        }
        // The observation form has a value: what came of it.
        if let Some(value) = procedure.child("value")
            && let Some(outcome) = self.value_concept(value)
        {
            body.put("outcome", outcome);
        }
        for relation in related(procedure, "COMP").chain(related(procedure, "SPRT")).collect::<Vec<_>>() {
            if relation.templates().any(|(root, _)| REACTION.contains(&root) || MEDICATION.contains(&root)) {
                continue;
            }
            // Complications are problems within it.
            if sutura_ccda::EntryKind::of_statement(relation) == Some(sutura_ccda::EntryKind::ProblemObservation) {
                let condition = self.problem(relation, None, Some("encounter-diagnosis"))?;
                body.push("complicationDetail", condition);
            } else {
                self.nested(relation);
            }
        }
        for reaction in parts(procedure, REACTION).collect::<Vec<_>>() {
            let concept = reaction.child("value").and_then(|value| self.value_concept(value));
            self.left_frame(reaction);
            if let Some(concept) = concept {
                body.push("complication", concept);
            }
        }
        for medication in parts(procedure, MEDICATION).collect::<Vec<_>>() {
            self.nested(medication);
        }
        for followed in related(procedure, "RSON").filter(|inner| inner.name() != "observation").collect::<Vec<_>>() {
            self.nested(followed);
        }
        self.notes(procedure, &mut body);
        for part in
            procedure.children().filter(|part| matches!(part.name(), "methodCode" | "priorityCode" | "approachSiteCode" | "languageCode"))
        {
            self.account.dropped_all(part, Why::NoTarget);
        }
        body.opt("encounter", self.encounter_of(procedure));
        self.specimen(procedure);
        self.focal_devices(procedure, &mut body);
        Ok(self.add("Procedure", procedure, body))
    }

    fn procedure_participants(&mut self, procedure: Element<'d>, body: &mut Obj) {
        for participant in procedure.children_named("participant").filter(|participant| attr(*participant, "typeCode") == Some("LOC")) {
            let Some(role) = participant.child("participantRole") else { continue };
            if let Some((location, display)) = self.location(role) {
                body.put("location", location.with_display(display));
            }
        }
    }

    /// Devices that were put in or used.
    fn focal_devices(&mut self, procedure: Element<'d>, body: &mut Obj) {
        for participant in procedure.children_named("participant").filter(|participant| attr(*participant, "typeCode") != Some("LOC")) {
            let Some(role) = participant.child("participantRole") else { continue };
            if (role.has_template(DEVICE) || role.child("playingDevice").is_some())
                && let Some(device) = self.device(role)
            {
                body.push("focalDevice", Obj::of("manipulated", device));
            }
        }
    }
}
