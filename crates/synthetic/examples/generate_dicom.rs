//! Writes synthetic DICOM studies: `generate_dicom FOLDER [STUDIES [SEED [full]]]`.
#![allow(clippy::print_stdout)]

use std::{error::Error, ops::ControlFlow, path::PathBuf};

use sutura_synthetic::{DicomDetail, DicomExport, DicomOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let mut options = DicomOptions::default();
    if let Some(studies) = arguments.next() {
        options.studies = studies.parse()?;
    }
    if let Some(seed) = arguments.next() {
        options.seed = seed.parse()?;
    }
    if arguments.next().as_deref() == Some("full") {
        options.detail = DicomDetail::Full;
    }
    let truth = DicomExport::new(options)?.write_to(&folder, &|_| ControlFlow::Continue(()))?;
    println!(
        "{} studies, {} series, {} instances, {} bytes: {:?}",
        truth.studies, truth.series, truth.instances, truth.bytes, truth.by_modality
    );
    println!("{:?} {:?}", truth.by_transfer_syntax, truth.artifacts);
    Ok(())
}
