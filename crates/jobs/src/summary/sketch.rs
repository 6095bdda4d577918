//! Quantiles in bounded memory: numbers are counted in buckets that grow by 2 %, so that a quantile is right within 1 % of
//! its value, whatever the order of the numbers (the idea of the DDSketch of Masson, Rim and Lee, 2019).

use std::collections::BTreeMap;

/// Ratio of neighbouring bucket bounds.
const GROWTH: f64 = 1.02;
/// Numbers nearer to zero than this count as zero.
const SMALLEST: f64 = 1e-12;

/// Counts of numbers by size.
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    negative: BTreeMap<i32, u64>,
    zero: u64,
    positive: BTreeMap<i32, u64>,
}

impl Sketch {
    /// Counts a number; NaN and infinities are not counted.
    pub fn add(&mut self, number: f64) {
        if !number.is_finite() {
            return;
        }
        if number.abs() < SMALLEST {
            self.zero += 1;
        } else if number > 0.0 {
            *self.positive.entry(bucket(number)).or_default() += 1;
        } else {
            *self.negative.entry(bucket(-number)).or_default() += 1;
        }
    }

    /// Adds another sketch.
    pub fn merge(&mut self, other: &Sketch) {
        self.zero += other.zero;
        for (mine, theirs) in [(&mut self.negative, &other.negative), (&mut self.positive, &other.positive)] {
            for (bucket, count) in theirs {
                *mine.entry(*bucket).or_default() += count;
            }
        }
    }

    /// How many numbers were counted.
    pub fn count(&self) -> u64 {
        self.zero + self.negative.values().sum::<u64>() + self.positive.values().sum::<u64>()
    }

    /// The number below which `share` (0 to 1) of the numbers lie; `None` without numbers.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        let rank = (share.clamp(0.0, 1.0) * count.checked_sub(1)? as f64).round() as u64;
        let negative = self.negative.iter().rev().map(|(bucket, count)| (-middle(*bucket), *count));
        let positive = self.positive.iter().map(|(bucket, count)| (middle(*bucket), *count));
        let mut seen = 0;
        negative.chain([(0.0, self.zero)]).chain(positive).find_map(|(number, count)| {
            seen += count;
            (seen > rank).then_some(number)
        })
    }
}

fn bucket(number: f64) -> i32 {
    (number.ln() / GROWTH.ln()).ceil() as i32
}

fn middle(bucket: i32) -> f64 {
    2.0 * GROWTH.powi(bucket) / (1.0 + GROWTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_one_percent() {
        let mut sketch = Sketch::default();
        (1..=10_001).rev().for_each(|number| sketch.add(f64::from(number)));
        for share in [0.05, 0.25, 0.5, 0.95] {
            let exact = 1.0 + share * 10_000.0;
            let found = sketch.quantile(share).unwrap();
            assert!((found - exact).abs() / exact < 0.011, "{share}: {found} for {exact}");
        }
    }

    #[test]
    fn negative_numbers_and_zero_have_their_place() {
        let mut sketch = Sketch::default();
        for number in [-5.0, 0.0, 5.0, f64::NAN] {
            sketch.add(number);
        }
        assert_eq!(sketch.count(), 3);
        assert!(sketch.quantile(0.0).unwrap() < -4.9);
        assert_eq!(sketch.quantile(0.5), Some(0.0));
        assert_eq!(Sketch::default().quantile(0.5), None);
    }
}
