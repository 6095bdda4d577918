//! Social history: Observations, and what is said of the person as such, which US Core has on the Patient.

use sutura_ccda::Element;

use super::{Context, EntryFate, Mapped, Ref, related};
use crate::ccda::{
    account::Why,
    json::Obj,
    patient::us_core,
    statement::Kind,
    types::{attr, coded, folded},
};

impl<'d> Context<'d> {
    /// Smoking status, tobacco use, occupation and any other observation of social history.
    pub(super) fn social(&mut self, element: Element<'d>) -> Mapped<Ref> {
        let mut body = self.observation(element, Some("social-history"))?;
        self.components(element, &mut body)?;
        if body.has("effectiveDateTime") || body.has("effectivePeriod") {
            return Ok(self.add("Observation", element, body));
        }
        // The time it was written down is all there is.
        let time = element.children_named("author").find_map(|author| author.child("time")).and_then(|time| self.one_time(time));
        match time {
            Some(time) => body.put("effectiveDateTime", time),
            None => body.put("_effectiveDateTime", crate::ccda::types::absent("unknown")),
        }
        Ok(self.add("Observation", element, body))
    }

    /// Pregnancy: the status, with estimated delivery and gestation as components.
    pub(super) fn pregnancy(&mut self, element: Element<'d>) -> Mapped<Ref> {
        let assertion = element.child("code").is_none_or(|code| attr(code, "code") == Some("ASSERTION"));
        let mut body = self.observation(element, Some("social-history"))?;
        if assertion {
            body.put("code", coded("http://loinc.org", "82810-3", "Pregnancy status"));
        }
        for inner in related(element, "REFR").filter(|inner| inner.name() == "observation").collect::<Vec<_>>() {
            let mut component = Obj::new();
            component.opt("code", inner.child("code").and_then(|code| self.concept(code)));
            if let Some(value) = inner.child("value") {
                self.value(value, &mut component);
            }
            self.left_frame(inner);
            if let Some(time) = inner.child("effectiveTime") {
                self.account.dropped_all(time, Why::NoTarget);
            }
            if component.has("code") {
                body.push("component", component);
            }
        }
        self.components(element, &mut Obj::new())?;
        Ok(self.add("Observation", element, body))
    }

    /// Sex, birth sex, gender identity and tribe: extensions of the Patient.
    pub(super) fn about_patient(&mut self, element: Element<'d>, kind: Kind) -> Mapped<EntryFate> {
        let Some(value) = element.child("value") else { return Ok(EntryFate::Dropped(Why::Void)) };
        let code = attr(value, "code").or_else(|| value.null_flavor()).map(folded);
        let extension = match kind {
            Kind::BirthSex => {
                let code = match code.as_deref() {
                    Some("F" | "248152002") => "F",
                    Some("M" | "248153007") => "M",
                    Some("ASKU") => "ASKU",
                    Some("OTH" | "UN") => "OTH",
                    Some(_) => "UNK",
                    None => return Ok(EntryFate::Dropped(Why::Void)),
                };
                self.took(value);
                let mut extension = us_core("us-core-birthsex");
                extension.put("valueCode", code);
                extension
            }
            Kind::Sex => {
                let Some(code) = code else { return Ok(EntryFate::Dropped(Why::Void)) };
                self.took(value);
                let mut extension = us_core("us-core-sex");
                extension.put("valueCode", code);
                extension
            }
            Kind::GenderIdentity => {
                let concept = self.concept(value).or_else(|| {
                    let flavor = value.null_flavor()?;
                    let mut coding = Obj::of("system", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor");
                    coding.put("code", flavor.to_owned());
                    let mut concept = Obj::new();
                    concept.push("coding", coding);
                    Some(concept)
                });
                let Some(concept) = concept else { return Ok(EntryFate::Dropped(Why::Void)) };
                let mut extension = us_core("us-core-genderIdentity");
                extension.put("valueCodeableConcept", concept);
                extension
            }
            _ => {
                let Some(concept) = self.concept(value) else { return Ok(EntryFate::Dropped(Why::Void)) };
                let mut inner = Obj::of("url", "tribalAffiliation");
                inner.put("valueCodeableConcept", concept);
                let mut extension = us_core("us-core-tribal-affiliation");
                extension.push("extension", inner);
                extension
            }
        };
        self.extend_patient(extension, element);
        self.account.dropped_all(value, Why::Repeated);
        self.left_frame(element);
        for part in element.children().filter(|part| matches!(part.name(), "effectiveTime" | "author" | "text")) {
            self.account.dropped_all(part, Why::NoTarget);
        }
        Ok(EntryFate::Mapped(vec![self.patient.clone()]))
    }
}
