//! Walks give what the evaluator gives; definitions are refused with a place; streams are cut anywhere.

use std::ops::ControlFlow;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Float64Type, Int64Type},
    util::display::array_value_to_string,
};
use proptest::prelude::*;
use sutura_core::{Comparison, Condition, Constant, Test};

use super::{walk::Found, walk::Walk, *};
use crate::{
    defs,
    fhirpath::{Context, Expression, Item},
    json::Parser,
};

const PATHS: &[&str] = &[
    "id",
    "Patient.id",
    "active",
    "name.family",
    "name.given",
    "name[0].given",
    "name[1].given[0]",
    "name.first().family",
    "name.given.first()",
    "name.where(use = 'official').family",
    "name.where(use = 'official' and family = 'a').given",
    "telecom.where(system = 'phone').value",
    "deceased.ofType(boolean)",
    "deceased.ofType(dateTime)",
    "multipleBirth.ofType(integer)",
    "contact.name.given",
    "contact[0].telecom.value.first()",
    "extension('u').value.ofType(string)",
    "extension('u').extension('v').value.ofType(Coding).code",
    "getResourceKey()",
    "managingOrganization.getReferenceKey()",
    "managingOrganization.getReferenceKey(Organization)",
    "generalPractitioner.getReferenceKey(Organization)",
    "link.other.getReferenceKey(Patient)",
    "name.family[2]",
    "address.line",
];

/// A factor that finds nothing makes no rows, but the factors before it are gone through all the same.
#[test]
fn factors_without_rows_are_bounded_too() {
    let each = |path: &str| format!(r#"{{"forEach":"{path}","column":[{{"path":"id","name":"{path}"}}]}}"#);
    let view = format!(
        r#"{{"resourceType":"ViewDefinition","name":"v","status":"active","resource":"Patient","select":[{},{},{}]}}"#,
        each("name"),
        each("telecom"),
        each("address")
    );
    let many = |count: usize| vec!["{}"; count].join(",");
    let patient = |count: usize| format!(r#"{{"resourceType":"Patient","id":"1","name":[{}],"telecom":[{}]}}"#, many(count), many(count));
    let mut rows = View::from_json(view.as_bytes()).unwrap().rows();
    let mut parser = Parser::default();
    assert_eq!(rows.append(parser.parse(patient(10).as_bytes()).unwrap().root()), Ok(0));
    let large = patient(20_000);
    let error = rows.append(parser.parse(large.as_bytes()).unwrap().root()).unwrap_err();
    assert!(matches!(error, ViewError::TooManySteps(_)) && error.to_string().contains("100000000 steps"), "{error}");
}

/// Patients with whatever a patient may have, in small.
fn patients() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["a", "b", "official", "usual", "phone", "u", "v"]);
    let given =
        prop::collection::vec(prop_oneof![4 => word.clone().prop_map(|word| format!("\"{word}\"")), 1 => Just("null".to_owned())], 0..3);
    let name = (prop::option::of(word.clone()), prop::option::of(word.clone()), given).prop_map(|(kind, family, given)| {
        let mut parts = Vec::new();
        parts.extend(kind.map(|kind| format!("\"use\":\"{kind}\"")));
        parts.extend(family.map(|family| format!("\"family\":\"{family}\"")));
        if !given.is_empty() {
            parts.push(format!("\"given\":[{}]", given.join(",")));
        }
        format!("{{{}}}", parts.join(","))
    });
    let reference = prop::sample::select(vec![
        "\"Organization/1\"",
        "\"http://x.org/fhir/Organization/2/_history/3\"",
        "\"urn:uuid:4\"",
        "\"urn:uuid:4\",\"type\":\"Patient\"",
        "\"urn:oid:1.2\",\"type\":\"http://hl7.org/fhir/StructureDefinition/Organization\"",
        "\"urn:oid:\"",
        "\"#c\"",
        "\"Patient/5\"",
        "\"x\"",
        "\"\"",
        "\"Patient?a=b|c\"",
    ]);
    let extension = (word.clone(), word.clone(), word.clone()).prop_map(|(url, inner, text)| {
        format!("{{\"url\":\"{url}\",\"extension\":[{{\"url\":\"{inner}\",\"valueCoding\":{{\"code\":\"{text}\"}}}}],\"valueString\":\"{text}\"}}")
    });
    (prop::collection::vec(name, 0..4), reference, prop::collection::vec(extension, 0..3), any::<bool>(), prop::option::of(0..9)).prop_map(
        |(names, reference, extensions, flag, births)| {
            let births = births.map_or(String::new(), |births| format!(",\"multipleBirthInteger\":{births}"));
            format!(
                "{{\"resourceType\":\"Patient\",\"id\":\"p\",\"active\":{flag},\"name\":[{names}],\"contact\":[{{\"name\":{first}}}],\
                 \"managingOrganization\":{{\"reference\":{reference}}},\"generalPractitioner\":[{{\"reference\":{reference}}}],\
                 \"link\":[{{\"other\":{{\"reference\":{reference}}}}}],\"extension\":[{extensions}],\"deceasedBoolean\":{flag}{births}}}",
                names = names.join(","),
                first = names.first().cloned().unwrap_or("{}".to_owned()),
                extensions = extensions.join(","),
            )
        },
    )
}

proptest! {
    #[test]
    fn walks_and_the_evaluator_agree(patient in patients()) {
        let mut parser = Parser::default();
        let document = parser.parse(patient.as_bytes()).unwrap();
        let ty = defs::r4().type_named("Patient").unwrap();
        for path in PATHS {
            let expression = Expression::parse(path).unwrap();
            let walk = Walk::compile(&expression, ty, &[]);
            prop_assert!(walk.is_some(), "{} is not walked", path);
            let mut walked = Vec::new();
            let run = walk.unwrap().run(document.root(), &mut |found| {
                walked.push(match found {
                    Found::Text(text) => text.to_owned(),
                    Found::Value(value) => value.as_str().unwrap_or(value.raw_text()).to_owned(),
                });
                ControlFlow::Continue(())
            });
            if run.is_err() {
                continue;
            }
            let found = expression.evaluate(Item::resource(document.root()), &mut Context::new()).unwrap();
            let found: Vec<String> = found.iter().filter_map(Item::to_text).map(std::borrow::Cow::into_owned).collect();
            prop_assert_eq!(&walked, &found, "{}", path);
        }
    }

    #[test]
    fn any_definition_is_a_view_or_an_error(text in "[\\[\\]{}\",:a-zA-Z0-9() .'%]{0,120}") {
        let _ = View::from_json(text.as_bytes());
        let column = serde_json::json!({"resource": "Patient", "select": [{"forEach": text, "column": [{"name": "a", "path": text}]}]});
        let _ = View::from_json(column.to_string().as_bytes());
    }
}

/// Columns of every kind, at every depth, before and behind the blocks that multiply.
const SHAPED: &str = r#"{"resource":"Patient","select":[
    {"column":[{"name":"id","path":"id"},{"name":"active","path":"active"},{"name":"births","path":"multipleBirth.ofType(integer)"},
        {"name":"names","path":"name.count()"},{"name":"share","path":"name.count() / 2.0","type":"decimal"}]},
    {"forEach":"name","column":[{"name":"use","path":"use"},{"name":"at","path":"%rowIndex"}],
        "select":[{"forEachOrNull":"given","column":[{"name":"given","path":"$this"},{"name":"inner","path":"%rowIndex"}]}]},
    {"unionAll":[{"forEach":"extension","column":[{"name":"url","path":"url"},{"name":"text","path":"value.ofType(string)"}]},
        {"column":[{"name":"url","path":"'none'"},{"name":"text","path":"contact.first().name.family"}]}]}]}"#;

fn tests() -> impl Strategy<Value = Vec<Condition>> {
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let constant = (0..10_i64, prop::sample::select(vec!["a", "b", "official", "none", "u"]), any::<bool>());
    let condition = (0..11_usize, comparison, constant, 0..4_u8).prop_map(|(column, comparison, (number, text, flag), kind)| {
        let constant = match column {
            1 => Constant::Flag(flag),
            2 | 3 | 6 | 8 => Constant::Integer(number),
            4 => Constant::Number(number as f64 / 2.0),
            _ => Constant::Text(text.into()),
        };
        let test = match kind {
            0 => Test::IsNull,
            1 => Test::IsNotNull,
            2 => Test::OneOf(vec![constant.clone(), constant]),
            _ => Test::Compare(comparison, constant),
        };
        Condition { column, test }
    });
    prop::collection::vec(condition, 0..4)
}

/// Whether a row fulfils a condition, from the finished column.
fn fulfils(batch: &RecordBatch, row: usize, condition: &Condition) -> bool {
    let column = batch.column(condition.column);
    match column.data_type() {
        _ if column.is_null(row) => condition.test.null(),
        DataType::Boolean => condition.test.flag(column.as_boolean().value(row)),
        DataType::Int64 => condition.test.integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => condition.test.number(column.as_primitive::<Float64Type>().value(row)),
        _ => condition.test.text(column.as_string_view().value(row)),
    }
}

fn cells(batch: &RecordBatch, row: usize, columns: &[usize]) -> Vec<String> {
    columns.iter().map(|column| array_value_to_string(batch.column(*column), row).unwrap()).collect()
}

proptest! {
    /// Some columns, some rows: what is left out changes nothing of the rest.
    #[test]
    fn a_part_of_a_view_is_that_part(
        patients in prop::collection::vec(patients(), 1..4),
        columns in prop::collection::vec(0..11_usize, 0..6),
        filter in tests(),
    ) {
        let view = View::from_json(SHAPED.as_bytes()).unwrap();
        prop_assert_eq!(view.schema().fields().len(), 11);
        let (mut whole, mut part) = (view.rows(), view.rows_of(&columns, &filter).unwrap());
        let mut parser = Parser::default();
        for patient in &patients {
            let document = parser.parse(patient.as_bytes()).unwrap();
            whole.append(document.root()).unwrap();
            part.append(document.root()).unwrap();
        }
        let (whole, part) = (whole.finish().unwrap(), part.finish().unwrap());
        let kept = (0..whole.num_rows()).filter(|row| filter.iter().all(|condition| fulfils(&whole, *row, condition)));
        let expected: Vec<Vec<String>> = kept.map(|row| cells(&whole, row, &columns)).collect();
        let all: Vec<usize> = (0..columns.len()).collect();
        let found: Vec<Vec<String>> = (0..part.num_rows()).map(|row| cells(&part, row, &all)).collect();
        prop_assert_eq!(found, expected);
    }
}

/// A factor without an item leaves the index of its neighbours alone.
#[test]
fn the_row_index_is_that_of_its_own_block() {
    let view = view(
        r#"{"forEach":"name","select":[{"forEachOrNull":"given","column":[{"name":"given","path":"$this"}]},
        {"unionAll":[{"column":[{"name":"at","path":"%rowIndex"}]}]}]}"#,
    )
    .unwrap();
    let mut parser = Parser::default();
    let document = parser.parse(br#"{"resourceType":"Patient","name":[{"given":["a"]},{"family":"b"},{}]}"#).unwrap();
    let mut rows = view.rows();
    rows.append(document.root()).unwrap();
    let batch = rows.finish().unwrap();
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().values(), &[0, 1, 2]);
}

#[test]
fn what_is_not_asked_for_is_not_evaluated() {
    let view = view(
        r#"{"column":[{"name":"id","path":"id"},{"name":"family","path":"name.family"}]},
        {"forEach":"contact","column":[{"name":"city","path":"address.city"}]}"#,
    )
    .unwrap();
    let mut parser = Parser::default();
    let text = br#"{"resourceType":"Patient","id":"1","name":[{"family":"a"},{"family":"b"}],"contact":[{"address":{"city":"x"}}]}"#;
    let document = parser.parse(text).unwrap();
    assert!(view.rows().append(document.root()).is_err(), "two families");
    assert_eq!(view.rows_of(&[2], &[]).unwrap().append(document.root()).unwrap(), 1);
    let city = |name: &str| Condition { column: 2, test: Test::Compare(Comparison::Equal, Constant::Text(name.into())) };
    assert_eq!(view.rows_of(&[0, 1], &[city("y")]).unwrap().append(document.root()).unwrap(), 0, "the row is dropped before");
    assert!(view.rows_of(&[0, 1], &[city("x")]).unwrap().append(document.root()).is_err());
    assert_eq!(view.rows_of(&[], &[city("x")]).unwrap().append(document.root()).unwrap(), 1, "rows are counted without columns");
    assert!(view.rows_of(&[9], &[]).is_err());
    let number = Condition { column: 2, test: Test::Compare(Comparison::Equal, Constant::Integer(1)) };
    assert!(view.rows_of(&[0], &[number]).is_err(), "a text is no number");
}

#[test]
fn a_number_beyond_floats_does_not_fit_a_decimal_column() {
    let view = view(r#"{"column":[{"name":"n","path":"extension.value.ofType(decimal)","type":"decimal"}]}"#).unwrap();
    let mut parser = Parser::default();
    for (number, fits) in [("1e300", true), ("1e400", false), ("-1e400", false)] {
        let text = format!(r#"{{"resourceType":"Patient","extension":[{{"url":"u","valueDecimal":{number}}}]}}"#);
        assert_eq!(view.rows().append(parser.parse(text.as_bytes()).unwrap().root()).is_ok(), fits, "{number}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_view() {
    let text = r#"{"resource":"Patient","select":[{"column":[{"name":"id","path":"id"}]}]}"#;
    assert_eq!(View::from_json(format!("\u{FEFF}{text}").as_bytes()).unwrap().schema(), View::from_json(text.as_bytes()).unwrap().schema());
    assert!(View::from_json(format!("\u{FEFF}\u{FEFF}{text}").as_bytes()).is_err());
}

fn view(select: &str) -> Result<View, ViewError> {
    View::from_json(format!("{{\"resource\":\"Patient\",\"select\":[{select}]}}").as_bytes())
}

#[test]
fn columns_have_types_and_classes() {
    let view = view(
        r#"{"column":[{"name":"id","path":"getResourceKey()"},{"name":"born","path":"birthDate"},{"name":"active","path":"active"},
        {"name":"family","path":"name.family.first()"},{"name":"births","path":"multipleBirth.ofType(integer)"},{"name":"n","path":"name.count()"},
        {"name":"state","path":"address.first().state"},{"name":"all","path":"name.given","collection":true},
        {"name":"weight","path":"extension('w').value.ofType(decimal)","tag":[{"name":"ansi/type","value":"DECIMAL(10,2)"}]}]}"#,
    )
    .unwrap();
    let found: Vec<(String, DataType, String)> = view
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().clone(), field.data_type().clone(), field.metadata()["sutura.phi"].clone()))
        .collect();
    let types: Vec<&DataType> = found.iter().map(|row| &row.1).collect();
    assert_eq!(
        types[..6],
        [&DataType::Utf8View, &DataType::Utf8View, &DataType::Boolean, &DataType::Utf8View, &DataType::Int64, &DataType::Int64]
    );
    assert_eq!(*types[8], DataType::Decimal128(10, 2));
    let classes: Vec<&str> = found.iter().map(|row| row.2.as_str()).collect();
    assert_eq!(classes, ["other-id", "date", "clinical", "name", "quasi", "clinical", "quasi", "name", "free-text"]);
    assert_eq!(view.schema().field(0).metadata().get("sutura.patient").map(String::as_str), Some("true"));
}

/// What a path leads to is known behind filters too; where it is not certain, a number may be an age.
#[test]
fn classes_are_found_behind_filters() {
    let class = |resource: &str, path: &str| {
        let text = serde_json::json!({"resource": resource, "select": [{"column": [{"name": "a", "path": path}]}]});
        View::from_json(text.to_string().as_bytes()).unwrap().schema().field(0).metadata()["sutura.phi"].clone()
    };
    let filtered = "component.where(code.coding.exists(code = '8480-6'))";
    assert_eq!(class("Observation", &format!("{filtered}.value.ofType(Quantity).value.first()")), "clinical");
    assert_eq!(class("Observation", &format!("{filtered}[0].code.coding.where(exists()).code")), "clinical");
    assert_eq!(class("Patient", "name.where(use.exists()).family.first()"), "name");
    assert_eq!(class("Patient", "contact.where(relationship.exists()).telecom.value"), "phone");
    assert_eq!(class("Condition", "onset.where(true).ofType(Age).value"), "age");
    assert_eq!(class("Condition", "onset.ofType(Quantity).value"), "free-text");
    assert_eq!(class("Patient", "extension.where(url = 'x' or url = 'y').value.ofType(Quantity).value"), "free-text");
    assert_eq!(class("Patient", "name.select(family & 'x')"), "free-text");
}

#[test]
fn bad_definitions_are_refused_with_a_place() {
    for (select, expected) in [
        (r#"{"column":[{"name":"a","path":"name.("}]}"#, "a: syntax error"),
        (r#"{"column":[{"name":"1a","path":"id"}]}"#, "select[0].column[0]: name must begin"),
        (r#"{"column":[{"name":"a","path":"id"},{"name":"a","path":"id"}]}"#, "stands twice"),
        (r#"{"column":[{"name":"a","path":"%b"}]}"#, "undefined variable `%b`"),
        (r#"{"forEach":"name","forEachOrNull":"name","column":[{"name":"a","path":"id"}]}"#, "more than one of"),
        (r#"{"column":[{"name":"a","path":"id","tag":[{"name":"ansi/type","value":"BLOB"}]}]}"#, "ansi/type"),
        (r#"{"column":[]}"#, "no column"),
    ] {
        let message = view(select).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_resource_that_fails_leaves_nothing_and_the_stream_goes_on() {
    let view = view(r#"{"column":[{"name":"id","path":"id"},{"name":"family","path":"name.family"}]}"#).unwrap();
    let lines = concat!(
        "{\"resourceType\":\"Patient\",\"id\":\"1\",\"name\":[{\"family\":\"a\"}]}\n",
        "{\"resourceType\":\"Patient\",\"id\":\"2\",\"name\":[{\"family\":\"a\"},{\"family\":\"b\"}]}\r\n\n",
        "{\"resourceType\":\"Observation\",\"id\":\"3\"}\n{\"resourceType\":\n",
        "{\"resourceType\":\"Patient\",\"id\":\"4\"}",
    );
    let (mut ids, mut problems) = (Vec::new(), Vec::new());
    let account = read_ndjson(lines.as_bytes(), &[view], NdjsonOptions { batch_rows: 1, ..NdjsonOptions::default() }, &mut |output| {
        match output {
            Output::Batch { batch, .. } => ids.extend(batch.column(0).as_string_view().iter().flatten().map(str::to_owned)),
            Output::BadLine { offset, .. } => problems.push(("bad", offset)),
            Output::Refused { offset, error, .. } => {
                assert!(matches!(error, ViewError::SeveralValues(_)));
                problems.push(("refused", offset));
            }
            Output::LongLine { offset } => problems.push(("long", offset)),
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(ids, ["1", "4"]);
    let second = lines.find("\"2\"").map(|at| lines[..at].rfind('\n').unwrap() as u64 + 1).unwrap();
    let broken = lines.find("{\"resourceType\":\n").unwrap() as u64;
    assert_eq!(problems, [("refused", second), ("bad", broken)]);
    assert_eq!((account.lines, account.bad_lines, account.rows, account.refused, account.bytes), (5, 1, 2, 1, lines.len() as u64));
}

#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let view = view(r#"{"column":[{"name":"id","path":"id"}]}"#).unwrap();
    let mut lines = "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n{\"resourceType\":\"Patient\",\"id\":\"".to_owned();
    lines.push_str(&"x".repeat(5 << 20));
    lines.push_str("\"}\n{\"resourceType\":\"Patient\",\"id\":\"3\"}\n");
    let limits = crate::json::Limits { bytes: 1 << 20, ..crate::json::Limits::default() };
    let (mut rows, mut long) = (0, Vec::new());
    read_ndjson(lines.as_bytes(), &[view], NdjsonOptions { batch_rows: 10, limits }, &mut |output| {
        match output {
            Output::Batch { batch, .. } => rows += batch.num_rows(),
            Output::LongLine { offset } => long.push(offset),
            _ => {}
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((rows, long), (2, vec![36]));
}

/// In a transaction Bundle references are `urn:uuid:`, and the ids are the UUIDs.
#[test]
fn keys_join_within_a_bundle() {
    let view = view(
        r#"{"column":[{"name":"id","path":"getResourceKey()"},{"name":"any","path":"managingOrganization.getReferenceKey()"},
        {"name":"one","path":"managingOrganization.getReferenceKey(Organization)"},{"name":"other","path":"managingOrganization.getReferenceKey(Patient)"},
        {"name":"slow","path":"managingOrganization.where(true).getReferenceKey(Organization)"}]}"#,
    )
    .unwrap();
    let mut rows = view.rows();
    for reference in [
        r#""reference":"urn:uuid:a-b""#,
        r#""reference":"urn:uuid:a-b","type":"Organization""#,
        r#""reference":"urn:oid:1.2","type":"http://hl7.org/fhir/StructureDefinition/Patient""#,
    ] {
        let text = format!(r#"{{"resourceType":"Patient","id":"a-b","managingOrganization":{{{reference}}}}}"#);
        let mut parser = Parser::default();
        rows.append(parser.parse(text.as_bytes()).unwrap().root()).unwrap();
    }
    let batch = rows.finish().unwrap();
    let column = |at: usize| batch.column(at).as_string_view().iter().map(|text| text.unwrap_or("-").to_owned()).collect::<Vec<_>>();
    assert_eq!(column(1), ["a-b", "a-b", "1.2"]);
    assert_eq!(column(2), ["a-b", "a-b", "-"]);
    assert_eq!(column(3), ["a-b", "-", "1.2"]);
    assert_eq!(column(4), column(2));
}

/// Patients of so many names; the last one may have two given names.
fn many_names(names: usize, last_is_odd: bool) -> String {
    let name = |at: usize| {
        let given = if last_is_odd && at + 1 == names { r#""x","y""# } else { r#""x""# };
        format!(r#"{{"family":"f{at}","given":[{given}]}}"#)
    };
    let names: Vec<String> = (0..names).map(name).collect();
    format!(r#"{{"resourceType":"Patient","id":"1","name":[{}]}}"#, names.join(","))
}

/// Far more rows than are held at once: they come in batches of the wanted size and in order, and where one of them fails there is none.
#[test]
fn rows_of_one_resource_go_out_in_parts() {
    const NAMES: usize = 400;
    let product = || {
        view(
            r#"{"column":[{"name":"now","path":"now()"},{"name":"id","path":"id"}]},
            {"forEach":"name","column":[{"name":"a","path":"family"},{"name":"again","path":"family"}]},
            {"forEach":"name","column":[{"name":"b","path":"family"},{"name":"given","path":"given"}]}"#,
        )
        .unwrap()
    };
    let ids = view(r#"{"column":[{"name":"id","path":"id"}]}"#).unwrap();
    let lines = format!(
        "{}\n{}\n{{\"resourceType\":\"Patient\",\"id\":\"3\"}}\n",
        many_names(NAMES, false),
        many_names(NAMES, true).replace("\"id\":\"1\"", "\"id\":\"2\"")
    );
    let (mut rows, mut refused, mut id_rows, mut nows) = (0, Vec::new(), 0, std::collections::HashSet::new());
    let options = NdjsonOptions { batch_rows: 1000, ..NdjsonOptions::default() };
    let account = read_ndjson(lines.as_bytes(), &[product(), ids], options, &mut |output| {
        match output {
            Output::Batch { view: 0, batch } => {
                assert!(batch.num_rows() <= 1000);
                let (a, b) = (batch.column(2).as_string_view(), batch.column(4).as_string_view());
                for row in 0..batch.num_rows() {
                    let place = rows + row;
                    assert_eq!(
                        (a.value(row), b.value(row)),
                        (format!("f{}", place / NAMES).as_str(), format!("f{}", place % NAMES).as_str())
                    );
                }
                nows.insert(batch.column(0).as_string_view().value(0).to_owned());
                rows += batch.num_rows();
            }
            Output::Batch { batch, .. } => id_rows += batch.num_rows(),
            Output::Refused { view, error, .. } => refused.push((view, error)),
            other => panic!("{other:?}"),
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((rows, id_rows, nows.len()), (NAMES * NAMES, 3, 1));
    assert_eq!(refused, [(0, ViewError::SeveralValues("given".into()))]);
    assert_eq!((account.rows, account.refused), ((NAMES * NAMES + 3) as u64, 1));

    // The library's simple call gives the same; whoever takes batches may stop in the middle of a resource.
    let text = many_names(NAMES, false);
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    let product = product();
    let mut whole = product.rows();
    assert_eq!(whole.append(document.root()).unwrap(), NAMES * NAMES);
    assert_eq!(whole.finish().unwrap().num_rows(), NAMES * NAMES);
    let mut taken = 0;
    let stopped = product.rows().append_to(document.root(), 1000, &mut |batch| {
        taken += batch.num_rows();
        ControlFlow::Break(())
    });
    assert_eq!((stopped, taken), (Err(ViewError::Stopped), 1000));
}
