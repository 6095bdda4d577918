//! The fields of one message, found once.

use std::borrow::Cow;

use memchr::memchr;
use sutura_hl7v2::{Delimiters, Message, escape};

use super::plan::Tag;

/// One segment: its name and where its fields are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub tag: Tag,
    /// Whether one of its fields may have several repetitions.
    pub repeats: bool,
    from: u32,
    to: u32,
}

/// The fields of one message as they were sent.
#[derive(Debug)]
pub(super) struct Index<'m> {
    pub segments: Vec<Segment>,
    fields: Vec<&'m str>,
    pub delimiters: Delimiters,
}

/// Longer lists of components are cut: no data type has as many.
pub(super) const MOST_PARTS: usize = 32;

impl<'m> Index<'m> {
    /// Finds the fields of a message.
    pub(super) fn new(message: &Message<'m>) -> Self {
        let delimiters = message.delimiters();
        let (mut segments, mut fields) = (Vec::with_capacity(message.segment_count()), Vec::with_capacity(message.text().len() / 6));
        for segment in message.raw_segments() {
            let from = fields.len() as u32;
            let mut rest = Some(segment);
            while let Some(text) = rest {
                let end = memchr(delimiters.field, text.as_bytes());
                fields.push(end.map_or(text, |end| &text[..end]));
                rest = end.map(|end| &text[end + 1..]);
            }
            let name = fields[from as usize].trim();
            let tag = <Tag>::try_from(name.as_bytes()).map_or(*b"???", |tag| tag.map(|byte| byte.to_ascii_uppercase()));
            if matches!(&tag, b"MSH" | b"FHS" | b"BHS") {
                // The separator is the first field.
                fields.insert(from as usize + 1, &segment[3..4]);
            }
            let repeats = delimiters.repetition.is_some_and(|byte| memchr(byte, segment.as_bytes()).is_some());
            segments.push(Segment { tag, repeats, from, to: fields.len() as u32 });
        }
        Self { segments, fields, delimiters }
    }

    /// The fields of a segment; the first is its name.
    pub(super) fn fields(&self, segment: usize) -> &[&'m str] {
        let Segment { from, to, .. } = self.segments[segment];
        &self.fields[from as usize..to as usize]
    }

    /// A field as sent, all repetitions; empty when it is not there or only deletes.
    pub(super) fn field(&self, segment: usize, number: u16) -> &'m str {
        let Segment { from, to, .. } = self.segments[segment];
        let at = from + u32::from(number);
        if at < to { stated(self.fields[at as usize]) } else { "" }
    }

    /// The repetitions of a field.
    pub(super) fn repetitions(&self, raw: &'m str) -> impl Iterator<Item = &'m str> + use<'m> {
        split(raw, self.delimiters.repetition)
    }

    /// The first repetition of a field, or one of its components.
    pub(super) fn first(&self, segment: usize, field: u16, component: u16) -> &'m str {
        let repetition = self.repetitions(self.field(segment, field)).next().unwrap_or("");
        self.component(repetition, component)
    }

    /// A component of a repetition; 0 is the whole.
    pub(super) fn component(&self, repetition: &'m str, component: u16) -> &'m str {
        match component {
            0 => stated(repetition),
            number => stated(split(repetition, Some(self.delimiters.component)).nth(usize::from(number) - 1).unwrap_or("")),
        }
    }

    /// The first part of a value at a level; empty when it only deletes.
    pub(super) fn head(&self, raw: &'m str, level: u8) -> &'m str {
        let end = self.separator(level).and_then(|separator| raw.bytes().position(|byte| byte == separator));
        stated(end.map_or(raw, |end| &raw[..end]))
    }

    /// What is between the parts of a value at a level.
    fn separator(&self, level: u8) -> Option<u8> {
        match level {
            0 => Some(self.delimiters.component),
            1 => self.delimiters.subcomponent,
            _ => None,
        }
    }

    /// The parts of a value at a level: 0 a repetition, 1 a component, more has none.
    pub(super) fn parts(&self, raw: &'m str, level: u8) -> Parts<'m> {
        let separator = self.separator(level);
        let mut parts = Parts { raw, starts: [0; MOST_PARTS + 1], count: 0, level };
        if raw.is_empty() {
            return parts;
        }
        let mut count = 1;
        if let Some(separator) = separator {
            for (at, byte) in raw.bytes().enumerate() {
                if byte == separator && count < MOST_PARTS {
                    parts.starts[count] = at as u32 + 1;
                    count += 1;
                }
            }
        }
        // One behind the separator that would end the last part.
        parts.starts[count] = raw.len() as u32 + 1;
        parts.count = count;
        parts
    }

    /// Text without escapes.
    pub(super) fn plain(&self, raw: &'m str) -> Cow<'m, str> {
        escape::unescape(raw, &self.delimiters)
    }
}

/// A value cut into its parts.
#[derive(Clone)]
pub(super) struct Parts<'m> {
    pub raw: &'m str,
    /// Where each part begins; one more than there are.
    starts: [u32; MOST_PARTS + 1],
    count: usize,
    pub level: u8,
}

impl<'m> Parts<'m> {
    /// A part by its number from 1; 0 is the whole. Empty when it is not there or only deletes.
    pub(super) fn get(&self, number: usize) -> &'m str {
        match number {
            0 => stated(self.raw),
            number => stated(self.part(number - 1)),
        }
    }

    /// What stands behind the last part that is looked at, and has parts itself.
    pub(super) fn beyond(&self, separator: u8) -> usize {
        if self.count < MOST_PARTS {
            return 0;
        }
        split(self.part(MOST_PARTS - 1), Some(separator)).skip(1).filter(|part| !part.is_empty()).count()
    }

    /// The numbers of the parts that hold something, `""` too.
    pub(super) fn populated(&self) -> u64 {
        (0..self.count).filter(|at| !self.part(*at).is_empty()).fold(0, |mask, at| mask | 1 << at)
    }

    fn part(&self, at: usize) -> &'m str {
        if at < self.count { &self.raw[self.starts[at] as usize..self.starts[at + 1] as usize - 1] } else { "" }
    }
}

/// Nothing, where the sender deletes.
fn stated(raw: &str) -> &str {
    if raw == "\"\"" { "" } else { raw }
}

/// Splits at a byte; an empty text has no parts.
pub(super) fn split(raw: &str, separator: Option<u8>) -> impl Iterator<Item = &str> {
    let mut rest = (!raw.is_empty()).then_some(raw);
    std::iter::from_fn(move || {
        let text = rest?;
        // Parts are short: a plain loop finds their ends sooner than a call.
        match separator.and_then(|byte| text.as_bytes().iter().position(|&other| other == byte)) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}
