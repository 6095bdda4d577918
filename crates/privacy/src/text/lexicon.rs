//! Words and what they may be: one open-addressed table from the hash of a folded word to flags.
//!
//! Lists come front-coded (see `tools/derive-text-lists`): a line-free run of entries, each a prefix length (`0`-`?`), the
//! small letters that follow the shared prefix, and a flag byte (`@`-`_`). Text is never stored here, only hashes.

use super::token::hash_word;

/// A given name.
pub(crate) const GIVEN: u16 = 1;
/// A family name.
pub(crate) const FAMILY: u16 = 1 << 1;
/// A place.
pub(crate) const CITY: u16 = 1 << 2;
/// A common word of the language.
pub(crate) const COMMON: u16 = 1 << 3;
/// A rarer word of the language.
pub(crate) const WORD: u16 = 1 << 4;
/// A word of medicine: a drug, a test, an abbreviation, an anatomical name.
pub(crate) const CLINICAL: u16 = 1 << 5;
/// A name that stands for a disease, sign, score or instrument.
pub(crate) const EPONYM: u16 = 1 << 6;
/// What an eponym names: disease, syndrome, sign, catheter.
pub(crate) const EPONYM_NOUN: u16 = 1 << 7;
/// A function word: never a name by itself.
pub(crate) const FUNCTION: u16 = 1 << 8;
/// What persons do: denies, reports, agrees.
pub(crate) const PERSON_VERB: u16 = 1 << 9;
/// A word before a person: with, by, per.
pub(crate) const PERSON_CUE: u16 = 1 << 10;
/// Starts a phrase of the rule set.
pub(crate) const PHRASE: u16 = 1 << 11;
/// A unit of measure.
pub(crate) const UNIT: u16 = 1 << 12;
/// A word that makes an organisation or street generic: the, local, our.
pub(crate) const GENERIC: u16 = 1 << 13;
/// A heading or form word that ends a name.
pub(crate) const HEADING: u16 = 1 << 14;

/// What is told as a ratio: pain, strength, acuity.
pub(crate) const RATIO: u16 = 1 << 15;

/// The table.
#[derive(Debug, Clone)]
pub(crate) struct Lexicon {
    keys: Vec<u64>,
    flags: Vec<u16>,
    len: usize,
}

impl Lexicon {
    pub(crate) fn new() -> Self {
        Self { keys: vec![0; 1024], flags: vec![0; 1024], len: 0 }
    }

    /// The flags of a folded word's hash; none for a word that is not known.
    #[inline]
    pub(crate) fn flags(&self, hash: u64) -> u16 {
        self.flags[self.place(hash)]
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        let mask = self.keys.len() - 1;
        let mut place = (hash >> 20) as usize & mask;
        loop {
            let key = self.keys[place];
            if key == hash || key == 0 {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    pub(crate) fn add(&mut self, word: &str, flags: u16) {
        self.add_hash(hash_word(word), flags);
    }

    pub(crate) fn add_hash(&mut self, hash: u64, flags: u16) {
        if self.len * 2 >= self.keys.len() {
            self.grow();
        }
        let place = self.place(hash);
        if self.keys[place] == 0 {
            self.keys[place] = hash;
            self.len += 1;
        }
        self.flags[place] |= flags;
    }

    fn grow(&mut self) {
        let size = self.keys.len() * 4;
        let keys = std::mem::replace(&mut self.keys, vec![0; size]);
        let flags = std::mem::replace(&mut self.flags, vec![0; size]);
        for (key, flag) in keys.into_iter().zip(flags).filter(|(key, _)| *key != 0) {
            let place = self.place(key);
            self.keys[place] = key;
            self.flags[place] = flag;
        }
    }

    /// Adds a front-coded list. The five bits of an entry's flag byte are the first five flags. Returns the number of entries, or
    /// `None` where the list is damaged.
    pub(crate) fn add_list(&mut self, list: &str) -> Option<usize> {
        let mut word = Vec::new();
        let mut count = 0;
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            let mut bytes = line.bytes().peekable();
            while let Some(prefix) = bytes.next() {
                let kept = usize::from(prefix.checked_sub(b'0').filter(|kept| *kept < 16)?);
                if kept > word.len() {
                    return None;
                }
                word.truncate(kept);
                while let Some(letter) = bytes.next_if(|byte| matches!(byte, b'a'..=b'z' | b' ')) {
                    word.push(letter);
                }
                let flag = bytes.next().filter(|byte| (0x40..0x60).contains(byte))?;
                self.add(std::str::from_utf8(&word).ok()?, u16::from(flag & 0x1f));
                count += 1;
            }
        }
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_coded_list_is_read() {
        let mut lexicon = Lexicon::new();
        assert_eq!(lexicon.add_list("# head\n0annaA3eB\n0zoeC"), Some(3));
        assert_eq!(lexicon.flags(hash_word("ANNA")), GIVEN);
        assert_eq!(lexicon.flags(hash_word("Anne")), FAMILY);
        assert_eq!(lexicon.flags(hash_word("Zo\u{eb}")), GIVEN | FAMILY);
        assert_eq!(lexicon.flags(hash_word("ann")), 0);
        assert_eq!(Lexicon::new().add_list("5xA"), None);
        assert_eq!(Lexicon::new().add_list("0x"), None);
    }

    #[test]
    fn growing_loses_nothing() {
        let mut lexicon = Lexicon::new();
        for number in 0..5_000 {
            lexicon.add(&format!("w{number}"), COMMON);
        }
        assert!((0..5_000).all(|number| lexicon.flags(hash_word(&format!("w{number}"))) == COMMON));
    }
}
