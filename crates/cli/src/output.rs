//! Standard output and standard error: the only place that writes to either.
//!
//! Results go to standard output, everything said about them to standard error. A reader that has seen
//! enough (`| head`) ends the command quietly with exit code 0.

#![allow(clippy::print_stderr)]

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::failure::{CLEAN, Failure, Outcome};

/// Whether standard output was closed by its reader.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Where a command speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    quiet: bool,
}

impl Console {
    /// A console; a quiet one says nothing but errors and what was asked for.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Whether progress may be drawn.
    pub(crate) fn shows_progress(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// A remark on standard error.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}

/// What a command says of its work; nothing when it is to be quiet.
pub(crate) fn print_summary(console: Console, text: &str) -> Outcome<()> {
    if console.quiet { Ok(()) } else { print(text) }
}

/// Standard output, buffered.
pub(crate) fn stdout() -> BufWriter<Stdout> {
    BufWriter::with_capacity(64 << 10, Stdout(io::stdout()))
}

/// Prints a finished text.
pub(crate) fn print(text: &str) -> Outcome<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::io("standard output", &error))
}

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Outcome<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(Failure::failed)?;
    text.push('\n');
    print(&text)
}

/// An error on standard error, whether quiet or not.
pub(crate) fn error(text: &str) {
    eprintln!("error: {text}");
}

/// A number of things: `1 file`, `2 files`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A panic says where it was, and nothing of what was being worked on.
pub(crate) fn hide_panic_messages() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        eprintln!(
            "error: a defect of sutura, at {place}; please report it with the command (the message is withheld: it can hold field content)"
        );
    }));
}

/// Says why a command failed; answers its exit code.
pub(crate) fn fail(failure: &Failure) -> u8 {
    if CLOSED.load(Ordering::Relaxed) {
        return CLEAN;
    }
    if !failure.message.is_empty() {
        error(&failure.message);
    }
    failure.code
}

/// Standard output that remembers that its reader went away.
#[derive(Debug)]
pub(crate) struct Stdout(io::Stdout);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).inspect_err(remember)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().inspect_err(remember)
    }
}

fn remember(error: &io::Error) {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CLOSED.store(true, Ordering::Relaxed);
    }
}
