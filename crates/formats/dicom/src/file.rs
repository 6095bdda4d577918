//! A file: preamble, file meta information, data set.

use std::{
    cell::{Cell, OnceCell},
    fmt,
};

use bytes::Bytes;
use sutura_core::{Finding, Severity};

use crate::{
    charset::CharacterSet,
    dictionary,
    element::{DataSet, Element},
    error::{DicomError, DicomErrorKind as Kind},
    inflate::{Inflated, inflate},
    limits::Limits,
    parse::{Node, NodeKind, Parser},
    syntax::{Encoding, TransferSyntax},
    tag::Tag,
    vr::Vr,
};

/// A DICOM file: its elements over its own bytes.
///
/// Nothing of a value is looked at before it is asked for.
pub struct DicomFile {
    bytes: Bytes,
    nodes: Vec<Node>,
    /// Number of the first node of the data set; those before are the file meta information.
    first: u32,
    data_set_offset: usize,
    syntax: TransferSyntax,
    /// Bytes of the data set in the file, where it is deflated.
    deflated_bytes: Option<usize>,
    /// Whether there is more of the file behind the pixel data's beginning that was not read.
    is_beginning: bool,
    findings: Vec<Finding>,
    pixels_are_cut: bool,
    text_findings: OnceCell<Vec<Finding>>,
    /// The nodes of each item of the per-frame functional groups.
    frame_groups: OnceCell<Vec<(u32, u32)>>,
    /// Elements that were looked at, to find some by tag.
    looked_at: Cell<u64>,
}

impl DicomFile {
    /// Reads a file, with or without preamble and file meta information, of any transfer syntax.
    ///
    /// # Errors
    /// When it is no DICOM, is cut off before its pixel data, or goes beyond a limit. Pixel data that is cut off is a finding.
    pub fn parse(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self, DicomError> {
        Self::read(&bytes.into(), limits, false)
    }

    /// Reads what stands before the pixel data, from the first bytes of a file. `None` if these are not enough of them.
    ///
    /// # Errors
    /// As [`DicomFile::parse`].
    pub fn parse_beginning(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Option<Self>, DicomError> {
        match Self::read(&bytes.into(), limits, true) {
            Ok(file) if file.is_beginning => Ok(Some(file)),
            Ok(_) => Ok(None),
            // A deflated data set is only known as a whole.
            Err(error) if error.kind.is_cut() || matches!(error.kind, Kind::Deflate | Kind::ValueOutside) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(bytes: &Bytes, limits: &Limits, is_beginning: bool) -> Result<Self, DicomError> {
        if bytes.len() > limits.bytes.min(Limits::MOST_BYTES) {
            return Err(DicomError::new(Kind::TooLarge, 0, None));
        }
        let meta_offset = beginning(bytes)?;
        let mut parser = Parser::new(bytes, limits, is_beginning);
        let at = parser.meta(meta_offset)?;
        let first = parser.nodes.len() as u32;
        let (nodes, mut findings) = (std::mem::take(&mut parser.nodes), std::mem::take(&mut parser.findings));
        let uid = nodes.iter().find(|node| node.tag == Tag(0x0002_0010)).map(|node| uid_of(bytes, node));
        let syntax = TransferSyntax::of(uid.unwrap_or_default());
        if at >= bytes.len() {
            return Err(DicomError::new(Kind::NoDataSet, at, None));
        }
        if uid.is_none() {
            let message = "the file does not say its transfer syntax; it is guessed from the first element";
            findings.push(Finding::new("transfer-syntax-missing", Severity::Warning, "(0002,0010)", message));
        } else if !syntax.is_known() {
            let message =
                "the transfer syntax is not one of the standard; the data set is read as little endian with VRs, its pixels are not";
            findings.push(Finding::new("transfer-syntax-unknown", Severity::Warning, "(0002,0010)", message));
        }
        let mut file = Self {
            bytes: bytes.clone(),
            nodes,
            first,
            data_set_offset: at,
            syntax,
            deflated_bytes: None,
            is_beginning,
            findings,
            pixels_are_cut: false,
            text_findings: OnceCell::new(),
            frame_groups: OnceCell::new(),
            looked_at: Cell::new(0),
        };
        if file.syntax.deflated {
            return file.inflated(bytes, limits);
        }
        file.read_data_set(limits, is_beginning)?;
        if file.is_directory() {
            let message = "a directory of other files: it is in no row of instances, its records are the table directory_records";
            file.findings.push(Finding::new("directory", Severity::Info, "(0004,1220)", message));
        }
        Ok(file)
    }

    /// The same with the unpacked data set in the place of the packed one: all of it, or if that is too much, what stands before its pixel data.
    fn inflated(mut self, packed: &Bytes, limits: &Limits) -> Result<Self, DicomError> {
        let at = self.data_set_offset;
        let Inflated { bytes, complete } = inflate(packed, at, limits.inflated)?;
        self.bytes = bytes;
        self.deflated_bytes = Some(packed.len() - at);
        match self.read_data_set(limits, !complete) {
            Ok(()) if complete || self.is_beginning => Ok(self),
            Err(error) if complete || !(error.kind.is_cut() || error.kind == Kind::ValueOutside) => Err(error),
            _ => Err(DicomError::new(Kind::InflatedTooLarge, at, None)),
        }
    }

    fn read_data_set(&mut self, limits: &Limits, stops_at_pixels: bool) -> Result<(), DicomError> {
        let at = self.data_set_offset;
        let declared = self.syntax.is_known().then_some(self.syntax.encoding);
        let found = sniff(&self.bytes, at, declared);
        if declared.is_some_and(|declared| declared != found) {
            let message = "the data set is not written as its transfer syntax says; it is read as it is written";
            self.findings.push(Finding::new("encoding-mismatch", Severity::Warning, "(0002,0010)", message));
        }
        self.syntax.encoding = found;
        let bytes = self.bytes.clone();
        let mut parser = Parser::new(&bytes, limits, stops_at_pixels);
        parser.nodes = std::mem::take(&mut self.nodes);
        parser.nodes.reserve(((bytes.len() - at) / 48).min(256));
        parser.data_set(at, found)?;
        self.is_beginning = stops_at_pixels && parser.stopped;
        self.nodes = parser.nodes;
        self.findings.append(&mut parser.findings);
        self.pixels_are_cut = parser.pixels_are_cut;
        if found.is_implicit() {
            self.settle_signs();
        }
        if self.nodes.len() == self.first as usize {
            return Err(DicomError::new(Kind::NoDataSet, at, None));
        }
        Ok(())
    }

    /// Implicit VR does not say whether some numbers have a sign: Pixel Representation does (PS3.5 annex A.1).
    fn settle_signs(&mut self) {
        let pixels = self.data_set().integer(Tag(0x0028_0103));
        if pixels != Some(1) {
            return;
        }
        for node in self.nodes.iter_mut().skip(self.first as usize).filter(|node| node.vr == Vr::US) {
            if dictionary::attribute(node.tag).is_some_and(|known| known.signed_by_pixels) {
                node.vr = Vr::SS;
            }
        }
    }

    /// The bytes that everything lies in: those of the file; where the data set is deflated, with it unpacked in its place.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The file meta information; empty where the file has none.
    pub fn meta(&self) -> DataSet<'_> {
        DataSet::new(self, 0, self.first, CharacterSet::default())
    }

    /// The data set.
    pub fn data_set(&self) -> DataSet<'_> {
        let all = DataSet::new(self, self.first, self.nodes.len() as u32, CharacterSet::default());
        all.with_own_character_set()
    }

    /// How the data set is written.
    pub fn transfer_syntax(&self) -> &TransferSyntax {
        &self.syntax
    }

    /// Where the data set begins.
    pub fn data_set_offset(&self) -> usize {
        self.data_set_offset
    }

    /// Bytes of the data set in the file, if it is deflated.
    pub fn deflated_bytes(&self) -> Option<usize> {
        self.deflated_bytes
    }

    /// Whether only what stands before the pixel data was read.
    pub fn is_beginning(&self) -> bool {
        self.is_beginning
    }

    /// Whether it is a DICOMDIR: a directory of other files, by its SOP class or its records. What names itself an instance, or has pixels of its own, is none, whatever
    /// records it has.
    pub fn is_directory(&self) -> bool {
        const MEDIA_STORAGE_DIRECTORY: &str = "1.2.840.10008.1.3.10";
        let data_set = self.data_set();
        let class = data_set.text(Tag(0x0008_0016));
        let is_named = class.as_deref() == Some(MEDIA_STORAGE_DIRECTORY)
            || (class.is_none() && self.meta().text(Tag(0x0002_0002)).as_deref() == Some(MEDIA_STORAGE_DIRECTORY));
        let is_of_another = class.as_deref().is_some_and(|class| !class.is_empty() && class != MEDIA_STORAGE_DIRECTORY);
        (is_named || data_set.get(Tag(0x0004_1220)).is_some())
            && !is_of_another
            && data_set.get(Tag(0x0008_0018)).is_none()
            && !data_set.elements().any(|element| matches!(element.tag().group(), 0x7F00..=0x7FFF))
    }

    /// What is odd about the file's structure.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether the pixel data is not all there.
    pub fn pixels_are_cut(&self) -> bool {
        self.pixels_are_cut
    }

    /// Whether native pixel data says of itself that it is longer than a file of so many bytes: of a file of which only the beginning was read
    /// nothing else is known. Of a deflated data set it is not known.
    pub fn pixels_end_behind(&self, size: u64) -> bool {
        let is_longer = |pixels: Element<'_>| !pixels.is_fragments() && (pixels.offset() + pixels.length()) as u64 > size;
        self.is_beginning && self.deflated_bytes.is_none() && self.pixel_data().is_some_and(is_longer)
    }

    /// What the functional groups of a frame (5200,9230) say, counted from 0. The items are found once: asking for each of many frames is the
    /// rule.
    pub fn frame_group(&self, frame: usize) -> Option<DataSet<'_>> {
        let all = self.data_set();
        let find = || all.items(Tag(0x5200_9230)).map(|item| item.nodes()).collect();
        let (first, end) = *self.frame_groups.get_or_init(find).get(frame)?;
        Some(DataSet::new(self, first, end, all.character_set()).with_own_character_set())
    }

    /// What is odd about its texts: bytes that Specific Character Set does not explain. One finding for each kind.
    pub fn text_findings(&self) -> &[Finding] {
        self.text_findings.get_or_init(|| crate::text::findings(self))
    }

    #[inline]
    pub(crate) fn node(&self, place: u32) -> Option<&Node> {
        self.nodes.get(place as usize)
    }

    pub(crate) fn looked_at(&self) -> u64 {
        self.looked_at.get()
    }

    pub(crate) fn look_at(&self, count: u64) {
        self.looked_at.set(self.looked_at.get() + count);
    }

    /// The nodes of the data set, in the order of the bytes, with the number of the first.
    pub(crate) fn nodes(&self) -> (&[Node], u32) {
        (self.nodes.get(self.first as usize..).unwrap_or_default(), self.first)
    }

    /// The pixel data of the data set itself, not of an icon within.
    pub fn pixel_data(&self) -> Option<Element<'_>> {
        self.data_set().elements().find(|element| element.tag().is_pixel_data())
    }
}

impl fmt::Debug for DicomFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are the patient's.
        f.debug_struct("DicomFile")
            .field("bytes", &self.bytes.len())
            .field("nodes", &self.nodes.len())
            .field("syntax", &self.syntax.uid)
            .finish_non_exhaustive()
    }
}

/// Where the file meta information, or without it the data set, begins.
fn beginning(bytes: &[u8]) -> Result<usize, DicomError> {
    let not_dicom = DicomError::new(Kind::NotDicom, 0, None);
    if bytes.get(128..132) == Some(b"DICM") {
        return if bytes.len() == 132 { Err(DicomError::new(Kind::NoDataSet, 132, None)) } else { Ok(132) };
    }
    if bytes.starts_with(b"DICM") && bytes.len() > 4 {
        return Ok(4);
    }
    let Some(&[g0, g1, e0, e1, v0, v1, ..]) = bytes.get(..8) else { return Err(not_dicom) };
    // Without the prefix: the first element has to be of a group that data sets begin with.
    let begins = |first: u16, second: u16| matches!(first, 0x0002 | 0x0004 | 0x0008) && (second < 0x3000);
    let is_little = begins(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
    let is_big = begins(u16::from_be_bytes([g0, g1]), u16::from_be_bytes([e0, e1])) && Vr::from_bytes([v0, v1]).is_some();
    if !is_little && !is_big {
        return Err(not_dicom);
    }
    let has_vr = Vr::from_bytes([v0, v1]).is_some();
    let implicit_length = bytes.get(4..8).and_then(|four| <[u8; 4]>::try_from(four).ok()).map_or(u32::MAX, u32::from_le_bytes);
    let is_known =
        dictionary::attribute(Tag::new(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]))).is_some() || (e0, e1) == (0, 0);
    if has_vr || (is_known && implicit_length as usize <= bytes.len() - 8) { Ok(0) } else { Err(not_dicom) }
}

/// How the data set at `at` is really written: files that say one thing and do another are not rare.
fn sniff(bytes: &[u8], at: usize, declared: Option<Encoding>) -> Encoding {
    let Some(&[first, second, _, _, v0, v1, _, _]) = bytes.get(at..at + 8) else { return declared.unwrap_or(Encoding::ExplicitLittle) };
    let has_vr = Vr::from_bytes([v0, v1]).is_some();
    // Groups that data sets begin with are below 0x0100.
    let is_big = first == 0 && second != 0;
    match declared {
        Some(Encoding::ImplicitLittle) if has_vr && second == 0 => Encoding::ExplicitLittle,
        Some(Encoding::ExplicitLittle) if has_vr && is_big => Encoding::ExplicitBig,
        Some(Encoding::ExplicitBig) if has_vr && first != 0 && second == 0 => Encoding::ExplicitLittle,
        Some(Encoding::ExplicitLittle) if !has_vr && !v0.is_ascii_uppercase() && implicit_fits(bytes, at) => Encoding::ImplicitLittle,
        Some(declared) => declared,
        None if has_vr && is_big => Encoding::ExplicitBig,
        None if has_vr => Encoding::ExplicitLittle,
        None => Encoding::ImplicitLittle,
    }
}

/// Whether two elements follow one another as implicit VR has them.
fn implicit_fits(bytes: &[u8], at: usize) -> bool {
    let length_at = |at: usize| bytes.get(at + 4..at + 8).and_then(|four| <[u8; 4]>::try_from(four).ok()).map(u32::from_le_bytes);
    let Some(length) = length_at(at) else { return false };
    let next = at + 8 + length as usize;
    next == bytes.len() || length_at(next).is_some_and(|length| length == u32::MAX || next + 8 + length as usize <= bytes.len())
}

fn uid_of<'b>(bytes: &'b [u8], node: &Node) -> &'b str {
    if node.kind != NodeKind::Element {
        return "";
    }
    let value = bytes.get(node.start as usize..(node.start + node.length) as usize).unwrap_or_default();
    std::str::from_utf8(value).unwrap_or_default().trim_matches(['\0', ' '])
}
