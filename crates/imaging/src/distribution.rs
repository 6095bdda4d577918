//! The values of an image without their places: each different value with its count.
//!
//! A mask that is a threshold needs no more than this, so most metrics cost a walk over a few thousand values and not over the pixels.

use crate::image::Image;

/// Bins of Otsu's threshold, as scikit-image has them.
const OTSU_BINS: usize = 256;
/// Most different values that whole numbers are counted in a table for.
const MOST_CELLS: f64 = 4_194_304.0;

/// The different values of an image, ascending, each with its count.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    values: Vec<f64>,
    counts: Vec<u64>,
    total: u64,
}

/// Number, mean and spread of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, that of a population (n, not n - 1).
    pub sd: f64,
}

impl Distribution {
    /// The distribution of an image's values.
    pub fn of(image: &Image) -> Self {
        let pixels = image.values();
        let (low, high) = pixels.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
        let (low, high) = (f64::from(low), f64::from(high));
        let cells =
            image.step.map(|step| (high - low) / step + 1.5).filter(|cells| *cells < MOST_CELLS.min(64.0 * pixels.len() as f64 + 65536.0));
        match (cells, image.step) {
            (Some(cells), Some(step)) => Self::counted(pixels, low, step, cells as usize),
            _ => Self::sorted(pixels),
        }
    }

    fn counted(pixels: &[f32], low: f64, step: f64, cells: usize) -> Self {
        let mut table = vec![0u32; cells.max(1)];
        let mut shown = vec![0f32; cells.max(1)];
        let last = table.len() - 1;
        if step == 1.0 {
            let low = low as f32;
            for value in pixels {
                let cell = ((*value - low) as usize).min(last);
                table[cell] += 1;
                shown[cell] = *value;
            }
        } else {
            let per = 1.0 / step;
            for value in pixels {
                let cell = (((f64::from(*value) - low) * per + 0.5) as usize).min(last);
                table[cell] += 1;
                shown[cell] = *value;
            }
        }
        let (values, counts) =
            table.iter().zip(&shown).filter(|(count, _)| **count > 0).map(|(count, value)| (f64::from(*value), u64::from(*count))).unzip();
        Self { values, counts, total: pixels.len() as u64 }
    }

    fn sorted(pixels: &[f32]) -> Self {
        let mut all = pixels.to_vec();
        all.sort_unstable_by(f32::total_cmp);
        let (mut values, mut counts): (Vec<f64>, Vec<u64>) = (Vec::new(), Vec::new());
        for value in all {
            let value = f64::from(value);
            match (values.last(), counts.last_mut()) {
                (Some(last), Some(count)) if *last == value => *count += 1,
                _ => {
                    values.push(value);
                    counts.push(1);
                }
            }
        }
        Self { values, counts, total: pixels.len() as u64 }
    }

    /// How many pixels there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The different values, ascending.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// How many pixels have each.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The least value.
    pub fn least(&self) -> f64 {
        self.values.first().copied().unwrap_or(0.0)
    }

    /// The greatest value.
    pub fn greatest(&self) -> f64 {
        self.values.last().copied().unwrap_or(0.0)
    }

    /// The values above a threshold, and the others.
    pub fn split(&self, threshold: f64) -> (Part<'_>, Part<'_>) {
        self.all().split_at(threshold)
    }

    /// All values.
    pub fn all(&self) -> Part<'_> {
        Part { values: &self.values, counts: &self.counts }
    }

    /// Counts in equal bins from the least to the greatest value, as NumPy's `histogram`: the last bin holds its upper edge. One bin if all are alike.
    pub fn histogram(&self, bins: usize) -> Histogram {
        self.all().histogram(bins)
    }
}

/// Counts of values in equal bins.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// The counts.
    pub counts: Vec<u64>,
}

/// Some of the different values, ascending.
#[derive(Debug, Clone, Copy)]
pub struct Part<'d> {
    values: &'d [f64],
    counts: &'d [u64],
}

impl<'d> Part<'d> {
    fn pairs(self) -> impl DoubleEndedIterator<Item = (f64, u64)> + 'd {
        self.values.iter().copied().zip(self.counts.iter().copied())
    }

    /// How many pixels.
    pub fn count(self) -> u64 {
        self.counts.iter().sum()
    }

    /// Number, mean and standard deviation; `None` where there are no pixels.
    pub fn moments(self) -> Option<Moments> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let mean = self.pairs().map(|(value, times)| value * times as f64).sum::<f64>() / count as f64;
        let squares = self.pairs().map(|(value, times)| (value - mean).powi(2) * times as f64).sum::<f64>();
        Some(Moments { count, mean, sd: (squares / count as f64).sqrt() })
    }

    /// The sum of a function of each pixel.
    pub fn sum(self, of: impl Fn(f64) -> f64) -> f64 {
        self.pairs().map(|(value, times)| of(value) * times as f64).sum()
    }

    /// The value below which a share of the pixels lies, between values in proportion (NumPy's default).
    pub fn quantile(self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let place = share.clamp(0.0, 1.0) * (count - 1) as f64;
        let (below, between) = (place.floor(), place.fract());
        let low = self.ranked(below as u64)?;
        if between == 0.0 {
            return Some(low);
        }
        let high = self.ranked(below as u64 + 1)?;
        Some(low + (high - low) * between)
    }

    /// The pixels above a threshold, and the others.
    pub fn split_at(self, threshold: f64) -> (Self, Self) {
        let at = self.values.partition_point(|value| *value <= threshold);
        let part = |range: std::ops::Range<usize>| Part { values: &self.values[range.clone()], counts: &self.counts[range] };
        (part(at..self.values.len()), part(0..at))
    }

    /// The median of a function that grows with the value: between the two middle pixels, the mean of both.
    pub fn median_of(self, of: impl Fn(f64) -> f64) -> Option<f64> {
        let count = self.count();
        let upper = of(self.ranked(count / 2)?);
        if count % 2 == 1 {
            return Some(upper);
        }
        Some(f64::midpoint(of(self.ranked(count / 2 - 1)?), upper))
    }

    /// The median.
    pub fn median(self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// The value of that rank, from 0.
    fn ranked(self, rank: u64) -> Option<f64> {
        let mut seen = 0;
        self.pairs().find_map(|(value, times)| {
            seen += times;
            (seen > rank).then_some(value)
        })
    }

    /// As [`Distribution::histogram`].
    pub fn histogram(self, bins: usize) -> Histogram {
        let (Some(low), Some(high)) = (self.values.first().copied(), self.values.last().copied()) else { return Histogram::default() };
        if low >= high || bins < 2 {
            return Histogram { low, high, counts: vec![self.count()] };
        }
        let edge = |bin: usize| low + (high - low) / bins as f64 * bin as f64;
        let mut counts = vec![0; bins];
        for (value, times) in self.pairs() {
            let mut bin = (((value - low) / (high - low) * bins as f64) as usize).min(bins - 1);
            if bin > 0 && value < edge(bin) {
                bin -= 1;
            } else if bin + 1 < bins && value >= edge(bin + 1) {
                bin += 1;
            }
            counts[bin] += times;
        }
        Histogram { low, high, counts }
    }

    /// Otsu's threshold over 256 bins: the middle of the bin that splits the values into the two classes furthest apart. Values above it are the brighter
    /// class. `None` where all values are alike.
    ///
    /// N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. Syst. Man Cybern. 9 (1979); bins and ties as scikit-image.
    pub fn otsu(self) -> Option<f64> {
        let Histogram { low, high, counts } = self.histogram(OTSU_BINS);
        if counts.len() < 2 {
            return None;
        }
        let width = (high - low) / counts.len() as f64;
        let edge = |bin: usize| if bin == counts.len() { high } else { low + width * bin as f64 };
        let centre = |bin: usize| f64::midpoint(edge(bin), edge(bin + 1));
        // The sums are made in the order of the reference: bins of no pixels must be ties to the last bit.
        let mut upper = vec![(0.0, 0.0); counts.len()];
        let (mut weight, mut sum) = (0.0, 0.0);
        for bin in (0..counts.len()).rev() {
            weight += counts[bin] as f64;
            sum += counts[bin] as f64 * centre(bin);
            upper[bin] = (weight, sum / weight);
        }
        let (mut weight, mut sum) = (0.0, 0.0);
        let mut best = (f64::NEG_INFINITY, 0);
        for bin in 0..counts.len() - 1 {
            weight += counts[bin] as f64;
            sum += counts[bin] as f64 * centre(bin);
            let (other, other_mean) = upper[bin + 1];
            let between = weight * other * (sum / weight - other_mean).powi(2);
            if between > best.0 {
                best = (between, bin);
            }
        }
        Some(centre(best.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(values: &[f32]) -> Image {
        Image::new(1, values.len(), values.to_vec()).unwrap()
    }

    #[test]
    fn quantiles_are_between_values() {
        let distribution = Distribution::of(&image(&[4.0, 1.0, 3.0, 2.0]));
        assert_eq!(distribution.all().median(), Some(2.5));
        assert_eq!(distribution.all().quantile(0.0), Some(1.0));
        assert_eq!(distribution.all().quantile(1.0), Some(4.0));
        assert!((distribution.all().quantile(0.9).unwrap() - 3.7).abs() < 1e-12);
        let moments = distribution.all().moments().unwrap();
        assert_eq!((moments.count, moments.mean, moments.sd), (4, 2.5, 1.25f64.sqrt()));
    }

    #[test]
    fn counting_and_sorting_agree() {
        let mut image = image(&[-3.0, 5.0, 5.0, 0.0, 7.0, -3.0]);
        let sorted = Distribution::of(&image);
        image.step = Some(1.0);
        assert_eq!(Distribution::of(&image), sorted);
    }

    #[test]
    fn two_classes_are_split_between_them() {
        let distribution = Distribution::of(&image(&[1.0, 1.0, 1.0, 100.0, 101.0, 1.0]));
        let threshold = distribution.all().otsu().unwrap();
        let (above, below) = distribution.split(threshold);
        assert_eq!((above.count(), below.count()), (2, 4));
        assert_eq!(Distribution::of(&image(&[7.0, 7.0])).all().otsu(), None);
    }

    #[test]
    fn the_last_bin_holds_its_edge() {
        let histogram = Distribution::of(&image(&[0.0, 1.0, 2.0, 3.0, 4.0])).histogram(2);
        assert_eq!(histogram.counts, [2, 3]);
    }
}
