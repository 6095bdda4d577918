//! Checks a message against the standard: structure, required fields, data types, tables.
//!
//! Everything it sees becomes a [`Finding`] with a stable code, a severity and a path; nothing is
//! changed and nothing is refused. A strict reader is the same parse with errors taken as rejects.
//! Real feeds deviate in known ways, so what the standard lets sites extend (user tables, extra
//! fields, Z segments) is information at most.
//!
//! The codes are listed in [`CODES`] and in `docs/src/reference/hl7v2-findings.md`.

mod codes;
mod fields;
mod structure;

use std::fmt::Write;

use sutura_core::{Finding, Severity};

use crate::{
    defs::{self, Version},
    message::{Message, Segment, State},
};

pub use codes::{CODES, FindingCode};

/// No message gets more findings than this; one more says that there were others.
const MAX_FINDINGS: usize = 500;

/// Appends the findings of one message to `out`. Codes of whole-message findings that `out` already
/// has (the reader makes some of them) are not repeated.
pub fn validate(message: &Message<'_>, out: &mut Vec<Finding>) {
    let mut check = Check { first: out.len(), out, version: Version::V2_5_1, full: false };
    check.text(message);
    let Some(header) = message.segments().next() else { return };
    let kind = check.header(&header);
    if let Some(structure) = kind {
        structure::check(message, structure, check.version, &mut check);
    }
    for segment in message.segments() {
        if check.full {
            break;
        }
        check.segment(&segment);
    }
}

/// The state of one validation.
struct Check<'o> {
    out: &'o mut Vec<Finding>,
    first: usize,
    version: Version,
    full: bool,
}

/// A place in the message; written out only for a finding.
#[derive(Clone, Copy)]
struct Place<'a> {
    segment: &'a str,
    ordinal: usize,
    field: usize,
    repetition: usize,
    component: usize,
}

impl<'a> Place<'a> {
    fn segment(segment: &Segment<'a>) -> Self {
        Self { segment: segment.name(), ordinal: segment.ordinal(), field: 0, repetition: 0, component: 0 }
    }

    fn field(self, field: usize) -> Self {
        Self { field, ..self }
    }

    fn repetition(self, repetition: usize) -> Self {
        Self { repetition, ..self }
    }

    fn component(self, component: usize) -> Self {
        Self { component, ..self }
    }

    /// As [`crate::Path`] writes it; first occurrences and repetitions go without a number. A
    /// segment name that is none is shown as `?`: it may be anything, patient data too.
    fn path(self) -> String {
        let mut path = String::with_capacity(16);
        path.push_str(shown_name(self.segment));
        if self.ordinal > 1 {
            let _ = write!(path, "[{}]", self.ordinal);
        }
        if self.field > 0 {
            let _ = write!(path, "-{}", self.field);
            if self.repetition > 1 {
                let _ = write!(path, "[{}]", self.repetition);
            }
            if self.component > 0 {
                let _ = write!(path, ".{}", self.component);
            }
        }
        path
    }
}

/// The segment name as findings and trees show it: `?` for anything that may be text of a broken line
/// and so hold patient data.
pub(crate) fn shown_name(name: &str) -> &str {
    let is_capital = is_segment_name(name) && !name.bytes().any(|byte| byte.is_ascii_lowercase());
    let is_known = || is_segment_name(name) && (name.starts_with(['z', 'Z']) || defs::segment(&name.to_ascii_uppercase()).is_some());
    if is_capital || is_known() { name } else { "?" }
}

/// A letter, then two letters or digits, in either case.
fn is_segment_name(name: &str) -> bool {
    name.len() == 3 && name.as_bytes()[0].is_ascii_alphabetic() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Check<'_> {
    fn add(&mut self, code: &'static str, severity: Severity, place: Place<'_>, message: impl Into<String>) {
        self.push(code, severity, place.path(), message);
    }

    fn push(&mut self, code: &'static str, severity: Severity, location: impl Into<String>, message: impl Into<String>) {
        debug_assert!(CODES.iter().any(|known| known.code == code), "{code} is not documented");
        if self.full {
            return;
        }
        if self.out.len() - self.first >= MAX_FINDINGS {
            self.full = true;
            self.out.push(Finding::new("findings-truncated", Severity::Info, "", "the message has more findings than are listed"));
            return;
        }
        self.out.push(Finding::new(code, severity, location, message));
    }

    fn has(&self, code: &str) -> bool {
        self.out.iter().any(|finding| finding.code == code)
    }

    /// Line ends and control characters.
    fn text(&mut self, message: &Message<'_>) {
        let bytes = message.text().as_bytes();
        if memchr::memchr(b'\n', bytes).is_some() && memchr::memchr(b'\r', bytes).is_none() && !self.has("terminator-not-cr") {
            let text = "segments end in line feeds; the standard's terminator is carriage return";
            self.push("terminator-not-cr", Severity::Warning, "", text);
        }
        let delimiters = message.delimiters();
        let is_odd = |byte: &u8| *byte < b' ' && !matches!(*byte, b'\r' | b'\n' | b'\t' | 0x0B | 0x1C) && *byte != delimiters.field;
        if bytes.iter().any(|byte| *byte < b' ' && is_odd(byte)) && !self.has("control-character") {
            self.push("control-character", Severity::Warning, "", "the message holds control characters; they are kept");
        }
    }

    /// MSH: version and message type. Returns the structure to check against.
    fn header(&mut self, header: &Segment<'_>) -> Option<&'static defs::StructureDef> {
        let place = Place::segment(header);
        if crate::lex::Delimiters::repeats_itself(header.raw().as_bytes()) && !self.has("delimiters-repeated") {
            let text = "MSH-2 states a delimiter twice or too many of them; the first role of each is used";
            self.add("delimiters-repeated", Severity::Error, place.field(2), text);
        }
        let stated = header.field(12).component(1).raw();
        match Version::parse(stated) {
            Some(version) => self.version = version,
            None if stated.is_empty() => {} // Said as a missing field.
            None => self.add(
                "version-unknown",
                Severity::Warning,
                place.field(12),
                "MSH-12 states no version of HL7 v2; it is checked as 2.5.1",
            ),
        }
        let kind = header.field(9);
        let (message_type, trigger, stated) = (kind.component(1).raw(), kind.component(2).raw(), kind.component(3).raw());
        if message_type.is_empty() {
            return None; // Said as a missing field.
        }
        let by_event = defs::structure(message_type, trigger);
        let by_name = defs::structure_by_name(stated);
        if let (Some(event), Some(name)) = (by_event, by_name)
            && event.name != name.name
            && stated.split_once('_') != Some((message_type, trigger))
        {
            let text = format!("MSH-9.3 is not the structure of this message type; {} is used", event.name);
            self.add("structure-mismatch", Severity::Info, place.field(9).component(3), text);
        }
        let found = by_event.or(by_name);
        if found.is_none() {
            let text = "the standard has no such message type and trigger event; the structure is not checked";
            self.add("message-type-unknown", Severity::Warning, place.field(9), text);
        }
        found
    }

    /// One segment: its name, then its fields.
    fn segment(&mut self, segment: &Segment<'_>) {
        let name = segment.name();
        let place = Place::segment(segment);
        if !is_segment_name(name) {
            self.add(
                "segment-name-invalid",
                Severity::Error,
                place,
                "a line begins with no segment name; a segment name has three capital letters or digits",
            );
            return;
        }
        let mut known = defs::segment(name);
        if known.is_none() {
            let upper = name.to_ascii_uppercase();
            known = defs::segment(&upper);
            if upper != name {
                self.add(
                    "segment-lowercase",
                    Severity::Warning,
                    place,
                    "the segment name is not in capital letters; it is read as if it were",
                );
            }
            if known.is_none() && !upper.starts_with('Z') {
                self.add("segment-unknown", Severity::Warning, place, "the standard has no such segment; local segments begin with Z");
            }
        }
        fields::check(segment, known, place, self);
    }
}

/// Whether a part of a message holds a value (neither absent nor `""`).
fn has_value(state: State) -> bool {
    state == State::Value
}

#[cfg(test)]
mod tests;
