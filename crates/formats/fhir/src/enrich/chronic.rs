//! Groups of chronic conditions by code.

use std::sync::LazyLock;

use super::limits::lines;
use crate::json::Value;

const TABLE: &str = include_str!("../../data/enrich/chronic.tsv");

/// One group: its code, its name, its ICD-10 prefixes without points, its SNOMED CT codes.
pub(super) struct Group {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    icd10: Vec<&'static str>,
    snomed: Vec<&'static str>,
}

/// The groups in the order of their bits.
pub(super) static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let group = |line: &'static str| {
        let mut cells = line.split('\t');
        let (code, name) = (cells.next()?, cells.next()?);
        let mut list = || cells.next().map(|cell| cell.split(' ').collect());
        Some(Group { code, name, icd10: list()?, snomed: list()? })
    };
    lines(TABLE).filter_map(group).collect()
});

const SNOMED: [&str; 2] = ["http://snomed.info/sct", "urn:oid:2.16.840.1.113883.6.96"];
const ICD10_CM: [&str; 2] = ["http://hl7.org/fhir/sid/icd-10-cm", "urn:oid:2.16.840.1.113883.6.90"];
const ICD10: [&str; 2] = ["http://hl7.org/fhir/sid/icd-10", "urn:oid:2.16.840.1.113883.6.3"];

/// Whether it is the code system ICD-10-CM.
pub(super) fn is_icd10_cm(system: &str) -> bool {
    ICD10_CM.contains(&system)
}

/// Whether a code begins with a prefix; points in either do not count.
pub(super) fn begins(code: &str, prefix: &str) -> bool {
    let mut code = code.bytes().filter(|byte| *byte != b'.');
    prefix.bytes().filter(|byte| *byte != b'.').all(|byte| code.next().is_some_and(|have| have.eq_ignore_ascii_case(&byte)))
}

/// The codes of a CodeableConcept: system and coding.
pub(super) fn codings(concept: Option<Value<'_>>) -> impl Iterator<Item = (&str, Value<'_>)> {
    concept.and_then(|concept| concept.get("coding")).into_iter().flat_map(|list| list.items()).filter_map(|coding| {
        let system = coding.get("system")?.as_str()?;
        coding.get("code")?.as_str()?;
        Some((system, coding))
    })
}

/// The code of a coding.
pub(super) fn code_of(coding: Value<'_>) -> &str {
    coding.get("code").and_then(|code| code.as_str()).unwrap_or("")
}

/// Whether a Condition is one that the person has: active (or nothing said), neither refuted nor entered in error.
pub(super) fn counts(condition: Value<'_>) -> bool {
    let any = |name: &str, codes: &[&str]| codings(condition.get(name)).any(|(_, coding)| codes.contains(&code_of(coding)));
    !any("clinicalStatus", &["inactive", "remission", "resolved"]) && !any("verificationStatus", &["refuted", "entered-in-error"])
}

/// The groups of a Condition, as bits.
pub(super) fn groups_of(condition: Value<'_>) -> u32 {
    let mut bits = 0;
    for (system, coding) in codings(condition.get("code")) {
        let code = code_of(coding);
        let snomed = SNOMED.contains(&system);
        if !snomed && !is_icd10_cm(system) && !ICD10.contains(&system) {
            continue;
        }
        for (bit, group) in GROUPS.iter().enumerate().take(32) {
            let in_group = if snomed { group.snomed.contains(&code) } else { group.icd10.iter().any(|prefix| begins(code, prefix)) };
            bits |= u32::from(in_group) << bit;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Parser;

    fn groups(system: &str, code: &str) -> Vec<&'static str> {
        let text = format!(r#"{{"code":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}}}"#);
        let mut parser = Parser::default();
        let bits = groups_of(parser.parse(text.as_bytes()).unwrap().root());
        GROUPS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, group)| group.code).collect()
    }

    #[test]
    fn every_line_of_the_table_is_a_group() {
        assert_eq!(GROUPS.len(), lines(TABLE).count());
        assert_eq!(GROUPS.len(), 20);
    }

    #[test]
    fn codes_find_their_groups() {
        let cm = ICD10_CM[0];
        assert_eq!(groups(cm, "E11.9"), ["diabetes"]);
        assert_eq!(groups(cm, "E119"), ["diabetes"]);
        assert_eq!(groups(cm, "E11.22"), ["chronic-kidney-disease", "diabetes"]);
        assert_eq!(groups(cm, "I13.0"), ["hypertension", "heart-failure", "chronic-kidney-disease"]);
        assert_eq!(groups(ICD10[0], "C50.9"), ["cancer"]);
        assert_eq!(groups(cm, "C44.91"), Vec::<&str>::new());
        assert_eq!(groups(cm, "J06.9"), Vec::<&str>::new());
        assert_eq!(groups(SNOMED[0], "44054006"), ["diabetes"]);
        assert_eq!(groups("http://example.org", "44054006"), Vec::<&str>::new());
    }
}
