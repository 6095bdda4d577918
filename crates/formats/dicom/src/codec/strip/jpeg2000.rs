//! JPEG 2000 and HTJ2K: the code stream alone, of its segments those that decoding needs, and tile-parts no longer than they are.

use crate::{
    codec::{
        Shape,
        jpeg2000::{Size, code_stream, packets_length},
        marker::be16,
    },
    pixels::PixelError,
};

const SOT: u8 = 0x90;
const SOD: u8 = 0x93;
const EOC: u8 = 0xD9;
const TLM: u8 = 0x55;

/// The code stream of a frame without what is no part of its image, and the bits of its samples.
pub(super) fn strip(bytes: &[u8], shape: Shape) -> Result<(Vec<u8>, u32), PixelError> {
    let stream = code_stream(bytes).ok_or(PixelError::Damaged)?;
    shape.check(stream.len())?;
    let size = Size::read(stream)?;
    if (size.rows, size.columns, size.components) != (shape.rows, shape.columns, shape.samples) {
        return Err(PixelError::Mismatch);
    }
    let mut out = Vec::with_capacity(stream.len());
    out.extend([0xFF, 0x4F]);
    let levels = most_levels(stream);
    let (mut at, mut has_lengths) = (2, false);
    // The main header.
    loop {
        let (marker, content, end) = segment(stream, at)?;
        match marker {
            SOT => break,
            TLM => has_lengths = true,
            _ => push(&mut out, marker, &kept(marker, content, levels)?)?,
        }
        at = end;
    }
    let (mut parts, end) = tile_parts(stream, at, levels)?;
    // How long all packets of a single tile are; the rest of its last part is nobody's.
    if let Some(length) = packets_length(stream.get(..end).unwrap_or(stream), shape) {
        let all: usize = parts.iter().map(|part| part.data.len()).sum();
        if let Some(last) = parts.last_mut() {
            let left = last.data.len().checked_sub(all.saturating_sub(length)).ok_or(PixelError::Damaged)?;
            last.data = &last.data[..left];
        }
    }
    if has_lengths {
        // Made anew: some kinds have to have it (PS3.5 section 8.2.14).
        for (number, some) in parts.chunks(10_000).enumerate() {
            let mut content = vec![u8::try_from(number).map_err(|_| PixelError::TooLarge)?, 0x60];
            for part in some {
                content.extend(part.tile.to_be_bytes());
                content.extend(part.length()?.to_be_bytes());
            }
            push(&mut out, TLM, &content)?;
        }
    }
    for part in &parts {
        out.extend([0xFF, SOT, 0, 10]);
        out.extend(part.tile.to_be_bytes());
        out.extend(part.length()?.to_be_bytes());
        out.extend([part.number, part.count]);
        out.extend_from_slice(&part.header);
        out.extend([0xFF, SOD]);
        out.extend_from_slice(part.data);
    }
    out.extend([0xFF, EOC]);
    Ok((out, size.precision))
}

struct Part<'b> {
    tile: u16,
    number: u8,
    count: u8,
    /// Its segments.
    header: Vec<u8>,
    /// Its packets.
    data: &'b [u8],
}

impl Part<'_> {
    fn length(&self) -> Result<u32, PixelError> {
        u32::try_from(12 + self.header.len() + 2 + self.data.len()).map_err(|_| PixelError::TooLarge)
    }
}

/// All tile-parts, and where the last ends.
fn tile_parts(stream: &[u8], mut at: usize, levels: usize) -> Result<(Vec<Part<'_>>, usize), PixelError> {
    let mut parts = Vec::new();
    while let Some(&[0xFF, SOT]) = stream.get(at..at + 2) {
        let (_, content, mut next) = segment(stream, at)?;
        let &[t0, t1, a, b, c, d, number, count] = content else { return Err(PixelError::Damaged) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let mut header = Vec::new();
        while stream.get(next..next + 2) != Some(&[0xFF, SOD]) {
            let (marker, content, end) = segment(stream, next)?;
            push(&mut header, marker, &kept(marker, content, levels)?)?;
            next = end;
        }
        let start = next + 2;
        // Of no stated length it goes to the end of the code stream, a marker that coded bytes never hold.
        let end = if length == 0 {
            let data = stream.get(start..).ok_or(PixelError::Damaged)?;
            start + data.windows(2).position(|two| two == [0xFF, EOC]).unwrap_or(data.len())
        } else {
            at.checked_add(length).ok_or(PixelError::Damaged)?
        };
        let data = stream.get(start..end).ok_or(PixelError::Damaged)?;
        parts.push(Part { tile: u16::from_be_bytes([t0, t1]), number, count, header, data });
        at = end;
        if length == 0 {
            break;
        }
    }
    if parts.is_empty() { Err(PixelError::Damaged) } else { Ok((parts, at)) }
}

/// A marker with its segment, and where that ends.
fn segment(stream: &[u8], at: usize) -> Result<(u8, &[u8], usize), PixelError> {
    let Some(&[0xFF, marker]) = stream.get(at..at + 2) else { return Err(PixelError::Damaged) };
    let end = at + 2 + usize::from(be16(stream, at + 2).ok_or(PixelError::Damaged)?);
    Ok((marker, stream.get(at + 4..end).ok_or(PixelError::Damaged)?, end))
}

fn push(out: &mut Vec<u8>, marker: u8, content: &[u8]) -> Result<(), PixelError> {
    if content.is_empty() {
        return Ok(());
    }
    out.extend([0xFF, marker]);
    out.extend(u16::try_from(content.len() + 2).map_err(|_| PixelError::Damaged)?.to_be_bytes());
    out.extend_from_slice(content);
    Ok(())
}

/// What stays of a segment, cut to what the standard says is in it; nothing of comments, and of lengths and registration, which decoding does not need.
///
/// # Errors
/// [`PixelError::Unsupported`] for segments that are not known here: they may be anything.
fn kept(marker: u8, content: &[u8], levels: usize) -> Result<Vec<u8>, PixelError> {
    let wide = |offset: usize| be16(content, offset).map_or(0, usize::from);
    let bands = 3 * levels + 1;
    // Levels, block sizes, style and transform; precincts where the style says so.
    let coding = |style: usize, levels: usize| {
        let precincts = content.get(levels).map_or(0, |levels| usize::from(*levels) + 1);
        let has_precincts = content.get(style).is_some_and(|style| style & 1 != 0);
        levels + 5 + if has_precincts { precincts } else { 0 }
    };
    let steps = |from: usize| match content.get(from).map(|style| style & 31) {
        Some(0) => from + 1 + bands,
        Some(1) => from + 3,
        _ => from + 1 + 2 * bands,
    };
    // Numbers of components are of two bytes from 257 on.
    let most = match marker {
        0x51 => 36 + 3 * wide(34),
        0x50 => 4 + 2 * content.first_chunk::<4>().map_or(0, |bits| u32::from_be_bytes(*bits).count_ones() as usize),
        0x52 => coding(0, 5),
        0x53 => coding(1, 2),
        0x5C => steps(0),
        0x5D => steps(1),
        0x5E => 3,
        0x5F..=0x61 => content.len(),
        // Profile, lengths of tile-parts and packets, registration, comments.
        0x55 | 0x57..=0x59 | 0x63 | 0x64 => 0,
        _ => return Err(PixelError::Unsupported),
    };
    Ok(content[..most.min(content.len())].to_vec())
}

/// The most levels of the wavelet that any header speaks of.
fn most_levels(stream: &[u8]) -> usize {
    let (mut at, mut most, mut next) = (2, 0, None);
    while let Ok((marker, content, end)) = segment(stream, at) {
        match marker {
            0x52 => most = most.max(content.get(5).map_or(0, |levels| usize::from(*levels))),
            0x53 => most = most.max(content.get(2).map_or(0, |levels| usize::from(*levels))),
            SOT => {
                let length = content.get(2..6).and_then(|four| <[u8; 4]>::try_from(four).ok()).map_or(0, u32::from_be_bytes);
                next = at.checked_add(length as usize).filter(|next| *next > end);
            }
            _ => {}
        }
        at = end;
        if stream.get(at..at + 2) == Some(&[0xFF, SOD]) {
            let Some(part) = next.take() else { break };
            at = part;
        }
    }
    most.min(32)
}
