//! A bounded queue from decoder threads to the partitions of one plan.
//!
//! Many blocking senders, many polled receivers. Any receiver may take any batch, and a receiver that waits holds
//! nothing: a partition that is not polled (or not yet started) never keeps a batch from the others. That is why this
//! is not a channel per partition, nor a receiver behind an async lock.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use arrow::array::RecordBatch;

use crate::error::EngineError;

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    space: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<RecordBatch>,
    wakers: Vec<Waker>,
    /// No more batches will come.
    finished: bool,
    /// Nobody takes batches any more.
    closed: bool,
    /// Why batches that should have come will not.
    stopped: Option<Arc<str>>,
    receivers: usize,
    dropped: usize,
}

impl Queue {
    /// A queue for up to `capacity` batches and exactly `receivers` receivers.
    pub(crate) fn new(capacity: usize, receivers: usize) -> Arc<Self> {
        let state = Mutex::new(State { receivers, ..State::default() });
        Arc::new(Self { state, space: Condvar::new(), capacity: capacity.max(1) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for space and adds a batch. False when nobody wants it any more. Blocking.
    pub(crate) fn push(&self, batch: RecordBatch) -> bool {
        let mut state = self.state();
        while state.batches.len() >= self.capacity && !state.closed && state.stopped.is_none() {
            state = self.space.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed || state.stopped.is_some() {
            return false;
        }
        state.batches.push_back(batch);
        wake(state);
        true
    }

    /// Says that no more batches will come.
    pub(crate) fn finish(&self) {
        let mut state = self.state();
        state.finished = true;
        wake(state);
    }

    /// Ends the queue with an error for every receiver.
    pub(crate) fn stop(&self, reason: &Arc<str>) {
        let mut state = self.state();
        if !state.closed && state.stopped.is_none() {
            state.stopped = Some(Arc::clone(reason));
            state.batches.clear();
        }
        self.space.notify_all();
        wake(state);
    }

    /// Says that nobody takes batches any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.batches.clear();
        self.space.notify_all();
        wake(state);
    }

    /// Whether pushing still has a purpose.
    pub(crate) fn is_open(&self) -> bool {
        let state = self.state();
        !state.closed && state.stopped.is_none()
    }

    /// Takes the next batch.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Option<Result<RecordBatch, EngineError>>> {
        let mut state = self.state();
        if let Some(reason) = &state.stopped {
            return Poll::Ready(Some(Err(EngineError::Stopped { reason: reason.to_string() })));
        }
        if let Some(batch) = state.batches.pop_front() {
            self.space.notify_one();
            return Poll::Ready(Some(Ok(batch)));
        }
        if state.finished || state.closed {
            return Poll::Ready(None);
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            state.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// One receiver is gone; when all are, the queue is closed.
    pub(crate) fn receiver_dropped(&self) {
        let mut state = self.state();
        state.dropped += 1;
        if state.dropped >= state.receivers {
            state.closed = true;
            state.batches.clear();
            self.space.notify_all();
        } else {
            // A batch may have been meant for the one that is gone.
            wake(state);
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let wakers = std::mem::take(&mut state.wakers);
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, sync::atomic::Ordering, time::Duration};

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch() -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_batch_arrives_once_though_receivers_come_and_go() {
        let queue = Queue::new(2, 3);
        let taken = Arc::new(AtomicUsize::new(0));
        let receivers: Vec<_> = (0..3)
            .map(|number| {
                let (queue, taken) = (Arc::clone(&queue), Arc::clone(&taken));
                tokio::spawn(async move {
                    // The first receiver leaves after one batch.
                    while let Some(batch) = std::future::poll_fn(|context| queue.poll(context)).await {
                        taken.fetch_add(batch.unwrap().num_rows(), Ordering::Relaxed);
                        if number == 0 {
                            break;
                        }
                    }
                    queue.receiver_dropped();
                })
            })
            .collect();
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let queue = Arc::clone(&queue);
                tokio::task::spawn_blocking(move || (0..500).all(|_| queue.push(batch())))
            })
            .collect();
        for sender in senders {
            assert!(sender.await.unwrap());
        }
        queue.finish();
        for receiver in receivers {
            receiver.await.unwrap();
        }
        assert_eq!(taken.load(Ordering::Relaxed), 1000);
        assert!(!queue.is_open());
    }

    #[tokio::test]
    async fn a_blocked_sender_is_freed() {
        for end in [Queue::close, |queue: &Queue| queue.stop(&Arc::from("test"))] {
            let queue = Queue::new(1, 1);
            assert!(queue.push(batch()));
            let sender = Arc::clone(&queue);
            let blocked = tokio::task::spawn_blocking(move || sender.push(batch()));
            tokio::time::sleep(Duration::from_millis(20)).await;
            end(&queue);
            assert!(!blocked.await.unwrap());
        }
    }
}
