//! The truth about a feed: what a correct reader must find in it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clinical::LABS;

use super::{
    damage::{Damage, Expected},
    encounter::EVENTS,
    facilities::FACILITIES,
    messages::Facts,
    options::FeedOptions,
    wire::SEGMENTS,
};

/// What the files hold. Counts are of accepted messages, duplicates included, unless a field says
/// otherwise. Written as `truth.json` beside the files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    /// The options, with the population that was used.
    pub options: FeedOptions,
    /// Messages written: `options.messages`.
    pub messages: u64,
    /// Records a reader finds: messages and junk records.
    pub records: u64,
    /// Records that must be accepted.
    pub accepted: u64,
    /// Records that must be rejected.
    pub rejected: u64,
    /// Rejects by their code.
    pub rejects_by_code: BTreeMap<&'static str, u64>,
    /// Records that are no message: bytes before the first message of a file, text between messages. Not
    /// in `messages`.
    pub junk_records: u64,
    /// Accepted messages that repeat the one before them byte by byte.
    pub duplicates: u64,
    /// The files in order.
    pub files: Vec<FileTruth>,
    /// By MSH-9 (`ADT^A01`).
    pub by_message_type: BTreeMap<&'static str, u64>,
    /// By MSH-4.
    pub by_facility: BTreeMap<&'static str, u64>,
    /// By MSH-12.
    pub by_version: BTreeMap<&'static str, u64>,
    /// By PID-8; `none` for messages without PID.
    pub by_sex: BTreeMap<&'static str, u64>,
    /// By completed years at the time of the message; `unknown` without a valid birth date.
    pub by_age_group: BTreeMap<&'static str, u64>,
    /// The same ages in stages of life: `paediatric` below 18, `adult` below 65, `geriatric` from there;
    /// `unknown` without a valid birth date.
    pub by_life_stage: BTreeMap<&'static str, u64>,
    /// Segments by name.
    pub segments: BTreeMap<&'static str, u64>,
    /// Numeric laboratory results by LOINC code.
    pub labs: BTreeMap<&'static str, LabTruth>,
    /// Results by whether they are outside their reference range.
    pub results: AbnormalCounts,
    /// Different people.
    pub patients: u64,
    /// Different pairs of facility and person: the medical record numbers in PID-3.1.
    pub patient_records: u64,
    /// What is malformed, by kind. Kinds that do not occur are listed with 0.
    pub malformed: BTreeMap<&'static str, MalformedTruth>,
}

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FileTruth {
    /// Its name.
    pub name: String,
    /// Its size, before compression.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// Records that are no message.
    pub junk_records: u64,
    /// Records that must be accepted.
    pub accepted: u64,
    /// Records that must be rejected.
    pub rejected: u64,
}

/// The numeric results of one test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabTruth {
    /// The test's name.
    pub name: &'static str,
    /// Its UCUM unit.
    pub unit: &'static str,
    /// How many results.
    pub count: u64,
    /// Their sum, exact up to the last division.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// Laboratory results, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AbnormalCounts {
    /// Results with a number.
    pub numeric: u64,
    /// Among them those flagged L, H, LL or HH.
    pub abnormal: u64,
}

/// One kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MalformedTruth {
    /// How many records have it.
    pub count: u64,
    /// Whether they are rejected, or accepted with or without findings.
    pub expected: Expected,
    /// The code of the reject, or of one of the findings; empty when there is none.
    pub code: &'static str,
}

const AGE_GROUPS: [&str; 7] = ["0", "1-17", "18-39", "40-64", "65-89", "90+", "unknown"];

/// The stages of life, each with the positions in [`AGE_GROUPS`] that make it up.
const LIFE_STAGES: [(&str, &[usize]); 4] = [("paediatric", &[0, 1]), ("adult", &[2, 3]), ("geriatric", &[4, 5]), ("unknown", &[6])];

/// The position in [`AGE_GROUPS`].
fn age_group(age: Option<i32>) -> usize {
    match age {
        Some(..1) => 0,
        Some(1..=17) => 1,
        Some(18..=39) => 2,
        Some(40..=64) => 3,
        Some(65..=89) => 4,
        Some(90..) => 5,
        None => 6,
    }
}

#[derive(Debug, Clone, Copy)]
struct LabSum {
    count: u64,
    sum: i64,
    min: i32,
    max: i32,
}

/// Counts while the feed is written. All arrays; people are one bit each.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) duplicates: u64,
    pub(crate) files: Vec<FileTruth>,
    damages: [u64; Damage::ALL.len()],
    events: [u64; EVENTS.len()],
    facilities: [u64; FACILITIES.len()],
    versions: BTreeMap<&'static str, u64>,
    sexes: BTreeMap<&'static str, u64>,
    ages: [u64; AGE_GROUPS.len()],
    segments: [u64; SEGMENTS.len()],
    labs: [LabSum; LABS.len()],
    abnormal: u64,
    seen: Seen,
}

/// Which people came, to which facility.
#[derive(Debug)]
struct Seen {
    people: Vec<u64>,
    records: Vec<u64>,
}

/// Sets a bit and says whether it was clear.
fn mark(bits: &mut [u64], at: u64) -> bool {
    let Some(word) = bits.get_mut((at / 64) as usize) else { return false };
    let bit = 1 << (at % 64);
    let fresh = *word & bit == 0;
    *word |= bit;
    fresh
}

fn ones(bits: &[u64]) -> u64 {
    bits.iter().map(|word| u64::from(word.count_ones())).sum()
}

impl Tally {
    pub(crate) fn new(population: u64) -> Self {
        let words = |bits: u64| vec![0; bits.div_ceil(64) as usize];
        Self {
            messages: 0,
            duplicates: 0,
            files: Vec::new(),
            damages: [0; Damage::ALL.len()],
            events: [0; EVENTS.len()],
            facilities: [0; FACILITIES.len()],
            versions: BTreeMap::new(),
            sexes: BTreeMap::new(),
            ages: [0; AGE_GROUPS.len()],
            segments: [0; SEGMENTS.len()],
            labs: [LabSum { count: 0, sum: 0, min: i32::MAX, max: i32::MIN }; LABS.len()],
            abnormal: 0,
            seen: Seen { people: words(population), records: words(population * FACILITIES.len() as u64) },
        }
    }

    /// Counts a kind of damage.
    pub(crate) fn damage(&mut self, damage: Damage) {
        self.damages[damage as usize] += 1;
    }

    /// Counts an accepted message.
    pub(crate) fn accept(&mut self, facts: &Facts, segments: &[u32; SEGMENTS.len()]) {
        self.events[facts.event] += 1;
        self.facilities[facts.facility] += 1;
        *self.versions.entry(facts.version).or_default() += 1;
        for (total, count) in self.segments.iter_mut().zip(segments) {
            *total += u64::from(*count);
        }
        *self.sexes.entry(facts.person.map_or("none", |person| person.sex)).or_default() += 1;
        self.ages[age_group(facts.person.and_then(|person| person.age))] += 1;
        if let Some(person) = facts.person {
            mark(&mut self.seen.people, person.number);
            mark(&mut self.seen.records, person.number * FACILITIES.len() as u64 + facts.facility as u64);
        }
        for &(lab, value) in &facts.labs {
            let sum = &mut self.labs[lab as usize];
            sum.count += 1;
            sum.sum += i64::from(value);
            sum.min = sum.min.min(value);
            sum.max = sum.max.max(value);
        }
        self.abnormal += facts.abnormal;
    }

    pub(crate) fn finish(self, options: FeedOptions) -> Truth {
        let sum = |part: fn(&FileTruth) -> u64| self.files.iter().map(part).sum::<u64>();
        let (accepted, rejected, junk_records) = (sum(|file| file.accepted), sum(|file| file.rejected), sum(|file| file.junk_records));
        let mut rejects_by_code = BTreeMap::new();
        let mut malformed = BTreeMap::new();
        for damage in Damage::ALL {
            let (expected, code) = damage.expected();
            let count = self.damages[damage as usize];
            if damage.is_reject() && count > 0 {
                *rejects_by_code.entry(code).or_default() += count;
            }
            malformed.insert(damage.name(), MalformedTruth { count, expected, code });
        }
        let labs = LABS.iter().zip(&self.labs).filter(|(_, sum)| sum.count > 0).map(|(lab, sum)| {
            let scale = 10_f64.powi(lab.decimals as i32);
            let truth = LabTruth {
                name: lab.name,
                unit: lab.unit,
                count: sum.count,
                sum: sum.sum as f64 / scale,
                min: f64::from(sum.min) / scale,
                max: f64::from(sum.max) / scale,
            };
            (lab.code, truth)
        });
        let stages = LIFE_STAGES.map(|(_, groups)| groups.iter().map(|&group| self.ages[group]).sum());
        Truth {
            messages: self.messages,
            records: accepted + rejected,
            accepted,
            rejected,
            rejects_by_code,
            junk_records,
            duplicates: self.duplicates,
            by_message_type: non_zero(EVENTS.iter().map(|(name, _)| *name), &self.events),
            by_facility: non_zero(FACILITIES.iter().map(|facility| facility.code), &self.facilities),
            by_version: self.versions,
            by_sex: self.sexes,
            by_age_group: non_zero(AGE_GROUPS.into_iter(), &self.ages),
            by_life_stage: non_zero(LIFE_STAGES.iter().map(|(name, _)| *name), &stages),
            segments: non_zero(SEGMENTS.into_iter(), &self.segments),
            labs: labs.collect(),
            results: AbnormalCounts { numeric: self.labs.iter().map(|sum| sum.count).sum(), abnormal: self.abnormal },
            patients: ones(&self.seen.people),
            patient_records: ones(&self.seen.records),
            malformed,
            options,
            files: self.files,
        }
    }
}

fn non_zero(names: impl Iterator<Item = &'static str>, counts: &[u64]) -> BTreeMap<&'static str, u64> {
    names.zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}
