//! Character sets: from the bytes of a message to text, and back (MSH-18, HL7 table 0211).
//!
//! A message is decoded as a whole before it is split, so a delimiter is never found inside a
//! multi-byte or shifted character. Decoding never fails and never makes U+FFFD: bytes that are not
//! what MSH-18 says are read as UTF-8 if they are that, else in the feed's default, with a finding.
//!
//! MSH-18 may repeat: the first repetition is the character set of the message, the others may be
//! shifted to with ISO 2022 escape sequences (see [`iso2022`]).
//!
//! | finding | meaning |
//! |---|---|
//! | `charset-undeclared` | not ASCII, MSH-18 does not say what it is; the bytes are valid UTF-8 (or a shift says it) |
//! | `charset-fallback` | not ASCII, MSH-18 does not say what it is; read in the configured default |
//! | `charset-mismatch` | MSH-18 names a character set in which these bytes are not valid text |
//! | `charset-suspect` | a single-byte set is declared, but the bytes look like UTF-8; read as declared |
//! | `charset-unknown` | MSH-18 names something that is no character set known here |
//! | `charset-unsupported` | MSH-18 names a character set that cannot be decoded here (CNS 11643) |

use std::{borrow::Cow, fmt, str::FromStr};

use encoding_rs::Encoding;
use memchr::memchr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sutura_core::{Finding, Severity};

pub mod iso2022;
mod names;
pub mod utf16;

pub use names::Charset;
pub use utf16::Utf16Transcoder;

/// How the text outside ISO 2022 shifts is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Codec {
    /// Seven bits only.
    Ascii,
    /// UTF-8. UTF-16 and UTF-32 count as this: a source in those is transcoded before it is read.
    Utf8,
    /// Latin-1 in its real-world form: decoded as windows-1252, encoded as ISO 8859-1.
    Latin1,
    /// ASCII and half-width katakana in one byte (JIS X 0201).
    Katakana,
    /// One that the Encoding Standard has.
    Standard(&'static Encoding),
    /// No decoder here.
    Unsupported,
}

impl Codec {
    /// Whether a byte is always one character, so that any byte range can be replaced on its own.
    pub(crate) fn is_single_byte(self) -> bool {
        match self {
            Self::Ascii | Self::Latin1 | Self::Katakana => true,
            Self::Standard(encoding) => encoding.is_single_byte(),
            Self::Utf8 | Self::Unsupported => false,
        }
    }

    /// Text, or `None` when the bytes are not valid in it.
    pub(crate) fn decode(self, raw: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Ascii => std::str::from_utf8(raw).ok().filter(|text| text.is_ascii()).map(Cow::Borrowed),
            Self::Utf8 => std::str::from_utf8(raw).ok().map(Cow::Borrowed),
            Self::Latin1 => encoding_rs::WINDOWS_1252.decode_without_bom_handling_and_without_replacement(raw),
            Self::Katakana => iso2022::decode_katakana(raw).map(Cow::Owned),
            Self::Standard(encoding) => encoding.decode_without_bom_handling_and_without_replacement(raw),
            Self::Unsupported => None,
        }
    }

    /// Bytes, or the byte position in `text` of the first character that it does not have.
    pub(crate) fn encode(self, text: &str) -> Result<Vec<u8>, usize> {
        match self {
            _ if text.is_ascii() => Ok(text.as_bytes().to_vec()),
            Self::Utf8 => Ok(text.as_bytes().to_vec()),
            Self::Ascii | Self::Unsupported => Err(text.bytes().position(|byte| !byte.is_ascii()).unwrap_or(0)),
            Self::Latin1 => text.char_indices().map(|(at, c)| latin1_byte(c).ok_or(at)).collect(),
            Self::Katakana => text.char_indices().map(|(at, c)| iso2022::katakana_byte(c).ok_or(at)).collect(),
            Self::Standard(encoding) => encode_standard(encoding, text),
        }
    }
}

/// ISO 8859-1, except the bytes that are read as windows-1252 has them.
fn latin1_byte(c: char) -> Option<u8> {
    match c {
        '\u{81}' | '\u{8D}' | '\u{8F}' | '\u{90}' | '\u{9D}' => u8::try_from(u32::from(c)).ok(),
        '\u{80}'..='\u{9F}' => None,
        _ => u8::try_from(u32::from(c)).ok(),
    }
}

/// Only what reads back counts as encoded: the Encoding Standard writes some characters as others,
/// in Japanese sets even the yen sign as a backslash, which is a delimiter here.
fn encode_standard(encoding: &'static Encoding, text: &str) -> Result<Vec<u8>, usize> {
    let mut encoder = encoding.new_encoder();
    let room = encoder.max_buffer_length_from_utf8_without_replacement(text.len()).unwrap_or(text.len() * 4 + 16);
    let mut out = vec![0; room];
    let (result, read, written) = encoder.encode_from_utf8_without_replacement(text, &mut out, true);
    match result {
        encoding_rs::EncoderResult::InputEmpty => {
            out.truncate(written);
            let back = encoding.decode_without_bom_handling_and_without_replacement(&out).unwrap_or_default();
            match text.char_indices().zip(back.chars()).find(|((_, wanted), got)| wanted != got) {
                Some(((at, _), _)) => Err(at),
                None if back.len() == text.len() => Ok(out),
                None => Err(back.len()),
            }
        }
        // The unmappable character has been consumed.
        encoding_rs::EncoderResult::Unmappable(c) => Err(read.saturating_sub(c.len_utf8())),
        encoding_rs::EncoderResult::OutputFull => Err(read),
    }
}

/// What MSH-18 says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The character set of the message, when it is named and known.
    pub first: Option<Charset>,
    /// Those that may be shifted to.
    pub others: Vec<Charset>,
    /// Whether a name is not known here.
    pub unknown: bool,
}

impl Declared {
    /// Reads MSH-18 as sent, its repetitions separated by the message's repetition separator.
    pub fn parse(msh18: &str, repetition: impl Into<Option<u8>>) -> Self {
        let repetition = repetition.into().filter(u8::is_ascii).map(char::from);
        let mut declared = Self::default();
        for (at, name) in msh18.split(|c| Some(c) == repetition).enumerate() {
            let name = name.trim();
            // Nothing said, or `""`.
            if name.is_empty() || name == "\"\"" {
                continue;
            }
            match Charset::from_name(name) {
                Some(charset) if at == 0 => declared.first = Some(charset),
                Some(charset) => declared.others.push(charset),
                None => declared.unknown = true,
            }
        }
        declared
    }
}

/// A message's text, and what it turned out to be written in.
#[derive(Debug, Clone)]
pub struct DecodedText<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// The character set the bytes outside shifts were read in.
    pub charset: Charset,
    /// Whether ISO 2022 shifts were followed.
    pub shifted: bool,
}

/// Decodes the bytes of a message. `msh18` is the field as sent. Borrows when the bytes are the text
/// already: ASCII without escape sequences, or UTF-8.
pub fn decode<'a>(
    raw: &'a [u8],
    msh18: &str,
    repetition: impl Into<Option<u8>>,
    default: Charset,
    findings: &mut Vec<Finding>,
) -> Cow<'a, str> {
    if msh18.is_empty() && memchr(0x1B, raw).is_none() && raw.is_ascii() {
        return Cow::Borrowed(std::str::from_utf8(raw).unwrap_or_default());
    }
    decode_declared(raw, &Declared::parse(msh18, repetition), default, findings).text
}

/// Decodes the bytes of a message by its own MSH-18; see [`msh18`].
pub fn decode_message<'a>(raw: &'a [u8], default: Charset, findings: &mut Vec<Finding>) -> DecodedText<'a> {
    let (field, repetition) = msh18(raw);
    decode_declared(raw, &Declared::parse(&field, repetition), default, findings)
}

/// MSH-18 as sent and the repetition separator, from the raw bytes of a message that begins with MSH.
/// Both are empty when the header has none.
pub fn msh18(raw: &[u8]) -> (Cow<'_, str>, Option<u8>) {
    let Some(&separator) = raw.get(3) else {
        return (Cow::Borrowed(""), None);
    };
    let end = memchr::memchr2(b'\r', b'\n', raw).unwrap_or(raw.len());
    let mut fields = raw[..end].split(|&byte| byte == separator);
    let repetition = fields.nth(1).and_then(|encoding_characters| encoding_characters.get(1)).copied();
    (fields.nth(15).map_or(Cow::Borrowed(""), String::from_utf8_lossy), repetition)
}

/// Decodes by what MSH-18 says.
pub fn decode_declared<'a>(raw: &'a [u8], declared: &Declared, default: Charset, findings: &mut Vec<Finding>) -> DecodedText<'a> {
    if declared.unknown {
        findings.push(finding("charset-unknown", Severity::Warning, "MSH-18 names a character set that is not in HL7 table 0211".into()));
    }
    let first = declared.first.filter(|charset| {
        let supported = !matches!(charset.codec(), Codec::Unsupported);
        if !supported {
            let message = format!("{} cannot be decoded here; ask the sender for UNICODE UTF-8", charset.name());
            findings.push(finding("charset-unsupported", Severity::Warning, message));
        }
        supported
    });
    let unicode_only = declared.others.is_empty() && first.is_some_and(|charset| matches!(charset.codec(), Codec::Utf8));
    if !unicode_only && memchr(0x1B, raw).is_some() && iso2022::has_designation(raw) {
        return decode_shifted(raw, first, declared, default, findings);
    }
    decode_plain(raw, first, default, findings)
}

fn decode_plain<'a>(raw: &'a [u8], first: Option<Charset>, default: Charset, findings: &mut Vec<Finding>) -> DecodedText<'a> {
    let plain = |text, charset| DecodedText { text, charset, shifted: false };
    let utf8 = std::str::from_utf8(raw).ok();
    if let Some(text) = utf8.filter(|text| text.is_ascii()) {
        return plain(Cow::Borrowed(text), first.unwrap_or(Charset::Ascii));
    }
    if let Some((charset, text)) = first.and_then(|charset| Some((charset, charset.codec().decode(raw)?))) {
        if utf8.is_some() && charset.codec().is_single_byte() {
            let message = format!("MSH-18 says {}, but the text looks like UNICODE UTF-8; it is read as declared", charset.name());
            findings.push(finding("charset-suspect", Severity::Warning, message));
        }
        return plain(text, charset);
    }
    match (first, utf8) {
        (Some(charset), Some(text)) => {
            findings.push(mismatch(charset, Charset::Utf8));
            plain(Cow::Borrowed(text), Charset::Utf8)
        }
        (Some(charset), None) => {
            let (text, used) = decode_default(raw, default);
            findings.push(mismatch(charset, used));
            plain(text, used)
        }
        (None, Some(text)) => {
            let message = "the text is not ASCII and MSH-18 names no character set; it is valid UNICODE UTF-8 and read as that";
            findings.push(finding("charset-undeclared", Severity::Warning, message.into()));
            plain(Cow::Borrowed(text), Charset::Utf8)
        }
        (None, None) => {
            let (text, used) = decode_default(raw, default);
            let message = format!("the text is not ASCII and MSH-18 names no character set; it is read as {}", used.name());
            findings.push(finding("charset-fallback", Severity::Warning, message));
            plain(text, used)
        }
    }
}

fn decode_shifted<'a>(
    raw: &'a [u8],
    first: Option<Charset>,
    declared: &Declared,
    default: Charset,
    findings: &mut Vec<Finding>,
) -> DecodedText<'a> {
    let outside = first.unwrap_or(Charset::Ascii);
    let decoded = iso2022::decode(raw, outside.codec());
    if decoded.designated.iter().any(|charset| !may_shift_to(*charset, declared)) {
        let message = "an escape sequence shifts to a character set that MSH-18 does not name; it is followed";
        findings.push(finding("charset-undeclared", Severity::Warning, message.into()));
    }
    if decoded.unmapped > 0 {
        let message =
            format!("{} shifted characters are not in their character set; they are kept as private characters", decoded.unmapped);
        findings.push(finding("charset-mismatch", Severity::Error, message));
    }
    if let Some(text) = decoded.text {
        return DecodedText { text: Cow::Owned(text), charset: outside, shifted: true };
    }
    // Bytes outside the shifts are not what MSH-18 says: the same choice as for plain text.
    let used = if iso2022::decode(raw, Codec::Utf8).text.is_some() {
        Charset::Utf8
    } else if iso2022::decode(raw, default.codec()).text.is_some() {
        default
    } else {
        Charset::Windows1252
    };
    findings.push(match first {
        Some(charset) => mismatch(charset, used),
        None if used == Charset::Utf8 => finding(
            "charset-undeclared",
            Severity::Warning,
            "text outside shifts is not ASCII and MSH-18 does not name its character set".into(),
        ),
        None => finding("charset-fallback", Severity::Warning, format!("text outside shifts is not ASCII; it is read as {}", used.name())),
    });
    let text = iso2022::decode(raw, used.codec()).text.unwrap_or_default();
    DecodedText { text: Cow::Owned(text), charset: used, shifted: true }
}

/// Whether MSH-18 allows a shift. JIS X 0201 belongs to every Japanese set, GB 2312 to GB 18030.
fn may_shift_to(designated: Charset, declared: &Declared) -> bool {
    declared.first.iter().chain(&declared.others).any(|&named| {
        named == designated
            || (designated == Charset::IsoIr14 && matches!(named, Charset::IsoIr87 | Charset::IsoIr159))
            || (designated == Charset::Gb2312 && named == Charset::Gb18030)
    })
}

/// The default, or windows-1252, which has a character for every byte.
fn decode_default(raw: &[u8], default: Charset) -> (Cow<'_, str>, Charset) {
    if let Some(text) = default.codec().decode(raw) {
        return (text, default);
    }
    let text = Charset::Windows1252.codec().decode(raw);
    (text.unwrap_or_else(|| raw.iter().map(|&byte| char::from(byte)).collect()), Charset::Windows1252)
}

fn finding(code: &'static str, severity: Severity, message: String) -> Finding {
    Finding::new(code, severity, "MSH-18", message)
}

fn mismatch(declared: Charset, used: Charset) -> Finding {
    let message = format!("MSH-18 says {}, but the bytes are not valid in it; they are read as {}", declared.name(), used.name());
    finding("charset-mismatch", Severity::Error, message)
}

/// A text that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A character that the character set does not have.
    #[error("{charset} has no code for the character at byte {position} of the text; choose UNICODE UTF-8 in MSH-18")]
    Unmappable {
        /// Name from table 0211.
        charset: &'static str,
        /// Byte position in the text.
        position: usize,
    },
    /// No encoder here.
    #[error("{charset} cannot be written here; choose UNICODE UTF-8 in MSH-18")]
    Unsupported {
        /// Name from table 0211.
        charset: &'static str,
    },
}

/// Bytes of a text in one character set. The Japanese sets ISO IR87 and ISO IR159 come with their
/// shifts, back to ASCII at the end of every stretch; UTF-16 and UTF-32 big-endian without byte order mark.
pub fn encode(text: &str, charset: Charset) -> Result<Vec<u8>, EncodeError> {
    match charset {
        Charset::Utf16 => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        Charset::Utf32 => Ok(text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
        _ => encode_within(text, &Declared { first: Some(charset), ..Declared::default() }, Charset::Ascii),
    }
}

/// Bytes of a text inside a message whose MSH-18 is `declared`: its character set, and shifts to the
/// others for what that lacks. `default` stands in where MSH-18 names none and the text is not ASCII.
/// Text of a message that declares UTF-16 or UTF-32 is UTF-8, as such a message is transcoded as a whole.
pub fn encode_within(text: &str, declared: &Declared, default: Charset) -> Result<Vec<u8>, EncodeError> {
    if text.is_ascii() {
        return Ok(text.as_bytes().to_vec());
    }
    let first = declared.first.unwrap_or(if declared.others.is_empty() { default } else { Charset::Ascii });
    if matches!(first.codec(), Codec::Unsupported) {
        return Err(EncodeError::Unsupported { charset: first.name() });
    }
    let position = match first.codec().encode(text) {
        Ok(bytes) => return Ok(bytes),
        Err(position) => position,
    };
    let sets: Vec<Charset> =
        std::iter::once(first).chain(declared.others.iter().copied()).filter(|set| iso2022::can_shift_to(*set)).collect();
    if sets.is_empty() {
        return Err(EncodeError::Unmappable { charset: first.name(), position });
    }
    iso2022::encode(text, first, &sets).map_err(|position| EncodeError::Unmappable { charset: first.name(), position })
}

/// A name that is no character set known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a character set of HL7 table 0211; write for example \"UNICODE UTF-8\", \"8859/1\" or \"windows-1252\"")]
pub struct UnknownCharset;

impl FromStr for Charset {
    type Err = UnknownCharset;

    fn from_str(name: &str) -> Result<Self, UnknownCharset> {
        Self::from_name(name).ok_or(UnknownCharset)
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Charset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Charset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
