//! The data-quality score of a resource: how complete it is, and how valid.

use std::{collections::HashMap, sync::LazyLock};

use super::{limits::lines, write::Writer};
use crate::{
    json::{Kind, Value},
    validate::{IssueSeverity, Validator},
};

const TABLE: &str = include_str!("../../data/enrich/completeness.tsv");

/// What each error and each warning takes from a validity of 1, in thousandths.
const ERROR_COSTS: u32 = 200;
const WARNING_COSTS: u32 = 20;

/// An element that people need: its text in the table, and the paths of which one must lead to something.
struct Need {
    text: &'static str,
    paths: Vec<Vec<&'static str>>,
}

static LOADED: LazyLock<HashMap<&'static str, Vec<Need>>> = LazyLock::new(|| {
    let need = |text: &'static str| {
        // The alternatives are of the last step: `address.state|district`.
        let (stem, last) = text.rsplit_once('.').map_or(("", text), |(stem, last)| (stem, last));
        let alternatives = last.split('|').map(|name| stem.split('.').filter(|step| !step.is_empty()).chain([name]).collect());
        Need { text, paths: alternatives.collect() }
    };
    lines(TABLE).filter_map(|line| line.split_once('\t')).map(|(kind, needs)| (kind, needs.split(' ').map(need).collect())).collect()
});

/// Whether anything is at the end of a path.
fn present(value: Value<'_>, path: &[&str]) -> bool {
    if value.kind() == Kind::Array {
        return value.items().any(|item| present(item, path));
    }
    let Some((step, rest)) = path.split_first() else {
        return match value.kind() {
            Kind::Null => false,
            Kind::String => value.as_str().is_some_and(|text| !text.trim().is_empty()),
            Kind::Object => !value.is_empty(),
            _ => true,
        };
    };
    if let Some(stem) = step.strip_suffix("[x]") {
        return value.entries().any(|(name, member)| {
            name.strip_prefix(stem).is_some_and(|ty| ty.starts_with(|first: char| first.is_ascii_uppercase())) && present(member, rest)
        });
    }
    value.get(step).is_some_and(|member| present(member, rest))
}

/// `part / whole` in thousandths, rounded.
fn thousandths(part: u32, whole: u32) -> u32 {
    (part * 1000 + whole / 2) / whole
}

/// Writes the score; nothing where neither part can be known.
pub(super) fn write(kind: &str, resource: Value<'_>, validator: Option<&Validator>, writer: &mut Writer<'_>) {
    let needs = LOADED.get(kind).map(Vec::as_slice).unwrap_or_default();
    let missing = |need: &&Need| !need.paths.iter().any(|path| present(resource, path));
    let completeness =
        (!needs.is_empty()).then(|| thousandths(needs.iter().filter(|need| !missing(need)).count() as u32, needs.len() as u32));
    let findings = validator.map(|validator| {
        let issues = validator.validate(resource);
        let count = |wanted: fn(IssueSeverity) -> bool| issues.iter().filter(|issue| wanted(issue.severity)).count() as u32;
        (count(|severity| severity >= IssueSeverity::Error), count(|severity| severity == IssueSeverity::Warning))
    });
    let validity = findings.map(|(errors, warnings)| 1000_u32.saturating_sub(errors * ERROR_COSTS + warnings * WARNING_COSTS));
    let score = match (completeness, validity) {
        (Some(completeness), Some(validity)) => (completeness + validity).div_ceil(2),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return,
    };
    writer.begin("data-quality");
    writer.thousandths("score", score);
    if let Some(completeness) = completeness {
        writer.thousandths("completeness", completeness);
        for need in needs.iter().filter(missing) {
            writer.string_part("missing", need.text);
        }
    }
    if let (Some(validity), Some((errors, warnings))) = (validity, findings) {
        writer.thousandths("validity", validity);
        writer.count_part("errors", errors);
        writer.count_part("warnings", warnings);
    }
    writer.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{defs::r4, json::Parser};

    #[test]
    fn every_element_of_the_table_is_one_of_its_type() {
        assert_eq!(LOADED.len(), lines(TABLE).count());
        for (kind, needs) in LOADED.iter() {
            for need in needs {
                for path in &need.paths {
                    let mut ty = r4().resource_named(kind).unwrap_or_else(|| panic!("{kind}"));
                    for step in path {
                        let element = ty.element_named(step.trim_end_matches("[x]")).unwrap_or_else(|| panic!("{kind}: {step}"));
                        assert_eq!(element.choice, step.ends_with("[x]"), "{kind}: {step}");
                        ty = r4().type_of(element.types[0].ty);
                    }
                }
            }
        }
    }

    fn score(text: &str, validator: Option<&Validator>) -> String {
        let mut parser = Parser::default();
        let document = parser.parse(text.as_bytes()).unwrap();
        let kind = document.root().get("resourceType").unwrap().as_str().unwrap();
        let mut out = Vec::new();
        write(kind, document.root(), validator, &mut Writer::new(&mut out, false));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_formula() {
        // 2 of 5 elements.
        let found = score(r#"{"resourceType":"Location","name":"A","status":"active","type":[],"address":{}}"#, None);
        assert!(found.contains(r#""url":"score","valueDecimal":0.500"#), "{found}");
        assert!(found.contains(r#"{"url":"missing","valueString":"address"},{"url":"missing","valueString":"type"}"#), "{found}");
        // No errors, and one warning: there is no narrative (dom-6).
        let whole = r#"{"resourceType":"Location","name":"A","status":"active","type":[{"text":"t"}],"address":{"city":"C"}}"#;
        let found = score(whole, Some(&Validator::default()));
        assert!(found.contains(r#""completeness","valueDecimal":1.000"#) && found.contains(r#""errors","valueUnsignedInt":0"#), "{found}");
        // Not in the table: validity is all.
        let found = score(r#"{"resourceType":"Slot","status":"nonsense"}"#, Some(&Validator::default()));
        assert!(!found.contains("completeness") && found.contains(r#""url":"score""#), "{found}");
        assert_eq!(score(r#"{"resourceType":"Slot"}"#, None), "");
        // Six errors and more leave nothing.
        let bad = r#"{"resourceType":"Slot","a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}"#;
        assert!(score(bad, Some(&Validator::default())).contains(r#""score","valueDecimal":0.000"#));
    }
}
