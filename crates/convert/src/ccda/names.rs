//! Names of elements as an account and a finding may show them.
//!
//! Whoever writes a document can put anything into the name of an element, a patient's number too. Only names that the standard has are
//! shown.

use std::{collections::HashSet, hash::BuildHasherDefault, sync::LazyLock};

use sutura_ccda::Element;

use crate::hash::FastHasher;

static NAMES: LazyLock<HashSet<&'static str, BuildHasherDefault<FastHasher>>> = LazyLock::new(|| {
    let lines = include_str!("../../data/ccda-elements.txt").lines();
    lines.filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
});

/// What an element is called whose name is the sender's own.
pub(super) const OTHER: &str = "other element";

/// The name of the element, if CDA R2 or its SDTC extensions have it.
pub(super) fn shown(element: Element<'_>) -> &'static str {
    NAMES.get(element.name()).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_standard_and_no_others() {
        for name in ["ClinicalDocument", "effectiveTime", "multipleBirthInd", "streetAddressLine", "td"] {
            assert!(NAMES.contains(name), "{name}");
        }
        assert!(!NAMES.contains("JaneDoe"));
        assert!(NAMES.len() > 200);
    }
}
