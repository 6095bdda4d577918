//! Code systems, and codes that several resources need.

use crate::hl7v2::facilities::FACILITIES;

/// A code of a system, with the text that stands beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coding {
    pub(crate) system: &'static str,
    pub(crate) code: &'static str,
    pub(crate) display: &'static str,
}

pub(crate) const fn coding(system: &'static str, code: &'static str, display: &'static str) -> Coding {
    Coding { system, code, display }
}

pub(crate) const fn loinc(code: &'static str, display: &'static str) -> Coding {
    coding("http://loinc.org", code, display)
}

pub(crate) const fn snomed(code: &'static str, display: &'static str) -> Coding {
    coding("http://snomed.info/sct", code, display)
}

pub(crate) const fn icd10(code: &'static str, display: &'static str) -> Coding {
    coding("http://hl7.org/fhir/sid/icd-10-cm", code, display)
}

pub(crate) const UCUM: &str = "http://unitsofmeasure.org";
pub(crate) const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
pub(crate) const CVX: &str = "http://hl7.org/fhir/sid/cvx";
pub(crate) const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
pub(crate) const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
pub(crate) const US_CORE_CATEGORY: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";
/// The categories of the Gravity project's guide, SDOH Clinical Care.
pub(crate) const SDOH_CATEGORY: &str = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes";

const OBSERVATION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
pub(crate) const VITAL_SIGNS: Coding = coding(OBSERVATION_CATEGORY, "vital-signs", "Vital Signs");
pub(crate) const LABORATORY: Coding = coding(OBSERVATION_CATEGORY, "laboratory", "Laboratory");
pub(crate) const SURVEY: Coding = coding(OBSERVATION_CATEGORY, "survey", "Survey");
pub(crate) const SOCIAL_HISTORY: Coding = coding(OBSERVATION_CATEGORY, "social-history", "Social History");
pub(crate) const SDOH: Coding = coding(US_CORE_CATEGORY, "sdoh", "SDOH");

/// The base of the identifier systems of the generated facilities. It belongs to nobody.
pub(crate) const BASE: &str = "https://sutura.example.org";

/// The system of the clinicians' identifiers: the ten digits that stand in XCN.1 of the HL7 v2 feeds.
pub const CLINICIAN_SYSTEM: &str = "https://sutura.example.org/clinician";

/// The system of a facility's medical record numbers: the namespace that PID-3.4 of the HL7 v2 feeds
/// has for it stands before `/mrn`.
pub fn mrn_system(facility: usize) -> String {
    format!("{BASE}/{}/mrn", FACILITIES[facility % FACILITIES.len()].code)
}
