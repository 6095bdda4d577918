use std::{fs, path::PathBuf, sync::LazyLock};

use sutura_ccda::{Document, Element, Limits};
use sutura_core::Sha256Hash;
use sutura_fhir::validate::Options as ValidatorOptions;

use super::*;

mod corpus;
mod pairs;
mod statements;
mod us_core;

/// A document around the entries of one section.
fn wrapped(section: &str, entries: &str) -> String {
    format!(
        r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
        <id root="1.2.3.4" extension="doc"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><effectiveTime value="20200101120000+0000"/>
        <recordTarget><patientRole><id root="1.2.3" extension="7"/><patient><name><given>A</given><family>B</family></name></patient></patientRole></recordTarget>
        <component><structuredBody><component><section><code code="{section}" codeSystem="2.16.840.1.113883.6.1"/><title>S</title>
        <text><content ID="t1">Some text</content></text>{entries}</section></component></structuredBody></component></ClinicalDocument>"#
    )
}

static DEFAULT: LazyLock<Converter> = LazyLock::new(|| Converter::new(Options::default()));
static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| Validator::new(ValidatorOptions { missing_targets: Some(IssueSeverity::Error), ..ValidatorOptions::default() }));

fn source(bytes: &[u8]) -> Source<'static> {
    Source { uri: "file:///document.xml", offset: 0, length: bytes.len() as u64, sha256: Sha256Hash::of(bytes) }
}

fn convert_with(options: Options, bytes: &[u8]) -> (serde_json::Value, Converted, Report) {
    let document = Document::parse(bytes.to_vec(), &Limits::default()).unwrap();
    let (mut report, mut out) = (Report::new(), Vec::new());
    let made;
    let converter = if options == Options::default() {
        &*DEFAULT
    } else {
        made = Converter::new(options);
        &made
    };
    let converted = converter.convert(&document, &source(bytes), &mut report, &mut out).unwrap();
    (serde_json::from_slice(&out).unwrap(), converted, report)
}

fn convert(text: &str) -> (serde_json::Value, Converted) {
    let (bundle, converted, _) = convert_with(Options::default(), text.as_bytes());
    (bundle, converted)
}

fn resources<'b>(bundle: &'b serde_json::Value, kind: &str) -> Vec<&'b serde_json::Value> {
    bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).filter(|resource| resource["resourceType"] == kind).collect()
}

/// Errors of a bundle's resources, as `Type: expression: text`.
fn errors(bundle: &serde_json::Value) -> Vec<String> {
    let json = serde_json::to_vec(bundle).unwrap();
    let mut parser = Parser::default();
    let document = parser.parse(&json).unwrap();
    let issues = VALIDATOR.validate(document.root());
    issues
        .iter()
        .filter(|issue| matches!(issue.severity, IssueSeverity::Error | IssueSeverity::Fatal))
        .map(|issue| format!("{}: {}", issue.expression, issue.diagnostics))
        .collect()
}

/// Leaves counted without the account: an element with content of its own, narrative as one.
fn count_leaves(element: Element<'_>) -> u64 {
    let narrative = element.name() == "text" && element.parent().is_some_and(|parent| parent.name() == "section");
    if narrative {
        return u64::from(!element.text().trim().is_empty());
    }
    let attributes = ["code", "displayName", "value", "root", "extension"];
    let says = attributes.iter().any(|name| element.attr(name).is_some_and(|value| !value.trim().is_empty()))
        || element.is_negated() && element.attr("negationInd").map(str::trim) == Some("true")
        || element.content().any(|content| matches!(content, sutura_ccda::Content::Text(text) if !text.trim().is_empty()));
    u64::from(says) + element.children().map(count_leaves).sum::<u64>()
}

#[test]
fn base64_has_padding() {
    for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
        assert_eq!(base64(bytes.as_bytes()), expected);
    }
}

#[test]
fn a_bad_entry_costs_that_entry_only() {
    let entries = r#"<entry><observation classCode="OBS" moodCode="EVN" negationInd="true"><code code="1" codeSystem="2.16.840.1.113883.6.1"/><value xsi:type="ST">x</value></observation></entry>
      <entry><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.38"/><id root="1.5" extension="9"/><code code="2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><value xsi:type="ST">y</value></observation></entry>"#;
    let text = wrapped("29762-2", entries);
    let (bundle, converted) = convert(&text);
    assert_eq!(resources(&bundle, "Observation").len(), 1);
    assert_eq!((converted.entries_mapped, converted.entries_refused), (1, 1));
    let finding = converted.findings.iter().find(|finding| finding.code == "ccda-negated-observation").unwrap();
    let offset = text.find("<observation").unwrap();
    assert!(finding.location.contains(&format!("byte {offset}")), "{}", finding.location);
    assert_eq!(converted.leaves, converted.mapped + converted.dropped + converted.unmapped);
    assert_eq!(errors(&bundle), Vec::<String>::new());
}

#[test]
fn ids_are_the_same_in_every_run_and_entries_are_not_doubled() {
    let entry = r#"<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3"/><statusCode code="active"/><entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN">
      <templateId root="2.16.840.1.113883.10.20.22.4.4"/><id root="1.5" extension="9"/><code code="55607006" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><value xsi:type="CD" code="233604007" codeSystem="2.16.840.1.113883.6.96"/></observation></entryRelationship></act></entry>"#;
    let other = entry.replace("233604007", "195967001");
    let text = wrapped("11450-4", &format!("{entry}{entry}{other}"));
    let (bundle, converted) = convert(&text);
    let (again, _) = convert(&text);
    assert_eq!(bundle, again);
    // The same twice is one; another under the same identifier is another.
    assert_eq!(resources(&bundle, "Condition").len(), 2);
    assert!(converted.findings.iter().any(|finding| finding.code == "ccda-id-reused"));
    let composition = &resources(&bundle, "Composition")[0];
    assert_eq!(composition["section"][0]["entry"].as_array().unwrap().len(), 2);
    assert_eq!(
        composition["section"][0]["text"]["div"],
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><span id=\"t1\">Some text</span></div>"
    );
}

#[test]
fn the_forms_of_a_bundle() {
    let text = wrapped("29762-2", "");
    for form in [BundleForm::Document, BundleForm::Collection, BundleForm::Transaction] {
        for base_url in [None, Some("https://server/fhir".to_owned())] {
            let (bundle, _, _) = convert_with(Options { bundle: form, base_url, ..Options::default() }, text.as_bytes());
            assert_eq!(errors(&bundle), Vec::<String>::new(), "{form:?}");
            assert_eq!(bundle["entry"][0]["resource"]["resourceType"], "Composition");
            assert_eq!(bundle["entry"][0].get("request").is_some(), form == BundleForm::Transaction);
        }
    }
    let (bundle, _, _) = convert_with(Options { provenance: false, ..Options::default() }, text.as_bytes());
    assert!(resources(&bundle, "Provenance").is_empty());
    let (bundle, _, _) = convert_with(Options::default(), text.as_bytes());
    let provenance = resources(&bundle, "Provenance")[0];
    let what = &provenance["entity"][0]["what"];
    assert_eq!(what["identifier"]["value"], Sha256Hash::of(text.as_bytes()).to_string());
    assert_eq!(what["extension"][1]["valueString"], text.len().to_string());
    assert_eq!(what["reference"], "file:///document.xml");
}
