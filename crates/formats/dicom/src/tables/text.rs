//! A growing column of text.

use arrow::{
    array::{NullBufferBuilder, StringViewArray},
    buffer::{Buffer, ScalarBuffer},
};

/// The longest text that a view holds by itself.
const INLINE: usize = 12;

/// A text column. A value that goes on from row to row (the instance's UID) is stored once. All long values of a batch lie in one buffer.
#[derive(Debug)]
pub(super) struct TextColumn {
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    data: Vec<u8>,
    /// Where the last long value is.
    last: (usize, usize),
}

impl TextColumn {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self { views: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows), data: Vec::new(), last: (0, 0) }
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
            let mut view = [0; 16];
            view[4..4 + bytes.len()].copy_from_slice(bytes);
            self.views.push(u128::from_le_bytes(view) | bytes.len() as u128);
            self.nulls.append_non_null();
            return 0;
        }
        self.append_long(bytes)
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
        let data = std::mem::take(&mut self.data);
        let buffers = if data.is_empty() { Vec::new() } else { vec![Buffer::from_vec(data)] };
        debug_assert!(StringViewArray::try_new(views.clone(), buffers.clone(), nulls.clone()).is_ok());
        // SAFETY: every view was made from a whole `&str`: inline, or by its place in the one buffer.
        unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }
    }
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
}
