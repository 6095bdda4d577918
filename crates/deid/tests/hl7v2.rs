//! HL7 v2 messages: nothing that was planted is left, what comes out is a message, and it agrees with the columns.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::HashSet;

use proptest::prelude::*;
use support::{POLICIES, builtin, cell, column, data, files, run, table, treatment};
use sutura_core::PhiClass;
use sutura_deid::{DocumentDeidentifier, Ledger, Outcome, hl7v2::Hl7v2Deidentifier};
use sutura_hl7v2::{Message, defs, validate};

const MESSAGE: &str = "MSH|^~\\&|LAB|HOSP|EHR|CLINIC|20240301101500-0500||ORU^R01^ORU_R01|MSG4711|P|2.5.1|||||USA|UNICODE UTF-8\r\
PID|1||A-17^^^HOSP^MR~123-45-6789^^^SSA^SS||Doe^Jane^Q^III||19800517|F|||12 Elm St^^Boston^MA^02139^USA||(617)555-0100\r\
NK1|1|Doe^John|SPO^Spouse|12 Elm St^^Boston^MA^02139|(617)555-0101\r\
PV1|1|I|W^389^1||||1234567893^Grey^Meredith^^^Dr|||CAR|||||||||V-99\r\
ORC|RE|P1|F1\r\
OBR|1|P1|F1|718-7^Hemoglobin for Jane Doe^LN|||20240301101500\r\
OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|12.0-16.0|N|||F|||20240301101500\r\
OBX|2|TX|11506-3^Note^LN||Patient Jane Doe seen by Dr. Grey at 617-555-0100||||||F\r\
OBX|3|ED|PDF^Report^L||^AP^PDF^Base64^SmFuZSBEb2U=||||||F\r\
OBX|4|CWE|600-7^Bacteria^LN||112283007^Escherichia coli for Doe^SCT||||||F\r\
OBX|5|NM|30525-0^Age^LN||93|a|||||F\r\
OBX|6|DT|8665-2^LMP^LN||20240115||||||F\r\
NTE|1|L|Call Jane's mother\r\
ZPI|1|Jane|4711\r\
XYZ|secret\r";

fn deidentifier(policy: &str) -> Hl7v2Deidentifier {
    Hl7v2Deidentifier::new(treatment(&builtin(policy)))
}

#[test]
fn a_message_stays_one_without_its_person() {
    let (out, ledger) = run(&deidentifier("hipaa-safe-harbor"), MESSAGE);
    for word in [
        "Doe",
        "Jane",
        "555-0100",
        "A-17",
        "123-45",
        "Elm",
        "Boston",
        "19800517",
        "2024030",
        "Grey",
        "MSG4711",
        "SmFu",
        "ZPI",
        "XYZ",
        "secret",
        "V-99",
        "HOSP",
        "Spouse for",
    ] {
        assert!(!out.contains(word), "{word} is left in {out}");
    }
    let message = Message::parse(&out).unwrap();
    let text = |path: &str| message.get(&sutura_hl7v2::Path::parse(path).unwrap()).map(|part| part.text().into_owned()).unwrap_or_default();
    assert_eq!(text("MSH-7"), "2024");
    assert_eq!(text("MSH-9.3"), "ORU_R01");
    assert_eq!(text("MSH-10").len(), 20);
    assert_eq!(text("PID-3.5"), "MR");
    assert_eq!(text("PID-5.7"), "S");
    assert_eq!(text("PID-7"), "1980");
    assert_eq!(text("PID-8"), "F");
    assert_eq!(text("PID-11.4"), "MA");
    assert_eq!(text("PID-11.5"), "021");
    assert_eq!(text("OBR-4.1"), "718-7");
    assert_eq!(text("OBR-4.2"), "", "a text with the patient's name goes");
    assert_eq!((text("OBX[1]-5").as_str(), text("OBX[1]-3.2").as_str()), ("13.5", "Hemoglobin"));
    assert_eq!((text("OBX[2]-5").as_str(), text("OBX[3]-5").as_str()), ("", ""));
    assert_eq!((text("OBX[4]-5.1").as_str(), text("OBX[4]-5.2").as_str()), ("112283007", ""));
    assert_eq!(text("OBX[5]-5"), "", "an age over 89 goes");
    assert_eq!(text("OBX[6]-5"), "2024");
    assert!(ledger.count(Outcome::Unknown) >= 2 && ledger.count(Outcome::Placeholder) >= 1);
    assert_eq!(ledger.documents(), 1);
    assert!(ledger.rows().iter().any(|row| row.path == "PID-5.1.1" && row.method == "drop" && row.outcome == "removed"));
}

#[test]
fn pseudonyms_and_shifts_are_those_of_the_columns() {
    for policy in POLICIES {
        let privacy = builtin(policy);
        let (out, _) = run(&Hl7v2Deidentifier::new(treatment(&privacy)), MESSAGE);
        let message = Message::parse(&out).unwrap();
        let released = |name: &str| {
            let batch = table(&sutura_hl7v2::Hl7v2, MESSAGE.as_bytes().to_vec(), name);
            privacy.plan_table(Some(name), &batch.schema()).unwrap().apply(&batch).unwrap()
        };
        let shown = released("observations");
        assert_eq!(message.segment("PID").unwrap().field(3).component(1).text(), cell(&shown, "patient_id"), "{policy}");
        // What the reader makes of the message is what it makes of the columns.
        let again = table(&sutura_hl7v2::Hl7v2, out.clone().into_bytes(), "observations");
        for name in ["patient_id", "observation_code", "observation_name", "units", "result_status", "order_code"] {
            assert_eq!(cell(&again, name), cell(&shown, name), "{policy} {name}");
        }
        assert_eq!(cell(&again, "observation_datetime"), cell(&shown, "observation_datetime"), "{policy}");
        let (patients, again) = (released("patients"), table(&sutura_hl7v2::Hl7v2, out.into_bytes(), "patients"));
        for name in ["birth_date", "postal_code", "state", "sex"] {
            assert_eq!(cell(&again, name), cell(&patients, name), "{policy} {name}");
        }
        let mrn = column(&privacy, "patients", "patient_id", "PID-3.1", PhiClass::Mrn, "A-17", "A-17");
        assert_eq!(Some(cell(&shown, "patient_id")), mrn, "{policy}");
    }
}

/// A message that has every field of a segment filled, each part with words of its own.
fn planted(segment: &defs::SegmentDef, mut word: impl FnMut(&str) -> String) -> String {
    let mut text = String::from("MSH|^~\\&|A|B|C|D|20240301||ADT^A01^ADT_A01|1|P|2.5.1\rPID|1||A-17^^^H^MR||Doe^Jane\r");
    let mut line = String::from(segment.name);
    for field in &segment.fields {
        line.push('|');
        let Some(composite) = defs::datatype(field.datatype) else {
            line.push_str(&word(field.name));
            continue;
        };
        let parts: Vec<String> = composite
            .components
            .iter()
            .map(|part| match defs::datatype(part.datatype) {
                None => word(part.name),
                Some(inner) => inner.components.iter().map(|sub| word(sub.name)).collect::<Vec<_>>().join("&"),
            })
            .collect();
        line.push_str(&parts.join("^"));
    }
    // More than the definition has.
    let more = format!("|{}|{}^{}", word("extra"), word("extra"), word("extra"));
    text.push_str(&line);
    text.push_str(&more);
    text.push('\r');
    text
}

/// Unique identifiers in every part of every field of every segment: none is left, in no output, ledger or error.
#[test]
fn no_canary_survives() {
    for policy in ["hipaa-safe-harbor", "limited-data-set"] {
        let privacy = builtin(policy);
        let deidentifier = Hl7v2Deidentifier::new(treatment(&privacy));
        // What a limited data set may keep (45 CFR 164.514(e)(2)(ii)) stays by rules for these columns.
        let may_stay = |name: &str| policy == "limited-data-set" && ["City", "Zip", "County"].iter().any(|word| name.contains(word));
        let mut number = 471_100_000_u32;
        let mut all = 0;
        for segment in defs::segments().iter().filter(|segment| !matches!(segment.name, "MSH" | "FHS" | "BHS")) {
            let mut canaries = HashSet::new();
            let text = planted(segment, |name| {
                number += 1;
                let canary = format!("Qz{number}");
                if !may_stay(name) {
                    canaries.insert(canary[2..].to_owned());
                }
                canary
            });
            let (mut out, mut ledger) = (Vec::new(), Ledger::new());
            deidentifier.deidentify(text.as_bytes(), &mut out, &mut ledger).unwrap();
            let shown = format!("{}{:?}", String::from_utf8_lossy(&out), ledger.rows());
            // They all begin alike, and nothing else does: codes have no 1 in them.
            for (at, _) in shown.match_indices("4711") {
                let number = shown.get(at..at + 9).unwrap_or_default();
                assert!(!canaries.contains(number), "{policy} {}: {number} in {shown}", segment.name);
            }
            all += canaries.len();
        }
        assert!(all > 10_000, "{all}");
    }
}

/// Names, not numbers: gone from every part whose class is one of an identifier.
#[test]
fn no_name_survives_where_names_stand() {
    for policy in ["hipaa-safe-harbor", "gdpr-pseudonymised"] {
        let deidentifier = deidentifier(policy);
        for segment in defs::segments().iter().filter(|segment| !matches!(segment.name, "MSH" | "FHS" | "BHS" | "OBX")) {
            let mut line = String::from(segment.name);
            for field in &segment.fields {
                line.push('|');
                if field.phi.is_identifying() && defs::datatype(field.datatype).is_none() {
                    line.push_str("Zorkelhuber Quintessa");
                }
            }
            let (out, _) = run(&deidentifier, &format!("MSH|^~\\&|A|B|C|D|20240301||ADT^A01|1|P|2.5.1\r{line}\r"));
            assert!(!out.contains("Zorkel"), "{policy} {}: {out}", segment.name);
        }
    }
}

#[test]
fn header_fields_that_are_planted_go_too() {
    for policy in POLICIES {
        let deidentifier = Hl7v2Deidentifier::new(treatment(&builtin(policy)));
        let fields: Vec<String> = (3..=25).map(|number| format!("Qz4711{number:05}")).collect();
        let text = format!("MSH|^~\\&|{}\rPID|1||7\r", fields.join("|"));
        let (out, ledger) = run(&deidentifier, &text);
        assert!(!out.contains("Qz") && !format!("{:?}", ledger.rows()).contains("Qz"), "{policy}: {out}");
        Message::parse(&out).unwrap();
    }
}

#[test]
fn errors_say_nothing_of_the_content() {
    let deidentifier = deidentifier("hipaa-safe-harbor");
    for text in ["PID|1||Qz4711", "MSHQz4711", "MSH|", "", "Qz4711 Jane"] {
        let mut out = b"before".to_vec();
        let error = deidentifier.deidentify(text.as_bytes(), &mut out, &mut Ledger::new()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("Qz"), "{error}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn other_delimiters_and_escapes_are_respected() {
    let text = "MSH#*+?@#A#B###20240301##ORU*R01#1#P#2.5\rPID#1##A?F?17***H*MR##Doe*Jane\rOBX#1#CWE#1*A ?S? B*L##112283007**SCT\r";
    let privacy = builtin("gdpr-pseudonymised");
    let (out, _) = run(&Hl7v2Deidentifier::new(treatment(&privacy)), text);
    let message = Message::parse(&out).unwrap();
    assert_eq!(message.segment("PID").unwrap().field(3).component(1).text(), privacy.context().pseudonym("mrn", "A#17").unwrap());
    assert_eq!(message.segment("OBX").unwrap().field(5).component(1).text(), "112283007");
    assert_eq!(message.segment("OBX").unwrap().field(3).component(2).raw(), "A ?S? B");
}

#[test]
fn other_character_sets_stay() {
    let text: Vec<u8> = b"MSH|^~\\&|A|B|||2024||ADT^A01|1|P|2.5||||||8859/1\rPID|1||7||M\xfcller^Jos\xe9||||||^^M\xfcnchen\r".to_vec();
    let mut out = Vec::new();
    let policy = sutura_privacy::Policy::from_toml(
        "name = \"p\"\nversion = \"1\"\nextends = \"limited-data-set\"\n[legal]\nagreement = \"a\"\nrecipient = \"b\"\npurpose = \"research\"\n",
        "p.toml",
    );
    let privacy = support::with_policy(policy.unwrap());
    Hl7v2Deidentifier::new(treatment(&privacy)).deidentify(&text, &mut out, &mut Ledger::new()).unwrap();
    assert!(out.windows(7).any(|part| part == b"M\xfcnchen"));
    assert!(!out.windows(6).any(|part| part == b"M\xfcller"));
}

/// What was valid stays valid, and what could be read can be read.
#[test]
fn messages_of_others_stay_as_valid_as_they_were() {
    let Some(folder) = data() else { return };
    let errors = |text: &str| {
        let mut found = Vec::new();
        let message = Message::parse(text).unwrap();
        validate::validate(&message, &mut found);
        let mut found: Vec<_> = found
            .into_iter()
            .filter(|finding| finding.severity == sutura_core::Severity::Error)
            .map(|finding| (finding.code, finding.location))
            .collect();
        found.sort();
        found
    };
    let mut count = 0;
    for policy in ["hipaa-safe-harbor"] {
        let deidentifier = deidentifier(policy);
        for file in files(&folder.join("hl7v2"), ".hl7") {
            let bytes = std::fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').replace("\r\n", "\r").replace('\n', "\r");
            // Names of segments in small letters are looked up only by what treats them, not by what checks the message.
            let small = text.split('\r').any(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
            if !text.starts_with("MSH") || text.matches("\rMSH").count() > 0 || small {
                continue;
            }
            let mut out = Vec::new();
            if deidentifier.deidentify(text.as_bytes(), &mut out, &mut Ledger::new()).is_err() {
                continue;
            }
            let out = String::from_utf8_lossy(&out).into_owned();
            let before = errors(&text);
            let new: Vec<_> = errors(&out).into_iter().filter(|error| !before.contains(error)).collect();
            assert!(new.is_empty(), "{}: {new:?}\n{out}", file.display());
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

static SAFE_HARBOR: std::sync::LazyLock<Hl7v2Deidentifier> = std::sync::LazyLock::new(|| deidentifier("hipaa-safe-harbor"));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let deidentifier = &*SAFE_HARBOR;
        let mut input = b"MSH|^~\\&|".to_vec();
        input.extend(&bytes);
        let _ = deidentifier.deidentify(&input, &mut Vec::new(), &mut Ledger::new());
        let _ = deidentifier.deidentify(&bytes, &mut Vec::new(), &mut Ledger::new());
    }

    #[test]
    fn a_name_is_found_wherever_it_stands(
        name in "[A-Z][a-z]{6,10}", field in 1usize..40, segment in 0usize..150, delimiters in prop::sample::select(vec!["|^~\\&", "#*+?@", "|^~\\"]),
    ) {
        let segments = defs::segments();
        let segment = segments[segment % segments.len()].name;
        prop_assume!(!matches!(segment, "MSH" | "FHS" | "BHS"));
        let mark = &delimiters[..1];
        let component = &delimiters[1..2];
        let text = format!(
            "MSH{delimiters}{mark}A{mark}B{mark}{mark}{mark}2024{mark}{mark}ADT{component}A01{mark}1{mark}P{mark}2.5\rPID{mark}1{mark}{mark}7{mark}{mark}{name}{component}X\r{segment}{}{name}\r",
            mark.repeat(field)
        );
        let deidentifier = &*SAFE_HARBOR;
        let mut out = Vec::new();
        deidentifier.deidentify(text.as_bytes(), &mut out, &mut Ledger::new()).unwrap();
        let out = String::from_utf8(out).unwrap();
        prop_assert!(!out.contains(&name), "{}", out);
        prop_assert!(Message::parse(&out).is_ok());
    }
}
