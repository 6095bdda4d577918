//! ZIP codes by the 2020 list of prefixes that hold more than 20,000 people (45 CFR 164.514(b)(2)(i)(B)).
//!
//! It is a list of what may stay, not of what must go: a prefix that is unknown, unassigned, military
//! or has only post boxes has no counted residents and becomes `000`. A column does not say its
//! country: a foreign five-digit code is read as a ZIP code, so drop the column where feeds mix countries.

use std::sync::LazyLock;

const LIST: &str = include_str!("../data/zip3-allowed-2020.txt");

static ALLOWED: LazyLock<[bool; 1000]> = LazyLock::new(|| {
    let mut allowed = [false; 1000];
    let words = LIST.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_ascii_whitespace);
    for word in words {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            allowed[first.min(1000)..(last + 1).min(1000)].fill(true);
        }
    }
    allowed
});

/// What stands for a ZIP code that may not be shown.
pub const NO_ZIP3: &str = "000";

/// The first three digits of a ZIP code (`02139`, `02139-4307`, `021394307`, `021`) where they may
/// stay, else `000`.
pub fn zip3(zip: &str) -> &str {
    let zip = zip.trim();
    let Some(prefix) = zip.get(..3) else { return NO_ZIP3 };
    let mut digits = 0;
    for (place, byte) in zip.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'-' | b' ' if place == 5 => {}
            _ => return NO_ZIP3,
        }
    }
    if !matches!(digits, 3 | 5 | 9) || zip.len() > 10 {
        return NO_ZIP3;
    }
    match prefix.parse::<usize>() {
        Ok(number) if ALLOWED[number] => prefix,
        _ => NO_ZIP3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_876_prefixes() {
        assert_eq!(ALLOWED.iter().filter(|allowed| **allowed).count(), 876);
        for prefix in [0, 36, 59, 102, 202, 203, 204, 205, 369, 556, 692, 753, 772, 821, 823, 878, 879, 884, 893, 555, 962, 999 - 12] {
            assert!(!ALLOWED[prefix], "{prefix:03} must not be shown");
        }
    }

    #[test]
    fn only_allowed_prefixes_stay() {
        for (zip, shown) in [
            ("02139", "021"),
            (" 02139-4307 ", "021"),
            ("02139 4307", "021"),
            ("021394307", "021"),
            ("021", "021"),
            ("03601", "000"),
            ("00000", "000"),
            ("96201", "000"),
            ("SW1A 1AA", "000"),
            ("K1A 0B1", "000"),
            ("1234", "000"),
            ("1234567", "000"),
            ("02139-", "021"),
            ("021-39", "000"),
            ("", "000"),
            ("日本語", "000"),
            ("0é139", "000"),
        ] {
            assert_eq!(zip3(zip), shown, "{zip}");
        }
    }

    #[test]
    fn every_prefix_agrees_with_the_census_table() {
        let folder = std::env::var("SUTURA_TEST_DATA")
            .map_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into(), std::path::PathBuf::from);
        let Ok(table) = std::fs::read_to_string(folder.join("deid/rules/zip3-population-2020.csv")) else {
            eprintln!("SKIPPED: test data not found: deid/rules/zip3-population-2020.csv");
            return;
        };
        let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 1000);
        for row in rows {
            let shown = if row[3] == "keep" { row[0] } else { NO_ZIP3 };
            assert_eq!(zip3(&format!("{}99", row[0])), shown, "prefix {}", row[0]);
        }
    }
}
