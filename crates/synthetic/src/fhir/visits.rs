//! When somebody comes, and why.

use crate::{
    calendar::{DAY, Moment, whole_years},
    hl7v2::facilities::CLINICIANS,
    people::{Person, REGIONS},
    rng::Rng,
};

use super::{
    chart::Frame,
    page::{Id, Ids, Kind, shared_id},
    shared,
};

/// What a visit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A yearly examination, or one of a small child.
    Wellness,
    /// The follow-up of chronic conditions.
    FollowUp,
    /// Something acute, seen in the practice.
    Illness,
    Emergency,
    Admission,
}

/// One visit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) id: Id,
    pub(crate) purpose: Purpose,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) facility: usize,
    pub(crate) clinician: u64,
    /// Position in the list of wards.
    pub(crate) ward: usize,
    /// Position in the list of reasons, for acute visits.
    pub(crate) reason: Option<usize>,
    /// The month of life that a small child's examination belongs to.
    pub(crate) month: Option<i32>,
}

impl Visit {
    /// Who sees the patient.
    pub(crate) fn practitioner(&self) -> Id {
        shared_id(Kind::Practitioner, shared::practitioner_index(self.facility, self.clinician))
    }

    /// The facility.
    pub(crate) fn organization(&self) -> Id {
        shared_id(Kind::Organization, self.facility)
    }
}

/// The reasons (positions in the list of reasons) that people of an age come for.
const OF_ANY_AGE: [usize; 6] = [0, 4, 5, 6, 8, 10];
const OF_ADULTS: [usize; 10] = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10];
const OF_THE_OLD: [usize; 11] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/// What is seen without a hospital: urinary tract infection, abdominal pain, bronchitis.
const MINOR: [usize; 3] = [4, 5, 8];

/// The months of life in which small children are examined.
const CHILD_MONTHS: [i32; 8] = [0, 2, 4, 6, 9, 12, 15, 18];

/// All visits of a record, in order of time; no two overlap.
pub(crate) fn plan(person: &Person, frame: &Frame, rng: &mut Rng, ids: &mut Ids) -> Vec<Visit> {
    let from = frame.start.max(person.birth_day());
    let blank = ids.next();
    // Almost everybody goes to the same doctor each time.
    let doctor = rng.below(CLINICIANS);
    let mut visits = Vec::with_capacity(24);
    let mut add = |rng: &mut Rng, purpose: Purpose, day: i32, month: Option<i32>| {
        let facility = if purpose == Purpose::Wellness || rng.percent(85) { person.region } else { rng.below(REGIONS as u64) as usize };
        let minutes = match purpose {
            Purpose::Emergency | Purpose::Admission => rng.between(0, 24 * 60 - 1),
            _ => rng.between(8 * 4, 16 * 4) * 15,
        };
        let start = Moment(i64::from(office_day(purpose, day)) * DAY + minutes * 60);
        let length = match purpose {
            Purpose::Wellness => rng.between(20, 50) * 60,
            Purpose::FollowUp | Purpose::Illness => rng.between(10, 30) * 60,
            Purpose::Emergency => rng.between(150, 480) * 60,
            Purpose::Admission => rng.between(1, 7) * DAY + rng.between(0, 360) * 60,
        };
        let age = person.age_on(day);
        let reason = match purpose {
            Purpose::Wellness | Purpose::FollowUp => None,
            Purpose::Illness => Some(*rng.pick(&MINOR)),
            _ if age < 18 => Some(*rng.pick(&OF_ANY_AGE)),
            _ if age < 65 => Some(*rng.pick(&OF_ADULTS)),
            _ => Some(*rng.pick(&OF_THE_OLD)),
        };
        let clinician = if facility == person.region && rng.percent(90) { doctor } else { rng.below(CLINICIANS) };
        let ward = if age < 18 { 5 } else { [0, 1, 2, 4][rng.below(4) as usize] };
        visits.push(Visit { id: blank, purpose, start, end: start.plus(length), facility, clinician, ward, reason, month });
    };
    for month in CHILD_MONTHS {
        let day = person.birth_day() + month * 30 + month / 2 + rng.between(2, 8) as i32;
        add(rng, Purpose::Wellness, day, Some(month));
    }
    let is_chronic = !person.conditions.is_empty();
    let anniversary = rng.between(10, 350) as i32;
    let years = (frame.end - frame.start) / 365;
    for year in 0..years {
        let checkup = frame.start + year * 365 + anniversary + rng.between(-9, 9) as i32;
        let age = whole_years(person.birth_day(), checkup);
        if age >= 2 && (is_chronic || age < 18 || rng.percent(80)) {
            add(rng, Purpose::Wellness, checkup, None);
        }
        for _ in 0..person.conditions.len().min(2) {
            if rng.percent(80) {
                let day = checkup + rng.between(80, 280) as i32;
                add(rng, Purpose::FollowUp, day, None);
            }
        }
        let frail = if (5..65).contains(&age) { 0 } else { 8 };
        for (purpose, percent) in [(Purpose::Illness, 25), (Purpose::Emergency, 10 + frail), (Purpose::Admission, 5 + frail)] {
            if rng.percent(percent) {
                let day = frame.start + year * 365 + rng.between(0, 364) as i32;
                add(rng, purpose, day, None);
            }
        }
    }
    visits.sort_by_key(|visit| visit.start);
    let mut free = from;
    visits.retain(|visit| {
        let fits = visit.start.day() >= free && visit.end.day() < frame.end;
        if fits {
            free = visit.end.day() + 1;
        }
        fits
    });
    for visit in &mut visits {
        visit.id = ids.next();
    }
    visits
}

/// Practices are closed on Saturdays and Sundays: the Monday after.
fn office_day(purpose: Purpose, day: i32) -> i32 {
    if matches!(purpose, Purpose::Emergency | Purpose::Admission) {
        return day;
    }
    // 1970-01-01 was a Thursday; 0 is a Sunday.
    match (day + 4).rem_euclid(7) {
        0 => day + 1,
        6 => day + 2,
        _ => day,
    }
}
