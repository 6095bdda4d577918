//! The log: what was answered and is not settled on the disk yet.
//!
//! An instance is answered when its record is in the log: one write to a file whose place on the disk is fixed, and nothing of the file system waits for
//! it. Then it gets its file. Files, names and journals are made durable together, in the background, and only then are the records forgotten. After a
//! crash the records that are left are done again ([`super::recover`]).
//!
//! The log is several segments. Whoever adds a record has one for himself until the file of the record is there: senders do not wait for one another, and
//! a single sender uses the same one again and again.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    buffer::{BLOCK, Buffer},
    filing::Name,
    record,
    segment::{EXTENSION, Segment},
    store::{LOG, Store, sync_folder},
};

/// Segments that the log is at most.
const MOST_SEGMENTS: usize = 16;
/// How long a record stays in the log that nothing else has to go.
const SETTLE_AFTER: Duration = Duration::from_secs(1);
/// How long room in the log is waited for. A sender gives up later.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What the background has to do beside syncing.
pub(super) trait Settle: Send + Sync {
    /// Does the records of a segment again, because one of them could not be done. Gives the paths of its files.
    fn place_again(&self, segment: &Path) -> io::Result<Vec<String>>;
    /// Syncs the journals where syncing the file system does not.
    fn sync_journals(&self) -> io::Result<()>;
}

/// The log. Settles when it is closed.
pub(super) struct Log {
    shared: Arc<Shared>,
    settles: Option<thread::JoinHandle<()>>,
}

struct Shared {
    store: Arc<Store>,
    folder: PathBuf,
    segment_bytes: usize,
    sequence: AtomicU64,
    settlements: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Segments that records may be added to; the one that was used last is at the end.
    open: Vec<Segment>,
    /// Segments that wait to be settled.
    full: Vec<Segment>,
    made: usize,
    named: u64,
    is_closing: bool,
}

impl Log {
    /// Begins with an empty log: what was in the folder of the log is done.
    pub(super) fn start(store: &Arc<Store>, most_bytes: u64, settle: Arc<dyn Settle>) -> io::Result<Self> {
        let segment_bytes = (most_bytes / MOST_SEGMENTS as u64) as usize / BLOCK * BLOCK;
        let folder = store.folder.join(LOG);
        let shared = Arc::new(Shared {
            store: Arc::clone(store),
            folder,
            segment_bytes,
            sequence: AtomicU64::new(0),
            settlements: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let settles = thread::Builder::new().name("dicom-settle".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.settle(&*settle)
        })?;
        Ok(Self { shared, settles: Some(settles) })
    }

    /// Bytes of a file that is put into the log; a larger one would be written twice for little.
    pub(super) fn most_file_bytes(&self) -> usize {
        self.shared.segment_bytes / 4
    }

    /// How often files and journals were made durable together.
    pub(super) fn settlements(&self) -> u64 {
        self.shared.settlements.load(Ordering::Relaxed)
    }

    /// Adds a record. It is durable when this comes back; its segment is not settled before it is given back.
    pub(super) fn append(&self, line: &[u8], file: Option<&mut Buffer>) -> io::Result<Held> {
        let size = record::size_of(line.len(), file.as_ref().map_or(0, |file| file.len()));
        let mut held = Held { segment: Some(self.shared.take(size)?), shared: Arc::clone(&self.shared), is_owed: false };
        let sequence = self.shared.sequence.fetch_add(1, Ordering::Relaxed);
        match &mut held.segment {
            Some(segment) => segment.append(sequence, line, file)?,
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        held.is_owed = true;
        Ok(held)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.settles.take() {
            let _ = thread.join();
        }
    }
}

/// A segment that a record was added to. It is given back when this is dropped.
pub(super) struct Held {
    segment: Option<Segment>,
    shared: Arc<Shared>,
    /// Nobody has said yet what became of the record.
    is_owed: bool,
}

impl Held {
    /// The file of the record is there.
    pub(super) fn placed(mut self, path: &str) {
        self.is_owed = false;
        if let Some(segment) = &mut self.segment {
            segment.placed.push(path.to_owned());
        }
    }

    /// The file of the record could not be written: it is tried again.
    pub(super) fn not_placed(mut self, name: Option<Name>) {
        self.is_owed = false;
        if let Some(segment) = &mut self.segment {
            segment.unplaced.push(name);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(mut segment) = self.segment.take() {
            if self.is_owed {
                // Whoever had it is gone: the record may have been answered, so its segment is not forgotten.
                segment.unplaced.push(None);
            }
            let mut state = self.shared.lock();
            if !segment.unplaced.is_empty() || !segment.has_room(1) {
                state.full.push(segment);
            } else {
                state.open.push(segment);
            }
            drop(state);
            self.shared.changed.notify_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A segment with room. Waits until there is one.
    fn take(&self, size: usize) -> io::Result<Segment> {
        if size > self.segment_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let until = Instant::now() + LONGEST_WAIT;
        let mut state = self.lock();
        loop {
            while let Some(segment) = state.open.pop() {
                if segment.has_room(size) {
                    return Ok(segment);
                }
                state.full.push(segment);
                self.changed.notify_all();
            }
            if state.made < MOST_SEGMENTS {
                let name = state.named;
                state.made += 1;
                state.named += 1;
                drop(state);
                let made = self.make(name);
                if made.is_err() {
                    self.lock().made -= 1;
                }
                return made;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::error!("what was received cannot be settled on the disk; the log is full");
                return Err(io::ErrorKind::StorageFull.into());
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn make(&self, name: u64) -> io::Result<Segment> {
        if !self.store.has_space(self.segment_bytes as u64)? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let segment = Segment::create(&self.folder.join(format!("{name}.{EXTENSION}")), self.segment_bytes)?;
        sync_folder(&self.folder)?;
        Ok(segment)
    }

    /// Settles segments until the log is closed and all of it is done.
    fn settle(&self, settle: &dyn Settle) {
        loop {
            let mut state = self.lock();
            if state.full.is_empty() && !state.is_closing {
                state = self.changed.wait_timeout(state, SETTLE_AFTER / 2).unwrap_or_else(PoisonError::into_inner).0;
            }
            let is_closing = state.is_closing;
            let mut segments = std::mem::take(&mut state.full);
            let (idle, open) = state.open.drain(..).partition(|segment: &Segment| {
                let age = if is_closing { Duration::ZERO } else { SETTLE_AFTER };
                segment.is_older_than(age)
            });
            state.open = open;
            drop(state);
            segments.extend::<Vec<_>>(idle);
            if segments.is_empty() {
                if is_closing {
                    break;
                }
                continue;
            }
            match self.settle_these(&mut segments, settle) {
                Ok(()) => {
                    let mut state = self.lock();
                    // Those that are free go before the one that is in use: it stays the one that is used next.
                    state.open.splice(0..0, segments);
                    drop(state);
                    self.changed.notify_all();
                }
                Err(error) => {
                    tracing::error!(kind = %error.kind(), "what was received cannot be settled on the disk; it stays in the log");
                    let mut state = self.lock();
                    state.full.extend(segments);
                    if state.is_closing {
                        break;
                    }
                    drop(state);
                    thread::sleep(SETTLE_AFTER);
                }
            }
        }
        self.close();
    }

    fn settle_these(&self, segments: &mut [Segment], settle: &dyn Settle) -> io::Result<()> {
        for segment in segments.iter_mut().filter(|segment| !segment.unplaced.is_empty()) {
            segment.placed = settle.place_again(segment.path())?;
        }
        let placed: Vec<String> = segments.iter_mut().flat_map(|segment| std::mem::take(&mut segment.placed)).collect();
        sync(&self.store.folder, &placed)?;
        settle.sync_journals()?;
        self.settlements.fetch_add(1, Ordering::Relaxed);
        segments.iter_mut().try_for_each(Segment::reset)
    }

    /// Removes the segments if there is nothing in any of them. Where one is left, the next start does its records.
    fn close(&self) {
        let mut state = self.lock();
        if state.open.len() < state.made || state.open.iter().any(|segment| !segment.is_empty()) {
            self.store.stays_open();
            return;
        }
        for segment in state.open.drain(..) {
            let _ = segment.remove();
        }
    }
}

/// Makes files, their names and whatever else was written in the folder durable.
#[cfg(target_os = "linux")]
pub(super) fn sync(folder: &Path, _paths: &[String]) -> io::Result<()> {
    // One commit of the file system's own log, however many files there are.
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Makes files and their names durable.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync(folder: &Path, paths: &[String]) -> io::Result<()> {
    let mut folders = std::collections::BTreeSet::new();
    for path in paths.iter().map(|path| folder.join(path)) {
        match File::open(&path) {
            Ok(file) => file.sync_all()?,
            // Somebody took it away: it is his.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        folders.extend(path.parent().map(Path::to_path_buf));
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

/// The segments that are in the folder of the log.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.push(path);
        }
    }
    Ok(paths)
}
