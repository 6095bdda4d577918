//! `manifest.json` of a job's output folder: what was made of what, under which policy. It is written last, and it is how
//! the next run knows that there is nothing to do.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sutura_engine::SourceFile;

use crate::{
    record::{Account, JobRecord, PolicyRecord, RunReport, WrittenFileRecord},
    sourcenames::SourceNames,
};

/// The manifest of a complete run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub sutura_job_manifest: u32,
    /// Version of Sutura that wrote it.
    pub sutura_version: String,
    /// The run.
    pub run_id: String,
    /// When the outputs were published (RFC 3339, UTC).
    pub export_time: String,
    /// The job.
    pub job: JobRecord,
    /// The policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRecord>,
    /// All sources together.
    pub totals: Account,
    /// What was read.
    pub sources: Vec<ManifestSource>,
    /// What was written.
    pub sinks: Vec<ManifestSink>,
    /// Folders that earlier runs wrote, that are no sink any more, and that are still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_over: Vec<String>,
}

/// A source and its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManifestSource {
    /// Its name.
    pub name: String,
    /// Its files.
    pub files: Vec<ManifestFile>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its URI; in a job that de-identifies its number (`feed/000017`), which the private `source-files.ndjson` explains.
    pub uri: String,
    /// Stored bytes.
    pub size: u64,
    /// When it was last changed.
    pub modified: String,
    /// The object store's version mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// SHA-256 of the stored bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// An output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManifestSink {
    /// The sink's name.
    pub name: String,
    /// Where it is.
    pub location: String,
    /// Data classification.
    pub classification: String,
    /// The purpose, when it may hold identifying columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Rows.
    pub rows: u64,
    /// Its files.
    pub files: Vec<WrittenFileRecord>,
}

impl Manifest {
    /// The manifest of a run.
    pub fn of(report: &RunReport, export_time: &str) -> Self {
        let source = |source: &crate::record::SourceRecord| ManifestSource {
            name: source.name.clone(),
            files: source
                .files
                .iter()
                .map(|file| ManifestFile {
                    uri: file.uri.clone(),
                    size: file.size,
                    modified: file.modified.clone(),
                    etag: file.etag.clone(),
                    sha256: file.sha256.clone(),
                })
                .collect(),
        };
        let sink = |sink: &crate::record::SinkRecord| ManifestSink {
            name: sink.name.clone(),
            location: sink.location.clone(),
            classification: sink.classification.clone(),
            purpose: sink.purpose.clone(),
            rows: sink.rows,
            files: sink.files.clone(),
        };
        Self {
            sutura_job_manifest: 1,
            sutura_version: report.sutura_version.to_owned(),
            run_id: report.run_id.clone(),
            export_time: export_time.to_owned(),
            job: report.job.clone(),
            policy: report.policy.clone(),
            totals: report.totals.clone(),
            sources: report.sources.iter().map(source).collect(),
            sinks: report.sinks.iter().map(sink).collect(),
            left_over: report.left_over.clone(),
        }
    }

    /// Folders of this run or an earlier one that are still there and that `current` does not write.
    pub(crate) fn left_over(&self, current: &[String]) -> Vec<String> {
        let places = self.sinks.iter().map(|sink| &sink.location).chain(&self.left_over);
        let mut left: Vec<String> =
            places.filter(|place| !current.contains(place) && !place.contains("://") && Path::new(place).is_dir()).cloned().collect();
        left.sort();
        left.dedup();
        left
    }

    /// The manifest in an output folder, if a run was completed there.
    pub fn read(output: &Path) -> Option<Self> {
        let bytes = std::fs::read(output.join(crate::publish::MANIFEST)).ok()?;
        serde_json::from_slice::<Self>(&bytes).ok().filter(|manifest| manifest.sutura_job_manifest == 1)
    }

    /// What is different now. Nothing different and all outputs in place means nothing to do.
    pub fn changes(&self, job: &JobRecord, policy: Option<&PolicyRecord>, sources: &[(String, Vec<ManifestFile>)]) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.sutura_version != env!("CARGO_PKG_VERSION") {
            changes.push(Change::Version { before: self.sutura_version.clone() });
        }
        if self.job.sha256 != job.sha256 {
            changes.push(Change::Job);
        }
        if self.policy.as_ref() != policy {
            let word = |policy: Option<&PolicyRecord>| {
                policy.map_or_else(|| "none".to_owned(), |policy| format!("{}/{}", policy.name, policy.version))
            };
            changes.push(Change::Policy { before: word(self.policy.as_ref()), now: word(policy) });
        }
        for (name, files) in sources {
            let before = self.sources.iter().find(|source| &source.name == name).map_or(&[][..], |source| &source.files);
            let same = |a: &ManifestFile, b: &ManifestFile| a.size == b.size && a.modified == b.modified && a.etag == b.etag;
            let new = files.iter().filter(|file| !before.iter().any(|known| known.uri == file.uri)).count();
            let changed = files.iter().filter(|file| before.iter().any(|known| known.uri == file.uri && !same(known, file))).count();
            let gone = before.iter().filter(|known| !files.iter().any(|file| file.uri == known.uri)).count();
            if new + changed + gone > 0 {
                changes.push(Change::Source { source: name.clone(), new, changed, gone });
            }
        }
        for sink in &self.sinks {
            let missing = sink.files.iter().filter(|file| !is_there(&sink.location, file)).count();
            if missing > 0 {
                changes.push(Change::Output { sink: sink.name.clone(), missing });
            }
        }
        changes
    }
}

/// Whether a written file still is where it was, with its size. Objects in a store are believed.
fn is_there(location: &str, file: &WrittenFileRecord) -> bool {
    location.contains("://") || std::fs::metadata(Path::new(location).join(&file.path)).is_ok_and(|metadata| metadata.len() == file.bytes)
}

/// One difference from the last complete run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// Another version of Sutura wrote the outputs.
    Version {
        /// That version.
        before: String,
    },
    /// The job file says something else.
    Job,
    /// Policy, its rules, its legal facts or the key changed.
    Policy {
        /// Policy of the last run.
        before: String,
        /// Policy now.
        now: String,
    },
    /// The files of a source changed.
    Source {
        /// The source.
        source: String,
        /// Files that were not there.
        new: usize,
        /// Files with another size or time.
        changed: usize,
        /// Files that are no longer there.
        gone: usize,
    },
    /// Files of an output are missing or have another size.
    Output {
        /// The sink.
        sink: String,
        /// How many.
        missing: usize,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Change::Version { before } => write!(f, "the last run was made by version {before}"),
            Change::Job => f.write_str("the job file says something else than at the last run"),
            Change::Policy { before, now } if before == now => write!(f, "the rules, legal facts or key of the policy {now} changed"),
            Change::Policy { before, now } => write!(f, "the policy was {before} and is {now}"),
            Change::Source { source, new, changed, gone } => write!(f, "source {source}: {new} new, {changed} changed, {gone} gone"),
            Change::Output { sink, missing } => write!(f, "sink {sink}: {missing} files of the last run are missing or were changed"),
        }
    }
}

impl ManifestFile {
    /// A file as the engine found it.
    pub(crate) fn found(file: &SourceFile, names: &SourceNames) -> Self {
        Self {
            uri: names.of(&file.uri).to_owned(),
            size: file.size,
            modified: file.modified.to_rfc3339(),
            etag: file.etag.clone(),
            sha256: None,
        }
    }
}
