//! Texts, names, addresses, telecommunication.

use std::{borrow::Cow, fmt};

use super::Interval;
use crate::{
    element::{Content, Element},
    narrative,
};

/// The text of an element without blanks around it; `None` when nothing is left.
pub fn trimmed_text(element: Element<'_>) -> Option<Cow<'_, str>> {
    trimmed(element.text())
}

fn trimmed(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    (!text.is_empty()).then_some(text)
}

/// The text that an element means: where it refers to the narrative (`<reference value="#id"/>`) what stands there, else its own.
pub fn text_of(element: Element<'_>) -> Option<Cow<'_, str>> {
    let own = || {
        // Blanks and line ends between words are no part of it.
        let text = trimmed_text(element)?;
        if text.contains(['\n', '\t']) { Some(Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" "))) } else { Some(text) }
    };
    let Some(reference) = element.child("reference").and_then(|reference| reference.attr("value")) else { return own() };
    match element.document().resolve(reference) {
        Some(target) => narrative::line(target).or_else(own),
        None => own(),
    }
}

/// Encapsulated data: `ED`.
#[derive(Clone, Copy)]
pub struct EncapsulatedData<'d> {
    /// `mediaType`; plain text where none is stated.
    pub media_type: Option<&'d str>,
    /// Whether the content is Base64.
    pub is_base64: bool,
    /// `compression`: `DF`, `GZ`, ...
    pub compression: Option<&'d str>,
    /// Where the content is, if it is not here: a URL, or `#id` of the narrative.
    pub reference: Option<&'d str>,
    /// The element it was read from.
    pub element: Element<'d>,
}

impl fmt::Debug for EncapsulatedData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncapsulatedData").field("media_type", &self.media_type).field("is_base64", &self.is_base64).finish_non_exhaustive()
    }
}

impl<'d> EncapsulatedData<'d> {
    /// Reads encapsulated data.
    pub fn read(element: Element<'d>) -> Self {
        let of = |name| element.attr(name).map(str::trim).filter(|value: &&str| !value.is_empty());
        Self {
            media_type: of("mediaType"),
            is_base64: of("representation") == Some("B64"),
            compression: of("compression"),
            reference: element.child("reference").and_then(|reference| reference.attr("value")).map(str::trim),
            element,
        }
    }

    /// Whether it is plain text that is here.
    pub fn is_text(&self) -> bool {
        let is_elsewhere = self.reference.is_some_and(|reference| !reference.starts_with('#'));
        !self.is_base64 && !is_elsewhere && self.media_type.is_none_or(|media_type| media_type == "text/plain")
    }

    /// Bytes of the content, decoded from Base64 but not unpacked.
    pub fn size(&self) -> usize {
        let text = self.element.text();
        if !self.is_base64 {
            return text.len();
        }
        let letters = text.bytes().filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')).count();
        letters * 3 / 4
    }
}

/// A name of a person or organisation: `PN`, `EN`, `ON`.
#[derive(Clone)]
pub struct Name<'d> {
    /// `use`: `L`, `P`, ...; several may be named.
    pub uses: Option<&'d str>,
    /// Family names.
    pub family: Vec<Part<'d>>,
    /// Given names in order.
    pub given: Vec<Part<'d>>,
    /// Titles before it.
    pub prefix: Vec<Part<'d>>,
    /// Titles after it.
    pub suffix: Vec<Part<'d>>,
    /// The text that is in no part: of an organisation, its name.
    pub text: Option<Cow<'d, str>>,
    /// When it is or was in use.
    pub valid_time: Option<Interval<'d>>,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

/// A part of a name.
#[derive(Clone)]
pub struct Part<'d> {
    /// The part, without blanks around it.
    pub text: Cow<'d, str>,
    /// `qualifier`: `BR` (birth), `CL` (call me), `AC` (academic), ...
    pub qualifier: Option<&'d str>,
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Name").field("uses", &self.uses).field("given", &self.given.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part(..)")
    }
}

impl<'d> Name<'d> {
    /// Reads a name.
    pub fn read(element: Element<'d>) -> Self {
        let mut name = Self {
            uses: element.attr("use").map(str::trim).filter(|uses| !uses.is_empty()),
            family: Vec::new(),
            given: Vec::new(),
            prefix: Vec::new(),
            suffix: Vec::new(),
            text: loose_text(element),
            valid_time: element.child("validTime").map(Interval::read),
            null_flavor: element.null_flavor(),
        };
        for child in element.children() {
            let Some(text) = trimmed_text(child) else { continue };
            let part = Part { text, qualifier: child.attr("qualifier").map(str::trim) };
            match child.name() {
                "family" => name.family.push(part),
                "given" => name.given.push(part),
                "prefix" => name.prefix.push(part),
                "suffix" => name.suffix.push(part),
                _ => {}
            }
        }
        name
    }

    /// Whether nothing of it is stated.
    pub fn is_empty(&self) -> bool {
        self.family.is_empty() && self.given.is_empty() && self.text.is_none()
    }

    /// All of it in one line, in the usual order.
    pub fn line(&self) -> Option<String> {
        let parts = self.prefix.iter().chain(&self.given).chain(&self.family).chain(&self.suffix).map(|part| part.text.as_ref());
        let line = parts.collect::<Vec<_>>().join(" ");
        if line.is_empty() { self.text.as_ref().map(ToString::to_string) } else { Some(line) }
    }
}

/// The text directly in an element, outside of its children.
fn loose_text(element: Element<'_>) -> Option<Cow<'_, str>> {
    let mut found = element.content().filter_map(|content| match content {
        Content::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
        Content::Element(_) => None,
    });
    let first = found.next()?;
    match found.next() {
        None => Some(Cow::Borrowed(first)),
        Some(second) => Some(Cow::Owned([first, second].into_iter().chain(found).collect::<Vec<_>>().join(" "))),
    }
}

/// An address: `AD`.
#[derive(Clone)]
pub struct Address<'d> {
    /// `use`: `HP`, `WP`, ...
    pub uses: Option<&'d str>,
    /// Street lines in order.
    pub lines: Vec<Cow<'d, str>>,
    /// City.
    pub city: Option<Cow<'d, str>>,
    /// County.
    pub county: Option<Cow<'d, str>>,
    /// State or province.
    pub state: Option<Cow<'d, str>>,
    /// Postal code.
    pub postal_code: Option<Cow<'d, str>>,
    /// Country.
    pub country: Option<Cow<'d, str>>,
    /// The text that is in no part.
    pub text: Option<Cow<'d, str>>,
    /// When it is or was in use.
    pub useable_period: Option<Interval<'d>>,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("uses", &self.uses).field("lines", &self.lines.len()).finish_non_exhaustive()
    }
}

impl<'d> Address<'d> {
    /// Reads an address. House numbers and street names that stand apart are joined to lines.
    pub fn read(element: Element<'d>) -> Self {
        let of = |name| element.child(name).and_then(trimmed_text);
        let mut lines: Vec<Cow<'d, str>> = Vec::new();
        let mut street: Vec<Cow<'d, str>> = Vec::new();
        for child in element.children() {
            let Some(text) = trimmed_text(child) else { continue };
            match child.name() {
                "streetAddressLine" | "additionalLocator" | "deliveryAddressLine" | "postBox" | "unitID" => lines.push(text),
                "houseNumber" | "direction" | "streetName" | "streetNameBase" | "streetNameType" => street.push(text),
                _ => {}
            }
        }
        if !street.is_empty() {
            lines.insert(0, Cow::Owned(street.join(" ")));
        }
        Self {
            uses: element.attr("use").map(str::trim).filter(|uses| !uses.is_empty()),
            lines,
            city: of("city"),
            county: of("county"),
            state: of("state"),
            postal_code: of("postalCode"),
            country: of("country"),
            text: loose_text(element),
            useable_period: element.child("useablePeriod").map(Interval::read),
            null_flavor: element.null_flavor(),
        }
    }

    /// Whether nothing of it is stated.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && [&self.city, &self.state, &self.postal_code, &self.country, &self.text].iter().all(|part| part.is_none())
    }
}

/// What a telecommunication address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TelecomKind {
    /// `tel:`, or a number without a scheme.
    Phone,
    /// `fax:`.
    Fax,
    /// `mailto:`, or an address with `@`.
    Email,
    /// `http:` and the like.
    Url,
    /// Another scheme.
    Other,
}

/// A telecommunication address: `TEL`.
#[derive(Clone, Copy)]
pub struct Telecom<'d> {
    /// The address as sent, scheme included.
    pub raw: Option<&'d str>,
    /// The address without scheme (of a URL with it).
    pub value: Option<&'d str>,
    /// What it is for.
    pub kind: TelecomKind,
    /// `use`: `HP`, `WP`, `MC`, ...
    pub uses: Option<&'d str>,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

impl fmt::Debug for Telecom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telecom").field("kind", &self.kind).field("uses", &self.uses).finish_non_exhaustive()
    }
}

impl<'d> Telecom<'d> {
    /// Reads a telecommunication address.
    pub fn read(element: Element<'d>) -> Self {
        let raw = element.attr("value").map(str::trim).filter(|value| !value.is_empty());
        let (kind, value) = raw.map_or((TelecomKind::Other, None), |raw| {
            let (kind, value) = split(raw);
            (kind, Some(value).filter(|value| !value.is_empty()))
        });
        let uses = element.attr("use").map(str::trim).filter(|uses| !uses.is_empty());
        Self { raw, value, kind, uses, null_flavor: element.null_flavor() }
    }

    /// The addresses directly below an element.
    pub fn all(of: Element<'d>) -> impl Iterator<Item = Telecom<'d>> + use<'d> {
        of.children_named("telecom").map(Self::read)
    }
}

fn split(raw: &str) -> (TelecomKind, &str) {
    let Some((scheme, rest)) = raw.split_once(':') else {
        return (if raw.contains('@') { TelecomKind::Email } else { TelecomKind::Phone }, raw);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "tel" | "phone" => (TelecomKind::Phone, rest.trim()),
        "fax" | "x-text-fax" => (TelecomKind::Fax, rest.trim()),
        "mailto" | "email" => (TelecomKind::Email, rest.trim()),
        "http" | "https" | "ftp" => (TelecomKind::Url, raw),
        _ => (TelecomKind::Other, raw),
    }
}
