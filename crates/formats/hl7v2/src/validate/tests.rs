use super::*;

fn findings(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    validate(&Message::parse(text).unwrap(), &mut out);
    out.into_iter().map(|finding| (finding.code.to_owned(), finding.location)).collect()
}

fn expect(text: &str, expected: &[(&str, &str)]) {
    let found = findings(text);
    let found: Vec<_> = found.iter().map(|(code, location)| (code.as_str(), location.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

const ADT: &str = "MSH|^~\\&|APP|FAC|RCV|RFAC|20260314150926-0500||ADT^A01^ADT_A01|M1|P|2.5.1\rEVN||20260314150900\r\
    PID|1||123^^^HOSP^MR||DOE^JANE^^^^^L||19800101|F\rPV1|1|I|W1^101^A\r";

const ORU: &str = "MSH|^~\\&|LAB|FAC|||20260314||ORU^R01^ORU_R01|M2|P|2.5.1\rPID|1||123^^^HOSP^MR||DOE^JANE\rORC|RE\r\
    OBR|1|||718-7^Hgb^LN|||20260314\rOBX|1|NM|718-7^Hgb^LN||13.5|g/dL|12-16|N|||F\rNTE|1||note\rOBX|2|ST|x^y^L||text||||||F\r\
    ORC|RE\rOBR|2|||600-7^Cult^LN|||20260314\rOBX|1|TX|600-7^Cult^LN||growth||||||F\rSPM|1|||BLD\r";

#[test]
fn sound_messages_have_no_findings() {
    expect(ADT, &[]);
    expect(ORU, &[]);
    expect("MSH|^~\\&|A|B|||20260314||ACK^A01|1|P|2.3\rMSA|AA|M1\r", &[]);
}

#[test]
fn missing_segments_and_fields_are_found() {
    expect(
        "MSH|^~\\&|A|F|||20260314||ADT^A01^ADT_A01|M1|P|2.5.1\rPID|1||123||DOE\r",
        &[("segment-missing", "EVN"), ("segment-missing", "PV1")],
    );
    expect(&ADT.replace("|M1|P|", "||P|"), &[("field-missing", "MSH-10")]);
    expect(&ADT.replace("||123^^^HOSP^MR||", "||||"), &[("field-missing", "PID-3")]);
    expect(&ADT.replace("PV1|1|I|W1^101^A", "PV1|1"), &[("field-missing", "PV1-2")]);
    expect(&ORU.replace("OBX|2|ST|", "OBX|2||"), &[("field-missing", "OBX[2]-2")]);
}

#[test]
fn ambiguous_structures_are_read_right() {
    let orders = "ORC|NW|1\rOBR|1|1||718-7^Hgb^LN\r".repeat(3);
    let order =
        |version: &str, rest: &str| format!("MSH|^~\\&|A|B|||20260314||OML^O21^OML_O21|1|P|{version}\rPID|1||1^^^H^MR||DOE^J\r{rest}");
    for version in ["2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.9"] {
        expect(&order(version, &orders), &[]);
        expect(&order(version, &format!("{orders}OBX|1|NM|718-7^Hgb^LN||13|g/dL|||||F\r{orders}")), &[]);
    }
    expect(&order("2.5.1", "OBR|1|1||718-7^Hgb^LN\r"), &[("segment-missing", "ORC")]);
}

#[test]
fn segments_out_of_place_are_found() {
    let moved = ADT.replace("EVN||20260314150900\r", "").replace("PV1|1", "EVN||20260314\rPV1|1");
    expect(&moved, &[("segment-order", "EVN")]);
    expect(&ADT.replace("PV1|1", "PID|2||9||ROE\rPV1|1"), &[("segment-repeated", "PID[2]")]);
    expect(&format!("{ADT}RXA|0|1|20260101|20260101|20^DTaP^CVX|1\r"), &[("segment-unexpected", "RXA")]);
    expect(&format!("{ADT}ARV||A^Add^HL70206|DEM^x^L\r"), &[("segment-unexpected", "ARV")]);
    expect(&format!("{ADT}XYZ|1\rZPI|1|local\r"), &[("segment-unknown", "XYZ")]);
    expect(&format!("{ADT}!bad|1\r"), &[("segment-name-invalid", "?")]);
    expect(&ADT.replace("PV1|1", "pv1|1"), &[("segment-lowercase", "pv1")]);
}

#[test]
fn values_are_checked_by_type_and_table() {
    expect(&ADT.replace("|19800101|", "|1980-01-01|"), &[("datatype-invalid", "PID-7")]);
    expect(&ADT.replace("|19800101|", "|19800230|"), &[("datatype-invalid", "PID-7")]);
    expect(&ADT.replace("|19800101|", "|198001011530+0100|"), &[]);
    expect(&ADT.replace("PID|1|", "PID|one|"), &[("datatype-invalid", "PID-1")]);
    expect(&ADT.replace("|F\r", "|Q\r"), &[("value-not-in-table", "PID-8.1")]);
    expect(&ADT.replace("^L||", "^Q||"), &[("value-not-in-table", "PID-5.7")]);
    expect(&ORU.replace("|13.5|", "|13,5|"), &[("datatype-invalid", "OBX-5")]);
    expect(&ORU.replace("|13.5|", "|\"\"|"), &[]);
    expect(&ORU.replace("OBX|1|NM|", "OBX|1|QQ|"), &[("value-not-in-table", "OBX-2")]);
    for number in ["1", "-1.5", "+2", ".5", "5."] {
        expect(&ORU.replace("|13.5|", &format!("|{number}|")), &[]);
    }
    for number in ["1.2.3", ".", "-", "1e5", "<5"] {
        expect(&ORU.replace("|13.5|", &format!("|{number}|")), &[("datatype-invalid", "OBX-5")]);
    }
}

#[test]
fn versions_types_and_repetitions_are_checked() {
    expect(&ADT.replace("|2.5.1", "|2.99"), &[("version-unknown", "MSH-12")]);
    expect(&ADT.replace("ADT^A01^ADT_A01", "ADT^X99"), &[("message-type-unknown", "MSH-9")]);
    expect(&ADT.replace("ADT^A01^ADT_A01", "ADT^A01^ADT_A05"), &[("structure-mismatch", "MSH-9.3")]);
    expect(&ADT.replace("|19800101|", "|19800101~19810101|"), &[("field-repeated", "PID-7")]);
    expect(&ADT.replace("^MR||", "^MR~456^^^HOSP^MR||"), &[]);
    expect(&ADT.replace("PID|1|", "PID|1^2|"), &[("component-extra", "PID-1.2")]);
    expect(&ADT.replace('\r', "\n"), &[("terminator-not-cr", "")]);
    expect(&ADT.replace("JANE", "JA\u{1}NE"), &[("control-character", "")]);
    expect(&ADT.replace("JANE", "JA\\Q\\NE"), &[("escape-unknown", "PID-5")]);
    expect(&ADT.replace("JANE", "JA\\T\\NE"), &[]);
    expect(&ADT.replace("EVN||20260314150900", "EVN||20260314150900|||||||||x"), &[("field-extra", "EVN-11")]);
}

#[test]
fn messages_never_hold_content() {
    let text =
        ADT.replace("19800101", "SECRETDATE").replace("|F\r", "|SECRETSEX\r").replace("PID|1|", "PID|SECRETSET|") + "SEC|RET\rSECRETLINE\r";
    let mut out = Vec::new();
    validate(&Message::parse(&text).unwrap(), &mut out);
    assert!(out.len() >= 4);
    for finding in out {
        assert!(!format!("{finding:?}").contains("SECRET"), "{finding:?}");
    }
}

#[test]
fn findings_are_bounded() {
    let text = format!("{ADT}{}", "PID|x|||||||\r".repeat(2_000));
    let found = findings(&text);
    assert_eq!(found.len(), MAX_FINDINGS + 1);
    assert_eq!(found.last().unwrap().0, "findings-truncated");
}

#[test]
fn codes_are_sorted_and_their_page_is_current() {
    assert!(CODES.is_sorted_by_key(|known| known.code));
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/src/reference/hl7v2-findings.md");
    let expected = codes::reference_page();
    if std::env::var_os("SUTURA_UPDATE_DOCS").is_some() {
        std::fs::write(page, &expected).unwrap();
    }
    let written = std::fs::read_to_string(page).unwrap();
    assert!(written == expected, "docs/src/reference/hl7v2-findings.md is old; run the test with SUTURA_UPDATE_DOCS=1");
}

/// Every `"code"` beside a [`Severity`] in the crate's sources is in [`CODES`].
#[test]
fn every_code_of_the_crate_is_listed() {
    fn visit(folder: &std::path::Path, out: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, out);
            } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("codes.rs") && !path.ends_with("tests.rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                out.push_str(source.split("#[cfg(test)]\nmod").next().unwrap());
            }
        }
    }
    let mut sources = String::new();
    visit(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut sources);
    let words: Vec<_> = sources.split_whitespace().collect();
    let mut found = 0;
    for pair in words.windows(2).filter(|pair| pair[1].starts_with("Severity::")) {
        let Some(code) = pair[0].rsplit_once('"').and_then(|(head, _)| head.rsplit_once('"')).map(|(_, code)| code) else { continue };
        if code.contains('-') {
            found += 1;
            assert!(CODES.iter().any(|known| known.code == code), "{code} is not in CODES");
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
#[ignore = "a measurement: cargo test -p sutura-hl7v2 --lib -- --ignored --nocapture validate::tests::speed"]
fn speed() {
    let mut out = Vec::new();
    for (name, text) in [("ADT", ADT), ("ORU", ORU)] {
        let message = Message::parse(text).unwrap();
        let begun = std::time::Instant::now();
        for _ in 0..20_000 {
            out.clear();
            validate(&message, &mut out);
        }
        println!("{name}: {:?} a message of {} segments", begun.elapsed() / 20_000, message.segment_count());
    }
}
