//! `sutura validate`, `plan`, `run` and `schema`: job files.

use std::{env, path::Path};

use serde_json::json;
use sutura_jobs::{ConfigProblem, Job, LoadOptions, RunOptions, RunReport, model::JobFile};

use super::{block_on, summary};
use crate::{
    args::{JobSource, PlanArgs, ReplayArgs, RunArgs, ValidateArgs},
    failure::{BAD_CONFIGURATION, CLEAN, Outcome},
    output::{self, Console},
    progress,
};

/// `sutura validate`.
pub(crate) fn validate(args: &ValidateArgs, console: Console) -> Outcome {
    let checked = block_on(async {
        Ok(match load(&args.source, None) {
            Ok(job) => job.validate().await.map(|()| job),
            Err(problems) => Err(problems),
        })
    })?;
    if args.json {
        let problems = checked.as_ref().err().map_or(&[][..], Vec::as_slice);
        output::print_json(&json!({ "valid": checked.is_ok(), "problems": problems }))?;
        return Ok(if checked.is_ok() { CLEAN } else { BAD_CONFIGURATION });
    }
    let job = checked?;
    let spec = &job.spec;
    let said = format!(
        "{}: job {} is valid: {}, {}, {}\n",
        args.source.job.display(),
        spec.job.name,
        output::count(spec.sources.len(), "source"),
        output::count(spec.steps.len(), "step"),
        output::count(spec.sinks.len(), "sink")
    );
    output::print_summary(console, &said)?;
    Ok(CLEAN)
}

/// `sutura plan`.
pub(crate) fn plan(args: &PlanArgs) -> Outcome {
    let job = load(&args.source, None)?;
    let plan = block_on(async { Ok(job.plan().await?) })?;
    if args.json {
        output::print_json(&plan)?;
    } else {
        output::print(&plan.text())?;
    }
    // The plan itself says what is wrong.
    Ok(if plan.problems.is_empty() { CLEAN } else { BAD_CONFIGURATION })
}

/// `sutura run`.
pub(crate) fn run(args: &RunArgs, console: Console) -> Outcome {
    let job = load(&args.source, args.out.as_deref())?;
    let report = block_on(execute(&job, args.force, console))?;
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print_summary(console, &summary::text(&report, job.output()))?;
    }
    say_why(&report);
    Ok(report.status.exit_code())
}

/// `sutura replay`.
pub(crate) fn replay(args: &ReplayArgs, console: Console) -> Outcome {
    let job = load(&args.source, args.out.as_deref())?;
    let report = block_on(async {
        let (events, bar) = progress::run(console);
        let result = job.replay(RunOptions { events, force: true }).await;
        bar.finish_and_clear();
        Ok(result?)
    })?;
    if args.json {
        let place = report.output.display().to_string();
        output::print_json(&json!({ "rejects": report.rejects, "replayed": report.replayed, "output": place, "run": report.run }))?;
    } else {
        let rejects = usize::try_from(report.rejects).unwrap_or(usize::MAX);
        let text = summary::text(&report.run, &report.output.to_string_lossy());
        let found = output::count(rejects, "reject");
        output::print_summary(console, &format!("{found} of the last run, {} whole and read again\n\n{text}", report.replayed))?;
    }
    say_why(&report.run);
    Ok(report.run.status.exit_code())
}

/// `sutura schema job`.
pub(crate) fn schema() -> Outcome {
    output::print_json(&JobFile::json_schema())?;
    Ok(CLEAN)
}

/// Runs a job with a progress bar.
pub(super) async fn execute(job: &Job, force: bool, console: Console) -> Outcome<RunReport> {
    let (events, bar) = progress::run(console);
    let result = job.run(RunOptions { events, force }).await;
    bar.finish_and_clear();
    Ok(result?)
}

/// A run that was stopped says why on standard error, too.
pub(super) fn say_why(report: &RunReport) {
    if report.status.exit_code() != CLEAN {
        let reason = report.reason.as_deref().unwrap_or("the run was stopped");
        output::error(&format!("{reason}; nothing was published"));
    }
}

fn load(source: &JobSource, out: Option<&Path>) -> Result<Job, Vec<ConfigProblem>> {
    let mut set: Vec<String> = source.set.iter().map(|assignment| from_here(assignment)).collect();
    if let Some(out) = out {
        set.push(from_here(&format!("job.output={}", out.display())));
    }
    Job::load_with(&source.job, &LoadOptions { set, ..LoadOptions::default() })
}

/// A path given on the command line is relative to the working folder, as everywhere else.
fn from_here(assignment: &str) -> String {
    let Some((key, value)) = assignment.split_once('=') else { return assignment.to_owned() };
    let (key, value) = (key.trim(), value.trim());
    let is_path = match key {
        "job.output" | "privacy.vault" | "privacy.key.file" => true,
        "privacy.policy" => Path::new(value).extension().is_some_and(|extension| extension == "toml"),
        _ => (key.starts_with("source.") || key.starts_with("source[")) && key.rsplit('.').next() == Some("path"),
    };
    let is_relative = !value.is_empty() && !value.starts_with(['"', '\'', '$']) && !value.contains("://") && Path::new(value).is_relative();
    match env::current_dir() {
        Ok(here) if is_path && is_relative => format!("{key}={}", here.join(value).display()),
        _ => assignment.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_on_the_command_line_start_at_the_working_folder() {
        let here = env::current_dir().unwrap();
        assert_eq!(from_here("job.output=out"), format!("job.output={}", here.join("out").display()));
        assert_eq!(from_here("source.feed.path=in/*.hl7"), format!("source.feed.path={}", here.join("in/*.hl7").display()));
        for as_it_is in [
            "source.feed.path=s3://b/p",
            "job.output=/abs",
            "sink.x.path=sub",
            "privacy.policy=hipaa-safe-harbor",
            "job.workers=2",
            "nonsense",
            "job.output=${OUT}",
        ] {
            assert_eq!(from_here(as_it_is), as_it_is);
        }
    }
}
