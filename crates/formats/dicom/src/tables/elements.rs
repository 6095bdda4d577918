//! `elements`: one row for each element at any depth, and `findings`.

use std::{borrow::Cow, fmt::Write as _};

use sutura_core::{FormatError, PhiClass};

use super::spec::{Add, Column, Read, Row, Rows, Table, computed, table};
use crate::{
    dictionary,
    element::{DataSet, Element},
};

/// Longest text of a value that is shown; more is in the file.
const MOST_TEXT: usize = 64 << 10;

pub(super) fn elements() -> Table {
    use PhiClass::{FreeText, Operational};
    let text = |name, phi, doc, read| computed(name, "", phi, doc, Read::Text(read));
    let integer = |name, doc, read| computed(name, "", Operational, doc, Read::Integer(read));
    let columns = vec![
        text("path", Operational, "where it stands: sequences with the numbers of their items, from 1, then its tag", |row| {
            Some(Cow::Borrowed(row.path))
        }),
        computed("tag", "", Operational, "the tag: eight hexadecimal digits", Read::Tag(|row| Some(row.element?.tag()))),
        text("keyword", Operational, "the keyword of the dictionary; null of private and unknown elements", |row| {
            Some(dictionary::attribute(row.element?.tag())?.keyword).filter(|keyword| !keyword.is_empty()).map(Cow::Borrowed)
        }),
        text("private_creator", FreeText, "whose block a private element is in, as the sender wrote it", |row| row.creator?.text()),
        text("vr", Operational, "the value representation: as written, or as the dictionary has it", |row| {
            Some(Cow::Borrowed(row.element?.vr().code()))
        }),
        text(
            "value",
            FreeText,
            "the value as text, several with a backslash between them; null of sequences, opaque bytes and long rows of numbers",
            |row| row.element?.text().filter(|text| !text.is_empty() && text.len() <= MOST_TEXT),
        ),
        integer("depth", "in how many sequences it is", |row| Some(row.depth)),
        integer("item", "number of the item of the innermost sequence, from 1; 0 outside", |row| Some(row.outer)),
        integer("byte_offset", "where the value begins in the file, or in the unpacked data set", |row| {
            i64::try_from(row.element?.offset()).ok()
        }),
        integer("byte_length", "bytes of the value", |row| i64::try_from(row.element?.length()).ok()),
        text("phi_class", Operational, "class of identifying information of the attribute", |row| {
            let tag = row.element?.tag();
            let class = dictionary::attribute(tag).map_or_else(|| dictionary::phi(tag).as_str(), |known| known.phi.as_str());
            Some(class)
        }),
        text(
            "profile_action",
            Operational,
            "action of the Basic Application Level Confidentiality Profile (PS3.15 table E.1-1); null where it does not name the attribute",
            |row| {
                let tag = row.element?.tag();
                if tag.is_private() {
                    return Some(Cow::Borrowed("X"));
                }
                dictionary::attribute(tag)?.profile.map(Cow::Borrowed)
            },
        ),
    ];
    table(
        "elements",
        "one row for each data element at any depth, items not counted: tag, VR, value as text, place in the file",
        Rows::Elements,
        columns,
    )
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
            creator = creators.iter().rev().find(|creator| creator.tag() == wanted).copied();
        }
        path.extend(tag.to_hex().map(char::from));
        add(&Row { item: data_set, element: Some(element), creator, depth, outer: number, path, ..*row })?;
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
