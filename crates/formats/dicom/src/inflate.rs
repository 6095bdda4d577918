//! Deflated data sets (PS3.5 annex A.5).

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use crate::error::{DicomError, DicomErrorKind as Kind};

/// What came out.
pub(crate) struct Inflated {
    /// The bytes before the data set as they were, and the data set unpacked.
    pub(crate) bytes: Bytes,
    /// Whether that is all of it.
    pub(crate) complete: bool,
}

/// Unpacks the rest of `bytes` from `at`, and keeps at most `room` bytes of it. What is beyond is unpacked too, to see whether it is whole, but not kept:
/// at most 64 times as much.
pub(crate) fn inflate(bytes: &Bytes, at: usize, room: usize) -> Result<Inflated, DicomError> {
    let packed = bytes.get(at..).unwrap_or_default();
    match unpack(packed, false, bytes.get(..at).unwrap_or_default(), room) {
        Some(inflated) => Ok(inflated),
        // Some writers put the wrapping of zlib around it.
        None if packed.first().is_some_and(|byte| byte & 15 == 8) => {
            unpack(packed, true, bytes.get(..at).unwrap_or_default(), room).ok_or(DicomError::new(Kind::Deflate, at, None))
        }
        None => Err(DicomError::new(Kind::Deflate, at, None)),
    }
}

fn unpack(packed: &[u8], zlib: bool, before: &[u8], room: usize) -> Option<Inflated> {
    let mut inflater = Decompress::new(zlib);
    // Once and for all: growing would hold it twice. Nothing deflates better than to a thousandth.
    let mut out = Vec::with_capacity(before.len() + room.min(packed.len().saturating_mul(1040)) + 64);
    out.extend_from_slice(before);
    let full = before.len() + room;
    while out.len() < full {
        let read = inflater.total_in() as usize;
        let produced = out.len();
        let status = inflater.decompress_vec(packed.get(read..)?, &mut out, FlushDecompress::None).ok()?;
        if status == Status::StreamEnd {
            return Some(Inflated { bytes: out.into(), complete: true });
        }
        // No way on: it is cut off.
        if inflater.total_in() as usize == read && out.len() == produced {
            return None;
        }
    }
    out.truncate(full);
    let mut scratch = vec![0; 32 << 10];
    let mut beyond = 0usize;
    while beyond < room.saturating_mul(64).max(1 << 30) {
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress(packed.get(read as usize..)?, &mut scratch, FlushDecompress::None).ok()?;
        beyond += (inflater.total_out() - written) as usize;
        if status == Status::StreamEnd {
            return Some(Inflated { bytes: out.into(), complete: false });
        }
        if (inflater.total_in(), inflater.total_out()) == (read, written) {
            return None;
        }
    }
    Some(Inflated { bytes: out.into(), complete: false })
}
