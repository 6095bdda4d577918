use std::fmt::Write as _;

use chrono::NaiveDate;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    json::Parser,
    validate::{IssueSeverity, Options as Validation, ProfileStore},
};

fn options() -> Options {
    Options::new(NaiveDate::from_ymd_opt(2024, 7, 1).unwrap())
}

fn run(enricher: &Enricher, text: &str) -> (String, Outcome) {
    let mut parser = Parser::default();
    let mut out = Vec::new();
    let outcome = enricher.enrich(parser.parse(text.as_bytes()).unwrap().root(), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), outcome)
}

fn enriched(resource: &Json) -> Json {
    serde_json::from_str(&run(&Enricher::new(options()), &resource.to_string()).0).unwrap()
}

/// Our extensions of that name.
fn of<'j>(resource: &'j Json, name: &str) -> Vec<&'j Json> {
    let url = format!("{BASE}{name}");
    resource["extension"].as_array().into_iter().flatten().filter(|one| one["url"] == url.as_str()).collect()
}

fn part<'j>(extension: &'j Json, name: &str) -> Option<&'j Json> {
    extension["extension"].as_array()?.iter().find(|one| one["url"] == name)
}

fn patient(birth: &str) -> Json {
    json!({"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": birth})
}

fn bundle(resources: &[Json]) -> Json {
    let entries: Vec<Json> = resources
        .iter()
        .map(|resource| {
            let url =
                format!("https://example.org/{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap_or("x"));
            json!({"fullUrl": url, "resource": resource})
        })
        .collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries})
}

fn observation(code: &str, value: &Json) -> Json {
    json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2024-06-01", "valueQuantity": value})
}

fn quantity(value: f64, unit: &str) -> Json {
    json!({"value": value, "system": "http://unitsofmeasure.org", "code": unit})
}

/// The significance (or the reason against it) of an Observation of a patient born then.
fn significance(birth: &str, observation: &Json) -> String {
    let found = enriched(&bundle(&[patient(birth), observation.clone()]));
    let extensions = of(&found["entry"][1]["resource"], "clinical-significance");
    let mut shown = String::new();
    for extension in extensions {
        let code = part(extension, "significance").unwrap()["valueCoding"]["code"].as_str().unwrap();
        let reason = part(extension, "reason").map_or("", |reason| reason["valueCode"].as_str().unwrap());
        let _ = write!(shown, "{code} {reason};");
    }
    shown
}

#[test]
fn ages_of_the_living_and_the_dead() {
    let found = enriched(&patient("1950-03-02"));
    let age = of(&found, "age")[0];
    assert_eq!(part(age, "value").unwrap()["valueQuantity"]["value"], 74);
    assert_eq!(part(age, "value").unwrap()["valueQuantity"]["code"], "a");
    assert_eq!(part(age, "asOf").unwrap()["valueDate"], "2024-07-01");
    assert_eq!(of(&found, "risk-factor")[0]["valueCoding"]["code"], "elderly");
    assert_eq!(of(&found, "population-group")[0]["valueCoding"]["code"], "elderly-female");
    // One resource by itself: nothing is known of conditions.
    assert!(of(&found, "risk-stratum").is_empty());

    let mut dead = patient("1950");
    dead["deceasedDateTime"] = json!("2000-05-09T20:35:22-04:00");
    let found = enriched(&dead);
    let age = of(&found, "age")[0];
    assert_eq!(part(age, "value").unwrap()["valueRange"]["low"]["value"], 49);
    assert_eq!(part(age, "value").unwrap()["valueRange"]["high"]["value"], 50);
    assert_eq!(part(age, "asOf").unwrap()["valueDate"], "2000-05-09");
    assert_eq!(part(age, "atDeath").unwrap()["valueBoolean"], true);
    assert!(of(&found, "risk-factor").is_empty());
    assert_eq!(of(&found, "population-group")[0]["valueCoding"]["code"], "adult-female");

    let mut dead = patient("1950");
    dead["deceasedBoolean"] = json!(true);
    assert!(of(&enriched(&dead), "age").is_empty());
    assert!(of(&enriched(&patient("2030-01-01")), "age").is_empty());
    // The band of 2006 is not certain.
    assert!(of(&enriched(&patient("2006")), "risk-factor").is_empty());
}

#[test]
fn values_are_judged_for_adults_with_a_known_unit() {
    let pressure = |value| observation("8480-6", &quantity(value, "mm[Hg]"));
    assert_eq!(significance("1980-01-01", &pressure(145.0)), "hypertension-stage-2 ;");
    assert_eq!(significance("2006-06-02", &pressure(145.0)), "not-assessed not-adult;");
    // 18 at the observation, whatever the reference day.
    assert_eq!(significance("2006-06-01", &pressure(145.0)), "hypertension-stage-2 ;");
    assert_eq!(significance("2006", &pressure(145.0)), "not-assessed age-unknown;");
    assert_eq!(significance("2005", &pressure(145.0)), "hypertension-stage-2 ;");

    let with = |name: &str, value: Json| {
        let mut observation = pressure(145.0);
        observation[name] = value;
        significance("1980-01-01", &observation)
    };
    assert_eq!(with("valueQuantity", json!({"value": 145, "unit": "mmHg"})), "not-assessed unit-absent;");
    assert_eq!(with("valueQuantity", json!({"value": 145, "code": "mm[Hg]"})), "not-assessed unit-absent;");
    assert_eq!(with("valueQuantity", json!({"value": 145, "system": "http://x.org", "code": "mm[Hg]"})), "not-assessed unit-unknown;");
    assert_eq!(with("valueQuantity", quantity(145.0, "mmHg")), "not-assessed unit-unknown;");
    assert_eq!(with("valueQuantity", quantity(145.0, "kg")), "not-assessed unit-incompatible;");
    assert_eq!(with("valueQuantity", Json::Null), "not-assessed no-quantity;");
    assert_eq!(with("status", json!("entered-in-error")), "not-assessed status;");
    assert_eq!(with("effectiveDateTime", Json::Null), "not-assessed time-unknown;");
    assert_eq!(with("subject", json!({"reference": "Patient/other"})), "not-assessed age-unknown;");
    assert_eq!(with("subject", json!({"reference": "Group/p"})), "not-assessed age-unknown;");
    assert_eq!(with("subject", json!({"display": "somebody"})), "not-assessed subject-unknown;");
    assert_eq!(with("code", json!({"coding": [{"system": "http://x.org", "code": "8480-6"}]})), "");
    assert_eq!(significance("1980-01-01", &observation("8302-2", &quantity(180.0, "cm"))), "");

    let mut bound = quantity(90.0, "mm[Hg]");
    bound["comparator"] = json!("<=");
    assert_eq!(with("valueQuantity", bound.clone()), "critical-low ;");
    bound["comparator"] = json!(">");
    assert_eq!(with("valueQuantity", bound), "not-assessed comparator;");
}

#[test]
fn components_and_conversions() {
    let component = |code: &str, value: f64| json!({"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")});
    let mut panel = observation("85354-9", &Json::Null);
    panel.as_object_mut().unwrap().remove("valueQuantity");
    panel["component"] = json!([component("8480-6", 118.0), component("8462-4", 95.0)]);
    assert_eq!(significance("1980-01-01", &panel), "normal ;hypertension-stage-2 ;");

    let glucose = observation("2345-7", &quantity(7.5, "mmol/L"));
    assert_eq!(significance("1980-01-01", &glucose), "normal ;");
    let creatinine = observation("2160-0", &quantity(106.08, "umol/L"));
    let found = enriched(&bundle(&[patient("1980-01-01"), creatinine]));
    let extension = of(&found["entry"][1]["resource"], "clinical-significance")[0];
    assert_eq!(part(extension, "significance").unwrap()["valueCoding"]["code"], "high");
    assert_eq!(part(extension, "converted").unwrap()["valueQuantity"]["code"], "mg/dL");
    assert_eq!(part(extension, "converted").unwrap()["valueQuantity"]["value"].as_f64(), Some(1.199_977));
    assert_eq!(part(extension, "source").unwrap()["valueCode"], "kost-survey");
}

#[test]
fn a_contained_patient_is_the_subject() {
    let mut pressure = observation("8480-6", &quantity(110.0, "mm[Hg]"));
    pressure["subject"] = json!({"reference": "#c"});
    pressure["contained"] = json!([{"resourceType": "Patient", "id": "c", "birthDate": "1970"}]);
    assert_eq!(significance("2020-01-01", &pressure), "normal ;");
}

fn condition(system: &str, code: &str) -> Json {
    json!({"resourceType": "Condition", "id": code, "subject": {"reference": "Patient/p"}, "code": {"coding": [{"system": system, "code": code}]}})
}

#[test]
fn social_determinants_and_the_risk_stratum() {
    let cm = "http://hl7.org/fhir/sid/icd-10-cm";
    let mut resolved = condition(cm, "J45.20");
    resolved["clinicalStatus"] =
        json!({"coding": [{"code": "resolved", "system": "http://terminology.hl7.org/CodeSystem/condition-clinical"}]});
    let found = enriched(&bundle(&[
        condition(cm, "Z59.41"),
        condition(cm, "E11.22"),
        condition("http://snomed.info/sct", "59621000"),
        resolved,
        patient("1950-01-01"),
    ]));
    let social = of(&found["entry"][0]["resource"], "social-determinant")[0];
    assert_eq!(part(social, "category").unwrap()["valueCoding"]["code"], "food-insecurity");
    assert_eq!(part(social, "code").unwrap()["valueCoding"]["code"], "Z59.41");
    assert!(of(&found["entry"][1]["resource"], "social-determinant").is_empty());
    let mut refuted = condition(cm, "Z59.41");
    refuted["verificationStatus"] =
        json!({"coding": [{"code": "refuted", "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status"}]});
    assert!(of(&enriched(&refuted), "social-determinant").is_empty());
    let stratum = of(&found["entry"][4]["resource"], "risk-stratum")[0];
    // Diabetes, kidney disease, hypertension; food; 65 years.
    assert_eq!(part(stratum, "points").unwrap()["valueUnsignedInt"], 5);
    assert_eq!(part(stratum, "stratum").unwrap()["valueCoding"]["code"], "high");
}

#[test]
fn regions_by_country_and_state() {
    let region = |address: Json, default: Option<&str>| {
        let mut options = options();
        options.default_country = default.map(str::to_owned);
        let resource = json!({"resourceType": "Patient", "address": address}).to_string();
        let found: Json = serde_json::from_str(&run(&Enricher::new(options), &resource).0).unwrap();
        let code = |name: &str| {
            of(&found, "geographic-region")
                .first()
                .and_then(|one| part(one, name))
                .map(|one| one["valueCoding"]["code"].as_str().unwrap().to_owned())
        };
        (code("region"), code("censusRegion"), code("censusDivision"))
    };
    let of = |codes: [&str; 3]| {
        let [a, b, c] = codes.map(|code| Some(code.to_owned()).filter(|code| !code.is_empty()));
        (a, b, c)
    };
    assert_eq!(region(json!([{"state": "MA", "country": "US"}]), None), of(["021", "1", "1"]));
    assert_eq!(region(json!([{"state": " north dakota", "country": "usa"}]), None), of(["021", "2", "4"]));
    assert_eq!(region(json!([{"state": "PR", "country": "US"}]), None), of(["021", "", ""]));
    assert_eq!(region(json!([{"state": "CA"}]), None), of(["", "", ""]));
    assert_eq!(region(json!([{"state": "CA"}]), Some("US")), of(["021", "4", "9"]));
    assert_eq!(region(json!([{"country": "DEU"}]), Some("US")), of(["155", "", ""]));
    assert_eq!(region(json!([{"country": "Narnia, a long way behind the wardrobe"}]), None), of(["", "", ""]));
    let several = json!([{"use": "old", "country": "FR"}, {"use": "work", "country": "IT"}, {"use": "home", "country": "JP"}]);
    assert_eq!(region(several, None), of(["030", "", ""]));
}

fn report(end: &str, numerator: u32) -> Json {
    let population = |code: &str, count: u32| json!({"code": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-population", "code": code}]}, "count": count});
    json!({"resourceType": "MeasureReport", "id": "m", "status": "complete", "type": "individual", "measure": "http://example.org/Measure/a|1",
        "subject": {"reference": "Patient/p"}, "period": {"start": "2023-01-01", "end": end},
        "group": [{"population": [population("initial-population", 1), population("denominator", 1), population("numerator", numerator)],
            "measureScore": {"value": numerator}}]})
}

#[test]
fn measure_results_of_two_passes() {
    let mut patients = PatientIndex::new();
    let mut parser = Parser::default();
    for resource in [report("2023-12-31", 1), report("2023-06-30", 0), patient("1980-01-01")] {
        patients.add(parser.parse(resource.to_string().as_bytes()).unwrap().root()).unwrap();
    }
    assert_eq!((patients.len(), patients.dropped_results()), (1, 0));
    let enricher = Enricher::new(options()).with_patients(Arc::new(patients));
    let found: Json = serde_json::from_str(&run(&enricher, &patient("1980-01-01").to_string()).0).unwrap();
    let [result] = of(&found, "measure-result")[..] else { panic!("one result") };
    assert_eq!(part(result, "measure").unwrap()["valueCanonical"], "http://example.org/Measure/a|1");
    assert_eq!(part(result, "period").unwrap()["valuePeriod"]["end"], "2023-12-31");
    assert_eq!(part(result, "score").unwrap()["valueQuantity"]["value"], 1);
    let populations = result["extension"].as_array().unwrap().iter().filter(|one| one["url"] == "population").count();
    assert_eq!(populations, 3);
    // No Condition was read: no stratum.
    assert!(of(&found, "risk-stratum").is_empty());
    // The observation finds its patient.
    let pressure = observation("8480-6", &quantity(110.0, "mm[Hg]")).to_string();
    assert!(run(&enricher, &pressure).0.contains(r#""code":"normal""#));
}

#[test]
fn the_index_is_bounded_and_doubts_what_contradicts() {
    let mut patients = PatientIndex::new().with_limit(1);
    let mut parser = Parser::default();
    patients.add(parser.parse(patient("1980").to_string().as_bytes()).unwrap().root()).unwrap();
    let mut other = patient("1980");
    other["id"] = json!("q");
    assert_eq!(patients.add(parser.parse(other.to_string().as_bytes()).unwrap().root()), Err(EnrichError::IndexFull));
    // The same id with another birth date: neither is believed.
    patients.add(parser.parse(patient("2020").to_string().as_bytes()).unwrap().root()).unwrap();
    let enricher = Enricher::new(options()).with_patients(Arc::new(patients));
    let found = run(&enricher, &observation("8480-6", &quantity(110.0, "mm[Hg]")).to_string()).0;
    assert!(found.contains(r#""age-unknown""#), "{found}");
    assert!(!format!("{enricher:?}").contains("1980"));
}

#[test]
fn references_of_every_form_find_their_patient() {
    let full_url = "urn:uuid:2b36c1e2-bbe1-45ae-8124-4adad2677702";
    let person = json!({"resourceType": "Patient", "id": "2b36c1e2-bbe1-45ae-8124-4adad2677702", "birthDate": "1980"});
    for (entry_url, reference, known) in [
        (full_url, full_url, true),
        (full_url, "Patient/2b36c1e2-bbe1-45ae-8124-4adad2677702", true),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "Patient/2b36c1e2-bbe1-45ae-8124-4adad2677702", false),
        (
            "https://a.org/Patient/2b36c1e2-bbe1-45ae-8124-4adad2677702",
            "https://a.org/Patient/2b36c1e2-bbe1-45ae-8124-4adad2677702/_history/1",
            true,
        ),
        ("https://a.org/Patient/2b36c1e2-bbe1-45ae-8124-4adad2677702", "https://b.org/Patient/2b36c1e2-bbe1-45ae-8124-4adad2677702", false),
        (full_url, "https://base.org/fhir/Patient/2b36c1e2-bbe1-45ae-8124-4adad2677702", true),
    ] {
        let mut pressure = observation("8480-6", &quantity(110.0, "mm[Hg]"));
        pressure["subject"] = json!({ "reference": reference });
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"fullUrl": entry_url, "resource": person, "request": {"method": "POST", "url": "Patient"}}, {"resource": pressure}]});
        let mut options = options();
        options.service_bases = vec!["https://base.org/fhir/".to_owned()];
        let found = run(&Enricher::new(options), &bundle.to_string()).0;
        assert_eq!(found.contains(r#""code":"normal""#), known, "{entry_url} {reference}");
    }
}

#[test]
fn entries_of_a_bundle_may_be_read_one_by_one() {
    let id = "2b36c1e2-bbe1-45ae-8124-4adad2677702";
    let person = json!({"resourceType": "Patient", "id": id, "birthDate": "1980"}).to_string();
    let mut pressure = observation("8480-6", &quantity(110.0, "mm[Hg]"));
    pressure["subject"] = json!({"reference": format!("urn:uuid:{id}")});
    let mut patients = PatientIndex::new();
    patients.add(Parser::default().parse(person.as_bytes()).unwrap().root()).unwrap();
    let enricher = Enricher::new(options()).with_patients(Arc::new(patients));
    assert!(run(&enricher, &pressure.to_string()).0.contains(r#""code":"normal""#));
}

#[test]
fn what_has_no_extensions_or_is_signed_stays_as_it_is() {
    for text in [
        r#"{ "resourceType" : "Binary", "contentType" : "text/plain" }"#,
        r#"{"resourceType":"Patient","extension":[]}"#,
        r#"{"resourceType":"Patient","extension":{"url":"x"}}"#,
        r#"{"resourceType":"Patient","extension":[null]}"#,
        r#"{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Patient"}}],"signature":{}}"#,
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Nonsense"}},{"resource":7},{}]}"#,
    ] {
        let (found, outcome) = run(&Enricher::new(options()), text);
        assert_eq!(found, text);
        assert_eq!((outcome.passed, outcome.extensions), (1, 0), "{text}");
    }
    let mut parser = Parser::default();
    let mut out = b"before".to_vec();
    for (text, error) in
        [("[]", EnrichError::NotAResource), ("{}", EnrichError::NotAResource), (r#"{"resourceType":"Nonsense"}"#, EnrichError::UnknownType)]
    {
        assert_eq!(Enricher::new(options()).enrich(parser.parse(text.as_bytes()).unwrap().root(), &mut out), Err(error));
    }
    assert_eq!(out, b"before");
}

#[test]
fn blanks_and_numbers_stay_as_sent() {
    let text = "{\n  \"resourceType\": \"Location\",\n  \"position\": { \"longitude\": 1.500, \"latitude\" : -2e0 }\n}\n";
    let mut options = options();
    options.validate = false;
    let enricher = Enricher::new(options);
    let (found, _) = run(&enricher, text);
    let (begin, end) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(found.starts_with(begin) && found.ends_with(&format!("]\n{end}")), "{found}");
    assert_eq!(run(&enricher, &found).0, found);
    // Of an earlier run with more to say, nothing is left; what is not ours stays.
    let earlier = format!(r#"{{ "resourceType":"Slot" , "extension":[{{"url":"{BASE}age","valueString":"x"}}] , "id":"1" }}"#);
    assert_eq!(run(&enricher, &earlier).0, r#"{ "resourceType":"Slot", "id":"1" }"#);
    let first = format!(r#"{{"extension":[{{"url":"{BASE}age"}}],"resourceType":"Slot"}}"#);
    assert_eq!(run(&enricher, &first).0, r#"{"resourceType":"Slot"}"#);
    let other = format!(r#"{{"extension":[{{"url":"{BASE}other"}}, {{"url":"{BASE}age"}}],"resourceType":"Slot"}}"#);
    assert_eq!(run(&enricher, &other).0, format!(r#"{{"extension":[{{"url":"{BASE}other"}}],"resourceType":"Slot"}}"#));
}

/// A validator that knows our definitions and takes any other extension for an error.
fn strict() -> Validator {
    let mut store = ProfileStore::new();
    for text in DEFINITIONS {
        store.add(serde_json::from_str(text).unwrap());
    }
    assert_eq!(store.profile_count(), EXTENSIONS.len());
    assert!(EXTENSIONS.iter().all(|name| store.contains(&format!("{BASE}{name}"))));
    let options = Validation { unknown_extensions: Some(IssueSeverity::Error), ..Validation::default() };
    Validator::new(options).with_profiles(store)
}

fn errors(validator: &Validator, text: &str) -> Vec<String> {
    let mut parser = Parser::default();
    let issues = validator.validate(parser.parse(text.as_bytes()).unwrap().root());
    issues
        .iter()
        .filter(|issue| issue.severity >= IssueSeverity::Error)
        .map(|issue| format!("{}: {}", issue.expression, issue.diagnostics))
        .collect()
}

#[test]
fn the_definitions_are_valid() {
    let validator = strict();
    for text in DEFINITIONS {
        assert_eq!(errors(&validator, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_definitions_have_the_codes_that_are_written() {
    let codes = |name: &str| -> Vec<String> {
        let url = format!("https://sutura.dev/fhir/CodeSystem/{name}");
        let system =
            DEFINITIONS.iter().map(|text| serde_json::from_str::<Json>(text).unwrap()).find(|json| json["url"] == url.as_str()).unwrap();
        system["concept"].as_array().unwrap().iter().map(|concept| concept["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes("clinical-significance"), significance::CODES.map(|(code, _)| code.to_owned()));
    assert_eq!(codes("risk-stratum"), person::STRATA.map(|(code, ..)| code.to_owned()));
    assert_eq!(codes("chronic-condition-group"), chronic::GROUPS.iter().map(|group| group.code.to_owned()).collect::<Vec<_>>());
    let sources: Vec<_> = limits::lines(LIMIT_SOURCES).filter_map(|line| line.split_once('\t')).map(|(key, _)| key.to_owned()).collect();
    assert_eq!(codes("limit-source"), sources);
}

#[test]
fn what_is_written_conforms_to_the_definitions() {
    let validator = strict();
    let cm = "http://hl7.org/fhir/sid/icd-10-cm";
    let mut born = patient("2024-07-01");
    born["id"] = json!("born");
    let mut dead = patient("1950");
    dead["id"] = json!("dead");
    dead["deceasedDateTime"] = json!("2000-05");
    let mut person = patient("1950-01-01");
    person["address"] = json!([{"country": "US", "state": "Texas"}]);
    person["extension"] = json!([{"url": format!("{BASE}age"), "valueString": "of an earlier version"}]);
    let status = json!({"coding": [{"code": "active", "system": "http://terminology.hl7.org/CodeSystem/condition-clinical"}]});
    let mut food = condition(cm, "Z59.41");
    food["clinicalStatus"] = status.clone();
    let mut diabetes = condition(cm, "E11.22");
    diabetes["clinicalStatus"] = status;
    let creatinine = observation("2160-0", &quantity(106.08, "umol/L"));
    let mut unknown = observation("8480-6", &quantity(106.08, "mmHg"));
    unknown["id"] = json!("u");
    let all = bundle(&[person, born, dead, food, diabetes, creatinine, unknown, report("2023-12-31", 1)]);
    let (found, outcome) = run(&Enricher::new(options()), &all.to_string());
    assert!(!errors(&validator, &all.to_string()).is_empty(), "the extension that is not as defined");
    assert_eq!(errors(&validator, &found), Vec::<String>::new(), "{found}");
    assert_eq!((outcome.resources, outcome.enriched, outcome.assessed, outcome.not_assessed), (8, 8, 1, 1));
    for name in EXTENSIONS {
        assert!(found.contains(&format!("\"{BASE}{name}\"")), "{name}");
    }
}
