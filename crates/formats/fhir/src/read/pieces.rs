//! One document in pieces: for those who write a Bundle anew that is larger than memory.
//!
//! It takes what [`Parser`](crate::json::Parser) takes: one value, with nothing but blanks around it. What is wrong between the pieces is
//! found here; whether an entry is JSON is for whoever parses it.

use super::{
    layout::BYTE_ORDER_MARK,
    skeleton::{BadTail, Skeleton},
    split::{Fault, Splitter, Unit},
};
use crate::json::{JsonError, JsonErrorKind, Limits};

/// A stretch of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'p> {
    /// A value that is no Bundle with entries: the whole document.
    Whole(&'p [u8]),
    /// A Bundle from its brace to the bracket of `entry`. It was checked together with what follows the entries only when the tail is there.
    Head(&'p [u8]),
    /// One element of `entry`, not yet parsed.
    Entry(&'p [u8]),
    /// A Bundle from behind the bracket that ends `entry` to its brace.
    Tail(&'p [u8]),
}

/// How far a document has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Inside,
    Ended,
}

/// Cuts one document into pieces, in the memory of the largest of them. Push bytes, then take pieces until there is none.
///
/// ```
/// use sutura_fhir::{json::Limits, read::{Piece, Pieces}};
///
/// let mut pieces = Pieces::new(Limits::default());
/// pieces.push(br#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Basic"}}],"total":1}"#)?;
/// let mut kinds = Vec::new();
/// while let Some(piece) = pieces.next_piece(true)? {
///     kinds.push(matches!(piece, Piece::Entry(_)));
/// }
/// assert_eq!(kinds, [false, true, false]);
/// # Ok::<(), sutura_fhir::json::JsonError>(())
/// ```
#[derive(Debug)]
pub struct Pieces {
    splitter: Splitter,
    skeleton: Skeleton,
    state: State,
    /// Bytes before the first one of the splitter's: blanks, and a byte order mark.
    beginning: Vec<u8>,
    begun: bool,
}

impl Pieces {
    /// For a document each piece of which is within the limits.
    pub fn new(limits: Limits) -> Self {
        let splitter = Splitter::of_document(limits.bytes.min(Limits::MOST_BYTES));
        Self { splitter, skeleton: Skeleton::new(limits), state: State::Before, beginning: Vec::new(), begun: false }
    }

    /// Takes bytes. Pieces that were given out before are void.
    ///
    /// # Errors
    /// When the document does not begin with an object, or bytes follow its end.
    pub fn push(&mut self, block: &[u8]) -> Result<(), JsonError> {
        if self.state == State::Ended {
            return only_blanks(block);
        }
        if self.begun {
            self.splitter.push(block);
            return Ok(());
        }
        self.beginning.extend_from_slice(block);
        if self.beginning.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.beginning) {
            return Ok(());
        }
        if self.beginning.starts_with(BYTE_ORDER_MARK) {
            self.beginning.drain(..BYTE_ORDER_MARK.len());
        }
        let blanks = self.beginning.iter().take_while(|byte| is_blank(**byte)).count();
        match self.beginning.get(blanks) {
            // Of blanks nothing is kept but that there was no mark.
            None => self.beginning.truncate(1),
            Some(b'{') => {
                let beginning = std::mem::take(&mut self.beginning);
                self.splitter.push(&beginning[blanks..]);
                self.begun = true;
            }
            Some(_) => return Err(JsonError { offset: blanks, kind: JsonErrorKind::UnexpectedByte }),
        }
        Ok(())
    }

    /// The next piece; `None` when more bytes are needed (or, at the end, when the document is over).
    ///
    /// # Errors
    /// When the bytes are no strict JSON between the pieces, or a piece exceeds the limits.
    pub fn next_piece(&mut self, at_end: bool) -> Result<Option<Piece<'_>>, JsonError> {
        let (range, kind): (_, fn(&[u8]) -> Piece<'_>) = loop {
            let unit = self.splitter.next_unit(at_end);
            let failed = |kind, at: usize, splitter: &Splitter| JsonError { offset: splitter.offset_of(at) as usize, kind };
            match (unit, self.state) {
                (None, State::Ended) => return Ok(None),
                (None, _) if at_end => return Err(failed(JsonErrorKind::Unterminated, self.splitter.bytes().len(), &self.splitter)),
                (None, _) => return Ok(None),
                (Some(Unit::Envelope(_)), _) => {}
                (Some(Unit::Oversized { offset, .. }), _) => {
                    return Err(JsonError { offset: offset as usize, kind: JsonErrorKind::TooLarge });
                }
                (Some(Unit::Value(range)), State::Before) => {
                    self.ends(range.end)?;
                    break (range, |bytes| Piece::Whole(bytes));
                }
                (Some(Unit::Head(range, None)), State::Before) => {
                    self.skeleton.head(&self.splitter.bytes()[range.clone()])?;
                    self.state = State::Inside;
                    break (range, |bytes| Piece::Head(bytes));
                }
                (Some(Unit::Entry(range)), State::Inside) => break (range, |bytes| Piece::Entry(bytes)),
                // A number, a truth value or null is a value as well, if it is one.
                (Some(Unit::Misplaced(range, Fault::NoValue)), State::Inside) if !self.splitter.comma_missing() => {
                    break (range, |bytes| Piece::Entry(bytes));
                }
                (Some(Unit::Tail(range)), State::Inside) => {
                    let start = self.splitter.offset_of(range.start) as usize;
                    self.skeleton.tail(&self.splitter.bytes()[range.clone()]).map_err(|bad| match bad {
                        BadTail::Json(error) => JsonError { offset: start + error.offset, ..error },
                        // An object whose first entry looks like one of a Bundle, and that is another resource.
                        BadTail::NoBundle => JsonError { offset: start, kind: JsonErrorKind::UnexpectedByte },
                    })?;
                    self.ends(range.end)?;
                    break (range, |bytes| Piece::Tail(bytes));
                }
                (Some(Unit::Misplaced(range, _) | Unit::Head(range, Some(_))), _) => {
                    return Err(failed(JsonErrorKind::UnexpectedByte, range.start, &self.splitter));
                }
                (Some(Unit::Value(range) | Unit::Head(range, _) | Unit::Entry(range) | Unit::Tail(range)), _) => {
                    return Err(failed(JsonErrorKind::TrailingBytes, range.start, &self.splitter));
                }
                // A document of JSON has no lines, and is none of XML.
                (Some(Unit::Line(range) | Unit::Xml(range)), _) => {
                    return Err(failed(JsonErrorKind::UnexpectedByte, range.start, &self.splitter));
                }
            }
        };
        Ok(Some(kind(&self.splitter.bytes()[range])))
    }

    /// The document ends at a position; nothing but blanks may follow.
    fn ends(&mut self, at: usize) -> Result<(), JsonError> {
        self.state = State::Ended;
        only_blanks(&self.splitter.bytes()[at..])
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn only_blanks(bytes: &[u8]) -> Result<(), JsonError> {
    match bytes.iter().position(|byte| !is_blank(*byte)) {
        Some(offset) => Err(JsonError { offset, kind: JsonErrorKind::TrailingBytes }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a text that is pushed in blocks of a size.
    fn pieces_of(text: &str, size: usize) -> Result<Vec<String>, JsonErrorKind> {
        let mut pieces = Pieces::new(Limits::default());
        let mut found = Vec::new();
        let mut take = |pieces: &mut Pieces, at_end| {
            while let Some(piece) = pieces.next_piece(at_end).map_err(|error| error.kind)? {
                let (kind, bytes) = match piece {
                    Piece::Whole(bytes) => ("whole", bytes),
                    Piece::Head(bytes) => ("head", bytes),
                    Piece::Entry(bytes) => ("entry", bytes),
                    Piece::Tail(bytes) => ("tail", bytes),
                };
                found.push(format!("{kind} {}", String::from_utf8_lossy(bytes)));
            }
            Ok(())
        };
        for block in text.as_bytes().chunks(size) {
            pieces.push(block).map_err(|error| error.kind)?;
            take(&mut pieces, false)?;
        }
        take(&mut pieces, true)?;
        Ok(found)
    }

    #[test]
    fn a_bundle_comes_in_pieces_however_it_is_cut() {
        let text = "\u{feff} {\"resourceType\":\"Bundle\",\"entry\": [ {\"a\":\"]}\"} ,{} ] , \"total\":2}\n ";
        for size in [1, 2, 3, 7, 1000] {
            let found = pieces_of(text, size).unwrap();
            assert_eq!(
                found,
                ["head {\"resourceType\":\"Bundle\",\"entry\": [", "entry {\"a\":\"]}\"}", "entry {}", "tail  , \"total\":2}"],
                "{size}"
            );
            assert_eq!(
                pieces_of("{\"resourceType\":\"List\",\"entry\":[{}]}", size).unwrap(),
                ["whole {\"resourceType\":\"List\",\"entry\":[{}]}"]
            );
            assert_eq!(pieces_of("{\"resourceType\":\"Bundle\",\"entry\":[]}", size).unwrap().len(), 2);
        }
    }

    #[test]
    fn what_is_no_document_is_an_error() {
        for size in [1, 3, 1000] {
            for (text, kind) in [
                ("", JsonErrorKind::Unterminated),
                (" \n", JsonErrorKind::Unterminated),
                ("[{}]", JsonErrorKind::UnexpectedByte),
                ("x", JsonErrorKind::UnexpectedByte),
                ("{} {}", JsonErrorKind::TrailingBytes),
                ("{}[]", JsonErrorKind::TrailingBytes),
                ("{\"resourceType\":\"Bundle\",\"entry\":[{}]} []", JsonErrorKind::TrailingBytes),
                ("{\"resourceType\":\"Bundle\",\"entry\":[{},]}", JsonErrorKind::UnexpectedByte),
                ("{\"resourceType\":\"Bundle\",\"entry\":[{}{}]}", JsonErrorKind::UnexpectedByte),
                ("{\"resourceType\":\"Bundle\",\"entry\":[{}1]}", JsonErrorKind::UnexpectedByte),
                ("{\"resourceType\":\"Bundle\",\"entry\":[{}", JsonErrorKind::Unterminated),
                ("{\"resourceType\":\"Bundle\",\"entry\":[{}]", JsonErrorKind::Unterminated),
                ("{\"resourceType\":\"Bundle\",\"entry\":[{}],\"entry\":[]}", JsonErrorKind::DuplicateKey),
            ] {
                assert_eq!(pieces_of(text, size), Err(kind), "{text} {size}");
            }
        }
    }

    #[test]
    fn a_resource_that_is_cut_is_for_the_parser() {
        for size in [1, 3, 1000] {
            assert_eq!(pieces_of("{\"a\":", size), Ok(vec!["whole {\"a\":".to_owned()]));
        }
    }

    #[test]
    fn a_piece_is_within_the_limits() {
        let mut pieces = Pieces::new(Limits { bytes: 64, ..Limits::default() });
        pieces.push(b"{\"resourceType\":\"Bundle\",\"entry\":[").unwrap();
        assert!(matches!(pieces.next_piece(false), Ok(Some(Piece::Head(_)))));
        let mut refused = None;
        for _ in 0..100 {
            pieces.push(b"{\"a\":\"0123456789\"},").unwrap();
            while let Some(piece) = pieces.next_piece(false).unwrap() {
                assert!(matches!(piece, Piece::Entry(_)));
            }
        }
        pieces.push(b"{\"a\":\"").unwrap();
        for _ in 0..100 {
            if let Err(error) = pieces.push(b"0123456789").and_then(|()| pieces.next_piece(false).map(|_| ())) {
                refused = Some(error.kind);
                break;
            }
        }
        pieces.push(b"\"}").unwrap();
        refused = refused.or_else(|| pieces.next_piece(false).err().map(|error| error.kind));
        assert_eq!(refused, Some(JsonErrorKind::TooLarge));
    }
}
