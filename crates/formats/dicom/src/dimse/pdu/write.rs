//! From PDUs to bytes.

use super::{AssociateAccept, AssociateRequest, Pdu, UserInformation};

pub(super) fn write(pdu: &Pdu) -> Vec<u8> {
    match pdu {
        Pdu::AssociateRq(request) => whole(1, &associate_request(request)),
        Pdu::AssociateAc(accept) => whole(2, &associate_accept(accept)),
        Pdu::AssociateRj(rejection) => whole(3, &[0, rejection.result, rejection.source, rejection.reason]),
        Pdu::ReleaseRq => whole(5, &[0; 4]),
        Pdu::ReleaseRp => whole(6, &[0; 4]),
        Pdu::Abort(source, reason) => whole(7, &[0, 0, source.byte(), *reason]),
    }
}

fn whole(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(6 + body.len());
    out.extend([kind, 0]);
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
    out
}

fn fixed(version: u16, called: &str, calling: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    out.extend(version.to_be_bytes());
    out.extend([0, 0]);
    for title in [called, calling] {
        out.extend(title.bytes().chain(std::iter::repeat(b' ')).take(16));
    }
    out.extend([0; 32]);
    out
}

fn item(kind: u8, content: &[u8], out: &mut Vec<u8>) {
    // Ours are far below: 256 transfer syntaxes of 64 characters are 17,408 bytes.
    let content = &content[..content.len().min(usize::from(u16::MAX))];
    out.extend([kind, 0]);
    out.extend((content.len() as u16).to_be_bytes());
    out.extend(content);
}

fn associate_request(request: &AssociateRequest) -> Vec<u8> {
    let mut out = fixed(request.protocol_version, &request.called, &request.calling);
    item(0x10, request.application_context.as_bytes(), &mut out);
    for context in &request.contexts {
        let mut content = vec![context.id, 0, 0, 0];
        item(0x30, context.abstract_syntax.as_bytes(), &mut content);
        for syntax in &context.transfer_syntaxes {
            item(0x40, syntax.as_bytes(), &mut content);
        }
        item(0x20, &content, &mut out);
    }
    user(&request.user, &mut out);
    out
}

fn associate_accept(accept: &AssociateAccept) -> Vec<u8> {
    let mut out = fixed(1, &accept.called, &accept.calling);
    item(0x10, accept.application_context.as_bytes(), &mut out);
    for context in &accept.contexts {
        let mut content = vec![context.id, 0, context.result.byte(), 0];
        item(0x40, context.transfer_syntax.as_bytes(), &mut content);
        item(0x21, &content, &mut out);
    }
    user(&accept.user, &mut out);
    out
}

fn user(user: &UserInformation, out: &mut Vec<u8>) {
    let mut content = Vec::with_capacity(128);
    item(0x51, &user.max_pdu_length.to_be_bytes(), &mut content);
    item(0x52, user.implementation_class.as_bytes(), &mut content);
    if !user.implementation_version.is_empty() {
        item(0x55, user.implementation_version.as_bytes(), &mut content);
    }
    item(0x50, &content, out);
}
