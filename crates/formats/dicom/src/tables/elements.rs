//! `elements`: one row for each element at any depth, and `findings`.

use std::{borrow::Cow, fmt::Write as _};

use sutura_core::{FormatError, PhiClass};

use super::spec::{Add, Column, Read, Row, Rows, Table, computed, table};
use crate::{
    dictionary,
    element::{DataSet, Element},
    tag::Tag,
};

pub(super) fn elements() -> Table {
    use PhiClass::{FreeText, Operational};
    let text = |name, phi, doc, read| computed(name, "", phi, doc, Read::Text(read));
    let integer = |name, doc, read| computed(name, "", Operational, doc, Read::Integer(read));
    let word = |name, doc, read| computed(name, "", Operational, doc, Read::Word(read));
    let columns = vec![
        computed("path", "", Operational, "where it stands: sequences with the numbers of their items, from 1, then its tag", Read::Path),
        computed("tag", "", Operational, "the tag: eight hexadecimal digits", Read::Tag(|row| Some(row.element?.tag()))),
        word("keyword", "the keyword of the dictionary; null of private and unknown elements", |row| {
            Some(row.attribute?.keyword).filter(|keyword| !keyword.is_empty())
        }),
        text("private_creator", FreeText, "whose block a private element is in, as the sender wrote it", |row| row.creator?.text()),
        word("vr", "the value representation: as written, or as the dictionary has it", |row| Some(row.element?.vr().code())),
        computed(
            "value",
            "",
            FreeText,
            "the value as text, several with a backslash between them; null of sequences, opaque bytes and long rows of numbers",
            Read::Value,
        ),
        integer("depth", "in how many sequences it is", |row| Some(row.depth)),
        integer("item", "number of the item of the innermost sequence, from 1; 0 outside", |row| Some(row.outer)),
        integer("byte_offset", "where the value begins in the file, or in the unpacked data set", |row| {
            i64::try_from(row.element?.offset()).ok()
        }),
        integer("byte_length", "bytes of the value", |row| i64::try_from(row.element?.length()).ok()),
        word("phi_class", "class of identifying information of the attribute", |row| {
            Some(row.attribute.map_or_else(|| unknown_class(row), |known| known.phi_word))
        }),
        word(
            "profile_action",
            "action of the Basic Application Level Confidentiality Profile (PS3.15 table E.1-1); null where it does not name the attribute",
            |row| if row.element?.tag().is_private() { Some("X") } else { row.attribute?.profile },
        ),
    ];
    table(
        "elements",
        "one row for each data element at any depth, items not counted: tag, VR, value as text, place in the file",
        Rows::Elements,
        columns,
    )
}

/// The class of an element that the dictionary does not know: nobody has looked at it.
fn unknown_class(row: &Row<'_>) -> &'static str {
    match dictionary::phi(row.element.map_or(Tag(0), |element| element.tag())).as_str() {
        Cow::Borrowed(word) => word,
        Cow::Owned(_) => "free-text",
    }
}

/// Rows of a file: nested elements follow their sequence.
pub(super) fn each(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    let mut path = String::new();
    walk(row, row.record.data_set, 0, 0, &mut path, add)
}

/// Sequences are nested no deeper than the limit of the reader.
fn walk(row: &Row<'_>, data_set: DataSet<'_>, depth: i64, number: i64, path: &mut String, add: &mut Add<'_>) -> Result<(), FormatError> {
    let around = path.len();
    let mut creators: Vec<Element<'_>> = Vec::new();
    for element in data_set {
        let tag = element.tag();
        let mut creator = None;
        if tag.is_private_creator() {
            // A group has room for 240, and only those of the same group count.
            if creators.last().is_some_and(|last| last.tag().group() != tag.group()) || creators.len() >= 256 {
                creators.clear();
            }
            creators.push(element);
        } else if let Some(wanted) = tag.creator() {
            creator = creators.iter().rev().find(|creator| creator.tag() == wanted);
        }
        if depth > 0 || element.is_sequence() {
            path.push_str(std::str::from_utf8(&tag.to_hex()).unwrap_or_default());
        }
        let attribute = element.attribute();
        let shown = if depth > 0 { path.as_str() } else { "" };
        add(&Row { item: data_set, element: Some(element), attribute, creator, depth, outer: number, path: shown, ..*row })?;
        for (position, item) in element.items().enumerate() {
            let inner = path.len();
            // Writing to a string does not fail.
            let _ = write!(path, "[{}].", position + 1);
            walk(row, item, depth + 1, position as i64 + 1, path, add)?;
            path.truncate(inner);
        }
        path.truncate(around);
    }
    Ok(())
}

pub(super) fn findings() -> Table {
    let text = |name, doc, read| -> Column { computed(name, "", PhiClass::Operational, doc, Read::Text(read)) };
    let columns = vec![
        text("code", "stable code of the finding", |row| Some(Cow::Borrowed(row.finding?.code))),
        text("severity", "info, warning or error", |row| Some(Cow::Borrowed(row.finding?.severity.as_str()))),
        text("location", "tag of the element", |row| Some(Cow::Borrowed(row.finding?.location.as_str()))),
        text("message", "what is wrong, without any value", |row| Some(Cow::Borrowed(row.finding?.message.as_str()))),
    ];
    table(sutura_core::finding::FINDINGS_TABLE, "one row for each thing that is odd about a file that was read", Rows::Findings, columns)
}
