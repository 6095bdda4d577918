//! The arena of elements.

mod front;

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc};

use sutura_fhir::defs::{TypeId, r4};

use super::{Path, Step, json};
use crate::{hash::FastHasher, ids::Id};

/// An element of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub(crate) u32);

/// A resource of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId(pub(crate) u32);

impl ResourceId {
    /// Its place among the resources of the tree.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// No node, no link, no text.
const NONE: u32 = u32::MAX;
/// The place of `url` in Extension, behind `id` and `extension`.
const EXTENSION_URL: u16 = 2;
/// Text of a primitive that is written without quotes.
const RAW: u8 = 1;
const LIST: u8 = 2;
const PRIMITIVE: u8 = 4;
/// Something is below it or in it that is written.
const LIVE: u8 = 8;

#[derive(Debug, Clone)]
struct Node {
    name: &'static str,
    /// Tells items of a list apart.
    mark: u64,
    ty: TypeId,
    order: u16,
    flags: u8,
    parent: u32,
    first: u32,
    last: u32,
    next: u32,
    prev: u32,
    text: u32,
    length: u32,
    link: u32,
}

impl Node {
    fn is_extension_url(&self) -> bool {
        self.order == EXTENSION_URL && self.name == "url"
    }
}

#[derive(Debug, Clone)]
struct Resource {
    root: u32,
    name: &'static str,
    id: Option<Id>,
}

/// Paths by the type they begin at, and where their text is and its length.
type Paths = HashMap<(usize, usize, usize), Option<Arc<Path>>, BuildHasherDefault<FastHasher>>;

/// The resources of one record. `Debug` shows no content.
#[derive(Default)]
pub struct Tree {
    /// Paths of names that were used, by the type they begin at and where their text is.
    paths: Paths,
    nodes: Vec<Node>,
    text: String,
    resources: Vec<Resource>,
    items: u64,
    /// Long lists, by the element that they are in and their place there.
    long: HashMap<(u32, u16), Long, BuildHasherDefault<FastHasher>>,
    /// Something was emptied, so that what is above it may say that it holds something and does not.
    stale: bool,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("resources", &self.resources.len()).field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

/// A list so long that looking through it for every item would take too long.
#[derive(Debug, Default)]
struct Long {
    by_mark: HashMap<u64, u32, BuildHasherDefault<FastHasher>>,
    /// The last item, if there is one.
    last: u32,
}

/// Lists get an index when more elements than this were looked at.
const LONG: u32 = 64;

/// Marks of items that were pushed; no caller's mark has this bit.
const PUSHED: u64 = 1 << 63;

impl Tree {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all resources and keeps the memory, up to what usual records need.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.nodes.shrink_to(1 << 16);
        self.text.clear();
        self.text.shrink_to(1 << 20);
        self.resources.clear();
        self.items = 0;
        self.long.clear();
        self.stale = false;
    }

    /// How many elements it holds.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Begins a resource; none if R4 has no such type.
    pub fn resource(&mut self, resource_type: &str, id: Id) -> Option<(ResourceId, NodeId)> {
        let def = r4().resource_named(resource_type)?;
        let (resource, root) = self.begin(def.id);
        self.set_id(resource, id);
        Some((resource, root))
    }

    /// Begins a resource whose id comes later.
    pub(crate) fn begin(&mut self, ty: TypeId) -> (ResourceId, NodeId) {
        let root = self.new_node(Node {
            name: "",
            mark: 0,
            ty,
            order: 0,
            flags: 0,
            parent: NONE,
            first: NONE,
            last: NONE,
            next: NONE,
            prev: NONE,
            text: NONE,
            length: 0,
            link: NONE,
        });
        self.resources.push(Resource { root, name: ty.name(), id: None });
        (ResourceId(self.resources.len() as u32 - 1), NodeId(root))
    }

    /// Gives a resource its id.
    pub fn set_id(&mut self, resource: ResourceId, id: Id) {
        self.resources[resource.index()].id = Some(id);
    }

    /// The id of a resource.
    pub fn id_of(&self, resource: ResourceId) -> Option<Id> {
        self.resources[resource.index()].id
    }

    /// The type of a resource.
    pub fn type_of(&self, resource: ResourceId) -> &'static str {
        self.resources[resource.index()].name
    }

    /// The root element of a resource.
    pub fn root(&self, resource: ResourceId) -> NodeId {
        NodeId(self.resources[resource.index()].root)
    }

    /// How many resources it holds.
    pub fn resource_count(&self) -> usize {
        self.resources.len()
    }

    /// All resources in the order they were begun.
    pub fn resources(&self) -> impl DoubleEndedIterator<Item = ResourceId> + use<> {
        (0..self.resources.len() as u32).map(ResourceId)
    }

    /// The type of an element.
    pub fn ty(&self, node: NodeId) -> TypeId {
        self.nodes[node.0 as usize].ty
    }

    /// The element of that name, made if it is not there; of a list its first item. None if the type has no such element, or has
    /// taken another type of the same choice.
    pub fn element(&mut self, parent: NodeId, name: &'static str) -> Option<NodeId> {
        self.nth(parent, name, 0)
    }

    /// A new item of a list; of what is no list the one element.
    pub fn push(&mut self, parent: NodeId, name: &'static str) -> Option<NodeId> {
        let step = Step::new(self.ty(parent), name)?;
        if !step.is_list {
            return self.item(parent, &step, 0);
        }
        self.items += 1;
        self.append(parent, &step, PUSHED | self.items)
    }

    /// The item of a list at a place, from 0. Items before it that are not there are not made: a place behind the end is the end.
    pub fn nth(&mut self, parent: NodeId, name: &'static str, place: u32) -> Option<NodeId> {
        let step = Step::new(self.ty(parent), name)?;
        self.nth_step(parent, &step, place)
    }

    fn nth_step(&mut self, parent: NodeId, step: &Step, place: u32) -> Option<NodeId> {
        if !step.is_list {
            return self.item(parent, step, 0);
        }
        let mut at = self.nodes[parent.0 as usize].first;
        let mut number = 0;
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.order == step.order {
                if number == place {
                    return (node.name == step.name).then_some(NodeId(at));
                }
                number += 1;
            } else if node.order > step.order {
                break;
            }
            at = node.next;
        }
        self.items += 1;
        self.append(parent, step, PUSHED | self.items)
    }

    /// What a path leads to, made where it is not there.
    pub fn at(&mut self, from: NodeId, path: &Path) -> Option<NodeId> {
        path.steps.iter().try_fold(from, |node, (step, place)| self.nth_step(node, step, *place))
    }

    /// Sets the primitive that a path of names leads to (`name[0].given[1]`). Text for a boolean or a number has to be one as in
    /// JSON. Empty text sets nothing. False if there is no such element or the text does not fit.
    pub fn set(&mut self, from: NodeId, path: &'static str, value: &str) -> bool {
        let Some(path) = self.path(from, path) else { return false };
        if value.is_empty() || !path.steps.last().is_some_and(|(step, _)| json::fits(step, value)) {
            return false;
        }
        let Some(node) = self.at(from, &path) else { return false };
        self.put(node, value);
        true
    }

    /// The steps of a path of names, resolved once.
    fn path(&mut self, from: NodeId, text: &'static str) -> Option<Arc<Path>> {
        let ty = self.ty(from);
        let resolve = || {
            let path = Path::new(ty, text).ok().map(Arc::new);
            debug_assert!(path.is_some(), "no path {text} from {}", ty.name());
            path
        };
        self.paths.entry((ty.index(), text.as_ptr() as usize, text.len())).or_insert_with(resolve).clone()
    }

    /// Sets a boolean.
    pub fn set_flag(&mut self, from: NodeId, path: &'static str, value: bool) -> bool {
        self.set(from, path, if value { "true" } else { "false" })
    }

    /// Points the Reference at a path to a resource of this tree.
    pub fn link(&mut self, from: NodeId, path: &'static str, target: ResourceId) -> bool {
        let Some(path) = self.path(from, path) else { return false };
        let Some(node) = self.at(from, &path) else { return false };
        self.set_link(node, target);
        true
    }

    /// Points a Reference to a resource of this tree.
    pub fn set_link(&mut self, node: NodeId, target: ResourceId) {
        self.nodes[node.0 as usize].link = target.0;
        self.enliven(node.0);
    }

    /// An element that was emptied is not written any more, nor is what held nothing else.
    fn wither(&mut self, mut at: u32) {
        self.nodes[at as usize].flags &= !LIVE;
        loop {
            let node = &self.nodes[at as usize];
            if node.parent == NONE || node.is_extension_url() {
                return;
            }
            at = node.parent;
            let parent = &self.nodes[at as usize];
            if parent.flags & LIVE == 0 || parent.text != NONE || parent.link != NONE || self.has_live_child(parent) {
                return;
            }
            self.nodes[at as usize].flags &= !LIVE;
        }
    }

    /// An element and what it stands in are written from now on.
    fn enliven(&mut self, mut at: u32) {
        while at != NONE {
            let node = &mut self.nodes[at as usize];
            if node.flags & LIVE != 0 {
                break;
            }
            node.flags |= LIVE;
            // The url of an extension says nothing without a value.
            if node.is_extension_url() {
                break;
            }
            at = node.parent;
        }
    }

    /// The resource that a Reference points to.
    pub fn link_of(&self, node: NodeId) -> Option<ResourceId> {
        let link = self.nodes[node.0 as usize].link;
        (link != NONE).then_some(ResourceId(link))
    }

    /// Sets the value of a primitive element; whether it fits was checked ([`json::fits`]).
    pub(crate) fn put(&mut self, node: NodeId, value: &str) {
        let start = self.text.len() as u32;
        self.text.push_str(value);
        self.close_text(node, start);
    }

    /// Where text for [`close_text`](Self::close_text) is appended.
    pub(crate) fn open_text(&mut self) -> (u32, &mut String) {
        (self.text.len() as u32, &mut self.text)
    }

    /// Makes all text since `start` the value of an element.
    pub(crate) fn close_text(&mut self, node: NodeId, start: u32) {
        let length = self.text.len() as u32 - start;
        let at = node.0;
        let node = &mut self.nodes[at as usize];
        node.text = start;
        node.length = length;
        self.enliven(at);
    }

    /// The value of the primitive at a path, if it is there.
    pub fn get(&self, from: NodeId, path: &'static str) -> Option<&str> {
        if !path.bytes().any(|byte| matches!(byte, b'.' | b'[')) {
            return self.value(self.child(from, path)?);
        }
        let path = Path::new(self.ty(from), path).ok()?;
        let mut node = from.0;
        for (step, place) in &path.steps {
            let mut at = self.nodes[node as usize].first;
            let mut left = *place;
            loop {
                if at == NONE {
                    return None;
                }
                let child = &self.nodes[at as usize];
                if child.order == step.order && child.name == step.name {
                    if left == 0 {
                        break;
                    }
                    left -= 1;
                }
                at = child.next;
            }
            node = at;
        }
        self.value(NodeId(node))
    }

    /// The value of a primitive element.
    pub fn value(&self, node: NodeId) -> Option<&str> {
        let node = &self.nodes[node.0 as usize];
        (node.text != NONE).then(|| &self.text[node.text as usize..(node.text + node.length) as usize])
    }

    /// Whether the element holds anything that is written.
    pub fn has_content(&self, node: NodeId) -> bool {
        let here = &self.nodes[node.0 as usize];
        if !self.stale {
            return here.flags & LIVE != 0;
        }
        if here.text != NONE || here.link != NONE {
            return true;
        }
        let mut at = here.first;
        while at != NONE {
            let child = &self.nodes[at as usize];
            if !child.is_extension_url() && self.has_content(NodeId(at)) {
                return true;
            }
            at = child.next;
        }
        false
    }

    /// Whether the type's element of that name is there with content.
    pub fn has(&self, parent: NodeId, name: &str) -> bool {
        let mut at = self.nodes[parent.0 as usize].first;
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.name == name && self.has_content(NodeId(at)) {
                return true;
            }
            at = node.next;
        }
        false
    }

    /// The element of that name, the first of a list, if it was made.
    pub(crate) fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.children(parent).find(|(known, _)| *known == name).map(|(_, child)| child)
    }

    /// The elements directly inside of one, with their names.
    pub(crate) fn children(&self, parent: NodeId) -> impl Iterator<Item = (&'static str, NodeId)> + '_ {
        let mut at = self.nodes[parent.0 as usize].first;
        std::iter::from_fn(move || {
            if at == NONE {
                return None;
            }
            let node = &self.nodes[at as usize];
            let found = (node.name, NodeId(at));
            at = node.next;
            Some(found)
        })
    }

    /// The item of a list with that mark, made behind the others if it is not there; the element itself if it is no list. None where
    /// the choice has another type already. Items with the same upper 32 bits of the mark stand together at the end: only those are searched.
    pub(crate) fn item(&mut self, parent: NodeId, step: &Step, mark: u64) -> Option<NodeId> {
        let (mut at, mut looked) = (self.nodes[parent.0 as usize].last, 0);
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.order < step.order {
                break;
            }
            looked += 1;
            if looked > LONG && step.is_list {
                if let Some(found) = self.long(parent, step.order).by_mark.get(&mark) {
                    return Some(NodeId(*found));
                }
                break;
            }
            if node.order == step.order {
                // Elements of one place differ in name only where they differ in type.
                if node.ty != step.ty {
                    return self.retype(NodeId(at), step);
                }
                if !step.is_list || node.mark == mark {
                    return Some(NodeId(at));
                }
                if node.mark >> 32 != mark >> 32 {
                    break;
                }
            }
            at = node.prev;
        }
        self.append(parent, step, mark)
    }

    /// The index of a long list.
    fn long(&mut self, parent: NodeId, order: u16) -> &mut Long {
        let Self { long, nodes, .. } = self;
        long.entry((parent.0, order)).or_insert_with(|| {
            let mut list = Long { last: NONE, ..Long::default() };
            let mut at = nodes[parent.0 as usize].first;
            while at != NONE && nodes[at as usize].order <= order {
                if nodes[at as usize].order == order {
                    list.by_mark.entry(nodes[at as usize].mark).or_insert(at);
                    list.last = at;
                }
                at = nodes[at as usize].next;
            }
            list
        })
    }

    /// Makes another type of a choice out of an element that was never filled.
    fn retype(&mut self, node: NodeId, step: &Step) -> Option<NodeId> {
        if step.is_list || self.has_content(node) {
            return None;
        }
        let here = &mut self.nodes[node.0 as usize];
        (here.name, here.ty, here.first, here.last) = (step.name, step.ty, NONE, NONE);
        here.flags = step_flags(step);
        Some(node)
    }

    /// Makes an element behind those of the same place.
    pub(crate) fn append(&mut self, parent: NodeId, step: &Step, mark: u64) -> Option<NodeId> {
        let (mut before, mut looked) = (self.nodes[parent.0 as usize].last, 0);
        while before != NONE && self.nodes[before as usize].order > step.order {
            before = self.nodes[before as usize].prev;
            looked += 1;
            if looked == LONG && step.is_list {
                let last = self.long(parent, step.order).last;
                if last != NONE {
                    before = last;
                    break;
                }
            }
        }
        if before != NONE && self.nodes[before as usize].order == step.order && self.nodes[before as usize].ty != step.ty {
            return None;
        }
        let after = if before == NONE { self.nodes[parent.0 as usize].first } else { self.nodes[before as usize].next };
        let at = self.new_node(Node {
            name: step.name,
            mark,
            ty: step.ty,
            order: step.order,
            flags: step_flags(step),
            parent: parent.0,
            first: NONE,
            last: NONE,
            next: after,
            prev: before,
            text: NONE,
            length: 0,
            link: NONE,
        });
        match before {
            NONE => self.nodes[parent.0 as usize].first = at,
            _ => self.nodes[before as usize].next = at,
        }
        match after {
            NONE => self.nodes[parent.0 as usize].last = at,
            _ => self.nodes[after as usize].prev = at,
        }
        if step.is_list
            && let Some(list) = self.long.get_mut(&(parent.0, step.order))
        {
            list.by_mark.entry(mark).or_insert(at);
            list.last = at;
        }
        Some(NodeId(at))
    }

    fn new_node(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// Finds out what is written after something was emptied: children stand behind their parents in the arena, so one pass backwards is
    /// enough.
    pub fn settle(&mut self) {
        if !self.stale {
            return;
        }
        for node in &mut self.nodes {
            node.flags &= !LIVE;
        }
        for at in (0..self.nodes.len()).rev() {
            let node = &mut self.nodes[at];
            if node.text != NONE || node.link != NONE {
                node.flags |= LIVE;
            }
            if node.flags & LIVE != 0 && node.parent != NONE && !node.is_extension_url() {
                let parent = node.parent as usize;
                self.nodes[parent].flags |= LIVE;
            }
        }
        self.stale = false;
    }

    /// Writes a resource as JSON.
    pub fn write_resource(&mut self, resource: ResourceId, out: &mut Vec<u8>) {
        self.settle();
        let Resource { root, name, id } = &self.resources[resource.index()];
        out.extend_from_slice(b"{\"resourceType\":\"");
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
        if let Some(id) = id {
            out.extend_from_slice(b",\"id\":\"");
            out.extend_from_slice(id.as_bytes());
            out.push(b'"');
        }
        self.write_children(self.nodes[*root as usize].first, true, out);
        out.push(b'}');
    }

    /// Writes the elements of a resource behind others.
    pub(crate) fn write_below(&self, resource: ResourceId, out: &mut Vec<u8>) {
        let root = self.resources[resource.index()].root;
        self.write_children(self.nodes[root as usize].first, true, out);
    }

    fn write_children(&self, first: u32, mut comma: bool, out: &mut Vec<u8>) {
        let mut at = first;
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.flags & LIST != 0 {
                at = self.write_list(at, &mut comma, out);
                continue;
            }
            at = node.next;
            if node.flags & LIVE == 0 {
                continue;
            }
            if node.flags & PRIMITIVE == 0 {
                key(node.name, &mut comma, out);
                self.write_object(node, out);
                continue;
            }
            if node.text != NONE {
                key(node.name, &mut comma, out);
                self.write_value(node, out);
            }
            if self.has_live_child(node) {
                under_key(node.name, &mut comma, out);
                self.write_object(node, out);
            }
        }
    }

    /// Writes the items of a list and gives what comes after them.
    fn write_list(&self, first: u32, comma: &mut bool, out: &mut Vec<u8>) -> u32 {
        let Node { name, order, flags, .. } = self.nodes[first as usize];
        let (mut end, mut any, mut extended) = (first, false, false);
        while end != NONE && self.nodes[end as usize].order == order {
            let node = &self.nodes[end as usize];
            any |= node.flags & LIVE != 0;
            extended |= flags & PRIMITIVE != 0 && self.has_live_child(node);
            end = node.next;
        }
        if !any {
            return end;
        }
        let is_primitive = flags & PRIMITIVE != 0;
        key(name, comma, out);
        self.write_items(first, end, out, |node, out| match (is_primitive, node.text) {
            (false, _) => self.write_object(node, out),
            (true, NONE) => out.extend_from_slice(b"null"),
            (true, _) => self.write_value(node, out),
        });
        if extended {
            under_key(name, comma, out);
            self.write_items(first, end, out, |node, out| {
                if self.has_live_child(node) {
                    self.write_object(node, out);
                } else {
                    out.extend_from_slice(b"null");
                }
            });
        }
        end
    }

    fn write_items(&self, first: u32, end: u32, out: &mut Vec<u8>, write: impl Fn(&Node, &mut Vec<u8>)) {
        out.push(b'[');
        let (mut at, mut behind) = (first, false);
        while at != end {
            let node = &self.nodes[at as usize];
            if node.flags & LIVE != 0 {
                if behind {
                    out.push(b',');
                }
                behind = true;
                write(node, out);
            }
            at = node.next;
        }
        out.push(b']');
    }

    fn write_object(&self, node: &Node, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut comma = false;
        if node.link != NONE {
            let target = &self.resources[node.link as usize];
            out.extend_from_slice(b"\"reference\":\"");
            out.extend_from_slice(target.name.as_bytes());
            out.push(b'/');
            out.extend_from_slice(target.id.as_ref().map_or(&[], |id| id.as_bytes().as_slice()));
            out.push(b'"');
            comma = true;
        }
        self.write_children(node.first, comma, out);
        out.push(b'}');
    }

    fn write_value(&self, node: &Node, out: &mut Vec<u8>) {
        let text = &self.text[node.text as usize..(node.text + node.length) as usize];
        if node.flags & RAW != 0 {
            out.extend_from_slice(text.as_bytes());
        } else {
            json::push_string(text, out);
        }
    }

    fn has_live_child(&self, node: &Node) -> bool {
        let mut at = node.first;
        while at != NONE {
            let child = &self.nodes[at as usize];
            // The url of an extension says nothing without a value.
            if child.flags & LIVE != 0 && !child.is_extension_url() {
                return true;
            }
            at = child.next;
        }
        false
    }

    /// Makes every Reference point to what stands in for its resource, or nowhere.
    pub(crate) fn relink(&mut self, replacement: &[Option<ResourceId>]) {
        for node in &mut self.nodes {
            if node.link != NONE {
                node.link = replacement[node.link as usize].map_or(NONE, |target| target.0);
                self.stale |= node.link == NONE;
            }
        }
    }

    /// Empties an element; it is not written any more.
    pub(crate) fn erase(&mut self, node: NodeId) {
        let mut at = self.nodes[node.0 as usize].first;
        while at != NONE {
            let next = self.nodes[at as usize].next;
            self.erase(NodeId(at));
            at = next;
        }
        let here = &mut self.nodes[node.0 as usize];
        (here.text, here.length, here.link) = (NONE, 0, NONE);
        if here.flags & LIVE != 0 {
            self.wither(node.0);
        }
    }

    /// The first of the elements directly inside of one.
    pub(crate) fn first_child(&self, parent: NodeId) -> Option<NodeId> {
        let first = self.nodes[parent.0 as usize].first;
        (first != NONE).then_some(NodeId(first))
    }

    /// The element beside one.
    pub(crate) fn next_sibling(&self, node: NodeId) -> Option<NodeId> {
        let next = self.nodes[node.0 as usize].next;
        (next != NONE).then_some(NodeId(next))
    }

    /// The place of an element in its type.
    pub(crate) fn order(&self, node: NodeId) -> u16 {
        self.nodes[node.0 as usize].order
    }
}

fn step_flags(step: &Step) -> u8 {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    flag(step.is_list, LIST) | flag(step.is_primitive, PRIMITIVE) | flag(step.is_raw, RAW)
}

fn key(name: &str, comma: &mut bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if *comma { b",\"" } else { b"\"" });
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    *comma = true;
}

fn under_key(name: &str, comma: &mut bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if *comma { b",\"_" } else { b"\"_" });
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    *comma = true;
}
