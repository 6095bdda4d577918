//! Group commit: names and journal lines of all instances that wait are written together, and everything of them is synced at the same time.
//!
//! An association waits for its own instance. While the disk is busy with one group the next one gathers, so a slow disk makes the groups larger
//! and not the queue longer. File, folder and journal are synced in parallel: a file system with a log makes all of them durable with one write of it.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use super::{
    journal::{Journal, Received},
    store::{JOURNAL, REJECTS, REJECTS_JOURNAL, Store, Temporary, path_of, sync_folder},
};
use crate::error::StreamError;

/// Instances of one group.
const MOST_AT_ONCE: usize = 256;
/// Threads that sync files while the associations sync folders.
const SYNCERS: usize = 4;

/// What is to be made durable.
pub(super) enum Change {
    /// An instance, to be named by its place and number.
    Instance { temporary: Temporary, place: String, number: u32 },
    /// Nothing but the journal line: the file at `path` of it is there already.
    Known,
    /// A reject.
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
    answer: mpsc::SyncSender<Step>,
}

/// What the committing thread says, one after the other.
enum Step {
    /// The file has its name and the line is written; neither is durable. The file, if it has to be synced.
    Written(Received, Option<File>),
    Taken(Temporary, Received),
    /// The journal is durable, or not.
    Synced(io::Result<()>),
    Failed(io::Error),
}

type ToSync = (File, mpsc::SyncSender<io::Result<()>>);

/// The thread that commits. It ends when this is dropped.
pub(super) struct Committer {
    entries: Option<mpsc::Sender<Entry>>,
    to_sync: Option<mpsc::Sender<ToSync>>,
    threads: Vec<thread::JoinHandle<()>>,
    commits: Arc<AtomicU64>,
    store: Arc<Store>,
}

impl Committer {
    pub(super) fn start(store: &Arc<Store>) -> Result<Self, StreamError> {
        let failed = |error| StreamError::Folder(store.folder.clone(), error);
        let (entries, waiting) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let received = Journal::open(&store.folder.join(JOURNAL)).map_err(failed)?;
        let rejects = Journal::open(&store.folder.join(REJECTS).join(REJECTS_JOURNAL)).map_err(failed)?;
        let work = Work { store: Arc::clone(store), received, rejects, commits: Arc::clone(&commits) };
        let mut threads = vec![thread::Builder::new().name("dicom-commit".to_owned()).spawn(move || work.run(&waiting)).map_err(failed)?];
        let (to_sync, files) = mpsc::channel::<ToSync>();
        let files = Arc::new(Mutex::new(files));
        for _ in 0..SYNCERS {
            let files = Arc::clone(&files);
            threads.push(thread::Builder::new().name("dicom-sync".to_owned()).spawn(move || sync_files(&files)).map_err(failed)?);
        }
        Ok(Self { entries: Some(entries), to_sync: Some(to_sync), threads, commits, store: Arc::clone(store) })
    }

    /// Waits until the change is durable.
    pub(super) fn commit(&self, change: Change, received: Received) -> io::Result<Committed> {
        let gone = || io::Error::other("the journal is closed");
        let (answer, steps) = mpsc::sync_channel(2);
        let entries = self.entries.as_ref().ok_or_else(gone)?;
        entries.send(Entry { change, received, answer }).map_err(|_| gone())?;
        let (received, file) = match steps.recv().map_err(|_| gone())? {
            Step::Written(received, file) => (received, file),
            Step::Taken(temporary, received) => return Ok(Committed::Taken(temporary, received)),
            Step::Failed(error) | Step::Synced(Err(error)) => return Err(error),
            Step::Synced(Ok(())) => return Err(gone()),
        };
        let syncing = file.map(|file| self.sync(file)).transpose()?;
        let folder = Path::new(&received.path).parent().map_or_else(|| self.store.folder.clone(), |folder| self.store.folder.join(folder));
        // All three end before an answer, whatever becomes of one of them.
        let folder = sync_folder(&folder);
        let file = syncing.map_or(Ok(()), |syncing| syncing.recv().map_err(|_| gone())?);
        let journal = match steps.recv().map_err(|_| gone())? {
            Step::Synced(result) => result,
            _ => Err(gone()),
        };
        folder.and(file).and(journal)?;
        Ok(Committed::Done(received))
    }

    fn sync(&self, file: File) -> io::Result<mpsc::Receiver<io::Result<()>>> {
        let gone = || io::Error::other("no thread that syncs files");
        let (answer, waits) = mpsc::sync_channel(1);
        self.to_sync.as_ref().ok_or_else(gone)?.send((file, answer)).map_err(|_| gone())?;
        Ok(waits)
    }

    /// How often the journal was made durable.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        (self.entries, self.to_sync) = (None, None);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn sync_files(files: &Mutex<mpsc::Receiver<ToSync>>) {
    loop {
        let next = files.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((file, answer)) = next else { return };
        // An association that is gone does not wait for it.
        let _ = answer.send(file.sync_all());
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
        let mut written = Vec::with_capacity(group.len());
        let (mut lines, mut reject_lines) = (Vec::new(), Vec::new());
        for Entry { change, mut received, answer } in group {
            let is_reject = matches!(change, Change::Reject { .. });
            let step = match self.name(change, &mut received) {
                Ok(Named::Now(file)) => {
                    let lines = if is_reject { &mut reject_lines } else { &mut lines };
                    match received.append_to(lines) {
                        Ok(()) => {
                            written.push((received, file, answer));
                            continue;
                        }
                        Err(error) => Step::Failed(error),
                    }
                }
                Ok(Named::Taken(temporary)) => Step::Taken(temporary, received),
                Err(error) => Step::Failed(error),
            };
            let _ = answer.send(step);
        }
        if written.is_empty() {
            return;
        }
        let appended = self.received.append(&lines).and_then(|()| self.rejects.append(&reject_lines));
        let mut waiting = Vec::with_capacity(written.len());
        for (received, file, answer) in written {
            let step = match &appended {
                Ok(()) => Step::Written(received, file),
                Err(error) => Step::Failed(error.kind().into()),
            };
            let _ = answer.send(step);
            waiting.push(answer);
        }
        let synced = appended.and_then(|()| if lines.is_empty() { Ok(()) } else { self.received.sync() });
        let synced = synced.and_then(|()| if reject_lines.is_empty() { Ok(()) } else { self.rejects.sync() });
        self.commits.fetch_add(1, Ordering::Relaxed);
        for answer in waiting {
            let _ = answer.send(Step::Synced(synced.as_ref().copied().map_err(|error| error.kind().into())));
        }
    }

    /// Gives a file its name, or back if the name is taken.
    fn name(&self, change: Change, received: &mut Received) -> io::Result<Named> {
        let mut temporary = match change {
            // Another association may just have given it its name, and not have synced it yet.
            Change::Known => return Ok(Named::Now(Some(File::open(self.store.folder.join(&received.path))?))),
            Change::Instance { temporary, place, number } => {
                received.path = path_of(&place, number);
                if self.store.folder.join(&received.path).try_exists()? {
                    return Ok(Named::Taken(temporary));
                }
                temporary
            }
            Change::Reject { temporary } => {
                received.path = format!("{REJECTS}/{}.dcm", received.sha256);
                temporary
            }
        };
        Ok(Named::Now(temporary.rename(&self.store.folder.join(&received.path))?))
    }
}

enum Named {
    /// The file, if it has to be synced.
    Now(Option<File>),
    Taken(Temporary),
}
