//! Validates files of FHIR JSON (one resource or NDJSON each): `fhir_validate FILE...`; prints every error, and the rate.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::{Duration, Instant};

use sutura_fhir::{
    defs,
    json::Parser,
    validate::{IssueSeverity, Options, Validator},
};

fn main() {
    let began = Instant::now();
    defs::r4();
    println!("definitions loaded in {:.2} ms", began.elapsed().as_secs_f64() * 1e3);

    let validator = Validator::new(Options::default());
    let mut parser = Parser::default();
    let (mut count, mut invalid, mut bytes) = (0_usize, 0_usize, 0_usize);
    let (mut parsing, mut validating) = (Duration::ZERO, Duration::ZERO);
    for path in std::env::args().skip(1) {
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{path}: {error}");
                continue;
            }
        };
        let many = std::path::Path::new(&path).extension().is_some_and(|extension| extension == "ndjson");
        let lines: Vec<&[u8]> = if many { text.split(|byte| *byte == b'\n').collect() } else { vec![&text] };
        for line in lines.into_iter().filter(|line| !line.is_empty()) {
            count += 1;
            bytes += line.len();
            let began = Instant::now();
            let parsed = parser.parse(line);
            parsing += began.elapsed();
            let document = match parsed {
                Ok(document) => document,
                Err(error) => {
                    println!("{path}: {error}");
                    invalid += 1;
                    continue;
                }
            };
            let began = Instant::now();
            let issues = validator.validate(document.root());
            validating += began.elapsed();
            invalid += usize::from(issues.iter().any(|issue| issue.severity >= IssueSeverity::Error));
            for issue in issues.iter().filter(|issue| issue.severity >= IssueSeverity::Error) {
                println!("{path}: {} {}: {}", issue.severity.code(), issue.expression, issue.diagnostics);
            }
        }
    }
    let both = (parsing + validating).as_secs_f64();
    println!(
        "{count} resources, {invalid} with errors, {:.1} MB, parse {:.0} ms, validate {:.0} ms: {:.0} resources/s on one core",
        bytes as f64 / 1e6,
        parsing.as_secs_f64() * 1e3,
        validating.as_secs_f64() * 1e3,
        count as f64 / both
    );
}
