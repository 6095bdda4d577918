// Fixtures are written where they are used.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value as Json, json};

use crate::{
    json::Parser,
    validate::{IssueSeverity, ProfileStore, Validator},
};

fn concept(code: &str) -> Json {
    json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-population", "code": code}]})
}

fn scored(scoring: &str, groups: Json) -> Json {
    let mut measure = json!({"resourceType": "Measure", "url": "http://example.org/m", "status": "active", "group": groups});
    if !scoring.is_empty() {
        measure["scoring"] = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-scoring", "code": scoring}]});
    }
    measure
}

fn measure(scoring: &str) -> Json {
    let criteria = json!({"language": "text/cql", "expression": "x"});
    scored(
        scoring,
        json!([{"population": [
            {"code": concept("numerator"), "criteria": criteria},
            {"code": concept("denominator"), "criteria": criteria},
            {"code": concept("measure-observation"), "criteria": criteria}],
            "stratifier": [{"code": {"text": "age"}, "component": [{"code": {"text": "sex"}, "criteria": criteria}]}]}]),
    )
}

fn group() -> Json {
    json!({"population": [{"code": concept("numerator"), "count": 1}, {"code": concept("denominator"), "count": 2}], "measureScore": {"value": 0.5}})
}

fn validate(resource: &Json, loaded: &[Json], least: IssueSeverity) -> Vec<String> {
    let mut store = ProfileStore::new();
    for one in loaded {
        store.add(one.clone());
    }
    let text = resource.to_string();
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    let issues = Validator::default().with_profiles(store).validate(document.root());
    issues
        .into_iter()
        .filter(|issue| issue.severity >= least && !issue.diagnostics.contains("dom-6"))
        .map(|issue| format!("{}: {}", issue.expression.replace("MeasureReport", "MR"), issue.diagnostics))
        .collect()
}

fn report(kind: &str, groups: &Json) -> Json {
    json!({"resourceType": "MeasureReport", "status": "complete", "type": kind, "measure": "http://example.org/m",
        "period": {"start": "2024-01-01", "end": "2024-12-31"}, "group": groups})
}

fn errors(measure: &Json, report: &Json) -> Vec<String> {
    validate(report, std::slice::from_ref(measure), IssueSeverity::Error)
}

fn one(measure: &Json, report: &Json, place: &str, what: &str) {
    let found = errors(measure, report);
    assert!(found.len() == 1 && found[0].starts_with(&format!("{place}: ")) && found[0].contains(what), "{what}: {found:?}");
}

/// The group after a change.
fn changed(change: impl FnOnce(&mut Json)) -> Json {
    let mut group = group();
    change(&mut group);
    report("summary", &json!([group]))
}

#[test]
fn a_report_that_fits() {
    assert_eq!(errors(&measure("proportion"), &report("summary", &json!([group()]))), Vec::<String>::new());
    assert_eq!(validate(&report("summary", &json!([group()])), &[measure("proportion")], IssueSeverity::Information), Vec::<String>::new());
    let unknown = validate(&report("summary", &json!([group()])), &[], IssueSeverity::Information);
    assert!(unknown.len() == 1 && unknown[0].contains("neither contained nor loaded"), "{unknown:?}");
}

#[test]
fn scores() {
    let scoreless = changed(|group| drop(group.as_object_mut().unwrap().remove("measureScore")));
    for scoring in ["proportion", "ratio", "continuous-variable"] {
        one(&measure(scoring), &scoreless, "MR.group[0]", "is reported with a score");
    }
    assert_eq!(errors(&measure("cohort"), &scoreless), Vec::<String>::new());
    assert_eq!(errors(&measure(""), &scoreless), Vec::<String>::new());
    one(&measure("cohort"), &report("summary", &json!([group()])), "MR.group[0]", "a cohort measure has no score");
    one(&measure("ratio"), &changed(|group| group["measureScore"] = json!({"unit": "%"})), "MR.group[0]", "the score has no value");
    // A group of its own scoring.
    let mut mixed = measure("proportion");
    mixed["group"][0]["extension"] = json!([{"url": super::GROUP_SCORING, "valueCodeableConcept":
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-scoring", "code": "cohort"}]}}]);
    one(&mixed, &report("summary", &json!([group()])), "MR.group[0]", "a cohort measure has no score");
}

/// All that is found, each `place: text` as the pairs say, in order.
fn all(measure: &Json, report: &Json, expected: &[(&str, &str)]) {
    let found = errors(measure, report);
    let fits = |(found, (place, what)): (&String, &(&str, &str))| found.starts_with(&format!("{place}: ")) && found.contains(what);
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(fits), "{expected:?}: {found:?}");
}

#[test]
fn populations() {
    let proportion = measure("proportion");
    let with = |code: &str| changed(|group| group["population"][1]["code"] = concept(code));
    let missing = ("MR.group[0]", "a population of the Measure's group is missing");
    all(&proportion, &with("numerator"), &[("MR.group[0].population[1]", "has this population of the Measure already"), missing]);
    all(&proportion, &with("denominator-exclusion"), &[("MR.group[0].population[1]", "no population of this code"), missing]);
    let mut pending = with("numerator");
    pending["group"][0]["population"].as_array_mut().unwrap().pop();
    one(&proportion, &pending, missing.0, missing.1);
    pending["status"] = json!("pending");
    assert_eq!(errors(&proportion, &pending), Vec::<String>::new());
    // Two initial populations of a ratio.
    let criteria = json!({"language": "text/cql", "expression": "x"});
    let initial = json!({"code": concept("initial-population"), "criteria": criteria});
    let ratio = scored("", json!([{"population": [initial, initial]}]));
    let count = json!({"code": concept("initial-population"), "count": 1});
    assert_eq!(errors(&ratio, &report("summary", &json!([{"population": [count, count]}]))), Vec::<String>::new());
}

#[test]
fn subjects_and_counts() {
    let listed = |kind: &str| {
        let mut group = group();
        group["population"][0] = json!({"code": concept("numerator"), "subjectResults": {"reference": "List/1"}});
        report(kind, &json!([group]))
    };
    one(&measure(""), &listed("summary"), "MR.group[0].population[0]", "only reports of type subject-list");
    assert_eq!(errors(&measure(""), &listed("subject-list")), Vec::<String>::new());
    let uncounted = changed(|group| group["population"][0] = json!({"code": concept("numerator")}));
    let found = validate(&uncounted, &[measure("")], IssueSeverity::Warning);
    assert!(found.len() == 1 && found[0].contains("with its count"), "{found:?}");
}

#[test]
fn stratifiers() {
    let with = |stratifier: Json| changed(|group| group["stratifier"] = json!([stratifier]));
    let stratum = |code: &str| json!([{"component": [{"code": {"text": code}, "value": {"text": "1"}}]}]);
    let plain = measure("");
    assert_eq!(errors(&plain, &with(json!({"code": [{"text": "age"}], "stratum": stratum("sex")}))), Vec::<String>::new());
    assert_eq!(errors(&plain, &with(json!({"stratum": stratum("sex")}))), Vec::<String>::new());
    one(&plain, &with(json!({"code": [{"text": "height"}]})), "MR.group[0].stratifier[0]", "no stratifier of this code");
    one(&plain, &with(json!({"code": [{"text": "age"}], "stratum": stratum("weight")})), "MR.group[0].stratifier[0]", "no component");
}

#[test]
fn groups() {
    let coded = json!({"coding": [{"system": "http://s", "code": "b"}]});
    let criteria = json!({"language": "text/cql", "expression": "x"});
    let population = json!([{"criteria": criteria}]);
    let two = scored("", json!([{"code": {"text": "a"}, "population": population}, {"code": coded, "population": population}]));
    let group = |code: &Json| json!({"code": code, "population": [{"count": 1}]});
    let (a, b) = (group(&json!({"text": "a"})), group(&coded));
    assert_eq!(errors(&two, &report("summary", &json!([a, b]))), Vec::<String>::new());
    one(&two, &report("summary", &json!([a])), "MR", "group 2 of the Measure is missing");
    let missing = ("MR", "group 2 of the Measure is missing");
    all(&two, &report("summary", &json!([a, a])), &[("MR.group[1]", "has this group of the Measure already"), missing]);
    all(&two, &report("summary", &json!([a, group(&json!({"text": "z"}))])), &[("MR.group[1]", "no group of this code"), missing]);
    all(&two, &report("summary", &json!([a, {"population": [{"count": 1}]}])), &[("MR.group[1]", "several groups"), missing]);
    let mut measure = two.clone();
    measure["id"] = json!("m");
    let mut contained = report("summary", &json!([a]));
    contained["contained"] = json!([measure]);
    contained["measure"] = json!("#m");
    assert!(errors(&two, &contained).iter().any(|one| one.contains("group 2")), "{:?}", errors(&two, &contained));
}

#[test]
fn criteria_in_cql() {
    // define "Known": true
    let library = json!({"resourceType": "Library", "url": "http://example.org/l", "name": "Lib", "status": "active",
        "content": [{"contentType": "text/cql", "data": "ZGVmaW5lICJLbm93biI6IHRydWU="}]});
    let found = |expression: &str| {
        let criteria = json!({"language": "text/cql", "expression": expression});
        let mut measure = scored("", json!([{"population": [{"criteria": criteria}]}]));
        measure["library"] = json!(["http://example.org/l"]);
        measure["type"] = json!([{"text": "x"}]);
        validate(&measure, std::slice::from_ref(&library), IssueSeverity::Error)
    };
    assert_eq!(found("Lib.Known"), Vec::<String>::new());
    assert_eq!(found("\"Known\""), Vec::<String>::new());
    assert_eq!(found("Other.Unknown"), Vec::<String>::new());
    let wrong = found("Lib.Unknown");
    assert!(wrong.len() == 1 && wrong[0].starts_with("Measure.group[0].population[0].criteria: "), "{wrong:?}");
    assert_eq!(found("Unknown").len(), 1);
}
