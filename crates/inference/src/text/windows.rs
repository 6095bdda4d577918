//! Where long texts are cut: into chunks for the tokenizer, and windows of tokens for the model.

use std::ops::Range;

/// Text that is cut into tokens at once.
const CHUNK: usize = 32 * 1024;
/// Text before and after a chunk that the model sees with it.
const MARGIN: usize = 512;

/// A chunk of a text: `core` is its own, `seen` is what the model sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) core: Range<usize>,
    pub(crate) seen: Range<usize>,
}

/// The chunks of a text: cores follow each other without gaps, and end after a line or a blank where there is one.
pub(crate) fn chunks(text: &str) -> impl Iterator<Item = Chunk> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= text.len() {
            return None;
        }
        let end = blank_before(text, start + CHUNK, start + CHUNK - CHUNK / 4);
        let seen =
            blank_before(text, start.saturating_sub(MARGIN), start.saturating_sub(2 * MARGIN))..blank_before(text, end + MARGIN, end);
        let core = start..end;
        start = end;
        Some(Chunk { core, seen })
    })
}

/// The end of the last line that ends between `earliest` and `at`, or of the last word, or the last character.
fn blank_before(text: &str, at: usize, earliest: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    let at = floor(text, at);
    let earliest = floor(text, earliest.min(at));
    let bytes = &text.as_bytes()[earliest..at];
    let place = bytes.iter().rposition(|byte| *byte == b'\n').or_else(|| bytes.iter().rposition(u8::is_ascii_whitespace));
    place.map_or(at, |place| earliest + place + 1)
}

/// The start of the character that a byte belongs to.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The end of the character that the byte before belongs to.
pub(crate) fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// A window of tokens: the model sees `seen`, and what it says of `own` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) seen: Range<usize>,
    pub(crate) own: Range<usize>,
}

/// Windows of at most `size` tokens over `count`, which overlap by a quarter. A token counts in the window where it has more around it.
pub(crate) fn windows(count: usize, size: usize) -> impl Iterator<Item = Window> {
    let size = size.max(1);
    let step = (size - size / 4).max(1);
    let mut start = 0;
    let mut own_start = 0;
    let mut ended = count == 0;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let end = count.min(start + size);
        ended = end == count;
        // The next window begins at `start + step`; the middle of what both see divides them.
        let own_end = if ended { end } else { start + step + (end - start - step) / 2 };
        let window = Window { seen: start..end, own: own_start..own_end };
        // The last window is as long as the others, so that its tokens have something before them.
        start = (start + step).min(count.saturating_sub(size));
        own_start = own_end;
        Some(window)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_one_chunk_and_one_window() {
        assert_eq!(chunks("a short text").collect::<Vec<_>>(), [Chunk { core: 0..12, seen: 0..12 }]);
        assert_eq!(chunks("").count(), 0);
        assert_eq!(windows(5, 8).collect::<Vec<_>>(), [Window { seen: 0..5, own: 0..5 }]);
        assert_eq!(windows(0, 8).count(), 0);
        let of_ten: Vec<_> = windows(10, 8).collect();
        assert_eq!(of_ten, [Window { seen: 0..8, own: 0..7 }, Window { seen: 2..10, own: 7..10 }]);
    }

    proptest! {
        #[test]
        fn every_token_counts_once(count in 0usize..3000, size in 1usize..600) {
            let mut next = 0;
            for window in windows(count, size) {
                prop_assert_eq!(window.own.start, next);
                prop_assert!(window.own.end > window.own.start);
                prop_assert!(window.seen.start <= window.own.start && window.own.end <= window.seen.end);
                prop_assert!(window.seen.len() <= size && window.seen.end <= count);
                next = window.own.end;
            }
            prop_assert_eq!(next, count);
        }

        #[test]
        fn every_byte_is_in_one_core(words in prop::collection::vec("[a-zé\u{4e00} \n]{0,40}", 0..40), times in 1usize..200) {
            let text = words.concat().repeat(times);
            let mut next = 0;
            for chunk in chunks(&text) {
                prop_assert_eq!(chunk.core.start, next);
                prop_assert!(!chunk.core.is_empty() && chunk.core.len() <= CHUNK);
                prop_assert!(chunk.seen.start <= chunk.core.start && chunk.core.end <= chunk.seen.end);
                prop_assert!(chunk.seen.len() <= CHUNK + 3 * MARGIN);
                prop_assert!(text.get(chunk.seen.clone()).is_some() && text.get(chunk.core.clone()).is_some());
                next = chunk.core.end;
            }
            prop_assert_eq!(next, text.len());
        }
    }
}
