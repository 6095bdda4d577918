//! The definitions of the extensions, as they stand in `definitions/`.

/// A definition as FHIR JSON.
macro_rules! definition {
    ($file:literal) => {
        include_str!(concat!("../../definitions/", $file))
    };
}

/// StructureDefinitions, CodeSystems and ValueSets of the enrichment, each a resource in JSON, for servers and validators.
pub const DEFINITIONS: [&str; 30] = [
    definition!("CodeSystem-age-group.json"),
    definition!("CodeSystem-chronic-condition-group.json"),
    definition!("CodeSystem-clinical-significance.json"),
    definition!("CodeSystem-limit-source.json"),
    definition!("CodeSystem-not-assessed-reason.json"),
    definition!("CodeSystem-population-group.json"),
    definition!("CodeSystem-risk-stratum.json"),
    definition!("CodeSystem-us-census-division.json"),
    definition!("CodeSystem-us-census-region.json"),
    definition!("StructureDefinition-age.json"),
    definition!("StructureDefinition-clinical-significance.json"),
    definition!("StructureDefinition-data-quality.json"),
    definition!("StructureDefinition-geographic-region.json"),
    definition!("StructureDefinition-measure-result.json"),
    definition!("StructureDefinition-population-group.json"),
    definition!("StructureDefinition-risk-factor.json"),
    definition!("StructureDefinition-risk-stratum.json"),
    definition!("StructureDefinition-social-determinant.json"),
    definition!("ValueSet-age-group.json"),
    definition!("ValueSet-chronic-condition-group.json"),
    definition!("ValueSet-clinical-significance.json"),
    definition!("ValueSet-limit-source.json"),
    definition!("ValueSet-m49-sub-region.json"),
    definition!("ValueSet-measure-population.json"),
    definition!("ValueSet-not-assessed-reason.json"),
    definition!("ValueSet-population-group.json"),
    definition!("ValueSet-risk-stratum.json"),
    definition!("ValueSet-social-determinant-category.json"),
    definition!("ValueSet-us-census-division.json"),
    definition!("ValueSet-us-census-region.json"),
];
