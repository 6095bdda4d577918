//! Counting how often keys occur, in bounded memory, so that the result does not depend on the order.
//!
//! Keys are kept as 128-bit hashes with their count and first place: exact up to a limit of distinct
//! keys. Beyond it only keys whose hash begins with a zero bit are kept, then two zero bits, and so on
//! (adaptive sampling, Wegman 1984; Flajolet 1990). A kept key has its exact count, so the share of
//! repeated rows is estimated without bias; a sketch of distinct counts could not tell a small share.
//! Which keys are kept depends on the set of keys alone: merging in any order gives the same answer.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::sample::{FailedRecord, FailedSample};

/// No source: rows without identity.
const NOWHERE: u32 = u32::MAX;

/// Hashes the parts of a key. Lengths are part of the hash, so `("ab", "c")` is not `("a", "bc")`.
/// The key is fixed: results must be the same in every run, and hashes never leave the process.
pub(crate) fn hash_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> u128 {
    let mut hasher = SipHasher13::new_with_keys(0x5375_7475_7261_2d31, 0x7175_616c_6974_792d);
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part.as_bytes());
    }
    hasher.finish128().as_u128()
}

/// Keys are hashes already.
#[derive(Default)]
pub(crate) struct HashIsKey(u64);

impl Hasher for HashIsKey {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 ^= hash as u64;
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }
}

/// A set or map over hashes.
pub(crate) type HashBuild = BuildHasherDefault<HashIsKey>;

/// Where a row is: a source by its number, and an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    source: u32,
    offset: i64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    first: Place,
    copies: u32,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Every row.
    Rows,
    /// Every record: rows at one place are one.
    Records,
}

/// The counts of keys.
#[derive(Debug)]
pub(crate) struct KeyCounts {
    unit: Unit,
    limit: usize,
    /// Kept keys begin with this many zero bits.
    level: u32,
    entries: HashMap<u128, Entry, HashBuild>,
    /// Places of a key beyond its first, so that a record is not counted twice.
    other_places: HashSet<(u128, u64), HashBuild>,
    /// `other_places` was full: counts of records may be too high.
    saturated: bool,
    sources: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    last_source: Option<u32>,
}

/// What the counts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyTotals {
    /// Units of the kept keys.
    pub(crate) units: u64,
    /// Units whose key occurs more than once, every occurrence counted.
    pub(crate) repeated: u64,
    /// Units beyond the first of each key.
    pub(crate) excess: u64,
    /// All keys were kept and every count is exact.
    pub(crate) exact: bool,
    /// One in this many keys was kept.
    pub(crate) sampling: u64,
}

impl KeyCounts {
    pub(crate) fn new(unit: Unit, limit: usize) -> Self {
        Self {
            unit,
            limit: limit.max(1),
            level: 0,
            entries: HashMap::default(),
            other_places: HashSet::default(),
            saturated: false,
            sources: Vec::new(),
            numbers: HashMap::new(),
            last_source: None,
        }
    }

    /// Takes one row; says whether it repeats a key that this counter has seen (at another place).
    pub(crate) fn add(&mut self, key: u128, place: Option<(&str, i64)>) -> bool {
        if !kept(key, self.level) {
            return false;
        }
        let place = match place {
            Some((source, offset)) => Place { source: self.number(source), offset },
            None => Place { source: NOWHERE, offset: 0 },
        };
        let repeated = self.add_place(key, place, 1);
        self.shrink();
        repeated
    }

    /// Adds the counts of another part of the data.
    pub(crate) fn merge(&mut self, other: Self) {
        self.level = self.level.max(other.level);
        self.saturated |= other.saturated;
        let numbers: Vec<u32> = other.sources.iter().map(|source| self.number(source)).collect();
        let level = self.level;
        self.entries.retain(|key, _| kept(*key, level));
        self.other_places.retain(|(key, _)| kept(*key, level));
        for (key, entry) in other.entries.into_iter().filter(|(key, _)| kept(*key, level)) {
            let source = numbers.get(entry.first.source as usize).copied().unwrap_or(NOWHERE);
            let first = Place { source, offset: entry.first.offset };
            let copies = match self.unit {
                Unit::Rows => entry.copies,
                // The others follow by their hashes, unless they were too many to keep.
                Unit::Records if other.saturated => entry.copies,
                Unit::Records => 1,
            };
            self.add_place(key, first, copies);
        }
        if !other.saturated {
            for (key, place) in other.other_places {
                self.add_other_place(key, place);
            }
        }
        self.shrink();
    }

    pub(crate) fn totals(&self) -> KeyTotals {
        let mut totals =
            KeyTotals { units: 0, repeated: 0, excess: 0, exact: self.level == 0 && !self.saturated, sampling: 1 << self.level.min(63) };
        for entry in self.entries.values() {
            let copies = u64::from(entry.copies);
            totals.units += copies;
            if copies > 1 {
                totals.repeated += copies;
                totals.excess += copies - 1;
            }
        }
        totals
    }

    /// The first place of each repeated key goes into the sample.
    pub(crate) fn sample_repeated(&self, sample: &mut FailedSample) {
        for entry in self.entries.values().filter(|entry| entry.copies > 1) {
            if let Some(source) = self.sources.get(entry.first.source as usize) {
                sample.add(FailedRecord { source: source.to_string(), offset: entry.first.offset, length: None, sha256: None });
            }
        }
    }

    /// The number of a source; rows of one source follow each other, so the last is tried first.
    fn number(&mut self, source: &str) -> u32 {
        if let Some(last) =
            self.last_source.and_then(|last| self.sources.get(last as usize).filter(|name| ***name == *source).map(|_| last))
        {
            return last;
        }
        if let Some(number) = self.numbers.get(source).copied() {
            self.last_source = Some(number);
            return number;
        }
        let number = u32::try_from(self.sources.len()).unwrap_or(NOWHERE);
        let source: Arc<str> = source.into();
        self.sources.push(Arc::clone(&source));
        self.numbers.insert(source, number);
        number
    }

    fn add_place(&mut self, key: u128, place: Place, copies: u32) -> bool {
        let Some(entry) = self.entries.get(&key).copied() else {
            self.entries.insert(key, Entry { first: place, copies });
            return false;
        };
        let earlier = self.is_before(place, entry.first);
        if self.unit == Unit::Rows {
            let first = if earlier { place } else { entry.first };
            self.entries.insert(key, Entry { first, copies: entry.copies.saturating_add(copies) });
            return true;
        }
        if place == entry.first {
            if copies > 1 {
                self.entries.insert(key, Entry { first: place, copies: entry.copies.saturating_add(copies - 1) });
            }
            return false;
        }
        if earlier {
            // The new place takes the front; the old one joins the others. If the new one was among
            // the others already, the count stays as it is.
            let was_known = self.other_places.remove(&(key, self.hash_place(place)));
            if !self.saturated {
                self.other_places.insert((key, self.hash_place(entry.first)));
                self.saturated = self.other_places.len() > self.limit;
            }
            let added = if was_known { copies - 1 } else { copies };
            self.entries.insert(key, Entry { first: place, copies: entry.copies.saturating_add(added) });
        } else {
            self.add_other_place(key, self.hash_place(place));
            if copies > 1
                && let Some(entry) = self.entries.get_mut(&key)
            {
                entry.copies = entry.copies.saturating_add(copies - 1);
            }
        }
        true
    }

    /// Counts a place of a kept key, unless it was counted before.
    fn add_other_place(&mut self, key: u128, place: u64) {
        let Some(entry) = self.entries.get(&key).copied() else { return };
        if place == self.hash_place(entry.first) {
            return;
        }
        // Every place kept here is one that an unlimited set would hold too, so the limit is passed by the
        // same data in any order.
        let is_new = if self.saturated { !self.other_places.contains(&(key, place)) } else { self.other_places.insert((key, place)) };
        self.saturated |= self.other_places.len() > self.limit;
        if is_new {
            self.entries.insert(key, Entry { copies: entry.copies.saturating_add(1), ..entry });
        }
    }

    fn hash_place(&self, place: Place) -> u64 {
        let source = self.sources.get(place.source as usize).map_or("", |source| source);
        let mut hasher = SipHasher13::new_with_keys(1, 2);
        hasher.write(source.as_bytes());
        hasher.write_i64(place.offset);
        hasher.finish128().as_u128() as u64
    }

    fn is_before(&self, a: Place, b: Place) -> bool {
        if a.source == b.source {
            return a.offset < b.offset;
        }
        // A known place comes before an unknown one.
        match (self.sources.get(a.source as usize), self.sources.get(b.source as usize)) {
            (Some(a_source), Some(b_source)) => (a_source, a.offset) < (b_source, b.offset),
            (Some(_), None) => true,
            _ => false,
        }
    }

    fn shrink(&mut self) {
        while self.entries.len() > self.limit && self.level < 63 {
            self.level += 1;
            let level = self.level;
            self.entries.retain(|key, _| kept(*key, level));
            self.other_places.retain(|(key, _)| kept(*key, level));
        }
    }
}

fn kept(key: u128, level: u32) -> bool {
    key.leading_zeros() >= level
}
