//! A growing column of text.

use arrow::{
    array::{NullBufferBuilder, StringViewArray},
    buffer::{Buffer, ScalarBuffer},
};

use crate::tag::Tag;

/// The longest text that a view holds by itself.
const INLINE: usize = 12;

/// Words of the dictionary whose views are remembered: a power of two.
const WORDS: usize = 1024;

/// A text column. A value that goes on from row to row (the instance's UID) is stored once, and so is a word of the dictionary. All long values of a
/// batch lie in one buffer.
#[derive(Debug)]
pub(super) struct TextColumn {
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    data: Vec<u8>,
    /// Where the last long value is.
    last: (usize, usize),
    /// Where a word begins in the program, and its view in this batch; one for each remainder of the place. Empty until there is a long one.
    words: Vec<(usize, u128)>,
}

impl TextColumn {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self { views: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows), data: Vec::new(), last: (0, 0), words: Vec::new() }
    }

    pub(super) fn append_null(&mut self) {
        self.views.push(0);
        self.nulls.append_null();
    }

    /// Appends a value. Gives the bytes that it took beside its view.
    #[inline]
    pub(super) fn append(&mut self, value: &str) -> usize {
        let bytes = value.as_bytes();
        if bytes.len() <= INLINE {
            self.views.push(inline_view(bytes));
            self.nulls.append_non_null();
            return 0;
        }
        self.append_long(bytes)
    }

    /// Appends a tag as eight hexadecimal digits.
    #[inline]
    pub(super) fn append_tag(&mut self, tag: Tag) {
        let digits = tag.to_hex();
        self.views.push(u128::from(u64::from_le_bytes(digits)) << 32 | digits.len() as u128);
        self.nulls.append_non_null();
    }

    /// Appends a word of the program's own, whose long ones come again and again.
    #[inline]
    pub(super) fn append_word(&mut self, word: &'static str) -> usize {
        if word.len() <= INLINE {
            return self.append(word);
        }
        if self.words.is_empty() {
            self.words = vec![(0, 0); WORDS];
        }
        let place = word.as_ptr() as usize;
        let slot = (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) & (WORDS - 1);
        let (known, view) = self.words[slot];
        // Two words may begin at one place, but then they are not as long.
        if known == place && view as u32 as usize == word.len() {
            self.views.push(view);
            self.nulls.append_non_null();
            return 0;
        }
        let bytes = self.append_long(word.as_bytes());
        if let Some(view) = self.views.last().filter(|view| **view != 0) {
            self.words[slot] = (place, *view);
        }
        bytes
    }

    /// Appends a value in some rows. Gives the bytes that it took beside its views.
    pub(super) fn append_rows(&mut self, value: Option<&str>, rows: usize) -> usize {
        let Some(more) = rows.checked_sub(1) else { return 0 };
        let Some(value) = value else {
            self.views.resize(self.views.len() + rows, 0);
            self.nulls.append_n_nulls(rows);
            return 0;
        };
        let bytes = self.append(value);
        let view = self.views.last().copied().unwrap_or_default();
        self.views.resize(self.views.len() + more, view);
        self.nulls.append_n_non_nulls(more);
        bytes
    }

    fn append_long(&mut self, bytes: &[u8]) -> usize {
        let (start, length) = self.last;
        let is_again = length == bytes.len() && self.data.get(start..start + length) == Some(bytes);
        if !is_again {
            // A view has 32 bits for each: a batch is full long before.
            if self.data.len() + bytes.len() > u32::MAX as usize {
                self.append_null();
                return 0;
            }
            self.last = (self.data.len(), bytes.len());
            self.data.extend_from_slice(bytes);
        }
        let prefix = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        self.views.push((self.last.0 as u128) << 96 | u128::from(prefix) << 32 | bytes.len() as u128);
        self.nulls.append_non_null();
        if is_again { 0 } else { bytes.len() }
    }

    #[allow(unsafe_code)]
    pub(super) fn finish(&mut self) -> StringViewArray {
        let rows = self.views.len();
        let views = ScalarBuffer::from(std::mem::replace(&mut self.views, Vec::with_capacity(if rows > 1 { rows } else { 0 })));
        let nulls = self.nulls.finish();
        self.last = (0, 0);
        self.words.clear();
        let data = std::mem::take(&mut self.data);
        let buffers = if data.is_empty() { Vec::new() } else { vec![Buffer::from_vec(data)] };
        debug_assert!(StringViewArray::try_new(views.clone(), buffers.clone(), nulls.clone()).is_ok());
        // SAFETY: every view was made from a whole `&str`: inline, or by its place in the one buffer.
        unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }
    }
}

/// The view of a value that it holds by itself.
#[inline]
fn inline_view(bytes: &[u8]) -> u128 {
    let length = bytes.len();
    let text = if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        // They overlap in the same bytes.
        u128::from(u64::from_le_bytes(*head)) | u128::from(u64::from_le_bytes(*tail)) << (8 * (length - 8))
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        u128::from(u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << (8 * (length - 4)))
    } else {
        bytes.iter().rev().fold(0, |text, byte| text << 8 | u128::from(*byte))
    };
    text << 32 | length as u128
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn values_come_back_and_repeated_ones_are_stored_once() {
        let mut column = TextColumn::with_capacity(2);
        let long = "1.2.840.10008.5.1.4.1.1.2";
        assert_eq!((column.append("short"), column.append(long), column.append(long)), (0, long.len(), 0));
        column.append_null();
        column.append("äöüäöüäöüä");
        column.append(long);
        let array = column.finish();
        let values: Vec<_> = array.iter().collect();
        assert_eq!(values, [Some("short"), Some(long), Some(long), None, Some("äöüäöüäöüä"), Some(long)]);
        column.append(long);
        assert_eq!(column.finish().value(0), long);
        assert!(column.finish().is_empty());
    }

    #[test]
    fn short_values_of_every_length_are_in_their_views() {
        let text = "abcdefghijkl";
        let mut column = TextColumn::with_capacity(13);
        (0..=12).for_each(|length| {
            column.append(&text[..length]);
        });
        let array = column.finish();
        (0..=12).for_each(|length| assert_eq!(array.value(length), &text[..length]));
    }

    #[test]
    fn words_and_rows_of_one_value_are_stored_once() {
        let mut column = TextColumn::with_capacity(8);
        let (words, file) = (["SpecificCharacterSet", "PatientBirthDate", "SpecificCharacter"], "file:///study/instance.dcm");
        let taken: usize = words.iter().chain(&words).map(|word| column.append_word(word)).sum();
        assert_eq!(taken, words.iter().map(|word| word.len()).sum::<usize>());
        assert_eq!((column.append_rows(Some(file), 3), column.append_rows(None, 2), column.append_rows(Some("x"), 0)), (file.len(), 0, 0));
        column.append_word("CT");
        column.append_tag(Tag(0x0010_002A));
        let array = column.finish();
        let values: Vec<_> = array.iter().collect();
        let expected = words.iter().chain(&words).map(|word| Some(*word)).chain([
            Some(file),
            Some(file),
            Some(file),
            None,
            None,
            Some("CT"),
            Some("0010002A"),
        ]);
        assert_eq!(values, expected.collect::<Vec<_>>());
        // Words of a batch before are nowhere in the next one.
        column.append_word(words[1]);
        assert_eq!(column.finish().value(0), words[1]);
    }
}
