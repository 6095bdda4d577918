//! Escape sequences of a field's text (HL7 v2.9 §2.7): from the wire to plain text and back.
//!
//! Reading is lenient and loses nothing: a sequence that is unknown, local (`\Z..\`), a charset
//! switch (`\C..\`, `\M..\`) or never closed stays in the text as it was sent, with an
//! [`EscapeIssue`]. Writing is strict: [`escape`] encodes every delimiter and every control
//! character, so no text can open a field, a segment, a frame or a character set shift.
//!
//! It is not a renderer: formatting commands become plain line breaks and spaces.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use crate::lex::Delimiters;

/// `\.sp n\` and `\.sk n\` beyond this are kept as sent, so that a short text cannot ask for gigabytes.
const MAX_SKIP: usize = 255;

/// What was not turned into plain text. It names the place, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EscapeIssue {
    /// What is the matter.
    pub kind: EscapeIssueKind,
    /// Byte offset of the escape character in the raw text.
    pub offset: usize,
}

/// Why an escape sequence was kept as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EscapeIssueKind {
    /// An escape character without a closing one.
    Open,
    /// A sequence that the standard does not define.
    Unknown,
    /// `\X..\` whose content is not an even number of hexadecimal digits.
    BadHex,
    /// `\C..\` or `\M..\`: a character set switch inside the text, not used since ISO 2022 shifts replaced it.
    CharsetSwitch,
    /// `\Z..\`: defined locally by the sender.
    Local,
}

impl EscapeIssueKind {
    /// Stable finding code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Open => "escape-open",
            Self::Unknown => "escape-unknown",
            Self::BadHex => "escape-bad-hex",
            Self::CharsetSwitch => "escape-charset-switch",
            Self::Local => "escape-local",
        }
    }

    /// What is wrong, for a finding.
    pub fn message(self) -> &'static str {
        match self {
            Self::Open => "an escape sequence is not closed; the text is kept as sent",
            Self::Unknown => "an escape sequence is not defined by the standard; the text is kept as sent",
            Self::BadHex => "a hexadecimal escape does not hold pairs of hexadecimal digits; the text is kept as sent",
            Self::CharsetSwitch => "a character set switch inside the text is not followed; the text is kept as sent",
            Self::Local => "a local escape sequence is kept as sent",
        }
    }
}

/// Plain text of a raw field, component or sub-component. Borrows when there is nothing to do.
pub fn unescape<'a>(raw: &'a str, d: &Delimiters) -> Cow<'a, str> {
    match ascii(d.escape) {
        Some(escape) if memchr(escape, raw.as_bytes()).is_some() => {
            let mut out = String::with_capacity(raw.len());
            unescape_into(raw, d, &mut out, None);
            Cow::Owned(out)
        }
        _ => Cow::Borrowed(raw),
    }
}

/// Appends the plain text of `raw` to `out`, and what was kept as sent to `issues`.
pub fn unescape_into(raw: &str, d: &Delimiters, out: &mut String, mut issues: Option<&mut Vec<EscapeIssue>>) {
    let Some(escape) = ascii(d.escape) else {
        out.push_str(raw);
        return;
    };
    let bytes = raw.as_bytes();
    // `from` is where the text not yet written starts, `open` the escape character in hand.
    let mut from = 0;
    let mut next = memchr(escape, bytes);
    while let Some(open) = next {
        let Some(length) = memchr(escape, &bytes[open + 1..]) else {
            report(&mut issues, EscapeIssueKind::Open, open);
            break;
        };
        let close = open + 1 + length;
        let content = &raw[open + 1..close];
        let resume = match meaning(content, d) {
            Meaning::Nothing => {
                out.push_str(&raw[from..open]);
                from = close + 1;
                from
            }
            Meaning::Char(c) => {
                out.push_str(&raw[from..open]);
                out.push(c);
                from = close + 1;
                from
            }
            Meaning::Repeat(c, times) => {
                out.push_str(&raw[from..open]);
                out.extend(std::iter::repeat_n(c, times));
                from = close + 1;
                from
            }
            Meaning::Hex => {
                out.push_str(&raw[from..open]);
                from = push_hex_run(raw, open, escape, out);
                from
            }
            Meaning::Kept(kind) => {
                report(&mut issues, kind, open);
                close + 1
            }
            // The closing character may be the opening one of a sequence that is known:
            // `C:\temp\F\` is a stray backslash and a field separator.
            Meaning::Unknown => {
                report(&mut issues, EscapeIssueKind::Unknown, open);
                close
            }
        };
        next = memchr(escape, &bytes[resume..]).map(|at| resume + at);
    }
    out.push_str(&raw[from..]);
}

/// The text as it goes on the wire. Borrows when there is nothing to encode.
///
/// Without an escape character in `d` (allowed in old versions) delimiters cannot be expressed; they
/// become spaces. Ask [`can_escape`] first where that matters.
pub fn escape<'a>(text: &'a str, d: &Delimiters) -> Cow<'a, str> {
    if text.bytes().any(|b| is_special(b, d)) {
        let mut out = String::with_capacity(text.len() + 16);
        escape_into(text, d, &mut out);
        Cow::Owned(out)
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether [`escape`] can express the text in full with these delimiters.
pub fn can_escape(text: &str, d: &Delimiters) -> bool {
    ascii(d.escape).is_some() || !text.bytes().any(|b| is_special(b, d))
}

/// Appends the text as it goes on the wire. See [`escape`].
pub fn escape_into(text: &str, d: &Delimiters, out: &mut String) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !is_special(byte, d) {
            continue;
        }
        // Special bytes are ASCII, so `at` is a character boundary.
        out.push_str(&text[from..at]);
        from = at + 1;
        let Some(escape) = ascii(d.escape) else {
            out.push(' ');
            continue;
        };
        let escape = char::from(escape);
        out.push(escape);
        match letter(byte, d) {
            Some(letter) => out.push(letter),
            None => {
                out.push('X');
                out.push(hex_digit(byte >> 4));
                out.push(hex_digit(byte & 15));
            }
        }
        out.push(escape);
    }
    out.push_str(&text[from..]);
}

/// Appends issues to a list, if there is one.
fn report(issues: &mut Option<&mut Vec<EscapeIssue>>, kind: EscapeIssueKind, offset: usize) {
    if let Some(list) = issues {
        list.push(EscapeIssue { kind, offset });
    }
}

/// Only an ASCII delimiter is one: another byte would match inside a character of the text.
fn ascii(delimiter: Option<u8>) -> Option<u8> {
    delimiter.filter(u8::is_ascii)
}

enum Meaning {
    Nothing,
    Char(char),
    Repeat(char, usize),
    Hex,
    Kept(EscapeIssueKind),
    Unknown,
}

fn meaning(content: &str, d: &Delimiters) -> Meaning {
    let bytes = content.as_bytes();
    match bytes {
        b"F" => delimiter(Some(d.field)),
        b"S" => delimiter(Some(d.component)),
        b"R" => delimiter(d.repetition),
        b"E" => delimiter(d.escape),
        // A sender that declares no sub-component separator can only mean the usual one.
        b"T" => delimiter(d.subcomponent.or(Some(b'&'))),
        b"P" => delimiter(d.truncation),
        b"H" | b"N" => Meaning::Nothing,
        [b'X', hex @ ..] if is_hex(hex) => Meaning::Hex,
        [b'X', ..] if bytes.iter().skip(1).all(u8::is_ascii_hexdigit) => Meaning::Kept(EscapeIssueKind::BadHex),
        [b'C' | b'M', rest @ ..] if is_word(rest) => Meaning::Kept(EscapeIssueKind::CharsetSwitch),
        [b'Z', rest @ ..] if is_word(rest) => Meaning::Kept(EscapeIssueKind::Local),
        [b'.', command @ ..] => formatting(command),
        _ => Meaning::Unknown,
    }
}

fn delimiter(byte: Option<u8>) -> Meaning {
    ascii(byte).map_or(Meaning::Unknown, |byte| Meaning::Char(char::from(byte)))
}

/// Formatting commands of FT and TX (§2.7.6) as plain text.
fn formatting(command: &[u8]) -> Meaning {
    let Some((name, argument)) = command.split_at_checked(2) else {
        return Meaning::Unknown;
    };
    let Ok(count) = count(argument) else {
        return Meaning::Unknown;
    };
    match (name.to_ascii_lowercase().as_slice(), count) {
        (b"br" | b"ce", None) => Meaning::Char('\n'),
        (b"fi" | b"nf", None) | (b"in" | b"ti", _) => Meaning::Nothing,
        (b"sp", lines) if lines.unwrap_or(1) <= MAX_SKIP => Meaning::Repeat('\n', lines.unwrap_or(1)),
        (b"sk", spaces) if spaces.unwrap_or(1) <= MAX_SKIP => Meaning::Repeat(' ', spaces.unwrap_or(1)),
        _ => Meaning::Unknown,
    }
}

/// The count behind a formatting command, if it has one; an error when it is no number.
fn count(argument: &[u8]) -> Result<Option<usize>, NotANumber> {
    let argument = argument.trim_ascii();
    if argument.is_empty() {
        return Ok(None);
    }
    let digits = argument.strip_prefix(b"+").or_else(|| argument.strip_prefix(b"-")).unwrap_or(argument);
    if digits.is_empty() || digits.len() > 6 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NotANumber);
    }
    Ok(Some(digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))))
}

struct NotANumber;

fn is_hex(digits: &[u8]) -> bool {
    !digits.is_empty() && digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit)
}

fn is_word(content: &[u8]) -> bool {
    !content.is_empty() && content.iter().all(u8::is_ascii_graphic)
}

/// Decodes the `\X..\` at `open` and those that follow it directly (senders often write one per
/// byte), appends their bytes as text, and says where the text goes on.
fn push_hex_run(raw: &str, open: usize, escape: u8, out: &mut String) -> usize {
    let bytes = raw.as_bytes();
    let mut decoded = Vec::new();
    let mut at = open;
    while bytes.get(at) == Some(&escape) && bytes.get(at + 1) == Some(&b'X') {
        let Some(length) = memchr(escape, &bytes[at + 2..]) else { break };
        let digits = &bytes[at + 2..at + 2 + length];
        if !is_hex(digits) {
            break;
        }
        decoded.extend(digits.chunks_exact(2).map(|pair| (hex_value(pair[0]) << 4) | hex_value(pair[1])));
        at += length + 3;
    }
    match std::str::from_utf8(&decoded) {
        Ok(text) => out.push_str(text),
        Err(_) => out.extend(decoded.iter().map(|&byte| char::from(byte))),
    }
    at
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn hex_digit(value: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(value & 15)])
}

/// Whether a byte of plain text must be encoded: the delimiters, and the control characters other
/// than tab, which end segments (CR, LF) and frames (VT, FS) or shift character sets (ESC, SO, SI).
fn is_special(byte: u8, d: &Delimiters) -> bool {
    (byte < 0x20 && byte != b'\t') || (byte.is_ascii() && letter(byte, d).is_some())
}

/// The letter of the escape sequence that stands for a delimiter.
fn letter(byte: u8, d: &Delimiters) -> Option<char> {
    let byte = Some(byte);
    if byte == d.escape {
        Some('E')
    } else if byte == Some(d.field) {
        Some('F')
    } else if byte == Some(d.component) {
        Some('S')
    } else if byte == d.repetition {
        Some('R')
    } else if byte == d.subcomponent {
        Some('T')
    } else if byte == d.truncation {
        Some('P')
    } else {
        None
    }
}

/// How many escape characters a text holds: a cheap bound for callers that reserve space.
pub fn escape_characters(raw: &str, d: &Delimiters) -> usize {
    ascii(d.escape).map_or(0, |escape| memchr_iter(escape, raw.as_bytes()).count())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STANDARD: Delimiters = Delimiters::STANDARD;

    fn plain(raw: &str) -> String {
        unescape(raw, &STANDARD).into_owned()
    }

    fn issues(raw: &str) -> Vec<(EscapeIssueKind, usize)> {
        let (mut out, mut list) = (String::new(), Vec::new());
        unescape_into(raw, &STANDARD, &mut out, Some(&mut list));
        list.into_iter().map(|issue| (issue.kind, issue.offset)).collect()
    }

    #[test]
    fn every_sequence_of_the_standard() {
        assert_eq!(plain(r"F\F\S\S\T\T\R\R\E\E\ hex\X41420D\ br\.br\two\H\bold\N\ end"), "F|S^T&R~E\\ hexAB\r br\ntwobold end");
        assert_eq!(plain(r"a\.sp 2\b\.sk+3\c\.ce\d\.in+4\e\.ti-2\f\.fi\g\.nf\h\.sp\i"), "a\n\nb   c\ndefgh\ni");
        let truncating = Delimiters { truncation: Some(b'#'), ..STANDARD };
        assert_eq!(unescape(r"a\P\", &truncating), "a#");
        assert_eq!(plain(r"a\P\"), r"a\P\");
    }

    #[test]
    fn hexadecimal_bytes_are_utf8_or_latin1() {
        assert_eq!(plain(r"J\XC3B6\rg"), "Jörg");
        assert_eq!(plain(r"J\XC3\\XB6\rg"), "Jörg");
        assert_eq!(plain(r"J\XF6\rg"), "Jörg");
        assert_eq!(plain(r"\X4\ \XZZ\ \X\"), r"\X4\ \XZZ\ \X\");
    }

    #[test]
    fn unknown_and_open_sequences_stay() {
        let raw = r"50\% of C:\temp \Zlocal\ open\ \Cxx\ ";
        assert_eq!(plain(raw), raw);
        assert_eq!(issues("ends\\"), [(EscapeIssueKind::Open, 4)]);
        assert_eq!(
            issues(r"\Zx\ \C2842\ \X123\ \.sk 99999\"),
            [
                (EscapeIssueKind::Local, 0),
                (EscapeIssueKind::CharsetSwitch, 5),
                (EscapeIssueKind::BadHex, 13),
                (EscapeIssueKind::Unknown, 20),
                (EscapeIssueKind::Open, 30)
            ]
        );
        assert_eq!(plain(r"C:\temp\F\x"), r"C:\temp|x");
        assert!(matches!(unescape("plain", &STANDARD), Cow::Borrowed("plain")));
    }

    #[test]
    fn nothing_breaks_out_of_a_field() {
        assert_eq!(
            escape("a|b^c&d~e\\f\r\n\u{b}\u{1c}\u{1b}\tg", &STANDARD),
            r"a\F\b\S\c\T\d\R\e\E\f\X0D\\X0A\\X0B\\X1C\\X1B\".to_owned() + "\tg"
        );
        let bare = Delimiters { escape: None, ..STANDARD };
        assert_eq!(escape("a|b", &bare), "a b");
        assert!(!can_escape("a|b", &bare) && can_escape("a\\b", &bare) && can_escape("a|b", &STANDARD));
    }

    proptest! {
        #[test]
        fn escaping_reads_back(text in any::<String>()) {
            let wire = escape(&text, &STANDARD);
            prop_assert!(!wire.bytes().any(|b| b"|^~&\r\n\x0b\x1c\x1b".contains(&b)));
            prop_assert_eq!(unescape(&wire, &STANDARD).into_owned(), text);
        }

        #[test]
        fn escaping_dense_text_reads_back(text in r"[|^~&\\#XFSRTEP0-9.\r\n é]{0,40}") {
            let d = Delimiters { truncation: Some(b'#'), ..STANDARD };
            prop_assert_eq!(unescape(&escape(&text, &d), &d).into_owned(), text);
        }

        #[test]
        fn any_raw_text_is_read(raw in r"[\\FSRTEXHNCMZ.a-c0-9 sp+é]{0,40}", delimiters in any::<[u8; 6]>()) {
            let d = Delimiters {
                field: delimiters[0],
                component: delimiters[1],
                repetition: Some(delimiters[2]),
                escape: Some(delimiters[3]),
                subcomponent: Some(delimiters[4]),
                truncation: Some(delimiters[5]),
            };
            let _ = unescape(&raw, &d);
            let _ = escape(&raw, &d);
            let text = plain(&raw);
            prop_assert!(text.len() <= raw.len() * MAX_SKIP);
        }
    }
}
