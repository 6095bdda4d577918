//! `sutura deidentify`.

use std::{path::PathBuf, sync::LazyLock};

use clap::{Args, ValueEnum, builder::PossibleValue};
use sutura_deid::{dicom::Options, reencode::Coding};

use super::SqlKeys;

/// An option of PS3.15 beside the basic profile, by its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeidOption(pub(crate) &'static str);

impl ValueEnum for DeidOption {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<DeidOption>> = LazyLock::new(|| Options::WORDS.map(|(word, _)| DeidOption(word)).to_vec());
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = Options::WORDS.iter().find(|(word, _)| *word == self.0).map_or("", |(_, help)| help);
        Some(PossibleValue::new(self.0).help(help))
    }
}

/// What becomes of text in the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CleanPixelsBy {
    /// What the rules of the devices say is painted over
    Rules,
    /// That, and areas of every frame that look like text
    Detect,
    /// Pixels stay; files that are likely to hold text have a warning
    Off,
}

/// How the pixels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EncodeAs(pub(crate) Coding);

impl ValueEnum for EncodeAs {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: [EncodeAs; 5] =
            [EncodeAs(Coding::Keep), EncodeAs(Coding::Native), EncodeAs(Coding::Rle), EncodeAs(Coding::JpegLs), EncodeAs(Coding::Jpeg2000)];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self.0 {
            Coding::Keep => "As they come; painted images uncompressed",
            Coding::Native => "Uncompressed, little endian",
            Coding::Rle => "RLE Lossless",
            Coding::JpegLs => "JPEG-LS Lossless",
            Coding::Jpeg2000 => "JPEG 2000 Lossless",
        };
        Some(PossibleValue::new(self.0.word()).help(help))
    }
}

/// What becomes of free text in messages, resources and notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FreeText {
    /// It goes, as the policy says of free text
    Remove,
    /// It stays without what identifies: rules find names, dates, numbers and places, and what the same record says of its patient
    Scrub,
}

/// De-identify files in their own format, with a proof of what was done: DICOM, HL7 v2, FHIR, C-CDA, notes, tables
///
/// Reads files, folders (to any depth) and globs; what a file is its content tells, whatever the names (notes end in .txt). DICOM is treated by PS3.15: each file is
/// released whole or not at all, named by its new identifiers. HL7 v2 messages, FHIR resources and C-CDA documents stay what they are, in files with numbers
/// for names; every field is treated by its class, what has no definition goes. Tables (CSV, Parquet, Arrow) are treated by the classes of their columns. Pseudonyms, UIDs and shifted dates are those of the key, project and domain: the same in every run, and the same as in the tables of
/// a job. Dates are treated as the policy treats them; what else is to stay is named with --option. Every input is accounted for: files in = written + rejected + skipped.
#[derive(Debug, Args)]
#[command(after_long_help = "\
OUT is a folder that is not there yet or is empty. It gets the released files, and beside them
  deidentification.json  the account: policy, key id, options, counts of files, actions and warnings
  proof.parquet          the table deid_actions: what was done at which place of which released file, without values
  files.ndjson           a line a released file: path, SHA-256, transfer syntax, warnings
  ledger.parquet         the table deid_ledger: what became of every place of messages, resources and notes, without values
  rejects.ndjson         a line a refused input or record, if there are any: path, byte, code and reason. It names the inputs: it is not for release

Exit codes:
  0    everything of a known format was released
  1    failed; no file is left half written
  2    an option, a path, the policy or a key is wrong; or no file has a known format
  3    released, but some files or records are rejects

Examples:
  sutura deidentify --policy hipaa-safe-harbor --key-file study.key --project lung --vault study.vault /data/ct out/
  sutura deidentify --policy policy.toml --key-file study.key --project lung --domain research \\
      --option clean-descriptors --pixels detect 'incoming/**/*' cd/DICOM out/
  sutura deidentify --policy limited-data-set --legal agreement='DUA 7' --legal recipient=University --legal purpose=research \\
      --key-env KEY --project lung --encode jpeg-ls scans/ out/")]
pub(crate) struct DeidentifyArgs {
    /// Files, folders or globs; the last one is OUT, unless --output says it
    #[arg(required = true, value_name = "IN... OUT")]
    pub(crate) paths: Vec<PathBuf>,
    /// A policy file (.toml), or the name of a policy that comes with the program: see `sutura policy list`; for FHIR also a configuration of
    /// Microsoft's FHIR anonymizer (.json)
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: String,
    /// A fact that the policy's profile rests on and its file does not state: agreement, recipient, purpose; expert, method, document, determined_on,
    /// expires_on; quasi_identifiers; several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) legal: Vec<String>,
    /// OUT: the folder for the released files
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// An option of PS3.15 beside the basic profile; several times, or with commas
    #[arg(long = "option", value_enum, value_name = "OPTION", value_delimiter = ',')]
    pub(crate) options: Vec<DeidOption>,
    /// What becomes of text in the pixels
    #[arg(long, value_enum, value_name = "HOW", default_value = "rules")]
    pub(crate) pixels: CleanPixelsBy,
    /// How pixels are written; what is encoded anew is decoded again and compared before it is released
    #[arg(long, value_enum, value_name = "CODING", default_value = "keep")]
    pub(crate) encode: EncodeAs,
    /// What becomes of free text in messages, resources and notes
    #[arg(long, value_enum, value_name = "HOW", default_value = "remove")]
    pub(crate) free_text: FreeText,
    /// Languages of the free text, for --free-text scrub: en, es
    #[arg(long, value_name = "LANGUAGE", value_delimiter = ',', default_value = "en")]
    pub(crate) language: Vec<String>,
    /// A model of language beside the rules, for --free-text scrub: a folder with model.onnx, tokenizer.json and config.json
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: Option<PathBuf>,
    /// The ONNX Runtime that runs the model: libonnxruntime, or its folder [default: what ORT_DYLIB_PATH says]
    #[arg(long, value_name = "PATH", requires = "model")]
    pub(crate) onnx_runtime: Option<PathBuf>,
    // The words in brackets are TOML, not links.
    #[allow(rustdoc::broken_intra_doc_links)]
    /// What the columns of tables hold (TOML): column = PHI class under [columns], patient = COLUMN, and the same below [tables.NAME]; columns of
    /// which neither this nor the file itself says it are left out
    #[arg(long, value_name = "FILE")]
    pub(crate) columns: Option<String>,
    /// Names of the released DICOM files, of {patient}, {study}, {series} and {sop}: new identifiers, never the names of the inputs
    #[arg(long, value_name = "PATTERN", default_value = sutura_deid::dicom::OutputName::DEFAULT_PATTERN)]
    pub(crate) pattern: String,
    /// Where the rejects go [default: rejects.ndjson in OUT, if there are any]
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// The largest file that is read, in MiB; all files that are worked on at a time have no more together
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=4095))]
    pub(crate) max_file: u32,
    /// So many files are worked on at the same time [default: the cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Write into a folder that is not empty: files of the same names are replaced, others stay
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// The account as JSON (what deidentification.json holds)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) keys: SqlKeys,
}
