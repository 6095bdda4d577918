//! Counts of what a receiver did.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts that go on changing while a receiver runs.
        #[derive(Debug, Default)]
        pub struct Metrics { $($(#[$doc])* pub $name: AtomicU64,)* }

        /// Counts at one moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub struct Snapshot { $($(#[$doc])* pub $name: u64,)* }

        impl Metrics {
            /// The counts at this moment.
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

metrics! {
    /// Associations that were accepted.
    associations,
    /// Associations that were refused for a title, the application context or the version.
    refused,
    /// Connections that were refused because there were too many.
    refused_busy,
    /// Associations that ended other than by a release: aborted, timed out, broken.
    ended_badly,
    /// C-ECHO that were answered.
    echoes,
    /// Instances that were stored, each in a new file.
    stored,
    /// Bytes of these files.
    stored_bytes,
    /// Instances that were there already with the same data set.
    duplicates,
    /// Instances that were there already with another data set; they are stored too, and counted there.
    differing,
    /// Data sets that could not be understood and are in `rejects/`.
    rejected,
    /// Instances that were answered A700: no space, too large.
    out_of_resources,
    /// Instances that could not be written for another reason.
    failed,
    /// Instances that were not received to their end.
    cut_off,
    /// Messages that are not spoken here.
    unrecognized,
    /// Times that files, folders and journals were synced together, in the background.
    commits,
    /// Files of an earlier run that were never finished, and never answered; they were removed.
    unfinished,
    /// Instances of an earlier run that were answered and in the log, and got their file or their line at this start.
    replayed,
    /// Instances of an earlier run that have a line in the journal and are not whole; they were never answered, and another line says so.
    withdrawn,
}

impl Metrics {
    pub(super) fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
