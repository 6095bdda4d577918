//! `sutura images`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::AllowPhi;

/// Measure the quality of DICOM images, and say which are too poor
///
/// Reads files and folders of DICOM (dcm, dicom, dic, no extension), decodes every frame and measures it: signal and noise, sharpness,
/// uniformity, artifacts, saturation, burned-in text, and a score from 0 to 100. A gate says what becomes of an image whose quality is too low: warn,
/// quarantine, stop. Writes report.html with its pictures (SVG and PNG), images.json with statistics by modality, flagged.ndjson with the
/// images that the gate did not let pass, and rejects.ndjson with the files that cannot be read or decoded. All numbers of every image are the tables image_quality and image_metrics of read_dicom.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0  every file was read, no image was put aside
  1  the gate stopped, or it failed
  2  bad configuration
  3  files that cannot be read, or images put aside

Examples:
  sutura images archive/2026 quality
  sutura images archive/*.dcm quality --gate gate.toml --json
  sutura images archive quality --thumbnails --allow-phi --purpose 'review of poor images'
  sutura sql \"select modality, avg(score) from read_dicom('archive', 'image_quality') group by modality\"

gate.toml:
  [[limits]]
  metric = \"score\"
  below = 40
  outcome = \"quarantine\"
  [[modality.MR]]
  metric = \"ghosting\"
  above = 0.1
  outcome = \"warn\"")]
pub(crate) struct ImagesArgs {
    /// Files, folders or globs; the last one is the folder of the results
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Limits by modality, as TOML; without it a score below 50 warns, and one below 25 or an image of one value is put aside
    #[arg(long, value_name = "FILE")]
    pub(crate) gate: Option<String>,
    /// Show the worst images in the report; pixels may show a person, so this needs --allow-phi
    #[arg(long, requires = "allow_phi")]
    pub(crate) thumbnails: bool,
    /// Files measured at the same time; default: one for each processor
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// The largest file that is read, in MiB, unpacked; each file that is measured at the same time may have so many
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=4095))]
    pub(crate) max_file: u32,
    /// Replace the results of an earlier run
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// The counts and statistics as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) allow: AllowPhi,
}

impl ImagesArgs {
    /// What is read, and where the results go.
    pub(crate) fn places(&self) -> (&[String], PathBuf) {
        let (out, inputs) = self.paths.split_last().map_or((String::new(), &[][..]), |(out, inputs)| (out.clone(), inputs));
        (inputs, PathBuf::from(out))
    }
}
