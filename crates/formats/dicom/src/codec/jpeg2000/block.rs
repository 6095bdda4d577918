//! Coefficients of a code-block, bit plane after bit plane (annex D).

use std::sync::LazyLock;

use super::mq::{EVEN, Encoder, RUN};

/// Neighbours that are significant.
pub(super) const WEST: u16 = 1;
pub(super) const EAST: u16 = 1 << 1;
pub(super) const NORTH: u16 = 1 << 2;
pub(super) const SOUTH: u16 = 1 << 3;
pub(super) const NORTH_WEST: u16 = 1 << 4;
pub(super) const NORTH_EAST: u16 = 1 << 5;
pub(super) const SOUTH_WEST: u16 = 1 << 6;
pub(super) const SOUTH_EAST: u16 = 1 << 7;
const NEIGHBOURS: u16 = 0xFF;
/// Four of them that are negative, behind one another as above.
pub(super) const NEGATIVE: u32 = 8;
/// The coefficient itself is significant; was coded in this plane; was refined before.
const SIGNIFICANT: u16 = 1 << 12;
const VISITED: u16 = 1 << 13;
const REFINED: u16 = 1 << 14;

/// What a subband is of, as far as contexts differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Band {
    /// Low in both directions, or high vertically.
    LowOrVertical = 0,
    /// High horizontally.
    Horizontal = 1,
    /// High in both.
    Diagonal = 2,
}

/// Contexts of significance for each band and all neighbours (table D.1).
pub(super) static SIGNIFICANCE: LazyLock<[[u8; 256]; 3]> = LazyLock::new(|| {
    std::array::from_fn(|band| {
        std::array::from_fn(|flags| {
            let flags = flags as u16;
            let count = |mask: u16| (flags & mask).count_ones();
            let (mut h, mut v) = (count(WEST | EAST), count(NORTH | SOUTH));
            let d = count(NORTH_WEST | NORTH_EAST | SOUTH_WEST | SOUTH_EAST);
            if band == Band::Diagonal as usize {
                return match (d, h + v) {
                    (3.., _) => 8,
                    (2, 1..) => 7,
                    (2, 0) => 6,
                    (1, 2..) => 5,
                    (1, 1) => 4,
                    (1, 0) => 3,
                    (_, sum) => sum.min(2) as u8,
                };
            }
            if band == Band::Horizontal as usize {
                std::mem::swap(&mut h, &mut v);
            }
            match (h, v, d) {
                (2, ..) => 8,
                (1, 1.., _) => 7,
                (1, 0, 1..) => 6,
                (1, 0, 0) => 5,
                (_, 2, _) => 4,
                (_, 1, _) => 3,
                (_, _, d) => d.min(2) as u8,
            }
        })
    })
});

/// Context and turned bit of a sign, by its neighbours (tables D.2 and D.3).
pub(super) fn sign_context(flags: u16) -> (usize, bool) {
    let part = |bit: u16| match (flags & bit != 0, flags >> NEGATIVE & bit != 0) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => -1,
    };
    let (h, v) = ((part(WEST) + part(EAST)).clamp(-1, 1), (part(NORTH) + part(SOUTH)).clamp(-1, 1));
    match (h, v) {
        (1, 1) => (13, false),
        (1, 0) => (12, false),
        (1, -1) => (11, false),
        (0, 1) => (10, false),
        (0, -1) => (10, true),
        (-1, 1) => (11, true),
        (-1, 0) => (12, true),
        (-1, -1) => (13, true),
        _ => (9, false),
    }
}

/// A coded block.
pub(super) struct Coded {
    /// Bit planes that have a bit; none where all coefficients are zero.
    pub planes: u32,
    pub passes: u32,
    pub bytes: Vec<u8>,
}

/// A block while it is coded.
struct Block<'c> {
    values: &'c [i32],
    width: usize,
    height: usize,
    /// Flags, with a column and a line around.
    flags: Vec<u16>,
    significance: &'static [u8; 256],
    coder: Encoder,
}

/// Codes a block of `width` coefficients a line.
pub(super) fn encode(values: &[i32], width: usize, band: Band) -> Coded {
    let height = values.len() / width;
    let most = values.iter().map(|value| value.unsigned_abs()).max().unwrap_or(0);
    let planes = u32::BITS - most.leading_zeros();
    if planes == 0 {
        return Coded { planes, passes: 0, bytes: Vec::new() };
    }
    let flags = vec![0; (width + 2) * (height + 2)];
    let mut block = Block { values, width, height, flags, significance: &SIGNIFICANCE[band as usize], coder: Encoder::new() };
    for plane in (0..planes).rev() {
        if plane + 1 < planes {
            block.propagation(plane);
            block.refinement(plane);
        }
        block.cleanup(plane);
    }
    Coded { planes, passes: 3 * planes - 2, bytes: block.coder.finish() }
}

impl Block<'_> {
    #[inline]
    fn flag_place(&self, x: usize, y: usize) -> usize {
        (y + 1) * (self.width + 2) + x + 1
    }

    #[inline]
    fn bit(&self, x: usize, y: usize, plane: u32) -> bool {
        self.values[y * self.width + x].unsigned_abs() >> plane & 1 == 1
    }

    /// Places stripe after stripe of four lines, column after column.
    fn each(&mut self, mut take: impl FnMut(&mut Self, usize, usize)) {
        for top in (0..self.height).step_by(4) {
            for x in 0..self.width {
                for y in top..(top + 4).min(self.height) {
                    take(self, x, y);
                }
            }
        }
    }

    /// Coefficients with significant neighbours (D.3.1).
    fn propagation(&mut self, plane: u32) {
        self.each(|block, x, y| {
            let place = block.flag_place(x, y);
            let flags = block.flags[place];
            if flags & SIGNIFICANT == 0 && flags & NEIGHBOURS != 0 {
                block.significant_or_not(x, y, plane);
                block.flags[place] |= VISITED;
            }
        });
    }

    /// One more bit of those that are significant (D.3.3).
    fn refinement(&mut self, plane: u32) {
        self.each(|block, x, y| {
            let place = block.flag_place(x, y);
            let flags = block.flags[place];
            if flags & (SIGNIFICANT | VISITED) == SIGNIFICANT {
                let context = match (flags & REFINED != 0, flags & NEIGHBOURS != 0) {
                    (true, _) => 16,
                    (false, true) => 15,
                    (false, false) => 14,
                };
                let bit = block.bit(x, y, plane);
                block.coder.put(context, bit);
                block.flags[place] |= REFINED;
            }
        });
    }

    /// All others (D.3.4).
    fn cleanup(&mut self, plane: u32) {
        for top in (0..self.height).step_by(4) {
            for x in 0..self.width {
                let mut first = top;
                let end = (top + 4).min(self.height);
                let is_quiet =
                    end - top == 4 && (top..end).all(|y| self.flags[self.flag_place(x, y)] & (NEIGHBOURS | SIGNIFICANT | VISITED) == 0);
                if is_quiet {
                    let run = (top..end).position(|y| self.bit(x, y, plane));
                    self.coder.put(RUN, run.is_some());
                    let Some(run) = run else { continue };
                    self.coder.put(EVEN, run & 2 != 0);
                    self.coder.put(EVEN, run & 1 != 0);
                    self.now_significant(x, top + run);
                    first = top + run + 1;
                }
                for y in first..end {
                    if self.flags[self.flag_place(x, y)] & (SIGNIFICANT | VISITED) == 0 {
                        self.significant_or_not(x, y, plane);
                    }
                }
            }
        }
        self.flags.iter_mut().for_each(|flags| *flags &= !VISITED);
    }

    #[inline]
    fn significant_or_not(&mut self, x: usize, y: usize, plane: u32) {
        let context = self.significance[usize::from(self.flags[self.flag_place(x, y)] & NEIGHBOURS)];
        let bit = self.bit(x, y, plane);
        self.coder.put(usize::from(context), bit);
        if bit {
            self.now_significant(x, y);
        }
    }

    /// Codes the sign, and tells the neighbours.
    fn now_significant(&mut self, x: usize, y: usize) {
        let place = self.flag_place(x, y);
        let is_negative = self.values[y * self.width + x] < 0;
        let (context, is_turned) = sign_context(self.flags[place]);
        self.coder.put(context, is_negative != is_turned);
        let line = self.width + 2;
        let signed = |side: u16| if is_negative { side | side << NEGATIVE } else { side };
        let flags = &mut self.flags;
        flags[place] |= SIGNIFICANT;
        flags[place - 1] |= signed(EAST);
        flags[place + 1] |= signed(WEST);
        flags[place - line] |= signed(SOUTH);
        flags[place + line] |= signed(NORTH);
        flags[place - line - 1] |= SOUTH_EAST;
        flags[place - line + 1] |= SOUTH_WEST;
        flags[place + line - 1] |= NORTH_EAST;
        flags[place + line + 1] |= NORTH_WEST;
    }
}
