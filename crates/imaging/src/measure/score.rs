//! One number for an image: how usable it looks.
//!
//! Each part is a metric on a scale from 0 (useless) to 1 (as good as it gets), linear or in logarithms between two anchors. The score is 100 times the middle
//! between the weighted mean of the parts that could be computed and the worst of them: what is ruined in one way is not saved by the others. A blank image has
//! 0; pixels that were no number take their share off. It orders images of one kind; it is no statement about a diagnosis.

use crate::metric::{Measured, Metric, Reason};

/// How a metric becomes a part of the score.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) metric: Metric,
    pub(crate) weight: f64,
    /// The value that is worth nothing.
    pub(crate) worst: f64,
    /// The value from which on it is worth everything.
    pub(crate) best: f64,
    /// Whether the scale between is that of logarithms.
    pub(crate) logarithmic: bool,
    /// The modalities whose images it says something of; all where there are none. With `!` before them, all others.
    pub(crate) modalities: &'static [&'static str],
}

/// Where speckle is, what all details show is no noise: [`Metric::NoiseEchoPoor`] is.
const SPECKLED: &[&str] = &["US", "IVUS"];
const NOT_SPECKLED: &[&str] = &["!US", "!IVUS"];
const RECONSTRUCTED: &[&str] = &["MR", "CT", "PT"];
const MAGNETIC: &[&str] = &["MR"];

/// The parts. The artifacts share one weight: the worst of them counts.
pub(crate) const PARTS: [Part; 7] = [
    part(Metric::NoiseWavelet, 0.30, 3.0, 300.0, true, NOT_SPECKLED),
    // Displays of ultrasound show 20 to 40 dB between noise and the brightest echoes.
    part(Metric::NoiseEchoPoor, 0.30, 10.0, 100.0, true, SPECKLED),
    part(Metric::SharpnessRatio, 0.25, 0.05, 1.0, true, NOT_SPECKLED),
    // Of real images of ultrasound it lies between 0.8 and 4.
    part(Metric::SpeckleSharpness, 0.25, 0.10, 1.0, true, SPECKLED),
    part(Metric::CnrTwoPeak, 0.15, 1.0, 20.0, true, &[]),
    part(Metric::SaturationHigh, 0.10, 0.10, 0.001, false, &[]),
    part(Metric::Bias, 0.20, 3.0, 0.10, false, MAGNETIC),
];

/// Weight of the worst artifact.
pub(crate) const ARTIFACT_WEIGHT: f64 = 0.40;

/// The artifacts.
pub(crate) const ARTIFACTS: [Part; 4] = [
    part(Metric::Ghosting, 0.0, 0.30, 0.01, false, MAGNETIC),
    part(Metric::Motion, 0.0, 0.30, 0.01, false, MAGNETIC),
    part(Metric::Spike, 0.0, 0.15, 0.01, false, MAGNETIC),
    part(Metric::Ring, 0.0, 0.10, 0.005, false, RECONSTRUCTED),
];

/// From this share in one bin on an image is blank.
pub(crate) const BLANK: f64 = 0.98;

const fn part(metric: Metric, weight: f64, worst: f64, best: f64, logarithmic: bool, modalities: &'static [&'static str]) -> Part {
    Part { metric, weight, worst, best, logarithmic, modalities }
}

/// A score, and how many parts it has.
pub(crate) struct Score {
    pub(crate) value: Result<f64, Reason>,
    pub(crate) parts: usize,
}

/// The score of what was measured.
pub(crate) fn score(measured: &[Measured], modality: &str) -> Score {
    let value = |metric: Metric| measured[metric as usize].value.ok();
    if value(Metric::Blank).is_some_and(|share| share >= BLANK) {
        return Score { value: Ok(0.0), parts: 1 };
    }
    let says_something = |part: &&Part| {
        let is_excluded = part.modalities.iter().any(|word| word.strip_prefix('!') == Some(modality));
        let is_for_all = part.modalities.iter().all(|word| word.starts_with('!'));
        !is_excluded && (is_for_all || part.modalities.contains(&modality))
    };
    let (mut sum, mut weights, mut parts, mut least) = (0.0, 0.0, 0, 1f64);
    for part in PARTS.iter().filter(says_something) {
        let found = match part.metric {
            Metric::NoiseWavelet | Metric::NoiseEchoPoor => range_to_noise(measured, part.metric),
            Metric::CnrTwoPeak if is_speckled(modality) => speckled_contrast(measured),
            other => value(other),
        };
        if let Some(found) = found {
            let worth = worth(part, found);
            least = least.min(worth);
            sum += part.weight * worth;
            weights += part.weight;
            parts += 1;
        }
    }
    let worst = ARTIFACTS.iter().filter(says_something).filter_map(|part| value(part.metric).map(|found| worth(part, found)));
    if let Some(worst) = worst.reduce(f64::min) {
        least = least.min(worst);
        sum += ARTIFACT_WEIGHT * worst;
        weights += ARTIFACT_WEIGHT;
        parts += 1;
    }
    if weights == 0.0 {
        return Score { value: Err(Reason::TooSmall), parts };
    }
    let replaced = value(Metric::ReplacedShare).unwrap_or(0.0);
    Score { value: Ok(100.0 * f64::midpoint(sum / weights, least) * (1.0 - replaced)), parts }
}

/// Whether images of that modality have speckle. What is not known to be ultrasound has none.
pub(crate) fn is_speckled(modality: &str) -> bool {
    SPECKLED.contains(&modality)
}

/// The range of the image's values, without the outermost hundredth on either side, in parts of the noise.
fn range_to_noise(measured: &[Measured], noise: Metric) -> Option<f64> {
    let value = |metric: Metric| measured[metric as usize].value.ok();
    let noise = value(noise)?;
    let range = value(Metric::P99)? - value(Metric::P01)?;
    (noise > 0.0).then(|| range / noise)
}

/// [`Metric::CnrTwoPeak`] with the noise of echo-poor blocks.
fn speckled_contrast(measured: &[Measured]) -> Option<f64> {
    let value = |metric: Metric| measured[metric as usize].value.ok();
    let noise = value(Metric::NoiseEchoPoor).filter(|noise| *noise > 0.0)?;
    Some(value(Metric::CnrTwoPeak)? * value(Metric::NoiseWavelet)? / noise)
}

/// What a value is worth, from 0 to 1.
fn worth(part: &Part, value: f64) -> f64 {
    let on_scale = |value: f64| if part.logarithmic { value.max(1e-12).ln() } else { value };
    let (worst, best) = (on_scale(part.worst), on_scale(part.best));
    ((on_scale(value) - worst) / (best - worst)).clamp(0.0, 1.0)
}
