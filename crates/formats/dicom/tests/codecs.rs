//! Coded frames that are damaged: every codec ends with samples or with an error, whatever the bytes are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::{prelude::*, test_runner::TestRunner};
use sutura_dicom::{
    DicomFile, Limits, PixelCoding,
    codec::{Lossless, encode},
    pixels::{FrameMap, PixelDescription, decode, display},
};

const SYNTAXES: [&str; 12] = [
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.1",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.110",
];

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

/// A file of one coded frame.
fn file(syntax: &str, [rows, columns]: [u16; 2], samples: u16, bits: u16, coded: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut element = |group: u16, element: u16, vr: &[u8; 2], value: &[u8]| {
        bytes.extend(group.to_le_bytes());
        bytes.extend(element.to_le_bytes());
        bytes.extend(vr);
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    };
    let uid = if syntax.len().is_multiple_of(2) { syntax.to_owned() } else { format!("{syntax}\0") };
    element(2, 0x10, b"UI", uid.as_bytes());
    element(8, 0x60, b"CS", b"OT");
    element(0x28, 2, b"US", &samples.to_le_bytes());
    element(0x28, 4, b"CS", if samples == 3 { b"YBR_FULL" } else { b"MONOCHROME2 " });
    element(0x28, 0x10, b"US", &rows.to_le_bytes());
    element(0x28, 0x11, b"US", &columns.to_le_bytes());
    element(0x28, 0x100, b"US", &(if bits > 8 { 16u16 } else { 8 }).to_le_bytes());
    element(0x28, 0x101, b"US", &bits.to_le_bytes());
    element(0x28, 0x102, b"US", &(bits - 1).to_le_bytes());
    element(0x28, 0x103, b"US", &0u16.to_le_bytes());
    bytes.extend(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0");
    bytes.extend((coded.len() as u32).to_le_bytes());
    bytes.extend(coded);
    bytes.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    bytes
}

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
        read(file(SYNTAXES[syntax], size, if is_color { 3 } else { 1 }, bits, &coded));
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
            let size = [description.rows as u16, description.columns as u16];
            let copy = file(into.uid(), size, description.samples as u16, description.bits_stored as u16, &coded);
            let copy = DicomFile::parse(copy, &Limits::default()).unwrap();
            let mut again = PixelDescription::of(&copy).unwrap();
            assert_ne!(again.coding, PixelCoding::Native);
            again.signed = description.signed;
            let map = FrameMap::with(&copy, &again).unwrap();
            assert!(decode::frame(&copy, &again, &map, 0).unwrap() == frame, "{name} {into:?}");
        }
    }
}
