//! Elements as lines, and which of their values may be shown.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use sutura_core::PhiClass;
use sutura_dicom::{DataSet, Element, Tag, Vr, dictionary};

/// Characters of a value on a line; more are counted.
const MOST_CHARACTERS: usize = 160;
/// Bytes of a value that is shown at all.
const MOST_BYTES: usize = 64 << 10;
/// Bytes of a row of binary numbers that are written out.
const MOST_NUMBERS: usize = 2048;

/// Beginnings of the names that vendors and well-known programs reserve private blocks with. Other texts in that place may be anything.
const CREATORS: [&str; 24] = [
    "ACUSON",
    "AGFA",
    "BRUKER",
    "CANON",
    "CARESTREAM",
    "CTP",
    "DCMTK",
    "ELSCINT",
    "FUJI",
    "GEHC",
    "GEMS_",
    "GEIIS",
    "HITACHI",
    "HOLOGIC",
    "KODAK",
    "KONICA",
    "MITRA",
    "PHILIPS",
    "PMTF",
    "SIEMENS",
    "SPI",
    "SUTURA",
    "TOSHIBA",
    "VARIAN",
];

/// What a value is inside of.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    /// The class of the sequences around it, where it identifies.
    class: Option<PhiClass>,
}

/// How a value stands.
pub(super) enum Shown<'f> {
    /// No bytes.
    Empty,
    /// So many items.
    Items(usize),
    /// Pixel data in so many fragments.
    Fragments(usize),
    /// Bytes or numbers that nobody reads.
    Bytes(usize),
    /// Not to be shown: so many characters, or bytes of what is no text.
    Masked(Option<usize>),
    /// As it is.
    Text(Cow<'f, str>),
}

/// An element with what is to be shown of it.
pub(super) struct Line<'f> {
    /// Keyword, or what stands for it.
    pub(super) name: &'static str,
    /// The class of its value.
    pub(super) class: PhiClass,
    /// Its value.
    pub(super) value: Shown<'f>,
}

impl<'f> Line<'f> {
    /// What is to be shown of an element.
    pub(super) fn of(element: &Element<'f>, around: &Around, reveal: bool) -> Self {
        let class = class_of(element, around);
        Self { name: name_of(element.tag()), value: value_of(element, &class, reveal), class }
    }
}

impl Around {
    /// What stands around the items of a sequence.
    pub(super) fn within(&self, sequence: &Element<'_>) -> Self {
        let own = dictionary::phi(sequence.tag());
        Self { class: self.class.clone().or_else(|| own.is_identifying().then_some(own)) }
    }
}

/// Writes the elements of a data set.
pub(super) fn write(data_set: DataSet<'_>, reveal: bool, out: &mut dyn Write) -> io::Result<()> {
    level(data_set, &Around::default(), 1, reveal, out)
}

/// Sequences are nested no deeper than the limit of the reader.
fn level(data_set: DataSet<'_>, around: &Around, depth: usize, reveal: bool, out: &mut dyn Write) -> io::Result<()> {
    let width = 2 * depth;
    let mut blocks = Blocks::default();
    for element in data_set {
        let (tag, line) = (element.tag(), Line::of(&element, around, reveal));
        if let Some(block) = blocks.next(&element) {
            match block.creator {
                Some(creator) => writeln!(out, "{:width$}private block of {}", "", creator_words(&creator, reveal))?,
                None => writeln!(out, "{:width$}private block of nobody", "")?,
            }
        }
        write!(out, "{:width$}{tag} {} {} {}", "", element.vr().code(), element.length(), line.name)?;
        match &line.value {
            Shown::Empty => writeln!(out, ": (empty)")?,
            Shown::Items(count) => writeln!(out, ": {}", crate::output::count(*count, "item"))?,
            Shown::Fragments(count) => writeln!(out, ": {}", crate::output::count(*count, "fragment"))?,
            Shown::Bytes(count) => writeln!(out, ": {}", crate::output::count(*count, "byte"))?,
            Shown::Masked(Some(count)) => writeln!(out, ": {} ‹masked, {}›", line.class, crate::output::count(*count, "character"))?,
            Shown::Masked(None) => writeln!(out, ": {} ‹masked›", line.class)?,
            Shown::Text(text) => {
                write!(out, ": {}", plain(text))?;
                if let Some(meaning) = meaning(&element, text) {
                    write!(out, " ({meaning})")?;
                }
                if line.class.is_identifying() {
                    write!(out, " ‹{}›", line.class)?;
                }
                writeln!(out)?;
            }
        }
        let within = around.within(&element);
        for (position, item) in element.items().enumerate() {
            writeln!(out, "{:width$}  item {}", "", position + 1)?;
            level(item, &within, depth + 2, reveal, out)?;
        }
    }
    Ok(())
}

/// A private block that begins, and who reserved it, if anybody did.
pub(super) struct Block<'f> {
    pub(super) creator: Option<Element<'f>>,
}

/// The private blocks of a data set, as its elements pass by.
#[derive(Default)]
pub(super) struct Blocks<'f> {
    creators: Vec<Element<'f>>,
    /// The creator element that the last private element belongs to.
    last: Option<Tag>,
}

impl<'f> Blocks<'f> {
    /// The block that begins with this element, if one does.
    pub(super) fn next(&mut self, element: &Element<'f>) -> Option<Block<'f>> {
        let tag = element.tag();
        if tag.is_private_creator() {
            if self.creators.last().is_some_and(|last| last.tag().group() != tag.group()) || self.creators.len() >= 256 {
                self.creators.clear();
            }
            self.creators.push(*element);
        }
        let block = tag.creator();
        if block.is_none() || block == self.last {
            self.last = block;
            return None;
        }
        self.last = block;
        Some(Block { creator: self.creators.iter().rev().find(|creator| Some(creator.tag()) == block).copied() })
    }
}

/// The name of a creator, if it is one that is known for it.
pub(super) fn creator_name(creator: &Element<'_>, reveal: bool) -> Option<String> {
    let text = creator.text()?;
    let upper = text.to_ascii_uppercase();
    let is_known = text.len() <= 64 && !text.contains('^') && CREATORS.iter().any(|known| upper.starts_with(known));
    (reveal || is_known).then(|| text.into_owned())
}

fn creator_words(creator: &Element<'_>, reveal: bool) -> String {
    match creator_name(creator, reveal) {
        Some(name) => plain(&name),
        None => format!("{} ‹masked›", PhiClass::FreeText),
    }
}

fn name_of(tag: Tag) -> &'static str {
    match dictionary::attribute(tag) {
        Some(known) if !known.keyword.is_empty() => known.keyword,
        Some(known) if !known.name.is_empty() => known.name,
        _ if tag.is_private_creator() => "(private creator)",
        _ if tag.is_private() => "(private)",
        _ if tag.element() == 0 => "(group length)",
        _ => "(unknown)",
    }
}

/// The class of an element's value: that of its attribute, and of the sequences around it. A value that is not what its attribute asks for may be anything.
fn class_of(element: &Element<'_>, around: &Around) -> PhiClass {
    let class = dictionary::phi(element.tag());
    if class.is_identifying() || element.is_sequence() {
        return class;
    }
    match &around.class {
        Some(outer) => outer.clone(),
        None if is_as_declared(element) => class,
        None => PhiClass::FreeText,
    }
}

/// Whether a value has the form that the dictionary asks for: no text in the place of a code or a number.
fn is_as_declared(element: &Element<'_>) -> bool {
    let Some(known) = element.attribute() else { return true };
    if !element.vr().is_text() {
        // Opaque bytes where a text should be.
        return !known.vr.is_text() || !matches!(element.vr(), Vr::OB | Vr::UN);
    }
    if element.length() > MOST_BYTES {
        return true;
    }
    let Some(text) = element.text() else { return true };
    let only = |may: &dyn Fn(char) -> bool| text.chars().all(|character| character == '\\' || may(character));
    match known.vr {
        Vr::CS => text.split('\\').all(|code| self::code(code).is_some()),
        Vr::UI => only(&|character| character.is_ascii_digit() || character == '.'),
        Vr::DA | Vr::TM | Vr::DT | Vr::AS => only(&|character| character.is_ascii_digit() || " .:+-DWMY".contains(character)),
        Vr::DS | Vr::IS => only(&|character| character.is_ascii_digit() || " .+-eE".contains(character)),
        declared if !declared.is_text() && declared != Vr::SQ => {
            only(&|character| character.is_ascii_digit() || " .+-eE".contains(character))
        }
        _ => true,
    }
}

/// A code as the standard writes them; another text is none.
pub(super) fn code(text: &str) -> Option<&str> {
    let may = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || " _".contains(character);
    (text.len() <= 16 && text.chars().all(may)).then_some(text)
}

fn value_of<'f>(element: &Element<'f>, class: &PhiClass, reveal: bool) -> Shown<'f> {
    if element.is_sequence() {
        return Shown::Items(element.items().count());
    }
    if element.is_fragments() {
        // The first is the offset table.
        return Shown::Fragments(element.fragments().count().saturating_sub(1));
    }
    if element.length() == 0 {
        return Shown::Empty;
    }
    let is_creator = element.tag().is_private_creator();
    if is_creator && let Some(name) = creator_name(element, reveal) {
        return Shown::Text(Cow::Owned(name));
    }
    let most = if element.vr().is_text() { MOST_BYTES } else { MOST_NUMBERS };
    let is_opaque = element.vr().is_bulk() || element.length() > most;
    if class.is_identifying() && !reveal {
        let characters = (element.vr().is_text() && !is_opaque).then(|| element.text()).flatten();
        return Shown::Masked(characters.map(|text| text.chars().count()));
    }
    match element.text() {
        Some(text) if !is_opaque => Shown::Text(text),
        _ => Shown::Bytes(element.length()),
    }
}

/// What a UID of the standard stands for.
fn meaning(element: &Element<'_>, text: &str) -> Option<&'static str> {
    if element.vr() == Vr::UI { dictionary::sop_class_name(text) } else { None }
}

/// One line of text without what a terminal would act on.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (position, character) in text.chars().enumerate() {
        if position == MOST_CHARACTERS {
            // Writing to a string does not fail.
            let _ = write!(out, "... ({} characters)", text.chars().count());
            break;
        }
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}
