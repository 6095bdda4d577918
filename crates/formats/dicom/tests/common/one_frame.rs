//! A file of one coded frame, for tests, benches and fuzz targets.

/// Transfer syntaxes whose frames are coded, one of each codec's kind.
#[allow(dead_code)] // Benches have their own.
pub(crate) const SYNTAXES: [&str; 12] = [
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

/// What the data set says of the frame.
#[derive(Clone, Copy)]
pub(crate) struct Described {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    pub(crate) samples: u16,
    pub(crate) bits: u16,
    pub(crate) is_signed: bool,
}

/// The bytes of a file: explicit VR little endian, the pixels native in that syntax and as one fragment in any other.
pub(crate) fn file(syntax: &str, described: Described, pixels: &[u8]) -> Vec<u8> {
    let Described { rows, columns, samples, bits, is_signed } = described;
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
    element(0x28, 0x103, b"US", &u16::from(is_signed).to_le_bytes());
    if is_signed {
        // As tomograms have them.
        element(0x28, 0x1050, b"DS", b"40");
        element(0x28, 0x1051, b"DS", b"400 ");
        element(0x28, 0x1052, b"DS", b"-1024 ");
    }
    let length = (pixels.len() as u32).to_le_bytes();
    if syntax == "1.2.840.10008.1.2.1" {
        bytes.extend(b"\xe0\x7f\x10\x00OW\0\0");
        bytes.extend(length);
        bytes.extend(pixels);
    } else {
        bytes.extend(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0");
        bytes.extend(length);
        bytes.extend(pixels);
        bytes.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    }
    bytes
}
