//! JPEG-LS (ITU-T T.87): lossless and near-lossless, 2 to 16 bits, every interleave mode, mapping tables; encoded without loss.

mod bits;
mod decode;
mod encode;
mod model;

use model::{Coding, Preset};

use crate::{
    codec::{
        Decoded, Shape, Values,
        marker::{self, Read, be16, code},
    },
    pixels::PixelError,
};

pub(crate) use encode::encode;

/// Components in one scan of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interleave {
    /// One component a scan.
    None,
    /// Line after line of each component.
    Line,
    /// Sample after sample.
    Sample,
}

/// A mapping table: bytes of an entry, and the entries.
type Mapping = (usize, Vec<u16>);

/// What was read before the first scan.
#[derive(Default)]
struct Tables {
    preset: Preset,
    mappings: Vec<(u8, Mapping)>,
    /// Lines between restart markers; 0 is none.
    restart: usize,
}

impl Tables {
    /// An LSE segment (C.2.4).
    fn extension(&mut self, content: &[u8]) -> Result<(), PixelError> {
        match content {
            [1, rest @ ..] => {
                let number = |place: usize| be16(rest, 2 * place).map(i32::from).ok_or(PixelError::Damaged);
                self.preset = Preset { maximum: number(0)?, t1: number(1)?, t2: number(2)?, t3: number(3)?, reset: number(4)? };
                Ok(())
            }
            [kind @ (2 | 3), id, width @ (1 | 2), rest @ ..] => {
                let width = usize::from(*width);
                let entries = rest.chunks_exact(width).map(|entry| entry.iter().fold(0, |value, byte| value << 8 | u16::from(*byte)));
                let there = self.mappings.iter_mut().find(|(other, _)| other == id);
                match there {
                    Some((_, (_, table))) if *kind == 3 && table.len() + rest.len() / width <= 1 << 16 => table.extend(entries),
                    Some((_, mapping)) if *kind == 2 => *mapping = (width, entries.collect()),
                    None if *kind == 2 => self.mappings.push((*id, (width, entries.collect()))),
                    _ => return Err(PixelError::Damaged),
                }
                Ok(())
            }
            // Sizes beyond 65535.
            _ => Err(PixelError::Unsupported),
        }
    }

    fn mapping(&self, id: u8) -> Result<Option<&Mapping>, PixelError> {
        if id == 0 {
            return Ok(None);
        }
        self.mappings.iter().find(|(other, _)| *other == id).map(|(_, mapping)| Some(mapping)).ok_or(PixelError::Damaged)
    }
}

/// The decoded frame as it grows.
struct Image {
    shape: Shape,
    values: Values,
    /// Components that are there.
    done: Vec<bool>,
}

impl Image {
    fn new(shape: Shape, is_wide: bool) -> Self {
        let values = if is_wide { Values::Words(vec![0; shape.count()]) } else { Values::Bytes(vec![0; shape.count()]) };
        Self { shape, values, done: vec![false; shape.samples] }
    }

    /// Writes a line of one component.
    fn put(&mut self, row: usize, component: usize, line: &[u16], shift: u32, mapping: Option<&Mapping>) -> Result<(), PixelError> {
        let (step, width) = (self.shape.samples, self.shape.columns * self.shape.samples);
        if mapping.is_none() && shift == 0 && step == 1 {
            match &mut self.values {
                Values::Bytes(bytes) => {
                    let out = bytes.get_mut(row * width..(row + 1) * width).ok_or(PixelError::Damaged)?;
                    out.iter_mut().zip(line).for_each(|(place, sample)| *place = *sample as u8);
                }
                Values::Words(words) => {
                    words.get_mut(row * width..(row + 1) * width).ok_or(PixelError::Damaged)?.copy_from_slice(line);
                }
                Values::Wide(_) => {}
            }
            return Ok(());
        }
        for (column, sample) in line.iter().enumerate() {
            let sample = match mapping {
                Some((_, table)) => *table.get(usize::from(*sample)).ok_or(PixelError::Damaged)?,
                None => sample << shift,
            };
            let place = row * width + column * step + component;
            match &mut self.values {
                Values::Bytes(bytes) => bytes[place] = sample as u8,
                Values::Words(words) => words[place] = sample,
                Values::Wide(_) => {}
            }
        }
        Ok(())
    }
}

/// Decodes a frame.
///
/// # Errors
/// When its bytes are damaged or are of another size than the data set says.
pub(crate) fn decode(bytes: &[u8], shape: Shape) -> Result<Decoded, PixelError> {
    decode_noting(bytes, shape, &mut Read::default())
}

/// Decodes a frame, and notes what of its bytes was read.
pub(super) fn decode_noting(bytes: &[u8], shape: Shape, read: &mut Read) -> Result<Decoded, PixelError> {
    if !bytes.starts_with(&[0xFF, code::SOI]) {
        return Err(PixelError::Damaged);
    }
    shape.check(bytes.len())?;
    let mut tables = Tables::default();
    let mut header: Option<(u32, Vec<u8>)> = None;
    let mut image: Option<Image> = None;
    let mut at = 2;
    loop {
        let segment = marker::next(bytes, at)?;
        at = segment.end;
        let content = segment.content;
        match segment.marker {
            code::SOF55 if header.is_none() => header = Some(frame_header(content, shape)?),
            code::SOF55 | code::EOI => return Err(PixelError::Damaged),
            code::LSE => tables.extension(content)?,
            code::DRI => tables.restart = content.iter().take(4).fold(0, |value, byte| value << 8 | usize::from(*byte)),
            code::SOS => {
                let (precision, ids) = header.as_ref().ok_or(PixelError::Damaged)?;
                let scan = Scan::read(content, *precision, ids, &tables)?;
                let image = image.get_or_insert_with(|| {
                    let is_mapped_wide = scan.parts.iter().any(|(_, mapping)| mapping.is_some_and(|(width, _)| *width == 2));
                    Image::new(shape, *precision > 8 || is_mapped_wide)
                });
                at = decode::scan(bytes, at, &scan, tables.restart, image, read)?;
                if image.done.iter().all(|done| *done) {
                    break;
                }
            }
            // Another process of JPEG under the transfer syntax of JPEG-LS.
            0xC0..=0xC3 | 0xC5..=0xCF => return Err(PixelError::Mismatch),
            _ => {}
        }
    }
    read.end = at;
    let (precision, _) = header.ok_or(PixelError::Damaged)?;
    let values = image.ok_or(PixelError::Damaged)?.values;
    Ok(Decoded { precision, values })
}

/// Precision and component identifiers of a frame header.
fn frame_header(content: &[u8], shape: Shape) -> Result<(u32, Vec<u8>), PixelError> {
    let &[precision, _, _, _, _, count, ref rest @ ..] = content else { return Err(PixelError::Damaged) };
    let size_at = |at| usize::from(be16(content, at).unwrap_or(0));
    if (size_at(1), size_at(3), usize::from(count)) != (shape.rows, shape.columns, shape.samples) {
        return Err(PixelError::Mismatch);
    }
    let components = rest.as_chunks::<3>().0;
    if components.len() < usize::from(count) || !(2..=16).contains(&precision) {
        return Err(PixelError::Damaged);
    }
    if components.iter().take(usize::from(count)).any(|[_, factors, _]| *factors != 0x11) && count > 1 {
        return Err(PixelError::Unsupported);
    }
    Ok((u32::from(precision), components.iter().take(usize::from(count)).map(|[id, ..]| *id).collect()))
}

/// A scan header.
struct Scan<'t> {
    /// Each component: its place and its mapping table.
    parts: Vec<(usize, Option<&'t Mapping>)>,
    interleave: Interleave,
    /// Bits that samples are shifted left by.
    shift: u32,
    coding: Coding,
}

impl<'t> Scan<'t> {
    fn read(content: &[u8], precision: u32, ids: &[u8], tables: &'t Tables) -> Result<Self, PixelError> {
        let (count, rest) = content.split_first().ok_or(PixelError::Damaged)?;
        let count = usize::from(*count);
        let &[near, mode, transform] = rest.get(2 * count..).and_then(|rest| rest.first_chunk::<3>()).ok_or(PixelError::Damaged)?;
        let mut parts: Vec<(usize, Option<&Mapping>)> = Vec::with_capacity(4);
        for [id, table] in rest.as_chunks::<2>().0.iter().take(count) {
            let place = ids.iter().position(|other| other == id).ok_or(PixelError::Damaged)?;
            if parts.iter().any(|(there, _)| *there == place) {
                return Err(PixelError::Damaged);
            }
            parts.push((place, tables.mapping(*table)?));
        }
        let interleave = match (mode, parts.len()) {
            (_, 0) => return Err(PixelError::Damaged),
            (0..=2, 1) => Interleave::None,
            (1, _) => Interleave::Line,
            (2, _) => Interleave::Sample,
            _ => return Err(PixelError::Damaged),
        };
        let shift = u32::from(transform & 15);
        let coding = Coding::new(precision, i32::from(near), tables.preset).ok_or(PixelError::Damaged)?;
        if shift >= precision {
            return Err(PixelError::Damaged);
        }
        Ok(Self { parts, interleave, shift, coding })
    }
}

#[cfg(test)]
mod tests;
