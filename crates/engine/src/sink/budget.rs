//! A bound for what many outputs hold together.
//!
//! A Parquet writer keeps its row group until it is complete. A job with twenty outputs would hold twenty of them, and
//! the more input, the more of them are full. With one budget the small outputs leave room to the large ones, and the sum
//! stays where it is however long the run.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that the unfinished row groups of several outputs may hold together ([`SinkLimits::row_group_bytes`] bounds one).
///
/// [`SinkLimits::row_group_bytes`]: super::SinkLimits::row_group_bytes
#[derive(Debug)]
pub struct RowGroupBudget {
    limit: usize,
    held: AtomicUsize,
    writers: AtomicUsize,
}

impl RowGroupBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { limit: bytes, held: AtomicUsize::new(0), writers: AtomicUsize::new(0) }
    }

    /// What all writers hold now, in bytes.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// One writer's part of a budget; gives it back when it ends.
pub(super) struct BudgetShare {
    budget: std::sync::Arc<RowGroupBudget>,
    held: usize,
}

impl BudgetShare {
    pub(super) fn new(budget: std::sync::Arc<RowGroupBudget>) -> Self {
        budget.writers.fetch_add(1, Ordering::Relaxed);
        Self { budget, held: 0 }
    }

    /// Says what the writer holds now, and answers what it may hold: everything while the budget lasts, then the fair share.
    pub(super) fn allowed(&mut self, held: usize) -> usize {
        self.tell(held);
        if self.budget.held() <= self.budget.limit {
            return usize::MAX;
        }
        self.budget.limit / self.budget.writers.load(Ordering::Relaxed).max(1)
    }

    /// Says what the writer holds now.
    pub(super) fn tell(&mut self, held: usize) {
        if held > self.held {
            self.budget.held.fetch_add(held - self.held, Ordering::Relaxed);
        } else {
            self.budget.held.fetch_sub(self.held - held, Ordering::Relaxed);
        }
        self.held = held;
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.tell(0);
        self.budget.writers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_writer_may_hold_more_than_its_share_only_while_the_budget_lasts() {
        let budget = Arc::new(RowGroupBudget::new(100));
        let (mut large, mut small) = (BudgetShare::new(Arc::clone(&budget)), BudgetShare::new(Arc::clone(&budget)));
        assert_eq!(large.allowed(90), usize::MAX);
        assert_eq!(small.allowed(20), 50, "the sum is over the limit; the share of two writers is half");
        assert_eq!(large.allowed(90), 50);
        large.tell(0);
        assert_eq!(small.allowed(20), usize::MAX);
        drop(small);
        assert_eq!(budget.held(), 0);
        assert_eq!(large.allowed(120), 100, "alone, the share is everything");
    }
}
