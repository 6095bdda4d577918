//! Cutting the cells of a row out of a message.
//!
//! The hot path: one walk over the segments feeds every requested table. A segment's field
//! separators are found at most once, and only when a column asks for that segment.

use std::{collections::HashMap, fmt::Write as _};

use sutura_core::{Decoded, DecodedSink, Finding, FormatError, Sha256Hash};

use super::{
    columns::Cell,
    plan::{At, FieldSource, Group, Plan, TablePlan, Tag, tag},
    spec::{Computed, Kind, ObxPart, Rows},
};
use crate::{
    defs, escape, lex,
    lex::Delimiters,
    options::Zone,
    timestamp::{self, TimestampValue},
    validate::shown_name,
};

const MSH: Tag = tag(b"MSH");
const PID: Tag = tag(b"PID");
const PV1: Tag = tag(b"PV1");
const ORC: Tag = tag(b"ORC");
const OBR: Tag = tag(b"OBR");
const OBX: Tag = tag(b"OBX");
const NTE: Tag = tag(b"NTE");
const EVN: Tag = tag(b"EVN");
const TXA: Tag = tag(b"TXA");

/// One segment of the current message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seg {
    pub start: u32,
    pub end: u32,
    pub tag: Tag,
    /// Where its separators stand in the tape, their number first; `u32::MAX` until they are asked for.
    fields_from: u32,
}

/// Bytes the scratch buffer and the tape may take within a message before they are begun anew.
const BUFFERS: usize = 4 << 20;
/// A message in which they last for fewer segments than this gets larger ones.
const SEGMENTS_BETWEEN: usize = 1024;
/// Buffers that one large message made larger than this are given back.
const KEPT_BETWEEN_MESSAGES: usize = 1 << 20;

/// The segments of the current message and buffers that are reused for every message.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub segs: Vec<Seg>,
    /// Positions of field separators, of the segments in `indexed`.
    tape: Vec<u32>,
    indexed: Vec<u32>,
    /// Separators of a segment that anybody wants to know.
    separators_wanted: usize,
    /// Text that does not stand in the message as the column has it.
    scratch: String,
    iso: Vec<u8>,
    /// What `tape` and `scratch` may take, and the segment at which they were begun anew.
    limit: usize,
    begun_at: usize,
}

/// What is known about the current message beside its text.
#[derive(Debug)]
pub(crate) struct Context<'m> {
    pub source: &'m str,
    pub offset: u64,
    pub length: u64,
    /// The bytes as they stand in the source, for the hash.
    pub raw: &'m [u8],
    pub text: &'m str,
    pub delimiters: Delimiters,
    pub character_set: &'static str,
    pub findings: &'m [Finding],
    pub zone: &'m Zone,
}

/// The orders and patient in force while walking.
#[derive(Debug, Clone, Copy, Default)]
struct InForce {
    pid: Option<u32>,
    pv1: Option<u32>,
    orc: Option<u32>,
    obr: Option<u32>,
    orc_has_obr: bool,
    /// The last segment that is no note, and its place among those of its name.
    commented: Option<(u32, i64)>,
}

impl InForce {
    fn pass(&mut self, at: u32, tag: Tag) {
        match tag {
            PID => *self = Self { pid: Some(at), commented: self.commented, ..Self::default() },
            PV1 => self.pv1 = Some(at),
            ORC => (self.orc, self.obr, self.orc_has_obr) = (Some(at), None, false),
            OBR => {
                if self.orc_has_obr {
                    self.orc = None;
                }
                (self.obr, self.orc_has_obr) = (Some(at), self.orc.is_some());
            }
            _ => {}
        }
    }
}

/// Facts of the message that several columns share, found once.
#[derive(Debug, Clone, Copy)]
struct Facts {
    message_type: Cell,
    trigger: Cell,
    /// MSH-7's offset, read when an instant asks for it.
    header_offset: HeaderOffset,
    sha256: Cell,
    source: Cell,
}

/// The offset that MSH-7 states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeaderOffset {
    NotRead,
    Absent,
    Minutes(i16),
}

impl Work {
    /// For columns of fields up to `highest_field`.
    pub(crate) fn new(highest_field: u16) -> Self {
        Self { separators_wanted: usize::from(highest_field) + 1, ..Self::default() }
    }

    /// Forgets the message before. The segments of the next one follow ([`Work::add`]).
    pub(crate) fn begin(&mut self) {
        fn empty<T>(buffer: &mut Vec<T>) {
            buffer.clear();
            buffer.shrink_to(KEPT_BETWEEN_MESSAGES / size_of::<T>());
        }
        empty(&mut self.segs);
        empty(&mut self.tape);
        empty(&mut self.indexed);
        self.scratch.clear();
        self.scratch.shrink_to(KEPT_BETWEEN_MESSAGES);
        (self.limit, self.begun_at) = (BUFFERS, 0);
    }

    /// Takes the next segment: bytes `start..end` of the message.
    pub(crate) fn add(&mut self, bytes: &[u8], start: u32, end: u32, delimiters: Delimiters) {
        let name = match &bytes[start as usize..end as usize] {
            [a, b, c] => tag(&[*a, *b, *c]),
            [a, b, c, next, ..] if *next == delimiters.field => tag(&[*a, *b, *c]),
            _ => 0,
        };
        self.segs.push(Seg { start, end, tag: name, fields_from: u32::MAX });
    }

    /// Finds the field separators of every segment and counts them: the full index, for those who want all of it.
    pub(crate) fn index_all(&mut self, text: &str, delimiters: Delimiters) -> usize {
        for at in 0..self.segs.len() {
            self.separators(at, text.as_bytes(), delimiters.field);
        }
        self.tape.len() - self.segs.len()
    }

    /// Adds the rows of the message to every requested table. Batches that are full go out at once.
    pub(crate) fn extract(&mut self, context: &Context<'_>, plan: &mut Plan, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let mut facts = self.facts(context, plan);
        let facts_end = self.scratch.len();
        let mut force = InForce::default();
        for table in &mut plan.tables {
            table.forget_cells();
            match table.rows {
                Rows::Message => self.row(context, table, &mut facts, force, 0, out)?,
                Rows::Findings => self.finding_rows(context, table, &mut facts, out)?,
                Rows::LongForm => self.long_form(context, table, &mut facts, out)?,
                _ => {}
            }
        }
        let counts_notes = plan.computes(|computed| matches!(computed, Computed::NoteParent | Computed::NoteParentOrdinal));
        let mut counts: HashMap<Tag, i64> = HashMap::new();
        for at in 0..self.segs.len() {
            let name = self.segs[at].tag;
            force.pass(at as u32, name);
            if counts_notes && name != NTE {
                let count = counts.entry(name).or_default();
                *count += 1;
                force.commented = Some((at as u32, *count));
            }
            for table in &mut plan.tables {
                if !table.row_tags.contains(&name) {
                    continue;
                }
                match table.rows {
                    Rows::Orders => self.order_row(context, table, &mut facts, force, at as u32, out)?,
                    Rows::Immunizations if !self.is_type(context, facts.message_type, "VXU") => {}
                    Rows::Segments(_) if name == tag(b"RXA") && self.is_type(context, facts.message_type, "VXU") => {}
                    _ => self.row(context, table, &mut facts, force, at as u32, out)?,
                }
            }
            if self.scratch.len() + self.tape.len() * size_of::<u32>() > self.limit {
                self.begin_buffers_anew(plan, facts_end, at);
            }
        }
        Ok(())
    }

    /// Forgets what was cut for the rows so far, but not the facts: a message of a million rows must not hold the text of them all.
    fn begin_buffers_anew(&mut self, plan: &mut Plan, facts_end: usize, at: usize) {
        if at - self.begun_at < SEGMENTS_BETWEEN {
            // What is cut again for every row is large: cutting it ever again would take for ever.
            self.limit = self.limit.saturating_mul(2);
        }
        self.begun_at = at;
        self.scratch.truncate(facts_end);
        self.tape.clear();
        for segment in self.indexed.drain(..) {
            self.segs[segment as usize].fields_from = u32::MAX;
        }
        for table in &mut plan.tables {
            table.forget_cells();
        }
    }

    fn facts(&mut self, context: &Context<'_>, plan: &Plan) -> Facts {
        let message_type = self.simple(context, MSH, 8, 1);
        let trigger = match self.simple(context, MSH, 8, 2) {
            Cell::Null => self.simple(context, EVN, 1, 1),
            stated => stated,
        };
        let sha256 = if plan.computes(|computed| computed == Computed::Sha256) {
            let hex = Sha256Hash::of(context.raw).to_hex();
            self.keep(std::str::from_utf8(&hex).unwrap_or_default())
        } else {
            Cell::Null
        };
        let source = if plan.computes(|computed| computed == Computed::Source) { self.keep(context.source) } else { Cell::Null };
        Facts { message_type, trigger, header_offset: HeaderOffset::NotRead, sha256, source }
    }

    fn row(
        &mut self,
        context: &Context<'_>,
        table: &mut TablePlan,
        facts: &mut Facts,
        force: InForce,
        row: u32,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        self.fill(context, table, facts, force, row);
        self.append(context, table, out)
    }

    /// Adds the filled cells as a row; the batch goes out when it is full.
    fn append(&self, context: &Context<'_>, table: &mut TablePlan, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let full = table.columns.append(&table.cells, context.text, &self.scratch);
        if full { out.emit(Decoded::Batch { request: table.request, batch: table.columns.finish()? }) } else { Ok(()) }
    }

    /// Fills the cells of one row.
    fn fill(&mut self, context: &Context<'_>, table: &mut TablePlan, facts: &mut Facts, force: InForce, row: u32) {
        for at in 0..table.groups.len() {
            let segment = self.find(table.groups[at].at, &table.row_tags, force, row);
            let group = &mut table.groups[at];
            match segment {
                Some(segment) if group.cut_from == segment => {}
                Some(segment) => {
                    group.cut_from = segment;
                    self.cut_group(context, group, &mut table.cells, facts, segment);
                }
                None => {
                    group.cut_from = u32::MAX;
                    for (_, out) in &group.columns {
                        table.cells[*out] = Cell::Null;
                    }
                }
            }
        }
        for (sources, out) in &table.choices {
            table.cells[*out] = Cell::Null;
            for source in sources {
                let Some(segment) = self.find(source.at, &table.row_tags, force, row) else { continue };
                let cell = self.cut(context, source.field, facts, segment);
                if cell != Cell::Null {
                    table.cells[*out] = cell;
                    break;
                }
            }
        }
        if table.computed.is_empty() {
            return;
        }
        let observation =
            table.computed.iter().any(|(computed, _)| matches!(computed, Computed::Obx(_))).then(|| self.observation(context, row));
        for at in 0..table.computed.len() {
            let (computed, out) = table.computed[at];
            table.cells[out] = match (computed, observation) {
                (Computed::Obx(part), Some(observation)) => observation.part(part),
                _ => self.compute(context, computed, facts, force, row),
            };
        }
    }

    fn find(&self, at: At, row_tags: &[Tag], force: InForce, row: u32) -> Option<u32> {
        match at {
            At::Row(name) => (self.segs[row as usize].tag == name).then_some(row),
            At::First(MSH) => Some(0),
            At::First(name) => self.first(name),
            At::Pid => force.pid,
            At::Pv1 => force.pv1,
            At::Orc => force.orc,
            At::Obr => force.obr,
            At::Following(name) => {
                let rest = self.segs[row as usize + 1..].iter();
                let before_next = rest.take_while(|seg| !row_tags.contains(&seg.tag) && seg.tag != ORC && seg.tag != PID);
                before_next.enumerate().find(|(_, seg)| seg.tag == name).map(|(distance, _)| row + 1 + distance as u32)
            }
        }
    }

    fn first(&self, name: Tag) -> Option<u32> {
        self.segs.iter().position(|seg| seg.tag == name).map(|at| at as u32)
    }

    /// An order's row stands at its ORC, or at an OBR that has none.
    fn order_row(
        &mut self,
        context: &Context<'_>,
        table: &mut TablePlan,
        facts: &mut Facts,
        mut force: InForce,
        row: u32,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        if self.segs[row as usize].tag == OBR {
            if force.orc.is_some() {
                return Ok(());
            }
        } else {
            let rest = self.segs[row as usize + 1..].iter().take_while(|seg| seg.tag != ORC && seg.tag != PID).enumerate();
            force.obr = rest.into_iter().find(|(_, seg)| seg.tag == OBR).map(|(distance, _)| row + 1 + distance as u32);
        }
        self.row(context, table, facts, force, row, out)
    }

    /// The separators of a segment, found once.
    fn separators(&mut self, at: usize, bytes: &[u8], separator: u8) {
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
    fn field(&mut self, context: &Context<'_>, segment: u32, field: u16) -> Option<(u32, u32)> {
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

    fn cut_group(&mut self, context: &Context<'_>, group: &Group, cells: &mut [Cell], facts: &mut Facts, segment: u32) {
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

    fn cut(&mut self, context: &Context<'_>, source: FieldSource, facts: &mut Facts, segment: u32) -> Cell {
        let Some(range) = self.field(context, segment, source.field) else { return Cell::Null };
        if source.kind == Kind::AllText {
            return self.all_text(context, range);
        }
        let repetition = Self::repetition(context, range, source.medical_record);
        self.part(context, source, repetition, facts)
    }

    fn simple(&mut self, context: &Context<'_>, name: Tag, field: u16, component: u8) -> Cell {
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
    fn repetition(context: &Context<'_>, (from, to): (u32, u32), medical_record: bool) -> (u32, u32) {
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
    fn text(&mut self, context: &Context<'_>, (from, to): (u32, u32)) -> Cell {
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
    fn all_text(&mut self, context: &Context<'_>, (from, to): (u32, u32)) -> Cell {
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

    fn iso(&mut self, raw: &str) -> Cell {
        self.iso.clear();
        if !timestamp::write_iso(raw.as_bytes(), &mut self.iso) {
            return Cell::Null;
        }
        let start = self.scratch.len();
        self.scratch.push_str(std::str::from_utf8(&self.iso).unwrap_or_default());
        self.scratch_from(start)
    }

    /// The instant of a timestamp: its own offset, else MSH-7's, else the feed's stated zone.
    fn instant(&mut self, context: &Context<'_>, raw: &str, facts: &mut Facts) -> Cell {
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

    fn header_offset(&mut self, context: &Context<'_>) -> Option<i16> {
        let (from, to) = self.field(context, 0, 6)?;
        match timestamp::parse(component_only(context, &context.text[from as usize..to as usize])) {
            TimestampValue::Value(value) => value.offset_minutes(),
            _ => None,
        }
    }

    /// What was added to the scratch buffer since it was `start` bytes long.
    fn scratch_from(&self, start: usize) -> Cell {
        match (u32::try_from(start), u32::try_from(self.scratch.len())) {
            (Ok(from), Ok(to)) => Cell::Scratch(from, to),
            _ => Cell::Null,
        }
    }

    /// Copies text into the scratch buffer.
    fn keep(&mut self, text: &str) -> Cell {
        let start = self.scratch.len();
        self.scratch.push_str(text);
        self.scratch_from(start)
    }

    fn cell_text<'t>(&'t self, context: &Context<'t>, cell: Cell) -> &'t str {
        match cell {
            Cell::Text(from, to) => &context.text[from as usize..to as usize],
            Cell::Scratch(from, to) => &self.scratch[from as usize..to as usize],
            Cell::Static(word) => word,
            _ => "",
        }
    }

    fn is_type(&self, context: &Context<'_>, message_type: Cell, wanted: &str) -> bool {
        self.cell_text(context, message_type) == wanted
    }

    fn compute(&mut self, context: &Context<'_>, computed: Computed, facts: &Facts, force: InForce, row: u32) -> Cell {
        match computed {
            Computed::Source => facts.source,
            Computed::Offset => Cell::Integer(context.offset as i64),
            Computed::Length => Cell::Integer(context.length as i64),
            Computed::Sha256 => facts.sha256,
            Computed::MessageType => facts.message_type,
            Computed::TriggerEvent => facts.trigger,
            Computed::MessageStructure => self.structure(context, facts),
            Computed::CharacterSet => Cell::Static(context.character_set),
            Computed::SegmentCount => Cell::Integer(self.segs.len() as i64),
            Computed::ObservationCount => Cell::Integer(self.count(OBX)),
            Computed::LabResultCount => self.lab_results(context, facts),
            Computed::ZSegmentCount => {
                let is_z = |seg: &&Seg| context.text.as_bytes().get(seg.start as usize) == Some(&b'Z');
                Cell::Integer(self.segs.iter().filter(is_z).count() as i64)
            }
            Computed::MissingSegments => self.missing_segments(context, facts),
            Computed::KnownMessageType => {
                let (message_type, trigger) = (self.cell_text(context, facts.message_type), self.cell_text(context, facts.trigger));
                Cell::Flag(defs::known_message_type(message_type, trigger))
            }
            Computed::RowSegment => {
                let start = self.segs[row as usize].start;
                Cell::Text(start, start + 3)
            }
            Computed::DeletedFields => self.deleted_fields(context, row),
            Computed::DocumentText => self.document_text(context, row),
            Computed::NoteParent => match force.commented {
                Some((parent, _)) => {
                    let seg = self.segs[parent as usize];
                    let raw = &context.text[seg.start as usize..seg.end as usize];
                    let name = raw.split(char::from(context.delimiters.field)).next().unwrap_or("").trim_end();
                    // A wrapped line has no name, and its first bytes may be anything.
                    if shown_name(name) == name { Cell::Text(seg.start, seg.start + name.len() as u32) } else { Cell::Static("?") }
                }
                None => Cell::Null,
            },
            Computed::NoteParentOrdinal => force.commented.map_or(Cell::Null, |(_, ordinal)| Cell::Integer(ordinal)),
            // Filled by the row makers that own them.
            Computed::Obx(_)
            | Computed::LongSegment
            | Computed::LongOrdinal
            | Computed::LongField
            | Computed::LongRepetition
            | Computed::LongComponent
            | Computed::LongSubcomponent
            | Computed::LongPath
            | Computed::LongValue
            | Computed::LongState
            | Computed::FindingCode
            | Computed::FindingSeverity
            | Computed::FindingLocation
            | Computed::FindingMessage => Cell::Null,
        }
    }

    fn count(&self, name: Tag) -> i64 {
        self.segs.iter().filter(|seg| seg.tag == name).count() as i64
    }

    fn structure(&mut self, context: &Context<'_>, facts: &Facts) -> Cell {
        let stated = self.simple(context, MSH, 8, 3);
        if stated != Cell::Null {
            return stated;
        }
        let (message_type, trigger) = (self.cell_text(context, facts.message_type), self.cell_text(context, facts.trigger));
        defs::structure(message_type, trigger).map_or(Cell::Null, |structure| Cell::Static(structure.name))
    }

    fn lab_results(&mut self, context: &Context<'_>, facts: &Facts) -> Cell {
        if !matches!(self.cell_text(context, facts.message_type), "ORU" | "OUL" | "OML") {
            return Cell::Integer(0);
        }
        let mut results = 0;
        for at in 0..self.segs.len() as u32 {
            if self.segs[at as usize].tag == OBX && self.field(context, at, 5).is_some() {
                results += 1;
            }
        }
        Cell::Integer(results)
    }

    fn missing_segments(&mut self, context: &Context<'_>, facts: &Facts) -> Cell {
        let (message_type, trigger) = (self.cell_text(context, facts.message_type), self.cell_text(context, facts.trigger));
        let Some(required) = defs::required_segments(message_type, trigger) else { return Cell::Null };
        let start = self.scratch.len();
        for name in required {
            if self.first(tag(name.as_bytes())).is_none() {
                if self.scratch.len() > start {
                    self.scratch.push(',');
                }
                self.scratch.push_str(name);
            }
        }
        if self.scratch.len() > start { self.scratch_from(start) } else { Cell::Null }
    }

    /// The paths of the row's segment that were sent as `""`.
    fn deleted_fields(&mut self, context: &Context<'_>, row: u32) -> Cell {
        let seg = self.segs[row as usize];
        let raw = &context.text[seg.start as usize..seg.end as usize];
        if memchr::memmem::find(raw.as_bytes(), b"\"\"").is_none() {
            return Cell::Null;
        }
        let start = self.scratch.len();
        let name = &raw[..3.min(raw.len())];
        for (number, field) in raw.split(char::from(context.delimiters.field)).enumerate().skip(1) {
            let mut note = |component: Option<usize>| {
                if self.scratch.len() > start {
                    self.scratch.push(',');
                }
                let _ = write!(self.scratch, "{name}-{number}");
                if let Some(component) = component {
                    let _ = write!(self.scratch, ".{component}");
                }
            };
            if field == "\"\"" {
                note(None);
                continue;
            }
            let first = context.delimiters.repetition.and_then(|separator| field.split(char::from(separator)).next()).unwrap_or(field);
            for (component, part) in first.split(char::from(context.delimiters.component)).enumerate() {
                if part == "\"\"" {
                    note(Some(component + 1));
                }
            }
        }
        if self.scratch.len() > start { self.scratch_from(start) } else { Cell::Null }
    }

    /// The text of the OBX segments that follow a TXA.
    fn document_text(&mut self, context: &Context<'_>, row: u32) -> Cell {
        let mut content = String::new();
        for at in row + 1..self.segs.len() as u32 {
            match self.segs[at as usize].tag {
                TXA => break,
                OBX => {}
                _ => continue,
            }
            let is_text = self
                .field(context, at, 2)
                .is_some_and(|(from, to)| matches!(&context.text[from as usize..to as usize], "ST" | "TX" | "FT"));
            let Some((from, to)) = self.field(context, at, 5).filter(|_| is_text) else { continue };
            let cell = self.all_text(context, (from, to));
            if !content.is_empty() {
                content.push('\n');
            }
            content.push_str(self.cell_text(context, cell));
        }
        if content.is_empty() { Cell::Null } else { self.keep(&content) }
    }

    /// The typed value of an OBX (HL7 v2.9 chapter 7.4.2, value type in OBX-2).
    fn observation(&mut self, context: &Context<'_>, row: u32) -> Observation {
        let mut seen = Observation::default();
        let Some(range) = self.field(context, row, 5) else { return seen };
        let value_type = self.field(context, row, 2).map_or("", |(from, to)| context.text[from as usize..to as usize].trim());
        let first = Self::repetition(context, range, false);
        let part =
            |work: &mut Self, component| component_range(context, first, component).map_or(Cell::Null, |range| work.text(context, range));
        match value_type {
            "NM" | "SI" => {
                seen.number = number(&context.text[first.0 as usize..first.1 as usize]).map_or(Cell::Null, Cell::Number);
                seen.text = self.all_text(context, range);
            }
            "SN" => {
                // Text in the place of the comparator is a sender's mistake and may say anything; it stays in the text column.
                let comparator = part(self, 1);
                seen.comparator = if is_comparator(self.cell_text(context, comparator)) { comparator } else { Cell::Null };
                let component = |number_at| {
                    component_range(context, first, number_at).and_then(|(from, to)| number(&context.text[from as usize..to as usize]))
                };
                seen.number = component(2).map_or(Cell::Null, Cell::Number);
                seen.number_high = component(4).map_or(Cell::Null, Cell::Number);
                seen.text = self.joined_components(context, range);
            }
            "CE" | "CWE" | "CNE" | "IS" | "ID" => {
                (seen.code, seen.code_text, seen.code_system) = (part(self, 1), part(self, 2), part(self, 3));
                seen.text = if seen.code_text == Cell::Null { seen.code } else { seen.code_text };
            }
            // Its second component is formatted text, not the name of a code.
            "CF" => {
                (seen.code, seen.code_system) = (part(self, 1), part(self, 3));
                let text = part(self, 2);
                seen.text = if text == Cell::Null { seen.code } else { text };
            }
            "DT" | "TM" | "TS" | "DTM" => {
                seen.datetime = self.iso(component_only(context, &context.text[first.0 as usize..first.1 as usize]));
                seen.text = self.all_text(context, range);
            }
            "ED" => {
                let (kind, subtype) = (part(self, 2), part(self, 3));
                let (kind, subtype) = (self.cell_text(context, kind).to_owned(), self.cell_text(context, subtype).to_owned());
                seen.data_type = match (kind.as_str(), subtype.as_str()) {
                    ("", "") => Cell::Null,
                    (kind, "") => self.keep(kind),
                    (kind, subtype) => self.keep(&format!("{kind}/{subtype}")),
                };
                seen.data_encoding = part(self, 4);
                // Base64 and hexadecimal hold no escapes; what stands here is passed on as sent.
                seen.data = component_range(context, first, 5).map_or(Cell::Null, |(from, to)| Cell::Text(from, to));
            }
            "RP" => {
                seen.data_type = part(self, 3);
                seen.data = part(self, 1);
            }
            _ => seen.text = self.all_text(context, range),
        }
        seen
    }

    /// A structured value as people read it: its components without their separators.
    fn joined_components(&mut self, context: &Context<'_>, (from, to): (u32, u32)) -> Cell {
        let start = self.scratch.len();
        for part in context.text[from as usize..to as usize].split(char::from(context.delimiters.component)) {
            escape::unescape_into(part, &context.delimiters, &mut self.scratch, None);
        }
        if self.scratch.len() > start { self.scratch_from(start) } else { Cell::Null }
    }

    fn finding_rows(
        &mut self,
        context: &Context<'_>,
        table: &mut TablePlan,
        facts: &mut Facts,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        for at in 0..context.findings.len() {
            let finding = &context.findings[at];
            self.fill(context, table, facts, self.whole_message(), 0);
            for position in 0..table.computed.len() {
                let (computed, place) = table.computed[position];
                table.cells[place] = match computed {
                    Computed::FindingCode => Cell::Static(finding.code),
                    Computed::FindingSeverity => Cell::Static(finding.severity.as_str()),
                    Computed::FindingLocation => self.keep(&finding.location),
                    Computed::FindingMessage => self.keep(&finding.message),
                    _ => continue,
                };
            }
            self.append(context, table, out)?;
        }
        Ok(())
    }

    fn whole_message(&self) -> InForce {
        InForce { pid: self.first(PID), pv1: self.first(PV1), ..InForce::default() }
    }

    /// Every value of every field, as the `segments` table has it.
    fn long_form(
        &mut self,
        context: &Context<'_>,
        table: &mut TablePlan,
        facts: &mut Facts,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        self.fill(context, table, facts, self.whole_message(), 0);
        let wanted = |computed| table.computed.iter().find(|(known, _)| *known == computed).map(|(_, place)| *place);
        let places = LongColumns {
            segment: wanted(Computed::LongSegment),
            ordinal: wanted(Computed::LongOrdinal),
            field: wanted(Computed::LongField),
            repetition: wanted(Computed::LongRepetition),
            component: wanted(Computed::LongComponent),
            subcomponent: wanted(Computed::LongSubcomponent),
            path: wanted(Computed::LongPath),
            value: wanted(Computed::LongValue),
            state: wanted(Computed::LongState),
        };
        let mut ordinals: HashMap<&str, i64> = HashMap::new();
        for at in 0..self.segs.len() {
            let seg = self.segs[at];
            let raw = &context.text[seg.start as usize..seg.end as usize];
            let name = raw.split(char::from(context.delimiters.field)).next().unwrap_or("").trim();
            // A wrapped line or junk has no segment name: what stands there may say anything, so it is a value (field 0), not a name.
            let shown = if is_short_z_name(name) { name } else { shown_name(name) };
            let ordinal = ordinals.entry(shown).or_default();
            *ordinal += 1;
            let ordinal = *ordinal;
            let kept = self.scratch.len();
            let name_cell = self.keep(shown);
            put(&mut table.cells, places.segment, name_cell);
            put(&mut table.cells, places.ordinal, Cell::Integer(ordinal));
            if shown != name && !name.is_empty() {
                let row_start = self.scratch.len();
                let place = LongPlace { name: shown, ordinal, field: 0, repetition: 1, component: 1, subcomponent: 1 };
                self.long_row(context, table, places, &place, name, false, out)?;
                self.scratch.truncate(row_start);
            }
            let is_header = matches!(name, "MSH" | "FHS" | "BHS");
            let mut fields = raw.split(char::from(context.delimiters.field));
            fields.next();
            for (position, field) in fields.enumerate() {
                let number = position + if is_header { 2 } else { 1 };
                let atomic = is_header && number == 2;
                let delimiter = |byte: Option<u8>| byte.filter(|_| !atomic);
                for (repetition, part) in parts(field, delimiter(context.delimiters.repetition)) {
                    for (component, part) in parts(part, delimiter(Some(context.delimiters.component))) {
                        for (subcomponent, part) in parts(part, delimiter(context.delimiters.subcomponent)) {
                            if part.is_empty() {
                                continue;
                            }
                            let row_start = self.scratch.len();
                            let place = LongPlace { name: shown, ordinal, field: number, repetition, component, subcomponent };
                            self.long_row(context, table, places, &place, part, atomic, out)?;
                            self.scratch.truncate(row_start);
                        }
                    }
                }
            }
            self.scratch.truncate(kept);
            table.columns.forget();
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn long_row(
        &mut self,
        context: &Context<'_>,
        table: &mut TablePlan,
        places: LongColumns,
        place: &LongPlace<'_>,
        raw: &str,
        atomic: bool,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        let cells = &mut table.cells;
        put(cells, places.field, Cell::Integer(place.field as i64));
        put(cells, places.repetition, Cell::Integer(place.repetition as i64));
        put(cells, places.component, Cell::Integer(place.component as i64));
        put(cells, places.subcomponent, Cell::Integer(place.subcomponent as i64));
        if places.path.is_some() {
            let start = self.scratch.len();
            place.write(&mut self.scratch);
            put(cells, places.path, self.scratch_from(start));
        }
        let deletes = raw == "\"\"";
        put(cells, places.state, Cell::Static(if deletes { "null" } else { "value" }));
        if places.value.is_some() {
            let start = self.scratch.len();
            if atomic {
                self.scratch.push_str(raw);
            } else {
                escape::unescape_into(raw, &context.delimiters, &mut self.scratch, None);
            }
            put(cells, places.value, if deletes { Cell::Null } else { self.scratch_from(start) });
        }
        // The scratch buffer is cut back to the beginning of the row after every row.
        for column in [places.path, places.value].into_iter().flatten() {
            table.columns.forget_column(column);
        }
        self.append(context, table, out)
    }
}

/// Where the long form's columns go.
#[derive(Debug, Clone, Copy)]
struct LongColumns {
    segment: Option<usize>,
    ordinal: Option<usize>,
    field: Option<usize>,
    repetition: Option<usize>,
    component: Option<usize>,
    subcomponent: Option<usize>,
    path: Option<usize>,
    value: Option<usize>,
    state: Option<usize>,
}

/// Where a value of the long form stands.
#[derive(Debug)]
struct LongPlace<'a> {
    name: &'a str,
    ordinal: i64,
    field: usize,
    repetition: usize,
    component: usize,
    subcomponent: usize,
}

impl LongPlace<'_> {
    /// The path, with an index only where it is not the first.
    fn write(&self, out: &mut String) {
        out.push_str(self.name);
        if self.ordinal > 1 {
            let _ = write!(out, "[{}]", self.ordinal);
        }
        let _ = write!(out, "-{}", self.field);
        if self.repetition > 1 {
            let _ = write!(out, "[{}]", self.repetition);
        }
        if self.component > 1 || self.subcomponent > 1 {
            let _ = write!(out, ".{}", self.component);
        }
        if self.subcomponent > 1 {
            let _ = write!(out, ".{}", self.subcomponent);
        }
    }
}

fn put(cells: &mut [Cell], out: Option<usize>, cell: Cell) {
    if let Some(out) = out {
        cells[out] = cell;
    }
}

/// The parts between a delimiter, numbered from 1; without a delimiter the whole is the only one.
fn parts(text: &str, delimiter: Option<u8>) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let text = rest?;
        number += 1;
        let (part, left) = match delimiter.and_then(|byte| text.split_once(char::from(byte))) {
            Some((part, left)) => (part, Some(left)),
            None => (text, None),
        };
        rest = left;
        Some((number, part))
    })
}

/// The cells of a typed OBX-5.
#[derive(Debug, Clone, Copy)]
struct Observation {
    text: Cell,
    number: Cell,
    comparator: Cell,
    number_high: Cell,
    code: Cell,
    code_text: Cell,
    code_system: Cell,
    datetime: Cell,
    data_type: Cell,
    data_encoding: Cell,
    data: Cell,
}

impl Default for Observation {
    fn default() -> Self {
        let null = Cell::Null;
        Self {
            text: null,
            number: null,
            comparator: null,
            number_high: null,
            code: null,
            code_text: null,
            code_system: null,
            datetime: null,
            data_type: null,
            data_encoding: null,
            data: null,
        }
    }
}

impl Observation {
    fn part(&self, part: ObxPart) -> Cell {
        match part {
            ObxPart::Text => self.text,
            ObxPart::Number => self.number,
            ObxPart::Comparator => self.comparator,
            ObxPart::NumberHigh => self.number_high,
            ObxPart::Code => self.code,
            ObxPart::CodeText => self.code_text,
            ObxPart::CodeSystem => self.code_system,
            ObxPart::DateTime => self.datetime,
            ObxPart::DataType => self.data_type,
            ObxPart::DataEncoding => self.data_encoding,
            ObxPart::Data => self.data,
        }
    }
}

/// A site's own segment with a name of two characters (`Z1`): not what the standard asks for, but nobody's name.
fn is_short_z_name(name: &str) -> bool {
    matches!(name.as_bytes(), [b'Z', second] if second.is_ascii_digit() || second.is_ascii_uppercase())
}

/// Whether a text is a comparator of a structured number (SN.1).
fn is_comparator(text: &str) -> bool {
    matches!(text, ">" | "<" | ">=" | "<=" | "=" | "<>" | "≥" | "≤")
}

/// A component of a repetition; 0 is the whole repetition. `None` when it is absent or empty.
fn component_range(context: &Context<'_>, (from, to): (u32, u32), component: u8) -> Option<(u32, u32)> {
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
fn component_only<'t>(context: &Context<'_>, raw: &'t str) -> &'t str {
    raw.split(char::from(context.delimiters.component)).next().unwrap_or(raw).trim()
}

/// A finite decimal number as HL7 NM states it.
fn number(raw: &str) -> Option<f64> {
    let raw = raw.trim();
    let plain = !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    raw.parse::<f64>().ok().filter(|value| plain && value.is_finite())
}
