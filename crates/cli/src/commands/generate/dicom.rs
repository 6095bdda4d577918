//! `sutura generate dicom`: studies of the people of the feeds.

use std::path::PathBuf;

use sutura_synthetic::{DicomDetail, DicomExport, DicomOptions, DicomTruth};

use super::folders;
use crate::{
    args::{GenerateDicomArgs, ImageDetail},
    commands::block_on,
    failure::{CLEAN, Outcome},
    output::{self, Console},
    progress,
};

/// The folder that the images are in.
const PARTS: [&str; 1] = ["images"];

/// Writes studies into a folder, which appears when it is whole.
pub(crate) async fn export(options: DicomOptions, folder: PathBuf, console: Console) -> Outcome<DicomTruth> {
    let (studies, export) = (options.studies, DicomExport::new(options)?);
    let bar = progress::studies(console, studies, "generating");
    folders::write(folder, &PARTS, bar, move |place, written| export.write_to(place, written)).await
}

/// Runs the command.
pub(crate) fn run(args: &GenerateDicomArgs, console: Console) -> Outcome {
    let options = DicomOptions {
        studies: args.studies,
        patients: args.patients,
        seed: args.seed,
        first_day: args.first_day.clone(),
        detail: match args.detail {
            ImageDetail::Small => DicomDetail::Small,
            ImageDetail::Full => DicomDetail::Full,
        },
        artifact_percent: args.artifact_percent,
        compressed_percent: args.compressed_percent,
    };
    let truth = block_on(export(options, args.out.clone(), console))?;
    if args.json {
        output::print_json(&truth)?;
    } else {
        let modalities: Vec<String> = truth.by_modality.iter().map(|(modality, count)| format!("{modality} {count}")).collect();
        let said = format!(
            "{} studies of {} patients, {} images ({}), {:.1} MB, in {}\n{} series with an artifact; the whole truth is in truth.json\n",
            truth.studies,
            truth.patients,
            truth.instances,
            modalities.join(", "),
            truth.bytes as f64 / 1e6,
            args.out.display(),
            truth.artifacts.values().sum::<u64>(),
        );
        output::print_summary(console, &said)?;
    }
    Ok(CLEAN)
}
