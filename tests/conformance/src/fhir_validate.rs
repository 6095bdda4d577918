//! FHIR validation: the official cases, the examples of the specification and of US Core.

#[allow(dead_code, unreachable_pub)]
#[path = "../../../crates/formats/fhir/tests/suites/validation.rs"]
mod suite;

use std::{io::Error, path::Path};

use crate::Suite;

fn collect(outcomes: Vec<suite::Outcome>) -> Suite {
    let mut out = Suite::default();
    for (name, mut reasons) in outcomes {
        let known = suite::KNOWN_CASES.iter().chain(suite::KNOWN_EXAMPLES).find(|(known, _)| *known == name);
        if let Some((_, reason)) = known.filter(|_| !reasons.is_empty()) {
            reasons.push(format!("known: {reason}"));
        }
        out.case(&name, &reasons);
    }
    out
}

/// The cases of the official collection.
pub(crate) fn validator(data: &Path) -> Result<Suite, Error> {
    suite::validator(data).map(collect)
}

/// The specification's examples.
pub(crate) fn spec_examples(data: &Path) -> Result<Suite, Error> {
    suite::spec_examples(data).map(collect)
}

/// US Core's examples against the profiles they claim.
pub(crate) fn us_core(data: &Path) -> Result<Suite, Error> {
    suite::us_core(data).map(collect)
}
