//! What is looked at before: the UIDs to replace, and names, birth dates and identifiers of people.

use std::collections::HashSet;

use chrono::NaiveDate;
use sutura_core::PhiClass;
use sutura_dicom::{DataSet, Element, Tag, Vr, dictionary::is_registered_uid, value};

use super::rules::{Action, Rules};
use crate::text::Tokens;

/// Most words and identifiers of people that are kept in mind of one file.
const MOST_TOKENS: usize = 4096;
const PATIENT_NAME: Tag = Tag(0x0010_0010);
const PATIENT_ID: Tag = Tag(0x0010_0020);
const BIRTH_DATE: Tag = Tag(0x0010_0030);
/// Device Serial Number, Station Name, Gantry ID, Detector ID, names and titles of stations, Study ID.
const THINGS: [u32; 10] =
    [0x0018_1000, 0x0008_1010, 0x0018_1008, 0x0018_700A, 0x0040_0010, 0x0040_0242, 0x0040_0001, 0x0040_0241, 0x0008_0055, 0x0020_0010];
/// Name, address and department of the institution, address, country and region, occupation, rank and religion of the patient, requesting service, locations of
/// procedures.
const PLACES: [u32; 12] = [
    0x0008_0080,
    0x0008_0081,
    0x0008_1040,
    0x0010_1040,
    0x0010_2150,
    0x0010_2152,
    0x0010_2180,
    0x0010_1080,
    0x0010_21F0,
    0x0032_1033,
    0x0040_0011,
    0x0040_0243,
];
/// Days that are kept in mind of one file.
const MOST_DAYS: usize = 64;

#[derive(Default)]
pub(crate) struct Seen<'f> {
    pub(crate) uids: Vec<&'f str>,
    pub(crate) tokens: Tokens,
    /// The days that the file names, but for birth dates.
    pub(crate) days: Vec<NaiveDate>,
    known: HashSet<&'f str>,
    count: usize,
}

impl<'f> Seen<'f> {
    /// Of a whole data set, the patient first. What the rules leave in its own place is looked for in no other.
    pub(crate) fn of(data_set: DataSet<'f>, rules: &Rules<'_>) -> Self {
        let mut seen = Self::default();
        data_set
            .elements()
            .filter(|element| element.tag().group() == 0x0010 && element.vr() != Vr::SQ)
            .for_each(|element| seen.token(&element, rules));
        seen.look(data_set, rules);
        seen
    }

    fn look(&mut self, data_set: DataSet<'f>, rules: &Rules<'_>) {
        for element in data_set.elements() {
            match element.vr() {
                Vr::SQ => element.items().for_each(|item| self.look(item, rules)),
                Vr::DA | Vr::DT if self.days.len() < MOST_DAYS => self.day(&element),
                vr => {
                    let is_uid = vr == Vr::UI || element.attribute().is_some_and(|attribute| attribute.vr == Vr::UI);
                    if is_uid {
                        self.uid(&element);
                    } else if self.count < MOST_TOKENS {
                        self.token(&element, rules);
                    }
                }
            }
        }
    }

    fn uid(&mut self, element: &Element<'f>) {
        for uid in uids_of(element).filter(|uid| !uid.is_empty() && !is_registered_uid(uid)) {
            if self.known.insert(uid) {
                self.uids.push(uid);
            }
        }
    }

    fn day(&mut self, element: &Element<'f>) {
        if element.tag() == BIRTH_DATE {
            return;
        }
        for part in element.bytes().split(|byte| *byte == b'\\').take(MOST_DAYS) {
            let day = part.get(..8).and_then(value::date);
            self.days.extend(day.filter(|day| !self.days.contains(day)));
        }
    }

    fn token(&mut self, element: &Element<'f>, rules: &Rules<'_>) {
        let Some(kind) = kind_of(element) else { return };
        if matches!(kind, Kind::Thing | Kind::Place) && matches!(rules.decide(element.tag(), element.vr()).0, Action::Keep | Action::Clean)
        {
            return;
        }
        let text = match element.text() {
            Some(text) if element.vr().is_text() => text,
            // A name in the place of bytes is still one.
            _ if element.bytes().len() < 1024 => String::from_utf8_lossy(element.bytes()).into_owned().into(),
            _ => return,
        };
        self.count += 1;
        for part in text.split('\\').map(|part| part.trim_matches(['\0', ' '])) {
            match kind {
                Kind::Name => self.tokens.add_name(part),
                Kind::Identifier => self.tokens.add_identifier(part),
                Kind::Thing => self.tokens.add_thing(part),
                Kind::Place => self.tokens.add_place(part),
                Kind::BirthDate => {
                    if let Some(date) = value::date(part.as_bytes()) {
                        self.tokens.add_birth_date(date);
                    }
                }
            }
        }
    }
}

enum Kind {
    Name,
    Identifier,
    BirthDate,
    /// A device, a station, an examination.
    Thing,
    /// A place, and what is known of somebody beside a name.
    Place,
}

fn kind_of(element: &Element<'_>) -> Option<Kind> {
    let (tag, vr) = (element.tag(), element.vr());
    let attribute = element.attribute();
    if vr == Vr::PN || tag == PATIENT_NAME || attribute.is_some_and(|attribute| attribute.vr == Vr::PN) {
        return Some(Kind::Name);
    }
    if tag == BIRTH_DATE {
        return Some(Kind::BirthDate);
    }
    if tag == PATIENT_ID {
        return Some(Kind::Identifier);
    }
    if !vr.is_text() {
        return None;
    }
    if THINGS.contains(&tag.0) {
        return Some(Kind::Thing);
    }
    if PLACES.contains(&tag.0) {
        return Some(Kind::Place);
    }
    // Of others only what is of the patient or of the order: numbers of images are everywhere.
    let is_of_patient = matches!(tag.group(), 0x0010 | 0x0038) && vr != Vr::CS;
    let is_order = matches!(tag.0, 0x0008_0050 | 0x0040_2016 | 0x0040_2017 | 0x0040_1006 | 0x0040_1007 | 0x0040_2006 | 0x0040_2007);
    let identifies = match &attribute?.phi {
        PhiClass::Mrn
        | PhiClass::Ssn
        | PhiClass::Phone
        | PhiClass::Email
        | PhiClass::Account
        | PhiClass::HealthPlan
        | PhiClass::Licence => true,
        PhiClass::OtherId => is_of_patient || is_order,
        _ => is_order,
    };
    identifies.then_some(Kind::Identifier)
}

/// The UIDs of an element.
pub(crate) fn uids_of<'f>(element: &Element<'f>) -> impl Iterator<Item = &'f str> + use<'f> {
    let text = std::str::from_utf8(element.bytes()).unwrap_or_default();
    text.split('\\').map(|uid| uid.trim_matches(['\0', ' ']))
}
