//! Every codec's framing: the first bytes say transfer syntax, size and depth, the others are one coded frame.
#![no_main]

#[path = "../../tests/common/one_frame.rs"]
mod one_frame;

use libfuzzer_sys::fuzz_target;
use one_frame::{Described, SYNTAXES, file};
use sutura_dicom::{
    DicomFile, Limits,
    pixels::{FrameMap, PixelDescription, decode, display},
};

fuzz_target!(|data: &[u8]| {
    let &[syntax, rows, columns, kind, ref coded @ ..] = data else { return };
    let syntax = SYNTAXES[usize::from(syntax) % SYNTAXES.len()];
    let samples = if kind & 0x80 == 0 { 1 } else { 3 };
    let [rows, columns] = [rows, columns].map(|size| u16::from(size).max(1));
    let bytes = file(syntax, Described { rows, columns, samples, bits: u16::from(kind & 15) + 1, is_signed: kind & 0x40 != 0 }, coded);
    let Ok(file) = DicomFile::parse(bytes, &Limits::default()) else { return };
    let _ = PixelDescription::of(&file).and_then(|description| {
        let map = FrameMap::with(&file, &description)?;
        let frame = decode::frame(&file, &description, &map, 0)?;
        assert_eq!(frame.data.len(), frame.rows * frame.columns * frame.samples);
        display::picture_of(&file, &description, &map, 0, &frame)
    });
});
