//! Text in the pixels: where it is, and painting over it.

use sutura_dicom::{
    DicomFile, Tag, Vr,
    pixels::{PixelDescription, decode::Frame},
    write::OwnedFile,
};

use super::{options::CleanPixels, proof::Proof};
use crate::error::DeidError;

/// An area of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelBox {
    /// Column of the left edge, from 0.
    pub x: u32,
    /// Row of the upper edge, from 0.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Finds areas of a decoded frame that look like text.
pub type TextFinder = dyn Fn(&PixelDescription, &Frame) -> Vec<PixelBox> + Send + Sync;

/// Says where text is likely though nobody asked to clean the pixels.
pub(crate) fn warn(file: &DicomFile, proof: &mut Proof) {
    if file.pixel_data().is_some() && file.data_set().text(Tag(0x0028_0301)).as_deref() == Some("YES") {
        proof.warn("burned-in-annotation");
    }
}

pub(crate) fn clean(
    _file: &DicomFile,
    _owned: &mut OwnedFile,
    _how: CleanPixels,
    _finder: Option<&TextFinder>,
    _proof: &mut Proof,
) -> Result<(), DeidError> {
    let _ = (Tag(0), Vr::US);
    Err(DeidError::PixelLayout)
}
