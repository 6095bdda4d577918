//! How many codes of each system were seen, and how many of them found no target.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts for one code system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SystemCoverage {
    /// Codes that found a target.
    pub mapped: u64,
    /// Codes that found none.
    pub unmapped: u64,
}

impl SystemCoverage {
    /// All codes seen.
    pub fn seen(&self) -> u64 {
        self.mapped.saturating_add(self.unmapped)
    }

    /// The share of codes without a target, from 0 to 1; 0 when none was seen.
    pub fn share_unmapped(&self) -> f64 {
        if self.seen() == 0 { 0.0 } else { self.unmapped as f64 / self.seen() as f64 }
    }
}

/// Counts for every code system of a run. Holds no codes. Made per worker and merged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Coverage {
    /// By code system URI; the empty URI stands for codes without a system, `(other)` for all systems beyond the first thousand.
    pub systems: BTreeMap<String, SystemCoverage>,
}

impl Coverage {
    const MOST_SYSTEMS: usize = 1_000;

    /// Counts a code.
    pub fn record(&mut self, system: &str, mapped: bool) {
        let counts = self.of(system);
        if mapped { counts.mapped += 1 } else { counts.unmapped += 1 }
    }

    /// Adds the counts of another run.
    pub fn merge(&mut self, other: &Self) {
        for (system, counts) in &other.systems {
            let own = self.of(system);
            own.mapped = own.mapped.saturating_add(counts.mapped);
            own.unmapped = own.unmapped.saturating_add(counts.unmapped);
        }
    }

    /// All systems together.
    pub fn total(&self) -> SystemCoverage {
        self.systems.values().fold(SystemCoverage::default(), |sum, counts| SystemCoverage {
            mapped: sum.mapped.saturating_add(counts.mapped),
            unmapped: sum.unmapped.saturating_add(counts.unmapped),
        })
    }

    /// The counts of a system; what the input can name without end is bounded.
    fn of(&mut self, system: &str) -> &mut SystemCoverage {
        const OTHER: &str = "(other)";
        let system = if self.systems.contains_key(system) || self.systems.len() < Self::MOST_SYSTEMS { system } else { OTHER };
        self.systems.entry(system.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let mut one = Coverage::default();
        one.record("a", true);
        one.record("a", false);
        let mut other = Coverage::default();
        other.record("a", false);
        other.record("", true);
        one.merge(&other);
        assert_eq!(one.systems["a"], SystemCoverage { mapped: 1, unmapped: 2 });
        assert_eq!(one.total().seen(), 4);
        assert!((one.total().share_unmapped() - 0.5).abs() < 1e-12);
        for number in 0..3000 {
            one.record(&number.to_string(), false);
        }
        assert!(one.systems.len() <= 1001);
        assert_eq!(one.total().seen(), 3004);
    }
}
