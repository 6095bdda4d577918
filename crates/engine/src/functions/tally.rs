//! What the rows of one query could not give: counted by code, said once at its end.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Counts of one query. They are logged when its plan is dropped, which is when it has ended.
#[derive(Debug)]
pub(super) struct Tally {
    function: String,
    /// What could not be done with a record, as in "could not be converted".
    what: &'static str,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Tally {
    pub(super) fn new(function: &str, what: &'static str) -> Self {
        Self { function: function.to_owned(), what, refused: Mutex::default() }
    }

    /// Counts a row that gives null. The code holds nothing of its content.
    pub(super) fn add(&self, code: &'static str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let refused = self.refused.get_mut().unwrap_or_else(PoisonError::into_inner);
        let rows: u64 = refused.values().sum();
        if rows > 0 {
            let reasons: Vec<String> = refused.iter().map(|(code, count)| format!("{code} ({count})")).collect();
            tracing::warn!(rows, reasons = %reasons.join("; "), "{}() gave null where a record could not be {}", self.function, self.what);
        }
    }
}
