//! Files that are read as a whole, packed or not.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use sutura_engine::files::Compression;

/// Room that is made at a time, so that a file takes no more than it has.
const STEP: u64 = 16 << 20;

/// A file that is read on, without its compression (`.gz`, `.zst`, `.zstd` at the end of its name).
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    Ok(match Compression::of(&path.to_string_lossy()) {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(file)?),
    })
}

/// Appends what is left of an input, up to `most` bytes in all; whether that was everything.
pub(super) fn read_on(input: &mut dyn Read, bytes: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    loop {
        let room = (most - bytes.len().min(most)) as u64 + 1;
        bytes.reserve_exact(room.min(STEP) as usize);
        let read = input.take(room.min(STEP)).read_to_end(bytes)?;
        if bytes.len() > most {
            bytes.truncate(most);
            return Ok(false);
        }
        if (read as u64) < room.min(STEP) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn packed_files_are_unpacked_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let packed = folder.path().join("a.dcm.gz");
        let mut encoder = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap();
        let plain = folder.path().join("a.dcm");
        std::fs::write(&plain, &text).unwrap();
        for path in [packed, plain] {
            let mut bytes = Vec::new();
            assert!(read_on(&mut open(&path).unwrap(), &mut bytes, text.len()).unwrap());
            assert_eq!(bytes, text);
            bytes.clear();
            assert!(!read_on(&mut open(&path).unwrap(), &mut bytes, text.len() - 1).unwrap());
            assert_eq!(bytes.len(), text.len() - 1);
        }
    }
}
