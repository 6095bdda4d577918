//! What is measured: each metric with its unit, its formula, and the pixels that it is of.

use std::fmt;

/// A metric. [`Metric::definition`] says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // Each is described by its definition, which the reference page and the rows carry.
pub enum Metric {
    Mean,
    Sd,
    Min,
    Max,
    P01,
    P05,
    P25,
    Median,
    P75,
    P95,
    P99,
    Entropy,
    OtsuThreshold,
    ForegroundShare,
    SnrForeground,
    SnrTissue,
    SnrDietrich,
    SnrNema,
    SnrCentre,
    CnrTwoPeak,
    CnrMriqc,
    Cjv,
    NoiseImmerkaer,
    NoiseWavelet,
    NoiseAir,
    NoiseEchoPoor,
    SpeckleSnr,
    SpeckleSharpness,
    SdCorner,
    LaplacianVariance,
    LaplacianVariance3,
    Tenengrad,
    LaplacianVarianceCorrected,
    SharpnessRatio,
    UniformityNema,
    UniformityNaad,
    Efc,
    Fber,
    GhostingRows,
    GhostingColumns,
    Ghosting,
    Motion,
    Ring,
    Wrap,
    Spike,
    Bias,
    SpectralMagnitude,
    SaturationHigh,
    SaturationLow,
    ReplacedShare,
    Blank,
    TextBoxes,
    TextShare,
    Score,
}

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// That of the image's numbers.
    Image,
    /// The square of it. UCUM has no power of Hounsfield units without brackets, so the row says `1` unless the image's unit has one.
    ImageSquared,
    /// A ratio: UCUM `1`.
    One,
    /// Percent: UCUM `%`.
    Percent,
    /// Bits of information: UCUM `bit`.
    Bit,
}

impl Unit {
    /// In UCUM, for an image whose numbers have that unit.
    pub fn ucum(self, image: &str) -> &'static str {
        let hounsfield = image == "[hnsf'U]";
        match self {
            Self::Image if hounsfield => "[hnsf'U]",
            Self::ImageSquared if hounsfield => "[hnsf'U]2",
            Self::Image | Self::ImageSquared | Self::One => "1",
            Self::Percent => "%",
            Self::Bit => "bit",
        }
    }
}

/// Which pixels a metric is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// All.
    Whole,
    /// Above Otsu's threshold.
    Foreground,
    /// At or below Otsu's threshold.
    Air,
    /// Both, each for itself.
    ForegroundAndAir,
    /// The two classes of the foreground: at or below Otsu's threshold of the foreground, and above it.
    TwoClasses,
    /// The inner three quarters of the foreground (NEMA's measurement region).
    Inner,
    /// The inner region for the signal, the four corners for the noise.
    InnerAndCorners,
    /// The middle of the image, 200 of every 512 rows and columns.
    Centre,
    /// The upper left corner, 40 of every 512 rows and columns.
    Corner,
    /// All but the outermost pixels.
    Interior,
    /// The foreground moved by half the image, without the foreground; beside it the rest of the air.
    HalfShift,
    /// Air in line with the foreground; beside it the rest of the air.
    InLine,
    /// The darkest tenth of the blocks of 8 x 8 pixels that are not flat.
    EchoPoor,
    /// The brighter half of the blocks of 8 x 8 pixels that are not flat.
    EchoRich,
    /// The outermost rows and columns.
    Border,
    /// The plane of spatial frequencies.
    Spectrum,
    /// Boxes of text.
    Text,
    /// Other metrics.
    Metrics,
}

impl Mask {
    /// The word of the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole image",
            Self::Foreground => "foreground (above Otsu)",
            Self::Air => "air (at or below Otsu)",
            Self::ForegroundAndAir => "foreground and air (Otsu)",
            Self::TwoClasses => "two classes of the foreground (Otsu within it)",
            Self::Inner => "inner 75% of the foreground",
            Self::InnerAndCorners => "inner 75% of the foreground and corners",
            Self::Centre => "central region",
            Self::Corner => "upper left corner",
            Self::Interior => "all but the border",
            Self::HalfShift => "air under the foreground moved by half the image",
            Self::InLine => "air in line with the foreground",
            Self::EchoPoor => "darkest tenth of the 8 x 8 blocks that are not flat",
            Self::EchoRich => "brighter half of the 8 x 8 blocks that are not flat",
            Self::Border => "border of the image",
            Self::Spectrum => "spatial frequencies",
            Self::Text => "boxes of text",
            Self::Metrics => "other metrics",
        }
    }
}

/// Whether more of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// It describes and does not judge.
    Neither,
}

/// What a metric is.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The metric.
    pub metric: Metric,
    /// Its name: the value of the column `metric`.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The pixels that it is of.
    pub mask: Mask,
    /// Whether more is better.
    pub better: Better,
    /// The formula, in plain text. Names are those of `docs/src/reference/imaging-metrics.md`.
    pub formula: &'static str,
    /// Where the formula comes from.
    pub source: &'static str,
}

impl Metric {
    /// All, in order.
    pub fn all() -> impl Iterator<Item = Metric> {
        DEFINITIONS.iter().map(|definition| definition.metric)
    }

    /// What it is.
    pub fn definition(self) -> &'static Definition {
        &DEFINITIONS[self as usize]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        DEFINITIONS.iter().find(|definition| definition.name == name).map(|definition| definition.metric)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a metric has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// All pixels are alike.
    Constant,
    /// Too few pixels for the formula.
    TooSmall,
    /// No pixels above the threshold, or too few.
    NoForeground,
    /// No pixels at or below the threshold, or too few.
    NoAir,
    /// What the formula divides by is zero: the air has no spread, or the tissue none.
    NoSpread,
    /// The two classes of the foreground are one.
    OneClass,
    /// No line of the image is free of the foreground, so that there is nothing to compare with.
    FieldFilled,
    /// It is not known which numbers could have been stored.
    NoRange,
    /// The numbers are too large for the formula.
    Overflow,
    /// It says something of images of other modalities only.
    OtherModality,
    /// It was not asked for.
    NotAsked,
}

impl Reason {
    /// The stable code, as in the rows.
    pub fn code(self) -> &'static str {
        match self {
            Self::Constant => "constant-image",
            Self::TooSmall => "too-small",
            Self::NoForeground => "no-foreground",
            Self::NoAir => "no-air",
            Self::NoSpread => "no-spread",
            Self::OneClass => "one-class",
            Self::FieldFilled => "field-filled",
            Self::NoRange => "no-range",
            Self::Overflow => "overflow",
            Self::OtherModality => "other-modality",
            Self::NotAsked => "not-asked",
        }
    }
}

/// A metric of an image: its value, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The metric.
    pub metric: Metric,
    /// The value; always finite.
    pub value: Result<f64, Reason>,
    /// How many pixels the mask has; of frequencies and boxes, how many of these.
    pub pixels: u64,
}

const fn define(
    metric: Metric,
    name: &'static str,
    unit: Unit,
    mask: Mask,
    better: Better,
    formula: &'static str,
    source: &'static str,
) -> Definition {
    Definition { metric, name, unit, mask, better, formula, source }
}

const NUMPY: &str = "definition; quantiles between values in proportion (Hyndman and Fan type 7)";
const OTSU: &str = "Otsu 1979; 256 bins from the least to the greatest value";
const MRIQC: &str = "MRIQC (Esteban 2017)";
const NEMA1: &str = "NEMA MS 1-2008 method 4; Kaufman 1989";
const NEMA3: &str = "NEMA MS 3-2008";
const LEE: &str = "Lee 1981, the plot of local variance over local mean; median of details after Donoho and Johnstone 1994";
const OURS: &str = "Sutura, this page";

/// The definitions, in the order of [`Metric`].
#[rustfmt::skip]
pub static DEFINITIONS: [Definition; 54] = {
    use Better::*; use Mask::*; use Unit::*;
    [
        define(Metric::Mean, "mean", Unit::Image, Whole, Neither, "sum(I)/n", NUMPY),
        define(Metric::Sd, "sd", Unit::Image, Whole, Neither, "sqrt(sum((I-mean)^2)/n)", NUMPY),
        define(Metric::Min, "min", Unit::Image, Whole, Neither, "min(I)", NUMPY),
        define(Metric::Max, "max", Unit::Image, Whole, Neither, "max(I)", NUMPY),
        define(Metric::P01, "p01", Unit::Image, Whole, Neither, "quantile(I, 0.01)", NUMPY),
        define(Metric::P05, "p05", Unit::Image, Whole, Neither, "quantile(I, 0.05)", NUMPY),
        define(Metric::P25, "p25", Unit::Image, Whole, Neither, "quantile(I, 0.25)", NUMPY),
        define(Metric::Median, "median", Unit::Image, Whole, Neither, "quantile(I, 0.5)", NUMPY),
        define(Metric::P75, "p75", Unit::Image, Whole, Neither, "quantile(I, 0.75)", NUMPY),
        define(Metric::P95, "p95", Unit::Image, Whole, Neither, "quantile(I, 0.95)", NUMPY),
        define(Metric::P99, "p99", Unit::Image, Whole, Neither, "quantile(I, 0.99)", NUMPY),
        define(Metric::Entropy, "entropy", Bit, Whole, Neither, "-sum(p*log2(p)), p = share of each of 256 bins", "Shannon 1948"),
        define(Metric::OtsuThreshold, "otsu_threshold", Unit::Image, Whole, Neither, "argmax_t w0*w1*(m0-m1)^2", OTSU),
        define(Metric::ForegroundShare, "foreground_share", One, Foreground, Neither, "n_F/n", OTSU),
        define(Metric::SnrForeground, "snr_foreground", One, Foreground, Higher, "mean(F)/sd(F)", "definition"),
        define(Metric::SnrTissue, "snr_tissue", One, Foreground, Higher, "mean(F')/(sd(F')*sqrt(n_F/(n_F-1))), I' = I-min(I)", MRIQC),
        define(Metric::SnrDietrich, "snr_dietrich", One, ForegroundAndAir, Higher, "sqrt((4-pi)/2)*mean(F')/sd(A'), I' = I-min(I)", "Dietrich 2007 eq. A.12; MRIQC"),
        define(Metric::SnrNema, "snr_nema", One, InnerAndCorners, Higher, "mean(R)/(sd(C)/0.655)", NEMA1),
        define(Metric::SnrCentre, "snr_centre", One, Centre, Higher, "mean(R)/sd(R)", "definition"),
        define(Metric::CnrTwoPeak, "cnr_two_peak", One, TwoClasses, Higher, "|median(K2)-median(K1)|/noise_wavelet", "Magnotta 2006 with a noise estimate that needs no air"),
        define(Metric::CnrMriqc, "cnr_mriqc", One, TwoClasses, Higher, "|mean(K2)-mean(K1)|/sqrt(sd(A)^2+sd(K1)^2+sd(K2)^2)", "Magnotta 2006; MRIQC"),
        define(Metric::Cjv, "cjv", One, TwoClasses, Lower, "(sd(K1)+sd(K2))/|mean(K2)-mean(K1)|", "Ganzetti 2016; MRIQC"),
        define(Metric::NoiseImmerkaer, "noise_immerkaer", Unit::Image, Interior, Lower, "sqrt(pi/2)/(6*(w-2)*(h-2))*sum|I*[1 -2 1;-2 4 -2;1 -2 1]|", "Immerkaer 1996"),
        define(Metric::NoiseWavelet, "noise_wavelet", Unit::Image, Whole, Lower, "median(|d|, d != 0)/0.6745, d = diagonal details of Daubechies-2", "Donoho and Johnstone 1994"),
        define(Metric::NoiseAir, "noise_air", Unit::Image, Air, Lower, "sd(A)/0.655", NEMA1),
        define(Metric::NoiseEchoPoor, "noise_echo_poor", Unit::Image, EchoPoor, Lower, "sqrt(max(median(s^2-(m/speckle_snr)^2), step^2/12)), m = mean and s = median(|d|)/0.6745 of a block, d = diagonal details of Haar", LEE),
        define(Metric::SpeckleSnr, "speckle_snr", One, EchoRich, Neither, "1/sqrt(median(s^2/m^2)), m and s as in noise_echo_poor", "Burckhardt 1978: 1.91 of fully developed speckle"),
        define(Metric::SpeckleSharpness, "speckle_sharpness", One, EchoRich, Higher, "median((L-20*noise_echo_poor^2)/(G/32-3/4*noise_echo_poor^2)), L and G = mean squares of Laplacian and Sobel gradient of a block", OURS),
        define(Metric::SdCorner, "sd_corner", Unit::Image, Corner, Lower, "sd(R)", "definition"),
        define(Metric::LaplacianVariance, "laplacian_variance", ImageSquared, Whole, Higher, "var(I*[0 1 0;1 -4 1;0 1 0]), border mirrored without its pixel", "Pech-Pacheco 2000"),
        define(Metric::LaplacianVariance3, "laplacian_variance_3x3", ImageSquared, Whole, Higher, "var(I*[2 0 2;0 -8 0;2 0 2]), border mirrored without its pixel", "Pech-Pacheco 2000"),
        define(Metric::Tenengrad, "tenengrad", ImageSquared, Whole, Higher, "mean(Gx^2+Gy^2), Sobel 3x3, border mirrored without its pixel", "Krotkov 1988"),
        define(Metric::LaplacianVarianceCorrected, "laplacian_variance_corrected", ImageSquared, Whole, Higher, "max(0, laplacian_variance-20*noise_wavelet^2)", OURS),
        define(Metric::SharpnessRatio, "sharpness_ratio", One, Whole, Higher, "laplacian_variance_corrected/max(tenengrad/32-3/8*noise_wavelet^2, 0)", OURS),
        define(Metric::UniformityNema, "uniformity_nema", Percent, Inner, Higher, "100*(1-(max-min)/(max+min)) of R smoothed with [1 2 1;2 4 2;1 2 1]/16", NEMA3),
        define(Metric::UniformityNaad, "uniformity_naad", Percent, Inner, Higher, "100*(1-sum|R-mean(R)|/(n_R*mean(R)))", NEMA3),
        define(Metric::Efc, "efc", One, Whole, Lower, "sum(x/b*ln((x+1e-16)/b))/(sqrt(n)*ln(1/sqrt(n))), x = I-min(I), b = sqrt(sum(x^2))", "Atkinson 1997; MRIQC"),
        define(Metric::Fber, "fber", One, ForegroundAndAir, Higher, "median(F'^2)/median(A'^2), I' = I-min(I)", "Shehzad 2015; MRIQC"),
        define(Metric::GhostingRows, "ghosting_rows", One, HalfShift, Lower, "(mean(G)-mean(B))/median(F'), G = F moved by rows/2, I' = I-min(I)", "Giannelli 2010; MRIQC"),
        define(Metric::GhostingColumns, "ghosting_columns", One, HalfShift, Lower, "(mean(G)-mean(B))/median(F'), G = F moved by columns/2, I' = I-min(I)", "Giannelli 2010; MRIQC"),
        define(Metric::Ghosting, "ghosting", One, HalfShift, Lower, "max(0, ghosting_rows, ghosting_columns)", "Giannelli 2010; MRIQC"),
        define(Metric::Motion, "motion", One, InLine, Lower, "|e_rows-e_columns|, e = (mean(air in line with F, no N/2 ghost)-mean(other air))/median(F'), I' = I-min(I)", OURS),
        define(Metric::Ring, "ring", One, Inner, Lower, "sqrt(max(0, mean((p-smooth(p))^2)-noise))/median(F'), p(r) = mean of an eighth of the circle r about the centre; of the eighths the median", OURS),
        define(Metric::Wrap, "wrap", One, Border, Lower, "share of F on the side with the most, less that on the side with the least", OURS),
        define(Metric::Spike, "spike", One, Spectrum, Lower, "max_k 2*(|S(k)|-4*median of its surroundings)/n/median(F')", OURS),
        define(Metric::Bias, "bias", One, Inner, Lower, "(q95-q05)/q50 of exp(p) on R, p = quadratic whose gradient fits that of ln(I'), I' = I-min(I)", "Zheng 2009, gradients; trimmed least squares"),
        define(Metric::SpectralMagnitude, "spectral_magnitude", Unit::Image, Spectrum, Neither, "sum|S(k)|/n, S the discrete Fourier transform", "definition"),
        define(Metric::SaturationHigh, "saturation_high", One, Whole, Lower, "share of pixels at the greatest number that can be stored", "definition"),
        define(Metric::SaturationLow, "saturation_low", One, Whole, Neither, "share of pixels at the least number that can be stored", "definition"),
        define(Metric::ReplacedShare, "replaced_share", One, Whole, Lower, "share of pixels that were no finite number", "definition"),
        define(Metric::Blank, "blank", One, Whole, Lower, "share of the fullest of 256 bins", "definition"),
        define(Metric::TextBoxes, "text_boxes", One, Text, Lower, "areas that look like text", OURS),
        define(Metric::TextShare, "text_share", One, Text, Lower, "share of the image in areas that look like text", OURS),
        define(Metric::Score, "score", One, Metrics, Higher, "100*(weighted mean of the parts+worst part)/2; 0 if blank", OURS),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_in_the_order_of_the_metrics() {
        for (place, definition) in DEFINITIONS.iter().enumerate() {
            assert_eq!(definition.metric as usize, place, "{}", definition.name);
            assert_eq!(Metric::named(definition.name), Some(definition.metric));
        }
        assert_eq!(DEFINITIONS.len(), Metric::Score as usize + 1);
    }
}
