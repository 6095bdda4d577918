//! Why a document could not be de-identified.

use sutura_dicom::{pixels::PixelError, write::WriteError};
use sutura_privacy::PrivacyError;

/// Why a document could not be de-identified. Never any content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeidError {
    /// The law that the policy claims does not permit an option.
    #[error("{profile} does not permit the option {option}: {reason}; leave it out, or claim another profile")]
    NotPermitted {
        /// The option.
        option: &'static str,
        /// The profile of the policy.
        profile: &'static str,
        /// Why, with the paragraph.
        reason: String,
    },
    /// Only a beginning of the file was read.
    #[error("the file was not read to its end; raise max_record_bytes to de-identify it")]
    NotWhole,
    /// A directory of files: its names, references and offsets are of the originals.
    #[error("a DICOMDIR is not de-identified; leave it out, and make a new one of the released files")]
    Directory,
    /// The pixel data is cut off.
    #[error("the pixel data is cut off; send the file again")]
    CutPixels,
    /// A recorded voice.
    #[error("a recorded voice is an identifier and is not de-identified; leave the file out")]
    Audio,
    /// Pixels that have to be looked at cannot be decoded.
    #[error("the pixels have to be looked at and cannot be: {0}; leave the file out, or release it with its pixels as they are")]
    Pixels(#[from] PixelError),
    /// Pixels that have to be cleaned have a layout that is not painted on.
    #[error("the pixels have to be cleaned and their layout is not one that can be painted on")]
    PixelLayout,
    /// Text is in the pixels, and no rule says where.
    #[error("text is in the pixels or said to be there, and no rule says where; find it (--pixels detect), and look at the result")]
    BurnedText,
    /// Text in pixels is to be found, and nothing finds it.
    #[error("text in the pixels is to be found, and no text finder is set; set one, or clean by regions only")]
    NoTextFinder,
    /// A face is to be taken off, and what is needed for it is not there.
    #[error("the face cannot be taken off: {0}; leave the series out, or release it without this option")]
    Face(&'static str),
    /// The result could not be written.
    #[error("the de-identified file cannot be written: {0}")]
    Write(#[from] WriteError),
    /// The document is not one of its format.
    #[error("the document is no {format}: {reason}; it is refused as a whole")]
    NotRead {
        /// What it should be.
        format: &'static str,
        /// Why it is not, without content.
        reason: &'static str,
    },
    /// Something in the document changes the meaning of the rest and cannot be released.
    #[error("{place} cannot be released and changes the meaning of what it stands in; take it out before, or leave the document out")]
    Meaning {
        /// Where it is.
        place: &'static str,
    },
    /// The record shows a sensitive category that does not leave under the policy.
    #[error("it shows a sensitive category that the policy withholds")]
    Withheld,
    /// The text stage failed.
    #[error("free text could not be cleaned: {0}")]
    Text(&'static str),
    /// The input cannot be read on. The kind only: the words of the system may hold anything.
    #[error("the input cannot be read on: {0}")]
    Input(std::io::ErrorKind),
    /// The result cannot be written.
    #[error("the result cannot be written: {0}")]
    Output(std::io::ErrorKind),
    /// Keys, vault or policy refused.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
}

impl DeidError {
    /// The stable code, as in `docs/src/reference/deidentify-dicom.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotPermitted { .. } => "option-not-permitted",
            Self::NotWhole => "not-whole",
            Self::Directory => "directory",
            Self::BurnedText => "burned-in-text",
            Self::CutPixels => "pixel-data-cut",
            Self::Audio => "audio",
            Self::Pixels(_) => "pixels-not-decoded",
            Self::PixelLayout => "pixels-layout",
            Self::NoTextFinder => "no-text-finder",
            Self::Face(_) => "face-not-found",
            Self::Write(_) => "not-written",
            Self::NotRead { .. } => "not-read",
            Self::Meaning { .. } => "modifier-not-released",
            Self::Withheld => "withheld",
            Self::Text(_) => "text-not-cleaned",
            Self::Input(_) => "not-readable",
            Self::Output(_) => "not-written",
            Self::Privacy(_) => "privacy",
        }
    }
}
