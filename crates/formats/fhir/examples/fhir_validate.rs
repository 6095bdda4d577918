//! Validates files of FHIR JSON (one resource or NDJSON each): `fhir_validate FILE...`; prints every issue and the rate.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Instant;

use sutura_fhir::{
    json::Parser,
    validate::{IssueSeverity, Options, Validator},
};

fn main() {
    let validator = Validator::new(Options::default());
    let mut parser = Parser::default();
    let (mut count, mut invalid, mut bytes) = (0_usize, 0_usize, 0_usize);
    let began = Instant::now();
    for path in std::env::args().skip(1) {
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{path}: {error}");
                continue;
            }
        };
        let lines: Vec<&[u8]> = if path.ends_with(".ndjson") { text.split(|byte| *byte == b'\n').collect() } else { vec![&text] };
        for line in lines.into_iter().filter(|line| !line.is_empty()) {
            count += 1;
            bytes += line.len();
            let document = match parser.parse(line) {
                Ok(document) => document,
                Err(error) => {
                    println!("{path}: {error}");
                    invalid += 1;
                    continue;
                }
            };
            let issues = validator.validate(document.root());
            invalid += usize::from(issues.iter().any(|issue| issue.severity >= IssueSeverity::Error));
            for issue in issues.iter().filter(|issue| issue.severity >= IssueSeverity::Error) {
                println!("{path}: {} {}: {}", issue.severity.code(), issue.expression, issue.diagnostics);
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!("{count} resources, {invalid} with errors, {:.1} MB, {:.0} resources/s", bytes as f64 / 1e6, count as f64 / took);
}
