//! Bytes of one file, from a position on, unpacked and in blocks.
//!
//! Everything here is blocking and runs on blocking threads only. Memory is one block, the unpacker's
//! window, and for objects two segments in flight.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::{Buf, Bytes};
use object_store::{GetOptions, GetRange, ObjectStore};
use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    files::{Compression, SourceFile},
    scan::range::RangeInput,
};

/// Bytes asked of an object store at a time.
const SEGMENT: u64 = 8 << 20;
/// A pipe states no size, and a file may have grown: never byte by byte.
const SMALLEST_BLOCK: usize = 64 << 10;
/// Segment size after the end of a range, where only the rest of one record is wanted.
const TAIL_SEGMENT: u64 = 256 << 10;

/// What a reader has seen so far, shared with the code that made it.
#[derive(Debug, Default)]
struct Seen {
    /// Bytes taken from the file or object, packed.
    bytes: AtomicU64,
    /// Whether the storage itself failed (else an error came from the unpacker, so from the bytes).
    storage_failed: AtomicBool,
    /// Where else to count the bytes.
    progress: Option<Arc<AtomicU64>>,
}

/// The blocks of a file.
pub(crate) struct Blocks {
    reader: Reader,
    seen: Arc<Seen>,
    hash: Option<Arc<std::sync::Mutex<Sha256>>>,
    block_bytes: usize,
    /// The unpacker has failed. It need not say so again.
    failed: Option<ReadError>,
    /// Memory of a block that nobody needs any more.
    spare: Vec<u8>,
}

/// Where the bytes come from.
enum Reader {
    /// A local file as it is, read into blocks that nobody wipes first.
    Plain(Counted<File>),
    /// Unpacked, or from an object store.
    Other(Box<dyn Read + Send>),
}

/// Why there is no next block.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// Disk or network.
    Storage(io::Error),
    /// The packed bytes are damaged or cut off.
    Unpack {
        /// Whether what was unpacked so far breaks off. Not so when something that is not packed follows what is, or when only the
        /// checksum does not fit.
        inside: bool,
    },
}

impl Blocks {
    /// Opens a file at byte `start`. `end` is a hint: bytes past it will hardly be wanted. With `hash`, the stored bytes
    /// are hashed as they pass (only meaningful when the file is read from start to end).
    pub(crate) fn open(input: &RangeInput, start: u64, end: Option<u64>, hash: bool) -> io::Result<Self> {
        let file = &input.file;
        let seen = Arc::new(Seen { progress: input.progress.clone(), ..Seen::default() });
        let hash = hash.then(|| Arc::new(std::sync::Mutex::new(Sha256::new())));
        let reader = match &file.local {
            Some(path) => {
                let mut opened = File::open(path)?;
                if start > 0 {
                    opened.seek(SeekFrom::Start(start))?;
                }
                let counted = Counted { inner: opened, seen: Arc::clone(&seen), hash: hash.clone() };
                if file.compression == Compression::None { Reader::Plain(counted) } else { unpacked(counted, file.compression)? }
            }
            None => {
                let object = ObjectReader::new(input, start, end);
                unpacked(Counted { inner: object, seen: Arc::clone(&seen), hash: hash.clone() }, file.compression)?
            }
        };
        // A packed byte can become a thousand: never set aside more than a block, nor more than a small file needs.
        let block_bytes = match file.compression {
            Compression::None => {
                let left = usize::try_from(file.size.saturating_sub(start)).unwrap_or(usize::MAX);
                input.block_bytes.min(left.max(SMALLEST_BLOCK))
            }
            _ => input.block_bytes,
        };
        Ok(Self { reader, seen, hash, block_bytes: block_bytes.max(1), failed: None, spare: Vec::new() })
    }

    /// Gives a block back that the decoder is done with. If it kept no part of it, its memory serves the next one: fresh memory for
    /// every block would cost a page fault for each 4 KiB of input.
    pub(crate) fn give_back(&mut self, block: Bytes) {
        if let Ok(unique) = block.try_into_mut() {
            self.spare = unique.into();
        }
    }

    /// The next block; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let mut block = std::mem::take(&mut self.spare);
        block.clear();
        block.reserve_exact(self.block_bytes);
        let read = match &mut self.reader {
            Reader::Plain(counted) => counted.fill(&mut block, self.block_bytes),
            Reader::Other(reader) => reader.by_ref().take(self.block_bytes as u64).read_to_end(&mut block),
        };
        match read {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(block.into())),
            Err(error) if self.seen.storage_failed.load(Ordering::Relaxed) => Err(ReadError::Storage(error)),
            Err(error) => {
                let failed = ReadError::Unpack { inside: breaks_off(&error) };
                if block.is_empty() {
                    return Err(failed);
                }
                // What was unpacked before the damage still counts.
                self.failed = Some(failed);
                Ok(Some(block.into()))
            }
        }
    }

    /// Stored bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.seen.bytes.load(Ordering::Relaxed)
    }

    /// The hash of all bytes read.
    pub(crate) fn into_hash(self) -> Option<Sha256Hash> {
        drop(self.reader);
        let hash = Arc::into_inner(self.hash?)?.into_inner().ok()?;
        Some(Sha256Hash(hash.finalize().into()))
    }
}

/// Whether the unpacker stopped inside of what it unpacks. It has no other words for that than its message.
fn breaks_off(error: &io::Error) -> bool {
    let text = error.to_string();
    !["invalid gzip header", "matching checksum", "Unknown frame descriptor"].iter().any(|outside| text.contains(outside))
}

fn unpacked(counted: Counted<impl Read + Send + 'static>, compression: Compression) -> io::Result<Reader> {
    Ok(Reader::Other(match compression {
        Compression::None => Box::new(counted),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(256 << 10, counted))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(counted)?),
    }))
}

/// Counts and hashes what passes.
struct Counted<R> {
    inner: R,
    seen: Arc<Seen>,
    hash: Option<Arc<std::sync::Mutex<Sha256>>>,
}

impl<R> Counted<R> {
    fn passed(&self, bytes: &[u8]) {
        self.seen.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(progress) = &self.seen.progress {
            progress.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        if let Some(hash) = &self.hash
            && let Ok(mut hash) = hash.lock()
        {
            hash.update(bytes);
        }
    }

    fn failed(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::Interrupted {
            self.seen.storage_failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Counted<File> {
    /// Fills a block up to `most` bytes. The file itself knows how to read into memory that was not wiped; a reader behind a
    /// pointer does not.
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let read = (&mut self.inner).take(most as u64).read_to_end(block);
        self.passed(block);
        read.inspect_err(|error| self.failed(error))
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).inspect_err(|error| self.failed(error))?;
        self.passed(&buffer[..read]);
        Ok(read)
    }
}

/// An object, in segments, the next one fetched while this one is read. Each segment is one request that the
/// store retries as a whole, and carries the version mark, so that an object replaced in between is an error.
struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    handle: Handle,
    file: Arc<SourceFile>,
    /// Where the next request starts.
    position: u64,
    end: u64,
    current: Bytes,
    ahead: Option<JoinHandle<object_store::Result<Bytes>>>,
}

impl ObjectReader {
    fn new(input: &RangeInput, start: u64, end: Option<u64>) -> Self {
        let file = Arc::clone(&input.file);
        let end = end.unwrap_or(file.size).min(file.size);
        let (store, handle) = (Arc::clone(&input.store), input.handle.clone());
        Self { store, handle, file, position: start, end, current: Bytes::new(), ahead: None }
    }

    /// Starts the next request, if there is more.
    fn fetch(&mut self) -> Option<JoinHandle<object_store::Result<Bytes>>> {
        if self.position >= self.file.size {
            return None;
        }
        let stop = if self.position < self.end { (self.position + SEGMENT).min(self.end) } else { self.position + TAIL_SEGMENT };
        let range = self.position..stop.min(self.file.size);
        self.position = range.end;
        let (store, file) = (Arc::clone(&self.store), Arc::clone(&self.file));
        Some(self.handle.spawn(async move {
            let options = GetOptions { range: Some(GetRange::Bounded(range)), if_match: file.etag.clone(), ..GetOptions::default() };
            store.get_opts(&file.key, options).await?.bytes().await
        }))
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.current.is_empty() {
            let Some(request) = self.ahead.take().or_else(|| self.fetch()) else { return Ok(0) };
            // Within the range the next segment is fetched meanwhile; past it, only when it is wanted.
            if self.position < self.end {
                self.ahead = self.fetch();
            }
            self.current = self.handle.block_on(request).map_err(io::Error::other)?.map_err(io::Error::other)?;
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        if let Some(request) = self.ahead.take() {
            request.abort();
        }
    }
}
