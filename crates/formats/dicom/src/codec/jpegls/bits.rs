//! Bits of a scan: behind a byte of ones comes a byte of seven bits (T.87 annex A.1).

use crate::pixels::PixelError;

/// Bits that are read. Behind the last byte come zeros, and taking one is damage.
///
/// What is rare goes by value: a copy in a loop then stays in registers.
#[derive(Clone, Copy)]
pub(super) struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
    hold: u64,
    count: u32,
    made_up: u32,
    is_behind_ones: bool,
}

impl<'b> Bits<'b> {
    pub(super) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self { bytes, at, hold: 0, count: 0, made_up: 0, is_behind_ones: false }
    }

    /// At least 32 bits are held afterwards.
    #[inline(always)]
    fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(four) = self.bytes.get(self.at..self.at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok()) {
            let word = u32::from_be_bytes(four);
            let has_ones = (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 != 0;
            if !has_ones && !self.is_behind_ones {
                self.hold |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.at += 4;
                return;
            }
        }
        *self = self.filled_slowly();
    }

    #[cold]
    #[inline(never)]
    fn filled_slowly(mut self) -> Self {
        while self.count <= 56 {
            let next = self.bytes.get(self.at).copied();
            let is_marker = next == Some(0xFF) && self.bytes.get(self.at + 1).is_none_or(|byte| *byte >= 0x80);
            let ends = |byte: u8| is_marker || (self.is_behind_ones && byte >= 0x80);
            let Some(byte) = next.filter(|byte| !ends(*byte)) else {
                self.made_up += 8;
                self.count += 8;
                continue;
            };
            let bits = if self.is_behind_ones { 7 } else { 8 };
            self.hold |= u64::from(byte) << (64 - bits - self.count);
            self.count += bits;
            self.is_behind_ones = byte == 0xFF;
            self.at += 1;
        }
        self
    }

    #[inline]
    pub(super) fn is_overrun(&self) -> bool {
        self.made_up > self.count
    }

    #[inline(always)]
    fn drop(&mut self, count: u32) {
        self.hold <<= count;
        self.count = self.count.saturating_sub(count);
    }

    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.take(1) == 1
    }

    /// So many bits, at most 32.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> i32 {
        self.fill();
        // Two shifts: none by 64.
        let value = (self.hold >> 1 >> (63 - count)) as i32;
        self.drop(count);
        value
    }

    /// A number in the code of A.5.3: as many zeros as its upper part says, then its `k` lower bits; behind too many zeros the number less one, as it is.
    #[inline(always)]
    pub(super) fn number(&mut self, k: u32, limit: u32, error_bits: u32) -> Result<i32, PixelError> {
        self.fill();
        let zeros = self.hold.leading_zeros();
        if zeros + k < 32 && zeros < limit - error_bits - 1 {
            // The one in front of the lower bits is taken with them.
            let value = (self.hold >> (63 - zeros - k)) as i32 & ((1 << k) - 1);
            self.drop(zeros + 1 + k);
            return Ok((zeros as i32) << k | value);
        }
        let (rest, value) = self.long_number(k, limit, error_bits);
        *self = rest;
        value
    }

    #[cold]
    #[inline(never)]
    fn long_number(mut self, k: u32, limit: u32, error_bits: u32) -> (Self, Result<i32, PixelError>) {
        let mut zeros = 0;
        while !self.bit() {
            zeros += 1;
            if zeros > limit {
                return (self, Err(PixelError::Damaged));
            }
        }
        let value = if zeros < limit - error_bits - 1 { zeros.wrapping_shl(k) as i32 | self.take(k) } else { self.take(error_bits) + 1 };
        (self, Ok(value))
    }

    /// Goes behind the restart marker that has to be next.
    pub(super) fn restart(&mut self, unused: &mut Vec<std::ops::Range<usize>>) -> Result<(), PixelError> {
        let at = self.end()?;
        let used = self.used();
        if used < at {
            unused.push(used..at);
        }
        if !matches!(self.bytes.get(at + 1), Some(0xD0..=0xD7)) {
            return Err(PixelError::Damaged);
        }
        *self = Self::new(self.bytes, at + 2);
        Ok(())
    }

    /// Behind the last byte that a bit was taken of; behind a byte of ones, the one that has to follow it.
    pub(super) fn used(&self) -> usize {
        let (mut at, mut left) = (self.at, self.count.saturating_sub(self.made_up));
        while let Some(before) = at.checked_sub(1) {
            let is_behind_ones = before.checked_sub(1).and_then(|place| self.bytes.get(place)) == Some(&0xFF);
            let size = if is_behind_ones { 7 } else { 8 };
            if left < size {
                break;
            }
            left -= size;
            at = before;
        }
        let is_short = at > 0 && self.bytes.get(at - 1) == Some(&0xFF) && self.bytes.get(at).is_some_and(|byte| *byte < 0x80);
        at + usize::from(is_short)
    }

    /// Where the marker behind the scan is, or the end of the bytes.
    pub(super) fn end(&self) -> Result<usize, PixelError> {
        if self.is_overrun() {
            return Err(PixelError::Damaged);
        }
        // Bytes may be held that belong to nothing: the marker is behind them.
        let mut at = self.at.saturating_sub((self.count / 8) as usize + 2);
        while let Some(found) = memchr::memchr(0xFF, self.bytes.get(at..).unwrap_or_default()) {
            at += found;
            if self.bytes.get(at + 1).is_some_and(|byte| *byte >= 0x80 && *byte != 0xFF) {
                return Ok(at);
            }
            at += 1;
        }
        Ok(self.bytes.len())
    }
}

/// Bits that are written.
#[derive(Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    hold: u64,
    count: u32,
}

impl Writer {
    pub(super) fn new(out: Vec<u8>) -> Self {
        Self { out, hold: 0, count: 0 }
    }

    /// Puts the lowest bits of a number, at most 32.
    #[inline(always)]
    pub(super) fn put(&mut self, value: u32, count: u32) {
        if count == 0 {
            return;
        }
        self.hold |= u64::from(value) << (64 - count - self.count);
        self.count += count;
        while self.count >= 32 {
            self.flush_byte();
        }
    }

    #[inline]
    fn flush_byte(&mut self) {
        let bits = if self.out.last() == Some(&0xFF) { 7 } else { 8 };
        self.out.push((self.hold >> (64 - bits)) as u8);
        self.hold <<= bits;
        self.count = self.count.saturating_sub(bits);
    }

    /// The code of A.5.3 for a number.
    #[inline(always)]
    pub(super) fn number(&mut self, value: u32, k: u32, limit: u32, error_bits: u32) {
        let zeros = value >> k;
        if zeros < limit - error_bits - 1 {
            if zeros + 1 + k <= 32 {
                self.put(1 << k | value & ((1 << k) - 1), zeros + 1 + k);
                return;
            }
            self.zeros(zeros);
            self.put(1 << k | value & ((1 << k) - 1), k + 1);
            return;
        }
        self.zeros(limit - error_bits - 1);
        self.put(1, 1);
        self.put(value - 1, error_bits);
    }

    fn zeros(&mut self, mut count: u32) {
        while count > 0 {
            self.put(0, count.min(31));
            count -= count.min(31);
        }
    }

    /// The bytes; zeros fill the last. A byte of ones is never the last before a marker.
    pub(super) fn finish(mut self) -> Vec<u8> {
        while self.count > 0 {
            self.flush_byte();
        }
        if self.out.last() == Some(&0xFF) {
            self.out.push(0);
        }
        self.out
    }
}
