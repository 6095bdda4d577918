//! Files as they are written: plain or packed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use flate2::write::GzEncoder;

use crate::Compression;

/// A file that packs what is written to it.
pub(crate) enum Output {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, File>>),
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output")
    }
}

impl Output {
    pub(crate) fn new(file: File, compression: Compression) -> io::Result<Self> {
        // The header of the stream holds neither name nor time: the same seed, the same bytes.
        Ok(match compression {
            Compression::None => Output::Plain(file),
            Compression::Gzip => Output::Gzip(Box::new(GzEncoder::new(file, flate2::Compression::fast()))),
            Compression::Zstd => Output::Zstd(Box::new(zstd::stream::write::Encoder::new(file, 1)?)),
        })
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Output::Plain(file) => file.write_all(bytes),
            Output::Gzip(encoder) => encoder.write_all(bytes),
            Output::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self {
            Output::Plain(_) => Ok(()),
            Output::Gzip(encoder) => encoder.try_finish(),
            Output::Zstd(encoder) => encoder.do_finish(),
        }
    }
}

/// What a packed file's name ends in.
pub(crate) fn packed_ending(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
    }
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
