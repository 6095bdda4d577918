//! UTF-16 sources: a streaming transcoder to UTF-8.
//!
//! A file or connection in UTF-16 is transcoded as a whole before it is read; record offsets then
//! count bytes of the UTF-8 text. Surrogates that do not pair are reported, and kept as private
//! characters (U+100000 and the surrogate's number), so that two different inputs never become one.

/// Byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// Low byte first.
    Little,
    /// High byte first.
    Big,
}

/// Something in the input that is no UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utf16Issue {
    /// Byte offset in the UTF-16 input, counted from the first pushed byte.
    pub offset: u64,
    /// What it is.
    pub kind: Utf16IssueKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf16IssueKind {
    /// A surrogate without its other half.
    LoneSurrogate,
    /// A single byte at the end.
    OddByte,
}

/// At most this many issues are kept; all are counted.
pub const MAX_ISSUES: usize = 100;
const PRIVATE: u32 = 0x10_0000;

/// UTF-16 bytes in, UTF-8 bytes out; blocks may be cut anywhere. The output of every push is whole
/// characters. Memory does not grow with the input.
#[derive(Debug, Clone)]
pub struct Utf16Transcoder {
    endian: Endian,
    odd: Option<u8>,
    high: Option<u16>,
    offset: u64,
    issues: Vec<Utf16Issue>,
    issue_count: u64,
}

impl Utf16Transcoder {
    /// For a known byte order. The byte order mark is not part of what is pushed.
    pub fn new(endian: Endian) -> Self {
        Self { endian, odd: None, high: None, offset: 0, issues: Vec::new(), issue_count: 0 }
    }

    /// Looks at the first bytes of a source: the byte order and the length of the byte order mark (0
    /// when there is none but the text begins with `MSH`, `FHS` or `BHS` in UTF-16). `None` for
    /// everything else; five bytes are enough to know.
    pub fn detect(start: &[u8]) -> Option<(Endian, usize)> {
        match start {
            // The mark of UTF-32LE begins like this one.
            [0xFF, 0xFE, 0, 0, ..] => None,
            [0xFF, 0xFE, ..] => Some((Endian::Little, 2)),
            [0xFE, 0xFF, ..] => Some((Endian::Big, 2)),
            [b'M', 0, b'S', 0, b'H', ..] | [b'F' | b'B', 0, b'H', 0, b'S', ..] => Some((Endian::Little, 0)),
            [0, b'M', 0, b'S', 0, ..] | [0, b'F' | b'B', 0, b'H', 0, ..] => Some((Endian::Big, 0)),
            _ => None,
        }
    }

    /// Transcodes a block and appends it to `out`.
    pub fn push(&mut self, block: &[u8], out: &mut Vec<u8>) {
        out.reserve(block.len() / 2 + 8);
        let mut rest = block;
        if let (Some(first), Some((&second, after))) = (self.odd, rest.split_first()) {
            self.odd = None;
            self.unit([first, second], out);
            rest = after;
        }
        let (pairs, odd) = rest.as_chunks::<2>();
        for &pair in pairs {
            self.unit(pair, out);
        }
        if let [byte] = odd {
            self.odd = Some(*byte);
        }
    }

    /// Ends the input.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(high) = self.high.take() {
            self.lone(high, self.offset - 2, out);
        }
        if let Some(byte) = self.odd.take() {
            self.issue(self.offset, Utf16IssueKind::OddByte);
            push_char(PRIVATE + 0x800 + u32::from(byte), out);
            self.offset += 1;
        }
    }

    /// The first [`MAX_ISSUES`] issues.
    pub fn issues(&self) -> &[Utf16Issue] {
        &self.issues
    }

    /// How many issues there were.
    pub fn issue_count(&self) -> u64 {
        self.issue_count
    }

    #[inline]
    fn unit(&mut self, pair: [u8; 2], out: &mut Vec<u8>) {
        let unit = match self.endian {
            Endian::Little => u16::from_le_bytes(pair),
            Endian::Big => u16::from_be_bytes(pair),
        };
        let offset = self.offset;
        self.offset += 2;
        if let Some(high) = self.high.take() {
            if matches!(unit, 0xDC00..=0xDFFF) {
                push_char(0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(unit) - 0xDC00), out);
                return;
            }
            self.lone(high, offset - 2, out);
        }
        match unit {
            0..=0x7F => out.push(unit as u8),
            0xD800..=0xDBFF => self.high = Some(unit),
            0xDC00..=0xDFFF => self.lone(unit, offset, out),
            _ => push_char(u32::from(unit), out),
        }
    }

    fn lone(&mut self, surrogate: u16, offset: u64, out: &mut Vec<u8>) {
        self.issue(offset, Utf16IssueKind::LoneSurrogate);
        push_char(PRIVATE + u32::from(surrogate) - 0xD800, out);
    }

    fn issue(&mut self, offset: u64, kind: Utf16IssueKind) {
        self.issue_count += 1;
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(Utf16Issue { offset, kind });
        }
    }
}

fn push_char(code: u32, out: &mut Vec<u8>) {
    let mut form = [0; 4];
    if let Some(c) = char::from_u32(code) {
        out.extend_from_slice(c.encode_utf8(&mut form).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn transcode(blocks: &[&[u8]], endian: Endian) -> (Vec<u8>, Vec<Utf16Issue>) {
        let (mut transcoder, mut out) = (Utf16Transcoder::new(endian), Vec::new());
        for block in blocks {
            transcoder.push(block, &mut out);
        }
        transcoder.finish(&mut out);
        (out, transcoder.issues().to_vec())
    }

    #[test]
    fn lone_surrogates_and_odd_bytes_are_reported() {
        let (out, issues) = transcode(&[&[b'a', 0, 0x00, 0xD8, b'b', 0, 0x01, 0xDC, 0x02, 0xD8, 7]], Endian::Little);
        assert_eq!(String::from_utf8(out).unwrap(), "a\u{100000}b\u{100401}\u{100002}\u{100807}");
        let lone = Utf16IssueKind::LoneSurrogate;
        let expected = [(2, lone), (6, lone), (8, lone), (10, Utf16IssueKind::OddByte)];
        assert_eq!(issues.iter().map(|issue| (issue.offset, issue.kind)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn byte_order_is_seen() {
        assert_eq!(Utf16Transcoder::detect(b"\xFF\xFEM\0S"), Some((Endian::Little, 2)));
        assert_eq!(Utf16Transcoder::detect(b"\xFE\xFF\0M\0"), Some((Endian::Big, 2)));
        assert_eq!(Utf16Transcoder::detect(b"M\0S\0H\0"), Some((Endian::Little, 0)));
        assert_eq!(Utf16Transcoder::detect(b"\0B\0H\0S"), Some((Endian::Big, 0)));
        for other in [&b""[..], b"MSH|^", b"\xFF", b"\xEF\xBB\xBFMSH", b"\xFF\xFE\0\0"] {
            assert_eq!(Utf16Transcoder::detect(other), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_in_any_blocks(text in any::<String>(), big in any::<bool>(), cut in any::<prop::sample::Index>()) {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            let (out, issues) = transcode(&[head, tail], if big { Endian::Big } else { Endian::Little });
            prop_assert_eq!(out, text.into_bytes());
            prop_assert!(issues.is_empty());
        }

        #[test]
        fn any_bytes_become_utf8_the_same_way_in_any_blocks(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in any::<prop::sample::Index>()) {
            let (whole, issues) = transcode(&[&bytes], Endian::Little);
            prop_assert!(std::str::from_utf8(&whole).is_ok());
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(transcode(&[head, tail], Endian::Little), (whole, issues));
        }
    }
}
