//! Prints the areas of DICOM files that look like text: `text_boxes FILE...`.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs};

use sutura_dicom::{DicomFile, Limits};
use sutura_imaging::{Image, burned};

fn main() -> Result<(), Box<dyn Error>> {
    for name in std::env::args().skip(1) {
        let limits = Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() };
        let file = DicomFile::parse(fs::read(&name)?, &limits)?;
        let image = Image::read(&file, 0)?.to_8_bits();
        for found in burned::text_boxes(&image) {
            println!("{name}: columns {} to {}, rows {} to {}", found.left, found.right, found.top, found.bottom);
        }
    }
    Ok(())
}
