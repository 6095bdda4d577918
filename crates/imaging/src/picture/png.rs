//! Pictures and images as PNG (ISO/IEC 15948): signature, header, one compressed stream, end.

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};

use super::{Anchor, Colour, Picture, Shape, font};
use crate::{error::ImagingError, image::Image8};

/// An image as PNG in greys of 8 bits.
///
/// # Errors
/// When it is larger than PNG allows or cannot be compressed.
pub fn png(image: &Image8) -> Result<Vec<u8>, ImagingError> {
    encoded(image.columns(), image.rows(), 1, image.values())
}

/// Pixels of red, green and blue as PNG in colours of 8 bits.
///
/// # Errors
/// When there are not exactly rows x columns pixels, none, they are more than PNG allows, or cannot be compressed.
pub fn png_rgb(rows: usize, columns: usize, values: &[u8]) -> Result<Vec<u8>, ImagingError> {
    let length = rows.checked_mul(columns).and_then(|pixels| pixels.checked_mul(3)).ok_or(ImagingError::TooLarge)?;
    if length == 0 || length != values.len() {
        return Err(ImagingError::Shape { rows, columns, values: values.len() });
    }
    encoded(columns, rows, 3, values)
}

/// Draws a picture.
pub(super) fn draw(picture: &Picture) -> Result<Vec<u8>, ImagingError> {
    let mut canvas = Canvas { width: picture.width, height: picture.height, values: vec![255; picture.width * picture.height * 3] };
    for shape in &picture.shapes {
        match shape {
            Shape::Rectangle { x, y, width, height, colour } => canvas.fill(*x, *y, *width, *height, *colour),
            Shape::Text { x, y, anchor, colour, text } => canvas.write(*x, *y, *anchor, *colour, text),
            Shape::Image { x, y, width, height, image } => canvas.paint(*x, *y, *width, *height, image),
        }
    }
    encoded(picture.width, picture.height, 3, &canvas.values)
}

struct Canvas {
    width: usize,
    height: usize,
    values: Vec<u8>,
}

impl Canvas {
    fn set(&mut self, x: usize, y: usize, colour: Colour) {
        if x < self.width && y < self.height {
            let place = (y * self.width + x) * 3;
            self.values[place..place + 3].copy_from_slice(&[colour.0, colour.1, colour.2]);
        }
    }

    fn fill(&mut self, x: f64, y: f64, width: f64, height: f64, colour: Colour) {
        for row in steps(y, height, self.height) {
            for column in steps(x, width, self.width) {
                self.set(column, row, colour);
            }
        }
    }

    fn write(&mut self, x: f64, y: f64, anchor: Anchor, colour: Colour, text: &str) {
        let width = (text.len() * font::ADVANCE) as f64;
        let left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - width / 2.0,
            Anchor::End => x - width,
        };
        let top = y - font::HEIGHT as f64;
        for (number, character) in text.bytes().enumerate() {
            for (row, line) in font::glyph(character).iter().enumerate() {
                for column in 0..font::WIDTH {
                    if line >> (font::WIDTH - 1 - column) & 1 == 1 {
                        let (x, y) = (left + (number * font::ADVANCE + column) as f64, top + row as f64);
                        if x >= 0.0 && y >= 0.0 {
                            self.set(x as usize, y as usize, colour);
                        }
                    }
                }
            }
        }
    }

    fn paint(&mut self, x: f64, y: f64, width: f64, height: f64, image: &Image8) {
        let (rows, columns) = (steps(y, height, self.height), steps(x, width, self.width));
        let part =
            |place: usize, first: f64, size: f64, of: usize| (((place as f64 - first) / size * of as f64).max(0.0) as usize).min(of - 1);
        for row in rows {
            for column in columns.clone() {
                let value = image.values()[part(row, y, height, image.rows()) * image.columns() + part(column, x, width, image.columns())];
                self.set(column, row, Colour(value, value, value));
            }
        }
    }
}

/// The pixels from a place on, within a size.
fn steps(first: f64, length: f64, size: usize) -> std::ops::Range<usize> {
    let at = |place: f64| (place.round().max(0.0) as usize).min(size);
    let (start, end) = (at(first), at(first + length));
    // What is thinner than a pixel is still seen.
    if start == end && length > 0.0 && start < size { start..start + 1 } else { start..end }
}

fn encoded(width: usize, height: usize, samples: usize, values: &[u8]) -> Result<Vec<u8>, ImagingError> {
    let side = |side: usize| i32::try_from(side).map(i32::to_be_bytes).map_err(|_| ImagingError::Picture);
    let colour = if samples == 3 { 2 } else { 0 };
    let mut header = Vec::with_capacity(13);
    header.extend(side(width)?);
    header.extend(side(height)?);
    header.extend([8, colour, 0, 0, 0]);
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    for line in values.chunks_exact(width * samples) {
        // Each line begins with its filter: none.
        packer.write_all(&[0]).and_then(|()| packer.write_all(line)).map_err(|_| ImagingError::Picture)?;
    }
    let packed = packer.finish().map_err(|_| ImagingError::Picture)?;
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, content) in [(b"IHDR", header.as_slice()), (b"IDAT", &packed), (b"IEND", &[])] {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(content);
        out.extend(u32::try_from(content.len()).map_err(|_| ImagingError::Picture)?.to_be_bytes());
        out.extend(name);
        out.extend(content);
        out.extend(crc.sum().to_be_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn an_image_is_read_back() {
        let image = Image8::new(2, 3, vec![0, 50, 100, 150, 200, 250]).unwrap();
        let bytes = png(&image).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&bytes[16..29], [0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0]);
        // The checksum of an empty end chunk is known.
        assert_eq!(&bytes[bytes.len() - 12..], [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82]);
        let length = u32::from_be_bytes(bytes[33..37].try_into().unwrap()) as usize;
        let mut lines = Vec::new();
        flate2::read::ZlibDecoder::new(&bytes[41..41 + length]).read_to_end(&mut lines).unwrap();
        assert_eq!(lines, [0, 0, 50, 100, 0, 150, 200, 250]);
    }

    #[test]
    fn colours_are_read_back() {
        let bytes = png_rgb(1, 2, &[1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(&bytes[16..29], [0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0]);
        let length = u32::from_be_bytes(bytes[33..37].try_into().unwrap()) as usize;
        let mut lines = Vec::new();
        flate2::read::ZlibDecoder::new(&bytes[41..41 + length]).read_to_end(&mut lines).unwrap();
        assert_eq!(lines, [0, 1, 2, 3, 4, 5, 6]);
        assert!(png_rgb(1, 2, &[0; 5]).is_err() && png_rgb(0, 0, &[]).is_err());
    }

    #[test]
    fn what_is_outside_is_not_drawn() {
        let mut picture = Picture::new(20, 10, "");
        picture.rectangle(-5.0, -5.0, 100.0, 6.0, super::super::ALARM);
        picture.text(-8.0, 3.0, Anchor::Start, super::super::INK, "out of it");
        picture.image(15.0, 5.0, 50.0, 50.0, Image8::new(1, 1, vec![9]).unwrap());
        picture.rectangle(f64::NAN, 0.0, f64::INFINITY, 1.0, super::super::INK);
        assert!(picture.to_png().is_ok() && picture.to_svg().is_ok());
    }
}
