//! Which image a row is of.

use std::fmt;

use sutura_core::RecordId;
use sutura_dicom::{DicomFile, Tag, is_modality};

/// An image: its file, its UIDs, its frame.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageKey {
    /// The file.
    pub record: RecordId,
    /// SOP Instance UID (0008,0018).
    pub sop_instance: Option<String>,
    /// Series Instance UID (0020,000E).
    pub series: Option<String>,
    /// Study Instance UID (0020,000D).
    pub study: Option<String>,
    /// Patient ID (0010,0020).
    pub patient: Option<String>,
    /// Modality (0008,0060): one of those that the standard names, else nothing.
    pub modality: String,
    /// The frame, from 0.
    pub frame: usize,
}

impl fmt::Debug for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // UIDs, names of files and identifiers lead to a person.
        f.debug_struct("ImageKey").field("modality", &self.modality).field("frame", &self.frame).finish_non_exhaustive()
    }
}

impl ImageKey {
    /// The key of a frame of a file, from 0.
    pub fn of(file: &DicomFile, record: RecordId, frame: usize) -> Self {
        let data_set = file.data_set();
        let text = |tag: u32| data_set.text(Tag(tag)).map(std::borrow::Cow::into_owned);
        Self {
            record,
            sop_instance: text(0x0008_0018),
            series: text(0x0020_000E),
            study: text(0x0020_000D),
            patient: text(0x0010_0020),
            modality: modality(file),
            frame,
        }
    }
}

/// Pixels that are no picture: masks, doses and maps of numbers. A score of quality says nothing of them.
pub fn is_no_picture(file: &DicomFile) -> bool {
    // Segmentation, surface and label map segmentation, RT Dose, Parametric Map.
    const NO_PICTURES: [&str; 5] = ["66.4", "66.5", "66.7", "481.2", "30"];
    let class = file.data_set().text(Tag(0x0008_0016)).unwrap_or_default();
    class.strip_prefix("1.2.840.10008.5.1.4.1.1.").is_some_and(|class| NO_PICTURES.contains(&class))
}

/// The modality of a file, if it is one of the standard's: pictures and logs show the word.
pub fn modality(file: &DicomFile) -> String {
    let text = file.data_set().text(Tag(0x0008_0060)).unwrap_or_default();
    if is_modality(&text) { text.into_owned() } else { String::new() }
}
