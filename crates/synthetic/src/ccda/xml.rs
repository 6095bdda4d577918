//! Writing XML: elements that close in order, attributes escaped.

use super::style::Style;

/// The text of a part of a document while it grows.
#[derive(Debug)]
pub(super) struct Xml {
    pub(super) text: String,
    prefix: &'static str,
    indents: bool,
    depth: usize,
    open: Vec<&'static str>,
}

pub(super) type Attributes<'a> = &'a [(&'a str, &'a str)];

impl Xml {
    pub(super) fn new(style: &Style, depth: usize) -> Self {
        Self { text: String::new(), prefix: style.prefix, indents: style.indents, depth, open: Vec::new() }
    }

    fn line(&mut self) {
        if self.indents && !self.text.is_empty() {
            self.text.push('\n');
        }
        if self.indents {
            for _ in 0..self.depth + self.open.len() {
                self.text.push_str("  ");
            }
        }
    }

    fn tag(&mut self, name: &str, attributes: Attributes<'_>) {
        self.line();
        self.text.push('<');
        // Elements of HL7's extensions have a prefix of their own.
        if !name.contains(':') {
            self.text.push_str(self.prefix);
        }
        self.text.push_str(name);
        // An attribute without value is left out.
        for (key, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            self.text.push(' ');
            self.text.push_str(key);
            self.text.push_str("=\"");
            if *key == "xsi:type" {
                self.text.push_str(self.prefix);
            }
            escape(value, &mut self.text);
            self.text.push('"');
        }
    }

    /// Begins an element; [`Xml::close`] ends it.
    pub(super) fn open(&mut self, name: &'static str, attributes: Attributes<'_>) -> &mut Self {
        self.tag(name, attributes);
        self.text.push('>');
        self.open.push(name);
        self
    }

    /// Begins elements within one another, without attributes.
    pub(super) fn nest(&mut self, names: &[&'static str]) -> &mut Self {
        for name in names {
            self.open(name, &[]);
        }
        self
    }

    /// Ends the innermost element.
    pub(super) fn close(&mut self) -> &mut Self {
        let Some(name) = self.open.pop() else { return self };
        self.line();
        self.text.push_str("</");
        if !name.contains(':') {
            self.text.push_str(self.prefix);
        }
        self.text.push_str(name);
        self.text.push('>');
        self
    }

    /// Ends so many elements.
    pub(super) fn close_all(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.close();
        }
        self
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: &str, attributes: Attributes<'_>) -> &mut Self {
        self.tag(name, attributes);
        self.text.push_str("/>");
        self
    }

    /// An element with text.
    pub(super) fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: &str) -> &mut Self {
        self.tag(name, attributes);
        self.text.push('>');
        escape(text, &mut self.text);
        self.text.push_str("</");
        if !name.contains(':') {
            self.text.push_str(self.prefix);
        }
        self.text.push_str(name);
        self.text.push('>');
        self
    }

    /// What another writer wrote.
    pub(super) fn append(&mut self, other: &str) -> &mut Self {
        if self.indents && !self.text.is_empty() && !other.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(other);
        self
    }
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter => out.push(letter),
        }
    }
}

/// The text in ISO-8859-1; letters that it does not have become references.
pub(super) fn latin(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match u8::try_from(letter) {
            // Between 80 and 9F the two readings of ISO-8859-1 differ.
            Ok(byte) if !(0x80..0xA0).contains(&byte) => out.push(byte),
            _ => out.extend(format!("&#{};", letter as u32).bytes()),
        }
    }
    out
}
