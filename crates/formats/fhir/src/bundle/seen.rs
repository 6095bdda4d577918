//! Which names an open Bundle holds already.

use std::collections::HashSet;

/// Remembers the first so many names, as 128 bits of their hash.
#[derive(Debug)]
pub(super) struct Seen {
    names: HashSet<u128>,
    most: usize,
    entries: usize,
}

impl Seen {
    pub(super) fn new(most: usize) -> Self {
        Self { names: HashSet::new(), most, entries: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.entries = 0;
    }

    pub(super) fn has(&self, names: &[u128]) -> bool {
        names.iter().any(|name| self.names.contains(name))
    }

    pub(super) fn add(&mut self, names: &[u128]) {
        if self.entries < self.most {
            self.entries += 1;
            self.names.extend(names);
        }
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.names.capacity() * (size_of::<u128>() + 1)
    }
}
