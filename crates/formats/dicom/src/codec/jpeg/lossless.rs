//! Lossless scans (T.81 annex H): each sample is predicted from its neighbours, the difference is coded.

use super::{
    Header, Scan,
    bits::{Bits, End, Huffman},
    narrowed,
    tables::Tables,
};
use crate::{codec::Values, pixels::PixelError};

/// Samples, pixel after pixel.
pub(super) struct Lines {
    samples: Vec<u16>,
}

impl Lines {
    pub(super) fn new(header: &Header) -> Result<Self, PixelError> {
        if !(2..=16).contains(&header.precision) {
            return Err(PixelError::Damaged);
        }
        let first = header.components.first().ok_or(PixelError::Damaged)?;
        if header.components.iter().any(|component| (component.h, component.v) != (first.h, first.v)) {
            return Err(PixelError::Unsupported);
        }
        Ok(Self { samples: vec![0; header.rows * header.columns * header.components.len()] })
    }

    /// Decodes a scan; where it ends.
    pub(super) fn scan(
        &mut self,
        header: &Header,
        scan: &Scan,
        tables: &Tables,
        restart: usize,
        bytes: &[u8],
        at: usize,
    ) -> Result<End, PixelError> {
        let (predictor, shift) = (scan.start, scan.low);
        if !(1..=7).contains(&predictor) || shift >= header.precision {
            return Err(PixelError::Unsupported);
        }
        // Prediction starts anew behind a restart: only at the beginning of a line (H.1.2).
        if !restart.is_multiple_of(header.columns) {
            return Err(PixelError::Unsupported);
        }
        let codes = scan.components.iter().map(|(_, dc, _)| tables.dc(*dc)).collect::<Result<Vec<_>, _>>()?;
        let places: Vec<usize> = scan.components.iter().map(|(place, ..)| *place).collect();
        let all = header.components.len();
        let width = header.columns * codes.len();
        let mut bits = Bits::new(bytes, at);
        // Lines of the scan with its own components only.
        let (mut above, mut line) = (vec![0u16; width], vec![0u16; width]);
        let initial = 1u16 << (header.precision - shift - 1);
        let mut left = restart / header.columns;
        for (row, out) in self.samples.chunks_exact_mut(header.columns * all).enumerate() {
            let mut is_first = row == 0;
            if restart > 0 && left == 0 {
                bits.restart()?;
                left = restart / header.columns;
                is_first = true;
            }
            left = left.saturating_sub(1);
            let effective = if is_first { 0 } else { predictor };
            match (effective, codes.as_slice()) {
                (0, codes) => decode_line::<0>(&mut bits, codes, &above, &mut line, initial)?,
                (1, codes) => decode_line::<1>(&mut bits, codes, &above, &mut line, initial)?,
                (2, codes) => decode_line::<2>(&mut bits, codes, &above, &mut line, initial)?,
                (3, codes) => decode_line::<3>(&mut bits, codes, &above, &mut line, initial)?,
                (4, codes) => decode_line::<4>(&mut bits, codes, &above, &mut line, initial)?,
                (5, codes) => decode_line::<5>(&mut bits, codes, &above, &mut line, initial)?,
                (6, codes) => decode_line::<6>(&mut bits, codes, &above, &mut line, initial)?,
                (_, codes) => decode_line::<7>(&mut bits, codes, &above, &mut line, initial)?,
            }
            if bits.is_overrun() {
                return Err(PixelError::Damaged);
            }
            for (pixel, decoded) in out.chunks_exact_mut(all).zip(line.chunks_exact(codes.len())) {
                for (place, sample) in places.iter().zip(decoded) {
                    pixel[*place] = sample << shift;
                }
            }
            std::mem::swap(&mut above, &mut line);
        }
        Ok(bits.end())
    }

    pub(super) fn finish(self, header: &Header) -> Values {
        narrowed(self.samples, header.precision)
    }
}

/// A line by predictor `P`; 0 is that of a first line.
fn decode_line<const P: u8>(
    bits: &mut Bits<'_>,
    codes: &[&Huffman],
    above: &[u16],
    line: &mut [u16],
    initial: u16,
) -> Result<(), PixelError> {
    // Of one component the neighbours are kept in registers.
    if let [code] = codes {
        let (mut a, mut c) = (0u16, 0u16);
        for (place, (sample, b)) in line.iter_mut().zip(above).enumerate() {
            let predicted = match (place, P) {
                (0, 0) => initial,
                (0, _) => *b,
                _ => predict::<P>(a, *b, c),
            };
            let value = predicted.wrapping_add(difference(bits, code)?);
            *sample = value;
            (a, c) = (value, *b);
        }
        return Ok(());
    }
    let step = codes.len();
    for place in 0..line.len() {
        let b = above[place];
        let predicted = match (place.checked_sub(step), P) {
            (None, 0) => initial,
            (None, _) => b,
            (Some(before), _) => predict::<P>(line[before], b, above[before]),
        };
        line[place] = predicted.wrapping_add(difference(bits, codes[place % step])?);
    }
    Ok(())
}

#[inline(always)]
fn predict<const P: u8>(a: u16, b: u16, c: u16) -> u16 {
    let (wide_a, wide_b, wide_c) = (i32::from(a), i32::from(b), i32::from(c));
    match P {
        0 | 1 => a,
        2 => b,
        3 => c,
        4 => (wide_a + wide_b - wide_c) as u16,
        5 => (wide_a + ((wide_b - wide_c) >> 1)) as u16,
        6 => (wide_b + ((wide_a - wide_c) >> 1)) as u16,
        _ => ((wide_a + wide_b) >> 1) as u16,
    }
}

#[inline(always)]
fn difference(bits: &mut Bits<'_>, code: &Huffman) -> Result<u16, PixelError> {
    bits.fill();
    match bits.symbol(code)? {
        0 => Ok(0),
        // One difference of 17 bits modulo 16; no bits follow.
        16 => Ok(0x8000),
        size @ 1..=15 => Ok(bits.signed(size) as u16),
        _ => Err(PixelError::Damaged),
    }
}
