//! Decoding of code-blocks (annex D). Flags of four coefficients, those of a column in a stripe, are one word: most words are skipped at a glance.

use std::sync::LazyLock;

use super::{
    block::{Band, EAST, NEGATIVE, NORTH, NORTH_EAST, NORTH_WEST, SIGNIFICANCE, SOUTH, SOUTH_EAST, SOUTH_WEST, WEST, sign_context},
    mq::{Contexts, Decoder, EVEN, RUN, contexts, unstuffed},
};

/// Coefficients of a block across and down at most.
pub(super) const MOST_SIZE: usize = 64;
/// Words of a line of stripes, with one at either side.
const LINE: usize = MOST_SIZE + 2;

// A word has three columns of six rows: whether these are significant, from the row above to the row below; three bits for each row.
/// The coefficient itself, of the uppermost row; others are three bits further for each row.
const THIS: u32 = 1 << 4;
const AROUND: u32 = 0b1_1110_1111;
// Behind them: the sign of the row above; for each row its sign, whether it was refined, whether it was coded in this plane; the sign of the row below.
const SIGN_ABOVE: u32 = 18;
const SIGN: u32 = 19;
const REFINED: u32 = 1 << 20;
const VISITED: u32 = 1 << 21;
const SIGN_BELOW: u32 = 31;
const ALL_VISITED: u32 = VISITED | VISITED << 3 | VISITED << 6 | VISITED << 9;

struct Tables {
    /// Context of significance for each band and neighbourhood of nine.
    significance: [[u8; 512]; 3],
    /// Context of a sign, with its turned bit on top.
    signs: [u8; 256],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let sides = [NORTH_WEST, NORTH, NORTH_EAST, WEST, 0, EAST, SOUTH_WEST, SOUTH, SOUTH_EAST];
    let flags =
        |nine: usize| sides.iter().enumerate().fold(0, |flags, (bit, side)| if nine >> bit & 1 == 1 { flags | side } else { flags });
    let significance = std::array::from_fn(|band| std::array::from_fn(|nine| SIGNIFICANCE[band][usize::from(flags(nine))]));
    // Even bits are signs of west, east, north and south; odd ones whether these are significant, in the order of the neighbourhood.
    let signs = std::array::from_fn(|eight| {
        let bit = |place: usize, side: u16| if eight >> place & 1 == 1 { side } else { 0 };
        let significant = bit(1, NORTH) | bit(3, WEST) | bit(5, EAST) | bit(7, SOUTH);
        let negative = bit(0, WEST) | bit(2, EAST) | bit(4, NORTH) | bit(6, SOUTH);
        let (context, is_turned) = sign_context(significant | negative << NEGATIVE);
        context as u8 | u8::from(is_turned) << 7
    });
    Tables { significance, signs }
});

/// Room for one block, used again and again.
pub(super) struct Decoded {
    /// Coefficients, [`MOST_SIZE`] a line.
    pub values: Box<[i32; MOST_SIZE * MOST_SIZE]>,
    flags: Box<[u32; LINE * (MOST_SIZE / 4 + 2)]>,
    bits: Vec<u8>,
}

/// A pass: what it works on.
struct Pass<'p> {
    values: &'p mut [i32; MOST_SIZE * MOST_SIZE],
    flags: &'p mut [u32; LINE * (MOST_SIZE / 4 + 2)],
    significance: &'static [u8; 512],
    signs: &'static [u8; 256],
    width: usize,
    height: usize,
    plane: u32,
}

impl Decoded {
    pub(super) fn new() -> Self {
        Self { values: Box::new([0; MOST_SIZE * MOST_SIZE]), flags: Box::new([0; LINE * (MOST_SIZE / 4 + 2)]), bits: Vec::new() }
    }

    /// Decodes all planes of a block.
    pub(super) fn decode(&mut self, bytes: &[u8], width: usize, height: usize, planes: u32, band: Band) {
        self.values.fill(0);
        self.flags.fill(0);
        let tables = &*TABLES;
        unstuffed(bytes, &mut self.bits);
        let (mut decoder, mut contexts) = (Decoder::new(&self.bits), contexts());
        for plane in (0..planes).rev() {
            let mut pass = Pass {
                values: &mut self.values,
                flags: &mut self.flags,
                significance: &tables.significance[band as usize],
                signs: &tables.signs,
                width: width.min(MOST_SIZE),
                height: height.min(MOST_SIZE),
                plane,
            };
            if plane + 1 < planes {
                decoder = pass.propagation(decoder, &mut contexts);
                decoder = pass.refinement(decoder, &mut contexts);
            }
            decoder = pass.cleanup(decoder, &mut contexts);
        }
    }
}

impl Pass<'_> {
    fn propagation<'b>(&mut self, mut decoder: Decoder<'b>, contexts: &mut Contexts) -> Decoder<'b> {
        for top in (0..self.height).step_by(4) {
            let rows = (self.height - top).min(4);
            let first = (top / 4 + 1) * LINE + 1;
            for x in 0..self.width {
                // Without significant neighbours, the lower 18 bits, there is nothing to do.
                if self.flags[first + x] << 14 == 0 {
                    continue;
                }
                for row in 0..rows {
                    let word = self.flags[first + x] >> (3 * row);
                    if word & (THIS | VISITED) != 0 || word & AROUND == 0 {
                        continue;
                    }
                    if decoder.take(contexts, usize::from(self.significance[(word & AROUND) as usize])) {
                        self.now_significant(&mut decoder, contexts, first + x, row, top, x);
                    }
                    self.flags[first + x] |= VISITED << (3 * row);
                }
            }
        }
        decoder
    }

    fn refinement<'b>(&mut self, mut decoder: Decoder<'b>, contexts: &mut Contexts) -> Decoder<'b> {
        const ALL: u32 = THIS | THIS << 3 | THIS << 6 | THIS << 9;
        for top in (0..self.height).step_by(4) {
            let rows = (self.height - top).min(4);
            let first = (top / 4 + 1) * LINE + 1;
            for x in 0..self.width {
                let mut flags = self.flags[first + x];
                if flags & ALL == 0 {
                    continue;
                }
                for row in 0..rows {
                    let word = flags >> (3 * row);
                    if word & (THIS | VISITED) != THIS {
                        continue;
                    }
                    let context = if word & REFINED != 0 { 16 } else { 14 + usize::from(word & AROUND != 0) };
                    let bit = i32::from(decoder.take(contexts, context)) << self.plane;
                    let value = &mut self.values[(top + row) * MOST_SIZE + x];
                    let sign = *value >> 31;
                    *value += (bit ^ sign) - sign;
                    flags |= REFINED << (3 * row);
                }
                self.flags[first + x] = flags;
            }
        }
        decoder
    }

    fn cleanup<'b>(&mut self, mut decoder: Decoder<'b>, contexts: &mut Contexts) -> Decoder<'b> {
        for top in (0..self.height).step_by(4) {
            let rows = (self.height - top).min(4);
            let first = (top / 4 + 1) * LINE + 1;
            for x in 0..self.width {
                let mut row = 0;
                if self.flags[first + x] == 0 && rows == 4 {
                    if !decoder.take(contexts, RUN) {
                        continue;
                    }
                    row = usize::from(decoder.take(contexts, EVEN)) * 2;
                    row += usize::from(decoder.take(contexts, EVEN));
                    self.now_significant(&mut decoder, contexts, first + x, row, top, x);
                    row += 1;
                }
                while row < rows {
                    let word = self.flags[first + x] >> (3 * row);
                    if word & (THIS | VISITED) == 0 && decoder.take(contexts, usize::from(self.significance[(word & AROUND) as usize])) {
                        self.now_significant(&mut decoder, contexts, first + x, row, top, x);
                    }
                    row += 1;
                }
                self.flags[first + x] &= !ALL_VISITED;
            }
        }
        decoder
    }

    /// Decodes the sign of a coefficient that is significant now, and tells its neighbours.
    #[inline(always)]
    fn now_significant(&mut self, decoder: &mut Decoder<'_>, contexts: &mut Contexts, place: usize, row: usize, top: usize, x: usize) {
        let flags = &mut *self.flags;
        let (word, shift) = (flags[place], 3 * row as u32);
        let (west, east) = (flags[place - 1], flags[place + 1]);
        let mut eight = word >> shift & 0b1010_1010;
        eight |= west >> (SIGN + shift) & 1;
        eight |= (east >> (SIGN + shift) & 1) << 2;
        eight |= (if row == 0 { word >> SIGN_ABOVE } else { word >> (SIGN + shift - 3) } & 1) << 4;
        eight |= (word >> (SIGN + 3 + shift) & 1) << 6;
        let entry = self.signs[eight as usize % 256];
        let is_negative = decoder.take(contexts, usize::from(entry & 0x7F)) != (entry & 0x80 != 0);
        let sign = u32::from(is_negative);
        flags[place - 1] = west | (THIS << 1) << shift;
        flags[place] = word | (sign << SIGN | THIS) << shift;
        flags[place + 1] = east | (THIS >> 1) << shift;
        if row == 0 {
            let above = place - LINE;
            flags[above - 1] |= 1 << 17;
            flags[above] |= sign << SIGN_BELOW | 1 << 16;
            flags[above + 1] |= 1 << 15;
        }
        if row == 3 {
            let below = place + LINE;
            flags[below - 1] |= 1 << 2;
            flags[below] |= sign << SIGN_ABOVE | 1 << 1;
            flags[below + 1] |= 1;
        }
        let value = 1 << self.plane;
        self.values[(top + row) * MOST_SIZE + x] = if is_negative { -value } else { value };
    }
}
