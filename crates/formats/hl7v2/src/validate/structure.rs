//! Checks the segments of a message against the grammar of its structure.
//!
//! Sound messages are recognised exactly ([`crate::defs`]' automaton). For the others a walk finds out
//! what is wrong. It is greedy and never gives up: from the place reached, a segment is looked for first in
//! what may follow (strictly, then skipping what is missing), then in a repetition of the groups
//! around, from the inside out. What cannot be placed is a finding and the walk stays where it is.

use sutura_core::Severity;

use super::{Check, Place, is_segment_name};
use crate::{
    defs::{self, Grammar, NodeKind, StructureDef, Version},
    message::{Message, Segment},
};

pub(super) fn check(message: &Message<'_>, structure: &'static StructureDef, version: Version, check: &mut Check<'_>) {
    let keys: Vec<u32> = message.segments().filter_map(|segment| place_key(&segment)).collect();
    if structure.automaton(version).accepts(&keys) {
        return;
    }
    let mut walk = Walk::new(structure.grammar(version));
    // A segment at the wrong place is not missing as well.
    let mut misplaced = Vec::new();
    for segment in message.segments() {
        let Some(key) = place_key(&segment) else { continue };
        if !walk.step(key) {
            if !misplaced.contains(&key) {
                misplaced.push(key);
            }
            report_misplaced(&segment, key, &walk, structure, check);
        }
    }
    for name in walk.finish().into_iter().filter(|name| !misplaced.contains(&defs::segment_key(name))) {
        let title = defs::segment(name).map_or("", |segment| segment.title);
        check.push(
            "segment-missing",
            Severity::Error,
            name,
            format!("the message has no {name} segment ({title}), which {} requires", structure.name),
        );
    }
}

/// The key of a segment that has a place in structures. Local segments may stand anywhere,
/// continuations too; unknown and odd names are reported elsewhere.
fn place_key(segment: &Segment<'_>) -> Option<u32> {
    let name = segment.name();
    if name.starts_with(['Z', 'z']) || matches!(name, "ADD" | "DSC") || !is_segment_name(name) {
        return None;
    }
    if defs::segment(name).is_some() {
        return Some(defs::segment_key(name));
    }
    let upper = name.to_ascii_uppercase();
    defs::segment(&upper).map(|_| defs::segment_key(&upper))
}

fn report_misplaced(segment: &Segment<'_>, key: u32, walk: &Walk<'_>, structure: &StructureDef, check: &mut Check<'_>) {
    let place = Place::segment(segment);
    if walk.keys().contains(&key) {
        if walk.keys()[walk.at] == key {
            check.add("segment-repeated", Severity::Warning, place, format!("the segment may not repeat here in {}", structure.name));
        } else {
            check.add("segment-order", Severity::Warning, place, format!("the segment is not at the place {} gives it", structure.name));
        }
    } else if structure.has_segment(segment.name()) {
        let text = format!("the segment does not belong to {} in the stated version, but does in another", structure.name);
        check.add("segment-unexpected", Severity::Info, place, text);
    } else {
        check.add("segment-unexpected", Severity::Warning, place, format!("the segment does not belong to {}", structure.name));
    }
}

struct Walk<'g> {
    grammar: &'g Grammar,
    /// The node of the last placed segment; 0 before the first.
    at: usize,
    /// Which nodes the open instance of their group has.
    seen: Vec<bool>,
    /// The open groups, the message first.
    open: Vec<usize>,
    missing: Vec<&'static str>,
}

/// Where a segment goes: the node, the open group that stays open, whether that group begins anew.
struct Target {
    node: usize,
    group: usize,
    again: bool,
}

impl<'g> Walk<'g> {
    fn new(grammar: &'g Grammar) -> Self {
        Self { grammar, at: 0, seen: vec![false; grammar.nodes().len()], open: vec![0], missing: Vec::new() }
    }

    fn keys(&self) -> &'g [u32] {
        self.grammar.keys()
    }

    fn end(&self, node: usize) -> usize {
        usize::from(self.grammar.nodes()[node].end)
    }

    /// Places one segment; `false` when it has no place.
    fn step(&mut self, key: u32) -> bool {
        let nodes = self.grammar.nodes();
        if self.at > 0 && nodes[self.at].repeats && (self.keys()[self.at] == key || nodes[self.at].kind == NodeKind::Any) {
            return true;
        }
        let Some(target) = self.find(key, true).or_else(|| self.find(key, false)) else {
            return false;
        };
        self.go(&target);
        true
    }

    /// Looks around from the inside out. `strictly`: without leaving out anything required.
    fn find(&self, key: u32, strictly: bool) -> Option<Target> {
        let nodes = self.grammar.nodes();
        let mut from = if self.at == 0 { 1 } else { self.end(self.at) };
        for &group in self.open.iter().rev() {
            let mut complete = true;
            if nodes[group].kind == NodeKind::Group {
                let (node, blocked) = self.forward(from, self.end(group), key, strictly, true);
                if let Some(node) = node {
                    return Some(Target { node, group, again: false });
                }
                complete = !blocked;
            }
            if strictly && !complete {
                return None;
            }
            if nodes[group].repeats
                && let Some(node) = self.enter(group, key, strictly)
            {
                return Some(Target { node, group, again: true });
            }
            from = self.end(group);
        }
        None
    }

    /// The first place for the segment among the siblings from `from` on, and whether something
    /// required stands in the way. `here`: the siblings are of an open group, so `seen` counts.
    fn forward(&self, from: usize, end: usize, key: u32, strictly: bool, here: bool) -> (Option<usize>, bool) {
        let nodes = self.grammar.nodes();
        let mut node = from;
        while node < end {
            let found = match nodes[node].kind {
                NodeKind::Segment(_) => (self.keys()[node] == key).then_some(node),
                NodeKind::Any => Some(node),
                NodeKind::Group | NodeKind::Choice => self.enter(node, key, strictly),
            };
            if found.is_some() {
                return (found, false);
            }
            if strictly && nodes[node].required && !(here && self.seen[node]) {
                return (None, true);
            }
            node = self.end(node).max(node + 1);
        }
        (None, false)
    }

    /// The place for the segment in a new instance of a group.
    fn enter(&self, group: usize, key: u32, strictly: bool) -> Option<usize> {
        let nodes = self.grammar.nodes();
        if nodes[group].kind == NodeKind::Choice {
            return self.grammar.children(group).find_map(|child| match nodes[child].kind {
                NodeKind::Segment(_) => (self.keys()[child] == key).then_some(child),
                NodeKind::Any => Some(child),
                NodeKind::Group | NodeKind::Choice => self.enter(child, key, strictly),
            });
        }
        self.forward(group + 1, self.end(group), key, strictly, false).0
    }

    fn go(&mut self, target: &Target) {
        while let Some(&group) = self.open.last() {
            if group == target.group && !target.again {
                break;
            }
            self.close();
            if group == target.group {
                break;
            }
        }
        // The groups between the one that stays open and the segment, outermost first.
        let nodes = self.grammar.nodes();
        let mut path = Vec::new();
        let mut node = usize::from(nodes[target.node].parent);
        while self.open.last() != Some(&node) && node != 0 {
            path.push(node);
            node = usize::from(nodes[node].parent);
        }
        for group in path.into_iter().rev() {
            let end = self.end(group);
            self.seen[group..end].fill(false);
            self.seen[group] = true;
            self.open.push(group);
        }
        self.seen[target.node] = true;
        self.at = target.node;
    }

    /// Leaves the innermost group; what it should have had is missing.
    fn close(&mut self) {
        let Some(group) = self.open.pop() else { return };
        let nodes = self.grammar.nodes();
        if nodes[group].kind == NodeKind::Choice {
            return;
        }
        for child in self.grammar.children(group) {
            if nodes[child].required && !self.seen[child] {
                self.miss(child);
            }
        }
    }

    fn miss(&mut self, node: usize) {
        let nodes = self.grammar.nodes();
        match nodes[node].kind {
            NodeKind::Segment(name) if !self.missing.contains(&name) && !defs::is_never_missing(name) => self.missing.push(name),
            NodeKind::Group => {
                for child in self.grammar.children(node).filter(|&child| nodes[child].required) {
                    self.miss(child);
                }
            }
            // Any of the choices would do; the first stands for them.
            NodeKind::Choice => {
                if let Some(first) = self.grammar.children(node).next() {
                    self.miss(first);
                }
            }
            NodeKind::Segment(_) | NodeKind::Any => {}
        }
    }

    /// Ends the message; returns the missing segments.
    fn finish(mut self) -> Vec<&'static str> {
        while !self.open.is_empty() {
            self.close();
        }
        self.missing
    }
}
