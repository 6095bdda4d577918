//! Any text is a policy or a list of mistakes, whatever files it extends; a policy is explained whole and does not differ from itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_privacy::{Policy, PrivacyError, compare, explain};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
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
