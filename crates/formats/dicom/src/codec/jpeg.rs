//! JPEG (ITU-T T.81) with Huffman codes: sequential and progressive DCT of 8 and 12 bits, lossless of 2 to 16.
//!
//! Components come out as they are coded: no colour is changed, since what they are is what the data set says. Chroma of fewer samples is interpolated.
//! The spectral selection of a sequential scan has one value only and is not looked at: files with another one are common (12 bit images of some vendors).

mod bits;
mod dct;
mod idct;
mod lossless;
mod progressive;
mod tables;
mod upsample;

use tables::Tables;

use crate::{
    codec::{
        Decoded, Shape, Values,
        marker::{self, Read, be16, code},
    },
    pixels::PixelError,
};

/// Scans of a frame; real ones have about ten at most.
const MOST_SCANS: usize = 256;

/// A component as the frame header has it.
#[derive(Debug, Clone, Copy)]
struct Component {
    id: u8,
    /// Samples across and down in a unit.
    h: usize,
    v: usize,
    /// Its quantization table.
    table: usize,
}

/// The frame header.
#[derive(Debug, Clone)]
struct Header {
    precision: u32,
    rows: usize,
    columns: usize,
    components: Vec<Component>,
}

impl Header {
    fn read(content: &[u8], shape: Shape) -> Result<Self, PixelError> {
        let &[precision, _, _, _, _, count, ref rest @ ..] = content else { return Err(PixelError::Damaged) };
        let size_at = |at| usize::from(be16(content, at).unwrap_or(0));
        let (rows, columns) = (size_at(1), size_at(3));
        // No number of lines: it comes behind the first scan (DNL), and is that of the data set.
        let rows = if rows == 0 { shape.rows } else { rows };
        if (rows, columns, usize::from(count)) != (shape.rows, shape.columns, shape.samples) {
            return Err(PixelError::Mismatch);
        }
        let components: Vec<Component> = (rest.as_chunks::<3>().0.iter().take(usize::from(count)))
            .map(|[id, factors, table]| Component {
                id: *id,
                h: usize::from(factors >> 4),
                v: usize::from(factors & 15),
                table: usize::from(*table),
            })
            .collect();
        let in_range = |component: &Component| (1..=4).contains(&component.h) && (1..=4).contains(&component.v) && component.table < 4;
        if components.len() != usize::from(count) || !components.iter().all(in_range) {
            return Err(PixelError::Damaged);
        }
        let header = Self { precision: u32::from(precision), rows, columns, components };
        let (h, v) = (header.most_h(), header.most_v());
        if header.components.iter().any(|component| !h.is_multiple_of(component.h) || !v.is_multiple_of(component.v)) {
            return Err(PixelError::Unsupported);
        }
        Ok(header)
    }

    fn most_h(&self) -> usize {
        self.components.iter().map(|component| component.h).max().unwrap_or(1)
    }

    fn most_v(&self) -> usize {
        self.components.iter().map(|component| component.v).max().unwrap_or(1)
    }
}

/// The scan header: places of its components with the numbers of their DC and AC tables, and its four parameters.
struct Scan {
    components: Vec<(usize, usize, usize)>,
    start: usize,
    end: usize,
    high: u32,
    low: u32,
}

impl Scan {
    fn read(content: &[u8], header: &Header) -> Result<Self, PixelError> {
        let (count, rest) = content.split_first().ok_or(PixelError::Damaged)?;
        let count = usize::from(*count);
        let [start, end, approximation] = *rest.get(2 * count..).and_then(|rest| rest.first_chunk::<3>()).ok_or(PixelError::Damaged)?;
        let mut components: Vec<(usize, usize, usize)> = Vec::with_capacity(4);
        for [id, tables] in rest.as_chunks::<2>().0.iter().take(count) {
            let place = header.components.iter().position(|component| component.id == *id).ok_or(PixelError::Damaged)?;
            if components.iter().any(|(there, ..)| *there == place) {
                return Err(PixelError::Damaged);
            }
            components.push((place, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        if components.is_empty() || components.len() > 4 {
            return Err(PixelError::Damaged);
        }
        Ok(Self {
            components,
            start: usize::from(start),
            end: usize::from(end),
            high: u32::from(approximation >> 4),
            low: u32::from(approximation & 15),
        })
    }
}

/// How the frame's samples are coded.
enum Image {
    Dct(dct::Planes),
    Progressive(progressive::Coefficients),
    Lossless(lossless::Lines),
}

/// Decodes a frame.
///
/// # Errors
/// When its bytes are damaged, are of another size than the data set says, or use arithmetic codes or hierarchies.
pub(crate) fn decode(bytes: &[u8], shape: Shape) -> Result<Decoded, PixelError> {
    decode_noting(bytes, shape, &mut Read::default())
}

/// Decodes a frame, and notes what of its bytes was read.
pub(super) fn decode_noting(bytes: &[u8], shape: Shape, read: &mut Read) -> Result<Decoded, PixelError> {
    if !bytes.starts_with(&[0xFF, code::SOI]) {
        return Err(PixelError::Damaged);
    }
    shape.check(bytes.len())?;
    let mut tables = Tables::default();
    let mut image: Option<(Header, Image)> = None;
    let (mut at, mut restart, mut done, mut scans) = (2, 0, 0, 0);
    loop {
        let segment = match marker::next(bytes, at) {
            Ok(segment) => segment,
            // Without an end marker, what is whole is whole.
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        };
        at = segment.end;
        let content = segment.content;
        match segment.marker {
            code::SOI => {}
            code::EOI => break,
            code::DQT => tables.quantization(content)?,
            code::DHT => tables.huffman(content)?,
            code::DRI => restart = usize::from(be16(content, 0).ok_or(PixelError::Damaged)?),
            code::SOF0 | code::SOF1 | code::SOF2 | code::SOF3 => {
                if image.is_some() {
                    return Err(PixelError::Damaged);
                }
                let header = Header::read(content, shape)?;
                let started = match segment.marker {
                    code::SOF3 => Image::Lossless(lossless::Lines::new(&header)?),
                    code::SOF2 => Image::Progressive(progressive::Coefficients::new(&header)?),
                    _ => Image::Dct(dct::Planes::new(&header)?),
                };
                image = Some((header, started));
            }
            code::DAC | 0xC5..=0xCF => return Err(PixelError::Unsupported),
            code::SOS => {
                let (header, image) = image.as_mut().ok_or(PixelError::Damaged)?;
                scans += 1;
                if scans > MOST_SCANS {
                    return Err(PixelError::Damaged);
                }
                let scan = Scan::read(content, header)?;
                let end = match image {
                    Image::Dct(planes) => planes.scan(header, &scan, &tables, restart, bytes, at)?,
                    Image::Progressive(coefficients) => coefficients.scan(header, &scan, &tables, restart, bytes, at)?,
                    Image::Lossless(lines) => lines.scan(header, &scan, &tables, restart, bytes, at)?,
                };
                at = end.at;
                read.unused.extend(end.unused);
                read.scans.push(at);
                done += scan.components.len();
                // Trailing bytes are nobody's where nothing can follow.
                if done >= header.components.len() && !matches!(image, Image::Progressive(_)) {
                    break;
                }
            }
            _ => {}
        }
    }
    read.end = at;
    let (header, image) = image.ok_or(PixelError::Damaged)?;
    if done < header.components.len() {
        return Err(PixelError::Damaged);
    }
    let values = match image {
        Image::Dct(planes) => planes.finish(&header),
        Image::Progressive(coefficients) => coefficients.finish(&header, &tables)?,
        Image::Lossless(lines) => lines.finish(&header),
    };
    Ok(Decoded { precision: header.precision, values })
}

/// Whether the code stream itself says that its three components are luma and chroma: by Adobe's marker, by JFIF's, or since chroma has fewer samples.
pub(crate) fn says_ybr(bytes: &[u8]) -> bool {
    let (mut at, mut is_jfif) = (2, false);
    while let Ok(segment) = marker::next(bytes, at) {
        at = segment.end;
        match (segment.marker, segment.content) {
            (0xEE, [b'A', b'd', b'o', b'b', b'e', .., transform]) => return *transform == 1,
            (0xE0, [b'J', b'F', b'I', b'F', ..]) => is_jfif = true,
            (0xC0..=0xC2, &[_, _, _, _, _, 3, _, luma, _, _, chroma, ..]) => return is_jfif || luma != chroma,
            (code::SOS | code::EOI, _) => break,
            _ => {}
        }
    }
    false
}

/// Words as bytes, where all of them are.
fn narrowed(words: Vec<u16>, precision: u32) -> Values {
    if precision > 8 { Values::Words(words) } else { Values::Bytes(words.into_iter().map(|word| word as u8).collect()) }
}

#[cfg(test)]
mod tests;
