//! The reader's options, as a job or a table function states them.

use serde::{Deserialize, Serialize};
use sutura_core::FormatError;

use crate::limits::Limits;

/// Options of the C-CDA reader. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Documents larger than this many bytes are rejected instead of held in memory. Default 64 MiB.
    pub max_record_bytes: usize,
    /// Elements inside one another; deeper documents are rejected. Default 256.
    pub max_depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        let limits = Limits::default();
        Self { max_record_bytes: limits.bytes, max_depth: limits.depth }
    }
}

/// The names of all options, for suggestions.
const KEYS: [&str; 2] = ["max_record_bytes", "max_depth"];

impl Options {
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
        if !(32..=1024).contains(&options.max_depth) {
            return Err(bad("max_depth", "must be between 32 and 1024".to_owned()));
        }
        Ok(options)
    }

    /// The bounds on one document.
    pub fn limits(&self) -> Limits {
        Limits { bytes: self.max_record_bytes, text: self.max_record_bytes, depth: self.max_depth, ..Limits::default() }
    }
}

fn bad(option: &str, reason: String) -> FormatError {
    FormatError::BadOption { format: "ccda", option: option.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_and_wrong_options_are_refused() {
        assert_eq!(Options::from_json(&serde_json::Value::Null).unwrap(), Options::default());
        assert_eq!(Options::from_json(&json!({ "max_depth": 64 })).unwrap().limits().depth, 64);
        for bad in [json!({"max": 1}), json!({"max_depth": 1}), json!({"max_record_bytes": 1}), json!({"max_depth": "x"}), json!([1])] {
            assert!(Options::from_json(&bad).is_err(), "{bad}");
        }
    }
}
