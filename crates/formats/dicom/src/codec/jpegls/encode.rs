//! Encoding without loss (T.87 annex F): one component, or several line after line.

use super::{
    bits::Writer,
    model::{Coding, Model, Preset, RUN_BITS, predicted, set_edges},
};
use crate::codec::{Shape, marker::code};

/// The code stream of a frame: samples of `precision` bits (2 to 16), pixel after pixel. `None` where a sample is larger than that, or there are other than so
/// many samples as the shape has.
pub(crate) fn encode(samples: &[u16], shape: Shape, precision: u32) -> Option<Vec<u8>> {
    let coding = Coding::new(precision, 0, Preset::default())?;
    let is_sound = samples.len() == shape.count() && samples.iter().all(|sample| i32::from(*sample) <= coding.maximum);
    let (rows, columns, count) = (u16::try_from(shape.rows).ok()?, u16::try_from(shape.columns).ok()?, u8::try_from(shape.samples).ok()?);
    if !is_sound || count == 0 || rows == 0 || columns == 0 {
        return None;
    }
    let mut out = Vec::with_capacity(samples.len() + 64);
    out.extend([0xFF, code::SOI, 0xFF, code::SOF55, 0, 8 + 3 * count, precision as u8]);
    out.extend(rows.to_be_bytes());
    out.extend(columns.to_be_bytes());
    out.push(count);
    (1..=count).for_each(|id| out.extend([id, 0x11, 0]));
    out.extend([0xFF, code::SOS, 0, 6 + 2 * count, count]);
    (1..=count).for_each(|id| out.extend([id, 0]));
    out.extend([0, u8::from(count > 1), 0]);
    let mut out = scan(samples, shape, coding, out);
    out.extend([0xFF, code::EOI]);
    Some(out)
}

fn scan(samples: &[u16], shape: Shape, coding: Coding, out: Vec<u8>) -> Vec<u8> {
    let mut writer = Writer::new(out);
    let mut model = Model::new(coding);
    let (columns, count) = (shape.columns, shape.samples);
    let mut lines = vec![[vec![0u16; columns + 2], vec![0u16; columns + 2]]; count];
    let mut run_indexes = vec![0; count];
    for row in samples.chunks_exact(columns * count) {
        for (component, ([above, line], run_index)) in lines.iter_mut().zip(&mut run_indexes).enumerate() {
            set_edges(above, line);
            line[1..].iter_mut().zip(row.iter().skip(component).step_by(count)).for_each(|(place, sample)| *place = *sample);
            one_line(&mut model, &mut writer, above, line, run_index);
            std::mem::swap(above, line);
        }
    }
    writer.finish()
}

#[allow(clippy::many_single_char_names)] // Those of the standard.
fn one_line(model: &mut Model, writer: &mut Writer, above: &[u16], line: &[u16], run_index: &mut usize) {
    let Coding { maximum, error_bits, limit, reset, .. } = model.coding;
    let columns = line.len() - 2;
    let mut column = 1;
    while column <= columns {
        let [a, b, c, d] = [line[column - 1], above[column], above[column - 1], above[column + 1]].map(i32::from);
        let number = model.context(a, b, c, d);
        if number != 0 {
            let sign = number >> 31;
            let context = &mut model.contexts[((number ^ sign) - sign) as usize % 512];
            let predicted = (predicted(a, b, c) + (context.c ^ sign) - sign).clamp(0, maximum);
            let error = within(((i32::from(line[column]) - predicted) ^ sign) - sign, maximum + 1);
            let k = context.k();
            let turned = if k == 0 && 2 * context.b <= -context.n { !error } else { error };
            writer.number(((turned << 1) ^ (turned >> 31)) as u32, k, limit, error_bits);
            context.update(error, 1, reset);
            column += 1;
            continue;
        }
        let run = line[column..=columns].iter().take_while(|sample| i32::from(**sample) == a).count();
        let ends = column + run > columns;
        run_length(writer, run, ends, run_index);
        column += run;
        if ends {
            break;
        }
        let b = i32::from(above[column]);
        let kind = i32::from(a == b);
        let sample = i32::from(line[column]);
        let error = if kind == 1 {
            sample - a
        } else if b < a {
            b - sample
        } else {
            sample - b
        };
        let error = within(error, maximum + 1);
        let context = &mut model.run[kind as usize % 2];
        let k = context.k(kind);
        let is_many = 2 * context.negative >= context.n;
        let map = (k == 0 && error > 0 && !is_many) || (error < 0 && (is_many || k != 0));
        let mapped = 2 * error.abs() - kind - i32::from(map);
        writer.number(mapped as u32, k, limit - RUN_BITS[*run_index] - 1, error_bits);
        context.update(error, mapped, kind, reset);
        *run_index = run_index.saturating_sub(1);
        column += 1;
    }
}

/// An error modulo the range (A.4.5).
#[inline(always)]
fn within(error: i32, range: i32) -> i32 {
    let error = if error < 0 { error + range } else { error };
    if error >= (range + 1) / 2 { error - range } else { error }
}

fn run_length(writer: &mut Writer, mut run: usize, ends: bool, run_index: &mut usize) {
    while run >= 1 << RUN_BITS[*run_index] {
        writer.put(1, 1);
        run -= 1 << RUN_BITS[*run_index];
        *run_index = (*run_index + 1).min(31);
    }
    if ends {
        if run > 0 {
            writer.put(1, 1);
        }
        return;
    }
    writer.put(0, 1);
    writer.put(run as u32, RUN_BITS[*run_index]);
}
