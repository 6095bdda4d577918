//! JSON without the blanks around its tokens.

use std::ops::Range;

use memchr::memchr2;

/// A string of the text, and what is written in its place: text that needs no escapes.
pub(super) struct Edit {
    pub(super) place: Range<usize>,
    pub(super) text: String,
}

/// Appends `json` without blanks, tabs and line ends outside of strings; every other byte stays as it is.
///
/// The bytes have to be strict JSON ([`crate::json::Parser`] has accepted them); of others the result means nothing.
pub fn compact_into(out: &mut Vec<u8>, json: &[u8]) {
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'"' => string_end(json, at),
            _ => {
                let stops = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'"');
                json[at..].iter().position(stops).map_or(json.len(), |length| at + length)
            }
        };
        out.extend_from_slice(&json[at..end]);
        at = end;
    }
}

/// The same with some strings replaced; the edits are in the order of the text.
pub(super) fn compact_edited(out: &mut Vec<u8>, json: &[u8], edits: &[Edit]) {
    let mut at = 0;
    for edit in edits {
        compact_into(out, &json[at..edit.place.start]);
        out.push(b'"');
        out.extend_from_slice(edit.text.as_bytes());
        out.push(b'"');
        at = edit.place.end;
    }
    compact_into(out, &json[at..]);
}

/// The position after the string whose opening quote is at `start`.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = json.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}
