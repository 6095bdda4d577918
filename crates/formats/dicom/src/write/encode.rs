//! A data set as bytes (PS3.5 section 7).

use super::{
    OwnedDataSet, OwnedElement, OwnedValue, WriteError,
    owned::{BITS_ALLOCATED, swap_unit, swapped},
};
use crate::{syntax::Encoding, tag::Tag, vr::Vr};

/// Sequences inside one another that are written; more than the reader's highest limit.
const MOST_DEPTH: usize = 257;
const UNDEFINED: u32 = u32::MAX;

/// How the ends of sequences and items are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lengths {
    /// By length.
    #[default]
    Explicit,
    /// By delimiters.
    Undefined,
}

/// Writes a data set.
///
/// A text longer than its value representation can state in explicit VR is written as `UN` (PS3.5 section 6.2.2).
///
/// # Errors
/// When something is longer than 32 bits can say, or nested too deeply.
pub fn encode(data_set: &OwnedDataSet, encoding: Encoding, lengths: Lengths) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::with_capacity(room_of(data_set, 0));
    encode_into(&mut out, data_set, encoding, lengths)?;
    Ok(out)
}

/// The same, behind what is there.
pub(super) fn encode_into(out: &mut Vec<u8>, data_set: &OwnedDataSet, encoding: Encoding, lengths: Lengths) -> Result<(), WriteError> {
    Encoder { out, encoding, lengths }.data_set(data_set, 0)
}

/// As many bytes as it will take, or a few more.
pub(super) fn room_of(data_set: &OwnedDataSet, depth: usize) -> usize {
    if depth > MOST_DEPTH {
        return 0;
    }
    let of_value = |value: &OwnedValue| match value {
        OwnedValue::Bytes(bytes) => bytes.len() + 1,
        OwnedValue::Items(items) => items.iter().map(|item| 16 + room_of(item, depth + 1)).sum::<usize>() + 8,
        OwnedValue::Fragments(fragments) => fragments.iter().map(|fragment| fragment.len() + 9).sum::<usize>() + 8,
    };
    data_set.elements().iter().map(|element| 12 + of_value(&element.value)).sum()
}

struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    encoding: Encoding,
    lengths: Lengths,
}

impl Encoder<'_> {
    fn data_set(&mut self, data_set: &OwnedDataSet, depth: usize) -> Result<(), WriteError> {
        if depth > MOST_DEPTH {
            return Err(WriteError::TooDeep);
        }
        let bits = if self.encoding.is_big() { data_set.get(BITS_ALLOCATED).and_then(OwnedElement::integer) } else { None };
        data_set.elements().iter().try_for_each(|element| self.element(element, bits, depth))
    }

    fn element(&mut self, element: &OwnedElement, bits: Option<i64>, depth: usize) -> Result<(), WriteError> {
        match &element.value {
            OwnedValue::Bytes(bytes) => self.bytes(element.tag, element.vr, bits, bytes),
            OwnedValue::Items(items) => self.sequence(element.tag, items, depth),
            OwnedValue::Fragments(fragments) => {
                self.header(element.tag, Vr::OB, UNDEFINED);
                for fragment in fragments {
                    let length = u32::try_from(fragment.len() + fragment.len() % 2).map_err(|_| WriteError::TooLong(element.tag))?;
                    self.item(Tag::ITEM, length);
                    self.out.extend_from_slice(fragment);
                    self.pad(fragment.len(), 0);
                }
                self.item(Tag::SEQUENCE_END, 0);
                Ok(())
            }
        }
    }

    fn bytes(&mut self, tag: Tag, vr: Vr, bits: Option<i64>, bytes: &[u8]) -> Result<(), WriteError> {
        let length = bytes.len() + bytes.len() % 2;
        let length = u32::try_from(length).ok().filter(|length| *length != UNDEFINED).ok_or(WriteError::TooLong(tag))?;
        let fits = self.encoding.is_implicit() || vr.has_long_length() || length <= 0xFFFE;
        self.header(tag, if fits { vr } else { Vr::UN }, length);
        match swap_unit(tag, vr, bits).filter(|_| self.encoding.is_big() && fits) {
            Some(unit) => self.out.extend_from_slice(&swapped(bytes, unit)),
            None => self.out.extend_from_slice(bytes),
        }
        self.pad(bytes.len(), padding(vr));
        Ok(())
    }

    fn sequence(&mut self, tag: Tag, items: &[OwnedDataSet], depth: usize) -> Result<(), WriteError> {
        if self.lengths == Lengths::Undefined && !items.is_empty() {
            self.header(tag, Vr::SQ, UNDEFINED);
            for item in items {
                self.item(Tag::ITEM, UNDEFINED);
                self.data_set(item, depth + 1)?;
                self.item(Tag::ITEM_END, 0);
            }
            self.item(Tag::SEQUENCE_END, 0);
            return Ok(());
        }
        self.header(tag, Vr::SQ, 0);
        let sequence = self.out.len();
        for item in items {
            self.item(Tag::ITEM, 0);
            let start = self.out.len();
            self.data_set(item, depth + 1)?;
            self.settle(tag, start)?;
        }
        self.settle(tag, sequence)
    }

    /// Writes the length of what begins at `start` into the four bytes before it.
    fn settle(&mut self, tag: Tag, start: usize) -> Result<(), WriteError> {
        let length = u32::try_from(self.out.len() - start).ok().filter(|length| *length != UNDEFINED).ok_or(WriteError::TooLong(tag))?;
        let bytes = if self.encoding.is_big() { length.to_be_bytes() } else { length.to_le_bytes() };
        if let Some(place) = self.out.get_mut(start - 4..start) {
            place.copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn header(&mut self, tag: Tag, vr: Vr, length: u32) {
        self.tag(tag);
        if self.encoding.is_implicit() {
            return self.u32(length);
        }
        self.out.extend_from_slice(vr.code().as_bytes());
        if vr.has_long_length() {
            self.out.extend_from_slice(&[0, 0]);
            self.u32(length);
        } else {
            self.u16(length as u16);
        }
    }

    fn item(&mut self, tag: Tag, length: u32) {
        self.tag(tag);
        self.u32(length);
    }

    fn tag(&mut self, tag: Tag) {
        self.u16(tag.group());
        self.u16(tag.element());
    }

    fn u16(&mut self, number: u16) {
        self.out.extend_from_slice(&if self.encoding.is_big() { number.to_be_bytes() } else { number.to_le_bytes() });
    }

    fn u32(&mut self, number: u32) {
        self.out.extend_from_slice(&if self.encoding.is_big() { number.to_be_bytes() } else { number.to_le_bytes() });
    }

    fn pad(&mut self, length: usize, with: u8) {
        if length % 2 == 1 {
            self.out.push(with);
        }
    }
}

/// What a value of odd length is padded with (PS3.5 section 6.2).
fn padding(vr: Vr) -> u8 {
    if vr.is_text() && vr != Vr::UI { b' ' } else { 0 }
}
