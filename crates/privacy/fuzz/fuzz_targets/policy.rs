//! Any text is a policy or a list of mistakes, whatever files it extends; a policy is explained whole and does not differ from itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_privacy::{Policy, PrivacyError, compare, explain};
use sutura_privacy_fuzz::document;

const SEEDS: [&str; 5] = [
    include_str!("../../policies/hipaa-safe-harbor.toml"),
    include_str!("../../policies/gdpr-pseudonymised.toml"),
    include_str!("../../policies/australia.toml"),
    "name = \"o\"\nversion = \"1\"\nextends = \"base.toml\"\n[classes]\ndate = \"year\"\nmrn = { method = \"pseudonym\", kind = \"mrn\" }\n[columns]\n\"*_at\" = \"drop\"\n\
[tables.visits.classes]\ndate = { method = \"shift-date\", max_days = 30 }\n[tables.visits.columns]\n\"c*\" = \"mask\"\n[labels.HIV]\nrows = \"withhold\"\n\0\
name = \"b\"\nversion = \"1\"\nprofile = \"none\"\n[classes]\nname = \"mask\"\n\"*\" = \"drop\"\n",
    "name = \"l\"\nversion = \"1\"\nextends = \"limited-data-set\"\n[legal]\nagreement = \"D\"\nrecipient = \"r\"\npurpose = \"p\"\nexpires_on = \"2030-01-01\"\n[classes]\nage = { method = \"age-band\", scheme = \"ten-year\" }\n",
];

fuzz_target!(|data: &[u8]| {
    let data = document(&SEEDS, data);
    let text = String::from_utf8_lossy(&data);
    let (ours, base) = text.split_once('\0').unwrap_or((&text, ""));
    let find = |name: &str, _: &str| if name == "none.toml" { Err("none") } else { Ok((base.to_owned(), name.to_owned())) };
    match Policy::from_toml_with(ours, "ours.toml", &find) {
        Ok(policy) => {
            assert!(explain(&policy).len() >= policy.classes.len() + policy.columns.len());
            assert!(compare(&policy, &policy).is_empty());
        }
        Err(PrivacyError::Policy(problems)) => assert!(!problems.is_empty()),
        Err(other) => panic!("another error: {other}"),
    }
});
