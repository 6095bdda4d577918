//! Units over the limit: hashed, not held.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;

use super::split::Unit;

/// Bytes of an oversized unit that its reject keeps.
const KEPT_OF_OVERSIZED: usize = 64 << 10;

/// A unit that is passed over.
#[derive(Debug)]
pub(super) struct Skipping {
    offset: u64,
    length: u64,
    hasher: Sha256,
    beginning: Vec<u8>,
}

impl Skipping {
    pub(super) fn at(offset: u64) -> Self {
        Self { offset, length: 0, hasher: Sha256::new(), beginning: Vec::new() }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        let room = KEPT_OF_OVERSIZED.saturating_sub(self.beginning.len()).min(bytes.len());
        self.beginning.extend_from_slice(&bytes[..room]);
    }

    pub(super) fn unit(self) -> Unit {
        Unit::Oversized {
            offset: self.offset,
            length: self.length,
            sha256: Sha256Hash(self.hasher.finalize().into()),
            beginning: Bytes::from(self.beginning),
        }
    }
}
