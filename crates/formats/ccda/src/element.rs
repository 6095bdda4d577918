//! An element of a document, and the ways around from it.

use std::{borrow::Cow, fmt, ops::Range};

use crate::{
    document::Document,
    xml::{Namespace, Node, NodeKind},
};

/// The place of an element in its [`Document`]: small, and of use with that document only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The place as a number below [`Document::node_count`]: for tables beside the document.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An element. Copying it is free; everything it gives out lives as long as the document.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    document: &'d Document,
    at: u32,
}

/// Names only: content may identify a person.
impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Element(<{}> at {})", self.name(), self.node().start)
    }
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.at == other.at
    }
}

impl Eq for Element<'_> {}

impl<'d> Element<'d> {
    pub(crate) fn new(document: &'d Document, at: u32) -> Self {
        Self { document, at }
    }

    fn node(&self) -> &'d Node {
        &self.document.tree.nodes[self.at as usize]
    }

    /// The document it is of.
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// Its place, to be kept without a borrow: [`Document::element`] is the way back.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.at)
    }

    /// The local name.
    pub fn name(&self) -> &'d str {
        self.document.tree.name(self.node())
    }

    /// What its prefix stands for.
    pub fn namespace(&self) -> Namespace {
        self.node().namespace
    }

    /// Whether it is the element of that name in CDA's own namespace.
    pub fn is(&self, local: &str) -> bool {
        self.namespace() == Namespace::Hl7 && self.name() == local
    }

    /// The value of an attribute by its local name, entities decoded. Attributes of XML Schema (`xsi:type`) are not among them;
    /// where one stands with a prefix and one without, the one without counts.
    pub fn attr(&self, local: &str) -> Option<&'d str> {
        let tree = &self.document.tree;
        let mut prefixed = None;
        for attribute in tree.attributes_of(self.node()) {
            if attribute.namespace == Namespace::Xsi || tree.attribute_name(attribute) != local {
                continue;
            }
            if attribute.namespace == Namespace::None {
                return Some(tree.attribute_value(attribute));
            }
            prefixed = prefixed.or(Some(attribute));
        }
        prefixed.map(|attribute| tree.attribute_value(attribute))
    }

    /// All attributes: namespace, local name, value.
    pub fn attributes(&self) -> impl Iterator<Item = (Namespace, &'d str, &'d str)> + use<'d> {
        let tree = &self.document.tree;
        tree.attributes_of(self.node())
            .iter()
            .map(|attribute| (attribute.namespace, tree.attribute_name(attribute), tree.attribute_value(attribute)))
    }

    /// `xsi:type` without its prefix.
    pub fn xsi_type(&self) -> Option<&'d str> {
        let tree = &self.document.tree;
        let mut attributes = tree.attributes_of(self.node()).iter();
        let found = attributes.find(|attribute| attribute.namespace == Namespace::Xsi && tree.attribute_name(attribute) == "type")?;
        let value = tree.attribute_value(found).trim();
        Some(value.rsplit(':').next().unwrap_or(value))
    }

    /// The elements directly below, in order.
    pub fn children(&self) -> Children<'d> {
        Children { document: self.document, at: self.at + 1, end: self.node().subtree_end }
    }

    /// The first element directly below with that name in CDA's namespace.
    pub fn child(&self, local: &str) -> Option<Element<'d>> {
        self.children().find(|child| child.is(local))
    }

    /// The first element directly below with that name in `urn:hl7-org:sdtc`.
    pub fn sdtc(&self, local: &str) -> Option<Element<'d>> {
        self.children().find(|child| child.namespace() == Namespace::Sdtc && child.name() == local)
    }

    /// The elements directly below with that name in CDA's namespace.
    pub fn children_named<'n>(&self, local: &'n str) -> impl Iterator<Item = Element<'d>> + use<'d, 'n> {
        self.children().filter(move |child| child.is(local))
    }

    /// The element reached by one child after another: `path(&["a", "b"])` is `child("a")?.child("b")`.
    pub fn path(&self, steps: &[&str]) -> Option<Element<'d>> {
        steps.iter().try_fold(*self, |element, step| element.child(step))
    }

    /// All elements below, in document order.
    pub fn descendants(&self) -> impl Iterator<Item = Element<'d>> + use<'d> {
        let document = self.document;
        (self.at + 1..self.node().subtree_end)
            .filter(|at| document.tree.nodes[*at as usize].kind == NodeKind::Element)
            .map(|at| Element { document, at })
    }

    /// All text below, as sent, entities decoded. Nothing marks where one element ends: [`crate::narrative`] does.
    pub fn text(&self) -> Cow<'d, str> {
        let mut texts = self.texts();
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => {
                let mut all = String::with_capacity(first.len() + second.len());
                all.push_str(first);
                all.push_str(second);
                all.extend(texts);
                Cow::Owned(all)
            }
        }
    }

    fn texts(&self) -> impl Iterator<Item = &'d str> + use<'d> {
        let tree = &self.document.tree;
        let below = &tree.nodes[self.at as usize + 1..self.node().subtree_end as usize];
        below.iter().filter(|node| node.kind != NodeKind::Element).map(|node| tree.text_of(node))
    }

    /// What stands directly below, elements and texts in order: for narrative.
    pub fn content(&self) -> impl Iterator<Item = Content<'d>> + use<'d> {
        let document = self.document;
        let (mut at, end) = (self.at + 1, self.node().subtree_end);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let node = &document.tree.nodes[at as usize];
            let content = match node.kind {
                NodeKind::Element => Content::Element(Element { document, at }),
                _ => Content::Text(document.tree.text_of(node)),
            };
            at = node.subtree_end;
            Some(content)
        })
    }

    /// The element around it.
    pub fn parent(&self) -> Option<Element<'d>> {
        let parent = self.node().parent;
        (parent != self.at).then_some(Element { document: self.document, at: parent })
    }

    /// Its bytes in the source as sent, tags included.
    pub fn span(&self) -> Range<usize> {
        let node = self.node();
        let start = self.document.source_offset(node.start as usize);
        start..self.document.source_offset(node.end as usize).max(start)
    }

    /// Its `ID`, which narrative is referred to by.
    pub fn id_attr(&self) -> Option<&'d str> {
        self.document.tree.id_of(self.node())
    }

    /// The template ids: root and extension.
    pub fn templates(&self) -> impl Iterator<Item = (&'d str, Option<&'d str>)> + use<'d> {
        self.children_named("templateId").filter_map(|id| Some((id.attr("root")?.trim(), id.attr("extension").map(str::trim))))
    }

    /// Whether it has a template id with that root, whatever the extension.
    pub fn has_template(&self, root: &str) -> bool {
        self.templates().any(|(known, _)| known == root)
    }

    /// `nullFlavor`, if it has one.
    pub fn null_flavor(&self) -> Option<&'d str> {
        self.attr("nullFlavor").map(str::trim).filter(|flavor| !flavor.is_empty())
    }

    /// Whether `negationInd` is true.
    pub fn is_negated(&self) -> bool {
        self.attr("negationInd").is_some_and(|value| matches!(value.trim(), "true" | "1"))
    }
}

/// What stands in an element.
#[derive(Clone, Copy)]
pub enum Content<'d> {
    /// An element.
    Element(Element<'d>),
    /// Text, entities decoded.
    Text(&'d str),
}

/// Never the text.
impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element) => element.fmt(f),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

/// The elements directly below an element.
#[derive(Debug, Clone)]
pub struct Children<'d> {
    document: &'d Document,
    at: u32,
    end: u32,
}

impl<'d> Iterator for Children<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        while self.at < self.end {
            let (at, node) = (self.at, &self.document.tree.nodes[self.at as usize]);
            self.at = node.subtree_end;
            if node.kind == NodeKind::Element {
                return Some(Element { document: self.document, at });
            }
        }
        None
    }
}
