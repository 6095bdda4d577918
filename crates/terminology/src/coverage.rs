//! How many codes of each system were seen, and what the loaded terminology had to say of them.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// What is known of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// A code system of that name is loaded.
    pub loaded: bool,
    /// The code is in it.
    pub known: bool,
    /// A map has a target for it.
    pub translated: bool,
}

/// Counts for one code system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SystemCoverage {
    /// Whether the code system is loaded; without it none of its codes can be known.
    pub loaded: bool,
    /// All codes.
    pub seen: u64,
    /// Codes that the code system has.
    pub known: u64,
    /// Codes that found a target in a map.
    pub translated: u64,
    /// Codes that are neither known nor translated.
    pub unknown: u64,
}

impl SystemCoverage {
    /// The share of codes that are neither known nor translated, from 0 to 1; 0 when none was seen.
    pub fn share_unknown(&self) -> f64 {
        if self.seen == 0 { 0.0 } else { self.unknown as f64 / self.seen as f64 }
    }

    fn count(&mut self, code: Seen) {
        self.loaded |= code.loaded;
        self.seen += 1;
        self.known += u64::from(code.known);
        self.translated += u64::from(code.translated);
        self.unknown += u64::from(!code.known && !code.translated);
    }

    fn add(&mut self, other: &Self) {
        self.loaded |= other.loaded;
        for (own, others) in [
            (&mut self.seen, other.seen),
            (&mut self.known, other.known),
            (&mut self.translated, other.translated),
            (&mut self.unknown, other.unknown),
        ] {
            *own = own.saturating_add(others);
        }
    }
}

/// Counts for every code system of a run. Holds no codes. Made per worker and merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// By code system: its URI, or the name that records have for it; the empty name stands for codes without a system, `(other)` for names that
    /// are no names and for all systems beyond the first 200.
    pub systems: BTreeMap<String, SystemCoverage>,
}

impl Coverage {
    const OTHER: &'static str = "(other)";
    const MOST_SYSTEMS: usize = 200;
    /// Longer ones are not the name of a system.
    const LONGEST_NAME: usize = 200;

    /// Counts a code.
    pub fn record(&mut self, system: &str, code: Seen) {
        self.of(system).count(code);
    }

    /// Adds the counts of another run.
    pub fn merge(&mut self, other: &Self) {
        for (system, counts) in &other.systems {
            self.of(system).add(counts);
        }
    }

    /// The same with all systems that `keep` refuses in one.
    #[must_use]
    pub fn summed(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut sum = Self::default();
        for (system, counts) in &self.systems {
            let system = if keep(system) { system } else { Self::OTHER };
            sum.systems.entry(system.to_owned()).or_default().add(counts);
        }
        sum
    }

    /// All systems together.
    pub fn total(&self) -> SystemCoverage {
        self.systems.values().fold(SystemCoverage::default(), |mut sum, counts| {
            sum.add(counts);
            sum
        })
    }

    /// Whether no code was counted.
    pub fn is_empty(&self) -> bool {
        self.systems.is_empty()
    }

    /// The counts of a system; what the input can name without end is bounded.
    fn of(&mut self, system: &str) -> &mut SystemCoverage {
        // The name is the sender's: what has blanks in it may be anything.
        let is_name = system.len() <= Self::LONGEST_NAME && !system.contains(|letter: char| letter.is_whitespace() || letter.is_control());
        let kept = self.systems.contains_key(system) || is_name && self.systems.len() < Self::MOST_SYSTEMS;
        let system = if kept { system } else { Self::OTHER };
        if !self.systems.contains_key(system) {
            self.systems.insert(system.to_owned(), SystemCoverage::default());
        }
        self.systems.entry(system.to_owned()).or_default()
    }
}

impl Serialize for Coverage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let total = self.total();
        let shown = |name: &str| if name.is_empty() { Cow::Borrowed("(none)") } else { Cow::Owned(name.to_owned()) };
        let systems: BTreeMap<Cow<'_, str>, &SystemCoverage> = self.systems.iter().map(|(name, counts)| (shown(name), counts)).collect();
        let mut out = serializer.serialize_struct("Coverage", 6)?;
        out.serialize_field("seen", &total.seen)?;
        out.serialize_field("known", &total.known)?;
        out.serialize_field("translated", &total.translated)?;
        out.serialize_field("unknown", &total.unknown)?;
        out.serialize_field("share_unknown", &total.share_unknown())?;
        out.serialize_field("systems", &systems)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: Seen = Seen { loaded: false, known: false, translated: false };

    #[test]
    fn counts_add_up() {
        let mut one = Coverage::default();
        one.record("a", Seen { loaded: true, known: true, translated: true });
        one.record("a", Seen { loaded: true, ..UNKNOWN });
        let mut other = Coverage::default();
        other.record("a", UNKNOWN);
        other.record("", Seen { translated: true, ..UNKNOWN });
        one.merge(&other);
        assert_eq!(one.systems["a"], SystemCoverage { loaded: true, seen: 3, known: 1, translated: 1, unknown: 2 });
        assert_eq!(one.total().seen, 4);
        assert!((one.total().share_unknown() - 0.5).abs() < 1e-12);
        assert_eq!(one.summed(|name| name == "a").systems["(other)"].seen, 1);
        let json: serde_json::Value = serde_json::to_value(&one).unwrap();
        assert_eq!((&json["seen"], &json["systems"]["(none)"]["translated"]), (&4.into(), &1.into()));
    }

    #[test]
    fn names_are_bounded_and_texts_are_none() {
        let mut all = Coverage::default();
        for number in 0..3000 {
            all.record(&number.to_string(), UNKNOWN);
        }
        all.record("Jane Doe", UNKNOWN);
        all.record(&"x".repeat(300), UNKNOWN);
        assert!(all.systems.len() <= 201 && !all.systems.contains_key("Jane Doe"));
        assert_eq!(all.total().seen, 3002);
    }
}
