//! Notes without structure: one free text, under the policy's method for free text.

use std::io::{self, Read, Write};

use sutura_core::PhiClass;
use sutura_privacy::{ValueKind, ValuePlace};

use crate::{
    document::{Cleaned, DocumentDeidentifier, Form, Known, Leaf, Role, Run, Treatment},
    error::DeidError,
    ledger::{Ledger, Outcome},
    stream::{BLOCK, Counted, Refused, Rewind, StreamDeidentifier, Streamed, read_some, read_whole, write},
    text::Tokens,
};

/// Most bytes of a note that is treated as one value.
const MOST_WHOLE: usize = 64 << 20;

/// De-identifies notes: cleaned by the text stage, or removed where the policy removes free text.
pub struct PlainDeidentifier {
    treatment: Treatment,
    leaf: Leaf,
    known: Known,
    most_whole: usize,
}

impl PlainDeidentifier {
    /// For notes of whom nothing is known.
    pub fn new(treatment: Treatment) -> Self {
        let place = ValuePlace {
            table: Some("notes"),
            column: "text",
            path: "text",
            class: PhiClass::FreeText,
            kind: ValueKind::Text,
            shape: None,
        };
        let leaf = treatment.leaf(&place, "text", Form::Text);
        Self { treatment, leaf, known: Known::default(), most_whole: MOST_WHOLE }
    }

    /// With another bound than 64 MiB on a note that cannot be cleaned as it is read: where the policy treats free text as one value, or the
    /// text stage wants it whole.
    #[must_use]
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.most_whole = bytes;
        self
    }

    /// For the notes of one patient: what stands for the patient (dates are moved by it), and what is known of the people in them.
    #[must_use]
    pub fn of_patient<'v>(mut self, patient: &str, known: impl IntoIterator<Item = (Role, PhiClass, &'v str)>) -> Self {
        self.known = Known::default();
        self.known.set_patient(Some(patient));
        for (role, class, value) in known {
            self.known.add(role, &class, value);
        }
        self
    }
}

impl std::fmt::Debug for PlainDeidentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainDeidentifier").field("treatment", &self.treatment).finish_non_exhaustive()
    }
}

const NOT_UTF_8: DeidError = DeidError::NotRead { format: "note", reason: "it is not UTF-8" };

impl DocumentDeidentifier for PlainDeidentifier {
    /// `input` is one note in UTF-8.
    fn deidentify(&self, input: &[u8], out: &mut Vec<u8>, ledger: &mut Ledger) -> Result<(), DeidError> {
        let text = std::str::from_utf8(input).map_err(|_| NOT_UTF_8)?;
        let mut counts = Ledger::new();
        let tokens = Tokens::default();
        let mut run = Run { treatment: &self.treatment, known: self.known.clone(), tokens: &tokens, ledger: &mut counts };
        let written = run.value(&self.leaf, text, self.known.patient())?.unwrap_or_default().into_owned();
        counts.document(input.len(), written.len());
        out.extend_from_slice(written.as_bytes());
        ledger.merge(&counts);
        Ok(())
    }
}

impl StreamDeidentifier for PlainDeidentifier {
    /// One note in UTF-8.
    fn deidentify_stream(
        &self,
        input: &mut dyn Rewind,
        output: &mut dyn Write,
        ledger: &mut Ledger,
        _: &mut dyn FnMut(Refused),
    ) -> Result<Streamed, DeidError> {
        let mut text = Utf8 { input, bytes: 0, pending: Vec::new(), is_bad: false };
        let mut counted = Counted { output, bytes: 0 };
        let cleaned = self.clean(&mut text, &mut counted);
        if text.is_bad {
            return Err(NOT_UTF_8);
        }
        let (mut done, outcome) = (Streamed { records: 1, bytes_in: text.bytes, bytes_out: counted.bytes, refused: 0 }, cleaned?);
        let Some(outcome) = outcome else {
            let too_large = DeidError::NotRead { format: "note", reason: "it is larger than the limit, and is to be treated as a whole" };
            let whole = read_whole(input, self.most_whole, too_large)?;
            let mut out = Vec::new();
            self.deidentify(&whole, &mut out, ledger)?;
            done.bytes_in = whole.len() as u64;
            write(output, &out, &mut done)?;
            return Ok(done);
        };
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        ledger.record(&self.leaf.place, outcome);
        ledger.document(size(done.bytes_in), size(done.bytes_out));
        Ok(done)
    }
}

impl PlainDeidentifier {
    /// Cleans or removes the note as it is read; none where it has to be read as a whole, of which nothing was read then.
    fn clean(&self, text: &mut Utf8<'_>, output: &mut dyn Write) -> Result<Option<Outcome>, DeidError> {
        let stage = self.treatment.text_stage();
        match (&self.leaf.plan, stage) {
            (Some(_), Some(stage)) => match stage.clean_stream(text, &self.known, output)? {
                Cleaned::Streamed => Ok(Some(Outcome::Scrubbed)),
                Cleaned::NotStreamed => Ok(None),
            },
            (Some(plan), None) if !plan.removes_all() => Ok(None),
            _ => {
                let mut block = vec![0; BLOCK];
                while read_some(text, &mut block)? > 0 {}
                Ok(Some(Outcome::Removed))
            }
        }
    }
}

/// A reader that lets UTF-8 pass and fails at anything else.
struct Utf8<'i> {
    input: &'i mut dyn Rewind,
    bytes: u64,
    /// The beginning of a character.
    pending: Vec<u8>,
    is_bad: bool,
}

impl Read for Utf8<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(bytes)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        self.bytes += read as u64;
        self.is_bad |= if read == 0 { !self.pending.is_empty() } else { !self.takes(&bytes[..read]) };
        if self.is_bad { Err(io::ErrorKind::InvalidData.into()) } else { Ok(read) }
    }
}

impl Utf8<'_> {
    fn takes(&mut self, bytes: &[u8]) -> bool {
        // The rest of a character that began before, and what follows it.
        let mut rest = bytes;
        while !self.pending.is_empty() && !rest.is_empty() {
            self.pending.push(rest[0]);
            rest = &rest[1..];
            match std::str::from_utf8(&self.pending) {
                Ok(_) => self.pending.clear(),
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        match std::str::from_utf8(rest) {
            Ok(_) => true,
            Err(error) => {
                self.pending.extend_from_slice(&rest[error.valid_up_to()..]);
                error.error_len().is_none()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_cut_anywhere() {
        for (bytes, is_good) in [("aé€😀z".as_bytes(), true), (b"a\xc3", false), (b"\xff", false), (b"\xe2\x82a", false), (b"", true)]
        {
            for size in 1..6 {
                let mut input = io::Cursor::new(bytes);
                let mut reader = Utf8 { input: &mut input, bytes: 0, pending: Vec::new(), is_bad: false };
                let mut block = vec![0; size];
                let read = loop {
                    match reader.read(&mut block) {
                        Ok(0) => break true,
                        Ok(_) => {}
                        Err(_) => break false,
                    }
                };
                assert_eq!((read, reader.is_bad), (is_good, !is_good), "{bytes:?} {size}");
            }
        }
    }
}
