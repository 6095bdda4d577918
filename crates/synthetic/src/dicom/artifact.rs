//! Noise and what goes wrong with images, in known amounts.

use super::{anatomy::triangle, truth::ArtifactKind};
use crate::rng::Rng;

/// A number of a distribution near the normal one with a deviation of 1: the sum of four even ones, which needs no logarithm.
pub(super) fn normal(rng: &mut Rng) -> f32 {
    let bits = rng.bits();
    let sum: u32 = (0..4).map(|part| (bits >> (16 * part) & 0xFFFF) as u32).sum();
    (sum as f32 - 131_070.0) * (1.732_050_8 / 65_536.0)
}

/// Adds noise: of magnitudes (MR) that of Rice, else normal.
pub(super) fn noise(pixels: &mut [f32], deviation: f32, of_magnitude: bool, rng: &mut Rng) {
    for pixel in pixels {
        let value = *pixel + deviation * normal(rng);
        *pixel = if of_magnitude {
            let other = deviation * normal(rng);
            (value * value + other * other).sqrt()
        } else {
            value
        };
    }
}

/// The speckle of coherent waves: each value times a length of two normal numbers.
pub(super) fn speckle(pixels: &mut [f32], rng: &mut Rng) {
    for pixel in pixels {
        let (first, second) = (normal(rng), normal(rng));
        *pixel *= (first * first + second * second).sqrt() * 0.8;
    }
}

/// What is wrong before the noise comes.
pub(super) fn apply(pixels: &mut [f32], columns: usize, kind: ArtifactKind, amount: f64) {
    let rows = pixels.len() / columns;
    let amount = amount as f32;
    match kind {
        ArtifactKind::Noise => {}
        ArtifactKind::Blank => pixels.fill(0.0),
        ArtifactKind::Saturation => pixels.iter_mut().for_each(|pixel| *pixel *= amount),
        ArtifactKind::Blur => (0..3).for_each(|_| blur(pixels, columns, amount as usize)),
        ArtifactKind::Bias => {
            for (place, pixel) in pixels.iter_mut().enumerate() {
                let x = (place % columns) as f32 / columns as f32 * 2.0 - 1.0;
                let y = (place / columns) as f32 / rows as f32 * 2.0 - 1.0;
                *pixel *= 1.0 + amount * x + 0.5 * amount * y * y;
            }
        }
        ArtifactKind::Ghost => moved(pixels, columns, &[rows / 2], amount),
        ArtifactKind::Motion => moved(pixels, columns, &[rows / 11, rows - rows / 11, rows / 4, rows - rows / 4, 2 * rows / 5], amount),
        ArtifactKind::Ring => {
            for (place, pixel) in pixels.iter_mut().enumerate() {
                let x = (place % columns) as f64 - (columns as f64 - 1.0) / 2.0;
                let y = (place / columns) as f64 - (rows as f64 - 1.0) / 2.0;
                *pixel += amount * (2.0 * triangle((x * x + y * y).sqrt(), 6.0) - 1.0) as f32;
            }
        }
    }
}

/// Adds copies that are moved down.
fn moved(pixels: &mut [f32], columns: usize, steps: &[usize], share: f32) {
    let source = pixels.to_vec();
    for step in steps {
        let start = step * columns;
        for (place, pixel) in pixels.iter_mut().enumerate() {
            *pixel += share * source[(place + start) % source.len()];
        }
    }
}

/// The mean of a box, along rows and then along columns.
fn blur(pixels: &mut [f32], columns: usize, half: usize) {
    let rows = pixels.len() / columns;
    let mut line = Vec::new();
    let mut smooth = |pixels: &mut [f32], start: usize, step: usize, count: usize| {
        line.clear();
        line.extend((0..count).map(|place| pixels[start + place * step]));
        for place in 0..count {
            let window = &line[place.saturating_sub(half)..(place + half + 1).min(count)];
            pixels[start + place * step] = window.iter().sum::<f32>() / window.len() as f32;
        }
    };
    for row in 0..rows {
        smooth(pixels, row * columns, 1, columns);
    }
    for column in 0..columns {
        smooth(pixels, column, columns, rows);
    }
}
