//! Keys: where they live, how they are guarded, and the separate subkey each purpose gets.
//!
//! A key ring is a small text file, one key a line, the active (newest) key last:
//!
//! ```text
//! # Sutura key ring. Keep it apart from the data.
//! sutura-key 1 k5f0c2a9d81e3b764 2026-03-14T15:09:26Z <64 hexadecimal digits>
//! ```
//!
//! A key is never in a job file, never defaulted and never derived from a password.

use std::{
    fmt,
    io::{Read, Write},
    path::Path,
};

use chrono::{SecondsFormat, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sutura_core::SecretBytes;
use zeroize::Zeroizing;

use crate::{
    encode::{hex, hex_decode},
    error::PrivacyError,
};

/// Bytes of a master key.
const KEY_BYTES: usize = 32;
/// No key ring is larger than this; a bigger file is a wrong file.
const MAX_FILE_BYTES: u64 = 64 * 1024;
const LINE_WORD: &str = "sutura-key";
const HEADER: &str = "# Sutura key ring. Keep it apart from the data and back it up: without it no pseudonym can be made again.\n\
# One key a line, the active one last: sutura-key VERSION ID CREATED SECRET\n";

/// HMAC-SHA256, keyed.
pub(crate) type HmacSha256 = Hmac<Sha256>;

/// The space in which pseudonyms, codes and shifts are comparable. Two scopes share nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The project or release.
    pub project: String,
    /// The pseudonymisation domain (GDPR, EDPB Guidelines 01/2025): who may link records with one another.
    pub domain: String,
}

impl Scope {
    /// A scope.
    pub fn new(project: impl Into<String>, domain: impl Into<String>) -> Self {
        Self { project: project.into(), domain: domain.into() }
    }
}

/// What a subkey is for. Keys of different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Pseudonym,
    DateShift,
    Encrypt,
    Vault,
    Seal,
    KeyId,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Pseudonym => b"pseudonym",
            Purpose::DateShift => b"date-shift",
            Purpose::Encrypt => b"encrypt",
            Purpose::Vault => b"vault",
            Purpose::Seal => b"seal",
            Purpose::KeyId => b"key-id",
        }
    }
}

/// One master key. Only subkeys of it ever meet data.
#[derive(Clone)]
pub(crate) struct MasterKey {
    pub(crate) id: String,
    created: String,
    secret: SecretBytes,
}

impl MasterKey {
    fn generate() -> Result<Self, PrivacyError> {
        let mut secret = Zeroizing::new(vec![0u8; KEY_BYTES]);
        getrandom::fill(&mut secret)?;
        Ok(Self::new(&secret, Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)))
    }

    fn new(secret: &[u8], created: String) -> Self {
        let mut key = Self { id: String::new(), created, secret: SecretBytes::new(secret.to_vec()) };
        let digest = Sha256::digest(*key.subkey::<32>(Purpose::KeyId, None));
        key.id = format!("k{}", hex(&digest[..8]));
        key
    }

    /// The subkey of one purpose, bound to a scope where the purpose has one.
    pub(crate) fn subkey<const N: usize>(&self, purpose: Purpose, scope: Option<&Scope>) -> Zeroizing<[u8; N]> {
        let mut info = Vec::new();
        frame(&mut info, b"sutura");
        frame(&mut info, purpose.label());
        if let Some(scope) = scope {
            frame(&mut info, scope.project.as_bytes());
            frame(&mut info, scope.domain.as_bytes());
        }
        hkdf_sha256(b"sutura-key-ring-1", self.secret.expose(), &info)
    }
}

/// Appends one part with its length before it, so that no two lists of parts give the same bytes.
pub(crate) fn frame(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u64).to_le_bytes());
    out.extend_from_slice(part);
}

/// A keyed HMAC-SHA256. Any key length is valid for HMAC, so this cannot fail.
pub(crate) fn hmac_sha256(key: &[u8]) -> HmacSha256 {
    match HmacSha256::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of every length"),
    }
}

/// HKDF with SHA-256 (RFC 5869), extract then expand. `N` is at most 255 blocks of 32 bytes.
fn hkdf_sha256<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32) };
    let mut extract = hmac_sha256(salt);
    extract.update(secret);
    let pseudo_random_key = Zeroizing::new(<[u8; 32]>::from(extract.finalize().into_bytes()));
    let mut out = Zeroizing::new([0u8; N]);
    let mut previous: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::new());
    for (counter, chunk) in (1u8..=255).zip(out.chunks_mut(32)) {
        let mut expand = hmac_sha256(&*pseudo_random_key);
        expand.update(&previous);
        expand.update(info);
        expand.update(&[counter]);
        previous = Zeroizing::new(expand.finalize().into_bytes().to_vec());
        chunk.copy_from_slice(&previous[..chunk.len()]);
    }
    out
}

/// One or more master keys. The last is active: it makes every new pseudonym, shift and seal. The
/// others still decrypt and open what they made.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<MasterKey>,
}

impl KeyRing {
    /// A ring with one fresh key from the operating system's random source.
    pub fn generate() -> Result<Self, PrivacyError> {
        Ok(Self { keys: vec![MasterKey::generate()?] })
    }

    /// Reads a key file. Refuses one that others than its owner may read.
    pub fn from_file(path: &Path) -> Result<Self, PrivacyError> {
        let io = |source| PrivacyError::KeyFile { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let mode = metadata.mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(PrivacyError::KeyFileExposed { path: path.to_owned(), mode });
            }
        }
        if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
            return Err(PrivacyError::KeyFormat { line: 1, reason: "this is not a key file" });
        }
        let mut text = Zeroizing::new(String::with_capacity(metadata.len() as usize + 1));
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(io)?;
        Self::from_text(&text)
    }

    /// Reads the same text from an environment variable.
    pub fn from_env(variable: &str) -> Result<Self, PrivacyError> {
        let text = std::env::var(variable).map_err(|_| PrivacyError::KeyVariable(variable.to_owned()))?;
        let text = Zeroizing::new(text);
        if text.trim().is_empty() {
            return Err(PrivacyError::KeyVariable(variable.to_owned()));
        }
        Self::from_text(&text)
    }

    /// Reads the text of a key file (see the module documentation for the form).
    pub fn from_text(text: &str) -> Result<Self, PrivacyError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refuse = |reason| PrivacyError::KeyFormat { line: number + 1, reason };
            let mut words = line.split_whitespace();
            if words.next() != Some(LINE_WORD) {
                return Err(refuse("a line starts with the word sutura-key"));
            }
            if words.next() != Some("1") {
                return Err(refuse("this version of the key format is not known"));
            }
            let (Some(id), Some(created), Some(secret), None) = (words.next(), words.next(), words.next(), words.next()) else {
                return Err(refuse("a line has five words"));
            };
            let mut bytes = Zeroizing::new([0u8; KEY_BYTES]);
            if !hex_decode(secret, &mut *bytes) {
                return Err(refuse("the secret is not 64 hexadecimal digits"));
            }
            if bytes.iter().all(|byte| *byte == bytes[0]) {
                return Err(refuse("the secret is one byte repeated, which is no secret"));
            }
            let key = MasterKey::new(&*bytes, created.to_owned());
            if key.id != id {
                return Err(refuse("the id does not fit the secret: the line was damaged or edited"));
            }
            if keys.iter().any(|other| other.id == key.id) {
                return Err(refuse("the same key stands twice"));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(PrivacyError::KeyFormat { line: 1, reason: "there is no key in it" });
        }
        Ok(Self { keys })
    }

    /// Writes the ring to a new file that only its owner may read, and makes sure it is on disk.
    /// An existing file is never overwritten.
    pub fn save_new(&self, path: &Path) -> Result<(), PrivacyError> {
        let io = |source| PrivacyError::KeyFile { path: path.to_owned(), source };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => PrivacyError::KeyFileExists(path.to_owned()),
            _ => io(source),
        })?;
        file.write_all(self.to_text().as_bytes()).map_err(io)?;
        file.sync_all().map_err(io)?;
        #[cfg(unix)]
        {
            // The name is on disk only when the folder is.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        }
        Ok(())
    }

    fn to_text(&self) -> Zeroizing<String> {
        // Room for everything at once: a growing string would leave copies of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(HEADER.len() + self.keys.len() * 160));
        text.push_str(HEADER);
        for key in &self.keys {
            let secret = Zeroizing::new(hex(key.secret.expose()));
            for word in [LINE_WORD, " 1 ", &key.id, " ", &key.created, " ", &secret, "\n"] {
                text.push_str(word);
            }
        }
        text
    }

    /// A ring with a fresh active key; the keys of this one stay for decryption. Pseudonyms and
    /// shifts made from now on differ from those made before.
    pub fn rotated(&self) -> Result<Self, PrivacyError> {
        let mut keys = self.keys.clone();
        keys.push(MasterKey::generate()?);
        Ok(Self { keys })
    }

    /// The same ring with the key of that id active: to continue a release that an older key made.
    pub fn with_active(&self, id: &str) -> Result<Self, PrivacyError> {
        let mut keys = self.keys.clone();
        let at = keys.iter().position(|key| key.id == id).ok_or_else(|| PrivacyError::UnknownKey(id.to_owned()))?;
        let key = keys.remove(at);
        keys.push(key);
        Ok(Self { keys })
    }

    /// Id of the active key. It says nothing about the key: a truncated hash of a subkey that has no other use.
    pub fn key_id(&self) -> &str {
        &self.active().id
    }

    /// Ids of all keys, the active one first.
    pub fn key_ids(&self) -> Vec<&str> {
        self.newest_first().map(|key| key.id.as_str()).collect()
    }

    pub(crate) fn active(&self) -> &MasterKey {
        // Every constructor makes sure that there is one.
        &self.keys[self.keys.len() - 1]
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &MasterKey> {
        self.keys.iter().rev()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("key_ids", &self.key_ids()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(secret: &str) -> String {
        format!("sutura-key 1 k0000000000000000 2026-01-01T00:00:00Z {secret}\n")
    }

    #[test]
    fn hkdf_is_rfc_5869() {
        let mut secret = [0u8; 22];
        secret.fill(0x0b);
        let salt: Vec<u8> = (0..=12).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let out = hkdf_sha256::<42>(&salt, &secret, &info);
        assert_eq!(hex(&*out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    }

    #[test]
    fn hmac_is_rfc_4231() {
        let mut mac = hmac_sha256(b"Jefe");
        mac.update(b"what do ya want for nothing?");
        assert_eq!(hex(&mac.finalize().into_bytes()), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_saved_ring_reads_back_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let ring = KeyRing::generate().unwrap().rotated().unwrap();
        ring.save_new(&path).unwrap();
        let back = KeyRing::from_file(&path).unwrap();
        assert_eq!(back.key_ids(), ring.key_ids());
        assert_eq!(back.active().secret.expose(), ring.active().secret.expose());
        assert!(matches!(ring.save_new(&path), Err(PrivacyError::KeyFileExists(_))));
        assert!(matches!(KeyRing::from_file(&folder.path().join("none")), Err(PrivacyError::KeyFile { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        KeyRing::generate().unwrap().save_new(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(KeyRing::from_file(&path), Err(PrivacyError::KeyFileExposed { .. })), "{mode:o}");
        }
    }

    #[test]
    fn damaged_or_weak_keys_are_refused() {
        for text in [
            "",
            "# only a comment\n",
            "password123",
            &line(&"00".repeat(32)),
            &line(&"ab".repeat(32)),
            &line(&"0123456789abcdef".repeat(3)),
            &line(&"0123456789abcdef".repeat(4)),
            &line(&"0123456789abcdeg".repeat(4)),
            "sutura-key 2 x y z",
        ] {
            let error = KeyRing::from_text(text).unwrap_err();
            assert!(matches!(error, PrivacyError::KeyFormat { .. }));
            assert!(!error.to_string().contains("0123456789abcdef"), "an error shows a secret");
        }
        let good = KeyRing::generate().unwrap().to_text();
        let twice = format!("{}{}", *good, *good);
        assert!(KeyRing::from_text(&twice).is_err());
    }

    #[test]
    fn purposes_and_scopes_have_independent_keys() {
        let ring = KeyRing::generate().unwrap();
        let key = ring.active();
        let (a, b) = (Scope::new("ab", "c"), Scope::new("a", "bc"));
        let all = [
            key.subkey::<32>(Purpose::Pseudonym, Some(&a)),
            key.subkey::<32>(Purpose::Pseudonym, Some(&b)),
            key.subkey::<32>(Purpose::DateShift, Some(&a)),
            key.subkey::<32>(Purpose::Seal, None),
            key.subkey::<32>(Purpose::KeyId, None),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| **other != **one));
        }
    }

    #[test]
    fn debug_shows_ids_only() {
        let ring = KeyRing::generate().unwrap();
        let shown = format!("{ring:?}");
        assert!(shown.contains(ring.key_id()));
        assert!(!shown.contains(&hex(ring.active().secret.expose())[..8]));
    }

    #[test]
    fn an_older_key_can_be_made_active_again() {
        let old = KeyRing::generate().unwrap();
        let new = old.rotated().unwrap();
        assert_ne!(new.key_id(), old.key_id());
        assert_eq!(new.with_active(old.key_id()).unwrap().key_id(), old.key_id());
        assert!(new.with_active("k0").is_err());
    }
}
