use proptest::prelude::*;
use serde_json::Value;
use sutura_core::Sha256Hash;

use super::*;

fn convert_with(options: Options, text: &str) -> (Value, Report, Vec<Finding>) {
    let message = Message::parse(text).unwrap();
    let options = Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..options };
    let mut converter = Converter::new(&options).unwrap();
    let source = Source { uri: "file:///a.hl7", offset: 7, length: text.len() as u64, sha256: Sha256Hash::of(text.as_bytes()) };
    let (mut report, mut out) = (Report::new(), Vec::new());
    converter.convert(&message, &source, &mut report, &mut out).unwrap();
    (serde_json::from_slice(&out).unwrap(), report, converter.findings().to_vec())
}

fn convert(text: &str) -> Value {
    convert_with(Options::default(), text).0
}

fn resources<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    let entries = bundle["entry"].as_array().unwrap().iter();
    entries.map(|entry| &entry["resource"]).filter(|resource| resource["resourceType"] == kind).collect()
}

const HEADER: &str = "MSH|^~\\&|APP|HOSP|||20260314150926-0500||ADT^A01^ADT_A01|M1|P|2.5.1\r";

fn adt(rest: &str) -> String {
    format!("{HEADER}{rest}")
}

#[test]
fn a_patient_as_the_tables_say() {
    let bundle = convert(&adt(
        "PID|1||77^^^H&1.2.3&ISO^MR~88^^^SSA^SS||DOE^JANE^A^^DR^^L~ROE^JANE^^^^^M||19800102|F|||1 MAIN ST^^BOSTON^MA^02115^USA^H||(617)555-1234^PRN^PH|||M\r",
    ));
    let patient = resources(&bundle, "Patient")[0];
    assert_eq!(patient["identifier"][0]["system"], "urn:oid:1.2.3");
    assert_eq!(patient["identifier"][0]["type"]["coding"][0]["code"], "MR");
    assert_eq!(patient["identifier"][1]["value"], "88");
    assert_eq!(patient["name"][0]["given"], serde_json::json!(["JANE", "A"]));
    assert_eq!((&patient["name"][0]["family"], &patient["name"][1]["use"]), (&"DOE".into(), &"maiden".into()));
    assert_eq!((&patient["gender"], &patient["birthDate"]), (&"female".into(), &"1980-01-02".into()));
    assert_eq!(patient["address"][0]["use"], "home");
    assert_eq!((&patient["telecom"][0]["system"], &patient["telecom"][0]["use"]), (&"phone".into(), &"home".into()));
    assert_eq!(patient["maritalStatus"]["coding"][0]["system"], "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus");
    let id = crate::ids::from_identifier("Patient", "urn:oid:1.2.3", "77");
    assert_eq!(patient["id"], id.as_str());
}

#[test]
fn the_same_thing_has_the_same_id_in_every_message() {
    let one = convert(&adt(
        "PID|1||77^^^H&1.2.3&ISO^MR||DOE\rPV1|1|I|||||1^DOC^A^^^^^^NPI&2.16.840.1.113883.4.6&ISO||||||||||||V1^^^H&1.2.3&ISO\r",
    ));
    let other = convert(
        "MSH|^~\\&|LAB|ELSE|||20260315||ORU^R01|M9|P|2.5\rPID|1||77^^^H&1.2.3&ISO^MR||OTHER\rPV1|1|O|||||||||||||||||V1^^^H&1.2.3&ISO\rOBR|1|||1^X^LN\rOBX|1|NM|2^Y^LN||5\rOBX|2|NM|2^Y^LN||6\r",
    );
    for kind in ["Patient", "Encounter"] {
        assert_eq!(resources(&one, kind)[0]["id"], resources(&other, kind)[0]["id"], "{kind}");
    }
    let results = resources(&other, "Observation");
    assert_eq!(results.len(), 2, "the same code twice is two results");
    assert_ne!(results[0]["id"], results[1]["id"]);
    assert_eq!(resources(&other, "DiagnosticReport")[0]["result"].as_array().unwrap().len(), 2);
    let patient = format!("Patient/{}", resources(&other, "Patient")[0]["id"].as_str().unwrap());
    assert!(results.iter().all(|result| result["subject"]["reference"] == patient.as_str()));
}

#[test]
fn times_need_an_offset() {
    let message = "MSH|^~\\&|A|B|||20260314150926||ADT^A01|M1|P|2.5\rPID|1||7||DOE\rPV1|1|I||||||||||||||||||||||||||||||||||||||||||20260314150926\r";
    let (bundle, _, findings) = convert_with(Options::default(), message);
    assert_eq!(resources(&bundle, "Encounter")[0]["period"]["start"], "2026-03-14");
    assert!(findings.iter().any(|finding| finding.code == "convert-time-without-zone" && finding.location == "PV1-44"));
    let (bundle, _, _) = convert_with(Options { default_zone: Some("Europe/Berlin".into()), ..Options::default() }, message);
    assert_eq!(resources(&bundle, "Encounter")[0]["period"]["start"], "2026-03-14T15:09:26+01:00");
    let bundle = convert(&message.replacen("20260314150926", "20260314150926-0500", 1));
    assert_eq!(resources(&bundle, "Encounter")[0]["period"]["start"], "2026-03-14T15:09:26-05:00", "the offset of MSH-7");
    assert_eq!(Converter::new(&Options { default_zone: Some("Mars".into()), ..Options::default() }).unwrap_err(), OptionsError::Zone);
}

#[test]
fn two_quotes_delete() {
    let (bundle, report, _) = convert_with(Options::default(), &adt("PID|1||7||DOE^\"\"|||\"\"\r"));
    let patient = resources(&bundle, "Patient")[0];
    assert!(patient.get("gender").is_none() && patient["name"][0].get("given").is_none());
    let places = report.feeds["APP/HOSP"].all_places();
    assert_eq!(places["PID-8"].dropped["deleted"], 1);
    assert_eq!(places["PID-5.2"].dropped["deleted"], 1);
    assert_eq!(places["PID-5.1"].mapped, 1);
}

#[test]
fn merged_patients_are_linked() {
    let bundle = convert("MSH|^~\\&|A|B|||20260314||ADT^A40|M1|P|2.5\rPID|1||NEW^^^H&1.2&ISO^MR||DOE\rMRG|OLD^^^H&1.2&ISO^MR\r");
    let patients = resources(&bundle, "Patient");
    assert_eq!(patients.len(), 2);
    let (survivor, merged) = (patients[0], patients[1]);
    assert_eq!(merged["active"], false);
    assert_eq!(merged["link"][0]["type"], "replaced-by");
    assert_eq!(merged["link"][0]["other"]["reference"], format!("Patient/{}", survivor["id"].as_str().unwrap()));
    assert_eq!(
        (&survivor["link"][0]["type"], &merged["id"]),
        (&"replaces".into(), &crate::ids::from_identifier("Patient", "urn:oid:1.2", "OLD").as_str().into())
    );
    let bundle = convert("MSH|^~\\&|A|B|||20260314||ADT^A24|M1|P|2.5\rPID|1||ONE^^^H&1.2&ISO^MR||DOE\rPID|2||TWO^^^H&1.2&ISO^MR||DOE\r");
    let patients = resources(&bundle, "Patient");
    assert_eq!(patients.len(), 2);
    assert_eq!(patients[1]["link"][0]["other"]["reference"], format!("Patient/{}", patients[0]["id"].as_str().unwrap()));
}

#[test]
fn one_bad_field_costs_itself_only() {
    let (bundle, report, findings) =
        convert_with(Options::default(), &adt("PID|1||7||DOE||198X|Q\rDG1|1||I10^Hypertension^I10||notatime|A\rZZZ|1|x\rxx\r"));
    let patient = resources(&bundle, "Patient")[0];
    assert_eq!(patient["name"][0]["family"], "DOE");
    assert!(patient.get("birthDate").is_none() && patient.get("gender").is_none());
    assert_eq!(resources(&bundle, "Condition")[0]["code"]["coding"][0]["code"], "I10");
    let feed = &report.feeds["APP/HOSP"];
    let places = feed.all_places();
    assert_eq!(places["PID-7"].dropped["invalid-value"], 1);
    assert_eq!((places["ZZZ-2"].unmapped, feed.unmapped_codes["AdministrativeSex"]), (1, 1));
    assert!(findings.iter().any(|finding| finding.location == "DG1-5"));
}

#[test]
fn orders_results_and_doses() {
    let bundle = convert(
        "MSH|^~\\&|A|B|||20260314150926-0500||RDE^O11|M1|P|2.5\rPID|1||7^^^H&1.2&ISO^MR||DOE\rORC|NW|1^EHR|2^RX\rRXE||0007^Lipitor^NDC|10||mg^mg^UCUM|||||30|TAB^Tablet|2\rTQ1|1||BID^Twice a day||||20260101|20260201|R\rRXR|PO^Oral^HL70162\r",
    );
    let request = resources(&bundle, "MedicationRequest")[0];
    assert_eq!(request["status"], "active");
    assert_eq!(request["dosageInstruction"].as_array().unwrap().len(), 1, "RXE, TQ1 and RXR say one dosage");
    let dosage = &request["dosageInstruction"][0];
    assert_eq!(
        (&dosage["doseAndRate"][0]["doseQuantity"]["value"], &dosage["doseAndRate"][0]["doseQuantity"]["system"]),
        (&10.into(), &"http://unitsofmeasure.org".into())
    );
    assert_eq!(dosage["timing"]["repeat"]["boundsPeriod"]["start"], "2026-01-01");
    assert_eq!(request["dispenseRequest"]["numberOfRepeatsAllowed"], 2);
    let bundle = convert(
        "MSH|^~\\&|A|B|||20260314150926-0500||VXU^V04|M1|P|2.5\rPID|1||7||DOE\rORC|RE||9^IIS\rRXA|0|1|20260101||08^HepB^CVX|0.5|mL^^UCUM||00^New^NIP001|||||||LOT1|20270101|MSD^Merck^MVX|||CP|A\rRXR|IM^Intramuscular^HL70162|LA^Left arm^HL70163\rOBX|1|CE|64994-7^Eligibility^LN||V02^Medicaid^HL70064||||||F\r",
    );
    let immunization = resources(&bundle, "Immunization")[0];
    assert_eq!(
        (&immunization["status"], &immunization["vaccineCode"]["coding"][0]["system"]),
        (&"completed".into(), &"http://hl7.org/fhir/sid/cvx".into())
    );
    assert_eq!(immunization["primarySource"], true);
    assert_eq!(
        resources(&bundle, "Observation")[0]["partOf"][0]["reference"],
        format!("Immunization/{}", immunization["id"].as_str().unwrap())
    );
}

#[test]
fn the_source_is_named_and_nothing_else_of_it() {
    let text = adt("PID|1||7||DOE\r");
    let bundle = convert(&text);
    let sources = resources(&bundle, "Provenance");
    let source = sources.last().unwrap();
    assert_eq!(source["entity"][0]["what"]["reference"], "file:///a.hl7");
    assert_eq!(source["entity"][0]["what"]["identifier"]["value"], Sha256Hash::of(text.as_bytes()).to_string());
    let (bundle, _, _) = convert_with(Options { provenance: false, ..Options::default() }, &text);
    assert_eq!(resources(&bundle, "Provenance").len(), 0);
}

#[test]
fn what_cannot_be_converted_is_refused_and_counted() {
    let mut converter = Converter::new(&Options::default()).unwrap();
    let source = Source { uri: "", offset: 0, length: 0, sha256: Sha256Hash::of(b"") };
    let (mut report, mut out) = (Report::new(), Vec::new());
    for (text, error) in [
        ("MSH|^~\\&|A|B|||2026\rPID|1||7\r", ConvertError::NoMessageType),
        ("MSH|^~\\&|A|B|||2026||QRY^Q01|1\rQRD|1\r", ConvertError::NothingToConvert),
    ] {
        let message = Message::parse(text).unwrap();
        assert_eq!(converter.convert(&message, &source, &mut report, &mut out), Err(error));
    }
    assert!(out.is_empty() && report.balances());
    assert_eq!(report.records(), (2, 0, 2));
}

fn segment() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("PID"),
        Just("PV1"),
        Just("OBX"),
        Just("OBR"),
        Just("ORC"),
        Just("NK1"),
        Just("SPM"),
        Just("DG1"),
        Just("AL1"),
        Just("IN1"),
        Just("RXA"),
        Just("RXE"),
        Just("SCH"),
        Just("AIP"),
        Just("TXA"),
        Just("NTE"),
        Just("FT1"),
        Just("GT1"),
        Just("MRG"),
        Just("EVN"),
        Just("ZZZ"),
        Just("PD1"),
        Just("PR1"),
        Just("TQ1"),
        Just("RXO"),
        Just("RXD"),
        Just("RXC"),
        Just("RXR"),
        Just("AIS"),
        Just("AIL"),
        Just("AIG"),
        Just("IAM"),
        Just("IN2"),
        Just("PV2"),
        Just("ROL"),
        Just("PRT")
    ];
    let part = prop_oneof![
        4 => Just(String::new()),
        4 => "[A-Z0-9]{1,4}",
        2 => "[\\^~&\\\\\"A-Z0-9. é<>:/-]{0,12}",
        1 => Just("20260314150926".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => prop_oneof![Just("NM"), Just("CWE"), Just("SN"), Just("ED"), Just("DR"), Just("ST")].prop_map(str::to_owned),
    ];
    (name, proptest::collection::vec(part, 0..45)).prop_map(|(name, fields)| format!("{name}|{}\r", fields.join("|")))
}

#[test]
fn codes_of_the_user_come_in_front_and_are_counted() {
    let message = adt("PID|1||7^^^H&1.2.3&ISO^MR||DOE^JANE\rOBR|1|||GLU^^99LAB\rOBX|1|NM|GLU^^99LAB||95|mg/dL|||||F\r\
                       OBX|2|NM|NONE^Nothing^99LAB||1|mg/dL|||||F\rOBX|3|CE|CH^^99XRAY||K^^1.2.3.99||||||F\r")
    .replace("ADT^A01^ADT_A01", "ORU^R01^ORU_R01");
    let plain = convert_with(Options::default(), &message);
    assert!(plain.1.feeds["APP/HOSP"].codes.is_empty());
    let options = Options {
        terminology: Some(crate::codes::tests::user()),
        local_systems: Some("http://h.example/".to_owned()),
        ..Options::default()
    };
    for options in [Options { local_systems: None, ..options.clone() }, options] {
        let with_base = options.local_systems.is_some();
        let (bundle, report, _) = convert_with(options, &message);
        let observations = resources(&bundle, "Observation");
        let glucose = &observations[0]["code"]["coding"];
        assert_eq!(glucose[0], serde_json::json!({ "system": "http://loinc.org", "code": "2345-7", "display": "Glucose in Serum" }));
        assert_eq!((&glucose[1]["code"], &glucose[1]["userSelected"]), (&"GLU".into(), &true.into()));
        assert_eq!(glucose[1]["display"], "Glucose");
        assert_eq!(glucose[1]["system"] == "http://h.example/99LAB", with_base);
        let none = &observations[1]["code"]["coding"];
        assert!(none.as_array().unwrap().len() == 1 && none[0].get("userSelected").is_none(), "{none}");
        let value = &observations[2]["valueCodeableConcept"]["coding"];
        assert_eq!((&value[0]["code"], &value[1]["display"]), (&"2823-3".into(), &"Potassium".into()), "{value}");
        let film = &observations[2]["code"]["coding"];
        assert_eq!((film[0]["code"] == "36643-5", film.as_array().unwrap().len()), (with_base, 1 + usize::from(with_base)), "{film}");
        let codes = &report.feeds["APP/HOSP"].codes;
        let lab = codes.systems[if with_base { "http://h.example/99LAB" } else { "99LAB" }];
        assert!(lab.seen >= 3 && lab.unknown == 1 && lab.translated == lab.seen - 1 && lab.loaded, "{lab:?}");
        assert_eq!(codes.systems["urn:oid:1.2.3.99"].known, 1);
        assert!(!serde_json::to_string(&report).unwrap().contains("GLU"), "a report has no codes");
        // The same resources, whatever is loaded.
        let ids =
            |bundle: &Value| bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"]["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&bundle), ids(&plain.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_message_gives_a_valid_bundle_or_nothing(segments in proptest::collection::vec(segment(), 0..10), kind in "ADT\\^A01|ADT\\^A24|ADT\\^A38|ADT\\^A40|ADT\\^A44|ADT\\^A47|ORU\\^R01|OUL\\^R22|VXU\\^V04|RDE\\^O11|RDS\\^O13|RAS\\^O17|ORM\\^O01|SIU\\^S12|SIU\\^S23|SIU\\^S26|MDM\\^T02|MDM\\^T10|DFT\\^P03|XXX\\^Y01|ADT") {
        let text = format!("MSH|^~\\&|APP|HOSP|||20260314||{kind}|1|P|2.5\r{}", segments.concat());
        let message = Message::parse(&text).unwrap();
        let mut converter = Converter::new(&Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() }).unwrap();
        let source = Source { uri: "file:///a", offset: 0, length: 1, sha256: Sha256Hash::of(text.as_bytes()) };
        let (mut report, mut out, mut again) = (Report::new(), Vec::new(), Vec::new());
        if converter.convert(&message, &source, &mut report, &mut out).is_ok() {
            converter.convert(&message, &source, &mut Report::new(), &mut again).unwrap();
            prop_assert_eq!(&out, &again);
            let mut parser = sutura_fhir::json::Parser::default();
            let document = parser.parse(&out).unwrap();
            let issues = sutura_fhir::validate::Validator::default().validate(document.root());
            let errors: Vec<_> = issues.iter().filter(|issue| issue.severity >= sutura_fhir::validate::IssueSeverity::Error).collect();
            prop_assert!(errors.is_empty(), "{:?}", errors);
        }
        prop_assert!(report.balances());
    }
}

#[test]
fn numbers_that_are_nobodys_identify_nobody() {
    let message = |control: &str, name: &str| {
        convert(&format!("MSH|^~\\&|||||20260314||ADT^A01|{control}|P|2.5\rPID|1||7||{name}\rPV1|1|I|||||||||||||||||7\r"))
    };
    let (one, other) = (message("M1", "DOE^JANE"), message("M2", "OTHER^BOB"));
    for kind in ["Patient", "Encounter"] {
        assert_ne!(resources(&one, kind)[0]["id"], resources(&other, kind)[0]["id"], "{kind}");
    }
    assert_eq!(one, message("M1", "DOE^JANE"), "the same record has the same ids");
    let named = |application: &str| {
        let bundle = convert(&format!("MSH|^~\\&|{application}||||20260314||ADT^A01|M1|P|2.5\rPID|1||7||DOE\r"));
        resources(&bundle, "Patient")[0]["id"].clone()
    };
    assert_eq!(named("APP"), named("APP"));
    assert_ne!(named("APP"), named("ELSE"));
}

#[test]
fn a_second_one_that_says_something_else_is_kept() {
    let twice = |segments: &str| convert_with(Options::default(), &adt(&format!("PID|1||7^^^H^MR||DOE\r{segments}")));
    let (bundle, ..) = twice("AL1|1|DA|1191^ASPIRIN^RX|SV|HIVES\rAL1|2|DA|1191^ASPIRIN^RX|MI|NAUSEA\r");
    assert_eq!(resources(&bundle, "AllergyIntolerance").len(), 2);
    let (bundle, ..) = twice("AL1|1|DA|1191^ASPIRIN^RX|SV|HIVES\rAL1|2|DA|1191^ASPIRIN^RX|SV|HIVES\r");
    assert_eq!(resources(&bundle, "AllergyIntolerance").len(), 1);
    let (bundle, ..) = twice("NK1|1|ROE^ANN|SIS||555\rNK1|2|ROE^ANN|SIS||777\r");
    assert_eq!(resources(&bundle, "RelatedPerson").len(), 2);
    let (bundle, _, findings) = twice("PID|2||7^^^H^MR||ELSE\r");
    assert_eq!(resources(&bundle, "Patient").len(), 1);
    assert!(findings.iter().any(|finding| finding.code == "convert-same-identity"));
}

#[test]
fn names_that_are_no_segments_are_not_told() {
    let (_, report, _) = convert_with(Options::default(), &adt("PID|1||7\rEva|Smith|x\rZPI|1\rZoe|1\r"));
    let places = report.feeds["APP/HOSP"].all_places();
    assert_eq!(places["other segment"].unmapped, 3);
    assert_eq!(places["ZPI-1"].unmapped, 1);
    let said = serde_json::to_string(&report).unwrap().to_ascii_lowercase();
    assert!(!said.contains("eva") && !said.contains("zoe"));
}

#[test]
fn every_component_is_counted() {
    let components = vec!["x"; 100].join("^");
    let (_, report, _) = convert_with(Options::default(), &adt(&format!("PID|1||7||{components}\r")));
    let places = report.feeds["APP/HOSP"].all_places();
    let counted: u64 = places.iter().filter(|(place, _)| place.starts_with("PID-5")).map(|(_, counts)| counts.populated()).sum();
    assert_eq!(counted, 100);
}

#[test]
fn of_a_rejected_message_no_value_counts_as_mapped() {
    let text = "MSH|^~\\&|APP|HOSP|||20260314||ZZZ^Z01|M1|P|2.5\rZPI|1\r";
    let mut converter = Converter::new(&Options::default()).unwrap();
    let source = Source { uri: "", offset: 0, length: 1, sha256: Sha256Hash::of(b"") };
    let mut report = Report::new();
    assert!(converter.convert(&Message::parse(text).unwrap(), &source, &mut report, &mut Vec::new()).is_err());
    let places = report.feeds["APP/HOSP"].all_places();
    assert!(places.values().all(|counts| counts.mapped == 0));
    assert_eq!(places["MSH-10"].dropped["rejected"], 1);
}

#[test]
fn names_of_feeds_do_not_pile_up() {
    let mut report = Report::new();
    for number in 0..3000 {
        report.feed(&format!("APP{number}")).records += 1;
    }
    report.feed(&"x".repeat(3_000_000)).records += 1;
    assert_eq!(report.feeds.len(), 1001);
    assert_eq!((report.feeds["other feeds"].records, report.records().0), (2001, 3001));
}

/// Long lists and many results of one code take no longer than others: this would run for minutes if each looked at all the others.
#[test]
fn many_of_a_kind_take_no_longer() {
    let results: Vec<String> = (0..6_000).map(|number| format!("OBX|{number}|NM|1^X^LN||{number}\r")).collect();
    let results = results.concat();
    let text = format!("{HEADER}PID|1||7\rOBR|1|||1^P^LN\r{results}");
    let bundle = convert(&text.replace("ADT^A01^ADT_A01", "ORU^R01"));
    assert_eq!(resources(&bundle, "Observation").len(), 6_000);
    let (names, numbers) = (vec!["DOE^JANE"; 40_000].join("~"), vec!["7^^^H^MR"; 40_000].join("~"));
    let (bundle, report, findings) = convert_with(Options::default(), &adt(&format!("PID|1||{numbers}||{names}|||||2106-3~2054-5\r")));
    assert_eq!(resources(&bundle, "Patient")[0]["name"].as_array().unwrap().len(), 32_768);
    let places = report.feeds["APP/HOSP"].all_places();
    assert_eq!(places["PID-5.1"].dropped["too-many-repetitions"], 40_000 - 32_768);
    assert!(findings.iter().any(|finding| finding.code == "convert-too-many-repetitions"));
}
