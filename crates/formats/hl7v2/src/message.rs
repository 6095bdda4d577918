//! A lazy view of one message: segments are found once, everything below is cut out when asked for.
//!
//! The view borrows the decoded text (see [`crate::charset`]: a message is decoded to UTF-8 before
//! it is split, so a delimiter is never found inside a multi-byte character). Nothing is allocated
//! per field. It is the model for people and for cold paths; the columnar reader works on the same
//! `segment_ranges`.

use std::borrow::Cow;

use std::collections::HashMap;

use crate::{escape, lex, lex::Delimiters, path::Path};

/// Why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It does not begin with an MSH segment.
    #[error("the text does not begin with an MSH segment")]
    NoHeader,
    /// MSH-1 or MSH-2 is missing or cannot be a delimiter.
    #[error("MSH-1 and MSH-2 do not state usable delimiters; expected MSH|^~\\&| or the like")]
    BadDelimiters,
}

/// One message: decoded text, delimiters, and where its segments are.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    text: &'a str,
    delimiters: Delimiters,
    segments: Vec<(u32, u32)>,
}

impl<'a> Message<'a> {
    /// Finds the segments. The text must begin with `MSH`; leading white space, byte order mark and
    /// MLLP framing are the reader's business.
    pub fn parse(text: &'a str) -> Result<Self, MessageError> {
        if !text.starts_with("MSH") || text.len() > u32::MAX as usize {
            return Err(MessageError::NoHeader);
        }
        let delimiters = Delimiters::from_header(text.as_bytes()).ok_or(MessageError::BadDelimiters)?;
        let mut line_ends = Vec::new();
        lex::line_ends(text.as_bytes(), 0, &mut line_ends);
        let mut segments = Vec::with_capacity(line_ends.len() + 1);
        segment_ranges(text.as_bytes(), delimiters.field, &line_ends, 0, |start, end| segments.push((start, end)));
        Ok(Self { text, delimiters, segments })
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The delimiters it states.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// The segments in order, blank lines left out.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + '_ {
        // Counted on the way: a message may have a million segments.
        let mut counts: HashMap<&'a str, usize> = HashMap::new();
        self.segments.iter().map(move |&(start, end)| {
            let raw = &self.text[start as usize..end as usize];
            let name = segment_name(raw, self.delimiters.field);
            let ordinal = counts.entry(name).and_modify(|count| *count += 1).or_insert(1);
            Segment { raw, name, ordinal: *ordinal, offset: start as usize, delimiters: self.delimiters }
        })
    }

    /// The segments in order as they were sent, without their terminators: for passes that count nothing.
    pub fn raw_segments(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.segments.iter().map(|&(start, end)| &self.text[start as usize..end as usize])
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// The first segment of that name.
    pub fn segment(&self, name: &str) -> Option<Segment<'a>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// The `occurrence`-th (1-based) segment of that name.
    pub fn segment_occurrence(&self, name: &str, occurrence: usize) -> Option<Segment<'a>> {
        self.segments().filter(|segment| segment.name() == name).nth(occurrence.checked_sub(1)?)
    }

    /// What stands at a path: the raw text of that part, `None` when the segment is not there. A
    /// path without repetition means the first one.
    pub fn get(&self, path: &Path) -> Option<Part<'a>> {
        let segment = self.segment_occurrence(path.segment_name(), path.segment_occurrence.unwrap_or(1))?;
        let field = segment.field(path.field);
        if path.repetition.is_none() && path.component.is_none() {
            return Some(Part { raw: field.raw(), delimiters: self.delimiters });
        }
        let repetition = field.repetition(path.repetition.unwrap_or(1).checked_sub(1)?)?;
        let Some(component) = path.component else {
            return Some(Part { raw: repetition.raw(), delimiters: self.delimiters });
        };
        let component = repetition.component(component);
        Some(match path.subcomponent {
            Some(subcomponent) => component.subcomponent(subcomponent),
            None => component,
        })
    }
}

/// Finds the segments of one message in `bytes`, given the positions of its CR, LF and VT bytes
/// (absolute, with `base` the absolute position of `bytes[0]`).
///
/// CR ends a segment. LF ends one after CR (together they are one end), or when what follows looks
/// like a segment, or when the message has no CR at all; any other LF is data (wrapped OBX text).
/// Blank lines are left out.
pub(crate) fn segment_ranges(bytes: &[u8], field_separator: u8, line_ends: &[u32], base: u32, mut out: impl FnMut(u32, u32)) {
    let has_cr = line_ends.iter().any(|&at| bytes[(at - base) as usize] == b'\r');
    let mut start = 0usize;
    let mut push = |start: usize, end: usize| {
        if end > start && !bytes[start..end].iter().all(u8::is_ascii_whitespace) {
            out(start as u32, end as u32);
        }
    };
    for &position in line_ends {
        let at = (position - base) as usize;
        let ends = match bytes[at] {
            b'\r' => true,
            b'\n' => at == start || !has_cr || looks_like_segment(&bytes[at + 1..], field_separator),
            _ => false,
        };
        if ends {
            push(start, at);
            start = at + 1;
        }
    }
    push(start, bytes.len());
}

/// Whether a line begins like a segment: a letter, two letters or digits, then the field separator
/// or the end of the line.
pub(crate) fn looks_like_segment(line: &[u8], field_separator: u8) -> bool {
    let [a, b, c, rest @ ..] = line else { return false };
    a.is_ascii_alphabetic()
        && b.is_ascii_alphanumeric()
        && c.is_ascii_alphanumeric()
        && rest.first().is_none_or(|&next| next == field_separator || next == b'\r' || next == b'\n')
}

fn segment_name(raw: &str, field_separator: u8) -> &str {
    let end = raw.as_bytes().iter().position(|&byte| byte == field_separator).unwrap_or(raw.len());
    raw[..end].trim()
}

/// Whether a field, repetition or component is absent, deletes the stored value (`""`), or holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent: no statement.
    Absent,
    /// Two double quotes: delete the stored value (HL7 v2.9 chapter 2.5.3.2).
    Null,
    /// A value.
    Value,
}

fn state_of(raw: &str) -> State {
    match raw {
        "" => State::Absent,
        "\"\"" => State::Null,
        _ => State::Value,
    }
}

/// One segment.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    raw: &'a str,
    name: &'a str,
    ordinal: usize,
    offset: usize,
    delimiters: Delimiters,
}

impl<'a> Segment<'a> {
    /// The segment as sent, without its terminator.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Its name as sent (usually three upper-case characters).
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its place among the segments of the same name, from 1.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// Where it begins in the message text.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The delimiters of its message.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// Whether its first field is the field separator itself (MSH, FHS, BHS).
    pub fn is_header(&self) -> bool {
        matches!(self.name, "MSH" | "FHS" | "BHS")
    }

    /// The number of the last field that is there.
    pub fn field_count(&self) -> usize {
        let separators = self.raw.bytes().filter(|&byte| byte == self.delimiters.field).count();
        if self.is_header() { separators + 1 } else { separators }
    }

    /// A field by its HL7 number, from 1; absent when the segment is shorter. In header segments
    /// field 1 is the separator and field 2 the encoding characters, which have no inner structure.
    pub fn field(&self, number: usize) -> Field<'a> {
        let (raw, atomic) = match (self.is_header(), number) {
            (_, 0) => ("", true),
            (true, 1) => (self.raw.get(3..4).unwrap_or(""), true),
            (true, n) => (self.nth_part(n - 1), n == 2),
            (false, n) => (self.nth_part(n), false),
        };
        Field { raw, atomic, delimiters: self.delimiters }
    }

    /// All fields with their numbers, in order.
    pub fn fields(&self) -> impl Iterator<Item = (usize, Field<'a>)> + use<'a> {
        let segment = *self;
        let skip = if segment.is_header() { 2 } else { 1 };
        let rest = segment.raw.split(char::from(segment.delimiters.field)).skip(1).enumerate();
        let separator = segment.is_header().then(|| (1, segment.field(1)));
        separator.into_iter().chain(rest.map(move |(at, raw)| {
            let number = at + skip;
            (number, Field { raw, atomic: segment.is_header() && number == 2, delimiters: segment.delimiters })
        }))
    }

    fn nth_part(&self, at: usize) -> &'a str {
        self.raw.split(char::from(self.delimiters.field)).nth(at).unwrap_or("")
    }
}

/// One field with its repetitions.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    raw: &'a str,
    atomic: bool,
    delimiters: Delimiters,
}

impl<'a> Field<'a> {
    /// As sent, all repetitions, escapes kept.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Absent, `""` or a value.
    pub fn state(&self) -> State {
        state_of(self.raw)
    }

    /// The repetitions in order; empty ones keep their place. An absent field has none.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'a>> + use<'a> {
        let (delimiters, atomic) = (self.delimiters, self.atomic);
        split(self.raw, delimiters.repetition.filter(|_| !atomic)).map(move |raw| Repetition { raw, atomic, delimiters })
    }

    /// A repetition by its place, from 0.
    pub fn repetition(&self, at: usize) -> Option<Repetition<'a>> {
        self.repetitions().nth(at)
    }

    /// A component of the first repetition, from 1; absent when it is not there.
    pub fn component(&self, number: usize) -> Part<'a> {
        self.repetition(0).map_or(Part { raw: "", delimiters: self.delimiters }, |repetition| repetition.component(number))
    }

    /// The first repetition's text with escapes resolved.
    pub fn text(&self) -> Cow<'a, str> {
        if self.atomic { Cow::Borrowed(self.raw) } else { escape::unescape(self.raw, &self.delimiters) }
    }
}

/// One repetition of a field.
#[derive(Debug, Clone, Copy)]
pub struct Repetition<'a> {
    raw: &'a str,
    atomic: bool,
    delimiters: Delimiters,
}

impl<'a> Repetition<'a> {
    /// As sent.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Absent, `""` or a value.
    pub fn state(&self) -> State {
        state_of(self.raw)
    }

    /// The components in order.
    pub fn components(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        let (delimiters, atomic) = (self.delimiters, self.atomic);
        split(self.raw, (!atomic).then_some(delimiters.component)).map(move |raw| Part { raw, delimiters })
    }

    /// A component by its number, from 1; absent when it is not there.
    pub fn component(&self, number: usize) -> Part<'a> {
        let absent = Part { raw: "", delimiters: self.delimiters };
        number.checked_sub(1).and_then(|at| self.components().nth(at)).unwrap_or(absent)
    }

    /// The text with escapes resolved.
    pub fn text(&self) -> Cow<'a, str> {
        if self.atomic { Cow::Borrowed(self.raw) } else { escape::unescape(self.raw, &self.delimiters) }
    }
}

/// A component or sub-component.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    raw: &'a str,
    delimiters: Delimiters,
}

impl<'a> Part<'a> {
    /// As sent.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Absent, `""` or a value.
    pub fn state(&self) -> State {
        state_of(self.raw)
    }

    /// Whether it ends in the truncation character the message states (2.7 and later).
    pub fn is_truncated(&self) -> bool {
        self.delimiters.truncation.is_some_and(|mark| self.raw.as_bytes().last() == Some(&mark))
    }

    /// The sub-components in order.
    pub fn subcomponents(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        let delimiters = self.delimiters;
        split(self.raw, delimiters.subcomponent).map(move |raw| Part { raw, delimiters })
    }

    /// A sub-component by its number, from 1; absent when it is not there.
    pub fn subcomponent(&self, number: usize) -> Part<'a> {
        let absent = Part { raw: "", delimiters: self.delimiters };
        number.checked_sub(1).and_then(|at| self.subcomponents().nth(at)).unwrap_or(absent)
    }

    /// The text with escapes resolved.
    pub fn text(&self) -> Cow<'a, str> {
        escape::unescape(self.raw, &self.delimiters)
    }
}

/// Splits at a delimiter; without one the whole is the only part; an empty text has no parts.
fn split(raw: &str, delimiter: Option<u8>) -> impl Iterator<Item = &str> {
    let mut rest = (!raw.is_empty()).then_some(raw);
    std::iter::from_fn(move || {
        let text = rest?;
        match delimiter.and_then(|byte| memchr::memchr(byte, text.as_bytes())) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "MSH|^~\\&|APP|FAC^1.2^ISO|||20260101||ADT^A01|M1|P|2.5\rPID|1||~123^^^H&1.2&ISO^MR~~456||DOE^\"\"\rOBX|1\rOBX|2|TX|a\\T\\b\r\r";

    #[test]
    fn numbering_follows_hl7() {
        let message = Message::parse(TEXT).unwrap();
        let names: Vec<_> = message.segments().map(|s| (s.name(), s.ordinal())).collect();
        assert_eq!(names, [("MSH", 1), ("PID", 1), ("OBX", 1), ("OBX", 2)]);
        let msh = message.segment("MSH").unwrap();
        assert_eq!((msh.field(1).raw(), msh.field(2).raw(), msh.field(3).raw()), ("|", "^~\\&", "APP"));
        assert_eq!(msh.field(2).component(1).raw(), "^~\\&", "the encoding characters have no inner structure");
        assert_eq!((msh.field_count(), msh.field(12).raw(), msh.field(13).state()), (12, "2.5", State::Absent));
        assert_eq!(msh.fields().map(|(n, _)| n).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    }

    #[test]
    fn repetitions_keep_their_place_and_states_differ() {
        let message = Message::parse(TEXT).unwrap();
        let pid = message.segment("PID").unwrap();
        let ids: Vec<_> = pid.field(3).repetitions().map(|r| r.component(1).raw()).collect();
        assert_eq!(ids, ["", "123", "", "456"]);
        assert_eq!(pid.field(3).repetition(1).unwrap().component(4).subcomponent(2).raw(), "1.2");
        assert_eq!(pid.field(5).component(2).state(), State::Null);
        assert_eq!(pid.field(2).state(), State::Absent);
        assert_eq!(message.segment_occurrence("OBX", 2).unwrap().field(3).text(), "a&b");
    }

    #[test]
    fn line_ends_are_told_apart_from_data() {
        let names = |text: &str| Message::parse(text).unwrap().segments().map(|s| s.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names("MSH|^~\\&|A\nPID|1\nPV1|1"), ["MSH", "PID", "PV1"]);
        assert_eq!(names("MSH|^~\\&|A\r\nPID|1\r\n\r\n"), ["MSH", "PID"]);
        assert_eq!(names("MSH|^~\\&|A\rPID|1\nPV1|1\r\n"), ["MSH", "PID", "PV1"], "mixed ends");
        let wrapped = Message::parse("MSH|^~\\&|A\rOBX|1|TX|x||line one\nline two||||||F\r").unwrap();
        assert_eq!(wrapped.segment("OBX").unwrap().field(5).raw(), "line one\nline two");
    }

    #[test]
    fn a_delimiter_that_is_not_stated_is_data() {
        let message = Message::parse("MSH|^~\\|APP\rPID|1||a&b").unwrap();
        assert_eq!(message.segment("PID").unwrap().field(3).component(1).subcomponent(1).raw(), "a&b");
    }
}
