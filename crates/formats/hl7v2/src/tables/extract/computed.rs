//! Cells that are not simply a field: counts, what the message is missing, what was deleted, text of several segments.

use std::fmt::Write as _;

use super::{Context, Facts, InForce, MSH, OBX, Seg, TXA, Work};
use crate::{
    defs,
    tables::{
        columns::Cell,
        plan::{Tag, tag},
        spec::Computed,
    },
    validate::shown_name,
};

impl Work {
    pub(super) fn is_type(&self, context: &Context<'_>, message_type: Cell, wanted: &str) -> bool {
        self.cell_text(context, message_type) == wanted
    }

    pub(super) fn compute(&mut self, context: &Context<'_>, computed: Computed, facts: &Facts, force: InForce, row: u32) -> Cell {
        match computed {
            Computed::Source => facts.source,
            Computed::Offset => Cell::Integer(context.offset as i64),
            Computed::Length => Cell::Integer(context.length as i64),
            Computed::Sha256 => facts.sha256,
            Computed::MessageType => facts.message_type,
            Computed::TriggerEvent => facts.trigger,
            Computed::MessageStructure => self.structure(context, facts),
            Computed::CharacterSet => self.keep(context.character_set),
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
                Cell::flag(defs::known_message_type(message_type, trigger))
            }
            Computed::RowSegment => {
                let start = self.segs[row as usize].start;
                Cell::text(start, start + 3)
            }
            Computed::DeletedFields => self.deleted_fields(context, row),
            Computed::MessageText => Cell::text(0, context.text.len() as u32),
            Computed::DocumentText => self.document_text(context, row),
            Computed::NoteParent => match force.commented {
                Some((parent, _)) => {
                    let seg = self.segs[parent as usize];
                    let raw = &context.text[seg.start as usize..seg.end as usize];
                    let name = raw.split(char::from(context.delimiters.field)).next().unwrap_or("").trim_end();
                    // A wrapped line has no name, and its first bytes may be anything.
                    if shown_name(name) == name { Cell::text(seg.start, seg.start + name.len() as u32) } else { Cell::Static(&"?") }
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
        defs::structure(message_type, trigger).map_or(Cell::Null, |structure| Cell::Static(&structure.name))
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
            let is_text = self.field(context, at, 2).is_some_and(|kind| matches!(kind.of(context.text), "ST" | "TX" | "FT"));
            let Some(value) = self.field(context, at, 5).filter(|_| is_text) else { continue };
            let cell = self.all_text(context, value);
            if !content.is_empty() {
                content.push('\n');
            }
            content.push_str(self.cell_text(context, cell));
        }
        if content.is_empty() { Cell::Null } else { self.keep(&content) }
    }
}
