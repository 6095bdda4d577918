//! From bytes to a list of elements, in one pass, without recursion.
//!
//! Elements, items and sequences become [`Node`]s in the order of the bytes, each with the number of the node behind its content. Nothing is
//! copied: a node says where its value lies. A length is believed only if that many bytes are there.

use sutura_core::{Finding, Severity};

use crate::{
    dictionary,
    error::{DicomError, DicomErrorKind as Kind},
    limits::Limits,
    syntax::Encoding,
    tag::Tag,
    vr::Vr,
};

/// The length that says "until the delimiter".
const UNDEFINED: u32 = u32::MAX;
/// Findings kept of one file; a damaged one could have one for each element.
const MOST_FINDINGS: usize = 64;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Element,
    Sequence,
    Item,
    /// Pixel data in fragments.
    Fragments,
    Fragment,
}

/// One element, sequence, item or fragment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) tag: Tag,
    /// Where the value begins.
    pub(crate) start: u32,
    /// Bytes of the value; of an undefined length, up to the delimiter.
    pub(crate) length: u32,
    /// Number of the first node behind what is inside this one.
    pub(crate) end: u32,
    /// Bytes before the value: tag, VR, length.
    pub(crate) header: u8,
    pub(crate) vr: Vr,
    pub(crate) kind: NodeKind,
    flags: u8,
}

const FLAG_UNDEFINED: u8 = 1;
const FLAG_IMPLICIT: u8 = 2;
const FLAG_BIG: u8 = 4;
const FLAG_WAS_UN: u8 = 8;

impl Node {
    /// Whether the length was written as undefined.
    pub(crate) fn is_undefined(&self) -> bool {
        self.flags & FLAG_UNDEFINED != 0
    }

    /// Whether numbers have their most significant byte first.
    #[inline]
    pub(crate) fn is_big(&self) -> bool {
        self.flags & FLAG_BIG != 0
    }

    /// Whether the element was written as `UN` and is known to be something else.
    pub(crate) fn was_un(&self) -> bool {
        self.flags & FLAG_WAS_UN != 0
    }
}

/// What the nodes between two places are inside of.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// The node; `u32::MAX` for the data set itself.
    node: u32,
    /// Where it ends, or at the latest may end.
    end: usize,
    /// Whether it ends there, and not at a delimiter.
    defined: bool,
    kind: NodeKind,
    encoding: Encoding,
    /// Whether it was written as `UN` and only looks like a sequence: if it turns out to be none, it is bytes.
    tentative: bool,
    /// Whether the encoding of each item is to be looked at.
    unsure: bool,
}

/// Reads data sets into nodes.
pub(crate) struct Parser<'b> {
    bytes: &'b [u8],
    limits: &'b Limits,
    /// Whether to end at the pixel data, as the bytes may be those of a beginning.
    stops_at_pixels: bool,
    pub(crate) stopped: bool,
    pub(crate) nodes: Vec<Node>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) pixels_are_cut: bool,
    stack: Vec<Frame>,
}

/// A header: VR, its own length, length of the value.
struct Header {
    vr: Vr,
    bytes: u8,
    length: u32,
    flags: u8,
}

impl<'b> Parser<'b> {
    pub(crate) fn new(bytes: &'b [u8], limits: &'b Limits, stops_at_pixels: bool) -> Self {
        let room = (bytes.len() / 64).clamp(16, 512);
        Self {
            bytes,
            limits,
            stops_at_pixels,
            stopped: false,
            nodes: Vec::with_capacity(room),
            findings: Vec::new(),
            pixels_are_cut: false,
            stack: Vec::with_capacity(8),
        }
    }

    /// Reads the file meta information: the elements of group 0002, from `at`. Gives the place behind them.
    pub(crate) fn meta(&mut self, mut at: usize) -> Result<usize, DicomError> {
        let encoding = Encoding::ExplicitLittle;
        let frame =
            Frame { node: u32::MAX, end: self.bytes.len(), defined: true, kind: NodeKind::Item, encoding, tentative: false, unsure: false };
        while self.bytes.get(at..at + 2) == Some(&[2, 0]) {
            self.stack.push(frame);
            let next = self.data_set_step(&frame, at);
            // A sequence has no place here.
            let is_flat = self.stack.len() == 1;
            self.stack.clear();
            at = match next {
                Ok(next) if is_flat => next,
                Ok(_) => return Err(DicomError::new(Kind::BadSequence, at, None)),
                Err(error) if error.kind.is_cut() => return Err(DicomError { kind: Kind::MetaCut, ..error }),
                Err(error) => return Err(error),
            };
        }
        Ok(at)
    }

    /// Reads the data set that begins at `at` and goes to the end of the bytes.
    pub(crate) fn data_set(&mut self, mut at: usize, encoding: Encoding) -> Result<(), DicomError> {
        let root =
            Frame { node: u32::MAX, end: self.bytes.len(), defined: true, kind: NodeKind::Item, encoding, tentative: false, unsure: false };
        self.stack.push(root);
        while let Some(&frame) = self.stack.last() {
            if frame.defined && at >= frame.end {
                self.close(frame.end);
                continue;
            }
            let stepped = match frame.kind {
                NodeKind::Sequence => self.sequence_step(&frame, at),
                NodeKind::Fragments => Ok(self.fragments_step(&frame, at)),
                _ => self.data_set_step(&frame, at),
            };
            at = match stepped {
                Ok(next) => next,
                Err(error) => self.roll_back(error)?,
            };
            if self.stopped {
                break;
            }
        }
        Ok(())
    }

    /// Ends the innermost frame, whose content ends at `end`.
    fn close(&mut self, end: usize) {
        let Some(frame) = self.stack.pop() else { return };
        let behind = self.nodes.len() as u32;
        if let Some(node) = self.nodes.get_mut(frame.node as usize) {
            node.end = behind;
            node.length = (end as u32).saturating_sub(node.start);
        }
    }

    /// What only looked like a sequence is bytes.
    fn roll_back(&mut self, error: DicomError) -> Result<usize, DicomError> {
        let tentative = if error.kind == Kind::TooMany { None } else { self.stack.iter().rposition(|frame| frame.tentative) };
        let Some(at) = tentative else { return Err(error) };
        let frame = self.stack[at];
        self.stack.truncate(at);
        let place = frame.node as usize;
        self.nodes.truncate(place + 1);
        if let Some(node) = self.nodes.get_mut(place) {
            (node.kind, node.vr) = (NodeKind::Element, Vr::UN);
            node.flags &= !FLAG_WAS_UN;
            node.end = frame.node + 1;
            node.length = (frame.end as u32).saturating_sub(node.start);
        }
        Ok(frame.end)
    }

    fn error(kind: Kind, at: usize, tag: Tag) -> DicomError {
        DicomError::new(kind, at, Some(tag))
    }

    /// The pixel data is not all there.
    fn cut(&mut self, tag: Tag, at: usize, message: &str) {
        self.pixels_are_cut = true;
        self.finding("pixel-data-cut", Severity::Error, tag, at, message);
    }

    fn finding(&mut self, code: &'static str, severity: Severity, tag: Tag, at: usize, message: &str) {
        // What an error says is said once, however much else is odd.
        let is_wanted = match severity {
            Severity::Error => !self.findings.iter().rev().any(|known| known.code == code),
            _ => self.findings.len() < MOST_FINDINGS,
        };
        if is_wanted {
            self.findings.push(Finding::new(code, severity, tag.to_string(), format!("{message} (byte {at})")));
        }
    }

    #[inline]
    fn u16(&self, at: usize, big: bool) -> u16 {
        let pair = self.bytes.get(at..at + 2).and_then(|pair| <[u8; 2]>::try_from(pair).ok()).unwrap_or_default();
        if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    }

    #[inline]
    fn u32(&self, at: usize, big: bool) -> u32 {
        let four = self.bytes.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok()).unwrap_or_default();
        if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    }

    #[inline]
    fn tag(&self, at: usize, big: bool) -> Tag {
        Tag::new(self.u16(at, big), self.u16(at + 2, big))
    }

    fn push(&mut self, tag: Tag, at: usize, header: &Header, kind: NodeKind) -> Result<u32, DicomError> {
        if self.nodes.len() >= self.limits.elements {
            return Err(Self::error(Kind::TooMany, at, tag));
        }
        let place = self.nodes.len() as u32;
        self.nodes.push(Node {
            tag,
            start: (at + usize::from(header.bytes)) as u32,
            length: header.length,
            end: place + 1,
            header: header.bytes,
            vr: header.vr,
            kind,
            flags: header.flags,
        });
        Ok(place)
    }

    /// Goes into a node. `end` is where it ends, or `None` if a delimiter says.
    fn enter(&mut self, place: u32, kind: NodeKind, encoding: Encoding, end: Option<usize>, outer: &Frame) -> Result<(), DicomError> {
        if self.stack.len() > 2 * self.limits.depth {
            let node = &self.nodes[place as usize];
            return Err(Self::error(Kind::TooDeep, node.start as usize, node.tag));
        }
        self.stack.push(Frame {
            node: place,
            end: end.unwrap_or(outer.end),
            defined: end.is_some(),
            kind,
            encoding,
            tentative: false,
            unsure: false,
        });
        Ok(())
    }

    /// One element of a data set or an item. Gives the place where reading goes on.
    #[inline]
    fn data_set_step(&mut self, frame: &Frame, at: usize) -> Result<usize, DicomError> {
        let big = frame.encoding.is_big();
        let left = frame.end.saturating_sub(at);
        if left < 8 {
            return self.rest(frame, at);
        }
        let tag = self.tag(at, big);
        if tag.group() == 0xFFFE {
            return self.delimiter(frame, at, tag);
        }
        let header = self.header(frame, at, tag)?;
        let value = at + usize::from(header.bytes);
        if value > frame.end {
            return Err(Self::error(if frame.end == self.bytes.len() { Kind::HeaderCut } else { Kind::ValueOutside }, at, tag));
        }
        if header.length == UNDEFINED {
            return self.undefined(frame, at, tag, &header);
        }
        if self.stops_at_pixels && self.stack.len() == 1 && tag.is_pixel_data() {
            self.push(tag, at, &header, NodeKind::Element)?;
            self.stopped = true;
            return Ok(value);
        }
        let room = frame.end - value;
        if header.length as usize > room {
            return self.too_long(frame, at, tag, &header, room);
        }
        let end = value + header.length as usize;
        if header.vr == Vr::SQ {
            let encoding = if header.flags & FLAG_WAS_UN != 0 { Encoding::ImplicitLittle } else { frame.encoding };
            let unsure = header.flags & FLAG_WAS_UN != 0;
            let place = self.push(tag, at, &header, NodeKind::Sequence)?;
            self.enter(place, NodeKind::Sequence, encoding, Some(end), frame)?;
            if let Some(inner) = self.stack.last_mut() {
                (inner.tentative, inner.unsure) = (unsure, unsure);
            }
            return Ok(value);
        }
        // What nobody knows and begins as an item does is most likely a sequence.
        if header.vr == Vr::UN && header.length >= 8 && self.bytes.get(value..value + 4) == Some(&[0xFE, 0xFF, 0x00, 0xE0]) {
            let place = self.push(tag, at, &Header { vr: Vr::SQ, flags: header.flags | FLAG_WAS_UN, ..header }, NodeKind::Sequence)?;
            self.enter(place, NodeKind::Sequence, Encoding::ImplicitLittle, Some(end), frame)?;
            if let Some(inner) = self.stack.last_mut() {
                (inner.tentative, inner.unsure) = (true, true);
            }
            return Ok(value);
        }
        self.push(tag, at, &header, NodeKind::Element)?;
        Ok(end)
    }

    /// A few bytes that are too short for an element.
    fn rest(&mut self, frame: &Frame, at: usize) -> Result<usize, DicomError> {
        let rest = self.bytes.get(at..frame.end).unwrap_or_default();
        let tag = Tag(0);
        if !frame.defined && rest.is_empty() {
            self.finding("not-closed", Severity::Warning, tag, at, "an item of undefined length is not closed where its surroundings end");
            self.close(frame.end);
            return Ok(at);
        }
        if rest.iter().all(|byte| *byte == 0) && self.stack.len() == 1 {
            self.finding("trailing-bytes", Severity::Warning, tag, at, "a few zero bytes stand behind the last element");
            return Ok(frame.end);
        }
        let kind = if frame.end == self.bytes.len() { Kind::HeaderCut } else { Kind::ValueOutside };
        Err(DicomError::new(kind, at, None))
    }

    /// A tag of group FFFE where an element could be.
    fn delimiter(&mut self, frame: &Frame, at: usize, tag: Tag) -> Result<usize, DicomError> {
        let is_item = frame.node != u32::MAX;
        match tag {
            Tag::ITEM_END if is_item && !frame.defined => {
                self.close(at);
                Ok(at + 8)
            }
            Tag::SEQUENCE_END if is_item && !frame.defined => {
                self.finding("not-closed", Severity::Warning, tag, at, "an item of undefined length is not closed before its sequence is");
                self.close(at);
                Ok(at)
            }
            Tag::ITEM_END | Tag::SEQUENCE_END => {
                self.finding("stray-delimiter", Severity::Warning, tag, at, "a delimiter that closes nothing is passed over");
                Ok(at + 8)
            }
            _ => Err(Self::error(Kind::BadSequence, at, tag)),
        }
    }

    /// The header of an element.
    #[inline]
    fn header(&mut self, frame: &Frame, at: usize, tag: Tag) -> Result<Header, DicomError> {
        let big = frame.encoding.is_big();
        if frame.encoding.is_implicit() {
            return Ok(Header { vr: dictionary::vr(tag), bytes: 8, length: self.u32(at + 4, false), flags: FLAG_IMPLICIT });
        }
        let flags = if big { FLAG_BIG } else { 0 };
        let letters = [self.bytes[at + 4], self.bytes[at + 5]];
        let Some(vr) = Vr::from_bytes(letters) else { return self.odd_header(frame, at, tag, letters) };
        if !vr.has_long_length() {
            return Ok(Header { vr, bytes: 8, length: u32::from(self.u16(at + 6, big)), flags });
        }
        if frame.end - at < 12 {
            return Err(Self::error(if frame.end == self.bytes.len() { Kind::HeaderCut } else { Kind::ValueOutside }, at, tag));
        }
        let length = self.u32(at + 8, big);
        if vr == Vr::UN && !tag.is_private() && length != UNDEFINED {
            // Its bytes are as implicit VR has them (PS3.5 section 6.2.2).
            let known = dictionary::vr(tag);
            if known != Vr::UN {
                return Ok(Header { vr: known, bytes: 12, length, flags: FLAG_WAS_UN });
            }
        }
        Ok(Header { vr, bytes: 12, length, flags })
    }

    /// A header whose VR is none that is known.
    fn odd_header(&mut self, frame: &Frame, at: usize, tag: Tag, letters: [u8; 2]) -> Result<Header, DicomError> {
        let big = frame.encoding.is_big();
        let left = frame.end - at;
        if letters.iter().all(u8::is_ascii_uppercase) {
            self.finding("vr-unknown", Severity::Warning, tag, at, "the value representation is not one of the standard; read as UN");
            let flags = if big { FLAG_BIG } else { 0 };
            // New ones have the long form (PS3.5 section 6.2), but a mistyped old one may have the short form.
            let long = (left >= 12 && self.u16(at + 6, big) == 0).then(|| self.u32(at + 8, big));
            if let Some(length) = long.filter(|length| *length as usize <= left - 12) {
                return Ok(Header { vr: Vr::UN, bytes: 12, length, flags });
            }
            return Ok(Header { vr: Vr::UN, bytes: 8, length: u32::from(self.u16(at + 6, big)), flags });
        }
        // Some writers forget to write one.
        let length = self.u32(at + 4, big);
        if length as usize <= left - 8 || (length == UNDEFINED && dictionary::vr(tag) == Vr::SQ) {
            self.finding(
                "vr-missing",
                Severity::Warning,
                tag,
                at,
                "an element without value representation; read as the dictionary has it",
            );
            return Ok(Header { vr: dictionary::vr(tag), bytes: 8, length, flags: if big { FLAG_BIG } else { 0 } });
        }
        Err(Self::error(Kind::BadVr, at, tag))
    }

    /// An element that ends at a delimiter.
    fn undefined(&mut self, frame: &Frame, at: usize, tag: Tag, header: &Header) -> Result<usize, DicomError> {
        let value = at + usize::from(header.bytes);
        let header = Header { flags: header.flags | FLAG_UNDEFINED, ..*header };
        let next = self.tag(value, frame.encoding.is_big());
        let opens = next == Tag::ITEM || next == Tag::SEQUENCE_END;
        if tag.is_pixel_data() || (matches!(header.vr, Vr::OB | Vr::OW) && opens) {
            let place = self.push(tag, at, &header, NodeKind::Fragments)?;
            if self.stops_at_pixels && self.stack.len() == 1 {
                self.nodes[place as usize].length = 0;
                self.stopped = true;
                return Ok(value);
            }
            self.enter(place, NodeKind::Fragments, frame.encoding, None, frame)?;
            return Ok(value);
        }
        let is_un = header.vr == Vr::UN || header.flags & FLAG_WAS_UN != 0;
        if header.vr == Vr::SQ || is_un || opens {
            // Of undefined length, UN is a sequence as implicit VR has it (PS3.5 section 6.2.2).
            let foreign = is_un && !frame.encoding.is_implicit();
            let encoding = if foreign { Encoding::ImplicitLittle } else { frame.encoding };
            let place = self.push(tag, at, &Header { vr: Vr::SQ, ..header }, NodeKind::Sequence)?;
            self.enter(place, NodeKind::Sequence, encoding, None, frame)?;
            if let Some(inner) = self.stack.last_mut() {
                inner.unsure = foreign;
            }
            return Ok(value);
        }
        Err(Self::error(Kind::UndefinedLength, at, tag))
    }

    /// A value longer than what is there: pixel data that is cut off is kept as far as it goes.
    fn too_long(&mut self, frame: &Frame, at: usize, tag: Tag, header: &Header, room: usize) -> Result<usize, DicomError> {
        if tag.is_pixel_data() && self.stack.len() == 1 {
            self.cut(tag, at, "the pixel data is longer than what is left of the file");
            self.push(tag, at, &Header { length: room as u32, ..*header }, NodeKind::Element)?;
            return Ok(frame.end);
        }
        Err(Self::error(if frame.end == self.bytes.len() { Kind::ValueCut } else { Kind::ValueOutside }, at, tag))
    }

    /// One item of a sequence, or its end.
    fn sequence_step(&mut self, frame: &Frame, at: usize) -> Result<usize, DicomError> {
        let big = frame.encoding.is_big();
        let left = frame.end.saturating_sub(at);
        if left < 8 {
            return self.rest(frame, at);
        }
        let tag = self.tag(at, big);
        match tag {
            Tag::ITEM => {}
            Tag::SEQUENCE_END if !frame.defined => {
                self.close(at);
                return Ok(at + 8);
            }
            Tag::SEQUENCE_END | Tag::ITEM_END => {
                self.finding("stray-delimiter", Severity::Warning, tag, at, "a delimiter that closes nothing is passed over");
                return Ok(at + 8);
            }
            _ => return Err(Self::error(Kind::BadSequence, at, tag)),
        }
        let length = self.u32(at + 4, big);
        let encoding = if frame.unsure { self.item_encoding(at + 8, frame.encoding) } else { frame.encoding };
        let mut header = Header { vr: Vr::UN, bytes: 8, length, flags: if big { FLAG_BIG } else { 0 } };
        let end = if length == UNDEFINED {
            header.flags |= FLAG_UNDEFINED;
            None
        } else if length as usize > left - 8 {
            return Err(Self::error(if frame.end == self.bytes.len() { Kind::ValueCut } else { Kind::ValueOutside }, at, tag));
        } else {
            Some(at + 8 + length as usize)
        };
        let place = self.push(tag, at, &header, NodeKind::Item)?;
        self.enter(place, NodeKind::Item, encoding, end, frame)?;
        Ok(at + 8)
    }

    /// Items within `UN` ought to be implicit VR. Many are not.
    fn item_encoding(&self, at: usize, expected: Encoding) -> Encoding {
        let letters = self.bytes.get(at + 4..at + 6).and_then(|letters| <[u8; 2]>::try_from(letters).ok());
        match letters.and_then(Vr::from_bytes) {
            Some(_) => Encoding::ExplicitLittle,
            None => expected,
        }
    }

    /// One fragment of pixel data, or the end. Never fails: what is wrong here is a matter of the pixels.
    fn fragments_step(&mut self, frame: &Frame, at: usize) -> usize {
        let big = frame.encoding.is_big();
        let tag = self.tag(at, big);
        let left = frame.end.saturating_sub(at);
        if left >= 8 && tag == Tag::SEQUENCE_END {
            self.close(at);
            return at + 8;
        }
        if left < 8 || tag != Tag::ITEM {
            self.cut(Tag::PIXEL_DATA, at, "the fragments of the pixel data do not end with a delimiter");
            self.close(frame.end);
            return frame.end;
        }
        let mut length = self.u32(at + 4, big);
        if length as usize > left - 8 {
            self.cut(Tag::PIXEL_DATA, at, "a fragment is longer than what is left of the file");
            length = (left - 8) as u32;
        }
        let header = Header { vr: Vr::OB, bytes: 8, length, flags: 0 };
        if self.push(tag, at, &header, NodeKind::Fragment).is_err() {
            self.cut(Tag::PIXEL_DATA, at, "the pixel data has more fragments than the limit allows");
            self.close(frame.end);
            return frame.end;
        }
        at + 8 + length as usize
    }
}
