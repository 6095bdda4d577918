//! **DICOM: data sets of any transfer syntax over their own bytes, character sets, values, and tables.**
//!
//! ```
//! use sutura_dicom::{DicomFile, Limits, Tag, Vr};
//!
//! // Patient ID, little endian with VR, without preamble and meta information.
//! let bytes = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100\x10\x00\x20\x00LO\x04\x00A-17";
//! let file = DicomFile::parse(&bytes[..], &Limits::default())?;
//! let id = file.data_set().get(Tag(0x0010_0020)).unwrap();
//! assert_eq!((id.vr(), id.text().as_deref()), (Vr::LO, Some("A-17")));
//! assert_eq!(id.attribute().unwrap().keyword, "PatientID");
//! # Ok::<(), sutura_dicom::DicomError>(())
//! ```
//!
//! - [`DicomFile`], [`DataSet`] and [`Element`]: a file over its bytes, with the place of everything in them,
//! - [`dictionary`]: attributes with their classes of identifying information and the actions of PS3.15; SOP classes,
//! - [`CharacterSet`]: text in every character set of the standard; [`value`]: dates, times, numbers, names,
//! - [`pixels`]: where the bytes of each frame are; [`json`]: the DICOM JSON model,
//! - [`mod@write`]: data sets to change and to write;
//! - [`dimse`]: associations, C-ECHO and C-STORE over anything that reads and writes,
//! - [`Dicom`], [`Decoder`], [`Reader`] and [`tables`]: files as tables for the engine.
//!
//! What it is not: no sockets, no I/O, no validator of information objects.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

pub mod burned;
mod charset;
pub mod codec;
pub mod dictionary;
pub mod dimse;
mod element;
mod error;
mod file;
mod format;
mod inflate;
pub mod json;
mod limits;
mod modality;
mod options;
mod parse;
pub mod pixels;
mod read;
mod syntax;
pub mod tables;
mod tag;
mod text;
pub mod value;
mod vr;
pub mod write;

pub use charset::{CharacterSet, Quality};
pub use element::{DataSet, Element, Elements, Items};
pub use error::{DicomError, DicomErrorKind};
pub use file::DicomFile;
pub use format::Dicom;
pub use limits::Limits;
pub use modality::is_modality;
pub use options::Options;
pub use read::{Decoder, Reader};
pub use syntax::{Encoding, PixelCoding, TransferSyntax};
pub use tag::{NotATag, Tag};
pub use vr::Vr;
