//! The truth about documents: what a correct reader must find in them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::options::CcdaOptions;

/// What the files hold. Written as `truth.json` beside the folder of documents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CcdaTruth {
    /// The options.
    pub options: CcdaOptions,
    /// Documents: one a patient.
    pub documents: u64,
    /// Their bytes before compression.
    pub bytes: u64,
    /// Documents by the style that wrote them.
    pub by_style: BTreeMap<&'static str, u64>,
    /// Sections and what is in them, by kind (as the column `kind` of the table `sections` names it).
    pub sections: BTreeMap<&'static str, SectionTruth>,
    /// Entries that are odd on purpose.
    pub odd: Vec<OddEntry>,
}

/// The sections of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SectionTruth {
    /// How many there are.
    pub sections: u64,
    /// Among them those without information (`nullFlavor`, or one entry that says that there is none).
    pub empty: u64,
    /// Their entries.
    pub entries: u64,
    /// What the entries are about: problems, results and so on. A panel is one entry and has a fact for each test.
    pub facts: u64,
    /// The facts by code. One whose code is missing on purpose is not among them.
    pub codes: BTreeMap<String, u64>,
}

/// One entry that is odd on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OddEntry {
    /// The file, from the folder of the export, with `/`.
    pub file: String,
    /// Kind of the section.
    pub section: &'static str,
    /// Number of the entry in its section, from 1.
    pub entry: usize,
    /// What is odd: `template-missing`, `time-malformed`, `reference-unresolved` or `code-missing`.
    pub oddity: &'static str,
}
