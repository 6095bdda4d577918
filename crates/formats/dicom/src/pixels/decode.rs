//! Frames as samples: native, uncompressed or deflated in fragments here, the others by [`codec`].

use flate2::{Decompress, FlushDecompress, Status};

use super::{FrameMap, PixelDescription, PixelError, SampleKind, frames::extended_length};
use crate::{codec, file::DicomFile, syntax::PixelCoding};

/// A decoded frame: samples pixel after pixel, row after row, as they are stored.
#[derive(Clone, PartialEq)]
pub struct Frame {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Samples of a pixel.
    pub samples: usize,
    /// The samples.
    pub data: Samples,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Pixels can be a face.
        f.debug_struct("Frame")
            .field("rows", &self.rows)
            .field("columns", &self.columns)
            .field("samples", &self.samples)
            .finish_non_exhaustive()
    }
}

/// Samples of a frame.
#[derive(Clone, PartialEq)]
#[allow(missing_docs)] // The names say all there is to say.
pub enum Samples {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Pixels can be a face.
        write!(f, "Samples({})", self.len())
    }
}

impl Samples {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::I8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
            Self::I16(samples) => samples.len(),
            Self::U32(samples) => samples.len(),
            Self::I32(samples) => samples.len(),
            Self::U64(samples) => samples.len(),
            Self::I64(samples) => samples.len(),
            Self::F32(samples) => samples.len(),
            Self::F64(samples) => samples.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls back with each sample as a number.
    pub fn for_each(&self, mut take: impl FnMut(f64)) {
        match self {
            Self::U8(samples) => samples.iter().for_each(|sample| take(f64::from(*sample))),
            Self::I8(samples) => samples.iter().for_each(|sample| take(f64::from(*sample))),
            Self::U16(samples) => samples.iter().for_each(|sample| take(f64::from(*sample))),
            Self::I16(samples) => samples.iter().for_each(|sample| take(f64::from(*sample))),
            Self::U32(samples) => samples.iter().for_each(|sample| take(f64::from(*sample))),
            Self::I32(samples) => samples.iter().for_each(|sample| take(f64::from(*sample))),
            Self::U64(samples) => samples.iter().for_each(|sample| take(*sample as f64)),
            Self::I64(samples) => samples.iter().for_each(|sample| take(*sample as f64)),
            Self::F32(samples) => samples.iter().for_each(|sample| take(f64::from(*sample))),
            Self::F64(samples) => samples.iter().for_each(|sample| take(*sample)),
        }
    }

    /// Their bytes, least significant first.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            Self::U8(samples) => samples.clone(),
            Self::I8(samples) => samples.iter().map(|sample| *sample as u8).collect(),
            Self::U16(samples) => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::I16(samples) => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::U32(samples) => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::I32(samples) => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::U64(samples) => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::I64(samples) => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::F32(samples) => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::F64(samples) => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
        }
    }
}

/// Decodes one frame, counted from 0.
///
/// The samples are those that are stored: colour is not changed, `YBR_ICT` and `YBR_RCT` excepted, which a JPEG 2000 codec undoes itself: they come as RGB.
///
/// # Errors
/// When there is no such frame, its bytes are damaged or not what the data set says, or its coding is not decoded (video).
pub fn frame(file: &DicomFile, description: &PixelDescription, map: &FrameMap, number: usize) -> Result<Frame, PixelError> {
    if number >= map.len() {
        return Err(if number < description.frames { PixelError::Short } else { PixelError::NoFrame });
    }
    let coded = map.bytes(file, number).ok_or(PixelError::Short)?;
    let samples = description.frame_samples();
    let bytes_wanted = description.native_frame_bits().div_ceil(8);
    let data = match description.coding {
        _ if description.bits_allocated == 1 => {
            let bit = map.place(number).map_or(0, |place| place.bit);
            match description.coding {
                PixelCoding::Native => bits(&coded, bit, samples)?,
                PixelCoding::EncapsulatedUncompressed => bits(&coded, 0, samples)?,
                PixelCoding::DeflatedFrame => bits(&inflate(&coded, bytes_wanted)?, 0, samples)?,
                _ => codec::decode(&coded, description)?,
            }
        }
        PixelCoding::Native if description.swapped_bytes => {
            // Samples of one byte in words of two, most significant first. A frame may begin within a word.
            let swapped = swapped(file, map, number, bytes_wanted)?;
            numbers(&interleaved(&swapped, description)?, description, false)
        }
        PixelCoding::Native => numbers(&interleaved(&coded, description)?, description, description.big_endian),
        PixelCoding::EncapsulatedUncompressed => {
            let coded = coded_only(file, &coded, number);
            numbers(&interleaved(coded, description)?, description, false)
        }
        PixelCoding::DeflatedFrame => {
            let inflated = inflate(&coded, bytes_wanted)?;
            numbers(&interleaved(&inflated, description)?, description, false)
        }
        PixelCoding::Rle => {
            let pixels = description.rows * description.columns;
            let plain = codec::rle::decode(&coded, pixels, description.samples, description.bits_allocated / 8)?;
            numbers(&plain, description, false)
        }
        _ => codec::decode(coded_only(file, &coded, number), description)?,
    };
    let data = used_bits(data, description);
    Ok(Frame { rows: description.rows, columns: description.columns, samples: description.samples, data })
}

/// The bytes of a frame without what pads it to an even length, where that is known.
fn coded_only<'b>(file: &DicomFile, coded: &'b [u8], number: usize) -> &'b [u8] {
    coded.get(..extended_length(file, number).unwrap_or(coded.len())).unwrap_or(coded)
}

/// Samples without the bits that are none of theirs: retired overlays are there, or nothing in particular. The sign is that of the highest bit that counts.
fn used_bits(data: Samples, description: &PixelDescription) -> Samples {
    let (allocated, stored) = (description.bits_allocated as u32, description.bits_stored as u32);
    let high = description.high_bit as u32;
    if stored >= allocated || high + 1 < stored || description.kind != SampleKind::Integer {
        return data;
    }
    let (left, right) = (allocated - 1 - high, allocated - stored);
    match data {
        Samples::U8(samples) => Samples::U8(samples.into_iter().map(|sample| sample << left >> right).collect()),
        Samples::I8(samples) => Samples::I8(samples.into_iter().map(|sample| sample << left >> right).collect()),
        Samples::U16(samples) => Samples::U16(samples.into_iter().map(|sample| sample << left >> right).collect()),
        Samples::I16(samples) => Samples::I16(samples.into_iter().map(|sample| sample << left >> right).collect()),
        Samples::U32(samples) => Samples::U32(samples.into_iter().map(|sample| sample << left >> right).collect()),
        Samples::I32(samples) => Samples::I32(samples.into_iter().map(|sample| sample << left >> right).collect()),
        other => other,
    }
}

/// Native samples pixel after pixel: planes are woven together, shared chroma is given to both pixels.
fn interleaved<'b>(bytes: &'b [u8], description: &PixelDescription) -> Result<std::borrow::Cow<'b, [u8]>, PixelError> {
    let wanted = description.native_frame_bits().div_ceil(8);
    let bytes = bytes.get(..wanted).ok_or(PixelError::Short)?;
    let size = description.bits_allocated / 8;
    if description.subsampled {
        if size != 1 {
            return Err(PixelError::Unsupported);
        }
        // Two luma samples, then the blue and the red difference of both.
        return Ok(bytes.as_chunks::<4>().0.iter().flat_map(|[y1, y2, b, r]| [*y1, *b, *r, *y2, *b, *r]).collect::<Vec<_>>().into());
    }
    if !description.planar {
        return Ok(bytes.into());
    }
    let plane = description.rows * description.columns * size;
    let mut out = vec![0; bytes.len()];
    let stride = size * description.samples;
    for (sample, samples) in bytes.chunks_exact(plane).enumerate() {
        for (place, value) in out.chunks_exact_mut(stride).zip(samples.chunks_exact(size)) {
            place[sample * size..(sample + 1) * size].copy_from_slice(value);
        }
    }
    Ok(out.into())
}

/// The bytes of a frame of words whose bytes are the other way round.
fn swapped(file: &DicomFile, map: &FrameMap, number: usize, wanted: usize) -> Result<Vec<u8>, PixelError> {
    let all = map.native_bytes(file).ok_or(PixelError::Short)?;
    let first = number * wanted;
    (first..first + wanted).map(|place| all.get(place ^ 1).or_else(|| all.get(place)).copied().ok_or(PixelError::Short)).collect()
}

fn bits(bytes: &[u8], first: usize, count: usize) -> Result<Samples, PixelError> {
    if bytes.len() * 8 < first + count {
        return Err(PixelError::Short);
    }
    Ok(Samples::U8((first..first + count).map(|bit| bytes[bit / 8] >> (bit % 8) & 1).collect()))
}

fn numbers(bytes: &[u8], description: &PixelDescription, big: bool) -> Samples {
    let signed = description.signed;
    macro_rules! read {
        ($kind:ident, $type:ty) => {{
            let chunks = bytes.as_chunks::<{ size_of::<$type>() }>().0.iter();
            Samples::$kind(if big {
                chunks.map(|chunk| <$type>::from_be_bytes(*chunk)).collect()
            } else {
                chunks.map(|chunk| <$type>::from_le_bytes(*chunk)).collect()
            })
        }};
    }
    match (description.kind, description.bits_allocated, signed) {
        (SampleKind::Float, ..) => read!(F32, f32),
        (SampleKind::Double, ..) => read!(F64, f64),
        (_, 16, false) => read!(U16, u16),
        (_, 16, true) => read!(I16, i16),
        (_, 32, false) => read!(U32, u32),
        (_, 32, true) => read!(I32, i32),
        (_, 64, false) => read!(U64, u64),
        (_, 64, true) => read!(I64, i64),
        (_, _, false) => Samples::U8(bytes.to_vec()),
        (_, _, true) => read!(I8, i8),
    }
}

/// Unpacks a deflated frame: exactly as many bytes as it has to have, however many there would be.
pub(crate) fn inflate(packed: &[u8], wanted: usize) -> Result<Vec<u8>, PixelError> {
    // Nothing deflates better than this.
    if wanted / 1040 > packed.len() {
        return Err(PixelError::Short);
    }
    let mut out = Vec::with_capacity(wanted);
    let mut inflater = Decompress::new(false);
    while out.len() < wanted {
        let (read, written) = (inflater.total_in() as usize, out.len());
        let rest = packed.get(read..).ok_or(PixelError::Damaged)?;
        let status = inflater.decompress_vec(rest, &mut out, FlushDecompress::None).map_err(|_| PixelError::Damaged)?;
        if status == Status::StreamEnd || (inflater.total_in() as usize == read && out.len() == written) {
            break;
        }
    }
    if out.len() < wanted { Err(PixelError::Short) } else { Ok(out) }
}
