//! What stays as it is, and whether it may: every value is held to its representation, and nothing of the people in the file is in it.

use sutura_dicom::{
    Element, Tag, Vr, is_modality, value,
    write::{OwnedElement, OwnedValue},
};

use super::{
    codes,
    options::Dates,
    rules::{Action, BY_CLASS, By, is_temporal},
    shapes::{is_a_release, is_an_address, is_as_many, is_its_text, is_printed, is_what_it_says},
    values::{is_code_string, is_one_of_its_values, is_temporal_value, is_time_zone},
    walk::Walk,
};
use crate::{
    error::DeidError,
    text::{cleaned, is_a_term},
};

const NUMBER_OF_FRAMES: Tag = Tag(0x0028_0008);
const LOSSY_METHOD: Tag = Tag(0x0028_2114);
const MODALITY: Tag = Tag(0x0008_0060);
const TIME_ZONE: Tag = Tag(0x0008_0201);
/// Digits of an identifier that is looked for with a decimal point in it.
const LEAST_SPLIT: usize = 8;
/// Bytes of an element that are looked at for names.
const MOST_LOOKED_AT: usize = 1 << 20;

impl<'f> Walk<'f, '_> {
    /// An element that stays; `vr` is what it is treated as.
    pub(super) fn keep(&mut self, element: &Element<'f>, vr: Vr, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let (tag, bytes) = (element.tag(), element.bytes());
        if !vr.is_text() {
            if !self.may_bytes_stay(element, vr) || (tag.group() != 0x7FE0 && self.numbers.are_in(element, vr)) {
                return self.act(element, vr, Action::Remove, "tokens");
            }
            self.kept(Action::Keep, by);
            return Ok(Some(OwnedElement::of(element)));
        }
        let base = self.rules.base_of(tag, vr);
        // Only dates that are dates: what else stands in their place is nobody knows what.
        if is_temporal(vr) && !is_temporal_value(vr, bytes) {
            return self.act(element, vr, Action::Remove, by);
        }
        if !is_what_it_says(vr, bytes) || !is_one_of_its_values(tag, bytes) || (tag == TIME_ZONE && !is_time_zone(bytes)) {
            return self.act(element, vr, base, by);
        }
        let text = element.text().unwrap_or_default();
        match vr {
            Vr::AS if !text.is_empty() => {
                let Some(shown) = self.identity.age_shown(&text) else { return self.act(element, vr, Action::Remove, by) };
                if shown != text {
                    self.proof.record(&self.path, "age", by);
                    return Ok(Some(OwnedElement { tag, vr, value: OwnedValue::Bytes(shown.into_bytes().into()) }));
                }
            }
            Vr::CS => return self.keep_codes(element, &text, by),
            Vr::DS | Vr::IS if self.has_number(tag, vr, &text) => return self.act(element, vr, base, "tokens"),
            Vr::LO | Vr::SH | Vr::ST | Vr::LT | Vr::UT | Vr::UC if codes::is_part(tag) && !codes::may_stay(element, &self.tokens) => {
                // The name of a scheme that somebody made for himself says who that is.
                let how = if tag.0 == 0x0008_0102 { base } else { Action::Clean };
                return self.act(element, vr, how, "local-code");
            }
            Vr::LO if codes::is_meaning(tag) => return self.keep_meaning(element, &text, by),
            Vr::LO | Vr::SH | Vr::UT | Vr::UC if !is_its_text(tag, &text) => return self.act(element, vr, Action::Dummy, by),
            Vr::LO | Vr::SH | Vr::ST | Vr::LT | Vr::UT | Vr::UC if !codes::is_part(tag) => {
                let is_loose = self.cleaned_around > 0;
                if is_loose || self.tokens.are_in(&text) || (by == BY_CLASS && is_an_address(&text)) {
                    return self.clean(element, vr, if is_loose { by } else { "tokens" });
                }
            }
            Vr::PN | Vr::AE | Vr::UR if self.tokens.are_in(&text) => return self.act(element, vr, base, "tokens"),
            _ => {}
        }
        self.kept(Action::Keep, by);
        if vr == element.vr() && bytes.is_ascii() && !bytes.contains(&0x1B) {
            return Ok(Some(OwnedElement::of(element)));
        }
        self.has_text |= !text.is_ascii();
        Ok(Some(OwnedElement { tag, vr, value: OwnedValue::Bytes(text.into_owned().into()) }))
    }

    /// What a code means: as its terminology says, where that is known here; else cleaned, as any text.
    fn keep_meaning(&mut self, element: &Element<'f>, text: &str, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let vr = Vr::LO;
        let item = element.data_set();
        let part = |tag| item.text(Tag(tag)).unwrap_or_default();
        let (scheme, code) = (part(codes::SCHEME), part(codes::VALUE));
        match codes::known_meaning(&scheme, &code) {
            _ if text.is_empty() => {}
            Some(known) if known != text => {
                self.proof.record(&self.path, "cleaned", codes::BY_CODE);
                return Ok(Some(text_element(element.tag(), vr, known)));
            }
            // A unit is called by its own symbol, whatever language the rest is in.
            None if scheme == "UCUM" && code != text && cleaned(text, &self.tokens) != text => {
                self.proof.record(&self.path, "cleaned", codes::BY_CODE);
                return Ok(Some(text_element(element.tag(), vr, &code)));
            }
            None if cleaned(text, &self.tokens) != text => return self.clean(element, vr, codes::BY_CODE),
            _ => {}
        }
        self.kept(Action::Keep, by);
        self.has_text |= !text.is_ascii();
        Ok(Some(text_element(element.tag(), vr, text)))
    }

    /// Codes (`CS`), each value for itself: one that holds a name or number, or is no code, is left empty.
    fn keep_codes(&mut self, element: &Element<'f>, text: &str, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let (tag, vr) = (element.tag(), Vr::CS);
        let may_stay = |value: &str| {
            let value = value.trim();
            // Lossy compression is named by the number of its standard.
            let is_standard = value.starts_with("ISO_") && tag == LOSSY_METHOD;
            let has_no_long_number = is_standard || value.split(|letter: char| !letter.is_ascii_digit()).all(|run| run.len() <= 4);
            let is_somebodys = || self.tokens.are_in(value) && !is_a_term(value) && !(tag == MODALITY && is_modality(value));
            is_code_string(value) && has_no_long_number && !is_somebodys()
        };
        if text.split('\\').all(may_stay) {
            self.kept(Action::Keep, by);
            return Ok(Some(if element.vr() == vr { OwnedElement::of(element) } else { text_element(tag, vr, text) }));
        }
        let left: Vec<_> = text
            .split('\\')
            .map(|value| {
                if may_stay(value) {
                    return value.to_owned();
                }
                let left = cleaned(value, &self.tokens).to_uppercase();
                if may_stay(&left) { left } else { String::new() }
            })
            .collect();
        if left.iter().all(String::is_empty) {
            let base = self.rules.base_of(tag, vr);
            return self.act(element, vr, base, "tokens");
        }
        self.proof.record(&self.path, "cleaned", "tokens");
        Ok(Some(text_element(tag, vr, &left.join("\\"))))
    }

    /// Whether a number is an identifier, the birth date, or a day that has to go.
    fn has_number(&self, tag: Tag, vr: Vr, text: &str) -> bool {
        if tag == NUMBER_OF_FRAMES {
            return false;
        }
        // Of numbers that pixels and places in space need, and of many, only long ones say something.
        let several = text.split('\\').nth(2).is_some();
        let least = if several || tag.group() == 0x0028 { 5 } else { 3 };
        text.split('\\').map(str::trim).any(|number| {
            let is_a_day = || {
                vr == Vr::IS && self.options.dates != Dates::Full && number.len() == 8 && {
                    value::date(number.as_bytes()).is_some() && (number.starts_with("19") || number.starts_with("20"))
                }
            };
            self.tokens.is_number(number, least) || is_a_day() || self.is_a_day_or_split(number)
        })
    }

    /// Whether a decimal number is a day of the file, or one of its long identifiers with a point in it.
    fn is_a_day_or_split(&self, number: &str) -> bool {
        let number = number.trim_start_matches(['+', '-']);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() == 8 && fraction.bytes().all(|byte| byte == b'0') {
            return whole.parse().is_ok_and(|number| self.numbers.is_a_day(number));
        }
        !fraction.is_empty()
            && whole.len() + fraction.len() >= LEAST_SPLIT
            && self.tokens.is_number(&format!("{whole}{fraction}"), LEAST_SPLIT)
    }

    /// Whether bytes are numbers, as many as the attribute has, and no name is written in them.
    fn may_bytes_stay(&self, element: &Element<'f>, vr: Vr) -> bool {
        let (tag, bytes) = (element.tag(), element.bytes());
        // Pixels, and where their frames are, are looked at as pixels.
        if matches!(tag.0, 0x7FE0_0001..=0x7FE0_0003 | 0x7FE0_0008..=0x7FE0_0010) {
            return true;
        }
        let Some(attribute) = element.attribute() else { return false };
        !element.is_fragments()
            && is_as_many(attribute, vr, bytes)
            && !is_printed(bytes)
            && (bytes.len() > MOST_LOOKED_AT || !self.tokens.are_in_bytes(bytes))
    }

    /// What a program is called: its releases stay, a text does not.
    pub(super) fn keep_release(&mut self, element: &Element<'f>, vr: Vr, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let text = element.text().unwrap_or_default();
        if self.tokens.are_in(&text) || !is_a_release(&text) {
            return self.act(element, vr, Action::Remove, by);
        }
        self.kept(Action::Keep, by);
        Ok(Some(text_element(element.tag(), vr, &text)))
    }
}

fn text_element(tag: Tag, vr: Vr, text: &str) -> OwnedElement {
    OwnedElement { tag, vr, value: OwnedValue::Bytes(text.to_owned().into_bytes().into()) }
}
