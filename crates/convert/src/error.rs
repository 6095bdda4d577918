//! Why a record could not be converted at all. What costs only a field or an entry is a finding, not an error.

/// A record that became no resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// MSH-9 does not say what the message is.
    #[error("MSH-9 states no message type; the sender has to state one")]
    NoMessageType,
    /// No segment of the message has a map.
    #[error("no segment of the message has a map; nothing could be converted")]
    NothingToConvert,
    /// The record has more segments or entries than the limit.
    #[error("the record is larger than the limit of the conversion; raise the limit if such records are meant")]
    TooLarge,
    /// The document is of no known kind.
    #[error("the document has no ClinicalDocument element of CDA R2; only CDA documents can be converted")]
    NotADocument,
}

impl ConvertError {
    /// Stable code, documented in `docs/src/reference`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoMessageType => "convert-no-message-type",
            Self::NothingToConvert => "convert-nothing",
            Self::TooLarge => "convert-too-large",
            Self::NotADocument => "convert-not-a-document",
        }
    }

    /// The path of the cause in the standard's terms.
    pub fn location(self) -> &'static str {
        match self {
            Self::NoMessageType => "MSH-9",
            _ => "",
        }
    }
}
