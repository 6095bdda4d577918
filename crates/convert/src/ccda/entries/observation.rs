//! What all observations have in common, and those that only are observations.

use sutura_ccda::{Element, SectionKind};
use sutura_core::Severity;

use super::{Context, Mapped, Ref, fault, related};
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    statement,
    types::{absent_concept, absent_reason, attr, coded, decimal},
};

impl<'d> Context<'d> {
    /// An Observation of any statement that is one: everything but what its kind adds.
    pub(super) fn observation(&mut self, element: Element<'d>, category: Option<&'static str>) -> Mapped<Obj> {
        let empty = statement::is_unstated(element) || element.child("value").is_none_or(|value| value.null_flavor().is_some());
        if element.is_negated() && !empty {
            // R4 cannot say that something observed is not so; leaving the negation out would turn it round.
            return Err(fault(
                "ccda-negated-observation",
                "@negationInd",
                "FHIR has no negated observation; it is not converted, lest its meaning is turned round",
            ));
        }
        let mut body = Obj::new();
        self.narrative(element, &mut body);
        body.extend("identifier", self.identifiers(element));
        body.put("status", self.status(element, "ObservationStatus").unwrap_or("unknown"));
        if let Some(category) = category {
            body.push("category", category_of(category));
        }
        let code = element.child("code");
        let concept = code.and_then(|code| self.concept(code)).unwrap_or_else(|| absent_concept(code));
        body.put("code", concept);
        body.put("subject", self.patient.clone());
        self.time_or_period(&mut body, element.child("effectiveTime"), ("effectiveDateTime", "effectivePeriod"));
        self.observers(element, &mut body);
        self.observed(element, &mut body);
        if element.is_negated() && !statement::is_unstated(element) {
            // Negated and without a value: it was not done.
            self.took(element);
            body.put("status", "cancelled");
            body.put(
                "dataAbsentReason",
                coded("http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-performed", "Not Performed"),
            );
        }
        body.opt("encounter", self.encounter_of(element));
        for code in element.children_named("interpretationCode") {
            if statement::is_unstated(element) {
                self.account.dropped_all(code, Why::NotStated);
            } else if let Some(concept) = self.concept(code) {
                body.push("interpretation", concept);
            }
        }
        self.notes(element, &mut body);
        let site = element.children_named("targetSiteCode").find_map(|site| self.concept(site));
        body.opt("bodySite", site);
        let method = element.children_named("methodCode").find_map(|method| self.concept(method));
        body.opt("method", method);
        self.reference_ranges(element, &mut body);
        Ok(body)
    }

    /// Who observed it: performers, else the author.
    fn observers(&mut self, element: Element<'d>, body: &mut Obj) {
        for actor in self.performers(element) {
            if let Some(reference) = actor
                .reference()
                .filter(|_| actor.person.is_none() || actor.person_of(&["Practitioner", "Patient", "RelatedPerson"]).is_some())
            {
                body.push("performer", reference);
            }
        }
        let author = self.author(element);
        if !body.has("performer")
            && let Some(person) = author.person_of(&["Practitioner", "Patient", "RelatedPerson"])
        {
            body.push("performer", person.with_display(author.display));
        }
    }

    /// The value, or why there is none.
    fn observed(&mut self, element: Element<'d>, body: &mut Obj) {
        let mut values = element.children_named("value");
        if statement::is_unstated(element) {
            // Its sender does not state what stands there.
            body.put("dataAbsentReason", absent_concept(Some(element)));
            element.children_named("value").for_each(|value| self.account.dropped_all(value, Why::NotStated));
            self.find(
                "ccda-null-statement",
                Severity::Warning,
                element,
                "the observation has a nullFlavor: its sender does not state its value; it has dataAbsentReason instead",
            );
            return;
        }
        let Some(value) = values.next() else { return };
        if !self.value(value, body) && !body.has("dataAbsentReason") {
            let reason = absent_reason(Some(value));
            let mut coding = Obj::of("system", "http://terminology.hl7.org/CodeSystem/data-absent-reason");
            coding.put("code", reason);
            let mut concept = Obj::new();
            concept.push("coding", coding);
            body.put("dataAbsentReason", concept);
        }
        // FHIR has one value, and no components of the same code (obs-7).
        for value in values {
            self.account.dropped_all(value, Why::NoTarget);
            self.find("ccda-several-values", Severity::Warning, value, "FHIR has one value for an observation; the first is kept");
        }
    }

    /// Puts the value under the name of its type; says whether there was one.
    pub(super) fn value(&mut self, value: Element<'d>, body: &mut Obj) -> bool {
        let before = body.has_any(&VALUES);
        match value.xsi_type().unwrap_or("") {
            "PQ" | "REAL" | "MO" => body.opt("valueQuantity", self.quantity(value)),
            "INT" => {
                if let Some(number) = attr(value, "value").and_then(decimal) {
                    self.took(value);
                    if number.parse::<i32>().is_ok() {
                        body.put("valueInteger", Json::Raw(number.into()));
                    } else {
                        body.put("valueQuantity", Obj::of("value", Json::Raw(number.into())));
                    }
                }
            }
            "CD" | "CE" | "CV" | "CO" | "CS" => body.opt("valueCodeableConcept", self.concept(value)),
            "ST" | "ED" => body.opt("valueString", self.referred_text(value)),
            "BL" => {
                if let Some(flag @ ("true" | "false")) = attr(value, "value") {
                    self.took(value);
                    body.put("valueBoolean", flag == "true");
                }
            }
            "TS" => body.opt("valueDateTime", self.date_time(value)),
            "IVL_PQ" => self.interval(value, body),
            "IVL_TS" => body.opt("valuePeriod", self.period(value)),
            "IVL_INT" | "IVL_REAL" => self.interval(value, body),
            kind if kind.starts_with("RTO") => body.opt("valueRatio", self.ratio(value)),
            _ => self.untyped(value, body),
        }
        // A quantity that is no number is kept as text.
        if !before
            && !body.has_any(&VALUES)
            && let Some(text) = attr(value, "value").map(crate::ccda::types::folded)
        {
            self.find("ccda-value-as-text", Severity::Info, value, "the value does not fit its type; it is kept as text");
            self.account.mapped(value);
            let unit = attr(value, "unit").filter(|unit| *unit != "1").map(|unit| format!(" {unit}")).unwrap_or_default();
            body.put("valueString", format!("{text}{unit}"));
        }
        body.has_any(&VALUES)
    }

    /// A value without `xsi:type`: what it has tells.
    fn untyped(&mut self, value: Element<'d>, body: &mut Obj) {
        if attr(value, "code").is_some() {
            body.opt("valueCodeableConcept", self.concept(value));
        } else if attr(value, "value").and_then(decimal).is_some() {
            body.opt("valueQuantity", self.quantity(value));
        } else if value.child("low").is_some() || value.child("high").is_some() {
            self.interval(value, body);
        } else {
            body.opt("valueString", self.referred_text(value));
        }
    }

    /// An interval of quantities: a range, or one end with a comparator.
    fn interval(&mut self, interval: Element<'d>, body: &mut Obj) {
        let (low, high) = (interval.child("low"), interval.child("high"));
        let said = |end: Option<Element<'d>>| end.filter(|end| attr(*end, "value").is_some());
        let (end, signs) = match (said(low), said(high)) {
            (Some(_), Some(_)) => {
                body.opt("valueRange", self.range(interval));
                return;
            }
            (Some(low), None) => (low, (">=", ">")),
            (None, Some(high)) => (high, ("<=", "<")),
            (None, None) => {
                let center = interval.child("center").or(Some(interval)).and_then(|center| self.quantity(center));
                body.opt("valueQuantity", center);
                return;
            }
        };
        if let Some(quantity) = self.quantity(end) {
            let mut with_sign = Obj::new();
            with_sign.opt("value", quantity.get("value").cloned());
            with_sign.put("comparator", if attr(end, "inclusive") == Some("false") { signs.1 } else { signs.0 });
            with_sign.fill_from(quantity, &[]);
            body.put("valueQuantity", with_sign);
        }
    }

    fn reference_ranges(&mut self, element: Element<'d>, body: &mut Obj) {
        for range in element.children_named("referenceRange").filter_map(|range| range.child("observationRange")) {
            let mut out = Obj::new();
            let value = range.child("value");
            if let Some(value) = value {
                let quantity = |this: &mut Self, name: &str| {
                    value.child(name).filter(|end| attr(*end, "value").is_some()).and_then(|end| this.quantity(end))
                };
                let (low, high) = (quantity(self, "low"), quantity(self, "high"));
                let number = |end: &Option<Obj>| end.as_ref()?.get("value")?.as_str()?.parse::<f64>().ok();
                if matches!((number(&low), number(&high)), (Some(low), Some(high)) if low > high) {
                    self.find("ccda-range-order", Severity::Warning, value, "the low end is above the high end; the range is left out");
                } else {
                    out.opt("low", low);
                    out.opt("high", high);
                }
                if out.is_empty() && attr(value, "value").is_some() {
                    out.opt("low", self.quantity(value));
                }
            }
            if let Some(code) = range.child("interpretationCode").and_then(|code| self.concept(code)) {
                out.put("type", code);
            }
            if let Some(code) = range.child("code").and_then(|code| self.concept(code)) {
                out.push("appliesTo", code);
            }
            let text = range.child("text").and_then(|text| self.referred_text(text));
            let text = text.or_else(|| {
                value.filter(|value| !matches!(value.xsi_type(), Some("IVL_PQ" | "PQ"))).and_then(|value| match value.xsi_type() {
                    Some("ST" | "ED") => self.referred_text(value),
                    _ => self.concept(value).as_ref().and_then(crate::ccda::people::shown_concept),
                })
            });
            out.opt("text", text);
            // obs-3: low, high or text.
            if out.has("low") || out.has("high") || out.has("text") {
                body.push("referenceRange", out);
            }
        }
    }

    /// Functional and mental status, assessments, and observations that nothing else is known of.
    pub(super) fn status_observation(&mut self, element: Element<'d>) -> Mapped<Ref> {
        let category = match self.section {
            SectionKind::FunctionalStatus => "functional-status",
            SectionKind::MentalStatus => "cognitive-status",
            SectionKind::SocialHistory => "social-history",
            SectionKind::Results => "laboratory",
            SectionKind::VitalSigns => "vital-signs",
            SectionKind::PhysicalExam | SectionKind::Objective | SectionKind::GeneralStatus => "exam",
            _ => "survey",
        };
        let mut body = self.observation(element, Some(category))?;
        self.components(element, &mut body)?;
        if !body.has_any(&VALUES)
            && !body.has("component")
            && !body.has("hasMember")
            && body.get("code").and_then(Json::as_object).is_some_and(is_absent)
        {
            return Err(fault("ccda-observation-empty", "code", "the observation has neither a code nor a value"));
        }
        Ok(self.add("Observation", element, body))
    }

    /// Supporting observations as components, others as members.
    pub(super) fn components(&mut self, element: Element<'d>, body: &mut Obj) -> Mapped<()> {
        for inner in related(element, "COMP").filter(|inner| inner.name() == "observation").collect::<Vec<_>>() {
            let code = inner.child("code");
            // A component of the same code would be the same observation again (obs-7).
            if code.and_then(|code| attr(code, "code")) == element.child("code").and_then(|code| attr(code, "code")) {
                for member in self.nested(inner).into_iter().filter(|member| member.is("Observation")) {
                    body.push("hasMember", member);
                }
                continue;
            }
            let mut component = Obj::new();
            component.put("code", code.and_then(|code| self.concept(code)).unwrap_or_else(|| absent_concept(code)));
            if let Some(value) = inner.child("value")
                && !self.value(value, &mut component)
            {
                component.put("dataAbsentReason", absent_concept(Some(value)));
            }
            self.left_frame(inner);
            if let Some(text) = inner.child("text") {
                self.account.dropped_all(text, Why::Repeated);
            }
            if let Some(time) = inner.child("effectiveTime") {
                self.account.dropped_all(time, Why::Repeated);
            }
            body.push("component", component);
        }
        let mut members = Vec::new();
        for code in ["REFR", "SPRT", "SUBJ", "CAUS"] {
            for inner in related(element, code)
                .filter(|inner| {
                    inner.name() == "observation"
                        && inner.child("value").is_some()
                        && sutura_ccda::EntryKind::of_statement(*inner) != Some(sutura_ccda::EntryKind::Comment)
                })
                .collect::<Vec<_>>()
            {
                members.extend(self.nested(inner));
            }
        }
        for member in members.into_iter().filter(|member| member.is("Observation")) {
            body.push("hasMember", member);
        }
        Ok(())
    }

    /// An organizer of observations: an Observation with members.
    pub(super) fn status_organizer(&mut self, organizer: Element<'d>) -> Mapped<Ref> {
        let category = if self.section == SectionKind::MentalStatus { "cognitive-status" } else { "functional-status" };
        let mut members = Vec::new();
        for component in organizer.children_named("component") {
            for inner in component.children().filter(|child| statement::is_statement(*child)) {
                members.extend(self.nested(inner));
            }
        }
        let mut body = Obj::new();
        self.narrative(organizer, &mut body);
        body.extend("identifier", self.identifiers(organizer));
        body.put("status", self.status(organizer, "ObservationStatus").unwrap_or("unknown"));
        body.push("category", category_of(category));
        let code = organizer.child("code");
        body.put("code", code.and_then(|code| self.concept(code)).unwrap_or_else(|| absent_concept(code)));
        body.put("subject", self.patient.clone());
        self.time_or_period(&mut body, organizer.child("effectiveTime"), ("effectiveDateTime", "effectivePeriod"));
        self.observers(organizer, &mut body);
        body.extend("hasMember", members.into_iter().filter(|member| member.is("Observation")));
        Ok(self.add("Observation", organizer, body))
    }
}

/// The names a value can have.
pub(super) const VALUES: [&str; 11] = [
    "valueQuantity",
    "valueCodeableConcept",
    "valueString",
    "valueBoolean",
    "valueInteger",
    "valueRange",
    "valueRatio",
    "valueSampledData",
    "valueTime",
    "valueDateTime",
    "valuePeriod",
];

/// `Observation.category`.
pub(super) fn category_of(code: &'static str) -> Obj {
    let (system, display) = match code {
        "laboratory" => (OBSERVATION, "Laboratory"),
        "vital-signs" => (OBSERVATION, "Vital Signs"),
        "social-history" => (OBSERVATION, "Social History"),
        "survey" => (OBSERVATION, "Survey"),
        "exam" => (OBSERVATION, "Exam"),
        "imaging" => (OBSERVATION, "Imaging"),
        "functional-status" => (US_CORE, "Functional Status"),
        "cognitive-status" => (US_CORE, "Cognitive Status"),
        _ => (US_CORE, ""),
    };
    coded(system, code, display)
}

const OBSERVATION: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const US_CORE: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";

fn is_absent(concept: &Obj) -> bool {
    let codings = concept.get("coding").map(Json::items).unwrap_or_default();
    codings.iter().any(|coding| {
        coding.as_object().and_then(|coding| coding.get("system")).and_then(Json::as_str)
            == Some("http://terminology.hl7.org/CodeSystem/data-absent-reason")
    })
}
