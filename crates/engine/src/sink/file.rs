//! One output file: bytes are counted and hashed on their way out, and are durable once committed.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;

use super::remote::RemoteFile;
use crate::error_text::io_words;

/// Why the files of an output could not be written. Encoders reword what they are told, so it is kept here.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteFailure(Arc<OnceLock<io::Error>>);

impl WriteFailure {
    /// Keeps the first error; answers one of the same kind.
    fn keep(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        if kind != io::ErrorKind::Interrupted {
            let _ = self.0.set(error);
        }
        kind.into()
    }

    /// The first error.
    pub(super) fn found(&self) -> Option<io::Error> {
        let error = self.0.get()?;
        Some(error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), io_words(error)), io::Error::from_raw_os_error))
    }
}

/// An open output file.
pub(super) struct FileSink {
    target: Target,
    hash: Sha256,
    bytes: u64,
    failure: WriteFailure,
}

enum Target {
    Local(File),
    Remote(RemoteFile),
}

impl FileSink {
    pub(super) fn local(file: File, failure: WriteFailure) -> Self {
        Self { target: Target::Local(file), hash: Sha256::new(), bytes: 0, failure }
    }

    pub(super) fn remote(file: RemoteFile, failure: WriteFailure) -> Self {
        Self { target: Target::Remote(file), hash: Sha256::new(), bytes: 0, failure }
    }

    /// Makes the bytes durable; answers their number and SHA-256. A file that is dropped without
    /// this is no part of the output.
    pub(super) fn commit(self) -> io::Result<(u64, Sha256Hash)> {
        let done = match self.target {
            Target::Local(file) => file.sync_all(),
            Target::Remote(file) => file.commit(),
        };
        done.map_err(|error| self.failure.keep(error))?;
        Ok((self.bytes, Sha256Hash(self.hash.finalize().into())))
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.target {
            Target::Local(file) => file.write(bytes),
            Target::Remote(file) => file.write(bytes),
        };
        let written = written.map_err(|error| self.failure.keep(error))?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
