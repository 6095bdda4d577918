//! What is looked at before: the UIDs to replace, and names, birth dates and identifiers of people.

use std::collections::HashSet;

use sutura_core::PhiClass;
use sutura_dicom::{DataSet, Element, Tag, Vr, dictionary::is_registered_uid, value};

use crate::text::Tokens;

/// Most words and identifiers of people that are kept in mind of one file.
const MOST_TOKENS: usize = 4096;
const PATIENT_NAME: Tag = Tag(0x0010_0010);
const PATIENT_ID: Tag = Tag(0x0010_0020);
const BIRTH_DATE: Tag = Tag(0x0010_0030);

#[derive(Default)]
pub(crate) struct Seen<'f> {
    pub(crate) uids: Vec<&'f str>,
    pub(crate) tokens: Tokens,
    known: HashSet<&'f str>,
    count: usize,
}

impl<'f> Seen<'f> {
    /// Of a whole data set, the patient first.
    pub(crate) fn of(data_set: DataSet<'f>) -> Self {
        let mut seen = Self::default();
        data_set
            .elements()
            .filter(|element| element.tag().group() == 0x0010 && element.vr() != Vr::SQ)
            .for_each(|element| seen.token(&element));
        seen.look(data_set);
        seen
    }

    fn look(&mut self, data_set: DataSet<'f>) {
        for element in data_set.elements() {
            match element.vr() {
                Vr::SQ => element.items().for_each(|item| self.look(item)),
                vr => {
                    let is_uid = vr == Vr::UI || element.attribute().is_some_and(|attribute| attribute.vr == Vr::UI);
                    if is_uid {
                        self.uid(&element);
                    } else if self.count < MOST_TOKENS {
                        self.token(&element);
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

    fn token(&mut self, element: &Element<'f>) {
        let Some(kind) = kind_of(element) else { return };
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
