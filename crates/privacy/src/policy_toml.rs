//! Reading a policy's TOML. Every mistake is reported at once, with line, key and the nearest valid word.

use chrono::NaiveDate;
use sutura_core::PhiClass;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    method::{AgeScheme, Method},
    policy::{ANY_SENSITIVE, BUILTIN, LegalBasis, Policy, PolicyProblem, Rule, nearest},
    profile::Profile,
    text::Rules,
};

const KEYS: [&str; 9] = ["name", "version", "profile", "description", "extends", "reference_date", "legal", "classes", "columns"];

/// Reads the text; the profile's judgement of the rules comes after.
pub(crate) fn parse(text: &str, file: &str) -> Result<Policy, Vec<PolicyProblem>> {
    let mut reader = Reader { text, file, problems: Vec::new() };
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            // The parser's own message names what it expected, never what stood there.
            reader.report(at, "", format!("not valid TOML: {}", error.message()), None);
            return Err(reader.problems);
        }
    };
    let policy = reader.policy(root.get_ref());
    match policy {
        Some(policy) if reader.problems.is_empty() => Ok(policy),
        _ => Err(reader.problems),
    }
}

struct Reader<'t> {
    text: &'t str,
    file: &'t str,
    problems: Vec<PolicyProblem>,
}

type Value<'v> = Spanned<DeValue<'v>>;

impl Reader<'_> {
    fn policy(&mut self, root: &DeTable<'_>) -> Option<Policy> {
        self.refuse_unknown(root, &KEYS, "");
        let base = self.base(root);
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
        let reference_date = self.reference_date(root);
        let mut legal = base.as_ref().map(|base| base.legal.clone()).unwrap_or_default();
        if let Some(table) = self.table_of(root, "legal") {
            self.refuse_unknown(table, &LegalBasis::KEYS, "legal.");
            for key in LegalBasis::KEYS {
                if let Some(value) = self.text_of(table, key, "legal.") {
                    legal.set(key, &value);
                }
            }
        }
        let (mut classes, mut columns) = base.map(|base| (base.classes, base.columns)).unwrap_or_default();
        for rule in classes.iter_mut().chain(&mut columns) {
            rule.inherited = true;
        }
        if let Some(table) = self.table_of(root, "classes") {
            self.rules(table, "classes", &mut classes);
        }
        if let Some(table) = self.table_of(root, "columns") {
            self.rules(table, "columns", &mut columns);
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
            file: self.file.to_owned(),
        })
    }

    fn base(&mut self, root: &DeTable<'_>) -> Option<Policy> {
        let name = self.text_of(root, "extends", "")?;
        let found = BUILTIN.iter().find(|(known, _)| *known == name).and_then(|(_, text)| parse(text, "builtin").ok());
        if found.is_none() {
            let at = root.get("extends").map_or(0, |value| value.span().start);
            let names = BUILTIN.map(|(known, _)| known);
            self.report(at, "extends", format!("no builtin policy of that name; use {}", names.join(", ")), nearest(&name, names));
        }
        found
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

    fn rules(&mut self, table: &DeTable<'_>, section: &str, rules: &mut Vec<Rule>) {
        for (key, value) in table {
            let at = key.span().start;
            let key: &str = key.get_ref();
            let path = format!("{section}.{key}");
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
                rules.retain(|rule| rule.key != key);
                rules.push(Rule { key: key.to_owned(), method, line: self.line(at), inherited: false });
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
        parse(text, "p.toml").unwrap_err()
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
        let policy = parse(text, "ours.toml").unwrap();
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
        let policy = parse(text, "p.toml").unwrap();
        assert_eq!(policy.reference_date, NaiveDate::from_ymd_opt(2026, 3, 14));
        assert_eq!(policy.rule_for(None, "d", None, &PhiClass::Date).unwrap().0, &Method::ShiftDate { max_days: 30 });
        assert_eq!(policy.rule_for(None, "m", None, &PhiClass::Mrn).unwrap().0, &Method::Pseudonym { kind: Some("patient".into()) });
        assert!(parse(&text.replace("30", "0"), "p").is_err());
    }
}
