//! Kinds of documents, and editions of C-CDA.

use crate::element::Element;

use super::MatchedBy;

/// What kind of document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DocumentKind {
    /// Continuity of Care Document.
    ContinuityOfCare,
    /// Consultation Note.
    ConsultationNote,
    /// Discharge Summary.
    DischargeSummary,
    /// History and Physical.
    HistoryAndPhysical,
    /// Operative Note.
    OperativeNote,
    /// Procedure Note.
    ProcedureNote,
    /// Progress Note.
    ProgressNote,
    /// Diagnostic Imaging Report.
    DiagnosticImagingReport,
    /// Unstructured Document.
    Unstructured,
    /// Care Plan.
    CarePlan,
    /// Referral Note.
    ReferralNote,
    /// Transfer Summary.
    TransferSummary,
    /// A clinical document of another kind.
    Other,
}

/// Kind, name, LOINC document codes, template roots.
type Row = (DocumentKind, &'static str, &'static [&'static str], &'static [&'static str]);

const KINDS: [Row; 12] = {
    use DocumentKind::*;
    [
        (
            ContinuityOfCare,
            "continuity-of-care",
            &["34133-9"],
            &[
                "2.16.840.1.113883.10.20.22.1.2",
                "2.16.840.1.113883.10.20.1",
                "2.16.840.1.113883.3.88.11.32.1",
                "2.16.840.1.113883.3.88.11.62.1",
            ],
        ),
        (ConsultationNote, "consultation-note", &["11488-4"], &["2.16.840.1.113883.10.20.22.1.4", "2.16.840.1.113883.10.20.4"]),
        (
            DischargeSummary,
            "discharge-summary",
            &["18842-5"],
            &["2.16.840.1.113883.10.20.22.1.8", "2.16.840.1.113883.3.88.11.48.2", "1.3.6.1.4.1.19376.1.5.3.1.1.4"],
        ),
        (HistoryAndPhysical, "history-and-physical", &["34117-2"], &["2.16.840.1.113883.10.20.22.1.3", "2.16.840.1.113883.10.20.2"]),
        (OperativeNote, "operative-note", &["11504-8"], &["2.16.840.1.113883.10.20.22.1.7", "2.16.840.1.113883.10.20.7"]),
        (ProcedureNote, "procedure-note", &["28570-0"], &["2.16.840.1.113883.10.20.22.1.6", "2.16.840.1.113883.10.20.18.1"]),
        (ProgressNote, "progress-note", &["11506-3"], &["2.16.840.1.113883.10.20.22.1.9", "2.16.840.1.113883.10.20.21.1"]),
        (
            DiagnosticImagingReport,
            "diagnostic-imaging-report",
            &["18748-4"],
            &["2.16.840.1.113883.10.20.22.1.5", "2.16.840.1.113883.10.20.6"],
        ),
        (Unstructured, "unstructured", &[], &["2.16.840.1.113883.10.20.22.1.10", "2.16.840.1.113883.10.20.19.1"]),
        (CarePlan, "care-plan", &["52521-2"], &["2.16.840.1.113883.10.20.22.1.15"]),
        (ReferralNote, "referral-note", &["57133-1"], &["2.16.840.1.113883.10.20.22.1.14"]),
        (TransferSummary, "transfer-summary", &["18761-7"], &["2.16.840.1.113883.10.20.22.1.13"]),
    ]
};

impl DocumentKind {
    /// The word for it, in tables and reports.
    pub fn as_str(self) -> &'static str {
        KINDS.iter().find(|row| row.0 == self).map_or("other", |row| row.1)
    }

    /// The kind of a document, and what told it.
    pub(crate) fn of(root: Element<'_>) -> (Self, MatchedBy) {
        for (template, _) in root.templates() {
            if let Some(row) = KINDS.iter().find(|row| row.3.contains(&template)) {
                return (row.0, MatchedBy::Template);
            }
        }
        let code = root.child("code").and_then(|code| code.attr("code"));
        if let Some(row) = code.and_then(|code| KINDS.iter().find(|row| row.2.contains(&code))) {
            return (row.0, MatchedBy::Loinc);
        }
        if root.path(&["component", "nonXMLBody"]).is_some() {
            return (Self::Unstructured, MatchedBy::Structure);
        }
        (Self::Other, MatchedBy::Nothing)
    }
}

/// The edition of the implementation guide that a document claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Release {
    /// Neither C-CDA nor one of its ancestors.
    Unknown,
    /// CCD 1.0, HITSP C32, C48 and C62.
    C32,
    /// C-CDA R1.1: templates without extension.
    R1_1,
    /// C-CDA R2.0: `2014-06-09`.
    R2_0,
    /// C-CDA R2.1: `2015-08-01`.
    R2_1,
    /// A later edition, by year.
    Later,
}

impl Release {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::C32 => "C32",
            Self::R1_1 => "R1.1",
            Self::R2_0 => "R2.0",
            Self::R2_1 => "R2.1",
            Self::Later => "later",
        }
    }

    /// The newest edition that the document's own templates claim. Documents of R2.1 repeat the templates of R1.1.
    pub(crate) fn of(root: Element<'_>) -> Self {
        root.templates().map(|(template, extension)| Self::of_template(template, extension)).max().unwrap_or(Self::Unknown)
    }

    fn of_template(root: &str, extension: Option<&str>) -> Self {
        if root.starts_with("2.16.840.1.113883.10.20.22.1.") {
            return match extension.filter(|extension| !extension.is_empty()) {
                None => Self::R1_1,
                Some(date) if date < "2015" => Self::R2_0,
                Some(date) if date < "2016" => Self::R2_1,
                Some(_) => Self::Later,
            };
        }
        let is_older = KINDS.iter().any(|row| row.3.contains(&root));
        if is_older { Self::C32 } else { Self::Unknown }
    }
}
