//! Taking the face off CT and MR of the head (PS3.15 section E.3.2).
//!
//! A face can be made from the skin of a head scan. What is needed is the whole series: [`SeriesScan`] takes its files one by one and keeps a coarse copy of the
//! volume; [`FaceMask`] says which voxels go. The nose is the point that stands out most; in front of a plane behind nose, lips and eyes everything goes, and
//! above it the skin of the forehead. Nothing is learned, and no brain has to be found: the plane stays clear of it. Ears and the back of the head stay.

mod mask;
mod volume;

use sutura_dicom::{
    DicomFile, Tag,
    pixels::{FrameMap, PixelDescription, SampleKind, decode},
};

use crate::error::DeidError;
pub use mask::{FaceMask, Found};
use volume::{Coarse, Geometry};

/// Slices of a series that are taken.
const MOST_SLICES: usize = 4096;
/// Columns and rows of the coarse copy of a slice.
const COARSE: usize = 160;

/// Parts of the body whose images have no face in them, without spaces and other signs between the letters. What is not among them may have one: there are too many
/// words for the head.
const WITHOUT_A_FACE: [&str; 59] = [
    "ABDOMEN",
    "ABDOMENPELVIS",
    "ABDOMENANDPELVIS",
    "ABDPELVIS",
    "ADRENAL",
    "ANKLE",
    "APPENDIX",
    "ARM",
    "BILEDUCT",
    "BLADDER",
    "BREAST",
    "CALF",
    "CHEST",
    "CHESTABDOMEN",
    "CHESTABDOMENPELVIS",
    "CHESTABDPELVIS",
    "COCCYX",
    "COLON",
    "DUODENUM",
    "ELBOW",
    "FEMUR",
    "FIBULA",
    "FINGER",
    "FOOT",
    "FOREARM",
    "GALLBLADDER",
    "HAND",
    "HEART",
    "HIP",
    "HUMERUS",
    "KIDNEY",
    "KNEE",
    "LEG",
    "LIVER",
    "LOWERLEG",
    "LSPINE",
    "LSSPINE",
    "LUMBARSPINE",
    "LUNG",
    "OVARY",
    "PANCREAS",
    "PELVIS",
    "PROSTATE",
    "RADIUS",
    "RECTUM",
    "SACRUM",
    "SPLEEN",
    "SSPINE",
    "STOMACH",
    "THIGH",
    "THORAX",
    "THUMB",
    "TIBIA",
    "TLSPINE",
    "TOE",
    "TSPINE",
    "ULNA",
    "UTERUS",
    "WRIST",
];

/// Whether a file may show a head that a face can be made from: CT, MR and PET, but for those that say that they are of a part of the body without a face.
pub fn may_show_a_face(file: &DicomFile) -> bool {
    let data_set = file.data_set();
    let letters = |tag| {
        let text = data_set.text(Tag(tag)).unwrap_or_default().to_uppercase();
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>()
    };
    matches!(letters(0x0008_0060).as_str(), "CT" | "MR" | "PT")
        && file.pixel_data().is_some()
        && !WITHOUT_A_FACE.contains(&letters(0x0018_0015).as_str())
}

/// The slices of one series, coarse.
#[derive(Default)]
pub struct SeriesScan {
    slices: Vec<Coarse>,
}

impl SeriesScan {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at one file of the series. Files without a place in space (localizers with another orientation are told apart later) are passed over.
    ///
    /// # Errors
    /// When the pixels cannot be decoded, there are several frames, or the series has too many files.
    pub fn add(&mut self, file: &DicomFile) -> Result<(), DeidError> {
        let description = PixelDescription::of(file)?;
        if description.frames > 1 {
            return Err(DeidError::Face("several frames in a file are not taken apart"));
        }
        if description.samples > 1 || description.kind != SampleKind::Integer || self.slices.len() >= MOST_SLICES {
            return Err(DeidError::Face("the images are not slices of one grey volume"));
        }
        let Some(geometry) = Geometry::of(file, &description) else { return Ok(()) };
        let map = FrameMap::with(file, &description)?;
        let frame = decode::frame(file, &description, &map, 0)?;
        self.slices.push(Coarse::of(file, geometry, &frame));
        Ok(())
    }

    /// The voxels that go.
    ///
    /// # Errors
    /// When the slices are no volume.
    pub fn finish(self) -> Result<FaceMask, DeidError> {
        mask::find(self.slices)
    }
}

impl std::fmt::Debug for SeriesScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SeriesScan({} slices)", self.slices.len())
    }
}
