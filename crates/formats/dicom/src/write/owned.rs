//! Data sets that can be changed.

use std::{borrow::Cow, fmt, fmt::Write as _};

use bytes::Bytes;

use crate::{
    charset::CharacterSet,
    element::{DataSet, Element},
    tag::Tag,
    value,
    vr::Vr,
};

const SPECIFIC_CHARACTER_SET: Tag = Tag(0x0008_0005);
pub(super) const BITS_ALLOCATED: Tag = Tag(0x0028_0100);

/// A data set that can be changed: elements in order of their tags, each tag once.
///
/// Binary numbers are little endian whatever the file had. Texts are in the character set that the data set, or the one around it, names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnedDataSet {
    elements: Vec<OwnedElement>,
}

/// An element of it.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedElement {
    /// Its tag.
    pub tag: Tag,
    /// Its value representation.
    pub vr: Vr,
    /// Its value.
    pub value: OwnedValue,
}

/// The value of an element.
#[derive(Clone, PartialEq, Eq)]
pub enum OwnedValue {
    /// Bytes, numbers little endian. An odd number of them is padded when written.
    Bytes(Bytes),
    /// The items of a sequence.
    Items(Vec<OwnedDataSet>),
    /// Pixel data in fragments, the offset table first.
    Fragments(Vec<Bytes>),
}

impl OwnedValue {
    /// A value of no bytes.
    pub const EMPTY: OwnedValue = OwnedValue::Bytes(Bytes::new());

    /// The bytes; none of sequences and fragments.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Items(_) | Self::Fragments(_) => &[],
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Items(items) => items.is_empty(),
            Self::Fragments(fragments) => fragments.is_empty(),
        }
    }
}

impl OwnedElement {
    /// The element as it is in a file: shares its buffer, except where numbers are big endian.
    pub fn of(element: &Element<'_>) -> Self {
        let value =
            if element.is_sequence() { OwnedValue::Items(element.items().map(OwnedDataSet::of).collect()) } else { plain_value(element) };
        let vr = if element.is_fragments() { Vr::OB } else { element.vr() };
        Self { tag: element.tag(), vr, value }
    }

    /// The value as ASCII text, trimmed; a person's texts may be in other character sets, see [`OwnedElement::text_in`].
    pub fn text(&self) -> Cow<'_, str> {
        self.text_in(CharacterSet::default())
    }

    /// The value as text, trimmed.
    pub fn text_in(&self, character_set: CharacterSet) -> Cow<'_, str> {
        value::trimmed(character_set.decode(self.value.bytes(), self.vr == Vr::PN).0, self.vr)
    }

    /// The first number.
    pub fn integer(&self) -> Option<i64> {
        value::integer(self.vr, self.value.bytes(), false)
    }
}

fn plain_value(element: &Element<'_>) -> OwnedValue {
    let file = element.data_set().file();
    let part = |offset: usize, length: usize| {
        let end = offset.saturating_add(length).min(file.bytes().len());
        file.bytes().slice(offset.min(end)..end)
    };
    if element.is_fragments() {
        return OwnedValue::Fragments(element.fragments().map(|(offset, length)| part(offset, length)).collect());
    }
    let bytes = part(element.offset(), element.length());
    if !element.is_big_endian() {
        return OwnedValue::Bytes(bytes);
    }
    let bits = if element.tag() == Tag::PIXEL_DATA { element.data_set().integer(BITS_ALLOCATED) } else { None };
    match swap_unit(element.tag(), element.vr(), bits) {
        Some(unit) => OwnedValue::Bytes(swapped(&bytes, unit).into()),
        None => OwnedValue::Bytes(bytes),
    }
}

/// Bytes that change places between little and big endian: those of one number. A tag is two numbers; pixels of 32 bits and more are in `OW` as well.
pub(super) fn swap_unit(tag: Tag, vr: Vr, bits_allocated: Option<i64>) -> Option<usize> {
    match (vr, bits_allocated) {
        (Vr::AT, _) => Some(2),
        (Vr::OW, Some(32)) if tag == Tag::PIXEL_DATA => Some(4),
        (Vr::OW, Some(64)) if tag == Tag::PIXEL_DATA => Some(8),
        _ => vr.number_bytes(),
    }
}

/// The other byte order. What is left over at the end stays as it is.
pub(super) fn swapped(bytes: &[u8], unit: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    out
}

impl OwnedDataSet {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy that shares the buffer of the file. Out of order elements are put in order, of several with one tag the first stays, and group lengths
    /// (retired, and wrong after any change) are left out.
    pub fn of(data_set: DataSet<'_>) -> Self {
        let elements = data_set.elements().filter(|element| element.tag().element() != 0).map(|element| OwnedElement::of(&element));
        Self::from_elements(elements.collect())
    }

    /// The same with every text in UTF-8, and Specific Character Set saying so (`ISO_IR 192`) where it said anything or there is text that is not ASCII.
    pub fn of_utf8(data_set: DataSet<'_>) -> Self {
        let mut has_others = false;
        let mut owned = in_utf8(data_set, &mut has_others);
        if has_others || data_set.get(SPECIFIC_CHARACTER_SET).is_some() {
            owned.set_text(SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 192");
        }
        owned
    }

    /// From elements in any order; of several with one tag the first stays.
    pub fn from_elements(mut elements: Vec<OwnedElement>) -> Self {
        if !elements.windows(2).all(|pair| pair[0].tag < pair[1].tag) {
            elements.sort_by_key(|element| element.tag);
            elements.dedup_by_key(|element| element.tag);
        }
        Self { elements }
    }

    /// The elements, in order of their tags.
    pub fn elements(&self) -> &[OwnedElement] {
        &self.elements
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    fn place(&self, tag: Tag) -> Result<usize, usize> {
        self.elements.binary_search_by_key(&tag, |element| element.tag)
    }

    /// The element of that tag.
    pub fn get(&self, tag: Tag) -> Option<&OwnedElement> {
        self.place(tag).ok().map(|place| &self.elements[place])
    }

    /// The value of the element of that tag, to change it.
    pub fn value_mut(&mut self, tag: Tag) -> Option<&mut OwnedValue> {
        self.place(tag).ok().map(|place| &mut self.elements[place].value)
    }

    /// The text of an element, trimmed, read as ASCII or UTF-8; empty where there is none.
    pub fn text(&self, tag: Tag) -> Cow<'_, str> {
        self.get(tag).map(OwnedElement::text).unwrap_or_default()
    }

    /// The items of a sequence; none if there is no such sequence.
    pub fn items(&self, tag: Tag) -> &[OwnedDataSet] {
        match self.get(tag).map(|element| &element.value) {
            Some(OwnedValue::Items(items)) => items,
            _ => &[],
        }
    }

    /// Removes an element, and gives it.
    pub fn remove(&mut self, tag: Tag) -> Option<OwnedElement> {
        self.place(tag).ok().map(|place| self.elements.remove(place))
    }

    /// Keeps the elements that the function says yes to.
    pub fn retain(&mut self, keep: impl FnMut(&OwnedElement) -> bool) {
        self.elements.retain(keep);
    }

    /// Adds an element, or puts it in the place of the one with its tag.
    pub fn put(&mut self, element: OwnedElement) {
        match self.place(element.tag) {
            Ok(place) => self.elements[place] = element,
            Err(place) => self.elements.insert(place, element),
        }
    }

    /// Sets bytes, numbers little endian.
    pub fn set_bytes(&mut self, tag: Tag, vr: Vr, bytes: impl Into<Bytes>) {
        self.put(OwnedElement { tag, vr, value: OwnedValue::Bytes(bytes.into()) });
    }

    /// Sets a value of no length.
    pub fn set_empty(&mut self, tag: Tag, vr: Vr) {
        let value = if vr == Vr::SQ { OwnedValue::Items(Vec::new()) } else { OwnedValue::EMPTY };
        self.put(OwnedElement { tag, vr, value });
    }

    /// Sets a text; several values have a backslash between them. What is not ASCII needs a data set in UTF-8 (`ISO_IR 192`).
    pub fn set_text(&mut self, tag: Tag, vr: Vr, text: &str) {
        self.set_bytes(tag, vr, text.as_bytes().to_vec());
    }

    /// Sets a unique identifier.
    pub fn set_uid(&mut self, tag: Tag, uid: &str) {
        self.set_text(tag, Vr::UI, uid);
    }

    /// Sets numbers of 16 bits without sign (`US`).
    pub fn set_u16(&mut self, tag: Tag, numbers: &[u16]) {
        self.set_bytes(tag, Vr::US, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
    }

    /// Sets numbers of 16 bits with sign (`SS`).
    pub fn set_i16(&mut self, tag: Tag, numbers: &[i16]) {
        self.set_bytes(tag, Vr::SS, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
    }

    /// Sets numbers of 32 bits without sign (`UL`).
    pub fn set_u32(&mut self, tag: Tag, numbers: &[u32]) {
        self.set_bytes(tag, Vr::UL, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
    }

    /// Sets numbers of 32 bits with sign (`SL`).
    pub fn set_i32(&mut self, tag: Tag, numbers: &[i32]) {
        self.set_bytes(tag, Vr::SL, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
    }

    /// Sets floating point numbers of 32 bits (`FL`).
    pub fn set_f32(&mut self, tag: Tag, numbers: &[f32]) {
        self.set_bytes(tag, Vr::FL, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
    }

    /// Sets floating point numbers of 64 bits (`FD`).
    pub fn set_f64(&mut self, tag: Tag, numbers: &[f64]) {
        self.set_bytes(tag, Vr::FD, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
    }

    /// Sets integer strings (`IS`).
    pub fn set_integers(&mut self, tag: Tag, numbers: &[i32]) {
        let text: Vec<String> = numbers.iter().map(i32::to_string).collect();
        self.set_text(tag, Vr::IS, &text.join("\\"));
    }

    /// Sets decimal strings (`DS`): at most 16 characters each, so that the last digits of some are rounded off.
    pub fn set_decimals(&mut self, tag: Tag, numbers: &[f64]) {
        let text: Vec<String> = numbers.iter().map(|number| decimal_string(*number)).collect();
        self.set_text(tag, Vr::DS, &text.join("\\"));
    }

    /// Sets the items of a sequence.
    pub fn set_items(&mut self, tag: Tag, items: Vec<OwnedDataSet>) {
        self.put(OwnedElement { tag, vr: Vr::SQ, value: OwnedValue::Items(items) });
    }

    /// Sets pixel data in fragments, the offset table first (it may be empty).
    pub fn set_fragments(&mut self, tag: Tag, fragments: Vec<Bytes>) {
        self.put(OwnedElement { tag, vr: Vr::OB, value: OwnedValue::Fragments(fragments) });
    }
}

/// The number in at most 16 characters; what is none (infinite) is 0.
fn decimal_string(number: f64) -> String {
    if !number.is_finite() {
        return "0".to_owned();
    }
    let mut text = number.to_string();
    let mut digits = 16;
    while text.len() > 16 && digits > 0 {
        digits -= 1;
        text.clear();
        let magnitude = number.abs();
        // Writing to a string does not fail.
        let _ = if (1e-4..1e15).contains(&magnitude) { write!(text, "{number:.digits$}") } else { write!(text, "{number:.digits$e}") };
    }
    // Rounded up, the largest numbers would be infinite.
    if text.parse().is_ok_and(f64::is_infinite) { decimal_string(number * (1.0 - 1e-9)) } else { text }
}

/// With every text in UTF-8 and no Specific Character Set. `has_others`: set where a text is not ASCII.
fn in_utf8(data_set: DataSet<'_>, has_others: &mut bool) -> OwnedDataSet {
    let is_wanted = |element: &Element<'_>| element.tag().element() != 0 && element.tag() != SPECIFIC_CHARACTER_SET;
    let elements = data_set.elements().filter(is_wanted).map(|element| {
        let value = if element.is_sequence() {
            OwnedValue::Items(element.items().map(|item| in_utf8(item, has_others)).collect())
        } else if element.vr().has_character_set() && !is_plain(element.bytes()) {
            *has_others = true;
            OwnedValue::Bytes(element.raw_text().into_owned().into())
        } else {
            plain_value(&element)
        };
        let vr = if element.is_fragments() { Vr::OB } else { element.vr() };
        OwnedElement { tag: element.tag(), vr, value }
    });
    OwnedDataSet::from_elements(elements.collect())
}

/// Whether the text is the same in every character set: ASCII without escape sequences.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.is_ascii() && memchr::memchr(0x1B, bytes).is_none()
}

impl fmt::Debug for OwnedDataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.elements).finish()
    }
}

impl fmt::Debug for OwnedElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are the patient's.
        f.debug_struct("OwnedElement").field("tag", &self.tag).field("vr", &self.vr).field("value", &self.value).finish()
    }
}

impl fmt::Debug for OwnedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Items(items) => f.debug_tuple("Items").field(items).finish(),
            Self::Fragments(fragments) => write!(f, "Fragments({})", fragments.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_kept_in_order_and_once() {
        let mut data_set = OwnedDataSet::new();
        data_set.set_text(Tag(0x0010_0020), Vr::LO, "B");
        data_set.set_uid(Tag(0x0008_0018), "1.2");
        data_set.set_text(Tag(0x0010_0020), Vr::LO, "C");
        data_set.set_u16(Tag(0x0028_0010), &[512]);
        let tags: Vec<_> = data_set.elements().iter().map(|element| element.tag.0).collect();
        assert_eq!(tags, [0x0008_0018, 0x0010_0020, 0x0028_0010]);
        assert_eq!((data_set.text(Tag(0x0010_0020)).as_ref(), data_set.get(Tag(0x0028_0010)).unwrap().integer()), ("C", Some(512)));
        assert!(data_set.remove(Tag(0x0010_0020)).is_some() && data_set.get(Tag(0x0010_0020)).is_none());
        assert!(!format!("{data_set:?}").contains("1.2"));
    }

    #[test]
    fn decimal_strings_have_sixteen_characters() {
        for (number, text) in [(0.5, "0.5"), (-1.0 / 3.0, "-0.3333333333333"), (1e300, "1e300"), (f64::NAN, "0")] {
            assert!(decimal_string(number).len() <= 16);
            let back: f64 = decimal_string(number).parse().unwrap();
            let expected: f64 = text.parse().unwrap();
            assert!((back - expected).abs() <= expected.abs() * 1e-9, "{number}");
        }
        for number in [std::f64::consts::PI * 1e-200, -std::f64::consts::E * 1e14, f64::MIN, f64::MIN_POSITIVE, 123_456_789.123_456] {
            let text = decimal_string(number);
            assert!(text.len() <= 16, "{text}");
            assert!((text.parse::<f64>().unwrap() - number).abs() <= number.abs() * 1e-8, "{text}");
        }
    }
}
