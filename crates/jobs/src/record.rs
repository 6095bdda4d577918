//! The record of a run: `run.json`. Everything else that is reported (the page, the lineage events, the manifest) is drawn from it.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};
use sutura_convert::report::Report;
use sutura_core::{ColumnMeta, Finding, ReadStats};
use sutura_engine::{pass::FileAccount, sink::SinkReport};
use sutura_privacy::ColumnStatistics;
use sutura_quality::{GateDecision, QualityReport};
use sutura_terminology::Coverage;

use crate::{sourcenames::SourceNames, summary::Picture};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Everything was read, checked and published.
    Clean,
    /// The last run already did this: same job, policy, key and sources, and its outputs are there.
    NothingToDo,
    /// A quality gate stopped the run; nothing was published.
    GateStopped,
    /// More records were rejected than the job allows; nothing was published.
    RejectsAboveThreshold,
    /// Fewer records than the job asks for; nothing was published.
    TooFewRecords,
}

impl RunStatus {
    /// The exit code of the program: 0 clean, 1 failed, 3 rejects above the threshold.
    pub fn exit_code(self) -> u8 {
        match self {
            RunStatus::Clean | RunStatus::NothingToDo => 0,
            RunStatus::GateStopped | RunStatus::TooFewRecords => 1,
            RunStatus::RejectsAboveThreshold => 3,
        }
    }

    /// Whether outputs were published.
    pub fn published(self) -> bool {
        matches!(self, RunStatus::Clean | RunStatus::NothingToDo)
    }
}

/// A run, whole.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Version of Sutura.
    pub sutura_version: &'static str,
    /// Identifier of the run (UUID, ordered by time).
    pub run_id: String,
    /// How it ended.
    pub status: RunStatus,
    /// Why it stopped, in a sentence, when it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The job.
    pub job: JobRecord,
    /// The policy, when the job has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRecord>,
    /// When it began (RFC 3339, UTC).
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// Time, rates and memory.
    pub performance: Performance,
    /// Where the private table is that says which file each number of `sources` is, when names of files are hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_files: Option<String>,
    /// All sources together.
    pub totals: Account,
    /// `50,000 records in = 49,950 accepted + 50 rejected`.
    pub equation: String,
    /// The sources, each with its account and files.
    pub sources: Vec<SourceRecord>,
    /// What de-identification did, step by step.
    pub deidentification: Vec<TreatmentRecord>,
    /// What became of the records that steps of type `convert` took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conversion: Vec<ConversionRecord>,
    /// What became of the files that steps of type `deidentify_documents` took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentsRecord>,
    /// What the quality steps measured.
    pub quality: Vec<QualityRecord>,
    /// Where the private file is that names the failed records of each check, when `quality` may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_failures: Option<String>,
    /// The first rows of the sinks that `[report] tables` names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<ShownTable>,
    /// What was written.
    pub sinks: Vec<SinkRecord>,
    /// What the operator should look at, in sentences.
    pub warnings: Vec<String>,
    /// Folders that earlier runs of the job wrote and that are no sink any more. They are left as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_over: Vec<String>,
    /// Counts for the report's pictures.
    pub picture: Picture,
}

/// Which job ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The job file.
    pub file: String,
    /// SHA-256 over what the job says.
    pub sha256: String,
    /// Pseudonym project.
    pub project: String,
    /// Pseudonym domain.
    pub domain: String,
}

/// Under which policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Policy name.
    pub name: String,
    /// Policy version.
    pub version: String,
    /// The legal profile it claims.
    pub profile: String,
    /// What the output is in law.
    pub legal_status: String,
    /// SHA-256 over its rules and legal facts.
    pub sha256: String,
    /// Identifier of the key (not the key).
    pub key_id: String,
    /// The legal facts stated.
    pub legal: BTreeMap<String, String>,
}

/// Time, rates and memory of a run.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Performance {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Seconds of reading, transforming and writing.
    pub pass_seconds: f64,
    /// Records per second over the whole run.
    pub records_per_second: f64,
    /// Bytes (after decompression) per second over the whole run.
    pub bytes_per_second: f64,
    /// Largest resident memory of the process so far, in bytes; absent where the system does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Workers.
    pub workers: usize,
}

/// An account: `records = accepted + rejected`, and every byte is in a record, a reject or the envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Records seen.
    pub records: u64,
    /// Records that became rows.
    pub accepted: u64,
    /// Records that became rejects.
    pub rejected: u64,
    /// Bytes (after decompression).
    pub bytes: u64,
    /// Bytes in accepted records.
    pub accepted_bytes: u64,
    /// Bytes in rejects.
    pub rejected_bytes: u64,
    /// Bytes between records: separators, batch envelopes, framing.
    pub envelope_bytes: u64,
    /// Rejects by code.
    pub rejects: BTreeMap<String, u64>,
    /// Findings on accepted records, by severity and code (`warning/unknown-charset`).
    pub findings: BTreeMap<String, u64>,
}

impl Account {
    /// From the reader's account.
    pub fn of(stats: &ReadStats) -> Self {
        Self {
            records: stats.records,
            accepted: stats.accepted,
            rejected: stats.rejected,
            bytes: stats.bytes,
            accepted_bytes: stats.accepted_bytes,
            rejected_bytes: stats.rejected_bytes,
            envelope_bytes: stats.envelope_bytes,
            rejects: stats.rejects_by_code.clone(),
            findings: stats.findings.iter().map(|((code, severity), count)| (format!("{severity}/{code}"), *count)).collect(),
        }
    }

    /// Whether it balances.
    pub fn balances(&self) -> bool {
        self.records == self.accepted + self.rejected && self.bytes == self.accepted_bytes + self.rejected_bytes + self.envelope_bytes
    }

    /// The equation in words.
    pub fn equation(&self) -> String {
        let sign = if self.balances() { "=" } else { "≠" };
        format!("{} records in {sign} {} accepted + {} rejected", grouped(self.records), grouped(self.accepted), grouped(self.rejected))
    }

    /// Share of rejected records.
    pub fn rejected_share(&self) -> f64 {
        if self.records == 0 { 0.0 } else { self.rejected as f64 / self.records as f64 }
    }
}

/// A number with its thousands apart: `50,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceRecord {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: String,
    /// The sum of its files.
    pub account: Account,
    /// Its files.
    pub files: Vec<FileRecord>,
}

/// One file of a source.
#[derive(Debug, Clone, Serialize)]
pub struct FileRecord {
    /// Its URI; in a job that de-identifies its number (`feed/000017`), which the private `source-files.ndjson` explains.
    pub uri: String,
    /// Stored bytes.
    pub size: u64,
    /// When it was last changed (RFC 3339).
    pub modified: String,
    /// The object store's version mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// SHA-256 of the stored bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Records seen.
    pub records: u64,
    /// Records that became rows.
    pub accepted: u64,
    /// Records that became rejects.
    pub rejected: u64,
    /// Findings about the file as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl FileRecord {
    /// From the engine's account.
    pub(crate) fn of(file: &FileAccount, names: &SourceNames) -> Self {
        Self {
            uri: names.of(&file.uri).to_owned(),
            size: file.size,
            modified: file.modified.to_rfc3339(),
            etag: file.etag.clone(),
            sha256: file.sha256.map(|hash| hash.to_string()),
            records: file.stats.records,
            accepted: file.stats.accepted,
            rejected: file.stats.rejected,
            findings: file.findings.clone(),
        }
    }
}

/// What one de-identification step did.
#[derive(Debug, Clone, Serialize)]
pub struct TreatmentRecord {
    /// The step.
    pub step: String,
    /// Its columns. Counts are of the consumer that read the column through to its end; a column that no consumer read has none.
    pub columns: Vec<ColumnStatistics>,
}

/// What one conversion made of its records.
#[derive(Debug, Clone, Serialize)]
pub struct ConversionRecord {
    /// The step.
    pub step: String,
    /// The table it converted.
    pub input: String,
    /// What the records are: `hl7v2` or `ccda`.
    pub format: &'static str,
    /// Records that came in.
    pub records: u64,
    /// Records that became resources.
    pub converted: u64,
    /// Records that did not, by the code of the reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Fields and entries with a value: how many are in a resource, were left out for a reason, and have no place in the maps.
    pub mapped: u64,
    /// See `mapped`.
    pub dropped: u64,
    /// See `mapped`.
    pub unmapped: u64,
    /// Resources by type.
    pub resources: BTreeMap<&'static str, u64>,
    /// The places that hold most of what is unmapped, the fullest first.
    pub worst_unmapped: Vec<(String, u64)>,
    /// The codes of the resources by their system: seen, known, translated and unknown. Only where the job has a `[terminology]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<Coverage>,
    /// The whole account by feed. All feeds are one where a policy de-identifies: their names tell who sent.
    pub account: Report,
}

impl ConversionRecord {
    /// What the operator should know.
    pub(crate) fn warning(&self) -> Option<String> {
        let refused: u64 = self.refused.values().sum();
        let codes: Vec<String> = self.refused.iter().map(|(code, count)| format!("{code} ({})", grouped(*count))).collect();
        let (step, input) = (&self.step, &self.input);
        (refused > 0).then(|| format!("step {step}: {} records of {input} could not be converted: {}", grouped(refused), codes.join(", ")))
    }
}

/// The first rows of a sink, as the report shows them.
#[derive(Debug, Clone, Serialize)]
pub struct ShownTable {
    /// The sink.
    pub sink: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The rows as text; empty text for null.
    pub rows: Vec<Vec<String>>,
    /// Rows of the sink in all.
    pub all: u64,
}

/// What one step made of whole documents.
#[derive(Debug, Clone, Serialize)]
pub struct DocumentsRecord {
    /// The step.
    pub step: String,
    /// The table it took them from.
    pub input: String,
    /// What they are: `dicom`, `hl7v2`, `fhir` or `text`.
    pub format: &'static str,
    /// The profile and options that were on.
    pub options: Vec<&'static str>,
    /// Documents that came in = released + refused.
    pub documents: u64,
    /// Documents that came out.
    pub released: u64,
    /// Documents that did not, by the code of the reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Where the private file is that names the refused ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_documents: Option<String>,
    /// Released ones whose pixels are in another coding than before.
    pub encoded_anew: u64,
    /// What was done to elements, by what it was.
    pub actions: BTreeMap<&'static str, u64>,
    /// Elements that stayed as they were, because nothing says that they identify anybody.
    pub untouched: u64,
    /// Areas of pixels that were painted over.
    pub painted: u64,
    /// What a person should look at, by documents that have it.
    pub warnings: BTreeMap<&'static str, u64>,
    /// Values of messages, resources and notes, by what became of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<&'static str, u64>,
}

impl DocumentsRecord {
    /// What the operator should know.
    pub(crate) fn warning(&self) -> Option<String> {
        let refused: u64 = self.refused.values().sum();
        let codes: Vec<String> = self.refused.iter().map(|(code, count)| format!("{code} ({})", grouped(*count))).collect();
        let (step, input) = (&self.step, &self.input);
        (refused > 0).then(|| format!("step {step}: {} documents of {input} were not released: {}", grouped(refused), codes.join(", ")))
    }
}

/// What one quality step measured.
#[derive(Debug, Clone, Serialize)]
pub struct QualityRecord {
    /// The step.
    pub step: String,
    /// The table it checked.
    pub input: String,
    /// The measurements. Failed records are named by a sample here only where no policy de-identifies.
    pub report: QualityReport,
    /// The gate's decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateDecision>,
    /// Rows put aside, when the gate does that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine_table: Option<String>,
}

/// One sink.
#[derive(Debug, Clone, Serialize)]
pub struct SinkRecord {
    /// Its name.
    pub name: String,
    /// The table it wrote.
    pub input: String,
    /// Where.
    pub location: String,
    /// File format.
    pub format: String,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Data classification.
    pub classification: String,
    /// The purpose, when it may hold identifying columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Its files.
    pub files: Vec<WrittenFileRecord>,
    /// Its columns.
    pub columns: Vec<ColumnRecord>,
    /// Which columns of the sources each column was made from.
    pub lineage: Vec<ColumnOrigin>,
    /// Whether it read the sources on its own (it joins or reads a table twice).
    pub own_scan: bool,
}

/// Where a column came from.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnOrigin {
    /// The column.
    pub column: String,
    /// Table (`source.table`) and column of each origin.
    pub sources: Vec<(String, String)>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFileRecord {
    /// Path below the sink's location.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

/// A column of an output.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnRecord {
    /// Name.
    pub name: String,
    /// Arrow type.
    pub data_type: String,
    /// PHI class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How it was treated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deid: Option<String>,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

impl ColumnRecord {
    /// The columns of a schema.
    pub fn of(schema: &Schema) -> Vec<Self> {
        let describe = |field: &arrow::datatypes::FieldRef| {
            let meta = ColumnMeta::from_field(field);
            Self {
                name: field.name().clone(),
                data_type: field.data_type().to_string(),
                class: meta.phi.map(|class| class.to_string()),
                deid: meta.deid,
                doc: meta.doc,
            }
        };
        schema.fields().iter().map(describe).collect()
    }
}

impl WrittenFileRecord {
    /// The files of the engine's report.
    pub fn of(report: &SinkReport) -> Vec<Self> {
        let file = |file: &sutura_engine::sink::WrittenFile| Self {
            path: file.path.clone(),
            rows: file.rows,
            bytes: file.bytes,
            sha256: file.sha256.clone(),
        };
        report.files.iter().map(file).collect()
    }
}

/// Largest resident memory of this process so far, in bytes (`VmHWM` of Linux).
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equation_reads_well_and_shows_when_it_does_not_hold() {
        let mut account = Account { records: 50_000, accepted: 49_950, rejected: 50, ..Account::default() };
        assert_eq!(account.equation(), "50,000 records in = 49,950 accepted + 50 rejected");
        account.accepted -= 1;
        assert!(account.equation().contains('≠'));
        assert_eq!((grouped(7), grouped(1_234_567)), ("7".to_owned(), "1,234,567".to_owned()));
    }
}
