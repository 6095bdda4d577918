//! Runs a job file: `cargo run -p sutura-jobs --example run_job -- job.toml [key=value ...]`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{path::Path, process::ExitCode};

use sutura_jobs::{Job, LoadOptions, RunOptions};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(file) = arguments.next() else {
        eprintln!("usage: run_job job.toml [key=value ...]");
        return ExitCode::from(2);
    };
    let options = LoadOptions { set: arguments.collect(), ..LoadOptions::default() };
    let job = match Job::load_with(Path::new(&file), &options) {
        Ok(job) => job,
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            return ExitCode::from(2);
        }
    };
    match job.run(RunOptions::default()).await {
        Ok(report) => {
            println!("{}", report.equation);
            ExitCode::from(report.status.exit_code())
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
