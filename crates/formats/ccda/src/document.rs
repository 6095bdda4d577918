//! A whole document: its nodes, sections, entries, and what was odd about it.

use std::fmt;

use bytes::Bytes;
use sutura_core::Finding;

use crate::{
    element::{Element, NodeId},
    encoding::{self, OffsetMap},
    error::{CcdaError, CcdaErrorKind},
    header::Header,
    kinds::{DocumentKind, MatchedBy, Release},
    limits::Limits,
    sections::{self, Entry, Section},
    xml::{self, Tree},
};

/// A clinical document, read as a whole. It owns its text; elements, sections and values borrow from it.
pub struct Document {
    pub(crate) tree: Tree,
    map: OffsetMap,
    encoding: &'static str,
    source_length: usize,
    sections: Vec<Section>,
    entries: Vec<Entry>,
    findings: Vec<Finding>,
}

/// Sizes only: the content identifies a person.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("bytes", &self.source_length)
            .field("nodes", &self.tree.nodes.len())
            .field("sections", &self.sections.len())
            .field("entries", &self.entries.len())
            .field("findings", &self.findings.len())
            .finish_non_exhaustive()
    }
}

impl Document {
    /// Reads a document. Nothing is fetched, no declared entity is expanded.
    ///
    /// # Errors
    /// When it is no well-formed XML, its outermost element is not `ClinicalDocument`, or a limit is passed. What is odd but can be
    /// read is among the [`findings`](Self::findings).
    pub fn parse(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self, CcdaError> {
        let document = Self::parse_fragment(bytes, limits)?;
        let root = document.root();
        if !root.is("ClinicalDocument") {
            return Err(CcdaError { kind: CcdaErrorKind::NotCda, offset: root.span().start });
        }
        Ok(document)
    }

    /// Reads any element of CDA: a section, an entry, a statement, as examples and tests have them. As [`Document::parse`] otherwise.
    ///
    /// # Errors
    /// When it is no well-formed XML, or a limit is passed.
    pub fn parse_fragment(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self, CcdaError> {
        let bytes: Bytes = bytes.into();
        let source_length = bytes.len();
        let mut findings = Vec::new();
        let decoded = encoding::decode(bytes, limits, &mut findings)?;
        let (encoding, map) = (decoded.encoding, decoded.map);
        let (tree, oddities) = match xml::parse(decoded.text, limits) {
            Ok(parsed) => parsed,
            Err((error, text)) => return Err(CcdaError { kind: error.kind, offset: map.source(&text, error.offset).min(source_length) }),
        };
        let mut document = Self { tree, map, encoding, source_length, sections: Vec::new(), entries: Vec::new(), findings };
        sections::note_xml(&oddities, &mut document.findings);
        let (sections, entries, findings) = sections::find(&document);
        document.sections = sections;
        document.entries = entries;
        document.findings.extend(findings);
        Ok(document)
    }

    /// The outermost element.
    pub fn root(&self) -> Element<'_> {
        Element::new(self, 0)
    }

    /// The element at a place of this document.
    ///
    /// # Panics
    /// When the place is of another, larger document.
    pub fn element(&self, at: NodeId) -> Element<'_> {
        Element::new(self, at.0)
    }

    /// Elements and texts: every [`NodeId::index`] is below it.
    pub fn node_count(&self) -> usize {
        self.tree.nodes.len()
    }

    /// What stands before the body: patient, authors, encounter and so on.
    pub fn header(&self) -> Header<'_> {
        Header::new(self)
    }

    /// The sections in document order, those within others too.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The entries of all sections in document order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What was odd and survived.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What kind of document it is, and what told it.
    pub fn kind(&self) -> (DocumentKind, MatchedBy) {
        DocumentKind::of(self.root())
    }

    /// The edition of the guide it claims.
    pub fn release(&self) -> Release {
        Release::of(self.root())
    }

    /// The element with that `ID`, the first where several have it.
    pub fn by_id(&self, id: &str) -> Option<Element<'_>> {
        let id_at = |at: &u32| self.tree.id_of(&self.tree.nodes[*at as usize]);
        let found = self.tree.ids.partition_point(|at| id_at(at) < Some(id));
        let at = self.tree.ids.get(found).filter(|at| id_at(at) == Some(id))?;
        Some(Element::new(self, *at))
    }

    /// The element that a reference such as `#problem1` points to.
    pub fn resolve(&self, reference: &str) -> Option<Element<'_>> {
        self.by_id(reference.trim().strip_prefix('#')?)
    }

    /// The body of an unstructured document: `nonXMLBody/text`.
    pub fn non_xml_body(&self) -> Option<Element<'_>> {
        self.root().path(&["component", "nonXMLBody", "text"])
    }

    /// The name of the character encoding it was read in.
    pub fn encoding(&self) -> &'static str {
        self.encoding
    }

    /// Bytes of the source.
    pub fn source_length(&self) -> usize {
        self.source_length
    }

    pub(crate) fn source_offset(&self, at: usize) -> usize {
        self.map.source(&self.tree.text, at)
    }
}
