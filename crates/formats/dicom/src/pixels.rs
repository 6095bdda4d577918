//! Where the bytes of each frame are, and what they mean: the seam between reading and decoding.
//!
//! [`PixelDescription`] is the image pixel module (PS3.3 C.7.6.3), checked; [`FrameMap`] says which bytes each frame has, from native pixel data, from the
//! offset tables or from the fragments themselves (PS3.5 annex A.4). [`decode`] makes samples of them, [`lut`] values
//! of the modality, [`display`] images to look at.

pub mod decode;
pub mod display;
mod frames;
pub mod lut;
mod palette;

use thiserror::Error;

use crate::{
    element::DataSet,
    file::DicomFile,
    syntax::{Encoding, PixelCoding},
    tag::Tag,
    vr::Vr,
};

pub use frames::{FrameMap, FramePlace};

/// Why the pixels of a file could not be read. Each has a stable code: [`PixelError::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PixelError {
    /// The data set has no pixel data.
    #[error("the file has no pixel data")]
    Absent,
    /// Only what stands before the pixel data was read.
    #[error("the pixel data was not read; the file is larger than the limit")]
    NotRead,
    /// An attribute of the image pixel module is missing or has a value that it may not have.
    #[error("{0} is missing or has a value that it may not have")]
    Attribute(Tag),
    /// The pixel data has fewer bytes than rows, columns, samples and bits say.
    #[error("the pixel data has fewer bytes than rows, columns, samples and bits say")]
    Short,
    /// There is no such frame.
    #[error("there is no frame of that number")]
    NoFrame,
    /// The fragments cannot be told apart into frames.
    #[error("the offset table and the fragments do not say which bytes are which frame's")]
    Boundaries,
    /// The bytes of a frame are not what their coding asks for.
    #[error("the frame's bytes are damaged or cut off")]
    Damaged,
    /// The coded image has other rows, columns, samples or bits than the data set says.
    #[error("the coded image has another size or depth than the data set says")]
    Mismatch,
    /// So few bytes cannot be so large a frame, or it is larger than what is decoded.
    #[error("the frame is larger than its bytes can be or than the limit")]
    TooLarge,
    /// The coding is not decoded here.
    #[error("the transfer syntax is not decoded")]
    Unsupported,
}

impl PixelError {
    /// The stable code, as in `docs/src/reference/dicom.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Absent => "pixels-absent",
            Self::NotRead => "pixels-not-read",
            Self::Attribute(_) => "pixels-attribute",
            Self::Short => "pixels-short",
            Self::NoFrame => "pixels-no-frame",
            Self::Boundaries => "pixels-boundaries",
            Self::Damaged => "pixels-damaged",
            Self::Mismatch => "pixels-mismatch",
            Self::TooLarge => "pixels-too-large",
            Self::Unsupported => "pixels-unsupported",
        }
    }
}

/// What kind of numbers the pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// Pixel Data (7FE0,0010): whole numbers.
    Integer,
    /// Float Pixel Data (7FE0,0008): 32 bit.
    Float,
    /// Double Float Pixel Data (7FE0,0009): 64 bit.
    Double,
}

/// The image pixel module, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelDescription {
    /// Rows of a frame; never 0.
    pub rows: usize,
    /// Columns of a frame; never 0.
    pub columns: usize,
    /// Samples of a pixel: 1 or 3, rarely 4.
    pub samples: usize,
    /// Bits that a sample takes: 1, 8, 16, 32, 64.
    pub bits_allocated: usize,
    /// Bits of a sample that count.
    pub bits_stored: usize,
    /// The highest bit that counts.
    pub high_bit: usize,
    /// Whether samples have a sign.
    pub signed: bool,
    /// Whether samples are stored plane after plane, not pixel after pixel.
    pub planar: bool,
    /// Whether native pixels share their chroma in pairs (`YBR_FULL_422`).
    pub subsampled: bool,
    /// Photometric Interpretation.
    pub photometric: String,
    /// Number of Frames, 1 where it is not stated.
    pub frames: usize,
    /// What kind of numbers the pixels are.
    pub kind: SampleKind,
    /// How they are coded.
    pub coding: PixelCoding,
    /// Whether native numbers have their most significant byte first.
    pub big_endian: bool,
    /// Whether samples of one byte are in words of two with the most significant byte first (`OW` of a big endian file).
    pub swapped_bytes: bool,
}

impl PixelDescription {
    /// The description of a file's pixels.
    ///
    /// # Errors
    /// When there are none, or an attribute that they cannot be understood without is missing or wrong.
    pub fn of(file: &DicomFile) -> Result<Self, PixelError> {
        let element = file.pixel_data().ok_or(PixelError::Absent)?;
        let data_set = file.data_set();
        let kind = match element.tag().0 {
            0x7FE0_0008 => SampleKind::Float,
            0x7FE0_0009 => SampleKind::Double,
            _ => SampleKind::Integer,
        };
        let required = |tag: u32, may: &dyn Fn(usize) -> bool| {
            number(data_set, tag).filter(|value| may(*value)).ok_or(PixelError::Attribute(Tag(tag)))
        };
        let rows = required(0x0028_0010, &|rows| (1..=65535).contains(&rows))?;
        let columns = required(0x0028_0011, &|columns| (1..=65535).contains(&columns))?;
        let samples = match number(data_set, 0x0028_0002) {
            None => 1,
            Some(samples @ 1..=4) => samples,
            Some(_) => return Err(PixelError::Attribute(Tag(0x0028_0002))),
        };
        let bits_allocated = match kind {
            SampleKind::Integer => required(0x0028_0100, &|bits| matches!(bits, 1 | 8 | 16 | 32 | 64))?,
            SampleKind::Float => 32,
            SampleKind::Double => 64,
        };
        let bits_stored = number(data_set, 0x0028_0101).filter(|bits| (1..=bits_allocated).contains(bits)).unwrap_or(bits_allocated);
        let high_bit = number(data_set, 0x0028_0102).filter(|bit| *bit < bits_allocated).unwrap_or(bits_stored - 1);
        let photometric = data_set.text(Tag(0x0028_0004)).unwrap_or_default().into_owned();
        let syntax = file.transfer_syntax();
        let is_native = !element.is_fragments();
        // Bytes without fragments are as they are; where a syntax is named that is not known, nobody knows how.
        let is_plain = is_native && (syntax.is_encapsulated() || syntax.uid.is_empty());
        let coding = if is_plain { PixelCoding::Native } else { syntax.pixels };
        Ok(Self {
            rows,
            columns,
            samples,
            bits_allocated,
            bits_stored,
            high_bit,
            signed: number(data_set, 0x0028_0103) == Some(1),
            planar: samples > 1 && number(data_set, 0x0028_0006) == Some(1),
            subsampled: is_native && samples == 3 && matches!(photometric.as_str(), "YBR_FULL_422" | "YBR_PARTIAL_422"),
            photometric,
            frames: number(data_set, 0x0028_0008).filter(|frames| *frames > 0).unwrap_or(1),
            kind,
            coding,
            big_endian: syntax.encoding == Encoding::ExplicitBig,
            swapped_bytes: is_native && syntax.encoding == Encoding::ExplicitBig && element.vr() == Vr::OW && bits_allocated <= 8,
        })
    }

    /// Samples of a frame, decoded.
    pub fn frame_samples(&self) -> usize {
        // Three numbers of 16 bits and one of 3: no overflow in 64 bits.
        self.rows * self.columns * self.samples
    }

    /// Bits of a frame where it is stored natively.
    pub fn native_frame_bits(&self) -> usize {
        let samples = if self.subsampled { 2 * self.rows * self.columns } else { self.frame_samples() };
        samples * self.bits_allocated
    }
}

fn number(data_set: DataSet<'_>, tag: u32) -> Option<usize> {
    usize::try_from(data_set.integer(Tag(tag))?).ok()
}
