//! Sensitive categories in documents: marked, emptied or withheld as the policy says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use serde_json::{Value, json};
use sutura_deid::{
    DeidError, DocumentDeidentifier, Ledger, Treatment, ccda::CcdaDeidentifier, fhir::FhirDeidentifier, hl7v2::Hl7v2Deidentifier,
};
use sutura_privacy::{
    Deidentifier, KeyRing, LabelAction, MemoryVault, Policy, Profile, Scope,
    labels::{Label, PART2_NOTICE},
};

fn treatment(labels: &str) -> Treatment {
    with_profile(Profile::None, labels)
}

fn with_profile(profile: Profile, labels: &str) -> Treatment {
    let text = format!("name = \"p\"\nversion = \"1\"\nextends = \"gdpr-pseudonymised\"\n[labels]\n{labels}\n");
    let policy = Policy { profile, ..Policy::from_toml(&text, "p.toml").unwrap() };
    let vault = Arc::new(MemoryVault::new().unwrap());
    Treatment::new(&Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("p", "d"), Some(vault)).unwrap()).unwrap()
}

fn run(deidentifier: &dyn DocumentDeidentifier, input: &str) -> Result<(String, Ledger), DeidError> {
    let (mut out, mut ledger) = (Vec::new(), Ledger::new());
    deidentifier.deidentify(input.as_bytes(), &mut out, &mut ledger)?;
    Ok((String::from_utf8(out).unwrap(), ledger))
}

fn condition(id: &str, code: &str) -> Value {
    let coding = json!({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code});
    json!({"resourceType": "Condition", "id": id, "code": {"coding": [coding], "text": "what it is"}, "subject": {"reference": "Patient/p"},
        "onsetDateTime": "2024-03-01", "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}})
}

fn labels(resource: &Value) -> Vec<&str> {
    resource["meta"]["security"].as_array().into_iter().flatten().filter_map(|coding| coding["code"].as_str()).collect()
}

#[test]
fn resources_are_marked_emptied_and_withheld() {
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "https://example.org/Condition/1", "resource": condition("1", "F11.20")},
        {"fullUrl": "https://example.org/Condition/2", "resource": condition("2", "E11.9")},
        {"fullUrl": "https://example.org/Condition/3", "resource": condition("3", "B20")}]});
    let (out, ledger) = run(&FhirDeidentifier::new(treatment("")), &bundle.to_string()).unwrap();
    let marked: Value = serde_json::from_str(&out).unwrap();
    let entry = |bundle: &Value, at: usize| bundle["entry"][at]["resource"].clone();
    assert!(labels(&entry(&marked, 0)).ends_with(&["ETH", "NORDSCLCD"]), "{marked}");
    assert!(labels(&entry(&marked, 2)).ends_with(&["HIV"]), "{marked}");
    assert!(!labels(&entry(&marked, 1)).contains(&"ETH"), "{marked}");
    assert!(labels(&marked).ends_with(&["ETH", "HIV", "NORDSCLCD"]), "{marked}");
    assert_eq!(ledger.notice(), Some(PART2_NOTICE));
    let counted: Vec<_> = ledger.categories().collect();
    assert_eq!(counted, [(Label::SubstanceUse, LabelAction::Keep, 1), (Label::Hiv, LabelAction::Keep, 1)]);

    let strict = FhirDeidentifier::new(treatment("HIV = \"withhold\"\nETH = \"redact\""));
    let (out, ledger) = run(&strict, &bundle.to_string()).unwrap();
    let left: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(left["entry"].as_array().unwrap().len(), 2, "{left}");
    let emptied = entry(&left, 0);
    assert!(!out.contains("F11.20") && !out.contains("B20") && out.contains("E11.9"), "{out}");
    assert!(emptied["code"]["coding"].is_null() && emptied["subject"]["reference"].is_string() && emptied["onsetDateTime"].is_string());
    assert!(!labels(&emptied).contains(&"ETH") && labels(&emptied).contains(&"REDACTED"), "{emptied}");
    assert_eq!((ledger.notice(), ledger.categories().count()), (None, 2));
    assert!(ledger.rows().iter().any(|row| (row.class.as_str(), row.method, row.outcome) == ("sensitive:HIV", "withhold", "removed")));
    // A resource alone is the record.
    let refused = run(&strict, &condition("3", "B20").to_string()).unwrap_err();
    assert_eq!(refused.code(), "withheld");
    // What the sender says counts, too.
    let mut stated = condition("4", "E11.9");
    stated["meta"] = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]});
    assert_eq!(run(&strict, &stated.to_string()).unwrap_err().code(), "withheld");
}

const MESSAGE: &str = "MSH|^~\\&|LAB|HOSP|||20240301101500||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||A1^^^HOSP^MR||Doe^Jane\r\
ORC|RE\rOBR|1|||718-7^Hemoglobin^LN|||20240301\rOBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|||||F\r\
ORC|RE\rOBR|2|||56888-1^HIV^LN|||20240302\rOBX|1|ST|LOCAL^x^L||reactive||||||F\rNTE|1||told\rDG1|1||F11.20^opioid^I10C|||W\r";

#[test]
fn segments_are_marked_emptied_and_withheld_with_what_belongs_to_them() {
    let (out, ledger) = run(&Hl7v2Deidentifier::new(treatment("")), MESSAGE).unwrap();
    let header: Vec<&str> = out.split('\r').next().unwrap().split('|').collect();
    assert_eq!((header[25], header[27]), ("R", PART2_NOTICE.text), "{out}");
    assert!(ledger.notice().is_some());
    // Under a profile whose output is no record of a program any more nothing has to go with it.
    let (out, ledger) = run(&Hl7v2Deidentifier::new(with_profile(Profile::GdprPseudonymised, "")), MESSAGE).unwrap();
    assert!(ledger.notice().is_none() && ledger.categories().count() == 2 && !out.contains(PART2_NOTICE.text), "{out}");
    let (out, _) = run(&Hl7v2Deidentifier::new(treatment("HIV = \"withhold\"")), MESSAGE).unwrap();
    assert!(!out.contains("56888-1") && !out.contains("LOCAL") && out.contains("|13.5|") && out.contains("F11.20"), "{out}");
    assert_eq!((out.matches("ORC|").count(), out.matches("NTE|").count()), (1, 0), "{out}");
    let (out, ledger) = run(&Hl7v2Deidentifier::new(treatment("HIV = \"redact\"\nETH = \"redact\"")), MESSAGE).unwrap();
    assert!(!out.contains("56888-1") && !out.contains("reactive") && !out.contains("F11.20"), "{out}");
    assert_eq!((out.matches("OBX|").count(), out.matches("DG1|").count()), (2, 1), "{out}");
    assert!(ledger.notice().is_none() && out.split('\r').next().unwrap().split('|').count() <= 13, "{out}");
    // Nothing is left of what the message was sent for.
    let only = MESSAGE.replace("718-7", "56888-1");
    assert_eq!(run(&Hl7v2Deidentifier::new(treatment("HIV = \"withhold\"")), &only).unwrap_err().code(), "withheld");
}

fn document() -> String {
    let statement = |code: &str, system: &str| {
        format!(
            "<entry><act classCode=\"ACT\" moodCode=\"EVN\"><code code=\"CONC\" codeSystem=\"2.16.840.1.113883.5.6\"/><statusCode code=\"active\"/>\
             <entryRelationship typeCode=\"SUBJ\"><observation classCode=\"OBS\" moodCode=\"EVN\"><code code=\"55607006\" codeSystem=\"2.16.840.1.113883.6.96\"/>\
             <value xsi:type=\"CD\" code=\"{code}\" codeSystem=\"{system}\"/></observation></entryRelationship></act></entry>"
        )
    };
    let section = |entry: &str| {
        format!(
            "<component><section><code code=\"11450-4\" codeSystem=\"2.16.840.1.113883.6.1\"/><title>Problems</title><text>Told of it</text>{entry}</section></component>"
        )
    };
    let sections =
        [section(&statement("F11.20", "2.16.840.1.113883.6.90")), section(&statement("E11.9", "2.16.840.1.113883.6.90"))].concat();
    format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><realmCode code=\"US\"/>\
         <typeId root=\"2.16.840.1.113883.1.3\" extension=\"POCD_HD000040\"/><id root=\"1.2.3\" extension=\"d1\"/>\
         <code code=\"34133-9\" codeSystem=\"2.16.840.1.113883.6.1\"/><effectiveTime value=\"20240301\"/>\
         <confidentialityCode code=\"N\" codeSystem=\"2.16.840.1.113883.5.25\"/>\
         <recordTarget><patientRole><id root=\"1.2.4\" extension=\"A1\"/><patient><name><family>Doe</family></name></patient></patientRole></recordTarget>\
         <component><structuredBody>{sections}</structuredBody></component></ClinicalDocument>"
    )
}

#[test]
fn statements_are_marked_and_go_with_the_narrative_of_their_section() {
    let (out, ledger) = run(&CcdaDeidentifier::new(treatment("")), &document()).unwrap();
    assert!(out.contains("<confidentialityCode code=\"R\" codeSystem=\"2.16.840.1.113883.5.25\"") && out.contains("F11.20"), "{out}");
    assert_eq!(ledger.notice(), Some(PART2_NOTICE));
    let (out, ledger) = run(&CcdaDeidentifier::new(treatment("ETH = \"withhold\"")), &document()).unwrap();
    assert!(!out.contains("F11.20") && out.contains("E11.9") && out.contains("<confidentialityCode code=\"N\""), "{out}");
    assert_eq!((out.matches("<entry>").count(), ledger.notice()), (1, None), "{out}");
}
