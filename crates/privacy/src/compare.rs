//! What differs between two policies, and whether more or less of the data is left.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    labels::Label,
    method::{AgeScheme, Method},
    policy::{LabelAction, LegalBasis, Policy},
    profile::Profile,
};

/// Which way a difference goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The second policy leaves less of the data.
    Stricter,
    /// The second policy leaves more of the data.
    Looser,
    /// Neither can be said: another kind of code, a fact, a rule for a column whose class is not known here.
    Other,
}

/// One place where two policies differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `profile`, `legal.agreement`, `classes.date`, `tables.visits.columns.note`, `labels.HIV` and so on.
    pub place: String,
    /// What the first policy says; `None` when it says nothing.
    pub before: Option<String>,
    /// What the second policy says.
    pub after: Option<String>,
    /// Which way it goes.
    pub effect: Effect,
}

/// The differences from `a` to `b`: profile, reference date and facts, then rules by place, then labels. Name, version, description and
/// where a rule stands are no differences.
pub fn compare(a: &Policy, b: &Policy) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut note = |place: String, before: Option<String>, after: Option<String>, effect: Effect| {
        if before != after {
            differences.push(Difference { place, before, after, effect });
        }
    };
    let still_personal = |profile: Profile| !profile.output_is_deidentified();
    let effect = match (still_personal(a.profile), still_personal(b.profile)) {
        (true, false) => Effect::Stricter,
        (false, true) => Effect::Looser,
        _ => Effect::Other,
    };
    note("profile".into(), Some(a.profile.word().into()), Some(b.profile.word().into()), effect);
    let day = |policy: &Policy| policy.reference_date.map(|day| day.to_string());
    note("reference_date".into(), day(a), day(b), Effect::Other);
    for key in LegalBasis::KEYS {
        let fact = |policy: &Policy| policy.legal.get(key).map(str::to_owned);
        note(format!("legal.{key}"), fact(a), fact(b), Effect::Other);
    }
    for section in ["classes", "columns"] {
        let (before, after) = (methods(a, section), methods(b, section));
        let places: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for place in places {
            let (old, new) = (before.get(place), after.get(place));
            // A class of every table without a rule is refused; without a rule of its own a column or table falls back to another one.
            let refused = place.starts_with("classes.");
            let effect = match (old, new) {
                (Some(old), Some(new)) => effect_of(left_of(old), left_of(new)),
                (None, Some(_)) if refused => Effect::Looser,
                (Some(_), None) if refused => Effect::Stricter,
                _ => Effect::Other,
            };
            note(place.clone(), old.map(ToString::to_string), new.map(ToString::to_string), effect);
        }
    }
    for label in Label::ALL {
        let (old, new) = (a.label_action(label), b.label_action(label));
        note(format!("labels.{}", label.code()), Some(old.word().into()), Some(new.word().into()), effect_of(left_by(old), left_by(new)));
    }
    differences
}

fn methods<'p>(policy: &'p Policy, section: &str) -> BTreeMap<String, &'p Method> {
    let rules = if section == "classes" { &policy.classes } else { &policy.columns };
    rules.iter().map(|rule| (rule.place(section), &rule.method)).collect()
}

fn effect_of(before: u8, after: u8) -> Effect {
    match after.cmp(&before) {
        std::cmp::Ordering::Less => Effect::Stricter,
        std::cmp::Ordering::Greater => Effect::Looser,
        std::cmp::Ordering::Equal => Effect::Other,
    }
}

/// How much of a value a method leaves, in steps that only their order means something.
fn left_of(method: &Method) -> u8 {
    match method {
        Method::Drop => 0,
        Method::Redact => 1,
        Method::Mask => 2,
        // A random code says only which rows belong together.
        Method::VaultCode { .. } => 3,
        Method::AgeBand { scheme: AgeScheme::LifeStage } => 3,
        Method::AgeBand { scheme: AgeScheme::TenYear } | Method::Pseudonym { .. } => 4,
        Method::Year | Method::Zip3 | Method::Scrub { .. } | Method::Encrypt | Method::AgeBand { scheme: AgeScheme::TopCode } => 5,
        Method::ShiftDate { .. } => 6,
        Method::Keep => 7,
    }
}

fn left_by(action: LabelAction) -> u8 {
    match action {
        LabelAction::Withhold => 0,
        LabelAction::Redact => 1,
        LabelAction::Keep => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BUILTIN;

    fn policy(rules: &str) -> Policy {
        Policy::from_toml(&format!("name = \"p\"\nversion = \"1\"\nextends = \"limited-data-set\"\n{rules}"), "p.toml").unwrap()
    }

    #[test]
    fn a_policy_does_not_differ_from_itself() {
        for (name, _) in BUILTIN {
            let policy = Policy::builtin(name).unwrap();
            let renamed = Policy { name: "x".into(), version: "9".into(), file: "y".into(), ..policy.clone() };
            assert!(compare(&policy, &renamed).is_empty(), "{name}");
        }
    }

    #[test]
    fn differences_have_a_place_and_a_direction() {
        let a = policy("[columns]\nnote = \"drop\"\nid = { method = \"pseudonym\", kind = \"a\" }\n");
        let b = policy(
            "[legal]\nagreement = \"DUA-1\"\n[classes]\ndate = \"year\"\nmrn = \"vault-code\"\nfree-text = \"scrub\"\n[columns]\nnote = \"mask\"\n\
             id = { method = \"pseudonym\", kind = \"b\" }\n[tables.visits.columns]\nward = \"drop\"\n[labels]\nETH = \"redact\"\nHIV = \"withhold\"\n",
        );
        let found = compare(&a, &b);
        let told: Vec<(&str, Option<&str>, Option<&str>, Effect)> =
            found.iter().map(|one| (one.place.as_str(), one.before.as_deref(), one.after.as_deref(), one.effect)).collect();
        assert_eq!(
            told,
            [
                ("legal.agreement", None, Some("DUA-1"), Effect::Other),
                ("classes.date", Some("keep"), Some("year"), Effect::Stricter),
                ("classes.free-text", Some("redact"), Some("scrub (en)"), Effect::Looser),
                ("classes.mrn", Some("pseudonym"), Some("vault-code"), Effect::Stricter),
                ("columns.id", Some("pseudonym (a)"), Some("pseudonym (b)"), Effect::Other),
                ("columns.note", Some("drop"), Some("mask"), Effect::Looser),
                ("tables.visits.columns.ward", None, Some("drop"), Effect::Other),
                ("labels.ETH", Some("withhold"), Some("redact"), Effect::Looser),
                ("labels.HIV", Some("keep"), Some("withhold"), Effect::Stricter),
            ]
        );
        let back = compare(&b, &a);
        assert_eq!(back.len(), found.len());
        for (there, back) in found.iter().zip(&back) {
            assert_eq!((&there.before, &there.after), (&back.after, &back.before));
            assert!(there.effect != back.effect || there.effect == Effect::Other);
        }
    }

    #[test]
    fn profiles_and_missing_classes_are_told() {
        let (safe, limited) = (Policy::builtin("hipaa-safe-harbor").unwrap(), Policy::builtin("limited-data-set").unwrap());
        let found = compare(&safe, &limited);
        assert_eq!((found[0].place.as_str(), found[0].effect), ("profile", Effect::Looser));
        let mut fewer = limited.clone();
        fewer.classes.retain(|rule| rule.key != "quasi");
        assert_eq!(compare(&limited, &fewer)[0].effect, Effect::Stricter);
        assert_eq!(compare(&fewer, &limited)[0].effect, Effect::Looser);
    }
}
