//! DICOM: every real file beside an independent reader, pixels included, and broken files that have to end well.

use std::{fs, io::Error, path::Path};

use bytes::Bytes;
use serde_json::Value;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest};
use sutura_dicom::{
    DataSet, Decoder, Dicom, DicomFile, Limits, dictionary,
    pixels::{FrameMap, PixelDescription, PixelError, decode, decode::Frame},
};

use crate::{Suite, json};

/// Where we differ from the independent reader, and why.
const KNOWN: [(&str, &str); 3] = [
    (
        "pydicom/no_meta.dcm",
        "known: a stray byte stands before the first element; a reject, where the reference makes one senseless element",
    ),
    (
        "pydicom/rtplan_truncated.dcm",
        "known: cut off inside an item; a reject with the place, where the reference gives what stands before the cut",
    ),
    ("pydicom/priv_SQ.dcm", "known: items of private sequences without VR are elements here; the reference keeps them as bytes"),
];

fn limits() -> Limits {
    Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() }
}

fn known(name: &str, reasons: Vec<String>) -> Vec<String> {
    match KNOWN.iter().find(|(file, _)| *file == name) {
        Some((_, reason)) if !reasons.is_empty() => vec![format!("{reason} ({})", reasons.join("; "))],
        _ => reasons,
    }
}

fn count(data_set: DataSet<'_>) -> u64 {
    data_set.elements().map(|element| 1 + element.items().map(count).sum::<u64>()).sum()
}

/// A value as the reference writes it: several as a list.
fn joined(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    serde_json::from_str::<Vec<String>>(&text).map_or(text, |values| values.join("\\"))
}

/// Key tags and numbers of elements.
pub(crate) fn tags(data: &Path) -> Result<Suite, Error> {
    let folder = data.join("dicom");
    let mut suite = Suite::default();
    for (name, entry) in json(&folder.join("expected.json"))?.as_object().into_iter().flatten() {
        let mut reasons = Vec::new();
        match DicomFile::parse(fs::read(folder.join(name))?, &limits()) {
            Err(error) => reasons.push(error.to_string()),
            Ok(file) => {
                let data_set = file.data_set();
                for (ours, key) in [(data_set.elements().count() as u64, "n_elements_top"), (count(data_set), "n_elements_all")] {
                    if entry[key].as_u64() != Some(ours) {
                        reasons.push(format!("{key} {ours} instead of {}", entry[key]));
                    }
                }
                for (keyword, text) in entry["tags"].as_object().into_iter().flatten() {
                    let Some(attribute) = dictionary::by_keyword(keyword) else { continue };
                    if data_set.text(attribute.tag).unwrap_or_default() != joined(text) {
                        reasons.push(format!("{keyword} differs"));
                    }
                }
            }
        }
        suite.case(name, &known(name, reasons));
    }
    Ok(suite)
}

/// Stored pixel values of every coding: the same bytes; of lossy codings, means that are near.
pub(crate) fn pixels(data: &Path) -> Result<Suite, Error> {
    let folder = data.join("dicom");
    let mut suite = Suite::default();
    for (name, entry) in json(&folder.join("expected.json"))?.as_object().into_iter().flatten() {
        let wanted = &entry["pixel"];
        let Some(hash) = wanted["sha256"].as_str() else { continue };
        let Ok(file) = DicomFile::parse(fs::read(folder.join(name))?, &limits()) else { continue };
        let is_big = wanted["dtype"].as_str().is_some_and(|kind| kind.starts_with('>'));
        let reasons = match frames(&file) {
            Err(error) => vec![error.to_string()],
            Ok((description, frames)) if wanted["lossy"] == true => {
                // Bits stored say how large a difference can be: eight, or twelve and more.
                let tolerance = if description.bits_stored > 8 { 4.0 } else { 1.5 };
                let far = wanted["mean"].as_f64().is_some_and(|mean| (mean - self::mean(&frames)).abs() > tolerance);
                if far { vec!["the mean is another".to_owned()] } else { Vec::new() }
            }
            Ok((description, frames)) if self::hash(&description, &frames, is_big) == hash => Vec::new(),
            Ok(_) => vec!["other pixels".to_owned()],
        };
        suite.case(name, &known(name, reasons));
    }
    Ok(suite)
}

fn frames(file: &DicomFile) -> Result<(PixelDescription, Vec<Frame>), PixelError> {
    let description = PixelDescription::of(file)?;
    let map = FrameMap::with(file, &description)?;
    if map.len() < description.frames {
        return Err(PixelError::Short);
    }
    let frames = (0..map.len()).map(|number| decode::frame(file, &description, &map, number)).collect::<Result<_, _>>()?;
    Ok((description, frames))
}

/// The mean of all samples.
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

/// The hash of all stored values. The reference kept some as they are in a big endian file.
fn hash(description: &PixelDescription, frames: &[Frame], is_big: bool) -> String {
    let mut bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.data.to_le_bytes()).collect();
    if is_big {
        bytes.chunks_exact_mut(description.bits_allocated / 8).for_each(<[u8]>::reverse);
    }
    sutura_core::Sha256Hash::of(&bytes).to_string()
}

/// Files broken on purpose, through the reader with every table: a row, a reject, or either, as expected.
pub(crate) fn broken(data: &Path) -> Result<Suite, Error> {
    let folder = data.join("dicom/made/corrupt");
    let mut suite = Suite::default();
    for (name, entry) in json(&folder.join("expected.json"))?.as_object().into_iter().flatten() {
        let bytes: Bytes = fs::read(folder.join(name))?.into();
        let requests = Dicom.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
        let spec = DecoderSpec { source: "conformance:file".into(), start: 0, end: None, options: Value::Null, requests, batch_rows: 100 };
        let mut decoder = Decoder::new(spec).map_err(Error::other)?;
        let mut out = Vec::new();
        decoder.push(bytes.clone(), &mut out).map_err(Error::other)?;
        let stats = decoder.finish(&mut out).map_err(Error::other)?;
        let expect = entry["expect"].as_str().unwrap_or_default();
        let mut reasons = Vec::new();
        let rejected = out.iter().any(|piece| matches!(piece, Decoded::Reject(_)));
        let may_reject = expect.starts_with("error") || expect.contains("or error");
        if rejected != (stats.rejected == 1) || !stats.balances() {
            reasons.push("the account does not balance".to_owned());
        }
        if rejected && !may_reject {
            reasons.push("rejected, a row is expected".to_owned());
        }
        if !rejected && !expect.contains("row") {
            reasons.push("read, an error is expected".to_owned());
        }
        if !rejected && expect.contains("pixel error") {
            let outcome = DicomFile::parse(bytes, &Limits::default()).map(|file| frames(&file));
            if matches!(outcome, Ok(Ok(_))) {
                reasons.push("pixels are decoded, an error is expected".to_owned());
            }
        }
        suite.case(name, &reasons);
    }
    Ok(suite)
}
