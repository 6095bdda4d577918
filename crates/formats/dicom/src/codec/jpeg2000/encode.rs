//! Encoding without loss: one tile, one layer, the reversible wavelet, no transform of components.

use super::{
    block::{self, Band},
    packet::{Subband, packet},
};
use crate::codec::Shape;

/// Coefficients of a block across and down.
const BLOCK: usize = 64;
/// Times that the image is halved at most.
const MOST_LEVELS: u32 = 5;
/// Two are enough for all but noise of a bit or two, whose rounding counts; more cost nothing.
const GUARD_BITS: u32 = 4;
/// Larger images would have more than one precinct.
const MOST_SIZE: usize = 1 << 15;

/// The code stream of a frame: samples of `precision` bits (1 to 16) pixel after pixel, of a signed image their two's complement. `None` where it is larger than
/// 32,768 or there are other than so many samples as the shape has.
pub(in crate::codec) fn encode(samples: &[u16], shape: Shape, precision: u32, is_signed: bool) -> Option<Vec<u8>> {
    let (rows, columns, count) = (shape.rows, shape.columns, shape.samples);
    if samples.len() != shape.count() || samples.is_empty() || rows.max(columns) > MOST_SIZE || count > 4 || !(1..=16).contains(&precision)
    {
        return None;
    }
    let levels = rows.min(columns).ilog2().min(MOST_LEVELS);
    let components: Vec<Vec<Vec<Subband>>> = (0..count)
        .map(|component| {
            let own = samples.iter().skip(component).step_by(count);
            let mut values: Vec<i32> = if is_signed {
                let unused = 32 - precision;
                own.map(|sample| i32::from(*sample) << unused >> unused).collect()
            } else {
                own.map(|sample| i32::from(*sample) - (1 << (precision - 1))).collect()
            };
            resolutions(&mut values, rows, columns, levels, precision)
        })
        .collect();
    let mut body = Vec::with_capacity(samples.len());
    for resolution in 0..=levels as usize {
        for component in &components {
            let subbands = component.get(resolution)?;
            if subbands.iter().any(|subband| subband.blocks.iter().any(|block| block.planes > subband.most_planes)) {
                return None;
            }
            packet(subbands, &mut body);
        }
    }
    let mut out = header(shape, precision, is_signed, levels);
    out.extend([0xFF, 0x90, 0, 10, 0, 0]);
    out.extend(u32::try_from(body.len() + 14).ok()?.to_be_bytes());
    out.extend([0, 1, 0xFF, 0x93]);
    out.extend(body);
    out.extend([0xFF, 0xD9]);
    Some(out)
}

/// SOC, SIZ, COD and QCD.
fn header(shape: Shape, precision: u32, is_signed: bool, levels: u32) -> Vec<u8> {
    let mut out = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 38 + 3 * shape.samples as u8, 0, 0];
    let (columns, rows) = (shape.columns as u32, shape.rows as u32);
    out.extend([columns, rows, 0, 0, columns, rows, 0, 0].iter().flat_map(|number| number.to_be_bytes()));
    out.extend([0, shape.samples as u8]);
    let depth = (precision - 1) as u8 | u8::from(is_signed) << 7;
    (0..shape.samples).for_each(|_| out.extend([depth, 1, 1]));
    // Layers outside, one layer, no transform of components; blocks of 64, no options, the reversible wavelet.
    out.extend([0xFF, 0x52, 0, 12, 0, 0, 0, 1, 0, levels as u8, 4, 4, 0, 1]);
    out.extend([0xFF, 0x5C, 0, 4 + 3 * levels as u8, (GUARD_BITS as u8) << 5]);
    let gains = std::iter::once(0).chain((0..levels).flat_map(|_| [1, 1, 2]));
    out.extend(gains.map(|gain| ((precision + gain) as u8) << 3));
    out
}

/// Subbands of each resolution, the smallest first.
fn resolutions(values: &mut [i32], rows: usize, columns: usize, levels: u32, precision: u32) -> Vec<Vec<Subband>> {
    let (mut height, mut width) = (rows, columns);
    let mut all = Vec::new();
    for _ in 0..levels {
        analyse(values, columns, height, width);
        let (low_height, low_width) = (height.div_ceil(2), width.div_ceil(2));
        let subband =
            |x: (usize, usize), y: (usize, usize), band, gain| blocks(values, columns, x, y, band, precision + gain + GUARD_BITS - 1);
        all.push(vec![
            subband((low_width, width), (0, low_height), Band::Horizontal, 1),
            subband((0, low_width), (low_height, height), Band::LowOrVertical, 1),
            subband((low_width, width), (low_height, height), Band::Diagonal, 2),
        ]);
        (height, width) = (low_height, low_width);
    }
    all.push(vec![blocks(values, columns, (0, width), (0, height), Band::LowOrVertical, precision + GUARD_BITS - 1)]);
    all.reverse();
    all
}

/// The coded blocks of a part of the coefficients.
fn blocks(values: &[i32], stride: usize, x: (usize, usize), y: (usize, usize), band: Band, most_planes: u32) -> Subband {
    let mut coded = Vec::new();
    let mut own = Vec::with_capacity(BLOCK * BLOCK);
    if x.0 < x.1 {
        for top in (y.0..y.1).step_by(BLOCK) {
            for left in (x.0..x.1).step_by(BLOCK) {
                let width = BLOCK.min(x.1 - left);
                own.clear();
                for line in top..(top + BLOCK).min(y.1) {
                    own.extend_from_slice(&values[line * stride + left..][..width]);
                }
                coded.push(block::encode(&own, width, band));
            }
        }
    }
    Subband { across: (x.1 - x.0).div_ceil(BLOCK), blocks: coded, most_planes }
}

/// One level of the wavelet 5/3 over the upper left part: columns first, then lines; low halves come first (annex F.4).
fn analyse(values: &mut [i32], stride: usize, height: usize, width: usize) {
    let mut column = vec![0; height];
    let mut work = vec![0; height.max(width)];
    for x in 0..width {
        for (y, place) in column.iter_mut().enumerate() {
            *place = values[y * stride + x];
        }
        lift(&mut column, &mut work);
        for (y, value) in column.iter().enumerate() {
            values[y * stride + x] = *value;
        }
    }
    for line in values.chunks_mut(stride).take(height) {
        lift(&mut line[..width], &mut work);
    }
}

/// A line: high values are differences from the mean of both neighbours, low ones are smoothed by them.
fn lift(line: &mut [i32], work: &mut [i32]) {
    let count = line.len();
    if count < 2 {
        return;
    }
    let low_count = count.div_ceil(2);
    let (low, high) = work[..count].split_at_mut(low_count);
    for (place, out) in high.iter_mut().enumerate() {
        let before = line[2 * place];
        let after = line.get(2 * place + 2).copied().unwrap_or(before);
        *out = line[2 * place + 1] - ((before + after) >> 1);
    }
    for (place, out) in low.iter_mut().enumerate() {
        let after = high.get(place).copied();
        let before = place.checked_sub(1).and_then(|place| high.get(place)).copied();
        // At either end the one neighbour counts twice.
        let sum = before.or(after).unwrap_or(0) + after.or(before).unwrap_or(0);
        *out = line[2 * place] + ((sum + 2) >> 2);
    }
    line.copy_from_slice(&work[..count]);
}
