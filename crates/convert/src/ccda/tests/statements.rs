//! What single statements become.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SNOMED: &str = r#"codeSystem="2.16.840.1.113883.6.96""#;

/// The only resource of a kind that the entry gives; the whole Bundle has to be valid.
fn only(section: &str, entry: &str, kind: &str) -> Value {
    let (bundle, converted) = convert(&wrapped(section, &format!("<entry>{entry}</entry>")));
    assert_eq!(errors(&bundle), Vec::<String>::new());
    assert_eq!(converted.entries_refused, 0, "{:?}", converted.findings);
    let found = resources(&bundle, kind);
    assert_eq!(found.len(), 1, "{bundle:#}");
    found[0].clone()
}

fn medication(times: &str, more: &str) -> Value {
    only(
        "10160-0",
        &format!(
            r#"<substanceAdministration classCode="SBADM" moodCode="INT"><templateId root="2.16.840.1.113883.10.20.22.4.16"/><id root="1.9" extension="m"/><statusCode code="active"/>{times}
            <doseQuantity value="1"/><administrationUnitCode code="C48542" codeSystem="2.16.840.1.113883.3.26.1.1" displayName="Tablet"/>
            <consumable><manufacturedProduct><manufacturedMaterial><code code="197361" codeSystem="2.16.840.1.113883.6.88" displayName="X"/></manufacturedMaterial></manufacturedProduct></consumable>{more}</substanceAdministration>"#
        ),
        "MedicationRequest",
    )
}

#[test]
fn times_of_dosages() {
    let repeat = |times: &str| medication(times, "")["dosageInstruction"][0]["timing"]["repeat"].clone();
    let bounds = r#"<effectiveTime xsi:type="IVL_TS"><low value="20230101"/><high nullFlavor="NI"/></effectiveTime>"#;
    let every = |inner: &str| format!(r#"{bounds}<effectiveTime xsi:type="PIVL_TS" operator="A">{inner}</effectiveTime>"#);
    assert_eq!(
        repeat(&every(r#"<period value="12" unit="h"/>"#)),
        json!({"boundsPeriod": {"start": "2023-01-01"}, "frequency": 1, "period": 12, "periodUnit": "h"})
    );
    assert_eq!(
        repeat(&every(r#"<period><low value="4" unit="h"/><high value="6" unit="h"/></period>"#)),
        json!({"boundsPeriod": {"start": "2023-01-01"}, "frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h"})
    );
    let event = |inner: &str| format!(r#"<effectiveTime xsi:type="EIVL_TS" operator="A">{inner}</effectiveTime>"#);
    assert_eq!(repeat(&event(r#"<event code="HS"/>"#)), json!({"when": ["HS"]}));
    assert_eq!(repeat(&event(r#"<event code="PCM"/><offset value="1" unit="h"/>"#)), json!({"when": ["PCM"], "offset": 60}));
    let both = r#"<effectiveTime xsi:type="SXPR_TS"><comp xsi:type="PIVL_TS"><period value="1" unit="d"/></comp><comp xsi:type="EIVL_TS"><event code="HS"/></comp></effectiveTime>"#;
    assert_eq!(repeat(both), json!({"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}));
    // A period that is none leaves only the bounds.
    assert_eq!(repeat(&every(r#"<period value="0" unit="h"/>"#)), json!({"boundsPeriod": {"start": "2023-01-01"}}));
    assert_eq!(repeat(&every(r#"<period value="2" unit="furlong"/>"#)), json!({"boundsPeriod": {"start": "2023-01-01"}}));
    let once = medication(r#"<effectiveTime value="202301011200+0000"/>"#, "");
    assert_eq!(once["dosageInstruction"][0]["timing"]["event"], json!(["2023-01-01T12:00:00+00:00"]));
}

#[test]
fn doses_and_conditions_of_medications() {
    let request = medication(
        "",
        r#"<precondition><criterion><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/></criterion></precondition>"#,
    );
    let dosage = &request["dosageInstruction"][0];
    assert_eq!(dosage["asNeededBoolean"], true);
    assert_eq!(dosage["doseAndRate"][0]["doseQuantity"]["unit"], "Tablet");
    assert_eq!(request["intent"], "order");
    let pain = format!(
        r#"<precondition><criterion><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><value xsi:type="CD" code="22253000" {SNOMED}/></criterion></precondition>"#
    );
    assert_eq!(medication("", &pain)["dosageInstruction"][0]["asNeededCodeableConcept"]["coding"][0]["code"], "22253000");
    let order = r#"<entryRelationship typeCode="REFR"><supply classCode="SPLY" moodCode="INT"><templateId root="2.16.840.1.113883.10.20.22.4.17"/><repeatNumber value="2"/><quantity value="30"/></supply></entryRelationship>"#;
    assert_eq!(medication("", order)["dispenseRequest"], json!({"numberOfRepeatsAllowed": 2, "quantity": {"value": 30}}));
}

fn allergy(negated: bool, value: &str, participant: &str) -> Value {
    let substance = if participant.is_empty() {
        String::new()
    } else {
        format!(
            r#"<participant typeCode="CSM"><participantRole classCode="MANU"><playingEntity classCode="MMAT">{participant}</playingEntity></participantRole></participant>"#
        )
    };
    only(
        "48765-2",
        &format!(
            r#"<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.30"/><statusCode code="active"/><entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN" negationInd="{negated}">
            <templateId root="2.16.840.1.113883.10.20.22.4.7"/><id root="1.8" extension="a"/><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/><effectiveTime><low nullFlavor="UNK"/></effectiveTime>
            <value xsi:type="CD" code="{value}" {SNOMED}/>{substance}</observation></entryRelationship></act>"#
        ),
        "AllergyIntolerance",
    )
}

#[test]
fn allergies_that_are_and_are_not() {
    let peanut = format!(r#"<code code="256349002" {SNOMED} displayName="Peanut"/>"#);
    let has = allergy(false, "414285001", &peanut);
    assert_eq!((&has["type"], &has["category"][0], &has["code"]["text"]), (&json!("allergy"), &json!("food"), &json!("Peanut")));
    let none = allergy(true, "419199007", "");
    assert_eq!(none["code"]["coding"][0]["code"], "716186003");
    assert_eq!(none.get("verificationStatus"), None);
    assert_eq!(allergy(true, "416098002", r#"<code nullFlavor="NA"/>"#)["code"]["coding"][0]["code"], "409137002");
    let not_one = allergy(true, "414285001", &peanut);
    assert_eq!(not_one.get("code"), None);
    assert_eq!(not_one["extension"][0]["extension"][1]["valueCodeableConcept"]["coding"][0]["code"], "no-known-reaction-risk");
}

fn problem(negated: bool, value: &str, times: &str, status: &str) -> Value {
    only(
        "11450-4",
        &format!(
            r#"<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3"/><statusCode code="active"/><entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN" negationInd="{negated}">
            <templateId root="2.16.840.1.113883.10.20.22.4.4"/><id root="1.7" extension="p"/><code code="55607006" {SNOMED}/><statusCode code="completed"/><effectiveTime>{times}</effectiveTime>{value}{status}</observation></entryRelationship></act>"#
        ),
        "Condition",
    )
}

#[test]
fn problems_and_their_status() {
    let asthma = format!(r#"<value xsi:type="CD" code="195967001" {SNOMED}/>"#);
    let status = |condition: &Value| condition["clinicalStatus"]["coding"][0]["code"].clone();
    let low = r#"<low value="2010"/>"#;
    assert_eq!(status(&problem(false, &asthma, low, "")), "active");
    let over = problem(false, &asthma, r#"<low value="2010"/><high nullFlavor="UNK"/>"#, "");
    assert_eq!(status(&over), "resolved");
    assert_eq!(over["_abatementDateTime"]["extension"][0]["valueCode"], "unknown");
    let said = format!(
        r#"<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.6"/><code code="33999-4"/><statusCode code="completed"/><value xsi:type="CD" code="55561003" {SNOMED}/></observation></entryRelationship>"#
    );
    let open = problem(false, &asthma, r#"<low value="2010"/><high nullFlavor="UNK"/>"#, &said);
    assert_eq!((status(&open), open.get("_abatementDateTime")), (json!("active"), None));
    assert_eq!(status(&problem(false, &asthma, r#"<low value="2010"/><high value="2012"/>"#, &said)), "resolved");
    let refuted = problem(true, &asthma, low, "");
    assert_eq!(refuted["verificationStatus"]["coding"][0]["code"], "refuted");
    let none = problem(true, &format!(r#"<value xsi:type="CD" code="55607006" {SNOMED}/>"#), low, "");
    assert_eq!(none["code"]["coding"][0]["code"], "160245001");
    let text =
        problem(false, r##"<value xsi:type="CD" nullFlavor="OTH"><originalText><reference value="#t1"/></originalText></value>"##, low, "");
    assert_eq!(text["code"], json!({"text": "Some text"}));
    assert_eq!(problem(false, r#"<value xsi:type="CD" nullFlavor="ASKU"/>"#, low, "")["code"]["coding"][0]["code"], "asked-unknown");
}

fn result(value: &str) -> Value {
    only(
        "30954-2",
        &format!(
            r#"<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="1.6" extension="r"/><code code="5811-5" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><effectiveTime value="20150622"/>{value}</observation>"#
        ),
        "Observation",
    )
}

#[test]
fn values_of_every_type() {
    let pq = result(r#"<value xsi:type="PQ" value=".5" unit="mg/dL"/>"#);
    assert_eq!(pq["valueQuantity"], json!({"value": 0.5, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}));
    let low = result(r#"<value xsi:type="IVL_PQ"><low value="60" unit="mL/min"/></value>"#);
    assert_eq!((&low["valueQuantity"]["comparator"], &low["valueQuantity"]["value"]), (&json!(">="), &json!(60)));
    let under = result(r#"<value xsi:type="IVL_PQ"><high value="5" unit="mg/dL" inclusive="false"/></value>"#);
    assert_eq!(under["valueQuantity"]["comparator"], "<");
    assert_eq!(
        result(r#"<value xsi:type="IVL_PQ"><low value="1"/><high value="2"/></value>"#)["valueRange"],
        json!({"low": {"value": 1}, "high": {"value": 2}})
    );
    assert_eq!(result(r#"<value xsi:type="ST">neg</value>"#)["valueString"], "neg");
    assert_eq!(result(r#"<value xsi:type="INT" value="7"/>"#)["valueInteger"], 7);
    assert_eq!(result(r#"<value xsi:type="BL" value="true"/>"#)["valueBoolean"], true);
    assert_eq!(result(r#"<value xsi:type="TS" value="20230214"/>"#)["valueDateTime"], "2023-02-14");
    assert_eq!(
        result(r#"<value xsi:type="RTO_PQ_PQ"><numerator value="1"/><denominator value="128"/></value>"#)["valueRatio"]["denominator"]["value"],
        128
    );
    assert_eq!(result(r#"<value xsi:type="PQ" value="many" unit="1"/>"#)["valueString"], "many");
    assert_eq!(result(r#"<value xsi:type="PQ" nullFlavor="ASKU"/>"#)["dataAbsentReason"]["coding"][0]["code"], "asked-unknown");
    let ranged = result(
        r#"<value xsi:type="PQ" value="1"/><referenceRange><observationRange><text>low</text><value xsi:type="IVL_PQ"><low value="1"/></value></observationRange></referenceRange>"#,
    );
    assert_eq!(ranged["referenceRange"], json!([{"low": {"value": 1}, "text": "low"}]));
}

#[test]
fn blood_pressure_is_one_observation() {
    let sign = |code: &str, value: &str| {
        format!(
            r#"<component><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.27"/><id root="1.5" extension="{code}"/><code code="{code}" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><effectiveTime value="20140520"/><value xsi:type="PQ" value="{value}" unit="mm[Hg]"/></observation></component>"#
        )
    };
    let organizer = |inner: &str| {
        format!(
            r#"<entry><organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.26"/><id root="1.5" extension="o"/><code code="46680005" {SNOMED}/><statusCode code="completed"/><effectiveTime value="20140520"/>{inner}</organizer></entry>"#
        )
    };
    let (bundle, _) =
        convert(&wrapped("8716-3", &organizer(&format!("{}{}{}", sign("8480-6", "120"), sign("8867-4", "80"), sign("8462-4", "80")))));
    assert_eq!(errors(&bundle), Vec::<String>::new());
    let found = resources(&bundle, "Observation");
    let pressure = found.iter().find(|found| found["code"]["coding"][0]["code"] == "85354-9").unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(pressure["component"][0]["valueQuantity"]["value"], 120);
    assert_eq!(pressure["component"][1]["code"]["coding"][0]["code"], "8462-4");
    // One half alone stays what it is.
    let (bundle, _) = convert(&wrapped("8716-3", &organizer(&sign("8480-6", "120"))));
    assert!(resources(&bundle, "Observation").iter().all(|found| found["code"]["coding"][0]["code"] != "85354-9"));
}

/// An author participation with that NPI at that time.
fn author(npi: &str, time: &str) -> String {
    format!(
        r#"<author><time value="{time}"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="{npi}"/><assignedPerson><name><family>B</family></name></assignedPerson>
        <representedOrganization><id root="1.2.9" extension="1"/><name>Clinic</name></representedOrganization></assignedAuthor></author>"#
    )
}

#[test]
fn authors_of_entries_have_a_provenance() {
    let entry = |id: &str, author: &str, value: &str| {
        format!(
            r#"<entry><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.38"/><id root="1.5" extension="{id}"/><code code="{id}" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>{value}{author}</observation></entry>"#
        )
    };
    let value = r#"<value xsi:type="ST">y</value>"#;
    let entries = [
        entry("1", &author("1234567893", "20200102030405+0000"), value),
        entry("2", &author("1234567893", "20200102030405+0000"), value),
        entry("3", &author("1234567893", "20200103"), value),
        entry("4", "", value),
        // The negation refuses it, and its author with it.
        entry("5", &author("1111111112", "2019"), value).replace("moodCode", "negationInd=\"true\" moodCode"),
    ];
    let (bundle, converted) = convert(&wrapped("29762-2", &entries.concat()));
    assert_eq!((errors(&bundle), converted.entries_refused), (Vec::new(), 1));
    let found = resources(&bundle, "Provenance");
    // The document's, and one for each time of the author.
    assert_eq!(found.len(), 3);
    assert_eq!((found[1]["target"].as_array().unwrap().len(), &found[1]["recorded"]), (2, &json!("2020-01-02T03:04:05+00:00")));
    assert!(found[1]["agent"][0]["who"]["reference"].as_str().unwrap().starts_with("Practitioner/"));
    assert!(found[1]["agent"][0]["onBehalfOf"]["reference"].as_str().unwrap().starts_with("Organization/"));
    assert_eq!((found[2]["target"].as_array().unwrap().len(), &found[2]["occurredDateTime"]), (1, &json!("2020-01-03")));
    assert_eq!((&found[2]["recorded"], resources(&bundle, "Practitioner").len()), (&Value::Null, 1));
}

#[test]
fn a_section_of_plans_is_a_care_plan() {
    let entry = r#"<entry><procedure classCode="PROC" moodCode="RQO"><templateId root="2.16.840.1.113883.10.20.22.4.41"/><id root="1.5" extension="1"/><code code="73761001" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="active"/></procedure></entry>
      <entry><encounter classCode="ENC" moodCode="INT"><templateId root="2.16.840.1.113883.10.20.22.4.40"/><id root="1.5" extension="2"/><code code="185349003" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="active"/></encounter></entry>
      <entry><observation classCode="OBS" moodCode="GOL"><templateId root="2.16.840.1.113883.10.20.22.4.121"/><id root="1.5" extension="3"/><code code="8480-6" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="active"/></observation></entry>"#;
    let (bundle, converted) = convert(&wrapped("18776-5", entry));
    assert_eq!((errors(&bundle), converted.entries_mapped), (Vec::new(), 3));
    let plan = resources(&bundle, "CarePlan")[0];
    let reference = |kind: &str| json!({"reference": format!("{kind}/{}", resources(&bundle, kind)[0]["id"].as_str().unwrap())});
    assert_eq!(plan["activity"], json!([{"reference": reference("ServiceRequest")}]));
    assert_eq!((&plan["goal"], &plan["status"]), (&json!([reference("Goal")]), &json!("unknown")));
    assert!(plan["text"]["div"].as_str().unwrap().contains("Some text"));
    let section = &resources(&bundle, "Composition")[0]["section"][0]["entry"];
    assert_eq!((section.as_array().unwrap().len(), &section[0]), (4, &reference("CarePlan")));
    // Other sections have none.
    assert!(resources(&convert(&wrapped("29762-2", "")).0, "CarePlan").is_empty());
}

#[test]
fn one_bad_result_of_a_panel_costs_that_result() {
    let one = |code: &str, negated: bool| {
        format!(
            r#"<component><observation classCode="OBS" moodCode="EVN" negationInd="{negated}"><templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="1.4" extension="{code}"/><code code="{code}" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><effectiveTime value="20150622"/><value xsi:type="ST">x</value></observation></component>"#
        )
    };
    let entry = format!(
        r#"<entry><organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/><id root="1.4" extension="p"/><code code="24357-6" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>{}{}</organizer></entry>"#,
        one("1", false),
        one("2", true)
    );
    let (bundle, converted) = convert(&wrapped("30954-2", &entry));
    assert_eq!(errors(&bundle), Vec::<String>::new());
    assert_eq!(resources(&bundle, "DiagnosticReport")[0]["result"].as_array().unwrap().len(), 1);
    assert_eq!((converted.entries_mapped, converted.entries_refused), (1, 0));
    assert!(converted.findings.iter().any(|finding| finding.code == "ccda-negated-observation"));
}

#[test]
fn narrative_becomes_safe_xhtml() {
    let table = r#"<table onclick="x" border="1"><caption>C</caption><thead><tr><th>A</th></tr></thead><tbody><tr><td ID="a" colspan="2" styleCode="Bold">1 &lt; 2 &amp; 3</td></tr></tbody></table>
        <list listType="ordered"><caption>L</caption><item>one</item></list><paragraph>p<br/>q</paragraph><linkHtml href="javascript:alert(1)">l</linkHtml><script>bad()</script><renderMultiMedia referencedObject="m"/>"#;
    let text = wrapped("29762-2", "").replace(r#"<content ID="t1">Some text</content>"#, table);
    let (bundle, _) = convert(&text);
    assert_eq!(errors(&bundle), Vec::<String>::new());
    let div = resources(&bundle, "Composition")[0]["section"][0]["text"]["div"].as_str().unwrap().to_owned();
    for part in
        [r#"<td id="a" class="Bold" colspan="2">1 &lt; 2 &amp; 3</td>"#, "<ol><li>one</li></ol>", "<p>L</p>", "<p>p<br/>q</p>", "<a>l</a>"]
    {
        assert!(div.contains(part), "{part} in {div}");
    }
    assert!(!div.contains("onclick") && !div.contains("<script"));
}

#[test]
fn deep_and_wide_documents_take_bounded_time_and_stack() {
    let open = r#"<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.2"/><code code="1" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><value xsi:type="ST">x</value>"#;
    let depth = 60;
    let deep = format!(
        "{}{}",
        format!(r#"{open}<entryRelationship typeCode="REFR">"#).repeat(depth),
        format!("{open}</observation>") + &"</entryRelationship></observation>".repeat(depth)
    );
    let wide = format!("<entry>{open}</observation></entry>").repeat(5_000);
    let text = wrapped("30954-2", &format!("<entry>{deep}</entry>{wide}"));
    let (_, converted) = convert(&text);
    assert_eq!(converted.entries_mapped, 5_001);
    assert_eq!(converted.leaves, converted.mapped + converted.dropped + converted.unmapped);
}

/// Pieces that random documents are made of.
fn piece() -> impl Strategy<Value = String> {
    let code = prop_oneof![
        Just(r#"<code code="8480-6" codeSystem="2.16.840.1.113883.6.1"/>"#.to_owned()),
        Just(r#"<code nullFlavor="UNK"/>"#.to_owned()),
        Just(r#"<code code="ASSERTION" codeSystem="nonsense"/>"#.to_owned()),
        Just(String::new()),
    ];
    let value = prop_oneof![
        "[-0-9a-zA-Z.<> ]{0,6}".prop_map(|text| format!(r#"<value xsi:type="PQ" value="{}" unit="mg"/>"#, text.replace('<', "&lt;"))),
        "[a-z ]{0,6}".prop_map(|text| format!(r#"<value xsi:type="ST">{text}</value>"#)),
        Just(format!(r#"<value xsi:type="CD" code="55607006" {SNOMED}/>"#)),
        Just(r#"<value xsi:type="IVL_PQ"><low value="9"/><high value="1"/></value>"#.to_owned()),
        Just("<value/>".to_owned()),
    ];
    let time = "[0-9+-]{0,16}"
        .prop_map(|time| format!(r#"<effectiveTime value="{time}"><low value="{time}"/><high value="2010"/></effectiveTime>"#));
    let template = (1_u16..150).prop_map(|arc| format!(r#"<templateId root="2.16.840.1.113883.10.20.22.4.{arc}"/>"#));
    let name = prop_oneof![
        Just("act"),
        Just("observation"),
        Just("organizer"),
        Just("procedure"),
        Just("encounter"),
        Just("substanceAdministration"),
        Just("supply")
    ];
    let mood = prop_oneof![Just("EVN"), Just("INT"), Just("GOL"), Just("RQO")];
    let leaf = (name, mood, template, code, time, value, any::<bool>()).boxed();
    let leaf = leaf.prop_map(|(name, mood, template, code, time, value, negated)| {
        let head = format!(r#"<{name} classCode="OBS" moodCode="{mood}" negationInd="{negated}">{template}<id root="1.2.3" extension="{mood}"/>{code}<statusCode code="completed"/>{time}{value}"#);
        format!("{head}|</{name}>")
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        (
            inner.clone(),
            prop::collection::vec(inner, 0..3),
            prop_oneof![Just("SUBJ"), Just("COMP"), Just("REFR"), Just("RSON"), Just("MFST")],
        )
            .prop_map(|(outer, inner, kind)| {
                let open = format!(r#"<entryRelationship typeCode="{kind}">"#);
                let held = inner.iter().fold(String::new(), |held, statement| {
                    held + &open + statement + "</entryRelationship><component>" + statement + "</component>"
                });
                outer.replacen('|', &format!("{}|", held.replace('|', "")), 1)
            })
    })
    .prop_map(|text| text.replace('|', ""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_statement_gives_valid_fhir_and_a_whole_account(
        section in prop_oneof![Just("11450-4"), Just("48765-2"), Just("10160-0"), Just("30954-2"), Just("8716-3"), Just("29762-2"), Just("10157-6"), Just("48768-6"), Just("18776-5"), Just("0")],
        entries in prop::collection::vec(piece(), 1..4),
    ) {
        let entries = format!("<entry>{}</entry>", entries.join("</entry><entry>"));
        let text = wrapped(section, &entries);
        let document = Document::parse(text.clone().into_bytes(), &Limits::default()).unwrap();
        let (bundle, converted) = convert(&text);
        prop_assert_eq!(errors(&bundle), Vec::<String>::new());
        prop_assert_eq!(converted.leaves, count_leaves(document.root()));
        prop_assert_eq!(converted.leaves, converted.mapped + converted.dropped + converted.unmapped);
        let entries = converted.entries_mapped + converted.entries_dropped + converted.entries_unmapped + converted.entries_refused;
        prop_assert_eq!(entries, document.entries().len() as u64);
    }

    #[test]
    fn broken_bytes_never_stop_it(at in 0_usize..3_000, with in "[<>\"&a-z0-9]{0,4}") {
        let mut bytes = wrapped("11450-4", r#"<entry><act classCode="ACT" moodCode="EVN"><code code="CONC"/></act></entry>"#).into_bytes();
        let at = at.min(bytes.len());
        bytes.splice(at..(at + with.len()).min(bytes.len()), with.bytes());
        if let Ok(document) = Document::parse(bytes.clone(), &Limits::default()) {
            let (mut report, mut out) = (Report::new(), Vec::new());
            DEFAULT.convert(&document, &source(&bytes), &mut report, &mut out).unwrap();
            prop_assert!(report.balances());
        }
    }
}

/// Values that headers have and ought not to have.
fn junk() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~]{0,12}".prop_map(|text| text.replace(['<', '&', '"'], "")),
        Just("20120000".to_owned()),
        Just("2.16.840.1.113883.5.1".to_owned()),
        Just("UNK".to_owned())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_header_gives_valid_fhir(values in prop::collection::vec(junk(), 24)) {
        let v = |at: usize| values[at].as_str();
        let text = format!(
            r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="{}" extension="{}"/><code code="{}" codeSystem="{}"/><title>{}</title>
            <effectiveTime value="{}"/><confidentialityCode code="{}"/><languageCode code="{}"/><setId root="1.2"/><versionNumber value="{}"/>
            <recordTarget><patientRole><id root="{}" extension="{}"/><addr use="{}"><streetAddressLine>{}</streetAddressLine><postalCode>{}</postalCode></addr><telecom use="{}" value="{}"/>
            <patient><name use="{}"><given>{}</given><family qualifier="BR">{}</family></name><administrativeGenderCode code="{}"/><birthTime value="{}"/><raceCode code="{}" codeSystem="2.16.840.1.113883.6.238"/>
            <languageCommunication><languageCode code="{}"/></languageCommunication><guardian><guardianPerson><name>{}</name></guardianPerson></guardian></patient></patientRole></recordTarget>
            <author><time value="{}"/><assignedAuthor><id root="{}" extension="{}"/><telecom value="{}"/><assignedPerson><name>{}</name></assignedPerson><representedOrganization><name>{}</name></representedOrganization></assignedAuthor></author>
            <custodian><assignedCustodian><representedCustodianOrganization><id root="{}"/><name>{}</name><addr use="H"><city>{}</city></addr></representedCustodianOrganization></assignedCustodian></custodian>
            <documentationOf><serviceEvent classCode="PCPR"><effectiveTime><low value="{}"/><high value="{}"/></effectiveTime></serviceEvent></documentationOf>
            <componentOf><encompassingEncounter><id root="{}" extension="{}"/><code code="{}" codeSystem="2.16.840.1.113883.5.4"/><effectiveTime><low value="{}"/></effectiveTime></encompassingEncounter></componentOf>
            <component><nonXMLBody><text mediaType="{}" representation="B64">{}</text></nonXMLBody></component></ClinicalDocument>"#,
            v(0), v(1), v(2), v(3), v(4), v(5), v(6), v(7), v(8), v(9), v(10), v(11), v(12), v(13), v(14), v(15), v(16), v(17), v(18), v(19), v(20), v(21), v(22), v(23), v(0), v(1), v(2), v(3), v(4), v(5), v(6), v(7),
            v(8), v(9), v(10), v(11), v(12), v(13), v(14), v(15), v(16)
        );
        let (bundle, converted) = convert(&text);
        prop_assert_eq!(errors(&bundle), Vec::<String>::new());
        prop_assert_eq!(converted.leaves, converted.mapped + converted.dropped + converted.unmapped);
    }
}

/// All resources of the entries of a section; the whole Bundle has to be valid.
fn all(section: &str, entries: &str) -> (Value, Converted) {
    let (bundle, converted) = convert(&wrapped(section, entries));
    assert_eq!(errors(&bundle), Vec::<String>::new());
    assert_eq!(converted.entries_refused, 0, "{:?}", converted.findings);
    (bundle, converted)
}

#[test]
fn a_statement_with_a_null_flavor_is_no_fact() {
    let null = |flavor: &str, name: &str, attributes: &str, inner: &str| {
        format!(
            r#"<entry><{name} {attributes} nullFlavor="{flavor}"><statusCode code="completed"/><effectiveTime><low value="2024"/></effectiveTime>{inner}</{name}></entry>"#
        )
    };
    let observation = r#"classCode="OBS" moodCode="EVN""#;
    let value = |code: &str| format!(r#"<value xsi:type="CD" code="{code}" {SNOMED}/>"#);
    let pregnant = null(
        "UNK",
        "observation",
        observation,
        &format!(
            r#"<templateId root="2.16.840.1.113883.10.20.15.3.8"/><id root="1.2" extension="p"/><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/>{}"#,
            value("77386006")
        ),
    );
    let (bundle, converted) = all("29762-2", &pregnant);
    let found = resources(&bundle, "Observation");
    assert_eq!(found[0]["code"]["coding"][0]["code"], "82810-3");
    assert_eq!(found[0]["dataAbsentReason"]["coding"][0]["code"], "unknown");
    assert!(!found[0].to_string().contains("77386006"), "{:#}", found[0]);
    assert!(converted.findings.iter().any(|finding| finding.code == "ccda-null-statement"));
    let result = null(
        "NASK",
        "observation",
        observation,
        &format!(
            r#"<templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="1.2" extension="r"/><code code="2345-7" codeSystem="2.16.840.1.113883.6.1"/>{}<interpretationCode code="H" codeSystem="2.16.840.1.113883.5.83"/>"#,
            value("10828004")
        ),
    );
    let (bundle, _) = all("30954-2", &result);
    let found = resources(&bundle, "Observation")[0];
    assert_eq!(found["dataAbsentReason"]["coding"][0]["code"], "not-asked");
    assert!(found.get("valueCodeableConcept").is_none() && found.get("interpretation").is_none());
    // What is no observation in FHIR cannot say that it is not known: it is left out, and counted.
    let problem = |act: &str, own: &str| {
        format!(
            r#"<entry><act classCode="ACT" moodCode="EVN" {act}><templateId root="2.16.840.1.113883.10.20.22.4.3"/><statusCode code="active"/><entryRelationship typeCode="SUBJ"><observation {observation} {own}><templateId root="2.16.840.1.113883.10.20.22.4.4"/><id root="1.2" extension="q"/><code code="55607006" {SNOMED}/><statusCode code="completed"/>{}</observation></entryRelationship></act></entry>"#,
            value("44054006")
        )
    };
    for (section, kind, entry) in [
        ("11450-4", "Condition", problem(r#"nullFlavor="NI""#, "")),
        ("11450-4", "Condition", problem("", r#"nullFlavor="NAV""#)),
        (
            "48765-2",
            "AllergyIntolerance",
            null(
                "UNK",
                "observation",
                observation,
                &format!(
                    r#"<templateId root="2.16.840.1.113883.10.20.22.4.7"/><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/>{}"#,
                    value("419199007")
                ),
            ),
        ),
        (
            "10160-0",
            "MedicationRequest",
            null(
                "NI",
                "substanceAdministration",
                r#"classCode="SBADM" moodCode="EVN""#,
                r#"<templateId root="2.16.840.1.113883.10.20.22.4.16"/><consumable><manufacturedProduct><manufacturedMaterial><code code="197361" codeSystem="2.16.840.1.113883.6.88"/></manufacturedMaterial></manufacturedProduct></consumable>"#,
            ),
        ),
        (
            "47519-4",
            "Procedure",
            null(
                "UNK",
                "procedure",
                r#"classCode="PROC" moodCode="EVN""#,
                &format!(r#"<templateId root="2.16.840.1.113883.10.20.22.4.14"/><code code="80146002" {SNOMED}/>"#),
            ),
        ),
    ] {
        let (bundle, converted) = all(section, &entry);
        assert_eq!(resources(&bundle, kind).len(), 0, "{entry}");
        assert!(converted.findings.iter().any(|finding| finding.code == "ccda-null-statement"), "{entry}: {:?}", converted.findings);
        assert_eq!((converted.entries_mapped, converted.entries_dropped), (0, 1), "{entry}");
    }
    // A negation for which FHIR has no words leaves the statement out.
    for (section, kind, entry) in [
        ("11450-4", "Condition", problem(r#"negationInd="true""#, "")),
        (
            "61146-7",
            "Goal",
            format!(
                r#"<entry><observation classCode="OBS" moodCode="GOL" negationInd="true"><templateId root="2.16.840.1.113883.10.20.22.4.121"/><code code="289169006" {SNOMED}/><statusCode code="active"/></observation></entry>"#
            ),
        ),
        (
            "46240-8",
            "Encounter",
            format!(
                r#"<entry><encounter classCode="ENC" moodCode="EVN" negationInd="true"><templateId root="2.16.840.1.113883.10.20.22.4.49"/><code code="185347001" {SNOMED}/></encounter></entry>"#
            ),
        ),
    ] {
        let (bundle, converted) = all(section, &entry);
        assert_eq!(resources(&bundle, kind).len(), 0, "{entry}");
        assert!(converted.findings.iter().any(|finding| finding.code == "ccda-negated-statement"), "{entry}: {:?}", converted.findings);
        assert_eq!((converted.entries_mapped, converted.entries_dropped), (0, 1), "{entry}");
    }
    // A null part of a problem does not touch the problem: it stays active.
    let status = format!(
        r#"<entryRelationship typeCode="REFR"><observation {observation} nullFlavor="UNK"><templateId root="2.16.840.1.113883.10.20.22.4.6"/><code code="33999-4" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>{}</observation></entryRelationship></observation>"#,
        value("413322009")
    );
    let (bundle, _) = all("11450-4", &problem("", "").replace("</observation>", &status));
    assert_eq!(resources(&bundle, "Condition")[0]["clinicalStatus"]["coding"][0]["code"], "active");
}

#[test]
fn starts_refusals_and_failures() {
    let result = only(
        "30954-2",
        r#"<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="1.2" extension="r"/><code code="2345-7" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><effectiveTime><low value="20240102"/></effectiveTime><value xsi:type="PQ" value="1" unit="1"/></observation>"#,
        "Observation",
    );
    assert_eq!((&result["effectivePeriod"], result.get("effectiveDateTime")), (&json!({"start": "2024-01-02"}), None));
    let refused = only(
        "11369-6",
        r#"<substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="true"><templateId root="2.16.840.1.113883.10.20.22.4.52"/><id root="1.2" extension="i"/><statusCode code="completed"/><effectiveTime value="20151115"/>
        <consumable><manufacturedProduct><manufacturedMaterial><code code="166" codeSystem="2.16.840.1.113883.12.292"/></manufacturedMaterial></manufacturedProduct></consumable>
        <entryRelationship typeCode="RSON"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.53"/><code code="PATOBJ" codeSystem="2.16.840.1.113883.5.8"/><statusCode code="completed"/></observation></entryRelationship></substanceAdministration>"#,
        "Immunization",
    );
    assert_eq!((&refused["statusReason"]["coding"][0]["code"], refused.get("reasonCode")), (&json!("PATOBJ"), None));
    let failed = only(
        "47519-4",
        &format!(
            r#"<procedure classCode="PROC" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.14"/><id root="1.2" extension="f"/><code code="168731009" {SNOMED}/><statusCode code="completed"/><effectiveTime value="2022"/>
            <entryRelationship typeCode="SUBJ" inversionInd="true"><act classCode="ACT" moodCode="EVN"><code code="103709008" {SNOMED}/><statusCode code="completed"/></act></entryRelationship></procedure>"#
        ),
        "Procedure",
    );
    assert_eq!((&failed["status"], &failed["outcome"]["coding"][0]["code"]), (&json!("stopped"), &json!("103709008")));
}

#[test]
fn codes_of_the_user_come_in_front_and_times_have_their_zone() {
    let entry = r#"<entry><organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/><id root="1.9" extension="o"/>
        <code code="24323-8" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><component><observation classCode="OBS" moodCode="EVN">
        <templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="1.9" extension="r"/><code code="K" codeSystem="1.2.3.99"/>
        <statusCode code="completed"/><effectiveTime value="202007011530"/><value xsi:type="PQ" value="4.1" unit="mmol/L"/></observation></component>
        </organizer></entry>"#;
    let text = wrapped("30954-2", entry);
    let plain = convert(&text).0;
    let zone = crate::Zone::parse("Europe/Berlin");
    let options = Options { terminology: Some(crate::codes::tests::user()), default_zone: zone, ..Options::default() };
    let (bundle, _, report) = convert_with(options, text.as_bytes());
    assert_eq!(errors(&bundle), Vec::<String>::new());
    let of_lab = |bundle: &Value| {
        let all = resources(bundle, "Observation").into_iter().cloned();
        all.into_iter().find(|found| found["effectiveDateTime"].is_string()).unwrap()
    };
    assert_eq!(of_lab(&plain)["effectiveDateTime"], "2020-07-01");
    let found = of_lab(&bundle);
    assert_eq!(found["effectiveDateTime"], "2020-07-01T15:30:00+02:00");
    let front = json!({ "system": "http://loinc.org", "code": "2823-3", "display": "Potassium in Serum" });
    let sent = json!({ "system": "urn:oid:1.2.3.99", "code": "K", "display": "Potassium", "userSelected": true });
    assert_eq!(found["code"]["coding"], json!([front, sent]));
    assert_eq!(found["id"], of_lab(&plain)["id"]);
    let codes = report.codes();
    let lab = codes.systems["urn:oid:1.2.3.99"];
    assert_eq!((lab.seen, lab.known, lab.translated, lab.unknown), (1, 1, 1, 0));
    assert!(codes.systems["http://loinc.org"].unknown > 0 && !codes.systems["http://loinc.org"].loaded);
}
