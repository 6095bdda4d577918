//! The face goes, the brain stays: a head of ellipsoids, in several orientations.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use sutura_deid::dicom::{
    DicomDeidentifier, Options,
    deface::{Found, SeriesScan, may_show_a_face},
};
use sutura_dicom::{
    DicomFile, Limits, Tag, Vr,
    write::{OwnedDataSet, OwnedFile},
};
use sutura_privacy::{Deidentifier, KeyRing, Policy, Scope};

const STEP: f64 = 2.5;

fn inside(place: [f64; 3], middle: [f64; 3], radii: [f64; 3]) -> bool {
    (0..3).map(|axis| ((place[axis] - middle[axis]) / radii[axis]).powi(2)).sum::<f64>() < 1.0
}

/// What is at a place of the patient: x to the left, y to the back, z to the crown, from the middle of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Air,
    Skin,
    Nose,
    Brain,
}

fn part(place: [f64; 3]) -> Part {
    let brain = inside(place, [0.0, 8.0, 25.0], [60.0, 72.0, 52.0]);
    let head = inside(place, [0.0, 8.0, 25.0], [74.0, 92.0, 68.0]) || inside(place, [0.0, -18.0, -35.0], [58.0, 62.0, 75.0]);
    let nose = inside(place, [0.0, -86.0, -25.0], [14.0, 22.0, 20.0]);
    match (brain, head, nose) {
        (true, ..) => Part::Brain,
        (_, true, _) => Part::Skin,
        (_, _, true) => Part::Nose,
        _ => Part::Air,
    }
}

/// How a series is cut: the directions of rows and columns, and the slices' axis.
fn series(modality: &str, along_row: [f64; 3], along_column: [f64; 3]) -> Vec<(DicomFile, Vec<Part>)> {
    let normal: [f64; 3] = std::array::from_fn(|axis| {
        let (next, last) = ((axis + 1) % 3, (axis + 2) % 3);
        along_row[next] * along_column[last] - along_row[last] * along_column[next]
    });
    let (size, slices) = (104usize, 104usize);
    let half = STEP * size as f64 / 2.0;
    (0..slices)
        .map(|slice| {
            let level = slice as f64 * STEP - half;
            let origin: [f64; 3] = std::array::from_fn(|axis| level * normal[axis] - half * along_row[axis] - half * along_column[axis]);
            let parts: Vec<Part> = (0..size * size)
                .map(|place| {
                    let (row, column) = ((place / size) as f64 * STEP, (place % size) as f64 * STEP);
                    part(std::array::from_fn(|axis| origin[axis] + column * along_row[axis] + row * along_column[axis]))
                })
                .collect();
            let stored = |part: &Part, place: usize| -> i16 {
                let noise = (place * 7919 % 13) as i16;
                let ct = match part {
                    Part::Air => -1000,
                    Part::Skin | Part::Nose => 40,
                    Part::Brain => 30,
                };
                let mr = match part {
                    Part::Air => 0,
                    Part::Skin | Part::Nose => 300,
                    Part::Brain => 600,
                };
                noise + if modality == "CT" { ct + 1024 } else { mr }
            };
            let pixels: Vec<u8> = parts.iter().enumerate().flat_map(|(place, part)| stored(part, place).to_le_bytes()).collect();
            let mut data_set = OwnedDataSet::new();
            data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.2");
            data_set.set_uid(Tag(0x0008_0018), &format!("1.2.3.{slice}"));
            data_set.set_text(Tag(0x0008_0060), Vr::CS, modality);
            data_set.set_text(Tag(0x0018_0015), Vr::CS, "HEAD");
            data_set.set_decimals(Tag(0x0020_0032), &origin);
            data_set.set_decimals(Tag(0x0020_0037), &[along_row, along_column].concat());
            data_set.set_decimals(Tag(0x0028_0030), &[STEP, STEP]);
            data_set.set_decimals(Tag(0x0028_1052), &[if modality == "CT" { -1024.0 } else { 0.0 }]);
            data_set.set_decimals(Tag(0x0028_1053), &[1.0]);
            data_set.set_text(Tag(0x0028_0004), Vr::CS, "MONOCHROME2");
            for (tag, value) in [
                (0x0028_0002u32, 1),
                (0x0028_0010, size as u16),
                (0x0028_0011, size as u16),
                (0x0028_0100, 16),
                (0x0028_0101, 16),
                (0x0028_0102, 15),
                (0x0028_0103, 1),
            ] {
                data_set.set_u16(Tag(tag), &[value]);
            }
            data_set.set_bytes(Tag::PIXEL_DATA, Vr::OW, pixels);
            let bytes = OwnedFile::new(data_set).to_bytes().unwrap();
            (DicomFile::parse(bytes, &Limits::default()).unwrap(), parts)
        })
        .collect()
}

#[test]
fn the_nose_goes_and_the_brain_stays() {
    let privacy =
        Deidentifier::new(Policy::builtin("gdpr-pseudonymised").unwrap(), &KeyRing::generate().unwrap(), Scope::new("p", "d"), None)
            .unwrap();
    let options = Options { clean_recognizable_features: true, ..Options::default() };
    let deidentifier = DicomDeidentifier::new(options, &privacy).unwrap();
    let (axial, sagittal, coronal) =
        (([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), ([0.0, 1.0, 0.0], [0.0, 0.0, -1.0]), ([1.0, 0.0, 0.0], [0.0, 0.0, -1.0]));
    for (modality, (along_row, along_column)) in [("CT", axial), ("MR", axial), ("MR", sagittal), ("CT", coronal)] {
        let slices = series(modality, along_row, along_column);
        let mut scan = SeriesScan::new();
        // The order of the files says nothing.
        for (file, _) in slices.iter().rev() {
            assert!(may_show_a_face(file));
            scan.add(file).unwrap();
        }
        let mask = scan.finish().unwrap();
        assert_eq!(mask.found, Found::Face, "{modality} {along_column:?}");
        let (mut nose, mut nose_left, mut brain_lost, mut skin, mut skin_left) = (0, 0, 0, 0, 0);
        for (file, parts) in &slices {
            assert!(deidentifier.deidentify(file).unwrap_err().to_string().contains("series"));
            let released = deidentifier.deidentify_of_series(file, Some(&mask)).unwrap();
            let again = DicomFile::parse(released.bytes, &Limits::default()).unwrap();
            assert_eq!(again.data_set().text(Tag(0x0028_0302)).as_deref(), Some("NO"));
            let (before, after) = (file.pixel_data().unwrap().bytes(), again.pixel_data().unwrap().bytes());
            for ((part, before), after) in parts.iter().zip(before.chunks(2)).zip(after.chunks(2)) {
                let gone = before != after;
                nose += i32::from(*part == Part::Nose);
                nose_left += i32::from(*part == Part::Nose && !gone);
                brain_lost += i32::from(*part == Part::Brain && gone);
                skin += i32::from(*part == Part::Skin);
                skin_left += i32::from(*part == Part::Skin && !gone);
            }
        }
        assert!(nose > 300 && nose_left == 0, "{modality} {along_column:?} {nose_left} of {nose}");
        assert_eq!(brain_lost, 0, "{modality} {along_column:?}");
        assert!(skin_left > skin / 2 && skin_left < skin, "{modality} {skin_left} of {skin}");
    }
}
