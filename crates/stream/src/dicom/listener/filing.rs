//! From a data set that was received to an answer, and from there to its file: names, log, files, journals.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    buffer::Buffer,
    journal::{Journal, Outcome, Received},
    log::{Held, Log, Settle},
    recover,
    store::{JOURNAL, REJECTS, REJECTS_JOURNAL, Store, Temporary, path_of, place_of, same_data_set, sync_folder},
};

/// Data sets with the same UID that are kept beside one another; a sender that makes more is broken.
const MOST_DIFFERING: u32 = 1000;
/// How long another association is waited for that stores an instance of the same UID.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A data set with its meta information.
pub(super) enum Content {
    /// All of it.
    Memory(Buffer),
    /// Of a large one, the file that it was written to, and the memory to give back.
    File(Buffer, Temporary),
}

impl Content {
    fn is_same_as(&self, there: &Path) -> io::Result<bool> {
        let there = File::open(there)?;
        match self {
            Self::Memory(buffer) => same_data_set(buffer.as_ref(), there),
            Self::File(_, temporary) => same_data_set(File::open(temporary.path().ok_or(io::ErrorKind::NotFound)?)?, there),
        }
    }

    /// The memory that it was received into.
    pub(super) fn into_buffer(self) -> Buffer {
        match self {
            Self::Memory(buffer) | Self::File(buffer, _) => buffer,
        }
    }
}

/// What is durable and may be answered. Its file and its line are still to be written: [`Filing::place`].
pub(super) struct Logged {
    pub(super) received: Received,
    line: Vec<u8>,
    held: Held,
    name: Option<Name>,
    /// Whether there is a file to be written.
    has_file: bool,
}

/// The folder, as those who store in it see it. When it is dropped, everything that was answered has its file and is settled.
pub(super) struct Filing {
    store: Arc<Store>,
    journals: Arc<Journals>,
    names: Arc<Names>,
    log: Log,
}

impl Filing {
    pub(super) fn start(store: &Arc<Store>, most_log_bytes: u64) -> io::Result<Self> {
        let journals = Arc::new(Journals::open(store)?);
        let log = Log::start(store, most_log_bytes, Arc::clone(&journals) as Arc<dyn Settle>)?;
        Ok(Self { store: Arc::clone(store), journals, names: Arc::default(), log })
    }

    /// How often files and journals were made durable together.
    pub(super) fn settlements(&self) -> u64 {
        self.log.settlements()
    }

    /// Makes an instance durable. One that is there already with the same data set is kept; with another one, both are.
    pub(super) fn file(&self, content: &mut Content, mut received: Received) -> io::Result<Logged> {
        let place = place_of(&received.sop_instance_uid);
        for number in 1..=MOST_DIFFERING {
            received.path = path_of(&place, number);
            let there = self.store.folder.join(&received.path);
            if let Some(name) = self.names.take(&received.path, &there)? {
                received.outcome = if number == 1 { Outcome::Stored } else { Outcome::Differs };
                return self.log(content, received, Some(name));
            }
            // One that cannot be compared, for it is damaged, is not the same.
            if content.is_same_as(&there).unwrap_or(false) {
                received.outcome = Outcome::Duplicate;
                return self.log_line(received, None);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Makes a data set durable that cannot be understood.
    pub(super) fn reject(&self, content: &mut Content, received: Received) -> io::Result<Logged> {
        let path = format!("{REJECTS}/{}.dcm", received.sha256);
        self.log(content, Received { outcome: Outcome::Rejected, path, ..received }, None)
    }

    fn log(&self, content: &mut Content, received: Received, name: Option<Name>) -> io::Result<Logged> {
        match content {
            Content::Memory(buffer) if buffer.len() <= self.log.most_file_bytes() => {
                let line = line_of(&received)?;
                let held = self.log.append(&line, Some(buffer))?;
                Ok(Logged { received, line, held, name, has_file: true })
            }
            // It would be written twice, and what the file system does costs little beside what it holds.
            Content::Memory(buffer) => {
                let mut temporary = self.store.create()?;
                temporary.write(buffer)?;
                self.name_now(&mut temporary, &received)?;
                self.log_line(received, name)
            }
            Content::File(_, temporary) => {
                self.name_now(temporary, &received)?;
                self.log_line(received, name)
            }
        }
    }

    fn log_line(&self, received: Received, name: Option<Name>) -> io::Result<Logged> {
        let line = line_of(&received)?;
        let held = self.log.append(&line, None)?;
        Ok(Logged { received, line, held, name, has_file: false })
    }

    /// Gives a file its name, durably.
    fn name_now(&self, temporary: &mut Temporary, received: &Received) -> io::Result<()> {
        let path = self.store.folder.join(&received.path);
        temporary.finish()?;
        let file = temporary.rename(&path)?;
        let synced = file.map_or(Ok(()), |file| file.sync_all()).and_then(|()| path.parent().map_or(Ok(()), sync_folder));
        if synced.is_err() {
            // It is not answered, and must not be taken for one that was.
            let _ = fs::remove_file(&path);
        }
        synced
    }

    /// Writes file and line of what was answered. What fails is tried again in the background.
    pub(super) fn place(&self, logged: Logged, buffer: &mut Buffer) -> Received {
        let Logged { received, line, held, name, has_file } = logged;
        let placed = if has_file { self.write(&received, buffer) } else { Ok(()) };
        match placed.and_then(|()| self.journals.add(&received, &line)) {
            Ok(()) => held.placed(&received.path),
            Err(error) => {
                tracing::error!(kind = %error.kind(), "the file of an instance could not be written; it is in the log, and is tried again");
                held.not_placed(name);
            }
        }
        received
    }

    fn write(&self, received: &Received, buffer: &mut Buffer) -> io::Result<()> {
        let mut temporary = self.store.create()?;
        temporary.write(buffer)?;
        temporary.finish()?;
        temporary.rename(&self.store.folder.join(&received.path)).map(drop)
    }
}

fn line_of(received: &Received) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(1024);
    received.append_to(&mut line)?;
    Ok(line)
}

/// Both journals.
pub(super) struct Journals {
    store: Arc<Store>,
    received: Mutex<Journal>,
    rejects: Mutex<Journal>,
}

impl Journals {
    pub(super) fn open(store: &Arc<Store>) -> io::Result<Self> {
        let received = Mutex::new(Journal::open(&store.folder.join(JOURNAL))?);
        let rejects = Mutex::new(Journal::open(&store.folder.join(REJECTS).join(REJECTS_JOURNAL))?);
        Ok(Self { store: Arc::clone(store), received, rejects })
    }

    /// Adds a line to the journal that it belongs into.
    pub(super) fn add(&self, received: &Received, line: &[u8]) -> io::Result<()> {
        let journal = if received.outcome == Outcome::Rejected { &self.rejects } else { &self.received };
        journal.lock().unwrap_or_else(PoisonError::into_inner).append(line)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        [&self.received, &self.rejects].iter().try_for_each(|journal| journal.lock().unwrap_or_else(PoisonError::into_inner).sync())
    }
}

impl Settle for Journals {
    fn place_again(&self, segment: &Path) -> io::Result<Vec<String>> {
        recover::replay(&self.store, &[segment.to_owned()], self).map(|(_, paths)| paths)
    }

    fn sync_journals(&self) -> io::Result<()> {
        if cfg!(target_os = "linux") { Ok(()) } else { self.sync() }
    }
}

/// Names that are given to instances whose files are not there yet.
#[derive(Default)]
struct Names {
    taken: Mutex<HashSet<String>>,
    changed: Condvar,
}

/// A name that nobody else gets while this lives.
pub(super) struct Name {
    path: String,
    names: Arc<Names>,
}

impl Names {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name, if there is no file of it. While somebody else has it, this waits: then there is one.
    fn take(self: &Arc<Self>, path: &str, there: &Path) -> io::Result<Option<Name>> {
        let until = Instant::now() + LONGEST_WAIT;
        let mut taken = self.lock();
        while taken.contains(path) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            taken = self.changed.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if there.try_exists()? {
            return Ok(None);
        }
        taken.insert(path.to_owned());
        Ok(Some(Name { path: path.to_owned(), names: Arc::clone(self) }))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.names.lock().remove(&self.path);
        self.names.changed.notify_all();
    }
}
