//! Progressive DCT scans (T.81 annex G).

use super::{
    Header, Scan,
    bits::{Bits, End, Huffman},
    dct::{Plane, Units, each_block, planes},
    idct,
    tables::{Tables, ZIGZAG},
    upsample,
};
use crate::{codec::Values, pixels::PixelError};

/// Coefficients of all blocks in zigzag order, component after component.
pub(super) struct Coefficients {
    blocks: Vec<Vec<[i16; 64]>>,
    /// Blocks of a line in memory.
    strides: Vec<usize>,
}

impl Coefficients {
    pub(super) fn new(header: &Header) -> Result<Self, PixelError> {
        if !matches!(header.precision, 8 | 12) {
            return Err(PixelError::Unsupported);
        }
        let units = Units::of(header);
        let strides: Vec<usize> = header.components.iter().map(|component| units.across * component.h).collect();
        let blocks = header.components.iter().zip(&strides).map(|(component, stride)| vec![[0; 64]; stride * units.down * component.v]);
        Ok(Self { blocks: blocks.collect(), strides })
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
        let is_dc = scan.start == 0;
        let is_sound = scan.end < 64 && scan.start <= scan.end && (is_dc == (scan.end == 0)) && scan.low < 14 && scan.high < 14;
        if !is_sound || (!is_dc && scan.components.len() > 1) {
            return Err(PixelError::Damaged);
        }
        let mut bits = Bits::new(bytes, at);
        let codes = (scan.components.iter())
            .map(|(_, dc, ac)| match (is_dc, scan.high) {
                (true, 0) => tables.dc(*dc).map(Some),
                (true, _) => Ok(None),
                (false, _) => tables.ac(*ac).map(Some),
            })
            .collect::<Result<Vec<Option<&Huffman>>, _>>()?;
        let (mut predicted, mut band_end) = ([0i32; 4], 0u32);
        each_block(header, scan, restart, &mut bits, |bits, part, row, column, is_restart| {
            if is_restart {
                (predicted, band_end) = ([0; 4], 0);
            }
            let place = scan.components[part].0;
            let number = row * self.strides[place] + column;
            let block = self.blocks[place].get_mut(number).ok_or(PixelError::Damaged)?;
            match (codes[part], scan.high) {
                (None, _) => {
                    if bits.bit() {
                        block[0] |= 1 << scan.low;
                    }
                    Ok(())
                }
                (Some(code), 0) if is_dc => {
                    predicted[part] = predicted[part].wrapping_add(bits.difference(code)?);
                    block[0] = (predicted[part] << scan.low) as i16;
                    Ok(())
                }
                (Some(code), 0) => first(bits, code, block, scan, &mut band_end),
                (Some(code), _) => refined(bits, code, block, scan, &mut band_end),
            }
        })?;
        Ok(bits.end())
    }

    pub(super) fn finish(self, header: &Header, tables: &Tables) -> Result<Values, PixelError> {
        if header.precision == 8 {
            let all = self.samples(header, tables, |value| value as u8)?;
            return Ok(Values::Bytes(upsample::interleaved(&all, header)));
        }
        let all = self.samples(header, tables, |value| value as u16)?;
        Ok(Values::Words(upsample::interleaved(&all, header)))
    }

    fn samples<S: Copy + Default>(
        &self,
        header: &Header,
        tables: &Tables,
        put: impl Fn(i32) -> S + Copy,
    ) -> Result<Vec<Plane<S>>, PixelError> {
        let mut all = planes(header);
        for ((plane, component), (blocks, stride)) in all.iter_mut().zip(&header.components).zip(self.blocks.iter().zip(&self.strides)) {
            let quantizer = tables.quantizer(component.table)?;
            for (number, block) in blocks.iter().enumerate() {
                let mut coefficients = [0; 64];
                for (natural, (value, factor)) in ZIGZAG.iter().zip(block.iter().zip(quantizer)) {
                    coefficients[usize::from(*natural)] = i32::from(*value) * factor;
                }
                let at = number / stride * 8 * plane.stride + number % stride * 8;
                idct::block(&coefficients, header.precision, &mut plane.samples[at..], plane.stride, put);
            }
        }
        Ok(all)
    }
}

/// Coefficients of a band, for the first time.
fn first(bits: &mut Bits<'_>, code: &Huffman, block: &mut [i16; 64], scan: &Scan, band_end: &mut u32) -> Result<(), PixelError> {
    if *band_end > 0 {
        *band_end -= 1;
        return Ok(());
    }
    let mut k = scan.start;
    while k <= scan.end {
        bits.fill();
        let symbol = bits.symbol(code)?;
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 {
            if run < 15 {
                bits.fill();
                *band_end = (1 << run) - 1 + bits.take(run) as u32;
                return Ok(());
            }
            k += 16;
            continue;
        }
        k += run as usize;
        let place = block.get_mut(k).ok_or(PixelError::Damaged)?;
        *place = (bits.signed(size) << scan.low) as i16;
        k += 1;
    }
    Ok(())
}

/// One more bit of each coefficient of a band.
fn refined(bits: &mut Bits<'_>, code: &Huffman, block: &mut [i16; 64], scan: &Scan, band_end: &mut u32) -> Result<(), PixelError> {
    let bit = 1i16 << scan.low;
    let mut k = scan.start;
    if *band_end == 0 {
        while k <= scan.end {
            bits.fill();
            let symbol = bits.symbol(code)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            let mut value = 0;
            if size == 0 {
                if run < 15 {
                    bits.fill();
                    *band_end = (1 << run) + bits.take(run) as u32;
                    break;
                }
            } else if bits.bit() {
                value = bit;
            } else {
                value = -bit;
            }
            while k <= scan.end {
                let place = &mut block[k];
                if *place != 0 {
                    refine(bits, place, bit);
                } else if run == 0 {
                    *place = value;
                    k += 1;
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
        }
    }
    if *band_end > 0 {
        block.iter_mut().take(scan.end + 1).skip(k).filter(|place| **place != 0).for_each(|place| refine(bits, place, bit));
        *band_end -= 1;
    }
    Ok(())
}

#[inline]
fn refine(bits: &mut Bits<'_>, place: &mut i16, bit: i16) {
    if bits.bit() && *place & bit == 0 {
        *place = place.wrapping_add(if *place < 0 { -bit } else { bit });
    }
}
