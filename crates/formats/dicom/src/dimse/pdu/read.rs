//! From bytes to PDUs.

use super::{
    AbortSource, AssociateAccept, AssociateRequest, ContextReply, ContextResult, MOST_CONTEXTS, MOST_SYNTAXES, Pdu, PduType,
    ProposedContext, Rejection, UserInformation, malformed,
};
use crate::dimse::error::{DimseError, Malformed};

pub(super) fn parse(kind: PduType, body: &[u8]) -> Result<Pdu, DimseError> {
    match kind {
        PduType::AssociateRq => request(body).map(Pdu::AssociateRq),
        PduType::AssociateAc => accept(body).map(Pdu::AssociateAc),
        PduType::AssociateRj => {
            let [_, result, source, reason] = four(body)?;
            Ok(Pdu::AssociateRj(Rejection { result, source, reason }))
        }
        PduType::ReleaseRq => four(body).map(|_| Pdu::ReleaseRq),
        PduType::ReleaseRp => four(body).map(|_| Pdu::ReleaseRp),
        PduType::Abort => {
            let [_, _, source, reason] = four(body)?;
            Ok(Pdu::Abort(AbortSource::of(source), reason))
        }
        PduType::Data | PduType::Other(_) => Err(DimseError::Unexpected(kind)),
    }
}

fn four(body: &[u8]) -> Result<[u8; 4], DimseError> {
    <[u8; 4]>::try_from(body).map_err(|_| malformed(Malformed::Length, body.len().min(4)))
}

/// What both association PDUs have before their items: version, titles.
const FIXED: usize = 68;

fn fixed(body: &[u8]) -> Result<(u16, String, String, Items<'_>), DimseError> {
    let (Some(version), Some(called), Some(calling)) = (body.first_chunk::<2>(), body.get(4..20), body.get(20..36)) else {
        return Err(malformed(Malformed::Cut, body.len()));
    };
    let Some(items) = body.get(FIXED..) else { return Err(malformed(Malformed::Cut, body.len())) };
    Ok((u16::from_be_bytes(*version), title(called), title(calling), Items { bytes: items, at: FIXED }))
}

/// A title without its padding. What cannot be in one becomes U+FFFD, so that it is none any more.
fn title(bytes: &[u8]) -> String {
    // NUL is no padding, but some pad with it.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let known = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { char::REPLACEMENT_CHARACTER };
    bytes[..end].iter().map(known).collect::<String>().trim_matches(' ').to_owned()
}

fn request(body: &[u8]) -> Result<AssociateRequest, DimseError> {
    let (protocol_version, called, calling, items) = fixed(body)?;
    let (mut application_context, mut contexts, mut user) = (None, Vec::new(), None);
    for item in items {
        let item = item?;
        match item.kind {
            0x10 => once(&mut application_context, item.uid()?, item.at)?,
            0x20 => {
                if contexts.len() >= MOST_CONTEXTS {
                    return Err(malformed(Malformed::TooMany, item.at));
                }
                contexts.push(proposed(&item)?);
            }
            0x50 => once(&mut user, user_information(&item)?, item.at)?,
            // PS3.8 section 9.3.1: what is not known is ignored.
            _ => {}
        }
    }
    let (Some(application_context), Some(user)) = (application_context, user) else { return Err(malformed(Malformed::Items, body.len())) };
    if contexts.is_empty() {
        return Err(malformed(Malformed::Items, body.len()));
    }
    let mut ids: Vec<u8> = contexts.iter().map(|context: &ProposedContext| context.id).collect();
    ids.sort_unstable();
    if ids.iter().any(|id| id % 2 == 0) || ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(malformed(Malformed::ContextId, FIXED));
    }
    Ok(AssociateRequest { called, calling, protocol_version, application_context, contexts, user })
}

fn accept(body: &[u8]) -> Result<AssociateAccept, DimseError> {
    let (_, called, calling, items) = fixed(body)?;
    let (mut application_context, mut contexts, mut user) = (None, Vec::new(), None);
    for item in items {
        let item = item?;
        match item.kind {
            0x10 => once(&mut application_context, item.uid()?, item.at)?,
            0x21 => {
                if contexts.len() >= MOST_CONTEXTS {
                    return Err(malformed(Malformed::TooMany, item.at));
                }
                contexts.push(reply(&item)?);
            }
            0x50 => once(&mut user, user_information(&item)?, item.at)?,
            _ => {}
        }
    }
    let (Some(application_context), Some(user)) = (application_context, user) else { return Err(malformed(Malformed::Items, body.len())) };
    Ok(AssociateAccept { called, calling, application_context, contexts, user })
}

fn once<T>(place: &mut Option<T>, value: T, at: usize) -> Result<(), DimseError> {
    if place.replace(value).is_some() {
        return Err(malformed(Malformed::Items, at));
    }
    Ok(())
}

fn proposed(item: &Item<'_>) -> Result<ProposedContext, DimseError> {
    let (id, items) = item.context()?;
    let (mut abstract_syntax, mut transfer_syntaxes) = (None, Vec::new());
    for item in items {
        let item = item?;
        match item.kind {
            0x30 => once(&mut abstract_syntax, item.uid()?, item.at)?,
            0x40 => {
                if transfer_syntaxes.len() >= MOST_SYNTAXES {
                    return Err(malformed(Malformed::TooMany, item.at));
                }
                transfer_syntaxes.push(item.uid()?);
            }
            _ => {}
        }
    }
    let Some(abstract_syntax) = abstract_syntax else { return Err(malformed(Malformed::Items, item.at)) };
    if transfer_syntaxes.is_empty() {
        return Err(malformed(Malformed::Items, item.at));
    }
    Ok(ProposedContext { id, abstract_syntax, transfer_syntaxes })
}

fn reply(item: &Item<'_>) -> Result<ContextReply, DimseError> {
    let (id, items) = item.context()?;
    let result = ContextResult::of(item.bytes.get(2).copied().unwrap_or(2));
    let mut transfer_syntax = None;
    for item in items {
        let item = item?;
        if item.kind == 0x40 {
            // Where the context was refused this means nothing, and some leave it empty.
            let uid = if result == ContextResult::Accepted { item.uid()? } else { String::new() };
            once(&mut transfer_syntax, uid, item.at)?;
        }
    }
    if result == ContextResult::Accepted && transfer_syntax.is_none() {
        return Err(malformed(Malformed::Items, item.at));
    }
    Ok(ContextReply { id, result, transfer_syntax: transfer_syntax.unwrap_or_default() })
}

fn user_information(item: &Item<'_>) -> Result<UserInformation, DimseError> {
    let mut user = UserInformation::default();
    for item in (Items { bytes: item.bytes, at: item.at }) {
        let item = item?;
        match item.kind {
            0x51 => {
                let Ok(length) = <[u8; 4]>::try_from(item.bytes) else { return Err(malformed(Malformed::Length, item.at)) };
                user.max_pdu_length = u32::from_be_bytes(length);
            }
            0x52 => user.implementation_class = item.uid()?,
            0x55 => user.implementation_version = title(item.bytes.get(..16).unwrap_or(item.bytes)),
            0x58 => {
                user.has_identity = true;
                user.wants_identity_answer = item.bytes.get(1) == Some(&1);
            }
            // Asynchronous operations, roles, extended negotiation: without an answer the defaults hold.
            _ => {}
        }
    }
    Ok(user)
}

/// One item: kind, place in the PDU, content.
struct Item<'b> {
    kind: u8,
    at: usize,
    bytes: &'b [u8],
}

impl<'b> Item<'b> {
    fn uid(&self) -> Result<String, DimseError> {
        let end = self.bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
        let bytes = &self.bytes[..end];
        if bytes.len() > 64 || !bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
            return Err(malformed(Malformed::Text, self.at));
        }
        Ok(bytes.iter().map(|byte| char::from(*byte)).collect())
    }

    /// Identifier and items of a presentation context.
    fn context(&self) -> Result<(u8, Items<'b>), DimseError> {
        match self.bytes {
            [id, _, _, _, items @ ..] => Ok((*id, Items { bytes: items, at: self.at + 4 })),
            _ => Err(malformed(Malformed::Length, self.at)),
        }
    }
}

/// Items one after the other: kind, reserved, length of two bytes, content.
struct Items<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Iterator for Items<'b> {
    type Item = Result<Item<'b>, DimseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let &[kind, _, high, low, ref rest @ ..] = self.bytes else {
            self.bytes = &[];
            return Some(Err(malformed(Malformed::Cut, self.at)));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((bytes, rest)) = rest.split_at_checked(length) else {
            self.bytes = &[];
            return Some(Err(malformed(Malformed::Cut, self.at)));
        };
        let at = self.at + 4;
        (self.bytes, self.at) = (rest, at + length);
        Some(Ok(Item { kind, at, bytes }))
    }
}
