//! Facts about the run that are known only when everything was read (hashes of the sources, counts), for files that are
//! written while it is read.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

use crate::{EngineError, Result};

type Facts = Arc<BTreeMap<String, String>>;

/// The sending side. Dropped without facts, every sink that waits for them fails.
#[derive(Debug)]
pub struct LateFactsSender(watch::Sender<Option<Facts>>);

impl LateFactsSender {
    /// Says what is known now.
    pub fn send(self, facts: BTreeMap<String, String>) {
        self.0.send_replace(Some(Arc::new(facts)));
    }
}

/// What a sink waits for before it ends its files. A sink waits only after its stream has ended.
#[derive(Debug, Clone)]
pub struct LateFacts(watch::Receiver<Option<Facts>>);

impl LateFacts {
    /// Both sides.
    pub fn channel() -> (LateFactsSender, LateFacts) {
        let (sender, receiver) = watch::channel(None);
        (LateFactsSender(sender), LateFacts(receiver))
    }

    /// Waits for the facts.
    ///
    /// # Errors
    /// When the sender is gone without them: the run ended before all files were read.
    pub async fn wait(&self) -> Result<()> {
        let gone = |_| EngineError::Stopped { reason: "the run ended before all files were read".to_owned() };
        self.0.clone().wait_for(Option::is_some).await.map(drop).map_err(gone)
    }

    /// The facts, if they are known by now.
    pub(super) fn known(&self) -> Option<Facts> {
        self.0.borrow().clone()
    }
}
