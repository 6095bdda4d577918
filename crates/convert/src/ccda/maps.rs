//! The code maps: those of the guide, and ours in the same form for what the guide leaves open.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::LazyLock};

use crate::hash::FastHasher;

/// Made by `tools/derive-ccda-to-fhir`.
const GUIDE: &str = include_str!("../../data/ccda-codes.tsv");
/// Kept by hand.
const OWN: &str = include_str!("../../data/ccda-own.tsv");

/// The code of FHIR by map and code of C-CDA.
type Maps = HashMap<(&'static str, &'static str), &'static str, BuildHasherDefault<FastHasher>>;

static MAPS: LazyLock<Maps> = LazyLock::new(|| {
    let rows = GUIDE.lines().chain(OWN.lines()).filter(|line| !line.starts_with('#'));
    let mut maps = Maps::default();
    for row in rows {
        let mut parts = row.split('\t');
        if let (Some(map), Some(code), Some(target)) = (parts.next(), parts.next(), parts.next()) {
            // The guide comes first and wins.
            maps.entry((map, code)).or_insert(target);
        }
    }
    maps
});

/// The code of FHIR for a code of C-CDA; none if the map has none.
pub(super) fn map(map: &str, code: &str) -> Option<&'static str> {
    MAPS.get(&(map, code.trim())).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_guide_and_ours() {
        assert_eq!(map("AdministrativeGender", "F"), Some("female"));
        assert_eq!(map("NameUse", "L"), Some("usual"));
        assert_eq!(map("ObservationStatus", "completed"), Some("final"));
        assert_eq!(map("AllergyStatus", "55561003"), Some("active"));
        assert_eq!(map("AllergyIntoleranceCriticality", "CRITH"), Some("high"));
        assert_eq!(map("AddressUse", "HP"), Some("home"));
        assert_eq!(map("AddressUse", "??"), None);
    }

    #[test]
    fn every_row_has_three_parts_and_stands_once() {
        let mut seen = std::collections::HashSet::new();
        for row in OWN.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(row.split('\t').count(), 3, "{row}");
            assert!(seen.insert(row), "{row}");
        }
    }
}
