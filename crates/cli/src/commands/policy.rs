//! `sutura policy`: the builtin policies, and the check of one's own.

use std::{fmt::Write, path::Path};

use serde_json::json;
use sutura_privacy::{BUILTIN, Difference, Effect, Policy, PolicyProblem, PrivacyError};

use super::read_text;
use crate::{
    args::PolicyCommand,
    failure::{BAD_CONFIGURATION, CLEAN, Failure, Outcome},
    output,
};

/// Runs the command.
pub(crate) fn run(command: &PolicyCommand) -> Outcome {
    match command {
        PolicyCommand::List => {
            let mut text = String::new();
            for (name, _) in BUILTIN {
                let policy = Policy::builtin(name)?;
                let _ = writeln!(text, "{name:<22} {}", policy.description);
            }
            output::print(&text)?;
            Ok(CLEAN)
        }
        PolicyCommand::Show { name } => {
            // The loader's error names the nearest policy.
            Policy::builtin(name)?;
            let text = BUILTIN.iter().find(|(known, _)| known == name).map_or("", |(_, text)| text);
            output::print(text)?;
            Ok(CLEAN)
        }
        PolicyCommand::Check { file, explain, json } => {
            let shown = file.display().to_string();
            let text = read_text(&shown)?;
            check(&text, &shown, *explain, *json)
        }
        PolicyCommand::Diff { before, after, json } => diff(&named(before)?, &named(after)?, *json),
    }
}

/// A policy file, or one that comes with the program.
fn named(name: &str) -> Outcome<Policy> {
    if Path::new(name).extension().is_some_and(|end| end == "toml") {
        return Ok(Policy::from_toml(&read_text(name)?, name)?);
    }
    Ok(Policy::builtin(name)?)
}

fn diff(before: &Policy, after: &Policy, as_json: bool) -> Outcome {
    let differences = sutura_privacy::compare(before, after);
    if as_json {
        output::print_json(&json!({ "before": before.tag(), "after": after.tag(), "differences": differences }))?;
        return Ok(CLEAN);
    }
    let mut text = String::new();
    for Difference { place, before, after, effect } in &differences {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let way = match effect {
            Effect::Stricter => "stricter",
            Effect::Looser => "looser",
            Effect::Other => "other",
        };
        let _ = writeln!(text, "{way:<8}  {place}: {} -> {}", said(before), said(after));
    }
    if differences.is_empty() {
        let _ = writeln!(text, "{} and {} do the same", before.tag(), after.tag());
    }
    output::print(&text)?;
    Ok(CLEAN)
}

/// Every rule with what comes out, and the paragraph that it rests on.
fn explained(policy: &Policy) -> String {
    let mut text = String::new();
    for rule in sutura_privacy::explain(policy) {
        let paragraph = if rule.paragraph.is_empty() { String::new() } else { format!(" [{}]", rule.paragraph) };
        let _ = writeln!(text, "{}: {}: {}{paragraph}", rule.place, rule.method, rule.outcome);
    }
    text
}

fn check(text: &str, file: &str, explain: bool, as_json: bool) -> Outcome {
    let policy = Policy::from_toml(text, file);
    let problems = match &policy {
        Ok(policy) => policy.check().err().unwrap_or_default(),
        Err(PrivacyError::Policy(problems)) => problems.clone(),
        Err(other) => return Err(Failure::configuration(other)),
    };
    if as_json {
        let problems: Vec<_> = problems.iter().map(problem_json).collect();
        let rules = policy.as_ref().ok().filter(|_| explain).map(sutura_privacy::explain);
        let policy = policy.as_ref().ok().map(|policy| json!({ "policy": policy.tag(), "profile": policy.profile.word() }));
        output::print_json(&json!({ "valid": problems.is_empty(), "policy": policy, "problems": problems, "rules": rules }))?;
        return Ok(if problems.is_empty() { CLEAN } else { BAD_CONFIGURATION });
    }
    match policy {
        Ok(policy) if problems.is_empty() => {
            output::print(&format!(
                "{file}: policy {} is sound under profile {} ({} class rules, {} column rules)\n",
                policy.tag(),
                policy.profile.word(),
                policy.classes.len(),
                policy.columns.len()
            ))?;
            if explain {
                output::print(&explained(&policy))?;
            }
            Ok(CLEAN)
        }
        _ => Err(Failure::configuration(PrivacyError::Policy(problems))),
    }
}

fn problem_json(problem: &PolicyProblem) -> serde_json::Value {
    json!({
        "file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message, "suggestion": problem.suggestion,
    })
}
