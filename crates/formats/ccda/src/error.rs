//! Why a document could not be read.

use thiserror::Error;

/// Why a document could not be read: what, and where in the bytes as sent. Never any content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind} (byte {offset})")]
pub struct CcdaError {
    /// What is wrong.
    pub kind: CcdaErrorKind,
    /// Byte offset in the source as sent.
    pub offset: usize,
}

/// What is wrong with a document. Each has a stable code: [`CcdaErrorKind::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CcdaErrorKind {
    /// No bytes but blanks.
    #[error("the file is empty; a document is expected")]
    Empty,
    /// No tag, attribute or text as XML has them.
    #[error("the XML is not well-formed; the sender has to write it again")]
    Malformed,
    /// An end tag that closes something else, or the end of the file inside an element.
    #[error("an element is not closed as it was opened, or the file is cut off")]
    Unbalanced,
    /// Something behind the end of the outermost element.
    #[error("something stands behind the end of the document; a file holds one document")]
    Trailing,
    /// Larger than [`Limits::bytes`](crate::Limits::bytes).
    #[error("the document is larger than the limit; raise it to read the document")]
    TooLarge,
    /// Deeper than [`Limits::depth`](crate::Limits::depth).
    #[error("the elements are nested deeper than the limit")]
    TooDeep,
    /// More than [`Limits::nodes`](crate::Limits::nodes) elements, attributes and texts, or too many attributes on one element.
    #[error("the document has more elements or attributes than the limit")]
    TooMany,
    /// A name, attribute or text longer than the limit.
    #[error("a name or a text is longer than the limit")]
    TooLong,
    /// The declared character encoding is not one that is read.
    #[error("the character encoding is not read; send UTF-8, UTF-16 or a single-byte encoding such as ISO-8859-1")]
    Encoding,
    /// The outermost element is not `ClinicalDocument` of `urn:hl7-org:v3`.
    #[error("the outermost element is not ClinicalDocument of urn:hl7-org:v3")]
    NotCda,
}

impl CcdaErrorKind {
    /// The stable code, as in `docs/src/reference/ccda.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Malformed => "xml-syntax",
            Self::Unbalanced => "xml-unbalanced",
            Self::Trailing => "xml-trailing",
            Self::TooLarge => "record-too-large",
            Self::TooDeep => "xml-too-deep",
            Self::TooMany => "xml-too-many",
            Self::TooLong => "xml-too-long",
            Self::Encoding => "encoding-unsupported",
            Self::NotCda => "not-a-clinical-document",
        }
    }
}
