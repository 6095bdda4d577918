//! JPEG 2000 (ISO/IEC 15444-1): encoded without loss here; decoded here where it is of the kind that most lossless files are ([`decode`]), else by
//! `hayro-jpeg2000`; HTJ2K (part 15) by `dicom-toolkit-jpeg2000`. Both crates are without unsafe code.
//!
//! Neither is shown a code stream before its header ([`Size`]) says what the data set says: they believe it and ask for memory. A JP2 file around the code stream is
//! taken off, since nothing in it is wanted: samples are wanted as they are coded, and colour is what the data set says.

mod block;
mod decode;
mod encode;
mod mq;
mod packet;
mod unblock;
mod unpack;

pub(super) use decode::packets_length;
pub(super) use encode::encode;

use super::{Decoded, Shape, Values, fenced};
use crate::{codec::marker::be16, pixels::PixelError};

/// Tile-parts have at least a header of twelve bytes and a marker.
const TILE_BYTES: usize = 14;
/// Bits of a sample that a 32-bit float holds exactly.
const MOST_BITS: u32 = 24;

/// Decodes a frame.
///
/// # Errors
/// When its bytes are damaged, or are of another size than the data set says, or its components are of different size, depth or sign.
pub(crate) fn decode(bytes: &[u8], shape: Shape) -> Result<Decoded, PixelError> {
    let stream = code_stream(bytes).ok_or(PixelError::Damaged)?;
    shape.check(stream.len())?;
    let size = Size::read(stream)?;
    if (size.rows, size.columns, size.components) != (shape.rows, shape.columns, shape.samples) {
        return Err(PixelError::Mismatch);
    }
    if size.tiles > stream.len() / TILE_BYTES {
        return Err(PixelError::Damaged);
    }
    if is_cut(stream) {
        return Err(PixelError::Damaged);
    }
    if size.precision > MOST_BITS {
        return Err(PixelError::Unsupported);
    }
    if !size.is_high_throughput
        && size.precision <= 16
        && let Some(components) = decode::components(stream, shape)
    {
        return Ok(Decoded { precision: size.precision, values: leveled(&components, &size) });
    }
    let values = if size.is_high_throughput { high_throughput(stream, shape, &size)? } else { part_one(stream, shape, &size)? };
    Ok(Decoded { precision: size.precision, values })
}

/// The code stream of a JP2 file, or the bytes themselves.
pub(super) fn code_stream(bytes: &[u8]) -> Option<&[u8]> {
    if !bytes.starts_with(b"\0\0\0\x0cjP  ") {
        return Some(bytes);
    }
    let mut rest = bytes;
    while let Some((head, behind)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let (content, next) = match length {
            // Up to the end.
            0 => (behind, &[][..]),
            1 => {
                let (length, behind) = behind.split_first_chunk::<8>()?;
                behind.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?.checked_sub(16)?)?
            }
            // Files that are cut off, or whose length is wrong: the decoder sees what is there.
            _ => behind.split_at(length.checked_sub(8)?.min(behind.len())),
        };
        if kind == *b"jp2c" {
            return Some(content);
        }
        rest = next;
    }
    None
}

/// Whether the code stream ends before its tile-parts do. What is left would be decoded as an image of less quality, and nobody would know.
fn is_cut(stream: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xFF, marker]) = stream.get(at..at + 2) {
        let length = match marker {
            0x90 => {
                let four = stream.get(at + 6..at + 10).and_then(|four| <[u8; 4]>::try_from(four).ok());
                match four.map(u32::from_be_bytes) {
                    // Up to the end, however far that is.
                    Some(0) => return false,
                    Some(length) => length as usize,
                    None => return true,
                }
            }
            0xD9 => return false,
            _ => 2 + usize::from(be16(stream, at + 2).unwrap_or(0)),
        };
        at += length.max(4);
    }
    at > stream.len()
}

/// Whether the code stream says that its components are transformed: that its decoder makes RGB of them.
pub(crate) fn has_transform(bytes: &[u8]) -> bool {
    let stream = code_stream(bytes).unwrap_or_default();
    let mut at = 2;
    while let Some(&[0xFF, marker]) = stream.get(at..at + 2) {
        match marker {
            0x52 => return stream.get(at + 8) == Some(&1),
            0x90 | 0x93 | 0xD9 => return false,
            _ => at += 2 + usize::from(be16(stream, at + 2).unwrap_or(0).max(2)),
        }
    }
    false
}

/// What the SIZ segment says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) components: usize,
    pub(super) precision: u32,
    signed: bool,
    pub(super) tiles: usize,
    is_high_throughput: bool,
}

impl Size {
    pub(super) fn read(stream: &[u8]) -> Result<Self, PixelError> {
        if !stream.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
            return Err(PixelError::Damaged);
        }
        let length = usize::from(be16(stream, 4).ok_or(PixelError::Damaged)?);
        let segment = stream.get(6..4 + length).ok_or(PixelError::Damaged)?;
        let number = |place: usize| {
            let four = segment.get(2 + 4 * place..6 + 4 * place).and_then(|four| <[u8; 4]>::try_from(four).ok());
            four.map(u32::from_be_bytes).ok_or(PixelError::Damaged)
        };
        let [x, y, x0, y0, tile_x, tile_y, tile_x0, tile_y0] =
            [number(0)?, number(1)?, number(2)?, number(3)?, number(4)?, number(5)?, number(6)?, number(7)?];
        let count = usize::from(be16(segment, 34).ok_or(PixelError::Damaged)?);
        let components = segment.get(36..36 + 3 * count).ok_or(PixelError::Damaged)?.as_chunks::<3>().0;
        let [depth, step_x, step_y] = *components.first().ok_or(PixelError::Damaged)?;
        if components.iter().any(|other| *other != [depth, step_x, step_y]) || (step_x, step_y) != (1, 1) {
            return Err(PixelError::Unsupported);
        }
        let is_sound = x > x0 && y > y0 && tile_x > 0 && tile_y > 0 && tile_x0 <= x0 && tile_y0 <= y0;
        if !is_sound {
            return Err(PixelError::Damaged);
        }
        let across = u64::from(x - tile_x0).div_ceil(u64::from(tile_x));
        let down = u64::from(y - tile_y0).div_ceil(u64::from(tile_y));
        Ok(Self {
            rows: (y - y0) as usize,
            columns: (x - x0) as usize,
            components: count,
            precision: u32::from(depth & 0x7F) + 1,
            signed: depth & 0x80 != 0,
            tiles: usize::try_from(across * down).unwrap_or(usize::MAX),
            // A capabilities segment stands behind the size where there is one.
            is_high_throughput: stream.get(4 + length..6 + length) == Some(&[0xFF, 0x50]),
        })
    }

    /// What a decoder that takes no notice of the sign has added to samples that have one.
    fn offset(&self) -> i32 {
        if self.signed { 1 << (self.precision - 1) } else { 0 }
    }
}

/// Components pixel after pixel, with the level that those without sign were shifted by.
fn leveled(components: &[Vec<i32>], size: &Size) -> Values {
    let half = 1i32 << (size.precision - 1);
    let shift = if size.signed { 0 } else { half };
    let (least, most) = (-half, half - 1);
    let number = |value: i32| value.clamp(least, most) + shift;
    let count = components.len();
    macro_rules! woven {
        ($kind:ident, $type:ty) => {{
            if let [only] = components {
                return Values::$kind(only.iter().map(|value| number(*value) as $type).collect());
            }
            let mut out = vec![0; components.iter().map(Vec::len).sum()];
            for (first, component) in components.iter().enumerate() {
                out.iter_mut().skip(first).step_by(count).zip(component).for_each(|(place, value)| *place = number(*value) as $type);
            }
            Values::$kind(out)
        }};
    }
    if size.precision <= 8 { woven!(Bytes, u8) } else { woven!(Words, u16) }
}

fn part_one(stream: &[u8], shape: Shape, size: &Size) -> Result<Values, PixelError> {
    use hayro_jpeg2000::{ComponentData, DecodeSettings, DecoderContext, Image};
    fenced(|| {
        let settings = DecodeSettings { resolve_palette_indices: false, strict: false, target_resolution: None };
        let image = Image::new(stream, &settings).map_err(|_| PixelError::Damaged)?;
        let mut context = DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(|_| PixelError::Damaged)?;
        let components: Vec<&[f32]> = decoded.components().iter().map(ComponentData::samples).collect();
        let pixels = shape.rows * shape.columns;
        if components.len() != shape.samples || components.iter().any(|samples| samples.len() != pixels) {
            return Err(PixelError::Damaged);
        }
        let (most, offset) = (((1i64 << size.precision) - 1) as f32, size.offset());
        let number = |value: f32| value.round_ties_even().clamp(0.0, most) as i32 - offset;
        Ok(match size.precision {
            ..=8 => Values::Bytes(woven(&components, |value| number(value) as u8)),
            9..=16 => Values::Words(woven(&components, |value| number(value) as u16)),
            _ => Values::Wide(woven(&components, number)),
        })
    })
}

/// Components pixel after pixel.
fn woven<S: Copy + Default>(components: &[&[f32]], put: impl Fn(f32) -> S) -> Vec<S> {
    if let [only] = components {
        return only.iter().map(|value| put(*value)).collect();
    }
    let mut out = vec![S::default(); components.iter().map(|component| component.len()).sum()];
    for (first, component) in components.iter().enumerate() {
        let places = out.iter_mut().skip(first).step_by(components.len());
        places.zip(*component).for_each(|(place, value)| *place = put(*value));
    }
    out
}

fn high_throughput(stream: &[u8], shape: Shape, size: &Size) -> Result<Values, PixelError> {
    use dicom_toolkit_jpeg2000::{DecodeSettings, Image};
    if size.precision > 16 {
        return Err(PixelError::Unsupported);
    }
    fenced(|| {
        let settings = DecodeSettings { resolve_palette_indices: false, strict: false, target_resolution: None };
        let image = Image::new(stream, &settings).map_err(|_| PixelError::Damaged)?;
        let decoded = image.decode_native().map_err(|_| PixelError::Damaged)?;
        let width = if size.precision > 8 { 2 } else { 1 };
        if decoded.data.len() != shape.count() * width {
            return Err(PixelError::Damaged);
        }
        let offset = size.offset();
        if width == 1 {
            return Ok(Values::Bytes(decoded.data.into_iter().map(|byte| byte.wrapping_sub(offset as u8)).collect()));
        }
        let words = decoded.data.as_chunks::<2>().0.iter();
        Ok(Values::Words(words.map(|two| u16::from_le_bytes(*two).wrapping_sub(offset as u16)).collect()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(columns: u32, rows: u32, tile: u32) -> Vec<u8> {
        let mut bytes = b"\xff\x4f\xff\x51\x00\x29\x00\x00".to_vec();
        bytes.extend([columns, rows, 0, 0, tile, tile, 0, 0].iter().flat_map(|number| number.to_be_bytes()));
        bytes.extend(b"\x00\x01\x8b\x01\x01");
        bytes
    }

    #[test]
    fn headers_are_believed_only_if_the_data_set_agrees() {
        let shape = Shape { rows: 4, columns: 4, samples: 1 };
        let size = Size::read(&header(4, 4, 4)).unwrap();
        assert_eq!((size.precision, size.signed, size.tiles), (12, true, 1));
        assert_eq!(decode(&header(4, 5, 4), shape).err(), Some(PixelError::Mismatch));
        assert_eq!(decode(&header(4, 4, 1), shape).err(), Some(PixelError::Damaged), "sixteen tiles without bytes");
        assert_eq!(decode(&header(4, 4, 0), shape).err(), Some(PixelError::Damaged));
        assert_eq!(decode(b"\0\0\0\x0cjP  \r\n\x87\n", shape).err(), Some(PixelError::Damaged));
        assert_eq!(decode(b"", shape).err(), Some(PixelError::Damaged));
    }

    /// Noise, slopes and flat parts of some bits; rows and columns of one and of more than one block.
    fn image() -> impl proptest::strategy::Strategy<Value = (Shape, u32, Vec<u16>)> {
        use proptest::prelude::*;
        (1usize..90, 1usize..150, prop_oneof![Just(1usize), Just(3)], 1u32..=16, any::<u32>()).prop_map(
            |(rows, columns, samples, precision, seed)| {
                let mut state = seed | 1;
                let values = (0..rows * columns * samples).map(|place| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = state >> 16;
                    let value = match place / 61 % 4 {
                        0 => noise,
                        1 => noise % 3 + place as u32,
                        _ => seed % 7,
                    };
                    (value & ((1 << precision) - 1)) as u16
                });
                (Shape { rows, columns, samples }, precision, values.collect())
            },
        )
    }

    fn words(values: Values) -> Vec<u16> {
        match values {
            Values::Bytes(values) => values.into_iter().map(u16::from).collect(),
            Values::Words(values) => values,
            Values::Wide(_) => Vec::new(),
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn both_decoders_give_what_was_encoded((shape, precision, samples) in image(), is_signed: bool) {
            let stream = encode(&samples, shape, precision, is_signed).unwrap();
            let size = Size::read(&stream).unwrap();
            let mask = ((1u32 << precision) - 1) as u16;
            let same = |values: Values| words(values).iter().zip(&samples).all(|(value, sample)| value & mask == *sample);
            let ours = decode::components(&stream, shape).map(|components| leveled(&components, &size));
            proptest::prop_assert!(ours.is_some_and(same));
            proptest::prop_assert!(part_one(&stream, shape, &size).is_ok_and(same));
        }

        #[test]
        fn what_is_changed_ends_well((shape, precision, samples) in image(), changes in proptest::collection::vec((proptest::num::usize::ANY, proptest::num::u8::ANY), 1..5), at_front: bool) {
            let mut stream = encode(&samples, shape, precision, false).unwrap();
            let end = if at_front { stream.len().min(160) } else { stream.len() };
            for (place, value) in changes {
                stream[place % end] = value;
            }
            let _ = decode::components(&stream, shape);
        }

        #[test]
        fn any_bytes_end_well(bytes: Vec<u8>, is_boxed: bool) {
            let shape = Shape { rows: 4, columns: 4, samples: 1 };
            let mut stream = if is_boxed { b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\0jp2c".to_vec() } else { Vec::new() };
            stream.extend(header(4, 4, 4));
            stream.extend(bytes);
            let _ = decode(&stream, shape);
        }
    }
}
