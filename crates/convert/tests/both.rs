//! What HL7 v2 and C-CDA say of the same person, organization or place is one resource: its id comes from the identifier alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeSet;

use serde_json::Value;
use sutura_ccda::{Document, Limits};
use sutura_convert::{ccda, fhir::Source, ids, report::Report, v2};
use sutura_core::Sha256Hash;
use sutura_hl7v2::Message;

fn source(text: &str) -> Source<'_> {
    Source { uri: "file:///record", offset: 0, length: text.len() as u64, sha256: Sha256Hash::of(text.as_bytes()) }
}

/// Type and id of every resource.
fn names(json: &[u8]) -> BTreeSet<String> {
    let bundle: Value = serde_json::from_slice(json).unwrap();
    let name =
        |entry: &Value| format!("{}/{}", entry["resource"]["resourceType"].as_str().unwrap(), entry["resource"]["id"].as_str().unwrap());
    bundle["entry"].as_array().unwrap().iter().map(name).collect()
}

fn of_message(text: &str) -> BTreeSet<String> {
    let message = Message::parse(text).unwrap();
    let mut out = Vec::new();
    v2::Converter::new(&v2::Options::default()).unwrap().convert(&message, &source(text), &mut Report::new(), &mut out).unwrap();
    names(&out)
}

fn of_document(text: &str) -> BTreeSet<String> {
    let document = Document::parse(text.as_bytes().to_vec(), &Limits::default()).unwrap();
    let mut out = Vec::new();
    ccda::Converter::new(ccda::Options::default()).convert(&document, &source(text), &mut Report::new(), &mut out).unwrap();
    names(&out)
}

#[test]
fn one_identifier_is_one_id_in_both_formats() {
    let message = "MSH|^~\\&|A|H|||20240102030405+0000||ADT^A01^ADT_A01|1|P|2.5.1\r\
        PID|1||77^^^H&1.2.3.4&ISO^MR||DOE^JANE||19800101|F\r\
        PD1|||CLINIC^^^^^G&1.2.3.9&ISO^XX^^^55\r\
        PV1|1|I|||||1234567893^WELBY^MARCUS^^^^^^NPI&2.16.840.1.113883.4.6&ISO^L\r";
    let document = r#"<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.9" extension="d"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><effectiveTime value="20240101"/>
        <recordTarget><patientRole><id root="1.2.3.4" extension="77"/><patient><name><given>JANE</given><family>DOE</family></name></patient></patientRole></recordTarget>
        <author><time value="20240101"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="1234567893"/><assignedPerson><name><family>WELBY</family></name></assignedPerson>
          <representedOrganization><id root="1.2.3.9" extension="55"/><name>CLINIC</name></representedOrganization></assignedAuthor></author></ClinicalDocument>"#;
    let (of_message, of_document) = (of_message(message), of_document(document));
    for (kind, system, value) in [
        ("Patient", "urn:oid:1.2.3.4", "77"),
        ("Practitioner", "http://hl7.org/fhir/sid/us-npi", "1234567893"),
        ("Organization", "urn:oid:1.2.3.9", "55"),
    ] {
        let name = format!("{kind}/{}", ids::from_identifier(kind, system, value));
        assert!(of_document.contains(&name), "{kind} of the document");
        assert!(of_message.contains(&name), "{kind} of the message");
    }
}

#[test]
fn a_uuid_and_a_root_alone_are_uris() {
    let patient = |id: &str| {
        of_document(&format!(
            r#"<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole>{id}<patient/></patientRole></recordTarget></ClinicalDocument>"#
        ))
    };
    let uuid = "urn:uuid:068f3166-5721-4d69-94ed-8278ff035b8a";
    let name = |system: &str, value: &str| format!("Patient/{}", ids::from_identifier("Patient", system, value));
    assert!(patient(r#"<id root="068F3166-5721-4D69-94ED-8278FF035B8A" extension="1"/>"#).contains(&name(uuid, "1")));
    assert!(patient(r#"<id root="068F3166-5721-4D69-94ED-8278FF035B8A"/>"#).contains(&name("urn:ietf:rfc:3986", uuid)));
    // Without a system a value names somebody in one document only.
    let (one, other) = (patient(r#"<id extension="1"/>"#), patient(r#"<id extension="1"/><telecom value="tel:1"/>"#));
    let patient_of = |names: &BTreeSet<String>| names.iter().find(|name| name.starts_with("Patient/")).unwrap().clone();
    assert_ne!(patient_of(&one), patient_of(&other));
}
