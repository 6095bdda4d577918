//! Identifiers of code systems and name spaces: OIDs of CDA as URIs of FHIR, and units.

use std::borrow::Cow;

/// Code systems and name spaces whose URI in FHIR is not their OID.
const KNOWN: &[(&str, &str)] = &[
    ("2.16.840.1.113883.6.1", "http://loinc.org"),
    ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
    ("2.16.840.1.113883.6.88", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("2.16.840.1.113883.6.90", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("2.16.840.1.113883.6.3", "http://hl7.org/fhir/sid/icd-10"),
    ("2.16.840.1.113883.6.4", "http://www.cms.gov/Medicare/Coding/ICD10"),
    ("2.16.840.1.113883.6.103", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("2.16.840.1.113883.6.2", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("2.16.840.1.113883.6.104", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("2.16.840.1.113883.6.12", "http://www.ama-assn.org/go/cpt"),
    ("2.16.840.1.113883.6.285", "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"),
    ("2.16.840.1.113883.6.14", "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"),
    ("2.16.840.1.113883.6.13", "http://www.ada.org/cdt"),
    ("2.16.840.1.113883.6.69", "http://hl7.org/fhir/sid/ndc"),
    ("2.16.840.1.113883.12.292", "http://hl7.org/fhir/sid/cvx"),
    ("2.16.840.1.113883.6.59", "http://hl7.org/fhir/sid/cvx"),
    ("2.16.840.1.113883.12.227", "http://hl7.org/fhir/sid/mvx"),
    ("2.16.840.1.113883.6.8", "http://unitsofmeasure.org"),
    ("2.16.840.1.113883.4.9", "http://fdasis.nlm.nih.gov"),
    ("2.16.840.1.113883.6.345", "http://www.nlm.nih.gov/research/umls/medrt"),
    ("2.16.840.1.113883.3.26.1.5", "http://hl7.org/fhir/ndfrt"),
    ("2.16.840.1.113883.3.26.1.1", "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"),
    ("2.16.840.1.113883.6.101", "http://nucc.org/provider-taxonomy"),
    ("2.16.840.1.113883.6.121", "urn:ietf:bcp:47"),
    ("2.16.840.1.113883.6.316", "urn:ietf:bcp:47"),
    ("2.16.840.1.113883.6.259", "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html"),
    ("2.16.840.1.113883.6.301.5", "https://www.nubc.org/CodeSystem/TypeOfBill"),
    ("2.16.840.1.113883.6.301.11", "https://www.nubc.org/CodeSystem/PresentOnAdmissionIndicator"),
    ("2.16.840.1.113883.3.221.5", "https://nahdo.org/sopt"),
    ("2.16.840.1.113883.6.255.1336", "https://x12.org/codes"),
    ("1.2.840.10008.2.16.4", "http://dicom.nema.org/resources/ontology/DCM"),
    ("2.16.840.1.113883.5.1", "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"),
    ("2.16.840.1.113883.5.2", "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"),
    ("2.16.840.1.113883.5.4", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
    ("2.16.840.1.113883.5.6", "http://terminology.hl7.org/CodeSystem/v3-ActClass"),
    ("2.16.840.1.113883.5.7", "http://terminology.hl7.org/CodeSystem/v3-ActPriority"),
    ("2.16.840.1.113883.5.8", "http://terminology.hl7.org/CodeSystem/v3-ActReason"),
    ("2.16.840.1.113883.5.14", "http://terminology.hl7.org/CodeSystem/v3-ActStatus"),
    ("2.16.840.1.113883.5.25", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
    ("2.16.840.1.113883.5.41", "http://terminology.hl7.org/CodeSystem/v3-EntityClass"),
    ("2.16.840.1.113883.5.43", "http://terminology.hl7.org/CodeSystem/v3-EntityNamePartQualifier"),
    ("2.16.840.1.113883.5.45", "http://terminology.hl7.org/CodeSystem/v3-EntityNameUse"),
    ("2.16.840.1.113883.5.60", "http://terminology.hl7.org/CodeSystem/v3-LanguageAbilityMode"),
    ("2.16.840.1.113883.5.61", "http://terminology.hl7.org/CodeSystem/v3-LanguageAbilityProficiency"),
    ("2.16.840.1.113883.5.79", "http://terminology.hl7.org/CodeSystem/v3-mediatypes"),
    ("2.16.840.1.113883.5.83", "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"),
    ("2.16.840.1.113883.5.84", "http://terminology.hl7.org/CodeSystem/v3-ObservationMethod"),
    ("2.16.840.1.113883.5.88", "http://terminology.hl7.org/CodeSystem/v3-ParticipationFunction"),
    ("2.16.840.1.113883.5.90", "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"),
    ("2.16.840.1.113883.5.110", "http://terminology.hl7.org/CodeSystem/v3-RoleClass"),
    ("2.16.840.1.113883.5.111", "http://terminology.hl7.org/CodeSystem/v3-RoleCode"),
    ("2.16.840.1.113883.5.112", "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"),
    ("2.16.840.1.113883.5.139", "http://terminology.hl7.org/CodeSystem/v3-TimingEvent"),
    ("2.16.840.1.113883.5.1001", "http://terminology.hl7.org/CodeSystem/v3-ActMood"),
    ("2.16.840.1.113883.5.1002", "http://terminology.hl7.org/CodeSystem/v3-ActRelationshipType"),
    ("2.16.840.1.113883.5.1008", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"),
    ("2.16.840.1.113883.5.1052", "http://terminology.hl7.org/CodeSystem/v3-ActSite"),
    ("2.16.840.1.113883.5.1063", "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"),
    ("2.16.840.1.113883.5.1076", "http://terminology.hl7.org/CodeSystem/v3-ReligiousAffiliation"),
    ("2.16.840.1.113883.5.1119", "http://terminology.hl7.org/CodeSystem/v3-AddressUse"),
    ("2.16.840.1.113883.12.112", "http://terminology.hl7.org/CodeSystem/v2-0112"),
    ("2.16.840.1.113883.12.443", "http://terminology.hl7.org/CodeSystem/v2-0443"),
    ("2.16.840.1.113883.12.162", "http://terminology.hl7.org/CodeSystem/v2-0162"),
    ("2.16.840.1.113883.12.163", "http://terminology.hl7.org/CodeSystem/v2-0163"),
    ("2.16.840.1.113883.18.86", "http://terminology.hl7.org/CodeSystem/v2-0162"),
    ("2.16.840.1.113883.1.11.78", "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"),
    ("2.16.840.1.113883.4.1", "http://hl7.org/fhir/sid/us-ssn"),
    ("2.16.840.1.113883.4.6", "http://hl7.org/fhir/sid/us-npi"),
    ("2.16.840.1.113883.4.572", "http://hl7.org/fhir/sid/us-medicare"),
    ("2.16.840.1.113883.4.927", "http://hl7.org/fhir/sid/us-mbi"),
    ("2.16.840.1.113883.4.7", "urn:oid:2.16.840.1.113883.4.7"),
    ("2.16.840.1.113883.4.873", "urn:ietf:rfc:3986"),
    ("2.16.840.1.113883.3.3719", "http://hl7.org/fhir/NamingSystem/fda-udi"),
    ("1.3.160", "http://hl7.org/fhir/NamingSystem/gs1-di"),
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
    let root = root.strip_prefix("urn:oid:").unwrap_or(root);
    if let Some((_, uri)) = KNOWN.iter().find(|(oid, _)| *oid == root) {
        return Some(Cow::Borrowed(uri));
    }
    if is_oid(root) {
        return Some(Cow::Owned(format!("urn:oid:{root}")));
    }
    let uuid = root.strip_prefix("urn:uuid:").unwrap_or(root).trim_start_matches('{').trim_end_matches('}');
    if is_uuid(uuid) {
        return Some(Cow::Owned(format!("urn:uuid:{}", uuid.to_ascii_lowercase())));
    }
    let is_uri =
        (root.starts_with("http://") || root.starts_with("https://") || root.starts_with("urn:")) && !root.contains(char::is_whitespace);
    is_uri.then_some(Cow::Borrowed(root))
}

/// The URI of a code system by the name that was sent for it.
pub(super) fn uri_of_name(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, uri)| *uri)
}

fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    matches!(arcs.next(), Some("0" | "1" | "2"))
        && text.contains('.')
        && arcs.all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0')))
}

pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Units that senders write in other words than UCUM.
const UNITS: &[(&str, &str)] = &[
    ("mmhg", "mm[Hg]"),
    ("mm hg", "mm[Hg]"),
    ("lb", "[lb_av]"),
    ("lbs", "[lb_av]"),
    ("pounds", "[lb_av]"),
    ("oz", "[oz_av]"),
    ("in", "[in_i]"),
    ("inch", "[in_i]"),
    ("inches", "[in_i]"),
    ("ft", "[ft_i]"),
    ("f", "[degF]"),
    ("degf", "[degF]"),
    ("deg f", "[degF]"),
    ("c", "Cel"),
    ("degc", "Cel"),
    ("deg c", "Cel"),
    ("bpm", "/min"),
    ("beats/min", "/min"),
    ("breaths/min", "/min"),
    ("mcg", "ug"),
    ("kg/m^2", "kg/m2"),
];

/// The UCUM code of a unit; none if it is no unit of UCUM and none is known for it.
pub(super) fn ucum(unit: &str) -> Option<Cow<'_, str>> {
    let lower = unit.trim().to_ascii_lowercase();
    if let Some((_, code)) = UNITS.iter().find(|(name, _)| *name == lower) {
        return Some(Cow::Borrowed(code));
    }
    is_ucum(unit).then_some(Cow::Borrowed(unit))
}

/// Whether it is written like a unit of UCUM: printable ASCII, no blanks outside of braces, brackets that close.
fn is_ucum(unit: &str) -> bool {
    let mut open = None;
    for byte in unit.bytes() {
        match (open, byte) {
            (Some(b'{'), b'}') | (Some(b'['), b']') => open = None,
            (Some(b'{'), b' '..=b'~') => {}
            (None, b'{' | b'[') => open = Some(byte),
            (None, b'}' | b']') => return false,
            (_, b'!'..=b'~') => {}
            _ => return false,
        }
    }
    !unit.is_empty() && open.is_none() && !unit.starts_with([':', ',', '<', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_systems() {
        assert_eq!(system_uri("2.16.840.1.113883.6.1").unwrap(), "http://loinc.org");
        assert_eq!(system_uri("2.16.840.1.113883.3.247.1.1").unwrap(), "urn:oid:2.16.840.1.113883.3.247.1.1");
        assert_eq!(uri_of_root("068F3166-5721-4D69-94ED-8278FF035B8A").unwrap(), "urn:uuid:068f3166-5721-4d69-94ed-8278ff035b8a");
        for wrong in ["", "LOINC", "1..2", "9.1", "1.02", "068F3166"] {
            assert_eq!(uri_of_root(wrong), None, "{wrong}");
        }
        assert_eq!(uri_of_name("SNOMED CT"), Some("http://snomed.info/sct"));
    }

    #[test]
    fn units() {
        assert_eq!(ucum("mmHg").unwrap(), "mm[Hg]");
        assert_eq!(ucum("mg/dL").unwrap(), "mg/dL");
        assert_eq!(ucum("{tablet(s) a}").unwrap(), "{tablet(s) a}");
        assert_eq!(ucum("x 10"), None);
        assert_eq!(ucum(""), None);
    }

    #[test]
    fn every_oid_stands_once() {
        let mut seen = std::collections::HashSet::new();
        assert!(KNOWN.iter().all(|(oid, _)| is_oid(oid) && seen.insert(oid)));
    }
}
