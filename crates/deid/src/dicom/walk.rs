//! The way through a data set: each element meets its rule.

use std::{borrow::Cow, collections::HashMap};

use sutura_core::PhiClass;
use sutura_dicom::{
    DataSet, DicomFile, Element, Tag, Vr, dictionary,
    write::{OwnedDataSet, OwnedElement, OwnedValue},
};

use super::{
    identity::{Identity, Shift},
    options::{Dates, Options},
    private,
    proof::Proof,
    rules::{Action, BY_BASIC, By, Rules, is_temporal},
    values::{age_shown, dummy, is_code_string, is_one_of_its_values, is_temporal_value, modified},
};
use crate::{
    error::DeidError,
    text::{Tokens, cleaned},
};

/// Most words and identifiers of people that are kept in mind of one file.
const MOST_TOKENS: usize = 4096;

/// The way through one file.
pub(crate) struct Walk<'f, 'w> {
    options: &'w Options,
    identity: &'w Identity,
    rules: Rules<'w>,
    proof: &'w mut Proof,
    tokens: Tokens,
    uids: HashMap<&'f str, String>,
    patient: Option<String>,
    shift: Shift,
    path: Vec<Tag>,
    /// Sequences around that are cleaned: texts in them are too.
    cleaned_around: usize,
    /// Whether there was text that is not ASCII, or a character set.
    has_text: bool,
}

impl<'f, 'w> Walk<'f, 'w> {
    pub(crate) fn new(options: &'w Options, identity: &'w Identity, file: &'f DicomFile, proof: &'w mut Proof) -> Result<Self, DeidError> {
        let data_set = file.data_set();
        let patient = data_set.text(Tag(0x0010_0020)).unwrap_or_default();
        let sop_class = data_set.text(Tag(0x0008_0016)).unwrap_or_default();
        let mut seen = Seen::default();
        seen.look(data_set);
        let shift = identity.shift(&patient);
        if options.dates == Dates::Modified && shift == Shift::None {
            proof.warn("no-patient-to-move-dates-for");
        }
        Ok(Self {
            options,
            identity,
            rules: Rules::new(options, &sop_class),
            proof,
            tokens: seen.tokens,
            uids: if options.retain_uids { HashMap::new() } else { identity.uids(&seen.uids)? },
            patient: identity.patient_code(&patient)?,
            shift,
            path: Vec::new(),
            cleaned_around: 0,
            has_text: false,
        })
    }

    /// The whole data set.
    pub(crate) fn run(&mut self, data_set: DataSet<'f>) -> Result<OwnedDataSet, DeidError> {
        let mut out = self.data_set(data_set)?;
        if self.has_text || data_set.get(Tag(0x0008_0005)).is_some() {
            out.set_text(Tag(0x0008_0005), Vr::CS, "ISO_IR 192");
        }
        Ok(out)
    }

    /// Sequences are nested no deeper than the limit of the reader.
    fn data_set(&mut self, data_set: DataSet<'f>) -> Result<OwnedDataSet, DeidError> {
        let mut out = Vec::with_capacity(64);
        let mut creators: Vec<Tag> = Vec::new();
        for element in data_set.elements() {
            let tag = element.tag();
            // All texts are UTF-8 in the end, and say so once.
            if tag.0 == 0x0008_0005 {
                continue;
            }
            self.path.push(tag);
            let made = if tag.is_private() {
                self.private(&element, &mut creators)
            } else {
                let (action, by) = self.decide(&element);
                self.act(&element, action, by)?
            };
            out.extend(made);
            self.path.pop();
        }
        for creator in creators {
            out.extend(data_set.get(creator).map(|element| OwnedElement::of(&element)));
        }
        Ok(OwnedDataSet::from_elements(out))
    }

    fn decide(&self, element: &Element<'f>) -> (Action, By) {
        let (tag, vr) = (element.tag(), element.vr());
        let (action, by) = self.rules.decide(tag, vr);
        if !matches!(action, Action::Keep | Action::Clean) {
            return (action, by);
        }
        // Overlays may be graphics with text in them; only regions stay.
        if tag.group() & 0xFF00 == 0x6000 {
            let kind = element.data_set().text(Tag::new(tag.group(), 0x0040));
            if kind.as_deref() != Some("R") {
                return (Action::Remove, BY_BASIC);
            }
        }
        // What is written as something else than it is was not looked at by those who made the table.
        let known = dictionary::attribute(tag).map_or(vr, |attribute| attribute.vr);
        let is_strange = vr == Vr::UN || (known.is_text() && !vr.is_text()) || (known == Vr::SQ) != (vr == Vr::SQ);
        if is_strange {
            return (Action::Remove, by);
        }
        if vr.is_text() && !known.is_text() && action == Action::Keep {
            return (Action::Clean, by);
        }
        (action, by)
    }

    fn private(&mut self, element: &Element<'f>, creators: &mut Vec<Tag>) -> Option<OwnedElement> {
        let tag = element.tag();
        let kept = if self.options.retain_safe_private && !element.is_sequence() { private::safe(element) } else { None };
        let Some(vr) = kept else {
            // The creator comes back where something of its block stays.
            self.proof.record(&self.path, "removed", "private");
            return None;
        };
        if let Some(creator) = private::creator_of(tag).filter(|creator| !creators.contains(creator)) {
            creators.push(creator);
        }
        self.proof.record(&self.path, "kept", "retain-safe-private");
        Some(OwnedElement { vr, ..OwnedElement::of(element) })
    }

    fn act(&mut self, element: &Element<'f>, action: Action, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let (tag, vr) = (element.tag(), element.vr());
        let with = |value| Some(OwnedElement { tag, vr, value });
        let with_text = |text: String| with(OwnedValue::Bytes(text.into()));
        Ok(match action {
            Action::Remove => {
                self.proof.record(&self.path, "removed", by);
                None
            }
            Action::Empty => {
                self.proof.record(&self.path, "emptied", by);
                with(if vr == Vr::SQ { OwnedValue::Items(Vec::new()) } else { OwnedValue::EMPTY })
            }
            Action::Dummy => {
                self.proof.record(&self.path, "dummy", by);
                with(dummy(tag, vr))
            }
            Action::Uid => {
                self.proof.record(&self.path, "uid", by);
                with_text(self.new_uids(element))
            }
            Action::Patient => {
                let code = self.patient.clone().filter(|_| !element.bytes().is_empty());
                self.proof.record(&self.path, if code.is_some() { "code" } else { "emptied" }, by);
                with_text(code.unwrap_or_default())
            }
            Action::Code => {
                let code = self.identity.accession_code(&element.text().unwrap_or_default())?;
                self.proof.record(&self.path, if code.is_some() { "code" } else { "emptied" }, by);
                with_text(code.unwrap_or_default())
            }
            Action::Date(base) => match modified(vr, element.bytes(), self.shift) {
                Some(text) => {
                    self.proof.record(&self.path, "date", by);
                    with_text(text)
                }
                None => return self.act(element, base.into(), BY_BASIC),
            },
            Action::Keep | Action::Clean if vr == Vr::SQ => {
                let is_cleaned = action == Action::Clean || by == super::rules::BY_REFERENCE;
                self.cleaned_around += usize::from(is_cleaned);
                let items = element.items().map(|item| self.data_set(item)).collect::<Result<Vec<_>, _>>()?;
                self.cleaned_around -= usize::from(is_cleaned);
                self.kept(action, by);
                with(OwnedValue::Items(items))
            }
            Action::Keep => self.keep(element, by)?,
            Action::Clean => self.clean(element, by)?,
        })
    }

    /// Counts an element that stayed.
    fn kept(&mut self, action: Action, by: By) {
        match (action, by) {
            (Action::Clean, _) => self.proof.record(&self.path, "cleaned", by),
            (_, super::rules::BY_CLASS | BY_BASIC) => self.proof.untouched += 1,
            _ => self.proof.record(&self.path, "kept", by),
        }
    }

    fn keep(&mut self, element: &Element<'f>, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let (tag, vr) = (element.tag(), element.vr());
        if !vr.is_text() {
            self.kept(Action::Keep, by);
            return Ok(Some(OwnedElement::of(element)));
        }
        // Only dates that are dates: what else stands in their place is nobody knows what.
        if is_temporal(vr) && !is_temporal_value(vr, element.bytes()) {
            return self.act(element, Action::Remove, by);
        }
        if !is_what_it_says(vr, element.bytes()) || !is_one_of_its_values(tag, element.bytes()) {
            let base = self.rules.base_of(tag, vr);
            return self.act(element, base, by);
        }
        let text = element.text().unwrap_or_default();
        if vr == Vr::AS && (self.identity.limits_ages() || tag.0 != 0x0010_1010) && !text.is_empty() {
            let Some(shown) = age_shown(&text) else { return self.act(element, Action::Remove, by) };
            self.proof.record(&self.path, "age", by);
            return Ok(Some(OwnedElement { tag, vr, value: OwnedValue::Bytes(shown.to_owned().into()) }));
        }
        let is_loose =
            self.cleaned_around > 0 && matches!(vr, Vr::LO | Vr::SH | Vr::ST | Vr::LT | Vr::UT | Vr::UC) && !is_of_a_known_code(element);
        let has_tokens = match vr {
            _ if is_loose => true,
            Vr::LO | Vr::SH | Vr::ST | Vr::LT | Vr::UT | Vr::UC | Vr::PN | Vr::AE | Vr::UR => self.tokens.are_in(&text),
            Vr::CS => self.tokens.identifiers_are_in(&text) || !is_code_string(&text),
            _ => false,
        };
        if has_tokens {
            return self.clean(element, if is_loose { by } else { "tokens" });
        }
        self.kept(Action::Keep, by);
        if element.bytes().is_ascii() && !element.bytes().contains(&0x1B) {
            return Ok(Some(OwnedElement::of(element)));
        }
        self.has_text = true;
        Ok(Some(OwnedElement { tag, vr, value: OwnedValue::Bytes(text.into_owned().into()) }))
    }

    fn clean(&mut self, element: &Element<'f>, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let (tag, vr) = (element.tag(), element.vr());
        let text = match vr {
            Vr::LO | Vr::SH | Vr::ST | Vr::LT | Vr::UT | Vr::UC | Vr::CS => element.text().unwrap_or_default(),
            // The rest cannot be cleaned word by word.
            _ => {
                let base = self.rules.base_of(tag, vr);
                return self.act(element, base, by);
            }
        };
        let left = cleaned(&text, &self.tokens);
        let left = if vr == Vr::CS && !is_code_string(&left) { Cow::Borrowed("") } else { left };
        if left.is_empty() && !text.is_empty() {
            let base = self.rules.base_of(tag, vr);
            return self.act(element, base, by);
        }
        self.has_text |= !left.is_ascii();
        self.proof.record(&self.path, "cleaned", by);
        Ok(Some(OwnedElement { tag, vr, value: OwnedValue::Bytes(left.into_owned().into()) }))
    }

    /// The new UIDs for the UIDs of an element. Those that the standard itself gives (of frames of reference, palettes) stay.
    fn new_uids(&self, element: &Element<'f>) -> String {
        let mut out = String::with_capacity(64);
        for (place, uid) in uids_of(element).enumerate() {
            if place > 0 {
                out.push('\\');
            }
            match self.uids.get(uid) {
                Some(new) => out.push_str(new),
                None if is_of_the_standard(uid) => out.push_str(uid),
                None => {}
            }
        }
        out
    }
}

/// Whether a text is part of a code of a terminology that many use: code, scheme, version or meaning.
fn is_of_a_known_code(element: &Element<'_>) -> bool {
    const SCHEMES: [&str; 26] = [
        "SCT",
        "SRT",
        "SNM3",
        "99SDM",
        "DCM",
        "LN",
        "UCUM",
        "RADLEX",
        "RADELEMENT",
        "I10",
        "I10C",
        "I10P",
        "I9C",
        "ICD10",
        "ICDO3",
        "NCIt",
        "FMA",
        "UMLS",
        "BI",
        "MA",
        "NEU",
        "C4",
        "HPC",
        "CVX",
        "RXNORM",
        "PLC",
    ];
    let tag = element.tag().0;
    if !matches!(tag, 0x0008_0100 | 0x0008_0102 | 0x0008_0103 | 0x0008_0104) {
        return false;
    }
    let Some(scheme) = element.data_set().text(Tag(0x0008_0102)) else { return false };
    let text = element.text().unwrap_or_default();
    let is_code = |letter: u8| letter.is_ascii_alphanumeric() || b"-./[]{}*%^_ ".contains(&letter);
    SCHEMES.contains(&scheme.as_ref()) && (tag == 0x0008_0104 || (text.len() <= 18 && text.bytes().all(is_code)))
}

/// Whether numbers and UIDs are written with the characters that these have: no text in their place.
fn is_what_it_says(vr: Vr, bytes: &[u8]) -> bool {
    let more: &[u8] = match vr {
        Vr::DS => b"+-.eE \\\0",
        Vr::IS => b"+-. \\\0",
        Vr::UI => b". \\\0",
        _ => return true,
    };
    bytes.iter().all(|byte| byte.is_ascii_digit() || more.contains(byte))
}

fn uids_of<'f>(element: &Element<'f>) -> impl Iterator<Item = &'f str> + use<'f> {
    let text = std::str::from_utf8(element.bytes()).unwrap_or_default();
    text.split('\\').map(|uid| uid.trim_matches(['\0', ' ']))
}

/// Whether a UID is one of the standard: its root, and few and short parts.
fn is_of_the_standard(uid: &str) -> bool {
    uid.strip_prefix("1.2.840.10008.").is_some_and(|rest| {
        let mut parts = rest.split('.');
        parts.clone().count() <= 8 && parts.all(|part| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// What is looked at before: UIDs to replace, and words and numbers of people.
#[derive(Default)]
struct Seen<'f> {
    uids: Vec<&'f str>,
    known: std::collections::HashSet<&'f str>,
    tokens: Tokens,
    count: usize,
}

impl<'f> Seen<'f> {
    fn look(&mut self, data_set: DataSet<'f>) {
        for element in data_set.elements() {
            match element.vr() {
                Vr::SQ => element.items().for_each(|item| self.look(item)),
                Vr::UI => {
                    for uid in uids_of(&element).filter(|uid| !uid.is_empty() && !is_of_the_standard(uid)) {
                        if self.known.insert(uid) {
                            self.uids.push(uid);
                        }
                    }
                }
                vr if vr.is_text() && self.count < MOST_TOKENS && !element.tag().is_private() => self.token(&element),
                _ => {}
            }
        }
    }

    fn token(&mut self, element: &Element<'f>) {
        let is_name = element.vr() == Vr::PN;
        let class = || element.attribute().map(|attribute| &attribute.phi);
        let is_identifier = !is_name
            && matches!(
                class(),
                Some(
                    PhiClass::Mrn
                        | PhiClass::Ssn
                        | PhiClass::Phone
                        | PhiClass::Email
                        | PhiClass::Account
                        | PhiClass::HealthPlan
                        | PhiClass::Licence
                )
            );
        if !(is_name || is_identifier || element.tag().0 == 0x0008_0050) {
            return;
        }
        let Some(text) = element.text() else { return };
        self.count += 1;
        for part in text.split('\\') {
            if is_name {
                self.tokens.add_name(part);
            } else {
                self.tokens.add_identifier(part);
            }
        }
    }
}
