//! The keyed operations on single values, for one key ring and one scope.

use std::{fmt, sync::Arc};

use aes_siv::{KeyInit as _, siv::Aes256Siv};
use hmac::Mac;
use zeroize::Zeroizing;

use crate::{
    canonical::canonical,
    encode::{base32_code, base64_decode, base64_into},
    error::PrivacyError,
    keys::{HmacSha256, KeyRing, Purpose, Scope, hmac_sha256},
    vault::Vault,
};

/// Keys of one scope, ready for use. `Send + Sync`; holds no master key.
pub struct PrivacyContext {
    scope: Scope,
    key_id: String,
    pseudonym: HmacSha256,
    date_shift: HmacSha256,
    /// Encryption keys, the active one first.
    encrypt: Vec<Zeroizing<[u8; 64]>>,
    vault: Option<Arc<dyn Vault>>,
}

impl PrivacyContext {
    /// The keys of `scope`, derived from the active key; older keys still decrypt. The project must be
    /// named; the domain may be empty (but not under gdpr-pseudonymised).
    pub fn new(keys: &KeyRing, scope: Scope, vault: Option<Arc<dyn Vault>>) -> Result<Self, PrivacyError> {
        if scope.project.trim().is_empty() {
            return Err(PrivacyError::Operation {
                operation: "making the privacy keys",
                reason: "the project must be named: it says within which space pseudonyms may be linked",
            });
        }
        let active = keys.active();
        Ok(Self {
            key_id: active.id.clone(),
            pseudonym: hmac_sha256(&*active.subkey::<32>(Purpose::Pseudonym, Some(&scope))),
            date_shift: hmac_sha256(&*active.subkey::<32>(Purpose::DateShift, Some(&scope))),
            encrypt: keys.newest_first().map(|key| key.subkey::<64>(Purpose::Encrypt, Some(&scope))).collect(),
            scope,
            vault,
        })
    }

    /// The scope.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Id of the active key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The vault, if there is one.
    pub fn vault(&self) -> Option<&Arc<dyn Vault>> {
        self.vault.as_ref()
    }

    /// The pseudonym of a value: 128 bits of HMAC-SHA256 over kind and canonical value under the key
    /// of the scope, as 26 letters and digits. `None` for a blank value.
    pub fn pseudonym(&self, kind: &str, value: &str) -> Option<String> {
        self.pseudonyms(kind).of(value).map(|code| code.iter().map(|b| char::from(*b)).collect())
    }

    pub(crate) fn pseudonyms(&self, kind: &str) -> PseudonymMaker {
        let mut mac = self.pseudonym.clone();
        update_framed(&mut mac, kind.as_bytes());
        PseudonymMaker { kind: kind.to_owned(), mac }
    }

    /// Days by which all dates of this patient move: from `-max_days` to `max_days`, never 0. `None` for a blank patient.
    pub fn shift_days(&self, patient: &str, max_days: u16) -> Option<i32> {
        let patient = canonical("patient", patient);
        if patient.is_empty() {
            return None;
        }
        let mut mac = self.date_shift.clone();
        update_framed(&mut mac, patient.as_bytes());
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let mut first = [0u8; 8];
        first.copy_from_slice(&tag[..8]);
        let span = u64::from(max_days.max(1));
        let step = (u64::from_le_bytes(first) % (2 * span)) as i32 - span as i32;
        Some(if step >= 0 { step + 1 } else { step })
    }

    /// A date in ISO text moved by the patient's days; `None` when it cannot be moved (see [`crate::dates::shift_iso`]).
    pub fn shift_date(&self, date: &str, patient: &str, max_days: u16) -> Option<String> {
        let mut out = String::with_capacity(date.len());
        crate::dates::shift_iso(date, self.shift_days(patient, max_days)?, &mut out).then_some(out)
    }

    /// Encrypts a value for one column: AES-256-SIV with project and column as associated data, base64.
    /// The same value in the same column always gives the same text.
    pub fn encrypt(&self, column: &str, value: &str) -> Result<String, PrivacyError> {
        let mut out = String::new();
        self.encryptor(column)?.encrypt_into(value, &mut out)?;
        Ok(out)
    }

    /// Reads what [`Self::encrypt`] wrote for the same project, domain and column, with any key of the ring.
    pub fn decrypt(&self, column: &str, text: &str) -> Result<String, PrivacyError> {
        let refuse = |reason| PrivacyError::Operation { operation: "decrypting", reason };
        let sealed = base64_decode(text.trim()).ok_or_else(|| refuse("the text is no ciphertext of this program"))?;
        for key in &self.encrypt {
            let plain = siv(key)?.decrypt([self.scope.project.as_bytes(), column.as_bytes()], &sealed);
            if let Ok(plain) = plain {
                return String::from_utf8(plain).map_err(|_| refuse("the plaintext is not text"));
            }
        }
        Err(refuse("no key of the ring fits, or project, domain or column differ from those it was encrypted for"))
    }

    pub(crate) fn encryptor<'c>(&'c self, column: &'c str) -> Result<Encryptor<'c>, PrivacyError> {
        let key = self.encrypt.first().ok_or(PrivacyError::Operation { operation: "encrypting", reason: "the key ring is empty" })?;
        Ok(Encryptor { cipher: siv(key)?, project: &self.scope.project, column })
    }

    /// The random code of a value, from the vault. `None` for a blank value.
    pub fn vault_code(&self, kind: &str, value: &str) -> Result<Option<String>, PrivacyError> {
        let vault = self.vault.as_ref().ok_or(NO_VAULT)?;
        let value = canonical(kind, value);
        if value.is_empty() {
            return Ok(None);
        }
        Ok(vault.codes(kind, &[&value])?.pop())
    }
}

pub(crate) const NO_VAULT: PrivacyError =
    PrivacyError::Operation { operation: "making a vault code", reason: "there is no vault; name a vault file for this project" };

impl fmt::Debug for PrivacyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyContext").field("scope", &self.scope).field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Pseudonyms of one kind: the keyed state with the kind already absorbed.
pub(crate) struct PseudonymMaker {
    kind: String,
    mac: HmacSha256,
}

impl PseudonymMaker {
    pub(crate) fn of(&self, value: &str) -> Option<[u8; 26]> {
        let value = canonical(&self.kind, value);
        if value.is_empty() {
            return None;
        }
        let mut mac = self.mac.clone();
        update_framed(&mut mac, value.as_bytes());
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let mut half = [0u8; 16];
        half.copy_from_slice(&tag[..16]);
        Some(base32_code(&half))
    }
}

/// One column's cipher.
pub(crate) struct Encryptor<'c> {
    cipher: Aes256Siv,
    project: &'c str,
    column: &'c str,
}

impl Encryptor<'_> {
    pub(crate) fn encrypt_into(&mut self, value: &str, out: &mut String) -> Result<(), PrivacyError> {
        let sealed = self
            .cipher
            .encrypt([self.project.as_bytes(), self.column.as_bytes()], value.as_bytes())
            .map_err(|_| PrivacyError::Operation { operation: "encrypting", reason: "the value is too long" })?;
        base64_into(&sealed, out);
        Ok(())
    }
}

fn siv(key: &[u8; 64]) -> Result<Aes256Siv, PrivacyError> {
    Aes256Siv::new_from_slice(key)
        .map_err(|_| PrivacyError::Operation { operation: "making a cipher", reason: "the key has the wrong length" })
}

/// Adds one part with its length before it, so that no two lists of parts give the same bytes.
pub(crate) fn update_framed(mac: &mut HmacSha256, part: &[u8]) {
    mac.update(&(part.len() as u64).to_le_bytes());
    mac.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{hex, hex_decode};

    fn context() -> PrivacyContext {
        PrivacyContext::new(&KeyRing::generate().unwrap(), Scope::new("p", "d"), None).unwrap()
    }

    #[test]
    fn siv_is_rfc_5297() {
        // Appendix A.1 has a key for AES-128; the next test answers for the AES-256 that is used here.
        let mut key = [0u8; 32];
        assert!(hex_decode("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", &mut key));
        let mut data = [0u8; 24];
        assert!(hex_decode("101112131415161718191a1b1c1d1e1f2021222324252627", &mut data));
        let mut plain = [0u8; 14];
        assert!(hex_decode("112233445566778899aabbccddee", &mut plain));
        let sealed = aes_siv::siv::Aes128Siv::new_from_slice(&key).unwrap().encrypt([data], &plain).unwrap();
        assert_eq!(hex(&sealed), "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
    }

    /// What a given key makes must never change: outputs of years would no longer link. The answers
    /// were computed with another implementation (Python's hmac, and AESSIV of its cryptography package).
    #[test]
    fn a_given_key_makes_what_it_always_made() {
        let secret = crate::encode::hex(&(0..32).collect::<Vec<u8>>());
        let ring = KeyRing::from_text(&format!("sutura-key 1 ke097e895e751d83e 2026-01-01T00:00:00Z {secret}")).unwrap();
        let context = PrivacyContext::new(&ring, Scope::new("project", "domain"), None).unwrap();
        assert_eq!(context.pseudonym("mrn", "00123").unwrap(), "6fstvrrmxqbelkmfi2fsnjjz5q");
        assert_eq!(context.shift_days("00123", 182), Some(-104));
        assert_eq!(context.encrypt("account", "00123").unwrap(), "S6u8brOWZHlrLvs4BElMAKvIBKl5");
    }

    #[test]
    fn pseudonyms_depend_on_key_scope_kind_and_value_only() {
        let ring = KeyRing::generate().unwrap();
        let of = |ring: &KeyRing, project: &str, domain: &str, kind: &str, value: &str| {
            PrivacyContext::new(ring, Scope::new(project, domain), None).unwrap().pseudonym(kind, value).unwrap()
        };
        let base = of(&ring, "p", "d", "mrn", "123");
        assert_eq!(base, of(&ring, "p", "d", "mrn", " 123 "));
        assert_eq!(base.len(), 26);
        for other in [
            of(&KeyRing::generate().unwrap(), "p", "d", "mrn", "123"),
            of(&ring, "q", "d", "mrn", "123"),
            of(&ring, "p", "e", "mrn", "123"),
            of(&ring, "p", "d", "ssn", "123"),
            of(&ring, "p", "d", "mrn", "0123"),
            of(&ring, "p", "d", "mrn1", "23"),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(context().pseudonym("mrn", "  "), None);
    }

    #[test]
    fn decryption_needs_the_same_project_and_column() {
        let ring = KeyRing::generate().unwrap();
        let context = PrivacyContext::new(&ring, Scope::new("p", "d"), None).unwrap();
        let sealed = context.encrypt("mrn", "Grüße 123").unwrap();
        assert_eq!(context.encrypt("mrn", "Grüße 123").unwrap(), sealed);
        assert_eq!(context.decrypt("mrn", &sealed).unwrap(), "Grüße 123");
        assert!(context.decrypt("ssn", &sealed).is_err());
        assert!(context.decrypt("mrn", &sealed[1..]).is_err());
        for scope in [Scope::new("q", "d"), Scope::new("p", "e")] {
            assert!(PrivacyContext::new(&ring, scope, None).unwrap().decrypt("mrn", &sealed).is_err());
        }
        let rotated = PrivacyContext::new(&ring.rotated().unwrap(), Scope::new("p", "d"), None).unwrap();
        assert_eq!(rotated.decrypt("mrn", &sealed).unwrap(), "Grüße 123");
        assert_ne!(rotated.encrypt("mrn", "Grüße 123").unwrap(), sealed);
    }

    #[test]
    fn shifts_are_stable_bounded_and_never_zero() {
        let context = context();
        let mut seen = std::collections::BTreeSet::new();
        for patient in 0..2000 {
            let days = context.shift_days(&patient.to_string(), 5).unwrap();
            assert_eq!(Some(days), context.shift_days(&format!(" {patient}"), 5));
            seen.insert(days);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]);
        assert_eq!(context.shift_days(" ", 5), None);
    }

    #[test]
    fn a_scope_must_be_named() {
        let ring = KeyRing::generate().unwrap();
        assert!(PrivacyContext::new(&ring, Scope::new(" ", "d"), None).is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        let ring = KeyRing::generate().unwrap();
        let context = PrivacyContext::new(&ring, Scope::new("p", "d"), None).unwrap();
        let key = format!("{:?}", &context.encrypt[0][..4]);
        assert!(!format!("{context:?}").contains(key.trim_matches(['[', ']'])));
    }
}
