//! **The `sutura` command.**
//!
//! Arguments come in ([`args`]), one of the [`commands`] runs over the library crates, results go to
//! standard output and everything else to standard error ([`output`]). What can be done with data is
//! decided in those crates; here is only how a person or a script asks for it, and what the exit code
//! says ([`failure`]).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod args;
mod commands;
mod failure;
mod logging;
mod output;
mod progress;
#[cfg(test)]
mod reference;

use std::process::ExitCode;

use clap::Parser;

use crate::{args::Cli, output::Console};

/// Many threads allocate batches and free them elsewhere; the system's allocator is slower at that. Without huge pages (the
/// feature `no_thp`): one touched byte would keep two megabytes, which a process then pays for in memory and in wiping them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    output::hide_panic_messages();
    let cli = Cli::parse();
    let console = Console::new(cli.quiet);
    logging::start(cli.quiet);
    let code = match commands::run(cli.command, console) {
        Ok(code) => code,
        Err(failure) => output::fail(&failure),
    };
    ExitCode::from(code)
}
