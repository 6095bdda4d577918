//! What can be asked for: the arguments of every command, with their help.
//!
//! The help is the reference: `docs/src/reference/cli.md` is written from it.

pub(crate) mod convert;
pub(crate) mod deidentify;
pub(crate) mod dicom;
pub(crate) mod fhir;
pub(crate) mod fhir_resources;
pub(crate) mod images;
pub(crate) mod terminology;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0    done and clean
  1    failed while running, or a quality gate stopped a job
  2    bad configuration: arguments, job file, policy, key, query, or refused identifying columns
  3    rejects are above the threshold of a job or of fhir view
  130  interrupted; nothing half written is left behind

Environment:
  SUTURA_LOG   logs on standard error: error, warn, info, debug, trace, or sutura_engine=debug;
               they hold counts and codes, never field content. Unset: warnings of SQL functions
               only; off: nothing
  AWS_*        access to s3:// locations (AWS_ENDPOINT_URL for other stores than Amazon's)";

/// Clinical data in, private and checked tables out.
///
/// Reads HL7 v2, FHIR, C-CDA and DICOM as tables, checks and de-identifies them, and writes Parquet, CSV, NDJSON or Arrow.
/// Identifying values are never shown or written unless you say so, with a purpose.
#[derive(Debug, Parser)]
#[command(name = "sutura", version, arg_required_else_help = true, after_long_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say nothing but errors and what was asked for: rows, trees, JSON, a plan
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    #[command(subcommand)]
    Generate(GenerateCommand),
    Inspect(InspectArgs),
    Sql(SqlArgs),
    Convert(convert::ConvertArgs),
    Images(images::ImagesArgs),
    Deidentify(deidentify::DeidentifyArgs),
    #[command(subcommand)]
    Fhir(fhir::FhirCommand),
    #[command(subcommand)]
    Listen(dicom::ListenCommand),
    #[command(subcommand)]
    Send(dicom::SendCommand),
    #[command(subcommand)]
    Terminology(terminology::TerminologyCommand),
    Validate(ValidateArgs),
    Plan(PlanArgs),
    Run(RunArgs),
    Replay(ReplayArgs),
    #[command(subcommand)]
    Schema(SchemaCommand),
    Tables(TablesArgs),
    #[command(subcommand)]
    Keys(KeysCommand),
    #[command(subcommand)]
    Policy(PolicyCommand),
}

/// Terminology of the user.
#[derive(Debug, Args)]
pub(crate) struct TerminologyArgs {
    /// Code systems, value sets and maps of your own, beside those of HL7: FHIR JSON or a package, CSV, the ZIP of Athena, SNOMED CT or LOINC, or a
    /// folder of such files; may be given several times
    #[arg(long = "terminology", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
}

/// Leave to show or write identifying values.
#[derive(Debug, Args)]
pub(crate) struct AllowPhi {
    /// Show or write identifying values as they are; needs --purpose
    #[arg(long, requires = "purpose")]
    pub(crate) allow_phi: bool,
    /// Why identifying values are needed; written into metadata, export.manifest and JSON reports
    #[arg(long, value_name = "TEXT", requires = "allow_phi")]
    pub(crate) purpose: Option<String>,
}

/// Keys for the privacy functions. A key is never part of a query.
#[derive(Debug, Args)]
#[command(next_help_heading = "Keys of pseudonyms, shifted dates, encryption and vault codes")]
pub(crate) struct SqlKeys {
    /// Key file made with `sutura keys new`
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    pub(crate) key_file: Option<PathBuf>,
    /// Environment variable that holds the content of a key file
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) key_env: Option<String>,
    /// Project whose pseudonyms, shifts and codes these are (that of the job they must agree with)
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Domain of the pseudonyms (that of the job they must agree with)
    #[arg(long, value_name = "NAME", requires = "project")]
    pub(crate) domain: Option<String>,
    /// Vault of random codes: for vault_code() and Safe Harbor
    #[arg(long, value_name = "FILE", requires = "project")]
    pub(crate) vault: Option<PathBuf>,
}

/// Generate a feed, run the example job over it, show where the report is
///
/// Writes made-up HL7 v2 messages and DICOM images of the same patients, job files with their policy, and a key of its own into a folder, then runs
/// the jobs: parse, check, de-identify under HIPAA Safe Harbor, aggregate, write Parquet; measure the images and join them to the messages by the patient's code. Takes seconds and needs no data and no network.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura demo
  sutura demo --dir /tmp/demo --messages 1000
  sutura run target/demo/hospital.toml --set source.feed.path=/data/incoming    then with your own messages")]
pub(crate) struct DemoArgs {
    /// Folder for the messages, the job, the key and the output
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    pub(crate) dir: PathBuf,
    /// How many messages
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: u64,
    /// The same seed gives the same messages
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The record of the run as JSON (what run.json holds)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Generate made-up data with known truth
#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    Hl7v2(GenerateHl7v2Args),
    Fhir(GenerateFhirArgs),
    Ccda(GenerateCcdaArgs),
    Dicom(GenerateDicomArgs),
}

/// How messages stand in a generated file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeedShape {
    /// A blank line between messages
    Separated,
    /// MLLP frames
    Mllp,
    /// One batch in a file envelope: FHS, BHS, messages, BTS, FTS
    Batch,
}

/// What ends a segment in a generated file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeedLineEnd {
    /// Carriage return, as the standard says
    Cr,
    /// Line feed, as many exports have it
    Lf,
}

/// How a generated file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeedCompression {
    /// As it is: feed_0001.hl7
    None,
    /// feed_0001.hl7.gz
    Gzip,
    /// feed_0001.hl7.zst
    Zstd,
}

/// HL7 v2 files as a group of hospitals would send them, and truth.json
///
/// Admissions, transfers, discharges, results, pharmacy, immunizations, notes, appointments, merges. Nobody in a feed exists. The same
/// seed and options give the same bytes on every machine; truth.json says what a correct reader must find in them.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura generate hl7v2 --messages 1000000 --per-file 10000 --seed 1 --out feed/
  sutura generate hl7v2 --messages 500 --shape mllp --malformed-share 0 --out frames/
  sutura generate hl7v2 --messages 100000 --compress zstd --out packed/")]
pub(crate) struct GenerateHl7v2Args {
    /// How many messages, malformed ones and duplicates included
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) messages: u64,
    /// Messages in a file
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) per_file: u64,
    /// Chooses people, visits and damage
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The share of malformed messages, 0 to 1, about
    #[arg(long, value_name = "SHARE", default_value_t = 0.005)]
    pub(crate) malformed_share: f64,
    /// The share of messages sent a second time, 0 to 0.5, about
    #[arg(long, value_name = "SHARE", default_value_t = 0.002)]
    pub(crate) duplicate_share: f64,
    /// How many people the patients are drawn from [default: a quarter of the messages, at most 200000]
    #[arg(long, value_name = "N")]
    pub(crate) population: Option<u64>,
    /// The first day of the feed
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2025-01-01")]
    pub(crate) first_day: String,
    /// How messages stand in a file
    #[arg(long, value_enum, default_value = "separated")]
    pub(crate) shape: FeedShape,
    /// What ends a segment
    #[arg(long, value_enum, default_value = "cr")]
    pub(crate) line_end: FeedLineEnd,
    /// How the files are packed
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) compress: FeedCompression,
    /// The folder to write; complete when truth.json is in it
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The truth as JSON (what truth.json holds)
    #[arg(long)]
    pub(crate) json: bool,
}

/// How generated records are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordLayout {
    /// Both of the others, with the same ids
    Both,
    /// One file a type, one resource a line: ndjson/Patient.ndjson
    Ndjson,
    /// One transaction Bundle a patient: bundles/0000/patient_00000000.json, and bundles/shared.json
    Bundles,
}

/// How generated records are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordCompression {
    /// As they are
    None,
    /// Their names end with .gz
    Gzip,
    /// Their names end with .zst
    Zstd,
}

/// FHIR R4 records of the same people as in HL7 v2 feeds, and truth.json
///
/// Patients with US Core demographics, encounters, conditions, vital signs and laboratory results with trends, medication,
/// immunizations, procedures, reports, screening for social needs: valid, and linked within the files. The same seed and options give
/// the same bytes on every machine; truth.json says what a correct reader must find in them.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura generate fhir --patients 1000 --seed 1 --out records/
  sutura generate fhir --patients 100000 --layout ndjson --compress zstd --out packed/
  sutura generate hl7v2 --population 1000 --seed 1 --out feed/    the same people in messages")]
pub(crate) struct GenerateFhirArgs {
    /// How many patients
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) patients: u64,
    /// Chooses people and what happens to them; the same seed gives the same people as in HL7 v2 feeds
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many years a record covers, 1 to 20
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) years: u32,
    /// The first day of the HL7 v2 feed that the records go with; they end 395 days later, as the feed does
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2025-01-01")]
    pub(crate) first_day: String,
    /// How the records are laid out
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) layout: RecordLayout,
    /// How the files are packed
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) compress: RecordCompression,
    /// The folder to write; complete when truth.json is in it
    #[arg(long, value_name = "DIR", default_value = "fhir")]
    pub(crate) out: PathBuf,
    /// The truth as JSON (what truth.json holds)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose way of writing documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentStyle {
    /// One document after the other in another of the styles below
    Mixed,
    /// C-CDA R2.1, templates with and without extension, tables, references into the narrative
    Alder,
    /// C-CDA R2.1, templates with extension only, a prefix on every element, lists, times to the minute
    Birch,
    /// C-CDA R1.1, byte order mark, every absent part with a nullFlavor
    Cedar,
    /// C-CDA R2.1 on one line, without XML declaration, paragraphs, local codes with translations
    Dogwood,
    /// Template ids that nobody knows: only LOINC codes and structure tell what a section is
    Elm,
    /// C-CDA R2.1 in ISO-8859-1, sections within a section
    Fir,
}

/// C-CDA documents (CCD) of the same people as in HL7 v2 feeds and FHIR records, and truth.json
///
/// One Continuity of Care Document a patient, in the styles of several vendors, with some entries that are odd on purpose. The same seed and
/// options give the same bytes on every machine; truth.json says what a correct reader must find in them.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura generate ccda --patients 1000 --seed 1 --out documents/
  sutura generate ccda --patients 50 --style elm --odd-percent 0 --out elm/
  sutura generate fhir --patients 1000 --seed 1 --out records/    the same people in FHIR")]
pub(crate) struct GenerateCcdaArgs {
    /// How many patients, one document each
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) patients: u64,
    /// Chooses people and what happens to them; the same seed gives the same people as in HL7 v2 feeds and FHIR records
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many years a document covers, 1 to 20
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) years: u32,
    /// The first day of the HL7 v2 feed that the documents go with; they end 395 days later, as the feed does
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2025-01-01")]
    pub(crate) first_day: String,
    /// Whose way of writing documents
    #[arg(long, value_enum, default_value = "mixed")]
    pub(crate) style: DocumentStyle,
    /// Of each hundred entries so many are odd on purpose, 0 to 100, about
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) odd_percent: u32,
    /// How the files are packed
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) compress: RecordCompression,
    /// The folder to write; complete when truth.json is in it
    #[arg(long, value_name = "DIR", default_value = "ccda")]
    pub(crate) out: PathBuf,
    /// The truth as JSON (what truth.json holds)
    #[arg(long)]
    pub(crate) json: bool,
}

/// How large generated images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImageDetail {
    /// For trying things out: CT 128 x 128 x 12, radiographs 512 rows
    Small,
    /// As large as real ones: CT 512 x 512 x 40, radiographs 2048 rows
    Full,
}

/// DICOM studies of the same people as in HL7 v2 feeds, and truth.json
///
/// CT, MR, ultrasound, radiographs and mammograms of bodies that are formulas: right geometry, noise, known artifacts, burned-in text, some compressed
/// without loss. The same seed and options give the same bytes on every machine; truth.json says what a correct reader, measure or filter must find.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura generate dicom --studies 20 --seed 1 --out images/
  sutura generate dicom --studies 5 --detail full --compressed-percent 100 --out large/
  sutura generate hl7v2 --population 100 --seed 1 --out feed/    the same people in messages")]
pub(crate) struct GenerateDicomArgs {
    /// How many studies; CT, MR, US, CR and MG take turns
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) studies: u64,
    /// How many patients they are of, the first ones of the seed
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) patients: u64,
    /// Chooses people and what happens to them; the same seed gives the same people as in HL7 v2 feeds
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The first day of the HL7 v2 feed that the studies go with
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2025-01-01")]
    pub(crate) first_day: String,
    /// How large the images are
    #[arg(long, value_enum, default_value = "small")]
    pub(crate) detail: ImageDetail,
    /// Of each hundred series so many have an artifact, 0 to 100, about
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub(crate) artifact_percent: u32,
    /// Of each hundred series so many are compressed without loss, 0 to 100, about
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) compressed_percent: u32,
    /// The folder to write; complete when truth.json is in it
    #[arg(long, value_name = "DIR", default_value = "dicom")]
    pub(crate) out: PathBuf,
    /// The truth as JSON (what truth.json holds)
    #[arg(long)]
    pub(crate) json: bool,
}

/// A job file and changes to it.
#[derive(Debug, Args)]
pub(crate) struct JobSource {
    /// The job file, TOML
    #[arg(value_name = "JOB")]
    pub(crate) job: PathBuf,
    /// Change a key for this time: source.feed.path=/data/in, job.workers=2, sink.patients.format=csv. Paths given here are relative
    /// to the working folder (those in the file are relative to the file). May be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Check a job file without running it
///
/// Names every mistake at once, each with file, line, key and the nearest right word: unknown keys, queries that do not plan, columns
/// that are not there, policies that their profile forbids, sinks that would hold identifying columns. Opens no source and no key.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura validate job.toml
  sutura validate job.toml --json | jq '.problems[].line'")]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) source: JobSource,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what a job would do
///
/// The files it would read, the columns it would decode, what happens to each column, what each sink would hold or refuse, and what
/// changed since the last run. Reads no record and writes nothing.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura plan job.toml
  sutura plan job.toml --set source.feed.path=/data/incoming")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) source: JobSource,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Run a job
///
/// One pass over the sources; every output is published together at the end or not at all. The output folder then has manifest.json,
/// run.json, report.html and the sinks. A job that already did the same work has nothing to do.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0    clean, or nothing to do
  1    failed, or a quality gate or too few records stopped it; nothing was published
  2    the job, its policy or its key is wrong
  3    more rejects than the job allows; nothing was published
  130  interrupted; nothing was published

Examples:
  sutura run job.toml
  sutura run job.toml --set source.feed.path=/data/incoming --out /data/out
  sutura run job.toml --json | jq -r .equation")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) source: JobSource,
    /// The output folder, in place of the job's
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Run although the last run already did the same
    #[arg(long)]
    pub(crate) force: bool,
    /// The record of the run as JSON (what run.json holds)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Read the rejects of a job's last run again
///
/// Opens the sealed originals with the job's key and sends them through the same steps and sinks, such as after an option of the reader
/// was changed or a newer version reads more. The outputs go into a folder of their own; nothing published is touched.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura replay job.toml
  sutura replay job.toml --set source.feed.options.strict=false")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) source: JobSource,
    /// The output folder of the run, in place of the job's
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print a JSON Schema
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Of job files: most editors use it for completion and checks
    Job,
}

/// Show messages, documents and images as readable trees
///
/// Of a message every segment and field with its name in the standard, its data type, its value and the findings on it; of a C-CDA
/// document its sections; of a DICOM file every element with its representation, length and value, and what the image is.
/// Values that may identify a person are masked with their class and length.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura inspect feed.hl7                          the first message
  sutura inspect feed.hl7 --message 12             the twelfth record
  sutura inspect feed.hl7.gz --control-id MSG0042  the message with that MSH-10
  sutura inspect feed.hl7 --all --json | jq .findings
  cat message.hl7 | sutura inspect -
  sutura inspect image.dcm                         tags, and facts of the image
  sutura inspect image.dcm --preview image.png --frame 3
  sutura inspect feed.hl7 --allow-phi --purpose 'feed set-up with the sender'")]
pub(crate) struct InspectArgs {
    /// File to look into, plain, gzip or zstd; `-` for standard input
    pub(crate) file: String,
    /// Which record, counted from 1 (what could not be read counts too)
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) message: u64,
    /// The first message with this control id (MSH-10)
    #[arg(long, value_name = "ID", conflicts_with = "message")]
    pub(crate) control_id: Option<String>,
    /// Character set of bytes that the message does not declare, by its name in HL7 table 0211
    #[arg(long, value_name = "NAME", default_value = "8859/1")]
    pub(crate) charset: String,
    /// Every record of the file
    #[arg(long, conflicts_with_all = ["message", "control_id"])]
    pub(crate) all: bool,
    /// One JSON object a record
    #[arg(long)]
    pub(crate) json: bool,
    /// DICOM: write a frame as a viewer would show it at first, 8 bits a sample. An image that may have text burned in, and a
    /// photograph, are refused without --allow-phi
    #[arg(long, value_name = "FILE.png")]
    pub(crate) preview: Option<PathBuf>,
    /// DICOM: which frame, counted from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), requires = "preview")]
    pub(crate) frame: u32,
    #[command(flatten)]
    pub(crate) allow: AllowPhi,
}

/// How a query's rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A table with borders; identifying values show as their class
    Table,
    /// One JSON object a line
    Ndjson,
    /// Comma-separated with a header line
    Csv,
    /// One JSON array
    Json,
}

/// Query files with SQL
///
/// Every format is a table function: read_hl7v2('path' [, 'table' [, 'options']]), where the path is a file, a glob,
/// a folder or s3://bucket/prefix. rejects('path') has what could not be read. `sutura tables hl7v2` lists tables and columns.
/// In place of a table read_fhir takes a SQL on FHIR view: read_fhir('path', 'view.json').
///
/// Columns that may identify a person show as their class (‹name›) on screen; other formats and files with such columns
/// are refused without --allow-phi and --purpose. Without a query this is an interactive shell.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura sql \"select message_type, count(*) from read_hl7v2('feed/') group by 1\"
  sutura sql \"select observation_code, avg(value_number) from read_hl7v2('feed/', 'observations') group by 1\" -o labs.parquet
  sutura sql \"select code, reason, count(*) from rejects('feed/') group by 1, 2\" --format csv
  sutura sql -f report.sql --format ndjson | jq .
  sutura sql                                       an interactive shell; \\? lists its commands")]
pub(crate) struct SqlArgs {
    /// The query; without it (and without -f) an interactive shell
    #[arg(conflicts_with = "file")]
    pub(crate) query: Option<String>,
    /// Read the query from a file; `-` for standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<String>,
    /// How rows are printed
    #[arg(long, value_enum, default_value = "table", conflicts_with = "output")]
    pub(crate) format: RowFormat,
    /// Write the rows to this file; its name says the format: .parquet, .csv, .ndjson, .arrow (.csv.gz, .ndjson.zst, ...)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// Replace the output if it exists
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
    /// Most rows that a table on screen shows; at most 1000000
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) max_rows: u32,
    /// Memory for sorts, joins and aggregates, in MiB, beyond which they use the disk; 1 to 16777216
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub(crate) memory: Option<u32>,
    /// Keep the shell's history in this file. Queries can hold PHI: the file is made for its owner only (mode 0600).
    /// Without this, history is forgotten at the end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["query", "file"])]
    pub(crate) history: Option<PathBuf>,
    /// FHIR package that fhir_validate() and fhirpath() know, too: a .tgz, a folder of JSON files or one file; may be given several times
    #[arg(long = "package", value_name = "PATH")]
    pub(crate) packages: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) terminology: TerminologyArgs,
    #[command(flatten)]
    pub(crate) policy: SqlPolicy,
    #[command(flatten)]
    pub(crate) keys: SqlKeys,
    #[command(flatten)]
    pub(crate) allow: AllowPhi,
}

/// The policy of a query.
#[derive(Debug, Args)]
#[command(next_help_heading = "De-identification in queries")]
pub(crate) struct SqlPolicy {
    /// What deidentified(), scrub(), deid_hl7v2(), deid_fhir() and deid_ccda() treat by, and what pseudonym(), encrypt(), vault_code() and
    /// shift_date() must not go beyond: a policy file (.toml), or the name of a policy that comes with the program; needs a key
    #[arg(long, value_name = "POLICY", requires = "project")]
    pub(crate) policy: Option<String>,
    /// A fact that the policy's profile rests on and its file does not state (see `sutura deidentify --help`); several times
    #[arg(long, value_name = "KEY=VALUE", requires = "policy")]
    pub(crate) legal: Vec<String>,
    /// What becomes of free text in messages, resources and documents
    #[arg(long, value_enum, value_name = "HOW", requires = "policy")]
    pub(crate) free_text: Option<deidentify::FreeText>,
    /// Languages of free text: en, es [default: those of the policy, else en]
    #[arg(long, value_name = "LANGUAGE", value_delimiter = ',', requires = "policy")]
    pub(crate) language: Vec<String>,
    /// A model of language beside the rules of free text: a folder with model.onnx, tokenizer.json and config.json
    #[arg(long, value_name = "FOLDER", requires = "policy")]
    pub(crate) model: Option<PathBuf>,
    /// The ONNX Runtime that runs the model: libonnxruntime, or its folder [default: what ORT_DYLIB_PATH says]
    #[arg(long, value_name = "PATH", requires = "model")]
    pub(crate) onnx_runtime: Option<PathBuf>,
}

/// How a list of tables is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Aligned text
    Table,
    /// JSON
    Json,
    /// The reference page
    Markdown,
}

/// List the tables and columns of a format
///
/// With each column's type, path in the standard, class of identifying information and meaning.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sutura tables hl7v2
  sutura tables hl7v2 observations
  sutura tables fhir patients
  sutura tables ccda entries
  sutura tables dicom image_quality
  sutura tables hl7v2 --format json | jq '.[].name'")]
pub(crate) struct TablesArgs {
    /// The format
    #[arg(value_parser = ["hl7v2", "fhir", "ccda", "dicom"], default_value = "hl7v2")]
    pub(crate) format_name: String,
    /// Only this table, with its columns
    pub(crate) table: Option<String>,
    /// How the list is printed
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: ListFormat,
}

/// Make and look at keys
///
/// Pseudonyms, date shifts, encryption and vaults all hang on one key file. Keep it apart from the data it
/// protects, and keep a copy: losing it loses every link that was made with it.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key file that only you can read
    ///
    /// An existing file is never overwritten.
    New {
        /// The file to make
        file: PathBuf,
    },
    /// Show the ids of the keys in a file, never the keys
    Show {
        /// The key file
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Look at and check de-identification policies
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the policies that come with the program
    List,
    /// Print a policy that comes with the program, as TOML to start from
    Show {
        /// Its name
        name: String,
    },
    /// Check a policy file against the legal profile it claims
    Check {
        /// The policy, TOML
        file: PathBuf,
        /// Say of every rule what comes out and which paragraph it rests on
        #[arg(long)]
        explain: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what differs between two policies, and which of them leaves more of the data
    Diff {
        /// A policy file, or the name of one that comes with the program
        before: String,
        /// Another one
        after: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}
