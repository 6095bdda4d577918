//! The way through a data set: each element meets its rule.

use std::{borrow::Cow, collections::HashMap};

use sutura_dicom::{
    DataSet, DicomFile, Element, Tag, Vr, dictionary,
    write::{OwnedDataSet, OwnedElement, OwnedValue},
};

use super::{
    content::{self, Concept},
    directory,
    identity::{Identity, Shift},
    numbers::Numbers,
    options::{Dates, Options},
    private,
    proof::Proof,
    rules::{Action, BY_BASIC, By, Rules},
    seen::{Seen, uids_of},
    shapes::effective,
    values::{dummy, is_code_string, modified},
};
use crate::{
    error::DeidError,
    text::{Tokens, cleaned},
};

/// Timezone Offset From UTC.
const TIME_ZONE: Tag = Tag(0x0008_0201);
/// Graphic Layer: somebody's own word, by which graphics and layers find each other.
const GRAPHIC_LAYER: Tag = Tag(0x0070_0002);

/// The way through one file.
pub(crate) struct Walk<'f, 'w> {
    pub(super) options: &'w Options,
    pub(super) identity: &'w Identity,
    pub(super) rules: Rules<'w>,
    pub(super) proof: &'w mut Proof,
    pub(super) tokens: Tokens,
    pub(super) numbers: Numbers,
    layers: HashMap<String, usize>,
    /// What the content item around is about, whose number is in a sequence of its own.
    pub(super) concept: Option<Concept>,
    uids: HashMap<&'f str, String>,
    patient: Option<String>,
    shift: Shift,
    pub(super) path: Vec<Tag>,
    /// Sequences around that are cleaned: texts in them are too.
    pub(super) cleaned_around: usize,
    /// Whether there was text that is not ASCII, or a character set.
    pub(super) has_text: bool,
}

impl<'f, 'w> Walk<'f, 'w> {
    pub(crate) fn new(options: &'w Options, identity: &'w Identity, file: &'f DicomFile, proof: &'w mut Proof) -> Result<Self, DeidError> {
        let data_set = file.data_set();
        let patient = data_set.text(Tag(0x0010_0020)).unwrap_or_default();
        let sop_class = data_set.text(Tag(0x0008_0016)).unwrap_or_default();
        let rules = Rules::new(options, &sop_class);
        let rules = if file.is_directory() { rules.of_directory() } else { rules };
        let seen = Seen::of(data_set, &rules);
        let days: &[_] = if options.dates == Dates::Full { &[] } else { &seen.days };
        let numbers = Numbers::new(&seen.tokens, days);
        let shift = identity.shift(&patient);
        if options.dates == Dates::Modified && shift == Shift::None {
            proof.warn("no-patient-to-move-dates-for");
        }
        Ok(Self {
            options,
            identity,
            rules,
            proof,
            tokens: seen.tokens,
            numbers,
            layers: HashMap::new(),
            concept: None,
            uids: identity.uids(&seen.uids)?,
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
                let (vr, action, by) = self.decide(&element);
                let around = self.concept;
                if element.is_sequence() {
                    self.concept = if tag == content::MEASURED_VALUE { content::concept_of(data_set) } else { None };
                }
                let made = self.act(&element, vr, action, by);
                self.concept = around;
                made?
            };
            out.extend(made);
            self.path.pop();
        }
        for creator in creators {
            out.extend(data_set.get(creator).map(|element| OwnedElement::of(&element)));
        }
        Ok(OwnedDataSet::from_elements(out))
    }

    /// A record of a directory, with the patient that it names.
    fn record(&mut self, record: DataSet<'f>) -> Result<OwnedDataSet, DeidError> {
        let patient = record.text(Tag(0x0010_0020)).unwrap_or_default();
        self.patient = self.identity.patient_code(&patient)?;
        self.shift = self.identity.shift(&patient);
        self.data_set(record)
    }

    /// What an element is treated as, what becomes of it, and what decided.
    fn decide(&self, element: &Element<'f>) -> (Vr, Action, By) {
        let (tag, vr) = (element.tag(), element.vr());
        // What is written as something else than it is was not looked at by those who made the table.
        let effective = dictionary::attribute(tag).map_or(Some(vr), |attribute| effective(attribute, vr));
        let (action, by) = self.rules.decide(tag, effective.unwrap_or(vr));
        let removes = matches!(action, Action::Remove | Action::Empty | Action::Dummy | Action::Patient | Action::Code);
        let Some(vr) = effective else { return (vr, if removes { action } else { Action::Remove }, by) };
        if matches!(action, Action::Keep | Action::Clean | Action::Date(_))
            && let Some((action, by)) = self.of_concept(element, vr)
        {
            return (vr, action, by);
        }
        if !matches!(action, Action::Keep | Action::Clean) {
            return (vr, action, by);
        }
        // Overlays may be graphics with text in them; only regions stay.
        if tag.group() & 0xFF00 == 0x6000 {
            let kind = element.data_set().text(Tag::new(tag.group(), 0x0040));
            if kind.as_deref() != Some("R") {
                return (vr, Action::Remove, BY_BASIC);
            }
        }
        if tag == TIME_ZONE {
            // Beside a year it says where the patient was, and nothing of a time.
            let is_beside_times = self.options.dates == Dates::Full || matches!(self.shift, Shift::Days(_));
            return (vr, if is_beside_times { Action::Keep } else { Action::Remove }, by);
        }
        if tag == GRAPHIC_LAYER {
            return (vr, Action::Layer, by);
        }
        (vr, action, by)
    }

    fn private(&mut self, element: &Element<'f>, creators: &mut Vec<Tag>) -> Option<OwnedElement> {
        let tag = element.tag();
        let kept = if self.options.retain_safe_private && !element.is_sequence() { private::safe(element, &self.tokens) } else { None };
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

    pub(super) fn act(&mut self, element: &Element<'f>, vr: Vr, action: Action, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let tag = element.tag();
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
            Action::Age => match self.number_of_age(element) {
                Some(text) => {
                    self.proof.record(&self.path, "age", by);
                    with_text(text)
                }
                None => return self.act(element, vr, Action::Empty, by),
            },
            Action::Layer => {
                let name = element.text().unwrap_or_default().trim().to_owned();
                let next = self.layers.len() + 1;
                let number = *self.layers.entry(name).or_insert(next);
                self.proof.record(&self.path, "dummy", by);
                with_text(format!("LAYER{number}"))
            }
            Action::Date(base) => match modified(vr, element.bytes(), self.shift) {
                Some(text) => {
                    self.proof.record(&self.path, "date", by);
                    with_text(text)
                }
                None => return self.act(element, vr, base.into(), BY_BASIC),
            },
            Action::Keep | Action::Clean if vr == Vr::SQ => {
                let is_cleaned = action == Action::Clean || by == super::rules::BY_REFERENCE;
                self.cleaned_around += usize::from(is_cleaned);
                let is_directory = tag == directory::RECORDS;
                let item = |item| if is_directory { self.record(item) } else { self.data_set(item) };
                let items = element.items().map(item).collect::<Result<Vec<_>, _>>()?;
                self.cleaned_around -= usize::from(is_cleaned);
                self.kept(action, by);
                with(OwnedValue::Items(items))
            }
            Action::Keep => self.keep(element, vr, by)?,
            Action::Release => self.keep_release(element, vr, by)?,
            Action::Clean => self.clean(element, vr, by)?,
        })
    }

    /// Counts an element that stayed.
    pub(super) fn kept(&mut self, action: Action, by: By) {
        match (action, by) {
            (Action::Clean, _) => self.proof.record(&self.path, "cleaned", by),
            (_, super::rules::BY_CLASS | BY_BASIC) => self.proof.untouched += 1,
            _ => self.proof.record(&self.path, "kept", by),
        }
    }

    pub(super) fn clean(&mut self, element: &Element<'f>, vr: Vr, by: By) -> Result<Option<OwnedElement>, DeidError> {
        let tag = element.tag();
        let text = match vr {
            Vr::LO | Vr::SH | Vr::ST | Vr::LT | Vr::UT | Vr::UC | Vr::CS => element.text().unwrap_or_default(),
            // The rest cannot be cleaned word by word.
            _ => {
                let base = self.rules.base_of(tag, vr);
                return self.act(element, vr, base, by);
            }
        };
        let left = cleaned(&text, &self.tokens);
        let left = if vr == Vr::CS && !is_code_string(&left) { Cow::Borrowed("") } else { left };
        if left.is_empty() && !text.is_empty() {
            let base = self.rules.base_of(tag, vr);
            return self.act(element, vr, base, by);
        }
        self.has_text |= !left.is_ascii();
        self.proof.record(&self.path, "cleaned", by);
        Ok(Some(OwnedElement { tag, vr, value: OwnedValue::Bytes(left.into_owned().into()) }))
    }

    /// The new UIDs for the UIDs of an element. Those that are registered (of SOP classes, well-known frames of reference, palettes) stay.
    fn new_uids(&self, element: &Element<'f>) -> String {
        let mut out = String::with_capacity(64);
        for (place, uid) in uids_of(element).enumerate() {
            if place > 0 {
                out.push('\\');
            }
            match self.uids.get(uid) {
                Some(new) => out.push_str(new),
                None if dictionary::is_registered_uid(uid) => out.push_str(uid),
                None => {}
            }
        }
        out
    }
}
