//! Numbers of OBX, documents of MDM, and what has the same id in the next message.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use sutura_convert::{
    report::Report,
    v2::{Converter, Options, Source},
};
use sutura_core::{Finding, Sha256Hash};
use sutura_fhir::{
    json::Parser,
    validate::{IssueSeverity, Validator},
};
use sutura_hl7v2::Message;

struct Converted {
    bundle: Value,
    findings: Vec<Finding>,
    report: Report,
}

const PID: &str = "PID|1||7^^^H&1.2&ISO^MR||DOE^JANE";

/// Converts the segments of one message of a type; what comes out is valid.
fn convert(kind: &str, segments: &[&str]) -> Converted {
    let text = format!("MSH|^~\\&|APP|HOSP|||20260102030405+0000||{kind}|M1|P|2.5.1\r{}\r", segments.join("\r"));
    of_text(&text)
}

fn of_text(text: &str) -> Converted {
    let message = Message::parse(text).unwrap();
    let mut converter = Converter::new(&Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() }).unwrap();
    let source = Source { uri: "file:///a.hl7", offset: 0, length: text.len() as u64, sha256: Sha256Hash::of(text.as_bytes()) };
    let (mut report, mut out) = (Report::new(), Vec::new());
    converter.convert(&message, &source, &mut report, &mut out).unwrap();
    let mut parser = Parser::default();
    let document = parser.parse(&out).unwrap();
    let issues = Validator::default().validate(document.root());
    let errors: Vec<_> = issues.iter().filter(|issue| issue.severity >= IssueSeverity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}\n{}", String::from_utf8_lossy(&out));
    assert!(report.balances());
    Converted { bundle: serde_json::from_slice(&out).unwrap(), findings: converter.findings().to_vec(), report }
}

impl Converted {
    fn all(&self, kind: &str) -> Vec<&Value> {
        let entries = self.bundle["entry"].as_array().unwrap().iter();
        entries.map(|entry| &entry["resource"]).filter(|resource| resource["resourceType"] == kind).collect()
    }

    #[track_caller]
    fn one(&self, kind: &str) -> &Value {
        let found = self.all(kind);
        assert_eq!(found.len(), 1, "{kind}: {found:#?}");
        found[0]
    }

    /// How often a field or its parts were mapped, and why they were dropped.
    fn fate(&self, place: &str) -> (u64, Vec<String>) {
        let (mut mapped, mut reasons) = (0, Vec::new());
        for (found, counts) in self.report.feeds["APP/HOSP"].all_places().iter() {
            if found == place || found.strip_prefix(place).is_some_and(|rest| rest.starts_with('.')) {
                mapped += counts.mapped;
                reasons.extend(counts.dropped.keys().map(ToString::to_string));
                reasons.extend((counts.unmapped > 0).then(|| "unmapped".to_owned()));
            }
        }
        (mapped, reasons)
    }
}

fn observed(kind: &str, value: &str, unit: &str) -> Converted {
    convert(
        "ORU^R01",
        &[PID, "OBR|1|P1|F1|24321-2^Panel^LN|||20260101120000", &format!("OBX|1|{kind}|2345-7^Glucose^LN||{value}|{unit}|||||F")],
    )
}

fn reference(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

// ---- numbers -------------------------------------------------------------------------------------------------------

#[test]
fn a_quantity_always_has_a_value() {
    for (sent, value, comparator) in [
        ("5.4", json!(5.4), Value::Null),
        ("<5", json!(5), json!("<")),
        ("> 1000", json!(1000), json!(">")),
        ("<=0.01", json!(0.01), json!("<=")),
        (">=+10.", json!(10), json!(">=")),
        ("1.5E2", json!(1.5E2), Value::Null),
    ] {
        let converted = observed("NM", sent, "mg/dL");
        let observation = converted.one("Observation");
        assert_eq!((&observation["valueQuantity"]["value"], &observation["valueQuantity"]["comparator"]), (&value, &comparator), "{sent}");
        assert_eq!(observation["valueQuantity"]["unit"], "mg/dL", "{sent}");
        assert_eq!(converted.fate("OBX-5"), (1, vec![]), "{sent}");
    }
    for (sent, text) in
        [("1,200", "1,200 mg/dL"), ("+", "+"), ("negative", "negative"), ("<5 est.", "<5 est. mg/dL"), ("1E999", "1E999 mg/dL")]
    {
        let converted = observed("NM", sent, "mg/dL");
        let observation = converted.one("Observation");
        assert_eq!((&observation["valueString"], observation.get("valueQuantity")), (&json!(text), None), "{sent}");
        assert_eq!(converted.fate("OBX-5"), (1, vec![]), "{sent}");
        assert!(converted.findings.iter().any(|finding| finding.code == "convert-number-as-text"), "{sent}");
        assert!(converted.findings.iter().all(|finding| finding.code != "convert-invalid-value"), "{sent}");
        let unit = converted.fate("OBX-6.1");
        assert_eq!(unit, if text.ends_with("mg/dL") { (1, vec![]) } else { (0, vec!["choice-taken".to_owned()]) }, "{sent}");
    }
    for sent in ["\"\"", "", " "] {
        let converted = observed("NM", sent, "mg/dL");
        let observation = converted.one("Observation");
        assert_eq!((observation.get("valueQuantity"), observation.get("valueString")), (None, None), "{sent:?}");
        assert_eq!(observation["dataAbsentReason"]["coding"][0]["code"], "unknown", "{sent:?}");
    }
    // The same in components.
    let converted = observed("NM", "<5~7~x", "mg/dL");
    let parts = converted.one("Observation")["component"].clone();
    assert_eq!((&parts[0]["valueQuantity"]["comparator"], &parts[1]["valueQuantity"]["value"]), (&json!("<"), &json!(7)));
    assert_eq!(parts[2]["valueString"], "x");
}

#[test]
fn structured_numbers() {
    let value = |sent: &str| observed("SN", sent, "mg/dL").one("Observation").clone();
    let plain = value(">^5");
    assert_eq!((&plain["valueQuantity"]["comparator"], &plain["valueQuantity"]["value"]), (&json!(">"), &json!(5)));
    assert_eq!(value("=^5")["valueQuantity"].get("comparator"), None);
    let range = value("^5^-^10");
    assert_eq!((&range["valueRange"]["low"]["value"], &range["valueRange"]["high"]["unit"]), (&json!(5), &json!("mg/dL")));
    let ratio = value("<^1^:^128");
    assert_eq!((&ratio["valueRatio"]["denominator"]["value"], &ratio["valueRatio"]["numerator"]["comparator"]), (&json!(128), &json!("<")));
    for (sent, text) in [("<>^5", "<> 5 mg/dL"), ("^2^+", "2 + mg/dL"), (">^1,000", "> 1,000 mg/dL"), ("^1^:^many", "1 : many mg/dL")] {
        let observation = value(sent);
        assert_eq!(observation["valueString"], text);
        assert!(!observation.to_string().contains("valueQuantity") && !observation.to_string().contains("valueRatio"), "{sent}");
    }
}

#[test]
fn results_without_a_time_take_that_of_their_order() {
    let converted = convert(
        "ORU^R01",
        &[
            PID,
            "PV1|1|O|||||||||||||||||V1",
            "OBX|1|ST|8302-2^Height^LN||tall||||||F",
            "OBR|1|P1|F1|1^A^LN|||202601011200",
            "OBX|1|NM|2^X^LN||5|||||||F",
            "OBX|2|NM|3^Y^LN||5||||||F|||20260102",
            "OBR|2|P1|F2|4^B^LN",
            "OBX|1|NM|5^Z^LN||5|||||||F",
        ],
    );
    let times: Vec<_> = converted.all("Observation").iter().map(|one| one.get("effectiveDateTime").cloned().unwrap_or_default()).collect();
    assert_eq!(times, [Value::Null, json!("2026-01-01T12:00:00+00:00"), json!("2026-01-02"), Value::Null]);
}

#[test]
fn reasons_of_times_that_do_not_fit() {
    for (time, reason) in [("20260101", "too-coarse"), ("20260101120000", "time-without-zone"), ("2026-01-01", "invalid-value")] {
        let text = format!(
            "MSH|^~\\&|APP|HOSP|||20260102||ORU^R01|M1|P|2.5.1\r{PID}\rOBR|1|P1|F1|1^A^LN||||||||||||||||||{time}|||F\rOBX|1|NM|2^X^LN||5|||||||F\r"
        );
        assert_eq!(of_text(&text).fate("OBR-22").1, [reason], "{time}");
    }
}

// ---- documents -----------------------------------------------------------------------------------------------------

#[test]
fn the_lines_of_a_document_are_one_content() {
    let converted = convert(
        "MDM^T02",
        &[
            "EVN|T02|20260102",
            PID,
            "TXA|1|DS^Discharge summary|TX|||||||||D1^^1.2^ISO",
            "OBX|1|TX|18842-5^Summary^LN||first~second",
            "OBX|2|TX|18842-5^Summary^LN||",
            "OBX|3|ED|18842-5^Summary^LN||^application^pdf^Base64^AAAA",
            "OBX|4|TX|18842-5^Summary^LN||third",
            "OBX|5|TX|10160-0^Medications^LN||fourth",
        ],
    );
    let contents = converted.one("DocumentReference")["content"].as_array().unwrap().clone();
    assert_eq!(contents.len(), 2, "{contents:#?}");
    let text = &contents[0]["attachment"];
    assert_eq!((&text["contentType"], &text["title"]), (&json!("text/plain"), &json!("Summary")));
    // "first\nsecond\n\nthird\nMedications\nfourth"
    assert_eq!(text["data"], "Zmlyc3QKc2Vjb25kCgp0aGlyZApNZWRpY2F0aW9ucwpmb3VydGg=");
    assert_eq!(contents[1]["attachment"]["data"], "AAAA");
    assert_eq!(converted.fate("OBX-5"), (8, vec![]));
}

#[test]
fn a_document_that_replaces_another_says_which() {
    let relates = |trigger: &str| {
        let converted = convert(
            &format!("MDM^{trigger}"),
            &["EVN||20260102", PID, "TXA|1|DS|TX|||||||||D2^^1.2^ISO|D1^^1.2^ISO", "OBX|1|TX|1^A^LN||x"],
        );
        converted.one("DocumentReference").get("relatesTo").cloned().unwrap_or_default()
    };
    let replaced = relates("T10");
    assert_eq!(replaced[0]["code"], "replaces");
    assert_eq!(replaced[0]["target"]["type"], "DocumentReference");
    assert_eq!(replaced[0]["target"]["identifier"]["value"], "D1");
    assert_eq!(
        (&relates("T09")[0]["code"], &relates("T06")[0]["code"], relates("T02")),
        (&json!("replaces"), &json!("appends"), Value::Null)
    );
}

// ---- ids -----------------------------------------------------------------------------------------------------------

#[test]
fn a_correction_has_the_id_of_what_it_corrects() {
    let id = |kind: &str, segments: &[&str], resource: &str| {
        let all: Vec<&str> = std::iter::once(PID).chain(segments.iter().copied()).collect();
        convert(kind, &all).one(resource)["id"].as_str().unwrap().to_owned()
    };
    let dose = |orc: &str, rxa: &str| id("VXU^V04", &[orc, rxa], "Immunization");
    let first = dose("ORC|RE|P1|F1^IIS", "RXA|0|1|20260101||08^HepB^CVX|0.5|mL");
    assert_eq!(first, dose("ORC|RE|P1|F1^IIS", "RXA|0|1|20260102||45^Hep B, NOS^CVX|1|mL"));
    assert_ne!(first, dose("ORC|RE|P1|F2^IIS", "RXA|0|1|20260101||08^HepB^CVX|0.5|mL"));
    let historical = dose("ORC|RE||9999^IIS", "RXA|0|1|20260101||08^HepB^CVX|999");
    assert_eq!(historical, dose("ORC|RE||9999^IIS", "RXA|0|1|20260101||08^Hepatitis B^CVX|999"));
    assert_ne!(historical, dose("ORC|RE||9999^IIS", "RXA|0|1|20250101||08^HepB^CVX|999"));
    for (kind, one, other, resource) in [
        ("ADT^A01", "AL1|1|DA|1191^Aspirin^RXNORM", "AL1|1|DA|1191^ASPIRIN 81^RXNORM|SV", "AllergyIntolerance"),
        ("ADT^A01", "AL1|1|DA|^Aspirin", "AL1|1|DA|^Aspirin|SV", "AllergyIntolerance"),
        ("ADT^A01", "DG1|1||I10^Hypertension^I10", "DG1|1||I10^HTN^I10|x", "Condition"),
        ("ORU^R01", "OBX|1|NM|2^X^LN||5", "OBX|1|NM|2^Another name^LN||6", "Observation"),
    ] {
        assert_eq!(id(kind, &[one], resource), id(kind, &[other], resource), "{other}");
    }
    assert_ne!(id("ADT^A01", &["AL1|1|DA|1^A^L"], "AllergyIntolerance"), id("ADT^A01", &["AL1|1|DA|1^A^RXNORM"], "AllergyIntolerance"));
}

#[test]
fn a_visit_without_a_number_is_not_doubled() {
    let visit = |pid: &str, pv1: &str, day: &str| {
        let converted = convert("ADT^A08", &[&format!("EVN||{day}0830"), pid, pv1]);
        (converted.one("Encounter")["id"].clone(), converted.findings.iter().any(|finding| finding.code == "convert-visit-without-number"))
    };
    let account = "PID|1||7^^^H&1.2&ISO^MR||DOE^JANE|||||||||||||ACC1";
    let first = visit(PID, "PV1|1|O|WARD1", "20260102");
    assert_eq!(first, visit(PID, "PV1|1|O|WARD2", "20260102"));
    assert!(first.1);
    assert_ne!(first, visit(PID, "PV1|1|O|WARD1", "20260103"));
    assert_ne!(first, visit(PID, "PV1|1|I|WARD1", "20260102"));
    assert_eq!(visit(account, "PV1|1|O", "20260102"), visit(account, "PV1|1|I", "20260110"));
    assert!(!visit(PID, "PV1|1|O|||||||||||||||||V1", "20260102").1);
}

// ---- smaller -------------------------------------------------------------------------------------------------------

#[test]
fn names_without_codes_and_codes_with_translations() {
    let converted = convert("ADT^A01", &[PID, "AL1|1|DA|^Aspirin|SV"]);
    assert_eq!(converted.one("AllergyIntolerance")["code"], json!({"text": "Aspirin"}));
    let married = convert("ADT^A01", &["PID|1||7||DOE|||||||||||M"]).one("Patient")["maritalStatus"]["coding"].clone();
    assert_eq!(married, json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M", "display": "Married"}]));
    let dose = convert("VXU^V04", &[PID, "ORC|RE||F1", "RXA|0|1|20260101||08^HepB^CVX|1", "RXR|ID^Intradermal"]);
    let route = dose.one("Immunization")["route"]["coding"].clone();
    assert_eq!(route[0]["system"], "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration", "{route}");
    assert_eq!((&route[1]["code"], &route[1]["system"]), (&json!("ID"), &json!("http://terminology.hl7.org/CodeSystem/v2-0162")));
    let order = convert("ORM^O01", &[PID, "ORC|NW|P1", "OBR|1|P1||1^A^LN"]);
    assert!(!order.bundle.to_string().contains("/ValueSet/"), "{:#}", order.bundle);
    assert!(order.bundle.to_string().contains("http://terminology.hl7.org/CodeSystem/v2-0119"));
}

#[test]
fn persons_around_a_patient() {
    let insured = convert(
        "ADT^A01",
        &[
            "PID|1||7^^^H&1.2&ISO^MR||DOE^JANE|||||||||||||ACC1",
            "IN1|1|PLAN|CO1|Company||||||||||||DOE^JOHN|SPO|19700101",
            "GT1|1||DOE^JOHN",
        ],
    );
    let patient = reference(insured.one("Patient"));
    for person in insured.all("RelatedPerson") {
        assert_eq!(person["patient"]["reference"], patient.as_str(), "{person:#}");
    }
    assert_eq!(insured.one("Account")["subject"].as_array().unwrap().len(), 1);
    let linked = convert("ADT^A24", &["EVN||20260102", "PID|1||ONE^^^H&1.2&ISO^MR||DOE", "PID|2||TWO^^^H&1.2&ISO^MR||DOE"]);
    let patients = linked.all("Patient");
    for (one, other) in [(0, 1), (1, 0)] {
        assert_eq!(patients[one]["link"], json!([{"other": {"reference": reference(patients[other])}, "type": "seealso"}]));
    }
}

#[test]
fn values_that_fhir_cannot_hold_are_left_out() {
    let answer = of_text("MSH|^~\\&|APP|HOSP|||20260102030405+0000||ACK^A01|M1|P|2.5.1|||||||English (US)\rMSA|AA|MSG_1\rPID|1||7||DOE\r");
    let header = answer.one("MessageHeader");
    assert_eq!((header["response"].get("identifier"), header.get("language")), (None, None));
    assert_eq!(answer.fate("MSA-2").1, ["invalid-value"]);
    assert_eq!(answer.fate("MSH-19").1, ["invalid-value"]);
    let fine = of_text("MSH|^~\\&|APP|HOSP|||20260102030405+0000||ACK^A01|M1|P|2.5.1|||||||en-US\rMSA|AA|MSG-1\rPID|1||7||DOE\r");
    let header = fine.one("MessageHeader");
    assert_eq!((&header["response"]["identifier"], &header["language"]), (&json!("MSG-1"), &json!("en-US")));
    let insured = convert("ADT^A01", &[PID, "IN1|1|PLAN|CO1|||||||||20260101|2026"]);
    assert_eq!(insured.one("Coverage")["period"], json!({"start": "2026", "end": "2026"}));
    let stay = convert("ADT^A01", &[PID, "PV1|1|I|||||||||||||||||V1", "PV2|||||||||||5  x"]);
    assert_eq!(stay.one("Encounter").get("length"), None);
}
