//! Is this code right: in its code system, in a value set, with that display (FHIR `$validate-code`), and what is known of it (`$lookup`).

use crate::{
    code_system::{CodeSystem, Concept, Content},
    error::{Result, TerminologyError},
    expand::Walk,
    terminology::{Terminology, split_canonical},
    value_set::ValueSet,
};

/// A code as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coding<'c> {
    /// The code system's URI; empty when none was sent.
    pub system: &'c str,
    /// The version of the code system, when sent.
    pub version: Option<&'c str>,
    /// The code.
    pub code: &'c str,
    /// The display, when sent.
    pub display: Option<&'c str>,
}

/// How strict a validation is.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValidateOptions {
    /// A wrong display is a warning, not an error.
    pub lenient_display: bool,
    /// An inactive code is an error, not a warning.
    pub active_only: bool,
    /// A code that only groups others is an error.
    pub selectable_only: bool,
    /// A code without a system takes the system of the one code of the value set that is spelled so.
    pub infer_system: bool,
}

/// What was noticed about a code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issue {
    /// No system was sent, and none could be told.
    NoSystem,
    /// The code system is not loaded, so nothing can be said.
    UnknownSystem,
    /// That version of the code system is not loaded.
    UnknownVersion,
    /// The code system does not have the code.
    UnknownCode,
    /// The code system has the code in another case.
    WrongCase {
        /// As the code system spells it.
        code: String,
    },
    /// Only a part of the code system is loaded, and the code is not in it.
    NotInFragment,
    /// The value set does not have the code.
    NotInValueSet,
    /// The display is none of the concept's names.
    WrongDisplay {
        /// The name that the code system or value set gives.
        expected: String,
    },
    /// The code is no longer to be used.
    Inactive,
    /// The code only groups others.
    Abstract,
}

/// How bad an [`Issue`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IssueSeverity {
    /// Worth knowing.
    Warning,
    /// The code is not valid.
    Error,
}

/// The outcome of a validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether the code is valid.
    pub result: bool,
    /// The code system that was asked, with its version.
    pub system: Option<String>,
    /// The version of that code system.
    pub version: Option<String>,
    /// The right display.
    pub display: Option<String>,
    /// Everything noticed.
    pub issues: Vec<(IssueSeverity, Issue)>,
}

impl Validation {
    fn note(&mut self, severity: IssueSeverity, issue: Issue) {
        self.result &= severity != IssueSeverity::Error;
        self.issues.push((severity, issue));
    }
}

impl Terminology {
    /// What is known of a code (FHIR `$lookup`): display, definition, properties, parents, children, other names.
    /// `system` may be `URI|version`.
    pub fn lookup(&self, system: &str, code: &str) -> Result<Concept<'_>> {
        let known = self.known_code_system(system)?;
        known.concept(code).ok_or_else(|| TerminologyError::UnknownCode { system: known.url().to_owned() })
    }

    /// Whether a code is valid in its code system, and in the value set when one is named (FHIR `$validate-code`).
    ///
    /// ```
    /// use sutura_terminology::{Coding, Terminology, ValidateOptions};
    /// let coding = Coding { system: "http://hl7.org/fhir/administrative-gender", code: "female", ..Coding::default() };
    /// let set = "http://hl7.org/fhir/ValueSet/administrative-gender";
    /// assert!(Terminology::builtin().validate_code(Some(set), &coding, &ValidateOptions::default())?.result);
    /// # Ok::<(), sutura_terminology::TerminologyError>(())
    /// ```
    ///
    /// Errors: the value set, or what it imports, is not loaded or cannot be used. A wrong code is no error but a `result` of false.
    pub fn validate_code(&self, value_set: Option<&str>, coding: &Coding<'_>, options: &ValidateOptions) -> Result<Validation> {
        let set = value_set.map(|url| self.known_value_set(url)).transpose()?;
        let mut outcome = Validation { result: true, system: None, version: None, display: None, issues: Vec::new() };
        let inferred;
        let coding = if coding.system.is_empty() {
            match set.filter(|_| options.infer_system).map(|set| self.systems_with(set, coding.code)).transpose()?.as_deref() {
                Some([system]) => {
                    inferred = system.clone();
                    &Coding { system: &inferred, ..*coding }
                }
                _ => {
                    outcome.note(IssueSeverity::Error, Issue::NoSystem);
                    return Ok(outcome);
                }
            }
        } else {
            coding
        };
        let (system, in_url) = split_canonical(coding.system);
        let version = coding.version.or(in_url);
        outcome.system = Some(system.to_owned());
        let asked = version.map_or_else(|| system.to_owned(), |version| format!("{system}|{version}"));
        let newest = self.code_system(&asked).map(AsRef::as_ref);
        let membership = match set.map(|set| Walk::new(self).contains(set, system, version, coding.code)) {
            None => None,
            Some(Ok(hit)) => Some(hit),
            // The system itself is not there, which is said below.
            Some(Err(TerminologyError::UnknownCodeSystem { .. })) if newest.is_none() => Some(None),
            Some(Err(error)) => return Err(error),
        };
        let hit = membership.flatten();
        // Without a version the value set says which one is meant.
        let known = hit.and_then(|hit| hit.system).or(newest);
        let concept = known.and_then(|known| known.concept(coding.code));
        outcome.version = known.and_then(CodeSystem::version).map(str::to_owned);
        match (known, concept) {
            (Some(_), Some(_)) => {}
            (Some(known), None) => match known.content() {
                Content::Complete => {
                    outcome.note(IssueSeverity::Error, Issue::UnknownCode);
                    if known.is_case_sensitive()
                        && let Some(other) = known.concept_in_other_case(coding.code)
                    {
                        outcome.issues.push((IssueSeverity::Warning, Issue::WrongCase { code: other.code().to_owned() }));
                    }
                }
                _ => outcome.note(IssueSeverity::Warning, Issue::NotInFragment),
            },
            (None, _) if self.code_system(system).is_some() => outcome.note(IssueSeverity::Error, Issue::UnknownVersion),
            // A value set that lists its codes can speak for a system that is not loaded.
            (None, _) if set.is_some_and(|set| lists_all(set, system)) => outcome.note(IssueSeverity::Warning, Issue::UnknownSystem),
            (None, _) => outcome.note(IssueSeverity::Error, Issue::UnknownSystem),
        }
        if membership.is_some() && hit.is_none() {
            outcome.note(IssueSeverity::Error, Issue::NotInValueSet);
        }
        let own_display = hit.and_then(|hit| hit.display);
        outcome.display = own_display.or_else(|| concept.and_then(Concept::display)).map(str::to_owned);
        if let (Some(sent), Some(expected)) = (coding.display, &outcome.display)
            && !is_name(sent, expected, concept)
        {
            let severity = if options.lenient_display { IssueSeverity::Warning } else { IssueSeverity::Error };
            let expected = expected.clone();
            outcome.note(severity, Issue::WrongDisplay { expected });
        }
        if concept.is_some_and(Concept::is_inactive) {
            outcome.note(if options.active_only { IssueSeverity::Error } else { IssueSeverity::Warning }, Issue::Inactive);
        }
        if concept.is_some_and(Concept::is_abstract) && options.selectable_only {
            outcome.note(IssueSeverity::Error, Issue::Abstract);
        }
        Ok(outcome)
    }

    /// The code systems from which a value set takes a code spelled so.
    fn systems_with(&self, set: &ValueSet, code: &str) -> Result<Vec<String>> {
        let mut systems: Vec<&str> = Vec::new();
        self.systems_named(set, &mut systems, 0);
        systems.sort_unstable();
        systems.dedup();
        let mut found = Vec::new();
        for system in systems {
            match Walk::new(self).contains(set, system, None, code) {
                Ok(Some(_)) => found.push(system.to_owned()),
                Ok(None) | Err(TerminologyError::UnknownCodeSystem { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn systems_named<'t>(&'t self, set: &'t ValueSet, into: &mut Vec<&'t str>, depth: usize) {
        const DEEPEST: usize = 16;
        const MOST: usize = 1_000;
        for rule in &set.include {
            into.extend(rule.system.as_deref());
            if depth < DEEPEST && into.len() < MOST {
                // One import of a rule is enough: a code must be in all of them.
                if let Some(imported) = rule.value_sets.first().and_then(|url| self.value_set(url)) {
                    self.systems_named(imported, into, depth + 1);
                }
            }
        }
    }
}

/// Whether every rule for a system lists codes, so that membership can be told without the code system.
fn lists_all(set: &ValueSet, system: &str) -> bool {
    let mut rules = set.include.iter().filter(|rule| rule.system.as_deref() == Some(system)).peekable();
    rules.peek().is_some() && rules.all(|rule| !rule.codes.is_empty())
}

/// Whether a display is one of a concept's names. Case does not count, blanks do, but for those around it.
fn is_name(sent: &str, expected: &str, concept: Option<Concept<'_>>) -> bool {
    let sent = sent.trim();
    let same = |name: &str| name == sent || name.to_lowercase() == sent.to_lowercase();
    same(expected)
        || concept.is_some_and(|concept| concept.display().is_some_and(same) || concept.designations().any(|(_, _, name)| same(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_system::CodeSystemBuilder;

    fn issues(coding: Coding<'_>, set: Option<&str>, options: ValidateOptions) -> (bool, Vec<Issue>) {
        let mut all = Terminology::with_builtin();
        let mut builder = CodeSystemBuilder::new("urn:part").content(Content::Fragment);
        builder.add("a", "A").unwrap();
        all.add_code_system(builder.finish());
        let found = all.validate_code(set, &coding, &options).unwrap();
        (found.result, found.issues.into_iter().map(|(_, issue)| issue).collect())
    }

    #[test]
    fn what_is_wrong_is_said() {
        let gender = "http://hl7.org/fhir/administrative-gender";
        let set = Some("http://hl7.org/fhir/ValueSet/administrative-gender");
        let coding = |system, code| Coding { system, code, ..Coding::default() };
        let plain = ValidateOptions::default();
        assert_eq!(issues(coding(gender, "male"), set, plain), (true, vec![]));
        assert_eq!(
            issues(coding(gender, "Male"), set, plain).1,
            [Issue::UnknownCode, Issue::WrongCase { code: "male".to_owned() }, Issue::NotInValueSet]
        );
        assert_eq!(issues(coding("urn:nothing", "x"), None, plain), (false, vec![Issue::UnknownSystem]));
        assert_eq!(issues(coding("urn:part", "b"), None, plain), (true, vec![Issue::NotInFragment]));
        assert_eq!(issues(coding("", "male"), set, plain), (false, vec![Issue::NoSystem]));
        assert_eq!(issues(coding("", "male"), set, ValidateOptions { infer_system: true, ..plain }), (true, vec![]));
        let shown = Coding { display: Some("  MALE "), ..coding(gender, "male") };
        assert_eq!(issues(shown, set, plain), (true, vec![]));
        let shown = Coding { display: Some("Man"), ..coding(gender, "male") };
        assert_eq!(issues(shown, set, plain), (false, vec![Issue::WrongDisplay { expected: "Male".to_owned() }]));
        assert!(issues(shown, set, ValidateOptions { lenient_display: true, ..plain }).0);
        let versioned = Coding { version: Some("0.1"), ..coding(gender, "male") };
        assert_eq!(issues(versioned, None, plain), (false, vec![Issue::UnknownVersion]));
        let group = coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "_ActAccountCode");
        assert_eq!(issues(group, None, ValidateOptions { selectable_only: true, ..plain }), (false, vec![Issue::Abstract]));
    }

    #[test]
    fn lookup_gives_what_is_known() {
        let all = Terminology::builtin();
        assert_eq!(all.lookup("http://terminology.hl7.org/CodeSystem/v2-0001", "F").unwrap().display(), Some("Female"));
        assert!(matches!(all.lookup("http://terminology.hl7.org/CodeSystem/v2-0001", "?"), Err(TerminologyError::UnknownCode { .. })));
        assert!(matches!(all.lookup("urn:none", "?"), Err(TerminologyError::UnknownCodeSystem { .. })));
    }
}
