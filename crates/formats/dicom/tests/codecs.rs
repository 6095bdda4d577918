//! Coded frames that are damaged: every codec ends with samples or with an error, whatever the bytes are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "common/one_frame.rs"]
mod one_frame;

use std::{
    fs,
    path::{Path, PathBuf},
};

use one_frame::{Described, SYNTAXES, file};
use proptest::{prelude::*, test_runner::TestRunner};
use sutura_dicom::{
    DicomFile, Limits, PixelCoding,
    codec::{Lossless, encode},
    pixels::{FrameMap, PixelDescription, decode, display},
};

/// Small files of each codec.
const FILES: [&str; 16] = [
    "pydicom/SC_rgb_dcmtk_+eb+cy+n1.dcm",
    "pydicom/SC_rgb_dcmtk_+eb+cy+s2.dcm",
    "pylibjpeg/JPEGBaseline_1s_1f_u_08_08.dcm",
    "pydicom/JPGExtended.dcm",
    "pydicom/SC_rgb_jpeg_gdcm.dcm",
    "pydicom-data/JPEG-LL.dcm",
    "pydicom-data/JLSL_RGB_ILV0.dcm",
    "pydicom-data/JLSL_RGB_ILV2.dcm",
    "pydicom-data/JLSL_16_15_1_1F.dcm",
    "pydicom/SC_rgb_jls_lossy_line.dcm",
    "made/phantom/noise_050.dcm",
    "made/codec/j2k_lossless_16s_multifragment_nobot.dcm",
    "pydicom/SC_rgb_gdcm_KY.dcm",
    "made/codec/htj2k_lossless_16u.dcm",
    "made/codec/jpegxl_lossless_16u.dcm",
    "made/codec/encapsulated_uncompressed_2frame.dcm",
];

/// Reads the first frame in every way there is.
fn read(bytes: Vec<u8>) {
    let Ok(file) = DicomFile::parse(bytes, &Limits::default()) else { return };
    let _ = PixelDescription::of(&file).and_then(|description| {
        let map = FrameMap::with(&file, &description)?;
        let frame = decode::frame(&file, &description, &map, 0)?;
        assert_eq!(frame.data.len(), frame.rows * frame.columns * frame.samples);
        display::picture_of(&file, &description, &map, 0, &frame)
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_bytes_end_well(syntax in 0..SYNTAXES.len(), size in [1u16..40, 1u16..40], is_color: bool, bits in 1u16..=16, coded: Vec<u8>) {
        let described = Described { rows: size[0], columns: size[1], samples: if is_color { 3 } else { 1 }, bits, is_signed: false };
        read(file(SYNTAXES[syntax], described, &coded));
    }
}

#[test]
fn damaged_frames_end_well() {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if !folder.is_dir() {
        println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
        return;
    }
    let files: Vec<(Vec<u8>, usize)> = (FILES.iter())
        .map(|name| {
            let bytes = fs::read(folder.join("dicom").join(name)).unwrap();
            let start = DicomFile::parse(bytes.clone(), &Limits::default()).unwrap().pixel_data().unwrap().offset();
            (bytes, start)
        })
        .collect();
    let damage = (0..files.len(), proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), any::<bool>());
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) });
    runner
        .run(&damage, |(number, changes, at_front)| {
            let (mut bytes, start) = files[number].clone();
            // Headers are where most can go wrong.
            let end = if at_front { (start + 700).min(bytes.len()) } else { bytes.len() };
            for (place, value) in changes {
                let place = start + place.index(end - start);
                bytes[place] = value;
            }
            read(bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn real_frames_are_encoded_and_are_the_same() {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if !folder.is_dir() {
        println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
        return;
    }
    for name in FILES {
        let original = DicomFile::parse(fs::read(folder.join("dicom").join(name)).unwrap(), &Limits::default()).unwrap();
        let description = PixelDescription::of(&original).unwrap();
        let map = FrameMap::with(&original, &description).unwrap();
        let frame = decode::frame(&original, &description, &map, 0).unwrap();
        for into in Lossless::ALL {
            // `encode` decodes again and compares; here the same through a file.
            let coded = encode(&frame, description.bits_stored, into).unwrap_or_else(|error| panic!("{name} {into:?}: {error}"));
            let described = Described {
                rows: description.rows as u16,
                columns: description.columns as u16,
                samples: description.samples as u16,
                bits: description.bits_stored as u16,
                is_signed: description.signed,
            };
            let copy = file(into.uid(), described, &coded);
            let copy = DicomFile::parse(copy, &Limits::default()).unwrap();
            let mut again = PixelDescription::of(&copy).unwrap();
            assert_ne!(again.coding, PixelCoding::Native);
            again.signed = description.signed;
            let map = FrameMap::with(&copy, &again).unwrap();
            assert!(decode::frame(&copy, &again, &map, 0).unwrap() == frame, "{name} {into:?}");
        }
    }
}
