//! `[[step]]`: what can be done with a table. Steps are lazy: nothing is computed that no sink needs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sutura_quality::{CheckSpec, GateSpec, RecordScoreSpec};

/// `[[step]]`: one table made from others. `type` says how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StepSection {
    /// A SQL query over any tables of the job.
    Sql(SqlStep),
    /// Gives columns other names.
    Rename(RenameStep),
    /// Writes dates in ISO 8601.
    StandardiseDates(StandardiseDatesStep),
    /// Trims, collapses spaces, changes letter case.
    NormaliseText(NormaliseTextStep),
    /// Finds the codes of a code system in text.
    ExtractCodes(ExtractCodesStep),
    /// Computes an age from a birth date.
    Age(AgeStep),
    /// Sorts values into named categories.
    Categorise(CategoriseStep),
    /// Replaces codes through a table of pairs.
    CodeMapping(CodeMappingStep),
    /// Adds quality scores, ages, risk and the meaning of results to FHIR resources, as extensions.
    FhirEnrich(FhirEnrichStep),
    /// Converts HL7 v2 messages or C-CDA documents to FHIR: one row for each resource, with `_source`, `_offset`, `_length` and `_sha256` of
    /// its record, `resource_type`, `id` and `json`. Codes that a map of `[terminology]` has get their translation in front of them. A record that cannot be converted gives no row; the run counts it, and what became of
    /// every field and entry.
    Convert(ConvertStep),
    /// Checks the rows and decides what happens to those that fail.
    Quality(QualityStep),
    /// Applies the policy of `[privacy]` to every column.
    Deidentify(DeidentifyStep),
    /// De-identifies whole documents in their own format under the policy of `[privacy]`. HL7 v2 messages, FHIR resources, C-CDA documents and notes: one row for each that is
    /// released, its text in the column of the input (`text`, `json`). DICOM files, by PS3.15: one row for each that is released: `file` (its
    /// name by the pattern), `content`, the new identifiers (`patient`, `study_instance_uid`, `series_instance_uid`, `sop_instance_uid`) and what was
    /// done (`actions`, `untouched`, `painted`, `warnings`). A sink of format `files` writes them. What cannot be released gives no row; the run counts it and
    /// names it in a private file.
    DeidentifyDocuments(DeidentifyDocumentsStep),
}

/// A step of type `sql`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlStep {
    /// Name of the table the step makes.
    pub name: String,
    /// One SELECT statement. Tables: `source.table` and the names of other steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Path of a file with the statement, relative to the job file; instead of `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_file: Option<String>,
}

/// A step of type `rename`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from.
    pub input: String,
    /// Old name to new name.
    pub columns: BTreeMap<String, String>,
}

/// A step of type `standardise_dates`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandardiseDatesStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from.
    pub input: String,
    /// The text columns to rewrite.
    pub columns: Vec<String>,
    /// The forms tried in turn. A value that has none of them becomes null.
    #[serde(default = "default_date_formats")]
    pub formats: Vec<DateFormat>,
}

fn default_date_formats() -> Vec<DateFormat> {
    vec![DateFormat::Iso, DateFormat::Hl7]
}

/// A way of writing dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DateFormat {
    /// `2026-03-14`, `2026-03`, `2026`, `2026-03-14T15:09:26-05:00`; the precision is kept.
    Iso,
    /// `20260314150926-0500`, `20260314`, `202603`; the precision is kept.
    Hl7,
    /// `03/14/2026` and `3/14/2026`.
    MonthDayYear,
    /// `14/03/2026`, `14.03.2026` and `14-03-2026`.
    DayMonthYear,
    /// `14-Mar-2026`, `14 March 2026`.
    DayNameYear,
}

/// A step of type `normalise_text`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormaliseTextStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from.
    pub input: String,
    /// The text columns to rewrite.
    pub columns: Vec<String>,
    /// Letter case of the result.
    #[serde(default)]
    pub case: LetterCase,
    /// Whether runs of white space become one space. White space at both ends always goes.
    #[serde(default = "yes")]
    pub collapse_spaces: bool,
    /// Whether an empty result becomes null.
    #[serde(default = "yes")]
    pub empty_is_null: bool,
}

fn yes() -> bool {
    true
}

/// Letter case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LetterCase {
    /// As it is.
    #[default]
    Keep,
    /// All lower case.
    Lower,
    /// All upper case.
    Upper,
}

/// A step of type `extract_codes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtractCodesStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from.
    pub input: String,
    /// The text column to search.
    pub column: String,
    /// Which codes to find.
    pub system: CodeSystem,
    /// Name of the new column with the codes found, in order, each once, separated by one space; null when there is none.
    pub output: String,
}

/// A code system that can be recognised in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CodeSystem {
    /// LOINC: digits, a hyphen and a check digit, which must be right.
    Loinc,
    /// ICD-10 and ICD-10-CM: a letter, a digit, a digit or letter, and up to four characters after a point.
    Icd10,
    /// SNOMED CT identifiers: 6 to 18 digits with a right Verhoeff check digit.
    Snomed,
    /// National Drug Codes: digits in three groups (4-4-2, 5-3-2, 5-4-1 or 5-4-2).
    Ndc,
}

/// A step of type `fhir_enrich`. The FHIR sources of the job are read once before the run, to know the persons.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FhirEnrichStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from: `source.resources` or one with its column of JSON.
    pub input: String,
    /// The text column with whole resources as JSON; its values are replaced. A text that is no resource becomes null.
    #[serde(default = "default_json")]
    pub column: String,
    /// The day that ages are of, such as `2026-01-01`.
    pub reference_date: String,
    /// Whether each resource is validated for its quality score. Most of the time goes there.
    #[serde(default = "yes")]
    pub validate: bool,
    /// ISO 3166 code of the country of addresses that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_country: Option<String>,
    /// Bases of absolute references to persons that others name relatively, such as `https://example.org/fhir`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_bases: Vec<String>,
}

/// A step of type `convert`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvertStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from: `source.raw`, or one with its columns.
    pub input: String,
    /// The text column with whole messages or documents.
    #[serde(default = "default_text")]
    pub column: String,
    /// What the texts are. Default: the format of the source that `input` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ConvertFormat>,
    /// Zone of times of which the record states no offset: `+01:00` or `Europe/Berlin`. Without it such a time keeps its date only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether each record also gives a Provenance, which says which bytes of which file its resources were made of.
    #[serde(default = "yes")]
    pub provenance: bool,
    /// What is put in front of namespaces of HL7 v2 that become the system of an identifier, which makes them URIs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_base: Option<String>,
    /// What is put in front of the names of local code systems of HL7 v2; without it their codes have no system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_systems: Option<String>,
}

fn default_text() -> String {
    "text".to_owned()
}

/// What can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConvertFormat {
    /// HL7 v2 messages.
    Hl7v2,
    /// C-CDA documents.
    Ccda,
}

fn default_json() -> String {
    "json".to_owned()
}

/// A step of type `age`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from.
    pub input: String,
    /// Column with the birth date (ISO text).
    pub birth_date: String,
    /// Column with the date at which the age is wanted (ISO text). One of `at` and `on` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Fixed date at which the age is wanted, such as `2026-01-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Name of the new column with the age in completed years; null when either date lacks the precision for it.
    #[serde(default = "default_age")]
    pub output: String,
    /// Name of a second new column with the age group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The groups of that column.
    #[serde(default)]
    pub bands: AgeBands,
}

fn default_age() -> String {
    "age".into()
}

/// Age groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgeBands {
    /// `paediatric` (under 18), `adult` (18 to 64), `geriatric` (65 and over).
    #[default]
    Clinical,
    /// `0-9`, `10-19`, ... `80-89`, `90+`.
    TenYear,
}

/// A step of type `categorise`. One of `bins` and `values` is needed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoriseStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from.
    pub input: String,
    /// Column to sort into categories.
    pub column: String,
    /// Name of the new column.
    pub output: String,
    /// Lower bounds in rising order, for numbers; `labels` has one more entry than `bins`. A value equal to a bound belongs above it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bins: Vec<f64>,
    /// Names of the categories made by `bins`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Category to the values that belong to it, for text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Vec<String>>,
    /// Category of everything else; null without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

/// A step of type `code_mapping`. One of `map` and `file` is needed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeMappingStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from.
    pub input: String,
    /// Column with the codes.
    pub column: String,
    /// Name of the column with the mapped codes. Default: `column`, which is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Code to code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub map: BTreeMap<String, String>,
    /// CSV file with two columns (from, to) and a header line, relative to the job file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What happens to a code that the table does not have.
    #[serde(default)]
    pub unmatched: Unmatched,
}

/// What happens to a code without a mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unmatched {
    /// It stays.
    #[default]
    Keep,
    /// It becomes null.
    Null,
}

/// A step of type `quality`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QualityStep {
    /// Name of the table the step makes: the input without quarantined rows.
    pub name: String,
    /// The table it starts from.
    pub input: String,
    /// The checks. Their keys are in the reference of data quality.
    #[serde(default, rename = "check")]
    pub checks: Vec<CheckSpec>,
    /// What happens when quality is too low: `gate = { action = "stop", measure = "overall", minimum = 0.9 }`. Without it the report says so and
    /// the run goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateSpec>,
    /// Table of the rows put in quarantine, for a sink. Needed by `action = "quarantine"`, which looks at checks of single rows (not at
    /// `unique` and `duplicate`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// Adds the columns `validation_score` and `is_valid` to every row; says which columns they look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_score: Option<RecordScoreSpec>,
    /// Lists for checks of kind `reference` and `accuracy`: name to a CSV file with a header line, whose first column is the list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub references: BTreeMap<String, String>,
}

/// A step of type `deidentify`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeidentifyStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from.
    pub input: String,
}

/// A step of type `deidentify_documents`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeidentifyDocumentsStep {
    /// Name of the table the step makes.
    pub name: String,
    /// The table it starts from: `source.raw` of a source of format `dicom`, `hl7v2` or `ccda`, `source.resources` of one of format `fhir`, or one with their columns.
    pub input: String,
    /// The column with whole documents. Default: `content` for DICOM, `json` for FHIR, else `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What the documents are. Default: the format of the source that `input` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DocumentFormat>,
    /// What becomes of free text in messages, resources and notes.
    #[serde(default)]
    pub free_text: FreeText,
    /// Languages of the free text that is scrubbed: `en`, `es`.
    #[serde(default = "default_languages")]
    pub languages: Vec<String>,
    /// A model of language beside the rules, for free text that is scrubbed: a folder with `model.onnx`, `tokenizer.json` and `config.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The ONNX Runtime that runs the model: libonnxruntime, or its folder. Default: what the variable `ORT_DYLIB_PATH` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onnx_runtime: Option<String>,
    /// Names of the released DICOM files, of `{patient}`, `{study}`, `{series}` and `{sop}`: new identifiers, never the names of the inputs.
    #[serde(default = "default_pattern")]
    pub pattern: String,
    /// Options of PS3.15 beside the basic profile, by the words of `sutura deidentify --option`, such as `clean-descriptors` or
    /// `retain-patient-characteristics`. Dates are treated as the policy treats them unless an option says otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// What becomes of text in the pixels.
    #[serde(default)]
    pub pixels: PixelText,
    /// How pixels are written: `keep`, `native`, `rle`, `jpeg-ls` or `jpeg-2000`, all without loss; what is encoded anew is decoded again and compared.
    #[serde(default)]
    #[schemars(with = "String")]
    pub encode: sutura_deid::reencode::Coding,
}

fn default_languages() -> Vec<String> {
    vec!["en".to_owned()]
}

/// What documents are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentFormat {
    /// DICOM files.
    Dicom,
    /// HL7 v2 messages.
    Hl7v2,
    /// FHIR resources and Bundles.
    Fhir,
    /// C-CDA documents.
    Ccda,
    /// Notes without structure.
    Text,
}

impl DocumentFormat {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Dicom, Self::Hl7v2, Self::Fhir, Self::Ccda, Self::Text];

    /// The word in job files.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Dicom => "dicom",
            Self::Hl7v2 => "hl7v2",
            Self::Fhir => "fhir",
            Self::Ccda => "ccda",
            Self::Text => "text",
        }
    }

    /// The column that documents are in.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Self::Dicom => "content",
            Self::Fhir => "json",
            Self::Hl7v2 | Self::Ccda | Self::Text => "text",
        }
    }
}

/// What becomes of free text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FreeText {
    /// It goes, as the policy says of free text.
    #[default]
    Remove,
    /// It stays without what identifies: rules find names, dates, numbers and places, and what the same document says of its patient.
    Scrub,
}

fn default_pattern() -> String {
    sutura_deid::dicom::OutputName::DEFAULT_PATTERN.to_owned()
}

/// What becomes of text in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PixelText {
    /// What the rules of the devices say is painted over.
    #[default]
    Rules,
    /// That, and areas of every frame that look like text.
    Detect,
    /// Pixels stay; files that are likely to hold text have a warning.
    Off,
}

impl StepSection {
    /// Name of the table the step makes.
    pub fn name(&self) -> &str {
        match self {
            StepSection::Sql(step) => &step.name,
            StepSection::Rename(step) => &step.name,
            StepSection::StandardiseDates(step) => &step.name,
            StepSection::NormaliseText(step) => &step.name,
            StepSection::ExtractCodes(step) => &step.name,
            StepSection::Age(step) => &step.name,
            StepSection::Categorise(step) => &step.name,
            StepSection::CodeMapping(step) => &step.name,
            StepSection::FhirEnrich(step) => &step.name,
            StepSection::Convert(step) => &step.name,
            StepSection::Quality(step) => &step.name,
            StepSection::Deidentify(step) => &step.name,
            StepSection::DeidentifyDocuments(step) => &step.name,
        }
    }

    /// The word of `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            StepSection::Sql(_) => "sql",
            StepSection::Rename(_) => "rename",
            StepSection::StandardiseDates(_) => "standardise_dates",
            StepSection::NormaliseText(_) => "normalise_text",
            StepSection::ExtractCodes(_) => "extract_codes",
            StepSection::Age(_) => "age",
            StepSection::Categorise(_) => "categorise",
            StepSection::CodeMapping(_) => "code_mapping",
            StepSection::FhirEnrich(_) => "fhir_enrich",
            StepSection::Convert(_) => "convert",
            StepSection::Quality(_) => "quality",
            StepSection::Deidentify(_) => "deidentify",
            StepSection::DeidentifyDocuments(_) => "deidentify_documents",
        }
    }

    /// The single input of a step; `None` for SQL, which names its tables in the query.
    pub fn input(&self) -> Option<&str> {
        match self {
            StepSection::Sql(_) => None,
            StepSection::Rename(step) => Some(&step.input),
            StepSection::StandardiseDates(step) => Some(&step.input),
            StepSection::NormaliseText(step) => Some(&step.input),
            StepSection::ExtractCodes(step) => Some(&step.input),
            StepSection::Age(step) => Some(&step.input),
            StepSection::Categorise(step) => Some(&step.input),
            StepSection::CodeMapping(step) => Some(&step.input),
            StepSection::FhirEnrich(step) => Some(&step.input),
            StepSection::Convert(step) => Some(&step.input),
            StepSection::Quality(step) => Some(&step.input),
            StepSection::Deidentify(step) => Some(&step.input),
            StepSection::DeidentifyDocuments(step) => Some(&step.input),
        }
    }

    /// The tables the step makes: its own, and the quarantine of a quality step.
    pub fn outputs(&self) -> Vec<&str> {
        let mut names = vec![self.name()];
        if let StepSection::Quality(QualityStep { quarantine: Some(quarantine), .. }) = self {
            names.push(quarantine);
        }
        names
    }
}
