//! Medication: what is ordered, handed out and given.

use crate::{
    calendar::DAY,
    clinical::{ALLERGIES, DRUGS, Drug},
};

use super::{
    body::condition,
    chart::Chart,
    json::Json,
    page::{Id, Kind},
    systems::{ACT_CODE, Coding, RXNORM, coding, snomed},
    visits::{Purpose, Visit},
};

const fn more(code: &'static str, name: &'static str, dose: &'static str, unit: &'static str, daily: bool) -> Drug {
    let frequency = if daily { ("QD", "Daily") } else { ("BID", "Twice a day") };
    Drug { code, name, dose, unit, form: ("", ""), frequency }
}

/// Drugs that the pharmacy messages do not have.
const MORE: [Drug; 6] = [
    more("198051", "Omeprazole 20 MG Delayed Release Oral Capsule", "20", "mg", true),
    more("310385", "Fluoxetine 20 MG Oral Capsule", "20", "mg", true),
    more("892246", "Levothyroxine Sodium 0.1 MG Oral Tablet", "0.1", "mg", true),
    more("2123111", "NDA020503 200 ACTUAT Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "2", "{puff}", false),
    more("896209", "60 ACTUAT Fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler", "1", "{puff}", false),
    more("308460", "Azithromycin 250 MG Oral Tablet", "250", "mg", true),
];

/// Positions in the list of drugs, [`MORE`] following [`DRUGS`].
mod drug {
    pub(super) const AMLODIPINE: usize = 0;
    pub(super) const METFORMIN: usize = 1;
    pub(super) const ATORVASTATIN: usize = 2;
    pub(super) const LISINOPRIL: usize = 3;
    pub(super) const ACETAMINOPHEN: usize = 4;
    pub(super) const IBUPROFEN: usize = 5;
    pub(super) const AMOXICILLIN: usize = 6;
    pub(super) const METOPROLOL: usize = 8;
    pub(super) const OMEPRAZOLE: usize = 12;
    pub(super) const FLUOXETINE: usize = 13;
    pub(super) const LEVOTHYROXINE: usize = 14;
    pub(super) const ALBUTEROL: usize = 15;
    pub(super) const FLUTICASONE: usize = 16;
    pub(super) const AZITHROMYCIN: usize = 17;
}

fn known(position: usize) -> &'static Drug {
    if position < DRUGS.len() { &DRUGS[position] } else { &MORE[(position - DRUGS.len()) % MORE.len()] }
}

fn for_condition(condition: usize, number: u64) -> usize {
    match condition {
        condition::HYPERTENSION if number.is_multiple_of(2) => drug::AMLODIPINE,
        condition::HYPERTENSION | condition::KIDNEY => drug::LISINOPRIL,
        condition::DIABETES => drug::METFORMIN,
        condition::HEART_FAILURE => drug::METOPROLOL,
        condition::COPD => drug::FLUTICASONE,
        condition::HYPERLIPIDEMIA => drug::ATORVASTATIN,
        condition::REFLUX => drug::OMEPRAZOLE,
        condition::ASTHMA => drug::ALBUTEROL,
        condition::HYPOTHYROIDISM => drug::LEVOTHYROXINE,
        _ => drug::FLUOXETINE,
    }
}

/// What an acute illness is treated with, minding the person's allergies.
fn for_reason(chart: &Chart<'_>, reason: usize) -> Option<usize> {
    let is_allergic = |code: &str| chart.person.allergies.iter().any(|allergy| ALLERGIES[allergy].1 == code);
    match reason {
        // Penicillin.
        0 | 3 | 4 | 10 if is_allergic("70618") => Some(drug::AZITHROMYCIN),
        0 | 3 | 4 | 10 => Some(drug::AMOXICILLIN),
        // Aspirin and its kin.
        5..=8 if is_allergic("1191") => Some(drug::ACETAMINOPHEN),
        5 | 8 => Some(drug::IBUPROFEN),
        6 | 7 => Some(drug::ACETAMINOPHEN),
        _ => None,
    }
}

/// One order.
struct Order {
    drug: &'static Drug,
    days: i64,
    is_active: bool,
    reason: Option<Id>,
}

/// The prescriptions of a visit, and what follows from them.
pub(crate) fn write(chart: &mut Chart<'_>, visit: &Visit, diagnosis: Option<Id>, is_last_checkup: bool) {
    if visit.purpose == Purpose::Wellness {
        for problem in chart.problems.clone() {
            // These are drugs and doses for adults.
            if problem.onset <= visit.start.day() && chart.age(visit) >= 12 {
                let drug = known(for_condition(problem.condition, chart.person.number));
                let order = Order { drug, days: 90, is_active: is_last_checkup, reason: Some(problem.id) };
                prescribe(chart, visit, &order);
            }
        }
        return;
    }
    let Some(drug) = visit.reason.and_then(|reason| for_reason(chart, reason)) else { return };
    prescribe(chart, visit, &Order { drug: known(drug), days: 10, is_active: false, reason: diagnosis });
}

fn prescribe(chart: &mut Chart<'_>, visit: &Visit, order: &Order) {
    let id = chart.ids.next();
    let drug = order.drug;
    let is_inpatient = visit.purpose == Purpose::Admission;
    let clinician = visit.practitioner();
    let authored = visit.start.plus(if is_inpatient { 2 * 3600 } else { 900 });
    let quantity = order.days * daily(drug);
    chart.tally.order(drug.code);
    let json = chart.page.begin(Kind::MedicationRequest, id, Some("medicationrequest"));
    json.code("status", if order.is_active { "active" } else { "completed" }).code("intent", "order");
    let category = if is_inpatient { ("inpatient", "Inpatient") } else { ("outpatient", "Outpatient") };
    json.coded_list("category", coding("http://terminology.hl7.org/CodeSystem/medicationrequest-category", category.0, category.1));
    json.flag("reportedBoolean", false).concept("medicationCodeableConcept", medication(drug));
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.moment("authoredOn", authored).shared("requester", Kind::Practitioner, &clinician);
    if let Some(reason) = order.reason {
        json.list("reasonReference").own_item(Kind::Condition, &reason).end();
    }
    json.list("dosageInstruction");
    dosage(json, drug);
    json.end().open("dispenseRequest").number("numberOfRepeatsAllowed", if order.days > 30 { 3 } else { 0 });
    supply(json, "quantity", quantity, drug);
    json.open("expectedSupplyDuration").number("value", order.days).code("unit", "day");
    json.code("system", super::systems::UCUM).code("code", "d").close().close();
    chart.page.end();
    if is_inpatient {
        let nights = ((visit.end.0 - visit.start.0) / DAY).min(5);
        for day in 0..nights {
            administer(chart, visit, order, id, day);
        }
    } else if chart.rng.percent(85) {
        dispense(chart, visit, order, id, quantity);
    }
}

fn medication(drug: &Drug) -> Coding {
    coding(RXNORM, drug.code, drug.name)
}

/// How often a day, about.
fn daily(drug: &Drug) -> i64 {
    match drug.frequency.0 {
        "BID" => 2,
        "TID" => 3,
        "Q6H" => 4,
        _ => 1,
    }
}

fn is_inhaled(drug: &Drug) -> bool {
    drug.unit == "{puff}"
}

/// Tablets, capsules or puffs.
fn supply(json: &mut Json, name: &str, quantity: i64, drug: &Drug) {
    let unit = if is_inhaled(drug) {
        "{puff}"
    } else if drug.name.ends_with("Capsule") {
        "{capsule}"
    } else {
        "{tbl}"
    };
    json.quantity(name, quantity, 0, unit);
}

fn dosage(json: &mut Json, drug: &Drug) {
    let (code, name) = drug.frequency;
    json.item().number("sequence", 1).parts("text").raw(drug.dose).raw(" ").raw(if is_inhaled(drug) { "puff(s)" } else { drug.unit });
    json.raw(", ").raw(name).quote().open("timing").open("repeat");
    match code {
        "Q6H" => json.number("frequency", 1).number("period", 6).code("periodUnit", "h"),
        _ => json.number("frequency", daily(drug)).number("period", 1).code("periodUnit", "d"),
    };
    json.close().concept("code", coding("http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", code, name)).close();
    json.concept("route", route(drug)).list("doseAndRate").item();
    dose(json, "doseQuantity", drug);
    json.close().end().close();
}

fn route(drug: &Drug) -> Coding {
    if is_inhaled(drug) { snomed("447694001", "Respiratory tract route") } else { snomed("26643006", "Oral route") }
}

fn dose(json: &mut Json, name: &str, drug: &Drug) {
    json.open(name).key("value").raw(drug.dose).code("unit", drug.unit).code("system", super::systems::UCUM);
    json.code("code", drug.unit).close();
}

/// The patient fetches it some hours or days later.
fn dispense(chart: &mut Chart<'_>, visit: &Visit, order: &Order, request: Id, quantity: i64) {
    let id = chart.ids.next();
    let at = visit.end.plus(chart.rng.between(1800, 2 * DAY));
    if at.day() >= chart.frame.end {
        return;
    }
    let organization = visit.organization();
    let json = chart.page.begin(Kind::MedicationDispense, id, Some("medicationdispense"));
    json.code("status", "completed").concept("medicationCodeableConcept", medication(order.drug));
    json.own("subject", Kind::Patient, &chart.patient).own("context", Kind::Encounter, &visit.id);
    json.list("performer").item().shared("actor", Kind::Organization, &organization).close().end();
    json.list("authorizingPrescription").own_item(Kind::MedicationRequest, &request).end();
    json.coded("type", coding(ACT_CODE, "FF", "First Fill"));
    supply(json, "quantity", quantity, order.drug);
    json.open("daysSupply").number("value", order.days).code("unit", "day").code("system", super::systems::UCUM).code("code", "d").close();
    json.moment("whenHandedOver", at).list("dosageInstruction");
    dosage(json, order.drug);
    json.end();
    chart.page.end();
}

/// Once on each day in hospital.
fn administer(chart: &mut Chart<'_>, visit: &Visit, order: &Order, request: Id, day: i64) {
    let at = visit.start.plus(day * DAY + chart.rng.between(3 * 3600, 8 * 3600));
    if at >= visit.end {
        return;
    }
    let id = chart.ids.next();
    let nurse = visit.practitioner();
    let json = chart.page.begin(Kind::MedicationAdministration, id, None);
    json.code("status", "completed");
    json.coded("category", coding("http://terminology.hl7.org/CodeSystem/medication-admin-category", "inpatient", "Inpatient"));
    json.concept("medicationCodeableConcept", medication(order.drug));
    json.own("subject", Kind::Patient, &chart.patient).own("context", Kind::Encounter, &visit.id);
    json.moment("effectiveDateTime", at);
    json.list("performer").item().shared("actor", Kind::Practitioner, &nurse).close().end();
    json.own("request", Kind::MedicationRequest, &request).open("dosage").concept("route", route(order.drug));
    dose(json, "dose", order.drug);
    json.close();
    chart.page.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_lists() {
        for (position, word) in [
            (drug::AMLODIPINE, "Amlodipine"),
            (drug::METFORMIN, "Metformin"),
            (drug::ATORVASTATIN, "Atorvastatin"),
            (drug::LISINOPRIL, "Lisinopril"),
            (drug::ACETAMINOPHEN, "Acetaminophen"),
            (drug::IBUPROFEN, "Ibuprofen"),
            (drug::AMOXICILLIN, "Amoxicillin"),
            (drug::METOPROLOL, "Metoprolol"),
            (drug::OMEPRAZOLE, "Omeprazole"),
            (drug::FLUOXETINE, "Fluoxetine"),
            (drug::LEVOTHYROXINE, "Levothyroxine"),
            (drug::ALBUTEROL, "Albuterol"),
            (drug::FLUTICASONE, "Fluticasone"),
            (drug::AZITHROMYCIN, "Azithromycin"),
        ] {
            assert!(known(position).name.contains(word), "{word}");
        }
    }
}
