//! **DICOM between machines: the upper layer (PS3.8) and message exchange (PS3.7), over anything that reads and writes.**
//!
//! Why it is here and has no sockets: the same code speaks over TCP, over TLS and over bytes in a test, and a fuzzer can be the peer.
//! `sutura-stream` has the listener and the sender that put it on a network.
//!
//! - [`Pdu`]: the units of the upper layer as bytes, for the ones that are held whole (association, release, abort),
//! - [`AssociateRequest`], [`AssociateAccept`], [`Rejection`]: what is negotiated; [`AcceptPolicy`] decides it,
//! - [`Command`]: command sets, implicit little endian; [`Status`]: what an answer says,
//! - [`Association`]: both sides. Data sets stream through it in the caller's buffer; nothing is as large as the peer likes.
//!
//! What it is not: query, retrieve, worklist and storage commitment are not spoken; negotiation of roles, extended negotiation and asynchronous
//! operations is left unanswered, which the standard reads as the default.

mod association;
mod command;
mod error;
mod meta;
mod negotiate;
mod pdu;

pub use association::{Association, Incoming, Request};
pub use command::{Command, CommandField, NO_DATA_SET, Status, StatusClass};
pub use error::{DimseError, Malformed, TransportError};
pub use meta::meta_information;
pub use negotiate::{AcceptPolicy, Identity, STORAGE_BRANCH, Titles};
pub use pdu::{
    AbortSource, AssociateAccept, AssociateRequest, ContextReply, ContextResult, MOST_CONTEXTS, Pdu, PduHeader, PduType, ProposedContext,
    Rejection, UserInformation,
};

pub use crate::write::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};

/// SOP class of C-ECHO.
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
/// The only application context there is (PS3.7 annex A).
pub const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// Implicit VR little endian, which everyone has to speak.
pub const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
/// Explicit VR little endian.
pub const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
/// Bytes of an association PDU that are read. 128 contexts with every transfer syntax of the standard are half of it.
pub const MOST_ASSOCIATE_BYTES: u32 = 1 << 20;
/// Bytes of a command set that are read. Those of the standard stay below 1,000.
pub const MOST_COMMAND_BYTES: usize = 16 << 10;

/// Whether a text is a UID as PS3.5 section 9.1 has it, lenient on leading zeros: digits and dots, at most 64.
pub fn is_uid(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.split('.').all(|component| !component.is_empty())
}

/// An application entity title as it may be configured: 1 to 16 printable ASCII characters without backslash, not only spaces.
pub fn is_ae_title(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= 16 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\')
}
