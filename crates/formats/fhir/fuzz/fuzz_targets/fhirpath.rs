//! Any text is an expression or an error; any expression over a resource ends within its limits. The input is the
//! expression, then, behind a NUL, the resource.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_fhir::{
    defs,
    fhirpath::{Context, CostLimits, Expression, Item},
    json::Parser,
};

const PATIENT: &[u8] = br##"{"resourceType":"Patient","id":"p1","active":true,"birthDate":"1974-12-25","name":[{"use":"official","given":["Peter",null],"_given":[null,{"id":"g"}]}],"contained":[{"resourceType":"Organization","id":"o"}],"managingOrganization":{"reference":"#o"}}"##;

fuzz_target!(|data: &[u8]| {
    let (text, resource) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, PATIENT),
    };
    let Ok(expression) = std::str::from_utf8(text).map_err(drop).and_then(|text| Expression::parse(text).map_err(drop)) else { return };
    let mut parser = Parser::default();
    let Ok(document) = parser.parse(resource) else { return };
    if let Some(patient) = defs::r4().type_named("Patient") {
        let _ = expression.check(patient);
    }
    let mut context = Context::new().limits(CostLimits { steps: 50_000, text: 1 << 20 });
    if let Ok(found) = expression.evaluate(Item::resource(document.root()), &mut context) {
        for item in &found {
            let _ = item.to_text();
        }
    }
});
