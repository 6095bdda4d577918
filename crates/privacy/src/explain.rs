//! What a policy does, rule by rule, in words: for `sutura policy check` and for the person who signs it.

use std::fmt::Write;

use serde::Serialize;
use sutura_core::PhiClass;

use crate::{
    labels::Label,
    method::{AgeScheme, Method},
    policy::{ANY_SENSITIVE, LabelAction, Policy, Rule},
    profile::{Profile, suits},
};

/// One rule, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Where it stands: `classes.date`, `columns.note`, `tables.visits.classes.date`, `labels.HIV`.
    pub place: String,
    /// The method with its parameters, the action of a label, or `refused` where the policy has no rule.
    pub method: String,
    /// The paragraph of law it rests on; empty where the profile makes no claim, or where only the column's class tells.
    pub paragraph: String,
    /// What comes out.
    pub outcome: String,
    /// The file (or `builtin`) that states it; empty where nothing does.
    pub file: String,
    /// Line in that file; 0 where nothing states it.
    pub line: usize,
    /// Whether it came from a policy that this one extends.
    pub inherited: bool,
}

/// Every rule of a policy: classes in the order of the reference, those without a rule included, then columns, then labels.
pub fn explain(policy: &Policy) -> Vec<Explained> {
    let mut explained = Vec::new();
    let words: Vec<String> = PhiClass::ALL.iter().map(|class| class.as_str().into_owned()).chain([ANY_SENSITIVE.to_owned()]).collect();
    for word in &words {
        let class = class_of(word);
        let stated: Vec<&Rule> = policy.classes.iter().filter(|rule| rule.key == *word).collect();
        if !stated.iter().any(|rule| rule.table.is_none()) {
            explained.push(Explained {
                place: format!("classes.{word}"),
                method: "refused".into(),
                paragraph: String::new(),
                outcome: "a table with such a column does not leave, unless a rule for the column says how".into(),
                file: String::new(),
                line: 0,
                inherited: false,
            });
        }
        explained.extend(stated.iter().map(|rule| of_rule(policy, rule, "classes", Some(&class))));
    }
    // Labels of one's own: `sensitive:HIV`.
    let own = policy.classes.iter().filter(|rule| !words.contains(&rule.key));
    explained.extend(own.map(|rule| of_rule(policy, rule, "classes", Some(&class_of(&rule.key)))));
    explained.extend(policy.columns.iter().map(|rule| of_rule(policy, rule, "columns", class_that_suits(&rule.method).as_ref())));
    explained.extend(Label::ALL.into_iter().map(|label| of_label(policy, label)));
    explained
}

fn class_of(word: &str) -> PhiClass {
    word.parse().unwrap_or_else(|_| PhiClass::Sensitive("*".into()))
}

/// The class of a column rule, where its method suits one only.
fn class_that_suits(method: &Method) -> Option<PhiClass> {
    let mut suited = PhiClass::ALL.into_iter().filter(|class| suits(class, method).is_ok());
    let first = suited.next()?;
    suited.next().is_none().then_some(first)
}

fn of_rule(policy: &Policy, rule: &Rule, section: &str, class: Option<&PhiClass>) -> Explained {
    Explained {
        place: rule.place(section),
        method: rule.method.to_string(),
        paragraph: class.map(|class| policy.profile.paragraph(class)).unwrap_or_default().to_owned(),
        outcome: outcome(policy, &rule.method),
        file: rule.file.clone(),
        line: rule.line,
        inherited: rule.inherited,
    }
}

fn of_label(policy: &Policy, label: Label) -> Explained {
    let rule = policy.labels.iter().find(|rule| rule.key == label.code()).or_else(|| policy.labels.iter().find(|rule| rule.key == "*"));
    let action = policy.label_action(label);
    let mut outcome = match action {
        LabelAction::Keep => "a record of this category is treated like any other".to_owned(),
        LabelAction::Redact => "what shows the category is removed, the rest of the record stays".to_owned(),
        LabelAction::Withhold => "a record of this category does not leave".to_owned(),
    };
    if let Some(consent) = rule.and_then(|rule| rule.consent.as_deref()) {
        let _ = write!(outcome, "; stated ground: {consent}");
    }
    if action != LabelAction::Withhold
        && let Some(notice) = crate::labels::LabelSet::NONE.with(label).notice()
        && policy.profile.carries_notices()
    {
        let _ = write!(outcome, "; the notice of {} goes with it", notice.citation);
    }
    Explained {
        place: format!("labels.{}", label.code()),
        method: action.word().to_owned(),
        paragraph: label.law().unwrap_or_default().to_owned(),
        outcome,
        file: rule.map(|rule| rule.file.clone()).unwrap_or_default(),
        line: rule.map_or(0, |rule| rule.line),
        inherited: rule.is_some_and(|rule| rule.inherited),
    }
}

/// What a method makes of a value, in a sentence.
fn outcome(policy: &Policy, method: &Method) -> String {
    let claims = policy.profile != Profile::None;
    match method {
        Method::Keep if claims => "the value as it is; codes and numbers only while they look like what the column should hold".into(),
        Method::Keep => "the value as it is".into(),
        Method::Drop => "no column".into(),
        Method::Redact => "an empty column".into(),
        Method::Mask => format!("{} for every value", crate::transform::MASKED),
        Method::Pseudonym { .. } => "a keyed code, the same for the same value wherever the key, project and domain are the same".into(),
        Method::VaultCode { .. } => "a random code from the vault, worked out from nothing".into(),
        Method::Encrypt => "an encrypted value that the holder of the key can read".into(),
        Method::ShiftDate { max_days } => {
            format!("the date moved by a secret number of days, up to {max_days} either way, the same for all dates of a patient")
        }
        Method::Year => "the year; years that show an age over 89 become one category".into(),
        Method::AgeBand { scheme: AgeScheme::TopCode } => "the age up to 89, then 90+".into(),
        Method::AgeBand { scheme: AgeScheme::TenYear } => "the group of ten years, 90+ for the oldest".into(),
        Method::AgeBand { scheme: AgeScheme::LifeStage } => "paediatric, adult or geriatric".into(),
        Method::Zip3 => "the first three digits where more than 20,000 people live (2020 Census), else 000".into(),
        Method::Scrub { .. } => {
            let dates = match policy.class_method(&PhiClass::Date) {
                Some(Method::Keep) => "dates stay",
                Some(Method::Year) => "dates become years",
                Some(Method::ShiftDate { .. }) => "dates move with the patient's other dates",
                _ => "dates are replaced too",
            };
            format!("the text with the class of every identifier found in its place; {dates}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BUILTIN;

    fn at<'e>(explained: &'e [Explained], place: &str) -> &'e Explained {
        explained.iter().find(|rule| rule.place == place).unwrap_or_else(|| panic!("nothing about {place}"))
    }

    #[test]
    fn every_rule_of_every_builtin_has_its_paragraph() {
        for (name, _) in BUILTIN {
            let policy = Policy::builtin(name).unwrap();
            let explained = explain(&policy);
            assert_eq!(explained.len(), policy.classes.len() + policy.columns.len() + Label::ALL.len(), "{name}");
            for rule in explained.iter().filter(|rule| rule.place.starts_with("classes.")) {
                assert!(!rule.paragraph.is_empty() && !rule.outcome.is_empty() && rule.line > 0, "{name}: {rule:?}");
            }
        }
        let safe = explain(&Policy::builtin("hipaa-safe-harbor").unwrap());
        assert_eq!(at(&safe, "classes.date").paragraph, "45 CFR 164.514(b)(2)(i)(C)");
        assert_eq!(at(&safe, "classes.mrn").paragraph, "45 CFR 164.514(b)(2)(i)(H)");
        assert_eq!(at(&safe, "columns.*zip").paragraph, "45 CFR 164.514(b)(2)(i)(B)");
        assert_eq!(at(&safe, "labels.ETH").method, "keep");
        let limited = explain(&Policy::builtin("limited-data-set").unwrap());
        assert_eq!(
            (at(&limited, "labels.ETH").method.as_str(), at(&limited, "labels.ETH").paragraph.as_str()),
            ("withhold", "42 CFR 2.12, 2.13")
        );
    }

    #[test]
    fn what_is_not_stated_is_told_too() {
        let text = "name = \"p\"\nversion = \"1\"\nprofile = \"limited-data-set\"\n[classes]\ndate = \"keep\"\nfree-text = \"scrub\"\n\
                    [tables.visits.classes]\ndate = \"year\"\n[labels]\nETH = { action = \"keep\", consent = \"form 7\" }\n";
        let explained = explain(&Policy::from_toml(text, "p.toml").unwrap());
        assert_eq!(at(&explained, "classes.name").method, "refused");
        assert_eq!(
            (at(&explained, "tables.visits.classes.date").method.as_str(), at(&explained, "tables.visits.classes.date").line),
            ("year", 8)
        );
        assert!(at(&explained, "classes.free-text").outcome.ends_with("dates stay"));
        let substance = &at(&explained, "labels.ETH").outcome;
        assert!(substance.contains("form 7") && substance.contains("42 CFR 2.32(a)(2)"), "{substance}");
    }
}
