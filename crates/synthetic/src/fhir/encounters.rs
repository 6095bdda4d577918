//! Encounters.

use crate::clinical::{CONDITIONS, REASONS};

use super::{
    chart::Chart,
    page::{Id, Kind, shared_id},
    shared,
    systems::{ACT_CODE, BASE, Coding, coding, icd10, snomed},
    visits::{Purpose, Visit},
};

impl Purpose {
    /// Encounter.class.
    pub(crate) fn class(self) -> Coding {
        match self {
            Purpose::Wellness | Purpose::FollowUp | Purpose::Illness => coding(ACT_CODE, "AMB", "ambulatory"),
            Purpose::Emergency => coding(ACT_CODE, "EMER", "emergency"),
            Purpose::Admission => coding(ACT_CODE, "IMP", "inpatient encounter"),
        }
    }

    fn kind(self, age: i32) -> Coding {
        match self {
            Purpose::Wellness if age < 18 => snomed("410620009", "Well child visit"),
            Purpose::Wellness => snomed("162673000", "General examination of patient"),
            Purpose::FollowUp => snomed("390906007", "Follow-up encounter"),
            Purpose::Illness => snomed("185345009", "Encounter for symptom"),
            Purpose::Emergency => snomed("50849002", "Emergency room admission"),
            Purpose::Admission => snomed("32485007", "Hospital admission"),
        }
    }
}

const ROUTINE_CHILD: (&str, &str) = ("Z00.129", "Encounter for routine child health examination without abnormal findings");

/// The Encounter of a visit.
pub(crate) fn write(chart: &mut Chart<'_>, visit: &Visit, diagnosis: Option<Id>) {
    let age = chart.age(visit);
    let class = visit.purpose.class();
    let (organization, clinician) = (visit.organization(), visit.practitioner());
    let is_hospital = matches!(visit.purpose, Purpose::Emergency | Purpose::Admission);
    let ward = is_hospital.then_some(if visit.purpose == Purpose::Emergency { 3 } else { visit.ward });
    let location = shared_id(Kind::Location, shared::location_index(visit.facility, ward));
    chart.tally.encounter(class.code, visit.facility);
    let json = chart.page.begin(Kind::Encounter, visit.id, Some("encounter"));
    json.list("identifier").item().parts("system").raw(BASE).raw("/").raw(crate::hl7v2::facilities::FACILITIES[visit.facility].code);
    json.raw("/visit").quote().parts("value").raw("F").padded(chart.person.number, 8).raw("-");
    json.padded(visit.start.0.unsigned_abs() / 60, 1).quote().close().end();
    json.code("status", "finished").coding("class", class).list("type").coded_item(visit.purpose.kind(age)).end();
    json.own("subject", Kind::Patient, &chart.patient);
    json.list("participant").item();
    json.coded_list("type", coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "ATND", "attender"));
    json.shared("individual", Kind::Practitioner, &clinician).close().end();
    json.open("period").moment("start", visit.start).moment("end", visit.end).close();
    match (visit.purpose, visit.reason) {
        (Purpose::Wellness, _) => {
            let (code, name) = if age < 18 { ROUTINE_CHILD } else { REASONS[11] };
            json.list("reasonCode").coded_item(icd10(code, name)).end();
        }
        (Purpose::FollowUp, _) => {
            // A follow-up is for the condition that was found first.
            if let Some(problem) =
                chart.problems.iter().min_by_key(|problem| problem.onset).filter(|first| first.onset <= visit.start.day())
            {
                let (code, name) = CONDITIONS[problem.condition];
                json.list("reasonCode").coded_item(icd10(code, name)).end();
                json.list("reasonReference").own_item(Kind::Condition, &problem.id).end();
            }
        }
        (_, Some(reason)) => {
            let (code, name) = REASONS[reason];
            json.list("reasonCode").coded_item(icd10(code, name)).end();
        }
        _ => {}
    }
    if let Some(diagnosis) = diagnosis {
        json.list("diagnosis").item().own("condition", Kind::Condition, &diagnosis);
        let role = if visit.purpose == Purpose::Admission { ("DD", "Discharge diagnosis") } else { ("CC", "Chief complaint") };
        json.coded("use", coding("http://terminology.hl7.org/CodeSystem/diagnosis-role", role.0, role.1));
        json.number("rank", 1).close().end();
    }
    if is_hospital {
        json.open("hospitalization");
        json.coded("dischargeDisposition", coding("http://terminology.hl7.org/CodeSystem/discharge-disposition", "home", "Home"));
        json.close();
    }
    json.list("location").item().shared("location", Kind::Location, &location).close().end();
    json.shared("serviceProvider", Kind::Organization, &organization);
    chart.page.end();
}
