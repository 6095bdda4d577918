//! What one conversion carries along: the document, the resources made so far, the account and the findings.

use std::{collections::HashMap, rc::Rc};

use sutura_ccda::{Document, Element, SectionKind};
use sutura_core::{Finding, Severity};
use sutura_fhir::json::Parser;

use super::{
    Options,
    account::{Account, Why},
    json::{Json, Obj, Shape},
    names, oid, types,
};
use crate::{
    Zone,
    ids::{self, Id, IdBuilder},
};

/// A resource of the Bundle.
pub(super) struct Resource {
    pub(super) kind: &'static str,
    pub(super) id: Id,
    /// Without `resourceType` and `id`.
    pub(super) body: Obj,
    /// What it is about, once it was asked for.
    about: Option<String>,
    /// Who stated it, as far as its statement says: the section, and the place among [`Context::author_sets`].
    pub(super) authors: Option<(usize, usize)>,
}

/// One who stated something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Author {
    pub(super) who: Ref,
    /// For whom, where it is a person or a device of an organization.
    pub(super) organization: Option<Ref>,
    /// When, as a `dateTime`.
    pub(super) time: Option<String>,
}

impl Resource {
    /// A resource that no statement becomes.
    pub(super) fn new(kind: &'static str, id: Id, body: Obj) -> Self {
        Self { kind, id, body, about: None, authors: None }
    }

    /// The same with references written otherwise.
    pub(super) fn with_body(&self, body: Obj) -> Self {
        Self::new(self.kind, self.id, body)
    }

    pub(super) fn reference(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }
}

/// A resource that was made or found: what others write as a reference to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ref(pub(super) String);

impl Ref {
    pub(super) fn json(&self) -> Obj {
        Obj::of("reference", self.0.clone())
    }

    pub(super) fn with_display(&self, display: Option<String>) -> Obj {
        let mut reference = self.json();
        reference.opt("display", display);
        reference
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.0.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl From<Ref> for Json {
    fn from(reference: Ref) -> Self {
        reference.json().into()
    }
}

/// What became of an entry.
pub(super) enum EntryFate {
    /// These resources stand for it.
    Mapped(Vec<Ref>),
    /// It was left out on purpose.
    Dropped(Why),
    /// There is no map for it.
    Unmapped,
}

/// Why an entry was refused. The location is relative to the entry; no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) location: String,
    pub(super) message: String,
}

pub(super) type Mapped<T> = Result<T, Fault>;

/// How things stood before a part of the document was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// Resources that were there.
    resources: usize,
    /// Changes to them that were noted.
    undo: usize,
    /// The mark around this one.
    outer: usize,
}

/// What a resource that was there before a mark looked like before something was added to it.
struct Undo {
    at: usize,
    shape: Shape,
}

pub(super) struct Context<'d> {
    pub(super) doc: &'d Document,
    pub(super) options: &'d Options,
    pub(super) hash: [u8; 32],
    /// Whose document it is; empty if it does not say.
    custodian: String,
    pub(super) account: Account,
    pub(super) findings: Vec<Finding>,
    pub(super) resources: Vec<Resource>,
    by_id: HashMap<(&'static str, Id), usize>,
    by_reference: HashMap<String, usize>,
    /// Additions to resources that are older than the innermost mark.
    undo: Vec<Undo>,
    /// Resources that were there at the innermost mark; 0 outside of any.
    settled: usize,
    /// Bytes of text that statements may still take over from elsewhere in the document.
    text_left: usize,
    /// Whether there was too much of it.
    text_cut: bool,
    /// What validation writes to and reads with, used again for each entry.
    pub(super) scratch: (Parser, Vec<u8>),
    /// Bytes of resources that may still be validated again because an entry added to them.
    pub(super) recheck_left: usize,
    pub(super) patient: Ref,
    /// Root and extension of the patient's identifiers.
    pub(super) patient_ids: Vec<(&'d str, &'d str)>,
    /// The encounter that the document is about.
    pub(super) encounter: Option<Ref>,
    pub(super) author: Option<Ref>,
    /// Who states something in this document; the same ones at the same times stand once.
    pub(super) author_sets: Vec<Rc<[Author]>>,
    known_authors: HashMap<Rc<[Author]>, usize>,
    /// The authors of the statements of the entry that is read, by the index of the element.
    authored: HashMap<usize, usize>,
    /// The place of the section that is being read.
    pub(super) section_number: usize,
    /// What the section that is being read is about.
    pub(super) section: SectionKind,
    /// How many statements are around the one that is read.
    pub(super) depth: usize,
    /// The zone of times of day that state no offset.
    pub(super) zone: Zone,
}

impl<'d> Context<'d> {
    pub(super) fn new(doc: &'d Document, options: &'d Options, hash: [u8; 32], custodian: String) -> Self {
        Self {
            doc,
            options,
            hash,
            custodian,
            undo: Vec::new(),
            settled: 0,
            text_cut: false,
            scratch: Default::default(),
            recheck_left: doc.source_length().saturating_add(MOST_RECHECKED),
            text_left: doc.source_length().saturating_add(MOST_REPEATED_TEXT),
            account: Account::new(doc),
            findings: Vec::new(),
            resources: Vec::new(),
            by_id: HashMap::new(),
            by_reference: HashMap::new(),
            depth: 0,
            patient: Ref(String::new()),
            patient_ids: Vec::new(),
            encounter: None,
            author: None,
            author_sets: Vec::new(),
            known_authors: HashMap::new(),
            authored: HashMap::new(),
            section_number: 0,
            section: SectionKind::Unknown,
            zone: options.default_zone.unwrap_or(Zone::Unknown),
        }
    }

    /// Adds the resource that `element` says, or finds the one that says the same under the same identifier.
    pub(super) fn add(&mut self, kind: &'static str, element: Element<'d>, body: Obj) -> Ref {
        let id = self.id_of(kind, element);
        let reference = self.add_under(kind, id, element, body);
        self.credit(&reference, element);
        reference
    }

    /// Notes who stated what an element says.
    pub(super) fn note_authors(&mut self, element: Element<'d>, authors: Vec<Author>) {
        if authors.is_empty() {
            return;
        }
        let authors: Rc<[Author]> = authors.into();
        let number = *self.known_authors.entry(authors.clone()).or_insert(self.author_sets.len());
        if number == self.author_sets.len() {
            self.author_sets.push(authors);
        }
        self.authored.insert(element.node_id().index(), number);
    }

    /// Credits a resource of the entry that is read to the authors of that element. What an earlier entry made is that entry's.
    pub(super) fn credit(&mut self, reference: &Ref, element: Element<'d>) {
        if let Some(&authors) = self.authored.get(&element.node_id().index())
            && let Some(&at) = self.by_reference.get(&reference.0)
            && at >= self.settled
            && let Some(resource) = self.resources.get_mut(at)
        {
            resource.authors.get_or_insert((self.section_number, authors));
        }
    }

    /// Adds a resource under an id, or finds the one that says the same; if it says something else, under another id.
    pub(super) fn add_under(&mut self, kind: &'static str, mut id: Id, element: Element<'d>, body: Obj) -> Ref {
        if let Some(&at) = self.by_id.get(&(kind, id)) {
            let fingerprint = fingerprint(&body);
            let known = &mut self.resources[at];
            let known = known.about.get_or_insert_with(|| self::fingerprint(&known.body));
            if *known == fingerprint || known.is_empty() || fingerprint.is_empty() {
                return self.merge(at, body, element);
            }
            // The sender uses one identifier for different things.
            self.find(
                "ccda-id-reused",
                Severity::Warning,
                element,
                "the identifier also names something else in this document; a different id was made",
            );
            id = match types::primary_id(element) {
                Some(_) => IdBuilder::new(kind).part("reused").part(id.as_str()).part(&fingerprint).finish(),
                // One id for two things that have no identifier cannot be; the place tells them apart.
                None => self.id_of_place(kind, element),
            };
            if let Some(&at) = self.by_id.get(&(kind, id)) {
                return self.merge(at, body, element);
            }
        }
        self.insert(kind, id, body)
    }

    /// Adds a resource under the id of its place in the document, without looking for another that says the same.
    pub(super) fn add_at(&mut self, kind: &'static str, element: Element<'d>, body: Obj) -> Ref {
        let id = self.id_of_place(kind, element);
        if let Some(&at) = self.by_id.get(&(kind, id)) {
            return Ref(self.resources[at].reference());
        }
        self.insert(kind, id, body)
    }

    /// Adds a resource under an id that the caller made, or gives the one that is there.
    pub(super) fn add_as(&mut self, kind: &'static str, id: Id, element: Element<'d>, body: Obj) -> Ref {
        if let Some(&at) = self.by_id.get(&(kind, id)) {
            return self.merge(at, body, element);
        }
        self.insert(kind, id, body)
    }

    /// Adds to a resource what the second of two equal ones says.
    fn merge(&mut self, at: usize, other: Obj, element: Element<'d>) -> Ref {
        self.fill(at, other, &["category", "identifier", "note", "telecom", "address", "qualification"], element);
        Ref(self.resources[at].reference())
    }

    /// Adds to a resource that was made before what it has not, and the items of these lists. Nothing of it is changed or removed, so
    /// that it can be taken back.
    pub(super) fn add_to(&mut self, reference: &Ref, other: Obj, lists: &[&str], element: Element<'d>) {
        if let Some(&at) = self.by_reference.get(&reference.0) {
            self.fill(at, other, lists, element);
        }
    }

    fn fill(&mut self, at: usize, other: Obj, lists: &[&str], element: Element<'d>) {
        let resource = &mut self.resources[at];
        let before = resource.body.shape();
        let whole = resource.body.fill_from(other, lists);
        if resource.body.shape() != before {
            resource.about = None;
            if at < self.settled {
                self.undo.push(Undo { at, shape: before });
            }
        }
        if !whole {
            self.find(
                "ccda-list-full",
                Severity::Warning,
                element,
                "too many values for one list of one resource; the others are left out",
            );
        }
    }

    fn insert(&mut self, kind: &'static str, id: Id, body: Obj) -> Ref {
        let resource = Resource::new(kind, id, body);
        let reference = Ref(resource.reference());
        self.by_id.insert((kind, id), self.resources.len());
        self.by_reference.insert(reference.0.clone(), self.resources.len());
        self.resources.push(resource);
        reference
    }

    /// The id of what the element's first identifier names, or of its place in the document.
    pub(super) fn id_of(&self, kind: &'static str, element: Element<'d>) -> Id {
        match types::primary_id(element) {
            Some((root, extension)) => self.id_of_identifier(kind, root, extension),
            None => self.id_of_place(kind, element),
        }
    }

    /// The id of what an identifier names. People, organizations and places are the same for everybody, in messages of HL7 v2 too; what
    /// is said of a patient is that patient's: senders copy the identifiers of statements from one patient to the next.
    pub(super) fn id_of_identifier(&self, kind: &'static str, root: &str, extension: &str) -> Id {
        let id = self.id_for_all(kind, root, extension);
        if matches!(kind, "Patient" | "Practitioner" | "Organization" | "Location") {
            return id;
        }
        IdBuilder::new(kind).part("of").part(&self.patient.0).part(id.as_str()).finish()
    }

    /// The id of what an identifier names, whoever the patient is.
    pub(super) fn id_for_all(&self, kind: &'static str, root: &str, extension: &str) -> Id {
        match (oid::uri_of_root(root), extension) {
            (Some(uri), "") => ids::from_identifier(kind, "urn:ietf:rfc:3986", &uri),
            (Some(uri), extension) => ids::from_identifier(kind, &uri, &types::folded(extension)),
            // Without a system it names something only among the documents of its sender.
            (None, extension) if self.custodian.is_empty() => ids::from_record(kind, &self.hash, &format!("id {root} {extension}")),
            (None, extension) => IdBuilder::new(kind).part("custodian").part(&self.custodian).part(root).part(extension).finish(),
        }
    }

    pub(super) fn id_of_place(&self, kind: &'static str, element: Element<'d>) -> Id {
        ids::from_record(kind, &self.hash, &element.span().start.to_string())
    }

    /// Whether there is a resource with that id.
    pub(super) fn has(&self, kind: &'static str, id: Id) -> bool {
        self.by_id.contains_key(&(kind, id))
    }

    pub(super) fn body(&self, reference: &Ref) -> Option<&Obj> {
        let at = *self.by_reference.get(&reference.0)?;
        self.resources.get(at).map(|resource| &resource.body)
    }

    /// Begins a part that can be taken back. It ends with [`Self::keep`] or [`Self::roll_back`].
    pub(super) fn mark(&mut self) -> Mark {
        let mark = Mark { resources: self.resources.len(), undo: self.undo.len(), outer: self.settled };
        self.settled = mark.resources;
        mark
    }

    /// What was made since the mark stays.
    pub(super) fn keep(&mut self, mark: Mark) {
        self.settled = mark.outer;
        if mark.outer == 0 {
            self.undo.clear();
            self.authored.clear();
        }
    }

    /// Takes back every resource that was made since the mark, and what was added to older ones.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        for undo in self.undo.drain(mark.undo.min(self.undo.len())..).rev() {
            if let Some(resource) = self.resources.get_mut(undo.at) {
                resource.body.restore(&undo.shape);
                resource.about = None;
            }
        }
        for resource in self.resources.drain(mark.resources.min(self.resources.len())..) {
            self.by_id.remove(&(resource.kind, resource.id));
            self.by_reference.remove(&resource.reference());
        }
        self.settled = mark.outer;
    }

    /// The resources that were made since the mark, and the older ones that something was added to, which are true.
    pub(super) fn touched(&self, mark: Mark) -> impl Iterator<Item = (bool, &Resource)> {
        let mut older: Vec<usize> = self.undo.get(mark.undo..).unwrap_or_default().iter().map(|undo| undo.at).collect();
        older.sort_unstable();
        older.dedup();
        let older = older.into_iter().filter(move |at| *at < mark.resources).filter_map(|at| self.resources.get(at));
        let made = self.resources.get(mark.resources..).unwrap_or_default();
        made.iter().map(|resource| (false, resource)).chain(older.map(|resource| (true, resource)))
    }

    /// Whether a statement may take over the text of an element that stands elsewhere. What statements repeat is bounded for each
    /// document, lest a thousand references to one long text become a thousand texts.
    pub(super) fn may_repeat(&mut self, element: Element<'d>) -> bool {
        let length = element.span().len();
        if length <= self.text_left {
            self.text_left -= length;
            return true;
        }
        if !self.text_cut {
            self.text_cut = true;
            self.find(
                "ccda-text-repeated",
                Severity::Warning,
                element,
                "the entries refer to the same text too often; only the section's narrative has it from here on",
            );
        }
        false
    }

    /// Notes a finding at an element. The location has the element's byte in the file.
    pub(super) fn find(&mut self, code: &'static str, severity: Severity, element: Element<'_>, message: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            let location = format!("{} (byte {})", names::shown(element), element.span().start);
            self.findings.push(Finding::new(code, severity, location, message));
        }
    }

    /// The element's content is in a resource.
    pub(super) fn took(&mut self, element: Element<'_>) {
        self.account.mapped(element);
    }

    /// The element's content is left out on purpose.
    pub(super) fn left(&mut self, element: Element<'_>, why: Why) {
        self.account.dropped(element, why);
    }

    /// Leaves out what a template fixes in a part of a statement: its code, status and identifiers.
    pub(super) fn left_frame(&mut self, part: Element<'d>) {
        for child in part.children() {
            match child.name() {
                "code" => self.account.dropped_all(child, Why::Fixed),
                "id" | "statusCode" => self.account.dropped(child, Why::Wrapper),
                _ => {}
            }
        }
    }
}

/// More findings than these say nothing new about a document.
const MAX_FINDINGS: usize = 1_000;

/// Bytes of resources that are validated again in one document, beyond its size: a telephone number that is new costs a person's.
const MOST_RECHECKED: usize = 16 << 20;

/// Bytes of text that the statements of one document repeat at most, beyond the size of the document.
const MOST_REPEATED_TEXT: usize = 4 << 20;

/// What a resource is about: two resources under one identifier are the same where this is.
fn fingerprint(body: &Obj) -> String {
    const ABOUT: [&str; 18] = [
        "code",
        "medicationCodeableConcept",
        "vaccineCode",
        "type",
        "name",
        "effectiveDateTime",
        "effectivePeriod",
        "onsetDateTime",
        "performedDateTime",
        "performedPeriod",
        "occurrenceDateTime",
        "period",
        "valueQuantity",
        "valueCodeableConcept",
        "valueString",
        "valueInteger",
        "whenHandedOver",
        "description",
    ];
    let mut out = Vec::new();
    for key in ABOUT {
        if let Some(value) = body.get(key) {
            // Names are written in many ways; the family's name tells people apart, and a code its text.
            match (key, value.items().first().and_then(Json::as_object)) {
                ("name", Some(name)) => {
                    if let Some(family) = name.get("family").and_then(Json::as_str) {
                        out.extend_from_slice(family.trim().to_ascii_lowercase().as_bytes());
                    }
                }
                _ => match value
                    .as_object()
                    .and_then(|concept| concept.get("coding"))
                    .and_then(|coding| coding.items().first())
                    .and_then(Json::as_object)
                {
                    Some(coding) => {
                        for part in ["system", "code", "display"] {
                            // The display only where there is no code.
                            if part != "display" || !coding.has("code") {
                                out.extend_from_slice(coding.get(part).and_then(Json::as_str).unwrap_or("").as_bytes());
                            }
                        }
                    }
                    None => value.write(&mut out),
                },
            }
            out.push(0);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
