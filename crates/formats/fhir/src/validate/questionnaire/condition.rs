//! Which items of a Questionnaire are enabled (`enableWhen`).

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{
    Pass, answer_value, answers,
    form::{Condition, Question},
    items, text,
};
use crate::{
    json::Value,
    validate::profile::{compare, same},
};

/// A place that has items: the response, a group or an answer.
pub(super) struct Scope<'d> {
    /// The item that it is, or whose answer it is.
    pub(super) owner: Option<Value<'d>>,
    pub(super) parent: Value<'d>,
}

impl<'d> Pass<'_, 'd> {
    /// Whether an item at the innermost scope is enabled; none where that cannot be decided.
    pub(super) fn enabled(&mut self, question: &Question) -> Option<bool> {
        if question.by_expression {
            return None;
        }
        let results: Vec<Option<bool>> = question.conditions.iter().map(|condition| self.holds(condition)).collect();
        let (Some(&first), several) = (results.first(), results.len() > 1) else { return Some(true) };
        let all = if results.contains(&Some(false)) { Some(false) } else { (!results.contains(&None)).then_some(true) };
        let any = if results.contains(&Some(true)) { Some(true) } else { (!results.contains(&None)).then_some(false) };
        match question.all {
            _ if !several => first,
            Some(true) => all,
            Some(false) => any,
            None => all.filter(|_| all == any),
        }
    }

    fn holds(&mut self, condition: &Condition) -> Option<bool> {
        let questions = self.find(&condition.question)?;
        let given: Vec<_> = questions.into_iter().flat_map(answers).filter_map(answer_value).map(|(value, _)| value).collect();
        let (ty, expected) = condition.answer.as_ref()?;
        if condition.operator == "exists" {
            return Some(expected.as_bool()? != given.is_empty());
        }
        if given.is_empty() {
            // The standard does not say what a missing answer is unequal to.
            return if condition.operator == "!=" { None } else { Some(false) };
        }
        let results: Vec<Option<bool>> = given.into_iter().map(|value| compares(value, ty, expected, &condition.operator)).collect();
        if condition.operator == "!=" {
            // One answer that differs, or all of them: readings differ.
            let first = results[0];
            return first.filter(|_| results.iter().all(|one| *one == first));
        }
        if results.contains(&Some(true)) {
            return Some(true);
        }
        (!results.contains(&None)).then_some(false)
    }

    /// The items of that linkId nearest to the innermost scope: of the innermost place that has any, outwards. None if the search
    /// would be too long.
    fn find(&mut self, link_id: &str) -> Option<Vec<Value<'d>>> {
        for at in (0..self.scopes.len()).rev() {
            let (owner, parent) = (self.scopes[at].owner, self.scopes[at].parent);
            let mut found = Vec::new();
            if !search(parent, link_id, &mut found, &mut self.looks) {
                return None;
            }
            if !found.is_empty() {
                return Some(found);
            }
            if let Some(owner) = owner.filter(|owner| text(*owner, "linkId") == Some(link_id)) {
                return Some(vec![owner]);
            }
        }
        Some(Vec::new())
    }
}

/// All items of that linkId below a place; whether there were enough looks left.
fn search<'d>(parent: Value<'d>, link_id: &str, found: &mut Vec<Value<'d>>, looks: &mut usize) -> bool {
    for item in items(parent, "item") {
        let Some(left) = looks.checked_sub(1) else { return false };
        *looks = left;
        if text(item, "linkId") == Some(link_id) {
            found.push(item);
        }
        if !search(item, link_id, found, looks) {
            return false;
        }
        for answer in items(item, "answer") {
            if !search(answer, link_id, found, looks) {
                return false;
            }
        }
    }
    true
}

/// Whether an answer stands to the expected one as the operator says.
fn compares(value: Value<'_>, ty: &str, expected: &Json, operator: &str) -> Option<bool> {
    match operator {
        "=" => equal(value, ty, expected),
        "!=" => equal(value, ty, expected).map(|equal| !equal),
        ">" | "<" | ">=" | "<=" => {
            let order = match ty {
                // Parts of a date: the one that is a part of the other is neither before nor after it.
                "date" | "dateTime" | "time" => {
                    let (have, limit) = (value.as_str()?, expected.as_str()?);
                    let common = have.len().min(limit.len()).min(19);
                    let order = have.get(..common)?.cmp(limit.get(..common)?);
                    if order == Ordering::Equal && have != limit {
                        return None;
                    }
                    order
                }
                _ => compare(value, expected)?,
            };
            Some(match operator {
                ">" => order == Ordering::Greater,
                "<" => order == Ordering::Less,
                ">=" => order != Ordering::Less,
                _ => order != Ordering::Greater,
            })
        }
        _ => None,
    }
}

fn equal(value: Value<'_>, ty: &str, expected: &Json) -> Option<bool> {
    match ty {
        "Coding" => {
            let (code, system) = (text(value, "code"), text(value, "system"));
            let (wanted, of) = (expected["code"].as_str(), expected["system"].as_str());
            if code.is_none() || wanted.is_none() {
                return None;
            }
            if code != wanted {
                return Some(false);
            }
            // The same code, and only one of them says of which system.
            (system.is_some() == of.is_some()).then_some(system == of)
        }
        "Quantity" => compare(value, expected).map(|order| order == Ordering::Equal),
        "Reference" => Some(text(value, "reference")? == expected["reference"].as_str()?),
        _ => Some(same(value, expected, true)),
    }
}
