//! Any resource becomes JSON without the number, or nothing.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use sutura_deid::{DocumentDeidentifier, Ledger, Treatment, fhir::FhirDeidentifier as Subject};
use sutura_privacy::{Deidentifier, KeyRing, MemoryVault, Policy, Scope};

static SUBJECT: LazyLock<Subject> = LazyLock::new(|| {
    let policy = Policy::builtin("hipaa-safe-harbor").expect("a policy");
    let vault = Arc::new(MemoryVault::new().expect("a vault"));
    let privacy = Deidentifier::new(policy, &KeyRing::generate().expect("keys"), Scope::new("p", "d"), Some(vault)).expect("an engine");
    Subject::new(Treatment::new(&privacy).expect("a treatment"))
});

fuzz_target!(|bytes: &[u8]| {
    let (mut out, mut ledger) = (Vec::new(), Ledger::new());
    if SUBJECT.deidentify(bytes, &mut out, &mut ledger).is_err() {
        assert!(out.is_empty());
        return;
    }
    assert!(!out.windows(10).any(|part| part == b"4711936001"));
    assert!(!format!("{:?}", ledger.rows()).contains("4711936001"));
    sutura_fhir::json::Parser::default().parse(&out).expect("JSON");
});
