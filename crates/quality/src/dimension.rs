//! The dimensions of data quality, their weights, and the words for a score.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A dimension of data quality (after Kahn et al. 2016 and ISO/IEC 25012, in the words of the trade).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// Values that should be there are there.
    Completeness,
    /// Values have the right type, form, code and range.
    Validity,
    /// Values agree with each other: keys are unique, references exist, times are in order, records come once.
    Consistency,
    /// Values arrive soon enough after the event.
    Timeliness,
    /// Values agree with a reference. Never inferred: without a reference it is not measured.
    Accuracy,
}

impl Dimension {
    /// Every dimension, in report order.
    pub const ALL: [Dimension; 5] =
        [Dimension::Completeness, Dimension::Validity, Dimension::Consistency, Dimension::Timeliness, Dimension::Accuracy];

    /// The weight in the overall score: completeness 0.30, validity 0.30, consistency 0.20, timeliness
    /// 0.10, accuracy 0.10. The overall score is the weighted mean over the *measured* dimensions.
    pub fn weight(self) -> f64 {
        match self {
            Dimension::Completeness | Dimension::Validity => 0.30,
            Dimension::Consistency => 0.20,
            Dimension::Timeliness | Dimension::Accuracy => 0.10,
        }
    }

    /// The word used in specifications and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Dimension::Completeness => "completeness",
            Dimension::Validity => "validity",
            Dimension::Consistency => "consistency",
            Dimension::Timeliness => "timeliness",
            Dimension::Accuracy => "accuracy",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A score in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Below 0.70.
    Poor,
    /// From 0.70.
    Acceptable,
    /// From 0.85.
    Good,
    /// From 0.95.
    Excellent,
}

impl Level {
    /// The level of a score between 0 and 1.
    pub fn of(score: f64) -> Self {
        if score >= 0.95 {
            Level::Excellent
        } else if score >= 0.85 {
            Level::Good
        } else if score >= 0.70 {
            Level::Acceptable
        } else {
            Level::Poor
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Poor => "poor",
            Level::Acceptable => "acceptable",
            Level::Good => "good",
            Level::Excellent => "excellent",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_at_their_bounds() {
        for (score, level) in [
            (1.0, Level::Excellent),
            (0.95, Level::Excellent),
            (0.9499, Level::Good),
            (0.85, Level::Good),
            (0.8499, Level::Acceptable),
            (0.70, Level::Acceptable),
            (0.6999, Level::Poor),
            (0.0, Level::Poor),
        ] {
            assert_eq!(Level::of(score), level, "{score}");
        }
    }

    #[test]
    fn weights_sum_to_one() {
        let sum: f64 = Dimension::ALL.into_iter().map(Dimension::weight).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}
