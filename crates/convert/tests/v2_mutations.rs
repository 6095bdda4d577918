//! Messages of the synthetic feed and of every family, with values in them that senders really send and FHIR cannot hold: whatever stands in a
//! field, what comes out is valid and every value is accounted for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::OnceLock;

use proptest::prelude::*;
use sutura_convert::{
    report::Report,
    v2::{Converter, Options, Source},
};
use sutura_core::Sha256Hash;
use sutura_fhir::{
    json::Parser,
    validate::{IssueSeverity, Validator},
};
use sutura_hl7v2::Message;
use sutura_synthetic::{Feed, FeedOptions};

/// One message of each family, with most fields that have a row.
const FAMILIES: &[&str] = &[
    "ADT^A01|EVN|A01|20260102|||OP^A|20260102|PID|1|2|7^^^H&1.2&ISO^MR|8|DOE^JANE^A^^DR|MOM|19800102|F|ALIAS|2106-3^White^CDCREC|1 MAIN^^BOSTON^MA^02115^USA^H|X|6171^PRN^PH|6172^WPN^PH|en^English^ISO639|M|CAT|ACC1|123-45-6789|DL1^MA|||2186-5^Not^CDCREC|BOSTON|Y|2|US|VET|US|20270101|N|PD1|S|F|CLINIC^^123|1^DOC^A^^^^^^NPI|ST||Y|NK1|1|DOE^JOHN|SPO^Spouse|1 MAIN|6173|6174|N|20200101|20270101|JOB|CODE|EMP1|ORG|PV1|1|I|W^1^A^H|E|PRE1|W^0^B|1^ATT|2^REF|3^CON|MED|T|P|R|4|A0|VIP|5^ADM|T1|V1|SELF|||||||||||||||01|HOME|DIET|H||A|W^9|W^8|20260101|20260103|1|2|3|4|ALT1|PV2|W^7|ACC|PAIN^Pain|P|V|L|C|20260104|20260105|5|6|DESC|7^REF2|20260101|Y|S|20250101|AL1|1|DA|1191^Aspirin^RXNORM|SV|RASH|20200101|IAM|1|DA|2670^Codeine^RXNORM|MO|HIVES|A|I1|R|T|C|20200101|CHILD|20260101|||||A|DG1|1|I10|I10^Hypertension^I10|HTN|20260101|A||||||||||1|3^DOC|C|N|20260101|D1|A|PR1|1|C4|99213^Visit^C4|TEXT|202601010800|D|30|4^AN|GEN|40|5^SUR|6^PRAC|CONS|1|I10^HTN^I10|IN1|1|PLAN^Plan|CO1|COMPANY|2 MAIN|CONTACT|6175|GRP|GROUP|E1|EMP|20260101|20270101|A|T|DOE^JOHN|SPO|19700101|1 MAIN|Y|CO|1|Y|20260101|Y|20260101|C|20260101|X|1|1|1|1|1|1|POL1|GT1|1|G1|DOE^JOHN|DOE|1 MAIN|6176|6177|19700101|M|P|SPO|123456789|20260101|20270101|ROL|R1|AD|PP^Primary|7^DOC|20260101|20270101",
    "ORU^R01|PID|1||7^^^H&1.2&ISO^MR||DOE|PV1|1|O|ORC|RE|P1^EHR|F1^LAB|G1|CM|E|^^^20260101^^R|PAR|20260101|8^OP|9^VER|10^DOC|LOC|6178|20260101|REASON|ORG|DEV|11^ACT|OBR|1|P1|F1|24321-2^Panel^LN|R|20260101|202601010800|202601010900|10^mL|12^COL|G|DANGER|INFO|20260101|BLD|13^DOC|6179|F1A|F2|L1|L2|20260102|1|LAB|F|PAR^1|^^^20260101|14^CC|PR1|WALK|REAS^Reason|15^RES|16^ASS|17^TECH|18^TRA|20260101|3|OBX|1|NM|2345-7^Glucose^LN|1|5.4|mg/dL^mg^UCUM|4-6|H|0.9|A|F|20250101|SEC|20260101|PROD|19^OBS|METH|EQ1|20260101|BODY|OI1|OBX|2|SN|3^X^LN|1|>^5|mg/dL|OBX|3|CWE|4^Y^LN||A^B^L|OBX|4|TS|5^Z^LN||20260101|OBX|5|DR|6^Z^LN||20260101^20260102|OBX|6|NR|7^Z^LN||1^5|OBX|7|TM|8^Z^LN||0830|OBX|8|ED|9^Z^LN||^text^plain^A^hello|OBX|9|NM|10^Z^LN||1~2~3|mg|SPM|1|S1&P^S2&F|S0|BLD^Blood|MOD|ADD|METH|SITE|SM|ROLE||10^mL|2|DESC|HAND|RISK|20260101^20260102|20260103|20260104|Y|REJ|NTE|1|L|NOTE|R",
    "ORM^O01|PID|1||7||DOE|ORC|NW|P1|F1|G1|SC|OBR|1|P1|F1|1^A^LN|S|NTE|1|L|NOTE|TQ1|1|2^mL|BID^Twice|08|1|20|20260101|20260201|R|COND|TEXT|C|2|3|OBX|1|ST|2^B^LN||TEXT|DG1|1||I10^X^I10",
    "RDE^O11|PID|1||7||DOE|ORC|NW|P1|F1|G1|IP|E||PAR|20260101|8^OP|9^VER|10^DOC|RXO|1^Drug^NDC|1|2|mg|TAB|NOTE|INS|P||2^Other^NDC|30|TAB|3|RXE|1^QD^^20260101^20260201|0007^Lipitor^NDC|10|20|mg^mg^UCUM|TAB|INS|D|G|30|TAB^Tablet|2|4^DOC|5^VER|RX1|1|2|20260101|1^mg|Y|SPEC|6|H|10|mL|TQ1|1||BID||||20260101|20260201|R|RXR|PO^Oral^HL70162|MOUTH|DEV|METH",
    "RDS^O13|PID|1||7||DOE|ORC|RE|P1|F1|RXE||0007^Lipitor^NDC|10||mg|RXD|1|0007^Lipitor^NDC|20260101|30|TAB|FORM|RX1|2|NOTE|3^PH|S|1^mg|W^1|Y|INS|RXR|PO",
    "RAS^O17|PID|1||7||DOE|ORC|RE|P1|F1|RXA|0|1|20260101|20260102|0007^Lipitor^NDC|10|mg|TAB|NOTE|4^NUR|W^1|H|1|mg|LOT|20270101|MK|REF|IND|CP|A|RXR|PO|SITE|DEV|METH",
    "VXU^V04|PID|1||7||DOE|ORC|RE|P1|F1|RXA|0|1|20260101|20260101|08^HepB^CVX|0.5|mL^^UCUM|TAB|00^New^NIP001|5^NUR|^^^CLINIC|H|1|mL|LOT|20270101|MSD^Merck^MVX|00^REF|IND|CP|A|20260101|RXR|IM|LA|OBX|1|CE|64994-7^Elig^LN||V02^Medicaid^HL70064||||||F|NTE|1||NOTE",
    "SIU^S12|SCH|P1|F1|1|G1|S1|EV^Event|RE^Reason|TY^Type|30|min|^^^20260101^20260102|6^CON|6180|A^B|LOC|7^FIL|6181|C|D|8^ENT|6182|E|F1|G1|BOOKED|TQ1|1||||||20260101|20260102|PID|1||7||DOE|RGS|1|A|AIS|1|A|SV^Service|20260101|0|min|30|min|N|BOOKED|AIG|1|A|DEV1^Device|T||||20260101|AIL|1|A|W^1|T||20260101|0|min|30|min|N|BOOKED|AIP|1|A|9^DOC|ROLE||20260101|0|min|30|min|N|BOOKED",
    "MDM^T10|EVN|T10|20260102|PID|1||7||DOE|PV1|1|I|TXA|1|DS^Sum|TX|20260101|8^PRO|20260102|20260103|20260104|9^ORI|10^AUTH|11^TRA|D2^EHR|D1^EHR|P1|F1|FILE|LA|V|AV|OBX|1|TX|1^A^LN||LINE|OBX|2|FT|1^A^LN||LINE|OBX|3|ED|1^A^LN||^application^pdf^Base64^AAAA",
    "DFT^P03|EVN|P03|20260102|PID|1||7||DOE|PV1|1|O|FT1|1|T1|B|20260101|20260102|CG|99213^Visit^C4|DESC|ALT|2|10^USD|20|DEP|PLAN|1|W^1|F|P|I10^X^I10|5^PER|6^ORD|7|F1|8^ENT|99214^P^C4",
    "ADT^A40|EVN|A40|20260102|PID|1||7||DOE|MRG|8|9|10|11|12|13|OLD^NAME",
    "ACK^A01|MSA|AA|MSG-1|TEXT|1|D|ERR",
];

/// Values that stand where something else is meant.
const ODD: &[&str] = &[
    " ",
    "  ",
    "\"\"",
    "_",
    "-",
    "?",
    "0",
    "-1",
    "1",
    "N/A",
    "5  x",
    "a  b",
    "English (US)",
    "\t",
    "\u{1}",
    "\u{1} \u{1}",
    "x\u{1}  y",
    "\u{a0}",
    "^",
    "^^^^",
    "&",
    "~",
    "~~x",
    "<5",
    "1,200",
    "1.5E2",
    "1E999",
    ".",
    "NULL",
    "20261399",
    "00000000",
    "99991231",
    "2026",
    "20260102030405.123456+9999",
    "24:00",
    "http://a b",
    "urn:oid:zz",
    "urn:uuid:1",
    "1.2.3&ISO",
    "^Only a name",
    "^^LN",
    "&&ISO",
    "^&&",
    "A^^^^^^^^^^^^^^^^^^^^^B",
    "\\.br\\",
    "\\X0A\\",
    "\\T\\\\S\\",
    "\\Zz",
    "Y",
    "true",
    "é漢\u{1f600}",
    "x@y",
    "123456789012345678901234567890123456789012345678901234567890123456789",
    "  padded  ",
    "a\u{2028}b",
    "\u{feff}",
    "CWE",
    "NM",
    "ED",
    "SN",
    "ZZ",
];

fn feed() -> &'static Vec<String> {
    static MESSAGES: OnceLock<Vec<String>> = OnceLock::new();
    MESSAGES.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("sutura-convert-mutations-{}", std::process::id()));
        let options = FeedOptions { messages: 120, seed: 14, malformed_share: 0.0, duplicate_share: 0.0, ..FeedOptions::default() };
        Feed::new(options).unwrap().write_to(&folder, &|_| {}).unwrap();
        let mut out: Vec<String> = Vec::new();
        for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let text = std::fs::read_to_string(file).unwrap();
            let messages = text.split("MSH|").skip(1).filter(|message| message.contains('\r'));
            out.extend(messages.map(|message| format!("MSH|{}\r", message.trim_end())));
        }
        std::fs::remove_dir_all(&folder).unwrap();
        for family in FAMILIES {
            let (kind, rest) = family.split_once('|').unwrap();
            let mut message = format!("MSH|^~\\&|APP|HOSP|TO|THERE|20260102030405+0000|SEC|{kind}|M1|P|2.5.1||||||UNICODE|en");
            for part in rest.split('|') {
                let is_name = part.len() == 3 && NAMES.contains(&part);
                message.push(if is_name { '\r' } else { '|' });
                message.push_str(part);
            }
            message.push('\r');
            // As often as the others together.
            out.extend(std::iter::repeat_n(message, 10));
        }
        assert!(out.len() > 200, "{}", out.len());
        out
    })
}

const NAMES: [&str; 35] = [
    "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "AL1", "IAM", "DG1", "PR1", "IN1", "GT1", "ROL", "ORC", "OBR", "OBX", "SPM", "NTE", "TQ1",
    "RXO", "RXE", "RXD", "RXR", "RXA", "SCH", "RGS", "AIS", "AIG", "AIL", "AIP", "TXA", "FT1", "MRG", "MSA", "ERR",
];

/// Puts a value into a field, or into one component of it.
fn mutate(message: &str, (segment, field, component, value): (usize, usize, usize, &str)) -> String {
    let mut segments: Vec<String> = message.split('\r').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
    let at = segment % segments.len();
    let mut fields: Vec<String> = segments[at].split('|').map(str::to_owned).collect();
    // The delimiters and the message type stay, and fields may come behind the last.
    let first = if at == 0 { 2 } else { 1 };
    let number = first + field % (fields.len() + 2 - first);
    if at == 0 && number == 8 {
        return message.to_owned();
    }
    fields.resize(fields.len().max(number + 1), String::new());
    let mut parts: Vec<&str> = fields[number].split('^').collect();
    let place = component % 8;
    if place < 5 && place < parts.len() {
        parts[place] = value;
        fields[number] = parts.join("^");
    } else {
        value.clone_into(&mut fields[number]);
    }
    segments[at] = fields.join("|");
    segments.join("\r") + "\r"
}

#[test]
fn the_messages_are_valid_as_they_are() {
    for message in feed() {
        assert_eq!(errors(message), Some(Vec::<String>::new()), "{message}");
    }
}

/// The errors of what a message becomes; none if it is refused.
fn errors(text: &str) -> Option<Vec<String>> {
    let message = Message::parse(text).ok()?;
    let mut converter = Converter::new(&Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() }).unwrap();
    let source = Source { uri: "file:///a", offset: 0, length: text.len() as u64, sha256: Sha256Hash::of(text.as_bytes()) };
    let (mut report, mut out) = (Report::new(), Vec::new());
    let converted = converter.convert(&message, &source, &mut report, &mut out);
    assert!(report.balances());
    converted.ok()?;
    let mut parser = Parser::default();
    let document = parser.parse(&out).unwrap();
    let issues = Validator::default().validate(document.root());
    let errors = issues.iter().filter(|issue| issue.severity >= IssueSeverity::Error);
    Some(errors.map(|issue| format!("{}: {}", issue.expression, issue.diagnostics)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_with_odd_values_gives_a_valid_bundle(
        number in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((0usize..64, 0usize..64, 0usize..64, prop::sample::select(ODD)), 1..6),
    ) {
        let mut text = number.get(feed()).clone();
        for change in changes {
            text = mutate(&text, change);
        }
        let errors = errors(&text).unwrap_or_default();
        prop_assert!(errors.is_empty(), "{errors:#?}\n{}", text.replace('\r', "\n"));
    }
}
