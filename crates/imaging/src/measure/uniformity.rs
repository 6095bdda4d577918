//! How even the foreground is, and how noisy the corners are.

use std::ops::Range;

use crate::{distribution::Moments, image::Image, mask::Regions, metric::Reason};

/// The uniformity of the inner three quarters of the foreground.
pub(super) struct Uniformity {
    /// NEMA's integral uniformity in percent.
    pub(super) integral: Result<f64, Reason>,
    /// The normalised absolute average deviation uniformity in percent.
    pub(super) average: Result<f64, Reason>,
    /// The mean.
    pub(super) mean: Result<f64, Reason>,
    /// Pixels of the region.
    pub(super) pixels: u64,
}

/// Measures the inner three quarters of the foreground. The integral uniformity is of the smoothed image, as NEMA MS 3 has it.
pub(super) fn uniformity(image: &Image, regions: &Regions) -> Uniformity {
    let (rows, columns) = (regions.rows, regions.columns);
    let (mut sum, mut count) = (0.0, 0u64);
    let (mut least, mut most, mut smoothed) = (f64::INFINITY, f64::NEG_INFINITY, 0u64);
    for row in 0..rows {
        for column in 0..columns {
            let place = row * columns + column;
            if !regions.is_inner(place) {
                continue;
            }
            sum += f64::from(image.values()[place]);
            count += 1;
            if row == 0 || column == 0 || row + 1 == rows || column + 1 == columns {
                continue;
            }
            let line = |place: usize| {
                let values = &image.values()[place - 1..place + 2];
                f64::from(values[0]) + 2.0 * f64::from(values[1]) + f64::from(values[2])
            };
            let smooth = (line(place - columns) + 2.0 * line(place) + line(place + columns)) / 16.0;
            least = least.min(smooth);
            most = most.max(smooth);
            smoothed += 1;
        }
    }
    if count == 0 {
        let none = Err(Reason::NoForeground);
        return Uniformity { integral: none, average: none, mean: none, pixels: 0 };
    }
    let mean = sum / count as f64;
    let places = (0..image.values().len()).filter(|place| regions.is_inner(*place));
    let deviation: f64 = places.map(|place| (f64::from(image.values()[place]) - mean).abs()).sum();
    let percent = |unevenness: f64, of: f64| if of > 0.0 { Ok(100.0 * (1.0 - unevenness / of)) } else { Err(Reason::NoSpread) };
    Uniformity {
        integral: if smoothed > 0 { percent(most - least, most + least) } else { Err(Reason::TooSmall) },
        average: percent(deviation / count as f64, mean),
        mean: Ok(mean),
        pixels: count,
    }
}

/// The moments of a rectangle; `None` of one without two pixels.
pub(super) fn rectangle(image: &Image, rows: Range<usize>, columns: Range<usize>) -> Option<Moments> {
    let count = rows.len() * columns.len();
    if count < 2 {
        return None;
    }
    let values = || rows.clone().flat_map(|row| &image.row(row)[columns.clone()]).map(|value| f64::from(*value));
    let mean = values().sum::<f64>() / count as f64;
    let squares = values().map(|value| (value - mean).powi(2)).sum::<f64>();
    Some(Moments { count: count as u64, mean, sd: (squares / count as f64).sqrt() })
}

/// The deviation in the corners that are air: the median of their deviations, and their pixels.
pub(super) fn corner_noise(image: &Image, regions: &Regions) -> Result<(f64, u64), Reason> {
    let (rows, columns) = (regions.rows, regions.columns);
    let (high, wide) = (rows / 8, columns / 8);
    let mut found = Vec::new();
    let mut pixels = 0;
    for top in [0, rows - high] {
        for left in [0, columns - wide] {
            let (down, across) = (top..top + high, left..left + wide);
            let bright =
                down.clone().map(|row| across.clone().filter(|column| regions.foreground[row * columns + column]).count()).sum::<usize>();
            // A stray pixel is noise; more is something.
            if bright * 100 > high * wide {
                continue;
            }
            if let Some(moments) = rectangle(image, down, across) {
                found.push(moments.sd);
                pixels += moments.count;
            }
        }
    }
    super::kernels::median(&mut found).map(|sd| (sd, pixels)).ok_or(Reason::NoAir)
}
