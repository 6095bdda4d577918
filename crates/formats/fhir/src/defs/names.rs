//! Names in JSON to elements: a small hash table for each type, built once.

use super::TypeId;

/// Open addressing over at most half-full slots, so that a name is found or missed in a step or two.
#[derive(Debug, Default)]
pub(super) struct NameTable {
    entries: Vec<(&'static str, u16, TypeId)>,
    /// Index into `entries` plus one; 0 is empty.
    slots: Vec<u16>,
}

/// Multiply and rotate: names are short, and nobody can choose them (they are the standard's).
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let mut state = bytes.len() as u32;
    for &byte in bytes {
        state = (state.rotate_left(5) ^ u32::from(byte)).wrapping_mul(0x9E37_79B1);
    }
    (state >> 8) as usize
}

impl NameTable {
    pub(super) fn new(entries: Vec<(&'static str, u16, TypeId)>) -> Self {
        let size = (entries.len() * 2).next_power_of_two().max(4);
        let mut slots = vec![0; size];
        for (number, (name, ..)) in entries.iter().enumerate() {
            let mut at = hash(name) & (size - 1);
            while slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            slots[at] = number as u16 + 1;
        }
        Self { entries, slots }
    }

    pub(super) fn find(&self, name: &str) -> Option<(u16, TypeId)> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(name) & mask;
        loop {
            let slot = self.slots[at] as usize;
            if slot == 0 {
                return None;
            }
            let (known, element, ty) = self.entries[slot - 1];
            if known == name {
                return Some((element, ty));
            }
            at = (at + 1) & mask;
        }
    }
}
