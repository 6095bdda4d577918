//! What every output says about the sources, known when they were read to their ends: counts and hashes.
//!
//! Names of files are left out: a name can identify a person, and outputs travel.

use std::collections::BTreeMap;

use sutura_core::{ReadStats, Sha256Hash};
use sutura_engine::pass::FileAccount;

/// Most hashes of single files in a footer; the combined hash covers any number, and the job's `manifest.json` lists all.
const LISTED_HASHES: usize = 1000;

/// The facts, for footers and manifests. `sources` names every source of the job: one without files says so.
pub(crate) fn source_facts<'a>(sources: impl IntoIterator<Item = &'a str>, files: &[FileAccount]) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut totals = ReadStats::default();
    for source in sources {
        let prefix = format!("sutura.source.{source}");
        let mut stats = ReadStats::default();
        let mut hashes = Vec::new();
        let (mut count, mut bytes) = (0_u64, 0);
        for file in files.iter().filter(|file| file.source == source) {
            count += 1;
            bytes += file.size;
            stats.merge(&file.stats);
            hashes.extend(file.sha256.map(|hash| hash.to_string()));
        }
        hashes.sort_unstable();
        totals.merge(&stats);
        facts.insert(format!("{prefix}.files"), count.to_string());
        facts.insert(format!("{prefix}.bytes"), bytes.to_string());
        add_counts(&mut facts, &prefix, &stats);
        // Objects that were read in parts, and damaged archives, have none.
        facts.insert(format!("{prefix}.files_hashed"), hashes.len().to_string());
        facts.insert(format!("{prefix}.sha256"), combined(&hashes));
        if hashes.len() <= LISTED_HASHES {
            facts.insert(format!("{prefix}.file_sha256"), hashes.join(" "));
        }
    }
    add_counts(&mut facts, "sutura", &totals);
    facts
}

fn add_counts(facts: &mut BTreeMap<String, String>, prefix: &str, stats: &ReadStats) {
    for (name, count) in [("in", stats.records), ("accepted", stats.accepted), ("rejected", stats.rejected)] {
        facts.insert(format!("{prefix}.records.{name}"), count.to_string());
    }
}

/// One hash for all files: SHA-256 over their hashes, sorted, hexadecimal, a line each (`sort hashes | sha256sum`).
fn combined(hashes: &[String]) -> String {
    let lines: String = hashes.iter().flat_map(|hash| [hash.as_str(), "\n"]).collect();
    Sha256Hash::of(lines.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_without_files_says_so() {
        let facts = source_facts(["feed"], &[]);
        assert_eq!(facts["sutura.source.feed.files"], "0");
        assert_eq!(facts["sutura.records.in"], "0");
        assert_eq!(facts["sutura.source.feed.sha256"], Sha256Hash::of(b"").to_string());
    }

    #[test]
    fn the_combined_hash_is_that_of_the_lines() {
        assert_eq!(combined(&["ab".into(), "cd".into()]), Sha256Hash::of(b"ab\ncd\n").to_string());
    }
}
