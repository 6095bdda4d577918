//! Procedures, imaging reports and vaccinations.

use crate::{
    calendar::{Moment, date_from_days},
    clinical::VACCINES,
    people::Sex,
};

use super::{
    body::condition,
    chart::Chart,
    page::{Id, Kind, shared_id},
    shared,
    systems::{CVX, Coding, UCUM, coding, loinc, snomed},
    visits::{Purpose, Visit},
};

const APPENDECTOMY: Coding = snomed("80146002", "Excision of appendix");
const HIP_REPLACEMENT: Coding = snomed("52734007", "Total replacement of hip");
const ELECTROCARDIOGRAM: Coding = snomed("29303009", "Electrocardiographic procedure");
const CHEST_X_RAY: Coding = snomed("399208008", "Plain X-ray of chest");
const SPIROMETRY: Coding = snomed("127783003", "Spirometry");
const COLONOSCOPY: Coding = snomed("73761001", "Colonoscopy");
const MAMMOGRAPHY: Coding = snomed("24623002", "Screening mammography");
const DEPRESSION_SCREENING: Coding = snomed("171207006", "Depression screening");
const RECONCILIATION: Coding = snomed("430193006", "Medication reconciliation");
const SOCIAL_ASSESSMENT: Coding = snomed("710824005", "Assessment of health and social care needs");

/// What is done in a visit.
pub(crate) fn procedures(chart: &mut Chart<'_>, visit: &Visit, diagnosis: Option<Id>) {
    let age = chart.age(visit);
    let is_admission = visit.purpose == Purpose::Admission;
    match (visit.purpose, visit.reason) {
        (Purpose::Wellness, _) if age >= 18 => {
            procedure(chart, visit, SOCIAL_ASSESSMENT, (2, 10), None);
            if !chart.problems.is_empty() {
                procedure(chart, visit, RECONCILIATION, (1, 8), None);
            }
            if chart.rng.percent(40) || chart.problem(condition::ANXIETY).is_some() {
                procedure(chart, visit, DEPRESSION_SCREENING, (2, 8), None);
            }
            if (50..=74).contains(&age) && chart.person.sex == Sex::Female && chart.rng.percent(50) {
                procedure(chart, visit, MAMMOGRAPHY, (10, 18), None);
            }
            if (45..=75).contains(&age) && chart.rng.percent(10) {
                procedure(chart, visit, COLONOSCOPY, (10, 19), None);
            }
        }
        (Purpose::FollowUp, _) => {
            let lungs = chart.problem(condition::COPD).or(chart.problem(condition::ASTHMA));
            if let Some(problem) = lungs.filter(|problem| problem.onset <= visit.start.day()) {
                procedure(chart, visit, SPIROMETRY, (3, 9), Some(problem.id));
            }
        }
        (_, Some(0)) if visit.purpose != Purpose::Illness => {
            procedure(chart, visit, CHEST_X_RAY, (30, 60), diagnosis);
            chest_report(chart, visit);
        }
        (_, Some(2 | 9)) => procedure(chart, visit, ELECTROCARDIOGRAM, (5, 20), diagnosis),
        (_, Some(6)) if is_admission => procedure(chart, visit, APPENDECTOMY, (300, 390), diagnosis),
        (_, Some(7)) if is_admission => procedure(chart, visit, HIP_REPLACEMENT, (600, 760), diagnosis),
        _ => {}
    }
}

/// A procedure that begins and ends so many minutes after the visit's start.
fn procedure(chart: &mut Chart<'_>, visit: &Visit, code: Coding, (from, to): (i64, i64), reason: Option<Id>) {
    let id = chart.ids.next();
    let performer = visit.practitioner();
    let location = shared_id(Kind::Location, shared::location_index(visit.facility, None));
    chart.tally.procedure(code.code);
    let json = chart.page.begin(Kind::Procedure, id, Some("procedure"));
    json.code("status", "completed").concept("code", code);
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.open("performedPeriod").moment("start", visit.start.plus(from * 60)).moment("end", visit.start.plus(to * 60)).close();
    json.list("performer").item().shared("actor", Kind::Practitioner, &performer).close().end();
    json.shared("location", Kind::Location, &location);
    if let Some(reason) = reason {
        json.list("reasonReference").own_item(Kind::Condition, &reason).end();
    }
    chart.page.end();
}

fn chest_report(chart: &mut Chart<'_>, visit: &Visit) {
    let id = chart.ids.next();
    let (organization, reader) = (visit.organization(), visit.practitioner());
    let (taken, issued) = (visit.start.plus(60 * 60), visit.start.plus(100 * 60));
    let code = loinc("36643-5", "XR Chest 2 Views");
    let lobe = *chart.rng.pick(&["right lower lobe", "left lower lobe", "right middle lobe", "lingula"]);
    chart.tally.report(code.code);
    let json = chart.page.begin(Kind::DiagnosticReport, id, None);
    json.code("status", "final").coded_list("category", coding("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology"));
    json.concept("code", code);
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.moment("effectiveDateTime", taken).moment("issued", issued);
    json.list("performer").shared_item(Kind::Organization, &organization).end();
    json.list("resultsInterpreter").shared_item(Kind::Practitioner, &reader).end();
    json.parts("conclusion").raw("Consolidation in the ").raw(lobe).raw(", consistent with pneumonia. No effusion.").quote();
    chart.page.end();
}

/// Positions in the list of vaccines.
mod vaccine {
    pub(super) const INFLUENZA: usize = 0;
    pub(super) const HEPATITIS_B: usize = 1;
    pub(super) const MEASLES: usize = 2;
    pub(super) const VARICELLA: usize = 3;
    pub(super) const DIPHTHERIA: usize = 4;
    pub(super) const TETANUS_BOOSTER: usize = 5;
    pub(super) const PNEUMOCOCCI: usize = 6;
}

/// The vaccines that are due in a check-up.
pub(crate) fn vaccinations(chart: &mut Chart<'_>, visit: &Visit) {
    use vaccine::{DIPHTHERIA, HEPATITIS_B, INFLUENZA, MEASLES, PNEUMOCOCCI, TETANUS_BOOSTER, VARICELLA};
    if visit.purpose != Purpose::Wellness {
        return;
    }
    let age = chart.age(visit);
    // The check-ups of older children and adults are a year apart: each age comes once, about.
    let due: &[usize] = match (visit.month, age) {
        (Some(0), _) => &[HEPATITIS_B],
        (Some(2 | 6), _) => &[HEPATITIS_B, DIPHTHERIA, PNEUMOCOCCI],
        (Some(4), _) => &[DIPHTHERIA, PNEUMOCOCCI],
        (Some(12), _) => &[MEASLES, VARICELLA, PNEUMOCOCCI],
        (Some(15), _) => &[DIPHTHERIA],
        (Some(_), _) => &[],
        (None, 4) => &[DIPHTHERIA, MEASLES, VARICELLA],
        (None, 11) => &[TETANUS_BOOSTER],
        (None, 65) => &[PNEUMOCOCCI],
        (None, age) if age >= 21 && age % 10 == 1 => &[TETANUS_BOOSTER],
        _ => &[],
    };
    for vaccine in due {
        vaccination(chart, visit, *vaccine);
    }
    let (_, month, _) = date_from_days(visit.start.day());
    let is_season = matches!(month, 9..=12 | 1);
    if is_season && visit.month.is_none_or(|month| month >= 6) && chart.rng.percent(60) {
        vaccination(chart, visit, INFLUENZA);
    }
}

fn vaccination(chart: &mut Chart<'_>, visit: &Visit, vaccine: usize) {
    let (code, name, _, maker) = VACCINES[vaccine];
    let id = chart.ids.next();
    let lot = chart.rng.below(100_000);
    let expires = visit.start.day() + chart.rng.between(90, 500) as i32;
    let performer = visit.practitioner();
    let location = shared_id(Kind::Location, shared::location_index(visit.facility, None));
    let at: Moment = visit.start.plus(12 * 60);
    chart.tally.vaccine(code);
    let json = chart.page.begin(Kind::Immunization, id, Some("immunization"));
    json.code("status", "completed").concept("vaccineCode", coding(CVX, code, name));
    json.own("patient", Kind::Patient, &chart.patient).own("encounter", Kind::Encounter, &visit.id);
    json.moment("occurrenceDateTime", at).flag("primarySource", true);
    json.shared("location", Kind::Location, &location).open("manufacturer").text("display", maker).close();
    json.parts("lotNumber").raw("LOT").padded(lot, 5).quote().date("expirationDate", expires);
    json.coded("site", coding("http://terminology.hl7.org/CodeSystem/v3-ActSite", "LA", "left arm"));
    json.coded("route", coding("http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration", "IM", "Injection, intramuscular"));
    json.open("doseQuantity").decimal("value", 5, 1).code("unit", "mL").code("system", UCUM).code("code", "mL").close();
    json.list("performer").item();
    json.coded("function", coding("http://terminology.hl7.org/CodeSystem/v2-0443", "AP", "Administering Provider"));
    json.shared("actor", Kind::Practitioner, &performer).close().end();
    chart.page.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_list() {
        let of = |position: usize| VACCINES[position].0;
        assert_eq!(
            [
                of(vaccine::INFLUENZA),
                of(vaccine::HEPATITIS_B),
                of(vaccine::MEASLES),
                of(vaccine::VARICELLA),
                of(vaccine::DIPHTHERIA),
                of(vaccine::TETANUS_BOOSTER),
                of(vaccine::PNEUMOCOCCI)
            ],
            ["141", "08", "03", "21", "20", "115", "133"]
        );
    }
}
