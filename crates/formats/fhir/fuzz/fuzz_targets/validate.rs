//! Any JSON is validated without a panic, with the same issues each time; their places are in the document, their number is
//! bounded, and they become an OperationOutcome that is valid itself.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sutura_fhir::{
    json::Parser,
    validate::{IssueSeverity, Options, Validator, json_issue, operation_outcome},
};

const MOST: usize = 20;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(Options { max_issues: MOST, ..Options::default() }));

fuzz_target!(|data: &[u8]| {
    let (mut parser, mut other) = (Parser::default(), Parser::default());
    let issues = match parser.parse(data) {
        Ok(document) => {
            let issues = VALIDATOR.validate(document.root());
            assert_eq!(VALIDATOR.validate(document.root()), issues);
            issues
        }
        Err(error) => vec![json_issue(&error)],
    };
    assert!(issues.len() <= MOST + 1);
    assert!(issues.iter().all(|issue| issue.offset <= data.len()));
    let outcome = operation_outcome(&issues);
    let outcome = other.parse(outcome.as_bytes()).expect("an OperationOutcome is JSON").root();
    let bad = VALIDATOR.validate(outcome).into_iter().find(|issue| matches!(issue.severity, IssueSeverity::Error | IssueSeverity::Fatal));
    assert!(bad.is_none(), "{bad:?}");
});
