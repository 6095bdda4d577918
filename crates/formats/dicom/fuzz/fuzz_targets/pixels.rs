//! Every codec's framing: the first bytes say transfer syntax, size and depth, the others are one coded frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_dicom::{
    DicomFile, Limits,
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

/// A file of one frame.
fn file(syntax: &str, size: [u8; 2], samples: u16, bits: u16, coded: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut element = |group: u16, element: u16, vr: &[u8; 2], value: &[u8]| {
        bytes.extend(group.to_le_bytes());
        bytes.extend(element.to_le_bytes());
        bytes.extend(vr);
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    };
    let uid = if syntax.len() % 2 == 0 { syntax.to_owned() } else { format!("{syntax}\0") };
    element(2, 0x10, b"UI", uid.as_bytes());
    element(8, 0x60, b"CS", b"OT");
    element(0x28, 2, b"US", &samples.to_le_bytes());
    element(0x28, 4, b"CS", if samples == 3 { b"YBR_FULL" } else { b"MONOCHROME2 " });
    element(0x28, 0x10, b"US", &u16::from(size[0]).max(1).to_le_bytes());
    element(0x28, 0x11, b"US", &u16::from(size[1]).max(1).to_le_bytes());
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

fuzz_target!(|data: &[u8]| {
    let &[syntax, rows, columns, kind, ref coded @ ..] = data else { return };
    let syntax = SYNTAXES[usize::from(syntax) % SYNTAXES.len()];
    let samples = if kind & 0x80 == 0 { 1 } else { 3 };
    let bytes = file(syntax, [rows, columns], samples, u16::from(kind & 15) + 1, coded);
    let Ok(file) = DicomFile::parse(bytes, &Limits::default()) else { return };
    let _ = PixelDescription::of(&file).and_then(|description| {
        let map = FrameMap::with(&file, &description)?;
        let frame = decode::frame(&file, &description, &map, 0)?;
        assert_eq!(frame.data.len(), frame.rows * frame.columns * frame.samples);
        display::picture_of(&file, &description, &map, 0, &frame)
    });
});
