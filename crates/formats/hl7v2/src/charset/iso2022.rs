//! ISO 2022 shifts: escape sequences that switch the character set in the middle of a text
//! (HL7 v2.9 §2.14.9.20; the same sequences as in DICOM).
//!
//! A text is a row of runs. Seven-bit bytes belong to the set designated to G0, eight-bit bytes to
//! the one designated to G1. Both go back to the message's own set at the end of a segment. What a
//! set has no character for becomes a private character from U+F0000 on, so that nothing is lost
//! and no byte of a shifted run is ever taken for a delimiter.
//!
//! JIS X 0201 Roman differs from ASCII in two places, `\` (yen) and `~` (overline). Japanese senders
//! use it as ASCII, delimiters included, so it is read as ASCII.

use std::{collections::HashMap, sync::OnceLock};

use encoding_rs::{EUC_JP, EUC_KR, Encoding, GBK};
use memchr::{memchr_iter, memchr3};

use super::{Charset, Codec};

const ESC: u8 = 0x1B;
/// Private characters stand for double-byte codes without a character, set by set.
const PRIVATE: u32 = 0xF0000;
const CELLS: u32 = 94 * 94;

/// A double-byte set of 94 rows of 94 cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Double {
    JisX0208,
    JisX0212,
    KsX1001,
    Gb2312,
}

impl Double {
    const ALL: [Double; 4] = [Self::JisX0208, Self::JisX0212, Self::KsX1001, Self::Gb2312];

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::JisX0208 | Self::JisX0212 => EUC_JP,
            Self::KsX1001 => EUC_KR,
            Self::Gb2312 => GBK,
        }
    }

    fn charset(self) -> Charset {
        match self {
            Self::JisX0208 => Charset::IsoIr87,
            Self::JisX0212 => Charset::IsoIr159,
            Self::KsX1001 => Charset::KsX1001,
            Self::Gb2312 => Charset::Gb2312,
        }
    }

    /// The escape sequence that designates it for encoding: Japanese sets to G0, the others to G1.
    fn designation(self) -> &'static [u8] {
        match self {
            Self::JisX0208 => b"\x1b$B",
            Self::JisX0212 => b"\x1b$(D",
            Self::KsX1001 => b"\x1b$)C",
            Self::Gb2312 => b"\x1b$)A",
        }
    }

    fn push_euc(self, row: u8, cell: u8, out: &mut Vec<u8>) {
        if self == Self::JisX0212 {
            out.push(0x8F);
        }
        out.extend([row | 0x80, cell | 0x80]);
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
    /// The message's own character set.
    Own,
    Katakana,
    Single(Charset),
    Double(Double),
}

/// A designation at the start of `bytes`: the new state of G0 or G1 and the length of the sequence.
fn designation(bytes: &[u8]) -> Option<(Result<G0, G1>, usize)> {
    let state = match bytes {
        [ESC, b'(', b'B' | b'J' | b'H', ..] => (Ok(G0::Ascii), 3),
        [ESC, b'(', b'I', ..] => (Ok(G0::Katakana), 3),
        [ESC, b')', b'I', ..] => (Err(G1::Katakana), 3),
        [ESC, b')', b'B' | b'J', ..] => (Err(G1::Own), 3),
        [ESC, b'$', b'B' | b'@', ..] => (Ok(G0::Double(Double::JisX0208)), 3),
        [ESC, b'$', b'A', ..] => (Ok(G0::Double(Double::Gb2312)), 3),
        [ESC, b'$', b'(', last, ..] => (Ok(G0::Double(double(*last)?)), 4),
        [ESC, b'$', b')', last, ..] => (Err(G1::Double(double(*last)?)), 4),
        [ESC, b'-', last, ..] => (Err(G1::Single(single(*last)?)), 3),
        _ => return None,
    };
    Some(state)
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

/// Final byte of `ESC -` and the single-byte set it designates to G1.
const SINGLES: [(u8, Charset); 11] = [
    (b'A', Charset::Iso8859_1),
    (b'B', Charset::Iso8859_2),
    (b'C', Charset::Iso8859_3),
    (b'D', Charset::Iso8859_4),
    (b'L', Charset::Iso8859_5),
    (b'G', Charset::Iso8859_6),
    (b'F', Charset::Iso8859_7),
    (b'H', Charset::Iso8859_8),
    (b'M', Charset::Iso8859_9),
    (b'b', Charset::Iso8859_15),
    (b'T', Charset::Tis620),
];

fn single(last: u8) -> Option<Charset> {
    SINGLES.iter().find(|(byte, _)| *byte == last).map(|(_, charset)| *charset)
}

/// Whether there is an escape sequence that designates a character set.
pub(crate) fn has_designation(bytes: &[u8]) -> bool {
    memchr_iter(ESC, bytes).any(|at| designation(&bytes[at..]).is_some())
}

/// What decoding gave.
pub(crate) struct Shifted {
    /// The text; `None` when the bytes outside the shifts are not valid in the message's own set.
    pub(crate) text: Option<String>,
    /// The sets shifted to.
    pub(crate) designated: Vec<Charset>,
    /// How many shifted codes have no character.
    pub(crate) unmapped: usize,
}

/// Decodes a text with shifts; `own` is the message's own set.
pub(crate) fn decode(bytes: &[u8], own: Codec) -> Shifted {
    let mut decoder =
        Decoder { own, g0: G0::Ascii, g1: G1::Own, out: String::with_capacity(bytes.len()), designated: Vec::new(), unmapped: 0 };
    let text = decoder.run(bytes).map(|()| decoder.out);
    Shifted { text, designated: decoder.designated, unmapped: decoder.unmapped }
}

struct Decoder {
    own: Codec,
    g0: G0,
    g1: G1,
    out: String,
    designated: Vec<Charset>,
    unmapped: usize,
}

impl Decoder {
    fn run(&mut self, bytes: &[u8]) -> Option<()> {
        let (mut start, mut from) = (0, 0);
        while let Some(found) = memchr3(ESC, b'\r', b'\n', &bytes[from..]) {
            let at = from + found;
            from = at + 1;
            if bytes[at] != ESC {
                self.stretch(&bytes[start..=at])?;
                (self.g0, self.g1) = (G0::Ascii, G1::Own);
                start = at + 1;
            } else if let Some((state, length)) = designation(&bytes[at..]) {
                self.stretch(&bytes[start..at])?;
                self.designate(state);
                start = at + length;
                from = start;
            }
        }
        self.stretch(&bytes[start..])
    }

    fn designate(&mut self, state: Result<G0, G1>) {
        let charset = match state {
            Ok(G0::Ascii) | Err(G1::Own) => None,
            Ok(G0::Katakana) | Err(G1::Katakana) => Some(Charset::IsoIr14),
            Ok(G0::Double(set)) | Err(G1::Double(set)) => Some(set.charset()),
            Err(G1::Single(charset)) => Some(charset),
        };
        if let Some(charset) = charset.filter(|charset| !self.designated.contains(charset)) {
            self.designated.push(charset);
        }
        match state {
            Ok(g0) => self.g0 = g0,
            Err(g1) => self.g1 = g1,
        }
    }

    /// Text between two escape sequences or segment ends.
    fn stretch(&mut self, bytes: &[u8]) -> Option<()> {
        if self.g0 == G0::Ascii && self.g1 == G1::Own {
            self.out.push_str(&self.own.decode(bytes)?);
            return Some(());
        }
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            let high = byte >= 0x80;
            // Bytes of one half, graphic or not, make a run.
            let is_same = |b: &u8| (*b >= 0x80) == high && is_graphic(*b) == is_graphic(byte);
            let end = rest.iter().position(|b| !is_same(b)).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            rest = after;
            match (high, is_graphic(byte), self.g0, self.g1) {
                (false, true, G0::Katakana, _) => self.katakana(run),
                (false, true, G0::Double(set), _) => self.pairs(run, set),
                (true, true, _, G1::Katakana) => self.katakana(run),
                (true, true, _, G1::Double(set)) => self.pairs(run, set),
                (true, _, _, G1::Single(charset)) => self.single(run, charset),
                (true, _, _, G1::Own) => {
                    // With a multi-byte set of its own, a run of high bytes may need the low byte after it.
                    let text = self.own.decode(run)?;
                    self.out.push_str(&text);
                }
                (true, false, _, _) => run.iter().for_each(|&byte| self.private_byte(byte)),
                (false, _, _, _) => self.out.extend(run.iter().map(|&byte| char::from(byte))),
            }
        }
        Some(())
    }

    fn katakana(&mut self, run: &[u8]) {
        for &byte in run {
            match katakana_char(byte | 0x80) {
                Some(c) => self.out.push(c),
                None => self.private_byte(byte),
            }
        }
    }

    fn single(&mut self, run: &[u8], charset: Charset) {
        if let Some(text) = charset.codec().decode(run) {
            self.out.push_str(&text);
            return;
        }
        for byte in run {
            match charset.codec().decode(std::slice::from_ref(byte)) {
                Some(text) => self.out.push_str(&text),
                None => self.private_byte(*byte),
            }
        }
    }

    fn pairs(&mut self, run: &[u8], set: Double) {
        let (pairs, odd) = run.as_chunks::<2>();
        let mut euc = Vec::with_capacity(pairs.len() * 3);
        for [row, cell] in pairs {
            set.push_euc(*row, *cell, &mut euc);
        }
        if let Some(text) = set.encoding().decode_without_bom_handling_and_without_replacement(&euc) {
            self.out.push_str(&text);
        } else {
            for [row, cell] in pairs {
                self.out.push(pair_char(*row, *cell, set).unwrap_or_else(|| private_pair(*row, *cell, set)));
                self.unmapped += usize::from(pair_char(*row, *cell, set).is_none());
            }
        }
        for &byte in odd {
            self.private_byte(byte);
        }
    }

    fn private_byte(&mut self, byte: u8) {
        self.unmapped += 1;
        self.out.extend(char::from_u32(PRIVATE + 4 * CELLS + u32::from(byte)));
    }
}

/// Whether a byte is one of the 94 graphic characters of its half.
fn is_graphic(byte: u8) -> bool {
    matches!(byte & 0x7F, 0x21..=0x7E)
}

fn pair_char(row: u8, cell: u8, set: Double) -> Option<char> {
    let mut euc = Vec::with_capacity(3);
    set.push_euc(row, cell, &mut euc);
    let text = set.encoding().decode_without_bom_handling_and_without_replacement(&euc)?;
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

fn private_pair(row: u8, cell: u8, set: Double) -> char {
    let place = u32::from((row & 0x7F) - 0x21) * 94 + u32::from((cell & 0x7F) - 0x21);
    char::from_u32(PRIVATE + set as u32 * CELLS + place).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn katakana_char(byte: u8) -> Option<char> {
    matches!(byte, 0xA1..=0xDF).then(|| char::from_u32(0xFF61 + u32::from(byte - 0xA1)))?
}

/// JIS X 0201 with its katakana in the upper half.
pub(crate) fn decode_katakana(bytes: &[u8]) -> Option<String> {
    bytes.iter().map(|&byte| if byte.is_ascii() { Some(char::from(byte)) } else { katakana_char(byte) }).collect()
}

/// The byte of JIS X 0201 for a character.
pub(crate) fn katakana_byte(c: char) -> Option<u8> {
    match c {
        '\0'..='\x7F' => u8::try_from(c).ok(),
        '\u{FF61}'..='\u{FF9F}' => u8::try_from(u32::from(c) - 0xFF61 + 0xA1).ok(),
        _ => None,
    }
}

/// Whether a shift to this set can be written.
pub(crate) fn can_shift_to(charset: Charset) -> bool {
    charset == Charset::IsoIr14
        || Double::ALL.iter().any(|set| set.charset() == charset)
        || SINGLES.iter().any(|(_, single)| *single == charset)
}

/// Encodes a text, shifting to one of `sets` for what `own` lacks. A shift of the seven-bit half is
/// taken back at once, so that a delimiter is always ASCII; one of the eight-bit half only before a
/// character of the message's own upper half and at the end. The error is the byte position of a
/// character that none of the sets has.
pub(crate) fn encode(text: &str, own: Charset, sets: &[Charset]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let (mut low, mut high): (Option<Shift>, Option<Shift>) = (None, None);
    for (at, c) in text.char_indices() {
        let mut form = [0; 4];
        if let Ok(bytes) = own.codec().encode(c.encode_utf8(&mut form)) {
            take_back(&mut low, b"\x1b(B", &mut out);
            if matches!(c, '\r' | '\n') {
                // The end of a segment takes every shift back by itself.
                high = None;
            } else if !c.is_ascii() {
                take_back(&mut high, &own_upper_half(own), &mut out);
            }
            out.extend(bytes);
            continue;
        }
        let (shift, code) = sets.iter().find_map(|set| Shift::to(*set, c)).ok_or(at)?;
        let half = if shift.is_upper_half() { &mut high } else { &mut low };
        if *half != Some(shift) {
            *half = Some(shift);
            out.extend(shift.designation());
        }
        out.extend(code.as_slice());
    }
    take_back(&mut low, b"\x1b(B", &mut out);
    take_back(&mut high, &own_upper_half(own), &mut out);
    Ok(out)
}

fn take_back(shift: &mut Option<Shift>, sequence: &[u8], out: &mut Vec<u8>) {
    if shift.take().is_some() {
        out.extend_from_slice(sequence);
    }
}

/// What designates the message's own set to the upper half again; nothing when it has none.
fn own_upper_half(own: Charset) -> Vec<u8> {
    match (own.codec(), SINGLES.iter().find(|(_, single)| *single == own)) {
        (Codec::Ascii, _) => Vec::new(),
        (_, Some((last, _))) => vec![ESC, b'-', *last],
        (Codec::Katakana, _) => b"\x1b)I".to_vec(),
        _ => b"\x1b)B".to_vec(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shift {
    Katakana,
    Double(Double),
    Single(Charset, u8),
}

/// One or two bytes.
#[derive(Debug, Clone, Copy)]
struct Code([u8; 2], usize);

impl Code {
    fn as_slice(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

impl Shift {
    /// The shift to a set and the code of a character in it, if it has one.
    fn to(set: Charset, c: char) -> Option<(Self, Code)> {
        if set == Charset::IsoIr14 {
            let byte = katakana_byte(c).filter(|byte| *byte >= 0x80)?;
            return Some((Self::Katakana, Code([byte & 0x7F, 0], 1)));
        }
        if let Some(double) = Double::ALL.into_iter().find(|double| double.charset() == set) {
            let [row, cell] = *reverse_table(double).get(&c)?;
            // Sets in G0 use seven-bit codes, those in G1 eight-bit ones.
            let shift = Self::Double(double);
            let half = if shift.is_upper_half() { 0x80 } else { 0 };
            return Some((shift, Code([row | half, cell | half], 2)));
        }
        let (last, charset) = SINGLES.into_iter().find(|(_, charset)| *charset == set)?;
        let mut form = [0; 4];
        let bytes = charset.codec().encode(c.encode_utf8(&mut form)).ok()?;
        let &[byte] = bytes.as_slice() else { return None };
        (byte >= 0xA0).then_some((Self::Single(charset, last), Code([byte, 0], 1)))
    }

    fn designation(self) -> Vec<u8> {
        match self {
            Self::Katakana => b"\x1b(I".to_vec(),
            Self::Double(set) => set.designation().to_vec(),
            Self::Single(_, last) => vec![ESC, b'-', last],
        }
    }

    fn is_upper_half(self) -> bool {
        matches!(self, Self::Single(..) | Self::Double(Double::KsX1001 | Double::Gb2312))
    }
}

/// Codes by character, made once by decoding every cell of the set.
fn reverse_table(set: Double) -> &'static HashMap<char, [u8; 2]> {
    static TABLES: [OnceLock<HashMap<char, [u8; 2]>>; 4] = [const { OnceLock::new() }; 4];
    TABLES[set as usize].get_or_init(|| {
        let cells = (0x21..=0x7E).flat_map(|row| (0x21..=0x7E).map(move |cell| [row, cell]));
        let mut table = HashMap::with_capacity(8192);
        for [row, cell] in cells {
            if let Some(c) = pair_char(row, cell, set).filter(|c| !c.is_ascii()) {
                table.entry(c).or_insert([row, cell]);
            }
        }
        table
    })
}
