//! Values of many bytes beside the pixels: no longer than they say they are, and no others than those of a known layout.

use bytes::Bytes;
use sutura_dicom::{
    DataSet, DicomFile, Tag, Vr,
    write::{OwnedDataSet, OwnedElement, OwnedValue},
};

use super::{STRIPPED, icc};
use crate::{dicom::proof::Proof, error::DeidError};

const WAVEFORM_SEQUENCE: Tag = Tag(0x5400_0100);
const ICC_PROFILE: Tag = Tag(0x0028_2000);
const LUT_DATA: Tag = Tag(0x0028_3006);
const NO_LAYOUT: &str = "no-layout";

/// Refuses recorded voices: a voice is an identifier, and what it says is not known.
///
/// # Errors
/// When the file is one.
pub(crate) fn refuse_audio(file: &DicomFile) -> Result<(), DeidError> {
    let data_set = file.data_set();
    let text = |tag| data_set.text(Tag(tag)).unwrap_or_default();
    let is_audio = text(0x0008_0016).starts_with("1.2.840.10008.5.1.4.1.1.9.4.") || text(0x0008_0060) == "AU";
    // These two are codes of telephones.
    let is_voice = |item: DataSet<'_>| matches!(item.text(Tag(0x5400_1006)).as_deref(), Some("MB" | "AB"));
    if is_audio || data_set.items(WAVEFORM_SEQUENCE).any(is_voice) { Err(DeidError::Audio) } else { Ok(()) }
}

/// Cuts what is longer than it says, and removes what nothing says the layout of. Pixels of the image itself are done elsewhere.
pub(crate) fn strip(data_set: &mut OwnedDataSet, proof: &mut Proof) {
    within(data_set, &mut Vec::new(), proof);
}

fn within(data_set: &mut OwnedDataSet, path: &mut Vec<Tag>, proof: &mut Proof) {
    let is_bulky = |vr| matches!(vr, Vr::OB | Vr::OW | Vr::OF | Vr::OD | Vr::OL | Vr::OV | Vr::UN | Vr::SQ);
    let elements = data_set.elements().iter().filter(|element| is_bulky(element.vr) || element.tag == LUT_DATA);
    let tags: Vec<Tag> = elements.map(|element| element.tag).collect();
    for tag in tags {
        path.push(tag);
        if let Some(OwnedValue::Items(items)) = data_set.value_mut(tag) {
            for item in items {
                within(item, path, proof);
            }
        } else {
            match layout(data_set, tag, path.len() == 1) {
                Layout::Free => {}
                Layout::Bytes(most) => cut(data_set, tag, most, path, proof),
                Layout::Profile => profile(data_set, path, proof),
                Layout::None => {
                    data_set.remove(tag);
                    proof.record(path, "removed", NO_LAYOUT);
                }
            }
        }
        path.pop();
    }
}

enum Layout {
    /// Numbers, as many as the object has points or pixels.
    Free,
    /// At most so many bytes.
    Bytes(usize),
    /// A colour profile.
    Profile,
    /// Nobody knows.
    None,
}

fn layout(data_set: &OwnedDataSet, tag: Tag, is_top: bool) -> Layout {
    let number = |tag: Tag| data_set.get(tag).and_then(OwnedElement::integer).and_then(|number| usize::try_from(number).ok());
    let product = |numbers: &[Option<usize>]| numbers.iter().try_fold(1usize, |all, number| all.checked_mul((*number)?));
    let bits = |numbers: &[Option<usize>]| product(numbers).map_or(Layout::None, |bits| Layout::Bytes(bits.div_ceil(8)));
    let table = |descriptor: Tag| entries(data_set, descriptor, tag).map_or(Layout::None, Layout::Bytes);
    match (tag.group(), tag.element()) {
        // The image's own pixels; no others, wherever they stand.
        (0x7FE0, 0x0001..=0x0003 | 0x0008 | 0x0009 | 0x0010) if is_top => Layout::Free,
        (0x7F00..=0x7FFF, _) => Layout::None,
        (0x0028, 0x2000) => Layout::Profile,
        (0x0028, element @ 0x1201..=0x1204) => table(Tag::new(0x0028, element - 0x0100)),
        (0x0028, element @ 0x1221..=0x1224) if data_set.get(Tag::new(0x0028, element - 0x0120)).is_some() => Layout::Free,
        (0x0028, 0x1408) => table(Tag(0x0028_1407)),
        (0x0028, 0x3006) => table(Tag(0x0028_3002)),
        (group, 0x3000) if group & 0xFF00 == 0x6000 => {
            let frames = number(Tag::new(group, 0x0015)).or(Some(1));
            bits(&[number(Tag::new(group, 0x0010)), number(Tag::new(group, 0x0011)), frames])
        }
        (0x5400, 0x1010) => bits(&[number(Tag(0x003A_0005)), number(Tag(0x003A_0010)), number(Tag(0x5400_1004))]),
        (0x5400, 0x0110 | 0x0112 | 0x100A) => Layout::Bytes(8),
        // What the document was is gone by now.
        (0x0042, 0x0011) => Layout::Free,
        // Outlines, maps, meshes, grids, spectra, lists of points: numbers, as many as there are points.
        (0x0018, 0x1638) | (0x0022, 0x1531) | (0x003A, 0x032E) | (0x0064, 0x0009) | (0x0066 | 0x006A | 0x0080 | 0x5600, _) => Layout::Free,
        (0x0070, 0x150D | 0x1A07) | (0x300A, 0x0664 | 0x0665 | 0x066B) => Layout::Free,
        // Dummies that were written in the place of what has to be there.
        _ if data_set.get(tag).is_some_and(|element| element.value.bytes().iter().all(|byte| *byte == 0)) => Layout::Free,
        _ => Layout::None,
    }
}

/// Bytes of a lookup table by its descriptor: number of entries, first, bits. Tables of 8 bits may have an entry in each word.
fn entries(data_set: &OwnedDataSet, descriptor: Tag, data: Tag) -> Option<usize> {
    let words = data_set.get(descriptor)?.value.bytes().as_chunks::<2>().0;
    let word = |place: usize| words.get(place).map(|two| usize::from(u16::from_le_bytes(*two)));
    let entries = match word(0)? {
        0 => 1 << 16,
        entries => entries,
    };
    let length = data_set.get(data)?.value.bytes().len();
    Some(if word(2)? > 8 || length >= 2 * entries { 2 * entries } else { entries })
}

fn cut(data_set: &mut OwnedDataSet, tag: Tag, most: usize, path: &[Tag], proof: &mut Proof) {
    let Some(OwnedValue::Bytes(bytes)) = data_set.value_mut(tag) else { return };
    let is_longer = !matches!(bytes.get(most..), None | Some([] | [0]));
    if bytes.len() > most {
        *bytes = bytes.slice(..most);
    }
    if is_longer {
        proof.record(path, STRIPPED, "longer-than-stated");
    }
}

fn profile(data_set: &mut OwnedDataSet, path: &[Tag], proof: &mut Proof) {
    let Some(OwnedValue::Bytes(bytes)) = data_set.value_mut(ICC_PROFILE) else { return };
    if bytes.is_empty() {
        return;
    }
    match icc::anew(bytes) {
        Some(out) => {
            if !matches!(bytes.strip_prefix(&out[..]), Some([] | [0])) {
                proof.record(path, STRIPPED, "colour-profile");
            }
            *bytes = Bytes::from(out);
        }
        None => {
            data_set.remove(ICC_PROFILE);
            proof.record(path, "removed", "colour-profile");
            proof.warn("colour-profile-removed");
        }
    }
}
