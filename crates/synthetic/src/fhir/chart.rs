//! One person's record: what is decided once, and the order in which it is written.

use crate::{hl7v2::facilities::FACILITIES, people::Person, rng::Rng};

use super::{
    body::Body,
    drugs, encounters, laboratory,
    page::{Id, Ids, Kind, Page},
    patient, prevention, problems,
    social::{self, Needs},
    truth::Tally,
    visits::{self, Purpose, Visit},
    vitals,
};

const STREAM_CHART: u64 = 11;

/// What all records of an export share. Days are from 1970-01-01.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) seed: u64,
    /// The day for which ages are drawn.
    pub(crate) first_day: i32,
    /// Records begin here, or at birth.
    pub(crate) start: i32,
    /// Nothing is recorded on or after this day.
    pub(crate) end: i32,
}

/// A chronic condition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem {
    /// Position in the list of conditions.
    pub(crate) condition: usize,
    pub(crate) id: Id,
    pub(crate) onset: i32,
}

/// A record while it is written.
pub(crate) struct Chart<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) person: &'a Person,
    pub(crate) page: &'a mut Page,
    pub(crate) tally: &'a mut Tally,
    pub(crate) rng: Rng,
    pub(crate) ids: Ids,
    pub(crate) patient: Id,
    pub(crate) problems: Vec<Problem>,
    pub(crate) body: Body,
}

/// Writes the record of the person of this number.
pub(crate) fn write(frame: &Frame, number: u64, page: &mut Page, tally: &mut Tally) {
    let person = &Person::derive(frame.seed, number, frame.first_day);
    let mut rng = Rng::for_item(frame.seed, STREAM_CHART, number);
    let mut ids = Ids::of_person(frame.seed, number);
    let patient = ids.next();
    let problems = problems::draw(person, frame, &mut rng, &mut ids);
    let body = Body::draw(person, frame, &problems, &mut rng);
    let visits = visits::plan(person, frame, &mut rng, &mut ids);
    page.clear();
    page.json.zone = FACILITIES[person.region].zone;
    tally.person(person, frame.first_day);
    let mut chart = Chart { frame, person, page, tally, rng, ids, patient, problems, body };
    patient::write(&mut chart);
    problems::write(&mut chart);
    let mut needs = Needs::draw(person, frame, &visits, &mut chart.rng);
    let last_checkup = visits.iter().rposition(|visit| visit.purpose == Purpose::Wellness);
    for (position, visit) in visits.iter().enumerate() {
        chart.visit(visit, Some(position) == last_checkup, &mut needs);
    }
    chart.page.json.zone = FACILITIES[person.region].zone;
    social::write_needs(&mut chart, &needs);
}

impl Chart<'_> {
    fn visit(&mut self, visit: &Visit, is_last_checkup: bool, needs: &mut Needs) {
        self.page.json.zone = FACILITIES[visit.facility].zone;
        let diagnosis = visit.reason.map(|_| self.ids.next());
        encounters::write(self, visit, diagnosis);
        if let Some(id) = diagnosis {
            problems::diagnosis(self, visit, id);
        }
        vitals::write(self, visit);
        laboratory::write(self, visit);
        prevention::procedures(self, visit, diagnosis);
        prevention::vaccinations(self, visit);
        drugs::write(self, visit, diagnosis, is_last_checkup);
        if visit.purpose == Purpose::Wellness {
            social::screen(self, visit, needs);
        }
    }

    /// The onset of a chronic condition that the person has.
    pub(crate) fn problem(&self, condition: usize) -> Option<Problem> {
        self.problems.iter().find(|problem| problem.condition == condition).copied()
    }

    pub(crate) fn age(&self, visit: &Visit) -> i32 {
        self.person.age_on(visit.start.day())
    }

    /// `"subject"` and `"encounter"`, in most resources.
    pub(crate) fn subject(&mut self, visit: &Visit) {
        self.page.json.own("subject", Kind::Patient, &self.patient).own("encounter", Kind::Encounter, &visit.id);
    }
}
