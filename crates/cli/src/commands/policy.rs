//! `sutura policy`: the builtin policies, and the check of one's own.

use std::fmt::Write;

use serde_json::json;
use sutura_privacy::{BUILTIN, Policy, PolicyProblem, PrivacyError};

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
        PolicyCommand::Check { file, json } => {
            let shown = file.display().to_string();
            let text = read_text(&shown)?;
            check(&text, &shown, *json)
        }
    }
}

fn check(text: &str, file: &str, as_json: bool) -> Outcome {
    let policy = Policy::from_toml(text, file);
    let problems = match &policy {
        Ok(policy) => policy.check().err().unwrap_or_default(),
        Err(PrivacyError::Policy(problems)) => problems.clone(),
        Err(other) => return Err(Failure::configuration(other)),
    };
    if as_json {
        let problems: Vec<_> = problems.iter().map(problem_json).collect();
        let policy = policy.as_ref().ok().map(|policy| json!({ "policy": policy.tag(), "profile": policy.profile.word() }));
        output::print_json(&json!({ "valid": problems.is_empty(), "policy": policy, "problems": problems }))?;
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
