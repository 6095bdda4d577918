//! An NDJSON stream through any number of views in one pass.

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use arrow::array::RecordBatch;

use super::{Rows, View, ViewError};
use crate::json::{JsonError, Limits, Parser};

/// How to read.
#[derive(Debug, Clone, Copy)]
pub struct NdjsonOptions {
    /// Most rows of a batch.
    pub batch_rows: usize,
    /// Bounds on one line.
    pub limits: Limits,
}

impl Default for NdjsonOptions {
    fn default() -> Self {
        Self { batch_rows: 8192, limits: Limits::default() }
    }
}

/// What comes out of a stream.
#[derive(Debug)]
pub enum Output {
    /// Rows of the view of that position.
    Batch {
        /// Position in the list of views.
        view: usize,
        /// The rows.
        batch: RecordBatch,
    },
    /// A line that is no JSON.
    BadLine {
        /// Byte offset of the line in the stream.
        offset: u64,
        /// What is wrong.
        error: JsonError,
    },
    /// A line longer than the limit.
    LongLine {
        /// Byte offset of the line in the stream.
        offset: u64,
    },
    /// A resource that did not fit a view; it has no rows in that view, and may have some in others.
    Refused {
        /// Position in the list of views.
        view: usize,
        /// Byte offset of the line in the stream.
        offset: u64,
        /// What is wrong.
        error: ViewError,
    },
}

/// The account of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Bytes read.
    pub bytes: u64,
    /// Lines that are not blank.
    pub lines: u64,
    /// Lines that are no JSON or too long.
    pub bad_lines: u64,
    /// Rows of all views.
    pub rows: u64,
    /// Resources refused by a view.
    pub refused: u64,
}

const CHUNK: usize = 1 << 20;

/// Reads NDJSON and hands the batches of every view to `sink` as they fill, the last ones at the end. Memory is bounded by
/// the longest line and one batch for each view, however many rows a resource makes. A sink that breaks ends the reading.
pub fn read_ndjson(
    mut input: impl Read,
    views: &[View],
    options: NdjsonOptions,
    sink: &mut dyn FnMut(Output) -> ControlFlow<()>,
) -> io::Result<Account> {
    let mut pass = Pass {
        rows: views.iter().map(View::rows).collect(),
        parser: Parser::new(options.limits),
        options,
        account: Account::default(),
        sink,
    };
    let mut buffer: Vec<u8> = Vec::new();
    // Of the buffer `start..filled` is read and not handed out.
    let (mut start, mut filled, mut offset, mut skipping) = (0, 0, 0_u64, false);
    loop {
        // What is left of a line moves to the front; the buffer grows only for a line that does not fit.
        buffer.copy_within(start..filled, 0);
        (start, filled) = (0, filled - start);
        if buffer.len() < filled + CHUNK {
            buffer.resize(filled + CHUNK, 0);
        }
        let read = loop {
            match input.read(&mut buffer[filled..filled + CHUNK]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let mut searched = filled;
        filled += read;
        pass.account.bytes += read as u64;
        while let Some(at) = memchr::memchr(b'\n', &buffer[searched..filled]) {
            let end = searched + at;
            if skipping {
                skipping = false;
            } else if pass.line(&buffer[start..end], offset)?.is_break() {
                return Ok(pass.account);
            }
            offset += (end + 1 - start) as u64;
            start = end + 1;
            searched = start;
        }
        if read == 0 {
            if !skipping && pass.line(&buffer[start..filled], offset)?.is_break() {
                return Ok(pass.account);
            }
            // Whether the sink breaks makes no difference any more.
            let _ = pass.flush(1)?;
            return Ok(pass.account);
        }
        if filled - start > options.limits.bytes {
            if !skipping {
                pass.account.lines += 1;
                pass.account.bad_lines += 1;
                if (pass.sink)(Output::LongLine { offset }).is_break() {
                    return Ok(pass.account);
                }
            }
            skipping = true;
            offset += (filled - start) as u64;
            start = filled;
        }
    }
}

struct Pass<'p> {
    rows: Vec<Rows>,
    parser: Parser,
    options: NdjsonOptions,
    account: Account,
    sink: &'p mut dyn FnMut(Output) -> ControlFlow<()>,
}

impl Pass<'_> {
    fn line(&mut self, line: &[u8], offset: u64) -> io::Result<ControlFlow<()>> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(ControlFlow::Continue(()));
        }
        self.account.lines += 1;
        let document = match self.parser.parse(line) {
            Ok(document) => document,
            Err(error) => {
                self.account.bad_lines += 1;
                return Ok((self.sink)(Output::BadLine { offset, error }));
            }
        };
        let most = self.options.batch_rows;
        for (view, rows) in self.rows.iter_mut().enumerate() {
            let sink = &mut *self.sink;
            match rows.append_to(document.root(), most, &mut |batch| sink(Output::Batch { view, batch })) {
                Ok(count) => self.account.rows += count as u64,
                Err(ViewError::Stopped) => return Ok(ControlFlow::Break(())),
                Err(error) => {
                    self.account.refused += 1;
                    if (self.sink)(Output::Refused { view, offset, error }).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        self.flush(self.options.batch_rows.max(1))
    }

    /// Hands out the batches that hold at least `least` rows.
    fn flush(&mut self, least: usize) -> io::Result<ControlFlow<()>> {
        for (view, rows) in self.rows.iter_mut().enumerate() {
            if rows.len() < least {
                continue;
            }
            let sink = &mut *self.sink;
            match rows.give(self.options.batch_rows, &mut |batch| sink(Output::Batch { view, batch })) {
                Ok(()) => {}
                Err(ViewError::Stopped) => return Ok(ControlFlow::Break(())),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
