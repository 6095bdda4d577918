//! How a statement of CDA is converted: by what the reader says it is, by templates that the reader does not tell apart, and by mood.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::LazyLock};

use sutura_ccda::{Element, EntryKind, SectionKind};

use crate::hash::FastHasher;

/// How a statement is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ProblemConcern,
    Problem,
    EncounterDiagnosis,
    AllergyConcern,
    Allergy,
    Medication,
    /// An act around medications.
    MedicationWrapper,
    PlannedMedication,
    Immunization,
    PlannedImmunization,
    Supply,
    EquipmentOrganizer,
    SupplyOrder,
    Dispense,
    ResultOrganizer,
    Result,
    VitalOrganizer,
    Vital,
    Procedure,
    Planned,
    PlannedSupply,
    Encounter,
    PlannedEncounter,
    Social,
    Smoking,
    BirthSex,
    Sex,
    GenderIdentity,
    Tribe,
    Pregnancy,
    Note,
    /// An act that refers to a document elsewhere.
    External,
    CareTeam,
    Goal,
    Family,
    FamilyObservation,
    HealthConcern,
    Directive,
    DirectiveOrganizer,
    Coverage,
    Instruction,
    Handoff,
    Status,
    StatusOrganizer,
    EntryReference,
    /// An act around other statements.
    Wrapper,
    /// A part of another statement; alone it says nothing.
    Part,
}

/// Templates that matter here and not to the reader: root, name in the report, how it is converted.
const TEMPLATES: &[(&str, &str, Kind)] = &[
    ("2.16.840.1.113883.10.20.24.3.90", "substance-or-device-allergy", Kind::Allergy),
    ("2.16.840.1.113883.10.20.22.4.503", "occupation", Kind::Social),
    ("2.16.840.1.113883.10.20.22.4.504", "industry", Kind::Social),
    ("2.16.840.1.113883.10.20.22.4.505", "disability-status", Kind::Status),
    ("2.16.840.1.113883.10.20.22.4.506", "tribal-affiliation", Kind::Tribe),
    ("2.16.840.1.113883.10.20.22.4.281", "pregnancy-intention", Kind::Social),
    ("2.16.840.1.113883.10.20.22.4.293", "pregnancy-status", Kind::Pregnancy),
    ("2.16.840.1.113883.10.20.22.4.122", "entry-reference", Kind::EntryReference),
    ("2.16.840.1.113883.10.20.22.4.147", "free-text-sig", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.53", "immunization-refusal-reason", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.118", "substance-administered", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.143", "priority-preference", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.47", "family-history-death", Kind::Part),
    ("2.16.840.1.113883.10.20.1.19", "authorization", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.86", "assessment-scale-supporting-observation", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.123", "drug-monitoring", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.129", "planned-coverage", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.500.2", "care-team-type", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.500.3", "care-team-member-schedule", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.201", "section-time-range", Kind::Part),
    ("2.16.840.1.113883.10.20.1.47", "status", Kind::Part),
    ("2.16.840.1.113883.10.20.1.57", "status", Kind::Part),
    ("2.16.840.1.113883.10.20.22.4.76", "pressure-ulcer-count", Kind::Status),
    ("2.16.840.1.113883.10.20.22.4.77", "highest-pressure-ulcer-stage", Kind::Status),
    ("2.16.840.1.113883.10.20.22.4.110", "progress-toward-goal", Kind::Status),
    ("2.16.840.1.113883.10.20.22.4.113", "prognosis", Kind::Status),
    ("2.16.840.1.113883.10.20.22.4.128", "self-care-activities", Kind::Status),
    ("2.16.840.1.113883.10.20.22.4.138", "nutrition-assessment", Kind::Status),
];

/// Whether the element is a statement of CDA.
pub(super) fn is_statement(element: Element<'_>) -> bool {
    matches!(element.name(), "act" | "observation" | "organizer" | "procedure" | "encounter" | "substanceAdministration" | "supply")
}

fn known(element: Element<'_>) -> Option<&'static (&'static str, &'static str, Kind)> {
    type Known = HashMap<&'static str, &'static (&'static str, &'static str, Kind), BuildHasherDefault<FastHasher>>;
    static KNOWN: LazyLock<Known> = LazyLock::new(|| TEMPLATES.iter().map(|template| (template.0, template)).collect());
    element.templates().find_map(|(root, _)| KNOWN.get(root).copied())
}

/// What the report calls a statement; none for other elements.
pub(super) fn name(element: Element<'_>) -> Option<&'static str> {
    if !is_statement(element) {
        return None;
    }
    if let Some(kind) = EntryKind::of_statement(element) {
        return Some(kind.as_str());
    }
    if let Some((_, name, _)) = known(element) {
        return Some(name);
    }
    Some(match element.name() {
        "act" => "act",
        "observation" => "observation",
        "organizer" => "organizer",
        "procedure" => "procedure",
        "encounter" => "encounter",
        "supply" => "supply",
        _ => "substance-administration",
    })
}

/// How a statement is converted; none if there is no map for it. `entry` is what the reader says of it.
pub(super) fn kind(element: Element<'_>, entry: EntryKind, section: SectionKind) -> Option<Kind> {
    let planned = is_planned(element);
    let kind = match entry {
        EntryKind::Unknown => match known(element) {
            Some((_, _, kind)) => Some(*kind),
            None => of_structure(element, section),
        },
        EntryKind::ProblemConcern => Some(Kind::ProblemConcern),
        EntryKind::ProblemObservation => Some(Kind::Problem),
        EntryKind::EncounterDiagnosis
        | EntryKind::AdmissionDiagnosis
        | EntryKind::DischargeDiagnosis
        | EntryKind::PreoperativeDiagnosis
        | EntryKind::PostprocedureDiagnosis => Some(Kind::EncounterDiagnosis),
        EntryKind::AllergyConcern => Some(Kind::AllergyConcern),
        EntryKind::AllergyObservation => Some(Kind::Allergy),
        // In the immunization section some systems use the template of medications.
        EntryKind::MedicationActivity if section == SectionKind::Immunizations => Some(Kind::Immunization),
        EntryKind::MedicationActivity => Some(Kind::Medication),
        EntryKind::DischargeMedication | EntryKind::AdmissionMedication => Some(Kind::MedicationWrapper),
        EntryKind::PlannedMedication => Some(Kind::PlannedMedication),
        EntryKind::ImmunizationActivity if planned => Some(Kind::PlannedImmunization),
        EntryKind::ImmunizationActivity => Some(Kind::Immunization),
        EntryKind::PlannedImmunization => Some(Kind::PlannedImmunization),
        EntryKind::MedicationSupplyOrder => Some(Kind::SupplyOrder),
        EntryKind::MedicationDispense => Some(Kind::Dispense),
        EntryKind::Supply if planned => Some(Kind::PlannedSupply),
        EntryKind::Supply => Some(Kind::Supply),
        EntryKind::PlannedSupply => Some(Kind::PlannedSupply),
        EntryKind::EquipmentOrganizer => Some(Kind::EquipmentOrganizer),
        EntryKind::ResultOrganizer => Some(Kind::ResultOrganizer),
        EntryKind::ResultObservation => Some(Kind::Result),
        EntryKind::VitalSignsOrganizer => Some(Kind::VitalOrganizer),
        EntryKind::VitalSignObservation => Some(Kind::Vital),
        EntryKind::ProcedureActivityProcedure | EntryKind::ProcedureActivityAct | EntryKind::ProcedureActivityObservation if planned => {
            Some(Kind::Planned)
        }
        EntryKind::ProcedureActivityProcedure | EntryKind::ProcedureActivityAct | EntryKind::ProcedureActivityObservation => {
            Some(Kind::Procedure)
        }
        EntryKind::PlannedProcedure if !planned && element.attr("moodCode") == Some("EVN") => Some(Kind::Procedure),
        EntryKind::PlannedAct | EntryKind::PlannedProcedure | EntryKind::PlannedObservation if element.attr("moodCode") == Some("GOL") => {
            Some(Kind::Goal)
        }
        EntryKind::PlannedAct
        | EntryKind::PlannedProcedure
        | EntryKind::PlannedObservation
        | EntryKind::NutritionRecommendation
        | EntryKind::PatientReferral => Some(Kind::Planned),
        EntryKind::EncounterActivity if planned => Some(Kind::PlannedEncounter),
        EntryKind::EncounterActivity => Some(Kind::Encounter),
        EntryKind::PlannedEncounter => Some(Kind::PlannedEncounter),
        EntryKind::SmokingStatus => Some(Kind::Smoking),
        EntryKind::SocialHistoryObservation
        | EntryKind::TobaccoUse
        | EntryKind::SexualOrientation
        | EntryKind::CaregiverCharacteristics
        | EntryKind::CulturalObservation
        | EntryKind::HomeEnvironment => Some(Kind::Social),
        EntryKind::BirthSex => Some(Kind::BirthSex),
        EntryKind::SexObservation => Some(Kind::Sex),
        EntryKind::GenderIdentity => Some(Kind::GenderIdentity),
        EntryKind::Pregnancy => Some(Kind::Pregnancy),
        EntryKind::Note => Some(Kind::Note),
        EntryKind::CareTeam => Some(Kind::CareTeam),
        EntryKind::Goal => Some(Kind::Goal),
        EntryKind::FamilyHistoryOrganizer => Some(Kind::Family),
        EntryKind::HealthConcern | EntryKind::RiskConcern => Some(Kind::HealthConcern),
        EntryKind::AdvanceDirectiveObservation => Some(Kind::Directive),
        EntryKind::AdvanceDirectiveOrganizer => Some(Kind::DirectiveOrganizer),
        EntryKind::Coverage => Some(Kind::Coverage),
        EntryKind::Instruction => Some(Kind::Instruction),
        EntryKind::Handoff => Some(Kind::Handoff),
        EntryKind::FunctionalStatusOrganizer | EntryKind::MentalStatusOrganizer => Some(Kind::StatusOrganizer),
        EntryKind::FunctionalStatusObservation
        | EntryKind::MentalStatusObservation
        | EntryKind::AssessmentScale
        | EntryKind::NutritionalStatus
        | EntryKind::Wound
        | EntryKind::Outcome
        | EntryKind::HealthStatus => Some(Kind::Status),
        EntryKind::FamilyHistoryObservation => Some(Kind::FamilyObservation),
        // Alone in a section of indications it is a problem like others.
        EntryKind::Indication => Some(Kind::Problem),
        EntryKind::ProcedureContext => Some(Kind::Procedure),
        EntryKind::Intervention | EntryKind::PlannedIntervention => Some(Kind::Wrapper),
        _ => None,
    };
    // Templates that say more than the reader does.
    match (kind, known(element)) {
        (Some(Kind::Social | Kind::Status | Kind::Result), Some((_, _, better))) if *better != Kind::Part => Some(*better),
        (kind, _) => kind,
    }
}

fn of_structure(element: Element<'_>, section: SectionKind) -> Option<Kind> {
    let planned = is_planned(element);
    Some(match element.name() {
        "observation" if element.attr("moodCode") == Some("GOL") => Kind::Goal,
        "observation" if planned => Kind::Planned,
        "observation" => Kind::Status,
        "organizer" if element.attr("classCode") == Some("BATTERY") => Kind::ResultOrganizer,
        "organizer" if element.children_named("component").any(|part| part.child("observation").is_some()) => Kind::StatusOrganizer,
        "substanceAdministration" if section == SectionKind::Immunizations => Kind::Immunization,
        "substanceAdministration" if planned && section == SectionKind::PlanOfTreatment => Kind::PlannedMedication,
        "substanceAdministration" => Kind::Medication,
        "supply" => {
            if planned {
                Kind::PlannedSupply
            } else {
                Kind::Supply
            }
        }
        "procedure" => {
            if planned {
                Kind::Planned
            } else {
                Kind::Procedure
            }
        }
        "encounter" => {
            if planned {
                Kind::PlannedEncounter
            } else {
                Kind::Encounter
            }
        }
        "act" if element.children_named("reference").any(|reference| reference.child("externalDocument").is_some()) => Kind::External,
        "act" if planned => Kind::Planned,
        _ => return None,
    })
}

/// Whether the statement is of what is meant to be done.
pub(super) fn is_planned(element: Element<'_>) -> bool {
    matches!(element.attr("moodCode").map(str::trim), Some("INT" | "RQO" | "PRMS" | "PRP" | "ARQ" | "APT"))
}

/// Parts of statements for which FHIR has no element: statuses that the statement itself has, priorities, monitoring.
pub(super) fn is_without_target(element: Element<'_>) -> bool {
    const NONE: [&str; 9] = [
        "2.16.840.1.113883.10.20.1.47",
        "2.16.840.1.113883.10.20.1.57",
        "2.16.840.1.113883.10.20.22.4.6",
        "2.16.840.1.113883.10.20.22.4.28",
        "2.16.840.1.113883.10.20.22.4.8",
        "2.16.840.1.113883.10.20.22.4.143",
        "2.16.840.1.113883.10.20.22.4.123",
        "2.16.840.1.113883.10.20.22.4.129",
        "2.16.840.1.113883.10.20.1.19",
    ];
    element.templates().any(|(root, _)| NONE.contains(&root))
}

/// Whether an observation has neither a code nor a value.
pub(super) fn says_nothing(observation: Element<'_>) -> bool {
    let empty = |coded: Option<Element<'_>>| {
        coded.is_none_or(|coded| {
            let said = ["code", "displayName", "value"].iter().any(|name| coded.attr(name).is_some_and(|value| !value.trim().is_empty()));
            !said
                && coded.text().trim().is_empty()
                && coded.descendants().all(|below| below.attr("code").is_none() && below.attr("value").is_none())
        })
    };
    observation.name() == "observation" && empty(observation.child("code")) && empty(observation.child("value"))
}

/// Whether an act, procedure or encounter has a nullFlavor for a code, and nothing else.
fn is_bare(element: Element<'_>) -> bool {
    matches!(element.name(), "act" | "procedure" | "encounter")
        && element.child("code").is_some_and(|code| code.null_flavor().is_some() && code.children().next().is_none())
        && element
            .children()
            .all(|child| matches!(child.name(), "templateId" | "id" | "code" | "statusCode") || child.null_flavor().is_some())
}

/// Whether the statement has no content at all.
pub(super) fn is_void(element: Element<'_>) -> bool {
    says_nothing(element)
        || is_bare(element)
        || element.null_flavor().is_some()
            && element.descendants().all(|below| below.name() == "statusCode" || below.attr("code").is_none())
}

/// Whether the sender states nothing by the statement: it has a nullFlavor of its own, whatever stands in it.
pub(super) fn is_unstated(element: Element<'_>) -> bool {
    element.null_flavor().is_some()
}

/// Whether a statement is negated that has no other way to say so than to be left out.
pub(super) fn is_negated_without_words(element: Element<'_>, kind: Kind) -> bool {
    let framed = matches!(element.name(), "organizer" | "encounter" | "supply");
    let kinds = matches!(
        kind,
        Kind::ProblemConcern
            | Kind::AllergyConcern
            | Kind::HealthConcern
            | Kind::MedicationWrapper
            | Kind::EncounterDiagnosis
            | Kind::Goal
            | Kind::Coverage
            | Kind::Directive
            | Kind::CareTeam
            | Kind::Note
            | Kind::External
            | Kind::Instruction
            | Kind::Handoff
    );
    element.is_negated() && (framed || kinds)
}

/// Kinds that become an Observation, which can say that there is no value and why. All else would read as a fact.
pub(super) fn is_observed(kind: Kind) -> bool {
    matches!(kind, Kind::Result | Kind::Vital | Kind::Social | Kind::Smoking | Kind::Pregnancy | Kind::Status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_stands_once() {
        let mut seen = std::collections::HashSet::new();
        assert!(TEMPLATES.iter().all(|(root, _, _)| seen.insert(root)));
    }
}
