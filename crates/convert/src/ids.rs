//! Ids of resources that depend on nothing but what the resource is.
//!
//! The same identifier gives the same id in every run and on every machine, so converting a record again updates what is there
//! instead of doubling it. An id is the first 128 bits of a SHA-256 over the resource type and what identifies it, in hexadecimal:
//! it cannot be read back, but whoever knows the identifier can compute it. Where that matters, de-identify after converting.

use std::fmt;

use sha2::{Digest, Sha256};

/// The id of a resource: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 32]);

impl Id {
    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// The digits.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of(hash: Sha256) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digest: [u8; 32] = hash.finalize().into();
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(text)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes an id out of several parts; no two lists of parts run together.
#[derive(Clone)]
pub struct IdBuilder(Sha256);

impl IdBuilder {
    /// Begins the id of a resource of that type.
    pub fn new(resource_type: &str) -> Self {
        Self(Sha256::new()).part("sutura-convert").part(resource_type)
    }

    /// Adds a part.
    pub fn part(mut self, part: &str) -> Self {
        self.add(part.as_bytes());
        self
    }

    /// Adds a part in place.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// The id.
    pub fn finish(self) -> Id {
        Id::of(self.0)
    }
}

impl fmt::Debug for IdBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdBuilder").finish_non_exhaustive()
    }
}

/// The id of the resource that an identifier names.
pub fn from_identifier(resource_type: &str, system: &str, value: &str) -> Id {
    IdBuilder::new(resource_type).part("identifier").part(system).part(value).finish()
}

/// The id of a resource without an identifier: the record it came from, and its place in that record.
pub fn from_record(resource_type: &str, record: &[u8; 32], place: &str) -> Id {
    let mut id = IdBuilder::new(resource_type).part("record");
    id.add(record);
    id.part(place).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_every_part_and_nothing_else() {
        let id = from_identifier("Patient", "urn:oid:1.2", "77");
        assert_eq!(id, from_identifier("Patient", "urn:oid:1.2", "77"));
        assert_eq!(id.as_str().len(), 32);
        assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
        for other in [
            from_identifier("Person", "urn:oid:1.2", "77"),
            from_identifier("Patient", "urn:oid:1.27", "7"),
            from_identifier("Patient", "urn:oid:1.2", "78"),
            from_record("Patient", &[0; 32], "77"),
        ] {
            assert_ne!(id, other);
        }
    }
}
