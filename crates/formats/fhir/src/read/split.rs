//! Cutting a stream of bytes into units: lines, or the values of a document.
//!
//! A document of XML is one unit: nothing is cut out of it.
//!
//! A state machine without I/O. It holds the bytes of one unit at most; what is larger than the limit is
//! hashed and passed over. Between the values of an array, and the entries of a Bundle, the commas are
//! checked; otherwise only brackets, quotes and, on the outermost level, the names `resourceType` and `entry` are
//! looked at here. Whether a unit is JSON is for the parser to say, and so is whether what stands around the
//! entries of a Bundle is ([`Unit::Head`], [`Unit::Tail`]).

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memchr2, memchr3};
use sutura_core::Sha256Hash;

use super::{
    layout::{BYTE_ORDER_MARK, Layout, layout_of},
    skip::Skipping,
};

/// A buffer larger than this is given back when it is no longer needed.
const LARGE_BUFFER: usize = 16 << 20;
/// Bytes behind the bracket of `entry` that may show that it is a Bundle's, where `resourceType` does not stand before it.
const PEEKED: usize = 4096;
/// The names that an entry of a Bundle can begin with and an entry of a List, the other resource with `entry`, cannot.
const NAMES_OF_ENTRIES: [&[u8]; 6] = [b"fullUrl", b"resource", b"search", b"request", b"response", b"link"];

/// A stretch of input. Ranges are positions in [`Splitter::bytes`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A line with its end.
    Line(Range<usize>),
    /// A document of XML.
    Xml(Range<usize>),
    /// A value on the outermost level of a document, or an element of an array there.
    Value(Range<usize>),
    /// An element of a Bundle's `entry`.
    Entry(Range<usize>),
    /// A Bundle from its brace to the bracket of `entry`. Where a fault is given it stands where it must not.
    Head(Range<usize>, Option<Fault>),
    /// A Bundle from behind the bracket that ends `entry` to its brace.
    Tail(Range<usize>),
    /// Bytes that cannot stand where they stand.
    Misplaced(Range<usize>, Fault),
    /// So many bytes that carry no record.
    Envelope(usize),
    /// A unit over the limit.
    Oversized { offset: u64, length: u64, sha256: Sha256Hash, beginning: Bytes },
}

/// Why bytes cannot stand where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    NoValue,
    CommaMissing,
    CommaMisplaced,
    ValueMissing,
}

impl Fault {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoValue => "no JSON value begins here",
            Self::CommaMissing => "a comma is missing before this value",
            Self::CommaMisplaced => "a comma stands where a value has to be",
            Self::ValueMissing => "a value has to stand between the comma and this bracket",
        }
    }
}

/// What surrounds the place between two values of a document; nothing: the outermost level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Array,
    Entries,
}

/// What may follow between two values of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    ValueOrEnd,
    Value,
    CommaOrEnd,
}

/// What a value that has begun will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    Value,
    Entry,
    /// The members of a Bundle after its `entry`.
    Tail,
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
    /// Whether `resourceType` is Bundle; none as long as it was not seen.
    bundle: Option<bool>,
    fault: Option<Fault>,
    /// Where the Bundle is to be held whole: bytes from its beginning to behind the bracket of `entry`, and what `bundle` was there.
    passed_entry: Option<(usize, Option<bool>)>,
}

impl Open {
    fn new(what: Opened, start: usize, fault: Option<Fault>) -> Self {
        Self { what, start, depth: 0, in_string: false, word: Vec::new(), member: Member::Other, bundle: None, fault, passed_entry: None }
    }

    fn tail(start: usize) -> Self {
        Self { depth: 1, ..Self::new(Opened::Tail, start, None) }
    }

    /// Whether the members of the object matter here.
    fn watches(&self) -> bool {
        self.depth == 1 && self.what == Opened::Value
    }

    /// What it is when it ends.
    fn unit(&self, end: usize) -> Unit {
        let range = self.start..end;
        match (self.fault, self.what) {
            (Some(fault), _) => Unit::Misplaced(range, fault),
            (None, Opened::Entry) => Unit::Entry(range),
            (None, Opened::Tail) => Unit::Tail(range),
            (None, Opened::Junk) => Unit::Misplaced(range, Fault::NoValue),
            (None, Opened::Value) => Unit::Value(range),
        }
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
    /// Not known before the beginning was seen.
    layout: Option<Layout>,
    range_end: Option<u64>,
    limit: usize,
    /// Up to how many bytes a Bundle is one value; none if its entries are units.
    whole_bundle: Option<usize>,
    skipping: Option<Skipping>,
    places: Vec<(Place, Next)>,
    open: Option<Open>,
    /// A unit whose envelope before it was given out first.
    next: Option<Unit>,
    done: bool,
    /// Whether the input ended in the tail of a Bundle.
    cut_in_tail: bool,
    /// Whether a comma is missing before the latest bytes that begin no object, array or string.
    comma_missing: bool,
}

impl Splitter {
    /// A splitter for the units that begin in `start..end`. When `start > 0` the first pushed byte is the one at `start - 1`.
    pub(crate) fn new(start: u64, end: Option<u64>, limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            base: start.saturating_sub(1),
            at: 0,
            from: (start == 0).then_some(0),
            layout: (start > 0).then_some(Layout::Lines),
            range_end: end,
            limit,
            whole_bundle: None,
            skipping: None,
            places: Vec::new(),
            open: None,
            next: None,
            done: false,
            cut_in_tail: false,
            comma_missing: false,
        }
    }

    /// A splitter for one document that begins with its first byte.
    pub(super) fn of_document(limit: usize) -> Self {
        Self { layout: Some(Layout::Document), ..Self::new(0, None, limit) }
    }

    /// Gives out Bundles as one value up to that size; larger ones, and those that do not end, by their entries still.
    pub(crate) fn with_whole_bundles(self, up_to: Option<usize>) -> Self {
        Self { whole_bundle: up_to.map(|most| most.min(self.limit)), ..self }
    }

    /// The bytes that the ranges of the latest unit point into.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The source offset of a position.
    pub(crate) fn offset_of(&self, position: usize) -> u64 {
        self.base + position as u64
    }

    /// Whether a comma is missing before the latest unit that begins no object, array or string.
    pub(super) fn comma_missing(&self) -> bool {
        self.comma_missing
    }

    /// Whether no unit of the range can follow.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the input ended inside an array or a Bundle.
    pub(crate) fn ended_inside(&self) -> bool {
        !self.places.is_empty() || self.cut_in_tail
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
        let layout = if let Some(layout) = self.layout {
            layout
        } else {
            let layout = layout_of(&self.bytes, at_end)?;
            self.layout = Some(layout);
            // A byte order mark is passed over; of a file of lines it belongs to the first one.
            if self.bytes.starts_with(BYTE_ORDER_MARK) {
                self.at = BYTE_ORDER_MARK.len();
            }
            layout
        };
        if self.done {
            return None;
        }
        match layout {
            Layout::Lines => self.next_line(at_end),
            Layout::Xml => self.whole(at_end),
            Layout::Document => self.next_value(at_end),
        }
    }

    /// The whole source as one unit.
    fn whole(&mut self, at_end: bool) -> Option<Unit> {
        let (start, len) = (self.from.unwrap_or(0), self.bytes.len());
        self.at = len;
        if at_end {
            self.from = Some(len);
            return (start < len || self.skipping.is_some()).then(|| self.complete(Unit::Xml(start..len), start, len));
        }
        if self.skip_if_large(start, len) {
            self.from = Some(len);
        }
        None
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
            let walked = if self.open.is_some() { self.walk() } else { self.between() };
            match walked {
                Walked::Ended(unit) => return Some(unit),
                Walked::On => {}
                Walked::NeedsMore => return self.pause(at_end),
            }
        }
    }

    /// Between two values: finds where the next one begins.
    fn between(&mut self) -> Walked {
        let place = self.places.last().copied();
        while let Some(&byte) = self.bytes.get(self.at) {
            let next = place.map(|(_, next)| next);
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b',' if next == Some(Next::CommaOrEnd) => {
                    self.at += 1;
                    self.expect(Next::Value);
                    return Walked::On;
                }
                b',' if place.is_some() => {
                    self.at += 1;
                    self.expect(Next::Value);
                    return self.one_byte(Fault::CommaMisplaced);
                }
                b'[' if place.is_none() => {
                    self.places.push((Place::Array, Next::ValueOrEnd));
                    self.at += 1;
                    return Walked::On;
                }
                b']' if place.is_some() => {
                    self.at += 1;
                    self.places.pop();
                    if matches!(place, Some((Place::Entries, _))) {
                        self.open = Some(Open::tail(self.at));
                    }
                    return if next == Some(Next::Value) { self.one_byte(Fault::ValueMissing) } else { Walked::On };
                }
                b'{' | b'[' | b'"' => {
                    let what = if matches!(place, Some((Place::Entries, _))) { Opened::Entry } else { Opened::Value };
                    let fault = (next == Some(Next::CommaOrEnd)).then_some(Fault::CommaMissing);
                    self.open = Some(Open::new(what, self.at, fault));
                    self.expect(Next::CommaOrEnd);
                    return Walked::On;
                }
                _ => {
                    self.comma_missing = next == Some(Next::CommaOrEnd);
                    self.open = Some(Open::new(Opened::Junk, self.at, None));
                    self.expect(Next::CommaOrEnd);
                    return Walked::On;
                }
            }
        }
        Walked::NeedsMore
    }

    fn expect(&mut self, next: Next) {
        if let Some(place) = self.places.last_mut() {
            place.1 = next;
        }
    }

    /// The byte before the current one is wrong.
    fn one_byte(&mut self, fault: Fault) -> Walked {
        let (start, end) = (self.at - 1, self.at);
        Walked::Ended(self.after_envelope(Unit::Misplaced(start..end, fault), start, end))
    }

    /// Goes on through the value that is open.
    fn walk(&mut self) -> Walked {
        let Some(mut open) = self.open.take() else { return Walked::On };
        if open.what == Opened::Junk {
            return self.walk_junk(open);
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            if open.in_string {
                match self.walk_string(&mut open) {
                    Some(Walked::NeedsMore) => break,
                    Some(walked) => return walked,
                    None => continue,
                }
            }
            self.at += 1;
            match byte {
                b'"' => {
                    open.in_string = true;
                    open.word.clear();
                }
                b'[' if open.watches() && open.member == Member::Entry && open.bundle != Some(false) && self.may_enter(&open) => {
                    if self.whole_bundle.is_some_and(|most| self.at - open.start <= most) {
                        open.passed_entry = Some((self.at - open.start, open.bundle));
                        open.depth += 1;
                        continue;
                    }
                    match open.bundle.or_else(|| self.peek_entry()) {
                        Some(true) => {
                            let (start, end) = (open.start, self.at);
                            self.places.push((Place::Entries, Next::ValueOrEnd));
                            return Walked::Ended(self.after_envelope(Unit::Head(start..end, open.fault), start, end));
                        }
                        Some(false) => open.depth += 1,
                        None => {
                            self.at -= 1;
                            break;
                        }
                    }
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

    /// Goes on through a string; nothing if it ended and the value did not.
    fn walk_string(&mut self, open: &mut Open) -> Option<Walked> {
        let rest = &self.bytes[self.at..];
        // A string that is no part of an object or array ends with its line at the latest: what follows is not lost to a stray quote.
        let is_bare = open.depth == 0;
        let found = if is_bare { memchr3(b'"', b'\\', b'\n', rest) } else { memchr2(b'"', b'\\', rest) };
        let run = found.unwrap_or(rest.len());
        if open.watches() {
            let room = WORD.saturating_sub(open.word.len());
            open.word.extend_from_slice(&rest[..run.min(room)]);
        }
        match rest.get(run) {
            None => {
                self.at += run;
                Some(Walked::NeedsMore)
            }
            Some(b'\\') => {
                self.at += run;
                match rest.get(run + 1) {
                    None => return Some(Walked::NeedsMore),
                    Some(b'\n') if is_bare => self.at += 1,
                    Some(_) => self.at += 2,
                }
                // A word with escapes is none of those that matter.
                open.word.extend_from_slice(b"\\");
                open.word.truncate(WORD);
                None
            }
            Some(b'\n') => {
                self.at += run;
                open.fault = open.fault.or(Some(Fault::NoValue));
                Some(self.end_value(open))
            }
            Some(_) => {
                self.at += run + 1;
                open.in_string = false;
                if is_bare {
                    return Some(self.end_value(open));
                }
                if open.watches() && open.member == Member::Type {
                    open.bundle = Some(open.word == b"Bundle");
                }
                None
            }
        }
    }

    /// A Bundle's entries are read one by one unless what stands before them is itself over the limit.
    fn may_enter(&self, open: &Open) -> bool {
        self.skipping.is_none() && self.at - open.start <= self.limit
    }

    /// Goes back to the entries of a Bundle that was to be held whole and cannot be; nothing if it is none.
    fn enter_late(&mut self, open: &Open) -> Option<Unit> {
        let (passed, bundle) = open.passed_entry.filter(|_| self.skipping.is_none())?;
        let at = std::mem::replace(&mut self.at, open.start + passed);
        // What stands behind the entries is not asked: it may not have come yet.
        if bundle.or_else(|| self.peek_entry()) != Some(true) {
            self.at = at;
            return None;
        }
        let (start, end) = (open.start, self.at);
        self.places.push((Place::Entries, Next::ValueOrEnd));
        Some(self.after_envelope(Unit::Head(start..end, open.fault), start, end))
    }

    fn is_over_whole(&self, open: &Open) -> bool {
        self.whole_bundle.is_some_and(|most| self.at - open.start > most)
    }

    /// Whether an entry of a Bundle stands here; nothing when more bytes are needed to tell.
    fn peek_entry(&self) -> Option<bool> {
        let rest = &self.bytes[self.at..];
        let seen = &rest[..rest.len().min(PEEKED)];
        let unknown = if rest.len() < PEEKED { None } else { Some(false) };
        let text = seen.trim_ascii_start();
        let Some(first) = text.first() else { return unknown };
        if *first != b'{' {
            return Some(false);
        }
        let text = text[1..].trim_ascii_start();
        let Some(first) = text.first() else { return unknown };
        let name = &text[1..];
        match memchr2(b'"', b'\\', name) {
            _ if *first != b'"' => Some(false),
            Some(end) => Some(NAMES_OF_ENTRIES.contains(&&name[..end])),
            None if name.len() > WORD => Some(false),
            None => unknown,
        }
    }

    fn end_value(&mut self, open: &Open) -> Walked {
        if self.is_over_whole(open)
            && let Some(head) = self.enter_late(open)
        {
            return Walked::Ended(head);
        }
        let (start, end) = (open.start, self.at);
        let unit = self.complete(open.unit(end), start, end);
        Walked::Ended(self.after_envelope(unit, start, end))
    }

    /// Junk goes on to the end of the line or to where a value may begin.
    fn walk_junk(&mut self, open: Open) -> Walked {
        let inside = !self.places.is_empty();
        let ends = |byte: u8| matches!(byte, b'\n' | b'{' | b'[' | b'"') || (inside && matches!(byte, b',' | b']'));
        let skip = usize::from(self.at == open.start);
        match self.bytes[self.at + skip..].iter().position(|&byte| ends(byte)) {
            Some(found) => {
                self.at += skip + found;
                self.end_value(&open)
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
        let open = self.open.take();
        if let Some(open) = &open
            && (at_end || self.is_over_whole(open))
            && let Some(head) = self.enter_late(open)
        {
            return Some(head);
        }
        match open {
            Some(open) if at_end => {
                self.at = len;
                self.cut_in_tail = open.what == Opened::Tail;
                let unit = self.complete(open.unit(len), open.start, len);
                Some(self.after_envelope(unit, open.start, len))
            }
            Some(mut open) => {
                let (start, at) = (open.start, self.at);
                let before = start.saturating_sub(self.from.unwrap_or(start));
                if self.skip_if_large(start, at) {
                    open.start = at;
                    self.from = Some(at);
                } else {
                    self.from = Some(start);
                }
                self.open = Some(open);
                (before > 0).then_some(Unit::Envelope(before))
            }
            None => {
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
    /// Something else follows.
    On,
    NeedsMore,
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
