//! The identity of a record: enough to find its original bytes again and to de-duplicate a replay.

use std::{fmt, sync::Arc};

use arrow::datatypes::DataType;
use sha2::{Digest, Sha256};

use crate::{phi::PhiClass, table::ColumnDef};

/// Column: URI of the source.
pub const COL_SOURCE: &str = "_source";
/// Column: byte offset of the record in the (decompressed) source.
pub const COL_OFFSET: &str = "_offset";
/// Column: length of the record in bytes.
pub const COL_LENGTH: &str = "_length";
/// Column: SHA-256 of the record's bytes, in hexadecimal.
pub const COL_SHA256: &str = "_sha256";

/// The four identity columns that lead every table. They lead back to the person (a file name, a
/// hash of identifying bytes), so their class is `other-id` and release policies drop or re-key them.
pub fn identity_columns() -> Vec<ColumnDef> {
    vec![
        ColumnDef::new(COL_SOURCE, DataType::Utf8View, "", PhiClass::OtherId, "URI of the file or stream the record came from"),
        ColumnDef::new(COL_OFFSET, DataType::Int64, "", PhiClass::OtherId, "byte offset of the record in the source (after decompression)"),
        ColumnDef::new(COL_LENGTH, DataType::Int64, "", PhiClass::OtherId, "length of the record in bytes"),
        ColumnDef::new(COL_SHA256, DataType::Utf8View, "", PhiClass::OtherId, "SHA-256 of the record's bytes, hexadecimal"),
    ]
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Hash(pub [u8; 32]);

impl Sha256Hash {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Lower-case hexadecimal, 64 characters, without allocation.
    pub fn to_hex(self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0u8; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex
    }
}

impl fmt::Display for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a record's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordId {
    /// URI of the source.
    pub source: Arc<str>,
    /// Byte offset in the (decompressed) source.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// SHA-256 of the bytes.
    pub sha256: Sha256Hash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_prints_as_hex() {
        let hash = Sha256Hash::of(b"abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(std::str::from_utf8(&hash.to_hex()).unwrap(), hash.to_string());
    }
}
