//! The official FHIRPath tests; the cases are run by the code that the crate's own test uses.

use std::{io::Error, path::Path};

use crate::Suite;

#[allow(dead_code, unreachable_pub)]
#[path = "../../../crates/formats/fhir/tests/suites/fhirpath.rs"]
mod cases;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../crates/formats/fhir/tests/suites/xml.rs"]
mod xml;

/// Every case of the R4 file; those that are known to differ count as failures.
pub(crate) fn fhirpath(data: &Path) -> Result<Suite, Error> {
    let mut suite = Suite::default();
    for (name, mut reasons) in cases::run(data)? {
        if let Some((_, reason)) = cases::KNOWN.iter().find(|(known, _)| *known == name) {
            reasons.push(format!("known: {reason}"));
        }
        suite.case(&name, &reasons);
    }
    Ok(suite)
}
