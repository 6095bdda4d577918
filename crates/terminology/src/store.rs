//! Text and look-up in little memory: one arena for all text of a code system or map, and a hash table of numbers beside it.

use crate::error::{Result, TerminologyError};

/// A stretch of an [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Text {
    at: u32,
    length: u32,
}

/// All text of one code system or map, one value behind the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arena {
    text: String,
}

impl Arena {
    /// Stores a text. An arena ends at 4 GiB.
    pub(crate) fn add(&mut self, text: &str) -> Result<Text> {
        let full = TerminologyError::Limit { what: "bytes of text in one code system", limit: u64::from(u32::MAX) };
        let (Ok(at), Ok(length)) = (u32::try_from(self.text.len()), u32::try_from(text.len())) else { return Err(full) };
        if at.checked_add(length).is_none() {
            return Err(full);
        }
        self.text.push_str(text);
        Ok(Text { at, length })
    }

    /// The text of a stretch.
    pub(crate) fn get(&self, text: Text) -> &str {
        self.text.get(text.at as usize..(text.at as usize).saturating_add(text.length as usize)).unwrap_or_default()
    }

    /// The bytes held.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
    }
}

/// FNV-1a with a finish that spreads the low bits: codes are short, so a simple hash wins.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state ^= state >> 32;
    state.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const EMPTY: u32 = u32::MAX;

/// An open-addressed table from a text to a number; the caller keeps the texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    slots: Vec<u32>,
    used: usize,
}

impl Index {
    fn start(&self, hashed: u64) -> usize {
        (hashed >> 20) as usize & (self.slots.len().saturating_sub(1))
    }

    /// The number whose text is `key`; `text_of` gives the text of a number.
    pub(crate) fn find<'t>(&self, key: &[u8], text_of: impl Fn(u32) -> &'t [u8]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.start(hash(key));
        loop {
            let number = self.slots[at];
            if number == EMPTY {
                return None;
            }
            if text_of(number) == key {
                return Some(number);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Stores a number that `find` did not find.
    pub(crate) fn insert<'t>(&mut self, key: &[u8], number: u32, text_of: impl Fn(u32) -> &'t [u8]) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let mut wider = Self { slots: vec![EMPTY; (self.slots.len() * 2).max(16)], used: self.used };
            for kept in self.slots.iter().copied().filter(|kept| *kept != EMPTY) {
                wider.place(hash(text_of(kept)), kept);
            }
            *self = wider;
        }
        self.place(hash(key), number);
        self.used += 1;
    }

    fn place(&mut self, hashed: u64, number: u32) {
        let mut at = self.start(hashed);
        while self.slots[at] != EMPTY {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = number;
    }

    /// The bytes held.
    pub(crate) fn memory(&self) -> usize {
        self.slots.len() * size_of::<u32>()
    }
}

/// Pairs of numbers, found by the first: parents of a concept, or its children.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edges {
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl Edges {
    /// From pairs in any order, for `count` numbers; pairs beyond are left out, doubles stand once.
    pub(crate) fn new(count: usize, pairs: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut pairs: Vec<(u32, u32)> = pairs.filter(|(from, to)| (*from as usize) < count && (*to as usize) < count).collect();
        if pairs.is_empty() {
            return Self::default();
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut starts = vec![0_u32; count + 1];
        for (from, _) in &pairs {
            starts[*from as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        Self { starts, ends: pairs.into_iter().map(|(_, to)| to).collect() }
    }

    /// The second numbers of the pairs that start with this one.
    pub(crate) fn of(&self, number: u32) -> &[u32] {
        let at = number as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(start), Some(end)) => self.ends.get(*start as usize..*end as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes held.
    pub(crate) fn memory(&self) -> usize {
        (self.starts.len() + self.ends.len()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_what_was_put_in_and_nothing_else() {
        let texts: Vec<String> = (0..5000).map(|number| format!("code-{number}")).collect();
        let mut index = Index::default();
        for (number, text) in texts.iter().enumerate() {
            let text_of = |at: u32| texts[at as usize].as_bytes();
            assert_eq!(index.find(text.as_bytes(), text_of), None);
            index.insert(text.as_bytes(), number as u32, text_of);
        }
        let text_of = |at: u32| texts[at as usize].as_bytes();
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(index.find(text.as_bytes(), text_of), Some(number as u32));
        }
        assert_eq!(index.find(b"code-5000", text_of), None);
    }

    #[test]
    fn edges_are_found_by_their_start() {
        let edges = Edges::new(4, [(2, 0), (1, 0), (2, 1), (2, 1), (9, 1)].into_iter());
        assert_eq!(edges.of(2), [0, 1]);
        assert_eq!(edges.of(1), [0]);
        assert_eq!(edges.of(0), [0_u32; 0]);
        assert_eq!(edges.of(77), [0_u32; 0]);
    }
}
