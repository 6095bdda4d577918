//! `make conformance`: one line a suite on screen, everything in `target/conformance.json`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{collections::BTreeMap, fs, process::ExitCode};

use sutura_conformance::{SUITES, Suite, data};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = match data() {
        Ok(folder) => folder,
        Err(missing) => {
            eprintln!(
                "SKIPPED: test data not found at {}; set SUTURA_TEST_DATA to the folder that holds hl7v2/, deid/, analytics/",
                missing.display()
            );
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut report: BTreeMap<&str, Suite> = BTreeMap::new();
    for (name, run) in SUITES {
        let suite = run(&folder)?;
        println!("{name:<20} {:>5} of {:>5} passed", suite.passed, suite.total);
        for failure in suite.failures.iter().take(5) {
            println!("    {}: {}", failure.case, failure.reason);
        }
        report.insert(name, suite);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from);
    fs::create_dir_all(&target)?;
    let file = target.join("conformance.json");
    fs::write(&file, serde_json::to_vec_pretty(&report)?)?;
    println!("written to {}", file.display());
    let failed = report.values().any(|suite| suite.passed != suite.total);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
