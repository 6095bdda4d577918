//! The protocol data units that are held whole, as bytes (PS3.8 section 9.3). Data transfer streams and is not among them.

use std::fmt;

use super::{
    APPLICATION_CONTEXT, MOST_ASSOCIATE_BYTES,
    error::{DimseError, Malformed},
};

mod read;
mod write;

/// Presentation contexts of one association: identifiers are odd and below 256.
pub const MOST_CONTEXTS: usize = 128;
/// Transfer syntaxes proposed for one context that are read; the standard has some 60.
pub(crate) const MOST_SYNTAXES: usize = 256;

/// The kind of a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // Names of the standard.
pub enum PduType {
    AssociateRq,
    AssociateAc,
    AssociateRj,
    Data,
    ReleaseRq,
    ReleaseRp,
    Abort,
    /// None of the standard.
    Other(u8),
}

impl PduType {
    fn of(byte: u8) -> Self {
        match byte {
            1 => Self::AssociateRq,
            2 => Self::AssociateAc,
            3 => Self::AssociateRj,
            4 => Self::Data,
            5 => Self::ReleaseRq,
            6 => Self::ReleaseRp,
            7 => Self::Abort,
            other => Self::Other(other),
        }
    }
}

/// The six bytes that every PDU begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PduHeader {
    /// The kind.
    pub kind: PduType,
    /// Bytes that follow the header.
    pub length: u32,
}

impl PduHeader {
    /// Reads it.
    pub fn parse(bytes: [u8; 6]) -> Self {
        let [kind, _, a, b, c, d] = bytes;
        Self { kind: PduType::of(kind), length: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Whether a PDU of that kind may have that length. `most_data` is the largest P-DATA-TF that was announced.
    ///
    /// # Errors
    /// When the length is more than is allowed, or the kind is none.
    pub fn check(&self, most_data: u32) -> Result<(), DimseError> {
        let limit = match self.kind {
            PduType::AssociateRq | PduType::AssociateAc => MOST_ASSOCIATE_BYTES,
            PduType::Data => most_data,
            PduType::AssociateRj | PduType::ReleaseRq | PduType::ReleaseRp | PduType::Abort => 4,
            PduType::Other(_) => return Err(DimseError::Unexpected(self.kind)),
        };
        if self.length > limit {
            return Err(DimseError::TooLong { length: self.length, limit });
        }
        Ok(())
    }
}

/// A PDU that is held whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pdu {
    /// A-ASSOCIATE-RQ.
    AssociateRq(AssociateRequest),
    /// A-ASSOCIATE-AC.
    AssociateAc(AssociateAccept),
    /// A-ASSOCIATE-RJ.
    AssociateRj(Rejection),
    /// A-RELEASE-RQ.
    ReleaseRq,
    /// A-RELEASE-RP.
    ReleaseRp,
    /// A-ABORT: source and reason.
    Abort(AbortSource, u8),
}

impl Pdu {
    /// Reads what follows a header of that kind.
    ///
    /// # Errors
    /// When a length is wrong, a text is none, or what has to be there is not; and for data, which is not read this way.
    pub fn parse(kind: PduType, body: &[u8]) -> Result<Self, DimseError> {
        read::parse(kind, body)
    }

    /// Its bytes, header included.
    pub fn to_bytes(&self) -> Vec<u8> {
        write::write(self)
    }
}

/// What an association is asked for with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateRequest {
    /// Title of the entity that is called, without padding.
    pub called: String,
    /// Title of the entity that calls, without padding.
    pub calling: String,
    /// Versions of the protocol that it speaks, as bits. 1 is the only one.
    pub protocol_version: u16,
    /// The application context.
    pub application_context: String,
    /// What it wants to send or do.
    pub contexts: Vec<ProposedContext>,
    /// The rest.
    pub user: UserInformation,
}

/// One thing that the requestor wants to do, with the encodings it can do it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedContext {
    /// Its number, odd.
    pub id: u8,
    /// UID of the SOP class.
    pub abstract_syntax: String,
    /// UIDs of the transfer syntaxes, in the order of the requestor.
    pub transfer_syntaxes: Vec<String>,
}

/// User information items that are kept. All others are read and left aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserInformation {
    /// Bytes of a P-DATA-TF that its sender wants to receive at most; 0 is no limit.
    pub max_pdu_length: u32,
    /// UID of the implementation.
    pub implementation_class: String,
    /// Its version; empty where there is none.
    pub implementation_version: String,
    /// Whether the requestor says who its user is (PS3.7 annex D.3.3.7). What it says is not kept.
    pub has_identity: bool,
    /// Whether it wants an answer to that.
    pub wants_identity_answer: bool,
}

/// The answer that opens an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateAccept {
    /// As in the request.
    pub called: String,
    /// As in the request.
    pub calling: String,
    /// The application context.
    pub application_context: String,
    /// The answer to each context.
    pub contexts: Vec<ContextReply>,
    /// The rest.
    pub user: UserInformation,
}

/// The answer to one context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextReply {
    /// Its number.
    pub id: u8,
    /// Whether it was accepted.
    pub result: ContextResult,
    /// The transfer syntax to use; of no meaning where it was not accepted.
    pub transfer_syntax: String,
}

/// Whether a context was accepted (PS3.8 table 9-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // Names of the standard.
pub enum ContextResult {
    Accepted,
    UserRejected,
    NoReason,
    AbstractSyntaxUnknown,
    TransferSyntaxesUnknown,
}

impl ContextResult {
    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Accepted,
            1 => Self::UserRejected,
            3 => Self::AbstractSyntaxUnknown,
            4 => Self::TransferSyntaxesUnknown,
            _ => Self::NoReason,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::UserRejected => 1,
            Self::NoReason => 2,
            Self::AbstractSyntaxUnknown => 3,
            Self::TransferSyntaxesUnknown => 4,
        }
    }
}

/// The answer that refuses an association (PS3.8 table 9-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// 1: for good; 2: for now.
    pub result: u8,
    /// 1: the service user; 2: the service provider, association control; 3: the service provider, presentation.
    pub source: u8,
    /// What it means depends on the source.
    pub reason: u8,
}

impl Rejection {
    /// No reason given, for good.
    pub const NO_REASON: Self = Self { result: 1, source: 1, reason: 1 };
    /// The application context is not ours.
    pub const APPLICATION_CONTEXT: Self = Self { result: 1, source: 1, reason: 2 };
    /// The calling title is not allowed.
    pub const CALLING_TITLE: Self = Self { result: 1, source: 1, reason: 3 };
    /// The called title is not ours.
    pub const CALLED_TITLE: Self = Self { result: 1, source: 1, reason: 7 };
    /// The version of the protocol is not ours.
    pub const PROTOCOL_VERSION: Self = Self { result: 1, source: 2, reason: 2 };
    /// Too many associations; try again later.
    pub const BUSY: Self = Self { result: 2, source: 3, reason: 2 };

    /// Whether another attempt may succeed.
    pub fn is_transient(self) -> bool {
        self.result == 2
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match (self.source, self.reason) {
            (1, 2) => "the application context is not supported",
            (1, 3) => "the calling AE title is not allowed; have it added at the receiver",
            (1, 7) => "the called AE title is not the receiver's; set the right one",
            (2, 2) => "the protocol version is not supported",
            (3, 1) => "the receiver is congested; try again later",
            (3, 2) => "the receiver has reached its limit of associations; try again later",
            _ => "no reason given",
        };
        write!(f, "{reason} ({}.{}.{})", self.result, self.source, self.reason)
    }
}

/// Who aborts (PS3.8 table 9-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortSource {
    /// The application.
    User,
    /// The upper layer.
    Provider,
    /// A number that the standard does not have.
    Other(u8),
}

impl AbortSource {
    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::User,
            2 => Self::Provider,
            other => Self::Other(other),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::User => 0,
            Self::Provider => 2,
            Self::Other(other) => other,
        }
    }
}

fn malformed(what: Malformed, at: usize) -> DimseError {
    DimseError::Malformed(what, at)
}

impl AssociateRequest {
    /// A request with one context for each pair of SOP class and transfer syntaxes, numbered 1, 3, 5 and so on. Only the first 128 have a place.
    pub fn new<'t>(
        called: &str,
        calling: &str,
        contexts: impl IntoIterator<Item = (&'t str, &'t [&'t str])>,
        user: UserInformation,
    ) -> Self {
        let contexts = (0..MOST_CONTEXTS as u8).map(|place| 2 * place + 1).zip(contexts);
        let contexts = contexts.map(|(id, (abstract_syntax, syntaxes))| ProposedContext {
            id,
            abstract_syntax: abstract_syntax.to_owned(),
            transfer_syntaxes: syntaxes.iter().map(|syntax| (*syntax).to_owned()).collect(),
        });
        Self {
            called: called.to_owned(),
            calling: calling.to_owned(),
            protocol_version: 1,
            application_context: APPLICATION_CONTEXT.to_owned(),
            contexts: contexts.collect(),
            user,
        }
    }
}
