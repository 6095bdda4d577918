//! `urn:uuid:` names that depend on nothing but what they name.

use sha2::{Digest, Sha256};

/// What the names are hashed with, so that they are names of this kind only.
const NAME_SPACE: &[u8] = b"sutura-fhir fullUrl\n";

/// The UUID of a name: the first 122 bits of a SHA-256 as version 8 of RFC 9562.
pub(super) fn uuid_of(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(NAME_SPACE);
    for part in parts {
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let number = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    number & !(0xF << 76) & !(0b11 << 62) | (8 << 76) | (0b10 << 62)
}

/// The UUID of `Type/id`.
pub(super) fn uuid_of_resource(resource_type: &str, id: &str) -> u128 {
    uuid_of(&[resource_type.as_bytes(), b"/", id.as_bytes()])
}

/// The URN as text.
pub(super) fn urn(uuid: u128) -> String {
    let hex = format!("{uuid:032x}");
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Whether it is `urn:uuid:` with a UUID, or `urn:oid:` with an OID.
pub(super) fn is_urn(text: &str) -> bool {
    if let Some(uuid) = text.strip_prefix("urn:uuid:") {
        let is_right = |(at, byte): (usize, u8)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() };
        return uuid.len() == 36 && uuid.bytes().enumerate().all(is_right);
    }
    let arc = |arc: &str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix("urn:oid:").is_some_and(|oid| oid.len() <= 256 && oid.contains('.') && oid.split('.').all(arc))
}
