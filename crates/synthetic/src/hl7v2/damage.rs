//! What is wrong with malformed messages, and what a reader should say about each.

use serde::Serialize;

use super::encounter::Event;

/// What stands in place of a number.
pub(crate) const TEXT_FOR_A_NUMBER: &str = "HEMOLYZED";

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Damage {
    /// `MSH|^~\&|` and nothing else.
    TruncatedHeader,
    /// Bytes that are no text before the first message of a file. An extra record: no message has it.
    LeadingJunk,
    /// An MLLP start block without an end block.
    UnterminatedFrame,
    /// No PID where the structure requires one.
    MissingPid,
    /// A word in the first OBX-5 although OBX-2 says NM.
    TextInNumeric,
    /// A birth date with month 13.
    InvalidDate,
    /// Nothing in MSH-10.
    MissingControlId,
    /// A version in MSH-12 that does not exist.
    WrongVersion,
}

/// What a reader should make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// The record is rejected.
    Reject,
    /// The record is read; validation finds something.
    Findings,
}

impl Damage {
    pub(crate) const ALL: [Damage; 8] = [
        Damage::TruncatedHeader,
        Damage::LeadingJunk,
        Damage::UnterminatedFrame,
        Damage::MissingPid,
        Damage::TextInNumeric,
        Damage::InvalidDate,
        Damage::MissingControlId,
        Damage::WrongVersion,
    ];

    /// Its name in the truth.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Damage::TruncatedHeader => "truncated_header",
            Damage::LeadingJunk => "leading_junk",
            Damage::UnterminatedFrame => "unterminated_frame",
            Damage::MissingPid => "missing_pid",
            Damage::TextInNumeric => "text_in_numeric",
            Damage::InvalidDate => "invalid_date",
            Damage::MissingControlId => "missing_control_id",
            Damage::WrongVersion => "wrong_version",
        }
    }

    /// What is expected, and the code of the reject or of the finding.
    pub(crate) fn expected(self) -> (Expected, &'static str) {
        match self {
            Damage::TruncatedHeader => (Expected::Reject, "header-empty"),
            Damage::LeadingJunk => (Expected::Reject, "not-hl7"),
            Damage::UnterminatedFrame => (Expected::Reject, "mllp-frame-unterminated"),
            Damage::MissingPid => (Expected::Findings, "segment-missing"),
            Damage::TextInNumeric => (Expected::Findings, "datatype-invalid"),
            Damage::InvalidDate => (Expected::Findings, "datatype-invalid"),
            Damage::MissingControlId => (Expected::Findings, "field-missing"),
            Damage::WrongVersion => (Expected::Findings, "version-unknown"),
        }
    }

    pub(crate) fn is_reject(self) -> bool {
        self.expected().0 == Expected::Reject
    }

    /// This kind when the event can have it, else one that every message can have.
    pub(crate) fn fitting(self, event: Event) -> Self {
        match self {
            Damage::MissingPid if !(event.is_adt() || matches!(event, Event::Document | Event::Vaccination)) => Damage::InvalidDate,
            Damage::TextInNumeric if event != Event::Result => Damage::WrongVersion,
            other => other,
        }
    }
}
