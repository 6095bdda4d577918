//! The sections of a document and their entries, and what is odd about them.

use std::borrow::Cow;

use sutura_core::{Finding, Severity};

use crate::{
    document::Document,
    element::{Element, NodeId},
    kinds::{DocumentKind, EntryKind, MatchedBy, SectionKind},
    value::{self, Code},
    xml::Oddities,
};

/// Findings of one code in one document; more are counted in the last.
const MOST_OF_A_CODE: u32 = 50;

/// The elements that an entry may hold: the clinical statements of CDA.
const STATEMENTS: [&str; 9] = [
    "act",
    "encounter",
    "observation",
    "observationMedia",
    "organizer",
    "procedure",
    "regionOfInterest",
    "substanceAdministration",
    "supply",
];

/// A section. Its methods take the document it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What it is about.
    pub kind: SectionKind,
    /// What told the kind.
    pub matched_by: MatchedBy,
    /// The `section` element.
    pub element: NodeId,
    /// Position of the section it stands in, among [`Document::sections`].
    pub parent: Option<usize>,
    /// Position among [`Document::sections`].
    pub position: usize,
    /// Its entries' positions in [`Document::entries`].
    entries: (usize, usize),
}

/// An entry of a section: one clinical statement. An `entry` element with two statements (which CDA does not allow) is two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// What told the kind.
    pub matched_by: MatchedBy,
    /// The statement: `act`, `observation`, `organizer` and so on.
    pub element: NodeId,
    /// Position of its section, among [`Document::sections`].
    pub section: usize,
    /// Position within its section, from 0.
    pub position: usize,
}

impl Section {
    /// The `section` element.
    pub fn element<'d>(&self, document: &'d Document) -> Element<'d> {
        document.element(self.element)
    }

    /// Its title, without blanks around it.
    pub fn title<'d>(&self, document: &'d Document) -> Option<Cow<'d, str>> {
        self.element(document).child("title").and_then(value::trimmed_text)
    }

    /// Its code.
    pub fn code<'d>(&self, document: &'d Document) -> Option<Code<'d>> {
        self.element(document).child("code").map(Code::read)
    }

    /// Its narrative.
    pub fn text<'d>(&self, document: &'d Document) -> Option<Element<'d>> {
        self.element(document).child("text")
    }

    /// `nullFlavor` of the section: it says that there is nothing to say.
    pub fn null_flavor<'d>(&self, document: &'d Document) -> Option<&'d str> {
        self.element(document).null_flavor()
    }

    /// Its entries in order, without those of sections within it.
    pub fn entries<'d>(&self, document: &'d Document) -> &'d [Entry] {
        &document.entries()[self.entries.0..self.entries.1]
    }

    /// Its place, as findings name it: `section[3]`.
    pub fn location(&self) -> String {
        format!("section[{}]", self.position + 1)
    }
}

impl Entry {
    /// The statement.
    pub fn element<'d>(&self, document: &'d Document) -> Element<'d> {
        document.element(self.element)
    }

    /// Its place, as findings name it: `section[3]/entry[2]`.
    pub fn location(&self) -> String {
        format!("section[{}]/entry[{}]", self.section + 1, self.position + 1)
    }
}

/// Findings with a bound on each code.
#[derive(Default)]
struct Notes {
    findings: Vec<Finding>,
    counts: Vec<(&'static str, u32)>,
}

impl Notes {
    fn add(&mut self, code: &'static str, severity: Severity, location: impl FnOnce() -> String, message: &str) {
        let at = self.counts.iter().position(|(known, _)| *known == code).unwrap_or_else(|| {
            self.counts.push((code, 0));
            self.counts.len() - 1
        });
        self.counts[at].1 += 1;
        if self.counts[at].1 <= MOST_OF_A_CODE {
            self.findings.push(Finding::new(code, severity, location(), message));
        }
    }

    fn finish(mut self) -> Vec<Finding> {
        for (code, count) in self.counts {
            if count > MOST_OF_A_CODE
                && let Some(last) = self.findings.iter_mut().rfind(|finding| finding.code == code)
            {
                last.message = format!("{}; {} more like it", last.message, count - MOST_OF_A_CODE);
            }
        }
        self.findings
    }
}

/// Sections, entries and findings of a document.
pub(crate) fn find(document: &Document) -> (Vec<Section>, Vec<Entry>, Vec<Finding>) {
    let (mut sections, mut entries, mut notes) = (Vec::new(), Vec::new(), Notes::default());
    let root = document.root();
    note_document(root, &mut notes);
    let tree = &document.tree;
    // Sections that are open, with the node behind each.
    let mut open: Vec<(usize, u32)> = Vec::new();
    for at in 0..tree.nodes.len() as u32 {
        let node = &tree.nodes[at as usize];
        if node.kind != crate::xml::NodeKind::Element {
            continue;
        }
        while open.last().is_some_and(|(_, end)| *end <= at) {
            open.pop();
        }
        let element = Element::new(document, at);
        let name = element.name();
        match name {
            "section" if element.is("section") => {
                let position = sections.len();
                let section = section(element, position, open.last().map(|(section, _)| *section), &mut entries, &mut notes);
                sections.push(section);
                open.push((position, node.subtree_end));
            }
            "reference" => note_reference(element, open.last(), &mut notes),
            "effectiveTime" | "time" | "birthTime" | "low" | "high" | "center" => note_time(element, open.last(), &mut notes),
            _ => {}
        }
    }
    if sections.is_empty() && root.is("ClinicalDocument") && document.non_xml_body().is_none() {
        notes.add("body-missing", Severity::Error, String::new, "the document has neither sections nor an unstructured body");
    }
    let repeats = tree.ids.windows(2).filter(|pair| tree.id_of(&tree.nodes[pair[0] as usize]) == tree.id_of(&tree.nodes[pair[1] as usize]));
    for _ in repeats {
        notes.add("id-duplicate", Severity::Warning, String::new, "an ID stands twice; references lead to the first");
    }
    (sections, entries, notes.finish())
}

fn section(element: Element<'_>, position: usize, parent: Option<usize>, entries: &mut Vec<Entry>, notes: &mut Notes) -> Section {
    let (kind, matched_by) = SectionKind::of(element);
    let place = || format!("section[{}]", position + 1);
    match matched_by {
        MatchedBy::Template => {
            let by_code = SectionKind::of_section_code(element);
            if by_code.is_some_and(|by_code| by_code != kind && by_code != SectionKind::Notes) {
                let message = "template and LOINC code of the section mean different sections; the template counts";
                notes.add("section-code-differs", Severity::Warning, place, message);
            }
        }
        MatchedBy::Loinc => {
            let message = "no template of the section is known; its LOINC code counts";
            notes.add("section-template-unknown", Severity::Warning, place, message);
        }
        _ => {
            let message = "neither template nor code of the section is known; it is kept as unknown";
            notes.add("section-unknown", Severity::Info, place, message);
        }
    }
    let is_frame = || element.child("component").is_some();
    if element.child("text").is_none() && element.null_flavor().is_none() && !is_frame() {
        notes.add("section-text-missing", Severity::Warning, place, "the section has no narrative");
    }
    let first = entries.len();
    for entry in element.children_named("entry") {
        let mut is_empty = true;
        for statement in entry.children().filter(|child| STATEMENTS.contains(&child.name())) {
            is_empty = false;
            let (kind, matched_by) = EntryKind::of(statement, kind);
            let entry = Entry { kind, matched_by, element: statement.node_id(), section: position, position: entries.len() - first };
            match matched_by {
                MatchedBy::Template => {}
                MatchedBy::Nothing => {
                    let message = "neither template nor place of the entry tells what it is; it is kept as unknown";
                    notes.add("entry-unknown", Severity::Warning, || entry.location(), message);
                }
                _ => {
                    let message = "no template of the entry is known; its section and structure count";
                    notes.add("entry-template-unknown", Severity::Warning, || entry.location(), message);
                }
            }
            entries.push(entry);
        }
        if is_empty && entry.null_flavor().is_none() {
            notes.add("entry-empty", Severity::Warning, place, "an entry holds no clinical statement");
        }
    }
    Section { kind, matched_by, element: element.node_id(), parent, position, entries: (first, entries.len()) }
}

fn within(section: Option<&(usize, u32)>) -> String {
    section.map(|(position, _)| format!("section[{}]", position + 1)).unwrap_or_default()
}

fn note_document(root: Element<'_>, notes: &mut Notes) {
    if !root.is("ClinicalDocument") {
        return;
    }
    match DocumentKind::of(root).1 {
        MatchedBy::Template => {}
        MatchedBy::Nothing => {
            let message = "neither template nor code of the document is known";
            notes.add("document-unknown", Severity::Info, || "ClinicalDocument".to_owned(), message);
        }
        _ => {
            let message = "no template of the document is known; its code or body counts";
            notes.add("document-template-unknown", Severity::Warning, || "ClinicalDocument".to_owned(), message);
        }
    }
    if root.child("recordTarget").is_none() {
        notes.add("patient-missing", Severity::Error, || "recordTarget".to_owned(), "the document names no patient");
    }
}

/// A reference within the document that leads nowhere.
fn note_reference(element: Element<'_>, section: Option<&(usize, u32)>, notes: &mut Notes) {
    let leads_nowhere = |value: &str| value.trim().starts_with('#') && element.document().resolve(value).is_none();
    if element.attr("value").is_some_and(leads_nowhere) {
        notes.add("reference-unresolved", Severity::Warning, || within(section), "a reference leads to no ID of the document");
    }
}

/// A time that cannot be read, or not as a whole.
fn note_time(element: Element<'_>, section: Option<&(usize, u32)>, notes: &mut Notes) {
    let Some(text) = element.attr("value") else { return };
    if element.attr("unit").is_some() {
        return;
    }
    if matches!(element.name(), "low" | "high" | "center") {
        let is_of_time = element.parent().is_some_and(|parent| {
            matches!(parent.name(), "effectiveTime" | "time" | "validTime" | "phase") || parent.xsi_type() == Some("IVL_TS")
        });
        if !is_of_time {
            return;
        }
    }
    let (_, fault) = value::parse_time(text);
    match fault {
        None => {}
        Some(value::TimeFault::Foreign) => {
            notes.add("time-format", Severity::Warning, || within(section), "a time is not written as HL7 writes it, but can be read");
        }
        Some(value::TimeFault::Truncated) => {
            let message = "the end of a time cannot be read; the beginning counts";
            notes.add("time-truncated", Severity::Warning, || within(section), message);
        }
        Some(value::TimeFault::Malformed) => {
            notes.add("time-malformed", Severity::Error, || within(section), "a time cannot be read; it counts as not stated");
        }
    }
}

/// What was odd about the XML.
pub(crate) fn note_xml(odd: &Oddities, findings: &mut Vec<Finding>) {
    let mut note = |is_so: bool, code, severity, message: &str| {
        if is_so {
            findings.push(Finding::new(code, severity, "", message));
        }
    };
    let entities = odd.entities;
    note(odd.document_type, "doctype", Severity::Warning, "a document type declaration is passed over; CDA has none");
    note(
        entities.unresolved > 0,
        "entity-unresolved",
        Severity::Error,
        &format!("{} entities are not defined by XML; they stay as written", entities.unresolved),
    );
    note(entities.html > 0, "entity-html", Severity::Warning, "entities of HTML are read although the document does not declare them");
    note(entities.bare > 0, "ampersand", Severity::Error, "an ampersand begins no entity; it is read as itself");
    note(
        odd.controls,
        "control-character",
        Severity::Error,
        "the document holds control characters, which XML does not have; they are kept",
    );
    note(odd.repeated_attributes > 0, "attribute-duplicate", Severity::Error, "an attribute stands twice on an element; the first counts");
    note(odd.undeclared_prefixes > 0, "prefix-undeclared", Severity::Error, "a prefix is not declared; xsi and sdtc are read as usual");
    note(odd.no_namespace, "namespace-missing", Severity::Error, "the document declares no namespace; urn:hl7-org:v3 is assumed");
}
