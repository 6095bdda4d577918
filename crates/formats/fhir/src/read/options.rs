//! The reader's options, as a job or a table function states them.

use serde::{Deserialize, Serialize};
use sutura_core::FormatError;

use crate::json::Limits;

/// Options of the FHIR reader. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Resources, and lines, larger than this many bytes are rejected instead of held in memory. Default 64 MiB.
    pub max_record_bytes: usize,
    /// Objects and arrays inside one another; deeper resources are rejected. Default 64.
    pub max_depth: u16,
    /// What a Bundle becomes. Default its entries.
    pub bundles: Bundles,
}

/// What a Bundle becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bundles {
    /// The resource of each entry is a record.
    #[default]
    Entries,
    /// The Bundle is one record, as a resource of another type is. One larger than [`Options::WHOLE_BUNDLE`] or `max_record_bytes`,
    /// or cut off by the end of the file, is read by its entries, and counted as the finding `bundle-not-whole`.
    Whole,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_record_bytes: 64 << 20, max_depth: 64, bundles: Bundles::Entries }
    }
}

/// The names of all options, for suggestions.
const KEYS: [&str; 3] = ["max_record_bytes", "max_depth", "bundles"];

impl Options {
    /// The largest Bundle that is one record, in bytes: it is a document whose values have to fit into the reader's bounds.
    pub const WHOLE_BUNDLE: usize = 32 << 20;

    /// Reads options from JSON; null means the defaults.
    ///
    /// # Errors
    /// When a key is unknown or a value out of its range.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, FormatError> {
        if value.is_null() {
            return Ok(Self::default());
        }
        let unknown = value.as_object().and_then(|map| map.keys().find(|key| !KEYS.contains(&key.as_str())));
        if let Some(key) = unknown {
            return Err(bad(key, format!("unknown option; there are {}", KEYS.join(", "))));
        }
        let options: Self = serde_json::from_value(value.clone()).map_err(|error| bad("(value)", error.to_string()))?;
        if !(1024..=Limits::MOST_BYTES).contains(&options.max_record_bytes) {
            return Err(bad("max_record_bytes", format!("must be between 1024 and {}", Limits::MOST_BYTES)));
        }
        if !(8..=1024).contains(&options.max_depth) {
            return Err(bad("max_depth", "must be between 8 and 1024".to_owned()));
        }
        Ok(options)
    }

    /// Up to how many bytes a Bundle is one record; none if it never is.
    pub(super) fn whole_bundle(&self) -> Option<usize> {
        (self.bundles == Bundles::Whole).then(|| self.most_of_bundle())
    }

    /// Up to how many bytes a Bundle can be held whole.
    pub(super) fn most_of_bundle(&self) -> usize {
        self.max_record_bytes.min(Self::WHOLE_BUNDLE)
    }

    /// The bounds on one document. A value takes two bytes at least, most take many more.
    pub(crate) fn limits(&self) -> Limits {
        Limits { depth: self.max_depth, bytes: self.max_record_bytes, ..Limits::default() }
    }
}

fn bad(option: &str, reason: String) -> FormatError {
    FormatError::BadOption { format: "fhir", option: option.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_and_wrong_options_are_refused() {
        assert_eq!(Options::from_json(&serde_json::Value::Null).unwrap(), Options::default());
        assert_eq!(Options::from_json(&json!({ "max_depth": 9 })).unwrap().max_depth, 9);
        assert_eq!(Options::from_json(&json!({ "bundles": "whole" })).unwrap().bundles, Bundles::Whole);
        assert!(Options::from_json(&json!({ "bundles": "half" })).is_err());
        for bad in [json!({"depth": 1}), json!({"max_depth": 1}), json!({"max_record_bytes": "many"}), json!({"max_record_bytes": 10})] {
            assert!(Options::from_json(&bad).is_err(), "{bad}");
        }
    }
}
