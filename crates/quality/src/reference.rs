//! Sets of values that exist elsewhere, for `reference` and `accuracy` checks.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use arrow::array::{Array, ArrayRef};

use crate::{
    columns::{as_text, is_blank},
    error::QualityError,
    keys::{HashBuild, hash_parts},
};

/// The values of a column of another data set, kept as 128-bit hashes (16 bytes a value).
#[derive(Default, Clone)]
pub struct ReferenceSet {
    hashes: HashSet<u128, HashBuild>,
}

impl fmt::Debug for ReferenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReferenceSet({} values)", self.hashes.len())
    }
}

impl ReferenceSet {
    /// Adds one value; blanks around it do not count.
    pub fn insert(&mut self, value: &str) {
        let value = value.trim();
        self.hashes.insert(hash_parts([value]));
        // The second form serves `ignore_case`; the marker keeps the two apart.
        self.hashes.insert(hash_parts(["\u{0}", &value.to_ascii_lowercase()]));
    }

    /// Adds the values of a column; null and blank are left out.
    pub fn insert_array(&mut self, array: &ArrayRef) -> Result<(), QualityError> {
        let texts = as_text(array)?;
        for text in (0..texts.len()).filter(|row| texts.is_valid(*row)).map(|row| texts.value(row)).filter(|text| !is_blank(text)) {
            self.insert(text);
        }
        Ok(())
    }

    /// Whether the value exists.
    pub fn contains(&self, value: &str, ignore_case: bool) -> bool {
        let value = value.trim();
        if !ignore_case {
            return self.hashes.contains(&hash_parts([value]));
        }
        if value.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.hashes.contains(&hash_parts(["\u{0}", &value.to_ascii_lowercase()]));
        }
        self.hashes.contains(&hash_parts(["\u{0}", value]))
    }

    /// Whether nothing was inserted.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for ReferenceSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(values: I) -> Self {
        let mut set = Self::default();
        for value in values {
            set.insert(value);
        }
        set
    }
}

/// Reference sets by the name that specifications use.
pub type ReferenceSets = HashMap<String, Arc<ReferenceSet>>;
