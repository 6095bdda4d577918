//! What happens to a person in one visit, and which messages it causes.

use crate::{
    calendar::{DAY, Moment},
    people::{Person, REGIONS},
    rng::Rng,
};

use super::facilities::CLINICIANS;

const STREAM_ENCOUNTER: u64 = 2;

/// The message types of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Admit,
    Transfer,
    Discharge,
    Register,
    Update,
    Merge,
    Result,
    Order,
    Dispense,
    Vaccination,
    Document,
    Appointment,
}

/// MSH-9 type and trigger, and the structure of MSH-9.3, in the order of [`Event`].
pub(crate) const EVENTS: [(&str, &str); 12] = [
    ("ADT^A01", "ADT_A01"),
    ("ADT^A02", "ADT_A02"),
    ("ADT^A03", "ADT_A03"),
    ("ADT^A04", "ADT_A01"),
    ("ADT^A08", "ADT_A01"),
    ("ADT^A40", "ADT_A39"),
    ("ORU^R01", "ORU_R01"),
    ("RDE^O11", "RDE_O11"),
    ("RDS^O13", "RDS_O13"),
    ("VXU^V04", "VXU_V04"),
    ("MDM^T02", "MDM_T02"),
    ("SIU^S12", "SIU_S12"),
];

impl Event {
    pub(crate) fn is_adt(self) -> bool {
        (self as usize) <= (Event::Merge as usize)
    }
}

/// Patient class (HL7 table 0004).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Inpatient,
    Emergency,
    Outpatient,
}

impl Class {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Class::Inpatient => "I",
            Class::Emergency => "E",
            Class::Outpatient => "O",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) event: Event,
    pub(crate) at: Moment,
}

/// The messages of the longest visit.
const MAX_STEPS: usize = 24;

/// One visit of one person.
#[derive(Debug)]
pub(crate) struct Encounter {
    pub(crate) number: u64,
    pub(crate) person: Person,
    pub(crate) facility: usize,
    pub(crate) class: Class,
    pub(crate) start: Moment,
    /// When the person left.
    pub(crate) end: Moment,
    pub(crate) ward: usize,
    pub(crate) room: u32,
    pub(crate) attending: u64,
    pub(crate) reason: usize,
    /// What the messages themselves vary by.
    pub(crate) rng: Rng,
    steps: [Step; MAX_STEPS],
    count: usize,
    next: usize,
}

/// What every visit of a feed shares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) seed: u64,
    pub(crate) population: u64,
    /// First day of the feed, days from 1970-01-01.
    pub(crate) first_day: i32,
    /// Seconds from one visit's beginning to the next one's.
    pub(crate) gap: i64,
}

impl Encounter {
    pub(crate) fn derive(frame: &Frame, number: u64) -> Self {
        let mut rng = Rng::for_item(frame.seed, STREAM_ENCOUNTER, number);
        // One in three visits is made by a tenth of the people.
        let range = if rng.percent(33) { frame.population.div_ceil(10) } else { frame.population };
        let person = Person::derive(frame.seed, rng.below(range), frame.first_day);
        let facility = if rng.percent(85) { person.region } else { rng.below(REGIONS as u64) as usize };
        let first = i64::from(frame.first_day) * DAY;
        // Everything of a visit, its appointment included, lies after the first day.
        let start = Moment(first + 30 * DAY + number as i64 * frame.gap + rng.between(0, frame.gap.max(1) - 1));
        let drawn = rng.below(100);
        let class = match drawn {
            0..=39 => Class::Inpatient,
            40..=64 => Class::Emergency,
            _ => Class::Outpatient,
        };
        let age = person.age_on(start.day());
        let placeholder = Step { event: Event::Register, at: start };
        let mut visit = Self {
            number,
            person,
            facility,
            class,
            start,
            end: start,
            ward: if age < 18 { 5 } else { rng.below(5) as usize },
            room: rng.between(1, 48) as u32,
            attending: rng.below(CLINICIANS),
            reason: rng.below(crate::clinical::REASONS.len() as u64) as usize,
            rng,
            steps: [placeholder; MAX_STEPS],
            count: 0,
            next: 0,
        };
        match class {
            Class::Inpatient => visit.inpatient(),
            Class::Emergency => visit.emergency(),
            Class::Outpatient => visit.outpatient(),
        }
        visit.steps[..visit.count].sort_by_key(|step| step.at);
        visit
    }

    fn add(&mut self, event: Event, at: Moment) {
        if self.count < MAX_STEPS {
            self.steps[self.count] = Step { event, at };
            self.count += 1;
        }
    }

    /// Adds a step some seconds after (or before) a time.
    fn add_within(&mut self, event: Event, from: Moment, (low, high): (i64, i64)) {
        let seconds = self.rng.between(low, high);
        self.add(event, from.plus(seconds));
    }

    fn inpatient(&mut self) {
        let days = self.rng.between(1, 7);
        self.end = self.start.plus(days * DAY + self.rng.between(0, 6 * 3600));
        self.add(Event::Admit, self.start);
        let mut at = self.start.plus(self.rng.between(300, 2400));
        if self.rng.percent(12) {
            self.add(Event::Merge, at);
        }
        at = at.plus(self.rng.between(60, 600));
        self.add(Event::Document, at);
        if self.rng.percent(40) {
            self.add(Event::Update, at.plus(30));
        }
        for day in 0..days.min(4) {
            let morning = self.start.plus(day * DAY + self.rng.between(4000, 9000));
            self.add(Event::Result, morning);
            if self.rng.percent(60) {
                self.add_within(Event::Result, morning, (100, 4000));
            }
            if day < 2 {
                let ordered = morning.plus(self.rng.between(4100, 9000));
                self.add(Event::Order, ordered);
                if self.rng.percent(50) {
                    self.add_within(Event::Dispense, ordered, (600, 5000));
                }
            }
            if day == 0 && self.rng.percent(35) {
                self.add(Event::Transfer, self.start.plus(DAY - 600));
            }
        }
        self.add_within(Event::Document, self.end, (-3000, -600));
        self.add(Event::Discharge, self.end);
    }

    fn emergency(&mut self) {
        self.end = self.start.plus(self.rng.between(9000, 30_000));
        self.add(Event::Register, self.start);
        if self.rng.percent(25) {
            self.add_within(Event::Update, self.start, (60, 900));
        }
        self.add_within(Event::Result, self.start, (1800, 4000));
        if self.rng.percent(50) {
            self.add_within(Event::Result, self.start, (4001, 6000));
        }
        if self.rng.percent(40) {
            self.add_within(Event::Order, self.start, (6001, 7000));
        }
        if self.rng.percent(50) {
            self.add_within(Event::Document, self.start, (7001, 8500));
        }
        self.add(Event::Discharge, self.end);
    }

    fn outpatient(&mut self) {
        self.end = self.start.plus(self.rng.between(1800, 7200));
        if self.rng.percent(25) {
            let days_before = self.rng.between(1, 20);
            self.add(Event::Appointment, self.start.plus(-days_before * DAY));
        }
        self.add(Event::Register, self.start);
        if self.rng.percent(30) {
            self.add(Event::Vaccination, self.start.plus(900));
        }
        if self.rng.percent(70) {
            self.add_within(Event::Result, self.end, (600, 40_000));
        }
        if self.rng.percent(30) {
            self.add_within(Event::Document, self.end, (40_001, 60_000));
        }
    }

    /// When its next message is due.
    pub(crate) fn due(&self) -> Option<Moment> {
        (self.next < self.count).then(|| self.steps[self.next].at)
    }

    pub(crate) fn take_step(&mut self) -> Option<Step> {
        let step = (self.next < self.count).then(|| self.steps[self.next]);
        self.next += 1;
        step
    }
}

/// The visits in rough order of time: up to this many are open at once, and the earliest message of
/// all of them comes next.
const OPEN: usize = 64;

#[derive(Debug)]
pub(crate) struct Visits {
    frame: Frame,
    open: Vec<Encounter>,
    /// Due times of `open`, beside them so that the search for the earliest stays in the cache.
    due: Vec<Moment>,
    next_number: u64,
}

impl Visits {
    pub(crate) fn new(frame: Frame) -> Self {
        let mut visits = Self { frame, open: Vec::with_capacity(OPEN), due: Vec::with_capacity(OPEN), next_number: 0 };
        for _ in 0..OPEN {
            let visit = visits.next_visit();
            visits.due.push(visit.due().unwrap_or(visit.start));
            visits.open.push(visit);
        }
        visits
    }

    fn next_visit(&mut self) -> Encounter {
        let visit = Encounter::derive(&self.frame, self.next_number);
        self.next_number += 1;
        visit
    }

    /// The next message: its visit and step.
    pub(crate) fn next_step(&mut self) -> (&mut Encounter, Step) {
        loop {
            let at = self.due.iter().enumerate().min_by_key(|(_, due)| **due).map_or(0, |(at, _)| at);
            if self.open[at].due().is_none() {
                let visit = self.next_visit();
                self.due[at] = visit.due().unwrap_or(visit.start);
                self.open[at] = visit;
                continue;
            }
            let visit = &mut self.open[at];
            let step = visit.take_step();
            if let Some(due) = visit.due() {
                self.due[at] = due;
            }
            if let Some(step) = step {
                return (&mut self.open[at], step);
            }
        }
    }
}
