//! Encoding without loss.

use super::{PixelError, Shape, jpeg2000, jpegls, rle};
use crate::{
    pixels::decode::{Frame, Samples},
    syntax::PixelCoding,
};

/// A coding without loss that frames are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lossless {
    /// RLE Lossless: any samples up to 32 bits; little is gained.
    Rle,
    /// JPEG-LS: 2 to 16 bits. Fast, and nearly as small as JPEG 2000.
    JpegLs,
    /// JPEG 2000 with the reversible transform: 1 to 16 bits, to 32,768 rows and columns. Slow, and the smallest.
    Jpeg2000,
}

impl Lossless {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rle, Self::JpegLs, Self::Jpeg2000];

    /// The UID of the transfer syntax.
    pub fn uid(self) -> &'static str {
        match self {
            Self::Rle => "1.2.840.10008.1.2.5",
            Self::JpegLs => "1.2.840.10008.1.2.4.80",
            Self::Jpeg2000 => "1.2.840.10008.1.2.4.90",
        }
    }

    fn coding(self) -> PixelCoding {
        match self {
            Self::Rle => PixelCoding::Rle,
            Self::JpegLs => PixelCoding::JpegLs,
            Self::Jpeg2000 => PixelCoding::Jpeg2000,
        }
    }
}

/// Encodes a frame: the bytes of the one fragment that it goes into, of even length.
///
/// Samples are those that [`frame`](crate::pixels::decode::frame) gives, `bits_stored` of which count. The data set around them has to say: High Bit is
/// `bits_stored` less one, Planar Configuration is 0 (RLE: 1), Bits Allocated is that of the samples, and Photometric Interpretation is what the samples are.
///
/// What is returned has been decoded again and was the same.
///
/// # Errors
/// [`PixelError::Unsupported`] for samples that the coding has no place for: floating point, more than 16 bits (RLE: 32), more than 4 samples;
/// [`PixelError::Mismatch`] where a sample has more than `bits_stored` bits.
pub fn encode(frame: &Frame, bits_stored: usize, into: Lossless) -> Result<Vec<u8>, PixelError> {
    let shape = Shape { rows: frame.rows, columns: frame.columns, samples: frame.samples };
    if frame.data.len() != shape.count() || frame.data.is_empty() {
        return Err(PixelError::Mismatch);
    }
    let width = sample_bytes(&frame.data).ok_or(PixelError::Unsupported)?;
    if bits_stored == 0 || bits_stored > 8 * width {
        return Err(PixelError::Mismatch);
    }
    let mut coded = if into == Lossless::Rle {
        rle::encode(&frame.data.to_le_bytes(), shape, width).ok_or(PixelError::Unsupported)?
    } else {
        if width > 2 || !(1..=4).contains(&frame.samples) {
            return Err(PixelError::Unsupported);
        }
        let words = words(&frame.data, bits_stored)?;
        let bits = bits_stored as u32;
        if into == Lossless::Jpeg2000 {
            let is_signed = matches!(frame.data, Samples::I8(_) | Samples::I16(_));
            jpeg2000::encode(&words, shape, bits, is_signed).ok_or(PixelError::Unsupported)?
        } else {
            // The coding has no samples of a single bit; as two bits they cost next to nothing more.
            jpegls::encode(&words, shape, bits.max(2)).ok_or(PixelError::Mismatch)?
        }
    };
    if into != Lossless::Rle && !is_same(&coded, frame, shape, bits_stored, into)? {
        return Err(PixelError::Damaged);
    }
    if !coded.len().is_multiple_of(2) {
        coded.push(0);
    }
    Ok(coded)
}

fn sample_bytes(samples: &Samples) -> Option<usize> {
    match samples {
        Samples::U8(_) | Samples::I8(_) => Some(1),
        Samples::U16(_) | Samples::I16(_) => Some(2),
        Samples::U32(_) | Samples::I32(_) => Some(4),
        _ => None,
    }
}

/// The bits of samples that count. Others have to be none, or copies of the sign.
fn words(samples: &Samples, bits: usize) -> Result<Vec<u16>, PixelError> {
    let mask = (1u32 << bits) - 1;
    let unsigned = |value: u16| if u32::from(value) > mask { Err(PixelError::Mismatch) } else { Ok(value) };
    let signed = |value: i16| {
        let top = value >> (bits - 1);
        if top == 0 || top == -1 { Ok(value.cast_unsigned() & mask as u16) } else { Err(PixelError::Mismatch) }
    };
    match samples {
        Samples::U8(values) => values.iter().map(|value| unsigned(u16::from(*value))).collect(),
        Samples::I8(values) => values.iter().map(|value| signed(i16::from(*value))).collect(),
        Samples::U16(values) => values.iter().map(|value| unsigned(*value)).collect(),
        Samples::I16(values) => values.iter().map(|value| signed(*value)).collect(),
        _ => Err(PixelError::Unsupported),
    }
}

/// Whether the coded bytes are the frame.
fn is_same(coded: &[u8], frame: &Frame, shape: Shape, bits_stored: usize, into: Lossless) -> Result<bool, PixelError> {
    let decoded = super::decode_as(coded, shape, into.coding())?;
    let values = match decoded.values {
        super::Values::Bytes(values) => values.into_iter().map(u16::from).collect(),
        super::Values::Words(values) => values,
        super::Values::Wide(_) => return Ok(false),
    };
    let mask = ((1u32 << bits_stored) - 1) as u16;
    let wanted = words(&frame.data, bits_stored)?;
    Ok(values.len() == wanted.len() && values.iter().zip(&wanted).all(|(value, wanted)| value & mask == *wanted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> impl Strategy<Value = (Frame, usize)> {
        (1usize..20, 1usize..30, prop_oneof![Just(1usize), Just(3)], 1usize..=16, any::<bool>(), any::<u32>()).prop_map(
            |(rows, columns, samples, bits, is_signed, seed)| {
                let mut state = seed | 1;
                let values: Vec<u16> = (0..rows * columns * samples)
                    .map(|place| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let noise = (state >> 16) as u16;
                        if place / 7 % 3 == 0 { noise } else { noise % 3 + place as u16 }
                    })
                    .collect();
                let shift = 16 - bits;
                let data = match (is_signed, bits <= 8) {
                    (false, true) => Samples::U8(values.iter().map(|value| (value << shift >> shift) as u8).collect()),
                    (true, true) => Samples::I8(values.iter().map(|value| (value.cast_signed() << shift >> shift) as i8).collect()),
                    (false, false) => Samples::U16(values.iter().map(|value| value << shift >> shift).collect()),
                    (true, false) => Samples::I16(values.iter().map(|value| value.cast_signed() << shift >> shift).collect()),
                };
                (Frame { rows, columns, samples, data }, bits)
            },
        )
    }

    proptest! {
        #[test]
        fn frames_are_encoded_and_are_the_same((frame, bits) in frame()) {
            for into in Lossless::ALL {
                let coded = encode(&frame, bits, into);
                prop_assert!(coded.is_ok(), "{:?} {:?} of {} bits: {:?}", into, frame, bits, coded);
                prop_assert_eq!(coded.unwrap().len() % 2, 0);
            }
        }
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let frame = |data| Frame { rows: 1, columns: 2, samples: 1, data };
        assert_eq!(encode(&frame(Samples::F32(vec![1.0, 2.0])), 32, Lossless::Rle), Err(PixelError::Unsupported));
        assert_eq!(encode(&frame(Samples::U16(vec![1, 4096])), 12, Lossless::JpegLs), Err(PixelError::Mismatch));
        assert_eq!(encode(&frame(Samples::I16(vec![1, -2049])), 12, Lossless::JpegLs), Err(PixelError::Mismatch));
        assert_eq!(encode(&frame(Samples::U16(vec![1])), 12, Lossless::JpegLs), Err(PixelError::Mismatch));
        assert_eq!(encode(&frame(Samples::U32(vec![1, 2])), 32, Lossless::JpegLs), Err(PixelError::Unsupported));
        assert!(encode(&frame(Samples::U32(vec![1, 1 << 31])), 32, Lossless::Rle).is_ok());
    }
}
