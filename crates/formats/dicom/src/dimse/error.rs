//! Why an association ended or a message was refused.

use std::io;

use thiserror::Error;

use super::pdu::{AbortSource, PduType, Rejection};

/// Why an association ended or could not be opened. Never anything that the peer wrote.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DimseError {
    /// The connection failed.
    #[error("the connection failed ({}); connect again", .0.kind())]
    Io(#[source] io::Error),
    /// What carries the bytes does not take the peer: certificates and keys, for one.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The first bytes of an answer or a request are those of TLS.
    #[error("the peer speaks TLS on this port; set TLS on both sides, or on neither")]
    PeerSpeaksTls,
    /// Nothing came, or nothing could be sent, for as long as is allowed.
    #[error("the peer did not answer in time; raise the timeout or look at the network")]
    Timeout,
    /// The peer closed the connection without releasing the association.
    #[error("the peer closed the connection in the middle of the association")]
    Closed,
    /// Bytes that are no PDU or no command set of the standard.
    #[error("{0} at byte {1} of the PDU; the peer does not follow the standard")]
    Malformed(Malformed, usize),
    /// A PDU longer than what was negotiated or is read at all.
    #[error("a PDU of {length} bytes is longer than the {limit} that are allowed")]
    TooLong {
        /// Length as the PDU says.
        length: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// A PDU that has no place where it came.
    #[error("a PDU ({0:?}) came where none of its kind has a place")]
    Unexpected(PduType),
    /// The peer refused the association.
    #[error("the peer refused the association: {0}")]
    Rejected(Rejection),
    /// We refused the association.
    #[error("the association was refused: {0}")]
    Refused(Rejection),
    /// The peer ended the association at once.
    #[error("the peer aborted the association ({0:?}, reason {1})")]
    Aborted(AbortSource, u8),
    /// A message on a presentation context that was not accepted.
    #[error("a message came on presentation context {0}, which was not accepted")]
    NoContext(u8),
    /// A call that does not fit the state of the association: an error in the program, not of the peer.
    #[error("the call does not fit the state of the association: {0}")]
    State(&'static str),
}

impl DimseError {
    /// Whether the same may succeed on another attempt: network and load, not negotiation.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io(_) | Self::Timeout | Self::Closed | Self::Aborted(..) => true,
            Self::Rejected(rejection) | Self::Refused(rejection) => rejection.is_transient(),
            _ => false,
        }
    }

    /// The reason of the A-ABORT to send for it (PS3.8 table 9-26); `None` where there is nobody left to send it to.
    pub(crate) fn abort_reason(&self) -> Option<u8> {
        match self {
            Self::Malformed(..) | Self::TooLong { .. } => Some(6),
            Self::Unexpected(PduType::Other(_)) => Some(1),
            Self::Unexpected(_) => Some(2),
            Self::NoContext(_) => Some(6),
            Self::Timeout | Self::State(_) => Some(0),
            Self::Io(_) | Self::Closed | Self::Rejected(_) | Self::Refused(_) | Self::Aborted(..) => None,
            // It would not understand.
            Self::Transport(_) | Self::PeerSpeaksTls => None,
        }
    }
}

impl From<io::Error> for DimseError {
    fn from(error: io::Error) -> Self {
        if let Some(transport) = error.get_ref().and_then(|inner| inner.downcast_ref::<TransportError>()) {
            return Self::Transport(transport.clone());
        }
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// A failure of what carries the bytes that another attempt does not mend. As the inner error of an [`io::Error`] it becomes
/// [`DimseError::Transport`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// What is wrong with the bytes of a PDU or a command set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// An item is longer than what is left.
    #[error("an item is longer than its surroundings")]
    Cut,
    /// A length that this kind of item cannot have.
    #[error("an item has a length that its kind cannot have")]
    Length,
    /// A UID or a title with characters that it cannot have.
    #[error("a UID or a text with characters that it cannot have")]
    Text,
    /// An item that has to be there is not, or is there twice.
    #[error("an item is missing, or is there twice")]
    Items,
    /// More presentation contexts or transfer syntaxes than the standard has room for.
    #[error("more presentation contexts or transfer syntaxes than there can be")]
    TooMany,
    /// A presentation context identifier that is even, or is there twice.
    #[error("a presentation context identifier that is not allowed")]
    ContextId,
    /// A command set that is not one.
    #[error("a command set that is damaged or lacks what its message needs")]
    Command,
    /// Fragments of a message that are out of order.
    #[error("fragments of a message that are out of order")]
    Fragments,
}
