//! Why bytes are no JSON document. The place is named, never the content.

/// What is wrong, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {kind}")]
pub struct JsonError {
    /// Offset of the offending byte in the input, from 0; the length of the input where it ends too early.
    pub offset: usize,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

/// The kinds of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// A byte that cannot stand here.
    #[error("this byte cannot stand here in JSON (RFC 8259)")]
    UnexpectedByte,
    /// The input ends inside a value.
    #[error("the input ends inside a value")]
    Unterminated,
    /// A control character in a string.
    #[error("a control character in a string must be escaped")]
    ControlCharacter,
    /// An unknown escape, or a surrogate without its partner.
    #[error("not an escape of JSON, or a surrogate without its partner")]
    BadEscape,
    /// Not a number of JSON's grammar.
    #[error("not a number of JSON: no leading zero or plus sign, digits around the point")]
    BadNumber,
    /// Not UTF-8.
    #[error("the bytes are not UTF-8; convert the file")]
    BadUtf8,
    /// A name twice in one object.
    #[error("the name stands twice in one object; keep one of them")]
    DuplicateKey,
    /// Nested deeper than the limit.
    #[error("nested deeper than the limit")]
    TooDeep,
    /// More bytes or values than the limit.
    #[error("larger than the limit")]
    TooLarge,
    /// Something after the value.
    #[error("bytes follow the end of the document")]
    TrailingBytes,
}

impl JsonErrorKind {
    /// The stable code, as rejects carry it.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnexpectedByte | Self::ControlCharacter | Self::BadEscape | Self::BadNumber => "json-syntax",
            Self::Unterminated => "json-unterminated",
            Self::BadUtf8 => "json-utf8",
            Self::DuplicateKey => "json-duplicate-key",
            Self::TooDeep => "json-too-deep",
            Self::TooLarge => "json-too-large",
            Self::TrailingBytes => "json-trailing-bytes",
        }
    }
}
