//! Which bytes each frame has.

use super::{PixelDescription, PixelError};
use crate::{file::DicomFile, syntax::PixelCoding, tag::Tag, value::binary, vr::Vr};

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramePlace {
    /// Where it begins in [`DicomFile::bytes`]; `None` where these are not the file's own bytes (a deflated data set).
    pub offset: Option<usize>,
    /// Its bytes, all fragments together.
    pub length: usize,
    /// Fragments that it is in; 0 of native pixel data.
    pub fragments: usize,
    /// The bit of its first byte that it begins with: frames of single bits follow one another without gap.
    pub bit: usize,
}

/// The bytes of every frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameMap {
    /// Offset and length of each fragment, without the offset table; of native pixel data one for all.
    fragments: Vec<(usize, usize)>,
    /// For each frame its first fragment and the one behind its last; empty of native pixel data.
    frames: Vec<(usize, usize)>,
    /// Bits of a frame and number of frames of native pixel data.
    native: Option<(usize, usize)>,
    is_deflated: bool,
}

impl FrameMap {
    /// The frames of a file's pixel data.
    ///
    /// # Errors
    /// When there is no pixel data, its description is wrong, or its fragments cannot be told apart into frames.
    pub fn of(file: &DicomFile) -> Result<Self, PixelError> {
        let description = PixelDescription::of(file)?;
        Self::with(file, &description)
    }

    /// The same, with the description at hand.
    ///
    /// # Errors
    /// As [`FrameMap::of`].
    pub fn with(file: &DicomFile, description: &PixelDescription) -> Result<Self, PixelError> {
        let element = file.pixel_data().ok_or(PixelError::Absent)?;
        if file.is_beginning() {
            return Err(PixelError::NotRead);
        }
        let is_deflated = file.deflated_bytes().is_some();
        if !element.is_fragments() {
            let bits = description.native_frame_bits();
            let there = (element.length() * 8).checked_div(bits).unwrap_or(0);
            // A length beyond the file, though the whole image is there, is of another image than the one described.
            if there >= description.frames && file.pixels_are_cut() {
                return Err(PixelError::Damaged);
            }
            let fragments = vec![(element.offset(), element.length())];
            return Ok(Self { fragments, frames: Vec::new(), native: Some((bits, description.frames.min(there))), is_deflated });
        }
        let mut all = element.fragments();
        let table = all.next().and_then(|(offset, length)| file.bytes().get(offset..offset + length)).unwrap_or_default();
        let fragments: Vec<_> = all.collect();
        let extended = file.data_set().get(Tag(0x7FE0_0001)).map(|element| element.bytes()).unwrap_or_default();
        let basic = table.as_chunks::<4>().0.iter().map(|four| u64::from(u32::from_le_bytes(*four))).collect::<Vec<_>>();
        let extended = extended.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight)).collect::<Vec<_>>();
        let frames = by_table(&fragments, &extended, description.frames)
            .or_else(|| by_table(&fragments, &basic, description.frames))
            .or_else(|| by_content(file.bytes(), &fragments, description))
            .ok_or(PixelError::Boundaries)?;
        Ok(Self { fragments, frames, native: None, is_deflated })
    }

    /// How many frames there are bytes for.
    pub fn len(&self) -> usize {
        self.native.map_or(self.frames.len(), |(_, count)| count)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a frame is, counted from 0.
    pub fn place(&self, frame: usize) -> Option<FramePlace> {
        let shown = |offset| (!self.is_deflated).then_some(offset);
        if let Some((bits, count)) = self.native {
            let (start, _) = *self.fragments.first().filter(|_| frame < count)?;
            let first = frame * bits;
            let length = (first + bits).div_ceil(8) - first / 8;
            return Some(FramePlace { offset: shown(start + first / 8), length, fragments: 0, bit: first % 8 });
        }
        let (first, end) = *self.frames.get(frame)?;
        let own = self.fragments.get(first..end)?;
        let length = own.iter().map(|(_, length)| length).sum();
        Some(FramePlace { offset: own.first().and_then(|(offset, _)| shown(*offset)), length, fragments: own.len(), bit: 0 })
    }

    /// All bytes of native pixel data.
    pub(super) fn native_bytes<'f>(&self, file: &'f DicomFile) -> Option<&'f [u8]> {
        let (start, length) = *self.fragments.first().filter(|_| self.native.is_some())?;
        file.bytes().get(start..start + length)
    }

    /// The bytes of a frame, copied only if they are in several fragments.
    pub fn bytes<'f>(&self, file: &'f DicomFile, frame: usize) -> Option<std::borrow::Cow<'f, [u8]>> {
        let all = file.bytes();
        if self.native.is_some() {
            let (start, _) = *self.fragments.first()?;
            let (bits, _) = self.native?;
            let place = self.place(frame)?;
            let offset = start + frame * bits / 8;
            return all.get(offset..offset + place.length).map(std::borrow::Cow::Borrowed);
        }
        let (first, end) = *self.frames.get(frame)?;
        match self.fragments.get(first..end)? {
            [(offset, length)] => all.get(*offset..offset + length).map(std::borrow::Cow::Borrowed),
            several => {
                let parts: Option<Vec<&[u8]>> = several.iter().map(|(offset, length)| all.get(*offset..offset + length)).collect();
                Some(std::borrow::Cow::Owned(parts?.concat()))
            }
        }
    }
}

/// Frames as a table of offsets says: from the first byte of the first fragment's header.
fn by_table(fragments: &[(usize, usize)], table: &[u64], frames: usize) -> Option<Vec<(usize, usize)>> {
    if table.len() != frames {
        return None;
    }
    let base = fragments.first()?.0;
    let starts = table.iter().map(|offset| {
        let wanted = base.checked_add(usize::try_from(*offset).ok()?)?;
        fragments.binary_search_by_key(&wanted, |(offset, _)| *offset).ok()
    });
    let starts: Vec<usize> = starts.collect::<Option<_>>()?;
    if starts.first() != Some(&0) || !starts.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([fragments.len()]);
    Some(starts.iter().copied().zip(ends).collect())
}

/// Frames without a usable table.
fn by_content(bytes: &[u8], fragments: &[(usize, usize)], description: &PixelDescription) -> Option<Vec<(usize, usize)>> {
    if fragments.is_empty() {
        return None;
    }
    if description.frames == 1 {
        return Some(vec![(0, fragments.len())]);
    }
    if fragments.len() == description.frames {
        return Some((0..fragments.len()).map(|place| (place, place + 1)).collect());
    }
    // A frame begins where a fragment begins as a code stream does.
    let begins = |(offset, _): &(usize, usize)| {
        let start = bytes.get(*offset..).unwrap_or_default();
        match description.coding {
            PixelCoding::JpegBaseline | PixelCoding::JpegExtended | PixelCoding::JpegLossless | PixelCoding::JpegLs => {
                start.starts_with(&[0xFF, 0xD8, 0xFF])
            }
            PixelCoding::Jpeg2000 | PixelCoding::HtJpeg2000 => {
                start.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) || start.starts_with(b"\0\0\0\x0cjP  ")
            }
            PixelCoding::JpegXl => start.starts_with(&[0xFF, 0x0A]) || start.starts_with(b"\0\0\0\x0cJXL "),
            _ => false,
        }
    };
    let starts: Vec<usize> = fragments.iter().enumerate().filter(|(_, fragment)| begins(fragment)).map(|(place, _)| place).collect();
    // Fewer than stated are those that are there.
    if starts.first() != Some(&0) || starts.len() > description.frames {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([fragments.len()]);
    Some(starts.iter().copied().zip(ends).collect())
}

/// The lengths of frames that an extended offset table comes with: a frame of even length may be padded.
pub(super) fn extended_length(file: &DicomFile, frame: usize) -> Option<usize> {
    let lengths = file.data_set().get(Tag(0x7FE0_0002))?;
    match binary(Vr::UV, lengths.bytes(), lengths.is_big_endian()).nth(frame)? {
        crate::value::Number::Unsigned(length) => usize::try_from(length).ok(),
        _ => None,
    }
}
