//! Cutting a stream of bytes into units that tile it: messages, batch envelope segments, junk.
//!
//! A unit begins at a *boundary*: a line that begins with MSH, FHS, BHS, BTS or FTS and a separator,
//! an MLLP start block before one of them, or the literal `MSH|^~\&` anywhere (a feed that lost its
//! last line end). Whether a position is a boundary depends only on the bytes around it, so that two
//! workers that meet at any byte cut in the same places.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem;
use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;

use crate::lex;

/// MLLP start block.
pub(crate) const START_BLOCK: u8 = 0x0B;
/// MLLP end block.
pub(crate) const END_BLOCK: u8 = 0x1C;

/// How many bytes after a line end must be there to decide whether a boundary follows.
const LOOK_AHEAD: usize = 5;
/// Kept unhashed while skipping, so that a boundary across two blocks is seen.
const SKIP_TAIL: usize = 16;
/// How much of an oversized record its reject keeps.
const KEPT_OF_OVERSIZED: usize = 64 * 1024;

/// A buffer of this many bytes has held a record of unusual size.
const LARGE_BUFFER: usize = 32 << 20;

/// A stretch of the buffer from one boundary to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Start in [`Splitter::bytes`].
    pub start: usize,
    /// End in [`Splitter::bytes`].
    pub end: usize,
    /// First index in [`Splitter::line_ends`] that is not before `start`.
    pub first_line: usize,
    /// One past the last index in [`Splitter::line_ends`] before `end`.
    pub last_line: usize,
    /// Whether a new MLLP frame or the end of the source follows.
    pub closes_frame: bool,
}

/// What the splitter found.
#[derive(Debug)]
pub(crate) enum Unit {
    /// A unit that is wholly in the buffer.
    Span(Span),
    /// A unit larger than the limit, already hashed and dropped.
    Oversized { offset: u64, length: u64, sha256: Sha256Hash, beginning: Bytes },
}

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
}

/// The state machine. Push bytes, then take units until there is none.
#[derive(Debug)]
pub(crate) struct Splitter {
    bytes: Vec<u8>,
    /// Source offset of `bytes[0]`.
    base: u64,
    line_ends: Vec<u32>,
    /// Index in `line_ends` of the next candidate.
    next_line: usize,
    /// Positions of the standard header that do not follow a line end.
    headers: Vec<u32>,
    next_header: usize,
    scanned: usize,
    /// Where the current unit begins; `None` until the first boundary of a range that starts inside the source.
    unit_start: Option<usize>,
    unit_first_line: usize,
    range_start: u64,
    range_end: Option<u64>,
    limit: usize,
    skipping: Option<Skipping>,
    done: bool,
}

/// The beginning of a message with the standard delimiters.
static HEADER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"MSH|^~\\&"));

impl Splitter {
    /// A splitter for the units that begin in `start..end`. When `start > 0` the first pushed byte
    /// is the one before `start`.
    pub(crate) fn new(start: u64, end: Option<u64>, limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            base: start.saturating_sub(1),
            line_ends: Vec::new(),
            next_line: 0,
            headers: Vec::new(),
            next_header: 0,
            scanned: 0,
            unit_start: (start == 0).then_some(0),
            unit_first_line: 0,
            range_start: start,
            range_end: end,
            limit,
            skipping: None,
            done: false,
        }
    }

    /// The buffered bytes that spans point into.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Positions in [`Splitter::bytes`] of every CR, LF and VT.
    pub(crate) fn line_ends(&self) -> &[u32] {
        &self.line_ends
    }

    /// The source offset of a position in the buffer.
    pub(crate) fn offset_of(&self, position: usize) -> u64 {
        self.base + position as u64
    }

    /// Whether every unit of the range is out.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Takes the next block. Units taken before are gone from the buffer after this call.
    pub(crate) fn push(&mut self, block: &[u8]) {
        self.drop_consumed();
        self.bytes.extend_from_slice(block);
        self.scan();
    }

    /// The same for a block that nobody else holds: where nothing waits in front of it, it becomes the buffer and is not copied.
    pub(crate) fn push_owned(&mut self, block: Bytes) {
        if self.bytes.is_empty() && block.is_unique() {
            self.bytes = Vec::from(block);
            self.scan();
        } else {
            self.push(&block);
        }
    }

    /// Finds line ends and headers in what was added.
    fn scan(&mut self) {
        lex::line_ends(&self.bytes[self.scanned..], self.scanned as u32, &mut self.line_ends);
        let from = self.scanned.saturating_sub(7);
        let known = self.headers.last().copied();
        for at in HEADER.find_iter(&self.bytes[from..]) {
            let at = (from + at) as u32;
            if known.is_none_or(|known| at > known) {
                self.headers.push(at);
            }
        }
        self.scanned = self.bytes.len();
    }

    /// The next unit; with `at_end` the rest of the input is the last one.
    pub(crate) fn next_unit(&mut self, at_end: bool) -> Option<Unit> {
        while !self.done {
            let Some((boundary, framed)) = self.next_boundary(at_end) else {
                return if at_end { self.last_unit() } else { self.skip_if_oversized() };
            };
            let beyond = self.range_end.is_some_and(|end| self.offset_of(boundary) >= end);
            self.done = beyond;
            let Some(start) = self.unit_start else {
                if self.offset_of(boundary) >= self.range_start && !beyond {
                    self.begin_unit(boundary);
                }
                continue;
            };
            if boundary == start && self.skipping.is_none() {
                // A boundary at the very beginning of the source: the unit goes on.
                self.done = false;
                continue;
            }
            let unit = self.close_unit(start, boundary, framed);
            self.begin_unit(boundary);
            return Some(unit);
        }
        None
    }

    fn begin_unit(&mut self, at: usize) {
        self.unit_start = Some(at);
        self.unit_first_line = self.line_ends.partition_point(|&position| (position as usize) < at);
    }

    fn close_unit(&mut self, start: usize, end: usize, closes_frame: bool) -> Unit {
        // Also a unit that ends in the block that took it over the limit: the cut of the blocks must not decide.
        let skipping = self.skipping.take().or_else(|| (end - start > self.limit).then(|| Skipping::at(self.offset_of(start))));
        if let Some(mut skipping) = skipping {
            skipping.take(&self.bytes[start..end]);
            return Unit::Oversized {
                offset: skipping.offset,
                length: skipping.length,
                sha256: Sha256Hash(skipping.hasher.finalize().into()),
                beginning: skipping.beginning.into(),
            };
        }
        let last_line =
            self.unit_first_line + self.line_ends[self.unit_first_line..].partition_point(|&position| (position as usize) < end);
        Unit::Span(Span { start, end, first_line: self.unit_first_line, last_line, closes_frame })
    }

    fn last_unit(&mut self) -> Option<Unit> {
        self.done = true;
        let start = self.unit_start?;
        if start == self.bytes.len() && self.skipping.is_none() {
            return None;
        }
        let unit = self.close_unit(start, self.bytes.len(), true);
        self.unit_start = Some(self.bytes.len());
        Some(unit)
    }

    /// Hashes and drops an unfinished unit that has grown over the limit.
    fn skip_if_oversized(&mut self) -> Option<Unit> {
        let keep_from = self.bytes.len().saturating_sub(SKIP_TAIL);
        match self.unit_start {
            // Before the first boundary of the range the bytes belong to somebody else.
            None => {
                let beyond = self.range_end.is_some_and(|end| self.offset_of(keep_from) >= end);
                self.done = beyond;
            }
            Some(start) if self.skipping.is_some() || self.bytes.len() - start > self.limit => {
                if keep_from > start {
                    let offset = self.offset_of(start);
                    let skipping = self.skipping.get_or_insert_with(|| Skipping::at(offset));
                    skipping.take(&self.bytes[start..keep_from]);
                    self.unit_start = Some(keep_from);
                }
            }
            Some(_) => {}
        }
        None
    }

    /// The next boundary and whether it opens an MLLP frame.
    fn next_boundary(&mut self, at_end: bool) -> Option<(usize, bool)> {
        loop {
            let line = self.line_ends.get(self.next_line).map(|&at| at as usize);
            let header = self.headers.get(self.next_header).map(|&at| at as usize);
            if let Some(at) = header.filter(|&at| line.is_none_or(|line| at <= line)) {
                self.next_header += 1;
                let follows_line_end = at > 0 && matches!(self.bytes[at - 1], b'\r' | b'\n' | START_BLOCK);
                // At position 0 only the beginning of a source or the look-back byte can stand.
                if !follows_line_end && at > 0 {
                    return Some((at, false));
                }
                continue;
            }
            let at = line?;
            if !at_end && at + 1 + LOOK_AHEAD > self.bytes.len() {
                return None;
            }
            self.next_line += 1;
            let follows = &self.bytes[at + 1..];
            if is_envelope_or_header(follows) {
                return Some(if self.bytes[at] == START_BLOCK { (at, true) } else { (at + 1, false) });
            }
        }
    }

    fn drop_consumed(&mut self) {
        let consumed = match self.unit_start {
            Some(start) => start,
            None => self.bytes.len().saturating_sub(SKIP_TAIL),
        };
        if consumed == 0 {
            return;
        }
        self.bytes.drain(..consumed);
        // What one large record took is given back.
        if self.bytes.capacity() > LARGE_BUFFER && self.bytes.len() < LARGE_BUFFER / 4 {
            self.bytes.shrink_to(LARGE_BUFFER / 2);
            self.line_ends.shrink_to(LARGE_BUFFER / 64);
        }
        self.base += consumed as u64;
        self.scanned -= consumed;
        self.next_line = drop_positions(&mut self.line_ends, self.next_line, consumed);
        self.next_header = drop_positions(&mut self.headers, self.next_header, consumed);
        self.unit_start = self.unit_start.map(|start| start - consumed);
        self.unit_first_line = 0;
    }
}

/// Drops the positions before `consumed`, moves the others, and returns the moved index.
fn drop_positions(positions: &mut Vec<u32>, next: usize, consumed: usize) -> usize {
    let dropped = positions.partition_point(|&position| (position as usize) < consumed);
    positions.drain(..dropped);
    for position in positions.iter_mut() {
        *position -= consumed as u32;
    }
    next.saturating_sub(dropped)
}

/// Whether a line is the header of a message or a batch envelope segment.
fn is_envelope_or_header(line: &[u8]) -> bool {
    let Some(name) = line.get(..3) else { return false };
    let next = line.get(3).copied();
    match name {
        b"MSH" | b"FHS" | b"BHS" => next.is_some_and(is_punctuation),
        b"BTS" | b"FTS" => next.is_none_or(|byte| is_punctuation(byte) || matches!(byte, b'\r' | b'\n' | END_BLOCK)),
        _ => false,
    }
}

fn is_punctuation(byte: u8) -> bool {
    byte.is_ascii_punctuation() || (byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | START_BLOCK | END_BLOCK | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(input: &[u8], block: usize, limit: usize) -> Vec<(u64, u64)> {
        let mut splitter = Splitter::new(0, None, limit);
        let mut found = Vec::new();
        let mut take = |splitter: &mut Splitter, at_end| {
            while let Some(unit) = splitter.next_unit(at_end) {
                found.push(match unit {
                    Unit::Span(span) => (splitter.offset_of(span.start), (span.end - span.start) as u64),
                    Unit::Oversized { offset, length, .. } => (offset, length),
                });
            }
        };
        for part in input.chunks(block.max(1)) {
            splitter.push(part);
            take(&mut splitter, false);
        }
        take(&mut splitter, true);
        found
    }

    const FEED: &[u8] = b"\nFHS|^~\\&|x\rBHS|^~\\&|x\rMSH|^~\\&|A\rPID|1\r\x0BMSH|^~\\&|B\rPID|1||MSHX\r\x1C\rMSH$%*?@$C\rOBX|1MSH|^~\\&|D\rPID|1\rBTS|3\rFTS|1\r";

    #[test]
    fn units_tile_the_source_wherever_it_is_cut() {
        let whole = units(FEED, FEED.len(), 1 << 20);
        assert_eq!(whole.len(), 9, "{whole:?}");
        assert_eq!(whole.iter().map(|(_, length)| length).sum::<u64>(), FEED.len() as u64);
        for block in 1..FEED.len() {
            assert_eq!(units(FEED, block, 1 << 20), whole, "blocks of {block}");
        }
    }

    #[test]
    fn ranges_meet_at_every_byte() {
        let whole = units(FEED, FEED.len(), 1 << 20);
        for cut in 1..FEED.len() as u64 {
            let mut found = Vec::new();
            for (start, end) in [(0, Some(cut)), (cut, None)] {
                let mut splitter = Splitter::new(start, end, 1 << 20);
                splitter.push(&FEED[start.saturating_sub(1) as usize..]);
                while let Some(unit) = splitter.next_unit(true) {
                    if let Unit::Span(span) = unit {
                        found.push((splitter.offset_of(span.start), (span.end - span.start) as u64));
                    }
                }
            }
            assert_eq!(found, whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_oversized_unit_costs_itself_only() {
        let mut feed = b"MSH|^~\\&|A\rOBX|".to_vec();
        feed.extend(std::iter::repeat_n(b'x', 100_000));
        feed.extend_from_slice(b"\rMSH|^~\\&|B\rPID|1\r");
        let found = units(&feed, 1000, 4096);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], (0, 100_016));
        assert_eq!(found.iter().map(|(_, length)| length).sum::<u64>(), feed.len() as u64);
    }

    #[test]
    fn whether_a_unit_is_oversized_does_not_depend_on_the_blocks() {
        let feed = [b"MSH|^~\\&|A\rOBX|".as_slice(), &[b'x'; 5000], b"\rMSH|^~\\&|B\rPID|1\r"].concat();
        for block in [1, 7, 1000, 4096, feed.len()] {
            let mut splitter = Splitter::new(0, None, 4096);
            let mut oversized = Vec::new();
            for part in feed.chunks(block) {
                splitter.push(part);
                while let Some(unit) = splitter.next_unit(false) {
                    oversized.push(matches!(unit, Unit::Oversized { offset: 0, length: 5016, .. }));
                }
            }
            while let Some(unit) = splitter.next_unit(true) {
                oversized.push(matches!(unit, Unit::Oversized { .. }));
            }
            assert_eq!(oversized, [true, false], "blocks of {block}");
        }
    }
}
