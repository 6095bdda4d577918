//! The MQ coder (ISO/IEC 15444-1 annex C).

/// Probability, next state after the likely and the unlikely symbol, and whether the likely one changes then.
const STATES: [(u16, u8, u8, bool); 47] = [
    (0x5601, 1, 1, true),
    (0x3401, 2, 6, false),
    (0x1801, 3, 9, false),
    (0x0AC1, 4, 12, false),
    (0x0521, 5, 29, false),
    (0x0221, 38, 33, false),
    (0x5601, 7, 6, true),
    (0x5401, 8, 14, false),
    (0x4801, 9, 14, false),
    (0x3801, 10, 14, false),
    (0x3001, 11, 17, false),
    (0x2401, 12, 18, false),
    (0x1C01, 13, 20, false),
    (0x1601, 29, 21, false),
    (0x5601, 15, 14, true),
    (0x5401, 16, 14, false),
    (0x5101, 17, 15, false),
    (0x4801, 18, 16, false),
    (0x3801, 19, 17, false),
    (0x3401, 20, 18, false),
    (0x3001, 21, 19, false),
    (0x2801, 22, 19, false),
    (0x2401, 23, 20, false),
    (0x2201, 24, 21, false),
    (0x1C01, 25, 22, false),
    (0x1801, 26, 23, false),
    (0x1601, 27, 24, false),
    (0x1401, 28, 25, false),
    (0x1201, 29, 26, false),
    (0x1101, 30, 27, false),
    (0x0AC1, 31, 28, false),
    (0x09C1, 32, 29, false),
    (0x08A1, 33, 30, false),
    (0x0521, 34, 31, false),
    (0x0441, 35, 32, false),
    (0x02A1, 36, 33, false),
    (0x0221, 37, 34, false),
    (0x0141, 38, 35, false),
    (0x0111, 39, 36, false),
    (0x0085, 40, 37, false),
    (0x0049, 41, 38, false),
    (0x0025, 42, 39, false),
    (0x0015, 43, 40, false),
    (0x0009, 44, 41, false),
    (0x0005, 45, 42, false),
    (0x0001, 45, 43, false),
    (0x5601, 46, 46, false),
];

/// Contexts of a code-block: nine of significance, five of signs, three of refinement, runs, and even odds.
pub(super) const RUN: usize = 17;
pub(super) const EVEN: usize = 18;

/// Writes decisions.
pub(super) struct Encoder {
    /// Each context's state and likely symbol.
    contexts: [(u8, bool); 19],
    a: u32,
    c: u32,
    count: u32,
    /// The bytes so far, with one in front that is none of theirs.
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        let mut contexts = [(0, false); 19];
        contexts[0].0 = 4;
        contexts[RUN].0 = 3;
        contexts[EVEN].0 = 46;
        Self { contexts, a: 0x8000, c: 0, count: 12, out: vec![0] }
    }

    #[inline(always)]
    pub(super) fn put(&mut self, context: usize, bit: bool) {
        let (state, likely) = self.contexts[context % 19];
        let (probability, after_likely, after_unlikely, switches) = STATES[usize::from(state) % 47];
        let probability = u32::from(probability);
        self.a -= probability;
        if bit == likely {
            if self.a & 0x8000 != 0 {
                self.c += probability;
                return;
            }
            if self.a < probability {
                self.a = probability;
            } else {
                self.c += probability;
            }
            self.contexts[context % 19].0 = after_likely;
        } else {
            if self.a < probability {
                self.c += probability;
            } else {
                self.a = probability;
            }
            self.contexts[context % 19] = (after_unlikely, likely != switches);
        }
        self.renormalize();
    }

    #[inline]
    fn renormalize(&mut self) {
        loop {
            self.a <<= 1;
            self.c <<= 1;
            self.count -= 1;
            if self.count == 0 {
                self.byte_out();
            }
            if self.a & 0x8000 != 0 {
                return;
            }
        }
    }

    fn byte_out(&mut self) {
        let is_carry = self.c >= 0x800_0000;
        let last = self.out.last_mut();
        let is_behind_ones = match last {
            Some(0xFF) => true,
            Some(last) if is_carry => {
                *last += 1;
                self.c &= 0x7FF_FFFF;
                *last == 0xFF
            }
            _ => false,
        };
        if is_behind_ones {
            self.out.push((self.c >> 20) as u8);
            self.c &= 0xF_FFFF;
            self.count = 7;
        } else {
            self.out.push((self.c >> 19) as u8);
            self.c &= 0x7_FFFF;
            self.count = 8;
        }
    }

    /// The bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let most = self.c + self.a;
        self.c |= 0xFFFF;
        if self.c >= most {
            self.c -= 0x8000;
        }
        for _ in 0..2 {
            self.c <<= self.count;
            self.byte_out();
        }
        if self.out.last() == Some(&0xFF) {
            self.out.pop();
        }
        self.out.remove(0);
        self.out
    }
}

/// A state with its likely symbol, as the decoder wants it: what follows where nothing is shifted, after the likely symbol, and after the unlikely one.
#[derive(Clone, Copy)]
struct Step {
    probability: u16,
    next: [u8; 4],
}

/// Steps by state and likely symbol (the lowest bit); the length is that of the places that seven bits have.
static STEPS: [Step; 128] = {
    let mut steps = [Step { probability: 0x5601, next: [0; 4] }; 128];
    let mut place = 0;
    while place < 94 {
        let (probability, likely, unlikely, switches) = STATES[place / 2];
        let symbol = (place % 2) as u8;
        let switched = if switches { 1 - symbol } else { symbol };
        steps[place] = Step { probability, next: [place as u8, likely * 2 + symbol, place as u8, unlikely * 2 + switched] };
        place += 1;
    }
    steps
};

/// Each context's state and likely symbol.
pub(super) type Contexts = [u8; 32];

/// Contexts as a block begins with them.
pub(super) fn contexts() -> Contexts {
    let mut contexts = [0; 32];
    contexts[0] = 8;
    contexts[RUN] = 6;
    contexts[EVEN] = 92;
    contexts
}

/// The bits of a code without those that are stuffed in, ones behind them, most significant first: behind a byte of ones comes one that overlaps it by a bit.
pub(super) fn unstuffed(coded: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let (mut held, mut count, mut is_behind_ones) = (0u32, 0u32, false);
    for byte in coded {
        if is_behind_ones {
            if *byte > 0x8F {
                break;
            }
            if byte & 0x80 != 0 {
                // The bit that overlaps is a carry.
                held += 1;
                if held >> count != 0 {
                    held &= (1 << count) - 1;
                    for before in out.iter_mut().rev() {
                        *before = before.wrapping_add(1);
                        if *before != 0 {
                            break;
                        }
                    }
                }
            }
            held = held << 7 | u32::from(byte & 0x7F);
            count += 7;
        } else {
            held = held << 8 | u32::from(*byte);
            count += 8;
        }
        if count >= 8 {
            count -= 8;
            out.push((held >> count) as u8);
            held &= (1 << count) - 1;
        }
        is_behind_ones = *byte == 0xFF;
    }
    if count > 0 {
        out.push((held << (8 - count) | 0xFF >> count) as u8);
    }
    out.extend([0xFF; 8]);
}

/// Reads decisions. Copied into each pass, so that it stays in registers there.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'b> {
    /// Bits as [`unstuffed`] gives them.
    bits: &'b [u8],
    at: usize,
    a: u32,
    /// The register, on top, and bits that come next.
    c: u64,
    /// How many of them there are.
    count: u32,
}

impl<'b> Decoder<'b> {
    pub(super) fn new(bits: &'b [u8]) -> Self {
        let mut decoder = Self { bits, at: 0, a: 0x8000, c: 0, count: 0 };
        // The register's uppermost bit comes before the first.
        decoder.c = u64::from(decoder.word()) << 31;
        decoder.count = 17;
        decoder
    }

    /// Four bytes; ones behind the last.
    #[inline(always)]
    fn word(&mut self) -> u32 {
        let four = self.bits.get(self.at..self.at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
        self.at += 4;
        four.map_or(u32::MAX, u32::from_be_bytes)
    }

    /// The next decision. Nothing in it is a branch that could not be foretold: which symbol comes cannot be.
    #[inline(always)]
    pub(super) fn take(&mut self, contexts: &mut Contexts, context: usize) -> bool {
        if self.count < 16 {
            let word = self.word();
            self.c |= u64::from(word) << (16 - self.count);
            self.count += 32;
        }
        let place = &mut contexts[context % 32];
        let step = STEPS[usize::from(*place) % 128];
        let probability = u32::from(step.probability);
        let likely = *place & 1;
        let rest = self.a - probability;
        let is_lower = ((self.c >> 48) as u32) < probability;
        // The smaller part may be the likely one.
        let is_unlikely = is_lower != (rest < probability);
        let (a, c) = if is_lower { (probability, self.c) } else { (rest, self.c - (u64::from(probability) << 48)) };
        let shift = a.leading_zeros() - 16;
        *place = step.next[usize::from(shift != 0) | usize::from(is_unlikely) << 1];
        self.a = a << shift;
        self.c = c << shift;
        self.count -= shift;
        (likely ^ u8::from(is_unlikely)) == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decisions_come_back(decisions in proptest::collection::vec((0usize..19, 0u8..10), 0..3000)) {
            let mut encoder = Encoder::new();
            for (context, value) in &decisions {
                encoder.put(*context, usize::from(*value) < context % 10);
            }
            let coded = encoder.finish();
            let mut bits = Vec::new();
            unstuffed(&coded, &mut bits);
            let (mut decoder, mut contexts) = (Decoder::new(&bits), contexts());
            for (context, value) in &decisions {
                prop_assert_eq!(decoder.take(&mut contexts, *context), usize::from(*value) < context % 10);
            }
        }

        #[test]
        fn any_bytes_end_well(coded: Vec<u8>) {
            let mut bits = Vec::new();
            unstuffed(&coded, &mut bits);
            let (mut decoder, mut contexts) = (Decoder::new(&bits), contexts());
            for number in 0..4000 {
                decoder.take(&mut contexts, number % 19);
            }
        }
    }
}
