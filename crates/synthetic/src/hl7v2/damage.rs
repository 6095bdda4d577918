//! What is wrong with malformed messages, and what a reader should say about each.

use serde::Serialize;

use crate::people::Person;

use super::{encounter::Event, wire::Wire};

/// What stands in place of a number.
pub(crate) const TEXT_FOR_A_NUMBER: &str = "HEMOLYZED";

/// How long an oversized field is at least.
const OVERSIZED: usize = 100_000;

/// Appends an oversized text to the field being written.
pub(crate) fn push_oversized(wire: &mut Wire) {
    let end = wire.text.len() + OVERSIZED;
    while wire.text.len() < end {
        wire.raw(" Text of a scanned page that came as one line, with everything that was printed in its margins.");
    }
}

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Damage {
    /// `MSH|^~\&|` and nothing else.
    TruncatedHeader,
    /// Bytes that are no text before the first message of a file. An extra record: no message has it.
    LeadingJunk,
    /// Lines of text between two messages, after a blank line. An extra record, as above; the message
    /// before it stays whole.
    TextJunk,
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
    /// A message that stops inside its PID; the next one follows at once, without a line end.
    CutMessage,
    /// MSH-18 says UTF-8, the bytes are ISO 8859-1.
    WrongCharset,
    /// A field of some 100 KB. Nothing forbids it.
    OversizedField,
}

/// What a reader should make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// The record is rejected.
    Reject,
    /// The record is read; validation finds something.
    Findings,
    /// The record is read like any other, however unusual it is.
    Accept,
}

impl Damage {
    pub(crate) const ALL: [Damage; 12] = [
        Damage::TruncatedHeader,
        Damage::LeadingJunk,
        Damage::TextJunk,
        Damage::UnterminatedFrame,
        Damage::MissingPid,
        Damage::TextInNumeric,
        Damage::InvalidDate,
        Damage::MissingControlId,
        Damage::WrongVersion,
        Damage::CutMessage,
        Damage::WrongCharset,
        Damage::OversizedField,
    ];

    /// Its name in the truth.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Damage::TruncatedHeader => "truncated_header",
            Damage::LeadingJunk => "leading_junk",
            Damage::TextJunk => "text_junk",
            Damage::UnterminatedFrame => "unterminated_frame",
            Damage::MissingPid => "missing_pid",
            Damage::TextInNumeric => "text_in_numeric",
            Damage::InvalidDate => "invalid_date",
            Damage::MissingControlId => "missing_control_id",
            Damage::WrongVersion => "wrong_version",
            Damage::CutMessage => "cut_message",
            Damage::WrongCharset => "wrong_charset",
            Damage::OversizedField => "oversized_field",
        }
    }

    /// What is expected, and the code of the reject or of the finding, if any.
    pub(crate) fn expected(self) -> (Expected, &'static str) {
        match self {
            Damage::TruncatedHeader => (Expected::Reject, "header-empty"),
            Damage::LeadingJunk | Damage::TextJunk => (Expected::Reject, "not-hl7"),
            Damage::UnterminatedFrame => (Expected::Reject, "mllp-frame-unterminated"),
            Damage::MissingPid | Damage::CutMessage => (Expected::Findings, "segment-missing"),
            Damage::TextInNumeric => (Expected::Findings, "datatype-invalid"),
            Damage::InvalidDate => (Expected::Findings, "datatype-invalid"),
            Damage::MissingControlId => (Expected::Findings, "field-missing"),
            Damage::WrongVersion => (Expected::Findings, "version-unknown"),
            Damage::WrongCharset => (Expected::Findings, "charset-mismatch"),
            Damage::OversizedField => (Expected::Accept, ""),
        }
    }

    pub(crate) fn is_reject(self) -> bool {
        self.expected().0 == Expected::Reject
    }

    /// This kind when the message can have it, else one that every message can have.
    pub(crate) fn fitting(self, event: Event, person: &Person) -> Self {
        match self {
            Damage::MissingPid if !(event.is_adt() || matches!(event, Event::Document | Event::Vaccination)) => Damage::InvalidDate,
            Damage::TextInNumeric if event != Event::Result => Damage::WrongVersion,
            Damage::OversizedField if !matches!(event, Event::Result | Event::Document) => Damage::MissingControlId,
            // Nothing that must follow the PID.
            Damage::CutMessage if event == Event::Vaccination => Damage::WrongVersion,
            Damage::WrongCharset if !has_accents(person) => Damage::InvalidDate,
            other => other,
        }
    }
}

/// Whether PID holds letters that ISO 8859-1 writes in other bytes than UTF-8, and no name needs more.
fn has_accents(person: &Person) -> bool {
    let in_pid = [person.given, person.family, person.mother];
    let all = in_pid.iter().copied().chain([person.kin.given, person.kin.family]).chain(person.maiden);
    in_pid.iter().any(|name| !name.is_ascii()) && all.flat_map(str::chars).all(|letter| u32::from(letter) < 0x100)
}
