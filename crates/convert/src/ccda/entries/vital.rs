//! Vital signs, in the shapes of US Core: blood pressure and pulse oximetry are one Observation with components.

use sutura_ccda::Element;

use super::{Context, EntryFate, Mapped, Ref, observation::VALUES};
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    statement,
    types::{attr, coded},
};

const SYSTOLIC: &str = "8480-6";
const DIASTOLIC: &str = "8462-4";
const OXIMETRY: [&str; 2] = ["59408-5", "2708-6"];
const OXYGEN: [&str; 2] = ["3151-8", "3150-0"];

const MOST_SIGNS: usize = 1_000;

/// A sign: its LOINC code, where it stands, and what it gives.
type Sign<'d> = (&'d str, Element<'d>, Obj);

impl<'d> Context<'d> {
    /// An organizer of vital signs: the signs, and a panel that has them as members.
    pub(super) fn vital_organizer(&mut self, organizer: Element<'d>) -> Mapped<EntryFate> {
        let mut signs: Vec<Sign<'d>> = Vec::new();
        let mut members = Vec::new();
        for inner in
            organizer.children_named("component").flat_map(|component| component.children()).filter(|child| statement::is_statement(*child))
        {
            if statement::is_void(inner) {
                self.account.dropped_all(inner, Why::Void);
                continue;
            }
            if inner.name() != "observation" {
                members.extend(self.nested(inner));
                continue;
            }
            if let Some(body) = self.isolated(inner, |this| this.vital_body(inner, Some(organizer))) {
                signs.push((loinc(inner), inner, body));
            }
        }
        // Pairs are looked for among as many signs as a person has.
        let pressures = if signs.len() <= MOST_SIGNS { blood_pressures(&mut signs) } else { Vec::new() };
        for (element, body) in pressures {
            let id = self.panel_id(element);
            members.push(self.add_as("Observation", id, element, body));
        }
        oximetry(&mut signs);
        for (_, element, body) in signs {
            members.push(self.add("Observation", element, body));
        }
        if members.is_empty() {
            return Ok(EntryFate::Dropped(Why::Void));
        }
        let mut body = Obj::new();
        self.narrative(organizer, &mut body);
        body.extend("identifier", self.identifiers(organizer));
        body.put("status", self.status(organizer, "ObservationStatus").unwrap_or("unknown"));
        body.push("category", super::observation::category_of("vital-signs"));
        // The panel's code is fixed in FHIR; the organizer's own says the same.
        body.put(
            "code",
            coded("http://loinc.org", "85353-1", "Vital signs, weight, height, head circumference, oxygen saturation and BMI panel"),
        );
        if let Some(code) = organizer.child("code") {
            self.account.dropped_all(code, Why::Fixed);
        }
        body.put("subject", self.patient.clone());
        self.time_or_period(&mut body, organizer.child("effectiveTime"), ("effectiveDateTime", "effectivePeriod"));
        if !body.has("effectiveDateTime") && !body.has("effectivePeriod") {
            let first = members.iter().find_map(|member| self.body(member).and_then(|body| body.get("effectiveDateTime")).cloned());
            body.opt("effectiveDateTime", first);
        }
        for actor in self.performers(organizer) {
            if let Some(person) = actor.person_of(&["Practitioner", "Patient", "RelatedPerson"]) {
                body.push("performer", person.with_display(actor.display));
            }
        }
        let author = self.author(organizer);
        if !body.has("performer")
            && let Some(person) = author.person_of(&["Practitioner", "Patient", "RelatedPerson"])
        {
            body.push("performer", person.with_display(author.display));
        }
        body.extend("hasMember", members.iter().filter(|member| member.is("Observation")).cloned());
        let panel = self.add("Observation", organizer, body);
        members.insert(0, panel);
        Ok(EntryFate::Mapped(members))
    }

    /// A vital sign that stands alone.
    pub(super) fn vital(&mut self, sign: Element<'d>) -> Mapped<Ref> {
        let body = self.vital_body(sign, None)?;
        Ok(self.add("Observation", sign, body))
    }

    fn vital_body(&mut self, sign: Element<'d>, organizer: Option<Element<'d>>) -> Mapped<Obj> {
        let mut body = self.observation(sign, Some("vital-signs"))?;
        if !body.has("effectiveDateTime") && !body.has("effectivePeriod") {
            let time = organizer.and_then(|organizer| organizer.child("effectiveTime")).and_then(|time| self.one_time(time));
            body.opt("effectiveDateTime", time);
        }
        Ok(body)
    }

    /// A blood pressure has two identifiers; neither names the pair.
    fn panel_id(&self, systolic: Element<'d>) -> crate::ids::Id {
        let id = self.id_of("Observation", systolic);
        crate::ids::IdBuilder::new("Observation").part("blood-pressure").part(id.as_str()).finish()
    }
}

/// Systolic and diastolic pressures of one time as one Observation each.
fn blood_pressures<'d>(signs: &mut Vec<Sign<'d>>) -> Vec<(Element<'d>, Obj)> {
    let mut made = Vec::new();
    while let Some(at) = signs.iter().position(|(code, _, _)| *code == SYSTOLIC) {
        let time = |body: &Obj| ["effectiveDateTime", "effectivePeriod"].map(|key| body.get(key).cloned());
        let taken = time(&signs[at].2);
        let Some(other) = signs.iter().position(|(code, _, body)| *code == DIASTOLIC && time(body) == taken) else {
            // A pressure without its other half stays as it is.
            break;
        };
        let (first, second) = (at.max(other), at.min(other));
        let (one, two) = (signs.remove(first), signs.remove(second));
        let (systolic, diastolic) = if one.0 == SYSTOLIC { (one, two) } else { (two, one) };
        let mut body = Obj::new();
        let mut parts = Vec::new();
        let mut shared = systolic.2;
        let mut other = diastolic.2;
        // The narrative of either half says half of it.
        let texts = (shared.remove("text"), other.remove("text"));
        if let Some(text) = joined(texts.0.as_ref(), texts.1.as_ref()) {
            body.put("text", text);
        }
        for half in [&mut shared, &mut other] {
            let mut component = Obj::new();
            component.opt("code", half.remove("code"));
            for key in VALUES.iter().chain(&["dataAbsentReason", "interpretation", "referenceRange"]) {
                if let Some(value) = half.remove(key) {
                    let key: &'static str = key;
                    component.put(key, value);
                }
            }
            parts.push(component);
        }
        for identifier in other.take_list("identifier") {
            shared.push("identifier", identifier);
        }
        let mut ordered = Obj::new();
        for key in ["identifier", "status", "category"] {
            ordered.opt(key, shared.remove(key));
        }
        body.absorb(ordered);
        body.put("code", coded("http://loinc.org", "85354-9", "Blood pressure panel with all children optional"));
        body.absorb(shared);
        body.fill_from(other, &["performer", "note"]);
        body.extend("component", parts);
        made.push((systolic.1, body));
    }
    made
}

/// Flow and concentration of oxygen as components of the saturation.
fn oximetry(signs: &mut Vec<Sign<'_>>) {
    let Some(at) = signs.iter().position(|(code, _, _)| OXIMETRY.contains(code)) else { return };
    let mut parts = Vec::new();
    let mut identifiers = Vec::new();
    let mut saturation = signs.remove(at);
    signs.retain_mut(|(code, _, body)| {
        if !OXYGEN.contains(code) {
            return true;
        }
        let mut component = Obj::new();
        component.opt("code", body.remove("code"));
        for key in VALUES.iter().chain(&["dataAbsentReason", "interpretation", "referenceRange"]) {
            if let Some(value) = body.remove(key) {
                let key: &'static str = key;
                component.put(key, value);
            }
        }
        identifiers.extend(body.take_list("identifier"));
        parts.push(component);
        false
    });
    // US Core wants both codes on it.
    if let Some(Json::Object(mut code)) = saturation.2.remove("code") {
        for (loinc, display) in
            [("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"), ("2708-6", "Oxygen saturation in Arterial blood")]
        {
            let known = code
                .get("coding")
                .map(Json::items)
                .unwrap_or_default()
                .iter()
                .any(|coding| coding.as_object().and_then(|coding| coding.get("code")).and_then(Json::as_str) == Some(loinc));
            if !known {
                let mut coding = Obj::of("system", "http://loinc.org");
                coding.put("code", loinc);
                coding.put("display", display);
                code.push("coding", coding);
            }
        }
        saturation.2.put("code", code);
    }
    saturation.2.extend("identifier", identifiers);
    saturation.2.extend("component", parts);
    signs.push(saturation);
}

/// The LOINC code of a sign, among its translations too.
fn loinc(sign: Element<'_>) -> &str {
    const LOINC: &str = "2.16.840.1.113883.6.1";
    let Some(code) = sign.child("code") else { return "" };
    std::iter::once(code)
        .chain(code.children_named("translation"))
        .find(|code| attr(*code, "codeSystem").is_none_or(|system| system == LOINC) && attr(*code, "code").is_some())
        .and_then(|code| attr(code, "code"))
        .unwrap_or("")
}

/// Two narratives as one.
fn joined(one: Option<&Json>, two: Option<&Json>) -> Option<Json> {
    let div = |text: Option<&Json>| text?.as_object()?.get("div")?.as_str().map(str::to_owned);
    match (div(one), div(two)) {
        (Some(one), Some(two)) if one != two => {
            let inner = two.strip_prefix("<div xmlns=\"http://www.w3.org/1999/xhtml\">")?.to_owned();
            let mut narrative = Obj::of("status", "generated");
            narrative.put("div", format!("{} {inner}", one.strip_suffix("</div>")?));
            Some(narrative.into())
        }
        (Some(_), _) => one.cloned(),
        (None, _) => two.cloned(),
    }
}
