//! The invariants that most resources meet, written out by hand: an expression need not be evaluated
//! for each name, period and reference of a file. Each says what its FHIRPath says; a test holds them
//! against the engine. The rest goes to the engine.

use std::{collections::HashSet, sync::OnceLock};

use super::{Check, r4, reference::entries};
use crate::{
    defs::{Invariant, TypeDef},
    json::{Kind, Value},
};

type Rule = for<'v, 'd, 'c> fn(&'c Check<'v, 'd>, Value<'d>) -> Option<bool>;

fn table() -> &'static [Option<Rule>] {
    static TABLE: OnceLock<Vec<Option<Rule>>> = OnceLock::new();
    TABLE.get_or_init(|| r4().invariants().iter().map(rule).collect())
}

/// Whether a rule is written out here.
#[cfg(test)]
pub(super) fn is_native(rule: &Invariant) -> bool {
    table().get(rule.index as usize).is_some_and(Option::is_some)
}

impl<'d> Check<'_, 'd> {
    /// Whether the rule is kept; none if it is not written out here or cannot be decided so.
    pub(super) fn native(&self, rule: &Invariant, value: Value<'d>) -> Option<bool> {
        table().get(rule.index as usize).copied().flatten().and_then(|check| check(self, value))
    }
}

fn has(value: Value<'_>, name: &str) -> bool {
    value.get(name).is_some()
}

/// Whether a choice is given, as any of its types.
fn has_choice(value: Value<'_>, def: &TypeDef, stem: &str) -> bool {
    value.entries().any(|(name, _)| {
        let name = name.strip_prefix('_').unwrap_or(name);
        name.starts_with(stem) && def.element(name).is_some_and(|(element, _)| element.choice && element.name == stem)
    })
}

fn text<'d>(value: Value<'d>, name: &str) -> Option<&'d str> {
    value.get(name)?.as_str()
}

fn items<'d>(value: Value<'d>, name: &str) -> impl Iterator<Item = Value<'d>> {
    value.get(name).into_iter().flat_map(|list| list.items())
}

/// Whether any coding of that CodeableConcept has that system and one of the codes.
fn coded(value: Value<'_>, name: &str, system: &str, codes: &[&str]) -> bool {
    value.get(name).is_some_and(|concept| {
        items(concept, "coding")
            .any(|coding| text(coding, "system") == Some(system) && text(coding, "code").is_some_and(|code| codes.contains(&code)))
    })
}

const UCUM: &str = "http://unitsofmeasure.org";
const ALLERGY_VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";
const CONDITION_VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CONDITION_CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";

fn any_of(value: Value<'_>, names: &[&str]) -> bool {
    value.entries().any(|(name, _)| names.contains(&name.strip_prefix('_').unwrap_or(name)))
}

fn named_type(name: &str) -> Option<&'static TypeDef> {
    r4().type_named(name).map(|id| r4().type_of(id))
}

/// The hand-written form of a rule.
fn rule(invariant: &Invariant) -> Option<Rule> {
    let rule: Rule = match invariant.key {
        // The walk itself sees to these.
        "ele-1" | "txt-1" | "txt-2" => |_, _| Some(true),
        "ext-1" => |_, value| {
            let has_value = value.entries().any(|(name, _)| name.strip_prefix('_').unwrap_or(name).starts_with("value"));
            Some(has(value, "extension") != has_value)
        },
        "dom-2" => |_, value| Some(!items(value, "contained").any(|one| has(one, "contained"))),
        "dom-3" => |_, value| Some(contained_are_used(value)),
        "dom-4" => |_, value| {
            Some(
                !items(value, "contained")
                    .any(|one| one.get("meta").is_some_and(|meta| has(meta, "versionId") || has(meta, "lastUpdated"))),
            )
        },
        "dom-5" => |_, value| Some(!items(value, "contained").any(|one| one.get("meta").is_some_and(|meta| has(meta, "security")))),
        "dom-6" => |_, value| Some(value.get("text").is_some_and(|text| has(text, "div"))),
        "ref-1" => |check, value| {
            let Some(reference) = text(value, "reference") else { return Some(true) };
            Some(!reference.starts_with('#') || check.resolve(reference).is_some())
        },
        "per-1" => |_, value| match (text(value, "start"), text(value, "end")) {
            (Some(start), Some(end)) => in_order(start, end),
            _ => Some(true),
        },
        "qty-3" => |_, value| Some(!has(value, "code") || has(value, "system")),
        "sqt-1" => |_, value| Some(!has(value, "comparator")),
        "cpt-2" => |_, value| Some(!has(value, "value") || has(value, "system")),
        "att-1" => |_, value| Some(!has(value, "data") || has(value, "contentType")),
        "rat-1" => |_, value| {
            let (above, below) = (has(value, "numerator"), has(value, "denominator"));
            Some(above == below && (above || has(value, "extension")))
        },
        "drt-1" => |_, value| Some(!has(value, "code") || (text(value, "system") == Some(UCUM) && has(value, "value"))),
        "obs-3" => |_, value| Some(any_of(value, &["low", "high", "text"])),
        "obs-6" => |_, value| Some(!has(value, "dataAbsentReason") || !has_choice(value, named_type("Observation")?, "value")),
        "obs-7" => observation_components,
        "pat-1" => |_, value| Some(any_of(value, &["name", "telecom", "address", "organization"])),
        "org-1" => |_, value| Some(any_of(value, &["identifier", "name"])),
        "org-2" | "org-3" => |_, value| Some(text(value, "use") != Some("home")),
        "con-2" => |_, value| Some(any_of(value, &["code", "detail"])),
        "con-3" => |_, value| {
            // `category.select($this = 'problem-list-item')` compares concepts with text: never true, never empty if there is a category.
            Some(
                has(value, "clinicalStatus")
                    || coded(value, "verificationStatus", CONDITION_VERIFICATION, &["entered-in-error"])
                    || !has(value, "category"),
            )
        },
        "con-4" => |_, value| {
            Some(
                !has_choice(value, named_type("Condition")?, "abatement")
                    || coded(value, "clinicalStatus", CONDITION_CLINICAL, &["resolved", "remission", "inactive"]),
            )
        },
        "con-5" => |_, value| {
            Some(!coded(value, "verificationStatus", CONDITION_VERIFICATION, &["entered-in-error"]) || !has(value, "clinicalStatus"))
        },
        "ait-1" => {
            |_, value| Some(coded(value, "verificationStatus", ALLERGY_VERIFICATION, &["entered-in-error"]) || has(value, "clinicalStatus"))
        }
        "ait-2" => |_, value| {
            Some(!coded(value, "verificationStatus", ALLERGY_VERIFICATION, &["entered-in-error"]) || !has(value, "clinicalStatus"))
        },
        "imm-1" => |_, value| Some(any_of(value, &["documentType", "reference"])),
        "tim-1" => |_, value| Some(!has(value, "duration") || has(value, "durationUnit")),
        "tim-2" => |_, value| Some(!has(value, "period") || has(value, "periodUnit")),
        "tim-4" => |_, value| Some(!is_negative(value, "duration")),
        "tim-5" => |_, value| Some(!is_negative(value, "period")),
        "tim-6" => |_, value| Some(!has(value, "periodMax") || has(value, "period")),
        "tim-7" => |_, value| Some(!has(value, "durationMax") || has(value, "duration")),
        "tim-8" => |_, value| Some(!has(value, "countMax") || has(value, "count")),
        "tim-10" => |_, value| Some(!has(value, "timeOfDay") || !has(value, "when")),
        // The rule's text says more than one, its expression in R4 more than two: the text is meant.
        "que-12" => |_, value| Some(items(value, "enableWhen").count() < 2 || any_of(value, &["enableBehavior"])),
        "que-7" => |_, value| Some(text(value, "operator") != Some("exists") || has(value, "answerBoolean")),
        "ras-2" => |_, value| {
            let probability = value.get("probabilityDecimal").and_then(|number| number.as_number()?.parse::<f64>().ok());
            Some(probability.is_none_or(|number| number <= 100.0))
        },
        "mad-1" => |_, value| {
            let def = named_type("MedicationAdministration.dosage")?;
            Some(has(value, "dose") || has_choice(value, def, "rate"))
        },
        "ppc-1" => |_, value| Some(any_of(value, &["policy", "policyRule"])),
        "cpl-3" => |_, value| Some(!has(value, "detail") || !has(value, "reference")),
        "bdl-1" => |_, value| Some(!has(value, "total") || matches!(text(value, "type"), Some("searchset" | "history"))),
        "bdl-2" => |_, value| Some(text(value, "type") == Some("searchset") || !entries(value).any(|entry| has(entry, "search"))),
        "bdl-3" => |_, value| {
            let asks = matches!(text(value, "type"), Some("batch" | "transaction" | "history"));
            Some(entries(value).all(|entry| has(entry, "request") == asks))
        },
        "bdl-4" => |_, value| {
            let answers = matches!(text(value, "type"), Some("batch-response" | "transaction-response" | "history"));
            Some(entries(value).all(|entry| has(entry, "response") == answers))
        },
        "bdl-5" => |_, value| Some(any_of(value, &["resource", "request", "response"])),
        "bdl-7" => |_, value| {
            if text(value, "type") == Some("history") {
                return Some(true);
            }
            let mut known = HashSet::new();
            Some(entries(value).all(|entry| {
                let Some(url) = text(entry, "fullUrl") else { return true };
                let version = entry.get("resource").and_then(|resource| resource.get("meta")).and_then(|meta| text(meta, "versionId"));
                known.insert((url, version.unwrap_or("")))
            }))
        },
        "bdl-8" => |_, value| Some(!text(value, "fullUrl").is_some_and(|url| url.contains("/_history/"))),
        "bdl-9" => |_, value| {
            let identified = value.get("identifier").is_some_and(|identifier| has(identifier, "system") && has(identifier, "value"));
            Some(text(value, "type") != Some("document") || identified)
        },
        "bdl-10" => |_, value| Some(text(value, "type") != Some("document") || text(value, "timestamp").is_some()),
        "bdl-11" => |_, value| Some(text(value, "type") != Some("document") || first_is(value, "Composition")),
        "bdl-12" => |_, value| Some(text(value, "type") != Some("message") || first_is(value, "MessageHeader")),
        _ => return None,
    };
    Some(rule)
}

fn first_is(bundle: Value<'_>, name: &str) -> bool {
    entries(bundle).next().and_then(|entry| entry.get("resource")).and_then(|resource| text(resource, "resourceType")) == Some(name)
}

fn is_negative(value: Value<'_>, name: &str) -> bool {
    value
        .get(name)
        .and_then(|number| number.as_number())
        .is_some_and(|digits| digits.starts_with('-') && digits.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
}

/// Whether two dateTimes are in order: none where precision or zone leave it open.
fn in_order(start: &str, end: &str) -> Option<bool> {
    let zone =
        |text: &str| text.get(19..).map(|rest| rest.trim_start_matches(|byte: char| byte == '.' || byte.is_ascii_digit()).to_owned());
    if !start.is_ascii() || !end.is_ascii() {
        return None;
    }
    let common = start.len().min(end.len()).min(10);
    if start[..common] != end[..common] && (start.len() <= 10 || end.len() <= 10 || zone(start) == zone(end)) {
        return Some(start[..common] < end[..common]);
    }
    if start == end {
        return Some(true);
    }
    if start.len() > 19 && end.len() > 19 && zone(start) == zone(end) {
        let bare = |text: &str, zone: usize| text[..text.len() - zone].to_owned();
        let width = zone(start).map_or(0, |zone| zone.len());
        return Some(bare(start, width) <= bare(end, width));
    }
    let moment = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    match (moment(start), moment(end)) {
        (Some(start), Some(end)) => Some(start <= end),
        // The same as far as both go: the comparison is empty, and a rule must be true.
        _ => Some(false),
    }
}

fn observation_components<'d>(check: &Check<'_, 'd>, value: Value<'d>) -> Option<bool> {
    if !has(value, "component") || !has_choice(value, named_type("Observation")?, "value") {
        return Some(true);
    }
    let code = check.resource.get("code")?;
    let parts = |coding: Value<'d>| ["system", "version", "code", "display"].map(|name| text(coding, name));
    let outer: HashSet<_> = items(code, "coding").map(parts).collect();
    let clash = items(value, "component")
        .filter_map(|component| component.get("code"))
        .any(|concept| items(concept, "coding").any(|coding| outer.contains(&parts(coding))));
    Some(!clash)
}

/// dom-3: every contained resource is referred to from the resource, or refers to it.
fn contained_are_used(value: Value<'_>) -> bool {
    let Some(contained) = value.get("contained") else { return true };
    if contained.is_empty() {
        return true;
    }
    let mut used = HashSet::new();
    references(value, &mut |text| {
        if let Some(id) = text.strip_prefix('#') {
            used.insert(id);
        }
    });
    contained.items().all(|one| {
        let mut back = false;
        references(one, &mut |text| back |= text == "#");
        back || text(one, "id").is_some_and(|id| used.contains(id))
    })
}

/// Every text below a value that begins with `#`: references, canonicals and URIs within the resource.
fn references<'d>(value: Value<'d>, take: &mut impl FnMut(&'d str)) {
    match value.kind() {
        Kind::String => {
            if let Some(text) = value.as_str() {
                if text.starts_with('#') {
                    take(text);
                } else if text.starts_with("<div") {
                    // Pictures and links of the narrative refer to contained resources too.
                    text.split('"').filter(|part| part.starts_with('#')).for_each(take);
                }
            }
        }
        Kind::Array => value.items().for_each(|item| references(item, take)),
        Kind::Object => value.entries().for_each(|(_, member)| references(member, take)),
        _ => {}
    }
}
