//! `sutura generate ccda`: documents of the people of the feeds.

use sutura_synthetic::{CcdaExport, CcdaOptions, CcdaStyle, Compression};

use super::folders;
use crate::{
    args::{DocumentStyle, GenerateCcdaArgs, RecordCompression},
    commands::block_on,
    failure::{CLEAN, Outcome},
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
    let (patients, export) = (options.patients, CcdaExport::new(options)?);
    let write = folders::write(args.out.clone(), &PARTS, progress::patients(console, patients, "generating"), move |place, written| {
        export.write_to(place, written)
    });
    let truth = block_on(write)?;
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
