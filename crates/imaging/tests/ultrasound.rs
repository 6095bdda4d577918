//! Speckle is no noise: good images of ultrasound pass the gate, degraded ones do not.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{fs, ops::ControlFlow};

use sutura_dicom::{DicomFile, Limits};
use sutura_imaging::{Image, ImageGate, ImageReport, MeasureOptions, Measurer, Metric, Outcome};
use sutura_synthetic::{ArtifactKind, DicomExport, DicomOptions};

/// The images of ultrasound of some studies, each with what is wrong with it.
fn images(artifact_percent: u32, studies: u64) -> Vec<(Image, Option<ArtifactKind>)> {
    let folder = tempfile::tempdir().unwrap();
    let options = DicomOptions { studies, patients: studies, seed: 11, artifact_percent, ..DicomOptions::default() };
    let truth = DicomExport::new(options).unwrap().write_to(folder.path(), &|_| ControlFlow::Continue(())).unwrap();
    let of_ultrasound = truth.files.iter().filter(|file| file.modality == "US");
    let read = |name: &str| {
        let file = DicomFile::parse(fs::read(folder.path().join(name)).unwrap(), &Limits::default()).unwrap();
        Image::read(&file, 0).unwrap()
    };
    of_ultrasound.map(|file| (read(&file.name), file.artifact)).collect()
}

fn measure(image: &Image) -> ImageReport {
    Measurer::new(MeasureOptions::default()).measure(image, "US")
}

fn outcome(report: &ImageReport) -> Outcome {
    ImageGate::default().judge("US", report).outcome
}

/// Numbers near a normal distribution, always the same ones.
fn normal(count: usize) -> impl Iterator<Item = f32> {
    let mut state = 7u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f32 / (1u64 << 31) as f32
    };
    (0..count).map(move |_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0)
}

/// With the noise of an amplifier, in grey levels, as it is shown: no darker than black, no brighter than white.
fn noisy(image: &Image, deviation: f32) -> Image {
    let values = image.values().iter().zip(normal(image.values().len()));
    let values = values.map(|(value, noise)| (value + deviation * noise).round().clamp(0.0, 255.0));
    Image::new(image.rows(), image.columns(), values.collect()).unwrap()
}

/// Each pixel the mean of the square around it, three times.
fn blurred(image: &Image, half: usize) -> Image {
    let (rows, columns) = (image.rows(), image.columns());
    let mut values = image.values().to_vec();
    for _ in 0..3 {
        let before = values.clone();
        for row in 0..rows {
            for column in 0..columns {
                let (top, bottom) = (row.saturating_sub(half), (row + half + 1).min(rows));
                let (left, right) = (column.saturating_sub(half), (column + half + 1).min(columns));
                let sum: f32 = (top..bottom).map(|row| before[row * columns + left..row * columns + right].iter().sum::<f32>()).sum();
                values[row * columns + column] = sum / ((bottom - top) * (right - left)) as f32;
            }
        }
    }
    Image::new(rows, columns, values).unwrap()
}

#[test]
fn good_images_pass_and_degraded_ones_do_not() {
    let good = images(0, 15);
    assert_eq!(good.len(), 9);
    for (image, _) in &good {
        let report = measure(image);
        let (score, snr) = (report.value(Metric::Score).unwrap(), report.value(Metric::SpeckleSnr).unwrap());
        assert!(outcome(&report) == Outcome::Pass && score > 80.0, "{score}");
        // The generator's speckle is that of theory.
        assert!((snr - 1.91).abs() < 0.2, "{snr}");
    }
    let image = &good[0].0;
    let mut before = measure(image);
    for deviation in [15.0, 40.0, 60.0] {
        let report = measure(&noisy(image, deviation));
        let (worse, noise) = (report.value(Metric::Score).unwrap(), report.value(Metric::NoiseEchoPoor).unwrap());
        assert!(worse < before.value(Metric::Score).unwrap() && noise > before.value(Metric::NoiseEchoPoor).unwrap(), "{deviation}");
        assert!(deviation < 40.0 || outcome(&report) > Outcome::Pass, "{deviation}: {worse}");
        before = report;
    }
    for half in [2, 4] {
        let report = measure(&blurred(image, half));
        assert!(outcome(&report) > Outcome::Pass, "{half}: {:?}", report.get(Metric::Score));
    }
    let blank = Image::new(image.rows(), image.columns(), vec![0.0; image.values().len()]).unwrap();
    assert_eq!(outcome(&measure(&blank)), Outcome::Quarantine);
}

#[test]
fn what_the_generator_spoils_is_found() {
    let spoilt = images(100, 40);
    assert!(spoilt.iter().any(|(_, artifact)| *artifact == Some(ArtifactKind::Blank)));
    for (image, artifact) in &spoilt {
        let report = measure(image);
        assert!(outcome(&report) > Outcome::Pass, "{artifact:?}: {:?}", report.get(Metric::Score));
    }
}

#[test]
fn other_modalities_have_no_speckle() {
    let (image, _) = images(0, 3).remove(0);
    let report = Measurer::new(MeasureOptions::default()).measure(&image, "CT");
    for metric in [Metric::NoiseEchoPoor, Metric::SpeckleSnr] {
        assert_eq!(report.get(metric).value.unwrap_err().code(), "other-modality");
    }
}
