//! `sutura generate fhir`: records of the people of the feeds.

use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sutura_synthetic::{Compression, FhirExport, FhirOptions, FhirTruth, Layout, SyntheticError};

use super::Staging;
use crate::{
    args::{GenerateFhirArgs, RecordCompression, RecordLayout},
    commands::block_on,
    failure::{CLEAN, Failure, Outcome},
    output::{self, Console},
    progress,
};

/// The folders that an export is made of.
const PARTS: [&str; 2] = ["ndjson", "bundles"];

/// Runs the command.
pub(crate) fn run(args: &GenerateFhirArgs, console: Console) -> Outcome {
    let options = FhirOptions {
        patients: args.patients,
        seed: args.seed,
        first_day: args.first_day.clone(),
        years: args.years,
        layout: match args.layout {
            RecordLayout::Both => Layout::Both,
            RecordLayout::Ndjson => Layout::Ndjson,
            RecordLayout::Bundles => Layout::Bundles,
        },
        compression: match args.compress {
            RecordCompression::None => Compression::None,
            RecordCompression::Gzip => Compression::Gzip,
            RecordCompression::Zstd => Compression::Zstd,
        },
    };
    let truth = block_on(records(options, args.out.clone(), console))?;
    if args.json {
        output::print_json(&truth)?;
    } else {
        let bytes = truth.bundle_bytes + truth.files.iter().map(|file| file.bytes).sum::<u64>();
        let said = format!(
            "{} resources of {} patients, {:.1} MB, in {}\n{} NDJSON files, {} Bundles; the whole truth is in truth.json\n",
            truth.resources,
            truth.patients,
            bytes as f64 / 1e6,
            args.out.display(),
            truth.files.len(),
            truth.bundles,
        );
        output::print_summary(console, &said)?;
    }
    Ok(CLEAN)
}

/// Ends the work on another thread when nobody waits for it any more.
pub(super) struct StopWhenDropped(pub(super) Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes the records into a folder.
async fn records(options: FhirOptions, folder: PathBuf, console: Console) -> Outcome<FhirTruth> {
    let bar = progress::patients(console, options.patients, "generating");
    let export = FhirExport::new(options)?;
    let shown = folder.display().to_string();
    let failed = |error: io::Error| Failure::io(&shown, &error);
    if let Some(path) = taken(&folder, &PARTS).map_err(failed)? {
        return Err(SyntheticError::OtherFeed { path }.into());
    }
    let staging = Staging::beside(&folder).map_err(failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let _guard = StopWhenDropped(stop.clone());
    let (place, ticks) = (staging.0.clone(), bar.clone());
    let work = tokio::task::spawn_blocking(move || {
        export.write_to(&place, &|written| {
            ticks.set_position(written);
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    let truth = work.await.map_err(|error| Failure::failed(format!("generating stopped: {error}")))??;
    bar.finish_and_clear();
    publish(&staging.0, &folder, &PARTS).map_err(failed)?;
    Ok(truth)
}

/// A part of an export that is there already and not empty: a reader of the folder would count both.
pub(super) fn taken(folder: &Path, parts: &[&str]) -> io::Result<Option<PathBuf>> {
    for part in parts.iter().map(|part| folder.join(part)) {
        if part.exists() && fs::read_dir(&part)?.next().is_some() {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

/// Moves the folders to their place, the truth last.
pub(super) fn publish(staging: &Path, folder: &Path, parts: &[&str]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let truth = folder.join("truth.json");
    if truth.exists() {
        fs::remove_file(&truth)?;
    }
    for (from, to) in parts.iter().map(|part| (staging.join(part), folder.join(part))) {
        if to.exists() {
            // Only an empty one can be removed.
            fs::remove_dir(&to)?;
        }
        if from.exists() {
            fs::rename(from, to)?;
        }
    }
    fs::rename(staging.join("truth.json"), truth)
}
