//! Why a file or its pixels could not be read.

use thiserror::Error;

use crate::{dictionary, tag::Tag};

/// Why a file could not be read: what, at which element, and where in the bytes. Never any content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind} (byte {offset})")]
pub struct DicomError {
    /// What is wrong.
    pub kind: DicomErrorKind,
    /// Byte offset in the file; in a deflated data set, in the bytes as [`DicomFile::bytes`](crate::DicomFile::bytes) gives them.
    pub offset: usize,
    /// The element that it is about, if one is known and the dictionary has it.
    pub tag: Option<Tag>,
}

impl DicomError {
    pub(crate) fn new(kind: DicomErrorKind, offset: usize, tag: Option<Tag>) -> Self {
        // Four bytes that are no known tag may be a text of the file.
        let is_known = |tag: &Tag| tag.element() == 0 || tag.group() == 0xFFFE || dictionary::attribute(*tag).is_some();
        Self { kind, offset, tag: tag.filter(is_known) }
    }
}

/// What is wrong with a file. Each has a stable code: [`DicomErrorKind::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DicomErrorKind {
    /// Neither the prefix `DICM` nor a data element where one has to be.
    #[error("the file is not DICOM: no DICM prefix, and no data element at its beginning")]
    NotDicom,
    /// The file ends inside the file meta information.
    #[error("the file ends inside its file meta information; send it again")]
    MetaCut,
    /// There is no data set behind the prefix or the file meta information.
    #[error("the file has no data set; send it again")]
    NoDataSet,
    /// The file ends inside a data element's header.
    #[error("the file ends inside the header of a data element; send it again")]
    HeaderCut,
    /// A length goes beyond the bytes that are there.
    #[error("a value is longer than what is left of the file: the file is cut off, or the length is wrong")]
    ValueCut,
    /// A length goes beyond the item or sequence around it.
    #[error("a value is longer than the item around it; the sender has to write it again")]
    ValueOutside,
    /// An undefined length on something that is no sequence.
    #[error("an undefined length on a value that is no sequence")]
    UndefinedLength,
    /// The two bytes where the value representation has to be are none.
    #[error("no value representation where one has to be; the sender has to write the file again")]
    BadVr,
    /// Something other than an item inside a sequence.
    #[error("a sequence holds something that is no item")]
    BadSequence,
    /// Sequences nested deeper than [`Limits::depth`](crate::Limits::depth).
    #[error("the sequences are nested deeper than the limit")]
    TooDeep,
    /// More elements and items than [`Limits::elements`](crate::Limits::elements).
    #[error("the data set has more elements than the limit")]
    TooMany,
    /// Larger than [`Limits::bytes`](crate::Limits::bytes).
    #[error("the file, or its part before the pixel data, is larger than the limit; raise max_record_bytes to read it")]
    TooLarge,
    /// The deflated data set is damaged or cut off.
    #[error("the deflated data set is damaged or cut off; send the file again")]
    Deflate,
    /// The deflated data set is larger than [`Limits::inflated`](crate::Limits::inflated) unpacked.
    #[error("the deflated data set is larger unpacked than the limit")]
    InflatedTooLarge,
}

impl DicomErrorKind {
    /// The stable code, as in `docs/src/reference/dicom.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotDicom => "not-dicom",
            Self::MetaCut => "meta-cut",
            Self::NoDataSet => "no-data-set",
            Self::HeaderCut => "header-cut",
            Self::ValueCut => "value-cut",
            Self::ValueOutside => "value-outside",
            Self::UndefinedLength => "undefined-length",
            Self::BadVr => "bad-vr",
            Self::BadSequence => "bad-sequence",
            Self::TooDeep => "too-deep",
            Self::TooMany => "too-many-elements",
            Self::TooLarge => "record-too-large",
            Self::Deflate => "deflate-damaged",
            Self::InflatedTooLarge => "deflate-too-large",
        }
    }

    /// Whether more bytes of the same file could mend it.
    pub(crate) fn is_cut(self) -> bool {
        matches!(self, Self::MetaCut | Self::NoDataSet | Self::HeaderCut | Self::ValueCut)
    }
}
