//! Masks as maps: where the foreground is, and how deep a pixel lies in it.

use crate::image::Image;

/// Which pixels are foreground, with the distance of each to the other kind.
#[derive(Debug)]
pub(crate) struct Regions {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Whether a pixel is foreground.
    pub(crate) foreground: Vec<bool>,
    /// How many pixels are.
    pub(crate) count: usize,
    /// Of a foreground pixel, steps to the nearest one that is none or to the border of the image.
    pub(crate) depth: Vec<u16>,
    /// The depth beyond which the inner three quarters of the foreground lie.
    pub(crate) inner_depth: u16,
}

/// NEMA: the region that is measured has at least three quarters of the area.
const INNER_SHARE: f64 = 0.75;

impl Regions {
    /// The regions above and below a threshold.
    pub(crate) fn of(image: &Image, threshold: f64) -> Self {
        let (rows, columns) = (image.rows(), image.columns());
        let foreground: Vec<bool> = image.values().iter().map(|value| f64::from(*value) > threshold).collect();
        let count = foreground.iter().filter(|is| **is).count();
        let depth = depths(rows, columns, &foreground);
        let deepest = depth.iter().copied().max().unwrap_or(0);
        let mut at = vec![0usize; usize::from(deepest) + 1];
        for depth in &depth {
            at[usize::from(*depth)] += 1;
        }
        // From outside in, as long as three quarters are left.
        let (mut left, mut inner_depth) = (count, 0);
        for (depth, pixels) in at.iter().enumerate().skip(1) {
            left -= pixels;
            if (left as f64) < INNER_SHARE * count as f64 {
                break;
            }
            inner_depth = depth as u16;
        }
        Self { rows, columns, foreground, count, depth, inner_depth }
    }

    /// Whether a pixel is in the inner three quarters of the foreground.
    pub(crate) fn is_inner(&self, place: usize) -> bool {
        self.depth[place] > self.inner_depth
    }
}

/// Steps along rows and columns to the nearest pixel that is not in the mask; beyond the border nothing is.
fn depths(rows: usize, columns: usize, mask: &[bool]) -> Vec<u16> {
    let mut depth = vec![0u16; mask.len()];
    for row in 0..rows {
        let mut left = 0u16;
        for column in 0..columns {
            let place = row * columns + column;
            let above = if row > 0 { depth[place - columns] } else { 0 };
            left = if mask[place] { left.min(above).saturating_add(1) } else { 0 };
            depth[place] = left;
        }
    }
    for row in (0..rows).rev() {
        let mut right = 0u16;
        for column in (0..columns).rev() {
            let place = row * columns + column;
            let below = if row + 1 < rows { depth[place + columns] } else { 0 };
            right = depth[place].min(right.min(below).saturating_add(1));
            depth[place] = right;
        }
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_grows_from_every_side() {
        let image = Image::new(5, 5, vec![1.0; 25]).unwrap();
        let regions = Regions::of(&image, 0.0);
        assert_eq!(regions.depth[12], 3);
        assert_eq!(&regions.depth[..5], [1; 5]);
        assert_eq!((regions.count, regions.inner_depth), (25, 0));
    }
}
