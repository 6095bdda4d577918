//! The official FHIRPath tests, case by case. Used by this crate's test and by the conformance report.

use std::{collections::HashMap, fs, io, path::Path};

use sutura_fhir::{
    defs,
    fhirpath::{Collection, Context, DateTime, Expression, Item},
    json::Parser,
};

use super::xml::{self, Element};

/// Cases that are known to differ, with the reason. They count as failures in the report.
pub const KNOWN: &[(&str, &str)] = &[];

/// Runs every case; each comes back with what differed (nothing is a pass).
pub fn run(data: &Path) -> io::Result<Vec<(String, Vec<String>)>> {
    let folder = data.join("fhir/fhirpath");
    let text = fs::read_to_string(folder.join("tests-fhir-r4.dev.xml"))?;
    let tests = xml::parse(&text).ok_or_else(|| io::Error::other("the test file is no XML"))?;
    let mut inputs: HashMap<String, Vec<u8>> = HashMap::new();
    let mut results = Vec::new();
    for group in tests.all("group") {
        for (at, test) in group.all("test").enumerate() {
            let name = test.attribute("name").unwrap_or_default();
            let input = test.attribute("inputfile").unwrap_or("patient-example.xml");
            if !inputs.contains_key(input) {
                inputs.insert(input.to_owned(), load(&folder, input)?);
            }
            let name = format!("{}/{name}#{at}", group.attribute("name").unwrap_or_default());
            results.push((name, case(test, &inputs[input])));
        }
    }
    Ok(results)
}

/// The input as JSON: as it is, or converted from XML (the JSON forms beside some of them lack elements that the tests use).
fn load(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    let bytes = fs::read(folder.join("input").join(name))?;
    if Path::new(name).extension().is_some_and(|extension| extension == "json") {
        return Ok(bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let resource = xml::parse(&text).and_then(|root| xml::resource(&root)).ok_or_else(|| io::Error::other(format!("{name}: not read")))?;
    Ok(serde_json::to_vec(&resource)?)
}

fn case(test: &Element, input: &[u8]) -> Vec<String> {
    let Some(expression) = test.all("expression").next() else { return vec!["no expression".to_owned()] };
    let strict = test.attribute("mode") == Some("strict");
    let ordered = test.attribute("checkOrderedFunctions") == Some("true");
    let mut parser = Parser::default();
    let document = match parser.parse(input) {
        Ok(document) => document,
        Err(error) => return vec![format!("the input is not read: {error}")],
    };
    let compiled = Expression::parse(&expression.text);
    let found = compiled.as_ref().map_err(Clone::clone).and_then(|compiled| {
        let focus = Item::resource(document.root());
        let mut context = Context::new().now(DateTime::parse("2024-05-06T07:08:09.123Z").unwrap_or_else(DateTime::now));
        if strict || ordered {
            context = context.strict();
            let kind = document.root().get("resourceType").and_then(|kind| kind.as_str()).and_then(|kind| defs::r4().type_named(kind));
            if let Some(kind) = kind {
                compiled.check(kind)?;
            }
        }
        compiled.evaluate(focus, &mut context)
    });
    let must_fail = expression.attribute("invalid").is_some();
    let found = match found {
        Ok(_) if must_fail => return vec!["gave a result instead of an error".to_owned()],
        Ok(found) => found,
        Err(_) if must_fail => return Vec::new(),
        Err(error) => return vec![format!("gave an error: {error}")],
    };
    let mut expected: Vec<(Option<&str>, String)> =
        test.all("output").map(|output| (output.attribute("type"), output.text.clone())).collect();
    if test.attribute("predicate") == Some("true") {
        let truth = match &found[..] {
            [Item::Boolean(value)] => *value,
            other => !other.is_empty(),
        };
        let wanted = expected.first().is_some_and(|(_, text)| text == "true");
        return if truth == wanted { Vec::new() } else { vec![format!("{truth} as a predicate")] };
    }
    if found.len() != expected.len() {
        return vec![format!("{} items instead of {}: {}", found.len(), expected.len(), shown(&found))];
    }
    let mut reasons = Vec::new();
    for item in &found {
        let at = if test.attribute("ordered") == Some("false") { expected.iter().position(|wanted| same(item, wanted)) } else { Some(0) };
        match at {
            Some(at) => {
                let wanted = expected.remove(at);
                if !same(item, &wanted) {
                    reasons.push(format!("{} {:?} instead of {wanted:?}", item.type_name(), item.to_text()));
                }
            }
            None => reasons.push(format!("{:?} is not expected", item.to_text())),
        }
    }
    reasons
}

fn shown(found: &Collection<'_>) -> String {
    found.iter().map(|item| format!("{} {:?}", item.type_name(), item.to_text())).collect::<Vec<_>>().join(", ")
}

fn same(item: &Item<'_>, (kind, text): &(Option<&str>, String)) -> bool {
    let wanted = text.strip_prefix("@T").or(text.strip_prefix('@')).unwrap_or(text);
    let kind_fits = kind.is_none_or(|kind| {
        let name = item.type_name();
        name == kind || (name[..1].to_lowercase() + &name[1..]) == kind
    });
    kind_fits
        && item.to_text().is_some_and(|found| {
            found == wanted
                || (found.parse::<f64>().ok().is_some_and(|found| Some(found) == wanted.parse().ok())
                    && found.len() + usize::from(wanted.starts_with('-')) >= wanted.len())
        })
}
