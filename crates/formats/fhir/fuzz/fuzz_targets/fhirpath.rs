//! Any text is an expression or an error; any expression over a resource ends within its limits, with the same result each time.
//! The input is the expression, then, behind a NUL, the resource.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_fhir::{
    defs,
    fhirpath::{Context, CostLimits, DateTime, Expression, Item, PathError},
    json::{Parser, Value},
};

const PATIENT: &[u8] = br##"{"resourceType":"Patient","id":"p1","active":true,"birthDate":"1974-12-25","name":[{"use":"official","given":["Peter",null],"_given":[null,{"id":"g"}]}],"contained":[{"resourceType":"Organization","id":"o","partOf":{"reference":"#o"}}],"managingOrganization":{"reference":"#o"}}"##;

const LIMITS: CostLimits = CostLimits { steps: 20_000, text: 1 << 16 };

fn evaluate(expression: &Expression, resource: Value<'_>) -> Result<Vec<Option<String>>, PathError> {
    let now = DateTime::parse("2026-01-02T03:04:05.006Z").expect("a date");
    let mut context = Context::new().limits(LIMITS).now(now);
    let found = expression.evaluate(Item::resource(resource), &mut context)?;
    assert!(found.len() as u64 <= LIMITS.steps);
    let texts: Vec<_> = found.iter().map(|item| item.to_text().map(|text| text.into_owned())).collect();
    Ok(texts)
}

fuzz_target!(|data: &[u8]| {
    let (text, resource) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, PATIENT),
    };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(PathError::Syntax { offset, .. }) => return assert!(offset <= text.len()),
        Err(_) => return,
    };
    let mut parser = Parser::default();
    let Ok(document) = parser.parse(resource) else { return };
    if let Some(patient) = defs::r4().type_named("Patient") {
        let _ = expression.check(patient);
    }
    let first = evaluate(&expression, document.root());
    assert_eq!(evaluate(&expression, document.root()), first);
});
