//! Any configuration is refused or runs on a Patient, and gives JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_deid::{DocumentDeidentifier, Ledger, anonymizer::Anonymizer};

const PATIENT: &[u8] = br#"{"resourceType":"Patient","id":"p","name":[{"family":"Doe","given":["J"],"_given":[{"id":"x"}]}],"birthDate":"1980-05-17","address":[{"city":"B","postalCode":"02139"}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let Ok(anonymizer) = Anonymizer::from_json(bytes) else { return };
    let mut out = Vec::new();
    if anonymizer.deidentify(PATIENT, &mut out, &mut Ledger::new()).is_ok() {
        sutura_fhir::json::Parser::default().parse(&out).expect("JSON");
    }
});
