//! Encounters that took place or are planned.

use sutura_ccda::Element;

use super::{Context, Mapped, Ref, related};
use crate::ccda::{account::Why, json::Obj, maps, statement, types::attr};

const DIAGNOSIS: &[&str] = &["2.16.840.1.113883.10.20.22.4.80"];

impl<'d> Context<'d> {
    pub(super) fn encounter_activity(&mut self, encounter: Element<'d>, planned: bool) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(encounter, &mut body);
        body.extend("identifier", self.identifiers(encounter));
        body.put("status", self.encounter_status(encounter, planned));
        let code = encounter.child("code");
        self.encounter_class(code, &mut body);
        if let Some(code) = code
            && let Some(concept) = self.concept(code)
        {
            body.push("type", concept);
        }
        body.put("subject", self.patient.clone());
        for performer in encounter.children_named("performer") {
            let actor = self.participation(performer);
            let Some(individual) = actor.person_of(&["Practitioner", "RelatedPerson"]) else {
                if let Some(organization) = actor.organization
                    && !body.has("serviceProvider")
                {
                    body.put("serviceProvider", organization);
                }
                continue;
            };
            let mut participant = Obj::new();
            if let Some(function) =
                performer.sdtc("functionCode").or_else(|| performer.child("functionCode")).and_then(|code| self.concept(code))
            {
                participant.push("type", function);
            }
            participant.opt("period", performer.child("time").and_then(|time| self.period(time)));
            participant.put("individual", individual.with_display(actor.display));
            body.push("participant", participant);
        }
        self.authors(encounter);
        body.opt("period", encounter.child("effectiveTime").and_then(|time| self.period(time)));
        self.reasons(encounter, &mut body, "reasonCode");
        let mut diagnoses = Vec::new();
        for relation in encounter.children_named("entryRelationship") {
            for inner in relation.children().filter(|child| statement::is_statement(*child)) {
                let is_diagnosis = inner.templates().any(|(root, _)| DIAGNOSIS.contains(&root))
                    || inner.name() == "act" && related(inner, "SUBJ").any(|problem| problem.child("value").is_some());
                if is_diagnosis && !statement::is_unstated(inner) {
                    diagnoses.extend(self.nested_diagnosis(inner));
                } else if attr(relation, "typeCode") != Some("RSON") {
                    let others = self.nested(inner);
                    diagnoses.extend(others.into_iter().filter(|other| other.is("Condition")));
                }
            }
        }
        for condition in diagnoses {
            body.push("diagnosis", Obj::of("condition", condition));
        }
        if let Some(code) = encounter.sdtc("dischargeDispositionCode").and_then(|code| self.concept(code)) {
            body.put("hospitalization", Obj::of("dischargeDisposition", code));
        }
        for participant in encounter
            .children_named("participant")
            .filter(|participant| attr(*participant, "typeCode").is_none_or(|code| matches!(code, "LOC" | "ORG" | "DST")))
        {
            let Some(role) = participant.child("participantRole") else { continue };
            let Some((location, display)) = self.location(role) else { continue };
            let mut entry = Obj::of("location", location.with_display(display));
            let time = participant.child("time").and_then(|time| self.period(time));
            let status = match &time {
                Some(period) if period.has("end") => Some("completed"),
                _ => match body.get("status").and_then(|status| status.as_str()) {
                    Some("in-progress") => Some("active"),
                    Some("finished") => Some("completed"),
                    _ if planned => Some("planned"),
                    _ => None,
                },
            };
            entry.opt("status", status);
            entry.opt("period", time);
            body.push("location", entry);
        }
        if let Some(priority) = encounter.child("priorityCode") {
            body.opt("priority", self.concept(priority));
        }
        let mut notes = Obj::new();
        self.notes(encounter, &mut notes);
        if notes.has("note") {
            // R4's Encounter has no note: the text goes to its narrative, if it has none.
            let text: Vec<String> =
                notes.take_list("note").iter().filter_map(|note| note.as_object()?.get("text")?.as_str().map(str::to_owned)).collect();
            if !body.has("text") {
                let mut narrative = Obj::of("status", "generated");
                narrative.put("div", crate::ccda::narrative::generated(&text.join(" ")));
                body.put("text", narrative);
            }
        }
        Ok(self.add("Encounter", encounter, body))
    }

    fn nested_diagnosis(&mut self, act: Element<'d>) -> Vec<Ref> {
        let mut found = Vec::new();
        for problem in related(act, "SUBJ").filter(|problem| problem.name() == "observation").collect::<Vec<_>>() {
            found.extend(self.isolated(problem, |this| this.problem(problem, Some(act), Some("encounter-diagnosis"))));
        }
        self.left_frame(act);
        if let Some(text) = act.child("text") {
            self.account.dropped_all(text, Why::Repeated);
        }
        if let Some(time) = act.child("effectiveTime") {
            self.account.dropped_all(time, Why::Wrapper);
        }
        found
    }

    /// The status that was sent; without one an encounter that has taken place is finished.
    fn encounter_status(&mut self, encounter: Element<'d>, planned: bool) -> &'static str {
        let status = encounter.child("statusCode");
        let code = status.and_then(|status| attr(status, "code"));
        if let (Some(status), Some(mapped)) = (status, code.and_then(|code| maps::map("EncounterStatus", &code.to_ascii_lowercase()))) {
            self.took(status);
            return match mapped {
                "in-progress" if planned => "planned",
                mapped => mapped,
            };
        }
        if let Some(status) = status {
            self.left(status, Why::NoTarget);
        }
        if planned {
            return "planned";
        }
        match encounter.child("effectiveTime") {
            Some(time) if attr(time, "value").is_some() || time.child("high").is_some_and(|high| attr(high, "value").is_some()) => {
                "finished"
            }
            _ => "unknown",
        }
    }
}
