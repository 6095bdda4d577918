//! What becomes of an image whose quality is too low: limits for each modality, and the worst outcome that one of them asks for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    measure::{ImageReport, score::BLANK},
    metric::Metric,
};

/// What becomes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It goes on.
    Pass,
    /// It goes on, and the report says so.
    Warn,
    /// It is put aside.
    Quarantine,
    /// The run ends.
    Stop,
}

impl Outcome {
    /// The word of jobs and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Quarantine => "quarantine",
            Self::Stop => "stop",
        }
    }
}

/// A limit: the outcome of images whose metric is below or above a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The metric. Default: `score`.
    #[serde(default = "score")]
    pub metric: String,
    /// Values below this are too low.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Values above this are too high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Whether an image of which the metric cannot be computed is treated as too low. Default: no.
    #[serde(default)]
    pub missing: bool,
    /// What becomes of such images: `warn`, `quarantine` or `stop`.
    pub outcome: Outcome,
}

fn score() -> String {
    Metric::Score.name().to_owned()
}

/// Limits for all modalities and for single ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageGate {
    /// Limits for modalities that have none of their own.
    #[serde(default)]
    pub limits: Vec<Limit>,
    /// Limits by modality (`CT`, `MR`, ...), in place of those for all.
    #[serde(default)]
    pub modality: BTreeMap<String, Vec<Limit>>,
}

impl Default for ImageGate {
    /// A score below 50 warns, one below 25 puts the image aside; so does an image of one value.
    fn default() -> Self {
        let limit =
            |metric: Metric, below, above, outcome| Limit { metric: metric.name().to_owned(), below, above, missing: false, outcome };
        let limits = vec![
            limit(Metric::Score, Some(50.0), None, Outcome::Warn),
            limit(Metric::Score, Some(25.0), None, Outcome::Quarantine),
            limit(Metric::Blank, None, Some(BLANK), Outcome::Quarantine),
        ];
        Self { limits, modality: BTreeMap::new() }
    }
}

/// A limit that an image went beyond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// The metric.
    pub metric: Metric,
    /// Its value; `None` if it could not be computed.
    pub value: Option<f64>,
    /// The number that it is beyond.
    pub limit: Option<f64>,
    /// What the limit asks for.
    pub outcome: Outcome,
}

/// What a gate says of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The worst outcome.
    pub outcome: Outcome,
    /// Every limit that the image went beyond.
    pub breaches: Vec<Breach>,
}

impl ImageGate {
    /// What is wrong with the limits, in words: metrics that are none, limits without a number.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let named = self.modality.iter().flat_map(|(modality, limits)| limits.iter().map(move |limit| (modality.as_str(), limit)));
        for (modality, limit) in self.limits.iter().map(|limit| ("all modalities", limit)).chain(named) {
            if Metric::named(&limit.metric).is_none() {
                let near = nearest(&limit.metric);
                problems.push(format!("{modality}: there is no metric {:?}; did you mean {near:?}?", limit.metric));
            }
            let numbers = [limit.below, limit.above];
            if numbers.iter().flatten().any(|number| !number.is_finite()) {
                problems.push(format!("{modality}: the limit of {} is no finite number", limit.metric));
            } else if numbers.iter().all(Option::is_none) && !limit.missing {
                problems.push(format!("{modality}: the limit of {} has no number; give `below` or `above`", limit.metric));
            }
        }
        problems
    }

    /// What becomes of an image.
    pub fn judge(&self, modality: &str, report: &ImageReport) -> Verdict {
        let limits = self.modality.get(modality).unwrap_or(&self.limits);
        let breaches: Vec<Breach> = limits.iter().filter_map(|limit| breach(limit, report)).collect();
        let outcome = breaches.iter().map(|breach| breach.outcome).max().unwrap_or(Outcome::Pass);
        Verdict { outcome, breaches }
    }
}

fn breach(limit: &Limit, report: &ImageReport) -> Option<Breach> {
    let metric = Metric::named(&limit.metric)?;
    let value = report.value(metric);
    let number = match value {
        None => return limit.missing.then_some(Breach { metric, value, limit: None, outcome: limit.outcome }),
        Some(value) => limit.below.filter(|least| value < *least).or(limit.above.filter(|most| value > *most))?,
    };
    Some(Breach { metric, value, limit: Some(number), outcome: limit.outcome })
}

/// The metric whose name is nearest to a word.
fn nearest(word: &str) -> &'static str {
    let shared = |name: &str| word.chars().zip(name.chars()).take_while(|(first, second)| first == second).count();
    Metric::all().map(Metric::name).max_by_key(|name| (shared(name), usize::MAX - name.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, MeasureOptions, Measurer};

    fn report(values: Vec<f32>) -> ImageReport {
        Measurer::new(MeasureOptions::default()).measure(&Image::new(16, 16, values).unwrap(), "CT")
    }

    #[test]
    fn the_worst_outcome_counts() {
        let blank = report(vec![0.0; 256]);
        let verdict = ImageGate::default().judge("CT", &blank);
        assert_eq!((verdict.outcome, verdict.breaches.len()), (Outcome::Quarantine, 3));
        let gate: ImageGate = serde_json::from_str(
            r#"{"limits": [{"below": 101, "outcome": "warn"}], "modality": {"CT": [{"metric": "mean", "above": -1, "outcome": "stop"}], "US": []}}"#,
        )
        .unwrap();
        assert!(gate.problems().is_empty());
        assert_eq!(gate.judge("CT", &blank).outcome, Outcome::Stop);
        assert_eq!(gate.judge("MR", &blank).outcome, Outcome::Warn);
        assert_eq!(gate.judge("US", &blank).outcome, Outcome::Pass);
    }

    #[test]
    fn what_is_not_known_is_a_problem() {
        let gate: ImageGate = serde_json::from_str(r#"{"limits": [{"metric": "snr_tisue", "outcome": "warn"}]}"#).unwrap();
        let problems = gate.problems();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("snr_tissue"));
        assert!(serde_json::from_str::<ImageGate>(r#"{"limit": []}"#).is_err());
    }

    #[test]
    fn a_missing_value_counts_if_it_is_asked_to() {
        let gate = |missing| ImageGate {
            limits: vec![Limit { metric: "snr_tissue".into(), below: Some(1.0), above: None, missing, outcome: Outcome::Stop }],
            modality: BTreeMap::new(),
        };
        let blank = report(vec![7.0; 256]);
        assert_eq!(gate(false).judge("", &blank).outcome, Outcome::Pass);
        assert_eq!(gate(true).judge("", &blank).outcome, Outcome::Stop);
    }
}
