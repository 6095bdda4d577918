//! Asking something that runs to end.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Asks whoever holds a clone of it to end. Once asked, it stays so.
#[derive(Debug, Clone, Default)]
pub struct StopToken(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stopped: Mutex<Option<Instant>>,
    wakes: Condvar,
}

impl StopToken {
    /// One that nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks. A second time changes nothing.
    pub fn stop(&self) {
        self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        self.0.wakes.notify_all();
    }

    /// Since when it is asked.
    pub fn stopped_at(&self) -> Option<Instant> {
        *self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is asked.
    pub fn is_stopped(&self) -> bool {
        self.stopped_at().is_some()
    }

    /// Waits until it is asked, or so long. Gives whether it is asked.
    pub fn wait(&self, longest: Duration) -> bool {
        let until = Instant::now() + longest;
        let mut stopped = self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        while stopped.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            stopped = self.0.wakes.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_woken() {
        let token = StopToken::new();
        assert!(!token.wait(Duration::from_millis(1)) && !token.is_stopped());
        let waits = std::thread::spawn({
            let token = token.clone();
            move || token.wait(Duration::from_mins(1))
        });
        token.stop();
        assert!(waits.join().unwrap() && token.is_stopped());
    }
}
