//! The discrete Fourier transform of an image: magnitudes of its spatial frequencies.

use std::{fmt, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex32};

use crate::image::Image;

/// Most rows or columns that are transformed; of larger images the middle is.
const MOST_SIDE: usize = 2048;

/// Transforms images; keeps what it worked out for their size.
#[derive(Default)]
pub(crate) struct Transformer {
    planner: Option<FftPlanner<f32>>,
    data: Vec<Complex32>,
    turned: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl fmt::Debug for Transformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transformer")
    }
}

/// Magnitudes of half the plane of frequencies; the other half mirrors it. Column frequency `u` from 0 to columns / 2, row frequency `v` all.
#[derive(Debug)]
pub(crate) struct Spectrum {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// The magnitudes, a row frequency together: `[u * rows + v]`.
    pub(crate) magnitudes: Vec<f32>,
    /// The sum over the whole plane.
    pub(crate) sum: f64,
}

impl Spectrum {
    /// The magnitude of a column and row frequency, the latter from `-rows/2` on.
    pub(crate) fn at(&self, u: usize, v: isize) -> f32 {
        let v = v.rem_euclid(self.rows as isize) as usize;
        self.magnitudes[u * self.rows + v]
    }

    /// How many column frequencies there are.
    pub(crate) fn half(&self) -> usize {
        self.columns / 2 + 1
    }
}

impl Transformer {
    /// The spectrum of an image, or of its middle.
    pub(crate) fn spectrum(&mut self, image: &Image) -> Spectrum {
        let (rows, columns) = (image.rows().min(MOST_SIDE), image.columns().min(MOST_SIDE));
        let (top, left) = ((image.rows() - rows) / 2, (image.columns() - columns) / 2);
        let planner = self.planner.get_or_insert_with(FftPlanner::new);
        let (along, down): (Arc<dyn Fft<f32>>, Arc<dyn Fft<f32>>) = (planner.plan_fft_forward(columns), planner.plan_fft_forward(rows));
        let half = columns / 2 + 1;
        // Large numbers are made small, so that squares stay finite in 32 bits.
        let largest = image.values().iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let scale = if largest > 1e9 { 1e9 / largest } else { 1.0 };

        // Two rows of real numbers are one row of complex ones: their spectra come apart again by symmetry.
        self.turned.clear();
        self.turned.resize(half * rows, Complex32::default());
        self.data.resize(columns, Complex32::default());
        self.scratch.resize(along.get_inplace_scratch_len().max(down.get_inplace_scratch_len()), Complex32::default());
        for row in (0..rows).step_by(2) {
            let first = &image.row(top + row)[left..left + columns];
            let second = if row + 1 < rows { &image.row(top + row + 1)[left..left + columns] } else { &[] };
            for (place, cell) in self.data.iter_mut().enumerate() {
                *cell = Complex32::new(first[place] * scale, second.get(place).map_or(0.0, |value| value * scale));
            }
            along.process_with_scratch(&mut self.data, &mut self.scratch);
            for u in 0..half {
                let (here, there) = (self.data[u], self.data[(columns - u) % columns].conj());
                let (even, odd) = (here + there, here - there);
                self.turned[u * rows + row] = even * 0.5;
                if row + 1 < rows {
                    self.turned[u * rows + row + 1] = Complex32::new(odd.im * 0.5, -odd.re * 0.5);
                }
            }
        }
        for column in self.turned.chunks_exact_mut(rows) {
            down.process_with_scratch(column, &mut self.scratch);
        }
        let back = 1.0 / scale;
        let mut sum = 0.0;
        let mut magnitudes = Vec::with_capacity(half * rows);
        for (u, column) in self.turned.chunks_exact(rows).enumerate() {
            let start = magnitudes.len();
            magnitudes.extend(column.iter().map(|value| value.norm_sqr().sqrt() * back));
            let own: f64 = magnitudes[start..].iter().map(|magnitude| f64::from(*magnitude)).sum();
            let is_mirrored = u > 0 && 2 * u != columns;
            sum += if is_mirrored { 2.0 * own } else { own };
        }
        Spectrum { rows, columns, magnitudes, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum over the definition itself.
    fn plain(rows: usize, columns: usize, values: &[f32]) -> f64 {
        let mut sum = 0.0;
        for v in 0..rows {
            for u in 0..columns {
                let (mut re, mut im) = (0.0, 0.0);
                for y in 0..rows {
                    for x in 0..columns {
                        let angle = -std::f64::consts::TAU * ((u * x) as f64 / columns as f64 + (v * y) as f64 / rows as f64);
                        re += f64::from(values[y * columns + x]) * angle.cos();
                        im += f64::from(values[y * columns + x]) * angle.sin();
                    }
                }
                sum += re.hypot(im);
            }
        }
        sum
    }

    #[test]
    fn it_is_the_fourier_transform() {
        for (rows, columns) in [(1, 1), (4, 4), (5, 6), (6, 5), (3, 7), (1, 8), (8, 1)] {
            let values: Vec<f32> = (0..rows * columns).map(|place| ((place * 7919) % 31) as f32 - 9.0).collect();
            let image = Image::new(rows, columns, values.clone()).unwrap();
            let sum = Transformer::default().spectrum(&image).sum;
            let wanted = plain(rows, columns, &values);
            assert!((sum - wanted).abs() <= 1e-4 * wanted.abs(), "{rows} {columns}: {sum} {wanted}");
        }
    }
}
