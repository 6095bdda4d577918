//! Handles on a parsed document.

use std::fmt;

use super::parse::{Node, Tape};

/// A parsed document: its bytes and their tape.
#[derive(Clone, Copy)]
pub struct Document<'d> {
    input: &'d str,
    tape: &'d Tape,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One value of a document. Copying it copies two references and a number.
#[derive(Clone, Copy)]
pub struct Value<'d> {
    document: Document<'d>,
    index: u32,
}

impl<'d> Document<'d> {
    pub(super) fn new(input: &'d str, tape: &'d Tape) -> Self {
        Self { input, tape }
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'d> {
        Value { document: *self, index: 0 }
    }

    /// The whole input, byte order mark and blanks around the value too.
    pub fn text(&self) -> &'d str {
        self.input
    }

    /// How many values and names it holds: the tape's length.
    pub fn node_count(&self) -> usize {
        self.tape.nodes.len()
    }

    /// The value of that [`Value::index`]; none for an index that is not on the tape.
    pub fn value_at(&self, index: u32) -> Option<Value<'d>> {
        ((index as usize) < self.tape.nodes.len()).then_some(Value { document: *self, index })
    }
}

impl<'d> Value<'d> {
    fn node(&self) -> Node {
        self.document.tape.nodes[self.index as usize]
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.node().kind()
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw_text().starts_with('t'))
    }

    /// The text of a string with its escapes resolved. Text without escapes is a part of the input.
    pub fn as_str(&self) -> Option<&'d str> {
        let node = self.node();
        (node.kind() == Kind::String).then(|| self.document.tape.text(node, self.document.input))
    }

    /// The digits of a number as they were sent: `1.00` stays `1.00`.
    pub fn as_number(&self) -> Option<&'d str> {
        (self.kind() == Kind::Number).then(|| self.raw_text())
    }

    /// The member of that name; none if there is none or this is no object.
    pub fn get(&self, name: &str) -> Option<Value<'d>> {
        let tape = self.document.tape;
        let node = self.node();
        if node.kind() != Kind::Object {
            return None;
        }
        let (mut at, end) = (self.index + 1, node.next);
        while at < end {
            if tape.is_text(tape.nodes[at as usize], self.document.input, name) {
                return Some(Value { document: self.document, index: at + 1 });
            }
            at = tape.after(at + 1);
        }
        None
    }

    /// The members of an object in the order sent; nothing for other values.
    pub fn entries(&self) -> Entries<'d> {
        let node = self.node();
        let (end, left) = if node.kind() == Kind::Object { (node.next, node.count()) } else { (0, 0) };
        Entries { document: self.document, at: self.index + 1, end, left }
    }

    /// The elements of an array; nothing for other values.
    pub fn items(&self) -> Items<'d> {
        let node = self.node();
        let (end, left) = if node.kind() == Kind::Array { (node.next, node.count()) } else { (0, 0) };
        Items { document: self.document, at: self.index + 1, end, left }
    }

    /// How many members or elements; 0 for other values.
    pub fn len(&self) -> usize {
        let node = self.node();
        match node.kind() {
            Kind::Array | Kind::Object => node.count() as usize,
            _ => 0,
        }
    }

    /// Whether it has no members or elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it begins: the byte offset in the input.
    pub fn offset(&self) -> usize {
        self.node().start as usize
    }

    /// The bytes as sent, quotes and blanks inside included.
    pub fn raw(&self) -> &'d [u8] {
        self.raw_text().as_bytes()
    }

    /// [`Value::raw`] as text.
    pub fn raw_text(&self) -> &'d str {
        let node = self.node();
        &self.document.input[node.start as usize..node.end as usize]
    }

    /// Its place on the tape: two handles on one document with the same index are the same value.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The document it stands in.
    pub fn document(&self) -> Document<'d> {
        self.document
    }
}

/// The members of an object.
#[derive(Clone)]
pub struct Entries<'d> {
    document: Document<'d>,
    at: u32,
    end: u32,
    left: u32,
}

impl<'d> Iterator for Entries<'d> {
    type Item = (&'d str, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let tape = self.document.tape;
        let name = tape.text(tape.nodes[self.at as usize], self.document.input);
        let value = Value { document: self.document, index: self.at + 1 };
        self.at = tape.after(self.at + 1);
        self.left -= 1;
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Entries<'_> {}

/// The elements of an array.
#[derive(Clone)]
pub struct Items<'d> {
    document: Document<'d>,
    at: u32,
    end: u32,
    left: u32,
}

impl<'d> Iterator for Items<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let value = Value { document: self.document, index: self.at };
        self.at = self.document.tape.after(self.at);
        self.left -= 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Items<'_> {}

// A value may be a name or an address: `Debug` shows its shape only.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node();
        write!(f, "Value({:?} at {}..{})", node.kind(), node.start, node.end)
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes, {} values)", self.input.len(), self.tape.nodes.len())
    }
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entries({} left)", self.left)
    }
}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Items({} left)", self.left)
    }
}
