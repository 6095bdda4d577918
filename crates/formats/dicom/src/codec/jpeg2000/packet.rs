//! Packet headers: tag trees, numbers of passes, lengths (annex B.10).

use super::block::Coded;

/// Bits of packet headers: behind a byte of ones comes one of seven bits.
#[derive(Default)]
pub(super) struct Bits {
    out: Vec<u8>,
    byte: u8,
    left: u32,
}

impl Bits {
    pub(super) fn new() -> Self {
        Self { out: Vec::new(), byte: 0, left: 8 }
    }

    pub(super) fn put(&mut self, bit: bool) {
        self.left -= 1;
        self.byte |= u8::from(bit) << self.left;
        if self.left == 0 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.out.push(self.byte);
        self.left = if self.byte == 0xFF { 7 } else { 8 };
        self.byte = 0;
    }

    fn number(&mut self, value: u32, count: u32) {
        (0..count).rev().for_each(|place| self.put(value >> place & 1 == 1));
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let is_behind_ones = self.out.last() == Some(&0xFF);
        if self.left < if is_behind_ones { 7 } else { 8 } || is_behind_ones {
            self.flush();
        }
        // What was put last may be ones too.
        if self.out.last() == Some(&0xFF) {
            self.out.push(0);
        }
        self.out
    }
}

/// A tag tree (B.10.2).
struct TagTree {
    /// Levels from the leaves up: width and nodes.
    levels: Vec<(usize, Vec<Node>)>,
}

#[derive(Clone, Copy)]
struct Node {
    value: u32,
    low: u32,
    is_known: bool,
}

impl TagTree {
    fn new(width: usize, leaves: impl Iterator<Item = u32>) -> Self {
        let node = |value| Node { value, low: 0, is_known: false };
        let mut levels = vec![(width, leaves.map(node).collect::<Vec<_>>())];
        while let Some((width, nodes)) = levels.last().filter(|(_, nodes)| nodes.len() > 1) {
            let height = nodes.len() / width;
            let (next_width, next_height) = (width.div_ceil(2), height.div_ceil(2));
            let mut next = vec![node(u32::MAX); next_width * next_height];
            for (place, child) in nodes.iter().enumerate() {
                let parent = &mut next[place / width / 2 * next_width + place % width / 2];
                parent.value = parent.value.min(child.value);
            }
            levels.push((next_width, next));
        }
        Self { levels }
    }

    /// Says whether a leaf's value is below the threshold, and which it is then.
    fn put(&mut self, leaf: usize, threshold: u32, bits: &mut Bits) {
        let width = self.levels[0].0;
        let (x, y) = (leaf % width, leaf / width);
        let mut low = 0;
        for level in (0..self.levels.len()).rev() {
            let (width, nodes) = &mut self.levels[level];
            let node = &mut nodes[(y >> level) * *width + (x >> level)];
            low = low.max(node.low);
            while low < threshold {
                if low >= node.value {
                    if !node.is_known {
                        bits.put(true);
                        node.is_known = true;
                    }
                    break;
                }
                bits.put(false);
                low += 1;
            }
            node.low = low;
        }
    }
}

/// A subband of one resolution: its blocks line after line.
pub(super) struct Subband {
    /// Blocks of a line.
    pub across: usize,
    pub blocks: Vec<Coded>,
    /// Bit planes that coefficients can have.
    pub most_planes: u32,
}

/// A packet: header and bytes of all blocks of a resolution of a component, in one layer.
pub(super) fn packet(subbands: &[Subband], out: &mut Vec<u8>) {
    let mut bits = Bits::new();
    bits.put(true);
    for subband in subbands.iter().filter(|subband| !subband.blocks.is_empty()) {
        let is_there = |block: &Coded| block.passes > 0;
        let mut inclusion = TagTree::new(subband.across, subband.blocks.iter().map(|block| u32::from(!is_there(block))));
        let mut missing = TagTree::new(subband.across, subband.blocks.iter().map(|block| subband.most_planes.saturating_sub(block.planes)));
        for (place, block) in subband.blocks.iter().enumerate() {
            inclusion.put(place, 1, &mut bits);
            if !is_there(block) {
                continue;
            }
            missing.put(place, subband.most_planes.saturating_sub(block.planes) + 1, &mut bits);
            passes(block.passes, &mut bits);
            // The length has three bits, one more for each doubling of passes, and as many more as are said.
            let shared = 3 + block.passes.ilog2();
            let length = block.bytes.len() as u32;
            let more = (u32::BITS - length.leading_zeros()).saturating_sub(shared);
            (0..more).for_each(|_| bits.put(true));
            bits.put(false);
            bits.number(length, shared + more);
        }
    }
    out.extend(bits.finish());
    for block in subbands.iter().flat_map(|subband| &subband.blocks) {
        out.extend_from_slice(&block.bytes);
    }
}

/// Table B.4.
fn passes(count: u32, bits: &mut Bits) {
    match count {
        1 => bits.put(false),
        2 => bits.number(0b10, 2),
        3..=5 => bits.number(0b1100 | (count - 3), 4),
        6..=36 => bits.number(0b1111 << 5 | (count - 6), 9),
        _ => bits.number(0b1_1111_1111 << 7 | (count - 37), 16),
    }
}
