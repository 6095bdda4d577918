//! The pixel element written anew: frames and nothing else.
//!
//! What no viewer shows goes wherever the file goes: comments and metadata of cameras in coded frames, boxes around them, bytes behind their end, fragments of
//! no frame, a second image behind the frames that are stated, bits that no sample uses.

pub(crate) mod bulk;
mod icc;

use std::borrow::Cow;

use bytes::Bytes;
use sutura_dicom::{
    DicomFile, PixelCoding, Tag, Vr,
    codec::{self, Stripped},
    pixels::{FrameMap, PixelDescription, PixelError},
    write::{OwnedFile, OwnedValue},
};

use super::{options::CleanPixels, pixels::write_decoded, proof::Proof};
use crate::error::DeidError;

const PIXELS: [Tag; 3] = [Tag(0x7FE0_0008), Tag(0x7FE0_0009), Tag(0x7FE0_0010)];
const EXTENDED_OFFSETS: Tag = Tag(0x7FE0_0001);
const EXTENDED_LENGTHS: Tag = Tag(0x7FE0_0002);
/// Where coded frames are and how long they all are: of another pixel element these say nothing.
const TABLES: [Tag; 3] = [EXTENDED_OFFSETS, EXTENDED_LENGTHS, Tag(0x7FE0_0003)];
pub(super) const STRIPPED: &str = "stripped";

/// Writes the pixel element anew. Where nothing may be done to pixels, what is coded in a way that is not read here stays, with a warning.
///
/// # Errors
/// When the pixel data is cut off, or has to be looked at and cannot be.
pub(crate) fn pixel_data(file: &DicomFile, owned: &mut OwnedFile, how: CleanPixels, proof: &mut Proof) -> Result<(), DeidError> {
    if file.pixels_are_cut() {
        return Err(DeidError::CutPixels);
    }
    let was_extended = file.pixel_data().is_some_and(|element| element.is_fragments()) && owned.data_set.get(EXTENDED_OFFSETS).is_some();
    for table in TABLES {
        if owned.data_set.remove(table).is_some() {
            proof.record(&[table], if was_extended { STRIPPED } else { "removed" }, "offset-table");
        }
    }
    let Some(element) = file.pixel_data() else { return Ok(()) };
    let tag = element.tag();
    for other in PIXELS.into_iter().filter(|other| *other != tag) {
        if owned.data_set.remove(other).is_some() {
            proof.record(&[other], "removed", "second-pixel-data");
        }
    }
    if owned.data_set.get(tag).is_none() {
        return Ok(());
    }
    let done = PixelDescription::of(file).map_err(DeidError::from).and_then(|description| {
        if element.is_fragments() {
            fragments(file, owned, tag, &description, was_extended, proof)
        } else {
            native(file, owned, tag, &description, proof)
        }
    });
    match done {
        Err(_) if how == CleanPixels::No && !is_decoded_here(file) => {
            proof.warn("pixel-bytes-not-looked-at");
            Ok(())
        }
        done => done,
    }
}

/// Whether the frames are coded in a way that is decoded here: then what is not decoded is none of them.
fn is_decoded_here(file: &DicomFile) -> bool {
    let is_coded = file.pixel_data().is_some_and(|element| element.is_fragments());
    is_coded
        && !matches!(
            file.transfer_syntax().pixels,
            PixelCoding::Native | PixelCoding::Video | PixelCoding::Referenced | PixelCoding::Unknown
        )
}

/// Native pixels: the bytes of the frames, and of these the bits of samples.
fn native(file: &DicomFile, owned: &mut OwnedFile, tag: Tag, description: &PixelDescription, proof: &mut Proof) -> Result<(), DeidError> {
    // Of a transfer syntax that nobody knows it is not known that these are samples at all.
    if !file.transfer_syntax().is_known() && !file.transfer_syntax().uid.is_empty() {
        return Err(PixelError::Unsupported.into());
    }
    let Some(OwnedValue::Bytes(bytes)) = owned.data_set.value_mut(tag) else { return Ok(()) };
    let (is_new, kept) = match codec::strip_native(bytes, description)? {
        Cow::Owned(changed) => (true, Bytes::from(changed)),
        Cow::Borrowed(same) => (false, bytes.slice_ref(same)),
    };
    if is_new {
        proof.record(&[tag], STRIPPED, "unused-bits");
    }
    if !matches!(bytes.get(kept.len()..), Some([] | [0])) {
        proof.record(&[tag], STRIPPED, "not-of-a-frame");
    }
    *bytes = kept;
    Ok(())
}

/// Coded frames: each in one fragment, with new tables of where they are.
fn fragments(
    file: &DicomFile,
    owned: &mut OwnedFile,
    tag: Tag,
    description: &PixelDescription,
    was_extended: bool,
    proof: &mut Proof,
) -> Result<(), DeidError> {
    let map = FrameMap::with(file, description)?;
    if map.len() < description.frames {
        return Err(PixelError::Short.into());
    }
    let mut frames: Vec<Bytes> = Vec::with_capacity(description.frames + 1);
    frames.push(Bytes::new());
    let (mut is_new, mut length) = (false, 0);
    for number in 0..description.frames {
        let coded = map.bytes(file, number).ok_or(PixelError::Short)?;
        length += coded.len();
        match codec::strip(&coded, description)? {
            Stripped::AsItIs => frames.push(match coded {
                Cow::Borrowed(same) => file.bytes().slice_ref(same),
                Cow::Owned(joined) => joined.into(),
            }),
            Stripped::Anew(bytes) => {
                is_new = true;
                frames.push(bytes.into());
            }
            // Its coding cannot be told from what else is in it: what it decodes to can.
            Stripped::Decoded => {
                write_decoded(file, owned, tag, description, &map)?;
                proof.record(&[tag], STRIPPED, "decoded");
                return Ok(());
            }
        }
    }
    if is_new {
        proof.record(&[tag], STRIPPED, "not-of-the-image");
    }
    let (table, others) = tables_of(owned, tag);
    if others != length {
        proof.record(&[tag], STRIPPED, "not-of-a-frame");
    }
    let offsets = offsets(&frames[1..]);
    if !table.is_empty() && !is_of_the_frames(&table, &map) {
        proof.record(&[tag], STRIPPED, "offset-table");
    }
    let narrow: Option<Vec<u32>> = offsets.iter().map(|offset| u32::try_from(*offset).ok()).collect();
    match narrow {
        Some(narrow) if !was_extended && (description.frames > 1 || !table.is_empty()) => {
            frames[0] = narrow.iter().flat_map(|offset| offset.to_le_bytes()).collect::<Vec<_>>().into();
        }
        Some(_) if !was_extended => {}
        _ => {
            let bytes = |numbers: &mut dyn Iterator<Item = u64>| numbers.flat_map(u64::to_le_bytes).collect::<Vec<_>>();
            let lengths = bytes(&mut frames[1..].iter().map(|frame| frame.len() as u64));
            owned.data_set.set_bytes(EXTENDED_OFFSETS, Vr::OV, bytes(&mut offsets.iter().copied()));
            owned.data_set.set_bytes(EXTENDED_LENGTHS, Vr::OV, lengths);
        }
    }
    owned.data_set.set_fragments(tag, frames);
    Ok(())
}

/// The basic offset table as it was, and the bytes of all fragments behind it.
fn tables_of(owned: &OwnedFile, tag: Tag) -> (Bytes, usize) {
    match owned.data_set.get(tag).map(|element| &element.value) {
        Some(OwnedValue::Fragments(fragments)) => {
            let table = fragments.first().cloned().unwrap_or_default();
            (table, fragments.iter().skip(1).map(Bytes::len).sum())
        }
        _ => (Bytes::new(), 0),
    }
}

/// Where each frame begins: behind the header of the item of the first, each of even length and with a header of eight bytes.
fn offsets(frames: &[Bytes]) -> Vec<u64> {
    let mut at = 0;
    let place = |frame: &Bytes| {
        let place = at;
        at += 8 + frame.len().next_multiple_of(2) as u64;
        place
    };
    frames.iter().map(place).collect()
}

/// Whether a basic offset table says where the frames are, and nothing else.
fn is_of_the_frames(table: &[u8], map: &FrameMap) -> bool {
    let said = table.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four) as usize);
    let place = |number| map.place(number).and_then(|place| place.offset);
    let Some(first) = place(0) else { return false };
    table.len() == 4 * map.len() && said.enumerate().all(|(number, said)| place(number).is_some_and(|offset| offset - first == said))
}
