//! Sealing the original bytes of rejects: AES-256-GCM-SIV with a random nonce, bound to where the bytes came from.
//!
//! ```text
//! "SUTSEAL" version(1) id-length id nonce(12) ciphertext+tag
//! ```
//!
//! The header, the source's hash and the offset are associated data: a sealed reject opens only as the
//! reject it is.

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use zeroize::Zeroizing;

use crate::{
    error::PrivacyError,
    keys::{KeyRing, MasterKey, Purpose, frame},
};

const MAGIC: &[u8; 7] = b"SUTSEAL";
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// What the header of a sealed value says, without any key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedInfo {
    /// Format version.
    pub version: u8,
    /// Id of the key that opens it.
    pub key_id: String,
    /// Bytes of the original.
    pub length: usize,
}

/// Reads the header of a sealed value; `None` when it is none.
pub fn sealed_info(sealed: &[u8]) -> Option<SealedInfo> {
    let parts = Parts::of(sealed)?;
    Some(SealedInfo { version: VERSION, key_id: parts.key_id.to_owned(), length: parts.body.len() - TAG_BYTES })
}

struct Parts<'s> {
    header: &'s [u8],
    key_id: &'s str,
    nonce: &'s [u8; NONCE_BYTES],
    body: &'s [u8],
}

impl<'s> Parts<'s> {
    fn of(sealed: &'s [u8]) -> Option<Self> {
        let rest = sealed.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
        let (length, rest) = rest.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        let header = &sealed[..sealed.len() - rest.len()];
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>()?;
        (body.len() >= TAG_BYTES).then_some(Self { header, key_id: std::str::from_utf8(id).ok()?, nonce, body })
    }
}

impl KeyRing {
    /// Seals bytes under the active key. `source_sha256` and `offset` say where they came from and must
    /// be given again to open them.
    pub fn seal(&self, plain: &[u8], source_sha256: &[u8; 32], offset: u64) -> Result<Vec<u8>, PrivacyError> {
        let key = self.active();
        let mut nonce = [0u8; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let mut sealed = Vec::with_capacity(MAGIC.len() + 2 + key.id.len() + NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(MAGIC);
        sealed.push(VERSION);
        sealed.push(key.id.len() as u8);
        sealed.extend_from_slice(key.id.as_bytes());
        let place = associated(&sealed, source_sha256, offset);
        let body = cipher(key)?
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &place })
            .map_err(|_| PrivacyError::Operation { operation: "sealing", reason: "the value is too long" })?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made with any key of the ring.
    pub fn open(&self, sealed: &[u8], source_sha256: &[u8; 32], offset: u64) -> Result<Zeroizing<Vec<u8>>, PrivacyError> {
        let refuse = |reason| PrivacyError::Operation { operation: "opening sealed bytes", reason };
        let parts = Parts::of(sealed).ok_or_else(|| refuse("these are no sealed bytes of this program, or they were cut off"))?;
        let key = self.find(parts.key_id).ok_or_else(|| PrivacyError::UnknownKey(parts.key_id.to_owned()))?;
        let place = associated(parts.header, source_sha256, offset);
        let plain = cipher(key)?.decrypt(&Nonce::from(*parts.nonce), Payload { msg: parts.body, aad: &place });
        plain.map(Zeroizing::new).map_err(|_| refuse("they were changed, or belong to another source or offset"))
    }
}

fn cipher(key: &MasterKey) -> Result<Aes256GcmSiv, PrivacyError> {
    Aes256GcmSiv::new_from_slice(&*key.subkey::<32>(Purpose::Seal, None))
        .map_err(|_| PrivacyError::Operation { operation: "making a cipher", reason: "the key has the wrong length" })
}

fn associated(header: &[u8], source_sha256: &[u8; 32], offset: u64) -> Vec<u8> {
    let mut place = Vec::with_capacity(header.len() + 72);
    frame(&mut place, header);
    frame(&mut place, source_sha256);
    frame(&mut place, &offset.to_le_bytes());
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_in_its_place() {
        let ring = KeyRing::generate().unwrap();
        let source = [7u8; 32];
        let large = vec![0u8; 100_000];
        for plain in [&b""[..], b"MSH|^~\\&|broken", &large] {
            let sealed = ring.seal(plain, &source, 42).unwrap();
            assert_eq!(ring.open(&sealed, &source, 42).unwrap().as_slice(), plain);
            assert_eq!(ring.rotated().unwrap().open(&sealed, &source, 42).unwrap().as_slice(), plain);
            assert!(ring.open(&sealed, &source, 43).is_err());
            assert!(ring.open(&sealed, &[8u8; 32], 42).is_err());
            assert!(matches!(KeyRing::generate().unwrap().open(&sealed, &source, 42), Err(PrivacyError::UnknownKey(_))));
            assert_eq!(sealed_info(&sealed).unwrap(), SealedInfo { version: 1, key_id: ring.key_id().to_owned(), length: plain.len() });
        }
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let ring = KeyRing::generate().unwrap();
        let sealed = ring.seal(b"original", &[0; 32], 0).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ring.open(&changed, &[0; 32], 0).is_err(), "byte {at}");
            assert!(ring.open(&sealed[..at], &[0; 32], 0).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn equal_bytes_seal_differently() {
        let ring = KeyRing::generate().unwrap();
        assert_ne!(ring.seal(b"same", &[0; 32], 0).unwrap(), ring.seal(b"same", &[0; 32], 0).unwrap());
    }
}
