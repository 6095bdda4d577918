//! Kinds of entries: the clinical statements of a section.

use std::{collections::HashMap, sync::LazyLock};

use crate::element::Element;

use super::{MatchedBy, SectionKind};

/// Templates of C-CDA's entries begin with this.
const CCDA: &str = "2.16.840.1.113883.10.20.22.4.";
/// Those of CCD 1.0.
const CCD: &str = "2.16.840.1.113883.10.20.1.";
/// Those of IHE PCC.
const PCC: &str = "1.3.6.1.4.1.19376.1.5.3.1.4.";
/// Those of HITSP C83.
const C83: &str = "2.16.840.1.113883.3.88.11.83.";

macro_rules! entry_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $ccda:expr, $older:expr;)*) => {
        /// What a clinical statement is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EntryKind {
            $($(#[$doc])* $kind,)*
            /// No template and no structure that is known.
            Unknown,
        }

        impl EntryKind {
            /// Every kind.
            pub const ALL: &'static [EntryKind] = &[$(EntryKind::$kind,)* EntryKind::Unknown];

            /// The word for it, in tables and reports.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                    Self::Unknown => "unknown",
                }
            }
        }

        /// Kind, last arcs of C-CDA's templates, other templates as prefix and rest.
        const ENTRIES: &[(EntryKind, &[&str], &[(&str, &str)])] = &[$((EntryKind::$kind, $ccda, $older),)*];
    };
}

entry_kinds! {
    /// Problem Concern Act: holds problem observations.
    ProblemConcern = "problem-concern", &["3"], &[(CCD, "27"), (PCC, "5.2"), (C83, "7")];
    /// Problem Observation.
    ProblemObservation = "problem-observation", &["4"], &[(CCD, "28"), (PCC, "5")];
    /// Problem Status.
    ProblemStatus = "problem-status", &["6"], &[(CCD, "50")];
    /// Allergy Concern Act: holds allergy observations.
    AllergyConcern = "allergy-concern", &["30"], &[(PCC, "5.3"), (C83, "6")];
    /// Allergy - Intolerance Observation.
    AllergyObservation = "allergy-observation", &["7", "90"], &[(CCD, "18"), (PCC, "6")];
    /// Allergy Status Observation.
    AllergyStatus = "allergy-status", &["28"], &[(CCD, "39")];
    /// Reaction Observation.
    Reaction = "reaction", &["9"], &[(CCD, "54")];
    /// Severity Observation.
    Severity = "severity", &["8"], &[(CCD, "55")];
    /// Criticality Observation.
    Criticality = "criticality", &["145"], &[];
    /// Medication Activity.
    MedicationActivity = "medication-activity", &["16"], &[(CCD, "24"), (PCC, "7"), (C83, "8")];
    /// Medication Supply Order.
    MedicationSupplyOrder = "medication-supply-order", &["17"], &[(PCC, "7.3")];
    /// Medication Dispense.
    MedicationDispense = "medication-dispense", &["18"], &[];
    /// Immunization Activity.
    ImmunizationActivity = "immunization-activity", &["52"], &[(PCC, "12"), (C83, "13")];
    /// Result Organizer: a panel.
    ResultOrganizer = "result-organizer", &["1"], &[(CCD, "32")];
    /// Result Observation.
    ResultObservation = "result-observation", &["2"], &[(CCD, "31"), (PCC, "13"), (C83, "15"), (C83, "15.1")];
    /// Vital Signs Organizer.
    VitalSignsOrganizer = "vital-signs-organizer", &["26"], &[(CCD, "35"), (PCC, "13.1")];
    /// Vital Sign Observation.
    VitalSignObservation = "vital-sign-observation", &["27"], &[(PCC, "13.2"), (C83, "14")];
    /// Procedure Activity Procedure.
    ProcedureActivityProcedure = "procedure-activity-procedure", &["14"], &[(CCD, "29"), (PCC, "19"), (C83, "17")];
    /// Procedure Activity Observation.
    ProcedureActivityObservation = "procedure-activity-observation", &["13"], &[];
    /// Procedure Activity Act.
    ProcedureActivityAct = "procedure-activity-act", &["12"], &[];
    /// Encounter Activity.
    EncounterActivity = "encounter-activity", &["49"], &[(CCD, "21"), (PCC, "14"), (C83, "16")];
    /// Encounter Diagnosis.
    EncounterDiagnosis = "encounter-diagnosis", &["80"], &[];
    /// Indication.
    Indication = "indication", &["19"], &[];
    /// Social History Observation.
    SocialHistoryObservation = "social-history-observation", &["38"], &[(CCD, "33"), (PCC, "13.4"), (C83, "19")];
    /// Smoking Status - Meaningful Use.
    SmokingStatus = "smoking-status", &["78"], &[];
    /// Tobacco Use.
    TobaccoUse = "tobacco-use", &["85"], &[];
    /// Birth Sex Observation.
    BirthSex = "birth-sex", &["200"], &[];
    /// Sex Observation.
    SexObservation = "sex-observation", &["507"], &[];
    /// Gender Identity Observation.
    GenderIdentity = "gender-identity", &[], &[("2.16.840.1.113883.10.20.34.3.", "45")];
    /// Sexual Orientation Observation.
    SexualOrientation = "sexual-orientation", &["501"], &[];
    /// Pregnancy Observation.
    Pregnancy = "pregnancy", &[], &[("2.16.840.1.113883.10.20.15.3.", "8")];
    /// Caregiver Characteristics.
    CaregiverCharacteristics = "caregiver-characteristics", &["72"], &[];
    /// Cultural and Religious Observation.
    CulturalObservation = "cultural-observation", &["111"], &[];
    /// Characteristics of Home Environment.
    HomeEnvironment = "home-environment", &["109"], &[];
    /// Family History Organizer: one relative.
    FamilyHistoryOrganizer = "family-history-organizer", &["45"], &[(CCD, "23"), (PCC, "15")];
    /// Family History Observation.
    FamilyHistoryObservation = "family-history-observation", &["46"], &[(CCD, "22"), (PCC, "13.3"), (C83, "18")];
    /// Functional Status Organizer.
    FunctionalStatusOrganizer = "functional-status-organizer", &["66"], &[];
    /// Functional Status Observation.
    FunctionalStatusObservation = "functional-status-observation", &["67", "68"], &[(CCD, "44")];
    /// Mental Status Organizer.
    MentalStatusOrganizer = "mental-status-organizer", &["75"], &[];
    /// Mental Status Observation, formerly Cognitive Status.
    MentalStatusObservation = "mental-status-observation", &["74", "73"], &[];
    /// Assessment Scale Observation.
    AssessmentScale = "assessment-scale", &["69"], &[];
    /// Advance Directive Organizer.
    AdvanceDirectiveOrganizer = "advance-directive-organizer", &["108"], &[];
    /// Advance Directive Observation.
    AdvanceDirectiveObservation = "advance-directive-observation", &["48"], &[(CCD, "17"), (PCC, "13.7")];
    /// Goal Observation.
    Goal = "goal", &["121"], &[];
    /// Health Concern Act.
    HealthConcern = "health-concern", &["132"], &[];
    /// Risk Concern Act.
    RiskConcern = "risk-concern", &["136"], &[];
    /// Health Status Observation.
    HealthStatus = "health-status", &["5"], &[(CCD, "51")];
    /// Intervention Act.
    Intervention = "intervention", &["131"], &[];
    /// Planned Intervention Act.
    PlannedIntervention = "planned-intervention", &["146"], &[];
    /// Planned Act.
    PlannedAct = "planned-act", &["39"], &[];
    /// Planned Encounter.
    PlannedEncounter = "planned-encounter", &["40"], &[];
    /// Planned Procedure.
    PlannedProcedure = "planned-procedure", &["41"], &[];
    /// Planned Medication Activity.
    PlannedMedication = "planned-medication", &["42"], &[];
    /// Planned Supply.
    PlannedSupply = "planned-supply", &["43"], &[];
    /// Planned Observation; in CCD 1.0 any planned activity.
    PlannedObservation = "planned-observation", &["44"], &[(CCD, "25")];
    /// Planned Immunization Activity.
    PlannedImmunization = "planned-immunization", &["120"], &[];
    /// Nutrition Recommendation.
    NutritionRecommendation = "nutrition-recommendation", &["130"], &[];
    /// Nutritional Status Observation.
    NutritionalStatus = "nutritional-status", &["124"], &[];
    /// Instruction.
    Instruction = "instruction", &["20"], &[(CCD, "49")];
    /// Handoff Communication Participants.
    Handoff = "handoff", &["141"], &[];
    /// Patient Referral Act.
    PatientReferral = "patient-referral", &["140"], &[];
    /// Coverage Activity.
    Coverage = "coverage", &["60"], &[(CCD, "20")];
    /// Policy Activity.
    Policy = "policy", &["61"], &[(CCD, "26")];
    /// Non-Medicinal Supply Activity.
    Supply = "supply", &["50"], &[(CCD, "34")];
    /// Medical Equipment Organizer.
    EquipmentOrganizer = "equipment-organizer", &["135"], &[];
    /// Note Activity.
    Note = "note", &["202"], &[];
    /// Care Team Organizer.
    CareTeam = "care-team", &["500"], &[];
    /// Care Team Member Act.
    CareTeamMember = "care-team-member", &["500.1"], &[];
    /// Hospital Admission Diagnosis.
    AdmissionDiagnosis = "admission-diagnosis", &["34"], &[];
    /// Hospital Discharge Diagnosis.
    DischargeDiagnosis = "discharge-diagnosis", &["33"], &[];
    /// Discharge Medication.
    DischargeMedication = "discharge-medication", &["35"], &[];
    /// Admission Medication.
    AdmissionMedication = "admission-medication", &["36"], &[];
    /// Preoperative Diagnosis.
    PreoperativeDiagnosis = "preoperative-diagnosis", &["65"], &[];
    /// Postprocedure Diagnosis.
    PostprocedureDiagnosis = "postprocedure-diagnosis", &["51"], &[];
    /// Wound Observation.
    Wound = "wound", &["114"], &[];
    /// Outcome Observation.
    Outcome = "outcome", &["144"], &[];
    /// Comment Activity.
    Comment = "comment", &["64"], &[(CCD, "40"), (PCC, "2")];
    /// Age Observation.
    Age = "age", &["31"], &[(CCD, "38")];
    /// Procedure context of an imaging report.
    ProcedureContext = "procedure-context", &[], &[("2.16.840.1.113883.10.20.6.2.", "5")];
    /// Purpose of the document (CCD 1.0).
    Purpose = "purpose", &[], &[(CCD, "30")];
}

impl EntryKind {
    /// The kind of statements with that template.
    pub fn of_template(root: &str) -> Option<Self> {
        static KINDS: LazyLock<HashMap<String, EntryKind>> = LazyLock::new(|| {
            let of = |(kind, arcs, older): &(EntryKind, &[&str], &[(&str, &str)])| {
                let roots = arcs.iter().map(|arc| (CCDA, *arc)).chain(older.iter().copied());
                roots.map(|(prefix, rest)| (format!("{prefix}{rest}"), *kind)).collect::<Vec<_>>()
            };
            ENTRIES.iter().flat_map(of).collect()
        });
        KINDS.get(root).copied()
    }

    /// The kind of a statement by its own templates. For statements within an entry: observations of a panel, reactions of an allergy.
    pub fn of_statement(statement: Element<'_>) -> Option<Self> {
        statement.templates().find_map(|(root, _)| Self::of_template(root))
    }

    /// The kind of an entry, and what told it.
    pub(crate) fn of(statement: Element<'_>, section: SectionKind) -> (Self, MatchedBy) {
        if let Some(kind) = Self::of_statement(statement) {
            return (kind, MatchedBy::Template);
        }
        match Self::of_structure(statement, section) {
            Some(kind) => (kind, MatchedBy::Structure),
            None => (Self::Unknown, MatchedBy::Nothing),
        }
    }

    /// What a statement has to be in that section, going by its element.
    fn of_structure(statement: Element<'_>, section: SectionKind) -> Option<Self> {
        use SectionKind as S;
        Some(match (section, statement.name()) {
            (S::Problems | S::PastMedicalHistory, "act") => Self::ProblemConcern,
            (S::Problems | S::PastMedicalHistory | S::Complications | S::ProcedureFindings, "observation") => Self::ProblemObservation,
            (S::Allergies, "act") => Self::AllergyConcern,
            (S::Allergies, "observation") => Self::AllergyObservation,
            (S::Medications | S::MedicationsAdministered | S::Anesthesia | S::AdmissionMedications, "substanceAdministration") => {
                Self::MedicationActivity
            }
            (S::Medications, "supply") => Self::MedicationSupplyOrder,
            (S::DischargeMedications, "act") => Self::DischargeMedication,
            (S::DischargeMedications, "substanceAdministration") => Self::MedicationActivity,
            (S::Immunizations, "substanceAdministration") => Self::ImmunizationActivity,
            (S::Results | S::DischargeStudies, "organizer") => Self::ResultOrganizer,
            (S::Results | S::DischargeStudies, "observation") => Self::ResultObservation,
            (S::VitalSigns, "organizer") => Self::VitalSignsOrganizer,
            (S::VitalSigns, "observation") => Self::VitalSignObservation,
            (S::Procedures | S::MedicalEquipment | S::Anesthesia, "procedure") => Self::ProcedureActivityProcedure,
            (S::Procedures, "observation") => Self::ProcedureActivityObservation,
            (S::Procedures, "act") => Self::ProcedureActivityAct,
            (S::Encounters, "encounter") => Self::EncounterActivity,
            (S::SocialHistory, "observation") => Self::SocialHistoryObservation,
            (S::FamilyHistory, "organizer") => Self::FamilyHistoryOrganizer,
            (S::FamilyHistory, "observation") => Self::FamilyHistoryObservation,
            (S::FunctionalStatus, "organizer") => Self::FunctionalStatusOrganizer,
            (S::FunctionalStatus, "observation") => Self::FunctionalStatusObservation,
            (S::MentalStatus, "organizer") => Self::MentalStatusOrganizer,
            (S::MentalStatus, "observation") => Self::MentalStatusObservation,
            (S::AdvanceDirectives, "organizer") => Self::AdvanceDirectiveOrganizer,
            (S::AdvanceDirectives, "observation") => Self::AdvanceDirectiveObservation,
            (S::Goals, "observation") => Self::Goal,
            (S::HealthConcerns, "act") => Self::HealthConcern,
            (S::HealthConcerns, "observation") => Self::HealthStatus,
            (S::Interventions, "act") => Self::Intervention,
            (S::Outcomes, "observation") => Self::Outcome,
            (S::PlanOfTreatment, "act") => Self::PlannedAct,
            (S::PlanOfTreatment, "encounter") => Self::PlannedEncounter,
            (S::PlanOfTreatment | S::PlannedProcedure, "procedure") => Self::PlannedProcedure,
            (S::PlanOfTreatment, "substanceAdministration") => Self::PlannedMedication,
            (S::PlanOfTreatment, "supply") => Self::PlannedSupply,
            (S::PlanOfTreatment, "observation") => Self::PlannedObservation,
            (S::Payers, "act") => Self::Coverage,
            (S::MedicalEquipment, "supply") => Self::Supply,
            (S::MedicalEquipment, "organizer") => Self::EquipmentOrganizer,
            (S::CareTeams, "organizer") => Self::CareTeam,
            (S::Notes, "act") => Self::Note,
            (S::Instructions, "act") => Self::Instruction,
            (S::AdmissionDiagnosis, "act") => Self::AdmissionDiagnosis,
            (S::DischargeDiagnosis, "act") => Self::DischargeDiagnosis,
            (S::PreoperativeDiagnosis, "act") => Self::PreoperativeDiagnosis,
            (S::PostprocedureDiagnosis | S::PostoperativeDiagnosis, "act") => Self::PostprocedureDiagnosis,
            (S::ReasonForReferral, "act") => Self::PatientReferral,
            (S::Nutrition, "observation") => Self::NutritionalStatus,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_unique() {
        let mut roots: Vec<String> = Vec::new();
        for (kind, arcs, older) in ENTRIES {
            roots.extend(arcs.iter().map(|arc| format!("{CCDA}{arc}")));
            roots.extend(older.iter().map(|(prefix, rest)| format!("{prefix}{rest}")));
            if let Some(last) = roots.last() {
                assert_eq!(EntryKind::of_template(last), Some(*kind));
            }
        }
        let count = roots.len();
        roots.sort();
        roots.dedup();
        assert_eq!(roots.len(), count);
        assert_eq!(EntryKind::of_template("2.16.840.1.113883.10.20.22.4.999"), None);
    }
}
