//! Allergies and intolerances: AllergyIntolerance.

use sutura_ccda::Element;

use super::{Context, EntryFate, Mapped, Ref, part, parts, related};
use crate::ccda::{
    account::Why,
    json::Obj,
    maps,
    types::{absent_concept, attr, coded},
};

const STATUS: &[&str] = &["2.16.840.1.113883.10.20.22.4.28", "2.16.840.1.113883.10.20.1.39"];
const REACTION: &[&str] = &["2.16.840.1.113883.10.20.22.4.9", "2.16.840.1.113883.10.20.1.54"];
const SEVERITY: &[&str] = &["2.16.840.1.113883.10.20.22.4.8", "2.16.840.1.113883.10.20.1.55"];
const CRITICALITY: &[&str] = &["2.16.840.1.113883.10.20.22.4.145"];

impl<'d> Context<'d> {
    /// A concern act with its allergies.
    pub(super) fn allergy_concern(&mut self, act: Element<'d>) -> Mapped<EntryFate> {
        let mut found = Vec::new();
        for allergy in related(act, "SUBJ").filter(|inner| inner.name() == "observation").collect::<Vec<_>>() {
            found.push(self.allergy(allergy, Some(act))?);
        }
        if found.is_empty() {
            return Ok(EntryFate::Unmapped);
        }
        self.concern_frame(act, &found);
        Ok(EntryFate::Mapped(found))
    }

    /// One allergy observation.
    pub(super) fn allergy(&mut self, allergy: Element<'d>, act: Option<Element<'d>>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(allergy, &mut body);
        let time = allergy.child("effectiveTime");
        let period = time.and_then(|time| self.period(time)).unwrap_or_default();
        if let Some(end) = period.get("end") {
            let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/allergyintolerance-abatement");
            extension.put("valueDateTime", end.clone());
            body.push("extension", extension);
        }
        let negated = allergy.is_negated();
        if allergy.attr("negationInd").is_some() {
            self.took(allergy);
        }
        let substance = self.substance(allergy);
        let value = allergy.child("value");
        let value_code = value.and_then(|value| attr(value, "code"));
        let absence = if negated { absence(allergy, value_code) } else { None };
        let unknown_risk = negated && absence.is_none() && substance.is_some();
        if unknown_risk {
            // Not allergic to one substance: R4 says it in an extension, and then has no code.
            let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/allergyintolerance-substanceExposureRisk");
            let mut inner = Obj::of("url", "substance");
            inner.opt("valueCodeableConcept", substance.clone());
            extension.push("extension", inner);
            let mut inner = Obj::of("url", "exposureRisk");
            inner.put(
                "valueCodeableConcept",
                coded(
                    "http://terminology.hl7.org/CodeSystem/allerg-intol-substance-exp-risk",
                    "no-known-reaction-risk",
                    "No Known Reaction Risk",
                ),
            );
            extension.push("extension", inner);
            body.push("extension", extension);
        }
        body.extend("identifier", self.identifiers(allergy));
        match self.allergy_status(allergy, act, period.has("end")) {
            Some(status) => {
                body.put("clinicalStatus", coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", status, ""));
            }
            None => self.no_status(&mut body, allergy, "clinicalStatus"),
        }
        if negated && absence.is_none() && !unknown_risk {
            body.put("verificationStatus", coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "refuted", ""));
        }
        if let Some(value) = value {
            let kind = value_code.and_then(|code| maps::map("AllergyIntoleranceType", code));
            let category = value_code.and_then(|code| maps::map("AllergyIntoleranceCategory", code));
            body.opt("type", kind.filter(|_| absence.is_none()));
            if let Some(category) = category {
                body.push("category", category);
            }
            if kind.is_some() || category.is_some() || absence.is_some() {
                self.took(value);
            } else {
                self.left(value, Why::NoTarget);
            }
            self.account.dropped_all(value, Why::Repeated);
        }
        if let Some(criticality) = part(allergy, CRITICALITY) {
            self.left_frame(criticality);
            if let Some(value) = criticality.child("value")
                && let Some(mapped) = attr(value, "code").and_then(|code| maps::map("AllergyIntoleranceCriticality", code))
            {
                self.account.mapped(value);
                self.account.dropped_all(value, Why::Repeated);
                body.put("criticality", mapped);
            }
        }
        match (absence, unknown_risk) {
            (Some(code), _) => body.put("code", coded("http://snomed.info/sct", code, "")),
            (None, true) => {}
            (None, false) => {
                let fallback = substance.or_else(|| value.filter(|_| value_code.is_none()).and_then(|value| self.concept(value)));
                let text =
                    |this: &mut Self| allergy.child("text").and_then(|text| this.referred_text(text)).map(|text| Obj::of("text", text));
                let code = fallback.or_else(|| text(self)).unwrap_or_else(|| {
                    let code = allergy.path(&["participant", "participantRole", "playingEntity", "code"]);
                    absent_concept(code)
                });
                body.put("code", code);
            }
        }
        body.put("patient", self.patient.clone());
        body.opt("onsetDateTime", period.get("start").cloned());
        self.recorded(allergy, &mut body, "recordedDate", "recorder");
        self.asserted(allergy, &mut body);
        let severity = self.severity(allergy);
        for reaction in parts(allergy, REACTION).collect::<Vec<_>>() {
            if let Some(reaction) = self.reaction(reaction, severity) {
                body.push("reaction", reaction);
            }
        }
        self.notes(allergy, &mut body);
        for (name, why) in [("code", Why::Fixed), ("statusCode", Why::Fixed)] {
            if let Some(child) = allergy.child(name) {
                self.account.dropped_all(child, why);
            }
        }
        Ok(self.add("AllergyIntolerance", allergy, body))
    }

    /// What the allergy is to.
    fn substance(&mut self, allergy: Element<'d>) -> Option<Obj> {
        let participants: Vec<Element<'d>> = allergy
            .children_named("participant")
            .filter(|participant| attr(*participant, "typeCode").is_none_or(|code| code == "CSM"))
            .collect();
        for participant in participants {
            let Some(role) = participant.child("participantRole") else { continue };
            let Some(entity) = role.child("playingEntity").or_else(|| role.child("playingDevice")) else { continue };
            let name = entity.child("name").and_then(|name| self.text_of(name));
            let mut concept = entity.child("code").and_then(|code| self.concept(code));
            if let Some(concept) = &mut concept
                && !concept.has("text")
                && let Some(name) = &name
            {
                concept.put("text", name.clone());
            }
            if let Some(found) = concept.or_else(|| name.map(|name| Obj::of("text", name))) {
                return Some(found);
            }
        }
        None
    }

    fn allergy_status(&mut self, allergy: Element<'d>, act: Option<Element<'d>>, over: bool) -> Option<&'static str> {
        if let Some(status) = part(allergy, STATUS) {
            self.left_frame(status);
            if let Some(value) = status.child("value")
                && let Some(mapped) = attr(value, "code").and_then(|code| maps::map("AllergyStatus", code))
            {
                self.account.mapped(value);
                self.account.dropped_all(value, Why::Repeated);
                return Some(mapped);
            }
        }
        if over {
            return Some("resolved");
        }
        let status = act.and_then(|act| act.child("statusCode"));
        let mapped =
            status.and_then(|status| attr(status, "code")).and_then(|code| maps::map("AllergyActStatus", &code.to_ascii_lowercase()));
        if let (Some(status), Some(_)) = (status, mapped) {
            self.took(status);
        }
        mapped
    }

    fn severity(&mut self, element: Element<'d>) -> Option<&'static str> {
        let severity = part(element, SEVERITY)?;
        self.left_frame(severity);
        for code in severity.children_named("interpretationCode") {
            self.account.dropped_all(code, Why::Repeated);
        }
        if let Some(text) = severity.child("text") {
            self.account.dropped_all(text, Why::Repeated);
        }
        let value = severity.child("value")?;
        let code = attr(value, "code")?;
        // Mild to moderate and moderate to severe are codes of the value set too.
        let mapped = maps::map("AllergyIntoleranceReactionSeverity", code).or(match code {
            "371923003" | "371924009" => Some("moderate"),
            "399166001" => Some("severe"),
            _ => None,
        });
        match mapped {
            Some(mapped) => {
                self.account.mapped(value);
                self.account.dropped_all(value, Why::Repeated);
                Some(mapped)
            }
            None => {
                self.account.dropped_all(value, Why::NoTarget);
                None
            }
        }
    }

    fn reaction(&mut self, reaction: Element<'d>, inherited: Option<&'static str>) -> Option<Obj> {
        self.left_frame(reaction);
        let mut body = Obj::new();
        let value = reaction.child("value").and_then(|value| self.value_concept(value));
        let text = reaction.child("text").and_then(|text| self.referred_text(text));
        let manifestation = value.or_else(|| text.clone().map(|text| Obj::of("text", text)))?;
        body.push("manifestation", manifestation);
        body.opt("description", text);
        body.opt(
            "onset",
            reaction.child("effectiveTime").and_then(|time| self.period(time)).and_then(|period| period.get("start").cloned()),
        );
        body.opt("severity", self.severity(reaction).or(inherited));
        let mut notes = Obj::new();
        self.notes(reaction, &mut notes);
        body.extend("note", notes.take_list("note"));
        Some(body)
    }
}

/// The code that says that there is no allergy of a kind, for a negated observation without one substance.
fn absence(allergy: Element<'_>, value: Option<&str>) -> Option<&'static str> {
    let code = allergy.path(&["participant", "participantRole", "playingEntity", "code"]);
    match code.and_then(|code| attr(code, "code")) {
        Some(substance) => maps::map("AllergyIntoleranceAbsentCode", substance),
        None => value.and_then(|value| maps::map("NoKnownAllergies", value)),
    }
}
