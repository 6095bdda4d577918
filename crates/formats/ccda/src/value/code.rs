//! Codes and identifiers.

use std::{borrow::Cow, fmt};

use crate::{element::Element, value::text_of};

/// A concept: `CD`, `CE`, `CV`, `CO` or `CS`.
#[derive(Clone)]
pub struct Code<'d> {
    /// The code, without blanks around it.
    pub code: Option<&'d str>,
    /// `codeSystem`: an OID, most often.
    pub system: Option<&'d str>,
    /// `codeSystemName`, as sent.
    pub system_name: Option<&'d str>,
    /// `displayName`.
    pub display: Option<&'d str>,
    /// `originalText`, a reference into the narrative followed.
    pub original_text: Option<Cow<'d, str>>,
    /// The same concept in other systems.
    pub translations: Vec<Code<'d>>,
    /// `valueSet`: the value set the code was chosen from.
    pub value_set: Option<&'d str>,
    /// Why there is no code.
    pub null_flavor: Option<&'d str>,
    /// The element it was read from.
    pub element: Element<'d>,
}

/// No content: a problem's code says something about a person.
impl fmt::Debug for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("system", &self.system).field("null_flavor", &self.null_flavor).finish_non_exhaustive()
    }
}

/// Concepts within concepts that are followed.
const MOST_NESTING: u8 = 4;

impl<'d> Code<'d> {
    /// Reads a concept.
    pub fn read(element: Element<'d>) -> Self {
        Self::read_within(element, 0)
    }

    fn read_within(element: Element<'d>, nesting: u8) -> Self {
        let mut code = Self {
            code: None,
            system: None,
            system_name: None,
            display: None,
            original_text: None,
            translations: Vec::new(),
            value_set: None,
            null_flavor: None,
            element,
        };
        for (_, name, value) in element.attributes() {
            let value = value.trim();
            let place = match name {
                "code" => &mut code.code,
                "codeSystem" => &mut code.system,
                "codeSystemName" => &mut code.system_name,
                "displayName" => &mut code.display,
                "valueSet" => &mut code.value_set,
                "nullFlavor" => &mut code.null_flavor,
                _ => continue,
            };
            if !value.is_empty() {
                *place = place.or(Some(value));
            }
        }
        for child in element.children() {
            match child.name() {
                "originalText" if code.original_text.is_none() => code.original_text = text_of(child),
                "translation" if nesting < MOST_NESTING => code.translations.push(Self::read_within(child, nesting + 1)),
                _ => {}
            }
        }
        code
    }

    /// Whether neither it nor a translation has a code.
    pub fn is_empty(&self) -> bool {
        self.code.is_none() && self.translations.iter().all(Self::is_empty)
    }

    /// It and its translations, its own code first.
    pub fn all(&self) -> impl Iterator<Item = &Code<'d>> {
        std::iter::once(self).chain(&self.translations)
    }

    /// The words for it: display name, else original text, else a translation's display name.
    pub fn words(&self) -> Option<Cow<'d, str>> {
        let display = self.display.map(Cow::Borrowed);
        display
            .or_else(|| self.original_text.clone())
            .or_else(|| self.translations.iter().find_map(|other| other.display).map(Cow::Borrowed))
    }
}

/// An instance identifier: `II`.
#[derive(Clone, Copy)]
pub struct Identifier<'d> {
    /// `root`: an OID or UUID; alone it is the identifier.
    pub root: Option<&'d str>,
    /// `extension`.
    pub extension: Option<&'d str>,
    /// `assigningAuthorityName`.
    pub assigner: Option<&'d str>,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

/// Whether there is one, never which.
impl fmt::Debug for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identifier").field("root", &self.root).field("has_extension", &self.extension.is_some()).finish_non_exhaustive()
    }
}

impl<'d> Identifier<'d> {
    /// Reads an identifier.
    pub fn read(element: Element<'d>) -> Self {
        let of = |name| element.attr(name).map(str::trim).filter(|value: &&str| !value.is_empty());
        Self { root: of("root"), extension: of("extension"), assigner: of("assigningAuthorityName"), null_flavor: element.null_flavor() }
    }

    /// The identifiers directly below an element.
    pub fn all(of: Element<'d>) -> impl Iterator<Item = Identifier<'d>> + use<'d> {
        of.children_named("id").map(Self::read)
    }
}
