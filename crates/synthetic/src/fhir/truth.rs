//! The truth about an export: what a correct reader must find in it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    clinical::LABS,
    hl7v2::{AbnormalCounts, LabTruth, facilities::FACILITIES},
    people::{Person, Sex},
};

use super::{
    options::FhirOptions,
    page::{KINDS, Kind, Page},
    social::DOMAINS,
    vitals::SIGNS,
};

/// What the files hold. Every resource counts once, though with layout `both` it is written twice. Written
/// as `truth.json` beside the folders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FhirTruth {
    /// The options.
    pub options: FhirOptions,
    /// Patients: `options.patients`.
    pub patients: u64,
    /// Resources of all types, Bundles not counted.
    pub resources: u64,
    /// Resources by type.
    pub by_type: BTreeMap<&'static str, u64>,
    /// Bundles: one a patient, and the shared one. 0 without Bundles.
    pub bundles: u64,
    /// Bytes of the Bundles before compression.
    pub bundle_bytes: u64,
    /// The NDJSON files.
    pub files: Vec<FhirFileTruth>,
    /// References that name a resource (`Reference.reference`); each resolves within the export.
    pub references: u64,
    /// Patients by Patient.gender.
    pub by_gender: BTreeMap<&'static str, u64>,
    /// Patients by completed years on the first day.
    pub by_age_group: BTreeMap<&'static str, u64>,
    /// Patients by the text of the US Core race extension.
    pub by_race: BTreeMap<&'static str, u64>,
    /// Patients by the text of the US Core ethnicity extension.
    pub by_ethnicity: BTreeMap<&'static str, u64>,
    /// Patients by Patient.address.state (the first address).
    pub by_state: BTreeMap<&'static str, u64>,
    /// Coverages by the payer's identifier.
    pub coverages: BTreeMap<&'static str, u64>,
    /// Encounters by Encounter.class.
    pub encounters: BTreeMap<&'static str, u64>,
    /// Encounters by the identifier of the serviceProvider.
    pub encounters_by_facility: BTreeMap<&'static str, u64>,
    /// Conditions by ICD-10-CM code.
    pub conditions: BTreeMap<&'static str, u64>,
    /// Allergies by code.
    pub allergies: BTreeMap<&'static str, u64>,
    /// Observations by LOINC code of Observation.code.
    pub observations: BTreeMap<&'static str, u64>,
    /// Numeric laboratory results by LOINC code.
    pub labs: BTreeMap<&'static str, LabTruth>,
    /// Laboratory results by whether they are outside their reference range.
    pub results: AbnormalCounts,
    /// Vital signs by LOINC code; those of the blood pressure are components.
    pub vital_signs: BTreeMap<&'static str, LabTruth>,
    /// Reports by LOINC code.
    pub reports: BTreeMap<&'static str, u64>,
    /// Medication requests by RxNorm code.
    pub medication_requests: BTreeMap<&'static str, u64>,
    /// Immunizations by CVX code.
    pub immunizations: BTreeMap<&'static str, u64>,
    /// Procedures by SNOMED CT code.
    pub procedures: BTreeMap<&'static str, u64>,
    /// Screenings for social needs by domain (the code of SDOH Clinical Care).
    pub screenings: BTreeMap<&'static str, u64>,
    /// Among them those that found the need.
    pub positive_screenings: BTreeMap<&'static str, u64>,
}

/// One NDJSON file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FhirFileTruth {
    /// Its path from the folder of the export, with `/`.
    pub name: String,
    /// The type of its resources.
    pub resource_type: &'static str,
    /// How many there are: its lines.
    pub resources: u64,
    /// Its size, before compression.
    pub bytes: u64,
}

type Counts = BTreeMap<&'static str, u64>;

#[derive(Debug, Clone, Copy)]
struct Sum {
    count: u64,
    sum: i64,
    min: i64,
    max: i64,
}

impl Sum {
    const NONE: Self = Self { count: 0, sum: 0, min: i64::MAX, max: i64::MIN };

    fn add(&mut self, value: i64) {
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn truth(self, name: &'static str, unit: &'static str, decimals: u32) -> LabTruth {
        let scale = 10_f64.powi(decimals as i32);
        LabTruth { name, unit, count: self.count, sum: self.sum as f64 / scale, min: self.min as f64 / scale, max: self.max as f64 / scale }
    }
}

/// Counts while the records are written. None of it grows with the number of patients.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) patients: u64,
    kinds: [u64; KINDS],
    references: u64,
    labs: [Sum; LABS.len()],
    signs: [Sum; SIGNS.len()],
    abnormal: u64,
    screenings: [(u64, u64); DOMAINS.len()],
    facilities: [u64; FACILITIES.len()],
    genders: Counts,
    ages: Counts,
    races: Counts,
    ethnicities: Counts,
    states: Counts,
    coverages: Counts,
    encounters: Counts,
    conditions: Counts,
    allergies: Counts,
    observations: Counts,
    reports: Counts,
    orders: Counts,
    vaccines: Counts,
    procedures: Counts,
}

fn count(counts: &mut Counts, key: &'static str) {
    *counts.entry(key).or_default() += 1;
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            patients: 0,
            kinds: [0; KINDS],
            references: 0,
            labs: [Sum::NONE; LABS.len()],
            signs: [Sum::NONE; SIGNS.len()],
            abnormal: 0,
            screenings: [(0, 0); DOMAINS.len()],
            facilities: [0; FACILITIES.len()],
            genders: Counts::new(),
            ages: Counts::new(),
            races: Counts::new(),
            ethnicities: Counts::new(),
            states: Counts::new(),
            coverages: Counts::new(),
            encounters: Counts::new(),
            conditions: Counts::new(),
            allergies: Counts::new(),
            observations: Counts::new(),
            reports: Counts::new(),
            orders: Counts::new(),
            vaccines: Counts::new(),
            procedures: Counts::new(),
        }
    }

    /// Counts the resources of a page, and its references.
    pub(crate) fn page(&mut self, page: &Page) {
        for resource in &page.resources {
            self.kinds[resource.kind as usize] += 1;
        }
        self.references += page.json.references;
    }

    pub(crate) fn person(&mut self, person: &Person, first_day: i32) {
        self.patients += 1;
        let gender = match person.sex {
            Sex::Female => "female",
            Sex::Male => "male",
            Sex::Other => "other",
            Sex::Unknown => "unknown",
        };
        count(&mut self.genders, gender);
        let age = match person.age_on(first_day) {
            ..1 => "0",
            1..=17 => "1-17",
            18..=39 => "18-39",
            40..=64 => "40-64",
            65..=89 => "65-89",
            90.. => "90+",
        };
        count(&mut self.ages, age);
        count(&mut self.races, person.race.1);
        let ethnicity = match person.ethnicity {
            "H" => "Hispanic or Latino",
            "N" => "Not Hispanic or Latino",
            _ => "unknown",
        };
        count(&mut self.ethnicities, ethnicity);
        count(&mut self.states, person.place.state);
    }

    pub(crate) fn coverage(&mut self, payer: &'static str) {
        count(&mut self.coverages, payer);
    }

    pub(crate) fn encounter(&mut self, class: &'static str, facility: usize) {
        count(&mut self.encounters, class);
        self.facilities[facility] += 1;
    }

    pub(crate) fn condition(&mut self, code: &'static str) {
        count(&mut self.conditions, code);
    }

    pub(crate) fn allergy(&mut self, code: &'static str) {
        count(&mut self.allergies, code);
    }

    pub(crate) fn observation(&mut self, code: &'static str) {
        count(&mut self.observations, code);
    }

    pub(crate) fn lab(&mut self, test: usize, value: i32, flag: &str) {
        self.labs[test].add(i64::from(value));
        self.abnormal += u64::from(flag != "N");
    }

    pub(crate) fn sign(&mut self, position: usize, value: i64) {
        self.signs[position].add(value);
    }

    pub(crate) fn report(&mut self, code: &'static str) {
        count(&mut self.reports, code);
    }

    pub(crate) fn order(&mut self, code: &'static str) {
        count(&mut self.orders, code);
    }

    pub(crate) fn vaccine(&mut self, code: &'static str) {
        count(&mut self.vaccines, code);
    }

    pub(crate) fn procedure(&mut self, code: &'static str) {
        count(&mut self.procedures, code);
    }

    pub(crate) fn screening(&mut self, domain: usize, is_need: bool) {
        let (all, positive) = &mut self.screenings[domain];
        *all += 1;
        *positive += u64::from(is_need);
    }

    pub(crate) fn finish(self, options: FhirOptions, files: Vec<FhirFileTruth>, (bundles, bundle_bytes): (u64, u64)) -> FhirTruth {
        let non_zero = |names: &mut dyn Iterator<Item = (&'static str, u64)>| names.filter(|(_, count)| *count > 0).collect::<Counts>();
        let labs = LABS.iter().zip(self.labs).filter(|(_, sum)| sum.count > 0);
        let signs = SIGNS.iter().zip(self.signs).filter(|(_, sum)| sum.count > 0);
        let domains = || DOMAINS.iter().map(|domain| domain.category.code).zip(self.screenings);
        FhirTruth {
            options,
            patients: self.patients,
            resources: self.kinds.iter().sum(),
            by_type: non_zero(&mut Kind::ALL.iter().map(|kind| kind.name()).zip(self.kinds)),
            bundles,
            bundle_bytes,
            files,
            references: self.references,
            by_gender: self.genders,
            by_age_group: self.ages,
            by_race: self.races,
            by_ethnicity: self.ethnicities,
            by_state: self.states,
            coverages: self.coverages,
            encounters: self.encounters,
            encounters_by_facility: non_zero(&mut FACILITIES.iter().map(|facility| facility.code).zip(self.facilities)),
            conditions: self.conditions,
            allergies: self.allergies,
            observations: self.observations,
            results: AbnormalCounts { numeric: self.labs.iter().map(|sum| sum.count).sum(), abnormal: self.abnormal },
            labs: labs.map(|(lab, sum)| (lab.code, sum.truth(lab.name, lab.unit, lab.decimals))).collect(),
            vital_signs: signs.map(|(sign, sum)| (sign.code.code, sum.truth(sign.code.display, sign.unit, sign.decimals))).collect(),
            reports: self.reports,
            medication_requests: self.orders,
            immunizations: self.vaccines,
            procedures: self.procedures,
            screenings: non_zero(&mut domains().map(|(code, (all, _))| (code, all))),
            positive_screenings: non_zero(&mut domains().map(|(code, (_, positive))| (code, positive))),
        }
    }
}
