//! Data sets and elements as views over a file.

use std::borrow::Cow;

use crate::{
    charset::CharacterSet,
    dictionary::{self, Attribute},
    file::DicomFile,
    parse::{Node, NodeKind},
    tag::Tag,
    value,
    vr::Vr,
};

/// Elements that may stand before Specific Character Set; a directory record has some.
const MOST_BEFORE_CHARACTER_SET: usize = 64;
/// Elements of one file that are looked at by tag: a few seconds.
const MOST_LOOKED_AT: u64 = 2_000_000_000;

/// A data set: that of the file, its meta information, or an item of a sequence.
#[derive(Clone, Copy)]
pub struct DataSet<'f> {
    file: &'f DicomFile,
    first: u32,
    end: u32,
    character_set: CharacterSet,
}

impl<'f> DataSet<'f> {
    pub(crate) fn new(file: &'f DicomFile, first: u32, end: u32, character_set: CharacterSet) -> Self {
        Self { file, first, end, character_set }
    }

    /// The same with what Specific Character Set in it says.
    pub(crate) fn with_own_character_set(self) -> Self {
        // Data sets are in order of their tags, and this one is among the first.
        let first = self.elements().take(MOST_BEFORE_CHARACTER_SET);
        let own = first.take_while(|element| element.tag().0 <= 0x0008_0005).find(|element| element.tag().0 == 0x0008_0005);
        match own {
            Some(element) => Self { character_set: CharacterSet::parse(element.bytes()), ..self },
            None => self,
        }
    }

    /// The first of its nodes, and the one behind its last.
    pub(crate) fn nodes(&self) -> (u32, u32) {
        (self.first, self.end)
    }

    /// The character set of the texts in it.
    pub fn character_set(&self) -> CharacterSet {
        self.character_set
    }

    /// The elements, in order.
    pub fn elements(&self) -> Elements<'f> {
        Elements { data_set: *self, at: self.first }
    }

    /// The element of that tag, the first of several.
    ///
    /// Looking for elements again and again in a data set of millions would never end: of one file so many elements are looked at, and no more are found then.
    /// No real file comes near.
    pub fn get(&self, tag: Tag) -> Option<Element<'f>> {
        if self.file.looked_at() > MOST_LOOKED_AT {
            return None;
        }
        let mut count = 0;
        let found = self.elements().inspect(|_| count += 1).find(|element| element.tag() == tag);
        self.file.look_at(count);
        found
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.first >= self.end
    }

    /// The items of the sequence of that tag; none if there is no such sequence.
    pub fn items(&self, tag: Tag) -> Items<'f> {
        match self.get(tag) {
            Some(element) => element.items(),
            None => Items { data_set: *self, at: 0, end: 0 },
        }
    }

    /// The first item of the sequence of that tag.
    pub fn item(&self, tag: Tag) -> Option<DataSet<'f>> {
        self.items(tag).next()
    }

    /// The text of an element, trimmed; `None` where it is absent or empty.
    pub fn text(&self, tag: Tag) -> Option<Cow<'f, str>> {
        self.get(tag)?.text().filter(|text| !text.is_empty())
    }

    /// The first number of an element.
    pub fn integer(&self, tag: Tag) -> Option<i64> {
        self.get(tag)?.integer()
    }

    /// The first number of an element.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.get(tag)?.number()
    }

    /// All numbers of an element.
    pub fn numbers(&self, tag: Tag) -> Vec<f64> {
        self.get(tag).map(|element| element.numbers()).unwrap_or_default()
    }

    /// Where an item begins: its tag. Of other data sets, where they begin.
    pub fn offset(&self) -> usize {
        match self.first.checked_sub(1).and_then(|around| self.file.node(around)).filter(|node| node.kind == NodeKind::Item) {
            Some(item) => (item.start as usize).saturating_sub(usize::from(item.header)),
            None => self.file.data_set_offset(),
        }
    }

    /// The file that it is in.
    pub fn file(&self) -> &'f DicomFile {
        self.file
    }

    /// The creator that a private element belongs to: the text of the element that reserves its block.
    pub fn private_creator(&self, tag: Tag) -> Option<Cow<'f, str>> {
        self.text(tag.creator()?)
    }
}

impl<'f> IntoIterator for DataSet<'f> {
    type Item = Element<'f>;
    type IntoIter = Elements<'f>;

    fn into_iter(self) -> Elements<'f> {
        self.elements()
    }
}

impl std::fmt::Debug for DataSet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataSet").field("first", &self.first).field("end", &self.end).finish_non_exhaustive()
    }
}

/// The elements of a data set.
#[derive(Debug, Clone)]
pub struct Elements<'f> {
    data_set: DataSet<'f>,
    at: u32,
}

impl<'f> Iterator for Elements<'f> {
    type Item = Element<'f>;

    #[inline]
    fn next(&mut self) -> Option<Element<'f>> {
        if self.at >= self.data_set.end {
            return None;
        }
        let place = self.at;
        let node = self.data_set.file.node(place)?;
        self.at = node.end;
        Some(Element { data_set: self.data_set, place, node })
    }
}

/// The items of a sequence.
#[derive(Debug, Clone)]
pub struct Items<'f> {
    data_set: DataSet<'f>,
    at: u32,
    end: u32,
}

impl<'f> Iterator for Items<'f> {
    type Item = DataSet<'f>;

    fn next(&mut self) -> Option<DataSet<'f>> {
        if self.at >= self.end {
            return None;
        }
        let node = self.data_set.file.node(self.at)?;
        let item = DataSet { first: self.at + 1, end: node.end, ..self.data_set };
        self.at = node.end;
        Some(item.with_own_character_set())
    }
}

/// A data element.
#[derive(Clone, Copy)]
pub struct Element<'f> {
    data_set: DataSet<'f>,
    place: u32,
    node: &'f Node,
}

impl<'f> Element<'f> {
    /// Its tag.
    #[inline]
    pub fn tag(&self) -> Tag {
        self.node.tag
    }

    /// Its value representation: as written, as the dictionary has it for implicit VR and known elements written as `UN`.
    #[inline]
    pub fn vr(&self) -> Vr {
        self.node.vr
    }

    /// Its value as written; of a sequence, all of its content.
    #[inline]
    pub fn bytes(&self) -> &'f [u8] {
        let start = self.node.start as usize;
        self.data_set.file.bytes().get(start..start + self.node.length as usize).unwrap_or_default()
    }

    /// Where the value begins in [`DicomFile::bytes`].
    pub fn offset(&self) -> usize {
        self.node.start as usize
    }

    /// Where the element begins: its tag.
    pub fn header_offset(&self) -> usize {
        (self.node.start as usize).saturating_sub(usize::from(self.node.header))
    }

    /// Bytes of the value. Of undefined length, those up to the delimiter.
    pub fn length(&self) -> usize {
        self.node.length as usize
    }

    /// Whether the length was written as undefined.
    pub fn has_undefined_length(&self) -> bool {
        self.node.is_undefined()
    }

    /// Whether it was written as `UN` though it is known to be something else.
    pub fn was_unknown(&self) -> bool {
        self.node.was_un()
    }

    /// Whether numbers have their most significant byte first.
    #[inline]
    pub fn is_big_endian(&self) -> bool {
        self.node.is_big()
    }

    /// Whether it is a sequence of items.
    pub fn is_sequence(&self) -> bool {
        self.node.kind == NodeKind::Sequence
    }

    /// Whether it is pixel data in fragments.
    pub fn is_fragments(&self) -> bool {
        self.node.kind == NodeKind::Fragments
    }

    /// What the dictionary knows of it.
    pub fn attribute(&self) -> Option<&'static Attribute> {
        dictionary::attribute(self.node.tag)
    }

    /// The data set that it is in.
    pub fn data_set(&self) -> DataSet<'f> {
        self.data_set
    }

    /// The items of a sequence; none of anything else.
    pub fn items(&self) -> Items<'f> {
        let end = if self.is_sequence() { self.node.end } else { 0 };
        Items { data_set: self.data_set, at: self.place + 1, end }
    }

    /// Offset and length of each fragment, the offset table first.
    pub fn fragments(&self) -> impl Iterator<Item = (usize, usize)> + use<'f> {
        let end = if self.is_fragments() { self.node.end } else { 0 };
        let file = self.data_set.file;
        (self.place + 1..end).filter_map(move |place| file.node(place)).map(|node| (node.start as usize, node.length as usize))
    }

    /// The value as text, trimmed of padding; several values have a backslash between them. Numbers are written out. `None` for sequences and opaque bytes.
    pub fn text(&self) -> Option<Cow<'f, str>> {
        if self.node.vr.is_text() {
            return Some(value::trimmed(self.raw_text(), self.node.vr));
        }
        if self.node.kind != NodeKind::Element {
            return None;
        }
        let mut text = String::new();
        value::write_numbers(self.vr(), self.bytes(), self.is_big_endian(), &mut text)?;
        Some(Cow::Owned(text))
    }

    /// As [`Element::text`]; numbers are written into `scratch`, in the place of what is there.
    pub(crate) fn text_in<'s>(&self, scratch: &'s mut String) -> Option<Cow<'s, str>>
    where
        'f: 's,
    {
        if self.node.vr.is_text() || self.node.kind != NodeKind::Element {
            return self.text();
        }
        scratch.clear();
        value::write_numbers(self.vr(), self.bytes(), self.is_big_endian(), scratch)?;
        Some(Cow::Borrowed(scratch))
    }

    /// The text as decoded, with its padding.
    pub(crate) fn raw_text(&self) -> Cow<'f, str> {
        if self.node.vr.has_character_set() {
            self.data_set.character_set.decode(self.bytes(), self.node.vr == Vr::PN).0
        } else {
            CharacterSet::default().decode(self.bytes(), false).0
        }
    }

    /// The first value as a whole number.
    pub fn integer(&self) -> Option<i64> {
        value::integer(self.vr(), self.bytes(), self.is_big_endian())
    }

    /// The first value as a number.
    pub fn number(&self) -> Option<f64> {
        value::number(self.vr(), self.bytes(), self.is_big_endian())
    }

    /// The value at a place among several, from 0, as a number.
    pub fn number_at(&self, place: usize) -> Option<f64> {
        value::number_at(self.vr(), self.bytes(), self.is_big_endian(), place)
    }

    /// All values as numbers; what is none is left out.
    pub fn numbers(&self) -> Vec<f64> {
        value::numbers(self.vr(), self.bytes(), self.is_big_endian())
    }
}

impl std::fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Element").field("tag", &self.tag()).field("vr", &self.vr()).field("length", &self.length()).finish_non_exhaustive()
    }
}
