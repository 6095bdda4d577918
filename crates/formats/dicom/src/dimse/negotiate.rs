//! What a receiver accepts.

use std::collections::BTreeSet;

use super::{
    APPLICATION_CONTEXT, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, is_ae_title,
    pdu::{AssociateAccept, AssociateRequest, ContextReply, ContextResult, Rejection, UserInformation},
};

/// Titles that are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Titles {
    /// Any that is one: see [`super::is_ae_title`].
    Any,
    /// These, compared with case, without padding.
    Only(BTreeSet<String>),
}

impl Titles {
    /// Whether a title is allowed.
    pub fn allows(&self, title: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(titles) => titles.contains(title),
        }
    }
}

/// What becomes of a requestor that says who its user is (PS3.7 annex D.3.3.7): passwords and tickets are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identity {
    /// It is left aside, as by everyone who does not support it.
    #[default]
    Ignore,
    /// The association is refused.
    Refuse,
}

/// What a receiver accepts.
#[derive(Debug, Clone)]
pub struct AcceptPolicy {
    /// Titles that it may be called by.
    pub called: Titles,
    /// Titles that may call.
    pub calling: Titles,
    /// UIDs of SOP classes that it takes. With [`STORAGE_BRANCH`] among them, every storage class below it.
    pub sop_classes: BTreeSet<String>,
    /// UIDs of transfer syntaxes that it takes.
    pub transfer_syntaxes: BTreeSet<String>,
    /// Bytes of a P-DATA-TF that it takes at most.
    pub max_pdu_length: u32,
    /// What becomes of a requestor that says who its user is.
    pub identity: Identity,
}

/// What the UIDs of the standard's storage classes begin with, but for a few. Retired ones and those of later editions do too.
pub const STORAGE_BRANCH: &str = "1.2.840.10008.5.1.4.1.1.";

/// Services below [`STORAGE_BRANCH`] that store nothing: queries for protocols and inventories.
const NO_STORAGE: [&str; 8] = [
    "1.2.840.10008.5.1.4.1.1.200.4",
    "1.2.840.10008.5.1.4.1.1.200.5",
    "1.2.840.10008.5.1.4.1.1.200.6",
    "1.2.840.10008.5.1.4.1.1.201.2",
    "1.2.840.10008.5.1.4.1.1.201.3",
    "1.2.840.10008.5.1.4.1.1.201.4",
    "1.2.840.10008.5.1.4.1.1.201.5",
    "1.2.840.10008.5.1.4.1.1.201.6",
];

impl AcceptPolicy {
    /// Whether it takes a SOP class.
    pub fn takes(&self, sop_class: &str) -> bool {
        self.sop_classes.contains(sop_class)
            || (sop_class.starts_with(STORAGE_BRANCH) && self.sop_classes.contains(STORAGE_BRANCH) && !NO_STORAGE.contains(&sop_class))
    }

    /// The answer to a request. Of each context, the first transfer syntax in the requestor's order that is taken: the sender knows best what it need not convert.
    ///
    /// # Errors
    /// When the association is to be refused: with the reason to send.
    pub fn answer(&self, request: &AssociateRequest) -> Result<AssociateAccept, Rejection> {
        if request.protocol_version & 1 == 0 {
            return Err(Rejection::PROTOCOL_VERSION);
        }
        if request.application_context != APPLICATION_CONTEXT {
            return Err(Rejection::APPLICATION_CONTEXT);
        }
        if !is_ae_title(&request.called) || !self.called.allows(&request.called) {
            return Err(Rejection::CALLED_TITLE);
        }
        if !is_ae_title(&request.calling) || !self.calling.allows(&request.calling) {
            return Err(Rejection::CALLING_TITLE);
        }
        if request.user.has_identity && self.identity == Identity::Refuse {
            return Err(Rejection::NO_REASON);
        }
        let contexts = request.contexts.iter().map(|context| {
            let syntax = context.transfer_syntaxes.iter().find(|syntax| self.transfer_syntaxes.contains(*syntax));
            let result = match syntax {
                _ if !self.takes(&context.abstract_syntax) => ContextResult::AbstractSyntaxUnknown,
                None => ContextResult::TransferSyntaxesUnknown,
                Some(_) => ContextResult::Accepted,
            };
            // A refused one names a syntax too; it means nothing, but some look for it.
            let transfer_syntax = syntax.or(context.transfer_syntaxes.first()).cloned().unwrap_or_default();
            ContextReply { id: context.id, result, transfer_syntax }
        });
        Ok(AssociateAccept {
            called: request.called.clone(),
            calling: request.calling.clone(),
            application_context: APPLICATION_CONTEXT.to_owned(),
            contexts: contexts.collect(),
            user: our_information(self.max_pdu_length),
        })
    }
}

/// What we say of ourselves.
pub(super) fn our_information(max_pdu_length: u32) -> UserInformation {
    UserInformation {
        max_pdu_length,
        implementation_class: IMPLEMENTATION_CLASS_UID.to_owned(),
        implementation_version: IMPLEMENTATION_VERSION_NAME.to_owned(),
        ..UserInformation::default()
    }
}
