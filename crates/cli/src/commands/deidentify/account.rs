//! The account of a run: files in = written + rejected + skipped, and what was done in the written ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Serialize;
use serde_json::{Value, json};
use sutura_deid::{Ledger, Outcome as Ending, dicom::Proof};
use sutura_privacy::labels::{Notice, PART2_NOTICE};

use super::{
    documents::Released,
    work::{ImageFacts, What, Written},
};
use crate::output::Console;

/// Where a file is that was not released, and why. Nothing of what stands in it.
pub(super) struct Rejected {
    pub(super) path: PathBuf,
    /// Byte, where one is known.
    pub(super) offset: u64,
    pub(super) code: &'static str,
    /// The element, where one is known.
    pub(super) location: String,
    pub(super) reason: String,
}

impl Rejected {
    /// A line of rejects.ndjson.
    pub(super) fn line(&self) -> Value {
        json!({
            "path": self.path.to_string_lossy(),
            "offset": self.offset,
            "code": self.code,
            "location": self.location,
            "reason": self.reason,
        })
    }
}

/// A line of files.ndjson.
pub(super) fn file_line(written: &Written, path: &str) -> Value {
    let ImageFacts { proof, transfer_syntax, is_encoded_anew, .. } = match &written.what {
        What::Image(facts) => facts.as_ref(),
        What::Records(released, _) => {
            return json!({
                "file": path,
                "sha256": written.part.sha256(),
                "bytes": written.bytes_out,
                "format": released.kind.word(),
                "table": released.table,
                "records": released.records,
                "rejected": released.rejected.len(),
            });
        }
    };
    let Proof { instance, untouched, boxes, warnings, .. } = proof;
    json!({
        "file": path,
        "sha256": written.part.sha256(),
        "bytes": written.bytes_out,
        "instance": instance,
        "format": "dicom",
        "transfer_syntax": transfer_syntax,
        "encoded_anew": is_encoded_anew,
        "actions": proof.actions.iter().map(|action| action.count).sum::<u64>(),
        "untouched": untouched,
        "boxes": boxes.len(),
        "warnings": warnings,
    })
}

/// Counts of a run.
#[derive(Default)]
pub(super) struct Account {
    pub(super) files: u64,
    pub(super) written: u64,
    pub(super) rejected: u64,
    skipped: BTreeMap<&'static str, u64>,
    rejects: BTreeMap<&'static str, u64>,
    replaced: u64,
    encoded_anew: u64,
    bytes_in: u64,
    bytes_out: u64,
    patients: BTreeSet<String>,
    studies: BTreeSet<String>,
    series: BTreeSet<String>,
    actions: BTreeMap<&'static str, u64>,
    untouched: u64,
    boxes: u64,
    warnings: BTreeMap<&'static str, u64>,
    records: BTreeMap<&'static str, Records>,
    pub(super) ledger: Ledger,
    /// Whether a table carries the notice of a law in its metadata.
    has_notice: bool,
}

/// Messages, resources, documents or notes: in = released + rejected.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Records {
    r#in: u64,
    released: u64,
    rejected: u64,
}

impl Account {
    pub(super) fn wrote(&mut self, written: &Written, is_replaced: bool) {
        self.written += 1;
        self.replaced += u64::from(is_replaced);
        self.bytes_in += written.bytes_in;
        self.bytes_out += written.bytes_out;
        match &written.what {
            What::Image(facts) => self.wrote_image(facts),
            What::Records(released, _) => self.wrote_records(released),
        }
    }

    fn wrote_records(&mut self, released: &Released) {
        let counts = self.records.entry(released.kind.word()).or_default();
        let rejected = released.rejected.len() as u64;
        counts.r#in += released.records;
        counts.released += released.records - rejected;
        counts.rejected += rejected;
        self.ledger.merge(&released.ledger);
        self.has_notice |= released.has_notice;
    }

    /// The statement that a law wants beside what was released.
    fn notice(&self) -> Option<Notice> {
        self.ledger.notice().or(self.has_notice.then_some(PART2_NOTICE))
    }

    fn wrote_image(&mut self, written: &ImageFacts) {
        self.encoded_anew += u64::from(written.is_encoded_anew);
        // A DICOMDIR is of no patient.
        if written.name.series != "directory" {
            self.patients.insert(written.name.patient.clone());
            self.studies.insert(written.name.study.clone());
            self.series.insert(written.name.series.clone());
        }
        for action in &written.proof.actions {
            *self.actions.entry(action.action).or_default() += action.count;
        }
        self.untouched += written.proof.untouched;
        self.boxes += written.proof.boxes.len() as u64;
        for warning in &written.proof.warnings {
            *self.warnings.entry(warning).or_default() += 1;
        }
    }

    pub(super) fn reject(&mut self, rejected: &Rejected) {
        self.rejected += 1;
        *self.rejects.entry(rejected.code).or_default() += 1;
    }

    pub(super) fn skip(&mut self, why: &'static str) {
        *self.skipped.entry(why).or_default() += 1;
    }

    /// Records of released files that were not released.
    pub(super) fn rejected_records(&self) -> u64 {
        self.records.values().map(|counts| counts.rejected).sum()
    }

    fn skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Whether every file is in one count.
    pub(super) fn balances(&self) -> bool {
        self.files == self.written + self.rejected + self.skipped()
    }

    /// Files in = written + rejected + skipped, in words.
    pub(super) fn equation(&self) -> String {
        let listed = |counts: &BTreeMap<&'static str, u64>| {
            let codes: Vec<String> = counts.iter().map(|(code, count)| format!("{code}: {count}")).collect();
            if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) }
        };
        let (rejects, skips) = (listed(&self.rejects), listed(&self.skipped));
        format!(
            "{} files in = {} written + {} rejected{rejects} + {} skipped{skips}",
            self.files,
            self.written,
            self.rejected,
            self.skipped()
        )
    }

    /// What deidentification.json holds beside what was asked for.
    pub(super) fn json(&self) -> Value {
        json!({
            "files": {
                "in": self.files,
                "written": self.written,
                "rejected": self.rejected,
                "skipped": self.skipped(),
                "replaced": self.replaced,
                "encoded_anew": self.encoded_anew,
            },
            "rejects": self.rejects,
            "skipped": self.skipped,
            "patients": self.patients.len(),
            "studies": self.studies.len(),
            "series": self.series.len(),
            "bytes": { "in": self.bytes_in, "out": self.bytes_out },
            "actions": self.actions,
            "untouched": self.untouched,
            "boxes": self.boxes,
            "warnings": self.warnings,
            "records": self.records,
            "categories": self.categories(),
            "notice": self.notice(),
            "values": Ending::ALL.iter().map(|outcome| (outcome.word(), self.ledger.count(*outcome))).collect::<BTreeMap<_, _>>(),
        })
    }

    /// Resources, segments and statements of sensitive categories: what was done, by label.
    fn categories(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let mut categories: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (label, action, count) in self.ledger.categories() {
            categories.entry(label.code()).or_default().insert(action.word(), count);
        }
        categories
    }

    /// Says it in a few lines.
    pub(super) fn note(&self, console: Console) {
        console.note(&self.equation());
        for (format, Records { r#in: all, released, rejected }) in &self.records {
            console.note(&format!("{format}: {all} records = {released} released + {rejected} rejected"));
        }
        for (label, actions) in self.categories() {
            let actions: Vec<String> = actions.iter().map(|(action, count)| format!("{count} {action}")).collect();
            console.note(&format!("sensitive category {label}: {}", actions.join(", ")));
        }
        if let Some(notice) = self.notice() {
            console.note(&format!("carries a notice: {} ({}); {}", notice.text, notice.citation, notice.also));
        }
        if self.series.is_empty() {
            return;
        }
        console.note(&format!(
            "{} patients, {} studies, {} series; {} areas painted over",
            self.patients.len(),
            self.studies.len(),
            self.series.len(),
            self.boxes
        ));
        for (warning, count) in &self.warnings {
            console.note(&format!("warning {warning}: {count} of the files"));
        }
    }
}
