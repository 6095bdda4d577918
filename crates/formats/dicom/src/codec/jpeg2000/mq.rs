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
