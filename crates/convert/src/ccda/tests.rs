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

/// A procedure with a performer of that NPI; `inner` stands in the procedure.
fn procedure(id: &str, performer: &str, inner: &str) -> String {
    format!(
        r#"<entry><procedure classCode="PROC" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.14"/><id root="1.5" extension="{id}"/><code code="80146002" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><effectiveTime value="2023"/>
        <performer typeCode="PRF"><assignedEntity><id root="2.16.840.1.113883.4.6" extension="1234567893"/>{performer}<assignedPerson><name><given>A</given><family>B</family></name></assignedPerson></assignedEntity></performer>{inner}</procedure></entry>"#
    )
}

/// A problem that is a quantity is refused, and the procedure that it complicates with it.
const BAD_COMPLICATION: &str = r#"<entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.4"/><code code="55607006" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><value xsi:type="PQ" value="3" unit="mg"/></observation></entryRelationship>"#;

#[test]
fn a_refused_entry_leaves_nothing_in_what_it_shares() {
    let (first, second, third) = (
        procedure("a", r#"<telecom value="tel:+1-555-0001"/>"#, ""),
        procedure("b", r#"<telecom value="tel:+1-555-0002"/><addr><city>X</city></addr>"#, BAD_COMPLICATION),
        procedure("c", r#"<telecom value="tel:+1-555-0003"/>"#, ""),
    );
    let telecoms = |bundle: &serde_json::Value| -> Vec<String> {
        let found = resources(bundle, "Practitioner");
        assert_eq!(found.len(), 1);
        assert!(found[0].get("address").is_none());
        found[0]["telecom"].as_array().unwrap().iter().map(|telecom| telecom["value"].as_str().unwrap().to_owned()).collect()
    };
    let text = wrapped("47519-4", &format!("{first}{second}{third}"));
    let (bundle, converted, report) = convert_with(Options::default(), text.as_bytes());
    assert_eq!(telecoms(&bundle), ["+1-555-0001", "+1-555-0003"]);
    assert_eq!((converted.entries_mapped, converted.entries_refused), (2, 1));
    let places = report.feeds.values().next().unwrap().all_places();
    let telecom = &places["entry:procedure-activity-procedure/performer/assignedEntity/telecom"];
    assert_eq!((telecom.mapped, telecom.dropped["entry-refused"]), (2, 1));
    assert_eq!(errors(&bundle), Vec::<String>::new());
    // What the refused entry made first is made by the next one that says it.
    let (bundle, _) = convert(&wrapped("47519-4", &format!("{second}{first}{third}")));
    assert_eq!(telecoms(&bundle), ["+1-555-0001", "+1-555-0003"]);
    assert_eq!(errors(&bundle), Vec::<String>::new());
}

#[test]
fn adding_to_what_is_large_takes_bounded_time() {
    let long = format!("<addr><streetAddressLine>{}</streetAddressLine></addr>", "x ".repeat(100_000));
    let entries = (0..300)
        .map(|number| {
            let telecom = format!(r#"<telecom value="tel:{number}"/>"#);
            procedure(&number.to_string(), &if number == 0 { telecom + &long } else { telecom }, "")
        })
        .collect::<Vec<_>>()
        .concat();
    let (bundle, converted) = convert(&wrapped("47519-4", &entries));
    assert!(converted.findings.iter().any(|finding| finding.code == "ccda-shared-too-often"));
    assert!(converted.entries_refused > 100 && converted.entries_mapped > 50);
    assert_eq!(resources(&bundle, "Procedure").len() as u64, converted.entries_mapped);
    assert_eq!(resources(&bundle, "Practitioner")[0]["telecom"].as_array().unwrap().len() as u64, converted.entries_mapped);
    assert_eq!(errors(&bundle), Vec::<String>::new());
}

#[test]
fn a_refused_part_of_an_entry_leaves_nothing_in_what_it_shares() {
    let result = |id: &str, negated: bool, telecom: &str| {
        format!(
            r#"<component><observation classCode="OBS" moodCode="EVN" negationInd="{negated}"><templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="1.6" extension="{id}"/><code code="{id}" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><effectiveTime value="2023"/><value xsi:type="ST">x</value>
            <performer><assignedEntity><id root="2.16.840.1.113883.4.6" extension="1234567893"/><telecom value="tel:{telecom}"/><assignedPerson><name><family>B</family></name></assignedPerson></assignedEntity></performer></observation></component>"#
        )
    };
    let panel = format!(
        r#"<entry><organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/><code code="58410-2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>{}{}{}</organizer></entry>"#,
        result("1", false, "1"),
        result("2", true, "2"),
        result("3", false, "3")
    );
    let (bundle, converted) = convert(&wrapped("30954-2", &panel));
    assert_eq!((converted.entries_mapped, resources(&bundle, "Observation").len()), (1, 2));
    let telecoms: Vec<_> = resources(&bundle, "Practitioner")[0]["telecom"].as_array().unwrap().iter().map(|one| &one["value"]).collect();
    assert_eq!(telecoms, ["1", "3"]);
}

#[test]
fn names_of_elements_that_are_content_are_not_shown() {
    let strange = (0..20_000).map(|number| format!("<JaneDoe-MRN-{number} value=\"1\"/>")).collect::<Vec<_>>().concat();
    let entry = format!(
        r#"<entry><observation classCode="OBS" moodCode="EVN"><code code="1" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><value xsi:type="ST">y</value>{strange}</observation></entry>"#
    );
    let (_, converted, report) = convert_with(Options::default(), wrapped("29762-2", &entry).as_bytes());
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains("JaneDoe"));
    assert!(converted.findings.iter().all(|finding| !finding.location.contains("JaneDoe") && !finding.message.contains("JaneDoe")));
    let feed = report.feeds.values().next().unwrap();
    assert_eq!(feed.all_places()["entry:observation/other element"].populated(), 20_000);
    // Names of the standard in any nesting are bounded too.
    let path = |number: u32| (0..7).map(move |bit| if number >> bit & 1 == 1 { "value" } else { "code" });
    let open = |number| path(number).map(|name| format!("<{name} code=\"x\">")).collect::<Vec<_>>().concat();
    let close = |number| path(number).collect::<Vec<_>>().iter().rev().map(|name| format!("</{name}>")).collect::<Vec<_>>().concat();
    let nested = (0..128).map(|number| format!("{}{}", open(number), close(number))).collect::<Vec<_>>().concat().repeat(2);
    let nested = format!("<act>{nested}</act>{}{}", "<value code=\"x\">".repeat(40), "</value>".repeat(40));
    let (_, converted, report) = convert_with(Options::default(), wrapped("29762-2", &nested).as_bytes());
    assert_eq!(converted.leaves, converted.mapped + converted.dropped + converted.unmapped);
    assert!(report.feeds.values().next().unwrap().all_places().keys().all(|place| place.matches('/').count() < 12));
}

#[test]
fn a_status_is_never_made_up() {
    let immunization = |attributes: &str, status: &str| {
        let entry = format!(
            r#"<entry><substanceAdministration classCode="SBADM" moodCode="EVN" {attributes}><templateId root="2.16.840.1.113883.10.20.22.4.52"/><id root="1.6" extension="1"/>{status}<effectiveTime value="2023"/><consumable><manufacturedProduct><manufacturedMaterial><code code="08" codeSystem="2.16.840.1.113883.12.292"/></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry>"#
        );
        let (bundle, converted) = convert(&wrapped("11369-6", &entry));
        assert_eq!(errors(&bundle), Vec::<String>::new());
        let found = resources(&bundle, "Immunization")[0];
        let finding = converted.findings.iter().any(|finding| finding.code == "ccda-status-unknown");
        assert_eq!(found.get("_status").is_some(), finding);
        found["status"].as_str().map(str::to_owned)
    };
    assert_eq!(immunization("", r#"<statusCode code="completed"/>"#).as_deref(), Some("completed"));
    assert_eq!(immunization(r#"negationInd="true""#, r#"<statusCode code="completed"/>"#).as_deref(), Some("not-done"));
    assert_eq!(immunization(r#"negationInd="true""#, r#"<statusCode nullFlavor="UNK"/>"#).as_deref(), Some("not-done"));
    assert_eq!(immunization("", r#"<statusCode code="nullified"/>"#).as_deref(), Some("entered-in-error"));
    for open in [r#"<statusCode code="active"/>"#, r#"<statusCode nullFlavor="UNK"/>"#, r#"<statusCode code="???"/>"#, ""] {
        assert_eq!(immunization("", open), None, "{open}");
    }
}

#[test]
fn a_statement_of_every_kind_without_a_status_claims_none() {
    let statement = |name: &str, template: &str, mood: &str, inner: &str| {
        format!(
            r#"<entry><{name} classCode="ACT" moodCode="{mood}"><templateId root="2.16.840.1.113883.10.20.{template}"/><id root="1.7" extension="{template}"/>{inner}</{name}></entry>"#
        )
    };
    let coded = r#"<code code="80146002" codeSystem="2.16.840.1.113883.6.96"/>"#;
    let value = r#"<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><value xsi:type="CD" code="233604007" codeSystem="2.16.840.1.113883.6.96"/>"#;
    let policy = r#"<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.61"/><id root="1.7" extension="p"/></act></entryRelationship>"#;
    let device = r#"<participant typeCode="PRD"><participantRole classCode="MANU"><playingDevice><code code="x" codeSystem="1.2"/></playingDevice></participantRole></participant>"#;
    let subject = |inner: &str, template: &str| {
        format!(
            r#"<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.{template}"/><id root="1.8" extension="{template}"/>{inner}</observation></entryRelationship>"#
        )
    };
    let member = format!(
        r#"<component><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.46"/><id root="1.8" extension="f"/>{value}</observation></component>"#
    );
    let entries = [
        statement("act", "22.4.3", "EVN", &subject(value, "4")),
        statement("act", "22.4.30", "EVN", &subject(value, "7")),
        statement("observation", "22.4.121", "GOL", coded),
        statement("observation", "22.4.48", "EVN", value),
        statement("act", "22.4.60", "EVN", policy),
        statement("organizer", "22.4.45", "EVN", &member),
        statement("organizer", "22.4.500", "EVN", coded),
        statement("supply", "22.4.50", "EVN", device),
        statement("observation", "22.4.2", "EVN", value),
        statement("procedure", "22.4.14", "EVN", coded),
        statement("encounter", "22.4.49", "EVN", coded),
        statement("act", "22.4.39", "INT", coded),
    ];
    let (bundle, converted) = convert(&wrapped("29762-2", &entries.concat()));
    assert_eq!((converted.entries_refused, converted.entries_unmapped), (0, 0), "{:?}", converted.findings);
    assert_eq!(errors(&bundle), Vec::<String>::new());
    let mut kinds = std::collections::BTreeSet::new();
    for entry in bundle["entry"].as_array().unwrap() {
        let resource = &entry["resource"];
        let kind = resource["resourceType"].as_str().unwrap();
        kinds.insert(kind.to_owned());
        if kind == "Composition" {
            continue;
        }
        for key in ["status", "lifecycleStatus"] {
            assert!(matches!(resource[key].as_str(), None | Some("unknown")), "{kind} {key} {}", resource[key]);
        }
        assert!(resource["clinicalStatus"].get("coding").is_none(), "{kind}");
    }
    for kind in ["AllergyIntolerance", "CareTeam", "Condition", "Consent", "Coverage", "DeviceUseStatement", "FamilyMemberHistory", "Goal"]
    {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
}

#[test]
fn text_that_many_entries_refer_to_is_bounded() {
    let entries = (0..400)
        .map(|number| {
            format!(
                r##"<entry><observation classCode="OBS" moodCode="EVN"><id root="1.5" extension="{number}"/><code code="1" codeSystem="2.16.840.1.113883.6.1"><originalText><reference value="#long"/></originalText></code><text><reference value="#long"/></text><statusCode code="completed"/><value xsi:type="ST">y</value></observation></entry>"##
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let text = wrapped("29762-2", &entries).replacen(
        "<text><content",
        &format!("<text><content ID=\"long\">{}</content><content", "x ".repeat(500_000)),
        1,
    );
    let document = Document::parse(text.clone().into_bytes(), &Limits::default()).unwrap();
    let (mut report, mut out) = (Report::new(), Vec::new());
    let converted = DEFAULT.convert(&document, &source(text.as_bytes()), &mut report, &mut out).unwrap();
    assert!(out.len() < 16 << 20, "{}", out.len());
    assert_eq!(converted.findings.iter().filter(|finding| finding.code == "ccda-text-repeated").count(), 1);
    assert_eq!((converted.entries_mapped, converted.leaves), (400, converted.mapped + converted.dropped + converted.unmapped));
}

#[test]
fn a_date_does_not_become_an_instant() {
    let date = wrapped("29762-2", "").replace("20200101120000+0000", "20200101");
    let (bundle, _) = convert(&date);
    let provenance = resources(&bundle, "Provenance")[0];
    assert_eq!((&provenance["recorded"], provenance["occurredDateTime"].as_str()), (&serde_json::Value::Null, Some("2020-01-01")));
    assert_eq!(errors(&bundle), Vec::<String>::new());
    let options = Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() };
    let (bundle, _, _) = convert_with(options, date.as_bytes());
    assert_eq!(resources(&bundle, "Provenance")[0]["recorded"], "2026-01-01T00:00:00Z");
    let (bundle, _) = convert(&wrapped("29762-2", ""));
    assert_eq!(resources(&bundle, "Provenance")[0]["recorded"], "2020-01-01T12:00:00+00:00");
}
