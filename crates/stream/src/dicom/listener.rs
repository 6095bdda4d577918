//! A receiver of C-ECHO and C-STORE (Storage SCP).
//!
//! An instance is answered with success only when it is durable: content and journal line are in a log on the disk. Then its file is written under another
//! name and renamed, and its line is added to the journal; both are synced in the background, before the log forgets it. After a crash the log is done again.
//! Whatever happens before an instance is in the log, the sender still has it and knows that we do not.
//!
//! ```text
//! folder/
//!   3f2/3f2…e1.dcm      instances: named by the SHA-256 of the SOP instance UID, never by the UID
//!   3f2/3f2…e1-2.dcm    another data set that came with the same UID: both are kept
//!   received.ndjson     the journal: one line for every instance that was answered as stored
//!   rejects/            data sets that cannot be understood, by the SHA-256 of the file, with rejects.ndjson
//!   incoming/           files that are being written
//!   log/                what was answered and is not settled; empty when the receiver has ended
//! ```
//!
//! The journal holds UIDs, which identify: it stays in the folder, and none of it is in a log.

mod buffer;
mod config;
mod filing;
mod journal;
mod log;
mod metrics;
mod record;
mod recover;
mod segment;
mod serve;
mod store;

use std::{
    fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::ServerConfig;
use sutura_dicom::dimse::{AcceptPolicy, Association, Rejection};

pub use config::{ListenerConfig, UserIdentity};
pub use journal::{Outcome, Received};
pub use metrics::{Metrics, Snapshot};

use crate::{
    connection::{Connection, Patience},
    error::StreamError,
    stop::StopToken,
};
use filing::{Filing, Journals};
use store::Store;

/// Connections beyond the limit of associations that are told so at the same time; those beyond are closed without a word.
const MOST_REFUSALS: usize = 16;

/// Is told of every instance that was stored, after its sender was answered.
///
/// It is called on the thread of the association: while it works, the next instance of that sender waits.
pub trait OnStored: Send + Sync {
    /// An instance is durable in the folder. What it is told of identifies.
    fn on_stored(&self, received: &Received);
}

/// A receiver that listens but does not answer yet.
pub struct Listener {
    config: ListenerConfig,
    socket: TcpListener,
    address: SocketAddr,
    store: Arc<Store>,
    tls: Option<Arc<ServerConfig>>,
    policy: Arc<AcceptPolicy>,
    metrics: Arc<Metrics>,
    told: Option<Arc<dyn OnStored>>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Listener {
    /// Checks the settings, takes the folder and the address.
    ///
    /// # Errors
    /// When a setting is wrong or missing, the folder cannot be used or another listener uses it, a certificate cannot be read, or the address is taken.
    pub fn bind(config: ListenerConfig) -> Result<Self, StreamError> {
        let policy = config.policy()?;
        let tls = config.tls.as_ref().map(crate::ServerTls::config).transpose()?;
        let store = Store::open(&config)?;
        let failed = |error| StreamError::Folder(config.folder.clone(), error);
        let store = Arc::new(store);
        let (replayed, withdrawn) = finish_earlier(&store).map_err(failed)?;
        let socket = TcpListener::bind(&config.address).map_err(StreamError::Bind)?;
        let address = socket.local_addr().map_err(StreamError::Bind)?;
        let metrics = Arc::new(Metrics::default());
        metrics.unfinished.store(store.unfinished, Ordering::Relaxed);
        metrics.replayed.store(replayed, Ordering::Relaxed);
        metrics.withdrawn.store(withdrawn, Ordering::Relaxed);
        Ok(Self { config, socket, address, store, tls, policy: Arc::new(policy), metrics, told: None })
    }

    /// Has somebody told of every instance that was stored.
    #[must_use]
    pub fn on_stored(mut self, told: Arc<dyn OnStored>) -> Self {
        self.told = Some(told);
        self
    }

    /// The address that it listens on, with the port that the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts of what happened so far; they go on changing while it runs.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Answers until it is asked to stop. What is under way then may end within `stop_grace_s`.
    ///
    /// # Errors
    /// When connections cannot be accepted any more. What goes wrong on one association is counted and logged, not an error.
    pub fn run(self, stop: &StopToken) -> Result<Snapshot, StreamError> {
        let wakes = self.wake_on_stop(stop);
        let filing = Filing::start(&self.store, self.config.max_log_bytes);
        let filing = Arc::new(filing.map_err(|error| StreamError::Folder(self.config.folder.clone(), error))?);
        let (open, refusing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut threads: Vec<thread::JoinHandle<()>> = Vec::new();
        let mut failures = 0;
        while !stop.is_stopped() {
            let socket = match self.socket.accept() {
                Ok((socket, _)) => socket,
                // Of one connection that is gone already, or too many open files: others may come.
                Err(error) => {
                    failures += 1;
                    tracing::warn!(kind = %error.kind(), "a connection could not be accepted");
                    if failures > 1000 {
                        return Err(StreamError::Bind(error));
                    }
                    stop.wait(Duration::from_millis(100));
                    continue;
                }
            };
            if stop.is_stopped() {
                break;
            }
            failures = 0;
            threads.retain(|thread| !thread.is_finished());
            if open.load(Ordering::Acquire) >= self.config.max_associations {
                Metrics::add(&self.metrics.refused_busy);
                self.refuse(socket, stop, &refusing);
                continue;
            }
            let counted = Counted::new(&open);
            let served = self.served(stop, &filing);
            let spawned = thread::Builder::new().name("dicom-association".to_owned()).spawn(move || {
                let _counted = counted;
                served.serve(socket);
            });
            match spawned {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::warn!(kind = %error.kind(), "no thread for an association"),
            }
        }
        for thread in threads {
            let _ = thread.join();
        }
        let _ = wakes.join();
        let commits = filing.settlements();
        // Nobody else has it any more: what is in the log is settled.
        drop(filing);
        self.metrics.commits.fetch_max(commits, Ordering::Relaxed);
        Ok(self.metrics.snapshot())
    }

    fn served(&self, stop: &StopToken, filing: &Arc<Filing>) -> serve::Served {
        serve::Served {
            config: self.config.clone(),
            policy: Arc::clone(&self.policy),
            store: Arc::clone(&self.store),
            filing: Arc::clone(filing),
            tls: self.tls.clone(),
            metrics: Arc::clone(&self.metrics),
            told: self.told.clone(),
            patience: self.patience(stop),
        }
    }

    fn patience(&self, stop: &StopToken) -> Patience {
        Patience { stop: stop.clone(), idle: super::seconds(self.config.idle_timeout_s), grace: super::seconds(self.config.stop_grace_s) }
    }

    /// Says that there is no room, on a thread of its own: the peer may be slow.
    fn refuse(&self, socket: TcpStream, stop: &StopToken, refusing: &Arc<AtomicUsize>) {
        if self.tls.is_some() || refusing.load(Ordering::Acquire) >= MOST_REFUSALS {
            return;
        }
        let counted = Counted::new(refusing);
        let patience = Patience { idle: Duration::from_secs(1), ..self.patience(stop) };
        let _ = thread::Builder::new().name("dicom-refusal".to_owned()).spawn(move || {
            let _counted = counted;
            if let Ok(mut connection) = Connection::plain(socket, patience) {
                let _ = Association::refuse(&mut connection, Rejection::BUSY);
                connection.close();
            }
        });
    }

    /// Accepting waits for a connection; on stop, this one is ours.
    fn wake_on_stop(&self, stop: &StopToken) -> thread::JoinHandle<()> {
        let (stop, mut address) = (stop.clone(), self.address);
        if address.ip().is_unspecified() {
            let loopback = if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
            address.set_ip(loopback);
        }
        thread::spawn(move || {
            while !stop.wait(Duration::from_hours(1)) {}
            let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        })
    }
}

/// Does what is in the log of an earlier run, and withdraws what is not whole. Gives the number of each.
fn finish_earlier(store: &Arc<Store>) -> io::Result<(u64, u64)> {
    let folder = store.folder.join(store::LOG);
    let segments = log::segments(&folder)?;
    if store.crashed {
        recover::cut_zeros(&store.folder.join(store::JOURNAL))?;
        recover::cut_zeros(&store.folder.join(store::REJECTS).join(store::REJECTS_JOURNAL))?;
    }
    let mut replayed = 0;
    if store.crashed || !segments.is_empty() {
        let journals = Journals::open(store)?;
        let paths;
        (replayed, paths) = recover::replay(store, &segments, &journals)?;
        journals.sync()?;
        // Also what the earlier run named and did not sync: from here on it would be taken for settled.
        log::sync(&store.folder, &paths)?;
    }
    for segment in &segments {
        fs::remove_file(segment)?;
    }
    // Whatever has a line is whole where there was a log: what is not was changed or taken away since, and is not ours to judge.
    let withdrawn = if store.crashed && !store.has_log { recover::withdraw_unfinished(store)? } else { 0 };
    Ok((replayed, withdrawn))
}

/// One more while it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
