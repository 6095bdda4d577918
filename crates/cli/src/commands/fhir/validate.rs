//! `sutura fhir validate`: resources against the R4 definitions and profiles.

use std::{collections::VecDeque, io::Write, time::Instant};

use serde_json::{Value, json};
use sutura_fhir::{
    json::Parser,
    validate::{
        Issue, IssueCode, IssueSeverity, Options, PackageProblem, ProfileStore, Summary, Validator, json_issue, operation_outcome_at,
    },
};

use super::resources::{Done, Reading, Rejected, Resource, Take, account, account_json, each};
use crate::{
    args::fhir_resources::{FhirValidateArgs, Rules, Severity},
    commands::profiles,
    failure::{CLEAN, FAILED, Failure, Outcome, TOO_MANY_REJECTS},
    output::{self, Console},
};

/// Issues of one resource that are listed and counted; a Bundle is one resource with all that is in it.
const ISSUES_OF_A_RESOURCE: usize = 10_000;

/// Runs the command.
pub(crate) fn run(args: &FhirValidateArgs, console: Console) -> Outcome {
    let clock = Instant::now();
    let store = profiles(&args.packages)?;
    if let Some(unknown) = args.profiles.iter().find(|url| !store.as_ref().is_some_and(|store| store.contains(url))) {
        let hint = if args.packages.is_empty() { "name its package with --package" } else { "no --package has it" };
        return Err(Failure::configuration(format!("profile {unknown}: not loaded; {hint}")));
    }
    let problems = store.as_ref().map(|store| store.problems()).unwrap_or_default();
    let missing = store.as_ref().map(|store| store.missing_packages()).unwrap_or_default();
    note_packages(&problems, &missing, console);
    if args.outcomes {
        problems.iter().try_for_each(outcome_of_problem)?;
    }
    let mut validator = Validator::new(options(&args.rules));
    if let Some(store) = store {
        validator = validator.with_profiles(ProfileStore::over(store));
    }
    let least = if args.all { IssueSeverity::Information } else { IssueSeverity::Error };
    let work = Check {
        validator,
        profiles: args.profiles.clone(),
        parser: Parser::default(),
        summary: Summary::new(),
        shown: VecDeque::new(),
        least,
        most: args.max_issues as usize,
        outcomes: args.outcomes,
    };
    let reading = Reading { whole_bundles: true, rejects: args.max_issues as usize, ..Reading::default() };
    let Done { work, stats, rejects } = each(&args.paths, reading, work, console)?;
    let seconds = clock.elapsed().as_secs_f64();
    if args.json {
        let summary: Value = serde_json::from_str(&work.summary.to_json()).map_err(Failure::failed)?;
        output::print_json(&json!({
            "packages": {"missing": missing, "problems": problems.iter().map(problem_json).collect::<Vec<_>>()},
            "read": account_json(&stats), "rejected": rejects.iter().map(rejected_json).collect::<Vec<_>>(), "validated": summary, "seconds": seconds,
        }))?;
    } else if args.outcomes {
        rejects.iter().try_for_each(outcome_of_reject)?;
    } else {
        let mut text = String::new();
        // What is no resource at all stands first.
        let rejected: Vec<String> = rejects.iter().map(rejected_line).collect();
        for line in rejected.iter().chain(&work.shown).take(args.max_issues as usize) {
            text.push_str(line);
            text.push('\n');
        }
        output::print(&text)?;
        output::print(&work.summary.to_string())?;
    }
    if work.summary.issues().any(|(severity, code, _)| (severity, code) == (IssueSeverity::Information, IssueCode::NotFound)) {
        let how = if args.all || args.outcomes { "" } else { "; --all shows which" };
        console.note(&format!("some rules were not checked, because the profile or value set is not loaded (information not-found){how}"));
    }
    let findings = |wanted: &str| -> u64 { stats.findings.iter().filter(|((code, _), _)| code == wanted).map(|(_, count)| count).sum() };
    let not_kept = findings("xml-not-kept");
    if not_kept > 0 {
        console.note(&format!("error xml-not-kept: {not_kept} places in XML files hold what FHIR XML does not allow there: elements out of order, unknown attributes, text"));
    }
    let in_parts = findings("bundle-not-whole");
    if in_parts > 0 {
        console.note(&format!(
            "{in_parts} Bundles were too large to be checked whole, or do not end: what is in them was checked, they themselves were not"
        ));
    }
    console.note(&account(&stats));
    Ok(match (work.summary.invalid() + not_kept, stats.rejected) {
        (0, 0) => CLEAN,
        (0, _) => TOO_MANY_REJECTS,
        _ => FAILED,
    })
}

/// Packages say so much at most on the screen; all of it is in the JSON and the outcomes.
const SHOWN_PROBLEMS: usize = 20;

/// Says on standard error what packages hold that cannot be used, and what they lack.
pub(super) fn note_packages(problems: &[PackageProblem], missing: &[String], console: Console) {
    for problem in problems.iter().take(SHOWN_PROBLEMS) {
        console.note(&format!("package: {problem}"));
    }
    if problems.len() > SHOWN_PROBLEMS {
        console.note(&format!("package: {} more; `sutura fhir validate --json` lists them all", problems.len() - SHOWN_PROBLEMS));
    }
    if !missing.is_empty() {
        console.note(&format!("the packages build on others that are not loaded: {}; name them with --package", missing.join(", ")));
    }
}

fn problem_json(problem: &PackageProblem) -> Value {
    json!({ "definition": problem.place, "element": problem.element, "code": problem.code.code(), "problem": problem.what })
}

/// What a package says that cannot be used, as the outcome of the definition.
fn outcome_of_problem(problem: &PackageProblem) -> Outcome<()> {
    let issue = Issue {
        severity: IssueSeverity::Information,
        code: problem.code,
        expression: String::new(),
        offset: 0,
        diagnostics: problem.to_string(),
    };
    outcome_line(&problem.place, 0, &[issue])
}

fn options(rules: &Rules) -> Options {
    let severity = |severity: Severity| match severity {
        Severity::Information => IssueSeverity::Information,
        Severity::Warning => IssueSeverity::Warning,
        Severity::Error => IssueSeverity::Error,
    };
    Options {
        open_bindings: !rules.no_open_bindings,
        unknown_extensions: rules.unknown_extensions.map(severity),
        trusted_extensions: rules.trusted_extensions.clone(),
        markup: severity(rules.markup),
        unresolved_types: severity(rules.unresolved_types),
        missing_targets: rules.missing_targets.map(severity),
        meta_profiles: !rules.no_meta_profiles,
        max_issues: ISSUES_OF_A_RESOURCE,
    }
}

struct Check {
    validator: Validator,
    profiles: Vec<String>,
    parser: Parser,
    summary: Summary,
    shown: VecDeque<String>,
    least: IssueSeverity,
    most: usize,
    outcomes: bool,
}

impl Take for Check {
    fn take(&mut self, resource: Resource<'_>) -> Outcome<()> {
        let (mut issues, kind) = match self.parser.parse(resource.json.as_bytes()) {
            Ok(document) => {
                let root = document.root();
                let issues = if self.profiles.is_empty() {
                    self.validator.validate(root)
                } else {
                    let urls: Vec<&str> = self.profiles.iter().map(String::as_str).collect();
                    self.validator.validate_against(root, &urls)
                };
                (issues, root.get("resourceType").and_then(|kind| kind.as_str()))
            }
            Err(error) => (vec![json_issue(&error)], None),
        };
        if !resource.as_sent {
            // The place in the JSON is none in the file: that of the resource has to do.
            for issue in &mut issues {
                issue.offset = 0;
            }
        }
        self.summary.record(kind, resource.json.len(), &issues);
        if self.outcomes {
            return outcome_line(resource.source, resource.offset, &issues);
        }
        for issue in issues.iter().filter(|issue| issue.severity >= self.least) {
            if self.shown.len() >= self.most {
                break;
            }
            let line = format!(
                "{} byte {}: {} {} at {}: {}",
                resource.source,
                resource.offset,
                issue.severity.code(),
                issue.code.code(),
                place(issue),
                issue.diagnostics
            );
            self.shown.push_back(line);
        }
        Ok(())
    }
}

fn place(issue: &Issue) -> &str {
    if issue.expression.is_empty() { "the resource" } else { &issue.expression }
}

/// `{"source": ..., "offset": ..., "outcome": OperationOutcome}` on a line of its own.
fn outcome_line(source: &str, offset: u64, issues: &[Issue]) -> Outcome<()> {
    let outcome = operation_outcome_at(issues, offset);
    let source = Value::from(source);
    let mut out = output::stdout();
    writeln!(out, r#"{{"source":{source},"offset":{offset},"outcome":{outcome}}}"#)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::io("standard output", &error))
}

/// `FILE byte 12: fatal json-syntax: byte 3 of the record: ...`, as the lines of issues are.
fn rejected_line(reject: &Rejected) -> String {
    format!("{} byte {}: fatal {}{}: {}", reject.source, reject.offset, reject.code, at(&reject.location), reject.reason)
}

fn at(location: &str) -> String {
    if location.is_empty() { String::new() } else { format!(" at {location}") }
}

fn rejected_json(reject: &Rejected) -> Value {
    json!({
        "source": reject.source, "offset": reject.offset, "length": reject.length, "code": reject.code, "location": reject.location, "reason": reject.reason,
    })
}

/// What is no resource has an outcome with one fatal issue.
fn outcome_of_reject(reject: &Rejected) -> Outcome<()> {
    let code = if reject.code == "record-too-large" { IssueCode::TooLong } else { IssueCode::Structure };
    let diagnostics = format!("{}{}: {}", reject.code, at(&reject.location), reject.reason);
    let issue = Issue { severity: IssueSeverity::Fatal, code, expression: String::new(), offset: 0, diagnostics };
    outcome_line(&reject.source, reject.offset, &[issue])
}
