//! Cutting one field, component or sub-component out of a segment, and making a cell of it.

use super::{Context, Facts, HeaderOffset, MSH, Work};
use crate::{
    escape, lex,
    tables::{
        columns::Cell,
        plan::{FieldSource, Group, Tag},
        spec::Kind,
    },
    timestamp::{self, TimestampValue},
};

impl Work {
    /// The separators of a segment, found once.
    pub(super) fn separators(&mut self, at: usize, bytes: &[u8], separator: u8) {
        let seg = &mut self.segs[at];
        if seg.fields_from == u32::MAX {
            let from = self.tape.len();
            seg.fields_from = from as u32;
            self.indexed.push(at as u32);
            self.tape.push(0);
            let segment = &bytes[seg.start as usize..seg.end as usize];
            lex::first_separators(segment, separator, self.separators_wanted, seg.start, &mut self.tape);
            self.tape[from] = (self.tape.len() - from - 1) as u32;
        }
    }

    /// The range of a field in the text, by its position among the separators.
    pub(super) fn field(&mut self, context: &Context<'_>, segment: u32, field: u16) -> Option<(u32, u32)> {
        self.separators(segment as usize, context.text.as_bytes(), context.delimiters.field);
        let seg = self.segs[segment as usize];
        let (number, first) = (usize::from(field), seg.fields_from as usize);
        let count = self.tape[first] as usize;
        if number == 0 || number > count {
            return None;
        }
        let from = self.tape[first + number] + 1;
        let to = if number < count { self.tape[first + number + 1] } else { seg.end };
        (to > from).then_some((from, to))
    }

    pub(super) fn cut_group(&mut self, context: &Context<'_>, group: &Group, cells: &mut [Cell], facts: &mut Facts, segment: u32) {
        let mut at = 0;
        while at < group.columns.len() {
            let (first, _) = group.columns[at];
            let same = group.columns[at..]
                .iter()
                .take_while(|(source, _)| (source.field, source.medical_record) == (first.field, first.medical_record))
                .count();
            let range = self.field(context, segment, first.field);
            let repetition = range.map(|range| Self::repetition(context, range, first.medical_record));
            for (source, out) in &group.columns[at..at + same] {
                cells[*out] = match (range, repetition) {
                    (Some(whole), _) if source.kind == Kind::AllText => self.all_text(context, whole),
                    (_, Some(repetition)) => self.part(context, *source, repetition, facts),
                    _ => Cell::Null,
                };
            }
            at += same;
        }
    }

    pub(super) fn cut(&mut self, context: &Context<'_>, source: FieldSource, facts: &mut Facts, segment: u32) -> Cell {
        let Some(range) = self.field(context, segment, source.field) else { return Cell::Null };
        if source.kind == Kind::AllText {
            return self.all_text(context, range);
        }
        let repetition = Self::repetition(context, range, source.medical_record);
        self.part(context, source, repetition, facts)
    }

    pub(super) fn simple(&mut self, context: &Context<'_>, name: Tag, field: u16, component: u8) -> Cell {
        let segment = if name == MSH { Some(0) } else { self.first(name) };
        let Some(range) = segment.and_then(|segment| self.field(context, segment, field)) else { return Cell::Null };
        let repetition = Self::repetition(context, range, false);
        match component_range(context, repetition, component) {
            Some(range) => self.text(context, range),
            None => Cell::Null,
        }
    }

    /// The first repetition, or the one of identifier type MR; with `medical_record` an empty
    /// first repetition is passed over.
    pub(super) fn repetition(context: &Context<'_>, (from, to): (u32, u32), medical_record: bool) -> (u32, u32) {
        let Some(separator) = context.delimiters.repetition else { return (from, to) };
        let field = &context.text.as_bytes()[from as usize..to as usize];
        let Some(first_end) = memchr::memchr(separator, field) else { return (from, to) };
        let first = (from, from + first_end as u32);
        if !medical_record {
            return first;
        }
        let mut fallback = None;
        let mut start = from;
        for part in field.split(|&byte| byte == separator) {
            let range = (start, start + part.len() as u32);
            start = range.1 + 1;
            if part.is_empty() || part[0] == context.delimiters.component {
                continue;
            }
            if component_range(context, range, 5).is_some_and(|(from, to)| &context.text.as_bytes()[from as usize..to as usize] == b"MR") {
                return range;
            }
            fallback.get_or_insert(range);
        }
        fallback.unwrap_or(first)
    }

    fn part(&mut self, context: &Context<'_>, source: FieldSource, repetition: (u32, u32), facts: &mut Facts) -> Cell {
        let Some(mut range) = component_range(context, repetition, source.component) else { return Cell::Null };
        if source.subcomponent > 0 {
            match subcomponent_range(context, range, source.subcomponent) {
                Some(part) => range = part,
                None => return Cell::Null,
            }
        }
        let raw = &context.text[range.0 as usize..range.1 as usize];
        match source.kind {
            Kind::Text | Kind::AllText | Kind::Computed(_) => self.text(context, range),
            Kind::Number => number(raw).map_or(Cell::Null, Cell::Number),
            Kind::Integer => raw.trim().parse().map_or(Cell::Null, Cell::Integer),
            Kind::DateTime => self.iso(component_only(context, raw)),
            Kind::Instant => self.instant(context, component_only(context, raw), facts),
        }
    }

    /// The text of a range with escapes resolved; empty and `""` are null.
    pub(super) fn text(&mut self, context: &Context<'_>, (from, to): (u32, u32)) -> Cell {
        let raw = &context.text[from as usize..to as usize];
        if raw.is_empty() || raw == "\"\"" {
            return Cell::Null;
        }
        match context.delimiters.escape {
            Some(mark) if memchr::memchr(mark, raw.as_bytes()).is_some() => {
                let start = self.scratch.len();
                escape::unescape_into(raw, &context.delimiters, &mut self.scratch, None);
                self.scratch_from(start)
            }
            _ => Cell::Text(from, to),
        }
    }

    /// All repetitions as text, one a line.
    pub(super) fn all_text(&mut self, context: &Context<'_>, (from, to): (u32, u32)) -> Cell {
        let raw = &context.text[from as usize..to as usize];
        match context.delimiters.repetition {
            Some(separator) if memchr::memchr(separator, raw.as_bytes()).is_some() => {
                let start = self.scratch.len();
                for (at, part) in raw.split(char::from(separator)).enumerate() {
                    if at > 0 {
                        self.scratch.push('\n');
                    }
                    escape::unescape_into(part, &context.delimiters, &mut self.scratch, None);
                }
                self.scratch_from(start)
            }
            _ => self.text(context, (from, to)),
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
        let (from, to) = self.field(context, 0, 6)?;
        match timestamp::parse(component_only(context, &context.text[from as usize..to as usize])) {
            TimestampValue::Value(value) => value.offset_minutes(),
            _ => None,
        }
    }

    /// What was added to the scratch buffer since it was `start` bytes long.
    pub(super) fn scratch_from(&self, start: usize) -> Cell {
        match (u32::try_from(start), u32::try_from(self.scratch.len())) {
            (Ok(from), Ok(to)) => Cell::Scratch(from, to),
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
            Cell::Text(from, to) => &context.text[from as usize..to as usize],
            Cell::Scratch(from, to) => &self.scratch[from as usize..to as usize],
            Cell::Static(word) => word,
            _ => "",
        }
    }
}

/// A component of a repetition; 0 is the whole repetition. `None` when it is absent or empty.
pub(super) fn component_range(context: &Context<'_>, (from, to): (u32, u32), component: u8) -> Option<(u32, u32)> {
    nth_range(context.text.as_bytes(), (from, to), context.delimiters.component, component)
}

fn subcomponent_range(context: &Context<'_>, range: (u32, u32), subcomponent: u8) -> Option<(u32, u32)> {
    match context.delimiters.subcomponent {
        Some(delimiter) => nth_range(context.text.as_bytes(), range, delimiter, subcomponent),
        None => (subcomponent == 1).then_some(range),
    }
}

fn nth_range(bytes: &[u8], (from, to): (u32, u32), delimiter: u8, number: u8) -> Option<(u32, u32)> {
    if number == 0 {
        return (to > from).then_some((from, to));
    }
    let part = &bytes[from as usize..to as usize];
    let mut start = 0usize;
    for _ in 1..number {
        start += part[start..].iter().position(|&byte| byte == delimiter)? + 1;
    }
    let length = part[start..].iter().position(|&byte| byte == delimiter).unwrap_or(part.len() - start);
    (length > 0).then_some((from + start as u32, from + (start + length) as u32))
}

/// The first component of a text: old timestamps carry their precision in a second one.
pub(super) fn component_only<'t>(context: &Context<'_>, raw: &'t str) -> &'t str {
    raw.split(char::from(context.delimiters.component)).next().unwrap_or(raw).trim()
}

/// A finite decimal number as HL7 NM states it.
pub(super) fn number(raw: &str) -> Option<f64> {
    let raw = raw.trim();
    let plain = !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    raw.parse::<f64>().ok().filter(|value| plain && value.is_finite())
}
