//! XML text to a tree of elements.

use std::{borrow::Cow, ops::Range};

use super::{XmlError, XmlErrorKind};

const MOST_DEPTH: usize = 200;
const MOST_ATTRIBUTES: usize = 64;
const MOST_BYTES: usize = 64 << 20;
/// Elements and attributes together; each takes about a hundred bytes of memory.
const MOST_NODES: usize = 1 << 20;
/// The longest name of R4 has 40 letters.
const MOST_NAME: usize = 256;

/// Bindings of prefixes that are in force at one place.
const MOST_BINDINGS: usize = 128;

/// The namespace of an element. One without any counts as FHIR's: many senders leave it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Fhir,
    Xhtml,
    Other,
}

impl Namespace {
    fn of(uri: &str) -> Self {
        match uri {
            "" | "http://hl7.org/fhir" => Self::Fhir,
            "http://www.w3.org/1999/xhtml" => Self::Xhtml,
            _ => Self::Other,
        }
    }
}

/// One element.
pub(super) struct Element<'x> {
    /// The name without its prefix.
    pub(super) name: &'x str,
    /// The name as it stands there.
    tag: &'x str,
    pub(super) namespace: Namespace,
    pub(super) attributes: Vec<(&'x str, Cow<'x, str>)>,
    pub(super) children: Vec<Element<'x>>,
    /// Whether there is text that is not blank.
    pub(super) has_text: bool,
    /// Where it stands in the input, its tags included.
    pub(super) range: Range<usize>,
}

impl Element<'_> {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref())
    }
}

struct Reader<'x> {
    text: &'x str,
    at: usize,
    nodes: usize,
    /// Prefixes and what they stand for, with the depth of the element that says so.
    bindings: Vec<(usize, &'x str, Namespace)>,
}

pub(super) fn parse(text: &str) -> Result<Element<'_>, XmlError> {
    let mut reader = Reader { text, at: 0, nodes: 0, bindings: Vec::new() };
    if text.len() > MOST_BYTES {
        return Err(reader.error(XmlErrorKind::TooLarge));
    }
    if let Some(offset) = text.bytes().position(is_control) {
        return Err(XmlError { offset, kind: XmlErrorKind::Malformed });
    }
    reader.between()?;
    let root = reader.tree()?;
    reader.between()?;
    if reader.at < text.len() {
        return Err(reader.error(XmlErrorKind::Malformed));
    }
    Ok(root)
}

/// A byte that no XML document holds (XML 1.0, production 2).
fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// A letter that no XML document holds, not even as a reference.
fn is_forbidden(letter: char) -> bool {
    u8::try_from(letter).is_ok_and(is_control) || matches!(letter, '\u{FFFE}' | '\u{FFFF}')
}

impl<'x> Reader<'x> {
    fn error(&self, kind: XmlErrorKind) -> XmlError {
        XmlError { offset: self.at, kind }
    }

    fn rest(&self) -> &'x str {
        &self.text[self.at..]
    }

    /// Passes what ends in `end`.
    fn until(&mut self, end: &str) -> Result<(), XmlError> {
        let length = self.rest().find(end).ok_or_else(|| self.error(XmlErrorKind::Malformed))?;
        self.at += length + end.len();
        Ok(())
    }

    /// A comment or processing instruction, if one stands here.
    fn aside(&mut self) -> Result<bool, XmlError> {
        let rest = self.rest();
        if rest.starts_with("<!--") {
            self.at += 4;
            // A comment holds no two hyphens (XML 1.0, production 15).
            self.until("--")?;
            self.expect('>')?;
        } else if rest.starts_with("<?") {
            self.until("?>")?;
        } else if rest.starts_with("<!DOCTYPE") || rest.starts_with("<!ENTITY") {
            return Err(self.error(XmlErrorKind::DocumentType));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Blanks, comments and instructions outside of the outermost element.
    fn between(&mut self) -> Result<(), XmlError> {
        loop {
            self.blanks();
            if !self.aside()? {
                return Ok(());
            }
        }
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// An element with all below it, without recursion.
    fn tree(&mut self) -> Result<Element<'x>, XmlError> {
        let mut open: Vec<Element<'x>> = Vec::new();
        loop {
            if open.is_empty() && !self.rest().starts_with('<') {
                return Err(self.error(XmlErrorKind::Malformed));
            }
            self.text_until_tag(open.last_mut())?;
            if self.aside()? {
                continue;
            }
            if let Some(cdata) = self.rest().strip_prefix("<![CDATA[") {
                let blank = cdata.split("]]>").next().is_none_or(|text| text.trim().is_empty());
                self.until("]]>")?;
                if let Some(parent) = open.last_mut() {
                    parent.has_text |= !blank;
                }
                continue;
            }
            let done = if self.rest().starts_with("</") {
                self.at += 2;
                let tag = self.raw_name()?;
                self.blanks();
                self.expect('>')?;
                let mut element = open.pop().ok_or_else(|| self.error(XmlErrorKind::Unbalanced))?;
                if element.tag != tag {
                    return Err(self.error(XmlErrorKind::Unbalanced));
                }
                element.range.end = self.at;
                Some(element)
            } else {
                let (element, closed) = self.start_tag(open.len())?;
                if closed {
                    Some(element)
                } else {
                    if open.len() >= MOST_DEPTH {
                        return Err(self.error(XmlErrorKind::TooLarge));
                    }
                    open.push(element);
                    None
                }
            };
            if let Some(element) = done {
                while self.bindings.last().is_some_and(|(depth, ..)| *depth >= open.len()) {
                    self.bindings.pop();
                }
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
        }
    }

    fn text_until_tag(&mut self, parent: Option<&mut Element<'x>>) -> Result<(), XmlError> {
        let Some(length) = self.rest().find('<') else { return Err(self.error(XmlErrorKind::Unbalanced)) };
        let text = &self.rest()[..length];
        unescape(text, self.at)?;
        if let Some(parent) = parent {
            parent.has_text |= !text.trim().is_empty();
        }
        self.at += length;
        Ok(())
    }

    fn expect(&mut self, letter: char) -> Result<(), XmlError> {
        if !self.rest().starts_with(letter) {
            return Err(self.error(XmlErrorKind::Malformed));
        }
        self.at += letter.len_utf8();
        Ok(())
    }

    /// What a prefix stands for here. One that nobody declared stands for nothing that is known.
    fn namespace(&self, prefix: &str) -> Namespace {
        let unbound = if prefix.is_empty() { Namespace::Fhir } else { Namespace::Other };
        self.bindings.iter().rev().find(|(_, known, _)| *known == prefix).map_or(unbound, |(.., namespace)| *namespace)
    }

    /// Takes note of what an element of that depth says of prefixes.
    fn bind(&mut self, depth: usize, attributes: &[(&'x str, Cow<'x, str>)]) -> Result<(), XmlError> {
        for (name, uri) in attributes {
            let Some(prefix) = name.strip_prefix("xmlns") else { continue };
            let prefix = match prefix.strip_prefix(':') {
                Some(prefix) => prefix,
                None if prefix.is_empty() => "",
                None => continue,
            };
            let namespace = Namespace::of(uri);
            if self.namespace(prefix) == namespace {
                continue;
            }
            if self.bindings.len() >= MOST_BINDINGS {
                return Err(self.error(XmlErrorKind::TooLarge));
            }
            self.bindings.push((depth, prefix, namespace));
        }
        Ok(())
    }

    fn raw_name(&mut self) -> Result<&'x str, XmlError> {
        let rest = self.rest();
        let length = rest.find(|letter: char| letter.is_whitespace() || "/>=<\"'&".contains(letter)).unwrap_or(rest.len());
        if length > MOST_NAME {
            return Err(self.error(XmlErrorKind::TooLarge));
        }
        let name = &rest[..length];
        let is_name = |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || "_:-.".contains(letter);
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit() || "-.".contains(first)) || !name.chars().all(is_name) {
            return Err(self.error(XmlErrorKind::Malformed));
        }
        self.at += length;
        Ok(name)
    }

    /// One more element or attribute.
    fn count(&mut self) -> Result<(), XmlError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES { Err(self.error(XmlErrorKind::TooLarge)) } else { Ok(()) }
    }

    /// A start tag of an element of that depth, and whether it is closed at once.
    fn start_tag(&mut self, depth: usize) -> Result<(Element<'x>, bool), XmlError> {
        let start = self.at;
        self.count()?;
        self.expect('<')?;
        let tag = self.raw_name()?;
        let (prefix, name) = tag.split_once(':').unwrap_or(("", tag));
        let mut attributes: Vec<(&'x str, Cow<'x, str>)> = Vec::new();
        loop {
            let before = self.at;
            self.blanks();
            let rest = self.rest();
            let closed = rest.starts_with("/>");
            if closed || rest.starts_with('>') {
                self.at += if closed { 2 } else { 1 };
                let range = start..self.at;
                self.bind(depth, &attributes)?;
                let namespace = self.namespace(prefix);
                return Ok((Element { name, tag, namespace, attributes, children: Vec::new(), has_text: false, range }, closed));
            }
            if self.at == before {
                return Err(self.error(XmlErrorKind::Malformed));
            }
            self.count()?;
            let key = self.raw_name()?;
            self.blanks();
            self.expect('=')?;
            self.blanks();
            let quote = if self.rest().starts_with('\'') { '\'' } else { '"' };
            self.expect(quote)?;
            let length = self.rest().find(quote).ok_or_else(|| self.error(XmlErrorKind::Malformed))?;
            let raw = &self.rest()[..length];
            if raw.contains('<') {
                return Err(self.error(XmlErrorKind::Malformed));
            }
            if attributes.len() >= MOST_ATTRIBUTES {
                return Err(self.error(XmlErrorKind::TooLarge));
            }
            if attributes.iter().any(|(known, _)| *known == key) {
                return Err(self.error(XmlErrorKind::DuplicateAttribute));
            }
            attributes.push((key, unescape(raw, self.at)?));
            self.at += length + 1;
        }
    }
}

/// Text with its entities resolved.
fn unescape(text: &str, offset: usize) -> Result<Cow<'_, str>, XmlError> {
    if !text.contains('&') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let bad = XmlError { offset, kind: XmlErrorKind::Entity };
        let end = rest.bytes().take(12).position(|byte| byte == b';').ok_or(bad)?;
        let letter = match &rest[..end] {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            name => {
                let digits = name.strip_prefix('#').ok_or(bad)?;
                let (digits, radix) = digits.strip_prefix('x').map_or((digits, 10), |hex| (hex, 16));
                // The library takes a sign too.
                let code = if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() };
                code.and_then(char::from_u32).filter(|letter| !is_forbidden(*letter)).ok_or(bad)?
            }
        };
        out.push(letter);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}
