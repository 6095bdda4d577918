//! Social determinants of health: screening, the needs it finds, and what is done about them.
//!
//! Questions are those of PRAPARE and of the Hunger Vital Sign, answered with LOINC's answer codes. Needs
//! become Conditions with Z codes (ICD-10-CM Z55 to Z65) under the categories of US Core and of SDOH
//! Clinical Care.

use crate::{people::Person, rng::Rng};

use super::{
    chart::{Chart, Frame},
    page::{Id, Kind},
    problems::{ACTIVE, CONFIRMED, HEALTH_CONCERN, RESOLVED},
    systems::{Coding, SDOH, SDOH_CATEGORY, SOCIAL_HISTORY, SURVEY, coding, icd10, loinc, snomed},
    visits::{Purpose, Visit},
};

/// A domain: what is asked, what the answers are, and what a need is called.
pub(crate) struct Domain {
    pub(crate) category: Coding,
    question: Coding,
    yes: &'static [Coding],
    no: &'static [Coding],
    pub(crate) icd: Coding,
    finding: Option<Coding>,
    service: Coding,
    referral: &'static str,
    goal: &'static str,
    /// How many of 100 people have the need.
    percent: u64,
}

const fn category(code: &'static str, name: &'static str) -> Coding {
    coding(SDOH_CATEGORY, code, name)
}

const SOCIAL_SERVICE: Coding = snomed("410606002", "Social service procedure");

pub(crate) const DOMAINS: [Domain; 6] = [
    Domain {
        category: category("food-insecurity", "Food Insecurity"),
        question: loinc("88124-3", "Food insecurity risk [HVS]"),
        yes: &[loinc("LA19952-3", "At risk")],
        no: &[loinc("LA19983-8", "No risk")],
        icd: icd10("Z59.41", "Food insecurity"),
        finding: Some(snomed("733423003", "Food insecurity")),
        service: snomed("467771000124109", "Assistance with application for food pantry program"),
        referral: "Food pantry referral",
        goal: "Enough food for every day",
        percent: 9,
    },
    Domain {
        category: category("housing-instability", "Housing Instability"),
        question: loinc("93033-9", "Are you worried about losing your housing [PRAPARE]"),
        yes: &[loinc("LA33-6", "Yes")],
        no: &[loinc("LA32-8", "No")],
        icd: icd10("Z59.811", "Housing instability, housed, with risk of homelessness"),
        finding: Some(snomed("1156191002", "Housing instability")),
        service: SOCIAL_SERVICE,
        referral: "Referral to housing assistance",
        goal: "A place to live that is safe for the next twelve months",
        percent: 6,
    },
    Domain {
        category: category("transportation-insecurity", "Transportation Insecurity"),
        question: loinc(
            "93030-5",
            "Has lack of transportation kept you from medical appointments, meetings, work, or from getting things needed for daily living",
        ),
        yes: &[
            loinc("LA30133-5", "Yes, it has kept me from medical appointments or from getting my medications"),
            loinc("LA30134-3", "Yes, it has kept me from non-medical meetings, appointments, work, or from getting things that I need"),
        ],
        no: &[loinc("LA32-8", "No")],
        icd: icd10("Z59.82", "Transportation insecurity"),
        finding: Some(snomed("713458007", "Lack of access to transportation")),
        service: SOCIAL_SERVICE,
        referral: "Referral to a patient transport service",
        goal: "Reaches every appointment",
        percent: 5,
    },
    Domain {
        category: category("employment-status", "Employment Status"),
        question: loinc("67875-5", "Employment status - current"),
        yes: &[loinc("LA17956-6", "Unemployed")],
        no: &[
            loinc("LA30136-8", "Full-time work"),
            loinc("LA30138-4", "Part-time or temporary work"),
            loinc("LA30137-6", "Otherwise unemployed but not seeking work (ex: student, retired, disabled, unpaid primary care giver)"),
        ],
        icd: icd10("Z56.0", "Unemployment, unspecified"),
        finding: Some(snomed("73438004", "Unemployed")),
        service: SOCIAL_SERVICE,
        referral: "Referral to employment services",
        goal: "In paid employment",
        percent: 6,
    },
    Domain {
        category: category("social-connection", "Social Connection"),
        question: loinc("93029-7", "How often do you see or talk to people that you care about and feel close to [PRAPARE]"),
        yes: &[loinc("LA27722-0", "Less than once a week")],
        no: &[
            loinc("LA30130-1", "1 or 2 times a week"),
            loinc("LA30131-9", "3 to 5 times a week"),
            loinc("LA30132-7", "5 or more times a week"),
        ],
        icd: icd10("Z60.2", "Problems related to living alone"),
        finding: Some(snomed("423315002", "Limited social contact")),
        service: SOCIAL_SERVICE,
        referral: "Referral to a community group",
        goal: "Meets somebody every week",
        percent: 7,
    },
    Domain {
        category: category("educational-attainment", "Educational Attainment"),
        question: loinc("82589-3", "Highest level of education"),
        yes: &[loinc("LA30191-3", "Less than high school degree")],
        no: &[loinc("LA30192-1", "High school diploma or GED"), loinc("LA30193-9", "More than high school")],
        icd: icd10("Z55.5", "Less than a high school diploma"),
        finding: None,
        service: SOCIAL_SERVICE,
        referral: "Referral to adult education",
        goal: "A high school equivalency certificate",
        percent: 8,
    },
];

const FOOD: usize = 0;
const EMPLOYMENT: usize = 3;
const EDUCATION: usize = 5;

/// A need that screening has found.
#[derive(Debug, Clone, Copy)]
struct Found {
    at: Visit,
    /// The visit in which it is gone.
    until: Option<Visit>,
}

/// The needs of a person: from and until which day, and what screening has found of them.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    spans: [Option<(i32, i32)>; DOMAINS.len()],
    found: [Option<Found>; DOMAINS.len()],
    smoker: Smoker,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Smoker {
    #[default]
    Never,
    Former,
    /// Until this day, if somebody stops.
    Daily(i32),
}

impl Needs {
    pub(crate) fn draw(person: &Person, frame: &Frame, visits: &[Visit], rng: &mut Rng) -> Self {
        let mut needs = Self::default();
        let length = i64::from(frame.end - frame.start);
        // Who has Medicaid, or no insurance, has them more often.
        let factor = match person.insurance {
            None => 3,
            Some(insurance) if insurance.payer == "MCAID" => 3,
            Some(_) => 1,
        };
        let age = person.age_on(frame.first_day);
        for (domain, span) in DOMAINS.iter().zip(&mut needs.spans) {
            let has = rng.percent(domain.percent * factor);
            let from = frame.start + rng.between(-400, length * 2 / 3) as i32;
            let until = if rng.percent(50) { from + rng.between(250, 700) as i32 } else { i32::MAX };
            *span = has.then_some((from, until));
        }
        if let Some((from, until)) = &mut needs.spans[EDUCATION] {
            (*from, *until) = (i32::MIN, i32::MAX);
        }
        if !(18..65).contains(&age) {
            needs.spans[EMPLOYMENT] = None;
        }
        needs.smoker = match rng.below(100) {
            0..=12 => Smoker::Daily(if rng.percent(30) { frame.start + rng.between(0, length) as i32 } else { i32::MAX }),
            13..=34 => Smoker::Former,
            _ => Smoker::Never,
        };
        if age < 25 {
            needs.smoker = Smoker::Never;
        }
        // The first screening in which a need shows, and the first one after in which it is gone.
        let screenings = || visits.iter().filter(|visit| visit.purpose == Purpose::Wellness && person.age_on(visit.start.day()) >= 18);
        for (span, found) in needs.spans.iter().zip(&mut needs.found) {
            let Some((from, until)) = *span else { continue };
            let at = screenings().find(|visit| (from..until).contains(&visit.start.day()));
            let gone = screenings().find(|visit| visit.start.day() >= until);
            *found = at.map(|at| Found { at: *at, until: gone.copied() });
        }
        needs
    }

    fn has(&self, domain: usize, day: i32) -> bool {
        self.spans[domain].is_some_and(|(from, until)| (from..until).contains(&day))
    }
}

/// The screening of a check-up. Children are not screened; smoking is asked from 13 years on.
pub(crate) fn screen(chart: &mut Chart<'_>, visit: &Visit, needs: &mut Needs) {
    let age = chart.age(visit);
    if age >= 13 {
        smoking(chart, visit, needs);
    }
    if age < 18 {
        return;
    }
    let day = visit.start.day();
    for (position, domain) in DOMAINS.iter().enumerate() {
        let is_need = needs.has(position, day);
        chart.tally.screening(position, is_need);
        if position == FOOD {
            hunger(chart, visit, is_need);
            continue;
        }
        let choices = if is_need { domain.yes } else { domain.no };
        // The old have left work; those who are younger mostly have it.
        let answer = match (position, is_need) {
            (EMPLOYMENT, false) if age >= 67 => choices[2],
            (EMPLOYMENT, false) => choices[usize::from(chart.rng.percent(25))],
            _ => *chart.rng.pick(choices),
        };
        let id = chart.ids.next();
        answered(chart, visit, id, domain, domain.question, Some(answer), &[]);
    }
}

/// The Hunger Vital Sign: two questions, what follows from them, and the panel that holds the three.
fn hunger(chart: &mut Chart<'_>, visit: &Visit, is_need: bool) {
    const OFTEN: Coding = loinc("LA28397-0", "Often true");
    const SOMETIMES: Coding = loinc("LA6729-3", "Sometimes true");
    const NEVER: Coding = loinc("LA28398-8", "Never true");
    let domain = &DOMAINS[FOOD];
    let (worried, lasted) = match (is_need, chart.rng.percent(40)) {
        (true, true) => (OFTEN, SOMETIMES),
        (true, false) => (SOMETIMES, SOMETIMES),
        (false, _) => (NEVER, NEVER),
    };
    let answers = [
        (loinc("88122-7", "Within the past 12 months we worried whether our food would run out before we got money to buy more"), worried),
        (loinc("88123-5", "Within the past 12 months the food we bought just didn't last and we didn't have money to get more"), lasted),
        (domain.question, if is_need { domain.yes[0] } else { domain.no[0] }),
    ];
    let ids = [chart.ids.next(), chart.ids.next(), chart.ids.next()];
    for (id, (question, answer)) in ids.iter().zip(answers) {
        answered(chart, visit, *id, domain, question, Some(answer), &[]);
    }
    let panel = chart.ids.next();
    answered(chart, visit, panel, domain, loinc("88121-9", "Hunger Vital Sign [HVS]"), None, &ids);
}

fn answered(chart: &mut Chart<'_>, visit: &Visit, id: Id, domain: &Domain, question: Coding, answer: Option<Coding>, members: &[Id]) {
    chart.tally.observation(question.code);
    let json = chart.page.begin(Kind::Observation, id, Some("observation-screening-assessment"));
    json.code("status", "final").list("category").coded_item(SURVEY).coded_item(SDOH).coded_item(domain.category).end();
    json.concept("code", question);
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.moment("effectiveDateTime", visit.start.plus(300)).list("performer").own_item(Kind::Patient, &chart.patient).end();
    if let Some(answer) = answer {
        json.concept("valueCodeableConcept", answer);
    }
    if !members.is_empty() {
        json.list("hasMember");
        for member in members {
            json.own_item(Kind::Observation, member);
        }
        json.end();
    }
    chart.page.end();
}

fn smoking(chart: &mut Chart<'_>, visit: &Visit, needs: &Needs) {
    let status = match needs.smoker {
        Smoker::Never => snomed("266919005", "Never smoked tobacco"),
        Smoker::Daily(until) if visit.start.day() < until => snomed("449868002", "Smokes tobacco daily"),
        _ => snomed("8517006", "Ex-smoker"),
    };
    let id = chart.ids.next();
    let question = loinc("72166-2", "Tobacco smoking status");
    chart.tally.observation(question.code);
    let json = chart.page.begin(Kind::Observation, id, Some("smokingstatus"));
    json.code("status", "final").coded_list("category", SOCIAL_HISTORY).concept("code", question);
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.moment("effectiveDateTime", visit.start.plus(240)).concept("valueCodeableConcept", status);
    chart.page.end();
}

/// What screening has found: a Condition, a ServiceRequest and a Goal for each need.
pub(crate) fn write_needs(chart: &mut Chart<'_>, needs: &Needs) {
    for (domain, found) in DOMAINS.iter().zip(needs.found) {
        let Some(found) = found else { continue };
        need(chart, domain, &found);
    }
}

fn need(chart: &mut Chart<'_>, domain: &Domain, found: &Found) {
    let ids = (chart.ids.next(), chart.ids.next(), chart.ids.next());
    let clinician = found.at.practitioner();
    let seen = found.at.start.day();
    let status = if found.until.is_some() { RESOLVED } else { ACTIVE };
    chart.tally.condition(domain.icd.code);
    let json = chart.page.begin(Kind::Condition, ids.0, Some("condition-problems-health-concerns"));
    json.coded("clinicalStatus", status).coded("verificationStatus", CONFIRMED);
    json.list("category").coded_item(HEALTH_CONCERN).coded_item(SDOH).coded_item(domain.category).end();
    match domain.finding {
        Some(finding) => json.concept_of("code", &[domain.icd, finding], domain.icd.display),
        None => json.concept("code", domain.icd),
    };
    chart.subject(&found.at);
    let json = &mut chart.page.json;
    json.date("onsetDateTime", seen);
    if let Some(until) = found.until {
        json.date("abatementDateTime", until.start.day());
    }
    json.date("recordedDate", seen).shared("recorder", Kind::Practitioner, &clinician);
    chart.page.end();

    let json = chart.page.begin(Kind::ServiceRequest, ids.1, Some("servicerequest"));
    json.code("status", if found.until.is_some() { "completed" } else { "active" }).code("intent", "order");
    json.list("category").coded_item(SDOH).coded_item(domain.category).end();
    json.concept_of("code", &[domain.service], domain.referral);
    chart.subject(&found.at);
    let json = &mut chart.page.json;
    json.date("occurrenceDateTime", seen + 7).moment("authoredOn", found.at.start.plus(900));
    json.shared("requester", Kind::Practitioner, &clinician).list("reasonReference").own_item(Kind::Condition, &ids.0).end();
    chart.page.end();

    let json = chart.page.begin(Kind::Goal, ids.2, Some("goal"));
    let (lifecycle, achievement) = match found.until {
        Some(_) => ("completed", ("achieved", "Achieved")),
        None => ("active", ("in-progress", "In Progress")),
    };
    json.code("lifecycleStatus", lifecycle);
    json.coded("achievementStatus", coding("http://terminology.hl7.org/CodeSystem/goal-achievement", achievement.0, achievement.1));
    json.coded_list("category", domain.category).concept_of("description", &[], domain.goal);
    json.own("subject", Kind::Patient, &chart.patient).date("startDate", seen);
    json.list("target").item().date("dueDate", seen + 365).close().end();
    json.own("expressedBy", Kind::Patient, &chart.patient).list("addresses").own_item(Kind::Condition, &ids.0).end();
    chart.page.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_have_codes_from_z55_to_z65() {
        assert_eq!((DOMAINS[FOOD].icd.code, DOMAINS[EMPLOYMENT].icd.code, DOMAINS[EDUCATION].icd.code), ("Z59.41", "Z56.0", "Z55.5"));
        for domain in &DOMAINS {
            let chapter: u32 = domain.icd.code[1..3].parse().unwrap();
            assert!(domain.icd.code.starts_with('Z') && (55..=65).contains(&chapter));
        }
    }
}
