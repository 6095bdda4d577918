//! FHIR validation: the official cases, the examples of the specification and of US Core.

#[path = "../../../crates/formats/fhir/tests/suites/validation.rs"]
mod suite;

use std::{io::Error, path::Path};

use crate::Suite;

fn collect(outcomes: Vec<suite::Outcome>) -> Suite {
    let mut suite = Suite::default();
    for (name, reasons) in outcomes {
        suite.case(&name, &reasons);
    }
    suite
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

/// The cases that are known to differ; each has its reason in `docs/src/reference/fhir-validation.md`.
#[cfg(test)]
pub(crate) fn is_known(case: &str) -> bool {
    suite::KNOWN_CASES.iter().chain(suite::KNOWN_EXAMPLES).any(|(known, _)| *known == case)
}
