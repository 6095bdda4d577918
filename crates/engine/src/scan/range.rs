//! The one function that reads a byte range of a file through a decoder.

use std::{
    io,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use object_store::ObjectStore;
use sutura_core::{Decoded, DecoderSpec, Format, FormatError, Progress, ReadStats, RecordId, Reject, Sha256Hash, TableRequest};
use tokio::runtime::Handle;

use crate::{
    error::{EngineError, Result},
    files::{Compression, SourceFile},
    scan::read::{Blocks, ReadError},
};

/// Code of the reject that stands for the unreadable rest of a damaged `.gz` or `.zst` file.
pub const CODE_DAMAGED_COMPRESSION: &str = "damaged-compression";

/// Bytes of a file's beginning that decide whether it can be read by range.
const BEGINNING: usize = 64 << 10;

/// Where to read.
#[derive(Debug, Clone)]
pub(crate) struct RangeInput {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The runtime that object store requests run on.
    pub(crate) handle: Handle,
    pub(crate) file: Arc<SourceFile>,
    /// The owned bytes; `None` for the whole file.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) block_bytes: usize,
    /// Whether to hash the stored bytes (whole files only).
    pub(crate) hash: bool,
    /// Counts stored bytes as they are read.
    pub(crate) progress: Option<Arc<AtomicU64>>,
    /// Set from outside to give up; looked at before each block.
    pub(crate) stop: Option<Arc<AtomicBool>>,
}

/// What to make of it.
#[derive(Debug, Clone)]
pub(crate) struct RangeRequest {
    pub(crate) format: Arc<dyn Format>,
    pub(crate) options: serde_json::Value,
    pub(crate) requests: Vec<TableRequest>,
    pub(crate) batch_rows: usize,
}

/// The account of one range.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeAccount {
    pub(crate) stats: ReadStats,
    /// Stored bytes read.
    pub(crate) bytes_read: u64,
    pub(crate) sha256: Option<Sha256Hash>,
}

/// Reads one range. Blocking: call it on a blocking thread. `emit` takes what comes out, in order, and may stop
/// the reading; then there is no account.
pub(crate) fn scan_range(
    input: &RangeInput,
    request: &RangeRequest,
    emit: &mut dyn FnMut(Decoded) -> ControlFlow<()>,
) -> Result<Option<RangeAccount>> {
    let file = &input.file;
    let failed = |source| EngineError::Io { uri: file.uri.to_string(), source };
    let (start, end) = match input.range {
        Some((start, end)) => (start, (end < file.size).then_some(end)),
        None => (0, None),
    };
    let (start, end) = if (start == 0 && end.is_none()) || splittable(input, request).map_err(failed)? {
        (start, end)
    } else if start == 0 {
        (0, None)
    } else {
        // The first range reads it all.
        return Ok(Some(RangeAccount::default()));
    };
    let mut decoder = request.format.decoder(DecoderSpec {
        source: Arc::clone(&file.uri),
        start,
        end,
        options: request.options.clone(),
        requests: request.requests.clone(),
        batch_rows: request.batch_rows,
    })?;
    // One byte of look-back, so that the decoder can tell a record that starts exactly at `start`.
    let hash = input.hash && start == 0 && end.is_none();
    let mut blocks = Blocks::open(input, start.saturating_sub(1), end, hash).map_err(failed)?;

    let mut out = emit;
    let mut pushed = 0u64;
    let mut damaged = None;
    let mut breaks_off = false;
    loop {
        if input.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Ok(None);
        }
        let block = match blocks.next() {
            Ok(Some(block)) => block,
            Ok(None) => break,
            Err(ReadError::Storage(source)) => return Err(failed(source)),
            Err(ReadError::Unpack { inside }) => {
                breaks_off = inside;
                damaged = Some(damaged_reject(file, pushed));
                break;
            }
        };
        pushed += block.len() as u64;
        let taken = block.clone();
        match decoder.push(block, &mut out) {
            Ok(Progress::More) => blocks.give_back(taken),
            Ok(Progress::Done) => break,
            Err(FormatError::Stopped) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let ended = if breaks_off { decoder.break_off(&mut out) } else { decoder.finish(&mut out) };
    let mut stats = match ended {
        Ok(stats) => stats,
        Err(FormatError::Stopped) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let whole = damaged.is_none();
    if let Some(reject) = damaged {
        stats.records += 1;
        stats.rejected += 1;
        *stats.rejects_by_code.entry(reject.code.to_owned()).or_default() += 1;
        if out(Decoded::Reject(reject)).is_break() {
            return Ok(None);
        }
    }
    // The hash of a part of a file would be taken for that of the file.
    Ok(Some(RangeAccount { stats, bytes_read: blocks.bytes_read(), sha256: blocks.into_hash().filter(|_| whole) }))
}

/// Whether the file's beginning lets it be read by range.
fn splittable(input: &RangeInput, request: &RangeRequest) -> io::Result<bool> {
    let beginning = RangeInput { block_bytes: BEGINNING, progress: None, range: None, ..input.clone() };
    match Blocks::open(&beginning, 0, Some(BEGINNING as u64), false)?.next() {
        Ok(block) => Ok(request.format.splittable_from(block.as_deref().unwrap_or_default())),
        Err(ReadError::Storage(error)) => Err(error),
        // Found again, and told, where the file is read.
        Err(ReadError::Unpack { .. }) => Ok(true),
    }
}

/// The rest of a packed file that cannot be unpacked: one reject without bytes, at the place where reading ended.
fn damaged_reject(file: &SourceFile, offset: u64) -> Reject {
    let kind = if file.compression == Compression::Gzip { "gzip" } else { "zstd" };
    Reject {
        id: RecordId { source: Arc::clone(&file.uri), offset, length: 0, sha256: Sha256Hash::of(b"") },
        code: CODE_DAMAGED_COMPRESSION,
        location: String::new(),
        reason: format!("the {kind} data is damaged or cut off here; what follows is not read: send the file again"),
        bytes: Bytes::new(),
        truncated: true,
    }
}
