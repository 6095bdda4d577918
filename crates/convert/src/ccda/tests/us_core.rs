//! How many resources of the documents satisfy the profiles of US Core. What the sender left out cannot satisfy them.

use std::collections::BTreeMap;

use sutura_fhir::validate::ProfileStore;

use super::{
    corpus::{data, inputs},
    *,
};

/// The profile that a resource is meant to have.
fn profile(resource: &serde_json::Value) -> Option<&'static str> {
    let category = |code: &str| {
        let mut concepts = resource["category"].as_array().into_iter().flatten();
        concepts.any(|concept| concept["coding"].as_array().is_some_and(|codings| codings.iter().any(|coding| coding["code"] == code)))
    };
    Some(match resource["resourceType"].as_str()? {
        "AllergyIntolerance" => "us-core-allergyintolerance",
        "CarePlan" => "us-core-careplan",
        "CareTeam" => "us-core-careteam",
        "Condition" if category("encounter-diagnosis") => "us-core-condition-encounter-diagnosis",
        "Condition" => "us-core-condition-problems-health-concerns",
        "Coverage" => "us-core-coverage",
        "DiagnosticReport" if category("LAB") => "us-core-diagnosticreport-lab",
        "DocumentReference" => "us-core-documentreference",
        "Encounter" => "us-core-encounter",
        "Goal" => "us-core-goal",
        "Immunization" => "us-core-immunization",
        "Location" => "us-core-location",
        "Medication" => "us-core-medication",
        "MedicationDispense" => "us-core-medicationdispense",
        "MedicationRequest" => "us-core-medicationrequest",
        "Observation" if resource["code"]["coding"][0]["code"] == "85354-9" => "us-core-blood-pressure",
        "Observation" if resource["code"]["coding"][0]["code"] == "72166-2" => "us-core-smokingstatus",
        "Observation" if category("vital-signs") && resource.get("hasMember").is_none() => "us-core-vital-signs",
        "Observation" if category("laboratory") => "us-core-observation-lab",
        "Organization" => "us-core-organization",
        "Practitioner" => "us-core-practitioner",
        "PractitionerRole" => "us-core-practitionerrole",
        "Procedure" => "us-core-procedure",
        "Provenance" => "us-core-provenance",
        "RelatedPerson" => "us-core-relatedperson",
        "Specimen" => "us-core-specimen",
        _ => return None,
    })
}

#[test]
fn resources_satisfy_us_core() {
    let Some(data) = data() else { return };
    let mut profiles = ProfileStore::new();
    profiles.load(&data.join("../fhir/us-core/resources")).unwrap();
    let validator = Validator::default().with_profiles(profiles);
    let (documents, _) = inputs(&data);
    let (mut satisfied, mut all) = (0, 0);
    let mut broken: BTreeMap<String, usize> = BTreeMap::new();
    for (_, bytes) in &documents {
        let (bundle, _, _) = convert_with(Options::default(), bytes);
        for entry in bundle["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            let Some(profile) = profile(resource) else { continue };
            let json = serde_json::to_vec(resource).unwrap();
            let mut parser = Parser::default();
            let url = format!("http://hl7.org/fhir/us/core/StructureDefinition/{profile}");
            let issues = validator.validate_against(parser.parse(&json).unwrap().root(), &[&url]);
            let errors: Vec<_> =
                issues.iter().filter(|issue| matches!(issue.severity, IssueSeverity::Error | IssueSeverity::Fatal)).collect();
            all += 1;
            satisfied += usize::from(errors.is_empty());
            for issue in errors {
                *broken.entry(format!("{profile} {}: {}", issue.expression, issue.diagnostics)).or_default() += 1;
            }
        }
    }
    let mut broken: Vec<_> = broken.into_iter().collect();
    broken.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!("US Core: {satisfied} of {all} resources");
    for (text, count) in broken.iter().take(40) {
        println!("  {count} {text}");
    }
    assert!(satisfied * 100 >= all * 80, "{satisfied} of {all}");
}
