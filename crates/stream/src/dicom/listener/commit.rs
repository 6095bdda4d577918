//! Group commit: names and journal lines of all instances that wait are made durable together.
//!
//! An association waits for its own instance. While the disk is busy with one group the next one gathers, so a slow disk makes the groups larger
//! and not the queue longer.

use std::{
    collections::BTreeSet,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use super::{
    journal::{Journal, Received},
    store::{REJECTS, Store, Temporary, path_of, sync_folder},
};
use crate::error::StreamError;

/// Instances of one group.
const MOST_AT_ONCE: usize = 256;

/// What is to be made durable.
pub(super) enum Change {
    /// An instance, to be named by its place and number; its content is durable.
    Instance { temporary: Temporary, place: String, number: u32 },
    /// Nothing but the journal line: the file at `path` of it is there already.
    Known,
    /// A reject; its content is durable.
    Reject { temporary: Temporary },
}

/// What became of a change.
pub(super) enum Committed {
    /// It is durable.
    Done(Received),
    /// The name is taken: there is an instance of that UID already.
    Taken(Temporary, Received),
}

struct Entry {
    change: Change,
    received: Received,
    answer: mpsc::SyncSender<io::Result<Committed>>,
}

/// The thread that commits. It ends when the last clone of it is dropped.
pub(super) struct Committer {
    entries: Option<mpsc::Sender<Entry>>,
    thread: Option<thread::JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

impl Committer {
    pub(super) fn start(store: &Arc<Store>) -> Result<Self, StreamError> {
        let failed = |error| StreamError::Folder(store.folder.clone(), error);
        let (entries, waiting) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let received = Journal::open(&store.folder.join("received.ndjson")).map_err(failed)?;
        let rejects = Journal::open(&store.folder.join(REJECTS).join("rejects.ndjson")).map_err(failed)?;
        let work = Work { store: Arc::clone(store), received, rejects, commits: Arc::clone(&commits) };
        let thread = thread::Builder::new().name("dicom-commit".to_owned()).spawn(move || work.run(&waiting)).map_err(failed)?;
        Ok(Self { entries: Some(entries), thread: Some(thread), commits })
    }

    /// Waits until the change is durable.
    pub(super) fn commit(&self, change: Change, received: Received) -> io::Result<Committed> {
        let gone = || io::Error::other("the journal is closed");
        let (answer, waits) = mpsc::sync_channel(1);
        let entries = self.entries.as_ref().ok_or_else(gone)?;
        entries.send(Entry { change, received, answer }).map_err(|_| gone())?;
        waits.recv().map_err(|_| gone())?
    }

    /// How often something was made durable.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.entries = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    store: Arc<Store>,
    received: Journal,
    rejects: Journal,
    commits: Arc<AtomicU64>,
}

impl Work {
    fn run(mut self, waiting: &mpsc::Receiver<Entry>) {
        while let Ok(first) = waiting.recv() {
            let group: Vec<Entry> = std::iter::once(first).chain(waiting.try_iter().take(MOST_AT_ONCE - 1)).collect();
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<Entry>) {
        let mut done = Vec::with_capacity(group.len());
        let (mut folders, mut lines, mut reject_lines) = (BTreeSet::new(), Vec::new(), Vec::new());
        for mut entry in group {
            match self.name(entry.change, &mut entry.received, &mut folders) {
                Ok(None) => {
                    let lines = if entry.received.path.starts_with(REJECTS) { &mut reject_lines } else { &mut lines };
                    match serde_json::to_writer(&mut *lines, &entry.received) {
                        Ok(()) => {
                            lines.push(b'\n');
                            done.push((entry.received, entry.answer));
                        }
                        Err(error) => drop(entry.answer.send(Err(error.into()))),
                    }
                }
                Ok(Some(temporary)) => drop(entry.answer.send(Ok(Committed::Taken(temporary, entry.received)))),
                Err(error) => drop(entry.answer.send(Err(error))),
            }
        }
        if done.is_empty() {
            return;
        }
        let durable = self.sync(&folders, &lines, &reject_lines);
        self.commits.fetch_add(1, Ordering::Relaxed);
        for (received, answer) in done {
            let result = match &durable {
                Ok(()) => Ok(Committed::Done(received)),
                Err(error) => Err(io::Error::from(error.kind())),
            };
            // An association that is gone does not wait for it.
            let _ = answer.send(result);
        }
    }

    /// Gives a file its name, or back if the name is taken.
    fn name(&self, change: Change, received: &mut Received, folders: &mut BTreeSet<PathBuf>) -> io::Result<Option<Temporary>> {
        match change {
            Change::Instance { mut temporary, place, number } => {
                received.path = path_of(&place, number);
                let path = self.store.folder.join(&received.path);
                if path.try_exists()? {
                    return Ok(Some(temporary));
                }
                temporary.rename(&path)?;
            }
            Change::Reject { mut temporary } => {
                received.path = format!("{REJECTS}/{}.dcm", received.sha256);
                temporary.rename(&self.store.folder.join(&received.path))?;
            }
            Change::Known => {}
        }
        // Of a file that is known its name may not be durable yet: another association just gave it.
        folders.extend(self.store.folder.join(&received.path).parent().map(PathBuf::from));
        Ok(None)
    }

    fn sync(&mut self, folders: &BTreeSet<PathBuf>, lines: &[u8], reject_lines: &[u8]) -> io::Result<()> {
        self.received.append(lines)?;
        self.rejects.append(reject_lines)?;
        for folder in folders {
            sync_folder(folder)?;
        }
        if !lines.is_empty() {
            self.received.sync()?;
        }
        if !reject_lines.is_empty() {
            self.rejects.sync()?;
        }
        Ok(())
    }
}
