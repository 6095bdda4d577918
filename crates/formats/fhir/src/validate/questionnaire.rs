//! A QuestionnaireResponse against its Questionnaire (FHIR R4, 5.4 and 12.7): which items may stand where, how often, with
//! answers of which type, out of which options, and which items their conditions switch on or off.
//!
//! The Questionnaire is a contained one or one of a loaded package; without it there is nothing to hold the answers against, which
//! is an information. Conditions that cannot be decided (units that differ, dates of different precision, expressions) decide
//! nothing: neither a missing nor a superfluous answer is found then.

mod condition;
mod form;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use condition::Scope;
pub(crate) use form::Form;
use form::Question;

use super::{
    Check, IssueCode, IssueSeverity,
    codes::Fit,
    profile::{compare, same},
    r4,
};
use crate::{defs::TypeId, json::Value};

/// No response takes more looks at items, questions and options than this: both sides may come from one input.
const MOST_LOOKS: usize = 2_000_000;

/// The state of one response.
struct Pass<'f, 'd> {
    form: &'f Form,
    /// Whether its linkIds may be named: those of a contained Questionnaire are data of the resource.
    named: bool,
    /// The items around, outermost first.
    scopes: Vec<Scope<'d>>,
    /// How bad a missing answer is: a response that is not complete may lack some.
    missing: IssueSeverity,
    looks: usize,
}

impl Pass<'_, '_> {
    /// Takes so many looks, if they are left.
    fn look(&mut self, count: usize) -> bool {
        let left = self.looks.checked_sub(count);
        self.looks = left.unwrap_or(0);
        left.is_some()
    }

    /// ` 'linkId'`, to stand behind what is said of an item.
    fn name(&self, question: &Question) -> String {
        if self.named { format!(" '{}'", question.link_id) } else { String::new() }
    }
}

/// An item of the response and its place.
type Member<'d> = (usize, Value<'d>);

fn text<'d>(value: Value<'d>, name: &str) -> Option<&'d str> {
    value.get(name)?.as_str()
}

fn items<'d>(value: Value<'d>, name: &str) -> impl Iterator<Item = Value<'d>> {
    value.get(name).into_iter().flat_map(|list| list.items())
}

/// The value of an answer and its type.
fn answer_value(answer: Value<'_>) -> Option<(Value<'_>, TypeId)> {
    let def = r4().type_of(r4().type_named("QuestionnaireResponse.item.answer")?);
    answer.entries().find_map(|(name, value)| {
        let (element, ty) = def.element(name)?;
        (element.name == "value").then_some((value, ty))
    })
}

/// The answers that say something: a value, or why there is none.
fn answers(item: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    items(item, "answer").filter(|answer| answer.entries().any(|(name, _)| name != "item" && name != "id"))
}

impl<'d> Check<'_, 'd> {
    /// The answers of a response.
    pub(super) fn questionnaire_response(&mut self, response: Value<'d>) {
        let Some(canonical) = text(response, "questionnaire") else { return };
        let form = match canonical.strip_prefix('#') {
            Some(id) => self.contained_form(response, id),
            None => self.validator.profiles.form(canonical),
        };
        let Some(form) = form else {
            let what = "the Questionnaire is neither contained nor loaded: the answers are not checked";
            return self.issue(IssueSeverity::Information, IssueCode::NotFound, response, what);
        };
        let complete = !matches!(text(response, "status"), Some("in-progress" | "stopped" | "entered-in-error"));
        let missing = if complete { IssueSeverity::Error } else { IssueSeverity::Warning };
        let scopes = vec![Scope { owner: None, parent: response }];
        let mut pass = Pass { form: &form, named: !canonical.starts_with('#'), scopes, missing, looks: MOST_LOOKS };
        self.level(&mut pass, &form.items, response);
    }

    fn contained_form(&self, response: Value<'d>, id: &str) -> Option<Arc<Form>> {
        let found =
            items(response, "contained").find(|one| text(*one, "id") == Some(id) && text(*one, "resourceType") == Some("Questionnaire"))?;
        let json = serde_json::from_slice(found.raw()).ok()?;
        Some(Arc::new(Form::new(&self.validator.profiles, &json)))
    }

    /// The items below one another, against the questions that may stand there.
    fn level(&mut self, pass: &mut Pass<'_, 'd>, questions: &[Question], parent: Value<'d>) {
        if !pass.look(questions.len()) {
            return self.issue(IssueSeverity::Warning, IssueCode::TooLong, parent, "the response is too large to be checked to its end");
        }
        let places: HashMap<&str, usize> = questions.iter().enumerate().map(|(place, one)| (one.link_id.as_str(), place)).collect();
        let mut members: Vec<Vec<Member<'d>>> = vec![Vec::new(); questions.len()];
        let mut last = 0;
        self.path.push("item");
        for (number, item) in items(parent, "item").enumerate() {
            let Some(link_id) = text(item, "linkId") else { continue };
            self.path.push_index(number);
            if let Some(&place) = places.get(link_id) {
                if place < last {
                    self.error(IssueCode::Structure, item, "the items are in another order than in the Questionnaire");
                }
                last = last.max(place);
                members[place].push((number, item));
            } else if pass.form.knows(link_id) {
                self.error(IssueCode::Structure, item, "the Questionnaire has the item of this linkId at another place");
            } else {
                self.error(IssueCode::NotFound, item, "the Questionnaire has no item of this linkId");
            }
            self.path.pop();
        }
        self.path.pop();
        for (question, members) in questions.iter().zip(members) {
            self.question(pass, question, &members, parent);
        }
    }

    /// All items of one question or group.
    fn question(&mut self, pass: &mut Pass<'_, 'd>, question: &Question, members: &[Member<'d>], parent: Value<'d>) {
        let enabled = pass.enabled(question);
        let name = pass.name(question);
        if enabled == Some(false) {
            for &(number, item) in members {
                if answers(item).next().is_some() || item.get("item").is_some() {
                    self.at_item(number, |check| {
                        check.error(IssueCode::Structure, item, format!("the item{name} is not enabled, but has an answer"));
                    });
                }
            }
            return;
        }
        let given = if question.is_group() { members.len() } else { members.iter().map(|(_, item)| answers(*item).count()).sum() };
        if question.is_display() {
            // Texts need not be repeated in a response.
        } else if given == 0 && question.required {
            if enabled == Some(true) {
                self.issue(pass.missing, IssueCode::Required, parent, format!("the required item{name} has no answer"));
            }
        } else if question.least.is_some_and(|least| (given as u64) < least) && (given > 0 || question.required) && enabled == Some(true) {
            self.issue(pass.missing, IssueCode::Required, parent, format!("the item{name} has too few answers"));
        }
        if question.most.is_some_and(|most| given as u64 > most) {
            self.error(IssueCode::Structure, parent, format!("the item{name} has too many answers"));
        }
        if members.len() > 1 && !question.repeats {
            self.error(IssueCode::Structure, parent, format!("the item{name} may stand only once"));
        }
        for &(number, item) in members {
            self.path.push("item");
            self.path.push_index(number);
            self.item(pass, question, item);
            self.path.pop();
            self.path.pop();
        }
    }

    fn at_item(&mut self, number: usize, run: impl FnOnce(&mut Self)) {
        self.path.push("item");
        self.path.push_index(number);
        run(self);
        self.path.pop();
        self.path.pop();
    }

    fn item(&mut self, pass: &mut Pass<'_, 'd>, question: &Question, item: Value<'d>) {
        if let (Some(text), Some(expected)) = (text(item, "text"), question.text.as_deref())
            && text != expected
            && item.get("_text").is_none()
        {
            self.issue(IssueSeverity::Warning, IssueCode::Value, item, "the text is not the Questionnaire's");
        }
        if question.is_display() {
            if item.get("answer").is_some() || item.get("item").is_some() {
                self.error(IssueCode::Structure, item, "an item that only displays text has neither answers nor items");
            }
            return;
        }
        if question.is_group() {
            if item.get("answer").is_some() {
                self.error(IssueCode::Structure, item, "a group has items, not answers");
            }
            return self.below(pass, question, item, item);
        }
        if !question.repeats && items(item, "answer").count() > 1 {
            self.error(IssueCode::Structure, item, "the question may have one answer only");
        }
        self.path.push("answer");
        for (number, answer) in items(item, "answer").enumerate() {
            self.path.push_index(number);
            if pass.look(question.options.len()) {
                self.answer(pass.form, question, answer);
            }
            self.below(pass, question, item, answer);
            self.path.pop();
        }
        self.path.pop();
        if item.get("item").is_some() {
            self.below(pass, question, item, item);
        }
    }

    /// The items below a group or an answer.
    fn below(&mut self, pass: &mut Pass<'_, 'd>, question: &Question, item: Value<'d>, parent: Value<'d>) {
        if question.items.is_empty() && parent.get("item").is_none() {
            return;
        }
        pass.scopes.push(Scope { owner: Some(item), parent });
        self.level(pass, &question.items, parent);
        pass.scopes.pop();
    }

    /// One answer: its type, its length and bounds, and whether it is an option.
    fn answer(&mut self, form: &Form, question: &Question, answer: Value<'d>) {
        let Some((value, ty)) = answer_value(answer) else { return };
        if !question.takes(ty.name()) {
            let kind = &question.kind;
            return self.error(IssueCode::Structure, answer, format!("a question of type {kind} has no answers of type {}", ty.name()));
        }
        if let Some(text) = value.as_str() {
            let length = text.chars().count() as u64;
            if question.max_length.is_some_and(|most| length > most) {
                self.error(IssueCode::Value, answer, "the answer is longer than the Questionnaire allows");
            }
            if question.min_length.is_some_and(|least| length < least) {
                self.error(IssueCode::Value, answer, "the answer is shorter than the Questionnaire allows");
            }
        }
        let below = question.min_value.as_ref().and_then(|bound| compare(value, bound)) == Some(std::cmp::Ordering::Less);
        let above = question.max_value.as_ref().and_then(|bound| compare(value, bound)) == Some(std::cmp::Ordering::Greater);
        if below || above {
            self.error(IssueCode::Value, answer, "the answer is out of the Questionnaire's bounds");
        }
        self.option(form, question, answer, value, ty);
    }

    fn option(&mut self, form: &Form, question: &Question, answer: Value<'d>, value: Value<'d>, ty: TypeId) {
        let open = question.kind == "open-choice";
        if open && ty.name() == "string" {
            let coded =
                value.as_str().is_some_and(|text| question.options.iter().any(|(_, option)| option["display"].as_str() == Some(text)));
            if coded {
                let what = "the text is that of an option: the option's code is most likely meant";
                self.issue(IssueSeverity::Warning, IssueCode::Value, answer, what);
            }
            return;
        }
        if open && ty == self.known.coding && value.get("code").is_none() {
            return;
        }
        if let Some(set) = &question.value_set {
            return self.in_answer_set(form, set, answer, value, ty);
        }
        if question.options.is_empty() {
            return;
        }
        let mut fitting = question.options.iter().filter(|(code, _)| code == ty.name()).peekable();
        if fitting.peek().is_none() {
            return self.error(IssueCode::CodeInvalid, answer, format!("the question has no options of type {}", ty.name()));
        }
        let is = |option: &serde_json::Value| match ty.name() {
            "Coding" => same_coding(value, option),
            "Reference" => text(value, "reference") == option["reference"].as_str(),
            _ => same(value, option, true),
        };
        if !fitting.any(|(_, option)| is(option)) {
            self.error(IssueCode::CodeInvalid, answer, "the answer is none of the question's options");
        }
    }

    fn in_answer_set(&mut self, form: &Form, url: &str, answer: Value<'d>, value: Value<'d>, ty: TypeId) {
        let fit = if let Some(set) = form.sets.get(url) {
            self.fit(value, ty, set)
        } else {
            match self.validator.profiles.value_set(url) {
                Some(set) => self.fit(value, ty, set.as_ref()),
                None => match r4().value_set(url) {
                    Some(set) => self.fit(value, ty, set),
                    None => return,
                },
            }
        };
        if fit == Fit::Out {
            self.error(IssueCode::CodeInvalid, answer, "the answer is not in the question's value set");
        }
    }
}

/// A coding and an option: system and code, or the display where the option has no code.
fn same_coding(value: Value<'_>, option: &serde_json::Value) -> bool {
    let fits = |name: &str| text(value, name) == option[name].as_str();
    match option["code"].as_str() {
        Some(_) => fits("code") && (option["system"].is_null() || fits("system")),
        None => fits("display"),
    }
}
