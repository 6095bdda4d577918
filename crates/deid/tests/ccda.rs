//! C-CDA documents: nothing that was planted is left, what comes out can be read, and it agrees with the columns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::format_push_string)]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use support::{POLICIES, builtin, cell, column, data, files, run, table, treatment};
use sutura_ccda::{Document, Limits};
use sutura_core::PhiClass;
use sutura_deid::{DocumentDeidentifier, Ledger, Outcome, Scrub, ccda::CcdaDeidentifier};

const DOCUMENT: &str = r##"<?xml version="1.0"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:z="urn:zork">
<realmCode code="US"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.10.20.22.1.2" extension="2015-08-01"/>
<id root="1.2.840.99999.4711" extension="DOC4711"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Summary of episode note"/>
<title>Summary of Jane Doe</title><effectiveTime value="20240301101500-0500"/><confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/><languageCode code="en-US"/>
<recordTarget><patientRole><id root="1.2.840.99999.1" extension="A-17"/><id root="2.16.840.1.113883.4.1" extension="123-45-6789"/>
<addr use="HP"><streetAddressLine>12 Elm St</streetAddressLine><city>Boston</city><state>MA</state><postalCode>02139</postalCode><country>US</country></addr>
<telecom value="tel:+1(617)555-0100" use="HP"/><patient><name><given>Jane</given><family>Doe</family></name>
<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19800517"/><sdtc:deceasedInd value="false"/><z:pet>Rex Doe</z:pet></patient></patientRole></recordTarget>
<author><time value="20240301"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="1234567893"/><assignedPerson><name><given>Meredith</given><family>Grey</family></name></assignedPerson></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><id root="1.2.3.4711"/><name>Seattle Grace</name></representedCustodianOrganization></assignedCustodian></custodian>
<component><structuredBody><component><section><templateId root="2.16.840.1.113883.10.20.22.2.3.1"/><code code="30954-2" codeSystem="2.16.840.1.113883.6.1" displayName="Results"/>
<title>Results</title><text><table><tr><td ID="Jane1">Hemoglobin of Jane Doe, call 617-555-0100 on 2024-03-01</td></tr></table></text>
<entry typeCode="DRIV"><organizer classCode="BATTERY" moodCode="EVN"><id root="7d5a02b0-67a4-11db-bd13-0800200c9a66"/><statusCode code="completed"/><component><observation classCode="OBS" moodCode="EVN">
<id root="107c2dc0-67a5-11db-bd13-0800200c9a66"/><code code="718-7" displayName="Hemoglobin" codeSystem="2.16.840.1.113883.6.1"><originalText><reference value="#Jane1"/></originalText></code>
<statusCode code="completed"/><effectiveTime value="20240301101500-0500"/><value xsi:type="PQ" value="13.5" unit="g/dL"/></observation></component>
<component><observation classCode="OBS" moodCode="EVN"><code code="30525-0" codeSystem="2.16.840.1.113883.6.1"/><value xsi:type="PQ" value="93" unit="a"/></observation></component></organizer></entry></section></component>
<component><section><text><renderMultiMedia referencedObject="x"/></text><entry><observationMedia classCode="OBS" moodCode="EVN"><value mediaType="image/jpeg" representation="B64">SmFuZSBEb2U=</value></observationMedia></entry></section></component>
</structuredBody></component></ClinicalDocument>"##;

fn deidentifier(policy: &str) -> CcdaDeidentifier {
    CcdaDeidentifier::new(treatment(&builtin(policy)))
}

fn read(text: &str) -> Document {
    Document::parse(text.as_bytes().to_vec(), &Limits::default()).unwrap()
}

#[test]
fn a_document_stays_one_without_its_person() {
    let (out, ledger) = run(&deidentifier("hipaa-safe-harbor"), DOCUMENT);
    for word in [
        "Doe",
        "Jane",
        "555-0100",
        "A-17",
        "123-45",
        "Elm",
        "Boston",
        "1980051",
        "2024030",
        "Grey",
        "Meredith",
        "Seattle",
        "DOC4711",
        "Rex",
        "SmFu",
        "7d5a02b0",
        "1234567893",
        "zork",
    ] {
        assert!(!out.contains(word), "{word} is left in {out}");
    }
    let document = read(&out);
    let role = document.root().path(&["recordTarget", "patientRole"]).unwrap();
    assert!(role.child("id").unwrap().attr("extension").unwrap().starts_with("mrn-"));
    assert_eq!(role.children_named("id").nth(1).unwrap().null_flavor(), Some("MSK"));
    assert_eq!(role.path(&["patient", "birthTime"]).unwrap().attr("value"), Some("1980"));
    assert_eq!(role.path(&["patient", "name"]).unwrap().null_flavor(), Some("MSK"));
    assert_eq!(role.path(&["patient", "administrativeGenderCode"]).unwrap().attr("code"), Some("F"));
    assert_eq!(role.path(&["addr", "postalCode"]).unwrap().text(), "021");
    assert_eq!(document.root().child("templateId").unwrap().attr("extension"), Some("2015-08-01"));
    let sections = document.sections();
    assert_eq!(sections.len(), 2);
    let entry = document.entries().iter().map(|entry| entry.element(&document)).find(|entry| entry.is("organizer")).unwrap();
    let value = entry.path(&["component", "observation", "value"]).unwrap();
    assert_eq!((value.attr("value"), value.attr("unit"), value.xsi_type()), (Some("13.5"), Some("g/dL"), Some("PQ")));
    assert_eq!(entry.path(&["component", "observation", "code"]).unwrap().attr("code"), Some("718-7"));
    assert!(!out.contains("\"93\""), "an age over 89 goes: {out}");
    assert!(ledger.count(Outcome::Unknown) >= 1 && ledger.documents() == 1);
}

#[test]
fn codes_and_shifts_are_those_of_the_columns() {
    for policy in POLICIES {
        let privacy = builtin(policy);
        let (out, _) = run(&CcdaDeidentifier::new(treatment(&privacy)), DOCUMENT);
        let before = table(&sutura_ccda::Ccda, DOCUMENT.as_bytes().to_vec(), "documents");
        let shown = privacy.plan_table(Some("documents"), &before.schema()).unwrap().apply(&before).unwrap();
        let again = table(&sutura_ccda::Ccda, out.into_bytes(), "documents");
        for name in ["patient_id", "birth_date", "gender", "state"] {
            assert_eq!(cell(&again, name), cell(&shown, name), "{policy} {name}");
        }
        let mrn = column(&privacy, "patients", "patient_id", "PID-3.1", PhiClass::Mrn, "A-17", "A-17");
        assert_eq!(Some(cell(&again, "patient_id")), mrn, "{policy}");
    }
}

#[test]
fn dates_move_with_the_patient() {
    let privacy = builtin("gdpr-pseudonymised");
    let (out, _) = run(&CcdaDeidentifier::new(treatment(&privacy)), DOCUMENT);
    let moved = column(&privacy, "observations", "effective", "x", PhiClass::Date, "2024-03-01T10:15:00-05:00", "A-17").unwrap();
    let stamp: String = moved[..19].chars().filter(char::is_ascii_digit).collect();
    assert!(out.contains(&format!("value=\"{stamp}-0500\"")), "{stamp} {out}");
}

#[test]
fn narrative_keeps_its_form_when_text_is_cleaned() {
    let privacy = builtin("gdpr-pseudonymised");
    let rules = sutura_privacy::text::Rules::builtin(&["en"]).unwrap();
    let stage = Scrub::new(sutura_privacy::text::Scrubber::new(rules), &privacy);
    let (out, _) = run(&CcdaDeidentifier::new(treatment(&privacy).with_text_stage(Arc::new(stage))), DOCUMENT);
    for word in ["Doe", "Jane", "555-0100", "2024-03-01"] {
        assert!(!out.contains(word), "{word} is left in {out}");
    }
    let document = read(&out);
    let reference = document.root().descendants().find(|element| element.is("reference")).unwrap().attr("value").unwrap().to_owned();
    assert!(document.resolve(&reference).unwrap().text().starts_with("Hemoglobin of"), "{out}");
}

/// A unique identifier in every attribute and text of real documents: none is left.
#[test]
fn no_canary_survives() {
    let Some(folder) = data() else { return };
    let mut count = 0;
    for policy in ["hipaa-safe-harbor", "gdpr-pseudonymised"] {
        let deidentifier = deidentifier(policy);
        for file in files(&folder.join("ccda"), ".xml") {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            if !text.contains("<ClinicalDocument") || text.len() > 150_000 {
                continue;
            }
            let planted = planted(&text);
            let (mut out, mut ledger) = (Vec::new(), Ledger::new());
            if deidentifier.deidentify(planted.as_bytes(), &mut out, &mut ledger).is_err() {
                continue;
            }
            let shown = format!("{}{:?}", String::from_utf8_lossy(&out), ledger.rows());
            let found = shown.find("Qz4711").map(|at| shown[at.saturating_sub(120)..].chars().take(200).collect::<String>());
            assert!(found.is_none(), "{policy} {}: {}", file.display(), found.unwrap_or_default());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

/// Every value of an attribute but those of the structure, and every text, with an identifier of its own.
fn planted(text: &str) -> String {
    let mut out = String::new();
    let mut number = 471_100_000_u32;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, after) = rest.split_at(at);
        if before.trim().is_empty() {
            out.push_str(before);
        } else {
            number += 1;
            out.push_str(&format!("Qz{number}"));
        }
        let end = after.find('>').map_or(after.len(), |end| end + 1);
        let tag = &after[..end];
        if tag.starts_with("<?") || tag.starts_with("<!") || tag.starts_with("</") {
            out.push_str(tag);
        } else {
            let mut pieces = tag.split('"');
            out.push_str(pieces.next().unwrap_or_default());
            let mut name = tag.split('"').next().unwrap_or_default().to_owned();
            let mut inside = true;
            for piece in pieces {
                out.push('"');
                let attribute = name.trim_end_matches(['=', ' ']).rsplit([' ', '\n', '\t']).next().unwrap_or_default().to_owned();
                if inside && !attribute.starts_with("xmlns") && !attribute.starts_with("xsi:") {
                    number += 1;
                    out.push_str(&format!("Qz{number}"));
                } else {
                    out.push_str(piece);
                }
                piece.clone_into(&mut name);
                inside = !inside;
            }
        }
        rest = &after[end..];
    }
    out
}

#[test]
fn documents_of_others_can_still_be_read() {
    let Some(folder) = data() else { return };
    let deidentifier = deidentifier("hipaa-safe-harbor");
    let mut count = 0;
    for file in files(&folder.join("ccda"), ".xml") {
        let Ok(text) = std::fs::read(&file) else { continue };
        let Ok(before) = Document::parse(text.clone(), &Limits::default()) else { continue };
        if text.len() > 600_000 {
            continue;
        }
        let mut out = Vec::new();
        deidentifier.deidentify(&text, &mut out, &mut Ledger::new()).unwrap();
        let after = Document::parse(out, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(before.sections().len(), after.sections().len(), "{}", file.display());
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn errors_say_nothing_of_the_content() {
    let deidentifier = deidentifier("hipaa-safe-harbor");
    for text in ["<Qz4711/>", "Qz4711", "", "<ClinicalDocument><a Qz4711", "<!DOCTYPE a [<!ENTITY e \"Qz4711\">]><ClinicalDocument>&e;</x>"]
    {
        let mut out = b"before".to_vec();
        let error = deidentifier.deidentify(text.as_bytes(), &mut out, &mut Ledger::new()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("Qz"), "{error}");
        assert_eq!(out, b"before");
    }
}

static SAFE_HARBOR: std::sync::LazyLock<CcdaDeidentifier> = std::sync::LazyLock::new(|| deidentifier("hipaa-safe-harbor"));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_cut_or_changed_never_panics(at in 0usize..4000, length in 0usize..60, new in "[ -~]{0,8}") {
        let mut text = DOCUMENT.to_owned();
        let start = at.min(text.len());
        let end = (start + length).min(text.len());
        if text.is_char_boundary(start) && text.is_char_boundary(end) {
            text.replace_range(start..end, &new);
        }
        let mut out = Vec::new();
        if SAFE_HARBOR.deidentify(text.as_bytes(), &mut out, &mut Ledger::new()).is_ok() {
            prop_assert!(Document::parse(out, &Limits::default()).is_ok());
        }
    }

    #[test]
    fn a_name_is_found_wherever_it_stands(name in "[A-Z][a-z]{6,10}", place in prop::sample::select(vec!["Results", "Hemoglobin", "Seattle Grace", "Summary of episode note"])) {
        let text = DOCUMENT.replace("Doe", &name).replace(place, &format!("{place} {name}"));
        let (out, _) = run(&*SAFE_HARBOR, &text);
        prop_assert!(!out.contains(&name), "{}", out);
    }
}
