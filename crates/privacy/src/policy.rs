//! Policies: PHI class -> method, with overrides by column, under a legal profile.
//!
//! A policy is TOML (see `docs/src/reference/policy.md`). Classes that it does not list are refused,
//! so that nothing leaves because nobody thought of it.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sutura_core::PhiClass;

use crate::{
    error::PrivacyError,
    labels::{Label, LabelSet, Notice},
    method::Method,
    policy_toml,
    profile::{Profile, RuleOf, suits},
};

/// The policies that come with the program: name and TOML text.
pub const BUILTIN: [(&str, &str); 7] = [
    ("hipaa-safe-harbor", include_str!("../policies/hipaa-safe-harbor.toml")),
    ("limited-data-set", include_str!("../policies/limited-data-set.toml")),
    ("expert-determination", include_str!("../policies/expert-determination.toml")),
    ("gdpr-pseudonymised", include_str!("../policies/gdpr-pseudonymised.toml")),
    ("gdpr-anonymous", include_str!("../policies/gdpr-anonymous.toml")),
    ("pipeda", include_str!("../policies/pipeda.toml")),
    ("australia", include_str!("../policies/australia.toml")),
];

/// The purposes for which a limited data set may be disclosed: 45 CFR 164.514(e)(3)(i).
pub const LIMITED_DATA_SET_PURPOSES: [&str; 3] = ["research", "public-health", "health-care-operations"];

/// The class word that stands for every sensitive category without a rule of its own.
pub(crate) const ANY_SENSITIVE: &str = "sensitive:*";

/// The facts a profile rests on and a program cannot know. Recorded in the manifest of every output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LegalBasis {
    /// Limited data set: the data use agreement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// Limited data set: who receives it under that agreement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// Limited data set: research, public-health or health-care-operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Expert determination: who determined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert: Option<String>,
    /// Expert determination: by what statistical or scientific method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Expert determination: where method and result are documented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Expert determination: the day, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub determined_on: Option<String>,
    /// Expert determination: the last day it holds, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<String>,
    /// GDPR: how quasi-identifiers are handled, or the assessment that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quasi_identifiers: Option<String>,
    /// gdpr-anonymous, pipeda, australia: where the assessment of re-identification is documented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assessment: Option<String>,
    /// gdpr-anonymous: why nobody can be singled out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub singling_out: Option<String>,
    /// gdpr-anonymous: why records of one person cannot be linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linkability: Option<String>,
    /// gdpr-anonymous: why nothing about a person can be inferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<String>,
    /// australia: who gets the data, and how access to it is controlled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_context: Option<String>,
    /// Anything else worth recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl LegalBasis {
    /// The keys of `[legal]`.
    pub const KEYS: [&str; 15] = [
        "agreement",
        "recipient",
        "purpose",
        "expert",
        "method",
        "document",
        "determined_on",
        "expires_on",
        "quasi_identifiers",
        "assessment",
        "singling_out",
        "linkability",
        "inference",
        "release_context",
        "notes",
    ];

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let value = match key {
            "agreement" => &self.agreement,
            "recipient" => &self.recipient,
            "purpose" => &self.purpose,
            "expert" => &self.expert,
            "method" => &self.method,
            "document" => &self.document,
            "determined_on" => &self.determined_on,
            "expires_on" => &self.expires_on,
            "quasi_identifiers" => &self.quasi_identifiers,
            "assessment" => &self.assessment,
            "singling_out" => &self.singling_out,
            "linkability" => &self.linkability,
            "inference" => &self.inference,
            "release_context" => &self.release_context,
            "notes" => &self.notes,
            _ => return None,
        };
        value.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Sets the value of a key; `false` when there is no such key.
    pub fn set(&mut self, key: &str, value: &str) -> bool {
        let place = match key {
            "agreement" => &mut self.agreement,
            "recipient" => &mut self.recipient,
            "purpose" => &mut self.purpose,
            "expert" => &mut self.expert,
            "method" => &mut self.method,
            "document" => &mut self.document,
            "determined_on" => &mut self.determined_on,
            "expires_on" => &mut self.expires_on,
            "quasi_identifiers" => &mut self.quasi_identifiers,
            "assessment" => &mut self.assessment,
            "singling_out" => &mut self.singling_out,
            "linkability" => &mut self.linkability,
            "inference" => &mut self.inference,
            "release_context" => &mut self.release_context,
            "notes" => &mut self.notes,
            _ => return false,
        };
        *place = Some(value.to_owned());
        true
    }
}

/// One line of `[classes]` or `[columns]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A class word (`name`, `sensitive:*`), or a column name, `table.column`, standard path, or a pattern with `*`.
    pub key: String,
    /// What happens to it.
    pub method: Method,
    /// The only table that it speaks for; every table when `None`.
    pub table: Option<String>,
    /// Line in the policy's text, from 1.
    pub line: usize,
    /// The file (or `builtin`) that states it.
    pub file: String,
    /// Whether the rule came from the policy that this one extends.
    pub inherited: bool,
}

/// What happens to a record with the codes of a sensitive category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelAction {
    /// It is treated like any other record.
    Keep,
    /// What shows the category is removed; the rest of the record stays.
    Redact,
    /// The record does not leave.
    Withhold,
}

impl LabelAction {
    /// All actions, from the least to the most careful.
    pub const ALL: [LabelAction; 3] = [LabelAction::Keep, LabelAction::Redact, LabelAction::Withhold];

    /// The word in policies and reports.
    pub fn word(self) -> &'static str {
        match self {
            LabelAction::Keep => "keep",
            LabelAction::Redact => "redact",
            LabelAction::Withhold => "withhold",
        }
    }

    /// The action of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// One line of `[labels]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRule {
    /// The label's code (`HIV`), or `*` for every label without a rule of its own.
    pub key: String,
    /// What happens.
    pub action: LabelAction,
    /// The consent or other ground on which the category stays.
    pub consent: Option<String>,
    /// Line in the policy's text, from 1.
    pub line: usize,
    /// The file (or `builtin`) that states it.
    pub file: String,
    /// Whether the rule came from the policy that this one extends.
    pub inherited: bool,
}

/// A de-identification policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name, as written into manifests and field metadata.
    pub name: String,
    /// Its version; raise it with every change.
    pub version: String,
    /// The legal standard it claims.
    pub profile: Profile,
    /// What it is for, in a sentence.
    pub description: String,
    /// The day from which ages are counted (over-89 rule, age bands from birth dates); the day of the run when `None`.
    pub reference_date: Option<NaiveDate>,
    /// Facts the profile needs.
    pub legal: LegalBasis,
    /// Rules by class; one of the table wins over one of all tables.
    pub classes: Vec<Rule>,
    /// Rules by column; the most specific one that fits wins over the class.
    pub columns: Vec<Rule>,
    /// Rules by sensitive category, for records whose codes show it.
    pub labels: Vec<LabelRule>,
    /// The policies that it extends, nearest first, as `name/version`.
    pub extends: Vec<String>,
    /// The file it came from, for messages.
    pub file: String,
}

/// Finds the text and the name of a policy file that another one extends, or says why it cannot.
pub type FindPolicy<'f> = dyn Fn(&str, &str) -> Result<(String, String), &'static str> + 'f;

/// A mistake in a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyProblem {
    /// File (or `builtin`).
    pub file: String,
    /// Line, from 1; 0 when it is about the whole.
    pub line: usize,
    /// Key, as `table.key`.
    pub key: String,
    /// What is wrong, with the paragraph of law where there is one.
    pub message: String,
    /// The nearest valid word, if one is near.
    pub suggestion: Option<String>,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: {}{}", self.key, self.message, did_you_mean(self.suggestion.as_deref()))
    }
}

pub(crate) fn join_problems(problems: &[PolicyProblem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

pub(crate) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|word| format!("; did you mean {word}?")).unwrap_or_default()
}

/// The candidate nearest to a misspelt word, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let scored = candidates.into_iter().map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate.to_owned())
}

impl Policy {
    /// A policy that comes with the program.
    pub fn builtin(name: &str) -> Result<Self, PrivacyError> {
        let Some((_, text)) = BUILTIN.iter().find(|(known, _)| *known == name) else {
            let suggestion = nearest(name, BUILTIN.iter().map(|(known, _)| *known));
            return Err(PrivacyError::UnknownPolicy { name: name.to_owned(), suggestion });
        };
        Self::from_toml(text, "builtin")
    }

    /// Reads a policy. `file` names it in messages, and `extends = "other.toml"` is looked for beside it. Unknown keys, words and
    /// methods that the profile forbids are all reported at once.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, PrivacyError> {
        Self::from_toml_with(text, file, &policy_toml::read_beside)
    }

    /// The same, with the files that it extends from `find`, which gets the name in `extends` and the file that says so, and gives the
    /// text and the name of what it found.
    pub fn from_toml_with(text: &str, file: &str, find: &FindPolicy<'_>) -> Result<Self, PrivacyError> {
        let policy = policy_toml::parse(text, file, find).map_err(PrivacyError::Policy)?;
        policy.check().map_err(PrivacyError::Policy)?;
        Ok(policy)
    }

    /// The policy with the job's legal facts added to (and over) its own.
    pub fn with_legal(mut self, facts: &LegalBasis) -> Self {
        for key in LegalBasis::KEYS {
            if let Some(value) = facts.get(key) {
                self.legal.set(key, value);
            }
        }
        self
    }

    /// `name/version`, as in field metadata.
    pub fn tag(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }

    /// Whether every rule is one that the profile permits. Column rules are checked again against
    /// the class of the real column when a schema is planned.
    pub fn check(&self) -> Result<(), Vec<PolicyProblem>> {
        let mut problems = Vec::new();
        for rule in &self.classes {
            let class = match rule.key.as_str() {
                ANY_SENSITIVE => Ok(PhiClass::Sensitive("*".into())),
                word => word.parse::<PhiClass>(),
            };
            let place = rule.place("classes");
            match class {
                Err(_) => problems.push(rule.problem(place, "unknown PHI class".into())),
                Ok(class) => {
                    if let Err(refusal) = self.profile.permits(&class, &rule.method) {
                        let message = format!("{} does not permit {}: {refusal}", self.profile, rule.method.word());
                        problems.push(rule.problem(place, message));
                    }
                }
            }
        }
        for rule in &self.columns {
            let verdicts: Vec<_> = PhiClass::ALL.iter().map(|class| self.profile.judge(class, &rule.method, RuleOf::Column)).collect();
            if verdicts.iter().all(Result::is_err) {
                let refusal = verdicts.into_iter().filter_map(Result::err).max_by_key(|refusal| refusal.citation.len());
                let reason = refusal.map(|refusal| refusal.to_string()).unwrap_or_default();
                let message = format!("{} does not permit {} on any column: {reason}", self.profile, rule.method.word());
                problems.push(rule.problem(rule.place("columns"), message));
            }
        }
        problems.extend(self.labels.iter().filter_map(|rule| self.check_label(rule)));
        let every_quasi = match self.profile {
            Profile::GdprPseudonymised => Some("GDPR Art. 4(5), EDPB Guidelines 01/2025"),
            Profile::GdprAnonymous => Some("GDPR Recital 26"),
            Profile::Pipeda => Some("PIPEDA s. 2(1)"),
            Profile::Australia => Some("Privacy Act 1988 (Cth) s. 6(1)"),
            _ => None,
        };
        if let Some(citation) = every_quasi {
            for class in ["quasi", "date", "geography", "age"] {
                if !self.classes.iter().any(|rule| rule.table.is_none() && rule.key == class) {
                    let message = format!("{} needs a rule for every quasi-identifier class ({citation})", self.profile);
                    problems.push(self.problem(0, format!("classes.{class}"), message));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// A category may stay in data that still identifies only on a stated ground.
    fn check_label(&self, rule: &LabelRule) -> Option<PolicyProblem> {
        if rule.action != LabelAction::Keep || rule.consent.is_some() {
            return None;
        }
        let labels: Vec<Label> = Label::ALL.into_iter().filter(|label| rule.key == "*" || rule.key == label.code()).collect();
        let law = labels.iter().find_map(|label| label.law()).filter(|_| self.profile == Profile::LimitedDataSet)?;
        let message = format!(
            "{} still identifies, so that this category stays only on a stated ground ({law}): withhold or redact it, or write \
             {{ action = \"keep\", consent = \"which consent or ground\" }}",
            self.profile
        );
        let key = format!("labels.{}", rule.key);
        Some(PolicyProblem { file: rule.file.clone(), line: rule.line, key, message, suggestion: None })
    }

    /// What happens to a record that shows a category. Without a rule it is kept, except for what 42 CFR Part 2 and 45 CFR 164.508
    /// protect in a limited data set, which is withheld.
    pub fn label_action(&self, label: Label) -> LabelAction {
        let of = |key: &str| self.labels.iter().find(|rule| rule.key == key).map(|rule| rule.action);
        of(label.code()).or_else(|| of("*")).unwrap_or(match self.profile {
            Profile::LimitedDataSet if label.law().is_some() => LabelAction::Withhold,
            _ => LabelAction::Keep,
        })
    }

    /// The most careful action for any of the labels; keep for none.
    pub fn action_for(&self, labels: LabelSet) -> LabelAction {
        labels.iter().map(|label| self.label_action(label)).max().unwrap_or(LabelAction::Keep)
    }

    /// The statement that a law wants beside data in which substance use stays, under a profile whose output is still under that law.
    pub fn notice(&self) -> Option<Notice> {
        let substance_use = LabelSet::NONE.with(Label::SubstanceUse);
        let stays = self.profile.carries_notices() && self.action_for(substance_use) == LabelAction::Keep;
        substance_use.notice().filter(|_| stays)
    }

    /// Whether the legal facts that the profile rests on are stated and hold on `today`.
    pub fn check_legal(&self, today: NaiveDate) -> Result<(), Vec<PolicyProblem>> {
        let mut problems = Vec::new();
        let mut need = |key: &str, why: &str| {
            if self.legal.get(key).is_none() {
                problems.push(self.problem(0, format!("legal.{key}"), format!("missing: {why}")));
            }
        };
        match self.profile {
            Profile::HipaaSafeHarbor | Profile::None => {}
            Profile::LimitedDataSet => {
                need("agreement", "a limited data set leaves only under a data use agreement; name it (45 CFR 164.514(e)(4))");
                need("recipient", "the data use agreement says who may use the data; name the recipient (45 CFR 164.514(e)(4)(ii)(B))");
                need("purpose", "say research, public-health or health-care-operations (45 CFR 164.514(e)(3)(i))");
            }
            Profile::ExpertDetermination => {
                need("expert", "name the person who determined that the risk is very small (45 CFR 164.514(b)(1))");
                need("method", "name the statistical or scientific method (45 CFR 164.514(b)(1)(ii))");
                need("document", "say where method and result are documented (45 CFR 164.514(b)(1)(ii))");
                need("determined_on", "say the day of the determination, as YYYY-MM-DD (45 CFR 164.514(b)(1))");
                need("expires_on", "say the last day the determination holds, as YYYY-MM-DD (HHS guidance on 45 CFR 164.514(b)(1))");
            }
            Profile::GdprPseudonymised => {
                need("quasi_identifiers", "say how quasi-identifiers are handled (GDPR Art. 4(5), EDPB Guidelines 01/2025)");
            }
            Profile::GdprAnonymous => {
                need(
                    "assessment",
                    "say where it is documented that nobody is identifiable by means reasonably likely to be used (GDPR Recital 26)",
                );
                need("singling_out", "say why no record singles a person out (GDPR Recital 26, WP216)");
                need("linkability", "say why records of one person cannot be linked, here or with other data (WP216)");
                need("inference", "say why nothing about a person can be inferred (WP216)");
            }
            Profile::Pipeda => {
                need(
                    "assessment",
                    "say where it is documented that there is no serious possibility of identification (PIPEDA s. 2(1), Gordon v. Canada (Health), 2008 FC 258)",
                );
                need("quasi_identifiers", "say how what identifies with other information is handled (PIPEDA s. 2(1))");
            }
            Profile::Australia => {
                need("assessment", "say where it is documented that nobody is reasonably identifiable (Privacy Act 1988 (Cth) s. 6(1))");
                need(
                    "release_context",
                    "say who gets the data and how access is controlled: being identifiable depends on it (Privacy Act 1988 (Cth) s. 6(1))",
                );
            }
        }
        if self.profile == Profile::LimitedDataSet
            && let Some(purpose) = self.legal.get("purpose")
            && !LIMITED_DATA_SET_PURPOSES.contains(&purpose)
        {
            let message = "a limited data set may serve research, public-health or health-care-operations only (45 CFR 164.514(e)(3)(i))";
            let mut problem = self.problem(0, "legal.purpose".into(), message.into());
            problem.suggestion = nearest(purpose, LIMITED_DATA_SET_PURPOSES);
            problems.push(problem);
        }
        if self.profile == Profile::ExpertDetermination {
            let mut day = |key: &str| {
                let text = self.legal.get(key)?;
                let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
                if day.is_none() {
                    problems.push(self.problem(0, format!("legal.{key}"), "this is no day; write YYYY-MM-DD".into()));
                }
                day
            };
            let (determined, expires) = (day("determined_on"), day("expires_on"));
            if expires.is_some_and(|last| last < today) {
                let message = "the determination has expired; have it renewed (HHS guidance on 45 CFR 164.514(b)(1))";
                problems.push(self.problem(0, "legal.expires_on".into(), message.into()));
            }
            if determined.is_some_and(|day| day > today) {
                problems.push(self.problem(0, "legal.determined_on".into(), "this day is in the future".into()));
            }
        }
        if self.profile == Profile::HipaaSafeHarbor
            && let Some(day) = self.reference_date
            && chrono::Datelike::year(&day) < chrono::Datelike::year(&today)
        {
            let message = "a reference date in a past year could show ages over 89 as younger; leave it out (45 CFR 164.514(b)(2)(i)(C))";
            problems.push(self.problem(0, "reference_date".into(), message.into()));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The rule for a column: the most specific column rule, else the rule of its class, else none (refused).
    pub(crate) fn rule_for(&self, table: Option<&str>, column: &str, path: Option<&str>, class: &PhiClass) -> Option<(&Method, RuleOf)> {
        let fits = |key: &str| {
            key == column
                || path.is_some_and(|path| pattern_fits(key, path))
                || pattern_fits(key, column)
                || table.is_some_and(|table| key.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')) == Some(column))
        };
        let here = |rule: &&Rule| rule.table.is_none() || rule.table.as_deref() == table;
        // The longest key without a star is the most specific; of the same kind one of the table wins, then later lines.
        // A pattern speaks only for columns that its method suits (`*zip` = zip3 leaves a clinical `gzip` alone).
        let specific = self
            .columns
            .iter()
            .filter(here)
            .filter(|rule| fits(&rule.key) && (!rule.key.contains('*') || suits(class, &rule.method).is_ok()))
            .max_by_key(|rule| (!rule.key.contains('*'), rule.table.is_some(), rule.key.len()));
        if let Some(rule) = specific {
            return Some((&rule.method, RuleOf::Column));
        }
        let of_table = table.and_then(|table| self.class_rule(Some(table), class));
        of_table.or_else(|| self.class_rule(None, class)).map(|rule| (&rule.method, RuleOf::Class))
    }

    fn class_rule(&self, table: Option<&str>, class: &PhiClass) -> Option<&Rule> {
        let of = |key: &str| self.classes.iter().find(|rule| rule.table.as_deref() == table && rule.key == key);
        of(&class.as_str()).or_else(|| matches!(class, PhiClass::Sensitive(_)).then(|| of(ANY_SENSITIVE)).flatten())
    }

    /// The method of a class in every table, rules of columns and of single tables aside.
    pub fn class_method(&self, class: &PhiClass) -> Option<&Method> {
        self.class_rule(None, class).map(|rule| &rule.method)
    }

    pub(crate) fn problem(&self, line: usize, key: String, message: String) -> PolicyProblem {
        PolicyProblem { file: self.file.clone(), line, key, message, suggestion: None }
    }
}

impl Rule {
    /// Where it stands, as in messages: `classes.date`, `tables.visits.columns.note`.
    pub fn place(&self, section: &str) -> String {
        match &self.table {
            None => format!("{section}.{}", self.key),
            Some(table) => format!("tables.{table}.{section}.{}", self.key),
        }
    }

    fn problem(&self, key: String, message: String) -> PolicyProblem {
        PolicyProblem { file: self.file.clone(), line: self.line, key, message, suggestion: None }
    }
}

/// Whether a pattern with at most one `*` fits the text.
fn pattern_fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 6, 1).unwrap()
    }

    #[test]
    fn every_builtin_passes_and_covers_every_class() {
        for (name, _) in BUILTIN {
            let policy = Policy::builtin(name).unwrap();
            assert_eq!(policy.name, name);
            assert_eq!(policy.profile.word(), name);
            for class in PhiClass::ALL.into_iter().chain([PhiClass::Sensitive("HIV".into())]) {
                assert!(policy.rule_for(None, "x", None, &class).is_some(), "{name} says nothing about {class}");
            }
        }
        let error = Policy::builtin("hipaa-safe-harbour").unwrap_err().to_string();
        assert!(error.contains("did you mean hipaa-safe-harbor?"), "{error}");
    }

    #[test]
    fn the_most_specific_column_rule_wins() {
        let text = r#"
            name = "p"
            version = "1"
            profile = "none"
            [classes]
            name = "drop"
            [columns]
            "*_name" = "mask"
            "given_name" = "redact"
            "patients.given_name" = "pseudonym"
            "PID-5.*" = "encrypt"
        "#;
        let policy = Policy::from_toml(text, "p.toml").unwrap();
        let word = |table, column, path| policy.rule_for(table, column, path, &PhiClass::Name).unwrap().0.word();
        assert_eq!(word(None, "family_name", None), "mask");
        assert_eq!(word(None, "given_name", None), "redact");
        assert_eq!(word(Some("patients"), "given_name", None), "pseudonym");
        assert_eq!(word(Some("visits"), "given_name", None), "redact");
        assert_eq!(word(None, "who", Some("PID-5.1")), "encrypt");
        assert_eq!(word(None, "who", None), "drop");
        assert!(policy.rule_for(None, "phone", None, &PhiClass::Phone).is_none());
    }

    #[test]
    fn a_limited_data_set_needs_its_agreement() {
        let policy = Policy::builtin("limited-data-set").unwrap();
        assert_eq!(policy.check_legal(today()).unwrap_err().len(), 3);
        let mut facts = LegalBasis { agreement: Some("DUA-7".into()), recipient: Some("university".into()), ..LegalBasis::default() };
        facts.purpose = Some("marketing".into());
        assert_eq!(policy.clone().with_legal(&facts).check_legal(today()).unwrap_err()[0].key, "legal.purpose");
        facts.purpose = Some("research".into());
        policy.with_legal(&facts).check_legal(today()).unwrap();
    }

    #[test]
    fn an_expired_determination_is_refused() {
        let mut facts = LegalBasis::default();
        for (key, value) in [
            ("expert", "A. Person"),
            ("method", "k-anonymity"),
            ("document", "R-1"),
            ("determined_on", "2026-01-01"),
            ("expires_on", "2026-05-31"),
        ] {
            assert!(facts.set(key, value));
        }
        let policy = Policy::builtin("expert-determination").unwrap();
        assert_eq!(policy.check_legal(today()).unwrap_err().len(), 5);
        let problems = policy.clone().with_legal(&facts).check_legal(today()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        facts.set("expires_on", "2026-06-01");
        policy.with_legal(&facts).check_legal(today()).unwrap();
    }
}
