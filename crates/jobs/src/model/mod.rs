//! The job file as typed structs. The doc comments here are the reference: the JSON Schema and
//! `docs/src/reference/job.md` are made from them, and unknown keys are refused.

mod privacy;
mod sinks;
mod steps;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use privacy::{KeySpec, LegalSection, PrivacySection};
pub use sinks::{Compression, RejectsSection, ReportSection, SinkFormat, SinkSection};
pub use steps::{
    AgeBands, AgeStep, CategoriseStep, CodeMappingStep, CodeSystem, ConvertFormat, ConvertStep, DateFormat, DeidentifyDocumentsStep,
    DeidentifyStep, DocumentFormat, ExtractCodesStep, FhirEnrichStep, FreeText, LetterCase, NormaliseTextStep, PixelText, QualityStep,
    RenameStep, SqlStep, StandardiseDatesStep, StepSection, Unmatched,
};

/// One job: what is read, what is done with it, where it goes, and under which policy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    /// What the job is called and where its output goes.
    pub job: JobSection,
    /// The sources, at most 1,000. A source named `feed` gives the tables `feed.<table>`, such as `feed.messages`.
    #[serde(default, rename = "source")]
    #[schemars(length(max = 1000))]
    pub sources: Vec<SourceSection>,
    /// What FHIR resources are validated against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fhir: Option<FhirSection>,
    /// Codes and maps of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminology: Option<TerminologySection>,
    /// The de-identification policy, its key and its vault. Needed by `deidentify` steps and by the `[rejects]` sink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<PrivacySection>,
    /// The steps, at most 1,000. Each makes one table under its name from a table that a source or another step makes.
    #[serde(default, rename = "step")]
    #[schemars(length(max = 1000))]
    pub steps: Vec<StepSection>,
    /// The sinks, at most 1,000. Each writes one table.
    #[serde(default, rename = "sink")]
    #[schemars(length(max = 1000))]
    pub sinks: Vec<SinkSection>,
    /// When the run counts as failed although everything could be read.
    #[serde(default)]
    pub gates: GatesSection,
    /// Where records that could not be read are kept, with their original bytes sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<RejectsSection>,
    /// What is reported about the run.
    #[serde(default)]
    pub report: ReportSection,
}

/// `[job]`: name and place of the job.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSection {
    /// Name of the job: letters, digits, `-` and `_`. It names the job in reports and lineage.
    pub name: String,
    /// One sentence on what the job is for; it appears in the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Project of the pseudonyms: the same patient gets another pseudonym in another project. Default: the job's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Domain of the pseudonyms within the project, such as the organisation that assigns the identifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Folder for everything the job writes: sinks with a relative path, `manifest.json`, `run.json`, `report.html` and
    /// `openlineage.ndjson`. Relative to the job file; `${NAME}` is replaced from the environment.
    #[serde(default = "default_output")]
    pub output: String,
    /// Rows in a batch while the job runs: 1 to 1,048,576.
    #[serde(default = "default_batch_rows")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub batch_rows: usize,
    /// Workers, at most 1,024; 0 takes as many as there are cores.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1024))]
    pub workers: usize,
    /// Memory that sorting, grouping and joining may use together, in MiB, at most 16,777,216, before they spill to disk; 0 for no limit.
    #[serde(default)]
    #[schemars(range(min = 0, max = 16_777_216))]
    pub memory_mib: usize,
}

fn default_output() -> String {
    "out".into()
}

fn default_batch_rows() -> usize {
    4096
}

/// `[[source]]`: files to read, each of them once, for all of the format's tables.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSection {
    /// Name of the source: letters, digits and `_`.
    pub name: String,
    /// Name of the format, such as `hl7v2`.
    pub format: String,
    /// A file, a folder (read with the extensions of the format), a glob or an `s3://` URL. Relative to the job file;
    /// `${NAME}` is replaced from the environment.
    pub path: String,
    /// Options of the format's reader; each format's reference page lists them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, serde_json::Value>,
    /// Views (SQL on FHIR ViewDefinitions, JSON files) of a source of format `fhir`. Each is a table of the source, named after the view
    /// in lower case, or after its file where it has no name; all are filled in the one pass. Relative to the job file; `${NAME}` is
    /// replaced from the environment. A resource that a used view cannot show is a reject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub views: Vec<String>,
    /// Whether it is all right that no file is found.
    #[serde(default)]
    pub allow_empty: bool,
}

/// `[fhir]`: what FHIR resources are validated against.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FhirSection {
    /// Packages of profiles, value sets and code systems that `fhir_validate` knows beside FHIR R4 itself: a `.tgz` as registries give
    /// them, a folder of JSON files, or one file. Relative to the job file; `${NAME}` is replaced from the environment.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub packages: Vec<String>,
}

/// `[terminology]`: codes and maps of your own, beside those of HL7 that are compiled in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminologySection {
    /// Code systems, value sets and concept maps that queries (`code_display`, `code_translate`, `code_in`, ...) and steps of type `convert` know: FHIR
    /// JSON or packages, CSV, the ZIP files of Athena, SNOMED CT or LOINC, or folders of them. What a file is its content tells. Relative to the job
    /// file; `${NAME}` is replaced from the environment.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub files: Vec<String>,
}

/// `[gates]`: thresholds for the whole run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatesSection {
    /// Largest share of rejected records, 0 to 1. Above it nothing is published and the exit code is 3. Default: 1, no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects_max_share: Option<f64>,
    /// Smallest number of accepted records. Below it nothing is published and the run fails.
    #[serde(default)]
    pub min_records: u64,
}

impl JobFile {
    /// The JSON Schema of a job file, for editors and for the reference page.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(JobFile).to_value()
    }

    /// The pseudonym project.
    pub fn project(&self) -> &str {
        self.job.project.as_deref().unwrap_or(&self.job.name)
    }

    /// The pseudonym domain, empty when none is stated.
    pub fn domain(&self) -> &str {
        self.job.domain.as_deref().unwrap_or("")
    }
}
