//! `sutura generate ccda`: documents of the people of the feeds.

use std::{
    io,
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sutura_synthetic::{CcdaExport, CcdaOptions, CcdaStyle, CcdaTruth, Compression, SyntheticError};

use super::{
    Staging,
    fhir::{StopWhenDropped, publish, taken},
};
use crate::{
    args::{DocumentStyle, GenerateCcdaArgs, RecordCompression},
    commands::block_on,
    failure::{CLEAN, Failure, Outcome},
    output::{self, Console},
    progress,
};

/// The folder that the documents are in.
const PARTS: [&str; 1] = ["documents"];

/// Runs the command.
pub(crate) fn run(args: &GenerateCcdaArgs, console: Console) -> Outcome {
    let options = CcdaOptions {
        patients: args.patients,
        seed: args.seed,
        first_day: args.first_day.clone(),
        years: args.years,
        style: match args.style {
            DocumentStyle::Mixed => CcdaStyle::Mixed,
            DocumentStyle::Alder => CcdaStyle::Alder,
            DocumentStyle::Birch => CcdaStyle::Birch,
            DocumentStyle::Cedar => CcdaStyle::Cedar,
            DocumentStyle::Dogwood => CcdaStyle::Dogwood,
            DocumentStyle::Elm => CcdaStyle::Elm,
            DocumentStyle::Fir => CcdaStyle::Fir,
        },
        odd_percent: args.odd_percent,
        compression: match args.compress {
            RecordCompression::None => Compression::None,
            RecordCompression::Gzip => Compression::Gzip,
            RecordCompression::Zstd => Compression::Zstd,
        },
    };
    let truth = block_on(documents(options, args.out.clone(), console))?;
    if args.json {
        output::print_json(&truth)?;
    } else {
        let entries: u64 = truth.sections.values().map(|section| section.entries).sum();
        let said = format!(
            "{} documents, {:.1} MB, in {}\n{entries} entries, {} of them odd on purpose; the whole truth is in truth.json\n",
            truth.documents,
            truth.bytes as f64 / 1e6,
            args.out.display(),
            truth.odd.len(),
        );
        output::print_summary(console, &said)?;
    }
    Ok(CLEAN)
}

/// Writes the documents into a folder.
async fn documents(options: CcdaOptions, folder: PathBuf, console: Console) -> Outcome<CcdaTruth> {
    let bar = progress::patients(console, options.patients, "generating");
    let export = CcdaExport::new(options)?;
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
