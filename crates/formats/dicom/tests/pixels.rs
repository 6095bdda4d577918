//! Pixels of every coding: the same as an independent reader gives; of lossy codings, nearly the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sutura_core::Sha256Hash;
use sutura_dicom::{
    DicomFile, Limits, PixelCoding,
    pixels::{
        FrameMap, PixelDescription, PixelError,
        decode::{self, Frame},
        display,
        lut::{Modality, Voi},
    },
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

fn frames(file: &DicomFile) -> Result<(PixelDescription, Vec<Frame>), PixelError> {
    let description = PixelDescription::of(file)?;
    let map = FrameMap::with(file, &description)?;
    let frames = (0..map.len()).map(|number| decode::frame(file, &description, &map, number)).collect::<Result<_, _>>()?;
    Ok((description, frames))
}

/// The means of 16 blocks of the first sample of a frame.
fn block_means(frame: &Frame) -> [f64; 16] {
    let (mut sums, mut counts, mut place) = ([0.0; 16], [0.0; 16], 0);
    frame.data.for_each(|value| {
        if place % frame.samples == 0 {
            let pixel = place / frame.samples;
            let (row, column) = (pixel / frame.columns, pixel % frame.columns);
            let block = row * 4 / frame.rows * 4 + column * 4 / frame.columns;
            sums[block] += value;
            counts[block] += 1.0;
        }
        place += 1;
    });
    std::array::from_fn(|block| sums[block] / counts[block])
}

/// Mean of all samples.
fn mean(frames: &[Frame]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for frame in frames {
        frame.data.for_each(|value| {
            sum += value;
            count += 1.0;
        });
    }
    sum / count
}

/// What is wrong with decoded frames.
fn difference(description: &PixelDescription, frames: &[Frame], wanted: &Value) -> Option<String> {
    // Near-lossless JPEG-LS has one result only.
    if wanted["lossy"] == true && description.coding != PixelCoding::JpegLs {
        let tolerance = if description.bits_stored > 8 { 4.0 } else { 1.5 };
        let is_near = |ours: f64, other: &Value| other.as_f64().is_none_or(|other| (ours - other).abs() <= tolerance);
        let ours = mean(frames);
        if !is_near(ours, &wanted["mean"]) {
            return Some(format!("mean {ours} instead of {}", wanted["mean"]));
        }
        let (blocks, reference) = (block_means(frames.first()?), wanted["grid4x4"].as_array()?);
        // Blocks of other borders where the image cannot be divided by four.
        let is_even = frames[0].rows.is_multiple_of(4) && frames[0].columns.is_multiple_of(4);
        let same = !is_even || blocks.iter().zip(reference).all(|(ours, other)| is_near(*ours, other));
        return (!same).then(|| format!("means {blocks:?} instead of {reference:?}"));
    }
    let mut bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.data.to_le_bytes()).collect();
    // The reference kept these numbers as they are in the file.
    if wanted["dtype"].as_str().is_some_and(|kind| kind.starts_with('>')) {
        bytes.chunks_exact_mut(description.bits_allocated / 8).for_each(<[u8]>::reverse);
    }
    (Sha256Hash::of(&bytes).to_string() != wanted["sha256"].as_str().unwrap()).then(|| {
        format!("{} frames, {} bytes, {description:?} instead of {} {}", frames.len(), bytes.len(), wanted["shape"], wanted["dtype"])
    })
}

#[test]
fn pixels_are_those_of_an_independent_reader() {
    let Some(folder) = data() else { return };
    let expected: Value = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let (mut problems, mut count) = (Vec::new(), 0);
    for (name, entry) in expected.as_object().unwrap() {
        let wanted = &entry["pixel"];
        if wanted["sha256"].is_null() {
            continue;
        }
        let limits = Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() };
        let Ok(file) = DicomFile::parse(fs::read(folder.join(name)).unwrap(), &limits) else { continue };
        count += 1;
        let problem = match frames(&file) {
            Err(error) => Some(error.to_string()),
            Ok((description, frames)) => difference(&description, &frames, wanted),
        };
        if let Some(problem) = problem.filter(|_| KNOWN.iter().all(|(known, _)| known != name)) {
            problems.push(format!("{name}: {problem}"));
        }
    }
    println!("{count} files");
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(count > 290, "{count}");
}

/// Least, largest and mean value.
fn statistics(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let (mut least, mut most, mut sum, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0);
    for value in values {
        (least, most, sum, count) = (least.min(value), most.max(value), sum + value, count + 1.0);
    }
    [least, most, sum / count]
}

fn is_near(ours: [f64; 3], wanted: &Value, tolerance: f64) -> bool {
    ["min", "max", "mean"].iter().zip(ours).all(|(key, ours)| {
        let wanted = wanted[*key].as_f64().unwrap();
        (ours - wanted).abs() <= tolerance * (1.0 + wanted.abs())
    })
}

/// What is wrong with values of the modality and with what a window makes of them. The reference gives the latter in the range that stored bits have after rescale.
fn value_difference(file: &DicomFile, description: &PixelDescription, frame: &Frame, entry: &Value) -> Option<String> {
    let modality = Modality::of(file, 0);
    let tolerance = if entry["pixel"]["lossy"] == true { 0.05 } else { 1e-6 };
    let values = modality.values_f64(&frame.data);
    let ours = statistics(values.iter().copied());
    if !entry["modality"].is_null() && !is_near(ours, &entry["modality"], tolerance) {
        return Some(format!("modality {ours:?} instead of {}", entry["modality"]));
    }
    if entry["voi"].is_null() {
        return None;
    }
    let (voi, bits) = (Voi::of(file, 0), description.bits_stored as i32);
    let (low, high) = match (&voi, &modality) {
        (Voi::Table(table), _) => (0.0, f64::from(table.maximum())),
        (_, Modality::Table(table)) => (0.0, f64::from(table.maximum())),
        _ if description.signed => (modality.value(-(2f64.powi(bits - 1))), modality.value(2f64.powi(bits - 1) - 1.0)),
        _ => (modality.value(0.0), modality.value(2f64.powi(bits) - 1.0)),
    };
    let ours = statistics(values.iter().map(|value| low + voi.level(*value).unwrap_or(f64::NAN) * (high - low)));
    (!is_near(ours, &entry["voi"], tolerance)).then(|| format!("{voi:?} {ours:?} instead of {}", entry["voi"]))
}

#[test]
fn values_are_those_of_an_independent_reader() {
    let Some(folder) = data() else { return };
    let expected: Value = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let (mut problems, mut count) = (Vec::new(), 0);
    for (name, entry) in expected.as_object().unwrap() {
        if entry["modality"].is_null() && entry["voi"].is_null() && entry["pixel_default"].is_null() {
            continue;
        }
        let Ok(file) = DicomFile::parse(fs::read(folder.join(name)).unwrap(), &Limits { bytes: 1 << 30, ..Limits::default() }) else {
            continue;
        };
        count += 1;
        let description = PixelDescription::of(&file).unwrap();
        let map = FrameMap::with(&file, &description).unwrap();
        let frames: Vec<Frame> = (0..map.len()).map(|number| decode::frame(&file, &description, &map, number).unwrap()).collect();
        let problem = value_difference(&file, &description, &frames[0], entry);
        problems.extend(problem.map(|problem| format!("{name}: {problem}")));
        if entry["pixel_default"].is_null() {
            continue;
        }
        let picture = |(number, frame)| display::picture_of(&file, &description, &map, number, frame).unwrap().data;
        let data: Vec<u8> = frames.iter().enumerate().flat_map(picture).collect();
        let is_lossy = entry["pixel"]["lossy"] == true;
        let mean = data.iter().map(|value| f64::from(*value)).sum::<f64>() / data.len() as f64;
        let same = if is_lossy {
            (mean - entry["pixel_default"]["mean"].as_f64().unwrap()).abs() < 1.5
        } else {
            Sha256Hash::of(&data).to_string() == entry["pixel_default"]["sha256"].as_str().unwrap()
        };
        if !same {
            problems.push(format!("{name}: color, mean {mean} instead of {}", entry["pixel_default"]));
        }
    }
    println!("{count} files");
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(count > 130, "{count}");
}

/// Every kind of image can be looked at.
#[test]
fn pictures_are_made_of_all() {
    let Some(folder) = data() else { return };
    let expected: Value = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    for (name, entry) in expected.as_object().unwrap() {
        if entry["pixel"].is_null() {
            continue;
        }
        let Ok(file) = DicomFile::parse(fs::read(folder.join(name)).unwrap(), &Limits { bytes: 1 << 30, ..Limits::default() }) else {
            continue;
        };
        let description = PixelDescription::of(&file).unwrap();
        let map = FrameMap::with(&file, &description).unwrap();
        let picture = display::picture(&file, &description, &map, 0).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(picture.data.len(), picture.rows * picture.columns * picture.samples, "{name}");
        let palette = description.photometric == "PALETTE COLOR";
        assert_eq!(picture.samples, if palette { 3 } else { description.samples }, "{name}");
        assert!(!palette || picture.data.iter().any(|value| *value > 64), "{name}: all black");
    }
}
