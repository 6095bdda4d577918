//! `sutura generate fhir`: records of the people of the feeds.

use sutura_synthetic::{Compression, FhirExport, FhirOptions, Layout};

use super::folders;
use crate::{
    args::{GenerateFhirArgs, RecordCompression, RecordLayout},
    commands::block_on,
    failure::{CLEAN, Outcome},
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
    let (patients, export) = (options.patients, FhirExport::new(options)?);
    let write = folders::write(args.out.clone(), &PARTS, progress::patients(console, patients, "generating"), move |place, written| {
        export.write_to(place, written)
    });
    let truth = block_on(write)?;
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
