//! One message of a visit: the segments every message has, and which others belong to which event.

use crate::{
    calendar::{Moment, Precision, Stamp},
    clinical::{ALLERGIES, CONDITIONS, REASONS},
    people::{Person, Phone},
    rng::Rng,
};

use super::{
    damage::Damage,
    encounter::{Class, EVENTS, Encounter, Event, Step},
    facilities::{Application, FACILITIES, Facility, Version, WARDS, application, push_clinician},
    orders, results,
    wire::{SEGMENTS, Seg, Wire},
};

/// Seconds from what happened to the message about it (MSH-7).
const SENT_AFTER: i64 = 20;

/// What a message says, for the truth.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) event: usize,
    pub(crate) facility: usize,
    pub(crate) version: &'static str,
    /// The person, when the message has a PID segment.
    pub(crate) person: Option<PersonFacts>,
    /// Position in the list of tests, and value in the test's unit.
    pub(crate) labs: Vec<(u8, i32)>,
    pub(crate) abnormal: u64,
    /// Where the message may be cut.
    cut: Option<Cut>,
}

/// The part of the text that follows PID-8 in PID, and the segments up to there.
#[derive(Debug, Clone)]
struct Cut {
    from: usize,
    to: usize,
    segments: [u32; SEGMENTS.len()],
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct PersonFacts {
    pub(crate) number: u64,
    pub(crate) sex: &'static str,
    /// Completed years at the time of the message; `None` when the birth date is damaged.
    pub(crate) age: Option<i32>,
}

/// Everything the segments of one message share.
pub(crate) struct Page<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) facts: &'a mut Facts,
    pub(crate) visit: &'a Encounter,
    pub(crate) rng: &'a mut Rng,
    pub(crate) event: Event,
    pub(crate) at: Moment,
    pub(crate) facility: &'static Facility,
    pub(crate) application: Application,
    pub(crate) version: Version,
    pub(crate) damage: Option<Damage>,
}

/// Writes one message. `sequence` makes its control id unique in the feed.
pub(crate) fn render(wire: &mut Wire, facts: &mut Facts, visit: &mut Encounter, step: Step, sequence: u64, damage: Option<Damage>) {
    wire.clear();
    let mut rng = visit.rng.clone();
    let facility = &FACILITIES[visit.facility];
    let application = application(step.event);
    let version = facility.version.max(application.at_least);
    facts.event = step.event as usize;
    facts.facility = visit.facility;
    facts.version = version.text();
    facts.person = None;
    facts.labs.clear();
    facts.abnormal = 0;
    facts.cut = None;
    let mut page = Page { wire, facts, visit, rng: &mut rng, event: step.event, at: step.at, facility, application, version, damage };
    page.msh(sequence);
    match step.event {
        Event::Result => results::laboratory(&mut page),
        Event::Document => results::document(&mut page),
        Event::Order => orders::order(&mut page),
        Event::Dispense => orders::dispense(&mut page),
        Event::Vaccination => orders::vaccination(&mut page),
        Event::Appointment => orders::appointment(&mut page),
        Event::Merge => page.merge(),
        _ => page.admission(),
    }
    page.cut();
    visit.rng = rng;
}

impl Page<'_> {
    /// A time as the sending system writes it.
    pub(crate) fn stamp(&self, at: Moment) -> Stamp {
        Stamp::new(at, self.application.precision, self.facility.zone)
    }

    pub(crate) fn clinician(&mut self, number: u64) {
        push_clinician(self.wire, self.visit.facility, number, self.version);
    }

    fn msh(&mut self, sequence: u64) {
        let now = self.stamp(self.at.plus(SENT_AFTER));
        let (kind, structure) = EVENTS[self.event as usize];
        let wire = &mut *self.wire;
        wire.segment(Seg::Msh).at(3).raw(self.application.code).at(4).raw(self.facility.code).at(5).raw("SUTURA").at(6).raw("HUB");
        wire.at(7).stamp(&now).at(9).raw(kind).raw("^").raw(structure).at(10);
        if self.damage != Some(Damage::MissingControlId) {
            wire.raw(self.facility.prefix).padded(sequence, 10);
        }
        wire.at(11).raw("P").at(12);
        if self.damage == Some(Damage::WrongVersion) {
            self.facts.version = "9.9";
        }
        wire.raw(self.facts.version).at(15).raw("AL").at(16).raw("NE").at(17).raw("USA");
        if self.version > Version::V231 || self.visit.person.non_ascii {
            wire.at(18).raw("UNICODE UTF-8");
        }
    }

    pub(crate) fn evn(&mut self) {
        let at = self.stamp(self.at);
        self.wire.segment(Seg::Evn);
        if self.version < Version::V27 {
            let (kind, _) = EVENTS[self.event as usize];
            self.wire.at(1).raw(&kind[4..]);
        }
        self.wire.at(2).stamp(&at).at(5);
        self.clinician(self.visit.attending);
        self.wire.at(6).stamp(&at);
    }

    pub(crate) fn pid(&mut self) {
        if self.damage == Some(Damage::MissingPid) {
            return;
        }
        let person = &self.visit.person;
        let age = person.age_on(self.at.plus(SENT_AFTER).day());
        let birth_damaged = self.damage == Some(Damage::InvalidDate);
        self.facts.person = Some(PersonFacts { number: person.number, sex: person.sex.code(), age: (!birth_damaged).then_some(age) });
        let wire = &mut *self.wire;
        wire.segment(Seg::Pid).at(1).raw("1").at(3);
        record_number(wire, person, self.visit.facility);
        if person.number.is_multiple_of(4) {
            wire.raw("~");
            record_number(wire, person, (self.visit.facility + 1) % FACILITIES.len());
        }
        if let (Version::V27, Some(ssn)) = (self.version, person.ssn) {
            wire.raw("~").number(u64::from(ssn)).raw("^^^SSA^SS");
        }
        wire.at(5);
        name(wire, person);
        wire.raw("^^^^L");
        if let Some(maiden) = person.maiden {
            wire.raw("~").plain(maiden).raw("^").raw(person.given).raw("^^^^^M");
        }
        wire.at(6).plain(person.mother).raw("^^^^^^M").at(7);
        let (year, month, date) = person.birth_date();
        if birth_damaged {
            wire.padded(year as u64, 4).raw("1345");
        } else {
            wire.padded(year as u64, 4).padded(u64::from(month), 2).padded(u64::from(date), 2);
            if age == 0 {
                wire.padded(person.number % 24, 2).padded(person.number % 60, 2);
            }
        }
        wire.at(8).raw(person.sex.code());
        let after_sex = wire.text.len();
        wire.at(10).coded(person.race, "HL70005").at(11);
        address(wire, person);
        if person.number.is_multiple_of(9) {
            let place = person.place;
            wire.raw("~PO Box ").number(person.number % 7919 + 1);
            wire.raw("^^").raw(place.city).raw("^").raw(place.state).raw("^").raw(place.zip).raw("^USA^M");
        }
        wire.at(13);
        phone(wire, person.home_phone, "PH", self.version);
        if let Some(mobile) = person.mobile {
            wire.raw("~");
            phone(wire, mobile, "CP", self.version);
        }
        if person.has_email {
            wire.raw("~^NET^Internet^");
            person.email(&mut wire.text);
        }
        // The update takes the telephone at work back.
        if self.event == Event::Update {
            wire.at(14).raw("\"\"");
        }
        wire.at(15).coded(person.language, "ISO639").at(16).raw(person.marital);
        wire.at(18).raw("A").padded(self.visit.number, 9).raw("^^^").raw(self.facility.code).raw("^AN");
        if let (true, Some(ssn)) = (self.version < Version::V27, person.ssn) {
            wire.at(19);
            if self.visit.facility.is_multiple_of(2) {
                let ssn = u64::from(ssn);
                wire.number(ssn / 1_000_000).raw("-").padded(ssn / 10_000 % 100, 2).raw("-").padded(ssn % 10_000, 4);
            } else {
                wire.number(u64::from(ssn));
            }
        }
        wire.at(22).raw(person.ethnicity);
        if self.damage == Some(Damage::CutMessage) {
            self.facts.cut = Some(Cut { from: after_sex, to: wire.text.len(), segments: wire.segments });
        }
    }

    /// Drops what comes after some position in PID, and what was counted of it.
    fn cut(&mut self) {
        let Some(cut) = self.facts.cut.take() else { return };
        let mut at = self.rng.between(cut.from as i64, cut.to as i64) as usize;
        while !self.wire.text.is_char_boundary(at) {
            at -= 1;
        }
        self.wire.text.truncate(at);
        self.wire.segments = cut.segments;
        self.facts.labs.clear();
        self.facts.abnormal = 0;
    }

    pub(crate) fn pv1(&mut self) {
        let visit = self.visit;
        let admitted = self.stamp(visit.start);
        let moved = visit.class == Class::Inpatient && self.event == Event::Transfer;
        self.wire.segment(Seg::Pv1).at(1).raw("1").at(2).raw(visit.class.code()).at(3);
        self.location(if moved { visit.ward + 1 } else { visit.ward });
        self.wire.at(4).raw(if visit.class == Class::Emergency { "E" } else { "R" });
        if moved {
            self.wire.at(6);
            self.location(visit.ward);
        }
        self.wire.at(7);
        self.clinician(visit.attending);
        self.wire.at(10).raw(if visit.class == Class::Inpatient { "MED" } else { "AMB" });
        if visit.class == Class::Inpatient {
            self.wire.at(14).raw("7").at(17);
            self.clinician(visit.attending / 2);
        }
        self.wire.at(19).raw("V").padded(visit.number, 9).raw("^^^").raw(self.facility.code).raw("^VN");
        if self.event == Event::Discharge {
            self.wire.at(36).raw("01");
        }
        // An appointment is before the visit: there is no admission yet.
        if self.event != Event::Appointment {
            self.wire.at(44).stamp(&admitted);
        }
        if self.event == Event::Discharge {
            let left = self.stamp(visit.end);
            self.wire.at(45).stamp(&left);
        }
    }

    fn location(&mut self, ward: usize) {
        let visit = self.visit;
        let bed = ["A", "B"][visit.room as usize % 2];
        self.wire.raw(WARDS[ward % WARDS.len()]).raw("^").number(u64::from(visit.room)).raw("^").raw(bed).raw("^").raw(self.facility.code);
    }

    pub(crate) fn nk1(&mut self) {
        let kin = self.visit.person.kin;
        let wire = &mut *self.wire;
        wire.segment(Seg::Nk1).at(1).raw("1").at(2).plain(kin.family).raw("^").raw(kin.given).at(3).coded(kin.relation, "HL70063").at(5);
        phone(wire, kin.phone, "PH", self.version);
    }

    fn admission(&mut self) {
        self.evn();
        self.pid();
        let full = matches!(self.event, Event::Admit | Event::Register | Event::Update);
        if full {
            self.nk1();
        }
        self.pv1();
        if self.event == Event::Admit {
            self.wire.segment(Seg::Pv2).at(3).raw("^").plain(REASONS[self.visit.reason].1);
        }
        if full {
            self.allergies();
        }
        if full || self.event == Event::Discharge {
            self.diagnoses();
        }
        if full {
            self.insurance();
        }
        if full && self.visit.number.is_multiple_of(4) {
            let wire = &mut *self.wire;
            wire.segment(Seg::Zpv)
                .at(1)
                .raw("1")
                .at(2)
                .raw("VIP")
                .at(3)
                .plain("Courtesy parking & meals")
                .at(4)
                .number(self.visit.number % 97);
        }
    }

    fn merge(&mut self) {
        self.evn();
        self.pid();
        // The number a hurried registration had given.
        let person = &self.visit.person;
        let wire = &mut *self.wire;
        wire.segment(Seg::Mrg).at(1).raw("T").padded(self.visit.number, 8).raw("^^^").raw(self.facility.code).raw("^MR");
        wire.at(7);
        name(wire, person);
        wire.raw("^^^^L");
    }

    fn allergies(&mut self) {
        for (position, allergy) in self.visit.person.allergies.iter().enumerate() {
            let (kind, code, text, system, reaction) = ALLERGIES[allergy];
            let wire = &mut *self.wire;
            wire.segment(Seg::Al1).at(1).number(position as u64 + 1).at(2).raw(kind).at(3).coded((code, text), system);
            wire.at(4).raw("MO").at(5).plain(reaction);
            if position == 0 {
                wire.raw("~Pruritus");
            }
        }
    }

    fn diagnoses(&mut self) {
        let visit = self.visit;
        let at = self.stamp(self.at);
        let kind = if self.event == Event::Discharge { "F" } else { "A" };
        let reason = REASONS[visit.reason];
        let chronic = visit.person.conditions.iter().map(|condition| (CONDITIONS[condition], "W"));
        for (position, (diagnosis, kind)) in std::iter::once((reason, kind)).chain(chronic).enumerate() {
            self.wire.segment(Seg::Dg1).at(1).number(position as u64 + 1).at(3).coded(diagnosis, "I10").at(5).stamp(&at).at(6).raw(kind);
        }
    }

    fn insurance(&mut self) {
        let person = &self.visit.person;
        let Some(insurance) = person.insurance else { return };
        let start = Stamp::new(Moment(self.visit.start.0 - 200 * 86_400), Precision::Day, 0);
        let wire = &mut *self.wire;
        wire.segment(Seg::In1).at(1).raw("1").at(2).raw(insurance.payer).raw("-STD^").plain(insurance.payer_name).raw(" Standard");
        wire.at(3).raw(insurance.payer).at(4).plain(insurance.payer_name).at(8).raw("G").number(u64::from(insurance.group));
        wire.at(12).stamp(&start).at(15).raw("PPO").at(16);
        name(wire, person);
        wire.at(17).raw("SEL").at(36).number(insurance.member);
    }
}

/// Family, given and middle name: the first components of an XPN.
pub(crate) fn name(wire: &mut Wire, person: &Person) {
    wire.plain(person.family).raw("^").raw(person.given).raw("^");
    if let Some(middle) = person.middle {
        wire.text.push(middle);
    }
}

fn record_number(wire: &mut Wire, person: &Person, facility: usize) {
    wire.number(u64::from(person.medical_record_number(facility))).raw("^^^").raw(FACILITIES[facility].code).raw("^MR");
}

fn address(wire: &mut Wire, person: &Person) {
    wire.number(u64::from(person.house)).raw(" ").raw(person.street).raw("^");
    if let Some(unit) = person.unit {
        wire.raw("Apt ").number(u64::from(unit));
    }
    let place = person.place;
    wire.raw("^").raw(place.city).raw("^").raw(place.state).raw("^").raw(place.zip).raw("^USA^H^^").raw(place.county);
}

/// XTN; version 2.7 took the number as one text away.
fn phone(wire: &mut Wire, phone: Phone, equipment: &str, version: Version) {
    if version == Version::V27 {
        wire.raw("^PRN^").raw(equipment).raw("^^1^").number(u64::from(phone.area)).raw("^555").padded(u64::from(phone.line), 4);
    } else {
        spoken_phone(wire, phone);
        wire.raw("^PRN^").raw(equipment);
    }
}

/// A telephone number as people write it.
pub(crate) fn spoken_phone(wire: &mut Wire, phone: Phone) {
    wire.raw("(").number(u64::from(phone.area)).raw(")555-").padded(u64::from(phone.line), 4);
}
