//! Values into elements: texts as the primitives of their types, codes through their maps.

use std::borrow::Cow;

use smallvec::SmallVec;
use sutura_core::Severity;

use super::{Reason, Value, Work};
use crate::{
    fhir::NodeId,
    v2::{
        plan::{Go, Leaf, Op, Slot},
        text,
        time::{self, Precision, Written, Zone},
    },
};

impl<'m> Work<'m> {
    /// A primitive through a map of codes that the outer row names.
    pub(super) fn coded(&mut self, outer: &'static Op, op: &'static Op, value: Value<'m>, node: NodeId) -> bool {
        let raw = if op.first { self.index.head(value.raw, value.level) } else { value.raw };
        let text = self.index.plain(raw);
        self.write_coded(outer, &text, node, None)
    }

    /// Whether the code as sent is one of those that the binding of its element requires.
    pub(super) fn is_allowed(&self, op: &Op, value: Value<'m>) -> bool {
        let parts = self.index.parts(value.raw, value.level);
        let code = self.index.plain(parts.get(1));
        let name = self.index.plain(parts.get(3));
        let system = text::code_system(name.trim(), None);
        op.allowed.is_none_or(|allowed| system.is_some_and(|system| allowed.contains(&system, code.trim())))
    }

    /// Adds the translated coding to a concept, or fills a Coding with it.
    pub(super) fn translated(&mut self, op: &'static Op, codes: usize, value: Value<'m>, node: NodeId) -> bool {
        let codes = &self.plan.codes[codes];
        let first = self.index.head(value.raw, value.level);
        let code = self.index.plain(self.index.head(first, value.level + 1));
        let code = code.trim();
        if code.is_empty() || codes.is_empty() {
            return false;
        }
        let Some(target) = codes.translate(code) else {
            self.unmapped_codes.push(codes.name);
            return false;
        };
        if target.system.is_empty() {
            return false;
        }
        // The same code of the same system again is no translation.
        if target.code == code && op.table.is_some_and(|(_, uri)| uri == target.system) && self.tree.ty(node).name() != "Coding" {
            return false;
        }
        let coding = match self.tree.ty(node).name() {
            "CodeableConcept" => self.tree.push(node, "coding"),
            "Coding" => Some(node),
            _ => None,
        };
        let Some(coding) = coding else { return false };
        self.tree.set(coding, "system", target.system);
        self.tree.set(coding, "code", target.code);
        if !target.display.is_empty() {
            self.tree.set(coding, "display", target.display);
        }
        true
    }

    /// The coding as sent says nothing more than the mapped one in front of it, if the code is the same.
    pub(super) fn drop_same_coding(&mut self, concept: NodeId) {
        let codings: SmallVec<[NodeId; 4]> =
            self.tree.children(concept).filter(|(name, _)| *name == "coding").map(|(_, coding)| coding).collect();
        let Some((first, rest)) = codings.split_first() else { return };
        for coding in rest {
            let same = self.tree.get(*coding, "code") == self.tree.get(*first, "code");
            let system = self.tree.get(*coding, "system");
            if same && (system.is_none() || system == self.tree.get(*first, "system")) {
                self.tree.erase(*coding);
            }
        }
    }

    /// A code without a system that the table bound to its field has: the table is its system.
    pub(super) fn table_system(&mut self, table: u16, uri: &'static str, value: Value<'m>, node: NodeId) {
        let parts = self.index.parts(value.raw, value.level);
        let code = parts.get(1);
        if !parts.get(3).is_empty() || code.is_empty() || !sutura_hl7v2::defs::table(table).is_some_and(|table| table.contains(code)) {
            return;
        }
        // A translation in front of the code has a system.
        let coding = match self.tree.ty(node).name() {
            "CodeableConcept" => {
                let mut codings = self.tree.children(node).filter(|(name, _)| *name == "coding").map(|(_, coding)| coding);
                codings.find(|coding| self.tree.get(*coding, "code") == Some(code))
            }
            "Coding" => Some(node),
            _ => None,
        };
        if let Some(coding) = coding
            && !self.tree.has(coding, "system")
        {
            self.tree.set(coding, "system", uri);
        }
    }

    pub(super) fn write_raw(&mut self, op: &'static Op, raw: &'m str, from: NodeId, repetition: u16) -> bool {
        let plain: Cow<'m, str> = self.index.plain(raw);
        self.write(op, &plain, from, repetition)
    }

    /// Writes a text at a row's target as the value of its type.
    pub(super) fn write(&mut self, op: &'static Op, plain: &str, from: NodeId, repetition: u16) -> bool {
        if op.codes.is_some() {
            let Some((last, before)) = op.path.split_last() else { return self.write_coded(op, plain, from, None) };
            let Some(parent) = self.walk_steps(before, op, from, repetition) else { return false };
            let (Go::Into(step, slot), true) = (last, !op.path.is_empty()) else { return false };
            let repeats = if op.repeats_at == Some(op.path.len() - 1) { repetition } else { 0 };
            let number = match slot {
                Slot::Number(number) => *number,
                _ => 0,
            };
            let mark = if step.is_list { u64::from(self.run) << 32 | u64::from(number) << 16 | u64::from(repeats) } else { 0 };
            let Some(node) = self.tree.item(parent, step, mark) else { return self.choice_taken() };
            return self.write_coded(op, plain, node, Some(parent));
        }
        let Some(node) = self.walk(op, from, repetition) else { return self.choice_taken() };
        self.write_at(op, plain, node)
    }

    pub(super) fn choice_taken(&mut self) -> bool {
        if let Some(fate) = self.fates.get_mut(self.fate) {
            fate.dropped[Reason::Choice as usize] = u64::MAX;
        }
        false
    }

    /// Writes a code through the row's map of codes; `coding` is the Coding that the code stands in.
    pub(super) fn write_coded(&mut self, op: &'static Op, plain: &str, node: NodeId, coding: Option<NodeId>) -> bool {
        let Some(codes) = op.codes.map(|codes| &self.plan.codes[codes]) else { return self.write_at(op, plain, node) };
        let code = plain.trim();
        let Some(target) = codes.translate(code) else {
            if codes.is_empty() {
                return self.write_at(op, plain, node);
            }
            self.unmapped_codes.push(codes.name);
            if op.allowed.is_some() || op.leaf == Leaf::Boolean {
                return self.unknown_code();
            }
            return self.write_at(op, plain, node);
        };
        if !self.write_at(op, target.code, node) {
            return false;
        }
        if let Some(coding) = coding.filter(|coding| self.tree.ty(*coding).name() == "Coding") {
            if !target.system.is_empty() && !self.tree.has(coding, "system") {
                self.tree.set(coding, "system", target.system);
            }
            if !target.display.is_empty() && !self.tree.has(coding, "display") {
                self.tree.set(coding, "display", target.display);
            }
        }
        true
    }

    pub(super) fn unknown_code(&mut self) -> bool {
        if let Some(fate) = self.fates.get_mut(self.fate) {
            fate.dropped[Reason::Code as usize] = u64::MAX;
        }
        self.note(
            "convert-code-not-mapped",
            Severity::Warning,
            "the code has no counterpart in the fixed list of codes of its element; it is left out",
        );
        false
    }

    pub(super) fn invalid(&mut self) -> bool {
        if let Some(fate) = self.fates.get_mut(self.fate) {
            fate.dropped[Reason::Invalid as usize] = u64::MAX;
        }
        self.note("convert-invalid-value", Severity::Warning, "the text is no value of the type of its element; it is left out");
        false
    }

    /// Writes a text as the value of a primitive.
    pub(super) fn write_at(&mut self, op: &'static Op, plain: &str, node: NodeId) -> bool {
        let zone = self.zone;
        let ok = match op.leaf {
            Leaf::None => return false,
            Leaf::Date => return self.write_time(plain, Precision::Date, Zone::Unknown, node),
            Leaf::DateTime => return self.write_time(plain, Precision::DateTime, zone, node),
            Leaf::Instant => return self.write_time(plain, Precision::Instant, zone, node),
            Leaf::CodeSystem => match text::code_system(plain.trim(), self.local_systems) {
                Some(uri) => {
                    self.tree.put(node, &uri);
                    true
                }
                None => {
                    self.unmapped_codes.push("code systems");
                    if let Some(names) = &mut self.local_names {
                        names.push((node, plain.trim().to_owned()));
                    }
                    if let Some(fate) = self.fates.get_mut(self.fate) {
                        fate.dropped[Reason::Code as usize] |= 0b1_0010_0100;
                    }
                    return false;
                }
            },
            Leaf::Code if op.allowed.is_some_and(|allowed| !allowed.contains_code(plain.trim())) => return self.unknown_code(),
            leaf => {
                let (start, out) = self.tree.open_text();
                let ok = text::push(leaf, plain, out);
                if ok {
                    self.tree.close_text(node, start);
                } else {
                    out.truncate(start as usize);
                }
                ok
            }
        };
        if ok {
            self.data();
            true
        } else {
            self.invalid()
        }
    }

    pub(in crate::v2) fn write_time(&mut self, raw: &str, precision: Precision, zone: Zone, node: NodeId) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (start, out) = self.tree.open_text();
        let written = time::write(raw, precision, zone, &mut scratch, out);
        self.scratch = scratch;
        match written {
            Written::Invalid => return self.invalid(),
            Written::TooCoarse | Written::WithoutOffset => {
                let reason = if written == Written::TooCoarse { Reason::TooCoarse } else { Reason::WithoutOffset };
                if let Some(fate) = self.fates.get_mut(self.fate) {
                    fate.dropped[reason as usize] = u64::MAX;
                }
                self.note(
                    "convert-time-too-coarse",
                    Severity::Info,
                    "the element needs a time with an offset, which is not stated; it is left out",
                );
                return false;
            }
            Written::WithoutTime => {
                self.note("convert-time-without-zone", Severity::Info, "no offset is stated for the time; only its date is kept");
            }
            Written::FilledMinutes => {
                self.note("convert-time-filled", Severity::Info, "the time is stated to the hour; FHIR needs minutes, which are 00");
            }
            Written::Full => {}
        }
        self.tree.close_text(node, start);
        self.data();
        true
    }
}
