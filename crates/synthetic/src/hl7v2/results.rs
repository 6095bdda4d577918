//! Results: laboratory reports (ORU^R01) and clinical documents (MDM^T02).

use crate::{
    calendar::{Moment, Stamp, date_from_days},
    clinical::{CONDITIONS, LABS, Lab, PANELS, REASONS},
    people::Sex,
    rng::Rng,
};

use super::{
    damage::{Damage, TEXT_FOR_A_NUMBER, push_oversized},
    encounter::Event,
    facilities::Version,
    messages::{Page, spoken_phone},
    wire::{Seg, Wire},
};

/// A report has two to twenty results.
const MAX_RESULTS: usize = 20;

pub(crate) fn laboratory(page: &mut Page<'_>) {
    page.pid();
    page.pv1();
    let wanted = match page.rng.below(100) {
        0..=44 => 1,
        45..=84 => 2,
        _ => 3,
    };
    let first = page.rng.below(PANELS.len() as u64) as usize;
    let mut results = 0;
    let mut reported = 0;
    for step in 0..wanted {
        let panel = (first + step) % PANELS.len();
        if results + PANELS[panel].count > MAX_RESULTS {
            break;
        }
        results += PANELS[panel].count;
        reported += 1;
        order(page, panel, reported);
    }
}

fn order(page: &mut Page<'_>, panel: usize, number: u64) {
    let panel = &PANELS[panel];
    let collected = page.stamp(page.at.plus(-2400));
    let received = page.stamp(page.at.plus(-1500));
    let reported = page.stamp(page.at);
    // The order's own number: no two orders of a visit share it.
    let placer = page.rng.below(1_000_000_000);
    page.wire.segment(Seg::Orc).at(1).raw("RE");
    order_numbers(page.wire, placer);
    page.wire.at(5).raw("CM").at(9).stamp(&collected).at(12);
    page.clinician(page.visit.attending);
    page.wire.segment(Seg::Obr).at(1).number(number);
    order_numbers(page.wire, placer);
    page.wire.at(4).coded((panel.code, panel.name), "LN").at(7).stamp(&collected).at(14).stamp(&received);
    if page.version < Version::V27 {
        page.wire.at(15).coded(panel.specimen, "HL70487");
    }
    page.wire.at(16);
    page.clinician(page.visit.attending);
    page.wire.at(22).stamp(&reported).at(24).raw("LAB").at(25).raw("F");
    for (position, at) in (panel.first..panel.first + panel.count).enumerate() {
        result(page, at, position, number == 1 && position == 0, &collected);
    }
}

fn order_numbers(wire: &mut Wire, placer: u64) {
    wire.at(2).raw("P").padded(placer, 9).raw("^EHR").at(3).raw("F").padded(placer, 9).raw("^CORELAB");
}

fn result(page: &mut Page<'_>, at: usize, position: usize, is_first: bool, collected: &Stamp) {
    let lab = &LABS[at];
    let value = draw(page.rng, lab);
    let damaged = is_first && page.damage == Some(Damage::TextInNumeric);
    let wire = &mut *page.wire;
    wire.segment(Seg::Obx).at(1).number(position as u64 + 1).at(2).raw("NM").at(3).coded((lab.code, lab.name), "LN").at(4).raw("1").at(5);
    if damaged {
        wire.raw(TEXT_FOR_A_NUMBER);
    } else {
        wire.decimal(value, lab.decimals);
        page.facts.labs.push((at as u8, value));
    }
    wire.at(6).raw(lab.unit).raw("^^UCUM").at(7).decimal(lab.low, lab.decimals).raw("-").decimal(lab.high, lab.decimals);
    if !damaged {
        let flag = lab.flag(value);
        page.facts.abnormal += u64::from(flag != "N");
        wire.at(8).raw(flag);
    }
    wire.at(11).raw("F").at(14).stamp(collected);
    let critical = value < lab.critical.0 || value > lab.critical.1;
    if is_first && page.damage == Some(Damage::OversizedField) {
        page.wire.segment(Seg::Nte).at(1).raw("1").at(2).raw("L").at(3).raw("Method:");
        push_oversized(page.wire);
    } else if damaged || (critical && page.rng.percent(60)) {
        comment(page, damaged);
    } else if page.rng.below(400) == 0 {
        page.wire.segment(Seg::Nte).at(1).raw("1").at(2).raw("L").at(3).plain("Specimen slightly hemolyzed; interpret K+ & LDH with care");
    }
}

fn comment(page: &mut Page<'_>, damaged: bool) {
    page.wire.segment(Seg::Nte).at(1).raw("1").at(2).raw("L").at(3);
    if damaged {
        page.wire.plain("No value: please send a new specimen");
        return;
    }
    page.wire.plain("Critical value called & read back.").raw("\\.br\\Notified: ").raw("nurse in charge, ext. ");
    page.wire.number(2000 + page.visit.number % 900);
}

/// Mostly a usual value, sometimes an abnormal one, rarely a critical one.
fn draw(rng: &mut Rng, lab: &Lab) -> i32 {
    let (low, high) = match rng.below(100) {
        0..=77 => (lab.low, lab.high),
        78..=93 => (lab.critical.0.max(lab.possible.0), lab.critical.1.min(lab.possible.1)),
        _ => lab.possible,
    };
    // The mean of two draws: values near the middle are more frequent.
    let (low, high) = (i64::from(low), i64::from(high));
    i64::midpoint(rng.between(low, high), rng.between(low, high)) as i32
}

/// A document type: HL7 table 0270, LOINC code and name.
type Kind = (&'static str, &'static str, &'static str);

pub(crate) fn document(page: &mut Page<'_>) {
    page.evn();
    page.pid();
    page.pv1();
    let near_the_end = page.at >= page.visit.end.plus(-3000);
    let kind: Kind = match (page.visit.class.code(), near_the_end) {
        ("I", true) => ("DS", "18842-5", "Discharge summary"),
        ("I", false) => ("HP", "34117-2", "History and physical note"),
        ("E", _) => ("ED", "34111-5", "Emergency department Note"),
        _ => ("PN", "11506-3", "Progress note"),
    };
    let written = page.stamp(page.at);
    page.wire.segment(Seg::Txa).at(1).raw("1").at(2).raw(kind.0).at(3).raw("TX").at(4).stamp(&written).at(5);
    page.clinician(page.visit.attending);
    page.wire.at(12).raw("D").padded(page.visit.number, 9).number(page.rng.below(1000)).raw("^DOCSYS").at(17).raw("AU");
    // One line per OBX, or all lines as repetitions of one.
    let repeats = page.visit.number % 4 == 1;
    let lines = note_lines(page);
    for line in 0..lines {
        if line == 0 || !repeats {
            page.wire.segment(Seg::Obx).at(1).number(line + 1).at(2).raw("TX").at(3).coded((kind.1, kind.2), "LN").at(4).raw("1").at(5);
        } else {
            page.wire.raw("~");
        }
        note_line(page, line, kind);
        if !repeats || line + 1 == lines {
            page.wire.at(11).raw("F");
        }
    }
}

fn note_lines(page: &Page<'_>) -> u64 {
    9 + page.visit.number % 3
}

/// The lines of a note. They name the patient, relatives, dates, numbers and telephones, as notes do.
fn note_line(page: &mut Page<'_>, line: u64, kind: Kind) {
    let person = &page.visit.person;
    let reason = REASONS[page.visit.reason].1;
    let (title, subject, possessive) = match person.sex {
        Sex::Female => ("Ms.", "She", "her"),
        Sex::Male => ("Mr.", "He", "his"),
        _ => ("Patient", "They", "their"),
    };
    let visit = page.visit;
    let now = page.at;
    let facility = page.facility.name;
    let wire = &mut *page.wire;
    match line {
        0 => {
            wire.plain(kind.2).raw(" - ").plain(facility);
            if page.damage == Some(Damage::OversizedField) {
                push_oversized(wire);
            }
        }
        1 => {
            wire.raw("Patient: ").plain(person.family).raw(", ").raw(person.given).raw("   MRN: ");
            wire.number(u64::from(person.medical_record_number(visit.facility))).raw("   DOB: ");
            american_date(wire, person.birth_day());
        }
        2 => {
            wire.raw(title).raw(" ").plain(person.family).raw(" is a ");
            age(wire, person.age_on(now.day()));
            wire.raw(" patient who came on ");
            american_date(wire, visit.start.day());
            wire.raw(" with: ").plain(reason).raw(".");
        }
        3 => {
            wire.raw("History: ");
            if person.conditions.is_empty() {
                wire.raw("no chronic conditions known.");
            }
            for (position, condition) in person.conditions.iter().enumerate() {
                wire.raw(if position > 0 { "; " } else { "" }).plain(CONDITIONS[condition].1);
            }
        }
        4 => {
            wire.raw(subject).raw(" lives at ").number(u64::from(person.house)).raw(" ").raw(person.street).raw(" in ");
            wire.raw(person.place.city).raw(", ").raw(person.place.state).raw(" ").raw(person.place.zip).raw(".");
        }
        5 => {
            let kin = person.kin;
            wire.raw("Spoke with ").raw(possessive).raw(" ").raw(&kin.relation.1.to_ascii_lowercase()).raw(" ").raw(kin.given).raw(" ");
            wire.plain(kin.family).raw(" at ");
            spoken_phone(wire, kin.phone);
            wire.raw(" on ");
            month_date(wire, now.day());
            wire.raw(".");
        }
        6 => {
            wire.plain("Exam: alert & oriented; BP ").number(105 + visit.number % 50).raw("/").number(60 + visit.number % 35);
            wire.raw(", HR ").number(58 + visit.number % 60).plain(", T < 38 C. Lungs clear | heart regular.");
        }
        7 => {
            wire.raw("Plan: labs in the morning, continue home medication. Follow up on ");
            month_date(wire, Moment(visit.end.0 + 14 * 86_400).day());
            wire.raw(".");
        }
        8 => {
            wire.raw(person.given).raw(" can be reached at ");
            spoken_phone(wire, person.mobile.unwrap_or(person.home_phone));
            if person.has_email {
                wire.raw(" or ");
                person.email(&mut wire.text);
            }
            wire.raw(".");
        }
        9 => {
            wire.raw("Allergies reviewed with ").raw(title).raw(" ").plain(person.family).raw(".");
        }
        _ => {
            wire.raw("Electronically signed ");
            american_date(wire, now.day());
            wire.raw(if page.event == Event::Document { " \\H\\final\\N\\" } else { "" });
        }
    }
}

fn age(wire: &mut Wire, years: i32) {
    if years < 2 {
        wire.raw("very young");
    } else {
        wire.number(years as u64).raw("-year-old");
    }
}

/// `3/14/1957`.
fn american_date(wire: &mut Wire, day: i32) {
    let (year, month, day) = date_from_days(day);
    wire.number(u64::from(month)).raw("/").number(u64::from(day)).raw("/").number(year as u64);
}

/// `March 14, 1957`.
fn month_date(wire: &mut Wire, day: i32) {
    const MONTHS: [&str; 12] =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    let (year, month, day) = date_from_days(day);
    wire.raw(MONTHS[month as usize - 1]).raw(" ").number(u64::from(day)).raw(", ").number(year as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_agree_with_ranges() {
        let mut rng = Rng::for_item(1, 1, 1);
        let mut seen = std::collections::BTreeSet::new();
        for lab in &LABS {
            for _ in 0..2000 {
                let value = draw(&mut rng, lab);
                assert!((lab.possible.0.min(lab.low)..=lab.possible.1.max(lab.high)).contains(&value));
                assert_eq!(lab.flag(value) == "N", (lab.low..=lab.high).contains(&value));
                seen.insert(lab.flag(value));
            }
        }
        assert_eq!(seen.len(), 5);
    }
}
