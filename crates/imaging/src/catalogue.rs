//! All images of a catalogue summed up: each metric by modality.

use std::collections::BTreeMap;

use crate::{
    measure::ImageReport,
    metric::{DEFINITIONS, Metric},
};

/// Values that a summary keeps for its percentiles.
const KEPT: usize = 4096;

/// Count, mean, spread, ends and percentiles of some values.
///
/// All but the percentiles are exact for any number of values; these are exact up to 4,096 values, and of a random sample of 4,096 beyond.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    count: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
    kept: Vec<f64>,
}

impl Summary {
    /// Takes in a value; what is no finite number does not count.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if self.kept.len() < KEPT {
            self.kept.push(value);
            return;
        }
        // Each value so far is kept with the same chance. The draw depends on the count alone: the same images give the same summary.
        let place = mixed(self.count) % self.count;
        if let Some(kept) = self.kept.get_mut(place as usize) {
            *kept = value;
        }
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0 && self.mean.is_finite()).then_some(self.mean)
    }

    /// Their standard deviation, that of a sample: of two values or more.
    pub fn sd(&self) -> Option<f64> {
        let variance = self.squares / (self.count.max(2) - 1) as f64;
        (self.count > 1 && variance.is_finite()).then(|| variance.max(0.0).sqrt())
    }

    /// The least.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The value below which a share of them lies, between values in proportion.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut kept = self.kept.clone();
        kept.sort_unstable_by(f64::total_cmp);
        let last = kept.len().checked_sub(1)?;
        let place = share.clamp(0.0, 1.0) * last as f64;
        let (low, high) = (kept[place.floor() as usize], kept[place.ceil() as usize]);
        Some(low + (high - low) * place.fract())
    }

    /// The values that are kept: all up to 4,096, a sample of more.
    pub fn values(&self) -> &[f64] {
        &self.kept
    }
}

/// A number that looks random: the finaliser of SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Most modalities that are told apart; a code string is what the sender likes.
const MOST_MODALITIES: usize = 64;
/// What further ones are counted under.
const OTHER: &str = "OTHER";

/// Statistics of all images by modality.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    modalities: BTreeMap<String, Vec<Summary>>,
}

impl Catalogue {
    /// Takes in an image.
    pub fn push(&mut self, modality: &str, report: &ImageReport) {
        let is_new = !self.modalities.contains_key(modality);
        let modality = if is_new && self.modalities.len() >= MOST_MODALITIES { OTHER } else { modality };
        let metrics = self.modalities.entry(modality.to_owned()).or_insert_with(|| vec![Summary::default(); DEFINITIONS.len()]);
        for (summary, measured) in metrics.iter_mut().zip(report.metrics()) {
            if let Ok(value) = measured.value {
                summary.push(value);
            }
        }
    }

    /// The modalities, in alphabetical order, each with the summaries of all metrics in their order.
    pub fn modalities(&self) -> impl Iterator<Item = (&str, &[Summary])> {
        self.modalities.iter().map(|(modality, metrics)| (modality.as_str(), metrics.as_slice()))
    }

    /// The summary of a metric of a modality.
    pub fn summary(&self, modality: &str, metric: Metric) -> Option<&Summary> {
        self.modalities.get(modality)?.get(metric as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_exact_for_few_and_near_for_many() {
        let mut few = Summary::default();
        for value in [4.0, 1.0, f64::NAN, 3.0, 2.0] {
            few.push(value);
        }
        assert_eq!((few.count(), few.mean(), few.min(), few.max()), (4, Some(2.5), Some(1.0), Some(4.0)));
        assert_eq!((few.quantile(0.5), few.quantile(0.25)), (Some(2.5), Some(1.75)));
        assert!((few.sd().unwrap() - 1.2909944).abs() < 1e-6);
        let mut many = Summary::default();
        (0..100_000).for_each(|value| many.push(f64::from(value)));
        assert_eq!(many.values().len(), KEPT);
        assert!((many.quantile(0.5).unwrap() - 50_000.0).abs() < 2500.0);
        assert_eq!(Summary::default().quantile(0.5), None);
        assert_eq!((Summary::default().mean(), Summary::default().sd()), (None, None));
    }
}
