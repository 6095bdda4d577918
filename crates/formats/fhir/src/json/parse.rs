//! From bytes to tape, in one pass.

use std::fmt;

use super::{
    error::{JsonError, JsonErrorKind},
    value::{Document, Kind},
};

/// Bounds on one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Objects and arrays inside one another. Default 64.
    pub depth: u16,
    /// Values and names together, 16 bytes of memory each. Default 4,194,304.
    pub nodes: u32,
    /// Bytes. Default 64 MiB; never more than [`Limits::MOST_BYTES`].
    pub bytes: usize,
}

impl Limits {
    /// Offsets on the tape are this wide: 512 MiB.
    pub const MOST_BYTES: usize = COUNT_MASK as usize;
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, nodes: 4 << 20, bytes: 64 << 20 }
    }
}

/// The kind stands above the count.
const KIND_SHIFT: u32 = 29;
const COUNT_MASK: u32 = (1 << KIND_SHIFT) - 1;

const NULL: u32 = 0;
const BOOL: u32 = 1;
const NUMBER: u32 = 2;
const STRING: u32 = 3;
const ESCAPED: u32 = 4;
const ARRAY: u32 = 5;
const OBJECT: u32 = 6;

/// One value or name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Bytes `start..end` of the input, quotes included.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Arrays and objects: the node after the last one inside. Text with escapes: its end in the scratch buffer.
    pub(super) next: u32,
    /// The kind, and the number of members, or where text with escapes begins in the scratch buffer.
    tag: u32,
}

impl Node {
    pub(super) fn kind(self) -> Kind {
        match self.tag >> KIND_SHIFT {
            NULL => Kind::Null,
            BOOL => Kind::Bool,
            NUMBER => Kind::Number,
            STRING | ESCAPED => Kind::String,
            ARRAY => Kind::Array,
            _ => Kind::Object,
        }
    }

    pub(super) fn count(self) -> u32 {
        self.tag & COUNT_MASK
    }
}

/// The nodes of a document, and its text that has escapes with them resolved.
#[derive(Default)]
pub(super) struct Tape {
    pub(super) nodes: Vec<Node>,
    scratch: String,
}

impl Tape {
    /// The text of a string's node.
    #[inline]
    pub(super) fn text<'d>(&'d self, node: Node, input: &'d str) -> &'d str {
        if node.tag >> KIND_SHIFT == ESCAPED {
            &self.scratch[node.count() as usize..node.next as usize]
        } else {
            &input[node.start as usize + 1..node.end as usize - 1]
        }
    }

    /// Whether a string's node holds this text.
    #[inline]
    pub(super) fn is_text(&self, node: Node, input: &str, text: &str) -> bool {
        if node.tag >> KIND_SHIFT == ESCAPED {
            return &self.scratch[node.count() as usize..node.next as usize] == text;
        }
        let (from, to) = (node.start as usize + 1, node.end as usize - 1);
        to - from == text.len() && &input.as_bytes()[from..to] == text.as_bytes()
    }

    /// The node after the value at `index` and all that is inside it.
    #[inline]
    pub(super) fn after(&self, index: u32) -> u32 {
        let node = self.nodes[index as usize];
        if node.tag >> KIND_SHIFT >= ARRAY { node.next } else { index + 1 }
    }

    fn text_bytes<'d>(&'d self, node: Node, input: &'d [u8]) -> &'d [u8] {
        if node.tag >> KIND_SHIFT == ESCAPED {
            &self.scratch.as_bytes()[node.count() as usize..node.next as usize]
        } else {
            &input[node.start as usize + 1..node.end as usize - 1]
        }
    }

    fn clear(&mut self) {
        // What one large document took is given back.
        if self.nodes.capacity() > KEPT_NODES && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(KEPT_NODES);
        }
        if self.scratch.capacity() > KEPT_SCRATCH && self.scratch.len() < self.scratch.capacity() / 4 {
            self.scratch.shrink_to(KEPT_SCRATCH);
        }
        self.nodes.clear();
        self.scratch.clear();
    }
}

const KEPT_NODES: usize = 1 << 18;
const KEPT_SCRATCH: usize = 1 << 20;

/// An object or array that is not closed yet.
#[derive(Clone, Copy)]
struct Frame {
    node: u32,
    count: u32,
    object: bool,
    /// One bit for each name seen, by its hash.
    names: u64,
}

/// Reads documents, one after another, into buffers that it keeps.
#[derive(Default)]
pub struct Parser {
    limits: Limits,
    tape: Tape,
    stack: Vec<Frame>,
    /// For objects with many names.
    sorted: Vec<u32>,
}

impl Parser {
    /// A parser with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Reads one document: one value, with nothing but blanks around it.
    ///
    /// # Errors
    /// When the bytes are no strict JSON or exceed a limit.
    pub fn parse<'p>(&'p mut self, input: &'p [u8]) -> Result<Document<'p>, JsonError> {
        let text = self.build(input)?;
        Ok(Document::new(text, &self.tape))
    }

    /// Reads one document that owns its bytes: for what is kept, not for what streams by.
    ///
    /// # Errors
    /// As [`Parser::parse`].
    pub fn parse_owned(mut self, input: Vec<u8>) -> Result<OwnedDocument, JsonError> {
        self.build(&input)?;
        let input = String::from_utf8(input).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            JsonError { offset, kind: JsonErrorKind::BadUtf8 }
        })?;
        Ok(OwnedDocument { input, tape: self.tape })
    }

    fn build<'i>(&mut self, input: &'i [u8]) -> Result<&'i str, JsonError> {
        self.tape.clear();
        self.stack.clear();
        let limit = self.limits.bytes.min(Limits::MOST_BYTES);
        if input.len() > limit {
            return Err(JsonError { offset: limit, kind: JsonErrorKind::TooLarge });
        }
        let text = std::str::from_utf8(input).map_err(|error| JsonError { offset: error.valid_up_to(), kind: JsonErrorKind::BadUtf8 })?;
        Run { bytes: input, text, at: 0, limits: self.limits, tape: &mut self.tape, stack: &mut self.stack, sorted: &mut self.sorted }
            .document()?;
        Ok(text)
    }
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A document with its own bytes.
pub struct OwnedDocument {
    input: String,
    tape: Tape,
}

impl OwnedDocument {
    /// The document.
    pub fn document(&self) -> Document<'_> {
        Document::new(&self.input, &self.tape)
    }
}

impl fmt::Debug for OwnedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.document().fmt(f)
    }
}

/// Objects with more names than this are checked for a name that stands twice when they end.
const NAMES_CHECKED_AT_ONCE: u32 = 48;

/// One pass over one document.
struct Run<'r> {
    bytes: &'r [u8],
    text: &'r str,
    at: usize,
    limits: Limits,
    tape: &'r mut Tape,
    stack: &'r mut Vec<Frame>,
    sorted: &'r mut Vec<u32>,
}

impl Run<'_> {
    fn document(mut self) -> Result<(), JsonError> {
        if self.bytes.starts_with(b"\xEF\xBB\xBF") {
            self.at = 3;
        }
        'value: loop {
            self.blanks();
            match self.byte()? {
                b'{' => {
                    self.open(OBJECT)?;
                    self.blanks();
                    if self.byte()? == b'}' {
                        self.close()?;
                    } else {
                        self.name()?;
                        continue 'value;
                    }
                }
                b'[' => {
                    self.open(ARRAY)?;
                    self.blanks();
                    if self.byte()? == b']' {
                        self.close()?;
                    } else {
                        self.count_element();
                        continue 'value;
                    }
                }
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word(b"true", BOOL)?,
                b'f' => self.word(b"false", BOOL)?,
                b'n' => self.word(b"null", NULL)?,
                _ => return Err(self.error(JsonErrorKind::UnexpectedByte)),
            }
            // A value has ended; so may what it stands in.
            loop {
                let Some(frame) = self.stack.last() else { break 'value };
                let object = frame.object;
                self.blanks();
                match self.byte()? {
                    b',' => {
                        self.at += 1;
                        if object {
                            self.blanks();
                            self.name()?;
                        } else {
                            self.count_element();
                        }
                        continue 'value;
                    }
                    b'}' if object => self.close()?,
                    b']' if !object => self.close()?,
                    _ => return Err(self.error(JsonErrorKind::UnexpectedByte)),
                }
            }
        }
        self.blanks();
        if self.at < self.bytes.len() {
            return Err(self.error(JsonErrorKind::TrailingBytes));
        }
        Ok(())
    }

    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError { offset: self.at, kind }
    }

    #[inline]
    fn byte(&self) -> Result<u8, JsonError> {
        self.bytes.get(self.at).copied().ok_or(JsonError { offset: self.at, kind: JsonErrorKind::Unterminated })
    }

    #[inline]
    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline]
    fn push(&mut self, node: Node) -> Result<(), JsonError> {
        if self.tape.nodes.len() >= self.limits.nodes as usize {
            return Err(JsonError { offset: node.start as usize, kind: JsonErrorKind::TooLarge });
        }
        self.tape.nodes.push(node);
        Ok(())
    }

    fn open(&mut self, kind: u32) -> Result<(), JsonError> {
        if self.stack.len() >= usize::from(self.limits.depth) {
            return Err(self.error(JsonErrorKind::TooDeep));
        }
        let node = self.tape.nodes.len() as u32;
        self.stack.push(Frame { node, count: 0, object: kind == OBJECT, names: 0 });
        self.push(Node { start: self.at as u32, end: 0, next: 0, tag: kind << KIND_SHIFT })?;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let next = self.tape.nodes.len() as u32;
        let node = &mut self.tape.nodes[frame.node as usize];
        node.end = self.at as u32;
        node.next = next;
        node.tag |= frame.count;
        if frame.object && frame.count > NAMES_CHECKED_AT_ONCE {
            return self.check_many_names(frame);
        }
        Ok(())
    }

    #[inline]
    fn count_element(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            frame.count += 1;
        }
    }

    /// A member's name and the colon after it.
    #[inline]
    fn name(&mut self) -> Result<(), JsonError> {
        if self.byte()? != b'"' {
            return Err(self.error(JsonErrorKind::UnexpectedByte));
        }
        self.string()?;
        self.check_name()?;
        self.blanks();
        if self.byte()? != b':' {
            return Err(self.error(JsonErrorKind::UnexpectedByte));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether the name on the tape's end stands in its object already. Names whose hash is new are new.
    #[inline]
    fn check_name(&mut self) -> Result<(), JsonError> {
        let index = self.tape.nodes.len() as u32 - 1;
        let node = self.tape.nodes[index as usize];
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        frame.count += 1;
        let bit = 1u64 << (name_hash(self.tape.text_bytes(node, self.bytes)) >> 58);
        let seen = frame.names & bit != 0;
        frame.names |= bit;
        if !seen || frame.count > NAMES_CHECKED_AT_ONCE {
            return Ok(());
        }
        let name = self.tape.text_bytes(node, self.bytes);
        let mut at = frame.node + 1;
        while at < index {
            if self.tape.text_bytes(self.tape.nodes[at as usize], self.bytes) == name {
                return Err(JsonError { offset: node.start as usize, kind: JsonErrorKind::DuplicateKey });
            }
            at = self.tape.after(at + 1);
        }
        Ok(())
    }

    /// The same for an object with many names, at its end: by sorting, so that a hostile one costs n log n.
    #[cold]
    fn check_many_names(&mut self, frame: Frame) -> Result<(), JsonError> {
        self.sorted.clear();
        let end = self.tape.nodes.len() as u32;
        let mut at = frame.node + 1;
        while at < end {
            self.sorted.push(at);
            at = self.tape.after(at + 1);
        }
        let (tape, bytes) = (&*self.tape, self.bytes);
        let name = |index: u32| tape.text_bytes(tape.nodes[index as usize], bytes);
        self.sorted.sort_unstable_by(|&a, &b| name(a).cmp(name(b)).then(a.cmp(&b)));
        let second = self.sorted.windows(2).filter(|pair| name(pair[0]) == name(pair[1])).map(|pair| pair[1]).min();
        let result = second.map_or(Ok(()), |index| {
            Err(JsonError { offset: tape.nodes[index as usize].start as usize, kind: JsonErrorKind::DuplicateKey })
        });
        self.sorted.clear();
        self.sorted.shrink_to(KEPT_NODES);
        result
    }

    /// A string; `at` is on its opening quote.
    #[inline]
    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let end = self.plain_text(start + 1);
        match self.bytes.get(end) {
            Some(b'"') => {
                self.at = end + 1;
                self.push(Node { start: start as u32, end: self.at as u32, next: 0, tag: STRING << KIND_SHIFT })
            }
            Some(b'\\') => self.escaped_string(start, end),
            Some(_) => Err(JsonError { offset: end, kind: JsonErrorKind::ControlCharacter }),
            None => Err(JsonError { offset: end, kind: JsonErrorKind::Unterminated }),
        }
    }

    /// The first byte from `at` on that ends plain text: a quote, a backslash or a control character; the input's end if none does.
    #[inline]
    fn plain_text(&self, mut at: usize) -> usize {
        let bytes = self.bytes;
        while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let stops = stops_in(u64::from_le_bytes(*word));
            if stops != 0 {
                return at + (stops.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        while let Some(&byte) = bytes.get(at) {
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                return at;
            }
            at += 1;
        }
        bytes.len()
    }

    /// A string whose first backslash is at `backslash`.
    fn escaped_string(&mut self, start: usize, backslash: usize) -> Result<(), JsonError> {
        let begin = self.tape.scratch.len();
        self.tape.scratch.push_str(&self.text[start + 1..backslash]);
        let mut at = backslash;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape(at)?,
                Some(_) => return Err(JsonError { offset: at, kind: JsonErrorKind::ControlCharacter }),
                None => return Err(JsonError { offset: at, kind: JsonErrorKind::Unterminated }),
            }
            let end = self.plain_text(at);
            self.tape.scratch.push_str(&self.text[at..end]);
            at = end;
        }
        self.at = at + 1;
        let next = self.tape.scratch.len() as u32;
        self.push(Node { start: start as u32, end: self.at as u32, next, tag: ESCAPED << KIND_SHIFT | begin as u32 })
    }

    /// Resolves the escape at `at`; the position after it.
    fn escape(&mut self, at: usize) -> Result<usize, JsonError> {
        let bad = JsonError { offset: at, kind: JsonErrorKind::BadEscape };
        let Some(&letter) = self.bytes.get(at + 1) else {
            return Err(JsonError { offset: self.bytes.len(), kind: JsonErrorKind::Unterminated });
        };
        let plain = match letter {
            b'"' | b'\\' | b'/' => letter as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hexadecimal(at + 2)?;
                if !(0xD800..0xE000).contains(&high) {
                    self.tape.scratch.push(char::from_u32(high).ok_or(bad)?);
                    return Ok(at + 6);
                }
                // A high surrogate, and a low one right after it.
                for (offset, expected) in [(6, b'\\'), (7, b'u')] {
                    match self.bytes.get(at + offset) {
                        Some(&byte) if byte == expected => {}
                        Some(_) => return Err(bad),
                        None => return Err(JsonError { offset: self.bytes.len(), kind: JsonErrorKind::Unterminated }),
                    }
                }
                let low = self.hexadecimal(at + 8)?;
                if high >= 0xDC00 || !(0xDC00..0xE000).contains(&low) {
                    return Err(bad);
                }
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                self.tape.scratch.push(char::from_u32(code).ok_or(bad)?);
                return Ok(at + 12);
            }
            _ => return Err(bad),
        };
        self.tape.scratch.push(plain);
        Ok(at + 2)
    }

    fn hexadecimal(&self, at: usize) -> Result<u32, JsonError> {
        let mut code = 0;
        for place in at..at + 4 {
            let Some(&byte) = self.bytes.get(place) else {
                return Err(JsonError { offset: self.bytes.len(), kind: JsonErrorKind::Unterminated });
            };
            let digit = (byte as char).to_digit(16).ok_or(JsonError { offset: place, kind: JsonErrorKind::BadEscape })?;
            code = code << 4 | digit;
        }
        Ok(code)
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    #[inline]
    fn number(&mut self) -> Result<(), JsonError> {
        let (start, bytes) = (self.at, self.bytes);
        let mut at = start + usize::from(bytes[start] == b'-');
        let whole = at;
        at = digits(bytes, at);
        if at == whole {
            return Err(self.number_error(at));
        }
        if bytes[whole] == b'0' && at > whole + 1 {
            return Err(JsonError { offset: whole + 1, kind: JsonErrorKind::BadNumber });
        }
        if bytes.get(at) == Some(&b'.') {
            let fraction = at + 1;
            at = digits(bytes, fraction);
            if at == fraction {
                return Err(self.number_error(at));
            }
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1;
            if let Some(b'+' | b'-') = bytes.get(at) {
                at += 1;
            }
            let exponent = at;
            at = digits(bytes, exponent);
            if at == exponent {
                return Err(self.number_error(at));
            }
        }
        self.at = at;
        self.push(Node { start: start as u32, end: at as u32, next: 0, tag: NUMBER << KIND_SHIFT })
    }

    fn number_error(&self, offset: usize) -> JsonError {
        let kind = if offset < self.bytes.len() { JsonErrorKind::BadNumber } else { JsonErrorKind::Unterminated };
        JsonError { offset, kind }
    }

    fn word(&mut self, word: &[u8], kind: u32) -> Result<(), JsonError> {
        let start = self.at;
        for expected in word {
            if self.byte()? != *expected {
                return Err(self.error(JsonErrorKind::UnexpectedByte));
            }
            self.at += 1;
        }
        self.push(Node { start: start as u32, end: self.at as u32, next: 0, tag: kind << KIND_SHIFT })
    }
}

fn digits(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of every byte that is a quote, a backslash or a control character. Bits above the lowest may be wrong (borrows); it is right.
#[inline]
fn stops_in(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGH
}

/// A hash of a name for 64 classes: names of one object mostly differ in length, first or last bytes.
#[inline]
fn name_hash(name: &[u8]) -> u64 {
    let length = name.len();
    let first = match name.first_chunk::<4>() {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => name.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)),
    };
    let last = match name.last_chunk::<4>() {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => 0,
    };
    (u64::from(first) << 32 | u64::from(last)).wrapping_add(length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
