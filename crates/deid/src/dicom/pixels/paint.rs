//! Painting boxes on native pixels.

use sutura_dicom::pixels::{PixelDescription, SampleKind};

use super::PixelBox;
use crate::error::DeidError;

/// Native pixels, little endian, to be painted on.
pub(super) struct Canvas {
    bytes: Vec<u8>,
    columns: usize,
    rows: usize,
    samples: usize,
    /// Bits of a sample.
    bits: usize,
    planar: bool,
    /// Pairs of pixels share their chroma.
    subsampled: bool,
    /// The bytes of each sample of a painted pixel.
    ink: Vec<Vec<u8>>,
}

impl Canvas {
    pub(super) fn new(bytes: Vec<u8>, description: &PixelDescription, planar: bool, subsampled: bool) -> Result<Self, DeidError> {
        let bits = description.bits_allocated;
        let is_whole = matches!(bits, 8 | 16 | 32 | 64) || (bits == 1 && description.samples == 1);
        if !is_whole || (subsampled && bits != 8) {
            return Err(DeidError::PixelLayout);
        }
        let mut canvas = Self {
            bytes,
            columns: description.columns,
            rows: description.rows,
            samples: description.samples,
            bits,
            planar,
            subsampled,
            ink: Vec::new(),
        };
        canvas.ink = canvas.ink_of(description);
        Ok(canvas)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The part of a box that is in the image.
    pub(super) fn inside(&self, place: PixelBox) -> PixelBox {
        let x = place.x.min(self.columns as u32);
        let y = place.y.min(self.rows as u32);
        let width = place.width.min(self.columns as u32 - x);
        let height = place.height.min(self.rows as u32 - y);
        PixelBox { x, y, width, height }
    }

    /// Black: the lowest number that is in the pixels, or the highest where that is black; no colour.
    fn ink_of(&self, description: &PixelDescription) -> Vec<Vec<u8>> {
        let size = self.bits / 8;
        let middle = |bits: usize| (1u64 << (bits.clamp(1, 64) - 1)).to_le_bytes()[..size].to_vec();
        match description.photometric.as_str() {
            _ if size == 0 => Vec::new(),
            photometric if photometric.starts_with("YBR") && self.samples == 3 && !matches!(photometric, "YBR_ICT" | "YBR_RCT") => {
                vec![vec![0; size], middle(description.bits_stored), middle(description.bits_stored)]
            }
            _ if self.samples > 1 || description.photometric == "PALETTE COLOR" => vec![vec![0; size]; self.samples],
            photometric => vec![self.extreme(description, photometric == "MONOCHROME1")],
        }
    }

    /// The lowest or highest sample.
    fn extreme(&self, description: &PixelDescription, highest: bool) -> Vec<u8> {
        let size = self.bits / 8;
        let value = |chunk: &[u8]| -> f64 {
            let mut eight = [0u8; 8];
            eight[..size].copy_from_slice(chunk);
            let raw = u64::from_le_bytes(eight);
            match description.kind {
                SampleKind::Float => f64::from(f32::from_bits(raw as u32)),
                SampleKind::Double => f64::from_bits(raw),
                SampleKind::Integer if description.signed => ((raw << (64 - self.bits)) as i64 >> (64 - self.bits)) as f64,
                SampleKind::Integer => raw as f64,
            }
        };
        let better = |one: &&[u8], other: &&[u8]| value(one).total_cmp(&value(other));
        let chunks = self.bytes.chunks_exact(size);
        let found = if highest { chunks.max_by(better) } else { chunks.min_by(better) };
        found.map_or_else(|| vec![0; size], <[u8]>::to_vec)
    }

    /// The lowest sample.
    pub(super) fn lowest(&self, description: &PixelDescription) -> i64 {
        let mut eight = [0u8; 8];
        let lowest = self.extreme(description, false);
        eight[..lowest.len()].copy_from_slice(&lowest);
        let raw = u64::from_le_bytes(eight);
        if description.signed { (raw << (64 - self.bits)) as i64 >> (64 - self.bits) } else { raw as i64 }
    }

    /// Sets the samples of the first frame that are marked, of one sample a pixel.
    pub(super) fn fill(&mut self, marked: &[bool], value: i64) {
        let size = self.bits / 8;
        let value = value.to_le_bytes();
        if size == 0 || self.samples != 1 {
            return;
        }
        for (sample, _) in self.bytes.chunks_exact_mut(size).zip(marked).filter(|(_, marked)| **marked) {
            sample.copy_from_slice(&value[..size]);
        }
    }

    /// Paints a box in one frame. What is outside of the image is left out.
    pub(super) fn paint(&mut self, frame: usize, place: PixelBox) {
        let PixelBox { x, y, width, height } = self.inside(place);
        let (x, y, width, height) = (x as usize, y as usize, width as usize, height as usize);
        for row in y..y + height {
            match (self.bits, self.subsampled) {
                (1, _) => self.bits_of_row(frame, row, x, width),
                (_, true) => self.pairs_of_row(frame, row, x, width),
                _ => self.samples_of_row(frame, row, x, width),
            }
        }
    }

    fn samples_of_row(&mut self, frame: usize, row: usize, x: usize, width: usize) {
        let size = self.bits / 8;
        let pixels = self.rows * self.columns;
        let start = frame * pixels * self.samples * size;
        for (sample, ink) in self.ink.iter().enumerate() {
            let (first, stride) = if self.planar {
                (start + (sample * pixels + row * self.columns + x) * size, size)
            } else {
                (start + ((row * self.columns + x) * self.samples + sample) * size, self.samples * size)
            };
            for column in 0..width {
                let at = first + column * stride;
                if let Some(place) = self.bytes.get_mut(at..at + size) {
                    place.copy_from_slice(ink);
                }
            }
        }
    }

    /// Two luma samples, then the blue and the red difference of both.
    fn pairs_of_row(&mut self, frame: usize, row: usize, x: usize, width: usize) {
        let pixels = self.rows * self.columns;
        let start = row * self.columns + x;
        let (first, last) = (start / 2, (start + width).div_ceil(2));
        for pair in first..last {
            let at = frame * pixels * 2 + pair * 4;
            if let Some(place) = self.bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&[0, 0, 128, 128]);
            }
        }
    }

    fn bits_of_row(&mut self, frame: usize, row: usize, x: usize, width: usize) {
        let first = frame * self.rows * self.columns + row * self.columns + x;
        for bit in first..first + width {
            if let Some(byte) = self.bytes.get_mut(bit / 8) {
                *byte &= !(1 << (bit % 8));
            }
        }
    }
}
