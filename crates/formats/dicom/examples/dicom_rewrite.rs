//! Reads a DICOM file and writes it again: `cargo run --example dicom_rewrite -- IN OUT [TRANSFER SYNTAX UID]`.

use sutura_dicom::{DicomFile, Limits, TransferSyntax, write::OwnedFile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("name the file to read and the file to write".into());
    };
    let file = DicomFile::parse(std::fs::read(from)?, &Limits { bytes: 1 << 30, inflated: 1 << 30, ..Limits::default() })?;
    let mut owned = OwnedFile::of(&file);
    if let Some(uid) = arguments.next() {
        owned.syntax = TransferSyntax::of(&uid);
    }
    std::fs::write(to, owned.to_bytes()?)?;
    Ok(())
}
