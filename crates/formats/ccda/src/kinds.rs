//! What documents, sections and entries are: template ids first, codes and structure where those fail.
//!
//! Template roots are compared without their extension, so C-CDA R1.1 (no extension), R2.0 (`2014-06-09`), R2.1 (`2015-08-01`) and
//! later editions are one kind. The older templates that C-CDA grew from are known too: CCD 1.0 (`2.16.840.1.113883.10.20.1.*`),
//! IHE PCC (`1.3.6.1.4.1.19376.1.5.3.1.*`) and HITSP C83 (`2.16.840.1.113883.3.88.11.83.*`).

mod document;
mod entry;
mod section;
mod section_table;

pub use document::{DocumentKind, Release};
pub use entry::EntryKind;
pub use section::SectionKind;

/// What told the kind of a document, section or entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchedBy {
    /// A template id.
    Template,
    /// The LOINC code of the document or section.
    Loinc,
    /// The section it stands in and the kind of statement it is.
    Structure,
    /// Nothing did: the kind is unknown.
    Nothing,
}

impl MatchedBy {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Loinc => "loinc",
            Self::Structure => "structure",
            Self::Nothing => "nothing",
        }
    }
}
