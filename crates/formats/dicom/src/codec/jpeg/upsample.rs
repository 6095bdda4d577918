//! Components of fewer samples brought to the size of the image, and woven together.

use super::{Header, dct::Plane};

/// A sample as a number.
pub(super) trait Sample: Copy + Default + Into<u32> {
    fn of(value: u32) -> Self;
}

impl Sample for u8 {
    #[inline]
    fn of(value: u32) -> Self {
        value as Self
    }
}

impl Sample for u16 {
    #[inline]
    fn of(value: u32) -> Self {
        value as Self
    }
}

/// The image pixel after pixel.
pub(super) fn interleaved<S: Sample>(planes: &[Plane<S>], header: &Header) -> Vec<S> {
    let (rows, columns, samples) = (header.rows, header.columns, planes.len());
    let mut out = vec![S::default(); rows * columns * samples];
    let mut line = vec![S::default(); columns];
    let mut between = Vec::new();
    for (sample, (plane, component)) in planes.iter().zip(&header.components).enumerate() {
        let (h, v) = (header.most_h() / component.h, header.most_v() / component.v);
        for (row, pixels) in out.chunks_exact_mut(columns * samples).enumerate() {
            if (h, v) == (1, 1) {
                line.copy_from_slice(plane_line(plane, row, columns));
            } else if h == 2 && v <= 2 {
                interpolated(plane, row, v, &mut between, &mut line);
            } else {
                let own = plane_line(plane, (row / v).min(plane.rows - 1), plane.columns);
                line.iter_mut().enumerate().for_each(|(column, place)| *place = own[(column / h).min(own.len() - 1)]);
            }
            pixels.iter_mut().skip(sample).step_by(samples).zip(&line).for_each(|(place, value)| *place = *value);
        }
    }
    out
}

fn plane_line<S>(plane: &Plane<S>, row: usize, columns: usize) -> &[S] {
    &plane.samples[row * plane.stride..][..columns]
}

/// A line of twice as many samples: each is three parts the near one and one part its neighbour, the same between lines where these are doubled too.
fn interpolated<S: Sample>(plane: &Plane<S>, row: usize, v: usize, between: &mut Vec<u32>, line: &mut [S]) {
    between.clear();
    let columns = plane.columns;
    let near = plane_line(plane, row / v, columns);
    let scale = if v == 2 {
        let neighbour = if row.is_multiple_of(2) { (row / 2).saturating_sub(1) } else { (row / 2 + 1).min(plane.rows - 1) };
        let far = plane_line(plane, neighbour, columns);
        between.extend(near.iter().zip(far).map(|(near, far)| 3 * (*near).into() + (*far).into()));
        4
    } else {
        between.extend(near.iter().map(|near| (*near).into()));
        1
    };
    let last = columns - 1;
    for (column, place) in line.iter_mut().enumerate() {
        let own = (column / 2).min(last);
        let neighbour = if column.is_multiple_of(2) { own.saturating_sub(1) } else { (own + 1).min(last) };
        // Halves are rounded down and up in turn, so that there is no drift.
        let round = if column.is_multiple_of(2) { 2 * scale } else { 2 * scale - 1 };
        *place = S::of((3 * between[own] + between[neighbour] + round) / (4 * scale));
    }
}
