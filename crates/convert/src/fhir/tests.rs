use super::*;
use crate::ids;
use proptest::prelude::*;
use sutura_core::Sha256Hash;
use sutura_fhir::{json::Parser, validate::Validator};

fn written(tree: &mut Tree, resource: ResourceId) -> serde_json::Value {
    let mut out = Vec::new();
    tree.write_resource(resource, &mut out);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn elements_stand_in_the_standards_order_and_empty_ones_are_not_written() {
    let mut tree = Tree::new();
    let (patient, root) = tree.resource("Patient", ids::from_identifier("Patient", "s", "1")).unwrap();
    tree.set(root, "birthDate", "1980-01-02");
    let contact = tree.push(root, "contact").unwrap();
    tree.element(contact, "name").unwrap();
    assert!(tree.set(root, "name[0].given[0]", "A"));
    assert!(tree.set(root, "name[0].given[1]", "B"));
    assert!(tree.set(root, "name[1].family", "D\"oe\n\u{1}"));
    assert!(tree.set_flag(root, "active", true));
    assert!(tree.set(root, "multipleBirthInteger", "2"));
    assert!(!tree.set(root, "multipleBirthInteger", "two"));
    assert!(!tree.set(root, "multipleBirthBoolean", "true"), "the choice is taken");
    let mut out = Vec::new();
    tree.write_resource(patient, &mut out);
    let text = String::from_utf8(out).unwrap();
    let (_, rest) = text.split_once("\"active\"").unwrap();
    assert_eq!(rest, r#":true,"name":[{"given":["A","B"]},{"family":"D\"oe\n\u0001"}],"birthDate":"1980-01-02","multipleBirthInteger":2}"#);
}

#[test]
fn primitives_keep_their_extensions() {
    let mut tree = Tree::new();
    let (patient, root) = tree.resource("Patient", ids::from_identifier("Patient", "s", "1")).unwrap();
    for (place, name) in ["name[0].given[0]", "name[0].given[1]"].into_iter().enumerate() {
        if place == 0 {
            tree.set(root, name, "A");
        }
    }
    let name = tree.element(root, "name").unwrap();
    let given = tree.nth(name, "given", 1).unwrap();
    tree.set(given, "extension[0].url", "http://a");
    tree.set(given, "extension[0].valueCode", "unknown");
    let birth = tree.element(root, "birthDate").unwrap();
    tree.set(birth, "extension[0].url", "http://b");
    tree.set(birth, "extension[0].valueBoolean", "true");
    assert_eq!(
        written(&mut tree, patient)["name"],
        serde_json::json!([{"given": ["A", null], "_given": [null, {"extension": [{"url": "http://a", "valueCode": "unknown"}]}]}])
    );
    assert_eq!(written(&mut tree, patient)["_birthDate"], serde_json::json!({"extension": [{"url": "http://b", "valueBoolean": true}]}));
}

#[test]
fn a_transaction_with_its_provenance_is_valid() {
    let mut tree = Tree::new();
    let (patient, root) = tree.resource("Patient", ids::from_identifier("Patient", "s", "1")).unwrap();
    tree.set(root, "gender", "female");
    let (_, observation) = tree.resource("Observation", ids::from_identifier("Observation", "s", "1")).unwrap();
    tree.set(observation, "status", "final");
    tree.set(observation, "code.text", "x");
    assert!(tree.link(observation, "subject", patient));
    let source = Source { uri: "file:///a.hl7", offset: 7, length: 9, sha256: Sha256Hash::of(b"x") };
    let targets: Vec<_> = tree.resources().collect();
    provenance(&mut tree, &source, "2026-01-01T00:00:00Z", "v2-fhir-transformation", &targets).unwrap();
    let mut out = Vec::new();
    tree.write_transaction(&BundleOptions { base_url: Some("http://server/fhir/".into()) }, |_| true, &mut out);
    let mut parser = Parser::default();
    let document = parser.parse(&out).unwrap();
    let issues = Validator::default().validate(document.root());
    assert!(issues.iter().all(|issue| issue.severity < sutura_fhir::validate::IssueSeverity::Error), "{issues:?}");
    let bundle: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let reference = bundle["entry"][1]["resource"]["subject"]["reference"].as_str().unwrap();
    assert_eq!(bundle["entry"][0]["request"]["url"], reference);
    assert_eq!(bundle["entry"][0]["fullUrl"], format!("http://server/fhir/{reference}"));
    assert_eq!(bundle["entry"][2]["resource"]["target"].as_array().unwrap().len(), 2);
}

proptest! {
    #[test]
    fn any_text_reads_back(text in any::<String>()) {
        let mut out = Vec::new();
        push_string(&text, &mut out);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
