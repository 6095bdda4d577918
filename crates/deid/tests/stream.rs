//! What is read as a stream becomes what it becomes in memory, however its bytes arrive; a part that cannot be released is refused as it is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    fmt::Write as _,
    io::{self, Cursor, Read, Seek, SeekFrom},
    sync::Arc,
};

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{POLICIES, builtin, treatment};
use sutura_core::PhiClass;
use sutura_deid::{
    DocumentDeidentifier, Ledger, Role, Scrub, Treatment,
    ccda::CcdaDeidentifier,
    fhir::{FhirDeidentifier, FhirLines, PatientIndex},
    hl7v2::Hl7v2Deidentifier,
    plain::PlainDeidentifier,
    stream::{Refused, Reopen, StreamDeidentifier, Streamed},
};
use sutura_privacy::{
    Deidentifier,
    text::{Rules, Scrubber},
};

/// Bytes that come a few at a time.
struct Slow<'b> {
    bytes: Cursor<&'b [u8]>,
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = bytes.len().min(self.step);
        self.bytes.read(&mut bytes[..most])
    }
}

impl Seek for Slow<'_> {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(place)
    }
}

fn scrubbing(privacy: &Deidentifier) -> Treatment {
    treatment(privacy).with_text_stage(Arc::new(Scrub::new(Scrubber::new(Rules::builtin(&["en"]).unwrap()), privacy)))
}

struct Out {
    text: String,
    ledger: Ledger,
    done: Streamed,
    refused: Vec<Refused>,
}

fn streamed(deidentifier: &dyn StreamDeidentifier, input: &[u8], step: usize) -> Result<Out, String> {
    let (mut text, mut ledger, mut refused) = (Vec::new(), Ledger::new(), Vec::new());
    let mut input_in_steps = Slow { bytes: Cursor::new(input), step };
    let done = deidentifier
        .deidentify_stream(&mut input_in_steps, &mut text, &mut ledger, &mut |one| refused.push(one))
        .map_err(|error| error.to_string())?;
    assert_eq!((done.bytes_in, done.bytes_out), (input.len() as u64, text.len() as u64));
    assert_eq!(done.refused, refused.len() as u64);
    Ok(Out { text: String::from_utf8(text).unwrap(), ledger, done, refused })
}

fn in_memory(deidentifier: &dyn DocumentDeidentifier, input: &[u8]) -> Result<(String, Ledger), String> {
    let (mut out, mut ledger) = (Vec::new(), Ledger::new());
    deidentifier.deidentify(input, &mut out, &mut ledger).map_err(|error| error.to_string())?;
    Ok((String::from_utf8(out).unwrap(), ledger))
}

/// A stream of one document gives what the document gives.
fn agrees(deidentifier: &(impl StreamDeidentifier + DocumentDeidentifier), input: &[u8], step: usize) {
    let whole = in_memory(deidentifier, input).map(|(text, ledger)| (text.trim_end().to_owned(), ledger.rows())).ok();
    let stream = streamed(deidentifier, input, step).map(|out| (out.text.trim_end().to_owned(), out.ledger.rows())).ok();
    assert_eq!(stream, whole);
}

fn observation(patient: &str, note: &str) -> Value {
    json!({"resourceType": "Observation", "id": "o1", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]},
        "subject": {"reference": patient, "display": "Zorka Petrova"}, "effectiveDateTime": "2024-03-01T10:15:00-05:00",
        "note": [{"text": note}]})
}

fn person(id: &str, number: &str, family: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "birthDate": "1980-05-17", "name": [{"family": family, "given": ["Jane"]}],
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": number}]})
}

#[test]
fn a_bundle_by_its_entries_is_the_bundle() {
    let uuid = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a";
    let note = "Zork-Lehmann seen on 03/01/2024, call 617-555-0100. Petrova agrees.";
    // Who the texts and dates are about comes last.
    let entries = json!([
        {"fullUrl": "http://ehr.example/fhir/Observation/o1", "resource": observation(uuid, note), "request": {"method": "POST", "url": "Observation"}},
        {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000002", "resource": observation("Patient/p2", note)},
        {"resource": {"resourceType": "Medication", "id": "m1", "code": {"text": "for Zork-Lehmann"}}},
        {"request": {"method": "DELETE", "url": "Patient/p9"}},
        {"fullUrl": uuid, "resource": person("p1", "A-17", "Zork-Lehmann")},
        {"resource": person("p2", "A-18", "Petrova")}
    ]);
    let members = [
        ("type", json!("transaction")),
        ("entry", entries),
        ("id", json!("b1")),
        ("total", json!(6)),
        ("link", json!([{"relation": "self", "url": "http://ehr.example/fhir?name=Zork"}])),
        (
            "meta",
            json!({"versionId": "4711", "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}),
        ),
        ("signature", json!({"who": {"display": "Dr. Zork"}})),
    ];
    for policy in POLICIES {
        for scrubs in [false, true] {
            let privacy = builtin(policy);
            let treatment = if scrubs { scrubbing(&privacy) } else { treatment(&privacy) };
            let deidentifier = FhirDeidentifier::new(treatment);
            for turn in 0..members.len() {
                // Members in any order; `entry` is seen to be a Bundle's by its first entry where the type comes later.
                let mut text = String::from("{");
                for (at, (name, value)) in members.iter().cycle().skip(turn).take(members.len()).enumerate() {
                    if at == turn {
                        text.push_str("\"resourceType\":\"Bundle\",");
                    }
                    let _ = write!(text, "\"{name}\": {value},");
                }
                text.pop();
                text.push_str(" }\n");
                agrees(&deidentifier, text.as_bytes(), 1 << 20);
                agrees(&deidentifier, text.as_bytes(), 41);
                let out = streamed(&deidentifier, text.as_bytes(), 1000).unwrap();
                for word in ["Zork", "Petrova", "A-17", "A-18", "61ebe359", "555-0100", "\"p1\"", "ehr.example"] {
                    assert!(!out.text.contains(word), "{word} is left under {policy}: {}", out.text);
                }
                if scrubs {
                    assert!(out.text.contains("[PHONE]"), "{}", out.text);
                }
            }
        }
    }
}

#[test]
fn dates_in_texts_of_resources_move_as_their_elements_do() {
    let privacy = builtin("gdpr-pseudonymised");
    let deidentifier = FhirDeidentifier::new(scrubbing(&privacy));
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": person("p1", "A-17", "Zork")}, {"resource": person("p2", "A-18", "Lehmann")},
        {"resource": observation("Patient/p1", "Seen on 2024-03-01.")}, {"resource": observation("Patient/p2", "Seen on 2024-03-01.")}]});
    let out: Value = serde_json::from_str(&streamed(&deidentifier, bundle.to_string().as_bytes(), 99).unwrap().text).unwrap();
    let moved = |at: usize| {
        let resource = &out["entry"][at]["resource"];
        let (date, text) =
            (resource["effectiveDateTime"].as_str().unwrap()[..10].to_owned(), resource["note"][0]["text"].as_str().unwrap());
        assert!(text.contains(&date), "{date} {text}");
        date
    };
    assert_ne!(moved(2), "2024-03-01");
    assert_ne!(moved(2), moved(3), "each patient has days of its own");
}

#[test]
fn what_is_no_bundle_or_no_document_is_as_in_memory() {
    let deidentifier = FhirDeidentifier::new(treatment(&builtin("hipaa-safe-harbor")));
    let patient = person("p1", "A-17", "Zork").to_string();
    let entry = format!("{{\"resource\":{patient}}}");
    for text in [
        patient.clone(),
        format!("\u{feff} {patient}\n"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entry}]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entry},{entry}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entry}]}} x"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entry}],\"entry\":[]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entry},]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entry},7,null]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entry}1]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"modifierExtension\":[],\"entry\":[{entry}]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entry},{{\"resource\":{{\"resourceType\":\"Zork\"}}}}]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":{entry}}}"),
        "{\"resourceType\":\"Bundle\",\"entry\":[]}".to_owned(),
        "{\"resourceType\":\"Bundle\",\"entry\":[],\"type\":\"batch\",\"meta\":{}}".to_owned(),
        format!("[{patient}]"),
        String::new(),
        "{}".to_owned(),
    ] {
        for step in [1, 7, 1 << 20] {
            agrees(&deidentifier, text.as_bytes(), step);
        }
    }
}

#[test]
fn people_of_other_files_are_known_to_a_bundle_without_them() {
    let mut index = PatientIndex::new();
    index.learn(person("p1", "A-17", "Zorkovich").to_string().as_bytes());
    let deidentifier = FhirDeidentifier::new(scrubbing(&builtin("gdpr-pseudonymised"))).with_patients(Arc::new(index));
    let bundle =
        json!({"resourceType": "Bundle", "entry": [{"resource": observation("Patient/p1", "zorkovich came on 3/1/2024")}]}).to_string();
    agrees(&deidentifier, bundle.as_bytes(), 13);
    assert!(!streamed(&deidentifier, bundle.as_bytes(), 13).unwrap().text.contains("zorkovich"));
}

#[test]
fn an_entry_over_the_limit_refuses_the_bundle() {
    let limits = sutura_fhir::json::Limits { bytes: 2000, ..Default::default() };
    let deidentifier = FhirDeidentifier::new(treatment(&builtin("hipaa-safe-harbor"))).with_limits(limits);
    let entries: Vec<Value> = (0..100).map(|number| json!({"resource": person(&format!("p{number}"), "A", "Zork")})).collect();
    let bundle = json!({"resourceType": "Bundle", "entry": entries}).to_string();
    assert!(bundle.len() > 10_000 && in_memory(&deidentifier, bundle.as_bytes()).is_err());
    assert!(streamed(&deidentifier, bundle.as_bytes(), 1 << 20).is_ok(), "the bound is on an entry");
    let large = json!({"resourceType": "Bundle", "entry": [{"resource": person("p", "A", &"Zork".repeat(1000))}]}).to_string();
    assert!(streamed(&deidentifier, large.as_bytes(), 1 << 20).is_err_and(|error| !error.contains("Zork")));
}

const MESSAGE: &str = "MSH|^~\\&|LAB|HOSP|||20240301101500||ORU^R01|MSG4711|P|2.5.1\r\
PID|1||A-17^^^HOSP^MR||Zork^Jane||19800517|F\rOBR|1|P1|F1|718-7^Hb^LN|||20240301101500\rOBX|1|NM|718-7^Hb^LN||13.5|g/dL|||||F\r";

#[test]
fn a_batch_is_its_messages() {
    let deidentifier = Hl7v2Deidentifier::new(treatment(&builtin("gdpr-pseudonymised")));
    let batch = format!("FHS|^~\\&|LAB|Zork Hospital\rBHS|^~\\&\r{MESSAGE}{MESSAGE}junk of Zork\r\rMSH|\r{MESSAGE}BTS|3\rFTS|1\r");
    let (one, _) = in_memory(&deidentifier, MESSAGE.as_bytes()).unwrap();
    for step in [1, 100, 1 << 20] {
        let out = streamed(&deidentifier, batch.as_bytes(), step).unwrap();
        assert_eq!(out.text.matches(one.trim_end()).count(), 3);
        assert!(!out.text.contains("Zork"), "{}", out.text);
        assert_eq!(out.done.records, 3 + out.refused.len() as u64);
        assert!(!out.refused.is_empty() && out.refused.iter().all(|refused| !refused.reason.contains("Zork")));
        assert_eq!(out.ledger.documents(), 3);
    }
    let framed = format!("\x0b{MESSAGE}\x1c\r\x0b{MESSAGE}\x1c\r");
    assert_eq!(streamed(&deidentifier, framed.as_bytes(), 50).unwrap().done.records, 2);
}

#[test]
fn lines_are_released_one_by_one() {
    let limits = sutura_fhir::json::Limits { bytes: 3 << 20, ..Default::default() };
    let deidentifier = FhirDeidentifier::new(treatment(&builtin("gdpr-pseudonymised"))).with_limits(limits);
    let (one, two) = (person("p1", "A-17", "Zork").to_string(), person("p2", "A-18", "Petrova").to_string());
    let expected: Vec<String> = [&one, &two].iter().map(|line| in_memory(&deidentifier, line.as_bytes()).unwrap().0).collect();
    let text = format!("{one}\r\n\n{{\"resourceType\":\"Zork\"}}\n  {two}");
    for step in [1, 64, 1 << 20] {
        let out = streamed(&FhirLines(&deidentifier), text.as_bytes(), step).unwrap();
        assert_eq!(out.text.lines().collect::<Vec<_>>(), expected);
        assert_eq!(
            out.refused.iter().map(|refused| (refused.offset as usize, refused.code)).collect::<Vec<_>>(),
            [(one.len() + 3, "not-read")]
        );
        assert_eq!((out.done.records, out.ledger.documents()), (3, 2));
    }
    let endless = vec![b'x'; 6 << 20];
    let out = {
        let (mut text, mut refused) = (Vec::new(), Vec::new());
        let mut input = Cursor::new(&endless);
        let done =
            FhirLines(&deidentifier).deidentify_stream(&mut input, &mut text, &mut Ledger::new(), &mut |one| refused.push(one)).unwrap();
        (done.records, refused[0].code, done.bytes_in < 5 << 20)
    };
    assert_eq!(out, (1, "too-large", true));
}

#[test]
fn notes_are_cleaned_as_they_are_read() {
    let line = "Zorka Petrova was seen on 03/14/2018 by Dr. Kim at Zork General Hospital, MRN: 257475, call (617) 555-0100. BP 120/80.\n";
    let known = [(Role::Patient, PhiClass::Name, "Zorka Petrova"), (Role::Patient, PhiClass::Mrn, "257475")];
    for policy in POLICIES {
        let privacy = builtin(policy);
        for treatment in [treatment(&privacy), scrubbing(&privacy)] {
            let deidentifier = PlainDeidentifier::new(treatment).of_patient("A-17", known.clone());
            agrees(&deidentifier, b"", 10);
            agrees(&deidentifier, line.as_bytes(), 3);
            agrees(&deidentifier, "caf\u{e9} \u{20ac} \u{1f600}".as_bytes(), 1);
            agrees(&deidentifier, b"caf\xe9", 1);
            agrees(&deidentifier, b"caf\xc3", 1);
            // Blocks are cut anywhere in these: after a line, after a blank, inside a word.
            agrees(&deidentifier, line.repeat(8000).as_bytes(), 100_000);
            agrees(&deidentifier, line.replace('\n', " ").repeat(5000).as_bytes(), 1 << 20);
            agrees(&deidentifier, line.replace(' ', "\u{e9}").repeat(3000).as_bytes(), 77_777);
        }
    }
}

#[test]
fn a_note_that_is_one_value_is_bounded() {
    let privacy = support::with_policy(
        sutura_privacy::Policy::from_toml(
            "name = \"own\"\nversion = \"1\"\nextends = \"gdpr-pseudonymised\"\n[classes]\nfree-text = \"mask\"\n",
            "own.toml",
        )
        .unwrap(),
    );
    let deidentifier = PlainDeidentifier::new(treatment(&privacy)).with_limit(100);
    agrees(&deidentifier, b"Zork was here", 4);
    assert!(streamed(&deidentifier, &[b'Z'; 101], 50).is_err());
}

#[test]
fn a_ccda_document_is_the_document() {
    let deidentifier = CcdaDeidentifier::new(treatment(&builtin("gdpr-pseudonymised")));
    let document = "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><id root=\"1.2.3\" extension=\"Zork\"/><recordTarget><patientRole>\
        <id root=\"2.16.840.1.113883.19\" extension=\"A-17\"/><patient><name><given>Jane</given><family>Zork</family></name>\
        <birthTime value=\"19800517\"/></patient></patientRole></recordTarget></ClinicalDocument>";
    agrees(&deidentifier, document.as_bytes(), 5);
    agrees(&deidentifier, b"<ClinicalDocument", 5);
    let small = CcdaDeidentifier::new(treatment(&builtin("gdpr-pseudonymised")))
        .with_limits(sutura_ccda::Limits { bytes: 100, ..Default::default() });
    assert!(streamed(&small, document.as_bytes(), 7).is_err_and(|error| error.contains("limits")));
}

#[test]
fn failures_of_reading_and_writing_are_told_apart() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "Zork"))
        }
    }
    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::StorageFull, "Zork"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let privacy = builtin("gdpr-pseudonymised");
    let (hl7v2, fhir) = (Hl7v2Deidentifier::new(treatment(&privacy)), FhirDeidentifier::new(treatment(&privacy)));
    let (ccda, plain) = (CcdaDeidentifier::new(treatment(&privacy)), PlainDeidentifier::new(scrubbing(&privacy)));
    let lines = FhirLines(&fhir);
    let patient = person("p1", "A-17", "Zork").to_string();
    let all: [(&dyn StreamDeidentifier, &str); 5] = [
        (&hl7v2, MESSAGE),
        (&fhir, &patient),
        (&lines, &patient),
        (&plain, "Zork"),
        (&ccda, "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>"),
    ];
    for (deidentifier, good) in all {
        let mut broken = Reopen::new(|| Ok(Broken)).unwrap();
        let error = deidentifier.deidentify_stream(&mut broken, &mut io::sink(), &mut Ledger::new(), &mut |_| {}).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains("Zork")), ("not-readable", false));
        let error = deidentifier.deidentify_stream(&mut Cursor::new(good), &mut Broken, &mut Ledger::new(), &mut |_| {}).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains("Zork")), ("not-written", false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bundle_is_the_same_as_a_stream(
        order in proptest::collection::vec(0usize..8, 0..12),
        text in "[ -~é\\n]{0,60}",
        step in 1usize..300,
        cut in proptest::option::of(0usize..4000),
    ) {
        let privacy = builtin("gdpr-pseudonymised");
        let deidentifier = FhirDeidentifier::new(scrubbing(&privacy));
        let entries: Vec<Value> = order.iter().map(|kind| match kind {
            0 => json!({"fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "resource": person("p1", "A-17", "Zork")}),
            1 => json!({"resource": person("p2", "A-18", "Petrova")}),
            2 => json!({"resource": observation("Patient/p2", &text)}),
            3 => json!({"resource": observation("urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", &text)}),
            4 => json!({"resource": {"resourceType": "Organization", "id": text, "name": text}}),
            5 => json!({"resource": {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": observation("Patient/p1", &text)}]}}),
            6 => json!({"search": {"mode": "match"}, "resource": {"resourceType": "List", "status": "current", "mode": "working",
                "entry": [{"item": {"reference": "Patient/p1", "display": text}}]}}),
            _ => json!({}),
        }).collect();
        let mut bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string();
        if let Some(cut) = cut.filter(|cut| bundle.is_char_boundary(*cut) && *cut < bundle.len()) {
            bundle.truncate(cut);
        }
        agrees(&deidentifier, bundle.as_bytes(), step);
    }
}
