//! Pixels that need no codec: the same bytes as an independent reader gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sutura_core::Sha256Hash;
use sutura_dicom::{
    DicomFile, Limits, PixelCoding,
    pixels::{FrameMap, PixelDescription, decode},
};

/// Where we differ from the independent reader, and why.
const KNOWN: [(&str, &str); 0] = [];

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder.join("dicom"));
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

#[test]
fn pixels_are_those_of_an_independent_reader() {
    let Some(folder) = data() else { return };
    let expected: Value = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let (mut problems, mut count) = (Vec::new(), 0);
    for (name, entry) in expected.as_object().unwrap() {
        let Some(wanted) = entry["pixel"]["sha256"].as_str() else { continue };
        let limits = Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() };
        let Ok(file) = DicomFile::parse(fs::read(folder.join(name)).unwrap(), &limits) else { continue };
        let outcome = PixelDescription::of(&file).and_then(|description| {
            let map = FrameMap::with(&file, &description)?;
            let mut bytes = Vec::new();
            for number in 0..map.len() {
                bytes.extend(decode::frame(&file, &description, &map, number)?.data.to_le_bytes());
            }
            Ok((description, map.len(), bytes))
        });
        match outcome {
            Err(sutura_dicom::pixels::PixelError::Unsupported) => {
                let coding = file.transfer_syntax().pixels;
                assert!(!matches!(coding, PixelCoding::Native | PixelCoding::Rle | PixelCoding::DeflatedFrame), "{name}");
            }
            Err(error) => problems.push(format!("{name}: {error}")),
            Ok((description, frames, bytes)) => {
                count += 1;
                let mut bytes = bytes;
                // The reference kept these numbers as they are in the file.
                if entry["pixel"]["dtype"].as_str().is_some_and(|kind| kind.starts_with('>')) {
                    bytes.chunks_exact_mut(description.bits_allocated / 8).for_each(<[u8]>::reverse);
                }
                if Sha256Hash::of(&bytes).to_string() != wanted && KNOWN.iter().all(|(known, _)| known != name) {
                    problems.push(format!(
                        "{name}: {frames} frames, {} bytes, {description:?} instead of {} {}",
                        bytes.len(),
                        entry["pixel"]["shape"],
                        entry["pixel"]["dtype"]
                    ));
                }
            }
        }
    }
    println!("{count} files");
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(count > 150);
}
