//! Codecs of compressed pixel data: one coded frame in, samples out, and back without loss.
//!
//! JPEG (Huffman; sequential, progressive and lossless), JPEG-LS and the lossless part of JPEG 2000 are written here, in safe Rust: they can neither abort nor ask for more memory than the
//! frame that the data set describes. The rest of JPEG 2000, HTJ2K and JPEG XL are crates of others, in Rust; they run inside a fence: what their input
//! declares is checked before, and a panic in them is [`PixelError::Damaged`](crate::pixels::PixelError).

// Bits are taken one code at a time: a call for each is most of the time.
#![allow(clippy::inline_always)]

mod encode;
pub(crate) mod jpeg;
pub(crate) mod jpeg2000;
pub(crate) mod jpegls;
pub(crate) mod jpegxl;
pub(crate) mod marker;
pub(crate) mod rle;
mod strip;

pub use encode::{Lossless, encode};
pub use strip::{Stripped, strip, strip_native};

use crate::{
    pixels::{PixelDescription, PixelError, decode::Samples},
    syntax::PixelCoding,
};

/// Samples that a coded frame may have, whatever its bytes.
const ALWAYS_ALLOWED: usize = 16 << 20;
/// Samples for each coded byte of a frame that has more.
const MOST_FOR_A_BYTE: usize = 1024;

/// What the data set says of a coded frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub rows: usize,
    pub columns: usize,
    pub samples: usize,
}

impl Shape {
    pub(crate) fn count(self) -> usize {
        self.rows * self.columns * self.samples
    }

    /// Whether so many coded bytes can be such a frame: what is believed before memory is asked for.
    ///
    /// # Errors
    /// [`PixelError::TooLarge`] where a large frame has next to no bytes.
    pub(crate) fn check(self, coded: usize) -> Result<(), PixelError> {
        let most = ALWAYS_ALLOWED.max(coded.saturating_mul(MOST_FOR_A_BYTE));
        if self.count() > most { Err(PixelError::TooLarge) } else { Ok(()) }
    }
}

/// A decoded frame: samples pixel after pixel as the coded image has them, no colour changed.
pub(crate) struct Decoded {
    /// Bits of a sample.
    #[allow(dead_code)] // What tests look at.
    pub precision: u32,
    pub values: Values,
}

/// Samples, of a signed image its two's complement.
pub(crate) enum Values {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
    Wide(Vec<i32>),
}

impl Decoded {
    /// Samples of the type that the data set says. Where a coded image has more bits than there is room for, it is another image.
    fn samples(self, description: &PixelDescription) -> Result<Samples, PixelError> {
        let signed = description.signed;
        let samples = match (description.bits_allocated, self.values) {
            (1 | 8, Values::Bytes(values)) if signed => Samples::I8(values.into_iter().map(u8::cast_signed).collect()),
            (1 | 8, Values::Bytes(values)) => Samples::U8(values),
            (16, Values::Bytes(values)) if signed => Samples::I16(values.into_iter().map(i16::from).collect()),
            (16, Values::Bytes(values)) => Samples::U16(values.into_iter().map(u16::from).collect()),
            (16, Values::Words(values)) if signed => Samples::I16(values.into_iter().map(u16::cast_signed).collect()),
            (16, Values::Words(values)) => Samples::U16(values),
            (32, Values::Bytes(values)) if signed => Samples::I32(values.into_iter().map(i32::from).collect()),
            (32, Values::Bytes(values)) => Samples::U32(values.into_iter().map(u32::from).collect()),
            (32, Values::Words(values)) if signed => Samples::I32(values.into_iter().map(i32::from).collect()),
            (32, Values::Words(values)) => Samples::U32(values.into_iter().map(u32::from).collect()),
            (32, Values::Wide(values)) if signed => Samples::I32(values),
            (32, Values::Wide(values)) => Samples::U32(values.into_iter().map(i32::cast_unsigned).collect()),
            _ => return Err(PixelError::Mismatch),
        };
        Ok(samples)
    }
}

/// Decodes a frame of a coding that needs a codec.
pub(crate) fn decode(bytes: &[u8], description: &PixelDescription) -> Result<Samples, PixelError> {
    let shape = Shape { rows: description.rows, columns: description.columns, samples: description.samples };
    // Ours do not panic, as far as tests can tell; if one did, it would be no more than a damaged frame either.
    fenced(|| decode_as(bytes, shape, description.coding))?.samples(description)
}

fn decode_as(bytes: &[u8], shape: Shape, coding: PixelCoding) -> Result<Decoded, PixelError> {
    match coding {
        PixelCoding::JpegBaseline | PixelCoding::JpegExtended | PixelCoding::JpegLossless => jpeg::decode(bytes, shape),
        PixelCoding::JpegLs => jpegls::decode(bytes, shape),
        PixelCoding::Jpeg2000 | PixelCoding::HtJpeg2000 => jpeg2000::decode(bytes, shape),
        PixelCoding::JpegXl => jpegxl::decode(bytes, shape),
        _ => Err(PixelError::Unsupported),
    }
}

/// Runs a codec that is not ours: a panic in it costs the frame, nothing else.
fn fenced<T>(run: impl FnOnce() -> Result<T, PixelError>) -> Result<T, PixelError> {
    // What it leaves behind is dropped with it.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or(Err(PixelError::Damaged))
}
