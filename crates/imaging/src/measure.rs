//! Measuring an image: every metric with its value, or the reason why it has none.

mod artifacts;
mod kernels;
pub(crate) mod score;
mod speckle;
mod uniformity;

use sutura_dicom::{
    DicomFile,
    pixels::{FrameMap, PixelDescription, PixelError, decode},
};

use crate::{
    burned,
    distribution::{Distribution, Histogram},
    error::ImagingError,
    image::{Image, Rescale},
    key::{is_no_picture, modality},
    mask::Regions,
    metric::{DEFINITIONS, Measured, Metric, Reason},
    spectrum::{Spectrum, Transformer},
};
use artifacts::{Air, Axis};

/// Bins of the histogram that a report keeps.
const HISTOGRAM_BINS: usize = 256;
/// The ratio of the deviation of air, which is Rayleigh distributed, to that of the noise.
const RAYLEIGH: f64 = 0.655_136_377_562_033_2;
/// Noise in parts of the mean gradient: below it is what rounding leaves.
const ROUNDING: f64 = 1e-6;
/// MRIQC: an air whose deviation or energy is less than this is none.
const LEAST_AIR: f64 = 1e-3;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasureOptions {
    /// Whether to look for burned-in text. Default yes.
    pub text: bool,
    /// Whether to look at spatial frequencies. Default yes.
    pub spectrum: bool,
    /// Whether to look for artifacts. Default yes.
    pub artifacts: bool,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self { text: true, spectrum: true, artifacts: true }
    }
}

/// What was measured of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageReport {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// The UCUM unit of the image's numbers.
    pub unit: &'static str,
    /// 256 bins from the least to the greatest value.
    pub histogram: Histogram,
    measured: Vec<Measured>,
}

impl ImageReport {
    /// All metrics, in the order of [`Metric`].
    pub fn metrics(&self) -> &[Measured] {
        &self.measured
    }

    /// One metric.
    pub fn get(&self, metric: Metric) -> &Measured {
        &self.measured[metric as usize]
    }

    /// The value of a metric, if it has one.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.get(metric).value.ok()
    }
}

/// Measures images; keeps what it worked out for their size. One for each thread.
#[derive(Debug, Default)]
pub struct Measurer {
    options: MeasureOptions,
    transformer: Transformer,
}

impl Measurer {
    /// Measures what the options say.
    pub fn new(options: MeasureOptions) -> Self {
        Self { options, transformer: Transformer::default() }
    }

    /// Measures the frames of a file one after another, `most_frames` at most, and hands over each report with the number of its frame, from 0. Gives the number
    /// of frames that were measured: none where the pixels are no picture ([`is_no_picture`]).
    ///
    /// # Errors
    /// At the first frame that cannot be decoded, or is stated and not there; those before it were handed over.
    pub fn measure_file(
        &mut self,
        file: &DicomFile,
        most_frames: usize,
        mut take: impl FnMut(usize, &ImageReport),
    ) -> Result<usize, ImagingError> {
        let description = PixelDescription::of(file)?;
        if is_no_picture(file) {
            return Ok(0);
        }
        let map = FrameMap::with(file, &description)?;
        let modality = modality(file);
        let frames = map.len().min(most_frames);
        // A file that has no frame for what it describes is not measured as nothing.
        for frame in 0..frames.max(1) {
            let decoded = decode::frame(file, &description, &map, frame)?;
            let image = Image::of_frame(&decoded, &description, &Rescale::of(file, frame))?.shown_as_in(file, &description, &decoded);
            drop(decoded);
            take(frame, &self.measure(&image, &modality));
        }
        // Frames that are stated and not there are missed, not passed over.
        if frames < description.frames.min(most_frames) { Err(PixelError::Short.into()) } else { Ok(frames.max(1)) }
    }

    /// Measures an image. `modality` is that of the series (`MR`, `CT`, ...): it decides which parts the score has.
    pub fn measure(&mut self, image: &Image, modality: &str) -> ImageReport {
        let distribution = Distribution::of(image);
        let histogram = distribution.histogram(HISTOGRAM_BINS);
        let mut sheet = Sheet::new(image);
        intensities(&mut sheet, image, &distribution, &histogram);
        let threshold = distribution.all().otsu().filter(|threshold| threshold.is_finite());
        let noise = local(&mut sheet, image, distribution.least() == distribution.greatest());
        speckled(&mut sheet, image, modality);
        classes(&mut sheet, &distribution, threshold, noise);
        rectangles(&mut sheet, image);
        let spectrum = self.options.spectrum.then(|| self.transformer.spectrum(image));
        if let Some(spectrum) = &spectrum {
            let pixels = (spectrum.rows * spectrum.columns) as u64;
            sheet.set(Metric::SpectralMagnitude, pixels, Ok(spectrum.sum / pixels as f64));
        }
        if let Some(threshold) = threshold.filter(|_| self.options.artifacts) {
            spatial(&mut sheet, image, &distribution, threshold, noise, spectrum.as_ref());
        } else if self.options.artifacts {
            sheet.constant();
        }
        if self.options.text {
            let boxes = burned::text_boxes(&image.to_8_bits());
            let area: usize = boxes.iter().map(burned::TextBox::area).sum();
            sheet.set(Metric::TextBoxes, boxes.len() as u64, Ok(boxes.len() as f64));
            sheet.set(Metric::TextShare, boxes.len() as u64, Ok(area as f64 / image.values().len() as f64));
        }
        let score = score::score(&sheet.measured, modality);
        sheet.set(Metric::Score, score.parts as u64, score.value);
        ImageReport { rows: image.rows(), columns: image.columns(), unit: image.unit(), histogram, measured: sheet.measured }
    }
}

/// The metrics of an image as they come.
pub(crate) struct Sheet {
    measured: Vec<Measured>,
    pixels: u64,
}

impl Sheet {
    fn new(image: &Image) -> Self {
        let measured = DEFINITIONS.iter().map(|definition| Measured { metric: definition.metric, value: Err(Reason::NotAsked), pixels: 0 });
        Self { measured: measured.collect(), pixels: image.values().len() as u64 }
    }

    /// Enters a value. What is no finite number went beyond what 64 bits hold.
    fn set(&mut self, metric: Metric, pixels: u64, value: Result<f64, Reason>) {
        let value = value.and_then(|value| if value.is_finite() { Ok(value) } else { Err(Reason::Overflow) });
        self.measured[metric as usize] = Measured { metric, value, pixels };
    }

    fn whole(&mut self, metric: Metric, value: f64) {
        self.set(metric, self.pixels, Ok(value));
    }

    fn value(&self, metric: Metric) -> Option<f64> {
        self.measured[metric as usize].value.ok()
    }

    /// All that has no value yet has none because all pixels are alike.
    fn constant(&mut self) {
        use Metric::*;
        let of_regions =
            [UniformityNema, UniformityNaad, SnrNema, GhostingRows, GhostingColumns, Ghosting, Motion, Ring, Wrap, Spike, Bias];
        for metric in of_regions {
            self.set(metric, 0, Err(Reason::Constant));
        }
    }
}

fn divided(above: f64, below: f64, missing: Reason) -> Result<f64, Reason> {
    if below > 0.0 { Ok(above / below) } else { Err(missing) }
}

fn intensities(sheet: &mut Sheet, image: &Image, distribution: &Distribution, histogram: &Histogram) {
    use Metric::*;
    let all = distribution.all();
    if let Some(moments) = all.moments() {
        sheet.whole(Mean, moments.mean);
        sheet.whole(Sd, moments.sd);
    }
    sheet.whole(Min, distribution.least());
    sheet.whole(Max, distribution.greatest());
    for (metric, share) in [(P01, 0.01), (P05, 0.05), (P25, 0.25), (Median, 0.5), (P75, 0.75), (P95, 0.95), (P99, 0.99)] {
        sheet.set(metric, distribution.total(), all.quantile(share).ok_or(Reason::TooSmall));
    }
    let total = distribution.total() as f64;
    let shares = || histogram.counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / total);
    sheet.whole(Entropy, -shares().map(|share| share * share.log2()).sum::<f64>().min(0.0));
    sheet.whole(Blank, shares().fold(0.0, f64::max));
    sheet.whole(ReplacedShare, image.replaced() as f64 / total);
    let least = distribution.least();
    let energy = all.sum(|value| (value - least).powi(2)).sqrt();
    let most = total.sqrt() * (1.0 / total.sqrt()).ln();
    let focus = all.sum(|value| (value - least) / energy * ((value - least + 1e-16) / energy).ln()) / most;
    sheet.set(Efc, distribution.total(), if energy > 0.0 && total > 1.0 { Ok(focus) } else { Err(Reason::Constant) });
    let (low, high) = match image.storable {
        Some((low, high)) => {
            let first = distribution.counts().first().filter(|_| distribution.least() <= low).copied().unwrap_or(0);
            let last = distribution.counts().last().filter(|_| distribution.greatest() >= high).copied().unwrap_or(0);
            (Ok(first as f64 / total), Ok(last as f64 / total))
        }
        None => (Err(Reason::NoRange), Err(Reason::NoRange)),
    };
    sheet.set(SaturationLow, distribution.total(), low);
    sheet.set(SaturationHigh, distribution.total(), high);
}

/// What neighbourhoods say; gives the noise.
fn local(sheet: &mut Sheet, image: &Image, is_constant: bool) -> f64 {
    use Metric::*;
    let found = kernels::neighbourhoods(image);
    sheet.whole(LaplacianVariance, found.laplacian_variance);
    sheet.whole(LaplacianVariance3, found.laplacian_variance_3);
    sheet.whole(Tenengrad, found.tenengrad);
    let interior = (image.rows().saturating_sub(2) * image.columns().saturating_sub(2)) as u64;
    sheet.set(NoiseImmerkaer, interior, found.immerkaer.ok_or(Reason::TooSmall));
    // An image of one value has no details but those of rounding.
    let noise = if is_constant { None } else { kernels::wavelet_noise(image) };
    let reason = if noise.is_some() { Reason::NoSpread } else { Reason::Constant };
    // Details this small beside the edges are the rounding of the sums, not noise: nothing may be divided by them.
    let noise = noise.filter(|noise| *noise > ROUNDING * found.tenengrad.sqrt());
    sheet.set(NoiseWavelet, sheet.pixels, noise.ok_or(reason));
    let noise = noise.unwrap_or(0.0);
    let corrected = (found.laplacian_variance - 20.0 * noise * noise).max(0.0);
    sheet.whole(LaplacianVarianceCorrected, corrected);
    let slope = (found.tenengrad / 32.0 - 0.375 * noise * noise).max(0.0);
    sheet.set(SharpnessRatio, sheet.pixels, divided(corrected, slope, Reason::NoSpread));
    noise
}

/// Noise and speckle apart, of images that have speckle.
fn speckled(sheet: &mut Sheet, image: &Image, modality: &str) {
    use Metric::*;
    let found = if score::is_speckled(modality) { speckle::speckle(image) } else { Err(Reason::OtherModality) };
    sheet.set(NoiseEchoPoor, found.map_or(0, |found| found.dark_pixels), found.map(|found| found.noise));
    sheet.set(SpeckleSharpness, found.map_or(0, |found| found.bright_pixels), found.map(|found| found.sharpness));
    sheet.set(SpeckleSnr, found.map_or(0, |found| found.bright_pixels), found.and_then(|found| found.snr));
}

/// What needs only a threshold.
fn classes(sheet: &mut Sheet, distribution: &Distribution, threshold: Option<f64>, noise: f64) {
    use Metric::*;
    let Some(threshold) = threshold else {
        let none = [OtsuThreshold, ForegroundShare, SnrForeground, SnrTissue, SnrDietrich, CnrTwoPeak, CnrMriqc, Cjv, NoiseAir, Fber];
        for metric in none {
            sheet.set(metric, 0, Err(Reason::Constant));
        }
        return;
    };
    sheet.whole(OtsuThreshold, threshold);
    let (foreground, air) = distribution.split(threshold);
    let total = distribution.total();
    sheet.set(ForegroundShare, foreground.count(), Ok(foreground.count() as f64 / total as f64));
    let (Some(tissue), Some(dark)) = (foreground.moments(), air.moments()) else { return };
    let least = distribution.least();
    sheet.set(SnrForeground, tissue.count, divided(tissue.mean, tissue.sd, Reason::NoSpread));
    let count = tissue.count as f64;
    let sample = if tissue.count > 1 { Ok((count / (count - 1.0)).sqrt()) } else { Err(Reason::TooSmall) };
    sheet.set(SnrTissue, tissue.count, sample.and_then(|sample| divided(tissue.mean - least, tissue.sd * sample, Reason::NoSpread)));
    let has_air = dark.sd > LEAST_AIR;
    sheet.set(SnrDietrich, total, if has_air { Ok(RAYLEIGH * (tissue.mean - least) / dark.sd) } else { Err(Reason::NoSpread) });
    sheet.set(NoiseAir, dark.count, if has_air { Ok(dark.sd / RAYLEIGH) } else { Err(Reason::NoSpread) });
    let energy = |part: crate::distribution::Part<'_>| part.median_of(|value| (value - least).powi(2));
    let ratio = match (energy(foreground), energy(air)) {
        (Some(here), Some(there)) if there >= LEAST_AIR => Ok(here / there),
        _ => Err(Reason::NoSpread),
    };
    sheet.set(Fber, total, ratio);
    let Some(between) = foreground.otsu() else {
        for metric in [CnrTwoPeak, CnrMriqc, Cjv] {
            sheet.set(metric, tissue.count, Err(Reason::OneClass));
        }
        return;
    };
    let (bright, dim) = foreground.split_at(between);
    let (Some(first), Some(second)) = (dim.moments(), bright.moments()) else { return };
    let distance = second.mean - first.mean;
    let peaks = bright.median().unwrap_or(second.mean) - dim.median().unwrap_or(first.mean);
    sheet.set(CnrTwoPeak, tissue.count, divided(peaks, noise, Reason::NoSpread));
    let spread = (dark.sd.powi(2) + first.sd.powi(2) + second.sd.powi(2)).sqrt();
    sheet.set(CnrMriqc, tissue.count, divided(distance, spread, Reason::NoSpread));
    sheet.set(Cjv, tissue.count, divided(first.sd + second.sd, distance, Reason::OneClass));
}

/// What is measured in rectangles: the middle and a corner.
fn rectangles(sheet: &mut Sheet, image: &Image) {
    let (rows, columns) = (image.rows(), image.columns());
    let part = |size: usize, of: usize| size * of / 512;
    let middle = uniformity::rectangle(image, part(rows, 156)..part(rows, 356), part(columns, 156)..part(columns, 356));
    match middle {
        Some(moments) => sheet.set(Metric::SnrCentre, moments.count, divided(moments.mean, moments.sd, Reason::NoSpread)),
        None => sheet.set(Metric::SnrCentre, 0, Err(Reason::TooSmall)),
    }
    match uniformity::rectangle(image, 0..part(rows, 40), 0..part(columns, 40)) {
        Some(moments) => sheet.set(Metric::SdCorner, moments.count, Ok(moments.sd)),
        None => sheet.set(Metric::SdCorner, 0, Err(Reason::TooSmall)),
    }
}

/// What needs to know where the foreground is.
fn spatial(sheet: &mut Sheet, image: &Image, distribution: &Distribution, threshold: f64, noise: f64, spectrum: Option<&Spectrum>) {
    use Metric::*;
    let regions = Regions::of(image, threshold);
    let least = distribution.least();
    let (foreground, _) = distribution.split(threshold);
    let typical = foreground.median().map_or(0.0, |median| median - least);
    let relative = |value: f64| divided(value, typical, Reason::NoForeground);

    let uniform = uniformity::uniformity(image, &regions);
    sheet.set(UniformityNema, uniform.pixels, uniform.integral);
    sheet.set(UniformityNaad, uniform.pixels, uniform.average);
    let inner = uniform.mean.map_err(|_| Reason::NoForeground);
    let corners = uniformity::corner_noise(image, &regions);
    let ratio = inner.and_then(|mean| corners.and_then(|(sd, _)| divided(mean, sd / RAYLEIGH, Reason::NoSpread)));
    sheet.set(SnrNema, uniform.pixels + corners.map_or(0, |(_, count)| count), ratio);

    let airs: [Air; 2] = [artifacts::air(image, &regions, Axis::Rows), artifacts::air(image, &regions, Axis::Columns)];
    for (metric, air) in [GhostingRows, GhostingColumns].into_iter().zip(airs) {
        sheet.set(metric, air.ghost_pixels, air.ghost.and_then(relative));
    }
    let ghosts = [sheet.value(GhostingRows), sheet.value(GhostingColumns)];
    let pixels = airs.iter().map(|air| air.ghost_pixels).sum();
    let strongest = ghosts.into_iter().flatten().reduce(f64::max).map(|ghost| ghost.max(0.0));
    sheet.set(Ghosting, pixels, strongest.ok_or(Reason::NoAir));
    let smears: [Result<f64, Reason>; 2] = airs.map(|air| air.in_line.and_then(relative));
    let motion = match smears {
        [Err(reason), Err(_)] => Err(reason),
        [first, second] => Ok((first.unwrap_or(0.0) - second.unwrap_or(0.0)).abs()),
    };
    sheet.set(Motion, airs.iter().map(|air| air.in_line_pixels).sum(), motion);
    match artifacts::ring(image, &regions, noise) {
        Ok((ring, pixels)) => sheet.set(Ring, pixels, relative(ring)),
        Err(reason) => sheet.set(Ring, 0, Err(reason)),
    }
    sheet.set(Wrap, 2 * (regions.rows + regions.columns) as u64, Ok(artifacts::wrap(&regions)));
    match artifacts::bias(image, &regions, least) {
        Ok((bias, pixels)) => sheet.set(Bias, pixels, Ok(bias)),
        Err(reason) => sheet.set(Bias, regions.count as u64, Err(reason)),
    }
    if let Some(spectrum) = spectrum {
        let pixels = (spectrum.rows * spectrum.columns) as u64;
        sheet.set(Spike, pixels, artifacts::spike(spectrum).and_then(relative));
    }
}
