//! What queries passed over: records that are in none of their rows because they could not be read or a view refused them.
//!
//! `select ... from read_fhir(..)` goes on where a record is broken. So that nobody takes its result for the whole, each scan of a table
//! function counts what it leaves out, by code, and whoever ran the query asks for it ([`Engine::take_passed_over`]).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use sutura_core::{Format, ReadStats, finding::FINDINGS_TABLE};

use crate::Engine;

/// Scans that may wait to be asked for; where nobody asks, the first ones stay.
const MOST_SCANS: usize = 256;

/// What the rows of one table function leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// The call, as SQL.
    pub read: String,
    /// The call that shows what was rejected, as SQL.
    pub rejects: String,
    /// Rejected records by code. A query that stopped early (`limit`) has seen a part of them.
    pub codes: BTreeMap<String, u64>,
    /// Findings about files that no table shows, by code.
    pub findings: BTreeMap<String, u64>,
}

impl PassedOver {
    /// Whether there is nothing to say.
    fn is_empty(&self) -> bool {
        self.codes.is_empty() && self.findings.is_empty()
    }
}

impl Engine {
    /// What the queries since the last time passed over, by call. A table that a query reads twice (a self join) counts once.
    pub fn take_passed_over(&self) -> Vec<PassedOver> {
        self.readers().passed_over.take()
    }
}

/// The scans of a session that passed something over.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Arc<ScanTally>>>);

/// A call of a table function, as messages show it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) read: String,
    pub(crate) rejects: String,
}

/// What one scan passes over.
#[derive(Debug)]
pub(crate) struct ScanTally {
    ledger: Arc<Ledger>,
    call: Arc<Call>,
    is_in_ledger: AtomicBool,
    counts: Mutex<PassedOver>,
}

impl Ledger {
    fn take(&self) -> Vec<PassedOver> {
        let scans = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut found: BTreeMap<String, PassedOver> = BTreeMap::new();
        for scan in scans {
            scan.is_in_ledger.store(false, Ordering::Relaxed);
            let counts = std::mem::take(&mut *scan.counts.lock().unwrap_or_else(PoisonError::into_inner));
            if counts.is_empty() {
                continue;
            }
            let known = found.entry(scan.call.read.clone()).or_default();
            (known.read, known.rejects) = (scan.call.read.clone(), scan.call.rejects.clone());
            at_least(&mut known.codes, counts.codes);
            at_least(&mut known.findings, counts.findings);
        }
        found.into_values().collect()
    }
}

fn at_least(known: &mut BTreeMap<String, u64>, counts: BTreeMap<String, u64>) {
    for (code, count) in counts {
        let known = known.entry(code).or_default();
        *known = count.max(*known);
    }
}

impl ScanTally {
    pub(crate) fn new(ledger: &Arc<Ledger>, call: &Arc<Call>) -> Arc<Self> {
        let (ledger, call) = (Arc::clone(ledger), Arc::clone(call));
        Arc::new(Self { ledger, call, is_in_ledger: AtomicBool::new(false), counts: Mutex::default() })
    }

    /// A record is in no row.
    pub(crate) fn reject(self: &Arc<Self>, code: &'static str) {
        self.count(|counts| *counts.codes.entry(code.to_owned()).or_default() += 1);
    }

    /// A range was read to its end. Findings of a format that has a table of them are seen there.
    pub(crate) fn ended(self: &Arc<Self>, format: &dyn Format, stats: &ReadStats) {
        if stats.findings.is_empty() || format.table(FINDINGS_TABLE).is_some() {
            return;
        }
        self.count(|counts| {
            for ((code, _), count) in &stats.findings {
                *counts.findings.entry(code.clone()).or_default() += count;
            }
        });
    }

    fn count(self: &Arc<Self>, add: impl FnOnce(&mut PassedOver)) {
        add(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.is_in_ledger.swap(true, Ordering::Relaxed) {
            let mut scans = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
            if scans.len() < MOST_SCANS {
                scans.push(Arc::clone(self));
            }
        }
    }
}

/// A text as SQL writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_read_twice_counts_once() {
        let ledger = Arc::new(Ledger::default());
        let call = Arc::new(Call { read: "read_x('a')".into(), rejects: "rejects('a')".into() });
        let (first, second) = (ScanTally::new(&ledger, &call), ScanTally::new(&ledger, &call));
        for scan in [&first, &first, &second] {
            scan.reject("bad");
        }
        second.reject("worse");
        let taken = ledger.take();
        let codes: Vec<(&str, u64)> = taken[0].codes.iter().map(|(code, count)| (code.as_str(), *count)).collect();
        assert_eq!((taken.len(), taken[0].read.as_str(), codes), (1, "read_x('a')", vec![("bad", 2), ("worse", 1)]));
        assert!(ledger.take().is_empty());
        first.reject("bad");
        assert_eq!(ledger.take()[0].codes["bad"], 1, "what comes later is told later");
    }

    #[test]
    fn nobody_asking_costs_no_memory() {
        let ledger = Arc::new(Ledger::default());
        let call = Arc::new(Call { read: quoted("it's"), rejects: String::new() });
        for _ in 0..2 * MOST_SCANS {
            ScanTally::new(&ledger, &call).reject("bad");
        }
        assert_eq!(ledger.0.lock().unwrap().len(), MOST_SCANS);
        assert_eq!(ledger.take()[0].read, "'it''s'");
    }
}
