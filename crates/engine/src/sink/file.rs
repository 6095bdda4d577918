//! One output file: bytes are counted and hashed on their way out, and are durable once committed.

use std::{
    fs::File,
    io::{self, Write},
};

use sha2::{Digest, Sha256};
use sutura_core::Sha256Hash;

use super::remote::RemoteFile;

/// An open output file.
pub(super) struct FileSink {
    target: Target,
    hash: Sha256,
    bytes: u64,
}

enum Target {
    Local(File),
    Remote(RemoteFile),
}

impl FileSink {
    pub(super) fn local(file: File) -> Self {
        Self { target: Target::Local(file), hash: Sha256::new(), bytes: 0 }
    }

    pub(super) fn remote(file: RemoteFile) -> Self {
        Self { target: Target::Remote(file), hash: Sha256::new(), bytes: 0 }
    }

    /// Makes the bytes durable; answers their number and SHA-256. A file that is dropped without
    /// this is no part of the output.
    pub(super) fn commit(self) -> io::Result<(u64, Sha256Hash)> {
        match self.target {
            Target::Local(file) => file.sync_all()?,
            Target::Remote(file) => file.commit()?,
        }
        Ok((self.bytes, Sha256Hash(self.hash.finalize().into())))
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.target {
            Target::Local(file) => file.write(bytes)?,
            Target::Remote(file) => file.write(bytes)?,
        };
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
