//! Studies are read back by the reader, and are what the truth says.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

use std::{collections::BTreeMap, fs, ops::ControlFlow, path::Path};

use sutura_dicom::{
    DicomFile, Limits, Tag,
    pixels::{FrameMap, PixelDescription, decode},
};
use sutura_synthetic::{
    ArtifactKind, DicomDetail, DicomExport, DicomOptions, DicomTruth, SyntheticError,
    people::{Person, day_number},
};

fn generate(options: DicomOptions) -> (tempfile::TempDir, DicomTruth) {
    let folder = tempfile::tempdir().unwrap();
    let truth = DicomExport::new(options).unwrap().write_to(folder.path(), &|_| ControlFlow::Continue(())).unwrap();
    (folder, truth)
}

fn open(path: &Path) -> DicomFile {
    DicomFile::parse(fs::read(path).unwrap(), &Limits::default()).unwrap()
}

fn pixels(file: &DicomFile) -> (PixelDescription, Vec<f64>) {
    let description = PixelDescription::of(file).unwrap();
    let map = FrameMap::with(file, &description).unwrap();
    let frame = decode::frame(file, &description, &map, 0).unwrap();
    let mut values = Vec::new();
    frame.data.for_each(|value| values.push(value));
    (description, values)
}

#[test]
fn files_are_what_the_truth_says() {
    let (folder, truth) = generate(DicomOptions { studies: 10, patients: 7, seed: 5, ..DicomOptions::default() });
    assert_eq!((truth.studies, truth.patients), (10, 7));
    assert!(["CT", "MR", "US", "CR"].iter().all(|modality| truth.by_modality.contains_key(modality)), "{:?}", truth.by_modality);
    assert!(truth.by_transfer_syntax.len() >= 3, "{:?}", truth.by_transfer_syntax);
    assert_eq!(truth.files.len() as u64, truth.instances);
    let mut uids = std::collections::BTreeSet::new();
    for one in &truth.files {
        let file = open(&folder.path().join(&one.name));
        assert!(file.findings().is_empty(), "{}: {:?}", one.name, file.findings());
        let data_set = file.data_set();
        let text = |tag: u32| data_set.text(Tag(tag)).unwrap_or_default().into_owned();
        assert_eq!(
            [text(0x0020_000D), text(0x0020_000E), text(0x0008_0018)],
            [one.study.clone(), one.series.clone(), one.instance.clone()]
        );
        assert_eq!((text(0x0008_0060).as_str(), file.transfer_syntax().uid.as_ref()), (one.modality, one.transfer_syntax));
        assert!(one.instance.len() <= 64 && uids.insert(one.instance.clone()));
        let person = Person::derive(5, one.patient, day_number(2025, 1, 1));
        assert!(text(0x0010_0010).starts_with(&format!("{}^{}", person.family, person.given)));
        let facility = (0..5).find(|facility| format!("{:08}", person.medical_record_number(*facility)) == text(0x0010_0020));
        assert!(facility.is_some(), "{}", one.name);
        let (description, values) = pixels(&file);
        assert_eq!((description.rows, description.columns, values.len()), (one.rows, one.columns, one.rows * one.columns));
        assert!(values.iter().all(|value| *value < f64::from(1u32 << description.bits_stored)));
        assert_eq!(text(0x0028_0301) == "YES", !one.text.is_empty());
        for found in &one.text {
            assert!(found.right <= one.columns && found.bottom <= one.rows && found.left < found.right && found.top < found.bottom);
            // The ink is at the borders of the box.
            assert!((found.top..found.bottom).any(|row| values[row * one.columns + found.left] == 235.0));
        }
        if let Some(position) = one.position {
            assert_eq!(data_set.numbers(Tag(0x0020_0032)).len(), 3);
            assert!(data_set.numbers(Tag(0x0020_0032)).iter().zip(position).all(|(written, true_one)| (written - true_one).abs() < 1e-6));
        }
        if one.artifact == Some(ArtifactKind::Blank) && one.modality == "US" {
            let bright = values.iter().filter(|value| **value > 0.0).count();
            assert!(bright * 20 < values.len());
        }
    }
    let written: DicomTruthText = serde_json::from_slice(&fs::read(folder.path().join("truth.json")).unwrap()).unwrap();
    assert_eq!(written["instances"], truth.instances);
}

type DicomTruthText = serde_json::Map<String, serde_json::Value>;

#[test]
fn slices_of_a_volume_fit_together() {
    let options = DicomOptions { studies: 2, artifact_percent: 0, compressed_percent: 0, seed: 3, ..DicomOptions::default() };
    let (folder, truth) = generate(options);
    let mut series: BTreeMap<&str, Vec<(f64, Vec<f64>)>> = BTreeMap::new();
    for one in truth.files.iter().filter(|one| one.modality == "CT") {
        let file = open(&folder.path().join(&one.name));
        series.entry(&one.series).or_default().push((one.position.unwrap()[2], pixels(&file).1));
    }
    assert_eq!(series.len(), 2);
    for slices in series.values() {
        assert!(slices.windows(2).all(|pair| (pair[1].0 - pair[0].0 - 16.0).abs() < 1e-9));
        // Air, lung, soft tissue and bone, in stored values.
        let middle = &slices[slices.len() / 2].1;
        let share = |low: f64, high: f64| middle.iter().filter(|value| (low..high).contains(value)).count() as f64 / middle.len() as f64;
        assert!(share(0.0, 100.0) > 0.2 && share(120.0, 260.0) > 0.02 && share(1000.0, 1130.0) > 0.02 && share(1200.0, 1700.0) > 0.001);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let options = |seed| DicomOptions { studies: 5, seed, ..DicomOptions::default() };
    let read =
        |folder: &Path, truth: &DicomTruth| truth.files.iter().map(|one| fs::read(folder.join(&one.name)).unwrap()).collect::<Vec<_>>();
    let ((first, truth), (second, again), (other, differs)) = (generate(options(1)), generate(options(1)), generate(options(2)));
    assert!(read(first.path(), &truth) == read(second.path(), &again));
    assert!(read(first.path(), &truth) != read(other.path(), &differs));
}

#[test]
fn artifacts_and_codings_are_as_asked() {
    let (_, none) = generate(DicomOptions { studies: 4, artifact_percent: 0, compressed_percent: 0, ..DicomOptions::default() });
    assert!(none.artifacts.is_empty() && none.by_transfer_syntax.len() == 1);
    let (_, all) = generate(DicomOptions { studies: 4, artifact_percent: 100, compressed_percent: 100, ..DicomOptions::default() });
    assert_eq!(all.artifacts.values().sum::<u64>(), all.series);
    assert!(!all.by_transfer_syntax.contains_key("1.2.840.10008.1.2.1"));
}

#[test]
fn options_are_checked() {
    for options in [
        DicomOptions { studies: 0, ..DicomOptions::default() },
        DicomOptions { patients: 0, ..DicomOptions::default() },
        DicomOptions { artifact_percent: 101, ..DicomOptions::default() },
        DicomOptions { compressed_percent: 101, ..DicomOptions::default() },
        DicomOptions { first_day: "soon".into(), ..DicomOptions::default() },
    ] {
        assert!(matches!(DicomExport::new(options), Err(SyntheticError::BadOption { .. })));
    }
    let (folder, _) = generate(DicomOptions { studies: 3, detail: DicomDetail::Small, ..DicomOptions::default() });
    let again = DicomExport::new(DicomOptions::default()).unwrap().write_to(folder.path(), &|_| ControlFlow::Continue(()));
    assert!(matches!(again, Err(SyntheticError::OtherFeed { .. })));
    let empty = tempfile::tempdir().unwrap();
    let stopped = DicomExport::new(DicomOptions::default()).unwrap().write_to(empty.path(), &|_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(SyntheticError::Stopped)) && !empty.path().join("truth.json").exists());
}
