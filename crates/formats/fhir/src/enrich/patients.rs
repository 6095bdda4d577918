//! What the enrichment needs to know of patients beside the resource at hand.

use std::{collections::HashMap, fmt};

use sha2::{Digest, Sha256};

use super::{
    EnrichError,
    age::{Age, AgeGroup, PartialDate},
    chronic, full_url_of,
    limits::Sex,
    social,
};
use crate::{fhirpath::Decimal, json::Value};

/// What is known of one person.
#[derive(Clone, Copy, Default)]
pub(super) struct Facts {
    /// Birth, sex and death as the Patient says; none while no Patient was read.
    pub(super) person: Option<Person>,
    /// Two Patients of one id that say different things: neither is believed.
    ambiguous: bool,
    /// Bits of [`chronic::GROUPS`].
    pub(super) chronic: u32,
    /// Bits of [`social::CATEGORIES`].
    pub(super) social: u32,
    /// First measure result, as a place in the list; 0 means none, others are one more than the place.
    results: u32,
}

/// Birth, administrative gender and death.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) birth: Option<PartialDate>,
    pub(super) gender: Gender,
    pub(super) death: Death,
}

/// Patient.gender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gender {
    Female,
    Male,
    Other,
    Unknown,
}

/// Patient.deceased[x].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    Living,
    On(PartialDate),
    /// Deceased, but no day is given.
    Unknown,
}

impl Gender {
    /// The sex that limits go by.
    pub(super) fn sex(self) -> Option<Sex> {
        match self {
            Self::Female => Some(Sex::Female),
            Self::Male => Some(Sex::Male),
            Self::Other | Self::Unknown => None,
        }
    }
}

impl Person {
    /// What a Patient says of itself.
    pub(super) fn of(patient: Value<'_>) -> Self {
        let date = |name: &str| patient.get(name).and_then(|date| date.as_str()).and_then(PartialDate::parse);
        let gender = match patient.get("gender").and_then(|gender| gender.as_str()) {
            Some("female") => Gender::Female,
            Some("male") => Gender::Male,
            Some("other") => Gender::Other,
            _ => Gender::Unknown,
        };
        let death = if patient.get("deceasedDateTime").is_some() {
            date("deceasedDateTime").map_or(Death::Unknown, Death::On)
        } else if patient.get("deceasedBoolean").and_then(|flag| flag.as_bool()) == Some(true) {
            Death::Unknown
        } else {
            Death::Living
        };
        Self { birth: date("birthDate"), gender, death }
    }

    /// The day the age is of, and whether the person was dead by then: the reference day, or the day of death before it.
    pub(super) fn as_of(&self, reference: PartialDate) -> Option<(PartialDate, bool)> {
        match self.death {
            Death::Living => Some((reference, false)),
            Death::On(day) if day.low <= reference.low => Some((day, true)),
            Death::On(_) => Some((reference, false)),
            Death::Unknown => None,
        }
    }

    /// The age at a day.
    pub(super) fn age_at(&self, day: PartialDate) -> Option<Age> {
        Age::between(self.birth?, day)
    }

    /// The age band at the reference day or at death.
    pub(super) fn group(&self, reference: PartialDate) -> Option<AgeGroup> {
        self.age_at(self.as_of(reference)?.0)?.group()
    }
}

impl Facts {
    /// Birth, sex and death, if they are known and nobody says otherwise.
    pub(super) fn person(&self) -> Option<Person> {
        self.person.filter(|_| !self.ambiguous)
    }
}

/// One result of a measure for one person.
#[derive(Clone, Copy)]
pub(super) struct MeasureResult {
    /// The measure, as a place in [`PatientIndex::texts`].
    pub(super) measure: u32,
    /// The group of the report, from 1; 0 where the report has one only.
    pub(super) group: u8,
    /// Bits of [`POPULATIONS`] with a count above zero.
    pub(super) populations: u16,
    pub(super) start: Option<PartialDate>,
    pub(super) end: Option<PartialDate>,
    /// The score, and its UCUM unit as a place in the texts (0 is the empty text).
    pub(super) score: Option<(Decimal, u32)>,
    next: u32,
}

/// The populations of a measure (code system measure-population), in the order of their bits.
pub(super) const POPULATIONS: [&str; 9] = [
    "initial-population",
    "numerator",
    "numerator-exclusion",
    "denominator",
    "denominator-exclusion",
    "denominator-exception",
    "measure-population",
    "measure-population-exclusion",
    "measure-observation",
];

/// Results kept for one person; later ones are counted only.
const MOST_RESULTS: u32 = 64;
/// Measures and units kept by name.
const MOST_TEXTS: usize = 1 << 16;
const MOST_TEXT_BYTES: usize = 1024;
/// Bundles inside one another that are looked into.
pub(super) const MOST_NESTED: usize = 8;

type Key = [u8; 16];

/// Facts by patient, for resources that are read apart from their Patient.
///
/// The first of two passes: [`PatientIndex::add`] takes every resource of the data (Patients for age and sex; Conditions and
/// Observations for chronic and social conditions; MeasureReports for results; Bundles for all in them; others are passed
/// over). A person is found again by a hash of the reference, no id is kept. An entry takes 80
/// to 160 bytes (the table doubles when it is full), and 112 bytes for each measure result.
#[derive(Default)]
pub struct PatientIndex {
    known: HashMap<Key, Facts>,
    results: Vec<MeasureResult>,
    texts: Vec<Box<str>>,
    text_places: HashMap<Box<str>, u32>,
    service_bases: Vec<String>,
    limit: Option<usize>,
    conditions: u64,
    dropped: u64,
}

impl PatientIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// An index that refuses to hold more than this many persons.
    #[must_use]
    pub fn with_limit(mut self, persons: usize) -> Self {
        self.limit = Some(persons);
        self
    }

    /// Absolute references that begin with one of these (`https://example.org/fhir`) mean the same persons as relative ones.
    #[must_use]
    pub fn with_service_bases(mut self, bases: Vec<String>) -> Self {
        self.service_bases = bases;
        self
    }

    /// How many persons are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Conditions that were read. Without any, no risk stratum is given: nothing is known of anyone's conditions.
    pub fn conditions(&self) -> u64 {
        self.conditions
    }

    /// Measure results beyond the bounds, which were not kept.
    pub fn dropped_results(&self) -> u64 {
        self.dropped
    }

    /// Takes what one resource says of a person.
    ///
    /// # Errors
    /// [`EnrichError::IndexFull`] when the limit of persons is reached.
    pub fn add(&mut self, resource: Value<'_>) -> Result<(), EnrichError> {
        self.add_at(resource, None)
    }

    /// The same for a resource that was taken out of a Bundle, where others may refer to it by this fullUrl.
    ///
    /// # Errors
    /// As [`PatientIndex::add`].
    pub fn add_at(&mut self, resource: Value<'_>, full_url: Option<&str>) -> Result<(), EnrichError> {
        self.add_entry(resource, full_url, 0)
    }

    fn add_entry(&mut self, resource: Value<'_>, full_url: Option<&str>, depth: usize) -> Result<(), EnrichError> {
        let Some(kind) = resource.get("resourceType").and_then(|kind| kind.as_str()) else { return Ok(()) };
        match kind {
            "Patient" => self.add_patient(resource, full_url),
            "Condition" | "Observation" => self.add_finding(kind, resource),
            "MeasureReport" => self.add_report(resource),
            "Bundle" if depth < MOST_NESTED => {
                for entry in resource.get("entry").into_iter().flat_map(|entries| entries.items()) {
                    if let Some(inner) = entry.get("resource") {
                        self.add_entry(inner, full_url_of(entry), depth + 1)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add_patient(&mut self, patient: Value<'_>, full_url: Option<&str>) -> Result<(), EnrichError> {
        let person = Person::of(patient);
        for key in self.keys_of(patient, full_url).into_iter().flatten() {
            let facts = self.facts_mut(key)?;
            facts.ambiguous |= facts.person.is_some_and(|known| known != person);
            facts.person = Some(person);
        }
        Ok(())
    }

    /// The keys that others may name a Patient by: its address in the Bundle, and its id.
    fn keys_of(&self, patient: Value<'_>, full_url: Option<&str>) -> [Option<Key>; 2] {
        let id = patient.get("id").and_then(|id| id.as_str());
        let by_url = full_url.and_then(|url| self.key(url));
        // The id of a resource to be created means nothing, unless the address repeats it.
        let free = |id: &str| full_url.is_none_or(|url| !url.starts_with("urn:") || url.strip_prefix("urn:uuid:") == Some(id));
        let by_id = id.filter(|id| free(id)).map(|id| hashed(&["Patient/", id]));
        [by_url, by_id.filter(|key| by_url.as_ref() != Some(key))]
    }

    fn add_finding(&mut self, kind: &str, finding: Value<'_>) -> Result<(), EnrichError> {
        let (chronic, social) = if kind == "Condition" {
            self.conditions += 1;
            if !chronic::counts(finding) {
                return Ok(());
            }
            (chronic::groups_of(finding), social::categories_of(kind, finding))
        } else {
            (0, social::categories_of(kind, finding))
        };
        if chronic | social == 0 {
            return Ok(());
        }
        if let Some(key) = reference_of(finding, "subject").and_then(|reference| self.key(reference)) {
            let facts = self.facts_mut(key)?;
            facts.chronic |= chronic;
            facts.social |= social;
        }
        Ok(())
    }

    fn add_report(&mut self, report: Value<'_>) -> Result<(), EnrichError> {
        let text = |value: Option<Value<'_>>| value.and_then(|value| value.as_str().map(str::to_owned));
        if report.get("type").and_then(|kind| kind.as_str()) != Some("individual")
            || report.get("status").and_then(|status| status.as_str()) != Some("complete")
        {
            return Ok(());
        }
        let Some(key) = reference_of(report, "subject").and_then(|reference| self.key(reference)) else { return Ok(()) };
        let Some(measure) = text(report.get("measure")) else { return Ok(()) };
        let Some(groups) = report.get("group") else { return Ok(()) };
        let date = |name: &str| report.get("period")?.get(name)?.as_str().and_then(PartialDate::parse);
        let (start, end) = (date("start"), date("end"));
        for (number, group) in groups.items().enumerate() {
            let score = group.get("measureScore");
            let unit = text(score.and_then(|score| score.get("code"))).unwrap_or_default();
            let (Some(measure), Some(unit)) = (self.text_place(&measure), self.text_place(&unit)) else {
                self.dropped += 1;
                continue;
            };
            let value = score.and_then(|score| score.get("value")?.as_number()).and_then(Decimal::parse);
            let result = MeasureResult {
                measure,
                group: if groups.len() > 1 { u8::try_from(number + 1).unwrap_or(u8::MAX) } else { 0 },
                populations: populations_of(group),
                start,
                end,
                score: value.map(|value| (value, unit)),
                next: 0,
            };
            self.add_result(key, result)?;
        }
        Ok(())
    }

    /// Keeps a result; a later period of the same measure and group takes the place of an earlier one.
    fn add_result(&mut self, key: Key, result: MeasureResult) -> Result<(), EnrichError> {
        let last = |result: &MeasureResult| result.end.or(result.start).map(PartialDate::high);
        let (mut at, mut count) = (self.facts_mut(key)?.results, 0);
        while at != 0 {
            let known = &mut self.results[at as usize - 1];
            if (known.measure, known.group) == (result.measure, result.group) {
                if last(&result) >= last(known) {
                    *known = MeasureResult { next: known.next, ..result };
                }
                return Ok(());
            }
            at = known.next;
            count += 1;
        }
        if count >= MOST_RESULTS || self.results.len() >= u32::MAX as usize - 1 {
            self.dropped += 1;
            return Ok(());
        }
        let place = self.results.len() as u32 + 1;
        let facts = self.facts_mut(key)?;
        let next = std::mem::replace(&mut facts.results, place);
        self.results.push(MeasureResult { next, ..result });
        Ok(())
    }

    fn text_place(&mut self, text: &str) -> Option<u32> {
        if self.texts.is_empty() {
            self.texts.push("".into());
            self.text_places.insert("".into(), 0);
        }
        if let Some(place) = self.text_places.get(text) {
            return Some(*place);
        }
        if self.texts.len() >= MOST_TEXTS || text.len() > MOST_TEXT_BYTES {
            return None;
        }
        let place = self.texts.len() as u32;
        self.texts.push(text.into());
        self.text_places.insert(text.into(), place);
        Some(place)
    }

    fn facts_mut(&mut self, key: Key) -> Result<&mut Facts, EnrichError> {
        if self.limit.is_some_and(|limit| self.known.len() >= limit) && !self.known.contains_key(&key) {
            return Err(EnrichError::IndexFull);
        }
        Ok(self.known.entry(key).or_default())
    }

    /// The key of a reference to a Patient: relative, `urn:`, or absolute.
    fn key(&self, reference: &str) -> Option<Key> {
        let reference = reference.split("/_history/").next().unwrap_or(reference);
        let own = self.service_bases.iter().find_map(|base| reference.strip_prefix(base.trim_end_matches('/'))?.strip_prefix('/'));
        let reference = own.unwrap_or(reference);
        // A UUID is one person's wherever it stands: the entries of a Bundle may have been read one by one.
        if let Some(id) = reference.strip_prefix("urn:uuid:").filter(|id| is_uuid(id)) {
            return Some(hashed(&["Patient/", id]));
        }
        if reference.starts_with("urn:") || reference.contains("://") {
            return Some(hashed(&[reference]));
        }
        reference.strip_prefix("Patient/").map(|id| hashed(&["Patient/", id]))
    }

    /// What is known of the person that a reference names.
    pub(super) fn find(&self, reference: &str) -> Option<&Facts> {
        self.known.get(&self.key(reference)?)
    }

    /// What is known of a Patient at hand, under all its names.
    pub(super) fn of_patient(&self, patient: Value<'_>, full_url: Option<&str>) -> Facts {
        let mut found = Facts::default();
        for key in self.keys_of(patient, full_url).into_iter().flatten() {
            let Some(facts) = self.known.get(&key).filter(|facts| !facts.ambiguous) else { continue };
            found.chronic |= facts.chronic;
            found.social |= facts.social;
            if found.results == 0 {
                found.results = facts.results;
            }
        }
        found
    }

    /// The measure results of a person.
    pub(super) fn results(&self, facts: &Facts) -> impl Iterator<Item = &MeasureResult> {
        let mut at = facts.results;
        std::iter::from_fn(move || {
            let result = self.results.get((at as usize).checked_sub(1)?)?;
            at = result.next;
            Some(result)
        })
    }

    pub(super) fn text(&self, place: u32) -> &str {
        self.texts.get(place as usize).map_or("", |text| text)
    }
}

fn populations_of(group: Value<'_>) -> u16 {
    let mut bits = 0;
    for population in group.get("population").into_iter().flat_map(|list| list.items()) {
        let member = population
            .get("count")
            .and_then(|count| count.as_number())
            .is_some_and(|count| count.parse::<i64>().is_ok_and(|count| count > 0));
        let codings = population.get("code").and_then(|code| code.get("coding"));
        for coding in codings.into_iter().flat_map(|codings| codings.items()).filter(|_| member) {
            let code = coding.get("code").and_then(|code| code.as_str());
            if let Some(bit) = POPULATIONS.iter().position(|known| Some(*known) == code) {
                bits |= 1 << bit;
            }
        }
    }
    bits
}

fn is_uuid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| if dashes.contains(&place) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// The text of a Reference.
pub(super) fn reference_of<'d>(resource: Value<'d>, name: &str) -> Option<&'d str> {
    resource.get(name)?.get("reference")?.as_str()
}

/// 128 bits of SHA-256: two persons do not share a key by chance, nor by somebody's intent.
fn hashed(parts: &[&str]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    let mut key = Key::default();
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

// Facts are about persons: only counts are shown.
impl fmt::Debug for PatientIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientIndex").field("persons", &self.known.len()).field("results", &self.results.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_as_small_as_the_documentation_says() {
        // A hash table is between 7/16 and 7/8 full, and has a byte of its own for each place.
        let place = size_of::<(Key, Facts)>() + 1;
        assert!(place * 8 / 7 <= 80 && place * 16 / 7 <= 160, "{place}");
        assert!(size_of::<MeasureResult>() <= 112, "{}", size_of::<MeasureResult>());
    }
}
