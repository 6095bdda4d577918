//! OIDs and the URIs that FHIR uses for the same code system or identifier system.
//!
//! The systems of HL7 (v2 tables, v3, FHIR) come with their OIDs from HL7's definitions; common external systems are in `data/oids.tsv`.
//! An OID that is not known is still a URI: `urn:oid:` in front of it ([`uri`]).

use std::{borrow::Cow, collections::HashMap, sync::OnceLock};

use crate::{builtin, v2};

const EXTERNAL: &str = include_str!("../data/oids.tsv");
/// The arc under which the older OIDs of HL7 v2 tables are: `2.16.840.1.113883.12.1` is table 0001.
const V2_TABLES: &str = "2.16.840.1.113883.12.";
const URN: &str = "urn:oid:";

struct Known {
    uris: HashMap<&'static str, &'static str>,
    oids: HashMap<&'static str, &'static str>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut known = Known { uris: HashMap::new(), oids: HashMap::new() };
        let external = EXTERNAL.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let mut fields = line.split('\t');
            Some((fields.next()?, fields.next()?))
        });
        let own = builtin::system_headers().filter_map(|header| Some((header.oid?, header.url)));
        for (oid, uri) in external.chain(own) {
            known.uris.entry(oid).or_insert(uri);
            known.oids.entry(uri).or_insert(oid);
        }
        known
    })
}

/// The URI of a code system or identifier system with that OID (with or without `urn:oid:`); none when it is not known.
///
/// ```
/// assert_eq!(sutura_terminology::uri_of_oid("2.16.840.1.113883.6.1"), Some("http://loinc.org"));
/// assert_eq!(sutura_terminology::uri_of_oid("1.2.3.4"), None);
/// ```
pub fn uri_of_oid(oid: &str) -> Option<&'static str> {
    let oid = bare(oid);
    let uri = known().uris.get(oid).copied().or_else(|| v2::known_table_uri(oid.strip_prefix(V2_TABLES)?))?;
    // Systems without a URI of their own stand in the table so that they are known; their text is the same.
    Some(uri)
}

/// The OID of a URI, without `urn:oid:`; the OID of a `urn:oid:` URI is in it.
pub fn oid_of_uri(uri: &str) -> Option<&str> {
    match uri.strip_prefix(URN) {
        Some(oid) => is_oid(oid).then_some(oid),
        None => known().oids.get(uri).copied(),
    }
}

/// The URI to write for an OID: the known one, else `urn:oid:` and the OID. Text that is no OID gives `urn:uuid:` for a UUID, else nothing.
pub fn uri(root: &str) -> Option<Cow<'static, str>> {
    let root = bare(root.trim());
    if let Some(known) = uri_of_oid(root) {
        return Some(Cow::Borrowed(known));
    }
    if is_oid(root) {
        return Some(Cow::Owned(format!("{URN}{root}")));
    }
    is_uuid(root).then(|| Cow::Owned(format!("urn:uuid:{}", root.to_ascii_lowercase())))
}

/// Whether a text is an OID: numbers without leading zeros, joined by dots, the first 0, 1 or 2.
pub fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    let is_number =
        |arc: &str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc.len() == 1 || !arc.starts_with('0'));
    matches!(arcs.next(), Some("0" | "1" | "2")) && text.contains('.') && arcs.all(is_number)
}

/// Whether a text is a UUID in its usual form, in either case.
pub fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
}

fn bare(oid: &str) -> &str {
    oid.strip_prefix(URN).unwrap_or(oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_systems_have_their_uri() {
        for (oid, uri) in [
            ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
            ("urn:oid:2.16.840.1.113883.6.88", "http://www.nlm.nih.gov/research/umls/rxnorm"),
            ("2.16.840.1.113883.5.1", "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"),
            ("2.16.840.1.113883.5.4", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
            ("2.16.840.1.113883.12.1", "http://terminology.hl7.org/CodeSystem/v2-0001"),
            ("2.16.840.1.113883.12.292", "http://hl7.org/fhir/sid/cvx"),
            ("2.16.840.1.113883.4.6", "http://hl7.org/fhir/sid/us-npi"),
        ] {
            assert_eq!(uri_of_oid(oid), Some(uri), "{oid}");
        }
        assert_eq!(oid_of_uri("http://hl7.org/fhir/sid/cvx"), Some("2.16.840.1.113883.12.292"));
        assert_eq!(oid_of_uri("urn:oid:1.2.3"), Some("1.2.3"));
        assert_eq!(oid_of_uri("http://example.org"), None);
    }

    #[test]
    fn what_is_not_known_still_has_a_uri() {
        assert_eq!(uri("1.2.840.99").unwrap(), "urn:oid:1.2.840.99");
        assert_eq!(uri("6BA7B810-9DAD-11D1-80B4-00C04FD430C8").unwrap(), "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8");
        for text in ["", "1", "1.02", "3.1", "1..2", "LOCAL", "1.2.", "urn:oid:"] {
            assert_eq!(uri(text), None, "{text}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_an_oid_and_a_uri() {
        for line in EXTERNAL.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split('\t').collect();
            assert_eq!(fields.len(), 4, "{line}");
            assert!(is_oid(fields[0]) && fields[1].contains(':') && matches!(fields[2], "code" | "id"), "{line}");
        }
    }
}
