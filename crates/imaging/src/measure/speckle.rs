//! The noise of images that have speckle: what is left where there is little echo.
//!
//! Speckle is multiplicative: its deviation grows with the mean (J. W. Goodman 1976; C. B. Burckhardt 1978: in amplitudes the mean is 1.91 times the
//! deviation). Noise of the electronics is additive and the same everywhere. In small blocks the variance is therefore noise^2 + (mean/snr)^2, and the two
//! come apart over blocks of different means (J. S. Lee, Refined filtering of image noise using local statistics, Computer Graphics and Image
//! Processing 15, 1981).

use super::kernels::{QUARTILE, median};
use crate::{image::Image, metric::Reason};

/// Rows and columns of a block.
const SIDE: usize = 8;
/// Details of a block: one for each square of two by two.
const DETAILS: usize = SIDE * SIDE / 4;
/// Fewer blocks say nothing.
const LEAST_BLOCKS: usize = 16;

/// What speckle leaves of a look at the noise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speckle {
    /// The deviation of the additive noise.
    pub(super) noise: f64,
    /// Pixels of the blocks that it is of.
    pub(super) dark_pixels: u64,
    /// Mean by deviation of the speckle.
    pub(super) snr: Result<f64, Reason>,
    /// Curvature over slope of the speckle.
    pub(super) sharpness: f64,
    /// Pixels of the blocks that these two are of.
    pub(super) bright_pixels: u64,
}

/// What is known of a block of pixels.
struct Block {
    /// The mean. Black is 0 in images of ultrasound.
    mean: f64,
    /// The variance that its details show.
    variance: f64,
    /// The mean square of the Laplacian, of the pixels that are not at its border.
    curvature: f64,
    /// That of Sobel's gradient, by 32.
    slope: f64,
}

/// Tells noise from speckle.
pub(super) fn speckle(image: &Image) -> Result<Speckle, Reason> {
    let mut blocks = blocks(image);
    if blocks.len() < LEAST_BLOCKS {
        return Err(Reason::TooSmall);
    }
    blocks.sort_unstable_by(|first, second| first.mean.total_cmp(&second.mean));
    let (dark, bright) = (&blocks[..(blocks.len() / 10).max(SIDE)], &blocks[blocks.len() / 2..]);
    let of_median = |values: &mut dyn Iterator<Item = f64>| median(&mut values.collect::<Vec<_>>()).unwrap_or(0.0);
    let ratio = of_median(&mut bright.iter().filter(|block| block.mean > 0.0).map(|block| block.variance / (block.mean * block.mean)));
    let left = of_median(&mut dark.iter().map(|block| (block.variance - ratio * block.mean * block.mean).max(0.0)));
    // Whole numbers have the noise of rounding at least.
    let noise = left.max(image.step.map_or(0.0, |step| step * step / 12.0));
    let sharpness = of_median(&mut bright.iter().map(|block| {
        let (curvature, slope) = (block.curvature - 20.0 * noise, block.slope - 0.75 * noise);
        if curvature > 0.0 && slope > 0.0 { curvature / slope } else { 0.0 }
    }));
    let pixels = |blocks: &[Block]| (blocks.len() * SIDE * SIDE) as u64;
    let snr = if ratio > 0.0 { Ok(ratio.sqrt().recip()) } else { Err(Reason::NoSpread) };
    Ok(Speckle { noise: noise.sqrt(), dark_pixels: pixels(dark), snr, sharpness, bright_pixels: pixels(bright) })
}

/// The blocks that have something in them: those whose details are not flat for the most part, as they are beside the sector and around letters.
fn blocks(image: &Image) -> Vec<Block> {
    let (down, across) = (image.rows() / SIDE, image.columns() / SIDE);
    let mut blocks = Vec::with_capacity(down * across);
    let mut details = [0.0; DETAILS];
    for top in (0..down).map(|block| block * SIDE) {
        for left in (0..across).map(|block| block * SIDE) {
            let (mut sum, mut count) = (0.0, 0);
            for row in (top..top + SIDE).step_by(2) {
                let (upper, lower) = (&image.row(row)[left..left + SIDE], &image.row(row + 1)[left..left + SIDE]);
                for (above, below) in upper.chunks_exact(2).zip(lower.chunks_exact(2)) {
                    let [a, b, c, d] = [above[0], above[1], below[0], below[1]].map(f64::from);
                    sum += a + b + c + d;
                    details[count] = ((a - b - c + d) * 0.5).abs();
                    count += 1;
                }
            }
            if details.iter().filter(|detail| **detail != 0.0).count() <= DETAILS / 2 {
                continue;
            }
            let deviation = median(&mut details).unwrap_or(0.0) / QUARTILE;
            let (curvature, slope) = edges(image, top, left);
            blocks.push(Block { mean: sum / (SIDE * SIDE) as f64, variance: deviation * deviation, curvature, slope });
        }
    }
    blocks
}

/// Mean squares of the Laplacian and of Sobel's gradient (by 32, the scale of the metric `sharpness_ratio`) within a block.
fn edges(image: &Image, top: usize, left: usize) -> (f64, f64) {
    let (mut curvature, mut slope) = (0.0, 0.0);
    for row in top + 1..top + SIDE - 1 {
        let rows = [row - 1, row, row + 1].map(|row| &image.row(row)[left..left + SIDE]);
        for column in 1..SIDE - 1 {
            let at = |row: usize, column: usize| f64::from(rows[row][column]);
            let cross = at(0, column) + at(2, column) + at(1, column - 1) + at(1, column + 1) - 4.0 * at(1, column);
            let side = |column: usize| at(0, column) + 2.0 * at(1, column) + at(2, column);
            let line = |row: usize| at(row, column - 1) + 2.0 * at(row, column) + at(row, column + 1);
            let (across, down) = (side(column + 1) - side(column - 1), line(2) - line(0));
            curvature += cross * cross;
            slope += (across * across + down * down) / 32.0;
        }
    }
    let count = ((SIDE - 2) * (SIDE - 2)) as f64;
    (curvature / count, slope / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of a normal distribution, nearly: always the same ones.
    fn normal(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1u64 << 31) as f64
        };
        (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect()
    }

    /// A dark half and a bright one with speckle, and noise over both.
    fn image(noise: f64) -> Image {
        let (side, count) = (256, 256 * 256);
        let (first, second, third) = (normal(count, 1), normal(count, 2), normal(count, 3));
        let values = (0..count).map(|place| {
            let brightness = if place % side < side / 2 { 4.0 } else { 100.0 };
            let speckle = (first[place].powi(2) + second[place].powi(2)).sqrt() / (std::f64::consts::PI / 2.0).sqrt();
            (brightness * speckle + noise * third[place]) as f32
        });
        Image::new(side, side, values.collect()).unwrap()
    }

    #[test]
    fn noise_is_told_from_speckle() {
        for noise in [0.0, 5.0, 10.0, 20.0] {
            let image = image(noise);
            let found = speckle(&image).unwrap();
            assert!((found.noise - noise).abs() < 0.25 * noise + 1.0, "{noise}: {found:?}");
            if noise == 0.0 {
                // That of a Rayleigh distribution is 1.91; of what is different from pixel to pixel curvature over slope is 20/(24/32).
                assert!((found.snr.unwrap() - 1.91).abs() < 0.2 && (found.sharpness - 26.7).abs() < 2.0, "{found:?}");
            }
        }
    }

    #[test]
    fn flat_and_small_images_have_too_few_blocks() {
        assert_eq!(speckle(&Image::new(64, 64, vec![1.0; 4096]).unwrap()).err(), Some(Reason::TooSmall));
        assert_eq!(speckle(&Image::new(3, 3, vec![1.0; 9]).unwrap()).err(), Some(Reason::TooSmall));
    }
}
