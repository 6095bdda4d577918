//! Resources that were read and cannot be written, by reason and with the first places.

use std::collections::BTreeMap;

use sutura_fhir::bundle::BundleError;

use super::resources::Resource;
use crate::{
    failure::{Failure, Outcome, chain},
    output::Console,
};

/// Places shown of each reason.
const SHOWN: usize = 5;

/// What was refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_code: BTreeMap<&'static str, (u64, Vec<String>)>,
}

impl Refusals {
    /// Counts an error about one resource; any other one ends the work.
    pub(super) fn take(&mut self, error: &BundleError, resource: Resource<'_>) -> Outcome<()> {
        if !error.is_refusal() {
            return Err(Failure::failed(chain(error)));
        }
        let (count, places) = self.by_code.entry(error.code()).or_default();
        *count += 1;
        if places.len() < SHOWN {
            places.push(format!("{} byte {}: {error}", resource.source, resource.offset));
        }
        Ok(())
    }

    /// How many resources.
    pub(super) fn total(&self) -> u64 {
        self.by_code.values().map(|(count, _)| count).sum()
    }

    /// Counts by reason.
    pub(super) fn to_json(&self) -> serde_json::Value {
        self.by_code.iter().map(|(code, (count, _))| ((*code).to_owned(), (*count).into())).collect::<serde_json::Map<_, _>>().into()
    }

    /// Says how many, and where the first ones are.
    pub(super) fn note(&self, console: Console) {
        for (code, (count, places)) in &self.by_code {
            console.note(&format!("not written, {code}: {count}"));
            for place in places {
                console.note(&format!("  {place}"));
            }
        }
    }
}
