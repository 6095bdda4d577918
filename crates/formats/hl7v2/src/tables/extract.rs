//! Cutting the cells of a row out of a message.
//!
//! The hot path: one walk over the segments feeds every requested table. A segment's field
//! separators are found at most once, and only when a column asks for that segment. How a field becomes a cell is in
//! [`field`]; cells that are more than a field are in [`computed`] and [`observation`], the `segments` table in [`long_form`].

mod computed;
mod field;
mod long_form;
mod observation;

use std::collections::HashMap;

use sutura_core::{Decoded, DecodedSink, Finding, FormatError, Sha256Hash};

use super::{
    columns::Cell,
    plan::{At, CutFrom, Plan, TablePlan, Tag, tag},
    spec::{Computed, Rows},
};
use crate::{
    lex::{self, Delimiters},
    options::Zone,
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
        for seg in &self.segs {
            lex::separators(&text.as_bytes()[seg.start as usize..seg.end as usize], delimiters.field, seg.start, &mut self.tape);
        }
        self.tape.len()
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
        Self::end_row(table, out)
    }

    /// Ends a row; the batch goes out when it is full.
    fn end_row(table: &mut TablePlan, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let full = table.columns.end_row();
        if full { out.emit(Decoded::Batch { request: table.request, batch: table.columns.finish()? }) } else { Ok(()) }
    }

    /// Sets the columns of one row, as far as they can have changed since the row before.
    fn fill(&mut self, context: &Context<'_>, table: &mut TablePlan, facts: &mut Facts, force: InForce, row: u32) {
        let TablePlan { groups, choices, computed, columns, row_tags, .. } = table;
        for group in groups {
            let segment = self.find(group.at, row_tags, force, row).map_or(CutFrom::NoSegment, CutFrom::Segment);
            if group.cut_from == segment {
                continue;
            }
            group.cut_from = segment;
            match segment {
                CutFrom::Segment(segment) => self.cut_group(context, group, columns, facts, segment),
                _ => group.columns.iter().for_each(|(_, out)| columns.set(*out, Cell::Null, (context.text, &self.scratch))),
            }
        }
        for (sources, out) in choices {
            let mut chosen = Cell::Null;
            for source in sources {
                let Some(segment) = self.find(source.at, row_tags, force, row) else { continue };
                chosen = self.cut(context, source.field, facts, segment);
                if chosen != Cell::Null {
                    break;
                }
            }
            columns.set(*out, chosen, (context.text, &self.scratch));
        }
        if computed.is_empty() {
            return;
        }
        let observation = computed.iter().any(|(computed, _)| matches!(computed, Computed::Obx(_))).then(|| self.observation(context, row));
        for &mut (computed, out) in computed {
            let cell = match (computed, observation) {
                (Computed::Obx(part), Some(observation)) => observation.part(part),
                _ => self.compute(context, computed, facts, force, row),
            };
            columns.set(out, cell, (context.text, &self.scratch));
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
                let cell = match computed {
                    Computed::FindingCode => self.keep(finding.code),
                    Computed::FindingSeverity => self.keep(finding.severity.as_str()),
                    Computed::FindingLocation => self.keep(&finding.location),
                    Computed::FindingMessage => self.keep(&finding.message),
                    _ => continue,
                };
                table.columns.set(place, cell, (context.text, &self.scratch));
            }
            Self::end_row(table, out)?;
        }
        Ok(())
    }

    fn whole_message(&self) -> InForce {
        InForce { pid: self.first(PID), pv1: self.first(PV1), ..InForce::default() }
    }
}
