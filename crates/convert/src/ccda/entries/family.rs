//! Family history: one FamilyMemberHistory for each relative.

use sutura_ccda::Element;

use super::{Context, Mapped, Ref, part};
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    maps, statement,
    types::{absent_concept, attr, coded},
};

const AGE: &[&str] = &["2.16.840.1.113883.10.20.22.4.31", "2.16.840.1.113883.10.20.1.38"];
const DEATH: &[&str] = &["2.16.840.1.113883.10.20.22.4.47", "2.16.840.1.113883.10.20.1.42"];

impl<'d> Context<'d> {
    /// An organizer of what one relative had.
    pub(super) fn family(&mut self, organizer: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(organizer, &mut body);
        body.extend("identifier", self.identifiers(organizer));
        self.put_status(&mut body, organizer, "FamilyHistoryStatus", ("status", "_status"));
        body.put("patient", self.patient.clone());
        body.opt("date", organizer.child("effectiveTime").and_then(|time| self.one_time(time)));
        let relative = organizer.path(&["subject", "relatedSubject"]);
        let mut died = None;
        self.relative(relative, &mut body, &mut died);
        let mut dead = Obj::new();
        for observation in organizer.children_named("component").filter_map(|component| component.child("observation")) {
            if let Some(condition) = self.condition_of(observation, &mut dead) {
                body.push("condition", condition);
            }
        }
        match died {
            Some((key, value)) => body.put(key, value),
            None => body.absorb(dead),
        }
        Ok(self.add("FamilyMemberHistory", organizer, body))
    }

    /// An observation of family history that has no organizer: nobody knows whose.
    pub(super) fn family_observation(&mut self, observation: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(observation, &mut body);
        body.extend("identifier", self.identifiers(observation));
        self.put_status(&mut body, observation, "FamilyHistoryStatus", ("status", "_status"));
        body.put("patient", self.patient.clone());
        let relative = observation.path(&["subject", "relatedSubject"]);
        let mut died = None;
        self.relative(relative, &mut body, &mut died);
        let mut dead = Obj::new();
        if let Some(condition) = self.condition_of(observation, &mut dead) {
            body.push("condition", condition);
        }
        match died {
            Some((key, value)) => body.put(key, value),
            None => body.absorb(dead),
        }
        Ok(self.add("FamilyMemberHistory", observation, body))
    }

    fn relative(&mut self, relative: Option<Element<'d>>, body: &mut Obj, died: &mut Option<(&'static str, Json)>) {
        let person = relative.and_then(|relative| relative.child("subject"));
        if let Some(person) = person {
            let names = self.names(person, true);
            body.opt("name", names.first().and_then(Json::as_object).and_then(crate::ccda::people::shown_name));
        }
        let code = relative.and_then(|relative| relative.child("code"));
        let relationship = code
            .and_then(|code| self.concept(code))
            .unwrap_or_else(|| coded("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "FAMMEMB", "family member"));
        body.put("relationship", relationship);
        let Some(person) = person else { return };
        if let Some(gender) = person.child("administrativeGenderCode") {
            let mapped = attr(gender, "code").and_then(|code| maps::map("AdministrativeGender", code));
            if let Some(mapped) = mapped {
                self.took(gender);
                let mut coding = Obj::of("system", "http://hl7.org/fhir/administrative-gender");
                coding.put("code", mapped);
                let mut concept = Obj::new();
                concept.push("coding", coding);
                body.put("sex", concept);
            }
        }
        if let Some(birth) = person.child("birthTime") {
            body.opt("bornDate", self.date(birth));
        }
        if let Some(time) = person.sdtc("deceasedTime").and_then(|time| self.date(time)) {
            *died = Some(("deceasedDate", time.into()));
            if let Some(flag) = person.sdtc("deceasedInd") {
                self.took(flag);
            }
        } else if let Some(flag) = person.sdtc("deceasedInd")
            && let Some(value @ ("true" | "false")) = attr(flag, "value")
        {
            self.took(flag);
            *died = Some(("deceasedBoolean", (value == "true").into()));
        }
    }

    /// A disease of the relative; whether they died of it, and at what age, goes to `dead`.
    fn condition_of(&mut self, observation: Element<'d>, dead: &mut Obj) -> Option<Obj> {
        if statement::is_unstated(observation) {
            self.account.dropped_all(observation, Why::NotStated);
            return None;
        }
        if observation.is_negated() {
            // The relative did not have it: R4 has no element for that.
            self.account.dropped_all(observation, Why::NoTarget);
            return None;
        }
        let mut condition = Obj::new();
        let value = observation.child("value");
        condition.put("code", value.and_then(|value| self.value_concept(value)).unwrap_or_else(|| absent_concept(value)));
        let mut age_at_death = false;
        if let Some(death) = part(observation, DEATH) {
            condition.put("contributedToDeath", true);
            age_at_death = true;
            dead.put("deceasedBoolean", true);
            self.left_frame(death);
            if let Some(value) = death.child("value") {
                self.account.mapped(value);
            }
        }
        if let Some(age) = part(observation, AGE) {
            self.left_frame(age);
            let quantity = age.child("value").and_then(|value| self.quantity(value)).and_then(super::problem::age_of);
            if let Some(quantity) = quantity {
                if age_at_death {
                    *dead = Obj::of("deceasedAge", quantity.clone());
                }
                condition.put("onsetAge", quantity);
            }
        } else if let Some(time) = observation.child("effectiveTime") {
            // A date of onset is text: R4 has ages, ranges and periods.
            if let Some(period) = self.period(time) {
                condition.put("onsetPeriod", period);
            }
        }
        let mut notes = Obj::new();
        self.notes(observation, &mut notes);
        condition.extend("note", notes.take_list("note"));
        for child in observation.children() {
            match child.name() {
                "id" | "statusCode" => self.account.dropped(child, Why::Wrapper),
                "code" => self.account.dropped_all(child, Why::Fixed),
                "text" => self.account.dropped_all(child, Why::Repeated),
                "effectiveTime" => self.account.dropped_all(child, Why::NoTarget),
                _ => {}
            }
        }
        Some(condition)
    }
}
