//! Tokens of XML: names, blanks, what lies between elements.

use crate::{
    error::{CcdaError, CcdaErrorKind},
    limits::Limits,
};

/// A byte that no XML document holds (XML 1.0, production 2).
pub(super) fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A place in the text of a document.
#[derive(Debug)]
pub(super) struct Scanner<'x> {
    pub(super) text: &'x str,
    pub(super) at: usize,
}

impl<'x> Scanner<'x> {
    pub(super) fn error(&self, kind: CcdaErrorKind) -> CcdaError {
        CcdaError { kind, offset: self.at }
    }

    pub(super) fn bytes(&self) -> &'x [u8] {
        &self.text.as_bytes()[self.at..]
    }

    pub(super) fn starts_with(&self, beginning: &[u8]) -> bool {
        self.bytes().starts_with(beginning)
    }

    pub(super) fn blanks(&mut self) {
        self.at += self.bytes().iter().take_while(|byte| is_blank(**byte)).count();
    }

    /// Passes what ends in `end`.
    pub(super) fn until(&mut self, end: &[u8]) -> Result<(), CcdaError> {
        let length = memchr::memmem::find(self.bytes(), end).ok_or_else(|| self.error(CcdaErrorKind::Unbalanced))?;
        self.at += length + end.len();
        Ok(())
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), CcdaError> {
        if self.bytes().first() != Some(&byte) {
            return Err(self.error(CcdaErrorKind::Malformed));
        }
        self.at += 1;
        Ok(())
    }

    /// A name with its prefix: where it begins, where its local part begins, where it ends.
    pub(super) fn name(&mut self) -> Result<(usize, usize, usize), CcdaError> {
        let bytes = self.bytes();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.') || byte >= 0x80;
        let length = bytes.iter().take_while(|byte| is_name(**byte)).count();
        let begins_wrong = bytes.first().is_none_or(|first| first.is_ascii_digit() || matches!(first, b'-' | b'.' | b':'));
        if length == 0 || begins_wrong {
            return Err(self.error(CcdaErrorKind::Malformed));
        }
        if length > Limits::MOST_NAME {
            return Err(self.error(CcdaErrorKind::TooLong));
        }
        let start = self.at;
        self.at += length;
        let local = memchr::memchr(b':', &bytes[..length]).map_or(start, |colon| start + colon + 1);
        if local == self.at {
            return Err(CcdaError { kind: CcdaErrorKind::Malformed, offset: start });
        }
        Ok((start, local, self.at))
    }

    /// A document type declaration, passed over: nothing in it is used. True when it declares entities.
    pub(super) fn document_type(&mut self) -> Result<bool, CcdaError> {
        let mut declares = false;
        let mut in_subset = false;
        loop {
            let rest = self.bytes();
            let step = rest.iter().position(|byte| matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'[' | b']'));
            self.at += step.ok_or_else(|| self.error(CcdaErrorKind::Unbalanced))?;
            let rest = self.bytes();
            match rest.first() {
                Some(quote @ (b'"' | b'\'')) => {
                    self.at += 1;
                    self.until(&[*quote])?;
                }
                Some(b'[') => {
                    in_subset = true;
                    self.at += 1;
                }
                Some(b']') => {
                    in_subset = false;
                    self.at += 1;
                }
                Some(b'>') => {
                    self.at += 1;
                    // Within the subset it ends a declaration.
                    if !in_subset {
                        return Ok(declares);
                    }
                }
                _ if rest.starts_with(b"<!--") => self.until(b"-->")?,
                _ if rest.starts_with(b"<?") => self.until(b"?>")?,
                _ if rest.starts_with(b"<!") => {
                    declares |= rest.starts_with(b"<!ENTITY") && in_subset;
                    self.at += 2;
                }
                _ => return Err(self.error(CcdaErrorKind::Malformed)),
            }
        }
    }
}
