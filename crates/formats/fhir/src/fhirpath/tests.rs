//! Properties of parser and evaluator, and the behaviour that the official cases leave out.

use proptest::prelude::*;

use super::*;
use crate::json::Parser;

const PATIENT: &[u8] = br##"{"resourceType":"Patient","id":"p1","active":true,"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"u","valueString":"x"}]},
  "name":[{"use":"official","family":"Chalmers","given":["Peter",null,"James"],"_given":[null,{"id":"g"}]},{"use":"usual","given":["Jim"]}],
  "contact":[{"name":{"family":"Du Marche"},"telecom":[{"system":"phone","value":"1"}]}],"multipleBirthInteger":2,
  "contained":[{"resourceType":"Organization","id":"o","name":"Org"}],"managingOrganization":{"reference":"#o"}}"##;

fn texts(expression: &str) -> Result<Vec<String>, PathError> {
    let mut parser = Parser::default();
    let document = parser.parse(PATIENT).unwrap();
    let expression = Expression::parse(expression)?;
    let found = expression.evaluate(Item::resource(document.root()), &mut Context::new())?;
    Ok(found.iter().map(|item| item.to_text().map_or_else(|| item.type_name().to_owned(), std::borrow::Cow::into_owned)).collect())
}

fn one(expression: &str) -> String {
    texts(expression).unwrap().join(",")
}

#[test]
fn values_of_the_resource() {
    for (expression, expected) in [
        ("name.given", "Peter,string,James,Jim"),
        ("name.given.hasValue()", "false"),
        ("name.given.where(hasValue())", "Peter,James,Jim"),
        ("name.given[1].id", "g"),
        ("birthDate.extension('u').value", "x"),
        ("multipleBirth", "2"),
        ("multipleBirth is integer", "true"),
        ("multipleBirth.ofType(boolean)", ""),
        ("managingOrganization.resolve().name", "Org"),
        ("managingOrganization.resolve() is DomainResource", "true"),
        ("contained.ofType(Organization).name", "Org"),
        ("contact.type().name", "Patient.contact"),
        ("contact is BackboneElement", "true"),
        ("descendants().ofType(HumanName).family", "Chalmers,Du Marche"),
        ("name.exists(use = 'official' and given contains 'James')", "true"),
        ("name.select(given.first())", "Peter,Jim"),
        ("defineVariable('n', name.first()).select(%n.family)", "Chalmers"),
        ("name.sort(use desc).use", "usual,official"),
        ("name.given.where(hasValue()).sort(-$this)", "Peter,Jim,James"),
        ("(1 | 2 | 3).sum()", "6"),
        ("(1 | 2 | 3).avg()", "2"),
        ("gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')", ""),
        ("'male'.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')", "true"),
        ("'mail'.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')", "false"),
        ("nothing", ""),
        ("%`ext-a`", "http://hl7.org/fhir/StructureDefinition/a"),
        ("%vs-administrative-gender", "http://hl7.org/fhir/ValueSet/administrative-gender"),
        ("@2020-02-29 + 1 year", "2021-02-28"),
        ("@2020-03-31T10:00:00Z - 1 month", "2020-02-29T10:00:00Z"),
        ("1 year = 12 months", "true"),
        ("(@2018-05 | @2018 | @2018-03 | @2017-01).sort().count()", "4"),
        ("(3 | 1 | 2).sort(-$this)", "3,2,1"),
        ("1 'cm'.comparable(1 '[in_i]')", "true"),
        ("1 'cm'.comparable(1 's')", "false"),
        ("1 'kg' + 1 'g'", "1001 'g'"),
        ("@2020-01-01.duration(@2021-06-01, 'months')", "17"),
        ("'abc'.replaceMatches('(b)', '<$1>')", "a<b>c"),
        ("'a-b'.split('-')", "a,b"),
        ("1 / 3 * 3", "0.9999999999999999"),
        ("9223372036854775807 + 1", ""),
        ("2.power(100)", ""),
    ] {
        assert_eq!(texts(expression).map(|found| found.join(",")), Ok(expected.to_owned()), "{expression}");
    }
    assert!(one("now()").ends_with('Z'));
}

#[test]
fn what_is_an_error() {
    for expression in [
        "name.family('x')",
        "1 +",
        "name.given.single()",
        "'a' + 1",
        "%nobody",
        "name.as(Nothing)",
        "(1 | 2) + 1",
        "'x'.matches('(')",
        "valueQuantity.x",
        "''.foo()",
    ] {
        let found = texts(expression);
        assert!(found.is_err() || expression == "valueQuantity.x", "{expression}: {found:?}");
    }
    assert_eq!(
        texts("multipleBirthInteger"),
        Err(PathError::UnknownElement { ty: "Patient".into(), element: "multipleBirthInteger".into() })
    );
}

#[test]
fn an_error_is_the_records_or_the_expressions() {
    for (expression, of_the_record) in [
        ("active + 1", true),
        ("name.single()", true),
        ("active.conformsTo(name.family.first())", true),
        ("active.conformsTo('http://x.org/p')", false),
        ("%nothing", false),
    ] {
        assert_eq!(texts(expression).unwrap_err().is_of_the_record(), of_the_record, "{expression}");
    }
    let said = texts("active.conformsTo('http://x.org/p')").unwrap_err().to_string();
    assert!(said.contains("http://x.org/p of `conformsTo()` is not loaded"), "{said}");
    for (expression, good) in [
        ("active + 1", true),
        ("1 + 'a'", false),
        ("%nothing", false),
        ("active is Boat", false),
        ("(1 | 2).single()", false),
        ("active.conformsTo('http://x.org/p')", true),
    ] {
        assert_eq!(Expression::parse(expression).unwrap().check_alone().is_ok(), good, "{expression}");
    }
}

#[test]
fn a_number_that_does_not_fit_is_said_to_be_too_long() {
    let digits = "9".repeat(50);
    let text = format!(r#"{{"resourceType":"Patient","multipleBirthInteger":{digits}}}"#);
    let mut parser = Parser::default();
    let document = parser.parse(text.as_bytes()).unwrap();
    for expression in ["multipleBirth + 1", "1 - multipleBirth", "multipleBirth > 1", "-multipleBirth", "multipleBirth.abs()"] {
        let expression = Expression::parse(expression).unwrap();
        let error = expression.evaluate(Item::resource(document.root()), &mut Context::new()).unwrap_err();
        assert!(matches!(error, PathError::NumberTooLong(_)), "{}: {error}", expression.text());
        assert!(error.is_of_the_record());
    }
}

#[test]
fn nesting_and_cost_are_bounded() {
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(Expression::parse(&deep).map(|_| ()), Err(PathError::TooComplex));
    // As many levels as the reference page says.
    for (levels, fits) in [(64, true), (65, false)] {
        let brackets = format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
        assert_eq!(Expression::parse(&brackets).is_ok(), fits, "{levels}");
    }
    let signs = format!("{}1", "-".repeat(10_000));
    assert_eq!(Expression::parse(&signs).map(|_| ()), Err(PathError::TooComplex));
    let chain = format!("a{}", ".a".repeat(10_000));
    assert_eq!(Expression::parse(&chain).map(|_| ()), Err(PathError::TooComplex));
    let wide = format!("1{}", "+1".repeat(10_000));
    assert_eq!(Expression::parse(&wide).map(|_| ()), Err(PathError::TooComplex));
    assert_eq!(Expression::parse(&"1".repeat(100_000)).map(|_| ()), Err(PathError::TooComplex));
    // Endless, exploding and long ones end with a typed error.
    let limits = CostLimits { steps: 100_000, text: 10_000 };
    let mut parser = Parser::default();
    let document = parser.parse(PATIENT).unwrap();
    for bomb in [
        "(1).repeatAll($this)",
        "descendants().select(%context.descendants().select(%context.descendants().select(%context.descendants())))",
        "('aaaaaaaaaa' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'k' | 'l' | 'm').aggregate($total + $total + $this + 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', 'xxxxxxxxxxxxxxxxxxxxxxxx')",
    ] {
        let expression = Expression::parse(bomb).unwrap();
        let found = expression.evaluate(Item::resource(document.root()), &mut Context::new().limits(limits));
        assert!(matches!(found, Err(PathError::Cost(_) | PathError::TextTooLong(_))), "{bomb}: {found:?}");
    }
}

#[test]
fn the_deepest_expressions_that_parse_are_evaluated() {
    for (open, inner, close) in [
        ("name.select(", "given", ")"),
        ("(1 + ", "1", ")"),
        ("iif(true, ", "1", ")"),
        ("(", "true", ").not()"),
        ("name.where(", "true", ").exists()"),
    ] {
        let mut deepest = None;
        for depth in 1..300 {
            match Expression::parse(&format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))) {
                Ok(expression) => deepest = Some((depth, expression)),
                Err(error) => {
                    assert_eq!(error, PathError::TooComplex);
                    break;
                }
            }
        }
        let (depth, expression) = deepest.unwrap();
        assert!((30..300).contains(&depth), "{depth}");
        let mut parser = Parser::default();
        let document = parser.parse(PATIENT).unwrap();
        let _ = expression.evaluate(Item::resource(document.root()), &mut Context::new());
    }
    let chain = format!("a{}", ".where(true)".repeat(180));
    let expression = Expression::parse(&chain).unwrap();
    let mut parser = Parser::default();
    let document = parser.parse(PATIENT).unwrap();
    assert!(expression.evaluate(Item::resource(document.root()), &mut Context::new()).is_ok());
}

#[test]
fn the_reference_page_names_every_function() {
    let page = include_str!("../../../../../docs/src/reference/fhirpath.md");
    for name in Function::names() {
        let conversion = name.starts_with("to") && name[2..].starts_with(char::is_uppercase) || name.starts_with("convertsTo");
        assert!(page.contains(&format!("`{name}`")) || (conversion && name != "toChars"), "{name} is not on the page");
    }
}

#[test]
fn messages_hold_no_content() {
    for expression in ["name.family.toInteger() + name.family", "name.given.single()", "name.family > 1", "birthDate + 1", "name.abs()"] {
        let Err(error) = texts(expression) else { continue };
        let message = error.to_string();
        assert!(!message.contains("Chalmers") && !message.contains("Peter") && !message.contains("1974"), "{message}");
    }
}

/// Expressions that parse nearly always: steps, operators and functions put together at random.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "1",
            "2.50",
            "'a'",
            "true",
            "{}",
            "@2020-02",
            "@T10:30",
            "@2020-02-03T04:05:06.7Z",
            "4 'mg'",
            "2 weeks",
            "$this",
            "name",
            "name.given",
            "birthDate",
            "%resource",
            "%context",
            "multipleBirth",
            "contained",
            "''",
            "-1",
            "1 'a'",
            "99999999999999999999999",
            "contact.name",
            "extension('u')",
            "$index",
            "$total",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,6}",
    ];
    let functions: Vec<&'static str> = Function::names().filter(|name| !matches!(*name, "is" | "as" | "ofType")).collect();
    leaf.prop_recursive(5, 40, 3, move |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "div", "mod", "&", "|", "<", "<=", ">", ">=", "=", "!=", "~", "!~", "in", "contains", "and", "or", "xor",
            "implies",
        ]);
        let ty = prop::sample::select(vec!["string", "HumanName", "System.String", "Quantity", "Resource", "Patient.contact", "nothing"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (inner.clone(), prop::sample::select(functions.clone()), prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(base, name, arguments)| format!("({base}).{name}({})", arguments.join(", "))),
            (inner.clone(), prop::sample::select(vec!["is", "as"]), ty.clone())
                .prop_map(|(base, test, ty)| format!("({base} {test} {ty})")),
            (inner.clone(), ty).prop_map(|(base, ty)| format!("({base}).ofType({ty})")),
            (inner.clone(), inner.clone()).prop_map(|(base, index)| format!("({base})[{index}]")),
            (inner, "[a-z]{1,6}").prop_map(|(base, name)| format!("({base}).{name}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_an_expression_or_an_error(text in ".{0,200}") {
        let _ = Expression::parse(&text);
    }

    #[test]
    fn any_expression_ends(text in expressions()) {
        let Ok(expression) = Expression::parse(&text) else { return Ok(()) };
        let mut parser = Parser::default();
        let document = parser.parse(PATIENT).unwrap();
        let mut context = Context::new().limits(CostLimits { steps: 20_000, text: 100_000 });
        if let Ok(found) = expression.evaluate(Item::resource(document.root()), &mut context) {
            for item in &found {
                let _ = item.to_text();
            }
        }
        let _ = expression.check(types::of_resource(document.root()));
    }

    #[test]
    fn decimals_come_back_as_written(mantissa in any::<i64>(), scale in 0_u32..18) {
        let value = Decimal::new(mantissa.into(), scale);
        let again = Decimal::parse(&value.to_string()).unwrap();
        prop_assert_eq!(value.to_string(), again.to_string());
        prop_assert_eq!(value, again);
    }

    #[test]
    fn dates_add_and_subtract(days in -300_000_i64..300_000) {
        let date = Date::parse("2001-02-28").unwrap();
        let moved = date.add(days, moment::Calendar::Day).unwrap();
        prop_assert_eq!(moved.add(-days, moment::Calendar::Day), Some(date));
        prop_assert_eq!(Date::parse(&moved.to_string()), Some(moved));
    }
}
