//! What NM and SN say: a number with its sign, a range or a ratio where it is one, else text. A Quantity always has a value.

use sutura_core::Severity;

use super::{
    plan::Leaf,
    run::{Value, Work},
    text,
};
use crate::fhir::NodeId;

/// Signs that FHIR has as comparators, the longer ones first.
const SIGNS: [&str; 4] = ["<=", ">=", "<", ">"];

/// NM, whatever stands there: `node` is the Observation or its component.
pub(super) fn number<'m>(work: &mut Work<'m>, value: Value<'m>, node: NodeId) -> u64 {
    let parts = work.index.parts(value.raw, value.level);
    let first = work.index.plain(parts.get(1)).trim().to_owned();
    let sign = SIGNS.into_iter().find(|sign| first.starts_with(sign));
    if let Some(number) = decimal(first.trim_start_matches(sign.unwrap_or("")).trim()) {
        return u64::from(quantity(work, node, sign, &number));
    }
    let whole = work.index.plain(value.raw).trim().to_owned();
    as_text(work, node, whole)
}

/// SN: comparator, number, separator, number.
pub(super) fn structured<'m>(work: &mut Work<'m>, value: Value<'m>, node: NodeId) -> u64 {
    let parts = work.index.parts(value.raw, value.level);
    let said = [1, 2, 3, 4].map(|part| work.index.plain(parts.get(part)).trim().to_owned());
    let whole = said.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    let [sign, one, separator, two] = &said;
    let sign = match sign.as_str() {
        "" | "=" => Some(None),
        other => SIGNS.into_iter().find(|known| *known == other).map(Some),
    };
    let (one, other) = (decimal(one), decimal(two));
    let done = match (sign, separator.as_str(), one, other) {
        (Some(sign), "", Some(number), None) if two.is_empty() => quantity(work, node, sign, &number),
        // A sign before a range or ratio stays in what was sent.
        (_, "-", Some(low), Some(high)) => {
            work.tree.set(node, "valueRange.low.value", &low)
                && work.tree.set(node, "valueRange.high.value", &high)
                && original(work, node, ("valueRange.extension[0].url", "valueRange.extension[0].valueString"), &whole)
        }
        (sign, ":" | "/", Some(numerator), Some(denominator)) => {
            let done = work.tree.set(node, "valueRatio.numerator.value", &numerator)
                && work.tree.set(node, "valueRatio.denominator.value", &denominator)
                && original(work, node, ("valueRatio.extension[0].url", "valueRatio.extension[0].valueString"), &whole);
            if let (true, Some(sign)) = (done, sign.flatten()) {
                work.tree.set(node, "valueRatio.numerator.comparator", sign);
            }
            done
        }
        _ => return as_text(work, node, whole),
    };
    if done { u64::MAX } else { 0 }
}

/// OBX-6 of a number that became text: the unit stands in the text.
pub(super) fn unit_in_text(work: &Work<'_>, node: NodeId) -> u64 {
    let text = work.tree.get(node, "valueString").unwrap_or("");
    let unit = unit(work);
    u64::from(!unit.is_empty() && has_digit(text) && text.ends_with(&unit))
}

fn quantity(work: &mut Work<'_>, node: NodeId, sign: Option<&'static str>, number: &str) -> bool {
    let done = work.tree.set(node, "valueQuantity.value", number);
    if let (true, Some(sign)) = (done, sign) {
        work.tree.set(node, "valueQuantity.comparator", sign);
    }
    done
}

/// Range and Ratio keep what was sent beside what was understood, as the guide has it.
fn original(work: &mut Work<'_>, node: NodeId, (url, value): (&'static str, &'static str), whole: &str) -> bool {
    work.tree.set(node, url, "http://hl7.org/fhir/StructureDefinition/originalText") && work.tree.set(node, value, whole)
}

/// What is no number is kept as text, with its unit where there are digits.
fn as_text(work: &mut Work<'_>, node: NodeId, mut whole: String) -> u64 {
    let unit = unit(work);
    if has_digit(&whole) && !unit.is_empty() {
        whole.push(' ');
        whole.push_str(&unit);
    }
    let mut clean = String::new();
    if !text::push(Leaf::String, &whole, &mut clean) || !work.tree.set(node, "valueString", &clean) {
        work.tree.set(node, "dataAbsentReason.coding[0].system", "http://terminology.hl7.org/CodeSystem/data-absent-reason");
        work.tree.set(node, "dataAbsentReason.coding[0].code", "unknown");
        return 0;
    }
    work.note("convert-number-as-text", Severity::Info, "the value is no number; it is kept as text");
    u64::MAX
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn unit(work: &Work<'_>) -> String {
    let parts = [1, 2].map(|part| work.index.plain(work.index.first(work.here, 6, part)).trim().to_owned());
    let mut clean = String::new();
    let found = parts.into_iter().find(|part| !part.is_empty()).unwrap_or_default();
    if text::push(Leaf::String, &found, &mut clean) { clean } else { String::new() }
}

fn decimal(text: &str) -> Option<String> {
    let mut out = String::new();
    text::push_decimal(text, &mut out).then_some(out)
}
