//! From text to nodes, without recursion.

use super::{
    Attribute, Namespace, Node, NodeKind, Tree,
    entity::{self, Odd},
    is_id,
    scan::{Scanner, is_blank, is_control},
};
use crate::{
    error::{CcdaError, CcdaErrorKind},
    limits::Limits,
};

/// Declarations of prefixes that are in force at once.
const MOST_DECLARATIONS: usize = 128;

/// What was odd about the XML, and survived.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    pub(crate) entities: Odd,
    pub(crate) document_type: bool,
    pub(crate) controls: bool,
    /// Attributes that stand twice on one element: the first is used.
    pub(crate) repeated_attributes: u32,
    /// Prefixes that are not declared.
    pub(crate) undeclared_prefixes: u32,
    /// The outermost element has no namespace.
    pub(crate) no_namespace: bool,
}

/// An element that is not closed yet.
struct Open {
    node: u32,
    /// Its name with the prefix.
    name: (usize, usize),
    /// Declarations in force before it.
    declarations: usize,
    /// Whether blanks count: it is narrative, or in narrative.
    keeps_blanks: bool,
}

struct Parser<'x> {
    scanner: Scanner<'x>,
    limits: &'x Limits,
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
    ids: Vec<u32>,
    decoded: String,
    open: Vec<Open>,
    /// Prefixes and what they stand for, innermost last.
    declarations: Vec<(&'x str, Namespace)>,
    /// Of the tag that is read: the names of its attributes, each as where it, its local part and its end are.
    names: Vec<(usize, usize, usize)>,
    declares_entities: bool,
    oddities: Oddities,
}

/// Parses a document. With an error, whose offset is of the text, the text comes back.
pub(crate) fn parse(text: String, limits: &Limits) -> Result<(Tree, Oddities), (CcdaError, String)> {
    let parsed = match parts(&text, limits) {
        Ok(parsed) => parsed,
        Err(error) => return Err((error, text)),
    };
    let (nodes, attributes, mut ids, decoded, oddities) = parsed;
    let mut tree = Tree { text, decoded, nodes, attributes, ids: Vec::new() };
    ids.sort_by(|a, b| tree.id_of(&tree.nodes[*a as usize]).cmp(&tree.id_of(&tree.nodes[*b as usize])));
    tree.ids = ids;
    Ok((tree, oddities))
}

type Parts = (Vec<Node>, Vec<Attribute>, Vec<u32>, String, Oddities);

fn parts(text: &str, limits: &Limits) -> Result<Parts, CcdaError> {
    // Real documents have an element or attribute every fifteen bytes or so.
    let mut parser = Parser {
        scanner: Scanner { text, at: 0 },
        limits,
        nodes: Vec::with_capacity((text.len() / 48).min(limits.nodes)),
        attributes: Vec::with_capacity((text.len() / 48).min(limits.nodes)),
        ids: Vec::new(),
        decoded: String::new(),
        open: Vec::new(),
        declarations: Vec::new(),
        names: Vec::new(),
        declares_entities: false,
        oddities: Oddities::default(),
    };
    // Without branches within a chunk: this passes over gigabytes in a second.
    parser.oddities.controls = text.as_bytes().chunks(4096).any(|chunk| chunk.iter().fold(false, |found, byte| found | is_control(*byte)));
    parser.document()?;
    Ok((parser.nodes, parser.attributes, parser.ids, parser.decoded, parser.oddities))
}

impl Parser<'_> {
    fn document(&mut self) -> Result<(), CcdaError> {
        loop {
            let rest = self.scanner.bytes();
            let length = memchr::memchr(b'<', rest).unwrap_or(rest.len());
            let text = &self.scanner.text[self.scanner.at..self.scanner.at + length];
            if !text.is_empty() {
                self.text(text)?;
                self.scanner.at += length;
            }
            let rest = self.scanner.bytes();
            match rest.get(1) {
                None if rest.is_empty() => return self.end(),
                Some(b'/') => self.end_tag()?,
                Some(b'?') => self.scanner.until(b"?>")?,
                Some(b'!') => self.declaration()?,
                _ => self.start_tag()?,
            }
        }
    }

    fn end(&mut self) -> Result<(), CcdaError> {
        if !self.open.is_empty() {
            return Err(self.scanner.error(CcdaErrorKind::Unbalanced));
        }
        if self.nodes.is_empty() {
            return Err(self.scanner.error(CcdaErrorKind::Empty));
        }
        Ok(())
    }

    /// A comment, CDATA or the document type.
    fn declaration(&mut self) -> Result<(), CcdaError> {
        if self.scanner.starts_with(b"<!--") {
            self.scanner.at += 4;
            return self.scanner.until(b"-->");
        }
        if self.scanner.starts_with(b"<![CDATA[") && !self.open.is_empty() {
            self.scanner.at += 9;
            let start = self.scanner.at;
            self.scanner.until(b"]]>")?;
            return self.text_node(start, self.scanner.at - 3, false);
        }
        if self.scanner.starts_with(b"<!DOCTYPE") && self.nodes.is_empty() {
            self.oddities.document_type = true;
            self.scanner.at += 9;
            self.declares_entities |= self.scanner.document_type()?;
            return Ok(());
        }
        Err(self.scanner.error(CcdaErrorKind::Malformed))
    }

    fn text(&mut self, text: &str) -> Result<(), CcdaError> {
        let is_blank = text.bytes().all(is_blank);
        match self.open.last() {
            None if is_blank => Ok(()),
            None if self.nodes.is_empty() => Err(self.scanner.error(CcdaErrorKind::Malformed)),
            None => Err(self.scanner.error(CcdaErrorKind::Trailing)),
            Some(open) if is_blank && !open.keeps_blanks => Ok(()),
            Some(_) => {
                let start = self.scanner.at;
                let has_entities = memchr::memchr(b'&', text.as_bytes()).is_some();
                self.text_node(start, start + text.len(), has_entities)
            }
        }
    }

    fn text_node(&mut self, start: usize, end: usize, has_entities: bool) -> Result<(), CcdaError> {
        if start == end {
            return Ok(());
        }
        self.count(end - start)?;
        let (kind, start, end) = if has_entities {
            let (start, end) = self.decode(start, end);
            (NodeKind::Decoded, start, end)
        } else {
            (NodeKind::Text, start, end)
        };
        let parent = self.open.last().map_or(0, |open| open.node);
        let subtree_end = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            kind,
            namespace: Namespace::None,
            name_length: 0,
            name: 0,
            start: start as u32,
            end: end as u32,
            parent,
            subtree_end,
            attributes: 0,
            attribute_count: 0,
        });
        Ok(())
    }

    /// Decodes a stretch of the text; where it is in the buffer of decoded text.
    fn decode(&mut self, start: usize, end: usize) -> (usize, usize) {
        let from = self.decoded.len();
        let text = &self.scanner.text[start..end];
        entity::decode(text, &mut self.decoded, &mut self.oddities.entities, !self.declares_entities);
        (from, self.decoded.len())
    }

    /// One more node or attribute, of so many bytes.
    fn count(&self, length: usize) -> Result<(), CcdaError> {
        if self.nodes.len() + self.attributes.len() >= self.limits.nodes {
            return Err(self.scanner.error(CcdaErrorKind::TooMany));
        }
        if length > self.limits.text {
            return Err(self.scanner.error(CcdaErrorKind::TooLong));
        }
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), CcdaError> {
        let start = self.scanner.at;
        self.scanner.at += 2;
        let (name, _, name_end) = self.scanner.name()?;
        self.scanner.blanks();
        self.scanner.expect(b'>')?;
        let text = self.scanner.text;
        let is_its = self.open.last().is_some_and(|open| text[open.name.0..open.name.1] == text[name..name_end]);
        if !is_its {
            return Err(CcdaError { kind: CcdaErrorKind::Unbalanced, offset: start });
        }
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let subtree_end = self.nodes.len() as u32;
        let node = &mut self.nodes[open.node as usize];
        node.end = self.scanner.at as u32;
        node.subtree_end = subtree_end;
        self.declarations.truncate(open.declarations);
    }

    fn start_tag(&mut self) -> Result<(), CcdaError> {
        if self.open.is_empty() && !self.nodes.is_empty() {
            return Err(self.scanner.error(CcdaErrorKind::Trailing));
        }
        if self.open.len() >= self.limits.depth {
            return Err(self.scanner.error(CcdaErrorKind::TooDeep));
        }
        self.count(0)?;
        let start = self.scanner.at;
        self.scanner.at += 1;
        let (name, local, name_end) = self.scanner.name()?;
        let declarations = self.declarations.len();
        let attributes = self.attributes.len();
        let is_closed = self.attributes()?;
        let node = self.nodes.len() as u32;
        let mut has_id = false;
        let text = self.scanner.text;
        for at in 0..self.names.len() {
            let (name, local, end) = self.names[at];
            if local > name {
                self.attributes[attributes + at].namespace = self.namespace(&text[name..local - 1]);
            }
            has_id |= is_id(&text[local..end]);
        }
        let prefix = if local > name { &text[name..local - 1] } else { "" };
        let mut namespace = self.namespace(prefix);
        if namespace == Namespace::None {
            // No default namespace: CDA is meant, as nothing else can be.
            self.oddities.no_namespace |= self.nodes.is_empty();
            namespace = Namespace::Hl7;
        }
        if has_id {
            self.ids.push(node);
        }
        let parent = self.open.last();
        let keeps_blanks =
            parent.is_some_and(|open| open.keeps_blanks) || (&text[local..name_end] == "text" && namespace == Namespace::Hl7);
        self.nodes.push(Node {
            kind: NodeKind::Element,
            namespace,
            name_length: (name_end - local) as u16,
            name: local as u32,
            start: start as u32,
            end: self.scanner.at as u32,
            parent: parent.map_or(node, |open| open.node),
            subtree_end: node + 1,
            attributes: attributes as u32,
            attribute_count: (self.attributes.len() - attributes) as u16,
        });
        self.open.push(Open { node, name: (name, name_end), declarations, keeps_blanks });
        if is_closed {
            self.close();
        }
        Ok(())
    }

    /// Attributes up to the end of the tag; whether it closes the element.
    fn attributes(&mut self) -> Result<bool, CcdaError> {
        self.names.clear();
        let mut taken = 0;
        loop {
            let before = self.scanner.at;
            self.scanner.blanks();
            match self.scanner.bytes() {
                [b'/', b'>', ..] => {
                    self.scanner.at += 2;
                    return Ok(true);
                }
                [b'>', ..] => {
                    self.scanner.at += 1;
                    return Ok(false);
                }
                [] => return Err(self.scanner.error(CcdaErrorKind::Unbalanced)),
                _ if self.scanner.at == before => return Err(self.scanner.error(CcdaErrorKind::Malformed)),
                _ => {}
            }
            taken += 1;
            if taken > self.limits.attributes {
                return Err(self.scanner.error(CcdaErrorKind::TooMany));
            }
            self.attribute()?;
        }
    }

    fn attribute(&mut self) -> Result<(), CcdaError> {
        let (name, local, name_end) = self.scanner.name()?;
        self.scanner.blanks();
        self.scanner.expect(b'=')?;
        self.scanner.blanks();
        let quote = match self.scanner.bytes().first() {
            Some(quote @ (b'"' | b'\'')) => *quote,
            _ => return Err(self.scanner.error(CcdaErrorKind::Malformed)),
        };
        self.scanner.at += 1;
        let start = self.scanner.at;
        let length = memchr::memchr(quote, self.scanner.bytes()).ok_or_else(|| self.scanner.error(CcdaErrorKind::Unbalanced))?;
        let text = self.scanner.text;
        let value = &text[start..start + length];
        if memchr::memchr(b'<', value.as_bytes()).is_some() {
            return Err(self.scanner.error(CcdaErrorKind::Malformed));
        }
        self.count(length)?;
        self.scanner.at += length + 1;
        let prefix = if local > name { &text[name..local - 1] } else { "" };
        let is_default = prefix.is_empty() && &text[name..name_end] == "xmlns";
        if is_default || prefix == "xmlns" {
            let declared = if is_default { "" } else { &text[local..name_end] };
            // Each element with a prefix looks through them.
            if self.declarations.len() >= MOST_DECLARATIONS {
                return Err(self.scanner.error(CcdaErrorKind::TooMany));
            }
            self.declarations.push((declared, Namespace::of(value)));
            return Ok(());
        }
        if self.names.iter().any(|known| text[known.0..known.2] == text[name..name_end]) {
            self.oddities.repeated_attributes += 1;
            return Ok(());
        }
        self.names.push((name, local, name_end));
        let has_entities = memchr::memchr(b'&', value.as_bytes()).is_some();
        let (start, end) = if has_entities { self.decode(start, start + length) } else { (start, start + length) };
        self.attributes.push(Attribute {
            name: local as u32,
            name_length: (name_end - local) as u16,
            namespace: Namespace::None,
            is_decoded: has_entities,
            start: start as u32,
            end: end as u32,
        });
        Ok(())
    }

    /// What a prefix stands for. Senders forget to declare the two that everybody knows.
    fn namespace(&mut self, prefix: &str) -> Namespace {
        // Most elements have none. Two empty texts are not handed to the library: comparing nothing at no place is slow on some machines.
        let is_it = |known: &str| known.len() == prefix.len() && (prefix.is_empty() || known == prefix);
        if let Some((_, namespace)) = self.declarations.iter().rev().find(|(known, _)| is_it(known)) {
            return *namespace;
        }
        match prefix {
            "" => Namespace::None,
            "xml" => Namespace::Other,
            _ => {
                self.oddities.undeclared_prefixes += 1;
                match prefix {
                    "sdtc" => Namespace::Sdtc,
                    "xsi" => Namespace::Xsi,
                    _ => Namespace::Other,
                }
            }
        }
    }
}
