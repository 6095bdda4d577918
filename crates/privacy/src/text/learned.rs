//! Names that a note states plainly once (after a label or a title), to be found again where they stand bare.

/// The hashes of such names, bounded.
#[derive(Debug, Default, Clone)]
pub(crate) struct Learned {
    hashes: Vec<u64>,
}

const MOST: usize = 2048;

impl Learned {
    pub(crate) fn add(&mut self, hash: u64) {
        if let Err(place) = self.hashes.binary_search(&hash)
            && self.hashes.len() < MOST
        {
            self.hashes.insert(place, hash);
        }
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.hashes.binary_search(&hash).is_ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}
