//! Care teams and goals.

use sutura_ccda::Element;

use super::{Context, Mapped, Ref};
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    statement,
    types::{absent_concept, attr},
};

const MEMBER: &str = "2.16.840.1.113883.10.20.22.4.500.1";
const TEAM_TYPE: &str = "2.16.840.1.113883.10.20.22.4.500.2";

impl<'d> Context<'d> {
    /// A care team organizer.
    pub(super) fn care_team(&mut self, organizer: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(organizer, &mut body);
        body.extend("identifier", self.identifiers(organizer));
        body.opt("status", self.status(organizer, "CareTeamStatus"));
        let inner: Vec<Element<'d>> = organizer
            .children_named("component")
            .flat_map(|component| component.children())
            .filter(|child| statement::is_statement(*child))
            .collect();
        for kind in inner.iter().filter(|inner| inner.has_template(TEAM_TYPE)) {
            self.left_frame(*kind);
            if let Some(concept) = kind.child("value").and_then(|value| self.concept(value)) {
                body.push("category", concept);
            }
        }
        let name = organizer.child("code").and_then(|code| self.original_text(code));
        if let Some(code) = organizer.child("code") {
            self.account.dropped_all(code, Why::Fixed);
        }
        body.opt("name", name);
        body.put("subject", self.patient.clone());
        body.opt("period", organizer.child("effectiveTime").and_then(|time| self.period(time)));
        for member in inner.iter().filter(|inner| inner.has_template(MEMBER)) {
            self.member(*member, &mut body);
        }
        for participant in organizer.children_named("participant") {
            // The lead is one of the members too.
            self.account.dropped_all(participant, Why::Repeated);
        }
        self.author(organizer);
        for (other, is_note) in inner.iter().map(|inner| (*inner, inner.has_template("2.16.840.1.113883.10.20.22.4.202"))) {
            if is_note {
                if let Some(text) = other.child("text").and_then(|text| self.referred_text(text)) {
                    body.push("note", Obj::of("text", text));
                }
                self.left_frame(other);
            }
        }
        Ok(self.add("CareTeam", organizer, body))
    }

    fn member(&mut self, member: Element<'d>, body: &mut Obj) {
        let period = member.child("effectiveTime").and_then(|time| self.period(time));
        for performer in member.children_named("performer") {
            let actor = self.participation(performer);
            let Some(reference) = actor.reference() else { continue };
            let mut participant = Obj::new();
            if let Some(role) =
                performer.sdtc("functionCode").or_else(|| performer.child("functionCode")).and_then(|code| self.concept(code))
            {
                participant.push("role", role);
            }
            if !participant.has("role") {
                participant.push("role", absent_concept(None));
            }
            participant.put("member", reference);
            if actor.person_of(&["Practitioner"]).is_some() {
                participant.opt("onBehalfOf", actor.organization.clone());
            }
            participant.opt("period", period.clone());
            body.push("participant", participant);
        }
        for role in member.children_named("participant").filter_map(|participant| participant.child("participantRole")) {
            // Where a member works; a team has no place in R4.
            if attr(role, "classCode") == Some("SDLOC") {
                self.location(role);
            }
        }
        self.left_frame(member);
        for part in member.children_named("entryRelationship") {
            self.account.dropped_all(part, Why::NoTarget);
        }
    }

    /// A goal observation, or a planned observation in mood GOL.
    pub(super) fn goal(&mut self, goal: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(goal, &mut body);
        body.extend("identifier", self.identifiers(goal));
        self.put_status(&mut body, goal, "GoalStatus", ("lifecycleStatus", "_lifecycleStatus"));
        let code = goal.child("code");
        let value = goal.child("value");
        let concept = code.and_then(|code| self.concept(code));
        let mut described =
            value.filter(|value| matches!(value.xsi_type(), Some("ST" | "ED" | "CD" | "CE"))).and_then(|value| self.value_concept(value));
        let text = goal.child("text").and_then(|text| self.referred_text(text));
        if described.is_none() {
            described = text.map(|text| Obj::of("text", text));
        }
        let target = value.filter(|value| !matches!(value.xsi_type(), Some("ST" | "ED" | "CD" | "CE")));
        let description = match (concept.clone(), described) {
            (Some(mut concept), Some(described)) => {
                if !concept.has("text") {
                    concept.opt("text", crate::ccda::people::shown_concept(&described));
                }
                concept
            }
            (Some(concept), None) => concept,
            (None, Some(described)) => described,
            (None, None) => absent_concept(code),
        };
        body.put("description", description);
        body.put("subject", self.patient.clone());
        let period = goal.child("effectiveTime").and_then(|time| self.period(time)).unwrap_or_default();
        body.opt("startDate", period.get("start").and_then(Json::as_str).map(|start| start.chars().take(10).collect::<String>()));
        let mut due = Obj::new();
        if let Some(target) = target
            && let Some(concept) = concept
        {
            let mut detail = Obj::new();
            self.value(target, &mut detail);
            let found = [
                ("valueQuantity", "detailQuantity"),
                ("valueRange", "detailRange"),
                ("valueInteger", "detailInteger"),
                ("valueBoolean", "detailBoolean"),
                ("valueRatio", "detailRatio"),
                ("valueString", "detailString"),
            ]
            .iter()
            .find_map(|(from, to)| detail.get(from).cloned().map(|value| (*to, value)));
            if let Some((key, value)) = found {
                // gol-1: a detail needs a measure.
                due.put("measure", concept);
                due.put(key, value);
            }
        }
        due.opt("dueDate", period.get("end").and_then(Json::as_str).map(|end| end.chars().take(10).collect::<String>()));
        body.push("target", due);
        let author = self.author(goal);
        body.opt("statusDate", author.time.as_deref().map(|time| time.chars().take(10).collect::<String>()));
        if let Some(person) = author.person_of(&["Practitioner", "Patient", "RelatedPerson"]) {
            body.put("expressedBy", person.with_display(author.display));
        }
        self.notes(goal, &mut body);
        for performer in goal.children_named("performer") {
            self.account.dropped_all(performer, Why::NoTarget);
        }
        // What is planned for it, what it is for and how far it is.
        let mut about = Vec::new();
        for relation in goal.children_named("entryRelationship") {
            for inner in relation.children().filter(|child| statement::is_statement(*child)) {
                about.extend(self.nested(inner));
            }
        }
        for reference in
            about.into_iter().filter(|reference| ["Condition", "Observation", "ServiceRequest"].iter().any(|kind| reference.is(kind)))
        {
            body.push("addresses", reference);
        }
        Ok(self.add("Goal", goal, body))
    }
}
