//! Palettes (PS3.3 C.7.6.3.1.5, C.7.9): tables of red, green and blue, plain or in segments.

use super::{PixelError, decode::Samples, lut::Table};
use crate::{element::DataSet, tag::Tag};

/// Red, green and blue of 8 bits for each value.
pub(super) struct Palette {
    tables: [Table; 3],
    /// Bits that entries are shifted right by.
    shift: u32,
}

impl Palette {
    pub(super) fn of(data_set: DataSet<'_>) -> Result<Self, PixelError> {
        let table = |place: u32| -> Option<Table> {
            let descriptor = data_set.get(Tag(0x0028_1101 + place))?;
            if let Some(data) = data_set.get(Tag(0x0028_1201 + place)) {
                return Table::read(descriptor, data);
            }
            let segments = data_set.get(Tag(0x0028_1221 + place))?;
            let (count, bits) = (descriptor.number_at(0)? as i64 & 0xFFFF, descriptor.number_at(2)? as u32);
            let count = if count == 0 { 1 << 16 } else { count as usize };
            let numbers: Vec<u16> = if bits == 8 && segments.vr() == crate::vr::Vr::OB {
                segments.bytes().iter().map(|byte| u16::from(*byte)).collect()
            } else {
                let is_big = segments.is_big_endian();
                let word = |two: &[u8; 2]| if is_big { u16::from_be_bytes(*two) } else { u16::from_le_bytes(*two) };
                segments.bytes().as_chunks::<2>().0.iter().map(word).collect()
            };
            let entries = expanded(&numbers, count);
            (!entries.is_empty() && (1..=16).contains(&bits)).then_some(Table { first: descriptor.number_at(1)? as i64, entries, bits })
        };
        let tables = [0, 1, 2].map(table);
        let [Some(red), Some(green), Some(blue)] = tables else { return Err(PixelError::Attribute(Tag(0x0028_1201))) };
        let tables = [red, green, blue];
        // Some say 16 bits and have 8.
        let is_wide = tables.iter().any(|table| table.bits > 8) && tables.iter().flat_map(|table| &table.entries).any(|entry| *entry > 255);
        let shift = if is_wide { tables.iter().map(|table| table.bits).max().unwrap_or(8).saturating_sub(8) } else { 0 };
        Ok(Self { tables, shift })
    }

    /// Red, green and blue of each sample.
    pub(super) fn colors(&self, samples: &Samples) -> Vec<u8> {
        let mut colors = Vec::with_capacity(3 * samples.len());
        samples.for_each(|value| colors.extend(self.color(value as i64)));
        colors
    }

    #[inline]
    fn color(&self, value: i64) -> [u8; 3] {
        self.tables.each_ref().map(|table| (table.entry(value) >> self.shift) as u8)
    }
}

/// The entries that segments stand for (C.7.9.2): discrete, linear, and copies of segments before.
fn expanded(numbers: &[u16], count: usize) -> Vec<u16> {
    let mut entries = Vec::new();
    segments(numbers, 0, usize::MAX, count, &mut entries, true);
    entries.truncate(count);
    entries
}

/// Expands so many segments from a place on.
fn segments(numbers: &[u16], mut at: usize, mut left: usize, most: usize, entries: &mut Vec<u16>, may_copy: bool) {
    while left > 0 && entries.len() < most {
        let (Some(kind), Some(length)) = (numbers.get(at), numbers.get(at + 1)) else { return };
        let length = usize::from(*length);
        match kind {
            0 => {
                let Some(values) = numbers.get(at + 2..at + 2 + length) else { return };
                entries.extend_from_slice(values);
                at += 2 + length;
            }
            1 => {
                let (Some(end), Some(start)) = (numbers.get(at + 2), entries.last().copied()) else { return };
                let (start, end) = (f64::from(start), f64::from(*end));
                entries.extend((1..=length).map(|step| (start + (end - start) * step as f64 / length as f64).round() as u16));
                at += 3;
            }
            2 if may_copy => {
                let (Some(low), Some(high)) = (numbers.get(at + 2), numbers.get(at + 3)) else { return };
                // The offset counts bytes of words.
                let place = ((usize::from(*high) << 16) | usize::from(*low)) / 2;
                segments(numbers, place, length, most, entries, false);
                at += 4;
            }
            _ => return,
        }
        left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_expanded() {
        assert_eq!(expanded(&[0, 2, 7, 10, 1, 5, 20], 7), [7, 10, 12, 14, 16, 18, 20]);
        assert_eq!(expanded(&[0, 2, 7, 9, 2, 1, 0, 0], 4), [7, 9, 7, 9]);
        assert_eq!(expanded(&[1, 5, 20], 7), [0u16; 0]);
    }

    proptest::proptest! {
        #[test]
        fn any_segments_end_well(numbers in proptest::collection::vec(proptest::prelude::prop_oneof![0u16..4, proptest::num::u16::ANY], 0..64)) {
            assert!(expanded(&numbers, 1 << 16).len() <= 1 << 16);
        }
    }
}
