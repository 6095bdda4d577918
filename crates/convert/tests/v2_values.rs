//! What each segment says, by value: every test states what the message means and what has to be in the resources.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use sutura_convert::{
    report::{Feed, Report},
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

/// Converts the segments of one message of a type; what comes out is valid.
fn convert(kind: &str, segments: &[&str]) -> Converted {
    let mut text = format!("MSH|^~\\&|APP|HOSP|||20260102030405+0000||{kind}|M1|P|2.5.1\r");
    for segment in segments {
        text.push_str(segment);
        text.push('\r');
    }
    let message = Message::parse(&text).unwrap();
    let mut converter = Converter::new(&Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() }).unwrap();
    let source = Source { uri: "file:///a.hl7", offset: 0, length: text.len() as u64, sha256: Sha256Hash::of(text.as_bytes()) };
    let (mut report, mut out) = (Report::new(), Vec::new());
    converter.convert(&message, &source, &mut report, &mut out).unwrap();
    let mut parser = Parser::default();
    let document = parser.parse(&out).unwrap();
    let issues = Validator::default().validate(document.root());
    let errors: Vec<_> = issues.iter().filter(|issue| issue.severity >= IssueSeverity::Error).collect();
    assert!(errors.is_empty(), "{kind}: {errors:?}\n{}", String::from_utf8_lossy(&out));
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

    #[track_caller]
    fn to<'v>(&'v self, reference: &'v Value) -> &'v Value {
        let (kind, id) = reference["reference"].as_str().unwrap_or_else(|| panic!("no reference: {reference}")).split_once('/').unwrap();
        self.all(kind).into_iter().find(|resource| resource["id"] == id).unwrap()
    }

    fn feed(&self) -> &Feed {
        &self.report.feeds["APP/HOSP"]
    }

    fn dropped(&self, place: &str) -> Vec<String> {
        let places = self.feed().all_places();
        places.get(place).map(|counts| counts.dropped.keys().map(ToString::to_string).collect()).unwrap_or_default()
    }

    fn has_finding(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }
}

const PID: &str = "PID|1||7^^^H&1.2&ISO^MR||DOE^JANE";

fn reference(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

// ---- patients ------------------------------------------------------------------------------------------------------

#[test]
fn merges_and_what_is_none() {
    let with = |trigger: &str, prior: &str| {
        let mrg = format!("MRG|{prior}^^^H&1.2&ISO^MR|ALT^^^H&1.2&ISO|ACC1^^^H&1.2&ISO^AN|EXT^^^H&1.2&ISO|VIS1^^^H&1.2&ISO^VN||OLD^NAME");
        convert(&format!("ADT^{trigger}"), &["EVN||20260102", PID, &mrg, "PV1|1|I|||||||||||||||||VIS2^^^H&1.2&ISO^VN"])
    };
    for trigger in ["A18", "A30", "A34", "A36", "A39", "A40", "A47"] {
        let converted = with(trigger, "OLD");
        let patients = converted.all("Patient");
        assert_eq!(patients.len(), 2, "{trigger}");
        assert_eq!(patients[1]["active"], false, "{trigger}");
        assert_eq!(patients[1]["identifier"][0]["value"], "OLD", "{trigger}");
        assert_eq!(patients[1]["link"], json!([{"other": {"reference": reference(patients[0])}, "type": "replaced-by"}]), "{trigger}");
        assert_eq!(patients[0]["link"], json!([{"other": {"reference": reference(patients[1])}, "type": "replaces"}]), "{trigger}");
        assert!(patients[0].get("active").is_none());
        // Merged with itself: nobody is replaced.
        let converted = with(trigger, "7");
        let patient = converted.one("Patient");
        assert!(patient.get("link").is_none() && patient.get("active").is_none(), "{trigger}: {patient}");
    }
    // Accounts and visits merge, move or change their number: the patients stay what they are.
    for trigger in ["A35", "A41", "A42", "A43", "A44", "A45", "A46", "A48", "A49", "A50", "A51", "A08"] {
        for prior in ["OLD", "7"] {
            let converted = with(trigger, prior);
            let patient = converted.one("Patient");
            assert!(patient.get("link").is_none() && patient.get("active").is_none(), "{trigger}: {patient}");
        }
    }
    // The former identifier stays as an old one of the same patient.
    for (trigger, former) in [("A46", "EXT"), ("A47", "OLD"), ("A48", "ALT")] {
        let converted = with(trigger, "OLD");
        let identifiers = converted.all("Patient")[0]["identifier"].as_array().unwrap().clone();
        assert_eq!(identifiers.len(), 2, "{trigger}");
        assert_eq!((&identifiers[1]["value"], &identifiers[1]["use"]), (&former.into(), &"old".into()), "{trigger}");
    }
}

#[test]
fn a_patient_merged_twice_ends_at_the_last() {
    let converted = convert(
        "ADT^A40",
        &["PID|1||B^^^H&1.2&ISO^MR||DOE", "MRG|A^^^H&1.2&ISO^MR", "PID|1||C^^^H&1.2&ISO^MR||DOE", "MRG|B^^^H&1.2&ISO^MR"],
    );
    let patients = converted.all("Patient");
    assert_eq!(patients.len(), 3);
    let (b, a, c) = (patients[0], patients[1], patients[2]);
    assert_eq!(a["link"][0]["other"]["reference"], reference(b));
    assert_eq!((&b["active"], &b["link"][1]["other"]["reference"]), (&false.into(), &reference(c).into()));
    assert_eq!(b["link"][1]["type"], "replaced-by");
    assert!(c.get("active").is_none());
}

#[test]
fn linking_and_unlinking() {
    let pids = ["EVN||20260102", PID, "PID|2||8^^^H&1.2&ISO^MR||DOE^JANE"];
    let linked = convert("ADT^A24", &pids);
    assert_eq!(linked.all("Patient")[1]["link"][0]["type"], "seealso");
    let unlinked = convert("ADT^A37", &pids);
    assert_eq!(unlinked.all("Patient").len(), 2);
    assert!(unlinked.all("Patient").iter().all(|patient| patient.get("link").is_none()));
}

#[test]
fn names_are_used_as_table_0200_says() {
    let converted =
        convert("ADT^A31", &["PID|1||7||DOE^JANE^^^^^L~SMITH^JOHN^^^^^P~BEAR^LITTLE^^^^^T~ROE^ANN^^^^^A~POE^J^^^^^N~FOX^J^^^^^TEMP"]);
    let patient = converted.one("Patient");
    let uses: Vec<_> = patient["name"].as_array().unwrap().iter().map(|name| (name["family"].clone(), name["use"].clone())).collect();
    let none = Value::Null;
    assert_eq!(
        uses,
        [
            ("DOE".into(), "official".into()),
            ("BEAR".into(), none.clone()),
            ("ROE".into(), none),
            ("POE".into(), "nickname".into()),
            ("FOX".into(), "temp".into())
        ]
    );
    assert_eq!(patient["contact"][0]["name"]["family"], "SMITH", "the partner's name is not the patient's");
    assert_eq!(patient["contact"][0]["relationship"][0]["text"], "partner or spouse");
}

#[test]
fn guarantor_and_roles() {
    let converted = convert(
        "BAR^P01",
        &[
            "EVN||20260102",
            "PID|1||7^^^H&1.2&ISO^MR||DOE^JANE|||||||||||||A9^^^H&1.2&ISO",
            "ROL|1|AD|PP^Primary care^HL70443|55^WELBY^MARCUS",
            "GT1|1|G1^^^H&1.2&ISO|DOE^JOHN||1 MAIN ST^^BOSTON^MA|(617)555-1234||19550102|M||SPO^Spouse^HL70063|123456789",
            "DG1|1||I10^Hypertension^I10||20260101|A",
            "PR1|1||5A1955Z^Ventilation^I10P||20260101",
        ],
    );
    let account = converted.one("Account");
    assert_eq!(account["identifier"][0]["value"], "A9");
    let guarantor = converted.to(&account["guarantor"][0]["party"]);
    assert_eq!((&guarantor["name"][0]["family"], &guarantor["gender"]), (&"DOE".into(), &"male".into()));
    assert_eq!((&guarantor["birthDate"], &guarantor["address"][0]["city"]), (&"1955-01-02".into(), &"BOSTON".into()));
    assert_eq!(guarantor["relationship"][0]["coding"][0]["code"], "SPS");
    assert_eq!(guarantor["identifier"][1], json!({"system": "http://hl7.org/fhir/sid/us-ssn", "value": "123456789"}));
    assert_eq!(converted.one("Condition")["code"]["coding"][0]["code"], "I10");
    assert_eq!(converted.one("Procedure")["status"], "completed");
    let doctor = converted.to(&converted.one("Patient")["generalPractitioner"][0]);
    assert_eq!(doctor["name"][0]["family"], "WELBY");
}

#[test]
fn member_numbers_are_not_those_of_the_subscriber() {
    let insurance = format!("IN1|1|PLAN1|CO1|Insurer{}SUB1^^^INS", "|".repeat(45));
    let more = format!("IN2|{}MEM2^^^INS", "|".repeat(60));
    let converted = convert("ADT^A01", &[PID, "PV1|1|I", &insurance, &more]);
    let coverage = converted.one("Coverage");
    assert_eq!(coverage["subscriberId"], "SUB1");
    let member = coverage["identifier"].as_array().unwrap().iter().find(|identifier| identifier["value"] == "MEM2").unwrap();
    assert_eq!(member["type"]["coding"][0], json!({"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}));
    let converted = convert("ADT^A01", &[PID, "PV1|1|I", "IN1|1|PLAN1|CO1|Insurer", &more]);
    assert!(converted.one("Coverage").get("subscriberId").is_none());
}

// ---- visits --------------------------------------------------------------------------------------------------------

#[test]
fn the_trigger_says_what_became_of_the_visit() {
    for (trigger, status) in [
        ("A01", "in-progress"),
        ("A02", "in-progress"),
        ("A03", "finished"),
        ("A04", "arrived"),
        ("A05", "planned"),
        ("A06", "in-progress"),
        ("A08", "in-progress"),
        ("A11", "cancelled"),
        ("A12", "in-progress"),
        ("A13", "in-progress"),
        ("A14", "planned"),
        ("A21", "onleave"),
        ("A22", "in-progress"),
        ("A23", "entered-in-error"),
        ("A27", "cancelled"),
        ("A28", "unknown"),
        ("A31", "unknown"),
        ("A38", "cancelled"),
        ("A44", "unknown"),
        ("A53", "onleave"),
        ("A54", "in-progress"),
        ("A60", "unknown"),
        ("Z77", "unknown"),
    ] {
        let converted = convert(&format!("ADT^{trigger}"), &[PID, "PV1|1|I|W^1^A"]);
        assert_eq!(converted.one("Encounter")["status"], status, "{trigger}");
    }
    for (trigger, status) in [("A01", "active"), ("A03", "completed"), ("A05", "planned"), ("A12", "active")] {
        let converted = convert(&format!("ADT^{trigger}"), &[PID, "PV1|1|I|W^1^A"]);
        assert_eq!(converted.one("Encounter")["location"][0]["status"], status, "{trigger}");
    }
    for trigger in ["A11", "A23", "A27", "A38"] {
        let converted = convert(&format!("ADT^{trigger}"), &[PID, "PV1|1|P|W^1^A"]);
        let location = &converted.one("Encounter")["location"][0];
        assert!(location["location"].is_object() && location.get("status").is_none(), "{trigger}: nobody is there, nor was");
    }
    let discharged = format!("PV1|1|I{}20260103", "|".repeat(43));
    for (trigger, status) in [("A08", "finished"), ("A31", "finished"), ("A13", "in-progress"), ("A11", "cancelled")] {
        let converted = convert(&format!("ADT^{trigger}"), &[PID, &discharged]);
        assert_eq!(converted.one("Encounter")["status"], status, "{trigger}");
    }
    assert_eq!(convert("ORU^R01", &[PID, "PV1|1|O", "OBR|1|1|2|X^Y^LN"]).one("Encounter")["status"], "in-progress");
}

#[test]
fn a_code_that_is_translated_keeps_its_table() {
    let converted = convert("ADT^A01", &[PID, "PV1|1|I", "DG1|1||I10^Hypertension^I10|||A"]);
    let codings = converted.one("Encounter")["diagnosis"][0]["use"]["coding"].clone();
    assert_eq!(codings[0]["code"], "AD");
    assert_eq!(codings[1], json!({"system": "http://terminology.hl7.org/CodeSystem/v2-0052", "code": "A"}));
}

#[test]
fn what_pv2_adds() {
    let converted = convert("ADT^A12", &[PID, "PV1|1|I|W^1^A", "PV2|PRIOR^1^A||PAIN^Chest pain^L||||||20260104||5"]);
    let encounter = converted.one("Encounter");
    assert_eq!(encounter["location"].as_array().unwrap().len(), 1, "a place that is not planned any more is none");
    assert_eq!(converted.dropped("PV2-1"), ["place that is not planned any more"]);
    assert_eq!(encounter["reasonCode"][0]["text"], Value::Null);
    assert_eq!(encounter["reasonCode"][0]["coding"][0]["code"], "PAIN");
    assert_eq!((&encounter["length"]["value"], &encounter["length"]["code"]), (&5.into(), &"d".into()));
    let converted = convert("ADT^A01", &[PID, "PV1|1|I", "ROL|1|AD|CP^Consultant^HL70443|55^WELBY^MARCUS|20260101"]);
    let participant = &converted.one("Encounter")["participant"][0];
    assert_eq!(participant["type"][0]["coding"][0]["code"], "CON");
    assert_eq!(converted.to(&participant["individual"])["identifier"][0]["value"], "55");
}

// ---- allergies -----------------------------------------------------------------------------------------------------

#[test]
fn allergies_say_how_sure_they_are() {
    let iam = |action: &str, status: &str| {
        let segment = format!("IAM|1|DA|PCN^Penicillin^L|SV|rash|{action}|||||||||||{status}");
        convert("ADT^A60", &["EVN||20260102", PID, &segment])
    };
    for (action, status, clinical, verification) in [
        ("A", "", Some("active"), None),
        ("X", "", Some("active"), None),
        ("U", "C", Some("active"), Some("confirmed")),
        ("A", "I", Some("inactive"), Some("confirmed")),
        ("A", "U", Some("active"), Some("unconfirmed")),
        ("A", "P", Some("active"), Some("unconfirmed")),
        ("A", "S", Some("active"), Some("unconfirmed")),
        ("A", "D", Some("active"), Some("unconfirmed")),
        ("A", "E", None, Some("entered-in-error")),
        ("D", "C", None, Some("entered-in-error")),
    ] {
        let converted = iam(action, status);
        let allergy = converted.one("AllergyIntolerance");
        let code = |name: &str| allergy[name]["coding"][0]["code"].as_str();
        assert_eq!((code("clinicalStatus"), code("verificationStatus")), (clinical, verification), "{action} {status}");
    }
    let converted = iam("A", "R");
    let allergy = converted.one("AllergyIntolerance");
    assert!(allergy["clinicalStatus"].get("coding").is_none(), "R is not in table 0438");
    assert_eq!(allergy["clinicalStatus"]["extension"][0]["valueCode"], "unknown");
    assert!(converted.has_finding("convert-code-not-mapped"));
    assert_eq!(converted.feed().unmapped_codes["AllergyClinicalStatus"], 1);
    assert_eq!(allergy["code"]["coding"][0]["code"], "PCN");
    assert_eq!(allergy["reaction"][0]["severity"], "severe");
}

// ---- orders --------------------------------------------------------------------------------------------------------

#[test]
fn an_order_is_its_number() {
    let new = convert("RDE^O11", &[PID, "ORC|NW|P1^EHR|F1^RX", "RXE|1^BID|A^Drug^L|1||MG"]);
    let request = new.one("MedicationRequest");
    assert_eq!((&request["status"], &request["medicationCodeableConcept"]["coding"][0]["code"]), (&"active".into(), &"A".into()));
    let other_drug = convert("RDE^O11", &[PID, "ORC|DC|P1^EHR|F1^RX", "RXE|1^BID|B^Other^L|1||MG"]);
    let stopped = other_drug.one("MedicationRequest");
    assert_eq!((&stopped["id"], &stopped["status"]), (&request["id"], &"stopped".into()));
    let ordered = convert("OMP^O09", &[PID, "ORC|NW|P1^EHR", "RXO|A^Drug^L|1||MG"]);
    assert_eq!(ordered.one("MedicationRequest")["id"], request["id"]);
    // Several drugs under one number are told apart.
    let several = ["ORC|NW|P1^EHR", "RXE||A^Drug^L|1||MG", "ORC|NW|P1^EHR", "RXE||B^Drug^L|1||MG"];
    let two = convert("RDE^O11", &[PID, several[0], several[1], several[2], several[3]]);
    let ids: Vec<_> = two.all("MedicationRequest").iter().map(|request| request["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] != ids[1] && ids.iter().all(|id| *id != request["id"]));
    let swapped = convert("RDE^O11", &[PID, several[2], several[3], several[0], several[1]]);
    assert_eq!(swapped.all("MedicationRequest")[1]["id"], ids[0], "whichever comes first");
}

#[test]
fn a_request_to_stop_an_order_does_not_empty_it() {
    for (control, code, status) in
        [("CA", "abort", "requested"), ("OC", "abort", "completed"), ("HD", "suspend", "requested"), ("RL", "resume", "requested")]
    {
        for kind in ["RDE^O11", "ORM^O01"] {
            let converted = convert(kind, &[PID, &format!("ORC|{control}|P1^EHR|F1^RX||||||20260102")]);
            assert!(converted.all("MedicationRequest").is_empty() && converted.all("ServiceRequest").is_empty());
            let task = converted.one("Task");
            assert_eq!(task["code"]["coding"][0]["code"], code);
            assert_eq!((&task["status"], &task["intent"]), (&status.into(), &"order".into()));
            assert_eq!(task["focus"]["identifier"]["value"], "P1");
            assert_eq!(task["focus"]["type"], if kind == "RDE^O11" { "MedicationRequest".into() } else { Value::Null });
            assert_eq!(task["for"]["reference"], reference(converted.one("Patient")));
            assert_eq!(task["authoredOn"], "2026-01-02");
        }
    }
    let accepted = convert("RRE^O12", &[PID, "ORC|OK|P1^EHR|F1^RX"]);
    assert!(accepted.all("MedicationRequest").is_empty() && accepted.all("Task").is_empty());
    assert_eq!(accepted.dropped("ORC-1"), ["order without its detail"]);
    // With its detail the order itself is put.
    let cancelled = convert("ORM^O01", &[PID, "ORC|CA|P1^EHR", "OBR|1|P1^EHR||X^Y^LN"]);
    assert_eq!(cancelled.one("ServiceRequest")["status"], "revoked");
    assert!(cancelled.all("Task").is_empty());
}

#[test]
fn dispenses_refer_to_their_order_by_number() {
    let converted = convert(
        "RDS^O13",
        &[
            PID,
            "ORC|RE|P1^EHR|F1^RX",
            "RXD|1|A^Drug^L|20260101120000+0000|10|TAB||RX1||a note|55^SMITH|G||^^^WARDPHARM||HANDLE^Keep cold^L",
            "NTE|1||about the dispense",
            "RXR|PO^Oral^HL70162",
        ],
    );
    assert!(converted.all("MedicationRequest").is_empty(), "an ORC alone is no order");
    let dispense = converted.one("MedicationDispense");
    assert_eq!(dispense["authorizingPrescription"][0]["identifier"]["value"], "P1");
    assert_eq!(dispense["authorizingPrescription"][0]["type"], "MedicationRequest");
    assert_eq!(dispense["authorizingPrescription"].as_array().unwrap().len(), 1);
    assert_eq!((&dispense["status"], &dispense["whenHandedOver"]), (&"completed".into(), &"2026-01-01T12:00:00+00:00".into()));
    assert_eq!(dispense["quantity"]["value"], 10);
    assert_eq!(converted.to(&dispense["destination"])["name"], "WARDPHARM");
    assert!(dispense.get("location").is_none());
    assert_eq!(dispense["substitution"]["wasSubstituted"], true);
    let notes: Vec<_> = dispense["note"].as_array().unwrap().iter().map(|note| note["text"].clone()).collect();
    assert_eq!(notes, ["a note", "Keep cold", "about the dispense"]);
    assert_eq!(dispense["dosageInstruction"].as_array().unwrap().len(), 1);
    assert_eq!(dispense["dosageInstruction"][0]["route"]["coding"][0]["code"], "PO");
    // With the order in the message it is the order.
    let converted = convert("RDS^O13", &[PID, "ORC|RE|P1^EHR|F1^RX", "RXE|1^BID|A^Drug^L|1||MG", "RXD|1|A^Drug^L|20260101|10|TAB"]);
    let request = converted.one("MedicationRequest");
    assert_eq!(converted.one("MedicationDispense")["authorizingPrescription"], json!([{"reference": reference(request)}]));
    let ordered = convert("RDE^O11", &[PID, "ORC|NW|P1^EHR|F1^RX", "RXE|1^BID|A^Drug^L|1||MG"]);
    assert_eq!(request["id"], ordered.one("MedicationRequest")["id"]);
}

#[test]
fn administrations_refer_to_their_order_by_number() {
    let converted = convert(
        "RAS^O17",
        &[
            PID,
            "ORC|RE|P1^EHR|F1^RX",
            "RXA|0|1|202601011200+0000|202601011300+0000|A^Drug^L|5|mg^mg^UCUM||given slowly|55^SMITH||||||||||PA",
            "RXR|IV^Intravenous^HL70162|LA^Left arm^HL70163",
        ],
    );
    assert!(converted.all("MedicationRequest").is_empty());
    let administration = converted.one("MedicationAdministration");
    assert_eq!(administration["request"]["identifier"]["value"], "P1");
    assert_eq!((&administration["status"], &administration["dosage"]["dose"]["value"]), (&"stopped".into(), &5.into()));
    assert_eq!(administration["effectivePeriod"]["end"], "2026-01-01T13:00:00+00:00");
    assert_eq!(administration["medicationCodeableConcept"]["coding"][0]["code"], "A");
    assert_eq!(administration["dosage"]["route"]["coding"][0]["code"], "IVINJ");
    assert_eq!(administration["note"][0]["text"], "given slowly");
}

#[test]
fn prescriptions_by_value() {
    let rxe = |substitution: &str| {
        let segment = format!("RXE|1^BID|A^Drug^L|1|2|MG|TAB|||{substitution}|10|TAB|2{}5|ML/H", "|".repeat(11));
        convert("RDE^O11", &[PID, "ORC|NW|P1^EHR", &segment, "RXR|PO^Oral^HL70162"]).one("MedicationRequest").clone()
    };
    for (code, allowed) in [("1", Some(false)), ("7", Some(false)), ("3", Some(true)), ("N", None), ("G", None), ("0", None)] {
        assert_eq!(rxe(code)["substitution"]["allowedBoolean"].as_bool(), allowed, "{code}");
    }
    let request = rxe("N");
    let dose = &request["dosageInstruction"][0]["doseAndRate"][0];
    assert_eq!((&dose["doseRange"]["low"]["value"], &dose["doseRange"]["high"]["value"]), (&1.into(), &2.into()));
    assert_eq!((&dose["rateQuantity"]["value"], &dose["rateQuantity"]["unit"]), (&5.into(), &"ML/H".into()));
    assert_eq!(request["dispenseRequest"]["quantity"]["value"], 10);
    assert_eq!(request["dispenseRequest"]["numberOfRepeatsAllowed"], 2);
    assert_eq!(request["dosageInstruction"][0]["route"]["coding"][0]["code"], "PO");
    let ordered = convert("OMP^O09", &[PID, "ORC|NW|P1^EHR", "RXO|A^Drug^L|1||MG|TAB|^Store cold|^With food||G||30|TAB|3|55^WELBY"]);
    let request = ordered.one("MedicationRequest");
    assert_eq!(request["note"][0]["text"], "Store cold");
    assert_eq!(request["dosageInstruction"][0]["patientInstruction"], "With food");
    assert_eq!(request["substitution"]["allowedCodeableConcept"]["coding"][0]["code"], "G");
    assert_eq!(request["dispenseRequest"]["quantity"]["value"], 30);
    assert_eq!(ordered.to(&request["requester"])["name"][0]["family"], "WELBY");
}

#[test]
fn order_control_and_status() {
    let service = |control: &str, status: &str| {
        let orc = format!("ORC|{control}|O1^E|||{status}");
        convert("ORM^O01", &[PID, &orc, "OBR|1|O1^E||X^Y^LN"]).one("ServiceRequest")["status"].clone()
    };
    for (control, status) in
        [("NW", "active"), ("RP", "revoked"), ("RU", "revoked"), ("RQ", "revoked"), ("RO", "active"), ("UA", "revoked"), ("UC", "unknown")]
    {
        assert_eq!(service(control, ""), status, "{control}");
    }
    for (sent, status) in [("ER", "unknown"), ("CM", "completed"), ("RP", "revoked"), ("HD", "on-hold")] {
        assert_eq!(service("NW", sent), status, "{sent}");
    }
    let medication = |control: &str, status: &str| {
        let orc = format!("ORC|{control}|O1^E|||{status}");
        convert("RDE^O11", &[PID, &orc, "RXE||A^Drug^L|1||MG"]).one("MedicationRequest")["status"].clone()
    };
    for (control, status) in
        [("RP", "stopped"), ("RU", "stopped"), ("RQ", "stopped"), ("CA", "cancelled"), ("RE", "unknown"), ("UA", "cancelled")]
    {
        assert_eq!(medication(control, ""), status, "{control}");
    }
    assert_eq!((medication("NW", "ER"), medication("NW", "CM")), ("unknown".into(), "completed".into()));
}

#[test]
fn services_of_one_number_stay_apart() {
    // An accession number over several panels, in one message or in two.
    let both = convert("ORU^R01", &[PID, "OBR|1|P1^E|F1^L|A^Panel^LN", "OBR|2|P1^E|F1^L|B^Panel^LN"]);
    let one = convert("ORU^R01", &[PID, "OBR|1|P1^E|F1^L|B^Panel^LN"]);
    for kind in ["DiagnosticReport", "ServiceRequest"] {
        let ids: Vec<_> = both.all(kind).iter().map(|resource| resource["id"].clone()).collect();
        assert_ne!(ids[0], ids[1]);
        assert_eq!(one.one(kind)["id"], ids[1], "{kind}");
    }
}

// ---- immunizations -------------------------------------------------------------------------------------------------

#[test]
fn a_dose_is_given_where_the_message_says_so() {
    let dose = |status: &str| {
        let rxa = format!("RXA|0|1|20260101|20260101|08^HepB^CVX|1|mL^^UCUM||00{}{status}", "|".repeat(11));
        convert("VXU^V04", &[PID, "ORC|RE|P1^E|F1^L", &rxa])
    };
    for (sent, status) in [("CP", "completed"), ("", "completed"), ("RE", "not-done"), ("NA", "not-done")] {
        assert_eq!(dose(sent).one("Immunization")["status"], status, "{sent}");
    }
    let partial = dose("PA");
    let immunization = partial.one("Immunization");
    assert_eq!((&immunization["status"], &immunization["isSubpotent"]), (&"completed".into(), &true.into()));
    assert_eq!(immunization["subpotentReason"][0]["coding"][0]["code"], "partial");
    let unknown = dose("XX");
    let immunization = unknown.one("Immunization");
    assert!(immunization.get("status").is_none(), "an unknown code is no dose given");
    assert_eq!(immunization["_status"]["extension"][0]["valueCode"], "unknown");
    assert!(unknown.has_finding("convert-code-not-mapped"));
}

// ---- charges -------------------------------------------------------------------------------------------------------

#[test]
fn charges_and_what_is_none() {
    let ft1 = |kind: &str, rest: &str| {
        let segment = format!("FT1|1|T1||20260101|20260102|{kind}|CH^Charge^L|{rest}");
        convert("DFT^P03", &["EVN||20260102", PID, "PV1|1|I", &segment])
    };
    for kind in ["PY", "AJ", "CO", "CD"] {
        let converted = ft1(kind, "||3|300^USD");
        assert!(converted.all("ChargeItem").is_empty(), "{kind}");
        assert_eq!(converted.dropped("FT1-7"), ["payment or adjustment"]);
    }
    let converted = ft1("CG", "||3|300&USD|100&USD|DEP^Ward^L||||||I10^x^I10|11^PERFORMER|22^ORDERER||||99213^Visit^C4");
    let charge = converted.one("ChargeItem");
    assert_eq!((&charge["status"], &charge["quantity"]["value"]), (&"billable".into(), &3.into()));
    assert_eq!(charge["priceOverride"], json!({"value": 300, "currency": "USD"}), "the total");
    assert_eq!(charge["performer"].as_array().unwrap().len(), 1, "who ordered did not perform");
    assert_eq!(converted.to(&charge["performer"][0]["actor"])["identifier"][0]["value"], "11");
    assert_eq!(converted.dropped("FT1-21"), ["orderer of a charge"]);
    assert_eq!(charge["code"]["coding"][0]["code"], "CH");
    assert_eq!(charge["code"]["coding"][1]["code"], "99213");
    assert_eq!((&charge["occurrenceDateTime"], &charge["enteredDate"]), (&"2026-01-01".into(), &"2026-01-02".into()));
    assert_eq!(charge["reason"][0]["coding"][0]["code"], "I10");
    let unit = ft1("CG", "||1||100&USD");
    assert_eq!(unit.one("ChargeItem")["priceOverride"]["value"], 100);
    let several = ft1("CG", "||3||100&USD");
    assert!(several.one("ChargeItem").get("priceOverride").is_none(), "the amount for one is not the total of three");
}

// ---- documents -----------------------------------------------------------------------------------------------------

#[test]
fn documents_by_value() {
    let document = |trigger: &str, available: &str| {
        let txa = format!("TXA|1|DS^Discharge summary^HL70270|TX|20260101|55^SMITH|20260102||||||D1^EHR||||file.txt|AU|R|{available}");
        convert(&format!("MDM^{trigger}"), &["EVN||20260102", PID, "PV1|1|I", &txa, "OBX|1|TX|1^Text^L||Hello"])
    };
    for (trigger, sent, status) in [
        ("T02", "", "current"),
        ("T02", "AV", "current"),
        ("T02", "OB", "superseded"),
        ("T02", "CA", "entered-in-error"),
        ("T11", "AV", "entered-in-error"),
    ] {
        assert_eq!(document(trigger, sent).one("DocumentReference")["status"], status, "{trigger} {sent}");
    }
    for (trigger, code) in [("T06", "appends"), ("T10", "replaces")] {
        let txa = "TXA|1|DS^Discharge summary^HL70270|TX|||||||||D2^EHR|D1^EHR";
        let converted = convert(&format!("MDM^{trigger}"), &["EVN||20260102", PID, "PV1|1|I", txa, "OBX|1|TX|1^Text^L||Hello"]);
        let relation = &converted.one("DocumentReference")["relatesTo"][0];
        assert_eq!((&relation["code"], &relation["target"]["identifier"]["value"]), (&code.into(), &"D1".into()));
    }
    let converted = document("T02", "QQ");
    let reference = converted.one("DocumentReference");
    assert!(reference.get("status").is_none(), "an unknown code is not current");
    assert_eq!((&reference["masterIdentifier"]["value"], &reference["docStatus"]), (&"D1".into(), &"final".into()));
    assert_eq!(reference["type"]["coding"][0]["code"], "DS");
    assert_eq!(reference["securityLabel"][0]["coding"][0]["code"], "R");
    assert_eq!(converted.to(&reference["author"][0])["identifier"][0]["value"], "55");
    assert_eq!(reference["content"][0]["attachment"]["data"], "SGVsbG8=");
}

// ---- appointments --------------------------------------------------------------------------------------------------

fn appointment(trigger: &str, sch: &str, ais: &str) -> Converted {
    let (sch, ais) = (format!("SCH|A1^EHR|B1^SYS|{sch}"), format!("AIS|1|{ais}"));
    convert(&format!("SIU^{trigger}"), &[&sch, PID, "RGS|1", &ais, "AIL|1||WARD^1^A^^^C", "AIP|1||55^SMITH||||||||||Booked"])
}

const TIMES: &str = "||||ROUT|FU|30|MIN|^^^20260201100000+0000^20260201103000+0000";

#[test]
fn the_trigger_says_what_became_of_the_appointment() {
    for (trigger, status) in [
        ("S12", "booked"),
        ("S13", "booked"),
        ("S15", "cancelled"),
        ("S16", "cancelled"),
        ("S17", "entered-in-error"),
        ("S20", "booked"),
        ("S21", "booked"),
        ("S22", "booked"),
        ("S26", "noshow"),
    ] {
        let converted = appointment(trigger, TIMES, "|CONS^Consultation^L|20260201100000+0000");
        let found = converted.one("Appointment");
        assert_eq!(found["status"], status, "{trigger}");
        assert_eq!((&found["start"], &found["end"]), (&"2026-02-01T10:00:00+00:00".into(), &"2026-02-01T10:30:00+00:00".into()));
        assert_eq!(found["minutesDuration"], 30);
        assert_eq!(found["serviceType"][0]["coding"][0]["code"], "CONS");
        assert_eq!(found["participant"].as_array().unwrap().len(), 3);
    }
    // The status of a service that was taken away is not that of the appointment.
    let converted = appointment("S22", TIMES, "|CONS^Consultation^L|20260201100000+0000||||||Deleted");
    assert_eq!(converted.one("Appointment")["status"], "booked");
    let converted = appointment("S22", TIMES, "D|CONS^Consultation^L|20260201100000+0000");
    assert!(converted.one("Appointment").get("serviceType").is_none());
    assert_eq!(converted.dropped("AIS-3"), ["deleted from the appointment"]);
}

#[test]
fn a_missing_time_does_not_change_the_status() {
    let converted = appointment("S26", "||||ROUT|FU", "|CONS|20260201100000+0000");
    let found = converted.one("Appointment");
    assert_eq!((&found["status"], &found["start"]), (&"noshow".into(), &"2026-02-01T10:00:00+00:00".into()));
    assert_eq!(found["_end"]["extension"][0]["valueCode"], "unknown");
    assert!(converted.has_finding("convert-appointment-without-times"));
    let converted = appointment("S15", "||||ROUT|FU", "|CONS|20260201100000+0000");
    let found = converted.one("Appointment");
    assert_eq!((&found["status"], &found["requestedPeriod"][0]["start"]), (&"cancelled".into(), &"2026-02-01T10:00:00+00:00".into()));
    assert!(found.get("start").is_none());
}

#[test]
fn durations_have_units() {
    for (duration, minutes) in [
        ("2|HR", Some(120)),
        ("90|min^minutes^UCUM", Some(90)),
        ("1800|s", Some(30)),
        ("1800|", Some(30)),
        ("1|D", Some(1440)),
        ("2|XX", None),
        ("30|", None),
    ] {
        let converted = appointment("S12", "||||ROUT|FU", &format!("|CONS|20260201100000+0000|||{duration}"));
        let found = converted.one("Appointment");
        assert_eq!(found.get("minutesDuration").and_then(Value::as_i64), minutes, "{duration}");
        assert_eq!(converted.has_finding("convert-duration-not-known"), minutes.is_none(), "{duration}");
        if duration == "2|HR" {
            assert_eq!(found["end"], "2026-02-01T12:00:00+00:00");
        }
    }
    let converted = appointment("S12", "||||ROUT|FU|1|HR|^^^20260201100000+0000^20260201110000+0000", "|CONS");
    assert_eq!(converted.one("Appointment")["minutesDuration"], 60);
}

#[test]
fn blocked_and_opened_time_is_a_slot() {
    for (trigger, status) in [("S23", "busy-unavailable"), ("S24", "free")] {
        let converted = convert(
            &format!("SIU^{trigger}"),
            &["SCH|A1^EHR|B1^SYS|||||||||^^^20260201100000+0000^20260201103000+0000", "RGS|1", "AIP|1||55^SMITH"],
        );
        assert!(converted.all("Appointment").is_empty());
        let slot = converted.one("Slot");
        assert_eq!((&slot["status"], &slot["start"]), (&status.into(), &"2026-02-01T10:00:00+00:00".into()));
        let schedule = converted.to(&slot["schedule"]);
        assert_eq!(converted.to(&schedule["actor"][0])["identifier"][0]["value"], "55");
    }
}

// ---- what belongs to what ------------------------------------------------------------------------------------------

#[test]
fn compounds_have_ingredients() {
    let segments =
        [PID, "ORC|NW|P1^EHR", "RXE||TPN^Nutrition^L|1||L", "RXC|B|D5^Dextrose^L|500|mL^mL^UCUM", "RXC|A|KCL^Potassium^L|20|meq^mEq^UCUM"];
    let other = ["ORC|NW|P2^EHR", "RXE||A^Drug^L|1||MG"];
    let converted = convert("RDE^O11", &[segments[0], segments[1], segments[2], segments[3], segments[4], other[0], other[1]]);
    let requests = converted.all("MedicationRequest");
    let medication = converted.to(&requests[0]["medicationReference"]);
    assert_eq!(medication["code"]["coding"][0]["code"], "TPN");
    let ingredients = medication["ingredient"].as_array().unwrap();
    assert_eq!(ingredients.len(), 2);
    assert_eq!(ingredients[1]["itemCodeableConcept"]["coding"][0]["code"], "KCL");
    assert_eq!(ingredients[1]["strength"]["numerator"]["value"], 20);
    assert_eq!(requests[1]["medicationCodeableConcept"]["coding"][0]["code"], "A", "the other order is no compound");
}

#[test]
fn specimens_in_front_of_their_orders() {
    let converted = convert(
        "OUL^R22",
        &[
            PID,
            "SPM|1|S1&L||BLD^Blood^HL70487",
            "OBR|1|P1^E|F1^L|A^Panel^LN",
            "OBX|1|NM|1^X^LN||5",
            "SPM|2|S2&L||UR^Urine^HL70487",
            "OBR|2|P2^E|F2^L|B^Panel^LN",
        ],
    );
    let specimens: Vec<_> = converted.all("Specimen").into_iter().filter(|specimen| specimen["type"].is_object()).collect();
    let reports = converted.all("DiagnosticReport");
    assert_eq!((specimens.len(), reports.len()), (2, 2));
    for (report, specimen) in reports.iter().zip(&specimens) {
        let linked: Vec<_> = report["specimen"].as_array().unwrap().iter().map(|link| link["reference"].as_str().unwrap()).collect();
        assert!(linked.contains(&reference(specimen).as_str()), "{linked:?}");
        let others =
            specimens.iter().filter(|other| other["id"] != specimen["id"]).filter(|other| linked.contains(&reference(other).as_str()));
        assert_eq!(others.count(), 0);
    }
}

#[test]
fn the_visit_of_one_patient_is_not_that_of_another() {
    let converted = convert(
        "ORU^R01",
        &[
            PID,
            "OBR|1|P1^E|F1^L|A^Panel^LN",
            "OBX|1|NM|1^X^LN||5",
            "PID|2||8^^^H&1.2&ISO^MR||ROE",
            "PV1|1|I",
            "OBR|1|P2^E|F2^L|A^Panel^LN",
            "OBX|1|NM|1^X^LN||6",
        ],
    );
    let results = converted.all("Observation");
    assert!(results[0].get("encounter").is_none());
    assert_eq!(results[1]["encounter"]["reference"], reference(converted.one("Encounter")));
    assert_ne!(results[0]["subject"], results[1]["subject"]);
}

#[test]
fn participations() {
    let converted = convert(
        "ADT^A01",
        &[PID, "PRT|1|AD||PP^Primary care^HL70912|55^WELBY", "PV1|1|I", "PRT|2|AD||CP^Consulting^HL70912|66^HOUSE||||||20260101"],
    );
    assert_eq!(converted.to(&converted.one("Patient")["generalPractitioner"][0])["identifier"][0]["value"], "55");
    let participant = &converted.one("Encounter")["participant"][0];
    assert_eq!((&participant["type"][0]["coding"][0]["code"], &participant["period"]["start"]), (&"CP".into(), &"2026-01-01".into()));
    assert_eq!(converted.to(&participant["individual"])["identifier"][0]["value"], "66");
    let converted = convert(
        "ORU^R01",
        &[
            PID,
            "OBR|1|P1^E|F1^L|A^Panel^LN",
            "PRT|1|AD||OP^Ordering^HL70912|77^WILSON",
            "OBX|1|NM|1^X^LN||5",
            "PRT|2|AD||RO^Observer^HL70912|88^CUDDY",
        ],
    );
    assert_eq!(converted.to(&converted.one("ServiceRequest")["requester"])["identifier"][0]["value"], "77");
    assert_eq!(converted.to(&converted.one("Observation")["performer"][0])["identifier"][0]["value"], "88");
}

#[test]
fn what_a_rule_asks_for_is_said_to_be_unknown() {
    let converted = convert("RAS^O17", &[PID, "ORC|RE|P1^EHR|F1^RX", "RXA|0|1|20260101||A^Drug^L|999", "RXR|IV^Intravenous^HL70162"]);
    let dosage = &converted.one("MedicationAdministration")["dosage"];
    assert_eq!(dosage["dose"]["extension"][0]["valueCode"], "unknown");
    assert_eq!(dosage["route"]["coding"][0]["code"], "IVINJ");
    let converted = convert("ADT^A01", &[PID, "PV1|1|I", "PV2||||||||||||some days"]);
    assert!(converted.one("Encounter").get("length").is_none());
    let converted = convert("RDE^O11", &[PID, "ORC|NW|P1^EHR", "RXE||TPN^Nutrition^L|1||L", "RXC|B||500|mL^mL^UCUM"]);
    let ingredient = &converted.one("Medication")["ingredient"][0];
    assert_eq!(ingredient["strength"]["numerator"]["value"], 500);
    assert_eq!(ingredient["itemCodeableConcept"]["extension"][0]["valueCode"], "unknown");
}

#[test]
fn what_only_other_segments_add_to_is_not_made() {
    let patient = "PID|1||7^^^H^MR||DOE^JANE";
    let made =
        convert("ORU^R01", &[patient, "OBR|1|100|200|24323-8^P^LN|||20260101", "OBX|1|NM|2345-7^G^LN||5|mg/dL|||||F", "ORC|CA|101|201"]);
    assert_eq!(made.all("DiagnosticReport").len(), 1, "an ORC alone is no report");
    let made = convert("BAR^P01", &["EVN||20260101", patient, "DG1|1||I10^Hypertension^I10|||A"]);
    assert!(made.all("Encounter").is_empty(), "a diagnosis alone is no visit");
    assert!(made.one("Condition").get("encounter").is_none());
}
