//! JPEG 2000 and HTJ2K: the code stream alone, of its segments those that decoding needs, and tile-parts no longer than they are.
//!
//! What speaks of a component or tile that there is none of goes, and what is there twice is there once.

use crate::{
    codec::{
        Shape,
        jpeg2000::{Size, code_stream, packets_length},
        marker::be16,
    },
    pixels::PixelError,
};

const COD: u8 = 0x52;
const COC: u8 = 0x53;
const TLM: u8 = 0x55;
const QCD: u8 = 0x5C;
const QCC: u8 = 0x5D;
const RGN: u8 = 0x5E;
const POC: u8 = 0x5F;
const PPM: u8 = 0x60;
const PPT: u8 = 0x61;
const SOT: u8 = 0x90;
const SOD: u8 = 0x93;
const EOC: u8 = 0xD9;

/// The code stream of a frame without what is no part of its image, and the bits of its samples. No code stream where headers of packets are apart from these
/// (PPM, PPT): how long they are is not known here.
pub(super) fn strip(bytes: &[u8], shape: Shape) -> Result<(Option<Vec<u8>>, u32), PixelError> {
    let stream = code_stream(bytes).ok_or(PixelError::Damaged)?;
    shape.check(stream.len())?;
    let size = Size::read(stream)?;
    if (size.rows, size.columns, size.components) != (shape.rows, shape.columns, shape.samples) {
        return Err(PixelError::Mismatch);
    }
    let most = Most::of(stream, size.components);
    let (mut at, mut has_lengths) = (2, false);
    let mut main = Header::default();
    loop {
        let (marker, content, end) = segment(stream, at)?;
        match marker {
            SOT => break,
            TLM => has_lengths = true,
            _ => main.take(marker, content, &most)?,
        }
        at = end;
    }
    let (mut parts, has_packed) = tile_parts(stream, at, &size, &most)?;
    if has_packed || main.has_packed {
        return Ok((None, size.precision));
    }
    let mut out = written(&main, &parts, has_lengths)?;
    // How long all packets of a single tile are; the rest of its last part is nobody's.
    if let Some(length) = packets_length(&out, shape) {
        let all: usize = parts.iter().map(|part| part.data.len()).sum();
        if let Some(last) = parts.last_mut().filter(|_| length != all) {
            let left = last.data.len().checked_sub(all.saturating_sub(length)).ok_or(PixelError::Damaged)?;
            last.data = &last.data[..left];
            out = written(&main, &parts, has_lengths)?;
        }
    }
    Ok((Some(out), size.precision))
}

/// The code stream anew.
fn written(main: &Header, parts: &[Part<'_>], has_lengths: bool) -> Result<Vec<u8>, PixelError> {
    let mut out = vec![0xFF, 0x4F];
    out.extend_from_slice(&main.bytes);
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
    for part in parts {
        out.extend([0xFF, SOT, 0, 10]);
        out.extend(part.tile.to_be_bytes());
        out.extend(part.length()?.to_be_bytes());
        out.extend([part.number, part.count]);
        out.extend_from_slice(&part.header.bytes);
        out.extend([0xFF, SOD]);
        out.extend_from_slice(part.data);
    }
    out.extend([0xFF, EOC]);
    Ok(out)
}

struct Part<'b> {
    tile: u16,
    number: u8,
    count: u8,
    header: Header,
    /// Its packets.
    data: &'b [u8],
}

impl Part<'_> {
    fn length(&self) -> Result<u32, PixelError> {
        u32::try_from(12 + self.header.bytes.len() + 2 + self.data.len()).map_err(|_| PixelError::TooLarge)
    }
}

/// The tile-parts of the tiles that there are, and whether some have headers of packets apart.
fn tile_parts<'b>(stream: &'b [u8], mut at: usize, size: &Size, most: &Most) -> Result<(Vec<Part<'b>>, bool), PixelError> {
    let mut parts: Vec<Part<'b>> = Vec::new();
    let mut has_packed = false;
    let mut seen = std::collections::HashMap::<u16, u8>::new();
    while let Some(&[0xFF, SOT]) = stream.get(at..at + 2) {
        let (_, content, mut next) = segment(stream, at)?;
        let &[t0, t1, a, b, c, d, number, count] = content else { return Err(PixelError::Damaged) };
        let tile = u16::from_be_bytes([t0, t1]);
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let mut header = Header::default();
        while stream.get(next..next + 2) != Some(&[0xFF, SOD]) {
            let (marker, content, end) = segment(stream, next)?;
            // How a tile is coded is said once, in its first part.
            if number > 0 && matches!(marker, COD | COC | QCD | QCC | RGN) {
                return Err(PixelError::Damaged);
            }
            header.take(marker, content, most)?;
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
        if usize::from(tile) < size.tiles {
            let expected = seen.entry(tile).or_default();
            if number != *expected {
                return Err(PixelError::Damaged);
            }
            *expected = expected.wrapping_add(1);
            has_packed |= header.has_packed;
            parts.push(Part { tile, number, count, header, data });
        }
        at = end;
        if length == 0 {
            break;
        }
    }
    if parts.is_empty() { Err(PixelError::Damaged) } else { Ok((parts, has_packed)) }
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

/// The segments of a header that stay.
#[derive(Default)]
struct Header {
    bytes: Vec<u8>,
    /// What was said already: marker and component.
    said: Vec<(u8, u8, Vec<u8>)>,
    /// Whether it holds headers of packets.
    has_packed: bool,
}

impl Header {
    /// Takes over what stays of a segment: of a component that there is, cut to what the standard says is in it; nothing of comments, and of lengths and
    /// registration, which decoding does not need.
    ///
    /// # Errors
    /// [`PixelError::Unsupported`] for segments that are not known here: they may be anything. [`PixelError::Damaged`] where one thing is said in two ways: decoders take
    /// the first or the last.
    fn take(&mut self, marker: u8, content: &[u8], most: &Most) -> Result<(), PixelError> {
        let of_component = matches!(marker, COC | QCC | RGN);
        let component = if of_component { *content.first().ok_or(PixelError::Damaged)? } else { 0 };
        if usize::from(component) >= most.components {
            return Ok(());
        }
        let kept = kept(marker, content, most)?;
        self.has_packed |= matches!(marker, PPM | PPT);
        if kept.is_empty() {
            return Ok(());
        }
        // Changes of order add up.
        if marker != POC
            && let Some((_, _, known)) = self.said.iter().find(|(other, of, _)| (*other, *of) == (marker, component))
        {
            return if *known == kept { Ok(()) } else { Err(PixelError::Damaged) };
        }
        push(&mut self.bytes, marker, &kept)?;
        self.said.push((marker, component, kept));
        Ok(())
    }
}

fn kept(marker: u8, content: &[u8], most: &Most) -> Result<Vec<u8>, PixelError> {
    let wide = |offset: usize| be16(content, offset).map_or(0, usize::from);
    let bands = 3 * most.levels + 1;
    // Levels, block sizes, style and transform; precincts where the style says so.
    let coding = |style: usize, levels: usize| {
        let precincts = content.get(levels).map_or(0, |levels| usize::from(*levels) + 1);
        let has_precincts = content.get(style).is_some_and(|style| style & 1 != 0);
        levels + 5 + if has_precincts { precincts } else { 0 }
    };
    let length = match marker {
        0x51 => 36 + 3 * wide(34),
        0x50 => 4 + 2 * content.first_chunk::<4>().map_or(0, |bits| u32::from_be_bytes(*bits).count_ones() as usize),
        COD => coding(0, 5),
        COC => coding(1, 2),
        QCD | QCC => return Ok(steps(content, usize::from(marker == QCC), bands)),
        RGN => match content {
            [_, 0, 0..=37, ..] => 3,
            _ => return Err(PixelError::Damaged),
        },
        POC => return orders(content, most),
        // Headers of packets, and what decoding does not need: profile, lengths of tile-parts and packets, registration, comments.
        PPM | PPT | TLM | 0x57..=0x59 | 0x63 | 0x64 => 0,
        _ => return Err(PixelError::Unsupported),
    };
    Ok(content[..length.min(content.len())].to_vec())
}

/// Steps of quantization, one for each band; of those without quantization the exponents alone.
fn steps(content: &[u8], from: usize, bands: usize) -> Vec<u8> {
    let style = content.get(from).map(|style| style & 31);
    let length = match style {
        Some(0) => from + 1 + bands,
        Some(1) => from + 3,
        _ => from + 1 + 2 * bands,
    };
    let mut out = content[..length.min(content.len())].to_vec();
    if style == Some(0) {
        out.iter_mut().skip(from + 1).for_each(|step| *step &= 0xF8);
    }
    out
}

/// Changes of the order of packets, each within the levels, components and layers that there are.
///
/// # Errors
/// When one is none.
fn orders(content: &[u8], most: &Most) -> Result<Vec<u8>, PixelError> {
    let (changes, rest) = content.as_chunks::<7>();
    if !rest.is_empty() || changes.is_empty() {
        return Err(PixelError::Damaged);
    }
    let mut out = Vec::with_capacity(content.len());
    for &[level, component, l0, l1, levels, components, order] in changes {
        if usize::from(level) > most.levels || usize::from(component) >= most.components || order > 4 || levels <= level {
            return Err(PixelError::Damaged);
        }
        let layers = u16::from_be_bytes([l0, l1]).min(most.layers).to_be_bytes();
        // Of components 0 stands for 256.
        let end = if components == 0 { most.components } else { usize::from(components).min(most.components) };
        let levels = usize::from(levels).min(most.levels + 1);
        out.extend([level, component, layers[0], layers[1], levels as u8, end as u8, order]);
    }
    Ok(out)
}

/// The most of what headers speak of.
struct Most {
    components: usize,
    /// Levels of the wavelet.
    levels: usize,
    layers: u16,
}

impl Most {
    fn of(stream: &[u8], components: usize) -> Self {
        let mut most = Self { components, levels: 0, layers: 0 };
        let (mut at, mut next) = (2, None);
        while let Ok((marker, content, end)) = segment(stream, at) {
            match marker {
                COD => {
                    most.levels = most.levels.max(content.get(5).map_or(0, |levels| usize::from(*levels)));
                    most.layers = most.layers.max(be16(content, 2).unwrap_or(0));
                }
                COC => most.levels = most.levels.max(content.get(2).map_or(0, |levels| usize::from(*levels))),
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
        most.levels = most.levels.min(32);
        most
    }
}
