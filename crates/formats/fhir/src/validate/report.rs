//! Many resources: what was found in each, and counts over all.
//!
//! A [`Checker`] belongs to one thread; many of them share one [`Validator`], and their [`Summary`]s add up in any order.

use std::{collections::BTreeMap, fmt};

use super::{Issue, IssueCode, IssueSeverity, Validator, json_issue, r4};
use crate::json::Parser;

/// Counts over validated resources: how many, how many with errors, and issues by severity and code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    resources: u64,
    invalid: u64,
    bytes: u64,
    issues: BTreeMap<(IssueSeverity, IssueCode), u64>,
    types: BTreeMap<&'static str, TypeCount>,
}

/// Counts of one resource type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TypeCount {
    /// How many resources.
    pub resources: u64,
    /// How many of them have an error.
    pub invalid: u64,
}

/// The name under which resources without a type of R4 are counted.
const NO_TYPE: &str = "(none)";

impl Summary {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one resource of that type and size.
    pub fn record(&mut self, resource_type: Option<&str>, bytes: usize, issues: &[Issue]) {
        let invalid = u64::from(issues.iter().any(|issue| issue.severity >= IssueSeverity::Error));
        let name = resource_type.and_then(|name| r4().resource_named(name)).map_or(NO_TYPE, |def| def.name);
        self.resources += 1;
        self.invalid += invalid;
        self.bytes += bytes as u64;
        let count = self.types.entry(name).or_default();
        count.resources += 1;
        count.invalid += invalid;
        for issue in issues {
            *self.issues.entry((issue.severity, issue.code)).or_default() += 1;
        }
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        self.resources += other.resources;
        self.invalid += other.invalid;
        self.bytes += other.bytes;
        for (kind, count) in &other.issues {
            *self.issues.entry(*kind).or_default() += count;
        }
        for (name, count) in &other.types {
            let own = self.types.entry(name).or_default();
            own.resources += count.resources;
            own.invalid += count.invalid;
        }
    }

    /// How many resources were validated, those that are no JSON too.
    pub fn resources(&self) -> u64 {
        self.resources
    }

    /// How many of them have an error.
    pub fn invalid(&self) -> u64 {
        self.invalid
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Issues of that severity.
    pub fn count(&self, severity: IssueSeverity) -> u64 {
        self.issues.iter().filter(|((known, _), _)| *known == severity).map(|(_, count)| count).sum()
    }

    /// Issues by severity and code, the worst last.
    pub fn issues(&self) -> impl Iterator<Item = (IssueSeverity, IssueCode, u64)> + '_ {
        self.issues.iter().map(|((severity, code), count)| (*severity, *code, *count))
    }

    /// Resources by type; those without a type of R4 as `(none)`.
    pub fn types(&self) -> impl Iterator<Item = (&'static str, TypeCount)> + '_ {
        self.types.iter().map(|(name, count)| (*name, *count))
    }

    /// The counts as JSON: `resources`, `invalid`, `bytes`, `issues` and `types`.
    pub fn to_json(&self) -> String {
        let issues: Vec<_> = self
            .issues()
            .map(|(severity, code, count)| serde_json::json!({"severity": severity.code(), "code": code.code(), "count": count}))
            .collect();
        let types: Vec<_> = self
            .types()
            .map(|(name, count)| serde_json::json!({"type": name, "resources": count.resources, "invalid": count.invalid}))
            .collect();
        let (resources, invalid, bytes) = (self.resources, self.invalid, self.bytes);
        serde_json::json!({"resources": resources, "invalid": invalid, "bytes": bytes, "issues": issues, "types": types}).to_string()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} resources, {} with errors", self.resources, self.invalid)?;
        for (severity, code, count) in self.issues() {
            writeln!(f, "{:>12}  {:<14} {count}", severity.code(), code.code())?;
        }
        Ok(())
    }
}

/// Validates one resource after the other from their bytes, and counts.
pub struct Checker<'v> {
    validator: &'v Validator,
    profiles: Vec<&'v str>,
    parser: Parser,
    summary: Summary,
}

impl<'v> Checker<'v> {
    /// A checker against the definitions, the profiles that resources claim, and these profiles too.
    pub fn new(validator: &'v Validator, profiles: &[&'v str]) -> Self {
        Self { validator, profiles: profiles.to_vec(), parser: Parser::default(), summary: Summary::new() }
    }

    /// The issues of one resource. Bytes that are no JSON have one, of severity `fatal`.
    pub fn check(&mut self, resource: &[u8]) -> Vec<Issue> {
        let (issues, name) = match self.parser.parse(resource) {
            Ok(document) => {
                let root = document.root();
                let issues = match self.profiles.as_slice() {
                    [] => self.validator.validate(root),
                    profiles => self.validator.validate_against(root, profiles),
                };
                (issues, root.get("resourceType").and_then(|name| name.as_str()))
            }
            Err(error) => (vec![json_issue(&error)], None),
        };
        self.summary.record(name, resource.len(), &issues);
        issues
    }

    /// The counts so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

impl fmt::Debug for Checker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").field("profiles", &self.profiles).field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// What was found in one resource of a file.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'f> {
    /// Which line it is in its block, from 0; empty lines count.
    pub line: u64,
    /// Where the resource begins in the file, in bytes. [`Issue::offset`] counts from here.
    pub offset: u64,
    /// What was found; never empty.
    pub issues: &'f [Issue],
}

/// Validates a block of whole NDJSON lines that begins at that offset of its file; `found` is called for each resource with issues.
/// Blocks may be checked by as many threads as there are checkers.
pub fn validate_ndjson(checker: &mut Checker<'_>, block: &[u8], offset: u64, mut found: impl FnMut(Finding<'_>)) {
    let mut at = offset;
    for (line, text) in block.split(|byte| *byte == b'\n').enumerate() {
        let blank = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blank < text.len() {
            let resource = text[blank..].trim_ascii_end();
            let issues = checker.check(resource);
            if !issues.is_empty() {
                found(Finding { line: line as u64, offset: at + blank as u64, issues: &issues });
            }
        }
        at += text.len() as u64 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::operation_outcome_at;

    const LINES: &str = concat!(
        "{\"resourceType\":\"Patient\",\"gender\":\"female\"}\n",
        "\n",
        "  {\"resourceType\":\"Patient\",\"gender\":\"SECRET\"}\r\n",
        "{\"resourceType\":\"Nonsense\"}\n",
        "{no json\n",
        "{\"resourceType\":\"Observation\",\"status\":\"final\"}",
    );

    fn run() -> (Summary, Vec<(u64, u64, String)>) {
        let validator = Validator::default();
        let mut checker = Checker::new(&validator, &[]);
        let mut seen = Vec::new();
        validate_ndjson(&mut checker, LINES.as_bytes(), 1000, |finding| {
            seen.push((finding.line, finding.offset, operation_outcome_at(finding.issues, finding.offset)));
        });
        (checker.summary().clone(), seen)
    }

    #[test]
    fn lines_are_counted_and_placed() {
        let (summary, seen) = run();
        assert_eq!((summary.resources(), summary.invalid()), (5, 4));
        assert_eq!((summary.count(IssueSeverity::Error), summary.count(IssueSeverity::Fatal)), (3, 1));
        let bytes: usize = LINES.lines().map(|line| line.trim().len()).sum();
        assert_eq!(summary.bytes(), bytes as u64);
        let errors: Vec<u64> =
            seen.iter().filter(|(.., outcome)| outcome.contains(r#""severity":"error""#)).map(|(line, ..)| *line).collect();
        assert_eq!(errors, [2, 3, 5]);
        let (_, offset, outcome) = seen.iter().find(|(line, ..)| *line == 2).unwrap();
        assert_eq!(*offset, 1000 + LINES.find("  {").unwrap() as u64 + 2);
        let place = 1000 + LINES.find("\"SECRET\"").unwrap();
        assert!(outcome.contains(&format!("byte {place}")) && !outcome.contains("SECRET"), "{outcome}");
        let types: Vec<_> = summary.types().collect();
        assert_eq!(
            types.iter().map(|(name, count)| (*name, count.resources, count.invalid)).collect::<Vec<_>>(),
            [("(none)", 2, 2), ("Observation", 1, 1), ("Patient", 2, 1)]
        );
    }

    #[test]
    fn outcomes_of_files_are_valid_themselves() {
        let validator = Validator::default();
        for (.., outcome) in run().1 {
            let issues = Checker::new(&validator, &[]).check(outcome.as_bytes());
            assert!(issues.iter().all(|issue| issue.severity < IssueSeverity::Error), "{outcome}: {issues:?}");
        }
    }

    #[test]
    fn summaries_add_up_over_threads() {
        let validator = Validator::default();
        let (whole, _) = run();
        let parts: Vec<Summary> = std::thread::scope(|scope| {
            let threads: Vec<_> = LINES
                .split_inclusive('\n')
                .map(|line| {
                    let validator = &validator;
                    scope.spawn(move || {
                        let mut checker = Checker::new(validator, &[]);
                        validate_ndjson(&mut checker, line.as_bytes(), 0, |_| ());
                        checker.summary().clone()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut sum = Summary::new();
        for part in parts.iter().rev() {
            sum.merge(part);
        }
        assert_eq!(sum, whole);
        let json: serde_json::Value = serde_json::from_str(&sum.to_json()).unwrap();
        assert_eq!((json["resources"].as_u64(), json["invalid"].as_u64()), (Some(5), Some(4)));
        assert!(sum.to_string().contains("code-invalid"));
    }

    #[test]
    fn a_profile_of_the_caller() {
        let validator = Validator::default();
        let mut checker = Checker::new(&validator, &["http://example.org/none"]);
        assert!(checker.check(br#"{"resourceType":"Patient"}"#).iter().any(|issue| issue.code == IssueCode::NotFound));
    }
}
