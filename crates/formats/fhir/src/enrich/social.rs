//! Social determinants of health: ICD-10-CM Z55-Z65 to the categories of SDOH Clinical Care.

use std::sync::LazyLock;

use super::{
    chronic::{begins, code_of, codings, is_icd10_cm},
    limits::lines,
    write::{Coding, Writer},
};
use crate::json::Value;

const TABLE: &str = include_str!("../../data/enrich/social.tsv");

/// The code system of the categories.
pub(super) const SYSTEM: &str = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes";

struct Table {
    /// Code and display, in the order of their bits.
    categories: Vec<(&'static str, &'static str)>,
    /// Prefix and category.
    prefixes: Vec<(&'static str, usize)>,
}

static LOADED: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { categories: Vec::new(), prefixes: Vec::new() };
    for line in lines(TABLE) {
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["category", code, display] => table.categories.push((code, display)),
            ["icd10cm", prefix, code] => {
                if let Some(place) = table.categories.iter().position(|(known, _)| known == code) {
                    table.prefixes.push((prefix, place));
                }
            }
            _ => {}
        }
    }
    table
});

/// Code and display of a category, by its bit.
pub(super) fn category(bit: usize) -> Option<(&'static str, &'static str)> {
    LOADED.categories.get(bit).copied()
}

/// The category of an ICD-10-CM code: that of the longest prefix; none outside of Z55-Z65.
pub(super) fn category_of(code: &str) -> Option<usize> {
    // Most codes are others.
    if !code.starts_with(['Z', 'z']) {
        return None;
    }
    LOADED.prefixes.iter().filter(|(prefix, _)| begins(code, prefix)).max_by_key(|(prefix, _)| prefix.len()).map(|(_, category)| *category)
}

/// The concepts of a resource that may hold a social determinant.
fn concepts<'d>(kind: &str, resource: Value<'d>) -> impl Iterator<Item = Value<'d>> {
    let second = if kind == "Observation" { "valueCodeableConcept" } else { "" };
    [resource.get("code"), resource.get(second)].into_iter().flatten()
}

/// The coded determinants of a Condition or Observation: the coding as sent, and its category.
fn determinants<'d>(kind: &str, resource: Value<'d>) -> impl Iterator<Item = (Value<'d>, usize)> {
    concepts(kind, resource)
        .flat_map(|concept| codings(Some(concept)))
        .filter(|(system, _)| is_icd10_cm(system))
        .filter_map(|(_, coding)| Some((coding, category_of(code_of(coding))?)))
}

/// The categories of a Condition or Observation, as bits: by its codes, and as it says itself.
pub(super) fn categories_of(kind: &str, resource: Value<'_>) -> u32 {
    if negative(kind, resource) {
        return 0;
    }
    let mut bits = determinants(kind, resource).fold(0, |bits, (_, category)| bits | 1_u32 << category.min(31));
    if kind == "Condition" {
        for concept in resource.get("category").into_iter().flat_map(|list| list.items()) {
            for (_, coding) in codings(Some(concept)).filter(|(system, _)| *system == SYSTEM) {
                let code = code_of(coding);
                if let Some(bit) = LOADED.categories.iter().position(|(known, _)| *known == code) {
                    bits |= 1 << bit.min(31);
                }
            }
        }
    }
    bits
}

/// Whether a resource says that it is not so: refuted, cancelled, or made in error.
fn negative(kind: &str, resource: Value<'_>) -> bool {
    if kind == "Observation" {
        return matches!(resource.get("status").and_then(|status| status.as_str()), Some("entered-in-error" | "cancelled"));
    }
    codings(resource.get("verificationStatus")).any(|(_, coding)| matches!(code_of(coding), "refuted" | "entered-in-error"))
}

/// Writes the determinants of a Condition or Observation, one extension for each code.
pub(super) fn write(kind: &str, resource: Value<'_>, writer: &mut Writer<'_>) {
    if negative(kind, resource) {
        return;
    }
    for (coding, category) in determinants(kind, resource).take(MOST_CODES) {
        let (Some((code, display)), Some(sent)) = (self::category(category), coding.get("code")) else { continue };
        writer.begin("social-determinant");
        writer.coding_part("category", Coding { system: SYSTEM, code, display });
        writer.sent_coding_part("code", "http://hl7.org/fhir/sid/icd-10-cm", sent.raw_text());
        writer.end();
    }
}

/// Codes of one resource that are looked at.
const MOST_CODES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(LOADED.categories.len() + LOADED.prefixes.len(), lines(TABLE).count());
        assert!(LOADED.categories.len() <= 32);
    }

    #[test]
    fn the_longest_prefix_counts() {
        let name = |code: &str| category_of(code).and_then(category).map(|(code, _)| code);
        for (code, expected) in [
            ("Z59.41", "food-insecurity"),
            ("Z5941", "food-insecurity"),
            ("Z59.01", "homelessness"),
            ("Z59.12", "utility-insecurity"),
            ("Z59.10", "inadequate-housing"),
            ("Z59.811", "housing-instability"),
            ("Z59.82", "transportation-insecurity"),
            ("Z59.868", "financial-insecurity"),
            ("Z59.861", "utility-insecurity"),
            ("Z59.87", "material-hardship"),
            ("Z56.0", "employment-status"),
            ("Z55.5", "educational-attainment"),
            ("Z55.6", "personal-health-literacy"),
            ("Z60.2", "social-connection"),
            ("Z65.1", "incarceration-status"),
            ("Z62.21", "sdoh-category-unspecified"),
        ] {
            assert_eq!(name(code), Some(expected), "{code}");
        }
        for other in ["Z54.1", "Z66", "Z61", "E11.9", "", "Z"] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
