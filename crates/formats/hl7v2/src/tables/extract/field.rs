//! Cutting one field, component or sub-component out of a segment, and making a cell of it.

use std::num::NonZeroU64;

use super::{Context, Facts, HeaderOffset, MSH, Work};
use crate::{
    escape,
    lex::{self, Delimiters, Marks},
    tables::{
        columns::{Cell, Columns, place},
        plan::{FieldSource, Group, Tag},
        spec::Kind,
    },
    timestamp::{self, TimestampValue},
};

/// A stretch of the message text that is not empty. (Two words, so that it travels in registers.)
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    /// `to` in the upper half, `from` in the lower.
    place: NonZeroU64,
    /// Whether its segment holds escapes or repetitions anywhere: most hold none, and need no search in every value.
    marks: Marks,
}

impl Stretch {
    #[inline]
    fn new(from: u32, to: u32, marks: Marks) -> Option<Self> {
        let place = NonZeroU64::new(u64::from(to) << 32 | u64::from(from))?;
        (to > from).then_some(Self { place, marks })
    }

    #[inline]
    fn from(self) -> u32 {
        self.place.get() as u32
    }

    #[inline]
    fn to(self) -> u32 {
        (self.place.get() >> 32) as u32
    }

    pub(super) fn of(self, text: &str) -> &str {
        &text[self.from() as usize..self.to() as usize]
    }

    #[inline]
    fn bytes(self, text: &str) -> &[u8] {
        &text.as_bytes()[self.from() as usize..self.to() as usize]
    }

    pub(super) fn cell(self) -> Cell {
        Cell::Text(self.place.get())
    }
}

/// In the first number of a segment's tape the count has the lower bits, the marks the upper two.
const MARKS_AT: u32 = 30;

impl Work {
    /// The separators of a segment, found once.
    pub(super) fn separators(&mut self, at: usize, bytes: &[u8], delimiters: &Delimiters) {
        let seg = &mut self.segs[at];
        if seg.fields_from == u32::MAX {
            let from = self.tape.len();
            seg.fields_from = from as u32;
            self.indexed.push(at as u32);
            self.tape.push(0);
            let segment = &bytes[seg.start as usize..seg.end as usize];
            let marks = lex::segment_fields(segment, delimiters, self.separators_wanted, seg.start, &mut self.tape);
            let count = (self.tape.len() - from - 1) as u32;
            self.tape[from] = count | marks.bits() << MARKS_AT;
        }
    }

    /// A field of a segment, by its position among the separators.
    pub(super) fn field(&mut self, context: &Context<'_>, segment: u32, field: u16) -> Option<Stretch> {
        self.separators(segment as usize, context.text.as_bytes(), &context.delimiters);
        let seg = self.segs[segment as usize];
        let (number, tape) = (usize::from(field), &self.tape[seg.fields_from as usize..]);
        let count = (tape[0] & ((1 << MARKS_AT) - 1)) as usize;
        if number == 0 || number > count {
            return None;
        }
        let from = tape[number] + 1;
        let to = if number < count { tape[number + 1] } else { seg.end };
        Stretch::new(from, to, Marks::from_bits(tape[0] >> MARKS_AT))
    }

    /// Cuts the columns that come from one segment. They are sorted by field and component, and cut in one walk.
    pub(super) fn cut_group(&mut self, context: &Context<'_>, group: &Group, columns: &mut Columns, facts: &mut Facts, segment: u32) {
        let mut rest = group.columns.as_slice();
        while let [(first, _), ..] = rest {
            let same = rest.iter().take_while(|(source, _)| (source.field, source.medical_record) == (first.field, first.medical_record));
            let (of_field, others) = rest.split_at(same.count());
            rest = others;
            let Some(whole) = self.field(context, segment, first.field) else {
                for (_, out) in of_field {
                    columns.set(*out, Cell::Null, (context.text, &self.scratch));
                }
                continue;
            };
            let repetition = Self::repetition(context, whole, first.medical_record);
            let mut components = Components::of(repetition);
            for (source, out) in of_field {
                let cell = if source.kind == Kind::AllText {
                    self.all_text(context, whole)
                } else {
                    match components.nth(context, source.component) {
                        Some(component) => self.part(context, *source, component, facts),
                        None => Cell::Null,
                    }
                };
                columns.set(*out, cell, (context.text, &self.scratch));
            }
        }
    }

    pub(super) fn cut(&mut self, context: &Context<'_>, source: FieldSource, facts: &mut Facts, segment: u32) -> Cell {
        let Some(whole) = self.field(context, segment, source.field) else { return Cell::Null };
        if source.kind == Kind::AllText {
            return self.all_text(context, whole);
        }
        let repetition = Self::repetition(context, whole, source.medical_record);
        match component(context, repetition, source.component) {
            Some(component) => self.part(context, source, component, facts),
            None => Cell::Null,
        }
    }

    pub(super) fn simple(&mut self, context: &Context<'_>, name: Tag, field: u16, number: u8) -> Cell {
        let segment = if name == MSH { Some(0) } else { self.first(name) };
        let Some(whole) = segment.and_then(|segment| self.field(context, segment, field)) else { return Cell::Null };
        match component(context, Self::repetition(context, whole, false), number) {
            Some(component) => self.text(context, component),
            None => Cell::Null,
        }
    }

    /// The first repetition, or the one of identifier type MR; with `medical_record` an empty
    /// first repetition is passed over.
    pub(super) fn repetition(context: &Context<'_>, field: Stretch, medical_record: bool) -> Option<Stretch> {
        let Some(separator) = context.delimiters.repetition.filter(|_| field.marks.repeats()) else { return Some(field) };
        let bytes = field.bytes(context.text);
        let Some(first_end) = memchr::memchr(separator, bytes) else { return Some(field) };
        let first = Stretch::new(field.from(), field.from() + first_end as u32, field.marks);
        if !medical_record {
            return first;
        }
        let mut fallback = None;
        let mut start = field.from();
        for part in bytes.split(|&byte| byte == separator) {
            let repetition = Stretch::new(start, start + part.len() as u32, field.marks);
            start += part.len() as u32 + 1;
            let Some(repetition) = repetition.filter(|_| part[0] != context.delimiters.component) else { continue };
            if component(context, Some(repetition), 5).is_some_and(|kind| kind.bytes(context.text) == b"MR") {
                return Some(repetition);
            }
            fallback.get_or_insert(repetition);
        }
        fallback.or(first)
    }

    /// The cell of a component, or of the sub-component that is wanted of it.
    fn part(&mut self, context: &Context<'_>, source: FieldSource, component: Stretch, facts: &mut Facts) -> Cell {
        let part = match (source.subcomponent, context.delimiters.subcomponent) {
            (0, _) | (1, None) => component,
            (_, None) => return Cell::Null,
            (number, Some(delimiter)) => match nth(context, component, delimiter, number) {
                Some(part) => part,
                None => return Cell::Null,
            },
        };
        match source.kind {
            Kind::Text | Kind::AllText | Kind::Computed(_) => self.text(context, part),
            Kind::Number => number(part.of(context.text)).map_or(Cell::Null, Cell::number),
            Kind::Integer => part.of(context.text).trim().parse().map_or(Cell::Null, Cell::Integer),
            Kind::DateTime => self.iso(component_only(context, part.of(context.text))),
            Kind::Instant => self.instant(context, component_only(context, part.of(context.text)), facts),
        }
    }

    /// The text of a stretch with escapes resolved; empty and `""` are null.
    pub(super) fn text(&mut self, context: &Context<'_>, part: Stretch) -> Cell {
        let bytes = part.bytes(context.text);
        if bytes == b"\"\"" {
            return Cell::Null;
        }
        match context.delimiters.escape {
            Some(mark) if part.marks.escapes() && memchr::memchr(mark, bytes).is_some() => {
                let start = self.scratch.len();
                escape::unescape_into(part.of(context.text), &context.delimiters, &mut self.scratch, None);
                self.scratch_from(start)
            }
            _ => part.cell(),
        }
    }

    /// All repetitions as text, one a line.
    pub(super) fn all_text(&mut self, context: &Context<'_>, field: Stretch) -> Cell {
        match context.delimiters.repetition {
            Some(separator) if field.marks.repeats() && memchr::memchr(separator, field.bytes(context.text)).is_some() => {
                let start = self.scratch.len();
                for (at, part) in field.of(context.text).split(char::from(separator)).enumerate() {
                    if at > 0 {
                        self.scratch.push('\n');
                    }
                    escape::unescape_into(part, &context.delimiters, &mut self.scratch, None);
                }
                self.scratch_from(start)
            }
            _ => self.text(context, field),
        }
    }

    pub(super) fn iso(&mut self, raw: &str) -> Cell {
        self.iso.clear();
        if !timestamp::write_iso(raw.as_bytes(), &mut self.iso) {
            return Cell::Null;
        }
        let start = self.scratch.len();
        self.scratch.push_str(std::str::from_utf8(&self.iso).unwrap_or_default());
        self.scratch_from(start)
    }

    /// The instant of a timestamp: its own offset, else MSH-7's, else the feed's stated zone.
    pub(super) fn instant(&mut self, context: &Context<'_>, raw: &str, facts: &mut Facts) -> Cell {
        let TimestampValue::Value(value) = timestamp::parse(raw) else { return Cell::Null };
        if value.offset_minutes().is_some() {
            return value.instant(None).map_or(Cell::Null, |instant| Cell::Integer(instant.timestamp_micros()));
        }
        if facts.header_offset == HeaderOffset::NotRead {
            facts.header_offset = self.header_offset(context).map_or(HeaderOffset::Absent, HeaderOffset::Minutes);
        }
        let instant = match facts.header_offset {
            HeaderOffset::Minutes(minutes) => value.instant(Some(minutes)),
            _ => context.zone.instant(&value),
        };
        instant.map_or(Cell::Null, |instant| Cell::Integer(instant.timestamp_micros()))
    }

    pub(super) fn header_offset(&mut self, context: &Context<'_>) -> Option<i16> {
        let sent = self.field(context, 0, 6)?;
        match timestamp::parse(component_only(context, sent.of(context.text))) {
            TimestampValue::Value(value) => value.offset_minutes(),
            _ => None,
        }
    }

    /// What was added to the scratch buffer since it was `start` bytes long.
    pub(super) fn scratch_from(&self, start: usize) -> Cell {
        match (u32::try_from(start), u32::try_from(self.scratch.len())) {
            (Ok(from), Ok(to)) => Cell::scratch(from, to),
            _ => Cell::Null,
        }
    }

    /// Copies text into the scratch buffer.
    pub(super) fn keep(&mut self, text: &str) -> Cell {
        let start = self.scratch.len();
        self.scratch.push_str(text);
        self.scratch_from(start)
    }

    pub(super) fn cell_text<'t>(&'t self, context: &Context<'t>, cell: Cell) -> &'t str {
        match cell {
            Cell::Text(at) => &context.text[place(at)],
            Cell::Scratch(at) => &self.scratch[place(at)],
            Cell::Static(word) => word,
            _ => "",
        }
    }
}

/// The components of a repetition, walked once from the left.
struct Components {
    repetition: Option<Stretch>,
    /// The component the walk is at, from 1; 0 before the first.
    number: u8,
    current: Option<Stretch>,
    /// Where the next one begins; past the end when there is none.
    next: u32,
}

impl Components {
    #[inline]
    fn of(repetition: Option<Stretch>) -> Self {
        Self { repetition, number: 0, current: None, next: repetition.map_or(0, Stretch::from) }
    }

    /// A component, not before the last one asked for; 0 is the whole repetition. `None` when it is absent or empty.
    #[inline]
    fn nth(&mut self, context: &Context<'_>, number: u8) -> Option<Stretch> {
        let repetition = self.repetition?;
        if number == 0 {
            return Some(repetition);
        }
        while self.number < number {
            if self.next > repetition.to() {
                return None;
            }
            let (from, end) = (self.next as usize, repetition.to() as usize);
            let to = lex::find(context.text.as_bytes(), context.delimiters.component, from, end) as u32;
            self.current = Stretch::new(self.next, to, repetition.marks);
            self.next = to + 1;
            self.number += 1;
        }
        self.current
    }
}

/// A component of a repetition; 0 is the whole repetition. `None` when it is absent or empty.
pub(super) fn component(context: &Context<'_>, repetition: Option<Stretch>, number: u8) -> Option<Stretch> {
    Components::of(repetition).nth(context, number)
}

/// A part between delimiters, from 1. `None` when it is absent or empty.
pub(super) fn nth(context: &Context<'_>, of: Stretch, delimiter: u8, number: u8) -> Option<Stretch> {
    let bytes = of.bytes(context.text);
    let mut start = 0;
    for _ in 1..number {
        start += bytes[start..].iter().position(|&byte| byte == delimiter)? + 1;
    }
    let length = bytes[start..].iter().position(|&byte| byte == delimiter).unwrap_or(bytes.len() - start);
    let from = of.from() + start as u32;
    Stretch::new(from, from + length as u32, of.marks)
}

/// The first component of a text: old timestamps carry their precision in a second one.
pub(super) fn component_only<'t>(context: &Context<'_>, raw: &'t str) -> &'t str {
    let end = raw.bytes().position(|byte| byte == context.delimiters.component).unwrap_or(raw.len());
    raw[..end].trim()
}

/// A finite decimal number as HL7 NM states it.
pub(super) fn number(raw: &str) -> Option<f64> {
    let raw = raw.trim();
    let plain = !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    raw.parse::<f64>().ok().filter(|value| plain && value.is_finite())
}
