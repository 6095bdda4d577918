//! `sutura fhir test-views`: test files of SQL on FHIR, and the official report.

use std::{fs, io::Write, path::PathBuf};

use sutura_fhir::view::suite;

use super::places::require_file;
use crate::{
    args::fhir_resources::FhirTestViewsArgs,
    failure::{CLEAN, FAILED, Failure, Outcome},
    output::{self, Console},
};

/// Runs the command.
pub(crate) fn run(args: &FhirTestViewsArgs, console: Console) -> Outcome {
    if let Some(report) = &args.output {
        require_file(report)?;
    }
    let mut files = Vec::new();
    for path in &args.paths {
        if path.is_dir() {
            let unreadable = |error: std::io::Error| Failure::configuration(format!("{}: {error}", path.display()));
            let entries = fs::read_dir(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
            let found = entries.into_iter().map(|entry| entry.path());
            files.extend(found.filter(|path| path.extension().is_some_and(|extension| extension == "json")));
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    let cases = suite::run(&files).map_err(|error| Failure::configuration(format!("the test files cannot be read: {error}")))?;
    if cases.is_empty() {
        return Err(Failure::configuration("the paths hold no test of SQL on FHIR: a file has `resources` and `tests`"));
    }
    if let Some(report) = &args.output {
        write(report, &suite::report(&cases))?;
    }
    let failed: Vec<_> = cases.iter().filter(|case| !case.reasons.is_empty()).collect();
    for case in &failed {
        console.note(&format!("{}: {}: {}", case.file, case.title, case.reasons.join("; ")));
    }
    output::print(&format!("{} of {} passed\n", cases.len() - failed.len(), cases.len()))?;
    Ok(if failed.is_empty() { CLEAN } else { FAILED })
}

fn write(path: &PathBuf, report: &serde_json::Value) -> Outcome<()> {
    let mut text = serde_json::to_vec_pretty(report).map_err(Failure::failed)?;
    text.push(b'\n');
    fs::File::create(path).and_then(|mut file| file.write_all(&text)).map_err(|error| Failure::io(&path.display().to_string(), &error))
}
