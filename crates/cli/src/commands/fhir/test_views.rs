//! `sutura fhir test-views`: test files of SQL on FHIR, and the official report.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

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
    if let Some(report) = &args.output {
        refuse_existing(report, &files, args.overwrite)?;
    }
    let cases = suite::run(&files).map_err(|error| Failure::configuration(format!("the test files cannot be read: {error}")))?;
    if cases.is_empty() {
        return Err(Failure::configuration("the paths hold no test of SQL on FHIR: a file has `resources` and `tests`"));
    }
    if let Some(report) = &args.output {
        write(report, &suite::report(&cases), args.overwrite)?;
    }
    let failed: Vec<_> = cases.iter().filter(|case| !case.reasons.is_empty()).collect();
    for case in &failed {
        console.note(&format!("{}: {}: {}", case.file, case.title, case.reasons.join("; ")));
    }
    output::print(&format!("{} of {} passed\n", cases.len() - failed.len(), cases.len()))?;
    Ok(if failed.is_empty() { CLEAN } else { FAILED })
}

/// A report never takes the place of a test file, and of another file only with leave.
fn refuse_existing(report: &Path, files: &[PathBuf], overwrite: bool) -> Outcome<()> {
    let Ok(found) = report.canonicalize() else { return Ok(()) };
    let bad = |what: &str| Err(Failure::configuration(format!("{}: {what}", report.display())));
    if files.iter().any(|file| file.canonicalize().is_ok_and(|file| file == found)) {
        return bad("is read, so it cannot be written to as well; give another file");
    }
    if !found.is_file() {
        return bad("is no plain file; give another one");
    }
    if overwrite { Ok(()) } else { bad("exists; give another file or --overwrite") }
}

/// Written beside its place, then moved there, so that it is whole or not there.
fn write(report: &Path, value: &serde_json::Value, overwrite: bool) -> Outcome<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(Failure::failed)?;
    text.push(b'\n');
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::configuration(format!("{}: exists; give another file or --overwrite", report.display())),
        _ => Failure::io(&report.display().to_string(), &error),
    };
    // A link stays; what it leads to is replaced.
    let place = report.canonicalize().unwrap_or_else(|_| report.to_owned());
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let stage = place.with_file_name(format!(".tmp-{name}-{}", std::process::id()));
    let mut file = fs::File::create_new(&stage).map_err(|error| Failure::io(&stage.display().to_string(), &error))?;
    let moved = || match fs::hard_link(&stage, &place) {
        Ok(()) => fs::remove_file(&stage),
        // A file that came meanwhile stays.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        Err(_) => fs::rename(&stage, &place),
    };
    let publish = || if overwrite { fs::rename(&stage, &place) } else { moved() };
    let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| publish());
    written.inspect_err(|_| drop(fs::remove_file(&stage))).map_err(failed)
}
