//! Bits of entropy-coded data, and Huffman codes in them (T.81 annex F.2.2).

use std::ops::Range;

use crate::{codec::marker, pixels::PixelError};

/// Codes up to this length are found by one look.
const FAST: u32 = 9;

/// Bits of one scan. Never goes past a marker: behind the last byte come zeros, and taking one is damage.
pub(super) struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
    /// The next bits, the very next on top.
    hold: u64,
    count: u32,
    /// Bits in `hold` that are not of the data.
    made_up: u32,
    /// Bytes before restart markers that nothing was read from.
    unused: Vec<Range<usize>>,
}

/// Where a scan ends, and what of its bytes nothing was read from.
pub(super) struct End {
    /// Behind the last byte that a bit was taken of.
    pub at: usize,
    /// Bytes before that, in order, that are no part of the image.
    pub unused: Vec<Range<usize>>,
}

impl<'b> Bits<'b> {
    pub(super) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self { bytes, at, hold: 0, count: 0, made_up: 0, unused: Vec::new() }
    }

    /// At least 32 bits are held afterwards.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(four) = self.bytes.get(self.at..self.at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok()) {
            let word = u32::from_be_bytes(four);
            let has_ff = (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 != 0;
            if !has_ff {
                self.hold |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.at += 4;
                return;
            }
        }
        self.fill_slowly();
    }

    #[cold]
    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.at += 2;
                    0xFF
                }
                (Some(0xFF) | None, _) => {
                    self.made_up += 8;
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.hold |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Whether bits were taken that are not there.
    #[inline]
    pub(super) fn is_overrun(&self) -> bool {
        self.made_up > self.count
    }

    #[inline(always)]
    fn drop(&mut self, count: u32) {
        self.hold <<= count;
        self.count = self.count.saturating_sub(count);
    }

    /// So many bits (at most 16 and held) as a number.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> i32 {
        // Two shifts: none by 64.
        let value = (self.hold >> 1 >> (63 - count)) as i32;
        self.drop(count);
        value
    }

    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.fill();
        self.take(1) == 1
    }

    /// A number of so many bits (at most 16 and held) with its sign: T.81 F.2.2.1, receive and extend.
    #[inline(always)]
    pub(super) fn signed(&mut self, count: u32) -> i32 {
        if count == 0 {
            return 0;
        }
        let value = self.take(count);
        let is_negative = value < 1 << (count - 1);
        value - if is_negative { (1 << count) - 1 } else { 0 }
    }

    /// The symbol of the next code; 32 bits are held, of which it takes at most 16.
    #[inline(always)]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u32, PixelError> {
        let fast = table.fast[(self.hold >> (64 - FAST)) as usize % (1 << FAST)];
        if fast != 0 {
            self.drop(u32::from(fast >> 8));
            return Ok(u32::from(fast & 0xFF));
        }
        self.long_symbol(table)
    }

    /// A difference of the DC coefficient: its size as a symbol, and its bits (T.81 F.2.2.1).
    #[inline(always)]
    pub(super) fn difference(&mut self, table: &Huffman) -> Result<i32, PixelError> {
        self.fill();
        let size = self.symbol(table)?;
        if size > 16 {
            return Err(PixelError::Damaged);
        }
        self.fill();
        Ok(self.signed(size))
    }

    #[cold]
    fn long_symbol(&mut self, table: &Huffman) -> Result<u32, PixelError> {
        let next = (self.hold >> 48) as u32;
        for length in FAST as usize + 1..=16 {
            let code = next >> (16 - length);
            if code < table.ends[length] {
                self.drop(length as u32);
                let place = table.firsts[length] + code as usize;
                return table
                    .symbols
                    .get(place.wrapping_sub(table.starts[length] as usize))
                    .map(|symbol| u32::from(*symbol))
                    .ok_or(PixelError::Damaged);
            }
        }
        Err(PixelError::Damaged)
    }

    /// Goes behind the next restart marker.
    pub(super) fn restart(&mut self) -> Result<(), PixelError> {
        if self.is_overrun() {
            return Err(PixelError::Damaged);
        }
        let at = marker::find(self.bytes, self.at).ok_or(PixelError::Damaged)?;
        if !matches!(self.bytes.get(at + 1), Some(0xD0..=0xD7)) {
            return Err(PixelError::Damaged);
        }
        let used = self.used();
        let mut unused = std::mem::take(&mut self.unused);
        if used < at {
            unused.push(used..at);
        }
        *self = Self { unused, ..Self::new(self.bytes, at + 2) };
        Ok(())
    }

    /// Behind the last byte that a bit was taken of.
    fn used(&self) -> usize {
        let mut at = self.at;
        for _ in 0..self.count.saturating_sub(self.made_up) / 8 {
            let is_stuffed = at >= 2 && self.bytes.get(at - 2..at) == Some(&[0xFF, 0]);
            at = at.saturating_sub(if is_stuffed { 2 } else { 1 });
        }
        at
    }

    /// Where the scan's bytes end: at or before the next marker.
    pub(super) fn end(self) -> End {
        End { at: self.used(), unused: self.unused }
    }
}

/// A Huffman table.
pub(super) struct Huffman {
    /// Length and symbol of the code that these bits begin with; 0 where it is longer.
    fast: [u16; 1 << FAST],
    /// For each length, the code behind the last of it.
    ends: [u32; 17],
    /// For each length, the first code of it.
    starts: [u32; 17],
    /// For each length, the place of its first symbol.
    firsts: [usize; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// A table of a DHT segment: how many codes there are of each length, and their symbols.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, PixelError> {
        let mut table = Self { fast: [0; 1 << FAST], ends: [0; 17], starts: [0; 17], firsts: [0; 17], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0u32, 0);
        for (length, count) in (1..=16).zip(counts) {
            let count = usize::from(*count);
            table.starts[length] = code;
            table.firsts[length] = place;
            for symbol in symbols.get(place..place + count).ok_or(PixelError::Damaged)? {
                if code >> length != 0 {
                    return Err(PixelError::Damaged);
                }
                if length <= FAST as usize {
                    let shift = FAST as usize - length;
                    let first = (code as usize) << shift;
                    let entry = (length as u16) << 8 | u16::from(*symbol);
                    table.fast[first..first + (1 << shift)].fill(entry);
                }
                code += 1;
            }
            place += count;
            table.ends[length] = code;
            code <<= 1;
        }
        Ok(table)
    }
}
