//! Any message becomes a message without its patient, or nothing.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sutura_deid::hl7v2::Hl7v2Deidentifier;
use sutura_deid_fuzz::{FAMILY, NUMBER, choice, document, released, subjects};
use sutura_hl7v2::Message;

static SUBJECTS: LazyLock<[Hl7v2Deidentifier; 2]> = LazyLock::new(|| subjects(Hl7v2Deidentifier::new));

const SEEDS: [&str; 2] = [
    "MSH|^~\\&|LAB|HOSP|EHR|CLINIC|20240301101500-0500||ORU^R01^ORU_R01|MSG4711|P|2.5.1|||||USA|UNICODE UTF-8\r\
PID|1||4711936001^^^HOSP^MR~123-45-6789^^^SSA^SS||Zorkovich^Jane^Q^III||19800517|F|||12 Elm St^^Boston^MA^02139^USA||(617)555-0100\r\
NK1|1|Zorkovich^John|SPO^Spouse|12 Elm St^^Boston^MA^02139\rPV1|1|I|W^389^1||||1234567893^Grey^Meredith^^^Dr|||CAR|||||||||V-99\r\
OBR|1|P1|F1|718-7^Hemoglobin^LN|||20240301101500\rOBX|1|NM|718-7^Hb^LN||13.5|g/dL|12.0-16.0|N|||F|||20240301101500\r\
OBX|2|TX|11506-3^Note^LN||Jane Zorkovich (4711936001) seen by Dr. Grey\\.br\\at 617-555-0100||||||F\r\
OBX|3|ED|PDF^Report^L||^AP^PDF^Base64^SmFuZSBEb2U=||||||F\rOBX|4|CWE|600-7^Bacteria^LN||112283007^Escherichia coli^SCT||||||F\r\
OBX|5|SN|30525-0^Age^LN||>^93|a|||||F\rNTE|1|L|Call Jane's mother\\T\\father\rZPI|1|Jane\r",
    "MSH|^~\\&|ADT|HOSP|||20240301||ADT^A40^ADT_A39|1|P|2.3||||||8859/1\rEVN|A40|20240301\rPID|1|X|4711936001||Zorkovich^Jane||1930\r\
MRG|17^^^HOSP^MR\rIN1|1|PPO|4711|Acme|||||||||||Zorkovich^Jane|SEL|19800517\rGT1|1||Zorkovich^John\rAL1|1|DA|1^Penicillin^L\rDG1|1||E11.9^Diabetes^I10\r",
];

fuzz_target!(|data: &[u8]| {
    let bytes = document(&SEEDS, data);
    let text = String::from_utf8_lossy(&bytes);
    let message = Message::parse(text.trim_matches(['\u{feff}', '\u{b}', '\u{1c}', '\r', '\n', ' ', '\t', '\u{c}'])).ok();
    let pid = message.as_ref().and_then(|message| message.segment("PID"));
    let stands = |field: usize, word: &str| {
        let field = pid.as_ref().map(|pid| pid.field(field).component(1).subcomponent(1).text());
        field.is_some_and(|field| field == *word)
    };
    // Bytes of another character set are other letters.
    let known = [(3, NUMBER), (5, FAMILY)].into_iter().filter(|(field, word)| bytes.is_ascii() && stands(*field, word)).map(|(_, word)| word);
    let Some(out) = released(&SUBJECTS[choice(data)], &bytes, &known.collect::<Vec<_>>()) else { return };
    Message::parse(&String::from_utf8_lossy(&out)).expect("a message");
});
