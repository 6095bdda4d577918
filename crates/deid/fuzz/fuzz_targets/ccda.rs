//! Any document becomes one without its patient, or nothing; as a stream the same.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sutura_ccda::{Document, Limits};
use sutura_deid::ccda::CcdaDeidentifier;
use sutura_deid_fuzz::{FAMILY, NUMBER, choice, document, released, streams_alike, subjects};

static SUBJECTS: LazyLock<[CcdaDeidentifier; 2]> = LazyLock::new(|| subjects(CcdaDeidentifier::new));

const SEEDS: [&str; 1] = [r##"<?xml version="1.0"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:z="urn:zork">
<realmCode code="US"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.10.20.22.1.2" extension="2015-08-01"/>
<id root="1.2.840.99999.4711" extension="DOC4711"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Summary of episode note"/>
<title>Summary of Jane Zorkovich</title><effectiveTime value="20240301101500-0500"/><confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/><languageCode code="en-US"/>
<recordTarget><patientRole><id root="1.2.840.99999.1" extension="4711936001"/><id root="2.16.840.1.113883.4.1" extension="123-45-6789"/>
<addr use="HP"><streetAddressLine>12 Elm St</streetAddressLine><city>Boston</city><state>MA</state><postalCode>02139</postalCode><country>US</country></addr>
<telecom value="tel:+1(617)555-0100" use="HP"/><patient><name><given>Jane</given><family>Zorkovich</family></name>
<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19800517"/><sdtc:deceasedInd value="false"/><z:pet>Rex Zorkovich</z:pet></patient></patientRole></recordTarget>
<author><time value="20240301"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="1234567893"/><assignedPerson><name><given>Meredith</given><family>Grey</family></name></assignedPerson></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><id root="1.2.3.4711"/><name>Seattle Grace</name></representedCustodianOrganization></assignedCustodian></custodian>
<component><structuredBody><component><section><templateId root="2.16.840.1.113883.10.20.22.2.3.1"/><code code="30954-2" codeSystem="2.16.840.1.113883.6.1" displayName="Results"/>
<title>Results</title><text><table><tr><td ID="Jane1">Hemoglobin of Jane Zorkovich, call 617-555-0100 on 2024-03-01</td></tr></table></text>
<entry typeCode="DRIV"><organizer classCode="BATTERY" moodCode="EVN"><id root="7d5a02b0-67a4-11db-bd13-0800200c9a66"/><statusCode code="completed"/><component><observation classCode="OBS" moodCode="EVN">
<id root="107c2dc0-67a5-11db-bd13-0800200c9a66"/><code code="718-7" displayName="Hemoglobin" codeSystem="2.16.840.1.113883.6.1"><originalText><reference value="#Jane1"/></originalText></code>
<statusCode code="completed"/><effectiveTime value="20240301101500-0500"/><value xsi:type="PQ" value="13.5" unit="g/dL"/></observation></component>
<component><observation classCode="OBS" moodCode="EVN"><code code="30525-0" codeSystem="2.16.840.1.113883.6.1"/><value xsi:type="PQ" value="93" unit="a"/></observation></component></organizer></entry></section></component>
<component><section><text><renderMultiMedia referencedObject="x"/></text><entry><observationMedia classCode="OBS" moodCode="EVN"><value mediaType="image/jpeg" representation="B64">SmFuZSBEb2U=</value></observationMedia></entry></section></component>
</structuredBody></component></ClinicalDocument>"##];

fuzz_target!(|data: &[u8]| {
    let bytes = document(&SEEDS, data);
    let subject = &SUBJECTS[choice(data)];
    let read = Document::parse(bytes.clone(), &Limits::default());
    let known = read.as_ref().map(known).unwrap_or_default();
    let out = released(subject, &bytes, &known);
    if let Some(out) = &out {
        Document::parse(out.clone(), &Limits::default()).expect("a document");
    }
    streams_alike(subject, &bytes, out.as_deref());
});

/// What the document says of its patient.
fn known(document: &Document) -> Vec<&'static str> {
    let Some(role) = document.root().path(&["recordTarget", "patientRole"]) else { return Vec::new() };
    let mut known = Vec::new();
    if role.children_named("id").any(|id| id.attr("extension") == Some(NUMBER)) {
        known.push(NUMBER);
    }
    if role.path(&["patient", "name", "family"]).is_some_and(|family| family.text().trim() == FAMILY) {
        known.push(FAMILY);
    }
    known
}
