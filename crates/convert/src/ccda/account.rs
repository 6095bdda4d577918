//! The account of a document: what became of every leaf.
//!
//! A leaf is an element that says something by itself: it has a `code`, `displayName`, `value`, `root` or `extension`, it states
//! `negationInd="true"`, or it has text of its own. The narrative of a section is one leaf. What has only a `nullFlavor` says
//! nothing and is no leaf. Whoever reads a leaf says what became of it; what nobody spoke for is unmapped.

use sutura_ccda::{Content, Document, Element, Namespace};

use super::{names, statement};
use crate::report::Feed;

/// Why a leaf was left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Why {
    /// Template, type and realm identifiers: they say how the document is built.
    Structure,
    /// A code that the template fixes, and that the FHIR element's name already says.
    Fixed,
    /// Identifier or status of a wrapper around the statement that became the resource.
    Wrapper,
    /// FHIR R4 has no element for it.
    NoTarget,
    /// The statement says nothing: a nullFlavor in place of its content, or a status that takes it back.
    Void,
    /// The statement that it stands in has a nullFlavor: its sender does not state it.
    NotStated,
    /// A negation for which FHIR has no words.
    Negated,
    /// The same was taken from elsewhere in the document.
    Repeated,
    /// It only points to another entry, which stands for itself.
    Reference,
    /// The value is not one of its type; there is a finding.
    Invalid,
    /// The document's entries repeat more text than is taken over; there is a finding.
    TooMuch,
    /// The entry was refused; there is a finding.
    Refused,
}

impl Why {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Fixed => "fixed-code",
            Self::Wrapper => "wrapper",
            Self::NoTarget => "no-target",
            Self::Void => "void",
            Self::NotStated => "null-statement",
            Self::Negated => "negated",
            Self::Repeated => "repeated",
            Self::Reference => "entry-reference",
            Self::Invalid => "invalid-value",
            Self::TooMuch => "repeated-too-often",
            Self::Refused => "entry-refused",
        }
    }
}

/// What became of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Mapped,
    Dropped(Why),
}

/// Fates by the index of the element.
pub(super) struct Account {
    fates: Vec<Fate>,
}

impl Account {
    pub(super) fn new(document: &Document) -> Self {
        Self { fates: vec![Fate::Open; document.node_count()] }
    }

    /// The element's content is in a resource.
    pub(super) fn mapped(&mut self, element: Element<'_>) {
        if let Some(fate) = self.fates.get_mut(element.node_id().index()) {
            *fate = Fate::Mapped;
        }
    }

    /// The element's content is left out, unless it was taken for something else.
    pub(super) fn dropped(&mut self, element: Element<'_>, why: Why) {
        if let Some(fate) = self.fates.get_mut(element.node_id().index())
            && *fate == Fate::Open
        {
            *fate = Fate::Dropped(why);
        }
    }

    /// Everything in and below the element that nobody spoke for is left out.
    pub(super) fn dropped_all(&mut self, element: Element<'_>, why: Why) {
        self.dropped(element, why);
        for below in element.descendants() {
            self.dropped(below, why);
        }
    }

    /// Everything in and below the element is left out, whatever was said before.
    pub(super) fn overrule(&mut self, element: Element<'_>, why: Why) {
        for below in std::iter::once(element).chain(element.descendants()) {
            if let Some(fate) = self.fates.get_mut(below.node_id().index()) {
                *fate = Fate::Dropped(why);
            }
        }
    }

    /// Whether nobody spoke for anything in or below the element.
    pub(super) fn is_untouched(&self, element: Element<'_>) -> bool {
        let mut all = std::iter::once(element).chain(element.descendants());
        all.all(|below| self.fates.get(below.node_id().index()).is_none_or(|fate| *fate == Fate::Open))
    }

    /// Writes the fate of every leaf of the document into the account of its feed, and says how many leaves there are.
    pub(super) fn close(&self, document: &Document, feed: &mut Feed) -> Totals {
        let mut totals = Totals::default();
        let mut path = Path { text: String::with_capacity(128), names: 0 };
        self.walk(document.root(), &mut path, 0, &mut |path, fate| {
            totals.leaves += 1;
            feed.count_at(path, |counts| match fate {
                Fate::Open => counts.unmapped += 1,
                Fate::Mapped => counts.mapped += 1,
                Fate::Dropped(why) => *counts.dropped.entry(why.as_str()).or_default() += 1,
            });
            match fate {
                Fate::Open => totals.unmapped += 1,
                Fate::Mapped => totals.mapped += 1,
                Fate::Dropped(_) => totals.dropped += 1,
            }
        });
        totals
    }

    fn walk(&self, element: Element<'_>, path: &mut Path, depth: usize, each: &mut impl FnMut(&str, Fate)) {
        if depth > MAX_DEPTH {
            return;
        }
        // Statements and sections begin a path of their own, so that those within others count with the rest.
        let outer = match statement::name(element) {
            Some(name) => Some(std::mem::replace(path, Path { text: format!("entry:{name}"), names: 1 })),
            None if element.name() == "section" => Some(std::mem::replace(path, Path { text: "section".to_owned(), names: 1 })),
            None => None,
        };
        let before = (path.text.len(), path.names);
        if outer.is_none() {
            path.push(names::shown(element));
        }
        let fate = match self.fates.get(element.node_id().index()) {
            Some(Fate::Open) | None if is_structure(element) => Fate::Dropped(Why::Structure),
            Some(fate) => *fate,
            None => Fate::Open,
        };
        if is_leaf(element) {
            each(&path.text, fate);
        }
        if !is_narrative(element) {
            for child in element.children() {
                self.walk(child, path, depth + 1, each);
            }
        }
        match outer {
            Some(outer) => *path = outer,
            None => {
                path.text.truncate(before.0);
                path.names = before.1;
            }
        }
    }
}

/// Where a leaf stands: names of the standard from the nearest statement or section on.
struct Path {
    text: String,
    names: usize,
}

impl Path {
    /// Goes one element down. Deeper than anything that is meant by people all is one place.
    fn push(&mut self, name: &str) {
        self.names += 1;
        if self.names > MOST_NAMES {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('/');
        }
        self.text.push_str(name);
    }
}

/// Names of a path that are shown.
const MOST_NAMES: usize = 12;

/// Sums over a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) leaves: u64,
    pub(super) mapped: u64,
    pub(super) dropped: u64,
    pub(super) unmapped: u64,
}

/// The reader's own limit is below this.
const MAX_DEPTH: usize = 512;

/// Attributes that are content by themselves. The others say how to read the element.
const CONTENT: [&str; 5] = ["code", "displayName", "value", "root", "extension"];

pub(super) fn is_leaf(element: Element<'_>) -> bool {
    if is_narrative(element) {
        return !element.text().trim().is_empty();
    }
    let says = element.attributes().any(|(namespace, name, value)| {
        let value = value.trim();
        namespace != Namespace::Xsi && (CONTENT.contains(&name) && !value.is_empty() || name == "negationInd" && value == "true")
    });
    says || element.content().any(|content| matches!(content, Content::Text(text) if !text.trim().is_empty()))
}

/// The narrative block of a section.
pub(super) fn is_narrative(element: Element<'_>) -> bool {
    element.name() == "text" && element.parent().is_some_and(|parent| parent.name() == "section")
}

fn is_structure(element: Element<'_>) -> bool {
    matches!(element.name(), "templateId" | "typeId" | "realmCode")
}
