//! Medications: MedicationRequest with its Medication, MedicationDispense, and MedicationAdministration for what was given.

use sutura_ccda::{Element, SectionKind};

use super::{Context, EntryFate, Mapped, Ref, part, parts, related};
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    types::{absent_concept, attr},
};

const SIG: &[&str] = &["2.16.840.1.113883.10.20.22.4.147"];
const INSTRUCTION: &[&str] = &[
    "2.16.840.1.113883.10.20.22.4.20",
    "2.16.840.1.113883.10.20.1.49",
    "1.3.6.1.4.1.19376.1.5.3.1.4.3",
    "1.3.6.1.4.1.19376.1.5.3.1.4.3.1",
];
const ORDER: &[&str] = &["2.16.840.1.113883.10.20.22.4.17", "1.3.6.1.4.1.19376.1.5.3.1.4.7.3", "2.16.840.1.113883.10.20.1.34"];
const DISPENSE: &[&str] = &["2.16.840.1.113883.10.20.22.4.18"];

impl<'d> Context<'d> {
    /// A medication activity, planned or not, or a planned immunization.
    pub(super) fn medication(&mut self, activity: Element<'d>, planned: bool) -> Mapped<EntryFate> {
        if self.section == SectionKind::MedicationsAdministered && attr(activity, "moodCode") != Some("INT") {
            return Ok(EntryFate::Mapped(vec![self.administration(activity)?]));
        }
        let mut body = Obj::new();
        self.narrative(activity, &mut body);
        body.extend("identifier", self.identifiers(activity));
        let status = if planned { "RequestStatus" } else { "MedicationStatus" };
        let status = self.status(activity, status).map(|status| if status == "revoked" { "cancelled" } else { status });
        body.put("status", status.unwrap_or("unknown"));
        let order = !planned && attr(activity, "moodCode") == Some("INT");
        body.put("intent", if order { "order" } else { "plan" });
        let negated = activity.is_negated();
        if activity.attr("negationInd").is_some() {
            self.took(activity);
        }
        let (medication, concept) = self.product(activity);
        if negated {
            body.put("doNotPerform", true);
        }
        put_medication(&mut body, medication.as_ref(), concept, activity);
        body.put("subject", self.patient.clone());
        let encounter = self.encounter_of(activity);
        body.opt("encounter", encounter.or_else(|| self.encounter.clone().filter(|_| order)));
        self.recorded(activity, &mut body, "authoredOn", "requester");
        let performer = self.performers(activity);
        body.opt("performer", performer.iter().find_map(super::super::people::Actor::reference));
        self.reasons(activity, &mut body, "reasonCode");
        self.notes(activity, &mut body);
        self.dosage(activity, &mut body, order);
        let mut dispenses = Vec::new();
        for order in parts(activity, ORDER).collect::<Vec<_>>() {
            self.dispense_request(order, &mut body);
        }
        for informant in activity.children_named("informant") {
            let actor = self.participation(informant);
            if let Some(reference) = actor.person_of(&["Practitioner", "RelatedPerson", "Patient"]).or(actor.organization)
                && !body.has("reportedReference")
            {
                body.put("reportedReference", reference);
            }
        }
        for part in activity.children().filter(|part| matches!(part.name(), "code" | "participant" | "administrationUnitCode")) {
            self.account.dropped_all(part, Why::NoTarget);
        }
        let request = self.add("MedicationRequest", activity, body);
        for dispense in parts(activity, DISPENSE).collect::<Vec<_>>() {
            dispenses.push(self.dispense(dispense, Some(&request), Some(activity))?);
        }
        for reaction in related(activity, "CAUS").collect::<Vec<_>>() {
            self.nested(reaction);
        }
        let mut found = vec![request];
        found.extend(dispenses);
        Ok(EntryFate::Mapped(found))
    }

    /// What is taken: a Medication of its own where more than its code is said, and the code.
    fn product(&mut self, activity: Element<'d>) -> (Option<Ref>, Option<Obj>) {
        let Some(product) =
            activity.path(&["consumable", "manufacturedProduct"]).or_else(|| activity.path(&["product", "manufacturedProduct"]))
        else {
            return (None, None);
        };
        let material = product.child("manufacturedMaterial").or_else(|| product.child("manufacturedLabeledDrug"));
        let concept = material.and_then(|material| {
            let name = material.child("name").and_then(|name| self.text_of(name));
            let concept = material.child("code").and_then(|code| self.concept(code));
            match (concept, name) {
                (Some(mut concept), Some(name)) => {
                    if !concept.has("text") {
                        concept.put("text", name);
                    }
                    Some(concept)
                }
                (None, Some(name)) => Some(Obj::of("text", name)),
                (concept, None) => concept,
            }
        });
        let maker = product.child("manufacturerOrganization").and_then(|maker| self.organization(maker));
        let lot = material.and_then(|material| material.child("lotNumberText")).and_then(|lot| self.text_of(lot));
        if maker.is_none() && lot.is_none() {
            if let Some(id) = product.child("id") {
                self.left(id, Why::NoTarget);
            }
            return (None, concept);
        }
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(product));
        body.put("code", concept.clone().unwrap_or_else(|| absent_concept(None)));
        body.opt("manufacturer", maker);
        body.opt("batch", lot.map(|lot| Obj::of("lotNumber", lot)));
        (Some(self.add("Medication", product, body)), concept)
    }

    /// How it is taken.
    fn dosage(&mut self, activity: Element<'d>, body: &mut Obj, order: bool) {
        let mut dosage = Obj::new();
        let sig = part(activity, SIG).and_then(|sig| {
            self.left_frame(sig);
            let text = sig.child("text").and_then(|text| self.referred_text(text));
            for product in sig.children().filter(|child| child.name() == "consumable") {
                self.account.dropped_all(product, Why::Repeated);
            }
            text
        });
        // Text that stands in the statement itself is the sig; a reference is to a row of the narrative.
        let own = activity.child("text").filter(|text| text.child("reference").is_none()).and_then(|text| self.referred_text(text));
        dosage.opt("text", sig.or(own));
        for instruction in parts(activity, INSTRUCTION).collect::<Vec<_>>() {
            let text = instruction.child("text").and_then(|text| self.referred_text(text));
            let code = instruction.child("code").and_then(|code| self.concept(code));
            self.left_frame(instruction);
            if let Some(text) = text {
                match dosage.get("patientInstruction").and_then(Json::as_str) {
                    Some(known) => {
                        let joined = format!("{known} {text}");
                        dosage.put("patientInstruction", joined);
                    }
                    None => dosage.put("patientInstruction", text),
                }
            }
            if let Some(code) = code.filter(|code| code.has("coding")) {
                dosage.push("additionalInstruction", code);
            }
        }
        let times = self.times(activity);
        let repeats = activity.child("repeatNumber").and_then(|number| {
            let count = attr(number, "value").and_then(|value| value.parse::<u32>().ok())?;
            if order {
                self.took(number);
            } else {
                self.left(number, Why::NoTarget);
            }
            order.then_some(count)
        });
        dosage.put("timing", times.timing(repeats));
        self.as_needed(activity, &mut dosage);
        dosage.opt("site", self.concept_of(activity, "approachSiteCode"));
        dosage.opt("route", self.concept_of(activity, "routeCode"));
        let mut rate = Obj::new();
        if let Some(dose) = activity.child("doseQuantity") {
            let unit = activity.child("administrationUnitCode");
            self.dose(dose, unit, &mut rate, ("doseQuantity", "doseRange"));
        }
        if let Some(quantity) = activity.child("rateQuantity") {
            self.dose(quantity, None, &mut rate, ("rateQuantity", "rateRange"));
        }
        dosage.push("doseAndRate", rate);
        if let Some(most) = activity.child("maxDoseQuantity") {
            match self.ratio(most) {
                Some(ratio) => dosage.put("maxDosePerPeriod", ratio),
                None => dosage.opt("maxDosePerAdministration", self.quantity(most)),
            }
        }
        body.push("dosageInstruction", dosage);
    }

    /// A dose as a quantity or as a range; a dose without a unit takes the unit of administration.
    fn dose(&mut self, dose: Element<'d>, unit: Option<Element<'d>>, rate: &mut Obj, keys: (&'static str, &'static str)) {
        if let Some(mut quantity) = self.quantity(dose) {
            if !quantity.has("unit")
                && let Some(unit) = unit
                && let Some(coding) = self.coding(unit)
            {
                quantity.opt("unit", coding.get("display").or_else(|| coding.get("code")).cloned());
                if coding.has("system") {
                    quantity.opt("system", coding.get("system").cloned());
                    quantity.opt("code", coding.get("code").cloned());
                }
            }
            rate.put(keys.0, quantity);
        } else if let Some(range) = self.range(dose) {
            // One end alone is the dose.
            rate.put(keys.1, range);
        }
    }

    /// `precondition`: as needed, and for what.
    fn as_needed(&mut self, activity: Element<'d>, dosage: &mut Obj) {
        for criterion in activity.children_named("precondition").filter_map(|condition| condition.child("criterion")) {
            let value = criterion.child("value").and_then(|value| self.value_concept(value));
            let text = criterion.child("text").and_then(|text| self.referred_text(text));
            let code = criterion.child("code");
            let code_concept = code.filter(|code| attr(*code, "code") != Some("ASSERTION")).and_then(|code| self.concept(code));
            if let Some(code) = code {
                self.account.dropped_all(code, Why::Fixed);
            }
            match value.or_else(|| text.map(|text| Obj::of("text", text))).or(code_concept) {
                Some(reason) => {
                    dosage.remove("asNeededBoolean");
                    dosage.put("asNeededCodeableConcept", reason);
                }
                None if !dosage.has("asNeededCodeableConcept") => dosage.put("asNeededBoolean", true),
                None => {}
            }
        }
    }

    /// A supply order within a medication: how much may be dispensed, how often.
    fn dispense_request(&mut self, order: Element<'d>, body: &mut Obj) {
        let mut request = Obj::new();
        let period = order.child("effectiveTime").and_then(|time| self.period(time));
        request.opt("validityPeriod", period);
        if let Some(number) = order.child("repeatNumber")
            && let Some(count) = attr(number, "value").and_then(|value| value.parse::<u32>().ok())
        {
            self.took(number);
            request.put("numberOfRepeatsAllowed", Json::Raw(count.to_string().into()));
        }
        request.opt("quantity", order.child("quantity").and_then(|quantity| self.quantity(quantity)));
        let performers = self.performers(order);
        request.opt("performer", performers.iter().find_map(|actor| actor.organization.clone()));
        // Who ordered it, where the activity does not say who did.
        let author = self.author(order);
        if !body.has("requester")
            && let Some(person) = author.person_of(&["Practitioner", "Patient", "RelatedPerson"])
        {
            body.put("requester", person.with_display(author.display.clone()));
        }
        if !body.has("authoredOn") {
            body.opt("authoredOn", author.time);
        }
        for instruction in parts(order, INSTRUCTION).collect::<Vec<_>>() {
            self.left_frame(instruction);
            if let Some(text) = instruction.child("text").and_then(|text| self.referred_text(text)) {
                body.push("note", Obj::of("text", text));
            }
        }
        self.notes(order, body);
        self.left_frame(order);
        for product in order.children().filter(|child| child.name() == "product") {
            self.account.dropped_all(product, Why::Repeated);
        }
        if !request.is_empty() {
            body.put("dispenseRequest", request);
        }
    }

    /// A dispense, within a medication or alone.
    pub(super) fn dispense(&mut self, dispense: Element<'d>, request: Option<&Ref>, activity: Option<Element<'d>>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(dispense, &mut body);
        body.extend("identifier", self.identifiers(dispense));
        body.put("status", self.status(dispense, "DispenseStatus").unwrap_or("unknown"));
        let (mut medication, mut concept) = self.product(dispense);
        if medication.is_none()
            && concept.is_none()
            && let Some(activity) = activity
            && let Some(product) = activity.child("consumable")
            && self.may_repeat(product)
        {
            (medication, concept) = self.product(activity);
        }
        put_medication(&mut body, medication.as_ref(), concept, dispense);
        body.put("subject", self.patient.clone());
        for actor in self.performers(dispense) {
            if let Some(reference) = actor.reference() {
                body.push("performer", Obj::of("actor", reference));
            }
        }
        if let Some(request) = request {
            body.push("authorizingPrescription", request.clone());
        }
        body.opt("quantity", dispense.child("quantity").and_then(|quantity| self.quantity(quantity)));
        body.opt("whenHandedOver", dispense.child("effectiveTime").and_then(|time| self.one_time(time)));
        self.notes(dispense, &mut body);
        if let Some(number) = dispense.child("repeatNumber") {
            self.left(number, Why::NoTarget);
        }
        Ok(self.add("MedicationDispense", dispense, body))
    }

    /// A medication that was given during the stay.
    fn administration(&mut self, activity: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(activity, &mut body);
        body.extend("identifier", self.identifiers(activity));
        let negated = activity.is_negated();
        if activity.attr("negationInd").is_some() {
            self.took(activity);
        }
        let status = self.status(activity, "AdministrationStatus").unwrap_or("unknown");
        body.put("status", if negated { "not-done" } else { status });
        let (medication, concept) = self.product(activity);
        put_medication(&mut body, medication.as_ref(), concept, activity);
        body.put("subject", self.patient.clone());
        body.opt("context", self.encounter.clone());
        let times = self.times(activity);
        match (&times.bounds, times.start()) {
            (Some(bounds), _) if bounds.has("end") => body.put("effectivePeriod", bounds.clone()),
            (_, Some(start)) => body.put("effectiveDateTime", start),
            _ => body.put("_effectiveDateTime", crate::ccda::types::absent("unknown")),
        }
        for actor in self.performers(activity) {
            if let Some(reference) = actor.person_of(&["Practitioner", "RelatedPerson", "Device"]) {
                body.push("performer", Obj::of("actor", reference));
            }
        }
        self.reasons(activity, &mut body, "reasonCode");
        self.notes(activity, &mut body);
        let mut dosage = Obj::new();
        if let Some(text) = part(activity, SIG).and_then(|sig| sig.child("text")).and_then(|text| self.referred_text(text)) {
            dosage.put("text", text);
        }
        dosage.opt("site", self.concept_of(activity, "approachSiteCode"));
        dosage.opt("route", self.concept_of(activity, "routeCode"));
        if let Some(dose) = activity.child("doseQuantity") {
            dosage.opt("dose", self.quantity(dose));
        }
        if let Some(rate) = activity.child("rateQuantity") {
            dosage.opt("rateQuantity", self.quantity(rate));
        }
        // mad-1: a dosage has a dose or a rate.
        if dosage.has("dose") || dosage.has("rateQuantity") {
            body.put("dosage", dosage);
        }
        Ok(self.add("MedicationAdministration", activity, body))
    }
}

fn put_medication(body: &mut Obj, medication: Option<&Ref>, concept: Option<Obj>, activity: Element<'_>) {
    match (medication, concept) {
        (Some(medication), concept) => {
            body.put("medicationReference", medication.with_display(concept.as_ref().and_then(crate::ccda::people::shown_concept)));
        }
        (None, Some(concept)) => body.put("medicationCodeableConcept", concept),
        (None, None) => {
            let code = activity.path(&["consumable", "manufacturedProduct", "manufacturedMaterial", "code"]);
            body.put("medicationCodeableConcept", absent_concept(code));
        }
    }
}
