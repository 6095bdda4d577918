//! Conditions and allergies.

use crate::{
    calendar::DAY,
    clinical::{ALLERGIES, CONDITIONS, REASONS},
    people::Person,
    rng::Rng,
};

use super::{
    chart::{Chart, Frame, Problem},
    page::{Id, Ids, Kind, shared_id},
    shared,
    systems::{Coding, RXNORM, coding, icd10, snomed},
    visits::{Purpose, Visit},
};

const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
pub(crate) const ACTIVE: Coding = coding(CLINICAL, "active", "Active");
pub(crate) const RESOLVED: Coding = coding(CLINICAL, "resolved", "Resolved");
pub(crate) const CONFIRMED: Coding = coding("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", "Confirmed");
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const PROBLEM: Coding = coding(CATEGORY, "problem-list-item", "Problem List Item");
const DIAGNOSIS: Coding = coding(CATEGORY, "encounter-diagnosis", "Encounter Diagnosis");
/// A value set of US Core has it in a code system of its own.
pub(crate) const HEALTH_CONCERN: Coding =
    coding("http://hl7.org/fhir/us/core/CodeSystem/condition-category", "health-concern", "Health Concern");

/// The person's chronic conditions, all of which began before the first day of the feed.
pub(crate) fn draw(person: &Person, frame: &Frame, rng: &mut Rng, ids: &mut Ids) -> Vec<Problem> {
    let draw = |condition| {
        let onset = frame.first_day - rng.between(1, 12 * 365) as i32;
        let onset = if onset < person.birth_day() { i32::midpoint(person.birth_day(), frame.first_day) } else { onset };
        Problem { condition, id: ids.next(), onset }
    };
    person.conditions.iter().map(draw).collect()
}

/// The problem list and the allergies.
pub(crate) fn write(chart: &mut Chart<'_>) {
    for problem in chart.problems.clone() {
        let (code, name) = CONDITIONS[problem.condition];
        chart.tally.condition(code);
        let json = chart.page.begin(Kind::Condition, problem.id, Some("condition-problems-health-concerns"));
        json.coded("clinicalStatus", ACTIVE).coded("verificationStatus", CONFIRMED).coded_list("category", PROBLEM);
        json.concept("code", icd10(code, name)).own("subject", Kind::Patient, &chart.patient);
        json.date("onsetDateTime", problem.onset).date("recordedDate", problem.onset);
        chart.page.end();
    }
    let allergies = chart.person.allergies;
    for allergy in allergies.iter() {
        self::allergy(chart, allergy);
    }
}

/// The reactions in the list of allergies, coded.
fn reaction(text: &'static str) -> Coding {
    match text {
        "Hives" => snomed("247472004", text),
        "Nausea & vomiting" => snomed("422587007", text),
        "Wheezing" => snomed("56018004", text),
        "Rash" => snomed("271807003", text),
        "Anaphylaxis" => snomed("39579001", text),
        "Swelling" => snomed("65124004", text),
        _ => snomed("40275004", text),
    }
}

fn allergy(chart: &mut Chart<'_>, position: usize) {
    let (kind, code, name, system, text) = ALLERGIES[position];
    let id = chart.ids.next();
    let recorded = i32::midpoint(chart.person.birth_day(), chart.frame.first_day);
    let recorder = shared_id(Kind::Practitioner, shared::practitioner_index(chart.person.region, chart.person.number));
    chart.tally.allergy(code);
    let json = chart.page.begin(Kind::AllergyIntolerance, id, Some("allergyintolerance"));
    json.coded("clinicalStatus", coding("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", "Active"));
    json.coded(
        "verificationStatus",
        coding("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed", "Confirmed"),
    );
    json.code("type", "allergy").list("category").string(match kind {
        "DA" => "medication",
        "FA" => "food",
        _ => "environment",
    });
    json.end().code("criticality", if text == "Anaphylaxis" { "high" } else { "low" });
    let system = if system == "RXNORM" { RXNORM } else { "http://snomed.info/sct" };
    json.concept("code", coding(system, code, name)).own("patient", Kind::Patient, &chart.patient);
    json.date("recordedDate", recorded).shared("recorder", Kind::Practitioner, &recorder);
    json.list("reaction").item().list("manifestation").item().list("coding");
    let found = reaction(text);
    json.item().code("system", found.system).code("code", found.code).text("display", found.display).close();
    json.end().text("text", text).close().end().code("severity", "moderate").close().end();
    chart.page.end();
}

/// What an acute visit was for.
pub(crate) fn diagnosis(chart: &mut Chart<'_>, visit: &Visit, id: Id) {
    let Some((code, name)) = visit.reason.map(|reason| REASONS[reason]) else { return };
    let healed = visit.end.plus(chart.rng.between(5, 40) * DAY).day();
    let is_over = healed < chart.frame.end;
    let recorder = visit.practitioner();
    chart.tally.condition(code);
    let json = chart.page.begin(Kind::Condition, id, Some("condition-encounter-diagnosis"));
    json.coded("clinicalStatus", if is_over { RESOLVED } else { ACTIVE }).coded("verificationStatus", CONFIRMED);
    json.coded_list("category", DIAGNOSIS).concept("code", icd10(code, name));
    chart.subject(visit);
    let json = &mut chart.page.json;
    let began = visit.start.plus(if visit.purpose == Purpose::Illness { -3 * DAY } else { -3600 });
    json.date("onsetDateTime", began.day().max(chart.person.birth_day()));
    if is_over {
        json.date("abatementDateTime", healed);
    }
    json.date("recordedDate", visit.start.day()).shared("recorder", Kind::Practitioner, &recorder);
    chart.page.end();
}
