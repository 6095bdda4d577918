//! Kinds of sections.

use std::{collections::HashMap, sync::LazyLock};

use crate::element::Element;

use super::{MatchedBy, section_table::SECTIONS};

macro_rules! section_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What a section is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum SectionKind {
            $($(#[$doc])* $kind,)*
        }

        impl SectionKind {
            /// Every kind.
            pub const ALL: &'static [SectionKind] = &[$(SectionKind::$kind,)*];

            /// The word for it, in tables and reports.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

section_kinds! {
    /// Allergies and intolerances.
    Allergies = "allergies",
    /// Medications.
    Medications = "medications",
    /// Problems.
    Problems = "problems",
    /// Procedures.
    Procedures = "procedures",
    /// Results.
    Results = "results",
    /// Vital signs.
    VitalSigns = "vital-signs",
    /// Immunizations.
    Immunizations = "immunizations",
    /// Encounters.
    Encounters = "encounters",
    /// Social history.
    SocialHistory = "social-history",
    /// Family history.
    FamilyHistory = "family-history",
    /// Functional status.
    FunctionalStatus = "functional-status",
    /// Mental status.
    MentalStatus = "mental-status",
    /// Plan of treatment, also called plan of care.
    PlanOfTreatment = "plan-of-treatment",
    /// Goals.
    Goals = "goals",
    /// Health concerns.
    HealthConcerns = "health-concerns",
    /// Interventions.
    Interventions = "interventions",
    /// Health status evaluations and outcomes.
    Outcomes = "outcomes",
    /// Advance directives.
    AdvanceDirectives = "advance-directives",
    /// Medical equipment.
    MedicalEquipment = "medical-equipment",
    /// Payers.
    Payers = "payers",
    /// Care teams.
    CareTeams = "care-teams",
    /// Notes.
    Notes = "notes",
    /// Reason for referral.
    ReasonForReferral = "reason-for-referral",
    /// Reason for visit.
    ReasonForVisit = "reason-for-visit",
    /// Chief complaint.
    ChiefComplaint = "chief-complaint",
    /// Chief complaint and reason for visit.
    ChiefComplaintAndReasonForVisit = "chief-complaint-and-reason-for-visit",
    /// History of present illness.
    HistoryOfPresentIllness = "history-of-present-illness",
    /// History of past illness.
    PastMedicalHistory = "past-medical-history",
    /// General status.
    GeneralStatus = "general-status",
    /// Physical exam.
    PhysicalExam = "physical-exam",
    /// Review of systems.
    ReviewOfSystems = "review-of-systems",
    /// Assessment.
    Assessment = "assessment",
    /// Assessment and plan.
    AssessmentAndPlan = "assessment-and-plan",
    /// Instructions.
    Instructions = "instructions",
    /// Nutrition.
    Nutrition = "nutrition",
    /// Subjective.
    Subjective = "subjective",
    /// Objective.
    Objective = "objective",
    /// Hospital course, also course of care.
    HospitalCourse = "hospital-course",
    /// Hospital consultations.
    HospitalConsultations = "hospital-consultations",
    /// Hospital discharge instructions.
    DischargeInstructions = "discharge-instructions",
    /// Hospital discharge physical.
    DischargePhysical = "discharge-physical",
    /// Hospital discharge studies summary.
    DischargeStudies = "discharge-studies",
    /// Discharge diet.
    DischargeDiet = "discharge-diet",
    /// Discharge diagnosis.
    DischargeDiagnosis = "discharge-diagnosis",
    /// Discharge medications.
    DischargeMedications = "discharge-medications",
    /// Admission diagnosis.
    AdmissionDiagnosis = "admission-diagnosis",
    /// Admission medications.
    AdmissionMedications = "admission-medications",
    /// Medications administered.
    MedicationsAdministered = "medications-administered",
    /// Anesthesia.
    Anesthesia = "anesthesia",
    /// Complications.
    Complications = "complications",
    /// Preoperative diagnosis.
    PreoperativeDiagnosis = "preoperative-diagnosis",
    /// Postoperative diagnosis.
    PostoperativeDiagnosis = "postoperative-diagnosis",
    /// Postprocedure diagnosis.
    PostprocedureDiagnosis = "postprocedure-diagnosis",
    /// Planned procedure.
    PlannedProcedure = "planned-procedure",
    /// Procedure description.
    ProcedureDescription = "procedure-description",
    /// Procedure disposition.
    ProcedureDisposition = "procedure-disposition",
    /// Procedure estimated blood loss.
    ProcedureBloodLoss = "procedure-blood-loss",
    /// Procedure findings.
    ProcedureFindings = "procedure-findings",
    /// Procedure implants.
    ProcedureImplants = "procedure-implants",
    /// Procedure indications.
    ProcedureIndications = "procedure-indications",
    /// Procedure specimens taken.
    ProcedureSpecimens = "procedure-specimens",
    /// Operative note: fluids.
    OperativeFluids = "operative-fluids",
    /// Operative note: surgical procedure.
    OperativeProcedure = "operative-procedure",
    /// Surgical drains.
    SurgicalDrains = "surgical-drains",
    /// Findings of an imaging report.
    ImagingFindings = "imaging-findings",
    /// DICOM object catalog.
    DicomCatalog = "dicom-catalog",
    /// Purpose of the document (CCD 1.0).
    Purpose = "purpose",
    /// No template and no code that is known: kept, as all others.
    Unknown = "unknown",
}

/// A kind of section: its LOINC codes and template roots.
pub(super) struct Row {
    pub(super) kind: SectionKind,
    pub(super) codes: &'static [&'static str],
    pub(super) templates: &'static [&'static str],
}

struct Index {
    by_template: HashMap<&'static str, SectionKind>,
    by_code: HashMap<&'static str, SectionKind>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { by_template: HashMap::new(), by_code: HashMap::new() };
    for row in SECTIONS {
        index.by_template.extend(row.templates.iter().map(|template| (*template, row.kind)));
        index.by_code.extend(row.codes.iter().map(|code| (*code, row.kind)));
    }
    index
});

impl SectionKind {
    /// The kind of sections with that template.
    pub fn of_template(root: &str) -> Option<Self> {
        INDEX.by_template.get(root).copied()
    }

    /// The kind of sections with that LOINC code.
    pub fn of_code(code: &str) -> Option<Self> {
        INDEX.by_code.get(code).copied()
    }

    /// The LOINC code that C-CDA gives such sections.
    pub fn code(self) -> Option<&'static str> {
        SECTIONS.iter().find(|row| row.kind == self).and_then(|row| row.codes.first().copied())
    }

    /// The kind of a section, and what told it.
    pub(crate) fn of(section: Element<'_>) -> (Self, MatchedBy) {
        if let Some(kind) = section.templates().find_map(|(root, _)| Self::of_template(root)) {
            return (kind, MatchedBy::Template);
        }
        match Self::of_section_code(section) {
            Some(kind) => (kind, MatchedBy::Loinc),
            None => (Self::Unknown, MatchedBy::Nothing),
        }
    }

    /// By the section's code or one of its translations.
    pub(crate) fn of_section_code(section: Element<'_>) -> Option<Self> {
        let code = section.child("code")?;
        let own = std::iter::once(code).chain(code.children_named("translation"));
        own.filter_map(|code| code.attr("code")).find_map(|code| Self::of_code(code.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_and_codes_are_unique() {
        let templates: usize = SECTIONS.iter().map(|row| row.templates.len()).sum();
        let codes: usize = SECTIONS.iter().map(|row| row.codes.len()).sum();
        assert_eq!((INDEX.by_template.len(), INDEX.by_code.len()), (templates, codes));
        for kind in SectionKind::ALL.iter().filter(|kind| **kind != SectionKind::Unknown) {
            assert!(SECTIONS.iter().any(|row| row.kind == *kind), "{kind:?}");
        }
    }
}
