//! Cutting a stream of bytes into units: lines, or the values of a document.
//!
//! A state machine without I/O. It holds the bytes of one unit at most; what is larger than the limit is
//! hashed and passed over. Only brackets, quotes and, on the outermost level, the names `resourceType` and
//! `entry` are looked at here: whether a unit is JSON is for the parser to say.

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memchr2};
use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;

/// Bytes of the beginning that decide how a file is read. The engine shows a format as many.
const BEGINNING: usize = 256;
/// UTF-8's byte order mark.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Bytes of an oversized unit that its reject keeps.
const KEPT_OF_OVERSIZED: usize = 64 << 10;
/// A buffer larger than this is given back when it is no longer needed.
const LARGE_BUFFER: usize = 16 << 20;

/// A stretch of input. Ranges are positions in [`Splitter::bytes`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A line with its end.
    Line(Range<usize>),
    /// A value on the outermost level of a document, or an element of an array there.
    Value(Range<usize>),
    /// An element of a Bundle's `entry`.
    Entry(Range<usize>),
    /// Bytes that begin no value, where one has to begin.
    Junk(Range<usize>),
    /// So many bytes that carry no record.
    Envelope(usize),
    /// A unit over the limit.
    Oversized { offset: u64, length: u64, sha256: Sha256Hash, beginning: Bytes },
}

/// Whether a file that begins so holds one JSON value a line. The first bytes decide, as many as there are up to 256.
pub(crate) fn is_lines(beginning: &[u8]) -> bool {
    let beginning = &beginning[..beginning.len().min(BEGINNING)];
    let text = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning).trim_ascii_start();
    match text.first() {
        Some(b'{') => {}
        Some(b'[') => return false,
        // What is no JSON is reported line by line.
        _ => return true,
    }
    let (mut depth, mut at, mut word, mut is_type) = (0u32, 0, 0..0, false);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'\n' if depth > 0 => return starts_a_resource(&text[at + 1..]) && at > 2,
            b'"' => {
                let start = at + 1;
                at = start;
                loop {
                    match text.get(at) {
                        Some(b'\\') => at += 2,
                        // A string does not hold line ends: the line is broken, the file is one of lines.
                        None | Some(b'\n') => return true,
                        Some(b'"') => break,
                        Some(_) => at += 1,
                    }
                }
                if depth == 1 {
                    if is_type && &text[start..at] == b"Bundle" {
                        return false;
                    }
                    word = start..at;
                }
            }
            b':' if depth == 1 => {
                is_type = &text[word.clone()] == b"resourceType";
                if &text[word.clone()] == b"entry" {
                    return false;
                }
            }
            b',' if depth == 1 => is_type = false,
            _ => {}
        }
        if depth == 0 {
            return true;
        }
        at += 1;
    }
    true
}

fn starts_a_resource(line: &[u8]) -> bool {
    line.starts_with(b"{\"resourceType\"")
}

/// A unit that is passed over.
#[derive(Debug)]
struct Skipping {
    offset: u64,
    length: u64,
    hasher: Sha256,
    beginning: Vec<u8>,
}

impl Skipping {
    fn at(offset: u64) -> Self {
        Self { offset, length: 0, hasher: Sha256::new(), beginning: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        let room = KEPT_OF_OVERSIZED.saturating_sub(self.beginning.len()).min(bytes.len());
        self.beginning.extend_from_slice(&bytes[..room]);
    }

    fn unit(self) -> Unit {
        Unit::Oversized {
            offset: self.offset,
            length: self.length,
            sha256: Sha256Hash(self.hasher.finalize().into()),
            beginning: self.beginning.into(),
        }
    }
}

/// How the source is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Unknown,
    Lines,
    Document,
}

/// What surrounds the place between two values of a document; nothing: the outermost level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Array,
    Entries,
}

/// What a value that has begun will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    Value,
    Entry,
    /// The members of a Bundle after its `entry`: envelope.
    Rest,
    Junk,
}

/// The name of the member the walk is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Other,
    Type,
    Entry,
}

/// A value that has begun.
#[derive(Debug)]
struct Open {
    what: Opened,
    start: usize,
    depth: u64,
    in_string: bool,
    /// The beginning of the current string of the outermost object.
    word: Vec<u8>,
    member: Member,
    bundle: bool,
}

impl Open {
    fn new(what: Opened, start: usize) -> Self {
        Self { what, start, depth: 0, in_string: false, word: Vec::new(), member: Member::Other, bundle: false }
    }

    fn rest(start: usize) -> Self {
        Self { depth: 1, bundle: true, ..Self::new(Opened::Rest, start) }
    }

    /// Whether the members of the object matter here.
    fn watches(&self) -> bool {
        self.depth == 1 && matches!(self.what, Opened::Value | Opened::Rest)
    }
}

/// Longer than any word that matters.
const WORD: usize = 16;

/// The state machine. Push bytes, then take units until there is none.
#[derive(Debug)]
pub(crate) struct Splitter {
    bytes: Vec<u8>,
    /// Source offset of `bytes[0]`.
    base: u64,
    /// The next byte to look at.
    at: usize,
    /// Where the current line begins, or what is not accounted for; `None` until the first line of a range inside the source.
    from: Option<usize>,
    layout: Layout,
    range_end: Option<u64>,
    limit: usize,
    skipping: Option<Skipping>,
    places: Vec<Place>,
    open: Option<Open>,
    /// A unit whose envelope before it was given out first.
    next: Option<Unit>,
    done: bool,
}

impl Splitter {
    /// A splitter for the units that begin in `start..end`. When `start > 0` the first pushed byte is the one at `start - 1`.
    pub(crate) fn new(start: u64, end: Option<u64>, limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            base: start.saturating_sub(1),
            at: 0,
            from: (start == 0).then_some(0),
            layout: if start == 0 { Layout::Unknown } else { Layout::Lines },
            range_end: end,
            limit,
            skipping: None,
            places: Vec::new(),
            open: None,
            next: None,
            done: false,
        }
    }

    /// The bytes that the ranges of the latest unit point into.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The source offset of a position.
    pub(crate) fn offset_of(&self, position: usize) -> u64 {
        self.base + position as u64
    }

    /// Whether no unit of the range can follow.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the input ended inside an array or a Bundle.
    pub(crate) fn ended_inside(&self) -> bool {
        !self.places.is_empty() || self.open.as_ref().is_some_and(|open| open.what == Opened::Rest)
    }

    /// Takes bytes. Ranges of earlier units are void.
    pub(crate) fn push(&mut self, block: &[u8]) {
        self.drop_consumed();
        self.bytes.extend_from_slice(block);
    }

    /// The next unit; `None` when more bytes are needed (or, at the end, when there is none).
    pub(crate) fn next_unit(&mut self, at_end: bool) -> Option<Unit> {
        if let Some(unit) = self.next.take() {
            return Some(unit);
        }
        if self.layout == Layout::Unknown {
            if self.bytes.len() < BEGINNING && !at_end {
                return None;
            }
            self.layout = if is_lines(&self.bytes) { Layout::Lines } else { Layout::Document };
            // A byte order mark is passed over; of a file of lines it belongs to the first one.
            if self.bytes.starts_with(BYTE_ORDER_MARK) {
                self.at = BYTE_ORDER_MARK.len();
            }
        }
        if self.done {
            return None;
        }
        if self.layout == Layout::Lines { self.next_line(at_end) } else { self.next_value(at_end) }
    }

    fn next_line(&mut self, at_end: bool) -> Option<Unit> {
        loop {
            if let (Some(start), Some(end)) = (self.from, self.range_end)
                && self.skipping.is_none()
                && self.offset_of(start) >= end
            {
                self.done = true;
                return None;
            }
            let len = self.bytes.len();
            if let Some(found) = memchr(b'\n', &self.bytes[self.at..]) {
                let end = self.at + found + 1;
                self.at = end;
                if let Some(start) = self.from.replace(end) {
                    return Some(self.complete(Unit::Line(start..end), start, end));
                }
                continue;
            }
            self.at = len;
            let Some(start) = self.from else {
                // A line that begins before the range may go on behind it.
                self.done = self.range_end.is_some_and(|end| self.offset_of(len) > end);
                return None;
            };
            if at_end {
                self.from = Some(len);
                return (start < len || self.skipping.is_some()).then(|| self.complete(Unit::Line(start..len), start, len));
            }
            if self.skip_if_large(start, len) {
                self.from = Some(len);
            }
            return None;
        }
    }

    /// Begins or goes on passing over a unit that is over the limit.
    fn skip_if_large(&mut self, start: usize, end: usize) -> bool {
        if self.skipping.is_none() && end - start <= self.limit {
            return false;
        }
        let offset = self.offset_of(start);
        self.skipping.get_or_insert_with(|| Skipping::at(offset)).take(&self.bytes[start..end]);
        true
    }

    /// The unit, or that it was too large.
    fn complete(&mut self, unit: Unit, start: usize, end: usize) -> Unit {
        if !self.skip_if_large(start, end) {
            return unit;
        }
        self.skipping.take().map_or(unit, Skipping::unit)
    }

    /// What stands before the next unit, then the unit.
    fn after_envelope(&mut self, unit: Unit, start: usize, end: usize) -> Unit {
        let before = start.saturating_sub(self.from.unwrap_or(start));
        self.from = Some(end);
        if before == 0 {
            return unit;
        }
        self.next = Some(unit);
        Unit::Envelope(before)
    }

    fn next_value(&mut self, at_end: bool) -> Option<Unit> {
        loop {
            if self.open.is_some() {
                match self.walk() {
                    Walked::Ended(unit) => return Some(unit),
                    Walked::Outside => continue,
                    Walked::NeedsMore => {}
                }
            } else if self.between() {
                continue;
            }
            return self.pause(at_end);
        }
    }

    /// Between two values: finds where the next one begins. False when more bytes are needed.
    fn between(&mut self) -> bool {
        let place = self.places.last().copied();
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => {}
                b',' if place.is_some() => {}
                b'[' if place.is_none() => {
                    self.places.push(Place::Array);
                    self.at += 1;
                    return true;
                }
                b']' if place.is_some() => {
                    self.places.pop();
                    self.at += 1;
                    if place == Some(Place::Entries) {
                        self.open = Some(Open::rest(self.at));
                    }
                    return true;
                }
                b'{' | b'[' => {
                    let what = if place == Some(Place::Entries) { Opened::Entry } else { Opened::Value };
                    self.open = Some(Open::new(what, self.at));
                    return true;
                }
                _ => {
                    self.open = Some(Open::new(Opened::Junk, self.at));
                    return true;
                }
            }
            self.at += 1;
        }
        false
    }

    /// Goes on through the value that is open.
    fn walk(&mut self) -> Walked {
        let Some(mut open) = self.open.take() else { return Walked::Outside };
        if open.what == Opened::Junk {
            return self.walk_junk(open);
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            if open.in_string {
                let rest = &self.bytes[self.at..];
                let run = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                if open.watches() {
                    let room = WORD.saturating_sub(open.word.len());
                    open.word.extend_from_slice(&rest[..run.min(room)]);
                }
                let stop = rest.get(run).copied();
                if stop == Some(b'\\') {
                    self.at += run;
                    if rest.len() < run + 2 {
                        break;
                    }
                    // A word with escapes is none of those that matter.
                    open.word.extend_from_slice(b"\\");
                    open.word.truncate(WORD);
                    self.at += 2;
                    continue;
                }
                self.at += run + usize::from(stop.is_some());
                if stop.is_some() {
                    open.in_string = false;
                    if open.watches() && open.member == Member::Type {
                        open.bundle = open.word == b"Bundle";
                    }
                }
                continue;
            }
            self.at += 1;
            match byte {
                b'"' => {
                    open.in_string = true;
                    open.word.clear();
                }
                b'[' if open.watches() && open.bundle && open.member == Member::Entry && self.may_enter(&open) => {
                    self.places.push(Place::Entries);
                    return Walked::Outside;
                }
                b'{' | b'[' => open.depth += 1,
                b'}' | b']' => {
                    open.depth = open.depth.saturating_sub(1);
                    if open.depth == 0 {
                        return self.end_value(&open);
                    }
                }
                b':' if open.watches() => {
                    open.member = match open.word.as_slice() {
                        b"resourceType" => Member::Type,
                        b"entry" => Member::Entry,
                        _ => Member::Other,
                    };
                }
                b',' if open.watches() => open.member = Member::Other,
                _ => {}
            }
        }
        self.open = Some(open);
        Walked::NeedsMore
    }

    /// A Bundle's entries are read one by one unless what stands before them is itself over the limit.
    fn may_enter(&self, open: &Open) -> bool {
        open.what == Opened::Rest || (self.skipping.is_none() && self.at - open.start <= self.limit)
    }

    fn end_value(&mut self, open: &Open) -> Walked {
        let (start, end) = (open.start, self.at);
        let unit = match open.what {
            Opened::Rest => return Walked::Outside,
            Opened::Entry => Unit::Entry(start..end),
            _ => Unit::Value(start..end),
        };
        let unit = self.complete(unit, start, end);
        Walked::Ended(self.after_envelope(unit, start, end))
    }

    /// Junk goes on to the end of the line or to where a value may begin.
    fn walk_junk(&mut self, open: Open) -> Walked {
        let inside = !self.places.is_empty();
        let ends = |byte: u8| matches!(byte, b'\n' | b'{' | b'[') || (inside && matches!(byte, b',' | b']'));
        let skip = usize::from(self.at == open.start);
        match self.bytes[self.at + skip..].iter().position(|&byte| ends(byte)) {
            Some(found) => {
                self.at += skip + found;
                let (start, end) = (open.start, self.at);
                let unit = self.complete(Unit::Junk(start..end), start, end);
                Walked::Ended(self.after_envelope(unit, start, end))
            }
            None => {
                self.at = self.bytes.len();
                self.open = Some(open);
                Walked::NeedsMore
            }
        }
    }

    /// No more bytes for now: what is known to be envelope is given out, and at the end what was not closed.
    fn pause(&mut self, at_end: bool) -> Option<Unit> {
        let len = self.bytes.len();
        match &self.open {
            Some(open) if open.what != Opened::Rest => {
                let (what, start) = (open.what, open.start);
                if at_end {
                    self.open = None;
                    self.at = len;
                    let unit = match what {
                        Opened::Junk => Unit::Junk(start..len),
                        Opened::Entry => Unit::Entry(start..len),
                        _ => Unit::Value(start..len),
                    };
                    let unit = self.complete(unit, start, len);
                    return Some(self.after_envelope(unit, start, len));
                }
                let at = self.at;
                let before = start.saturating_sub(self.from.unwrap_or(start));
                if self.skip_if_large(start, at) {
                    if let Some(open) = &mut self.open {
                        open.start = at;
                    }
                    self.from = Some(at);
                } else {
                    self.from = Some(start);
                }
                (before > 0).then_some(Unit::Envelope(before))
            }
            _ => {
                let at = if at_end { len } else { self.at };
                let before = at.saturating_sub(self.from.unwrap_or(at));
                (self.from, self.at) = (Some(at), at);
                (before > 0).then_some(Unit::Envelope(before))
            }
        }
    }

    fn drop_consumed(&mut self) {
        let consumed = self.from.unwrap_or(self.at).min(self.at);
        if consumed == 0 {
            return;
        }
        self.bytes.drain(..consumed);
        if self.bytes.capacity() > LARGE_BUFFER && self.bytes.len() < LARGE_BUFFER / 4 {
            self.bytes.shrink_to(LARGE_BUFFER / 2);
        }
        self.base += consumed as u64;
        self.at -= consumed;
        self.from = self.from.map(|from| from - consumed);
        if let Some(open) = &mut self.open {
            open.start = open.start.saturating_sub(consumed);
        }
    }
}

/// How far a walk came.
enum Walked {
    /// A unit is complete.
    Ended(Unit),
    /// Between two values again.
    Outside,
    NeedsMore,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Bundle of many megabytes, and what stands around its entries, pass through a small buffer.
    #[test]
    fn a_large_document_is_held_entry_by_entry() {
        let entry = format!("{{\"resource\":{{\"resourceType\":\"Binary\",\"data\":\"{}\"}}}},\n", "A".repeat(5000));
        let signature = format!("],\"signature\":{{\"data\":\"{}\"}}}}", "B".repeat(100_000));
        let mut splitter = Splitter::new(0, None, 1 << 20);
        let (mut bytes, mut taken, mut entries, mut highest) = (0, 0, 0, 0);
        let start = "{\"resourceType\":\"Bundle\",\n\"entry\":[".to_owned();
        let parts = std::iter::once(start).chain(std::iter::repeat_n(entry, 2000)).chain(std::iter::repeat_n(signature, 1));
        for part in parts {
            for block in part.as_bytes().chunks(4096) {
                bytes += block.len();
                splitter.push(block);
                highest = highest.max(splitter.bytes.capacity());
                while let Some(unit) = splitter.next_unit(false) {
                    taken += match unit {
                        Unit::Envelope(length) => length,
                        Unit::Entry(range) => {
                            entries += 1;
                            range.len()
                        }
                        other => panic!("{other:?}"),
                    };
                }
            }
        }
        assert_eq!((entries, taken), (2000, bytes));
        assert!(highest < 64 << 10, "{highest} bytes were held");
        assert!(!splitter.ended_inside());
    }
}
