//! Texts larger than memory: read, scrubbed and written block by block.

use std::io::{Read, Write};

use super::{
    KnownPatient, Replacements, Scrubber, Span, TextError,
    learned::Learned,
    scan::{Scratch, scan_block},
};

/// Text given to the rules at once. Names stated in one block are found in the blocks after it.
pub(crate) const BLOCK: usize = 256 * 1024;
/// Text before and after a block that the rules see with it.
const MARGIN: usize = 1024;

impl Scrubber {
    /// The spans of a text of any length, block by block.
    pub(crate) fn rule_spans(&self, text: &str, known: Option<&KnownPatient>, model: &[Span], out: &mut Vec<Span>) {
        self.rule_spans_in(BLOCK, text, known, model, out);
    }

    fn rule_spans_in(&self, size: usize, text: &str, known: Option<&KnownPatient>, model: &[Span], out: &mut Vec<Span>) {
        let mut learned = Learned::default();
        let mut scratch = Scratch::default();
        let mut start = 0;
        let mut model_at = 0;
        while start < text.len() {
            let end = block_end(text, start, size);
            let from = char_floor(text, start.saturating_sub(MARGIN));
            let to = char_floor(text, (end + MARGIN).min(text.len()));
            let from = if start == 0 { 0 } else { from };
            while model.get(model_at).is_some_and(|span| span.end <= from) {
                model_at += 1;
            }
            let extra: Vec<Span> = model[model_at..]
                .iter()
                .take_while(|span| span.start < to)
                .filter(|span| span.start >= from && span.end <= to)
                .map(|span| Span { start: span.start - from, end: span.end - from, ..*span })
                .collect();
            let found = scan_block(&text[from..to], &self.rules().0, known, &mut learned, &mut scratch, self.classes(), &extra);
            let done = out.last().map_or(0, |span| span.end);
            for span in found {
                let (span_start, span_end) = (from + span.start as usize, from + span.end as usize);
                // A span belongs to the block in which it starts.
                if let Some(class) = span.class.filter(|_| (start..end).contains(&span_start) && span_start >= done) {
                    out.push(Span { start: span_start, end: span_end, class, rule: span.rule, score: span.score });
                }
            }
            start = end;
        }
    }

    /// Reads text, replaces what identifies, writes it: documents of any size in the memory of a few blocks. Bytes that are no UTF-8
    /// become U+FFFD. Returns how many spans were replaced.
    ///
    /// The spans are those of [`Scrubber::spans`]; a model sees a block at a time. A name that the text states plainly only after it was
    /// used bare is found from there on, not before, where blocks part it: give a [`KnownPatient`] where the patient is known.
    ///
    /// # Errors
    /// When reading, writing or the model fails.
    pub fn scrub(
        &self,
        input: impl Read,
        known: Option<&KnownPatient>,
        replacements: &Replacements,
        output: impl Write,
    ) -> Result<u64, TextError> {
        self.scrub_in(BLOCK, input, known, replacements, output)
    }

    fn scrub_in(
        &self,
        size: usize,
        mut input: impl Read,
        known: Option<&KnownPatient>,
        replacements: &Replacements,
        mut output: impl Write,
    ) -> Result<u64, TextError> {
        let mut learned = Learned::default();
        let mut scratch = Scratch::default();
        // Text from a margin before the block that begins at `start`; up to `written` it is written.
        let mut pending = String::new();
        let (mut start, mut written) = (0, 0);
        let mut bytes = Vec::with_capacity(BLOCK);
        let mut ended = false;
        let mut spans = Vec::new();
        let mut out = String::new();
        let mut count = 0u64;
        loop {
            while !ended && pending.len() < start + size + MARGIN {
                ended = fill(&mut input, &mut bytes, &mut pending)?;
            }
            if pending.len() == start {
                break;
            }
            let end = block_end(&pending, start, size);
            let to = char_floor(&pending, (end + MARGIN).min(pending.len()));
            let window = &pending[..to];
            let mut extra = Vec::new();
            self.model_spans(window, &mut extra)?;
            let found = scan_block(window, &self.rules().0, known, &mut learned, &mut scratch, self.classes(), &extra);
            spans.clear();
            let mut last = end.max(written);
            for span in found {
                let (span_start, span_end) = (span.start as usize, span.end as usize);
                // As above: a span belongs to the block in which it starts.
                if let Some(class) = span.class.filter(|_| (start..end).contains(&span_start) && span_start >= written) {
                    last = last.max(span_end);
                    spans.push(Span { start: span_start - written, end: span_end - written, class, rule: span.rule, score: span.score });
                }
            }
            out.clear();
            self.replace(&pending[written..last], &spans, replacements, &mut out);
            output.write_all(out.as_bytes())?;
            count += spans.len() as u64;
            let keep = char_floor(&pending, end.saturating_sub(MARGIN));
            pending.drain(..keep);
            (start, written) = (end - keep, last - keep);
        }
        output.flush()?;
        Ok(count)
    }
}

/// Reads one block more. Returns whether the input has ended.
fn fill(input: &mut impl Read, bytes: &mut Vec<u8>, pending: &mut String) -> Result<bool, TextError> {
    let kept = bytes.len();
    bytes.resize(kept + BLOCK, 0);
    let read = loop {
        match input.read(&mut bytes[kept..]) {
            Ok(read) => break read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    };
    bytes.truncate(kept + read);
    let mut rest = bytes.as_slice();
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                pending.push_str(text);
                rest = &[];
                break;
            }
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                pending.push_str(&String::from_utf8_lossy(good));
                match error.error_len() {
                    Some(length) => {
                        pending.push(char::REPLACEMENT_CHARACTER);
                        rest = &bad[length..];
                    }
                    // A character cut by the end of the read waits for the next one.
                    None if read > 0 => {
                        rest = bad;
                        break;
                    }
                    None => {
                        pending.push(char::REPLACEMENT_CHARACTER);
                        rest = &[];
                        break;
                    }
                }
            }
        }
    }
    let waiting = rest.to_vec();
    *bytes = waiting;
    Ok(read == 0)
}

/// Where a block that starts at `start` ends: after a line if one ends in its last quarter, else after a blank, else at a
/// character.
fn block_end(text: &str, start: usize, size: usize) -> usize {
    if text.len() - start <= size {
        return text.len();
    }
    let limit = char_floor(text, start + size);
    let earliest = char_floor(text, start + size - size / 4);
    let tail = &text.as_bytes()[earliest..limit];
    let place = tail.iter().rposition(|byte| *byte == b'\n').or_else(|| tail.iter().rposition(|byte| *byte == b' '));
    place.map_or(limit, |place| earliest + place + 1)
}

fn char_floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::text::{Replacement, Rules};

    static SCRUBBER: LazyLock<Scrubber> = LazyLock::new(|| Scrubber::new(Rules::builtin(&["en"]).unwrap()));

    /// Pieces of notes, of which some are found only with what stands around them.
    const PIECES: [&str; 12] = [
        "Dr. Kim ",
        "MRN: 257475 ",
        "03/14/2018",
        " seen by ",
        "Rhonda Shea",
        ", ",
        "\n",
        "St. Mary's Hospital ",
        "(617) 555-0100",
        "caf\u{e9} ",
        "x",
        " Signed: ",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn blocks_of_any_size_give_the_spans_of_the_whole(pieces in proptest::collection::vec(0..PIECES.len(), 0..400), size in 16usize..500) {
            let text: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
            let scrubber = &*SCRUBBER;
            let mut known = KnownPatient::new();
            known.add_name("Rhonda Shea");
            let mut spans = Vec::new();
            scrubber.rule_spans_in(size, &text, Some(&known), &[], &mut spans);
            let tags = Replacements::all(Replacement::Tag);
            let (mut whole, mut streamed) = (String::new(), Vec::new());
            scrubber.replace(&text, &spans, &tags, &mut whole);
            scrubber.scrub_in(size, text.as_bytes(), Some(&known), &tags, &mut streamed).unwrap();
            prop_assert_eq!(String::from_utf8(streamed).unwrap(), whole);
        }
    }
}
