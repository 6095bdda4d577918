//! Expressions and the classes their columns must have.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::View;

fn classes(resource: &str, view: &Value) -> Vec<String> {
    let mut view = view.clone();
    view["resource"] = json!(resource);
    let view = View::from_json(view.to_string().as_bytes()).unwrap();
    view.schema().fields().iter().map(|field| field.metadata()["sutura.phi"].clone()).collect()
}

fn class(resource: &str, path: &str) -> String {
    classes(resource, &json!({"select": [{"column": [{"name": "a", "path": path}]}]})).remove(0)
}

const PATIENT: &[(&str, &str)] = &[
    ("birthDate", "date"),
    ("birthDate.toString().replace('-','').toInteger()", "date"),
    ("birthDate = @1961-07-04", "date"),
    ("birthDate.toString().length()", "date"),
    ("birthDate.toString().substring(8).exists()", "date"),
    ("identifier.first().value.toInteger()", "other-id"),
    ("identifier.where(type.coding.code = 'MR').value", "other-id"),
    ("identifier.first().system", "other-id"),
    ("identifier.exists(system = 'x')", "other-id"),
    ("address.first().postalCode.toInteger()", "geography"),
    ("name.first().family = 'Zork'", "name"),
    ("name.first().prefix", "name"),
    ("name.exists(family = 'Zork')", "name"),
    ("name.where(family = 'Zork').exists()", "name"),
    ("name.where(family = 'Zork').use", "name"),
    ("name.all(family = 'Zork')", "name"),
    ("name.select(family = 'Zork').first()", "name"),
    ("name.family.select(iif($this = 'Zork', 1, 0)).first()", "name"),
    ("iif(name.family = 'Zork', 1, 0)", "name"),
    ("iif(name.family = 'Zork', 1).exists()", "name"),
    ("(name.family | 'Zork').count()", "name"),
    ("name.family.intersect('Zork').count()", "name"),
    ("name.family.exclude('Zork').empty()", "name"),
    ("name.family.toChars().count()", "name"),
    ("name.family.substring(5).select(1).first()", "name"),
    ("name.family.aggregate($total + 1, 0)", "free-text"),
    ("name.family.first() > 'M'", "name"),
    ("name.first().family.matches('^Z')", "name"),
    ("'abc'.indexOf(name.first().family.lower().substring(1,1))", "name"),
    ("'abc'[name.first().family.length() - 3].exists()", "name"),
    ("telecom.first().value.substring(0,5).toInteger()", "phone"),
    ("telecom.where(system = 'phone').value", "phone"),
    ("name.where(use = 'official').family", "name"),
    ("name.exists()", "clinical"),
    ("name.count()", "clinical"),
    ("name.family.empty()", "clinical"),
    ("name.where(use = 'official').exists()", "clinical"),
    ("active", "clinical"),
    ("deceased.ofType(boolean)", "clinical"),
    ("deceased.ofType(dateTime)", "date"),
    ("multipleBirth.ofType(integer)", "quasi"),
    ("maritalStatus.coding.first().code", "quasi"),
    ("gender = 'male'", "quasi"),
    ("%resource.name.family.first() = 'Zork'", "free-text"),
    ("%context.birthDate.toString().length()", "free-text"),
    ("defineVariable('n', name.family.first()).select(%n = 'Zork').first()", "free-text"),
    ("descendants().count()", "free-text"),
    ("children().ofType(code).first()", "free-text"),
    ("contained.ofType(Patient).birthDate.first()", "date"),
    ("generalPractitioner.first().getReferenceKey()", "other-id"),
    ("meta.versionId", "other-id"),
    ("meta.source", "url"),
    ("extension('x').value.ofType(integer)", "free-text"),
    ("extension('x').value.ofType(decimal) + 1", "free-text"),
    ("extension('x').value.ofType(Coding).display", "free-text"),
    ("extension('x').value.ofType(code)", "free-text"),
    ("extension.value.ofType(positiveInt).first()", "free-text"),
    ("birthDate.extension('x').value.ofType(boolean)", "free-text"),
    ("descendants().ofType(Coding).display.first()", "free-text"),
    ("extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex').value.ofType(code)", "quasi"),
    (
        "extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').value.ofType(Coding).code",
        "quasi",
    ),
    (
        "extension.where(url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity').extension.where(url = 'detailed').value.ofType(Coding).display",
        "quasi",
    ),
    ("extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('x').value.ofType(Coding).code", "free-text"),
    ("extension.where(url != 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').value.ofType(code).first()", "free-text"),
];

#[test]
fn a_column_has_the_class_of_what_its_path_reads() {
    for (path, expected) in PATIENT {
        assert_eq!(class("Patient", path), *expected, "{path}");
    }
    for (resource, path, expected) in [
        ("QuestionnaireResponse", "item.answer.value.ofType(uri)", "free-text"),
        ("QuestionnaireResponse", "item.answer.value.ofType(integer)", "free-text"),
        ("QuestionnaireResponse", "item.answer.value.ofType(Coding).display", "free-text"),
        ("QuestionnaireResponse", "item.answer.value.ofType(decimal) > 3", "free-text"),
        ("QuestionnaireResponse", "questionnaire", "operational"),
        ("Device", "url", "url"),
        ("Device", "deviceName.name", "free-text"),
        ("Device", "manufacturer", "device"),
        ("Device", "modelNumber", "device"),
        ("Coverage", "class.name", "other-id"),
        ("Goal", "description.coding.display", "free-text"),
        ("Goal", "description.text", "free-text"),
        ("Goal", "description.coding.code", "clinical"),
        ("Location", "position.latitude", "geography"),
        ("Condition", "onset.ofType(Age).value", "age"),
        ("Condition", "code.coding.where(system = 'http://snomed.info/sct').code", "clinical"),
        ("Condition", "code.text", "free-text"),
        ("Observation", "value.ofType(Quantity).value", "clinical"),
        ("Observation", "value.ofType(Quantity) > 5 'mg'", "clinical"),
        ("Observation", "code.coding.exists(system = 'http://loinc.org' and code = '8480-6')", "clinical"),
        ("Task", "input.value.ofType(integer)", "free-text"),
    ] {
        assert_eq!(class(resource, path), expected, "{resource}: {path}");
    }
}

#[test]
fn what_decides_the_rows_counts() {
    let column = |path: &str| json!([{"name": "a", "path": path}]);
    let cases = [
        (json!({"select": [{"forEach": "name", "column": column("family = 'Zork'")}]}), "name"),
        (json!({"select": [{"forEach": "name", "column": column("'abc'.indexOf(family.lower().substring(0,1))")}]}), "name"),
        (json!({"select": [{"forEach": "name", "column": column("use")}]}), "operational"),
        (json!({"select": [{"forEach": "name.where(family = 'Zork')", "column": column("use")}]}), "name"),
        (json!({"select": [{"forEachOrNull": "name.where(family = 'Zork')", "column": column("true")}]}), "name"),
        (json!({"select": [{"forEach": "name.family", "column": column("$this.length()")}]}), "name"),
        (json!({"select": [{"forEach": "birthDate.toString().substring(8)", "column": column("1")}]}), "date"),
        (json!({"select": [{"forEach": "contact", "select": [{"forEach": "name", "column": column("family.length()")}]}]}), "name"),
        (json!({"select": [{"forEach": "name.where(family = 'Zork')", "select": [{"column": column("1")}]}]}), "name"),
        (json!({"select": [{"column": column("active")}, {"forEach": "name.where(family = 'Zork')", "select": []}]}), "name"),
        (json!({"select": [{"unionAll": [{"column": column("active")}, {"column": column("name.first().family = 'Zork'")}]}]}), "name"),
        (
            json!({"select": [{"unionAll": [{"forEach": "telecom", "column": column("value.toInteger()")}, {"column": column("1")}]}]}),
            "phone",
        ),
        (json!({"select": [{"repeat": ["link.other"], "column": column("display.length()")}]}), "free-text"),
        (json!({"select": [{"column": column("active")}], "where": [{"path": "name.exists(family = 'Zork')"}]}), "name"),
        (json!({"select": [{"column": column("active")}], "where": [{"path": "birthDate < @1990-01-01"}]}), "date"),
        (json!({"select": [{"column": column("active")}], "where": [{"path": "name.exists()"}]}), "clinical"),
        (
            json!({"constant": [{"name": "who", "valueString": "Zork"}], "select": [{"column": column("name.first().family = %who")}]}),
            "name",
        ),
        (
            json!({"constant": [{"name": "sex", "valueString": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"}],
                "select": [{"column": column("extension(%sex).value.ofType(code)")}]}),
            "quasi",
        ),
    ];
    for (view, expected) in cases {
        assert_eq!(classes("Patient", &view)[0], expected, "{view}");
    }
    let items = json!({"select": [{"repeat": ["item", "answer.item"], "column": [
        {"name": "link", "path": "linkId"}, {"name": "n", "path": "answer.value.ofType(integer).first()"}, {"name": "there", "path": "answer.exists()"}]}]});
    assert_eq!(classes("QuestionnaireResponse", &items), ["free-text", "free-text", "clinical"]);
}
