//! The base definitions: every resource type, every primitive, contained resources, references, codes, invariants.

use serde_json::{Map, Value as Json, json};

use super::{errors, issues, one};
use crate::{
    defs::{ElementDef, Grammar, Strength, TypeDef, TypeKind},
    validate::{IssueCode, IssueSeverity, primitive::Primitive, r4},
};

/// A value of a primitive type.
fn primitive(name: &str, element: &ElementDef) -> Json {
    let bound =
        element.binding.filter(|binding| binding.strength == Strength::Required).and_then(|binding| r4().value_set(binding.value_set));
    match name {
        "boolean" => json!(true),
        "integer" | "positiveInt" | "unsignedInt" | "decimal" => json!(1),
        "date" => json!("2024-01-31"),
        "dateTime" | "instant" => json!("2024-01-31T10:00:00Z"),
        "time" => json!("10:00:00"),
        "base64Binary" => json!("YWJj"),
        "oid" => json!("urn:oid:1.2.3"),
        "uuid" => json!("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
        "uri" | "url" | "canonical" => json!("http://example.org/a"),
        "xhtml" => json!("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"),
        "id" => json!("a"),
        _ => bound.map_or_else(
            || json!("x"),
            |set| match set.grammar() {
                Some(Grammar::MediaType) => json!("text/plain"),
                Some(Grammar::Currency) => json!("EUR"),
                Some(_) => json!("en"),
                None => json!(set.iter().map(|(_, code)| code).min()),
            },
        ),
    }
}

fn value(element: &ElementDef, depth: usize) -> Json {
    let one = element.types[0];
    let def = r4().type_of(one.ty);
    match def.name {
        "Reference" => json!({"reference": format!("{}/1", one.targets.first().filter(|name| **name != "Resource").unwrap_or(&"Patient"))}),
        "Resource" => json!({"resourceType": "Basic", "code": {"text": "x"}}),
        "Coding" | "CodeableConcept" => {
            let set = element
                .binding
                .filter(|binding| binding.strength == Strength::Required)
                .and_then(|binding| r4().value_set(binding.value_set));
            let coding = set.and_then(|set| set.iter().min()).map_or_else(
                || json!({"system": "http://example.org/codes", "code": "x"}),
                |(system, code)| json!({"system": system, "code": code}),
            );
            if def.name == "Coding" { coding } else { json!({"coding": [coding]}) }
        }
        _ if def.is_primitive() => primitive(def.name, element),
        _ => Json::Object(minimal(def, depth + 1)),
    }
}

/// The least that an instance of a type must have.
fn minimal(def: &TypeDef, depth: usize) -> Map<String, Json> {
    assert!(depth < 10, "{} needs itself", def.name);
    let mut out = Map::new();
    if def.kind == TypeKind::Resource {
        out.insert("resourceType".to_owned(), def.name.into());
    }
    // Something to be there at all, for a type without required elements.
    let any = |element: &&ElementDef| element.min > 0 || element.name == "text" || element.name == "display" || element.name == "value";
    let required: Vec<&ElementDef> = def.elements.iter().filter(|element| element.min > 0).collect();
    let chosen = if required.is_empty() && def.kind != TypeKind::Resource {
        let plain = |element: &&ElementDef| element.types.first().is_some_and(|one| r4().type_of(one.ty).is_primitive());
        let mut own = def.elements.iter().filter(|element| element.name != "id");
        own.clone().find(|element| any(element) && plain(element)).or_else(|| own.find(plain)).into_iter().collect()
    } else {
        required
    };
    for element in chosen {
        let ty = r4().type_of(element.types[0].ty).name;
        let name =
            if element.choice { format!("{}{}{}", element.name, ty[..1].to_ascii_uppercase(), &ty[1..]) } else { element.name.to_owned() };
        let one = value(element, depth);
        out.insert(name, if element.is_list() { json!([one]) } else { one });
    }
    out
}

/// The errors that are no invariants.
fn structural(resource: &Json) -> Vec<String> {
    let found = issues(&resource.to_string());
    let errors = found.into_iter().filter(|issue| issue.severity >= IssueSeverity::Error && issue.code != IssueCode::Invariant);
    errors.map(|issue| format!("{}: {}", issue.expression, issue.diagnostics)).collect()
}

#[test]
fn every_resource_type_is_checked() {
    let types: Vec<&TypeDef> = r4().types().iter().filter(|def| def.kind == TypeKind::Resource && !def.is_abstract).collect();
    assert_eq!(types.len(), 146);
    for def in types {
        let least = minimal(def, 0);
        assert_eq!(structural(&Json::Object(least.clone())), Vec::<String>::new(), "{}: {}", def.name, Json::Object(least.clone()));
        let mut unknown = least.clone();
        unknown.insert("sutura".to_owned(), json!(1));
        let found = structural(&Json::Object(unknown));
        assert_eq!(found, [format!("{}: a property is no element of {}", def.name, def.name)]);
        for name in least.keys().filter(|name| *name != "resourceType") {
            let mut less = least.clone();
            less.remove(name);
            let found = structural(&Json::Object(less));
            assert!(found.iter().any(|one| one.contains("is required")), "{} without {name}: {found:?}", def.name);
        }
        for element in &def.elements {
            // A list where one value may stand, one value where a list must.
            let name = element.name;
            if element.choice || name == "contained" || r4().type_of(element.types[0].ty).is_abstract {
                continue;
            }
            let one = value(element, 0);
            let wrong = if element.is_list() { one } else { json!([one]) };
            let mut resource = least.clone();
            resource.insert(name.to_owned(), wrong);
            let found = structural(&Json::Object(resource));
            assert!(found.iter().any(|one| one.contains("JSON array")), "{}.{name}: {found:?}", def.name);
        }
    }
}

#[test]
fn every_primitive_has_its_format() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("boolean", &["true", "false"], &["1", "\"true\"", "null"]),
        ("integer", &["0", "-1", "2147483647"], &["1.0", "2147483648", "\"1\"", "1e2"]),
        ("unsignedInt", &["0", "2147483647"], &["-1", "1.5"]),
        ("positiveInt", &["1"], &["0", "-1"]),
        ("decimal", &["1.50", "-0.0", "1e-3"], &["\"1\"", "true"]),
        (
            "date",
            &["\"2024\"", "\"2024-02\"", "\"2024-02-29\""],
            &["\"2023-02-29\"", "\"2024-1\"", "\"24-01-01\"", "\"2024-01-01T00:00:00Z\"", "20240101"],
        ),
        (
            "dateTime",
            &["\"2024\"", "\"2024-01-01T23:59:60Z\"", "\"2024-01-01T00:00:00.123+14:00\""],
            &["\"2024-01-01T10:00\"", "\"2024-01-01T10:00:00\"", "\"2024-01-01 10:00:00Z\""],
        ),
        ("instant", &["\"2024-01-01T10:00:00Z\""], &["\"2024-01-01\"", "\"2024\""]),
        ("time", &["\"10:00:00\"", "\"23:59:59.5\""], &["\"10:00\"", "\"24:00:00\"", "\"10:00:00Z\""]),
        ("base64Binary", &["\"YWJj\"", "\"YQ==\""], &["\"YWJ\"", "\"a*==\""]),
        ("code", &["\"a b\""], &["\" a\"", "\"a  b\"", "\"\""]),
        ("id", &["\"a-1.B\""], &["\"a_1\"", "\"a b\""]),
        ("oid", &["\"urn:oid:2.16.840\""], &["\"2.16.840\"", "\"urn:oid:a\""]),
        ("uuid", &["\"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7\""], &["\"53fefa32-fcbb-4ff8-8a92-55ee120877b7\"", "\"urn:uuid:53\""]),
        ("uri", &["\"urn:a\"", "\"http://a/b\""], &["\"http://a b\"", "\"\""]),
        ("string", &["\"a\\nb\""], &["\"\"", "\"a\\u0001b\"", "1"]),
    ];
    for (name, good, bad) in cases {
        let kind = Primitive::named(name).unwrap();
        let verdict = |text: &str| {
            let mut parser = crate::json::Parser::default();
            let text = format!("[{text}]");
            let document = parser.parse(text.as_bytes()).unwrap();
            let value = document.root().items().next().unwrap();
            kind.check(value).is_ok()
        };
        for text in *good {
            assert!(verdict(text), "{name} {text}");
        }
        for text in *bad {
            assert!(!verdict(text), "{name} {text}");
        }
    }
}

#[test]
fn elements_need_content() {
    one(r#"{"resourceType":"Patient","name":[{"id":"x"}]}"#, "Patient.name[0]", "ele-1");
    one(r#"{"resourceType":"Patient","maritalStatus":{}}"#, "Patient.maritalStatus", "ele-1");
    assert!(errors(r#"{"resourceType":"Patient","id":"x"}"#).is_empty());
    assert!(errors(r#"{"resourceType":"Patient","birthDate":"2000","_birthDate":{"id":"x"}}"#).is_empty());
}

#[test]
fn contained_resources() {
    let with = |contained: &str| {
        format!(r##"{{"resourceType":"Patient","managingOrganization":{{"reference":"#o"}},"contained":[{contained}]}}"##)
    };
    assert_eq!(errors(&with(r#"{"resourceType":"Organization","id":"o","name":"x"}"#)), Vec::<String>::new());
    let inner =
        with(r#"{"resourceType":"Organization","id":"o","name":"x","contained":[{"resourceType":"Basic","id":"b","code":{"text":"x"}}]}"#);
    assert!(errors(&inner).iter().any(|found| found.starts_with("Patient: ") && found.contains("dom-2")), "{:?}", errors(&inner));
    one(&with(r#"{"resourceType":"Organization","id":"o","name":"x","meta":{"versionId":"1"}}"#), "Patient", "dom-4");
    one(&with(r#"{"resourceType":"Organization","id":"o","name":"x","meta":{"lastUpdated":"2024-01-01T00:00:00Z"}}"#), "Patient", "dom-4");
    one(
        &with(r#"{"resourceType":"Organization","id":"o","name":"x","meta":{"security":[{"system":"http://s","code":"x"}]}}"#),
        "Patient",
        "dom-5",
    );
    let nameless = errors(&with(r#"{"resourceType":"Organization","name":"x"}"#));
    assert!(nameless.iter().any(|found| found.starts_with("Patient.contained[0]: ") && found.contains("must have an id")), "{nameless:?}");
    // A contained resource is checked as any other.
    one(&with(r#"{"resourceType":"Organization","id":"o","name":1}"#), "Patient.contained[0].name", "must be a JSON string");
    // dom-3: it is referred to, or refers to its container.
    let back = r##"{"resourceType":"Patient","contained":[{"resourceType":"Observation","id":"a","status":"final","code":{"text":"x"},"subject":{"reference":"#"}}]}"##;
    assert_eq!(errors(back), Vec::<String>::new());
    let circle = r##"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"x","partOf":{"reference":"#b"}},
        {"resourceType":"Organization","id":"b","name":"x","partOf":{"reference":"#a"}}],"managingOrganization":{"reference":"#a"}}"##;
    assert_eq!(errors(circle), Vec::<String>::new());
}

#[test]
fn targets_of_references() {
    let to = |reference: &str| format!(r#"{{"resourceType":"Patient","managingOrganization":{{"reference":"{reference}"}}}}"#);
    for good in [
        "Organization/1",
        "http://a/Organization/1/_history/2",
        "Organization?identifier=x",
        "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",
        "http://a/b",
    ] {
        assert_eq!(errors(&to(good)), Vec::<String>::new(), "{good}");
    }
    for bad in ["Patient/1", "http://a/Patient/1/_history/2", "Patient?identifier=x"] {
        one(&to(bad), "Patient.managingOrganization", "a type of resource that the element does not allow");
    }
    let contained =
        r##"{"resourceType":"Patient","managingOrganization":{"reference":"#p"},"contained":[{"resourceType":"Practitioner","id":"p"}]}"##;
    one(contained, "Patient.managingOrganization", "does not allow");
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7","resource":{"resourceType":"Practitioner"}},
        {"fullUrl":"urn:uuid:63fefa32-fcbb-4ff8-8a92-55ee120877b7","resource":{"resourceType":"Patient",
            "managingOrganization":{"reference":"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}}}]}"#;
    one(bundle, "Bundle.entry[1].resource.managingOrganization", "does not allow");
    let parameters = r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b",
        "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/parameters-fullUrl","valueUri":"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}],
        "resource":{"resourceType":"Practitioner"}}]},
        {"name":"c","resource":{"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}}}]}"#;
    one(parameters, "Parameters.parameter[1].resource.managingOrganization", "does not allow");
    one(
        r#"{"resourceType":"Patient","managingOrganization":{"reference":"Organization/1","type":"Patient"}}"#,
        "Patient.managingOrganization",
        "not the type",
    );
}

#[test]
fn codes_and_bindings() {
    let severity = |text: &str| {
        issues(text).into_iter().filter(|issue| issue.code == IssueCode::CodeInvalid).map(|issue| issue.severity).collect::<Vec<_>>()
    };
    let marital = |code: &str| {
        format!(
            r#"{{"resourceType":"Patient","maritalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"{code}"}}]}}}}"#
        )
    };
    assert_eq!(severity(&marital("M")), []);
    // Extensible: a warning.
    assert_eq!(severity(&marital("ZZ")), [IssueSeverity::Warning]);
    // Preferred: an information.
    let preferred = |code: &str| {
        format!(
            r#"{{"resourceType":"Encounter","status":"planned","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}},
            "hospitalization":{{"dietPreference":[{{"coding":[{{"system":"http://x","code":"y"}}]}}],"specialCourtesy":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-EncounterSpecialCourtesy","code":"{code}"}}]}}]}}}}"#
        )
    };
    assert_eq!(severity(&preferred("VIP")), []);
    assert_eq!(severity(&preferred("ZZ")), [IssueSeverity::Information]);
    // Required: an error, for a code, a Coding and a concept that has codings only outside of it.
    assert_eq!(severity(r#"{"resourceType":"Patient","gender":"m"}"#), [IssueSeverity::Error]);
    let clinical =
        |coding: &str| format!(r#"{{"resourceType":"Condition","subject":{{"display":"x"}},"clinicalStatus":{{"coding":[{coding}]}}}}"#);
    assert_eq!(severity(&clinical(r#"{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}"#)), []);
    assert_eq!(severity(&clinical(r#"{"system":"http://x","code":"active"}"#)), [IssueSeverity::Error]);
    assert_eq!(severity(&clinical(r#"{"code":"active"}"#)), [IssueSeverity::Error]);
    // Out of the preferred set, and of the largest one that its codes may come from.
    let language = severity(r#"{"resourceType":"Patient","language":"not a language"}"#);
    assert_eq!(language, [IssueSeverity::Error, IssueSeverity::Information]);
}

#[test]
fn invariants_by_hand_and_by_fhirpath() {
    // By hand.
    one(r#"{"resourceType":"Patient","contact":[{"gender":"male"}]}"#, "Patient.contact[0]", "pat-1");
    // By FHIRPath.
    let list =
        r#"{"resourceType":"List","status":"current","mode":"snapshot","emptyReason":{"text":"x"},"entry":[{"item":{"display":"x"}}]}"#;
    one(list, "List", "lst-1");
    let deleted = r#"{"resourceType":"List","status":"current","mode":"snapshot","entry":[{"deleted":true,"item":{"display":"x"}}]}"#;
    one(deleted, "List", "lst-2");
    // One that is a warning stays one.
    let nameless = issues(r#"{"resourceType":"ValueSet","status":"active","name":"not a name"}"#);
    assert!(nameless.iter().any(|issue| issue.severity == IssueSeverity::Warning && issue.diagnostics.contains("vsd-0")), "{nameless:?}");
    // More than one condition needs a behaviour, as the rule's text says.
    let condition = json!({"question": "1", "operator": "exists", "answerBoolean": true});
    let questionnaire = |behavior: Option<&str>| {
        let mut item = json!({"linkId": "2", "type": "string", "enableWhen": [condition, condition]});
        if let Some(behavior) = behavior {
            item["enableBehavior"] = json!(behavior);
        }
        json!({"resourceType": "Questionnaire", "status": "active", "item": [{"linkId": "1", "type": "string"}, item]}).to_string()
    };
    one(&questionnaire(None), "Questionnaire.item[1]", "que-12");
    assert_eq!(errors(&questionnaire(Some("any"))), Vec::<String>::new());
}

#[test]
fn entries_of_bundles() {
    let bundle = |kind: &str, entry: &str| format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entry}]}}"#);
    let patient = r#""resource":{"resourceType":"Patient","id":"1"}"#;
    assert_eq!(errors(&bundle("collection", &format!(r#"{{"fullUrl":"http://a/Patient/1",{patient}}}"#))), Vec::<String>::new());
    one(&bundle("collection", &format!("{{{patient}}}")), "Bundle.entry[0]", "must have a fullUrl");
    one(&bundle("collection", &format!(r#"{{"fullUrl":"http://a/Patient/2",{patient}}}"#)), "Bundle.entry[0]", "own type and id");
    one(&bundle("collection", &format!(r#"{{"fullUrl":"Patient/1",{patient}}}"#)), "Bundle.entry[0]", "absolute");
    one(&bundle("searchset", r#"{"resource":{"resourceType":"Patient"}}"#), "Bundle.entry[0]", "must have ids");
    let request = r#""request":{"method":"POST","url":"Patient"}"#;
    assert_eq!(errors(&bundle("transaction", &format!("{{{request},{patient}}}"))), Vec::<String>::new());
    one(&bundle("transaction", &format!("{{{patient}}}")), "Bundle", "bdl-3");
    // What is inside of an entry is checked too.
    let inner = bundle("collection", r#"{"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1","gender":"x"}}"#);
    one(&inner, "Bundle.entry[0].resource.gender", "required value set");
}

#[test]
fn narratives() {
    let with = |div: &str| json!({"resourceType": "Patient", "text": {"status": "generated", "div": div}}).to_string();
    assert_eq!(errors(&with("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>")), Vec::<String>::new());
    one(&with("<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>a</script></div>"), "Patient.text.div", "may not have (txt-1)");
    one(&with("<div xmlns=\"http://www.w3.org/1999/xhtml\"></div>"), "Patient.text.div", "no text (txt-2)");
}

#[test]
fn bundles_of_documents_and_pages() {
    let links = |second: &str| {
        json!({"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "self", "url": "http://a"}, {"relation": second, "url": "http://b"}]}).to_string()
    };
    assert_eq!(errors(&links("next")), Vec::<String>::new());
    one(&links("self"), "Bundle", "a link relation may stand only once");
    // In a document a relative reference is relative to the entry's own fullUrl.
    let document = |base: &str| {
        json!({"resourceType": "Bundle", "type": "document", "identifier": {"system": "http://s", "value": "1"}, "timestamp": "2024-01-01T00:00:00Z", "entry": [
            {"fullUrl": "http://one/Composition/1", "resource": {"resourceType": "Composition", "id": "1", "status": "final", "type": {"text": "x"},
             "date": "2024", "title": "x", "author": [{"display": "x"}], "subject": {"reference": "Patient/1"}}},
            {"fullUrl": format!("{base}/Patient/1"), "resource": {"resourceType": "Patient", "id": "1"}}]}).to_string()
    };
    assert_eq!(errors(&document("http://one")), Vec::<String>::new());
    one(&document("http://two"), "Bundle.entry[0].resource.subject", "a fullUrl that the reference does not mean");
}

#[test]
fn data_types_beyond_their_definitions() {
    let attachment =
        |size: u32| json!({"resourceType": "Patient", "photo": [{"contentType": "image/png", "data": "YWJj", "size": size}]}).to_string();
    assert_eq!(errors(&attachment(3)), Vec::<String>::new());
    one(&attachment(4), "Patient.photo[0]", "not the size of the data");
    let coding = |system: &str| json!({"resourceType": "Basic", "code": {"coding": [{"system": system, "code": "x"}]}}).to_string();
    assert_eq!(errors(&coding("urn:oid:1.2")), Vec::<String>::new());
    one(&coding("local"), "Basic.code.coding[0]", "an absolute URI");
    let names = |siblings: &str| format!(r#"{{"resourceType":"Patient","name":[{{"given":["a"],"_given":{siblings}}}]}}"#);
    assert_eq!(errors(&names(r#"[{"id":"x"}]"#)), Vec::<String>::new());
    one(&names(r#"[{"id":"x"},null]"#), "Patient.name[0].given", "more entries with '_'");
    one(&names(r#"{"id":"x"}"#), "Patient.name[0].given", "must be a JSON array");
}

#[test]
fn many_contained_resources_are_found_quickly() {
    let count = 3000;
    let contained: Vec<Json> = (0..count)
        .map(|number| json!({"resourceType": "Observation", "id": format!("o{number}"), "status": "final", "code": {"text": "x"}}))
        .collect();
    let members: Vec<Json> = (0..count).map(|number| json!({"reference": format!("#o{number}")})).collect();
    let resource =
        json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "contained": contained, "hasMember": members});
    assert_eq!(errors(&resource.to_string()), Vec::<String>::new());
    let mut wrong = resource;
    wrong["hasMember"][7]["reference"] = json!("#none");
    let found = errors(&wrong.to_string());
    assert!(found.iter().any(|one| one.starts_with("Observation.hasMember[7]: ") && one.contains("ref-1")), "{found:?}");
}
