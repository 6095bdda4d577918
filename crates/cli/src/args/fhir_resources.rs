//! `sutura fhir validate|bundle|export|enrich|test-views`.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

use super::AllowPhi;

/// Check resources against FHIR R4 and profiles
///
/// Reads NDJSON, Bundles and single resources; a Bundle is checked whole, itself and what is in it. Every resource is checked against the definitions
/// of R4: names, cardinality, types, codes, references, invariants; and against the profiles it claims, if their package is loaded; if not, an
/// information says so, and so does a note if a package has rules or elements that cannot be checked. Prints the first errors and rejects with their places, then counts.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0    no resource has an error
  1    some have, or it failed
  2    a path, a package or a profile is wrong
  3    no resource has an error, but some input was no resource

Examples:
  sutura fhir validate export/
  sutura fhir validate bundle.json --package us-core.tgz --all
  sutura fhir validate patients.ndjson --package us-core/ --profile http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient
  sutura fhir validate export/ --json | jq .validated.issues
  sutura fhir validate export/ --outcomes > outcomes.ndjson
  sutura fhir validate patient.xml --unknown-extensions error --trusted-extension http://example.org/")]
pub(crate) struct FhirValidateArgs {
    /// Files (JSON or XML), folders, globs or s3://bucket/prefix
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Package of profiles (.tgz, folder or JSON file); may be given several times
    #[arg(long = "package", value_name = "PATH")]
    pub(crate) packages: Vec<PathBuf>,
    /// Check every resource against this profile too (canonical URL); may be given several times
    #[arg(long = "profile", value_name = "URL")]
    pub(crate) profiles: Vec<String>,
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// Show warnings and information too
    #[arg(long)]
    pub(crate) all: bool,
    /// Most issues, and most rejects, that are shown
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) max_issues: u32,
    /// One line a resource: its file, its place and its OperationOutcome; then one for each of the first rejects
    #[arg(long, conflicts_with_all = ["json", "all"])]
    pub(crate) outcomes: bool,
    /// The counts as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is checked beyond the definitions, and how bad it is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rules")]
pub(crate) struct Rules {
    /// How bad an extension is that no loaded package defines; a modifier is then always an error [default: not reported]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) unknown_extensions: Option<Severity>,
    /// Extensions whose URLs begin so are never unknown; may be given several times
    #[arg(long = "trusted-extension", value_name = "URL", requires = "unknown_extensions")]
    pub(crate) trusted_extensions: Vec<String>,
    /// How bad text is that looks like it has HTML in it
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "warning")]
    pub(crate) markup: Severity,
    /// How bad it is if a reference names a type that is not allowed, and the resource itself is not at hand
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    pub(crate) unresolved_types: Severity,
    /// How bad a relative or urn: reference is to nothing in the Bundle or Parameters around [default: not reported]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) missing_targets: Option<Severity>,
    /// Do not hold codes against extensible and preferred value sets
    #[arg(long)]
    pub(crate) no_open_bindings: bool,
    /// Do not check the profiles that resources claim in meta.profile
    #[arg(long)]
    pub(crate) no_meta_profiles: bool,
}

/// How bad something is, as OperationOutcome.issue.severity has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Severity {
    /// Worth knowing
    Information,
    /// Allowed, but most likely not meant
    Warning,
    /// The resource is not valid
    Error,
}

/// The type of a Bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BundleType {
    /// A set of resources
    Collection,
    /// Requests that a server carries out together or not at all
    Transaction,
    /// Requests that a server carries out one by one
    Batch,
    /// The result of a search
    Searchset,
}

/// The requests of a transaction or batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RequestKind {
    /// PUT by id; POST where there is none
    Put,
    /// POST: the server gives new ids, references between the resources are rewritten
    Create,
    /// POST unless a resource with the same identifier exists
    ConditionalCreate,
}

/// Write resources as Bundles
///
/// Reads NDJSON, Bundles and single resources and writes bundle-00001.json, bundle-00002.json, ... into a folder. Resources go through as they were
/// sent; references are rewritten only where a server gives new ids. The output holds identifying data: --allow-phi and --purpose are needed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0    every resource was written
  1    failed
  2    an option or a path is wrong, or leave to write identifying data is missing
  3    written, but some input was no resource, was cut off, or could not stand in the Bundle

Examples:
  sutura fhir bundle export/ --type transaction --max-entries 500 -o load/ --allow-phi --purpose 'load the test server'
  sutura fhir bundle patients.ndjson --type collection --base https://example.org/fhir -o out/ --allow-phi --purpose demo")]
pub(crate) struct FhirBundleArgs {
    /// Files, folders, globs or s3://bucket/prefix
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Bundle.type
    #[arg(long = "type", value_enum)]
    pub(crate) kind: BundleType,
    /// Folder for the Bundles
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Base URL of the server: fullUrls are BASE/Type/id; without it urn:uuid
    #[arg(long, value_name = "URL")]
    pub(crate) base: Option<String>,
    /// Requests of a transaction or batch
    #[arg(long, value_enum, default_value = "put")]
    pub(crate) requests: RequestKind,
    /// Most entries of one Bundle [default: no limit]
    #[arg(long, value_name = "N")]
    pub(crate) max_entries: Option<u64>,
    /// Rewrite references between the entries of a collection or searchset to their fullUrls
    #[arg(long)]
    pub(crate) rewrite_references: bool,
    /// Bundle.timestamp [default: none, so that the same input gives the same bytes]
    #[arg(long, value_name = "INSTANT")]
    pub(crate) timestamp: Option<String>,
    /// URL of the search, for the links of a searchset
    #[arg(long, value_name = "URL")]
    pub(crate) search_url: Option<String>,
    /// Bundle.total of a searchset [default: counted, if it is one page]
    #[arg(long, value_name = "N")]
    pub(crate) total: Option<u64>,
    /// Replace Bundles that are in the folder
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// What was read and written as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) allow: AllowPhi,
}

/// A folder of NDJSON files.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// Folder for the files and their export.manifest
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Pack the files: Type.ndjson.gz
    #[arg(long)]
    pub(crate) gzip: bool,
    /// Replace an export that is in the folder
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// What was read and written as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) allow: AllowPhi,
}

/// Write resources as NDJSON, one file a type
///
/// Reads NDJSON, Bundles and single resources and writes Patient.ndjson, Observation.ndjson, ... and export.manifest, as a Bulk Data export has them.
/// Values go through as they were sent. The output holds identifying data: --allow-phi and --purpose are needed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0    every resource was written
  1    failed; no file is left half written
  2    a path or the folder is wrong, or leave to write identifying data is missing
  3    written, but some input was no resource, was cut off or not kept whole

Examples:
  sutura fhir export bundles/ -o ndjson/ --allow-phi --purpose 'load into the warehouse'
  sutura fhir export 's3://bucket/bundles/*.json.gz' -o ndjson/ --gzip --allow-phi --purpose research")]
pub(crate) struct FhirExportArgs {
    /// Files, folders, globs or s3://bucket/prefix
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Add quality scores, ages, risk factors and the meaning of results as extensions
///
/// Reads everything twice: once to know the persons, once to write each resource as it was sent with extensions added. Writes NDJSON, one file a
/// type. Formulas, limits and their sources are in the reference. Not a medical device. The output holds identifying data: --allow-phi and --purpose are needed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0    every resource was written
  1    failed; no file is left half written
  2    a path, a package or the folder is wrong, or leave to write identifying data is missing
  3    written, but some input was no resource, was cut off or not kept whole

Examples:
  sutura fhir enrich export/ -o enriched/ --reference-date 2026-01-01 --allow-phi --purpose 'quality programme'
  sutura fhir enrich export/ -o enriched/ --reference-date 2026-01-01 --package us-core.tgz --default-country US --allow-phi --purpose research")]
pub(crate) struct FhirEnrichArgs {
    /// Files, folders, globs or s3://bucket/prefix
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// The day that ages are of
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) reference_date: NaiveDate,
    /// Package of profiles for the quality score (.tgz, folder or JSON file); may be given several times
    #[arg(long = "package", value_name = "PATH")]
    pub(crate) packages: Vec<PathBuf>,
    /// Do not validate: the quality score counts completeness only
    #[arg(long, conflicts_with = "packages")]
    pub(crate) no_validation: bool,
    /// ISO 3166 code of the country of addresses that name none
    #[arg(long, value_name = "CODE")]
    pub(crate) default_country: Option<String>,
    /// Base URL of absolute references to persons that others name relatively; may be given several times
    #[arg(long = "service-base", value_name = "URL")]
    pub(crate) service_bases: Vec<String>,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Run test files of SQL on FHIR and write the official report
///
/// A test file holds resources and tests: each a view and what is expected of it. The report has the form that the specification's site collects.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0    every test passed
  1    some did not
  2    a path is wrong or holds no test, or the report is there already

Example:
  sutura fhir test-views sql-on-fhir-v2/tests/ -o test_report.json")]
pub(crate) struct FhirTestViewsArgs {
    /// Test files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Where the report goes
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the report if it is there
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
}
