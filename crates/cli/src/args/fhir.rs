//! `sutura fhir ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    AllowPhi,
    fhir_resources::{FhirBundleArgs, FhirEnrichArgs, FhirExportArgs, FhirTestViewsArgs, FhirValidateArgs},
};

/// Work with FHIR R4 data
#[derive(Debug, Subcommand)]
pub(crate) enum FhirCommand {
    View(FhirViewArgs),
    Validate(FhirValidateArgs),
    Bundle(FhirBundleArgs),
    Export(FhirExportArgs),
    Enrich(FhirEnrichArgs),
    TestViews(FhirTestViewsArgs),
}

/// What the rows of a view are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewFormat {
    /// Parquet, with the classes of the columns in the footer
    Parquet,
    /// Comma-separated with a header line
    Csv,
    /// One JSON object a line
    Ndjson,
    /// Arrow IPC file
    Arrow,
}

/// Turn resources into tables with SQL on FHIR views
///
/// Reads NDJSON, Bundles and single resources, packed or not, once for all views together, and writes one table a view. What cannot be
/// read, and resources that a view cannot show (several values where its column holds one), are counted as rejects and never
/// stop the others; SELECT from rejects('PATH', 'VIEW.json') lists them with their places.
///
/// Columns that may identify a person show as their class (‹name›) on screen; files with such columns are refused without
/// --allow-phi and --purpose.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0    every record was read or counted as a reject
  1    failed; no file is left half written
  2    a view, a path or an output is wrong, or a file would hold identifying columns
  3    more rejects than --max-rejects; nothing was written; rows printed as csv or ndjson are not to be used

Examples:
  sutura fhir view export/*.ndjson --view blood_pressure.json
  sutura fhir view export/ --view patients.json --view labs.json -o tables/ --allow-phi --purpose 'quality report'
  sutura fhir view labs.ndjson.gz --view labs.json -o labs.csv.gz
  sutura fhir view s3://bucket/export/ --view counts.json -o counts.parquet --json | jq .rejected")]
pub(crate) struct FhirViewArgs {
    /// Files, folders, globs or s3://bucket/prefix
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// ViewDefinition (JSON file); may be given several times
    #[arg(long = "view", short, required = true, value_name = "FILE")]
    pub(crate) views: Vec<PathBuf>,
    /// A file whose name says the format (.parquet, .csv, .ndjson, .arrow; .csv.gz, .ndjson.zst, ...), for one view; else a folder
    /// that gets one file a view. Without it the rows of the one view are printed
    #[arg(long, short, value_name = "FILE|DIR")]
    pub(crate) output: Option<String>,
    /// Format of the files in a folder [default: parquet]; without -o csv and ndjson print rows so
    #[arg(long, value_enum)]
    pub(crate) format: Option<ViewFormat>,
    /// Replace outputs that exist
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
    /// The largest share of rejected records, 0 to 1, with which anything is written
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub(crate) max_rejects: f64,
    /// Most rows that a table on screen shows; at most 1000000
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) max_rows: u32,
    /// What was read and written as JSON
    #[arg(long, requires = "output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) allow: AllowPhi,
}

/// A number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "must be a number from 0 to 1".to_owned())
}
