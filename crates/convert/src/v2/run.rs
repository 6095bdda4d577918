//! Applying maps to segments: values go from fields to elements, and every part of a field is accounted for.

mod write;

use std::ops::Range;

use smallvec::SmallVec;
use sutura_core::{Finding, Severity};

use super::{
    condition::{Condition, Facts, Place},
    document,
    functions::{self, Function},
    index::{self, Index, Parts},
    plan::{Action, Go, Leaf, Map, Op, Part, Plan, Slot, Tag},
    time::Zone,
};
use crate::fhir::{NodeId, ResourceId, Tree};

/// Why a part of a field was left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// More repetitions than are looked at: that is the reason, whatever the rows say.
    TooMany,
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

/// Further repetitions of a field are left out.
const MOST_REPETITIONS: usize = 1 << 15;

pub(super) const REASONS: [&str; 9] = [
    "too-many-repetitions",
    "deleted",
    "one-value",
    "invalid-value",
    "too-coarse",
    "time-without-zone",
    "code-not-mapped",
    "choice-taken",
    "condition",
];

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
        let repetition = self.index.delimiters.repetition.filter(|_| self.index.segments[segment].repeats);
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
        let mut guard = (0, "");
        for group in &map.groups {
            self.field = group.at;
            let raw = if group.at == 0 { "" } else { self.index.field(segment, group.at) };
            if raw.is_empty() {
                if group.at > 0 && !group.without_value {
                    continue;
                }
                for op in &map.ops[group.rows.clone()] {
                    self.repetition = "";
                    if (op.at == 0 || op.without_value) && self.holds(op, None) {
                        self.one(op, Value { raw: "", level: 0 }, None, root, 0);
                    }
                }
                continue;
            }
            let fates = starts[usize::from(group.at)] as usize..starts[usize::from(group.at) + 1] as usize;
            for op in &map.ops[group.rows.clone()] {
                self.repetition = "";
                if let Some((field, values)) = &op.guard {
                    if *field != guard.0 {
                        guard = (*field, self.index.first(segment, *field, 0));
                    }
                    if !values.contains(&guard.1) {
                        self.unmet(op, fates.clone());
                        continue;
                    }
                }
                self.row(op, raw, root, fates.clone());
            }
        }
    }

    /// The condition of a row does not hold for these repetitions.
    fn unmet(&mut self, op: &Op, fates: Range<usize>) {
        if !matches!(op.action, Action::Constant(_) | Action::Link(_)) {
            for fate in &mut self.fates[fates] {
                fate.by_component |= matches!(op.action, Action::Map(_));
                fate.dropped[Reason::Condition as usize] = u64::MAX;
            }
        }
    }

    /// Applies a row to the repetitions of its field.
    fn row(&mut self, op: &'static Op, raw: &'m str, root: NodeId, fates: Range<usize>) {
        if matches!(op.action, Action::Function(function) if function.takes_field()) {
            if self.holds(op, None) {
                self.whole_field(op, raw, root, fates);
            }
            return;
        }
        if op.each {
            self.each_repetition(op, raw, root, fates.start);
            return;
        }
        // A field without a second repetition is the usual one.
        let separator = if fates.len() > 1 { self.index.delimiters.repetition } else { None };
        for (number, repetition) in index::split(raw, separator).enumerate() {
            self.fate = fates.start + number;
            self.repetition = repetition;
            if repetition.is_empty() || repetition == "\"\"" {
                continue;
            }
            let says = !matches!(op.action, Action::Constant(_) | Action::Link(_));
            if number >= MOST_REPETITIONS {
                if number == MOST_REPETITIONS {
                    self.note("convert-too-many-repetitions", Severity::Warning, "the field has more repetitions than are converted");
                }
                self.fates[self.fate].by_component |= matches!(op.action, Action::Map(_));
                self.fates[self.fate].dropped[Reason::TooMany as usize] = u64::MAX;
                continue;
            }
            if number > 0 && op.repeats_at.is_none() {
                if says {
                    self.fates[self.fate].by_component |= matches!(op.action, Action::Map(_));
                    self.fates[self.fate].dropped[Reason::OneValue as usize] = u64::MAX;
                }
                continue;
            }
            self.fates[self.fate].by_component |= matches!(op.action, Action::Map(_));
            if !self.holds(op, None) {
                if says {
                    self.fates[self.fate].dropped[Reason::Condition as usize] = u64::MAX;
                }
                continue;
            }
            self.one(op, Value { raw: repetition, level: 0 }, None, root, number as u16);
        }
    }

    /// A row whose target is one item for each repetition of OBX-5.
    fn each_repetition(&mut self, op: &'static Op, raw: &'m str, root: NodeId, first: usize) {
        let segment = self.here;
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
    fn whole_field(&mut self, op: &'static Op, raw: &'m str, root: NodeId, fates: Range<usize>) {
        let Action::Function(function) = op.action else { return };
        if function == Function::DocumentText {
            if let Some(node) = self.walk(op, root, 0)
                && document::content(self, node)
            {
                self.data();
                self.fates[fates].iter_mut().for_each(|fate| fate.mapped = u64::MAX);
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
            for fate in &mut self.fates[fates] {
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
                let raw = if op.first { self.index.head(value.raw, value.level) } else { value.raw };
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
        for group in &map.groups {
            let raw = parts.get(usize::from(group.at));
            if raw.is_empty() && !group.without_value {
                continue;
            }
            for op in &map.ops[group.rows.clone()] {
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
        }
        if top {
            self.fates[self.fate].dropped[Reason::Condition as usize] |= unmet;
        }
        mapped
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
