//! JPEG and JPEG-LS: the segments that decoding needs, and of scans the bytes that bits were read from.

use crate::{
    codec::{
        Decoded, Shape, jpeg, jpegls,
        marker::{self, Read, Segment, code},
    },
    pixels::PixelError,
};

const APP0: u8 = 0xE0;
const APP8: u8 = 0xE8;
const APP14: u8 = 0xEE;

/// A JPEG frame without what is no part of its image, and its samples.
pub(super) fn strip(bytes: &[u8], shape: Shape) -> Result<(Vec<u8>, Decoded), PixelError> {
    let mut read = Read::default();
    let decoded = jpeg::decode_noting(bytes, shape, &mut read)?;
    Ok((rebuilt(bytes, shape, &read)?, decoded))
}

/// The same of a JPEG-LS frame.
pub(super) fn strip_ls(bytes: &[u8], shape: Shape) -> Result<(Vec<u8>, Decoded), PixelError> {
    let mut read = Read::default();
    let decoded = jpegls::decode_noting(bytes, shape, &mut read)?;
    Ok((rebuilt(bytes, shape, &read)?, decoded))
}

fn rebuilt(bytes: &[u8], shape: Shape, read: &Read) -> Result<Vec<u8>, PixelError> {
    let used = Used::of(bytes, read);
    let mut out = Vec::with_capacity(bytes.len());
    out.extend([0xFF, code::SOI]);
    let mut scans = read.scans.iter();
    let mut at = 2;
    let mut has_colour = [false; 3];
    while at < read.end {
        let Ok(segment) = marker::next(bytes, at) else { break };
        at = segment.end;
        if segment.marker == code::EOI {
            break;
        }
        if let Some(content) = kept(&segment, shape, &used, &mut has_colour).filter(|content| !content.is_empty()) {
            let length = u16::try_from(content.len() + 2).map_err(|_| PixelError::Damaged)?;
            out.extend([0xFF, segment.marker]);
            out.extend(length.to_be_bytes());
            out.extend_from_slice(&content);
        }
        if segment.marker != code::SOS {
            continue;
        }
        let Some(end) = scans.next().copied().filter(|end| *end >= at) else { break };
        let start = at;
        for gap in read.unused.iter().filter(|gap| gap.start >= start && gap.end <= end) {
            out.extend_from_slice(bytes.get(at..gap.start).unwrap_or_default());
            at = gap.end;
        }
        out.extend_from_slice(bytes.get(at..end).unwrap_or_default());
        at = end;
        if scans.as_slice().is_empty() {
            break;
        }
    }
    out.extend([0xFF, code::EOI]);
    Ok(out)
}

/// The tables that something refers to.
#[derive(Default)]
struct Used {
    quantizers: [bool; 16],
    huffman: [[bool; 16]; 2],
    is_lossless: bool,
    mappings: Vec<u8>,
}

impl Used {
    fn of(bytes: &[u8], read: &Read) -> Self {
        let mut used = Self::default();
        let mut scans = read.scans.iter();
        let mut at = 2;
        while let Ok(segment) = marker::next(bytes, at) {
            at = segment.end;
            match (segment.marker, segment.content) {
                (code::SOF0..=code::SOF2, [_, _, _, _, _, _, components @ ..]) => {
                    for [.., table] in components.as_chunks::<3>().0 {
                        used.quantizers[usize::from(table & 15)] = true;
                    }
                }
                (code::SOF3, _) => used.is_lossless = true,
                (code::SOS, [count, rest @ ..]) => {
                    for [_, tables] in rest.as_chunks::<2>().0.iter().take(usize::from(*count)) {
                        used.huffman[0][usize::from(tables >> 4)] = true;
                        used.huffman[1][usize::from(tables & 15)] |= !used.is_lossless;
                        used.mappings.push(*tables);
                    }
                    let Some(end) = scans.next() else { break };
                    at = at.max(*end);
                    if scans.as_slice().is_empty() {
                        break;
                    }
                }
                _ => {}
            }
        }
        used
    }
}

/// What stays of a segment's content; `None` where nothing does.
fn kept(segment: &Segment<'_>, shape: Shape, used: &Used, has_colour: &mut [bool; 3]) -> Option<Vec<u8>> {
    let content = segment.content;
    let mut once = |place: usize| !std::mem::replace(&mut has_colour[place], true);
    match segment.marker {
        code::DQT => Some(quantizers(content, used)),
        code::DHT => Some(huffman(content, used)),
        code::DRI => Some(content.get(..content.len().min(4))?.to_vec()),
        code::SOF0..=code::SOF3 | code::SOF55 => {
            let mut header = content.get(..6 + 3 * usize::from(*content.get(5)?))?.to_vec();
            // Where a segment behind the scan says the number of lines (DNL), that goes and it stands here.
            header[1..3].copy_from_slice(&u16::try_from(shape.rows).ok()?.to_be_bytes());
            Some(header)
        }
        code::SOS => Some(content.get(..4 + 2 * usize::from(*content.first()?))?.to_vec()),
        code::LSE => match content {
            [1, ..] => Some(content.get(..11)?.to_vec()),
            [2 | 3, id, ..] if used.mappings.contains(id) => Some(content.to_vec()),
            _ => None,
        },
        // What these say of colours, with nothing else that they could say.
        APP0 if content.starts_with(b"JFIF\0") && once(0) => Some(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec()),
        APP8 if content.starts_with(b"mrfx") && once(1) => Some(content.get(..5)?.to_vec()),
        APP14 if content.starts_with(b"Adobe") && once(2) => {
            let transform = *content.get(11)?;
            Some([b"Adobe\0\x64\0\0\0\0", &[transform.min(2)][..]].concat())
        }
        _ => None,
    }
}

fn quantizers(mut content: &[u8], used: &Used) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    while let Some(kind) = content.first() {
        let length = if kind >> 4 == 0 { 65 } else { 129 };
        let Some((table, rest)) = content.split_at_checked(length) else { break };
        if used.quantizers[usize::from(kind & 15)] {
            out.extend_from_slice(table);
        }
        content = rest;
    }
    out
}

fn huffman(mut content: &[u8], used: &Used) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    while let Some(counts) = content.get(1..17) {
        let kind = content[0];
        let length = 17 + counts.iter().map(|count| usize::from(*count)).sum::<usize>();
        let Some((table, rest)) = content.split_at_checked(length) else { break };
        if used.huffman.get(usize::from(kind >> 4)).is_some_and(|set| set[usize::from(kind & 15)]) {
            out.extend_from_slice(table);
        }
        content = rest;
    }
    out
}
