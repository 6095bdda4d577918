//! `[[sink]]`, `[rejects]` and `[report]`: what a job leaves behind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[sink]]`: one table, written whole or not at all.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SinkSection {
    /// Name of the sink. Default: its input, with `.` written as `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The table to write: `source.table` or the name of a step.
    pub input: String,
    /// File format.
    #[serde(default)]
    pub format: SinkFormat,
    /// Folder for the files: relative to `job.output`, absolute, or an `s3://` URL. Default: the sink's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Columns whose values become folders (`message_type=ADT/`). They must not hold identifying information: folder names are seen by everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// Compression. Parquet: zstd, snappy or none; Arrow: zstd or none; CSV, NDJSON and files: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Whether the sink may hold identifying columns. It then needs a purpose.
    #[serde(default)]
    pub allow_phi: bool,
    /// Why the sink may hold identifying columns; written into its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Data classification written into the files and the manifest, such as `restricted`. Default: `identifiable` when the sink
    /// holds identifying columns, else `de-identified` under a release profile, else `internal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
}

impl SinkSection {
    /// The sink's name, given or from its input.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.input.replace('.', "_"))
    }

    /// The sink's path as written, or its name.
    pub fn path(&self) -> String {
        self.path.clone().unwrap_or_else(|| self.name())
    }
}

/// File format of a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SinkFormat {
    /// Parquet, with the compliance metadata in the footer.
    #[default]
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Arrow IPC file.
    Arrow,
    /// A file for each row: the column `file` is its path below the folder, the column `content` what is in it. Other columns are not written.
    /// Names come from treated columns only. Of two rows with the same name and content one is written; with another content the run fails.
    Files,
}

/// Compression of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// None.
    None,
    /// Snappy: fast.
    Snappy,
    /// Zstandard: small.
    Zstd,
}

/// `[rejects]`: keeps what could not be read as Parquet; the original bytes are sealed with the job's key (AES-GCM-SIV), so that
/// `sutura replay` can read them again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectsSection {
    /// Folder, relative to `job.output`.
    #[serde(default = "default_rejects_path")]
    pub path: String,
    /// Whether the sealed original bytes are kept. Without them a reject has its place, hash and reason only, and no key is needed.
    #[serde(default = "yes")]
    pub originals: bool,
}

fn default_rejects_path() -> String {
    "rejects".into()
}

fn yes() -> bool {
    true
}

/// `[report]`: what is reported beside `run.json`, which every run writes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSection {
    /// Whether `report.html` is written.
    #[serde(default = "yes")]
    pub html: bool,
    /// Whether `openlineage.ndjson` is written.
    #[serde(default = "yes")]
    pub lineage: bool,
    /// Title of the report. Default: the job's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Counts below this are not shown when the policy is a release profile (cell suppression). Default: 11.
    #[serde(default = "default_small_cell")]
    pub smallest_cell: u64,
    /// Sinks whose rows the report shows, the first 50 of each: small tables of results. They must hold no identifying columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub tables: Vec<String>,
    /// The laboratory tests shown, the most frequent first; at most 1,000.
    #[serde(default = "default_top")]
    #[schemars(range(min = 0, max = 1000))]
    pub lab_tests: usize,
}

fn default_small_cell() -> u64 {
    11
}

fn default_top() -> usize {
    12
}

impl Default for ReportSection {
    fn default() -> Self {
        Self { html: true, lineage: true, title: None, smallest_cell: default_small_cell(), tables: Vec::new(), lab_tests: default_top() }
    }
}
