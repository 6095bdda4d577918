use proptest::prelude::*;

use super::*;
use crate::validate::validate;

const ORU: &str = "MSH|^~\\&|LAB|GENHOSP^1.2.3^ISO|||20260314150926-0500||ORU^R01^ORU_R01|M77|P|2.5.1\r\
    PID|1||123456^^^GENHOSP&1.2.3&ISO^MR~777-11-2222^^^SSA^SS||Doe^Jane^Q^^^^L||19800230|F||2106-3^White^HL70005|1 Main St^^Springfield^IL^62701^USA||\"\"|||M\r\
    PV1|1|I|W1^101^A||||1234^Smith&von^Anna\r\
    OBR|1|P1|F1|718-7^Hemoglobin^LN|||20260314\r\
    OBX|1|NM|718-7^Hemoglobin^LN||13,5|g/dL^gram per deciliter^UCUM|12-16|H|||F\r\
    OBX|2|FT|X^Text^L||Seen by Dr. Smith\\.br\\Temp \\T\\ pulse fine||||||F\r\
    OBX|3|CWE|Y^Organism^L||112283007^Escherichia coli^SCT||||||F\r\
    ZPI|1|local data\rwrapped line of text\r";

fn tree_of(text: &str, reveal: bool) -> String {
    let message = Message::parse(text).unwrap();
    let mut findings = Vec::new();
    validate(&message, &mut findings);
    tree(&message, &findings, reveal)
}

#[test]
fn a_result_masked() {
    insta::assert_snapshot!(tree_of(ORU, false));
}

#[test]
fn a_result_revealed() {
    insta::assert_snapshot!(tree_of(ORU, true));
}

#[test]
fn an_admission_with_findings() {
    let text = "MSH|^~\\&|ADT|FAC|||20260314||ADT^A01|M1|P|2.3\nPID|1||99||||yesterday|Q\nQQQ|1|x\nPV1|1";
    insta::assert_snapshot!(tree_of(text, false));
}

#[test]
fn a_masked_tree_shows_no_identifier() {
    let masked = tree_of(ORU, false);
    for secret in [
        "123456",
        "777-11",
        "Doe",
        "Jane",
        "19800230",
        "Main",
        "Springfield",
        "62701",
        "Smith",
        "Anna",
        "M77",
        "W1",
        "local data",
        "wrapped",
    ] {
        assert!(!masked.contains(secret), "{secret} in\n{masked}");
        assert!(tree_of(ORU, true).contains(secret), "{secret} is not revealed");
    }
    assert!(masked.contains("White") && masked.contains("Hemoglobin") && masked.contains("(Female)"), "clinical content stays readable");
}

#[test]
fn text_in_place_of_a_number_is_masked() {
    let text = tree_of(&ORU.replace("|13,5|", "|ask Jane Doe|").replace("PID|1|", "PID|Jane|"), false);
    assert!(!text.contains("Jane"), "{text}");
}

#[test]
fn parts_of_a_code_that_are_text_are_masked() {
    let text = ORU
        .replace("L||112283007^Escherichia coli^SCT|", "L||112283007&x&L&&&&&&Jane^Escherichia coli^SCT|")
        .replace("|13,5|", "|13,5^Jane|")
        .replace("W1^101^A", "W1^101^A|||||||||||||||||P&Paid&L&&&&&&Jane");
    let masked = tree_of(&text, false);
    assert!(!masked.contains("Jane"), "{masked}");
    assert!(masked.contains("112283007") && masked.contains("Paid"), "{masked}");
}

#[test]
fn every_finding_is_shown_once() {
    let message = Message::parse(ORU).unwrap();
    let mut findings = Vec::new();
    validate(&message, &mut findings);
    findings.push(Finding::new("test", sutura_core::Severity::Info, "PID[9]-77.3", "nowhere"));
    findings.push(Finding::new("test", sutura_core::Severity::Info, "", "whole"));
    let text = tree(&message, &findings, false);
    assert_eq!(text.matches("! ").count(), findings.len(), "{text}");
}

proptest! {
    #[test]
    fn any_text_is_validated_and_shown(text in "(MSH|PID|OBX|OBR|PV1|ORC|Z.Z|pid|[A-Z]{3})?[|^~\\\\&\r\n\"A-Z0-9.é\u{0}]{0,40}(\r(MSH|PID|OBX|OBR|ORC|EVN|SPM)[|^~\\\\&\r\n\"A-Z0-9.é-]{0,40}){0,6}") {
        for text in [format!("MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5.1\r{text}"), format!("MSH{text}"), text] {
            if let Ok(message) = Message::parse(&text) {
                let mut findings = Vec::new();
                validate(&message, &mut findings);
                let masked = tree(&message, &findings, false);
                prop_assert!(masked.len() > 3);
                prop_assert_eq!(masked.matches("  ! ").count(), findings.len());
                let _ = tree(&message, &findings, true);
            }
        }
    }

    #[test]
    fn any_message_type_and_version_is_checked(kind in "[A-Z]{3}", event in "[A-Z][0-9]{2}", version in "2\\.[1-9](\\.[12])?", segments in prop::collection::vec("[A-Z][A-Z0-9]{2}", 0..40)) {
        let kinds: Vec<_> = crate::defs::message_types().collect();
        let (known, known_event, _) = kinds[(kind.bytes().map(usize::from).sum::<usize>() * 31 + event.bytes().map(usize::from).sum::<usize>()) % kinds.len()];
        for (kind, event) in [(kind.as_str(), event.as_str()), (known, known_event)] {
            let text = format!("MSH|^~\\&|A|B|||2026||{kind}^{event}|1|P|{version}\r{}", segments.join("|1\r"));
            let message = Message::parse(&text).unwrap();
            let mut findings = Vec::new();
            validate(&message, &mut findings);
            let _ = tree(&message, &findings, false);
        }
    }
}
