//! The tables in force: quantization and Huffman.

use super::bits::Huffman;
use crate::pixels::PixelError;

/// The natural place of each coefficient in zigzag order.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56,
    57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Tables as the segments so far define them.
#[derive(Default)]
pub(super) struct Tables {
    /// In zigzag order.
    quantizers: [Option<[i32; 64]>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
}

impl Tables {
    /// A DQT segment.
    pub(super) fn quantization(&mut self, mut content: &[u8]) -> Result<(), PixelError> {
        while let Some((kind, rest)) = content.split_first() {
            let is_wide = kind >> 4 != 0;
            let numbers = rest.get(..if is_wide { 128 } else { 64 }).ok_or(PixelError::Damaged)?;
            content = &rest[numbers.len()..];
            let mut table = [0; 64];
            if is_wide {
                table.iter_mut().zip(numbers.as_chunks::<2>().0).for_each(|(place, two)| *place = i32::from(u16::from_be_bytes(*two)));
            } else {
                table.iter_mut().zip(numbers).for_each(|(place, number)| *place = i32::from(*number));
            }
            *self.quantizers.get_mut(usize::from(kind & 15)).ok_or(PixelError::Damaged)? = Some(table);
        }
        Ok(())
    }

    /// A DHT segment.
    pub(super) fn huffman(&mut self, mut content: &[u8]) -> Result<(), PixelError> {
        while let Some((kind, rest)) = content.split_first() {
            let counts = rest.first_chunk::<16>().ok_or(PixelError::Damaged)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let symbols = rest.get(16..16 + total).ok_or(PixelError::Damaged)?;
            content = &rest[16 + total..];
            let set = match kind >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(PixelError::Damaged),
            };
            *set.get_mut(usize::from(kind & 15)).ok_or(PixelError::Damaged)? = Some(Huffman::new(counts, symbols)?);
        }
        Ok(())
    }

    pub(super) fn quantizer(&self, number: usize) -> Result<&[i32; 64], PixelError> {
        self.quantizers.get(number).and_then(Option::as_ref).ok_or(PixelError::Damaged)
    }

    pub(super) fn dc(&self, number: usize) -> Result<&Huffman, PixelError> {
        self.dc.get(number).and_then(Option::as_ref).ok_or(PixelError::Damaged)
    }

    pub(super) fn ac(&self, number: usize) -> Result<&Huffman, PixelError> {
        self.ac.get(number).and_then(Option::as_ref).ok_or(PixelError::Damaged)
    }
}
