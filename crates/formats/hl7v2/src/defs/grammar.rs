//! The segments of a message structure as a tree in one flat list, from its compact text.
//!
//! `MSH [{SFT}] {([(PID [PD1])] {([ORC] OBR [{(OBX [{NTE}])}])})}`: brackets mean optional, braces
//! repeating, parentheses a group, angle brackets a choice, `*` any segment.

/// One element: a segment, a group or a choice. Children follow their parent up to its `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Whether it must be there when its group is.
    pub required: bool,
    /// Whether it may be there several times.
    pub repeats: bool,
    /// The index of its parent; the root is its own.
    pub parent: u16,
    /// The index after its last descendant.
    pub end: u16,
}

/// What a node of a grammar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A segment.
    Segment(&'static str),
    /// Any segment (query responses whose content is defined elsewhere).
    Any,
    /// All children in order.
    Group,
    /// One of the children.
    Choice,
}

/// The tree of one structure; node 0 is the message itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grammar {
    nodes: Vec<Node>,
    keys: Vec<u32>,
}

impl Grammar {
    /// Parses the compact text. The texts are part of the program and tested; anything odd in one is skipped.
    pub(super) fn parse(text: &'static str) -> Self {
        let root = Node { kind: NodeKind::Group, required: true, repeats: false, parent: 0, end: 0 };
        let mut nodes = vec![root];
        let mut open: Vec<usize> = vec![0];
        let (mut optional, mut repeats) = (0usize, 0usize);
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let mut push = |kind, optional: &mut usize, repeats: &mut usize, open: &[usize]| {
                let parent = open.last().copied().unwrap_or(0);
                nodes.push(Node { kind, required: *optional == 0, repeats: *repeats > 0, parent: parent as u16, end: 0 });
                (*optional, *repeats) = (0, 0);
                nodes.len() - 1
            };
            match bytes[at] {
                b'[' => optional += 1,
                b'{' => repeats += 1,
                b'(' => {
                    let node = push(NodeKind::Group, &mut optional, &mut repeats, &open);
                    open.push(node);
                }
                b'<' => {
                    let node = push(NodeKind::Choice, &mut optional, &mut repeats, &open);
                    open.push(node);
                }
                b')' | b'>' if open.len() > 1 => {
                    if let Some(closed) = open.pop() {
                        nodes[closed].end = nodes.len() as u16;
                    }
                }
                b'*' => {
                    push(NodeKind::Any, &mut optional, &mut repeats, &open);
                }
                b'A'..=b'Z' => {
                    let name = text.get(at..at + 3).unwrap_or("");
                    push(NodeKind::Segment(name), &mut optional, &mut repeats, &open);
                    at += 2;
                }
                _ => {}
            }
            at += 1;
        }
        let total = nodes.len() as u16;
        for (at, node) in nodes.iter_mut().enumerate() {
            match node.kind {
                NodeKind::Segment(_) | NodeKind::Any => node.end = at as u16 + 1,
                NodeKind::Group | NodeKind::Choice if node.end == 0 => node.end = total,
                NodeKind::Group | NodeKind::Choice => {}
            }
        }
        let keys = nodes
            .iter()
            .map(|node| match node.kind {
                NodeKind::Segment(name) => super::segment_key(name),
                NodeKind::Any | NodeKind::Group | NodeKind::Choice => 0,
            })
            .collect();
        Self { nodes, keys }
    }

    /// The nodes, each before its children.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The [`super::segment_key`] of each node; 0 for groups.
    pub(crate) fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// The direct children of a node.
    pub fn children(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let end = usize::from(self.nodes[node].end);
        let mut next = node + 1;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let child = next;
                next = usize::from(self.nodes[child].end).max(child + 1);
                child
            })
        })
    }

    /// The segments that must be there whatever else is, in order. Comments (NTE) and continuations
    /// (DSC) never count: some forms demand them, no feed does.
    pub fn required_segments(&self) -> Vec<&'static str> {
        let mut out = Vec::new();
        self.collect_required(0, &mut out);
        out
    }

    fn collect_required(&self, node: usize, out: &mut Vec<&'static str>) {
        for child in self.children(node).filter(|&child| self.nodes[child].required) {
            match self.nodes[child].kind {
                NodeKind::Segment(name) if !out.contains(&name) && !is_never_missing(name) => out.push(name),
                NodeKind::Group => self.collect_required(child, out),
                NodeKind::Segment(_) | NodeKind::Any | NodeKind::Choice => {}
            }
        }
    }
}

/// Comments and continuations: no message is incomplete without them.
pub(crate) fn is_never_missing(segment: &str) -> bool {
    matches!(segment, "NTE" | "DSC")
}
