//! Marker segments of JPEG and JPEG-LS (ITU-T T.81 annex B).

use crate::pixels::PixelError;

/// Marker codes without their 0xFF.
pub(crate) mod code {
    pub(crate) const SOF0: u8 = 0xC0;
    pub(crate) const SOF1: u8 = 0xC1;
    pub(crate) const SOF2: u8 = 0xC2;
    pub(crate) const SOF3: u8 = 0xC3;
    pub(crate) const DHT: u8 = 0xC4;
    pub(crate) const DAC: u8 = 0xCC;
    pub(crate) const SOI: u8 = 0xD8;
    pub(crate) const EOI: u8 = 0xD9;
    pub(crate) const SOS: u8 = 0xDA;
    pub(crate) const DQT: u8 = 0xDB;
    pub(crate) const DRI: u8 = 0xDD;
    pub(crate) const SOF55: u8 = 0xF7;
    pub(crate) const LSE: u8 = 0xF8;
}

/// A marker and what stands in its segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'b> {
    pub marker: u8,
    pub content: &'b [u8],
    /// Where the byte behind the segment is.
    pub end: usize,
}

/// What of a coded frame's bytes a decoder has read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Where the entropy-coded bytes of each scan end.
    pub scans: Vec<usize>,
    /// Bytes in scans before these ends that are no part of the image, in order.
    pub unused: Vec<std::ops::Range<usize>>,
    /// Where the decoder stopped.
    pub end: usize,
}

/// The next marker segment from `at` on. What stands before the marker is passed over.
pub(crate) fn next(bytes: &[u8], at: usize) -> Result<Segment<'_>, PixelError> {
    let at = find(bytes, at).ok_or(PixelError::Damaged)?;
    let marker = *bytes.get(at + 1).ok_or(PixelError::Damaged)?;
    let start = at + 2;
    if matches!(marker, 0x01 | 0xD0..=0xD9) {
        return Ok(Segment { marker, content: &[], end: start });
    }
    let length = usize::from(be16(bytes, start).ok_or(PixelError::Damaged)?);
    let end = start + length;
    let content = bytes.get(start + 2..end).ok_or(PixelError::Damaged)?;
    Ok(Segment { marker, content, end })
}

/// Where the next marker's 0xFF is.
pub(crate) fn find(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr(0xFF, bytes.get(at..)?)?;
        match bytes.get(at + 1)? {
            // Stuffed zeros of coded data; fill bytes.
            0x00 => at += 2,
            0xFF => at += 1,
            _ => return Some(at),
        }
    }
}

/// A number of two bytes, most significant first.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|two| <[u8; 2]>::try_from(two).ok()).map(u16::from_be_bytes)
}
