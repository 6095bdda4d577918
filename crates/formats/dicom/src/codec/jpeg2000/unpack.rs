//! Reading of packet headers (annex B.10).

/// Bits of packet headers.
pub(super) struct Bits<'b> {
    bytes: &'b [u8],
    pub at: usize,
    byte: u8,
    left: u32,
}

impl<'b> Bits<'b> {
    pub(super) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self { bytes, at, byte: 0, left: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        if self.left == 0 {
            // Behind a byte of ones come seven bits.
            self.left = if self.byte == 0xFF { 7 } else { 8 };
            self.byte = *self.bytes.get(self.at)?;
            self.at += 1;
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1 == 1)
    }

    pub(super) fn number(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    /// Where the bytes behind the header begin.
    pub(super) fn end(&self) -> usize {
        self.at + usize::from(self.byte == 0xFF)
    }

    /// Table B.4.
    pub(super) fn passes(&mut self) -> Option<u32> {
        if !self.bit()? {
            return Some(1);
        }
        if !self.bit()? {
            return Some(2);
        }
        match self.number(2)? {
            3 => {}
            more => return Some(3 + more),
        }
        match self.number(5)? {
            31 => Some(37 + self.number(7)?),
            more => Some(6 + more),
        }
    }
}

/// A tag tree that is read.
pub(super) struct TagTree {
    /// Levels from the leaves up: width, and of each node what it is at least and whether it is that.
    levels: Vec<(usize, Vec<(u32, bool)>)>,
}

impl TagTree {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (mut width, mut height) = (width, height);
        let mut levels = vec![(width, vec![(0, false); width * height])];
        while width * height > 1 {
            (width, height) = (width.div_ceil(2), height.div_ceil(2));
            levels.push((width, vec![(0, false); width * height]));
        }
        Self { levels }
    }

    /// Whether the leaf's value is below the threshold.
    pub(super) fn take(&mut self, leaf: usize, threshold: u32, bits: &mut Bits<'_>) -> Option<bool> {
        let width = self.levels.first()?.0;
        let (x, y) = (leaf % width, leaf / width);
        let mut low = 0;
        let mut is_known = false;
        for level in (0..self.levels.len()).rev() {
            let (width, nodes) = &mut self.levels[level];
            let node = nodes.get_mut((y >> level) * *width + (x >> level))?;
            node.0 = node.0.max(low);
            while node.0 < threshold && !node.1 {
                if bits.bit()? {
                    node.1 = true;
                } else {
                    node.0 += 1;
                }
            }
            (low, is_known) = *node;
        }
        Some(is_known && low < threshold)
    }
}
