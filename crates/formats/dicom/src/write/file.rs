//! Files: preamble, file meta information, data set (PS3.10 section 7).

use std::io::Write as _;

use flate2::{Compression, write::DeflateEncoder};

use super::{
    Lengths, OwnedDataSet, OwnedValue, WriteError,
    encode::{encode_into, room_of},
};
use crate::{
    file::DicomFile,
    syntax::{Encoding, PixelCoding, TransferSyntax},
    tag::Tag,
    vr::Vr,
};

/// What wrote the file (0002,0012): ours, made from a UUID (PS3.5 annex B.2).
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.113268247098437251904370211850276219523";
/// Its name (0002,0013).
pub const IMPLEMENTATION_VERSION_NAME: &str = concat!("SUTURA ", env!("CARGO_PKG_VERSION"));

const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const SOP_CLASS: Tag = Tag(0x0008_0016);
const SOP_INSTANCE: Tag = Tag(0x0008_0018);

/// A file to change and to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFile {
    /// The file meta information beside what is worked out when it is written: group length, version, SOP class and instance, transfer syntax and what
    /// wrote the file.
    pub meta: OwnedDataSet,
    /// The data set.
    pub data_set: OwnedDataSet,
    /// How it is written. Its `encoding` and `deflated` are taken at their word.
    pub syntax: TransferSyntax,
    /// How the ends of sequences are written.
    pub lengths: Lengths,
}

/// The transfer syntax to write a file in that was read: explicit little endian for every native one, else its own.
pub fn syntax_to_write(file: &DicomFile) -> TransferSyntax {
    let read = file.transfer_syntax();
    match read.pixels {
        PixelCoding::Native => TransferSyntax::of(EXPLICIT_LITTLE),
        PixelCoding::Unknown if read.uid.is_empty() => TransferSyntax::of(EXPLICIT_LITTLE),
        // Only its own program knows what else differs.
        PixelCoding::Unknown => read.clone(),
        _ => TransferSyntax { deflated: false, encoding: Encoding::ExplicitLittle, ..read.clone() },
    }
}

impl OwnedFile {
    /// A file of that data set, explicit little endian.
    pub fn new(data_set: OwnedDataSet) -> Self {
        let syntax = TransferSyntax::of(EXPLICIT_LITTLE);
        Self { meta: OwnedDataSet::new(), data_set, syntax, lengths: Lengths::default() }
    }

    /// A copy of a file that shares its buffer; to be written as [`syntax_to_write`] says.
    pub fn of(file: &DicomFile) -> Self {
        let mut meta = OwnedDataSet::of(file.meta());
        let data_set = OwnedDataSet::of(file.data_set());
        // What is worked out anew.
        meta.retain(|element| !matches!(element.tag.0, 0x0002_0000..=0x0002_0003 | 0x0002_0010 | 0x0002_0012 | 0x0002_0013));
        Self { meta, data_set, syntax: syntax_to_write(file), lengths: Lengths::default() }
    }

    /// Writes the file: 128 zero bytes, `DICM`, file meta information, data set.
    ///
    /// # Errors
    /// When the data set does not say its SOP class and instance (a directory needs neither), or cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WriteError> {
        let mut out = Vec::with_capacity(1024 + room_of(&self.meta, 0) + room_of(&self.data_set, 0));
        out.resize(128, 0);
        out.extend_from_slice(b"DICM");
        self.meta_into(&mut out)?;
        if !self.syntax.is_encapsulated() && self.syntax.is_known() {
            no_fragments(&self.data_set, 0)?;
        }
        if !self.syntax.deflated {
            encode_into(&mut out, &self.data_set, self.syntax.encoding, self.lengths)?;
            return Ok(out);
        }
        let plain = super::encode(&self.data_set, self.syntax.encoding, self.lengths)?;
        let mut deflater = DeflateEncoder::new(out, Compression::default());
        // Writing to memory does not fail.
        let Ok(mut out) = deflater.write_all(&plain).and_then(|()| deflater.finish()) else {
            return Err(WriteError::TooLong(Tag::PIXEL_DATA));
        };
        if out.len() % 2 == 1 {
            out.push(0);
        }
        Ok(out)
    }

    fn meta_into(&self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let mut meta = self.meta.clone();
        meta.retain(|element| element.tag.group() == 2 && element.tag.element() != 0);
        meta.set_bytes(Tag(0x0002_0001), Vr::OB, vec![0, 1]);
        let is_directory = self.data_set.get(Tag(0x0004_1220)).is_some();
        for (tag, from, otherwise) in
            [(Tag(0x0002_0002), SOP_CLASS, "1.2.840.10008.1.3.10"), (Tag(0x0002_0003), SOP_INSTANCE, IMPLEMENTATION_CLASS_UID)]
        {
            let stated = self.data_set.text(from);
            if !stated.is_empty() {
                meta.set_uid(tag, &stated);
            } else if meta.get(tag).is_none() {
                if !is_directory {
                    return Err(WriteError::Missing(from));
                }
                meta.set_uid(tag, otherwise);
            }
        }
        meta.set_uid(Tag(0x0002_0010), &self.syntax.uid);
        meta.set_uid(Tag(0x0002_0012), IMPLEMENTATION_CLASS_UID);
        meta.set_text(Tag(0x0002_0013), Vr::SH, IMPLEMENTATION_VERSION_NAME);
        let encoded = super::encode(&meta, Encoding::ExplicitLittle, Lengths::Explicit)?;
        let mut group_length = OwnedDataSet::new();
        group_length.set_u32(Tag(0x0002_0000), &[encoded.len() as u32]);
        encode_into(out, &group_length, Encoding::ExplicitLittle, Lengths::Explicit)?;
        out.extend_from_slice(&encoded);
        Ok(())
    }
}

fn no_fragments(data_set: &OwnedDataSet, depth: usize) -> Result<(), WriteError> {
    if depth > 257 {
        return Err(WriteError::TooDeep);
    }
    for element in data_set.elements() {
        match &element.value {
            OwnedValue::Fragments(_) => return Err(WriteError::Fragments(element.tag)),
            OwnedValue::Items(items) => items.iter().try_for_each(|item| no_fragments(item, depth + 1))?,
            OwnedValue::Bytes(_) => {}
        }
    }
    Ok(())
}
