//! Documents and feeds larger than memory: read, de-identified and written piece by piece, with the result that they have in memory.
//!
//! What is held at a time:
//!
//! | format | held |
//! |---|---|
//! | HL7 v2, one message or a batch | a block of 1 MiB and the largest message |
//! | FHIR, a resource a line | a block of 1 MiB and the longest line |
//! | FHIR, a Bundle | a block of 1 MiB, the largest entry, the Bundle without its entries, and for each entry what references to it need |
//! | C-CDA | the document: statements and narrative point at each other. Its [`Limits`](sutura_ccda::Limits) bound it |
//! | notes | some blocks of 256 KiB; the note where the policy treats free text as one value |

use std::{
    io::{self, ErrorKind, Read, Seek, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{document::DocumentDeidentifier, error::DeidError, ledger::Ledger};

/// Bytes that are read at a time.
pub(crate) const BLOCK: usize = 1 << 20;

/// De-identifies what is read, and writes it, in bounded memory.
pub trait StreamDeidentifier: Send + Sync {
    /// De-identifies all of the input. Of a feed of records, those that are not released are handed to `refused`, and the others are
    /// written. What is one document is released or is an error.
    ///
    /// # Errors
    /// When nothing more can be read or written, keys or vault fail, or the one document cannot be released. What was written before is then not
    /// to be used.
    fn deidentify_stream(
        &self,
        input: &mut dyn Rewind,
        output: &mut dyn Write,
        ledger: &mut Ledger,
        refused: &mut dyn FnMut(Refused),
    ) -> Result<Streamed, DeidError>;
}

/// A record that was not released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it begins.
    pub offset: u64,
    /// The stable code.
    pub code: &'static str,
    /// Why, without content.
    pub reason: String,
}

/// What came of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streamed {
    /// Messages, resources, documents, notes.
    pub records: u64,
    /// Those that were not released.
    pub refused: u64,
    /// Bytes that were read. What is read twice counts once.
    pub bytes_in: u64,
    /// Bytes that were written.
    pub bytes_out: u64,
}

/// An input that can be read from its beginning again: whom a Bundle is about may stand at its end.
pub trait Rewind: Read {
    /// Goes back to the beginning.
    ///
    /// # Errors
    /// When the input cannot.
    fn read_again(&mut self) -> io::Result<()>;
}

impl<R: Read + Seek> Rewind for R {
    fn read_again(&mut self) -> io::Result<()> {
        self.rewind()
    }
}

/// An input that is opened anew to be read again: a packed file.
pub struct Reopen<F, R> {
    open: F,
    input: R,
}

impl<R: Read, F: FnMut() -> io::Result<R>> Reopen<F, R> {
    /// Opens it for the first time.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn new(mut open: F) -> io::Result<Self> {
        let input = open()?;
        Ok(Self { open, input })
    }
}

impl<F, R> std::fmt::Debug for Reopen<F, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reopen").finish_non_exhaustive()
    }
}

impl<R: Read, F: FnMut() -> io::Result<R>> Read for Reopen<F, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.input.read(bytes)
    }
}

impl<R: Read, F: FnMut() -> io::Result<R>> Rewind for Reopen<F, R> {
    fn read_again(&mut self) -> io::Result<()> {
        self.input = (self.open)()?;
        Ok(())
    }
}

/// Reads some bytes; none at the end.
pub(crate) fn read_some(input: &mut (impl Read + ?Sized), bytes: &mut [u8]) -> Result<usize, DeidError> {
    loop {
        match input.read(bytes) {
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(DeidError::Input(error.kind())),
        }
    }
}

/// Reads what is one document, if it is no larger.
pub(crate) fn read_whole(input: &mut dyn Rewind, most: usize, too_large: DeidError) -> Result<Vec<u8>, DeidError> {
    // Room is made as bytes come: a size that somebody states is not believed.
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len();
        bytes.resize(start + BLOCK.max(start / 4).min(most + 1 - start), 0);
        let read = read_some(input, &mut bytes[start..])?;
        bytes.truncate(start + read);
        if read == 0 {
            return Ok(bytes);
        }
        if bytes.len() > most {
            return Err(too_large);
        }
    }
}

/// Writes all.
pub(crate) fn write(output: &mut dyn Write, bytes: &[u8], done: &mut Streamed) -> Result<(), DeidError> {
    output.write_all(bytes).map_err(|error| DeidError::Output(error.kind()))?;
    done.bytes_out += bytes.len() as u64;
    Ok(())
}

/// One document after another, each released as a whole or refused.
pub(crate) struct Records<'s> {
    pub(crate) deidentifier: &'s dyn DocumentDeidentifier,
    pub(crate) output: &'s mut dyn Write,
    pub(crate) ledger: &'s mut Ledger,
    pub(crate) refused: &'s mut dyn FnMut(Refused),
    pub(crate) done: Streamed,
    pub(crate) buffer: Vec<u8>,
}

impl Records<'_> {
    /// Releases one. It ends in a line end.
    pub(crate) fn take(&mut self, record: &[u8], offset: u64) -> Result<(), DeidError> {
        self.done.records += 1;
        self.buffer.clear();
        let (deidentifier, buffer, ledger) = (self.deidentifier, &mut self.buffer, &mut *self.ledger);
        // A defect costs the record that it has to do with.
        match catch_unwind(AssertUnwindSafe(|| deidentifier.deidentify(record, buffer, ledger))) {
            Ok(Ok(())) => {
                if !self.buffer.ends_with(b"\n") {
                    self.buffer.push(b'\n');
                }
                write(self.output, &self.buffer, &mut self.done)
            }
            Ok(Err(error @ DeidError::Privacy(_))) => Err(error),
            Ok(Err(error)) => {
                self.refuse(error.code(), offset, error.to_string());
                Ok(())
            }
            Err(_) => {
                self.refuse("defect", offset, "a defect of sutura; please report it".to_owned());
                Ok(())
            }
        }
    }

    pub(crate) fn refuse(&mut self, code: &'static str, offset: u64, reason: String) {
        self.done.refused += 1;
        (self.refused)(Refused { offset, code, reason });
    }
}

/// A reader or writer with the kind of its failure.
pub(crate) struct Kept<T> {
    inner: T,
    failure: Option<ErrorKind>,
}

impl<T> Kept<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, failure: None }
    }

    pub(crate) fn failure(&self) -> Option<ErrorKind> {
        self.failure
    }

    fn keep<V>(&mut self, result: io::Result<V>) -> io::Result<V> {
        if let Err(error) = &result
            && error.kind() != ErrorKind::Interrupted
        {
            self.failure = Some(error.kind());
        }
        result
    }
}

impl<T: Read> Read for Kept<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(bytes);
        self.keep(result)
    }
}

impl<T: Write> Write for Kept<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.keep(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.keep(result)
    }
}

/// A writer that counts.
pub(crate) struct Counted<'o> {
    pub(crate) output: &'o mut dyn Write,
    pub(crate) bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
