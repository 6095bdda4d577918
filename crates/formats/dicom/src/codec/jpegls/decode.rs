//! Decoding of a scan (T.87 annex F).

use super::{
    Image, Interleave, Scan,
    bits::Bits,
    model::{Coding, Model, RUN_BITS, predicted, set_edges},
};
use crate::{codec::marker::Read, pixels::PixelError};

/// Decodes a scan into its components; where it ends.
pub(super) fn scan(
    bytes: &[u8],
    at: usize,
    scan: &Scan<'_>,
    restart: usize,
    image: &mut Image,
    read: &mut Read,
) -> Result<usize, PixelError> {
    let (rows, columns) = (image.shape.rows, image.shape.columns);
    let coding = scan.coding;
    let mut bits = Bits::new(bytes, at);
    let mut model = Model::new(coding);
    let count = scan.parts.len();
    // For each component the line above and this one, with a sample more at either end.
    let mut lines = vec![[vec![0u16; columns + 2], vec![0u16; columns + 2]]; count];
    let mut run_indexes = vec![0; count];
    let is_plain = coding.near == 0 && (coding.maximum + 1) & coding.maximum == 0;
    let mut left = restart;
    for row in 0..rows {
        if restart > 0 && left == 0 {
            bits.restart(&mut read.unused)?;
            model = Model::new(coding);
            lines.iter_mut().flatten().for_each(|line| line.fill(0));
            run_indexes.fill(0);
            left = restart;
        }
        left = left.saturating_sub(1);
        if scan.interleave == Interleave::Sample {
            pixels(&mut model, &mut bits, &mut lines, &mut run_indexes[0])?;
        } else {
            for ([above, line], run_index) in lines.iter_mut().zip(&mut run_indexes) {
                set_edges(above, line);
                if is_plain {
                    samples::<true>(&mut model, &mut bits, above, line, run_index)?;
                } else {
                    samples::<false>(&mut model, &mut bits, above, line, run_index)?;
                }
            }
        }
        if bits.is_overrun() {
            return Err(PixelError::Damaged);
        }
        for ((place, mapping), [above, line]) in scan.parts.iter().zip(&mut lines) {
            image.put(row, *place, &line[1..=columns], scan.shift, *mapping)?;
            std::mem::swap(above, line);
        }
    }
    for (place, _) in &scan.parts {
        image.done[*place] = true;
    }
    read.scans.push(bits.used());
    bits.end()
}

/// A line of one component. `PLAIN`: without loss, and all values of some bits occur.
fn samples<const PLAIN: bool>(
    model: &mut Model,
    bits: &mut Bits<'_>,
    above: &[u16],
    line: &mut [u16],
    run_index: &mut usize,
) -> Result<(), PixelError> {
    let columns = line.len() - 2;
    let mut column = 1;
    let (mut a, mut b, mut c) = (i32::from(line[0]), i32::from(above[1]), i32::from(above[0]));
    // A copy that nothing else sees stays in registers.
    let mut own = *bits;
    // The gradient of a sample to the left is that of the next one above.
    let mut upper = model.step(b - c);
    while column <= columns {
        let d = i32::from(above[column + 1]);
        let right = model.step(d - b);
        let context = 81 * right + 9 * upper + model.step(c - a);
        if context != 0 {
            a = regular::<PLAIN>(model, &mut own, context, predicted(a, b, c))?;
            line[column] = a as u16;
            (b, c, upper) = (d, b, right);
            column += 1;
            continue;
        }
        *bits = own;
        let (run, ends) = run_length(bits, columns + 1 - column, run_index)?;
        line[column..column + run].fill(a as u16);
        column += run;
        own = *bits;
        if ends {
            break;
        }
        b = i32::from(above[column]);
        a = interruption(model, bits, a, b, *run_index)?;
        own = *bits;
        *run_index = run_index.saturating_sub(1);
        line[column] = a as u16;
        (b, c) = (i32::from(above[column + 1]), b);
        upper = model.step(b - c);
        column += 1;
    }
    *bits = own;
    Ok(())
}

/// A line of several components, pixel after pixel.
fn pixels(model: &mut Model, bits: &mut Bits<'_>, lines: &mut [[Vec<u16>; 2]], run_index: &mut usize) -> Result<(), PixelError> {
    for [above, line] in lines.iter_mut() {
        set_edges(above, line);
    }
    let columns = lines.first().map_or(0, |[line, _]| line.len() - 2);
    let neighbours = |[above, line]: &[Vec<u16>; 2], column: usize| {
        [line[column - 1], above[column], above[column - 1], above[column + 1]].map(i32::from)
    };
    let mut column = 1;
    while column <= columns {
        let context = |model: &Model, pair: &[Vec<u16>; 2], column: usize| {
            let [a, b, c, d] = neighbours(pair, column);
            model.context(a, b, c, d)
        };
        if lines.iter().any(|pair| context(model, pair, column) != 0) {
            for pair in lines.iter_mut() {
                let [a, b, c, _] = neighbours(pair, column);
                let number = context(model, pair, column);
                pair[1][column] = regular::<false>(model, bits, number, predicted(a, b, c))? as u16;
            }
            column += 1;
            continue;
        }
        let (run, ends) = run_length(bits, columns + 1 - column, run_index)?;
        for [_, line] in lines.iter_mut() {
            let before = line[column - 1];
            line[column..column + run].fill(before);
        }
        column += run;
        if ends {
            break;
        }
        for [above, line] in lines.iter_mut() {
            let (a, b) = (i32::from(line[column - 1]), i32::from(above[column]));
            let error = interruption_error(model, bits, 0, *run_index)?;
            line[column] = model.coding.sample(b, if b < a { -error } else { error }) as u16;
        }
        *run_index = run_index.saturating_sub(1);
        column += 1;
    }
    Ok(())
}

/// A sample of the regular mode (A.4, A.5).
#[inline(always)]
fn regular<const PLAIN: bool>(model: &mut Model, bits: &mut Bits<'_>, number: i32, predicted: i32) -> Result<i32, PixelError> {
    let Coding { maximum, near, error_bits, limit, reset, .. } = model.coding;
    // All ones where the error's sign is turned round.
    let sign = number >> 31;
    let context = &mut model.contexts[((number ^ sign) - sign) as usize % 512];
    let predicted = (predicted + (context.c ^ sign) - sign).clamp(0, maximum);
    let k = context.k();
    let mapped = bits.number(k, limit, error_bits)?;
    let mut error = (mapped >> 1) ^ -(mapped & 1);
    // No real error is larger; memory of the sums is kept within bounds.
    if mapped > 2 * maximum + 2 {
        return Err(PixelError::Damaged);
    }
    if k == 0 && (PLAIN || near == 0) && 2 * context.b <= -context.n {
        error = !error;
    }
    context.update(error, if PLAIN { 1 } else { 2 * near + 1 }, reset);
    let error = (error ^ sign) - sign;
    if PLAIN { Ok((predicted + error) & maximum) } else { Ok(model.coding.sample(predicted, error)) }
}

/// How many samples repeat the one before, and whether the line ends with them (A.7.1).
fn run_length(bits: &mut Bits<'_>, most: usize, run_index: &mut usize) -> Result<(usize, bool), PixelError> {
    let mut length = 0;
    while bits.bit() {
        if bits.is_overrun() {
            return Err(PixelError::Damaged);
        }
        let whole = 1 << RUN_BITS[*run_index];
        length += whole;
        if length <= most {
            *run_index = (*run_index + 1).min(31);
        }
        if length >= most {
            return Ok((most, true));
        }
    }
    length += bits.take(RUN_BITS[*run_index]) as usize;
    if length > most { Err(PixelError::Damaged) } else { Ok((length, length == most)) }
}

/// The sample that ends a run (A.7.2).
fn interruption(model: &mut Model, bits: &mut Bits<'_>, a: i32, b: i32, run_index: usize) -> Result<i32, PixelError> {
    if (a - b).abs() <= model.coding.near {
        let error = interruption_error(model, bits, 1, run_index)?;
        return Ok(model.coding.sample(a, error));
    }
    let error = interruption_error(model, bits, 0, run_index)?;
    Ok(model.coding.sample(b, if b < a { -error } else { error }))
}

fn interruption_error(model: &mut Model, bits: &mut Bits<'_>, kind: i32, run_index: usize) -> Result<i32, PixelError> {
    let Coding { maximum, error_bits, limit, reset, .. } = model.coding;
    let context = &mut model.run[kind as usize % 2];
    let k = context.k(kind);
    let mapped = bits.number(k, limit - RUN_BITS[run_index] - 1, error_bits)?;
    if mapped > 2 * maximum + 2 {
        return Err(PixelError::Damaged);
    }
    let twice = mapped + kind;
    let is_odd = twice & 1;
    let size = (twice + is_odd) >> 1;
    let is_negative = i32::from(k != 0 || 2 * context.negative >= context.n) == is_odd;
    let error = if is_negative { -size } else { size };
    context.update(error, mapped, kind, reset);
    Ok(error)
}
