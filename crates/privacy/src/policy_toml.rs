//! Reading a policy's TOML. Every mistake is reported at once, with line, key and the nearest valid word.

use std::{fs::File, io::Read, path::Path};

use chrono::NaiveDate;
use sutura_core::PhiClass;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    labels::Label,
    method::{AgeScheme, Method},
    policy::{ANY_SENSITIVE, BUILTIN, FindPolicy, LabelAction, LabelRule, LegalBasis, Policy, PolicyProblem, Rule, nearest},
    profile::Profile,
    text::Rules,
};

const KEYS: [&str; 11] =
    ["name", "version", "profile", "description", "extends", "reference_date", "legal", "classes", "columns", "tables", "labels"];

/// A policy may extend one that extends another, so many times.
const MOST_LEVELS: usize = 8;

/// A policy file is small; more is a mistake.
const MOST_BYTES: u64 = 1 << 20;

/// Reads the text; the profile's judgement of the rules comes after.
pub(crate) fn parse(text: &str, file: &str, find: &FindPolicy<'_>) -> Result<Policy, Vec<PolicyProblem>> {
    parse_level(text, file, find, &mut vec![file.to_owned()])
}

/// The policy file of that name beside the file that extends it.
pub(crate) fn read_beside(name: &str, from: &str) -> Result<(String, String), &'static str> {
    let path = Path::new(from).parent().unwrap_or(Path::new("")).join(name);
    let file = File::open(&path).map_err(|_| "this file cannot be read; the name is looked for beside the policy that extends it")?;
    if !file.metadata().is_ok_and(|about| about.is_file() && about.len() <= MOST_BYTES) {
        return Err("this is no policy file: no plain file, or over 1 MiB");
    }
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(|_| "this file is no text")?;
    Ok((text, path.to_string_lossy().into_owned()))
}

/// `levels` are the files on the way here, each of which extends the next.
fn parse_level(text: &str, file: &str, find: &FindPolicy<'_>, levels: &mut Vec<String>) -> Result<Policy, Vec<PolicyProblem>> {
    let mut reader = Reader { text, file, find, problems: Vec::new() };
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            // The parser's own message names what it expected, never what stood there.
            reader.report(at, "", format!("not valid TOML: {}", error.message()), None);
            return Err(reader.problems);
        }
    };
    let policy = reader.policy(root.get_ref(), levels);
    match policy {
        Some(policy) if reader.problems.is_empty() => Ok(policy),
        _ => Err(reader.problems),
    }
}

struct Reader<'t> {
    text: &'t str,
    file: &'t str,
    find: &'t FindPolicy<'t>,
    problems: Vec<PolicyProblem>,
}

type Value<'v> = Spanned<DeValue<'v>>;

impl Reader<'_> {
    fn policy(&mut self, root: &DeTable<'_>, levels: &mut Vec<String>) -> Option<Policy> {
        self.refuse_unknown(root, &KEYS, "");
        let base = self.base(root, levels);
        let name = self.text_of(root, "name", "");
        let version = self.text_of(root, "version", "");
        let profile = match self.text_of(root, "profile", "") {
            None => base.as_ref().map(|base| base.profile),
            Some(word) => {
                let profile = Profile::from_word(&word);
                let at = root.get("profile").map_or(0, |value| value.span().start);
                if profile.is_none() {
                    let words = Profile::ALL.map(Profile::word);
                    self.report(at, "profile", format!("unknown profile; use {}", words.join(", ")), nearest(&word, words));
                } else if base.as_ref().is_some_and(|base| Some(base.profile) != profile) {
                    self.report(at, "profile", "differs from the profile of the policy it extends; leave it out".into(), None);
                }
                profile
            }
        };
        for (key, missing) in [("name", name.is_none()), ("version", version.is_none()), ("profile", profile.is_none())] {
            if missing && root.get(key).is_none() {
                self.report(0, key, "missing".into(), None);
            }
        }
        let description = self.text_of(root, "description", "").unwrap_or_default();
        let reference_date = self.reference_date(root).or(base.as_ref().and_then(|base| base.reference_date));
        let mut legal = base.as_ref().map(|base| base.legal.clone()).unwrap_or_default();
        if let Some(table) = self.table_of(root, "legal") {
            self.refuse_unknown(table, &LegalBasis::KEYS, "legal.");
            for key in LegalBasis::KEYS {
                if let Some(value) = self.text_of(table, key, "legal.") {
                    legal.set(key, &value);
                }
            }
        }
        let extends = base.iter().flat_map(|base| std::iter::once(base.tag()).chain(base.extends.iter().cloned())).collect();
        let (mut classes, mut columns, mut labels) = base.map(|base| (base.classes, base.columns, base.labels)).unwrap_or_default();
        for rule in classes.iter_mut().chain(&mut columns) {
            rule.inherited = true;
        }
        for rule in &mut labels {
            rule.inherited = true;
        }
        self.sections(root, None, &mut classes, &mut columns);
        if let Some(tables) = self.table_of(root, "tables") {
            for (name, value) in tables {
                let name: &str = name.get_ref();
                match value.get_ref().as_table() {
                    None => self.report(value.span().start, &format!("tables.{name}"), "must be a table".into(), None),
                    Some(table) => {
                        self.refuse_unknown(table, &["classes", "columns"], &format!("tables.{name}."));
                        self.sections(table, Some(name), &mut classes, &mut columns);
                    }
                }
            }
        }
        if let Some(table) = self.table_of(root, "labels") {
            self.labels(table, &mut labels);
        }
        Some(Policy {
            name: name?,
            version: version?,
            profile: profile?,
            description,
            reference_date,
            legal,
            classes,
            columns,
            labels,
            extends,
            file: self.file.to_owned(),
        })
    }

    /// The policy that this one extends: a builtin, or another file.
    fn base(&mut self, root: &DeTable<'_>, levels: &mut Vec<String>) -> Option<Policy> {
        let name = self.text_of(root, "extends", "")?;
        let at = root.get("extends").map_or(0, |value| value.span().start);
        if let Some((_, text)) = BUILTIN.iter().find(|(known, _)| *known == name) {
            return parse_level(text, "builtin", self.find, levels).ok();
        }
        if Path::new(&name).extension().is_none_or(|extension| extension != "toml") {
            let names = BUILTIN.map(|(known, _)| known);
            let message = format!("no builtin policy of that name; use {} or a file that ends in .toml", names.join(", "));
            self.report(at, "extends", message, nearest(&name, names));
            return None;
        }
        let (text, file) = match (self.find)(&name, self.file) {
            Ok(found) => found,
            Err(reason) => {
                self.report(at, "extends", reason.into(), None);
                return None;
            }
        };
        if levels.contains(&file) || levels.len() > MOST_LEVELS {
            self.report(at, "extends", format!("policies extend one another in a circle, or over more than {MOST_LEVELS} levels"), None);
            return None;
        }
        levels.push(file.clone());
        match parse_level(&text, &file, self.find, levels) {
            Ok(base) => Some(base),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// `[classes]` and `[columns]`, of every table or of one.
    fn sections(&mut self, root: &DeTable<'_>, table: Option<&str>, classes: &mut Vec<Rule>, columns: &mut Vec<Rule>) {
        for (section, rules) in [("classes", classes), ("columns", columns)] {
            if let Some(found) = self.table_of(root, section) {
                self.rules(found, section, table, rules);
            }
        }
    }

    fn labels(&mut self, table: &DeTable<'_>, rules: &mut Vec<LabelRule>) {
        for (key, value) in table {
            let at = key.span().start;
            let key: &str = key.get_ref();
            let path = format!("labels.{key}");
            if key != "*" && Label::from_code(key).is_none() {
                let codes = Label::ALL.map(Label::code);
                self.report(at, &path, format!("unknown label; use {} or *", codes.join(", ")), nearest(key, codes));
                continue;
            }
            let (word, consent) = match value.get_ref() {
                DeValue::String(word) => (Some(word.to_string()), None),
                DeValue::Table(table) => {
                    let prefix = format!("{path}.");
                    self.refuse_unknown(table, &["action", "consent"], &prefix);
                    (self.text_of(table, "action", &prefix), self.text_of(table, "consent", &prefix))
                }
                _ => (None, None),
            };
            let words = LabelAction::ALL.map(LabelAction::word);
            match word.as_deref().map(LabelAction::from_word) {
                Some(Some(action)) => {
                    rules.retain(|rule| rule.key != key);
                    let (line, file) = (self.line(at), self.file.to_owned());
                    rules.push(LabelRule { key: key.to_owned(), action, consent, line, file, inherited: false });
                }
                _ => {
                    let message = format!("use {}, or {{ action = \"keep\", consent = \"which consent or ground\" }}", words.join(", "));
                    self.report(at, &path, message, word.and_then(|word| nearest(&word, words)));
                }
            }
        }
    }

    fn reference_date(&mut self, root: &DeTable<'_>) -> Option<NaiveDate> {
        let value = root.get("reference_date")?;
        let text = match value.get_ref() {
            DeValue::Datetime(day) => day.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
        if day.is_none() {
            self.report(value.span().start, "reference_date", "must be a day, as 2026-03-14".into(), None);
        }
        day
    }

    fn rules(&mut self, found: &DeTable<'_>, section: &str, table: Option<&str>, rules: &mut Vec<Rule>) {
        for (key, value) in found {
            let at = key.span().start;
            let key: &str = key.get_ref();
            let path = table.map_or_else(|| format!("{section}.{key}"), |table| format!("tables.{table}.{section}.{key}"));
            if section == "classes" && key != ANY_SENSITIVE && key.parse::<PhiClass>().is_err() {
                let words: Vec<String> = PhiClass::ALL.iter().map(|class| class.as_str().into_owned()).collect();
                let near = nearest(key, words.iter().map(String::as_str).chain([ANY_SENSITIVE]));
                self.report(at, &path, format!("unknown PHI class; use {} or sensitive:<label>", words.join(", ")), near);
                continue;
            }
            if section == "columns" && key.matches('*').count() > 1 {
                self.report(at, &path, "a pattern has at most one *".into(), None);
                continue;
            }
            if let Some(method) = self.method(value, &path) {
                rules.retain(|rule| rule.key != key || rule.table.as_deref() != table);
                let (table, line, file) = (table.map(str::to_owned), self.line(at), self.file.to_owned());
                rules.push(Rule { key: key.to_owned(), method, table, line, file, inherited: false });
            }
        }
    }

    /// A word, or a table with the word under `method` and its parameters.
    fn method(&mut self, value: &Value<'_>, path: &str) -> Option<Method> {
        let at = value.span().start;
        let (word, parameters) = match value.get_ref() {
            DeValue::String(word) => (word.to_string(), None),
            DeValue::Table(table) => match self.text_of(table, "method", &format!("{path}.")) {
                Some(word) => (word, Some(table)),
                None => {
                    self.report(at, path, "a rule table needs the key method".into(), None);
                    return None;
                }
            },
            _ => {
                self.report(
                    at,
                    path,
                    "a rule is a word (\"drop\") or a table ({ method = \"age-band\", scheme = \"ten-year\" })".into(),
                    None,
                );
                return None;
            }
        };
        let Some(mut method) = Method::from_word(&word) else {
            self.report(at, path, format!("unknown method; use {}", Method::WORDS.join(", ")), nearest(&word, Method::WORDS));
            return None;
        };
        let Some(table) = parameters else { return Some(method) };
        let prefix = format!("{path}.");
        match &mut method {
            Method::Pseudonym { kind } | Method::VaultCode { kind } => {
                self.refuse_unknown(table, &["method", "kind"], &prefix);
                *kind = self.text_of(table, "kind", &prefix);
            }
            Method::AgeBand { scheme } => {
                self.refuse_unknown(table, &["method", "scheme"], &prefix);
                if let Some(word) = self.text_of(table, "scheme", &prefix) {
                    match AgeScheme::from_word(&word) {
                        Some(known) => *scheme = known,
                        None => {
                            let words = AgeScheme::ALL.map(AgeScheme::word);
                            self.report(at, path, format!("unknown age scheme; use {}", words.join(", ")), nearest(&word, words));
                        }
                    }
                }
            }
            Method::ShiftDate { max_days } => {
                self.refuse_unknown(table, &["method", "max_days"], &prefix);
                if let Some(value) = table.get("max_days") {
                    let days = value.get_ref().as_integer().and_then(|number| u16::from_str_radix(number.as_str(), number.radix()).ok());
                    match days.filter(|days| (1..=3650).contains(days)) {
                        Some(days) => *max_days = days,
                        None => self.report(value.span().start, &prefix, "max_days is a whole number from 1 to 3650".into(), None),
                    }
                }
            }
            Method::Scrub { languages } => {
                self.refuse_unknown(table, &["method", "languages"], &prefix);
                if let Some(value) = table.get("languages") {
                    *languages = self.languages(value, &prefix).unwrap_or_default();
                }
            }
            _ => self.refuse_unknown(table, &["method"], &prefix),
        }
        Some(method)
    }

    /// A list of languages that have built-in rules for text, not empty.
    fn languages(&mut self, value: &Value<'_>, prefix: &str) -> Option<Vec<String>> {
        let words: Option<Vec<String>> = value.get_ref().as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .filter(|words| !words.is_empty())
        });
        let known = |words: &Vec<String>| words.iter().all(|word| Rules::BUILTIN.contains(&word.as_str()));
        if !words.as_ref().is_some_and(known) {
            let message = format!("a list of the languages that have rules, as [\"en\"]; there are {}", Rules::BUILTIN.join(", "));
            self.report(value.span().start, &format!("{prefix}languages"), message, None);
            return None;
        }
        words
    }

    fn refuse_unknown(&mut self, table: &DeTable<'_>, known: &[&str], prefix: &str) {
        for key in table.keys() {
            let word: &str = key.get_ref();
            if !known.contains(&word) {
                self.report(
                    key.span().start,
                    &format!("{prefix}{word}"),
                    format!("unknown key; use {}", known.join(", ")),
                    nearest(word, known.iter().copied()),
                );
            }
        }
    }

    fn table_of<'d, 'v>(&mut self, table: &'d DeTable<'v>, key: &str) -> Option<&'d DeTable<'v>> {
        let value = table.get(key)?;
        let found = value.get_ref().as_table();
        if found.is_none() {
            self.report(value.span().start, key, "must be a table".into(), None);
        }
        found
    }

    fn text_of(&mut self, table: &DeTable<'_>, key: &str, prefix: &str) -> Option<String> {
        let value = table.get(key)?;
        let text = match value.get_ref() {
            DeValue::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            DeValue::Datetime(day) => Some(day.to_string()),
            _ => None,
        };
        if text.is_none() {
            self.report(value.span().start, &format!("{prefix}{key}"), "must be text in quotes, not empty".into(), None);
        }
        text
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn report(&mut self, at: usize, key: &str, message: String, suggestion: Option<String>) {
        self.problems.push(PolicyProblem { file: self.file.to_owned(), line: self.line(at), key: key.to_owned(), message, suggestion });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<PolicyProblem> {
        parse(text, "p.toml", &read_beside).unwrap_err()
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_the_nearest_word() {
        let text = "name = \"p\"\nversion = \"1\"\nprofile = \"hipaa-safe-harbour\"\nversoin = \"2\"\n[classes]\nnames = \"drop\"\nphone = \"dorp\"\n\
                    date = { method = \"shift-date\", max_day = 3 }\nage = { method = \"age-band\", scheme = \"tenyear\" }\nfax = 3\n[legal]\nagrement = \"x\"\n";
        let found = problems(text);
        let at = |key: &str| found.iter().find(|problem| problem.key == key).unwrap_or_else(|| panic!("nothing about {key} in {found:?}"));
        for (key, line, suggestion) in [
            ("profile", 3, Some("hipaa-safe-harbor")),
            ("versoin", 4, Some("version")),
            ("classes.names", 6, Some("name")),
            ("classes.phone", 7, Some("drop")),
            ("classes.date.max_day", 8, Some("max_days")),
            ("classes.age", 9, Some("ten-year")),
            ("classes.fax", 10, None),
            ("legal.agrement", 12, Some("agreement")),
        ] {
            assert_eq!((at(key).line, at(key).suggestion.as_deref()), (line, suggestion), "{key}");
        }
        assert_eq!(found.len(), 8);
        assert!(at("versoin").to_string().starts_with("p.toml:4: versoin: "));
    }

    #[test]
    fn syntax_errors_have_a_line() {
        assert_eq!(problems("name = \"p\"\nversion = \n")[0].line, 2);
        assert_eq!(problems("").len(), 3);
    }

    #[test]
    fn extending_changes_only_what_is_said() {
        let text = "name = \"ours\"\nversion = \"3\"\nextends = \"hipaa-safe-harbor\"\n[columns]\nsending_facility = \"vault-code\"\n\"*zip\" = \"drop\"\n";
        let policy = parse(text, "ours.toml", &read_beside).unwrap();
        assert_eq!(policy.profile, Profile::HipaaSafeHarbor);
        let word = |column, class| policy.rule_for(None, column, None, &class).unwrap().0.word();
        assert_eq!(word("sending_facility", PhiClass::OtherId), "vault-code");
        assert_eq!(word("zip", PhiClass::Geography), "drop");
        assert_eq!(word("patient_postal_code", PhiClass::Geography), "zip3");
        let other = "name = \"o\"\nversion = \"1\"\nextends = \"hipaa-safe-harbor\"\nprofile = \"none\"\n";
        assert_eq!(problems(other)[0].key, "profile");
    }

    #[test]
    fn parameters_are_read() {
        let text = "name = \"p\"\nversion = \"1\"\nprofile = \"none\"\nreference_date = 2026-03-14\n[classes]\ndate = { method = \"shift-date\", max_days = 30 }\n\
                    mrn = { method = \"pseudonym\", kind = \"patient\" }\n";
        let policy = parse(text, "p.toml", &read_beside).unwrap();
        assert_eq!(policy.reference_date, NaiveDate::from_ymd_opt(2026, 3, 14));
        assert_eq!(policy.rule_for(None, "d", None, &PhiClass::Date).unwrap().0, &Method::ShiftDate { max_days: 30 });
        assert_eq!(policy.rule_for(None, "m", None, &PhiClass::Mrn).unwrap().0, &Method::Pseudonym { kind: Some("patient".into()) });
        assert!(parse(&text.replace("30", "0"), "p", &read_beside).is_err());
    }

    /// Files by name, for policies that extend one another.
    fn with_files(text: &str, files: &[(&str, &str)]) -> Result<Policy, Vec<PolicyProblem>> {
        let find = |name: &str, _: &str| {
            files.iter().find(|(known, _)| *known == name).map(|(name, text)| ((*text).to_owned(), (*name).to_owned())).ok_or("not there")
        };
        parse(text, "ours.toml", &find)
    }

    #[test]
    fn policies_extend_files_over_several_levels() {
        let trust =
            "name = \"trust\"\nversion = \"2\"\nextends = \"hipaa-safe-harbor\"\n[classes]\nmrn = \"drop\"\n[columns]\nnote = \"mask\"\n";
        let hospital = "name = \"hospital\"\nversion = \"5\"\nextends = \"trust.toml\"\n[labels]\nHIV = \"withhold\"\n[tables.visits.columns]\nward = \"drop\"\n";
        let ours = "name = \"ours\"\nversion = \"1\"\nextends = \"hospital.toml\"\n[columns]\nnote = \"redact\"\n";
        let policy = with_files(ours, &[("trust.toml", trust), ("hospital.toml", hospital)]).unwrap();
        assert_eq!(policy.extends, ["hospital/5", "trust/2", "hipaa-safe-harbor/1"]);
        let word = |table, column, class| policy.rule_for(table, column, None, &class).unwrap().0.word();
        assert_eq!(word(None, "x", PhiClass::Mrn), "drop");
        assert_eq!(word(None, "x", PhiClass::Date), "year");
        assert_eq!(word(None, "note", PhiClass::FreeText), "redact");
        assert_eq!(word(Some("visits"), "ward", PhiClass::Clinical), "drop");
        assert_eq!(word(Some("patients"), "ward", PhiClass::Clinical), "keep");
        assert_eq!(policy.label_action(Label::Hiv), LabelAction::Withhold);
        let rule = policy.classes.iter().find(|rule| rule.key == "mrn").unwrap();
        assert_eq!((rule.file.as_str(), rule.line, rule.inherited), ("trust.toml", 5, true));
        // A mistake is told in the file that has it, and a circle ends.
        let broken = with_files(ours, &[("trust.toml", trust), ("hospital.toml", &hospital.replace("HIV", "HIVV"))]).unwrap_err();
        assert_eq!(
            (broken[0].file.as_str(), broken[0].key.as_str(), broken[0].suggestion.as_deref()),
            ("hospital.toml", "labels.HIVV", Some("HIV"))
        );
        let circle = with_files(ours, &[("hospital.toml", &hospital.replace("trust", "hospital"))]).unwrap_err();
        assert!(circle[0].message.contains("circle"), "{circle:?}");
        assert_eq!(with_files(ours, &[]).unwrap_err()[0].key, "extends");
    }

    #[test]
    fn a_file_beside_the_policy_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base.toml");
        std::fs::write(&base, "name = \"b\"\nversion = \"1\"\nprofile = \"none\"\n[classes]\nname = \"mask\"\n").unwrap();
        let ours = folder.path().join("ours.toml");
        let text = "name = \"o\"\nversion = \"1\"\nextends = \"base.toml\"\n";
        let policy = Policy::from_toml(text, &ours.to_string_lossy()).unwrap();
        assert_eq!(policy.class_method(&PhiClass::Name), Some(&Method::Mask));
        assert!(Policy::from_toml(&text.replace("base", "ours"), &ours.to_string_lossy()).is_err());
        assert!(read_beside(".", &ours.to_string_lossy()).is_err());
    }

    #[test]
    fn rules_of_one_table_win_over_those_of_all() {
        let text = "name = \"p\"\nversion = \"1\"\nprofile = \"none\"\n[classes]\ndate = \"year\"\n\"sensitive:*\" = \"drop\"\n[columns]\n\"*_at\" = \"drop\"\ncode = \"mask\"\n\
                    [tables.visits.classes]\ndate = \"keep\"\n\"sensitive:*\" = \"keep\"\n[tables.visits.columns]\n\"*_at\" = \"redact\"\n\"c*\" = \"drop\"\n";
        let policy = parse(text, "p.toml", &read_beside).unwrap();
        let word = |table, column, class| policy.rule_for(table, column, None, &class).unwrap().0.word();
        assert_eq!((word(Some("visits"), "day", PhiClass::Date), word(Some("labs"), "day", PhiClass::Date)), ("keep", "year"));
        assert_eq!(word(None, "day", PhiClass::Date), "year");
        assert_eq!(word(Some("visits"), "x", PhiClass::Sensitive("HIV".into())), "keep");
        assert_eq!((word(Some("visits"), "sent_at", PhiClass::Date), word(Some("labs"), "sent_at", PhiClass::Date)), ("redact", "drop"));
        // A name still wins over a pattern, whoever says it.
        assert_eq!(word(Some("visits"), "code", PhiClass::Clinical), "mask");
        let wrong = "name = \"p\"\nversion = \"1\"\nextends = \"hipaa-safe-harbor\"\n[tables.visits]\nclass = 3\n[tables.visits.classes]\nmrn = \"keep\"\n";
        assert_eq!(problems(wrong)[0].key, "tables.visits.class");
        let crate::PrivacyError::Policy(found) = Policy::from_toml(&wrong.replace("class = 3", ""), "p.toml").unwrap_err() else {
            panic!()
        };
        assert_eq!((found[0].key.as_str(), found[0].line), ("tables.visits.classes.mrn", 7));
    }

    #[test]
    fn categories_stay_in_identifying_data_only_on_a_stated_ground() {
        let policy = |profile: &str, labels: &str| {
            Policy::from_toml(&format!("name = \"p\"\nversion = \"1\"\nextends = \"{profile}\"\n[labels]\n{labels}\n"), "p.toml")
        };
        for (profile, labels, good) in [
            ("limited-data-set", "ETH = \"keep\"", false),
            ("limited-data-set", "ETH = { action = \"keep\", consent = \"form 7\" }", true),
            ("limited-data-set", "\"*\" = \"keep\"", false),
            ("limited-data-set", "SCA = \"keep\"", true),
            ("limited-data-set", "ETH = \"redact\"", true),
            ("gdpr-pseudonymised", "ETH = \"keep\"", true),
            ("hipaa-safe-harbor", "ETH = \"keep\"", true),
            ("hipaa-safe-harbor", "ETH = \"kept\"", false),
            ("hipaa-safe-harbor", "ETH = 1", false),
            ("hipaa-safe-harbor", "eth = \"keep\"", false),
        ] {
            assert_eq!(policy(profile, labels).is_ok(), good, "{profile} {labels}");
        }
        let policy = policy("limited-data-set", "\"*\" = \"redact\"\nHIV = \"withhold\"\nSTD = \"keep\"").unwrap();
        let set = |labels: &[Label]| labels.iter().copied().collect();
        assert_eq!(policy.action_for(set(&[Label::Std])), LabelAction::Keep);
        assert_eq!(policy.action_for(set(&[Label::Std, Label::SickleCell])), LabelAction::Redact);
        assert_eq!(policy.action_for(set(&[Label::Std, Label::SickleCell, Label::Hiv])), LabelAction::Withhold);
        assert_eq!(policy.action_for(set(&[])), LabelAction::Keep);
        let silent = Policy::builtin("limited-data-set").unwrap();
        assert_eq!((silent.label_action(Label::SubstanceUse), silent.label_action(Label::Hiv)), (LabelAction::Withhold, LabelAction::Keep));
        assert_eq!(Policy::builtin("hipaa-safe-harbor").unwrap().label_action(Label::SubstanceUse), LabelAction::Keep);
    }
}
