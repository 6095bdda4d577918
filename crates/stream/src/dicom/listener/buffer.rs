//! Memory that one instance after another is received into.
//!
//! It is aligned and padded as writing past the system's page cache needs it, is used again, and is lent to the reader of data sets without a copy.

/// Alignment and granularity of direct writes; no disk has more.
pub(super) const BLOCK: usize = 4096;

/// Bytes that grow at their end.
pub(super) struct Buffer {
    memory: Vec<u8>,
    /// Where the aligned part begins.
    begin: usize,
    length: usize,
}

impl Buffer {
    pub(super) fn with_room(room: usize) -> Self {
        let memory = vec![0; room.next_multiple_of(BLOCK) + BLOCK];
        let begin = memory.as_ptr().align_offset(BLOCK).min(BLOCK);
        Self { memory, begin, length: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Bytes that it could hold without growing.
    pub(super) fn room(&self) -> usize {
        self.memory.len() - BLOCK
    }

    /// Room behind the end: what there is, or if that is less than a block, twice as much memory, but not more than `most` bytes in all.
    pub(super) fn spare(&mut self, most: usize) -> &mut [u8] {
        if self.room() - self.length < BLOCK && self.room() < most {
            let mut larger = Self::with_room((2 * self.room()).min(most));
            larger.push(self.as_ref());
            *self = larger;
        }
        let end = (self.begin + self.room()).min(self.begin + most);
        self.memory.get_mut(self.begin + self.length..end).unwrap_or_default()
    }

    /// Takes so many bytes of the room as written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.length = (self.length + bytes).min(self.room());
    }

    /// Copies bytes that fit.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let begin = self.begin + self.length;
        self.memory[begin..begin + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// The bytes and zeros up to the end of their last block.
    pub(super) fn padded(&mut self) -> &[u8] {
        let (end, padded) = (self.begin + self.length, self.begin + self.length.next_multiple_of(BLOCK));
        self.memory[end..padded].fill(0);
        &self.memory[self.begin..padded]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.begin..self.begin + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_is_aligned() {
        let mut buffer = Buffer::with_room(10_000);
        let mut expected = Vec::new();
        for round in 0..200u8 {
            let spare = buffer.spare(1 << 20);
            let now = spare.len().min(777);
            assert!(now > 0);
            spare[..now].fill(round);
            expected.extend(std::iter::repeat_n(round, now));
            buffer.advance(now);
        }
        assert_eq!(buffer.as_ref(), expected);
        let padded = buffer.padded();
        assert_eq!((padded.len() % BLOCK, padded.as_ptr().align_offset(BLOCK)), (0, 0));
        assert!(padded[expected.len()..].iter().all(|byte| *byte == 0) && padded.len() - expected.len() < BLOCK);
    }

    #[test]
    fn it_ends_where_it_may() {
        let mut buffer = Buffer::with_room(BLOCK);
        while !buffer.spare(3 * BLOCK).is_empty() {
            let now = buffer.spare(3 * BLOCK).len();
            buffer.advance(now);
        }
        assert_eq!(buffer.len(), 3 * BLOCK);
    }
}
