//! The reader's options, as a job or a table function states them.

use serde::{Deserialize, Serialize};
use sutura_core::FormatError;

use crate::limits::Limits;

/// Options of the DICOM reader. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Bytes of a file that are held in memory. A larger file is read up to its pixel data; if that does not fit either, it is rejected. Default 64 MiB.
    pub max_record_bytes: usize,
    /// Sequences inside one another; deeper data sets are rejected. Default 128.
    pub max_depth: usize,
    /// Bytes of a deflated data set that are held, unpacked. Of a larger one only what stands before its pixel data is. Default 32 MiB.
    pub max_inflated_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        let limits = Limits::default();
        Self { max_record_bytes: limits.bytes, max_depth: limits.depth, max_inflated_bytes: limits.inflated }
    }
}

/// The names of all options, for suggestions.
const KEYS: [&str; 3] = ["max_record_bytes", "max_depth", "max_inflated_bytes"];

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
        for (key, bytes) in [("max_record_bytes", options.max_record_bytes), ("max_inflated_bytes", options.max_inflated_bytes)] {
            if !(1024..=Limits::MOST_BYTES).contains(&bytes) {
                return Err(bad(key, format!("must be between 1024 and {}", Limits::MOST_BYTES)));
            }
        }
        if !(8..=256).contains(&options.max_depth) {
            return Err(bad("max_depth", "must be between 8 and 256".to_owned()));
        }
        Ok(options)
    }

    /// The bounds on one file.
    pub fn limits(&self) -> Limits {
        Limits { bytes: self.max_record_bytes, depth: self.max_depth, inflated: self.max_inflated_bytes, ..Limits::default() }
    }
}

fn bad(option: &str, reason: String) -> FormatError {
    FormatError::BadOption { format: "dicom", option: option.to_owned(), reason }
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
