// Fixtures are written where they are used.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value as Json, json};

use crate::{
    json::Parser,
    validate::{IssueSeverity, ProfileStore, Validator},
};

/// The issues of at least that severity, as `place: text`.
fn found(questionnaire: &Json, items: &Json, status: &str, least: IssueSeverity) -> Vec<String> {
    let mut store = ProfileStore::new();
    store.add(questionnaire.clone());
    let response =
        json!({"resourceType": "QuestionnaireResponse", "status": status, "questionnaire": "http://example.org/q", "item": items});
    let text = response.to_string();
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    let issues = Validator::default().with_profiles(store).validate(document.root());
    issues
        .into_iter()
        .filter(|issue| issue.severity >= least && !issue.diagnostics.contains("dom-6"))
        .map(|issue| format!("{}: {}", issue.expression.replace("QuestionnaireResponse", "QR"), issue.diagnostics))
        .collect()
}

fn form(items: &Json) -> Json {
    json!({"resourceType": "Questionnaire", "url": "http://example.org/q", "version": "2", "status": "active", "item": items,
        "contained": [{"resourceType": "ValueSet", "id": "vs", "status": "active",
            "compose": {"include": [{"system": "http://s", "concept": [{"code": "a"}, {"code": "b"}]}]}}]})
}

fn errors(questions: &Json, items: &Json) -> Vec<String> {
    found(&form(questions), items, "completed", IssueSeverity::Error)
}

fn valid(questions: &Json, items: &Json) {
    assert_eq!(errors(questions, items), Vec::<String>::new(), "{questions} {items}");
}

fn one(questions: &Json, items: &Json, place: &str, what: &str) {
    let found = errors(questions, items);
    assert!(found.len() == 1 && found[0].starts_with(&format!("{place}: ")) && found[0].contains(what), "{what}: {found:?}");
}

/// An item with one answer.
fn answered(link_id: &str, name: &str, value: &Json) -> Json {
    json!({"linkId": link_id, "answer": [{name: value}]})
}

#[test]
fn link_ids_order_and_nesting() {
    let questions = json!([
        {"linkId": "g", "type": "group", "item": [{"linkId": "g1", "type": "string"}]},
        {"linkId": "q", "type": "boolean", "item": [{"linkId": "q1", "type": "integer"}]},
        {"linkId": "d", "type": "display", "text": "read this"}
    ]);
    let group = json!({"linkId": "g", "item": [answered("g1", "valueString", &json!("x"))]});
    let nested = json!({"linkId": "q", "answer": [{"valueBoolean": true, "item": [answered("q1", "valueInteger", &json!(1))]}]});
    valid(&questions, &json!([group, nested, {"linkId": "d"}]));
    one(&questions, &json!([answered("x", "valueString", &json!("x"))]), "QR.item[0]", "no item of this linkId");
    one(&questions, &json!([answered("g1", "valueString", &json!("x"))]), "QR.item[0]", "at another place");
    one(&questions, &json!([nested, group]), "QR.item[1]", "another order");
    one(&questions, &json!([group, group]), "QR", "'g' may stand only once");
    one(&questions, &json!([{"linkId": "g", "answer": [{"valueString": "x"}]}]), "QR.item[0]", "a group has items");
    one(&questions, &json!([{"linkId": "d", "answer": [{"valueString": "x"}]}]), "QR.item[0]", "only displays text");
    let wrong = json!({"linkId": "q", "answer": [{"valueBoolean": true, "item": [answered("q1", "valueString", &json!("1"))]}]});
    one(&questions, &json!([wrong]), "QR.item[0].answer[0].item[0].answer[0]", "type integer has no answers of type string");
    let under_item = json!({"linkId": "q", "item": [answered("q9", "valueInteger", &json!(1))]});
    one(&questions, &json!([under_item]), "QR.item[0].item[0]", "no item of this linkId");
}

#[test]
fn types_of_answers() {
    for (kind, name, good) in [
        ("boolean", "valueBoolean", json!(true)),
        ("decimal", "valueDecimal", json!(1.5)),
        ("integer", "valueInteger", json!(1)),
        ("date", "valueDate", json!("2024-01-01")),
        ("dateTime", "valueDateTime", json!("2024-01-01")),
        ("time", "valueTime", json!("10:00:00")),
        ("string", "valueString", json!("a")),
        ("text", "valueString", json!("a")),
        ("url", "valueUri", json!("http://a")),
        ("attachment", "valueAttachment", json!({"title": "a"})),
        ("reference", "valueReference", json!({"display": "a"})),
        ("quantity", "valueQuantity", json!({"value": 1})),
        ("choice", "valueCoding", json!({"code": "a"})),
        ("open-choice", "valueString", json!("a")),
    ] {
        let questions = json!([{"linkId": "1", "type": kind}]);
        valid(&questions, &json!([answered("1", name, &good)]));
        let (other, value) = if kind == "boolean" { ("valueInteger", json!(1)) } else { ("valueBoolean", json!(true)) };
        one(&questions, &json!([answered("1", other, &value)]), "QR.item[0].answer[0]", "has no answers of type");
    }
}

#[test]
fn required_and_repeated() {
    let questions = json!([{"linkId": "1", "type": "string", "required": true}]);
    one(&questions, &json!([{"linkId": "1"}]), "QR", "'1' has no answer");
    let two = json!([{"linkId": "1", "answer": [{"valueString": "a"}, {"valueString": "b"}]}]);
    one(&questions, &two, "QR.item[0]", "one answer only");
    valid(&json!([{"linkId": "1", "type": "string", "repeats": true}]), &two);
    let group = json!([{"linkId": "g", "type": "group", "required": true, "item": [{"linkId": "1", "type": "string", "required": true}]}]);
    one(&group, &json!([{"linkId": "g"}]), "QR.item[0]", "'1' has no answer");
    // Unfinished responses lack answers.
    let unfinished = found(&form(&questions), &json!([{"linkId": "1"}]), "in-progress", IssueSeverity::Error);
    assert_eq!(unfinished, Vec::<String>::new());
    assert_eq!(found(&form(&questions), &json!([{"linkId": "1"}]), "stopped", IssueSeverity::Warning).len(), 1);
}

#[test]
fn options() {
    let coding = |system: &str, code: &str| json!({"system": system, "code": code});
    let questions = |kind: &str| {
        json!([{"linkId": "1", "type": kind, "answerOption": [
            {"valueCoding": {"system": "http://s", "code": "a", "display": "Alpha"}}, {"valueCoding": {"code": "free"}}]}])
    };
    let given = |name: &str, value: Json| json!([answered("1", name, &value)]);
    valid(&questions("choice"), &given("valueCoding", coding("http://s", "a")));
    valid(&questions("choice"), &given("valueCoding", coding("http://any", "free")));
    one(&questions("choice"), &given("valueCoding", coding("http://s", "x")), "QR.item[0].answer[0]", "none of the question's options");
    one(&questions("choice"), &given("valueCoding", coding("http://t", "a")), "QR.item[0].answer[0]", "none of the question's options");
    one(&questions("choice"), &given("valueString", json!("a")), "QR.item[0].answer[0]", "no options of type string");
    valid(&questions("open-choice"), &given("valueString", json!("something else")));
    valid(&questions("open-choice"), &given("valueCoding", json!({"display": "something else"})));
    one(&questions("open-choice"), &given("valueCoding", coding("http://s", "x")), "QR.item[0].answer[0]", "none of the question's");
    let meant = found(&form(&questions("open-choice")), &given("valueString", json!("Alpha")), "completed", IssueSeverity::Warning);
    assert!(meant.len() == 1 && meant[0].contains("most likely meant"), "{meant:?}");
    let numbers = json!([{"linkId": "1", "type": "choice", "answerOption": [{"valueInteger": 1}, {"valueInteger": 2}]}]);
    valid(&numbers, &given("valueInteger", json!(2)));
    one(&numbers, &given("valueInteger", json!(3)), "QR.item[0].answer[0]", "none of the question's options");
}

#[test]
fn value_sets() {
    let given = |code: &str| json!([answered("1", "valueCoding", &json!({"system": "http://s", "code": code}))]);
    let contained = json!([{"linkId": "1", "type": "choice", "answerValueSet": "#vs"}]);
    valid(&contained, &given("a"));
    one(&contained, &given("x"), "QR.item[0].answer[0]", "not in the question's value set");
    let core = json!([{"linkId": "1", "type": "choice", "answerValueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"}]);
    one(&core, &given("a"), "QR.item[0].answer[0]", "not in the question's value set");
    // Nothing is said of a value set that is not loaded.
    valid(&json!([{"linkId": "1", "type": "choice", "answerValueSet": "http://example.org/unknown"}]), &given("x"));
}

#[test]
fn bounds() {
    let extension =
        |name: &str, kind: &str, value: Json| json!({"url": format!("http://hl7.org/fhir/StructureDefinition/{name}"), kind: value});
    let text = json!([{"linkId": "1", "type": "string", "maxLength": 3, "extension": [extension("minLength", "valueInteger", json!(2))]}]);
    valid(&text, &json!([answered("1", "valueString", &json!("äöü"))]));
    one(&text, &json!([answered("1", "valueString", &json!("abcd"))]), "QR.item[0].answer[0]", "longer than");
    one(&text, &json!([answered("1", "valueString", &json!("a"))]), "QR.item[0].answer[0]", "shorter than");
    let number = json!([{"linkId": "1", "type": "integer", "extension": [
        extension("minValue", "valueInteger", json!(1)), extension("maxValue", "valueInteger", json!(9))]}]);
    valid(&number, &json!([answered("1", "valueInteger", &json!(9))]));
    one(&number, &json!([answered("1", "valueInteger", &json!(0))]), "QR.item[0].answer[0]", "out of the Questionnaire's bounds");
    one(&number, &json!([answered("1", "valueInteger", &json!(10))]), "QR.item[0].answer[0]", "out of the Questionnaire's bounds");
    let several = json!([{"linkId": "1", "type": "integer", "repeats": true, "required": true, "extension": [
        extension("questionnaire-minOccurs", "valueInteger", json!(2)), extension("questionnaire-maxOccurs", "valueInteger", json!(3))]}]);
    let answers = |count: usize| json!([{"linkId": "1", "answer": (0..count).map(|_| json!({"valueInteger": 1})).collect::<Vec<_>>()}]);
    valid(&several, &answers(3));
    one(&several, &answers(1), "QR", "too few");
    one(&several, &answers(4), "QR", "too many");
}

/// What a condition makes of an answer: whether the second question is enabled; none where neither its presence nor its absence is an error.
fn enabled(kind: &str, condition: &Json, answer: Option<(&str, Json)>) -> Option<bool> {
    let mut conditions = vec![condition.clone()];
    conditions[0]["question"] = json!("1");
    let questions = json!([
        {"linkId": "1", "type": kind, "repeats": true},
        {"linkId": "2", "type": "string", "required": true, "enableWhen": conditions}
    ]);
    let mut items: Vec<Json> = answer.iter().map(|(name, value)| answered("1", name, value)).collect();
    let without = if items.is_empty() { json!([{"linkId": "1"}]) } else { json!(items) };
    let missing = errors(&questions, &without).iter().any(|one| one.contains("'2' has no answer"));
    items.push(answered("2", "valueString", &json!("x")));
    let superfluous = errors(&questions, &json!(items)).iter().any(|one| one.contains("'2' is not enabled"));
    assert!(!(missing && superfluous));
    (missing || superfluous).then_some(missing)
}

#[test]
fn conditions() {
    let is = |operator: &str, name: &str, value: Json| json!({"operator": operator, name: value});
    let yes = is("=", "answerBoolean", json!(true));
    assert_eq!(enabled("boolean", &yes, Some(("valueBoolean", json!(true)))), Some(true));
    assert_eq!(enabled("boolean", &yes, Some(("valueBoolean", json!(false)))), Some(false));
    assert_eq!(enabled("boolean", &yes, None), Some(false));
    let exists = is("exists", "answerBoolean", json!(true));
    assert_eq!(enabled("string", &exists, Some(("valueString", json!("x")))), Some(true));
    assert_eq!(enabled("string", &exists, None), Some(false));
    assert_eq!(enabled("string", &is("exists", "answerBoolean", json!(false)), None), Some(true));
    for (operator, with_three, with_five) in
        [(">", false, true), ("<", true, false), (">=", false, true), ("<=", true, false), ("!=", true, true), ("=", false, false)]
    {
        let four = is(operator, "answerInteger", json!(4));
        assert_eq!(enabled("integer", &four, Some(("valueInteger", json!(3)))), Some(with_three), "{operator} 3");
        assert_eq!(enabled("integer", &four, Some(("valueInteger", json!(5)))), Some(with_five), "{operator} 5");
        let equal = matches!(operator, ">=" | "<=" | "=");
        assert_eq!(enabled("integer", &four, Some(("valueInteger", json!(4)))), Some(equal), "{operator} 4");
    }
    let after = is(">", "answerDate", json!("2024-02"));
    assert_eq!(enabled("date", &after, Some(("valueDate", json!("2024-03-01")))), Some(true));
    assert_eq!(enabled("date", &after, Some(("valueDate", json!("2023")))), Some(false));
    // Neither before nor after: a part of it.
    assert_eq!(enabled("date", &after, Some(("valueDate", json!("2024-02-05")))), None);
    let heavy = is(">", "answerQuantity", json!({"value": 80, "code": "kg"}));
    assert_eq!(enabled("quantity", &heavy, Some(("valueQuantity", json!({"value": 90, "code": "kg"})))), Some(true));
    assert_eq!(enabled("quantity", &heavy, Some(("valueQuantity", json!({"value": 90, "code": "[lb_av]"})))), None);
    let coded = is("=", "answerCoding", json!({"system": "http://s", "code": "a"}));
    assert_eq!(enabled("choice", &coded, Some(("valueCoding", json!({"system": "http://s", "code": "a"})))), Some(true));
    assert_eq!(enabled("choice", &coded, Some(("valueCoding", json!({"system": "http://t", "code": "a"})))), Some(false));
    assert_eq!(enabled("choice", &coded, Some(("valueCoding", json!({"system": "http://s", "code": "b"})))), Some(false));
    assert_eq!(enabled("choice", &coded, Some(("valueCoding", json!({"code": "a"})))), None);
    let to = is("=", "answerReference", json!({"reference": "Patient/1"}));
    assert_eq!(enabled("reference", &to, Some(("valueReference", json!({"reference": "Patient/2"})))), Some(false));
}

#[test]
fn all_or_any_condition() {
    let questions = |behavior: &str| {
        json!([{"linkId": "1", "type": "boolean"}, {"linkId": "2", "type": "boolean"},
            {"linkId": "3", "type": "string", "required": true, "enableBehavior": behavior, "enableWhen": [
                {"question": "1", "operator": "=", "answerBoolean": true}, {"question": "2", "operator": "=", "answerBoolean": true}]}])
    };
    let given = json!([answered("1", "valueBoolean", &json!(true)), answered("2", "valueBoolean", &json!(false))]);
    valid(&questions("all"), &given);
    one(&questions("any"), &given, "QR", "'3' has no answer");
}

#[test]
fn conditions_look_at_the_nearest_answer() {
    let questions = json!([{"linkId": "g", "type": "group", "repeats": true, "item": [
        {"linkId": "c", "type": "boolean"},
        {"linkId": "d", "type": "string", "required": true, "enableWhen": [{"question": "c", "operator": "=", "answerBoolean": true}]}]}]);
    let group = |flag: bool, items: Vec<Json>| {
        let mut all = vec![answered("c", "valueBoolean", &json!(flag))];
        all.extend(items);
        json!({"linkId": "g", "item": all})
    };
    let text = || answered("d", "valueString", &json!("x"));
    valid(&questions, &json!([group(true, vec![text()]), group(false, vec![])]));
    one(&questions, &json!([group(true, vec![text()]), group(false, vec![text()])]), "QR.item[1].item[1]", "'d' is not enabled");
    one(&questions, &json!([group(false, vec![]), group(true, vec![])]), "QR.item[1]", "'d' has no answer");
    // Below an answer the question itself is the nearest one.
    let nested = json!([{"linkId": "q", "type": "boolean", "item": [
        {"linkId": "n", "type": "string", "required": true, "enableWhen": [{"question": "q", "operator": "=", "answerBoolean": true}]}]}]);
    one(&nested, &json!([answered("q", "valueBoolean", &json!(true))]), "QR.item[0].answer[0]", "'n' has no answer");
    valid(&nested, &json!([answered("q", "valueBoolean", &json!(false))]));
    let mut repeated = nested;
    repeated[0]["repeats"] = json!(true);
    let with = json!({"linkId": "q", "answer": [{"valueBoolean": true, "item": [answered("n", "valueString", &json!("x"))]}]});
    valid(&repeated, &json!([with, answered("q", "valueBoolean", &json!(false))]));
}

#[test]
fn the_questionnaire_is_found_by_version_or_contained() {
    let run = |canonical: &str, contained: Option<Json>| {
        let mut store = ProfileStore::new();
        store.add(form(&json!([{"linkId": "1", "type": "string", "required": true}])));
        let mut response = json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": canonical});
        if let Some(contained) = contained {
            response["contained"] = json!([contained]);
        }
        let text = response.to_string();
        let mut parser = Parser::default();
        let document = parser.parse(text.as_bytes()).unwrap();
        let issues = Validator::default().with_profiles(store).validate(document.root());
        issues
            .into_iter()
            .map(|issue| issue.diagnostics)
            .filter(|text| text.contains("required item") || text.contains("not checked"))
            .collect::<Vec<_>>()
    };
    assert_eq!(run("http://example.org/q", None), ["the required item '1' has no answer"]);
    assert_eq!(run("http://example.org/q|2", None), ["the required item '1' has no answer"]);
    assert!(run("http://example.org/q|3", None)[0].contains("not checked"));
    let mut contained = form(&json!([{"linkId": "1", "type": "string", "required": true}]));
    contained["id"] = json!("q");
    contained.as_object_mut().unwrap().remove("contained");
    // Its linkIds are data of the resource.
    assert_eq!(run("#q", Some(contained)), ["the required item has no answer"]);
}

#[test]
fn texts_that_differ_are_a_warning() {
    let questions = form(&json!([{"linkId": "1", "type": "string", "text": "Name?"}]));
    let given = |text: &str| json!([{"linkId": "1", "text": text, "answer": [{"valueString": "x"}]}]);
    assert_eq!(found(&questions, &given("Name?"), "completed", IssueSeverity::Warning), Vec::<String>::new());
    assert_eq!(found(&questions, &given("Other?"), "completed", IssueSeverity::Warning).len(), 1);
    assert_eq!(found(&questions, &given("Other?"), "completed", IssueSeverity::Error), Vec::<String>::new());
}

/// A response and a Questionnaire, both large: conditions do not take quadratic time without end.
#[test]
fn conditions_have_a_limit() {
    let questions: Vec<Json> = (0..3000)
        .map(|number| json!({"linkId": format!("{number}"), "type": "string", "enableWhen": [{"question": "none", "operator": "exists", "answerBoolean": true}]}))
        .collect();
    let items: Vec<Json> = (0..3000).map(|number| json!({"linkId": format!("{number}")})).collect();
    assert_eq!(errors(&json!(questions), &json!(items)), Vec::<String>::new());
    // A group that repeats, with very many questions each time.
    let questions: Vec<Json> = (0..3000).map(|number| json!({"linkId": format!("{number}"), "type": "string"})).collect();
    let groups = json!([{"linkId": "g", "type": "group", "repeats": true, "item": questions}]);
    let many: Vec<Json> = (0..1000).map(|_| json!({"linkId": "g", "item": [{"linkId": "1"}]})).collect();
    let found = found(&form(&groups), &json!(many), "completed", IssueSeverity::Warning);
    assert!(found.iter().all(|one| one.contains("too large")) && !found.is_empty(), "{:?}", found.first());
}
