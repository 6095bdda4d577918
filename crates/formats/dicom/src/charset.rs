//! Character sets: Specific Character Set (0008,0005), with and without code extensions (PS3.5 section 6.1, PS3.3 C.12.1.1.2).
//!
//! Text is a row of runs. Seven-bit bytes belong to the set designated to G0, eight-bit ones to that of G1. Escape sequences designate another
//! set, to the end of the line or the value. JIS X 0201 Roman is read as ASCII, as Japanese senders use it: its yen sign is the backslash
//! between values.

use std::borrow::Cow;

use encoding_rs::{self as rs, Encoding};
use memchr::memchr;

const ESC: u8 = 0x1B;

/// How the bytes of a text are read before any escape sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Initial {
    /// ISO 646, what is read without Specific Character Set.
    Ascii,
    /// JIS X 0201: katakana in the upper half.
    Katakana,
    Single(&'static Encoding),
    Utf8,
    /// GB 18030 or GBK: without code extensions.
    Gb18030,
}

/// What Specific Character Set says of the texts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharacterSet {
    initial: Initial,
    is_declared: bool,
    is_known: bool,
}

impl Default for CharacterSet {
    /// The default repertoire: ASCII.
    fn default() -> Self {
        Self { initial: Initial::Ascii, is_declared: false, is_known: true }
    }
}

/// How a text could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// As declared.
    Good,
    /// Not ASCII, and no character set is declared that explains it; it is valid UTF-8 and read as that.
    TakenForUtf8,
    /// Not ASCII, and no character set is declared that explains it; read as Windows-1252.
    TakenForLatin1,
    /// Some bytes have no character in the set declared; they are U+FFFD.
    Damaged,
}

impl CharacterSet {
    /// Reads the value of Specific Character Set. What it does not know is read as undeclared.
    pub fn parse(value: &[u8]) -> Self {
        let mut terms = value.split(|byte| *byte == b'\\').map(trim);
        let first = terms.next().unwrap_or_default();
        let (initial, mut is_known) = match first {
            b"" => (Initial::Ascii, true),
            term => initial(term).map_or((Initial::Ascii, false), |initial| (initial, true)),
        };
        let mut is_declared = !first.is_empty() && !matches!(initial, Initial::Ascii);
        for term in terms {
            is_declared = true;
            is_known &= term.is_empty() || initial_known(term);
        }
        Self { initial, is_declared, is_known }
    }

    /// Whether every term is one of the standard.
    pub fn is_known(self) -> bool {
        self.is_known
    }

    /// Text of a value. `is_name`: whether it is a person's name, whose components end shifts. Never fails; what it had to make up is in [`Quality`].
    pub fn decode(self, bytes: &[u8], is_name: bool) -> (Cow<'_, str>, Quality) {
        // Without a branch for each byte: nearly every value is short and plain.
        let is_plain = bytes.iter().fold(0, |odd, byte| odd | (byte & 0x80) | u8::from(*byte == ESC)) == 0;
        if is_plain {
            return (Cow::Borrowed(ascii(bytes)), Quality::Good);
        }
        let has_escape = memchr(ESC, bytes).is_some();
        match self.initial {
            Initial::Utf8 => match std::str::from_utf8(bytes) {
                Ok(text) => (Cow::Borrowed(text), Quality::Good),
                Err(_) => undeclared(bytes, Quality::Damaged),
            },
            Initial::Gb18030 => {
                let (text, damaged) = rs::GB18030.decode_without_bom_handling(bytes);
                (text, if damaged { Quality::Damaged } else { Quality::Good })
            }
            Initial::Ascii if !has_escape => undeclared(bytes, Quality::TakenForUtf8),
            Initial::Single(encoding) if !has_escape => {
                let (text, damaged) = encoding.decode_without_bom_handling(bytes);
                (text, if damaged { Quality::Damaged } else { Quality::Good })
            }
            initial => {
                let mut decoder =
                    Shifted { initial, g0: G0::Ascii, g1: G1::Initial, out: String::with_capacity(bytes.len()), damaged: false };
                decoder.run(bytes, is_name);
                (Cow::Owned(decoder.out), if decoder.damaged { Quality::Damaged } else { Quality::Good })
            }
        }
    }
}

/// Bytes that were just seen to be ASCII, as text.
#[allow(unsafe_code)]
#[inline]
fn ascii(bytes: &[u8]) -> &str {
    debug_assert!(bytes.is_ascii());
    // SAFETY: ASCII is UTF-8, and the only caller has looked at every byte.
    unsafe { std::str::from_utf8_unchecked(bytes) }
}

/// Text that nothing is said of.
fn undeclared(bytes: &[u8], as_utf8: Quality) -> (Cow<'_, str>, Quality) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), as_utf8),
        Err(_) => {
            let (text, _) = rs::WINDOWS_1252.decode_without_bom_handling(bytes);
            (text, if as_utf8 == Quality::Damaged { Quality::Damaged } else { Quality::TakenForLatin1 })
        }
    }
}

fn trim(term: &[u8]) -> &[u8] {
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = term.iter().position(|byte| !is_padding(byte)).unwrap_or(term.len());
    let end = term.iter().rposition(|byte| !is_padding(byte)).map_or(start, |last| last + 1);
    &term[start..end]
}

/// The number of a term: `100` of `ISO_IR 100`, `ISO 2022 IR 100` and what people make of them.
fn number(term: &[u8]) -> Option<u32> {
    let digits = term.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last + 1);
    let (before, digits) = term.split_at(digits);
    let is_iso = before.starts_with(b"ISO") && before.ends_with(b"IR ") || before.ends_with(b"IR_") || before.ends_with(b"IR");
    is_iso.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

fn initial(term: &[u8]) -> Option<Initial> {
    if matches!(term, b"GB18030" | b"GBK" | b"GB2312") {
        return Some(Initial::Gb18030);
    }
    if term == b"UTF-8" || term == b"UTF8" {
        return Some(Initial::Utf8);
    }
    Some(match number(term)? {
        // Double-byte sets begin in ASCII.
        6 | 87 | 159 | 149 | 58 => Initial::Ascii,
        13 => Initial::Katakana,
        192 => Initial::Utf8,
        100 => Initial::Single(rs::WINDOWS_1252),
        101 => Initial::Single(rs::ISO_8859_2),
        109 => Initial::Single(rs::ISO_8859_3),
        110 => Initial::Single(rs::ISO_8859_4),
        144 => Initial::Single(rs::ISO_8859_5),
        127 => Initial::Single(rs::ISO_8859_6),
        126 => Initial::Single(rs::ISO_8859_7),
        138 => Initial::Single(rs::ISO_8859_8),
        148 => Initial::Single(rs::WINDOWS_1254),
        203 => Initial::Single(rs::ISO_8859_15),
        166 => Initial::Single(rs::WINDOWS_874),
        _ => return None,
    })
}

fn initial_known(term: &[u8]) -> bool {
    initial(term).is_some()
}

/// A double-byte set of 94 rows of 94 cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Double {
    JisX0208,
    JisX0212,
    KsX1001,
    Gb2312,
}

impl Double {
    fn encoding(self) -> &'static Encoding {
        match self {
            Self::JisX0208 | Self::JisX0212 => rs::EUC_JP,
            Self::KsX1001 => rs::EUC_KR,
            Self::Gb2312 => rs::GBK,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum G0 {
    Ascii,
    Katakana,
    Double(Double),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum G1 {
    Initial,
    Katakana,
    Single(&'static Encoding),
    Double(Double),
}

/// A designation at the start of `bytes`: the new state of G0 or G1 and the length of the sequence.
fn designation(bytes: &[u8]) -> Option<(Result<G0, G1>, usize)> {
    Some(match bytes {
        [ESC, b'(', b'B' | b'J' | b'H', ..] => (Ok(G0::Ascii), 3),
        [ESC, b'(', b'I', ..] => (Ok(G0::Katakana), 3),
        [ESC, b')', b'I', ..] => (Err(G1::Katakana), 3),
        [ESC, b'$', b'B' | b'@', ..] => (Ok(G0::Double(Double::JisX0208)), 3),
        [ESC, b'$', b'A', ..] => (Ok(G0::Double(Double::Gb2312)), 3),
        [ESC, b'$', b'(', last, ..] => (Ok(G0::Double(double(*last)?)), 4),
        [ESC, b'$', b')', last, ..] => (Err(G1::Double(double(*last)?)), 4),
        [ESC, b'-', last, ..] => (Err(G1::Single(single(*last)?)), 3),
        _ => return None,
    })
}

fn double(last: u8) -> Option<Double> {
    match last {
        b'@' | b'B' => Some(Double::JisX0208),
        b'D' => Some(Double::JisX0212),
        b'C' => Some(Double::KsX1001),
        b'A' => Some(Double::Gb2312),
        _ => None,
    }
}

/// The set that `ESC -` and this byte designate to G1.
fn single(last: u8) -> Option<&'static Encoding> {
    Some(match last {
        b'A' => rs::WINDOWS_1252,
        b'B' => rs::ISO_8859_2,
        b'C' => rs::ISO_8859_3,
        b'D' => rs::ISO_8859_4,
        b'L' => rs::ISO_8859_5,
        b'G' => rs::ISO_8859_6,
        b'F' => rs::ISO_8859_7,
        b'H' => rs::ISO_8859_8,
        b'M' => rs::WINDOWS_1254,
        b'b' => rs::ISO_8859_15,
        b'T' => rs::WINDOWS_874,
        _ => return None,
    })
}

/// Text with escape sequences.
struct Shifted {
    initial: Initial,
    g0: G0,
    g1: G1,
    out: String,
    damaged: bool,
}

impl Shifted {
    fn run(&mut self, bytes: &[u8], is_name: bool) {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if byte == ESC {
                match designation(rest) {
                    Some((state, length)) => {
                        match state {
                            Ok(g0) => self.g0 = g0,
                            Err(g1) => self.g1 = g1,
                        }
                        rest = &rest[length..];
                    }
                    None => {
                        self.bad();
                        rest = &rest[1..];
                    }
                }
                continue;
            }
            let high = byte >= 0x80;
            let is_double = !high && matches!(self.g0, G0::Double(_)) && is_graphic(byte);
            // Bytes of one half and kind make a run; what ends shifts is a run of its own.
            let ends = |b: u8| !is_double && b < 0x80 && ends_shift(b, is_name);
            let same = |b: &u8| (*b >= 0x80) == high && is_graphic(*b) == is_graphic(byte) && *b != ESC && !ends(*b);
            let length = if ends(byte) { 1 } else { rest.iter().position(|b| !same(b)).unwrap_or(rest.len()).max(1) };
            let (run, after) = rest.split_at(length);
            rest = after;
            if high {
                self.high(run);
            } else {
                self.low(run, is_graphic(byte));
                if ends(byte) {
                    self.end_shift();
                }
            }
        }
    }

    /// Shifts end with a line, a value, and a component of a name.
    fn end_shift(&mut self) {
        self.g0 = G0::Ascii;
        // Some senders count on G1 to last, where nothing else could be meant by high bytes.
        if self.initial != Initial::Ascii {
            self.g1 = G1::Initial;
        }
    }

    fn low(&mut self, run: &[u8], graphic: bool) {
        match self.g0 {
            G0::Double(set) if graphic => self.pairs(run, set),
            G0::Katakana if graphic => self.katakana(run),
            _ => self.out.extend(run.iter().map(|byte| char::from(*byte))),
        }
    }

    fn high(&mut self, run: &[u8]) {
        match (self.g1, self.initial) {
            (G1::Double(set), _) => self.pairs(run, set),
            (G1::Katakana, _) | (G1::Initial, Initial::Katakana) => self.katakana(run),
            (G1::Single(encoding), _) | (G1::Initial, Initial::Single(encoding)) => {
                let (text, damaged) = encoding.decode_without_bom_handling(run);
                self.out.push_str(&text);
                self.damaged |= damaged;
            }
            (G1::Initial, _) => {
                for _ in run {
                    self.bad();
                }
            }
        }
    }

    fn pairs(&mut self, run: &[u8], set: Double) {
        let (pairs, odd) = run.as_chunks::<2>();
        let mut euc = Vec::with_capacity(pairs.len() * 3);
        for [row, cell] in pairs {
            if set == Double::JisX0212 {
                euc.push(0x8F);
            }
            euc.extend([row | 0x80, cell | 0x80]);
        }
        let (text, damaged) = set.encoding().decode_without_bom_handling(&euc);
        self.out.push_str(&text);
        self.damaged |= damaged;
        if !odd.is_empty() {
            self.bad();
        }
    }

    fn katakana(&mut self, run: &[u8]) {
        for byte in run {
            match byte | 0x80 {
                byte @ 0xA1..=0xDF => self.out.extend(char::from_u32(0xFF61 + u32::from(byte - 0xA1))),
                _ => self.bad(),
            }
        }
    }

    fn bad(&mut self) {
        self.damaged = true;
        self.out.push(char::REPLACEMENT_CHARACTER);
    }
}

fn ends_shift(byte: u8, is_name: bool) -> bool {
    matches!(byte, b'\r' | b'\n' | 0x0C | b'\t' | b'\\') || (is_name && matches!(byte, b'^' | b'='))
}

/// Whether a byte is one of the 94 graphic characters of its half.
fn is_graphic(byte: u8) -> bool {
    matches!(byte & 0x7F, 0x21..=0x7E)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(declared: &[u8], bytes: &[u8]) -> (String, Quality) {
        let (text, quality) = CharacterSet::parse(declared).decode(bytes, true);
        (text.into_owned(), quality)
    }

    /// PS3.5 annexes H to K.
    #[test]
    fn the_examples_of_the_standard_are_read() {
        let japanese = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(name(b"\\ISO 2022 IR 87", japanese), ("Yamada^Tarou=山田^太郎=やまだ^たろう".into(), Quality::Good));
        let half = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J";
        assert_eq!(name(b"ISO 2022 IR 13\\ISO 2022 IR 87", half), ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう".into(), Quality::Good));
        let korean = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(name(b"\\ISO 2022 IR 149", korean), ("Hong^Gildong=洪^吉洞=홍^길동".into(), Quality::Good));
        let chinese = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
        assert_eq!(name(b"\\ISO 2022 IR 58", chinese), ("Zhang^XiaoDong=张^小东=".into(), Quality::Good));
        let gb = b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=";
        assert_eq!(name(b"GB18030", gb), ("Wang^XiaoDong=王^小东=".into(), Quality::Good));
        assert_eq!(name(b"ISO_IR 192", "Wang=王^小東".as_bytes()), ("Wang=王^小東".into(), Quality::Good));
    }

    #[test]
    fn single_byte_sets_are_read() {
        for (term, bytes, text) in [
            (&b"ISO_IR 100"[..], &b"Buc^J\xe9r\xf4me"[..], "Buc^Jérôme"),
            (b"ISO_IR 144", b"\xbb\xee\xda", "Люк"),
            (b"ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
            (b"ISO_IR 127", b"\xe2\xc8", "قب"),
            (b"ISO_IR 138", b"\xf9\xf8\xe5\xef", "שרון"),
            (b"ISO_IR 166", b"\xa1\xa2", "กข"),
            (b"ISO_IR 13", b"\xd4\xcf", "ﾔﾏ"),
            (b"ISO 2022 IR 6\\ISO 2022 IR 144", b"Luke\x1b-L\xbb\xee\xda", "LukeЛюк"),
            (b"ISO 2022 IR 100\\ISO 2022 IR 126", b"\xe9\x1b-F\xc4\\\xe9", "éΔ\\é"),
        ] {
            assert_eq!(name(term, bytes), (text.into(), Quality::Good));
        }
    }

    #[test]
    fn what_is_not_declared_is_guessed_and_said() {
        assert_eq!(name(b"", "Jérôme".as_bytes()), ("Jérôme".into(), Quality::TakenForUtf8));
        assert_eq!(name(b"", b"J\xe9r\xf4me"), ("Jérôme".into(), Quality::TakenForLatin1));
        assert_eq!(name(b"ISO_IR 192", b"J\xe9"), ("Jé".into(), Quality::Damaged));
        assert!(!CharacterSet::parse(b"ISO_IR 999").is_known() && CharacterSet::parse(b" ISO_IR 100 ").is_known());
        assert_eq!(name(b"\\ISO 2022 IR 87", b"\x1b$B;3E"), ("山\u{FFFD}".into(), Quality::Damaged));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_some_text(declared: Vec<u8>, bytes: Vec<u8>, is_name: bool) {
            let set = CharacterSet::parse(&declared);
            let _ = set.decode(&bytes, is_name);
            for term in [&b"\\ISO 2022 IR 87"[..], b"ISO 2022 IR 13\\ISO 2022 IR 159", b"GB18030", b"ISO_IR 192", b"ISO_IR 166"] {
                let text = CharacterSet::parse(term).decode(&bytes, is_name).0;
                assert!(text.len() <= bytes.len() * 3 + 3);
            }
        }
    }
}
