//! `sutura convert`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{AllowPhi, TerminologyArgs, fhir::share};

/// What records are converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConvertTo {
    /// FHIR R4
    Fhir,
}

/// What the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConvertFrom {
    /// Each file by its beginning: XML is C-CDA, all else HL7 v2
    Auto,
    /// HL7 v2 messages: files of them, batches, MLLP frames
    Hl7v2,
    /// C-CDA documents, one a file
    Ccda,
}

/// How the result is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConvertForm {
    /// One transaction Bundle a record, one a line: bundles.ndjson
    Bundle,
    /// One resource a line, one file a type: Patient.ndjson, Observation.ndjson, ...
    Ndjson,
}

/// Turn HL7 v2 messages and C-CDA documents into FHIR R4
///
/// Reads files, folders, globs or s3://bucket/prefix, packed or not, and writes FHIR in the order of the files by name and of the records in
/// them. Ids are made of identifiers, so that a record that comes again updates. What is wrong in a field or an entry costs that field or entry; a record of
/// which nothing can be made is a reject, and the others go on. conversion.json says of every populated place how often it was mapped, dropped
/// (why) or unmapped. With --terminology a code that a map of yours has gets its translation in front of it, the code as sent stays, and conversion.json counts the
/// codes of each system that are known, translated and unknown. The output holds identifying data: --allow-phi and --purpose are needed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
OUT is a folder, or a file whose name ends with .ndjson (Bundles only). A folder gets bundles.ndjson or a file a type, conversion.json, and
rejects.ndjson if there are any; a file out.ndjson gets out.conversion.json and out.rejects.ndjson beside it.

Exit codes:
  0    every record was converted
  1    failed, no file is left half written; or --validate found errors in what was written
  2    an option or a path is wrong, or leave to write identifying data is missing
  3    written, but some records are rejects; with more of them than --max-rejects nothing was written

Examples:
  sutura convert --to fhir feed/ out/ --allow-phi --purpose 'load the test server'
  sutura convert --to fhir documents/ labs.hl7.gz -o out/ --format ndjson --zone +01:00 --allow-phi --purpose research
  sutura convert --to fhir feed/ out/ --terminology lab-to-loinc.csv --terminology athena.zip --allow-phi --purpose research
  sutura convert --to fhir --from ccda documents/*.xml patients.ndjson --validate --allow-phi --purpose 'quality review'")]
pub(crate) struct ConvertArgs {
    /// Files, folders, globs or s3://bucket/prefix; the last one is OUT, unless --output says it
    #[arg(required = true, value_name = "IN... OUT")]
    pub(crate) paths: Vec<String>,
    /// What to convert to
    #[arg(long, value_enum, default_value = "fhir")]
    pub(crate) to: ConvertTo,
    /// What the input is
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) from: ConvertFrom,
    /// OUT: a folder, or a file that ends with .ndjson
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// How the result is laid out
    #[arg(long, value_enum, default_value = "bundle")]
    pub(crate) format: ConvertForm,
    /// Where the account of the conversion goes [default: conversion.json in OUT]
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Where the rejects go, a line each: place, code and reason, no content [default: rejects.ndjson in OUT, if there are any]
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// The largest share of rejected records, 0 to 1, with which anything is written
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub(crate) max_rejects: f64,
    /// Validate what is written against FHIR R4, and count what is found
    #[arg(long)]
    pub(crate) validate: bool,
    /// So many records are converted at the same time [default: the cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Replace an earlier output
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// What was read and written as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) allow: AllowPhi,
    #[command(flatten)]
    pub(crate) mapping: Mapping,
}

/// What the maps are told.
#[derive(Debug, Args)]
#[command(next_help_heading = "Mapping")]
pub(crate) struct Mapping {
    /// Zone of times that state no offset: +01:00, or a name like Europe/Berlin. Without it such times are cut to their date
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// Base URL of the server, for the fullUrl of entries
    #[arg(long, value_name = "URL")]
    pub(crate) base: Option<String>,
    /// Put before namespaces of HL7 v2 that become the system of an identifier, which makes them URIs
    #[arg(long, value_name = "URL")]
    pub(crate) namespace_base: Option<String>,
    /// Put before the names of local code systems of HL7 v2; without it their codes have no system
    #[arg(long, value_name = "URL")]
    pub(crate) local_systems: Option<String>,
    /// Provenance.recorded of what comes from HL7 v2 (C-CDA has the document's own) [default: now]. With it, the same input gives the same bytes
    #[arg(long, value_name = "INSTANT", conflicts_with = "no_provenance")]
    pub(crate) recorded: Option<String>,
    /// No Provenance that points to the bytes of each record
    #[arg(long)]
    pub(crate) no_provenance: bool,
    #[command(flatten)]
    pub(crate) terminology: TerminologyArgs,
}
