//! Data sets to change and to write.
//!
//! [`OwnedDataSet`] is made from a [`DataSet`](crate::DataSet) or from nothing; its values share the buffer of the file that they came from until they are
//! replaced. [`OwnedFile`] adds the file meta information and writes files (PS3.10 section 7); [`encode`] writes a data set alone, as the network wants it.
//!
//! ```
//! use sutura_dicom::{DicomFile, Limits, Tag, Vr, write::OwnedFile};
//!
//! let bytes = b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.2\x00\x08\x00\x18\x00UI\x04\x001.2\x00\x10\x00\x20\x00LO\x04\x00A-17";
//! let file = DicomFile::parse(&bytes[..], &Limits::default())?;
//! let mut owned = OwnedFile::of(&file);
//! owned.data_set.set_text(Tag(0x0010_0020), Vr::LO, "B-18");
//! let written = owned.to_bytes()?;
//! let read = DicomFile::parse(written, &Limits::default())?;
//! assert_eq!(read.data_set().text(Tag(0x0010_0020)).as_deref(), Some("B-18"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod encode;
mod file;
mod owned;

use thiserror::Error;

use crate::tag::Tag;

pub use encode::{Lengths, encode};
pub use file::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, OwnedFile, syntax_to_write};
pub use owned::{OwnedDataSet, OwnedElement, OwnedValue};

/// Why a data set could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A value, item or sequence with more bytes than a length can state.
    #[error("{0} is too long to be written: lengths have 32 bits")]
    TooLong(Tag),
    /// Pixel data in fragments under a transfer syntax that has none.
    #[error("{0} is in fragments, which the transfer syntax does not have; decode it, or write with its own transfer syntax")]
    Fragments(Tag),
    /// Sequences nested deeper than any reader would follow.
    #[error("the sequences are nested too deeply to be written")]
    TooDeep,
    /// SOP Class UID or SOP Instance UID is missing, without which the file meta information cannot be made.
    #[error("{0} is missing: the file meta information needs it")]
    Missing(Tag),
}
