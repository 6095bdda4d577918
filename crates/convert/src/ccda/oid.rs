//! Identifiers of code systems and name spaces: OIDs of CDA as URIs of FHIR, and units. The tables are those of `sutura_terminology`.

use std::{borrow::Cow, collections::HashSet, sync::OnceLock};

use sutura_hl7v2::defs;
use sutura_terminology::{oid, ucum as units, v2};

/// Roots that C-CDA gives a meaning of its own.
const CDA: &[(&str, &str)] = &[
    // "The extension is a URI."
    ("2.16.840.1.113883.4.873", "urn:ietf:rfc:3986"),
    // A value set that some systems send in place of its code system.
    ("2.16.840.1.113883.1.11.78", "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"),
];

/// Names by which senders call code systems whose OID they leave out.
const NAMES: &[(&str, &str)] = &[
    ("loinc", "http://loinc.org"),
    ("snomed ct", "http://snomed.info/sct"),
    ("snomed-ct", "http://snomed.info/sct"),
    ("snomedct", "http://snomed.info/sct"),
    ("snomed", "http://snomed.info/sct"),
    ("rxnorm", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("cvx", "http://hl7.org/fhir/sid/cvx"),
    ("ndc", "http://hl7.org/fhir/sid/ndc"),
    ("cpt", "http://www.ama-assn.org/go/cpt"),
    ("cpt-4", "http://www.ama-assn.org/go/cpt"),
    ("cpt4", "http://www.ama-assn.org/go/cpt"),
    ("icd-9-cm", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("icd9", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("icd-9", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("icd-10-cm", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("icd10", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("icd-10", "http://hl7.org/fhir/sid/icd-10-cm"),
];

/// The URI of a code system by its OID, `urn:oid:` with the OID where FHIR has no other; none if it is neither an OID nor a URI.
pub(super) fn system_uri(system: &str) -> Option<Cow<'_, str>> {
    uri_of_root(system)
}

/// The URI of the root of an identifier: known name spaces, `urn:oid:` and `urn:uuid:`.
pub(super) fn uri_of_root(root: &str) -> Option<Cow<'_, str>> {
    let root = root.trim();
    if let Some((_, uri)) = CDA.iter().find(|(known, _)| *known == root) {
        return Some(Cow::Borrowed(uri));
    }
    // Some systems write a UUID as Microsoft does.
    let bare = root.strip_prefix("urn:uuid:").unwrap_or(root).trim_start_matches('{').trim_end_matches('}');
    if let Some(uri) = oid::uri(bare) {
        return Some(table_of(&uri).unwrap_or(uri));
    }
    let is_uri = root.starts_with("http://") || root.starts_with("https://") || root.starts_with("urn:");
    (is_uri && !root.contains(char::is_whitespace)).then_some(Cow::Borrowed(root))
}

/// The code system of a table of HL7 v2 by its OID, for the tables that the standard has and HL7 does not publish as a code system.
fn table_of(uri: &str) -> Option<Cow<'static, str>> {
    let digits = uri.strip_prefix("urn:oid:2.16.840.1.113883.12.")?;
    let number: u16 = digits.parse().ok()?;
    tables().contains(&number).then(|| v2::table_uri(digits)).flatten()
}

/// The tables that a field or component of HL7 v2 takes its codes from.
fn tables() -> &'static HashSet<u16> {
    static TABLES: OnceLock<HashSet<u16>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let fields = defs::segments().iter().flat_map(|segment| segment.fields.iter().filter_map(|field| field.table));
        let parts = defs::datatypes().iter().flat_map(|kind| kind.components.iter().filter_map(|part| part.table));
        fields.chain(parts).filter(|number| *number != 9999).collect()
    })
}

/// The URI of a code system by the name that was sent for it.
pub(super) fn uri_of_name(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, uri)| *uri)
}

/// The UCUM code of a unit; none if it is no unit of UCUM and none is known for it.
pub(super) fn ucum(unit: &str) -> Option<Cow<'_, str>> {
    units::from_common(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_systems() {
        assert_eq!(system_uri("2.16.840.1.113883.6.1").unwrap(), "http://loinc.org");
        assert_eq!(system_uri("2.16.840.1.113883.3.247.1.1").unwrap(), "urn:oid:2.16.840.1.113883.3.247.1.1");
        assert_eq!(uri_of_root("068F3166-5721-4D69-94ED-8278FF035B8A").unwrap(), "urn:uuid:068f3166-5721-4d69-94ed-8278ff035b8a");
        for (table, uri) in [("1", Some("0001")), ("112", Some("0112")), ("305", Some("0305")), ("9999", None)] {
            let oid = format!("2.16.840.1.113883.12.{table}");
            let expected = uri.map_or_else(|| format!("urn:oid:{oid}"), |uri| format!("http://terminology.hl7.org/CodeSystem/v2-{uri}"));
            assert_eq!(system_uri(&oid).unwrap(), expected);
        }
        for wrong in ["", "LOINC", "1..2", "9.1", "1.02", "068F3166"] {
            assert_eq!(uri_of_root(wrong), None, "{wrong}");
        }
        assert_eq!(uri_of_name("SNOMED CT"), Some("http://snomed.info/sct"));
    }

    #[test]
    fn units() {
        assert_eq!(ucum("mmHg").unwrap(), "mm[Hg]");
        assert_eq!(ucum("mg/dL").unwrap(), "mg/dL");
        assert_eq!(ucum("{tablet}").unwrap(), "{tablet}");
        assert_eq!(ucum("no such unit"), None);
        assert_eq!(ucum(""), None);
    }
}
