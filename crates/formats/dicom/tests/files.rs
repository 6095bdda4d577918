//! Real files: every one is read, and its key tags are what an independent reader says. Broken ones end as they should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sutura_dicom::{DataSet, DicomFile, Limits, dictionary};

/// Where we differ from the independent reader, and why.
const KNOWN: [(&str, &str); 2] = [
    (
        "pydicom/no_meta.dcm",
        "a stray byte stands before the first element; the reference makes one senseless element of the whole file, here it is a reject",
    ),
    (
        "pydicom/rtplan_truncated.dcm",
        "cut off inside an item; the reference gives the elements before the cut, here it is a reject with the place of the cut",
    ),
];

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder.join("dicom"));
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

fn expected(folder: &Path) -> Vec<(String, Value)> {
    let all: Value = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    all.as_object().unwrap().iter().map(|(name, entry)| (name.clone(), entry.clone())).collect()
}

fn count(data_set: DataSet<'_>) -> u64 {
    data_set.elements().map(|element| 1 + element.items().map(count).sum::<u64>()).sum()
}

/// A value as the reference writes it: several as a list.
fn joined(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match serde_json::from_str::<Vec<String>>(&text) {
        Ok(values) => values.join("\\"),
        Err(_) => text,
    }
}

#[test]
fn key_tags_are_those_of_an_independent_reader() {
    let Some(folder) = data() else { return };
    let mut problems = Vec::new();
    for (name, entry) in expected(&folder) {
        let bytes = fs::read(folder.join(&name)).unwrap();
        let known = KNOWN.iter().any(|(file, _)| *file == name);
        let limits = Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() };
        let file = match DicomFile::parse(bytes, &limits) {
            Ok(_) if known => panic!("{name} is read now"),
            Ok(file) => file,
            Err(_) if known => continue,
            Err(error) => {
                problems.push(format!("{name}: {error}"));
                continue;
            }
        };
        let data_set = file.data_set();
        for (ours, key) in [(data_set.elements().count() as u64, "n_elements_top"), (count(data_set), "n_elements_all")] {
            // The reference does not look into private sequences without VR.
            if entry[key].as_u64() != Some(ours) && name != "pydicom/priv_SQ.dcm" {
                problems.push(format!("{name}: {key} {ours} instead of {}", entry[key]));
            }
        }
        for (keyword, text) in entry["tags"].as_object().into_iter().flatten() {
            let tag = dictionary::by_keyword(keyword).unwrap().tag;
            let (ours, theirs) = (data_set.text(tag).unwrap_or_default().into_owned(), joined(text));
            if ours != theirs {
                problems.push(format!("{name}: {keyword} {ours:?} instead of {theirs:?}"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn broken_files_end_as_they_should() {
    let Some(folder) = data() else { return };
    let folder = folder.join("made/corrupt");
    for (name, entry) in expected(&folder) {
        let result = DicomFile::parse(fs::read(folder.join(&name)).unwrap(), &Limits::default());
        let may = entry["expect"].as_str().unwrap();
        match result {
            Ok(_) => assert!(may.contains("row"), "{name}: read, but expected {may}"),
            Err(error) => assert!(
                may.contains("error or") || may.starts_with("error") || may.contains("or error"),
                "{name}: {error}, but expected {may}"
            ),
        }
    }
}

#[test]
fn every_beginning_of_a_file_ends_well() {
    let Some(folder) = data() else { return };
    for name in
        ["pydicom/priv_SQ.dcm", "pydicom/test-SR.dcm", "pydicom/CT_small.dcm", "pydicom/rtplan.dcm", "pydicom/MR_small_bigendian.dcm"]
    {
        let bytes = fs::read(folder.join(name)).unwrap();
        let limits = Limits::default();
        for end in (0..bytes.len().min(6000)).step_by(7) {
            let part = bytes[..end].to_vec();
            let _ = DicomFile::parse(part.clone(), &limits);
            // A beginning is never wrong, only short.
            assert!(end < 132 || DicomFile::parse_beginning(part, &limits).is_ok(), "{name} at {end}");
        }
    }
}
