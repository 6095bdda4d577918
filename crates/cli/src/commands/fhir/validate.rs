//! `sutura fhir validate`: resources against the R4 definitions and profiles.

use std::{collections::VecDeque, io::Write, time::Instant};

use serde_json::{Value, json};
use sutura_fhir::{
    json::Parser,
    validate::{Issue, IssueSeverity, ProfileStore, Summary, Validator, json_issue, operation_outcome_at},
};

use super::resources::{Resource, Take, account, account_json, each};
use crate::{
    args::fhir_resources::FhirValidateArgs,
    commands::profiles,
    failure::{CLEAN, FAILED, Failure, Outcome, TOO_MANY_REJECTS},
    output::{self, Console},
};

/// Runs the command.
pub(crate) fn run(args: &FhirValidateArgs, console: Console) -> Outcome {
    let clock = Instant::now();
    let store = profiles(&args.packages)?;
    if let Some(unknown) = args.profiles.iter().find(|url| !store.as_ref().is_some_and(|store| store.contains(url))) {
        let hint = if args.packages.is_empty() { "name its package with --package" } else { "no --package has it" };
        return Err(Failure::configuration(format!("profile {unknown}: not loaded; {hint}")));
    }
    let mut validator = Validator::default();
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
    let (work, stats) = each(&args.paths, None, work, console)?;
    let seconds = clock.elapsed().as_secs_f64();
    if args.json {
        let summary: Value = serde_json::from_str(&work.summary.to_json()).map_err(Failure::failed)?;
        output::print_json(&json!({ "read": account_json(&stats), "validated": summary, "seconds": seconds }))?;
    } else if !args.outcomes {
        let mut text = String::new();
        for line in &work.shown {
            text.push_str(line);
            text.push('\n');
        }
        output::print(&text)?;
        output::print(&work.summary.to_string())?;
    }
    console.note(&account(&stats));
    Ok(match (work.summary.invalid(), stats.rejected) {
        (0, 0) => CLEAN,
        (0, _) => TOO_MANY_REJECTS,
        _ => FAILED,
    })
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
        let (issues, kind) = match self.parser.parse(resource.json.as_bytes()) {
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
        self.summary.record(kind, resource.json.len(), &issues);
        if self.outcomes {
            return outcome_line(resource, &issues);
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
fn outcome_line(resource: Resource<'_>, issues: &[Issue]) -> Outcome<()> {
    let outcome = operation_outcome_at(issues, resource.offset);
    let source = Value::from(resource.source);
    let mut out = output::stdout();
    writeln!(out, r#"{{"source":{source},"offset":{},"outcome":{outcome}}}"#, resource.offset)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::io("standard output", &error))
}
