//! Applying maps to segments: values go from fields to elements, and every part of a field is accounted for.

use std::borrow::Cow;

use smallvec::SmallVec;
use sutura_core::{Finding, Severity};

use super::{
    condition::{Condition, Facts, Place},
    document,
    functions::{self, Function},
    index::{Index, Parts},
    plan::{Action, Go, Leaf, Map, Op, Part, Plan, Slot, Tag},
    text,
    time::{self, Precision, Written, Zone},
};
use crate::fhir::{NodeId, ResourceId, Tree};

/// Why a part of a field was left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// `""`: the sender deletes the value, which is then not in the resource that replaces the stored one.
    Deleted,
    /// The element holds one value, and an earlier repetition has it.
    OneValue,
    /// No value of the element's type.
    Invalid,
    /// A time that is less precise than its element asks for.
    TooCoarse,
    /// A time without an offset, for an element that asks for one.
    WithoutOffset,
    /// A code that the map does not have, for an element with a fixed list of codes.
    Code,
    /// The element has a value of another type already.
    Choice,
    /// The condition of its row does not hold: another field says the same.
    Condition,
}

pub(super) const REASONS: [&str; 8] =
    ["deleted", "one-value", "invalid-value", "too-coarse", "time-without-zone", "code-not-mapped", "choice-taken", "condition"];

/// What became of the parts of one repetition: a bit for each component.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fate {
    pub mapped: u64,
    pub dropped: [u64; REASONS.len()],
    /// Whether rows look at its components.
    pub by_component: bool,
}

/// A value: a repetition (level 0), a component (1) or less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'m> {
    pub raw: &'m str,
    pub level: u8,
}

/// A resource of the message being made.
#[derive(Debug, Clone)]
pub(super) struct Made<'m> {
    pub role: Option<usize>,
    /// The segments that it was made of.
    pub segments: SmallVec<[u32; 4]>,
    /// What it was made of, if it belongs to a field.
    pub raw: &'m str,
    /// Whether anything but constants and links went into it.
    pub has_data: bool,
    /// The resources that it belongs to: patient, order or report, visit.
    pub patient: Option<ResourceId>,
    pub encounter: Option<ResourceId>,
    pub order: Option<ResourceId>,
}

/// The state of one conversion.
pub(super) struct Work<'m> {
    pub plan: &'static Plan,
    pub index: &'m Index<'m>,
    pub tree: &'m mut Tree,
    pub zone: Zone,
    pub namespace_first: bool,
    pub namespace_base: Option<&'m str>,
    pub local_systems: Option<&'m str>,
    pub made: Vec<Made<'m>>,
    /// The resource of each role in force.
    pub roles: Vec<Option<ResourceId>>,
    /// Links to roles that were not there yet.
    pub pending: Vec<(NodeId, &'static Op, usize)>,
    pub findings: Vec<Finding>,
    pub unmapped_codes: Vec<&'static str>,
    /// Names of code systems that have no URI, with the element that stays empty for it; kept only where they are asked for.
    pub local_names: Option<Vec<(NodeId, String)>>,
    pub fates: Vec<Fate>,
    /// The segment at hand, its resource and the number of its run.
    pub here: usize,
    pub resource: Option<ResourceId>,
    pub run: u32,
    /// The field, repetition and fate at hand.
    field: u16,
    repetition: &'m str,
    fate: usize,
    each: u16,
    /// Practitioners and the like that were made of the same text.
    same: Vec<(usize, &'m str, ResourceId, u64)>,
    pub scratch: Vec<u8>,
    /// A DocumentReference and the attachment of its text.
    pub document: Option<(NodeId, NodeId)>,
}

/// No more findings than this for a message.
const MOST_FINDINGS: usize = 200;

impl<'m> Work<'m> {
    pub(super) fn new(plan: &'static Plan, index: &'m Index<'m>, tree: &'m mut Tree) -> Self {
        Self {
            plan,
            index,
            tree,
            zone: Zone::Unknown,
            namespace_first: false,
            namespace_base: None,
            local_systems: None,
            made: Vec::new(),
            roles: vec![None; plan.roles.len()],
            pending: Vec::new(),
            findings: Vec::new(),
            unmapped_codes: Vec::new(),
            local_names: None,
            fates: Vec::new(),
            here: 0,
            resource: None,
            run: 0,
            field: 0,
            repetition: "",
            fate: 0,
            each: 0,
            same: Vec::new(),
            scratch: Vec::new(),
            document: None,
        }
    }

    /// Notes something odd about the field at hand.
    pub(super) fn note(&mut self, code: &'static str, severity: Severity, message: &'static str) {
        if self.findings.len() < MOST_FINDINGS {
            let tag = self.index.segments[self.here].tag;
            let name = String::from_utf8_lossy(&tag).into_owned();
            let location = if self.field == 0 { name } else { format!("{name}-{}", self.field) };
            self.findings.push(Finding::new(code, severity, location, message));
        }
    }

    /// Begins a resource.
    pub(super) fn begin(&mut self, ty: sutura_fhir::defs::TypeId, role: Option<usize>) -> (ResourceId, NodeId) {
        let (resource, root) = self.tree.begin(ty);
        let (mut patient, mut encounter, mut order) = (None, None, None);
        if role.is_some() {
            (patient, encounter) = (self.roles[PATIENT], self.roles[ENCOUNTER]);
            order = self.plan.order_of.iter().find_map(|role| self.roles[*role]);
        }
        self.made.push(Made { role, segments: SmallVec::new(), raw: self.repetition, has_data: false, patient, encounter, order });
        (resource, root)
    }

    /// Prepares the fates of a segment: one for each repetition of each field. `starts[n]` is the first of field `n`.
    pub(super) fn open_segment(&mut self, segment: usize, starts: &mut Vec<u32>) {
        (self.here, self.field, self.repetition) = (segment, 0, "");
        self.fates.clear();
        starts.clear();
        let repetition = self.index.delimiters.repetition;
        for (number, field) in self.index.fields(segment).iter().enumerate() {
            starts.push(self.fates.len() as u32);
            let atomic = number < 3 && &self.index.segments[segment].tag == b"MSH";
            let separators = match repetition {
                // Fields are short: a plain loop is sooner done than a call.
                Some(byte) if !atomic => field.bytes().filter(|other| *other == byte).count(),
                _ => 0,
            };
            let count = if field.is_empty() { 0 } else { separators + 1 };
            self.fates.resize(self.fates.len() + count, Fate::default());
        }
        starts.push(self.fates.len() as u32);
    }

    /// Applies the map of a segment to a resource.
    pub(super) fn apply(&mut self, map: &'static Map, resource: ResourceId, starts: &[u32]) {
        self.resource = Some(resource);
        self.run += 1;
        let root = self.tree.root(resource);
        let segment = self.here;
        let here = segment as u32;
        if self.made[resource.index()].segments.last() != Some(&here) {
            self.made[resource.index()].segments.push(here);
        }
        let (mut guard_field, mut guard_text) = (0, "");
        for op in &map.ops {
            self.field = op.at;
            self.repetition = "";
            if op.at == 0 {
                if self.holds(op, None) {
                    self.one(op, Value { raw: "", level: 0 }, None, root, 0);
                }
                continue;
            }
            let raw = self.index.field(segment, op.at);
            if raw.is_empty() {
                if op.without_value && self.holds(op, None) {
                    self.one(op, Value { raw: "", level: 0 }, None, root, 0);
                }
                continue;
            }
            let first = starts[usize::from(op.at)] as usize;
            if let Some((field, values)) = &op.guard {
                if *field != guard_field {
                    (guard_field, guard_text) = (*field, self.index.first(segment, *field, 0));
                }
                if !values.contains(&guard_text) {
                    if !matches!(op.action, Action::Constant(_) | Action::Link(_)) {
                        for fate in &mut self.fates[first..starts[usize::from(op.at) + 1] as usize] {
                            fate.by_component |= matches!(op.action, Action::Map(_));
                            fate.dropped[Reason::Condition as usize] = u64::MAX;
                        }
                    }
                    continue;
                }
            }
            if matches!(op.action, Action::Function(function) if function.takes_field()) {
                if self.holds(op, None) {
                    self.whole_field(op, raw, root, first, starts[usize::from(op.at) + 1] as usize);
                }
                continue;
            }
            if op.each {
                self.each_repetition(op, segment, raw, root, first);
                continue;
            }
            for (number, repetition) in self.index.repetitions(raw).enumerate() {
                self.fate = first + number;
                self.repetition = repetition;
                if repetition.is_empty() || repetition == "\"\"" {
                    continue;
                }
                if number > 0 && op.repeats_at.is_none() {
                    if !matches!(op.action, Action::Constant(_) | Action::Link(_)) {
                        self.fates[self.fate].by_component |= matches!(op.action, Action::Map(_));
                        self.fates[self.fate].dropped[Reason::OneValue as usize] = u64::MAX;
                    }
                    continue;
                }
                self.fates[self.fate].by_component |= matches!(op.action, Action::Map(_));
                if !self.holds(op, None) {
                    if !matches!(op.action, Action::Constant(_) | Action::Link(_)) {
                        self.fates[self.fate].dropped[Reason::Condition as usize] = u64::MAX;
                    }
                    continue;
                }
                self.one(op, Value { raw: repetition, level: 0 }, None, root, number as u16);
            }
        }
    }

    /// A row whose target is one item for each repetition of OBX-5.
    fn each_repetition(&mut self, op: &'static Op, segment: usize, raw: &'m str, root: NodeId, first: usize) {
        if op.at == 5 {
            for (number, repetition) in self.index.repetitions(raw).enumerate() {
                (self.fate, self.repetition, self.each) = (first + number, repetition, number as u16);
                if !repetition.is_empty() && repetition != "\"\"" && self.holds(op, None) {
                    self.fates[self.fate].by_component |= matches!(op.action, Action::Map(_));
                    self.one(op, Value { raw: repetition, level: 0 }, None, root, 0);
                }
            }
            return;
        }
        let Some(repetition) = self.index.repetitions(raw).next() else { return };
        for number in 0..self.index.repetitions(self.index.field(segment, 5)).count().min(usize::from(u16::MAX)) {
            (self.fate, self.repetition, self.each) = (first, repetition, number as u16);
            self.fates[self.fate].by_component |= matches!(op.action, Action::Map(_));
            if self.holds(op, None) {
                self.one(op, Value { raw: repetition, level: 0 }, None, root, 0);
            }
        }
    }

    /// A function that takes all repetitions at once.
    fn whole_field(&mut self, op: &'static Op, raw: &'m str, root: NodeId, first: usize, end: usize) {
        let Action::Function(function) = op.action else { return };
        if function == Function::DocumentText {
            if let Some(node) = self.walk(op, root, 0)
                && document::content(self, node)
            {
                self.data();
                self.fates[first..end].iter_mut().for_each(|fate| fate.mapped = u64::MAX);
            }
            return;
        }
        let text = functions::lines(self, raw);
        if text.trim().is_empty() {
            return;
        }
        if let Some(node) = self.walk(op, root, 0) {
            self.tree.put(node, &text);
            self.data();
            for fate in &mut self.fates[first..end] {
                fate.mapped = u64::MAX;
            }
        }
    }

    /// Says that the resource at hand has data.
    pub(super) fn data(&mut self) {
        if let Some(resource) = self.resource {
            self.made[resource.index()].has_data = true;
        }
    }

    /// Whether the condition of a message row holds for the segment at hand.
    pub(super) fn meets(&self, condition: Option<&Condition>) -> bool {
        condition.is_none_or(|condition| condition.holds(&View { work: self, parts: None }))
    }

    fn holds(&self, op: &Op, parts: Option<&Parts<'m>>) -> bool {
        let Some(condition) = &op.condition else { return true };
        condition.holds(&View { work: self, parts })
    }

    /// One row with one value: what it says is written below `from`. True if the value itself went somewhere.
    fn one(&mut self, op: &'static Op, value: Value<'m>, parts: Option<&Parts<'m>>, from: NodeId, repetition: u16) -> bool {
        let top = parts.is_none();
        match &op.action {
            Action::Constant(text) => {
                if let Some(node) = self.walk(op, from, repetition) {
                    self.tree.put(node, text);
                }
                // A constant that stands for the value, because a condition looks at it.
                if top && op.at > 0 && op.condition.is_some() && !value.raw.is_empty() {
                    self.fates[self.fate].mapped |= 1;
                }
                false
            }
            Action::Link(role) => {
                self.link(op, *role, from, repetition);
                false
            }
            Action::Concat(list) => {
                let text = self.concat(list, parts);
                let wrote = !text.is_empty() && self.write(op, &text, from, repetition);
                if top && wrote && op.at > 0 {
                    self.fates[self.fate].mapped |= u64::MAX;
                }
                wrote
            }
            Action::Text => {
                let raw = if op.first { self.index.parts(value.raw, value.level).get(1) } else { value.raw };
                let wrote = !raw.is_empty() && self.write_raw(op, raw, from, repetition);
                if top && wrote {
                    self.fates[self.fate].mapped |= if op.first { 1 } else { u64::MAX };
                }
                wrote
            }
            Action::Map(number) => self.map(op, *number, value, from, repetition, top),
            Action::Function(function) => {
                let Some(node) = self.walk(op, from, repetition) else { return false };
                let mask = functions::run(self, *function, value, node, op);
                if mask != 0 {
                    self.data();
                }
                if top {
                    self.fates[self.fate].mapped |= mask;
                }
                mask != 0
            }
        }
    }

    /// Applies a map of a data type.
    fn map(&mut self, op: &'static Op, number: usize, value: Value<'m>, from: NodeId, repetition: u16, top: bool) -> bool {
        let shared = matches!(op.path.last(), Some(Go::Follow(_)));
        if shared {
            let known = self.same.iter().find(|(map, raw, ..)| *map == number && *raw == value.raw).map(|found| (found.2, found.3));
            if let Some((resource, mask)) = known {
                let Some(node) = self.walk_steps(&op.path[..op.path.len() - 1], op, from, repetition) else { return false };
                if self.tree.link_of(node).is_none() {
                    self.tree.set_link(node, resource);
                    self.data();
                    if top {
                        self.fates[self.fate].mapped |= mask;
                    }
                    return true;
                }
            }
        }
        let Some(node) = self.walk(op, from, repetition) else {
            if top {
                self.fates[self.fate].dropped[Reason::Choice as usize] = u64::MAX;
            }
            return false;
        };
        let mut translated = false;
        if let Some(codes) = op.codes
            && op.leaf == Leaf::None
        {
            translated = self.translated(op, codes, value, node);
        }
        if op.allowed.is_some() && op.leaf == Leaf::None && !translated && !self.is_allowed(op, value) {
            return self.unknown_code();
        }
        let is_coding = self.tree.ty(node).name() == "Coding";
        let mask = if translated && is_coding { 1 } else { self.components(op, number, value, node, top) };
        let mask = mask | u64::from(translated);
        if translated && !is_coding {
            self.drop_same_coding(node);
        }
        if let (Some((table, uri)), true) = (op.table, mask & 1 != 0) {
            self.table_system(table, uri, value, node);
        }
        if shared && mask != 0 && self.same.len() < 64 {
            let resource = self.tree.resources().last();
            if let Some(resource) = resource.filter(|resource| self.tree.root(*resource) == node) {
                self.made[resource.index()].raw = value.raw;
                self.same.push((number, value.raw, resource, mask));
            }
        }
        if mask != 0 {
            self.data();
        }
        if top {
            self.fates[self.fate].mapped |= mask;
        }
        mask != 0
    }

    /// The rows of a map of a data type. Gives a bit for each component that went somewhere.
    fn components(&mut self, outer: &'static Op, number: usize, value: Value<'m>, node: NodeId, top: bool) -> u64 {
        let plan = self.plan;
        let map = &plan.datatypes[number];
        let parts = self.index.parts(value.raw, value.level);
        let (mut mapped, mut unmet) = (0u64, 0u64);
        for op in &map.ops {
            let raw = parts.get(usize::from(op.at));
            if raw.is_empty() && !op.without_value {
                continue;
            }
            let bit = if op.at == 0 { u64::MAX } else { 1 << (op.at - 1).min(63) };
            if !self.holds(op, Some(&parts)) {
                unmet |= bit;
                continue;
            }
            let level = if op.at == 0 { value.level } else { value.level + 1 };
            let value = Value { raw, level };
            // A code map of the row that named this map is for the codes in it.
            let done = match (&op.action, outer.codes) {
                (Action::Text, Some(_)) if outer.leaf != Leaf::None => self.coded(outer, op, value, node),
                (Action::Function(_), _) => {
                    let Action::Function(function) = op.action else { continue };
                    let Some(target) = self.walk(op, node, 0) else { continue };
                    let mask = functions::run(self, function, value, target, op);
                    mapped |= mask;
                    continue;
                }
                _ => self.one(op, value, Some(&parts), node, 0),
            };
            if done {
                mapped |= bit;
            }
        }
        if top {
            self.fates[self.fate].dropped[Reason::Condition as usize] |= unmet;
        }
        mapped
    }

    /// A primitive through a map of codes that the outer row names.
    fn coded(&mut self, outer: &'static Op, op: &'static Op, value: Value<'m>, node: NodeId) -> bool {
        let raw = if op.first { self.index.parts(value.raw, value.level).get(1) } else { value.raw };
        let text = self.index.plain(raw);
        self.write_coded(outer, &text, node, None)
    }

    /// Whether the code as sent is one of those that the binding of its element requires.
    fn is_allowed(&self, op: &Op, value: Value<'m>) -> bool {
        let parts = self.index.parts(value.raw, value.level);
        let code = self.index.plain(parts.get(1));
        let name = self.index.plain(parts.get(3));
        let system = text::code_system(name.trim(), None);
        op.allowed.is_none_or(|allowed| system.is_some_and(|system| allowed.contains(&system, code.trim())))
    }

    /// Adds the translated coding to a concept, or fills a Coding with it.
    fn translated(&mut self, op: &'static Op, codes: usize, value: Value<'m>, node: NodeId) -> bool {
        let codes = &self.plan.codes[codes];
        let first = self.index.parts(value.raw, value.level).get(1);
        let code = self.index.plain(self.index.parts(first, value.level + 1).get(1));
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
    fn drop_same_coding(&mut self, concept: NodeId) {
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
    fn table_system(&mut self, table: u16, uri: &'static str, value: Value<'m>, node: NodeId) {
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

    /// Points a Reference to the resource of a role.
    fn link(&mut self, op: &'static Op, role: usize, from: NodeId, repetition: u16) {
        let Some(target) = self.roles[role] else {
            // What is still to come is linked at the end.
            self.pending.push((from, op, self.run as usize));
            return;
        };
        if Some(target) == self.resource {
            return;
        }
        if let Some(node) = self.walk(op, from, repetition)
            && self.tree.link_of(node).is_none()
        {
            self.tree.set_link(node, target);
        }
    }

    /// Links to roles that came later than the link.
    pub(super) fn resolve_pending(&mut self) {
        for (from, op, run) in std::mem::take(&mut self.pending) {
            let Action::Link(role) = op.action else { continue };
            let Some(target) = self.roles[role] else { continue };
            self.run = run as u32;
            if self.tree.root(target) != from
                && let Some(node) = self.walk(op, from, 0)
                && self.tree.link_of(node).is_none()
            {
                self.tree.set_link(node, target);
            }
        }
    }

    /// The element that a row's path leads to.
    pub(super) fn walk(&mut self, op: &'static Op, from: NodeId, repetition: u16) -> Option<NodeId> {
        self.walk_steps(&op.path, op, from, repetition)
    }

    fn walk_steps(&mut self, path: &'static [Go], op: &'static Op, from: NodeId, repetition: u16) -> Option<NodeId> {
        let mut node = from;
        for (number, go) in path.iter().enumerate() {
            match go {
                Go::Into(step, slot) => {
                    let repeats = if op.repeats_at == Some(number) { repetition } else { 0 };
                    let mark = match slot {
                        _ if !step.is_list => 0,
                        Slot::Shared => 0,
                        Slot::Number(slot) => u64::from(self.run) << 32 | u64::from(*slot) << 16 | u64::from(repeats),
                        Slot::Each => u64::from(self.run) << 32 | 0xFFFF << 16 | u64::from(self.each),
                    };
                    node = self.tree.item(node, step, mark)?;
                }
                Go::Follow(ty) => {
                    node = match self.tree.link_of(node) {
                        Some(resource) => {
                            let root = self.tree.root(resource);
                            if self.tree.ty(root) != *ty {
                                return None;
                            }
                            root
                        }
                        None => {
                            let (resource, root) = self.begin(*ty, None);
                            self.tree.set_link(node, resource);
                            root
                        }
                    };
                }
            }
        }
        Some(node)
    }

    fn concat(&self, list: &[Part], parts: Option<&Parts<'m>>) -> String {
        let view = View { work: self, parts };
        let (mut out, mut waiting, mut any) = (String::new(), "", false);
        for part in list {
            match part {
                Part::Text(text) => waiting = text,
                Part::Place(place) => {
                    let raw = view.raw(*place);
                    if !raw.is_empty() {
                        // Text in front of the first value is a prefix; between values it joins them.
                        out.push_str(waiting);
                        out.push_str(&self.index.plain(raw));
                        any = true;
                    }
                    waiting = "";
                }
            }
        }
        if any { out } else { String::new() }
    }

    fn write_raw(&mut self, op: &'static Op, raw: &'m str, from: NodeId, repetition: u16) -> bool {
        let plain: Cow<'m, str> = self.index.plain(raw);
        self.write(op, &plain, from, repetition)
    }

    /// Writes a text at a row's target as the value of its type.
    fn write(&mut self, op: &'static Op, plain: &str, from: NodeId, repetition: u16) -> bool {
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

    fn choice_taken(&mut self) -> bool {
        if let Some(fate) = self.fates.get_mut(self.fate) {
            fate.dropped[Reason::Choice as usize] = u64::MAX;
        }
        false
    }

    /// Writes a code through the row's map of codes; `coding` is the Coding that the code stands in.
    fn write_coded(&mut self, op: &'static Op, plain: &str, node: NodeId, coding: Option<NodeId>) -> bool {
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

    fn unknown_code(&mut self) -> bool {
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

    fn invalid(&mut self) -> bool {
        if let Some(fate) = self.fates.get_mut(self.fate) {
            fate.dropped[Reason::Invalid as usize] = u64::MAX;
        }
        self.note("convert-invalid-value", Severity::Warning, "the text is no value of the type of its element; it is left out");
        false
    }

    /// Writes a text as the value of a primitive.
    fn write_at(&mut self, op: &'static Op, plain: &str, node: NodeId) -> bool {
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

    pub(super) fn write_time(&mut self, raw: &str, precision: Precision, zone: Zone, node: NodeId) -> bool {
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

/// The role of the patient and of the visit: the first two of the plan.
pub(super) const PATIENT: usize = 0;
pub(super) const ENCOUNTER: usize = 1;
/// The role of the specimen, the fifth.
pub(super) const SPECIMEN: usize = 4;

/// What conditions see.
struct View<'a, 'm> {
    work: &'a Work<'m>,
    parts: Option<&'a Parts<'m>>,
}

impl<'m> View<'_, 'm> {
    fn raw(&self, place: Place) -> &'m str {
        let work = self.work;
        match place {
            Place::Component(number) => self.parts.map_or("", |parts| parts.get(usize::from(number))),
            Place::Segment(_) => "",
            Place::Field { segment, field, component } => {
                let here = work.index.segments[work.here].tag;
                if segment == here {
                    if field == work.field && !work.repetition.is_empty() {
                        return work.index.component(work.repetition, u16::from(component));
                    }
                    return work.index.first(work.here, field, u16::from(component));
                }
                work.sibling(segment).map_or("", |at| work.index.first(at, field, u16::from(component)))
            }
        }
    }
}

impl Facts for View<'_, '_> {
    fn text(&self, place: Place) -> &str {
        let raw = self.raw(place);
        if raw == "\"\"" { "" } else { raw }
    }

    fn count(&self, place: Place) -> usize {
        let Place::Field { segment, field, .. } = place else { return 0 };
        let at = if self.work.index.segments[self.work.here].tag == segment { Some(self.work.here) } else { self.work.sibling(segment) };
        at.map_or(0, |at| self.work.index.repetitions(self.work.index.field(at, field)).count())
    }

    fn has_segment(&self, segment: Tag) -> bool {
        self.work.sibling(segment).is_some()
    }
}

/// Segments further away than this are not looked at for a condition.
const REACH: usize = 64;

impl Work<'_> {
    /// The segment of that name that belongs to the one at hand: of its order for what orders hold, else of the message.
    pub(super) fn sibling(&self, tag: Tag) -> Option<usize> {
        let segments = &self.index.segments;
        if tag == *b"MSH" {
            return Some(0);
        }
        let of_order = matches!(&tag, b"ORC" | b"OBR" | b"RXE" | b"RXO" | b"RXD" | b"RXA" | b"RXC" | b"TQ1");
        if !of_order {
            return segments.iter().take(REACH).position(|segment| segment.tag == tag);
        }
        let begins = |at: usize| &segments[at].tag == b"ORC";
        if !begins(self.here) {
            for at in (0..self.here).rev().take(REACH) {
                if segments[at].tag == tag {
                    return Some(at);
                }
                if begins(at) || (&segments[at].tag == b"OBR" && &segments[self.here].tag == b"OBR") {
                    break;
                }
            }
        }
        (self.here + 1..segments.len()).take(REACH).take_while(|at| !begins(*at)).find(|at| segments[*at].tag == tag)
    }
}
