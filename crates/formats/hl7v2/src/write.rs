//! Messages that can be changed: [`MessageBuf`] edits one as it was received, [`MessageBuilder`] makes
//! a new one, [`SegmentWriter`] writes many of them fast.
//!
//! A `MessageBuf` keeps the bytes it was read from. What is not edited is written back byte for byte:
//! terminators, blank lines, broken escapes, everything. An edited segment keeps the bytes of its other
//! fields too, as long as its character set has no shifts or multi-byte codes other than UTF-8; in
//! those the edited segment is encoded anew from its text.

use std::{borrow::Cow, fmt, ops::Range};

use crate::{
    charset::{self, Charset, Declared, EncodeError, decode_declared, encode_within},
    escape::{can_escape, unescape},
    lex::{self, Delimiters},
    message::{MessageError, segment_ranges},
    path::{Path, SegmentName},
};

mod build;

pub use build::{MessageBuilder, SegmentWriter};

/// Highest field, repetition, component or sub-component number that is written.
pub const MAX_PLACE: usize = 10_000;

/// Why an edit was refused. The message is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The segment is not there.
    #[error("the message has no such segment; append or insert it first")]
    NoSegment,
    /// MSH-1 and MSH-2 (also of FHS, BHS).
    #[error("the delimiters in field 1 and 2 of a header segment cannot be changed")]
    Delimiters,
    /// MSH-18.
    #[error("MSH-18 says how the whole message is encoded; change it with set_charset")]
    CharacterSet,
    /// The message does not state the delimiter that the path needs.
    #[error("MSH-2 states no {role} separator, so this part cannot be written")]
    NoDelimiter {
        /// Which delimiter.
        role: &'static str,
    },
    /// The text holds delimiters and the message states no escape character.
    #[error("the text holds delimiters, and MSH-2 states no escape character to write them with")]
    NoEscape,
    /// 0, or a number beyond [`MAX_PLACE`].
    #[error("the path has a number that is 0 or above {MAX_PLACE}")]
    OutOfRange,
    /// The MSH segment stays first.
    #[error("the MSH segment comes first and cannot be moved or removed")]
    Header,
    /// The segment holds stray shifts of ISO 2022, and with the edit its bytes would say something else.
    #[error("the segment holds stray character set escapes, so the edit would not read back; write the segment anew")]
    StrayShifts,
    /// The text cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A message that can be edited. See the module's text for what is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageBuf {
    segments: Vec<RawSegment>,
    delimiters: Delimiters,
    declared: Declared,
    /// What the bytes were found to be in.
    charset: Charset,
    shifted: bool,
}

/// A segment's bytes, and what stands between it and the next.
#[derive(Clone, PartialEq, Eq)]
struct RawSegment {
    bytes: Vec<u8>,
    end: Vec<u8>,
}

impl fmt::Debug for MessageBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageBuf({} segments, {})", self.segments.len(), self.charset)
    }
}

impl MessageBuf {
    /// Reads the bytes of one message, beginning with `MSH`. `default` is the character set of text
    /// that declares none (see [`charset`]).
    pub fn parse(raw: &[u8], default: Charset) -> Result<Self, MessageError> {
        if !raw.starts_with(b"MSH") || raw.len() > u32::MAX as usize {
            return Err(MessageError::NoHeader);
        }
        let delimiters = Delimiters::from_header(raw).ok_or(MessageError::BadDelimiters)?;
        let (mut line_ends, mut ranges) = (Vec::new(), Vec::new());
        lex::line_ends(raw, 0, &mut line_ends);
        segment_ranges(raw, delimiters.field, &line_ends, 0, |start, end| ranges.push((start, end)));
        let starts = ranges.iter().skip(1).map(|range| range.0 as usize).chain([raw.len()]);
        let segments = ranges
            .iter()
            .zip(starts)
            .map(|(&(start, end), next)| RawSegment {
                bytes: raw[start as usize..end as usize].to_vec(),
                end: raw[end as usize..next].to_vec(),
            })
            .collect();
        let (msh18, repetition) = charset::msh18(raw);
        let declared = Declared::parse(&msh18, repetition);
        let decoded = decode_declared(raw, &declared, default, &mut Vec::new());
        let (charset, shifted) = (decoded.charset, decoded.shifted);
        // Text in ASCII so far, and nothing declared: what is added is in the default.
        let charset = if declared.first.is_none() && charset == Charset::Ascii && declared.others.is_empty() { default } else { charset };
        Ok(Self { segments, delimiters, declared, charset, shifted })
    }

    /// The message's bytes. Without an edit these are the bytes it was read from.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }

    /// Appends the message's bytes.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        for segment in &self.segments {
            out.extend_from_slice(&segment.bytes);
            out.extend_from_slice(&segment.end);
        }
    }

    /// The message as text, for [`crate::Message::parse`].
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            text.push_str(&self.decode(&segment.bytes));
            text.push_str(&String::from_utf8_lossy(&segment.end));
        }
        text
    }

    /// The delimiters it states.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// The character set its bytes are in.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// The segments' names in order.
    pub fn segment_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.segments.iter().map(|segment| String::from_utf8_lossy(self.name(segment)))
    }

    /// Plain text at a path; `None` when the segment is not there, empty text when the field is not. A
    /// path without repetition or component reads the whole field with its delimiters.
    pub fn get(&self, path: &Path) -> Option<String> {
        let segment = &self.segments[self.find(path)?];
        if self.is_header(segment) && path.field <= 2 {
            let encoding_characters = locate(&segment.bytes, &Path { component: None, ..*path }, &self.delimiters, true);
            let raw = if path.field == 2 {
                encoding_characters.map_or(&b""[..], |range| &segment.bytes[range])
            } else {
                &[self.delimiters.field]
            };
            return Some(String::from_utf8_lossy(raw).into_owned());
        }
        let text = self.decode(&segment.bytes);
        let raw = locate(text.as_bytes(), path, &self.delimiters, self.is_header(segment)).map_or("", |range| &text[range]);
        Some(unescape(raw, &self.delimiters).into_owned())
    }

    /// Replaces what stands at a path by plain text, which is escaped and encoded. Missing fields,
    /// repetitions and components on the way are added. A path to a whole field replaces all of its
    /// repetitions.
    pub fn set(&mut self, path: &Path, text: &str) -> Result<(), WriteError> {
        if !can_escape(text, &self.delimiters) {
            return Err(WriteError::NoEscape);
        }
        let mut wire = String::with_capacity(text.len());
        build::push_value(text, &self.delimiters, &mut wire);
        self.replace(path, &wire)
    }

    /// Writes `""` at a path: the receiver shall delete the value.
    pub fn set_null(&mut self, path: &Path) -> Result<(), WriteError> {
        self.replace(path, "\"\"")
    }

    /// Empties a path: no statement about the value.
    pub fn clear(&mut self, path: &Path) -> Result<(), WriteError> {
        self.replace(path, "")
    }

    /// Adds an empty segment at the end and says which one of its name it is.
    pub fn append(&mut self, name: SegmentName) -> usize {
        let end = self.usual_end();
        if let Some(last) = self.segments.last_mut().filter(|last| !last.end.iter().any(|byte| matches!(byte, b'\r' | b'\n'))) {
            last.end.splice(0..0, end.iter().copied());
        }
        self.segments.push(RawSegment { bytes: name.as_str().into(), end });
        self.occurrences(name.as_str())
    }

    /// Inserts an empty segment before the one at `position` (0-based, MSH is 0) and says which one
    /// of its name it is.
    pub fn insert_segment(&mut self, position: usize, name: SegmentName) -> Result<usize, WriteError> {
        match position {
            0 => Err(WriteError::Header),
            _ if position > self.segments.len() => Err(WriteError::NoSegment),
            _ if position == self.segments.len() => Ok(self.append(name)),
            _ => {
                let end = self.usual_end();
                self.segments.insert(position, RawSegment { bytes: name.as_str().into(), end });
                Ok(self.segments[..=position].iter().filter(|segment| self.name(segment) == name.as_str().as_bytes()).count())
            }
        }
    }

    /// Removes the segment at `position` (0-based) with its terminator.
    pub fn remove_segment(&mut self, position: usize) -> Result<(), WriteError> {
        match position {
            0 => Err(WriteError::Header),
            _ if position >= self.segments.len() => Err(WriteError::NoSegment),
            _ => {
                self.segments.remove(position);
                Ok(())
            }
        }
    }

    /// Encodes the whole message in another character set and says so in MSH-18. UTF-16 and UTF-32
    /// are refused: they are a matter of the whole file or connection.
    pub fn set_charset(&mut self, charset: Charset) -> Result<(), WriteError> {
        if matches!(charset, Charset::Utf16 | Charset::Utf32) {
            return Err(EncodeError::Unsupported { charset: charset.name() }.into());
        }
        let declared = Declared { first: Some(charset), ..Declared::default() };
        let mut changed = self.clone();
        changed.declared = declared;
        changed.shifted = false;
        changed.charset = charset;
        for segment in &mut changed.segments {
            segment.bytes = encode_within(&self.decode(&segment.bytes), &changed.declared, charset)?;
        }
        let path = Path::field("MSH", 18).ok_or(WriteError::NoSegment)?;
        let header = &mut changed.segments[0].bytes;
        *header = splice(header, &path, &self.delimiters, true, charset.name().as_bytes())?;
        *self = changed;
        Ok(())
    }

    fn replace(&mut self, path: &Path, wire: &str) -> Result<(), WriteError> {
        let numbers = [Some(path.field), path.repetition, path.component, path.subcomponent];
        if numbers.into_iter().flatten().any(|number| number == 0 || number > MAX_PLACE) {
            return Err(WriteError::OutOfRange);
        }
        let at = self.find(path).ok_or(WriteError::NoSegment)?;
        let segment = &self.segments[at];
        let is_header = self.is_header(segment);
        if is_header && path.field <= 2 {
            return Err(WriteError::Delimiters);
        }
        if at == 0 && path.field == 18 {
            return Err(WriteError::CharacterSet);
        }
        let text = self.decode(&segment.bytes);
        let edited = splice(text.as_bytes(), path, &self.delimiters, is_header, wire.as_bytes())?;
        let bytes = if self.keeps_bytes() {
            splice(&segment.bytes, path, &self.delimiters, is_header, &self.encode(wire)?)?
        } else {
            self.encode(&String::from_utf8_lossy(&edited))?
        };
        // An ESC that shifted nothing may do so before other bytes.
        if bytes.contains(&0x1B) && self.decode(&bytes).as_bytes() != edited {
            return Err(WriteError::StrayShifts);
        }
        self.segments[at].bytes = bytes;
        Ok(())
    }

    /// Whether a delimiter byte is always a delimiter, so that bytes can be cut at them.
    fn keeps_bytes(&self) -> bool {
        let codec = self.charset.codec();
        !self.shifted
            && self.declared.others.is_empty()
            && (codec.is_single_byte() || matches!(codec, charset::Codec::Utf8))
            && !self.is_japanese()
    }

    /// ISO IR87 and ISO IR159 are written with shifts even when they are the only set.
    fn is_japanese(&self) -> bool {
        matches!(self.charset, Charset::IsoIr87 | Charset::IsoIr159)
    }

    /// What [`encode_within`] and [`decode_declared`] shall go by: what the bytes are, not what was said.
    fn effective(&self) -> Declared {
        let others = if self.charset == Charset::Utf8 && !self.shifted { Vec::new() } else { self.declared.others.clone() };
        Declared { first: Some(self.charset), others, unknown: false }
    }

    fn decode<'a>(&self, raw: &'a [u8]) -> Cow<'a, str> {
        if raw.is_ascii() && !raw.contains(&0x1B) {
            return String::from_utf8_lossy(raw);
        }
        decode_declared(raw, &self.effective(), self.charset, &mut Vec::new()).text
    }

    fn encode(&self, text: &str) -> Result<Vec<u8>, EncodeError> {
        encode_within(text, &self.effective(), self.charset)
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let nth = path.segment_occurrence.unwrap_or(1).checked_sub(1)?;
        let same = |segment: &RawSegment| self.name(segment) == path.segment_name().as_bytes();
        self.segments.iter().enumerate().filter(|(_, segment)| same(segment)).nth(nth).map(|(at, _)| at)
    }

    fn occurrences(&self, name: &str) -> usize {
        self.segments.iter().filter(|segment| self.name(segment) == name.as_bytes()).count()
    }

    fn name<'a>(&self, segment: &'a RawSegment) -> &'a [u8] {
        let end = segment.bytes.iter().position(|&byte| byte == self.delimiters.field).unwrap_or(segment.bytes.len());
        segment.bytes[..end].trim_ascii()
    }

    fn is_header(&self, segment: &RawSegment) -> bool {
        matches!(self.name(segment), b"MSH" | b"FHS" | b"BHS")
    }

    /// The terminator the message uses: CRLF, LF or CR.
    fn usual_end(&self) -> Vec<u8> {
        match self.segments.first().map(|segment| segment.end.as_slice()) {
            Some([b'\r', b'\n', ..]) => b"\r\n".to_vec(),
            Some([b'\n', ..]) => b"\n".to_vec(),
            _ => b"\r".to_vec(),
        }
    }
}

/// One step from a part to a part inside it: the separator, and which one (0-based).
type Step = (Option<u8>, usize, &'static str);

fn steps(path: &Path, d: &Delimiters, is_header: bool) -> [Option<Step>; 4] {
    let inside = path.repetition.is_some() || path.component.is_some();
    // MSH-1 is the separator itself, so part 1 of the split segment is MSH-2.
    let field = if is_header { path.field.saturating_sub(1) } else { path.field };
    let zero_based = |number: usize| number.saturating_sub(1);
    [
        Some((Some(d.field), field, "field")),
        inside.then(|| (d.repetition, zero_based(path.repetition.unwrap_or(1)), "repetition")),
        path.component.map(|number| (Some(d.component), zero_based(number), "component")),
        path.subcomponent.map(|number| (d.subcomponent, zero_based(number), "sub-component")),
    ]
}

/// Where the part at a path stands in a segment, if it is there.
fn locate(segment: &[u8], path: &Path, d: &Delimiters, is_header: bool) -> Option<Range<usize>> {
    let mut range = 0..segment.len();
    for (separator, at, _) in steps(path, d, is_header).into_iter().flatten() {
        range = nth_part(segment, range, separator, at).ok()?;
    }
    Some(range)
}

/// The segment with the part at a path replaced; what is missing on the way is added.
fn splice(segment: &[u8], path: &Path, d: &Delimiters, is_header: bool, value: &[u8]) -> Result<Vec<u8>, WriteError> {
    let mut range = 0..segment.len();
    let mut missing = Vec::new();
    for (separator, at, role) in steps(path, d, is_header).into_iter().flatten() {
        if separator.is_none() && at > 0 {
            return Err(WriteError::NoDelimiter { role });
        }
        // What lies below a field that was to be deleted starts empty.
        if &segment[range.clone()] == b"\"\"" && missing.is_empty() && role != "field" {
            if value.is_empty() {
                return Ok(segment.to_vec());
            }
            missing.extend(std::iter::repeat_n(separator, at).flatten());
            continue;
        }
        if !missing.is_empty() || range.is_empty() {
            missing.extend(std::iter::repeat_n(separator, at).flatten());
            continue;
        }
        match nth_part(segment, range.clone(), separator, at) {
            Ok(part) => range = part,
            Err(there) => {
                missing.extend(std::iter::repeat_n(separator, at + 1 - there).flatten());
                range = range.end..range.end;
            }
        }
    }
    let mut out = Vec::with_capacity(segment.len() + missing.len() + value.len());
    out.extend_from_slice(&segment[..range.start]);
    // Clearing what is not there adds nothing.
    if !value.is_empty() {
        out.extend_from_slice(&missing);
        out.extend_from_slice(value);
    }
    out.extend_from_slice(&segment[range.end..]);
    Ok(out)
}

/// The range of the `at`-th part, or how many parts there are.
fn nth_part(bytes: &[u8], range: Range<usize>, separator: Option<u8>, at: usize) -> Result<Range<usize>, usize> {
    let Some(separator) = separator else {
        return if at == 0 { Ok(range) } else { Err(1) };
    };
    let mut start = range.start;
    let mut passed = 0;
    loop {
        let end = memchr::memchr(separator, &bytes[start..range.end]).map(|found| start + found);
        match (passed == at, end) {
            (true, end) => return Ok(start..end.unwrap_or(range.end)),
            (false, Some(end)) => start = end + 1,
            (false, None) => return Err(passed + 1),
        }
        passed += 1;
    }
}

#[cfg(test)]
mod tests;
