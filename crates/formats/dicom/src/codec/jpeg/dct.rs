//! Sequential DCT scans (T.81 annex F).

use super::{
    Header, Scan,
    bits::{Bits, End},
    idct,
    tables::{Tables, ZIGZAG},
    upsample,
};
use crate::{codec::Values, pixels::PixelError};

/// Samples of each component.
pub(super) enum Planes {
    Bytes(Vec<Plane<u8>>),
    Words(Vec<Plane<u16>>),
}

/// Samples of one component in whole units.
pub(super) struct Plane<S> {
    pub samples: Vec<S>,
    /// Samples of a line in memory.
    pub stride: usize,
    /// Lines and columns that are the image's.
    pub rows: usize,
    pub columns: usize,
}

/// How many units and blocks there are.
pub(super) struct Units {
    pub across: usize,
    pub down: usize,
    most_h: usize,
    most_v: usize,
    rows: usize,
    columns: usize,
}

impl Units {
    pub(super) fn of(header: &Header) -> Self {
        let (most_h, most_v) = (header.most_h(), header.most_v());
        let (rows, columns) = (header.rows, header.columns);
        Self { across: columns.div_ceil(8 * most_h), down: rows.div_ceil(8 * most_v), most_h, most_v, rows, columns }
    }

    /// Rows and columns of a component.
    pub(super) fn size(&self, h: usize, v: usize) -> (usize, usize) {
        ((self.rows * v).div_ceil(self.most_v), (self.columns * h).div_ceil(self.most_h))
    }
}

impl Planes {
    pub(super) fn new(header: &Header) -> Result<Self, PixelError> {
        match header.precision {
            8 => Ok(Self::Bytes(planes(header))),
            12 => Ok(Self::Words(planes(header))),
            _ => Err(PixelError::Unsupported),
        }
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
        let mut bits = Bits::new(bytes, at);
        match self {
            Self::Bytes(planes) => blocks(planes, header, scan, tables, restart, &mut bits, |value| value as u8)?,
            Self::Words(planes) => blocks(planes, header, scan, tables, restart, &mut bits, |value| value as u16)?,
        }
        Ok(bits.end())
    }

    pub(super) fn finish(self, header: &Header) -> Values {
        match self {
            Self::Bytes(planes) => Values::Bytes(upsample::interleaved(&planes, header)),
            Self::Words(planes) => Values::Words(upsample::interleaved(&planes, header)),
        }
    }
}

pub(super) fn planes<S: Copy + Default>(header: &Header) -> Vec<Plane<S>> {
    let units = Units::of(header);
    let plane = |h: usize, v: usize| {
        let stride = units.across * h * 8;
        let (rows, columns) = units.size(h, v);
        Plane { samples: vec![S::default(); stride * units.down * v * 8], stride, rows, columns }
    };
    header.components.iter().map(|component| plane(component.h, component.v)).collect()
}

fn blocks<S: Copy>(
    planes: &mut [Plane<S>],
    header: &Header,
    scan: &Scan,
    tables: &Tables,
    restart: usize,
    bits: &mut Bits<'_>,
    put: impl Fn(i32) -> S + Copy,
) -> Result<(), PixelError> {
    let mut predicted = [0i32; 4];
    let parts: Vec<_> = (scan.components.iter())
        .map(|(place, dc, ac)| {
            let component = header.components[*place];
            Ok((*place, component, tables.dc(*dc)?, tables.ac(*ac)?, tables.quantizer(component.table)?))
        })
        .collect::<Result<_, PixelError>>()?;
    each_block(header, scan, restart, bits, |bits, part, block_row, block_column, is_restart| {
        if is_restart {
            predicted = [0; 4];
        }
        let (place, _, dc, ac, quantizer) = parts[part];
        let mut coefficients = [0i32; 64];
        predicted[part] = predicted[part].wrapping_add(bits.difference(dc)?);
        coefficients[0] = predicted[part].wrapping_mul(quantizer[0]);
        let mut k = 1;
        while k < 64 {
            bits.fill();
            let symbol = bits.symbol(ac)?;
            let (run, size) = ((symbol >> 4) as usize, symbol & 15);
            if size == 0 {
                if run != 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            let natural = *ZIGZAG.get(k).ok_or(PixelError::Damaged)?;
            coefficients[usize::from(natural) % 64] = bits.signed(size).wrapping_mul(quantizer[k]);
            k += 1;
        }
        let plane = &mut planes[place];
        let first = block_row * 8 * plane.stride + block_column * 8;
        let out = plane.samples.get_mut(first..).ok_or(PixelError::Damaged)?;
        idct::block(&coefficients, header.precision, out, plane.stride, put);
        Ok(())
    })
}

/// Calls back for each block of a scan in its order: part of the scan, row and column of the block, whether prediction starts anew.
pub(super) fn each_block<'b>(
    header: &Header,
    scan: &Scan,
    restart: usize,
    bits: &mut Bits<'b>,
    mut take: impl FnMut(&mut Bits<'b>, usize, usize, usize, bool) -> Result<(), PixelError>,
) -> Result<(), PixelError> {
    let units = Units::of(header);
    let parts: Vec<_> = scan.components.iter().map(|(place, ..)| header.components[*place]).collect();
    // A scan of one component has its blocks only; of several, units of blocks.
    let (across, down) = match parts.as_slice() {
        [only] => {
            let (rows, columns) = units.size(only.h, only.v);
            (columns.div_ceil(8), rows.div_ceil(8))
        }
        _ => (units.across, units.down),
    };
    let mut left = restart;
    for row in 0..down {
        for column in 0..across {
            let mut is_restart = row == 0 && column == 0;
            if restart > 0 && left == 0 {
                bits.restart()?;
                left = restart;
                is_restart = true;
            }
            left = left.saturating_sub(1);
            if parts.len() == 1 {
                take(bits, 0, row, column, is_restart)?;
                continue;
            }
            for (part, component) in parts.iter().enumerate() {
                for y in 0..component.v {
                    for x in 0..component.h {
                        take(bits, part, row * component.v + y, column * component.h + x, std::mem::take(&mut is_restart))?;
                    }
                }
            }
        }
        if bits.is_overrun() {
            return Err(PixelError::Damaged);
        }
    }
    Ok(())
}
