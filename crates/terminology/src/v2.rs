//! How HL7 v2 names code systems: tables by number, coding systems by the codes of table 0396.

use std::{borrow::Cow, collections::HashMap, sync::OnceLock};

use crate::{builtin, oid};

const CODING_SYSTEMS: &str = include_str!("../data/v2_coding_systems.tsv");
const BASE: &str = "http://terminology.hl7.org/CodeSystem/v2-";

fn tables() -> &'static HashMap<u32, &'static str> {
    static TABLES: OnceLock<HashMap<u32, &'static str>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let headers = builtin::system_headers();
        headers.filter_map(|header| Some((header.url.strip_prefix(BASE)?.parse().ok()?, header.url))).collect()
    })
}

fn coding_systems() -> &'static HashMap<&'static str, &'static str> {
    static SYSTEMS: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    SYSTEMS.get_or_init(|| {
        let lines = CODING_SYSTEMS.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once('\t')).map(|(code, rest)| (code, rest.split('\t').next().unwrap_or_default())).collect()
    })
}

/// The number of a table, written as `0001`, `1`, `HL70001` or `HL7-0001`.
fn table_number(table: &str) -> Option<u32> {
    let digits = table.strip_prefix("HL7").or_else(|| table.strip_prefix("hl7")).unwrap_or(table);
    let digits = digits.strip_prefix(['-', '_']).unwrap_or(digits);
    (matches!(digits.len(), 1..=4) && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// The URI of a table that HL7 publishes as a code system.
pub(crate) fn known_table_uri(table: &str) -> Option<&'static str> {
    tables().get(&table_number(table)?).copied()
}

/// The code system URI of an HL7 v2 table (`0001`, `HL70001`). Tables that HL7 does not publish follow the same pattern; text that is no table number
/// gives nothing.
///
/// ```
/// assert_eq!(sutura_terminology::v2::table_uri("HL70001").unwrap(), "http://terminology.hl7.org/CodeSystem/v2-0001");
/// ```
pub fn table_uri(table: &str) -> Option<Cow<'static, str>> {
    let number = table_number(table)?;
    Some(tables().get(&number).map_or_else(|| Cow::Owned(format!("{BASE}{number:04}")), |uri| Cow::Borrowed(*uri)))
}

/// Whether HL7 publishes the codes of that table.
pub fn is_published_table(table: &str) -> bool {
    known_table_uri(table).is_some()
}

/// The URI of a coding system as CWE-3 names it: a code of table 0396 (`LN`, `I10C`, `HL70005`), an OID or a URI. Case is ignored.
/// Local systems (`L`, `99zzz`, anything not known) give nothing: only the sender knows what they are.
pub fn coding_system_uri(name: &str) -> Option<Cow<'static, str>> {
    let name = name.trim();
    if let Some(uri) = coding_systems().get(name) {
        return Some(Cow::Borrowed(uri));
    }
    let upper = name.to_ascii_uppercase();
    if let Some(uri) = coding_systems().get(upper.as_str()) {
        return Some(Cow::Borrowed(uri));
    }
    if upper.starts_with("HL7") {
        return table_uri(&upper);
    }
    if name.starts_with("http://") || name.starts_with("https://") || name.starts_with("urn:") {
        return match name.strip_prefix("urn:oid:") {
            Some(_) => oid::uri(name),
            None => (!name.contains(char::is_whitespace)).then(|| Cow::Owned(name.to_owned())),
        };
    }
    oid::is_oid(name).then(|| oid::uri(name)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_coding_systems() {
        for (name, uri) in [
            ("LN", "http://loinc.org"),
            ("ln", "http://loinc.org"),
            ("SCT", "http://snomed.info/sct"),
            ("I10C", "http://hl7.org/fhir/sid/icd-10-cm"),
            ("HL70078", "http://terminology.hl7.org/CodeSystem/v2-0078"),
            ("2.16.840.1.113883.6.1", "http://loinc.org"),
            ("1.2.3.4", "urn:oid:1.2.3.4"),
            ("http://example.org/cs", "http://example.org/cs"),
        ] {
            assert_eq!(coding_system_uri(name).as_deref(), Some(uri), "{name}");
        }
        for name in ["", "L", "99LAB", "HL7", "HL7ABCD", "http://a b"] {
            assert_eq!(coding_system_uri(name), None, "{name}");
        }
    }

    #[test]
    fn tables_have_a_uri_published_or_not() {
        assert_eq!(table_uri("302").unwrap(), "http://terminology.hl7.org/CodeSystem/v2-0302");
        assert!(is_published_table("0203") && !is_published_table("9999"));
        assert_eq!(table_uri("12345"), None);
        assert_eq!(table_uri("PID"), None);
    }
}
