//! Bytes as sent to UTF-8 text, and offsets in the text back to offsets in the bytes.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use sutura_core::{Finding, Severity};

use crate::{
    error::{CcdaError, CcdaErrorKind},
    limits::Limits,
};

/// A point of the map is set every so many bytes of text.
const POINT_EVERY: usize = 4096;

/// A document as UTF-8.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) map: OffsetMap,
    /// The encoding's name.
    pub(crate) encoding: &'static str,
}

/// Where the bytes of the text were in the source.
#[derive(Debug)]
pub(crate) enum OffsetMap {
    /// Behind a byte order mark of this length, else byte for byte.
    Shifted(usize),
    /// From the last point on, the source has so much for each letter of the text.
    Points { points: Vec<(u32, u32)>, per_letter: PerLetter },
}

/// How much of the source a letter took.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PerLetter {
    /// As many bytes as in the text.
    Same,
    /// One byte.
    One,
    /// Two bytes for each UTF-16 unit.
    Utf16,
}

impl OffsetMap {
    /// The offset in the source.
    pub(crate) fn source(&self, text: &str, at: usize) -> usize {
        match self {
            Self::Shifted(mark) => at + mark,
            Self::Points { points, per_letter } => {
                let (from, source) =
                    points.get(points.partition_point(|point| point.0 as usize <= at).saturating_sub(1)).copied().unwrap_or_default();
                let between = text.get(from as usize..at).unwrap_or_default();
                let length = match per_letter {
                    PerLetter::Same => at - from as usize,
                    PerLetter::One => between.chars().count(),
                    PerLetter::Utf16 => 2 * between.chars().map(char::len_utf16).sum::<usize>(),
                };
                source as usize + length
            }
        }
    }
}

/// Decodes a document: by its byte order mark, else by its declaration, else UTF-8.
pub(crate) fn decode(bytes: Bytes, limits: &Limits, findings: &mut Vec<Finding>) -> Result<Decoded, CcdaError> {
    if bytes.len() > limits.bytes.min(Limits::MOST_BYTES) {
        return Err(CcdaError { kind: CcdaErrorKind::TooLarge, offset: 0 });
    }
    match bytes.get(..4).unwrap_or(&bytes) {
        [0xEF, 0xBB, 0xBF, ..] => return Ok(utf8(bytes.slice(3..), 3, findings)),
        [0xFF, 0xFE, ..] => return utf16(&bytes, 2, UTF_16LE, limits, findings),
        [0xFE, 0xFF, ..] => return utf16(&bytes, 2, UTF_16BE, limits, findings),
        [b'<', 0, ..] => return utf16(&bytes, 0, UTF_16LE, limits, findings),
        [0, b'<', ..] => return utf16(&bytes, 0, UTF_16BE, limits, findings),
        _ => {}
    }
    let Some((label, offset)) = declared(&bytes) else { return Ok(utf8(bytes, 0, findings)) };
    let encoding = Encoding::for_label(label).ok_or(CcdaError { kind: CcdaErrorKind::Encoding, offset })?;
    if encoding == UTF_8 {
        return Ok(utf8(bytes, 0, findings));
    }
    if encoding == UTF_16LE || encoding == UTF_16BE {
        findings.push(Finding::new(
            "encoding-mismatch",
            Severity::Warning,
            "",
            "the document declares UTF-16, but is written in bytes; read as UTF-8",
        ));
        return Ok(utf8(bytes, 0, findings));
    }
    if !encoding.is_single_byte() {
        return Err(CcdaError { kind: CcdaErrorKind::Encoding, offset });
    }
    // Most such documents hold ASCII only.
    if bytes.is_ascii() {
        return Ok(Decoded { encoding: encoding.name(), ..utf8(bytes, 0, findings) });
    }
    let (text, had_errors) = encoding.decode_without_bom_handling(&bytes);
    if had_errors {
        findings.push(Finding::new(
            "encoding-mismatch",
            Severity::Error,
            "",
            "the document holds bytes that its declared encoding does not have; they are replaced",
        ));
    }
    let text = text.into_owned();
    let map = points(&text, 0, PerLetter::One);
    Ok(Decoded { text, map, encoding: encoding.name() })
}

/// A document that could be read, as text.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let limits = Limits { bytes: Limits::MOST_BYTES, ..Limits::default() };
    decode(Bytes::copy_from_slice(bytes), &limits, &mut Vec::new()).map(|decoded| decoded.text).unwrap_or_default()
}

/// The label of the XML declaration's encoding, and its offset.
fn declared(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let head = bytes[start..].get(..256).unwrap_or(&bytes[start..]);
    let head = head.strip_prefix(b"<?xml").map(|rest| &rest[..memchr::memchr(b'>', rest).unwrap_or(rest.len())])?;
    let from = start + 5;
    let at = memchr::memmem::find(head, b"encoding")? + 8;
    let at = at + head[at..].iter().position(|byte| matches!(byte, b'"' | b'\''))?;
    let label = &head[at + 1..];
    let length = memchr::memchr(head[at], label)?;
    Some((label[..length].trim_ascii(), from + at + 1))
}

fn utf8(bytes: Bytes, mark: usize, findings: &mut Vec<Finding>) -> Decoded {
    // Takes the bytes over without copying them when nobody else holds them.
    match String::from_utf8(Vec::from(bytes)) {
        Ok(text) => Decoded { text, map: OffsetMap::Shifted(mark), encoding: UTF_8.name() },
        Err(error) => {
            findings.push(Finding::new(
                "encoding-mismatch",
                Severity::Error,
                "",
                "the document holds bytes that are not UTF-8; each is read as Windows-1252",
            ));
            mended(error.as_bytes(), mark)
        }
    }
}

/// UTF-8 with other bytes in it: those are taken for Windows-1252, so that none is lost.
fn mended(bytes: &[u8], mark: usize) -> Decoded {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    let mut points = vec![(0, mark as u32)];
    let mut source = mark;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        source += chunk.valid().len();
        if chunk.invalid().is_empty() {
            continue;
        }
        let (letters, _) = WINDOWS_1252.decode_without_bom_handling(chunk.invalid());
        text.push_str(&letters);
        source += chunk.invalid().len();
        points.push((text.len() as u32, source as u32));
    }
    Decoded { text, map: OffsetMap::Points { points, per_letter: PerLetter::Same }, encoding: UTF_8.name() }
}

fn utf16(
    bytes: &[u8],
    mark: usize,
    encoding: &'static Encoding,
    limits: &Limits,
    findings: &mut Vec<Finding>,
) -> Result<Decoded, CcdaError> {
    let (text, had_errors) = encoding.decode_without_bom_handling(&bytes[mark..]);
    if had_errors {
        findings.push(Finding::new(
            "encoding-mismatch",
            Severity::Error,
            "",
            "the document holds surrogates that do not pair; they are replaced",
        ));
    }
    // Three bytes for two at most.
    if text.len() > limits.bytes.min(Limits::MOST_BYTES).saturating_mul(2) {
        return Err(CcdaError { kind: CcdaErrorKind::TooLarge, offset: 0 });
    }
    let text = text.into_owned();
    let map = points(&text, mark, PerLetter::Utf16);
    Ok(Decoded { text, map, encoding: encoding.name() })
}

fn points(text: &str, mark: usize, per_letter: PerLetter) -> OffsetMap {
    let mut points = vec![(0, mark as u32)];
    let (mut source, mut due) = (mark, POINT_EVERY);
    for (at, letter) in text.char_indices() {
        if at >= due {
            points.push((at as u32, source as u32));
            due = at + POINT_EVERY;
        }
        source += match per_letter {
            PerLetter::Same => letter.len_utf8(),
            PerLetter::One => 1,
            PerLetter::Utf16 => 2 * letter.len_utf16(),
        };
    }
    OffsetMap::Points { points, per_letter }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Decoded, Vec<&'static str>) {
        let mut findings = Vec::new();
        let decoded = decode(Bytes::copy_from_slice(bytes), &Limits::default(), &mut findings).unwrap();
        (decoded, findings.iter().map(|finding| finding.code).collect())
    }

    /// Wherever the letter is found in the text, its bytes are where the map says.
    fn source_of(bytes: &[u8], letter: char) -> usize {
        let (decoded, _) = read(bytes);
        decoded.map.source(&decoded.text, decoded.text.find(letter).unwrap())
    }

    #[test]
    fn each_encoding_is_read_and_mapped_back() {
        let text = "<?xml version='1.0' encoding='utf-16'?><a>\u{e9}\u{1F600}x</a>";
        for (little, mark) in [(true, true), (true, false), (false, true), (false, false)] {
            let units = std::iter::repeat_n(0xFEFF, usize::from(mark)).chain(text.encode_utf16());
            let bytes: Vec<u8> = units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect();
            let (decoded, findings) = read(&bytes);
            assert_eq!(decoded.text, text);
            assert!(findings.is_empty());
            let at = source_of(&bytes, '\u{1F600}');
            assert_eq!(bytes[at..at + 2], if little { 0xD83D_u16.to_le_bytes() } else { 0xD83D_u16.to_be_bytes() });
        }
        let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9\x80x</a>";
        let (decoded, findings) = read(latin);
        assert!(decoded.text.ends_with("<a>\u{e9}\u{20ac}x</a>") && findings.is_empty());
        assert_eq!(latin[source_of(latin, 'x').max(46)], latin[46]);
        assert_eq!(source_of(latin, '\u{20ac}'), 47);
        let marked = b"\xEF\xBB\xBF<a>q</a>";
        assert_eq!(source_of(marked, 'q'), 6);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_kept_and_reported() {
        let bytes = b"<a>\xe9 and \xc3\xa9 q\xff z</a>";
        let (decoded, findings) = read(bytes);
        assert_eq!(decoded.text, "<a>\u{e9} and \u{e9} q\u{ff} z</a>");
        assert_eq!(findings, ["encoding-mismatch"]);
        assert_eq!((source_of(bytes, 'q'), source_of(bytes, 'z')), (12, 15));
    }

    #[test]
    fn other_encodings_are_refused() {
        for label in ["Shift_JIS", "EBCDIC", ""] {
            let text = format!("<?xml version='1.0' encoding='{label}'?><a/>");
            let error = decode(text.into(), &Limits::default(), &mut Vec::new()).unwrap_err();
            assert_eq!((error.kind, error.offset), (CcdaErrorKind::Encoding, 30), "{label}");
        }
        let limits = Limits { bytes: 3, ..Limits::default() };
        assert_eq!(decode(Bytes::from_static(b"<a/>"), &limits, &mut Vec::new()).unwrap_err().kind, CcdaErrorKind::TooLarge);
    }
}
