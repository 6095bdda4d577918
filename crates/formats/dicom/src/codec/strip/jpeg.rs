//! JPEG and JPEG-LS: the segments that decoding needs, and of scans the bytes that bits were read from.
//!
//! A table that is defined again before any scan has read it, and one that no component of a scan refers to, is no part of the image.

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
    let used = Used::of(bytes, &read)?;
    Ok((rebuilt(bytes, shape, &read, &used)?, decoded))
}

/// The same of a JPEG-LS frame; no bytes where samples go through a mapping table, of which nobody knows which entries are any sample's.
pub(super) fn strip_ls(bytes: &[u8], shape: Shape) -> Result<(Option<Vec<u8>>, Decoded), PixelError> {
    let mut read = Read::default();
    let decoded = jpegls::decode_noting(bytes, shape, &mut read)?;
    let used = Used::of(bytes, &read)?;
    let out = if used.has_mapping { None } else { Some(rebuilt(bytes, shape, &read, &used)?) };
    Ok((out, decoded))
}

fn rebuilt(bytes: &[u8], shape: Shape, read: &Read, used: &Used) -> Result<Vec<u8>, PixelError> {
    let mut out = Vec::with_capacity(bytes.len());
    out.extend([0xFF, code::SOI]);
    let mut scans = read.scans.iter();
    let mut live = used.live.iter().copied();
    let mut at = 2;
    let mut has_colour = [false; 3];
    while at < read.end {
        let Ok(segment) = marker::next(bytes, at) else { break };
        at = segment.end;
        if segment.marker == code::EOI {
            break;
        }
        let content = if is_of_definitions(&segment) {
            let definitions = definitions(&segment).into_iter();
            let kept = definitions.filter(|_| live.next() == Some(true));
            Some(kept.flat_map(|(_, table)| table).copied().collect::<Vec<u8>>())
        } else {
            kept(&segment, shape, &mut has_colour)
        };
        if let Some(content) = content.filter(|content| !content.is_empty()) {
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

/// What a segment defines until it is defined again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Quantizer(u8),
    /// Class (0 for differences and DC, 1 for AC) and number.
    Huffman(u8, u8),
    Restart,
    /// Thresholds of JPEG-LS.
    Preset,
}

fn is_of_definitions(segment: &Segment<'_>) -> bool {
    match segment.marker {
        code::DQT | code::DHT | code::DRI => true,
        code::LSE => segment.content.first() == Some(&1),
        _ => false,
    }
}

/// The definitions of a segment, in order, and the bytes of each.
fn definitions<'b>(segment: &Segment<'b>) -> Vec<(Name, &'b [u8])> {
    let mut content = segment.content;
    let mut all = Vec::new();
    while let Some(kind) = content.first() {
        let (name, length) = match segment.marker {
            code::DQT => (Name::Quantizer(kind & 15), if kind >> 4 == 0 { 65 } else { 129 }),
            code::DHT => {
                let symbols = content.get(1..17).map_or(usize::MAX, |counts| counts.iter().map(|count| usize::from(*count)).sum());
                (Name::Huffman(kind >> 4, kind & 15), symbols.saturating_add(17))
            }
            code::DRI => (Name::Restart, content.len().min(4)),
            _ => (Name::Preset, 11),
        };
        let Some((table, rest)) = content.split_at_checked(length) else { break };
        all.push((name, table));
        content = if matches!(name, Name::Restart | Name::Preset) { &[] } else { rest };
    }
    all
}

/// Which definitions were in force when a scan that refers to them began.
#[derive(Default)]
struct Used {
    live: Vec<bool>,
    has_mapping: bool,
}

/// How scans refer to tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Process {
    Sequential,
    Progressive,
    Lossless,
    JpegLs,
}

impl Used {
    fn of(bytes: &[u8], read: &Read) -> Result<Self, PixelError> {
        let mut used = Self::default();
        let mut in_force: Vec<(Name, usize)> = Vec::new();
        let mut components: Vec<[u8; 2]> = Vec::new();
        let mut process = Process::Sequential;
        let mut scans = read.scans.iter();
        let (mut at, mut is_begun) = (2, false);
        while let Ok(segment) = marker::next(bytes, at) {
            at = segment.end;
            if is_of_definitions(&segment) {
                for (name, _) in definitions(&segment) {
                    // Of a progressive image a quantization table holds for all scans: decoders take the first or the last.
                    if is_begun && process == Process::Progressive && matches!(name, Name::Quantizer(_)) {
                        return Err(PixelError::Damaged);
                    }
                    in_force.retain(|(other, _)| *other != name);
                    in_force.push((name, used.live.len()));
                    used.live.push(false);
                }
                continue;
            }
            match (segment.marker, segment.content) {
                (code::SOF0..=code::SOF3 | code::SOF55, [_, _, _, _, _, count, all @ ..]) => {
                    components = all.as_chunks::<3>().0.iter().take(usize::from(*count)).map(|[id, _, table]| [*id, *table]).collect();
                    process = match segment.marker {
                        code::SOF2 => Process::Progressive,
                        code::SOF3 => Process::Lossless,
                        code::SOF55 => Process::JpegLs,
                        _ => Process::Sequential,
                    };
                }
                (code::SOS, [count, rest @ ..]) => {
                    is_begun = true;
                    used.scan(*count, rest, process, &components, &in_force);
                    let Some(end) = scans.next() else { break };
                    at = at.max(*end);
                    if scans.as_slice().is_empty() {
                        break;
                    }
                }
                _ => {}
            }
        }
        Ok(used)
    }

    fn scan(&mut self, count: u8, rest: &[u8], process: Process, components: &[[u8; 2]], in_force: &[(Name, usize)]) {
        let mut refer = |name: Name| {
            if let Some((_, number)) = in_force.iter().find(|(other, _)| *other == name) {
                self.live[*number] = true;
            }
        };
        refer(Name::Restart);
        let count = usize::from(count);
        let parameters = rest.get(2 * count..).and_then(|rest| rest.first_chunk::<3>()).copied().unwrap_or_default();
        for [id, tables] in rest.as_chunks::<2>().0.iter().take(count) {
            let (dc, ac) = (Name::Huffman(0, tables >> 4), Name::Huffman(1, tables & 15));
            match process {
                Process::Sequential => [dc, ac].into_iter().for_each(&mut refer),
                Process::Lossless => refer(dc),
                // Either the first coefficients or others; those are refined without codes.
                Process::Progressive if parameters[0] > 0 => refer(ac),
                Process::Progressive if parameters[2] >> 4 == 0 => refer(dc),
                Process::Progressive => {}
                Process::JpegLs => refer(Name::Preset),
            }
            if matches!(process, Process::Sequential | Process::Progressive)
                && let Some([_, table]) = components.iter().find(|[other, _]| other == id)
            {
                refer(Name::Quantizer(table & 15));
            }
            self.has_mapping |= process == Process::JpegLs && *tables != 0;
        }
    }
}

/// What stays of a segment's content that defines nothing; `None` where nothing does.
fn kept(segment: &Segment<'_>, shape: Shape, has_colour: &mut [bool; 3]) -> Option<Vec<u8>> {
    let content = segment.content;
    let mut once = |place: usize| !std::mem::replace(&mut has_colour[place], true);
    match segment.marker {
        code::SOF0..=code::SOF3 | code::SOF55 => {
            let mut header = content.get(..6 + 3 * usize::from(*content.get(5)?))?.to_vec();
            // Where a segment behind the scan says the number of lines (DNL), that goes and it stands here.
            header[1..3].copy_from_slice(&u16::try_from(shape.rows).ok()?.to_be_bytes());
            Some(header)
        }
        code::SOS => Some(content.get(..4 + 2 * usize::from(*content.first()?))?.to_vec()),
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
