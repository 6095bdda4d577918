//! XML text to an arena of nodes in document order.
//!
//! A reader of its own, because every place has to be known in bytes and nothing may be fetched or expanded: a document type is
//! passed over, an entity that XML does not define stays as written. It is lenient where real senders err (a bare `&`, a prefix
//! that is not declared, an attribute that stands twice) and says so; it is strict about structure.
//!
//! Nodes lie in document order, and each knows where its last descendant ends: walking children or descendants needs no pointers.

mod entity;
mod parse;
mod scan;

pub(crate) use parse::{Oddities, parse};

/// What a prefix stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Namespace {
    /// `urn:hl7-org:v3`; also elements without any namespace in documents that declare none.
    Hl7,
    /// `urn:hl7-org:sdtc`: HL7's extensions of CDA.
    Sdtc,
    /// `http://www.w3.org/2001/XMLSchema-instance`.
    Xsi,
    /// `http://www.w3.org/1999/xhtml`.
    Xhtml,
    /// No namespace: most attributes.
    None,
    /// Any other.
    Other,
}

impl Namespace {
    fn of(uri: &str) -> Self {
        match uri {
            "urn:hl7-org:v3" => Self::Hl7,
            "urn:hl7-org:sdtc" => Self::Sdtc,
            "http://www.w3.org/2001/XMLSchema-instance" => Self::Xsi,
            "http://www.w3.org/1999/xhtml" => Self::Xhtml,
            "" => Self::None,
            _ => Self::Other,
        }
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NodeKind {
    Element,
    /// Text as it stands in the document.
    Text,
    /// Text whose entities were decoded: it stands in [`Tree::decoded`].
    Decoded,
}

/// An element or a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) namespace: Namespace,
    pub(crate) name_length: u16,
    /// Of the local name.
    pub(crate) name: u32,
    /// Of an element with its tags; of a text in its buffer.
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) parent: u32,
    /// The node behind the last descendant.
    pub(crate) subtree_end: u32,
    pub(crate) attributes: u32,
    pub(crate) attribute_count: u16,
}

/// An attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute {
    pub(crate) name: u32,
    pub(crate) name_length: u16,
    pub(crate) namespace: Namespace,
    /// Whether the value stands in [`Tree::decoded`].
    pub(crate) is_decoded: bool,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// The nodes of a document over its text. The first node is the outermost element.
pub(crate) struct Tree {
    pub(crate) text: String,
    pub(crate) decoded: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) attributes: Vec<Attribute>,
    /// Elements that have an ID, by ID and then in document order.
    pub(crate) ids: Vec<u32>,
}

impl Tree {
    pub(crate) fn name(&self, node: &Node) -> &str {
        let start = node.name as usize;
        &self.text[start..start + usize::from(node.name_length)]
    }

    pub(crate) fn text_of(&self, node: &Node) -> &str {
        let buffer = if node.kind == NodeKind::Decoded { &self.decoded } else { &self.text };
        &buffer[node.start as usize..node.end as usize]
    }

    pub(crate) fn attributes_of(&self, node: &Node) -> &[Attribute] {
        let start = node.attributes as usize;
        &self.attributes[start..start + usize::from(node.attribute_count)]
    }

    pub(crate) fn attribute_name(&self, attribute: &Attribute) -> &str {
        let start = attribute.name as usize;
        &self.text[start..start + usize::from(attribute.name_length)]
    }

    pub(crate) fn attribute_value(&self, attribute: &Attribute) -> &str {
        let buffer = if attribute.is_decoded { &self.decoded } else { &self.text };
        &buffer[attribute.start as usize..attribute.end as usize]
    }

    /// The element's `ID`, as narrative has it; some senders write it small.
    pub(crate) fn id_of(&self, node: &Node) -> Option<&str> {
        let mut attributes = self.attributes_of(node).iter();
        let found = attributes.find(|attribute| is_id(self.attribute_name(attribute)) && attribute.namespace != Namespace::Xsi)?;
        Some(self.attribute_value(found))
    }
}

fn is_id(name: &str) -> bool {
    matches!(name, "ID" | "id" | "Id")
}

#[cfg(test)]
mod tests;
