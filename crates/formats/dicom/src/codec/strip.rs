//! A coded frame without what is no part of its image: comments, metadata of cameras, boxes, bytes behind the end, bits that no sample uses.
//!
//! Such bytes are not seen by any viewer and go wherever the file goes. What is left decodes to the same samples.

mod jpeg;
mod jpeg2000;

use super::{Decoded, Shape, fenced, rle};
use crate::{
    pixels::{PixelDescription, PixelError, decode::inflate},
    syntax::PixelCoding,
    tag::Tag,
};

/// What is to be written in the place of a coded frame.
#[derive(Clone, PartialEq, Eq)]
pub enum Stripped {
    /// The frame as it is; at most the byte that pads it to an even length is not part of the image.
    AsItIs,
    /// These bytes.
    Anew(Vec<u8>),
    /// Its samples, decoded: something else is in it that cannot be taken out of its coding.
    Decoded,
}

impl std::fmt::Debug for Stripped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Pixels can be a face.
        match self {
            Self::AsItIs => f.write_str("AsItIs"),
            Self::Anew(bytes) => write!(f, "Anew({})", bytes.len()),
            Self::Decoded => f.write_str("Decoded"),
        }
    }
}

/// Takes out of a coded frame, all its fragments together, what is no part of its image.
///
/// JPEG and JPEG-LS keep the tables that a scan read, frame and scan headers and the bytes of scans that bits were read from, and of application segments only what
/// says which colours they are; JPEG 2000 keeps the code stream with the segments that decoding needs; RLE is written anew unless every byte of it was used.
///
/// # Errors
/// [`PixelError::Unsupported`] for codings that are not read here (video), else what is wrong with the frame.
pub fn strip(coded: &[u8], description: &PixelDescription) -> Result<Stripped, PixelError> {
    let shape = Shape { rows: description.rows, columns: description.columns, samples: description.samples };
    let precision = |decoded: &Decoded| decoded.precision as usize;
    let out = match description.coding {
        PixelCoding::JpegBaseline | PixelCoding::JpegExtended | PixelCoding::JpegLossless => {
            let (out, decoded) = fenced(|| jpeg::strip(coded, shape))?;
            if has_hidden_bits(precision(&decoded), decoded, description)? {
                return Ok(Stripped::Decoded);
            }
            out
        }
        PixelCoding::JpegLs => {
            let (out, decoded) = fenced(|| jpeg::strip_ls(coded, shape))?;
            let is_hidden = has_hidden_bits(precision(&decoded), decoded, description)?;
            match out {
                Some(out) if !is_hidden => out,
                _ => return Ok(Stripped::Decoded),
            }
        }
        PixelCoding::Jpeg2000 | PixelCoding::HtJpeg2000 => {
            let (out, bits) = jpeg2000::strip(coded, shape)?;
            let Some(out) = out else { return Ok(Stripped::Decoded) };
            // What is left has to be an image: bytes that are none may be anything.
            let decoded = fenced(|| super::decode_as(&out, shape, description.coding))?;
            if has_hidden_bits(bits as usize, decoded, description)? {
                return Ok(Stripped::Decoded);
            }
            out
        }
        PixelCoding::Rle => match rle_anew(coded, description)? {
            Some(out) => out,
            None => return Ok(Stripped::AsItIs),
        },
        PixelCoding::EncapsulatedUncompressed => native(coded, description)?.into_owned(),
        PixelCoding::DeflatedFrame => {
            let plain = inflate(coded, description.native_frame_bits().div_ceil(8))?;
            deflated(&native(&plain, description)?)?
        }
        PixelCoding::JpegXl => return Ok(Stripped::Decoded),
        _ => return Err(PixelError::Unsupported),
    };
    let is_same = matches!(coded.strip_prefix(&out[..]), Some([] | [0]));
    Ok(if is_same { Stripped::AsItIs } else { Stripped::Anew(out) })
}

/// Native frames, little endian, one after the other: cut to the bytes that frames have, and without bits that are none of samples.
///
/// # Errors
/// When there are fewer bytes than that, or the bits of a sample are described as what cannot be.
pub fn strip_native<'b>(bytes: &'b [u8], description: &PixelDescription) -> Result<std::borrow::Cow<'b, [u8]>, PixelError> {
    frames(bytes, description, description.frames)
}

fn native<'b>(bytes: &'b [u8], description: &PixelDescription) -> Result<std::borrow::Cow<'b, [u8]>, PixelError> {
    frames(bytes, description, 1)
}

fn frames<'b>(bytes: &'b [u8], description: &PixelDescription, count: usize) -> Result<std::borrow::Cow<'b, [u8]>, PixelError> {
    let bits = description.native_frame_bits().saturating_mul(count);
    let bytes = bytes.get(..bits.div_ceil(8)).ok_or(PixelError::Short)?;
    let mut out = match used_bits_only(bytes, description)? {
        Some(changed) => std::borrow::Cow::Owned(changed),
        None => std::borrow::Cow::Borrowed(bytes),
    };
    // Single bits may end within a byte.
    let in_last = bits % 8;
    if in_last > 0
        && out.last().is_some_and(|last| last >> in_last != 0)
        && let Some(last) = out.to_mut().last_mut()
    {
        *last &= (1 << in_last) - 1;
    }
    Ok(out)
}

/// Where the bits of a sample are: how far it is from the top, and how far the lowest is from the bottom. `None` where all bits count.
fn unused_bits(description: &PixelDescription) -> Result<Option<(u32, u32)>, PixelError> {
    let (allocated, stored, high) = (description.bits_allocated, description.bits_stored, description.high_bit);
    if stored >= allocated || allocated < 8 || description.kind != crate::pixels::SampleKind::Integer {
        return Ok(None);
    }
    if high + 1 < stored || high >= allocated {
        return Err(PixelError::Attribute(Tag(0x0028_0102)));
    }
    Ok(Some(((allocated - 1 - high) as u32, (high + 1 - stored) as u32)))
}

/// Samples, least significant byte first, with the bits that count alone; above them are copies of the sign or zeros. `None` where they are so already.
fn used_bits_only(bytes: &[u8], description: &PixelDescription) -> Result<Option<Vec<u8>>, PixelError> {
    let Some((above, below)) = unused_bits(description)? else { return Ok(None) };
    macro_rules! only {
        ($unsigned:ty, $signed:ty) => {{
            const SIZE: usize = size_of::<$unsigned>();
            let used = |chunk: &[u8; SIZE]| -> $unsigned {
                let top = <$unsigned>::from_le_bytes(*chunk) << above;
                if description.signed {
                    (top.cast_signed() >> (above + below) << below).cast_unsigned()
                } else {
                    top >> (above + below) << below
                }
            };
            let chunks = bytes.as_chunks::<SIZE>().0;
            if chunks.iter().fold(true, |same, chunk| same & (used(chunk) == <$unsigned>::from_le_bytes(*chunk))) {
                return Ok(None);
            }
            let mut out = Vec::with_capacity(bytes.len());
            for chunk in chunks {
                out.extend_from_slice(&used(chunk).to_le_bytes());
            }
            Ok(Some(out))
        }};
    }
    match description.bits_allocated {
        8 => only!(u8, i8),
        16 => only!(u16, i16),
        32 => only!(u32, i32),
        _ => only!(u64, i64),
    }
}

/// Whether decoded samples have something in bits that do not count: neither zeros nor copies of the sign.
fn has_hidden_bits(precision: usize, decoded: Decoded, description: &PixelDescription) -> Result<bool, PixelError> {
    if precision <= description.bits_stored {
        return Ok(false);
    }
    let plain = decoded.samples(description)?.to_le_bytes();
    let unsigned = PixelDescription { signed: false, ..description.clone() };
    Ok(used_bits_only(&plain, description)?.is_some() && used_bits_only(&plain, &unsigned)?.is_some())
}

/// RLE from what it decodes to; `None` where every byte of it is used, and every bit.
fn rle_anew(coded: &[u8], description: &PixelDescription) -> Result<Option<Vec<u8>>, PixelError> {
    let (pixels, width) = (description.rows * description.columns, description.bits_allocated / 8);
    if width == 0 {
        return Err(PixelError::Unsupported);
    }
    let is_exact = rle::is_exact(coded, pixels, description.samples * width);
    if is_exact && unused_bits(description)?.is_none() {
        return Ok(None);
    }
    let plain = rle::decode(coded, pixels, description.samples, width)?;
    let plain = match used_bits_only(&plain, description)? {
        None if is_exact => return Ok(None),
        None => plain,
        Some(changed) => changed,
    };
    let shape = Shape { rows: description.rows, columns: description.columns, samples: description.samples };
    rle::encode(&plain, shape, width).map(Some).ok_or(PixelError::Unsupported)
}

fn deflated(plain: &[u8]) -> Result<Vec<u8>, PixelError> {
    use std::io::Write as _;
    let mut writer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(plain).and_then(|()| writer.finish()).map_err(|_| PixelError::Damaged)
}

#[cfg(test)]
mod tests;
